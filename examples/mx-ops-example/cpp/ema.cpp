// The kernel of `ema`: an exponential moving average along the last axis, forward or backward in time.
#include <pybind11/pybind11.h>

#include "mx/kernel.h"

namespace {

struct Ema {
  int32_t dtype;
  int64_t rows, steps;
  double decay;
  bool reverse;

  Ema(const mx_signature& sig, mx_prepared& plan) : dtype(sig.in[0].dtype) {
    if (dtype != MX_FLOAT32 && dtype != MX_FLOAT64) throw mx::Unsupported("ema is made for float32 and float64");
    const auto shape = mx::shape_of(sig.in[0]);
    const mx::Params params(sig);
    decay = params.number("decay");
    reverse = params.boolean("reverse");
    steps = shape.empty() ? 1 : shape.back();
    rows = steps ? mx::numel(shape) / steps : 0;
    plan.cost_ns = 20 + 2.0 * static_cast<double>(rows * steps);
    plan.inplace[0] = 1u << 0;
  }

  void operator()(const mx_call& call) const {
    if (dtype == MX_FLOAT32) {
      average(static_cast<const float*>(call.in[0]), static_cast<float*>(call.out[0]));
    } else {
      average(static_cast<const double*>(call.in[0]), static_cast<double*>(call.out[0]));
    }
  }

  template <class T>
  void average(const T* in, T* out) const {
    const int64_t first = reverse ? steps - 1 : 0, stride = reverse ? -1 : 1;
    for (int64_t row = 0; row < rows; ++row, in += steps, out += steps) {
      double state = 0;  // wider than float32: the error of a long series does not grow
      for (int64_t i = 0, t = first; i < steps; ++i, t += stride) {
        state = decay * state + (1 - decay) * static_cast<double>(in[t]);
        out[t] = static_cast<T>(state);
      }
    }
  }
};

const mx_kernel kernels[] = {mx::make_kernel<Ema>("ema")};
const mx_kernel_table table{MX_ABI_VERSION, sizeof(mx_kernel_table), "mx-ops-example", "cpu", 1, kernels};

}  // namespace

PYBIND11_MODULE(_kernels, m) {
  m.def("kernel_table", [] { return pybind11::capsule(&table, MX_KERNEL_TABLE_CAPSULE); },
        "The mx_kernel_table of this package for the device cpu, as a capsule.");
}
