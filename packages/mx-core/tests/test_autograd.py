"""autograd: recording, gradients of every request, heads, and functions with their own gradient."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import mxnet as mx

OURS = hasattr(mx.nd.NDArray, "_reshape_view")
ours = pytest.mark.skipif(not OURS, reason="1.9.1 raises, dies or errs here")
ag, nd = mx.autograd, mx.nd


def variable(values, grad_req="write"):
    x = nd.array(values)
    x.attach_grad(grad_req)
    return x


def test_flags():
    assert (ag.is_recording(), ag.is_training()) == (False, False)
    with ag.record():
        assert (ag.is_recording(), ag.is_training()) == (True, True)
        with ag.pause():
            assert (ag.is_recording(), ag.is_training()) == (False, False)
            with ag.train_mode():
                assert (ag.is_recording(), ag.is_training()) == (False, True)
        with ag.predict_mode():
            assert (ag.is_recording(), ag.is_training()) == (True, False)
        with ag.pause(train_mode=True):
            assert (ag.is_recording(), ag.is_training()) == (False, True)
        assert (ag.is_recording(), ag.is_training()) == (True, True)
    with ag.record(train_mode=False):
        assert (ag.is_recording(), ag.is_training()) == (True, False)
    assert (ag.is_recording(), ag.is_training()) == (False, False)
    assert ag.set_recording(True) is False
    assert ag.set_recording(False) is True
    assert ag.set_training(True) is False
    assert ag.set_training(False) is True


def test_flags_are_restored_after_an_exception():
    with pytest.raises(ZeroDivisionError), ag.record():
        raise ZeroDivisionError
    assert (ag.is_recording(), ag.is_training()) == (False, False)


def test_flags_are_of_the_thread():
    seen = []
    with ag.record():
        thread = threading.Thread(target=lambda: seen.append((ag.is_recording(), ag.is_training())))
        thread.start()
        thread.join()
    assert seen == [(False, False)]


def test_backward():
    x = variable([1, 2, 3])
    with ag.record():
        y = x * x + x
    y.backward()
    assert x.grad.asnumpy().tolist() == [3, 5, 7]


def test_head_gradient():
    x = variable([1, 2])
    with ag.record():
        y = x * 2
    y.backward(nd.array([10, 20]))
    assert x.grad.asnumpy().tolist() == [20, 40]


def test_several_heads():
    x, w = variable([1, 2]), variable([3, 4])
    with ag.record():
        y, z = x * w, x + w
    ag.backward([y, z], [nd.array([1, 1]), None])
    assert x.grad.asnumpy().tolist() == [4, 5]
    assert w.grad.asnumpy().tolist() == [2, 3]


def test_grad_req():
    x, added, ignored = variable([1, 2]), variable([1, 2], "add"), variable([1, 2], "null")
    for _ in range(3):
        with ag.record():
            y = x * 2 + added * 3 + ignored * 4
        y.backward()
    assert x.grad.asnumpy().tolist() == [2, 2]
    assert added.grad.asnumpy().tolist() == [9, 9]
    with pytest.raises((KeyError, ValueError)):
        x.attach_grad("always")


def test_attach_grad_of_types_and_contexts():
    for dtype, ctx in (("float16", mx.cpu()), ("float64", mx.cpu(1))):
        x = nd.ones((2,), dtype=dtype, ctx=ctx)
        x.attach_grad()
        assert (x.grad.dtype, x.grad.context, x.grad.shape) == (np.dtype(dtype).type, ctx, (2,))
        assert not x.grad.asnumpy().any()


def test_attach_grad_forgets_history():
    x = variable([1, 2])
    with ag.record():
        y = x * 2
        y.attach_grad()
        z = y * 3
    z.backward()
    assert y.grad.asnumpy().tolist() == [3, 3]
    assert x.grad.asnumpy().tolist() == [0, 0]


def test_retain_graph():
    x = variable([1, 2], "add")
    with ag.record():
        y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.asnumpy().tolist() == [4, 8]
    with pytest.raises(mx.MXNetError):
        y.backward()


def test_backward_of_nothing():
    x = variable([1, 2])
    for y in (nd.ones((2,)), x * 2):
        with pytest.raises(mx.MXNetError):
            y.backward()
    with pytest.raises((mx.MXNetError, ValueError)):
        ag.backward([])


def test_detach_and_pause():
    x = variable([1, 2])
    with ag.record():
        y = x * 2
        z = y.detach() * x
        with ag.pause():
            outside = x * 5
        z = z + outside
    z.backward()
    assert x.grad.asnumpy().tolist() == [2, 4]
    assert y.detach().grad is None


def test_grad():
    x, w = variable([1, 2]), variable([3, 4])
    with ag.record():
        y = x * x * w
    gx, gw = ag.grad(y, [x, w], retain_graph=True)
    assert (gx.asnumpy().tolist(), gw.asnumpy().tolist()) == ([6, 16], [1, 4])
    (gx,) = ag.grad([y], x, head_grads=[nd.array([2, 3])])
    assert gx.asnumpy().tolist() == [12, 48]
    assert x.grad.asnumpy().tolist() == [0, 0]
    with pytest.raises((AssertionError, ValueError)):
        ag.grad(y, [])


def test_grad_of_grad():
    x = variable([1.0, 2.0])
    with ag.record():
        y = nd.sin(x)
        (g,) = ag.grad(y, x, create_graph=True, retain_graph=True)
    g.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), -np.sin([1.0, 2.0]), rtol=1e-6)


@ours
def test_third_derivative():
    x = variable([1.0, 2.0])
    with ag.record():
        y = x * x * x * x
        (first,) = ag.grad(y, x, create_graph=True)
        (second,) = ag.grad(first, x, create_graph=True)
    second.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), 24 * np.array([1.0, 2.0]), rtol=1e-6)


def test_mark_variables():
    x, g = nd.array([1, 2]), nd.zeros((2,))
    ag.mark_variables([x], [g])
    with ag.record():
        y = x * 3
    y.backward()
    assert g.asnumpy().tolist() == [3, 3]
    ag.mark_variables(x, g, "add")
    with ag.record():
        y = x * 3
    y.backward()
    assert g.asnumpy().tolist() == [6, 6]
    with pytest.raises((KeyError, ValueError)):
        ag.mark_variables([x], [g], "always")


@ours
def test_mark_variables_checks():
    with pytest.raises(ValueError, match=r"must have the shape and type of its variable, \(2,\).*got \(3,\)"):
        ag.mark_variables([nd.ones((2,))], [nd.ones((3,))])
    with pytest.raises(ValueError, match="2 variables, 1 gradients"):
        ag.mark_variables([nd.ones((2,)), nd.ones((2,))], [nd.ones((2,))])


@pytest.mark.parametrize("copy", ["copy", "astype", "copyto", "as_in_context"])
def test_gradients_through_copies(copy):
    x = variable([1, 2])
    with ag.record():
        y = {
            "copy": lambda: x.copy(), "astype": lambda: x.astype("float64"), "copyto": lambda: x.copyto(mx.cpu(1)),
            "as_in_context": lambda: x.as_in_context(mx.cpu(1)).as_in_context(mx.cpu(0)),
        }[copy]()  # fmt: skip
        z = y * y
    z.backward()
    assert x.grad.asnumpy().tolist() == [2, 4]


def test_in_place_on_recorded_arrays_is_refused():
    x = variable([1, 2])
    with ag.record():
        y = x * 2
        with pytest.raises(mx.MXNetError):
            y += 1
        with pytest.raises(mx.MXNetError):
            x.copyto(y) if OURS else y.__iadd__(1)
        z = y * 2
    z.backward()
    assert x.grad.asnumpy().tolist() == [4, 4]


class Sigmoid(ag.Function):
    def forward(self, x):
        y = 1 / (1 + nd.exp(-x))
        self.save_for_backward(y)
        return y

    def backward(self, dy):
        (y,) = self.saved_tensors
        return dy * y * (1 - y)


class Pair(ag.Function):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, a, b):
        self.save_for_backward(a, b)
        return a * b, a + b * self.factor

    def backward(self, d_product, d_sum):
        a, b = self.saved_tensors
        return d_product * b + d_sum, d_product * a + d_sum * self.factor


def test_function():
    x = variable([0.0, 1.0])
    with ag.record():
        y = Sigmoid()(x) * 3
    y.backward()
    s = 1 / (1 + np.exp(-np.array([0.0, 1.0])))
    np.testing.assert_allclose(x.grad.asnumpy(), 3 * s * (1 - s), rtol=1e-6)


def test_function_with_several_arrays():
    a, b = variable([1.0, 2.0]), variable([3.0, 4.0])
    with ag.record():
        product, total = Pair(5)(a * 2, b)
        y = product + total
    y.backward()
    assert a.grad.asnumpy().tolist() == [8, 10]
    assert b.grad.asnumpy().tolist() == [7, 9]


def test_function_not_recording():
    y = Sigmoid()(nd.array([0.0]))
    assert y.asscalar() == 0.5


def test_function_is_not_recorded_inside():
    class Look(ag.Function):
        def forward(self, x):
            assert not ag.is_recording()
            return x * 2

        def backward(self, dy):
            return dy * 7

    x = variable([1.0])
    with ag.record():
        y = Look()(x)
    y.backward()
    assert x.grad.asscalar() == 7


@ours
def test_function_that_hands_its_input_through():
    class Reverse(ag.Function):
        def forward(self, x):
            return x

        def backward(self, dy):
            return -dy

    x = variable([1.0])
    with ag.record():
        y = Reverse()(x) * 2
    y.backward()
    assert x.grad.asscalar() == -2


@ours
def test_function_mistakes():
    class Wrong(ag.Function):
        def forward(self, a, b):
            return a + b

        def backward(self, dy):
            return dy

    a, b = variable([1.0]), variable([2.0])
    with ag.record():
        y = Wrong()(a, b)
    with pytest.raises(mx.MXNetError, match="one gradient for each of the 2 inputs"):
        y.backward()
    once = Sigmoid()
    once(a)
    with pytest.raises(mx.MXNetError, match="called once"):
        once(a)
    with pytest.raises(mx.MXNetError, match="must define forward"):
        ag.Function()(a)


def test_loop_of_training_steps():
    random = np.random.RandomState(0)
    x, w_true = random.randn(50, 3).astype("float32"), np.array([[2.0], [-3.0], [0.5]], dtype="float32")
    data, target = nd.array(x), nd.array(x @ w_true)
    w = variable(np.zeros((3, 1)))
    for _ in range(100):
        with ag.record():
            loss = ((nd.dot(data, w) - target) ** 2).mean()
        loss.backward()
        w -= 0.3 * w.grad
    np.testing.assert_allclose(w.asnumpy(), w_true, atol=1e-3)
