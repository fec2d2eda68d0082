// Layer normalization along the last axis, and its gradient: a row is read once from memory, the
// later passes over it find it in the cache. float16 and bfloat16 go through float32.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "families.h"
#include "in_float32.h"
#include "parallel.h"
#include "row_sums.h"
#include "vecmath.h"

namespace mx::cpu {
namespace {

// ---- loops over one row -------------------------------------------------------------------------

template <class T>
MX_INLINE double mean_of(const T* __restrict x, int64_t n) {
  const Sums sums = sum_pairs<T>(
      n, [&](int64_t i, T & u, T & v) __attribute__((always_inline)) {
        u = x[i];
        v = T(0);
      });
  return sums.first / static_cast<double>(n);
}

// The variance around `mean`, corrected for the rounding of mean itself.
template <class T>
MX_INLINE double variance_of(const T* __restrict x, int64_t n, T mean) {
  const Sums sums = sum_pairs<T>(
      n, [&](int64_t i, T & u, T & v) __attribute__((always_inline)) {
        u = x[i] - mean;
        v = u * u;
      });
  const double count = static_cast<double>(n), rest = sums.first / count;
  const double variance = sums.second / count - rest * rest;
  return variance < 0 ? 0 : variance;  // NaN stays
}

template <class T>
MX_INLINE void normalize_rows(const T* x, const T* gamma, const T* beta, T* y, T* means,
                              T* deviations, int64_t rows, int64_t n, double eps) {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const T mean = static_cast<T>(mean_of(x, n));
    const double deviation = std::sqrt(variance_of(x, n, mean) + eps);
    const T factor = static_cast<T>(1.0 / deviation);
    means[r] = mean;
    deviations[r] = static_cast<T>(deviation);
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) y[i] =
        (x[i] - mean) * factor * gamma[i] + beta[i];
  }
}

// With g = dy gamma: dx = (g - mean of g - normal * mean of (g normal)) / deviation; adds the rows'
// shares to dgamma and dbeta.
template <class T>
MX_INLINE void gradient_rows(const T* dy, const T* x, const T* gamma, const T* means,
                             const T* deviations, T* dx, T* dgamma, T* dbeta, int64_t rows,
                             int64_t n) {
  const double count = static_cast<double>(n);
  for (int64_t r = 0; r < rows; ++r, dy += n, x += n, dx += n) {
    const T mean = means[r];
    const double deviation = static_cast<double>(deviations[r]);
    const Sums sums = sum_pairs<T>(
        n, [&](int64_t i, T & u, T & v) __attribute__((always_inline)) {
          u = dy[i] * gamma[i];
          v = u * (x[i] - mean);
        });
    const T inverse = static_cast<T>(1.0 / deviation);
    const T offset = static_cast<T>(sums.first / count / deviation);
    const T slope = static_cast<T>(sums.second / count / (deviation * deviation * deviation));
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) {
      const T head = dy[i], centered = x[i] - mean;
      dgamma[i] += head * (centered * inverse);
      dbeta[i] += head;
      dx[i] = head * gamma[i] * inverse - centered * slope - offset;
    }
  }
}

#define MX_LAYER_NORM(T)                                                                           \
  MX_CLONES void forward(const T* x, const T* gamma, const T* beta, T* y, T* means, T* deviations, \
                         int64_t rows, int64_t n, double eps) {                                    \
    normalize_rows(x, gamma, beta, y, means, deviations, rows, n, eps);                            \
  }                                                                                                \
  MX_CLONES void backward(const T* dy, const T* x, const T* gamma, const T* means,                 \
                          const T* deviations, T* dx, T* dgamma, T* dbeta, int64_t rows,           \
                          int64_t n) {                                                             \
    gradient_rows(dy, x, gamma, means, deviations, dx, dgamma, dbeta, rows, n);                    \
  }
MX_LAYER_NORM(float)
MX_LAYER_NORM(double)
#undef MX_LAYER_NORM

// ---- the kernels --------------------------------------------------------------------------------

struct Rows {
  int64_t rows, n;
  Rows(const mx_signature& sig, const mx_tensor_type& x, int32_t dtype) {
    require_dtype(sig, dtype);
    const auto shape = shape_of(x);
    if (shape.empty() || Params(sig).integer("axis") != static_cast<int64_t>(shape.size()) - 1)
      throw Unsupported("only along the last axis");
    n = shape.back();
    rows = numel(shape.first(shape.size() - 1));
  }
  double elements() const { return static_cast<double>(rows * n); }
};

template <class T>
constexpr int32_t kDtype = std::is_same_v<T, float> ? MX_FLOAT32 : MX_FLOAT64;

// x, gamma, beta -> y, mean, sqrt(var + eps); axis, eps. y may be x's memory.
template <class T>
struct LayerNorm {
  Rows s;
  double eps, cost;
  LayerNorm(const mx_signature& sig, mx_prepared& plan)
      : s(sig, sig.in[0], kDtype<T>), eps(Params(sig).number("eps")) {
    if (s.n == 0) throw Unsupported("rows without elements have no mean");
    plan.cost_ns = cost = 50 + s.elements() * sizeof(T) * 0.1;
    plan.inplace[0] = 1u;
  }
  void operator()(const mx_call& call) const {
    const T* x = static_cast<const T*>(call.in[0]);
    const T* gamma = static_cast<const T*>(call.in[1]);
    const T* beta = static_cast<const T*>(call.in[2]);
    T* y = static_cast<T*>(call.out[0]);
    T* mean = static_cast<T*>(call.out[1]);
    T* deviation = static_cast<T*>(call.out[2]);
    parallel_for(s.rows, 1, cost, [&](int64_t begin, int64_t end) {
      forward(x + begin * s.n, gamma, beta, y + begin * s.n, mean + begin, deviation + begin,
              end - begin, s.n, eps);
    });
  }
};

// dy, x, gamma, mean, deviation -> dx, dgamma, dbeta; axis. dx may be dy's or x's memory.
template <class T>
struct LayerNormBackward {
  // The rows that add to dgamma and dbeta in T; blocks are added in double. Not one part per
  // thread: the sums must not depend on how many there are.
  static constexpr int64_t kRows = 256;
  Rows s;
  int64_t blocks;
  double cost;
  LayerNormBackward(const mx_signature& sig, mx_prepared& plan)
      : s(sig, sig.in[1], kDtype<T>), blocks((s.rows + kRows - 1) / kRows) {
    if (s.n == 0) throw Unsupported("rows without elements have no mean");
    plan.cost_ns = cost = 50 + s.elements() * sizeof(T) * 0.15;
    plan.workspace_bytes = static_cast<size_t>(blocks * 2 * s.n) * sizeof(T);
    plan.inplace[0] = 3u;
  }
  void operator()(const mx_call& call) const {
    const T* dy = static_cast<const T*>(call.in[0]);
    const T* x = static_cast<const T*>(call.in[1]);
    const T* gamma = static_cast<const T*>(call.in[2]);
    const T* mean = static_cast<const T*>(call.in[3]);
    const T* deviation = static_cast<const T*>(call.in[4]);
    T* dx = static_cast<T*>(call.out[0]);
    T* parts = static_cast<T*>(call.workspace);
    parallel_for(blocks, 1, cost, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const int64_t first = b * kRows, at = first * s.n;
        T* part = parts + b * 2 * s.n;
        std::fill_n(part, 2 * s.n, T(0));
        backward(dy + at, x + at, gamma, mean + first, deviation + first, dx + at, part, part + s.n,
                 std::min(kRows, s.rows - first), s.n);
      }
    });
    T* dgamma = static_cast<T*>(call.out[1]);
    T* dbeta = static_cast<T*>(call.out[2]);
    for (int64_t i = 0; i < s.n; ++i) {
      double weight = 0, bias = 0;
      for (int64_t b = 0; b < blocks; ++b) {
        weight += static_cast<double>(parts[b * 2 * s.n + i]);
        bias += static_cast<double>(parts[b * 2 * s.n + s.n + i]);
      }
      dgamma[i] = static_cast<T>(weight);
      dbeta[i] = static_cast<T>(bias);
    }
  }
};

}  // namespace

std::vector<mx_kernel> layer_norm_kernels() {
  return {mx_kernel{"_layer_norm", prepare_float<LayerNorm<float>, LayerNorm<double>>, 0},
          mx_kernel{"_layer_norm_backward",
                    prepare_float<LayerNormBackward<float>, LayerNormBackward<double>>, 0}};
}

}  // namespace mx::cpu
