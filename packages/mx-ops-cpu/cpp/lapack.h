// The LAPACK and BLAS routines of OpenBLAS that linalg.cpp calls, for float and double.
//
// They are Fortran's: column-major, arguments by pointer, after them the lengths of the strings. A
// row-major matrix is its own transpose there, so "U" names the lower triangle of our matrices.
#pragma once

#include <cblas.h>

#include <cstddef>
#include <cstdint>

extern "C" {
#define MX_DECLARE_LAPACK(T, s)                                                                   \
  void scipy_##s##potrf_(const char* uplo, const int32_t* n, T* a, const int32_t* lda,            \
                         int32_t* info, size_t);                                                  \
  void scipy_##s##potri_(const char* uplo, const int32_t* n, T* a, const int32_t* lda,            \
                         int32_t* info, size_t);                                                  \
  void scipy_##s##getrf_(const int32_t* m, const int32_t* n, T* a, const int32_t* lda,            \
                         int32_t* pivots, int32_t* info);                                         \
  void scipy_##s##getri_(const int32_t* n, T* a, const int32_t* lda, const int32_t* pivots,       \
                         T* work, const int32_t* lwork, int32_t* info);                           \
  void scipy_##s##geqrf_(const int32_t* m, const int32_t* n, T* a, const int32_t* lda, T* tau,    \
                         T* work, const int32_t* lwork, int32_t* info);                           \
  void scipy_##s##orgqr_(const int32_t* m, const int32_t* n, const int32_t* k, T* a,              \
                         const int32_t* lda, const T* tau, T* work, const int32_t* lwork,         \
                         int32_t* info);                                                          \
  void scipy_##s##syevd_(const char* jobz, const char* uplo, const int32_t* n, T* a,              \
                         const int32_t* lda, T* w, T* work, const int32_t* lwork, int32_t* iwork, \
                         const int32_t* liwork, int32_t* info, size_t, size_t);
MX_DECLARE_LAPACK(float, s)
MX_DECLARE_LAPACK(double, d)
#undef MX_DECLARE_LAPACK
}

namespace mx::cpu {

template <class T>
struct Lapack;

#define MX_DEFINE_LAPACK(T, s)                          \
  template <>                                           \
  struct Lapack<T> {                                    \
    static constexpr auto potrf = scipy_##s##potrf_;    \
    static constexpr auto potri = scipy_##s##potri_;    \
    static constexpr auto getrf = scipy_##s##getrf_;    \
    static constexpr auto getri = scipy_##s##getri_;    \
    static constexpr auto geqrf = scipy_##s##geqrf_;    \
    static constexpr auto orgqr = scipy_##s##orgqr_;    \
    static constexpr auto syevd = scipy_##s##syevd_;    \
    static constexpr auto trmm = scipy_cblas_##s##trmm; \
    static constexpr auto trsm = scipy_cblas_##s##trsm; \
  };
MX_DEFINE_LAPACK(float, s)
MX_DEFINE_LAPACK(double, d)
#undef MX_DEFINE_LAPACK

}  // namespace mx::cpu
