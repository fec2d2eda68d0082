// Kernels that work along one axis: _take_along, _put_along, _put_rows, cumsum, and _histogram.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "array_convert.h"
#include "families.h"
#include "mx/kernel.h"
#include "parallel.h"

namespace mx::cpu {
namespace {

// ---- places along the last axis
// ---------------------------------------------------------------------

// Places outside of the row, which no caller makes, read and write nothing.
struct AlongPlan {
  int64_t rows, n, k;
  size_t element;
  bool wide;
  double cost;
  // full has rows of n elements, index has the same number of rows of k.
  AlongPlan(const mx_signature& sig, const mx_tensor_type& full, const mx_tensor_type& index,
            mx_prepared& plan)
      : element(element_size(full.dtype)), wide(index.dtype == MX_INT64) {
    if (index.dtype != MX_INT32 && index.dtype != MX_INT64)
      throw Unsupported("places are int32 or int64");
    if (sig.in[0].dtype != sig.out[0].dtype) throw Unsupported("data and output differ in dtype");
    const auto shape = shape_of(full), places = shape_of(index);
    if (shape.empty() || places.empty()) throw std::invalid_argument("an axis is needed");
    n = shape.back();
    k = places.back();
    rows = numel(places.first(places.size() - 1));
    if (rows != numel(shape.first(shape.size() - 1)))
      throw std::invalid_argument("index must have as many rows as data");
    plan.cost_ns = cost = 20 + static_cast<double>(rows * k) * 2;
  }
  // f(type pointer, index pointer type) with the element's unsigned type and the places' type.
  template <class F>
  void visit(const void* index, F&& f) const {
    auto with_index = [&](auto* type) {
      if (wide) {
        f(type, static_cast<const int64_t*>(index));
      } else {
        f(type, static_cast<const int32_t*>(index));
      }
    };
    switch (element) {
      case 1:
        return with_index(static_cast<uint8_t*>(nullptr));
      case 2:
        return with_index(static_cast<uint16_t*>(nullptr));
      case 4:
        return with_index(static_cast<uint32_t*>(nullptr));
      default:
        return with_index(static_cast<uint64_t*>(nullptr));
    }
  }
};

// data (..., n), index (..., k): out[r, i] = data[r, index[r, i]].
struct TakeAlong {
  AlongPlan plan;
  TakeAlong(const mx_signature& sig, mx_prepared& prepared)
      : plan(sig, sig.in[0], sig.in[1], prepared) {}
  void operator()(const mx_call& call) const {
    plan.visit(call.in[1], [&](auto* type, const auto* index) {
      using T = std::remove_pointer_t<decltype(type)>;
      const T* data = static_cast<const T*>(call.in[0]);
      T* out = static_cast<T*>(call.out[0]);
      parallel_for(plan.rows, 1, plan.cost, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r)
          for (int64_t i = r * plan.k; i < (r + 1) * plan.k; ++i) {
            const int64_t at = index[i];
            out[i] = at >= 0 && at < plan.n ? data[r * plan.n + at] : T{};
          }
      });
    });
  }
};

// dy (..., k), index (..., k), out (..., n): zeros, with dy[r, i] at out[r, index[r, i]].
struct PutAlong {
  AlongPlan plan;
  size_t bytes;
  PutAlong(const mx_signature& sig, mx_prepared& prepared)
      : plan(sig, sig.out[0], sig.in[1], prepared), bytes(byte_size(sig.out[0])) {
    prepared.cost_ns += static_cast<double>(bytes) / 10;
  }
  void operator()(const mx_call& call) const {
    if (bytes == 0) return;
    std::memset(call.out[0], 0, bytes);
    plan.visit(call.in[1], [&](auto* type, const auto* index) {
      using T = std::remove_pointer_t<decltype(type)>;
      const T* dy = static_cast<const T*>(call.in[0]);
      T* out = static_cast<T*>(call.out[0]);
      parallel_for(plan.rows, 1, plan.cost, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r)
          for (int64_t i = r * plan.k; i < (r + 1) * plan.k; ++i) {
            const int64_t at = index[i];
            if (at >= 0 && at < plan.n) out[r * plan.n + at] = dy[i];
          }
      });
    });
  }
};

// ---- rows
// -------------------------------------------------------------------------------------------

// data (n, ...), index (m,) int64, rows (m, ...): data with rows[i] stored at row index[i], in
// order. An index outside of [0, n) fails the call.
struct PutRows {
  int64_t n, m;
  size_t bytes, row_bytes;
  PutRows(const mx_signature& sig, mx_prepared& plan) {
    const auto shape = shape_of(sig.in[0]);
    if (sig.in[1].dtype != MX_INT64) throw Unsupported("index must be int64");
    if (sig.in[0].dtype != sig.in[2].dtype || sig.in[0].dtype != sig.out[0].dtype)
      throw Unsupported("data, rows and the output differ in dtype");
    n = shape.empty() ? 0 : shape[0];
    m = numel(sig.in[1]);
    row_bytes = shape.empty()
                    ? 0
                    : static_cast<size_t>(numel(shape.subspan(1))) * element_size(sig.in[0].dtype);
    bytes = byte_size(sig.out[0]);
    if (static_cast<size_t>(m) * row_bytes != byte_size(sig.in[2]))
      throw std::invalid_argument("rows must hold one row of data for each index");
    plan.inplace[0] = 1u << 0;
    plan.cost_ns = 20 + static_cast<double>(bytes) / 10 + static_cast<double>(m) * 3;
  }
  void operator()(const mx_call& call) const {
    const int64_t* index = static_cast<const int64_t*>(call.in[1]);
    for (int64_t i = 0; i < m; ++i)
      if (index[i] < 0 || index[i] >= n)
        throw std::out_of_range("index " + std::to_string(index[i]) +
                                " is out of bounds for axis 0 with size " + std::to_string(n));
    if (row_bytes == 0) return;
    char* out = static_cast<char*>(call.out[0]);
    if (call.out[0] != call.in[0] && bytes) std::memcpy(out, call.in[0], bytes);
    const char* rows = static_cast<const char*>(call.in[2]);
    for (int64_t i = 0; i < m; ++i)
      std::memcpy(out + static_cast<size_t>(index[i]) * row_bytes,
                  rows + static_cast<size_t>(i) * row_bytes, row_bytes);
  }
};

// ---- cumsum
// -----------------------------------------------------------------------------------------

// data; axis, reverse: out[.., i, ..] = the sum of data[.., 0..i, ..] (of i.. with reverse), in the
// output's dtype; 16-bit floats are summed in float32, integers wrap.
class CumSum {
 public:
  CumSum(const mx_signature& sig, mx_prepared& plan) {
    const Params p(sig);
    const auto shape = shape_of(sig.in[0]);
    const int64_t axis = p.integer("axis");
    if (axis < 0 || axis >= static_cast<int64_t>(shape.size()))
      throw std::invalid_argument("axis is out of range");
    if (sig.in[0].dtype != sig.out[0].dtype) throw Unsupported("data and output differ in dtype");
    const size_t a = static_cast<size_t>(axis);
    outer_ = numel(shape.first(a));
    n_ = shape[a];
    inner_ = numel(shape.subspan(a + 1));
    reverse_ = p.boolean("reverse", false);
    dtype_ = sig.out[0].dtype;
    plan.cost_ns = cost_ = 20 + static_cast<double>(numel(sig.in[0])) * 1.5;
  }
  void operator()(const mx_call& call) const {
    visit_dtype(dtype_, [&](auto tag) {
      using T = typename decltype(tag)::type;
      using Sum = std::conditional_t<
          std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>, float,
          std::conditional_t<std::is_same_v<T, bool8>, bool,
                             std::conditional_t<std::is_integral_v<T>, uint64_t, T>>>;
      sum<T, Sum>(static_cast<const T*>(call.in[0]), static_cast<T*>(call.out[0]));
    });
  }

 private:
  static constexpr int64_t kColumns = 64;

  template <class T, class Sum>
  void sum(const T* data, T* out) const {
    const int64_t blocks = (inner_ + kColumns - 1) / kColumns;
    parallel_for(outer_ * blocks, 1, cost_, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        const int64_t first = b % blocks * kColumns;
        columns<T, Sum>(data, out, b / blocks, first, std::min(kColumns, inner_ - first));
      }
    });
  }

  template <class T, class Sum>
  void columns(const T* data, T* out, int64_t outer, int64_t first, int64_t width) const {
    Sum sums[kColumns]{};
    for (int64_t i = 0; i < n_; ++i) {
      const int64_t row = ((outer * n_) + (reverse_ ? n_ - 1 - i : i)) * inner_ + first;
      for (int64_t j = 0; j < width; ++j) {
        sums[j] = static_cast<Sum>(sums[j] + static_cast<Sum>(data[row + j]));
        out[row + j] = static_cast<T>(sums[j]);
      }
    }
  }

  int64_t outer_ = 1, n_ = 1, inner_ = 1;
  bool reverse_ = false;
  int32_t dtype_ = 0;
  double cost_ = 0;
};

// ---- histogram
// --------------------------------------------------------------------------------------

// data, edges (bins + 1,) float64 -> counts (bins,) int64: elements in [edges[i], edges[i + 1]), in
// the last bin also edges[bins]. NaN and what is outside of the edges are not counted.
struct Histogram {
  int64_t n, bins;
  int32_t dtype;
  Histogram(const mx_signature& sig, mx_prepared& plan)
      : n(numel(sig.in[0])), bins(numel(sig.out[0])), dtype(sig.in[0].dtype) {
    if (sig.in[1].dtype != MX_FLOAT64 || sig.out[0].dtype != MX_INT64)
      throw Unsupported("edges are float64 and counts int64");
    if (numel(sig.in[1]) != bins + 1) throw std::invalid_argument("bins + 1 edges are needed");
    plan.cost_ns = 20 + static_cast<double>(n) * (4 + 2 * std::log2(static_cast<double>(bins) + 1));
  }
  void operator()(const mx_call& call) const {
    int64_t* counts = static_cast<int64_t*>(call.out[0]);
    std::fill_n(counts, bins, 0);
    if (bins == 0) return;
    const double* edges = static_cast<const double*>(call.in[1]);
    visit_dtype(dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* data = static_cast<const T*>(call.in[0]);
      for (int64_t i = 0; i < n; ++i) {
        const double x = static_cast<double>(data[i]);
        if (!(x >= edges[0] && x <= edges[bins])) continue;
        const int64_t bin = std::upper_bound(edges, edges + bins + 1, x) - edges - 1;
        ++counts[std::clamp<int64_t>(bin, 0, bins - 1)];
      }
    });
  }
};

}  // namespace

std::vector<mx_kernel> along_axis_kernels() {
  return {make_kernel<TakeAlong>("_take_along"), make_kernel<PutAlong>("_put_along"),
          make_kernel<PutRows>("_put_rows"), make_kernel<CumSum>("_cumsum"),
          make_kernel<Histogram>("_count_in_bins")};
}

}  // namespace mx::cpu
