"""The Python signature and the full help text of an operator, made from its definition."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from .schema import REQUIRED

if TYPE_CHECKING:
    from .definition import OpDef

__all__ = ["documentation", "python_signature"]


def _number(value: Any) -> Any:
    return inspect.Parameter.empty if value is REQUIRED else value


def python_signature(opdef: OpDef) -> inspect.Signature:
    """MXNet's generated order: inputs, parameters, (ctx,) then out, name."""
    keyword, positional = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    if opdef.variadic:
        inputs = [inspect.Parameter(opdef.input_names[0], inspect.Parameter.VAR_POSITIONAL)]
    else:
        inputs = [
            inspect.Parameter(name, positional, default=None if optional else inspect.Parameter.empty)
            for name, optional in zip(opdef.input_names, opdef.optional_inputs, strict=True)
        ]
    schema = {name: (kind, default) for name, kind, default in (*opdef._static_schema, *opdef._runtime_schema)}
    parameters = [
        inspect.Parameter(name, keyword, default=_number(schema[name][1]), annotation=str(schema[name][0]))
        for name in opdef.call_order
    ]
    # An operator without inputs is told where to compute.
    names = ("out", "name") if inputs else ("ctx", "out", "name")
    last = [inspect.Parameter(name, keyword, default=None) for name in names]
    taken = {*opdef.input_names, *opdef.param_names, *opdef.runtime_names}
    return inspect.Signature([*inputs, *parameters, *(item for item in last if item.name not in taken)])


def documentation(opdef: OpDef) -> str:
    """The docstring, followed by the inputs and the parameters with type and default."""
    lines = [inspect.cleandoc(opdef.doc), "", "Inputs:"]
    for name, optional in zip(opdef.input_names, opdef.optional_inputs, strict=True):
        lines.append(f"    {name}: array" + (", optional" if optional else ""))
    schema = (*opdef._static_schema, *opdef._runtime_schema)
    if schema:
        lines += ["", "Parameters:"]
        lines += [
            f"    {name}: {kind}" + (", required" if default is REQUIRED else f", default {kind.print(default)}")
            for name, kind, default in schema
        ]
    if opdef.aliases:
        lines += ["", f"Also known as: {', '.join(opdef.aliases)}."]
    return "\n".join(lines).strip() + "\n"
