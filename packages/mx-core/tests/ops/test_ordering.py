"""Rows of topk, sort and argsort."""

from __future__ import annotations

import numpy as np
import pytest

from mx_core.testing import FLOATS, INTEGERS, OpCase, check_op, empty, integers, normal, op_cases

ALL = (*FLOATS, *INTEGERS)


def order(x, axis, k, is_ascend):
    """NumPy's stable positions of the first k along axis, NaN last."""
    keys = x.astype("float64")
    return np.take(np.argsort(keys if is_ascend else -keys, axis=axis, kind="stable"), np.arange(k), axis=axis)


def topk(x, axis=-1, k=1, ret_typ="indices", is_ascend=False, dtype="float32"):
    rows = x.reshape(-1) if axis is None else x
    at = -1 if axis is None else axis
    places = order(rows, at, k if k > 0 else rows.shape[at], is_ascend)
    if ret_typ == "mask":
        mask = np.zeros(rows.shape)
        np.put_along_axis(mask, places, 1, at)
        return mask.reshape(x.shape)
    values = np.take_along_axis(rows, places, at)
    return {"value": values, "indices": places, "both": [values, places]}[ret_typ]


def sort(x, axis=-1, is_ascend=True):
    return topk(x, axis, 0, "value", is_ascend)


def argsort(x, axis=-1, is_ascend=True, dtype="float32"):
    return topk(x, axis, 0, "indices", is_ascend)


X = normal((3, 4, 5))
TIES = integers(0, 4, (6, 9))
AXES = [{}, {"axis": 0}, {"axis": 1}, {"axis": None}]

CASES = [
    OpCase("topk", topk, [TIES, X], [{"k": 4}, {"k": 3, "axis": 0}, {"k": 4, "axis": None}, {"ret_typ": "mask", "k": 4}], dtypes=ALL, gradient="zero",
           id="topk-ties"),
    OpCase("topk", topk, [X], [
        {}, {"k": 3}, {"k": 2, "axis": 0}, {"k": 0, "axis": 1}, {"k": 4, "axis": None}, {"k": 2, "is_ascend": True},
        {"k": 2, "dtype": "int32"}, {"ret_typ": "mask", "k": 2, "axis": 0}, {"ret_typ": "mask", "k": 2, "axis": None},
    ], gradient="zero", errors=[
        ({"k": 6}, "k must be at most 5, the number of elements along axis -1 of (3, 4, 5), got 6"), ({"axis": 3}, "axis must be in [-3, 3)"),
        ({"ret_typ": "values"}, "ret_typ must be"), ({"k": 1.5}, "k must be int"), ({"dtype": "complex"}, "dtype must be"),
    ]),
    OpCase("topk", topk, [X], [{"ret_typ": "value", "k": 3}, {"ret_typ": "value", "k": 2, "axis": 1, "is_ascend": True}, {"ret_typ": "both", "k": 2},
                               {"ret_typ": "value", "k": 5, "axis": None}], second_order=True, id="topk-value"),
    OpCase("topk", topk, [normal((2, 300))], [{"ret_typ": "value", "k": 7}, {"ret_typ": "both", "k": 300}], id="topk-long"),
    OpCase("topk", topk, [empty((0, 3)), empty((2, 0))], [{"ret_typ": "both", "k": 0}, {"ret_typ": "mask", "k": 0}], id="topk-empty", gradient=False),
    OpCase("sort", sort, [X, normal((2, 200)), normal((4,))], [{}, {"is_ascend": False}, {"axis": 0}, {"axis": None}], dtypes=ALL, second_order=True,
           errors=[({"axis": 3}, "axis must be in [-3, 3)"), ({"axis": -(2**63)}, "axis must be in [-3, 3)")]),
    OpCase("sort", sort, [TIES, empty((0, 3)), empty((3, 0))], [{}, {"axis": 0}], dtypes=ALL, gradient=False, id="sort-ties"),
    OpCase("argsort", argsort, [TIES, X, empty((0, 3)), empty((3, 0)), normal((2, 200))], AXES, dtypes=ALL, gradient="zero", id="argsort-ties"),
    OpCase("argsort", argsort, [X, normal((2, 200))], [*AXES, {"is_ascend": False}, {"dtype": "int64"}], gradient="zero", errors=[({"axis": 3}, "axis must be in [-3, 3)")]),
    OpCase("_order", lambda x, k, is_ascend: topk(x, -1, k, "both", is_ascend), [TIES], [{"k": 3, "is_ascend": True}], dtypes=ALL, gradient=False),
]  # fmt: skip


@op_cases(CASES)
def test_ordering(case, ctx):
    check_op(case, ctx)


@pytest.mark.parametrize("is_ascend", [True, False])
def test_nan_comes_last_and_zeros_are_equal(is_ascend):
    import mxnet as mx

    x = mx.nd.array([np.nan, 1, -np.inf, np.nan, 0.0, np.inf, -0.0])
    wanted = [2, 4, 6, 1, 5, 0, 3] if is_ascend else [5, 1, 4, 6, 2, 0, 3]
    assert mx.nd.argsort(x, is_ascend=is_ascend).asnumpy().tolist() == wanted
    assert mx.nd.topk(x, k=3, is_ascend=is_ascend).asnumpy().tolist() == wanted[:3]
    assert x.argsort(is_ascend=is_ascend, dtype="int32").dtype == np.int32


def test_narrow_indices_wrap_as_in_mxnet():
    import mxnet as mx

    assert mx.nd.topk(mx.nd.arange(3000), dtype="uint8").asscalar() == 2999 % 256


def test_what_has_no_axes_is_flattened_only():
    import mxnet as mx
    from mx_core.errors import ShapeError

    scalar = mx.nd.contrib.allclose(mx.nd.ones((1,)), mx.nd.ones((1,)))
    assert mx.nd.sort(scalar, axis=None).shape == (1,)
    with pytest.raises(ShapeError, match="axis must be in"):
        mx.nd.sort(scalar)
