// The kernel _arg_reduce: the index of the first maximum or minimum along an axis. The first NaN
// counts as both, as in MXNet and NumPy.
#include <algorithm>
#include <limits>

#include "families.h"
#include "loops.h"
#include "mx/kernel.h"
#include "parallel.h"
#include "vecmath.h"

namespace mx::cpu {
namespace {

constexpr int64_t kChunk = 1024;  // elements of a row, or columns, that are looked at together

template <bool maximum, class T>
MX_INLINE bool beats(T candidate, T best) {
  const bool better = maximum ? candidate > best : candidate < best;
  return better | ((candidate != candidate) & (best == best));
}

// The first best of x[0..n), n > 0; its index is added to `base`.
template <bool maximum, class T>
MX_INLINE int64_t best_of_row(const T* x, int64_t n) {
  constexpr int lanes = 32;
  if (n < 2 * lanes) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; ++i) best = beats<maximum>(x[i], x[best]) ? i : best;
    return best;
  }
  // First the value, in lanes; then the first place where it stands.
  T held[lanes];
  bool any_nan = false;
  for (int l = 0; l < lanes; ++l) held[l] = x[l];
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int l = 0; l < lanes; ++l)
      held[l] = beats<maximum>(x[i + l], held[l]) ? x[i + l] : held[l];
  for (; i < n; ++i) held[0] = beats<maximum>(x[i], held[0]) ? x[i] : held[0];
  T best = held[0];
  for (int l = 0; l < lanes; ++l) {
    best = beats<maximum>(held[l], best) ? held[l] : best;
    any_nan |= held[l] != held[l];
  }
  for (i = 0; i < n; i += lanes) {
    const int64_t end = std::min<int64_t>(n, i + lanes);
    int found = 0;
    for (int64_t j = i; j < end; ++j) found |= (x[j] == best) | (any_nan & (x[j] != x[j]));
    if (!found) continue;
    for (int64_t j = i; j < end; ++j)
      if (any_nan ? x[j] != x[j] : x[j] == best) return j;
  }
  return 0;
}

template <bool maximum, class T>
MX_INLINE void take_row_of_columns(T* best, int64_t* index, const T* x, int64_t row,
                                   int64_t width) {
  _Pragma("GCC ivdep") for (int64_t k = 0; k < width; ++k) {
    const bool better = beats<maximum>(x[k], best[k]);
    best[k] = better ? x[k] : best[k];
    index[k] = better ? row : index[k];
  }
}

struct ArgLoops {
  int64_t (*row)(const void* x, int64_t n);
  void (*columns)(void* best, int64_t* index, const void* x, int64_t row, int64_t width);
  bool (*beats)(const void* candidate, const void* best);
};

#define MX_DEFINE_ARG_LOOPS(name, maximum, T)                                                 \
  MX_CLONES int64_t name##_row_##T(const void* x, int64_t n) {                                \
    return best_of_row<maximum>(static_cast<const T*>(x), n);                                 \
  }                                                                                           \
  MX_CLONES void name##_columns_##T(void* best, int64_t* index, const void* x, int64_t row,   \
                                    int64_t width) {                                          \
    take_row_of_columns<maximum>(static_cast<T*>(best), index, static_cast<const T*>(x), row, \
                                 width);                                                      \
  }                                                                                           \
  bool name##_beats_##T(const void* candidate, const void* best) {                            \
    return beats<maximum>(*static_cast<const T*>(candidate), *static_cast<const T*>(best));   \
  }
#define MX_DEFINE_ARG_TYPE(T) \
  MX_DEFINE_ARG_LOOPS(argmax, true, T) MX_DEFINE_ARG_LOOPS(argmin, false, T)
MX_DEFINE_ARG_TYPE(float)
MX_DEFINE_ARG_TYPE(double)
MX_DEFINE_ARG_TYPE(int32_t)
MX_DEFINE_ARG_TYPE(int64_t)
#define MX_ARG_ENTRY(name, T) \
  { name##_row_##T, name##_columns_##T, name##_beats_##T }
constexpr ArgLoops kArgLoops[2][4] = {
    {MX_ARG_ENTRY(argmax, float), MX_ARG_ENTRY(argmax, double), MX_ARG_ENTRY(argmax, int32_t),
     MX_ARG_ENTRY(argmax, int64_t)},
    {MX_ARG_ENTRY(argmin, float), MX_ARG_ENTRY(argmin, double), MX_ARG_ENTRY(argmin, int32_t),
     MX_ARG_ENTRY(argmin, int64_t)}};

class ArgReduce {
 public:
  ArgReduce(const mx_signature& sig, mx_prepared& plan) {
    const Params params(sig);
    const auto op = params.text("op");
    if (op != "argmax" && op != "argmin")
      throw Unsupported("unknown arg reduction " + std::string(op));
    const auto shape = shape_of(sig.in[0]);
    const int64_t axis = params.integer("axis", -1);  // none: the flattened array
    if (axis >= static_cast<int64_t>(shape.size()))
      throw std::invalid_argument("[_arg_reduce] axis out of range");
    length_ = axis < 0 ? numel(shape) : shape[static_cast<size_t>(axis)];
    if (axis >= 0) {
      outer_ = numel(shape.first(static_cast<size_t>(axis)));
      inner_ = numel(shape.subspan(static_cast<size_t>(axis) + 1));
    }
    type_ = natural_compute(sig.in[0].dtype);
    in_bytes_ = static_cast<int64_t>(element_size(sig.in[0].dtype));
    out_bytes_ = static_cast<int64_t>(element_size(sig.out[0].dtype));
    load_ = sig.in[0].dtype == natural_dtype(type_) ? nullptr : load_loop(sig.in[0].dtype, type_);
    store_ = store_loop(MX_C_I64, sig.out[0].dtype);
    loops_ = &kArgLoops[op == "argmin"][type_];
    cost_ns_ = 20 + 0.3 * static_cast<double>(numel(shape)) + 5.0 * static_cast<double>(outer_);
    plan.cost_ns = cost_ns_;
  }

  void operator()(const mx_call& call) const {
    const auto* in = static_cast<const char*>(call.in[0]);
    auto* out = static_cast<char*>(call.out[0]);
    if (inner_ == 1) {
      parallel_for(outer_, 1, cost_ns_,
                   [&](int64_t begin, int64_t end) { rows(in, out, begin, end); });
      return;
    }
    const int64_t blocks = (inner_ + kChunk - 1) / kChunk;
    parallel_for(outer_ * blocks, 1, cost_ns_, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) columns(in, out, i / blocks, i % blocks * kChunk);
    });
  }

 private:
  // `n` elements from `at`, in the compute type.
  const char* load(const char* in, int64_t at, int64_t n, void* buffer) const {
    const char* source = in + at * in_bytes_;
    if (!load_) return source;
    load_(buffer, source, nullptr, nullptr, n);
    return static_cast<const char*>(buffer);
  }

  void rows(const char* in, char* out, int64_t begin, int64_t end) const {
    alignas(64) int64_t buffer[kChunk], index[kChunk];
    for (int64_t at = begin; at < end; at += kChunk) {
      const int64_t n = std::min(kChunk, end - at);
      for (int64_t r = 0; r < n; ++r) index[r] = row(in, (at + r) * length_, buffer);
      store_(out + at * out_bytes_, index, nullptr, nullptr, n);
    }
  }

  int64_t row(const char* in, int64_t start, int64_t* buffer) const {
    if (!load_) return length_ ? loops_->row(in + start * in_bytes_, length_) : 0;
    int64_t best = 0, best_value = 0;
    const size_t size = compute_size(type_);
    for (int64_t at = 0; at < length_; at += kChunk) {
      const int64_t n = std::min(kChunk, length_ - at);
      const char* x = load(in, start + at, n, buffer);
      const int64_t candidate = loops_->row(x, n);
      const char* value = x + candidate * static_cast<int64_t>(size);
      if (at && !loops_->beats(value, &best_value)) continue;
      best = at + candidate;
      std::memcpy(&best_value, value, size);
    }
    return best;
  }

  void columns(const char* in, char* out, int64_t outer, int64_t first) const {
    alignas(64) int64_t buffer[kChunk], best[kChunk], index[kChunk];
    const int64_t width = std::min(kChunk, inner_ - first);
    std::fill_n(index, width, 0);
    for (int64_t r = 0; r < length_; ++r) {
      const char* x = load(in, (outer * length_ + r) * inner_ + first, width, buffer);
      if (r == 0)
        std::memcpy(best, x, static_cast<size_t>(width) * compute_size(type_));
      else
        loops_->columns(best, index, x, r, width);
    }
    store_(out + (outer * inner_ + first) * out_bytes_, index, nullptr, nullptr, width);
  }

  int64_t outer_ = 1, length_ = 1, inner_ = 1;
  int64_t type_ = 0, in_bytes_ = 4, out_bytes_ = 4;
  Loop load_ = nullptr, store_ = nullptr;
  const ArgLoops* loops_ = nullptr;
  double cost_ns_ = 20;
};

}  // namespace

std::vector<mx_kernel> arg_reduce_kernels() { return {make_kernel<ArgReduce>("_arg_reduce")}; }

}  // namespace mx::cpu
