"""Operators without inputs: _zeros, _ones, _full (in mx_core.op.primitives), _arange, _linspace, _eye."""

from __future__ import annotations

import math

from ..errors import ParameterError, ShapeError
from ..op import DType, NonNegative, Positive, Shape, Tensor, op
from ._shapes import COMPOSED


def _array_shape(name, shape):
    if any(dim < 0 for dim in shape):
        msg = f"[{name}] shape must have sizes >= 0, got {shape}"
        raise ShapeError(msg)
    return shape


@op
def _zeros(F, *, shape: Shape = (), dtype: DType = "float32") -> Tensor:
    """Zeros of this shape and dtype."""
    return F.full(_array_shape("_zeros", shape), 0.0, dtype)


@op
def _zeros_without_dtype(F, *, shape: Shape = (), dtype: int = -1) -> Tensor:
    """Zeros of this shape; dtype is a type flag, -1 for float32."""
    return F.full(_array_shape("_zeros", shape), 0.0, 0 if dtype == -1 else dtype)


@op
def _ones(F, *, shape: Shape = (), dtype: DType = "float32") -> Tensor:
    """Ones of this shape and dtype."""
    return F.full(_array_shape("_ones", shape), 1.0, dtype)


@op(kernel="_arange", differentiable=False)
def _range(F, *, start: float, step: float, repeat: Positive[int], count: NonNegative[int], dtype: DType) -> Tensor:
    """``count`` numbers start, start + step, ..., each ``repeat`` times."""


@_range.infer
def _(t, *, repeat, count, dtype):
    return t.out((count * repeat,), dtype)


@op(kernel=COMPOSED)
def _arange(
    F,
    *,
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: Positive[int] = 1,
    infer_range: bool = False,
    dtype: DType = "float32",
) -> Tensor:
    """start, start + step, ... below ``stop`` (above it for a negative step), each ``repeat`` times.

    Without stop the numbers go from 0 to start, as in Python's range. infer_range: accepted for MXNet's programs.
    """
    begin, end = (0.0, start) if stop is None else (start, stop)
    if step == 0.0 or not all(map(math.isfinite, (begin, end, step))):
        msg = f"[_arange] start, stop and step must be finite and step not 0, got {begin}, {end}, {step}"
        raise ParameterError(msg)
    return F._range(start=begin, step=step, repeat=repeat, count=max(0, math.ceil((end - begin) / step)), dtype=dtype)


@op
def _linspace(
    F, *, start: float, stop: float, num: NonNegative[int] = 50, endpoint: bool = True, dtype: DType = "float32"
) -> Tensor:
    """``num`` evenly spaced numbers from start to stop; stop itself only with endpoint."""
    gaps = num - 1 if endpoint else num
    return F._range(start=start, step=(stop - start) / max(gaps, 1), repeat=1, count=num, dtype=dtype)


@op(differentiable=False)
def _eye(F, *, N: NonNegative[int], M: NonNegative[int] = 0, k: int = 0, dtype: DType = "float32") -> Tensor:
    """An (N, M) matrix with ones on diagonal k (0 is the main one, 1 above it); M = 0 means N."""


@_eye.infer
def _(t, *, N, M, dtype):
    return t.out((N, M or N), dtype)


@_eye.lower
def _(in_types, out_types, *, k):
    return {"k": k}
