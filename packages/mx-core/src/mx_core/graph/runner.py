"""Running a symbol graph on arrays: one compiled operator where the graph allows it, several pieces where not.

>>> import mxnet as mx
>>> from mx_core.graph.runner import Runner
>>> double = mx.sym.var("x") * 2
>>> run = Runner(double)
>>> run.argument_names
['x']
>>> run([mx.nd.array([1.0, 2.0])])[0].asnumpy()
array([2., 4.], dtype=float32)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from .on_arrays import array_call, node_reads_head, runs_on_arrays
from .symbolic import GraphOp, graph_inputs, pieces_of

if TYPE_CHECKING:
    from ..symbol.node import Entry, SymbolNode
    from ..symbol.symbol import Symbol
    from .symbolic import Piece

__all__ = ["Runner", "runner_of"]


class Runner:
    """A graph that can be called with arrays: its arguments, then its auxiliary states.

    nodes: in running order.  op: the whole graph as one operator, or None where it runs in pieces.  While autograd
    records, a call is one node of the tape for each piece.
    """

    def __init__(
        self,
        symbol: Symbol,
        place: Callable[[SymbolNode], Any] | None = None,
        name: str = "graph",
        outputs: Sequence[Entry] | None = None,
    ) -> None:
        from ..symbol.node import topological

        self.placed = place
        self.outputs: tuple[Entry, ...] = tuple(symbol._outputs if outputs is None else outputs)
        self.nodes = topological(self.outputs)
        self.arguments, self.states = graph_inputs(self.nodes)
        inputs = [*self.arguments, *self.states]
        self._slots: dict[Entry, int] = {(node, 0): i for i, node in enumerate(inputs)}
        self.op: GraphOp | None = None
        self._call: Any = None
        self._pieces: list[tuple[Piece, Any]] = []
        calls = [node for node in self.nodes if node.op is not None]
        places = {place(node) for node in calls} if place is not None else set()
        if len(places) > 1 or any(runs_on_arrays(node) for node in calls):
            for piece in pieces_of(self.nodes, self.outputs, place or _nowhere, name):
                self._pieces.append((piece, array_call(piece.node) if piece.op is None else piece.op.make_callable()))
        else:
            self.place = places.pop() if places else None
            self.op = GraphOp(name, calls, {entry: entry[0].name for entry in self._slots}, self.outputs)
            self._call = self.op.make_callable()

    @property
    def argument_names(self) -> list[str]:
        """Names of the arguments."""
        return [node.name for node in self.arguments]

    @property
    def state_names(self) -> list[str]:
        """Names of the auxiliary states."""
        return [node.name for node in self.states]

    def __call__(self, arrays: Sequence[Any], out: list[Any] | None = None, ctx: Any = None) -> list[Any]:
        """The outputs. out: arrays to write them to; a graph that runs in pieces makes new ones. ctx: where a graph
        without inputs runs."""
        if self._call is None:
            return self._run_pieces(arrays, ctx)
        options = {} if out is None else {"out": out}
        if not arrays:
            options["ctx"] = ctx
        result = self._call(*arrays, **options)
        return result if result.__class__ is list else [result]

    def _run_pieces(self, arrays: Sequence[Any], ctx: Any) -> list[Any]:
        values: dict[Entry, Any] = dict(zip(self._slots, arrays, strict=True))
        for piece, call in self._pieces:
            given = [values[entry] for entry in piece.inputs]
            if piece.place is not None:
                given = [array.as_in_context(piece.place) for array in given]
            where: Any = nullcontext() if given else piece.place or ctx or nullcontext()
            with where:  # a piece without inputs runs where it is told to
                result = call(given) if piece.op is None else call(*given)
            values.update(zip(piece.outputs, result if result.__class__ is list else [result], strict=True))
        return [values[entry] if entry[0].op is not None else _copied(values[entry]) for entry in self.outputs]

    def reads_head(self, number: int, is_train: bool) -> bool:
        """Whether the gradient of output number depends on the gradient that reaches it; False for a loss.

        Known once the graph has run while recording.
        """
        if self.op is not None:
            return number in self.op.read_heads.get(is_train and self.op.mode_dependent, ())
        entry = self.outputs[number]
        for piece, _ in self._pieces:
            if entry in piece.outputs:
                if piece.op is None:
                    return node_reads_head(piece.node)
                return piece.outputs.index(entry) in piece.op.read_heads.get(is_train and piece.op.mode_dependent, ())
        return True


def _copied(array: Any) -> Any:
    """An output that is an input has memory of its own."""
    from ..ndarray.namespace import op

    return op("identity")(array)


def _nowhere(_: SymbolNode) -> None:
    return None


_runners: WeakValueDictionary[Any, Runner] = WeakValueDictionary()


def runner_of(symbol: Symbol, place: Callable[[SymbolNode], Any] | None = None, key: Any = None) -> Runner:
    """The Runner of a symbol; the same as long as one who has it lives, so that plans are shared.

    key: what tells two ways of placing apart.  A graph that runs in pieces gets a new one: custom operators have state.
    """
    identity = (*[(id(node), number) for node, number in symbol._outputs], key)
    runner = _runners.get(identity)
    if runner is None:
        runner = Runner(symbol, place, f"graph {symbol._outputs[0][0].name}")
        if runner.op is not None:
            _runners[identity] = runner
    return runner
