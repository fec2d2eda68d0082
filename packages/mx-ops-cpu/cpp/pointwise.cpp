// The kernel _pointwise: every elementwise operator and every fused chain of them.
#include "families.h"
#include "parallel.h"
#include "program.h"

namespace mx::cpu {
namespace {

class Pointwise {
 public:
  Pointwise(const mx_signature& sig, mx_prepared& plan) : program_(sig, space_of(sig), true) {
    cost_ns_ = 20 + program_.element_cost() * static_cast<double>(program_.count());
    plan.cost_ns = cost_ns_;
    for (int j = 0; j < sig.n_out && j < MX_MAX_OUTPUTS_INPLACE; ++j)
      plan.inplace[j] = program_.inplace(j);
    if (program_.is_single_loop() && cost_ns_ < kParallelNs) plan.run = run_single;
  }

  void operator()(const mx_call& call) const {
    if (program_.is_single_loop()) {
      parallel_for(program_.count(), 4096, cost_ns_,
                   [&](int64_t begin, int64_t end) { program_.run_single(call, begin, end); });
      return;
    }
    parallel_for(program_.count(), program_.tile(), cost_ns_, [&](int64_t begin, int64_t end) {
      Program::Evaluator(program_, call, end - begin).run(begin, end);
    });
  }

 private:
  static Shape space_of(const mx_signature& sig) {
    if (sig.n_out < 1) throw Unsupported("_pointwise has no output");
    const auto shape = shape_of(sig.out[0]);
    return Shape(shape.begin(), shape.end());
  }
  static int run_single(void* state, const mx_call* call) {
    const Program& program = static_cast<const Pointwise*>(state)->program_;
    program.run_single(*call, 0, program.count());
    return 0;
  }

  Program program_;
  double cost_ns_;
};

}  // namespace

std::vector<mx_kernel> pointwise_kernels() { return {make_kernel<Pointwise>("_pointwise")}; }

}  // namespace mx::cpu
