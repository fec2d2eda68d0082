"""Operators that order elements: topk, sort, argsort, over the primitive ``_order``.

Equal elements keep their order, in both directions. NaN comes last, in both directions (MXNet 1.x leaves rows with NaN
in no order). Indices have the type ``dtype``, float32 by default as in MXNet 1.x, where 2**24 + 1 is no number.
"""

from __future__ import annotations

from ..dtypes import INT32, INT64
from ..errors import ParameterError
from ..op import Axis, DType, Enum, Shape, Tensor, op
from ._shapes import normal_axis
from .shape import permuted

# -- primitives, along the last axis ----------------------------------------------------------------------------------


@op
def _order(F, data: Tensor, *, k: int, is_ascend: bool) -> tuple[Tensor, Tensor]:
    """The first k elements of each row of ``data`` in order, and their places in it (int32, or int64 for long rows)."""


@_order.infer
def _(t, data, *, k):
    shape = (*data.shape[:-1], k)
    return t.out(shape, data.dtype), t.out(shape, INT32 if data.shape[-1] < 2**31 else INT64)


@_order.grad
def _(F, dy, y, data):
    return F._put_along(dy[0], y[1], shape=data.shape)


@op
def _put_along(F, data: Tensor, places: Tensor, *, shape: Shape) -> Tensor:
    """Zeros of ``shape`` with data's elements at ``places`` (which differ within a row) of its rows."""


@_put_along.infer
def _(t, data, places, *, shape):
    return t.out(shape, data.dtype)


@_put_along.grad
def _(F, dy, y, data, places, *, shape):
    return F._take_along(dy, places), None


@op
def _take_along(F, data: Tensor, places: Tensor) -> Tensor:
    """The elements of data's rows at ``places`` (which differ within a row)."""


@_take_along.infer
def _(t, data, places):
    return t.out(places.shape, data.dtype)


@_take_along.grad
def _(F, dy, y, data, places):
    return F._put_along(dy, places, shape=data.shape), None


# -- for users --------------------------------------------------------------------------------------------------------


def _to_rows(F, name, data, axis):
    """(data with ``axis`` last, the order of axes that was taken); flattened for None."""
    if axis is None:
        return F._view(data, shape=(data.size,)), (0,)
    at = normal_axis(name, axis, data.ndim)
    order = (*[i for i in range(data.ndim) if i != at], at)
    return permuted(F, data, order), order


def _from_rows(F, rows, order):
    """rows with its axes where they were before _to_rows."""
    return permuted(F, rows, tuple(order.index(i) for i in range(len(order))))


@op(method=True, num_outputs=lambda params: 2 if params["ret_typ"] == "both" else 1)
def topk(
    F,
    data: Tensor,
    *,
    axis: Axis | None = -1,
    k: int = 1,
    ret_typ: Enum("value", "indices", "mask", "both") = "indices",
    is_ascend: bool = False,
    dtype: DType = "float32",
) -> list[Tensor]:
    """The k greatest elements along ``axis`` (least with is_ascend), the first one of equals first; NaN comes last.

    axis: None flattens data.  k: less than 1 means all.  ret_typ: "indices" gives their positions as ``dtype``, "value"
    the elements, "both" a list of values and indices, "mask" ones at their positions and zeros elsewhere in data's
    shape and dtype.  Gradients flow through the values.

    >>> mx.nd.topk(mx.nd.array([[0.3, 0.2, 0.4], [0.1, 0.3, 0.2]]), k=2).asnumpy().tolist()
    [[2.0, 0.0], [1.0, 2.0]]
    """
    rows, order = _to_rows(F, "topk", data, axis)
    size = rows.shape[-1]
    if k > size:
        msg = f"[topk] k must be at most {size}, the number of elements along axis {axis} of {data.shape}, got {k}"
        raise ParameterError(msg)
    values, places = F._order(rows, k=k if k > 0 else size, is_ascend=is_ascend)
    if ret_typ == "mask":
        mask = F._put_along(F.ones(places.shape, data.dtype), places, shape=rows.shape)
        return [_from_rows(F, mask, order).reshape(data.shape)]
    found = []
    if ret_typ != "indices":
        found.append(_from_rows(F, values, order))
    if ret_typ != "value":
        found.append(F._cast(_from_rows(F, places, order), dtype=dtype))
    return found


@op(method=True)
def sort(F, data: Tensor, *, axis: Axis | None = -1, is_ascend: bool = True) -> Tensor:
    """``data`` in ascending order along ``axis`` (descending without is_ascend); None flattens it. NaN comes last.

    >>> mx.nd.sort(mx.nd.array([[1, 4], [3, 1]])).asnumpy().tolist()
    [[1.0, 4.0], [1.0, 3.0]]
    """
    rows, order = _to_rows(F, "sort", data, axis)
    values, _ = F._order(rows, k=rows.shape[-1], is_ascend=is_ascend)
    return _from_rows(F, values, order)


@op(method=True, differentiable=False)
def argsort(F, data: Tensor, *, axis: Axis | None = -1, is_ascend: bool = True, dtype: DType = "float32") -> Tensor:
    """The positions that sort ``data`` along ``axis``: equal elements keep their order, NaN comes last.

    axis: None flattens data.  is_ascend: from the least to the greatest.  dtype: of the positions.

    >>> mx.nd.argsort(mx.nd.array([[0.3, 0.2, 0.4], [0.1, 0.3, 0.2]])).asnumpy().tolist()
    [[1.0, 0.0, 2.0], [0.0, 2.0, 1.0]]
    """
    rows, order = _to_rows(F, "argsort", data, axis)
    _, places = F._order(rows, k=rows.shape[-1], is_ascend=is_ascend)
    return F._cast(_from_rows(F, places, order), dtype=dtype)
