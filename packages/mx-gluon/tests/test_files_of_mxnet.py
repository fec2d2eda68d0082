"""Parameters and optimizer states that MXNet 1.9.1 wrote, and full-name files of exported networks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import mxnet as mx
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn

DATA = Path(os.environ.get("MX_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
MADE = DATA / "mxnet_models" / "made_by_1.9.1"

pytestmark = pytest.mark.skipif(not MADE.exists(), reason="set MX_TEST_DATA to the folder that holds mxnet_models/")


def network():
    net = nn.HybridSequential(prefix="fix_")
    with net.name_scope():
        net.add(
            nn.Conv2D(4, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(), nn.Flatten(), nn.Dense(5)
        )
    return net


def check_output(net):
    expected = json.loads((MADE / "expected.json").read_text())["gluon"]["output"]
    x = nd.array(np.random.RandomState(0).rand(2, 3, 8, 8).astype("float32"))
    y = net(x).asnumpy()
    assert list(y.shape) == expected["shape"]
    np.testing.assert_allclose(y.ravel()[:6], expected["first"], rtol=1e-5)
    assert float(y.sum()) == pytest.approx(expected["sum"], rel=1e-5)


def test_parameters():
    net = network()
    net.load_parameters(str(MADE / "gluon.params"))
    check_output(net)


def test_exported_full_names():
    net = network()
    net.load_parameters(str(MADE / "exported-0007.params"))
    check_output(net)
    other = network()
    other.collect_params().load(str(MADE / "exported-0007.params"))
    check_output(other)


def test_trainer_states():
    net = network()
    net.load_parameters(str(MADE / "gluon.params"))
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    trainer.load_states(str(MADE / "gluon.states"))
    assert isinstance(trainer.optimizer, mx.optimizer.Adam)
    assert trainer.learning_rate == 0.01
    assert trainer.optimizer.num_update == 3
    with autograd.record():
        loss = net(nd.ones((2, 3, 8, 8))).sum()
    loss.backward()
    trainer.step(2)
    assert trainer.optimizer.num_update == 4
    assert [state.shape for state in trainer._updaters[0].states[7]] == [(5, 64)] * 2
