#include "onednn.h"

namespace mx::cpu {

const dnnl::engine& dnnl_engine() {
  // Never destroyed: states of kernels may be freed after the static objects of this library.
  static const dnnl::engine& engine = *new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& dnnl_stream() {
  thread_local dnnl::stream& stream = *new dnnl::stream(dnnl_engine());
  return stream;
}

}  // namespace mx::cpu
