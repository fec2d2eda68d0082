// Dense matrix products of row-major matrices, for the kernels that are built on them.
#pragma once

#include <cstdint>

namespace mx::cpu {

// c = op(a) op(b) + beta c with op(a) m x k, op(b) k x n; lda, ldb, ldc: elements from row to row
// as stored. Any of m, n, k may be 0. beta is 0 or 1; with 0, c is not read. Uses OpenMP threads
// unless inside a parallel region.
void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float* a,
          int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc);
void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const double* a,
          int64_t lda, const double* b, int64_t ldb, double beta, double* c, int64_t ldc);

}  // namespace mx::cpu
