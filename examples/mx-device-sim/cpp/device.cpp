// The device table: memory, copies and streams of gpu(0) .. gpu(MX_SIM_GPUS - 1).
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sim.h"

namespace mx::sim {
namespace {

constexpr size_t kAlignment = 64;
constexpr uint64_t kMemory = uint64_t{4} << 30;  // what each device says it has, and gives
constexpr int kMost = 16;

std::atomic<uint64_t> in_use[kMost];

int count() {
  const char* text = std::getenv("MX_SIM_GPUS");
  return text ? std::clamp(std::atoi(text), 0, kMost) : 0;
}

int fail(char* message, size_t size, const std::string& why) {
  std::snprintf(message, size, "%s", why.c_str());
  return 1;
}

int allocate(int32_t id, size_t bytes, void** out, char* message, size_t message_size) {
  const size_t padded = std::max((bytes + kAlignment - 1) & ~(kAlignment - 1), kAlignment);
  void* block = nullptr;
  if (padded >= bytes && in_use[id].fetch_add(padded) + padded <= kMemory) {
    block = std::aligned_alloc(kAlignment, padded);
  }
  if (!block) {
    in_use[id].fetch_sub(padded);
    return fail(message, message_size, "simulated gpu(" + std::to_string(id) + ") has " + std::to_string(kMemory) +
                                           " bytes and cannot give " + std::to_string(bytes) + " more");
  }
  *out = to_device(block);
  return 0;
}

void release(int32_t id, void* data, size_t bytes) {
  in_use[id].fetch_sub(std::max((bytes + kAlignment - 1) & ~(kAlignment - 1), kAlignment));
  std::free(to_host(data));
}

int run_on(void* stream, Task task, char* message, size_t message_size) {
  const std::string why = stream ? static_cast<Stream*>(stream)->run(std::move(task)) : task();
  return why.empty() ? 0 : fail(message, message_size, why);
}

int copy_from_host(int32_t, void* dst, const void* src, size_t bytes, void* stream, char* message, size_t message_size) {
  return run_on(stream, [=] { return std::memcpy(to_host(dst), src, bytes), std::string(); }, message, message_size);
}

int copy_to_host(int32_t, void* dst, const void* src, size_t bytes, void* stream, char* message, size_t message_size) {
  void* from = to_host(const_cast<void*>(src));
  return run_on(stream, [=] { return std::memcpy(dst, from, bytes), std::string(); }, message, message_size);
}

int copy_peer(int32_t, void* dst, int32_t, const void* src, size_t bytes, void* stream, char* message,
              size_t message_size) {
  void* from = to_host(const_cast<void*>(src));
  return run_on(stream, [=] { return std::memmove(to_host(dst), from, bytes), std::string(); }, message, message_size);
}

int create_stream(int32_t, void** out, char*, size_t) {
  *out = new Stream;
  return 0;
}

void destroy_stream(int32_t, void* stream) { delete static_cast<Stream*>(stream); }

int synchronize(int32_t, void* stream, char* message, size_t message_size) {
  if (!stream) return 0;
  const std::string why = static_cast<Stream*>(stream)->synchronize();
  return why.empty() ? 0 : fail(message, message_size, why);
}

int memory_info(int32_t id, uint64_t* free_bytes, uint64_t* total_bytes) {
  *total_bytes = kMemory;
  *free_bytes = kMemory - std::min(kMemory, in_use[id].load());
  return 0;
}

}  // namespace

const mx_device& device() {
  static const mx_device gpu = [] {
    mx_device d{};
    d.abi_version = MX_ABI_VERSION;
    d.size = sizeof(mx_device);
    d.package = "mx-device-sim";
    d.name = "gpu";
    d.device_type = 2;
    d.host_memory = 0;
    d.count = count;
    d.allocate = allocate;
    d.release = release;
    d.copy_from_host = copy_from_host;
    d.copy_to_host = copy_to_host;
    d.copy_peer = copy_peer;
    d.create_stream = create_stream;
    d.destroy_stream = destroy_stream;
    d.synchronize = synchronize;
    d.memory_info = memory_info;
    d.after_fork_child = Stream::after_fork_child;
    return d;
  }();
  return gpu;
}

}  // namespace mx::sim
