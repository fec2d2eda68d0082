// _matmul: products of matrices and of batches of them. float32 runs in oneDNN, float64 in
// OpenBLAS, float16 and bfloat16 are converted to float32 and back.
#include <cblas.h>

#include <cstring>

#include "families.h"
#include "gemm.h"
#include "in_float32.h"
#include "onednn.h"
#include "parallel.h"

namespace mx::cpu {

void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float* a,
          int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (beta == 0)
      for (int64_t i = 0; i < m; ++i) std::fill_n(c + i * ldc, n, 0.0f);
    return;
  }
  const dnnl_status_t status = dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k,
                                          1.0f, a, lda, b, ldb, beta, c, ldc);
  if (status != dnnl_success)
    throw std::runtime_error("oneDNN sgemm failed, status " + std::to_string(status));
}

void gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const double* a,
          int64_t lda, const double* b, int64_t ldb, double beta, double* c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (beta == 0)
      for (int64_t i = 0; i < m; ++i) std::fill_n(c + i * ldc, n, 0.0);
    return;
  }
  if (std::max({m, n, k, lda, ldb, ldc}) > INT32_MAX)
    throw std::invalid_argument(
        "a float64 matrix has a dimension of 2^31 or more, which OpenBLAS cannot index");
  scipy_cblas_dgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                    transpose_b ? CblasTrans : CblasNoTrans, static_cast<int>(m),
                    static_cast<int>(n), static_cast<int>(k), 1.0, a, static_cast<int>(lda), b,
                    static_cast<int>(ldb), beta, c, static_cast<int>(ldc));
}

namespace {

// The sizes of batch x (m x k) (k x n), read from the signature.
struct Product {
  bool transpose_a, transpose_b, has_bias;
  int64_t batch = 1, m, n, k, lda, ldb;

  explicit Product(const mx_signature& sig) {
    const Params p(sig);
    transpose_a = p.boolean("transpose_a", false);
    transpose_b = p.boolean("transpose_b", false);
    has_bias = sig.n_in > 2;
    const auto a = shape_of(sig.in[0]), b = shape_of(sig.in[1]), c = shape_of(sig.out[0]);
    if (a.size() != b.size() || a.size() < 2 || a.size() > 3 || c.size() != a.size())
      throw Unsupported("only two matrices or two equal batches of matrices");
    if (a.size() == 3) batch = a[0];
    lda = a[a.size() - 1];
    ldb = b[b.size() - 1];
    m = transpose_a ? lda : a[a.size() - 2];
    k = transpose_a ? a[a.size() - 2] : lda;
    n = transpose_b ? b[b.size() - 2] : ldb;
    if ((transpose_b ? ldb : b[b.size() - 2]) != k || (a.size() == 3 && b[0] != batch) ||
        c[c.size() - 1] != n || c[c.size() - 2] != m)
      throw std::invalid_argument("the shapes of the matrices do not fit");
    if (has_bias && numel(sig.in[2]) != n)
      throw std::invalid_argument("bias must have as many elements as a row");
  }
  double flops() const { return 2.0 * static_cast<double>(batch * m * n) * static_cast<double>(k); }
  double elements() const { return static_cast<double>(batch * (m * k + k * n + m * n)); }
};

template <class T>
void run_product(const Product& p, double cost_ns, const T* a, const T* b, const T* bias, T* c) {
  if (bias)
    for (int64_t i = 0; i < p.batch * p.m; ++i) std::copy_n(bias, p.n, c + i * p.n);
  const auto one = [&](int64_t i) {
    gemm(p.transpose_a, p.transpose_b, p.m, p.n, p.k, a + i * p.m * p.k, p.lda, b + i * p.k * p.n,
         p.ldb, bias ? T(1) : T(0), c + i * p.m * p.n, p.n);
  };
  const OneThread one_thread(cost_ns < kParallelNs);
  // Small matrices of a batch go to threads one by one; large ones are each shared by all threads.
  if (p.batch > 1 && cost_ns / static_cast<double>(p.batch) < kParallelNs) {
    parallel_for(p.batch, 1, cost_ns, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) one(i);
    });
  } else {
    for (int64_t i = 0; i < p.batch; ++i) one(i);
  }
}

// dnnl_sgemm throughout: oneDNN's matmul primitive gains a quarter on few rows times a transposed matrix, but compiles
// code for every new shape (2 ms), and a product must not change its last bit from one call to the next.
struct MatmulFloat {
  Product product;
  double cost;
  MatmulFloat(const mx_signature& sig, mx_prepared& plan) : product(sig) {
    require_dtype(sig, MX_FLOAT32);
    plan.cost_ns = cost = 100 + product.flops() / 100.0 + product.elements() / 8.0;
  }
  void operator()(const mx_call& call) const {
    run_product(product, cost, static_cast<const float*>(call.in[0]), static_cast<const float*>(call.in[1]),
                product.has_bias ? static_cast<const float*>(call.in[2]) : nullptr, static_cast<float*>(call.out[0]));
  }
};

struct MatmulDouble {
  Product product;
  double cost;
  MatmulDouble(const mx_signature& sig, mx_prepared& plan) : product(sig) {
    require_dtype(sig, MX_FLOAT64);
    plan.cost_ns = cost = 200 + product.flops() / 50.0 + product.elements() / 4.0;
  }
  void operator()(const mx_call& call) const {
    run_product(product, cost, static_cast<const double*>(call.in[0]),
                static_cast<const double*>(call.in[1]),
                product.has_bias ? static_cast<const double*>(call.in[2]) : nullptr,
                static_cast<double*>(call.out[0]));
  }
};

}  // namespace

std::vector<mx_kernel> matmul_kernels() {
  return {mx_kernel{"_matmul", prepare_float<MatmulFloat, MatmulDouble>, 0}};
}

}  // namespace mx::cpu
