// softmax and log_softmax along any axis: subtract the maximum, exponentiate, normalise.
// float16 and bfloat16 go through float32.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <type_traits>

#include "families.h"
#include "in_float32.h"
#include "parallel.h"
#include "row_sums.h"
#include "stream.h"
#include "vecmath.h"

namespace mx::cpu {
namespace {

// e^x for x <= 0, all that a softmax needs: a shorter way than vec::exp, which also has the
// results above 1 and below the smallest normal number. What is below becomes 0, NaN stays. V is
// float or a vector of them; the error is at most 2 ulp.
template <class V, class Bits>
MX_INLINE void exponential(V& x) {
  constexpr float round = vec::kRound + 127.0f;  // leaves the exponent's bits beside the integer
  const V shifted = x * 1.44269504f + round;
  const V n = shifted - round;
  const V r = (x - n * 0.693145752f) - n * 1.42860677e-6f;
  V p = r * 0.0083125f + 0.04189033f;
  p = r * p + 0.16667116f;
  p = r * p + 0.4999923f;
  p = r * p + 1.0f;
  p = r * p + 1.0f;
  const V e = p * __builtin_bit_cast(V, __builtin_bit_cast(Bits, shifted) << 23);
  x = x < -87.0f ? V{} : e;
}
MX_INLINE float exp_of(float x) {
  exponential<float, uint32_t>(x);
  return x;
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

// The sum of exp((x - maximum) * scale); with store, the terms go to y. Fetches the next row.
template <bool store, class T>
MX_INLINE T row_exponentials(const T* x, T* y, int64_t n, T maximum, T scale) {
  constexpr int64_t line = kLineBytes / sizeof(T);
  T lane[kTerms] = {};
  int64_t i = 0;
  for (; i + kTerms <= n; i += kTerms) {
    for (int64_t j = 0; j < kTerms; j += line) __builtin_prefetch(x + n + i + j, 0, 2);
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

// Rows of a result too large for the caches: the exponentials stay in a buffer of one row.
constexpr int64_t kStreamedRow = 16384;  // elements of the longest

template <bool logarithm, class T>
MX_INLINE void softmax_streamed_rows(const T* x, T* y, int64_t rows, int64_t n, T scale) {
  alignas(kLineBytes) T row[kStreamedRow];
  for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const T maximum = row_maximum(x, n);
    const T sum = row_exponentials<!logarithm>(x, row, n, maximum, scale);
    if constexpr (logarithm) {
      const T shift = std::log(sum);
      stream_rows(
          y, n, 1, n, [=](int64_t, int64_t i, auto& out) __attribute__((always_inline)) {
            load(x + i, out[0]);
            out[0] = (out[0] - maximum) * scale - shift;
          });
    } else {
      const T factor = T(1) / sum;
      const T* terms = row;
      stream_rows(
          y, n, 1, n, [=](int64_t, int64_t i, auto& out) __attribute__((always_inline)) {
            load(terms + i, out[0]);
            out[0] = out[0] * factor;
          });
    }
  }
}

constexpr int64_t kColumns = 128;      // columns done together, at most
constexpr int64_t kRowsTogether = 32;  // rows whose exponentials are added before they join the sum

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
  for (int64_t first = 0; first < n; first += kRowsTogether) {
    T added[kColumns] = {};
    for (int64_t i = first; i < std::min(n, first + kRowsTogether); ++i) {
      const T* from = x + i * stride;
      T* to = y + i * stride;
      _Pragma("GCC ivdep") for (int64_t c = 0; c < columns; ++c) {
        const T e = exp_of((from[c] - maximum[c]) * scale);
        if constexpr (!logarithm) to[c] = e;
        added[c] += e;
      }
    }
    for (int64_t c = 0; c < columns; ++c) sum[c] += added[c];
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

// exp_of for every element of a line.
MX_INLINE void exponentials_of(Line<float>& x) { exponential<Line<float>, Line<uint32_t>>(x); }
MX_INLINE void exponentials_of(Line<double>& x) {
  for (size_t j = 0; j < kLineBytes / sizeof(double); ++j) x[j] = exp_of(x[j]);
}

// Columns of a result too large for the caches, in one pass over x: some rows at a time, with the
// maximum so far as the center of their exponentials. These go to `terms` (n x columns), the
// centers to `centers` (a row for every kRowsTogether); what the last maximum adds is a factor
// for each center.
constexpr int64_t kStreamedColumns = 256;

template <class T>
struct ColumnBlock {
  const T* x;
  T* y;
  int64_t n, columns, stride;  // whole lines of columns, at most kStreamedColumns
  T* terms;                    // not for the logarithm, which needs only the sums
  T* centers;
  alignas(kLineBytes) T maximum[kStreamedColumns];
  alignas(kLineBytes) T sum[kStreamedColumns];
};

template <bool scaled, class T>
MX_INLINE void terms_below(Line<T>& x, const Line<T>& center, T scale) {
  x = x - center;
  if constexpr (scaled) x = x * scale;
  exponentials_of(x);
}

// One line's columns of rows first .. first + rows - 1.
template <bool logarithm, bool scaled, class T>
MX_INLINE void column_terms(ColumnBlock<T>& block, int64_t first, int64_t rows, int64_t c,
                            T scale) {
  constexpr T lowest = -std::numeric_limits<T>::infinity();
  const T* x = block.x + first * block.stride + c;
  Line<T> before, total, value;
  load(block.maximum + c, before);
  load(block.sum + c, total);
  Line<T> most = before;
  for (int64_t k = 0; k < rows; ++k) {
    load(x + k * block.stride, value);
    most = value > most ? value : most;
  }
  const Line<T> center = most == lowest ? Line<T>{} : most;  // -inf - -inf would be NaN
  terms_below<scaled>(before, center, scale);
  Line<T> added = {};
  for (int64_t k = 0; k < rows; ++k) {
    __builtin_prefetch(x + (k + kRowsTogether) * block.stride, 0, 2);
    load(x + k * block.stride, value);
    terms_below<scaled>(value, center, scale);
    added += value;
    if constexpr (!logarithm) store(value, block.terms + (first + k) * block.columns + c);
  }
  store(most, block.maximum + c);
  store(total * before + added, block.sum + c);
  if constexpr (!logarithm)
    store(center, block.centers + first / kRowsTogether * block.columns + c);
}

template <bool logarithm, bool scaled, class T>
MX_INLINE void softmax_streamed_columns(ColumnBlock<T>& block, T scale) {
  constexpr int64_t width = kLineBytes / sizeof(T);
  const int64_t columns = block.columns, n = block.n, stride = block.stride;
  std::fill_n(block.maximum, columns, -std::numeric_limits<T>::infinity());
  std::fill_n(block.sum, columns, T(0));
  for (int64_t first = 0; first < n; first += kRowsTogether)
    for (int64_t c = 0; c < columns; c += width)
      column_terms<logarithm, scaled>(block, first, std::min(kRowsTogether, n - first), c, scale);
  for (int64_t c = 0; c < columns; ++c)
    block.sum[c] = logarithm ? log_of(block.sum[c]) : T(1) / block.sum[c];
  const T *most = block.maximum, *last = block.sum, *x = block.x, *terms = block.terms;
  if constexpr (logarithm) {
    stream_rows(
        block.y, stride, n,
        columns, [=](int64_t r, int64_t i, auto& out) __attribute__((always_inline)) {
          Value<decltype(out)> highest, by;
          load(most + i, highest);
          load(last + i, by);
          load(x + r * stride + i, out[0]);
          out[0] = (out[0] - highest) * scale - by;
        });
  } else {
    for (int64_t first = 0; first < n; first += kRowsTogether) {
      T* factor = block.centers + first / kRowsTogether * columns;
      for (int64_t c = 0; c < columns; c += width) {
        Line<T> value, highest, by;
        load(factor + c, value);
        load(most + c, highest);
        load(last + c, by);
        terms_below<scaled>(value, highest, scale);
        store(value * by, factor + c);
      }
      const T* from = terms + first * columns;
      stream_rows(
          block.y + first * stride, stride, std::min(kRowsTogether, n - first),
          columns, [=](int64_t r, int64_t i, auto& out) __attribute__((always_inline)) {
            Value<decltype(out)> by;
            load(factor + i, by);
            load(from + r * columns + i, out[0]);
            out[0] = out[0] * by;
          });
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

constexpr int64_t kColumnBytes = 512 << 10;  // of the columns done together
constexpr int64_t kTermBytes = 16 << 20;     // of the exponentials of columns that are streamed
constexpr int64_t kShortestStreamed = 256;   // elements of a row

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
  MX_CLONES void streamed_rows_of(const T* x, T* y, int64_t rows, int64_t n, T scale,              \
                                  bool logarithm) {                                                \
    logarithm ? softmax_streamed_rows<true>(x, y, rows, n, scale)                                  \
              : softmax_streamed_rows<false>(x, y, rows, n, scale);                                \
  }                                                                                                \
  MX_CLONES void streamed_columns_of(ColumnBlock<T>& block, T scale, bool logarithm) {             \
    if (scale == T(1)) {                                                                           \
      logarithm ? softmax_streamed_columns<true, false>(block, scale)                              \
                : softmax_streamed_columns<false, false>(block, scale);                            \
    } else {                                                                                       \
      logarithm ? softmax_streamed_columns<true, true>(block, scale)                               \
                : softmax_streamed_columns<false, true>(block, scale);                             \
    }                                                                                              \
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
  static constexpr int64_t kWidth = kLineBytes / sizeof(T);
  int64_t outer, n, inner;
  T scale;
  double cost;
  bool streams;
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
    streams = worth_streaming(byte_size(sig.out[0]));
  }
  void operator()(const mx_call& call) const {
    const T* x = static_cast<const T*>(call.in[0]);
    T* y = static_cast<T*>(call.out[0]);
    if (n == 0 || inner == 0) return;
    if (inner == 1) {
      along_rows(x, y, streams && x != y);
    } else if (streamed_columns() > 0 && x != y) {
      down_streamed_columns(x, y);
    } else {
      down_columns(x, y, 0);
    }
  }

 private:
  void along_rows(const T* x, T* y, bool streamed) const {
    const bool is_short = n <= kShortRow && outer >= 8;
    parallel_for(outer, 1, cost, [&](int64_t begin, int64_t end) {
      const T* from = x + begin * n;
      T* to = y + begin * n;
      if (is_short) {
        short_rows_of(from, to, end - begin, n, scale, logarithm);
      } else if (streamed && n >= kShortestStreamed && n <= kStreamedRow) {
        streamed_rows_of(from, to, end - begin, n, scale, logarithm);
        finish_streaming();
      } else {
        rows_of(from, to, end - begin, n, scale, logarithm);
      }
    });
  }
  // From column `first` of each of the outer blocks on.
  void down_columns(const T* x, T* y, int64_t first) const {
    if (first == inner) return;
    // A block's columns should stay in the cache from one pass to the next.
    const int64_t fitting = kColumnBytes / (n * static_cast<int64_t>(sizeof(T)));
    const int64_t most = std::clamp(fitting / kWidth * kWidth, kWidth, kColumns);
    const int64_t blocks = (inner - first + most - 1) / most;
    parallel_for(outer * blocks, 1, cost, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const int64_t from = first + b % blocks * most, at = b / blocks * n * inner + from;
        columns_of(x + at, y + at, n, std::min(most, inner - from), inner, scale, logarithm);
      }
    });
  }
  // How many columns to stream together: 0 for none, when too few fill lines or their exponentials
  // would fill too much memory.
  int64_t streamed_columns() const {
    if (!streams || inner < kWidth) return 0;
    const int64_t fitting = kTermBytes / (n * static_cast<int64_t>(sizeof(T))) / kWidth * kWidth;
    return fitting < 2 * kWidth ? 0
                                : std::min({fitting, kStreamedColumns, inner / kWidth * kWidth});
  }
  void down_streamed_columns(const T* x, T* y) const {
    const int64_t most = streamed_columns(), whole = inner / kWidth * kWidth;
    const int64_t blocks = (whole + most - 1) / most;
    const auto terms_size = static_cast<size_t>(logarithm ? 0 : n * most);
    const auto centers_size = static_cast<size_t>((n / kRowsTogether + 1) * most);
    parallel_for(outer * blocks, 1, cost, [&](int64_t begin, int64_t end) {
      const auto terms = std::make_unique_for_overwrite<T[]>(terms_size + centers_size);
      ColumnBlock<T> block;
      block.n = n;
      block.stride = inner;
      block.terms = terms.get();
      block.centers = terms.get() + terms_size;
      for (int64_t b = begin; b < end; ++b) {
        const int64_t first = b % blocks * most, at = b / blocks * n * inner + first;
        block.x = x + at;
        block.y = y + at;
        block.columns = std::min(most, whole - first);
        streamed_columns_of(block, scale, logarithm);
      }
      finish_streaming();
    });
    down_columns(x, y, whole);
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
    if (!std::ranges::equal(shape, shape_of(sig.in[0])))
      throw Unsupported("dy and y must have one shape");
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
