"""The operators behind loops and branches: their parameters, checks and inference.

A node's parameters say which of its inputs goes where:

    _foreach     inputs: data, states, rest; ``in_data_locs``, ``in_state_locs``, ``remain_locs`` are their numbers among
                 the body's inputs; outputs: ``num_out_data`` stacked results, then the final states
    _while_loop  ``cond_input_locs``, ``func_input_locs``: which inputs the two graphs take; ``func_var_locs``: the numbers
                 of the loop variables among the function's inputs; outputs: ``num_out_data`` stacked results, then variables
    _cond        ``cond_input_locs``, ``then_input_locs``, ``else_input_locs``: which inputs the three graphs take
"""

from __future__ import annotations

import ast
from typing import Any, NoReturn

from ..errors import MXNetError, ParameterError
from ..op.definition import OpDef
from ..op.schema import Tensor
from .infer import GraphTypes, PartialType
from .node import Entry, SymbolNode
from .symbol import Symbol

__all__ = ["SUBGRAPHS", "ControlFlow", "infer_control_flow"]

_PARAMETERS = {
    "_foreach": ("num_outputs", "num_out_data", "in_data_locs", "in_state_locs", "remain_locs"),
    "_while_loop": (
        "num_outputs", "num_out_data", "max_iterations", "cond_input_locs", "func_input_locs", "func_var_locs",
    ),
    "_cond": ("num_outputs", "cond_input_locs", "then_input_locs", "else_input_locs"),
}  # fmt: skip
_GRAPHS = {"_foreach": 1, "_while_loop": 2, "_cond": 3}


class ControlFlow(OpDef):
    """The definition of an operator with graphs inside, which runs as a Python loop over them."""

    def __init__(self, name: str) -> None:
        def call(F: Any, data: list[Tensor]) -> list[Tensor]:
            """A loop or a branch over graphs."""
            return self._refuse()

        super().__init__(call, name=name, num_outputs=lambda params: params["num_outputs"], plugin="mx-core")

    def _refuse(self) -> NoReturn:
        msg = f"[{self.name}] runs in an executor only: bind the symbol, or use mx.nd.contrib.{self.name[1:]} on arrays"
        raise MXNetError(msg)

    def bind_params(self, given: dict[str, Any]) -> tuple[dict[str, Any], tuple[Any, ...]]:
        """The parameters: counts as ints, places as tuples of ints."""
        params: dict[str, Any] = {}
        for name in _PARAMETERS[self.name]:
            if name not in given:
                msg = f"[{self.name}] {name} is required"
                raise ParameterError(msg)
            params[name] = self._parse(name, given[name])
        return params, ()

    def _parse(self, name: str, text: str) -> Any:
        try:
            value = ast.literal_eval(str(text))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = None
        if name.endswith("_locs") and isinstance(value, (list, tuple)) and all(type(item) is int for item in value):
            return tuple(value)
        if not name.endswith("_locs") and type(value) is int and 0 <= value < 1 << 31:
            return value
        msg = f"[{self.name}] {name} must be {'a tuple of ints' if name.endswith('_locs') else 'an int >= 0'}, got {text!r}"
        raise ParameterError(msg)

    def infer_node(self, node: SymbolNode, inputs: list[Any], outputs: list[Any]) -> tuple[list[Any], list[Any]]:
        """The types of a node's inputs and outputs, by inference in its graphs."""
        return infer_control_flow(node, inputs, outputs)

    def make(
        self, name: str, attrs: dict[str, str], entries: list[Entry], graphs: tuple[Symbol, ...],
        given: dict[str, str] | None = None,
    ) -> SymbolNode:  # fmt: skip
        """A checked node; attrs with the parameters in it when given is None, as files have them."""
        if given is None:
            known = {"num_args", *_PARAMETERS[self.name]}
            given = {key: value for key, value in attrs.items() if key in known}
            attrs = {key: value for key, value in attrs.items() if key not in known}
        params, _ = self.bind_params(given)
        if len(graphs) != _GRAPHS[self.name]:
            msg = f"[{self.name}] must have {_GRAPHS[self.name]} subgraphs, got {len(graphs)}"
            raise ParameterError(msg)
        node = SymbolNode(self, name, attrs, params=params, given=given, inputs=tuple(entries), subgraphs=graphs)
        _check_places(node)
        return node


def _check_places(node: SymbolNode) -> None:
    """Raises ParameterError unless all numbers of inputs and outputs lie within the node and its graphs."""
    assert node.op is not None
    params, name = node.params, node.op.name
    counts = [len(graph.list_inputs()) for graph in node.subgraphs]
    n_inputs = len(node.inputs)
    if name == "_foreach":
        places = (*params["in_data_locs"], *params["in_state_locs"], *params["remain_locs"])
        fits = sorted(places) == list(range(counts[0])) and n_inputs == counts[0] and bool(params["in_data_locs"])
        states = len(params["in_state_locs"])
    else:
        keys = [key for key in _PARAMETERS[name] if key.endswith("_input_locs")]
        fits = all(
            len(params[key]) == count and all(0 <= place < n_inputs for place in params[key])
            for key, count in zip(keys, counts, strict=True)
        )
        variables = params.get("func_var_locs", ())
        fits = fits and all(0 <= place < counts[-1] for place in variables)
        states = len(variables)
    body = node.subgraphs[-1]
    fits = fits and len(body) == params["num_outputs"] > 0 and params.get("num_out_data", 0) <= len(body)
    if name != "_cond":
        fits = fits and params["num_outputs"] - params["num_out_data"] == states
    elif fits:
        fits = len(node.subgraphs[0]) == 1 and len(node.subgraphs[1]) == len(body)
    if not fits:
        msg = f"[{name}] {node.name}: the places of inputs and outputs do not fit its {n_inputs} inputs and its graphs"
        raise ParameterError(msg)


_DEFINITIONS = {name: ControlFlow(name) for name in _PARAMETERS}

# The operator's name -> what makes its nodes: (name, attrs, entries, graphs[, given]).
SUBGRAPHS = {name: opdef.make for name, opdef in _DEFINITIONS.items()}


# ---- inference -----------------------------------------------------------------------------------------------------


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
