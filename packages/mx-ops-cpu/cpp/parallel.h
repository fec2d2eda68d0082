// Splitting a loop over OpenMP threads, when it is worth it.
#pragma once

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>

namespace mx::cpu {

// Below this estimated time a loop stays on the calling thread: a parallel region costs some
// microseconds.
constexpr double kParallelNs = 100e3;

// Keeps a library that opens OpenMP regions of its own on the calling thread, for work too small to
// share.
class OneThread {
 public:
  explicit OneThread(bool wanted) : before_(wanted ? omp_get_max_threads() : 1) {
    if (before_ > 1) omp_set_num_threads(1);
  }
  OneThread(const OneThread&) = delete;
  ~OneThread() {
    if (before_ > 1) omp_set_num_threads(before_);
  }

 private:
  int before_;
};

// Calls body(begin, end) over [0, n) in one contiguous part per thread, each part a multiple of
// `grain` (but for the last). cost_ns is the estimated time of the whole loop on one core.
template <class Body>
void parallel_for(int64_t n, int64_t grain, double cost_ns, Body&& body) {
  if (n <= 0) return;
  if (cost_ns < kParallelNs || n <= grain || omp_get_max_threads() == 1 || omp_in_parallel()) {
    body(int64_t{0}, n);
    return;
  }
  std::exception_ptr failure;
  std::atomic<bool> failed{false};
#pragma omp parallel
  {
    const int64_t threads = omp_get_num_threads();
    const int64_t grains = (n + grain - 1) / grain;
    const int64_t each = (grains + threads - 1) / threads * grain;
    const int64_t begin = std::min(n, omp_get_thread_num() * each);
    const int64_t end = std::min(n, begin + each);
    try {
      if (begin < end) body(begin, end);
    } catch (...) {  // an exception must not leave a parallel region: it is carried over its end
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace mx::cpu
