// softmax and log_softmax along any axis: subtract the maximum, exponentiate, normalise.
// float16 and bfloat16 go through float32.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "families.h"
#include "in_float32.h"
#include "parallel.h"
#include "row_sums.h"
#include "vecmath.h"

namespace mx::cpu {
namespace {

// e^x for x <= 0, all that a softmax needs: a shorter way than vec::exp, which also has the
// results above 1 and below the smallest normal number. What is below becomes 0, NaN stays.
MX_INLINE float exp_of(float x) {
  const float shifted = x * 1.44269504f + vec::kRound;
  const float n = shifted - vec::kRound;
  const float r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
  const float p = vec::polynomial(r, 1.0f, 1.0f, 0.5f, 0.166665182f, 0.041666206f, 0.00836890843f,
                                  0.00139505242f);
  const uint32_t biased = vec::bits(shifted) - (vec::bits(vec::kRound) - 127u);
  const float e = p * vec::from_bits(biased << 23);
  return x < -87.0f ? 0.0f : e;
}
// double by libm, because vec's double functions are only good for float.
MX_INLINE double exp_of(double x) { return std::exp(x); }
MX_INLINE float log_of(float x) { return vec::log(x); }
MX_INLINE double log_of(double x) { return std::log(x); }

// Independent partial results of a loop over a row: enough for every vector unit, and accurate
// sums.
constexpr int64_t kTerms = 32;

template <class T>
MX_INLINE T row_maximum(const T* __restrict x, int64_t n) {
  T lane[kTerms];
  for (int64_t j = 0; j < kTerms; ++j) lane[j] = -std::numeric_limits<T>::infinity();
  int64_t i = 0;
  for (; i + kTerms <= n; i += kTerms)
    for (int64_t j = 0; j < kTerms; ++j) lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
  for (; i < n; ++i) lane[0] = x[i] > lane[0] ? x[i] : lane[0];
  T best = lane[0];
  for (int64_t j = 1; j < kTerms; ++j) best = lane[j] > best ? lane[j] : best;
  return best;
}

// The sum of exp((x - maximum) * scale); with Store, the terms go to y.
template <bool store, class T>
MX_INLINE T row_exponentials(const T* x, T* y, int64_t n, T maximum, T scale) {
  T lane[kTerms] = {};
  int64_t i = 0;
  for (; i + kTerms <= n; i += kTerms) {
    _Pragma("GCC ivdep") for (int64_t j = 0; j < kTerms; ++j) {
      const T e = exp_of((x[i + j] - maximum) * scale);
      if constexpr (store) y[i + j] = e;
      lane[j] += e;
    }
  }
  _Pragma("GCC ivdep") for (int64_t j = 0; j < n - i; ++j) {
    const T e = exp_of((x[i + j] - maximum) * scale);
    if constexpr (store) y[i + j] = e;
    lane[j] += e;
  }
  for (int64_t width = kTerms / 2; width > 0; width /= 2)
    for (int64_t j = 0; j < width; ++j) lane[j] += lane[j + width];
  return lane[0];
}

template <bool logarithm, class T>
MX_INLINE void softmax_rows(const T* x, T* y, int64_t rows, int64_t n, T scale) {
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const T maximum = row_maximum(x, n);
    const T sum = row_exponentials<!logarithm>(x, y, n, maximum, scale);
    if constexpr (logarithm) {
      const T shift = std::log(sum);
      _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - maximum) * scale - shift;
    } else {
      const T factor = T(1) / sum;
      for (int64_t i = 0; i < n; ++i) y[i] *= factor;
    }
  }
}

constexpr int64_t kColumns = 128;  // columns done together, at most

// Softmax down each of `columns` <= kColumns columns; element i of a column is at i * stride.
template <bool logarithm, class T>
MX_INLINE void softmax_columns(const T* x, T* y, int64_t n, int64_t columns, int64_t stride,
                               T scale) {
  T maximum[kColumns], sum[kColumns];
  for (int64_t c = 0; c < columns; ++c) {
    maximum[c] = x[c];
    sum[c] = T(0);
  }
  for (int64_t i = 1; i < n; ++i)
    for (int64_t c = 0; c < columns; ++c) {
      const T value = x[i * stride + c];
      maximum[c] = value > maximum[c] ? value : maximum[c];
    }
  for (int64_t i = 0; i < n; ++i) {
    const T* from = x + i * stride;
    T* to = y + i * stride;
    _Pragma("GCC ivdep") for (int64_t c = 0; c < columns; ++c) {
      const T e = exp_of((from[c] - maximum[c]) * scale);
      if constexpr (!logarithm) to[c] = e;
      sum[c] += e;
    }
  }
  for (int64_t c = 0; c < columns; ++c) sum[c] = logarithm ? log_of(sum[c]) : T(1) / sum[c];
  for (int64_t i = 0; i < n; ++i) {
    const T* from = x + i * stride;
    T* to = y + i * stride;
    if constexpr (logarithm) {
      _Pragma("GCC ivdep") for (int64_t c = 0; c < columns; ++c) to[c] =
          (from[c] - maximum[c]) * scale - sum[c];
    } else {
      for (int64_t c = 0; c < columns; ++c) to[c] *= sum[c];
    }
  }
}

// Short rows fill no vector: kColumns rows at a time are turned into columns, in place of their
// elements.
constexpr int64_t kShortRow = 48;

template <bool logarithm, class T>
MX_INLINE void softmax_short_rows(const T* x, T* y, int64_t rows, int64_t n, T scale) {
  T block[kShortRow * kColumns];
  for (int64_t first = 0; first < rows; first += kColumns) {
    const int64_t columns = std::min(kColumns, rows - first);
    for (int64_t c = 0; c < columns; ++c)
      for (int64_t i = 0; i < n; ++i) block[i * columns + c] = x[(first + c) * n + i];
    softmax_columns<logarithm>(block, block, n, columns, columns, scale);
    for (int64_t c = 0; c < columns; ++c)
      for (int64_t i = 0; i < n; ++i) y[(first + c) * n + i] = block[i * columns + c];
  }
}

#define MX_SOFTMAX(T)                                                                              \
  MX_CLONES void rows_of(const T* x, T* y, int64_t rows, int64_t n, T scale, bool logarithm) {     \
    logarithm ? softmax_rows<true>(x, y, rows, n, scale)                                           \
              : softmax_rows<false>(x, y, rows, n, scale);                                         \
  }                                                                                                \
  MX_CLONES void short_rows_of(const T* x, T* y, int64_t rows, int64_t n, T scale,                 \
                               bool logarithm) {                                                   \
    logarithm ? softmax_short_rows<true>(x, y, rows, n, scale)                                     \
              : softmax_short_rows<false>(x, y, rows, n, scale);                                   \
  }                                                                                                \
  MX_CLONES void columns_of(const T* x, T* y, int64_t n, int64_t columns, int64_t stride, T scale, \
                            bool logarithm) {                                                      \
    logarithm ? softmax_columns<true>(x, y, n, columns, stride, scale)                             \
              : softmax_columns<false>(x, y, n, columns, stride, scale);                           \
  }
MX_SOFTMAX(float)
MX_SOFTMAX(double)
#undef MX_SOFTMAX

// x; axis, temperature: y = softmax(x / temperature), or its logarithm, along axis. May be
// in-place.
template <class T, bool logarithm>
struct Softmax {
  int64_t outer, n, inner;
  T scale;
  double cost;
  Softmax(const mx_signature& sig, mx_prepared& plan) {
    require_dtype(sig, std::is_same_v<T, float> ? MX_FLOAT32 : MX_FLOAT64);
    const Params p(sig);
    const auto shape = shape_of(sig.in[0]);
    const int64_t axis = p.integer("axis", static_cast<int64_t>(shape.size()) - 1);
    if (shape.empty()) {
      outer = n = inner = 1;
    } else {
      if (axis < 0 || axis >= static_cast<int64_t>(shape.size()))
        throw std::invalid_argument("axis is outside of the shape");
      const size_t a = static_cast<size_t>(axis);
      outer = numel(shape.first(a));
      n = shape[a];
      inner = numel(shape.subspan(a + 1));
    }
    scale = static_cast<T>(1.0 / p.number("temperature", 1.0));
    // A negative temperature turns the largest into the smallest: the extreme to subtract is then
    // the minimum.
    if (!(scale > 0)) throw Unsupported("temperature must be positive");
    plan.cost_ns = cost =
        30 + static_cast<double>(outer * n * inner) * (sizeof(T) == 4 ? 0.8 : 8.0);
    plan.inplace[0] = 1u;
  }
  void operator()(const mx_call& call) const {
    const T* x = static_cast<const T*>(call.in[0]);
    T* y = static_cast<T*>(call.out[0]);
    if (n == 0 || inner == 0) return;
    if (inner == 1) {
      const bool is_short = n <= kShortRow && outer >= 8;
      parallel_for(outer, 1, cost, [&](int64_t begin, int64_t end) {
        if (is_short) {
          short_rows_of(x + begin * n, y + begin * n, end - begin, n, scale, logarithm);
        } else {
          rows_of(x + begin * n, y + begin * n, end - begin, n, scale, logarithm);
        }
      });
      return;
    }
    const int64_t blocks = (inner + kColumns - 1) / kColumns;
    parallel_for(outer * blocks, 1, cost, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const int64_t first = b % blocks * kColumns, at = b / blocks * n * inner + first;
        columns_of(x + at, y + at, n, std::min(kColumns, inner - first), inner, scale, logarithm);
      }
    });
  }
};

// ---- gradients, along the last axis -------------------------------------------------------------

// The sum of a[i] b[i]; of a[i] with b null.
template <bool product, class T>
MX_INLINE T row_sum(const T* __restrict a, const T* __restrict b, int64_t n) {
  const auto term = [&](int64_t i) __attribute__((always_inline)) {
    return product ? a[i] * b[i] : a[i];
  };
  return static_cast<T>(sum_of<T>(n, term));
}

// softmax: dx = (dy - sum dy y) y scale; log_softmax: dx = (dy - e^y sum dy) scale.
template <bool logarithm, class T>
MX_INLINE void gradient_rows(const T* dy, const T* y, T* dx, int64_t rows, int64_t n, T scale) {
  for (int64_t r = 0; r < rows; ++r, dy += n, y += n, dx += n) {
    const T sum = row_sum<!logarithm>(dy, y, n);
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) {
      if constexpr (logarithm) {
        dx[i] = (dy[i] - exp_of(y[i]) * sum) * scale;
      } else {
        dx[i] = (dy[i] - sum) * y[i] * scale;
      }
    }
  }
}

#define MX_SOFTMAX_GRADIENT(T)                                                                  \
  MX_CLONES void gradients_of(const T* dy, const T* y, T* dx, int64_t rows, int64_t n, T scale, \
                              bool logarithm) {                                                 \
    logarithm ? gradient_rows<true>(dy, y, dx, rows, n, scale)                                  \
              : gradient_rows<false>(dy, y, dx, rows, n, scale);                                \
  }
MX_SOFTMAX_GRADIENT(float)
MX_SOFTMAX_GRADIENT(double)
#undef MX_SOFTMAX_GRADIENT

// dy, y -> dx; axis, temperature. dx may be dy's or y's memory.
template <class T, bool logarithm>
struct SoftmaxBackward {
  int64_t rows = 0, n = 0;
  T scale;
  double cost;
  SoftmaxBackward(const mx_signature& sig, mx_prepared& plan) {
    require_dtype(sig, std::is_same_v<T, float> ? MX_FLOAT32 : MX_FLOAT64);
    const Params p(sig);
    const auto shape = shape_of(sig.in[1]);
    if (shape.empty() || p.integer("axis") != static_cast<int64_t>(shape.size()) - 1)
      throw Unsupported("only along the last axis");
    n = shape.back();
    rows = numel(shape.first(shape.size() - 1));
    scale = static_cast<T>(1.0 / p.number("temperature", 1.0));
    plan.cost_ns = cost = 30 + static_cast<double>(rows * n) * (sizeof(T) == 4 ? 0.5 : 2.0);
    plan.inplace[0] = 3u;
  }
  void operator()(const mx_call& call) const {
    const T* dy = static_cast<const T*>(call.in[0]);
    const T* y = static_cast<const T*>(call.in[1]);
    T* dx = static_cast<T*>(call.out[0]);
    if (n == 0) return;
    parallel_for(rows, 1, cost, [&](int64_t begin, int64_t end) {
      const int64_t at = begin * n;
      gradients_of(dy + at, y + at, dx + at, end - begin, n, scale, logarithm);
    });
  }
};

}  // namespace

std::vector<mx_kernel> softmax_kernels() {
  return {
      mx_kernel{"_softmax_backward",
                prepare_float<SoftmaxBackward<float, false>, SoftmaxBackward<double, false>>, 0},
      mx_kernel{"_log_softmax_backward",
                prepare_float<SoftmaxBackward<float, true>, SoftmaxBackward<double, true>>, 0},
      mx_kernel{"softmax", prepare_float<Softmax<float, false>, Softmax<double, false>>, 0},
      mx_kernel{"log_softmax", prepare_float<Softmax<float, true>, Softmax<double, true>>, 0}};
}

}  // namespace mx::cpu
