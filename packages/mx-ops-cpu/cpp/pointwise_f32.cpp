// Loops in float.
#include <array>

#include "loops.h"
#include "pointwise_ops.h"

#define MX_T float

namespace mx::cpu {
namespace {

#include "pointwise_loops.inc.h"

// True when a fast loop would lose accuracy somewhere: large angles, large quotients.
MX_CLONES bool any_large(const float* x, int64_t n, float limit) {
  int32_t found = 0;
  for (int64_t i = 0; i < n; ++i) found |= vec::abs(x[i]) > limit;
  return found;
}
MX_CLONES bool any_large_quotient(const float* a, const float* b, int64_t n) {
  int32_t found = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double x = vec::abs(static_cast<double>(a[i])), y = vec::abs(static_cast<double>(b[i]));
    found |= !(x < y * vec::kModLimit) | (y == vec::kInfD);
  }
  return found;
}

template <Loop fast, float (*exact)(float)>
void trigonometric(void* dst, const void* a, const void*, const void*, int64_t n) {
  auto* in = static_cast<const float*>(a);
  if (!any_large(in, n, vec::kTrigLimit)) return fast(dst, a, nullptr, nullptr, n);
  auto* out = static_cast<float*>(dst);
  for (int64_t i = 0; i < n; ++i) out[i] = exact(in[i]);
}

template <Loop fast, float (*exact)(float, float)>
void modulo(void* dst, const void* a, const void* b, const void*, int64_t n) {
  auto *x = static_cast<const float*>(a), *y = static_cast<const float*>(b);
  if (!any_large_quotient(x, y, n)) return fast(dst, a, b, nullptr, n);
  auto* out = static_cast<float*>(dst);
  for (int64_t i = 0; i < n; ++i) out[i] = exact(x[i], y[i]);
}

}  // namespace

Loop f32_loop(int64_t opcode, Form form) {
  static const Table table = [] {
    Table t = make_table();
    t[MX_PW_sin][0] = trigonometric<sin_loop, std::sin>;
    t[MX_PW_cos][0] = trigonometric<cos_loop, std::cos>;
    t[MX_PW_tan][0] = trigonometric<tan_loop, std::tan>;
    t[MX_PW_mod] = {modulo<mod_loop, op::exact_mod<float>>, nullptr, nullptr};
    t[MX_PW_fmod] = {modulo<fmod_loop, op::exact_fmod<float>>, nullptr, nullptr};
    return t;
  }();
  return table[static_cast<size_t>(opcode)][static_cast<size_t>(form)];
}

}  // namespace mx::cpu
