"""Graphs that one plan cannot hold: custom operators, loops and branches, several devices."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx


class Softmax(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        x = in_data[0].asnumpy()
        y = np.exp(x - x.max(axis=1, keepdims=True))
        self.assign(out_data[0], req[0], mx.nd.array(y / y.sum(axis=1, keepdims=True)))

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        y = out_data[0].asnumpy()
        y[np.arange(len(y)), in_data[1].asnumpy().astype(int)] -= 1.0
        self.assign(in_grad[0], req[0], mx.nd.array(y))


@mx.operator.register("executor_softmax")
class SoftmaxProp(mx.operator.CustomOpProp):
    def __init__(self):
        super().__init__(need_top_grad=False)

    def list_arguments(self):
        return ["data", "label"]

    def infer_shape(self, in_shape):
        return [in_shape[0], [in_shape[0][0]]], [in_shape[0]], []

    def create_operator(self, ctx, shapes, dtypes):
        return Softmax()


class Counter(mx.operator.CustomOp):
    """Adds the number of its runs; keeps their sum in a state."""

    def __init__(self):
        self.runs = 0

    def forward(self, is_train, req, in_data, out_data, aux):
        self.runs += 1
        aux[0][:] += 1
        self.assign(out_data[0], req[0], in_data[0] + self.runs)

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_grad[0])


@mx.operator.register("executor_counter")
class CounterProp(mx.operator.CustomOpProp):
    def list_auxiliary_states(self):
        return ["total"]

    def infer_shape(self, in_shape):
        return in_shape, [in_shape[0]], [[1]]

    def create_operator(self, ctx, shapes, dtypes):
        return Counter()


def classifier(last):
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=4, name="fc1")
    net = mx.sym.FullyConnected(mx.sym.relu(net), num_hidden=3, name="fc2")
    return last(net)


def test_a_custom_loss_trains_like_the_operator():
    label = np.array([0, 2, 1, 2, 0])
    made = []
    for last in (
        lambda net: mx.sym.SoftmaxOutput(net, name="softmax"),
        lambda net: mx.sym.Custom(net, op_type="executor_softmax", name="softmax"),
    ):
        rng = np.random.RandomState(1)
        exe = classifier(last).simple_bind(mx.cpu(), data=(5, 6))
        assert exe.arg_dict["softmax_label"].shape == (5,)
        for name, array in exe.arg_dict.items():
            array[:] = mx.nd.array(label if name == "softmax_label" else rng.uniform(-1, 1, array.shape))
        y = exe.forward(is_train=True)[0].asnumpy()
        exe.backward()
        made.append([y, *[exe.grad_dict[name].asnumpy() for name in ("data", "fc1_weight", "fc2_bias")]])
    for plain, custom in zip(*made, strict=True):
        np.testing.assert_allclose(custom, plain, rtol=1e-5, atol=1e-6)


def test_a_custom_operator_is_made_once_for_an_executor():
    net = mx.sym.Custom(mx.sym.var("x") * 1, op_type="executor_counter", name="count") * 2
    assert net.list_auxiliary_states() == ["count_total"]
    executors = [net.simple_bind(mx.cpu(), x=(2,)) for _ in range(2)]
    for exe in executors:
        values = [exe.forward(is_train=True)[0].asnumpy().tolist() for _ in range(3)]
        assert values == [[2, 2], [4, 4], [6, 6]]
        assert exe.aux_dict["count_total"].asnumpy().tolist() == [3]
        exe.backward(mx.nd.ones(2))
        assert exe.grad_dict["x"].asnumpy().tolist() == [2, 2]
    with pytest.raises(mx.MXNetError, match="not a loss"):
        executors[0].backward()


def test_an_operator_whose_shape_depends_on_values():
    net = mx.sym.contrib.boolean_mask(mx.sym.var("x") * 2, mx.sym.var("index"))
    exe = net.bind(mx.cpu(), {"x": mx.nd.arange(4), "index": mx.nd.array([1, 0, 0, 1])}, args_grad={"x": mx.nd.ones(4)})
    assert exe.forward(is_train=True)[0].asnumpy().tolist() == [0, 6]
    exe.backward(mx.nd.array([5, 7]))
    assert exe.grad_dict["x"].asnumpy().tolist() == [10, 0, 0, 14]


# ---- loops and branches --------------------------------------------------------------------------------------------


def unrolled(F, x, w, h, rounds):
    rows = []
    for i in range(rounds):
        h = F.tanh(F.dot(h, w) + F.squeeze(F.slice_axis(x, axis=0, begin=i, end=i + 1), axis=0))
        rows.append(h * 2)
    return F.stack(*rows, axis=0), h


def test_foreach_is_its_unrolled_loop():
    x, w, h = mx.sym.var("x"), mx.sym.var("w"), mx.sym.var("h")

    def step(row, states):
        state = mx.sym.tanh(mx.sym.dot(states[0], w) + row)
        return state * 2, [state]

    rows, states = mx.sym.contrib.foreach(step, x, [h])
    rng = np.random.RandomState(2)
    values = {"x": rng.uniform(-1, 1, (4, 2, 3)), "w": rng.uniform(-1, 1, (3, 3)), "h": rng.uniform(-1, 1, (2, 3))}
    results = []
    for net in (mx.sym.Group([rows, states[0]]), mx.sym.Group(unrolled(mx.sym, x, w, h, 4))):
        exe = net.simple_bind(mx.cpu(), x=(4, 2, 3), w=(3, 3), h=(2, 3))
        made = [y.asnumpy() for y in exe.forward(is_train=True, **{k: mx.nd.array(v) for k, v in values.items()})]
        exe.backward([mx.nd.ones((4, 2, 3)), mx.nd.ones((2, 3)) * 3])
        results.append([*made, *[exe.grad_dict[name].asnumpy() for name in "xwh"]])
    for loop, plain in zip(*results, strict=True):
        np.testing.assert_allclose(loop, plain, rtol=1e-5, atol=1e-6)


def test_while_loop_pads_what_it_stacks():
    i, total = mx.sym.var("i"), mx.sym.var("total")
    out, variables = mx.sym.contrib.while_loop(
        lambda i, total: i <= 3, lambda i, total: ([i * total], [i + 1, total + i]), [i, total], max_iterations=5
    )
    net = mx.sym.Group([*out, *variables])
    grads = {"total": mx.nd.zeros(1)}
    exe = net.bind(mx.cpu(), {"i": mx.nd.array([1]), "total": mx.nd.array([2])}, args_grad=grads)
    made = [y.asnumpy() for y in exe.forward(is_train=True)]
    assert made[0].shape == (5, 1)
    assert made[0][:3, 0].tolist() == [2, 2 * 3, 3 * 5]
    assert [made[1].tolist(), made[2].tolist()] == [[4], [8]]
    exe.backward([mx.nd.ones((5, 1)), mx.nd.ones(1), mx.nd.ones(1)])
    assert grads["total"].asnumpy().tolist() == [1 + 2 + 3 + 1]
    none = net.bind(mx.cpu(), {"i": mx.nd.array([9]), "total": mx.nd.array([2])}).forward()
    assert none[0].shape == (5, 1)


@pytest.mark.parametrize(("a", "b", "expected", "gradient"), [(1, 2, 2, (1, 0)), (3, 2, 4, (0, 2))])
def test_cond_runs_one_branch(a, b, expected, gradient):
    left, right = mx.sym.var("a"), mx.sym.var("b")
    net = mx.sym.contrib.cond(left < right, lambda: left + 1, lambda: right * 2)
    args = {"a": mx.nd.array([a]), "b": mx.nd.array([b])}
    grads = {"a": mx.nd.ones(1) * 7, "b": mx.nd.ones(1) * 7}
    exe = net.bind(mx.cpu(), args, args_grad=grads)
    assert exe.forward(is_train=True)[0].asnumpy().tolist() == [expected]
    exe.backward(mx.nd.ones(1))
    assert tuple(float(grads[name].asnumpy()[0]) for name in "ab") == gradient


# ---- several devices -----------------------------------------------------------------------------------------------


def test_groups_of_nodes_run_on_their_devices():
    with mx.AttrScope(ctx_group="first"):
        net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=4, name="fc1")
        net = mx.sym.relu(net)
    with mx.AttrScope(ctx_group="second"):
        net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc2"), name="softmax")
    rng = np.random.RandomState(3)
    made = []
    for groups in (None, {"first": mx.cpu(0), "second": mx.cpu(1)}):
        exe = net.simple_bind(mx.cpu(0), group2ctx=groups, data=(5, 6))
        rng.seed(3)
        for array in exe.arg_arrays:
            array[:] = mx.nd.array(rng.uniform(0, 1, array.shape))
        y = exe.forward(is_train=True)[0]
        exe.backward()
        made.append([y.asnumpy(), *[grad.asnumpy() for grad in exe.grad_arrays]])
    assert exe.arg_dict["fc2_weight"].context == mx.cpu(1)
    assert exe.outputs[0].context == mx.cpu(1)
    assert exe.grad_dict["fc1_weight"].context == mx.cpu(0)
    for plain, placed in zip(*made, strict=True):
        np.testing.assert_allclose(placed, plain, rtol=1e-5, atol=1e-6)


def test_a_piece_without_inputs_runs_in_the_executors_context():
    mask = mx.sym.contrib.boolean_mask(mx.sym.arange(0, 4), mx.sym.ones((4,)))
    executor = mask.bind(mx.cpu(1), {})
    out = executor.forward()[0]
    assert out.context == mx.cpu(1)
    assert out.asnumpy().tolist() == [0.0, 1.0, 2.0, 3.0]
