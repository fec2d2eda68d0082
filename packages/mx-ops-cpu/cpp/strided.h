// Copying between two strided views of one shape: transposes, slices, concatenations are all this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mx::cpu {

// dst[i . dst_strides] = src[i . src_strides] for every index i of shape. Strides count elements
// and may be negative; a source stride of 0 repeats. The algorithm is chosen once, by the
// constructor.
class StridedCopy {
 public:
  StridedCopy() = default;
  StridedCopy(std::span<const int64_t> shape, std::span<const int64_t> src_strides,
              std::span<const int64_t> dst_strides, size_t element_bytes);

  // src and dst point at index 0 of the views, which must not overlap.
  void operator()(const void* src, void* dst) const;

  double cost_ns() const { return cost_ns_; }

  struct Dim {
    int64_t n, src, dst;
  };

 private:
  enum class Kind { nothing, rows, strided, transpose };

  template <class T>
  void run(const T* src, T* dst) const;

  Kind kind_ = Kind::nothing;
  size_t element_ = 1;
  std::vector<Dim> outer_;  // outermost first
  Dim inner_{1, 1, 1};      // innermost in dst
  Dim across_{1, 1, 1};     // transpose: the dimension that is contiguous in src
  int64_t rows_ = 0;        // product of outer_
  bool streams_ = false;    // the result is stored past the caches
  double cost_ns_ = 20;
};

}  // namespace mx::cpu
