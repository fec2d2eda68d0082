"""The nodes of a symbolic graph: variables and calls of operators.

A node never changes its inputs once it is made, so graphs share nodes freely; only ``attrs`` may be written to
(`Symbol._set_attr`). An entry, ``(node, number)``, is one output of a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..op.definition import OpDef

if TYPE_CHECKING:
    from .symbol import Symbol

__all__ = ["Entry", "SymbolNode", "aux_nodes", "call_params", "topological"]


class SymbolNode:
    """A variable (``op`` is None) or the call of an operator.

    name: of the node.  attrs: what users attached, keys as MXNet stores them (``__shape__``, ``__lr_mult__``,
    ``__ctx_group__``).  params: the parsed static parameters, all of them.  scalars: the runtime parameters, in the order of
    ``op.runtime_names``.  given: the parameters that were really given, printed, as symbol files hold them.
    inputs: one entry for each input of the operator (None: an optional one that is absent).  subgraphs: the bodies of
    control flow.
    """

    __slots__ = ("__weakref__", "attrs", "given", "inputs", "name", "op", "params", "scalars", "subgraphs")

    def __init__(
        self,
        op: OpDef | None,
        name: str,
        attrs: dict[str, str] | None = None,
        *,
        params: dict[str, Any] | None = None,
        scalars: tuple[Any, ...] = (),
        given: dict[str, str] | None = None,
        inputs: tuple[Entry | None, ...] = (),
        subgraphs: tuple[Symbol, ...] = (),
    ) -> None:
        self.op = op
        self.name = name
        self.attrs: dict[str, str] = {} if attrs is None else attrs
        self.params: dict[str, Any] = {} if params is None else params
        self.scalars = scalars
        self.given: dict[str, str] = {} if given is None else given
        self.inputs = inputs
        self.subgraphs = subgraphs

    @property
    def is_variable(self) -> bool:
        """Whether the node stands for an array that is given when the graph runs."""
        return self.op is None

    def count_outputs(self) -> int:
        """The number of outputs, hidden ones included."""
        return 1 if self.op is None else self.op.count_outputs(self.params)

    def count_visible(self) -> int:
        """The number of outputs that users see."""
        return 1 if self.op is None else self.op.count_visible(self.params)

    def present_inputs(self) -> list[Entry]:
        """The entries of the inputs that are there, in order."""
        return [entry for entry in self.inputs if entry is not None]

    def written_inputs(self) -> dict[int, int]:
        """Input number -> the number of the output that is stored into it."""
        return {} if self.op is None else self.op.written_inputs(self.params)

    def state_inputs(self) -> set[int]:
        """The numbers of the inputs that are mutable states: the variables there are auxiliary."""
        if self.op is None:
            return set()
        if self.op.__class__ is not OpDef and hasattr(self.op, "state_inputs"):
            return self.op.state_inputs(self)  # type: ignore[no-any-return]
        if not self.op.writes and (self.op.variadic or True not in self.op.aux_inputs):
            return _NOTHING
        changed = set(self.written_inputs())
        if not self.op.variadic:
            changed.update(number for number, aux in enumerate(self.op.aux_inputs) if aux)
        return changed

    def __repr__(self) -> str:
        return f"<{'variable' if self.op is None else self.op.name} {self.name}>"


Entry = tuple[SymbolNode, int]
_NOTHING: set[int] = set()


def call_params(node: SymbolNode) -> dict[str, Any]:
    """All parameters of a call as keyword arguments, runtime ones included."""
    if node.op is None or not node.scalars:
        return node.params
    return {**node.params, **dict(zip(node.op.runtime_names, node.scalars, strict=True))}


def topological(outputs: Iterable[Entry]) -> list[SymbolNode]:
    """The nodes that the outputs depend on, inputs before users: the order of arguments and of symbol files.

    Depth first, inputs from the first to the last, each node once; as deep as memory reaches.
    """
    order: list[SymbolNode] = []
    seen: set[int] = set()
    for head, _ in outputs:
        if id(head) in seen:
            continue
        seen.add(id(head))
        stack: list[tuple[SymbolNode, Iterator[Entry | None]]] = [(head, iter(head.inputs))]
        while stack:
            node, rest = stack[-1]
            for entry in rest:
                if entry is not None and id(entry[0]) not in seen:
                    seen.add(id(entry[0]))
                    stack.append((entry[0], iter(entry[0].inputs)))
                    break
            else:
                order.append(node)
                stack.pop()
    return order


def aux_nodes(nodes: Iterable[SymbolNode]) -> set[SymbolNode]:
    """The variables among a graph's nodes that are auxiliary states: an operator reads and changes them."""
    found: set[SymbolNode] = set()
    for node in nodes:
        for number in node.state_inputs():
            entry = node.inputs[number] if number < len(node.inputs) else None
            if entry is not None and entry[0].op is None:
                found.add(entry[0])
    return found
