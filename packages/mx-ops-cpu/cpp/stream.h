// Stores past the caches, for results too large to stay in them: a plain store first reads the line
// that it fills, a third of the traffic of a copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "vecmath.h"

namespace mx::cpu {

inline constexpr size_t kLineBytes = 64;
// Smaller results may still be in the cache when they are read next.
inline constexpr size_t kStreamBytes = size_t{16} << 20;

enum class Streaming { none, by_half_line, by_line };  // what this processor stores at once

inline Streaming streaming() {
#if defined(__x86_64__)
  static const Streaming found = __builtin_cpu_supports("x86-64-v4")   ? Streaming::by_line
                                 : __builtin_cpu_supports("x86-64-v3") ? Streaming::by_half_line
                                                                       : Streaming::none;
  return found;
#else
  return Streaming::none;
#endif
}

// True when a result of so many bytes should be streamed.
inline bool worth_streaming(size_t bytes) {
  return bytes >= kStreamBytes && streaming() != Streaming::none;
}

inline bool starts_line(const void* p) { return reinterpret_cast<uintptr_t>(p) % kLineBytes == 0; }

// Streamed stores overtake later ones: call this at the end of a thread's share of them.
inline void finish_streaming() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

template <class T, size_t bytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(bytes)));
};
template <class T>
using Line = typename VectorOf<T, kLineBytes>::type;  // one cache line
template <class T>
using HalfLine = typename VectorOf<T, kLineBytes / 2>::type;

#if defined(__x86_64__)
template <class V>
__attribute__((target("avx512f"), always_inline)) inline void stream(
    void* to, const V& line) requires(sizeof(V) == 64) {
  _mm512_stream_si512(static_cast<__m512i*>(to), reinterpret_cast<const __m512i&>(line));
}
template <class V>
__attribute__((target("avx2"), always_inline)) inline void stream(void* to, const V& half) requires(
    sizeof(V) == 32) {
  _mm256_stream_si256(static_cast<__m256i*>(to), reinterpret_cast<const __m256i&>(half));
}

// The body of stream_rows for one width of vectors.
#define MX_STREAM_ROWS(name, instructions, Vector)                                                \
  template <int together, class T, class F>                                                       \
  __attribute__((target(instructions))) void name(T* to, int64_t stride, int64_t rows, int64_t n, \
                                                  F&& f) {                                        \
    constexpr int64_t width = sizeof(Vector<T>) / sizeof(T);                                      \
    for (int64_t r = 0; r < rows; r += together, to += together * stride) {                       \
      int64_t i = 0;                                                                              \
      for (; i < n && !starts_line(to + i); ++i) {                                                \
        T out[together];                                                                          \
        f(r, i, out);                                                                             \
        for (int k = 0; k < together; ++k) to[k * stride + i] = out[k];                           \
      }                                                                                           \
      for (; i + width <= n; i += width) {                                                        \
        Vector<T> out[together];                                                                  \
        f(r, i, out);                                                                             \
        for (int k = 0; k < together; ++k) stream(to + k * stride + i, out[k]);                   \
      }                                                                                           \
      for (; i < n; ++i) {                                                                        \
        T out[together];                                                                          \
        f(r, i, out);                                                                             \
        for (int k = 0; k < together; ++k) to[k * stride + i] = out[k];                           \
      }                                                                                           \
    }                                                                                             \
  }
MX_STREAM_ROWS(stream_rows_by_line, "arch=x86-64-v4", Line)
MX_STREAM_ROWS(stream_rows_by_half, "arch=x86-64-v3", HalfLine)
#undef MX_STREAM_ROWS
#endif

// Streams `rows` rows of n elements, `stride` apart: f(r, i, out) puts what belongs at element i of
// rows r .. r + together - 1 into out[together], whose elements are T, or vectors of T for elements
// i, i + 1, ... f must be always_inline. `together` divides rows; rows done together must lie in
// their lines alike (stride whole lines). Only where worth_streaming; then finish_streaming.
template <int together = 1, class T, class F>
void stream_rows(T* to, int64_t stride, int64_t rows, int64_t n, F&& f) {
#if defined(__x86_64__)
  if (streaming() == Streaming::by_line) {
    stream_rows_by_line<together>(to, stride, rows, n, f);
  } else {
    stream_rows_by_half<together>(to, stride, rows, n, f);
  }
#endif
}

// What stands in `out`, the third argument of f: T or a vector of T.
template <class Out>
using Value = std::remove_cvref_t<decltype(std::declval<Out>()[0])>;

// Loads and stores the value, or vector of values, that stands at p.
template <class T, class V>
MX_INLINE void load(const T* p, V& value) {
  std::memcpy(&value, p, sizeof value);
}

template <class T, class V>
MX_INLINE void store(const V& value, T* p) {
  std::memcpy(p, &value, sizeof value);
}

}  // namespace mx::cpu
