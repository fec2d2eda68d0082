// Branch-free elementary functions that gcc vectorises inside plain loops.
//
// float functions: error below about 2 ulp, special values as in C's libm. The easy ones (exp, log,
// tanh, ...) are computed in float, the hard ones (pow, sin, inverse functions) in double with
// polynomials good to 1e-11, which the rounding to float hides. Coefficients are weighted minimax
// fits of the expression that the comment beside them names. "a < b ? c : d" compiles to a blend;
// every constant here is chosen so that NaN falls through the comparisons into the arithmetic. None
// of this survives -ffast-math (the rounding trick, NaN), which CMakeLists.txt therefore never
// uses.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

// always_inline: the functions must melt into the target_clones loops that call them.
#define MX_INLINE inline __attribute__((always_inline))
// One copy of a loop per instruction set; the loader picks (gnu_indirect_function). A build with
// -DMX_CLONES= has one copy, for trying out how an instruction set fares.
#ifndef MX_CLONES
#define MX_CLONES __attribute__((target_clones("default", "avx2", "arch=x86-64-v4")))
#endif

namespace mx::cpu::vec {

inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr double kInfD = std::numeric_limits<double>::infinity();
inline constexpr double kNanD = std::numeric_limits<double>::quiet_NaN();

MX_INLINE uint32_t bits(float x) { return std::bit_cast<uint32_t>(x); }
MX_INLINE uint64_t bits(double x) { return std::bit_cast<uint64_t>(x); }
MX_INLINE float from_bits(uint32_t x) { return std::bit_cast<float>(x); }
MX_INLINE double from_bits(uint64_t x) { return std::bit_cast<double>(x); }

// |magnitude| with the sign of `sign`.
MX_INLINE float with_sign(float magnitude, float sign) {
  return from_bits((bits(magnitude) & 0x7fffffffu) | (bits(sign) & 0x80000000u));
}
MX_INLINE double with_sign(double magnitude, double sign) {
  return from_bits((bits(magnitude) & UINT64_C(0x7fffffffffffffff)) |
                   (bits(sign) & UINT64_C(0x8000000000000000)));
}
MX_INLINE float abs(float x) { return from_bits(bits(x) & 0x7fffffffu); }
MX_INLINE double abs(double x) { return from_bits(bits(x) & UINT64_C(0x7fffffffffffffff)); }

// c0 + c1 x + c2 x^2 + ...
template <class T>
MX_INLINE T polynomial(T, T c0) {
  return c0;
}
template <class T, class... Rest>
MX_INLINE T polynomial(T x, T c0, Rest... rest) {
  return c0 + x * polynomial(x, static_cast<T>(rest)...);
}

// Adding 1.5 * 2^(mantissa bits) rounds to an integer, which then stands in the low bits of the
// sum.
inline constexpr float kRound = 12582912.0f;
inline constexpr double kRoundD = 6755399441055744.0;

struct Rounded {
  float value;
  int32_t integer;
};
MX_INLINE Rounded round_nearest(float x) {
  const float shifted = x + kRound;
  return {shifted - kRound, static_cast<int32_t>(bits(shifted) - bits(kRound))};
}
struct RoundedD {
  double value;
  int64_t integer;
};
MX_INLINE RoundedD round_nearest(double x) {
  const double shifted = x + kRoundD;
  return {shifted - kRoundD, static_cast<int64_t>(bits(shifted) - bits(kRoundD))};
}

// 2^n for -126 <= n <= 127, and for -1022 <= n <= 1023.
MX_INLINE float power_of_two(int32_t n) { return from_bits(static_cast<uint32_t>(n + 127) << 23); }
MX_INLINE double power_of_two(int64_t n) {
  return from_bits(static_cast<uint64_t>(n + 1023) << 52);
}

// ---- float: exp family ----

// x = n ln2 + r with |r| <= ln2 / 2; expm1(r) = r + r^2 q(r).
struct ExpParts {
  int32_t n;
  float expm1;
};
MX_INLINE ExpParts exp_parts(float x) {
  const Rounded n = round_nearest(x * 1.44269504f);
  const float r = (x - n.value * 0.693145752f) - n.value * 1.42860677e-6f;
  const float q = polynomial(r, 0.5f, 0.166665182f, 0.041666206f, 0.00836890843f, 0.00139505242f);
  return {n.integer, r + r * r * q};
}

// exp(x) 2^shift
MX_INLINE float exp_scaled(float x, int32_t shift) {
  float limited = x < -104.0f ? -104.0f : x;
  limited = limited > 90.0f ? 90.0f : limited;
  const ExpParts e = exp_parts(limited);
  const int32_t n = e.n + shift;
  const int32_t half = n >> 1;  // two factors, because 2^n alone leaves the range of float
  return (1.0f + e.expm1) * power_of_two(half) * power_of_two(n - half);
}
MX_INLINE float exp(float x) { return exp_scaled(x, 0); }

MX_INLINE float expm1(float x) {
  float limited = x < -25.0f ? -25.0f : x;
  limited = limited > 89.0f ? 89.0f : limited;
  const ExpParts e = exp_parts(limited);
  const float half_scale = power_of_two(e.n - 1);
  const float result = 2.0f * (half_scale * e.expm1 + (half_scale - 0.5f));
  return x == 0.0f ? x : result;  // keeps -0
}

MX_INLINE float sigmoid(float x) { return 1.0f / (1.0f + exp(-x)); }

MX_INLINE float tanh(float x) {
  const float magnitude = abs(x) > 10.0f ? 10.0f : abs(x);
  // expm1(2 |x|) as above, of an argument that needs no limits: at most 20.
  const ExpParts e = exp_parts(magnitude + magnitude);
  const float scale = power_of_two(e.n);
  const float t = scale * e.expm1 + (scale - 1.0f);
  return with_sign(t / (t + 2.0f), x);
}

MX_INLINE float sinh(float x) {
  const float magnitude = abs(x);
  // Large: exp(|x|) / 2; small, without cancellation: (e + e / (e + 1)) / 2 with e = expm1(|x|).
  const float e = expm1(magnitude > 20.0f ? 20.0f : magnitude);
  const float small = 0.5f * (e + e / (e + 1.0f));
  return with_sign(magnitude > 20.0f ? exp_scaled(magnitude, -1) : small, x);
}

MX_INLINE float cosh(float x) { return exp_scaled(abs(x), -1) + exp_scaled(-abs(x), -1); }

// ---- float: log family ----

// x = 2^e (1 + f), sqrt(1/2) <= 1 + f < sqrt(2), for normal positive x.
struct LogParts {
  float exponent;
  float f;
};
MX_INLINE LogParts log_parts(float x) {
  const bool denormal = x < 1.17549435e-38f;
  const float scaled = denormal ? x * 8388608.0f : x;
  const uint32_t shifted = bits(scaled) - 0x3f3504f3u;  // bits of sqrt(1/2)
  const int32_t e = static_cast<int32_t>(shifted) >> 23;
  const float m = from_bits((shifted & 0x007fffffu) + 0x3f3504f3u);
  return {static_cast<float>(e) - (denormal ? 23.0f : 0.0f), m - 1.0f};
}

// log(1 + f) - f
MX_INLINE float log1p_tail(float f) {
  const float p =
      polynomial(f, 0.333333105f, -0.249999866f, 0.200022489f, -0.166693032f, 0.142181948f,
                 -0.123830773f, 0.118753932f, -0.117988318f, 0.0692072734f);
  return f * f * (f * p - 0.5f);
}

// What a logarithm of 0, negative numbers, inf and NaN is; otherwise `value`.
MX_INLINE float log_special(float x, float value) {
  value = x == kInf ? kInf : value;
  value = x == 0.0f ? -kInf : value;
  return x >= 0.0f ? value : kNan;
}

MX_INLINE float log(float x) {
  const LogParts p = log_parts(x);
  const float low = p.exponent * 1.42860677e-6f + log1p_tail(p.f);
  return log_special(x, p.exponent * 0.693145752f + (p.f + low));
}

MX_INLINE float log2(float x) {
  const LogParts p = log_parts(x);
  const float tail = log1p_tail(p.f);
  // log2(e) = 1.4375 + 0.00519504: the first product is exact enough not to cost a bit near 1.
  const float low = (p.f + tail) * 0.00519504089f + tail * 1.4375f;
  return log_special(x, p.exponent + (p.f * 1.4375f + low));
}

MX_INLINE float log10(float x) {
  const LogParts p = log_parts(x);
  const float tail = log1p_tail(p.f);
  // log10(2) = 0.301025390625 + 4.60503898e-6, log10(e) = 0.43359375 + 0.000700731903
  const float low = p.exponent * 4.60503898e-6f + (tail * 0.434294482f + p.f * 0.000700731903f);
  return log_special(x, p.exponent * 0.301025390625f + (p.f * 0.43359375f + low));
}

MX_INLINE float log1p(float x) {
  const float u = 1.0f + x;
  // log(u) (1 + x - u) / u mends the rounding of 1 + x.
  const float mended = log(u) + (x - (u - 1.0f)) / u;
  const float result = u > 0.0f && u < kInf ? mended : log_special(u, u);
  return x == 0.0f ? x : result;
}

// log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|))
MX_INLINE float softrelu(float x) { return (x < 0.0f ? 0.0f : x) + log1p(exp(-abs(x))); }

// ---- float: erf ----

MX_INLINE float erf(float x) {
  const float a = abs(x);
  const float z = a * a;
  // erf(a) = a + a P(a^2) below 0.92, 1 - exp(-R(a)) above; erf is 1 from 4 on.
  const float small =
      a + a * polynomial(z, 0.128379166f, -0.376126319f, 0.112836726f, -0.0268581044f,
                         0.00519779744f, -0.000810596568f, 8.21542635e-05f);
  const float b = a > 4.1f ? 4.1f : a;
  const float r = polynomial(b, -0.000170550848f, 1.12949514f, 0.633386672f, 0.108236603f,
                             -0.0250914861f, 0.00416052248f, -0.000432302069f, 2.09094687e-05f);
  const float large = 1.0f - exp(-r);
  return with_sign(a > 0.92f ? large : small, x);
}

// ---- double cores for float functions ----

// Natural logarithm of a positive normal double, 1e-15 relative (exactly 0 at 1); inf gives about
// 710.
struct LogPartsD {
  double exponent;
  double log_mantissa;
};
MX_INLINE LogPartsD log_core(double x) {
  const uint64_t shifted = bits(x) - UINT64_C(0x3fe6a09e667f3bcd);  // bits of sqrt(1/2)
  const double m =
      from_bits((shifted & UINT64_C(0x000fffffffffffff)) + UINT64_C(0x3fe6a09e667f3bcd));
  // The exponent as a double without a 64-bit conversion, which AVX2 has not: its bits are put into
  // 2^52.
  const uint64_t biased =
      (shifted >> 52) ^ UINT64_C(0x800);  // two's complement of 12 bits, made unsigned
  const double exponent =
      from_bits(biased | UINT64_C(0x4330000000000000)) - (4503599627370496.0 + 2048.0);
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  const double p =
      polynomial(z, 0.66666666666667429, 0.39999999999388858, 0.28571428747944067,
                 0.22222197992622247, 0.1818359516930185, 0.15313238129338669, 0.14804349047149593);
  return {exponent, s * (2.0 + z * p)};
}
MX_INLINE double log(double x) {
  const LogPartsD p = log_core(x);
  return p.exponent * 0.69314718055994531 + p.log_mantissa;
}

// 2^y for |y| <= 1000, 1e-12 relative.
MX_INLINE double exp2_core(double y) {
  const RoundedD n = round_nearest(y);
  const double p =
      polynomial(y - n.value, 1.0000000000000275, 0.69314718054593005, 0.24022650695467318,
                 0.055504109412163334, 0.0096181292285142383, 0.0013333450559865892,
                 0.0001540341161327036, 1.5310081210762196e-05, 1.326407408428584e-06);
  return p * power_of_two(n.integer);
}

// pow(a, b) with C's special values.
MX_INLINE float power(float a, float b) {
  const double base = abs(static_cast<double>(a));
  const double exponent = b;
  const LogPartsD p = log_core(base);
  double log2_base = p.exponent + p.log_mantissa * 1.4426950408889634;
  log2_base = base == 0.0 ? -kInfD : log2_base;
  log2_base = base < kInfD ? log2_base : base;  // inf and NaN
  double y = exponent * log2_base;
  y = y < -200.0 ? -200.0 : y;
  y = y > 200.0 ? 200.0 : y;
  float magnitude = static_cast<float>(exp2_core(y));
  magnitude = y == y ? magnitude : kNan;
  magnitude = base == 1.0 || exponent == 0.0 ? 1.0f : magnitude;  // 1^inf, 1^NaN, NaN^0
  const bool is_integer = std::floor(b) == b;
  const bool is_odd = is_integer && std::floor(b * 0.5f) * 2.0f != b;
  const float negative = from_bits(bits(magnitude) ^ (is_odd ? 0x80000000u : 0u));
  const bool no_real =
      a < 0.0f && a > -kInf && !is_integer;  // (-2)^0.5; b NaN is no integer either
  const float for_negative = no_real ? kNan : negative;
  return bits(a) >> 31 ? for_negative : magnitude;
}

// sin and cos share the reduction x = n pi/2 + r; good for |x| <= kTrigLimit, NaN for NaN.
inline constexpr float kTrigLimit = 1048576.0f;
struct SinCos {
  double sin, cos;  // of r, before the quadrant is applied
  int64_t quadrant;
};
MX_INLINE SinCos sincos_core(float x) {
  const RoundedD n = round_nearest(x * 0.63661977236758134);
  const double r = (x - n.value * 1.5707963267341256) - n.value * 6.0771005065061922e-11;
  const double z = r * r;
  const double s = polynomial(z, -0.16666666641526903, 0.0083333293741262669,
                              -0.00019839330998216347, 2.7182744833705381e-06);
  const double c = polynomial(z, 0.041666666622652705, -0.0013888883738029524,
                              2.4799515888962907e-05, -2.7209892890262323e-07);
  return {r + r * z * s, 1.0 - 0.5 * z + z * z * c, n.integer};
}
MX_INLINE float sin(float x) {
  const SinCos v = sincos_core(x);
  const double value = v.quadrant & 1 ? v.cos : v.sin;
  const float result = static_cast<float>(v.quadrant & 2 ? -value : value);
  return x == 0.0f ? x : result;
}
MX_INLINE float cos(float x) {
  const SinCos v = sincos_core(x);
  const double value = v.quadrant & 1 ? v.sin : v.cos;
  return static_cast<float>((v.quadrant + 1) & 2 ? -value : value);
}
MX_INLINE float tan(float x) {
  const SinCos v = sincos_core(x);
  const bool swapped = v.quadrant & 1;
  const double value = (swapped ? -v.cos : v.sin) / (swapped ? v.sin : v.cos);
  return x == 0.0f ? x : static_cast<float>(value);
}

// The angle of (x, y), |result| <= pi, with C's signs of zero.
MX_INLINE double atan2_core(double y, double x) {
  const double ay = abs(y), ax = abs(x);
  const bool steep = ay > ax;
  const double low = steep ? ax : ay, high = steep ? ay : ax;
  double t = low / high;
  t = high == 0.0 ? 0.0 : t;
  t = low == kInfD ? 1.0 : t;  // both infinite
  const double z = t * t;
  const double p = polynomial(z, -0.33333332235302959, 0.19999932196776052, -0.14284250854901634,
                              0.11095202362412156, -0.089887916473521012, 0.07269383028409622,
                              -0.054704464809787266, 0.034704632911025109, -0.016471439824368848,
                              0.0049993103021405676, -0.00071130373833056611);
  double angle = t + t * z * p;
  angle = steep ? 1.5707963267948966 - angle : angle;
  angle = bits(x) >> 63 ? 3.1415926535897931 - angle : angle;
  angle = x == x && y == y ? angle : kNanD;  // a NaN that the comparisons above lost
  return with_sign(angle, y);
}
MX_INLINE float arctan2(float y, float x) { return static_cast<float>(atan2_core(y, x)); }
MX_INLINE float arctan(float x) { return static_cast<float>(atan2_core(x, 1.0)); }
MX_INLINE float arcsin(float x) {
  const double d = x;
  return static_cast<float>(atan2_core(d, std::sqrt((1.0 - d) * (1.0 + d))));
}
MX_INLINE float arccos(float x) {
  const double d = x;
  return static_cast<float>(atan2_core(std::sqrt((1.0 - d) * (1.0 + d)), d));
}

MX_INLINE float arcsinh(float x) {
  const double d = abs(static_cast<double>(x));
  const double large = log(d + std::sqrt(d * d + 1.0));
  const double small = d - d * d * d * (1.0 / 6.0);
  const double value = d < 1e-3 ? small : large;
  return with_sign(static_cast<float>(d < kInfD ? value : d), x);
}
MX_INLINE float arccosh(float x) {
  const double d = x;
  const double value = log(d + std::sqrt(d * d - 1.0));
  const float finite = x >= 1.0f ? static_cast<float>(value) : kNan;
  return x == kInf ? x : finite;
}
MX_INLINE float arctanh(float x) {
  const double d = abs(static_cast<double>(x));
  const double large = 0.5 * log((1.0 + d) / (1.0 - d));
  const double small = d + d * d * d * (1.0 / 3.0);
  float value = static_cast<float>(d < 1e-3 ? small : large);
  value = d == 1.0 ? kInf : value;
  value = d <= 1.0 ? value : kNan;
  return with_sign(value, x);
}

// cbrt(|x|)
MX_INLINE double cbrt_core(float x) {
  const double a = abs(static_cast<double>(x));  // float's denormals are normal doubles
  // A third of the exponent, plus two thirds of the bias: right to 4 %. The high word is enough.
  const uint32_t start = static_cast<uint32_t>(bits(a) >> 32) / 3 + 0x2a9f7893u;
  double y = from_bits(static_cast<uint64_t>(start) << 32);
  for (int i = 0; i < 2; ++i) {  // Halley's step triples the digits
    const double y3 = y * y * y;
    y = y * (y3 + 2.0 * a) / (2.0 * y3 + a);
  }
  y = a == 0.0 ? 0.0 : y;
  return a < kInfD ? y : a;
}
MX_INLINE float cbrt(float x) { return with_sign(static_cast<float>(cbrt_core(x)), x); }
MX_INLINE float rcbrt(float x) { return with_sign(static_cast<float>(1.0 / cbrt_core(x)), x); }

MX_INLINE float hypot(float a, float b) {
  const double x = a, y = b;
  const float value = static_cast<float>(std::sqrt(x * x + y * y));
  return abs(a) == kInf || abs(b) == kInf ? kInf : value;
}

// C's fmod by way of an exact quotient; good while |a / b| < kModLimit (the product stays exact).
inline constexpr double kModLimit = 536870912.0;
MX_INLINE float fmod(float a, float b) {
  const double x = abs(static_cast<double>(a)), y = abs(static_cast<double>(b));
  double r = x - std::trunc(x / y) * y;
  r = r < 0.0 ? r + y : r;  // the quotient was rounded up to an integer
  return with_sign(static_cast<float>(r), a);
}
// From C's remainder r of a / b to Python's.
template <class T>
MX_INLINE T floor_remainder(T r, T b) {
  const bool opposite = r != T(0) && (r < T(0)) != (b < T(0));
  return opposite ? r + b : r;
}

}  // namespace mx::cpu::vec
