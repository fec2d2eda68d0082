// A check macro for the native tests: prints the place and the expression, and ends the test program.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>

#define CHECK(condition)                                                           \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                \
    }                                                                              \
  } while (false)

struct TestCase {
  const char *name;
  void (*run)();
};

// Runs the cases named on the command line, or all of them; prints a line for each that passed.
template <size_t n>
int run_cases(const TestCase (&cases)[n], int argc, char **argv) {
  int found = 0;
  for (const TestCase &test : cases) {
    bool is_wanted = argc < 2;
    for (int i = 1; i < argc; ++i) is_wanted |= std::strcmp(argv[i], test.name) == 0;
    if (!is_wanted) continue;
    ++found;
    test.run();
    std::printf("ok %s\n", test.name);
    std::fflush(stdout);
  }
  return found > 0 ? 0 : 2;
}
