"""Graph passes: dead nodes, and legalization for a device.

Duplicates never arise: the tracer records identical calls once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .node import Graph, Node, Value
from .trace import Tracer

__all__ = ["legalize", "live_nodes", "root_of"]


def root_of(value: Value) -> Value:
    """The value whose memory this value's is, views followed back."""
    while value.node is not None and value.node.op.view:
        value = value.node.inputs[0]
    return value


def live_nodes(graph: Graph, outputs: Iterable[Value]) -> list[Node]:
    """The nodes that the outputs and the written inputs depend on, in running order."""
    needed: set[Value] = set(outputs)
    needed.update(graph.writes.values())
    live = []
    for node in reversed(graph.nodes):
        if not needed.isdisjoint(node.outputs):
            live.append(node)
            needed.update(node.inputs)
    live.reverse()
    return live


def legalize(
    graph: Graph, outputs: list[Value | None], target: Any, is_train: bool
) -> tuple[Graph, list[Node], list[Value | None]]:
    """Keep a composition that the target has a kernel for; run the body of every other one.

    Returns (graph, its live nodes, its outputs), which are the given ones when there is nothing to expand.
    """
    while True:
        nodes = live_nodes(graph, [value for value in outputs if value is not None])
        if all(_has_kernel(node, target) for node in nodes if node.op.has_body):
            return graph, nodes, outputs
        new = Graph(graph.name, graph.n_scalars)
        tracer = Tracer(new, is_train, target.has_kernel)
        known: dict[Any, Any] = {None: None}
        for value in graph.inputs:
            known[value] = tracer.add_input(value.dtype, value.shape)
        for node in nodes:
            inputs = tuple([known[i] for i in node.inputs])
            if node.op.has_body and node.prepared is None:
                made = tracer.expand(node, inputs)
            else:
                tracer.keep = _always
                made = tracer.copy_node(node, inputs)
                tracer.keep = target.has_kernel
                if node.prepared is not None:
                    made[0].node.prepared = node.prepared  # type: ignore[union-attr]
            known.update(zip(node.outputs, made, strict=True))
        new.writes = {index: known[value] for index, value in graph.writes.items()}
        graph, outputs = new, [known[value] for value in outputs]


def _always(_: Any) -> bool:
    return True


def _has_kernel(node: Node, target: Any) -> bool:
    """True when the target serves this composition with a kernel of its own; remembers the kernel."""
    if node.prepared is None and target.has_kernel(node.op):
        answer = target.prepare_node(node)
        if not isinstance(answer, str):
            node.prepared = answer
    return node.prepared is not None
