// Kernels of the simulated gpu: those of the cpu, called on the stream's thread with host addresses.
#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

#include "sim.h"

namespace mx::sim {
namespace {

// The cpu's kernels by operator, in the order they are to be tried.
std::map<std::string, std::vector<mx_kernel>>& cpu_kernels() {
  static auto* kernels = new std::map<std::string, std::vector<mx_kernel>>;
  return *kernels;
}

struct Wrapped {
  mx_prepared inner{};
  int32_t n_in = 0, n_out = 0, n_scalars = 0;
  ~Wrapped() {
    if (inner.free_state) inner.free_state(inner.state);
  }
};

// What one run needs, kept until the stream comes to it.
struct Launch {
  std::vector<void*> in, out;
  std::vector<mx_scalar> scalars;
  mx_call call;
  char error[512] = "";

  Launch(const Wrapped& kernel, const mx_call& given) : call(given) {
    for (int32_t i = 0; i < kernel.n_in; ++i) in.push_back(to_host(given.in[i]));
    for (int32_t i = 0; i < kernel.n_out; ++i) out.push_back(to_host(given.out[i]));
    scalars.assign(given.scalars, given.scalars + kernel.n_scalars);
    call.in = in.data();
    call.out = out.data();
    call.scalars = scalars.data();
    call.workspace = to_host(given.workspace);
    call.stream = nullptr;
    call.error = error;
    call.error_size = sizeof(error);
  }
  std::string run(const Wrapped& kernel) {
    return kernel.inner.run(kernel.inner.state, &call) == 0 ? "" : error[0] ? error : "the kernel gives no reason";
  }
};

int run(void* state, const mx_call* call) {
  const auto& kernel = *static_cast<const Wrapped*>(state);
  auto launch = std::make_shared<Launch>(kernel, *call);
  if (call->stream) {
    static_cast<Stream*>(call->stream)->push([launch, &kernel] { return launch->run(kernel); });
    return 0;
  }
  const std::string why = launch->run(kernel);
  if (why.empty()) return 0;
  std::snprintf(call->error, call->error_size, "%s", why.c_str());
  return 1;
}

int prepare(const mx_signature* sig, mx_prepared* out, char* message, size_t message_size) {
  int status = MX_UNSUPPORTED;
  auto kernel = std::make_unique<Wrapped>();
  for (const mx_kernel& inner : cpu_kernels().at(sig->op)) {
    kernel->inner = {};
    kernel->inner.size = sizeof(mx_prepared);
    status = inner.prepare(sig, &kernel->inner, message, message_size);
    if (status != MX_UNSUPPORTED) break;
  }
  if (status != MX_OK) {
    kernel->inner.free_state = nullptr;
    return status;
  }
  kernel->n_in = sig->n_in;
  kernel->n_out = sig->n_out;
  kernel->n_scalars = sig->n_scalars;
  out->run = run;
  out->free_state = [](void* state) { delete static_cast<Wrapped*>(state); };
  out->workspace_bytes = kernel->inner.workspace_bytes;
  out->cost_ns = kernel->inner.cost_ns;
  out->random_blocks = kernel->inner.random_blocks;
  std::copy(std::begin(kernel->inner.inplace), std::end(kernel->inner.inplace), std::begin(out->inplace));
  out->state = kernel.release();
  return MX_OK;
}

}  // namespace

const mx_kernel_table* wrap_kernels(const std::vector<const mx_kernel_table*>& tables,
                                    const std::vector<std::string>& without) {
  for (const mx_kernel_table* table : tables) {
    for (int32_t i = 0; i < table->n_kernels; ++i) {
      const mx_kernel& kernel = table->kernels[i];
      if (std::find(without.begin(), without.end(), kernel.op) == without.end()) {
        cpu_kernels()[kernel.op].push_back(kernel);
      }
    }
  }
  static auto* wrapped = new std::vector<mx_kernel>;
  for (auto& [op, kernels] : cpu_kernels()) {
    std::stable_sort(kernels.begin(), kernels.end(),
                     [](const mx_kernel& a, const mx_kernel& b) { return a.priority > b.priority; });
    wrapped->push_back({op.c_str(), prepare, 0});
  }
  static const mx_kernel_table table{
      MX_ABI_VERSION, sizeof(mx_kernel_table), "mx-device-sim", "gpu", static_cast<int32_t>(wrapped->size()),
      wrapped->data()};
  return &table;
}

}  // namespace mx::sim
