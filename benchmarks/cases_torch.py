"""The same programs in PyTorch; see cases_mxnet.py."""

from __future__ import annotations

import sys

from timing import emit, import_cost, per_call, selected

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


def memory_bound() -> None:
    n = 16_000_000
    a, b = torch.ones(n), torch.ones(n)
    square = torch.ones(4000, 4000)

    def rate(name: str, call: object, bytes_moved: int) -> None:
        emit(name, bytes_moved / per_call(call, rounds=5, least=0.05), "GB/s")

    rate("add_16M", lambda: a + b, 12 * n)
    rate("relu_16M", lambda: torch.relu(a), 8 * n)
    rate("exp_16M", lambda: torch.exp(a), 8 * n)
    rate("sum_16M", lambda: torch.sum(a), 4 * n)
    rate("sum_axis0", lambda: torch.sum(square, 0), 4 * n)
    rate("sum_axis1", lambda: torch.sum(square, 1), 4 * n)
    rate("transpose", lambda: square.t().contiguous(), 8 * n)
    rate("softmax", lambda: torch.softmax(square, -1), 8 * n)


def products() -> None:
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    emit("dot_2048", 2 * 2048**3 / per_call(lambda: a @ b, rounds=5, least=0.2), "GFLOP/s")


def mlp() -> None:
    batch = 100
    net = torch.nn.Sequential(
        torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    loss = torch.nn.CrossEntropyLoss()
    x = torch.rand(batch, 784)
    label = torch.arange(batch) % 10

    def step() -> None:
        optimizer.zero_grad()
        loss(net(x), label).backward()
        optimizer.step()

    for _ in range(20):
        step()
    emit("mlp_train", batch / per_call(step, rounds=5, least=0.4) * 1e9, "samples/s")


def main() -> None:
    groups = {"small": small_calls, "memory": memory_bound, "dot": products, "mlp": mlp}
    for name, group in groups.items():
        if selected(name):
            group()


if __name__ == "__main__":
    sys.exit(main())
