// Convolution of images with few channels (the first layer of a network) and its weight gradient,
// for AVX-512, directly on MXNet's arrays: oneDNN pads channels and filters to its blocks and
// spends more time on reordering such outputs than on arithmetic. A row of outputs, or of their
// gradients, is a few vectors; four filters share every vector of the image.
#include "families.h"

#if defined(__x86_64__)

#include <algorithm>
#include <vector>

#include "avx512.h"
#include "convolution.h"
#include "in_float32.h"
#include "parallel.h"

namespace mx::cpu {
namespace {

constexpr int64_t kFilters = 4;   // that run side by side
constexpr int64_t kMostWide = 6;  // kernel columns: their sums for four filters fit the registers

// The geometry with its padded image: rows that every vector of outputs can read in full.
struct FewShape {
  ConvolutionShape conv;
  int64_t rows, line;  // of a channel of the padded image
  int64_t blocks;      // of four filters

  FewShape(const mx_signature& sig, Direction direction) : conv(sig, direction) {
    require_dtype(sig, MX_FLOAT32);
    const ConvolutionShape& s = conv;
    const auto ones = [](const Shape& x) { return x == Shape(2, 1); };
    if (!has_avx512() || s.size.size() != 2 || s.groups != 1 || !ones(s.stride) ||
        !ones(s.dilate) || s.is_empty())
      throw Unsupported("only plain convolutions of images, with AVX-512");
    const int64_t width = s.out_size[1];
    if (s.channels > 3 || s.filters < kFilters || s.kernel[1] > kMostWide || s.kernel_size() < 4 ||
        s.kernel_size() > 49 || width * 10 < whole(width, kLanes) * 6)
      throw Unsupported("only few channels and rows that fill vectors");
    rows = s.size[0] + 2 * s.pad[0];
    line = std::max(whole(width, kLanes) + s.kernel[1] - 1, s.size[1] + 2 * s.pad[1]);
    blocks = (s.filters + kFilters - 1) / kFilters;
  }
  size_t image_size() const { return static_cast<size_t>(conv.channels * rows * line + kLanes); }
  // image: zeros, of which the inside is overwritten.
  void pad_image(const float* data, float* image) const {
    const ConvolutionShape& s = conv;
    for (int64_t c = 0; c < s.channels; ++c)
      for (int64_t h = 0; h < s.size[0]; ++h)
        std::copy_n(data + (c * s.size[0] + h) * s.size[1], s.size[1],
                    image + (c * rows + h + s.pad[0]) * line + s.pad[1]);
  }
  double cost_ns() const { return 1000 + conv.flops() / 60.0; }
};

// ---- forward ------------------------------------------------------------------------------------

// Outputs of up to four filters at up to 2 vectors of a row. offsets: of each tap in the image;
// weight: [tap][four filters].
template <int vectors>
MX_AVX512 inline void forward_vectors(const float* x, const int64_t* offsets, int64_t taps,
                                      const float* weight, const float* bias, float* out,
                                      int64_t plane, int64_t filters, __mmask16 last) {
  __m512 sum[kFilters][vectors];
  MX_UNROLLED
  for (int f = 0; f < kFilters; ++f) MX_UNROLLED
  for (int v = 0; v < vectors; ++v) sum[f][v] = _mm512_set1_ps(bias[f]);
  for (int64_t t = 0; t < taps; ++t, weight += kFilters) {
    const float* at = x + offsets[t];
    __m512 value[vectors];
    MX_UNROLLED
    for (int v = 0; v < vectors; ++v) value[v] = _mm512_loadu_ps(at + v * kLanes);
    MX_UNROLLED
    for (int f = 0; f < kFilters; ++f) {
      const __m512 w = _mm512_set1_ps(weight[f]);
      MX_UNROLLED
      for (int v = 0; v < vectors; ++v) sum[f][v] = _mm512_fmadd_ps(w, value[v], sum[f][v]);
    }
  }
  MX_UNROLLED
  for (int f = 0; f < filters; ++f) MX_UNROLLED
  for (int v = 0; v < vectors; ++v)
    _mm512_mask_storeu_ps(out + f * plane + v * kLanes, v + 1 == vectors ? last : __mmask16(0xffff),
                          sum[f][v]);
}

struct FewForward {
  FewShape shape;

  FewForward(const mx_signature& sig, mx_prepared& plan) : shape(sig, Direction::forward) {
    plan.cost_ns = shape.cost_ns();
  }
  void operator()(const mx_call& call) const {
    const ConvolutionShape& s = shape.conv;
    const float* data = static_cast<const float*>(call.in[0]);
    const int64_t taps = s.channels * s.kernel_size(), outputs = s.filters * s.spatial_out();
    const std::vector<float> weight = packed(static_cast<const float*>(call.in[1]), taps);
    std::vector<float> bias(static_cast<size_t>(shape.blocks * kFilters), 0.0f);
    if (s.has_bias) std::copy_n(static_cast<const float*>(call.in[2]), s.filters, bias.data());
    const std::vector<int64_t> offsets = tap_offsets();
    float* out = static_cast<float*>(call.out[0]);
    parallel_for(s.n, 1, shape.cost_ns(), [&](int64_t begin, int64_t end) {
      std::vector<float> image(shape.image_size(), 0.0f);
      for (int64_t i = begin; i < end; ++i) {
        shape.pad_image(data + i * s.channels * s.spatial_size(), image.data());
        for (int64_t b = 0; b < shape.blocks; ++b)
          filters_of(image.data(), offsets.data(), taps, weight.data() + b * taps * kFilters,
                     bias.data() + b * kFilters, out + i * outputs + b * kFilters * s.spatial_out(),
                     std::min(kFilters, s.filters - b * kFilters));
      }
    });
  }

 private:
  std::vector<float> packed(const float* weight, int64_t taps) const {
    std::vector<float> result(static_cast<size_t>(shape.blocks * taps * kFilters), 0.0f);
    for (int64_t f = 0; f < shape.conv.filters; ++f)
      for (int64_t t = 0; t < taps; ++t)
        result[static_cast<size_t>((f / kFilters * taps + t) * kFilters + f % kFilters)] =
            weight[f * taps + t];
    return result;
  }
  std::vector<int64_t> tap_offsets() const {
    std::vector<int64_t> offsets;
    for (int64_t c = 0; c < shape.conv.channels; ++c)
      for (int64_t h = 0; h < shape.conv.kernel[0]; ++h)
        for (int64_t w = 0; w < shape.conv.kernel[1]; ++w)
          offsets.push_back((c * shape.rows + h) * shape.line + w);
    return offsets;
  }
  MX_AVX512 void filters_of(const float* image, const int64_t* offsets, int64_t taps,
                            const float* weight, const float* bias, float* out,
                            int64_t filters) const {
    const int64_t width = shape.conv.out_size[1], plane = shape.conv.spatial_out();
    for (int64_t h = 0; h < shape.conv.out_size[0]; ++h) {
      for (int64_t w = 0; w < width; w += 2 * kLanes) {
        const float* x = image + h * shape.line + w;
        float* to = out + h * width + w;
        if (width - w > kLanes)
          forward_vectors<2>(x, offsets, taps, weight, bias, to, plane, filters,
                             mask_of(width - w - kLanes));
        else
          forward_vectors<1>(x, offsets, taps, weight, bias, to, plane, filters,
                             mask_of(width - w));
      }
    }
  }
};

// ---- weight gradient ----------------------------------------------------------------------------

// sums[four filters][kernel columns], vectors whose lanes remain to be added, of one kernel row.
template <int columns>
MX_AVX512 void weight_row(const float* x, int64_t line, const float* dy, int64_t plane,
                          int64_t height, int64_t width, __m512* sums) {
  __m512 sum[kFilters][columns];
  MX_UNROLLED
  for (int f = 0; f < kFilters; ++f) MX_UNROLLED
  for (int k = 0; k < columns; ++k) sum[f][k] = sums[f * columns + k];
  for (int64_t h = 0; h < height; ++h, x += line, dy += width) {
    for (int64_t w = 0; w < width; w += kLanes) {
      const __mmask16 mask = mask_of(width - w);
      __m512 head[kFilters];
      MX_UNROLLED
      for (int f = 0; f < kFilters; ++f) head[f] = _mm512_maskz_loadu_ps(mask, dy + f * plane + w);
      MX_UNROLLED
      for (int k = 0; k < columns; ++k) {
        const __m512 value = _mm512_maskz_loadu_ps(mask, x + w + k);
        MX_UNROLLED
        for (int f = 0; f < kFilters; ++f) sum[f][k] = _mm512_fmadd_ps(head[f], value, sum[f][k]);
      }
    }
  }
  MX_UNROLLED
  for (int f = 0; f < kFilters; ++f) MX_UNROLLED
  for (int k = 0; k < columns; ++k) sums[f * columns + k] = sum[f][k];
}

using WeightRow = void (*)(const float*, int64_t, const float*, int64_t, int64_t, int64_t, __m512*);
constexpr WeightRow kWeightRows[] = {weight_row<1>, weight_row<2>, weight_row<3>,
                                     weight_row<4>, weight_row<5>, weight_row<6>};

struct FewWeightGradient {
  FewShape shape;

  FewWeightGradient(const mx_signature& sig, mx_prepared& plan) : shape(sig, Direction::weight) {
    if (shape.conv.filters % kFilters) throw Unsupported("only filters by fours");
    plan.cost_ns = shape.cost_ns();
  }
  void operator()(const mx_call& call) const {
    const ConvolutionShape& s = shape.conv;
    const float* dy = static_cast<const float*>(call.in[0]);
    const float* data = static_cast<const float*>(call.in[1]);
    float* dweight = static_cast<float*>(call.out[0]);
    // Each thread adds up the images for filters of its own: the same sum however many threads.
    parallel_for(shape.blocks, 1, shape.cost_ns(), [&](int64_t begin, int64_t end) {
      add_images(data, dy, begin, end, dweight,
                 s.has_bias ? static_cast<float*>(call.out[1]) : nullptr);
    });
  }

 private:
  MX_AVX512 void add_images(const float* data, const float* dy, int64_t begin, int64_t end,
                            float* dweight, float* dbias) const {
    const ConvolutionShape& s = shape.conv;
    const int64_t taps = s.channels * s.kernel_size(), plane = s.spatial_out();
    const int64_t columns = s.kernel[1], kernel_rows = s.channels * s.kernel[0];
    const WeightRow add = kWeightRows[columns - 1];
    std::vector<float> image(shape.image_size(), 0.0f);
    const int64_t filters = (end - begin) * kFilters;
    const size_t n_sums = static_cast<size_t>(filters * (taps + 1));
    std::vector<float> memory((n_sums + 1) * kLanes, 0.0f);
    auto* sums = reinterpret_cast<__m512*>((reinterpret_cast<uintptr_t>(memory.data()) + 63) &
                                           ~uintptr_t{63});
    __m512* bias_sums = sums + filters * taps;
    for (int64_t i = 0; i < s.n; ++i) {
      shape.pad_image(data + i * s.channels * s.spatial_size(), image.data());
      for (int64_t b = begin; b < end; ++b) {
        const float* heads = dy + (i * s.filters + b * kFilters) * plane;
        __m512* to = sums + (b - begin) * taps * kFilters;
        for (int64_t r = 0; r < kernel_rows; ++r, to += kFilters * columns)
          add(image.data() + (r / s.kernel[0] * shape.rows + r % s.kernel[0]) * shape.line,
              shape.line, heads, plane, s.out_size[0], s.out_size[1], to);
        for (int64_t f = 0; dbias && f < kFilters; ++f) {
          __m512& sum = bias_sums[(b - begin) * kFilters + f];
          sum = _mm512_add_ps(sum, plane_sum(heads + f * plane, plane));
        }
      }
    }
    for (int64_t f = 0; dbias && f < filters; ++f)
      dbias[begin * kFilters + f] = lane_sum(bias_sums[f]);
    for (int64_t b = begin; b < end; ++b)
      for (int64_t r = 0; r < kernel_rows; ++r)
        for (int64_t f = 0; f < kFilters; ++f)
          for (int64_t k = 0; k < columns; ++k)
            dweight[(b * kFilters + f) * taps + r * columns + k] =
                lane_sum(sums[(b - begin) * taps * kFilters + (r * kFilters + f) * columns + k]);
  }
};

}  // namespace

std::vector<mx_kernel> few_channel_kernels() {
  return {mx_kernel{"Convolution", prepare_state<FewForward>, 0},
          mx_kernel{"_convolution_backward_weight", prepare_state<FewWeightGradient>, 0}};
}

}  // namespace mx::cpu

#else

std::vector<mx_kernel> mx::cpu::few_channel_kernels() { return {}; }

#endif
