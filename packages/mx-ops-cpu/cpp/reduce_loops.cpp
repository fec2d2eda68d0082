#include "reduce_loops.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "loops.h"
#include "pointwise_ops.h"

namespace mx::cpu {
namespace {

// Values summed in one lane stay below kBlock / lanes, so that float lanes lose nothing noticeable;
// the blocks' results are added in the wider accumulator.
constexpr int64_t kBlock = 4096;

template <class T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;

template <class T>
struct Sum {
  using Lane = std::conditional_t<std::is_same_v<T, float>, float, Wide<T>>;
  using Acc = Wide<T>;
  static constexpr Acc identity = 0;
  MX_INLINE static Lane take(T x) { return static_cast<Lane>(x); }
  template <class L>
  MX_INLINE static L combine(L a, L b) {
    return op::add(a, b);
  }
};

template <class T>
struct Prod {
  using Lane = Wide<T>;  // double: products leave the range of float on the way
  using Acc = Wide<T>;
  static constexpr Acc identity = 1;
  MX_INLINE static Lane take(T x) { return static_cast<Lane>(x); }
  template <class L>
  MX_INLINE static L combine(L a, L b) {
    return op::mul(a, b);
  }
};

template <class T>
struct NanSum : Sum<T> {
  MX_INLINE static typename Sum<T>::Lane take(T x) { return Sum<T>::take(x == x ? x : T(0)); }
};

template <class T>
struct NanProd : Prod<T> {
  MX_INLINE static typename Prod<T>::Lane take(T x) { return Prod<T>::take(x == x ? x : T(1)); }
};

template <class T>
struct Max {
  using Lane = T;
  using Acc = T;
  static constexpr Acc identity = std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity()
                                                              : std::numeric_limits<T>::lowest();
  MX_INLINE static T take(T x) { return x; }
  MX_INLINE static T combine(T a, T b) { return op::maximum(a, b); }
};

template <class T>
struct Min {
  using Lane = T;
  using Acc = T;
  static constexpr Acc identity = std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity()
                                                              : std::numeric_limits<T>::max();
  MX_INLINE static T take(T x) { return x; }
  MX_INLINE static T combine(T a, T b) { return op::minimum(a, b); }
};

// One value from n, held in `lanes` running results that the compiler keeps in vector registers.
// The rest goes through fewer lanes.
template <class Op, int lanes, class T>
MX_INLINE typename Op::Acc reduce_lanes(const T* x, int64_t n) {
  using Lane = typename Op::Lane;
  using Acc = typename Op::Acc;
  Lane held[lanes];
  for (int l = 0; l < lanes; ++l) held[l] = static_cast<Lane>(Op::identity);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int l = 0; l < lanes; ++l) held[l] = Op::combine(held[l], Op::take(x[i + l]));
  for (int half = lanes / 2; half; half /= 2)
    for (int l = 0; l < half; ++l) held[l] = Op::combine(held[l], held[l + half]);
  const auto result = static_cast<Acc>(held[0]);
  if constexpr (lanes > 1)
    return i < n ? Op::combine(result, reduce_lanes<Op, lanes / 4>(x + i, n - i)) : result;
  else
    return result;
}

template <class Op, class T>
MX_INLINE void reduce_rows(typename Op::Acc* acc, const T* x, int64_t rows, int64_t width) {
  using Acc = typename Op::Acc;
  if (width < 16) {
    for (int64_t r = 0; r < rows; ++r, x += width) {
      Acc result = acc[r];
      for (int64_t i = 0; i < width; ++i)
        result = Op::combine(result, static_cast<Acc>(Op::take(x[i])));
      acc[r] = result;
    }
  } else if (width < 512) {
    for (int64_t r = 0; r < rows; ++r, x += width)
      acc[r] = Op::combine(acc[r], reduce_lanes<Op, 16>(x, width));
  } else {
    for (int64_t r = 0; r < rows; ++r, x += width)
      for (int64_t at = 0; at < width; at += kBlock)
        acc[r] = Op::combine(acc[r], reduce_lanes<Op, 64>(x + at, std::min(kBlock, width - at)));
  }
}

// Columns of one full row of accumulators per input row.
template <class Op, class T>
MX_INLINE void reduce_wide_columns(typename Op::Acc* acc, const T* x, int64_t rows, int64_t stride,
                                   int64_t width) {
  using Acc = typename Op::Acc;
  int64_t r = 0;
  for (; r + 8 <= rows; r += 8, x += 8 * stride) {
    _Pragma("GCC ivdep") for (int64_t k = 0; k < width; ++k) {
      const auto low =
          Op::combine(Op::combine(Op::take(x[k]), Op::take(x[k + stride])),
                      Op::combine(Op::take(x[k + 2 * stride]), Op::take(x[k + 3 * stride])));
      const auto high =
          Op::combine(Op::combine(Op::take(x[k + 4 * stride]), Op::take(x[k + 5 * stride])),
                      Op::combine(Op::take(x[k + 6 * stride]), Op::take(x[k + 7 * stride])));
      acc[k] = Op::combine(acc[k], static_cast<Acc>(Op::combine(low, high)));
    }
  }
  for (; r < rows; ++r, x += stride)
    _Pragma("GCC ivdep") for (int64_t k = 0; k < width; ++k) acc[k] =
        Op::combine(acc[k], static_cast<Acc>(Op::take(x[k])));
}

template <class Op, class T>
MX_INLINE void reduce_columns(typename Op::Acc* acc, const T* x, int64_t rows, int64_t stride,
                              int64_t width) {
  constexpr int64_t kWidest = 256;
  // Few columns: several rows side by side make a row that is worth vectorising.
  if (stride == width && width < 64 && rows * width >= 16 * kWidest) {
    const int64_t side = kWidest / width;
    typename Op::Acc wide[kWidest];
    std::fill_n(wide, side * width, Op::identity);
    reduce_wide_columns<Op>(wide, x, rows / side, side * width, side * width);
    reduce_wide_columns<Op>(acc, x + rows / side * side * width, rows % side, width, width);
    for (int64_t i = 0; i < side * width; ++i)
      acc[i % width] = Op::combine(acc[i % width], wide[i]);
    return;
  }
  reduce_wide_columns<Op>(acc, x, rows, stride, width);
}

template <class Op>
void start(void* acc, int64_t n) {
  std::fill_n(static_cast<typename Op::Acc*>(acc), n, Op::identity);
}

template <class Op>
void merge(void* acc, const void* other, int64_t n) {
  auto* to = static_cast<typename Op::Acc*>(acc);
  auto* from = static_cast<const typename Op::Acc*>(other);
  for (int64_t i = 0; i < n; ++i) to[i] = Op::combine(to[i], from[i]);
}

template <class Acc>
constexpr int64_t compute_of() {
  if (std::is_same_v<Acc, float>) return MX_C_F32;
  if (std::is_same_v<Acc, double>) return MX_C_F64;
  return std::is_same_v<Acc, int32_t> ? MX_C_I32 : MX_C_I64;
}

#define MX_REDUCTIONS(X) \
  X(sum, Sum) X(prod, Prod) X(max, Max) X(min, Min) X(nansum, NanSum) X(nanprod, NanProd)
#define MX_DEFINE_REDUCTION(name, Op, T)                                                         \
  MX_CLONES void name##_rows_##T(void* acc, const void* x, int64_t rows, int64_t width) {        \
    reduce_rows<Op<T>>(static_cast<Op<T>::Acc*>(acc), static_cast<const T*>(x), rows, width);    \
  }                                                                                              \
  MX_CLONES void name##_columns_##T(void* acc, const void* x, int64_t rows, int64_t stride,      \
                                    int64_t width) {                                             \
    reduce_columns<Op<T>>(static_cast<Op<T>::Acc*>(acc), static_cast<const T*>(x), rows, stride, \
                          width);                                                                \
  }                                                                                              \
  constexpr Reduction name##_##T{compute_of<Op<T>::Acc>(), start<Op<T>>, name##_rows_##T,        \
                                 name##_columns_##T, merge<Op<T>>};
#define MX_DEFINE_ALL_TYPES(name, Op)                                          \
  MX_DEFINE_REDUCTION(name, Op, float)                                         \
  MX_DEFINE_REDUCTION(name, Op, double) MX_DEFINE_REDUCTION(name, Op, int32_t) \
      MX_DEFINE_REDUCTION(name, Op, int64_t)
MX_REDUCTIONS(MX_DEFINE_ALL_TYPES)
#undef MX_DEFINE_ALL_TYPES
#undef MX_DEFINE_REDUCTION

}  // namespace

const Reduction* find_reduction(std::string_view op, int64_t compute) {
#define MX_FIND_REDUCTION(name, Op)                                                              \
  if (op == #name) {                                                                             \
    static constexpr const Reduction* types[] = {&name##_float, &name##_double, &name##_int32_t, \
                                                 &name##_int64_t};                               \
    return types[compute];                                                                       \
  }
  MX_REDUCTIONS(MX_FIND_REDUCTION)
#undef MX_FIND_REDUCTION
  return nullptr;
}

}  // namespace mx::cpu
