"""Symbol graphs as operators: a graph, or a part of it that one device runs, becomes one synthetic definition.

Called through ``_core.Op`` it is an operator like any other: one plan for each signature and training flag, one node on
the tape, a compiled gradient. `graph_op` makes it of a whole symbol; `pieces_of` cuts a graph where one plan cannot hold
it (other devices, operators that run on arrays).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import MXNetError
from ..op.definition import OpDef
from .on_arrays import runs_on_arrays
from .reorder import ordered_calls

if TYPE_CHECKING:
    from ..symbol.node import Entry, SymbolNode
    from ..symbol.symbol import Symbol
    from .trace import Tracer

__all__ = ["GraphOp", "Piece", "graph_inputs", "graph_op", "pieces_of"]

# operator, slots of its inputs (None: absent), parameters, scalars, first output slot, [(input slot, output)], node
_Step = tuple[OpDef, tuple[int | None, ...], dict[str, Any], tuple[float, ...], int, list[tuple[int, int]], Any]


class GraphOp(OpDef):
    """Nodes of a symbol graph as one operator: inputs are the entries that come from outside, by name.

    Auxiliary states are written in place. read_heads: of each training flag the outputs whose head gradient the
    compiled gradient reads; a loss's is not among them.
    """

    def __init__(
        self, name: str, nodes: Sequence[SymbolNode], inputs: Mapping[Entry, str], outputs: Sequence[Entry]
    ) -> None:
        slots: dict[Entry, int] = {entry: i for i, entry in enumerate(inputs)}
        self.steps: list[_Step] = []
        count = len(slots)
        for node, taken, made in ordered_calls(nodes, outputs):
            opdef = node.op
            assert opdef is not None
            used = tuple([None if entry is None else slots[entry] for entry in taken])
            written = [
                (used[index], number)
                for index, number in node.written_inputs().items()
                if used[index] is not None and used[index] < len(inputs)  # type: ignore[operator]
            ]
            scalars = tuple([float(value) for value in node.scalars])
            self.steps.append((opdef, used, node.params, scalars, count, written, node))  # type: ignore[arg-type]
            for entry in made:
                slots[entry] = count
                count += 1
        self.n_slots = count
        self.heads = [slots[entry] for entry in outputs]
        self.read_heads: dict[bool, frozenset[int]] = {}
        super().__init__(
            self._run,
            name=name,
            mode_dependent=any(node.op.mode_dependent for node in nodes if node.op is not None),
            random=any(node.op.random for node in nodes if node.op is not None),
            plugin="mx-core",
        )
        self.kernel = ""
        names = tuple(inputs.values())
        self.__dict__.update(
            input_names=names, optional_inputs=(False,) * len(names), aux_inputs=(False,) * len(names), variadic=False,
            n_required=len(names), param_names=(), param_types=(), param_defaults=(), runtime_names=(), runtime_types=(),
            runtime_defaults=(), call_order=(), spread_names=(), n_outputs=len(outputs), n_visible=len(outputs),
            has_body=True, grad_params=None, infer_params=None, lower_params=None, _static_schema=[], _runtime_schema=[],
        )  # fmt: skip

    def make_callable(self) -> Any:
        """A new ``_core.Op``; it holds this definition, and its plans die with it."""
        from .. import _core

        return _core.Op(self)

    def note_record(self, is_train: bool, read_heads: frozenset[int]) -> None:
        """Remembers which head gradients matter."""
        self.read_heads[is_train] = read_heads

    def _run(self, F: Tracer, *inputs: Any) -> tuple[Any, ...]:
        """The body: the nodes in order; a state that several nodes change is handed from one to the next."""
        slots: list[Any] = [*inputs, *[None] * (self.n_slots - len(inputs))]
        call = F.call
        for opdef, used, params, scalars, at, written, node in self.steps:
            try:
                outputs = call(opdef, [None if i is None else slots[i] for i in used], params, scalars)
            except MXNetError as error:
                raise located(error, opdef, node.name) from error.__cause__
            slots[at : at + len(outputs)] = outputs
            for index, number in written:
                if outputs[number] is not slots[index]:
                    F.graph.writes[inputs[index].index] = slots[index] = outputs[number]
        return tuple([slots[i] for i in self.heads])


def located(error: MXNetError, opdef: OpDef, name: str) -> MXNetError:
    """The error of an operator with the name of its node: ``[FullyConnected fc1] ...``."""
    text = str(error)
    start = f"[{opdef.name}] "
    if text.startswith(start):
        return type(error)(f"[{opdef.name} {name}] {text[len(start) :]}")
    return type(error)(f"[{opdef.name} {name}] {text}")


def graph_inputs(nodes: Sequence[SymbolNode]) -> tuple[list[SymbolNode], list[SymbolNode]]:
    """(arguments, auxiliary states): the variables among nodes, both in their order."""
    from ..symbol.node import aux_nodes

    states = aux_nodes(nodes)
    variables = [node for node in nodes if node.op is None]
    return [node for node in variables if node not in states], [node for node in variables if node in states]


def graph_op(symbol: Symbol, name: str = "graph") -> GraphOp:
    """A whole symbol as one operator: inputs are its arguments, then its auxiliary states, outputs its outputs."""
    from ..symbol.node import topological

    nodes = topological(symbol._outputs)
    arguments, states = graph_inputs(nodes)
    inputs = {(node, 0): node.name for node in (*arguments, *states)}
    return GraphOp(name, [node for node in nodes if node.op is not None], inputs, symbol._outputs)


# ---- pieces --------------------------------------------------------------------------------------------------------


class Piece:
    """A part of a graph that runs in one go on one device. op: its GraphOp, or None for a node that runs on arrays.

    inputs, outputs: the entries that it takes from, and leaves to, the others. place: what `pieces_of` was told.
    """

    __slots__ = ("inputs", "node", "op", "outputs", "place")

    def __init__(
        self, op: GraphOp | None, node: SymbolNode, inputs: list[Entry], outputs: list[Entry], place: Hashable
    ) -> None:
        self.op = op
        self.node = node
        self.inputs = inputs
        self.outputs = outputs
        self.place = place


def pieces_of(
    nodes: Sequence[SymbolNode], outputs: Sequence[Entry], place: Callable[[SymbolNode], Hashable], name: str = "graph"
) -> list[Piece]:
    """The graph of outputs, in pieces that can run one after the other.

    nodes: of the graph, in running order.  place: of a node, any value: nodes of different places are in different pieces.
    """
    level: dict[SymbolNode, int] = {}
    kind: dict[SymbolNode, Hashable] = {}
    groups: dict[tuple[int, Hashable], list[SymbolNode]] = {}
    for node in nodes:
        if node.op is None:
            continue
        where = kind[node] = (place(node), id(node) if runs_on_arrays(node) else None)
        depth = 0
        for producer in [entry[0] for entry in node.inputs if entry is not None and entry[0].op is not None]:
            depth = max(depth, level[producer] + (kind[producer] != where))
        level[node] = depth
        groups.setdefault((depth, where), []).append(node)
    wanted = set(outputs)
    for node in nodes:
        wanted.update(
            entry for entry in node.inputs if entry is not None and level.get(entry[0], -1) != -1
            and (level[entry[0]], kind[entry[0]]) != (level[node], kind[node])
        )  # fmt: skip
    ordered = sorted(groups.items(), key=lambda item: item[0][0])
    return [_piece(members, wanted, where[0], name) for (_, where), members in ordered]  # type: ignore[index]


def _piece(members: list[SymbolNode], wanted: set[Entry], place: Hashable, name: str) -> Piece:
    inside = set(members)
    taken: dict[Entry, str] = {}
    for node in members:
        for entry in node.inputs:
            if entry is not None and entry[0] not in inside:
                taken.setdefault(entry, entry[0].name)
    made = [entry for node in members for i in range(node.count_outputs()) if (entry := (node, i)) in wanted]
    first = members[0]
    if runs_on_arrays(first):
        made = [(first, i) for i in range(first.count_visible())]
        return Piece(None, first, [entry for entry in first.inputs if entry is not None], made, place)
    return Piece(GraphOp(name, members, taken, made), first, list(taken), made, place)
