"""The same programs in PyTorch; see cases_mxnet.py."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from timing import emit, import_cost, pass_cost, per_call, selected

if __name__ == "__main__" and selected("import"):
    emit("import", *import_cost("torch"))
    if selected("import_memory"):
        emit("import_memory", import_cost("torch", what="memory"), "MB")

import torch

torch.set_num_threads(1)


def small_calls() -> None:
    a, b, s = torch.ones(16), torch.ones(16), torch.ones(1)
    rows = torch.ones(64, 16)
    emit("add_16", per_call(lambda: a + b), "ns")
    emit("mul_scalar_16", per_call(lambda: a * 0.37), "ns")
    emit("relu_16", per_call(lambda: torch.relu(a)), "ns")
    emit("asscalar", per_call(s.item), "ns")
    emit("slice", per_call(lambda: rows[3:9]), "ns")
    emit("index", per_call(lambda: rows[3]), "ns")
    x = torch.ones(16, requires_grad=True)
    ones = torch.ones(16)

    def record_backward() -> None:
        x.grad = None
        (x * 2).backward(ones)

    emit("record_backward", per_call(record_backward), "ns")


def rate(name: str, call: Callable[[], object], work: float, unit: str = "GB/s") -> None:
    """Emits `work` (bytes, operations) by the nanosecond of `call`."""
    emit(name, work / per_call(call, rounds=5, least=0.05), unit)


def backward(name: str, call: Callable[..., object], inputs: list, work: float, unit: str = "GB/s") -> None:
    """Emits the rate of the gradient of `call` with respect to `inputs`; the forward pass runs once, before."""
    inputs = [array.requires_grad_() for array in inputs]
    out = call(*inputs)
    head = torch.ones_like(out)
    rate(name, lambda: torch.autograd.grad(out, inputs, head, retain_graph=True), work, unit)


def memory_bound() -> None:
    n = 16_000_000
    a, b = torch.ones(n), torch.ones(n)
    rate("add_16M", lambda: a + b, 12 * n)
    rate("relu_16M", lambda: torch.relu(a), 8 * n)
    rate("exp_16M", lambda: torch.exp(a), 8 * n)
    rate("tanh_16M", lambda: torch.tanh(a), 8 * n)
    rate("sum_16M", lambda: torch.sum(a), 4 * n)
    square = torch.ones(4000, 4000)
    rate("sum_axis0", lambda: torch.sum(square, 0), 4 * n)
    rate("sum_axis1", lambda: torch.sum(square, 1), 4 * n)


def movement() -> None:
    n = 16_000_000
    square, other = torch.ones(4000, 4000), torch.ones(4000, 4000)
    power = torch.ones(4096, 4096)
    rate("transpose_4000", lambda: square.t().contiguous(), 8 * n)
    rate("transpose_4096", lambda: power.t().contiguous(), 8 * 4096**2)
    images = torch.ones(64, 64, 64, 64)
    rate("transpose_nchw_nhwc", lambda: images.permute(0, 2, 3, 1).contiguous(), 8 * 64**4)
    left, right = torch.ones(4000, 2000), torch.ones(4000, 2000)
    rate("concat_axis0", lambda: torch.cat((left, right), 0), 8 * n)
    rate("concat_axis1", lambda: torch.cat((left, right), 1), 8 * n)
    # MXNet's condition is an array of floats; PyTorch's must be one of bools, a quarter of the bytes.
    condition = torch.randint(0, 2, (4000, 4000)).bool()
    rate("where", lambda: torch.where(condition, square, other), 13 * n)
    table = torch.ones(50_000, 256)
    words = torch.randint(0, 50_000, (20_000,))
    rate("embedding", lambda: torch.nn.functional.embedding(words, table), 8 * 20_000 * 256)
    rate("take", lambda: torch.index_select(table, 0, words), 8 * 20_000 * 256)


def normalization() -> None:
    n = 16_000_000
    square = torch.rand(4000, 4000)
    gamma, beta = torch.ones(4000), torch.zeros(4000)

    def layer_norm(x: object, gamma: object, beta: object) -> object:
        return torch.nn.functional.layer_norm(x, (4000,), gamma, beta)

    rate("softmax", lambda: torch.softmax(square, -1), 8 * n)
    rate("softmax_axis0", lambda: torch.softmax(square, 0), 8 * n)
    rate("log_softmax", lambda: torch.log_softmax(square, -1), 8 * n)
    rate("layer_norm", lambda: layer_norm(square, gamma, beta), 8 * n)
    backward("softmax_backward", lambda x: torch.softmax(x, -1), [square], 12 * n)
    backward("layer_norm_backward", layer_norm, [square, gamma, beta], 12 * n)


def order() -> None:
    million, rows = torch.rand(1_000_000), torch.rand(1000, 1000)
    rate("argsort_1M", lambda: torch.argsort(million), 1e9, "M/s")
    rate("topk_10_of_1000", lambda: torch.topk(rows, 10), 1e9, "M/s")


def random() -> None:
    n = 4_000_000
    rate("uniform", lambda: torch.rand(n), n * 1e3, "M/s")
    rate("randn", lambda: torch.randn(n), n * 1e3, "M/s")
    shapes, means = torch.full((n,), 2.0), torch.full((n,), 12.0)
    rate("gamma", lambda: torch._standard_gamma(shapes), n * 1e3, "M/s")
    rate("poisson", lambda: torch.poisson(means), n * 1e3, "M/s")
    weights = torch.full((1000, 100), 0.01)
    rate("multinomial", lambda: torch.multinomial(weights, 100, replacement=True), 1e8, "M/s")


def products() -> None:
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    rate("dot_2048", lambda: a @ b, 2 * 2048**3, "GFLOP/s")
    c, d = torch.rand(32, 256, 256), torch.rand(32, 256, 256)
    rate("batch_dot_256", lambda: torch.bmm(c, d), 2 * 32 * 256**3, "GFLOP/s")
    rate("batch_dot_256_t", lambda: torch.bmm(c, d.transpose(1, 2)), 2 * 32 * 256**3, "GFLOP/s")


def factorizations() -> None:
    square = torch.rand(512, 512)
    positive = square @ square.T + torch.eye(512) * 512
    lower = torch.linalg.cholesky(positive)
    n3 = 512**3
    rate("potrf_512", lambda: torch.linalg.cholesky(positive), n3 / 3, "GFLOP/s")
    rate("trsm_512", lambda: torch.linalg.solve_triangular(lower, square, upper=False), n3, "GFLOP/s")
    rate("inverse_512", lambda: torch.linalg.inv(positive), 2 * n3, "GFLOP/s")
    rate("gelqf_512", lambda: torch.linalg.qr(square.T), 8 / 3 * n3, "GFLOP/s")
    rate("syevd_512", lambda: torch.linalg.eigh(positive), 9 * n3, "GFLOP/s")


def convolution() -> None:
    x, w, b = torch.rand(8, 64, 56, 56), torch.rand(64, 64, 3, 3), torch.zeros(64)

    def convolve(x: object, w: object, b: object) -> object:
        return torch.nn.functional.conv2d(x, w, b, padding=1)

    work = 2 * 8 * 64 * 64 * 9 * 56 * 56
    rate("convolution", lambda: convolve(x, w, b), work, "GFLOP/s")
    backward("convolution_backward", convolve, [x, w, b], 2 * work, "GFLOP/s")
    images = torch.rand(32, 64, 56, 56)
    for kind, pool in (("max", torch.nn.functional.max_pool2d), ("avg", torch.nn.functional.avg_pool2d)):
        rate(f"{kind}_pool", lambda pool=pool: pool(images.detach(), 2, 2), 5 * images.numel())
        backward(
            f"{kind}_pool_backward", lambda x, pool=pool: pool(x, 2, 2), [images],
            (9 if kind == "max" else 5) * images.numel(),
        )  # fmt: skip


def train(name: str, net: torch.nn.Module, shape: tuple[int, ...]) -> None:
    """Emits the samples that a training step (forward, backward, SGD) of `net` takes in by the second."""
    batch = shape[0]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    loss = torch.nn.CrossEntropyLoss()
    x = torch.rand(*shape)
    label = torch.arange(batch) % 10

    def step() -> None:
        optimizer.zero_grad()
        loss(net(x), label).backward()
        optimizer.step()

    for _ in range(10):
        step()
    emit(name, batch / per_call(step, rounds=5, least=0.4) * 1e9, "samples/s")


def mlp() -> None:
    nn = torch.nn
    net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    train("mlp_train", net, (100, 784))


def lenet() -> None:
    nn = torch.nn
    net = nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.Tanh(), nn.MaxPool2d(2, 2),
        nn.Conv2d(20, 50, 5), nn.Tanh(), nn.MaxPool2d(2, 2),
        nn.Flatten(), nn.Linear(800, 500), nn.Tanh(), nn.Linear(500, 10),
    )  # fmt: skip
    train("lenet_train", net, (64, 1, 28, 28))


def fit(name: str, net: torch.nn.Module, count: int) -> None:
    """As Module.fit: shuffled batches of 100 by index, SGD with momentum, accuracy."""
    x, y = torch.rand(count, 1, 28, 28), torch.randint(0, 10, (count,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    loss = torch.nn.CrossEntropyLoss()

    def epoch() -> float:
        right = 0
        for rows in torch.randperm(count).split(100):
            label = y[rows]
            scores = net(x[rows])
            optimizer.zero_grad()
            loss(scores, label).backward()
            optimizer.step()
            right += int((scores.argmax(1) == label).sum())
        return right / count

    emit(name, count / per_call(epoch, rounds=5) * 1e9, "samples/s")


def module() -> None:
    nn = torch.nn
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    fit("mlp_fit", net, 10_000)
    net = nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.Tanh(), nn.MaxPool2d(2, 2),
        nn.Conv2d(20, 50, 5), nn.Tanh(), nn.MaxPool2d(2, 2),
        nn.Flatten(), nn.Linear(800, 500), nn.Tanh(), nn.Linear(500, 10),
    )  # fmt: skip
    fit("lenet_fit", net, 1_000)


class Digits(torch.utils.data.Dataset):
    """Images of MNIST's size, to float and normalized one by one, and labels."""

    def __init__(self, count: int) -> None:
        self.images = torch.randint(0, 255, (count, 1, 28, 28), dtype=torch.uint8)
        self.labels = [i % 10 for i in range(count)]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.images[i].float().div_(255).sub_(0.13).div_(0.31), self.labels[i]


def loader() -> None:
    data, make = Digits(20_000), torch.utils.data.DataLoader
    emit("loader", 20_000 / pass_cost(make(data, 64)), "samples/s")
    for workers in (1, 2):
        batches = make(data, 64, num_workers=workers, persistent_workers=True)
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


if __name__ == "__main__":
    sys.exit(main())
