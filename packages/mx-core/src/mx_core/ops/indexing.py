"""Operators that look elements up: take, pick, one_hot, Embedding, gather_nd, batch_take.

Indices may have any element type; fractions are cut off. Out of range they are clipped or wrapped (``mode``).
Gradients flow to the data only.
"""

from __future__ import annotations

import math

from ..dtypes import FLOAT32
from ..errors import ParameterError, ShapeError
from ..op import Axis, DType, Enum, NonNegative, Positive, Shape, Tensor, op
from ._shapes import COMPOSED, normal_axis
from .linear import check_types

_Mode = Enum("clip", "wrap")


@op(method=True)
def take(F, a: Tensor, indices: Tensor, *, axis: Axis = 0, mode: Enum("clip", "wrap", "raise") = "clip") -> Tensor:
    """Elements of ``a`` at ``indices`` along ``axis``, whose place the shape of indices takes.

    mode: indices out of range are clipped to the ends, wrapped around, or raise when the result is read.

    >>> mx.nd.take(mx.nd.array([[1, 2], [3, 4]]), mx.nd.array([1, 0, 5])).asnumpy().tolist()
    [[3.0, 4.0], [1.0, 2.0], [3.0, 4.0]]
    """


@take.infer
def _(t, a, indices, *, axis, mode):
    if a.shape is None or indices.shape is None:
        return t.out(None, a.dtype)
    at = t.axis(axis, len(a.shape))
    if a.shape[at] == 0 and 0 not in indices.shape:
        t.fail_shape(f"axis {at} of a {a.shape} is empty: there is nothing to take")
    return t.out((*a.shape[:at], *indices.shape, *a.shape[at + 1 :]), a.dtype)


@take.lower
def _(in_types, out_types, *, axis, mode):
    return {"axis": axis % max(len(in_types[0][1]), 1), "mode": mode}


@take.grad
def _(F, dy, y, a, indices, *, axis, mode):
    return F._take_backward(dy, indices, axis=axis % max(a.ndim, 1), mode=mode, shape=a.shape), None


@op
def _take_backward(F, data: Tensor, indices: Tensor, *, axis: int, mode: str, shape: Shape) -> Tensor:
    """Zeros of ``shape`` to which data's slices are added at ``indices`` along ``axis``."""


@_take_backward.infer
def _(t, data, indices, *, shape):
    return t.out(shape, data.dtype)


@_take_backward.grad
def _(F, dy, y, data, indices, *, axis, mode):
    return F.take(dy, indices, axis=axis, mode=mode), None


@op(aliases=["choose_element_0index"], method="pick", kernel=COMPOSED)
def pick(
    F, data: Tensor, index: Tensor, *, axis: Axis | None = -1, keepdims: bool = False, mode: _Mode = "clip"
) -> Tensor:
    """One element of each line of ``data`` along ``axis``: ``data[i, index[i]]`` for a matrix.

    index: data's shape without ``axis``, or with size 1 there.  keepdims: leave size 1 in its place.
    """
    if axis is None:
        msg = "[pick] axis must be an int, got None"
        raise ParameterError(msg)
    at = normal_axis("pick", axis, data.ndim)
    kept = (*data.shape[:at], 1, *data.shape[at + 1 :])
    dropped = data.shape[:at] + data.shape[at + 1 :]
    if index.shape not in (kept, dropped) and not (data.ndim == 1 and index.shape == (1,)):
        msg = f"[pick] index must have shape {dropped} or {kept} for data {data.shape} and axis {at}, got {index.shape}"
        raise ShapeError(msg)
    picked = F._pick(data, index.reshape(kept), axis=at, mode=mode)
    return picked if keepdims else picked.reshape(dropped or (1,))


@op(kernel="pick")
def _pick(F, data: Tensor, index: Tensor, *, axis: int, mode: str) -> Tensor:
    """pick with index of data's shape but size 1 on ``axis``."""


@_pick.infer
def _(t, data, index, *, axis):
    t.require_shape(data, index)
    if data.shape[axis] == 0 and 0 not in index.shape:
        t.fail_shape(f"axis {axis} of data {data.shape} is empty: there is nothing to pick")
    return t.out(index.shape, data.dtype)


@_pick.grad
def _(F, dy, y, data, index, *, axis, mode):
    return F._pick_backward(dy, index, axis=axis, mode=mode, shape=data.shape), None


@op
def _pick_backward(F, data: Tensor, index: Tensor, *, axis: int, mode: str, shape: Shape) -> Tensor:
    """Zeros of ``shape`` with data's elements at ``index`` along ``axis``."""


@_pick_backward.infer
def _(t, data, index, *, shape):
    return t.out(shape, data.dtype)


@_pick_backward.grad
def _(F, dy, y, data, index, *, axis, mode):
    return F._pick(dy, index, axis=axis, mode=mode), None


@op(method=True, differentiable=False)
def one_hot(
    F,
    indices: Tensor,
    *,
    depth: NonNegative[int],
    on_value: float = 1.0,
    off_value: float = 0.0,
    dtype: DType = "float32",
) -> Tensor:
    """``on_value`` at position indices[i] of a new last axis of size ``depth``, ``off_value`` elsewhere.

    An index out of range gives a line of ``off_value`` only.

    >>> mx.nd.one_hot(mx.nd.array([0, 2, 5]), 3).asnumpy().tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """


@one_hot.infer
def _(t, indices, *, depth, dtype):
    return t.out(None if indices.shape is None else (*indices.shape, depth), dtype)


@op
def Embedding(
    F,
    data: Tensor,
    weight: Tensor,
    *,
    input_dim: Positive[int],
    output_dim: Positive[int],
    dtype: DType = "float32",
    sparse_grad: bool = False,
) -> Tensor:
    """Rows of ``weight`` at the indices ``data``, clipped to [0, input_dim): shape (*data.shape, output_dim).

    weight: (input_dim, output_dim).  dtype: the type of a weight that is not made yet.  sparse_grad: accepted; the
    gradient is dense.
    """
    check_types(Embedding, data, weight, input_dim=input_dim, output_dim=output_dim, dtype=dtype)
    return F.take(weight, data, axis=0, mode="clip")


@Embedding.infer
def _(t, data, weight, *, input_dim, output_dim, dtype):
    t.unify_shape(weight, (input_dim, output_dim), "(input_dim, output_dim)")
    if weight.dtype is None:
        t.unify_dtype(weight, FLOAT32 if dtype is None else dtype)
    return t.out(None if data.shape is None else (*data.shape, output_dim), weight.dtype)


@op
def batch_take(F, a: Tensor, indices: Tensor) -> Tensor:
    """``a[i, indices[i]]``: one element of each row of a matrix."""
    if a.ndim != 2 or indices.size != a.shape[0]:
        msg = f"[batch_take] a must be a matrix and indices have one entry for each row, got {a.shape}, {indices.shape}"
        raise ShapeError(msg)
    return F.pick(a, indices.reshape((a.shape[0],)), axis=1)


# -- several axes at once --------------------------------------------------------------------------------------------


def _flat_index(F, name, indices, shape):
    """Positions in a row-major array of ``shape`` of the columns of ``indices`` (m, ...); negative ones count back."""
    flat = None
    for i, dim in enumerate(shape):
        row = F._cast(F._slice(
            indices, begin=(i,) + (0,) * (indices.ndim - 1), step=(1,) * indices.ndim, shape=(1, *indices.shape[1:])
        ), dtype="int64")  # fmt: skip
        row = F._select(row < 0.0, row + float(dim), row)
        flat = row if flat is None else flat * float(dim) + row
    if flat is None:
        msg = f"[{name}] indices must have at least one row, got {indices.shape}"
        raise ShapeError(msg)
    return F._view(flat, shape=indices.shape[1:] or (1,))


@op
def gather_nd(F, data: Tensor, indices: Tensor) -> Tensor:
    """``data[indices[0], indices[1], ...]``: indices (m, ...) index the first m axes of data."""
    m = indices.shape[0] if indices.ndim else 0
    if not 0 < m <= data.ndim:
        msg = f"[gather_nd] indices.shape[0] must be in [1, {data.ndim}] for data {data.shape}, got {indices.shape}"
        raise ShapeError(msg)
    lead = data.shape[:m]
    flat = _flat_index(F, "gather_nd", indices, lead)
    return F.take(F._view(data, shape=(math.prod(lead), *data.shape[m:])), flat, axis=0, mode="clip")


@op
def scatter_nd(F, data: Tensor, indices: Tensor, *, shape: Shape) -> Tensor:
    """Zeros of ``shape`` with data's elements at ``indices`` (m, ...); those of equal indices are added."""
    m = indices.shape[0] if indices.ndim else 0
    if not 0 < m <= len(shape) or data.shape != indices.shape[1:] + shape[m:]:
        msg = (
            f"[scatter_nd] data must have shape indices.shape[1:] + shape[m:] = {indices.shape[1:] + shape[m:]} with "
            f"m = {m} = indices.shape[0], got {data.shape}"
        )
        raise ShapeError(msg)
    lead = math.prod(shape[:m])
    flat = _flat_index(F, "scatter_nd", indices, shape[:m])
    rows = F._take_backward(data, flat, axis=0, mode="clip", shape=(lead, *shape[m:]))
    return F._view(rows, shape=shape)
