// The kernel _random: uniform, normal, exponential, bernoulli and randint samples from Philox.
//
// Samples are made in blocks of 64. A block takes 16 counters (float32 arithmetic: one 32-bit word
// per sample) or 32 (float64 and integers: two words per sample); sample i is a function of (seed,
// offset, i) alone.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "families.h"
#include "loops.h"
#include "mx/kernel.h"
#include "parallel.h"
#include "philox.h"

namespace mx::cpu {
namespace {

constexpr int64_t kBlock = kPhiloxWords;

// What a distribution needs at run time, ready for the loops.
struct Setting {
  double first, second;  // low, high - low; loc, scale; probability; scale
  double top;            // uniform: the largest number below high that the output can hold
  int64_t low;           // randint
  uint64_t span;         // randint: high - low
};

// 24 bits: every value is a multiple of 2^-24 in [0, 1).
MX_INLINE float unit(uint32_t word) {
  return static_cast<float>(static_cast<int32_t>(word >> 8)) * 0x1p-24f;
}
// (0, 1], fine near 0, for logarithms.
MX_INLINE float open_unit(uint32_t word) {
  return (static_cast<float>(static_cast<int32_t>(word >> 1)) + 0.5f) * 0x1p-31f;
}
// 53 bits in [0, 1).
MX_INLINE double unit(uint32_t high, uint32_t low) {
  const uint64_t joined = static_cast<uint64_t>(high >> 5) << 26 | low >> 6;
  return static_cast<double>(static_cast<int64_t>(joined)) * 0x1p-53;
}

struct Pair {
  float cos, sin;
};
// Cosine and sine of 2 pi u, 0 <= u < 1.
MX_INLINE Pair turn(float u) {
  const vec::Rounded quadrant = vec::round_nearest(4.0f * u);
  const float r = (4.0f * u - quadrant.value) * 1.57079633f;
  const float z = r * r;
  const float s =
      r +
      r * z * vec::polynomial(z, -0.166666667f, 0.00833333284f, -0.000198393310f, 2.71828447e-06f);
  const float c =
      1.0f - 0.5f * z +
      z * z * vec::polynomial(z, 0.0416666666f, -0.00138888837f, 2.47995159e-05f, -2.72098929e-07f);
  const bool swapped = quadrant.integer & 1;
  const float a = swapped ? s : c, b = swapped ? c : s;
  return {(quadrant.integer + 1) & 2 ? -a : a, quadrant.integer & 2 ? -b : b};
}

MX_INLINE void uniform_block(float* out, const uint32_t* w, const Setting& s) {
  const auto low = static_cast<float>(s.first), width = static_cast<float>(s.second),
             top = static_cast<float>(s.top);
  for (int i = 0; i < kBlock; ++i) {
    const float value = low + width * unit(w[i]);
    out[i] = value > top ? top : value;
  }
}
// Box and Muller: words 0, 1 and words 2, 3 of a counter give a pair of normals each.
MX_INLINE void normal_block(float* out, const uint32_t* w, const Setting& s) {
  const auto loc = static_cast<float>(s.first), scale = static_cast<float>(s.second);
  for (int half = 0; half < kBlock; half += kBlock / 2)
    for (int l = 0; l < kPhiloxLanes; ++l) {
      const float radius = std::sqrt(-2.0f * vec::log(open_unit(w[half + l])));
      const Pair t = turn(unit(w[half + kPhiloxLanes + l]));
      out[half + l] = loc + scale * (radius * t.cos);
      out[half + kPhiloxLanes + l] = loc + scale * (radius * t.sin);
    }
}
MX_INLINE void exponential_block(float* out, const uint32_t* w, const Setting& s) {
  const auto scale = static_cast<float>(s.first);
  for (int i = 0; i < kBlock; ++i) out[i] = -scale * vec::log(open_unit(w[i]));
}
MX_INLINE void bernoulli_block(float* out, const uint32_t* w, const Setting& s) {
  const auto probability = static_cast<float>(s.first);
  for (int i = 0; i < kBlock; ++i) out[i] = unit(w[i]) < probability ? 1.0f : 0.0f;
}

// The same in double; sample i takes words i and i + 64.
void uniform_block(double* out, const uint32_t* w, const Setting& s) {
  for (int i = 0; i < kBlock; ++i)
    out[i] = std::min(s.first + s.second * unit(w[i], w[i + kBlock]), s.top);
}
void normal_block(double* out, const uint32_t* w, const Setting& s) {
  for (int i = 0; i < kBlock; i += 2) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - unit(w[i], w[i + kBlock])));
    const double angle = 2.0 * std::numbers::pi * unit(w[i + 1], w[i + 1 + kBlock]);
    out[i] = s.first + s.second * (radius * std::cos(angle));
    out[i + 1] = s.first + s.second * (radius * std::sin(angle));
  }
}
void exponential_block(double* out, const uint32_t* w, const Setting& s) {
  for (int i = 0; i < kBlock; ++i) out[i] = -s.first * std::log(1.0 - unit(w[i], w[i + kBlock]));
}
void bernoulli_block(double* out, const uint32_t* w, const Setting& s) {
  for (int i = 0; i < kBlock; ++i)
    out[i] = static_cast<double>(unit(w[i], w[i + kBlock]) < s.first);
}
// The high half of a 64 x 64 bit product maps 64 random bits onto the span; its bias is below span
// / 2^64.
void randint_block(int64_t* out, const uint32_t* w, const Setting& s) {
  for (int i = 0; i < kBlock; ++i) {
    const uint64_t bits = static_cast<uint64_t>(w[i]) << 32 | w[i + kBlock];
    const auto scaled = static_cast<uint64_t>(static_cast<unsigned __int128>(bits) * s.span >> 64);
    out[i] = static_cast<int64_t>(static_cast<uint64_t>(s.low) + scaled);
  }
}

// Makes `blocks` blocks from counter `first` on.
using Sampler = void (*)(void* out, int64_t blocks, uint64_t seed, uint64_t first,
                         const Setting& setting);

#define MX_DEFINE_SAMPLER(name)                                                       \
  MX_CLONES void name##_f32(void* out, int64_t blocks, uint64_t seed, uint64_t first, \
                            const Setting& setting) {                                 \
    auto* to = static_cast<float*>(out);                                              \
    for (int64_t b = 0; b < blocks; ++b, to += kBlock) {                              \
      alignas(64) uint32_t words[kPhiloxWords];                                       \
      philox(seed, first + static_cast<uint64_t>(b) * kPhiloxLanes, words);           \
      name##_block(to, words, setting);                                               \
    }                                                                                 \
  }
MX_DEFINE_SAMPLER(uniform)
MX_DEFINE_SAMPLER(normal)
MX_DEFINE_SAMPLER(exponential)
MX_DEFINE_SAMPLER(bernoulli)
#undef MX_DEFINE_SAMPLER

MX_CLONES void two_word_blocks(uint32_t* words, uint64_t seed, uint64_t first) {
  philox(seed, first, words);
  philox(seed, first + kPhiloxLanes, words + kPhiloxWords);
}

template <class T, void (*block)(T*, const uint32_t*, const Setting&)>
void sample_wide(void* out, int64_t blocks, uint64_t seed, uint64_t first, const Setting& setting) {
  for (int64_t b = 0; b < blocks; ++b) {
    alignas(64) uint32_t words[2 * kPhiloxWords];
    two_word_blocks(words, seed, first + static_cast<uint64_t>(b) * 2 * kPhiloxLanes);
    block(static_cast<T*>(out) + b * kBlock, words, setting);
  }
}

struct Distribution {
  const char* name;
  int scalars;
  Sampler single, wide;  // by float and by double (randint: only by int64)
  double cost_ns;        // of one sample, in float
};

constexpr Distribution kDistributions[] = {
    {"uniform", 2, uniform_f32, sample_wide<double, uniform_block>, 0.7},
    {"normal", 2, normal_f32, sample_wide<double, normal_block>, 1.5},
    {"exponential", 1, exponential_f32, sample_wide<double, exponential_block>, 1.2},
    {"exponential_rate", 1, exponential_f32, sample_wide<double, exponential_block>, 1.2},
    {"bernoulli", 1, bernoulli_f32, sample_wide<double, bernoulli_block>, 0.7},
    {"randint", 2, nullptr, sample_wide<int64_t, randint_block>, 3},
};

class Random {
 public:
  Random(const mx_signature& sig, mx_prepared& plan)
      : count_(numel(sig.out[0])), dtype_(sig.out[0].dtype) {
    const auto name = Params(sig).text("distribution");
    for (const Distribution& d : kDistributions)
      if (name == d.name) distribution_ = &d;
    if (!distribution_) throw Unsupported("unknown distribution " + std::string(name));
    if (sig.n_scalars != distribution_->scalars)
      throw std::invalid_argument("[_random] " + std::string(name) + " takes " +
                                  std::to_string(distribution_->scalars) +
                                  " runtime scalars, got " + std::to_string(sig.n_scalars));
    const bool wide = dtype_ == MX_FLOAT64 || !distribution_->single;
    sampler_ = wide ? distribution_->wide : distribution_->single;
    type_ = !distribution_->single ? MX_C_I64 : wide ? MX_C_F64 : MX_C_F32;
    counters_ = wide ? 2 * kPhiloxLanes : kPhiloxLanes;
    store_ = store_loop(type_, dtype_);
    const int64_t blocks = (count_ + kBlock - 1) / kBlock;
    plan.random_blocks = static_cast<uint64_t>(blocks * counters_);
    cost_ns_ = 60 + distribution_->cost_ns * (wide && distribution_->single ? 10 : 1) *
                        static_cast<double>(count_);
    plan.cost_ns = cost_ns_;
  }

  void operator()(const mx_call& call) const {
    const Setting setting = read_scalars(call);
    const int64_t blocks = (count_ + kBlock - 1) / kBlock;
    parallel_for(blocks, 16, cost_ns_,
                 [&](int64_t begin, int64_t end) { sample(call, setting, begin, end); });
  }

 private:
  void sample(const mx_call& call, const Setting& setting, int64_t begin, int64_t end) const {
    constexpr int64_t kBlocksAtOnce = 16;
    alignas(64) int64_t buffer[kBlocksAtOnce * kBlock];
    const bool direct = dtype_ == natural_dtype(type_);
    const auto out_bytes = static_cast<int64_t>(element_size(dtype_));
    for (int64_t b = begin; b < end;) {
      char* out = static_cast<char*>(call.out[0]) + b * kBlock * out_bytes;
      const uint64_t first = call.offset + static_cast<uint64_t>(b * counters_);
      const int64_t whole =
          std::min(end, count_ / kBlock) - b;  // blocks that lie in the output completely
      if (direct && whole > 0) {
        sampler_(out, whole, call.seed, first, setting);
        b += whole;
        continue;
      }
      const int64_t n = std::min(kBlocksAtOnce, end - b);
      sampler_(buffer, n, call.seed, first, setting);
      store_(out, buffer, nullptr, nullptr, std::min(n * kBlock, count_ - b * kBlock));
      b += n;
    }
  }

  Setting read_scalars(const mx_call& call) const {
    Setting s{};
    const mx_scalar* scalars = call.scalars;
    s.first = scalars[0].f;
    if (distribution_->scalars == 2) s.second = scalars[1].f;
    check(s);
    if (distribution_->name == std::string_view("exponential_rate")) s.first = 1 / s.first;
    if (type_ == MX_C_I64) {
      s.low = scalars[0].i;
      s.span = static_cast<uint64_t>(scalars[1].i) - static_cast<uint64_t>(scalars[0].i);
      if (scalars[1].i <= scalars[0].i)
        throw std::invalid_argument("low must be below high, got " + std::to_string(scalars[0].i) +
                                    " and " + std::to_string(scalars[1].i));
      if (dtype_ == MX_INT32 && (scalars[0].i < INT32_MIN || scalars[1].i - 1 > INT32_MAX))
        throw std::invalid_argument("low and high must fit int32, got " +
                                    std::to_string(scalars[0].i) + " and " +
                                    std::to_string(scalars[1].i) + ". Say dtype='int64'");
    } else if (distribution_->name == std::string_view("uniform")) {
      s.top = largest_below(scalars[1].f, scalars[0].f);
      s.second = scalars[1].f - scalars[0].f;
    }
    return s;
  }

  void check(const Setting& s) const {
    const std::string_view name = distribution_->name;
    const auto require = [&](bool holds, const std::string& what, double value) {
      if (!holds) throw std::invalid_argument(what + ", got " + std::to_string(value));
    };
    if (name == "uniform")
      require(s.first <= s.second, "high must be >= low, " + std::to_string(s.first), s.second);
    if (name == "normal") require(s.second >= 0, "scale must be >= 0", s.second);
    if (name == "exponential") require(s.first > 0, "scale must be > 0", s.first);
    if (name == "exponential_rate") require(s.first > 0, "lam must be > 0", s.first);
    if (name == "bernoulli") require(s.first >= 0 && s.first <= 1, "p must be in [0, 1]", s.first);
  }

  // The largest value of the output's type below `high` (but not below `low`): samples may round up
  // to high.
  double largest_below(double high, double low) const {
    if (!(low < high)) return std::max(low, high);
    if (dtype_ == MX_FLOAT64) return std::nextafter(high, low);
    const auto single = static_cast<float>(high);
    const float below =
        single < high ? single : std::nextafter(single, -std::numeric_limits<float>::infinity());
    if (dtype_ != MX_FLOAT16 && dtype_ != MX_BFLOAT16)
      return std::max(below, static_cast<float>(low));
    return visit_dtype(dtype_, [&](auto tag) -> double {
      using T = typename decltype(tag)::type;
      if constexpr (sizeof(T) == 2) {
        // Steps down in the 16-bit type: one unit of magnitude, towards -inf.
        T value(below);
        if (static_cast<float>(value) >= high)
          value.bits = value.bits & 0x8000u ? value.bits + 1 : value.bits - 1;
        return std::max(static_cast<double>(static_cast<float>(value)), low);
      }
      return below;
    });
  }

  const Distribution* distribution_ = nullptr;
  int64_t count_;
  int32_t dtype_;
  Sampler sampler_ = nullptr;
  int64_t type_ = MX_C_F32;
  int64_t counters_ = kPhiloxLanes;
  Loop store_ = nullptr;
  double cost_ns_ = 0;
};

}  // namespace

std::vector<mx_kernel> random_kernels() { return {make_kernel<Random>("_random")}; }

}  // namespace mx::cpu
