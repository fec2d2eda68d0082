"""_order, _take_along, _put_along, _put_rows, _cumsum and _count_in_bins, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_call import DTYPES, FLOATS, call, check, exact, stored, unaligned

SEED = 5


def ordered(x, k, ascending):
    """NumPy's stable order of the rows of exact values, NaN last."""
    keys = x if ascending else -x
    return np.argsort(keys, axis=-1, kind="stable")[..., :k]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "k"), [((5,), 5), ((3, 7), 2), ((2, 300), 300), ((2, 700), 10), ((2, 3, 9), 1), ((4, 1), 1)]
)
@pytest.mark.parametrize("ascending", [False, True])
def test_order(dtype, shape, k, ascending):
    rng = np.random.default_rng(SEED)
    x = stored(rng.integers(0, 2 if dtype == "bool" else 100, shape), dtype)  # with many equal elements
    wide = exact(x, dtype).astype("float64")
    expected = ordered(wide, k, ascending)
    for places in ("int32", "int64"):
        values, index = call(
            "_order",
            [(unaligned(x), dtype)],
            [(dtype, expected.shape), (places, expected.shape)],
            k=k,
            is_ascend=ascending,
        )
        np.testing.assert_array_equal(index, expected)
        np.testing.assert_array_equal(values, np.take_along_axis(x, expected, -1))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "int8"])
@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("k", [1, 40, 5000])
def test_order_of_a_long_row_with_extremes(dtype, ascending, k):
    rng = np.random.default_rng(SEED)
    if dtype.startswith("float"):
        x = rng.standard_normal(5000).astype(dtype)
        x[rng.integers(0, 5000, 50)] = np.nan
        x[rng.integers(0, 5000, 50)] = np.inf
        x[rng.integers(0, 5000, 50)] = -np.inf
        x[rng.integers(0, 5000, 50)] = -0.0
        x[rng.integers(0, 5000, 50)] = 0.0
        expected = ordered(x.astype("float64"), k, ascending)
    else:
        info = np.iinfo(dtype)
        x = rng.integers(info.min, info.max, 5000, dtype=dtype, endpoint=True)
        x[:2] = info.min, info.max
        keys = x if ascending else ~x
        expected = np.argsort(keys, kind="stable")[:k]
    _, index = call("_order", [(x, dtype)], [(dtype, (k,)), ("int32", (k,))], k=k, is_ascend=ascending)
    np.testing.assert_array_equal(index, expected)


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0,)])
def test_order_of_nothing(shape):
    values, index = call(
        "_order",
        [(np.zeros(shape, np.float32), "float32")],
        [("float32", shape), ("int32", shape)],
        k=shape[-1],
        is_ascend=True,
    )
    assert values.shape == index.shape == shape


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("places", ["int32", "int64"])
def test_take_and_put_along(dtype, places):
    rng = np.random.default_rng(SEED)
    x = stored(rng.integers(0, 2, (4, 9)), dtype)
    index = np.argsort(rng.standard_normal((4, 9)), axis=-1)[:, :5].astype(places)
    (taken,) = call("_take_along", [(x, dtype), (index, places)], [(dtype, (4, 5))])
    np.testing.assert_array_equal(taken, np.take_along_axis(x, index, -1))
    (put,) = call("_put_along", [(taken, dtype), (index, places)], [(dtype, (4, 9))])
    expected = np.zeros_like(x)
    np.put_along_axis(expected, index, taken, -1)
    np.testing.assert_array_equal(put, expected)


def test_places_outside_of_the_row_touch_nothing():
    index = np.array([[-1, 2, 1 << 40, -(1 << 62)]])
    x = np.ones((1, 2), np.float32)
    (taken,) = call("_take_along", [(x, "float32"), (index, "int64")], [("float32", (1, 4))])
    assert not taken.any()
    (put,) = call("_put_along", [(np.ones((1, 4), np.float32), "float32"), (index, "int64")], [("float32", (1, 2))])
    assert not put.any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("inplace", [{}, {0: 0}])
def test_put_rows(dtype, inplace):
    rng = np.random.default_rng(SEED)
    x, rows = (stored(rng.integers(0, 2, shape), dtype) for shape in ((6, 3), (4, 3)))
    index = np.array([5, 0, 5, 2])
    expected = x.copy()
    for place, row in zip(index, rows, strict=True):
        expected[place] = row
    (y,) = call("_put_rows", [(x, dtype), (index, "int64"), (rows, dtype)], [(dtype, (6, 3))], inplace=inplace)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("index", [6, -1, np.iinfo(np.int64).min])
def test_put_rows_names_the_index(index):
    with pytest.raises(RuntimeError, match=f"index {index} is out of bounds for axis 0 with size 6"):
        call(
            "_put_rows",
            [
                (np.zeros((6, 2), np.float32), "float32"),
                (np.array([index]), "int64"),
                (np.ones((1, 2), np.float32), "float32"),
            ],
            [("float32", (6, 2))],
        )


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != "bool"])
@pytest.mark.parametrize(
    ("shape", "axis"), [((7,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 5, 130), 1), ((0, 3), 1), ((2, 0), 0)]
)
@pytest.mark.parametrize("reverse", [False, True])
def test_cumsum(dtype, shape, axis, reverse):
    rng = np.random.default_rng(SEED)
    x = stored(rng.integers(0, 9, shape), dtype)
    wide = exact(x, dtype).astype("float64")
    expected = np.flip(np.cumsum(np.flip(wide, axis), axis), axis) if reverse else np.cumsum(wide, axis)
    (y,) = call("_cumsum", [(x, dtype)], [(dtype, shape)], axis=axis, reverse=reverse)
    check(y, dtype, expected if dtype in FLOATS else stored(expected, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8"])
def test_count_in_bins(dtype):
    rng = np.random.default_rng(SEED)
    x = stored(rng.integers(0, 12, 500), dtype)
    edges = np.array([1.0, 2.0, 2.0, 5.5, 10.0])
    (y,) = call("_count_in_bins", [(x, dtype), (edges, "float64")], [("int64", (4,))])
    np.testing.assert_array_equal(y, np.histogram(x, edges)[0])


def test_count_in_bins_survives_nan_and_edges_out_of_order():
    x = np.array([np.nan, np.inf, -np.inf, 1, 2, 3], np.float32)
    (y,) = call("_count_in_bins", [(x, "float32"), (np.array([0, np.nan, 4.0]), "float64")], [("int64", (2,))])
    assert y.sum() == 3
    (y,) = call("_count_in_bins", [(x, "float32"), (np.array([4.0, 1, 0]), "float64")], [("int64", (2,))])
    assert y.tolist() == [0, 0]
