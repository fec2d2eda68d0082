"""_reduce and _arg_reduce over all layouts and types, against NumPy in float64 (integers: exactly)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from kernel_call import DTYPES, FLOATS, TOLERANCE, exact, stored, unaligned
from pointwise_program import F32, Program, natural

from mx_ops_cpu import _native

SEED = 17
SHAPES = [
    (), (1,), (0,), (3, 0), (0, 3), (0, 0), (5,), (1000,), (70001,), (7, 13), (4, 5, 6), (2, 3, 4, 5, 2), (300, 3),
    (3, 300), (5, 9001), (9001, 5), (3, 5000, 2), (40, 2500), (2, 3, 2100), (2, 4500, 3), (16, 8, 49), (1, 6, 1, 7),
    (2, 2, 2, 2, 2, 2, 2, 2),
]  # fmt: skip
ORACLES = {
    "sum": np.sum, "mean": np.mean, "prod": np.prod, "max": np.max, "min": np.min, "nansum": np.nansum,
    "nanprod": np.nanprod,
}  # fmt: skip


def all_axes(ndim):
    """All sets of axes, thinned out for many dimensions."""
    sets = [c for r in range(ndim + 1) for c in itertools.combinations(range(ndim), r)]
    return sets if len(sets) <= 32 else sets[::7]


def kept_shape(shape, axes):
    return tuple(1 if a in axes else d for a, d in enumerate(shape))


def reduce(op, inputs, out, axes, space, program=None, scalars=()):
    """The stored result, with reduced axes of length 1; inputs are (array, dtype)."""
    params = {"op": op, "axes": list(axes), "shape": list(space), **(program.params if program else {})}
    (y,) = _native.kernels().prepare_and_run(
        "_reduce",
        [np.asarray(a) for a, _ in inputs],
        [(out, kept_shape(space, axes))],
        params,
        in_dtypes=[d for _, d in inputs],
        scalars=list(scalars),
    )
    return y


def extreme(dtype, op):
    """What the maximum or minimum of nothing is."""
    if dtype in FLOATS:
        return -np.inf if op == "max" else np.inf
    if dtype == "bool":
        return op == "min"
    return np.iinfo(dtype).min if op == "max" else np.iinfo(dtype).max


def check_reduction(actual, dtype, expected, n, magnitude):
    """Floats: relative to the value or, for sums that cancel, to what n numbers of that magnitude add up to."""
    if dtype not in FLOATS:
        np.testing.assert_array_equal(actual, expected)
        return
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(exact(actual, dtype), expected, rtol=tolerance, atol=tolerance * magnitude * np.sqrt(n))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_reductions(shape, dtype):
    rng = np.random.default_rng(SEED)
    values = (
        rng.integers(0, 2, shape) if dtype == "bool" else rng.uniform(-2, 2, shape) * (1 if dtype in FLOATS else 15)
    )
    x = stored(values, dtype) if dtype != "uint8" else stored(np.abs(values), dtype)
    for axes, op in itertools.product(all_axes(len(shape)), ORACLES):
        n = int(np.prod([shape[a] for a in axes], dtype=np.int64))
        if (op in ("prod", "nanprod") and n > 60) or (op == "mean" and (dtype not in FLOATS or n == 0)):
            continue
        y = reduce(op, [(unaligned(x), dtype)], dtype, axes, shape)
        if n == 0 and op in ("max", "min"):
            expected = np.full(y.shape, extreme(dtype, op))
        elif dtype in FLOATS:
            expected = ORACLES[op](exact(x, dtype), axis=axes, keepdims=True)
        elif op in ("max", "min"):
            expected = ORACLES[op](x, axis=axes, keepdims=True)
        else:
            expected = ORACLES[op](x, axis=axes, keepdims=True, dtype=np.int64).astype(dtype)
        check_reduction(y, dtype, expected, 1 if op != "sum" and op != "nansum" else n, 1.0)


@pytest.mark.parametrize("axes", [(), (0,), (1,), (0, 1)])
@pytest.mark.parametrize("shape", [(7, 33), (3, 2100), (2100, 3), (40, 40)])
def test_not_a_number(shape, axes):
    rng = np.random.default_rng(SEED)
    for dtype in ("float32", "float64", "float16"):
        x = rng.uniform(0.9, 1.1, shape).astype(dtype)
        x[rng.random(shape) < 0.05] = np.nan
        x[:, 1] = np.nan
        for op in ORACLES:
            n = int(np.prod([shape[a] for a in axes], dtype=np.int64))
            expected = ORACLES[op](x.astype(np.float64), axis=axes, keepdims=True)
            if dtype == "float16" and op in ("prod", "nanprod", "sum", "nansum"):
                continue
            check_reduction(reduce(op, [(x, dtype)], dtype, axes, shape), dtype, expected, n, 1.0)


def test_empty_mean_is_not_a_number():
    assert np.isnan(reduce("mean", [(np.empty((0, 3), np.float32), "float32")], "float32", (0,), (0, 3))).all()


def test_types_of_the_result():
    """Integers add up in int64; a wider or float result does not wrap; a double result of floats is not rounded."""
    x = np.full((3, 1000), 200, np.uint8)
    np.testing.assert_array_equal(reduce("sum", [(x, "uint8")], "int64", (1,), x.shape).ravel(), 200_000)
    np.testing.assert_array_equal(reduce("sum", [(x, "uint8")], "uint8", (1,), x.shape).ravel(), 200_000 % 256)
    np.testing.assert_array_equal(reduce("mean", [(x, "uint8")], "float32", (1,), x.shape).ravel(), 200)
    big = np.full(4, 2**62, np.int64)
    np.testing.assert_array_equal(reduce("sum", [(big, "int64")], "int64", (0,), (4,)), [0])
    f = np.random.default_rng(SEED).random((2, 100_000)).astype(np.float32)
    expected = f.astype(np.float64).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(reduce("sum", [(f, "float32")], "float64", (1,), f.shape), expected, rtol=1e-14)
    np.testing.assert_allclose(reduce("sum", [(f, "float32")], "float32", (1,), f.shape), expected, rtol=6e-8)


@pytest.mark.parametrize("shape", [(6, 50), (3, 5000), (5000, 3), (2, 3, 4100), (3, 40, 7, 7)], ids=str)
def test_pointwise_producer(shape):
    """sum(relu(x * s + row) * 3) without a temporary array, the row broadcast along the first axis."""
    rng = np.random.default_rng(SEED)
    for dtype in ("float32", "float64", "float16", "int32"):
        x, row = (rng.integers(-8, 8, s).astype(dtype) for s in (shape, shape[1:]))
        compute = natural(dtype)
        program = Program(types=[compute] * 4, consts=[3.0])
        product = program.emit("mul", 0, 3)
        program.outs = [program.emit("mul", program.emit("relu", program.emit("add", product, 1)), 2)]
        values = np.maximum(x.astype(np.float64) * 2 + row, 0) * 3
        for axes in all_axes(len(shape)):
            expected = values.sum(axis=axes, keepdims=True)
            out = dtype if dtype != "float16" else "float32"
            y = reduce("sum", [(x, dtype), (row, dtype)], out, axes, shape, program, scalars=[2])
            np.testing.assert_array_equal(y, expected)


def test_broadcast_without_a_program_counts_the_repeats():
    x = np.arange(5, dtype=np.float32)
    y = reduce("sum", [(x, "float32")], "float32", (0,), (4, 5))
    np.testing.assert_array_equal(y, [x * 4])


def test_results_do_not_depend_on_the_number_of_threads():
    kernels = _native.kernels()
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((900, 2000)).astype(np.float32)
    program = Program(types=[F32])
    program.outs = [program.emit("exp", 0)]
    results = []
    try:
        for threads in (1, 2, 3):
            kernels.set_num_threads(threads)
            results.append(
                [
                    reduce("sum", [(x, "float32")], "float32", a, x.shape, p)
                    for a in all_axes(2)
                    for p in (None, program)
                ]
            )
    finally:
        kernels.set_num_threads(2)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def arg_reduce(op, x, dtype, axis, shape, out="float32"):
    (y,) = _native.kernels().prepare_and_run(
        "_arg_reduce", [x], [(out, shape)], {"op": op, "axis": axis}, in_dtypes=[dtype]
    )
    return y


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(1,), (5,), (40,), (5000,), (3, 0), (4, 7), (300, 3), (3, 2500), (2500, 3), (2, 70, 5), (2, 3, 2, 3, 2)]
)
def test_arg_reduce(dtype, shape):
    """Few distinct values, so that the first of equals matters."""
    rng = np.random.default_rng(SEED)
    x = stored(rng.integers(0, 2 if dtype == "bool" else 50, shape), dtype)
    for axis, (op, oracle) in itertools.product(range(len(shape)), (("argmax", np.argmax), ("argmin", np.argmin))):
        if shape[axis] == 0:
            continue
        expected = oracle(exact(x, dtype), axis=axis)
        np.testing.assert_array_equal(arg_reduce(op, unaligned(x), dtype, axis, expected.shape), expected)
        np.testing.assert_array_equal(arg_reduce(op, x, dtype, axis, expected.shape, "int64"), expected)
    if x.size:
        for op, oracle in (("argmax", np.argmax), ("argmin", np.argmin)):
            assert arg_reduce(op, x, dtype, None, (1,), "int64")[0] == oracle(exact(x, dtype))


@pytest.mark.parametrize("n", [2, 9, 31, 64, 100, 3000])
def test_the_first_nan_is_the_extreme(n):
    rng = np.random.default_rng(SEED)
    for dtype, count in itertools.product(("float32", "float64", "float16"), (0, 1, 3)):
        x = rng.standard_normal((20, n)).astype(dtype)
        x[0] = np.inf
        x[1] = -np.inf
        x[np.arange(20)[:, None], rng.integers(0, n, (20, count))] = np.nan
        for op, oracle in (("argmax", np.argmax), ("argmin", np.argmin)):
            np.testing.assert_array_equal(arg_reduce(op, x, dtype, 1, (20,)), oracle(x, axis=1))
            np.testing.assert_array_equal(arg_reduce(op, x, dtype, 0, (n,)), oracle(x, axis=0))


def test_sizes_whose_product_overflows_beside_an_empty_axis():
    shape = [5, 1 << 31, 0, 1 << 62, 7]
    y = reduce("sum", [(np.zeros(0, np.float32), "float32")], "float32", (0, 1, 2, 3), shape)
    np.testing.assert_array_equal(y.ravel(), np.zeros(7))
