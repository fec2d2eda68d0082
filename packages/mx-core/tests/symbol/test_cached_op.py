"""mx.nd.CachedOp: a symbol as a function of arrays."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx


def network():
    out = mx.sym.BatchNorm(
        mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc"), fix_gamma=False, name="bn"
    )
    return mx.sym.Activation(out, act_type="relu")


def arrays(symbol):
    rng = np.random.RandomState(0)
    shapes, _, states = symbol.infer_shape(data=(4, 3))
    shape_of = dict(zip(symbol.list_arguments() + symbol.list_auxiliary_states(), shapes + states, strict=True))
    return [mx.nd.array(rng.rand(*shape_of[name])) for name in symbol.list_inputs()]


def test_a_symbol_is_called_with_its_inputs_in_order():
    symbol = network()
    given = arrays(symbol)
    call = mx.nd.CachedOp(symbol, flags=[("static_alloc", True)])
    by_name = dict(zip(symbol.list_inputs(), given, strict=True))
    expected = symbol.eval(mx.cpu(), **by_name)[0].asnumpy()
    np.testing.assert_allclose(call(*given).asnumpy(), expected, rtol=1e-6)
    out = mx.nd.zeros((4, 2))
    assert call(*given, out=out) is out
    np.testing.assert_allclose(out.asnumpy(), expected, rtol=1e-6)


def test_its_gradient_is_recorded():
    symbol = network()
    given = arrays(symbol)
    for array in given[:3]:
        array.attach_grad()
    call = mx.nd.CachedOp(symbol)
    with mx.autograd.record():
        fc = mx.nd.FullyConnected(*given[:3], num_hidden=2)
        mean_before = [array.copy() for array in given[5:]]
        loss = (mx.nd.relu(mx.nd.BatchNorm(fc, *given[3:5], *mean_before, fix_gamma=False)) ** 2).sum()
    loss.backward()
    expected = [array.grad.asnumpy() for array in given[:3]]
    with mx.autograd.record():
        loss = (call(*given) ** 2).sum()
    loss.backward()
    for array, gradient in zip(given[:3], expected, strict=True):
        np.testing.assert_allclose(array.grad.asnumpy(), gradient, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(given[5].asnumpy(), mean_before[0].asnumpy(), rtol=1e-6)


def test_wrong_calls():
    call = mx.nd.CachedOp(mx.sym.var("a") + mx.sym.var("b"))
    with pytest.raises(TypeError, match=r"\[CachedOp\] takes 2 arrays \(a, b\), got 1"):
        call(mx.nd.ones((2,)))
    with pytest.raises(mx.MXNetError, match=r"takes arrays and out=, got axis"):
        call(mx.nd.ones((2,)), mx.nd.ones((2,)), axis=1)


def test_variables_of_one_name_stay_apart():
    call = mx.nd.CachedOp(mx.sym.var("x") - mx.sym.var("x"))
    assert call(mx.nd.array([5.0]), mx.nd.array([2.0])).asscalar() == 3.0
