"""mx.operator: custom operators in mx.nd, their gradients, states, parameters and errors. Runs on MXNet 1.9.1 too."""

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
        label = in_data[1].asnumpy().astype(int)
        y = out_data[0].asnumpy()
        y[np.arange(label.size), label] -= 1.0
        self.assign(in_grad[0], req[0], mx.nd.array(y))


@mx.operator.register("test_softmax")
class SoftmaxProp(mx.operator.CustomOpProp):
    def __init__(self):
        super().__init__(need_top_grad=False)

    def list_arguments(self):
        return ["data", "label"]

    def infer_shape(self, in_shape):
        return in_shape, [in_shape[0]], []

    def create_operator(self, ctx, shapes, dtypes):
        return Softmax()


class Scale(mx.operator.CustomOp):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0] * self.factor)
        self.assign(out_data[1], req[1], in_data[0] + (1 if is_train else 0))
        aux[0][:] += 1

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_grad[0] * self.factor + out_grad[1])


@mx.operator.register("test_scale")
class ScaleProp(mx.operator.CustomOpProp):
    def __init__(self, factor="2"):
        super().__init__()
        assert isinstance(factor, str)
        self.factor = float(factor)

    def list_outputs(self):
        return ["scaled", "moved"]

    def list_auxiliary_states(self):
        return ["calls"]

    def infer_shape(self, in_shape):
        return in_shape, [in_shape[0], in_shape[0]], [[1]]

    def create_operator(self, ctx, shapes, dtypes):
        return Scale(self.factor)


def test_softmax_ignores_the_head_gradient():
    x = mx.nd.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    label = mx.nd.array([2, 0])
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.Custom(x, label, op_type="test_softmax")
    y.backward()
    expected = np.exp(x.asnumpy()) / np.exp(x.asnumpy()).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(y.asnumpy(), expected, rtol=1e-5)
    expected[[0, 1], [2, 0]] -= 1
    np.testing.assert_allclose(x.grad.asnumpy(), expected, rtol=1e-5, atol=1e-6)


def test_several_outputs_states_and_string_parameters():
    x, calls = mx.nd.array([1.0, 2.0]), mx.nd.zeros((1,))
    x.attach_grad()
    with mx.autograd.record():
        scaled, moved = mx.nd.Custom(x, calls, op_type="test_scale", factor=3)
        loss = (scaled * 2 + moved).sum()
    loss.backward()
    mx.nd.waitall()
    assert scaled.asnumpy().tolist() == [3.0, 6.0]
    assert moved.asnumpy().tolist() == [2.0, 3.0]
    assert x.grad.asnumpy().tolist() == [7.0, 7.0]
    assert calls.asscalar() == 1.0


def test_only_one_output_used():
    x, calls = mx.nd.array([1.0]), mx.nd.zeros((1,))
    x.attach_grad()
    with mx.autograd.record():
        scaled, _ = mx.nd.Custom(data=x, calls=calls, op_type="test_scale")
    scaled.backward()
    assert x.grad.asscalar() == 2.0


@pytest.mark.parametrize(
    ("arrays", "options", "text"),
    [
        ([(2, 3)], {"op_type": "test_softmaks"}, "Did you mean 'test_softmax'"),
        ([(2, 3)], {"op_type": "test_softmax"}, r"\[Custom test_softmax\] takes the arrays data, label"),
        ([(2,), (2,)], {"op_type": "test_scale"}, r"calls must have shape \(1,\), got \(2,\)"),
    ],
)
def test_errors(arrays, options, text):
    if not hasattr(mx, "registry") or not mx.operator.__name__.startswith("mx_core"):
        pytest.skip("the texts are this project's")
    with pytest.raises(mx.MXNetError, match=text):
        mx.nd.Custom(*map(mx.nd.zeros, arrays), **options)


def test_a_function_that_saves_its_result_is_freed():
    import gc
    import weakref

    class Square(mx.autograd.Function):
        def forward(self, x):
            y = x * x
            self.save_for_backward(x, y)
            return y

        def backward(self, dy):
            x, _ = self.saved_tensors
            return dy * 2 * x

    x = mx.nd.array([3.0])
    x.attach_grad()
    function = Square()
    with mx.autograd.record():
        y = function(x)
    watch = weakref.ref(function)
    del function, y
    gc.collect()
    assert watch() is None


# ---- operators of the first years ----------------------------------------------------------------------------------


class SoftmaxLoss(mx.operator.NumpyOp):
    """Softmax whose gradient is that of the cross entropy, as MXNet's first example had it."""

    def __init__(self):
        super().__init__(need_top_grad=False)

    def list_arguments(self):
        return ["data", "label"]

    def infer_shape(self, in_shape):
        return [in_shape[0], [in_shape[0][0]]], [in_shape[0]]

    def forward(self, in_data, out_data):
        e = np.exp(in_data[0] - in_data[0].max(axis=1, keepdims=True))
        out_data[0][:] = e / e.sum(axis=1, keepdims=True)

    def backward(self, out_grad, in_data, out_data, in_grad):
        in_grad[0][:] = out_data[0]
        in_grad[0][np.arange(len(in_data[1])), in_data[1].astype(int)] -= 1


def test_a_numpy_op_is_a_symbol_that_trains():
    with pytest.warns(DeprecationWarning, match="Please use CustomOp"):
        loss = SoftmaxLoss()
    out = loss(mx.sym.Variable("data"), name="softmax")
    assert out.list_arguments() == ["data", "softmax_label"]
    assert out.list_outputs() == ["softmax_output"]
    executor = out.simple_bind(mx.cpu(), data=(2, 3))
    executor.forward(is_train=True, data=mx.nd.array([[1, 2, 3], [3, 1, 0]]), softmax_label=mx.nd.array([2, 0]))
    executor.backward()
    expected = mx.nd.softmax(mx.nd.array([[1, 2, 3], [3, 1, 0]])).asnumpy()
    np.testing.assert_allclose(executor.outputs[0].asnumpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(executor.grad_dict["data"].asnumpy(), expected - [[0, 0, 1], [1, 0, 0]], atol=1e-6)


def test_an_ndarray_op_reads_and_writes_ndarrays():
    class Square(mx.operator.NDArrayOp):
        def forward(self, in_data, out_data):
            out_data[0][:] = in_data[0] * in_data[0]

        def backward(self, out_grad, in_data, out_data, in_grad):
            in_grad[0][:] = 2 * in_data[0] * out_grad[0]

    with pytest.warns(DeprecationWarning, match="Please use CustomOp"):
        square = Square()
    assert square.declare_backward_dependency([0], [1], [2]) == [0, 1, 2]
    with mx.name.NameManager():
        out = square.get_symbol(mx.sym.Variable("x"))
        assert out.name == "_native0"
    executor = out.bind(mx.cpu(), {"x": mx.nd.array([1, 3])}, args_grad={"x": mx.nd.zeros((2,))})
    assert executor.forward(is_train=True)[0].asnumpy().tolist() == [1, 9]
    executor.backward([mx.nd.array([1, 10])])
    assert executor.grad_dict["x"].asnumpy().tolist() == [2, 60]


def test_a_python_op_without_forward_says_so():
    with pytest.warns(DeprecationWarning, match="CustomOp"):
        empty = mx.operator.NDArrayOp()
    with pytest.raises(mx.MXNetError, match="must define forward"):
        empty(mx.sym.Variable("x")).eval(x=mx.nd.ones((1,)))


def test_arguments_of_an_operator():
    found = mx.operator.get_operator_arguments("Activation")
    assert found == (2, ["data", "act_type"], found.types)
    assert found.types[0] == "NDArray-or-Symbol"
    assert found.types[1].endswith("required")
    assert mx.operator.get_operator_arguments("concat").types[0] == "NDArray-or-Symbol[]"
    assert "int, optional, default=1" in mx.operator.get_operator_arguments("concat").types
    with pytest.raises(mx.MXNetError, match="no_such_operator"):
        mx.operator.get_operator_arguments("no_such_operator")


def test_an_error_in_the_users_code_comes_with_its_place():
    @mx.operator.register("broken_in_backward")
    class Property(mx.operator.CustomOpProp):
        def create_operator(self, ctx, in_shapes, in_dtypes):
            return Broken()

    class Broken(mx.operator.CustomOp):
        def forward(self, is_train, req, in_data, out_data, aux):
            self.assign(out_data[0], req[0], in_data[0])

        def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
            raise KeyError("lost")  # noqa: EM101

    x = mx.nd.ones((2,))
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.Custom(x, op_type="broken_in_backward")
    with pytest.raises(KeyError, match="lost") as caught:
        y.backward()
        x.grad.wait_to_read()
    assert any(entry.name == "backward" and entry.path.name == "test_custom_operator.py" for entry in caught.traceback)


@pytest.mark.parametrize("answer", [([[2]],), ([[2]], [[2]], [[2]]), ([[2]], []), 3])
def test_an_inference_of_wrong_lengths_is_named(answer):
    @mx.operator.register("wrong_inference")
    class Property(mx.operator.CustomOpProp):
        def infer_shape(self, in_shape):
            return answer

    for call in (
        lambda: mx.nd.Custom(mx.nd.ones((2,)), op_type="wrong_inference"),
        lambda: mx.sym.Custom(mx.sym.Variable("x"), op_type="wrong_inference").infer_shape(x=(2,)),
    ):
        with pytest.raises(
            mx.MXNetError, match="infer_shape must return lists for 1 inputs, 1 outputs and 0 auxiliary"
        ):
            call()
