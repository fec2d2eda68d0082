// Small things the call path shares.
#pragma once

#include <memory>

#include "pyerror.h"

namespace mx {

// N elements in place, more on the heap.
template <typename T, size_t N>
class SmallBuffer {
 public:
  explicit SmallBuffer(size_t n)
      : heap_(n > N ? new T[n]() : nullptr), data_(heap_ ? heap_.get() : stack_) {}
  SmallBuffer(const SmallBuffer &) = delete;
  T *data() { return data_; }
  T &operator[](size_t i) { return data_[i]; }
  const T &operator[](size_t i) const { return data_[i]; }

 private:
  T stack_[N];
  std::unique_ptr<T[]> heap_;
  T *data_;
};

}  // namespace mx
