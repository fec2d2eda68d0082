"""`mx.autograd.get_symbol`: what was recorded, as a graph that computes the same."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx
from mx_core.errors import MXNetError
from mx_core.graph.symbolic import graph_op


def marked(*shape):
    array = mx.nd.random.uniform(0.5, 1.5, shape=shape)
    array.attach_grad()
    return array


def test_the_symbol_computes_what_was_recorded():
    x, w = marked(2, 3), marked(4, 3)
    constant = mx.nd.array([1.0, 2.0])
    with mx.autograd.record():
        y = mx.nd.FullyConnected(x, w, num_hidden=4, no_bias=True)
        z = (y * y + 2).sum(axis=1) + constant * 3
        out = mx.nd.split(z.reshape((1, 2)), num_outputs=2, axis=1)[1]
    symbol = mx.autograd.get_symbol(out)
    assert symbol.list_arguments() == ["var0", "var1", "null2"]
    again = mx.sym.load_json(symbol.tojson())
    (value,) = again.eval(var0=x, var1=w, null2=constant * 3)
    np.testing.assert_allclose(value.asnumpy(), out.asnumpy(), rtol=1e-5)


def test_attached_arrays_are_variables():
    assert mx.autograd.get_symbol(marked(2)).list_outputs() == ["var0"]
    x = marked(2, 2)
    with mx.autograd.record():
        y = mx.nd.concat(x, mx.nd.stop_gradient(x), x * 2, dim=0)
    assert mx.autograd.get_symbol(y).infer_shape(var0=(2, 2))[1] in ([(6, 2)], None)


def test_compiled_graphs_are_opened_up():
    net = mx.sym.FullyConnected(mx.sym.var("a"), num_hidden=3, name="fc") * 2
    call = graph_op(net, "net").make_callable()
    x, weight, bias = marked(2, 4), marked(3, 4), marked(3)
    with mx.autograd.record():
        y = mx.nd.exp(call(x, weight, bias))
    symbol = mx.autograd.get_symbol(y)
    assert "fc_output" in symbol.get_internals().list_outputs()
    (value,) = symbol.eval(var0=x, var1=weight, var2=bias)
    np.testing.assert_allclose(value.asnumpy(), y.asnumpy(), rtol=1e-5)


def test_refusals():
    with pytest.raises(MXNetError, match="not part of a computation graph"):
        mx.autograd.get_symbol(mx.nd.ones((2,)))
    with pytest.raises(TypeError, match="must be an NDArray, got int"):
        mx.autograd.get_symbol(3)
    x = marked(2)
    with mx.autograd.record():
        y = x * x
        z = y * 2
    z.backward()
    with pytest.raises(MXNetError, match="used up by backward"):
        mx.autograd.get_symbol(z)

    class Same(mx.autograd.Function):
        def forward(self, a):
            return a * 1

        def backward(self, dy):
            return dy

    with mx.autograd.record():
        y = Same()(x)
    with pytest.raises(MXNetError, match="a function written in Python"):
        mx.autograd.get_symbol(y)


def test_names_of_other_modules():
    assert mx.autograd.Symbol is mx.sym.Symbol
    assert mx.autograd.MXCallbackList is mx.operator.MXCallbackList
    with pytest.raises(AttributeError, match="has no attribute 'symbol'"):
        mx.autograd.symbol  # noqa: B018
