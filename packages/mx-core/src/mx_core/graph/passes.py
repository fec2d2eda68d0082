"""Graph passes: dead nodes, the rewriting rules of plug-ins, and legalization for a device.

Duplicates never arise: the tracer records identical calls once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from .. import plugin
from ..errors import PluginError
from .node import Graph, Node, Value
from .trace import Tracer

__all__ = ["legalize", "live_nodes", "rewrite", "rewriting_rules", "root_of"]

Rule = Callable[[Any, Node, tuple[Any, ...]], Any]
_rules: dict[str, Rule] | None = None
_OFF = "To switch it off: MX_DISABLE_PASSES"


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


def rewriting_rules() -> dict[str, Rule]:
    """The rules of all plug-ins (hook mx_graph_passes) by name, without those in MX_DISABLE_PASSES."""
    global _rules
    if _rules is None:
        disabled = {name.strip() for name in os.environ.get("MX_DISABLE_PASSES", "").split(",")}
        found = plugin.named_by_plugins("mx_graph_passes")
        rules = {name: rule for name, rule in found.items() if name not in disabled}
        if not plugin.is_complete():
            return rules
        _rules = rules
    return _rules


def rewrite(
    graph: Graph, outputs: list[Value | None], target: Any, is_train: bool, rules: dict[str, Rule]
) -> tuple[Graph, list[Value | None]]:
    """The graph with every node replaced that a rule has something better for."""
    new = Graph(graph.name, graph.n_scalars)
    tracer = Tracer(new, is_train, target.has_kernel)
    known: dict[Any, Any] = {None: None}
    for value in graph.inputs:
        known[value] = tracer.add_input(value.dtype, value.shape)
    for node in live_nodes(graph, [value for value in outputs if value is not None]):
        inputs = tuple([known[i] for i in node.inputs])
        made = None
        for name, rule in rules.items():
            answer = rule(tracer, node, inputs)
            if answer is not None:
                made = answer if isinstance(answer, tuple) else (answer,)
                if [(v.dtype, v.shape) for v in made] != [(v.dtype, v.shape) for v in node.outputs]:
                    change = f"{node.op.name} {node.outputs} by other types: {made}"
                    msg = f"the graph pass {name!r} replaced {change}. {_OFF}={name}"
                    raise PluginError(msg)
                break
        known.update(zip(node.outputs, made or tracer.copy_node(node, inputs), strict=True))
    new.writes = {index: known[value] for index, value in graph.writes.items()}
    return new, [known[value] for value in outputs]


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
