"""Metrics against the numbers of MXNet 1.9.1 and against formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

import mxnet as mx
from mxnet import nd

LABELS = [nd.array([0, 1, 1, 2])]
SCORES = [nd.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2], [0.2, 0.2, 0.6]])]
TWO_LABELS = [nd.array([0, 1, 1, 0])]
TWO_SCORES = [nd.array([[0.5, 0.5], [0.3, 0.7], [0.8, 0.2], [0.9, 0.1]])]
NUMBERS = [nd.array([1, 2, 4.0])], [nd.array([1.0, 1, 1.5])]

# (name, arguments, labels, predictions, (name, value) of 1.9.1)
CASES = [
    ("acc", {}, LABELS, SCORES, ("accuracy", 0.75)),
    ("top_k_accuracy", {"top_k": 2}, LABELS, SCORES, ("top_k_accuracy_2", 0.75)),
    ("ce", {}, LABELS, SCORES, ("cross-entropy", 0.7591385841)),
    ("nll_loss", {}, LABELS, SCORES, ("nll-loss", 0.7591385841)),
    ("perplexity", {"ignore_label": None}, LABELS, SCORES, ("perplexity", 2.1364350685)),
    ("pcc", {}, LABELS, SCORES, ("pcc", 0.7)),
    ("loss", {}, LABELS, SCORES, ("loss", 1 / 3)),
    ("f1", {}, TWO_LABELS, TWO_SCORES, ("f1", 2 / 3)),
    ("mcc", {}, TWO_LABELS, TWO_SCORES, ("mcc", 0.5773502691)),
    ("mae", {}, *NUMBERS, ("mae", 1.1666666269)),
    ("mse", {}, *NUMBERS, ("mse", 2.4166667461)),
    ("rmse", {}, *NUMBERS, ("rmse", 1.5545631647)),
    ("pearsonr", {}, *NUMBERS, ("pearsonr", 0.9449111825)),
]


@pytest.mark.parametrize(("name", "options", "labels", "preds", "expected"), CASES, ids=[c[0] for c in CASES])
def test_metric_equals_mxnet(name, options, labels, preds, expected):
    metric = mx.metric.create(name, **options)
    assert math.isnan(metric.get()[1])
    assert "nan" in str(metric)
    metric.update(labels, preds)
    for found in (metric.get(), metric.get_global(), metric.get_name_value()[0]):
        assert found[0] == expected[0]
        assert type(found[1]) is float
        assert found[1] == pytest.approx(expected[1], rel=1e-5)
    rebuilt = mx.metric.create(metric.get_config())
    assert type(rebuilt) is type(metric)
    metric.reset_local()
    assert math.isnan(metric.get()[1])
    assert metric.get_global()[1] == pytest.approx(expected[1], rel=1e-5)
    metric.reset()
    assert math.isnan(metric.get_global()[1])


def test_accuracy_forms():
    accuracy = mx.metric.Accuracy()
    accuracy.update(labels=LABELS, preds=SCORES)
    accuracy.update(nd.ones((2,)), nd.array([1, 0]))
    assert accuracy.get() == ("accuracy", 4 / 6)
    with pytest.raises(ValueError, match="Shape of labels 3 does not match shape of predictions 2"):
        accuracy.update([nd.ones((3,))], [nd.ones((2, 2))])
    with pytest.raises(ValueError, match="Shape of labels 2 does not match shape of predictions 1"):
        accuracy.update([nd.ones((3,))] * 2, [nd.ones((2, 2))])
    image = mx.metric.Accuracy(axis=1)
    image.update(nd.zeros((2, 4, 4)), nd.stack(nd.ones((2, 4, 4)), nd.zeros((2, 4, 4)), axis=1))
    assert image.get()[1] == 1.0


def test_names_choose_arrays():
    accuracy = mx.metric.Accuracy(output_names=["out"], label_names=["label"])
    accuracy.update_dict({"label": LABELS[0], "other": LABELS[0]}, {"out": SCORES[0], "other": LABELS[0]})
    assert accuracy.get() == ("accuracy", 0.75)


def test_composite():
    metric = mx.metric.create(["acc", "ce"])
    metric.update(LABELS, SCORES)
    names, values = metric.get()
    assert names == ["accuracy", "cross-entropy"]
    assert values == pytest.approx([0.75, 0.7591385841])
    assert metric.get_metric(0).get()[1] == 0.75
    with pytest.raises(ValueError, match="out of range 0 and 2"):
        metric.get_metric(2)
    metric.reset()
    assert all(math.isnan(value) for value in metric.get()[1])


def test_custom():
    for metric in (
        mx.metric.np(lambda label, pred: (label == pred.argmax(1)).mean()),
        mx.metric.create(lambda label, pred: (label == pred.argmax(1)).mean()),
        mx.metric.CustomMetric(lambda label, pred: ((label == pred.argmax(1)).sum(), len(label)), name=None),
    ):
        metric.update(LABELS, SCORES)
        assert metric.get() == ("custom(<lambda>)", 0.75)
        assert str(metric) == "EvalMetric: {'custom(<lambda>)': 0.75}"


def test_f1_micro_and_wrong_labels():
    f1 = mx.metric.F1(average="micro")
    f1.update(TWO_LABELS, TWO_SCORES)
    f1.update(TWO_LABELS, [nd.array([[0.5, 0.5], [0.3, 0.7], [0.8, 0.2], [0.1, 0.9]])])
    assert f1.get()[1] == pytest.approx(4 / 7)
    with pytest.raises(ValueError, match="only supports binary classification"):
        mx.metric.F1().update([nd.array([0, 1, 2])], [nd.ones((3, 2))])


def test_perplexity_ignores_a_label():
    metric = mx.metric.Perplexity(ignore_label=1)
    metric.update(LABELS, SCORES)
    assert metric.get()[1] == pytest.approx(math.exp(-(math.log(0.5) + math.log(0.6)) / 2), rel=1e-6)
    with pytest.raises(ValueError, match="shape mismatch"):
        metric.update([nd.ones((3,))], SCORES)


def test_pearson_micro():
    random = np.random.RandomState(0)
    x, y = random.rand(2, 10, 1), random.rand(2, 10, 1)
    metric = mx.metric.PearsonCorrelation(average="micro")
    for a, b in zip(x, y, strict=True):
        metric.update(nd.array(a), nd.array(b))
    assert metric.get()[1] == pytest.approx(np.corrcoef(x.ravel(), y.ravel())[0, 1], rel=1e-4)


def test_unknown_metric():
    with pytest.raises(ValueError, match="Cannot find metric foo. Registered: .*accuracy"):
        mx.metric.create("foo")
    with pytest.raises(ValueError, match="Please use Accuracy if top_k is no more than 1"):
        mx.metric.TopKAccuracy()


def test_own_metric():
    @mx.metric.register
    class Count(mx.metric.EvalMetric):
        def __init__(self, name="count"):
            super().__init__(name)

        def update(self, labels, preds):
            self.sum_metric += len(labels)
            self.num_inst = 1

    metric = mx.metric.create("count")
    metric.update([1, 2], [3, 4])
    assert metric.get() == ("count", 2)
