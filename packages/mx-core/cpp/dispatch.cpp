// Running a parsed call: checks what Python could not have checked at compile time, finds the plan,
// runs it, records it.
#include "call_args.h"
#include "op_object.h"
#include "plan_cache.h"
#include "pyerror.h"

namespace mx {

namespace {

Device *device_of(const Call &call) {
  if (call.n_in == 0) return call.device ? call.device : current_device();
  Device *first = call.inputs[0]->tensor.device();
  for (int32_t i = 1; i < call.n_in; ++i) {
    Device *d = call.inputs[i]->tensor.device();
    if (d == first || (d->table == first->table && d->host_memory && first->host_memory)) continue;
    auto name = [&](int32_t k) {
      return call.op->variadic || k >= call.op->n_inputs
                 ? "input " + std::to_string(k)
                 : text_of(PyTuple_GET_ITEM(call.op->inputs, k));
    };
    fail("MXNetError", op_tag(call.op) + "needs all inputs on one context, but " + name(0) +
                           " is on " + first->name + " and " + name(i) + " is on " + d->name +
                           ". Copy one of them with x.as_in_context(...)");
  }
  return first;
}

// Fills outs from out= after checking types; returns how many NDArrays were given.
void take_given_outputs(const Call &call, const Plan &plan, Device *device, PyObject *out,
                        Tensor *outs, PyObject **arrays) {
  bool is_list = PyList_Check(out) || PyTuple_Check(out);
  Py_ssize_t n = is_list ? PySequence_Fast_GET_SIZE(out) : 1;
  if (n != plan.n_visible)
    fail("MXNetError", op_tag(call.op) + "has " + std::to_string(plan.n_visible) +
                           " outputs, but out= holds " + std::to_string(n));
  for (Py_ssize_t j = 0; j < n; ++j) {
    PyObject *o = is_list ? PySequence_Fast_GET_ITEM(out, j) : out;
    NDArray *a = expect_array(o, "out=");
    const TensorType *want = plan.outputs[static_cast<size_t>(j)];
    if (a->tensor.type != want)
      fail(a->tensor.type->dtype == want->dtype ? "ShapeError" : "DTypeError",
           op_tag(call.op) + "out= must be " + want->text() + ", got " + a->tensor.type->text());
    if (a->tensor.device() != device &&
        !(a->tensor.device()->table == device->table && device->host_memory))
      fail("MXNetError", op_tag(call.op) + "out= must be on " + device->name + ", got " +
                             a->tensor.device()->name);
    if (tape.recording && a->edge)
      fail(
          "MXNetError",
          op_tag(call.op) +
              "would overwrite an array that autograd has recorded. In-place operations (out=, +=, "
              "x[:] = ...) on such arrays work only outside autograd.record(): compute a new array "
              "instead, or copy the old one with .detach().copy() first");
    outs[j] = a->tensor;
    arrays[j] = o;
  }
}

void check_written(const Call &call, const Plan &plan) {
  for (int32_t i : plan.written_inputs)
    if (call.inputs[i]->edge)
      fail("MXNetError",
           op_tag(call.op) + "updates its input " + std::to_string(i) +
               " in place, which autograd has recorded. Call it outside autograd.record()");
}

PyObject *result_object(PyObject **arrays, size_t n) {
  if (n == 1) return arrays[0];
  PyObject *list = PyList_New(static_cast<Py_ssize_t>(n));
  for (size_t j = 0; j < n; ++j) {
    if (list)
      PyList_SET_ITEM(list, static_cast<Py_ssize_t>(j), arrays[j]);
    else
      Py_DECREF(arrays[j]);
  }
  return list;
}

}  // namespace

PyObject *dispatch(const Call &call, PyObject *out) {
  Device *device = device_of(call);
  SmallBuffer<uintptr_t, 8> types(static_cast<size_t>(call.n_in));
  SmallBuffer<const Tensor *, 8> ins(static_cast<size_t>(call.n_in));
  bool recording = tape.recording, any_grad = false;
  for (int32_t i = 0; i < call.n_in; ++i) {
    const NDArray *a = call.inputs[i];
    bool grad = recording && a->edge;
    any_grad |= grad;
    types[i] = reinterpret_cast<uintptr_t>(a->tensor.type) | grad;
    ins[i] = &a->tensor;
  }
  Plan *plan =
      plan_for(call, device, tape.training && call.op->mode_dependent, types.data())->plan.get();
  Ref<Plan> keep(plan);
  size_t n_out = plan->outputs.size(), n_visible = static_cast<size_t>(plan->n_visible);
  SmallBuffer<Tensor, 4> outs(n_out);
  SmallBuffer<PyObject *, 4> arrays(n_visible);
  for (size_t j = 0; j < n_visible; ++j) arrays[j] = nullptr;
  bool given = out && out != Py_None;
  if (given) take_given_outputs(call, *plan, device, out, outs.data(), arrays.data());
  if (recording && !plan->written_inputs.empty()) check_written(call, *plan);

  run_plan(*plan, ins.data(), outs.data(), call.scalars);

  Ref<TapeNode> node;
  if (any_grad && !plan->grad_inputs.empty()) {
    SmallBuffer<const Edge *, 8> edges(static_cast<size_t>(call.n_in));
    for (int32_t i = 0; i < call.n_in; ++i) edges[i] = &call.inputs[i]->edge;
    node = record_plan(*plan, ins.data(), edges.data(), outs.data(), call.scalars);
  }
  if (given) {
    if (node)
      for (size_t j = 0; j < n_visible; ++j)
        as_array(arrays[j])->edge = {node, {}, static_cast<int32_t>(j)};
    return Py_NewRef(out);
  }
  for (size_t j = 0; j < n_visible; ++j)
    arrays[j] =
        new_array(std::move(outs[j]), node ? Edge{node, {}, static_cast<int32_t>(j)} : Edge{});
  return result_object(arrays.data(), n_visible);
}

PyObject *call_binary(Op *op, PyObject *left, PyObject *right, PyObject *out) {
  NDArray *inputs[] = {as_array(left), as_array(right)};
  Call call;
  call.op = op;
  call.n_in = 2;
  call.inputs = inputs;
  call.params = default_params(op);
  return dispatch(call, out);
}

PyObject *call_scalar(Op *op, PyObject *array, double value, int64_t integer, PyObject *out) {
  NDArray *inputs[] = {as_array(array)};
  mx_scalar scalars[] = {{value, integer}, {0, 0}};
  if (op->n_runtime > 2) fail("MXNetError", op_tag(op) + "is not an operator with one scalar");
  Call call;
  call.op = op;
  call.n_in = 1;
  call.inputs = inputs;
  call.scalars = scalars;
  call.params = default_params(op);
  return dispatch(call, out);
}

void run_binary(Op *op, const Tensor &a, const Tensor &b, Tensor &out) {
  uintptr_t types[] = {reinterpret_cast<uintptr_t>(a.type), reinterpret_cast<uintptr_t>(b.type)};
  Call call;
  call.op = op;
  call.n_in = 2;
  call.params = default_params(op);
  Ref<Plan> plan = plan_for(call, a.device(), false, types)->plan;
  const Tensor *ins[] = {&a, &b};
  run_plan(*plan.get(), ins, &out, nullptr);
}

Tensor ones_like(const Tensor &t) {
  static Op *kept = nullptr;
  Op *op = find_once(kept, "ones_like");
  uintptr_t type = reinterpret_cast<uintptr_t>(t.type);
  Call call;
  call.op = op;
  call.n_in = 1;
  call.params = default_params(op);
  Ref<Plan> plan = plan_for(call, t.device(), false, &type)->plan;
  const Tensor *in = &t;
  SmallBuffer<Tensor, 2> outs(plan->outputs.size());
  run_plan(*plan.get(), &in, outs.data(), nullptr);
  return std::move(outs[0]);
}

}  // namespace mx
