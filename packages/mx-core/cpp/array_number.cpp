// Number slots of NDArray: operators by name, NDArray and scalar operands here, everything else
// through the Python hook.
#include <cstring>

#include "array.h"
#include "op.h"

namespace mx {

namespace {

// Operators of one infix operation. A null scalar name: the operation is symmetric in its operands.
struct Infix {
  const char *binary, *scalar, *reversed;
  Op *ops[3];
  Op *get(int which) {
    if (!ops[which])
      ops[which] = find_op(which == 0   ? binary
                           : which == 1 ? scalar
                           : reversed   ? reversed
                                        : scalar);
    return ops[which];
  }
};

Infix add{"broadcast_add", "_plus_scalar", nullptr, {}};
Infix sub{"broadcast_sub", "_minus_scalar", "_rminus_scalar", {}};
Infix mul{"broadcast_mul", "_mul_scalar", nullptr, {}};
Infix div_{"broadcast_div", "_div_scalar", "_rdiv_scalar", {}};
Infix mod{"broadcast_mod", "_mod_scalar", "_rmod_scalar", {}};
Infix power{"broadcast_power", "_power_scalar", "_rpower_scalar", {}};
Infix equal{"broadcast_equal", "_equal_scalar", nullptr, {}};
Infix not_equal{"broadcast_not_equal", "_not_equal_scalar", nullptr, {}};
Infix greater{"broadcast_greater", "_greater_scalar", "_lesser_scalar", {}};
Infix greater_equal{"broadcast_greater_equal", "_greater_equal_scalar", "_lesser_equal_scalar", {}};
Infix lesser{"broadcast_lesser", "_lesser_scalar", "_greater_scalar", {}};
Infix lesser_equal{"broadcast_lesser_equal", "_lesser_equal_scalar", "_greater_equal_scalar", {}};

// Reads a Python number; false when the object is not one.
bool read_number(PyObject *o, double *f, int64_t *i) {
  if (PyFloat_Check(o)) {
    *f = PyFloat_AS_DOUBLE(o);
    *i = *f >= -9.2e18 && *f <= 9.2e18 ? static_cast<int64_t>(*f) : 0;
    return true;
  }
  if (PyLong_Check(o)) {
    int overflow;
    *i = PyLong_AsLongLongAndOverflow(o, &overflow);
    *f = overflow ? PyLong_AsDouble(o) : static_cast<double>(*i);
    if (overflow && PyErr_Occurred()) throw PythonError();
    return true;
  }
  // NumPy scalars have __float__ but neither length nor shape of an array.
  PyTypeObject *type = Py_TYPE(o);
  if (std::strncmp(type->tp_name, "numpy.", 6) != 0 || PySequence_Check(o) || !type->tp_as_number)
    return false;
  if (type->tp_as_number->nb_index) {
    Object integer = checked(PyNumber_Index(o));
    return read_number(integer.get(), f, i);
  }
  if (!type->tp_as_number->nb_float) return false;
  Object number = checked(PyNumber_Float(o));
  return read_number(number.get(), f, i);
}

PyObject *by_hook(Infix &infix, PyObject *left, PyObject *right, PyObject *out) {
  if (!python_side.operand) Py_RETURN_NOTIMPLEMENTED;
  return checked(PyObject_CallFunction(python_side.operand, "sOOO", infix.binary, left, right,
                                       out ? out : Py_None))
      .release();
}

PyObject *infix_call(Infix &infix, PyObject *left, PyObject *right, PyObject *out) {
  return guarded([&]() -> PyObject * {
    bool array_left = is_array(left), array_right = is_array(right);
    if (array_left && array_right) return call_binary(infix.get(0), left, right, out);
    double f;
    int64_t i;
    if (array_left && read_number(right, &f, &i)) return call_scalar(infix.get(1), left, f, i, out);
    if (array_right && read_number(left, &f, &i))
      return call_scalar(infix.get(2), right, f, i, out);
    return by_hook(infix, left, right, out);
  });
}

template <Infix &infix>
PyObject *binary(PyObject *left, PyObject *right) {
  return infix_call(infix, left, right, nullptr);
}

template <Infix &infix>
PyObject *inplace(PyObject *left, PyObject *right) {
  return infix_call(infix, left, right, left);
}

PyObject *power_slot(PyObject *left, PyObject *right, PyObject *modulo) {
  if (modulo != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return infix_call(power, left, right, nullptr);
}

PyObject *unary(const char *name, Op *&op, PyObject *o) {
  return guarded([&] {
    if (!op) op = find_op(name);
    return checked(PyObject_CallOneArg(reinterpret_cast<PyObject *>(op), o)).release();
  });
}
PyObject *negative(PyObject *o) {
  static Op *op;
  return unary("negative", op, o);
}
PyObject *absolute(PyObject *o) {
  static Op *op;
  return unary("abs", op, o);
}
PyObject *positive(PyObject *o) { return Py_NewRef(o); }

int truth(PyObject *o) {
  const TensorType *t = as_array(o)->tensor.type;
  if (t->size == 0) return 0;
  if (t->size != 1) {
    set_error("ValueError",
              "The truth value of an NDArray with multiple elements is ambiguous. Compare element "
              "by element and reduce, "
              "or use .asnumpy().any() or .all()");
    return -1;
  }
  Object value(PyObject_CallMethod(o, "asscalar", nullptr));
  return value ? PyObject_IsTrue(value.get()) : -1;
}

PyObject *to_float(PyObject *o) {
  Object value(PyObject_CallMethod(o, "asscalar", nullptr));
  return value ? PyNumber_Float(value.get()) : nullptr;
}
PyObject *to_int(PyObject *o) {
  Object value(PyObject_CallMethod(o, "asscalar", nullptr));
  return value ? PyNumber_Long(value.get()) : nullptr;
}
PyObject *to_index(PyObject *o) {
  int32_t dtype = as_array(o)->tensor.type->dtype;
  bool integer = dtype == MX_UINT8 || dtype == MX_INT8 || dtype == MX_INT32 || dtype == MX_INT64;
  if (as_array(o)->tensor.type->size != 1 || !integer) {
    PyErr_SetString(PyExc_TypeError,
                    "only integer scalar arrays can be converted to a scalar index");
    return nullptr;
  }
  return to_int(o);
}

PyObject *compare(PyObject *left, PyObject *right, int operation) {
  // x == None and x != None are questions programs ask; the answer is never an array.
  if (right == Py_None) {
    if (operation == Py_EQ) Py_RETURN_FALSE;
    if (operation == Py_NE) Py_RETURN_TRUE;
  }
  Infix *infix = operation == Py_EQ   ? &equal
                 : operation == Py_NE ? &not_equal
                 : operation == Py_GT ? &greater
                 : operation == Py_GE ? &greater_equal
                 : operation == Py_LT ? &lesser
                                      : &lesser_equal;
  return infix_call(*infix, left, right, nullptr);
}

template <typename F>
void *slot(F f) {
  return reinterpret_cast<void *>(f);
}

}  // namespace

PyType_Slot *array_number_slots() {
  static PyType_Slot slots[] = {{Py_nb_add, slot(binary<add>)},
                                {Py_nb_subtract, slot(binary<sub>)},
                                {Py_nb_multiply, slot(binary<mul>)},
                                {Py_nb_true_divide, slot(binary<div_>)},
                                {Py_nb_remainder, slot(binary<mod>)},
                                {Py_nb_power, slot(power_slot)},
                                {Py_nb_inplace_add, slot(inplace<add>)},
                                {Py_nb_inplace_subtract, slot(inplace<sub>)},
                                {Py_nb_inplace_multiply, slot(inplace<mul>)},
                                {Py_nb_inplace_true_divide, slot(inplace<div_>)},
                                {Py_nb_inplace_remainder, slot(inplace<mod>)},
                                {Py_nb_negative, slot(negative)},
                                {Py_nb_positive, slot(positive)},
                                {Py_nb_absolute, slot(absolute)},
                                {Py_nb_bool, slot(truth)},
                                {Py_nb_float, slot(to_float)},
                                {Py_nb_int, slot(to_int)},
                                {Py_nb_index, slot(to_index)},
                                {Py_tp_richcompare, slot(compare)},
                                {0, nullptr}};
  return slots;
}

}  // namespace mx
