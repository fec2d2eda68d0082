"""Operators that accumulate and compare: cumsum, histogram, allclose."""

from __future__ import annotations

import math

from ..dtypes import INT64
from ..errors import ParameterError, ShapeError
from ..op import Axis, DType, Floats, Tensor, op
from ._shapes import normal_axis


@op
def _cumsum(F, data: Tensor, *, axis: int, reverse: bool) -> Tensor:
    """The sums of the elements up to each one along ``axis``, or from each one on with reverse."""


@_cumsum.infer
def _(t, data):
    return t.like(data)


@_cumsum.grad
def _(F, dy, y, data, *, axis, reverse):
    return F._cumsum(dy, axis=axis, reverse=not reverse)


@op(name="_np_cumsum", aliases=["cumsum"])
def cumsum(F, a: Tensor, *, axis: Axis | None = None, dtype: DType | None = None) -> Tensor:
    """The cumulative sum along ``axis``, or of the flattened array without it.

    dtype: what is summed, a's type by default; float16 is summed in float32.

    >>> mx.nd.cumsum(mx.nd.array([[1, 2], [3, 4]]), axis=0).asnumpy().tolist()
    [[1.0, 2.0], [4.0, 6.0]]
    """
    data = a if dtype is None else F._cast(a, dtype=dtype)
    if axis is None:
        return F._cumsum(F._view(data, shape=(data.size,)), axis=0, reverse=False)
    return F._cumsum(data, axis=normal_axis("cumsum", axis, data.ndim), reverse=False)


@op(differentiable=False)
def _count_in_bins(F, data: Tensor, edges: Tensor) -> Tensor:
    """The number of elements between neighbouring edges (float64), the last one included, as int64."""


@_count_in_bins.infer
def _(t, data, edges):
    return t.out((edges.shape[0] - 1,), INT64)


@op(differentiable=False)
def _histogram(
    F, data: Tensor, bins: Tensor | None = None, *, bin_cnt: int | None = None, range: Floats | None = None
) -> tuple[Tensor, Tensor]:
    """(counts, edges): how many elements of ``data`` are in each bin, as int64, and the bins' edges in data's dtype.

    bins: rising edges.  bin_cnt, range: or this many bins of one width over range = (low, high). A bin contains its lower
    edge, the last one both. NaN and what is outside of all bins are not counted.
    """
    if (bins is None) == (bin_cnt is None):
        msg = "[_histogram] expects either the input bins or the parameter bin_cnt"
        raise ParameterError(msg)
    if bins is not None:
        if bins.ndim != 1 or bins.shape[0] < 2:
            msg = f"[_histogram] bins must hold at least two edges in one dimension, got {bins.shape}"
            raise ShapeError(msg)
        return F._count_in_bins(data, F._cast(bins, dtype="float64")), F._copy(bins)
    if bin_cnt < 1 or range is None or len(range) != 2 or not (-math.inf < range[0] < range[1] < math.inf):
        msg = f"[_histogram] bin_cnt must be > 0 and range (low, high) with low < high, got {bin_cnt} and {range}"
        raise ParameterError(msg)
    low, high = range
    lower = F._range(start=low, step=(high - low) / bin_cnt, repeat=1, count=bin_cnt, dtype="float64")
    edges = F._concat(lower, F.full((1,), high, "float64"), axis=0)
    return F._count_in_bins(data, edges), F._cast(edges, dtype=data.dtype)


@op(name="_contrib_allclose", differentiable=False)
def allclose(F, a: Tensor, b: Tensor, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = True) -> Tensor:
    """1 where ``|a - b| <= atol + rtol |b|`` for all elements, else 0; uint8 of shape ().

    equal_nan: NaN equals NaN.  Infinities equal those of their sign (any infinity, in MXNet 1.x).
    """
    if a.shape != b.shape:
        msg = f"[_contrib_allclose] a and b must have one shape, got {a.shape} and {b.shape}"
        raise ShapeError(msg)
    if a.dtype != b.dtype:
        b = F._cast(b, dtype=a.dtype)
    wide_a, wide_b = F._cast(a, dtype="float64"), F._cast(b, dtype="float64")
    near = F.abs(wide_a - wide_b) <= F.abs(wide_b) * rtol + atol
    same = F._where(F._isfinite(wide_a) * F._isfinite(wide_b), near, wide_a == wide_b)
    if equal_nan:
        same = same + (wide_a != wide_a) * (wide_b != wide_b)
    apart = F._reduce(same == 0.0, op="sum", axes=tuple(range(a.ndim)))
    return F._cast((apart == 0.0).reshape(()), dtype="uint8")
