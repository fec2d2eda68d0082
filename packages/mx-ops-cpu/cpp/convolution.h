// The geometry of a convolution, read once from the signature of any of its three kernels.
#pragma once

#include "mx/kernel.h"

namespace mx::cpu {

// Which of the three arrays the kernel computes from the other two.
enum class Direction { forward, data, weight };

// data (n, channels, size...), weight (filters, channels / groups, kernel...), out (n, filters,
// out_size...).
struct ConvolutionShape {
  int64_t n, channels, filters, groups;
  Shape size, kernel, out_size;  // one number per spatial dimension
  Shape stride, dilate, pad;
  bool has_bias;  // forward: a third input; weight: a second output

  ConvolutionShape(const mx_signature& sig, Direction direction) {
    const mx_tensor_type& data =
        direction == Direction::data ? sig.out[0] : sig.in[direction == Direction::weight];
    const mx_tensor_type& weight = direction == Direction::weight ? sig.out[0] : sig.in[1];
    const mx_tensor_type& out = direction == Direction::forward ? sig.out[0] : sig.in[0];
    has_bias = direction == Direction::forward ? sig.n_in > 2
                                               : direction == Direction::weight && sig.n_out > 1;
    if (data.ndim < 3 || data.ndim > 5) throw Unsupported("only one to three spatial dimensions");
    if (weight.ndim != data.ndim || out.ndim != data.ndim)
      throw std::invalid_argument(
          "data, weight and output must have the same number of dimensions");
    const size_t spatial = static_cast<size_t>(data.ndim) - 2;
    const Params p(sig);
    n = data.shape[0];
    channels = data.shape[1];
    filters = weight.shape[0];
    groups = p.integer("num_group", 1);
    size.assign(data.shape + 2, data.shape + data.ndim);
    kernel.assign(weight.shape + 2, weight.shape + weight.ndim);
    out_size.assign(out.shape + 2, out.shape + out.ndim);
    stride = p.ints("stride", Shape(spatial, 1));
    dilate = p.ints("dilate", Shape(spatial, 1));
    pad = p.ints("pad", Shape(spatial, 0));
    if (stride.size() != spatial || dilate.size() != spatial || pad.size() != spatial)
      throw std::invalid_argument("stride, dilate and pad need one number per spatial dimension");
    if (groups < 1 || channels % groups || filters % groups || weight.shape[1] * groups != channels)
      throw std::invalid_argument("channels and filters must be divisible by num_group");
  }

  int64_t spatial_size() const { return numel(size); }
  int64_t spatial_out() const { return numel(out_size); }
  int64_t kernel_size() const { return numel(kernel); }
  int64_t data_numel() const { return n * channels * spatial_size(); }
  int64_t out_numel() const { return n * filters * spatial_out(); }
  int64_t weight_numel() const { return filters * (channels / groups) * kernel_size(); }
  double flops() const {
    return 2.0 * static_cast<double>(out_numel()) *
           static_cast<double>(channels / groups * kernel_size());
  }
  // Nothing to multiply: the result is zeros, or the bias.
  bool is_empty() const { return out_numel() == 0 || data_numel() == 0 || weight_numel() == 0; }
  bool is_pointwise() const {
    const auto all = [](const Shape& s, int64_t value) {
      for (int64_t v : s)
        if (v != value) return false;
      return true;
    };
    return all(kernel, 1) && all(stride, 1) && all(pad, 0);
  }
};

// out = bias for every position, or zeros; and the zero gradients of empty convolutions.
template <class T>
void fill_empty_convolution(const ConvolutionShape& shape, Direction direction,
                            const mx_call& call) {
  T* out = static_cast<T*>(call.out[0]);
  if (direction == Direction::forward && shape.has_bias) {
    const T* bias = static_cast<const T*>(call.in[2]);
    for (int64_t i = 0; i < shape.n * shape.filters; ++i)
      std::fill_n(out + i * shape.spatial_out(), shape.spatial_out(), bias[i % shape.filters]);
    return;
  }
  const int64_t n = direction == Direction::forward ? shape.out_numel()
                    : direction == Direction::data  ? shape.data_numel()
                                                    : shape.weight_numel();
  std::fill_n(out, n, T(0));
}

// dbias[f] = sum of dy over images and positions.
template <class T>
void sum_bias_gradient(const ConvolutionShape& shape, const T* dy, T* dbias) {
  for (int64_t f = 0; f < shape.filters; ++f) {
    double sum = 0;
    for (int64_t i = 0; i < shape.n; ++i) {
      const T* row = dy + (i * shape.filters + f) * shape.spatial_out();
      for (int64_t j = 0; j < shape.spatial_out(); ++j) sum += static_cast<double>(row[j]);
    }
    dbias[f] = static_cast<T>(sum);
  }
}

// The kernels on im2col and matrix products (convolution_direct.cpp): any type T = float or double.
template <class T, Direction direction>
class DirectConvolution {
 public:
  DirectConvolution(const mx_signature& sig, mx_prepared& plan);
  void operator()(const mx_call& call) const;

 private:
  void gather(const T* image, T* columns) const;
  void scatter(const T* columns, T* image) const;
  template <class F>
  void each_row(F&& f) const;

  ConvolutionShape shape_;
  int64_t rows_;  // of the column matrix: channels / groups * kernel size
};

}  // namespace mx::cpu
