#include "special.h"

#include <math.h>

#include <cmath>
#include <limits>

namespace mx::cpu::special {

double gamma(double x) { return std::tgamma(x); }

double log_gamma(double x) {
  int sign;
  return ::lgamma_r(x, &sign);  // std::lgamma writes the global signgam: a data race
}

double digamma(double x) {
  constexpr double pi = 3.14159265358979323846;
  if (std::isnan(x) || x == -std::numeric_limits<double>::infinity())
    return std::numeric_limits<double>::quiet_NaN();
  if (x <= 0) {
    if (x == std::floor(x)) return std::numeric_limits<double>::quiet_NaN();
    // Reflection; the fraction is taken first, which keeps tan exact for large |x|.
    return digamma(1 - x) - pi / std::tan(pi * (x - std::floor(x)));
  }
  double shift = 0;
  for (; x < 10; ++x) shift -= 1 / x;
  const double z = 1 / (x * x);
  // Asymptotic series: log x - 1/(2x) - sum B_2k / (2k x^2k)
  const double series =
      z * (1.0 / 12 - z * (1.0 / 120 -
                           z * (1.0 / 252 -
                                z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
  return shift + std::log(x) - 0.5 / x - series;
}

double erfinv(double x) {
  if (!(x >= -1 && x <= 1)) return std::numeric_limits<double>::quiet_NaN();
  const double a = std::fabs(x);
  if (a == 1) return std::copysign(std::numeric_limits<double>::infinity(), x);
  // Winitzki's closed form (2e-3), then Halley steps on erf, or on erfc where erf has no digits
  // left.
  constexpr double c = 0.147, pi = 3.14159265358979323846;
  const double complement = 1 - a;
  const double log_term = std::log(complement * (1 + a));
  const double h = 2 / (pi * c) + log_term / 2;
  double y = std::sqrt(std::sqrt(h * h - log_term / c) - h);
  for (int i = 0; i < 3; ++i) {
    const double error = a < 0.5 ? std::erf(y) - a : complement - std::erfc(y);
    const double step = error / (2 / std::sqrt(pi) * std::exp(-y * y));
    y -= step / (1 + y * step);
  }
  // Near 0 the start underflows; there erfinv is linear.
  if (a < 1e-9) y = a * (std::sqrt(pi) / 2);
  return std::copysign(y, x);
}

}  // namespace mx::cpu::special
