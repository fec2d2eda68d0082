// Loops of the reductions, one set per (operation, compute type).
#pragma once

#include <cstdint>
#include <string_view>

namespace mx::cpu {

// Accumulators are wider than values where that matters: sums and products of float in double, of
// integers in int64 (wrapping); maxima in the value's own type.
struct Reduction {
  int64_t accumulator;  // mx_compute of the accumulators
  void (*start)(void* acc, int64_t n);
  // acc[i] takes in the `width` values of row i of x.
  void (*rows)(void* acc, const void* x, int64_t rows, int64_t width);
  // acc[k] takes in x[r * stride + k] for all r < rows, k < width.
  void (*columns)(void* acc, const void* x, int64_t rows, int64_t stride, int64_t width);
  // acc[i] takes in other[i], which is an accumulator as well.
  void (*merge)(void* acc, const void* other, int64_t n);
};

// op: sum, prod, max, min, nansum, nanprod. nullptr for any other.
const Reduction* find_reduction(std::string_view op, int64_t compute);

}  // namespace mx::cpu
