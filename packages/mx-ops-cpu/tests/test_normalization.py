"""Batch normalization and its gradient against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_call import FLOATS, call, check, exact, stored, unaligned

SEED = 19
SHAPES = [
    ((6, 5), 1),
    ((64, 300), 1),
    ((4, 3, 7), 1),
    ((4, 3, 8, 9), 1),
    ((2, 5, 70, 70), 1),
    ((4, 8, 9, 3), 3),
    ((3, 4, 5), 0),
    ((2, 3, 4, 5, 6), 1),
    ((300, 20), 1),
    ((1, 4, 1, 1), 1),
    ((2, 3, 4, 5, 6), 4),
]


def around(shape, axis):
    """The axes that statistics are over, and the shape that makes a channel vector broadcast."""
    axes = tuple(a for a in range(len(shape)) if a != axis)
    return axes, tuple(n if a == axis else 1 for a, n in enumerate(shape))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_batch_norm(dtype, shape, axis, offset):
    if offset and dtype in ("float16", "bfloat16"):
        offset = 2.0
    rng = np.random.default_rng(SEED)
    axes, wide = around(shape, axis)
    x = stored(rng.normal(offset, 2, shape), dtype)
    gamma, beta = (stored(rng.normal(size=shape[axis]), dtype) for _ in range(2))
    eps = 1e-3
    v = exact(x, dtype)
    mean, var = v.mean(axes), v.var(axes)
    normal = (v - mean.reshape(wide)) / np.sqrt(var.reshape(wide) + eps)
    expected = normal * exact(gamma, dtype).reshape(wide) + exact(beta, dtype).reshape(wide)
    channel = (dtype, shape[axis : axis + 1])
    inputs = [(unaligned(x), dtype), (gamma, dtype), (beta, dtype)]
    for inplace in ({}, {0: 0} if dtype in ("float32", "float64") else {}):
        y, m, s = call(
            "_batch_norm_train", inputs, [(dtype, shape), channel, channel], inplace=inplace, axis=axis, eps=eps
        )
        check(m, dtype, mean)
        check(s, dtype, var, factor=4)
        check(y, dtype, expected, factor=1 + 20 * (offset > 0))

    dy = stored(rng.normal(size=shape), dtype)
    d, n = exact(dy, dtype), v.size / max(1, shape[axis])
    # The statistics that the gradient is given are those that forward stored.
    normal = (v - exact(m, dtype).reshape(wide)) / np.sqrt(exact(s, dtype).reshape(wide) + eps)
    dbeta, dgamma = d.sum(axes), (d * normal).sum(axes)
    scale = (exact(gamma, dtype) / np.sqrt(exact(s, dtype) + eps)).reshape(wide)
    dx = scale * (d - dbeta.reshape(wide) / n - normal * dgamma.reshape(wide) / n)
    inputs = [(dy, dtype), (x, dtype), (gamma, dtype), (m, dtype), (s, dtype)]
    for inplace in ({}, *([{0: 0}, {0: 1}] if dtype in ("float32", "float64") else [])):
        outputs = call(
            "_batch_norm_backward", inputs, [(dtype, shape), channel, channel], inplace=inplace, axis=axis, eps=eps
        )
        for got, wanted in zip(outputs, (dx, dgamma, dbeta), strict=True):
            check(got, dtype, wanted, factor=4)


def test_statistics_of_float16_data_may_be_float32():
    x = np.random.default_rng(SEED).normal(size=(8, 3, 5)).astype(np.float16)
    one, zero = np.ones(3, np.float32), np.zeros(3, np.float32)
    y, mean, var = call(
        "_batch_norm_train",
        [(x, "float16"), (one, "float32"), (zero, "float32")],
        [("float16", x.shape), ("float32", (3,)), ("float32", (3,))],
        axis=1,
        eps=1e-5,
    )
    v = x.astype(np.float64)
    check(mean, "float32", v.mean((0, 2)))
    check(var, "float32", v.var((0, 2)))
    check(y, "float16", (v - v.mean((0, 2), keepdims=True)) / np.sqrt(v.var((0, 2), keepdims=True) + 1e-5))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("shape", "axis"), [((0, 3, 4), 1), ((2, 0, 4), 1), ((0, 3), 1)])
def test_no_elements(dtype, shape, axis):
    x = stored(np.zeros(shape), dtype)
    one = stored(np.ones(shape[axis]), dtype)
    channel = (dtype, shape[axis : axis + 1])
    y, mean, var = call(
        "_batch_norm_train",
        [(x, dtype), (one, dtype), (one, dtype)],
        [(dtype, shape), channel, channel],
        axis=axis,
        eps=1e-3,
    )
    assert y.shape == shape
    assert not mean.any()
    assert not var.any()
    _, dgamma, dbeta = call(
        "_batch_norm_backward",
        [(x, dtype), (x, dtype), (one, dtype), (one, dtype), (one, dtype)],
        [(dtype, shape), channel, channel],
        axis=axis,
        eps=1e-3,
    )
    assert not dgamma.any()
    assert not dbeta.any()


@pytest.mark.parametrize("shape", [(8, 2, 40), (40, 2)])
def test_nan_reaches_its_channel_only(shape):
    x = np.zeros(shape, np.float32)
    x[0, 1] = np.nan
    one = np.ones(2, np.float32)
    y, mean, var = call(
        "_batch_norm_train",
        [(x, "float32"), (one, "float32"), (one, "float32")],
        [("float32", shape), ("float32", (2,)), ("float32", (2,))],
        axis=1,
        eps=1e-3,
    )
    np.testing.assert_array_equal(np.isnan(mean), [False, True])
    np.testing.assert_array_equal(np.isnan(var), [False, True])
    np.testing.assert_array_equal(y[:, 0], 1)
