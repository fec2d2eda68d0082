// Batch normalization: statistics over all axes but one, and the gradient. float16 and bfloat16 go
// through float32. Sums are taken in many float lanes over short blocks, and the blocks added in
// double.
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

// ---- loops over one contiguous run (part of a channel) ------------------------------------------

// sum x - shift, sum (x - shift)^2
template <class T>
MX_INLINE Sums moments_of(const T* __restrict x, int64_t n, T shift) {
  return sum_pairs<T>(
      n, [&](int64_t i, T & u, T & v) __attribute__((always_inline)) {
        u = x[i] - shift;
        v = u * u;
      });
}
// sum dy, sum dy (x - mean)
template <class T>
MX_INLINE Sums products_of(const T* __restrict dy, const T* __restrict x, int64_t n, T mean) {
  return sum_pairs<T>(
      n, [&](int64_t i, T & u, T & v) __attribute__((always_inline)) {
        u = dy[i];
        v = u * (x[i] - mean);
      });
}

// ---- loops over rows of channels (the axis is the last) -----------------------------------------

constexpr int64_t kRows = 256;      // rows added in T before they go to double
constexpr int64_t kChannels = 256;  // channels done together

// The same two sums for each of `channels` <= kChannels columns; f(row, channel, u, v).
template <class T, class F>
MX_INLINE void sum_columns(int64_t rows, int64_t channels, Sums* sums, F&& f) {
  for (int64_t from = 0; from < rows; from += kRows) {
    T a[kChannels], b[kChannels];
    std::fill_n(a, channels, T(0));
    std::fill_n(b, channels, T(0));
    for (int64_t r = from; r < std::min(rows, from + kRows); ++r) {
      for (int64_t c = 0; c < channels; ++c) {
        T u, v;
        f(r, c, u, v);
        a[c] += u;
        b[c] += v;
      }
    }
    for (int64_t c = 0; c < channels; ++c) {
      sums[c].first += static_cast<double>(a[c]);
      sums[c].second += static_cast<double>(b[c]);
    }
  }
}

#define MX_NORM_LOOPS(T)                                                                       \
  MX_CLONES Sums moments(const T* x, int64_t n, T shift) { return moments_of(x, n, shift); }   \
  MX_CLONES Sums products(const T* dy, const T* x, int64_t n, T mean) {                        \
    return products_of(dy, x, n, mean);                                                        \
  }                                                                                            \
  MX_CLONES void column_moments(const T* __restrict x, int64_t rows, int64_t stride,           \
                                int64_t channels, const T* __restrict shift, Sums* sums) {     \
    sum_columns<T>(                                                                            \
        rows, channels,                                                                        \
        sums, [&](int64_t r, int64_t c, T & u, T & v) __attribute__((always_inline)) {         \
          u = x[r * stride + c] - shift[c];                                                    \
          v = u * u;                                                                           \
        });                                                                                    \
  }                                                                                            \
  MX_CLONES void column_products(const T* __restrict dy, const T* __restrict x, int64_t rows,  \
                                 int64_t stride, int64_t channels, const T* __restrict mean,   \
                                 Sums* sums) {                                                 \
    sum_columns<T>(                                                                            \
        rows, channels,                                                                        \
        sums, [&](int64_t r, int64_t c, T & u, T & v) __attribute__((always_inline)) {         \
          u = dy[r * stride + c];                                                              \
          v = u * (x[r * stride + c] - mean[c]);                                               \
        });                                                                                    \
  }                                                                                            \
  /* y = (x - mean) scale + beta */                                                            \
  MX_CLONES void normalize(const T* x, T* y, int64_t n, T mean, T scale, T beta) {             \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * scale + beta;  \
  }                                                                                            \
  MX_CLONES void normalize_row(const T* x, T* y, int64_t n, const T* mean, const T* scale,     \
                               const T* beta) {                                                \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) y[i] =                                \
        (x[i] - mean[i]) * scale[i] + beta[i];                                                 \
  }                                                                                            \
  /* dx = scale dy - (x - mean) slope - offset */                                              \
  MX_CLONES void gradient(const T* dy, const T* x, T* dx, int64_t n, T mean, T scale, T slope, \
                          T offset) {                                                          \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) dx[i] =                               \
        scale * dy[i] - (x[i] - mean) * slope - offset;                                        \
  }                                                                                            \
  MX_CLONES void gradient_row(const T* dy, const T* x, T* dx, int64_t n, const T* mean,        \
                              const T* scale, const T* slope, const T* offset) {               \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) dx[i] =                               \
        scale[i] * dy[i] - (x[i] - mean[i]) * slope[i] - offset[i];                            \
  }
MX_NORM_LOOPS(float)
MX_NORM_LOOPS(double)
#undef MX_NORM_LOOPS

// ---- the kernels --------------------------------------------------------------------------------

// x seen as (outer, channels, inner) around `axis`; every channel has count elements.
template <class T>
struct NormShape {
  int64_t outer, channels, inner, count;
  double eps;
  explicit NormShape(const mx_signature& sig, const mx_tensor_type& x) {
    require_dtype(sig, std::is_same_v<T, float> ? MX_FLOAT32 : MX_FLOAT64);
    const Params p(sig);
    const auto shape = shape_of(x);
    const int64_t axis = p.integer("axis", 1);
    if (axis < 0 || axis >= static_cast<int64_t>(shape.size()))
      throw std::invalid_argument("axis is outside of the shape");
    const size_t a = static_cast<size_t>(axis);
    outer = numel(shape.first(a));
    channels = shape[a];
    inner = numel(shape.subspan(a + 1));
    count = outer * inner;
    eps = p.number("eps", 1e-3);
  }
  double elements() const { return static_cast<double>(count * channels); }
  // Channels are contiguous in x: whole blocks of them are worked on side by side.
  bool channels_last() const { return inner == 1; }
};

// x, gamma, beta -> y, mean, var (of the batch, divided by the count); axis, eps. y may be x's
// memory.
template <class T>
struct BatchNormTrain {
  NormShape<T> s;
  double cost;
  BatchNormTrain(const mx_signature& sig, mx_prepared& plan) : s(sig, sig.in[0]) {
    plan.cost_ns = cost = 50 + s.elements() * sizeof(T) * 0.08;
    plan.inplace[0] = 1u;
  }
  void operator()(const mx_call& call) const {
    const T* x = static_cast<const T*>(call.in[0]);
    const T* gamma = static_cast<const T*>(call.in[1]);
    const T* beta = static_cast<const T*>(call.in[2]);
    T* y = static_cast<T*>(call.out[0]);
    T* mean = static_cast<T*>(call.out[1]);
    T* var = static_cast<T*>(call.out[2]);
    if (s.count == 0) {
      std::fill_n(mean, s.channels, T(0));
      std::fill_n(var, s.channels, T(0));
    } else if (s.channels_last()) {
      parallel_for(s.channels, 16, cost, [&](int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; c += kChannels)
          columns(x, y, c, std::min(kChannels, end - c), gamma, beta, mean, var);
      });
    } else {
      parallel_for(s.channels, 1, cost, [&](int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; ++c) channel(x, y, c, gamma[c], beta[c], mean[c], var[c]);
      });
    }
  }

 private:
  // One channel fits the cache as a rule: the three passes read memory once. The variance is taken
  // around the mean, which is exact where E[x^2] - E[x]^2 cancels.
  void channel(const T* x, T* y, int64_t c, T gamma, T beta, T& mean, T& var) const {
    const double n = static_cast<double>(s.count);
    double sum = 0, squares = 0, rest = 0;
    for (int64_t o = 0; o < s.outer; ++o)
      sum += moments(x + (o * s.channels + c) * s.inner, s.inner, T(0)).first;
    mean = static_cast<T>(sum / n);
    for (int64_t o = 0; o < s.outer; ++o) {
      const Sums sums = moments(x + (o * s.channels + c) * s.inner, s.inner, mean);
      rest += sums.first;
      squares += sums.second;
    }
    const double variance = std::max(0.0, squares / n - (rest / n) * (rest / n));
    var = static_cast<T>(keep_nan(variance, squares));
    const T scale =
        static_cast<T>(static_cast<double>(gamma) / std::sqrt(static_cast<double>(var) + s.eps));
    for (int64_t o = 0; o < s.outer; ++o) {
      const int64_t at = (o * s.channels + c) * s.inner;
      normalize(x + at, y + at, s.inner, mean, scale, beta);
    }
  }
  void columns(const T* x, T* y, int64_t first, int64_t n, const T* gamma, const T* beta, T* mean,
               T* var) const {
    const double count = static_cast<double>(s.count);
    Sums sums[kChannels] = {};
    T scale[kChannels] = {};
    const T* start = x + first;
    T* const means = mean + first;
    // Shifted by the first row, then by the mean, as for single channels.
    std::copy_n(start, n, scale);
    column_moments(start, s.outer, s.channels, n, scale, sums);
    for (int64_t c = 0; c < n; ++c)
      means[c] = static_cast<T>(static_cast<double>(scale[c]) + sums[c].first / count);
    std::fill_n(sums, n, Sums{});
    column_moments(start, s.outer, s.channels, n, means, sums);
    for (int64_t c = 0; c < n; ++c) {
      const double rest = sums[c].first / count;
      const double variance = std::max(0.0, sums[c].second / count - rest * rest);
      var[first + c] = static_cast<T>(keep_nan(variance, sums[c].second));
      scale[c] = static_cast<T>(static_cast<double>(gamma[first + c]) /
                                std::sqrt(static_cast<double>(var[first + c]) + s.eps));
    }
    for (int64_t o = 0; o < s.outer; ++o)
      normalize_row(start + o * s.channels, y + first + o * s.channels, n, means, scale,
                    beta + first);
  }
  // std::max(0, NaN) is 0; a NaN in the data must show.
  static double keep_nan(double value, double sum) { return std::isnan(sum) ? sum : value; }
};

// dy, x, gamma, mean, var -> dx, dgamma, dbeta. dx may be dy's or x's memory.
template <class T>
struct BatchNormBackward {
  NormShape<T> s;
  double cost;
  BatchNormBackward(const mx_signature& sig, mx_prepared& plan) : s(sig, sig.in[1]) {
    plan.cost_ns = cost = 50 + s.elements() * sizeof(T) * 0.08;
    plan.inplace[0] = 3u;
  }
  void operator()(const mx_call& call) const {
    const Arrays a{static_cast<const T*>(call.in[0]), static_cast<const T*>(call.in[1]),
                   static_cast<const T*>(call.in[2]), static_cast<const T*>(call.in[3]),
                   static_cast<const T*>(call.in[4]), static_cast<T*>(call.out[0]),
                   static_cast<T*>(call.out[1]),      static_cast<T*>(call.out[2])};
    if (s.count == 0) {
      std::fill_n(a.dgamma, s.channels, T(0));
      std::fill_n(a.dbeta, s.channels, T(0));
    } else if (s.channels_last()) {
      parallel_for(s.channels, 16, cost, [&](int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; c += kChannels)
          columns(a, c, std::min(kChannels, end - c));
      });
    } else {
      parallel_for(s.channels, 1, cost, [&](int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; ++c) channel(a, c);
      });
    }
  }

 private:
  struct Arrays {
    const T *dy, *x, *gamma, *mean, *var;
    T *dx, *dgamma, *dbeta;
  };
  // Stores dgamma and dbeta of channel c; the three factors of dx = scale dy - (x - mean) slope -
  // offset.
  struct Factors {
    T scale, slope, offset;
  };
  Factors finish(const Arrays& a, int64_t c, const Sums& sums) const {
    const double n = static_cast<double>(s.count);
    const double inverse = 1.0 / std::sqrt(static_cast<double>(a.var[c]) + s.eps);
    const double scale = static_cast<double>(a.gamma[c]) * inverse;
    a.dbeta[c] = static_cast<T>(sums.first);
    a.dgamma[c] = static_cast<T>(sums.second * inverse);
    return {static_cast<T>(scale), static_cast<T>(scale * inverse * inverse * sums.second / n),
            static_cast<T>(scale * sums.first / n)};
  }
  void channel(const Arrays& a, int64_t c) const {
    Sums total;
    for (int64_t o = 0; o < s.outer; ++o) {
      const int64_t at = (o * s.channels + c) * s.inner;
      const Sums sums = products(a.dy + at, a.x + at, s.inner, a.mean[c]);
      total.first += sums.first;
      total.second += sums.second;
    }
    const T mean = a.mean[c];
    const Factors f = finish(a, c, total);
    for (int64_t o = 0; o < s.outer; ++o) {
      const int64_t at = (o * s.channels + c) * s.inner;
      gradient(a.dy + at, a.x + at, a.dx + at, s.inner, mean, f.scale, f.slope, f.offset);
    }
  }
  void columns(const Arrays& a, int64_t first, int64_t n) const {
    Sums sums[kChannels] = {};
    T scale[kChannels], slope[kChannels], offset[kChannels];
    column_products(a.dy + first, a.x + first, s.outer, s.channels, n, a.mean + first, sums);
    for (int64_t c = 0; c < n; ++c) {
      const Factors f = finish(a, first + c, sums[c]);
      scale[c] = f.scale;
      slope[c] = f.slope;
      offset[c] = f.offset;
    }
    for (int64_t o = 0; o < s.outer; ++o) {
      const int64_t at = o * s.channels + first;
      gradient_row(a.dy + at, a.x + at, a.dx + at, n, a.mean + first, scale, slope, offset);
    }
  }
};

}  // namespace

std::vector<mx_kernel> normalization_kernels() {
  return {mx_kernel{"_batch_norm_train",
                    prepare_float<BatchNormTrain<float>, BatchNormTrain<double>>, 0},
          mx_kernel{"_batch_norm_backward",
                    prepare_float<BatchNormBackward<float>, BatchNormBackward<double>>, 0}};
}

}  // namespace mx::cpu
