// Gamma, its logarithm and derivative, and the inverse error function, in double.
#pragma once

namespace mx::cpu::special {

double gamma(double x);      // poles: +-inf at +-0, NaN at negative integers
double log_gamma(double x);  // log |gamma(x)|; +inf at 0 and negative integers
double digamma(double x);    // NaN at 0 and negative integers
double erfinv(double x);     // +-inf at +-1, NaN outside [-1, 1]

}  // namespace mx::cpu::special
