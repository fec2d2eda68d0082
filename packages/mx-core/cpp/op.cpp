#include "op.h"

#include <structmember.h>

#include <algorithm>
#include <cmath>

#include "call_args.h"
#include "op_object.h"
#include "plan_cache.h"
#include "pyerror.h"

namespace mx {

namespace {

PyTypeObject *op_type;
PyObject *missing;  // stands for a parameter that was not given
PyObject *s_out, *s_name, *s_ctx, *s_attr;

}  // namespace

const char *text_of(PyObject *unicode) {
  const char *s = PyUnicode_AsUTF8(unicode);
  if (!s) PyErr_Clear();
  return s ? s : "?";
}

std::string op_tag(const Op *op) { return std::string("[") + text_of(op->name) + "] "; }

namespace {

// Beyond this many distinct parameter values the tables of an operator start afresh.
constexpr Py_ssize_t kMostParams = 16384;

// The values as one tuple; lists become tuples.
Object tuple_of(const Op *op, PyObject *const *values) {
  Object tuple = checked(PyTuple_New(op->n_static));
  for (Py_ssize_t i = 0; i < op->n_static; ++i) {
    PyObject *v = PyList_CheckExact(values[i]) ? PyList_AsTuple(values[i]) : Py_NewRef(values[i]);
    if (!v) throw PythonError();
    PyTuple_SET_ITEM(tuple.get(), i, v);
  }
  return tuple;
}

// Dictionaries hold -0.0 and 0.0 for the same key; these are not the same parameter.
Object key_of(PyObject *tuple) {
  bool negative_zero = false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) {
    PyObject *v = PyTuple_GET_ITEM(tuple, i);
    negative_zero |=
        PyFloat_CheckExact(v) && PyFloat_AS_DOUBLE(v) == 0 && std::signbit(PyFloat_AS_DOUBLE(v));
  }
  if (!negative_zero) return Object::borrow(tuple);
  return checked(Py_BuildValue("(OO)", tuple, checked(PyObject_Repr(tuple)).get()));
}

}  // namespace

Object params_for(Op *op, PyObject *const *values) {
  Object tuple = tuple_of(op, values);
  Object key = key_of(tuple.get());
  PyObject *found = PyDict_GetItemWithError(op->by_values, key.get());
  if (found) return Object::borrow(found);
  bool cacheable = !PyErr_Occurred();
  if (!cacheable) {  // an unhashable value: parse each time
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw PythonError();
    PyErr_Clear();
  }
  Object parsed = checked(PyObject_CallMethod(op->definition, "parse", "(O)", tuple.get()));
  if (PyDict_GET_SIZE(op->by_values) > kMostParams) PyDict_Clear(op->by_values);
  if (PyDict_GET_SIZE(op->interned) > kMostParams) PyDict_Clear(op->interned);
  PyObject *interned = PyDict_SetDefault(op->interned, key_of(parsed.get()).get(), parsed.get());
  if (!interned) throw PythonError();
  Object result = Object::borrow(interned);
  if (cacheable && PyDict_SetItem(op->by_values, key.get(), interned)) throw PythonError();
  return result;
}

PyObject *default_params(Op *op) {
  if (!op->default_params) {
    std::vector<PyObject *> values(static_cast<size_t>(op->n_static), missing);
    op->default_params = params_for(op, values.data()).release();
  }
  return op->default_params;
}

namespace {

// ---- Parsing a call.

int find_name(PyObject *key, const std::vector<ParamName> &order) {
  for (size_t i = 0; i < order.size(); ++i)
    if (order[i].name == key) return static_cast<int>(i);
  for (size_t i = 0; i < order.size(); ++i)
    if (PyUnicode_Compare(order[i].name, key) == 0) return static_cast<int>(i);
  return -1;
}

Py_ssize_t find_input(PyObject *key, PyObject *inputs) {
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(inputs); ++i)
    if (PyTuple_GET_ITEM(inputs, i) == key ||
        PyUnicode_Compare(PyTuple_GET_ITEM(inputs, i), key) == 0)
      return i;
  return -1;
}

mx_scalar scalar_of(Op *op, PyObject *name, PyObject *value) {
  if (PyFloat_CheckExact(value)) {
    double f = PyFloat_AS_DOUBLE(value);
    return {f, f >= -9.2e18 && f <= 9.2e18 ? static_cast<int64_t>(f) : 0};
  }
  if (PyLong_Check(value)) {
    int overflow;
    int64_t i = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (!overflow) return {static_cast<double>(i), i};
  }
  Object number(PyUnicode_Check(value) ? PyFloat_FromString(value) : PyNumber_Float(value));
  if (!number) {
    PyErr_Clear();
    fail("ParameterError", op_tag(op) + "parameter " + text_of(name) + " must be a number, got " +
                               Py_TYPE(value)->tp_name);
  }
  double f = PyFloat_AS_DOUBLE(number.get());
  return {f, f >= -9.2e18 && f <= 9.2e18 ? static_cast<int64_t>(f) : 0};
}

class Parser {
 public:
  Parser(Op *op, Py_ssize_t n_args)
      : op_(op),
        inputs_(static_cast<size_t>(std::max(op->n_inputs, n_args))),
        values_(static_cast<size_t>(op->n_static) + 1),
        scalars_(static_cast<size_t>(op->n_runtime) + 1),
        runtime_(static_cast<size_t>(op->n_runtime) + 1) {
    for (Py_ssize_t i = 0; i < op->n_inputs; ++i) inputs_[i] = nullptr;
    for (Py_ssize_t i = 0; i < op->n_static; ++i) values_[i] = missing;
    for (Py_ssize_t i = 0; i < op->n_runtime; ++i) runtime_[i] = nullptr;
  }

  void positional(PyObject *const *args, Py_ssize_t n) {
    if (op_->variadic) {
      if (n == 1 && (PyList_Check(args[0]) || PyTuple_Check(args[0]))) {
        expand(args[0]);
        return;
      }
      for (Py_ssize_t i = 0; i < n; ++i)
        many_.push_back(expect(args[i], "input " + std::to_string(i)));
      return;
    }
    size_t order = 0;
    for (Py_ssize_t i = 0; i < n; ++i) {
      if (i < op_->n_inputs) {
        input(i, args[i]);
      } else if (order < op_->order->size()) {
        param((*op_->order)[order++], args[i]);
      } else if (order++ == op_->order->size()) {
        out = args[i];  // MXNet's signatures end with out, name
      } else if (order > op_->order->size() + 2) {
        fail("TypeError",
             op_tag(op_) + "takes at most " +
                 std::to_string(op_->n_inputs + static_cast<Py_ssize_t>(op_->order->size())) +
                 " positional arguments, got " + std::to_string(n));
      }
    }
  }

  void keyword(PyObject *key, PyObject *value) {
    if (key == s_out) {
      out = value;
      return;
    }
    int p = find_name(key, *op_->order);
    if (p >= 0 && !is_context(key)) {
      param((*op_->order)[static_cast<size_t>(p)], value);
      return;
    }
    if (is_context(key)) {
      if (value != Py_None) device = device_from_object(value);
      return;
    }
    Py_ssize_t i = find_input(key, op_->inputs);
    if (i >= 0) {
      if (op_->variadic)
        expand(value);
      else
        input(i, value);
      return;
    }
    if (PyUnicode_Compare(key, s_out) == 0) {
      out = value;
    } else if (PyUnicode_Compare(key, s_name) != 0 && PyUnicode_Compare(key, s_attr) != 0 &&
               !num_args(key)) {
      unknown(key);
    }
  }

  PyObject *run() {
    Call call;
    call.op = op_;
    if (op_->variadic) {
      call.inputs = many_.data();
      call.n_in = static_cast<int32_t>(many_.size());
    } else {
      gather(call);
    }
    for (Py_ssize_t i = 0; i < op_->n_runtime; ++i) {
      if (!runtime_[i]) {
        runtime_[i] = (*op_->defaults)[static_cast<size_t>(i)];
        if (runtime_[i] == Py_None)
          fail("ParameterError", op_tag(op_) + "needs the parameter " + text_of(runtime_name(i)));
      }
      scalars_[i] = scalar_of(op_, runtime_name(i), runtime_[i]);
    }
    call.scalars = scalars_.data();
    call.device = device;
    if (op_->has_spread && any_static_) spread(call);
    if (any_static_) params_ = params_for(op_, values_.data());
    call.params = any_static_ ? params_.get() : default_params(op_);
    return dispatch(call, out);
  }

  PyObject *out = nullptr;
  Device *device = nullptr;

 private:
  static bool is_context(PyObject *key) {
    return key == s_ctx || PyUnicode_Compare(key, s_ctx) == 0;
  }
  bool num_args(PyObject *key) const {
    return op_->variadic && PyUnicode_CompareWithASCIIString(key, "num_args") == 0;
  }
  PyObject *runtime_name(Py_ssize_t index) const {
    for (const ParamName &p : *op_->order)
      if (p.runtime && p.index == index) return p.name;
    return op_->name;
  }
  [[noreturn]] void unknown(PyObject *key) {
    Object errors = checked(PyImport_ImportModule("mx_core.errors"));
    Object known = checked(PyList_New(0));
    for (Py_ssize_t i = 0; i < op_->n_inputs; ++i)
      PyList_Append(known.get(), PyTuple_GET_ITEM(op_->inputs, i));
    for (const ParamName &p : *op_->order) PyList_Append(known.get(), p.name);
    Object r(
        PyObject_CallMethod(errors.get(), "unknown_parameter", "OOO", op_->name, key, known.get()));
    if (r) PyErr_SetString(PyExc_TypeError, "unknown parameter");
    throw PythonError();
  }
  NDArray *expect(PyObject *o, const std::string &which) {
    if (is_array(o)) return as_array(o);
    fail("DTypeError",
         op_tag(op_) + which + " must be an NDArray, got " + Py_TYPE(o)->tp_name +
             (PyNumber_Check(o) || PySequence_Check(o) ? ". Make one with mx.nd.array(...)" : ""));
  }
  // The tuple keeps the arrays alive while the GIL is released in a wait, whatever happens to the
  // list.
  void expand(PyObject *sequence) {
    held_ = checked(PySequence_Tuple(sequence));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(held_.get()); ++i)
      many_.push_back(expect(PyTuple_GET_ITEM(held_.get(), i), "input " + std::to_string(i)));
  }
  void input(Py_ssize_t i, PyObject *value) {
    if (value == Py_None) return;
    inputs_[i] = expect(value, text_of(PyTuple_GET_ITEM(op_->inputs, i)));
  }
  void param(const ParamName &p, PyObject *value) {
    if (p.runtime) {
      if (value != Py_None) runtime_[p.index] = value;
    } else if (!(p.name == s_ctx)) {
      values_[p.index] = value;
      any_static_ = true;
    } else if (value != Py_None) {
      device = device_from_object(value);
    }
  }
  // Tuples of runtime numbers follow the single ones; the parameters' key holds only their lengths.
  void spread(Call &call) {
    all_scalars_.assign(scalars_.data(), scalars_.data() + op_->n_runtime);
    for (const ParamName &p : *op_->order) {
      if (p.runtime || !p.spread || values_[p.index] == missing) continue;
      Object numbers = checked(
          PyObject_CallMethod(op_->definition, "spread_values", "OO", p.name, values_[p.index]));
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(numbers.get()); ++i)
        all_scalars_.push_back(scalar_of(op_, p.name, PyTuple_GET_ITEM(numbers.get(), i)));
      lengths_.push_back(checked(PyLong_FromSsize_t(PyTuple_GET_SIZE(numbers.get()))));
      values_[p.index] = lengths_.back().get();
    }
    call.scalars = all_scalars_.data();
  }
  void gather(Call &call) {
    int32_t n = 0;
    for (Py_ssize_t i = 0; i < op_->n_inputs; ++i) {
      if (inputs_[i]) {
        inputs_[n++] = inputs_[i];
      } else if ((*op_->optional)[static_cast<size_t>(i)]) {
        call.absent |= uint64_t{1} << i;
      } else {
        fail("TypeError",
             op_tag(op_) + "needs the input " + text_of(PyTuple_GET_ITEM(op_->inputs, i)));
      }
    }
    call.inputs = inputs_.data();
    call.n_in = n;
  }

  Op *op_;
  SmallBuffer<NDArray *, 8> inputs_;
  std::vector<NDArray *> many_;
  Object held_, params_;
  SmallBuffer<PyObject *, 12> values_;
  SmallBuffer<mx_scalar, 8> scalars_;
  SmallBuffer<PyObject *, 8> runtime_;
  std::vector<mx_scalar> all_scalars_;  // with those of tuples
  std::vector<Object> lengths_;
  bool any_static_ = false;
};

PyObject *op_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
  return guarded([&] {
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    Parser parser(reinterpret_cast<Op *>(self), n);
    parser.positional(args, n);
    if (kwnames)
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); ++i)
        parser.keyword(PyTuple_GET_ITEM(kwnames, i), args[n + i]);
    return parser.run();
  });
}

// ---- The Python type.

PyObject *attribute(PyObject *definition, const char *name) {
  return checked(PyObject_GetAttrString(definition, name)).release();
}

PyObject *interned_tuple(PyObject *definition, const char *name) {
  Object sequence(attribute(definition, name));
  PyObject *tuple = checked(PySequence_Tuple(sequence.get())).release();
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); ++i) {
    PyObject *s = Py_NewRef(PyTuple_GET_ITEM(tuple, i));
    PyUnicode_InternInPlace(&s);
    PyTuple_SetItem(tuple, i, s);
  }
  return tuple;
}

void read_parameters(Op *op) {
  Object statics(interned_tuple(op->definition, "param_names")),
      runtimes(interned_tuple(op->definition, "runtime_names"));
  Object order(interned_tuple(op->definition, "call_order"));
  op->n_static = PyTuple_GET_SIZE(statics.get());
  op->n_runtime = PyTuple_GET_SIZE(runtimes.get());
  Object spreads(interned_tuple(op->definition, "spread_names"));
  op->has_spread = PyTuple_GET_SIZE(spreads.get()) > 0;
  op->order = new std::vector<ParamName>;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(order.get()); ++i) {
    PyObject *name = PyTuple_GET_ITEM(order.get(), i);
    Py_ssize_t k = find_input(name, statics.get());
    bool runtime = k < 0;
    if (runtime) k = find_input(name, runtimes.get());
    bool spread = find_input(name, spreads.get()) >= 0;
    op->order->push_back({Py_NewRef(name), runtime, spread, static_cast<int32_t>(k)});
  }
  Object defaults(attribute(op->definition, "runtime_defaults"));
  op->defaults = new std::vector<PyObject *>;
  for (Py_ssize_t i = 0; i < op->n_runtime; ++i)
    op->defaults->push_back(checked(PySequence_GetItem(defaults.get(), i)).release());
}

PyObject *op_new(PyTypeObject *type, PyObject *args, PyObject *) {
  return guarded([&]() -> PyObject * {
    PyObject *definition;
    if (!PyArg_ParseTuple(args, "O", &definition)) return nullptr;
    Object self = checked(type->tp_alloc(type, 0));
    Op *op = reinterpret_cast<Op *>(self.get());
    op->vectorcall = op_vectorcall;
    op->definition = Py_NewRef(definition);
    op->name = attribute(definition, "name");
    op->inputs = interned_tuple(definition, "input_names");
    op->n_inputs = PyTuple_GET_SIZE(op->inputs);
    Object optional(attribute(definition, "optional_inputs"));
    op->optional = new std::vector<bool>;
    for (Py_ssize_t i = 0; i < op->n_inputs; ++i)
      op->optional->push_back(
          PyObject_IsTrue(checked(PySequence_GetItem(optional.get(), i)).get()) == 1);
    op->variadic = PyObject_IsTrue(Object(attribute(definition, "variadic")).get()) == 1;
    op->mode_dependent =
        PyObject_IsTrue(Object(attribute(definition, "mode_dependent")).get()) == 1;
    read_parameters(op);
    op->by_values = checked(PyDict_New()).release();
    op->interned = checked(PyDict_New()).release();
    return self.release();
  });
}

// Operators of the registry live as long as the process; those made of a symbol graph die with it.
void op_dealloc(PyObject *self) {
  auto *op = reinterpret_cast<Op *>(self);
  PyTypeObject *type = Py_TYPE(self);
  forget_plans(op);
  if (op->order)
    for (const ParamName &p : *op->order) Py_XDECREF(p.name);
  if (op->defaults)
    for (PyObject *value : *op->defaults) Py_XDECREF(value);
  delete op->order;
  delete op->defaults;
  delete op->optional;
  Py_XDECREF(op->default_params);
  Py_XDECREF(op->interned);
  Py_XDECREF(op->by_values);
  Py_XDECREF(op->inputs);
  Py_XDECREF(op->name);
  Py_XDECREF(op->definition);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject *op_repr(PyObject *self) {
  return PyUnicode_FromFormat("<operator %U>", reinterpret_cast<Op *>(self)->name);
}

// As a function does: an operator that is a class attribute becomes a method. Also what makes
// help() treat it as a function.
PyObject *op_bind(PyObject *self, PyObject *instance, PyObject *) {
  return instance ? PyMethod_New(self, instance) : Py_NewRef(self);
}

PyObject *op_getattro(PyObject *self, PyObject *name) {
  PyObject *found = PyObject_GenericGetAttr(self, name);
  if (found || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
  PyErr_Clear();
  return PyObject_GetAttr(reinterpret_cast<Op *>(self)->definition, name);
}

PyObject *op_doc(PyObject *self, void *) {
  return PyObject_GetAttrString(reinterpret_cast<Op *>(self)->definition, "__doc__");
}
PyObject *op_name(PyObject *self, void *) { return Py_NewRef(reinterpret_cast<Op *>(self)->name); }
PyObject *op_module(PyObject *, void *) { return PyUnicode_FromString("mxnet.ndarray"); }
PyObject *op_definition(PyObject *self, void *) {
  return Py_NewRef(reinterpret_cast<Op *>(self)->definition);
}
PyObject *op_signature(PyObject *self, void *) {
  return PyObject_GetAttrString(reinterpret_cast<Op *>(self)->definition, "__signature__");
}
PyObject *op_reduce(PyObject *self, PyObject *) {
  Object loader = checked(
      PyObject_GetAttrString(Object(PyImport_ImportModule("mx_core._core")).get(), "get_op"));
  return Py_BuildValue("O(O)", loader.get(), reinterpret_cast<Op *>(self)->name);
}

PyGetSetDef op_getset[] = {{"__doc__", op_doc, nullptr, nullptr, nullptr},
                           {"__name__", op_name, nullptr, nullptr, nullptr},
                           {"__qualname__", op_name, nullptr, nullptr, nullptr},
                           {"__module__", op_module, nullptr, nullptr, nullptr},
                           {"__signature__", op_signature, nullptr, nullptr, nullptr},
                           {"definition", op_definition, nullptr, nullptr, nullptr},
                           {}};
PyMethodDef op_methods[] = {{"__reduce__", op_reduce, METH_NOARGS, nullptr}, {}};
PyMemberDef op_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Op, vectorcall), READONLY, nullptr}, {}};
PyType_Slot op_slots[] = {{Py_tp_new, reinterpret_cast<void *>(op_new)},
                          {Py_tp_dealloc, reinterpret_cast<void *>(op_dealloc)},
                          {Py_tp_call, reinterpret_cast<void *>(PyVectorcall_Call)},
                          {Py_tp_repr, reinterpret_cast<void *>(op_repr)},
                          {Py_tp_getattro, reinterpret_cast<void *>(op_getattro)},
                          {Py_tp_descr_get, reinterpret_cast<void *>(op_bind)},
                          {Py_tp_getset, op_getset},
                          {Py_tp_methods, op_methods},
                          {Py_tp_members, op_members},
                          {0, nullptr}};
PyType_Spec op_spec = {"mx_core._core.Op", sizeof(Op), 0,
                       Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL, op_slots};

}  // namespace

Op *find_op(const char *name) {
  if (!python_side.get_op)
    fail("MXNetError", "operators are not loaded: import mx_core.ndarray first");
  PyObject *op =
      checked(PyObject_CallFunction(python_side.get_op, "s", name)).release();  // kept for good
  if (!Py_IS_TYPE(op, op_type))
    fail("MXNetError", std::string("the registry gave no operator for ") + name);
  return reinterpret_cast<Op *>(op);
}

void init_op(PyObject *module) {
  s_out = PyUnicode_InternFromString("out");
  s_name = PyUnicode_InternFromString("name");
  s_ctx = PyUnicode_InternFromString("ctx");
  s_attr = PyUnicode_InternFromString("attr");
  missing =
      checked(PyObject_CallNoArgs(reinterpret_cast<PyObject *>(&PyBaseObject_Type))).release();
  op_type = reinterpret_cast<PyTypeObject *>(checked(PyType_FromSpec(&op_spec)).release());
  if (PyModule_AddObjectRef(module, "Op", reinterpret_cast<PyObject *>(op_type)) ||
      PyModule_AddObjectRef(module, "MISSING", missing))
    throw PythonError();
}

}  // namespace mx
