"""Differentiation: from a graph's nodes and their gradient rules to more nodes, and what a gradient reads.

Gradient rules are operator calls on the same tracer, so the gradient of a graph is again a graph, and so is its
gradient. ``split`` decides for a recorded call which forward values its gradient keeps (Note [saved values]).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import MXNetError
from ..op.definition import OpDef
from ..op.inference import RULE_ERRORS, unfit
from .node import Graph, Node, Value
from .trace import Tracer

__all__ = ["NoGradient", "Record", "differentiate", "gradient_graph", "rebuild", "record_gradient"]

_MAX_RECOMPUTED = 16


class NoGradient(MXNetError):
    """An operator on the way has no gradient."""


def differentiate(
    F: Tracer, nodes: Sequence[Node], heads: Mapping[Value, Value], wanted: Iterable[Value]
) -> list[Value | None]:
    """Gradients of the wanted values: sum over heads of head gradient times derivative; None where nothing flows."""
    wanted = list(wanted)
    reached = set(wanted)
    for node in nodes:
        if not reached.isdisjoint(node.inputs):
            reached.update(node.outputs)
    gradients: dict[Value, Value | None] = dict(heads)
    for node in reversed(nodes):
        if node.outputs and node.outputs[0] in reached:
            _apply_rule(F, node, gradients, reached)
    return [gradients.get(value) for value in wanted]


def _apply_rule(F: Tracer, node: Node, gradients: dict[Value, Value | None], reached: set[Value]) -> None:
    given = [gradients.get(output) for output in node.outputs]
    if not node.op.differentiable or not any(g is not None for g in given):
        return
    found = _call_rule(F, node, given)
    for value, gradient in zip(node.inputs, found, strict=True):
        if gradient is None or value is None or value not in reached:
            continue
        if gradient.shape != value.shape:
            msg = f"[{node.op.name}] its gradient rule gave shape {gradient.shape} for an input of shape {value.shape}"
            raise MXNetError(msg)
        if gradient.dtype != value.dtype:
            gradient = gradient.astype(value.dtype)
        previous = gradients.get(value)
        gradients[value] = gradient if previous is None else previous + gradient


def _call_rule(F: Tracer, node: Node, given: list[Value | None]) -> Sequence[Value | None]:
    """One gradient per input of the node. A rule gets dy of the visible outputs, y of all of them."""
    opdef = node.op
    if opdef.grad_rule is None:
        if opdef.view:
            return [None if g is None else g.reshape(node.inputs[0].shape) for g in given]
        msg = f"[{opdef.name}] has no gradient; stop it with BlockGrad, or define one: @{opdef.name}.grad"
        raise NoGradient(msg)
    n_visible = opdef.count_visible(node.params)
    visible = given[:n_visible]
    # Second order: the first gradient read a hidden output. What was drawn at random depends on no input.
    if not opdef.random and any(g is not None for g in given[n_visible:]):
        msg = f"[{opdef.name}] has no second-order gradient: its gradient rule takes none for its hidden outputs"
        raise NoGradient(msg)
    if not opdef.grad_allows_none:
        if not any(g is not None for g in visible):
            return [None] * len(node.inputs)
        visible = [
            F.zeros(output.shape, output.dtype) if g is None else g
            for g, output in zip(visible, node.outputs, strict=False)
        ]
    dy: Any = visible[0] if len(visible) == 1 else tuple(visible)
    y: Any = node.outputs[0] if len(node.outputs) == 1 else node.outputs
    params = node.params
    if node.scalars:
        params = {**params, **dict(zip(opdef.runtime_names, node.scalars, strict=True))}
    accepted = opdef.grad_params
    if accepted is not None and len(accepted) != len(params):
        params = {name: params[name] for name in accepted if name in params}
    inputs = ([*node.inputs],) if opdef.variadic else node.inputs
    try:
        result = opdef.grad_rule(F, dy, y, *inputs, **params)
    except MXNetError:
        raise
    except RULE_ERRORS as error:
        raise unfit(opdef, inputs, params, error) from error
    if result is None:
        result = (None,) * len(node.inputs)
    elif result.__class__ is Value:
        result = (result,)
    if len(result) != len(node.inputs):
        msg = f"[{opdef.name}] its gradient rule gave {len(result)} gradients for {len(node.inputs)} inputs"
        raise MXNetError(msg)
    return result  # type: ignore[no-any-return]


# Note [saved values]
# The joint graph of a recorded call holds the forward nodes and, behind them, the gradient's. What the gradient reads of
# the forward part must survive the call. An input or a visible output survives for nothing: the tape keeps a reference.
# A cheap intermediate (a short pointwise chain or view of such survivors) is recomputed inside the gradient, where it
# fuses with its readers. Everything else becomes a hidden output. Inputs that the call overwrites do not survive.
class Record:
    """A recorded graph: what compile_gradient needs.

    outputs: the plan's, visible first, None where there is none. heads: their gradients as values, made when needed.
    gradients: of the wanted inputs when every visible output has a head. read_heads: the outputs whose heads these read.
    saved: in the order in which the tape keeps them. call: the operator, its parameters and input types.
    """

    __slots__ = (
        "call", "error", "gradients", "graph", "heads", "is_train", "n_forward", "n_visible", "outputs", "read_heads",
        "saved", "target", "wanted",
    )  # fmt: skip

    def __init__(
        self, graph: Graph, outputs: Sequence[Value | None], grad_inputs: Sequence[int], is_train: bool, target: Any
    ) -> None:
        self.graph = graph
        self.call: tuple[OpDef, tuple[Any, ...], Sequence[Any]] | None = None
        self.outputs = list(outputs)
        self.n_visible = len(outputs)
        self.is_train = is_train
        self.target = target
        self.wanted = [graph.inputs[i] for i in grad_inputs]
        self.n_forward = len(graph.nodes)
        self.heads: dict[int, Value] = {}
        self.gradients: list[Value | None] = []
        self.read_heads: frozenset[int] = frozenset()
        self.saved: list[Value] = []
        self.error: MXNetError | None = None

    @property
    def tracer(self) -> Tracer:
        return self.graph.inputs[0].F  # type: ignore[no-any-return]

    def keeps_input(self, value: Value) -> bool:
        """True for an input that the call does not overwrite: the tape saves the array itself."""
        return value.node is None and value.index not in self.graph.writes

    def head(self, i: int) -> Value:
        """The gradient of output i, as an input of the gradient's nodes."""
        head = self.heads.get(i)
        if head is None:
            output = self.outputs[i]
            assert output is not None
            head = self.heads[i] = Value(self.tracer, None, -1 - i, output.dtype, output.shape)
        return head


def record_gradient(
    graph: Graph, outputs: Sequence[Value | None], grad_inputs: Sequence[int], is_train: bool, target: Any
) -> Record:
    """Differentiate graph behind its own nodes and decide what the tape saves: it is appended to record.outputs."""
    record = Record(graph, outputs, grad_inputs, is_train, target)
    try:
        record.gradients = _gradients(record, _visible_heads(record))
    except NoGradient as error:
        record.error = error
        return record
    record.saved = _choose_saved(record, _read_forward(record))
    have = {value for value in record.outputs if value is not None}
    record.outputs += [value for value in record.saved if value not in have and not record.keeps_input(value)]
    return record


def _visible_heads(record: Record) -> list[int]:
    return [i for i, value in enumerate(record.outputs[: record.n_visible]) if value is not None]


def _gradients(record: Record, heads: Iterable[int]) -> list[Value | None]:
    chosen: dict[Value, Value] = {}
    for i in heads:
        output, head = record.outputs[i], record.head(i)
        assert output is not None
        # Two outputs may be one value: its gradient is the sum of both heads.
        chosen[output] = chosen[output] + head if output in chosen else head
    nodes = record.graph.nodes[: record.n_forward]
    return differentiate(record.tracer, nodes, chosen, record.wanted)


def _read_forward(record: Record) -> list[Value]:
    """The forward values that the gradient nodes (or the gradients themselves) read, in graph order."""
    forward = {id(node) for node in record.graph.nodes[: record.n_forward]}
    heads = {id(head): i for i, head in record.heads.items()}
    read: set[int] = set()
    found: dict[Value, None] = {}
    pending = [g for g in record.gradients if g is not None]
    visited: set[int] = set()
    while pending:
        value = pending.pop()
        node = value.node
        if node is None:
            if id(value) in heads:
                read.add(heads[id(value)])
            else:
                found[value] = None
        elif id(node) in forward:
            found[value] = None
        elif id(node) not in visited:
            visited.add(id(node))
            pending.extend(i for i in node.inputs if i is not None)
    record.read_heads = frozenset(read)
    if len(found) < 2:
        return list(found)
    order = {id(node): i for i, node in enumerate(record.graph.nodes)}
    return sorted(found, key=lambda v: (-1 if v.node is None else order[id(v.node)], v.index))


def _choose_saved(record: Record, needed: Sequence[Value]) -> list[Value]:
    graph = record.graph
    survivors = {value for value in graph.inputs if value.index not in graph.writes}
    survivors.update(value for value in record.outputs if value is not None)
    saved: dict[Value, None] = {value: None for value in needed if value in survivors}
    for value in needed:
        if value in survivors:
            continue
        leaves = _leaves(value, survivors)
        if leaves is None:
            survivors.add(value)
            saved[value] = None
        else:
            saved.update(leaves)
    return list(saved)


def _leaves(value: Value, survivors: set[Value]) -> dict[Value, None] | None:
    """The survivors from which a short pointwise chain makes value, or None."""
    leaves: dict[Value, None] = {}
    visited: set[Node] = set()
    pending = [value]
    while pending:
        value = pending.pop()
        if value in survivors:
            leaves[value] = None
            continue
        node = value.node
        if node is None or (node.op.opcode is None and not node.op.view):
            return None
        if node not in visited:
            visited.add(node)
            if len(visited) > _MAX_RECOMPUTED:
                return None
            pending.extend(node.inputs)
    return leaves


def rebuild(tracer: Tracer, known: dict[Value, Value], wanted: Sequence[Value]) -> None:
    """Copy onto tracer the nodes that make the wanted values, starting from the known ones; extends known."""
    pending = list(wanted)
    while pending:
        value = pending[-1]
        if value in known:
            pending.pop()
            continue
        node = value.node
        if node is None:
            msg = f"[{tracer.graph.name}] the gradient reads an input that was not saved"
            raise MXNetError(msg)
        unknown = [i for i in node.inputs if i is not None and i not in known]
        if unknown:
            pending.extend(unknown)
            continue
        pending.pop()
        outputs = tracer.copy_node(node, tuple([None if i is None else known[i] for i in node.inputs]))
        known.update(zip(node.outputs, outputs, strict=True))


def gradient_graph(record: Record, heads: Sequence[int], keep: Any) -> tuple[Graph, list[Value | None]]:
    """The gradient as a graph of its own: inputs are the head gradients, then the saved values."""
    if record.error is not None:
        raise record.error
    gradients = record.gradients if list(heads) == _visible_heads(record) else _gradients(record, heads)
    graph = Graph(f"{record.graph.name}_backward", record.graph.n_scalars)
    tracer = Tracer(graph, record.is_train, keep)
    # Differentiating again may have added nodes; the joint graph keeps them for the next set of heads.
    known = {
        value: tracer.add_input(value.dtype, value.shape)
        for value in (*[record.heads[i] for i in heads], *record.saved)
    }
    rebuild(tracer, known, [g for g in gradients if g is not None])
    return graph, [None if g is None else known[g] for g in gradients]
