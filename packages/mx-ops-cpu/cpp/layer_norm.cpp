// Layer normalization along the last axis, and its gradient: a row is read once from memory, the
// later passes over it find it in the cache. float16 and bfloat16 go through float32.
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>
#include <type_traits>

#include "families.h"
#include "in_float32.h"
#include "parallel.h"
#include "row_sums.h"
#include "stream.h"
#include "vecmath.h"

namespace mx::cpu {
namespace {

// ---- loops over one row -------------------------------------------------------------------------

template <class T>
MX_INLINE double mean_of(const T* __restrict x, int64_t n) {
  return sum_of<T>(
             n, [&](int64_t i) __attribute__((always_inline)) { return x[i]; }) /
         static_cast<double>(n);
}

// Asks for n elements that will be read soon.
template <class T>
MX_INLINE void prefetch(const T* x, int64_t n) {
  for (int64_t i = 0; i < n; i += kLineBytes / sizeof(T)) __builtin_prefetch(x + i, 0, 2);
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
                              T* deviations, int64_t rows, int64_t n, double eps, bool streamed) {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const T mean = static_cast<T>(mean_of(x, n));
    prefetch(x + n, n);
    const double deviation = std::sqrt(variance_of(x, n, mean) + eps);
    const T factor = static_cast<T>(1.0 / deviation);
    means[r] = mean;
    deviations[r] = static_cast<T>(deviation);
    if (streamed) {
      stream_rows(
          y, n, 1, n, [=](int64_t, int64_t i, auto& out) __attribute__((always_inline)) {
            Value<decltype(out)> slope, shift;
            load(x + i, out[0]);
            load(gamma + i, slope);
            load(beta + i, shift);
            out[0] = (out[0] - mean) * factor * slope + shift;
          });
      continue;
    }
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) y[i] =
        (x[i] - mean) * factor * gamma[i] + beta[i];
  }
}

// The gradient of a row's elements: dx = head gamma inverse - (x - mean) slope - offset.
template <class T>
struct RowGradient {
  T mean, inverse, offset, slope;
};

// With g = dy gamma: dx = (g - mean of g - normal * mean of (g normal)) / deviation.
template <class T>
MX_INLINE RowGradient<T> row_gradient(const T* __restrict dy, const T* __restrict x,
                                      const T* __restrict gamma, T mean, double deviation,
                                      int64_t n) {
  const double count = static_cast<double>(n);
  const Sums sums = sum_pairs<T>(
      n, [&](int64_t i, T & u, T & v) __attribute__((always_inline)) {
        u = dy[i] * gamma[i];
        v = u * (x[i] - mean);
      });
  return {mean, static_cast<T>(1.0 / deviation), static_cast<T>(sums.first / count / deviation),
          static_cast<T>(sums.second / count / (deviation * deviation * deviation))};
}

// The last pass over rows of dx, which also adds their shares to dgamma and dbeta.
template <class T>
MX_INLINE void apply_gradient(const T* dy, const T* x, const T* gamma, T* dx, T* dgamma, T* dbeta,
                              const RowGradient<T>& row, int64_t n) {
  _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) {
    const T head = dy[i], centered = x[i] - row.mean;
    dgamma[i] += head * (centered * row.inverse);
    dbeta[i] += head;
    dx[i] = head * gamma[i] * row.inverse - centered * row.slope - row.offset;
  }
}

constexpr int64_t kTogether = 4;  // rows of dx streamed together, so that dgamma is loaded once

template <class T>
MX_INLINE void stream_gradient(const T* dy, const T* x, const T* gamma, T* dx, T* dgamma, T* dbeta,
                               const RowGradient<T> (&row)[kTogether], int64_t n) {
  stream_rows<kTogether>(
      dx, n, kTogether, n, [&](int64_t, int64_t i, auto& out) __attribute__((always_inline)) {
        Value<decltype(out)> weight, slope, shift, head, centered;
        load(gamma + i, weight);
        load(dgamma + i, slope);
        load(dbeta + i, shift);
        for (int64_t k = 0; k < kTogether; ++k) {
          load(dy + k * n + i, head);
          load(x + k * n + i, centered);
          centered = centered - row[k].mean;
          slope += head * (centered * row[k].inverse);
          shift += head;
          out[k] = head * weight * row[k].inverse - centered * row[k].slope - row[k].offset;
        }
        store(slope, dgamma + i);
        store(shift, dbeta + i);
      });
}

template <class T>
MX_INLINE void gradient_rows(const T* dy, const T* x, const T* gamma, const T* means,
                             const T* deviations, T* dx, T* dgamma, T* dbeta, int64_t rows,
                             int64_t n, bool streamed) {
  int64_t r = 0;
  for (; streamed && r + kTogether <= rows; r += kTogether) {
    RowGradient<T> row[kTogether];
    for (int64_t k = 0; k < kTogether; ++k) {
      const int64_t at = (r + k) * n;
      row[k] = row_gradient(dy + at, x + at, gamma, means[r + k],
                            static_cast<double>(deviations[r + k]), n);
      prefetch(dy + at + kTogether * n, n);
      prefetch(x + at + kTogether * n, n);
    }
    stream_gradient(dy + r * n, x + r * n, gamma, dx + r * n, dgamma, dbeta, row, n);
  }
  for (; r < rows; ++r) {
    const int64_t at = r * n;
    const RowGradient<T> row =
        row_gradient(dy + at, x + at, gamma, means[r], static_cast<double>(deviations[r]), n);
    apply_gradient(dy + at, x + at, gamma, dx + at, dgamma, dbeta, row, n);
  }
}

#define MX_LAYER_NORM(T)                                                                           \
  MX_CLONES void forward(const T* x, const T* gamma, const T* beta, T* y, T* means, T* deviations, \
                         int64_t rows, int64_t n, double eps, bool streamed) {                     \
    normalize_rows(x, gamma, beta, y, means, deviations, rows, n, eps, streamed);                  \
  }                                                                                                \
  MX_CLONES void backward(const T* dy, const T* x, const T* gamma, const T* means,                 \
                          const T* deviations, T* dx, T* dgamma, T* dbeta, int64_t rows,           \
                          int64_t n, bool streamed) {                                              \
    gradient_rows(dy, x, gamma, means, deviations, dx, dgamma, dbeta, rows, n, streamed);          \
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

constexpr int64_t kShortestStreamed = 256;  // elements of a row

void require_sizes(const mx_signature& sig, std::initializer_list<int64_t> sizes) {
  int32_t i = 0;
  for (int64_t size : sizes)
    if (numel(sig.in[i++]) != size)
      throw Unsupported("input " + std::to_string(i - 1) + " must have " + std::to_string(size) +
                        " elements");
}

template <class T>
constexpr int32_t kDtype = std::is_same_v<T, float> ? MX_FLOAT32 : MX_FLOAT64;

// x, gamma, beta -> y, mean, sqrt(var + eps); axis, eps. y may be x's memory.
template <class T>
struct LayerNorm {
  Rows s;
  double eps, cost;
  bool streams;
  LayerNorm(const mx_signature& sig, mx_prepared& plan)
      : s(sig, sig.in[0], kDtype<T>),
        eps(Params(sig).number("eps")),
        streams(worth_streaming(byte_size(sig.out[0])) && s.n >= kShortestStreamed) {
    require_sizes(sig, {s.rows * s.n, s.n, s.n});
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
    const bool streamed = streams && x != y;
    parallel_for(s.rows, 1, cost, [&](int64_t begin, int64_t end) {
      forward(x + begin * s.n, gamma, beta, y + begin * s.n, mean + begin, deviation + begin,
              end - begin, s.n, eps, streamed);
      if (streamed) finish_streaming();
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
  bool streams;  // whole lines of dx, past the caches
  LayerNormBackward(const mx_signature& sig, mx_prepared& plan)
      : s(sig, sig.in[1], kDtype<T>),
        blocks((s.rows + kRows - 1) / kRows),
        streams(worth_streaming(byte_size(sig.out[0])) && s.n >= kShortestStreamed &&
                s.n * sizeof(T) % kLineBytes == 0) {
    require_sizes(sig, {s.rows * s.n, s.rows * s.n, s.n, s.rows, s.rows});
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
    const bool streamed = streams && dx != dy && dx != x && starts_line(dx);
    T* parts = static_cast<T*>(call.workspace);
    parallel_for(blocks, 1, cost, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const int64_t first = b * kRows, at = first * s.n;
        T* part = parts + b * 2 * s.n;
        std::fill_n(part, 2 * s.n, T(0));
        backward(dy + at, x + at, gamma, mean + first, deviation + first, dx + at, part, part + s.n,
                 std::min(kRows, s.rows - first), s.n, streamed);
      }
      if (streamed) finish_streaming();
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
