"""Shape arithmetic of the operator definitions: axes, broadcasting, MXNet's reshape codes, slices and windows.

Everything here takes complete shapes and names the operator in its errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..errors import ParameterError, ShapeError

__all__ = [
    "COMPOSED",
    "broadcast_shape",
    "normal_axes",
    "normal_axis",
    "reduced_shape",
    "reshaped",
    "slice_bounds",
    "split_bounds",
    "window_shape",
]

IntTuple = tuple[int, ...]

# The kernel name of compositions whose own name belongs to a kernel that wants normalised parameters: no kernel has it.
COMPOSED = "(composed)"

# Parts that an axis can be split into: of one without elements, and of any.
MOST_EMPTY_PARTS, MOST_PARTS = 1 << 10, 1 << 20


def normal_axis(name: str, axis: int, ndim: int) -> int:
    """The axis counted from the front: ``normal_axis("sum", -1, 3) == 2``; ShapeError when it is out of range."""
    if -ndim <= axis < ndim:
        return axis % ndim
    msg = f"[{name}] axis must be in [{-ndim}, {ndim}) for {ndim} dimensions, got {axis}"
    raise ShapeError(msg)


def normal_axes(name: str, axes: Sequence[int] | None, ndim: int, exclude: bool = False) -> IntTuple:
    """Sorted axes from the front. None and () mean all axes, as in MXNet; ``exclude`` takes the others instead."""
    if not axes:
        return () if exclude and axes is not None and ndim == 0 else tuple(range(ndim))
    found = sorted(normal_axis(name, axis, ndim) for axis in axes)
    if len(set(found)) != len(found):
        msg = f"[{name}] axes must differ from each other, got {tuple(axes)} for {ndim} dimensions"
        raise ShapeError(msg)
    if exclude:
        return tuple(axis for axis in range(ndim) if axis not in found)
    return tuple(found)


def reduced_shape(shape: IntTuple, axes: IntTuple, keepdims: bool) -> IntTuple:
    """The shape after reducing ``axes``. MXNet 1.x has no 0-d arrays: a full reduction has shape (1,)."""
    if keepdims:
        return tuple(1 if axis in axes else dim for axis, dim in enumerate(shape))
    return tuple(dim for axis, dim in enumerate(shape) if axis not in axes) or (1,)


def broadcast_shape(name: str, left: IntTuple, right: IntTuple) -> IntTuple:
    """The shape both broadcast to by NumPy's rules."""
    ndim = max(len(left), len(right))
    padded = zip((1,) * (ndim - len(left)) + left, (1,) * (ndim - len(right)) + right, strict=True)
    result = []
    for a, b in padded:
        if a != b and a != 1 and b != 1:
            msg = (
                f"[{name}] lhs {left} and rhs {right} do not broadcast: sizes {a} and {b} must be equal or 1. "
                "Reshape or expand_dims one of them"
            )
            raise ShapeError(msg)
        result.append(b if a == 1 else a)
    return tuple(result)


# Note [reshape codes]
# MXNet's reshape reads the wanted shape from left to right beside the input's dimensions:
#    n > 0  this size              0  copy the input's dimension
#       -1  whatever is left      -2  copy all remaining dimensions
#       -3  product of the next two dimensions      -4  split the next dimension into the two sizes that follow
# reverse=True reads both from the right, so that 0 and -2 match trailing dimensions; a -4 then follows its two sizes.
def reshaped(name: str, shape: IntTuple, wanted: IntTuple, reverse: bool = False) -> IntTuple:
    """The shape that ``wanted`` (see Note [reshape codes]) means for an array of ``shape``."""
    source, codes = (shape[::-1], wanted[::-1]) if reverse else (shape, wanted)
    result: list[int] = []
    unknown = -1
    at = 0

    def next_dims(count: int, code: int) -> IntTuple:
        if at + count > len(source):
            msg = f"[{name}] shape {wanted}: code {code} at its position finds no dimension left in {shape}"
            raise ShapeError(msg)
        return source[at : at + count]

    i = 0
    while i < len(codes):
        code = codes[i]
        i += 1
        if code == -2:
            result += source[at:]
            at = len(source)
        elif code == -3:
            a, b = next_dims(2, code)
            result.append(a * b)
            at += 2
        elif code == -4:
            (dim,) = next_dims(1, code)
            if len(codes) < i + 2:
                msg = f"[{name}] shape {wanted}: -4 must be followed by the two sizes it splits into"
                raise ShapeError(msg)
            result += _split_dim(name, wanted, dim, codes[i], codes[i + 1])
            i += 2
            at += 1
        elif code == -1:
            if unknown >= 0:
                msg = f"[{name}] shape {wanted} must have at most one -1"
                raise ShapeError(msg)
            unknown = len(result)
            result.append(-1)
            at += 1
        elif code == 0:
            result += next_dims(1, code)
            at += 1
        elif code > 0:
            result.append(code)
            at += 1
        else:
            msg = f"[{name}] shape {wanted}: codes go from -4 to -1, got {code}"
            raise ShapeError(msg)
    size = math.prod(shape)
    if unknown >= 0:
        known = -math.prod(result)
        result[unknown] = size // known if known > 0 else 0
    if math.prod(result) != size:
        msg = f"[{name}] cannot reshape {shape} ({size} elements) to {wanted}: the number of elements must stay"
        raise ShapeError(msg)
    return tuple(result[::-1] if reverse else result)


def _split_dim(name: str, wanted: IntTuple, dim: int, left: int, right: int) -> tuple[int, int]:
    if left == -1 and right == -1:
        msg = f"[{name}] shape {wanted}: only one of the two sizes after -4 may be -1"
        raise ShapeError(msg)
    if left == -1:
        left = dim // right if right > 0 else 0
    elif right == -1:
        right = dim // left if left > 0 else 0
    if left * right != dim:
        msg = f"[{name}] shape {wanted}: -4 must split a dimension of {dim} into sizes with that product, got {left}, {right}"
        raise ShapeError(msg)
    return left, right


def slice_bounds(
    name: str,
    shape: IntTuple,
    begin: Sequence[int | None],
    end: Sequence[int | None],
    step: Sequence[int | None] = (),
) -> tuple[IntTuple, IntTuple, IntTuple]:
    """Full-length (begin, step, output shape) of a basic slice; None is the end the step walks from or to.

    Bounds beyond the array are clipped, as in Python; an empty slice is allowed.
    """
    if len(begin) != len(end) or (step and len(step) != len(begin)):
        msg = f"[{name}] begin, end and step must have one length, got {tuple(begin)}, {tuple(end)}, {tuple(step)}"
        raise ParameterError(msg)
    if len(begin) > len(shape):
        msg = f"[{name}] begin has {len(begin)} entries for an array of {len(shape)} dimensions {shape}"
        raise ShapeError(msg)
    begins, steps, sizes = [], [], []
    for axis, dim in enumerate(shape):
        if axis >= len(begin):
            begins.append(0)
            steps.append(1)
            sizes.append(dim)
            continue
        stride = step[axis] if step else None
        if stride == 0:
            msg = f"[{name}] step must not be 0, got 0 for axis {axis}"
            raise ParameterError(msg)
        span = range(*slice(begin[axis], end[axis], stride).indices(dim))
        begins.append(span.start if len(span) else 0)
        steps.append(span.step)
        sizes.append(len(span))
    return tuple(begins), tuple(steps), tuple(sizes)


def split_bounds(name: str, size: int, sections: int, indices: IntTuple = ()) -> list[tuple[int, int]]:
    """The (begin, end) of each part along an axis of ``size``: equal sections, or parts that begin at ``indices``."""
    if sections:
        if size % sections:
            msg = f"[{name}] an axis of size {size} does not split into {sections} equal parts"
            raise ShapeError(msg)
        most = min(max(size, MOST_EMPTY_PARTS), MOST_PARTS)
        if sections > most:
            msg = f"[{name}] an axis of size {size} splits into at most {most} parts, got {sections}"
            raise ShapeError(msg)
        part = size // sections
        return [(i * part, (i + 1) * part) for i in range(sections)]
    if not indices:
        msg = f"[{name}] needs indices or sections > 0, got neither"
        raise ParameterError(msg)
    ends = (*indices[1:], size)
    if any(not 0 <= start <= end <= size for start, end in zip(indices, ends, strict=True)):
        msg = f"[{name}] indices must rise from 0 to the axis' size {size}, got {indices}"
        raise ShapeError(msg)
    return list(zip(indices, ends, strict=True))


def window_shape(
    name: str,
    spatial: IntTuple,
    kernel: IntTuple,
    stride: IntTuple,
    pad: IntTuple,
    dilate: IntTuple | None = None,
    full: bool = False,
) -> IntTuple:
    """Sizes of a convolution's or pooling's output along the spatial axes.

    ``floor((size + 2 pad - dilate (kernel - 1) - 1) / stride) + 1``; ceil instead of floor for ``full``.
    """
    result = []
    for axis, size in enumerate(spatial):
        reach = (dilate[axis] if dilate else 1) * (kernel[axis] - 1) + 1
        room = size + 2 * pad[axis] - reach
        if room < 0:
            msg = (
                f"[{name}] kernel {kernel} spans {reach} on spatial axis {axis}, more than the padded input: "
                f"{size} + 2 * {pad[axis]}. Use a smaller kernel or more pad"
            )
            raise ShapeError(msg)
        steps = -(-room // stride[axis]) if full else room // stride[axis]
        result.append(steps + 1)
    return tuple(result)
