#include "plan.h"

#include <Python.h>

#include <cstring>
#include <stdexcept>

#include "call_args.h"
#include "profile.h"
#include "pyerror.h"

namespace mx {

namespace {

bool signal_pending() {
  PyGILState_STATE state = PyGILState_Ensure();
  bool pending = PyErr_CheckSignals() != 0;
  PyGILState_Release(state);
  return pending;
}

template <typename Wait>
void wait_released(Wait wait) {
  PyThreadState *state = PyEval_SaveThread();
  try {
    wait();
  } catch (...) {
    PyEval_RestoreThread(state);
    throw;
  }
  PyEval_RestoreThread(state);
}

// How far Python may run ahead of the workers: operations, and bytes of the new arrays that they
// wait to fill. A training loop that never looks at a result would hold the arrays of many steps
// otherwise, and touch new memory (page faults: half of the time of a small network) where it could
// reuse its own.
constexpr uint64_t kMostPending = 1000;
constexpr uint64_t kMostPendingBytes = 128 << 20;
std::atomic<uint64_t> pending_bytes{0};

void limit_queue() {
  Engine &engine = Engine::get();
  uint64_t pending = engine.pending();
  if (pending < kMostPending && pending_bytes.load(std::memory_order_relaxed) < kMostPendingBytes)
    return;
  wait_released([&] { engine.wait_pending(pending / 2, signal_pending); });
}

// Python objects of plans that died on a worker wait here for a thread that holds the GIL.
std::mutex graveyard_mutex;
std::vector<PyObject *> graveyard;
std::atomic<bool> graveyard_used{false};

void bury(PyObject *object) {
  if (!object) return;
  if (PyGILState_Check()) {
    Py_DECREF(object);
    return;
  }
  std::lock_guard lock(graveyard_mutex);
  graveyard.push_back(object);
  graveyard_used = true;
}

void empty_graveyard() {
  std::vector<PyObject *> dead;
  {
    std::lock_guard lock(graveyard_mutex);
    dead.swap(graveyard);
    graveyard_used = false;
  }
  for (PyObject *o : dead) Py_DECREF(o);
}

// A block of scratch memory from the device's pool.
struct Scratch {
  Device *device = nullptr;
  void *data = nullptr;
  size_t bytes = 0;
  Scratch(Device *d, size_t n) : device(d), bytes(n) {
    if (n) data = d->pool->allocate(n);
  }
  Scratch(const Scratch &) = delete;
  Scratch &operator=(const Scratch &) = delete;
  ~Scratch() {
    if (data) device->pool->release(data, bytes);
  }
};

struct Random {
  uint64_t seed, offset;
};

// What a profile calls a step: the operator, and the kernel where the two differ.
std::string span_name(const Plan &plan, const Step &step) {
  const std::string &kernel = step.kernel->op;
  if (plan.steps.size() == 1 || kernel == plan.name) return plan.name;
  return kernel.empty() || kernel[0] == '_' ? plan.name + ":" + kernel : kernel;
}

// Runs the steps on this thread. pointers: inputs and outputs are set, the rest is filled in here.
void run_steps(const Plan &plan, void **pointers, char *scratch, const mx_scalar *scalars,
               Random random) {
  size_t first = plan.inputs.size() + plan.outputs.size();
  for (size_t i = 0; i < plan.slots.size(); ++i) {
    const Slot &s = plan.slots[i];
    switch (s.kind) {
      case Slot::kTemp:
        pointers[first + i] = scratch + s.offset;
        break;
      case Slot::kAlias:
        pointers[first + i] = static_cast<char *>(pointers[s.base]) + s.offset;
        break;
      case Slot::kConst:
        pointers[first + i] = s.constant.data();
        break;
    }
  }
  char error[512];
  mx_call call{};
  call.size = sizeof call;
  call.workspace = scratch + plan.arena_bytes;
  call.stream = plan.device->stream;
  call.seed = random.seed;
  call.error = error;
  call.error_size = sizeof error;
  const bool profiled = is_profiling();
  for (const Step &step : plan.steps) {
    if (step.kernel->is_empty) continue;
    const int32_t *index = plan.indices.data();
    SmallBuffer<void *, 12> args(step.n_in + step.n_out);
    for (uint32_t i = 0; i < step.n_in; ++i) args[i] = pointers[index[step.in + i]];
    for (uint32_t i = 0; i < step.n_out; ++i) args[step.n_in + i] = pointers[index[step.out + i]];
    SmallBuffer<mx_scalar, 8> values(step.n_scalars);
    for (uint32_t i = 0; i < step.n_scalars; ++i) {
      int32_t number = index[step.scalars + i];
      values[i] = number >= 0 ? scalars[number] : plan.constants[static_cast<size_t>(-1 - number)];
    }
    call.in = args.data();
    call.out = args.data() + step.n_in;
    call.scalars = values.data();
    call.offset = random.offset + step.random_offset;
    error[0] = 0;
    int64_t begin = profiled ? profile_clock() : 0;
    if (step.kernel->p.run(step.kernel->p.state, &call) != 0) {
      error[sizeof error - 1] = 0;
      const std::string &op =
          plan.steps.size() > 1 && step.kernel->op != plan.name ? step.kernel->op : std::string();
      throw KernelError("[" + plan.name + "] " + (op.empty() ? "" : "(" + op + ") ") + error);
    }
    if (profiled) profile_span(span_name(plan, step), plan.device, begin, profile_clock());
  }
}

std::string types_text(const Plan &plan) {
  std::string s;
  for (size_t i = 0; i < plan.inputs.size(); ++i) s += (i ? ", " : "") + plan.inputs[i]->text();
  return s;
}

// One queued run of a plan.
class PlanRun : public Operation {
 public:
  PlanRun(Plan &plan, const Tensor *const *ins, const Tensor *outs, const mx_scalar *scalars,
          uint64_t new_bytes, Random random)
      : plan_(&plan), new_bytes_(new_bytes), random_(random), line_(python_line()) {
    pending_bytes.fetch_add(new_bytes_, std::memory_order_relaxed);
    size_t n_in = plan.inputs.size(), n_out = plan.outputs.size();
    pointers_.resize(n_in + n_out + plan.slots.size());
    chunks_.reserve(n_in + n_out);
    for (size_t i = 0; i < n_in; ++i) keep(i, *ins[i]);
    for (size_t i = 0; i < n_out; ++i)
      if (plan.outputs[i]) keep(n_in + i, outs[i]);
    scalars_.assign(scalars, scalars + plan.n_scalars);
  }
  ~PlanRun() override { pending_bytes.fetch_sub(new_bytes_, std::memory_order_relaxed); }
  void run() override {
    // Taken here, not when the run is queued: all queued runs share what one needs.
    Scratch scratch(plan_->device, plan_->arena_bytes + plan_->workspace_bytes);
    try {
      run_steps(*plan_.get(), pointers_.data(), static_cast<char *>(scratch.data), scalars_.data(),
                random_);
      synchronize();
    } catch (const KernelError &e) {
      throw KernelError(std::string(e.what()) + ". It was given " + types_text(*plan_.get()) +
                        " on " + plan_->device->name +
                        (line_.code ? ", called at " + line_.text() : ""));
    }
  }

 private:
  void synchronize() const {
    char message[256] = "";
    const Device *device = plan_->device;
    if (device->stream && device->table->synchronize &&
        device->table->synchronize(device->id, device->stream, message, sizeof message))
      throw KernelError("[" + plan_->name + "] " + message);
  }
  void keep(size_t slot, const Tensor &t) {
    pointers_[slot] = t.data();
    chunks_.push_back(t.chunk);
  }
  Ref<Plan> plan_;
  std::vector<void *> pointers_;
  std::vector<Ref<Chunk>> chunks_;
  std::vector<mx_scalar> scalars_;
  uint64_t new_bytes_;  // of outputs made for this run
  Random random_;
  PythonLine line_;
};

class CopyRun : public Operation {
 public:
  CopyRun(Tensor src, Tensor dst) : src_(std::move(src)), dst_(std::move(dst)) {}
  void run() override {
    int64_t begin = is_profiling() ? profile_clock() : 0;
    copy_bytes(dst_.device(), dst_.data(), src_.device(), src_.data(),
               static_cast<size_t>(src_.type->bytes));
    if (begin) profile_span("_copyto", dst_.device(), begin, profile_clock());
  }
  std::string describe() const override {
    return "[copy] from " + src_.device()->name + " to " + dst_.device()->name + ":";
  }

 private:
  Tensor src_, dst_;
};

bool same_memory(const Tensor &a, const Tensor &b) {
  return a.data() == b.data() && a.type->bytes == b.type->bytes;
}

// out= that overlaps an input the kernel may not overwrite gets fresh memory first, and a copy
// after.
bool needs_detour(const Plan &plan, const Tensor *const *ins, const Tensor &out, size_t j) {
  const int32_t k = plan.makers.empty() ? -1 : plan.makers[j];
  if (k < 0 || k >= MX_MAX_OUTPUTS_INPLACE) {
    for (size_t i = 0; i < plan.inputs.size(); ++i)
      if (ins[i]->overlaps(out)) return true;
    return false;
  }
  for (int32_t i : plan.written_inputs)
    if (ins[i]->overlaps(out)) return true;
  const Step &step = plan.steps[0];
  for (uint32_t p = 0; p < step.n_in; ++p) {  // an input that no kernel reads may be overwritten
    auto i = static_cast<size_t>(plan.indices[step.in + p]);
    if (i >= plan.inputs.size() || !ins[i]->overlaps(out)) continue;
    if (p >= 32 || !same_memory(*ins[i], out) || !(step.kernel->p.inplace[k] >> p & 1)) return true;
  }
  return false;
}

template <typename Visit>
void each_written(const Plan &plan, const Tensor *const *ins, const Tensor *outs, Visit visit) {
  for (size_t j = 0; j < plan.outputs.size(); ++j)
    if (plan.outputs[j] && plan.aliases[j].input < 0) visit(outs[j]);
  for (int32_t i : plan.written_inputs) visit(*ins[i]);
}

bool ready(const Plan &plan, const Tensor *const *ins, const Tensor *outs, const bool *given) {
  for (size_t i = 0; i < plan.inputs.size(); ++i)
    if (!ins[i]->chunk->var.readable()) return false;
  for (size_t j = 0; j < plan.outputs.size(); ++j)
    if (given[j] && !outs[j].chunk->var.writable()) return false;
  for (int32_t i : plan.written_inputs)
    if (!ins[i]->chunk->var.writable()) return false;
  return true;
}

bool covers_chunk(const Tensor &t) {
  return t.offset == 0 && static_cast<size_t>(t.type->bytes) == t.chunk->bytes;
}

void push_plan(Plan &plan, const Tensor *const *ins, Tensor *outs, const bool *given,
               const mx_scalar *scalars, Random random) {
  limit_queue();
  std::vector<Var *> reads, writes;
  for (size_t i = 0; i < plan.inputs.size(); ++i) reads.push_back(&ins[i]->chunk->var);
  each_written(plan, ins, outs, [&](const Tensor &t) {
    writes.push_back(&t.chunk->var);
    if (!covers_chunk(t))
      reads.push_back(&t.chunk->var);  // a part written does not mend a failed whole
  });
  uint64_t new_bytes = 0;
  for (size_t j = 0; j < plan.outputs.size(); ++j)
    if (plan.outputs[j] && !given[j] && plan.aliases[j].input < 0)
      new_bytes += static_cast<uint64_t>(plan.outputs[j]->bytes);
  auto run = std::make_unique<PlanRun>(plan, ins, outs, scalars, new_bytes, random);
  Engine::get().push(std::move(run), plan.device->lane, reads, writes);
}

void run_inline(Plan &plan, const Tensor *const *ins, const Tensor *outs, const mx_scalar *scalars,
                Random random) {
  size_t n_in = plan.inputs.size(), n_out = plan.outputs.size();
  SmallBuffer<void *, 24> pointers(n_in + n_out + plan.slots.size());
  for (size_t i = 0; i < n_in; ++i) pointers[i] = ins[i]->data();
  for (size_t j = 0; j < n_out; ++j)
    pointers[n_in + j] = plan.outputs[j] ? outs[j].data() : nullptr;
  Scratch scratch(plan.device, plan.arena_bytes + plan.workspace_bytes);
  run_steps(plan, pointers.data(), static_cast<char *>(scratch.data), scalars, random);
}

}  // namespace

Plan::~Plan() { bury(graph); }

void Plan::drop() {
  if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void run_plan(Plan &plan, const Tensor *const *ins, Tensor *outs, const mx_scalar *scalars) {
  if (graveyard_used.load(std::memory_order_relaxed)) empty_graveyard();
  size_t n_out = plan.outputs.size();
  SmallBuffer<bool, 8> given(n_out);
  std::vector<std::pair<size_t, Tensor>> detours;
  for (size_t j = 0; j < n_out; ++j) {
    given[j] = false;
    if (!plan.outputs[j]) continue;
    if (outs[j] && needs_detour(plan, ins, outs[j], j))
      detours.emplace_back(j, std::exchange(outs[j], Tensor()));
    if (outs[j]) {
      given[j] = true;
    } else if (plan.aliases[j].input >= 0) {
      const Tensor &base = *ins[plan.aliases[j].input];
      outs[j] = {base.chunk, base.offset + plan.aliases[j].offset, plan.outputs[j]};
    } else {
      outs[j] = empty_tensor(plan.device, plan.outputs[j]);
    }
  }
  for (size_t j = 0; j < n_out; ++j)
    if (given[j]) ++outs[j].chunk->version;
  for (int32_t i : plan.written_inputs) ++ins[i]->chunk->version;
  Random random{plan.device->seed, plan.device->offset};
  plan.device->offset += plan.random_blocks;

  if (plan.steps.empty()) {
    // Only views of inputs.
  } else if (plan.cost_ns <= kInlineNanoseconds && plan.device->stream == nullptr &&
             ready(plan, ins, outs, given.data())) {
    run_inline(plan, ins, outs, scalars, random);
  } else {
    push_plan(plan, ins, outs, given.data(), scalars, random);
  }
  for (auto &[j, wanted] : detours) {
    copy_tensor(outs[j], wanted);
    outs[j] = std::move(wanted);
  }
}

void copy_tensor(const Tensor &src, const Tensor &dst) {
  if (same_memory(src, dst) && src.chunk.get() == dst.chunk.get()) return;
  ++dst.chunk->version;
  bool host = src.device()->host_memory && dst.device()->host_memory;
  if (host && src.type->bytes <= 256 * 1024 && src.chunk->var.readable() &&
      dst.chunk->var.writable()) {
    std::memmove(dst.data(), src.data(), static_cast<size_t>(src.type->bytes));
    return;
  }
  limit_queue();
  Var *reads[] = {&src.chunk->var, covers_chunk(dst) ? &src.chunk->var : &dst.chunk->var},
      *writes[] = {&dst.chunk->var};
  Lane *lane =
      src.device()->lane == dst.device()->lane ? src.device()->lane : Engine::get().lane("copy");
  Engine::get().push(std::make_unique<CopyRun>(src, dst), lane, reads, writes);
}

void wait_to_read(const Tensor &t) {
  if (t.chunk->var.readable()) return;
  wait_released([&] { Engine::get().wait_to_read(t.chunk->var, signal_pending); });
}

void wait_to_write(const Tensor &t) {
  if (t.chunk->var.writable()) return;
  wait_released([&] { Engine::get().wait_to_write(t.chunk->var, signal_pending); });
}

void wait_all() {
  wait_released([] { Engine::get().wait_all(signal_pending); });
}

}  // namespace mx
