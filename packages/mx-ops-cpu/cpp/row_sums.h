// Sums over contiguous elements as the normalizations take them: many lanes over short blocks, the
// blocks added in double.
#pragma once

#include <algorithm>
#include <cstdint>

#include "vecmath.h"

namespace mx::cpu {

inline constexpr int64_t kLanes = 64;  // partial sums of a loop
inline constexpr int64_t kBlock =
    4096;  // elements added before the lanes are emptied into a double

struct Sums {
  double first = 0, second = 0;
};

// The sum over n contiguous elements of f(i).
template <class T, class F>
MX_INLINE double sum_of(int64_t n, F&& f) {
  double sum = 0;
  for (int64_t from = 0; from < n; from += kBlock) {
    const int64_t end = std::min(n, from + kBlock);
    T a[kLanes] = {};
    int64_t i = from;
    for (; i + kLanes <= end; i += kLanes)
      for (int64_t j = 0; j < kLanes; ++j) a[j] += f(i + j);
    for (int64_t j = 0; j < end - i; ++j) a[j] += f(i + j);
    for (int64_t width = kLanes / 2; width > 0; width /= 2)
      for (int64_t j = 0; j < width; ++j) a[j] += a[j + width];
    sum += static_cast<double>(a[0]);
  }
  return sum;
}

// Sums over n contiguous elements of first(i) and second(i), which f(i) returns as a pair of T.
template <class T, class F>
MX_INLINE Sums sum_pairs(int64_t n, F&& f) {
  Sums sums;
  for (int64_t from = 0; from < n; from += kBlock) {
    const int64_t end = std::min(n, from + kBlock);
    T a[kLanes] = {}, b[kLanes] = {};
    int64_t i = from;
    for (; i + kLanes <= end; i += kLanes) {
      for (int64_t j = 0; j < kLanes; ++j) {
        T u, v;
        f(i + j, u, v);
        a[j] += u;
        b[j] += v;
      }
    }
    for (int64_t j = 0; j < end - i; ++j) {
      T u, v;
      f(i + j, u, v);
      a[j] += u;
      b[j] += v;
    }
    for (int64_t width = kLanes / 2; width > 0; width /= 2) {
      for (int64_t j = 0; j < width; ++j) {
        a[j] += a[j + width];
        b[j] += b[j + width];
      }
    }
    sums.first += static_cast<double>(a[0]);
    sums.second += static_cast<double>(b[0]);
  }
  return sums;
}

}  // namespace mx::cpu
