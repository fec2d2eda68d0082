#include "array.h"

#include <structmember.h>

#include <cstring>

#include "op.h"

namespace mx {

PyTypeObject *array_type;
PythonSide python_side;

namespace {

constexpr int kFreeArrays = 256;
NDArray *free_arrays[kFreeArrays];
int n_free_arrays = 0;

void array_dealloc(PyObject *o) {
  NDArray *a = as_array(o);
  if (a->weakrefs) PyObject_ClearWeakRefs(o);
  PyTypeObject *type = Py_TYPE(o);
  a->tensor.~Tensor();
  a->edge.~Edge();
  if (type == array_type && n_free_arrays < kFreeArrays)
    free_arrays[n_free_arrays++] = a;
  else
    type->tp_free(o);
  Py_DECREF(type);
}

// Subclasses (from Python) come through here; the core makes arrays with new_array.
PyObject *array_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  return guarded([&]() -> PyObject * {
    static const char *names[] = {"handle", "writable", nullptr};
    PyObject *source = nullptr, *writable = nullptr;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO", const_cast<char **>(names), &source,
                                     &writable))
      return nullptr;
    PyObject *o = checked(type->tp_alloc(type, 0)).release();
    NDArray *a = as_array(o);
    new (&a->tensor) Tensor();
    new (&a->edge) Edge();
    Object owner(o);
    if (source == Py_None) {  // what unpickling starts from; __setstate__ follows
      static const int64_t nothing = 0;
      a->tensor = empty_tensor(host_device(), intern_type(MX_FLOAT32, {&nothing, 1}));
      return owner.release();
    }
    if (!source || !is_array(source))
      fail("TypeError", "NDArray objects are made by mx.nd.array, mx.nd.zeros and other functions");
    a->tensor = as_array(source)->tensor;
    a->edge = as_array(source)->edge;
    return owner.release();
  });
}

// ---- Properties.

PyObject *get_shape(PyObject *o, void *) {
  return Py_NewRef(as_array(o)->tensor.type->shape_tuple);
}
PyObject *get_size(PyObject *o, void *) {
  return PyLong_FromLongLong(as_array(o)->tensor.type->size);
}
PyObject *get_ndim(PyObject *o, void *) { return PyLong_FromLong(as_array(o)->tensor.type->ndim); }
PyObject *get_flag(PyObject *o, void *) { return PyLong_FromLong(as_array(o)->tensor.type->dtype); }
PyObject *get_dtype(PyObject *o, void *) {
  int32_t flag = as_array(o)->tensor.type->dtype;
  PyObject *dtype = python_side.dtypes[flag];
  return dtype ? Py_NewRef(dtype) : PyUnicode_FromString(dtype_name(flag));
}
PyObject *get_context(PyObject *o, void *) {
  return guarded([&] { return context_object(as_array(o)->tensor.device()); });
}
PyObject *get_grad(PyObject *o, void *) {
  Variable *v = as_array(o)->edge.variable.get();
  return Py_NewRef(v && v->grad ? v->grad : Py_None);
}
PyObject *get_fresh(PyObject *o, void *) {
  Variable *v = as_array(o)->edge.variable.get();
  return PyBool_FromLong(v && v->fresh);
}
int set_fresh(PyObject *o, PyObject *value, void *) {
  if (!value) {
    PyErr_SetString(PyExc_AttributeError, "_fresh_grad cannot be deleted");
    return -1;
  }
  if (Variable *v = as_array(o)->edge.variable.get()) v->fresh = PyObject_IsTrue(value) == 1;
  return 0;
}
PyObject *get_in_graph(PyObject *o, void *) {
  return PyBool_FromLong(static_cast<bool>(as_array(o)->edge));
}
PyObject *get_req(PyObject *o, void *) {
  Variable *v = as_array(o)->edge.variable.get();
  return PyLong_FromLong(v ? v->req : 0);
}

// ---- Values.

int numpy_kind(int32_t dtype) {
  switch (dtype) {
    case MX_FLOAT32:
      return 'f';
    case MX_FLOAT64:
      return 'd';
    case MX_UINT8:
      return 'B';
    case MX_INT32:
      return 'i';
    case MX_INT8:
      return 'b';
    case MX_INT64:
      return 'q';
    case MX_BOOL:
      return '?';
    case MX_FLOAT16:
      return 'e';
    default:
      return 0;
  }
}

PyObject *scalar_value(const char *p, int32_t dtype) {
  switch (dtype) {
    case MX_FLOAT32: {
      float v;
      std::memcpy(&v, p, sizeof v);
      return PyFloat_FromDouble(v);
    }
    case MX_FLOAT64: {
      double v;
      std::memcpy(&v, p, sizeof v);
      return PyFloat_FromDouble(v);
    }
    case MX_FLOAT16:
      return PyFloat_FromDouble(PyFloat_Unpack2(p, 1));
    case MX_BFLOAT16: {
      uint16_t half;
      std::memcpy(&half, p, sizeof half);
      uint32_t bits = static_cast<uint32_t>(half) << 16;
      float v;
      std::memcpy(&v, &bits, sizeof v);
      return PyFloat_FromDouble(v);
    }
    case MX_UINT8:
      return PyLong_FromLong(static_cast<uint8_t>(*p));
    case MX_INT8:
      return PyLong_FromLong(static_cast<int8_t>(*p));
    case MX_BOOL:
      return PyBool_FromLong(*p != 0);
    case MX_INT32: {
      int32_t v;
      std::memcpy(&v, p, sizeof v);
      return PyLong_FromLong(v);
    }
    default: {
      int64_t v;
      std::memcpy(&v, p, sizeof v);
      return PyLong_FromLongLong(v);
    }
  }
}

PyObject *array_item(PyObject *o, PyObject *) {
  return guarded([&]() -> PyObject * {
    const Tensor &t = as_array(o)->tensor;
    if (t.type->size != 1)
      fail("ValueError",
           "The current array is not a scalar: only arrays of one element have a scalar value, "
           "this one is " +
               t.type->text());
    wait_to_read(t);
    if (t.device()->host_memory) return scalar_value(t.data(), t.type->dtype);
    char buffer[8];
    copy_bytes(host_device(), buffer, t.device(), t.data(), static_cast<size_t>(t.type->bytes));
    return scalar_value(buffer, t.type->dtype);
  });
}

// The layout of numpy.float32 and its kin (NumPy's C API: PyObject_HEAD, then obval), for the quick
// way to make one.
struct NumpyScalar {
  PyObject_HEAD char value[8];
};

// Whether objects of that class can be filled in place: learnt once per element type, from an
// object NumPy made.
bool fills_in_place(PyTypeObject *type, int32_t dtype) {
  static int8_t known[kDtypes] = {};
  if (!known[dtype]) {
    double probe = dtype == MX_BOOL ? 1 : 77;
    Object value(PyFloat_FromDouble(probe));
    Object made(PyObject_CallOneArg(reinterpret_cast<PyObject *>(type), value.get()));
    bool fits = made && Py_IS_TYPE(made.get(), type) && dtype != MX_BOOL &&
                type->tp_itemsize == 0 &&
                type->tp_basicsize >=
                    static_cast<Py_ssize_t>(offsetof(NumpyScalar, value)) + kItemSize[dtype];
    if (fits) {
      Object back(scalar_value(reinterpret_cast<NumpyScalar *>(made.get())->value, dtype));
      fits = back && PyFloat_AsDouble(back.get()) == probe;
    }
    PyErr_Clear();
    known[dtype] = fits ? 1 : -1;
  }
  return known[dtype] > 0;
}

// As MXNet: a NumPy scalar for an array of one dimension, a Python number otherwise.
PyObject *array_asscalar(PyObject *o, PyObject *none) {
  const Tensor &t = as_array(o)->tensor;
  PyObject *scalar_class = python_side.dtypes[t.type->dtype];
  if (t.type->size != 1 || t.type->ndim != 1 || !scalar_class || !PyType_Check(scalar_class))
    return array_item(o, none);
  auto *type = reinterpret_cast<PyTypeObject *>(scalar_class);
  return guarded([&]() -> PyObject * {
    wait_to_read(t);
    if (t.device()->host_memory && fills_in_place(type, t.type->dtype)) {
      Object scalar = checked(type->tp_alloc(type, 0));
      std::memcpy(reinterpret_cast<NumpyScalar *>(scalar.get())->value, t.data(),
                  static_cast<size_t>(t.type->bytes));
      return scalar.release();
    }
    Object value = checked(array_item(o, none));
    return checked(PyObject_CallOneArg(scalar_class, value.get())).release();
  });
}

PyObject *array_wait_to_read(PyObject *o, PyObject *) {
  return guarded([&] {
    wait_to_read(as_array(o)->tensor);
    return Py_NewRef(Py_None);
  });
}
PyObject *array_wait_to_write(PyObject *o, PyObject *) {
  return guarded([&] {
    wait_to_write(as_array(o)->tensor);
    return Py_NewRef(Py_None);
  });
}

// Copies the bytes into a writable buffer of the same size (a NumPy array), waiting for pending
// work.
PyObject *array_read_into(PyObject *o, PyObject *target) {
  return guarded([&]() -> PyObject * {
    const Tensor &t = as_array(o)->tensor;
    wait_to_read(t);
    Py_buffer view;
    if (PyObject_GetBuffer(target, &view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)) return nullptr;
    bool fits = view.len == t.type->bytes;
    bool big = view.len > 1 << 20 || !t.device()->host_memory;
    Device *host = host_device();  // before the GIL is released: the first call imports
    PyThreadState *state = big && fits ? PyEval_SaveThread() : nullptr;
    std::string error;
    if (fits) try {
        copy_bytes(host, view.buf, t.device(), t.data(), static_cast<size_t>(view.len));
      } catch (const std::exception &e) {
        error = e.what();
      }
    if (state) PyEval_RestoreThread(state);
    PyBuffer_Release(&view);
    if (!error.empty()) fail("MXNetError", error);
    if (!fits)
      fail("ValueError", "the buffer must have " + std::to_string(t.type->bytes) +
                             " bytes, one for each of the array");
    return Py_NewRef(Py_None);
  });
}

// The other way: overwrites the array with the bytes of a C-contiguous buffer.
PyObject *array_write_from(PyObject *o, PyObject *source) {
  return guarded([&]() -> PyObject * {
    Tensor t = as_array(o)->tensor;
    wait_to_write(t);
    Py_buffer view;
    if (PyObject_GetBuffer(source, &view, PyBUF_C_CONTIGUOUS)) return nullptr;
    bool fits = view.len == t.type->bytes;
    std::string error;
    if (fits) {
      ++t.chunk->version;
      Device *host = host_device();  // before the GIL is released: the first call imports
      PyThreadState *state = view.len > 1 << 20 ? PyEval_SaveThread() : nullptr;
      try {
        copy_bytes(t.device(), t.data(), host, view.buf, static_cast<size_t>(view.len));
      } catch (const std::exception &e) {
        error = e.what();
      }
      if (state) PyEval_RestoreThread(state);
    }
    PyBuffer_Release(&view);
    if (!error.empty()) fail("MXNetError", error);
    if (!fits)
      fail("ValueError", "the buffer must have " + std::to_string(t.type->bytes) +
                             " bytes, one for each of the array");
    return Py_NewRef(Py_None);
  });
}

Py_ssize_t array_length(PyObject *o) {
  const TensorType *t = as_array(o)->tensor.type;
  if (t->ndim == 0) {
    PyErr_SetString(PyExc_TypeError, "len() of a 0-dimensional NDArray");
    return -1;
  }
  return static_cast<Py_ssize_t>(t->shape[0]);
}

// ---- Views and copies.

PyObject *array_view(PyObject *o, PyObject *args) {
  return guarded([&]() -> PyObject * {
    PyObject *shape;
    long long offset = 0;
    if (!PyArg_ParseTuple(args, "O!|L", &PyTuple_Type, &shape, &offset)) return nullptr;
    const Tensor &t = as_array(o)->tensor;
    std::vector<int64_t> dims;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(shape); ++i) {
      dims.push_back(PyLong_AsLongLong(PyTuple_GET_ITEM(shape, i)));
      if (dims.back() == -1 && PyErr_Occurred()) return nullptr;
    }
    const TensorType *type = intern_type(t.type->dtype, dims);
    if (offset < 0 || offset > t.type->bytes || type->bytes > t.type->bytes - offset)
      fail("ShapeError", "a view of " + type->text() + " at byte " + std::to_string(offset) +
                             " does not fit into " + t.type->text());
    return new_array({t.chunk, t.offset + offset, type});
  });
}

PyObject *array_reshape_to(PyObject *o, PyObject *shape) {
  return guarded([&]() -> PyObject * {
    if (!PyTuple_Check(shape)) fail("TypeError", "_reshape_view takes a tuple");
    std::vector<int64_t> dims;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(shape); ++i) {
      dims.push_back(PyLong_AsLongLong(PyTuple_GET_ITEM(shape, i)));
      if (dims.back() == -1 && PyErr_Occurred()) return nullptr;
    }
    NDArray *a = as_array(o);
    const TensorType *type = intern_type(a->tensor.type->dtype, dims);
    if (type->size != a->tensor.type->size)
      fail("ShapeError", "[reshape] cannot reshape array of size " +
                             std::to_string(a->tensor.type->size) + " into shape " +
                             shape_text(type->dims()));
    return array_reshape_view(a, type);
  });
}

PyObject *array_copy_to(PyObject *o, PyObject *target) {
  return guarded([&]() -> PyObject * {
    const Tensor &src = as_array(o)->tensor;
    NDArray *dst = expect_array(target, "the target of copyto");
    if (src.type != dst->tensor.type)
      fail("ShapeError",
           "[copyto] the target must be " + src.type->text() + ", got " + dst->tensor.type->text());
    copy_tensor(src, dst->tensor);
    return Py_NewRef(target);
  });
}

PyObject *array_detach(PyObject *o, PyObject *) {
  return guarded([&] { return new_array(as_array(o)->tensor); });
}

PyObject *array_attach(PyObject *o, PyObject *args) {
  return guarded([&]() -> PyObject * {
    PyObject *grad;
    int req;
    if (!PyArg_ParseTuple(args, "Oi", &grad, &req)) return nullptr;
    NDArray *a = as_array(o);
    if (grad != Py_None) expect_array(grad, "the gradient");
    auto v = Ref<Variable>::adopt(new Variable);
    v->req = req;
    v->grad = grad == Py_None ? nullptr : Py_NewRef(grad);
    a->edge = Edge{{}, v, 0};
    return Py_NewRef(Py_None);
  });
}

PyObject *array_become(PyObject *o, PyObject *other) {
  return guarded([&]() -> PyObject * {
    as_array(o)->tensor = expect_array(other, "the array")->tensor;
    as_array(o)->edge = Edge();
    return Py_NewRef(Py_None);
  });
}

PyObject *array_share_variable(PyObject *o, PyObject *other) {
  return guarded([&]() -> PyObject * {
    as_array(o)->edge = expect_array(other, "the array")->edge;
    return Py_NewRef(Py_None);
  });
}

PyObject *array_data_ptr(PyObject *o, PyObject *) {
  return PyLong_FromUnsignedLongLong(reinterpret_cast<uintptr_t>(as_array(o)->tensor.data()));
}

PyObject *array_shares(PyObject *o, PyObject *other) {
  return guarded([&] {
    return PyBool_FromLong(as_array(o)->tensor.chunk.get() ==
                           expect_array(other, "the array")->tensor.chunk.get());
  });
}

Py_hash_t array_hash(PyObject *o) {
  return static_cast<Py_hash_t>(reinterpret_cast<uintptr_t>(o) >> 4);
}

int array_getbuffer(PyObject *o, Py_buffer *view, int flags) {
  return guarded_int([&] {
    const Tensor &t = as_array(o)->tensor;
    int kind = numpy_kind(t.type->dtype);
    if (!t.device()->host_memory || !kind) {
      PyErr_SetString(
          PyExc_BufferError,
          "only arrays in host memory, of a NumPy element type, have a buffer; use asnumpy()");
      return -1;
    }
    wait_to_write(t);
    static std::vector<char> formats = [] {
      std::vector<char> f(256);
      for (int k = 0; k < 128; ++k) f[static_cast<size_t>(2 * k)] = static_cast<char>(k);
      return f;
    }();
    auto *strides = new Py_ssize_t[static_cast<size_t>(t.type->ndim) * 2 + 1];
    Py_ssize_t *shape = strides + t.type->ndim, step = kItemSize[t.type->dtype];
    for (int i = t.type->ndim; i-- > 0;) {
      shape[i] = static_cast<Py_ssize_t>(t.type->shape[i]);
      strides[i] = step;
      step *= shape[i];
    }
    // NumPy looks through such a buffer without asking for one to write to.
    if (flags & PyBUF_WRITABLE) ++t.chunk->version;
    *view = {};
    view->obj = Py_NewRef(o);
    view->buf = t.data();
    view->len = static_cast<Py_ssize_t>(t.type->bytes);
    view->itemsize = kItemSize[t.type->dtype];
    view->ndim = t.type->ndim;
    view->format = flags & PyBUF_FORMAT ? &formats[static_cast<size_t>(2 * kind)] : nullptr;
    view->shape = flags & PyBUF_ND ? shape : nullptr;
    view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? strides : nullptr;
    view->internal = strides;
    return 0;
  });
}

void array_releasebuffer(PyObject *, Py_buffer *view) {
  delete[] static_cast<Py_ssize_t *>(view->internal);
}

PyGetSetDef getset[] = {
    {"shape", get_shape, nullptr, "Tuple of the array's dimensions.", nullptr},
    {"size", get_size, nullptr, "Number of elements.", nullptr},
    {"ndim", get_ndim, nullptr, "Number of dimensions.", nullptr},
    {"dtype", get_dtype, nullptr, "NumPy type of the elements.", nullptr},
    {"_dtype_flag", get_flag, nullptr, nullptr, nullptr},
    {"context", get_context, nullptr, "Device the array lives on.", nullptr},
    {"ctx", get_context, nullptr, "Device the array lives on.", nullptr},
    {"grad", get_grad, nullptr, "Gradient buffer made by attach_grad, or None.", nullptr},
    {"_fresh_grad", get_fresh, set_fresh, nullptr, nullptr},
    {"_in_graph", get_in_graph, nullptr, nullptr, nullptr},
    {"_grad_req", get_req, nullptr, nullptr, nullptr},
    {}};

PyMethodDef methods[] = {
    {"asnumpy", array_asnumpy, METH_NOARGS,
     "Returns a copy of the array as numpy.ndarray; waits for pending work."},
    {"asscalar", array_asscalar, METH_NOARGS,
     "Returns the value of an array of one element as a scalar; waits for pending work."},
    {"item", array_item, METH_NOARGS,
     "Returns the value of an array of one element as a Python number; waits for pending work."},
    {"wait_to_read", array_wait_to_read, METH_NOARGS,
     "Waits until all pending writes to the array are done."},
    {"wait_to_write", array_wait_to_write, METH_NOARGS,
     "Waits until all pending reads of and writes to the array are done."},
    {"backward", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(array_backward)),
     METH_FASTCALL | METH_KEYWORDS,
     "backward($self, /, out_grad=None, retain_graph=False, train_mode=True)\n--\n\n"
     "Computes the gradients of this array with respect to the variables it was computed from.\n\n"
     "out_grad: gradient of this array, default ones. retain_graph: allow another backward. "
     "train_mode: of operators\n"
     "that differ between training and prediction."},
    {"_read_into", array_read_into, METH_O, nullptr},
    {"_write_from", array_write_from, METH_O, nullptr},
    {"_view", array_view, METH_VARARGS, nullptr},
    {"_reshape_view", array_reshape_to, METH_O, nullptr},
    {"_copy_to", array_copy_to, METH_O, nullptr},
    {"_detach", array_detach, METH_NOARGS, nullptr},
    {"_attach_grad", array_attach, METH_VARARGS, nullptr},
    {"_become", array_become, METH_O, nullptr},
    {"_share_variable", array_share_variable, METH_O, nullptr},
    {"_data_ptr", array_data_ptr, METH_NOARGS, nullptr},
    {"_shares_memory", array_shares, METH_O, nullptr},
    {}};

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(NDArray, weakrefs), READONLY, nullptr}, {}};

}  // namespace

NDArray *expect_array(PyObject *o, const char *what) {
  if (!is_array(o))
    fail("TypeError", std::string(what) + " must be an NDArray, got " + Py_TYPE(o)->tp_name);
  return as_array(o);
}

PyObject *new_array(Tensor tensor, Edge edge) {
  NDArray *a;
  if (n_free_arrays) {
    a = free_arrays[--n_free_arrays];
    PyObject_Init(reinterpret_cast<PyObject *>(a), array_type);
    a->weakrefs = nullptr;
  } else {
    a = reinterpret_cast<NDArray *>(array_type->tp_alloc(array_type, 0));
    if (!a) throw PythonError();
  }
  new (&a->tensor) Tensor(std::move(tensor));
  new (&a->edge) Edge(std::move(edge));
  return reinterpret_cast<PyObject *>(a);
}

PyObject *array_reshape_view(NDArray *self, const TensorType *type) {
  const Tensor &t = self->tensor;
  Edge edge;
  if (tape.recording && self->edge) edge = {record_reshape(self->edge, t.type, type), {}, 0};
  return new_array({t.chunk, t.offset, type}, std::move(edge));
}

void init_array(PyObject *module) {
  std::vector<PyType_Slot> slots = {
      {Py_tp_dealloc, reinterpret_cast<void *>(array_dealloc)},
      {Py_tp_new, reinterpret_cast<void *>(array_tp_new)},
      {Py_tp_hash, reinterpret_cast<void *>(array_hash)},
      {Py_tp_getset, getset},
      {Py_tp_methods, methods},
      {Py_tp_members, members},
      {Py_mp_length, reinterpret_cast<void *>(array_length)},
      {Py_sq_length, reinterpret_cast<void *>(array_length)},
      {Py_mp_subscript, reinterpret_cast<void *>(array_getitem)},
      {Py_mp_ass_subscript, reinterpret_cast<void *>(array_setitem)},
      {Py_bf_getbuffer, reinterpret_cast<void *>(array_getbuffer)},
      {Py_bf_releasebuffer, reinterpret_cast<void *>(array_releasebuffer)}};
  for (PyType_Slot *s = array_number_slots(); s->slot; ++s) slots.push_back(*s);
  slots.push_back({0, nullptr});
  static PyType_Spec spec = {"mxnet.ndarray.ndarray.NDArray", sizeof(NDArray), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, nullptr};
  spec.slots = slots.data();
  array_type = reinterpret_cast<PyTypeObject *>(checked(PyType_FromSpec(&spec)).release());
  if (PyModule_AddObjectRef(module, "NDArray", reinterpret_cast<PyObject *>(array_type)))
    throw PythonError();
}

}  // namespace mx
