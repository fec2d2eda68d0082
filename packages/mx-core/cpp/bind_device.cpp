// Devices as Python sees them: contexts, the current device of a thread, device packages, the
// engine and randomness.
#include <pybind11/pybind11.h>

#include <cstring>
#include <unordered_map>

#include "array.h"
#include "bind.h"
#include "engine.h"
#include "kernels.h"
#include "plan.h"

namespace py = pybind11;

namespace mx {

namespace {

thread_local int32_t current_type = 1, current_id = 0;
bool type_loaded[8] = {};

// Asks the plug-ins for the packages that serve a kind of device, once.
void load_type(int32_t type) {
  if (type < 1 || type > 7 || type_loaded[type]) return;
  Object plugin = checked(PyImport_ImportModule("mx_core.plugin"));
  checked(PyObject_CallMethod(plugin.get(), "load_device_type", "i", type));
  type_loaded[type] = true;
}

int32_t type_number(const std::string &name) {
  if (name == "cpu") return 1;
  if (name == "gpu") return 2;
  if (name == "cpu_pinned") return 3;
  if (name == "cpu_shared") return 5;
  fail("ParameterError",
       "a context is written cpu(0), gpu(1), cpu_pinned(0) or cpu_shared(0), got '" + name + "'");
}

Device *device_from_text(const std::string &text) {
  size_t open = text.find('(');
  int32_t id = 0;
  if (open != std::string::npos) {
    char *end = nullptr;
    long value = std::strtol(text.c_str() + open + 1, &end, 10);
    if (end == text.c_str() + open + 1 || std::strcmp(end, ")") != 0 || value < 0 ||
        value > INT32_MAX)
      type_number(text);
    id = static_cast<int32_t>(value);
  }
  return open_device(type_number(text.substr(0, open)), id);
}

const void *capsule_pointer(const py::capsule &c, const char *name) {
  void *p = PyCapsule_GetPointer(c.ptr(), name);
  if (!p) {
    PyErr_Clear();
    const char *got = PyCapsule_GetName(c.ptr());
    fail("PluginError", std::string("expected a capsule named ") + name + ", got " +
                            (got ? got : "one without a name") +
                            ". The package was built for another version of mx-core's interface");
  }
  return p;
}

template <typename F>
void plugin_guard(F f) {
  try {
    f();
  } catch (const PythonError &) {
    throw py::error_already_set();
  } catch (const std::exception &e) {
    set_error("PluginError", e.what());
    throw py::error_already_set();
  }
}

}  // namespace

Device *open_device(int32_t type, int32_t id) {
  load_type(type);
  try {
    return Device::get(type, id);
  } catch (const std::out_of_range &e) {
    fail("MXNetError", e.what());
  }
}

Device *host_device() {
  static Device *device = nullptr;  // initialized under the GIL, not a guard: see find_once in op.h
  if (!device) device = open_device(1, 0);
  return device;
}

Device *current_device() {
  if (current_type == 1 && current_id == 0) return host_device();
  return open_device(current_type, current_id);
}

Device *device_from_object(PyObject *o) {
  if (PyUnicode_Check(o)) {
    const char *text = PyUnicode_AsUTF8(o);
    if (!text) throw PythonError();
    return *text ? device_from_text(text) : current_device();
  }
  Object type(PyObject_GetAttrString(o, "device_typeid")),
      id(type ? PyObject_GetAttrString(o, "device_id") : nullptr);
  if (!id) {
    PyErr_Clear();
    fail("TypeError",
         std::string("ctx must be a Context such as mx.cpu(), got ") + Py_TYPE(o)->tp_name);
  }
  long t = PyLong_AsLong(type.get()), i = PyLong_AsLong(id.get());
  if (PyErr_Occurred()) throw PythonError();
  if (t < 1 || t > 7 || i < 0 || i > INT32_MAX)
    fail("ParameterError",
         "a context has a device number from 0 to 2147483647, got " + std::to_string(i));
  return open_device(static_cast<int32_t>(t), static_cast<int32_t>(i));
}

PyObject *context_object(Device *device) {
  static auto *made = new std::unordered_map<Device *, PyObject *>;
  auto found = made->find(device);
  if (found != made->end()) return Py_NewRef(found->second);
  if (!python_side.context_class) {
    Object module = checked(PyImport_ImportModule("mx_core.context"));
    python_side.context_class = checked(PyObject_GetAttrString(module.get(), "Context")).release();
  }
  std::string type = device->name.substr(0, device->name.find('('));
  Object context =
      checked(PyObject_CallFunction(python_side.context_class, "si", type.c_str(), device->id));
  made->emplace(device, Py_NewRef(context.get()));
  return context.release();
}

void bind_device(py::module_ &m) {
  m.def("add_device", [](const py::capsule &c) {
    plugin_guard([&] {
      Device::add_table(static_cast<const mx_device *>(capsule_pointer(c, MX_DEVICE_CAPSULE)));
    });
  });
  m.def("add_kernels", [](const py::capsule &c) {
    plugin_guard([&] {
      add_kernel_table(
          static_cast<const mx_kernel_table *>(capsule_pointer(c, MX_KERNEL_TABLE_CAPSULE)));
    });
  });
  m.def("kernel_names", [](const std::string &device) {
    return call_python([&] {
      load_type(type_number(device));
      py::list names;
      for (const std::string &name : kernel_names(device)) names.append(name);
      return py::object(names);
    });
  });
  m.def("set_current_device", [](int32_t type, int32_t id) {
    current_type = type;
    current_id = id;
  });
  m.def("num_devices", [](int32_t type) {
    return call_python([&] {
      load_type(type);
      return py::object(py::int_(Device::count(type)));
    });
  });
  m.def("memory_info", [](int32_t type, int32_t id) {
    return call_python([&] {
      Device *d = open_device(type, id);
      uint64_t free_bytes = 0, total = 0;
      if (!d->table->memory_info || d->table->memory_info(id, &free_bytes, &total))
        fail("MXNetError", d->name + " does not tell how much memory it has");
      return py::object(py::make_tuple(free_bytes, total));
    });
  });
  m.def("pool_statistics", [](int32_t type, int32_t id) {
    return call_python([&] {
      Pool::Statistics s = open_device(type, id)->pool->statistics();
      py::dict d;
      d["in_use_bytes"] = s.in_use_bytes;
      d["cached_bytes"] = s.cached_bytes;
      d["peak_bytes"] = s.peak_bytes;
      d["allocations"] = s.allocations;
      d["device_allocations"] = s.device_allocations;
      return py::object(d);
    });
  });
  m.def("empty_cache", [](int32_t type, int32_t id) {
    return call_python([&] {
      open_device(type, id)->pool->empty_cache();
      return py::object(py::none());
    });
  });
  m.def(
      "seed",
      [](int64_t seed, int32_t type, int32_t id) {
        return call_python([&] {
          if (type < 0) {
            Device::seed_all(static_cast<uint64_t>(seed));
          } else {
            Device *d = open_device(type, id);
            d->seed = static_cast<uint64_t>(seed) * 0x9e3779b97f4a7c15ull ^
                      static_cast<uint64_t>(d->type * 1000003 + d->id);
            d->offset = 0;
          }
          return py::object(py::none());
        });
      },
      py::arg("seed"), py::arg("type") = -1, py::arg("id") = 0);
  m.def("random_state", [](int32_t type, int32_t id) {
    return call_python([&]() -> py::object {
      Device *d = open_device(type, id);
      return py::make_tuple(d->seed, d->offset);
    });
  });
  m.def("set_random_state", [](int32_t type, int32_t id, uint64_t seed, uint64_t offset) {
    return call_python([&] {
      Device *d = open_device(type, id);
      d->seed = seed;
      d->offset = offset;
      return py::object(py::none());
    });
  });
  m.def("wait_all", [] {
    return call_python([&] {
      wait_all();
      return py::object(py::none());
    });
  });
  m.def("set_naive_engine", [](bool naive) {
    bool before = Engine::get().is_naive();
    Engine::get().set_naive(naive);
    return before;
  });
  m.def("is_naive_engine", [] { return Engine::get().is_naive(); });
  m.def("set_bulk_size", [](int size) {
    static int current = 15;  // MXNet's default; plans make bulking unnecessary, the number is kept
                              // for programs that read it back
    return std::exchange(current, size);
  });
  m.def("engine_statistics", [] {
    Engine::Statistics s = Engine::get().statistics();
    py::dict d;
    d["pushed"] = s.pushed;
    d["finished"] = s.finished;
    d["failed"] = s.failed;
    d["workers"] = s.workers;
    return d;
  });
  m.def("_shutdown", [] {
    py::gil_scoped_release released;
    Engine::get().shutdown();
  });
}

}  // namespace mx
