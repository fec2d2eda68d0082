// What each opcode of mx/pointwise.h does to one element, for all compute types.
#pragma once

#include <concepts>
#include <type_traits>

#include "special.h"
#include "vecmath.h"

namespace mx::cpu::op {

template <class T>
concept Float = std::floating_point<T>;
template <class T>
concept Int = std::signed_integral<T>;

// Wrapping integer arithmetic: done unsigned, where overflow is defined.
template <class T>
using wrap_t = typename std::conditional_t<std::integral<T>, std::make_unsigned<T>, std::type_identity<T>>::type;

template <class T> MX_INLINE T copy(T a) { return a; }
template <class T> MX_INLINE T cast(T a) { return a; }  // within one type; others are cast_loop's

template <class T> MX_INLINE T add(T a, T b) { return static_cast<T>(wrap_t<T>(a) + wrap_t<T>(b)); }
template <class T> MX_INLINE T sub(T a, T b) { return static_cast<T>(wrap_t<T>(a) - wrap_t<T>(b)); }
template <class T> MX_INLINE T mul(T a, T b) { return static_cast<T>(wrap_t<T>(a) * wrap_t<T>(b)); }
template <class T> MX_INLINE T fma(T a, T b, T c) { return add(mul(a, b), c); }
template <class T> MX_INLINE T negative(T a) { return static_cast<T>(wrap_t<T>(0) - wrap_t<T>(a)); }
template <Float T> MX_INLINE T negative(T a) { return -a; }
template <class T> MX_INLINE T square(T a) { return mul(a, a); }

template <Float T> MX_INLINE T div(T a, T b) { return a / b; }
// The divisor -1 is taken apart because min / -1 traps; 0 gives 0.
template <Int T> MX_INLINE T div(T a, T b) {
  if (b == 0) return 0;
  return b == -1 ? negative(a) : a / b;
}
template <Int T> MX_INLINE T fmod(T a, T b) { return b == 0 || b == -1 ? 0 : a % b; }
template <Int T> MX_INLINE T mod(T a, T b) { return vec::floor_remainder(fmod(a, b), b); }
template <Int T> MX_INLINE T floor_divide(T a, T b) {
  const T quotient = div(a, b);
  const T remainder = fmod(a, b);
  return quotient - (remainder != 0 && (remainder < 0) != (b < 0) ? 1 : 0);
}
template <Float T> inline T exact_fmod(T a, T b) { return std::fmod(a, b); }
template <Float T> inline T exact_mod(T a, T b) {
  return b == T(0) && a == a ? T(0) : vec::floor_remainder(std::fmod(a, b), b);
}
// The float loops take these while quotients are moderate (vec::kModLimit), the exact ones otherwise.
MX_INLINE float fmod(float a, float b) { return vec::fmod(a, b); }
MX_INLINE float mod(float a, float b) { return vec::floor_remainder(vec::fmod(a, b), b); }
inline double fmod(double a, double b) { return exact_fmod(a, b); }
inline double mod(double a, double b) { return exact_mod(a, b); }
// floor(a / b), as NumPy computes it for inexact quotients: from the remainder, so that the two agree.
template <Float T> MX_INLINE T floor_divide(T a, T b) {
  const T quotient = a / b;
  const T floored = std::floor(quotient);
  // The division may have rounded up to an integer that a has not reached.
  const bool too_high = floored == quotient && std::fma(floored, b, -a) * (b < T(0) ? T(-1) : T(1)) > T(0);
  return b == T(0) ? quotient : (too_high ? floored - T(1) : floored);
}

MX_INLINE float power(float a, float b) { return vec::power(a, b); }
MX_INLINE double power(double a, double b) { return std::pow(a, b); }
template <Int T> inline T power(T base, T exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
  T result = 1;
  for (; exponent; exponent >>= 1, base = mul(base, base))
    if (exponent & 1) result = mul(result, base);
  return result;
}

// NaN in either operand is the result. Two selects: one with a combined condition becomes branches when nested.
template <class T> MX_INLINE T maximum(T a, T b) {
  const T larger = a > b ? a : b;
  return a != a ? a : larger;
}
template <class T> MX_INLINE T minimum(T a, T b) {
  const T smaller = a < b ? a : b;
  return a != a ? a : smaller;
}
MX_INLINE float hypot(float a, float b) { return vec::hypot(a, b); }
MX_INLINE double hypot(double a, double b) { return std::hypot(a, b); }

template <class T> MX_INLINE T truth(bool value) { return value ? T(1) : T(0); }
template <class T> MX_INLINE T equal(T a, T b) { return truth<T>(a == b); }
template <class T> MX_INLINE T not_equal(T a, T b) { return truth<T>(a != b); }
template <class T> MX_INLINE T lesser(T a, T b) { return truth<T>(a < b); }
template <class T> MX_INLINE T lesser_equal(T a, T b) { return truth<T>(a <= b); }
template <class T> MX_INLINE T greater(T a, T b) { return truth<T>(a > b); }
template <class T> MX_INLINE T greater_equal(T a, T b) { return truth<T>(a >= b); }
// "&" and "|", not "&&": no branch, so that the loops vectorise. NaN counts as true.
template <class T> MX_INLINE T logical_and(T a, T b) { return truth<T>((a != T(0)) & (b != T(0))); }
template <class T> MX_INLINE T logical_or(T a, T b) { return truth<T>((a != T(0)) | (b != T(0))); }
template <class T> MX_INLINE T logical_xor(T a, T b) { return truth<T>((a != T(0)) != (b != T(0))); }
template <class T> MX_INLINE T logical_not(T a) { return truth<T>(a == T(0)); }
template <class T> MX_INLINE T where(T a, T b, T c) { return a != T(0) ? b : c; }

template <Float T> MX_INLINE T abs(T a) { return vec::abs(a); }
template <Int T> MX_INLINE T abs(T a) { return a < 0 ? negative(a) : a; }
template <class T> MX_INLINE T sign(T a) { return a > T(0) ? T(1) : a < T(0) ? T(-1) : T(0); }  // NaN: 0, as MXNet
template <class T> MX_INLINE T relu(T a) { return a < T(0) ? T(0) : a; }
template <Float T> MX_INLINE T reciprocal(T a) { return T(1) / a; }
template <Int T> MX_INLINE T reciprocal(T a) { return a == 1 || a == -1 ? a : 0; }

template <Float T> MX_INLINE T ceil(T a) { return std::ceil(a); }
template <Float T> MX_INLINE T floor(T a) { return std::floor(a); }
template <Float T> MX_INLINE T trunc(T a) { return std::trunc(a); }
template <Float T> MX_INLINE T round(T a) {
  const T magnitude = vec::abs(a);
  const T whole = std::trunc(magnitude);
  return vec::with_sign(whole + (magnitude - whole >= T(0.5) ? T(1) : T(0)), a);
}
template <Float T> MX_INLINE T rint(T a) {
  const T low = std::floor(a), high = std::ceil(a);
  return a - low <= high - a ? low : high;
}
template <Int T> MX_INLINE T ceil(T a) { return a; }
template <Int T> MX_INLINE T floor(T a) { return a; }
template <Int T> MX_INLINE T trunc(T a) { return a; }
template <Int T> MX_INLINE T round(T a) { return a; }
template <Int T> MX_INLINE T rint(T a) { return a; }

template <Float T> MX_INLINE T sqrt(T a) { return std::sqrt(a); }
template <Float T> MX_INLINE T rsqrt(T a) { return T(1) / std::sqrt(a); }
template <Float T> MX_INLINE T isnan(T a) { return truth<T>(a != a); }
template <Float T> MX_INLINE T isinf(T a) { return truth<T>(vec::abs(a) == std::numeric_limits<T>::infinity()); }
template <Float T> MX_INLINE T isfinite(T a) { return truth<T>(vec::abs(a) < std::numeric_limits<T>::infinity()); }

// float: own polynomials; double: libm.
#define MX_UNARY_MATH(name) \
  MX_INLINE float name(float a) { return vec::name(a); }
MX_UNARY_MATH(exp) MX_UNARY_MATH(log) MX_UNARY_MATH(log10) MX_UNARY_MATH(log2) MX_UNARY_MATH(log1p)
MX_UNARY_MATH(expm1) MX_UNARY_MATH(sin) MX_UNARY_MATH(cos) MX_UNARY_MATH(tan) MX_UNARY_MATH(arcsin)
MX_UNARY_MATH(arccos) MX_UNARY_MATH(arctan) MX_UNARY_MATH(sinh) MX_UNARY_MATH(cosh) MX_UNARY_MATH(tanh)
MX_UNARY_MATH(arcsinh) MX_UNARY_MATH(arccosh) MX_UNARY_MATH(arctanh) MX_UNARY_MATH(cbrt)
MX_UNARY_MATH(rcbrt) MX_UNARY_MATH(erf) MX_UNARY_MATH(sigmoid) MX_UNARY_MATH(softrelu)
#undef MX_UNARY_MATH
MX_INLINE float arctan2(float a, float b) { return vec::arctan2(a, b); }

inline double exp(double a) { return std::exp(a); }
inline double log(double a) { return std::log(a); }
inline double log10(double a) { return std::log10(a); }
inline double log2(double a) { return std::log2(a); }
inline double log1p(double a) { return std::log1p(a); }
inline double expm1(double a) { return std::expm1(a); }
inline double sin(double a) { return std::sin(a); }
inline double cos(double a) { return std::cos(a); }
inline double tan(double a) { return std::tan(a); }
inline double arcsin(double a) { return std::asin(a); }
inline double arccos(double a) { return std::acos(a); }
inline double arctan(double a) { return std::atan(a); }
inline double arctan2(double a, double b) { return std::atan2(a, b); }
inline double sinh(double a) { return std::sinh(a); }
inline double cosh(double a) { return std::cosh(a); }
inline double tanh(double a) { return std::tanh(a); }
inline double arcsinh(double a) { return std::asinh(a); }
inline double arccosh(double a) { return std::acosh(a); }
inline double arctanh(double a) { return std::atanh(a); }
inline double cbrt(double a) { return std::cbrt(a); }
inline double rcbrt(double a) { return 1.0 / std::cbrt(a); }
inline double erf(double a) { return std::erf(a); }
inline double sigmoid(double a) { return 1.0 / (1.0 + std::exp(-a)); }
inline double softrelu(double a) { return relu(a) + std::log1p(std::exp(-std::fabs(a))); }

// Rare and branchy: computed in double, one by one.
template <Float T> inline T gamma(T a) { return static_cast<T>(special::gamma(a)); }
template <Float T> inline T gammaln(T a) { return static_cast<T>(special::log_gamma(a)); }
template <Float T> inline T digamma(T a) { return static_cast<T>(special::digamma(a)); }
template <Float T> inline T erfinv(T a) { return static_cast<T>(special::erfinv(a)); }

template <Int T> MX_INLINE T bitwise_and(T a, T b) { return a & b; }
template <Int T> MX_INLINE T bitwise_or(T a, T b) { return a | b; }
template <Int T> MX_INLINE T bitwise_xor(T a, T b) { return a ^ b; }
template <Int T> MX_INLINE T bitwise_not(T a) { return ~a; }

}  // namespace mx::cpu::op
