"""Rows of the operators that compute with indices, store at them, or select by a mask."""

from __future__ import annotations

import numpy as np
import pytest

from mx_core.testing import FLOATS, INTEGERS, Make, OpCase, check_op, empty, fixed, indices, integers, normal, op_cases

ALL = (*FLOATS, *INTEGERS)


def nothing(shape, dtype="float32"):
    return Make(shape, lambda rng, size: np.zeros(size), dtype)


def unravel(x, shape):
    rest = x if x.dtype.kind == "i" else np.trunc(x).astype("int64")
    rows = []
    for size in shape[:0:-1]:
        above = (np.abs(rest) // size) * np.sign(rest)
        rows.append(rest - above * size)
        rest = above
    return np.stack([rest, *rows[::-1]])


def index_array(x, axes=None):
    grid = np.stack(np.meshgrid(*map(np.arange, x.shape), indexing="ij"), -1)
    return grid if axes is None else grid[..., list(axes)]


def arange_like(x, start=0.0, step=1.0, repeat=1, axis=None):
    size = x.size if axis is None else x.shape[axis]
    numbers = start + step * (np.arange(size) // repeat)
    return numbers.reshape(x.shape) if axis is None else numbers


def index_copy(old, index, new):
    result = old.copy()
    for place, row in zip(index.astype("int64"), new, strict=True):
        result[place] = row
    return result


def scatter_set_nd(x, y, i, shape):
    result = x.copy()
    result[tuple(i.astype("int64"))] = y
    return result


def fill(x, y, i):
    result = x.copy()
    for row, (place, value) in enumerate(zip(i.astype("int64"), y, strict=True)):
        if 0 <= place < x.shape[1]:
            result[row, place] = value
    return result


CASES = [
    OpCase("_unravel_index", unravel, [fixed([22.0, 41, 37, 0]), integers(0, 120, (7,))],
           [{"shape": (7, 6)}, {"shape": (-1, 6)}, {"shape": (4, 3, 2)}, {"shape": (5,)}], dtypes=("float32", "float64", "int32", "int64", "int8"), gradient="zero", errors=[
        ({}, "shape is required"), ({"shape": (3, 0)}, "shape must have sizes > 0"), ({"shape": (0, 3)}, "has no elements to index"),
        ({"shape": (2, 2**62, 2**62)}, "shape must have sizes > 0"), ({"shape": (-2, 3)}, "shape must have sizes > 0")]),
    OpCase("_unravel_index", unravel, [fixed([[1, 2], [100, -1]])], [{"shape": (7, 6)}, {"shape": (5,)}], gradient="zero", id="_unravel_index-matrix"),
    OpCase("_unravel_index", unravel, [fixed([2**62, 2**63 - 1, -7], "int64"), empty((0,))], [{"shape": (3, 4)}], dtypes=("int64",), gradient=False,
           id="_unravel_index-extremes"),
    OpCase("_ravel_multi_index", lambda x, shape: (x * [[6], [1]]).sum(0), [fixed([[3.0, 6, 6], [4, 5, 1]]), fixed([[-6.0, 3], [50, 1]]), empty((2, 0))],
           [{"shape": (7, 6)}, {"shape": (-1, 6)}], dtypes=("float32", "float64", "int32", "int64"), gradient="zero", errors=[
        ({"shape": (7, 6, 8)}, "data must have shape (3, n) for shape (7, 6, 8), got (2, 3)"), ({"shape": None}, "shape is required")]),
    OpCase("_contrib_index_array", index_array, [normal((3, 2, 4)), normal((5,)), empty((0, 2, 4))], [{}], dtypes=ALL, gradient=False,
           errors=[({"axes": (0, 3)}, "axis must be in [-3, 3)")]),
    OpCase("_contrib_index_array", index_array, [normal((3, 2, 4)), empty((0, 2, 4))], [{"axes": (2, 0)}, {"axes": (-1,)}, {"axes": ()}], gradient=False,
           id="_contrib_index_array-axes"),
    OpCase("_contrib_arange_like", arange_like, [normal((3, 4)), empty((0, 2))], [{}, {"axis": -1, "start": 2.0, "step": 0.5}, {"repeat": 2}, {"repeat": 5}, {"repeat": 2**62},
           {"repeat": 3, "axis": 0}], gradient="zero", errors=[
        ({"repeat": 0}, "repeat must be > 0"), ({"repeat": -3}, "repeat must be > 0"), ({"axis": 2}, "axis must be in"), ({"step": float("inf")}, "must be finite")]),
    OpCase("_contrib_index_copy", index_copy, [(normal((5, 2)), fixed([0, 4, 2], "int32"), normal((3, 2))), (normal((5,)), fixed([3.7], "float32"), normal((1,))),
           (normal((5, 2)), nothing((0,)), empty((0, 2)))], dtypes=ALL, errors=[
        ((normal((5, 2)), indices(3, (3,)), normal((3, 3))), {}, "new_tensor must have a row of old_tensor (5, 2) for each index: (3, 2), got (3, 3)"),
        ((normal((5, 2)), indices(3, (3, 1)), normal((3, 2))), {}, "index_vector must have one dimension"),
        ((normal((5, 2)), fixed([5], "int64"), normal((1, 2))), {}, "index 5 is out of bounds for axis 0 with size 5"),
        ((normal((5, 2)), fixed([-1], "float32"), normal((1, 2))), {}, "index -1 is out of bounds for axis 0 with size 5")]),
    OpCase("_contrib_index_copy", index_copy, [(integers(0, 9, (5, 2)), fixed([0, 4, 0], "int64"), integers(0, 9, (3, 2)))], dtypes=ALL, gradient=False,
           id="_contrib_index_copy-twice"),
    OpCase("_scatter_set_nd", scatter_set_nd, [(normal((2, 3)), normal((3,)), fixed([[0, 1, 1], [1, 0, 2]], "int32")), (normal((2, 3)), normal((2, 3)), fixed([[1, 0]], "float32"))],
           [{"shape": (2, 3)}], dtypes=ALL, errors=[
        ({"shape": (3, 2)}, "needs shape = lhs' (2, 3)"), ((normal((2, 3)), normal((2,)), fixed([[0], [1]], "int32")), {"shape": (2, 3)}, "rhs must have shape (1,), got (2,)"),
        ((normal((2, 3)), normal((1,)), fixed([[9], [1]], "int32")), {"shape": (2, 3)}, "out of bounds")]),
    OpCase("fill_element_0index", fill, [(normal((4, 3)), normal((4,)), fixed([0, 2, 5, -1], "float32")), (empty((0, 3)), empty((0,)), nothing((0,)))], dtypes=ALL, errors=[
        ((normal((4, 3)), normal((3,)), indices(3, (4,))), {}, "lhs must be a matrix")]),
    OpCase("_onehot_encode", lambda i, x: np.eye(3)[i.astype(int)], [(fixed([0, 2]), normal((2, 3)))], gradient="zero",
           errors=[((fixed([0, 2]), normal((3, 3))), {}, "lhs must have shape (n,) and rhs (n, k)")]),
]  # fmt: skip


@op_cases(CASES)
def test_scatter(case, ctx):
    check_op(case, ctx)


# -- boolean_mask, whose result's shape depends on the mask -------------------------------------------------------------


@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("mask", [[0, 1, 1], [0, 0, 0], [1, 1, 1], [0.5, np.nan, 0]])
def test_boolean_mask(dtype, mask):
    import mxnet as mx

    x = np.arange(6).reshape(3, 2).astype(dtype)
    got = mx.nd.contrib.boolean_mask(mx.nd.array(x, dtype=dtype), mx.nd.array(mask))
    np.testing.assert_array_equal(got.asnumpy(), x[np.array(mask) != 0])
    assert got.dtype == x.dtype


def test_boolean_mask_along_another_axis_and_its_gradient():
    import mxnet as mx

    x = mx.nd.array([[1, 2, 3], [4, 5, 6]])
    index = mx.nd.array([1, 0, 1], dtype="int32")
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.contrib.boolean_mask(x, index, axis=1)
        loss = (y * y).sum()
    loss.backward()
    assert y.asnumpy().tolist() == [[1, 3], [4, 6]]
    assert x.grad.asnumpy().tolist() == [[2, 0, 6], [8, 0, 12]]


def test_boolean_mask_errors():
    import mxnet as mx
    from mx_core.errors import ParameterError, ShapeError
    from mx_core.op import infer_types

    x = mx.nd.ones((3, 2))
    with pytest.raises(ShapeError, match=r"index must have shape \(3,\), as axis 0 of data \(3, 2\), got \(2,\)"):
        mx.nd.contrib.boolean_mask(x, mx.nd.ones((2,)))
    with pytest.raises(ShapeError, match="axis must be in"):
        mx.nd.contrib.boolean_mask(x, mx.nd.ones((2,)), axis=2)
    with pytest.raises(ParameterError, match="cannot be part of a graph"):
        from mx_core.op import get_op

        infer_types(get_op("_contrib_boolean_mask"), {}, [(0, (3, 2)), (0, (3,))])


def test_boolean_mask_of_nothing():
    import mxnet as mx

    assert mx.nd.contrib.boolean_mask(mx.nd.zeros((0, 2)), mx.nd.zeros((0,))).shape == (0, 2)


# -- the published killers of 1.9.1 among the operators that look up -----------------------------------------------------


def test_what_kills_mxnet_191():
    import mxnet as mx
    from mx_core.errors import MXNetError
    from mx_core.op import get_op, infer_types

    with pytest.raises(MXNetError, match="is empty: there is nothing to take"):
        mx.nd.take(mx.nd.zeros((0, 1, 1, 1)), mx.nd.zeros((2,)))
    with pytest.raises(MXNetError, match="index must have shape"):
        mx.nd.choose_element_0index(mx.nd.ones((3, 2)), mx.nd.zeros((0,)))
    with pytest.raises(MXNetError, match="index must have shape"):
        mx.nd.pick(mx.nd.ones((3, 2)), mx.nd.zeros((0,)))
    assert mx.nd.slice_like(mx.nd.ones((1, 1, 1)), mx.nd.zeros((0, 0, 1))).shape == (0, 0, 1)
    huge = (13, 13, 8, 5, 6)
    assert infer_types(get_op("one_hot"), {"depth": 17041}, [(0, huge)])[1] == [(0, (*huge, 17041))]
    assert mx.nd.unravel_index(mx.nd.array([50, -1, 1e30, np.nan]), shape=(7, 6)).shape == (2, 4)
