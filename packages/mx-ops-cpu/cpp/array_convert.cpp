#include "array_convert.h"

#include <type_traits>

#include "mx/kernel.h"
#include "vecmath.h"

namespace mx::cpu {
namespace {

template <class From>
inline auto widen(From value) {
  if constexpr (std::is_same_v<From, float16> || std::is_same_v<From, bfloat16>) {
    return static_cast<float>(value);
  } else if constexpr (std::is_same_v<From, bool8>) {
    return static_cast<uint8_t>(static_cast<bool>(value));
  } else {
    return value;
  }
}

template <class To, class From>
inline To convert_one(From value) {
  const auto wide = widen(value);
  if constexpr (std::is_same_v<To, bool8>) {
    return bool8(wide != 0);
  } else if constexpr (std::is_same_v<To, float16> || std::is_same_v<To, bfloat16>) {
    return To(static_cast<float>(wide));
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<decltype(wide)>) {
    // Through the widest integer, so that 300.0 becomes the uint8 44 as 300 does.
    return static_cast<To>(static_cast<int64_t>(wide));
  } else {
    return static_cast<To>(wide);
  }
}

template <class From, class To>
void convert_loop(const void* src, void* dst, int64_t n) {
  const From* __restrict s = static_cast<const From*>(src);
  To* __restrict d = static_cast<To*>(dst);
  for (int64_t i = 0; i < n; ++i) d[i] = convert_one<To>(s[i]);
}

// The conversions around float32 carry float16 and bfloat16 arithmetic: those are worth wide
// vectors.
#define MX_WIDE_CONVERT(name, From, To)                                               \
  MX_CLONES void name(const void* src, void* dst, int64_t n) {                        \
    const From* __restrict s = static_cast<const From*>(src);                         \
    To* __restrict d = static_cast<To*>(dst);                                         \
    for (int64_t i = 0; i < n; ++i) d[i] = static_cast<To>(static_cast<float>(s[i])); \
  }
MX_WIDE_CONVERT(half_to_float, float16, float)
MX_WIDE_CONVERT(float_to_half, float, float16)
MX_WIDE_CONVERT(bfloat_to_float, bfloat16, float)
MX_WIDE_CONVERT(float_to_bfloat, float, bfloat16)
#undef MX_WIDE_CONVERT

}  // namespace

ConvertFn converter(int32_t from, int32_t to) {
  if (from == MX_FLOAT16 && to == MX_FLOAT32) return half_to_float;
  if (from == MX_FLOAT32 && to == MX_FLOAT16) return float_to_half;
  if (from == MX_BFLOAT16 && to == MX_FLOAT32) return bfloat_to_float;
  if (from == MX_FLOAT32 && to == MX_BFLOAT16) return float_to_bfloat;
  return visit_dtype(from, [&](auto source) {
    return visit_dtype(to, [&](auto target) -> ConvertFn {
      return convert_loop<typename decltype(source)::type, typename decltype(target)::type>;
    });
  });
}

}  // namespace mx::cpu
