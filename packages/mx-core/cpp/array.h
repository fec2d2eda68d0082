// The Python type NDArray: a Tensor plus its place on the autograd tape. Hand-written because every
// nanosecond of `a + b` is here; what is rarely called is put onto the type from Python
// (mx_core.ndarray).
#pragma once

#include <Python.h>

#include "tape.h"
#include "tensor.h"

namespace mx {

struct NDArray {
  PyObject_HEAD Tensor tensor;
  Edge edge;  // where its gradient goes: a tape node's output, a variable, or nowhere
  PyObject *weakrefs;
};

extern PyTypeObject *array_type;  // set by init_array

inline bool is_array(PyObject *o) {
  return Py_TYPE(o) == array_type || PyObject_TypeCheck(o, array_type);
}
inline NDArray *as_array(PyObject *o) { return reinterpret_cast<NDArray *>(o); }

// New reference; from the free list where possible.
PyObject *new_array(Tensor tensor, Edge edge = {});

// Throws PythonError with TypeError unless o is an NDArray.
NDArray *expect_array(PyObject *o, const char *what);

void init_array(PyObject *module);

// Number slots and item access, array_number.cpp / array_index.cpp.
PyType_Slot *array_number_slots();
PyObject *array_getitem(PyObject *self, PyObject *key);
int array_setitem(PyObject *self, PyObject *key, PyObject *value);
PyObject *array_asnumpy(PyObject *self, PyObject *);
PyObject *array_backward(PyObject *self, PyObject *const *args, Py_ssize_t n,
                         PyObject *kwnames);  // bind_tape.cpp
PyObject *array_reshape_view(NDArray *self,
                             const TensorType *type);  // shares memory; recorded when recording

// Python hooks and classes set once by mx_core.ndarray / mx_core.context.
struct PythonSide {
  PyObject *get_op = nullptr;         // name -> Op
  PyObject *getitem = nullptr;        // (array, key) -> NDArray
  PyObject *setitem = nullptr;        // (array, key, value)
  PyObject *operand = nullptr;        // (op name, left, right) for operands C does not know
  PyObject *context_class = nullptr;  // Context(device_type_name, device_id)
  PyObject *dtypes[kDtypes] = {};     // flag -> the class users see, numpy.float32
  PyObject *compile_call = nullptr;
  PyObject *compile_gradient = nullptr;
};
extern PythonSide python_side;

PyObject *context_object(Device *device);       // new reference
Device *device_from_object(PyObject *context);  // Context or "cpu(0)"; throws PythonError
Device *current_device();                       // of `with ctx:` on this thread
Device *open_device(
    int32_t type, int32_t id);  // loads the packages that serve the type first; throws PythonError
Device *host_device();          // cpu(0)

}  // namespace mx
