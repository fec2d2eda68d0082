// Joins the families' kernels into the table that mx-core asks for.
#include "families.h"

namespace mx::cpu {
namespace {

std::vector<mx_kernel> all_kernels() {
  std::vector<mx_kernel> all;
  for (auto family :
       {linalg_kernels,     distribution_kernels,  pointwise_kernels,   reduce_kernels,
        arg_reduce_kernels, random_kernels,        shuffle_kernels,     movement_kernels,
        indexing_kernels,   sort_kernels,          along_axis_kernels,  im2col_kernels,
        matmul_kernels,     few_channel_kernels,   image_batch_kernels, convolution_kernels,
        pooling_kernels,    normalization_kernels, layer_norm_kernels,  softmax_kernels,
        recurrent_kernels,  ctc_kernels,           sampling_kernels,    region_kernels,
        detection_kernels,  deformable_kernels,    proposal_kernels,    position_sensitive_kernels,
        fourier_kernels,    rotated_kernels}) {
    const std::vector<mx_kernel> kernels = family();
    all.insert(all.end(), kernels.begin(), kernels.end());
  }
  return all;
}

}  // namespace

const mx_kernel_table& kernel_table() {
  static const std::vector<mx_kernel> kernels = all_kernels();
  static const mx_kernel_table table{MX_ABI_VERSION,
                                     sizeof(mx_kernel_table),
                                     "mx-ops-cpu",
                                     "cpu",
                                     static_cast<int32_t>(kernels.size()),
                                     kernels.data()};
  return table;
}

}  // namespace mx::cpu
