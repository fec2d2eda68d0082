// What the kernels written for AVX-512 share. Such code is only entered where has_avx512() says so.
#pragma once

#pragma GCC diagnostic push  // GCC 12 warns of what its own header leaves undefined on purpose
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <cstdint>

// Arrays of vectors stay in registers only if the loops over them are unrolled early.
#define MX_UNROLLED _Pragma("GCC unroll 16")
#define MX_AVX512 __attribute__((target("arch=x86-64-v4")))

namespace mx::cpu {

inline constexpr int64_t kLanes = 16;  // floats of a vector

inline bool has_avx512() {
  static const bool has = __builtin_cpu_supports("x86-64-v4");
  return has;
}

inline int64_t whole(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// The first `left` lanes.
MX_AVX512 inline __mmask16 mask_of(int64_t left) {
  return left >= kLanes ? __mmask16(0xffff) : __mmask16((1u << left) - 1);
}

MX_AVX512 inline float lane_sum(const __m512& lanes) {
  float values[kLanes], sum = 0;
  _mm512_storeu_ps(values, lanes);
  for (float value : values) sum += value;
  return sum;
}

// The sums of the elements i with the same i % 16.
MX_AVX512 inline __m512 plane_sum(const float* x, int64_t n) {
  __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  for (int64_t i = 0; i < n; i += 2 * kLanes) {
    sum[0] = _mm512_add_ps(sum[0], _mm512_maskz_loadu_ps(mask_of(n - i), x + i));
    if (n - i > kLanes)
      sum[1] =
          _mm512_add_ps(sum[1], _mm512_maskz_loadu_ps(mask_of(n - i - kLanes), x + i + kLanes));
  }
  return _mm512_add_ps(sum[0], sum[1]);
}

// Sixteen vectors as the rows of a matrix: its transpose.
MX_AVX512 inline void transpose(__m512 (&v)[kLanes]) {
  __m512 a[kLanes];
  MX_UNROLLED
  for (int i = 0; i < kLanes; i += 2) {
    a[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
    a[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
  }
  MX_UNROLLED
  for (int i = 0; i < kLanes; i += 4) {
    const __m512d x0 = _mm512_castps_pd(a[i]), x1 = _mm512_castps_pd(a[i + 1]);
    const __m512d y0 = _mm512_castps_pd(a[i + 2]), y1 = _mm512_castps_pd(a[i + 3]);
    v[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(x0, y0));
    v[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(x0, y0));
    v[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(x1, y1));
    v[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(x1, y1));
  }
  // v[4 q + j] holds column 4 m + j of rows 4 q .. 4 q + 3 in its quarter m.
  MX_UNROLLED
  for (int j = 0; j < 4; ++j) {
    const __m512 low = _mm512_shuffle_f32x4(v[j], v[4 + j], 0x88);        // q 0 0 1 1, m 0 2 0 2
    const __m512 high = _mm512_shuffle_f32x4(v[j], v[4 + j], 0xdd);       // m 1 3 1 3
    const __m512 low2 = _mm512_shuffle_f32x4(v[8 + j], v[12 + j], 0x88);  // q 2 2 3 3
    const __m512 high2 = _mm512_shuffle_f32x4(v[8 + j], v[12 + j], 0xdd);
    a[j] = _mm512_shuffle_f32x4(low, low2, 0x88);        // column j: m = 0
    a[8 + j] = _mm512_shuffle_f32x4(low, low2, 0xdd);    // m = 2
    a[4 + j] = _mm512_shuffle_f32x4(high, high2, 0x88);  // m = 1
    a[12 + j] = _mm512_shuffle_f32x4(high, high2, 0xdd);
  }
  MX_UNROLLED
  for (int i = 0; i < kLanes; ++i) v[i] = a[i];
}

}  // namespace mx::cpu
