// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a
// counter-based generator. Word w of counter c is a pure function of (seed, c): no state, any
// order, any number of threads.
#pragma once

#include <cstdint>
#include <cstring>

#include "vecmath.h"

namespace mx::cpu {

inline constexpr int kPhiloxLanes = 16;                // counters worked on together
inline constexpr int kPhiloxWords = 4 * kPhiloxLanes;  // the words they give

// gcc's vector types, because it does not vectorise the rounds as a loop; split into what the
// instruction set has.
using PhiloxVector = uint32_t __attribute__((vector_size(64)));
using PhiloxProducts = uint64_t __attribute__((vector_size(64)));

// The high and low words of a[l] * factor.
MX_INLINE void philox_multiply(const PhiloxVector& a, uint64_t factor, PhiloxVector& high,
                               PhiloxVector& low) {
  constexpr uint64_t kLowHalf = 0xffffffffu;
  const PhiloxProducts even = (PhiloxProducts(a) & kLowHalf) * factor;
  const PhiloxProducts odd = (PhiloxProducts(a) >> 32) * factor;
  high = PhiloxVector((even >> 32) | (odd & ~kLowHalf));
  low = PhiloxVector((even & kLowHalf) | (odd << 32));
}

// words[w * kPhiloxLanes + l] = word w of counter (first + l, third, fourth); words is aligned to
// 64 bytes.
MX_INLINE void philox(uint64_t seed, uint64_t first, uint32_t* words, uint32_t third = 0,
                      uint32_t fourth = 0) {
  PhiloxVector x0, x1, x2 = PhiloxVector{} + third, x3 = PhiloxVector{} + fourth;
  for (int l = 0; l < kPhiloxLanes; ++l) {
    const uint64_t counter = first + static_cast<uint64_t>(l);
    x0[l] = static_cast<uint32_t>(counter);
    x1[l] = static_cast<uint32_t>(counter >> 32);
  }
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
    PhiloxVector high0, low0, high1, low1;
    philox_multiply(x0, 0xD2511F53u, high0, low0);
    philox_multiply(x2, 0xCD9E8D57u, high1, low1);
    x0 = high1 ^ x1 ^ key0;
    x2 = high0 ^ x3 ^ key1;
    x1 = low1;
    x3 = low0;
  }
  const PhiloxVector all[] = {x0, x1, x2, x3};
  std::memcpy(words, all, sizeof(all));
}

}  // namespace mx::cpu
