// autograd as Python sees it: flags, the RecordScope context manager, backward and grad.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "array.h"
#include "op.h"
#include "tape.h"

namespace mx {

Plan &plan_from_object(PyObject *o);

// The cached plan that computes the gradients of `forward` from these heads.
Plan &gradient_plan(Plan &forward, const std::vector<int32_t> &heads,
                    const std::vector<int32_t> &recorded) {
  for (GradientPlan &g : forward.gradients)
    if (g.heads == heads && g.recorded == recorded) return *g.plan.get();
  auto tuple = [](const std::vector<int32_t> &v) {
    Object t = checked(PyTuple_New(static_cast<Py_ssize_t>(v.size())));
    for (size_t i = 0; i < v.size(); ++i)
      PyTuple_SET_ITEM(t.get(), static_cast<Py_ssize_t>(i), PyLong_FromLong(v[i]));
    return t;
  };
  Object h = tuple(heads), r = tuple(recorded);
  bool recording = std::exchange(tape.recording, false);
  Object plan(PyObject_CallFunctionObjArgs(python_side.compile_gradient,
                                           forward.graph ? forward.graph : Py_None, h.get(),
                                           r.get(), nullptr));
  tape.recording = recording;
  if (!plan) throw PythonError();
  forward.gradients.push_back({heads, recorded, Ref<Plan>(&plan_from_object(plan.get()))});
  return *forward.gradients.back().plan.get();
}

namespace {

PyObject *set_recording(PyObject *, PyObject *value) {
  return PyBool_FromLong(std::exchange(tape.recording, PyObject_IsTrue(value) == 1));
}
PyObject *set_training(PyObject *, PyObject *value) {
  return PyBool_FromLong(std::exchange(tape.training, PyObject_IsTrue(value) == 1));
}
PyObject *is_recording(PyObject *, PyObject *) { return PyBool_FromLong(tape.recording); }
PyObject *is_training(PyObject *, PyObject *) { return PyBool_FromLong(tape.training); }

// with RecordScope(record, train): either may be None, which leaves the flag as it is.
struct Scope {
  PyObject_HEAD int8_t record, train;  // -1: unchanged
  bool old_record, old_train;
};

PyTypeObject *scope_type;

int8_t flag_of(PyObject *o) { return o == Py_None ? -1 : PyObject_IsTrue(o) == 1; }

PyObject *scope_new(PyTypeObject *type, PyObject *args, PyObject *) {
  PyObject *record, *train;
  if (!PyArg_ParseTuple(args, "OO", &record, &train)) return nullptr;
  PyObject *o = type->tp_alloc(type, 0);
  if (!o) return nullptr;
  auto *s = reinterpret_cast<Scope *>(o);
  s->record = flag_of(record);
  s->train = flag_of(train);
  return o;
}
PyObject *scope_enter(PyObject *o, PyObject *) {
  auto *s = reinterpret_cast<Scope *>(o);
  s->old_record = tape.recording;
  s->old_train = tape.training;
  if (s->record >= 0) tape.recording = s->record;
  if (s->train >= 0) tape.training = s->train;
  return Py_NewRef(o);
}
PyObject *scope_exit(PyObject *o, PyObject *const *, Py_ssize_t) {
  auto *s = reinterpret_cast<Scope *>(o);
  if (s->record >= 0) tape.recording = s->old_record;
  if (s->train >= 0) tape.training = s->old_train;
  return Py_NewRef(Py_None);
}
void scope_dealloc(PyObject *o) {
  PyTypeObject *type = Py_TYPE(o);
  type->tp_free(o);
  Py_DECREF(type);
}

PyMethodDef scope_methods[] = {
    {"__enter__", scope_enter, METH_NOARGS, nullptr},
    {"__exit__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(scope_exit)),
     METH_FASTCALL, nullptr},
    {}};
PyType_Slot scope_slots[] = {{Py_tp_new, reinterpret_cast<void *>(scope_new)},
                             {Py_tp_dealloc, reinterpret_cast<void *>(scope_dealloc)},
                             {Py_tp_methods, scope_methods},
                             {0, nullptr}};
PyType_Spec scope_spec = {"mx_core._core.RecordScope", sizeof(Scope), 0, Py_TPFLAGS_DEFAULT,
                          scope_slots};

Tensor head_gradient(PyObject *o, const Tensor &head) {
  const Tensor &given = expect_array(o, "a head gradient")->tensor;
  if (given.type != head.type)
    fail("ShapeError", "[backward] the head gradient must be " + head.type->text() + ", got " +
                           given.type->text());
  return given;
}

// Reads heads and their gradients from Python lists.
struct Heads {
  std::vector<Gradient> gradients;
  std::vector<Tensor> values;
  Heads(PyObject *heads, PyObject *head_grads) {
    Object list = checked(PySequence_Fast(heads, "heads must be a list of NDArrays"));
    Object grads;
    Py_ssize_t n = PySequence_Fast_GET_SIZE(list.get());
    if (head_grads != Py_None) {
      grads = checked(PySequence_Fast(head_grads, "head_grads must be a list of NDArrays or None"));
      if (PySequence_Fast_GET_SIZE(grads.get()) != n)
        fail("ValueError", "[backward] heads and head_grads must have the same length, got " +
                               std::to_string(n) + " and " +
                               std::to_string(PySequence_Fast_GET_SIZE(grads.get())));
    }
    for (Py_ssize_t i = 0; i < n; ++i) {
      NDArray *head = expect_array(PySequence_Fast_GET_ITEM(list.get(), i), "a head of backward");
      Tensor given;
      PyObject *g = grads ? PySequence_Fast_GET_ITEM(grads.get(), i) : Py_None;
      if (g != Py_None) given = head_gradient(g, head->tensor);
      gradients.push_back({std::move(given), head->edge});
      values.push_back(head->tensor);
    }
  }
};

// autograd.record and autograd.pause: train_mode may come by position or by name.
PyObject *new_scope(bool record, bool train, PyObject *const *args, Py_ssize_t n,
                    PyObject *kwnames) {
  Py_ssize_t n_named = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  if (n + n_named > 1 || (n_named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0),
                                                                      "train_mode") != 0)) {
    PyErr_SetString(PyExc_TypeError, "the only argument is train_mode");
    return nullptr;
  }
  PyObject *o = scope_type->tp_alloc(scope_type, 0);
  if (!o) return nullptr;
  auto *s = reinterpret_cast<Scope *>(o);
  s->record = record;
  s->train = n + n_named ? PyObject_IsTrue(args[0]) == 1 : train;
  return o;
}
PyObject *py_record(PyObject *, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
  return new_scope(true, true, args, n, kwnames);
}
PyObject *py_pause(PyObject *, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
  return new_scope(false, false, args, n, kwnames);
}

PyObject *py_backward(PyObject *, PyObject *const *args, Py_ssize_t n) {
  return guarded([&]() -> PyObject * {
    if (n != 4) fail("TypeError", "backward(heads, head_grads, retain_graph, train_mode)");
    Heads heads(args[0], args[1]);
    backward(heads.gradients, heads.values, {}, PyObject_IsTrue(args[2]) == 1, false);
    return Py_NewRef(Py_None);
  });
}

PyObject *py_grad(PyObject *, PyObject *const *args, Py_ssize_t n) {
  return guarded([&]() -> PyObject * {
    if (n != 6)
      fail("TypeError",
           "grad(heads, variables, head_grads, retain_graph, create_graph, train_mode)");
    Heads heads(args[0], args[2]);
    Object list = checked(PySequence_Fast(args[1], "variables must be a list of NDArrays"));
    std::vector<Edge> variables;
    std::vector<Tensor> tensors;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list.get()); ++i) {
      NDArray *a = expect_array(PySequence_Fast_GET_ITEM(list.get(), i), "a variable of grad");
      if (!a->edge)
        fail("MXNetError", "[grad] variable " + std::to_string(i) +
                               " is not part of the recorded computation. Call attach_grad() on it "
                               "before recording");
      variables.push_back(a->edge);
      tensors.push_back(a->tensor);
    }
    auto grads = backward(heads.gradients, heads.values, variables, PyObject_IsTrue(args[3]) == 1,
                          PyObject_IsTrue(args[4]) == 1);
    Object result = checked(PyList_New(static_cast<Py_ssize_t>(grads.size())));
    static Op *zeros = nullptr;
    for (size_t i = 0; i < grads.size(); ++i) {
      PyObject *o;
      if (grads[i].tensor) {
        o = new_array(std::move(grads[i].tensor), std::move(grads[i].edge));
      } else {
        if (!zeros) zeros = find_op("zeros_like");
        bool recording = std::exchange(tape.recording, false);
        Object like(new_array(tensors[i]));
        o = PyObject_CallOneArg(reinterpret_cast<PyObject *>(zeros), like.get());
        tape.recording = recording;
        if (!o) throw PythonError();
      }
      PyList_SET_ITEM(result.get(), static_cast<Py_ssize_t>(i), o);
    }
    return result.release();
  });
}

// record_custom(inputs, outputs, backward): outputs become results of one tape node that calls
// backward(head_grads).
PyObject *py_record_custom(PyObject *, PyObject *const *args, Py_ssize_t n) {
  return guarded([&]() -> PyObject * {
    if (n != 3) fail("TypeError", "record_custom(inputs, outputs, backward)");
    Object ins = checked(PySequence_Fast(args[0], "inputs must be a list"));
    Object outs = checked(PySequence_Fast(args[1], "outputs must be a list"));
    Ref<TapeNode> node = record_custom(args[2]);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(ins.get()); ++i)
      node->inputs.push_back(
          expect_array(PySequence_Fast_GET_ITEM(ins.get(), i), "an input of Function")->edge);
    for (Py_ssize_t j = 0; j < PySequence_Fast_GET_SIZE(outs.get()); ++j) {
      NDArray *a = expect_array(PySequence_Fast_GET_ITEM(outs.get(), j), "an output of Function");
      node->outputs.push_back(a->tensor.type);
      a->edge = {node, {}, static_cast<int32_t>(j)};
    }
    return Py_NewRef(Py_None);
  });
}

// The nodes that an edge leads back to, oldest first.
std::vector<TapeNode *> nodes_behind(const Edge &edge) {
  std::vector<TapeNode *> found, waiting;
  std::unordered_set<TapeNode *> seen;
  auto visit = [&](const Edge &e) {
    if (e.node && seen.insert(e.node.get()).second) waiting.push_back(e.node.get());
  };
  visit(edge);
  while (!waiting.empty()) {
    TapeNode *node = waiting.back();
    waiting.pop_back();
    found.push_back(node);
    for (const Edge &e : node->inputs) visit(e);
  }
  std::sort(found.begin(), found.end(),
            [](const TapeNode *a, const TapeNode *b) { return a->order < b->order; });
  return found;
}

// recorded_calls(array): (calls, source, output). calls: what was recorded on the way to the
// array, oldest first, each (kind, graph or shape or None, scalars, [(input, source, output)]). A
// source is the number of an earlier call, or -1 - the number of a variable.
PyObject *py_recorded_calls(PyObject *, PyObject *array) {
  return guarded([&]() -> PyObject * {
    const Edge &head = expect_array(array, "x")->edge;
    std::vector<TapeNode *> nodes = nodes_behind(head);
    std::unordered_map<const void *, long> numbers, variables;
    for (size_t i = 0; i < nodes.size(); ++i) numbers[nodes[i]] = static_cast<long>(i);
    auto source = [&](const Edge &e) {
      if (e.node) return numbers.at(e.node.get());
      return -1 - variables.try_emplace(e.variable.get(), static_cast<long>(variables.size()))
                      .first->second;
    };
    Object calls = checked(PyList_New(0));
    for (TapeNode *node : nodes) {
      if (node->released)
        fail("MXNetError",
             "[get_symbol] the record was used up by backward. Ask before it, or pass "
             "retain_graph=True");
      Object inputs = checked(PyList_New(0));
      for (size_t i = 0; i < node->inputs.size(); ++i) {
        const Edge &e = node->inputs[i];
        if (!e.node && !e.variable) continue;
        bool planned = node->kind == TapeNode::kPlan;
        int32_t number = planned ? node->plan->grad_inputs[i] : static_cast<int32_t>(i);
        Object entry = checked(Py_BuildValue("(ili)", number, source(e), e.index));
        if (PyList_Append(inputs.get(), entry.get()) < 0) throw PythonError();
      }
      Object scalars = checked(PyList_New(0));
      for (const mx_scalar &scalar : node->scalars) {
        Object number = checked(PyFloat_FromDouble(scalar.f));
        if (PyList_Append(scalars.get(), number.get()) < 0) throw PythonError();
      }
      PyObject *what = Py_None;
      if (node->kind == TapeNode::kPlan && node->plan->graph) what = node->plan->graph;
      if (node->kind == TapeNode::kReshape) what = node->outputs[0]->shape_tuple;
      Object call = checked(
          Py_BuildValue("(iOOO)", static_cast<int>(node->kind), what, scalars.get(), inputs.get()));
      if (PyList_Append(calls.get(), call.get()) < 0) throw PythonError();
    }
    if (!head.node && !head.variable) return Py_NewRef(Py_None);
    return Py_BuildValue("(Oli)", calls.get(), source(head), head.index);
  });
}

template <typename F>
PyCFunction fast(F f) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f));
}

const char *record_doc =
    "record(train_mode=True)\n--\n\n"
    "``with record():`` keeps what is computed, so that `backward` can follow it.\n\n"
    "train_mode: operators behave as in training inside.";
const char *pause_doc =
    "pause(train_mode=False)\n--\n\n"
    "``with pause():`` computes without keeping anything, inside a block that records.";

PyMethodDef functions[] = {{"record", fast(py_record), METH_FASTCALL | METH_KEYWORDS, record_doc},
                           {"pause", fast(py_pause), METH_FASTCALL | METH_KEYWORDS, pause_doc},
                           {"set_recording", set_recording, METH_O, nullptr},
                           {"set_training", set_training, METH_O, nullptr},
                           {"is_recording", is_recording, METH_NOARGS, nullptr},
                           {"is_training", is_training, METH_NOARGS, nullptr},
                           {"backward", fast(py_backward), METH_FASTCALL, nullptr},
                           {"grad", fast(py_grad), METH_FASTCALL, nullptr},
                           {"record_custom", fast(py_record_custom), METH_FASTCALL, nullptr},
                           {"recorded_calls", py_recorded_calls, METH_O, nullptr},
                           {}};

}  // namespace

PyObject *array_backward(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
  return guarded([&]() -> PyObject * {
    static const char *const names[] = {"out_grad", "retain_graph", "train_mode"};
    PyObject *given[3] = {Py_None, Py_False, Py_True};
    if (n > 3) fail("TypeError", "backward(out_grad=None, retain_graph=False, train_mode=True)");
    for (Py_ssize_t i = 0; i < n; ++i) given[i] = args[i];
    for (Py_ssize_t k = 0; kwnames && k < PyTuple_GET_SIZE(kwnames); ++k) {
      int i = 0;
      while (i < 3 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, k), names[i]) != 0)
        ++i;
      if (i == 3) fail("TypeError", "backward() takes out_grad, retain_graph and train_mode");
      given[i] = args[n + k];
    }
    std::vector<Gradient> heads(1);
    heads[0].edge = as_array(self)->edge;
    if (given[0] != Py_None) heads[0].tensor = head_gradient(given[0], as_array(self)->tensor);
    backward(heads, {as_array(self)->tensor}, {}, PyObject_IsTrue(given[1]) == 1, false);
    return Py_NewRef(Py_None);
  });
}

void bind_tape(PyObject *module) {
  PyObject *scope = checked(PyType_FromSpec(&scope_spec)).release();
  scope_type = reinterpret_cast<PyTypeObject *>(scope);
  if (PyModule_AddObjectRef(module, "RecordScope", scope) ||
      PyModule_AddFunctions(module, functions))
    throw PythonError();
}

}  // namespace mx
