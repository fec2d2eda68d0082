// The Python module mx_ops_cpu._kernels: two capsules for mx-core, and a way to run one kernel
// straight on NumPy arrays, so that kernels are tested without mx-core.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "families.h"
#include "mx/kernel.h"

namespace py = pybind11;

namespace mx::cpu {
namespace {

py::capsule capsule_of(const void* data, const char* name) { return py::capsule(data, name); }

int32_t dtype_number(const std::string& name) {
  for (int32_t d : {MX_FLOAT32, MX_FLOAT64, MX_FLOAT16, MX_BFLOAT16, MX_UINT8, MX_INT8, MX_INT32,
                    MX_INT64, MX_BOOL})
    if (name == dtype_name(d)) return d;
  throw std::invalid_argument("unknown dtype " + name);
}

// bfloat16 arrays travel as uint16 arrays: NumPy has no such dtype.
py::array empty_array(int32_t dtype, const Shape& shape) {
  const char* name = dtype == MX_BFLOAT16 ? "uint16" : dtype_name(dtype);
  const py::dtype type(name);
  // Starts a cache line, as the device's blocks do: some kernels store whole lines.
  const py::array_t<char> block(numel(shape) * type.itemsize() + 64);
  const auto skipped = -reinterpret_cast<uintptr_t>(block.data()) % 64;
  return py::array(type, std::vector<py::ssize_t>(shape.begin(), shape.end()),
                   block.data() + skipped, block);
}

// Keeps what the mx_param entries point to.
class ParamList {
 public:
  explicit ParamList(const py::dict& params) {
    for (auto [key, value] : params) add(key.cast<std::string>(), value);
  }
  const std::vector<mx_param>& entries() const { return entries_; }

 private:
  void add(const std::string& name, py::handle value) {
    mx_param p{};
    p.name = texts_.emplace_back(name).c_str();
    if (value.is_none()) {
      p.kind = MX_PARAM_NONE;
    } else if (py::isinstance<py::bool_>(value)) {
      p.kind = MX_PARAM_BOOL;
      p.i = value.cast<bool>();
      p.f = static_cast<double>(p.i);
    } else if (py::isinstance<py::int_>(value)) {
      p.kind = MX_PARAM_INT;
      p.i = value.cast<int64_t>();
      p.f = static_cast<double>(p.i);
    } else if (py::isinstance<py::float_>(value)) {
      p.kind = MX_PARAM_FLOAT;
      p.f = value.cast<double>();
    } else if (py::isinstance<py::str>(value)) {
      const std::string& text = texts_.emplace_back(value.cast<std::string>());
      p.kind = MX_PARAM_STRING;
      p.s = text.c_str();
      p.n = static_cast<int32_t>(text.size());
    } else {
      add_list(p, value.cast<py::sequence>());
    }
    entries_.push_back(p);
  }
  // A list with any float in it is FLOATS, any other (the empty one too) INTS.
  void add_list(mx_param& p, const py::sequence& list) {
    bool any_float = false;
    for (auto item : list) any_float |= py::isinstance<py::float_>(item);
    p.n = static_cast<int32_t>(list.size());
    if (any_float) {
      p.kind = MX_PARAM_FLOATS;
      p.floats = floats_.emplace_back(list.cast<std::vector<double>>()).data();
    } else {
      p.kind = MX_PARAM_INTS;
      p.ints = ints_.emplace_back(list.cast<Shape>()).data();
    }
  }

  std::deque<std::string> texts_;
  std::deque<Shape> ints_;
  std::deque<std::vector<double>> floats_;
  std::vector<mx_param> entries_;
};

struct OutType {
  int32_t dtype;
  Shape shape;
};

// One prepared kernel; frees its state.
struct Prepared {
  mx_prepared plan{};
  Prepared() { plan.size = sizeof(plan); }
  Prepared(const Prepared&) = delete;
  ~Prepared() {
    if (plan.free_state) plan.free_state(plan.state);
  }
};

void prepare(const mx_signature& sig, Prepared& prepared) {
  char message[512] = "";
  int status = MX_UNSUPPORTED;
  bool known = false;
  const mx_kernel_table& table = kernel_table();
  for (int32_t i = 0; i < table.n_kernels && status == MX_UNSUPPORTED; ++i) {
    if (std::string(table.kernels[i].op) != sig.op) continue;
    known = true;
    status = table.kernels[i].prepare(&sig, &prepared.plan, message, sizeof(message));
  }
  if (!known) throw py::key_error(std::string("no kernel named ") + sig.op);
  if (status == MX_UNSUPPORTED) throw py::type_error(message);
  if (status != MX_OK) throw std::runtime_error(message);
}

// Calls a kernel once (or `repeat` times) on NumPy arrays. bfloat16 inputs are uint16 arrays named
// in in_dtypes. inplace: {output: input}; the input's copy is then the output's memory, if the
// kernel allows it.
py::object prepare_and_run(const std::string& op, const std::vector<py::array>& inputs,
                           const std::vector<std::pair<std::string, Shape>>& out_types,
                           const py::dict& params, const std::vector<py::object>& scalars,
                           uint64_t seed, uint64_t offset,
                           const std::vector<std::string>& in_dtypes,
                           const std::map<int, int>& inplace, int repeat) {
  std::vector<mx_tensor_type> in, out;
  std::deque<Shape> shapes;
  std::vector<py::array> arrays;
  for (size_t i = 0; i < inputs.size(); ++i) {
    py::array a = inputs[i];
    if (!(a.flags() & py::array::c_style))
      throw std::invalid_argument("inputs must be C-contiguous");
    const int32_t dtype = dtype_number(i < in_dtypes.size() && !in_dtypes[i].empty()
                                           ? in_dtypes[i]
                                           : py::str(a.dtype().attr("name")).cast<std::string>());
    const Shape& shape = shapes.emplace_back(a.shape(), a.shape() + a.ndim());
    in.push_back({dtype, static_cast<int32_t>(shape.size()), shape.data()});
    arrays.push_back(a);
  }
  for (const auto& [name, shape] : out_types) {
    const Shape& kept = shapes.emplace_back(shape);
    out.push_back({dtype_number(name), static_cast<int32_t>(kept.size()), kept.data()});
  }
  ParamList list(params);
  mx_signature sig{};
  sig.size = sizeof(sig);
  sig.op = op.c_str();
  sig.n_in = static_cast<int32_t>(in.size());
  sig.n_out = static_cast<int32_t>(out.size());
  sig.n_params = static_cast<int32_t>(list.entries().size());
  sig.in = in.data();
  sig.out = out.data();
  sig.params = list.entries().data();
  sig.n_scalars = static_cast<int32_t>(scalars.size());
  Prepared prepared;
  prepare(sig, prepared);

  std::vector<py::array> results;
  std::vector<void*> in_data, out_data;
  for (const py::array& a : arrays) in_data.push_back(const_cast<void*>(a.data()));
  for (size_t j = 0; j < out.size(); ++j) {
    py::array result = empty_array(out[j].dtype, out_types[j].second);
    if (auto shared = inplace.find(static_cast<int>(j)); shared != inplace.end()) {
      const int i = shared->second;
      if (!(prepared.plan.inplace[j] >> i & 1u))
        throw std::invalid_argument("the kernel does not allow this in-place");
      if (result.nbytes() != arrays.at(i).nbytes())
        throw std::invalid_argument("in-place needs equal byte sizes");
      if (result.nbytes()) std::memcpy(result.mutable_data(), in_data[i], result.nbytes());
      in_data[i] = result.mutable_data();
    } else if (result.nbytes()) {
      std::memset(result.mutable_data(), 0xA5, result.nbytes());  // a forgotten element shows
    }
    out_data.push_back(result.mutable_data());
    results.push_back(std::move(result));
  }
  std::vector<mx_scalar> values;
  for (const py::object& s : scalars) {
    const double f = s.cast<double>();
    values.push_back(
        {f, py::isinstance<py::int_>(s) ? s.cast<int64_t>() : static_cast<int64_t>(f)});
  }
  std::unique_ptr<void, void (*)(void*)> workspace(
      std::aligned_alloc(64, (prepared.plan.workspace_bytes + 127) & ~size_t{63}), std::free);
  char error[512] = "";
  mx_call call{};
  call.size = sizeof(call);
  call.in = in_data.data();
  call.out = out_data.data();
  call.scalars = values.data();
  call.workspace = workspace.get();
  call.seed = seed;
  call.offset = offset;
  call.error = error;
  call.error_size = sizeof(error);
  int status = 0;
  double best = 1e300;
  {
    py::gil_scoped_release release;
    for (int r = 0; r < (repeat > 0 ? repeat : 1) && !status; ++r) {
      // Timed in batches of eight, so that the clock does not show in a 20 ns kernel.
      const int batch = repeat > 0 ? 8 : 1;
      const auto begin = std::chrono::steady_clock::now();
      for (int b = 0; b < batch && !status; ++b)
        status = prepared.plan.run(prepared.plan.state, &call);
      const auto end = std::chrono::steady_clock::now();
      best = std::min(best, std::chrono::duration<double, std::nano>(end - begin).count() / batch);
    }
  }
  if (status) throw std::runtime_error(error);
  if (repeat > 0) return py::make_tuple(best, prepared.plan.cost_ns);
  return py::cast(results);
}

}  // namespace
}  // namespace mx::cpu

PYBIND11_MODULE(_kernels, m) {
  using namespace mx::cpu;
  m.doc() = "The kernels and the device of mx-ops-cpu, as capsules for mx-core.";
  m.def(
      "kernel_table", [] { return capsule_of(&kernel_table(), MX_KERNEL_TABLE_CAPSULE); },
      "The mx_kernel_table of the device cpu, as a capsule.");
  m.def(
      "device", [] { return capsule_of(&device(), MX_DEVICE_CAPSULE); },
      "The mx_device cpu, as a capsule.");
  m.def(
      "kernel_names",
      [] {
        std::vector<std::string> names;
        for (int32_t i = 0; i < kernel_table().n_kernels; ++i)
          names.emplace_back(kernel_table().kernels[i].op);
        return names;
      },
      "Names of all kernels in the table.");
  m.def(
      "set_num_threads", [](int n) { device().set_num_threads(n); }, py::arg("n"),
      "Sets the OpenMP threads that kernels may use on this thread.");
  m.def("prepare_and_run", &prepare_and_run, py::arg("op"), py::arg("inputs"), py::arg("out_types"),
        py::arg("params") = py::dict(), py::kw_only(),
        py::arg("scalars") = std::vector<py::object>(), py::arg("seed") = 0, py::arg("offset") = 0,
        py::arg("in_dtypes") = std::vector<std::string>(),
        py::arg("inplace") = std::map<int, int>(), py::arg("repeat") = 0,
        "Runs one kernel on NumPy arrays and returns its outputs, for tests. With repeat > 0 it "
        "returns\n"
        "(best run time in ns over that many batches, the kernel's own cost estimate in ns) "
        "instead.");
}
