"""Executor: binding, arrays by name, gradient requests, repeated passes, reshape, sharing, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx


def product():
    return mx.sym.var("x") * mx.sym.var("w")


def bound(grad_req="write"):
    args = {"x": mx.nd.array([1, 2, 3]), "w": mx.nd.array([2, 2, 2])}
    grads = {"x": mx.nd.zeros(3), "w": mx.nd.zeros(3)}
    return product().bind(mx.cpu(), args, args_grad=grads, grad_req=grad_req), args, grads


def classifier():
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc1")
    net = mx.sym.BatchNorm(net, name="bn")
    net = mx.sym.Activation(net, act_type="relu", name="relu1")
    return mx.sym.SoftmaxOutput(net, name="softmax")


# ---- running -------------------------------------------------------------------------------------------------------


def test_the_bound_arrays_are_the_given_ones():
    exe, args, grads = bound()
    assert exe.arg_arrays[0] is args["x"]
    assert exe.grad_dict["w"] is grads["w"]
    assert list(exe.arg_dict) == ["x", "w"]
    assert exe.aux_arrays == []
    args["x"][:] = 5
    assert exe.forward()[0].asnumpy().tolist() == [10, 10, 10]


def test_outputs_are_written_into_the_same_memory():
    exe, args, _ = bound()
    assert exe.outputs[0].shape == (3,)
    first = exe.forward(is_train=True)
    assert first is exe.outputs
    args["x"][:] = 5
    second = exe.forward(is_train=True)
    assert first[0].asnumpy().tolist() == second[0].asnumpy().tolist() == [10, 10, 10]
    assert list(exe.output_dict) == [product().list_outputs()[0]] or len(exe.output_dict) == 1


def test_forward_takes_new_values():
    exe, args, _ = bound()
    assert exe.forward(x=mx.nd.array([7, 7, 7]))[0].asnumpy().tolist() == [14] * 3
    assert exe.forward(x=np.array([8.0, 8, 8]))[0].asnumpy().tolist() == [16] * 3
    assert exe.forward(x=mx.nd.ones(3, dtype="int32"))[0].asnumpy().tolist() == [2] * 3
    assert args["x"].asnumpy().tolist() == [1] * 3


def test_backward_takes_head_gradients_in_every_form():
    exe, _, grads = bound()
    exe.forward(is_train=True)
    for factor, given in enumerate(
        ([mx.nd.ones(3)], mx.nd.ones(3) * 2, (mx.nd.ones(3) * 3,), {next(iter(exe.output_dict)): mx.nd.ones(3) * 4}), 1
    ):
        exe.backward(given)
        assert grads["x"].asnumpy().tolist() == [2 * factor] * 3
    exe.backward(mx.nd.ones(3, dtype="float64"))
    assert grads["w"].asnumpy().tolist() == [1, 2, 3]


def test_backward_may_run_twice_and_add():
    exe, _, grads = bound("add")
    exe.forward(is_train=True)
    exe.backward(mx.nd.ones(3))
    exe.backward(mx.nd.ones(3))
    assert grads["x"].asnumpy().tolist() == [4] * 3


def test_backward_after_a_forward_in_prediction_mode():
    exe, _, grads = bound()
    exe.forward(is_train=False)
    exe.backward(mx.nd.ones(3))
    assert grads["x"].asnumpy().tolist() == [2] * 3


def test_losses_need_no_head_gradient_and_other_outputs_do():
    loss = mx.sym.make_loss(mx.sym.square(mx.sym.var("x")))
    other = mx.sym.var("x2") * 2
    grads = {"x": mx.nd.zeros(2), "x2": mx.nd.zeros(2)}
    args = {"x": mx.nd.array([1, 2]), "x2": mx.nd.ones(2)}
    exe = loss.bind(mx.cpu(), {"x": args["x"]}, args_grad=grads)
    exe.forward(is_train=True)
    exe.backward()
    assert grads["x"].asnumpy().tolist() == [2, 4]
    both = mx.sym.Group([loss, other, mx.sym.BlockGrad(other)]).bind(mx.cpu(), args, args_grad=grads)
    both.forward(is_train=True)
    with pytest.raises(mx.MXNetError, match=r"\[backward\] output 1 .* is not a loss.*make_loss"):
        both.backward()
    both.backward([None, mx.nd.ones(2) * 3])
    assert grads["x2"].asnumpy().tolist() == [6, 6]


def test_arguments_that_no_gradient_reaches_get_zeros():
    net = mx.sym.BlockGrad(mx.sym.var("x")) * mx.sym.var("w")
    grads = {"x": mx.nd.ones(3) * 9, "w": mx.nd.ones(3) * 9}
    exe = net.bind(mx.cpu(), {"x": mx.nd.ones(3), "w": mx.nd.ones(3)}, args_grad=grads)
    for _ in range(2):
        exe.forward(is_train=True)
        exe.backward(mx.nd.ones(3))
        assert grads["x"].asnumpy().tolist() == [0] * 3
        assert grads["w"].asnumpy().tolist() == [1] * 3
        grads["x"][:] = 9


def test_null_requests():
    exe = classifier().simple_bind(mx.cpu(), grad_req="null", data=(4, 5))
    exe.forward(is_train=True)
    exe.backward()
    assert exe.grad_arrays == [None] * 6
    some = classifier().simple_bind(mx.cpu(), grad_req={"fc1_weight": "write"}, data=(4, 5))
    assert [name for name, grad in some.grad_dict.items() if grad is not None] == ["fc1_weight"]
    partly, _, _ = bound(["write", "null"])
    assert partly.grad_arrays[1] is None


def test_recording_outside_does_not_reach_in():
    exe, args, _ = bound()
    args["x"].attach_grad()
    with mx.autograd.record():
        y = exe.forward(is_train=True)[0] * 2
    with pytest.raises(mx.MXNetError, match="not the result of a recorded computation"):
        y.backward()


def test_a_training_step_lowers_the_loss():
    rng = np.random.RandomState(0)
    x, label = rng.randn(30, 5).astype("float32"), rng.randint(0, 3, 30)
    x[np.arange(30), label] += 3
    exe = classifier().simple_bind(mx.cpu(), data=(30, 5), grad_req={"fc1_weight": "write", "fc1_bias": "write"})
    exe.arg_dict["fc1_weight"][:] = mx.nd.array(rng.randn(3, 5) * 0.1)
    exe.arg_dict["bn_gamma"][:] = 1
    losses = []
    for _ in range(30):
        y = exe.forward(is_train=True, data=mx.nd.array(x), softmax_label=mx.nd.array(label))[0].asnumpy()
        losses.append(-np.log(y[np.arange(30), label] + 1e-9).mean())
        exe.backward()
        for name in ("fc1_weight", "fc1_bias"):
            mx.nd.sgd_update(exe.arg_dict[name], exe.grad_dict[name], lr=0.02, out=exe.arg_dict[name])
    assert losses[-1] < losses[0] * 0.7


# ---- binding -------------------------------------------------------------------------------------------------------


def test_simple_bind_infers_and_makes_zeros():
    exe = classifier().simple_bind(mx.cpu(), data=(4, 5), unknown_name=(3,))
    assert {name: array.shape for name, array in exe.arg_dict.items()} == {
        "data": (4, 5), "fc1_weight": (3, 5), "fc1_bias": (3,), "bn_gamma": (3,), "bn_beta": (3,), "softmax_label": (4,),
    }  # fmt: skip
    assert list(exe.aux_dict) == ["bn_moving_mean", "bn_moving_var"]
    assert not any(array.asnumpy().any() for array in (*exe.arg_arrays, *exe.grad_arrays, *exe.aux_arrays))


def test_variables_bring_their_shape_and_type():
    net = mx.sym.var("x", shape=(2, 3), dtype="float64") + 1
    assert net.simple_bind(mx.cpu()).forward()[0].asnumpy().tolist() == [[1] * 3] * 2


@pytest.mark.parametrize(
    ("make", "cause", "text"),
    [
        (lambda net: net.simple_bind(mx.cpu()), RuntimeError, r"shapes of these arguments: data: unknown.*fc1_weight"),
        (lambda net: net.simple_bind(mx.cpu(), grad_req="foo", data=(4, 5)), ValueError, "'write', 'add' or 'null'"),
        (lambda net: net.simple_bind(mx.cpu(), grad_req=["write"], data=(4, 5)), ValueError, "the 6 arguments, got 1"),
        (lambda net: net.simple_bind("cpu", data=(4, 5)), TypeError, "ctx must be a Context such as mx.cpu"),
        (lambda net: net.simple_bind(mx.cpu(), data=5.0), ValueError, "shape of data must be a tuple"),
        (lambda net: net.bind(mx.cpu(), {"data": mx.nd.ones((4, 5))}), ValueError, "key `fc1_weight` is missing"),
        (lambda net: net.bind(mx.cpu(), []), ValueError, "Length of args does not match"),
        (lambda net: net.bind(mx.cpu(), 3), TypeError, "args must be a list of NDArrays or a dict"),
        (lambda net: net.bind(mx.cpu(), [np.ones(3)] * 6), TypeError, "NDArrays, got ndarray for data"),
    ],
)
def test_what_binding_refuses(make, cause, text):
    with pytest.raises(mx.MXNetError, match=text) as caught:
        make(classifier())
    assert isinstance(caught.value, cause)


def test_bind_checks_shapes_and_names_the_node():
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc1")
    args = {"data": mx.nd.ones((4, 5)), "fc1_weight": mx.nd.ones((5, 3)), "fc1_bias": mx.nd.ones(3)}
    with pytest.raises(mx.MXNetError, match=r"\[FullyConnected fc1\] weight must have shape .*\(3, 5\), got \(5, 3\)"):
        net.bind(mx.cpu(), args)
    with pytest.raises(mx.MXNetError, match=r"the gradient of x must have its shape and type, \(2,\)"):
        mx.sym.relu(mx.sym.var("x")).bind(mx.cpu(), [mx.nd.ones(2)], args_grad=[mx.nd.ones(3)])


def test_what_forward_and_backward_refuse():
    exe, _, _ = bound()
    with pytest.raises(mx.MXNetError, match="call forward"):
        exe.backward(mx.nd.ones(3))
    with pytest.raises(TypeError, match="Unknown argument z"):
        exe.forward(z=mx.nd.ones(3))
    with pytest.raises(ValueError, match=r"Shape not match! Argument x, need: \(3,\), received: \(4,\)"):
        exe.forward(x=mx.nd.ones(4))
    with pytest.raises(ValueError, match="must be an NDArray or a numpy.ndarray, got list"):
        exe.forward(x=[1, 2, 3])
    exe.forward(is_train=True)
    with pytest.raises(mx.MXNetError, match=r"must have shape \(3,\), got \(4,\)"):
        exe.backward(mx.nd.ones(4))
    with pytest.raises(TypeError, match="out_grads must be"):
        exe.backward("a")


def test_copy_params_from():
    exe = classifier().simple_bind(mx.cpu(), data=(4, 5))
    exe.copy_params_from({"fc1_bias": mx.nd.ones(3, dtype="float64")}, {"bn_moving_var": mx.nd.ones(3)})
    assert exe.arg_dict["fc1_bias"].asnumpy().tolist() == [1] * 3
    assert exe.aux_dict["bn_moving_var"].asnumpy().tolist() == [1] * 3
    with pytest.raises(ValueError, match='Find name "zz" that is not in the arguments'):
        exe.copy_params_from({"zz": mx.nd.ones(3)})
    exe.copy_params_from({"zz": mx.nd.ones(3)}, {"yy": mx.nd.ones(3)}, allow_extra_params=True)
    with pytest.raises(ValueError, match=r"fc1_bias must have shape \(3,\), got \(4,\)"):
        exe.copy_params_from({"fc1_bias": mx.nd.ones(4)})


# ---- reshape and sharing -------------------------------------------------------------------------------------------


def test_reshape_shares_what_keeps_its_shape():
    exe = classifier().simple_bind(mx.cpu(), data=(4, 5))
    exe.arg_dict["fc1_weight"][:] = 1
    small = exe.reshape(data=(2, 5), softmax_label=(2,))
    assert small.arg_dict["fc1_weight"] is exe.arg_dict["fc1_weight"]
    assert small.arg_dict["data"].shape == (2, 5)
    assert small.arg_dict["data"]._shares_memory(exe.arg_dict["data"])
    assert small.forward()[0].shape == (2, 3)
    assert exe.forward()[0].shape == (4, 3)
    with pytest.raises(mx.MXNetError, match="shape of softmax_label would change"):
        exe.reshape(data=(2, 5))
    with pytest.raises(mx.MXNetError, match="allow_up_sizing"):
        exe.reshape(data=(8, 5), softmax_label=(8,))
    large = exe.reshape(allow_up_sizing=True, data=(8, 5), softmax_label=(8,))
    assert large.forward(is_train=True)[0].shape == (8, 3)
    large.backward()
    other = exe.reshape(partial_shaping=True, allow_up_sizing=True, data=(4, 6))
    assert other.arg_dict["fc1_weight"].shape == (3, 6)


def test_simple_bind_shares_arrays_with_another_executor():
    names = ["fc1_weight", "fc1_bias", "bn_gamma", "bn_beta"]
    buffers: dict[str, mx.nd.NDArray] = {}
    net = classifier()
    large = net.simple_bind(mx.cpu(), shared_arg_names=names, shared_buffer=buffers, data=(8, 5))
    assert set(buffers) == {"data", "softmax_label"}
    small = net.simple_bind(mx.cpu(), shared_arg_names=names, shared_exec=large, shared_buffer=buffers, data=(2, 5))
    assert all(small.arg_dict[name] is large.arg_dict[name] for name in names)
    assert small.grad_dict["fc1_weight"] is large.grad_dict["fc1_weight"]
    assert small.aux_dict["bn_moving_mean"] is large.aux_dict["bn_moving_mean"]
    assert small.arg_dict["data"]._shares_memory(large.arg_dict["data"])
    with pytest.raises(mx.MXNetError, match=r"fc1_weight of shared_exec is float32 \(3, 5\), but"):
        net.simple_bind(mx.cpu(), shared_arg_names=names, shared_exec=large, data=(2, 6))


# ---- looking inside ------------------------------------------------------------------------------------------------


def test_monitor_sees_every_output_in_order():
    exe = classifier().simple_bind(mx.cpu(), data=(4, 5))
    seen = []
    exe.set_monitor_callback(lambda name, array: seen.append((name, array.shape)))
    plain = exe.forward(is_train=True)[0]
    assert [name for name, _ in seen] == ["fc1_output", "bn_output", "relu1_output", "softmax_output"]
    assert seen[-1][1] == plain.shape
    exe.backward()
    gradient = exe.grad_dict["fc1_bias"].asnumpy()
    seen.clear()
    exe.set_monitor_callback(lambda name, array: seen.append(name), monitor_all=True)
    exe.forward(is_train=False)
    assert seen[:6] == ["data", "fc1_data", "fc1_weight", "fc1_weight", "fc1_bias", "fc1_bias"]
    exe.set_monitor_callback(None)
    seen.clear()
    exe.forward(is_train=True)
    exe.backward()
    assert seen == []
    np.testing.assert_allclose(exe.grad_dict["fc1_bias"].asnumpy(), gradient, atol=1e-6)


def test_text_and_symbol():
    exe, _, _ = bound()
    text = exe.debug_str()
    assert "elemwise_mul" in text
    assert "Total 0 MB allocated" in text
    assert exe.get_optimized_symbol().list_arguments() == ["x", "w"]


def test_eval():
    y = product().eval(x=mx.nd.ones(2), w=mx.nd.array([3, 4]))
    assert y[0].asnumpy().tolist() == [3, 4]


def test_two_arguments_of_one_name():
    net = mx.sym.var("x") + mx.sym.var("x")
    exe = net.bind(mx.cpu(), [mx.nd.ones(2), mx.nd.ones(2) * 2])
    assert exe.forward()[0].asnumpy().tolist() == [3, 3]
    with pytest.raises(mx.MXNetError, match="Duplicate names detected"):
        _ = exe.arg_dict


def test_a_graph_without_arguments_runs_where_it_is_bound():
    exe = (mx.sym.zeros((2, 3)) + 1).bind(mx.cpu(1), {})
    y = exe.forward()[0]
    assert y.context == mx.cpu(1)
    assert y.asnumpy().tolist() == [[1] * 3] * 2


def test_looking_at_outputs_before_backward():
    exe = mx.sym.SoftmaxOutput(mx.sym.var("x"), name="softmax").simple_bind(mx.cpu(), x=(2, 3))
    y = exe.forward(is_train=True)[0]
    assert np.asarray(y.asnumpy()).shape == np.array(y).shape == (2, 3)
    exe.backward()
    np.testing.assert_allclose(exe.grad_dict["x"].asnumpy().sum(1), 0, atol=1e-6)
