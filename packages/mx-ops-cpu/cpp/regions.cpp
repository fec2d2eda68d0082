// Kernels over regions of images: _roi_pooling, _roi_align and _correlation, with their gradients.
//
// A region is five numbers: the image's number and the corners x1, y1, x2, y2. Regions are data:
// any number may come, NaN too; a region of no image gives 0.
#include <algorithm>
#include <cmath>
#include <vector>

#include "families.h"
#include "in_float32.h"
#include "parallel.h"

namespace mx::cpu {
namespace {

// Far outside of any image, and exact in double.
double tame(double x) { return std::isnan(x) ? 0.0 : std::clamp(x, -1e9, 1e9); }

// The image's number, or -1.
template <class T>
int64_t image_of(const T* roi, int64_t n) {
  const auto number = static_cast<double>(roi[0]);
  return number >= 0 && number < static_cast<double>(n) ? static_cast<int64_t>(number) : -1;
}

struct Window {
  int64_t begin, end;
};

// Bin i of `bins` of a region that starts at `start` and has `size` pixels, inside of [0, limit).
template <class T>
Window bin(int64_t i, int64_t bins, int64_t start, int64_t size, int64_t limit) {
  const T each = static_cast<T>(size) / static_cast<T>(bins);
  const auto begin = static_cast<int64_t>(std::floor(static_cast<T>(i) * each)) + start;
  const auto end = static_cast<int64_t>(std::ceil(static_cast<T>(i + 1) * each)) + start;
  return {std::clamp<int64_t>(begin, 0, limit), std::clamp<int64_t>(end, 0, limit)};
}

// data (n, c, h, w), rois (r, 5) -> (r, c, ph, pw), and the int32 place of each maximum (-1: empty
// bin)
template <class T>
struct RoiPooling {
  int64_t n, c, h, w, r, ph, pw;
  double scale;
  RoiPooling(const mx_signature& sig, mx_prepared& plan) {
    const auto data = shape_of(sig.in[0]), out = shape_of(sig.out[0]);
    n = data[0], c = data[1], h = data[2], w = data[3], r = out[0], ph = out[2], pw = out[3];
    scale = Params(sig).number("spatial_scale");
    plan.cost_ns = 50 + cost_ns();
  }
  double cost_ns() const {
    return static_cast<double>(r * c) * static_cast<double>(ph * pw * 4 + h * w);
  }
  void operator()(const mx_call& call) const {
    const T *data = static_cast<const T*>(call.in[0]), *rois = static_cast<const T*>(call.in[1]);
    T* y = static_cast<T*>(call.out[0]);
    auto* places = static_cast<int32_t*>(call.out[1]);
    parallel_for(r * c, 1, cost_ns(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* roi = rois + i / c * 5;
        const int64_t image = image_of(roi, n);
        const T* plane = image < 0 ? nullptr : data + (image * c + i % c) * h * w;
        int64_t corner[4];
        for (int k = 0; k < 4; ++k)
          corner[k] = static_cast<int64_t>(
              tame(std::round(static_cast<T>(roi[k + 1] * static_cast<T>(scale)))));
        const int64_t width = std::max<int64_t>(corner[2] - corner[0] + 1, 1);
        const int64_t height = std::max<int64_t>(corner[3] - corner[1] + 1, 1);
        for (int64_t bin_y = 0; bin_y < ph; ++bin_y)
          for (int64_t bin_x = 0; bin_x < pw; ++bin_x) {
            const Window rows = bin<T>(bin_y, ph, corner[1], height, h);
            const Window columns = bin<T>(bin_x, pw, corner[0], width, w);
            int64_t best = -1;
            for (int64_t row = rows.begin; plane && row < rows.end; ++row)
              for (int64_t column = columns.begin; column < columns.end; ++column)
                if (best < 0 || plane[row * w + column] > plane[best]) best = row * w + column;
            const int64_t at = (i * ph + bin_y) * pw + bin_x;
            y[at] = best < 0 ? T(0) : plane[best];
            places[at] = static_cast<int32_t>(best);
          }
      }
    });
  }
};

// dy (r, c, ph, pw), rois, places -> (n, c, h, w)
template <class T>
struct RoiPoolingBackward {
  int64_t n, c, h, w, r, bins;
  RoiPoolingBackward(const mx_signature& sig, mx_prepared& plan) {
    const auto data = shape_of(sig.out[0]), dy = shape_of(sig.in[0]);
    n = data[0], c = data[1], h = data[2], w = data[3], r = dy[0], bins = dy[2] * dy[3];
    plan.cost_ns =
        50 + static_cast<double>(n * c * h * w) / 4 + 2.0 * static_cast<double>(r * c * bins);
  }
  void operator()(const mx_call& call) const {
    const T *dy = static_cast<const T*>(call.in[0]), *rois = static_cast<const T*>(call.in[1]);
    const auto* places = static_cast<const int32_t*>(call.in[2]);
    T* dx = static_cast<T*>(call.out[0]);
    std::fill_n(dx, n * c * h * w, T(0));
    for (int64_t i = 0; i < r * c; ++i) {
      const int64_t image = image_of(rois + i / c * 5, n);
      if (image < 0) continue;
      T* plane = dx + (image * c + i % c) * h * w;
      for (int64_t k = i * bins; k < (i + 1) * bins; ++k)
        if (places[k] >= 0 && places[k] < h * w) plane[places[k]] += dy[k];
    }
  }
};

// ---- _roi_align
// ------------------------------------------------------------------------------------

// Samples along one axis of one bin: from first to last of `count`, at start + (i + 0.5) * step.
template <class T>
struct Samples {
  int64_t first, last, count;
  T start, step;
};

// A sample beyond [-1, limit] is 0, so only those inside are visited.
template <class T>
Samples<T> samples(T start, T size, int64_t ratio, int64_t limit) {
  const double wanted =
      ratio > 0 ? static_cast<double>(ratio) : std::ceil(tame(static_cast<double>(size)));
  Samples<T> found{0, 0, static_cast<int64_t>(std::max(wanted, 0.0)), start, T(0)};
  if (found.count == 0 || !std::isfinite(size) || !std::isfinite(start)) return found;
  found.step = size / static_cast<T>(found.count);
  const double step = static_cast<double>(found.step), origin = static_cast<double>(start);
  double from = 0, to = static_cast<double>(found.count);
  if (step > 0) {
    from = std::max(from, std::floor((-1 - origin) / step - 1.5));
    to = std::min(to, std::ceil((static_cast<double>(limit) - origin) / step + 1.5));
  }
  if (!(from < to)) return found;
  found.first = static_cast<int64_t>(from);
  found.last = static_cast<int64_t>(to);
  return found;
}

// The two pixels beside coordinate x of an axis; false: outside.
template <class T>
bool beside(T x, int64_t limit, int64_t& low, int64_t& high, T& weight) {
  if (!(x >= T(-1) && x <= static_cast<T>(limit))) return false;
  x = std::max(x, T(0));
  low = static_cast<int64_t>(x);
  if (low >= limit - 1) {
    low = high = limit - 1;
    weight = T(0);
  } else {
    high = low + 1;
    weight = x - static_cast<T>(low);
  }
  return true;
}

// backward: dy, rois -> by data; else data, rois -> (r, c', ph, pw). position_sensitive: every bin
// has channels of its own.
template <class T, bool backward>
struct RoiAlign {
  int64_t n, c, h, w, r, out_c, ph, pw, ratio;
  T scale, offset;
  bool sensitive, aligned;
  RoiAlign(const mx_signature& sig, mx_prepared& plan) {
    const auto data = shape_of(backward ? sig.out[0] : sig.in[0]),
               y = shape_of(backward ? sig.in[0] : sig.out[0]);
    n = data[0], c = data[1], h = data[2], w = data[3];
    r = y[0], out_c = y[1], ph = y[2], pw = y[3];
    const Params p(sig);
    ratio = p.integer("sample_ratio");
    scale = static_cast<T>(p.number("spatial_scale"));
    sensitive = p.boolean("position_sensitive");
    aligned = p.boolean("aligned");
    offset = aligned ? T(0.5) : T(0);
    plan.cost_ns = 50 + cost_ns();
  }
  double cost_ns() const { return 40.0 * static_cast<double>(r * out_c * ph * pw); }
  void operator()(const mx_call& call) const {
    const T* from = static_cast<const T*>(call.in[0]);
    const T* rois = static_cast<const T*>(call.in[1]);
    T* to = static_cast<T*>(call.out[0]);
    if (backward) std::fill_n(to, n * c * h * w, T(0));
    // Regions of one image overlap: the gradient is gathered channel by channel, each by one
    // thread.
    parallel_for(out_c, 1, cost_ns(), [&](int64_t begin, int64_t end) {
      for (int64_t region = 0; region < r; ++region)
        for (int64_t channel = begin; channel < end; ++channel)
          one(from, rois + region * 5, to, region, channel);
    });
  }
  void one(const T* from, const T* roi, T* to, int64_t region, int64_t channel) const {
    const int64_t image = image_of(roi, n);
    const T x1 = roi[1] * scale - offset, y1 = roi[2] * scale - offset;
    T width = roi[3] * scale - offset - x1, height = roi[4] * scale - offset - y1;
    if (!aligned) {
      width = std::max(width, T(1));
      height = std::max(height, T(1));
    }
    const T bin_w = width / static_cast<T>(pw), bin_h = height / static_cast<T>(ph);
    for (int64_t i = 0; i < ph * pw; ++i) {
      const int64_t at = (region * out_c + channel) * ph * pw + i;
      if (!backward) to[at] = T(0);
      if (image < 0 || h * w == 0 || !(width > 0) || !(height > 0)) continue;
      const auto rows = samples(y1 + static_cast<T>(i / pw) * bin_h, bin_h, ratio, h);
      const auto columns = samples(x1 + static_cast<T>(i % pw) * bin_w, bin_w, ratio, w);
      const int64_t plane = (image * c + (sensitive ? channel * ph * pw + i : channel)) * h * w;
      const T factor = T(1) / (static_cast<T>(rows.count) * static_cast<T>(columns.count));
      T sum = 0;
      for (int64_t j = rows.first; j < rows.last; ++j) {
        int64_t top, bottom, left, right;
        T down, across;
        if (!beside(rows.start + (static_cast<T>(j) + T(0.5)) * rows.step, h, top, bottom, down))
          continue;
        for (int64_t k = columns.first; k < columns.last; ++k) {
          if (!beside(columns.start + (static_cast<T>(k) + T(0.5)) * columns.step, w, left, right,
                      across))
            continue;
          if constexpr (backward) {
            const T head = from[at] * factor;
            to[plane + top * w + left] += head * (1 - down) * (1 - across);
            to[plane + top * w + right] += head * (1 - down) * across;
            to[plane + bottom * w + left] += head * down * (1 - across);
            to[plane + bottom * w + right] += head * down * across;
          } else {
            const T* x = from + plane;
            sum += (1 - down) * ((1 - across) * x[top * w + left] + across * x[top * w + right]) +
                   down * ((1 - across) * x[bottom * w + left] + across * x[bottom * w + right]);
          }
        }
      }
      if (!backward) to[at] = sum * factor;
    }
  }
};

// ---- _correlation
// ----------------------------------------------------------------------------------

// Patches of data1 against patches of data2 shifted by (dy, dx) stride2, each shift a channel of
// the output. Both images are padded into the workspace first.
template <class T>
struct Correlation {
  int64_t n, c, h, w, shifts, out_h, out_w, k, displacement, stride1, stride2, pad, padded_h,
      padded_w, reach;
  bool multiply;
  T factor;
  Correlation(const mx_signature& sig, const mx_tensor_type& data, const mx_tensor_type& y) {
    const Params p(sig);
    n = data.shape[0], c = data.shape[1], h = data.shape[2], w = data.shape[3];
    shifts = y.shape[1], out_h = y.shape[2], out_w = y.shape[3];
    k = p.integer("kernel_size"), displacement = p.integer("max_displacement");
    stride1 = p.integer("stride1"), stride2 = p.integer("stride2"), pad = p.integer("pad_size");
    multiply = p.boolean("is_multiply");
    padded_h = h + 2 * pad, padded_w = w + 2 * pad;
    reach = displacement / stride2;
    factor = T(1) / static_cast<T>(k * k * c);
  }
  int64_t padded() const { return c * padded_h * padded_w; }
  double cost_ns() const {
    return 50 +
           static_cast<double>(n * c * shifts * k * k * out_h) * (5 + static_cast<double>(out_w));
  }
  void pad_image(const T* from, T* to) const {
    std::fill_n(to, padded(), T(0));
    for (int64_t row = 0; row < c * h; ++row)
      std::copy_n(from + row * w, w, to + (row / h * padded_h + row % h + pad) * padded_w + pad);
  }
  // Calls body(offset in the channel of image 1, of image 2, row of the output) for all patch rows
  // of a shift.
  template <class Body>
  void for_rows(int64_t shift, Body&& body) const {
    const int64_t side = 2 * reach + 1;
    const int64_t move =
        (shift / side - reach) * stride2 * padded_w + (shift % side - reach) * stride2;
    for (int64_t y = 0; y < out_h; ++y)
      for (int64_t i = 0; i < k; ++i)
        for (int64_t j = 0; j < k; ++j) {
          const int64_t at = (y * stride1 + displacement + i) * padded_w + displacement + j;
          body(at, at + move, y);
        }
  }
};

template <class T>
struct CorrelationForward : Correlation<T> {
  CorrelationForward(const mx_signature& sig, mx_prepared& plan)
      : Correlation<T>(sig, sig.in[0], sig.out[0]) {
    plan.workspace_bytes = static_cast<size_t>(2 * this->padded()) * sizeof(T);
    plan.cost_ns = this->cost_ns();
  }
  void operator()(const mx_call& call) const {
    T *one = static_cast<T*>(call.workspace), *two = one + this->padded();
    const int64_t size = this->c * this->h * this->w, channel = this->padded_h * this->padded_w;
    for (int64_t image = 0; image < this->n; ++image) {
      this->pad_image(static_cast<const T*>(call.in[0]) + image * size, one);
      this->pad_image(static_cast<const T*>(call.in[1]) + image * size, two);
      T* out = static_cast<T*>(call.out[0]) + image * this->shifts * this->out_h * this->out_w;
      parallel_for(this->shifts, 1, this->cost_ns(), [&](int64_t begin, int64_t end) {
        for (int64_t shift = begin; shift < end; ++shift) {
          T* y = out + shift * this->out_h * this->out_w;
          std::fill_n(y, this->out_h * this->out_w, T(0));
          this->for_rows(shift, [&](int64_t a, int64_t b, int64_t row) {
            T* to = y + row * this->out_w;
            const int64_t step = this->stride1;
            for (int64_t ch = 0; ch < this->c; ++ch) {
              const T *p = one + ch * channel + a, *q = two + ch * channel + b;
              if (this->multiply) {
                for (int64_t x = 0; x < this->out_w; ++x) to[x] += p[x * step] * q[x * step];
              } else {
                for (int64_t x = 0; x < this->out_w; ++x)
                  to[x] += std::abs(p[x * step] - q[x * step]);
              }
            }
          });
          for (int64_t i = 0; i < this->out_h * this->out_w; ++i) y[i] *= this->factor;
        }
      });
    }
  }
};

// dy, data1, data2 -> by data1, by data2
template <class T>
struct CorrelationBackward : Correlation<T> {
  CorrelationBackward(const mx_signature& sig, mx_prepared& plan)
      : Correlation<T>(sig, sig.in[1], sig.in[0]) {
    plan.workspace_bytes = static_cast<size_t>(4 * this->padded()) * sizeof(T);
    plan.cost_ns = 2 * this->cost_ns();
  }
  void operator()(const mx_call& call) const {
    T *one = static_cast<T*>(call.workspace), *two = one + this->padded();
    T *done = two + this->padded(), *dtwo = done + this->padded();
    const int64_t size = this->c * this->h * this->w, channel = this->padded_h * this->padded_w;
    for (int64_t image = 0; image < this->n; ++image) {
      this->pad_image(static_cast<const T*>(call.in[1]) + image * size, one);
      this->pad_image(static_cast<const T*>(call.in[2]) + image * size, two);
      std::fill_n(done, 2 * this->padded(), T(0));
      const T* dy =
          static_cast<const T*>(call.in[0]) + image * this->shifts * this->out_h * this->out_w;
      parallel_for(this->c, 1, 2 * this->cost_ns(), [&](int64_t begin, int64_t end) {
        for (int64_t ch = begin; ch < end; ++ch)
          for (int64_t shift = 0; shift < this->shifts; ++shift)
            this->for_rows(shift, [&](int64_t a, int64_t b, int64_t row) {
              const T* head = dy + (shift * this->out_h + row) * this->out_w;
              const T *p = one + ch * channel + a, *q = two + ch * channel + b;
              T *dp = done + ch * channel + a, *dq = dtwo + ch * channel + b;
              for (int64_t x = 0, at = 0; x < this->out_w; ++x, at += this->stride1) {
                const T d = head[x] * this->factor;
                dp[at] += this->multiply ? d * q[at] : p[at] >= q[at] ? d : -d;
                dq[at] += this->multiply ? d * p[at] : p[at] >= q[at] ? -d : d;
              }
            });
      });
      for (int which = 0; which < 2; ++which) {
        const T* from = which ? dtwo : done;
        T* to = static_cast<T*>(call.out[which]) + image * size;
        for (int64_t row = 0; row < this->c * this->h; ++row)
          std::copy_n(
              from + (row / this->h * this->padded_h + row % this->h + this->pad) * this->padded_w +
                  this->pad,
              this->w, to + row * this->w);
      }
    }
  }
};

}  // namespace

std::vector<mx_kernel> region_kernels() {
  return {
      mx_kernel{"_roi_pooling", prepare_float<RoiPooling<float>, RoiPooling<double>>, 0},
      mx_kernel{"_roi_pooling_backward",
                prepare_float<RoiPoolingBackward<float>, RoiPoolingBackward<double>>, 0},
      mx_kernel{"_roi_align", prepare_float<RoiAlign<float, false>, RoiAlign<double, false>>, 0},
      mx_kernel{"_roi_align_backward", prepare_float<RoiAlign<float, true>, RoiAlign<double, true>>,
                0},
      mx_kernel{"_correlation",
                prepare_float<CorrelationForward<float>, CorrelationForward<double>>, 0},
      mx_kernel{"_correlation_backward",
                prepare_float<CorrelationBackward<float>, CorrelationBackward<double>>, 0},
  };
}

}  // namespace mx::cpu
