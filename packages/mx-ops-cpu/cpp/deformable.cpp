// Deformable convolution: the columns that it multiplies, sampled between pixels, and their
// gradients. Places are data: any number may come, NaN too; what lies outside of the image is 0.
#include <algorithm>
#include <cmath>
#include <vector>

#include "families.h"
#include "in_float32.h"
#include "parallel.h"

namespace mx::cpu {
namespace {

// The four pixels around a place, and how the value between them changes with it. A corner outside
// of the image has weight 0.
template <class T>
struct Corners {
  int64_t at[4] = {0, 0, 0, 0};  // above left, above right, below left, below right
  T weight[4] = {0, 0, 0, 0};
  T by_y[4] = {0, 0, 0, 0}, by_x[4] = {0, 0, 0, 0};

  T value(const T* plane) const { return dot(plane, weight); }
  T slope_y(const T* plane) const { return dot(plane, by_y); }
  T slope_x(const T* plane) const { return dot(plane, by_x); }

 private:
  T dot(const T* plane, const T (&w)[4]) const {
    return w[0] * plane[at[0]] + w[1] * plane[at[1]] + w[2] * plane[at[2]] + w[3] * plane[at[3]];
  }
};

// fades: from the outermost pixels the value falls to 0 within one pixel, as in the modulated form;
// otherwise places from 0 to below the size are inside, those after the last pixel have its value.
template <class T>
Corners<T> corners_of(T y, T x, int64_t h, int64_t w, bool fades) {
  Corners<T> c;
  const T low = fades ? T(-1) : T(0);
  const bool inside = fades ? y > low && x > low : y >= low && x >= low;
  if (!(inside && y < static_cast<T>(h) && x < static_cast<T>(w))) return c;
  int64_t top = static_cast<int64_t>(std::floor(y)), left = static_cast<int64_t>(std::floor(x));
  T below = y - static_cast<T>(top), right = x - static_cast<T>(left);
  bool moves_y = true, moves_x = true;  // false where the last pixel's value goes on
  if (!fades && top >= h - 1) top = h - 1, below = 0, moves_y = false;
  if (!fades && left >= w - 1) left = w - 1, right = 0, moves_x = false;
  for (int k = 0; k < 4; ++k) {
    const bool lower = k >= 2, righter = k % 2 == 1;
    const int64_t row = top + lower, column = left + righter;
    if (row < 0 || row >= h || column < 0 || column >= w) continue;
    const T of_y = lower ? below : 1 - below, of_x = righter ? right : 1 - right;
    c.at[k] = row * w + column;
    c.weight[k] = of_y * of_x;
    if (moves_y) c.by_y[k] = lower ? of_x : -of_x;
    if (moves_x) c.by_x[k] = righter ? of_y : -of_y;
  }
  return c;
}

// data (n, c, h, w), offset (n, 2 groups k, oh, ow)[, mask (n, groups k, oh, ow)]; k = kh kw.
template <class T>
struct Columns {
  int64_t n, c, h, w, groups, oh, ow;
  int64_t kernel[2], stride[2], dilate[2], pad[2];
  bool modulated;
  Columns(const mx_signature& sig, int32_t data_at, bool has_mask) : modulated(has_mask) {
    const auto data = shape_of(sig.in[data_at]), offset = shape_of(sig.in[data_at + 1]);
    n = data[0], c = data[1], h = data[2], w = data[3], oh = offset[2], ow = offset[3];
    const Params p(sig);
    groups = p.integer("groups");
    const Shape kernels = p.ints("kernel"), strides = p.ints("stride"), dilates = p.ints("dilate");
    const Shape pads = p.ints("pad");
    for (size_t d = 0; d < 2; ++d)
      kernel[d] = kernels[d], stride[d] = strides[d], dilate[d] = dilates[d], pad[d] = pads[d];
  }
  int64_t taps() const { return kernel[0] * kernel[1]; }
  int64_t places() const { return oh * ow; }
  double cost_ns() const { return 50 + 6.0 * static_cast<double>(n * c * taps() * places()); }

  // The corners of all places of one tap of one group of channels in one image.
  void fill(std::vector<Corners<T>>& corners, const T* offset, int64_t image, int64_t group,
            int64_t tap) const {
    const T* dy = offset + ((image * groups + group) * taps() + tap) * 2 * places();
    const T* dx = dy + places();
    for (int64_t p = 0; p < places(); ++p) {
      const T y = static_cast<T>(p / ow * stride[0] - pad[0] + tap / kernel[1] * dilate[0]);
      const T x = static_cast<T>(p % ow * stride[1] - pad[1] + tap % kernel[1] * dilate[1]);
      corners[static_cast<size_t>(p)] = corners_of(y + dy[p], x + dx[p], h, w, modulated);
    }
  }
  const T* mask_of(const T* mask, int64_t image, int64_t group, int64_t tap) const {
    return modulated ? mask + ((image * groups + group) * taps() + tap) * places() : nullptr;
  }
  // Where the columns of a channel and tap in an image begin: (c, k, n, oh ow).
  int64_t column(int64_t channel, int64_t tap, int64_t image) const {
    return ((channel * taps() + tap) * n + image) * places();
  }
};

// data, offset[, mask] -> columns (c k, n, oh ow)
template <class T>
struct DeformableColumns : Columns<T> {
  DeformableColumns(const mx_signature& sig, mx_prepared& plan)
      : Columns<T>(sig, 0, sig.n_in == 3) {
    plan.cost_ns = this->cost_ns();
  }
  void operator()(const mx_call& call) const {
    const T *data = static_cast<const T*>(call.in[0]), *offset = static_cast<const T*>(call.in[1]);
    const T* masks = this->modulated ? static_cast<const T*>(call.in[2]) : nullptr;
    T* out = static_cast<T*>(call.out[0]);
    const int64_t taps = this->taps(), places = this->places(), each = this->c / this->groups;
    if (places == 0) return;
    parallel_for(this->n * this->groups * taps, 1, this->cost_ns(),
                 [&](int64_t begin, int64_t end) {
                   std::vector<Corners<T>> corners(static_cast<size_t>(places));
                   for (int64_t i = begin; i < end; ++i) {
                     const int64_t tap = i % taps, group = i / taps % this->groups;
                     const int64_t image = i / taps / this->groups;
                     this->fill(corners, offset, image, group, tap);
                     const T* mask = this->mask_of(masks, image, group, tap);
                     for (int64_t channel = group * each; channel < (group + 1) * each; ++channel) {
                       const T* plane = data + (image * this->c + channel) * this->h * this->w;
                       T* to = out + this->column(channel, tap, image);
                       for (int64_t p = 0; p < places; ++p) {
                         const T value = corners[static_cast<size_t>(p)].value(plane);
                         to[p] = mask ? value * mask[p] : value;
                       }
                     }
                   }
                 });
  }
};

// dcolumns, data, offset[, mask] -> by data, by offset[, by mask]
template <class T>
struct DeformableColumnsBackward : Columns<T> {
  DeformableColumnsBackward(const mx_signature& sig, mx_prepared& plan)
      : Columns<T>(sig, 1, sig.n_in == 4) {
    plan.cost_ns = 3 * this->cost_ns();
  }
  void operator()(const mx_call& call) const {
    T* ddata = static_cast<T*>(call.out[0]);
    std::fill_n(ddata, this->n * this->c * this->h * this->w, T(0));
    if (this->places() == 0) return;
    // Images share nothing, nor do the groups of one.
    parallel_for(this->n * this->groups, 1, 3 * this->cost_ns(), [&](int64_t begin, int64_t end) {
      std::vector<Corners<T>> corners(static_cast<size_t>(this->places()));
      for (int64_t i = begin; i < end; ++i)
        for (int64_t tap = 0; tap < this->taps(); ++tap)
          give_back(call, i / this->groups, i % this->groups, tap, corners);
    });
  }

 private:
  void give_back(const mx_call& call, int64_t image, int64_t group, int64_t tap,
                 std::vector<Corners<T>>& corners) const {
    const T *dcolumns = static_cast<const T*>(call.in[0]),
            *data = static_cast<const T*>(call.in[1]);
    const int64_t places = this->places(), each = this->c / this->groups;
    this->fill(corners, static_cast<const T*>(call.in[2]), image, group, tap);
    const int64_t row = (image * this->groups + group) * this->taps() + tap;
    T *by_y = static_cast<T*>(call.out[1]) + row * 2 * places, *by_x = by_y + places;
    std::fill_n(by_y, 2 * places, T(0));
    const T* mask = nullptr;
    T* by_mask = nullptr;
    if (this->modulated) {
      mask = this->mask_of(static_cast<const T*>(call.in[3]), image, group, tap);
      by_mask = static_cast<T*>(call.out[2]) + row * places;
      std::fill_n(by_mask, places, T(0));
    }
    for (int64_t channel = group * each; channel < (group + 1) * each; ++channel) {
      const int64_t at = (image * this->c + channel) * this->h * this->w;
      const T* plane = data + at;
      T* dplane = static_cast<T*>(call.out[0]) + at;
      const T* heads = dcolumns + this->column(channel, tap, image);
      for (int64_t p = 0; p < places; ++p) {
        const Corners<T>& c = corners[static_cast<size_t>(p)];
        if (by_mask) by_mask[p] += heads[p] * c.value(plane);
        const T head = mask ? heads[p] * mask[p] : heads[p];
        by_y[p] += head * c.slope_y(plane);
        by_x[p] += head * c.slope_x(plane);
        for (int k = 0; k < 4; ++k) dplane[c.at[k]] += head * c.weight[k];
      }
    }
  }
};

}  // namespace

std::vector<mx_kernel> deformable_kernels() {
  return {
      mx_kernel{"_deformable_columns",
                prepare_float<DeformableColumns<float>, DeformableColumns<double>>, 0},
      mx_kernel{"_deformable_columns_backward",
                prepare_float<DeformableColumnsBackward<float>, DeformableColumnsBackward<double>>,
                0}};
}

}  // namespace mx::cpu
