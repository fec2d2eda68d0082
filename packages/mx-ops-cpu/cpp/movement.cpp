// Kernels that only move elements: _copy, _transpose, _concat, _slice, _slice_backward,
// _slice_assign, and the two that make patterns: _arange, _eye. Except where noted they work on any
// dtype, by element size.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "array_convert.h"
#include "families.h"
#include "mx/kernel.h"
#include "parallel.h"
#include "strided.h"

namespace mx::cpu {
namespace {

char* bytes_at(void* data, int64_t element, size_t element_bytes) {
  return static_cast<char*>(data) + element * static_cast<int64_t>(element_bytes);
}

void require_same_dtype(const mx_signature& sig) {
  for (int32_t i = 0; i < sig.n_in; ++i)
    if (sig.in[i].dtype != sig.out[0].dtype)
      throw Unsupported(std::string("input ") + std::to_string(i) + " is " +
                        dtype_name(sig.in[i].dtype) + ", the output " +
                        dtype_name(sig.out[0].dtype) + "; they must be equal");
}

// Time of moving so many bytes once: in cache, or out of it.
double move_ns(size_t bytes) {
  return static_cast<double>(bytes) / (bytes < 1000000 ? 20.0 : 10.0);
}

// A part of a dense array: element `first`, then `strides` for each dimension of the part.
struct Part {
  int64_t first = 0;
  Shape strides;
};

// The part of an array of `shape` that starts at `begin` and goes by `step`; `shape` of the part is
// `extent`.
Part part_of(std::span<const int64_t> shape, const Shape& begin, const Shape& step,
             std::span<const int64_t> extent) {
  if (begin.size() != shape.size() || step.size() != shape.size() || extent.size() != shape.size())
    throw std::invalid_argument(
        "begin, step and both shapes must have the same number of dimensions");
  Part part;
  part.strides = strides_of(shape);
  for (size_t i = 0; i < shape.size(); ++i) {
    if (extent[i] == 0) return {0, Shape(shape.size(), 0)};
    const int64_t last = begin[i] + (extent[i] - 1) * step[i];
    if (begin[i] < 0 || begin[i] >= shape[i] || last < 0 || last >= shape[i])
      throw std::invalid_argument("slice of axis " + std::to_string(i) + " runs from " +
                                  std::to_string(begin[i]) + " to " + std::to_string(last) +
                                  ", outside of its size " + std::to_string(shape[i]));
    part.first += begin[i] * part.strides[i];
    part.strides[i] *= step[i];
  }
  return part;
}

struct Copy {
  size_t bytes;
  double cost;
  Copy(const mx_signature& sig, mx_prepared& plan)
      : bytes(byte_size(sig.out[0])), cost(20 + move_ns(bytes)) {
    require_same_dtype(sig);
    if (byte_size(sig.in[0]) != bytes) throw Unsupported("input and output differ in size");
    plan.cost_ns = cost;
    plan.inplace[0] = 1u;
  }
  void operator()(const mx_call& call) const {
    const char* in = static_cast<const char*>(call.in[0]);
    char* out = static_cast<char*>(call.out[0]);
    if (in == out) return;
    parallel_for(static_cast<int64_t>(bytes), 4096, cost, [&](int64_t begin, int64_t end) {
      std::memcpy(out + begin, in + begin, static_cast<size_t>(end - begin));
    });
  }
};

// axes: output axis i is input axis axes[i].
struct Transpose {
  StridedCopy copy;
  Transpose(const mx_signature& sig, mx_prepared& plan) {
    require_same_dtype(sig);
    const auto shape = shape_of(sig.in[0]);
    const Shape axes = Params(sig).ints("axes");
    if (axes.size() != shape.size())
      throw std::invalid_argument("axes must name every dimension once");
    const Shape in_strides = strides_of(shape);
    Shape extent, src;
    for (int64_t axis : axes) {
      extent.push_back(shape[static_cast<size_t>(axis)]);
      src.push_back(in_strides[static_cast<size_t>(axis)]);
    }
    copy = StridedCopy(extent, src, strides_of(extent), element_size(sig.out[0].dtype));
    plan.cost_ns = copy.cost_ns();
  }
  void operator()(const mx_call& call) const { copy(call.in[0], call.out[0]); }
};

// axis: inputs lie one after the other along it.
struct Concat {
  struct Piece {
    StridedCopy copy;
    int64_t first;  // element of the output where the piece begins
  };
  std::vector<Piece> pieces;
  size_t element;
  Concat(const mx_signature& sig, mx_prepared& plan) : element(element_size(sig.out[0].dtype)) {
    require_same_dtype(sig);
    const auto shape = shape_of(sig.out[0]);
    const size_t axis = static_cast<size_t>(Params(sig).integer("axis"));
    if (axis >= shape.size()) throw std::invalid_argument("axis is outside of the shape");
    const Shape out_strides = strides_of(shape);
    int64_t first = 0;
    plan.cost_ns = 20;
    for (int32_t i = 0; i < sig.n_in; ++i) {
      const auto extent = shape_of(sig.in[i]);
      pieces.push_back({StridedCopy(extent, strides_of(extent), out_strides, element), first});
      first += extent[axis] * out_strides[axis];
      plan.cost_ns += pieces.back().copy.cost_ns();
    }
  }
  void operator()(const mx_call& call) const {
    for (size_t i = 0; i < pieces.size(); ++i)
      pieces[i].copy(call.in[i], bytes_at(call.out[0], pieces[i].first, element));
  }
};

// begin, step: the output is data[begin : : step], as long as the output is.
struct Slice {
  StridedCopy copy;
  int64_t first;
  size_t element;
  Slice(const mx_signature& sig, mx_prepared& plan) : element(element_size(sig.out[0].dtype)) {
    require_same_dtype(sig);
    const Params p(sig);
    const auto extent = shape_of(sig.out[0]);
    const Part part = part_of(shape_of(sig.in[0]), p.ints("begin"), p.ints("step"), extent);
    first = part.first;
    copy = StridedCopy(extent, part.strides, strides_of(extent), element);
    plan.cost_ns = copy.cost_ns();
  }
  void operator()(const mx_call& call) const {
    copy(bytes_at(call.in[0], first, element), call.out[0]);
  }
};

// Zeros with dy stored at begin, step.
struct SliceBackward {
  StridedCopy copy;
  int64_t first;
  size_t element, bytes;
  bool covers;  // dy fills the whole output
  double cost;
  SliceBackward(const mx_signature& sig, mx_prepared& plan)
      : element(element_size(sig.out[0].dtype)), bytes(byte_size(sig.out[0])) {
    require_same_dtype(sig);
    const Params p(sig);
    const auto extent = shape_of(sig.in[0]);
    const Part part = part_of(shape_of(sig.out[0]), p.ints("begin"), p.ints("step"), extent);
    first = part.first;
    copy = StridedCopy(extent, strides_of(extent), part.strides, element);
    covers = numel(sig.in[0]) == numel(sig.out[0]);
    cost = move_ns(bytes);
    plan.cost_ns = copy.cost_ns() + (covers ? 0 : cost);
  }
  void operator()(const mx_call& call) const {
    if (!covers) {
      parallel_for(static_cast<int64_t>(bytes), 4096, cost, [&](int64_t begin, int64_t end) {
        std::memset(static_cast<char*>(call.out[0]) + begin, 0, static_cast<size_t>(end - begin));
      });
    }
    copy(call.in[0], bytes_at(call.out[0], first, element));
  }
};

// dst with src (broadcast, converted) stored at begin, step; `shape` of the slice follows from the
// optional parameter "shape", else from src's own shape. In-place on dst only the slice is touched.
struct SliceAssign {
  StridedCopy copy;
  ConvertFn convert = nullptr;
  int64_t first = 0, src_numel;
  size_t element, bytes, src_bytes;
  SliceAssign(const mx_signature& sig, mx_prepared& plan)
      : src_numel(numel(sig.in[1])),
        element(element_size(sig.out[0].dtype)),
        bytes(byte_size(sig.out[0])) {
    if (sig.in[0].dtype != sig.out[0].dtype)
      throw Unsupported("dst and the output differ in dtype");
    const Params p(sig);
    const auto shape = shape_of(sig.out[0]);
    const Shape begin = p.ints("begin"), step = p.ints("step");
    const Shape extent = p.ints("shape", right_aligned(shape_of(sig.in[1]), shape.size()));
    const Part part = part_of(shape, begin, step, extent);
    first = part.first;
    copy = StridedCopy(extent,
                       broadcast_strides(leading_ones_dropped(sig.in[1], shape.size()), extent),
                       part.strides, element);
    if (sig.in[1].dtype != sig.out[0].dtype) {
      convert = converter(sig.in[1].dtype, sig.out[0].dtype);
      plan.workspace_bytes = static_cast<size_t>(src_numel) * element;
    }
    src_bytes = byte_size(sig.in[1]);
    plan.cost_ns = copy.cost_ns() + (convert ? move_ns(plan.workspace_bytes + src_bytes) : 0);
    plan.inplace[0] = 1u;
  }
  void operator()(const mx_call& call) const {
    char* out = static_cast<char*>(call.out[0]);
    if (out != call.in[0] && bytes) std::memcpy(out, call.in[0], bytes);
    const void* src = call.in[1];
    std::unique_ptr<char[]> kept;
    if (convert) {
      convert(src, call.workspace, src_numel);
      src = call.workspace;
    } else if (overlaps(out, src)) {  // x[1:] = x[:-1]: read everything before the first write
      kept = std::make_unique_for_overwrite<char[]>(src_bytes);
      std::memcpy(kept.get(), src, src_bytes);
      src = kept.get();
    }
    copy(src, bytes_at(out, first, element));
  }

 private:
  bool overlaps(const char* out, const void* src) const {
    const char* s = static_cast<const char*>(src);
    return s < out + bytes && out < s + src_bytes;
  }
  static Shape right_aligned(std::span<const int64_t> shape, size_t ndim) {
    Shape aligned(ndim, 1);
    const size_t n = std::min(ndim, shape.size());
    std::copy(shape.end() - static_cast<ptrdiff_t>(n), shape.end(),
              aligned.end() - static_cast<ptrdiff_t>(n));
    return aligned;
  }
  // NumPy lets x[0:2] = array of shape (1, 2): leading ones beyond the slice's dimensions do not
  // count.
  static std::span<const int64_t> leading_ones_dropped(const mx_tensor_type& src, size_t ndim) {
    auto shape = shape_of(src);
    while (shape.size() > ndim && shape.front() == 1) shape = shape.subspan(1);
    return shape;
  }
};

// out[i] = start + step * (i / repeat); start and step are first converted to the output's dtype,
// as in MXNet.
struct Arange {
  int32_t dtype;
  int64_t n, repeat;
  double start, step, cost;
  Arange(const mx_signature& sig, mx_prepared& plan)
      : dtype(sig.out[0].dtype), n(numel(sig.out[0])) {
    const Params p(sig);
    start = p.number("start", 0.0);
    step = p.number("step", 1.0);
    repeat = p.integer("repeat", 1);
    if (repeat < 1) throw std::invalid_argument("repeat must be >= 1");
    plan.cost_ns = cost = 20 + static_cast<double>(n);
  }
  void operator()(const mx_call& call) const {
    visit_dtype(dtype,
                [&](auto tag) { fill(static_cast<typename decltype(tag)::type*>(call.out[0])); });
  }

 private:
  template <class T>
  void fill(T* out) const {
    // Unsigned integers wrap where signed ones would overflow.
    using Wide = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;
    const Wide first = widened<Wide>(start), by = widened<Wide>(step);
    parallel_for(n, 4096, cost, [&](int64_t begin, int64_t end) {
      if (repeat == 1) {
        for (int64_t i = begin; i < end; ++i) store(out[i], first + by * static_cast<Wide>(i));
      } else {
        for (int64_t i = begin; i < end; ++i)
          store(out[i], first + by * static_cast<Wide>(i / repeat));
      }
    });
  }
  template <class Wide>
  static Wide widened(double value) {
    if constexpr (std::is_same_v<Wide, double>) {
      return value;
    } else {  // the nearest int64, 0 for NaN
      constexpr double limit = 9223372036854774784.0;
      const double limited = std::isnan(value) ? 0.0 : std::clamp(value, -limit, limit);
      return static_cast<Wide>(static_cast<int64_t>(limited));
    }
  }
  template <class T, class Wide>
  static void store(T& out, Wide value) {
    if constexpr (std::is_same_v<T, bool8>) {
      out = bool8(value != 0);
    } else if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
      out = T(static_cast<float>(value));
    } else {
      out = static_cast<T>(value);
    }
  }
};

// Ones where column == row + k, zeros elsewhere.
struct Eye {
  int32_t dtype;
  int64_t rows, columns, k;
  size_t bytes;
  Eye(const mx_signature& sig, mx_prepared& plan)
      : dtype(sig.out[0].dtype), bytes(byte_size(sig.out[0])) {
    const auto shape = shape_of(sig.out[0]);
    if (shape.size() != 2) throw std::invalid_argument("the output must have two dimensions");
    rows = shape[0];
    columns = shape[1];
    k = Params(sig).integer("k", 0);
    plan.cost_ns = 20 + move_ns(bytes);
  }
  void operator()(const mx_call& call) const {
    if (bytes == 0) return;
    std::memset(call.out[0], 0, bytes);
    visit_dtype(dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      T* out = static_cast<T*>(call.out[0]);
      if (k >= columns || k <= -rows) return;
      for (int64_t r = std::max<int64_t>(0, -k); r < rows && r + k < columns; ++r)
        out[r * columns + r + k] = T(1);
    });
  }
};

}  // namespace

std::vector<mx_kernel> movement_kernels() {
  return {make_kernel<Copy>("_copy"),
          make_kernel<Transpose>("_transpose"),
          make_kernel<Concat>("_concat"),
          make_kernel<Slice>("_slice"),
          make_kernel<SliceBackward>("_slice_backward"),
          make_kernel<SliceAssign>("_slice_assign"),
          make_kernel<Arange>("_arange"),
          make_kernel<Eye>("_eye")};
}

}  // namespace mx::cpu
