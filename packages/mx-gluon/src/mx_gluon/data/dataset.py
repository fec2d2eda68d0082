"""Data sets: things with a length and items by number."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from mx_core import data as _data
from mx_core import ndarray as nd
from mx_core.errors import ParameterError

__all__ = ["ArrayDataset", "Dataset", "RecordFileDataset", "SimpleDataset"]


class Dataset:
    """Base of data sets: a subclass defines ``__getitem__(idx)`` and ``__len__()``.

    >>> data = SimpleDataset([1, 2, 3, 4]).filter(lambda x: x % 2 == 0).transform(lambda x: x * 10)
    >>> list(data)
    [20, 40]
    """

    def __getitem__(self, idx: int) -> Any:
        msg = f"{type(self).__name__} does not define __getitem__(idx)"
        raise TypeError(msg)

    def __len__(self) -> int:
        msg = f"{type(self).__name__} does not define __len__()"
        raise TypeError(msg)

    def __iter__(self) -> Any:
        for i in range(len(self)):
            yield self[i]

    def filter(self, fn: Callable[[Any], bool]) -> Dataset:
        """The items for which ``fn(item)`` is true; every item is read once, now."""
        return _Chosen(self, [i for i in range(len(self)) if fn(self[i])])

    def shard(self, num_shards: int, index: int) -> Dataset:
        """Part ``index`` of ``num_shards`` contiguous parts; the first ones are longer by one where it does not divide."""
        if not 0 <= index < num_shards:
            msg = f"Shard index {index} must be in range [0, {num_shards})"
            raise ParameterError(msg)
        size, rest = divmod(len(self), num_shards)
        begin = size * index + min(index, rest)
        return _Chosen(self, range(begin, begin + size + (index < rest)))

    def take(self, count: int | None) -> Dataset:
        """The first ``count`` items; None or more than there are: all."""
        return _Chosen(self, range(len(self) if count is None else min(count, len(self))))

    def sample(self, sampler: Iterable[int]) -> Dataset:
        """The items whose numbers ``sampler`` gives, in its order."""
        from .sampler import Sampler

        if not isinstance(sampler, Sampler):
            msg = f"Invalid sampler type: {type(sampler)}. Expected gluon.data.Sampler instead."
            raise ParameterError(msg)
        return _Chosen(self, list(sampler))

    def transform(self, fn: Callable[..., Any], lazy: bool = True) -> Dataset:
        """Items ``fn(*item)`` (``fn(item)`` unless the item is a tuple), made when read, or all now if not ``lazy``."""
        transformed = _Transformed(self, fn)
        return transformed if lazy else SimpleDataset(list(transformed))

    def transform_first(self, fn: Callable[[Any], Any], lazy: bool = True) -> Dataset:
        """Items with ``fn`` applied to their first element only: to images, not to labels."""
        return self.transform(_First(fn), lazy)


class _First:
    """``fn`` applied to the first of its arguments; a class, so that it can be pickled."""

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self._fn = fn

    def __call__(self, x: Any, *args: Any) -> Any:
        return (self._fn(x), *args) if args else self._fn(x)


class SimpleDataset(Dataset):
    """A list, or anything with a length and items, as a data set."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, idx: int) -> Any:
        return self._data[idx]


class _Chosen(Dataset):
    """The items of another data set with these numbers."""

    def __init__(self, data: Dataset, indices: Any) -> None:
        self._data = data
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, idx: int) -> Any:
        return self._data[self._indices[idx]]


class _Transformed(Dataset):
    """The items of another data set, passed through a function when read."""

    def __init__(self, data: Dataset, fn: Callable[..., Any]) -> None:
        self._data = data
        self._fn = fn

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, idx: int) -> Any:
        item = self._data[idx]
        return self._fn(*item) if isinstance(item, tuple) else self._fn(item)


class ArrayDataset(Dataset):
    """Tuples of the items of several arrays (or lists, data sets) of one length; single items of a single array.

    >>> data = ArrayDataset([1, 2], ["a", "b"])
    >>> data[1]
    (2, 'b')
    """

    def __init__(self, *args: Any) -> None:
        if not args:
            msg = "ArrayDataset needs at least 1 array"
            raise ParameterError(msg)
        self._length = len(args[0])
        self._data = []
        for i, data in enumerate(args):
            if len(data) != self._length:
                msg = (
                    "All arrays must have the same length; array[0] has length "
                    f"{self._length} while array[{i}] has {len(data)}."
                )
                raise ParameterError(msg)
            # Numbers of a 1-d array come as NumPy scalars: labels.
            self._data.append(data.asnumpy() if isinstance(data, nd.NDArray) and data.ndim == 1 else data)

    def __getitem__(self, idx: int) -> Any:
        if len(self._data) == 1:
            return self._data[0][idx]
        return tuple([data[idx] for data in self._data])

    def __len__(self) -> int:
        return self._length


class RecordFileDataset(Dataset):
    """The records, bytes, of a record file with an index beside it.

    filename: the ``.rec`` file; its index has the same name with ``.idx``. Raises RecordFileError when one of them
    cannot be read, and PluginError without mx-io.
    """

    def __init__(self, filename: str) -> None:
        self.idx_file = os.path.splitext(filename)[0] + ".idx"
        self.filename = filename
        self._record = _data.reader("record_file")(self.idx_file, self.filename, "r")

    def __getitem__(self, idx: int) -> Any:
        return self._record.read_idx(self._record.keys[idx])

    def __len__(self) -> int:
        return len(self._record.keys)


def __getattr__(name: str) -> Any:
    # MXNet's names of what programs derive from or build themselves.
    if name == "_DownloadedDataset":
        from .vision.datasets import _DownloadedDataset

        return _DownloadedDataset
    if name == "_LazyTransformDataset":
        return _Transformed
    if name == "_TransformFirstClosure":
        return _First
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
