"""Rows of mx.nd.linalg, against NumPy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from mx_core.testing import Make, OpCase, check_op, empty, fixed, normal, op_cases, uniform

TOL = {"float16": 3e-2, "float32": 2e-4, "float64": 1e-10}


def positive(shape):
    """Symmetric positive definite matrices."""

    def draw(rng, size):
        a = rng.standard_normal(size)
        return a @ np.swapaxes(a, -1, -2) / size[-1] + np.eye(size[-1])

    return Make(shape, draw)


def regular(shape):
    """Matrices far from singular."""
    return Make(shape, lambda rng, size: rng.uniform(-1, 1, size) + 2.0 * np.eye(size[-1]))


def triangular(shape, lower=True):
    """Triangular matrices with a positive diagonal."""

    def draw(rng, size):
        a = (np.tril if lower else np.triu)(rng.uniform(-1, 1, size))
        return a + 2.0 * np.eye(size[-1])

    return Make(shape, draw)


def separated(shape):
    """Symmetric matrices whose eigenvalues lie apart."""

    def draw(rng, size):
        a = rng.uniform(-0.2, 0.2, size)
        return a + np.swapaxes(a, -1, -2) + np.diag(np.arange(1.0, size[-1] + 1))

    return Make(shape, draw)


def slope(function):
    """A row's gradient: central differences of an oracle in every element of its input, of the symmetric part alone."""

    def gradient(*given, **params):
        *dys, a = given
        result = np.zeros_like(a)
        for at in np.ndindex(a.shape):
            step = np.zeros_like(a)
            step[at] += 0.5e-5
            step[(*at[:-2], at[-1], at[-2])] += 0.5e-5
            high, low = function(a + step), function(a - step)
            pairs = zip(high, low, dys, strict=True) if isinstance(high, tuple) else [(high, low, dys[0])]
            result[at] = sum(float(((h - lo) * d).sum()) for h, lo, d in pairs) / 2e-5
        return (result,)

    return gradient


def t(x):
    return np.swapaxes(x, -1, -2)


def gemm2(a, b, transpose_a=False, transpose_b=False, alpha=1.0, axis=-2):
    a, b = np.swapaxes(a, axis, -2), np.swapaxes(b, axis, -2)
    return np.swapaxes(alpha * (t(a) if transpose_a else a) @ (t(b) if transpose_b else b), axis, -2)


def gemm(a, b, c, beta=1.0, **params):
    return gemm2(a, b, **params) + beta * c


def syrk(a, transpose=False, alpha=1.0):
    return alpha * (t(a) @ a if transpose else a @ t(a))


def triangle(a, lower):
    return np.tril(a) if lower else np.triu(a)


def trmm(a, b, transpose=False, rightside=False, lower=True, alpha=1.0):
    a = triangle(a, lower)
    a = t(a) if transpose else a
    return alpha * (b @ a if rightside else a @ b)


def trsm(a, b, transpose=False, rightside=False, lower=True, alpha=1.0):
    a = triangle(a, lower)
    a = t(a) if transpose else a
    return alpha * (t(np.linalg.solve(t(a), t(b))) if rightside else np.linalg.solve(a, b))


def cholesky(a):
    return np.linalg.cholesky((a + t(a)) / 2) if a.size else a


def potri(a):
    inverse = np.linalg.inv(np.tril(a)) if a.size else a
    return t(inverse) @ inverse


def det(a):
    found = np.linalg.det(a)
    return found.reshape(found.shape or (1,))


def slogdet(a):
    sign, log = np.linalg.slogdet(a)
    return sign.reshape(sign.shape or (1,)), log.reshape(log.shape or (1,))


def gelqf(a):
    if not a.size:
        return a, np.zeros((*a.shape[:-1], a.shape[-2]))
    flat = a.reshape((-1, *a.shape[-2:]))
    pairs = [scipy.linalg.qr(m.T, mode="economic") for m in flat]
    q = np.stack([q.T for q, _ in pairs]).reshape(a.shape)
    return q, np.stack([r.T for _, r in pairs]).reshape((*a.shape[:-1], a.shape[-2]))


def syevd(a):
    values, vectors = np.linalg.eigh(a)
    u = t(vectors)
    if u.size:
        largest = np.take_along_axis(u, np.abs(u).argmax(-1)[..., None], -1)
        u = u * np.sign(largest)
    return u, values


def places(n, offset, lower):
    m = n - abs(offset)
    if offset < 0 or (offset == 0 and lower):
        return [(i + max(-offset, 0), j) for i in range(m) for j in range(i + 1)]
    return [(j, i + offset) for i in range(m) for j in range(i + 1)]


def extracttrian(a, offset=0, lower=True):
    chosen = places(a.shape[-1], offset, lower)
    return np.stack([a[..., i, j] for i, j in chosen], -1) if chosen else np.zeros((*a.shape[:-2], 0))


def maketrian(a, offset=0, lower=True):
    n = (int(np.sqrt(8 * a.shape[-1] + 1)) - 1) // 2 + abs(offset)
    result = np.zeros((*a.shape[:-1], n, n))
    for k, (i, j) in enumerate(places(n, offset, lower)):
        result[..., i, j] = a[..., k]
    return result


def makediag(a, offset=0):
    n = a.shape[-1] + abs(offset)
    result = np.zeros((*a.shape[:-1], n, n))
    for k in range(a.shape[-1]):
        result[..., k + max(-offset, 0), k + max(offset, 0)] = a[..., k]
    return result


def sumlogdiag(a):
    found = np.log(np.diagonal(a, axis1=-2, axis2=-1)).sum(-1)
    return found.reshape(found.shape or (1,))


SIDES = [{}, {"transpose": True}, {"rightside": True}, {"rightside": True, "transpose": True, "alpha": -0.5}]
NOT_SQUARE = ((normal((2, 3)),), {}, "A must hold square matrices, got (2, 3)")
VECTOR = ((normal((3,)),), {}, "A must have at least 2 dimensions (batch..., rows, columns), got (3,)")

CASES = [
    OpCase("_linalg_gemm2", gemm2, [(normal((3, 4)), normal((4, 5))), (normal((2, 3, 4)), normal((2, 4, 5))), (normal((2, 1, 3, 4)), normal((2, 1, 4, 5))),
           (empty((0, 3, 4)), empty((0, 4, 5))), (empty((2, 0)), empty((0, 3)))], [{}, {"alpha": -2.0}], tol=TOL, second_order=True, errors=[
        ((normal((3, 4)), normal((3, 4))), {}, "4 columns meet 3 rows"), ((normal((4,)), normal((4, 4))), {}, "A must have at least 2 dimensions"),
        ((normal((2, 3, 4)), normal((4, 5))), {}, "the same number of dimensions"), ({"axis": -1}, "axis must be in"), ({"axis": 5}, "axis must be in"),
        ((fixed(np.eye(2), "int32"),) * 2, {}, "floating element type")]),
    OpCase("_linalg_gemm2", gemm2, [(normal((4, 3)), normal((5, 4))), (normal((2, 4, 3)), normal((2, 5, 4)))], [{"transpose_a": True, "transpose_b": True}], tol=TOL, id="gemm2-both"),
    OpCase("_linalg_gemm2", gemm2, [(normal((3, 2, 4)), normal((4, 2, 5)))], [{"axis": 0}, {"axis": -3, "alpha": 3.0}], tol=TOL, id="gemm2-axis"),
    OpCase("_linalg_gemm", gemm, [(normal((3, 4)), normal((4, 5)), normal((3, 5))), (normal((2, 3, 4)), normal((2, 4, 5)), normal((2, 3, 5)))],
           [{}, {"alpha": 2.0, "beta": -0.5}], tol=TOL, errors=[((normal((3, 4)), normal((4, 5)), normal((1, 5))), {}, "C must have the shape of the product, (3, 5), got (1, 5)")]),
    OpCase("_linalg_gemm", gemm, [(normal((3, 2, 4)), normal((4, 2, 5)), normal((3, 2, 5)))], [{"axis": 0}], tol=TOL, id="gemm-axis"),
    OpCase("_linalg_syrk", syrk, [normal((3, 4)), normal((2, 2, 3, 4)), empty((0, 3)), empty((3, 0))], [{}, {"transpose": True, "alpha": 2.0}], tol=TOL,
           second_order=True, errors=[VECTOR]),
    *(
        OpCase(name, oracle, [(triangular((3, 3)), normal((3, 3))), (triangular((2, 3, 3)), normal((2, 3, 3))), (empty((0, 0)), empty((0, 0))), (empty((0, 3, 3)), empty((0, 3, 3)))],
               SIDES, tol=TOL, second_order=True, errors=[((normal((2, 3)), normal((3, 3))), {}, "A must hold square matrices"),
            ((normal((2, 2)), normal((3, 2))), {}, "B must have 2 rows, got 3"), ((normal((2, 2)), normal((2, 3))), {"rightside": True}, "B must have 2 columns, got 3"),
            ((normal((4, 2, 2)), normal((2, 3))), {}, "B must have the leading dimensions (4,)"), ((normal((2, 2)), fixed(np.eye(2), "int32")), {}, "element type")])
        for name, oracle in [("_linalg_trmm", trmm), ("_linalg_trsm", trsm)]
    ),
    *(
        OpCase(name, oracle, [(triangular((3, 3), False), normal((3, 4)))], [{"lower": False}, {"lower": False, "transpose": True}], tol=TOL, id=f"{name}-upper")
        for name, oracle in [("_linalg_trmm", trmm), ("_linalg_trsm", trsm)]
    ),
    OpCase("_linalg_potrf", cholesky, [positive((3, 3)), positive((2, 4, 4)), positive((70, 70)), empty((0, 0)), empty((0, 3, 3))], tol=TOL, gradient=slope(cholesky),
           skip_gradient=[2], errors=[NOT_SQUARE, VECTOR, (
               (fixed([[1.0, 2.0], [2.0, 1.0]]),), {}, "[_linalg_potrf] the matrix is not positive definite: its leading minor of order 2 is not positive"),
               ((fixed([np.eye(2), -np.eye(2)]),), {}, "matrix 1 of the batch is not positive definite"), ((fixed(np.eye(2), "int32"),), {}, "floating element type")]),
    OpCase("_linalg_potri", potri, [triangular((3, 3)), triangular((2, 4, 4)), empty((0, 0))], tol=TOL, errors=[NOT_SQUARE, ((fixed(np.zeros((2, 2))),), {}, "the matrix is singular")]),
    OpCase("_linalg_inverse", lambda a: np.linalg.inv(a) if a.size else a, [regular((3, 3)), regular((2, 2, 4, 4)), empty((0, 0)), empty((0, 2, 2))], tol=TOL, second_order=True,
           errors=[NOT_SQUARE, ((fixed([[1.0, 2.0], [2.0, 4.0]]),), {}, "the matrix is singular: pivot 1 of its LU factorization is 0")]),
    OpCase("_linalg_det", det, [regular((3, 3)), regular((2, 3, 4, 4)), regular((1, 1)), fixed([[0.0, 1.0], [1.0, 0.0]]), empty((0, 0)), empty((0, 2, 2)), empty((2, 0, 0))],
           tol=TOL, second_order=True, errors=[NOT_SQUARE, VECTOR]),
    OpCase("_linalg_slogdet", slogdet, [regular((3, 3)), regular((2, 3, 4, 4)), fixed([[0.0, 1.0], [1.0, 0.0]]), empty((0, 0)), empty((0, 2, 2))], tol=TOL,
           errors=[NOT_SQUARE, VECTOR]),
    OpCase("_linalg_gelqf", gelqf, [normal((3, 5)), normal((3, 3)), normal((2, 2, 4)), empty((0, 3)), empty((0, 2, 3)), empty((0, 0))], tol=TOL,
           errors=[((normal((3, 2)),), {}, "A must not have more rows than columns, got (3, 2). Did you mean its transpose?"), VECTOR]),
    OpCase("_linalg_syevd", syevd, [separated((3, 3)), separated((2, 4, 4)), empty((0, 0)), empty((0, 2, 2))], tol={**TOL, "float16": 8e-2}, gradient=slope(lambda a: syevd((a + t(a)) / 2)),
           errors=[NOT_SQUARE, VECTOR]),
    OpCase("_linalg_extractdiag", lambda a, offset=0: np.diagonal(a, offset, -2, -1), [normal((4, 4)), normal((2, 3, 4, 4)), empty((0, 4, 4))], [{"offset": k} for k in (0, 1, -3)],
           errors=[NOT_SQUARE, VECTOR, ({"offset": 4}, "offset must be in (-4, 4) for 4 x 4 matrices, got 4"), ({"offset": -(1 << 63)}, "offset must be in")]),
    OpCase("_linalg_extracttrian", extracttrian, [normal((4, 4)), normal((2, 3, 4, 4)), empty((0, 4, 4))],
           [{"offset": k, "lower": lower} for k in (0, 1, -2) for lower in (True, False)], errors=[NOT_SQUARE, ({"offset": 1 << 62}, "offset must be in")]),
    OpCase("_linalg_makediag", makediag, [normal((4,)), normal((2, 3)), empty((0,)), empty((0, 2))], [{"offset": k} for k in (0, 1, -3)],
           errors=[((fixed(1.0),), {}, "A must have at least one dimension"), ({"offset": 1 << 40}, "below 2^31"), ({"offset": -(1 << 63)}, "below 2^31")]),
    OpCase("_linalg_maketrian", maketrian, [normal((6,)), normal((2, 3)), empty((0,)), empty((0, 3))], [{"offset": k, "lower": lower} for k in (0, 1, -2) for lower in (True, False)],
           errors=[((normal((5,)),), {}, "must be m (m + 1) / 2 for some m, such as 3, got 5")]),
    OpCase("_linalg_sumlogdiag", sumlogdiag, [uniform(0.5, 2, (3, 3)), uniform(0.5, 2, (2, 3, 3)), empty((0, 3, 3)), empty((0, 0))], second_order=True, errors=[NOT_SQUARE, VECTOR]),
]  # fmt: skip


@op_cases(CASES)
def test_linalg(case, ctx):
    check_op(case, ctx)


def test_gradients_at_singular_and_degenerate_matrices_are_finite():
    import mxnet as mx

    singular = mx.nd.array([[1, 2], [2, 4]])
    equal = mx.nd.array([[1, 0], [0, 1]])
    singular.attach_grad()
    equal.attach_grad()
    with mx.autograd.record():
        determinant = mx.nd.linalg.det(singular)
    determinant.backward()
    assert singular.grad.asnumpy().tolist() == [[0, 0], [0, 0]]
    sign, logarithm = mx.nd.linalg.slogdet(singular)
    assert (sign.asscalar(), logarithm.asscalar()) == (0, -np.inf)
    with mx.autograd.record():
        vectors, values = mx.nd.linalg.syevd(equal)
    mx.autograd.backward([vectors, values], [mx.nd.ones((2, 2)), mx.nd.array([1, 2])])
    assert np.isfinite(equal.grad.asnumpy()).all()


@pytest.mark.parametrize("name", ["potrf", "potri", "inverse", "det", "slogdet", "gelqf", "syevd", "sumlogdiag"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_matrices_end_in_a_result_or_an_error(name, value):
    import mxnet as mx

    matrices = mx.nd.full((2, 3, 3), value)
    try:
        outputs = getattr(mx.nd.linalg, name)(matrices)
        for output in outputs if isinstance(outputs, (list, tuple)) else [outputs]:
            output.asnumpy()
    except mx.base.MXNetError as error:
        assert f"[_linalg_{name}]" in str(error)


def test_an_error_in_a_factorization_leaves_the_engine_working():
    import mxnet as mx

    with pytest.raises(mx.base.MXNetError, match="not positive definite"):
        mx.nd.linalg.potrf(mx.nd.full((64, 64), -1)).asnumpy()
    assert mx.nd.linalg.potrf(mx.nd.array([[4]])).asscalar() == 2


def test_log_likelihood_of_a_gaussian():
    """The use that linalg was made for: -log N(y; 0, A) by Cholesky, and its gradient A^-1 - (A^-1 y)(A^-1 y)^T."""
    import mxnet as mx

    rng = np.random.default_rng(3)
    root = rng.standard_normal((5, 5))
    covariance, y = root @ root.T + np.eye(5), rng.standard_normal((5, 1))
    a = mx.nd.array(covariance, dtype="float64")
    a.attach_grad()
    with mx.autograd.record():
        factor = mx.nd.linalg.potrf(a)
        white = mx.nd.linalg.trsm(factor, mx.nd.array(y, dtype="float64"))
        loss = 0.5 * mx.nd.sum(mx.nd.square(white)) + mx.nd.sum(mx.nd.linalg.sumlogdiag(factor))
    loss.backward()
    solved = np.linalg.solve(covariance, y)
    np.testing.assert_allclose(a.grad.asnumpy(), 0.5 * (np.linalg.inv(covariance) - solved @ solved.T), rtol=1e-10)
    wanted = 0.5 * float((y * solved).sum()) + 0.5 * np.linalg.slogdet(covariance)[1]
    assert loss.asscalar() == pytest.approx(wanted, rel=1e-12)
