#include "tensor.h"

#include <Python.h>

#include <cstdlib>
#include <algorithm>
#include <new>
#include <stdexcept>
#include <unordered_set>

namespace mx {

const char *dtype_name(int32_t flag) {
  switch (flag) {
    case MX_FLOAT32:
      return "float32";
    case MX_FLOAT64:
      return "float64";
    case MX_FLOAT16:
      return "float16";
    case MX_UINT8:
      return "uint8";
    case MX_INT32:
      return "int32";
    case MX_INT8:
      return "int8";
    case MX_INT64:
      return "int64";
    case MX_BOOL:
      return "bool";
    case MX_BFLOAT16:
      return "bfloat16";
    default:
      return "unknown dtype";
  }
}

std::string shape_text(std::span<const int64_t> shape) {
  std::string s = "(";
  for (size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + (shape.size() == 1 ? ",)" : ")");
}

std::string TensorType::text() const {
  return std::string(dtype_name(dtype)) + " " + shape_text(dims());
}

namespace {

struct TypeView {
  int32_t dtype;
  std::span<const int64_t> shape;
};

uint64_t mix(uint64_t h, uint64_t v) { return (h ^ v) * 0x9e3779b97f4a7c15ull ^ (h >> 29); }

struct TypeHash {
  using is_transparent = void;
  size_t operator()(const TypeView &v) const {
    uint64_t h = mix(0x51ed27, static_cast<uint64_t>(v.dtype) + 31 * v.shape.size());
    for (int64_t d : v.shape) h = mix(h, static_cast<uint64_t>(d));
    return h;
  }
  size_t operator()(const TensorType *t) const { return (*this)(TypeView{t->dtype, t->dims()}); }
};

struct TypeEqual {
  using is_transparent = void;
  static TypeView view(const TensorType *t) { return {t->dtype, t->dims()}; }
  static const TypeView &view(const TypeView &v) { return v; }
  template <typename A, typename B>
  bool operator()(const A &a, const B &b) const {
    TypeView x = view(a), y = view(b);
    return x.dtype == y.dtype && x.shape.size() == y.shape.size() &&
           std::equal(x.shape.begin(), x.shape.end(), y.shape.begin());
  }
};

using TypeTable = std::unordered_set<const TensorType *, TypeHash, TypeEqual>;

TypeTable &types() {
  static auto *table = new TypeTable;
  return *table;
}

}  // namespace

const TensorType *intern_type(int32_t dtype, std::span<const int64_t> shape) {
  auto found = types().find(TypeView{dtype, shape});
  if (found != types().end()) return *found;
  if (!is_dtype(dtype)) throw std::invalid_argument("unknown dtype flag " + std::to_string(dtype));
  if (shape.size() > MX_MAX_NDIM)
    throw std::invalid_argument("an array has at most " + std::to_string(MX_MAX_NDIM) +
                                " dimensions, got " + std::to_string(shape.size()));
  bool empty = false;
  for (int64_t d : shape) {
    if (d < 0) throw std::invalid_argument("negative dimension in shape " + shape_text(shape));
    empty |= d == 0;
  }
  int64_t size = 1;
  for (int64_t d : shape)
    if (!empty && __builtin_mul_overflow(size, d, &size))
      throw std::length_error("shape " + shape_text(shape) + " has more than 2^63 elements");
  if (empty) size = 0;
  int64_t bytes;
  if (__builtin_mul_overflow(size, kItemSize[dtype], &bytes))
    throw std::length_error("shape " + shape_text(shape) + " needs more than 2^63 bytes");
  PyObject *tuple = PyTuple_New(static_cast<Py_ssize_t>(shape.size()));
  if (!tuple) throw std::bad_alloc();
  for (size_t i = 0; i < shape.size(); ++i)
    PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(i), PyLong_FromLongLong(shape[i]));
  auto *type =
      static_cast<TensorType *>(std::malloc(sizeof(TensorType) + sizeof(int64_t) * shape.size()));
  if (!type) throw std::bad_alloc();
  *type = {dtype, static_cast<int32_t>(shape.size()), size, bytes, tuple, nullptr, {0}};
  std::copy(shape.begin(), shape.end(), type->shape);
  types().insert(type);
  return type;
}

const TensorType *row_type(const TensorType *type) {
  if (!type->row) {
    static const int64_t one = 1;
    type->row = type->ndim > 1 ? intern_type(type->dtype, type->dims().subspan(1))
                               : intern_type(type->dtype, {&one, 1});
  }
  return type->row;
}

}  // namespace mx
