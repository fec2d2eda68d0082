"""Symbol's operators and the methods that are operators: ``x + 1``, ``x.reshape(...)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ..base import NotImplementedForSymbol, numeric_types
from ..errors import DTypeError
from .namespace import op
from .symbol import Symbol

__all__ = ["binary"]


def binary(sign: str, symbols: str, scalar: str, left: Any, right: Any) -> Symbol:
    """``left <sign> right`` of a symbol on the left: by the operator of two symbols, or of a symbol and a number.

    Raises DTypeError for other operands.
    """
    if isinstance(right, Symbol):
        return op(symbols)(left, right)
    if isinstance(right, numeric_types):
        return op(scalar)(left, scalar=right)
    msg = f"[Symbol] type {type(right)} not supported in `symbol {sign} other`; other is a Symbol or a number"
    raise DTypeError(msg)


def _install_binary(method: str, sign: str, symbols: str, scalar: str, reversed_scalar: str | None = None) -> None:
    def call(self: Symbol, other: Any) -> Symbol:
        return binary(sign, symbols, scalar, self, other)

    call.__name__ = f"__{method}__"
    call.__doc__ = f"``self {sign} other``; other: a Symbol of the same shape, or a number."
    setattr(Symbol, f"__{method}__", call)
    if reversed_scalar is None:
        return

    def call_reversed(self: Symbol, other: Any) -> Symbol:
        if isinstance(other, Symbol):
            return op(symbols)(other, self)
        return binary(sign, symbols, reversed_scalar, self, other)

    call_reversed.__name__ = f"__r{method}__"
    call_reversed.__doc__ = f"``other {sign} self``; other: a number."
    setattr(Symbol, f"__r{method}__", call_reversed)


for _row in (
    ("add", "+", "_Plus", "_PlusScalar", "_PlusScalar"),
    ("sub", "-", "_Minus", "_MinusScalar", "_RMinusScalar"),
    ("mul", "*", "_Mul", "_MulScalar", "_MulScalar"),
    ("truediv", "/", "_Div", "_DivScalar", "_RDivScalar"),
    ("mod", "%", "_Mod", "_ModScalar", "_RModScalar"),
    ("pow", "**", "_Power", "_PowerScalar", "_rpower_scalar"),
    ("eq", "==", "_equal", "_equal_scalar"),
    ("ne", "!=", "_not_equal", "_not_equal_scalar"),
    ("gt", ">", "_greater", "_greater_scalar"),
    ("ge", ">=", "_greater_equal", "_greater_equal_scalar"),
    ("lt", "<", "_lesser", "_lesser_scalar"),
    ("le", "<=", "_lesser_equal", "_lesser_equal_scalar"),
):
    _install_binary(*_row)

Symbol.__hash__ = None  # type: ignore[assignment]  # as == makes a symbol
Symbol.__div__, Symbol.__rdiv__ = Symbol.__truediv__, Symbol.__rtruediv__  # type: ignore[attr-defined, operator]


# -- methods that are operators ---------------------------------------------------------------------------------------


def _install(function: Callable[..., Any], name: str = "") -> Callable[..., Any]:
    setattr(Symbol, name or function.__name__, function)
    return function


def _install_method(name: str, operator: str) -> None:
    def call(self: Symbol, *args: Any, **kwargs: Any) -> Any:
        return op(operator)(self, *args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"``mx.sym.{operator}`` of this symbol; the other arguments are the operator's."
    setattr(Symbol, name, call)


for _name in (
    "abs arccos arccosh arcsin arcsinh arctan arctanh argmax argmax_channel argmin argsort broadcast_axes "
    "broadcast_like broadcast_to cbrt ceil clip cos cosh degrees depth_to_space exp expm1 fix flip floor log log10 "
    "log1p log2 log_softmax max mean min nanprod nansum norm one_hot ones_like pad pick prod radians rcbrt reciprocal "
    "relu repeat reshape reshape_like rint round rsqrt shape_array sigmoid sign sin sinh size_array slice slice_axis "
    "slice_like softmax softmin sort space_to_depth split sqrt square sum swapaxes take tan tanh tile topk transpose "
    "trunc zeros_like"
).split():
    _install_method(_name, _name)
_install_method("astype", "cast")


@_install
def __abs__(self: Symbol) -> Symbol:  # noqa: N807
    """``abs(self)``"""
    return op("abs")(self)


@_install
def __neg__(self: Symbol) -> Symbol:  # noqa: N807
    """``-self``, made as ``self * -1.0``"""
    return op("_MulScalar")(self, scalar=-1.0)


@_install
def flatten(self: Symbol, inplace: bool = False, **kwargs: Any) -> Symbol:
    """``mx.sym.flatten`` of this symbol. inplace: accepted and unused."""
    return op("flatten")(self, **kwargs)


@_install
def expand_dims(self: Symbol, axis: int, inplace: bool = False, **kwargs: Any) -> Symbol:
    """``mx.sym.expand_dims`` of this symbol. inplace: accepted and unused."""
    return op("expand_dims")(self, axis=axis, **kwargs)


@_install
def squeeze(self: Symbol, axis: Any = None, inplace: bool = False, **kwargs: Any) -> Symbol:
    """``mx.sym.squeeze`` of this symbol. inplace: accepted and unused."""
    return op("squeeze")(self, axis=axis, **kwargs)


@_install
def diag(self: Symbol, k: int = 0, **kwargs: Any) -> Symbol:
    """``mx.sym.diag`` of this symbol."""
    return op("diag")(self, k=k, **kwargs)


@_install
def split_v2(self: Symbol, *args: Any, **kwargs: Any) -> Symbol:
    """``mx.sym.split_v2`` of this symbol."""
    from .functions import split_v2 as split

    return split(self, *args, **kwargs)


def _find_method(self: Symbol, name: str) -> Any:
    """Methods that operators, also those of plug-ins, ask for (``@op(method=...)``)."""
    operator = None if name.startswith("_") else _operators_by_method().get(name)
    if operator is None:
        msg = f"{type(self).__name__!r} object has no attribute {name!r}"
        raise AttributeError(msg, name=name, obj=self)
    _install_method(name, operator)
    return getattr(self, name)


Symbol.__getattr__ = _find_method  # type: ignore[attr-defined]


def _operators_by_method() -> dict[str, str]:
    from .. import registry

    names = registry.list_ops()
    if len(names) != _methods.get("", 0):
        definitions = [registry.find_op(name) for name in names]
        _methods.update((found.method, found.name) for found in definitions if found is not None and found.method)
        _methods[""] = len(names)
    return _methods


# Method -> operator; under "" the number of operators that were asked.
_methods: dict[str, Any] = {}


# -- what only arrays do ----------------------------------------------------------------------------------------------


def _install_refusal(name: str, sign: str = "") -> None:
    def refuse(self: Symbol, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedForSymbol(refuse, sign or None, *args)

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = "Raises NotImplementedForSymbol: only arrays, which have values, do this."
    setattr(Symbol, name, refuse)


for _name in ("wait_to_read", "asnumpy", "asscalar", "copy", "as_in_context", "detach", "backward", "as_np_ndarray"):
    _install_refusal(_name)
for _name, _sign in (
    ("bool", "bool"), ("iadd", "+="), ("isub", "-="), ("imul", "*="), ("itruediv", "/="), ("imod", "%="),
    ("ipow", "**="), ("contains", "in"),
):  # fmt: skip
    _install_refusal(f"__{_name}__", _sign)
