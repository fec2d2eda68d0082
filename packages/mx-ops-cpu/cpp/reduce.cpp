// The kernel _reduce: sum, mean, prod, max, min, nansum, nanprod over axes, with a pointwise
// producer.
//
// The reduced space is seen as rows of one inner length; all outer dimensions are walked in memory
// order. Where the inner dimension is reduced, a row becomes one accumulator (`rows`); where it is
// kept, a row is added to a row of accumulators (`columns`). Work is split over threads so that
// each part owns its accumulators; where the outermost dimension is itself reduced, the parts have
// private ones, merged at the end. The number of parts depends on the shapes only, so results do
// not depend on the number of threads.
#include <algorithm>
#include <limits>
#include <optional>

#include "families.h"
#include "parallel.h"
#include "program.h"
#include "reduce_loops.h"

namespace mx::cpu {
namespace {

constexpr int64_t kMostParts = 16;
constexpr int64_t kColumnBlock = 2048;  // accumulators that stay in the L1 cache while rows pass by
constexpr int64_t kWideRow = 4096;  // kept rows from here on are split between threads by columns
constexpr double kPartNs = 50e3;    // least work worth a part of its own

class Reduce {
 public:
  Reduce(const mx_signature& sig, mx_prepared& plan)
      : program_(sig, space_of(sig), false),
        out_dtype_(sig.out[0].dtype),
        out_count_(numel(sig.out[0])) {
    read_layout(sig);
    choose_loops(Params(sig).text("op"));
    choose_split();
    cost_ns_ = 30 + (program_.element_cost() + 0.05) * static_cast<double>(program_.count());
    plan.cost_ns = cost_ns_;
    plan.workspace_bytes = static_cast<size_t>(accumulators() * parts_) * 8;
  }

  void operator()(const mx_call& call) const {
    if (!out_count_) return;
    char* acc = static_cast<char*>(call.workspace);
    const int64_t part_bytes = accumulators() * 8;
    loops_->start(acc, out_count_);
    if (program_.count()) accumulate(call, acc, part_bytes);
    finish(acc, call.out[0]);
  }

 private:
  struct Dim {
    int64_t size;
    bool kept;
    int64_t out_stride;  // of the output, for kept dimensions
  };
  // A contiguous piece of the work: indices of the split dimension.
  struct Part {
    int64_t begin, end;
  };
  enum class Split { outer_kept, outer_reduced, inner_reduced, columns };

  static Shape space_of(const mx_signature& sig) {
    if (sig.n_out != 1) throw Unsupported("_reduce has one output");
    const Params params(sig);
    if (params.has("shape")) return params.ints("shape");
    const auto shape = shape_of(sig.in[0]);
    return Shape(shape.begin(), shape.end());
  }

  void read_layout(const mx_signature& sig) {
    const Shape space = space_of(sig);
    std::vector<bool> reduced(space.size(), false);
    for (int64_t axis : Params(sig).ints("axes", {})) {
      if (axis < 0 || axis >= static_cast<int64_t>(space.size()))
        throw std::invalid_argument("[_reduce] axis out of range");
      reduced[static_cast<size_t>(axis)] = true;
    }
    std::vector<Dim> dims;
    for (size_t d = 0; d < space.size(); ++d) {
      if (reduced[d]) reduced_count_ = wrapped_product(reduced_count_, space[d]);
      if (space[d] == 1) continue;
      if (!dims.empty() && dims.back().kept == !reduced[d])
        dims.back().size = wrapped_product(dims.back().size, space[d]);
      else
        dims.push_back({space[d], !reduced[d], 0});
    }
    int64_t stride = 1;
    for (size_t d = dims.size(); d-- > 0;)
      if (dims[d].kept) {
        dims[d].out_stride = stride;
        stride = wrapped_product(stride, dims[d].size);
      }
    if (stride != out_count_)
      throw std::invalid_argument("[_reduce] the output's size is not that of the kept axes");
    inner_kept_ = dims.empty() || dims.back().kept;
    inner_ = dims.empty() ? 1 : dims.back().size;
    if (!dims.empty()) dims.pop_back();
    outer_ = std::move(dims);
    for (const Dim& d : outer_) rows_ = wrapped_product(rows_, d.size);
  }

  void choose_loops(std::string_view op) {
    is_mean_ = op == "mean";
    int64_t type = program_.result_type();
    if (out_dtype_ == MX_FLOAT64 &&
        type == MX_C_F32) {  // float lanes are not good enough for a double result
      widen_ = cast_loop(MX_C_F32, MX_C_F64);
      type = MX_C_F64;
    }
    value_size_ = static_cast<int64_t>(compute_size(type));
    loops_ = find_reduction(is_mean_ ? "sum" : op, type);
    if (!loops_) throw Unsupported("unknown reduction " + std::string(op));
    acc_size_ = static_cast<int64_t>(compute_size(loops_->accumulator));
    if (reduced_count_ == 0 && (op == "max" || op == "min"))
      empty_extreme_ = extreme_of(out_dtype_, op == "max");
  }

  // What the maximum (lowest) or minimum of nothing is.
  static double extreme_of(int32_t dtype, bool lowest) {
    return visit_dtype(dtype, [&](auto tag) -> double {
      using T = typename decltype(tag)::type;
      if constexpr (std::is_integral_v<T>) {
        using Limits = std::numeric_limits<T>;
        return static_cast<double>(lowest ? Limits::lowest() : Limits::max());
      } else if constexpr (std::is_same_v<T, bool8>) {
        return lowest ? 0 : 1;
      } else {
        const double inf = std::numeric_limits<double>::infinity();
        return lowest ? -inf : inf;
      }
    });
  }

  void choose_split() {
    const double work = (program_.element_cost() + 0.05) * static_cast<double>(program_.count());
    const auto wanted = std::clamp<int64_t>(static_cast<int64_t>(work / kPartNs), 1, kMostParts);
    if (outer_.empty() && !inner_kept_) {
      split_ = Split::inner_reduced;
      split_size_ = inner_;
    } else if (inner_kept_ && inner_ >= kWideRow) {
      split_ = Split::columns;
      split_size_ = inner_;
    } else if (outer_.empty()) {
      split_ = Split::outer_kept;  // nothing is reduced
      split_size_ = 1;
    } else {
      split_ = outer_[0].kept ? Split::outer_kept : Split::outer_reduced;
      split_size_ = outer_[0].size;
    }
    const bool is_private = split_ == Split::outer_reduced || split_ == Split::inner_reduced;
    int64_t most = split_size_;
    if (split_ == Split::columns) most = split_size_ / kColumnBlock;
    if (split_ == Split::inner_reduced) most = split_size_ / kColumnBlock + 1;
    // Private accumulators must stay small beside the data.
    if (is_private)
      most = std::min(most, program_.count() / (4 * std::max<int64_t>(out_count_, 1)) + 1);
    pieces_ = std::clamp<int64_t>(wanted, 1, std::max<int64_t>(most, 1));
    parts_ = is_private ? pieces_ : 1;
  }

  // Accumulators of one part, padded so that parts share no cache line.
  int64_t accumulators() const { return (out_count_ + 7) & ~int64_t{7}; }

  void accumulate(const mx_call& call, char* acc, int64_t part_bytes) const {
    for (int64_t p = 1; p < parts_; ++p) loops_->start(acc + p * part_bytes, out_count_);
    auto piece = [&](int64_t p) -> Part {
      return {split_size_ * p / pieces_, split_size_ * (p + 1) / pieces_};
    };
    parallel_for(pieces_, 1, pieces_ > 1 ? cost_ns_ : 0, [&](int64_t first, int64_t last) {
      Walker walker(*this, call);
      for (int64_t p = first; p < last; ++p)
        walker.run(acc + (parts_ > 1 ? p * part_bytes : 0), piece(p));
    });
    for (int64_t p = 1; p < parts_; ++p) loops_->merge(acc, acc + p * part_bytes, out_count_);
  }

  void finish(char* acc, void* out) const {
    int64_t type = loops_->accumulator;
    if (empty_extreme_) {
      if (type == MX_C_I32)
        std::fill_n(reinterpret_cast<int32_t*>(acc), out_count_,
                    static_cast<int32_t>(*empty_extreme_));
      if (type == MX_C_I64 && out_dtype_ != MX_INT64)
        std::fill_n(reinterpret_cast<int64_t*>(acc), out_count_,
                    static_cast<int64_t>(*empty_extreme_));
    }
    if (is_mean_) {
      auto* sums = reinterpret_cast<double*>(acc);
      if (type == MX_C_I64) {
        store_loop(MX_C_I64, MX_FLOAT64)(acc, acc, nullptr, nullptr, out_count_);
        type = MX_C_F64;
      }
      for (int64_t i = 0; i < out_count_; ++i) sums[i] /= static_cast<double>(reduced_count_);
    }
    store_loop(type, out_dtype_)(out, acc, nullptr, nullptr, out_count_);
  }

  // Walks one thread's share of the space.
  class Walker {
   public:
    Walker(const Reduce& r, const mx_call& call)
        : r_(r), evaluator_(r.program_, call, r.program_.tile()) {}

    void run(char* acc, Part part) {
      acc_ = acc;
      switch (r_.split_) {
        case Split::inner_reduced:
          return reduce_inner(0, part.begin, part.end, 0);
        case Split::columns:
          return walk(0, r_.rows_, part);
        case Split::outer_kept:
        case Split::outer_reduced: {
          const int64_t each = r_.outer_.empty() ? 1 : r_.rows_ / r_.outer_[0].size;
          return walk(part.begin * each, part.end * each, {0, r_.inner_});
        }
      }
    }

   private:
    // Elements of the program's value at [begin, begin + count), as reduction type.
    const char* value(int64_t begin, int64_t count) {
      const void* data = evaluator_.value(begin, count);
      if (!r_.widen_) return static_cast<const char*>(data);
      r_.widen_(wide_, data, nullptr, nullptr, count);
      return reinterpret_cast<const char*>(wide_);
    }
    bool unlimited() const { return r_.program_.is_plain_input() && !r_.widen_; }
    int64_t longest() const {
      if (unlimited()) return std::numeric_limits<int64_t>::max();
      return r_.widen_ ? std::min(r_.program_.tile(), kWidened) : r_.program_.tile();
    }
    char* accumulator(int64_t i) const { return acc_ + i * r_.acc_size_; }

    // Rows [begin, end), of them only `columns`.
    void walk(int64_t begin, int64_t end, Part columns) {
      const bool whole = columns.begin == 0 && columns.end == r_.inner_;
      const bool narrow =
          whole && r_.inner_ <= (r_.inner_kept_ ? std::min(longest(), kColumnBlock) : longest());
      if (!narrow) {
        for_each_run(begin, end, [&](int64_t row, int64_t n, int64_t out) {
          r_.inner_kept_ ? reduce_wide(row, n, columns, out) : reduce_long(row, n, columns, out);
        });
        return;
      }
      const int64_t chunk = unlimited() ? end - begin : std::max<int64_t>(1, longest() / r_.inner_);
      for (int64_t at = begin; at < end; at += chunk) {
        const int64_t n_rows = std::min(chunk, end - at);
        const char* x = value(at * r_.inner_, n_rows * r_.inner_);
        for_each_run(at, at + n_rows, [&](int64_t row, int64_t n, int64_t out) {
          const char* run = x + (row - at) * r_.inner_ * r_.value_size_;
          if (r_.inner_kept_)
            r_.loops_->columns(accumulator(out), run, n, r_.inner_, r_.inner_);
          else
            r_.loops_->rows(accumulator(out), run, n, r_.inner_);
        });
      }
    }

    // Calls f(first row, rows, first output element) for the runs of rows along the last outer
    // dimension.
    template <class F>
    void for_each_run(int64_t begin, int64_t end, F&& f) const {
      const auto& dims = r_.outer_;
      if (dims.empty()) return f(begin, end - begin, 0);
      const int last = static_cast<int>(dims.size()) - 1;
      int64_t position[MX_MAX_NDIM];
      int64_t rest = begin, out = 0;
      for (int d = last; d >= 0; --d) {
        position[d] = rest % dims[d].size;
        rest /= dims[d].size;
        out += position[d] * dims[d].out_stride;
      }
      for (int64_t row = begin; row < end;) {
        const int64_t n = std::min(dims[last].size - position[last], end - row);
        f(row, n, out);
        row += n;
        out -= position[last] * dims[last].out_stride;
        position[last] = 0;
        for (int d = last - 1; d >= 0; --d) {
          out += dims[d].out_stride;
          if (++position[d] < dims[d].size) break;
          out -= dims[d].size * dims[d].out_stride;
          position[d] = 0;
        }
      }
    }

    // Kept rows too wide for the cache, or only some columns of them: block by block of columns.
    void reduce_wide(int64_t row, int64_t n, Part columns, int64_t out) {
      const int64_t block = std::min(kColumnBlock, longest());
      for (int64_t c = columns.begin; c < columns.end; c += block) {
        const int64_t width = std::min(block, columns.end - c);
        if (unlimited()) {
          const char* x = value(row * r_.inner_ + c, width);
          r_.loops_->columns(accumulator(out + c), x, n, r_.inner_, width);
          continue;
        }
        for (int64_t i = 0; i < n; ++i)
          r_.loops_->columns(accumulator(out + c), value((row + i) * r_.inner_ + c, width), 1, 0,
                             width);
      }
    }

    // Reduced rows longer than a tile.
    void reduce_long(int64_t row, int64_t n, Part columns, int64_t out) {
      for (int64_t i = 0; i < n; ++i) {
        const int64_t start = (row + i) * r_.inner_;
        reduce_inner(start, columns.begin, columns.end, out + i);
      }
    }

    void reduce_inner(int64_t start, int64_t begin, int64_t end, int64_t out) {
      for (int64_t at = begin; at < end;) {
        const int64_t n = std::min(longest(), end - at);
        r_.loops_->rows(accumulator(out), value(start + at, n), 1, n);
        at += n;
      }
    }

    static constexpr int64_t kWidened = 1024;
    const Reduce& r_;
    Program::Evaluator evaluator_;
    char* acc_ = nullptr;
    double wide_[kWidened];
  };

  Program program_;
  int32_t out_dtype_;
  int64_t out_count_;
  int64_t reduced_count_ = 1;
  std::vector<Dim> outer_;
  int64_t rows_ = 1, inner_ = 1;
  bool inner_kept_ = false;
  bool is_mean_ = false;
  const Reduction* loops_ = nullptr;
  Loop widen_ = nullptr;
  int64_t value_size_ = 4, acc_size_ = 8;
  std::optional<double> empty_extreme_;
  Split split_ = Split::outer_kept;
  int64_t split_size_ = 1, pieces_ = 1, parts_ = 1;
  double cost_ns_ = 0;
};

}  // namespace

std::vector<mx_kernel> reduce_kernels() { return {make_kernel<Reduce>("_reduce")}; }

}  // namespace mx::cpu
