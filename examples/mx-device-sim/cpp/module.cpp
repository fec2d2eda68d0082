// The Python module mx_device_sim._sim: the device and the wrapped kernels, as capsules for mx-core.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "sim.h"

namespace py = pybind11;

namespace {

py::capsule kernel_table(const std::vector<py::capsule>& cpu_tables, const std::vector<std::string>& without) {
  std::vector<const mx_kernel_table*> tables;
  for (const py::capsule& capsule : cpu_tables) {
    const auto* table = static_cast<const mx_kernel_table*>(PyCapsule_GetPointer(capsule.ptr(), MX_KERNEL_TABLE_CAPSULE));
    if (!table) throw py::error_already_set();
    // mx-core names the package of a wrong version when it takes the table itself; here it is just left out.
    if (table->abi_version == MX_ABI_VERSION) tables.push_back(table);
  }
  return py::capsule(mx::sim::wrap_kernels(tables, without), MX_KERNEL_TABLE_CAPSULE);
}

}  // namespace

PYBIND11_MODULE(_sim, m) {
  m.doc() = "Simulated gpu devices and their kernels, as capsules for mx-core.";
  m.def("device", [] { return py::capsule(&mx::sim::device(), MX_DEVICE_CAPSULE); }, "The mx_device gpu, as a capsule.");
  m.def("kernel_table", &kernel_table, py::arg("cpu_tables"), py::arg("without"),
        "The kernels of the given cpu tables for the device gpu, less those named in `without`. To be called once.");
}
