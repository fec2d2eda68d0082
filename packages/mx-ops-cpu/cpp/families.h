// The kernel families of this package; table.cpp joins them into the one table handed to mx-core.
#pragma once

#include <vector>

#include "mx/abi.h"

namespace mx::cpu {

std::vector<mx_kernel> pointwise_kernels();
std::vector<mx_kernel> reduce_kernels();
std::vector<mx_kernel> arg_reduce_kernels();
std::vector<mx_kernel> random_kernels();
std::vector<mx_kernel> shuffle_kernels();
std::vector<mx_kernel> distribution_kernels();

std::vector<mx_kernel> movement_kernels();
std::vector<mx_kernel> indexing_kernels();
std::vector<mx_kernel> sort_kernels();
std::vector<mx_kernel> along_axis_kernels();
std::vector<mx_kernel> im2col_kernels();
std::vector<mx_kernel> matmul_kernels();
std::vector<mx_kernel> linalg_kernels();
std::vector<mx_kernel> convolution_kernels();
std::vector<mx_kernel> few_channel_kernels();
std::vector<mx_kernel> image_batch_kernels();
std::vector<mx_kernel> pooling_kernels();
std::vector<mx_kernel> normalization_kernels();
std::vector<mx_kernel> layer_norm_kernels();
std::vector<mx_kernel> softmax_kernels();
std::vector<mx_kernel> recurrent_kernels();
std::vector<mx_kernel> ctc_kernels();
std::vector<mx_kernel> sampling_kernels();
std::vector<mx_kernel> region_kernels();
std::vector<mx_kernel> detection_kernels();
std::vector<mx_kernel> deformable_kernels();
std::vector<mx_kernel> proposal_kernels();
std::vector<mx_kernel> position_sensitive_kernels();
std::vector<mx_kernel> fourier_kernels();
std::vector<mx_kernel> rotated_kernels();

const mx_kernel_table& kernel_table();
const mx_device& device();

}  // namespace mx::cpu
