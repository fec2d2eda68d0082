// Op: what mx.nd.relu is. A vectorcall object made from an operator definition; parses the call,
// finds the plan for (operator, parameters, input types, device, flags) and runs it.
#pragma once

#include <Python.h>

#include <vector>

#include "array.h"
#include "plan.h"

namespace mx {

struct Op;  // the Python object

// One call, parsed: present inputs and their numbers, parameters, scalars.
struct Call {
  Op *op = nullptr;
  PyObject *params = nullptr;  // kept by the caller
  int32_t n_in = 0;            // present inputs
  uint64_t absent = 0;         // bit i: input i was not given
  NDArray *const *inputs = nullptr;
  const mx_scalar *scalars = nullptr;
  Device *device = nullptr;  // for operators without inputs
};

// Runs the call; returns a new reference: NDArray, or a list of them. out: nullptr, NDArray, or a
// list of NDArrays.
PyObject *dispatch(const Call &call, PyObject *out);

// Shortcuts for operators without static parameters, used by number slots and the tape. Throw
// PythonError.
PyObject *call_binary(Op *op, PyObject *left, PyObject *right, PyObject *out);
PyObject *call_scalar(Op *op, PyObject *array, double value, int64_t integer, PyObject *out);
Op *find_op(const char *name);  // through the registry, cached by the caller
// find_op, once for each `kept`. A static variable initialized by find_op would be a deadlock: its guard is held while
// Python runs and may give the GIL to a thread that then waits for the guard.
inline Op *find_once(Op *&kept, const char *name) {
  if (!kept) kept = find_op(name);
  return kept;
}
// outs as in run_plan; no recording.
void run_binary(Op *op, const Tensor &a, const Tensor &b, Tensor &out);
Tensor ones_like(const Tensor &t);

void init_op(PyObject *module);

struct PlanCacheStatistics {
  uint64_t hits, misses, evictions, plans;
};
PlanCacheStatistics plan_cache_statistics();
void clear_plan_cache();

}  // namespace mx
