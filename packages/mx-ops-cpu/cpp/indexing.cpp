// Kernels that read or write where an index array says: take, pick, one_hot and their gradients.
// An index array has any dtype; floats are truncated toward zero, as MXNet does.
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "array_convert.h"
#include "families.h"
#include "mx/kernel.h"
#include "parallel.h"

namespace mx::cpu {
namespace {

enum class Mode { clip, wrap, raise };

Mode mode_of(const Params& p) {
  const std::string_view mode = p.text("mode", "clip");
  if (mode == "clip") return Mode::clip;
  if (mode == "wrap") return Mode::wrap;
  if (mode == "raise") return Mode::raise;
  throw std::invalid_argument("mode must be clip, wrap or raise, got " + std::string(mode));
}

// NaN and what no int64 holds become its smallest or largest value.
template <class T>
inline int64_t to_index(T value) {
  if constexpr (std::is_same_v<T, bool8>) {
    return static_cast<bool>(value);
  } else if constexpr (std::is_integral_v<T>) {
    return value;
  } else {
    const double wide = static_cast<double>(value);
    if (wide >= 0x1p63) return std::numeric_limits<int64_t>::max();
    return wide > -0x1p63 ? static_cast<int64_t>(wide) : std::numeric_limits<int64_t>::min();
  }
}

// Reads index arrays of one dtype as places on an axis of `size` elements.
class IndexReader {
 public:
  IndexReader() = default;
  IndexReader(int32_t dtype, Mode mode, int64_t axis, int64_t size)
      : mode_(mode), axis_(axis), size_(size) {
    read_ = visit_dtype(dtype, [](auto tag) -> Read {
      return &IndexReader::template read<typename decltype(tag)::type>;
    });
  }
  // places[i] in [0, size). Throws where mode is raise and an index is outside, or where the axis
  // is empty.
  void operator()(const void* indices, int64_t n, int64_t* places) const {
    if (n == 0) return;
    if (size_ == 0)
      throw std::out_of_range("cannot take from axis " + std::to_string(axis_) +
                              ", which is empty");
    (this->*read_)(indices, n, places);
  }

 private:
  using Read = void (IndexReader::*)(const void*, int64_t, int64_t*) const;

  template <class T>
  void read(const void* indices, int64_t n, int64_t* places) const {
    const T* index = static_cast<const T*>(indices);
    switch (mode_) {
      case Mode::clip:
        for (int64_t i = 0; i < n; ++i) {
          const int64_t at = to_index(index[i]);
          places[i] = at < 0 ? 0 : at >= size_ ? size_ - 1 : at;
        }
        break;
      case Mode::wrap:
        for (int64_t i = 0; i < n; ++i) {
          int64_t at = to_index(index[i]);
          if (at < 0 || at >= size_) {
            at %= size_;
            if (at < 0) at += size_;
          }
          places[i] = at;
        }
        break;
      case Mode::raise:
        for (int64_t i = 0; i < n; ++i) {
          const int64_t at = to_index(index[i]);
          if (at < 0 || at >= size_) refuse(static_cast<double>(index[i]), at);
          places[i] = at;
        }
        break;
    }
  }
  [[noreturn]] void refuse(double value, int64_t at) const {
    const std::string text = std::isnan(value) ? "nan" : std::to_string(at);
    throw std::out_of_range("index " + text + " is out of bounds for axis " +
                            std::to_string(axis_) + " with size " + std::to_string(size_));
  }

  Mode mode_ = Mode::clip;
  int64_t axis_ = 0, size_ = 0;
  Read read_ = nullptr;
};

// A shape seen as (outer, size, inner) around one axis.
struct AxisView {
  int64_t outer = 1, size = 1, inner = 1;
  AxisView() = default;
  AxisView(std::span<const int64_t> shape, int64_t axis) {
    if (axis < 0 || axis >= static_cast<int64_t>(shape.size()))
      throw std::invalid_argument("axis " + std::to_string(axis) + " is outside of " +
                                  std::to_string(shape.size()) + " dimensions");
    const size_t a = static_cast<size_t>(axis);
    outer = numel(shape.first(a));
    size = shape[a];
    inner = numel(shape.subspan(a + 1));
  }
};

// Calls f with a null pointer to the unsigned integer of the element's size.
template <class F>
void visit_size(size_t element, F&& f) {
  switch (element) {
    case 1:
      return f(static_cast<uint8_t*>(nullptr));
    case 2:
      return f(static_cast<uint16_t*>(nullptr));
    case 4:
      return f(static_cast<uint32_t*>(nullptr));
    case 8:
      return f(static_cast<uint64_t*>(nullptr));
  }
}

double gather_ns(double elements, double run_bytes, double element) {
  return 20 + elements * element / 8.0 + elements * element / std::max(run_bytes, 1.0) * 3.0;
}

// ---- take ---------------------------------------------------------------------------------------

// data, indices; axis, mode: out[.., i.., ..] = data[.., indices[i..], ..].
struct Take {
  IndexReader reader;
  AxisView view;
  int64_t n;
  size_t element;
  double cost;
  Take(const mx_signature& sig, mx_prepared& plan)
      : n(numel(sig.in[1])), element(element_size(sig.in[0].dtype)) {
    const Params p(sig);
    const int64_t axis = p.integer("axis", 0);
    view = AxisView(shape_of(sig.in[0]), axis);
    reader = IndexReader(sig.in[1].dtype, mode_of(p), axis, view.size);
    if (sig.in[0].dtype != sig.out[0].dtype)
      throw Unsupported("data and the output differ in dtype");
    plan.workspace_bytes = static_cast<size_t>(n) * sizeof(int64_t);
    plan.cost_ns = cost = gather_ns(static_cast<double>(view.outer * n * view.inner),
                                    static_cast<double>(view.inner) * static_cast<double>(element),
                                    static_cast<double>(element));
  }
  void operator()(const mx_call& call) const {
    int64_t* places = static_cast<int64_t*>(call.workspace);
    reader(call.in[1], n, places);
    if (view.inner == 1) {
      visit_size(element, [&](auto* type) {
        using T = std::remove_pointer_t<decltype(type)>;
        elements(static_cast<const T*>(call.in[0]), places, static_cast<T*>(call.out[0]));
      });
    } else {
      rows(static_cast<const char*>(call.in[0]), places, static_cast<char*>(call.out[0]));
    }
  }

 private:
  template <class T>
  void elements(const T* data, const int64_t* places, T* out) const {
    parallel_for(view.outer * n, 1024, cost, [&](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end;) {
        const int64_t o = at / n, i0 = at % n, i1 = std::min(n, i0 + end - at);
        const T* row = data + o * view.size;
        for (int64_t i = i0; i < i1; ++i) out[o * n + i] = row[places[i]];
        at += i1 - i0;
      }
    });
  }
  void rows(const char* data, const int64_t* places, char* out) const {
    const size_t bytes = static_cast<size_t>(view.inner) * element;
    if (bytes == 0) return;
    parallel_for(view.outer * n, 1, cost, [&](int64_t begin, int64_t end) {
      // Rows at random places wait for memory: they are asked for a few rows ahead.
      const int64_t ahead =
          bytes > 4096 ? 0 : std::min<int64_t>(16, 4096 / static_cast<int64_t>(bytes));
      const auto row = [&](int64_t at) {
        const int64_t from = (at / n) * view.size + places[at % n];
        return data + static_cast<size_t>(from) * bytes;
      };
      for (int64_t at = begin; at < end; ++at) {
        if (ahead && at + ahead < end) {
          const char* soon = row(at + ahead);
          for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(soon + i);
        }
        std::memcpy(out + static_cast<size_t>(at) * bytes, row(at), bytes);
      }
    });
  }
};

template <class T>
inline void add_to(T& sum, T value) {
  if constexpr (std::is_same_v<T, bool8>) {
    sum = bool8(sum || value);
  } else if constexpr (std::is_integral_v<T>) {
    sum = static_cast<T>(static_cast<uint64_t>(sum) + static_cast<uint64_t>(value));
  } else {
    sum = static_cast<T>(sum + value);
  }
}

// dy, indices; axis, mode: zeros, with each row of dy added where take had read it. float16 and
// bfloat16 sums are kept in float32 until the end.
struct TakeBackward {
  IndexReader reader;
  AxisView view;
  int64_t n;
  int32_t dtype;
  bool narrow;  // a 16-bit float
  double cost;
  TakeBackward(const mx_signature& sig, mx_prepared& plan)
      : n(numel(sig.in[1])), dtype(sig.out[0].dtype) {
    const Params p(sig);
    const int64_t axis = p.integer("axis", 0);
    view = AxisView(shape_of(sig.out[0]), axis);
    reader = IndexReader(sig.in[1].dtype, mode_of(p), axis, view.size);
    if (sig.in[0].dtype != dtype) throw Unsupported("dy and the output differ in dtype");
    narrow = dtype == MX_FLOAT16 || dtype == MX_BFLOAT16;
    plan.workspace_bytes =
        places_bytes() + (narrow ? static_cast<size_t>(numel(sig.out[0])) * sizeof(float) : 0);
    plan.cost_ns = cost = 20 + static_cast<double>(byte_size(sig.out[0])) / 8.0 +
                          static_cast<double>(numel(sig.in[0])) * 0.5 +
                          static_cast<double>(n * view.outer) * 4;
  }
  void operator()(const mx_call& call) const {
    int64_t* places = static_cast<int64_t*>(call.workspace);
    reader(call.in[1], n, places);
    visit_dtype(dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* dy = static_cast<const T*>(call.in[0]);
      T* dx = static_cast<T*>(call.out[0]);
      if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>) {
        float* sums = reinterpret_cast<float*>(static_cast<char*>(call.workspace) + places_bytes());
        scatter(dy, places, sums);
        converter(MX_FLOAT32, dtype)(sums, dx, view.outer * view.size * view.inner);
      } else {
        scatter(dy, places, dx);
      }
    });
  }

 private:
  size_t places_bytes() const {
    return (static_cast<size_t>(n) * sizeof(int64_t) + 63) & ~size_t{63};
  }

  // Each thread owns rows of the output and adds to them in index order: the result does not depend
  // on the number of threads.
  template <class T, class Sum>
  void scatter(const T* dy, const int64_t* places, Sum* sums) const {
    parallel_for(view.size, 1, cost, [&](int64_t begin, int64_t end) {
      for (int64_t o = 0; o < view.outer; ++o) {
        Sum* block = sums + o * view.size * view.inner;
        std::memset(static_cast<void*>(block + begin * view.inner), 0,
                    static_cast<size_t>((end - begin) * view.inner) * sizeof(Sum));
        for (int64_t i = 0; i < n; ++i) {
          if (places[i] < begin || places[i] >= end) continue;
          Sum* to = block + places[i] * view.inner;
          const T* from = dy + (o * n + i) * view.inner;
          for (int64_t j = 0; j < view.inner; ++j) add_to(to[j], static_cast<Sum>(from[j]));
        }
      }
    });
  }
};

// ---- pick ---------------------------------------------------------------------------------------

// What pick and its gradient share: the view of data around the axis and the reader of the index.
struct PickPlan {
  IndexReader reader;
  AxisView view;
  size_t element;
  PickPlan(const mx_signature& sig, const mx_tensor_type& data, const mx_tensor_type& index,
           mx_prepared& plan)
      : element(element_size(data.dtype)) {
    const Params p(sig);
    const int64_t axis = p.integer("axis", data.ndim - 1);
    view = AxisView(shape_of(data), axis);
    reader = IndexReader(index.dtype, mode_of(p), axis, view.size);
    if (numel(index) != view.outer * view.inner)
      throw std::invalid_argument("index must have data's shape without axis " +
                                  std::to_string(axis));
    if (sig.in[0].dtype != sig.out[0].dtype)
      throw Unsupported("data and the output differ in dtype");
    plan.workspace_bytes = static_cast<size_t>(view.outer * view.inner) * sizeof(int64_t);
    plan.cost_ns = 20 + static_cast<double>(view.outer * view.inner) * 2;
  }
  // Calls f(element of index, element of data) for every index.
  template <class F>
  void each(const int64_t* places, F&& f) const {
    int64_t at = 0;
    for (int64_t o = 0; o < view.outer; ++o)
      for (int64_t i = 0; i < view.inner; ++i, ++at)
        f(at, (o * view.size + places[at]) * view.inner + i);
  }
};

// data, index; axis, mode: out[o, i] = data[o, index[o, i], i].
struct Pick {
  PickPlan pick;
  Pick(const mx_signature& sig, mx_prepared& plan) : pick(sig, sig.in[0], sig.in[1], plan) {}
  void operator()(const mx_call& call) const {
    int64_t* places = static_cast<int64_t*>(call.workspace);
    pick.reader(call.in[1], pick.view.outer * pick.view.inner, places);
    visit_size(pick.element, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      const T* data = static_cast<const T*>(call.in[0]);
      T* out = static_cast<T*>(call.out[0]);
      pick.each(places, [&](int64_t at, int64_t from) { out[at] = data[from]; });
    });
  }
};

// dy, index; axis, mode: zeros, with dy at the picked places (each is picked at most once).
struct PickBackward {
  PickPlan pick;
  size_t bytes;
  PickBackward(const mx_signature& sig, mx_prepared& plan)
      : pick(sig, sig.out[0], sig.in[1], plan), bytes(byte_size(sig.out[0])) {
    plan.cost_ns += static_cast<double>(bytes) / 10.0;
  }
  void operator()(const mx_call& call) const {
    int64_t* places = static_cast<int64_t*>(call.workspace);
    pick.reader(call.in[1], pick.view.outer * pick.view.inner, places);
    if (bytes) std::memset(call.out[0], 0, bytes);
    visit_size(pick.element, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      const T* dy = static_cast<const T*>(call.in[0]);
      T* dx = static_cast<T*>(call.out[0]);
      pick.each(places, [&](int64_t at, int64_t to) { dx[to] = dy[at]; });
    });
  }
};

// ---- one_hot ------------------------------------------------------------------------------------

// indices; depth, on_value, off_value: off everywhere but at each index; one outside of [0, depth)
// sets nothing.
struct OneHot {
  int64_t n, depth;
  double on, off, cost;
  int32_t index_dtype, dtype;
  OneHot(const mx_signature& sig, mx_prepared& plan)
      : n(numel(sig.in[0])), index_dtype(sig.in[0].dtype), dtype(sig.out[0].dtype) {
    const Params p(sig);
    depth = p.integer("depth");
    on = p.number("on_value", 1.0);
    off = p.number("off_value", 0.0);
    if (depth < 0 || n * depth != numel(sig.out[0]))
      throw std::invalid_argument("the output must have depth = " + std::to_string(depth) +
                                  " elements per index");
    plan.cost_ns = cost =
        20 + static_cast<double>(byte_size(sig.out[0])) / 10.0 + static_cast<double>(n) * 3;
  }
  void operator()(const mx_call& call) const {
    visit_dtype(dtype, [&](auto out_tag) {
      using T = typename decltype(out_tag)::type;
      visit_dtype(index_dtype, [&](auto index_tag) {
        using I = typename decltype(index_tag)::type;
        fill(static_cast<const I*>(call.in[0]), static_cast<T*>(call.out[0]));
      });
    });
  }

 private:
  template <class T>
  static T value_of(double value) {
    if constexpr (std::is_same_v<T, bool8>) {
      return bool8(value != 0);
    } else if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(static_cast<int64_t>(value));
    } else {
      return static_cast<T>(
          static_cast<std::conditional_t<std::is_same_v<T, double>, double, float>>(value));
    }
  }
  template <class I, class T>
  void fill(const I* index, T* out) const {
    const T set = value_of<T>(on), clear = value_of<T>(off);
    parallel_for(n, 1, cost, [&](int64_t begin, int64_t end) {
      std::fill_n(out + begin * depth, (end - begin) * depth, clear);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t at = to_index(index[i]);
        if (at >= 0 && at < depth) out[i * depth + at] = set;
      }
    });
  }
};

}  // namespace

std::vector<mx_kernel> indexing_kernels() {
  return {make_kernel<Take>("take"), make_kernel<TakeBackward>("_take_backward"),
          make_kernel<Pick>("pick"), make_kernel<PickBackward>("_pick_backward"),
          make_kernel<OneHot>("one_hot")};
}

}  // namespace mx::cpu
