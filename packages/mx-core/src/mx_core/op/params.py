"""Parameter types: how an operator's keyword arguments are parsed, checked, printed and documented.

An annotation in an operator's signature becomes a ``ParamType``. It turns what a user, a JSON file or another
operator's body gives (a Python value or MXNet's string form: ``"(2, 2)"``, ``"None"``, ``"True"``) into one canonical,
hashable value, and prints it back. Canonical values: bool, int, float, str, type flag (int), tuple of int or float, None.

>>> Positive[float].parse("2"), Shape.parse("(2, 3)"), Axes.parse(1), DType.print(DType.parse("float16"))
(2.0, (2, 3), (1,), 'float16')
"""

from __future__ import annotations

import operator
import types
import typing
from typing import Any

from .. import dtypes

__all__ = [
    "Axes", "Axis", "DType", "Enum", "Floats", "Ints", "Negative", "NonNegative", "Optional", "ParamType", "Positive",
    "Range", "Runtime", "Shape", "param_type",
]  # fmt: skip

_INT64 = 1 << 63


class ParamType:
    """One kind of parameter value; the base accepts anything with the given converter."""

    __slots__ = ("_convert", "check", "cure", "kind", "name", "optional", "runtime")

    def __init__(self, kind: str, name: str, convert: Any, check: Any = None, cure: str = "") -> None:
        self.kind = kind  # "int", "float", "bool", "str", "ints", "floats", "dtype"
        self.name = name  # for documentation: "float > 0"
        self._convert = convert
        self.check = check  # predicate of the converted value, or None
        self.cure = cure  # completes "must ..." when the check fails
        self.optional = False
        self.runtime = False

    @property
    def is_tuple(self) -> bool:
        """Whether values are tuples of numbers."""
        return self.kind in ("ints", "floats")

    def copy(self) -> ParamType:
        """A new type with the same fields."""
        new = ParamType(self.kind, self.name, self._convert, self.check, self.cure)
        new.optional, new.runtime = self.optional, self.runtime
        return new

    def or_none(self) -> ParamType:
        """The same type that also accepts None."""
        new = self.copy()
        new.optional = True
        new.name += " or None"
        return new

    def __or__(self, other: Any) -> ParamType:
        if other is None or other is type(None):
            return self.or_none()
        return NotImplemented

    __ror__ = __or__

    def __call__(self, value: Any) -> Any:
        return self.parse(value)

    def parse(self, value: Any) -> Any:
        """The canonical value; raises ValueError with text that completes ``parameter <name> ...``."""
        if value is None or (value.__class__ is str and value == "None"):
            if self.optional:
                return None
            msg = f"must be {self.name}, got None"
            raise ValueError(msg)
        try:
            result = self._convert(value)
        except (TypeError, ValueError, OverflowError, SyntaxError):
            msg = f"must be {self.name}, got {value!r}"
            raise ValueError(msg) from None
        if self.check is not None and not self.check(result):
            msg = f"must {self.cure}, got {value!r}"
            raise ValueError(msg)
        return result

    def print(self, value: Any) -> str:
        """MXNet's string form of a canonical value, as symbol files hold it."""
        if value is not None and self.kind == "dtype":
            return dtypes.name_of(value)
        if isinstance(value, tuple):
            # MXNet prints no space after the comma in a one-element tuple: "(1,)", "(2, 2)".
            return "(" + ", ".join(map(str, value)) + (",)" if len(value) == 1 else ")")
        return str(value)

    def __repr__(self) -> str:
        return self.name


def _int(value: Any) -> int:
    if value.__class__ is str:
        value = int(value.strip().rstrip("lL"))
    result = operator.index(value)
    if not -_INT64 <= result < _INT64:
        raise OverflowError
    return int(result)


def _float(value: Any) -> float:
    if isinstance(value, (list, tuple, dict)):
        raise TypeError
    return float(value)


_BOOLS = {"true": True, "1": True, "false": False, "0": False}


def _bool(value: Any) -> bool:
    if value.__class__ is bool:
        return value
    if value.__class__ is str:
        if value.lower() not in _BOOLS:
            raise ValueError
        return _BOOLS[value.lower()]
    return operator.index(value) != 0


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return str(value)


def _items(value: Any) -> Any:
    """The items of a tuple in any of MXNet's spellings: 3, (3,), [3], "(3, 3)", "3"."""
    if value.__class__ is str:
        text = value.strip()
        if text[:1] in ("(", "[") and text[-1:] in (")", "]"):
            text = text[1:-1]
        return [item for item in (part.strip() for part in text.split(",")) if item]
    if hasattr(value, "__iter__"):
        return value
    return (value,)


def _ints(value: Any) -> tuple[int, ...]:
    return tuple([_int(item) for item in _items(value)])


def _floats(value: Any) -> tuple[float, ...]:
    return tuple([_float(item) for item in _items(value)])


def _int_or_none(item: Any) -> int | None:
    return None if item is None or item == "None" else _int(item)


def _optional_ints(value: Any) -> tuple[int | None, ...]:
    return tuple([_int_or_none(item) for item in _items(value)])


def _dtype(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        if value not in dtypes.FLAG_TO_NAME:
            raise ValueError
        return int(value)
    if value.__class__ is str and value.isdecimal():
        return _dtype(int(value))
    return dtypes.flag_of(value)


Shape = ParamType("ints", "tuple of int", _ints)
Ints = ParamType("ints", "tuple of int", _ints)
OptionalInts = ParamType("ints", "tuple of (int or None)", _optional_ints)
Floats = ParamType("floats", "tuple of float", _floats)
Axis = ParamType("int", "int (an axis, negative counts from the end)", _int)
Axes = ParamType("ints", "int or tuple of int (axes, negative count from the end)", _ints)
DType = ParamType("dtype", "dtype name or NumPy dtype", _dtype)
_PLAIN: dict[Any, ParamType] = {
    int: ParamType("int", "int", _int),
    float: ParamType("float", "float", _float),
    bool: ParamType("bool", "bool", _bool),
    str: ParamType("str", "str", _str),
}


def _restricted(base: Any, name: str, check: Any, cure: str) -> ParamType:
    new = param_type(base).copy()
    new.name, new.cure = f"{new.name} {name}", cure
    new.check = (lambda values: all(map(check, values))) if new.kind in ("ints", "floats") else check
    return new


class Positive:
    """``Positive[float]``, ``Positive[int]``, ``Positive[Shape]``: greater than zero (each item of a tuple)."""

    def __class_getitem__(cls, base: Any) -> ParamType:
        return _restricted(base, "> 0", lambda value: value > 0, "be > 0")


class NonNegative:
    """``NonNegative[int]``: zero or more (each item of a tuple)."""

    def __class_getitem__(cls, base: Any) -> ParamType:
        return _restricted(base, ">= 0", lambda value: value >= 0, "be >= 0")


class Negative:
    """``Negative[float]``: below zero."""

    def __class_getitem__(cls, base: Any) -> ParamType:
        return _restricted(base, "< 0", lambda value: value < 0, "be < 0")


class Range:
    """``Range[float, 0, 1]``: both ends included."""

    def __class_getitem__(cls, item: tuple[Any, Any, Any]) -> ParamType:
        base, low, high = item
        text = f"in [{low}, {high}]"
        return _restricted(base, text, lambda value: low <= value <= high, f"be {text}")


class Enum:
    """``Enum("max", "avg")`` or ``Enum["max", "avg"]``: one of the given strings."""

    def __new__(cls, *choices: str) -> ParamType:  # type: ignore[misc]
        text = " or ".join(
            [", ".join(map(repr, choices[:-1])), repr(choices[-1])] if choices[1:] else map(repr, choices)
        )
        return ParamType("str", text, _str, frozenset(choices).__contains__, f"be {text}")

    def __class_getitem__(cls, choices: str | tuple[str, ...]) -> ParamType:
        return cls(*(choices if isinstance(choices, tuple) else (choices,)))


class Optional:
    """``Optional[int]``: also None; the same as ``int | None``."""

    def __class_getitem__(cls, base: Any) -> ParamType:
        return param_type(base).or_none()


class Runtime:
    """``Runtime[float]``: a number that stays out of the plan's key and reaches kernels at every call.

    In an operator's body it is a symbolic scalar: arithmetic with it and with arrays works, deciding on it does not.
    ``Runtime[Floats]`` is a tuple of them, of which only the length is in the plan's key.
    """

    def __class_getitem__(cls, base: Any) -> ParamType:
        new = param_type(base).copy()
        new.runtime = True
        return new


def param_type(annotation: Any) -> ParamType:
    """The ParamType of an evaluated annotation: a ParamType, int, float, bool, str, or one of these ``| None``."""
    if isinstance(annotation, ParamType):
        return annotation
    try:
        return _PLAIN[annotation]
    except (KeyError, TypeError):
        pass
    arguments = typing.get_args(annotation)
    origin = typing.get_origin(annotation)
    if origin in (types.UnionType, typing.Union) and type(None) in arguments:
        rest = [argument for argument in arguments if argument is not type(None)]
        if len(rest) == 1:
            return param_type(rest[0]).or_none()
    if origin is typing.Literal:
        return Enum(*arguments)
    if origin is tuple and arguments:
        return {int: Ints, float: Floats}.get(arguments[0]) or param_type(arguments[0])
    msg = f"{annotation!r} is not a parameter type; use int, float, bool, str or one of mx_core.op's"
    raise TypeError(msg)
