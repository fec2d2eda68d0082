// Plan: a short list of prepared kernel calls over slots, compiled once per signature by Python,
// replayed here.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels.h"
#include "tensor.h"

struct _object;

namespace mx {

// Where a slot's memory is. Slots 0..n_in-1 are the inputs, then the outputs, then these.
struct Slot {
  enum Kind : uint8_t { kTemp, kAlias, kConst } kind;
  int32_t base = 0;    // kAlias: slot number
  int64_t offset = 0;  // kTemp: offset in the arena; kAlias: bytes behind the base slot
  Tensor constant;     // kConst
};

struct Step {
  Ref<Prepared> kernel;
  uint32_t in, n_in, out, n_out;  // ranges of Plan::indices
  uint32_t scalars,
      n_scalars;  // range of Plan::indices: number of a plan's scalar, or -1 - number of a constant
  uint64_t random_offset;  // counters used by earlier steps
};

struct Saved {
  bool is_output;
  int32_t index;
};

struct OutputAlias {
  int32_t input = -1;  // -1: memory of its own
  int64_t offset = 0;
};

struct Plan;

struct GradientPlan {
  std::vector<int32_t> heads, recorded;
  Ref<Plan> plan;
};

struct Plan {
  std::atomic<int32_t> references{1};
  std::string name;
  Device *device = nullptr;
  std::vector<const TensorType *> inputs,
      outputs;  // an output type may be nullptr: no such value (gradients)
  int32_t n_visible = 0;
  int32_t n_scalars = 0;
  std::vector<Slot> slots;
  std::vector<Step> steps;
  std::vector<int32_t> indices;
  std::vector<mx_scalar> constants;  // scalars whose value is known when the plan is built
  std::vector<int32_t> written_inputs;
  std::vector<OutputAlias> aliases;  // one per output
  std::vector<Saved> saved;
  std::vector<int32_t> grad_inputs;
  size_t arena_bytes = 0, workspace_bytes = 0;  // workspace follows the arena in one block
  double cost_ns = 0;
  uint64_t random_blocks = 0;
  // For each output, the number of the only step's output that makes it: such a plan may write over
  // its inputs where the kernel may. Empty if there are more steps, or views between.
  std::vector<int32_t> makers;
  _object *graph = nullptr;  // Python's view of the plan, given back to compile_gradient
  std::vector<GradientPlan> gradients;

  ~Plan();
  void retain() { references.fetch_add(1, std::memory_order_relaxed); }
  void drop();
};

// Why a run failed, thrown inline. kind names the Python class.
struct KernelError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Runs the plan. outs holds plan.outputs.size() tensors: set ones (out=) are written into, the
// others are allocated. Needs the GIL, which orders all work. Throws KernelError, FailureError,
// OutOfMemory, Interrupted. Cheap work whose arrays are ready runs at once; the rest goes to the
// device's lane.
void run_plan(Plan &plan, const Tensor *const *ins, Tensor *outs, const mx_scalar *scalars);

// dst[...] = src bytes, same type, any devices; asynchronous like run_plan.
void copy_tensor(const Tensor &src, const Tensor &dst);

// Waits with the GIL released; Ctrl-C raises through Interrupted.
void wait_to_read(const Tensor &t);
void wait_to_write(const Tensor &t);
void wait_all();

// Work estimated above this goes to the device's worker.
constexpr double kInlineNanoseconds = 50e3;

}  // namespace mx
