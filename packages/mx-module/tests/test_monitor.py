"""Monitor: what it collects and how it prints."""

from __future__ import annotations

import logging

import numpy as np
from networks import batches, perceptron

import mxnet as mx


def relu():
    return mx.sym.relu(mx.sym.var("x"), name="relu1").simple_bind(mx.cpu(), x=(2,))


def test_statistics_as_text():
    exe = relu()
    for statistic, text in (
        (lambda x: x.max(), "2.0\t"),
        (lambda x: x, "[0. 2.]\t"),
        (lambda x: [x.max(), x.min()], "2.0\t0.0\t"),
        (lambda x: float(x.sum().asscalar()), "2.0\t"),
    ):
        monitor = mx.mon.Monitor(1, stat_func=statistic, pattern="relu.*")
        monitor.install(exe)
        monitor.tic()
        exe.forward(x=mx.nd.array([-1.0, 2.0]))
        assert monitor.toc() == [(1, "relu1_output", text)]
        assert monitor.toc() == []


def test_the_default_statistic_is_the_root_mean_square():
    exe, monitor = relu(), mx.mon.Monitor(1)
    monitor.install(exe)
    monitor.tic()
    exe.forward(x=mx.nd.array([-3.0, 4.0]))
    collected = {name: float(value) for _, name, value in monitor.toc()}
    np.testing.assert_allclose([collected["relu1_output"], collected["x"]], [8**0.5, 12.5**0.5], rtol=1e-6)


def test_patterns_match_from_the_beginning():
    exe, monitor = relu(), mx.mon.Monitor(1, pattern="output|x")
    monitor.install(exe)
    monitor.tic()
    exe.forward()
    assert [name for _, name, _ in monitor.toc()] == ["x"]


def test_in_fit(caplog):
    monitor = mx.mon.Monitor(2, pattern="fc1.*", sort=True)
    with caplog.at_level(logging.INFO):
        mx.mod.Module(perceptron()).fit(batches(), num_epoch=1, monitor=monitor)
    lines = [message for message in caplog.messages if message.startswith("Batch:")]
    names = ["fc1_bias", "fc1_output", "fc1_weight"]
    assert [line[:46] for line in lines] == [f"Batch: {n:7d} {name:30s} " for n in (1, 3, 5) for name in names]
    assert all(float(line[46:]) >= 0 for line in lines)
    assert monitor.activated is False
