"""Batches over several devices: how they are cut, copied into bound arrays, and put together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mx_core import ndarray as nd
from mx_core.errors import ParameterError, ShapeError

__all__ = ["SlicedBatch", "check_arguments", "load_arrays", "merge_arrays", "split_input_slice", "take_slice"]


def split_input_slice(batch_size: int, work_load_list: Sequence[float]) -> list[slice]:
    """One slice of the batch for every device, as long as its share of the work says; the last one takes the rest.

    Raises ParameterError when a device would get nothing.

    >>> split_input_slice(10, [1, 3])
    [slice(0, 2, None), slice(2, 10, None)]
    """
    total = sum(work_load_list)
    counts = [round(load * batch_size / total) for load in work_load_list]
    counts[-1] += batch_size - sum(counts)
    slices = []
    end = 0
    for count in counts:
        begin, end = min(end, batch_size), min(end + count, batch_size)
        if begin >= end:
            msg = (
                f"Too many slices. Some splits are empty: {len(counts)} devices with the work loads "
                f"{list(work_load_list)} cannot share a batch of {batch_size}. Use larger batches or fewer devices"
            )
            raise ParameterError(msg)
        slices.append(slice(begin, end))
    return slices


def check_arguments(symbol: Any) -> None:
    """Raises ParameterError when two arguments, or two auxiliary states, of a symbol have one name."""
    for kind, names in (("argument", symbol.list_arguments()), ("auxiliary state", symbol.list_auxiliary_states())):
        seen: set[str] = set()
        for name in names:
            if name in seen:
                msg = (
                    f'Find duplicated {kind} name "{name}", please make the weight name non-duplicated '
                    f"(using name arguments); {kind}s are {names}"
                )
                raise ParameterError(msg)
            seen.add(name)


def take_slice(array: Any, part: slice, axis: int) -> Any:
    """The part of an array along an axis; the array itself where the part is all of it."""
    if part.start == 0 and part.stop >= array.shape[axis]:
        return array
    if axis == 0:
        return array[part]
    return nd.slice_axis(array, axis=axis, begin=part.start, end=part.stop)


def load_arrays(sources: Sequence[Any], targets: Sequence[Any], axes: Sequence[int] | None = None) -> None:
    """Copies each source into its target: an array, or a list of ``(slice, array)``, one for each device.

    axes: along which the sources are cut, 0 by default; -1: every device gets all of it. A source that is a list has
    one array for each device already.
    """
    for number, (source, target) in enumerate(zip(sources, targets, strict=False)):
        if not isinstance(target, list):
            _copy(source, target)
        elif isinstance(source, list):
            for part, (_, array) in zip(source, target, strict=True):
                _copy(part, array)
        elif len(target) == 1:
            _copy(source, target[0][1])
        else:
            axis = 0 if axes is None else axes[number]
            for part, array in target:
                _copy(source if axis < 0 else take_slice(source, part, axis), array)


def _copy(source: Any, target: Any) -> None:
    if source is target:
        return
    if source.shape != target.shape:
        msg = f"the batch has an array of shape {source.shape} where {target.shape} was bound"
        raise ShapeError(msg)
    if hasattr(source, "copyto"):
        source.copyto(target)
    else:
        target[:] = source


def merge_arrays(arrays: Sequence[Any], axis: int) -> Any:
    """The devices' parts of one output put together on the first device; the first part where ``axis`` is -1."""
    first = arrays[0]
    if len(arrays) == 1 or axis < 0:
        return first
    context = first.context
    return nd.concat(*[array.as_in_context(context) for array in arrays], dim=axis)


class SlicedBatch:
    """A list of batches, one for each device, seen as one batch whose arrays are lists."""

    def __init__(self, batches: list[Any]) -> None:
        self.data = [_Parts(arrays) for arrays in zip(*[batch.data for batch in batches], strict=True)]
        labels = [batch.label for batch in batches]
        self.label = [_Parts(arrays) for arrays in zip(*labels, strict=True)] if all(labels) else None
        self.pad = batches[-1].pad


class _Parts(list):  # type: ignore[type-arg]
    """One array of a batch in its devices' parts."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole."""
        return (sum(part.shape[0] for part in self), *self[0].shape[1:])
