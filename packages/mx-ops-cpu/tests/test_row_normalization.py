"""Layer normalization along the last axis and the gradients of rows, against NumPy in float64."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from kernel_call import FLOATS, call, check, exact, stored, unaligned

SEED = 23
SHAPES = [(1,), (7,), (0, 4), (3, 1), (5, 33), (2, 3, 64), (300, 129), (2, 5000)]
LARGE = [(1030, 4096), (5, 205, 4104), (1027, 4097)]  # 16 MB and more are stored past the caches


def random(rng: np.random.Generator, dtype: str, *shape: int, around: float = 0.0) -> np.ndarray:
    return unaligned(stored(rng.normal(around, 2, shape), dtype))


@pytest.mark.parametrize(("dtype", "shape"), [*itertools.product(FLOATS, SHAPES), *itertools.product(FLOATS[:2], LARGE)])
def test_layer_norm(dtype, shape):
    rng = np.random.default_rng(SEED)
    x, gamma, beta = random(rng, dtype, *shape, around=3), random(rng, dtype, shape[-1]), random(rng, dtype, shape[-1])
    wide = exact(x, dtype)
    mean, deviation = wide.mean(-1, keepdims=True), np.sqrt(wide.var(-1, keepdims=True) + 1e-3)
    expected = (wide - mean) / deviation * exact(gamma, dtype) + exact(beta, dtype)
    kept = (*shape[:-1], 1)
    for inplace in ({}, {0: 0} if dtype in ("float32", "float64") else {}):
        found = call(
            "_layer_norm", [(x.copy(), dtype), (gamma, dtype), (beta, dtype)],
            [(dtype, shape), (dtype, kept), (dtype, kept)], inplace=inplace, axis=len(shape) - 1, eps=1e-3,
        )  # fmt: skip
        for actual, value in zip(found, (expected, mean, deviation), strict=True):
            check(actual, dtype, value, factor=4)


def test_a_layer_norm_of_a_large_mean_keeps_its_digits():
    x = (1e4 + np.random.default_rng(SEED).normal(size=(3, 1000))).astype(np.float32)
    wide = x.astype(np.float64)
    one, zero = np.ones(1000, np.float32), np.zeros(1000, np.float32)
    y, _, _ = call(
        "_layer_norm", [(x, "float32"), (one, "float32"), (zero, "float32")],
        [("float32", x.shape), ("float32", (3, 1)), ("float32", (3, 1))], axis=1, eps=1e-5,
    )  # fmt: skip
    expected = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, expected, atol=1e-3)


@pytest.mark.parametrize(("dtype", "shape"), [*itertools.product(FLOATS, SHAPES), *itertools.product(FLOATS[:2], LARGE)])
def test_layer_norm_backward(dtype, shape):
    rng = np.random.default_rng(SEED)
    n, kept = shape[-1], (*shape[:-1], 1)
    dy, x, gamma = random(rng, dtype, *shape), random(rng, dtype, *shape), random(rng, dtype, n)
    mean, deviation = random(rng, dtype, *kept), unaligned(stored(rng.uniform(1, 2, kept), dtype))
    head, centered = exact(dy, dtype), exact(x, dtype) - exact(mean, dtype)
    normal = centered / exact(deviation, dtype)
    weighted = head * exact(gamma, dtype)
    slope = (weighted * normal).mean(-1, keepdims=True)
    expected = (weighted - weighted.mean(-1, keepdims=True) - normal * slope) / exact(deviation, dtype)
    rows = tuple(range(len(shape) - 1))
    found = call(
        "_layer_norm_backward", [(a, dtype) for a in (dy, x, gamma, mean, deviation)],
        [(dtype, shape), (dtype, (n,)), (dtype, (n,))], axis=len(shape) - 1,
    )  # fmt: skip
    for actual, value in zip(found, (expected, (head * normal).sum(rows), head.sum(rows)), strict=True):
        check(actual, dtype, value, factor=4)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [*SHAPES, (3, 0)])
@pytest.mark.parametrize("op", ["_softmax_backward", "_log_softmax_backward"])
def test_softmax_backward(dtype, shape, op):
    rng = np.random.default_rng(SEED)
    dy, y = random(rng, dtype, *shape), stored(-rng.uniform(0, 5, shape), dtype)
    head, value = exact(dy, dtype), exact(y, dtype)
    if op == "_softmax_backward":
        expected = (head - (head * value).sum(-1, keepdims=True)) * value / 2
    else:
        expected = (head - np.exp(value) * head.sum(-1, keepdims=True)) / 2
    (dx,) = call(op, [(dy, dtype), (y, dtype)], [(dtype, shape)], axis=len(shape) - 1, temperature=2.0)
    check(dx, dtype, expected, factor=4)


def test_gradients_of_rows_refuse_heads_of_other_shapes():
    three, one = np.ones((3, 17), np.float32), np.ones(1, np.float32)
    with pytest.raises(TypeError, match="dy and y must have one shape"):
        call("_softmax_backward", [(one, "float32"), (three, "float32")], [("float32", (3, 17))], axis=1)
    with pytest.raises(TypeError, match="input 1 must have 17 elements"):
        call("_layer_norm", [(three, "float32"), (one, "float32"), (one, "float32")],
             [("float32", (3, 17)), ("float32", (3, 1)), ("float32", (3, 1))], axis=1, eps=1e-3)  # fmt: skip
