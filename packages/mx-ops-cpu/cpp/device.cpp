// The device "cpu": host memory and OpenMP threads. Every cpu(id) is this same memory.
#include <omp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "families.h"

namespace mx::cpu {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;  // blocks from here on ask the kernel for huge pages

int count() { return 1; }

int allocate(int32_t, size_t bytes, void** out, char* message, size_t message_size) {
  const size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
  const size_t padded = (bytes + alignment - 1) & ~(alignment - 1);
  // An overflow of the padding, and a size no machine has, both end in the message below.
  void* block =
      padded < bytes ? nullptr : std::aligned_alloc(alignment, padded ? padded : alignment);
  if (!block) {
    std::snprintf(message, message_size,
                  "cpu: cannot allocate %zu bytes; free arrays or use smaller ones", bytes);
    return 1;
  }
  if (bytes >= kHugePage)
    madvise(block, padded, MADV_HUGEPAGE);  // advice: refusal changes speed only
  *out = block;
  return 0;
}

void release(int32_t, void* data, size_t) { std::free(data); }

int copy(int32_t, void* dst, const void* src, size_t bytes, void*, char*, size_t) {
  if (bytes) std::memmove(dst, src, bytes);
  return 0;
}

int copy_between(int32_t, void* dst, int32_t, const void* src, size_t bytes, void*, char*, size_t) {
  if (bytes) std::memmove(dst, src, bytes);
  return 0;
}

int memory_info(int32_t, uint64_t* free_bytes, uint64_t* total_bytes) {
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  *free_bytes = page * static_cast<uint64_t>(sysconf(_SC_AVPHYS_PAGES));
  *total_bytes = page * static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES));
  return 0;
}

// libgomp's threads do not exist in a forked child; a parallel region there waits for them for ever
// unless the child stays with one thread.
void after_fork_child() { omp_set_num_threads(1); }

void set_num_threads(int32_t n) { omp_set_num_threads(n > 0 ? n : 1); }

}  // namespace

const mx_device& device() {
  static const mx_device cpu = [] {
    mx_device d{};
    d.abi_version = MX_ABI_VERSION;
    d.size = sizeof(mx_device);
    d.package = "mx-ops-cpu";
    d.name = "cpu";
    d.device_type = 1;
    d.host_memory = 1;
    d.count = count;
    d.allocate = allocate;
    d.release = release;
    d.copy_from_host = copy;
    d.copy_to_host = copy;
    d.copy_peer = copy_between;
    d.memory_info = memory_info;
    d.after_fork_child = after_fork_child;
    d.set_num_threads = set_num_threads;
    return d;
  }();
  return cpu;
}

}  // namespace mx::cpu
