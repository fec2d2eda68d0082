"""softmax and log_softmax against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_call import FLOATS, call, check, exact, stored, unaligned

SEED = 17
SHAPES = [
    ((), 0),
    ((1,), 0),
    ((0,), 0),
    ((10,), 0),
    ((3, 0), 1),
    ((0, 3), 1),
    ((100, 10), 1),
    ((300, 48), 1),
    ((7, 49), 1),
    ((5, 1000), 1),
    ((5, 33), 0),
    ((4, 3, 300), 1),
    ((2, 10, 7, 9), 1),
    ((2, 3, 4, 5, 6), 2),
    ((3, 4, 0), 1),
]


def expected_softmax(x: np.ndarray, axis: int, temperature: float, logarithm: bool) -> np.ndarray:
    if x.ndim == 0 or x.size == 0:
        return np.zeros(x.shape) if logarithm else np.ones(x.shape)
    z = x / temperature
    z = z - z.max(axis, keepdims=True)
    log_y = z - np.log(np.exp(z).sum(axis, keepdims=True))
    return log_y if logarithm else np.exp(log_y)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("temperature", [1.0, 0.5, 7.0])
@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
def test_softmax(dtype, shape, axis, temperature, op):
    x = stored(np.random.default_rng(SEED).normal(0, 4, shape), dtype)
    expected = expected_softmax(exact(x, dtype), axis, temperature, op == "log_softmax")
    for inplace in ({}, {0: 0} if dtype in ("float32", "float64") else {}):
        (y,) = call(op, [(unaligned(x), dtype)], [(dtype, shape)], inplace=inplace, axis=axis, temperature=temperature)
        check(y, dtype, expected)


# 16 MB and more are stored past the caches.
LARGE = [
    ((1100, 4000), 1),
    ((1100, 4001), 1),
    ((200, 20_100), 1),
    ((1003, 4180), 0),
    ((1001, 4181), 0),
    ((70, 21, 3000), 1),
    ((140_000, 40), 0),
    ((3, 140_000, 10), 1),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "axis"), LARGE)
@pytest.mark.parametrize(("op", "temperature"), [("softmax", 1.0), ("softmax", 3.0), ("log_softmax", 3.0)])
def test_softmax_past_the_caches(dtype, shape, axis, op, temperature):
    rng = np.random.default_rng(SEED)
    x = stored(rng.standard_normal(shape, np.float32) * 4, dtype)
    x += rng.uniform(-40, 40, np.delete(np.array(shape), axis)).astype(dtype).reshape(np.where(np.arange(x.ndim) == axis, 1, shape))
    expected = expected_softmax(exact(x, dtype), axis, temperature, op == "log_softmax")
    (y,) = call(op, [(unaligned(x), dtype)], [(dtype, shape)], axis=axis, temperature=temperature)
    check(y, dtype, expected)


@pytest.mark.parametrize("axis", [0, 1])
def test_infinities_past_the_caches(axis):
    x = np.zeros((4200, 1000), np.float32)
    lines = x if axis == 1 else x.T.reshape(1000, 4200)
    lines[0] = -np.inf
    lines[1, :40] = -np.inf
    lines[2, 7] = np.inf
    lines[3, 50] = np.nan
    (y,) = call("softmax", [(x, "float32")], [("float32", x.shape)], axis=axis)
    found = y if axis == 1 else y.T
    assert np.isnan(found[[0, 2, 3]]).all()
    n = found.shape[1]
    np.testing.assert_allclose(found[1], np.where(np.arange(n) < 40, 0, 1 / (n - 40)), rtol=1e-6)
    np.testing.assert_allclose(found[4:], 1 / n, rtol=1e-6)


@pytest.mark.parametrize("op", ["softmax", "log_softmax"])
@pytest.mark.parametrize("shape", [(20, 6), (2, 6), (2, 60)])
def test_extreme_values(op, shape):
    x = np.zeros(shape, np.float32)
    x[:, 0], x[:, 1], x[:, 2] = 1e30, -1e30, -np.inf
    expected = np.full(shape, -np.inf if op == "log_softmax" else 0.0)
    expected[:, 0] = op == "softmax"
    (y,) = call(op, [(x, "float32")], [("float32", shape)], axis=1)
    np.testing.assert_array_equal(np.maximum(y, -(2.0**60)), np.maximum(expected, -(2.0**60)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_with_nan_or_infinity_has_nan_and_the_others_do_not(bad):
    x = np.zeros((3, 40), np.float32)
    x[1, 5] = bad
    (y,) = call("softmax", [(x, "float32")], [("float32", x.shape)], axis=1)
    assert np.isnan(y[1, 5])
    np.testing.assert_allclose(y[[0, 2]], 1 / 40)


def test_large_softmax_on_several_threads():
    x = np.random.default_rng(SEED).normal(size=(500, 2000)).astype(np.float32)
    for axis in (0, 1):
        (y,) = call("softmax", [(x, "float32")], [("float32", x.shape)], axis=axis)
        check(y, "float32", expected_softmax(x.astype(np.float64), axis, 1.0, logarithm=False))
