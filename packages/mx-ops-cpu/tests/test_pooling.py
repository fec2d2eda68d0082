"""Pooling and its gradient, window by window in float64, and values measured on MXNet 1.9.1."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from kernel_call import FLOATS, call, check, exact, stored, unaligned

SEED = 13
TYPES = [
    {"pool_type": "max"},
    {"pool_type": "sum"},
    {"pool_type": "avg", "count_include_pad": True},
    {"pool_type": "avg", "count_include_pad": False},
    *({"pool_type": "lp", "p_value": p} for p in (1, 2, 3)),
]
GEOMETRIES = [  # data, kernel, stride, pad
    ((2, 3, 9), (3,), (2,), (1,)),
    ((2, 2, 7), (3,), (1,), (0,)),
    ((2, 3, 8, 9), (2, 2), (2, 2), (0, 0)),
    ((2, 3, 8, 9), (3, 3), (2, 2), (1, 1)),
    ((1, 2, 9, 40), (3, 3), (1, 1), (1, 1)),
    ((1, 2, 11, 7), (5, 2), (3, 3), (2, 1)),
    ((2, 3, 6, 6), (6, 6), (1, 1), (0, 0)),
    ((1, 2, 7, 6), (2, 3), (3, 4), (0, 0)),
    ((1, 2, 5, 6, 7), (2, 3, 2), (2, 1, 2), (1, 1, 0)),
    ((1, 1, 2, 2), (3, 3), (1, 1), (2, 2)),
    ((3, 70, 1, 1), (1, 1), (1, 1), (0, 0)),
]


def output_size(data, kernel, stride, pad, full: bool) -> tuple[int, ...]:
    size = []
    for n, k, s, p in zip(data[2:], kernel, stride, pad, strict=True):
        steps = (n + 2 * p - k) / s
        size.append((math.ceil(steps) if full else math.floor(steps)) + 1)
    return (*data[:2], *size)


def pool(x, dy, out_shape, kernel, stride, pad, pool_type, p_value=2, count_include_pad=True):
    """Pooled values and the gradient, one window after the other."""
    y, dx = np.zeros(out_shape), np.zeros(x.shape)
    for at in itertools.product(*(range(n) for n in out_shape)):
        starts = [o * s - p for o, s, p in zip(at[2:], stride, pad, strict=True)]
        where = tuple(
            slice(max(0, b), max(0, min(b + k, n))) for b, k, n in zip(starts, kernel, x.shape[2:], strict=True)
        )
        window, grads = x[(*at[:2], *where)], dx[(*at[:2], *where)]
        if pool_type == "max":
            if window.size:
                y[at] = window.max()
                grads[np.unravel_index(window.argmax(), window.shape)] += dy[at]
            else:
                y[at] = -np.inf
            continue
        if pool_type == "avg":
            n = (
                window.size
                if not count_include_pad
                else math.prod(
                    min(b + k, m + p) - b for b, k, m, p in zip(starts, kernel, x.shape[2:], pad, strict=True)
                )
            )
            y[at] = window.sum() / max(n, 1)
            grads += dy[at] / max(n, 1)
            continue
        power = p_value if pool_type == "lp" else 1
        total = (window**power).sum()
        y[at] = np.sqrt(total) if power == 2 else np.cbrt(total) if power == 3 else total
        if y[at] != 0 or power == 1:
            grads += dy[at] * (window / (y[at] or 1)) ** (power - 1)
    return y, dx


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("data", "kernel", "stride", "pad"), GEOMETRIES)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_pooling_and_its_gradient(data, kernel, stride, pad, full, kind, dtype):
    rng = np.random.default_rng(SEED)
    shape = output_size(data, kernel, stride, pad, full)
    # Away from 0, where the third root has no derivative.
    x = stored(rng.uniform(0.5, 2, data), dtype)
    dy = stored(rng.uniform(-1, 1, shape), dtype)
    expected_y, expected_dx = pool(exact(x, dtype), exact(dy, dtype), shape, kernel, stride, pad, **kind)
    if kind["pool_type"] == "max":  # of an empty window: the lowest float32, which 16 bits do not hold
        expected_y[np.isneginf(expected_y)] = np.finfo(dtype).min if dtype in ("float32", "float64") else -np.inf
    params = {"kernel": kernel, "stride": stride, "pad": pad, **kind}
    (y,) = call("Pooling", [(unaligned(x), dtype)], [(dtype, shape)], **params)
    check(y, dtype, expected_y, factor=2)
    (dx,) = call("_pooling_backward", [(dy, dtype), (x, dtype), (y, dtype)], [(dtype, data)], **params)
    check(dx, dtype, expected_dx, factor=8)


def forward_and_gradient(values, shape, **params):
    x = np.array(values, np.float32).reshape(1, 1, -1)
    (y,) = call("Pooling", [(x, "float32")], [("float32", (1, 1, shape))], **params)
    dy = np.arange(1, shape + 1, dtype=np.float32).reshape(y.shape)
    (dx,) = call(
        "_pooling_backward", [(dy, "float32"), (x, "float32"), (y, "float32")], [("float32", x.shape)], **params
    )
    return y.ravel().tolist(), dx.ravel().tolist()


def test_first_of_equal_maxima_gets_the_gradient():
    y, dx = forward_and_gradient([2] * 7, 4, kernel=(3,), stride=(2,), pad=(1,), pool_type="max")
    assert y == [2, 2, 2, 2]
    assert dx == [1, 2, 0, 3, 0, 4, 0]


def test_maximum_ignores_nan_as_mxnet_does():
    y, dx = forward_and_gradient(
        [1, np.nan, 3, 2, np.nan, 5, 1], 3, kernel=(2,), stride=(2,), pad=(0,), pool_type="max"
    )
    assert y == [1, 3, 5]
    assert dx == [1, 0, 2, 0, 0, 3, 0]


def test_maximum_of_nothing_but_nan_or_minus_infinity():
    y, dx = forward_and_gradient(
        [np.nan, np.nan, -np.inf, np.nan], 2, kernel=(2,), stride=(2,), pad=(0,), pool_type="max"
    )
    assert np.isnan(y[0])
    assert y[1] == -np.inf
    assert dx == [0, 0, 2, 0]


@pytest.mark.parametrize(
    ("kind", "y", "dx"),
    [
        ("max", [1, 4, np.finfo(np.float32).min], [1, 0, 0, 2]),
        ("avg", [0.5, 3.5, 0], [0.5, 0, 1, 1]),
        ("sum", [1, 7, 0], [1, 0, 2, 2]),
    ],
)
def test_window_that_hangs_over_the_edge(kind, y, dx):
    got = forward_and_gradient([1, 2, 3, 4], 3, kernel=(2,), stride=(3,), pad=(1,), pool_type=kind)
    np.testing.assert_allclose(got[0], np.array(y, np.float32))
    np.testing.assert_allclose(got[1], dx)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("data", [(0, 3, 5, 5), (2, 0, 5, 5)])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_no_planes(data, kind, dtype):
    out = (*data[:2], 2, 2)
    params = {"kernel": (2, 2), "stride": (2, 2), "pool_type": kind}
    (y,) = call("Pooling", [(np.zeros(data, stored(0, dtype).dtype), dtype)], [(dtype, out)], **params)
    assert y.shape == out


def test_many_planes_on_several_threads():
    x = np.random.default_rng(SEED).normal(size=(32, 64, 28, 28)).astype(np.float32)
    params = {"kernel": (2, 2), "stride": (2, 2), "pool_type": "max"}
    (y,) = call("Pooling", [(x, "float32")], [("float32", (32, 64, 14, 14))], **params)
    blocks = x.reshape(32, 64, 14, 2, 14, 2)
    np.testing.assert_array_equal(y, blocks.max(axis=(3, 5)))
    (dx,) = call(
        "_pooling_backward", [(y, "float32"), (x, "float32"), (y, "float32")], [("float32", x.shape)], **params
    )
    np.testing.assert_array_equal(dx, np.where(x == y.repeat(2, 2).repeat(2, 3), x, 0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(("k", "height", "width"), [(2, 20, 23), (2, 10, 7), (3, 10, 19), (1, 20, 23)])
def test_gradient_past_the_caches(k, height, width, kind, dtype):
    rows, columns = k * height, k * width
    planes = (18 << 20) // (4 * (rows + 1) * columns)  # 16 MB and more are streamed; the last row is in no window
    shape, small = (1, planes, rows + 1, columns), (1, planes, height, width)
    rng = np.random.default_rng(SEED)
    x = unaligned(stored(rng.permutation(np.prod(shape)).reshape(shape), dtype))
    dy = stored(rng.uniform(-1, 1, small), dtype)
    blocks = x[:, :, :-1].reshape(planes, height, k, width, k)
    chosen = blocks == blocks.max(axis=(2, 4), keepdims=True) if kind == "max" else np.full(blocks.shape, 1 / k**2)
    expected = np.zeros(shape, dtype)
    expected[:, :, :-1] = (chosen * dy.reshape(planes, height, 1, width, 1)).reshape(1, planes, rows, columns)
    params = {"kernel": (k, k), "stride": (k, k), "pool_type": kind}
    (y,) = call("Pooling", [(x, dtype)], [(dtype, small)], **params)
    (dx,) = call("_pooling_backward", [(dy, dtype), (x, dtype), (y, dtype)], [(dtype, shape)], **params)
    np.testing.assert_allclose(dx, expected, rtol=1e-6)
