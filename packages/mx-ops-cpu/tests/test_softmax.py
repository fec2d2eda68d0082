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
