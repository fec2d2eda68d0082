"""Keys of ``x[key]`` spelt out: what is selected on every axis, and the shape it gives. No array is touched here."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import _core
from ..errors import MXNetError, ParameterError

__all__ = ["Axis", "IndexOutOfRange", "Key", "out_of_range", "read_key"]

_INTEGERS = (int, np.integer, np.bool_)
_LISTS = (list, range, tuple)


class IndexOutOfRange(MXNetError, IndexError):
    """An index beyond the end of its axis, or more indices than axes."""


# ---- reading a key -------------------------------------------------------------------------------------------------


class Axis(NamedTuple):
    """What a key says of one axis: a slice (start, step, count), one index, or an array of indices."""

    start: int
    step: int
    count: int
    index: np.ndarray[Any, Any] | None = None  # advanced
    dropped: bool = False  # an int: its axis is not in the result


class Key(NamedTuple):
    axes: list[Axis]  # one per axis of the array
    layout: list[int | None]  # the result's axes in order: an axis of the array, or None for a new one
    advanced: list[int]  # the axes with index arrays
    adjacent: bool  # the index arrays stand side by side in the key


def read_key(key: Any, shape: tuple[int, ...]) -> Key:
    """The key with every axis spelt out. Raises IndexOutOfRange, or ParameterError for what cannot be a key."""
    items = list(key) if isinstance(key, tuple) else [key]
    ellipses = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(ellipses) > 1:
        msg = "[getitem] cannot use more than one ellipsis (`...`) in a key"
        raise IndexOutOfRange(msg)
    given = len(items) - len(ellipses) - sum(item is None for item in items)
    if given > len(shape):
        msg = f"[getitem] too many indices ({given}) for array with {len(shape)} dimensions, shape {shape}"
        raise IndexOutOfRange(msg)
    at = ellipses[0] if ellipses else len(items)
    items[at : at + 1] = [slice(None)] * (len(shape) - given)

    axes: list[Axis] = []
    layout: list[int | None] = []
    is_array: list[bool] = []  # per item, whether it is an index array
    for item in items:
        if item is None:
            layout.append(None)
            is_array.append(False)
            continue
        axis = _read_axis(item, len(axes), shape[len(axes)])
        layout.append(len(axes))
        is_array.append(axis.index is not None)
        axes.append(axis)
    if any(is_array):  # beside index arrays an int is one, too, as in NumPy
        for place, number in enumerate(layout):
            if number is not None and axes[number].dropped:
                axes[number] = Axis(0, 1, shape[number], np.array(axes[number].start))
                is_array[place] = True
    places = [i for i, flag in enumerate(is_array) if flag]
    adjacent = not places or places[-1] - places[0] + 1 == len(places)
    return Key(axes, layout, [i for i, axis in enumerate(axes) if axis.index is not None], adjacent)


def _read_axis(item: Any, axis: int, size: int) -> Axis:
    if isinstance(item, slice):
        start, stop, step = _slice_indices(item, axis, size)
        count = len(range(start, stop, step))
        return Axis(start, step, count) if count else Axis(0, 1, 0)
    if isinstance(item, _INTEGERS):
        index = int(item)
        if not -size <= index < size:
            raise out_of_range(index, axis, size)
        return Axis(index % size, 1, 1, None, True)
    if isinstance(item, _core.NDArray):
        index_array = item.asnumpy()
    elif isinstance(item, np.ndarray):
        index_array = item
    elif isinstance(item, _LISTS):
        index_array = _list_to_numpy(item, axis)
    else:
        msg = (
            f"[getitem] NDArray does not support slicing with key {item!r} of type {type(item).__name__}. "
            f"Use int, slice, ..., None, or lists and arrays of ints"
        )
        raise ParameterError(msg)
    return Axis(0, 1, size, _check_index_array(index_array, axis, size))


def _list_to_numpy(item: Any, axis: int) -> np.ndarray[Any, Any]:
    try:
        return np.array([i.asnumpy() if isinstance(i, _core.NDArray) else i for i in item])
    except ValueError:
        msg = f"[getitem] {item} for axis {axis} is no array of integers: its rows differ in length"
        raise ParameterError(msg) from None


def _slice_indices(item: slice, axis: int, size: int) -> tuple[int, int, int]:
    """(start, stop, step) of a slice within its axis; ends may be anything that counts as an integer."""
    try:
        return item.indices(size)
    except (TypeError, ValueError, MXNetError) as error:
        msg = f"[getitem] {item} does not slice axis {axis}: {error}"
        raise ParameterError(msg) from None


def _check_index_array(index: np.ndarray[Any, Any], axis: int, size: int) -> np.ndarray[Any, Any]:
    if index.dtype.kind not in "iufb" and index.size:
        msg = f"[getitem] an index array must hold integers, got {index.dtype} for axis {axis}"
        raise ParameterError(msg)
    index = index.astype(np.int64)
    if index.size:
        low, high = int(index.min()), int(index.max())
        if low < -size or high >= size:
            raise out_of_range(high if high >= size else low, axis, size)
        if low < 0:
            index = np.where(index < 0, index + size, index)
    return index


def out_of_range(index: int, axis: int, size: int) -> IndexOutOfRange:
    valid = f"valid are {-size} to {size - 1}" if size else "the axis is empty"
    return IndexOutOfRange(f"[getitem] index {index} is out of bounds for axis {axis} with size {size}; {valid}")
