// Plans and prepared kernels as the compiler (mx_core.graph) makes them.
#include <pybind11/pybind11.h>

#include <cstring>
#include <deque>

#include "array.h"
#include "bind.h"
#include "kernels.h"
#include "plan.h"

namespace py = pybind11;

namespace mx {

namespace {

struct PyPrepared {
  Ref<Prepared> prepared;
};
struct PyPlan {
  Ref<Plan> plan;
};

const TensorType *type_from(py::handle h) {
  if (h.is_none()) return nullptr;
  auto pair = py::reinterpret_borrow<py::tuple>(h);
  std::vector<int64_t> dims;
  for (py::handle d : pair[1]) dims.push_back(d.cast<int64_t>());
  return intern_type(pair[0].cast<int32_t>(), dims);
}

std::vector<const TensorType *> types_from(const py::sequence &s) {
  std::vector<const TensorType *> types;
  for (py::handle h : s) types.push_back(type_from(h));
  return types;
}

// Typed key-values for a kernel, and the memory they point into.
class Params {
 public:
  explicit Params(const py::dict &dict) {
    for (auto [key, value] : dict) {
      mx_param p{};
      p.name = text(key);
      fill(p, value);
      params_.push_back(p);
    }
  }
  const mx_param *data() const { return params_.data(); }
  int32_t size() const { return static_cast<int32_t>(params_.size()); }

 private:
  const char *text(py::handle h) {
    strings_.push_back(h.cast<std::string>());
    return strings_.back().c_str();
  }
  void fill(mx_param &p, py::handle v) {
    if (v.is_none()) {
      p.kind = MX_PARAM_NONE;
    } else if (PyBool_Check(v.ptr()) || PyLong_Check(v.ptr())) {
      p.kind = PyBool_Check(v.ptr()) ? MX_PARAM_BOOL : MX_PARAM_INT;
      p.i = v.cast<int64_t>();
      p.f = static_cast<double>(p.i);
    } else if (PyFloat_Check(v.ptr())) {
      p.kind = MX_PARAM_FLOAT;
      p.f = v.cast<double>();
    } else if (PyUnicode_Check(v.ptr())) {
      p.kind = MX_PARAM_STRING;
      p.s = text(v);
      p.n = static_cast<int32_t>(strings_.back().size());
    } else {
      fill_list(p, py::reinterpret_borrow<py::sequence>(v));
    }
  }
  void fill_list(mx_param &p, const py::sequence &list) {
    bool floats = false;
    for (py::handle h : list) floats |= PyFloat_Check(h.ptr());
    p.n = static_cast<int32_t>(list.size());
    p.kind = floats ? MX_PARAM_FLOATS : MX_PARAM_INTS;
    if (floats) {
      auto &values = floats_.emplace_back();
      for (py::handle h : list) values.push_back(h.cast<double>());
      p.floats = values.data();
    } else {
      auto &values = ints_.emplace_back();
      for (py::handle h : list) values.push_back(h.cast<int64_t>());
      p.ints = values.data();
    }
  }
  std::vector<mx_param> params_;
  std::deque<std::string> strings_;
  std::deque<std::vector<int64_t>> ints_;
  std::deque<std::vector<double>> floats_;
};

py::object prepare(const std::string &op, int32_t device_type, int32_t device_id,
                   const py::sequence &in_types, const py::sequence &out_types,
                   const py::dict &params, int32_t n_scalars) {
  return call_python([&]() -> py::object {
    Device *device = open_device(device_type, device_id);
    if (!has_kernel(device->table->name, op)) return py::none();
    std::vector<mx_tensor_type> in, out;
    for (const TensorType *t : types_from(in_types)) in.push_back(t->view());
    for (const TensorType *t : types_from(out_types)) out.push_back(t->view());
    Params values(params);
    mx_signature sig{};
    sig.size = sizeof sig;
    sig.op = op.c_str();
    sig.device_id = device_id;
    sig.n_in = static_cast<int32_t>(in.size());
    sig.n_out = static_cast<int32_t>(out.size());
    sig.in = in.data();
    sig.out = out.data();
    sig.n_params = values.size();
    sig.params = values.data();
    sig.n_scalars = n_scalars;
    PrepareResult result = prepare_kernel(device->table->name, sig);
    if (result.prepared) {
      result.prepared->is_empty = !out.empty();
      for (const TensorType *t : types_from(out_types)) result.prepared->is_empty &= t->bytes == 0;
    }
    if (result.prepared) return py::cast(PyPrepared{std::move(result.prepared)});
    if (result.known) return py::str(result.reason);
    return py::none();
  });
}

// Reads the plan's parts from Python and checks every index, so that a wrong compiler gives an
// error, not a crash.
class PlanBuilder {
 public:
  explicit PlanBuilder(Plan &plan) : p_(plan) {}

  void add_slots(const py::sequence &slots) {
    p_.slots.reserve(slots.size());
    for (py::handle h : slots) {
      auto t = py::reinterpret_borrow<py::tuple>(h);
      auto kind = t[0].cast<std::string>();
      Slot s{};
      if (kind == "temp") {
        s.kind = Slot::kTemp;
        s.offset = t[1].cast<int64_t>();
        p_.arena_bytes =
            std::max(p_.arena_bytes, static_cast<size_t>(s.offset + t[2].cast<int64_t>()));
      } else if (kind == "alias") {
        s.kind = Slot::kAlias;
        s.base = index(t[1].cast<int32_t>(), first_slot() + p_.slots.size());
        s.offset = t[2].cast<int64_t>();
      } else {
        s.kind = Slot::kConst;
        s.constant = expect_array(t[1].ptr(), "a constant")->tensor;
      }
      p_.slots.push_back(std::move(s));
    }
    p_.arena_bytes = (p_.arena_bytes + 63) / 64 * 64;
  }

  void add_steps(const py::sequence &steps) {
    for (py::handle h : steps) {
      auto t = py::reinterpret_borrow<py::tuple>(h);
      Step s{};
      s.kernel = t[0].cast<const PyPrepared &>().prepared;
      std::tie(s.in, s.n_in) = range(t[1], first_slot() + p_.slots.size());
      std::tie(s.out, s.n_out) = range(t[2], first_slot() + p_.slots.size());
      std::tie(s.scalars, s.n_scalars) = scalars(t[3]);
      s.random_offset = p_.random_blocks;
      p_.random_blocks += s.kernel->p.random_blocks;
      p_.cost_ns += s.kernel->p.cost_ns;
      p_.workspace_bytes = std::max(p_.workspace_bytes, s.kernel->p.workspace_bytes);
      p_.steps.push_back(std::move(s));
    }
    find_makers();
  }

  void find_makers() {
    if (p_.steps.size() != 1) return;
    for (const Slot &slot : p_.slots)
      if (slot.kind != Slot::kConst) return;
    const Step &step = p_.steps[0];
    p_.makers.assign(p_.outputs.size(), -1);
    for (uint32_t k = 0; k < step.n_out; ++k) {
      auto j = p_.indices[step.out + k] - static_cast<int32_t>(p_.inputs.size());
      if (j >= 0 && static_cast<size_t>(j) < p_.outputs.size())
        p_.makers[j] = static_cast<int32_t>(k);
    }
  }

  void add_aliases(const py::sequence &aliases) {
    p_.aliases.resize(p_.outputs.size());
    for (size_t j = 0; j < aliases.size() && j < p_.outputs.size(); ++j) {
      py::object a = aliases[j];
      if (a.is_none()) continue;
      auto t = a.cast<py::tuple>();
      p_.aliases[j] = {index(t[0].cast<int32_t>(), p_.inputs.size()), t[1].cast<int64_t>()};
    }
  }

  void add_saved(const py::sequence &saved) {
    for (py::handle h : saved) {
      auto t = py::reinterpret_borrow<py::tuple>(h);
      bool is_output = t[0].cast<std::string>() == "out";
      p_.saved.push_back({is_output, index(t[1].cast<int32_t>(),
                                           is_output ? p_.outputs.size() : p_.inputs.size())});
    }
  }

  std::vector<int32_t> inputs(const py::sequence &list) {
    std::vector<int32_t> v;
    for (py::handle h : list) v.push_back(index(h.cast<int32_t>(), p_.inputs.size()));
    return v;
  }

 private:
  size_t first_slot() const { return p_.inputs.size() + p_.outputs.size(); }
  static int32_t index(int32_t i, size_t limit) {
    if (i < 0 || static_cast<size_t>(i) >= limit)
      throw std::runtime_error("plan: index " + std::to_string(i) + " is not below " +
                               std::to_string(limit));
    return i;
  }
  std::pair<uint32_t, uint32_t> range(const py::handle &list, size_t limit) {
    auto begin = static_cast<uint32_t>(p_.indices.size());
    for (py::handle h : py::reinterpret_borrow<py::sequence>(list))
      p_.indices.push_back(index(h.cast<int32_t>(), limit));
    return {begin, static_cast<uint32_t>(p_.indices.size()) - begin};
  }
  // An int is the number of one of the plan's scalars, a float is a constant.
  std::pair<uint32_t, uint32_t> scalars(const py::handle &list) {
    auto begin = static_cast<uint32_t>(p_.indices.size());
    for (py::handle h : py::reinterpret_borrow<py::sequence>(list)) {
      if (PyFloat_Check(h.ptr())) {
        double value = PyFloat_AS_DOUBLE(h.ptr());
        bool integral = value > -9.2e18 && value < 9.2e18;  // false for NaN, too
        p_.constants.push_back({value, integral ? static_cast<int64_t>(value) : 0});
        p_.indices.push_back(-static_cast<int32_t>(p_.constants.size()));
      } else {
        p_.indices.push_back(index(h.cast<int32_t>(), static_cast<size_t>(p_.n_scalars)));
      }
    }
    return {begin, static_cast<uint32_t>(p_.indices.size()) - begin};
  }
  Plan &p_;
};

py::object make_plan(const std::string &name, int32_t device_type, int32_t device_id,
                     const py::sequence &inputs, const py::sequence &outputs, int32_t n_scalars,
                     const py::sequence &slots, const py::sequence &steps,
                     const py::sequence &written_inputs, const py::sequence &output_alias,
                     const py::object &n_visible, const py::sequence &saved,
                     const py::sequence &grad_inputs, const py::object &graph) {
  return call_python([&]() -> py::object {
    auto plan = Ref<Plan>::adopt(new Plan);
    Plan &p = *plan.get();
    p.name = name;
    p.device = open_device(device_type, device_id);
    p.inputs = types_from(inputs);
    p.outputs = types_from(outputs);
    p.n_visible =
        n_visible.is_none() ? static_cast<int32_t>(p.outputs.size()) : n_visible.cast<int32_t>();
    if (p.n_visible < 0 || static_cast<size_t>(p.n_visible) > p.outputs.size())
      throw std::runtime_error("plan: n_visible is out of range");
    p.n_scalars = n_scalars;
    PlanBuilder build(p);
    build.add_slots(slots);
    build.add_steps(steps);
    build.add_aliases(output_alias);
    build.add_saved(saved);
    p.written_inputs = build.inputs(written_inputs);
    p.grad_inputs = build.inputs(grad_inputs);
    p.graph = graph.is_none() ? nullptr : py::object(graph).release().ptr();
    return py::cast(PyPlan{std::move(plan)});
  });
}

// Runs a plan on arrays, unrecorded: for tests and for compiled graphs.
py::object run(const PyPlan &self, const py::sequence &arrays, const py::sequence &scalars) {
  return call_python([&]() -> py::object {
    Plan &plan = *self.plan.get();
    if (arrays.size() != plan.inputs.size() ||
        scalars.size() != static_cast<size_t>(plan.n_scalars))
      throw std::runtime_error("[" + plan.name + "] the plan takes " +
                               std::to_string(plan.inputs.size()) + " arrays and " +
                               std::to_string(plan.n_scalars) + " scalars");
    std::vector<const Tensor *> ins;
    for (size_t i = 0; i < arrays.size(); ++i) {
      const Tensor &t = expect_array(py::object(arrays[i]).ptr(), "an input of the plan")->tensor;
      if (t.type != plan.inputs[i])
        throw std::runtime_error("[" + plan.name + "] the plan takes " + plan.inputs[i]->text() +
                                 ", got " + t.type->text());
      ins.push_back(&t);
    }
    std::vector<mx_scalar> values;
    for (py::handle h : scalars)
      values.push_back({h.cast<double>(), static_cast<int64_t>(h.cast<double>())});
    std::vector<Tensor> outs(plan.outputs.size());
    run_plan(plan, ins.data(), outs.data(), values.data());
    py::list result;
    for (Tensor &t : outs)
      result.append(t ? py::reinterpret_steal<py::object>(new_array(std::move(t)))
                      : py::object(py::none()));
    return result;
  });
}

}  // namespace

Plan &plan_from_object(PyObject *o) {
  try {
    return *py::handle(o).cast<const PyPlan &>().plan.get();
  } catch (const py::cast_error &) {
    fail("MXNetError", std::string("the compiler must return a Plan, got ") + Py_TYPE(o)->tp_name);
  }
}

void bind_plan(py::module_ &m) {
  py::class_<PyPrepared>(m, "Prepared")
      .def_property_readonly("workspace",
                             [](const PyPrepared &s) { return s.prepared->p.workspace_bytes; })
      .def_property_readonly("cost", [](const PyPrepared &s) { return s.prepared->p.cost_ns; })
      .def_property_readonly("random",
                             [](const PyPrepared &s) { return s.prepared->p.random_blocks; })
      .def_property_readonly("inplace", [](const PyPrepared &s) {
        py::list masks;
        for (uint32_t mask : s.prepared->p.inplace) masks.append(mask);
        return masks;
      });
  py::class_<PyPlan>(m, "Plan")
      .def(py::init([](const py::args &args, const py::kwargs &kwargs) {
        static auto *maker = new py::object(py::cpp_function(
            make_plan, py::arg("name"), py::arg("device_type"), py::arg("device_id"),
            py::arg("inputs"), py::arg("outputs"), py::arg("n_scalars"), py::arg("slots"),
            py::arg("steps"), py::arg("written_inputs") = py::tuple(),
            py::arg("output_alias") = py::tuple(), py::arg("n_visible") = py::none(),
            py::arg("saved") = py::tuple(), py::arg("grad_inputs") = py::tuple(),
            py::arg("graph") = py::none()));
        return PyPlan((*maker)(*args, **kwargs).cast<PyPlan>());
      }))
      .def("run", run, py::arg("arrays"), py::arg("scalars") = py::tuple())
      .def_property_readonly("name", [](const PyPlan &s) { return s.plan->name; })
      .def_property_readonly("cost", [](const PyPlan &s) { return s.plan->cost_ns; })
      .def_property_readonly("n_steps", [](const PyPlan &s) { return s.plan->steps.size(); })
      .def_property_readonly("arena_bytes", [](const PyPlan &s) { return s.plan->arena_bytes; })
      .def_property_readonly("workspace_bytes",
                             [](const PyPlan &s) { return s.plan->workspace_bytes; })
      .def_property_readonly("step_names",
                             [](const PyPlan &s) {
                               py::list names;
                               for (const Step &step : s.plan->steps) names.append(step.kernel->op);
                               return names;
                             })
      .def_property_readonly("graph", [](const PyPlan &s) {
        return s.plan->graph ? py::reinterpret_borrow<py::object>(s.plan->graph)
                             : py::object(py::none());
      });
  m.def("prepare", prepare);
}

}  // namespace mx
