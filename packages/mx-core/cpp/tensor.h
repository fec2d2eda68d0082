// Tensor: what the runtime knows of an array, without Python: an interned type, a share of a
// storage chunk and an offset. Always dense and row-major.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "storage.h"

struct _object;  // PyObject

namespace mx {

constexpr int64_t kItemSize[] = {4, 8, 2, 1, 4, 1, 8, 1, 0, 0, 0, 0, 2};
constexpr int kDtypes = 13;
inline bool is_dtype(int64_t flag) { return flag >= 0 && flag < kDtypes && kItemSize[flag] != 0; }
const char *dtype_name(int32_t flag);

// Element type and shape. Interned: equal types are the same pointer, so plan keys compare
// pointers. Never freed (about 100 bytes per distinct type a program uses). Made and read under the
// GIL.
struct TensorType {
  int32_t dtype;
  int32_t ndim;
  int64_t size;  // elements
  int64_t bytes;
  _object *shape_tuple;           // the Python tuple, made at once
  mutable const TensorType *row;  // type of x[i], nullptr until asked for
  int64_t shape[1];               // ndim of them

  std::span<const int64_t> dims() const { return {shape, static_cast<size_t>(ndim)}; }
  mx_tensor_type view() const { return {dtype, ndim, shape}; }
  std::string text() const;  // "float32 (2, 3)"
};

// Throws std::length_error when the size in bytes does not fit 63 bits, std::invalid_argument for
// bad dtype, negative dimension or more than MX_MAX_NDIM of them.
const TensorType *intern_type(int32_t dtype, std::span<const int64_t> shape);
const TensorType *row_type(
    const TensorType *type);  // shape[1:], or (1,) for one dimension, as MXNet
std::string shape_text(std::span<const int64_t> shape);

// Intrusive pointer to anything with retain() and drop().
template <typename T>
class Ref {
 public:
  Ref() = default;
  static Ref adopt(T *p) {
    Ref r;
    r.p_ = p;
    return r;
  }
  explicit Ref(T *p) : p_(p) {
    if (p_) p_->retain();
  }
  Ref(const Ref &o) : Ref(o.p_) {}
  Ref(Ref &&o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Ref &operator=(Ref o) noexcept {
    std::swap(p_, o.p_);
    return *this;
  }
  ~Ref() {
    if (p_) p_->drop();
  }
  void reset() { *this = Ref(); }
  T *get() const { return p_; }
  T *operator->() const { return p_; }
  explicit operator bool() const { return p_ != nullptr; }

 private:
  T *p_ = nullptr;
};

struct Tensor {
  Ref<Chunk> chunk;
  int64_t offset = 0;  // bytes
  const TensorType *type = nullptr;

  char *data() const { return static_cast<char *>(chunk->data) + offset; }
  Device *device() const { return chunk->device; }
  explicit operator bool() const { return type != nullptr; }
  bool overlaps(const Tensor &o) const {
    return chunk.get() == o.chunk.get() && offset < o.offset + o.type->bytes &&
           o.offset < offset + type->bytes;
  }
};

inline Tensor empty_tensor(Device *device, const TensorType *type) {
  return {Ref<Chunk>::adopt(Chunk::create(device, static_cast<size_t>(type->bytes))), 0, type};
}

}  // namespace mx
