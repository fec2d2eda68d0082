"""Checkpoints, and the parts of mx.model and mx.executor_manager that programs use by themselves."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from networks import batches, perceptron, points

import mxnet as mx


def test_a_checkpoint_comes_back(tmp_path):
    prefix = str(tmp_path / "net")
    args, auxs = {"fc1_weight": mx.nd.ones((8, 4))}, {"m": mx.nd.zeros((3,))}
    mx.model.save_checkpoint(prefix, 12, perceptron(), args, auxs)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net-0012.params", "net-symbol.json"]
    assert list(mx.nd.load(f"{prefix}-0012.params")) == ["arg:fc1_weight", "aux:m"]
    symbol, args_again, auxs_again = mx.model.load_checkpoint(prefix, 12)
    assert symbol.list_arguments() == perceptron().list_arguments()
    assert (list(args_again), list(auxs_again)) == (["fc1_weight"], ["m"])
    assert mx.model.load_params(prefix, 12)[0]["fc1_weight"].shape == (8, 4)


def test_files_that_are_no_checkpoints(tmp_path, caplog):
    prefix = str(tmp_path / "net")
    with pytest.raises(OSError, match="net-0001.params"):
        mx.model.load_params(prefix, 1)
    mx.nd.save(f"{prefix}-0001.params", {"dense0_weight": mx.nd.ones((1,))})
    with pytest.raises(ValueError, match=r"'dense0_weight' does not begin with 'arg:' .* net.load_parameters"):
        mx.model.load_params(prefix, 1)
    mx.nd.save(f"{prefix}-0002.params", [mx.nd.ones((1,))])
    with pytest.raises(ValueError, match="Invalid param file"):
        mx.model.load_params(prefix, 2)
    mx.nd.save(f"{prefix}-0003.params", {})
    with caplog.at_level(logging.WARNING):
        assert mx.model.load_params(prefix, 3) == ({}, {})
    assert caplog.messages == [f"Params file '{prefix}-0003.params' is empty"]


@pytest.mark.parametrize(
    ("batch_size", "loads", "expected"),
    [(10, [1, 1, 1], [3, 6, 10]), (10, [1, 3], [2, 10]), (7, [1, 1], [4, 7]), (5, [0.5, 0.25], [3, 5])],
)
def test_split_input_slice(batch_size, loads, expected):
    slices = mx.executor_manager._split_input_slice(batch_size, loads)
    assert [part.stop for part in slices] == expected
    assert [part.start for part in slices] == [0, *expected[:-1]]


def test_a_batch_too_small_for_its_devices():
    with pytest.raises(ValueError, match="Too many slices"):
        mx.executor_manager._split_input_slice(2, [1, 1, 1])


def test_check_arguments():
    x = mx.sym.var("x")
    mx.executor_manager._check_arguments(x + x)
    with pytest.raises(ValueError, match='duplicated argument name "x"'):
        mx.executor_manager._check_arguments(x + mx.sym.var("x"))


def test_load_data_and_label():
    batch = mx.io.DataBatch([mx.nd.arange(6).reshape((3, 2))], [mx.nd.arange(3)])
    targets = [[(slice(0, 2), mx.nd.zeros((2, 2))), (slice(2, 3), mx.nd.zeros((1, 2)))]]
    mx.executor_manager._load_data(batch, targets)
    assert targets[0][1][1].asnumpy().tolist() == [[4, 5]]
    label = mx.nd.zeros((3,))
    mx.executor_manager._load_label(batch, [label])
    assert label.asnumpy().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("kvstore", "devices", "size", "expected"),
    [
        ("local", 1, 2, (None, False)),
        ("local", 2, 2, ("local", True)),
        ("local", 2, 1024 * 1024 * 17, ("local", False)),
        ("device", 1, 2, (None, False)),
        ("device", 2, 2, ("device", True)),
        (None, 2, 2, (None, False)),
    ],
)
def test_create_kvstore(kvstore, devices, size, expected):
    class Sized:
        pass

    array = Sized()
    array.size = size
    store, update_on_kvstore = mx.model._create_kvstore(kvstore, devices, {"w": array})
    assert (store and store.type, update_on_kvstore) == expected


def test_create_kvstore_from_a_store_and_from_nonsense():
    store = mx.kv.create("local")
    assert mx.model._create_kvstore(store, 1, {}) == (store, True)
    assert mx.model._create_sparse_kvstore(store) == (store, True)
    with pytest.raises(TypeError, match="kvstore must be KVStore, str or None, got int"):
        mx.model._create_kvstore(3, 1, {})


def two_devices():
    """Parameters, each with two gradients, as executor groups have them."""
    params = [[mx.nd.zeros((2,), ctx=mx.cpu(k)) for k in (0, 1)] for _ in range(2)]
    grads = [[mx.nd.full((2,), (i + 1) * (k + 1), ctx=mx.cpu(k)) for k in (0, 1)] for i in range(2)]
    return params, grads, ["a", "b"]


def test_update_params_on_kvstore():
    params, grads, names = two_devices()
    store = mx.kv.create("local")
    store.set_optimizer(mx.optimizer.SGD(learning_rate=1.0))
    mx.model._initialize_kvstore(store, params, {name: mx.nd.ones((2,)) for name in names}, names, True)
    assert params[1][1].asnumpy().tolist() == [1, 1]
    mx.model._update_params_on_kvstore(params, grads, store, names)
    assert [[p.asnumpy().tolist() for p in block] for block in params] == [[[-2, -2]] * 2, [[-5, -5]] * 2]


@pytest.mark.parametrize("with_store", [False, True])
def test_update_params(with_store):
    params, grads, names = two_devices()
    store = mx.kv.create("local") if with_store else None
    if store is not None:
        mx.model._initialize_kvstore(store, params, {name: mx.nd.ones((2,)) for name in names}, names, False)
    before = [[p.asnumpy()[0] for p in block] for block in params]
    seen = []

    def updater(index, grad, weight):
        seen.append((index, float(grad.asnumpy()[0])))
        weight -= grad

    mx.model._update_params(params, grads, updater, 2, store, names)
    expected = {0: 3, 1: 3, 2: 6, 3: 6} if with_store else {0: 1, 1: 2, 2: 2, 3: 4}
    assert dict(seen) == expected
    for i in (0, 1):
        for k in (0, 1):
            assert params[i][k].asnumpy()[0] == before[i][k] - expected[2 * i + k]


# ---- FeedForward ---------------------------------------------------------------------------------------------------

deprecated = pytest.mark.filterwarnings("ignore:mxnet.model.FeedForward has been deprecated:DeprecationWarning")


def test_feed_forward_is_deprecated():
    with pytest.warns(DeprecationWarning, match="FeedForward has been deprecated"):
        mx.model.FeedForward(perceptron())


@deprecated
@pytest.mark.parametrize("contexts", [[mx.cpu()], [mx.cpu(0), mx.cpu(1)]])
def test_feed_forward(contexts, caplog, tmp_path):
    mx.random.seed(0)
    np.random.seed(0)
    x, y = points(300)
    net = mx.model.FeedForward(
        perceptron(), ctx=contexts, num_epoch=20, learning_rate=0.5, momentum=0.9, numpy_batch_size=50,
        initializer=mx.init.Xavier(),
    )  # fmt: skip
    with caplog.at_level(logging.INFO):
        net.fit(x, y, eval_data=(x, y))
    assert caplog.messages[:2] == [f"Start training with {contexts}", "Epoch[0] Resetting Data Iterator"]
    assert [message.split("=")[0] for message in caplog.messages[2:4]] == [
        "Epoch[0] Time cost", "Epoch[0] Validation-accuracy"
    ]  # fmt: skip
    predicted = net.predict(x)
    assert isinstance(predicted, np.ndarray)
    assert predicted.shape == (300, 3)
    assert (predicted.argmax(axis=1) == y).mean() > 0.9
    assert net.score(batches(50)) > 0.9
    outputs, data, labels = net.predict(batches(50, 15), return_data=True)
    assert (outputs.shape, data.shape, labels.shape) == ((50, 3), (50, 4), (50,))

    net.save(str(tmp_path / "net"))
    again = mx.model.FeedForward.load(str(tmp_path / "net"), 20)
    assert again.begin_epoch == 20
    np.testing.assert_allclose(again.predict(x[:50]), net.predict(x[:50]), rtol=1e-5)


@deprecated
def test_feed_forward_with_epochs_of_their_own_size(caplog):
    net = mx.model.FeedForward(perceptron(), num_epoch=2, epoch_size=3, learning_rate=0.1)
    counted = []
    with caplog.at_level(logging.INFO):
        net.fit(batches(), batch_end_callback=lambda param: counted.append((param.epoch, param.nbatch)))
    assert counted == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]
    assert [message.split("=")[0] for message in caplog.messages] == [
        "Start training with [cpu(0)]", "Epoch[0] Time cost", "Epoch[1] Resetting Data Iterator", "Epoch[1] Time cost",
    ]  # fmt: skip


@deprecated
def test_feed_forward_refuses():
    with pytest.raises(ValueError, match="y must be specified when X is numpy.ndarray"):
        mx.model.FeedForward(perceptron(), num_epoch=1).fit(np.ones((10, 4)))
    with pytest.raises(TypeError, match="num_epoch"):
        mx.model.FeedForward(perceptron()).fit(*points())
    with pytest.raises(TypeError, match="X must be DataIter"):
        mx.model.FeedForward(perceptron()).predict("pictures")
    made = mx.model.FeedForward.create(perceptron(), *points(), num_epoch=1, learning_rate=0.1)
    assert made.predict(points()[0]).shape == (50, 3)
