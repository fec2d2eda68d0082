"""Rows of the operators behind MXNet's own functions, and the functions that read what out= holds."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx
from mx_core.testing import OpCase, check_op, empty, normal, op_cases, scalar, uniform

CASES = [
    OpCase("_scatter_elemwise_div", np.divide, [(normal((2, 3)), uniform(0.5, 2, (2, 3))), (empty((0,)), empty((0,)))]),
    OpCase("_scatter_plus_scalar", lambda x, scalar=1.0: x + scalar, [normal((2, 3)), scalar()], [{}, {"scalar": 2.5}]),
    OpCase("_scatter_minus_scalar", lambda x, scalar=1.0: x - scalar, [normal((2, 3)), scalar()], [{}, {"scalar": 2.5}]),
    OpCase(
        "_rnn_param_concat", lambda *arrays, num_args=0, dim=1: np.concatenate(arrays, dim),
        [(normal((3,)), normal((2,)), empty((0,)))], [{"num_args": 3, "dim": 0}],
        errors=[((normal((2, 2)), normal((3,))), {"num_args": 2, "dim": 0}, "must agree with input 0 (2, 2)")],
    ),
    OpCase("_CrossDeviceCopy", lambda x: x, [normal((2, 3)), empty((0, 2)), scalar()]),
]  # fmt: skip


@op_cases(CASES)
def test_operator(case, ctx):
    check_op(case, ctx)


def test_set_value_fills_out():
    out = mx.nd.ones((2, 2), dtype="int32")
    assert mx.nd._internal._set_value(src=3.0, out=out) is out
    assert out.asnumpy().tolist() == [[3, 3], [3, 3]]
    with pytest.raises(mx.MXNetError, match=r"\[_set_value\] out must be the NDArray to fill, got None"):
        mx.nd._internal._set_value(src=3.0)


@pytest.mark.parametrize("name", ["abs", "concat", "elemwise_add", "FullyConnected", "ElementWiseSum"])
def test_names_for_sparse_arrays_are_the_dense_operators(name):
    assert getattr(mx.nd.sparse, name) is getattr(mx.nd, name)


def test_names_of_the_numpy_interface_are_the_operators():
    assert mx.nd._internal._npx_one_hot is mx.nd.one_hot
    assert mx.nd._internal._npi_maximum is mx.nd.broadcast_maximum
