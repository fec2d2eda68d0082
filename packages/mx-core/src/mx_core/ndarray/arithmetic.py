"""``mx.nd.add`` and its kin: arithmetic and comparison of two arrays, or an array and a number on either side."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _core
from ..base import numeric_types
from ..errors import DTypeError
from .namespace import op

__all__ = [
    "add", "combine_operands", "divide", "equal", "greater", "greater_equal", "lesser", "lesser_equal", "logical_and",
    "logical_or", "logical_xor", "maximum", "minimum", "modulo", "multiply", "not_equal", "power", "subtract", "true_divide",
]  # fmt: skip


def combine(name: str, arrays: str, scalar: str, reverse: str, numbers: Callable[..., Any], lhs: Any, rhs: Any) -> Any:
    """One binary function: `arrays`, `scalar`, `reverse` name the operators for array-array, array-number, number-array.

    A NumPy array beside an NDArray is taken over to its context and element type. Raises DTypeError for other operands.
    """
    left, right = isinstance(lhs, _core.NDArray), isinstance(rhs, _core.NDArray)
    if left and right:
        return op(arrays)(lhs, rhs)
    if left and isinstance(rhs, numeric_types):
        return op(scalar)(lhs, scalar=rhs)
    if right and isinstance(lhs, numeric_types):
        return op(reverse)(rhs, scalar=lhs)
    if left and isinstance(rhs, np.ndarray):
        return op(arrays)(lhs, _beside(rhs, lhs))
    if right and isinstance(lhs, np.ndarray):
        return op(arrays)(_beside(lhs, rhs), rhs)
    if isinstance(lhs, numeric_types) and isinstance(rhs, numeric_types):
        return numbers(lhs, rhs)
    wrong = rhs if left or isinstance(lhs, numeric_types) else lhs
    msg = f"[{name}] type {type(wrong)} not supported; the operands are NDArrays, NumPy arrays or numbers"
    raise DTypeError(msg)


def _beside(values: np.ndarray[Any, Any], other: Any) -> Any:
    from .creation import array

    return array(values, other.context, other.dtype)


def _binary(
    name: str, sign: str, arrays: str, scalar: str, reverse: str | None, numbers: Callable[..., Any]
) -> Callable[[Any, Any], Any]:
    reverse_name = reverse or scalar

    def function(lhs: Any, rhs: Any) -> Any:
        return combine(name, arrays, scalar, reverse_name, numbers, lhs, rhs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"``{sign}``, element by element with broadcasting. lhs, rhs: NDArrays or numbers; two numbers give a number."
    )
    return function


def _as_int(test: Callable[[Any, Any], Any]) -> Callable[[Any, Any], int]:
    return lambda lhs, rhs: 1 if test(lhs, rhs) else 0


add = _binary("add", "lhs + rhs", "broadcast_add", "_plus_scalar", None, operator.add)
subtract = _binary("subtract", "lhs - rhs", "broadcast_sub", "_minus_scalar", "_rminus_scalar", operator.sub)
multiply = _binary("multiply", "lhs * rhs", "broadcast_mul", "_mul_scalar", None, operator.mul)
divide = _binary("divide", "lhs / rhs", "broadcast_div", "_div_scalar", "_rdiv_scalar", operator.truediv)
true_divide = _binary("true_divide", "lhs / rhs", "broadcast_div", "_div_scalar", "_rdiv_scalar", operator.truediv)
modulo = _binary("modulo", "lhs % rhs", "broadcast_mod", "_mod_scalar", "_rmod_scalar", operator.mod)


def power(base: Any, exp: Any) -> Any:
    """``base ** exp``, element by element with broadcasting. NDArrays or numbers; two numbers give a number."""
    return combine("power", "broadcast_power", "_power_scalar", "_rpower_scalar", operator.pow, base, exp)


maximum = _binary(
    "maximum", "max(lhs, rhs)", "broadcast_maximum", "_maximum_scalar", None, lambda a, b: a if a > b else b
)
minimum = _binary(
    "minimum", "min(lhs, rhs)", "broadcast_minimum", "_minimum_scalar", None, lambda a, b: a if a < b else b
)
equal = _binary("equal", "lhs == rhs", "broadcast_equal", "_equal_scalar", None, _as_int(operator.eq))
not_equal = _binary("not_equal", "lhs != rhs", "broadcast_not_equal", "_not_equal_scalar", None, _as_int(operator.ne))
greater = _binary(
    "greater", "lhs > rhs", "broadcast_greater", "_greater_scalar", "_lesser_scalar", _as_int(operator.gt)
)
greater_equal = _binary(
    "greater_equal", "lhs >= rhs", "broadcast_greater_equal", "_greater_equal_scalar", "_lesser_equal_scalar",
    _as_int(operator.ge),
)  # fmt: skip
lesser = _binary("lesser", "lhs < rhs", "broadcast_lesser", "_lesser_scalar", "_greater_scalar", _as_int(operator.lt))
lesser_equal = _binary(
    "lesser_equal", "lhs <= rhs", "broadcast_lesser_equal", "_lesser_equal_scalar", "_greater_equal_scalar",
    _as_int(operator.le),
)  # fmt: skip
logical_and = _binary(
    "logical_and", "lhs and rhs", "broadcast_logical_and", "_logical_and_scalar", None, _as_int(lambda a, b: a and b)
)
logical_or = _binary(
    "logical_or", "lhs or rhs", "broadcast_logical_or", "_logical_or_scalar", None, _as_int(lambda a, b: a or b)
)
logical_xor = _binary(
    "logical_xor", "lhs xor rhs", "broadcast_logical_xor", "_logical_xor_scalar", None,
    _as_int(lambda a, b: bool(a) != bool(b)),
)  # fmt: skip


def combine_operands(name: str, lhs: Any, rhs: Any, out: Any) -> Any:
    """What the C type asks for operands it does not know: `name` is the operator for two arrays.

    out: the array of an in-place operation, else None. Operands that are no arrays get Python's NotImplemented, so
    that their own method may answer; MXNet's TypeError follows if it does not.
    """
    if isinstance(rhs, np.ndarray):
        rhs = _beside(rhs, lhs)
    elif isinstance(lhs, np.ndarray):
        lhs = _beside(lhs, rhs)
    else:
        return NotImplemented
    return op(name)(lhs, rhs) if out is None else op(name)(lhs, rhs, out=out)
