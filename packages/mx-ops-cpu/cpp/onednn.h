// What every kernel on oneDNN shares: the engine, a stream, and primitives that survive a change of
// threads.
#pragma once

#include <omp.h>

#include <map>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>

#include "mx/kernel.h"

namespace mx::cpu {

// The one CPU engine; it lives as long as the process.
const dnnl::engine& dnnl_engine();

// A stream of the calling thread.
dnnl::stream& dnnl_stream();

// A memory object over `data`.
inline dnnl::memory memory_at(const dnnl::memory::desc& desc, const void* data) {
  return dnnl::memory(desc, dnnl_engine(), const_cast<void*>(data));
}

// Runs f(), turning oneDNN's "no implementation for this" into Unsupported.
template <class F>
decltype(auto) or_unsupported(F&& f) {
  try {
    return f();
  } catch (const dnnl::error& e) {
    if (e.status == dnnl_unimplemented || e.status == dnnl_invalid_arguments)
      throw Unsupported(e.what());
    throw;
  }
}

// One Plan per number of OpenMP threads. oneDNN fixes the number of threads when a primitive is
// made, but it may differ where the kernel runs: on an engine worker, after set_num_threads, and in
// a forked child, where libgomp hangs if more threads are asked for than after_fork_child allowed.
template <class Plan>
class PerThreads {
 public:
  template <class How>
  const Plan& get(const How& how) const {
    const int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    std::lock_guard<std::mutex> guard(mutex_);
    auto& plan = plans_[threads];
    if (!plan) plan = std::make_unique<const Plan>(how);
    return *plan;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::map<int, std::unique_ptr<const Plan>> plans_;
};

}  // namespace mx::cpu
