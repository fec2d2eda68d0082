"""foreach, while_loop and cond: on symbols as on arrays, with gradients, through files."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx
from mx_core.errors import MXNetError, ParameterError, RecordFileError


@pytest.fixture(autouse=True)
def fresh_names():
    with mx.name.NameManager():
        yield


def arrays(**values):
    return {name: mx.nd.array(value) for name, value in values.items()}


def both(symbol, **values):
    """The outputs of a symbol, and of the same symbol after a file."""
    first = [out.asnumpy() for out in symbol.eval(**arrays(**values))]
    again = mx.sym.load_json(symbol.tojson())
    assert again.tojson() == symbol.tojson()
    for a, b in zip(first, again.eval(**arrays(**values)), strict=True):
        np.testing.assert_array_equal(a, b.asnumpy())
    return first


def test_foreach_is_the_loop():
    w = mx.sym.var("w")

    def step(x, states):
        return x * w + states[0], [states[0] * 2]

    out, states = mx.sym.contrib.foreach(step, mx.sym.var("data"), [mx.sym.var("s")])
    net = mx.sym.Group([out, *states])
    assert net.list_arguments() == ["data", "s", "w"]
    assert net.infer_shape(data=(3, 2), w=(2,), s=(2,)) == ([(3, 2), (2,), (2,)], [(3, 2), (2,)], [])
    data, start, weight = np.arange(6.0).reshape(3, 2), np.ones(2), np.array([1.0, 10.0])
    made = both(net, data=data, s=start, w=weight)
    np.testing.assert_allclose(made[0], [data[i] * weight + 2**i for i in range(3)])
    np.testing.assert_allclose(made[1], [8, 8])

    executor = net.simple_bind(mx.cpu(), data=(3, 2), s=(2,), w=(2,))
    executor.copy_params_from(arrays(data=data, s=start, w=weight))
    executor.forward(is_train=True)
    executor.backward([mx.nd.ones((3, 2)), mx.nd.ones((2,))])
    np.testing.assert_allclose(executor.grad_dict["w"].asnumpy(), data.sum(0))
    np.testing.assert_allclose(executor.grad_dict["s"].asnumpy(), [15, 15])


def test_foreach_forms():
    a, b = mx.sym.var("a"), mx.sym.var("b")
    out, state = mx.sym.contrib.foreach(lambda xs, s: ([xs[0] + s, [xs[1]]], s + xs[0]), [a, b], mx.sym.var("s"))
    assert isinstance(out[0], mx.sym.Symbol)
    assert isinstance(out[1][0], mx.sym.Symbol)
    made = both(mx.sym.Group([out[0], out[1][0], state]), a=[[1], [2]], b=[[3], [4]], s=[0])
    assert [value.ravel().tolist() for value in made] == [[1, 3], [3, 4], [3]]
    nd_out, nd_state = mx.nd.contrib.foreach(
        lambda xs, s: ([xs[0] + s, [xs[1]]], s + xs[0]), [mx.nd.array([[1], [2]]), mx.nd.array([[3], [4]])],
        mx.nd.array([0]),
    )  # fmt: skip
    assert nd_out[1][0].asnumpy().ravel().tolist() == [3, 4]
    assert nd_state.asscalar() == 3


def test_a_closure_uses_results_and_variables_from_outside():
    x, w = mx.sym.var("x"), mx.sym.var("w")
    doubled = w * 2
    out, _ = mx.sym.contrib.foreach(lambda row, s: (row * doubled + w, s + row), x, mx.sym.var("s"))
    assert sorted(out.list_arguments()) == ["s", "w", "x"]
    (made,) = both(out, x=[[1], [2]], s=[0], w=[3])
    assert made.ravel().tolist() == [9, 15]


def test_loops_nest():
    def inner(x, s):
        return mx.sym.contrib.foreach(lambda y, t: (y + t, t + 1), x, s)

    out, state = mx.sym.contrib.foreach(lambda row, s: inner(row, s), mx.sym.var("x"), mx.sym.var("s"))
    made = both(mx.sym.Group([out, state]), x=np.zeros((2, 3, 1)), s=[0])
    assert made[0].ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert made[1].tolist() == [6]


def test_while_loop():
    def run(front, i, s):
        return front.contrib.while_loop(lambda i, s: i <= 5, lambda i, s: ([i + s], [i + 1, s + i]), [i, s], 10)

    out, states = run(mx.sym, mx.sym.var("i"), mx.sym.var("s"))
    net = mx.sym.Group([*out, *states])
    assert net.infer_shape(i=(1,), s=(1,)) == ([(1,), (1,)], [(10, 1), (1,), (1,)], [])
    made = both(net, i=[0], s=[0])
    assert made[0].ravel()[:6].tolist() == [0, 1, 3, 6, 10, 15]
    assert [value.tolist() for value in made[1:]] == [[6], [15]]
    out, states = run(mx.nd, mx.nd.array([0]), mx.nd.array([0]))
    assert out[0].asnumpy().ravel().tolist() == [0, 1, 3, 6, 10, 15, 0, 0, 0, 0]
    assert [value.asscalar() for value in states] == [6, 15]


def test_cond():
    a, b = mx.sym.var("a"), mx.sym.var("b")
    net = mx.sym.contrib.cond(a * b < 5, lambda: (a + 5) * (b + 5), lambda: (a - 5) * (b - 5))
    assert net.infer_shape(a=(1,), b=(1,)) == ([(1,), (1,)], [(1,)], [])
    assert both(net, a=[1], b=[2])[0].tolist() == [42]
    assert both(net, a=[3], b=[2])[0].tolist() == [6]
    assert mx.nd.contrib.cond(mx.nd.array([0]), lambda: 1, lambda: 2) == 2


def test_gradients_of_array_loops():
    x = mx.nd.array([[1.0], [2.0], [3.0]])
    w = mx.nd.array([2.0])
    w.attach_grad()
    with mx.autograd.record():
        out, _ = mx.nd.contrib.foreach(lambda row, s: (row * w + s, s + row * w), x, mx.nd.zeros((1,)))
        out.sum().backward()
    assert w.grad.asscalar() == 1 * 3 + 2 * 2 + 3 * 1


def test_refusals():
    x, s = mx.sym.var("x"), mx.sym.var("s")
    with pytest.raises(ParameterError, match="have to be used in the loop body, and 's' is not"):
        mx.sym.contrib.foreach(lambda row, state: (row, row), x, s)
    with pytest.raises(ParameterError, match="states in the form of init_states"):
        mx.sym.contrib.foreach(lambda row, state: (row, [state, state]), x, s)
    with pytest.raises(ParameterError, match="max_iterations should be specified"):
        mx.sym.contrib.while_loop(lambda i: i < 1, lambda i: (i, i), s)
    with pytest.raises(ParameterError, match="should be consistent"):
        mx.sym.contrib.while_loop(lambda i: i < 1, lambda i: (i, [i, i]), [s], 3)
    with pytest.raises(ParameterError, match="differs between then-branch and else-branch: 1 and 2"):
        mx.sym.contrib.cond(x, lambda: s, lambda: [s, x])
    with pytest.raises(MXNetError, match="one first axis"):
        mx.nd.contrib.foreach(lambda rows, state: (rows[0], state), [mx.nd.ones((2,)), mx.nd.ones((3,))], [])
    with pytest.raises(MXNetError, match="one shape in all steps"):
        mx.nd.contrib.while_loop(
            lambda i: i < 2, lambda i: (mx.nd.ones((int(i.asscalar()) + 1,)), i + 1), mx.nd.array([0]), 3
        )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"in_data_locs": "[0]"', '"in_data_locs": "[7]"'), ('"num_outputs": "2"', '"num_outputs": "200"'),
        ('"num_out_data": "1"', '"num_out_data": "-1"'), ('"remain_locs": "[]"', '"remain_locs": "[1]"'),
        ('"in_state_locs": "[1]"', '"in_state_locs": "__import__"'),
    ],
)  # fmt: skip
def test_damaged_places_are_found(old, new):
    out, state = mx.sym.contrib.foreach(lambda row, s: (row + s, s), mx.sym.var("x"), mx.sym.var("s"))
    text = mx.sym.Group([out, state]).tojson()
    assert old in text
    with pytest.raises(RecordFileError, match="node 2 '_foreach0'"):
        mx.sym.load_json(text.replace(old, new))
