"""From an operator call to a ``_core.Plan``: what C++ calls when its plan cache misses.

trace -> (when recording: differentiate, choose what the tape saves) -> rewrite -> legalize
-> fuse -> prepare -> place -> Plan
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import OpNotAvailable
from ..op.definition import OpDef
from .call import Call
from .fuse import fuse
from .gradient import Record, gradient_graph, record_gradient
from .memory import Layout, place
from .node import Graph, Node, Scalar, Value
from .passes import legalize, rewrite, rewriting_rules
from .target import Target
from .trace import trace_op

__all__ = ["Compiled", "compile_call", "compile_gradient", "compile_graph", "lower_call"]

_core: Any = None


def _load_core() -> Any:
    global _core
    if _core is None:
        from .. import _core as loaded

        _core = loaded
    return _core


class Compiled:
    """A graph made ready for a device: all that a Plan is built from."""

    __slots__ = ("graph", "layout", "n_visible", "outputs", "record")

    def __init__(
        self, graph: Graph, outputs: list[Value | None], n_visible: int, layout: Layout, record: Record | None
    ) -> None:
        self.graph = graph
        self.outputs = outputs
        self.n_visible = n_visible
        self.layout = layout
        self.record = record


def _keeps(target: Target, recording: bool) -> Any:
    """Which compositions the tracer records as nodes: those with a rule of their own while the graph will be
    differentiated, those that may have a kernel otherwise."""
    if recording:
        return lambda opdef: opdef.grad_rule is not None or not opdef.differentiable
    return target.has_kernel


def lower_call(
    opdef: OpDef,
    params: tuple[Any, ...],
    in_types: Sequence[Any],
    target: Target,
    is_train: bool,
    grad_inputs: Sequence[int],
) -> Compiled:
    """Everything of compile_call up to the Plan."""
    static = dict(zip(opdef.param_names, params, strict=True))
    count = len(opdef.runtime_names)
    runtime = tuple([Scalar(("scalar", i)) for i in range(count)])
    for name in opdef.spread_names:
        if static[name].__class__ is int:  # the length of a tuple of scalars, which follow the single ones
            static[name] = tuple([Scalar(("scalar", count + i)) for i in range(static[name])])
            count += len(static[name])
    graph = trace_op(opdef, static, runtime, in_types, is_train, _keeps(target, bool(grad_inputs)), count)
    if opdef.writes:
        written = set(opdef.written_inputs(static).values())
        graph.outputs = [value for i, value in enumerate(graph.outputs) if i not in written]
    compiled = compile_graph(graph, opdef.count_visible(static), target, is_train, grad_inputs)
    if compiled.record is not None:
        compiled.record.call = (opdef, params, in_types)
        opdef.note_record(is_train, compiled.record.read_heads)
    return compiled


def compile_graph(
    graph: Graph, n_visible: int, target: Target, is_train: bool, grad_inputs: Sequence[int] = ()
) -> Compiled:
    """Compile a traced graph; its first n_visible outputs are what the caller sees."""
    outputs: list[Value | None] = list(graph.outputs[:n_visible])
    record = None
    if grad_inputs:
        record = record_gradient(graph, outputs, grad_inputs, is_train, target)
        outputs = record.outputs
    return _compile(graph, outputs, n_visible, target, is_train, record, alias=False)


def _compile(
    graph: Graph,
    outputs: list[Value | None],
    n_visible: int,
    target: Target,
    is_train: bool,
    record: Record | None,
    alias: bool,
) -> Compiled:
    rules = rewriting_rules()
    lowered, lowered_outputs = rewrite(graph, outputs, target, is_train, rules) if rules else (graph, outputs)
    lowered, nodes, lowered_outputs = legalize(lowered, lowered_outputs, target, is_train)
    calls = _prepared_calls(lowered, nodes, [value for value in lowered_outputs if value is not None], target)
    layout = place(lowered, calls, lowered_outputs, target, alias)
    compiled = Compiled(lowered, lowered_outputs, n_visible, layout, record)
    if record is not None:
        compiled.outputs = outputs
    return compiled


def _prepared_calls(graph: Graph, nodes: list[Node], outputs: list[Value], target: Target) -> list[Call]:
    """Fused calls, their kernels made ready. Where a device refuses one, a call for each node."""
    calls = fuse(graph, nodes, outputs)
    try:
        for call in calls:
            target.prepare_call(call)
    except OpNotAvailable:
        if all(len(call.nodes) == 1 for call in calls):
            raise
        calls = fuse(graph, nodes, outputs, separate=True)
        for call in calls:
            target.prepare_call(call)
    return calls


def compile_call(
    opdef: OpDef,
    params: tuple[Any, ...],
    in_types: Sequence[Any],
    device_type: int,
    device_id: int,
    is_train: bool,
    grad_inputs: Sequence[int],
) -> Any:
    """The plan of one operator call. in_types has None for absent inputs; grad_inputs: present inputs to record for."""
    core = _core or _load_core()
    target = Target(core, device_type, device_id)
    return build_plan(core, lower_call(opdef, params, in_types, target, is_train, grad_inputs), target)


def compile_gradient(graph: Any, heads: Sequence[int], grad_inputs: Sequence[int]) -> Any:
    """The plan of a recorded call's gradient: inputs are the head gradients of the outputs numbered heads, then the
    saved values; one output per input recorded for. Raises MXNetError when an operator has no gradient."""
    core = _core or _load_core()
    record: Record = graph
    return build_plan(core, lower_gradient(record, heads, grad_inputs), record.target)


def lower_gradient(record: Record, heads: Sequence[int], grad_inputs: Sequence[int]) -> Compiled:
    """Everything of compile_gradient up to the Plan."""
    target = record.target
    graph, gradients = gradient_graph(record, heads, _keeps(target, bool(grad_inputs)))
    if not grad_inputs:
        return _compile(graph, gradients, len(gradients), target, record.is_train, None, alias=True)
    second = record_gradient(graph, gradients, grad_inputs, record.is_train, target)
    return _compile(graph, second.outputs, len(gradients), target, record.is_train, second, alias=True)


def _type_of(value: Value | None) -> tuple[int, tuple[int, ...]] | None:
    return None if value is None else (value.dtype, value.shape)


def build_plan(core: Any, compiled: Compiled, target: Target) -> Any:
    graph, layout, record = compiled.graph, compiled.layout, compiled.record
    outputs = compiled.outputs
    steps = [
        (call.prepared, in_slots, out_slots, _scalar_indices(call))
        for call, (in_slots, out_slots) in zip(layout.calls, layout.call_slots, strict=True)
    ]
    saved: list[tuple[str, int]] = []
    grad_inputs: tuple[int, ...] = ()
    if record is not None:
        number = {value: i for i, value in reversed(list(enumerate(outputs))) if value is not None}
        saved = [("in", v.index) if record.keeps_input(v) else ("out", number[v]) for v in record.saved]
        grad_inputs = tuple([value.index for value in record.wanted])
    return core.Plan(
        graph.name,
        target.device_type,
        target.device_id,
        [(value.dtype, value.shape) for value in graph.inputs],
        [_type_of(value) for value in outputs],
        graph.n_scalars,
        layout.slots,
        steps,
        written_inputs=layout.written,
        output_alias=tuple(layout.aliases),
        n_visible=compiled.n_visible,
        saved=tuple(saved),
        grad_inputs=grad_inputs,
        graph=record,
    )


def _scalar_indices(call: Call) -> tuple[Any, ...]:
    """Numbers of the plan's scalars; a constant in the place of a scalar stays a float."""
    if not call.scalars:
        return ()
    return tuple(
        [
            scalar.key[1] if scalar.__class__ is Scalar else scalar if scalar.__class__ is int else float(scalar)
            for scalar in call.scalars
        ]
    )
