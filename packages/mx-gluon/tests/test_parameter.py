"""Parameter and ParameterDict."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx
from mxnet import autograd, gluon, nd

CONTEXTS = [mx.cpu(0), mx.cpu(1)]


def test_several_contexts():
    p = gluon.Parameter("p", shape=(2,))
    p.initialize(ctx=CONTEXTS)
    assert p.list_ctx() == CONTEXTS
    assert [a.context for a in p.list_data()] == CONTEXTS
    np.testing.assert_array_equal(p.data(CONTEXTS[0]).asnumpy(), p.data(CONTEXTS[1]).asnumpy())
    with mx.cpu(1):
        assert p.data().context == mx.cpu(1)
    with pytest.raises(RuntimeError, match=r"was not initialized on context cpu\(2\)"):
        p.data(mx.cpu(2))
    p.reset_ctx(mx.cpu(2))
    assert p.data().context == mx.cpu(2)


def test_pinned_memory_is_the_cpu():
    p = gluon.Parameter("p", shape=(2,))
    p.initialize(ctx=mx.cpu(0))
    assert p.data(mx.cpu_pinned(0)) is p.data(mx.cpu(0))


def test_grad_req():
    p = gluon.Parameter("p", shape=(2,), init="ones")
    p.initialize()

    def backward():
        with autograd.record():
            y = (p.data() * 3).sum()
        y.backward()

    backward()
    backward()
    assert p.grad().asnumpy().tolist() == [3, 3]
    p.grad_req = "add"
    backward()
    backward()
    assert p.grad().asnumpy().tolist() == [6, 6]
    p.zero_grad()
    assert p.grad().asnumpy().tolist() == [0, 0]
    p.grad_req = "null"
    with pytest.raises(RuntimeError, match="grad_req='null'"):
        p.grad()
    with pytest.raises(ValueError, match="'write', 'add', or 'null'"):
        p.grad_req = "foo"


def test_set_data():
    p = gluon.Parameter("p", shape=(0, 2), allow_deferred_init=True)
    with pytest.raises(RuntimeError, match="has not been initialized"):
        p.set_data(nd.ones((3, 2)))
    p = gluon.Parameter("p", shape=(0, 2), allow_deferred_init=True)
    p.initialize()
    p.set_data(nd.ones((3, 2)))
    p._finish_deferred_init()
    assert p.data().asnumpy().sum() == 6
    with pytest.raises(ValueError, match=r"Expected shape \(3, 3\) is incompatible with given shape \(3, 2\)"):
        p.set_data(nd.ones((3, 3)))


def test_initialize_twice():
    p = gluon.Parameter("p", shape=(2,), init="ones")
    p.initialize()
    with pytest.warns(UserWarning, match="already initialized, ignoring"):
        p.initialize("zeros")
    assert p.data().asnumpy().sum() == 2
    p.initialize("zeros", force_reinit=True)
    assert p.data().asnumpy().sum() == 0
    with pytest.raises(ValueError, match=r"invalid shape: \(0, 2\)"):
        gluon.Parameter("q", shape=(0, 2)).initialize()


def test_initializers_of_parameters_come_before_the_network_s():
    params = gluon.ParameterDict("net_")
    params.get("bias", shape=(2,), init="zeros")
    params.get("anything", shape=(2,))
    params.initialize(mx.init.One())
    assert params["net_bias"].data().asnumpy().tolist() == [0, 0]
    assert params["net_anything"].data().asnumpy().tolist() == [1, 1]
    params.get("weight", shape=(2,))
    params = gluon.ParameterDict("net_", shared=params)
    for name in ("bias", "weight"):
        params.get(name)
    params.initialize(mx.init.Mixed([".*bias", ".*"], [mx.init.One(), mx.init.Constant(3)]), force_reinit=True)
    assert params["net_bias"].data().asnumpy().tolist() == [0, 0]
    assert params["net_weight"].data().asnumpy().tolist() == [3, 3]


def test_parameter_dict_get():
    params = gluon.ParameterDict("net_")
    w = params.get("w", shape=(2, 0))
    assert params.get("w", shape=(0, 3)) is w
    assert w.shape == (2, 3)
    assert params.get("w", dtype="float32") is w
    with pytest.raises(ValueError, match=r"attribute 'shape': desired '\(2, 4\)' vs stored '\(2, 3\)'"):
        params.get("w", shape=(2, 4))
    with pytest.raises(ValueError, match="attribute 'dtype': desired 'float16'"):
        params.get("w", dtype="float16")
    assert "net_w" in params
    assert list(params.keys()) == ["net_w"]
    other = gluon.ParameterDict("net_")
    other.get("w", shape=(1,))
    with pytest.raises(ValueError, match="different Parameters with the same name 'net_w'"):
        params.update(other)


def test_parameter_dict_setattr_and_contexts():
    params = gluon.ParameterDict("net_")
    for name in "ab":
        params.get(name, shape=(1,))
    params.initialize(ctx=CONTEXTS)
    params.setattr("grad_req", "null")
    assert {p.grad_req for p in params.values()} == {"null"}
    assert params.list_ctx() == CONTEXTS
    params.reset_ctx(mx.cpu(3))
    assert params.list_ctx() == [mx.cpu(3)]


def test_saved_value_is_the_mean_over_contexts(tmp_path):
    path = str(tmp_path / "p.params")
    params = gluon.ParameterDict("net_")
    p = params.get("w", shape=(2,), init="ones")
    params.initialize(ctx=CONTEXTS)
    p.data(CONTEXTS[1])[:] = 3
    params.save(path, strip_prefix="net_")
    assert nd.load(path)["w"].asnumpy().tolist() == [2, 2]
    with pytest.raises(ValueError, match="does not start with 'foo_'"):
        params.save(path, strip_prefix="foo_")


def test_constant_does_not_train():
    c = gluon.Constant("c", [[1, 2]])
    c.initialize()
    assert c.data().asnumpy().tolist() == [[1, 2]]
    with pytest.warns(UserWarning, match="does not support grad_req"):
        c.grad_req = "write"
    assert c.grad_req == "null"
