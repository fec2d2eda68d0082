// _ps_roi_pooling: means of a region's bins, each from channels of its own; of whole pixels, or of
// samples between pixels of bins that may be moved. Regions and shifts are data: any number may
// come, NaN too.
#include <algorithm>
#include <cmath>

#include "families.h"
#include "in_float32.h"
#include "parallel.h"

namespace mx::cpu {
namespace {

double tame(double x) { return std::isnan(x) ? 0.0 : std::clamp(x, -1e9, 1e9); }

// Along one axis: the pixels before and after a place, and the share of the latter.
struct Between {
  int64_t low, high;
  double share;
};
Between between(double place, int64_t size) {
  place = std::clamp(place, 0.0, static_cast<double>(size - 1));
  return {static_cast<int64_t>(std::floor(place)), static_cast<int64_t>(std::ceil(place)),
          place - std::floor(place)};
}

// data (n, dims groups^2, h, w), rois (r, 5)[, trans (r, 2 k, parts, parts)]
template <class T>
struct PositionSensitive {
  int64_t n, c, h, w, r, dims, groups, bins, parts, samples, classes = 1;
  double scale, trans_std;
  bool moved;
  PositionSensitive(const mx_signature& sig, int32_t data_at, bool has_trans) : moved(has_trans) {
    const auto data = shape_of(sig.in[data_at]);
    n = data[0], c = data[1], h = data[2], w = data[3], r = shape_of(sig.in[data_at + 1])[0];
    const Params p(sig);
    dims = p.integer("output_dim"), groups = p.integer("group_size");
    bins = p.integer("pooled_size"), parts = p.integer("part_size");
    samples = p.integer("samples"), scale = p.number("spatial_scale");
    trans_std = p.number("trans_std");
    if (moved) classes = shape_of(sig.in[data_at + 2])[1] / 2;
  }
  double cost_ns() const {
    const double each = samples ? static_cast<double>(samples * samples) * 8
                                : static_cast<double>(h * w) / static_cast<double>(bins * bins);
    return 50 + static_cast<double>(r * dims * bins * bins) * (10 + each);
  }

  struct Bin {
    int64_t plane = -1;    // of data, where the region's image exists
    int64_t trans = 0;     // the place of its shift to the right; down parts^2 further
    double y, x;           // where it begins
    double height, width;  // of the region
  };
  // Bin (row, column) of channel `dim` of a region.
  Bin bin(const T* rois, const T* trans, int64_t region, int64_t dim, int64_t row,
          int64_t column) const {
    Bin b;
    const T* roi = rois + region * 5;
    const auto image = static_cast<double>(roi[0]);
    const int64_t group_y = row * groups / bins, group_x = column * groups / bins;
    if (image >= 0 && image < static_cast<double>(n) && h * w > 0)
      b.plane = static_cast<int64_t>(image) * c + (dim * groups + group_y) * groups + group_x;
    const double shift = samples ? 0.5 : 0.0;
    const auto corner = [&](int k, double beyond) {
      return tame((std::round(static_cast<double>(roi[k])) + beyond) * scale - shift);
    };
    b.x = corner(1, 0), b.y = corner(2, 0);
    b.width = std::max(corner(3, 1) - b.x, 0.1);
    b.height = std::max(corner(4, 1) - b.y, 0.1);
    b.x += static_cast<double>(column) * b.width / static_cast<double>(bins);
    b.y += static_cast<double>(row) * b.height / static_cast<double>(bins);
    if (moved) {
      const int64_t kind = dim / (dims / classes);
      b.trans = ((region * classes + kind) * 2 * parts + row * parts / bins) * parts +
                column * parts / bins;
      b.x += tame(static_cast<double>(trans[b.trans]) * trans_std * b.width);
      b.y += tame(static_cast<double>(trans[b.trans + parts * parts]) * trans_std * b.height);
    }
    return b;
  }

  // f(place in the plane) for the whole pixels of a bin. Returns how many there are.
  template <class F>
  int64_t for_pixels(const Bin& b, F&& f) const {
    const auto range = [&](double start, double size, int64_t limit) {
      const auto top = static_cast<double>(limit);
      return std::pair{static_cast<int64_t>(std::clamp(std::floor(start), 0.0, top)),
                       static_cast<int64_t>(std::clamp(
                           std::ceil(start + size / static_cast<double>(bins)), 0.0, top))};
    };
    const auto [y1, y2] = range(b.y, b.height, h);
    const auto [x1, x2] = range(b.x, b.width, w);
    for (int64_t y = y1; y < y2; ++y)
      for (int64_t x = x1; x < x2; ++x) f(y * w + x);
    return std::max<int64_t>(0, y2 - y1) * std::max<int64_t>(0, x2 - x1);
  }
  // f(rows, columns) for the samples of a bin that lie on the image. Returns how many do.
  template <class F>
  int64_t for_samples(const Bin& b, F&& f) const {
    const double step_y = b.height / static_cast<double>(bins * samples);
    const double step_x = b.width / static_cast<double>(bins * samples);
    int64_t count = 0;
    for (int64_t i = 0; i < samples; ++i)
      for (int64_t j = 0; j < samples; ++j) {
        const double y = b.y + static_cast<double>(i) * step_y;
        const double x = b.x + static_cast<double>(j) * step_x;
        if (!(y >= -0.5 && y <= static_cast<double>(h) - 0.5 && x >= -0.5 &&
              x <= static_cast<double>(w) - 0.5))
          continue;
        f(between(y, h), between(x, w));
        ++count;
      }
    return count;
  }
};

template <class T>
struct Pool : PositionSensitive<T> {
  Pool(const mx_signature& sig, mx_prepared& plan) : PositionSensitive<T>(sig, 0, sig.n_in == 3) {
    plan.cost_ns = this->cost_ns();
  }
  void operator()(const mx_call& call) const {
    const T *data = static_cast<const T*>(call.in[0]), *rois = static_cast<const T*>(call.in[1]);
    const T* trans = this->moved ? static_cast<const T*>(call.in[2]) : nullptr;
    T* out = static_cast<T*>(call.out[0]);
    parallel_for(this->r * this->dims, 1, this->cost_ns(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        for (int64_t k = 0; k < this->bins * this->bins; ++k) {
          const auto bin = this->bin(rois, trans, i / this->dims, i % this->dims, k / this->bins,
                                     k % this->bins);
          out[i * this->bins * this->bins + k] =
              bin.plane < 0 ? T(0) : mean(data + bin.plane * this->h * this->w, bin);
        }
    });
  }

 private:
  T mean(const T* plane, const typename PositionSensitive<T>::Bin& bin) const {
    double sum = 0;
    const auto at = [&](int64_t y, int64_t x) {
      return static_cast<double>(plane[y * this->w + x]);
    };
    const int64_t count =
        this->samples ? this->for_samples(bin,
                                          [&](const Between& y, const Between& x) {
                                            const double above = at(y.low, x.low) * (1 - x.share) +
                                                                 at(y.low, x.high) * x.share;
                                            const double below = at(y.high, x.low) * (1 - x.share) +
                                                                 at(y.high, x.high) * x.share;
                                            sum += above * (1 - y.share) + below * y.share;
                                          })
                      : this->for_pixels(
                            bin, [&](int64_t place) { sum += static_cast<double>(plane[place]); });
    return count ? static_cast<T>(sum / static_cast<double>(count)) : T(0);
  }
};

// dy, data, rois[, trans] -> by data[, by trans]
template <class T>
struct PoolBackward : PositionSensitive<T> {
  PoolBackward(const mx_signature& sig, mx_prepared& plan)
      : PositionSensitive<T>(sig, 1, sig.n_in == 4) {
    plan.cost_ns = 2 * this->cost_ns() + static_cast<double>(this->n * this->c * this->h * this->w);
  }
  void operator()(const mx_call& call) const {
    const T *dy = static_cast<const T*>(call.in[0]), *data = static_cast<const T*>(call.in[1]);
    const T* rois = static_cast<const T*>(call.in[2]);
    const T* trans = this->moved ? static_cast<const T*>(call.in[3]) : nullptr;
    T* ddata = static_cast<T*>(call.out[0]);
    T* dtrans = this->moved ? static_cast<T*>(call.out[1]) : nullptr;
    const int64_t area = this->h * this->w, bins = this->bins;
    std::fill_n(ddata, this->n * this->c * area, T(0));
    if (dtrans) std::fill_n(dtrans, this->r * 2 * this->classes * this->parts * this->parts, T(0));
    for (int64_t i = 0; i < this->r * this->dims; ++i)
      for (int64_t k = 0; k < bins * bins; ++k) {
        const auto bin = this->bin(rois, trans, i / this->dims, i % this->dims, k / bins, k % bins);
        if (bin.plane < 0) continue;
        const auto head = static_cast<double>(dy[i * bins * bins + k]);
        const T* plane = data + bin.plane * area;
        T* dplane = ddata + bin.plane * area;
        this->samples ? to_samples(bin, head, plane, dplane, dtrans) : to_pixels(bin, head, dplane);
      }
  }

 private:
  using Bin = typename PositionSensitive<T>::Bin;
  void to_pixels(const Bin& bin, double head, T* dplane) const {
    const int64_t count = this->for_pixels(bin, [](int64_t) {});
    this->for_pixels(bin, [&](int64_t place) {
      dplane[place] += static_cast<T>(head / static_cast<double>(count));
    });
  }
  void to_samples(const Bin& bin, double head, const T* plane, T* dplane, T* dtrans) const {
    const int64_t count = this->for_samples(bin, [](const Between&, const Between&) {});
    const double each = head / static_cast<double>(std::max<int64_t>(1, count));
    double by_y = 0, by_x = 0;
    this->for_samples(bin, [&](const Between& y, const Between& x) {
      const auto at = [&](int64_t row, int64_t column) { return row * this->w + column; };
      const int64_t places[] = {at(y.low, x.low), at(y.low, x.high), at(y.high, x.low),
                                at(y.high, x.high)};
      const double weights[] = {(1 - y.share) * (1 - x.share), (1 - y.share) * x.share,
                                y.share * (1 - x.share), y.share * x.share};
      double value[4];
      for (int k = 0; k < 4; ++k) {
        dplane[places[k]] += static_cast<T>(each * weights[k]);
        value[k] = static_cast<double>(plane[places[k]]);
      }
      by_y += (value[2] - value[0]) * (1 - x.share) + (value[3] - value[1]) * x.share;
      by_x += (value[1] - value[0]) * (1 - y.share) + (value[3] - value[2]) * y.share;
    });
    if (!dtrans) return;
    dtrans[bin.trans] += static_cast<T>(each * by_x * this->trans_std * bin.width);
    dtrans[bin.trans + this->parts * this->parts] +=
        static_cast<T>(each * by_y * this->trans_std * bin.height);
  }
};

}  // namespace

std::vector<mx_kernel> position_sensitive_kernels() {
  return {mx_kernel{"_ps_roi_pooling", prepare_float<Pool<float>, Pool<double>>, 0},
          mx_kernel{"_ps_roi_pooling_backward",
                    prepare_float<PoolBackward<float>, PoolBackward<double>>, 0}};
}

}  // namespace mx::cpu
