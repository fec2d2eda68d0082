#include "kernels.h"

#include <algorithm>
#include <map>
#include <stdexcept>

namespace mx {

namespace {

struct Registered {
  mx_kernel kernel;
  const char *package;
};
using Key = std::pair<std::string, std::string>;  // device, operator

std::map<Key, std::vector<Registered>> &kernels() {
  static auto *table = new std::map<Key, std::vector<Registered>>;
  return *table;
}

}  // namespace

void add_kernel_table(const mx_kernel_table *table) {
  if (table->abi_version != MX_ABI_VERSION || table->size < sizeof(mx_kernel_table))
    throw std::runtime_error(
        std::string("kernels of package ") + (table->package ? table->package : "?") +
        " were built for version " + std::to_string(table->abi_version) +
        " of mx-core's kernel interface; this mx-core speaks version " +
        std::to_string(MX_ABI_VERSION) + ". Install matching versions of both");
  for (int32_t i = 0; i < table->n_kernels; ++i) {
    const mx_kernel &k = table->kernels[i];
    auto &list = kernels()[{table->device, k.op}];
    bool known = std::any_of(list.begin(), list.end(), [&](const Registered &r) {
      return r.kernel.prepare == k.prepare;  // the same table twice
    });
    if (known) continue;
    list.push_back({k, table->package});
    std::stable_sort(list.begin(), list.end(), [](const Registered &a, const Registered &b) {
      return a.kernel.priority > b.kernel.priority;
    });
  }
}

bool has_kernel(const std::string &device, const std::string &op) {
  return kernels().count({device, op}) != 0;
}

std::vector<std::string> kernel_names(const std::string &device) {
  std::vector<std::string> names;
  for (const auto &[key, list] : kernels())
    if (key.first == device) names.push_back(key.second);
  return names;
}

PrepareResult prepare_kernel(const std::string &device, const mx_signature &sig) {
  PrepareResult result;
  auto found = kernels().find({device, sig.op});
  if (found == kernels().end()) return result;
  result.known = true;
  for (const Registered &r : found->second) {
    auto prepared = Ref<Prepared>::adopt(new Prepared);
    prepared->p.size = sizeof(mx_prepared);
    char message[512] = "";
    int status = r.kernel.prepare(&sig, &prepared->p, message, sizeof message);
    if (status == MX_OK && prepared->p.run) {
      prepared->op = sig.op;
      result.prepared = std::move(prepared);
      return result;
    }
    prepared->p.free_state = nullptr;
    if (status != MX_UNSUPPORTED)
      throw std::runtime_error(std::string("[") + sig.op + "] preparing the kernel of " +
                               r.package + " failed: " + message);
    result.reason += (result.reason.empty() ? "" : "; ") + std::string(r.package) + ": " + message;
  }
  return result;
}

}  // namespace mx
