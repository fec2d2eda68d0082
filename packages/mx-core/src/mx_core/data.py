"""The interfaces between data iterators and training loops: DataDesc, DataBatch, DataIter.

mx-io fills them, mx-module reads them. `reader` is how a package gets at another's files without importing it.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["DataBatch", "DataDesc", "DataIter", "reader"]


class DataDesc(namedtuple("DataDesc", ["name", "shape"])):  # noqa: PYI024 - MXNet's class is a named tuple of two
    """Name, shape, element type and layout of one input of a batch; unpacks as ``(name, shape)``.

    >>> desc = DataDesc("data", (32, 3, 8, 8))
    >>> desc.layout, DataDesc.get_batch_axis("TNC")
    ('NCHW', 1)
    """

    dtype: Any
    layout: str | None

    def __new__(
        cls, name: str, shape: tuple[int, ...], dtype: Any = np.float32, layout: str | None = "NCHW"
    ) -> DataDesc:
        """A description; ``layout`` names the axes, "N" being the batch."""
        desc = super().__new__(cls, name, shape)
        desc.dtype = dtype
        desc.layout = layout
        return desc

    def __repr__(self) -> str:
        return f"DataDesc[{self.name},{self.shape},{self.dtype},{self.layout}]"

    @staticmethod
    def get_batch_axis(layout: str | None) -> int:
        """The position of "N" in ``layout``; 0 without a layout."""
        return 0 if layout is None else layout.find("N")

    @staticmethod
    def get_list(shapes: Any, types: Any) -> list[DataDesc]:
        """DataDescs from lists of (name, shape) and, if known, (name, dtype)."""
        if types is None:
            return [DataDesc(name, shape) for name, shape in shapes]
        dtype_of = dict(types)
        return [DataDesc(name, shape, dtype_of[name]) for name, shape in shapes]


class DataBatch:
    """One mini-batch.

    data, label: lists of NDArrays.  pad: how many examples at the end only fill the batch.  index: example numbers.
    bucket_key, provide_data, provide_label: which bucket, and its DataDescs, for bucketing modules.
    """

    def __init__(
        self,
        data: list[Any],
        label: list[Any] | None = None,
        pad: int | None = None,
        index: Any = None,
        bucket_key: Any = None,
        provide_data: list[Any] | None = None,
        provide_label: list[Any] | None = None,
    ) -> None:
        for what, value in (("Data", data), ("Label", label)):
            if value is not None and not isinstance(value, (list, tuple)):
                msg = f"[DataBatch] {what} must be list of NDArrays, got {type(value).__name__}"
                raise TypeError(msg)
        self.data = data
        self.label = label
        self.pad = pad
        self.index = index
        self.bucket_key = bucket_key
        self.provide_data = provide_data
        self.provide_label = provide_label

    def __str__(self) -> str:
        data = [d.shape for d in self.data]
        label = [d.shape for d in self.label] if self.label else None
        return f"{type(self).__name__}: data shapes: {data} label shapes: {label}"


class DataIter:
    """Base of data iterators: ``next`` gives DataBatches until StopIteration, ``reset`` starts again.

    A subclass defines ``iter_next``, ``getdata``, ``getlabel``, ``getpad`` and the properties ``provide_data`` and
    ``provide_label``, or overrides ``next``.
    """

    def __init__(self, batch_size: int = 0) -> None:
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[DataBatch]:
        return self

    def reset(self) -> None:
        """Back to the first batch."""

    def next(self) -> DataBatch:
        """The next batch. Raises StopIteration after the last."""
        if self.iter_next():
            return DataBatch(self.getdata(), self.getlabel(), self.getpad(), self.getindex())
        raise StopIteration

    def __next__(self) -> DataBatch:
        return self.next()

    def iter_next(self) -> bool:
        """Moves to the next batch; False when there is none."""
        return False

    def getdata(self) -> Any:
        """The current batch's data, a list of NDArrays."""

    def getlabel(self) -> Any:
        """The current batch's labels, a list of NDArrays."""

    def getindex(self) -> Any:
        """The example numbers of the current batch, or None."""
        return None

    def getpad(self) -> int | None:
        """How many examples of the current batch are padding."""
        return None


# -- readers of files ----------------------------------------------------------------------------------------------------


_readers: dict[str, Any] = {}


def reader(name: str) -> Any:
    """The reader that a plug-in serves under this name (hook mx_data_readers): "record_file", "image".

    Raises PluginError, with the pip line, when no package brings it.
    """
    if name not in _readers:
        from . import plugin

        served = plugin.named_by_plugins("mx_data_readers")
        if name not in served:
            from .errors import PluginError

            msg = f"reading this data needs {name!r}, which mx-io brings. pip install mx-io"
            raise PluginError(msg)
        _readers[name] = plugin.resolve(served[name])
    return _readers[name]
