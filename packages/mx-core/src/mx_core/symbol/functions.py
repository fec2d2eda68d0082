"""Functions of ``mx.sym`` that are not operators: variables, constants, arithmetic with a number on either side."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from numbers import Number
from typing import Any

import numpy as np

from .. import dtypes
from ..attribute import AttrScope
from ..errors import DTypeError, ParameterError
from .namespace import op
from .node import SymbolNode
from .symbol import Symbol

__all__ = [
    "Variable", "arange", "eye", "full", "histogram", "hypot", "linspace", "maximum", "minimum", "ones", "pow",
    "power", "split_v2", "var", "zeros",
]  # fmt: skip

_STORAGE = {"undefined": -1, "default": 0, "row_sparse": 1, "csr": 2}


def var(
    name: str,
    attr: dict[str, str] | None = None,
    shape: Sequence[int] | None = None,
    lr_mult: float | None = None,
    wd_mult: float | None = None,
    dtype: Any = None,
    init: Any = None,
    stype: str | None = None,
    **kwargs: Any,
) -> Symbol:
    """A variable: a place for an array that is given when the graph is bound.

    name: of the argument. attr: attributes, strings. shape, dtype: hints for inference, 0 for an unknown size.
    lr_mult, wd_mult: factors of its learning rate and weight decay. init: an Initializer or its JSON. stype: storage type.
    kwargs: more attributes, ``__like_this__``.

    >>> import mxnet as mx
    >>> mx.sym.var("w", shape=(2, 3), lr_mult=0.5).list_attr()
    {'__shape__': '(2, 3)', '__lr_mult__': '0.5', 'lr_mult': '0.5'}
    """
    if not isinstance(name, str):
        msg = f"[var] Expect a string for variable `name`, got {name!r}"
        raise DTypeError(msg)
    attrs: dict[str, Any] = AttrScope.current.get(attr)
    if shape is not None:
        attrs["__shape__"] = str(tuple(map(operator.index, shape)) if np.iterable(shape) else shape)
    if lr_mult is not None:
        attrs["__lr_mult__"] = str(lr_mult)
    if wd_mult is not None:
        attrs["__wd_mult__"] = str(wd_mult)
    if dtype is not None:
        attrs["__dtype__"] = str(dtypes.flag_of(dtype))
    if init is not None:
        attrs["__init__"] = init if isinstance(init, str) else init.dumps()
    if stype is not None:
        if stype not in _STORAGE:
            msg = f"[var] stype must be one of {', '.join(map(repr, _STORAGE))}, got {stype!r}"
            raise ParameterError(msg)
        attrs["__storage_type__"] = str(_STORAGE[stype])
    for key, value in kwargs.items():
        if not (key[:2] == "__" == key[-2:] and len(key) > 4):
            msg = (
                f"[var] Attribute name={key} is not supported. Additional attributes must start and end with double "
                f"underscores, e.g, __{key}__"
            )
            raise ParameterError(msg)
        attrs[key] = str(value)
    variable = Symbol(((SymbolNode(None, name), 0),))
    variable._set_attr(**attrs)
    return variable


Variable = var


# -- constants -------------------------------------------------------------------------------------------------------


def zeros(shape: Any, dtype: Any = None, **kwargs: Any) -> Symbol:
    """An array of zeros. dtype: default float32. kwargs: ``name``, ``attr``."""
    return op("_zeros")(shape=shape, dtype="float32" if dtype is None else dtype, **kwargs)


def ones(shape: Any, dtype: Any = None, **kwargs: Any) -> Symbol:
    """An array of ones. dtype: default float32. kwargs: ``name``, ``attr``."""
    return op("_ones")(shape=shape, dtype="float32" if dtype is None else dtype, **kwargs)


def full(shape: Any, val: float, dtype: Any = None, **kwargs: Any) -> Symbol:
    """An array whose elements are all `val`. dtype: default float32."""
    return op("_full")(shape=shape, dtype="float32" if dtype is None else dtype, value=float(val), **kwargs)


def eye(N: int, M: int = 0, k: int = 0, dtype: Any = None, **kwargs: Any) -> Symbol:
    """An (N, M) matrix with ones on diagonal k and zeros elsewhere. M: 0 means N."""
    return op("_eye")(N=N, M=M, k=k, dtype="float32" if dtype is None else dtype, **kwargs)


def arange(
    start: float, stop: float | None = None, step: float = 1.0, repeat: int = 1, infer_range: bool = False,
    name: str | None = None, dtype: Any = None,
) -> Symbol:  # fmt: skip
    """The numbers start, start + step, ... below stop, each `repeat` times; one argument is stop, as in Python.

    infer_range: take stop from what the shape of the result must be. dtype: default float32.
    """
    return op("_arange")(
        start=start, stop=stop, step=step, repeat=repeat, infer_range=infer_range, name=name,
        dtype="float32" if dtype is None else dtype,
    )  # fmt: skip


def linspace(
    start: float, stop: float, num: int, endpoint: bool = True, name: str | None = None, dtype: Any = None
) -> Symbol:
    """`num` evenly spaced numbers from start to stop, stop included where `endpoint`. dtype: default float32."""
    return op("_linspace")(
        start=start, stop=stop, num=num, endpoint=endpoint, name=name, dtype="float32" if dtype is None else dtype
    )


# -- of symbols ------------------------------------------------------------------------------------------------------


def histogram(a: Symbol, bins: Any = 10, range: tuple[float, float] | None = None, **kwargs: Any) -> Symbol:
    """(counts, edges) of the elements. bins: their number, which needs `range`, or a Symbol with their edges."""
    if isinstance(bins, Symbol):
        return op("_histogram")(data=a, bins=bins, **kwargs)
    if not isinstance(bins, (int, np.integer)):
        msg = f"[histogram] bins argument should be either an integer or a Symbol, got {type(bins).__name__}"
        raise ParameterError(msg)
    if range is None:
        msg = "[histogram] null range is not supported in symbol mode: no data to take it from. Give range=(low, high)"
        raise ParameterError(msg)
    return op("_histogram")(data=a, bin_cnt=bins, range=range, **kwargs)


def split_v2(ary: Symbol, indices_or_sections: Any, axis: int = 0, squeeze_axis: bool = False) -> Symbol:
    """The pieces of an array along an axis: equal sections (int), or cut before the given indices (tuple)."""
    if isinstance(indices_or_sections, (int, np.integer)):
        indices, sections = [], int(indices_or_sections)
    elif isinstance(indices_or_sections, tuple):
        indices, sections = [0, *indices_or_sections], 0
    else:
        msg = f"[split_v2] indices_or_sections must either int or tuple of ints, got {indices_or_sections!r}"
        raise ParameterError(msg)
    return op("_split_v2")(ary, indices=indices, axis=axis, squeeze_axis=squeeze_axis, sections=sections)


def _binary(
    name: str, doc: str, symbols: str, scalar: str, reversed_scalar: str, numbers: Callable[[Any, Any], Any]
) -> Callable[[Any, Any], Any]:
    def function(left: Any, right: Any) -> Any:
        if isinstance(left, Symbol) and isinstance(right, Symbol):
            return op(symbols)(left, right)
        if isinstance(left, Symbol) and isinstance(right, Number):
            return op(scalar)(left, scalar=right)
        if isinstance(right, Symbol) and isinstance(left, Number):
            return op(reversed_scalar)(right, scalar=left)
        if isinstance(left, Number) and isinstance(right, Number):
            return numbers(left, right)
        msg = f"[{name}] types ({type(left)}, {type(right)}) not supported; the operands are Symbols or numbers"
        raise DTypeError(msg)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}, element by element. Symbols or numbers; two numbers give a number."
    return function


maximum = _binary("maximum", "The larger", "_Maximum", "_MaximumScalar", "_MaximumScalar", max)
minimum = _binary("minimum", "The smaller", "_Minimum", "_MinimumScalar", "_MinimumScalar", min)
hypot = _binary("hypot", "``sqrt(left^2 + right^2)``", "_Hypot", "_HypotScalar", "_HypotScalar", np.hypot)
_power = _binary("pow", "``base ** exp``", "_Power", "_PowerScalar", "_RPowerScalar", operator.pow)


def pow(base: Any, exp: Any) -> Any:
    """``base ** exp``, element by element. Symbols or numbers; two numbers give a number."""
    return _power(base, exp)


def power(base: Any, exp: Any) -> Any:
    """``base ** exp``; the same as `pow`."""
    return _power(base, exp)
