// _ctc_loss and its gradient: connectionist temporal classification (Graves et al. 2006), in
// logarithms.
//
// data (t, n, k) before softmax; label (n, l) of any element type, ended by the padding value or by
// label lengths. A sequence too short for its label has loss 0 and gradient 0. Labels that are no
// class (hostile input) count as impossible.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "families.h"
#include "in_float32.h"
#include "parallel.h"

namespace mx::cpu {
namespace {

constexpr double kImpossible = -std::numeric_limits<double>::infinity();

double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return b == kImpossible ? a : a + std::log1p(std::exp(b - a));
}

// The label of one sequence with blanks between and around: s states; classes[i] < 0: no class.
struct States {
  int64_t t = 0;                 // steps that count
  std::vector<int64_t> classes;  // blank, label 0, blank, label 1, ... blank
  bool possible = false;
};

template <class T>
class Ctc {
 public:
  Ctc(const mx_signature& sig, const mx_tensor_type& data, const mx_tensor_type& label) {
    const Params params(sig);
    blank_first_ = params.boolean("blank_first");
    has_data_lengths_ = params.boolean("has_data_lengths");
    has_label_lengths_ = params.boolean("has_label_lengths");
    if (data.ndim != 3 || label.ndim != 2)
      throw std::invalid_argument("expects (t, n, k) and (n, l)");
    t = data.shape[0];
    n = data.shape[1];
    k = data.shape[2];
    l = label.shape[1];
    blank = blank_first_ ? 0 : k - 1;
  }

  // lengths: data lengths, then label lengths, as far as present; all int32.
  States states(const int32_t* label, const int32_t* const* lengths, int64_t row) const {
    States found;
    found.t = t;
    if (has_data_lengths_) found.t = std::clamp<int64_t>((*lengths++)[row], 0, t);
    const int32_t padding = blank_first_ ? 0 : -1;
    int64_t size = 0;
    if (has_label_lengths_) {
      size = std::clamp<int64_t>((*lengths)[row], 0, l);
    } else {
      while (size < l && label[row * l + size] != padding) ++size;
    }
    found.classes.push_back(blank);
    int64_t repeats = 0;
    for (int64_t i = 0; i < size; ++i) {
      const int64_t label_class = label[row * l + i];
      found.classes.push_back(label_class >= 0 && label_class < k ? label_class : -1);
      found.classes.push_back(blank);
      repeats += i > 0 && label[row * l + i] == label[row * l + i - 1];
    }
    found.possible = size + repeats <= found.t && k > 0;
    return found;
  }

  // Logarithms of softmax of row `row` of the batch: (steps, k).
  void log_probabilities(const T* data, int64_t row, int64_t steps, double* out) const {
    for (int64_t time = 0; time < steps; ++time) {
      const T* x = data + (time * n + row) * k;
      double* y = out + time * k;
      double maximum = kImpossible, sum = 0;
      for (int64_t i = 0; i < k; ++i) maximum = std::max(maximum, static_cast<double>(x[i]));
      for (int64_t i = 0; i < k; ++i) sum += std::exp(static_cast<double>(x[i]) - maximum);
      const double shift = maximum + std::log(sum);
      for (int64_t i = 0; i < k; ++i) y[i] = static_cast<double>(x[i]) - shift;
    }
  }

  // ln of the probability of all ways to be in each state after `time` steps, the step itself
  // counted. backwards: of all ways from the step (counted) to the end.
  void walk(const States& at, const double* logs, double* ways, bool backwards) const {
    const auto s = static_cast<int64_t>(at.classes.size());
    std::fill_n(ways, at.t * s, kImpossible);
    auto state = [&](int64_t i) { return backwards ? s - 1 - i : i; };
    for (int64_t step = 0; step < at.t; ++step) {
      const int64_t time = backwards ? at.t - 1 - step : step;
      double* now = ways + time * s;
      const double* before = now + (backwards ? s : -s);
      for (int64_t i = 0; i < s; ++i) {
        const int64_t here = state(i), what = at.classes[static_cast<size_t>(here)];
        if (what < 0) continue;
        double sum = kImpossible;
        if (step == 0) {
          sum = i < 2 ? 0.0 : kImpossible;
        } else {
          sum = before[here];
          if (i >= 1) sum = log_add(sum, before[state(i - 1)]);
          if (i >= 2 && what != blank && what != at.classes[static_cast<size_t>(state(i - 2))])
            sum = log_add(sum, before[state(i - 2)]);
        }
        now[here] = sum + logs[time * k + what];
      }
    }
  }

  double total(const States& at, const double* ways) const {
    const auto s = static_cast<int64_t>(at.classes.size());
    if (at.t == 0) return 0.0;
    const double* end = ways + (at.t - 1) * s;
    return s > 1 ? log_add(end[s - 1], end[s - 2]) : end[0];
  }

  double cost_ns() const {
    return static_cast<double>(t * n) *
           (static_cast<double>(k) * 12.0 + 40.0 * (2 * static_cast<double>(l) + 1));
  }

  int64_t t, n, k, l, blank;

 private:
  bool blank_first_, has_data_lengths_, has_label_lengths_;
};

// in: data, label, [data lengths], [label lengths]; out: loss (n)
template <class T>
struct CtcLoss : Ctc<T> {
  CtcLoss(const mx_signature& sig, mx_prepared& plan) : Ctc<T>(sig, sig.in[0], sig.in[1]) {
    plan.cost_ns = 50 + this->cost_ns();
  }
  void operator()(const mx_call& call) const {
    const T* data = static_cast<const T*>(call.in[0]);
    const auto* label = static_cast<const int32_t*>(call.in[1]);
    const auto* lengths = reinterpret_cast<const int32_t* const*>(call.in + 2);
    T* loss = static_cast<T*>(call.out[0]);
    parallel_for(this->n, 1, this->cost_ns(), [&](int64_t begin, int64_t end) {
      std::vector<double> logs, ways;
      for (int64_t row = begin; row < end; ++row) {
        const States at = this->states(label, lengths, row);
        loss[row] = T(0);
        if (!at.possible) continue;
        logs.resize(static_cast<size_t>(at.t * this->k));
        ways.resize(static_cast<size_t>(at.t) * at.classes.size());
        this->log_probabilities(data, row, at.t, logs.data());
        this->walk(at, logs.data(), ways.data(), false);
        loss[row] = static_cast<T>(0.0 - this->total(at, ways.data()));
      }
    });
  }
};

// in: dy (n), data, label, [data lengths], [label lengths]; out: (t, n, k)
template <class T>
struct CtcLossBackward : Ctc<T> {
  CtcLossBackward(const mx_signature& sig, mx_prepared& plan) : Ctc<T>(sig, sig.in[1], sig.in[2]) {
    plan.cost_ns = 50 + 2.5 * this->cost_ns();
  }
  void operator()(const mx_call& call) const {
    const T* dy = static_cast<const T*>(call.in[0]);
    const T* data = static_cast<const T*>(call.in[1]);
    const auto* label = static_cast<const int32_t*>(call.in[2]);
    const auto* lengths = reinterpret_cast<const int32_t* const*>(call.in + 3);
    T* dx = static_cast<T*>(call.out[0]);
    const int64_t k = this->k;
    std::fill_n(dx, this->t * this->n * k, T(0));
    parallel_for(this->n, 1, 2.5 * this->cost_ns(), [&](int64_t begin, int64_t end) {
      std::vector<double> logs, from_start, to_end, mass(static_cast<size_t>(k));
      for (int64_t row = begin; row < end; ++row) {
        const States at = this->states(label, lengths, row);
        if (!at.possible) continue;
        const auto s = static_cast<int64_t>(at.classes.size());
        logs.resize(static_cast<size_t>(at.t * k));
        from_start.resize(static_cast<size_t>(at.t * s));
        to_end.resize(static_cast<size_t>(at.t * s));
        this->log_probabilities(data, row, at.t, logs.data());
        this->walk(at, logs.data(), from_start.data(), false);
        this->walk(at, logs.data(), to_end.data(), true);
        const double total = this->total(at, from_start.data());
        if (total == kImpossible) continue;
        for (int64_t time = 0; time < at.t; ++time) {
          std::fill(mass.begin(), mass.end(), 0.0);
          const double* step = logs.data() + time * k;
          for (int64_t i = 0; i < s; ++i) {
            const int64_t what = at.classes[static_cast<size_t>(i)];
            const double ways = from_start[static_cast<size_t>(time * s + i)] +
                                to_end[static_cast<size_t>(time * s + i)];
            // Both counts contain the step's own probability.
            if (what >= 0 && ways != kImpossible)
              mass[static_cast<size_t>(what)] += std::exp(ways - step[what] - total);
          }
          T* out = dx + (time * this->n + row) * k;
          for (int64_t i = 0; i < k; ++i)
            out[i] = static_cast<T>((std::exp(step[i]) - mass[static_cast<size_t>(i)]) *
                                    static_cast<double>(dy[row]));
        }
      }
    });
  }
};

}  // namespace

std::vector<mx_kernel> ctc_kernels() {
  return {mx_kernel{"_ctc_loss", prepare_float<CtcLoss<float>, CtcLoss<double>>, 0},
          mx_kernel{"_ctc_loss_backward",
                    prepare_float<CtcLossBackward<float>, CtcLossBackward<double>>, 0}};
}

}  // namespace mx::cpu
