"""Trainer: steps on one and several contexts, stale gradients, learning rates, states."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn

CONTEXTS = [mx.cpu(0), mx.cpu(1)]


def network(contexts, seed=3):
    mx.random.seed(seed)
    # Names of its own: Trainer sorts parameters by name, as MXNet does, and dense10 comes before dense9.
    net = nn.HybridSequential()
    net.add(nn.Dense(8, activation="tanh", in_units=5, prefix="a_"), nn.Dense(3, in_units=8, prefix="b_"))
    net.initialize(mx.init.Normal(0.5), ctx=contexts)
    return net


def batches(count=4):
    random = np.random.RandomState(0)
    return [(random.uniform(-1, 1, (8, 5)), random.randint(0, 3, 8)) for _ in range(count)]


def train(net, trainer, contexts, data):
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    for x, y in data:
        xs = gluon.utils.split_and_load(nd.array(x), contexts)
        ys = gluon.utils.split_and_load(nd.array(y), contexts)
        with autograd.record():
            losses = [loss(net(a), b) for a, b in zip(xs, ys, strict=True)]
        autograd.backward(losses)
        trainer.step(len(x))


def values(net):
    return [p.data(p.list_ctx()[0]).asnumpy() for p in net.collect_params().values()]


@pytest.mark.parametrize(("optimizer", "options"), [
    ("sgd", {"learning_rate": 0.3}),
    ("sgd", {"learning_rate": 0.3, "momentum": 0.9, "wd": 0.01}),
    ("adam", {"learning_rate": 0.01}),
])  # fmt: skip
@pytest.mark.parametrize("kvstore", ["device", "local"])
@pytest.mark.parametrize("update_on_kvstore", [None, False])
def test_several_contexts_equal_one(optimizer, options, kvstore, update_on_kvstore):
    results = []
    for contexts in (CONTEXTS[:1], CONTEXTS):
        net = network(contexts)
        trainer = gluon.Trainer(
            net.collect_params(), optimizer, options, kvstore=kvstore, update_on_kvstore=update_on_kvstore
        )
        train(net, trainer, contexts, batches())
        results.append(values(net))
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_all_contexts_hold_the_same_weights():
    net = network(CONTEXTS)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.3}, update_on_kvstore=False)
    train(net, trainer, CONTEXTS, batches())
    for p in net.collect_params().values():
        np.testing.assert_array_equal(p.data(CONTEXTS[0]).asnumpy(), p.data(CONTEXTS[1]).asnumpy())


def test_sgd_step_is_the_formula():
    p = gluon.Parameter("w", shape=(3,), init="ones")
    p.initialize()
    trainer = gluon.Trainer([p], "sgd", {"learning_rate": 0.5, "wd": 0.1})
    with autograd.record():
        y = (p.data() * nd.array([1, 2, 3])).sum()
    y.backward()
    trainer.step(2)
    np.testing.assert_allclose(p.data().asnumpy(), 1 - 0.5 * (np.array([1, 2, 3]) / 2 + 0.1), rtol=1e-6)


def test_multipliers():
    a, b = gluon.Parameter("a", shape=(1,), init="ones", lr_mult=0.5), gluon.Parameter("b", shape=(1,), init="ones")
    a.initialize()
    b.initialize()
    trainer = gluon.Trainer([a, b], "sgd", {"learning_rate": 1.0})
    b.lr_mult = 0.0
    with autograd.record():
        y = a.data() + b.data()
    y.backward()
    trainer.step(1)
    assert a.data().asscalar() == 0.5
    assert b.data().asscalar() == 1.0


def test_stale_gradients():
    a, b = gluon.Parameter("a", shape=(1,), init="ones"), gluon.Parameter("b", shape=(1,), init="ones")
    a.initialize()
    b.initialize()
    trainer = gluon.Trainer([a, b], "sgd", {"learning_rate": 1.0})
    with autograd.record():
        y = a.data() * 2
    y.backward()
    with pytest.raises(UserWarning, match="Gradient of Parameter `b` on context cpu"):
        trainer.step(1)
    trainer.step(1, ignore_stale_grad=True)
    assert a.data().asscalar() == -1.0
    assert b.data().asscalar() == 1.0


def test_parameters_without_gradient_are_left_alone():
    net = network(mx.cpu())
    net[0].collect_params().setattr("grad_req", "null")
    before = values(net)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.3})
    train(net, trainer, [mx.cpu()], batches())
    np.testing.assert_array_equal(values(net)[0], before[0])
    assert np.abs(values(net)[2] - before[2]).max() > 0


def test_learning_rate():
    net = network(mx.cpu())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    assert trainer.learning_rate == 0.1
    trainer.set_learning_rate(0.2)
    assert trainer.learning_rate == 0.2
    schedule = mx.lr_scheduler.FactorScheduler(step=2, factor=0.5, base_lr=1.0)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1.0, "lr_scheduler": schedule})
    train(net, trainer, [mx.cpu()], batches(5))
    assert trainer.learning_rate == 0.25
    with pytest.raises(UserWarning, match="LRScheduler of the optimizer has already been defined"):
        trainer.set_learning_rate(0.1)


@pytest.mark.parametrize("contexts", [CONTEXTS[:1], CONTEXTS])
@pytest.mark.parametrize("update_on_kvstore", [None, False])
def test_states_resume_training(tmp_path, contexts, update_on_kvstore):
    path = str(tmp_path / "trainer.states")
    options = {"learning_rate": 0.3, "momentum": 0.9}

    def start():
        net = network(contexts)
        return net, gluon.Trainer(net.collect_params(), "sgd", options, update_on_kvstore=update_on_kvstore)

    net, trainer = start()
    train(net, trainer, contexts, batches(4))
    whole = values(net)
    net, trainer = start()
    train(net, trainer, contexts, batches(4)[:2])
    trainer.save_states(path)
    resumed, trainer = start()
    for mine, theirs in zip(resumed.collect_params().values(), net.collect_params().values(), strict=True):
        mine.set_data(theirs.data(contexts[0]))
    trainer.load_states(path)
    assert trainer.optimizer.num_update == 2
    train(resumed, trainer, contexts, batches(4)[2:])
    for a, b in zip(whole, values(resumed), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_allreduce_and_update():
    net = network(CONTEXTS)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1.0}, update_on_kvstore=False)
    weight = net[1].bias
    with autograd.record():
        losses = [net(nd.ones((2, 5), ctx=ctx)).sum() for ctx in CONTEXTS]
    autograd.backward(losses)
    trainer.allreduce_grads()
    assert [weight.grad(ctx).asnumpy().tolist() for ctx in CONTEXTS] == [[4, 4, 4]] * 2
    before = weight.data(CONTEXTS[0]).asnumpy()
    trainer.update(4)
    np.testing.assert_allclose(weight.data(CONTEXTS[1]).asnumpy(), before - 1, rtol=1e-6)
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    with pytest.raises(mx.MXNetError, match="update_on_kvstore"):
        trainer.allreduce_grads()


def test_new_values_after_set_data_are_used():
    net = network(CONTEXTS)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.0})
    train(net, trainer, CONTEXTS, batches(1))
    net[1].bias.set_data(nd.array([1, 2, 3]))
    train(net, trainer, CONTEXTS, batches(1))
    assert net[1].bias.data(CONTEXTS[1]).asnumpy().tolist() == [1, 2, 3]


def test_reset_ctx_between_steps():
    net = network(CONTEXTS[:1])
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.3, "momentum": 0.9})
    train(net, trainer, CONTEXTS[:1], batches(2))
    net.collect_params().reset_ctx(mx.cpu(2))
    train(net, trainer, [mx.cpu(2)], batches(2))
    reference = network(CONTEXTS[:1])
    trainer = gluon.Trainer(reference.collect_params(), "sgd", {"learning_rate": 0.3, "momentum": 0.9})
    train(reference, trainer, CONTEXTS[:1], batches(2) + batches(2))
    for a, b in zip(values(net), values(reference), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_wrong_arguments():
    p = gluon.Parameter("w", shape=(3,))
    with pytest.raises(ValueError, match="First argument must be a list or dict of Parameters, got <class 'int'>"):
        gluon.Trainer(3, "sgd")
    with pytest.raises(ValueError, match="got list of <class 'int'>"):
        gluon.Trainer([p, 3], "sgd")
    with pytest.raises(ValueError, match="Cannot find optimizer foo. Registered: .*adam"):
        gluon.Trainer([p], "foo")
    with pytest.raises(ValueError, match="optimizer_params must be None"):
        gluon.Trainer([p], mx.optimizer.SGD(), {"learning_rate": 1})


def test_float16_with_master_weights():
    p = gluon.Parameter("w", shape=(2,), dtype="float16", init="ones")
    p.initialize()
    trainer = gluon.Trainer([p], "sgd", {"learning_rate": 1e-4, "multi_precision": True, "momentum": 0.5})
    for _ in range(8):
        with autograd.record():
            y = p.data().sum()
        y.backward()
        trainer.step(1)
    # Each step is below float16's resolution at 1; their sum is not.
    np.testing.assert_allclose(p.data().asnumpy(), 0.9986, atol=5e-4)
    assert trainer._updaters[0].states[0][1].dtype == np.float32
