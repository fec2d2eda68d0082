"""``x[key]`` and ``x[key] = value`` as MXNet 1.9.1 has them, for the keys that the C type leaves to Python.

Note [views and copies]
A key of ints, slices with step 1, ``...`` and None that selects one contiguous stretch gives a view that shares
memory with the array; any other key gives a new array. MXNet's quirks that are kept: a key that selects one element
gives shape (1,), bools and float arrays count as integers (``x[x > 0]`` takes rows 0 and 1; a mask is an NDArray of
dtype bool). Not kept: 1.9.1 writes outside the array for a negative or too large index in ``x[[...]] = value``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..base import numeric_types
from ..dtypes import BOOL, ITEMSIZE, name_of, numpy_of
from ..errors import DTypeError, MXNetError, ShapeError
from .keys import Key, out_of_range, read_key
from .namespace import op

if TYPE_CHECKING:
    from .._core import NDArray

__all__ = ["getitem", "host_memory", "setitem"]

_WHOLE = slice(None)


# ---- x[key] --------------------------------------------------------------------------------------------------------


def getitem(array: NDArray, key: Any) -> NDArray:
    """``array[key]`` for every key that is not an int or a slice with step 1 on the first axis."""
    if type(key) is tuple:
        if not key:
            return array
        if len(key) == array.ndim and all(type(item) is int for item in key):
            return _get_element(array, key)
    elif _is_mask(key):
        key = _mask_to_indices(key, array.shape)
    elif type(key) is slice and key == _WHOLE:
        return array
    read = read_key(key, array.shape)
    if read.indices:
        return _get_advanced(array, read)
    return _get_basic(array, read)


def _get_element(array: NDArray, key: tuple[int, ...]) -> NDArray:
    """``array[i, j, k]`` with one index per axis: a view of one element."""
    number = 0
    for axis, (index, size) in enumerate(zip(key, array.shape, strict=True)):
        if not -size <= index < size:
            raise out_of_range(index, axis, size)
        number = number * size + index % size
    if _core.is_recording() and array._in_graph:
        array = array._reshape_view((array.size,))
        return op("slice_axis")(array, axis=0, begin=number, end=number + 1)
    return array._view((1,), number * ITEMSIZE[array._dtype_flag])


def _reshaped(array: NDArray, shape: tuple[int, ...]) -> NDArray:
    return array if array.shape == shape else array._reshape_view(shape)


def _contiguous(key: Key, shape: tuple[int, ...]) -> int | None:
    """The number of the first element when the selection is one stretch of memory, else None."""
    first, stride, whole = 0, 1, True
    for axis in range(len(shape) - 1, -1, -1):
        count, size = key.counts[axis], shape[axis]
        if count > 1 and (key.step[axis] != 1 or not whole):
            return None
        first += key.begin[axis] * stride
        stride *= size
        if count != size:
            whole = False
    return first


def _get_basic(array: NDArray, key: Key) -> NDArray:
    """The selection by ints and slices: a view where it is contiguous."""
    if 0 in key.counts:
        return _empty_like(array, key.shape)
    if not (_core.is_recording() and array._in_graph):
        first = _contiguous(key, array.shape)
        if first is not None:
            return array._view(key.shape, first * ITEMSIZE[array._dtype_flag])
    return _reshaped(_sliced(array, key), key.shape)


def _sliced(array: NDArray, key: Key) -> NDArray:
    """A copy of what begin, step and counts select, or the array itself if that is everything."""
    if key.counts == array.shape and _is_forward(key):
        return array
    return op("_slice")(array, begin=key.begin, step=key.step, shape=key.counts)


def _is_forward(key: Key) -> bool:
    """Whether no axis is walked in steps."""
    return all(step == 1 or count == 1 for step, count in zip(key.step, key.counts, strict=True))


def _get_advanced(array: NDArray, key: Key) -> NDArray:
    """Gathers by one `take`: the indexed axes are joined to one, and the index arrays to numbers along it."""
    joined, target = _join_indices(key, array.shape)
    if not joined.size or 0 in target:
        return _empty_like(array, target)
    array = _sliced(array, key)
    advanced = list(key.indices)
    first = advanced[0]
    if not key.adjacent or advanced[-1] - first + 1 != len(advanced):
        order = (*advanced, *(i for i in range(array.ndim) if i not in key.indices))
        array = op("transpose")(array, axes=order)
        first = 0
    shape = array.shape
    length = math.prod(shape[first : first + len(advanced)])
    array = _reshaped(array, (*shape[:first], length, *shape[first + len(advanced) :]))
    places = joined.reshape(-1).astype(np.int32 if length <= np.iinfo(np.int32).max else np.int64)
    return _reshaped(op("take")(array, _from_host(places, array), axis=first, mode="clip"), target)


def _join_indices(key: Key, shape: tuple[int, ...]) -> tuple[np.ndarray[Any, Any], tuple[int, ...]]:
    """(flat numbers along the joined axes, shape of the result) of the index arrays of a key."""
    try:
        arrays = np.broadcast_arrays(*key.indices.values())
    except ValueError:
        shapes = ", ".join(str(index.shape) for index in key.indices.values())
        msg = f"[getitem] the index arrays cannot be broadcast together: shapes {shapes}"
        raise IndexShapeError(msg) from None
    joined = np.zeros(arrays[0].shape, dtype=np.int64)
    for axis, index in zip(key.indices, arrays, strict=True):
        joined = joined * shape[axis] + index
    result: list[int] = [] if key.adjacent else list(joined.shape)
    seen = not key.adjacent
    for number in key.layout:
        if number is None:
            result.append(1)
        elif number not in key.indices:
            result.append(key.counts[number])
        elif not seen:
            result.extend(joined.shape)
            seen = True
    return joined, tuple(result) or (1,)


class IndexShapeError(ShapeError, IndexError):
    """Index arrays that do not fit each other."""


def _is_mask(key: Any) -> bool:
    return isinstance(key, _core.NDArray) and key._dtype_flag == BOOL


def _mask_to_indices(mask: NDArray, shape: tuple[int, ...]) -> tuple[Any, ...]:
    if mask.shape != shape[: mask.ndim]:
        msg = f"[getitem] a mask must have the first dimensions of the array, {shape}, got {mask.shape}"
        raise IndexShapeError(msg)
    return tuple(mask.asnumpy().nonzero())


def _empty_like(array: NDArray, shape: tuple[int, ...]) -> NDArray:
    ctx = array.context
    return _core.empty(shape, ctx.device_typeid, ctx.device_id, array._dtype_flag)


def _from_host(values: np.ndarray[Any, Any], like: NDArray) -> NDArray:
    """A NumPy array on the device of another array, its element type kept."""
    from .creation import from_host

    return from_host(values, like.context)


# ---- x[key] = value ------------------------------------------------------------------------------------------------


def setitem(array: NDArray, key: Any, value: Any) -> None:
    """``array[key] = value`` for every case that the C type leaves: value is a number, an array, or a nested list."""
    if type(key) is int or (type(key) is slice and key.step in (None, 1) and key != _WHOLE):
        _fill_part(array[key], value)  # C makes the view: it has refused arrays that are recorded
        return
    if type(key) is tuple:
        if not key:
            key = _WHOLE
        elif len(key) == array.ndim and all(type(item) is int for item in key):
            _fill_part(_get_element(array, key), value)
            return
    elif _is_mask(key):
        key = _mask_to_indices(key, array.shape)
    read = None if key is Ellipsis or (type(key) is slice and key == _WHOLE) else read_key(key, array.shape)
    if read is None or _is_whole(read, array.shape):
        stored = _fill(array, value)
        if _core.is_recording() and stored is not None and stored._in_graph:
            array._share_variable(stored)  # x[:] = y makes x the result that y is
        return
    if read.indices:
        _check_recording(value)
        _store_on_host(array, read, value)
    elif _contiguous(read, array.shape) is not None:
        _fill_part(_get_basic(array, read), value)
    elif 0 not in read.counts:
        _check_recording(value)
        _store_strided(array, read, value)


def _is_whole(key: Key, shape: tuple[int, ...]) -> bool:
    return key.shape == shape and not key.indices and None not in key.layout and _is_forward(key)


def _fill_part(view: NDArray, value: Any) -> None:
    if view.size:
        _check_recording(value)
        _fill(view, value)


def _check_recording(value: Any) -> None:
    """Refuses what autograd would get wrong: a recorded value stored into a part of an array."""
    if _core.is_recording() and getattr(value, "_in_graph", False):
        msg = (
            "[setitem] storing a recorded value into a part of an array is not supported while autograd records. "
            "Build the new array with mx.nd.where or mx.nd.concat, or assign inside autograd.pause()"
        )
        raise MXNetError(msg)


def _fill(view: NDArray, value: Any) -> NDArray | None:
    """Stores a value, broadcast and converted, into all of an array; returns what was stored if it is an NDArray."""
    if isinstance(value, _core.NDArray):
        if value._dtype_flag != view._dtype_flag:
            value = value.astype(name_of(view._dtype_flag))
        if value.shape != view.shape:
            value = _broadcast(value, view.shape)
        value._copy_to(view)
        return value
    if isinstance(value, numeric_types):
        op("_full")(shape=view.shape, value=value, dtype=name_of(view._dtype_flag), ctx=view.context, out=view)
    else:
        values = _host_values(value, view)
        view._write_from(np.ascontiguousarray(_broadcast_host(values, view.shape)))
    return None


def _broadcast_host(values: np.ndarray[Any, Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    while values.ndim > len(shape) and values.shape[0] == 1:
        values = values[0]
    try:
        return np.broadcast_to(values, shape)
    except ValueError:
        msg = f"[setitem] a value of shape {values.shape} cannot be broadcast to the selected shape {shape}"
        raise ShapeError(msg) from None


def _broadcast(value: NDArray, shape: tuple[int, ...]) -> NDArray:
    given = value.shape
    extra = len(given) - len(shape)
    if extra > 0 and all(dim == 1 for dim in given[:extra]):
        given = given[extra:]
    padded = (1,) * (len(shape) - len(given)) + given
    if len(padded) != len(shape) or any(a not in (1, b) for a, b in zip(padded, shape, strict=True)):
        msg = f"[setitem] a value of shape {value.shape} cannot be broadcast to the selected shape {shape}"
        raise ShapeError(msg)
    value = _reshaped(value, padded)
    return value if padded == shape else op("broadcast_to")(value, shape=shape)


def _host_values(value: Any, array: NDArray) -> np.ndarray[Any, Any]:
    if isinstance(value, (str, bytes, dict)) or value is None:
        msg = f"[setitem] NDArray does not support assignment with {value!r} of type {type(value).__name__}"
        raise DTypeError(msg)
    try:
        return np.asarray(value.asnumpy() if isinstance(value, _core.NDArray) else value).astype(
            numpy_of(array._dtype_flag), copy=False
        )
    except (TypeError, ValueError):
        msg = f"[setitem] NDArray does not support assignment with non-array-like {value!r} of type {type(value).__name__}"
        raise DTypeError(msg) from None


def _store_strided(array: NDArray, key: Key, value: Any) -> None:
    """Stores into evenly spaced elements: one operation of the engine."""
    from .creation import full

    ctx = array.context
    if isinstance(value, numeric_types):
        value = full((1,), value, ctx, name_of(array._dtype_flag))
    elif not isinstance(value, _core.NDArray):
        value = _from_host(_host_values(value, array), array)
    elif value._shares_memory(array):
        value = value.copy()
    value = value.as_in_context(ctx)._reshape_view(_aligned(value.shape, key))
    op("_slice_set")(array, value, begin=key.begin, step=key.step, shape=key.counts, out=array)


def _aligned(given: tuple[int, ...], key: Key) -> tuple[int, ...]:
    """The shape of a value with one dimension per axis of the array, 1 where it is repeated."""
    shape, ndim = given, len(key.layout)
    while len(shape) > ndim and shape[0] == 1:
        shape = shape[1:]
    shape = (1,) * (ndim - len(shape)) + shape
    if len(shape) != ndim or any(a not in (1, b) for a, b in zip(shape, key.shape, strict=False)):
        msg = f"[setitem] a value of shape {given} cannot be broadcast to the selected shape {key.shape}"
        raise ShapeError(msg)
    aligned = [1] * len(key.counts)
    for number, dim in zip(key.layout, shape, strict=True):
        if number is not None:
            aligned[number] = dim
    return tuple(aligned)


def _store_on_host(array: NDArray, key: Key, value: Any) -> None:
    """Stores into what is no single stretch of memory, with NumPy: in place on the host, else by copy and back."""
    values = _host_values(value, array)
    host_key = _numpy_key(key)
    with host_memory(array) as memory:
        try:
            memory[host_key] = values
        except ValueError:
            _broadcast_host(values, memory[host_key].shape)  # says what does not fit
            raise


def _numpy_key(key: Key) -> tuple[Any, ...]:
    """An advanced key in NumPy's language, with MXNet's reading of bools and floats already applied."""
    items: list[Any] = []
    for number in key.layout:
        if number is None or number in key.indices:
            items.append(None if number is None else key.indices[number])
        else:
            first, step = key.begin[number], key.step[number]
            stop = first + step * key.counts[number]
            items.append(slice(first, stop if stop >= 0 else None, step))
    return tuple(items)


@contextmanager
def host_memory(array: NDArray) -> Iterator[np.ndarray[Any, Any]]:
    """The elements of an array to read and write: the memory itself on the host, else a copy that is stored back."""
    if array.context.device_typeid == 2:
        copy = array.asnumpy()
        yield copy
        array._write_from(copy)
    else:
        yield np.asarray(memoryview(array))
