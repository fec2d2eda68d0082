"""Kernels that move elements, against NumPy indexing."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_call import DTYPES, call, stored, unaligned

SEED = 7


def values(shape, dtype: str) -> np.ndarray:
    """Distinct small numbers of that dtype (random ones for bool), as stored."""
    rng = np.random.default_rng(SEED)
    high = 2 if dtype == "bool" else 100
    return stored(rng.integers(0, high, shape), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 0, 2), (33, 65)])
def test_copy(dtype, shape):
    x = values(shape, dtype)
    (y,) = call("_copy", [(unaligned(x), dtype)], [(dtype, shape)])
    np.testing.assert_array_equal(y, x)


def test_copy_may_reshape_and_be_in_place():
    x = values((4, 6), "float32")
    (y,) = call("_copy", [(x, "float32")], [("float32", (2, 12))], inplace={0: 0})
    np.testing.assert_array_equal(y, x.reshape(2, 12))


TRANSPOSES = [
    ((), ()),
    ((5,), (0,)),
    ((0, 3), (1, 0)),
    ((1, 9), (1, 0)),
    ((33, 65), (1, 0)),
    ((64, 128), (1, 0)),
    ((2, 3, 4), (2, 1, 0)),
    ((2, 17, 35), (0, 2, 1)),
    ((17, 2, 35), (1, 0, 2)),
    ((19, 21, 3), (2, 0, 1)),
    ((2, 3, 17, 19), (0, 2, 3, 1)),
    ((2, 17, 19, 3), (0, 3, 1, 2)),
    ((2, 3, 4, 5, 6), (4, 2, 0, 3, 1)),
    ((2, 3, 2, 3, 2, 3, 2, 3), (7, 1, 5, 3, 6, 0, 4, 2)),
    ((130, 70), (1, 0)),
    ((2, 2, 40, 50), (1, 3, 0, 2)),
]


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "float64"])
@pytest.mark.parametrize(("shape", "axes"), TRANSPOSES)
def test_transpose(dtype, shape, axes):
    x = unaligned(values(shape, dtype))
    expected = np.transpose(x, axes)
    (y,) = call("_transpose", [(x, dtype)], [(dtype, expected.shape)], axes=list(axes))
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    ("shape", "axes"), [((1024, 700), (1, 0)), ((40, 30, 64, 33), (0, 2, 3, 1)), ((64, 300, 300), (2, 1, 0))]
)
def test_large_transpose_on_several_threads(shape, axes):
    x = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    expected = np.transpose(x, axes)
    (y,) = call("_transpose", [(x, "int32")], [("int32", expected.shape)], axes=list(axes))
    np.testing.assert_array_equal(y, expected)


# 16 MB and more are stored past the caches, in whole lines where rows of the result begin them.
LARGE_TRANSPOSES = [
    ((2048, 2064), (1, 0)),
    ((2048, 2049), (1, 0)),
    ((2049, 2064), (1, 0)),
    ((3, 80, 20000), (0, 2, 1)),
    ((16, 2, 40, 4000), (2, 1, 0, 3)),
]


@pytest.mark.parametrize("dtype", ["int16", "int32", "int64"])
@pytest.mark.parametrize(("shape", "axes"), LARGE_TRANSPOSES)
def test_transpose_past_the_caches(dtype, shape, axes):
    numbers = np.arange(np.prod(shape), dtype=np.int32).astype(dtype).reshape(shape)
    kernel_dtype = {"int16": "float16"}.get(dtype, dtype)  # moved by size
    x = unaligned(numbers).view(kernel_dtype)
    expected = np.transpose(numbers, axes)
    (y,) = call("_transpose", [(x, kernel_dtype)], [(kernel_dtype, expected.shape)], axes=list(axes))
    np.testing.assert_array_equal(y.view(dtype), expected)


@pytest.mark.parametrize("width", [128, 1000, 1001])
def test_concat_and_slice_past_the_caches(width):
    rows = (20 << 20) // 8 // width
    left, right = values((rows, width), "float32"), values((rows, width), "float32")
    both = np.concatenate([left, right], 1)
    (y,) = call("_concat", [(left, "float32"), (right, "float32")], [("float32", both.shape)], axis=1)
    np.testing.assert_array_equal(y, both)
    (part,) = call("_slice", [(both, "float32")], [("float32", (rows, 2 * width - 3))], begin=[0, 3], step=[1, 1])
    np.testing.assert_array_equal(part, both[:, 3:])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shapes", "axis"),
    [
        ([(2, 3), (2, 5)], 1),
        ([(2, 3), (4, 3)], 0),
        ([(3,)], 0),
        ([(2, 1, 4), (2, 0, 4), (2, 2, 4)], 1),
        ([(5, 1), (5, 1), (5, 1)], 1),
        ([(0, 2), (0, 3)], 1),
        ([(2, 3, 4, 2, 1), (2, 3, 4, 2, 2)], 4),
    ],
)
def test_concat(dtype, shapes, axis):
    parts = [values(s, dtype) for s in shapes]
    expected = np.concatenate(parts, axis)
    (y,) = call("_concat", [(p, dtype) for p in parts], [(dtype, expected.shape)], axis=axis)
    np.testing.assert_array_equal(y, expected)


SLICES = [
    ((9,), (slice(2, 7),)),
    ((9,), (slice(7, 1, -2),)),
    ((9,), (slice(8, None, -1),)),
    ((4, 5), (slice(1, 3), slice(0, 5))),
    ((4, 5), (slice(3, None, -1), slice(4, None, -2))),
    ((0, 3), (slice(0, 0), slice(0, 2))),
    ((6, 7, 8), (slice(0, 6, 2), slice(1, 6), slice(2, 8, 3))),
    ((5, 4), (slice(2, 2), slice(0, 4))),
    ((), ()),
    ((2, 3, 4, 5, 6), (slice(0, 2), slice(2, None, -1), slice(0, 4), slice(1, 4), slice(0, 6))),
    ((40, 50), (slice(0, 40), slice(3, 9))),
    ((40, 50), (slice(0, 40), slice(3, 43))),
]


def begin_and_step(shape, slices) -> dict[str, list[int]]:
    ranges = [range(*s.indices(n)) for s, n in zip(slices, shape, strict=True)]
    return {"begin": [r.start if len(r) else 0 for r in ranges], "step": [r.step for r in ranges]}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "slices"), SLICES)
def test_slice_its_gradient_and_assignment(dtype, shape, slices):
    x = values(shape, dtype)
    where = begin_and_step(shape, slices)
    expected = x[slices]
    (y,) = call("_slice", [(unaligned(x), dtype)], [(dtype, expected.shape)], **where)
    np.testing.assert_array_equal(y, expected)

    zeros = np.zeros_like(x)
    zeros[slices] = expected
    (dx,) = call("_slice_backward", [(expected.copy(order="C"), dtype)], [(dtype, shape)], **where)
    np.testing.assert_array_equal(dx, zeros)

    source = values(expected.shape, dtype)
    assigned = np.array(x)
    assigned[slices] = source
    for inplace in ({}, {0: 0}):
        (z,) = call("_slice_assign", [(x, dtype), (source, dtype)], [(dtype, shape)], inplace=inplace, **where)
        np.testing.assert_array_equal(z, assigned)


@pytest.mark.parametrize("source_shape", [(), (1,), (3,), (2, 1), (2, 3), (1, 2, 3)])
def test_slice_assign_broadcasts(source_shape):
    x = values((4, 5), "float32")
    source = np.arange(np.prod(source_shape, dtype=int), dtype=np.float32).reshape(source_shape) + 200
    expected = x.copy()
    expected[1:3, 0:5:2] = source
    (y,) = call(
        "_slice_assign",
        [(x, "float32"), (source, "float32")],
        [("float32", (4, 5))],
        begin=[1, 0],
        step=[1, 2],
        shape=[2, 3],
    )
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
def test_slice_assign_converts(source, target):
    numbers = np.array([0, 1, 5, 2.75, 100]) if source in DTYPES[:4] else np.array([0, 1, 5, 2, 100])
    given = stored(numbers, source)
    x = stored(np.zeros(7), target)
    real = np.array([0, 1, 1, 1, 1]) if source == "bool" else numbers
    expected = real != 0 if target == "bool" else real if target in DTYPES[:4] else np.trunc(real)
    (y,) = call("_slice_assign", [(x, target), (given, source)], [(target, (7,))], begin=[1], step=[1])
    np.testing.assert_array_equal(y, stored([0, *expected, 0], target))


def test_slice_assign_reads_its_source_before_writing():
    x = np.arange(6, dtype=np.float32)
    (y,) = call("_slice_assign", [(x, "float32"), (x[:5], "float32")], [("float32", (6,))], begin=[1], step=[1])
    np.testing.assert_array_equal(y, [0, 0, 1, 2, 3, 4])


def test_slice_outside_of_the_array_is_refused():
    x = np.zeros((3, 4), np.float32)
    with pytest.raises(RuntimeError, match="slice of axis 1 runs from 2 to 5, outside of its size 4"):
        call("_slice", [(x, "float32")], [("float32", (3, 4))], begin=[0, 2], step=[1, 1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("n", "params"),
    [(0, {}), (5, {}), (6, {"start": 3.0, "step": 2.0, "repeat": 2}), (4, {"start": 9.0, "step": -3.0})],
)
def test_arange(dtype, n, params):
    start, step, repeat = params.get("start", 0.0), params.get("step", 1.0), params.get("repeat", 1)
    expected = start + step * (np.arange(n) // repeat)
    (y,) = call("_arange", [], [(dtype, (n,))], **params)
    np.testing.assert_array_equal(y, stored(expected.astype(np.int64) if dtype == "uint8" else expected, dtype))


def test_arange_converts_start_and_step_first_as_mxnet_does():
    (y,) = call("_arange", [], [("int32", (4,))], start=0.5, step=1.5)
    np.testing.assert_array_equal(y, [0, 1, 2, 3])


def test_arange_beyond_the_integers_wraps():
    (y,) = call("_arange", [], [("int64", (3,))], start=1e300, step=-1e300)
    np.testing.assert_array_equal(y, [2**63 - 1024, 0, -(2**63) + 1024])
    (y,) = call("_arange", [], [("uint8", (3,))], start=float("nan"), step=256.0)
    np.testing.assert_array_equal(y, [0, 0, 0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (4, 4), (3, 6), (6, 3), (0, 3)])
@pytest.mark.parametrize("k", [0, 1, -2, 10, -10])
def test_eye(dtype, shape, k):
    (y,) = call("_eye", [], [(dtype, shape)], k=k)
    np.testing.assert_array_equal(y, stored(np.eye(*shape, k=k), dtype))
