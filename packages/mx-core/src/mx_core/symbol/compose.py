"""Calls of operators on symbols: what ``mx.sym.<operator>(...)`` does, made from the operator's one definition."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..attribute import AttrScope, stored_attrs
from ..errors import DTypeError, MXNetError, ParameterError
from ..name import NameManager
from ..op.definition import OpDef
from .node import Entry, SymbolNode
from .schema import input_is_present, variable_attrs, variadic_names, variadic_number
from .symbol import Symbol

__all__ = ["Operator", "apply", "check_outputs", "make_node", "mark_variables", "print_value"]

_MOST_OUTPUTS = 1 << 16


class Operator:
    """An operator as ``mx.sym`` has it: called with symbols, it makes a new symbol.

    opdef: the definition.  called: the name it was looked up by, from which automatic names are made.
    """

    __slots__ = ("called", "opdef")

    def __init__(self, opdef: OpDef, called: str) -> None:
        self.opdef = opdef
        self.called = called

    @property
    def __name__(self) -> str:
        return self.called

    @property
    def __signature__(self) -> inspect.Signature:
        return _signature(self.opdef)

    def __call__(self, *args: Any, name: str | None = None, attr: Any = None, out: Any = None, **kwargs: Any) -> Symbol:
        opdef = self.opdef
        for key, value in (("name", name), ("attr", attr), ("out", out)):
            if value is not None and key in _own_names(opdef):
                kwargs[key] = value
        inputs, given, extra = _sort_arguments(opdef, args, kwargs)
        attrs = stored_attrs(AttrScope.current.get({**extra, **(attr or {})}))
        named = NameManager.current.get(name, self.called.lower())
        return apply(opdef, inputs, given, named, attrs)

    def __repr__(self) -> str:
        return f"<operator {self.called} on symbols>"


def _documentation(opdef: OpDef) -> str:
    from ..op.signature import documentation

    return documentation(opdef).replace(": array", ": Symbol")


class _Documentation:
    def __get__(self, operator: Operator | None, owner: type) -> str | None:
        return _OPERATOR_DOC if operator is None else _documentation(operator.opdef)


_OPERATOR_DOC = Operator.__doc__
Operator.__doc__ = _Documentation()  # type: ignore[assignment]


def _own_names(opdef: OpDef) -> tuple[str, ...]:
    return (*opdef.input_names, *opdef.param_names, *opdef.runtime_names)


def _signature(opdef: OpDef) -> inspect.Signature:
    """The inputs, all of which may be left out, the parameters, then name, attr and out."""
    from ..op.signature import python_signature

    kinds = inspect.Parameter
    parameters = []
    for item in python_signature(opdef).parameters.values():
        if item.name in ("out", "name") and item.name not in _own_names(opdef):
            continue
        if item.kind is kinds.POSITIONAL_OR_KEYWORD:
            parameters.append(item.replace(default=None))
        elif item.kind is kinds.VAR_POSITIONAL or opdef.variadic:
            parameters.append(item)
        else:
            parameters.append(item.replace(kind=kinds.POSITIONAL_OR_KEYWORD, default=_or_none(item.default)))
    last = [kinds(name, kinds.KEYWORD_ONLY, default=None) for name in ("name", "attr", "out")]
    taken = set(_own_names(opdef))
    return inspect.Signature([*parameters, *(item for item in last if item.name not in taken)])


def _or_none(default: Any) -> Any:
    return None if default is inspect.Parameter.empty else default


# -- arguments -------------------------------------------------------------------------------------------------------


def _sort_arguments(
    opdef: OpDef, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[list[Symbol | None], dict[str, str], dict[str, str]]:
    """(inputs, printed parameters, attributes among the keywords) of a call."""
    inputs: list[Symbol | None]
    if opdef.variadic:
        if len(args) == 1 and isinstance(args[0], (list, tuple)):
            args = args[0]
        if not args and opdef.input_names[0] in kwargs:
            args = kwargs.pop(opdef.input_names[0])
        inputs = [_checked(opdef, f"input {number}", value) for number, value in enumerate(args)]
    else:
        inputs = [None] * len(opdef.input_names)
        order = (*opdef.input_names, *opdef.call_order)
        if len(args) > len(order):
            msg = f"[{opdef.name}] takes at most {len(order)} arguments ({', '.join(order)}), got {len(args)}"
            raise ParameterError(msg)
        for number, value in enumerate(args):
            if number >= len(inputs):
                if order[number] in kwargs:
                    msg = f"[{opdef.name}] got parameter {order[number]} twice, by position and by name"
                    raise ParameterError(msg)
                kwargs[order[number]] = value
            elif value is not None:
                inputs[number] = _checked(opdef, order[number], value)
    given: dict[str, str] = {}
    attrs: dict[str, str] = {}
    for key, value in kwargs.items():
        if isinstance(value, Symbol) or (key in opdef.input_names and not opdef.variadic):
            _take_input(opdef, inputs, key, value)
        elif key[:2] == "__" == key[-2:]:
            attrs[key] = value
        elif _is_missing(value) or (value is None and key in ("dtype", "ctx")):
            continue
        elif key == "ctx" and key not in opdef.param_names:
            if not opdef.input_names:
                attrs[key] = str(value)  # kept for files; where to compute is decided when the graph is bound
        elif key in opdef.param_names or key in opdef.runtime_names:
            given[key] = print_value(value, key == "dtype")
        elif stored_attrs({key: ""}).keys() != {key}:
            attrs[key] = value
        else:
            given[key] = print_value(value)  # unknown: refused with the others' names by bind_params
    if opdef.variadic and "num_args" in opdef.param_names and "num_args" not in given:
        given["num_args"] = str(len(inputs))
    return inputs, given, attrs


def _is_missing(value: Any) -> bool:
    from .. import _core

    return value is _core.MISSING


def _take_input(opdef: OpDef, inputs: list[Symbol | None], key: str, value: Any) -> None:
    if value is None:
        return
    if opdef.variadic:
        number = variadic_number(opdef, key)
        if number is not None:
            inputs += [None] * (number + 1 - len(inputs))
    else:
        number = opdef.input_names.index(key) if key in opdef.input_names else None
    if number is None:
        names = "any number of symbols by position" if opdef.variadic else ", ".join(opdef.input_names) or "none"
        msg = f"[{opdef.name}] has no input {key}. It takes {names}"
        raise ParameterError(msg)
    if inputs[number] is not None:
        msg = f"[{opdef.name}] got input {key} twice, by position and by name"
        raise ParameterError(msg)
    inputs[number] = _checked(opdef, key, value)


def _checked(opdef: OpDef, name: str, value: Any) -> Symbol:
    if not isinstance(value, Symbol):
        kind = type(value).__name__
        cure = f"Use mx.nd.{opdef.name} for arrays, or mx.sym.var for a placeholder" if kind == "NDArray" else ""
        msg = f"[{opdef.name}] {name} must be a Symbol, got {kind}. {cure}".rstrip()
        raise DTypeError(msg)
    if len(value._outputs) != 1:
        msg = (
            f"[{opdef.name}] {name} must be a symbol with one output, got {len(value._outputs)} "
            f"({', '.join(value.list_outputs()[:4])}). Choose one: symbol[0]"
        )
        raise MXNetError(msg)
    return value


def print_value(value: Any, is_dtype: bool = False) -> str:
    """A parameter's value as symbol files hold it: what str gives, of NumPy's numbers as of Python's.

    >>> print_value((3, np.int64(2))), print_value(True), print_value(np.float32(0.1)), print_value(np.float16, True)
    ('(3, 2)', 'True', '0.1', 'float16')
    """
    if is_dtype and not (isinstance(value, str) and value in dtypes.NAME_TO_FLAG):
        return value if isinstance(value, str) and value.isdecimal() else dtypes.name_of(dtypes.flag_of(value))
    return str(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)([_plain(item) for item in value]) if type(value) in (list, tuple) else tuple(value)
    if isinstance(value, np.ndarray):
        return tuple(value.tolist())
    if isinstance(value, np.floating):
        return float(str(value))  # 0.1, not the nearest float32 in float64's digits
    return value.item() if isinstance(value, np.generic) else value


# -- nodes -----------------------------------------------------------------------------------------------------------


def apply(
    opdef: OpDef, inputs: Sequence[Symbol | None], given: dict[str, str], name: str, attrs: dict[str, str]
) -> Symbol:
    """The symbol of one call; variables are made for the inputs that it needs and does not get.

    inputs: one for each of the operator's, or those of a variadic operator. given: printed parameters.
    Raises ParameterError for parameters that do not fit, MXNetError for a state that is not a variable.
    """
    node = make_node(opdef, name, given, attrs)
    entries: list[Entry | None] = []
    names = variadic_names(opdef, node.params) if opdef.variadic else opdef.input_names
    for number, symbol in enumerate([*inputs, *[None] * (len(names) - len(inputs))]):
        if symbol is not None:
            entries.append(symbol._outputs[0])
        elif opdef.variadic and number >= len(names):
            msg = f"[{opdef.name}] input {number} is missing: give its inputs by position"
            raise MXNetError(msg)
        elif not opdef.variadic and not input_is_present(opdef, number, node.params):
            entries.append(None)
        else:
            variable = SymbolNode(None, f"{name}_{names[number]}", {**node.given, **node.attrs})
            entries.append((variable, 0))
    node.inputs = tuple(entries)
    _check_states(node)
    mark_variables(node)
    return Symbol(tuple((node, number) for number in range(node.count_visible())))


def make_node(opdef: OpDef, name: str, given: dict[str, str], attrs: dict[str, str]) -> SymbolNode:
    """A node without inputs: printed parameters parsed and checked."""
    static, scalars = opdef.bind_params(given)
    check_outputs(opdef, static)
    return SymbolNode(opdef, name, attrs, params=static, scalars=scalars, given=given)


def check_outputs(opdef: OpDef, params: dict[str, Any]) -> None:
    """Raises ParameterError for a number of outputs that only a damaged file can ask for."""
    count = opdef.count_outputs(params)
    if not 0 <= count <= _MOST_OUTPUTS:
        msg = f"[{opdef.name}] must have at most {_MOST_OUTPUTS} outputs, got parameters for {count}"
        raise ParameterError(msg)


def mark_variables(node: SymbolNode) -> None:
    """Gives the variables at a node's inputs the attributes that its operator wants them to have."""
    assert node.op is not None
    for number, entry in enumerate(node.inputs):
        if entry is not None and entry[0].op is None:
            for key, value in variable_attrs(node.op, number).items():
                entry[0].attrs.setdefault(key, value)


def _check_states(node: SymbolNode) -> None:
    assert node.op is not None
    for number in node.written_inputs():
        if number >= len(node.inputs):
            msg = f"[{node.op.name}] overwrites its input {number}, got {len(node.inputs)} inputs"
            raise MXNetError(msg)
        entry = node.inputs[number]
        if entry is not None and entry[0].op is not None:
            what = "an input" if node.op.variadic else node.op.input_names[number]
            msg = f"[{node.op.name}] {what} is overwritten, so it must be a variable, got the result of {entry[0].name}"
            raise MXNetError(msg)
