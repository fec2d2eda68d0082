"""Operators that compute with indices and store at them: (un)ravel_index, index_copy, index_array, arange_like, ..."""

from __future__ import annotations

import math

from ..errors import ParameterError, ShapeError
from ..op import Axes, Axis, Positive, Shape, Tensor, op
from ._shapes import normal_axis
from .indexing import _flat_index

_MAX = 2**63

# -- flat and multi-dimensional indices -------------------------------------------------------------------------------


def _index_shape(name, shape, data):
    """shape with its first size unknown allowed: it never matters."""
    if not shape:
        msg = f"[{name}] shape is required, for example shape=(7, 6), got {shape}"
        raise ParameterError(msg)
    if any(size < 1 for size in shape[1:]) or math.prod(shape[1:]) >= _MAX or shape[0] < -1:
        msg = f"[{name}] shape must have sizes > 0 (-1 for the first one means any), got {shape}"
        raise ParameterError(msg)
    if shape[0] == 0 and data.size:
        msg = f"[{name}] an array of shape {shape} has no elements to index, got {data.size} indices"
        raise ShapeError(msg)
    return shape


@op(aliases=["unravel_index"], differentiable=False)
def _unravel_index(F, data: Tensor, *, shape: Shape | None = None) -> Tensor:
    """The multi-dimensional indices of flat indices into an array of ``shape``: (len(shape), *data.shape).

    data: flat indices.  What is beyond the array gets a first index beyond its size, as in MXNet 1.x.

    >>> mx.nd.unravel_index(mx.nd.array([22, 41, 37]), shape=(7, 6)).asnumpy().tolist()
    [[3.0, 6.0, 6.0], [4.0, 5.0, 1.0]]
    """
    sizes = _index_shape("unravel_index", shape, data)
    rest = F._cast(data, dtype="int64")
    rows = []
    for size in sizes[:0:-1]:
        above = rest / float(size)
        rows.append(rest - above * float(size))
        rest = above
    rows.append(rest)
    parts = [F._view(row, shape=(1, *data.shape)) for row in rows[::-1]]
    return F._cast(F._concat(*parts, axis=0), dtype=data.dtype)


@op(aliases=["ravel_multi_index"], differentiable=False)
def _ravel_multi_index(F, data: Tensor, *, shape: Shape | None = None) -> Tensor:
    """The flat indices of multi-dimensional ones into an array of ``shape``, without checking them.

    data: (len(shape), n), a column for each index.

    >>> mx.nd.ravel_multi_index(mx.nd.array([[3, 6, 6], [4, 5, 1]]), shape=(7, 6)).asnumpy().tolist()
    [22.0, 41.0, 37.0]
    """
    sizes = _index_shape("ravel_multi_index", shape, data)
    if data.ndim != 2 or data.shape[0] != len(sizes):
        msg = f"[ravel_multi_index] data must have shape ({len(sizes)}, n) for shape {shape}, got {data.shape}"
        raise ShapeError(msg)
    wide = F._cast(data, dtype="int64")
    flat = None
    for i, size in enumerate(sizes):
        row = F._slice(wide, begin=(i, 0), step=(1, 1), shape=(1, data.shape[1]))
        flat = row if flat is None else flat * float(size) + row
    return F._cast(F._view(flat, shape=(data.shape[1],)), dtype=data.dtype)


@op(name="_contrib_index_array", differentiable=False)
def index_array(F, data: Tensor, *, axes: Axes | None = None) -> Tensor:
    """The index of each element of ``data`` as int64: (*data.shape, ndim), or only its entries ``axes``.

    >>> mx.nd.contrib.index_array(mx.nd.ones((2, 2))).asnumpy().tolist()
    [[[0, 0], [0, 1]], [[1, 0], [1, 1]]]
    """
    chosen = (
        range(data.ndim) if axes is None else [normal_axis("_contrib_index_array", axis, data.ndim) for axis in axes]
    )
    if not chosen:
        return F.zeros((*data.shape, 0), "int64")
    parts = []
    for axis in chosen:
        size = data.shape[axis]
        line = F._range(start=0.0, step=1.0, repeat=1, count=size, dtype="int64")
        thin = F._view(line, shape=tuple(size if i == axis else 1 for i in range(data.ndim)))
        parts.append(F._view(F._broadcast(thin, shape=data.shape), shape=(*data.shape, 1)))
    return F._concat(*parts, axis=data.ndim)


@op(name="_contrib_arange_like", differentiable=False)
def arange_like(
    F, data: Tensor, *, start: float = 0.0, step: float = 1.0, repeat: Positive[int] = 1, axis: Axis | None = None
) -> Tensor:
    """start, start + step, ..., each ``repeat`` times, in data's shape and dtype, or as many as its ``axis`` is long.

    >>> mx.nd.contrib.arange_like(mx.nd.ones((2, 3)), start=1).asnumpy().tolist()
    [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    """
    if not (math.isfinite(start) and math.isfinite(step)):
        msg = f"[_contrib_arange_like] start and step must be finite, got {start}, {step}"
        raise ParameterError(msg)
    shape = data.shape if axis is None else (data.shape[normal_axis("_contrib_arange_like", axis, data.ndim)],)
    size = math.prod(shape)
    if repeat >= size:
        return F.full(shape, start, data.dtype)
    numbers = F._range(start=start, step=step, repeat=repeat, count=-(-size // repeat), dtype=data.dtype)
    return F._view(F._slice(numbers, begin=(0,), step=(1,), shape=(size,)), shape=shape)


# -- storing ----------------------------------------------------------------------------------------------------------


@op
def _put_rows(F, data: Tensor, index: Tensor, rows: Tensor) -> Tensor:
    """data with rows[i] stored at data[index[i]], one after the other. index: int64; out of range it fails the call."""


@_put_rows.infer
def _(t, data, index, rows):
    return t.out(data.shape, t.same_dtype(data, rows))


@_put_rows.grad
def _(F, dy, y, data, index, rows):
    kept = F._put_rows(dy, index, F.zeros(rows.shape, dy.dtype))
    return kept, None, F.take(dy, index, axis=0, mode="clip")


@op(name="_contrib_index_copy")
def index_copy(F, old_tensor: Tensor, index_vector: Tensor, new_tensor: Tensor) -> Tensor:
    """old_tensor with the rows ``index_vector`` replaced by those of new_tensor; of equal indices the last one stays.

    old_tensor: (n, ...).  index_vector: (m,) of any type, in [0, n): another index raises when the result is read.
    new_tensor: (m, ...).

    >>> mx.nd.contrib.index_copy(mx.nd.zeros((3, 1)), mx.nd.array([2, 0]), mx.nd.array([[5], [6]])).asnumpy().tolist()
    [[6.0], [0.0], [5.0]]
    """
    if index_vector.ndim != 1 or not old_tensor.ndim:
        msg = (
            "[_contrib_index_copy] index_vector must have one dimension and old_tensor at least one, got "
            f"{index_vector.shape} and {old_tensor.shape}"
        )
        raise ShapeError(msg)
    wanted = (*index_vector.shape, *old_tensor.shape[1:])
    if new_tensor.shape != wanted:
        msg = (
            f"[_contrib_index_copy] new_tensor must have a row of old_tensor {old_tensor.shape} for each index: {wanted}, "
            f"got {new_tensor.shape}"
        )
        raise ShapeError(msg)
    return F._put_rows(old_tensor, F._cast(index_vector, dtype="int64"), new_tensor)


@op
def _scatter_set_nd(F, lhs: Tensor, rhs: Tensor, indices: Tensor, *, shape: Shape) -> Tensor:
    """lhs with rhs' elements stored at ``indices`` (m, ...): ``lhs[indices[0], indices[1], ...] = rhs``.

    shape: lhs' shape.  rhs: (*indices.shape[1:], *shape[m:]).
    """
    m = indices.shape[0] if indices.ndim else 0
    if shape != lhs.shape or not 0 < m <= lhs.ndim:
        msg = (
            f"[_scatter_set_nd] needs shape = lhs' {lhs.shape} and indices (1 to {lhs.ndim}, ...), got {shape} and "
            f"{indices.shape}"
        )
        raise ShapeError(msg)
    if rhs.shape != indices.shape[1:] + shape[m:] and not (indices.ndim == 1 and rhs.shape == (1, *shape[m:])):
        msg = f"[_scatter_set_nd] rhs must have shape {indices.shape[1:] + shape[m:]}, got {rhs.shape}"
        raise ShapeError(msg)
    flat = _flat_index(F, "_scatter_set_nd", indices, shape[:m])
    rows = F._put_rows(
        F._view(lhs, shape=(math.prod(shape[:m]), *shape[m:])),
        F._view(flat, shape=(flat.size,)),
        F._view(rhs, shape=(flat.size, *shape[m:])),
    )
    return F._view(rows, shape=shape)


@op
def fill_element_0index(F, lhs: Tensor, mhs: Tensor, rhs: Tensor) -> Tensor:
    """The matrix lhs with ``lhs[i, rhs[i]] = mhs[i]``; an index out of range stores nothing.

    lhs: (n, k).  mhs, rhs: (n,).
    """
    if lhs.ndim != 2 or mhs.shape != lhs.shape[:1] or rhs.shape != lhs.shape[:1]:
        msg = (
            "[fill_element_0index] lhs must be a matrix and mhs and rhs vectors with an entry for each row, got "
            f"{lhs.shape}, {mhs.shape}, {rhs.shape}"
        )
        raise ShapeError(msg)
    chosen = F.one_hot(rhs, depth=lhs.shape[1], dtype=lhs.dtype)
    return F._where(chosen, F._view(mhs, shape=(*mhs.shape, 1)), lhs)


@op(differentiable=False)
def _onehot_encode(F, lhs: Tensor, rhs: Tensor) -> Tensor:
    """one_hot of the indices lhs (n,) in the shape (n, k) and dtype of rhs."""
    if rhs.ndim != 2 or lhs.shape != rhs.shape[:1]:
        msg = f"[_onehot_encode] lhs must have shape (n,) and rhs (n, k), got {lhs.shape} and {rhs.shape}"
        raise ShapeError(msg)
    return F.one_hot(lhs, depth=rhs.shape[1], dtype=rhs.dtype)
