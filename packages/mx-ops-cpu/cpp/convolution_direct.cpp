// Convolution by im2col: every window of an image becomes a column, and the rest is matrix
// products.
#include <algorithm>

#include "convolution.h"
#include "gemm.h"
#include "in_float32.h"

namespace mx::cpu {

template <class T, Direction direction>
DirectConvolution<T, direction>::DirectConvolution(const mx_signature& sig, mx_prepared& plan)
    : shape_(sig, direction), rows_(shape_.channels / shape_.groups * shape_.kernel_size()) {
  require_dtype(sig, std::is_same_v<T, float> ? MX_FLOAT32 : MX_FLOAT64);
  plan.workspace_bytes = static_cast<size_t>(rows_ * shape_.spatial_out()) * sizeof(T);
  plan.cost_ns =
      1000 + shape_.flops() / 20.0 + static_cast<double>(shape_.n * rows_ * shape_.spatial_out());
}

// Calls f(element of the image or -1, elements from one to the next, first column, columns, row)
// for the pieces of the column matrix that lie along the last spatial dimension; -1 marks padding.
template <class T, Direction direction>
template <class F>
void DirectConvolution<T, direction>::each_row(F&& f) const {
  const size_t last = shape_.size.size() - 1;
  const int64_t width = shape_.out_size[last], lines = shape_.spatial_out() / width;
  for (int64_t row = 0; row < rows_; ++row) {
    const int64_t channel = row / shape_.kernel_size();
    Shape tap(last + 1);  // the kernel's element of this row
    for (int64_t i = static_cast<int64_t>(last), rest = row % shape_.kernel_size(); i >= 0; --i) {
      const size_t d = static_cast<size_t>(i);
      tap[d] = rest % shape_.kernel[d];
      rest /= shape_.kernel[d];
    }
    // Columns [begin, end) of a line read inside of the image.
    const int64_t shift = tap[last] * shape_.dilate[last] - shape_.pad[last],
                  step = shape_.stride[last];
    const int64_t begin = std::min(width, shift < 0 ? (-shift + step - 1) / step : int64_t{0});
    const int64_t limit = shape_.size[last] - shift;
    const int64_t end =
        std::max(begin, std::min(width, limit <= 0 ? int64_t{0} : (limit + step - 1) / step));
    for (int64_t line = 0; line < lines; ++line) {
      int64_t at = 0, scale = 1, rest = line;
      bool inside = true;
      for (size_t d = last; d-- > 0;) {
        const int64_t place = rest % shape_.out_size[d] * shape_.stride[d] +
                              tap[d] * shape_.dilate[d] - shape_.pad[d];
        rest /= shape_.out_size[d];
        inside = inside && place >= 0 && place < shape_.size[d];
        at += place * scale;
        scale *= shape_.size[d];
      }
      const int64_t column = line * width;
      if (!inside || begin == end) {
        f(int64_t{-1}, step, column, width, row);
        continue;
      }
      const int64_t first = (channel * scale + at) * shape_.size[last] + shift + begin * step;
      if (begin > 0) f(int64_t{-1}, step, column, begin, row);
      f(first, step, column + begin, end - begin, row);
      if (end < width) f(int64_t{-1}, step, column + end, width - end, row);
    }
  }
}

template <class T, Direction direction>
void DirectConvolution<T, direction>::gather(const T* image, T* columns) const {
  each_row([&](int64_t from, int64_t step, int64_t column, int64_t n, int64_t row) {
    T* to = columns + row * shape_.spatial_out() + column;
    if (from < 0) {
      std::fill_n(to, n, T(0));
    } else {
      for (int64_t i = 0; i < n; ++i) to[i] = image[from + i * step];
    }
  });
}

template <class T, Direction direction>
void DirectConvolution<T, direction>::scatter(const T* columns, T* image) const {
  each_row([&](int64_t to, int64_t step, int64_t column, int64_t n, int64_t row) {
    if (to < 0) return;
    const T* from = columns + row * shape_.spatial_out() + column;
    for (int64_t i = 0; i < n; ++i) image[to + i * step] += from[i];
  });
}

template <class T, Direction direction>
void DirectConvolution<T, direction>::operator()(const mx_call& call) const {
  const ConvolutionShape& s = shape_;
  const bool is_weight = direction == Direction::weight;
  if (is_weight && s.has_bias)
    sum_bias_gradient(s, static_cast<const T*>(call.in[0]), static_cast<T*>(call.out[1]));
  if (s.is_empty()) return fill_empty_convolution<T>(s, direction, call);

  // Which call operand plays which role; the computed one is written.
  T* data =
      static_cast<T*>(direction == Direction::data ? call.out[0] : call.in[is_weight ? 1 : 0]);
  T* weight = static_cast<T*>(is_weight ? call.out[0] : call.in[1]);
  T* out = static_cast<T*>(direction == Direction::forward ? call.out[0] : call.in[0]);
  const T* bias =
      direction == Direction::forward && s.has_bias ? static_cast<const T*>(call.in[2]) : nullptr;
  T* columns = static_cast<T*>(call.workspace);
  const int64_t filters = s.filters / s.groups, places = s.spatial_out();
  if (direction == Direction::data) std::fill_n(data, s.data_numel(), T(0));
  for (int64_t i = 0; i < s.n * s.groups; ++i) {
    T* image = data + i * (s.channels / s.groups) * s.spatial_size();
    T* maps = out + i * filters * places;
    T* filter = weight + i % s.groups * filters * rows_;
    switch (direction) {
      case Direction::forward:
        gather(image, columns);
        if (bias)
          for (int64_t f = 0; f < filters; ++f)
            std::fill_n(maps + f * places, places, bias[i % s.groups * filters + f]);
        gemm(false, false, filters, places, rows_, filter, rows_, columns, places,
             bias ? T(1) : T(0), maps, places);
        break;
      case Direction::data:
        gemm(true, false, rows_, places, filters, filter, rows_, maps, places, T(0), columns,
             places);
        scatter(columns, image);
        break;
      case Direction::weight:
        gather(image, columns);
        gemm(false, true, filters, rows_, places, maps, places, columns, places,
             i < s.groups ? T(0) : T(1), filter, rows_);
        break;
    }
  }
}

template class DirectConvolution<float, Direction::forward>;
template class DirectConvolution<float, Direction::data>;
template class DirectConvolution<float, Direction::weight>;
template class DirectConvolution<double, Direction::forward>;
template class DirectConvolution<double, Direction::data>;
template class DirectConvolution<double, Direction::weight>;

}  // namespace mx::cpu
