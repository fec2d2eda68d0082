// The kernel _shuffle: a random permutation of the rows (axis 0) of an array.
#include <cstring>
#include <numeric>
#include <utility>

#include "families.h"
#include "mx/kernel.h"
#include "philox.h"

namespace mx::cpu {
namespace {

constexpr int64_t kDrawsAtOnce = kPhiloxWords / 2;  // a draw takes two words

MX_CLONES void draw_words(uint64_t seed, uint64_t first, uint32_t* words) {
  philox(seed, first, words);
}

class Shuffle {
 public:
  Shuffle(const mx_signature& sig, mx_prepared& plan) {
    const auto shape = shape_of(sig.in[0]);
    rows_ = shape.empty() ? 1 : shape[0];
    row_bytes_ = rows_ ? byte_size(sig.in[0]) / static_cast<size_t>(rows_) : 0;
    plan.workspace_bytes = static_cast<size_t>(rows_) * sizeof(int64_t);
    plan.random_blocks =
        static_cast<uint64_t>((rows_ + kDrawsAtOnce - 1) / kDrawsAtOnce * kPhiloxLanes);
    plan.cost_ns = 50 + static_cast<double>(rows_) * (8 + static_cast<double>(row_bytes_) / 10);
  }

  void operator()(const mx_call& call) const {
    auto* order = static_cast<int64_t*>(call.workspace);
    permute(order, call.seed, call.offset);
    const auto* in = static_cast<const char*>(call.in[0]);
    auto* out = static_cast<char*>(call.out[0]);
    if (!row_bytes_) return;
    for (int64_t r = 0; r < rows_; ++r)
      std::memcpy(out + static_cast<size_t>(r) * row_bytes_,
                  in + static_cast<size_t>(order[r]) * row_bytes_, row_bytes_);
  }

 private:
  // Fisher and Yates; draw i is words i and i + 32 of its block of 16 counters.
  void permute(int64_t* order, uint64_t seed, uint64_t offset) const {
    std::iota(order, order + rows_, int64_t{0});
    alignas(64) uint32_t words[kPhiloxWords];
    for (int64_t i = 0; i < rows_; ++i) {
      const int64_t draw = i % kDrawsAtOnce;
      if (draw == 0)
        draw_words(seed, offset + static_cast<uint64_t>(i / kDrawsAtOnce * kPhiloxLanes), words);
      const uint64_t bits = static_cast<uint64_t>(words[draw]) << 32 | words[draw + kDrawsAtOnce];
      const auto left = static_cast<uint64_t>(rows_ - i);
      const auto chosen = static_cast<int64_t>(static_cast<unsigned __int128>(bits) * left >> 64);
      std::swap(order[i], order[i + chosen]);
    }
  }

  int64_t rows_ = 0;
  size_t row_bytes_ = 0;
};

}  // namespace

std::vector<mx_kernel> shuffle_kernels() { return {make_kernel<Shuffle>("_shuffle")}; }

}  // namespace mx::cpu
