// Pool, Chunk and the copies between devices. A pool keeps free blocks in one list per size class;
// the lists live outside the blocks, which may be memory that the host cannot touch. Spare Chunk
// objects are kept by the pool too, so that creating an array's storage takes one lock.
#include "storage.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace mx {
namespace {

constexpr size_t kSmallStep = 64;     // classes are multiples of this ...
constexpr size_t kSmallLimit = 1024;  // ... up to here, then 8 per power of two
constexpr size_t kSmallClasses = kSmallLimit / kSmallStep;
constexpr size_t kLargestPower = 46;
constexpr size_t kLargestBlock = size_t{1} << kLargestPower;  // 64 TiB
constexpr size_t kClasses = kSmallClasses + 8 * (kLargestPower - 10);
constexpr size_t kSpareChunks = 8192;              // Chunk objects kept by a pool
constexpr size_t kStagingBytes = size_t{4} << 20;  // piece of a copy through host memory
constexpr size_t kMessageSize = 512;

struct SizeClass {
  size_t index, bytes;
};

size_t class_bytes(size_t index) {
  if (index < kSmallClasses) return (index + 1) * kSmallStep;
  const size_t power = 10 + (index - kSmallClasses) / 8, eighth = (index - kSmallClasses) % 8;
  return (size_t{1} << power) + ((eighth + 1) << (power - 3));
}

SizeClass size_class(size_t bytes) {  // bytes <= kLargestBlock
  if (bytes <= kSmallLimit) {
    const size_t index = bytes == 0 ? 0 : (bytes - 1) / kSmallStep;
    return {index, (index + 1) * kSmallStep};
  }
  const size_t power =
      static_cast<size_t>(std::bit_width(bytes - 1)) - 1;  // 2^power < bytes <= 2^(power + 1)
  const size_t eighth = ((bytes - 1) >> (power - 3)) & 7;
  return {kSmallClasses + 8 * (power - 10) + eighth,
          (size_t{1} << power) + ((eighth + 1) << (power - 3))};
}

// For sections of a few nanoseconds that almost never meet; yields early, since the holder may have
// been preempted.
class SpinLock {
 public:
  void lock() {
    for (int spins = 0; is_locked_.exchange(true, std::memory_order_acquire); ++spins) {
      if (spins >= 32) sched_yield();
    }
  }
  void unlock() { is_locked_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> is_locked_{false};
};

}  // namespace

struct Pool::State {
  const mx_device *device;
  int32_t id;
  SpinLock lock;
  std::array<std::vector<void *>, kClasses> blocks;
  Chunk *spare_chunks = nullptr;  // linked through Chunk::external
  size_t n_spare_chunks = 0;
  uint64_t cache_limit = 0;
  Statistics statistics{};

  // With the lock held: a cached block, or null; counted as in use either way.
  void *take(const SizeClass &size) {
    statistics.in_use_bytes += size.bytes;
    statistics.peak_bytes = std::max(statistics.peak_bytes, statistics.in_use_bytes);
    ++statistics.allocations;
    auto &free = blocks[size.index];
    if (free.empty()) return nullptr;
    void *data = free.back();
    free.pop_back();
    statistics.cached_bytes -= size.bytes;
    return data;
  }

  // With the lock held: keeps the block, or returns false when the cache is full.
  bool keep(void *data, const SizeClass &size) {
    statistics.in_use_bytes -= size.bytes;
    if (statistics.cached_bytes + size.bytes > cache_limit) return false;
    try {
      blocks[size.index].push_back(data);
    } catch (const std::bad_alloc &) {
      return false;
    }
    statistics.cached_bytes += size.bytes;
    return true;
  }

  // With the lock held: a reset Chunk object, or null.
  Chunk *take_chunk() {
    Chunk *chunk = spare_chunks;
    if (!chunk) return nullptr;
    spare_chunks = static_cast<Chunk *>(std::exchange(chunk->external, nullptr));
    --n_spare_chunks;
    return chunk;
  }

  bool keep_chunk(Chunk *chunk) {
    if (n_spare_chunks >= kSpareChunks) return false;
    chunk->external = std::exchange(spare_chunks, chunk);
    ++n_spare_chunks;
    return true;
  }

  void *allocate_fresh(size_t asked, const SizeClass &size);
  void give_back(void *data, const SizeClass &size);
  void empty_cache(size_t except = kClasses);
};

namespace {

// Every pool there is: a fork must not happen while another thread holds one of their locks.
struct Pools {
  std::mutex mutex;
  std::vector<std::pair<SpinLock *, void *>> locks;  // with the pool's state

  static Pools &get() {
    static Pools *pools = new Pools;
    return *pools;
  }
  void lock_all() {
    mutex.lock();
    for (auto [lock, state] : locks) lock->lock();
  }
  void unlock_all() {
    for (auto [lock, state] : locks) lock->unlock();
    mutex.unlock();
  }
};

// At load time, before the engine registers its own: handlers run last-registered first before a
// fork, so the engine drains its work while the pools are still open.
[[maybe_unused]] const int fork_handlers =
    pthread_atfork([] { Pools::get().lock_all(); }, [] { Pools::get().unlock_all(); },
                   [] { Pools::get().unlock_all(); });

uint64_t device_memory(const mx_device &device, int32_t id) {
  uint64_t free_bytes = 0, total_bytes = 0;
  if (device.memory_info && device.memory_info(id, &free_bytes, &total_bytes) == 0)
    return total_bytes;
  if (!device.host_memory) return UINT64_MAX;  // unknown: a failed allocation empties the cache
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

Pool::Pool(const mx_device *device, int32_t id) : state_(new State) {
  state_->device = device;
  state_->id = id;
  state_->cache_limit = device_memory(*device, id) / 4;
  std::lock_guard<std::mutex> guard(Pools::get().mutex);
  Pools::get().locks.emplace_back(&state_->lock, state_.get());
}

Pool::~Pool() {
  {
    std::lock_guard<std::mutex> guard(Pools::get().mutex);
    std::erase_if(Pools::get().locks,
                  [this](const auto &entry) { return entry.second == state_.get(); });
  }
  state_->empty_cache();
  while (Chunk *chunk = state_->spare_chunks) {
    state_->spare_chunks = static_cast<Chunk *>(chunk->external);
    delete chunk;
  }
}

// Memory from the device for a block that take() counted already.
void *Pool::State::allocate_fresh(size_t asked, const SizeClass &size) {
  char message[kMessageSize] = "";
  void *data = nullptr;
  if (device->allocate(id, size.bytes, &data, message, sizeof message) != 0 || !data) {
    empty_cache();
    message[0] = '\0';
    data = nullptr;
    if (device->allocate(id, size.bytes, &data, message, sizeof message) != 0) data = nullptr;
  }
  std::lock_guard<SpinLock> guard(lock);
  if (data) {
    ++statistics.device_allocations;
    return data;
  }
  statistics.in_use_bytes -= size.bytes;
  throw OutOfMemory(std::string(device->name) + "(" + std::to_string(id) +
                    ") is out of memory: " + std::to_string(asked) + " bytes were asked for, " +
                    std::to_string(statistics.in_use_bytes) + " bytes are in use" +
                    (message[0] ? std::string(" (") + message + ")" : std::string()) +
                    ". Use smaller batches, or delete arrays that are no longer needed.");
}

// For a block that keep() refused. Blocks of other classes make room first: the program's sizes may
// have changed.
void Pool::State::give_back(void *data, const SizeClass &size) {
  if (size.bytes <= cache_limit / 2) {
    empty_cache(size.index);
    std::lock_guard<SpinLock> guard(lock);
    statistics.in_use_bytes += size.bytes;
    if (keep(data, size)) return;
  }
  device->release(id, data, size.bytes);
}

void Pool::State::empty_cache(size_t except) {
  for (size_t index = 0; index < kClasses; ++index) {
    if (index == except) continue;
    std::vector<void *> taken;
    const size_t bytes = class_bytes(index);
    {
      std::lock_guard<SpinLock> guard(lock);
      taken.swap(blocks[index]);
      statistics.cached_bytes -= bytes * taken.size();
    }
    for (void *data : taken) device->release(id, data, bytes);
  }
}

void *Pool::allocate(size_t bytes) {
  if (bytes > kLargestBlock) {
    throw OutOfMemory(
        std::string(state_->device->name) + ": " + std::to_string(bytes) +
        " bytes were asked for in one array; no device has that much. Check the shape.");
  }
  const SizeClass size = size_class(bytes);
  {
    std::lock_guard<SpinLock> guard(state_->lock);
    if (void *data = state_->take(size)) return data;
  }
  return state_->allocate_fresh(bytes, size);
}

void Pool::release(void *data, size_t bytes) {
  const SizeClass size = size_class(bytes);
  {
    std::lock_guard<SpinLock> guard(state_->lock);
    if (state_->keep(data, size)) return;
  }
  state_->give_back(data, size);
}

void Pool::empty_cache() { state_->empty_cache(); }

Pool::Statistics Pool::statistics() const {
  std::lock_guard<SpinLock> guard(state_->lock);
  return state_->statistics;
}

void Pool::set_cache_limit(uint64_t bytes) {
  bool is_over;
  {
    std::lock_guard<SpinLock> guard(state_->lock);
    state_->cache_limit = bytes;
    is_over = state_->statistics.cached_bytes > bytes;
  }
  if (is_over) empty_cache();
}

Chunk *Chunk::create(Device *device, size_t bytes) {
  if (bytes > kLargestBlock) device->pool->allocate(bytes);  // throws
  Pool::State &pool = *device->pool->state_;
  const SizeClass size = size_class(bytes);
  Chunk *chunk;
  void *data;
  {
    std::lock_guard<SpinLock> guard(pool.lock);
    chunk = pool.take_chunk();
    data = pool.take(size);
  }
  std::unique_ptr<Chunk> owner(chunk ? chunk : new Chunk);
  owner->device = device;
  owner->bytes = bytes;
  owner->data = data ? data : pool.allocate_fresh(bytes, size);
  return owner.release();
}

Chunk *Chunk::wrap(Device *device, void *data, size_t bytes, void (*release)(void *), void *owner) {
  Pool::State &pool = *device->pool->state_;
  Chunk *chunk;
  {
    std::lock_guard<SpinLock> guard(pool.lock);
    chunk = pool.take_chunk();
  }
  if (!chunk) chunk = new Chunk;
  chunk->device = device;
  chunk->data = data;
  chunk->bytes = bytes;
  chunk->release_external = release ? release : [](void *) {};  // set: the memory is not the pool's
  chunk->external = owner;
  return chunk;
}

// Resets the object to what `new Chunk` gives, then hands it and its block to the pool under one
// lock.
void Chunk::destroy() {
  Pool::State &pool = *device->pool->state_;
  const bool is_external = release_external != nullptr;
  if (is_external) std::exchange(release_external, nullptr)(std::exchange(external, nullptr));
  if (var.failed.load(std::memory_order_relaxed)) {
    var.failure.reset();
    var.failed.store(false, std::memory_order_relaxed);
  }
  version = 0;
  references.store(1, std::memory_order_relaxed);
  void *const block = data;
  const SizeClass size = size_class(is_external ? 0 : bytes);
  bool is_kept = true, is_chunk_kept;
  {
    std::lock_guard<SpinLock> guard(pool.lock);
    if (!is_external) is_kept = pool.keep(block, size);
    is_chunk_kept = pool.keep_chunk(this);
  }
  if (!is_kept) pool.give_back(block, size);
  if (!is_chunk_kept) delete this;
}

namespace {

void check_copy(int status, const char *message, const Device *to, const Device *from,
                size_t bytes) {
  if (status == 0) return;
  throw std::runtime_error("Copying " + std::to_string(bytes) + " bytes from " + from->name +
                           " to " + to->name +
                           " failed: " + (message[0] ? message : "the device gives no reason"));
}

void copy_through_host(Device *to, char *dst, Device *from, const char *src, size_t bytes) {
  char message[kMessageSize] = "";
  std::vector<char> staging(std::min(bytes, kStagingBytes));
  for (size_t done = 0; done < bytes; done += staging.size()) {
    const size_t piece = std::min(staging.size(), bytes - done);
    check_copy(from->table->copy_to_host(from->id, staging.data(), src + done, piece, from->stream,
                                         message, sizeof message),
               message, to, from, bytes);
    check_copy(to->table->copy_from_host(to->id, dst + done, staging.data(), piece, to->stream,
                                         message, sizeof message),
               message, to, from, bytes);
  }
}

}  // namespace

void copy_bytes(Device *to, void *dst, Device *from, const void *src, size_t bytes) {
  if (bytes == 0 || (to == from && dst == src)) return;
  char message[kMessageSize] = "";
  int status = 0;
  if (to->host_memory && from->host_memory) {
    std::memmove(dst, src, bytes);
  } else if (from->host_memory) {
    status =
        to->table->copy_from_host(to->id, dst, src, bytes, to->stream, message, sizeof message);
  } else if (to->host_memory) {
    status =
        from->table->copy_to_host(from->id, dst, src, bytes, from->stream, message, sizeof message);
  } else if (to->table == from->table && to->table->copy_peer) {
    status = to->table->copy_peer(to->id, dst, from->id, src, bytes, to->stream, message,
                                  sizeof message);
  } else {
    copy_through_host(to, static_cast<char *>(dst), from, static_cast<const char *>(src), bytes);
  }
  check_copy(status, message, to, from, bytes);
}

}  // namespace mx
