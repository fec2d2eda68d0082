// The module mx_core._core: hand-written hot types, pybind11 for the rest.
#include "bind.h"

#include <pybind11/pybind11.h>

#include <mutex>
#include <vector>

#include "array.h"
#include "mx/pointwise.h"
#include "op.h"
#include "storage.h"
#include "tape.h"

namespace py = pybind11;

namespace mx {

namespace {

void keep(PyObject *&place, const py::object &value) {
  Py_XDECREF(place);
  place = value.is_none() ? nullptr : py::object(value).release().ptr();
}

std::vector<int64_t> dims_of(const py::sequence &shape) {
  std::vector<int64_t> dims;
  for (py::handle d : shape) dims.push_back(d.cast<int64_t>());
  return dims;
}

py::object empty(const py::sequence &shape, int32_t type, int32_t id, int32_t dtype) {
  return call_python([&] {
    const TensorType *t = intern_type(dtype, dims_of(shape));
    return py::reinterpret_steal<py::object>(new_array(empty_tensor(open_device(type, id), t)));
  });
}

// A new array with the values of a NumPy array (converted to dtype where they differ); one copy.
py::object from_numpy(const py::object &values, int32_t type, int32_t id, int32_t dtype) {
  return call_python([&] {
    static auto *asarray = new py::object(py::module_::import("numpy").attr("asarray"));
    static py::object *dtypes = new py::object[kDtypes];
    if (!is_dtype(dtype)) fail("DTypeError", "unknown dtype flag " + std::to_string(dtype));
    if (!dtypes[dtype])
      dtypes[dtype] = py::module_::import("mx_core.dtypes").attr("numpy_of")(dtype);
    py::object dense = (*asarray)(values, dtypes[dtype], "C");
    const TensorType *t = intern_type(dtype, dims_of(dense.attr("shape")));
    if (dtype == MX_BFLOAT16) dense = dense.attr("view")("uint16");
    Tensor tensor = empty_tensor(open_device(type, id), t);
    Py_buffer view;
    if (PyObject_GetBuffer(dense.ptr(), &view, PyBUF_C_CONTIGUOUS)) throw PythonError();
    std::string error;
    Device *host = host_device();  // before the GIL is released: the first call imports
    {
      PyThreadState *state = t->bytes > 1 << 20 ? PyEval_SaveThread() : nullptr;
      try {
        copy_bytes(tensor.device(), tensor.data(), host, view.buf, static_cast<size_t>(t->bytes));
      } catch (const std::exception &e) {
        error = e.what();
      }
      if (state) PyEval_RestoreThread(state);
    }
    PyBuffer_Release(&view);
    if (!error.empty()) fail("MXNetError", error);
    return py::reinterpret_steal<py::object>(new_array(std::move(tensor)));
  });
}

// Owners whose last array went on a worker, where Python cannot run. One pending call drops them
// all: Python refuses more than 32 of those, and a long wait may see thousands of arrays go.
struct Orphans {
  std::mutex mutex;
  std::vector<PyObject *> owners;
  bool is_scheduled = false;
};

Orphans &orphans() {
  static auto *those = new Orphans;  // workers may still run at exit
  return *those;
}

int drop_orphans(void *) {
  std::vector<PyObject *> owners;
  {
    std::lock_guard<std::mutex> lock(orphans().mutex);
    owners.swap(orphans().owners);
    orphans().is_scheduled = false;
  }
  for (PyObject *owner : owners) Py_DECREF(owner);
  return 0;
}

void release_owner(void *owner) {
  if (PyGILState_Check()) {
    Py_DECREF(static_cast<PyObject *>(owner));
    return;
  }
  std::lock_guard<std::mutex> lock(orphans().mutex);
  orphans().owners.push_back(static_cast<PyObject *>(owner));
  // Refused when others have filled the queue: then the next array to go asks again.
  if (!orphans().is_scheduled)
    orphans().is_scheduled = Py_AddPendingCall(drop_orphans, nullptr) == 0;
}

// An array over memory that `owner` keeps alive.
py::object wrap_external(uintptr_t pointer, const py::sequence &shape, int32_t dtype, int32_t type,
                         int32_t id, const py::object &owner) {
  return call_python([&] {
    const TensorType *t = intern_type(dtype, dims_of(shape));
    Chunk *chunk = Chunk::wrap(open_device(type, id), reinterpret_cast<void *>(pointer),
                               static_cast<size_t>(t->bytes), release_owner,
                               py::object(owner).release().ptr());
    return py::reinterpret_steal<py::object>(new_array({Ref<Chunk>::adopt(chunk), 0, t}));
  });
}

py::dict pointwise_opcodes() {
  py::dict codes;
#define MX_PW_ENTRY(number, name, operands, classes) \
  codes[#name] = py::make_tuple(number, operands, classes);
  MX_POINTWISE_OPCODES(MX_PW_ENTRY)
#undef MX_PW_ENTRY
  return codes;
}

void bind_hooks(py::module_ &m) {
  m.def("set_op_loader", [](const py::object &f) { keep(python_side.get_op, f); });
  m.def("set_getitem_hook", [](const py::object &f) { keep(python_side.getitem, f); });
  m.def("set_setitem_hook", [](const py::object &f) { keep(python_side.setitem, f); });
  m.def("set_operand_hook", [](const py::object &f) { keep(python_side.operand, f); });
  m.def("set_context_class", [](const py::object &c) { keep(python_side.context_class, c); });
  m.def("set_dtypes", [](const py::dict &table) {
    for (auto [flag, type] : table)
      if (is_dtype(flag.cast<int64_t>()))
        keep(python_side.dtypes[flag.cast<int64_t>()], py::reinterpret_borrow<py::object>(type));
  });
  m.def("set_compiler", [](const py::object &call, const py::object &gradient) {
    keep(python_side.compile_call, call);
    keep(python_side.compile_gradient, gradient);
  });
  m.def("get_op", [](const std::string &name) {
    return call_python([&] {
      return py::reinterpret_borrow<py::object>(
          reinterpret_cast<PyObject *>(find_op(name.c_str())));
    });
  });
}

}  // namespace

}  // namespace mx

PYBIND11_MODULE(_core, m) {
  using namespace mx;
  m.doc() = "The runtime of mx_core: arrays, operators, plans, the tape and the engine.";
  try {
    init_array(m.ptr());
    init_op(m.ptr());
    bind_tape(m.ptr());
  } catch (const PythonError &) {
    throw py::error_already_set();
  }
  bind_device(m);
  bind_plan(m);
  bind_profile(m);
  bind_hooks(m);
  m.def("empty", empty);
  m.def("_from_numpy", from_numpy);
  m.def("_wrap_external", wrap_external);
  m.attr("POINTWISE_OPS") = pointwise_opcodes();
  m.attr("ABI_VERSION") = MX_ABI_VERSION;
  m.def("plan_cache_info", [] {
    PlanCacheStatistics s = plan_cache_statistics();
    py::dict d;
    d["hits"] = s.hits;
    d["misses"] = s.misses;
    d["evictions"] = s.evictions;
    d["plans"] = s.plans;
    return d;
  });
  m.def("clear_plan_cache", [] { clear_plan_cache(); });
  py::module_::import("atexit").attr("register")(m.attr("_shutdown"));
}
