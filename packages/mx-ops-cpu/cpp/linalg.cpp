// Linear algebra on matrices and batches of them: Cholesky, LQ, symmetric eigenvectors, inverse,
// determinants, triangular products and solves. float32 and float64 run in OpenBLAS, 16-bit floats
// by way of float32. Matrices are the last two dimensions; all before them are the batch.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "families.h"
#include "in_float32.h"
#include "lapack.h"
#include "parallel.h"

namespace mx::cpu {
namespace {

// The matrices of one array.
struct Matrices {
  int64_t batch = 1, rows, columns;

  explicit Matrices(const mx_tensor_type& type) {
    const auto shape = shape_of(type);
    if (shape.size() < 2) throw Unsupported("only matrices and batches of matrices");
    batch = numel(shape.first(shape.size() - 2));
    rows = shape[shape.size() - 2];
    columns = shape[shape.size() - 1];
    if (std::max(rows, columns) > INT32_MAX)
      throw std::invalid_argument(
          "a matrix has a dimension of 2^31 or more, which LAPACK cannot index");
  }
  int64_t size() const { return rows * columns; }
  bool empty() const { return size() == 0 || batch == 0; }
  // Nanoseconds of `flops_per_cube` n^3 for each matrix.
  double cost(double flops_per_cube) const {
    const double cube = static_cast<double>(std::min(rows, columns)) * static_cast<double>(size());
    return 100 + static_cast<double>(batch) *
                     (300 + flops_per_cube * cube / 30 + 2.0 * static_cast<double>(size()));
  }
};

template <class T>
const T* input(const mx_call& call, int i) {
  return static_cast<const T*>(call.in[i]);
}
template <class T>
T* output(const mx_call& call, int i) {
  return static_cast<T*>(call.out[i]);
}
template <class T>
void copy(const T* from, T* to, int64_t n) {
  if (from != to) std::copy_n(from, n, to);
}

std::string matrix_number(const Matrices& all, int64_t i) {
  return all.batch == 1 ? "the matrix" : "matrix " + std::to_string(i) + " of the batch";
}

[[noreturn]] void fail(const std::string& text) { throw std::runtime_error(text); }

// The size of a LAPACK workspace as a query answered it. float32 answers may be rounded down.
template <class T>
int32_t work_size(T answer) {
  return static_cast<int32_t>(std::min(static_cast<double>(answer) * 1.0000002 + 1, 2147483647.0));
}

// While it lives, OpenBLAS uses one thread, or all of OpenMP's for work of `cost_ns` that is worth
// it. Its threads spin when the machine is busy: a factorization of 2 ms then takes half a second.
class BlasThreads {
 public:
  explicit BlasThreads(double cost_ns) {
    constexpr double kWorthThreads = 50e6;
    const int most = std::min(omp_get_max_threads(), all());
    scipy_openblas_set_num_threads(cost_ns < kWorthThreads || omp_in_parallel() ? 1 : most);
  }
  BlasThreads(const BlasThreads&) = delete;
  ~BlasThreads() { scipy_openblas_set_num_threads(all()); }

 private:
  static int all() {
    static const int threads = scipy_openblas_get_num_threads();
    return threads;
  }
};

// Calls body(i) for each matrix, in parallel when that pays.
template <class Body>
void for_each_matrix(const Matrices& m, double cost, Body&& body) {
  const BlasThreads threads(m.batch == 1 ? cost : 0);
  if (m.batch == 1) return body(int64_t{0});  // OpenBLAS uses threads of its own on large matrices
  parallel_for(m.batch, 1, cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
}

// ---- Cholesky
// --------------------------------------------------------------------------------------

template <class T>
struct Potrf {
  Matrices m;
  double cost;
  Potrf(const mx_signature& sig, mx_prepared& plan) : m(sig.in[0]) {
    plan.cost_ns = cost = m.cost(1.0 / 3);
    plan.inplace[0] = 1u;
  }
  void operator()(const mx_call& call) const {
    if (m.empty()) return;
    copy(input<T>(call, 0), output<T>(call, 0), m.batch * m.size());
    for_each_matrix(m, cost, [&](int64_t i) { factor(output<T>(call, 0) + i * m.size(), i); });
  }
  void factor(T* a, int64_t number) const {
    const auto n = static_cast<int32_t>(m.rows);
    int32_t info = 0;
    Lapack<T>::potrf("U", &n, a, &n, &info, 1);
    if (info > 0)
      fail(matrix_number(m, number) + " is not positive definite: its leading minor of order " +
           std::to_string(info) +
           " is not positive. Check that it is symmetric, or add a small "
           "multiple of the identity");
    for (int64_t r = 0; r < n; ++r) std::fill(a + r * n + r + 1, a + (r + 1) * n, T(0));
  }
};

template <class T>
struct Potri {
  Matrices m;
  double cost;
  Potri(const mx_signature& sig, mx_prepared& plan) : m(sig.in[0]) {
    plan.cost_ns = cost = m.cost(2.0 / 3);
    plan.inplace[0] = 1u;
  }
  void operator()(const mx_call& call) const {
    if (m.empty()) return;
    copy(input<T>(call, 0), output<T>(call, 0), m.batch * m.size());
    for_each_matrix(m, cost, [&](int64_t i) { invert(output<T>(call, 0) + i * m.size(), i); });
  }
  void invert(T* a, int64_t number) const {
    const auto n = static_cast<int32_t>(m.rows);
    int32_t info = 0;
    Lapack<T>::potri("U", &n, a, &n, &info, 1);
    if (info > 0)
      fail(matrix_number(m, number) + " is singular: element " + std::to_string(info - 1) +
           " of its diagonal is 0");
    for (int64_t r = 0; r < n; ++r)
      for (int64_t c = r + 1; c < n; ++c) a[r * n + c] = a[c * n + r];
  }
};

// ---- LU: inverse and determinants
// ------------------------------------------------------------------

// Inputs A; output its inverse. With singular = "zeros", singular matrices give zeros.
template <class T>
struct Inverse {
  Matrices m;
  double cost;
  bool zeros;
  Inverse(const mx_signature& sig, mx_prepared& plan)
      : m(sig.in[0]), zeros(Params(sig).text("singular", "error") == "zeros") {
    plan.cost_ns = cost = m.cost(2.0);
    plan.inplace[0] = 1u;
  }
  void operator()(const mx_call& call) const {
    if (m.empty()) return;
    copy(input<T>(call, 0), output<T>(call, 0), m.batch * m.size());
    for_each_matrix(m, cost, [&](int64_t i) { invert(output<T>(call, 0) + i * m.size(), i); });
  }
  void invert(T* a, int64_t number) const {
    const auto n = static_cast<int32_t>(m.rows);
    std::vector<int32_t> pivots(static_cast<size_t>(n));
    int32_t info = 0, query = -1;
    Lapack<T>::getrf(&n, &n, a, &n, pivots.data(), &info);
    if (info == 0) {
      T best = 0;
      Lapack<T>::getri(&n, a, &n, pivots.data(), &best, &query, &info);
      const int32_t size = std::max(work_size(best), n);
      std::vector<T> work(static_cast<size_t>(size));
      Lapack<T>::getri(&n, a, &n, pivots.data(), work.data(), &size, &info);
    }
    if (info > 0) {
      if (!zeros)
        fail(matrix_number(m, number) + " is singular: pivot " + std::to_string(info - 1) +
             " of its LU factorization is 0");
      std::fill_n(a, m.size(), T(0));
    }
  }
};

// One output: the determinant. Two: its sign (or 0) and the logarithm of its absolute value.
template <class T>
struct Determinant {
  Matrices m;
  double cost;
  bool logarithm;
  Determinant(const mx_signature& sig, mx_prepared& plan)
      : m(sig.in[0]), logarithm(sig.n_out == 2) {
    plan.cost_ns = cost = m.cost(2.0 / 3);
  }
  void operator()(const mx_call& call) const {
    if (m.batch == 0) return;
    for_each_matrix(m, cost, [&](int64_t i) {
      T* second = logarithm ? output<T>(call, 1) + i : nullptr;
      compute(input<T>(call, 0) + i * m.size(), output<T>(call, 0) + i, second);
    });
  }
  void compute(const T* in, T* first, T* second) const {
    const auto n = static_cast<int32_t>(m.rows);
    std::vector<T> a(in, in + m.size());
    std::vector<int32_t> pivots(static_cast<size_t>(n));
    int32_t info = 0;
    if (n) Lapack<T>::getrf(&n, &n, a.data(), &n, pivots.data(), &info);
    double sign = 1, product = 1, sum = 0;  // in double: products of many factors
    for (int32_t i = 0; i < n; ++i) {
      const double pivot =
          static_cast<double>(a[static_cast<size_t>(i) * static_cast<size_t>(n + 1)]);
      if (pivots[static_cast<size_t>(i)] != i + 1) sign = -sign;
      if (pivot < 0) sign = -sign;
      product *= std::fabs(pivot);
      if (pivot == 0) sign = 0;
      if (std::isnan(pivot)) sign = pivot;
      sum += std::log(std::fabs(pivot));
    }
    if (second) {
      *first = static_cast<T>(sign);
      *second = static_cast<T>(sum);
    } else {
      *first = static_cast<T>(sign == 0 ? 0 : sign * product);
    }
  }
};

// ---- LQ and eigenvectors
// ---------------------------------------------------------------------------

// A (x, y), x <= y -> Q (x, y) with orthonormal rows, L (x, x) lower triangular, A = L Q.
template <class T>
struct Gelqf {
  Matrices m;
  double cost;
  Gelqf(const mx_signature& sig, mx_prepared& plan) : m(sig.in[0]) {
    if (m.rows > m.columns) throw std::invalid_argument("more rows than columns");
    plan.cost_ns = cost = m.cost(4.0);
    plan.inplace[0] = 1u;
  }
  void operator()(const mx_call& call) const {
    if (m.empty()) return;
    copy(input<T>(call, 0), output<T>(call, 0), m.batch * m.size());
    for_each_matrix(m, cost, [&](int64_t i) {
      factor(output<T>(call, 0) + i * m.size(), output<T>(call, 1) + i * m.rows * m.rows);
    });
  }
  // In columns: the QR factorization of the transpose.
  void factor(T* q, T* l) const {
    const auto x = static_cast<int32_t>(m.rows), y = static_cast<int32_t>(m.columns);
    std::vector<T> tau(static_cast<size_t>(x));
    int32_t info = 0, query = -1;
    T first = 0, second = 0;
    Lapack<T>::geqrf(&y, &x, q, &y, tau.data(), &first, &query, &info);
    Lapack<T>::orgqr(&y, &x, &x, q, &y, tau.data(), &second, &query, &info);
    const int32_t size = std::max({work_size(first), work_size(second), x});
    std::vector<T> work(static_cast<size_t>(size));
    Lapack<T>::geqrf(&y, &x, q, &y, tau.data(), work.data(), &size, &info);
    for (int64_t r = 0; r < x; ++r) {
      std::copy_n(q + r * y, r + 1, l + r * x);
      std::fill(l + r * x + r + 1, l + (r + 1) * x, T(0));
    }
    Lapack<T>::orgqr(&y, &x, &x, q, &y, tau.data(), work.data(), &size, &info);
  }
};

// Symmetric A (its lower triangle is read) -> U, whose rows are eigenvectors, and the ascending
// eigenvalues. The entry of largest magnitude in each row is positive, as in MXNet 1.x.
template <class T>
struct Syevd {
  Matrices m;
  double cost;
  Syevd(const mx_signature& sig, mx_prepared& plan) : m(sig.in[0]) {
    plan.cost_ns = cost = m.cost(9.0);
    plan.inplace[0] = 1u;
  }
  void operator()(const mx_call& call) const {
    if (m.empty()) return;
    copy(input<T>(call, 0), output<T>(call, 0), m.batch * m.size());
    for_each_matrix(m, cost, [&](int64_t i) {
      factor(output<T>(call, 0) + i * m.size(), output<T>(call, 1) + i * m.rows, i);
    });
  }
  void factor(T* u, T* values, int64_t number) const {
    const auto n = static_cast<int32_t>(m.rows);
    for (int64_t r = 0; r < n; ++r)
      for (int64_t c = 0; c <= r; ++c)
        if (!std::isfinite(u[r * n + c]))
          return fill_nan(u, values);  // LAPACK may not end on these
    int32_t info = 0, query = -1, best_integers = 0;
    T best = 0;
    Lapack<T>::syevd("V", "U", &n, u, &n, values, &best, &query, &best_integers, &query, &info, 1,
                     1);
    const int32_t size = work_size(best);
    std::vector<T> work(static_cast<size_t>(size));
    std::vector<int32_t> integers(static_cast<size_t>(std::max(best_integers, 1)));
    const auto integer_size = static_cast<int32_t>(integers.size());
    Lapack<T>::syevd("V", "U", &n, u, &n, values, work.data(), &size, integers.data(),
                     &integer_size, &info, 1, 1);
    if (info != 0) fail("the eigenvalues of " + matrix_number(m, number) + " do not converge");
    for (int64_t r = 0; r < n; ++r) {
      T* row = u + r * n;
      const T* largest =
          std::max_element(row, row + n, [](T a, T b) { return std::fabs(a) < std::fabs(b); });
      if (*largest < 0)
        for (int64_t c = 0; c < n; ++c) row[c] = -row[c];
    }
  }
  void fill_nan(T* u, T* values) const {
    std::fill_n(u, m.size(), std::numeric_limits<T>::quiet_NaN());
    std::fill_n(values, m.rows, std::numeric_limits<T>::quiet_NaN());
  }
};

// ---- triangular products and solves
// ----------------------------------------------------------------

// Inputs A (triangular), B; output alpha op(A) B, or the X of op(A) X = alpha B; from the right
// alike.
template <class T, bool solve>
struct Triangular {
  Matrices a, b;
  bool transpose, rightside, lower;
  T alpha;
  double cost;
  Triangular(const mx_signature& sig, mx_prepared& plan) : a(sig.in[0]), b(sig.in[1]) {
    const Params p(sig);
    transpose = p.boolean("transpose", false);
    rightside = p.boolean("rightside", false);
    lower = p.boolean("lower", true);
    alpha = static_cast<T>(p.number("alpha", 1.0));
    if (a.rows != a.columns || a.batch != b.batch || a.rows != (rightside ? b.columns : b.rows))
      throw std::invalid_argument("the shapes of the matrices do not fit");
    plan.cost_ns = cost = b.cost(1.0);
    plan.inplace[0] = 1u << 1;
  }
  void operator()(const mx_call& call) const {
    if (b.empty()) return;
    copy(input<T>(call, 1), output<T>(call, 0), b.batch * b.size());
    for_each_matrix(b, cost, [&](int64_t i) {
      const auto routine = solve ? Lapack<T>::trsm : Lapack<T>::trmm;
      routine(CblasRowMajor, rightside ? CblasRight : CblasLeft, lower ? CblasLower : CblasUpper,
              transpose ? CblasTrans : CblasNoTrans, CblasNonUnit, static_cast<int>(b.rows),
              static_cast<int>(b.columns), alpha, input<T>(call, 0) + i * a.size(),
              static_cast<int>(a.rows), output<T>(call, 0) + i * b.size(),
              static_cast<int>(b.columns));
    });
  }
};

// ---- diagonals and triangles as vectors
// ------------------------------------------------------------

// The positions in a square matrix that a vector holds, in its order: a diagonal, the lower
// triangle row by row, or the upper triangle column by column (as MXNet 1.x has it).
struct Part {
  int64_t n = 0, below, above, length;
  bool diagonal, lower;

  Part(const mx_signature& sig, int64_t size) : n(size) {
    const Params p(sig);
    const int64_t offset = p.integer("offset", 0);
    const std::string_view part = p.text("part");
    diagonal = part == "diagonal";
    lower = offset < 0 || (offset == 0 && part == "lower");
    below = std::max<int64_t>(-offset, 0);
    above = std::max<int64_t>(offset, 0);
    length = std::max<int64_t>(n - below - above, 0);
  }
  int64_t count() const { return diagonal ? length : length * (length + 1) / 2; }
  // Calls visit(position in the vector, position in the matrix).
  template <class Visit>
  void walk(Visit&& visit) const {
    int64_t at = 0;
    for (int64_t i = 0; i < length; ++i) {
      if (diagonal) {
        visit(at++, (i + below) * n + i + above);
      } else {
        for (int64_t j = 0; j <= i; ++j)
          visit(at++, lower ? (i + below) * n + j : j * n + i + above);
      }
    }
  }
};

template <class T, bool extract>
struct PartCopy {
  Matrices m;
  Part part;
  PartCopy(const mx_signature& sig, mx_prepared& plan)
      : m(extract ? sig.in[0] : sig.out[0]), part(sig, m.rows) {
    const int64_t vector = numel(extract ? sig.out[0] : sig.in[0]);
    if (m.rows != m.columns || vector != m.batch * part.count())
      throw std::invalid_argument("the vector does not fit the matrix");
    plan.cost_ns = 50 + 2.0 * static_cast<double>(m.batch * (extract ? part.count() : m.size()));
  }
  void operator()(const mx_call& call) const {
    const T* from = input<T>(call, 0);
    T* to = output<T>(call, 0);
    if (!extract) std::memset(to, 0, static_cast<size_t>(m.batch * m.size()) * sizeof(T));
    for (int64_t i = 0; i < m.batch; ++i) {
      if constexpr (extract)
        part.walk([&](int64_t at, int64_t position) { to[at] = from[position]; });
      else
        part.walk([&](int64_t at, int64_t position) { to[position] = from[at]; });
      from += extract ? m.size() : part.count();
      to += extract ? part.count() : m.size();
    }
  }
};

template <bool extract>
int prepare_part(const mx_signature* sig, mx_prepared* plan, char* message, size_t size) {
  switch (element_size(sig->out[0].dtype)) {
    case 1:
      return prepare_state<PartCopy<uint8_t, extract>>(sig, plan, message, size);
    case 2:
      return prepare_state<PartCopy<uint16_t, extract>>(sig, plan, message, size);
    case 4:
      return prepare_state<PartCopy<uint32_t, extract>>(sig, plan, message, size);
    default:
      return prepare_state<PartCopy<uint64_t, extract>>(sig, plan, message, size);
  }
}

template <template <class> class Kernel>
mx_kernel float_kernel(const char* op) {
  return mx_kernel{op, prepare_float<Kernel<float>, Kernel<double>>, 0};
}
template <class T>
using Trmm = Triangular<T, false>;
template <class T>
using Trsm = Triangular<T, true>;

}  // namespace

std::vector<mx_kernel> linalg_kernels() {
  return {float_kernel<Potrf>("_linalg_potrf"),
          float_kernel<Potri>("_linalg_potri"),
          float_kernel<Inverse>("_inverse"),
          float_kernel<Determinant>("_linalg_det"),
          float_kernel<Determinant>("_linalg_slogdet"),
          float_kernel<Gelqf>("_linalg_gelqf"),
          float_kernel<Syevd>("_linalg_syevd"),
          float_kernel<Trmm>("_linalg_trmm"),
          float_kernel<Trsm>("_linalg_trsm"),
          mx_kernel{"_extract_part", prepare_part<true>, 0},
          mx_kernel{"_place_part", prepare_part<false>, 0}};
}

}  // namespace mx::cpu
