"""The primitives that the compiler itself knows: views, constants, casts, broadcasts, copies and reductions.

Definitions in mx_core.ops and in plug-ins are compositions of these and of kernels. Their names begin with an
underscore: ``F._reduce(x, op="sum", axes=(0,))``, ``F._view(x, shape=...)``, ``F._cast(x, dtype=...)``.
"""

from __future__ import annotations

from .definition import Tensor, op
from .params import Axes, DType, Enum, Runtime, Shape

__all__ = ["BROADCAST", "CAST", "COPY", "FULL", "REDUCE", "VIEW"]


@op(view=True)
def _view(F, data: Tensor, *, shape: Shape) -> Tensor:
    """data with another shape of the same size: the same memory, no copy. Every size in shape is given."""


@_view.infer
def _(t, data, *, shape):
    if data.shape is not None and t.product(data.shape) not in (-1, t.product(shape)):
        t.fail_shape(f"cannot reshape {data.shape} ({t.product(data.shape)} elements) to {shape}")
    return t.out(shape, data.dtype)


@_view.grad
def _(F, dy, y, data, *, shape):
    return F._view(dy, shape=data.shape)


@op(pointwise="copy")
def _full(F, *, shape: Shape, dtype: DType = "float32", value: Runtime[float]) -> Tensor:
    """An array of shape and dtype filled with value."""


@_full.infer
def _(t, *, shape, dtype):
    return t.out(shape, dtype)


@_full.grad
def _(F, dy, y):
    return ()


@op(pointwise="cast")
def _cast(F, data: Tensor, *, dtype: DType) -> Tensor:
    """data converted to dtype; to bool: data != 0; float to integer truncates toward zero."""


@_cast.infer
def _(t, data, *, dtype):
    return t.out(data.shape, dtype)


@_cast.grad
def _(F, dy, y, data):
    return F._cast(dy, dtype=data.dtype)


@op(pointwise="copy")
def _broadcast(F, data: Tensor, *, shape: Shape) -> Tensor:
    """data repeated to shape by NumPy's rules."""


@_broadcast.infer
def _(t, data, *, shape):
    if data.shape is not None and t.broadcast_shapes(data.shape, shape) != shape:
        t.fail_shape(f"cannot broadcast {data.shape} to {shape}")
    return t.out(shape, data.dtype)


@_broadcast.grad
def _(F, dy, y, data):
    return F._sum_to(dy, data.shape)


@op
def _copy(F, data: Tensor) -> Tensor:
    """data in memory of its own."""


@_copy.infer
def _(t, data):
    return t.like(data)


@_copy.grad
def _(F, dy, y, data):
    return dy


@op
def _reduce(
    F,
    data: Tensor,
    *,
    op: Enum("sum", "mean", "prod", "max", "min", "nansum", "nanprod") = "sum",  # type: ignore[valid-type]
    axes: Axes | None = None,
    keepdims: bool = False,
    dtype: DType | None = None,
) -> Tensor:
    """Reduce over axes (None: all; normalised or negative; () reduces nothing), in dtype (default: data's).

    A pointwise producer of data is computed inside of the reduction, so F._reduce(a * b) writes no product.
    """


@_reduce.infer
def _(t, data, *, axes, keepdims, dtype):
    t.require_shape(data)
    gone = range(len(data.shape)) if axes is None else [t.axis(axis, len(data.shape)) for axis in axes]
    return t.out(t.reduced(data.shape, gone, keepdims), data.dtype if dtype is None else dtype)


@_reduce.lower
def _(in_types, out_types, *, op, axes):
    ndim = len(in_types[0][1])
    return {"op": op, "axes": tuple(range(ndim)) if axes is None else tuple(sorted(axis % ndim for axis in axes))}


@_reduce.grad
def _(F, dy, y, data, *, op, axes):
    shape = data.shape
    ndim = len(shape)
    gone = range(ndim) if axes is None else [axis % ndim for axis in axes]
    kept = tuple([1 if i in gone else dim for i, dim in enumerate(shape)])
    spread = F._cast(F._view(dy, shape=kept), dtype=data.dtype)
    if op == "sum":
        return F._broadcast(spread, shape=shape)
    if op == "mean":
        count = 1
        for axis in gone:
            count *= shape[axis]
        return F._broadcast(spread / max(count, 1), shape=shape)
    result = F._cast(F._view(y, shape=kept), dtype=data.dtype)
    if op in ("max", "min"):
        # MXNet gives the gradient to every element that equals the extreme.
        return spread * F._cast(F.broadcast_equal(data, result), dtype=data.dtype)
    if op == "prod":
        return spread * result / data
    present = F._cast(F.broadcast_equal(data, data), dtype=data.dtype)
    return spread * present if op == "nansum" else spread * result / data * present


VIEW, FULL, CAST, BROADCAST, COPY, REDUCE = _view, _full, _cast, _broadcast, _copy, _reduce
