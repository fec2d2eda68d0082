"""``explain``: what an operator call becomes on a device, as text.

>>> print(explain("softsign", [("float32", (2, 3))]))  # doctest: +SKIP
softsign on cpu(0): 1 input, 1 output
  slot 0 = input float32(2, 3)
steps
  slot 1 = _pointwise(slot 0)  abs + _plus_scalar + broadcast_div
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..dtypes import flag_of, name_of
from ..op.definition import OpDef, get_op
from ..op.pointwise import OPCODES
from .target import Target

if TYPE_CHECKING:
    from .call import Call
    from .compile import Compiled
    from .node import Graph, Value

__all__ = ["explain", "explain_compiled", "explain_graph", "explain_program"]

_NAME_OF_OPCODE = {number: name for name, (number, _, _) in OPCODES.items()}
_COMPUTE = ("f32", "f64", "i32", "i64")


def _loaded_core() -> Any:
    from .. import _core

    return _core


def _type(value: Value) -> str:
    return f"{name_of(value.dtype)}{value.shape}"


def explain(
    op: OpDef | str,
    inputs: Sequence[tuple[Any, tuple[int, ...]] | None],
    params: dict[str, Any] | None = None,
    *,
    device: tuple[int, int] = (1, 0),
    is_train: bool = False,
    grad_inputs: Sequence[int] = (),
) -> str:
    """The nodes and steps of one call: inputs are ``(dtype, shape)``; grad_inputs: also the gradient's, for these."""
    from . import compile as compiler

    opdef = get_op(op) if isinstance(op, str) else op
    static, _ = opdef.bind_params(params or {})
    target = Target(_loaded_core(), *device)
    types = [None if given is None else (flag_of(given[0]), tuple(given[1])) for given in inputs]
    compiled = compiler.lower_call(opdef, tuple(static.values()), types, target, is_train, grad_inputs)
    text = explain_compiled(compiled, str(target))
    record = compiled.record
    if record is None:
        return text
    if record.error is not None:
        return f"{text}\nno gradient: {record.error}"
    saved = ", ".join(f"input {v.index}" if v.node is None else f"{v.node.op.name}.{v.index}" for v in record.saved)
    backward = compiler.lower_gradient(record, tuple(range(compiled.n_visible)), ())
    return f"{text}\nsaved for the gradient: {saved or 'nothing'}\n\n{explain_compiled(backward, str(target))}"


def explain_graph(graph: Graph) -> str:
    """One line per node: outputs, operator, inputs, parameters."""
    names: dict[Value, str] = {value: f"in{i}" for i, value in enumerate(graph.inputs)}
    lines = []
    for node in graph.nodes:
        for output in node.outputs:
            names[output] = f"v{len(names) - len(graph.inputs)}"
        arguments = [names.get(value, "?") for value in node.inputs if value is not None]
        arguments += [f"{key}={value!r}" for key, value in node.params.items()]
        arguments += [f"{key}={value!r}" for key, value in zip(node.op.runtime_names, node.scalars, strict=True)]
        made = ", ".join(f"{names[output]} {_type(output)}" for output in node.outputs)
        lines.append(f"  {made} = {node.op.name}({', '.join(arguments)})")
    return "\n".join(lines)


def explain_program(params: dict[str, Any], n_in: int, n_scalars: int) -> str:
    """The instructions of a pointwise program, one per line."""
    consts = params["consts"]
    names = [f"x{i}" for i in range(n_in)] + [repr(c) for c in consts] + [f"s{i}" for i in range(n_scalars)]
    names += [f"t{i}" for i in range(params["n_temp"])]
    lines = []
    code = params["code"]
    for i in range(0, len(code), 6):
        opcode, kind, dst, *operands = code[i : i + 6]
        name = _NAME_OF_OPCODE[opcode]
        used = ", ".join(names[operand] for operand in operands[: OPCODES[name][1]])
        lines.append(f"      {names[dst]} = {name}.{_COMPUTE[kind]} {used}")
    return "\n".join([*lines, f"      store {', '.join(names[operand] for operand in params['outs'])}"])


def explain_compiled(compiled: Compiled, device: str = "") -> str:
    """The steps of a compiled graph with the slots that they read and write."""
    graph, layout = compiled.graph, compiled.layout
    n_out = len(compiled.outputs)
    lines = [f"{graph.name}{' on ' + device if device else ''}: {len(graph.inputs)} inputs, {n_out} outputs"]
    lines += [f"  slot {value.index} = input {_type(value)}" for value in graph.inputs]
    for i, value in enumerate(compiled.outputs, len(graph.inputs)):
        alias = layout.aliases[i - len(graph.inputs)]
        note = "" if alias is None else f", a view of slot {alias[0]}"
        hidden = " hidden" if i - len(graph.inputs) >= compiled.n_visible else ""
        lines.append(f"  slot {i} ={hidden} output {'nothing' if value is None else _type(value)}{note}")
    for i, (kind, where, size) in enumerate(layout.slots, len(graph.inputs) + n_out):
        lines.append(f"  slot {i} = " + (f"{size} bytes of the arena at {where}" if kind == "temp" else "a constant"))
    lines.append("steps" if layout.calls else "no steps")
    for call, (reads, writes) in zip(layout.calls, layout.call_slots, strict=True):
        lines.append(_step(call, reads, writes))
    return "\n".join(lines)


def _step(call: Call, reads: Sequence[int], writes: Sequence[int]) -> str:
    made = ", ".join(f"slot {slot}" for slot in writes)
    operators = " + ".join(node.op.name for node in call.nodes)
    text = f"  {made} = {call.kernel}({', '.join(f'slot {slot}' for slot in reads)})  {operators}"
    if "code" in call.params:
        text += "\n" + explain_program(call.params, len(call.inputs), len(call.scalars))
    return text
