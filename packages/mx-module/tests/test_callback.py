"""Callbacks: the log lines are those of 1.9.1, which people parse."""

from __future__ import annotations

import logging
import re

import pytest

import mxnet as mx


class Fixed(mx.metric.EvalMetric):
    """Always 0.5; counts resets."""

    def __init__(self):
        super().__init__("fixed")
        self.resets = 0
        self.sum_metric, self.num_inst = 0.5, 1

    def reset_local(self):
        self.resets += 1


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO)

    def taken():
        messages = [re.sub(r"Speed: [\d.]+", "Speed: N", record.getMessage()) for record in caplog.records]
        caplog.clear()
        return messages

    return taken


def feed(callback, metric, epochs=2, n=5):
    for epoch in range(epochs):
        for nbatch in range(n):
            callback(mx.model.BatchEndParam(epoch=epoch, nbatch=nbatch, eval_metric=metric, locals=None))


def test_speedometer(lines):
    metric = Fixed()
    feed(mx.callback.Speedometer(10, 2), metric)
    assert lines() == [
        f"Epoch[{epoch}] Batch [{first}-{first + 2}]\tSpeed: N samples/sec\tfixed=0.500000"
        for epoch in (0, 1) for first in (0, 2)
    ]  # fmt: skip
    assert metric.resets == 4


def test_speedometer_over_the_whole_epoch(lines):
    metric = Fixed()
    feed(mx.callback.Speedometer(10, 2, auto_reset=False), metric, epochs=1)
    assert lines() == [f"Epoch[0] Batch [0-{last}]\tSpeed: N samples/sec\tfixed=0.500000" for last in (2, 4)]
    assert metric.resets == 0


def test_speedometer_without_a_metric(lines):
    feed(mx.callback.Speedometer(10, 2), None, epochs=1)
    assert lines() == ["Iter[0] Batch [2]\tSpeed: N samples/sec", "Iter[0] Batch [4]\tSpeed: N samples/sec"]


def test_speedometer_with_several_metrics(lines):
    metric = mx.metric.create(["acc", "mse"])
    metric.update([mx.nd.array([1.0])], [mx.nd.array([[0.0, 1.0]])])
    feed(mx.callback.Speedometer(10, 2), metric, epochs=1, n=3)
    assert lines() == ["Epoch[0] Batch [0-2]\tSpeed: N samples/sec\taccuracy=1.000000\tmse=0.500000"]


@pytest.mark.parametrize("auto_reset", [False, True])
def test_log_train_metric(lines, auto_reset):
    metric = Fixed()
    feed(mx.callback.log_train_metric(2, auto_reset), metric, epochs=1)
    assert lines() == [f"Iter[0] Batch[{n}] Train-fixed=0.500000" for n in (0, 2, 4)]
    assert metric.resets == (3 if auto_reset else 0)
    feed(mx.callback.log_train_metric(2), None)
    assert lines() == []


def test_progress_bar(lines):
    feed(mx.callback.ProgressBar(total=3, length=10), None, epochs=1, n=4)
    assert lines() == ["[----------] 0%\r", "[===-------] 34%\r", "[=======---] 67%\r", "[==========] 100%\r"]


def test_log_validation_metrics(lines):
    callback = mx.callback.LogValidationMetricsCallback()
    feed(callback, mx.metric.create(["acc", "mse"]), epochs=1, n=1)
    assert lines() == ["Epoch[0] Validation-accuracy=nan", "Epoch[0] Validation-mse=nan"]
    feed(callback, None)
    assert lines() == []


def test_do_checkpoint(lines, tmp_path):
    symbol = mx.sym.var("data") * mx.sym.var("w")
    callback = mx.callback.do_checkpoint(str(tmp_path / "net"), period=2)
    for epoch in range(4):
        callback(epoch, symbol, {"w": mx.nd.full((2,), epoch)}, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net-0002.params", "net-0004.params", "net-symbol.json"]
    assert lines() == [f'Saved checkpoint to "{tmp_path}/net-{epoch:04d}.params"' for epoch in (2, 4)]
    assert mx.model.load_checkpoint(str(tmp_path / "net"), 4)[1]["w"].asnumpy().tolist() == [3, 3]


def test_module_checkpoint(tmp_path):
    calls = []

    class Recorder:
        def save_checkpoint(self, *arguments):
            calls.append(arguments)

    callback = mx.callback.module_checkpoint(Recorder(), "net", period=2, save_optimizer_states=True)
    for epoch in range(4):
        callback(epoch, None, None, None)
    assert calls == [("net", 2, True), ("net", 4, True)]
