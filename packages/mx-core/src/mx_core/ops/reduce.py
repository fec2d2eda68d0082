"""Reductions: sum, mean, prod, max, min, norm, moments, argmax, argmin.

``axis`` is None or () for all axes, an int or a tuple; ``exclude`` reduces all other axes. MXNet 1.x has no 0-d arrays:
reducing everything gives shape (1,). The result has data's dtype, also for integers (their mean is truncated); floats
accumulate in float32 or wider.
"""

from __future__ import annotations

import math

from ..errors import ParameterError, ShapeError
from ..op import Axes, Axis, DType, Enum, OpDef, Tensor, op
from ._shapes import normal_axes, normal_axis, reduced_shape


def _reduced(F, name, data, kind, axis, keepdims, exclude=False, dtype=None):
    axes = normal_axes(name, axis, data.ndim, exclude)
    result = F._reduce(data, op=kind, axes=axes, dtype=dtype)
    return result.reshape(reduced_shape(data.shape, axes, keepdims))


def reduction(name, summary, aliases=(), note="", gradient=None) -> OpDef:
    """Define ``name`` over the ``_reduce`` kind of the same name."""

    def function(F, data: Tensor, *, axis: Axes | None = None, keepdims: bool = False, exclude: bool = False) -> Tensor:
        return _reduced(F, name, data, name, axis, keepdims, exclude)

    return op(
        function,
        name=name,
        aliases=aliases,
        method=True,
        doc=f"{summary} over ``axis``.\n\ndata: array.  axis: None or () for all, an int or a tuple.  keepdims: leave "
        f"size 1 in their place.  exclude: reduce the other axes instead.\nReturns data's dtype.{note}\n",
    )


reduction("sum", "The sum", ["sum_axis"])
reduction("mean", "The arithmetic mean", note=" The mean of nothing is NaN.")
reduction("prod", "The product")
reduction("nansum", "The sum of what is not NaN")
reduction("nanprod", "The product of what is not NaN")
reduction("max", "The greatest element", ["max_axis"], note=" NaN wins. Every greatest element gets the gradient.")
reduction("min", "The least element", ["min_axis"], note=" NaN wins. Every least element gets the gradient.")


@op(method=True)
def norm(
    F,
    data: Tensor,
    *,
    ord: int = 2,
    axis: Axes | None = None,
    out_dtype: DType | None = None,
    keepdims: bool = False,
) -> Tensor:
    """The norm over ``axis`` (at most two of them, or all): ``sum |x|`` for ord 1, ``sqrt(sum x^2)`` for ord 2.

    out_dtype: the result's type, data's by default. The gradient of the norm 2 at the zero vector is NaN, as in MXNet.
    """
    if ord not in (1, 2):
        msg = f"[norm] ord must be 1 or 2, got {ord}"
        raise ParameterError(msg)
    if axis is not None and len(axis) > 2:
        msg = f"[norm] axis must be None, one axis or two, got {axis}"
        raise ParameterError(msg)
    terms = F.abs(data) if ord == 1 else F.square(data)
    total = _reduced(F, "norm", terms, "sum", axis, keepdims, dtype=out_dtype)
    return total if ord == 1 else F.sqrt(total)


@op
def moments(F, data: Tensor, *, axes: Axes | None = None, keepdims: bool = False) -> tuple[Tensor, Tensor]:
    """The mean and the (biased) variance over ``axes``."""
    mean = _reduced(F, "moments", data, "mean", axes, True)
    centered = data - mean
    shape = reduced_shape(data.shape, normal_axes("moments", axes, data.ndim), keepdims)
    variance = _reduced(F, "moments", F.square(centered), "mean", axes, keepdims)
    return mean.reshape(shape), variance


@op
def _square_sum(F, data: Tensor, *, axis: Axes | None = None, keepdims: bool = False, exclude: bool = False) -> Tensor:
    """``sum(x^2)`` over ``axis``."""
    return _reduced(F, "_square_sum", F.square(data), "sum", axis, keepdims, exclude)


# -- positions -------------------------------------------------------------------------------------------------------


@op(differentiable=False)
def _arg_reduce(F, data: Tensor, *, op: Enum("argmax", "argmin"), axis: int) -> Tensor:
    """The first position of the greatest or least element along ``axis``, with size 1 in its place."""


@_arg_reduce.infer
def _(t, data, *, axis):
    t.require_shape(data)
    if data.shape[axis] == 0 and math.prod(data.shape[:axis] + data.shape[axis + 1 :]):
        t.fail_shape(f"axis {axis} of data {data.shape} is empty: it has no greatest or least element")
    return t.out((*data.shape[:axis], 1, *data.shape[axis + 1 :]), data.dtype)


def _position(F, name, data, axis, keepdims):
    source = F._view(data, shape=(data.size,)) if axis is None else data
    at = 0 if axis is None else normal_axis(name, axis, data.ndim)
    if source.shape[at] == 0:
        msg = f"[{name}] axis {at} of data {data.shape} is empty: it has no greatest or least element"
        raise ShapeError(msg)
    found = F._arg_reduce(source, op=name, axis=at)
    gone = tuple(range(data.ndim)) if axis is None else (at,)
    return found.reshape(reduced_shape(data.shape, gone, keepdims))


@op(method=True, differentiable=False)
def argmax(F, data: Tensor, *, axis: Axis | None = None, keepdims: bool = False) -> Tensor:
    """The position of the greatest element along ``axis`` (of the flattened data without it); the first one wins.

    The result has data's dtype, float32 for float32, as in MXNet 1.x. NaN counts as the greatest.

    >>> mx.nd.argmax(mx.nd.array([[1, 3, 2], [6, 5, 4]]), axis=1).asnumpy().tolist()
    [1.0, 0.0]
    """
    return _position(F, "argmax", data, axis, keepdims)


@op(method=True, differentiable=False)
def argmin(F, data: Tensor, *, axis: Axis | None = None, keepdims: bool = False) -> Tensor:
    """The position of the least element along ``axis``; as argmax otherwise."""
    return _position(F, "argmin", data, axis, keepdims)


@op(method=True, differentiable=False)
def argmax_channel(F, data: Tensor) -> Tensor:
    """The position of the greatest element along axis 1: the predicted class of each row."""
    return F._view(
        F._arg_reduce(data, op="argmax", axis=normal_axis("argmax_channel", 1, data.ndim)),
        shape=(*data.shape[:1], *data.shape[2:]),
    )


@op(pointwise="isfinite", differentiable=False)
def _isfinite(F, data: Tensor) -> Tensor:
    """1 where data is neither NaN nor infinite, else 0."""
