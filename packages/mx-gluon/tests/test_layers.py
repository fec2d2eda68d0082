"""Layers and losses against the results of MXNet 1.9.1."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest

import mxnet as mx

sys.path.insert(0, os.path.dirname(__file__))

import layer_cases

from mx_gluon.testing import check_layer

with open(layer_cases.EXPECTED) as file:
    EXPECTED = json.load(file)

LAYERS = layer_cases.layers(mx.gluon.nn)
LOSSES = layer_cases.losses(mx.gluon.loss)


def compare(found, expected):
    assert len(found) == len(expected)
    for (shape, total, head), (shape_1, total_1, head_1) in zip(found, expected, strict=True):
        assert shape == shape_1
        np.testing.assert_allclose(head, head_1, rtol=2e-4, atol=2e-5)
        np.testing.assert_allclose(total, total_1, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize(("name", "layer", "shape"), LAYERS, ids=[case[0] for case in LAYERS])
def test_layer_equals_mxnet(name, layer, shape):
    found, expected = layer_cases.run_layer(mx, layer, shape), EXPECTED[f"layer {name}"]
    if name == "selu":  # 1.9.1 has a wrong gradient below 0: lambda * (y + alpha) for y + lambda * alpha
        found, expected = found[:1], expected[:1]
    compare(found, expected)


@pytest.mark.parametrize(("name", "loss", "kind"), LOSSES, ids=[case[0] for case in LOSSES])
def test_loss_equals_mxnet(name, loss, kind):
    compare(layer_cases.run_loss(mx, loss, kind), EXPECTED[f"loss {name}"])


CHECKED = [case for case in layer_cases.layers(mx.gluon.nn) if case[0] != "batchnorm_global"]


@pytest.mark.parametrize(("name", "layer", "shape"), CHECKED, ids=[case[0] for case in CHECKED])
def test_layer_holds_together(name, layer, shape):
    check_layer(layer, shape)


def test_layers_with_numbers_and_chance_hold_together():
    check_layer(mx.gluon.nn.Embedding(7, 3), np.array([[0, 6, 2], [3, 3, 1]]), differentiate_inputs=False)
    check_layer(mx.gluon.nn.Dropout(0.5), (3, 4), is_train=False)
    check_layer(mx.gluon.nn.BatchNorm(use_global_stats=True), (4, 3))


def test_dropout_while_training():
    mx.random.seed(0)
    layer = mx.gluon.nn.Dropout(0.25)
    x = mx.nd.ones((100, 100))
    assert layer(x).asnumpy().mean() == 1
    with mx.autograd.record():
        y = layer(x).asnumpy()
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02


class WrongGradient(mx.autograd.Function):
    def forward(self, x):
        return x * 2

    def backward(self, dy):
        return dy * 3


def test_check_layer_finds_a_wrong_gradient():
    with pytest.raises(AssertionError, match="central difference"):
        check_layer(mx.gluon.nn.Lambda(lambda x: WrongGradient()(x)), (2, 3))
