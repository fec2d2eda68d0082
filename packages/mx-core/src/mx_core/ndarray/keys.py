"""Keys of ``x[key]`` spelt out: what is selected on every axis, and the shape it gives. No array is touched here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from ..errors import MXNetError, ParameterError

__all__ = ["IndexOutOfRange", "Key", "expand", "out_of_range", "read_key"]

_INTEGERS = (int, np.integer, np.bool_)
_LISTS = (list, range, tuple)


class IndexOutOfRange(MXNetError, IndexError):
    """An index beyond the end of its axis, or more indices than axes."""


# ---- reading a key -------------------------------------------------------------------------------------------------


class Key(NamedTuple):
    """A key spelt out. On the axes that are indexed by arrays, begin, step and counts select everything."""

    begin: tuple[int, ...]  # per axis of the array
    step: tuple[int, ...]
    counts: tuple[int, ...]
    layout: list[int | None]  # the result's axes in order: an axis of the array, or None for a new one
    shape: tuple[int, ...]  # of the result, when no axis is indexed by an array
    indices: dict[int, np.ndarray[Any, Any]]  # axis -> index array
    adjacent: bool  # the index arrays stand side by side in the key


def read_key(key: Any, shape: tuple[int, ...]) -> Key:
    """The key with every axis spelt out. Raises IndexOutOfRange, or ParameterError for what cannot be a key."""
    items, advanced = expand(key if isinstance(key, tuple) else (key,), shape)
    begin: list[int] = []
    step: list[int] = []
    counts: list[int] = []
    layout: list[int | None] = []
    result: list[int] = []
    indices: dict[int, np.ndarray[Any, Any]] = {}
    places: list[int] = []  # of the index arrays in the key
    axis = 0
    for place, item in enumerate(items):
        if item is None:
            layout.append(None)
            result.append(1)
            continue
        size = shape[axis]
        first, by, count, dropped = 0, 1, size, False
        if type(item) is slice:
            first, by, count = _read_slice(item, axis, size)
        elif not isinstance(item, _INTEGERS):
            indices[axis] = _read_index_array(item, axis, size)
            places.append(place)
        elif not -size <= item < size:
            raise out_of_range(int(item), axis, size)
        elif advanced:  # beside index arrays an int is one, too, as in NumPy
            indices[axis] = np.array(int(item) % size)
            places.append(place)
        else:
            first, count, dropped = int(item) % size, 1, True
        begin.append(first)
        step.append(by)
        counts.append(count)
        if not dropped:
            layout.append(axis)
            result.append(count)
        axis += 1
    adjacent = not places or places[-1] - places[0] + 1 == len(places)
    # MXNet's quirk: one element is an array of one element.
    selected = tuple(result) or ((1,) if shape else ())
    return Key(tuple(begin), tuple(step), tuple(counts), layout, selected, indices, adjacent)


def expand(items: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Sequence[Any], bool]:
    """(one item per axis and new axis, whether some of them are index arrays)."""
    new, ellipsis, advanced = 0, -1, False
    for place, item in enumerate(items):
        if item is None:
            new += 1
        elif item is Ellipsis:
            if ellipsis >= 0:
                msg = "[getitem] cannot use more than one ellipsis (`...`) in a key"
                raise IndexOutOfRange(msg)
            ellipsis = place
        elif type(item) is not slice and not isinstance(item, _INTEGERS):
            advanced = True
    given = len(items) - new - (ellipsis >= 0)
    missing = len(shape) - given
    if missing < 0:
        msg = f"[getitem] too many indices ({given}) for array with {len(shape)} dimensions, shape {shape}"
        raise IndexOutOfRange(msg)
    whole = (slice(None),) * missing
    if ellipsis >= 0:
        return (*items[:ellipsis], *whole, *items[ellipsis + 1 :]), advanced
    return (*items, *whole) if missing else items, advanced


def _read_slice(item: slice, axis: int, size: int) -> tuple[int, int, int]:
    """(first, step, count) of a slice; its ends may be anything that counts as an integer."""
    try:
        start, stop, step = item.indices(size)
    except (TypeError, ValueError, MXNetError) as error:
        msg = f"[getitem] {item} does not slice axis {axis}: {error}"
        raise ParameterError(msg) from None
    count = len(range(start, stop, step))
    return (start, step, count) if count else (0, 1, 0)


def _read_index_array(item: Any, axis: int, size: int) -> np.ndarray[Any, Any]:
    if isinstance(item, _core.NDArray):
        return _check_index_array(item.asnumpy(), axis, size)
    if isinstance(item, np.ndarray):
        return _check_index_array(item, axis, size)
    if isinstance(item, _LISTS):
        return _check_index_array(_list_to_numpy(item, axis), axis, size)
    msg = (
        f"[getitem] NDArray does not support slicing with key {item!r} of type {type(item).__name__}. "
        f"Use int, slice, ..., None, or lists and arrays of ints"
    )
    raise ParameterError(msg)


def _list_to_numpy(item: Any, axis: int) -> np.ndarray[Any, Any]:
    try:
        return np.array([i.asnumpy() if isinstance(i, _core.NDArray) else i for i in item])
    except ValueError:
        msg = f"[getitem] {item} for axis {axis} is no array of integers: its rows differ in length"
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
