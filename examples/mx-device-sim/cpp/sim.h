// A gpu that is not there: the parts of the simulated device that kernels and the device table share.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "mx/abi.h"

namespace mx::sim {

// Pointers handed out are host addresses plus this. The sum is no canonical address, so the host that
// touches "device memory" crashes at once instead of reading what only luck makes readable.
constexpr uintptr_t kBias = uintptr_t{1} << 62;

inline void* to_device(void* host) { return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(host) + kBias); }
// Null stays null: absent workspaces and outputs.
inline void* to_host(void* device) {
  return device ? reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(device) - kBias) : nullptr;
}

// A task's work; a text other than "" is why it failed.
using Task = std::function<std::string()>;

// A queue of tasks and the one thread that runs them in order, as a CUDA stream.
class Stream {
 public:
  Stream();
  ~Stream();  // runs what is queued first
  // Returns at once. A failure is kept for the next synchronize().
  void push(Task task);
  // Runs `task` behind all that is queued, waits for it, and returns its failure.
  std::string run(Task task);
  // Waits for all that is queued; returns the first failure since the last time, "" if there was none.
  std::string synchronize();
  // In the child of a fork the thread does not exist: starts afresh.
  static void after_fork_child();

 private:
  struct State;
  State* state_;
};

const mx_device& device();

// A table for the device "gpu" whose kernels run those of `tables` (device "cpu") on the simulated memory; those
// named in `without` are left out. Lives as long as the process.
const mx_kernel_table* wrap_kernels(const std::vector<const mx_kernel_table*>& tables,
                                    const std::vector<std::string>& without);

}  // namespace mx::sim
