"""take, pick, one_hot and their gradients, against NumPy and the conventions measured on MXNet 1.9.1."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_call import DTYPES, FLOATS, call, check, exact, stored, unaligned

SEED = 11
NUMPY_MODE = {"clip": "clip", "wrap": "wrap", "raise": "raise"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), [((5,), 0), ((5, 3), 0), ((5, 3), 1), ((2, 4, 3), 1), ((2, 3, 2, 4, 2), 3)])
@pytest.mark.parametrize("index_shape", [(), (0,), (4,), (2, 3)])
def test_take(dtype, shape, axis, index_shape):
    rng = np.random.default_rng(SEED)
    x = stored(rng.integers(0, 2 if dtype == "bool" else 100, shape), dtype)
    for mode, low, high in (("clip", -9, 9), ("wrap", -9, 9), ("raise", 0, shape[axis])):
        index = rng.integers(low, high, index_shape).astype(np.int32)
        expected = np.take(x, index, axis=axis, mode=mode)
        (y,) = call("take", [(unaligned(x), dtype), (index, "int32")], [(dtype, expected.shape)], axis=axis, mode=mode)
        np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize(
    "index_dtype", ["float32", "float64", "float16", "bfloat16", "uint8", "int8", "int32", "int64", "bool"]
)
def test_take_reads_any_index_dtype(index_dtype):
    x = np.arange(10, dtype=np.float32)
    index = [1, 0, 1] if index_dtype == "bool" else [1, 0, 9]
    (y,) = call(
        "take", [(x, "float32"), (stored(index, index_dtype), index_dtype)], [("float32", (3,))], axis=0, mode="raise"
    )
    np.testing.assert_array_equal(y, index)


def test_take_truncates_floats_and_survives_what_is_no_index():
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    index = np.array([0, 7, -1, -8, 4.9, -0.5], np.float32)
    (y,) = call("take", [(x, "float32"), (index, "float32")], [("float32", (6, 3))], axis=0, mode="clip")
    np.testing.assert_array_equal(y[:, 0], [0, 12, 0, 0, 12, 0])
    (y,) = call("take", [(x, "float32"), (index, "float32")], [("float32", (6, 3))], axis=0, mode="wrap")
    np.testing.assert_array_equal(y[:, 0], [0, 6, 12, 6, 12, 0])
    odd = np.array([np.nan, np.inf, -np.inf, 1e20], np.float32)
    (y,) = call("take", [(x, "float32"), (odd, "float32")], [("float32", (4, 3))], axis=0, mode="clip")
    np.testing.assert_array_equal(y[:, 0], [0, 12, 0, 12])
    call("take", [(x, "float32"), (odd, "float32")], [("float32", (4, 3))], axis=0, mode="wrap")


@pytest.mark.parametrize(("index", "text"), [(7, "7"), (-1, "-1"), (np.nan, "nan")])
def test_take_in_mode_raise_names_the_index(index, text):
    x = np.zeros((5, 3), np.float32)
    message = f"index {text} is out of bounds for axis 0 with size 5"
    with pytest.raises(RuntimeError, match=message):
        call("take", [(x, "float32"), (np.array([0.0, index]), "float64")], [("float32", (2, 3))], axis=0, mode="raise")


def test_take_from_an_empty_axis():
    x = np.zeros((0, 3), np.float32)
    (y,) = call("take", [(x, "float32"), (np.zeros(0, np.int32), "int32")], [("float32", (0, 3))], axis=0, mode="clip")
    assert y.shape == (0, 3)
    with pytest.raises(RuntimeError, match="cannot take from axis 0, which is empty"):
        call("take", [(x, "float32"), (np.zeros(1, np.int32), "int32")], [("float32", (1, 3))], axis=0, mode="clip")


@pytest.mark.parametrize("dtype", [*FLOATS, "int32", "uint8"])
@pytest.mark.parametrize(("shape", "axis"), [((5,), 0), ((5, 3), 0), ((5, 3), 1), ((2, 4, 3), 1)])
@pytest.mark.parametrize("mode", ["clip", "wrap"])
def test_take_backward_adds_repeated_rows(dtype, shape, axis, mode):
    rng = np.random.default_rng(SEED)
    index = rng.integers(-9, 9, (3, 4)).astype(np.float32)
    n = shape[axis]
    at = np.clip(index, 0, n - 1).astype(int) if mode == "clip" else index.astype(int) % n
    dy_shape = shape[:axis] + index.shape + shape[axis + 1 :]
    dy = stored(rng.integers(0, 9, dy_shape), dtype)
    expected = np.zeros(shape)
    rows = np.moveaxis(exact(dy, dtype).astype(float).reshape(shape[:axis] + (-1,) + shape[axis + 1 :]), axis, 0)
    np.add.at(np.moveaxis(expected, axis, 0), at.ravel(), rows)
    (dx,) = call("_take_backward", [(dy, dtype), (index, "float32")], [(dtype, shape)], axis=axis, mode=mode)
    np.testing.assert_array_equal(dx, stored(expected, dtype))


def test_take_backward_sums_float16_in_float32():
    dy = np.full((4096, 1), 1, np.float16)
    (dx,) = call(
        "_take_backward",
        [(dy, "float16"), (np.zeros(4096, np.int32), "int32")],
        [("float16", (2, 1))],
        axis=0,
        mode="clip",
    )
    np.testing.assert_array_equal(dx, [[4096], [0]])


def test_take_backward_on_several_threads():
    rng = np.random.default_rng(SEED)
    index = rng.integers(0, 1000, 3000)
    dy = rng.integers(0, 9, (3000, 64)).astype(np.float32)
    expected = np.zeros((1000, 64), np.float32)
    np.add.at(expected, index, dy)
    (dx,) = call("_take_backward", [(dy, "float32"), (index, "int64")], [("float32", (1000, 64))], axis=0, mode="clip")
    np.testing.assert_array_equal(dx, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "axis"), [((5,), 0), ((5, 3), 0), ((5, 3), 1), ((2, 4, 3), 1), ((0, 4), 1), ((2, 3, 2, 4, 2), 3)]
)
@pytest.mark.parametrize("mode", ["clip", "wrap"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_pick_and_its_gradient(dtype, shape, axis, mode, keepdims):
    rng = np.random.default_rng(SEED)
    x = stored(rng.integers(0, 2 if dtype == "bool" else 100, shape), dtype)
    n = shape[axis]
    kept = shape[:axis] + (1,) + shape[axis + 1 :]
    index = rng.integers(-9, 9, kept).astype(np.float32)
    at = np.clip(index, 0, n - 1).astype(int) if mode == "clip" else index.astype(int) % n
    expected = np.take_along_axis(x, at, axis)
    shape_of_pick = kept if keepdims else shape[:axis] + shape[axis + 1 :]
    given = index.reshape(shape_of_pick)
    (y,) = call("pick", [(x, dtype), (given, "float32")], [(dtype, shape_of_pick)], axis=axis, mode=mode)
    np.testing.assert_array_equal(y, expected.reshape(shape_of_pick))

    gradient = np.zeros_like(x)
    np.put_along_axis(gradient, at, expected, axis)
    (dx,) = call("_pick_backward", [(y, dtype), (given, "float32")], [(dtype, shape)], axis=axis, mode=mode)
    np.testing.assert_array_equal(dx, gradient)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index_dtype", ["float32", "float16", "int32", "int64", "uint8"])
@pytest.mark.parametrize("shape", [(), (0,), (4,), (2, 3)])
def test_one_hot(dtype, index_dtype, shape):
    rng = np.random.default_rng(SEED)
    index = rng.integers(0 if index_dtype == "uint8" else -2, 7, shape)
    expected = np.where(index[..., None] == np.arange(5), 5, 2)
    (y,) = call(
        "one_hot",
        [(stored(index, index_dtype), index_dtype)],
        [(dtype, expected.shape)],
        depth=5,
        on_value=5.0,
        off_value=2.0,
    )
    check(y, dtype, expected if dtype in FLOATS else stored(expected, dtype))


def test_one_hot_truncates_indices_and_values():
    index = np.array([0, 3, -1, 2.9, -0.5, np.nan], np.float32)
    (y,) = call("one_hot", [(index, "float32")], [("int32", (6, 3))], depth=3, on_value=2.7, off_value=-1.5)
    np.testing.assert_array_equal(y, [[2, -1, -1], [-1] * 3, [-1] * 3, [-1, -1, 2], [2, -1, -1], [-1] * 3])
