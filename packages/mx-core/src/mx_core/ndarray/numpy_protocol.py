"""NDArray beside NumPy: what ``numpy.array(x)``, ``numpy.exp(x)``, ``a + x`` and ``numpy.mean(x)`` do.

A ufunc for which there is an operator runs as that operator, so it gives an NDArray and is recorded by autograd;
everything else runs in NumPy on copies and gives what NumPy gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _core
from ..base import numeric_types
from . import arithmetic
from .namespace import op

__all__ = ["array", "array_function", "array_ufunc"]

_BINARY = {
    "add": "add", "subtract": "subtract", "multiply": "multiply", "divide": "divide", "true_divide": "divide",
    "remainder": "modulo", "power": "power", "maximum": "maximum", "minimum": "minimum", "equal": "equal",
    "not_equal": "not_equal", "greater": "greater", "greater_equal": "greater_equal", "less": "lesser",
    "less_equal": "lesser_equal", "logical_and": "logical_and", "logical_or": "logical_or",
    "logical_xor": "logical_xor",
}  # fmt: skip
_UNARY = {
    "negative": "negative", "absolute": "abs", "fabs": "abs", "exp": "exp", "expm1": "expm1", "log": "log",
    "log2": "log2", "log10": "log10", "log1p": "log1p", "sqrt": "sqrt", "cbrt": "cbrt", "square": "square",
    "reciprocal": "reciprocal", "sign": "sign", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "rint",
    "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "arcsin", "arccos": "arccos", "arctan": "arctan",
    "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "arcsinh": "arcsinh", "arccosh": "arccosh", "arctanh": "arctanh",
    "radians": "radians", "deg2rad": "radians", "degrees": "degrees", "rad2deg": "degrees",
}  # fmt: skip


def array(self: Any, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
    """``numpy.array(x)``: always a copy. Raises ValueError for copy=False, which asks for none."""
    if copy is False:
        msg = "[__array__] an NDArray becomes a NumPy array by copying only; use numpy.asarray or x.asnumpy()"
        raise ValueError(msg)
    values = self.asnumpy()
    return values if dtype is None else values.astype(dtype, copy=False)


def array_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, out: tuple[Any, ...] = (), **kwargs: Any) -> Any:
    """Runs a NumPy ufunc with an NDArray among its operands."""
    function = _operator_for(ufunc, inputs) if method == "__call__" and not kwargs else None
    if function is None or any(isinstance(target, np.ndarray) for target in out):
        if out:
            return _into(out, getattr(ufunc, method)(*map(_to_numpy, inputs), **kwargs))
        return getattr(ufunc, method)(*map(_to_numpy, inputs), **kwargs)
    result = function(*inputs)
    return _into(out, result) if out else result


def _operator_for(ufunc: Any, inputs: tuple[Any, ...]) -> Callable[..., Any] | None:
    if not all(isinstance(item, (_core.NDArray, np.ndarray, *numeric_types)) for item in inputs):
        return None
    name = ufunc.__name__
    if ufunc.nin == 2 and name in _BINARY:
        function: Callable[..., Any] = getattr(arithmetic, _BINARY[name])
        return function
    if ufunc.nin == 1 and name in _UNARY:
        return op(_UNARY[name])  # type: ignore[no-any-return]
    return None


def _into(out: tuple[Any, ...], result: Any) -> Any:
    results = result if isinstance(result, tuple) else (result,)
    for target, value in zip(out, results, strict=True):
        if target is not None:
            target[...] = _to_numpy(value) if isinstance(target, np.ndarray) else value
    stored = tuple(value if target is None else target for target, value in zip(out, results, strict=True))
    return stored if isinstance(result, tuple) else stored[0]


def array_function(
    self: Any, func: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Runs any other NumPy function on copies of the NDArrays among its arguments."""
    return func(*map(_to_numpy, args), **{name: _to_numpy(value) for name, value in kwargs.items()})


def _to_numpy(value: Any) -> Any:
    if isinstance(value, _core.NDArray):
        return value.asnumpy()
    if isinstance(value, (list, tuple)) and any(isinstance(item, _core.NDArray) for item in value):
        return type(value)(map(_to_numpy, value))
    return value
