"""Rows of cumsum, histogram, allclose, and of the operators that pass arrays on with another gradient."""

from __future__ import annotations

import numpy as np

from mx_core.testing import FLOATS, INTEGERS, OpCase, check_op, empty, fixed, integers, normal, op_cases, scalar

ALL = (*FLOATS, *INTEGERS)


def histogram(x, bins=None, bin_cnt=None, range=None):
    counts, edges = np.histogram(x, bins if bins is not None else bin_cnt, range)
    return [counts, edges]


def given(factor):
    return lambda dy, x, **params: dy * (params.get("scalar", factor))


CASES = [
    OpCase("_np_cumsum", lambda a, axis=None, dtype=None: np.cumsum(a if dtype is None else np.trunc(a), axis), [integers(-3, 4, (3, 4)), empty((0, 2)), empty((2, 0))],
           [{}, {"axis": 0}, {"axis": -1}, {"axis": 1, "dtype": "float64"}, {"dtype": "int32"}], dtypes=("float32", "float64", "int32", "int64", "int8"), 
           gradient=False, errors=[({"axis": 2}, "axis must be in [-2, 2)")]),
    OpCase("_np_cumsum", lambda a, axis=None: np.cumsum(a, axis), [normal((3, 4)), normal((2, 3, 70)), scalar()], [{}], id="cumsum-gradient"),
    OpCase("_np_cumsum", lambda a, axis=None: np.cumsum(a, axis), [normal((3, 4)), normal((2, 3, 70))], [{"axis": 1}], id="cumsum-axis"),
    OpCase("_histogram", histogram, [normal((200,)), normal((4, 50)), empty((0,))], [{"bin_cnt": 7, "range": (-2.0, 2.0)}, {"bin_cnt": 1, "range": (0.0, 1.0)}], dtypes=("float32", "float64"),
           gradient=False, errors=[
        ({}, "either the input bins or the parameter bin_cnt"), ({"bin_cnt": 0, "range": (0, 1)}, "bin_cnt must be > 0"), ({"bin_cnt": 3}, "range (low, high)"),
        ({"bin_cnt": 3, "range": (1, 1)}, "low < high"), ({"bin_cnt": 3, "range": (0, float("nan"))}, "low < high"),
        ((normal((3,)), normal((1,))), {}, "at least two edges"), ((normal((3,)), normal((3,))), {"bin_cnt": 3}, "either the input bins")]),
    OpCase("_histogram", histogram, [(integers(0, 9, (100,)), fixed([1.0, 2, 2, 7]))], dtypes=("float32", "float64", "int32"), gradient=False, id="_histogram-bins"),
    OpCase("_contrib_allclose", lambda a, b, **k: np.uint8(np.allclose(a, b, **{"equal_nan": True, **k})), [(fixed([1.0, 2.0]), fixed([1.0, 2.0])), (fixed([1.0, 2.0]), fixed([1.0, 2.5])),
           (fixed([np.nan, 1.0]), fixed([np.nan, 1.0])), (fixed([np.nan]), fixed([1.0])), (fixed([np.inf, -np.inf]), fixed([np.inf, -np.inf])), (empty((0,)), empty((0,)))],
           [{}, {"equal_nan": False}, {"rtol": 0.0, "atol": 0.6}], gradient="zero", errors=[((normal((2,)), normal((2, 1))), {}, "must have one shape")]),
    OpCase("_contrib_gradientmultiplier", lambda x, **k: x, [normal((3, 2)), empty((0,))], [{}, {"scalar": -0.5}], gradient=given(1.0)),
    OpCase("_contrib_round_ste", lambda x: np.trunc(x + np.copysign(0.5, x)), [fixed([0.5, 1.5, -0.5, 2.4, -7.0]), empty((0,))], gradient=given(1.0)),
    OpCase("_contrib_sign_ste", np.sign, [fixed([0.5, 0.0, -0.5, 2.4]), empty((0,))], gradient=given(1.0)),
    OpCase("cast_storage", lambda x, stype: x, [normal((3, 2)), empty((0,))], [{"stype": "default"}], dtypes=ALL,
           errors=[({"stype": "csr"}, "arrays here are dense"), ({"stype": "coo"}, "stype must be"), ({}, "stype is required")]),
]  # fmt: skip


@op_cases(CASES)
def test_counting(case, ctx):
    check_op(case, ctx)


def test_infinities_of_two_signs_are_apart():
    import mxnet as mx

    assert not mx.nd.contrib.allclose(mx.nd.array([np.inf]), mx.nd.array([-np.inf])).asscalar()


def test_histogram_leaves_nan_out():
    import mxnet as mx

    counts, _ = mx.nd._internal._histogram(mx.nd.array([np.nan, np.inf, 0, 1]), bin_cnt=2, range=(0, 1))
    assert counts.asnumpy().tolist() == [1, 1]
