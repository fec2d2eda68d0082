// Pooling over one to three spatial dimensions, and its gradient. A row of results is computed in
// two steps: the input rows of its windows are combined one under the other, then neighbours along
// the row; both loops are plain vectors whatever the kernel. float16 and bfloat16 go through
// float32.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "families.h"
#include "in_float32.h"
#include "parallel.h"
#include "stream.h"
#include "vecmath.h"

namespace mx::cpu {
namespace {

// What happens to the elements of a window. As in MXNet, lp takes no absolute values: p = 1 is the
// sum, p = 2 sqrt(sum x^2), p = 3 cbrt(sum x^3).
enum class Pool { maximum, sum, lp2, lp3 };

// Three spatial dimensions always: missing ones in front have size 1.
struct PoolShape {
  int64_t planes;  // n * channels
  int64_t size[3], out[3], kernel[3], stride[3], pad[3];
  int64_t padded_width;  // of a row that all windows of an output row can read
  Pool pool;
  bool average = false, count_pad = true;

  PoolShape(const mx_signature& sig, const mx_tensor_type& data, const mx_tensor_type& result) {
    if (data.ndim < 3 || data.ndim > 5) throw Unsupported("only one to three spatial dimensions");
    if (result.ndim != data.ndim)
      throw std::invalid_argument("data and output differ in dimensions");
    const size_t spatial = static_cast<size_t>(data.ndim) - 2;
    const Params p(sig);
    const Shape kernels = p.ints("kernel"), strides = p.ints("stride", Shape(spatial, 1));
    const Shape pads = p.ints("pad", Shape(spatial, 0));
    if (kernels.size() != spatial || strides.size() != spatial || pads.size() != spatial)
      throw std::invalid_argument("kernel, stride and pad need one number per spatial dimension");
    planes = data.shape[0] * data.shape[1];
    for (size_t i = 0; i < 3; ++i) {
      const bool missing = i + spatial < 3;
      const size_t d = missing ? 0 : i + spatial - 3;
      size[i] = missing ? 1 : data.shape[2 + d];
      out[i] = missing ? 1 : result.shape[2 + d];
      kernel[i] = missing ? 1 : kernels[d];
      stride[i] = missing ? 1 : strides[d];
      pad[i] = missing ? 0 : pads[d];
      if (kernel[i] < 1 || stride[i] < 1 || pad[i] < 0)
        throw std::invalid_argument("kernel and stride must be positive, pad not negative");
    }
    padded_width = std::max((out[2] - 1) * stride[2] + kernel[2], pad[2] + size[2]);
    const std::string_view type = p.text("pool_type", "max");
    pool = type == "max" ? Pool::maximum : Pool::sum;
    average = type == "avg";
    count_pad = p.boolean("count_include_pad", true);
    if (type == "lp") {
      const int64_t power = p.integer("p_value", 2);
      if (power < 1 || power > 3) throw Unsupported("lp pooling has p_value 1, 2 or 3");
      pool = power == 2 ? Pool::lp2 : power == 3 ? Pool::lp3 : Pool::sum;
    } else if (type != "max" && type != "avg" && type != "sum") {
      throw Unsupported("pool_type must be max, avg, sum or lp, got " + std::string(type));
    }
  }

  int64_t in_plane() const { return size[0] * size[1] * size[2]; }
  int64_t out_plane() const { return out[0] * out[1] * out[2]; }
  double cost_ns() const {
    const double windows = static_cast<double>(planes * out_plane());
    return 50 + windows * (0.5 + 0.15 * static_cast<double>(kernel[0] * kernel[1] * kernel[2]));
  }
  // The part [begin, end) of window `o` along dimension d that lies on data.
  struct Range {
    int64_t begin, end;
  };
  Range window(int d, int64_t o) const {
    const int64_t start = o * stride[d] - pad[d];
    const int64_t begin = std::max<int64_t>(0, start);
    return {begin, std::max(begin, std::min(size[d], start + kernel[d]))};
  }
  // Elements of window `o` along dimension d that an average divides by: on data, or also on the
  // padding (but never beyond the padding, where windows may overhang).
  int64_t count(int d, int64_t o) const {
    if (!count_pad) {
      const Range r = window(d, o);
      return r.end - r.begin;
    }
    const int64_t start = o * stride[d] - pad[d];
    return std::max<int64_t>(0, std::min(start + kernel[d], size[d] + pad[d]) - start);
  }
};

template <class T>
constexpr T kStart = -std::numeric_limits<T>::infinity();

template <class T, Pool pool>
constexpr T start_of = pool == Pool::maximum ? kStart<T> : T(0);

template <class T, Pool pool>
MX_INLINE T transformed(T x) {
  if constexpr (pool == Pool::lp2) return x * x;
  if constexpr (pool == Pool::lp3) return x * x * x;
  return x;
}
// Keeps `a` where b is NaN: a maximum ignores NaN, as MXNet's does.
template <class T, Pool pool>
MX_INLINE T combined(T a, T b) {
  if constexpr (pool == Pool::maximum) return b > a ? b : a;
  return a + b;
}

// f(offset) with offset a vector-friendly multiple: the strides 1 and 2 are compile-time constants.
template <class F>
MX_INLINE void with_stride(int64_t stride, F&& f) {
  switch (stride) {
    case 1:
      return f(std::integral_constant<int64_t, 1>{});
    case 2:
      return f(std::integral_constant<int64_t, 2>{});
    default:
      return f(stride);
  }
}

// ---- forward ------------------------------------------------------------------------------------

// One output row: line is a padded row of scratch. Returns whether some maximum is -inf.
template <class T, Pool pool>
MX_INLINE bool pool_row(const PoolShape& s, const T* plane, int64_t od, int64_t oh,
                        T* __restrict line, T* __restrict out) {
  const auto depth = s.window(0, od), height = s.window(1, oh);
  const int64_t width = s.size[2], n = s.out[2];
  T* __restrict inside = line + s.pad[2];
  bool first = true;
  for (int64_t d = depth.begin; d < depth.end; ++d) {
    for (int64_t h = height.begin; h < height.end; ++h) {
      const T* __restrict row = plane + (d * s.size[1] + h) * width;
      if (first) {
        for (int64_t w = 0; w < width; ++w)
          inside[w] = combined<T, pool>(start_of<T, pool>, transformed<T, pool>(row[w]));
      } else {
        for (int64_t w = 0; w < width; ++w)
          inside[w] = combined<T, pool>(inside[w], transformed<T, pool>(row[w]));
      }
      first = false;
    }
  }
  if (first) std::fill_n(inside, width, start_of<T, pool>);
  with_stride(
      s.stride[2], [&](auto stride) __attribute__((always_inline)) {
        int64_t k = 1;
        if (s.kernel[2] == 1) {
          for (int64_t o = 0; o < n; ++o) out[o] = line[o * stride];
        } else if (s.kernel[2] == 2) {
          for (int64_t o = 0; o < n; ++o)
            out[o] = combined<T, pool>(line[o * stride], line[o * stride + 1]);
          k = 2;
        } else {
          for (int64_t o = 0; o < n; ++o)
            out[o] = combined<T, pool>(combined<T, pool>(line[o * stride], line[o * stride + 1]),
                                       line[o * stride + 2]);
          k = 3;
        }
        for (; k < s.kernel[2]; ++k)
          for (int64_t o = 0; o < n; ++o) out[o] = combined<T, pool>(out[o], line[o * stride + k]);
      });
  if constexpr (pool == Pool::lp2)
    for (int64_t o = 0; o < n; ++o) out[o] = std::sqrt(out[o]);
  if constexpr (pool == Pool::lp3)
    for (int64_t o = 0; o < n; ++o) out[o] = std::cbrt(out[o]);
  int without = 0;
  if constexpr (pool == Pool::maximum)
    for (int64_t o = 0; o < n; ++o) without |= out[o] == kStart<T>;
  return without != 0;
}

#define MX_POOL_ROW(name, T, pool)                                                         \
  MX_CLONES bool name(const PoolShape& s, const T* plane, int64_t od, int64_t oh, T* line, \
                      T* out) {                                                            \
    return pool_row<T, pool>(s, plane, od, oh, line, out);                                 \
  }
MX_POOL_ROW(max_row, float, Pool::maximum)
MX_POOL_ROW(max_row, double, Pool::maximum)
MX_POOL_ROW(sum_row, float, Pool::sum)
MX_POOL_ROW(sum_row, double, Pool::sum)
MX_POOL_ROW(lp2_row, float, Pool::lp2)
MX_POOL_ROW(lp2_row, double, Pool::lp2)
MX_POOL_ROW(lp3_row, float, Pool::lp3)
MX_POOL_ROW(lp3_row, double, Pool::lp3)
#undef MX_POOL_ROW

// f(row, column of the window's elements on data) for one window, in row-major order, until f says
// true.
template <class F>
void scan_window(const PoolShape& s, int64_t od, int64_t oh, int64_t ow, F&& f) {
  const auto depth = s.window(0, od), height = s.window(1, oh), width = s.window(2, ow);
  for (int64_t d = depth.begin; d < depth.end; ++d)
    for (int64_t h = height.begin; h < height.end; ++h)
      for (int64_t w = width.begin; w < width.end; ++w)
        if (f((d * s.size[1] + h) * s.size[2] + w)) return;
}

// The rare windows without a maximum above -inf: lowest() for an empty one (as MXNet), NaN for one
// of only NaN.
template <class T>
void settle_row(const PoolShape& s, const T* plane, int64_t od, int64_t oh, T* out) {
  for (int64_t o = 0; o < s.out[2]; ++o) {
    if (out[o] != kStart<T>) continue;
    T value = std::numeric_limits<T>::lowest();
    scan_window(s, od, oh, o, [&](int64_t at) {
      value = plane[at];
      return !std::isnan(value);
    });
    out[o] = value;
  }
}

// What averages of a row divide by along the width; 1 for an empty window.
template <class T>
std::vector<T> width_counts(const PoolShape& s) {
  std::vector<T> counts(static_cast<size_t>(s.out[2]));
  for (size_t o = 0; o < counts.size(); ++o)
    counts[o] = static_cast<T>(std::max<int64_t>(1, s.count(2, static_cast<int64_t>(o))));
  return counts;
}

template <class T>
void divide(const PoolShape& s, const std::vector<T>& widths, int64_t od, int64_t oh, T* out) {
  const T rows = static_cast<T>(std::max<int64_t>(1, s.count(0, od) * s.count(1, oh)));
  const T* width = widths.data();
  for (int64_t o = 0; o < s.out[2]; ++o) out[o] /= rows * width[o];
}

template <class T>
struct Pooling {
  PoolShape shape;
  std::vector<T> widths;
  Pooling(const mx_signature& sig, mx_prepared& plan)
      : shape(sig, sig.in[0], sig.out[0]), widths(width_counts<T>(shape)) {
    require_dtype(sig, std::is_same_v<T, float> ? MX_FLOAT32 : MX_FLOAT64);
    plan.cost_ns = shape.cost_ns();
  }
  void operator()(const mx_call& call) const {
    const PoolShape& s = shape;
    if (s.planes * s.out_plane() == 0) return;
    const T* data = static_cast<const T*>(call.in[0]);
    T* out = static_cast<T*>(call.out[0]);
    parallel_for(s.planes, 1, s.cost_ns(), [&](int64_t begin, int64_t end) {
      std::vector<T> line(static_cast<size_t>(s.padded_width),
                          s.pool == Pool::maximum ? kStart<T> : T(0));
      for (int64_t plane = begin; plane < end; ++plane)
        for (int64_t od = 0; od < s.out[0]; ++od)
          for (int64_t oh = 0; oh < s.out[1]; ++oh)
            row(data + plane * s.in_plane(), od, oh, line.data(),
                out + plane * s.out_plane() + (od * s.out[1] + oh) * s.out[2]);
    });
  }

 private:
  void row(const T* plane, int64_t od, int64_t oh, T* line, T* out) const {
    switch (shape.pool) {
      case Pool::maximum:
        if (max_row(shape, plane, od, oh, line, out)) settle_row(shape, plane, od, oh, out);
        break;
      case Pool::sum:
        sum_row(shape, plane, od, oh, line, out);
        if (shape.average) divide(shape, widths, od, oh, out);
        break;
      case Pool::lp2:
        lp2_row(shape, plane, od, oh, line, out);
        break;
      case Pool::lp3:
        lp3_row(shape, plane, od, oh, line, out);
        break;
    }
  }
};

// ---- gradient -----------------------------------------------------------------------------------

// Sixteen windows side by side, in registers.
constexpr int64_t kSideBySide = 16;
template <class T>
struct Vector {
  typedef T type __attribute__((vector_size(sizeof(T) * kSideBySide)));
};

// Elements 0, stride, 2 stride, ... of x.
template <class T>
MX_INLINE void load_strided(const T* x, int64_t stride, typename Vector<T>::type& out) {
  using V = typename Vector<T>::type;
  using Index = typename Vector<std::conditional_t<sizeof(T) == 4, int32_t, int64_t>>::type;
  if (stride == 1) {
    std::memcpy(&out, x, sizeof(V));
  } else if (stride == 2) {
    V low, high;  // high ends at the last element used, so that nothing beyond it is read
    std::memcpy(&low, x, sizeof(V));
    std::memcpy(&high, x + kSideBySide - 1, sizeof(V));
    constexpr Index even = {0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31};
#ifdef __clang__
    out = __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29,
                                  31);
#else
    out = __builtin_shuffle(low, high, even);
#endif
  } else {
    for (int64_t j = 0; j < kSideBySide; ++j) out[j] = x[j * stride];
  }
}

// Where the first maximum of each window of an output row is: codes count the window's elements in
// row-major order, -1 where none is above -inf. padded: data rows with -inf around them, one per
// window row, which all windows up to a multiple of kSideBySide can read.
template <class T, class Code>
MX_INLINE void first_maximum_row(const PoolShape& s, const T* __restrict padded, int64_t line,
                                 int64_t rows, Code* __restrict code) {
  using V = typename Vector<T>::type;
  using C = typename Vector<Code>::type;
  with_stride(
      s.stride[2], [&](auto stride) __attribute__((always_inline)) {
        for (int64_t o = 0; o < s.out[2]; o += kSideBySide) {
          V best = V{} + kStart<T>;
          C found = C{} - 1;
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t k = 0; k < s.kernel[2]; ++k) {
              V value;
              load_strided(padded + r * line + k + o * stride, stride, value);
              const C above = value > best;
              found = above ? C{} + static_cast<Code>(r * s.kernel[2] + k) : found;
              best = above ? value : best;
            }
          }
          std::memcpy(code + o, &found, sizeof(C));
        }
      });
}
MX_CLONES void first_maximum(const PoolShape& s, const float* padded, int64_t line, int64_t rows,
                             int32_t* code) {
  first_maximum_row(s, padded, line, rows, code);
}
MX_CLONES void first_maximum(const PoolShape& s, const double* padded, int64_t line, int64_t rows,
                             int64_t* code) {
  first_maximum_row(s, padded, line, rows, code);
}

// The commonest case at once: two rows of data, windows of 2 x 2 side by side, each written as a
// whole. Returns whether some window has no value above -inf.
template <class T>
MX_INLINE bool some_pairs(const T* __restrict x, const T* __restrict below, const T* __restrict dy,
                          T* __restrict dx, T* __restrict dx_below, int64_t n) {
  int without = 0;
  _Pragma("GCC unroll 1") for (int64_t o = 0; o < n; ++o) {
    const T a = x[2 * o], b = x[2 * o + 1], c = below[2 * o], d = below[2 * o + 1], head = dy[o];
    const T first = a > kStart<T> ? a : kStart<T>, second = b > first ? b : first;
    const T third = c > second ? c : second;
    // The last that exceeds all before it is the first maximum.
    const T from_c = d > third ? T(0) : head;
    const T from_b = c > second ? T(0) : from_c;
    const T from_a = b > first ? T(0) : from_b;
    dx_below[2 * o + 1] = d > third ? head : T(0);
    dx_below[2 * o] = c > second ? from_c : T(0);
    dx[2 * o + 1] = b > first ? from_b : T(0);
    dx[2 * o] = a > kStart<T> ? from_a : T(0);
    without |= !(d > third) & (third == kStart<T>);
  }
  return without != 0;
}
template <class T>
MX_INLINE bool pairs_row(const T* x, const T* below, const T* dy, T* dx, T* dx_below, int64_t n) {
  if (n < kSideBySide) return some_pairs(x, below, dy, dx, dx_below, n);
  bool without = false;
  for (int64_t next = 0; next < n; next += kSideBySide) {
    const int64_t o = std::min(next, n - kSideBySide);  // the last vector may do some again
    without |=
        some_pairs(x + 2 * o, below + 2 * o, dy + o, dx + 2 * o, dx_below + 2 * o, kSideBySide);
  }
  return without;
}
MX_CLONES bool pairs(const float* x, const float* below, const float* dy, float* dx,
                     float* dx_below, int64_t n) {
  return pairs_row(x, below, dy, dx, dx_below, n);
}
MX_CLONES bool pairs(const double* x, const double* below, const double* dy, double* dx,
                     double* dx_below, int64_t n) {
  return pairs_row(x, below, dy, dx, dx_below, n);
}

// line[o * stride + k] += each of share[o], for all k: what the windows of a row give back, along
// the row.
template <class T>
MX_INLINE void spread_row(const PoolShape& s, const T* __restrict share, T* __restrict line) {
  std::fill_n(line, s.padded_width, T(0));
  with_stride(
      s.stride[2], [&](auto stride) __attribute__((always_inline)) {
        for (int64_t k = 0; k < s.kernel[2]; ++k)
          for (int64_t o = 0; o < s.out[2]; ++o) line[o * stride + k] += share[o];
      });
}
MX_CLONES void spread(const PoolShape& s, const float* share, float* line) {
  spread_row(s, share, line);
}
MX_CLONES void spread(const PoolShape& s, const double* share, double* line) {
  spread_row(s, share, line);
}

// Where the gradients of planes are made: in place, or, when the whole leaves the caches, in a
// buffer that does not, whence they are streamed.
template <class T>
class Planes {
 public:
  static constexpr int64_t kLargest = 256 << 10;  // bytes of a plane that is worth a buffer
  static constexpr int64_t kSmallest = 512;
  static bool are_streamed(const mx_tensor_type& dx, int64_t size) {
    const int64_t bytes = size * static_cast<int64_t>(sizeof(T));
    return worth_streaming(byte_size(dx)) && bytes >= kSmallest && bytes <= kLargest;
  }
  Planes(T* dx, int64_t size, bool streamed)
      : dx_(dx), size_(size), buffer_(static_cast<size_t>(streamed ? size : 0)) {}
  Planes(const Planes&) = delete;
  ~Planes() {
    if (!buffer_.empty()) finish_streaming();
  }
  T* begin(int64_t plane) { return buffer_.empty() ? dx_ + plane * size_ : buffer_.data(); }
  void finish(int64_t plane) {
    if (buffer_.empty()) return;
    const T* from = buffer_.data();
    stream_rows(
        dx_ + plane * size_, size_, 1,
        size_, [=](int64_t, int64_t i, auto& out) __attribute__((always_inline)) {
          load(from + i, out[0]);
        });
  }

 private:
  T* dx_;
  int64_t size_;
  std::vector<T> buffer_;
};

// dy, data, y -> dx. Of equal maxima the first in row-major order gets the gradient.
template <class T>
struct PoolingBackward {
  using Code = std::conditional_t<std::is_same_v<T, float>, int32_t, int64_t>;
  PoolShape shape;
  std::vector<T> widths;
  bool streamed;
  PoolingBackward(const mx_signature& sig, mx_prepared& plan)
      : shape(sig, sig.out[0], sig.in[0]), widths(width_counts<T>(shape)) {
    require_dtype(sig, std::is_same_v<T, float> ? MX_FLOAT32 : MX_FLOAT64);
    streamed =
        Planes<T>::are_streamed(sig.out[0], shape.in_plane() / (is_pairs() ? shape.size[0] : 1));
    plan.cost_ns = 2 * shape.cost_ns();
  }
  void operator()(const mx_call& call) const {
    const PoolShape& s = shape;
    if (s.planes * s.in_plane() == 0) return;
    const T* dy = static_cast<const T*>(call.in[0]);
    const T* data = static_cast<const T*>(call.in[1]);
    const T* y = static_cast<const T*>(call.in[2]);
    T* dx = static_cast<T*>(call.out[0]);
    if (is_pairs()) {
      const int64_t images = s.planes * s.size[0], area = s.size[1] * s.size[2];
      parallel_for(images, 1, s.cost_ns(), [&](int64_t begin, int64_t end) {
        Planes<T> gradients(dx, area, streamed);
        for (int64_t i = begin; i < end; ++i) {
          image_of_pairs(data + i * area, dy + i * s.out[1] * s.out[2], gradients.begin(i));
          gradients.finish(i);
        }
      });
      return;
    }
    parallel_for(s.planes, 1, 2 * s.cost_ns(), [&](int64_t begin, int64_t end) {
      Scratch scratch(s);
      Planes<T> gradients(dx, s.in_plane(), streamed);
      for (int64_t plane = begin; plane < end; ++plane) {
        T* gradient = gradients.begin(plane);
        std::fill_n(gradient, s.in_plane(), T(0));
        for (int64_t od = 0; od < s.out[0]; ++od) {
          for (int64_t oh = 0; oh < s.out[1]; ++oh) {
            const int64_t at = plane * s.out_plane() + (od * s.out[1] + oh) * s.out[2];
            if (s.pool == Pool::maximum) {
              to_maxima(data + plane * s.in_plane(), od, oh, dy + at, scratch, gradient);
            } else {
              to_all(data + plane * s.in_plane(), od, oh, dy + at, y + at, scratch, gradient);
            }
          }
        }
        gradients.finish(plane);
      }
    });
  }

 private:
  struct Scratch {
    std::vector<T> lines, row;
    std::vector<Code> code;
    std::vector<int64_t> places;  // of each code, relative to the window's first column
    int64_t line;                 // elements of a row of `lines`
    explicit Scratch(const PoolShape& s)
        : row(static_cast<size_t>(s.out[2])),
          code(static_cast<size_t>(whole(s.out[2]))),
          places(static_cast<size_t>(s.kernel[0] * s.kernel[1] * s.kernel[2])),
          line(std::max(s.padded_width, (whole(s.out[2]) - 1) * s.stride[2] + s.kernel[2])) {
      const int64_t rows = s.pool == Pool::maximum ? s.kernel[0] * s.kernel[1] : 1;
      lines.assign(static_cast<size_t>(line * rows), kStart<T>);
    }
    static int64_t whole(int64_t n) { return (n + kSideBySide - 1) / kSideBySide * kSideBySide; }
  };

  // Maxima of windows of 2 x 2, side by side, none over an edge.
  bool is_pairs() const {
    const PoolShape& s = shape;
    if (s.pool != Pool::maximum || s.kernel[0] != 1 || s.stride[0] != 1 || s.pad[0] != 0)
      return false;
    for (int d = 1; d < 3; ++d)
      if (s.kernel[d] != 2 || s.stride[d] != 2 || s.pad[d] != 0 || 2 * s.out[d] > s.size[d])
        return false;
    return s.size[0] == s.out[0];
  }
  void image_of_pairs(const T* data, const T* dy, T* dx) const {
    const PoolShape& s = shape;
    const int64_t width = s.size[2], n = s.out[2], area = s.size[1] * width;
    for (int64_t oh = 0; oh < s.out[1]; ++oh, dy += n) {
      const int64_t at = 2 * oh * width;
      T *upper = dx + at, *lower = upper + width;
      const bool without = pairs(data + at, data + at + width, dy, upper, lower, n);
      std::fill(upper + 2 * n, upper + width, T(0));
      std::fill(lower + 2 * n, lower + width, T(0));
      for (int64_t o = 0; without && o < n; ++o) {
        if (upper[2 * o] != 0 || upper[2 * o + 1] != 0 || lower[2 * o] != 0 ||
            lower[2 * o + 1] != 0)
          continue;
        const int64_t corner = at + 2 * o;
        for (int64_t place : {corner, corner + 1, corner + width, corner + width + 1}) {
          if (std::isnan(data[place])) continue;
          dx[place] = dy[o];
          break;
        }
      }
    }
    std::fill(dx + 2 * s.out[1] * width, dx + area, T(0));
  }

  void to_maxima(const T* plane, int64_t od, int64_t oh, const T* dy, Scratch& scratch,
                 T* dx) const {
    const PoolShape& s = shape;
    const auto depth = s.window(0, od), height = s.window(1, oh);
    const int64_t width = s.size[2];
    int64_t rows = 0;
    for (int64_t d = depth.begin; d < depth.end; ++d) {
      for (int64_t h = height.begin; h < height.end; ++h, ++rows) {
        const int64_t first = (d * s.size[1] + h) * width;
        std::copy_n(plane + first, width, scratch.lines.data() + rows * scratch.line + s.pad[2]);
        for (int64_t k = 0; k < s.kernel[2]; ++k)
          scratch.places[static_cast<size_t>(rows * s.kernel[2] + k)] = first + k - s.pad[2];
      }
    }
    first_maximum(s, scratch.lines.data(), scratch.line, rows, scratch.code.data());
    const int64_t* places = scratch.places.data();
    const Code* codes = scratch.code.data();
    for (int64_t o = 0; o < s.out[2]; ++o) {
      if (codes[o] >= 0) {
        dx[places[codes[o]] + o * s.stride[2]] += dy[o];
        continue;
      }
      scan_window(s, od, oh, o, [&](int64_t at) {  // only -inf and NaN, or nothing at all
        if (std::isnan(plane[at])) return false;
        dx[at] += dy[o];
        return true;
      });
    }
  }

  // Sum, average and lp: y = (sum x^p)^(1/p) has the derivative (x / y)^(p - 1); 0 where y is 0.
  void to_all(const T* plane, int64_t od, int64_t oh, const T* dy, const T* y, Scratch& scratch,
              T* dx) const {
    const PoolShape& s = shape;
    T* share = scratch.row.data();
    std::copy_n(dy, s.out[2], share);
    if (s.average) divide(s, widths, od, oh, share);
    if (s.pool == Pool::lp2)
      for (int64_t o = 0; o < s.out[2]; ++o) share[o] = y[o] == 0 ? T(0) : dy[o] / y[o];
    if (s.pool == Pool::lp3)
      for (int64_t o = 0; o < s.out[2]; ++o) share[o] = y[o] == 0 ? T(0) : dy[o] / (y[o] * y[o]);
    spread(s, share, scratch.lines.data());
    const T* line = scratch.lines.data() + s.pad[2];
    const auto depth = s.window(0, od), height = s.window(1, oh);
    for (int64_t d = depth.begin; d < depth.end; ++d) {
      for (int64_t h = height.begin; h < height.end; ++h) {
        const int64_t first = (d * s.size[1] + h) * s.size[2];
        T* to = dx + first;
        const T* x = plane + first;
        switch (s.pool) {
          case Pool::lp2:
            for (int64_t w = 0; w < s.size[2]; ++w) to[w] += line[w] * x[w];
            break;
          case Pool::lp3:
            for (int64_t w = 0; w < s.size[2]; ++w) to[w] += line[w] * x[w] * x[w];
            break;
          default:
            for (int64_t w = 0; w < s.size[2]; ++w) to[w] += line[w];
        }
      }
    }
  }
};

}  // namespace

std::vector<mx_kernel> pooling_kernels() {
  return {mx_kernel{"Pooling", prepare_float<Pooling<float>, Pooling<double>>, 0},
          mx_kernel{"_pooling_backward",
                    prepare_float<PoolingBackward<float>, PoolingBackward<double>>, 0}};
}

}  // namespace mx::cpu
