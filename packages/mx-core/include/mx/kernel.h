// Sugar over the C ABI for kernel authors in C++20; header-only, needs nothing but abi.h.
//
// A kernel is a class. Its constructor is the ABI's prepare(): it reads the signature, chooses the
// algorithm and fills the plan; operator() is run():
//
//   struct Scale {                                     // out = in * factor
//     int64_t n;
//     double factor;
//     Scale(const mx_signature& sig, mx_prepared& plan)
//         : n(mx::numel(sig.out[0])), factor(mx::Params(sig).number("factor", 1.0)) {
//       if (sig.in[0].dtype != MX_FLOAT32) throw mx::Unsupported("only float32");
//       plan.cost_ns = n / 8.0;
//       plan.inplace[0] = 1u << 0;
//     }
//     void operator()(const mx_call& call) const {
//       auto* in = static_cast<const float*>(call.in[0]);
//       auto* out = static_cast<float*>(call.out[0]);
//       for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(in[i] * factor);
//     }
//   };
//   static const mx_kernel kernels[] = {mx::make_kernel<Scale>("scale")};
//
// Unsupported in the constructor: the next kernel (or the composition) is tried. Any other exception,
// there or in operator(), fails the call with its text.
#ifndef MX_KERNEL_H_
#define MX_KERNEL_H_

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mx/abi.h"

namespace mx {

using Shape = std::vector<int64_t>;

// "Not with these types or parameters": lets another kernel, or the composition, take the call.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// ---- element types ---------------------------------------------------------------------------------

// Storage of one float16; compute in float. Both conversions are branch-free, so loops vectorise.
struct float16 {
  uint16_t bits;
  float16() = default;
  explicit float16(float value) : bits(from_float(value)) {}
  operator float() const { return to_float(bits); }

  static float to_float(uint16_t h) {
    const uint32_t sign = static_cast<uint32_t>(h & 0x8000u) << 16;
    const uint32_t magnitude = static_cast<uint32_t>(h & 0x7fffu) << 13;
    // Multiplying by 2^112 rebases the exponent and normalises denormals; inf and NaN are patched.
    float scaled = as_float(magnitude) * 0x1p112f;
    const uint32_t special = magnitude >= (0x7c00u << 13) ? 0x7f800000u : 0u;
    return as_float(as_bits(scaled) | special | sign);
  }
  static uint16_t from_float(float f) {
    const uint32_t bits = as_bits(f);
    const uint32_t magnitude = bits & 0x7fffffffu;
    // Normal results: round the mantissa to nearest even by integer arithmetic.
    const uint32_t normal = (magnitude + 0xc8000fffu + ((magnitude >> 13) & 1u)) >> 13;
    // Denormal results: adding 0.5 aligns the mantissa so that the FPU does the rounding.
    const uint32_t denormal = as_bits(as_float(magnitude) + 0.5f) - 0x3f000000u;
    const uint32_t finite = magnitude < 0x38800000u ? denormal : normal;
    const uint32_t limited = magnitude >= 0x477ff000u ? 0x7c00u : finite;
    const uint32_t result = magnitude > 0x7f800000u ? 0x7e00u : limited;
    return static_cast<uint16_t>(result | ((bits >> 16) & 0x8000u));
  }

 private:
  static float as_float(uint32_t u) {
    float f;
    std::memcpy(&f, &u, 4);
    return f;
  }
  static uint32_t as_bits(float f) {
    uint32_t u;
    std::memcpy(&u, &f, 4);
    return u;
  }
};

// Storage of one bfloat16; compute in float. Rounds to nearest even, NaN stays NaN.
struct bfloat16 {
  uint16_t bits;
  bfloat16() = default;
  explicit bfloat16(float value) {
    uint32_t u;
    std::memcpy(&u, &value, 4);
    const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    const uint32_t nan = (u >> 16) | 0x40u;
    bits = static_cast<uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
  }
  operator float() const {
    const uint32_t u = static_cast<uint32_t>(bits) << 16;
    float f;
    std::memcpy(&f, &u, 4);
    return f;
  }
};

// Storage of one bool: any non-zero byte is true, so that foreign bytes are never undefined behaviour.
struct bool8 {
  uint8_t byte;
  bool8() = default;
  explicit bool8(bool value) : byte(value) {}
  operator bool() const { return byte != 0; }
};

template <class T>
struct type_tag {
  using type = T;
};

// Calls f(type_tag<T>{}) with the storage type of `dtype`.
template <class F>
decltype(auto) visit_dtype(int32_t dtype, F&& f) {
  switch (dtype) {
    case MX_FLOAT32: return f(type_tag<float>{});
    case MX_FLOAT64: return f(type_tag<double>{});
    case MX_FLOAT16: return f(type_tag<float16>{});
    case MX_BFLOAT16: return f(type_tag<bfloat16>{});
    case MX_UINT8: return f(type_tag<uint8_t>{});
    case MX_INT8: return f(type_tag<int8_t>{});
    case MX_INT32: return f(type_tag<int32_t>{});
    case MX_INT64: return f(type_tag<int64_t>{});
    case MX_BOOL: return f(type_tag<bool8>{});
  }
  throw Unsupported("unknown dtype number " + std::to_string(dtype));
}

inline size_t element_size(int32_t dtype) {
  return visit_dtype(dtype, [](auto tag) { return sizeof(typename decltype(tag)::type); });
}

inline bool is_floating(int32_t dtype) {
  return dtype == MX_FLOAT32 || dtype == MX_FLOAT64 || dtype == MX_FLOAT16 || dtype == MX_BFLOAT16;
}

inline const char* dtype_name(int32_t dtype) {
  switch (dtype) {
    case MX_FLOAT32: return "float32";
    case MX_FLOAT64: return "float64";
    case MX_FLOAT16: return "float16";
    case MX_BFLOAT16: return "bfloat16";
    case MX_UINT8: return "uint8";
    case MX_INT8: return "int8";
    case MX_INT32: return "int32";
    case MX_INT64: return "int64";
    case MX_BOOL: return "bool";
  }
  return "unknown dtype";
}

// ---- shapes ----------------------------------------------------------------------------------------

// The product of some sizes may overflow where another size is 0: then it does not matter, and wraps.
inline int64_t wrapped_product(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

inline int64_t numel(std::span<const int64_t> shape) {
  int64_t n = 1;
  for (int64_t d : shape) n = wrapped_product(n, d);
  return n;
}

inline std::span<const int64_t> shape_of(const mx_tensor_type& t) {
  return {t.shape, static_cast<size_t>(t.ndim)};
}

inline int64_t numel(const mx_tensor_type& t) { return numel(shape_of(t)); }

inline size_t byte_size(const mx_tensor_type& t) {
  return static_cast<size_t>(numel(t)) * element_size(t.dtype);
}

// Row-major strides in elements.
inline Shape strides_of(std::span<const int64_t> shape) {
  Shape strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step = wrapped_product(step, shape[i]);
  }
  return strides;
}

// Strides that read `shape` as if it were broadcast (right-aligned) to `target`: 0 where it repeats.
inline Shape broadcast_strides(std::span<const int64_t> shape, std::span<const int64_t> target) {
  if (shape.size() > target.size()) throw Unsupported("more dimensions than the shape broadcast to");
  Shape strides(target.size(), 0);
  const Shape own = strides_of(shape);
  const size_t lead = target.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == target[lead + i]) {
      strides[lead + i] = shape[i] == 1 ? 0 : own[i];
    } else if (shape[i] != 1) {
      throw Unsupported("shapes do not broadcast");
    }
  }
  return strides;
}

// ---- parameters ------------------------------------------------------------------------------------

// Reads the signature's parameters by name. Without a default, absence (or None) is an error.
class Params {
 public:
  explicit Params(const mx_signature& sig) : op_(sig.op), all_(sig.params, size_t(sig.n_params)) {}

  // Present and not None.
  bool has(std::string_view name) const { return find(name) != nullptr; }

  int64_t integer(std::string_view name) const { return need(name, {MX_PARAM_INT, MX_PARAM_BOOL}).i; }
  int64_t integer(std::string_view name, int64_t absent) const {
    return has(name) ? integer(name) : absent;
  }
  double number(std::string_view name) const {
    return need(name, {MX_PARAM_FLOAT, MX_PARAM_INT, MX_PARAM_BOOL}).f;
  }
  double number(std::string_view name, double absent) const {
    return has(name) ? number(name) : absent;
  }
  bool boolean(std::string_view name) const {
    return need(name, {MX_PARAM_BOOL, MX_PARAM_INT}).i != 0;
  }
  bool boolean(std::string_view name, bool absent) const {
    return has(name) ? boolean(name) : absent;
  }
  std::string_view text(std::string_view name) const {
    const mx_param& p = need(name, {MX_PARAM_STRING});
    return {p.s, static_cast<size_t>(p.n)};
  }
  std::string_view text(std::string_view name, std::string_view absent) const {
    return has(name) ? text(name) : absent;
  }
  // Copies, because the signature lives only until prepare() returns.
  Shape ints(std::string_view name) const {
    const mx_param& p = need(name, {MX_PARAM_INTS});
    return Shape(p.ints, p.ints + p.n);
  }
  Shape ints(std::string_view name, Shape absent) const {
    return has(name) ? ints(name) : std::move(absent);
  }
  std::vector<double> floats(std::string_view name) const {
    const mx_param& p = need(name, {MX_PARAM_FLOATS, MX_PARAM_INTS});
    if (p.kind == MX_PARAM_INTS) return std::vector<double>(p.ints, p.ints + p.n);
    return std::vector<double>(p.floats, p.floats + p.n);
  }

 private:
  const mx_param* find(std::string_view name) const {
    for (const mx_param& p : all_)
      if (name == p.name && p.kind != MX_PARAM_NONE) return &p;
    return nullptr;
  }
  const mx_param& need(std::string_view name, std::initializer_list<int32_t> kinds) const {
    const mx_param* p = find(name);
    if (!p) throw std::invalid_argument(where(name) + " is missing");
    for (int32_t kind : kinds)
      if (p->kind == kind) return *p;
    throw std::invalid_argument(where(name) + " has kind " + std::to_string(p->kind) +
                                ", which this kernel does not read");
  }
  std::string where(std::string_view name) const {
    return std::string("[") + op_ + "] parameter '" + std::string(name) + "'";
  }

  const char* op_;
  std::span<const mx_param> all_;
};

// ---- a class as a kernel ---------------------------------------------------------------------------

inline void write_message(char* buffer, size_t size, const char* text) {
  if (buffer && size) std::snprintf(buffer, size, "%s", text);
}

template <class State>
int run_state(void* state, const mx_call* call) {
  try {
    (*static_cast<const State*>(state))(*call);
    return 0;
  } catch (const std::exception& e) {
    write_message(call->error, call->error_size, e.what());
  } catch (...) {
    write_message(call->error, call->error_size, "the kernel threw something that is no std::exception");
  }
  return 1;
}

template <class State>
int prepare_state(const mx_signature* sig, mx_prepared* plan, char* message, size_t message_size) {
  try {
    plan->cost_ns = 20;
    auto state = std::make_unique<State>(*sig, *plan);
    if (!plan->run) plan->run = run_state<State>;  // a constructor may pick a leaner run function
    plan->state = state.release();
    plan->free_state = [](void* s) { delete static_cast<State*>(s); };
    return MX_OK;
  } catch (const Unsupported& e) {
    write_message(message, message_size, e.what());
    return MX_UNSUPPORTED;
  } catch (const std::exception& e) {
    write_message(message, message_size, e.what());
    return MX_FAILED;
  }
}

// The table entry of kernel class State; `op` must outlive the process (a literal).
template <class State>
mx_kernel make_kernel(const char* op, int32_t priority = 0) {
  return mx_kernel{op, &prepare_state<State>, priority};
}

}  // namespace mx

#endif  // MX_KERNEL_H_
