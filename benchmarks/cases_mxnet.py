"""The measured programs in MXNet's API: run by this project's mxnet and by the real 1.9.1 alike.

Prints one JSON line per case: name, value, unit. One thread, process CPU time, the best of several rounds.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

from timing import emit, import_cost, pass_cost, per_call, selected

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


def rate(name: str, call: Callable[[], object], work: float, unit: str = "GB/s") -> None:
    """Emits `work` (bytes, operations) by the nanosecond of `call`, which returns an array (or arrays)."""

    def finished() -> None:
        result = call()
        for array in result if isinstance(result, (list, tuple)) else [result]:
            array.wait_to_read()

    emit(name, work / per_call(finished, rounds=5, least=0.05), unit)


def backward(name: str, call: Callable[..., object], inputs: list, work: float, unit: str = "GB/s") -> None:
    """Emits the rate of the gradient of `call` with respect to `inputs`; the forward pass runs once, before."""
    for array in inputs:
        array.attach_grad()
    with autograd.record():
        out = call(*inputs)
    head = nd.ones(out.shape)

    def gradients() -> object:
        out.backward(head, retain_graph=True)
        return [array.grad for array in inputs]

    rate(name, gradients, work, unit)


def memory_bound() -> None:
    n = 16_000_000
    a, b = nd.ones((n,)), nd.ones((n,))
    rate("add_16M", lambda: a + b, 12 * n)
    rate("relu_16M", lambda: nd.relu(a), 8 * n)
    rate("exp_16M", lambda: nd.exp(a), 8 * n)
    rate("tanh_16M", lambda: nd.tanh(a), 8 * n)
    rate("sum_16M", lambda: nd.sum(a), 4 * n)
    square = nd.ones((4000, 4000))
    rate("sum_axis0", lambda: nd.sum(square, axis=0), 4 * n)
    rate("sum_axis1", lambda: nd.sum(square, axis=1), 4 * n)


def movement() -> None:
    n = 16_000_000
    square, other = nd.ones((4000, 4000)), nd.ones((4000, 4000))
    power = nd.ones((4096, 4096))
    rate("transpose_4000", lambda: nd.transpose(square), 8 * n)
    rate("transpose_4096", lambda: nd.transpose(power), 8 * 4096**2)
    images = nd.ones((64, 64, 64, 64))
    rate("transpose_nchw_nhwc", lambda: nd.transpose(images, axes=(0, 2, 3, 1)), 8 * 64**4)
    left, right = nd.ones((4000, 2000)), nd.ones((4000, 2000))
    rate("concat_axis0", lambda: nd.concat(left, right, dim=0), 8 * n)
    rate("concat_axis1", lambda: nd.concat(left, right, dim=1), 8 * n)
    condition = nd.array(np.random.RandomState(0).randint(0, 2, (4000, 4000)))
    rate("where", lambda: nd.where(condition, square, other), 16 * n)
    table = nd.ones((50_000, 256))
    words = nd.array(np.random.RandomState(0).randint(0, 50_000, (20_000,)))
    rate("embedding", lambda: nd.Embedding(words, table, 50_000, 256), 8 * 20_000 * 256)
    rate("take", lambda: nd.take(table, words), 8 * 20_000 * 256)


def normalization() -> None:
    n = 16_000_000
    square = nd.random.uniform(shape=(4000, 4000))
    gamma, beta = nd.ones((4000,)), nd.zeros((4000,))
    rate("softmax", lambda: nd.softmax(square), 8 * n)
    rate("softmax_axis0", lambda: nd.softmax(square, axis=0), 8 * n)
    rate("log_softmax", lambda: nd.log_softmax(square), 8 * n)
    rate("layer_norm", lambda: nd.LayerNorm(square, gamma, beta), 8 * n)
    backward("softmax_backward", nd.softmax, [square], 12 * n)
    backward("layer_norm_backward", nd.LayerNorm, [square, gamma, beta], 12 * n)


def order() -> None:
    million = nd.array(np.random.RandomState(0).rand(1_000_000))
    rows = nd.array(np.random.RandomState(0).rand(1000, 1000))
    rate("argsort_1M", lambda: nd.argsort(million), 1e9, "M/s")
    rate("topk_10_of_1000", lambda: nd.topk(rows, k=10), 1e9, "M/s")


def random() -> None:
    n = 4_000_000
    rate("uniform", lambda: nd.random.uniform(shape=(n,)), n * 1e3, "M/s")
    rate("randn", lambda: nd.random.randn(n), n * 1e3, "M/s")
    rate("gamma", lambda: nd.random.gamma(2.0, 1.0, shape=(n,)), n * 1e3, "M/s")
    rate("poisson", lambda: nd.random.poisson(12.0, shape=(n,)), n * 1e3, "M/s")
    weights = nd.ones((1000, 100)) / 100
    rate("multinomial", lambda: nd.random.multinomial(weights, shape=100), 1e8, "M/s")


def products() -> None:
    a, b = nd.random.uniform(shape=(2048, 2048)), nd.random.uniform(shape=(2048, 2048))
    rate("dot_2048", lambda: nd.dot(a, b), 2 * 2048**3, "GFLOP/s")
    c, d = nd.random.uniform(shape=(32, 256, 256)), nd.random.uniform(shape=(32, 256, 256))
    rate("batch_dot_256", lambda: nd.batch_dot(c, d), 2 * 32 * 256**3, "GFLOP/s")
    rate("batch_dot_256_t", lambda: nd.batch_dot(c, d, transpose_b=True), 2 * 32 * 256**3, "GFLOP/s")


def factorizations() -> None:
    linalg = nd.linalg
    square = nd.random.uniform(shape=(512, 512))
    positive = linalg.syrk(square) + nd.array(np.eye(512) * 512)
    lower = linalg.potrf(positive)
    n3 = 512**3
    rate("potrf_512", lambda: linalg.potrf(positive), n3 / 3, "GFLOP/s")
    rate("trsm_512", lambda: linalg.trsm(lower, square), n3, "GFLOP/s")
    rate("inverse_512", lambda: linalg.inverse(positive), 2 * n3, "GFLOP/s")
    rate("gelqf_512", lambda: linalg.gelqf(square), 8 / 3 * n3, "GFLOP/s")
    rate("syevd_512", lambda: linalg.syevd(positive), 9 * n3, "GFLOP/s")


def convolution() -> None:
    x, w, b = nd.random.uniform(shape=(8, 64, 56, 56)), nd.random.uniform(shape=(64, 64, 3, 3)), nd.zeros((64,))

    def convolve(x: object, w: object, b: object) -> object:
        return nd.Convolution(x, w, b, kernel=(3, 3), pad=(1, 1), num_filter=64)

    def pool(kind: str) -> Callable[[object], object]:
        return lambda x: nd.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type=kind)

    work = 2 * 8 * 64 * 64 * 9 * 56 * 56
    rate("convolution", lambda: convolve(x, w, b), work, "GFLOP/s")
    backward("convolution_backward", convolve, [x, w, b], 2 * work, "GFLOP/s")
    images = nd.random.uniform(shape=(32, 64, 56, 56))
    for kind in ("max", "avg"):
        rate(f"{kind}_pool", lambda kind=kind: pool(kind)(images), 5 * images.size)
        backward(f"{kind}_pool_backward", pool(kind), [images], (9 if kind == "max" else 5) * images.size)


def train(name: str, net: object, shape: tuple[int, ...]) -> None:
    """Emits the samples that a training step (record, backward, SGD) of `net` takes in by the second."""
    batch = shape[0]
    net.initialize(mx.init.Normal(0.1))
    trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})
    loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    x = nd.random.uniform(shape=shape)
    label = nd.array(np.arange(batch) % 10)

    def step() -> None:
        with autograd.record():
            value = loss(net(x), label)
        value.backward()
        trainer.step(batch)

    for _ in range(10):
        step()
    mx.nd.waitall()
    nanoseconds = per_call(step, sync=mx.nd.waitall, rounds=5, least=0.4)
    emit(name, batch / nanoseconds * 1e9, "samples/s")


def mlp() -> None:
    nn = mx.gluon.nn
    net = nn.Sequential()
    for layer in (nn.Dense(128, activation="relu"), nn.Dense(64, activation="relu"), nn.Dense(10)):
        net.add(layer)
    train("mlp_train", net, (100, 784))


def lenet() -> None:
    nn = mx.gluon.nn
    net = nn.Sequential()
    for layer in (
        nn.Conv2D(20, 5, activation="tanh"), nn.MaxPool2D(2, 2),
        nn.Conv2D(50, 5, activation="tanh"), nn.MaxPool2D(2, 2),
        nn.Dense(500, activation="tanh"), nn.Dense(10),
    ):  # fmt: skip
        net.add(layer)
    train("lenet_train", net, (64, 1, 28, 28))


def symbolic(widths: tuple[int, ...], filters: tuple[int, ...], activation: str) -> object:
    """Convolutions of 5 x 5 with activation and pooling, then fully connected layers, then the softmax loss."""
    net = mx.sym.var("data")
    for count in filters:
        net = mx.sym.Convolution(net, kernel=(5, 5), num_filter=count)
        net = mx.sym.Pooling(mx.sym.Activation(net, act_type=activation), kernel=(2, 2), stride=(2, 2), pool_type="max")
    net = mx.sym.Flatten(net)
    for width in widths:
        net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=width), act_type=activation)
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=10), name="softmax")


def fit(name: str, net: object, count: int) -> None:
    """Emits the samples that Module.fit takes in by the second: NDArrayIter, shuffled batches of 100, SGD, accuracy."""
    rng = np.random.RandomState(0)
    x, y = rng.rand(count, 1, 28, 28).astype("float32"), rng.randint(0, 10, count).astype("float32")
    batches = mx.io.NDArrayIter(x, y, batch_size=100, shuffle=True)
    module = mx.mod.Module(net, context=mx.cpu())

    def epoch() -> None:
        module.fit(batches, num_epoch=1, optimizer="sgd", optimizer_params={"learning_rate": 0.1, "momentum": 0.9})

    logging.disable(logging.WARNING)  # from the second epoch on it says that it is bound already
    nanoseconds = per_call(epoch, sync=mx.nd.waitall, rounds=5)
    emit(name, count / nanoseconds * 1e9, "samples/s")


def module() -> None:
    fit("mlp_fit", symbolic((128, 64), (), "relu"), 10_000)
    fit("lenet_fit", symbolic((500,), (20, 50), "tanh"), 1_000)


def loader() -> None:
    """Samples of MNIST's size through ToTensor and Normalize, one by one, into batches of 64."""
    transforms = mx.gluon.data.vision.transforms
    images = nd.array(np.random.randint(0, 255, (20_000, 28, 28, 1)), dtype="uint8")
    data = mx.gluon.data.ArrayDataset(images, np.arange(20_000) % 10)
    data = data.transform_first(transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.13, 0.31)]))
    emit("loader", 20_000 / pass_cost(mx.gluon.data.DataLoader(data, 64)), "samples/s")
    for workers in (1, 2):
        batches = mx.gluon.data.DataLoader(data, 64, num_workers=workers)
        emit(f"loader_{workers}_workers", 20_000 / pass_cost(batches, time.perf_counter), "samples/s")


GROUPS = {
    "small": small_calls, "memory": memory_bound, "movement": movement, "normalization": normalization, "order": order,
    "random": random, "dot": products, "linalg": factorizations, "convolution": convolution, "mlp": mlp, "lenet": lenet,
    "module": module, "loader": loader,
}  # fmt: skip


def main() -> None:
    for name, group in GROUPS.items():
        if selected(name):
            group()
            mx.nd.waitall()


if __name__ == "__main__":
    sys.exit(main())
