"""Rows of the operators that look elements up."""

from __future__ import annotations

import numpy as np

from mx_core.testing import FLOATS, INTEGERS, OpCase, check_op, empty, fixed, indices, integers, normal, op_cases

ALL = (*FLOATS, *INTEGERS)
A = normal((5, 4, 3))


def take(a, i, axis=0, mode="clip"):
    return np.take(a, i.astype("int64"), axis=axis, mode=mode)


def pick(x, i, axis=-1, keepdims=False, mode="clip"):
    i = i.astype("int64").reshape([1 if a == axis % x.ndim else d for a, d in enumerate(x.shape)])
    size = x.shape[axis]
    i = np.clip(i, 0, size - 1) if mode == "clip" else i % size
    result = np.take_along_axis(x, i, axis)
    result = result if keepdims else np.squeeze(result, axis)
    return result if result.ndim else result.reshape(1)


def one_hot(i, depth, on_value=1.0, off_value=0.0, dtype="float32"):
    return np.where(i.astype("int64")[..., None] == np.arange(depth), on_value, off_value)


def gather_nd(x, i):
    return x[tuple(i.astype("int64"))]


CASES = [
    OpCase("take", take, [(A, indices(5, (6,))), (A, indices(9, (2, 3), "int32", low=-4)), (A, indices(5, (), "int64")), (A, empty((0,)).__class__((0,), lambda r, s: np.zeros(s), "float32"))],
           [{}, {"mode": "clip", "axis": 0}], dtypes=ALL, second_order=False,
           errors=[({"axis": 3}, "axis must be in [-3, 3)"), ({"mode": "bounce"}, "mode must be 'clip', 'wrap' or 'raise'"),
                   ((empty((0, 3)), indices(1, (2,))), {}, "is empty")]),
    OpCase("take", take, [(A, indices(9, (2, 3), low=-9))], [{"mode": "wrap", "axis": 1}, {"mode": "wrap", "axis": -1}], id="take-wrap"),
    OpCase("take", take, [(A, indices(5, (2, 3)))], [{"mode": "raise"}], id="take-raise", errors=[
        ((A, fixed([0, 7], "float32")), {"mode": "raise"}, "index 7 is out of bounds for axis 0 with size 5"),
        ((A, fixed([-1], "int32")), {"mode": "raise"}, "out of bounds")]),
    OpCase("pick", pick, [(normal((6, 4)), indices(4, (6,))), (normal((6, 4)), indices(9, (6, 1), "int32", low=-3)), (normal((3, 4, 5)), indices(5, (3, 4)))],
           [{}, {"keepdims": True}, {"mode": "wrap"}], dtypes=ALL, errors=[
        ((normal((6, 4)), indices(4, (5,))), {}, "index must have shape (6,) or (6, 1)"), ({"axis": None}, "axis must be an int"),
        ({"axis": 2}, "axis must be in")]),
    OpCase("pick", pick, [(normal((6, 4)), indices(6, (4,))), (normal((6, 4)), indices(6, (1, 4)))], [{"axis": 0}], id="pick-axis"),
    OpCase("pick", pick, [(normal((4,)), indices(4, (1,)))], id="pick-vector"),
    OpCase("one_hot", one_hot, [indices(4, (5,)), indices(6, (2, 3), "int32", low=-2), empty((0,))],
           [{"depth": 4}, {"depth": 3, "on_value": 2.0, "off_value": -1.0}, {"depth": 2, "dtype": "int32"}, {"depth": 0}],
           dtypes=("float32", "float64", "int32"), gradient=False, errors=[({}, "depth is required"), ({"depth": -1}, "must be >= 0")]),
    OpCase("Embedding", lambda i, w, **_: w[np.clip(i.astype("int64"), 0, 6)], [(indices(7, (2, 3)), normal((7, 4))), (indices(12, (5,), "int32", low=-4), normal((7, 4)))],
           [{"input_dim": 7, "output_dim": 4}], errors=[
        ((indices(7, (2,)), normal((7, 4))), {"input_dim": 8, "output_dim": 4}, "weight must have shape (input_dim, output_dim) = (8, 4), got (7, 4)")]),
    OpCase("batch_take", lambda x, i: pick(x, i.reshape(-1)), [(normal((6, 4)), indices(4, (6,)))], dtypes=ALL,
           errors=[((normal((6, 4)), indices(4, (5,))), {}, "one entry for each row")]),
    OpCase("gather_nd", gather_nd, [(A, fixed([[0, 4, -1], [1, 3, 0]], "int32")), (A, fixed([[0, 4, 1]], "float32")), (A, fixed([[[0], [4]], [[1], [3]], [[2], [0]]], "int64"))],
           dtypes=ALL, errors=[((normal((3,)), indices(2, (2, 4))), {}, "indices.shape[0] must be in [1, 1]")]),
    OpCase("scatter_nd", lambda x, i, shape: [r := np.zeros(shape), np.add.at(r, tuple(i.astype("int64")), x)][0],
           [(normal((3,)), fixed([[0, 1, 1], [1, 0, 2]], "int32"))], [{"shape": (2, 3)}],
           errors=[((normal((4,)), indices(2, (2, 3))), {"shape": (2, 3)}, "data must have shape")]),
    OpCase("_take_backward", lambda dy, i, axis, mode, shape: [r := np.zeros(shape), np.add.at(r, i.astype("int64"), dy)][0],
           [(normal((4, 3)), fixed([0, 2, 2, 1], "int32"))], [{"axis": 0, "mode": "clip", "shape": (5, 3)}]),
    OpCase("_pick_backward", lambda dy, i, axis, mode, shape: [r := np.zeros(shape), np.put_along_axis(r, i.astype("int64"), dy, 1)][0],
           [(normal((4, 1)), indices(5, (4, 1)))], [{"axis": 1, "mode": "clip", "shape": (4, 5)}]),
    OpCase("take", take, [(integers(0, 9, (5,)), indices(5, (3,)))], dtypes=("bool",), gradient=False, id="take-bool"),
]  # fmt: skip


@op_cases(CASES)
def test_indexing(case, ctx):
    check_op(case, ctx)
