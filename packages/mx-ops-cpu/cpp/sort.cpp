// The kernel _order: the first k of each row in ascending or descending order, what sort, argsort
// and topk are made of. Equal elements keep their order, -0 equals 0, and NaN comes last either
// way.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>

#include "families.h"
#include "mx/kernel.h"
#include "parallel.h"
#include "vecmath.h"

namespace mx::cpu {
namespace {

// ---- keys: unsigned integers that compare as the elements do
// --------------------------------------

inline uint32_t key_of(float x, uint32_t flip) {
  const uint32_t bits = std::bit_cast<uint32_t>(x + 0.0f);  // -0 becomes 0
  const uint32_t sign = static_cast<uint32_t>(static_cast<int32_t>(bits) >> 31);
  const uint32_t key = (bits ^ (sign | 0x80000000u)) ^ flip;
  return x != x ? ~0u : key;
}
inline uint64_t key_of(double x, uint64_t flip) {
  const uint64_t bits = std::bit_cast<uint64_t>(x + 0.0);
  const uint64_t sign = static_cast<uint64_t>(static_cast<int64_t>(bits) >> 63);
  const uint64_t key = (bits ^ (sign | (uint64_t{1} << 63))) ^ flip;
  return x != x ? ~uint64_t{0} : key;
}
inline uint64_t key_of(int64_t x, uint64_t flip) {
  return (static_cast<uint64_t>(x) ^ (uint64_t{1} << 63)) ^ flip;
}
inline uint32_t key_of(int32_t x, uint32_t flip) {
  return (static_cast<uint32_t>(x) ^ 0x80000000u) ^ flip;
}

// The type whose keys stand for T's.
template <class T>
using Ordered =
    std::conditional_t<std::is_same_v<T, double> || std::is_same_v<T, int64_t>, T,
                       std::conditional_t<std::is_same_v<T, float> || std::is_same_v<T, float16> ||
                                              std::is_same_v<T, bfloat16>,
                                          float, int32_t>>;

template <class T>
inline auto element_key(T x, bool ascending) {
  if constexpr (std::is_same_v<T, bool8>) {
    return key_of(static_cast<int32_t>(static_cast<bool>(x)), ascending ? 0u : ~0u);
  } else {
    using O = Ordered<T>;
    using Key = decltype(key_of(O{}, 0));
    return key_of(static_cast<O>(x), ascending ? Key{0} : ~Key{0});
  }
}

// ---- items: a key and where it came from; comparing items breaks ties by place
// ---------------------

// 32-bit keys of rows below 2^32 elements: one integer.
struct Packed {
  uint64_t bits;
  static Packed make(uint64_t key, int64_t at) { return {key << 32 | static_cast<uint64_t>(at)}; }
  int64_t place() const { return static_cast<int64_t>(bits & 0xffffffffu); }
  uint64_t digits() const { return bits >> 32; }
  static constexpr int kDigits = 4;
  friend bool operator<(Packed a, Packed b) { return a.bits < b.bits; }
};

struct Wide {
  uint64_t key;
  int64_t at;
  static Wide make(uint64_t key, int64_t at) { return {key, at}; }
  int64_t place() const { return at; }
  uint64_t digits() const { return key; }
  static constexpr int kDigits = 8;
  friend bool operator<(const Wide& a, const Wide& b) {
    return a.key != b.key ? a.key < b.key : a.at < b.at;
  }
};

constexpr int64_t kRadixFrom = 160;  // shorter rows are sorted by comparison

// Sorts items, whose places rise, by their keys, one byte after the other from the lowest; `other`
// has as much room. Returns where the result is. Bytes that all keys share cost nothing.
template <class Item>
Item* radix_sort(Item* items, Item* other, int64_t n) {
  std::array<std::array<uint32_t, 256>, Item::kDigits> counts{};
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t key = items[i].digits();
    for (int d = 0; d < Item::kDigits; ++d) ++counts[static_cast<size_t>(d)][key >> 8 * d & 255];
  }
  const uint64_t first = items[0].digits();
  for (int d = 0; d < Item::kDigits; ++d) {
    auto& count = counts[static_cast<size_t>(d)];
    if (count[first >> 8 * d & 255] == static_cast<uint32_t>(n)) continue;
    uint32_t start = 0;
    for (uint32_t& c : count) start += std::exchange(c, start);
    for (int64_t i = 0; i < n; ++i) other[count[items[i].digits() >> 8 * d & 255]++] = items[i];
    std::swap(items, other);
  }
  return items;
}

template <class Item>
Item* sort_items(Item* items, Item* other, int64_t n) {
  if (n >= kRadixFrom && n <= std::numeric_limits<uint32_t>::max())
    return radix_sort(items, other, n);
  std::sort(items, items + n);
  return items;
}

// ---- the k least of a row
// ---------------------------------------------------------------------------

// Replaces the greatest of a max-heap.
template <class Item>
void replace_top(Item* heap, int64_t k, Item item) {
  int64_t at = 0;
  for (;;) {
    int64_t child = 2 * at + 1;
    if (child >= k) break;
    if (child + 1 < k && heap[child] < heap[child + 1]) ++child;
    if (!(item < heap[child])) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = item;
}

constexpr int64_t kBlock = 256, kLanes = 16;

// Keys of up to kBlock floats (the rest are the greatest key) and, for each lane j, the least key
// of those at j, j + kLanes, j + 2 kLanes ...
MX_CLONES void block_keys(const float* x, int64_t n, uint32_t flip, uint32_t* keys,
                          uint32_t* least) {
  for (int64_t i = 0; i < n; ++i) keys[i] = key_of(x[i], flip);
  for (int64_t i = n; i < kBlock; ++i) keys[i] = ~0u;
  for (int64_t j = 0; j < kLanes; ++j) least[j] = keys[j];
  for (int64_t g = kLanes; g < kBlock; g += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) least[j] = std::min(least[j], keys[g + j]);
}

// The k least items of a row of floats, unordered: whole blocks are passed over by one comparison a
// lane.
void least_floats(const float* row, int64_t n, int64_t k, bool ascending, Packed* heap) {
  alignas(64) uint32_t keys[kBlock], least[kLanes];
  const uint32_t flip = ascending ? 0 : ~0u;
  for (int64_t i = 0; i < k; ++i) heap[i] = Packed::make(key_of(row[i], flip), i);
  std::make_heap(heap, heap + k);
  for (int64_t begin = k; begin < n; begin += kBlock) {
    block_keys(row + begin, std::min(kBlock, n - begin), flip, keys, least);
    uint64_t worst = heap[0].digits();
    for (int64_t j = 0; j < kLanes; ++j) {
      if (least[j] > worst) continue;
      for (int64_t i = j; i < kBlock; i += kLanes) {
        const Packed item = Packed::make(keys[i], begin + i);
        if (item < heap[0]) replace_top(heap, k, item);
      }
      worst = heap[0].digits();
    }
  }
}

template <class Item, class T>
void least_items(const T* row, int64_t n, int64_t k, bool ascending, Item* heap) {
  for (int64_t i = 0; i < k; ++i) heap[i] = Item::make(element_key(row[i], ascending), i);
  std::make_heap(heap, heap + k);
  for (int64_t i = k; i < n; ++i) {
    const Item item = Item::make(element_key(row[i], ascending), i);
    if (item < heap[0]) replace_top(heap, k, item);
  }
}

// data (..., n); k, is_ascend -> the first k values of each row in order (..., k), and their places
// (..., k) as int32 or int64.
class Order {
 public:
  Order(const mx_signature& sig, mx_prepared& plan) {
    const Params p(sig);
    const auto shape = shape_of(sig.in[0]);
    if (shape.empty()) throw std::invalid_argument("data must have an axis to order");
    n_ = shape.back();
    rows_ = numel(shape.first(shape.size() - 1));
    k_ = p.integer("k");
    ascending_ = p.boolean("is_ascend");
    if (k_ < 0 || k_ > n_) throw std::invalid_argument("k must be in [0, the last axis' size]");
    if (sig.in[0].dtype != sig.out[0].dtype) throw Unsupported("values and data differ in dtype");
    if (sig.out[1].dtype != MX_INT32 && sig.out[1].dtype != MX_INT64)
      throw Unsupported("places are int32 or int64");
    dtype_ = sig.in[0].dtype;
    wide_places_ = sig.out[1].dtype == MX_INT64;
    partial_ = selects(static_cast<double>(k_), static_cast<double>(n_));
    const double each = partial_ ? 2 : 15;
    plan.cost_ns = cost_ = 30 + static_cast<double>(rows_) * (30 + static_cast<double>(n_) * each);
  }

  void operator()(const mx_call& call) const {
    if (rows_ == 0 || k_ == 0) return;
    visit_dtype(dtype_, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const bool wide = sizeof(Ordered<T>) == 8 || n_ > std::numeric_limits<uint32_t>::max();
      if (wide) {
        run<Wide, T>(call);
      } else {
        run<Packed, T>(call);
      }
    });
  }

 private:
  // A heap of k sees about k (1 + ln(n / k)) changes: beside sorting the row, is that less work?
  static bool selects(double k, double n) {
    return k > 0 && k * (1 + std::log(n / k)) * std::log2(k + 2) < n;
  }

  template <class Item, class T>
  void run(const mx_call& call) const {
    const T* data = static_cast<const T*>(call.in[0]);
    T* values = static_cast<T*>(call.out[0]);
    parallel_for(rows_, 1, cost_, [&](int64_t begin, int64_t end) {
      const auto room =
          std::make_unique_for_overwrite<Item[]>(static_cast<size_t>(partial_ ? k_ : 2 * n_));
      for (int64_t r = begin; r < end; ++r) {
        const T* row = data + r * n_;
        const Item* order = ordered<Item>(row, room.get());
        for (int64_t i = 0; i < k_; ++i) values[r * k_ + i] = row[order[i].place()];
        if (wide_places_) {
          store(order, static_cast<int64_t*>(call.out[1]) + r * k_);
        } else {
          store(order, static_cast<int32_t*>(call.out[1]) + r * k_);
        }
      }
    });
  }

  template <class Item, class T>
  const Item* ordered(const T* row, Item* room) const {
    if (partial_) {
      if constexpr (std::is_same_v<T, float> && std::is_same_v<Item, Packed>) {
        least_floats(row, n_, k_, ascending_, room);
      } else {
        least_items(row, n_, k_, ascending_, room);
      }
      std::sort(room, room + k_);
      return room;
    }
    for (int64_t i = 0; i < n_; ++i) room[i] = Item::make(element_key(row[i], ascending_), i);
    return sort_items(room, room + n_, n_);
  }

  template <class Item, class I>
  void store(const Item* order, I* places) const {
    for (int64_t i = 0; i < k_; ++i) places[i] = static_cast<I>(order[i].place());
  }

  int64_t n_ = 0, rows_ = 0, k_ = 0;
  int32_t dtype_ = 0;
  bool ascending_ = true, wide_places_ = false, partial_ = false;
  double cost_ = 0;
};

}  // namespace

std::vector<mx_kernel> sort_kernels() { return {make_kernel<Order>("_order")}; }

}  // namespace mx::cpu
