"""The kernels of linear algebra on NumPy arrays: every float type, batches, empty arrays, offset pointers, errors."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_call import DTYPES, FLOATS, call, check, exact, stored, unaligned

RNG = np.random.default_rng(7)
FACTOR = 30.0  # of the type's tolerance: errors grow with the condition


def batch_of(kind, shape):
    a = RNG.uniform(-1, 1, shape)
    n = shape[-1]
    if kind == "positive":
        return a @ np.swapaxes(a, -1, -2) + n * np.eye(n)
    return a + (n * np.eye(n) if kind == "regular" else 0)


def run(op, arrays, dtype, outputs, **params):
    given = [(unaligned(stored(a, dtype)), dtype) for a in arrays]
    return [exact(given[i][0], dtype) for i in range(len(arrays))], call(
        op, given, [(dtype, s) for s in outputs], **params
    )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (3, 4, 4), (2, 2, 6, 6), (80, 80)])
def test_factorizations(dtype, shape):
    (a,), (low,) = run("_linalg_potrf", [batch_of("positive", shape)], dtype, [shape])
    check(low, dtype, np.linalg.cholesky(a), FACTOR)
    _, (inverse,) = run("_linalg_potri", [exact(low, dtype)], dtype, [shape])
    check(inverse, dtype, np.linalg.inv(exact(low, dtype) @ np.swapaxes(exact(low, dtype), -1, -2)), FACTOR)
    (a,), (inverse,) = run("_inverse", [batch_of("regular", shape)], dtype, [shape])
    check(inverse, dtype, np.linalg.inv(a), FACTOR)
    (a,), (sign, log) = run("_linalg_slogdet", [batch_of("regular", shape)], dtype, [shape[:-2], shape[:-2]])
    wanted = np.linalg.slogdet(a)
    check(sign, dtype, wanted[0])
    check(log, dtype, wanted[1], FACTOR)
    (a,), (u, values) = run("_linalg_syevd", [batch_of("positive", shape)], dtype, [shape, shape[:-1]])
    symmetric = np.tril(a) + np.swapaxes(np.tril(a, -1), -1, -2)
    check(values, dtype, np.linalg.eigvalsh(symmetric), FACTOR)
    rows, found = exact(u, dtype), exact(values, dtype)
    slack = 40 * {"float64": 1e-12, "float32": 2e-6, "float16": 2e-3, "bfloat16": 1.6e-2}[dtype]
    np.testing.assert_allclose(rows @ symmetric, found[..., None] * rows, atol=slack * np.abs(found).max())
    wide = (*shape[:-1], shape[-1] + 3)
    (a,), (q, low) = run("_linalg_gelqf", [RNG.uniform(-1, 1, wide)], dtype, [wide, shape])
    q, low = exact(q, dtype), exact(low, dtype)
    np.testing.assert_allclose(low @ q, a, atol=slack)
    np.testing.assert_allclose(q @ np.swapaxes(q, -1, -2), np.broadcast_to(np.eye(shape[-1]), shape), atol=slack)
    assert (np.triu(low, 1) == 0).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rightside", [False, True])
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("lower", [False, True])
def test_triangular(dtype, rightside, transpose, lower):
    a, b = batch_of("regular", (2, 5, 5)), RNG.uniform(-1, 1, (2, 3, 5) if rightside else (2, 5, 3))
    params = {"rightside": rightside, "transpose": transpose, "lower": lower, "alpha": 0.5}
    (x, y), (product,) = run("_linalg_trmm", [a, b], dtype, [b.shape], **params)
    x = np.tril(x) if lower else np.triu(x)
    x = np.swapaxes(x, -1, -2) if transpose else x
    check(product, dtype, 0.5 * (y @ x if rightside else x @ y), FACTOR)
    _, (solved,) = run("_linalg_trsm", [a, b], dtype, [b.shape], **params)
    check(solved, dtype, 0.5 * (y @ np.linalg.inv(x) if rightside else np.linalg.inv(x) @ y), FACTOR)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (2, 0, 0)])
def test_empty(shape):
    for op, outputs in [
        ("_linalg_potrf", [shape]), ("_linalg_potri", [shape]), ("_inverse", [shape]), ("_linalg_gelqf", [shape, shape]),
        ("_linalg_syevd", [shape, shape[:-1]]),
    ]:  # fmt: skip
        _, found = run(op, [np.zeros(shape)], "float32", outputs)
        assert [item.shape for item in found] == outputs
    _, (found,) = run("_linalg_det", [np.zeros(shape)], "float64", [shape[:-2]])
    np.testing.assert_array_equal(found, np.ones(shape[:-2]) if 0 in shape[-2:] else np.zeros(shape[:-2]))


@pytest.mark.parametrize("inplace", [0, 1])
def test_in_place(inplace):
    a = batch_of("positive", (2, 3, 3))
    (low,) = call("_linalg_potrf", [(a.copy(), "float64")], [("float64", a.shape)], inplace={0: 0} if inplace else {})
    check(low, "float64", np.linalg.cholesky(a))


def test_matrices_without_a_factorization():
    bad = np.stack([np.eye(2), [[1, 2], [2, 4]]])
    with pytest.raises(Exception, match="matrix 1 of the batch is singular: pivot 1"):
        run("_inverse", [bad], "float64", [bad.shape])
    _, (zeros,) = run("_inverse", [bad], "float64", [bad.shape], singular="zeros")
    np.testing.assert_array_equal(zeros, [np.eye(2), np.zeros((2, 2))])
    with pytest.raises(Exception, match="matrix 1 of the batch is not positive definite: its leading minor of order 2"):
        run("_linalg_potrf", [bad], "float32", [bad.shape])
    _, (u, values) = run("_linalg_syevd", [np.full((3, 3), np.nan)], "float64", [(3, 3), (3,)])
    assert np.isnan(u).all()
    assert np.isnan(values).all()
    _, (found,) = run("_linalg_det", [np.full((3, 3), np.nan)], "float64", [()])
    assert np.isnan(found)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("part", ["diagonal", "lower", "upper"])
@pytest.mark.parametrize("offset", [0, 2, -1, 4, -7])
def test_parts(dtype, part, offset):
    a = stored(np.arange(32).reshape(2, 4, 4) % 2 if dtype == "bool" else np.arange(32).reshape(2, 4, 4), dtype)
    m = max(4 - abs(offset), 0)
    down, right = max(-offset, 0), max(offset, 0)
    if part == "diagonal":
        places = [(i + down, i + right) for i in range(m)]
    elif offset < 0 or (offset == 0 and part == "lower"):
        places = [(i + down, j) for i in range(m) for j in range(i + 1)]
    else:
        places = [(j, i + right) for i in range(m) for j in range(i + 1)]
    rows, columns = [i for i, _ in places], [j for _, j in places]
    wanted = a[:, rows, columns] if places else a[:, :0, 0]
    (found,) = call("_extract_part", [(unaligned(a), dtype)], [(dtype, wanted.shape)], part=part, offset=offset)
    np.testing.assert_array_equal(found, wanted)
    (placed,) = call("_place_part", [(unaligned(found), dtype)], [(dtype, a.shape)], part=part, offset=offset)
    expected = np.zeros_like(a)
    if places:
        expected[:, rows, columns] = wanted
    np.testing.assert_array_equal(placed, expected)
