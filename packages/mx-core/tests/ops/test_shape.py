"""Rows of the operators that move elements."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx
from mx_core.errors import ShapeError
from mx_core.testing import FLOATS, INTEGERS, OpCase, check_op, empty, integers, normal, op_cases, scalar

ALL = (*FLOATS, *INTEGERS)
X = normal((2, 3, 4))


def to(**expected):
    """An oracle from a table of parameter and shape."""
    return expected


RESHAPES = [
    ((-1,), (24,)), ((0, -1), (2, 12)), ((-2,), (2, 3, 4)), ((-3, 0), (6, 4)), ((-4, 1, 2, -2), (1, 2, 3, 4)),
    ((0, 0, -4, 2, -1), (2, 3, 2, 2)), ((6, 4), (6, 4)), ((2, -1, 2), (2, 6, 2)), ((-2, 1, 1), (2, 3, 4, 1, 1)),
    ((0, -3), (2, 12)), ((-4, -1, 1, 0, 0), (2, 1, 3, 4)),
]  # fmt: skip
REVERSED = [((-1, 0), (6, 4)), ((-3, 0), (6, 4)), ((-1, 4), (6, 4)), ((0, 3, 1, -4, 0), (2, 3, 1, 4))]


def reshape_oracle(x, shape=(), reverse=False, **_):
    table = dict(REVERSED if reverse else RESHAPES)
    return x.reshape(table[tuple(shape)])


def np_slice(x, begin, end, step=()):
    return x[tuple(slice(b, e, step[i] if step else None) for i, (b, e) in enumerate(zip(begin, end, strict=True)))]


CASES = [
    OpCase("Reshape", reshape_oracle, [X], [{"shape": s} for s, _ in RESHAPES], dtypes=ALL, errors=[
        ({"shape": (5, 5)}, "24 elements"), ({"shape": (-1, -1)}, "at most one -1"), ({"shape": (0, 0, 0, 0)}, "no dimension left"),
        ({"shape": (-4, 2, 2, -2)}, "-4 must split a dimension of 2"), ({"shape": (-5,)}, "-5"), ({"shape": ()}, "shape is required"),
        ({"shape": "(2,x)"}, "shape must be tuple of int"), ({"shape": (-3, -3)}, "no dimension left"),
    ]),
    OpCase("Reshape", reshape_oracle, [X], [{"shape": s, "reverse": True} for s, _ in REVERSED[:3]], id="Reshape-reverse"),
    OpCase("Reshape", lambda x, shape: x.reshape(0, 2), [empty((0, 3)), empty((2, 0))], [{"shape": (0, 2)}][:0] or [{"shape": (-1, 2)}],
           id="Reshape-empty"),
    OpCase("Reshape", lambda x, **k: x.reshape(2, 12), [X], [{"target_shape": (2, 0)}, {"target_shape": (0, 12)}],
           id="Reshape-target_shape"),
    OpCase("reshape_like", lambda x, y: x.reshape(y.shape), [(normal((2, 6)), normal((3, 4)))], dtypes=ALL,
           gradient=lambda dy, x, y: (dy.reshape(x.shape), np.zeros_like(y)),
           errors=[((normal((2, 6)), normal((3, 5))), {}, "12 elements")]),
    OpCase("reshape_like", lambda x, y, **k: x.reshape(6, 4), [(X, normal((7, 6, 4)))],
           [{"lhs_begin": 0, "lhs_end": 2, "rhs_begin": 1, "rhs_end": 2}], gradient=False, id="reshape_like-part"),
    OpCase("Flatten", lambda x: x.reshape(len(x), int(np.prod(x.shape[1:]))), [X, normal((3,)), empty((0, 2, 3))], dtypes=ALL),
    OpCase("expand_dims", np.expand_dims, [X, scalar()], [{"axis": 0}, {"axis": -1}], dtypes=ALL,
           errors=[({"axis": 4}, "axis must be in [-4, 4)"), ({}, "axis is required")]),
    OpCase("squeeze", lambda x, axis=None: np.squeeze(x, axis), [normal((1, 3, 1))], [{}, {"axis": 0}, {"axis": (0, 2)}, {"axis": -1}],
           errors=[({"axis": 1}, "axis 1 must have size 1, got 3")]),
    OpCase("squeeze", lambda x: x.reshape(1), [normal((1, 1))], id="squeeze-all"),
    OpCase("transpose", lambda x, axes=None: np.transpose(x, axes), [X, empty((3, 0, 2))],
           [{}, {"axes": (1, 0, 2)}, {"axes": (2, 0, 1)}], dtypes=ALL, errors=[
        ({"axes": (1, 0)}, "permutation"), ({"axes": (0, 0, 1)}, "permutation"), ({"axes": (0, 1, 5)}, "axis must be in [-3, 3)")]),
    OpCase("transpose", lambda x, axes=None: np.transpose(x, axes), [normal((1, 4, 1)), normal((40, 70)), normal((1,))][:2],
           [{}], id="transpose-flat"),
    OpCase("SwapAxis", lambda x, dim1=0, dim2=0: np.swapaxes(x, dim1, dim2), [X], [{}, {"dim1": 0, "dim2": 2}, {"dim1": 1, "dim2": -1}],
           dtypes=ALL, errors=[({"dim1": 0, "dim2": 3}, "axis must be in [-3, 3)")]),
    OpCase("reverse", np.flip, [X, empty((0, 2, 3))], [{"axis": 1}, {"axis": (0, 2)}], dtypes=ALL, errors=[({"axis": 5}, "axis must be in")]),
    OpCase("Concat", lambda *x, dim=1: np.concatenate(x, axis=dim), [(X, X), (X, X, X), (X,), (empty((2, 3, 0)), empty((2, 3, 0)))],
           [{}, {"dim": 0}, {"dim": -1}], dtypes=ALL, errors=[
        ((X, normal((2, 3))), {}, "input 1 must agree with input 0 (2, 3, 4) except on axis 1, got (2, 3)"),
        ((X, normal((2, 3, 5))), {}, "except on axis 1"), ((X,), {"dim": 3}, "axis must be in")]),
    OpCase("Concat", lambda *x, dim=1: np.concatenate(x, axis=dim), [(normal((2, 1, 4)), empty((2, 0, 4)), normal((2, 5, 4)))],
           id="Concat-uneven"),
    OpCase("stack", lambda *x, axis=0: np.stack(x, axis), [(X, X), (X,), (empty((0, 2)), empty((0, 2)))],
           [{}, {"axis": -1}, {"axis": 1}], dtypes=ALL, errors=[
        ((X, normal((2, 3))), {}, "input 1 must have input 0's shape (2, 3, 4), got (2, 3)"), ((X, X), {"axis": 4}, "axis must be in")]),
    OpCase("SliceChannel", lambda x, num_outputs, axis=1, squeeze_axis=False: [
        np.squeeze(p, axis) if squeeze_axis else p for p in np.split(x, num_outputs, axis)], [X],
           [{"num_outputs": 3}, {"num_outputs": 3, "squeeze_axis": True}, {"num_outputs": 2, "axis": -1}, {"num_outputs": 1}], dtypes=ALL,
           errors=[({"num_outputs": 2}, "size 3 does not split into 2 equal parts"), ({"num_outputs": 0}, "must be > 0"),
                   ({"num_outputs": 1, "squeeze_axis": True}, "squeeze_axis needs axis 1 of size num_outputs = 1")]),
    OpCase("_split_v2", lambda x, indices, axis=1, sections=0: np.split(x, sections or indices[1:], axis), [X],
           [{"indices": (0, 1, 2), "axis": 1}, {"indices": (), "sections": 2, "axis": 2}, {"indices": (0, 1, 1), "axis": 0}],
           errors=[({"indices": (0, 5)}, "indices must rise"), ({"indices": (2, 1)}, "indices must rise")]),
    OpCase("slice", np_slice, [X], [
        {"begin": (0, 1), "end": (2, 3)}, {"begin": (None, 1), "end": (None, None)}, {"begin": (0, -2), "end": (2, -1)},
        {"begin": (1,), "end": (0,), "step": (-1,)}, {"begin": (None,), "end": (None,), "step": (-1,)}, {"begin": (0,), "end": (5,)},
        {"begin": (0, 0, 3), "end": (2, 3, None), "step": (1, 1, -2)}, {"begin": (5,), "end": (6,)}, {"begin": (1,), "end": (1,)},
    ], dtypes=ALL, errors=[
        ({"begin": (0, 0, 0, 0), "end": (1, 1, 1, 1)}, "4 entries"), ({"begin": (0, 1), "end": (1,)}, "one length"),
        ({"begin": (0,), "end": (1,), "step": (0,)}, "step must not be 0"), ({"begin": (0,)}, "end is required")]),
    OpCase("slice_axis", lambda x, axis, begin, end: x[:, begin:end] if axis == 1 else x[..., begin:end], [X],
           [{"axis": 1, "begin": 1, "end": None}, {"axis": -1, "begin": -2, "end": -1}], dtypes=ALL, errors=[
        ({"axis": 1, "begin": 0, "end": 4}, "begin and end"), ({"axis": 1, "begin": 2, "end": 1}, "begin and end"),
        ({"axis": 3, "begin": 0, "end": 1}, "axis must be in")]),
    OpCase("slice_like", lambda x, y, axes=(): x[:1, :2, :3] if not axes else x[:1, :, :3], [(X, normal((1, 2, 3)))],
           [{}, {"axes": (0, -1)}], gradient=False, errors=[
        ((X, normal((3, 2, 3))), {}, "cannot take 3 of 2"), ((X, normal((1, 2))), {}, "as many dimensions")]),
    OpCase("_slice_assign", lambda x, y, begin, end: [np.copyto(c := x.copy(), c) or c.__setitem__((slice(0, 2), slice(1, 3)), y) or c][0],
           [(X, normal((2, 2, 4))), (X, normal((4,))), (X, scalar())], [{"begin": (0, 1), "end": (2, 3)}], dtypes=ALL,
           errors=[((X, normal((5,))), {"begin": (0,), "end": (1,)}, "broadcast")]),
    OpCase("_slice_assign_scalar", lambda x, scalar, begin, end: [c := x.copy(), c.__setitem__(slice(1, 2), scalar)][0], [X],
           [{"scalar": 3.0, "begin": (1,), "end": (2,)}], dtypes=ALL),
    OpCase("broadcast_to", lambda x, shape: np.broadcast_to(x, (2, 3)), [normal((1, 3))], [{"shape": (2, 3)}, {"shape": (2, 0)}], dtypes=ALL,
           errors=[({"shape": (4, 2, 3)}, "as many dimensions"), ((normal((2, 3)),), {"shape": (4, 3)}, "cannot broadcast (2, 3) to (4, 3)")]),
    OpCase("broadcast_like", lambda x, y: np.broadcast_to(x, y.shape), [(normal((1, 3)), normal((4, 3)))],
           gradient=lambda dy, x, y: (dy.sum(0, keepdims=True), np.zeros_like(y))),
    OpCase("broadcast_like", lambda x, y, **k: np.broadcast_to(x, (7, 3, 6)), [(normal((1, 3, 1)), normal((5, 6, 7)))],
           [{"lhs_axes": (0, 2), "rhs_axes": (2, 1)}], gradient=False, id="broadcast_like-axes"),
    OpCase("broadcast_axis", lambda x, axis, size: np.broadcast_to(x, (2, 3, 4)), [normal((1, 3, 1))], [{"axis": (0, 2), "size": (2, 4)}],
           errors=[((normal((2, 3)),), {"axis": 0, "size": 4}, "axis 0 must have size 1"), ({"axis": (0,), "size": (2, 3)}, "one length")]),
    OpCase("tile", np.tile, [normal((2, 3)), scalar()], [{"reps": (2,)}, {"reps": (2, 1, 3)}, {"reps": ()}, {"reps": 2}], dtypes=ALL,
           errors=[({"reps": (-1,)}, "reps must be >= 0")]),
    OpCase("repeat", np.repeat, [normal((2, 3))], [{"repeats": 2}, {"repeats": 3, "axis": 1}, {"repeats": 2, "axis": -2}, {"repeats": 0}],
           dtypes=ALL, errors=[({"repeats": -1}, "repeats must be >= 0")]),
    OpCase("depth_to_space", lambda x, block_size: x.reshape(1, 2, 2, 3, 4, 5).transpose(0, 3, 4, 1, 5, 2).reshape(1, 3, 8, 10),
           [normal((1, 12, 4, 5))], [{"block_size": 2}], errors=[({"block_size": 5}, "must divide")]),
    OpCase("space_to_depth", lambda x, block_size: x.reshape(1, 3, 4, 2, 5, 2).transpose(0, 3, 5, 1, 2, 4).reshape(1, 12, 4, 5),
           [normal((1, 3, 8, 10))], [{"block_size": 2}], errors=[({"block_size": 3}, "must divide")]),
    OpCase("diag", lambda x, k=0: np.diag(x, k), [normal((4,)), normal((4, 6)), normal((5, 3))], [{}, {"k": 1}, {"k": -2}], dtypes=ALL,
           errors=[((normal((2, 3)),), {"k": 3}, "no diagonal 3"), ((X,), {"axis2": 0}, "axis1 and axis2 must differ")]),
    OpCase("diag", lambda x, k=0, axis1=0, axis2=1: np.diagonal(x, k, axis1, axis2), [X], [{}, {"axis1": 0, "axis2": 2}, {"k": 1, "axis1": 1, "axis2": -1}],
           id="diag-axes"),
    OpCase("Pad", lambda x, mode, pad_width, constant_value=0.0: np.pad(
        x, np.reshape(pad_width, (-1, 2)), mode, **({"constant_values": constant_value} if mode == "constant" else {})), [normal((2, 3, 4, 5))],
           [{"mode": m, "pad_width": (0, 0, 0, 0, 1, 2, 3, 0)} for m in ("constant", "edge", "reflect")]
           + [{"mode": "constant", "pad_width": (0, 0, 0, 0, 1, 2, 3, 0), "constant_value": 2.0}], dtypes=ALL, errors=[
        ({"mode": "constant", "pad_width": (1, 1)}, "pad_width must have 8 entries"), ({"mode": "reflect", "pad_width": (0, 0, 0, 0, 3, 0, 0, 5)}, "below the size of axis 3, 5"),
        ({"mode": "wrap", "pad_width": (0,) * 8}, "mode must be")]),
    OpCase("shape_array", lambda x: np.array(x.shape), [X], dtypes=ALL, gradient=False),
    OpCase("size_array", lambda x: np.array([x.size]), [X], dtypes=ALL, gradient=False),
    OpCase("_view", lambda x, shape: x.reshape(shape), [integers(0, 9, (2, 6))], [{"shape": (3, 4)}], dtypes=ALL),
]  # fmt: skip


@op_cases(CASES)
def test_shape(case, ctx):
    check_op(case, ctx)


def test_an_axis_without_elements_splits_into_a_bounded_number_of_parts():
    assert [part.shape for part in mx.nd.split(mx.nd.zeros((0, 3)), num_outputs=2, axis=0)] == [(0, 3)] * 2
    with pytest.raises(ShapeError, match="splits into at most 1024 parts, got 1099511627776"):
        mx.nd.split(mx.nd.zeros((0, 3)), num_outputs=1 << 40, axis=0)
    with pytest.raises(ShapeError, match="splits into at most 1048576 parts, got 2147483648"):
        mx.nd.split(mx.nd.zeros((0, 1 << 40)), num_outputs=1 << 31, axis=1)
