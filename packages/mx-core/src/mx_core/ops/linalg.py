"""Linear algebra, ``mx.nd.linalg``: products, factorizations, inverses and determinants of batches of matrices.

Inputs have at least two dimensions; the last two are the matrix, all before them the batch. Every operator takes any
floating type; 16-bit ones compute in float32.
"""

from __future__ import annotations

import math

from ..errors import ParameterError, ShapeError
from ..op import Axis, Enum, Tensor, op

# -- shapes ----------------------------------------------------------------------------------------------------------


def _require_matrices(name, **arrays):
    for argument, array in arrays.items():
        if array.ndim < 2:
            msg = f"[_linalg_{name}] {argument} must have at least 2 dimensions (batch..., rows, columns), got {array.shape}"
            raise ShapeError(msg)


def _require_square(name, t, A):
    """A's shape, which must be that of square matrices of a floating type."""
    t.require_shape(A)
    t.float_type(A)
    _require_matrices(name, A=A)
    if A.shape[-1] != A.shape[-2]:
        msg = f"[_linalg_{name}] A must hold square matrices, got {A.shape}"
        raise ShapeError(msg)
    return A.shape


def _require_one_batch(name, lead, **arrays):
    for argument, array in arrays.items():
        if array.shape[: len(lead)] != lead or array.ndim != len(lead) + 2:
            msg = f"[_linalg_{name}] {argument} must have the leading dimensions {lead} of A, got {array.shape}"
            raise ShapeError(msg)


# -- pieces of the gradients -----------------------------------------------------------------------------------------


def _transposed(F, x):
    return F.transpose(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _product(F, a, b, transpose_a=False, transpose_b=False):
    """op(a) op(b) of batches of any number of dimensions."""
    batch = a.shape[:-2]
    rows = a.shape[-1] if transpose_a else a.shape[-2]
    columns = b.shape[-2] if transpose_b else b.shape[-1]
    if len(batch) > 1:
        n = math.prod(batch)
        a, b = a.reshape((n, *a.shape[-2:])), b.reshape((n, *b.shape[-2:]))
    return F._matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b).reshape((*batch, rows, columns))


def _triangle(F, x, lower=True):
    """x with zeros outside of its lower (or upper) triangle."""
    part = "lower" if lower else "upper"
    return F._place_part(F._extract_part(x, part=part), part=part, size=x.shape[-1])


def _mirrored(F, x):
    """The symmetric matrix with x's lower triangle."""
    low = _triangle(F, x)
    diagonal = F._place_part(F._extract_part(x, part="diagonal"), part="diagonal", size=x.shape[-1])
    return low + _transposed(F, low) - diagonal


def _per_matrix(x, ndim):
    """Numbers, one for each matrix, in a shape that broadcasts against the matrices."""
    return x.reshape((*x.shape, 1, 1) if ndim > 2 else (1, 1))


# -- products --------------------------------------------------------------------------------------------------------


def _gemm(F, name, A, B, transpose_a, transpose_b, alpha, axis):
    """alpha op(A) op(B) with the rows at axis moved to the last but one; and how to move them back."""
    _require_matrices(name, A=A, B=B)
    if not -A.ndim <= axis < A.ndim - 1 or axis == -1:
        msg = f"[_linalg_{name}] axis must be in [{-A.ndim}, {A.ndim - 1}) and not the last one, got {axis}"
        raise ParameterError(msg)
    if A.ndim != B.ndim:
        msg = f"[_linalg_{name}] A and B must have the same number of dimensions, got {A.shape} and {B.shape}"
        raise ShapeError(msg)
    axis %= A.ndim
    if axis == A.ndim - 2:

        def move(x):
            return x

    else:

        def move(x):
            return F.swapaxes(x, dim1=axis, dim2=x.ndim - 2)

    A, B = move(A), move(B)
    k = A.shape[-2] if transpose_a else A.shape[-1]
    k_b = B.shape[-1] if transpose_b else B.shape[-2]
    if A.shape[:-2] != B.shape[:-2] or k != k_b:
        msg = (
            f"[_linalg_{name}] A {A.shape} and B {B.shape} do not fit (transpose_a={transpose_a}, "
            f"transpose_b={transpose_b}): leading dimensions must agree, and {k} columns meet {k_b} rows"
        )
        raise ShapeError(msg)
    product = _product(F, A, B, transpose_a, transpose_b)
    return (product if alpha == 1.0 else product * alpha), move


@op(aliases=["linalg_gemm2"])
def _linalg_gemm2(
    F,
    A: Tensor,
    B: Tensor,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    axis: Axis = -2,
) -> Tensor:
    """``alpha op(A) op(B)``, op being the transposition or nothing.

    A: (batch..., m, k), or (..., k, m) with transpose_a.  B: (batch..., k, n).  axis: where the rows are; the columns
    are always last.  Returns (batch..., m, n).

    >>> mx.nd.linalg.gemm2(mx.nd.ones((5, 2, 3)), mx.nd.ones((5, 4, 3)), transpose_b=True).shape
    (5, 2, 4)
    """
    product, move = _gemm(F, "gemm2", A, B, transpose_a, transpose_b, alpha, axis)
    return move(product)


@op(aliases=["linalg_gemm"])
def _linalg_gemm(
    F,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    beta: float = 1.0,
    axis: Axis = -2,
) -> Tensor:
    """``alpha op(A) op(B) + beta C``. A, B, axis: as in gemm2; C: of the result's shape."""
    product, move = _gemm(F, "gemm", A, B, transpose_a, transpose_b, alpha, axis)
    result = move(product)
    if C.shape != result.shape:
        msg = f"[_linalg_gemm] C must have the shape of the product, {result.shape}, got {C.shape}"
        raise ShapeError(msg)
    return result + (C if beta == 1.0 else C * beta)


@op(aliases=["linalg_syrk"])
def _linalg_syrk(F, A: Tensor, *, transpose: bool = False, alpha: float = 1.0) -> Tensor:
    """``alpha A A^T`` of shape (batch..., m, m), or ``alpha A^T A`` (batch..., k, k) with transpose. A: (batch..., m, k)."""
    _require_matrices("syrk", A=A)
    product = _product(F, A, A, transpose, not transpose)
    return product if alpha == 1.0 else product * alpha


def _infer_triangular(name):
    def rule(t, A, B, *, rightside):
        t.require_shape(B)
        shape = _require_square(name, t, A)
        t.same_dtype(A, B)
        _require_matrices(name, B=B)
        _require_one_batch(name, shape[:-2], B=B)
        met, side = (B.shape[-1], "columns") if rightside else (B.shape[-2], "rows")
        if met != shape[-1]:
            msg = f"[_linalg_{name}] A {shape} and B {B.shape} do not fit: B must have {shape[-1]} {side}, got {met}"
            raise ShapeError(msg)
        return t.like(B)

    return rule


@op(aliases=["linalg_trmm"])
def _linalg_trmm(
    F,
    A: Tensor,
    B: Tensor,
    *,
    transpose: bool = False,
    rightside: bool = False,
    lower: bool = True,
    alpha: float = 1.0,
) -> Tensor:
    """``alpha op(A) B`` with a triangular A, or ``alpha B op(A)`` with rightside.

    A: (batch..., n, n), of which only the lower (or upper) triangle is read; its gradient is zero elsewhere.  B:
    (batch..., n, k), or (batch..., k, n) with rightside.  transpose: op is the transposition.
    """


@_linalg_trmm.grad
def _(F, dy, y, A, B, *, transpose, rightside, lower, alpha):
    dB = F._linalg_trmm(A, dy, transpose=not transpose, rightside=rightside, lower=lower, alpha=alpha)
    if rightside:
        dA = _product(F, dy, B, True) if transpose else _product(F, B, dy, True)
    else:
        dA = _product(F, B, dy, False, True) if transpose else _product(F, dy, B, False, True)
    return _triangle(F, dA * alpha, lower), dB


@op(aliases=["linalg_trsm"])
def _linalg_trsm(
    F,
    A: Tensor,
    B: Tensor,
    *,
    transpose: bool = False,
    rightside: bool = False,
    lower: bool = True,
    alpha: float = 1.0,
) -> Tensor:
    """The X of ``op(A) X = alpha B`` with a triangular A, or of ``X op(A) = alpha B`` with rightside. As trmm otherwise.

    >>> mx.nd.linalg.trsm(mx.nd.array([[1, 0], [1, 1]]), mx.nd.array([[2], [4]]), alpha=0.5).asnumpy().tolist()
    [[1.0], [1.0]]
    """


@_linalg_trsm.grad
def _(F, dy, y, A, B, *, transpose, rightside, lower, alpha):
    g = F._linalg_trsm(A, dy, transpose=not transpose, rightside=rightside, lower=lower)
    if rightside:
        dA = _product(F, g, y, True) if transpose else _product(F, y, g, True)
    else:
        dA = _product(F, y, g, False, True) if transpose else _product(F, g, y, False, True)
    return _triangle(F, -dA, lower), g * alpha


_linalg_trmm.infer(_infer_triangular("trmm"))
_linalg_trsm.infer(_infer_triangular("trsm"))


# -- Cholesky --------------------------------------------------------------------------------------------------------


@op(aliases=["linalg_potrf"])
def _linalg_potrf(F, A: Tensor) -> Tensor:
    """The Cholesky factor: the lower triangular L with a positive diagonal and ``A = L L^T``.

    A: (batch..., n, n), symmetric and positive definite; the lower triangle is read, the gradient is symmetric.
    Raises MXNetError, when the result is used, for a matrix that is not positive definite.

    >>> mx.nd.linalg.potrf(mx.nd.array([[4, 1], [1, 4.25]])).asnumpy().tolist()
    [[2.0, 0.0], [0.5, 2.0]]
    """


@_linalg_potrf.infer
def _(t, A):
    _require_square("potrf", t, A)
    return t.like(A)


@_linalg_potrf.grad
def _(F, dy, y, A):
    inner = _mirrored(F, F._linalg_trmm(y, dy, transpose=True))  # of L^T dL the lower triangle
    left = F._linalg_trsm(y, inner, transpose=True)
    return F._linalg_trsm(y, left, rightside=True, alpha=0.5)


@op(aliases=["linalg_potri"])
def _linalg_potri(F, A: Tensor) -> Tensor:
    """The inverse of B from its Cholesky factor A: ``B^-1 = A^-T A^-1``.

    A: (batch..., n, n), lower triangular. To solve equations, two calls of trsm are cheaper and more exact.
    """


@_linalg_potri.infer
def _(t, A):
    _require_square("potri", t, A)
    return t.like(A)


@_linalg_potri.grad
def _(F, dy, y, A):
    inner = _product(F, y, dy + _transposed(F, dy))
    return _triangle(F, -F._linalg_trsm(A, inner, transpose=True, rightside=True))


# -- inverse and determinants ----------------------------------------------------------------------------------------


@op
def _inverse(F, A: Tensor, *, singular: Enum("error", "zeros") = "error") -> Tensor:
    """The inverses of square matrices; singular ones raise, or give zeros."""


@_inverse.infer
def _(t, A):
    _require_square("inverse", t, A)
    return t.like(A)


@_inverse.grad
def _(F, dy, y, A):
    return -_product(F, _product(F, y, dy, True), y, False, True)


@op(aliases=["_npi_inv", "linalg_inverse"])
def _linalg_inverse(F, A: Tensor) -> Tensor:
    """The inverse of A, (batch..., n, n). Raises MXNetError, when the result is used, for a singular matrix.

    >>> mx.nd.linalg.inverse(mx.nd.array([[2, 1], [1, 1]])).asnumpy().tolist()
    [[1.0, -1.0], [-1.0, 2.0]]
    """
    return F._inverse(A)


@op(aliases=["_npi_det", "linalg_det"])
def _linalg_det(F, A: Tensor) -> Tensor:
    """The determinant of A, (batch..., n, n): shape (batch...), (1,) for a single matrix.

    The gradient of a singular matrix is zero, as in MXNet 1.x.
    """


@_linalg_det.infer
def _(t, A):
    return t.out(_require_square("det", t, A)[:-2] or (1,), A.dtype)


@_linalg_det.grad
def _(F, dy, y, A):
    return _transposed(F, F._inverse(A, singular="zeros")) * _per_matrix(dy * y, A.ndim)


@op(aliases=["_npi_slogdet", "linalg_slogdet"], num_outputs=lambda params: 2)
def _linalg_slogdet(F, A: Tensor) -> list[Tensor]:
    """The determinant's sign (-1, 0 or 1) and the logarithm of its absolute value, two arrays of det's shape.

    The sign has no gradient, and the logarithm none at a singular matrix, where it is -inf.
    """


@_linalg_slogdet.infer
def _(t, A):
    shape = _require_square("slogdet", t, A)[:-2] or (1,)
    return t.out(shape, A.dtype), t.out(shape, A.dtype)


@_linalg_slogdet.grad
def _(F, dy, y, A):
    return _transposed(F, F._inverse(A, singular="zeros")) * _per_matrix(dy[1], A.ndim)


# -- LQ and eigenvectors ---------------------------------------------------------------------------------------------


@op(aliases=["linalg_gelqf"], num_outputs=lambda params: 2)
def _linalg_gelqf(F, A: Tensor) -> list[Tensor]:
    """The LQ factorization ``A = L Q``: returns Q, then L.

    A: (batch..., m, n), m <= n.  Q: (batch..., m, n) with orthonormal rows.  L: (batch..., m, m), lower triangular; its
    diagonal may be negative. The gradient needs full rank.
    """


@_linalg_gelqf.infer
def _(t, A):
    t.require_shape(A)
    t.float_type(A)
    _require_matrices("gelqf", A=A)
    *batch, m, n = A.shape
    if m > n:
        msg = f"[_linalg_gelqf] A must not have more rows than columns, got {A.shape}. Did you mean its transpose?"
        raise ShapeError(msg)
    return t.out(A.shape, A.dtype), t.out((*batch, m, m), A.dtype)


@_linalg_gelqf.grad
def _(F, dy, y, A):
    (q, low), (dq, dlow) = y, dy
    inner = F._linalg_trmm(low, dlow, transpose=True) - _product(F, dq, q, False, True)
    return F._linalg_trsm(low, dq + _product(F, _mirrored(F, inner), q), transpose=True)


@op(num_outputs=lambda params: 2)
def _linalg_syevd(F, A: Tensor) -> list[Tensor]:
    """Eigenvectors and eigenvalues of symmetric matrices, ``U A = diag(L) U``: returns U, then L.

    A: (batch..., n, n), of which the lower triangle is read.  U: (batch..., n, n), an eigenvector in each row, its
    entry of largest magnitude positive.  L: (batch..., n), ascending. The gradient is symmetric and leaves out what
    mixes equal eigenvalues, where it is not defined.
    """


@_linalg_syevd.infer
def _(t, A):
    shape = _require_square("syevd", t, A)
    return t.out(shape, A.dtype), t.out(shape[:-1], A.dtype)


@_linalg_syevd.grad
def _(F, dy, y, A):
    (u, values), (du, dvalues) = y, dy
    gaps = F.expand_dims(values, axis=-2) - F.expand_dims(values, axis=-1)  # [i, j]: l_j - l_i
    distinct = gaps != 0.0
    rotation = F._select(distinct, _product(F, u, du, False, True), gaps * 0.0)
    inner = rotation / F._select(distinct, gaps, gaps * 0.0 + 1.0)
    inner = (inner + _transposed(F, inner)) * 0.5
    inner = inner + F._place_part(dvalues, part="diagonal", size=A.shape[-1])
    return _product(F, _product(F, u, inner, True), u)


# -- diagonals and triangles -----------------------------------------------------------------------------------------

_Part = Enum("diagonal", "lower", "upper")


def _part_length(part, offset, n):
    """The number of elements in this part of an n x n matrix."""
    m = max(n - abs(offset), 0)
    return m if part == "diagonal" else m * (m + 1) // 2


@op
def _extract_part(F, A: Tensor, *, part: _Part, offset: int = 0) -> Tensor:
    """A diagonal or triangle of square matrices as vectors."""


@_extract_part.infer
def _(t, A, *, part, offset):
    t.require_shape(A)
    return t.out((*A.shape[:-2], _part_length(part, offset, A.shape[-1])), A.dtype)


@_extract_part.grad
def _(F, dy, y, A, *, part, offset):
    return F._place_part(dy, part=part, offset=offset, size=A.shape[-1])


@op
def _place_part(F, A: Tensor, *, part: _Part, size: int, offset: int = 0) -> Tensor:
    """Vectors as a diagonal or triangle of size x size matrices that are zero elsewhere."""


@_place_part.infer
def _(t, A, *, size):
    t.require_shape(A)
    t.product((*A.shape[:-1], size, size))
    return t.out((*A.shape[:-1], size, size), A.dtype)


@_place_part.grad
def _(F, dy, y, A, *, part, offset):
    return F._extract_part(dy, part=part, offset=offset)


def _check_extraction(name, A, offset):
    _require_matrices(name, A=A)
    n = A.shape[-1]
    if A.shape[-2] != n:
        msg = f"[_linalg_{name}] A must hold square matrices, got {A.shape}"
        raise ShapeError(msg)
    if offset and abs(offset) >= n:
        msg = f"[_linalg_{name}] offset must be in ({-n}, {n}) for {n} x {n} matrices, got {offset}"
        raise ParameterError(msg)


def _check_vectors(name, A, offset):
    if not A.ndim:
        msg = f"[_linalg_{name}] A must have at least one dimension, got ()"
        raise ShapeError(msg)
    if abs(offset) >= 1 << 31:
        msg = f"[_linalg_{name}] offset must be below 2^31 in magnitude, got {offset}"
        raise ParameterError(msg)


@op(aliases=["linalg_extractdiag"])
def _linalg_extractdiag(F, A: Tensor, *, offset: int = 0) -> Tensor:
    """The diagonal of square matrices, (batch..., n, n) -> (batch..., n - |offset|). offset: 1 is the one above it."""
    _check_extraction("extractdiag", A, offset)
    return F._extract_part(A, part="diagonal", offset=offset)


@op(aliases=["linalg_makediag"])
def _linalg_makediag(F, A: Tensor, *, offset: int = 0) -> Tensor:
    """Matrices with A on a diagonal and zeros elsewhere, (batch..., n) -> (batch..., n + |offset|, n + |offset|)."""
    _check_vectors("makediag", A, offset)
    return F._place_part(A, part="diagonal", offset=offset, size=A.shape[-1] + abs(offset))


@op(aliases=["linalg_extracttrian"])
def _linalg_extracttrian(F, A: Tensor, *, offset: int = 0, lower: bool = True) -> Tensor:
    """A triangle of square matrices as a vector, (batch..., n, n) -> (batch..., m (m + 1) / 2), m = n - |offset|.

    offset: of the triangle's diagonal; below 0 the lower triangle is taken, above 0 the upper one, at 0 ``lower``
    decides. A lower triangle goes row by row, an upper one column by column.

    >>> mx.nd.linalg.extracttrian(mx.nd.array([[1, 2], [3, 4]])).asnumpy().tolist()
    [1.0, 3.0, 4.0]
    """
    _check_extraction("extracttrian", A, offset)
    return F._extract_part(A, part="lower" if lower else "upper", offset=offset)


@op(aliases=["linalg_maketrian"])
def _linalg_maketrian(F, A: Tensor, *, offset: int = 0, lower: bool = True) -> Tensor:
    """Triangular matrices from vectors, the inverse of extracttrian: (batch..., m (m + 1) / 2) -> (batch..., n, n)."""
    _check_vectors("maketrian", A, offset)
    length = A.shape[-1]
    m = (math.isqrt(8 * length + 1) - 1) // 2
    if m * (m + 1) // 2 != length:
        near = m * (m + 1) // 2
        msg = f"[_linalg_maketrian] A's last dimension must be m (m + 1) / 2 for some m, such as {near}, got {length}"
        raise ShapeError(msg)
    return F._place_part(A, part="lower" if lower else "upper", offset=offset, size=m + abs(offset))


@op(aliases=["linalg_sumlogdiag"])
def _linalg_sumlogdiag(F, A: Tensor) -> Tensor:
    """The sum of the logarithms of the diagonal: shape (batch...), (1,) for a single matrix.

    Twice that of a Cholesky factor is the logarithm of the determinant.
    """
    _check_extraction("sumlogdiag", A, 0)
    return F.sum(F.log(F._extract_part(A, part="diagonal")), axis=(-1,))
