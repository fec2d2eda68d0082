// Loops over contiguous elements: one per (opcode, compute type) and per conversion between storage
// and compute type. Everything the pointwise interpreter executes is one of these.
//
// A destination may be the very same memory as a source of the same element size; otherwise they
// are disjoint.
#pragma once

#include <cstdint>

#include "mx/abi.h"
#include "mx/pointwise.h"

namespace mx::cpu {

// dst[i] = f(a[i], b[i], c[i]) for i < n; loops with fewer operands ignore b, c.
using Loop = void (*)(void* dst, const void* a, const void* b, const void* c, int64_t n);

inline constexpr int kOpcodes = 128;  // opcodes below this may exist; the tables are that long

// Loops with two operands also exist with one of them a single element, read once: b[0] or a[0].
enum class Form { vectors, scalar_right, scalar_left };

// The loop, or nullptr when the opcode does not exist, or not in this compute type or form.
Loop pointwise_loop(int64_t opcode, int64_t compute, Form form = Form::vectors);
Loop f32_loop(int64_t opcode, Form form);
Loop f64_loop(int64_t opcode, Form form);
Loop i32_loop(int64_t opcode, Form form);
Loop i64_loop(int64_t opcode, Form form);

// Between compute types; nullptr for numbers out of range.
Loop cast_loop(int64_t from_compute, int64_t to_compute);
// From storage to compute type and back. When the two are the same type these copy.
Loop load_loop(int32_t dtype, int64_t compute);
Loop store_loop(int64_t compute, int32_t dtype);

// Estimated nanoseconds per element on one core, memory traffic not counted.
double opcode_cost(int64_t opcode, int64_t compute);

inline size_t compute_size(int64_t compute) {
  return compute == MX_C_F64 || compute == MX_C_I64 ? 8 : 4;
}
inline int32_t natural_dtype(int64_t compute) {
  constexpr int32_t dtypes[] = {MX_FLOAT32, MX_FLOAT64, MX_INT32, MX_INT64};
  return dtypes[compute];
}
inline int64_t natural_compute(int32_t dtype) {
  switch (dtype) {
    case MX_FLOAT64:
      return MX_C_F64;
    case MX_INT64:
      return MX_C_I64;
    case MX_FLOAT32:
    case MX_FLOAT16:
    case MX_BFLOAT16:
      return MX_C_F32;
    default:
      return MX_C_I32;
  }
}

}  // namespace mx::cpu
