"""Blocks: names, prefixes, printing, parameters, files, hooks, deferred initialization. Texts as 1.9.1 prints them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import mxnet as mx
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn


class Net(gluon.Block):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.fc = nn.Dense(5)
            self.conv = nn.Conv2D(3, 3)
            self.w = self.params.get("w", shape=(2, 3))

    def forward(self, x):
        return self.fc(x)


def fresh_names():
    return mx.name.NameManager()


def test_names_outside_of_scopes_count_per_class():
    with fresh_names():
        a, b, c = nn.Dense(1), nn.Dense(1), nn.Conv2D(1, 1)
        d = nn.HybridSequential()
    assert [x.prefix for x in (a, b, c, d)] == ["dense0_", "dense1_", "conv0_", "hybridsequential0_"]
    assert d.name == "hybridsequential0"


def test_names_inside_of_scopes():
    with fresh_names():
        net = nn.Sequential()
        with net.name_scope():
            net.add(nn.Dense(2), nn.Dense(3))
            inner = nn.HybridSequential(prefix="foo_")
            with inner.name_scope():
                inner.add(nn.Dense(3, activation="relu"))
            net.add(inner)
        other = Net(prefix="x_")
        shared = Net(params=Net().params)
    assert list(net.collect_params()) == [
        "sequential0_dense0_weight", "sequential0_dense0_bias", "sequential0_dense1_weight",
        "sequential0_dense1_bias", "sequential0_foo_dense0_weight", "sequential0_foo_dense0_bias",
    ]  # fmt: skip
    assert list(other.collect_params()) == [
        "x_w", "x_dense0_weight", "x_dense0_bias", "x_conv0_weight", "x_conv0_bias"
    ]  # fmt: skip
    assert list(shared.collect_params())[0] == "net0_w"


def test_empty_prefix_opens_no_scope():
    with fresh_names():
        net = nn.Sequential(prefix="")
        with net.name_scope():
            net.add(nn.Dense(2))
    assert list(net.collect_params()) == ["dense0_weight", "dense0_bias"]


def test_shared_parameters_are_the_same_arrays():
    a = nn.Dense(3, in_units=2, prefix="a_")
    b = nn.Dense(3, in_units=2, prefix="b_", params=a.params)
    a.initialize()
    assert b.weight is a.weight
    assert list(b.collect_params()) == ["a_weight", "a_bias"]
    x = nd.ones((1, 2))
    np.testing.assert_array_equal(a(x).asnumpy(), b(x).asnumpy())


def test_print():
    net = nn.HybridSequential()
    net.add(
        nn.Dense(4, activation="relu"),
        nn.Conv2D(3, 3, activation="relu", in_channels=2),
        nn.Conv2D(3, (3, 2), strides=2, padding=1, dilation=2, use_bias=False),
        nn.MaxPool2D(),
        nn.GlobalAvgPool2D(),
        nn.Flatten(),
        nn.Activation("tanh"),
        nn.Dropout(0.5),
        nn.BatchNorm(),
        nn.LayerNorm(),
        nn.Embedding(10, 5),
        nn.HybridLambda("relu"),
        nn.LeakyReLU(0.1),
        nn.HybridSequential(),
    )
    assert (
        str(net)
        == """HybridSequential(
  (0): Dense(None -> 4, Activation(relu))
  (1): Conv2D(2 -> 3, kernel_size=(3, 3), stride=(1, 1), Activation(relu))
  (2): Conv2D(None -> 3, kernel_size=(3, 2), stride=(2, 2), padding=(1, 1), dilation=(2, 2), bias=False)
  (3): MaxPool2D(size=(2, 2), stride=(2, 2), padding=(0, 0), ceil_mode=False, global_pool=False, pool_type=max, layout=NCHW)
  (4): GlobalAvgPool2D(size=(1, 1), stride=(1, 1), padding=(0, 0), ceil_mode=True, global_pool=True, pool_type=avg, layout=NCHW)
  (5): Flatten
  (6): Activation(tanh)
  (7): Dropout(p = 0.5, axes=())
  (8): BatchNorm(axis=1, eps=1e-05, momentum=0.9, fix_gamma=False, use_global_stats=False, in_channels=None)
  (9): LayerNorm(eps=1e-05, axis=-1, center=True, scale=True, in_channels=0)
  (10): Embedding(10 -> 5, float32)
  (11): HybridLambda(relu)
  (12): LeakyReLU(0.1)
  (13): HybridSequential(
  
  )
)"""
    )  # noqa: W293
    assert str(gluon.loss.L2Loss()) == "L2Loss(batch_axis=0, w=1.0)"
    with fresh_names():
        assert repr(Net().params) == ("net0_ (\n  Parameter net0_w (shape=(2, 3), dtype=<class 'numpy.float32'>)\n)")


def test_sequential_is_a_list():
    net = nn.Sequential()
    net.add(nn.Dense(2), nn.Dense(3))
    net.add(nn.Dense(4))
    assert len(net) == 3
    assert net[1]._units == 3
    assert [layer._units for layer in net[1:]] == [3, 4]
    assert [layer._units for layer in net] == [2, 3, 4]


def test_collect_params_select():
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.BatchNorm())
    names = list(net.collect_params(".*weight|.*gamma"))
    assert len(names) == 2
    assert names[0].endswith("weight")
    assert names[1].endswith("gamma")


def test_blocks_in_lists_are_pointed_out():
    class Hidden(gluon.Block):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Dense(2)]

    with pytest.warns(UserWarning, match="unregistered container"):
        Hidden().collect_params()


def test_attribute_types_are_kept():
    net = Net()
    with pytest.raises(TypeError, match="Changing attribute type for fc"):
        net.fc = 3
    with pytest.raises(ValueError, match="must also be HybridBlock"):
        nn.HybridSequential().add(nn.Lambda("relu"))


def test_deferred_initialization():
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Flatten(), nn.Dense(10))
    with pytest.raises(RuntimeError, match="has not been initialized"):
        net[3].weight.data()
    net.initialize()
    with pytest.raises(gluon.DeferredInitializationError, match="initialization was deferred"):
        net[3].weight.data()
    assert net[3].weight.shape == (10, 0)
    assert net(nd.ones((2, 1, 8, 8))).shape == (2, 10)
    assert net[0].weight.shape == (4, 1, 3, 3)
    assert net[1].gamma.shape == (4,)
    assert net[3].weight.shape == (10, 144)


class Custom(gluon.HybridBlock):
    """Unknown dims of own parameters, some of them behind other operators."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.inner = nn.Dense(3)
            self.scale = self.params.get("scale", shape=(0,), allow_deferred_init=True, init="ones")
            self.table = self.params.get("table", shape=(4, 0), allow_deferred_init=True)

    def hybrid_forward(self, F, x, scale, table):
        x = F.relu(F.LayerNorm(x, scale, F.zeros_like(scale))) * 2 + 1
        y = F.FullyConnected(F.concat(x, x, dim=1), table, num_hidden=4, no_bias=True)
        return self.inner(y).reshape((-1, 3)), F.split(y, num_outputs=2, axis=1)[0]


def test_shapes_are_inferred_in_user_blocks():
    net = Custom()
    net.initialize()
    out, half = net(nd.ones((2, 5)))
    assert out.shape == (2, 3)
    assert half.shape == (2, 2)
    assert net.scale.shape == (5,)
    assert net.table.shape == (4, 10)
    net.hybridize()
    assert net(nd.ones((3, 5)))[0].shape == (3, 3)


def test_infer_shape_without_initialization():
    net = nn.HybridSequential()
    net.add(nn.Dense(4), nn.Dense(2))
    net.infer_shape(nd.ones((2, 7)))
    assert [layer.weight.shape for layer in net] == [(4, 7), (2, 4)]


def test_shape_that_cannot_be_inferred():
    class Free(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.w = self.params.get("w", shape=(0, 0), allow_deferred_init=True)

        def hybrid_forward(self, F, x, w):
            return F.dot(x, w)

    net = Free()
    net.initialize()
    with pytest.raises(ValueError, match=r"_w' because it has invalid shape"):
        net(nd.ones((2, 3)))


def test_wrong_input_after_initialization():
    net = nn.Dense(3)
    net.initialize()
    net(nd.ones((2, 4)))
    with pytest.raises(mx.MXNetError, match=r"\(3, 5\)"):
        net(nd.ones((2, 5)))
    with pytest.raises(ValueError, match="one NDArray or one Symbol"):
        net(3)


def test_hooks():
    calls = []
    net = nn.Dense(2)
    net.initialize()
    before = net.register_forward_pre_hook(lambda block, inputs: calls.append(("pre", inputs[0].shape)))
    after = net.register_forward_hook(lambda block, inputs, output: calls.append((block.name, output.shape)))
    net(nd.ones((1, 3)))
    assert calls == [("pre", (1, 3)), (net.name, (1, 2))]
    before.detach()
    after.detach()
    net(nd.ones((1, 3)))
    assert len(calls) == 2


def test_apply_cast_and_zero_grad():
    net = nn.HybridSequential()
    net.add(nn.Dense(2, in_units=3), nn.BatchNorm(in_channels=2))
    net.initialize()
    seen = []
    assert net.apply(lambda block: seen.append(type(block).__name__)) is net
    assert seen == ["Dense", "BatchNorm", "HybridSequential"]
    with autograd.record():
        net(nd.ones((2, 3))).sum().backward()
    assert np.abs(net[1].beta.grad().asnumpy()).sum() > 0
    net.zero_grad()
    assert np.abs(net[1].beta.grad().asnumpy()).sum() == 0
    net.cast("float64")
    assert net[0].weight.data().dtype == np.float64
    assert net(nd.ones((2, 3), dtype="float64")).dtype == np.float64


def test_summary(capsys):
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Flatten(), nn.Dense(10))
    net.initialize()
    net.summary(nd.ones((1, 1, 8, 8)))
    assert (
        capsys.readouterr().out
        == """\
--------------------------------------------------------------------------------
        Layer (type)                                Output Shape         Param #
================================================================================
               Input                                (1, 1, 8, 8)               0
            Conv2D-1                                (1, 4, 6, 6)              40
         BatchNorm-2                                (1, 4, 6, 6)              16
           Flatten-3                                    (1, 144)               0
             Dense-4                                     (1, 10)            1450
================================================================================
Parameters in forward computation graph, duplicate included
   Total params: 1506
   Trainable params: 1498
   Non-trainable params: 8
Shared params in forward computation graph: 0
Unique parameters in model: 1506
--------------------------------------------------------------------------------
"""
    )
    net.hybridize()
    with pytest.raises(ValueError, match="must not be hybridized"):
        net.summary(nd.ones((1, 1, 8, 8)))


# -- files -------------------------------------------------------------------------------------------------------------


def make(**kwargs):
    net = nn.HybridSequential(**kwargs)
    with net.name_scope():
        net.add(nn.Dense(4, in_units=3), nn.Dense(2, in_units=4))
    return net


def values(net):
    return [parameter.data().asnumpy() for parameter in net.collect_params().values()]


def check_equal(a, b):
    for x, y in zip(values(a), values(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_save_and_load_parameters(tmp_path):
    path = str(tmp_path / "net.params")
    net, other = make(), make()
    net.initialize()
    net.save_parameters(path)
    assert sorted(nd.load(path)) == ["0.bias", "0.weight", "1.bias", "1.weight"]
    other.load_parameters(path, ctx=mx.cpu(1))
    check_equal(net, other)
    assert other[0].weight.list_ctx() == [mx.cpu(1)]


def test_legacy_names_load_too(tmp_path):
    path = str(tmp_path / "net.params")
    net, other, third = make(), make(), make(prefix=None)
    net.initialize()
    with pytest.warns(DeprecationWarning, match="save_parameters"):
        net.save_params(path)
    assert sorted(nd.load(path)) == ["dense0_bias", "dense0_weight", "dense1_bias", "dense1_weight"]
    other.load_parameters(path)
    check_equal(net, other)
    net.collect_params().save(path, strip_prefix=net.prefix)
    third.collect_params().load(path, restore_prefix=third.prefix)
    check_equal(net, third)
    with pytest.warns(DeprecationWarning, match="load_parameters"):
        third.load_params(path)


def test_load_into_deferred_parameters(tmp_path):
    path = str(tmp_path / "net.params")
    net = make()
    net.initialize()
    net.save_parameters(path)
    other = nn.HybridSequential()
    other.add(nn.Dense(4), nn.Dense(2))
    other.initialize()
    other.load_parameters(path)
    check_equal(net, other)
    assert other[0].weight.shape == (4, 3)


def test_missing_and_extra(tmp_path):
    path = str(tmp_path / "some.params")
    nd.save(path, {"0.weight": nd.ones((4, 3)), "5.weight": nd.ones((1,))})
    net = make()
    with pytest.raises(ValueError, match=r"'0.bias' is missing in file .*allow_missing=True"):
        net.load_parameters(path)
    with pytest.raises(ValueError, match=r"'5.weight' loaded from file .*ignore_extra=True"):
        net.load_parameters(path, allow_missing=True)
    net.load_parameters(path, allow_missing=True, ignore_extra=True)
    assert net[0].weight.data().asnumpy().sum() == 12


def test_shape_and_dtype_of_files(tmp_path):
    path = str(tmp_path / "some.params")
    nd.save(path, {"0.weight": nd.ones((4, 3), dtype="float16")})
    net = make()
    with pytest.raises(TypeError, match="dtype incompatible expected .*float32.* vs saved .*float16.*cast_dtype=True"):
        net.load_parameters(path, allow_missing=True)
    net.load_parameters(path, allow_missing=True, cast_dtype=True)
    assert net[0].weight.data().dtype == np.float32
    net.load_parameters(path, allow_missing=True, cast_dtype=True, dtype_source="saved")
    assert net[0].weight.data().dtype == np.float16
    nd.save(path, {"0.weight": nd.ones((4, 5))})
    with pytest.raises(ValueError, match=r"shape incompatible expected \(4, 3\) vs saved \(4, 5\)"):
        make().load_parameters(path, allow_missing=True)


def test_deduplicate(tmp_path):
    path = str(tmp_path / "shared.params")
    net = nn.HybridSequential()
    first = nn.Dense(3, in_units=3)
    net.add(first, nn.Dense(3, in_units=3, params=first.params))
    net.initialize()
    net.save_parameters(path, deduplicate=True)
    assert sorted(nd.load(path)) == ["1.bias", "1.weight"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.load_parameters(path)


def test_constant():
    class WithConstant(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.c = self.params.get_constant("c", nd.array([[1, 2]]))

        def hybrid_forward(self, F, x, c):
            return F.broadcast_add(x, c)

    net = WithConstant()
    net.initialize()
    assert net(nd.ones((2, 2))).asnumpy().tolist() == [[2, 3], [2, 3]]
    with pytest.raises(ValueError, match="doesn't match new value"):
        net.params.get_constant("c", nd.array([[1, 3]]))


class Reads(gluon.HybridBlock):
    """A function of an input and one parameter of partly known shape."""

    def __init__(self, function, shape):
        super().__init__()
        self.function = function
        self.w = self.params.get("w", shape=shape, allow_deferred_init=True)

    def hybrid_forward(self, F, x, w):
        return self.function(F, x, w)


@pytest.mark.parametrize(("function", "shape", "expected"), [
    (lambda F, x, w: x + w, (0, 0), (2, 4)),
    (lambda F, x, w: x * F.exp(w), (0, 0), (2, 4)),
    (lambda F, x, w: F.elemwise_mul(x, w), (0, 0), (2, 4)),
    (lambda F, x, w: F.where(x > 0, x, w), (0, 0), (2, 4)),
    (lambda F, x, w: F.FullyConnected(x, F.sigmoid(w) * 2, num_hidden=3, no_bias=True), (3, 0), (3, 4)),
    (lambda F, x, w: F.LayerNorm(x, w, F.zeros_like(w)), (0,), (4,)),
    (lambda F, x, w: F.Embedding(x, w, input_dim=5, output_dim=3), (5, 0), (5, 3)),
    (lambda F, x, w: F.FullyConnected(
        F.concat(x.sum(axis=1, keepdims=True), F.random.uniform(shape=(2, 3)), x * 2 - 1, F.zeros((2, 1)), dim=1),
        w, num_hidden=3, no_bias=True), (3, 0), (3, 9)),
])  # fmt: skip
def test_inference_of_parameters(function, shape, expected):
    net = Reads(function, shape)
    net.initialize()
    net(nd.ones((2, 4)))
    assert net.w.shape == expected
