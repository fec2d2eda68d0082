"""Inference of shapes and types through loops and branches."""

from __future__ import annotations

from typing import Any

from .infer import GraphTypes, PartialType
from .node import SymbolNode
from .symbol import Symbol

__all__ = ["infer_control_flow"]


def infer_control_flow(node: SymbolNode, inputs: list[Any], outputs: list[Any]) -> tuple[list[Any], list[Any]]:
    """(types of the inputs, types of the outputs) of a control flow node, refined by inference in its graphs."""
    assert node.op is not None
    rule = {"_foreach": _infer_foreach, "_while_loop": _infer_while, "_cond": _infer_cond}[node.op.name]
    return rule(node, inputs, outputs)


def _graph_types(graph: Symbol, known: list[PartialType]) -> tuple[list[PartialType], list[PartialType]]:
    """The types of a graph's inputs and outputs."""
    names = graph.list_inputs()
    types = GraphTypes(graph, dict(zip(names, known, strict=True)))
    found = types.of_variables
    return [found[name] for name in names], [types[entry] for entry in graph._outputs]


def _row(kind: PartialType) -> PartialType:
    """The type of one round's slice."""
    return kind[0], None if kind[1] is None else kind[1][1:]


def _stacked(kind: PartialType, count: int) -> PartialType:
    return kind[0], None if kind[1] is None else (count, *kind[1])


def _infer_foreach(node: SymbolNode, inputs: list[Any], outputs: list[Any]) -> tuple[list[Any], list[Any]]:
    params = node.params
    places = (*params["in_data_locs"], *params["in_state_locs"], *params["remain_locs"])
    n_data, n_out = len(params["in_data_locs"]), params["num_out_data"]
    known: list[PartialType] = [(None, None)] * len(inputs)
    rounds = -1
    for number, (place, kind) in enumerate(zip(places, inputs, strict=True)):
        known[place] = _row(kind) if number < n_data else kind
        if number < n_data and kind[1]:
            rounds = max(rounds, kind[1][0])
    found, made = _graph_types(node.subgraphs[0], known)
    in_types = [_stacked(found[place], rounds) if i < n_data else found[place] for i, place in enumerate(places)]
    in_types = [kind if kind[1] is not None else before for kind, before in zip(in_types, inputs, strict=True)]
    return in_types, [_stacked(kind, rounds) if i < n_out else kind for i, kind in enumerate(made)]


def _infer_while(node: SymbolNode, inputs: list[Any], outputs: list[Any]) -> tuple[list[Any], list[Any]]:
    params = node.params
    in_types = list(inputs)
    made: list[PartialType] = []
    for graph, locs in zip(node.subgraphs, (params["cond_input_locs"], params["func_input_locs"]), strict=True):
        found, made = _graph_types(graph, [in_types[place] for place in locs])
        for place, kind in zip(locs, found, strict=True):
            in_types[place] = kind
    limit = params["max_iterations"]
    return in_types, [_stacked(kind, limit) if i < params["num_out_data"] else kind for i, kind in enumerate(made)]


def _infer_cond(node: SymbolNode, inputs: list[Any], outputs: list[Any]) -> tuple[list[Any], list[Any]]:
    params = node.params
    in_types = list(inputs)
    branches = []
    for graph, key in zip(node.subgraphs, ("cond_input_locs", "then_input_locs", "else_input_locs"), strict=True):
        found, made = _graph_types(graph, [in_types[place] for place in params[key]])
        for place, kind in zip(params[key], found, strict=True):
            in_types[place] = kind
        branches.append(made)
    known = [a if a[0] is not None and a[1] is not None else b for a, b in zip(branches[1], branches[2], strict=True)]
    return in_types, known
