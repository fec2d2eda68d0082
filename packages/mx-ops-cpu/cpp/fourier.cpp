// _fourier: discrete Fourier transforms of rows, n log n for every length; in double inside.
#include <bit>
#include <cmath>
#include <numbers>
#include <vector>

#include "families.h"
#include "in_float32.h"
#include "parallel.h"

namespace mx::cpu {
namespace {

struct Complex {
  double re = 0, im = 0;
  friend Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
  friend Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
  friend Complex operator*(Complex a, Complex b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  }
};
Complex turn(double turns) {  // e^(2 pi i turns)
  return {std::cos(2 * std::numbers::pi * turns), std::sin(2 * std::numbers::pi * turns)};
}
Complex conjugate(Complex a) { return {a.re, -a.im}; }

// X_k = sum over j of x_j e^(-2 pi i j k / size) for a power of two.
class PowerOfTwo {
 public:
  explicit PowerOfTwo(size_t size) : turns_(size / 2), places_(size) {
    for (size_t k = 0; k < turns_.size(); ++k)
      turns_[k] = turn(-static_cast<double>(k) / static_cast<double>(size));
    for (size_t i = 1, j = 0; i < size; ++i) {  // counts j upwards from its highest bit
      size_t bit = size >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      places_[i] = j ^= bit;
    }
  }
  size_t size() const { return places_.size(); }
  void operator()(std::vector<Complex>& x) const {
    for (size_t i = 0; i < size(); ++i)
      if (i < places_[i]) std::swap(x[i], x[places_[i]]);
    for (size_t half = 1; half < size(); half *= 2)
      for (size_t first = 0; first < size(); first += 2 * half)
        for (size_t k = 0; k < half; ++k) {
          const Complex a = x[first + k];
          const Complex b = x[first + k + half] * turns_[k * (size() / (2 * half))];
          x[first + k] = a + b;
          x[first + k + half] = a - b;
        }
  }

 private:
  std::vector<Complex> turns_;
  std::vector<size_t> places_;
};

// The transform for any length: by a convolution with a chirp (Bluestein 1970) where it is no power
// of two.
class Transform {
 public:
  explicit Transform(size_t n)
      : n_(n), inner_(std::has_single_bit(n) ? n : std::bit_ceil(2 * n - 1)) {
    if (inner_.size() == n) return;
    chirp_.resize(n);
    for (size_t k = 0; k < n; ++k)  // k k mod 2 n: the angle stays small, and exact
      chirp_[k] = turn(-static_cast<double>(static_cast<unsigned __int128>(k) * k % (2 * n)) /
                       static_cast<double>(2 * n));
    filter_.resize(inner_.size());
    for (size_t k = 0; k < n; ++k)
      filter_[k] = filter_[(inner_.size() - k) % inner_.size()] = conjugate(chirp_[k]);
    inner_(filter_);
  }
  size_t work_size() const { return inner_.size(); }
  // x has work_size elements, of which the first n count.
  void operator()(std::vector<Complex>& x) const {
    if (chirp_.empty()) return inner_(x);
    const size_t m = inner_.size();
    for (size_t k = 0; k < m; ++k) x[k] = k < n_ ? x[k] * chirp_[k] : Complex{};
    inner_(x);
    for (size_t k = 0; k < m; ++k) x[k] = conjugate(x[k] * filter_[k]);  // for the way back
    inner_(x);
    const double scale = 1.0 / static_cast<double>(m);
    for (size_t k = 0; k < n_; ++k) {
      const Complex y = conjugate(x[k]);
      x[k] = Complex{y.re * scale, y.im * scale} * chirp_[k];
    }
  }

 private:
  size_t n_;
  PowerOfTwo inner_;
  std::vector<Complex> chirp_, filter_;
};

// inverse false: rows of n numbers -> rows of n pairs (real, imaginary); inverse true: rows of n
// pairs -> the real parts of sum x_j e^(+2 pi i j k / n), not divided by n.
template <class T>
struct Fourier {
  bool inverse;
  int64_t n, rows = 0;
  Transform transform;
  double cost;
  Fourier(const mx_signature& sig, mx_prepared& plan)
      : inverse(Params(sig).boolean("inverse")),
        n(shape_of(sig.in[0]).back() / (inverse ? 2 : 1)),
        transform(static_cast<size_t>(std::max<int64_t>(1, n))) {
    if (n > 0) rows = numel(sig.in[0]) / (inverse ? 2 * n : n);
    const auto size = static_cast<double>(transform.work_size());
    plan.cost_ns = cost = 50 + static_cast<double>(rows) * size * 2 * std::log2(size + 1);
  }
  void operator()(const mx_call& call) const {
    const T* in = static_cast<const T*>(call.in[0]);
    T* out = static_cast<T*>(call.out[0]);
    parallel_for(rows, 1, cost, [&](int64_t begin, int64_t end) {
      std::vector<Complex> x(transform.work_size());
      for (int64_t r = begin; r < end; ++r) inverse ? back(in, out, r, x) : forth(in, out, r, x);
    });
  }

 private:
  void forth(const T* in, T* out, int64_t row, std::vector<Complex>& x) const {
    for (int64_t k = 0; k < n; ++k)
      x[static_cast<size_t>(k)] = {static_cast<double>(in[row * n + k]), 0};
    transform(x);
    for (int64_t k = 0; k < n; ++k) {
      out[(row * n + k) * 2] = static_cast<T>(x[static_cast<size_t>(k)].re);
      out[(row * n + k) * 2 + 1] = static_cast<T>(x[static_cast<size_t>(k)].im);
    }
  }
  void back(const T* in, T* out, int64_t row, std::vector<Complex>& x) const {
    for (int64_t k = 0; k < n; ++k) {
      const T* pair = in + (row * n + k) * 2;
      x[static_cast<size_t>(k)] = {static_cast<double>(pair[0]), -static_cast<double>(pair[1])};
    }
    transform(x);  // of the conjugate: its real part is that of the way back
    for (int64_t k = 0; k < n; ++k) out[row * n + k] = static_cast<T>(x[static_cast<size_t>(k)].re);
  }
};

}  // namespace

std::vector<mx_kernel> fourier_kernels() {
  return {mx_kernel{"_fourier", prepare_float<Fourier<float>, Fourier<double>>, 0}};
}

}  // namespace mx::cpu
