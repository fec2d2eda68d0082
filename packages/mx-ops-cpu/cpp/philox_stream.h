// One sample's own endless stream of random numbers, for methods that reject: trial t of counter c
// is Philox of (c, t, 1), so that a sample owns a single counter and no two streams share words
// (the samplers of random.cpp use (c, 0, 0)).
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace mx::cpu {

class PhiloxStream {
 public:
  PhiloxStream(uint64_t seed, uint64_t counter) : seed_(seed), counter_(counter) {}

  // 52 bits in (0, 1).
  double uniform() {
    if (left_ == 0) refill();
    left_ -= 2;
    const uint64_t bits = (static_cast<uint64_t>(words_[left_]) << 32 | words_[left_ + 1]) >> 12;
    return (static_cast<double>(static_cast<int64_t>(bits)) + 0.5) * 0x1p-52;
  }
  // Box and Muller; the second of a pair is kept for the next call.
  double normal() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    const double angle = 2.0 * std::numbers::pi * uniform();
    has_spare_ = true;
    spare_ = radius * std::sin(angle);
    return radius * std::cos(angle);
  }

 private:
  void refill() {
    uint32_t x[4] = {static_cast<uint32_t>(counter_), static_cast<uint32_t>(counter_ >> 32),
                     trial_++, 1};
    uint32_t key0 = static_cast<uint32_t>(seed_), key1 = static_cast<uint32_t>(seed_ >> 32);
    for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
      const uint64_t p = 0xD2511F53ull * x[0], q = 0xCD9E8D57ull * x[2];
      const uint32_t x0 = static_cast<uint32_t>(q >> 32) ^ x[1] ^ key0;
      const uint32_t x2 = static_cast<uint32_t>(p >> 32) ^ x[3] ^ key1;
      x[0] = x0, x[1] = static_cast<uint32_t>(q), x[2] = x2, x[3] = static_cast<uint32_t>(p);
    }
    for (int i = 0; i < 4; ++i) words_[i] = x[i];
    left_ = 4;
  }

  uint64_t seed_, counter_;
  uint32_t trial_ = 0;
  uint32_t words_[4] = {};
  int left_ = 0;
  bool has_spare_ = false;
  double spare_ = 0;
};

}  // namespace mx::cpu
