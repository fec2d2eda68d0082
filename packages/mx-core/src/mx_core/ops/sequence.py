"""Operators on batches of sequences of different lengths: SequenceMask, SequenceLast, SequenceReverse.

data: (t, n, ...), or (n, t, ...) with axis=1. sequence_length: (n,) of any type, the fraction cut off; lengths beyond t
count as t and those below 0 as 0 (MXNet 1.x reads and writes past the array there).
"""

from __future__ import annotations

import math

from ..errors import ParameterError, ShapeError
from ..op import Range, Tensor, op


def _check(name, data, lengths, use_lengths, axis):
    """(t, n) of valid inputs."""
    if data.ndim < 2:
        msg = f"[{name}] data must have at least 2 dimensions (t, n, ...), got {data.shape}"
        raise ShapeError(msg)
    if use_lengths and lengths is None:
        msg = f"[{name}] use_sequence_length=True needs the input sequence_length"
        raise ParameterError(msg)
    if not use_lengths and lengths is not None:
        msg = f"[{name}] sequence_length is read only with use_sequence_length=True: say that, or leave it out"
        raise ParameterError(msg)
    n = data.shape[1 - axis]
    if lengths is not None and lengths.shape != (n,):
        msg = (
            f"[{name}] sequence_length must have shape ({n},), a length for each sequence of data {data.shape}, "
            f"got {lengths.shape}"
        )
        raise ShapeError(msg)
    return data.shape[axis], n


def _count(F, size, axis=0):
    """0 ... size - 1 along axis 0 or 1 of an int64 matrix."""
    places = F._range(start=0.0, step=1.0, repeat=1, count=size, dtype="int64")
    return F._view(places, shape=(size, 1) if axis == 0 else (1, size))


def _lengths(F, lengths, axis=0):
    """The lengths as int64 across the other axis of a matrix."""
    return F._view(F._cast(lengths, dtype="int64"), shape=(1, lengths.size) if axis == 0 else (lengths.size, 1))


@op
def SequenceMask(
    F,
    data: Tensor,
    sequence_length: Tensor | None = None,
    *,
    use_sequence_length: bool = False,
    value: float = 0.0,
    axis: Range[int, 0, 1] = 0,
) -> Tensor:
    """``data`` with ``value`` in place of what lies beyond each sequence's length; data itself without lengths.

    data: (t, n, ...), or (n, t, ...) for axis=1.  sequence_length: (n,), with use_sequence_length=True.

    >>> mx.nd.SequenceMask(mx.nd.ones((3, 2)), mx.nd.array([1, 2]), use_sequence_length=True).asnumpy().tolist()
    [[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    """
    t, _ = _check("SequenceMask", data, sequence_length, use_sequence_length, axis)
    if sequence_length is None:
        return F._copy(data)
    inside = F.broadcast_lesser(_count(F, t, axis), _lengths(F, sequence_length, axis))
    condition = F._view(inside, shape=(*data.shape[:2], *(1,) * (data.ndim - 2)))
    return F._where(condition, data, F.full((1,) * data.ndim, value, data.dtype))


@op
def SequenceLast(
    F,
    data: Tensor,
    sequence_length: Tensor | None = None,
    *,
    use_sequence_length: bool = False,
    axis: Range[int, 0, 1] = 0,
) -> Tensor:
    """The last element of each sequence, shape (n, ...): at its length, or at the end of the array without lengths.

    data: (t, n, ...), or (n, t, ...) for axis=1.  sequence_length: (n,), with use_sequence_length=True; a length of 0
    gives the first element.

    >>> mx.nd.SequenceLast(mx.nd.array([[1, 2], [3, 4]]), mx.nd.array([1, 2]), use_sequence_length=True).asnumpy().tolist()
    [1.0, 4.0]
    """
    t, n = _check("SequenceLast", data, sequence_length, use_sequence_length, axis)
    if t == 0:
        msg = f"[SequenceLast] axis {axis} of data {data.shape} is empty: its sequences have no last element"
        raise ShapeError(msg)
    rest = data.shape[2:]
    if sequence_length is None:
        begin = tuple(t - 1 if i == axis else 0 for i in range(data.ndim))
        shape = tuple(1 if i == axis else size for i, size in enumerate(data.shape))
        return F._view(F._slice(data, begin=begin, step=(1,) * data.ndim, shape=shape), shape=(n, *rest))
    last = F._maximum_scalar(F._minimum_scalar(_lengths(F, sequence_length), scalar=float(t)), scalar=1.0) - 1.0
    sequence = _count(F, n, 1)
    places = last * float(n) + sequence if axis == 0 else sequence * float(t) + last
    return F.take(F._view(data, shape=(t * n, *rest)), F._view(places, shape=(n,)), axis=0, mode="clip")


@op
def SequenceReverse(
    F,
    data: Tensor,
    sequence_length: Tensor | None = None,
    *,
    use_sequence_length: bool = False,
    axis: Range[int, 0, 0] = 0,
) -> Tensor:
    """Each sequence of ``data`` (t, n, ...) backwards: its first elements up to its length, or all without lengths.

    sequence_length: (n,), with use_sequence_length=True; what lies beyond it stays.  axis: 0, the only one MXNet has.

    >>> mx.nd.SequenceReverse(mx.nd.array([[1, 2], [3, 4]]), mx.nd.array([1, 2]), use_sequence_length=True).asnumpy().tolist()
    [[1.0, 4.0], [3.0, 2.0]]
    """
    t, n = _check("SequenceReverse", data, sequence_length, use_sequence_length, axis)
    if sequence_length is None:
        return F.reverse(data, axis=0)
    if not math.prod(data.shape):
        return F._copy(data)
    step = _count(F, t)
    length = F._minimum_scalar(_lengths(F, sequence_length), scalar=float(t))
    mirrored = (length - 1.0) - step
    source = F._select(F.broadcast_lesser(step, length), mirrored, step) * float(n) + _count(F, n, 1)
    rows = F.take(F._view(data, shape=(t * n, *data.shape[2:])), F._view(source, shape=(t * n,)), axis=0, mode="clip")
    return F._view(rows, shape=data.shape)
