"""Operators that change an array's shape or the order of its axes: reshape, transpose, broadcast, tile, blocks.

Those users see normalise their parameters and are bodies over the primitives ``_transpose`` and mx_core.op.primitives'.
"""

from __future__ import annotations

import math

from ..errors import ParameterError, ShapeError
from ..op import Axes, Axis, Shape, Tensor, op
from ._shapes import normal_axes, normal_axis, reshaped

# -- the primitive ---------------------------------------------------------------------------------------------------


@op
def _transpose(F, data: Tensor, *, axes: Shape) -> Tensor:
    """Axis i of the result is axis ``axes[i]`` of data."""


@_transpose.infer
def _(t, data, *, axes):
    t.require_shape(data)
    return t.out(tuple(data.shape[axis] for axis in axes), data.dtype)


@_transpose.grad
def _(F, dy, y, data, *, axes):
    return F._transpose(dy, axes=tuple(axes.index(axis) for axis in range(len(axes))))


# -- reshape family -------------------------------------------------------------------------------------------------


@op(aliases=["reshape"], method="reshape")
def Reshape(
    F, data: Tensor, *, shape: Shape = (), reverse: bool = False, target_shape: Shape = (), keep_highest: bool = False
) -> Tensor:
    """The elements of ``data`` in another shape.

    shape: sizes, or codes: 0 copies the input's dimension, -1 is inferred, -2 copies all remaining dimensions, -3 is
    the product of two dimensions, -4 splits a dimension into the two sizes that follow.  reverse: match from the
    right.  target_shape, keep_highest: MXNet 0.x's older spelling, where 0 is inferred.
    Raises ShapeError when the number of elements would change (MXNet 1.x reads past the array there).

    >>> mx.nd.ones((2, 3, 4)).reshape((-3, 0)).shape
    (6, 4)
    """
    if not shape and target_shape:
        codes = tuple(size or -1 for size in target_shape)
        shape = (*data.shape[:1], *codes[1:]) if keep_highest else codes
    elif not shape:
        msg = f"[Reshape] shape is required, for example shape=(-1,), got () for data {data.shape}"
        raise ParameterError(msg)
    return F._view(data, shape=reshaped("Reshape", data.shape, shape, reverse))


@op(method=True)
def reshape_like(
    F,
    lhs: Tensor,
    rhs: Tensor,
    *,
    lhs_begin: int | None = None,
    lhs_end: int | None = None,
    rhs_begin: int | None = None,
    rhs_end: int | None = None,
) -> Tensor:
    """lhs in rhs' shape, or with its dimensions [lhs_begin, lhs_end) replaced by rhs' [rhs_begin, rhs_end).

    rhs gives only its shape; its gradient is zero.
    """
    left = slice(*slice(lhs_begin, lhs_end).indices(lhs.ndim))
    right = slice(*slice(rhs_begin, rhs_end).indices(rhs.ndim))
    shape = lhs.shape[: left.start] + rhs.shape[right] + lhs.shape[left.stop :]
    if math.prod(shape) != lhs.size:
        msg = f"[reshape_like] lhs {lhs.shape} has {lhs.size} elements, it cannot take the shape {shape}"
        raise ShapeError(msg)
    return F._view(lhs, shape=shape)


@op(aliases=["flatten"], method="flatten")
def Flatten(F, data: Tensor) -> Tensor:
    """``data`` as a matrix: (n, c, h, w) becomes (n, c * h * w), and (n,) becomes (n, 1)."""
    if not data.ndim:
        msg = "[Flatten] data must have at least one dimension, got ()"
        raise ShapeError(msg)
    return F._view(data, shape=(data.shape[0], math.prod(data.shape[1:])))


@op(method=True)
def expand_dims(F, data: Tensor, *, axis: Axis) -> Tensor:
    """``data`` with a new axis of size 1 at position ``axis`` (of the result; -1 is last)."""
    at = normal_axis("expand_dims", axis, data.ndim + 1)
    return F._view(data, shape=(*data.shape[:at], 1, *data.shape[at:]))


@op(method=True)
def squeeze(F, data: Tensor, *, axis: Axes | None = None) -> Tensor:
    """``data`` without its axes of size 1, or without the given ones, which must have size 1.

    There are no 0-d arrays in MXNet 1.x: squeezing (1, 1) gives (1,).
    """
    if axis is None:
        gone = tuple(i for i, dim in enumerate(data.shape) if dim == 1)
    else:
        gone = normal_axes("squeeze", axis, data.ndim) if axis else ()
        wrong = [i for i in gone if data.shape[i] != 1]
        if wrong:
            msg = f"[squeeze] axis {wrong[0]} must have size 1, got {data.shape[wrong[0]]} in {data.shape}"
            raise ShapeError(msg)
    shape = tuple(dim for i, dim in enumerate(data.shape) if i not in gone)
    return F._view(data, shape=shape or ((1,) if data.ndim else ()))


# -- axes ------------------------------------------------------------------------------------------------------------


@op(method=True)
def transpose(F, data: Tensor, *, axes: Shape = ()) -> Tensor:
    """``data`` with permuted axes: axis i of the result is axis ``axes[i]`` of data; reversed without ``axes``."""
    order = tuple(axes) or tuple(range(data.ndim))[::-1]
    normal = tuple(normal_axis("transpose", axis, data.ndim) for axis in order)
    if sorted(normal) != list(range(data.ndim)):
        msg = f"[transpose] axes must be a permutation of 0..{data.ndim - 1} for data {data.shape}, got {axes}"
        raise ShapeError(msg)
    return permuted(F, data, normal)


def permuted(F, data, order):
    """data with its axes in this (normalised) order; a view when no element moves."""
    moved = [axis for axis in order if data.shape[axis] != 1]
    if moved == sorted(moved):  # only axes of size 1 move: the elements stay in place
        return F._view(data, shape=tuple(data.shape[axis] for axis in order))
    return F._transpose(data, axes=order)


@op(aliases=["swapaxes"], method="swapaxes")
def SwapAxis(F, data: Tensor, *, dim1: int = 0, dim2: int = 0) -> Tensor:
    """``data`` with the axes ``dim1`` and ``dim2`` exchanged."""
    order = list(range(data.ndim))
    a, b = (normal_axis("SwapAxis", axis, data.ndim) for axis in (dim1, dim2))
    order[a], order[b] = b, a
    return permuted(F, data, tuple(order))


@op(aliases=["flip"], method="flip")
def reverse(F, data: Tensor, *, axis: Axes) -> Tensor:
    """``data`` with the order of elements reversed along each given axis."""
    axes = normal_axes("reverse", axis, data.ndim) if axis else ()
    begin = tuple(max(dim - 1, 0) if i in axes else 0 for i, dim in enumerate(data.shape))
    step = tuple(-1 if i in axes else 1 for i in range(data.ndim))
    return F._slice(data, begin=begin, step=step, shape=data.shape)


# -- broadcasting ----------------------------------------------------------------------------------------------------


def _spread(F, name, data, shape):
    for axis, (have, want) in enumerate(zip(data.shape, shape, strict=True)):
        if have not in (want, 1):
            msg = f"[{name}] cannot broadcast {data.shape} to {shape}: axis {axis} has size {have}, not 1 or {want}"
            raise ShapeError(msg)
    return F._broadcast(data, shape=shape)


def _check_ndim(name, data, shape):
    if data.ndim != len(shape):
        msg = f"[{name}] data {data.shape} must have as many dimensions as {shape}. Reshape or expand_dims it first"
        raise ShapeError(msg)


@op(method=True)
def broadcast_to(F, data: Tensor, *, shape: Shape = ()) -> Tensor:
    """``data`` repeated along its axes of size 1 to ``shape``, where 0 keeps data's size."""
    _check_ndim("broadcast_to", data, shape)
    wanted = tuple(want or have for have, want in zip(data.shape, shape, strict=True))
    return _spread(F, "broadcast_to", data, wanted)


@op(method=True)
def broadcast_like(
    F, lhs: Tensor, rhs: Tensor, *, lhs_axes: Axes | None = None, rhs_axes: Axes | None = None
) -> Tensor:
    """lhs repeated along its axes of size 1 to rhs' shape, or on ``lhs_axes`` to rhs' sizes on ``rhs_axes``."""
    if lhs_axes is None or rhs_axes is None:
        _check_ndim("broadcast_like", lhs, rhs.shape)
        return _spread(F, "broadcast_like", lhs, rhs.shape)
    if len(lhs_axes) != len(rhs_axes):
        msg = f"[broadcast_like] lhs_axes and rhs_axes must have one length, got {lhs_axes} and {rhs_axes}"
        raise ParameterError(msg)
    shape = list(lhs.shape)
    for left, right in zip(lhs_axes, rhs_axes, strict=True):
        size = rhs.shape[normal_axis("broadcast_like", right, rhs.ndim)]
        shape[normal_axis("broadcast_like", left, lhs.ndim)] = size
    return _spread(F, "broadcast_like", lhs, tuple(shape))


@op(aliases=["broadcast_axes"], method="broadcast_axes")
def broadcast_axis(F, data: Tensor, *, axis: Axes = (), size: Shape = ()) -> Tensor:
    """``data`` repeated ``size[i]`` times along ``axis[i]``, whose size must be 1."""
    if len(axis) != len(size):
        msg = f"[broadcast_axis] axis and size must have one length, got {axis} and {size}"
        raise ParameterError(msg)
    shape = list(data.shape)
    for at, count in zip(axis, size, strict=True):
        at = normal_axis("broadcast_axis", at, data.ndim)
        if shape[at] != 1:
            msg = f"[broadcast_axis] axis {at} must have size 1, got {shape[at]} in {data.shape}"
            raise ShapeError(msg)
        shape[at] = count
    return _spread(F, "broadcast_axis", data, tuple(shape))


@op(method=True)
def tile(F, data: Tensor, *, reps: Shape) -> Tensor:
    """``data`` repeated ``reps[i]`` times along axis i (aligned on the right, as NumPy's tile)."""
    ndim = max(data.ndim, len(reps))
    shape = (1,) * (ndim - data.ndim) + data.shape
    times = (1,) * (ndim - len(reps)) + tuple(reps)
    if any(count < 0 for count in reps):
        msg = f"[tile] reps must be >= 0, got {reps}"
        raise ParameterError(msg)
    source = tuple(size for dim in shape for size in (1, dim))
    target = tuple(size for dim, count in zip(shape, times, strict=True) for size in (count, dim))
    wide = F._broadcast(F._view(data, shape=source), shape=target)
    return F._view(wide, shape=tuple(dim * count for dim, count in zip(shape, times, strict=True)))


@op(method=True)
def repeat(F, data: Tensor, *, repeats: int, axis: Axis | None = None) -> Tensor:
    """Each element of ``data`` ``repeats`` times along ``axis``; the flattened data without ``axis``."""
    if repeats < 0:
        msg = f"[repeat] repeats must be >= 0, got {repeats}"
        raise ParameterError(msg)
    shape = (data.size,) if axis is None else data.shape
    at = 0 if axis is None else normal_axis("repeat", axis, data.ndim)
    thin = F._view(data, shape=(*shape[: at + 1], 1, *shape[at + 1 :]))
    wide = F._broadcast(thin, shape=(*shape[: at + 1], repeats, *shape[at + 1 :]))
    return F._view(wide, shape=(*shape[:at], shape[at] * repeats, *shape[at + 1 :]))


# -- blocks ----------------------------------------------------------------------------------------------------------


def _image_shape(name, data, block_size, divide_channels):
    if data.ndim != 4 or block_size < 1:
        msg = f"[{name}] data must be (n, c, h, w) and block_size >= 1, got {data.shape} and {block_size}"
        raise ShapeError(msg)
    n, c, h, w = data.shape
    if (divide_channels and c % block_size**2) or (not divide_channels and (h % block_size or w % block_size)):
        what = f"c = {c} by block_size**2" if divide_channels else f"h = {h} and w = {w} by block_size"
        msg = f"[{name}] block_size {block_size} must divide {what}"
        raise ShapeError(msg)
    return n, c, h, w


@op(method=True)
def depth_to_space(F, data: Tensor, *, block_size: int) -> Tensor:
    """(n, c, h, w) to (n, c / b^2, h * b, w * b): groups of channels become blocks of pixels."""
    n, c, h, w = _image_shape("depth_to_space", data, block_size, True)
    b = block_size
    parts = F._view(data, shape=(n, b, b, c // b**2, h, w))
    moved = F._transpose(parts, axes=(0, 3, 4, 1, 5, 2))
    return F._view(moved, shape=(n, c // b**2, h * b, w * b))


@op(method=True)
def space_to_depth(F, data: Tensor, *, block_size: int) -> Tensor:
    """(n, c, h, w) to (n, c * b^2, h / b, w / b): blocks of pixels become groups of channels."""
    n, c, h, w = _image_shape("space_to_depth", data, block_size, False)
    b = block_size
    parts = F._view(data, shape=(n, c, h // b, b, w // b, b))
    moved = F._transpose(parts, axes=(0, 3, 5, 1, 2, 4))
    return F._view(moved, shape=(n, c * b**2, h // b, w // b))


@op(method=True, differentiable=False)
def shape_array(F, data: Tensor) -> Tensor:
    """data's shape as an int64 array of length ndim."""
    if not data.ndim:
        return F.zeros((0,), "int64")
    return F._concat(*[F.full((1,), dim, "int64") for dim in data.shape], axis=0)


@op(method=True, differentiable=False)
def size_array(F, data: Tensor) -> Tensor:
    """data's number of elements as an int64 array of shape (1,)."""
    return F.full((1,), data.size, "int64")
