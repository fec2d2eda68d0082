"""Initializers: rules by name, values, JSON, files; learning rate schedules."""

from __future__ import annotations

import json

import numpy as np
import pytest

import mxnet as mx
from mxnet import nd


def filled(init, shape, name="x_weight"):
    array = nd.zeros(shape)
    init(name, array)
    return array.asnumpy()


@pytest.mark.parametrize(("name", "value"), [
    ("a_weight", 3), ("a_bias", 0), ("a_beta", 0), ("a_gamma", 1), ("a_running_mean", 0), ("a_moving_var", 1),
    ("a_min", 0), ("a_max", 1),
])  # fmt: skip
def test_names_decide(name, value):
    assert (filled(mx.init.Constant(3), (2, 2), name) == value).all()
    own = mx.init.InitDesc(name, {"__init__": mx.init.One().dumps()})
    assert (filled(mx.init.Constant(3), (2, 2), own) == 1).all()


def test_unknown_name():
    with pytest.raises(ValueError, match="Unknown initialization pattern for foo"):
        filled(mx.init.Zero(), (2,), "foo")


def test_uniform_and_normal():
    mx.random.seed(0)
    uniform = filled(mx.init.Uniform(0.5), (200, 300))
    assert -0.5 <= uniform.min() < -0.49
    assert 0.49 < uniform.max() <= 0.5
    normal = filled(mx.init.Normal(0.2), (200, 300))
    assert normal.std() == pytest.approx(0.2, rel=0.02)
    assert abs(normal.mean()) < 0.005
    mx.random.seed(0)
    np.testing.assert_array_equal(filled(mx.init.Uniform(0.5), (200, 300)), uniform)


@pytest.mark.parametrize(("factor", "fan"), [("in", 50 * 9), ("out", 60 * 9), ("avg", 55 * 9)])
def test_xavier(factor, fan):
    bound = np.sqrt(3 / fan)
    values = filled(mx.init.Xavier(factor_type=factor), (60, 50, 3, 3))
    assert 0.98 * bound < np.abs(values).max() <= bound
    gaussian = filled(mx.init.Xavier("gaussian", factor, 2), (60, 50, 3, 3))
    assert gaussian.std() == pytest.approx(np.sqrt(2 / fan), rel=0.02)
    prelu = filled(mx.init.MSRAPrelu(factor, slope=0.5), (60, 50, 3, 3))
    assert prelu.std() == pytest.approx(np.sqrt(2 / 1.25 / fan), rel=0.02)


def test_xavier_errors():
    with pytest.raises(ValueError, match="cannot be applied to vector x_weight"):
        filled(mx.init.Xavier(), (3,))
    with pytest.raises(ValueError, match="Incorrect factor type 'foo'"):
        filled(mx.init.Xavier(factor_type="foo"), (3, 3))


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 2, 2)])
@pytest.mark.parametrize("rand_type", ["uniform", "normal"])
def test_orthogonal(shape, rand_type):
    q = filled(mx.init.Orthogonal(scale=2.0, rand_type=rand_type), shape).reshape(shape[0], -1)
    q = q if q.shape[0] <= q.shape[1] else q.T
    np.testing.assert_allclose(q @ q.T, 4 * np.eye(len(q)), atol=1e-5)


def test_bilinear_and_lstm_bias():
    row = np.array([0.25, 0.75, 0.75, 0.25])
    np.testing.assert_allclose(filled(mx.init.Bilinear(), (2, 1, 4, 4))[1, 0], np.outer(row, row))
    bias = mx.init.InitDesc("lstm_bias", {"__init__": mx.init.LSTMBias(2.0).dumps()})
    assert filled(mx.init.Zero(), (8,), bias).tolist() == [0, 0, 2, 2, 0, 0, 0, 0]


def test_fused_rnn():
    init = mx.init.FusedRNN(mx.init.One(), num_hidden=3, num_layers=2, mode="lstm", forget_bias=2.0)
    inputs, hidden, gates = 5, 3, 4
    first, second = gates * hidden * (inputs + hidden), gates * hidden * 2 * hidden
    values = filled(init, (first + second + 2 * 2 * gates * hidden,), mx.init.InitDesc("rnn_weight"))
    assert (values[: first + second] == 1).all()
    biases = values[first + second :].reshape(2, 2, gates, hidden)
    assert (biases[:, :, 1] == 2).all()
    assert biases.sum() == 2 * 2 * hidden * 2


def test_mixed_and_load(tmp_path):
    mixed = mx.init.Mixed(["bias", ".*"], [mx.init.Zero(), mx.init.One()])
    assert filled(mixed, (2,), "x_weight").tolist() == [1, 1]
    with pytest.raises(ValueError, match="did not match any pattern"):
        filled(mx.init.Mixed(["bias"], [mx.init.Zero()]), (2,))
    path = str(tmp_path / "w.params")
    nd.save(path, {"arg:w": nd.ones((2,)) * 3})
    load = mx.init.Load(path, default_init=mx.init.One())
    assert filled(load, (2,), "w").tolist() == [3, 3]
    assert filled(load, (2,), "other_weight").tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"Shape mismatch, target \(3,\) vs loaded \(2,\)"):
        filled(load, (3,), "w")
    with pytest.raises(ValueError, match="Not found in loaded param"):
        filled(mx.init.Load({}), (3,), "w")


@pytest.mark.parametrize("text", [
    "zeros", "ones", "uniform", "normal", "xavier", '["normal", {"sigma": 0.5}]', '["msraprelu", {"slope": 0.1}]',
])  # fmt: skip
def test_create_and_dump(text):
    init = mx.init.create(text)
    again = mx.init.create(init.dumps())
    assert again == init
    assert json.loads(again.dumps()) == json.loads(init.dumps())
    assert mx.init.create(init) is init


def test_create_errors():
    with pytest.raises(ValueError, match="Cannot find initializer foo. Registered: .*xavier"):
        mx.init.create("foo")


def test_own_initializer():
    @mx.init.register
    class Three(mx.init.Initializer):
        def _init_weight(self, name, arr):
            arr[:] = 3

    assert filled(mx.init.create("three"), (2,)).tolist() == [3, 3]


# -- schedules ---------------------------------------------------------------------------------------------------------


def test_factor_scheduler():
    schedule = mx.lr_scheduler.FactorScheduler(step=2, factor=0.5, base_lr=1.0, stop_factor_lr=0.2)
    assert [schedule(i) for i in range(1, 10)] == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2]


def test_multi_factor_scheduler():
    schedule = mx.lr_scheduler.MultiFactorScheduler(step=[2, 4], factor=0.1, base_lr=1.0)
    assert [schedule(i) for i in (1, 2, 3, 4, 5, 9)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    with pytest.raises(ValueError, match="increasing"):
        mx.lr_scheduler.MultiFactorScheduler(step=[4, 2])


def test_poly_and_cosine():
    poly = mx.lr_scheduler.PolyScheduler(10, base_lr=0.01, warmup_steps=2)
    assert poly(3) == pytest.approx(0.00765625)
    assert poly(1) == pytest.approx(0.005)
    assert poly(10) == poly(100) == 0
    cosine = mx.lr_scheduler.CosineScheduler(10, base_lr=0.01)
    assert cosine(3) == pytest.approx(0.007938926261462366)
    assert cosine(5) == pytest.approx(0.005)


def test_warmup():
    constant = mx.lr_scheduler.FactorScheduler(
        10, base_lr=1.0, warmup_steps=4, warmup_begin_lr=0.5, warmup_mode="constant"
    )
    assert [constant(i) for i in (0, 3, 4)] == [0.5, 0.5, 1.0]
    linear = mx.lr_scheduler.LRScheduler(base_lr=1.0, warmup_steps=4, warmup_begin_lr=0.5)
    assert linear.get_warmup_lr(2) == 0.75
    with pytest.raises(ValueError, match="has to be higher than warmup_begin_lr"):
        mx.lr_scheduler.LRScheduler(base_lr=0.1, warmup_begin_lr=0.5)
    with pytest.raises(ValueError, match="'linear' or 'constant'"):
        mx.lr_scheduler.LRScheduler(warmup_mode="foo")
