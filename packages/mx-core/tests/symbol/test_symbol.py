"""Symbols: composition, names, attributes and what can be asked of a graph, as MXNet 1.9.1 has them."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest

import mxnet as mx
from mx_core.errors import DTypeError, MXNetError, OpNotAvailable, ParameterError
from mx_core.symbol.node import topological


@pytest.fixture(autouse=True)
def fresh_names():
    with mx.name.NameManager():
        yield


def mlp():
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=8, name="fc1")
    net = mx.sym.Activation(net, act_type="relu", name="relu1")
    net = mx.sym.FullyConnected(net, num_hidden=3, name="fc2")
    return mx.sym.SoftmaxOutput(net, name="softmax")


# -- composition and names --------------------------------------------------------------------------------------------


def test_variables_are_made_for_missing_inputs():
    assert mlp().list_arguments() == [
        "data", "fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias", "softmax_label",
    ]  # fmt: skip
    bn = mx.sym.BatchNorm(mx.sym.var("x"), name="bn")
    assert bn.list_arguments() == ["x", "bn_gamma", "bn_beta"]
    assert bn.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    assert bn.list_inputs() == ["x", "bn_gamma", "bn_beta", "bn_moving_mean", "bn_moving_var"]
    assert bn.attr_dict()["bn_moving_var"] == {"__init__": '["one", {}]'}


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda x: mx.sym.FullyConnected(x, num_hidden=3, no_bias=True, name="n"), ["x", "n_weight"]),
        (lambda x: mx.sym.Convolution(x, kernel=(3, 3), num_filter=2, name="n"), ["x", "n_weight", "n_bias"]),
        (lambda x: mx.sym.Deconvolution(x, kernel=(3, 3), num_filter=2, name="n"), ["x", "n_weight"]),
        (lambda x: mx.sym.LeakyReLU(x, name="n"), ["x"]),
        (lambda x: mx.sym.LeakyReLU(x, act_type="prelu", name="n"), ["x", "n_gamma"]),
        (lambda x: mx.sym.Embedding(x, input_dim=5, output_dim=2, name="n"), ["x", "n_weight"]),
        (
            lambda x: mx.sym.RNN(x, state_size=3, num_layers=1, mode="lstm", name="n"),
            ["x", "n_parameters", "n_state", "n_state_cell"],
        ),
        (
            lambda x: mx.sym.RNN(x, state_size=3, num_layers=1, mode="gru", use_sequence_length=True, name="n"),
            ["x", "n_parameters", "n_state", "n_sequence_length"],
        ),
        (lambda x: mx.sym.SequenceMask(x, name="n"), ["x"]),
        (lambda x: mx.sym.SequenceMask(x, use_sequence_length=True, name="n"), ["x", "n_sequence_length"]),
        (lambda x: mx.sym.CTCLoss(x, use_label_lengths=True, name="n"), ["x", "n_label", "n_label_lengths"]),
        (lambda x: mx.sym.LayerNorm(x, name="n"), ["x", "n_gamma", "n_beta"]),
        (lambda x: mx.sym.LinearRegressionOutput(x, name="n"), ["x", "n_label"]),
    ],
)
def test_inputs_follow_from_the_parameters(call, names):
    assert call(mx.sym.var("x")).list_arguments() == names


def test_automatic_names_come_from_the_name_that_was_called():
    a, b = mx.sym.var("a"), mx.sym.var("b")
    made = [
        a + b, a + 1, 1 + a, a - b, 1 - a, a * b, a / b, 2 / a, a % b, a % 2, 2 % a, a**b, a**2, 2**a, -a, a == b, a == 1,
        a != b, a > b, a > 1, a >= b, a < b, a <= 2, abs(a), mx.sym.broadcast_plus(a, b), mx.sym.linalg.gemm2(a, b),
        mx.sym.contrib.box_iou(a, b), mx.sym.random.uniform(0, 1, shape=(2,)), mx.sym.random.uniform(a, b),
        mx.sym.zeros((2,)), mx.sym.cast(a, dtype="int32"), mx.sym.Cast(a, dtype="int32"), mx.sym.Pooling_v1(a, kernel=(2, 2)),
    ]  # fmt: skip
    assert [symbol.name for symbol in made] == [
        "_plus0", "_plusscalar0", "_plusscalar1", "_minus0", "_rminusscalar0", "_mul0", "_div0", "_rdivscalar0", "_mod0",
        "_modscalar0", "_rmodscalar0", "_power0", "_powerscalar0", "_rpower_scalar0", "_mulscalar0", "_equal0",
        "_equal_scalar0", "_not_equal0", "_greater0", "_greater_scalar0", "_greater_equal0", "_lesser0",
        "_lesser_equal_scalar0", "abs0", "broadcast_plus0", "gemm20", "box_iou0", "_random_uniform0", "_sample_uniform0",
        "_zeros0", "cast0", "cast1", "pooling_v10",
    ]  # fmt: skip


def test_prefixes_and_counters_nest():
    x = mx.sym.var("x")
    with mx.name.Prefix("net_"):
        assert mx.sym.relu(x).name == "net_relu0"
        assert mx.sym.relu(x, name="r").name == "net_r"
        with mx.name.NameManager():
            assert mx.sym.relu(x).name == "relu0"
        assert mx.sym.relu(x).name == "net_relu1"
    assert mx.sym.relu(x).name == "relu0"


def test_calling_a_symbol_replaces_variables_of_a_copy():
    net = mlp()
    front = mx.sym.relu(mx.sym.var("image"), name="front")
    composed = net(data=front, name="whole")
    assert composed.list_arguments()[0] == "image"
    assert composed.list_outputs() == ["whole_output"]
    assert net.list_arguments()[0] == "data"
    assert net.list_outputs() == ["softmax_output"]
    assert net(front).list_arguments()[0] == "image"
    fc = mx.sym.FullyConnected(num_hidden=3, name="fc")
    assert fc(fc_data=front).list_arguments() == ["image", "fc_weight", "fc_bias"]


def test_lists_for_operators_of_many_inputs():
    parts = [mx.sym.var(f"x{i}") for i in range(3)]
    for joined in (mx.sym.Concat(*parts, dim=1), mx.sym.concat(parts, dim=1)):
        assert joined.list_arguments() == ["x0", "x1", "x2"]
        assert joined.attr("num_args") == "3"
    assert mx.sym.add_n(*mx.sym.split(mx.sym.var("x"), num_outputs=2)).list_arguments() == ["x"]


def test_parameters_are_kept_as_they_were_given():
    conv = mx.sym.Convolution(
        mx.sym.var("x"), kernel=[3, 3], num_filter=np.int64(4), stride=(np.int64(2), 1), no_bias=True
    )
    assert conv.list_attr() == {"kernel": "[3, 3]", "num_filter": "4", "stride": "(2, 1)", "no_bias": "True"}
    assert mx.sym.cast(mx.sym.var("x"), dtype=np.float16).list_attr() == {"dtype": "float16"}
    assert (mx.sym.var("x") + np.float32(2)).list_attr() == {"scalar": "2.0"}


def test_parameters_by_position():
    x = mx.sym.var("x")
    assert mx.sym.clip(x, -1, 2).infer_shape(x=(2,)) == mx.sym.clip(x, a_min=-1, a_max=2).infer_shape(x=(2,))
    assert x.expand_dims(1).infer_shape(x=(2,))[1] == [(2, 1)]
    assert x.reshape((3, 2)).infer_shape(x=(6,))[1] == [(3, 2)]


# -- what a graph is made of -------------------------------------------------------------------------------------------


def test_outputs_by_number_name_and_slice():
    group = mx.sym.Group([mx.sym.var("a") + 1, mx.sym.split(mx.sym.var("b"), num_outputs=2, name="sp")])
    assert group.list_outputs() == ["_plusscalar0_output", "sp_output0", "sp_output1"]
    assert len(group) == 3
    assert group.name is None
    assert repr(group) == "<Symbol group [_plusscalar0, sp, sp]>"
    assert group["sp_output1"].list_outputs() == ["sp_output1"] == group[2].list_outputs()
    assert group[0:2].list_outputs() == ["_plusscalar0_output", "sp_output0"]
    assert [symbol.name for symbol in group] == ["_plusscalar0", "sp", "sp"]
    with pytest.raises(IndexError, match="no output 3"):
        group[3]
    with pytest.raises(ValueError, match="Did you mean sp_output"):
        group["sp_output"]
    with pytest.raises(TypeError, match="number or name"):
        group[1.5]


def test_internals_and_children():
    net = mlp()
    internals = net.get_internals()
    assert internals.list_outputs() == [
        "data", "fc1_weight", "fc1_bias", "fc1_output", "relu1_output", "fc2_weight", "fc2_bias", "fc2_output",
        "softmax_label", "softmax_output",
    ]  # fmt: skip
    assert internals["fc1_output"].list_arguments() == ["data", "fc1_weight", "fc1_bias"]
    assert net.get_children().list_outputs() == ["fc2_output", "softmax_label"]
    assert mx.sym.var("x").get_children() is None


def test_names_of_outputs():
    x = mx.sym.var("x")
    assert mx.sym.split(x, num_outputs=1, name="s").list_outputs() == ["s_output0"]
    assert mx.sym.topk(x, ret_typ="both", name="t").list_outputs() == ["t_output0", "t_output1"]
    assert mx.sym.BatchNorm(x, output_mean_var=True, name="b").list_outputs() == ["b_output", "b_mean", "b_var"]
    rnn = mx.sym.RNN(x, state_size=3, num_layers=1, mode="lstm", state_outputs=True, name="r")
    assert rnn.list_outputs() == ["r_output", "r_state_output", "r_statecell_output"]
    assert mx.sym.Pooling(x, kernel=(2, 2), name="p").list_outputs() == ["p_output"]


def test_copies_and_pickles():
    net = mlp()
    for other in (copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other is not net
        assert other.tojson() == net.tojson()
    changed = copy.copy(net)
    changed._set_attr(mood="calm")
    assert net.attr("mood") is None


def test_deep_graphs():
    net = mx.sym.var("x")
    for _ in range(10_000):
        net = net + 1
    assert len(topological(net._outputs)) == 10_001
    assert net.infer_shape(x=(2, 3))[1] == [(2, 3)]
    again = mx.sym.load_json(net.tojson())
    assert again.list_outputs() == net.list_outputs()
    copy.copy(net)


# -- attributes --------------------------------------------------------------------------------------------------------


def test_attributes_of_variables():
    init = mx.init.One()
    x = mx.sym.var(
        "x", shape=(2, 0), dtype="float16", lr_mult=2, wd_mult=0, init=init, stype="default", __mood__="calm"
    )
    assert x.list_attr() == {
        "__shape__": "(2, 0)", "__dtype__": "2", "__lr_mult__": "2", "lr_mult": "2", "__wd_mult__": "0", "wd_mult": "0",
        "__init__": init.dumps(), "__storage_type__": "0", "__mood__": "calm",
    }  # fmt: skip
    assert x.infer_shape_partial() == ([(2, 0)], [(2, 0)], [])
    assert x.infer_type() == ([np.float16], [np.float16], [])
    with pytest.raises(ValueError, match="double underscores, e.g, __mood__"):
        mx.sym.var("x", mood="calm")


def test_attributes_reach_automatic_variables():
    with mx.AttrScope(ctx_group="dev1", __data__="great"):
        net = mx.sym.FullyConnected(mx.sym.var("x"), num_hidden=2, name="fc", attr={"lr_mult": "3"})
    wanted = {
        "num_hidden": "2", "__ctx_group__": "dev1", "ctx_group": "dev1", "__data__": "great", "__lr_mult__": "3", "lr_mult": "3",
    }  # fmt: skip
    assert net.list_attr() == wanted
    assert net.attr_dict()["fc_weight"] == wanted
    assert net.attr("ctx_group") == net.attr("__ctx_group__") == "dev1"


def test_scopes_nest_and_belong_to_threads():
    seen = []
    with mx.AttrScope(a="1", b="1"):
        with mx.AttrScope(b="2"):
            assert mx.sym.var("x", attr={"c": "3"}).list_attr() == {"a": "1", "b": "2", "c": "3"}
        thread = threading.Thread(target=lambda: seen.append(mx.sym.var("x").list_attr()))
        thread.start()
        thread.join()
        assert mx.sym.var("x").list_attr() == {"a": "1", "b": "1"}
    assert seen == [{}]
    with pytest.raises(ValueError, match="must be strings"):
        mx.AttrScope(a=1)


def test_set_attr():
    net = mx.sym.FullyConnected(mx.sym.var("x"), num_hidden=2)
    net._set_attr(mood="calm", num_hidden="5")
    assert net.attr("mood") == "calm"
    assert net.infer_shape(x=(1, 3))[1] == [(1, 5)]
    with pytest.raises(ValueError, match="only accepts string values"):
        net._set_attr(mood=1)


# -- inference ---------------------------------------------------------------------------------------------------------


def test_shapes_forward_and_backward():
    net = mlp()
    shapes = ([(5, 4), (8, 4), (8,), (3, 8), (3,), (5,)], [(5, 3)], [])
    assert net.infer_shape(data=(5, 4)) == shapes
    assert net.infer_shape((5, 4)) == shapes
    a, b = mx.sym.var("a"), mx.sym.var("b")
    assert (a + b).infer_shape(b=(2, 3)) == ([(2, 3), (2, 3)], [(2, 3)], [])
    assert mx.sym.FullyConnected(a, num_hidden=3).infer_shape_partial(a=(0, 4))[1] == [(0, 3)]
    with pytest.warns(UserWarning, match="a: \\(0, 4\\)"):
        assert mx.sym.FullyConnected(a, num_hidden=3).infer_shape(a=(0, 4)) == (None, None, None)


def test_open_sizes_of_new_arrays_follow_from_their_use():
    state = mx.sym.zeros((0, 5), name="state")
    net = mx.sym.FullyConnected(mx.sym.var("x"), num_hidden=4) + mx.sym.FullyConnected(state, num_hidden=4)
    assert net.get_internals().infer_shape(x=(3, 2))[1][3:5] == [(3, 4), (3, 5)]
    with pytest.warns(UserWarning, match="Cannot decide shape"):
        assert state.infer_shape() == (None, None, None)


def test_types_that_operators_have_decide_before_the_default():
    x = mx.sym.var("x")
    wide = x + mx.sym.zeros((2,), dtype="float64")
    assert wide.simple_bind(mx.cpu(), x=(2,)).arg_dict["x"].dtype == np.float64
    half = mx.sym.FullyConnected(mx.sym.cast(x, dtype="float16"), num_hidden=2, name="fc")
    bound = half.simple_bind(mx.cpu(), x=(2, 3))
    assert [bound.arg_dict[name].dtype for name in ("x", "fc_weight")] == [np.float32, np.float16]


def test_types_need_no_shapes():
    x, w = mx.sym.var("x"), mx.sym.var("w")
    net = mx.sym.FullyConnected(mx.sym.flatten(mx.sym.transpose(x)), w, num_hidden=3, no_bias=True)
    assert net.infer_type(x="float16") == ([np.float16, np.float16], [np.float16], [])
    assert net.infer_type(w=np.float64) == ([np.float64, np.float64], [np.float64], [])
    assert mx.sym.cast(x, dtype="int32").infer_type_partial() == ([None], [np.int32], [])
    assert mx.sym.shape_array(x).infer_type(x="float32")[1] == [np.int64]
    with pytest.warns(UserWarning, match="Cannot decide type"):
        assert (x + w).infer_type() == (None, None, None)


def test_inference_errors_name_the_node():
    net = mx.sym.FullyConnected(mx.sym.var("x"), num_hidden=3, name="fc1")
    with pytest.raises(MXNetError, match=r"\[FullyConnected fc1\] weight must have shape .* = \(3, 4\), got \(4, 4\)"):
        net.infer_shape(x=(2, 4), fc1_weight=(4, 4))
    with pytest.raises(ValueError, match="name fc1_weigth not found. Did you mean fc1_weight"):
        net.infer_shape(fc1_weigth=(3, 4))
    with pytest.raises(TypeError, match="need to be shapes"):
        net.infer_shape(x=[2, 4])
    with pytest.raises(ValueError, match="either by positional or kwargs"):
        net.infer_shape((2, 4), fc1_weight=(3, 4))
    with pytest.raises(TypeError, match=r"\[elemwise_add _plus0\] rhs must have element type"):
        (mx.sym.var("a") + mx.sym.var("b")).infer_type(a="float32", b="float64")


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_errors_of_composition():
    x = mx.sym.var("x")
    two = mx.sym.split(x, num_outputs=2)
    with pytest.raises(TypeError, match=r"\[relu\] data must be a Symbol, got NDArray. Use mx.nd.relu"):
        mx.sym.relu(mx.nd.ones((2,)))
    with pytest.raises(MXNetError, match=r"one output, got 2 .* Choose one: symbol\[0\]"):
        mx.sym.relu(two)
    with pytest.raises(ParameterError, match="has no input foo. It takes data, weight, bias"):
        mx.sym.FullyConnected(x, foo=x, num_hidden=2)
    with pytest.raises(ParameterError, match="has no parameter no_bais"):
        mx.sym.FullyConnected(x, num_hidden=2, no_bais=True)
    with pytest.raises(MXNetError, match="num_hidden is required"):
        mx.sym.FullyConnected(x)
    with pytest.raises(MXNetError, match="moving_mean is overwritten, so it must be a variable"):
        mx.sym.BatchNorm(x, moving_mean=x * 2)
    with pytest.raises(AttributeError, match="Did you mean .*FullyConnected"):
        mx.sym.FullyConected(x)
    with pytest.raises(OpNotAvailable):
        mx.sym.Custom(x, op_type="nobody_registered_this")
    with pytest.raises(TypeError, match="Expected a list of symbols"):
        mx.sym.Group([])


def test_a_symbol_is_no_array():
    x = mx.sym.var("x")
    for refused in (lambda: bool(x), x.asnumpy, x.wait_to_read, x.detach, x.backward):
        with pytest.raises(MXNetError, match="Symbol"):
            refused()
    with pytest.raises(TypeError, match="not supported"):
        x + "y"
    with pytest.raises(TypeError, match="not supported"):
        x + mx.nd.ones((2,))
    with pytest.raises(TypeError):
        hash(x)
    with pytest.raises(DTypeError):
        mx.sym.var(3)
    assert (np.float32(2) * x).attr("scalar") == "2.0"


def test_numbers_on_either_side():
    x = mx.sym.var("x")
    assert mx.sym.pow(2, 3) == 8
    assert mx.sym.maximum(2, 3) == 3
    assert mx.sym.minimum(2, 3) == 2
    assert mx.sym.hypot(3, 4) == 5
    values = mx.nd.array([1.0, 4.0])
    for symbol, wanted in [
        (mx.sym.pow(x, 2), [1, 16]), (mx.sym.pow(2, x), [2, 16]), (mx.sym.maximum(x, 2), [2, 4]),
        (mx.sym.minimum(2, x), [1, 2]), (mx.sym.hypot(3, x), [10**0.5, 5]), (5 - x, [4, 1]), (8 / x, [8, 2]),
        (7 % x, [0, 3]), (2**x, [2, 16]), (-x, [-1, -4]), (x >= 4, [0, 1]), (x != 4, [1, 0]),
    ]:  # fmt: skip
        np.testing.assert_allclose(symbol.eval(x=values)[0].asnumpy(), wanted, rtol=1e-6)


def test_methods_that_operators_ask_for():
    x = mx.sym.var("x")
    assert not hasattr(x, "no_such_method")
    assert hasattr(x, "erf") == hasattr(mx.nd.NDArray, "erf")
    from mx_core import registry

    asked = {registry.find_op(name).method for name in registry.list_ops()} - {None}
    assert all(callable(getattr(x, name)) for name in asked)


def test_functions_that_are_no_operators():
    assert mx.sym.arange(0, 5, dtype="int32").eval()[0].asnumpy().tolist() == [0, 1, 2, 3, 4]
    assert mx.sym.full((2,), 3).eval()[0].asnumpy().tolist() == [3, 3]
    assert mx.sym.eye(2).eval()[0].asnumpy().tolist() == [[1, 0], [0, 1]]
    assert mx.sym.linspace(0, 1, 3).eval()[0].asnumpy().tolist() == [0, 0.5, 1]
    x = mx.sym.var("x")
    counts, edges = mx.sym.histogram(x, 2, (0, 4)).eval(x=mx.nd.array([1, 2, 3]))
    assert counts.asnumpy().tolist() == [1, 2]
    assert edges.asnumpy().tolist() == [0, 2, 4]
    pieces = mx.sym.split_v2(x, (1,)).eval(x=mx.nd.array([1, 2, 3]))
    assert [piece.asnumpy().tolist() for piece in pieces] == [[1], [2, 3]]
    with pytest.raises(ValueError, match="null range"):
        mx.sym.histogram(x, 2)


def test_help_is_the_operators():
    import inspect

    assert list(inspect.signature(mx.sym.Activation).parameters) == ["data", "act_type", "name", "attr", "out"]
    assert "act_type" in mx.sym.Activation.__doc__
    assert mx.sym.Activation.__name__ == "Activation"
    assert "FullyConnected" in dir(mx.sym)
    assert "gemm2" in dir(mx.sym.linalg)


def test_variadic_operators_make_variables_and_take_numbered_names():
    x, y = mx.sym.var("x"), mx.sym.var("y")
    up = mx.sym.UpSampling(x, scale=2, sample_type="bilinear", num_filter=3, name="up")
    assert up.list_arguments() == ["x", "up_weight"]
    assert up.attr_dict()["up_weight"]["__init__"] == '["bilinear", {}]'
    assert up.infer_shape(x=(1, 3, 4, 4))[:2] == ([(1, 3, 4, 4), (3, 1, 4, 4)], [(1, 3, 8, 8)])
    assert mx.sym.UpSampling(data=x, weight=y, scale=2, sample_type="bilinear", num_filter=3).list_arguments() == ["x", "y"]
    assert mx.sym.UpSampling(x, scale=2, sample_type="nearest").list_arguments() == ["x"]
    assert mx.sym.Concat(arg1=y, arg0=x, dim=1).list_arguments() == ["x", "y"]
    with pytest.raises(mx.MXNetError, match=r"\[Concat\] input 0 is missing"):
        mx.sym.Concat(arg1=y, dim=1)
    with pytest.raises(mx.MXNetError, match=r"\[Concat\] has no input other"):
        mx.sym.Concat(x, other=y, dim=1)
