"""Bound symbols compute what the same operators compute one by one: outputs, gradients, auxiliary states."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx


def mlp(F, data, w1, b1, w2, b2):
    hidden = F.Activation(F.FullyConnected(data, w1, b1, num_hidden=7), act_type="relu")
    return F.FullyConnected(hidden, w2, b2, num_hidden=3)


def residual(F, x, w):
    y = F.Convolution(x, w, kernel=(3, 3), pad=(1, 1), num_filter=4, no_bias=True)
    return F.Pooling(F.relu(y + x), kernel=(2, 2), stride=(2, 2), pool_type="max")


def shared_input(F, x):
    return x * F.exp(x) + x


def two_outputs(F, x):
    parts = F.split(x, num_outputs=2, axis=1)
    return [parts[0] * 2, parts[1] + parts[0]]


def one_value_twice(F, x):
    y = F.tanh(x)
    return [y, y, F.reshape(y, shape=(-1,))]


def views(F, x):
    return F.transpose(F.reshape(x, shape=(0, -1)), axes=(1, 0))


def broadcasting(F, x, b):
    return F.broadcast_div(F.broadcast_add(x, b), 1.5 + F.square(b).sum())


def batch_dot(F, a, b):
    return F.softmax(F.batch_dot(a, b, transpose_b=True), axis=-1)


def indices(F, x, index):
    return F.take(x, index) * F.one_hot(index, depth=5)


def blocked(F, x, w):
    return F.BlockGrad(x) * w


def gathered(F, a, b, c):
    return F.concat(a, F.stack(b, c, axis=0).sum(axis=0), dim=1)


def recurrent(F, x, w, h):
    for _ in range(3):
        h = F.tanh(F.dot(h, w) + x)
    return h


GRAPHS = [
    (mlp, [(5, 6), (7, 6), (7,), (3, 7), (3,)]),
    (residual, [(2, 4, 6, 6), (4, 4, 3, 3)]),
    (shared_input, [(3, 4)]),
    (two_outputs, [(2, 6)]),
    (one_value_twice, [(2, 3)]),
    (views, [(2, 3, 4)]),
    (broadcasting, [(4, 3), (1, 3)]),
    (batch_dot, [(2, 3, 4), (2, 5, 4)]),
    (blocked, [(3,), (3,)]),
    (gathered, [(2, 3), (2, 2), (2, 2)]),
    (recurrent, [(2, 3), (3, 3), (2, 3)]),
]


def as_list(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


def symbol_of(function, count):
    return mx.sym.Group(as_list(function(mx.sym, *[mx.sym.var(f"x{i}") for i in range(count)])))


@pytest.mark.parametrize("grad_req", ["write", "add"])
@pytest.mark.parametrize(("function", "shapes"), GRAPHS, ids=[f.__name__ for f, _ in GRAPHS])
def test_values_and_gradients_are_those_of_single_operators(function, shapes, grad_req):
    rng = np.random.RandomState(7)
    values = [rng.uniform(0.1, 1, shape).astype("float32") for shape in shapes]
    arrays = [mx.nd.array(value) for value in values]
    for array in arrays:
        array.attach_grad()
    with mx.autograd.record():
        wanted = as_list(function(mx.nd, *arrays))
    heads = [mx.nd.array(rng.uniform(-1, 1, y.shape)) for y in wanted]
    mx.autograd.backward(wanted, heads)

    symbol = symbol_of(function, len(shapes))
    grads = {f"x{i}": mx.nd.ones(shape) for i, shape in enumerate(shapes)}
    exe = symbol.bind(
        mx.cpu(), {f"x{i}": mx.nd.array(v) for i, v in enumerate(values)}, args_grad=grads, grad_req=grad_req
    )
    made = exe.forward(is_train=True)
    exe.backward(heads)
    for y, expected in zip(made, wanted, strict=True):
        np.testing.assert_allclose(y.asnumpy(), expected.asnumpy(), rtol=1e-5, atol=1e-6)
    start = 1.0 if grad_req == "add" else 0.0
    for i, array in enumerate(arrays):
        np.testing.assert_allclose(
            grads[f"x{i}"].asnumpy(), array.grad.asnumpy() + start, rtol=1e-4, atol=1e-5, err_msg=f"x{i}"
        )


def test_indices_get_no_gradient_of_their_own():
    exe = symbol_of(indices, 2).bind(
        mx.cpu(),
        {"x0": mx.nd.arange(25).reshape((5, 5)), "x1": mx.nd.array([1, 3])},
        args_grad={"x0": mx.nd.ones((5, 5)), "x1": mx.nd.ones(2)},
    )
    exe.forward(is_train=True)
    exe.backward(mx.nd.ones((2, 5)))
    assert exe.grad_dict["x1"].asnumpy().tolist() == [0, 0]
    assert exe.grad_dict["x0"].asnumpy()[[1, 3], [1, 3]].tolist() == [1, 1]
    assert exe.grad_dict["x0"].asnumpy().sum() == 2


def batch_norm_net():
    return mx.sym.BatchNorm(mx.sym.var("data"), name="bn", fix_gamma=False, momentum=0.5)


def test_batch_norm_updates_its_states_in_training_only():
    exe = batch_norm_net().simple_bind(mx.cpu(), data=(4, 2))
    x = np.array([[1, 2], [3, 4], [5, 6], [7, 8]], "float32")
    exe.arg_dict["bn_gamma"][:] = 1
    exe.aux_dict["bn_moving_var"][:] = 1
    exe.forward(is_train=False, data=mx.nd.array(x))
    assert exe.aux_dict["bn_moving_mean"].asnumpy().tolist() == [0, 0]
    exe.forward(is_train=True)
    np.testing.assert_allclose(exe.aux_dict["bn_moving_mean"].asnumpy(), x.mean(0) / 2, rtol=1e-5)
    y = exe.outputs[0].asnumpy()
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)


def test_a_state_that_two_nodes_share_is_changed_by_both_in_order():
    x, gamma, beta = mx.sym.var("x"), mx.sym.var("gamma"), mx.sym.var("beta")
    mean, variance = mx.sym.var("mean"), mx.sym.var("variance")
    once = mx.sym.BatchNorm(x, gamma, beta, mean, variance, momentum=0.5)
    net = mx.sym.BatchNorm(once + 1, gamma, beta, mean, variance, momentum=0.5)
    assert net.list_auxiliary_states() == ["mean", "variance"]
    exe = net.simple_bind(mx.cpu(), x=(4, 1))
    exe.arg_dict["gamma"][:] = 1
    exe.forward(is_train=True, x=mx.nd.array([[2], [2], [4], [4]]))
    # first 0.5 * 3 = 1.5, then 0.5 * 1.5 + 0.5 * 1
    np.testing.assert_allclose(exe.aux_dict["mean"].asnumpy(), [1.25], rtol=1e-5)


def test_dropout_draws_from_the_usual_stream():
    net = mx.sym.Dropout(mx.sym.var("x"), p=0.5)
    exe = net.bind(mx.cpu(), {"x": mx.nd.ones(1000)}, args_grad={"x": mx.nd.zeros(1000)})
    assert exe.forward(is_train=False)[0].asnumpy().tolist() == [1] * 1000
    mx.random.seed(3)
    first = exe.forward(is_train=True)[0].asnumpy().copy()
    second = exe.forward(is_train=True)[0].asnumpy().copy()
    exe.backward(mx.nd.ones(1000))
    assert (first != second).any()
    assert exe.grad_dict["x"].asnumpy().tolist() == second.tolist()
    mx.random.seed(3)
    assert exe.forward(is_train=True)[0].asnumpy().tolist() == first.tolist()


def test_a_graph_of_nothing_but_a_variable():
    x = mx.nd.array([1, 2])
    exe = mx.sym.var("x").bind(mx.cpu(), [x], args_grad=[mx.nd.zeros(2)])
    y = exe.forward(is_train=True)[0]
    exe.backward(mx.nd.array([3, 4]))
    assert y.asnumpy().tolist() == [1, 2]
    assert exe.grad_arrays[0].asnumpy().tolist() == [3, 4]
    y[:] = 9
    assert x.asnumpy().tolist() == [1, 2]


def test_a_deep_graph():
    net = mx.sym.var("x")
    for _ in range(3000):
        net = net + 1
    exe = net.bind(mx.cpu(), {"x": mx.nd.zeros(2)}, args_grad={"x": mx.nd.zeros(2)})
    assert exe.forward(is_train=True)[0].asnumpy().tolist() == [3000, 3000]
    exe.backward(mx.nd.ones(2))
    assert exe.grad_dict["x"].asnumpy().tolist() == [1, 1]


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_element_types(dtype):
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc")
    exe = net.simple_bind(mx.cpu(), data=(2, 4), type_dict={"data": dtype})
    assert {str(np.dtype(a.dtype)) for a in (*exe.arg_arrays, *exe.grad_arrays, *exe.outputs)} == {dtype}
    exe.arg_dict["fc_weight"][:] = 1
    assert exe.forward(data=mx.nd.ones((2, 4)))[0].asnumpy().tolist() == [[4] * 3] * 2


def test_plans_die_with_the_last_executor_of_a_graph():
    before = mx.nd.ones(3).asnumpy() is not None and _plans()
    for n in range(1, 4):
        net = mx.sym.tanh(mx.sym.var("x") * n)
        exe = net.bind(mx.cpu(), {"x": mx.nd.ones(5)}, args_grad={"x": mx.nd.ones(5)})
        exe.forward(is_train=True)
        exe.backward(mx.nd.ones(5))
    assert _plans() > before
    del exe, net
    assert _plans() <= before + 2  # of slicing and filling


def _plans():
    from mx_core import _core

    return _core.plan_cache_info()["plans"]


def test_executors_of_one_symbol_share_their_plans():
    from mx_core import _core

    net = mx.sym.tanh(mx.sym.var("x"))
    first = net.bind(mx.cpu(), {"x": mx.nd.ones(5)})
    second = net.bind(mx.cpu(), {"x": mx.nd.zeros(5)})
    first.forward()
    before = _core.plan_cache_info()["misses"]
    assert second.forward()[0].asnumpy().tolist() == [0] * 5
    assert _core.plan_cache_info()["misses"] == before


@pytest.mark.parametrize("act_type", ["relu", "tanh", "sigmoid", "softrelu", "softsign"])
@pytest.mark.parametrize("pool", [{"kernel": (2, 2), "stride": (2, 2)}, {"kernel": (3, 3)}, {"global_pool": True}])
def test_activations_commute_with_maxima(act_type, pool):
    rng = np.random.RandomState(0)
    x = mx.nd.array(rng.uniform(-2, 2, (2, 3, 7, 8)))
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.Pooling(mx.nd.Activation(x, act_type=act_type), pool_type="max", **pool)
    y.backward(y * 3)
    net = mx.sym.Pooling(mx.sym.Activation(mx.sym.var("x"), act_type=act_type), pool_type="max", **pool)
    exe = net.bind(mx.cpu(), {"x": x}, args_grad={"x": mx.nd.zeros(x.shape)})
    made = exe.forward(is_train=True)[0]
    np.testing.assert_allclose(made.asnumpy(), y.asnumpy(), rtol=1e-6)
    exe.backward(made * 3)
    np.testing.assert_allclose(exe.grad_dict["x"].asnumpy(), x.grad.asnumpy(), rtol=1e-5, atol=1e-7)


def test_an_activation_that_others_read_stays_before_the_maximum():
    from mx_core.graph.reorder import ordered_calls
    from mx_core.symbol.node import topological

    def names(*heads):
        nodes = [node for node in topological(mx.sym.Group(heads)._outputs) if node.op is not None]
        return [node.op.name for node, _, _ in ordered_calls(nodes, mx.sym.Group(heads)._outputs)]

    pool = {"kernel": (2, 2), "pool_type": "max"}
    x = mx.sym.var("x")
    a = mx.sym.tanh(x)
    assert names(mx.sym.Pooling(a, **pool)) == ["Pooling", "tanh"]
    assert names(mx.sym.Pooling(a, **pool), a) == ["tanh", "Pooling"]
    assert names(mx.sym.Pooling(a, **pool) + mx.sym.sum(a)) == ["tanh", "Pooling", "sum", "elemwise_add"]
    assert names(mx.sym.Pooling(a, kernel=(2, 2), pool_type="avg")) == ["tanh", "Pooling"]
    assert names(mx.sym.Pooling(a, pad=(1, 1), **pool)) == ["tanh", "Pooling"]
    assert names(mx.sym.Pooling(mx.sym.sin(x), **pool)) == ["sin", "Pooling"]
