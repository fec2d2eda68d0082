// _rotated_roi_align: means of the bins of turned regions, sampled between pixels, and its
// gradient. Regions are data: any number may come, NaN too; a region of no image gives 0.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "families.h"
#include "in_float32.h"
#include "parallel.h"

namespace mx::cpu {
namespace {

double tame(double x) { return std::isnan(x) ? 0.0 : std::clamp(x, -1e9, 1e9); }

constexpr int64_t kMostSamples = 1024;  // along a side of a bin

// data (n, c, h, w), rois (r, 6: image number, center x, y, width, height, degrees); backward: dy
// (r, c, ph, pw), rois -> (n, c, h, w)
template <class T, bool backward>
struct RotatedRoiAlign {
  int64_t n, c, h, w, r, ph, pw, ratio;
  double scale;
  RotatedRoiAlign(const mx_signature& sig, mx_prepared& plan) {
    const auto data = shape_of(backward ? sig.out[0] : sig.in[0]);
    const auto pooled = shape_of(backward ? sig.in[0] : sig.out[0]);
    n = data[0], c = data[1], h = data[2], w = data[3], r = pooled[0], ph = pooled[2];
    pw = pooled[3];
    const Params p(sig);
    scale = p.number("spatial_scale");
    ratio = p.integer("sampling_ratio");
    plan.cost_ns = cost_ns();
  }
  double cost_ns() const { return 50 + static_cast<double>(r * c * ph * pw) * 60; }
  void operator()(const mx_call& call) const {
    const T *from = static_cast<const T*>(call.in[0]), *rois = static_cast<const T*>(call.in[1]);
    T* to = static_cast<T*>(call.out[0]);
    if constexpr (backward) {
      std::fill_n(to, n * c * h * w, T(0));
      for (int64_t region = 0; region < r; ++region) pool(rois, region, from, to);
    } else {
      parallel_for(r, 1, cost_ns(), [&](int64_t begin, int64_t end) {
        for (int64_t region = begin; region < end; ++region) pool(rois, region, to, from);
      });
    }
  }

 private:
  using Pooled = std::conditional_t<backward, const T, T>;
  using Data = std::conditional_t<backward, T, const T>;

  void pool(const T* rois, int64_t region, Pooled* pooled, Data* data) const {
    const T* roi = rois + region * 6;
    const auto image = static_cast<double>(roi[0]);
    const bool exists = image >= 0 && image < static_cast<double>(n) && h * w > 0;
    const auto scaled = [&](int k) { return tame(static_cast<double>(roi[k]) * scale); };
    const double x = scaled(1), y = scaled(2), width = std::max(scaled(3), 1.0),
                 height = std::max(scaled(4), 1.0);
    const double angle = tame(static_cast<double>(roi[5])) * std::numbers::pi / 180;
    const double sine = std::sin(angle), cosine = std::cos(angle);
    const double bin_y = height / static_cast<double>(ph), bin_x = width / static_cast<double>(pw);
    const auto samples = [&](double bin) {
      return ratio > 0 ? ratio : std::min(kMostSamples, static_cast<int64_t>(std::ceil(bin)));
    };
    const int64_t ny = samples(bin_y), nx = samples(bin_x), bins = ph * pw;
    for (int64_t bin = 0; bin < bins; ++bin) {
      Pooled* cell = pooled + region * c * bins + bin;
      if constexpr (!backward)
        for (int64_t k = 0; k < c; ++k) cell[k * bins] = T(0);
      if (!exists) continue;
      Data* planes = data + static_cast<int64_t>(image) * c * h * w;
      for (int64_t i = 0; i < ny; ++i)
        for (int64_t j = 0; j < nx; ++j) {
          const double down =
              -height / 2 + (static_cast<double>(bin / pw) +
                             (static_cast<double>(i) + 0.5) / static_cast<double>(ny)) *
                                bin_y;
          const double right =
              -width / 2 + (static_cast<double>(bin % pw) +
                            (static_cast<double>(j) + 0.5) / static_cast<double>(nx)) *
                               bin_x;
          sample(planes, cell, y + down * cosine - right * sine, x + right * cosine + down * sine,
                 1.0 / static_cast<double>(ny * nx));
        }
    }
  }

  // One sample of all channels, with its share of the mean.
  void sample(Data* planes, Pooled* cell, double y, double x, double share) const {
    if (!(y >= -1 && y <= static_cast<double>(h) && x >= -1 && x <= static_cast<double>(w))) return;
    y = std::clamp(y, 0.0, static_cast<double>(h - 1));
    x = std::clamp(x, 0.0, static_cast<double>(w - 1));
    const auto top = static_cast<int64_t>(y), left = static_cast<int64_t>(x);
    const int64_t bottom = std::min(top + 1, h - 1), right = std::min(left + 1, w - 1);
    const double dy = y - static_cast<double>(top), dx = x - static_cast<double>(left);
    const int64_t at[] = {top * w + left, top * w + right, bottom * w + left, bottom * w + right};
    const double weight[] = {(1 - dy) * (1 - dx) * share, (1 - dy) * dx * share,
                             dy * (1 - dx) * share, dy * dx * share};
    for (int64_t k = 0; k < c; ++k)
      for (int corner = 0; corner < 4; ++corner) {
        const auto part = static_cast<T>(weight[corner]);
        if constexpr (backward) {
          planes[k * h * w + at[corner]] += part * cell[k * ph * pw];
        } else {
          cell[k * ph * pw] += part * planes[k * h * w + at[corner]];
        }
      }
  }
};

}  // namespace

std::vector<mx_kernel> rotated_kernels() {
  return {
      mx_kernel{"_rotated_roi_align",
                prepare_float<RotatedRoiAlign<float, false>, RotatedRoiAlign<double, false>>, 0},
      mx_kernel{"_rotated_roi_align_backward",
                prepare_float<RotatedRoiAlign<float, true>, RotatedRoiAlign<double, true>>, 0}};
}

}  // namespace mx::cpu
