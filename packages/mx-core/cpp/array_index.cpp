// x[i], x[a:b], x[:] = value and asnumpy: the everyday cases here, the rest through Python hooks
// (mx_core.ndarray.indexing).
#include "array.h"
#include "op.h"

namespace mx {

namespace {

PyObject *index_row(PyObject *self, int64_t i) {
  const Tensor &t = as_array(self)->tensor;
  int64_t n = t.type->shape[0];
  if (i < -n || i >= n)
    fail("IndexError",
         "[getitem] index " + std::to_string(i) + " is out of bounds for axis 0 with size " +
             std::to_string(n) +
             (n ? ": it must lie between " + std::to_string(-n) + " and " + std::to_string(n - 1)
                : ": it is empty"));
  if (i < 0) i += n;
  const TensorType *type = row_type(t.type);
  return new_array({t.chunk, t.offset + i * type->bytes, type});
}

PyObject *index_range(PyObject *self, int64_t begin, int64_t end) {
  const Tensor &t = as_array(self)->tensor;
  int64_t row = t.type->shape[0] ? t.type->bytes / t.type->shape[0] : 0;
  int64_t dims[MX_MAX_NDIM];
  std::copy(t.type->shape, t.type->shape + t.type->ndim, dims);
  dims[0] = end - begin;
  const TensorType *type = intern_type(t.type->dtype, {dims, static_cast<size_t>(t.type->ndim)});
  return new_array({t.chunk, t.offset + begin * row, type});
}

bool is_whole(PyObject *key) {
  if (!PySlice_Check(key)) return key == Py_Ellipsis;
  auto *s = reinterpret_cast<PySliceObject *>(key);
  return s->start == Py_None && s->stop == Py_None && s->step == Py_None;
}

}  // namespace

PyObject *array_getitem(PyObject *self, PyObject *key) {
  return guarded([&]() -> PyObject * {
    NDArray *a = as_array(self);
    bool recorded = tape.recording && a->edge;
    if (!recorded && a->tensor.type->ndim > 0) {
      if (PyLong_CheckExact(key)) {
        int overflow;
        int64_t i = PyLong_AsLongLongAndOverflow(key, &overflow);
        if (overflow) i = overflow > 0 ? INT64_MAX : INT64_MIN;
        return index_row(self, i);
      }
      if (PySlice_Check(key)) {
        Py_ssize_t start, stop, step;
        if (PySlice_Unpack(key, &start, &stop, &step)) throw PythonError();
        Py_ssize_t n = PySlice_AdjustIndices(static_cast<Py_ssize_t>(a->tensor.type->shape[0]),
                                             &start, &stop, step);
        if (step == 1 && n > 0) return index_range(self, start, start + n);
      }
    }
    if (!python_side.getitem)
      fail("MXNetError", "indexing is not loaded: import mx_core.ndarray first");
    return checked(PyObject_CallFunctionObjArgs(python_side.getitem, self, key, nullptr)).release();
  });
}

int array_setitem(PyObject *self, PyObject *key, PyObject *value) {
  return guarded_int([&] {
    if (!value) {
      PyErr_SetString(PyExc_TypeError, "elements of an NDArray cannot be deleted");
      return -1;
    }
    NDArray *a = as_array(self);
    if (tape.recording && a->edge)
      fail("MXNetError",
           "[setitem] x[...] = value would overwrite an array that autograd has recorded. Do it "
           "outside autograd.record(), "
           "or build the new array with operators (where, concat, slice_assign)");
    bool recorded = tape.recording && is_array(value) &&
                    as_array(value)->edge;  // then gradients flow through the assignment
    if (!recorded && is_whole(key) && is_array(value) &&
        as_array(value)->tensor.type == a->tensor.type) {
      copy_tensor(as_array(value)->tensor, a->tensor);
      return 0;
    }
    if (!python_side.setitem)
      fail("MXNetError", "indexing is not loaded: import mx_core.ndarray first");
    checked(PyObject_CallFunctionObjArgs(python_side.setitem, self, key, value, nullptr));
    return 0;
  });
}

PyObject *array_asnumpy(PyObject *self, PyObject *) {
  return guarded([&]() -> PyObject * {
    static PyObject *empty = nullptr;
    static PyObject *dtypes[kDtypes] = {};
    const Tensor &t = as_array(self)->tensor;
    if (!empty)
      empty =
          checked(PyObject_GetAttrString(checked(PyImport_ImportModule("numpy")).get(), "empty"))
              .release();
    PyObject *&dtype = dtypes[t.type->dtype];
    if (!dtype) {
      Object module = checked(PyImport_ImportModule("mx_core.dtypes"));
      dtype = checked(PyObject_CallMethod(module.get(), "numpy_of", "i", t.type->dtype)).release();
    }
    wait_to_read(t);
    PyObject *args[] = {t.type->shape_tuple, dtype};
    Object result = checked(PyObject_Vectorcall(empty, args, 2, nullptr));
    Py_buffer view;
    // bfloat16 from ml_dtypes exports no buffer of its own: go through its bytes.
    Object plain;
    PyObject *target = result.get();
    if (t.type->dtype == MX_BFLOAT16) {
      plain = checked(PyObject_CallMethod(target, "view", "s", "uint16"));
      target = plain.get();
    }
    if (PyObject_GetBuffer(target, &view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)) throw PythonError();
    bool big = t.type->bytes > 1 << 20 || !t.device()->host_memory;
    Tensor keep = t;
    std::string error;
    Device *host = host_device();  // before the GIL is released: the first call imports
    PyThreadState *state = big ? PyEval_SaveThread() : nullptr;
    try {
      copy_bytes(host, view.buf, keep.device(), keep.data(), static_cast<size_t>(keep.type->bytes));
    } catch (const std::exception &e) {
      error = e.what();
    }
    if (state) PyEval_RestoreThread(state);
    PyBuffer_Release(&view);
    if (!error.empty()) fail("MXNetError", error);
    return result.release();
  });
}

}  // namespace mx
