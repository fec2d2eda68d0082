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
  // With the words of trial 0, each `stride` after the other.
  PhiloxStream(uint64_t seed, uint64_t counter, const uint32_t* words, int stride)
      : seed_(seed), counter_(counter), trial_(1), left_(4) {
    for (int i = 0; i < 4; ++i) words_[i] = words[i * stride];
  }

  // 52 bits in (0, 1).
  double uniform() {
    const uint64_t high = next(), low = next();
    return (static_cast<double>(static_cast<int64_t>((high << 32 | low) >> 12)) + 0.5) * 0x1p-52;
  }
  // 32 bits in (0, 1).
  double coarse_uniform() { return (static_cast<double>(next()) + 0.5) * 0x1p-32; }
  // Box and Muller; the angle is kept for a second call.
  double normal() {
    if (has_angle_) {
      has_angle_ = false;
      return radius_ * std::sin(angle_);
    }
    radius_ = std::sqrt(-2.0 * std::log(uniform()));
    angle_ = 2.0 * std::numbers::pi * coarse_uniform();
    has_angle_ = true;
    return radius_ * std::cos(angle_);
  }

 private:
  uint32_t next() {
    if (left_ == 0) refill();
    return words_[--left_];
  }
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
  bool has_angle_ = false;
  double radius_ = 0, angle_ = 0;
};

}  // namespace mx::cpu
