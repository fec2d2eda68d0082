// Pool, Chunk, Device and copies, with a simulated device whose memory the host must not touch.
// Usage: storage_test [case ...]
#include "../../cpp/storage.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>

#include "check.h"

using namespace mx;

namespace {

// -- a device of 64 MB whose pointers are the real ones with the top bit set: touching them faults -------------------

constexpr uintptr_t kMark = uintptr_t{1} << 63;
constexpr size_t kSimBytes = size_t{64} << 20;
std::atomic<size_t> sim_used{0};
int sim_copies = 0;

void *real(const void *p) {
  CHECK(reinterpret_cast<uintptr_t>(p) & kMark);
  return reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(p) & ~kMark);
}

int sim_allocate(int32_t, size_t bytes, void **out, char *message, size_t message_size) {
  if (sim_used + bytes > kSimBytes) {
    snprintf(message, message_size, "sim: no %zu bytes", bytes);
    return 1;
  }
  sim_used += bytes;
  *out = reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(aligned_alloc(64, bytes)) | kMark);
  return 0;
}

void sim_release(int32_t, void *data, size_t bytes) {
  sim_used -= bytes;
  free(real(data));
}

int sim_from_host(int32_t, void *dst, const void *src, size_t bytes, void *stream, char *message, size_t size) {
  ++sim_copies;
  if (!stream) snprintf(message, size, "no stream");
  std::memcpy(real(dst), src, bytes);
  return stream ? 0 : 1;
}

int sim_to_host(int32_t, void *dst, const void *src, size_t bytes, void *, char *, size_t) {
  ++sim_copies;
  std::memcpy(dst, real(src), bytes);
  return 0;
}

int sim_peer(int32_t, void *dst, int32_t, const void *src, size_t bytes, void *, char *, size_t) {
  ++sim_copies;
  std::memcpy(real(dst), real(src), bytes);
  return 0;
}

int sim_stream(int32_t id, void **out, char *, size_t) {
  *out = reinterpret_cast<void *>(static_cast<uintptr_t>(id) + 1);
  return 0;
}

int sim_memory(int32_t, uint64_t *free_bytes, uint64_t *total_bytes) {
  *free_bytes = kSimBytes - sim_used;
  *total_bytes = kSimBytes;
  return 0;
}

mx_device sim_table() {
  mx_device table{};
  table.abi_version = MX_ABI_VERSION;
  table.size = sizeof table;
  table.package = "mx-device-sim";
  table.name = "gpu";
  table.device_type = 2;
  table.count = [] { return 2; };
  table.allocate = sim_allocate;
  table.release = sim_release;
  table.copy_from_host = sim_from_host;
  table.copy_to_host = sim_to_host;
  table.create_stream = sim_stream;
  table.memory_info = sim_memory;
  return table;
}

mx_device gpu_table = sim_table();
mx_device bounce_table = sim_table();  // another kind, without peer copies to the first

template <class F>
std::string message_of(F &&call) {
  try {
    call();
  } catch (const std::exception &error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string &text, const char *part) {
  if (text.find(part) != std::string::npos) return true;
  std::fprintf(stderr, "message: %s\nlacks: %s\n", text.c_str(), part);
  return false;
}

// -- devices -------------------------------------------------------------------------------------------------------

void device_tables() {
  CHECK(contains(message_of([] { Device::get(2, 0); }), "pip install mx-ops-cuda"));
  CHECK(Device::count(2) == 0 && Device::find_table(2) == nullptr && Device::count(1) == 1);

  mx_device wrong = sim_table();
  wrong.abi_version = 7;
  CHECK(contains(message_of([&] { Device::add_table(&wrong); }), "mx-device-sim: its device table has ABI version 7"));
  wrong = sim_table();
  wrong.size = 16;
  CHECK(contains(message_of([&] { Device::add_table(&wrong); }), "16 bytes"));
  wrong = sim_table();
  wrong.copy_to_host = nullptr;
  CHECK(contains(message_of([&] { Device::add_table(&wrong); }), "`copy_to_host`"));

  gpu_table.copy_peer = sim_peer;
  Device::add_table(&gpu_table);
  Device::add_table(&gpu_table);
  static mx_device rival = sim_table();
  rival.package = "mx-rival";
  const std::string both = message_of([] { Device::add_table(&rival); });
  CHECK(contains(both, "mx-rival") && contains(both, "already served by mx-device-sim"));
  bounce_table.name = "npu";
  bounce_table.device_type = 9;
  Device::add_table(&bounce_table);

  Device *gpu = Device::get(2, 1);
  CHECK(gpu == Device::get(2, 1) && gpu != Device::get(2, 0) && gpu->name == "gpu(1)");
  CHECK(gpu->pool != Device::get(2, 0)->pool && gpu->lane != Device::get(2, 0)->lane);
  CHECK(gpu->stream == reinterpret_cast<void *>(2) && !gpu->host_memory);
  CHECK(contains(message_of([] { Device::get(2, 2); }), "gpu(2) does not exist: 2 present, ids 0 to 1"));
  CHECK(contains(message_of([] { Device::get(2, -1); }), "start at 0"));
}

void cpu_contexts() {
  // A package may replace the built-in cpu, but not once arrays may exist on it.
  static mx_device cpu = *Device::find_table(1);
  static mx_device late = cpu;
  cpu.package = "mx-ops-cpu";
  late.package = "mx-late";
  CHECK(std::string(Device::find_table(1)->package) == "mx-core");
  Device::add_table(&cpu);
  CHECK(Device::find_table(1) == &cpu && Device::find_table(3) == &cpu);
  Device *first = Device::get(1, 1), *second = Device::get(1, 0), *pinned = Device::get(3, 0);
  CHECK(first->name == "cpu(1)" && pinned->name == "cpu_pinned(0)" && Device::get(5, 2)->name == "cpu_shared(2)");
  CHECK(first->pool == second->pool && pinned->pool == first->pool && pinned->lane == first->lane);
  const std::string text = message_of([] { Device::add_table(&late); });
  CHECK(contains(text, "mx-late") && contains(text, "mx-ops-cpu"));
}

void seeds() {
  Device *a = Device::get(1, 0), *b = Device::get(1, 1);
  const uint64_t initial = a->seed;
  Device::seed_all(42);
  const uint64_t key = a->seed;
  CHECK(key != initial && key != b->seed);
  a->offset = 10;
  Device::seed_all(42);
  CHECK(a->seed == key && a->offset == 0);
  CHECK(Device::get(1, 77)->seed != key);
  Device::seed_all(0);
  CHECK(a->seed == initial);
}

// -- pool ----------------------------------------------------------------------------------------------------------

void size_classes() {
  Pool pool(Device::find_table(1), 0);
  const size_t million = 1 << 20;
  for (size_t bytes : std::initializer_list<size_t>{0, 1, 64, 65, 1024, 1025, 1152, 1153, 2048, 2049, 100000, million,
                                                    million + 1, 9 * million - 1}) {
    char *data = static_cast<char *>(pool.allocate(bytes));
    CHECK(data && reinterpret_cast<uintptr_t>(data) % 64 == 0);
    std::memset(data, 1, bytes);
    const uint64_t real_bytes = pool.statistics().in_use_bytes;
    CHECK(real_bytes >= bytes && real_bytes % 64 == 0);
    CHECK(bytes <= 1024 ? real_bytes < bytes + 65 : real_bytes <= bytes + bytes / 8);
    pool.release(data, bytes);
    CHECK(pool.statistics().in_use_bytes == 0 && pool.statistics().cached_bytes >= real_bytes);
    const uint64_t device_allocations = pool.statistics().device_allocations;
    CHECK(pool.allocate(bytes) == data && pool.statistics().device_allocations == device_allocations);
    pool.release(data, bytes);
  }
  pool.empty_cache();
  CHECK(pool.statistics().cached_bytes == 0);
}

void out_of_memory() {
  Pool *pool = Device::get(2, 0)->pool;
  pool->set_cache_limit(UINT64_MAX);
  void *a = pool->allocate(40 << 20);
  pool->release(a, 40 << 20);
  CHECK(pool->statistics().cached_bytes > 0);
  void *b = pool->allocate(60 << 20);  // only after the cache was emptied
  const std::string text = message_of([&] { pool->allocate(30 << 20); });
  CHECK(contains(text, "gpu(0) is out of memory: 31457280 bytes were asked for, 62914560 bytes are in use (sim: no"));
  CHECK(contains(message_of([&] { Chunk::create(Device::get(2, 0), 30 << 20); }), "out of memory"));
  CHECK(contains(message_of([&] { Chunk::create(Device::get(1, 0), SIZE_MAX); }), "Check the shape"));
  pool->release(b, 60 << 20);
  CHECK(pool->statistics().in_use_bytes == 0 && pool->statistics().peak_bytes >= 60u << 20);
  pool->empty_cache();
  CHECK(sim_used == 0);
}

void cache_limit() {
  Pool *pool = Device::get(2, 1)->pool;  // the default limit is a quarter: 16 MB
  void *a = pool->allocate(20 << 20);
  pool->release(a, 20 << 20);
  CHECK(pool->statistics().cached_bytes == 0 && sim_used == 0);
  std::vector<void *> small, large;
  for (int i = 0; i < 14; ++i) small.push_back(pool->allocate(1 << 20));
  for (void *data : small) pool->release(data, 1 << 20);
  CHECK(pool->statistics().cached_bytes == 14u << 20);
  for (int i = 0; i < 3; ++i) large.push_back(pool->allocate(4 << 20));
  for (void *data : large) pool->release(data, 4 << 20);  // the sizes in use now displace the others
  CHECK(pool->statistics().cached_bytes == 12u << 20 && sim_used == 12u << 20);
  pool->set_cache_limit(1 << 20);
  CHECK(pool->statistics().cached_bytes == 0 && sim_used == 0);
}

void many_threads() {
  Device *cpu = Device::get(1, 0);
  std::vector<Chunk *> shared(64, nullptr);
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 20000; ++i) {
        const size_t bytes = random() % 5000;
        Chunk *chunk = Chunk::create(cpu, bytes);
        CHECK(chunk->references == 1 && chunk->version == 0 && chunk->var.writable() && !chunk->external);
        std::memset(chunk->data, t, bytes);
        ++chunk->version;
        {
          std::lock_guard<std::mutex> lock(mutex);
          std::swap(chunk, shared[random() % shared.size()]);
        }
        if (!chunk) continue;
        for (size_t k = 1; k < chunk->bytes; ++k) {
          CHECK(static_cast<char *>(chunk->data)[k] == static_cast<char *>(chunk->data)[0]);
        }
        chunk->drop();
      }
    });
  }
  for (std::thread &thread : threads) thread.join();
  for (Chunk *chunk : shared) {
    if (chunk) chunk->drop();
  }
  CHECK(cpu->pool->statistics().in_use_bytes == 0);
}

// -- chunks --------------------------------------------------------------------------------------------------------

void chunks() {
  Device *cpu = Device::get(1, 0);
  Chunk *chunk = Chunk::create(cpu, 100);
  void *const data = chunk->data;
  chunk->retain();
  chunk->drop();
  CHECK(chunk->references == 1 && chunk->bytes == 100 && chunk->device == cpu);
  chunk->drop();

  static int released = 0;
  int owner = 0;
  const uint64_t in_use = cpu->pool->statistics().in_use_bytes;
  auto release = [](void *p) { released += 1 + *static_cast<int *>(p); };
  Chunk *wrapped = Chunk::wrap(cpu, &owner, sizeof owner, release, &owner);
  CHECK(wrapped == chunk && wrapped->data == &owner);  // the object was reused, the block was not
  wrapped->drop();
  CHECK(released == 1 && cpu->pool->statistics().in_use_bytes == in_use);
  Chunk::wrap(cpu, &owner, sizeof owner, nullptr, nullptr)->drop();
  chunk = Chunk::create(cpu, 100);
  CHECK(chunk->data == data && !chunk->release_external && !chunk->external);

  // A failure ends with the chunk; the operation owns a reference while it is pending.
  struct Fails : Operation {
    Chunk *written;
    explicit Fails(Chunk *c) : written(c) { c->retain(); }
    ~Fails() override { written->drop(); }
    void run() override { throw std::runtime_error("planned"); }
  };
  Var *writes[] = {&chunk->var};
  Engine::get().push(std::make_unique<Fails>(chunk), cpu->lane, {}, writes);
  chunk->drop();
  CHECK(contains(message_of([] { Engine::get().wait_all(); }), "planned"));
  CHECK(cpu->pool->statistics().in_use_bytes == in_use);  // wait_all covers the release of what operations held
  chunk = Chunk::create(cpu, 100);
  CHECK(chunk->var.writable() && !chunk->var.failure);
  chunk->drop();
}

void copies() {
  Device *cpu = Device::get(1, 0), *gpu0 = Device::get(2, 0), *gpu1 = Device::get(2, 1), *npu = Device::get(9, 0);
  const size_t bytes = (9 << 20) + 5;
  std::vector<char> source(bytes), result(bytes);
  for (size_t i = 0; i < bytes; ++i) source[i] = static_cast<char>(i * 7 + (i >> 12));
  Chunk *a = Chunk::create(gpu0, bytes), *b = Chunk::create(gpu1, bytes), *c = Chunk::create(npu, bytes);
  copy_bytes(gpu0, a->data, cpu, source.data(), bytes);
  copy_bytes(gpu1, b->data, gpu0, a->data, bytes);
  CHECK(sim_copies == 2);
  copy_bytes(npu, c->data, gpu1, b->data, bytes);  // through host memory, piece by piece
  CHECK(sim_copies == 8);
  copy_bytes(cpu, result.data(), npu, c->data, bytes);
  CHECK(source == result);
  copy_bytes(Device::get(3, 0), result.data(), cpu, source.data() + 1, 100);
  CHECK(std::memcmp(result.data(), source.data() + 1, 100) == 0);
  copy_bytes(cpu, nullptr, gpu0, nullptr, 0);
  gpu1->stream = nullptr;
  CHECK(message_of([&] { copy_bytes(gpu1, b->data, cpu, source.data(), 4); }) ==
        "Copying 4 bytes from cpu(0) to gpu(1) failed: no stream");
  gpu1->stream = reinterpret_cast<void *>(2);
  for (Chunk *chunk : {a, b, c}) chunk->drop();
}

// -- fork ----------------------------------------------------------------------------------------------------------

// Other threads use the pool while this one forks: no lock may be left locked in the child.
void fork_with_busy_pool() {
  Device *cpu = Device::get(1, 0);
  std::atomic<bool> is_over{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      while (!is_over) Chunk::create(cpu, 3000)->drop();
    });
  }
  for (int i = 0; i < 100; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      for (int k = 0; k < 10; ++k) Chunk::create(cpu, 3000)->drop();
      cpu->pool->empty_cache();
      _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  is_over = true;
  for (std::thread &thread : threads) thread.join();
}

}  // namespace

int main(int argc, char **argv) {
  const TestCase cases[] = {
      {"device_tables", device_tables},
      {"cpu_contexts", cpu_contexts},
      {"seeds", seeds},
      {"size_classes", size_classes},
      {"out_of_memory", out_of_memory},
      {"cache_limit", cache_limit},
      {"many_threads", many_threads},
      {"chunks", chunks},
      {"copies", copies},
      {"fork_with_busy_pool", fork_with_busy_pool},
  };
  return run_cases(cases, argc, argv);
}
