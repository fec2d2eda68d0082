#include "strided.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "mx/kernel.h"
#include "parallel.h"
#include "stream.h"
#include "vecmath.h"

namespace mx::cpu {
namespace {

using Dim = StridedCopy::Dim;

constexpr int64_t kStreamedRow = 512;  // bytes: shorter rows begin and end in too many split lines

// ---- one square block, transposed in vector registers -------------------------------------------

// A square of `side` x `side` elements; a row is one cache line for 4 and 8 bytes, so that every
// line of source and destination is touched exactly once, whatever the strides.
template <class T>
constexpr int64_t kSide = sizeof(T) == 8 ? 8 : 16;

template <class T>
struct BlockRow {
  typedef T type __attribute__((vector_size(sizeof(T) * kSide<T>)));
};

template <class T, class Sequence>
struct Zip;
template <class T, size_t... I>
struct Zip<T, std::index_sequence<I...>> {
  using Row = typename BlockRow<T>::type;
  static constexpr size_t side = sizeof...(I);
  // a0 b0 a1 b1 ... from the low (high) halves of a and b.
  static MX_INLINE void low(const Row& a, const Row& b, Row& out) {
#ifdef __clang__
    out = __builtin_shufflevector(a, b, (I % 2 ? side + I / 2 : I / 2)...);
#else
    out = __builtin_shuffle(a, b, Row{static_cast<T>(I % 2 ? side + I / 2 : I / 2)...});
#endif
  }
  static MX_INLINE void high(const Row& a, const Row& b, Row& out) {
#ifdef __clang__
    out = __builtin_shufflevector(a, b, (side / 2 + (I % 2 ? side + I / 2 : I / 2))...);
#else
    out =
        __builtin_shuffle(a, b, Row{static_cast<T>(side / 2 + (I % 2 ? side + I / 2 : I / 2))...});
#endif
  }
};

// The square at src, its columns as rows.
template <class T>
MX_INLINE void load_transposed(const T* src, int64_t src_stride,
                               typename BlockRow<T>::type (&a)[kSide<T>]) {
  constexpr int64_t side = kSide<T>;
  using Row = typename BlockRow<T>::type;
  using Z = Zip<T, std::make_index_sequence<side>>;
  Row b[side];
#pragma GCC unroll 16
  for (int64_t i = 0; i < side; ++i) std::memcpy(&a[i], src + i * src_stride, sizeof(Row));
    // log2(side) rounds of interleaving row i with row i + side / 2 transpose the square.
#pragma GCC unroll 4
  for (int64_t round = 1; round < side; round *= 2) {
#pragma GCC unroll 8
    for (int64_t i = 0; i < side / 2; ++i) {
      Z::low(a[i], a[i + side / 2], b[2 * i]);
      Z::high(a[i], a[i + side / 2], b[2 * i + 1]);
    }
#pragma GCC unroll 16
    for (int64_t i = 0; i < side; ++i) a[i] = b[i];
  }
}

template <class T>
MX_INLINE void transpose_block(const T* src, int64_t src_stride, T* dst, int64_t dst_stride) {
  typename BlockRow<T>::type a[kSide<T>];
  load_transposed<T>(src, src_stride, a);
#pragma GCC unroll 16
  for (int64_t i = 0; i < kSide<T>; ++i) std::memcpy(dst + i * dst_stride, &a[i], sizeof a[i]);
}

// dst[a * dst_stride + b] = src[a + b * src_stride] for a < na, b < nb.
template <class T>
MX_INLINE void transpose_plane(const T* src, int64_t src_stride, T* dst, int64_t dst_stride,
                               int64_t na, int64_t nb) {
  constexpr int64_t side = kSide<T>;
  const int64_t whole_a = na - na % side, whole_b = nb - nb % side;
  // Bands of b keep the source lines and the destination lines of a band in the cache.
  constexpr int64_t band = 512;
  for (int64_t b0 = 0; b0 < whole_b; b0 += band) {
    const int64_t b1 = std::min(whole_b, b0 + band);
    for (int64_t a = 0; a < whole_a; a += side)
      for (int64_t b = b0; b < b1; b += side)
        transpose_block<T>(src + a + b * src_stride, src_stride, dst + a * dst_stride + b,
                           dst_stride);
  }
  for (int64_t a = whole_a; a < na; ++a)
    for (int64_t b = 0; b < whole_b; ++b) dst[a * dst_stride + b] = src[a + b * src_stride];
  if (nb - whole_b <= 4) {
    for (int64_t b = whole_b; b < nb; ++b)
      for (int64_t a = 0; a < na; ++a) dst[a * dst_stride + b] = src[a + b * src_stride];
  } else {
    for (int64_t a = 0; a < na; ++a)
      for (int64_t b = whole_b; b < nb; ++b) dst[a * dst_stride + b] = src[a + b * src_stride];
  }
}

#define MX_TRANSPOSE_PLANE(T)                                                                    \
  MX_CLONES void plane(const T* src, int64_t src_stride, T* dst, int64_t dst_stride, int64_t na, \
                       int64_t nb) {                                                             \
    transpose_plane<T>(src, src_stride, dst, dst_stride, na, nb);                                \
  }
MX_TRANSPOSE_PLANE(uint8_t)
MX_TRANSPOSE_PLANE(uint16_t)
MX_TRANSPOSE_PLANE(uint32_t)
MX_TRANSPOSE_PLANE(uint64_t)
#undef MX_TRANSPOSE_PLANE

// ---- planes that leave the cache ----------------------------------------------------------------

// Whole lines can be streamed when a block's row is one, and every row of the plane begins one.
template <class T>
bool fills_lines(const T* dst, int64_t dst_stride, int64_t na, int64_t nb) {
  constexpr int64_t side = kSide<T>;
  return side * sizeof(T) == kLineBytes && na % side == 0 && nb % side == 0 &&
         dst_stride % side == 0 && starts_line(dst);
}

#if defined(__x86_64__)
// As transpose_plane, streamed: square tiles, so that pages of both sides stay open for a while.
template <class T>
__attribute__((target("arch=x86-64-v4"))) void streamed_plane(const T* src, int64_t src_stride,
                                                              T* dst, int64_t dst_stride,
                                                              int64_t na, int64_t nb) {
  constexpr int64_t side = kSide<T>, tile = 64;
  for (int64_t b0 = 0; b0 < nb; b0 += tile) {
    for (int64_t a0 = 0; a0 < na; a0 += tile) {
      const int64_t a1 = std::min(na, a0 + tile), b1 = std::min(nb, b0 + tile);
      for (int64_t a = a0; a < a1; a += side) {
        for (int64_t b = b0; b < b1; b += side) {
          typename BlockRow<T>::type rows[side];
          load_transposed<T>(src + a + b * src_stride, src_stride, rows);
          for (int64_t i = 0; i < side; ++i) stream(dst + (a + i) * dst_stride + b, rows[i]);
        }
      }
    }
  }
}
#endif

// Transposes a plane past the caches; false when this processor or the plane's place forbid it.
template <class T>
bool stream_plane(const T* src, int64_t src_stride, T* dst, int64_t dst_stride, int64_t na,
                  int64_t nb) {
#if defined(__x86_64__)
  if constexpr (kSide<T> * sizeof(T) == kLineBytes) {
    if (streaming() == Streaming::by_line && fills_lines(dst, dst_stride, na, nb)) {
      streamed_plane(src, src_stride, dst, dst_stride, na, nb);
      return true;
    }
  }
#endif
  return false;
}

// ---- rows ---------------------------------------------------------------------------------------

template <class T>
void strided_rows(const T* src, T* dst, int64_t rows, const Dim& step, const Dim& inner) {
  for (int64_t r = 0; r < rows; ++r, src += step.src, dst += step.dst) {
    if (inner.src == 0 && inner.dst == 1) {
      std::fill_n(dst, inner.n, *src);
    } else if (inner.dst == 1) {
      for (int64_t i = 0; i < inner.n; ++i) dst[i] = src[i * inner.src];
    } else if (inner.src == 1) {
      for (int64_t i = 0; i < inner.n; ++i) dst[i * inner.dst] = src[i];
    } else {
      for (int64_t i = 0; i < inner.n; ++i) dst[i * inner.dst] = src[i * inner.src];
    }
  }
}

template <class T, int N>
void tiny_rows(const T* src, T* dst, int64_t rows, const Dim& step) {
  for (int64_t r = 0; r < rows; ++r, src += step.src, dst += step.dst)
    std::memcpy(dst, src, N * sizeof(T));
}

// Rows of at least a few lines each, past the caches.
template <class T>
void streamed_rows(const T* src, T* dst, int64_t rows, const Dim& step, int64_t n) {
  stream_rows(
      dst, step.dst, rows, n, [=](int64_t r, int64_t i, auto& out) __attribute__((always_inline)) {
        load(src + r * step.src + i, out[0]);
      });
}

template <class T>
void contiguous_rows(const T* src, T* dst, int64_t rows, const Dim& step, int64_t n) {
  switch (n) {
    case 1:
      return tiny_rows<T, 1>(src, dst, rows, step);
    case 2:
      return tiny_rows<T, 2>(src, dst, rows, step);
    case 3:
      return tiny_rows<T, 3>(src, dst, rows, step);
    case 4:
      return tiny_rows<T, 4>(src, dst, rows, step);
    case 8:
      return tiny_rows<T, 8>(src, dst, rows, step);
    case 16:
      return tiny_rows<T, 16>(src, dst, rows, step);
    default:
      for (int64_t r = 0; r < rows; ++r, src += step.src, dst += step.dst)
        std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(T));
  }
}

// Calls body(src offset, dst offset, run, step) so that the runs together cover rows [begin, end)
// of the odometer `outer`; a run is `run` consecutive rows along the last dimension of it.
template <class Body>
void walk(const std::vector<Dim>& outer, int64_t begin, int64_t end, Body&& body) {
  if (outer.empty()) {
    body(int64_t{0}, int64_t{0}, int64_t{1}, Dim{1, 0, 0});
    return;
  }
  int64_t index[32];
  int64_t src = 0, dst = 0, rest = begin;
  for (size_t i = outer.size(); i-- > 0;) {
    index[i] = rest % outer[i].n;
    rest /= outer[i].n;
    src += index[i] * outer[i].src;
    dst += index[i] * outer[i].dst;
  }
  const size_t last = outer.size() - 1;
  const Dim& step = outer[last];
  for (int64_t row = begin; row < end;) {
    const int64_t run = std::min(end - row, step.n - index[last]);
    body(src, dst, run, step);
    row += run;
    src += run * step.src;
    dst += run * step.dst;
    index[last] += run;
    for (size_t i = last; i > 0 && index[i] == outer[i].n; --i) {
      src += outer[i - 1].src - outer[i].n * outer[i].src;
      dst += outer[i - 1].dst - outer[i].n * outer[i].dst;
      index[i] = 0;
      ++index[i - 1];
    }
  }
}

// Dimensions in the order of dst's memory, without those of length 1, neighbours merged where both
// sides allow.
std::vector<Dim> simplify(std::span<const int64_t> shape, std::span<const int64_t> src,
                          std::span<const int64_t> dst) {
  std::vector<Dim> dims;
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != 1) dims.push_back({shape[i], src[i], dst[i]});
  std::stable_sort(dims.begin(), dims.end(),
                   [](const Dim& a, const Dim& b) { return std::abs(a.dst) > std::abs(b.dst); });
  std::vector<Dim> merged;
  for (const Dim& d : dims) {
    if (!merged.empty() && merged.back().src == d.src * d.n && merged.back().dst == d.dst * d.n) {
      merged.back() = {merged.back().n * d.n, d.src, d.dst};
    } else {
      merged.push_back(d);
    }
  }
  return merged;
}

}  // namespace

StridedCopy::StridedCopy(std::span<const int64_t> shape, std::span<const int64_t> src_strides,
                         std::span<const int64_t> dst_strides, size_t element_bytes)
    : element_(element_bytes) {
  const int64_t n = numel(shape);
  if (n == 0) return;
  outer_ = simplify(shape, src_strides, dst_strides);
  if (!outer_.empty()) {
    inner_ = outer_.back();
    outer_.pop_back();
  }
  kind_ = inner_.src == 1 && inner_.dst == 1 ? Kind::rows : Kind::strided;
  if (inner_.dst == 1 && inner_.src != 1 && inner_.src != 0) {
    const auto unit =
        std::find_if(outer_.begin(), outer_.end(), [](const Dim& d) { return d.src == 1; });
    if (unit != outer_.end() && unit->n > 1) {
      kind_ = Kind::transpose;
      across_ = *unit;
      outer_.erase(unit);
    }
  }
  rows_ = 1;
  for (const Dim& d : outer_) rows_ *= d.n;
  const size_t moved = static_cast<size_t>(n) * element_;
  streams_ = worth_streaming(moved) &&
             (kind_ == Kind::transpose ||
              (kind_ == Kind::rows && inner_.n * static_cast<int64_t>(element_) >= kStreamedRow));
  const double bytes = static_cast<double>(n) * static_cast<double>(element_);
  const double each = kind_ == Kind::strided ? static_cast<double>(n) * 0.5 : 0.0;
  cost_ns_ = 20 + bytes / (bytes < 1e6 ? 20.0 : 10.0) + each +
             static_cast<double>(rows_) * (kind_ == Kind::rows ? 2.0 : 1.0);
}

template <class T>
void StridedCopy::run(const T* src, T* dst) const {
  if (kind_ == Kind::transpose) {
    // Threads share the planes when there are enough of them, otherwise the rows of each plane.
    const int64_t bands = rows_ >= 16 ? 1 : (across_.n + 63) / 64;
    parallel_for(rows_ * bands, 1, cost_ns_, [&](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end;) {
        const int64_t plane_index = at / bands, first = at % bands;
        const int64_t run = std::min(end - at, bands - first);
        const int64_t a0 = bands == 1 ? 0 : first * 64;
        const int64_t a1 = bands == 1 ? across_.n : std::min(across_.n, (first + run) * 64);
        walk(outer_, plane_index, plane_index + 1, [&](int64_t s, int64_t d, int64_t, const Dim&) {
          const T* from = src + s + a0;
          T* to = dst + d + a0 * across_.dst;
          if (!streams_ || !stream_plane(from, inner_.src, to, across_.dst, a1 - a0, inner_.n))
            plane(from, inner_.src, to, across_.dst, a1 - a0, inner_.n);
        });
        at += run;
      }
      if (streams_) finish_streaming();
    });
  } else if (outer_.empty()) {
    parallel_for(inner_.n, 4096, cost_ns_, [&](int64_t begin, int64_t end) {
      const T* s = src + begin * inner_.src;
      T* d = dst + begin * inner_.dst;
      if (streams_) {
        streamed_rows(s, d, 1, Dim{1, 0, 0}, end - begin);
        finish_streaming();
      } else if (kind_ == Kind::rows) {
        std::memcpy(d, s, static_cast<size_t>(end - begin) * sizeof(T));
      } else {
        strided_rows(s, d, 1, Dim{1, 0, 0}, Dim{end - begin, inner_.src, inner_.dst});
      }
    });
  } else {
    parallel_for(rows_, 1, cost_ns_, [&](int64_t begin, int64_t end) {
      walk(outer_, begin, end, [&](int64_t s, int64_t d, int64_t run, const Dim& step) {
        if (streams_) {
          streamed_rows(src + s, dst + d, run, step, inner_.n);
        } else if (kind_ == Kind::rows) {
          contiguous_rows(src + s, dst + d, run, step, inner_.n);
        } else {
          strided_rows(src + s, dst + d, run, step, inner_);
        }
      });
      if (streams_) finish_streaming();
    });
  }
}

void StridedCopy::operator()(const void* src, void* dst) const {
  if (kind_ == Kind::nothing) return;
  switch (element_) {
    case 1:
      return run(static_cast<const uint8_t*>(src), static_cast<uint8_t*>(dst));
    case 2:
      return run(static_cast<const uint16_t*>(src), static_cast<uint16_t*>(dst));
    case 4:
      return run(static_cast<const uint32_t*>(src), static_cast<uint32_t*>(dst));
    case 8:
      return run(static_cast<const uint64_t*>(src), static_cast<uint64_t*>(dst));
  }
}

}  // namespace mx::cpu
