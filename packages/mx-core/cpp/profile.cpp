#include "profile.h"

#include <pybind11/pybind11.h>

#include <chrono>
#include <mutex>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "bind.h"
#include "storage.h"

namespace py = pybind11;

namespace mx {

std::atomic<bool> profiling{false};

namespace {

constexpr size_t kMostSpans = 1'000'000;

struct Span {
  std::string name;
  std::string device;
  int64_t begin, end, thread, bytes;
};

std::mutex mutex;
std::vector<Span> spans;
int64_t lost = 0;

int64_t thread_number() {
#if defined(__linux__)
  static thread_local int64_t number = syscall(SYS_gettid);
#else
  static std::atomic<int64_t> next{1};
  static thread_local int64_t number = next++;
#endif
  return number;
}

}  // namespace

int64_t profile_clock() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

void profile_span(const std::string &name, const Device *device, int64_t begin, int64_t end) {
  int64_t bytes = static_cast<int64_t>(device->pool->statistics().in_use_bytes);
  std::lock_guard lock(mutex);
  if (spans.size() < kMostSpans)
    spans.push_back({name, device->name, begin, end, thread_number(), bytes});
  else
    ++lost;
}

void bind_profile(py::module_ &m) {
  m.def(
      "set_profile", [](bool on) { return profiling.exchange(on); },
      "Turns the recording of kernels on or off; returns what it was.");
  m.def(
      "take_profile",
      [] {
        std::vector<Span> taken;
        int64_t missing;
        {
          std::lock_guard lock(mutex);
          taken.swap(spans);
          missing = std::exchange(lost, 0);
        }
        py::list out;
        for (const Span &s : taken)
          out.append(py::make_tuple(s.name, s.device, s.begin, s.end, s.thread, s.bytes));
        return py::make_tuple(out, missing);
      },
      "([(name, device, begin ns, end ns, thread, bytes in use)], spans lost), and forgets them.");
}

}  // namespace mx
