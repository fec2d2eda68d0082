"""x[key] and x[key] = value: every kind of key against NumPy, and what MXNet 1.9.1 does otherwise.

The tests run on the real 1.9.1 too, but for those marked `ours`, which hold what differs on purpose.
"""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx

OURS = hasattr(mx.nd.NDArray, "_reshape_view")
ours = pytest.mark.skipif(not OURS, reason="1.9.1 raises, dies or errs here")

KEYS = [
    0, -1, np.int64(1), slice(None), slice(1, 3), slice(-2, None), slice(None, None, 2), slice(None, None, -1),
    slice(2, 0, -1), slice(0, 100), Ellipsis, None, (), (1, 2), (1, 2, 0), (-1, slice(1, 3)), (slice(None), 1),
    (slice(None), slice(1, 2)), (slice(1, 3), slice(None), 0), (Ellipsis, 1), (Ellipsis, 1, slice(None)), (0, Ellipsis),
    (None, 1), (slice(None), None, 1), (Ellipsis, None), (slice(None, None, -2), slice(None, None, -1)),
    (1, slice(1, 3), slice(0, 2)), (1, slice(None), slice(0, 2)), (slice(0, 1), slice(1, 2), slice(None)),
    [0, 2], [1], [-1, 0, 0], range(2), np.array([2, 1]), np.array([[0, 1], [2, 0]]), ([0, 1], [1, 2]),
    ([0, 1], slice(None), [1, 0]), (slice(None), [0, 2]), (slice(None), [0, 2], [0, 1]), (Ellipsis, [1, 0]),
    ([0, 2], slice(1, 3)), (1, [0, 2]), (1, slice(None), [0, 1]), ([0, 1], 2), (slice(None, None, 2), [1, 2]),
    (None, [0, 1]), (slice(None), None, [1, 2]), (slice(0, 2), [2, 1, 0], slice(None, None, -1)),
    ([[0], [1]], [[1, 2]]), ([0, 1], 1, [1, 0]), (np.array([0, 1]), [1, 2], 0),
]  # fmt: skip


def source(dtype="float32"):
    return np.arange(4 * 3 * 2).reshape(4, 3, 2).astype(dtype)


def expected(values, key):
    """NumPy's answer, with MXNet's shape for a single element."""
    result = values[list(key) if isinstance(key, range) else key]
    return result.reshape(1) if result.ndim == 0 else result


def has_negative_list(key):
    return any(isinstance(item, list) and np.min(item) < 0 for item in (key if isinstance(key, tuple) else (key,)))


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_getitem(key):
    values = source()
    result = mx.nd.array(values)[key]
    np.testing.assert_array_equal(result.asnumpy(), expected(values, key))
    assert result.shape == expected(values, key).shape


@pytest.mark.parametrize("key", KEYS, ids=repr)
@pytest.mark.parametrize("kind", ["number", "numpy", "array", "list", "row"])
def test_setitem(key, kind):
    values = source()
    array = mx.nd.array(values)
    if not OURS and (has_negative_list(key) or (kind == "numpy" and str(key) == "(Ellipsis, None)")):
        pytest.skip("1.9.1 writes outside the array, or raises")
    key = list(key) if isinstance(key, range) else key
    selected = values[key]
    new = -np.arange(selected.size, dtype="float32").reshape(selected.shape) - 1
    value = {"number": 7, "numpy": new, "array": None, "list": new.tolist(), "row": None}[kind]
    if kind == "array":
        new = expected(values, key) * -1
        value = mx.nd.array(new)
        values[key] = new.reshape(selected.shape)
    elif kind == "row":
        new = np.full(selected.shape[-1:] or (1,), -5, dtype="float32")
        value = mx.nd.array(new)
        values[key] = -5
    else:
        values[key] = value
    array[key] = value
    np.testing.assert_array_equal(array.asnumpy(), values)


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_gradient(key):
    if not OURS and has_negative_list(key):
        pytest.skip("1.9.1 writes outside the array")
    values = source()
    array = mx.nd.array(values)
    array.attach_grad()
    with mx.autograd.record():
        result = array[key] * 2
    result.backward()
    gradient = np.zeros_like(values)
    np.add.at(gradient, list(key) if isinstance(key, range) else key, 2)
    np.testing.assert_array_equal(array.grad.asnumpy(), gradient)


@pytest.mark.parametrize(
    "key",
    [0, -1, slice(1, 3), slice(None), Ellipsis, None, (1, 2), (1, 2, 0), (1, slice(1, 3)), (slice(0, 1), slice(1, 2)),
     (slice(1, 3), slice(None)), (slice(None), None), (2, 1, slice(0, 1))],
    ids=repr,
)  # fmt: skip
def test_contiguous_selections_are_views(key):
    values = source()
    array = mx.nd.array(values)
    view = array[key]
    view[:] = -1
    values[key] = -1
    np.testing.assert_array_equal(array.asnumpy(), values)
    view += 3
    values[key] = 2
    np.testing.assert_array_equal(array.asnumpy(), values)
    array[:] = 5
    assert (view.asnumpy() == 5).all()


@pytest.mark.parametrize("key", [slice(None, None, 2), (slice(None), 1), [0, 1], (slice(1, 3), slice(0, 2))], ids=repr)
def test_other_selections_are_copies(key):
    array = mx.nd.array(source())
    array[key][:] = -1
    np.testing.assert_array_equal(array.asnumpy(), source())


@ours
def test_random_keys_against_numpy():
    random = np.random.RandomState(7)
    for number in range(400):
        shape = tuple(random.randint(1, 5, random.randint(1, 5)))
        key = _random_key(random, shape)
        values = random.randint(-9, 9, shape).astype("float32")
        array = mx.nd.array(values)
        try:
            wanted = expected(values, key)
        except IndexError:  # index arrays that do not broadcast
            with pytest.raises(IndexError):
                array[key]
            continue
        np.testing.assert_array_equal(array[key].asnumpy(), wanted, err_msg=f"{number}: {shape} {key}")
        array[key], values[key] = 99, 99
        np.testing.assert_array_equal(array.asnumpy(), values, err_msg=f"{number}: {shape} {key}")


def _random_key(random, shape):
    key = []
    for size in shape[: random.randint(0, len(shape) + 1)]:
        kind = random.randint(6)
        if kind == 0:
            key.append(int(random.randint(-size, size)))
        elif kind == 1:
            key.append(random.randint(-size, size, (2,)).tolist())
        elif kind == 2:
            key.append(random.randint(-size, size, (3, 1)))
        else:
            bounds = [None if random.randint(3) == 0 else int(random.randint(-size - 1, size + 2)) for _ in range(2)]
            key.append(slice(*bounds, int(random.choice([1, 1, 2, -1, -2]))))
        if random.randint(8) == 0:
            key.append(None)
    if random.randint(4) == 0 and sum(item is not None for item in key) < len(shape):
        key.insert(random.randint(len(key) + 1), Ellipsis)
    return tuple(key)


def test_ndarray_as_key():
    values = source()
    array = mx.nd.array(values)
    for index in (mx.nd.array([0, 2]), mx.nd.array([0, 2], dtype="int32"), mx.nd.array([2, 0], dtype="int64")):
        numbers = index.asnumpy().astype(int)
        np.testing.assert_array_equal(array[index].asnumpy(), values[numbers])
        np.testing.assert_array_equal(array[:, index].asnumpy(), values[:, numbers])
        np.testing.assert_array_equal(array[index, index].asnumpy(), values[numbers, numbers])


def test_comparisons_are_rows_not_masks():
    """A quirk of the classic interface: the result of a comparison is of floats, and floats are row numbers."""
    array = mx.nd.array([[1, -1], [2, 3], [4, 5]])
    assert array[mx.nd.array([1, 0, 1])].shape == (3, 2)
    assert array[array > 0].shape == (3, 2, 2)
    np.testing.assert_array_equal(array[[True, False]].asnumpy(), [[2, 3], [1, -1]])


@ours
def test_bool_arrays_are_masks():
    values = source()
    array = mx.nd.array(values)
    mask = mx.nd.array(values > 7, dtype="bool")
    np.testing.assert_array_equal(array[mask].asnumpy(), values[values > 7])
    array[mask] = 0
    np.testing.assert_array_equal(array.asnumpy(), np.where(values > 7, 0, values))
    rows = mx.nd.array([True, False, True, False], dtype="bool")
    np.testing.assert_array_equal(mx.nd.array(values)[rows].asnumpy(), values[[0, 2]])


def test_values_are_converted():
    array = mx.nd.zeros((2, 3), dtype="int32")
    array[0] = 1.7
    array[1] = mx.nd.array([1.2, 2.9, 3.0])
    np.testing.assert_array_equal(array.asnumpy(), [[1, 1, 1], [1, 2, 3]])
    array[:, 1] = [True, False]
    array[:, 2:] = np.array([[7.9], [8.9]])
    np.testing.assert_array_equal(array.asnumpy(), [[1, 1, 7], [1, 0, 8]])
    assert array.dtype == np.int32


def test_chained_assignment_writes_through():
    array = mx.nd.zeros((3, 4))
    array[1][2] = 5
    array[2][1:3] = [6, 7]
    wanted = np.zeros((3, 4))
    wanted[1, 2], wanted[2, 1:3] = 5, [6, 7]
    np.testing.assert_array_equal(array.asnumpy(), wanted)


@pytest.mark.parametrize(
    ("key", "error"),
    [(5, IndexError), (-5, IndexError), ((0, 7), IndexError), ((0, 0, 0, 0), IndexError),
     ((Ellipsis, Ellipsis), IndexError), (1.5, ValueError), ("a", ValueError)],
    ids=repr,
)  # fmt: skip
def test_wrong_keys(key, error):
    array = mx.nd.zeros((4, 3, 2))
    with pytest.raises(error):
        array[key]
    with pytest.raises(error):
        array[key] = 1
    assert not array.asnumpy().any()


@ours
def test_out_of_range_index_arrays():
    array = mx.nd.zeros((4, 3))
    for key in ([4], [-5], (slice(None), [3]), ([0, 1], [0, 3])):
        with pytest.raises(IndexError, match="out of bounds"):
            array[key]
        with pytest.raises(IndexError, match="out of bounds"):
            array[key] = 1
    with pytest.raises(IndexError, match=r"index 5 is out of bounds for axis 0 with size 4; valid are -4 to 3"):
        array[[5]]


@pytest.mark.parametrize("value", ["a", pytest.param(None, marks=ours), {}, [[1, 2], [3]]], ids=repr)
def test_wrong_values(value):
    array = mx.nd.zeros((2, 3))
    with pytest.raises((TypeError, ValueError)):
        array[0] = value


def test_values_that_do_not_fit():
    array = mx.nd.zeros((2, 3))
    for key, value in ((0, mx.nd.ones((2,))), (slice(None), np.ones((3, 3))), ((slice(None), 1), np.ones(3))):
        with pytest.raises(ValueError, match="broadcast"):
            array[key] = value


@ours
def test_empty_selections():
    array = mx.nd.array(source())
    for key in (slice(3, 2), (slice(None), slice(1, 1)), (slice(0, 0), [0, 1]), []):
        wanted = source()[np.array([], int) if isinstance(key, list) else key]
        assert array[key].shape == wanted.shape
        array[key] = 3
    np.testing.assert_array_equal(array.asnumpy(), source())
    empty = mx.nd.zeros((0, 3))
    assert empty[:, 1].shape == (0,)
    with pytest.raises(IndexError):
        empty[0]


def test_iteration():
    array = mx.nd.array([[1, 2], [3, 4], [5, 6]])
    assert [row.asnumpy().tolist() for row in array] == [[1, 2], [3, 4], [5, 6]]
    assert len(array) == 3
    first, *_ = array
    first[:] = 0
    assert array[0].asnumpy().tolist() == [0, 0]


def test_assignment_while_recording():
    x = mx.nd.array([1.0, 2.0])
    x.attach_grad()
    with mx.autograd.record():
        y = x * 2
        with pytest.raises(mx.base.MXNetError):
            y[:] = 1
        with pytest.raises(mx.base.MXNetError):
            x[0] = 1
        z = mx.nd.zeros((2, 2))
        with pytest.raises(mx.base.MXNetError):
            z[0] = x
    free = mx.nd.zeros((2,))
    with mx.autograd.record():
        free[:] = 3
        free[0] = 4
    assert free.asnumpy().tolist() == [4, 3]


@pytest.mark.parametrize("case", ["same", "cast", "broadcast"])
def test_whole_assignment_is_recorded(case):
    x = mx.nd.array([1.0, 2.0])
    x.attach_grad()
    z = mx.nd.zeros((3, 2) if case == "broadcast" else (2,), dtype="float64" if case == "cast" else "float32")
    with mx.autograd.record():
        z[:] = x
        w = z * z
    w.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), np.array([2.0, 4.0]) * (3 if case == "broadcast" else 1))


def test_view_gradients():
    x = mx.nd.array(source())
    x.attach_grad()
    with mx.autograd.record():
        y = (x[1][2] * 3).sum() + x[0, 1, 1] + x.reshape((2, 12))[1, 3:5].sum()
    y.backward()
    gradient = np.zeros(source().shape)
    gradient[1, 2] += 3
    gradient[0, 1, 1] += 1
    gradient.reshape(2, 12)[1, 3:5] += 1
    np.testing.assert_array_equal(x.grad.asnumpy(), gradient)


# ---- what MXNet's modules ask about keys ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "expanded", "code"),
    [
        (1, (1, slice(None), slice(None)), -1),
        ((Ellipsis, 1), (slice(None), slice(None), 1), -1),
        ((None, [1]), (None, [1], slice(None), slice(None)), -1),
        ((True, 1), (1, slice(None), slice(None)), 1),
        ((True, False), (slice(None),) * 3, 0),
    ],
)
def test_keys_are_spelt_out(key, expanded, code):
    assert mx.nd.ndarray.indexing_key_expand_implicit_axes(key, (2, 3, 4)) == (expanded, code)


def test_kinds_of_keys():
    kind = mx.nd.ndarray.get_indexing_dispatch_code
    assert [kind(key) for key in [(), (1, slice(None)), (None, ...), (0, [1]), (mx.nd.ones((1,)),)]] == [0, 0, 0, 1, 1]
    with pytest.raises(mx.MXNetError, match="does not support slicing with key 'a' of type str"):
        kind(("a",))
    with pytest.raises(mx.MXNetError, match="key must be a tuple, got int"):
        kind(1)


def test_shape_of_gather_nd():
    shape = mx.nd.ndarray.get_oshape_of_gather_nd_op
    assert shape((2, 3, 4), (2, 5)) == mx.nd.gather_nd(mx.nd.ones((2, 3, 4)), mx.nd.zeros((2, 5))).shape == (5, 4)
    with pytest.raises(mx.MXNetError, match="at most 3 entries"):
        shape((2, 3, 4), (4, 5))
