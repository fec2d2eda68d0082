// im2col and col2im: the windows of an image as columns of a matrix, and their sum back into an
// image.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <type_traits>

#include "array_convert.h"
#include "families.h"
#include "mx/kernel.h"
#include "parallel.h"

namespace mx::cpu {
namespace {

using Size = std::array<int64_t, 3>;

// The windows of an image (planes, d, h, w); one- and two-dimensional images have leading sizes
// of 1.
struct Windows {
  Size image{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, dilate{1, 1, 1}, pad{0, 0, 0},
      out{1, 1, 1};
  int64_t planes = 1;  // images times channels

  Windows(const mx_signature& sig, const mx_tensor_type& data) {
    const Params p(sig);
    const auto shape = shape_of(data);
    const size_t spatial = p.ints("kernel").size();
    if (spatial < 1 || spatial > 3 || shape.size() != spatial + 2)
      throw Unsupported("one to three spatial axes");
    planes = shape[0] * shape[1];
    const auto fill = [&](Size& to, std::span<const int64_t> from) {
      if (from.size() != spatial) throw std::invalid_argument("one entry for each spatial axis");
      std::copy(from.begin(), from.end(), to.begin() + static_cast<long>(3 - spatial));
    };
    fill(image, shape.subspan(2));
    fill(kernel, p.ints("kernel"));
    fill(stride, p.ints("stride"));
    fill(dilate, p.ints("dilate"));
    fill(pad, p.ints("pad"));
    constexpr int64_t kMost = (int64_t{1} << 31) - 1;  // products of two stay in 64 bits
    for (size_t i = 0; i < 3; ++i) {
      if (std::max({kernel[i], stride[i], dilate[i], pad[i]}) > kMost)
        throw std::invalid_argument("window parameters must be below 2**31");
      const int64_t room = image[i] + 2 * pad[i] - dilate[i] * (kernel[i] - 1) - 1;
      if (kernel[i] < 1 || stride[i] < 1 || dilate[i] < 1 || pad[i] < 0 || room < 0)
        throw std::invalid_argument("the kernel does not fit the padded image");
      out[i] = room / stride[i] + 1;
    }
  }
  static int64_t size(const Size& s) { return s[0] * s[1] * s[2]; }

  // Throws unless `columns` has exactly the elements of the matrix of all windows.
  void check_columns(const mx_tensor_type& columns) const {
    int64_t count = planes;
    for (const Size& sizes : {kernel, out})
      for (int64_t n : sizes)
        if (__builtin_mul_overflow(count, n, &count))
          throw std::invalid_argument("the windows have more than 2**63 elements");
    if (numel(columns) != count)
      throw std::invalid_argument("the columns must have an element for each one of each window");
  }

  // The part [begin, end) of an output axis whose windows read inside of the image at kernel
  // position k.
  std::pair<int64_t, int64_t> inside(size_t axis, int64_t k) const {
    const int64_t at = k * dilate[axis] - pad[axis];  // image place read by output 0
    const int64_t begin = at < 0 ? (-at + stride[axis] - 1) / stride[axis] : 0;
    const int64_t last = image[axis] - 1 - at;
    const int64_t end = last < 0 ? 0 : std::min(out[axis], last / stride[axis] + 1);
    return {std::min(begin, end), end};
  }

  // Calls f(image offset, column offset, count) for every run of one plane that is inside of the
  // image: image elements are stride[2] apart.
  template <class F>
  void each_run(F&& f) const {
    int64_t row = 0;
    for (int64_t kd = 0; kd < kernel[0]; ++kd)
      for (int64_t kh = 0; kh < kernel[1]; ++kh)
        for (int64_t kw = 0; kw < kernel[2]; ++kw, ++row) {
          const auto [d0, d1] = inside(0, kd);
          const auto [h0, h1] = inside(1, kh);
          const auto [w0, w1] = inside(2, kw);
          if (w0 >= w1) continue;
          const int64_t x = w0 * stride[2] + kw * dilate[2] - pad[2];
          for (int64_t d = d0; d < d1; ++d)
            for (int64_t h = h0; h < h1; ++h) {
              const int64_t z = d * stride[0] + kd * dilate[0] - pad[0];
              const int64_t y = h * stride[1] + kh * dilate[1] - pad[1];
              f((z * image[1] + y) * image[2] + x, ((row * out[0] + d) * out[1] + h) * out[2] + w0,
                w1 - w0);
            }
        }
  }
};

// data (n, c, spatial...) -> (n, c * prod(kernel), prod(out)).
struct Im2Col {
  Windows windows;
  size_t element;
  double cost;
  Im2Col(const mx_signature& sig, mx_prepared& plan)
      : windows(sig, sig.in[0]), element(element_size(sig.in[0].dtype)) {
    windows.check_columns(sig.out[0]);
    if (sig.in[0].dtype != sig.out[0].dtype) throw Unsupported("data and output differ in dtype");
    plan.cost_ns = cost = 50 + static_cast<double>(byte_size(sig.out[0])) / 3;
  }
  void operator()(const mx_call& call) const {
    switch (element) {
      case 1:
        return run<uint8_t>(call);
      case 2:
        return run<uint16_t>(call);
      case 4:
        return run<uint32_t>(call);
      default:
        return run<uint64_t>(call);
    }
  }

 private:
  template <class T>
  void run(const mx_call& call) const {
    const int64_t in_size = Windows::size(windows.image);
    const int64_t out_size = Windows::size(windows.kernel) * Windows::size(windows.out);
    const int64_t step = windows.stride[2];
    parallel_for(windows.planes, 1, cost, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const T* image = static_cast<const T*>(call.in[0]) + p * in_size;
        T* columns = static_cast<T*>(call.out[0]) + p * out_size;
        std::fill_n(columns, out_size, T{});
        windows.each_run([&](int64_t from, int64_t to, int64_t count) {
          for (int64_t i = 0; i < count; ++i) columns[to + i] = image[from + i * step];
        });
      }
    });
  }
};

// data (n, c * prod(kernel), prod(out)) -> (n, c, spatial...): each column added to its window.
// 16-bit floats are summed in float32.
struct Col2Im {
  Windows windows;
  int32_t dtype;
  double cost;
  Col2Im(const mx_signature& sig, mx_prepared& plan)
      : windows(sig, sig.out[0]), dtype(sig.out[0].dtype) {
    if (sig.in[0].dtype != dtype) throw Unsupported("data and output differ in dtype");
    windows.check_columns(sig.in[0]);
    plan.cost_ns = cost = 50 + static_cast<double>(byte_size(sig.in[0])) / 3;
  }
  void operator()(const mx_call& call) const {
    visit_dtype(dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
        run<T, float>(call);
      } else if constexpr (std::is_same_v<T, bool8>) {
        run<T, uint8_t>(call);
      } else {
        run<T, T>(call);
      }
    });
  }

 private:
  template <class T, class Sum>
  void run(const mx_call& call) const {
    const int64_t size = Windows::size(windows.image);
    const int64_t column_size = Windows::size(windows.kernel) * Windows::size(windows.out);
    const int64_t step = windows.stride[2];
    parallel_for(windows.planes, 1, cost, [&](int64_t begin, int64_t end) {
      const auto sums = std::make_unique_for_overwrite<Sum[]>(static_cast<size_t>(size));
      for (int64_t p = begin; p < end; ++p) {
        const T* columns = static_cast<const T*>(call.in[0]) + p * column_size;
        T* image = static_cast<T*>(call.out[0]) + p * size;
        std::fill_n(sums.get(), size, Sum{});
        windows.each_run([&](int64_t to, int64_t from, int64_t count) {
          for (int64_t i = 0; i < count; ++i)
            add(sums[static_cast<size_t>(to + i * step)], static_cast<Sum>(columns[from + i]));
        });
        for (int64_t i = 0; i < size; ++i) image[i] = static_cast<T>(sums[static_cast<size_t>(i)]);
      }
    });
  }
  template <class Sum>
  static void add(Sum& sum, Sum value) {
    if constexpr (std::is_integral_v<Sum>) {  // wraps
      sum = static_cast<Sum>(static_cast<uint64_t>(sum) + static_cast<uint64_t>(value));
    } else {
      sum += value;
    }
  }
};

}  // namespace

std::vector<mx_kernel> im2col_kernels() {
  return {make_kernel<Im2Col>("_im2col"), make_kernel<Col2Im>("_col2im")};
}

}  // namespace mx::cpu
