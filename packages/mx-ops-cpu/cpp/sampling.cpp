// Reading images between their pixels: _bilinear_sampler and _bilinear_resize with their gradients.
// Images are (n, c, h, w); what lies outside of an image is 0.
#include <algorithm>
#include <cmath>
#include <vector>

#include "families.h"
#include "in_float32.h"
#include "parallel.h"

namespace mx::cpu {
namespace {

// The four pixels around a place and their weights. Coordinates that are far out or NaN touch none.
template <class T>
struct Taps {
  int64_t at[4];  // offset in the plane, -1: outside
  T weight[4];
  T up, left;  // weights of the upper row and of the left column
};

template <class T>
Taps<T> taps_at(T y, T x, int64_t h, int64_t w) {
  Taps<T> taps{};
  std::fill_n(taps.at, 4, int64_t{-1});
  if (!(y > T(-1) && y < static_cast<T>(h) && x > T(-1) && x < static_cast<T>(w))) return taps;
  const auto top = static_cast<int64_t>(std::floor(y)), start = static_cast<int64_t>(std::floor(x));
  taps.up = T(1) - (y - static_cast<T>(top));
  taps.left = T(1) - (x - static_cast<T>(start));
  for (int64_t i = 0; i < 4; ++i) {
    const int64_t row = top + i / 2, column = start + i % 2;
    taps.weight[i] = (i / 2 ? T(1) - taps.up : taps.up) * (i % 2 ? T(1) - taps.left : taps.left);
    if (row >= 0 && row < h && column >= 0 && column < w) taps.at[i] = row * w + column;
  }
  return taps;
}

struct Images {
  int64_t n, c, h, w;
  explicit Images(const mx_tensor_type& type)
      : n(type.shape[0]), c(type.shape[1]), h(type.shape[2]), w(type.shape[3]) {}
};

// data, grid (n, 2, h', w') of x and y in [-1, 1] -> (n, c, h', w')
template <class T>
struct BilinearSampler {
  Images data;
  int64_t places;
  BilinearSampler(const mx_signature& sig, mx_prepared& plan)
      : data(sig.in[0]), places(sig.out[0].shape[2] * sig.out[0].shape[3]) {
    plan.cost_ns = 50 + cost_ns();
  }
  double cost_ns() const {
    return static_cast<double>(data.n * places) * (10.0 + 4.0 * static_cast<double>(data.c));
  }
  void operator()(const mx_call& call) const {
    const T *x = static_cast<const T*>(call.in[0]), *grid = static_cast<const T*>(call.in[1]);
    T* y = static_cast<T*>(call.out[0]);
    const int64_t plane = data.h * data.w;
    parallel_for(data.n * places, 1, cost_ns(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t image = i / places, place = i % places;
        const T* g = grid + image * 2 * places + place;
        const Taps<T> taps = taps_at((g[places] + 1) * T(data.h - 1) / 2,
                                     (g[0] + 1) * T(data.w - 1) / 2, data.h, data.w);
        for (int64_t c = 0; c < data.c; ++c) {
          const T* from = x + (image * data.c + c) * plane;
          T sum = 0;
          for (int tap = 0; tap < 4; ++tap)
            if (taps.at[tap] >= 0) sum += taps.weight[tap] * from[taps.at[tap]];
          y[(image * data.c + c) * places + place] = sum;
        }
      }
    });
  }
};

// dy, data, grid -> by data, by grid
template <class T>
struct BilinearSamplerBackward {
  Images data;
  int64_t places;
  BilinearSamplerBackward(const mx_signature& sig, mx_prepared& plan)
      : data(sig.in[1]), places(sig.in[0].shape[2] * sig.in[0].shape[3]) {
    plan.cost_ns = 50 + cost_ns();
  }
  double cost_ns() const {
    return static_cast<double>(data.n * places) * (10.0 + 8.0 * static_cast<double>(data.c));
  }
  void operator()(const mx_call& call) const {
    const T *dy = static_cast<const T*>(call.in[0]), *x = static_cast<const T*>(call.in[1]),
            *grid = static_cast<const T*>(call.in[2]);
    T *dx = static_cast<T*>(call.out[0]), *dgrid = static_cast<T*>(call.out[1]);
    const int64_t plane = data.h * data.w;
    std::fill_n(dx, data.n * data.c * plane, T(0));
    parallel_for(data.n, 1, cost_ns(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * places; i < end * places; ++i) {
        const int64_t image = i / places, place = i % places;
        const int64_t g = image * 2 * places + place;
        const Taps<T> taps = taps_at((grid[g + places] + 1) * T(data.h - 1) / 2,
                                     (grid[g] + 1) * T(data.w - 1) / 2, data.h, data.w);
        T by_y = 0, by_x = 0;
        for (int64_t c = 0; c < data.c; ++c) {
          const T head = dy[(image * data.c + c) * places + place];
          T value[4];
          for (int tap = 0; tap < 4; ++tap) {
            const bool inside = taps.at[tap] >= 0;
            const int64_t at = (image * data.c + c) * plane + (inside ? taps.at[tap] : 0);
            value[tap] = inside ? x[at] : T(0);
            if (inside) dx[at] += taps.weight[tap] * head;
          }
          by_y += head *
                  ((value[2] - value[0]) * taps.left + (value[3] - value[1]) * (T(1) - taps.left));
          by_x +=
              head * ((value[1] - value[0]) * taps.up + (value[3] - value[2]) * (T(1) - taps.up));
        }
        dgrid[g] = by_x * T(data.w - 1) / 2;
        dgrid[g + places] = by_y * T(data.h - 1) / 2;
      }
    });
  }
};

// Where output element i of `out` reads an axis of `in` elements: two neighbours and the second's
// weight.
struct Neighbours {
  int64_t first, second;
  double weight;
};

std::vector<Neighbours> neighbours(int64_t in, int64_t out, bool align_corners) {
  std::vector<Neighbours> found(static_cast<size_t>(out));
  // A single output element reads the first input element, whatever align_corners, as in MXNet 1.x.
  const double scale = out <= 1        ? 0.0
                       : align_corners ? static_cast<double>(in - 1) / static_cast<double>(out - 1)
                                       : static_cast<double>(in) / static_cast<double>(out);
  for (int64_t i = 0; i < out; ++i) {
    const double at = align_corners ? scale * static_cast<double>(i)
                                    : std::max(0.0, scale * (static_cast<double>(i) + 0.5) - 0.5);
    const int64_t first = std::min(static_cast<int64_t>(at), in - 1);
    found[static_cast<size_t>(i)] = {first, std::min(first + 1, in - 1),
                                     at - static_cast<double>(first)};
  }
  return found;
}

// data (n, c, h, w) -> (n, c, h', w'); backward: dy -> by data
template <class T, bool backward>
struct BilinearResize {
  Images small, large;  // small: the data; large: what it is resized to
  std::vector<Neighbours> rows, columns;
  BilinearResize(const mx_signature& sig, mx_prepared& plan)
      : small(backward ? sig.out[0] : sig.in[0]), large(backward ? sig.in[0] : sig.out[0]) {
    const bool align = Params(sig).boolean("align_corners");
    if (small.h * small.w == 0) return;
    rows = neighbours(small.h, large.h, align);
    columns = neighbours(small.w, large.w, align);
    plan.cost_ns = 50 + cost_ns();
  }
  double cost_ns() const {
    return 4.0 * static_cast<double>(large.n * large.c * large.h * large.w);
  }
  void operator()(const mx_call& call) const {
    const T* from = static_cast<const T*>(call.in[0]);
    T* to = static_cast<T*>(call.out[0]);
    const int64_t plane = small.h * small.w, wanted = large.h * large.w;
    if (backward) std::fill_n(to, small.n * small.c * plane, T(0));
    if (plane == 0) return;
    parallel_for(small.n * small.c, 1, cost_ns(), [&](int64_t begin, int64_t end) {
      for (int64_t image = begin; image < end; ++image)
        for (int64_t y = 0; y < large.h; ++y) {
          const Neighbours& row = rows[static_cast<size_t>(y)];
          const T down = static_cast<T>(row.weight), up = T(1) - down;
          if constexpr (backward) {
            T *upper = to + image * plane + row.first * small.w,
              *lower = to + image * plane + row.second * small.w;
            const T* head = from + image * wanted + y * large.w;
            for (int64_t x = 0; x < large.w; ++x) {
              const Neighbours& column = columns[static_cast<size_t>(x)];
              const T right = static_cast<T>(column.weight), left = T(1) - right;
              upper[column.first] += head[x] * up * left;
              upper[column.second] += head[x] * up * right;
              lower[column.first] += head[x] * down * left;
              lower[column.second] += head[x] * down * right;
            }
          } else {
            const T *upper = from + image * plane + row.first * small.w,
                    *lower = from + image * plane + row.second * small.w;
            T* out = to + image * wanted + y * large.w;
            for (int64_t x = 0; x < large.w; ++x) {
              const Neighbours& column = columns[static_cast<size_t>(x)];
              const T right = static_cast<T>(column.weight), left = T(1) - right;
              out[x] = up * (left * upper[column.first] + right * upper[column.second]) +
                       down * (left * lower[column.first] + right * lower[column.second]);
            }
          }
        }
    });
  }
};

}  // namespace

std::vector<mx_kernel> sampling_kernels() {
  return {
      mx_kernel{"_bilinear_sampler", prepare_float<BilinearSampler<float>, BilinearSampler<double>>,
                0},
      mx_kernel{"_bilinear_sampler_backward",
                prepare_float<BilinearSamplerBackward<float>, BilinearSamplerBackward<double>>, 0},
      mx_kernel{"_bilinear_resize",
                prepare_float<BilinearResize<float, false>, BilinearResize<double, false>>, 0},
      mx_kernel{"_bilinear_resize_backward",
                prepare_float<BilinearResize<float, true>, BilinearResize<double, true>>, 0},
  };
}

}  // namespace mx::cpu
