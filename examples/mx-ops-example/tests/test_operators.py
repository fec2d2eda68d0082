"""The package's own tests; its rows in the operator suite are in mx_ops_example.cases."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx
from mx_core.testing import check_op, op_cases
from mx_ops_example.cases import CASES


@op_cases(CASES)
def test_rows(case, ctx):
    check_op(case, ctx)


def test_gradient_of_ema_is_the_reverse_average():
    x = mx.nd.array([1.0, 2.0, 3.0])
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.ema(x, decay=0.5)
    y.backward(mx.nd.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(x.grad.asnumpy(), [0.125, 0.25, 0.5])


def test_method_and_chain():
    x = mx.nd.array([[1.0, -1.0]])
    np.testing.assert_allclose(x.swish(beta=2.0).ema().asnumpy(), mx.nd.ema(mx.nd.swish(x, beta=2.0)).asnumpy())


def test_without_a_kernel_for_the_type():
    with pytest.raises(mx.MXNetError, match=r"ema.*(int32|float32)"):
        mx.nd.ema(mx.nd.array([1, 2], dtype="int32")).asnumpy()
