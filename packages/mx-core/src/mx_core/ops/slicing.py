"""Operators that cut arrays and put them together: concat, stack, split, slice, pad, diag.

Those users see normalise their parameters and are bodies over the primitives ``_concat``, ``_slice`` and their kin.
"""

from __future__ import annotations

from ..errors import ParameterError, ShapeError
from ..op import Axes, Axis, Enum, NonNegative, Positive, Shape, Tensor, op
from ..op.params import OptionalInts
from ._shapes import COMPOSED, broadcast_shape, normal_axis, slice_bounds, split_bounds
from .shape import permuted

# -- primitives: every parameter is complete and normalised ---------------------------------------------------------


@op
def _concat(F, data: list[Tensor], *, axis: int) -> Tensor:
    """The arrays one after another along ``axis``."""


@_concat.infer
def _(t, data, *, axis):
    t.require_shape(*data)
    shape = list(data[0].shape)
    shape[axis] = sum(item.shape[axis] for item in data)
    return t.out(tuple(shape), t.same_dtype(*data))


@_concat.grad
def _(F, dy, y, data, *, axis):
    grads = []
    begin = 0
    for item in data:
        start = tuple(begin if i == axis else 0 for i in range(item.ndim))
        grads.append(F._slice(dy, begin=start, step=(1,) * item.ndim, shape=item.shape))
        begin += item.shape[axis]
    return tuple(grads)


@op
def _slice(F, data: Tensor, *, begin: Shape, step: Shape, shape: Shape) -> Tensor:
    """Element i of the result along an axis is element ``begin + i * step`` of data."""


@_slice.infer
def _(t, data, *, shape):
    return t.out(shape, data.dtype)


@_slice.grad
def _(F, dy, y, data, *, begin, step, shape):
    return F._slice_backward(dy, begin=begin, step=step, shape=data.shape)


@op
def _slice_backward(F, data: Tensor, *, begin: Shape, step: Shape, shape: Shape) -> Tensor:
    """Zeros of ``shape`` with data stored at ``begin + i * step``."""


@_slice_backward.infer
def _(t, data, *, shape):
    return t.out(shape, data.dtype)


@_slice_backward.grad
def _(F, dy, y, data, *, begin, step, shape):
    return F._slice(dy, begin=begin, step=step, shape=data.shape)


@op(kernel="_slice_assign")
def _slice_set(F, data: Tensor, value: Tensor, *, begin: Shape, step: Shape, shape: Shape) -> Tensor:
    """data with ``value`` (broadcast to ``shape``) stored at ``begin + i * step``."""


@_slice_set.infer
def _(t, data, value):
    return t.out(data.shape, data.dtype)


@_slice_set.grad
def _(F, dy, y, data, value, *, begin, step, shape):
    hole = F._slice_set(dy, F.zeros(shape, dy.dtype), begin=begin, step=step, shape=shape)
    part = F._slice(dy, begin=begin, step=step, shape=shape)
    return hole, F._sum_to(part, shape=value.shape)


# -- joining and splitting -------------------------------------------------------------------------------------------


def _check_count(name, data, num_args):
    if not data or (num_args and num_args != len(data)):
        msg = f"[{name}] expects {num_args or 'at least one'} array(s) (num_args), got {len(data)}"
        raise ParameterError(msg)


@op(aliases=["concat"])
def Concat(F, data: list[Tensor], *, num_args: int = 0, dim: Axis = 1) -> Tensor:
    """The arrays one after another along axis ``dim``; their other dimensions and dtypes must agree.

    num_args: the number of arrays, only needed in symbol files.

    >>> mx.nd.concat(mx.nd.ones((2, 1)), mx.nd.zeros((2, 3)), dim=1).shape
    (2, 4)
    """
    _check_count("Concat", data, num_args)
    first = data[0]
    axis = normal_axis("Concat", dim, first.ndim)
    for i, item in enumerate(data):
        expected = (*first.shape[:axis], *item.shape[axis : axis + 1], *first.shape[axis + 1 :])
        if item.shape != expected or item.ndim != first.ndim:
            msg = f"[Concat] input {i} must agree with input 0 {first.shape} except on axis {axis}, got {item.shape}"
            raise ShapeError(msg)
    return F._concat(*data, axis=axis)


@op
def stack(F, data: list[Tensor], *, axis: Axis = 0, num_args: int = 0) -> Tensor:
    """The arrays, all of one shape, side by side along a new axis ``axis`` of the result."""
    _check_count("stack", data, num_args)
    shape = data[0].shape
    at = normal_axis("stack", axis, len(shape) + 1)
    for i, item in enumerate(data):
        if item.shape != shape:
            msg = f"[stack] input {i} must have input 0's shape {shape}, got {item.shape}"
            raise ShapeError(msg)
    parts = [F._view(item, shape=(*shape[:at], 1, *shape[at:])) for item in data]
    return F._concat(*parts, axis=at)


def _parts(F, data, axis, bounds, squeeze_axis):
    parts = []
    for begin, end in bounds:
        start = tuple(begin if i == axis else 0 for i in range(data.ndim))
        shape = (*data.shape[:axis], end - begin, *data.shape[axis + 1 :])
        part = F._slice(data, begin=start, step=(1,) * data.ndim, shape=shape)
        if squeeze_axis and end - begin == 1:
            part = F._view(part, shape=shape[:axis] + shape[axis + 1 :])
        parts.append(part)
    return parts


@op(aliases=["split"], method="split", num_outputs=lambda params: params["num_outputs"])
def SliceChannel(
    F, data: Tensor, *, num_outputs: Positive[int], axis: Axis = 1, squeeze_axis: bool = False
) -> list[Tensor]:
    """``num_outputs`` equal parts of ``data`` along ``axis``; one part alone is returned as an array.

    squeeze_axis: drop the axis, whose size must then be ``num_outputs``.
    """
    at = normal_axis("SliceChannel", axis, data.ndim)
    size = data.shape[at]
    if squeeze_axis and size != num_outputs:
        msg = f"[SliceChannel] squeeze_axis needs axis {at} of size num_outputs = {num_outputs}, got {data.shape}"
        raise ShapeError(msg)
    return _parts(F, data, at, split_bounds("SliceChannel", size, num_outputs), squeeze_axis)


@op(num_outputs=lambda params: params["sections"] or len(params["indices"]))
def _split_v2(
    F, data: Tensor, *, indices: Shape, axis: Axis = 1, squeeze_axis: bool = False, sections: int = 0
) -> list[Tensor]:
    """Parts of ``data`` along ``axis`` that begin at ``indices`` (the first is 0), or ``sections`` equal parts."""
    at = normal_axis("split_v2", axis, data.ndim)
    return _parts(F, data, at, split_bounds("split_v2", data.shape[at], sections, indices), squeeze_axis)


# -- slices ----------------------------------------------------------------------------------------------------------


@op(name="slice", aliases=["crop"], method=True)
def slice_(F, data: Tensor, *, begin: OptionalInts, end: OptionalInts, step: OptionalInts = ()) -> Tensor:
    """``data[begin[0]:end[0]:step[0], begin[1]:end[1]:step[1], ...]``; None leaves a bound open.

    >>> mx.nd.slice(mx.nd.ones((4, 6)), begin=(1, None), end=(3, -1)).shape
    (2, 5)
    """
    starts, steps, shape = slice_bounds("slice", data.shape, begin, end, step)
    return F._slice(data, begin=starts, step=steps, shape=shape)


@op(method=True)
def slice_axis(F, data: Tensor, *, axis: Axis, begin: int, end: int | None) -> Tensor:
    """Elements [begin, end) of ``data`` along one axis; None is the axis' end; never empty, as in MXNet."""
    at = normal_axis("slice_axis", axis, data.ndim)
    size = data.shape[at]
    start = begin + size if begin < 0 else begin
    stop = size if end is None else end + size if end < 0 else end
    if not 0 <= start < stop <= size:
        msg = f"[slice_axis] begin and end must satisfy 0 <= begin < end <= {size} on axis {at}, got {begin}, {end}"
        raise ShapeError(msg)
    return _parts(F, data, at, [(start, stop)], False)[0]


@op(method=True)
def slice_like(F, data: Tensor, shape_like: Tensor, *, axes: Axes = ()) -> Tensor:
    """The leading part of ``data`` with ``shape_like``'s sizes on ``axes`` (all when empty)."""
    if not axes and data.ndim != shape_like.ndim:
        msg = f"[slice_like] without axes both need as many dimensions, got {data.shape} and {shape_like.shape}"
        raise ShapeError(msg)
    shape = list(data.shape)
    for axis in axes or range(data.ndim):
        at, other = normal_axis("slice_like", axis, data.ndim), normal_axis("slice_like", axis, shape_like.ndim)
        if shape_like.shape[other] > shape[at]:
            msg = (
                f"[slice_like] axis {at}: cannot take {shape_like.shape[other]} of {shape[at]} elements of {data.shape}"
            )
            raise ShapeError(msg)
        shape[at] = shape_like.shape[other]
    return F._slice(data, begin=(0,) * data.ndim, step=(1,) * data.ndim, shape=tuple(shape))


@op(aliases=["_crop_assign"], kernel=COMPOSED)
def _slice_assign(
    F, lhs: Tensor, rhs: Tensor, *, begin: OptionalInts, end: OptionalInts, step: OptionalInts = ()
) -> Tensor:
    """lhs with ``lhs[begin:end:step]`` replaced by rhs, which broadcasts to the slice."""
    starts, steps, shape = slice_bounds("_slice_assign", lhs.shape, begin, end, step)
    if broadcast_shape("_slice_assign", shape, rhs.shape) != shape:
        msg = f"[_slice_assign] rhs {rhs.shape} does not broadcast to the slice's shape {shape}"
        raise ShapeError(msg)
    value = rhs.reshape((1,) * (lhs.ndim - rhs.ndim) + rhs.shape)
    return F._slice_set(lhs, value, begin=starts, step=steps, shape=shape)


@op(aliases=["_crop_assign_scalar"])
def _slice_assign_scalar(
    F, data: Tensor, *, scalar: float = 0.0, begin: OptionalInts, end: OptionalInts, step: OptionalInts = ()
) -> Tensor:
    """``data`` with ``data[begin:end:step]`` replaced by a number."""
    starts, steps, shape = slice_bounds("_slice_assign_scalar", data.shape, begin, end, step)
    value = F.full((1,) * data.ndim, scalar, data.dtype)
    return F._slice_set(data, value, begin=starts, step=steps, shape=shape)


# -- diagonals and borders -------------------------------------------------------------------------------------------


@op(method=True)
def diag(F, data: Tensor, *, k: int = 0, axis1: Axis = 0, axis2: Axis = 1) -> Tensor:
    """The diagonal k of ``data`` along two axes, as its last axis; of a vector, the matrix with that diagonal.

    k: 0 is the main diagonal, 1 the one above it, -1 below.
    """
    if data.ndim == 1:
        size = data.shape[0] + abs(k)
        start = k if k >= 0 else -k * size
        flat = F._slice_backward(data, begin=(start,), step=(size + 1,), shape=(size * size,))
        return F._view(flat, shape=(size, size))
    a, b = normal_axis("diag", axis1, data.ndim), normal_axis("diag", axis2, data.ndim)
    if a == b:
        msg = f"[diag] axis1 and axis2 must differ, got {axis1} and {axis2}"
        raise ShapeError(msg)
    others = tuple(i for i in range(data.ndim) if i not in (a, b))
    rows, columns = data.shape[a], data.shape[b]
    length = min(rows, columns - k) if k >= 0 else min(rows + k, columns)
    if length <= 0:
        msg = f"[diag] there is no diagonal {k} in axes of sizes {rows} and {columns}"
        raise ShapeError(msg)
    lead = tuple(data.shape[i] for i in others)
    flat = F._view(permuted(F, data, (*others, a, b)), shape=(*lead, rows * columns))
    start = k if k >= 0 else -k * columns
    zeros, ones = (0,) * len(lead), (1,) * len(lead)
    return F._slice(flat, begin=(*zeros, start), step=(*ones, columns + 1), shape=(*lead, length))


@op(aliases=["pad"], method="pad")
def Pad(
    F,
    data: Tensor,
    *,
    mode: Enum("constant", "edge", "reflect"),
    pad_width: NonNegative[Shape],
    constant_value: float = 0.0,
) -> Tensor:
    """``data`` with a border of ``pad_width`` = (before, after, before, after, ...), two entries for each axis.

    mode: the border holds constant_value, repeats the edge, or reflects the inside without repeating the edge.
    """
    if len(pad_width) != 2 * data.ndim:
        msg = f"[Pad] pad_width must have {2 * data.ndim} entries, two for each axis of data {data.shape}, got {pad_width}"
        raise ParameterError(msg)
    before, after = pad_width[::2], pad_width[1::2]
    if mode == "constant":
        shape = tuple(b + dim + a for b, dim, a in zip(before, data.shape, after, strict=True))
        border = F.full(shape, constant_value, data.dtype)
        return F._slice_set(border, data, begin=before, step=(1,) * data.ndim, shape=data.shape)
    for axis in range(data.ndim):
        if before[axis] or after[axis]:
            data = (_pad_edge if mode == "edge" else _pad_reflect)(F, data, axis, before[axis], after[axis])
    return data


def _pad_edge(F, data, axis, before, after):
    if not data.shape[axis]:
        msg = f"[Pad] axis {axis} of data {data.shape} is empty: it has no edge"
        raise ShapeError(msg)
    count = before + data.shape[axis] + after
    places = F._range(start=float(-before), step=1.0, repeat=1, count=count, dtype="int64")
    return F.take(data, places, axis=axis, mode="clip")  # clipping repeats the edge


def _pad_reflect(F, data, axis, before, after):
    size = data.shape[axis]
    if max(before, after) >= size:
        msg = f"[Pad] mode='reflect' needs pad_width below the size of axis {axis}, {size}, got {before} and {after}"
        raise ShapeError(msg)
    step = tuple(-1 if i == axis else 1 for i in range(data.ndim))

    def mirrored(start, count):
        begin = tuple(start if i == axis else 0 for i in range(data.ndim))
        return F._slice(data, begin=begin, step=step, shape=(*data.shape[:axis], count, *data.shape[axis + 1 :]))

    parts = [mirrored(before, before)] if before else []
    parts.append(data)
    if after:
        parts.append(mirrored(size - 2, after))
    return F._concat(*parts, axis=axis)


# Open bounds are None, which parameters of kernels cannot hold: a kernel of one of these names would read the types only.
for _opdef in (slice_, _slice_assign, _slice_assign_scalar):
    _opdef.lower(lambda in_types, out_types: {})
