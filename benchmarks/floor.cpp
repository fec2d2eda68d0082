// What the machine itself can do, one thread: the floors the figures are compared with.
// g++ -O3 -march=native -std=c++20 floor.cpp -o floor && ./floor
#include <cstdint>
#include <initializer_list>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

typedef float vec __attribute__((vector_size(64)));

static double now() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

template <typename F>
static double best(F f) {
  double least = 1e9;
  f();
  for (int i = 0; i < 9; ++i) {
    double began = now();
    f();
    double spent = now() - began;
    if (spent < least) least = spent;
  }
  return least;
}

static float *block(size_t n) {
  auto *p = static_cast<float *>(std::aligned_alloc(2 << 20, (n * 4 + (2 << 20) - 1) / (2 << 20) * (2 << 20)));
  for (size_t i = 0; i < n; ++i) p[i] = 1.0f;
  return p;
}

static void report(const char *name, double value, const char *unit) {
  std::printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"}\n", name, value, unit);
}

// Multiply-adds in registers: the peak no matrix product can pass.
static double multiply_add_peak() {
  constexpr int kChains = 16, kLanes = 16;
  alignas(64) static float seed[kChains * kLanes];
  for (float &s : seed) s = 1e-3f;
  vec x[kChains], a, b;
  std::memcpy(x, seed, sizeof x);
  std::memcpy(&a, seed, sizeof a);
  std::memcpy(&b, seed, sizeof b);
  const long rounds = 20'000'000;
  double spent = best([&] {
    for (long i = 0; i < rounds / 10; ++i)
      for (int c = 0; c < kChains; ++c) x[c] = x[c] * a + b;
    asm volatile("" : : "m"(x));
  });
  std::memcpy(seed, x, sizeof seed);
  return 2.0 * kChains * kLanes * (rounds / 10) / spent / 1e9;
}

int main() {
  const size_t n = 16'000'000;
  float *a = block(n), *b = block(n), *c = block(n);
  report("add_16M", 12.0 * n / best([&] {
                      for (size_t i = 0; i < n; ++i) c[i] = a[i] + b[i];
                      asm volatile("" : : "r"(c) : "memory");
                    }) / 1e9, "GB/s");
  double copy = 8.0 * n / best([&] {
                  for (size_t i = 0; i < n; ++i) c[i] = a[i] > 0 ? a[i] : 0;
                  asm volatile("" : : "r"(c) : "memory");
                }) / 1e9;
  for (const char *name :
       {"relu_16M", "exp_16M", "tanh_16M", "transpose_4000", "transpose_4096", "transpose_nchw_nhwc", "concat_axis0",
        "concat_axis1", "softmax", "softmax_axis0", "log_softmax", "layer_norm"})
    report(name, copy, "GB/s");
  float *d = block(n);
  report("where", 16.0 * n / best([&] {
                    for (size_t i = 0; i < n; ++i) c[i] = a[i] != 0 ? b[i] : d[i];
                    asm volatile("" : : "r"(c) : "memory");
                  }) / 1e9, "GB/s");
  double two_read = 12.0 * n / best([&] {
                      for (size_t i = 0; i < n; ++i) c[i] = a[i] * b[i];
                      asm volatile("" : : "r"(c) : "memory");
                    }) / 1e9;
  for (const char *name : {"softmax_backward", "layer_norm_backward"}) report(name, two_read, "GB/s");
  // Rows of 1 KiB at random places of 50 MB, copied: what a table of embeddings allows.
  const size_t rows = 50'000, width = 256, words = 20'000;
  uint64_t state = 1;
  auto *row = static_cast<uint32_t *>(std::malloc(words * 4));
  for (size_t i = 0; i < words; ++i) row[i] = (state = state * 6364136223846793005u + 1442695040888963407u) >> 33;
  double gather = 8.0 * words * width / best([&] {
                    for (size_t i = 0; i < words; ++i)
                      std::memcpy(c + i * width, a + row[i] % rows * width, width * 4);
                    asm volatile("" : : "r"(c) : "memory");
                  }) / 1e9;
  for (const char *name : {"embedding", "take"}) report(name, gather, "GB/s");
  double read = 4.0 * n / best([&] {
                  vec sums[8] = {};
                  auto *p = reinterpret_cast<const vec *>(a);
                  for (size_t i = 0; i + 8 <= n / 16; i += 8)
                    for (int k = 0; k < 8; ++k) sums[k] += p[i + k];
                  std::memcpy(c, sums, sizeof sums);
                  asm volatile("" : : "r"(c) : "memory");
                }) / 1e9;
  for (const char *name : {"sum_16M", "sum_axis0", "sum_axis1"}) report(name, read, "GB/s");
  const double peak = multiply_add_peak();
  for (const char *name : {"dot_2048", "batch_dot_256", "batch_dot_256_t", "convolution", "convolution_backward"})
    report(name, peak, "GFLOP/s");
}
