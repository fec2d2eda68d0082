// Storage: pooled blocks of device memory (Pool), the reference-counted Chunk that arrays share,
// and Device, which holds what one device needs: its ABI table, pool, lane and random stream.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "engine.h"
#include "mx/abi.h"

namespace mx {

// Blocks of one device, kept for reuse in size classes (a fresh 64 MB block costs 18 times a reused
// one). Thread-safe; the uncontended path is a few nanoseconds (spin lock, free list per class).
// Classes: multiples of 64 bytes to 1 KB, then 8 classes per power of two: at most 12.5 % waste.
class Pool {
 public:
  Pool(const mx_device *device, int32_t id);
  ~Pool();
  // Throws std::bad_alloc-derived OutOfMemory (message names device, bytes asked, bytes in use)
  // after giving all cached blocks back and trying once more. bytes == 0 gives a unique non-null
  // 64-byte block.
  void *allocate(size_t bytes);
  void release(void *data, size_t bytes);  // bytes as asked
  void empty_cache();                      // gives cached blocks back to the device
  struct Statistics {
    uint64_t in_use_bytes, cached_bytes, peak_bytes, allocations, device_allocations;
  };
  Statistics statistics() const;
  // Cached bytes above this go back to the device at release. Default: a quarter of the device's
  // memory.
  void set_cache_limit(uint64_t bytes);

 private:
  friend struct Chunk;  // takes and returns a block and a Chunk object under one lock
  struct State;
  std::unique_ptr<State> state_;
};

// what() names the device, the bytes asked for and in use, and the cure.
struct OutOfMemory : std::bad_alloc {
  explicit OutOfMemory(std::string m) : message(std::move(m)) {}
  const char *what() const noexcept override { return message.c_str(); }
  std::string message;
};

// One device instance, e.g. gpu(1). Interned: compare by pointer. Never destroyed.
struct Device {
  const mx_device *table;
  int32_t type;  // MXNet's number: cpu 1, gpu 2, cpu_pinned 3, cpu_shared 5
  int32_t id;
  bool host_memory;
  std::string name;  // "cpu(0)"
  Pool *pool;        // cpu(0), cpu(1), cpu_pinned(0) share one
  Lane *lane;        // compute; likewise shared among cpu contexts
  void *stream = nullptr;
  uint64_t seed = 0, offset = 0;  // Philox key and next counter; touched under the push lock only

  // Device packages register their table once per process. Throws std::runtime_error on a wrong ABI
  // version or a second table for the same name.
  static void add_table(const mx_device *table);
  static const mx_device *find_table(int32_t type);  // nullptr: no package serves it
  static int count(int32_t type);                    // 0 when nobody serves it
  // The device, opened on first use. Throws std::out_of_range with a message that says what exists.
  // Types 3 (cpu_pinned) and 5 (cpu_shared) are served by the cpu table.
  static Device *get(int32_t type, int32_t id);
  static void seed_all(uint64_t seed);  // also devices opened later
  static std::vector<Device *> opened();
};

// Reference-counted storage with its engine variable. Created by Chunk::create, destroyed with the
// last reference, on whatever thread drops it.
struct Chunk {
  std::atomic<int32_t> references{1};
  Device *device;
  void *data;
  size_t bytes;
  uint64_t version = 0;  // counts writes; touched under the push lock only; the tape compares it
  Var var;
  void (*release_external)(void *) =
      nullptr;  // memory owned by someone else (DLPack, NumPy, shared memory)
  void *external = nullptr;

  static Chunk *create(Device *device,
                       size_t bytes);  // references == 1; Chunk objects themselves are pooled
  // release(owner) is called with the last reference, on any thread; null where nobody has to be
  // told.
  static Chunk *wrap(Device *device, void *data, size_t bytes, void (*release)(void *),
                     void *owner);
  void retain() { references.fetch_add(1, std::memory_order_relaxed); }
  void drop() {
    if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }

 private:
  void destroy();
};

// Copies bytes between any two devices (host memory, same kind, or through a host buffer);
// synchronous, called on a worker or inline. Throws std::runtime_error with the device's message.
void copy_bytes(Device *to, void *dst, Device *from, const void *src, size_t bytes);

}  // namespace mx
