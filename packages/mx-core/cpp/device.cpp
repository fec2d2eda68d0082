// Device tables and instances. mx-core serves "cpu" by itself, plainly, until a package registers a
// table for it.
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include "storage.h"

namespace mx {
namespace {

constexpr int32_t kCpu = 1, kCpuPinned = 3, kCpuShared = 5;
constexpr size_t kMessageSize = 512;

// -- the built-in cpu
// --------------------------------------------------------------------------------------------

int cpu_count() { return 1; }

int cpu_allocate(int32_t, size_t bytes, void **out, char *message, size_t message_size) {
  *out = std::aligned_alloc(64, (bytes + 63) & ~size_t{63});
  if (*out) return 0;
  std::strncpy(message, "the system has no memory left", message_size - 1);
  return 1;
}

void cpu_release(int32_t, void *data, size_t) { std::free(data); }

int cpu_copy(int32_t, void *dst, const void *src, size_t bytes, void *, char *, size_t) {
  std::memmove(dst, src, bytes);
  return 0;
}

int cpu_copy_peer(int32_t, void *dst, int32_t, const void *src, size_t bytes, void *, char *,
                  size_t) {
  std::memmove(dst, src, bytes);
  return 0;
}

const mx_device kBuiltinCpu = {
    .abi_version = MX_ABI_VERSION,
    .size = sizeof(mx_device),
    .package = "mx-core",
    .name = "cpu",
    .device_type = kCpu,
    .host_memory = 1,
    .count = cpu_count,
    .allocate = cpu_allocate,
    .release = cpu_release,
    .copy_from_host = cpu_copy,
    .copy_to_host = cpu_copy,
    .copy_peer = cpu_copy_peer,
    .create_stream = nullptr,
    .destroy_stream = nullptr,
    .synchronize = nullptr,
    .memory_info = nullptr,
    .after_fork_child = nullptr,
    .set_num_threads = nullptr,
};

// -- the registry
// ------------------------------------------------------------------------------------------------

bool is_host_type(int32_t type) { return type == kCpu || type == kCpuPinned || type == kCpuShared; }

std::string instance_name(int32_t type, int32_t id, const mx_device &table) {
  const char *kind = type == kCpuPinned   ? "cpu_pinned"
                     : type == kCpuShared ? "cpu_shared"
                                          : table.name;
  return std::string(kind) + "(" + std::to_string(id) + ")";
}

long environment_number(const char *name, long fallback, long lowest, long highest) {
  const char *text = std::getenv(name);
  if (!text || !*text) return fallback;
  char *end;
  errno = 0;
  const long value = std::strtol(text, &end, 10);
  return *end || errno || value < lowest || value > highest ? fallback : value;
}

uint64_t mix(uint64_t x) {  // the finalizer of SplitMix64 (Steele, Lea, Flood 2014)
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

struct Registry {
  std::mutex mutex;
  std::map<int32_t, const mx_device *> tables{{kCpu, &kBuiltinCpu}};  // by device type
  std::map<std::pair<int32_t, int32_t>, Device *> devices;            // by type and id
  uint64_t seed = static_cast<uint64_t>(environment_number("MXNET_SEED", 0, LONG_MIN, LONG_MAX));

  static Registry &get() {
    static Registry *registry = new Registry;
    return *registry;
  }

  const mx_device *find(int32_t type) const {
    auto found = tables.find(type);
    if (found == tables.end() && is_host_type(type)) found = tables.find(kCpu);
    return found == tables.end() ? nullptr : found->second;
  }

  uint64_t key(int32_t type, int32_t id) const {
    return mix(mix(seed) ^ (static_cast<uint64_t>(type) << 32 | static_cast<uint32_t>(id)));
  }

  bool is_open(const mx_device *table) const {
    for (auto &[place, device] : devices) {
      if (device->table == table) return true;
    }
    return false;
  }

  Device *open(int32_t type, int32_t id);
};

void check_table(const mx_device *table) {
  if (!table)
    throw std::runtime_error("A device package handed over an empty device table (NULL).");
  const std::string package = table->package ? table->package : "(unnamed package)";
  if (table->abi_version != MX_ABI_VERSION) {
    throw std::runtime_error(
        package + ": its device table has ABI version " + std::to_string(table->abi_version) +
        ", this mx-core speaks version " + std::to_string(MX_ABI_VERSION) +
        ". Install matching versions: pip install --upgrade mx-core " + package);
  }
  if (table->size < sizeof(mx_device)) {
    throw std::runtime_error(
        package + ": its device table has " + std::to_string(table->size) +
        " bytes, expected at least " + std::to_string(sizeof(mx_device)) +
        ". Set size = sizeof(mx_device) and compile against mx-core's include/mx/abi.h.");
  }
  const std::pair<const char *, bool> required[] = {
      {"package", table->package != nullptr},
      {"name", table->name && *table->name},
      {"count", table->count != nullptr},
      {"allocate", table->allocate != nullptr},
      {"release", table->release != nullptr},
      {"copy_from_host", table->copy_from_host != nullptr},
      {"copy_to_host", table->copy_to_host != nullptr},
  };
  for (auto [field, is_set] : required) {
    if (!is_set)
      throw std::runtime_error(package + ": its device table lacks `" + field +
                               "`, which is required.");
  }
  if (table->device_type < 1) {
    throw std::runtime_error(package + ": device_type of \"" + table->name +
                             "\" must be positive, got " + std::to_string(table->device_type) +
                             ".");
  }
}

// The registry's mutex is held, and the device has been checked to exist.
Device *Registry::open(int32_t type, int32_t id) {
  const mx_device *table = find(type);
  auto device = std::make_unique<Device>();
  device->table = table;
  device->type = type;
  device->id = id;
  device->host_memory = table->host_memory != 0;
  device->name = instance_name(type, id, *table);
  device->seed = key(type, id);
  const std::pair<int32_t, int32_t> shared{kCpu, 0};
  if (is_host_type(type) && table == find(kCpu) && std::pair{type, id} != shared) {
    auto found = devices.find(shared);
    const Device *cpu = found != devices.end() ? found->second : open(kCpu, 0);
    device->pool = cpu->pool;
    device->lane = cpu->lane;
    device->stream = cpu->stream;
  } else {
    const long n_threads =
        is_host_type(type) ? environment_number("MXNET_CPU_WORKER_NTHREADS", 1, 1, 256) : 1;
    const std::string lane_name = is_host_type(type) ? std::string(table->name) : device->name;
    char message[kMessageSize] = "";
    if (table->create_stream &&
        table->create_stream(id, &device->stream, message, sizeof message) != 0) {
      throw std::runtime_error(device->name + " could not be opened: " + message);
    }
    device->lane = Engine::get().lane(lane_name, static_cast<int>(n_threads));
    device->pool = new Pool(table, id);
  }
  return devices[{type, id}] = device.release();
}

}  // namespace

void Device::add_table(const mx_device *table) {
  check_table(table);
  Registry &registry = Registry::get();
  std::lock_guard<std::mutex> lock(registry.mutex);
  for (auto [type, other] : registry.tables) {
    if (other == table) return;  // the same package once more
    if (std::string(other->name) != table->name && type != table->device_type) continue;
    if (other == &kBuiltinCpu && type == table->device_type && !registry.is_open(other)) continue;
    const std::string both = std::string(table->package) + ": device \"" + table->name +
                             "\" (type " + std::to_string(table->device_type) + ") ";
    if (other == &kBuiltinCpu && type == table->device_type) {
      throw std::runtime_error(both +
                               "comes too late: arrays of mx-core's built-in cpu exist already. "
                               "Import the package before the first array is made.");
    }
    throw std::runtime_error(both + "is already served by " + other->package + " as \"" +
                             other->name + "\" (type " + std::to_string(type) +
                             "). Uninstall one of the two packages, or leave it out with "
                             "MX_DISABLE_PLUGINS.");
  }
  registry.tables[table->device_type] = table;
  if (table->after_fork_child) {
    Engine::get().add_after_fork_child(
        [](void *given) { static_cast<const mx_device *>(given)->after_fork_child(); },
        const_cast<mx_device *>(table));
  }
}

const mx_device *Device::find_table(int32_t type) {
  Registry &registry = Registry::get();
  std::lock_guard<std::mutex> lock(registry.mutex);
  return registry.find(type);
}

int Device::count(int32_t type) {
  const mx_device *table = find_table(type);
  return table ? table->count() : 0;
}

// The host types take any id: cpu(1) is a second context on the same memory (as MXNet 1.x).
Device *Device::get(int32_t type, int32_t id) {
  Registry &registry = Registry::get();
  std::lock_guard<std::mutex> lock(registry.mutex);
  auto found = registry.devices.find({type, id});
  if (found != registry.devices.end()) return found->second;
  const mx_device *table = registry.find(type);
  if (!table) {
    throw std::out_of_range(
        type == 2 ? "gpu(" + std::to_string(id) +
                        ") does not exist: no installed package serves "
                        "gpu devices. Use mx.cpu(), or install a device package "
                        "(pip install mx-ops-cuda)."
                  : "There is no device of type " + std::to_string(type) +
                        ": no installed package serves it. Types are cpu 1, gpu 2, cpu_pinned 3, "
                        "cpu_shared 5.");
  }
  const std::string name = instance_name(type, id, *table);
  if (id < 0) throw std::out_of_range(name + " does not exist: device ids start at 0.");
  const int count = is_host_type(type) ? INT_MAX : table->count();
  if (id >= count) {
    throw std::out_of_range(
        name + " does not exist: " +
        (count <= 0 ? "no " + std::string(table->name) + " is present. Use mx.cpu()."
                    : std::to_string(count) + " present, ids 0 to " + std::to_string(count - 1) +
                          ". Use one of these (mx.context.num_gpus() counts gpus)."));
  }
  return registry.open(type, id);
}

void Device::seed_all(uint64_t seed) {
  Registry &registry = Registry::get();
  std::lock_guard<std::mutex> lock(registry.mutex);
  registry.seed = seed;
  for (auto &[place, device] : registry.devices) {
    device->seed = registry.key(device->type, device->id);
    device->offset = 0;
  }
}

std::vector<Device *> Device::opened() {
  Registry &registry = Registry::get();
  std::lock_guard<std::mutex> lock(registry.mutex);
  std::vector<Device *> devices;
  for (auto &[place, device] : registry.devices) devices.push_back(device);
  return devices;
}

}  // namespace mx
