"""``Block.summary``: a table of layers, their output shapes and parameters."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from mx_core import autograd
from mx_core.errors import ParameterError

from .block import Block
from .parameter import Parameter

__all__ = ["print_summary"]


def _shapes(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_shapes(item) for item in value)
    return str(value.shape) if hasattr(value, "shape") else str(value)


class _Row:
    def __init__(self, output: Any) -> None:
        self.output = _shapes(output)
        self.params = self.trainable = self.shared = 0


class _Table:
    """Collects a row per called block, in the order the calls end."""

    def __init__(self, inputs: tuple[Any, ...]) -> None:
        self.rows: OrderedDict[str, _Row] = OrderedDict(Input=_Row(inputs))
        self.seen: set[Parameter] = set()

    def add(self, block: Block, _: Any, output: Any) -> None:
        row = self.rows[f"{type(block).__name__}-{len(self.rows)}"] = _Row(output)
        for parameter in block.params.values():
            size = parameter.data().size
            row.params += size
            row.trainable += 0 if parameter.grad_req == "null" else size
            if parameter in self.seen:
                row.shared += size
            self.seen.add(parameter)

    def lines(self) -> list[str]:
        line = "{:>20}  {:>42} {:>15}".format
        rows = [line(name, row.output, row.params) for name, row in self.rows.items()]
        total = sum(row.params for row in self.rows.values())
        trainable = sum(row.trainable for row in self.rows.values())
        shared = sum(row.shared for row in self.rows.values())
        return [
            "-" * 80,
            line("Layer (type)", "Output Shape", "Param #"),
            "=" * 80,
            *rows,
            "=" * 80,
            "Parameters in forward computation graph, duplicate included",
            f"   Total params: {total}",
            f"   Trainable params: {trainable}",
            f"   Non-trainable params: {total - trainable}",
            f"Shared params in forward computation graph: {shared}",
            f"Unique parameters in model: {total - shared}",
            "-" * 80,
        ]


def print_summary(block: Block, inputs: tuple[Any, ...]) -> None:
    """Runs ``block`` on ``inputs`` without recording and prints the table."""
    from .nn import HybridSequential, Sequential

    table = _Table(inputs)
    handles = []

    def watch(b: Block) -> None:
        if getattr(b, "_active", False):
            msg = f'"{b.name}" must not be hybridized to print summary.'
            raise ParameterError(msg)
        if not isinstance(b, (Sequential, HybridSequential)):
            handles.append(b.register_forward_hook(table.add))

    try:
        block.apply(watch)
        with autograd.pause():
            block(*inputs)
        print("\n".join(table.lines()))
    finally:
        for handle in handles:
            handle.detach()
