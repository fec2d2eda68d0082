"""The measured programs in MXNet's API: run by this project's mxnet and by the real 1.9.1 alike.

Prints one JSON line per case: name, value, unit. One thread, process CPU time, the best of several rounds.
"""

from __future__ import annotations

import sys

from timing import emit, import_cost, per_call, selected

if __name__ == "__main__" and selected("import"):
    emit("import", *import_cost("mxnet"))
    if selected("import_memory"):
        emit("import_memory", import_cost("mxnet", what="memory"), "MB")

import numpy as np

import mxnet as mx

nd, autograd = mx.nd, mx.autograd


def small_calls() -> None:
    a, b, s = nd.ones((16,)), nd.ones((16,)), nd.ones((1,))
    rows = nd.ones((64, 16))
    mx.nd.waitall()
    emit("add_16", per_call(lambda: a + b, sync=mx.nd.waitall), "ns")
    emit("mul_scalar_16", per_call(lambda: a * 0.37, sync=mx.nd.waitall), "ns")
    emit("relu_16", per_call(lambda: nd.relu(a), sync=mx.nd.waitall), "ns")
    emit("asscalar", per_call(s.asscalar), "ns")
    emit("slice", per_call(lambda: rows[3:9], sync=mx.nd.waitall), "ns")
    emit("index", per_call(lambda: rows[3], sync=mx.nd.waitall), "ns")
    x = nd.ones((16,))
    x.attach_grad()

    def record_backward() -> None:
        with autograd.record():
            y = x * 2
        y.backward()

    emit("record_backward", per_call(record_backward, sync=mx.nd.waitall), "ns")


def memory_bound() -> None:
    n = 16_000_000
    a, b = nd.ones((n,)), nd.ones((n,))
    square = nd.ones((4000, 4000))
    mx.nd.waitall()

    def rate(name: str, call: object, bytes_moved: int) -> None:
        nanoseconds = per_call(lambda: call().wait_to_read(), rounds=5, least=0.05)
        emit(name, bytes_moved / nanoseconds, "GB/s")

    rate("add_16M", lambda: a + b, 12 * n)
    rate("relu_16M", lambda: nd.relu(a), 8 * n)
    rate("exp_16M", lambda: nd.exp(a), 8 * n)
    rate("sum_16M", lambda: nd.sum(a), 4 * n)
    rate("sum_axis0", lambda: nd.sum(square, axis=0), 4 * n)
    rate("sum_axis1", lambda: nd.sum(square, axis=1), 4 * n)
    rate("transpose", lambda: nd.transpose(square), 8 * n)
    rate("softmax", lambda: nd.softmax(square), 8 * n)


def products() -> None:
    a, b = nd.random.uniform(shape=(2048, 2048)), nd.random.uniform(shape=(2048, 2048))
    mx.nd.waitall()
    nanoseconds = per_call(lambda: nd.dot(a, b).wait_to_read(), rounds=5, least=0.2)
    emit("dot_2048", 2 * 2048**3 / nanoseconds, "GFLOP/s")


def mlp() -> None:
    batch = 100
    net = mx.gluon.nn.Sequential()
    for layer in (
        mx.gluon.nn.Dense(128, activation="relu"),
        mx.gluon.nn.Dense(64, activation="relu"),
        mx.gluon.nn.Dense(10),
    ):
        net.add(layer)
    net.initialize(mx.init.Normal(0.1))
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})
    loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    x = nd.random.uniform(shape=(batch, 784))
    label = nd.array(np.arange(batch) % 10)

    def step() -> None:
        with autograd.record():
            value = loss(net(x), label)
        value.backward()
        trainer.step(batch)

    for _ in range(20):
        step()
    mx.nd.waitall()
    nanoseconds = per_call(step, sync=mx.nd.waitall, rounds=5, least=0.4)
    emit("mlp_train", batch / nanoseconds * 1e9, "samples/s")


def main() -> None:
    groups = {"small": small_calls, "memory": memory_bound, "dot": products, "mlp": mlp}
    for name, group in groups.items():
        if selected(name):
            group()


if __name__ == "__main__":
    sys.exit(main())
