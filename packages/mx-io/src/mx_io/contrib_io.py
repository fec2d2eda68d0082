"""``mxnet.contrib.io``: a Gluon DataLoader as a data iterator, for Module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mx_core import ndarray as nd
from mx_core.data import DataDesc, DataIter
from mx_core.errors import MXNetError, ParameterError

__all__ = ["DataLoaderIter"]


class DataLoaderIter(DataIter):
    """A Gluon DataLoader of (data, label) batches as a data iterator.

    loader: the DataLoader; anything that gives pairs of arrays, again and again, will do.  data_name, label_name: names
    in provide_data and provide_label.  dtype: of the data.  A short last batch is filled with zeros, and its ``pad``
    says how many examples that makes.

    >>> loader = [(nd.ones((2, 3)), nd.zeros((2,))), (nd.ones((1, 3)), nd.zeros((1,)))]
    >>> [(batch.data[0].shape, batch.pad) for batch in DataLoaderIter(loader)]
    [((2, 3), 0), ((2, 3), 1)]
    """

    def __init__(
        self, loader: Any, data_name: str = "data", label_name: str = "softmax_label", dtype: Any = "float32"
    ) -> None:
        self._loader = loader
        self._iter: Iterator[Any] = iter(loader)
        try:
            data, label = next(self._iter)
        except StopIteration:
            msg = "[DataLoaderIter] the loader gives no batch; give it a data set with examples"
            raise ParameterError(msg) from None
        super().__init__(data.shape[0])
        self.dtype = dtype
        self.provide_data = [DataDesc(data_name, data.shape, dtype)]
        self.provide_label = [DataDesc(label_name, label.shape, dtype)]
        self._current: Any = None
        self.reset()

    def reset(self) -> None:
        """Begins the next epoch."""
        self._iter = iter(self._loader)

    def iter_next(self) -> bool:
        """Moves to the next batch; False when there is none."""
        self._current = next(self._iter, None)
        return self._current is not None

    def _filled(self, which: int) -> list[Any]:
        if self._current is None:
            msg = "[DataLoaderIter] there is no current batch; call iter_next() first"
            raise MXNetError(msg)
        array = self._current[which].astype(self.dtype)
        if self.getpad():
            whole = nd.zeros((self.batch_size, *array.shape[1:]), dtype=self.dtype)
            whole[: array.shape[0]] = array
            return [whole]
        return [array]

    def getdata(self) -> list[Any]:
        """The current batch's data."""
        return self._filled(0)

    def getlabel(self) -> list[Any]:
        """The current batch's labels."""
        return self._filled(1)

    def getpad(self) -> int:
        """How many examples of the current batch are zeros that fill it."""
        return self.batch_size - int(self._current[0].shape[0])
