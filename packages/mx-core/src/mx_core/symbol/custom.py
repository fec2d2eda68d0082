"""``mx.sym.Custom``: operators written in Python by users, in graphs."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from .. import dtypes
from ..attribute import AttrScope, stored_attrs
from ..errors import MXNetError, ParameterError
from ..name import NameManager
from ..op.definition import OpDef
from ..op.params import ParamType
from ..op.schema import Tensor
from .compose import print_value
from .node import Entry, SymbolNode
from .symbol import Symbol

__all__ = ["Custom", "custom_op", "property_of"]

_Attributes = ParamType("str", "str", str).or_none()


def property_of(given: dict[str, str]) -> Any:
    """The CustomOpProp of a node's given parameters: ``op_type`` and what the property takes, as strings."""
    from ..operator import _make_prop

    if "op_type" not in given:
        msg = "[Custom] op_type is required: the name that the operator was registered with"
        raise ParameterError(msg)
    rest = {key: value for key, value in given.items() if key not in ("op_type", "num_args")}
    return _make_prop(given["op_type"], rest)


class _Custom(OpDef):
    """The definition of the operator Custom: inputs, outputs and states are what the property says."""

    def __init__(self) -> None:
        def call(F: Any, data: list[Tensor], *, attributes: _Attributes = None) -> list[Tensor]:  # type: ignore[valid-type]
            """An operator written in Python, see `mxnet.operator`."""
            return self._refuse()

        super().__init__(call, name="Custom", num_outputs=lambda params: params["n_outputs"], plugin="mx-core")

    def _refuse(self) -> NoReturn:
        msg = "[Custom] runs in an executor only: bind the symbol, or use mx.nd.Custom on arrays"
        raise MXNetError(msg)

    def bind_params(self, given: dict[str, Any]) -> tuple[dict[str, Any], tuple[Any, ...]]:
        """What the graph needs to know: the numbers of arguments and outputs, and the names of the outputs."""
        prop = property_of(given)
        names = tuple(prop.list_outputs())
        return {
            "op_type": given["op_type"],
            "n_arguments": len(prop.list_arguments()),
            "n_states": len(prop.list_auxiliary_states()),
            "n_outputs": len(names),
            "output_names": names,
        }, ()

    def state_inputs(self, node: SymbolNode) -> set[int]:
        """The numbers of the inputs that are auxiliary states."""
        first = node.params["n_arguments"]
        return set(range(first, first + node.params["n_states"]))

    def infer_node(self, node: SymbolNode, inputs: list[Any], outputs: list[Any]) -> tuple[list[Any], list[Any]]:
        """What the property infers from the inputs, once the first is known."""
        from ..operator import inferred

        prop, op_type = property_of(node.given), node.given["op_type"]
        count = node.params["n_arguments"]
        args = inputs[:count]
        in_shapes, out_shapes, aux_shapes = [None] * count, [None] * len(outputs), [None] * (len(inputs) - count)
        if args and args[0][1] is not None and -1 not in args[0][1]:
            given = [list(shape) if shape is not None and -1 not in shape else [] for _, shape in args]
            in_shapes, out_shapes, aux_shapes = inferred(op_type, prop, "infer_shape", given)
        in_kinds, out_kinds, aux_kinds = [None] * count, [None] * len(outputs), [None] * (len(inputs) - count)
        if args and args[0][0] is not None:
            kinds = [None if flag is None else dtypes.numpy_of(flag).type for flag, _ in args]
            in_kinds, out_kinds, aux_kinds = inferred(op_type, prop, "infer_type", kinds)
        in_types = [_kind(s, k) for s, k in zip([*in_shapes, *aux_shapes], [*in_kinds, *aux_kinds], strict=False)]
        return in_types, [_kind(s, k) for s, k in zip(out_shapes, out_kinds, strict=True)]


def _kind(shape: Any, kind: Any) -> tuple[int | None, tuple[int, ...] | None]:
    flag = None if kind is None else dtypes.flag_of(kind if isinstance(kind, str) else np.dtype(kind))
    return flag, None if shape is None or len(shape) == 0 else tuple(map(int, shape))


_definition: _Custom | None = None


def custom_op() -> OpDef:
    """The definition of the operator Custom."""
    global _definition
    if _definition is None:
        _definition = _Custom()
    return _definition


def Custom(*args: Symbol, op_type: str, name: str | None = None, attr: Any = None, **kwargs: Any) -> Symbol:  # noqa: N802
    """The symbol of the custom operator registered as op_type.

    args: its arguments, then its auxiliary states; by name among kwargs too. Variables are made for those that are
    missing. kwargs: the other ones go to the CustomOpProp as strings.
    Raises OpNotAvailable for an unknown op_type, ParameterError for inputs that it does not have.
    """
    symbols = {key: value for key, value in kwargs.items() if isinstance(value, Symbol)}
    plain = {key: value for key, value in kwargs.items() if key not in symbols and value is not None}
    given = {key: print_value(value) for key, value in plain.items() if key[:2] != "__"}
    given["op_type"] = op_type
    prop = property_of(given)
    named = NameManager.current.get(name, "custom")
    attrs = stored_attrs(
        AttrScope.current.get({**{key: value for key, value in plain.items() if key[:2] == "__"}, **(attr or {})})
    )
    names = [*prop.list_arguments(), *prop.list_auxiliary_states()]
    unknown = sorted(set(symbols) - set(names))
    if unknown or len(args) > len(names):
        msg = (
            f"[Custom {op_type}] takes the inputs {', '.join(names)}; got {len(args)} by position"
            f"{', unknown ' + ', '.join(unknown) if unknown else ''}"
        )
        raise ParameterError(msg)
    placed = dict(zip(names, args, strict=False))
    for key, value in symbols.items():
        if key in placed:
            msg = f"[Custom {op_type}] got input {key} twice, by position and by name"
            raise ParameterError(msg)
        placed[key] = value
    node = SymbolNode(custom_op(), named, attrs, given=given)
    node.params, _ = custom_op().bind_params(given)
    node.inputs = tuple(_entry(op_type, node, key, placed.get(key)) for key in names)
    return Symbol(tuple((node, number) for number in range(node.count_visible())))


def _entry(op_type: str, node: SymbolNode, key: str, value: Any) -> Entry:
    if value is None:
        return SymbolNode(None, f"{node.name}_{key}", {**node.given, **node.attrs}), 0
    if not isinstance(value, Symbol) or len(value) != 1:
        got = f"{len(value)} outputs" if isinstance(value, Symbol) else type(value).__name__
        msg = f"[Custom {op_type}] {key} must be a Symbol with one output, got {got}"
        raise ParameterError(msg)
    return value._outputs[0]
