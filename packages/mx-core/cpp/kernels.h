// The kernel tables that packages registered, and what prepare() made of them.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mx/abi.h"
#include "tensor.h"

namespace mx {

// Throws std::runtime_error for a wrong ABI version or size.
void add_kernel_table(const mx_kernel_table *table);
bool has_kernel(const std::string &device, const std::string &op);
std::vector<std::string> kernel_names(const std::string &device);

// A kernel made ready for one signature; shared by the plans that use it.
struct Prepared {
  std::atomic<int32_t> references{1};
  mx_prepared p{};
  std::string op;
  bool is_empty = false;  // every output has a size of 0: there is nothing to run
  ~Prepared() {
    if (p.free_state) p.free_state(p.state);
  }
  void retain() { references.fetch_add(1, std::memory_order_relaxed); }
  void drop() {
    if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
};

struct PrepareResult {
  Ref<Prepared> prepared;  // null: not available
  bool known = false;      // some package has a kernel of that name for the device
  std::string reason;      // why it does not serve this signature
};

// Tries the kernels named sig.op on that kind of device, highest priority first.
// Throws std::runtime_error when a kernel's prepare() failed (not: is unsupported).
PrepareResult prepare_kernel(const std::string &device, const mx_signature &sig);

}  // namespace mx
