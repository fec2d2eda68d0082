"""Watching a graph run: every output of every node, for `Executor.set_monitor_callback`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..graph.runner import Runner

if TYPE_CHECKING:
    from ..symbol.node import Entry, SymbolNode
    from ..symbol.symbol import Symbol

__all__ = ["WatchedRunner"]


class WatchedRunner(Runner):
    """A Runner whose outputs are those of the symbol, then all visible ones of every node."""

    def __init__(self, runner: Runner, symbol: Symbol) -> None:
        self._calls = [node for node in runner.nodes if node.op is not None]
        inner = [(node, i) for node in self._calls for i in range(node.count_visible())]
        super().__init__(symbol, runner.placed, outputs=(*runner.outputs, *inner))
        self._n_heads = len(runner.outputs)

    def report(
        self, callback: Callable[[str, Any], None], given: Sequence[Any], made: Sequence[Any], with_inputs: bool
    ) -> None:
        """Calls ``callback(name, array)`` for what one run made, node by node."""
        variables = [*self.arguments, *self.states]
        values: dict[Entry, Any] = {(node, 0): array for node, array in zip(variables, given, strict=True)}
        values.update(zip(self.outputs[self._n_heads :], made[self._n_heads :], strict=True))
        for node in self._calls:
            if with_inputs:
                for name, entry in zip(_input_names(node), node.inputs, strict=False):
                    if entry is None or entry not in values:
                        continue
                    if entry[0].op is None:
                        callback(entry[0].name, values[entry]._detach())
                    callback(f"{node.name}_{name}", values[entry]._detach())
            for i, name in enumerate(_output_names(node)):
                callback(name, values[node, i]._detach())


def _input_names(node: SymbolNode) -> Sequence[str]:
    opdef = node.op
    if opdef is None or opdef.variadic:
        return [f"arg{i}" for i in range(len(node.inputs))]
    return opdef.input_names  # type: ignore[no-any-return]


def _output_names(node: SymbolNode) -> list[str]:
    """As `Symbol.list_outputs` of the node's visible outputs names them."""
    from ..symbol.symbol import Symbol

    return Symbol(tuple([(node, i) for i in range(node.count_visible())])).list_outputs()
