"""The schema of an operator, read from the signature of its definition."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import PluginError
from .params import ParamType, param_type

if TYPE_CHECKING:
    from .definition import OpDef

__all__ = ["REQUIRED", "SIGNATURE_FIELDS", "Aux", "Hidden", "Tensor", "read_signature"]


class Tensor:
    """Annotation of an input or output array."""


class _Marked:
    __slots__ = ("kind",)

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __or__(self, other: None) -> _Marked:  # Aux[Tensor] | None
        return self


_AUX, _HIDDEN = _Marked("aux"), _Marked("hidden")


class Aux:
    """``Aux[Tensor]``: an input that is mutable state (running averages), no argument of the gradient."""

    def __class_getitem__(cls, item: Any) -> _Marked:
        return _AUX


class Hidden:
    """``Hidden[Tensor]``: an output that users do not see, for the gradient rule or the state update."""

    def __class_getitem__(cls, item: Any) -> _Marked:
        return _HIDDEN


def _docstring_only() -> None:
    """A body that is nothing but this."""


def _pass_only() -> None:
    pass


_EMPTY_BODIES = {_docstring_only.__code__.co_code, _pass_only.__code__.co_code}


class _Required:
    def __repr__(self) -> str:
        return "<required>"


REQUIRED = _Required()
SIGNATURE_FIELDS = {
    "input_names", "optional_inputs", "aux_inputs", "variadic", "n_required", "param_names", "param_types",
    "param_defaults", "runtime_names", "runtime_types", "runtime_defaults", "call_order", "n_outputs", "spread_names",
    "n_visible", "has_body", "grad_params", "infer_params", "lower_params", "_static_schema", "_runtime_schema",
}  # fmt: skip


def read_signature(opdef: OpDef) -> None:
    """Fill opdef's signature fields from its function."""
    function = opdef.function
    code = function.__code__
    names = code.co_varnames[1 : code.co_argcount]
    keywords = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    scope = function.__globals__
    kinds = {
        name: eval(text, scope) if isinstance(text, str) else text  # noqa: S307 - the definition's own annotations
        for name, text in function.__annotations__.items()
    }
    fields = opdef.__dict__
    absent = [name for name in (*names, *keywords, "return") if name not in kinds]
    if absent:
        msg = f"operator {opdef.name}: annotate {', '.join(absent)} (Tensor, or a parameter type)"
        raise PluginError(msg)
    defaults = function.__defaults__ or ()
    fields["input_names"] = names
    fields["optional_inputs"] = tuple(i >= len(names) - len(defaults) for i in range(len(names)))
    fields["aux_inputs"] = tuple(kinds[name] is _AUX for name in names)
    fields["variadic"] = any(isinstance(kinds[name], types.GenericAlias) for name in names)
    fields["n_required"] = len(names) - len(defaults)
    if fields["variadic"] and len(names) != 1:
        msg = f"operator {opdef.name}: a list[Tensor] must be its only input"
        raise PluginError(msg)
    _read_params(opdef, keywords, kinds, function.__kwdefaults__ or {})
    _read_outputs(opdef, kinds["return"])
    fields["has_body"] = code.co_code not in _EMPTY_BODIES
    fields["grad_params"] = _accepted(opdef.grad_rule)
    fields["infer_params"] = _accepted(opdef.infer_rule)
    fields["lower_params"] = _accepted(opdef.lower_rule)


def _read_params(opdef: OpDef, keywords: tuple[str, ...], annotations: dict[str, Any], given: dict[str, Any]) -> None:
    static: list[tuple[str, ParamType, Any]] = []
    runtime: list[tuple[str, ParamType, Any]] = []
    for name in keywords:
        kind = param_type(annotations[name])
        default = given.get(name, REQUIRED)
        if default is None and not kind.optional:
            kind = kind.or_none()
        elif default is not REQUIRED and default is not None:
            default = kind.parse(default)
        (runtime if kind.runtime and not kind.is_tuple else static).append((name, kind, default))
    fields = opdef.__dict__
    fields["call_order"] = keywords
    fields["_static_schema"], fields["_runtime_schema"] = static, runtime
    for prefix, schema in (("param", static), ("runtime", runtime)):
        fields[f"{prefix}_names"] = tuple(name for name, _, _ in schema)
        fields[f"{prefix}_types"] = tuple(kind for _, kind, _ in schema)
    fields["spread_names"] = tuple(name for name, kind, _ in static if kind.runtime)
    fields["param_defaults"] = tuple(default for _, _, default in static)
    fields["runtime_defaults"] = tuple(None if default is REQUIRED else default for _, _, default in runtime)


def _read_outputs(opdef: OpDef, returned: Any) -> None:
    fields = opdef.__dict__
    written = set() if callable(opdef.writes) else set(opdef.writes.values())
    if not isinstance(returned, types.GenericAlias):
        total, unseen = 1, written
    elif returned.__origin__ is list:
        total, unseen = -1, set()
    else:
        total = len(returned.__args__)
        unseen = {i for i, item in enumerate(returned.__args__) if item is _HIDDEN} | written
    if opdef.num_outputs is not None:
        total = -1
    elif total < 0:
        msg = f"operator {opdef.name}: list[Tensor] outputs need num_outputs=<function of the parameters>"
        raise PluginError(msg)
    fields["n_outputs"] = total
    if isinstance(opdef.visible, int):
        fields["n_visible"] = opdef.visible
    elif opdef.visible is not None or total < 0:
        fields["n_visible"] = -1
    else:
        fields["n_visible"] = total - len(unseen)


def _accepted(rule: Callable[..., Any] | None) -> tuple[str, ...] | None:
    """The keyword-only parameters a rule reads; None when it takes all (``**params``) or there is no rule."""
    if rule is None or rule.__code__.co_flags & 0x08:
        return None
    code = rule.__code__
    return code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
