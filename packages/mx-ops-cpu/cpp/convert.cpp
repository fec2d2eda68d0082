// Loops between storage and compute types, the casts between compute types, and the look-up of all
// loops and their costs.
#include "loops.h"
#include "mx/kernel.h"
#include "vecmath.h"

namespace mx::cpu {
namespace {

// What a number becomes in another type. Floats go to narrow integers through int32, so that 300.0
// wraps to 44 like the integer 300; out of range of int32 the hardware's answer stands.
template <class To, class From>
MX_INLINE To convert(From x) {
  if constexpr (std::is_same_v<From, float16> || std::is_same_v<From, bfloat16>) {
    return convert<To>(static_cast<float>(x));
  } else if constexpr (std::is_same_v<From, bool8>) {
    return static_cast<To>(x.byte != 0);
  } else if constexpr (std::is_same_v<To, float16> || std::is_same_v<To, bfloat16>) {
    return To(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, bool8>) {
    return To(x != From(0));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && sizeof(To) < 4) {
    return static_cast<To>(static_cast<int32_t>(x));
  } else {
    return static_cast<To>(x);
  }
}

template <class To, class From>
MX_INLINE void convert_all(void* dst, const void* src, int64_t n) {
  auto* to = static_cast<To*>(dst);
  auto* from = static_cast<const From*>(src);
  _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i]);
}

#define MX_STORAGE_TYPES(X, C)                                                        \
  X(C, float, 0)                                                                      \
  X(C, double, 1)                                                                     \
  X(C, float16, 2) X(C, uint8_t, 3) X(C, int32_t, 4) X(C, int8_t, 5) X(C, int64_t, 6) \
      X(C, bool8, 7) X(C, bfloat16, 12)
#define MX_COMPUTE_TYPES(X)  \
  MX_STORAGE_TYPES(X, float) \
  MX_STORAGE_TYPES(X, double) MX_STORAGE_TYPES(X, int32_t) MX_STORAGE_TYPES(X, int64_t)

#define MX_DEFINE_CONVERSIONS(C, S, number)                                             \
  MX_CLONES void load_##S##_as_##C(void* dst, const void* a, const void*, const void*,  \
                                   int64_t n) {                                         \
    convert_all<C, S>(dst, a, n);                                                       \
  }                                                                                     \
  MX_CLONES void store_##C##_as_##S(void* dst, const void* a, const void*, const void*, \
                                    int64_t n) {                                        \
    convert_all<S, C>(dst, a, n);                                                       \
  }
MX_COMPUTE_TYPES(MX_DEFINE_CONVERSIONS)
#undef MX_DEFINE_CONVERSIONS

struct Conversions {
  Loop load[4][13] = {};
  Loop store[4][13] = {};
};

template <class C>
constexpr int compute_of() {
  return std::is_same_v<C, float>     ? MX_C_F32
         : std::is_same_v<C, double>  ? MX_C_F64
         : std::is_same_v<C, int32_t> ? MX_C_I32
                                      : MX_C_I64;
}

Conversions make_conversions() {
  Conversions t;
#define MX_LIST_CONVERSIONS(C, S, number)              \
  t.load[compute_of<C>()][number] = load_##S##_as_##C; \
  t.store[compute_of<C>()][number] = store_##C##_as_##S;
  MX_COMPUTE_TYPES(MX_LIST_CONVERSIONS)
#undef MX_LIST_CONVERSIONS
  return t;
}

const Conversions& conversions() {
  static const Conversions table = make_conversions();
  return table;
}

bool known(int64_t compute) { return compute >= MX_C_F32 && compute <= MX_C_I64; }

}  // namespace

Loop load_loop(int32_t dtype, int64_t compute) {
  return known(compute) && dtype >= 0 && dtype <= MX_BFLOAT16 ? conversions().load[compute][dtype]
                                                              : nullptr;
}

Loop store_loop(int64_t compute, int32_t dtype) {
  return known(compute) && dtype >= 0 && dtype <= MX_BFLOAT16 ? conversions().store[compute][dtype]
                                                              : nullptr;
}

Loop cast_loop(int64_t from, int64_t to) {
  return known(to) ? store_loop(from, natural_dtype(to)) : nullptr;
}

Loop pointwise_loop(int64_t opcode, int64_t compute, Form form) {
  if (opcode < 0 || opcode >= kOpcodes) return nullptr;
  switch (compute) {
    case MX_C_F32:
      return f32_loop(opcode, form);
    case MX_C_F64:
      return f64_loop(opcode, form);
    case MX_C_I32:
      return i32_loop(opcode, form);
    case MX_C_I64:
      return i64_loop(opcode, form);
  }
  return nullptr;
}

double opcode_cost(int64_t opcode, int64_t compute) {
  const bool wide = compute == MX_C_F64 || compute == MX_C_I64;
  double cost = 0.05;
  switch (opcode) {
    case MX_PW_exp:
    case MX_PW_log:
    case MX_PW_log2:
    case MX_PW_log10:
    case MX_PW_log1p:
    case MX_PW_expm1:
    case MX_PW_tanh:
    case MX_PW_sigmoid:
    case MX_PW_softrelu:
    case MX_PW_erf:
    case MX_PW_sinh:
    case MX_PW_cosh:
      cost = wide ? 6 : 0.4;
      break;
    case MX_PW_power:
    case MX_PW_sin:
    case MX_PW_cos:
    case MX_PW_tan:
    case MX_PW_arcsin:
    case MX_PW_arccos:
    case MX_PW_arctan:
    case MX_PW_arctan2:
    case MX_PW_arcsinh:
    case MX_PW_arccosh:
    case MX_PW_arctanh:
    case MX_PW_cbrt:
    case MX_PW_rcbrt:
    case MX_PW_hypot:
    case MX_PW_mod:
    case MX_PW_fmod:
      cost = wide ? 15 : 1.5;
      break;
    case MX_PW_gamma:
    case MX_PW_gammaln:
    case MX_PW_digamma:
    case MX_PW_erfinv:
      cost = 60;
      break;
    case MX_PW_div:
    case MX_PW_floor_divide:
    case MX_PW_sqrt:
    case MX_PW_rsqrt:
    case MX_PW_reciprocal:
      cost = compute == MX_C_I32 || compute == MX_C_I64 ? 3 : 0.2;
      break;
    default:
      break;
  }
  return wide ? 2 * cost : cost;
}

}  // namespace mx::cpu
