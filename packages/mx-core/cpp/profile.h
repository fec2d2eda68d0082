// Profile: while it is on, every kernel and copy that runs leaves its name, times and device here.
// Off, it costs one relaxed load per plan.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace mx {

struct Device;

extern std::atomic<bool> profiling;

inline bool is_profiling() { return profiling.load(std::memory_order_relaxed); }

// Nanoseconds of the clock that Python calls perf_counter_ns.
int64_t profile_clock();

// Adds one span of work on this thread. Past a million spans, further ones are only counted.
void profile_span(const std::string &name, const Device *device, int64_t begin, int64_t end);

}  // namespace mx
