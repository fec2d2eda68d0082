// Convolution of small images with sixteen images of the batch side by side, for AVX-512: every
// vector holds one element of sixteen images, so that neither the numbers of channels and filters
// nor the width of the image need to be multiples of anything. For the sizes that oneDNN pads much,
// see Note [convolution layouts]. The images are transposed on the way in and out, group by group,
// in scratch that stays in the second-level cache.
#include "families.h"

#if defined(__x86_64__)

#include <algorithm>
#include <cstring>
#include <vector>

#include "avx512.h"
#include "convolution.h"
#include "in_float32.h"
#include "parallel.h"

namespace mx::cpu {
namespace {

constexpr int64_t kFilters = 4;     // that run side by side
constexpr int64_t kMostAcross = 6;  // outputs of a row, or columns of the kernel, beside them
constexpr int64_t kMostScratch = 224 << 10;  // floats of a group: less than a megabyte

// Scratch of this thread, aligned for vectors.
float* scratch(size_t which, size_t floats) {
  thread_local std::vector<float> memory[3];
  std::vector<float>& m = memory[which];
  if (m.size() < floats + kLanes) m.resize(floats + kLanes);
  return reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(m.data()) + 63) & ~uintptr_t{63});
}

// Images (n, channels, height, width) with zeros around them, as groups of sixteen keep them:
// [channel][row][column][image].
struct Images {
  int64_t n, channels, height, width, pad_h, pad_w;
  int64_t rows() const { return height + 2 * pad_h; }
  int64_t line() const { return (width + 2 * pad_w) * kLanes; }
  int64_t plane() const { return rows() * line(); }
  int64_t group_floats() const { return channels * plane(); }

  MX_AVX512 void load(const float* images, int64_t group, float* to) const {
    const int64_t area = height * width, first = group * kLanes;
    const int64_t there = std::min(kLanes, n - first);
    if (pad_h || pad_w) std::fill_n(to, group_floats(), 0.0f);
    for (int64_t c = 0; c < channels; ++c) {
      const float* from = images + (first * channels + c) * area;
      float* plane_to = to + c * plane() + pad_h * line() + pad_w * kLanes;
      int64_t row = 0, column = 0;
      for (int64_t p = 0; p < area; p += kLanes) {
        const int64_t count = std::min(kLanes, area - p);
        __m512 v[kLanes];
        for (int64_t i = 0; i < kLanes; ++i)
          v[i] = i < there ? _mm512_maskz_loadu_ps(mask_of(count), from + i * channels * area + p)
                           : _mm512_setzero_ps();
        transpose(v);
        for (int64_t j = 0; j < count; ++j) {
          _mm512_store_ps(plane_to + row * line() + column * kLanes, v[j]);
          if (++column == width) column = 0, ++row;
        }
      }
    }
  }
  // Of unpadded images.
  MX_AVX512 void store(const float* from, int64_t channel, int64_t group, float* images) const {
    const int64_t area = height * width, first = group * kLanes;
    const int64_t there = std::min(kLanes, n - first);
    float* to = images + (first * channels + channel) * area;
    for (int64_t p = 0; p < area; p += kLanes) {
      const int64_t count = std::min(kLanes, area - p);
      __m512 v[kLanes];
      for (int64_t j = 0; j < kLanes; ++j)
        v[j] = j < count ? _mm512_load_ps(from + (p + j) * kLanes) : _mm512_setzero_ps();
      transpose(v);
      for (int64_t i = 0; i < there; ++i)
        _mm512_mask_storeu_ps(to + i * channels * area + p, mask_of(count), v[i]);
    }
  }
};

// Refuses what other kernels do better, or this one cannot do.
ConvolutionShape checked(const mx_signature& sig, Direction direction) {
  require_dtype(sig, MX_FLOAT32);
  const ConvolutionShape s(sig, direction);
  const auto ones = [](const Shape& x) { return x == Shape(2, 1); };
  if (!has_avx512() || s.size.size() != 2 || s.groups != 1 || !ones(s.stride) || !ones(s.dilate) ||
      s.is_empty() || s.kernel_size() < 4 || s.kernel[1] > kMostAcross || s.pad[0] >= s.kernel[0] ||
      s.pad[1] >= s.kernel[1])
    throw Unsupported("only plain convolutions of images, with AVX-512");
  const auto waste = [](int64_t n) {
    return static_cast<double>(whole(n, kLanes)) / static_cast<double>(n);
  };
  const auto padded = [&](const Shape& size, bool turned) {  // the data gradient pads the other way
    int64_t area = 1;
    for (size_t d = 0; d < 2; ++d)
      area *= size[d] + 2 * (turned ? s.kernel[d] - 1 - s.pad[d] : s.pad[d]);
    return area;
  };
  const int64_t floats =
      kLanes *
      (direction == Direction::data
           ? s.filters * padded(s.out_size, true) + kFilters * s.spatial_size()
           : s.channels * padded(s.size, false) +
                 (direction == Direction::weight ? s.filters : kFilters) * s.spatial_out());
  if (s.channels < kFilters || s.filters < kFilters || floats > kMostScratch ||
      waste(s.n) * 1.1 > waste(s.channels) * waste(s.filters))
    throw Unsupported("only small images, channels that are no multiple of 16, many images");
  return s;
}

double cost_of(const ConvolutionShape& s) { return 2000 + s.flops() / 90.0; }

// ---- products -----------------------------------------------------------------------------------

// What one call of `outputs` reads and writes. weight: [channel][kernel row][column][4].
struct Products {
  int64_t channels, kernel_rows, kernel_columns;
  int64_t first_row, last_row;  // of the kernel, that lie on data
  int64_t plane, line;          // of the images
  int64_t out_plane, filters;
};

// `across` neighbouring outputs of four filters. columns, if not 0: of the kernel; then images are
// padded by columns - 1 and the outputs begin (left) or end (right) a row, where part of the kernel
// lies on padding, which is left out.
template <int across, int columns, bool left, bool right>
MX_AVX512 void outputs(const Products& p, const float* x, const float* weight, const float* bias,
                       float* out) {
  __m512 sum[kFilters][across];
  MX_UNROLLED
  for (int f = 0; f < kFilters; ++f) MX_UNROLLED
  for (int o = 0; o < across; ++o) sum[f][o] = _mm512_set1_ps(bias[f]);
  const int64_t width = columns ? columns : p.kernel_columns;
  x += p.first_row * p.line;
  weight += p.first_row * width * kFilters;
  const int64_t skipped = (p.kernel_rows - (p.last_row - p.first_row)) * width * kFilters;
  for (int64_t c = 0; c < p.channels; ++c, x += p.plane, weight += skipped) {
    const float* at = x;
    for (int64_t r = p.first_row; r < p.last_row; ++r, at += p.line) {
      if constexpr (columns > 0) {
        MX_UNROLLED
        for (int k = 0; k < columns; ++k, weight += kFilters) {
          const int first = left ? columns - 1 - k : 0, last = right ? across - k : across;
          MX_UNROLLED
          for (int o = 0; o < across; ++o) {
            if (o < first || o >= last) continue;
            const __m512 value = _mm512_load_ps(at + (o + k) * kLanes);
            MX_UNROLLED
            for (int f = 0; f < kFilters; ++f)
              sum[f][o] = _mm512_fmadd_ps(_mm512_set1_ps(weight[f]), value, sum[f][o]);
          }
        }
      } else {
        const float* from = at;
        for (int64_t k = 0; k < width; ++k, from += kLanes, weight += kFilters) {
          __m512 value[across];
          MX_UNROLLED
          for (int o = 0; o < across; ++o) value[o] = _mm512_load_ps(from + o * kLanes);
          MX_UNROLLED
          for (int f = 0; f < kFilters; ++f) {
            const __m512 w = _mm512_set1_ps(weight[f]);
            MX_UNROLLED
            for (int o = 0; o < across; ++o) sum[f][o] = _mm512_fmadd_ps(w, value[o], sum[f][o]);
          }
        }
      }
    }
  }
  MX_UNROLLED
  for (int f = 0; f < kFilters; ++f) {
    if (f >= p.filters) break;
    MX_UNROLLED
    for (int o = 0; o < across; ++o) _mm512_store_ps(out + f * p.out_plane + o * kLanes, sum[f][o]);
  }
}

using Outputs = void (*)(const Products&, const float*, const float*, const float*, float*);
template <int columns, bool left, bool right>
constexpr Outputs kOutputs[] = {outputs<1, columns, left, right>, outputs<2, columns, left, right>,
                                outputs<3, columns, left, right>, outputs<4, columns, left, right>,
                                outputs<5, columns, left, right>, outputs<6, columns, left, right>};

template <int columns>
Outputs at_edges(int64_t across, bool left, bool right) {
  if (left && right) return kOutputs<columns, true, true>[across - 1];
  if (left) return kOutputs<columns, true, false>[across - 1];
  return right ? kOutputs<columns, false, true>[across - 1] : kOutputs<0, false, false>[across - 1];
}

// The function for outputs `from` to `from + across` of a row.
Outputs outputs_for(const Images& x, const Images& y, int64_t columns, int64_t from,
                    int64_t across) {
  // An edge may only leave out columns that no other outputs of the call need.
  const bool left = from == 0, right = from + across == y.width;
  if (x.pad_w == columns - 1 && across >= columns - 1) {
    if (columns == 3) return at_edges<3>(across, left, right);
    if (columns == 5) return at_edges<5>(across, left, right);
  }
  return kOutputs<0, false, false>[across - 1];
}

// out = bias + weight * images: the forward pass, and the data gradient with the kernel turned
// round.
void correlate(const Images& x, const Images& y, int64_t kernel_rows, int64_t kernel_columns,
               const float* images, const float* weight, const float* bias, float* out,
               double cost) {
  const int64_t blocks = (y.channels + kFilters - 1) / kFilters;
  const int64_t taps = x.channels * kernel_rows * kernel_columns;
  const int64_t steps = (y.width + kMostAcross - 1) / kMostAcross;
  const int64_t across = (y.width + steps - 1) / steps;
  parallel_for((x.n + kLanes - 1) / kLanes, 1, cost, [&](int64_t begin, int64_t end) {
    float* in = scratch(0, static_cast<size_t>(x.group_floats()));
    float* made = scratch(1, static_cast<size_t>(kFilters * y.plane()));
    for (int64_t g = begin; g < end; ++g) {
      x.load(images, g, in);
      for (int64_t b = 0; b < blocks; ++b) {
        const int64_t filters = std::min(kFilters, y.channels - b * kFilters);
        for (int64_t h = 0; h < y.height; ++h) {
          const int64_t above = std::max<int64_t>(0, x.pad_h - h);
          const int64_t below = std::min(kernel_rows, x.pad_h + x.height - h);
          const Products products{x.channels, kernel_rows, kernel_columns, above,  below,
                                  x.plane(),  x.line(),    y.plane(),      filters};
          for (int64_t w = 0; w < y.width; w += across) {
            const int64_t count = std::min(across, y.width - w);
            outputs_for(x, y, kernel_columns, w, count)(
                products, in + h * x.line() + w * kLanes, weight + b * taps * kFilters,
                bias + b * kFilters, made + h * y.line() + w * kLanes);
          }
        }
        for (int64_t f = 0; f < filters; ++f)
          y.store(made + f * y.plane(), b * kFilters + f, g, out);
      }
    }
  });
}

// [filter / 4][channel][row][column][filter % 4] of f(filter, channel, row, column).
template <class F>
std::vector<float> packed(int64_t filters, int64_t channels, int64_t rows, int64_t columns, F&& f) {
  std::vector<float> result(
      static_cast<size_t>(whole(filters, kFilters) * channels * rows * columns));
  float* to = result.data();
  for (int64_t b = 0; b < filters; b += kFilters)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t k = 0; k < columns; ++k)
          for (int64_t j = b; j < b + kFilters; ++j, ++to) *to = j < filters ? f(j, c, r, k) : 0.0f;
  return result;
}

struct BatchForward {
  ConvolutionShape s;
  BatchForward(const mx_signature& sig, mx_prepared& plan) : s(checked(sig, Direction::forward)) {
    plan.cost_ns = cost_of(s);
  }
  void operator()(const mx_call& call) const {
    const Images x{s.n, s.channels, s.size[0], s.size[1], s.pad[0], s.pad[1]};
    const Images y{s.n, s.filters, s.out_size[0], s.out_size[1], 0, 0};
    const float* weight = static_cast<const float*>(call.in[1]);
    const int64_t rows = s.kernel[0], columns = s.kernel[1];
    const std::vector<float> arranged = packed(
        s.filters, s.channels, rows, columns, [&](int64_t f, int64_t c, int64_t r, int64_t k) {
          return weight[((f * s.channels + c) * rows + r) * columns + k];
        });
    std::vector<float> bias(static_cast<size_t>(whole(s.filters, kFilters)), 0.0f);
    if (s.has_bias) std::copy_n(static_cast<const float*>(call.in[2]), s.filters, bias.data());
    correlate(x, y, rows, columns, static_cast<const float*>(call.in[0]), arranged.data(),
              bias.data(), static_cast<float*>(call.out[0]), cost_of(s));
  }
};

struct BatchDataGradient {
  ConvolutionShape s;
  BatchDataGradient(const mx_signature& sig, mx_prepared& plan) : s(checked(sig, Direction::data)) {
    plan.cost_ns = cost_of(s);
  }
  void operator()(const mx_call& call) const {
    const int64_t rows = s.kernel[0], columns = s.kernel[1];
    const Images dy{s.n,           s.filters,           s.out_size[0],
                    s.out_size[1], rows - 1 - s.pad[0], columns - 1 - s.pad[1]};
    const Images dx{s.n, s.channels, s.size[0], s.size[1], 0, 0};
    const float* weight = static_cast<const float*>(call.in[1]);
    const std::vector<float> turned = packed(
        s.channels, s.filters, rows, columns, [&](int64_t c, int64_t f, int64_t r, int64_t k) {
          return weight[((f * s.channels + c) * rows + rows - 1 - r) * columns + columns - 1 - k];
        });
    const std::vector<float> zeros(static_cast<size_t>(whole(s.channels, kFilters)), 0.0f);
    correlate(dy, dx, rows, columns, static_cast<const float*>(call.in[0]), turned.data(),
              zeros.data(), static_cast<float*>(call.out[0]), cost_of(s));
  }
};

// ---- weight gradient ----------------------------------------------------------------------------

// sums[four filters][columns] of one kernel row: over all outputs, the lanes still apart.
template <int columns>
MX_AVX512 void weight_row(const float* x, int64_t line, const float* dy, int64_t dy_plane,
                          int64_t height, int64_t width, float* sums) {
  __m512 sum[kFilters][columns];
  MX_UNROLLED
  for (int f = 0; f < kFilters; ++f) MX_UNROLLED
  for (int k = 0; k < columns; ++k) sum[f][k] = _mm512_setzero_ps();
  for (int64_t h = 0; h < height; ++h, x += line) {
    const float* at = x;
    for (int64_t w = 0; w < width; ++w, at += kLanes, dy += kLanes) {
      __m512 head[kFilters];
      MX_UNROLLED
      for (int f = 0; f < kFilters; ++f) head[f] = _mm512_load_ps(dy + f * dy_plane);
      MX_UNROLLED
      for (int k = 0; k < columns; ++k) {
        const __m512 value = _mm512_load_ps(at + k * kLanes);
        MX_UNROLLED
        for (int f = 0; f < kFilters; ++f) sum[f][k] = _mm512_fmadd_ps(head[f], value, sum[f][k]);
      }
    }
  }
  MX_UNROLLED
  for (int f = 0; f < kFilters; ++f) MX_UNROLLED
  for (int k = 0; k < columns; ++k) _mm512_store_ps(sums + (f * columns + k) * kLanes, sum[f][k]);
}
using WeightRow = void (*)(const float*, int64_t, const float*, int64_t, int64_t, int64_t, float*);
constexpr WeightRow kWeightRows[] = {weight_row<1>, weight_row<2>, weight_row<3>,
                                     weight_row<4>, weight_row<5>, weight_row<6>};

struct BatchWeightGradient {
  ConvolutionShape s;
  BatchWeightGradient(const mx_signature& sig, mx_prepared& plan)
      : s(checked(sig, Direction::weight)) {
    plan.cost_ns = cost_of(s);
  }
  void operator()(const mx_call& call) const {
    const float* dy = static_cast<const float*>(call.in[0]);
    const float* data = static_cast<const float*>(call.in[1]);
    float* dweight = static_cast<float*>(call.out[0]);
    std::fill_n(dweight, s.weight_numel(), 0.0f);
    // Each thread adds up all images for filters of its own: the same sum however many threads.
    parallel_for((s.filters + kFilters - 1) / kFilters, 1, cost_of(s),
                 [&](int64_t begin, int64_t end) { add_images(data, dy, begin, end, dweight); });
    if (s.has_bias) sum_bias(dy, static_cast<float*>(call.out[1]));
  }

 private:
  MX_AVX512 void sum_bias(const float* dy, float* dbias) const {
    const int64_t plane = s.spatial_out();
    for (int64_t f = 0; f < s.filters; ++f) {
      __m512 sum = _mm512_setzero_ps();
      for (int64_t i = 0; i < s.n; ++i)
        sum = _mm512_add_ps(sum, plane_sum(dy + (i * s.filters + f) * plane, plane));
      dbias[f] = lane_sum(sum);
    }
  }
  void add_images(const float* data, const float* dy, int64_t begin, int64_t end,
                  float* dweight) const {
    const Images x{s.n, s.channels, s.size[0], s.size[1], s.pad[0], s.pad[1]};
    const Images y{s.n, s.filters, s.out_size[0], s.out_size[1], 0, 0};
    const int64_t rows = s.kernel[0], columns = s.kernel[1];
    float* in = scratch(0, static_cast<size_t>(x.group_floats()));
    // Of the last filters some may be missing: what lies behind is read, not used.
    float* heads = scratch(1, static_cast<size_t>(whole(s.filters, kFilters) * y.plane()));
    const int64_t sums_of_row = kFilters * columns;
    float* sums = scratch(2, static_cast<size_t>(whole(rows * sums_of_row, kLanes) * kLanes));
    for (int64_t g = 0; g * kLanes < s.n; ++g) {
      x.load(data, g, in);
      y.load(dy, g, heads);
      for (int64_t b = begin; b < end; ++b) {
        for (int64_t c = 0; c < s.channels; ++c) {
          for (int64_t r = 0; r < rows; ++r)
            kWeightRows[columns - 1](in + c * x.plane() + r * x.line(), x.line(),
                                     heads + b * kFilters * y.plane(), y.plane(), y.height, y.width,
                                     sums + r * sums_of_row * kLanes);
          add_sums(sums, b, c, dweight);
        }
      }
    }
  }
  // Adds the lanes of sums[row][four filters][column] to the weights of channel c.
  MX_AVX512 void add_sums(const float* sums, int64_t b, int64_t c, float* dweight) const {
    const int64_t columns = s.kernel[1], size = s.kernel_size(), count = kFilters * size;
    for (int64_t first = 0; first < count; first += kLanes) {
      __m512 v[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) v[i] = _mm512_load_ps(sums + (first + i) * kLanes);
      transpose(v);
      for (int64_t step = kLanes / 2; step > 0; step /= 2)
        for (int64_t i = 0; i < step; ++i) v[i] = _mm512_add_ps(v[i], v[i + step]);
      float totals[kLanes];
      _mm512_storeu_ps(totals, v[0]);
      for (int64_t i = first; i < std::min(count, first + kLanes); ++i) {
        const int64_t row = i / (kFilters * columns), rest = i % (kFilters * columns);
        const int64_t filter = b * kFilters + rest / columns;
        if (filter < s.filters)
          dweight[(filter * s.channels + c) * size + row * columns + rest % columns] +=
              totals[i - first];
      }
    }
  }
};

}  // namespace

std::vector<mx_kernel> image_batch_kernels() {
  return {mx_kernel{"Convolution", prepare_state<BatchForward>, 0},
          mx_kernel{"_convolution_backward_data", prepare_state<BatchDataGradient>, 0},
          mx_kernel{"_convolution_backward_weight", prepare_state<BatchWeightGradient>, 0}};
}

}  // namespace mx::cpu

#else

std::vector<mx_kernel> mx::cpu::image_batch_kernels() { return {}; }

#endif
