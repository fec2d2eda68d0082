"""What autograd recorded, as a Symbol: `mxnet.autograd.get_symbol`."""

from __future__ import annotations

from typing import Any

from .. import _core
from ..errors import DTypeError, MXNetError
from ..graph.symbolic import GraphOp
from ..op.definition import OpDef
from .compose import print_value
from .node import Entry, SymbolNode
from .symbol import Symbol

__all__ = ["recorded_symbol"]

_PLAN, _RESHAPE = 0, 1


def recorded_symbol(array: Any) -> Symbol:
    """The calls that led to an array, with a variable ``var<i>`` for each array that was marked with attach_grad.

    Arrays that need no gradient are not kept: each place where one was read has a variable ``null<i>`` of its own.
    Raises MXNetError for an array that was not recorded, or came out of a Python function.
    """
    if not isinstance(array, _core.NDArray):
        msg = f"[get_symbol] x must be an NDArray, got {type(array).__name__}"
        raise DTypeError(msg)
    recorded = _core.recorded_calls(array)
    if recorded is None:
        msg = "[get_symbol] the array is not part of a computation graph. Did you forget to turn on recording?"
        raise MXNetError(msg)
    calls, source, output = recorded
    reader = _Reader()
    for kind, what, scalars, inputs in calls:
        reader.add(kind, what, scalars, inputs)
    return Symbol((reader.entry(source, output),))


class _Reader:
    """Recorded calls on their way to nodes."""

    def __init__(self) -> None:
        self._results: list[list[Entry]] = []
        self._variables: dict[int, SymbolNode] = {}
        self._nodes = 0
        self._unnamed = 0

    def entry(self, source: int, output: int) -> Entry:
        """The entry of a call's output, or of a variable."""
        if source >= 0:
            return self._results[source][output]
        number = -1 - source
        return self._variables.setdefault(number, SymbolNode(None, f"var{number}")), 0

    def add(self, kind: int, what: Any, scalars: list[float], inputs: list[tuple[int, int, int]]) -> None:
        """One call, after those that it reads."""
        given = {number: self.entry(source, output) for number, source, output in inputs}
        if kind == _RESHAPE:
            from ..op import get_op

            self._results.append(self._call(get_op("Reshape"), {"shape": what}, (), [given[0]]))
            return
        if kind != _PLAN or what is None or what.call is None:
            msg = "[get_symbol] the record holds a function written in Python, or a gradient, which no symbol can be made of"
            raise MXNetError(msg)
        opdef, params, in_types = what.call
        present = iter(range(len(in_types)))
        entries = [None if kind is None else given.get(next(present)) or self._constant() for kind in in_types]
        if isinstance(opdef, GraphOp):
            self._results.append(self._inline(opdef, entries))
            return
        static = dict(zip(opdef.param_names, params, strict=True))
        for name in opdef.spread_names:
            count = len(scalars) - len(opdef.runtime_names)
            static[name] = tuple(scalars[len(opdef.runtime_names) :][:count])
        self._results.append(self._call(opdef, static, tuple(scalars[: len(opdef.runtime_names)]), entries))

    def _constant(self) -> Entry:
        self._unnamed += 1
        return SymbolNode(None, f"null{len(self._variables) + self._unnamed - 1}"), 0

    def _call(
        self, opdef: OpDef, static: dict[str, Any], scalars: tuple[float, ...], entries: list[Entry | None]
    ) -> list[Entry]:
        """The outputs of one operator; parameters that have their defaults are not written out."""
        defaults = dict(zip(opdef.param_names, opdef.param_defaults, strict=True))
        changed = {name: value for name, value in static.items() if value != defaults.get(name)}
        printed = opdef.print_params({**defaults, **static})
        given = {name: printed[name] for name in changed}
        given |= {name: print_value(value) for name, value in zip(opdef.runtime_names, scalars, strict=True)}
        if not opdef.variadic:
            entries += [None] * (len(opdef.input_names) - len(entries))
        node = SymbolNode(
            opdef, f"node_{self._nodes}", params=static, scalars=scalars, given=given, inputs=tuple(entries)
        )
        self._nodes += 1
        return [(node, number) for number in range(node.count_visible())]

    def _inline(self, graph: GraphOp, entries: list[Entry | None]) -> list[Entry]:
        """The outputs of a compiled graph: its own nodes on these inputs."""
        slots: dict[int, Entry | None] = dict(enumerate(entries))
        for opdef, used, params, scalars, first, _, node in graph.steps:
            made = SymbolNode(
                opdef, node.name, dict(node.attrs), params=params, scalars=scalars, given=dict(node.given),
                inputs=tuple([None if slot is None else slots[slot] for slot in used]), subgraphs=node.subgraphs,
            )  # fmt: skip
            for number in range(made.count_outputs()):
                slots[first + number] = (made, number)
        return [entry for head in graph.heads if (entry := slots[head]) is not None]
