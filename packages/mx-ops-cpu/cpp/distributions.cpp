// The kernels _sample (gamma, poisson, negative binomial: methods that reject), _multinomial and
// _zipfian. Sample i has a Philox stream of its own (philox_stream.h): the same bits for any number
// of threads. Arithmetic is in double.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <unordered_set>
#include <vector>

#include "families.h"
#include "mx/kernel.h"
#include "parallel.h"
#include "philox.h"
#include "philox_stream.h"
#include "special.h"

namespace mx::cpu {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

MX_CLONES void first_words(uint64_t seed, uint64_t first, uint32_t* words) {
  philox(seed, first, words, 0, 1);
}

// Calls body(j, stream of sample j) for begin <= j < end.
template <class Body>
void for_each_stream(const mx_call& call, int64_t begin, int64_t end, Body&& body) {
  alignas(64) uint32_t words[kPhiloxWords];
  for (int64_t j = begin; j < end; j += kPhiloxLanes) {
    const uint64_t first = call.offset + static_cast<uint64_t>(j);
    first_words(call.seed, first, words);
    for (int64_t l = 0; l < std::min<int64_t>(kPhiloxLanes, end - j); ++l) {
      PhiloxStream random(call.seed, first + static_cast<uint64_t>(l), words + l, kPhiloxLanes);
      body(j + l, random);
    }
  }
}

// Marsaglia and Tsang, "A simple method for generating gamma variables", 2000.
double standard_gamma(PhiloxStream& random, double shape) {
  if (!(shape >= 0) || shape == kInfinity) return kNaN;
  if (shape == 0) return 0;
  const double d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal(), root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root, u = random.coarse_uniform(), x2 = x * x;
    const bool inside = u < 1 - 0.0331 * x2 * x2;  // surely accepted, without logarithms
    if (!inside && std::log(u) >= 0.5 * x2 + d * (1 - v + std::log(v))) continue;
    return shape < 1 ? d * v * std::pow(random.uniform(), 1 / shape) : d * v;
  }
}

double gamma_sample(PhiloxStream& random, double alpha, double beta) {
  return beta >= 0 ? beta * standard_gamma(random, alpha) : kNaN;
}

// Transformed rejection: Hörmann, "The transformed rejection method for generating Poisson random
// variables", 1993 (PTRS).
struct PoissonTable {
  double mean = 0, a = 0, b = 0, v_r = 0, log_mean = 0, log_inverse_alpha = 0;
  PoissonTable() = default;
  explicit PoissonTable(double of) : mean(of) {
    b = 0.931 + 2.53 * std::sqrt(mean);
    a = -0.059 + 0.02483 * b;
    v_r = 0.9277 - 3.6224 / (b - 2);
    log_mean = std::log(mean);
    log_inverse_alpha = std::log(1.1239 + 1.1328 / (b - 3.4));
  }
};

double log_factorial(double k) {
  static const std::vector<double> small = [] {
    std::vector<double> values(256);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = special::log_gamma(static_cast<double>(i) + 1);
    return values;
  }();
  return k < static_cast<double>(small.size()) ? small[static_cast<size_t>(k)]
                                               : special::log_gamma(k + 1);
}

double poisson_by_rejection(PhiloxStream& random, double mean) {
  static thread_local PoissonTable last;  // samples mostly share their mean
  if (last.mean != mean) last = PoissonTable(mean);
  const PoissonTable t = last;
  for (;;) {
    const double u = random.uniform() - 0.5, v = random.uniform();
    const double us = 0.5 - std::fabs(u);
    const double k = std::floor((2 * t.a / us + t.b) * u + mean + 0.43);
    if (us >= 0.07 && v <= t.v_r) return k;
    if (!(k >= 0) || (us < 0.013 && v > us)) continue;
    if (std::log(v) + t.log_inverse_alpha - std::log(t.a / (us * us) + t.b) <=
        k * t.log_mean - mean - log_factorial(k))
      return k;
  }
}

double poisson_sample(PhiloxStream& random, double mean, double = 0) {
  constexpr double kNormalFrom = 1e9;  // the acceptance test loses its digits; skewness is 3e-5
  if (!(mean >= 0)) return kNaN;
  if (mean == kInfinity) return kInfinity;
  if (mean >= kNormalFrom)
    return std::max(0.0, std::floor(mean + std::sqrt(mean) * random.normal() + 0.5));
  if (mean >= 10) return poisson_by_rejection(random, mean);
  constexpr int kLast = 200;  // beyond any quantile of 52 bits
  double u = random.uniform(), p = std::exp(-mean);
  int k = 0;
  while (u > p && k < kLast) {
    u -= p;
    p *= mean / ++k;
  }
  return k;
}

double negative_binomial_sample(PhiloxStream& random, double k, double p) {
  if (!(k >= 0) || !(p >= 0) || p > 1) return kNaN;
  if (k == 0 || p == 1) return 0;
  return poisson_sample(random, standard_gamma(random, k) * ((1 - p) / p));
}

double generalized_negative_binomial_sample(PhiloxStream& random, double mean, double alpha) {
  if (!(mean >= 0) || !(alpha >= 0)) return kNaN;
  if (alpha == 0 || mean == 0) return poisson_sample(random, mean);
  return poisson_sample(random, standard_gamma(random, 1 / alpha) * alpha * mean);
}

struct Parameter {
  const char* name;
  double low, high;
  bool open;  // low itself is not allowed
};

struct Distribution {
  const char* name;
  double (*draw)(PhiloxStream&, double, double);
  int n_parameters;
  Parameter parameters[2];
  double cost_ns;  // of one sample
};

constexpr Distribution kDistributions[] = {
    {"gamma", gamma_sample, 2, {{"alpha", 0, kInfinity, true}, {"beta", 0, kInfinity, true}}, 90},
    {"poisson", poisson_sample, 1, {{"lam", 0, kInfinity, false}, {}}, 80},
    {"negative_binomial",
     negative_binomial_sample,
     2,
     {{"k", 0, kInfinity, false}, {"p", 0, 1, true}},
     180},
    {"generalized_negative_binomial",
     generalized_negative_binomial_sample,
     2,
     {{"mu", 0, kInfinity, false}, {"alpha", 0, kInfinity, false}},
     180},
};

// Output j is drawn with the parameters at j / (draws per parameter), float64 arrays, or with the
// runtime scalars when there is no input. Impossible parameters in arrays give NaN, as scalars an
// error.
struct Sample {
  const Distribution* distribution = nullptr;
  int64_t count, draws = 1;
  int32_t dtype;
  bool scalars;

  Sample(const mx_signature& sig, mx_prepared& plan)
      : count(numel(sig.out[0])), dtype(sig.out[0].dtype), scalars(sig.n_in == 0) {
    const std::string_view name = Params(sig).text("distribution");
    for (const Distribution& d : kDistributions)
      if (name == d.name) distribution = &d;
    if (!distribution) throw Unsupported("unknown distribution " + std::string(name));
    if (scalars ? sig.n_scalars < distribution->n_parameters
                : sig.n_in != distribution->n_parameters)
      throw std::invalid_argument("wrong number of parameters");
    if (!is_floating(dtype)) throw Unsupported("only floating element types");
    for (int32_t i = 0; i < sig.n_in; ++i) {
      const int64_t parameters = numel(sig.in[i]);
      if (sig.in[i].dtype != MX_FLOAT64) throw Unsupported("only float64 parameters");
      if (parameters ? count % parameters : count) throw std::invalid_argument("shapes do not fit");
      draws = parameters ? count / parameters : 1;
    }
    plan.random_blocks = static_cast<uint64_t>(count);
    plan.cost_ns = 50 + distribution->cost_ns * static_cast<double>(count);
  }

  void operator()(const mx_call& call) const {
    if (scalars) check(call.scalars);
    if (count == 0) return;
    visit_dtype(dtype, [&](auto tag) { fill<typename decltype(tag)::type>(call); });
  }

  template <class T>
  void fill(const mx_call& call) const {
    const double* in[2] = {nullptr, nullptr};
    double fixed[2] = {0, 0};
    for (int i = 0; i < distribution->n_parameters; ++i) {
      if (scalars) fixed[i] = call.scalars[i].f;
      in[i] = scalars ? &fixed[i] : static_cast<const double*>(call.in[i]);
    }
    if (distribution->n_parameters == 1) in[1] = in[0];
    T* out = static_cast<T*>(call.out[0]);
    const double cost = distribution->cost_ns * static_cast<double>(count);
    parallel_for(count, 64, cost, [&](int64_t begin, int64_t end) {
      for_each_stream(call, begin, end, [&](int64_t j, PhiloxStream& random) {
        const int64_t at = scalars ? 0 : j / draws;
        const double drawn = distribution->draw(random, in[0][at], in[1][at]);
        out[j] = static_cast<T>(static_cast<narrow<T>>(drawn));
      });
    });
  }
  template <class T>
  using narrow = std::conditional_t<std::is_same_v<T, double>, double, float>;

  void check(const mx_scalar* values) const {
    for (int i = 0; i < distribution->n_parameters; ++i) {
      const Parameter& p = distribution->parameters[i];
      const double value = values[i].f;
      if (value <= p.high && (p.open ? value > p.low : value >= p.low)) continue;
      char range[64];
      if (p.high == kInfinity)
        std::snprintf(range, sizeof range, "%s 0, got %g", p.open ? ">" : ">=", value);
      else
        std::snprintf(range, sizeof range, "in %s0, 1], got %g", p.open ? "(" : "[", value);
      throw std::invalid_argument(std::string(p.name) + " must be " + range);
    }
  }
};

// data (rows, k) of weights -> classes (rows, draws) in any element type, and the same as positions
// in data, int64.
struct Multinomial {
  int64_t rows, classes, draws;
  int32_t in_dtype, out_dtype;
  double cost;

  Multinomial(const mx_signature& sig, mx_prepared& plan)
      : in_dtype(sig.in[0].dtype), out_dtype(sig.out[0].dtype) {
    const auto shape = shape_of(sig.in[0]);
    if (shape.size() != 2 || !is_floating(in_dtype) || sig.out[1].dtype != MX_INT64)
      throw Unsupported("only a matrix of floating weights and int64 positions");
    rows = shape[0], classes = shape[1];
    const int64_t count = numel(sig.out[0]);
    if (numel(sig.out[1]) != count || (rows ? count % rows : count) || (count && !classes))
      throw std::invalid_argument("shapes do not fit");
    draws = rows ? count / rows : 0;
    plan.workspace_bytes = static_cast<size_t>(rows * classes) * sizeof(double);
    plan.random_blocks = static_cast<uint64_t>(count);
    plan.cost_ns = cost =
        50 + 2.0 * static_cast<double>(rows * classes) +
        static_cast<double>(count) * (25 + 3 * std::log2(static_cast<double>(classes) + 1));
  }

  void operator()(const mx_call& call) const {
    if (rows * draws == 0) return;
    auto* sums = static_cast<double*>(call.workspace);
    visit_dtype(in_dtype, [&](auto tag) {
      add_up(static_cast<const typename decltype(tag)::type*>(call.in[0]), sums);
    });
    auto* positions = static_cast<int64_t*>(call.out[1]);
    parallel_for(rows * draws, 64, cost, [&](int64_t begin, int64_t end) {
      int64_t row = begin / draws * classes, row_end = (begin / draws + 1) * draws;
      for_each_stream(call, begin, end, [&](int64_t j, PhiloxStream& random) {
        if (j == row_end) row += classes, row_end += draws;
        positions[j] = row + choose(sums + row, random.uniform());
      });
    });
    visit_dtype(out_dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      T* out = static_cast<T*>(call.out[0]);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = r * draws; j < (r + 1) * draws; ++j)
          out[j] = static_cast<T>(positions[j] - r * classes);
    });
  }

  template <class T>
  void add_up(const T* weights, double* sums) const {
    for (int64_t r = 0; r < rows; ++r) {
      double total = 0;
      for (int64_t c = 0; c < classes; ++c) {
        const double weight = static_cast<double>(weights[r * classes + c]);
        total += weight < 0 ? 0 : weight;  // NaN goes on into the total
        sums[r * classes + c] = total;
      }
      if (!(total > 0 && total < kInfinity))
        throw std::invalid_argument(
            "distribution " + std::to_string(r) +
            " must have probabilities with a positive, finite sum, got the sum " +
            std::to_string(total));
    }
  }
  // The first class whose sum lies above u * total; a binary search without branches.
  int64_t choose(const double* sums, double u) const {
    const double total = sums[classes - 1], x = u * total;
    const double* base = sums;
    for (int64_t n = classes; n > 1; n -= n / 2) base = base[n / 2 - 1] <= x ? base + n / 2 : base;
    const int64_t found = base - sums + (*base <= x);
    if (found < classes) return found;
    return std::lower_bound(sums, sums + classes, total) - sums;  // u * total rounded up to total
  }
};

// Rows of distinct classes in [0, range_max), drawn one after the other with probabilities
// log((c + 2) / (c + 1)) / log(range_max + 1), and how many draws each row took.
struct Zipfian {
  int64_t rows, samples, range;
  double log_range;

  Zipfian(const mx_signature& sig, mx_prepared& plan) : range(Params(sig).integer("range_max")) {
    const auto shape = shape_of(sig.out[0]);
    if (shape.size() != 2 || sig.out[0].dtype != MX_INT64 || sig.out[1].dtype != MX_INT64)
      throw Unsupported("only an int64 matrix");
    rows = shape[0], samples = shape[1];
    if (samples > range && rows) throw std::invalid_argument("more samples than classes");
    log_range = std::log1p(static_cast<double>(range));
    plan.random_blocks = static_cast<uint64_t>(rows);
    plan.cost_ns = 50 + 100.0 * static_cast<double>(rows * samples);
  }

  void operator()(const mx_call& call) const {
    auto* out = static_cast<int64_t*>(call.out[0]);
    auto* tries = static_cast<int64_t*>(call.out[1]);
    parallel_for(rows, 1, 100.0 * static_cast<double>(rows * samples),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t r = begin; r < end; ++r) {
                     PhiloxStream random(call.seed, call.offset + static_cast<uint64_t>(r));
                     // Rejection would wait long for the last of the rare classes.
                     tries[r] = samples > range / 2 ? sort_by_arrival(random, out + r * samples)
                                                    : reject_repeated(random, out + r * samples);
                   }
                 });
  }

  int64_t reject_repeated(PhiloxStream& random, int64_t* out) const {
    std::unordered_set<int64_t> seen;
    seen.reserve(static_cast<size_t>(samples));
    int64_t tries = 0;
    for (int64_t n = 0; n < samples; ++tries) {
      const auto value = static_cast<int64_t>(std::exp(random.uniform() * log_range)) - 1;
      const int64_t chosen = std::clamp<int64_t>(value, 0, range - 1);
      if (seen.insert(chosen).second) out[n++] = chosen;
    }
    return tries;
  }

  // The same distribution: classes arrive after exponential times of these rates; between the n-th
  // and the next new class lies a geometric number of draws.
  int64_t sort_by_arrival(PhiloxStream& random, int64_t* out) const {
    std::vector<std::pair<double, int64_t>> arrivals(static_cast<size_t>(range));
    for (int64_t c = 0; c < range; ++c)
      arrivals[static_cast<size_t>(c)] = {-std::log(random.uniform()) / rate(c), c};
    std::partial_sort(arrivals.begin(), arrivals.begin() + samples, arrivals.end());
    double left = 1;  // the probability of all classes not yet drawn
    int64_t tries = 0;
    for (int64_t n = 0; n < samples; ++n) {
      out[n] = arrivals[static_cast<size_t>(n)].second;
      const double u = random.uniform();
      const double failures = left < 1 ? std::log(u) / std::log1p(-left) : 0;
      tries += 1 + static_cast<int64_t>(std::min(failures, 1e15));
      left = std::max(left - rate(out[n]), 1e-15);
    }
    return tries;
  }
  double rate(int64_t c) const { return std::log1p(1 / (static_cast<double>(c) + 1)) / log_range; }
};

}  // namespace

std::vector<mx_kernel> distribution_kernels() {
  return {make_kernel<Sample>("_sample"), make_kernel<Multinomial>("_multinomial"),
          make_kernel<Zipfian>("_zipfian")};
}

}  // namespace mx::cpu
