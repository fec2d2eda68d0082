"""NDArrayIter, over arrays in memory, and ResizeIter and PrefetchingIter, around other iterators."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.data import DataBatch, DataDesc, DataIter
from mx_core.errors import ParameterError, ShapeError

__all__ = ["NDArrayIter", "PrefetchingIter", "ResizeIter"]


def _named_arrays(data: Any, allow_empty: bool, default_name: str) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """(name, NumPy array) pairs of an array, a list of arrays or a dict by name, sorted by name as in MXNet."""
    if data is None:
        data = []
    if isinstance(data, (np.ndarray, nd.NDArray)):
        data = [data]
    if isinstance(data, (list, tuple)):
        if not allow_empty and not data:
            msg = "[NDArrayIter] data is empty: give at least one array"
            raise ParameterError(msg)
        names = [default_name] if len(data) == 1 else [f"_{i}_{default_name}" for i in range(len(data))]
        data = dict(zip(names, data, strict=True))
    if not isinstance(data, dict):
        msg = "Input must be NDArray, numpy.ndarray, a list of them or dict with them as values"
        raise ParameterError(msg)
    return [(name, _as_numpy(name, array)) for name, array in sorted(data.items())]


def _as_numpy(name: str, array: Any) -> np.ndarray[Any, Any]:
    if isinstance(array, nd.NDArray):
        return array.asnumpy()
    if hasattr(array, "shape") and hasattr(array, "__getitem__"):
        # NumPy arrays become float32 whatever they hold, as in MXNet; NDArrays keep their element type.
        return np.asarray(array).astype(np.float32, copy=False)
    msg = f"Invalid type '{type(array)}' for {name}, should be NDArray or numpy.ndarray"
    raise ParameterError(msg)


class NDArrayIter(DataIter):
    """Batches of arrays in memory.

    data, label: an array, a list, or a dict by name, of arrays of one length (NumPy, as float32, or NDArray).
    batch_size: examples per batch.  shuffle: a new random order at construction and each reset (``np.random.seed``).
    last_batch_handle: "pad" the last batch from the start of the data (``batch.pad`` of them), "discard" it, or
    "roll_over" its examples into the next epoch.  data_name, label_name: names of single arrays.  layout: of
    provide_data.

    >>> batches = NDArrayIter(np.arange(6).reshape(3, 2), np.arange(3), batch_size=2)
    >>> [(batch.data[0].shape, batch.pad) for batch in batches]
    [((2, 2), 0), ((2, 2), 1)]
    """

    def __init__(
        self,
        data: Any,
        label: Any = None,
        batch_size: int = 1,
        shuffle: bool = False,
        last_batch_handle: str = "pad",
        data_name: str = "data",
        label_name: str = "softmax_label",
        layout: str = "NCHW",
    ) -> None:
        super().__init__(batch_size)
        if last_batch_handle not in ("pad", "discard", "roll_over"):
            msg = f"[NDArrayIter] last_batch_handle must be 'pad', 'discard' or 'roll_over', got {last_batch_handle!r}"
            raise ParameterError(msg)
        self._data = _named_arrays(data, False, data_name)
        self._label = _named_arrays(label, True, label_name)
        self.num_data = self._data[0][1].shape[0]
        for name, array in self._data + self._label:
            if array.shape[0] != self.num_data:
                msg = f"[NDArrayIter] {name} has {array.shape[0]} examples, {self._data[0][0]} has {self.num_data}"
                raise ShapeError(msg)
        self.num_source = len(self._data)
        self.shuffle = shuffle
        self.last_batch_handle = last_batch_handle
        self.layout = layout
        self.idx = np.arange(self.num_data)
        self._held: np.ndarray[Any, Any] = self.idx[:0]  # examples rolled over from the epoch before
        self.cursor = 0
        self._begin_epoch()

    def _descriptions(self, arrays: list[tuple[str, Any]]) -> list[DataDesc]:
        return [DataDesc(n, (self.batch_size, *a.shape[1:]), a.dtype.type, self.layout) for n, a in arrays]

    @property
    def data(self) -> list[tuple[str, Any]]:
        """(name, NDArray) pairs of all the data."""
        return [(name, nd.array(array, dtype=array.dtype)) for name, array in self._data]

    @property
    def label(self) -> list[tuple[str, Any]]:
        """(name, NDArray) pairs of all the labels."""
        return [(name, nd.array(array, dtype=array.dtype)) for name, array in self._label]

    @property
    def provide_data(self) -> list[DataDesc]:
        """Names, shapes, element types and layout of the data."""
        return self._descriptions(self._data)

    @property
    def provide_label(self) -> list[DataDesc]:
        """Names, shapes, element types and layout of the labels."""
        return self._descriptions(self._label)

    def _begin_epoch(self) -> None:
        if self.shuffle:
            np.random.shuffle(self.idx)  # noqa: NPY002 - np.random.seed decides, as MXNet
        self._order = np.concatenate([self._held, self.idx]) if self._held.size else self.idx
        self._n_rolled = self._held.size
        self._held = self.idx[:0]
        self.cursor = -self.batch_size

    def hard_reset(self) -> None:
        """Back to the first example, forgetting what was rolled over."""
        self._held = self.idx[:0]
        self._begin_epoch()

    def reset(self) -> None:
        """Begins the next epoch."""
        if self.last_batch_handle == "roll_over" and 0 <= self.cursor < len(self._order):
            rest = self._order[self.cursor :]
            if len(rest) < self.batch_size:
                self._held = rest.copy()
        self._begin_epoch()

    def iter_next(self) -> bool:
        """Moves to the next batch; False when there is none."""
        self.cursor += self.batch_size
        whole = self.last_batch_handle != "pad"
        return self.cursor + (self.batch_size if whole else 1) <= len(self._order)

    def _indices(self) -> np.ndarray[Any, Any]:
        chosen = self._order[self.cursor : self.cursor + self.batch_size]
        if len(chosen) < self.batch_size:
            chosen = np.concatenate([chosen, np.resize(self._order, self.batch_size - len(chosen))])
        return chosen

    def _take(self, arrays: list[tuple[str, Any]]) -> list[Any]:
        end = self.cursor + self.batch_size
        if self._order is self.idx and not self.shuffle and end <= self.num_data:
            return [nd.array(a[self.cursor : end], dtype=a.dtype) for _, a in arrays]
        indices = self._indices()
        return [nd.array(a[indices], dtype=a.dtype) for _, a in arrays]

    def getdata(self) -> list[Any]:
        """The current batch's data."""
        return self._take(self._data)

    def getlabel(self) -> list[Any]:
        """The current batch's labels."""
        return self._take(self._label)

    def getpad(self) -> int:
        """How many examples of the current batch do not count: those from the start of the data again, at the end of
        the last batch; or, of a first batch that begins with examples rolled over, those, as in MXNet."""
        if self.last_batch_handle == "roll_over":
            return self._n_rolled if self.cursor == 0 else 0
        return max(0, self.cursor + self.batch_size - len(self._order))


class ResizeIter(DataIter):
    """Another iterator with epochs of ``size`` batches; it starts over within an epoch where it must.

    reset_internal: ``reset`` resets the other iterator too.
    """

    def __init__(self, data_iter: DataIter, size: int, reset_internal: bool = True) -> None:
        super().__init__()
        self.data_iter: Any = data_iter
        self.size = size
        self.reset_internal = reset_internal
        self.cur = 0
        self.current_batch: DataBatch | None = None
        self.provide_data = self.data_iter.provide_data
        self.provide_label = self.data_iter.provide_label
        self.batch_size = data_iter.batch_size
        if hasattr(data_iter, "default_bucket_key"):
            self.default_bucket_key = data_iter.default_bucket_key

    def reset(self) -> None:
        """Begins the next epoch."""
        self.cur = 0
        if self.reset_internal:
            self.data_iter.reset()

    def iter_next(self) -> bool:
        """Moves to the next batch; False when there is none."""
        if self.cur == self.size:
            return False
        try:
            self.current_batch = self.data_iter.next()
        except StopIteration:
            self.data_iter.reset()
            self.current_batch = self.data_iter.next()
        self.cur += 1
        return True

    def _current(self) -> DataBatch:
        if self.current_batch is None:
            msg = "[ResizeIter] there is no current batch; call iter_next() first"
            raise ParameterError(msg)
        return self.current_batch

    def getdata(self) -> Any:
        """The current batch's data."""
        return self._current().data

    def getlabel(self) -> Any:
        """The current batch's labels."""
        return self._current().label

    def getindex(self) -> Any:
        """The example numbers of the current batch."""
        return self._current().index

    def getpad(self) -> int | None:
        """How many examples of the current batch are padding."""
        return self._current().pad


class PrefetchingIter(DataIter):
    """One or several iterators whose next batches are made by threads while the current ones are used.

    iters: iterators of equal batch size, whose data and labels are put together.  rename_data, rename_label: for each
    iterator, a dict old name -> new name.
    """

    def __init__(self, iters: Any, rename_data: Any = None, rename_label: Any = None) -> None:
        super().__init__()
        self.iters = list(iters) if isinstance(iters, (list, tuple)) else [iters]
        if not self.iters:
            msg = "[PrefetchingIter] iters must hold at least one iterator"
            raise ParameterError(msg)
        self.n_iter = len(self.iters)
        self.rename_data = rename_data
        self.rename_label = rename_label
        self.batch_size = self.provide_data[0][1][0]
        self.current_batch: DataBatch | None = None
        self._pool = ThreadPoolExecutor(self.n_iter, thread_name_prefix="mx-prefetch")
        self._pending: list[Future[DataBatch | None]] = self._start()

    def _start(self) -> list[Future[DataBatch | None]]:
        def fetch(source: Any) -> Callable[[], DataBatch | None]:
            def run() -> DataBatch | None:
                try:
                    return source.next()  # type: ignore[no-any-return]
                except StopIteration:
                    return None

            return run

        return [self._pool.submit(fetch(source)) for source in self.iters]

    def _renamed(self, names: Any, attribute: str) -> list[Any]:
        if names is None:
            return [desc for source in self.iters for desc in getattr(source, attribute)]
        return [
            DataDesc(rename.get(desc[0], desc[0]), desc[1], getattr(desc, "dtype", np.float32))
            for rename, source in zip(names, self.iters, strict=True)
            for desc in getattr(source, attribute)
        ]

    @property
    def provide_data(self) -> list[Any]:
        """Names and shapes of the data of all iterators."""
        return self._renamed(self.rename_data, "provide_data")

    @property
    def provide_label(self) -> list[Any]:
        """Names and shapes of the labels of all iterators."""
        return self._renamed(self.rename_label, "provide_label")

    def reset(self) -> None:
        """Begins the next epoch."""
        for future in self._pending:
            future.result()
        for source in self.iters:
            source.reset()
        self._pending = self._start()

    def iter_next(self) -> bool:
        """Moves to the next batch; False when there is none."""
        batches = [future.result() for future in self._pending]
        present = [batch for batch in batches if batch is not None]
        if not present:
            return False
        if len(present) != len(batches) or len({batch.pad for batch in present}) > 1:
            msg = "Number of entry mismatches between iterators"
            raise ShapeError(msg)
        self._pending = self._start()
        self.current_batch = DataBatch(
            [array for batch in present for array in batch.data],
            [array for batch in present for array in batch.label or []],
            present[0].pad,
            present[0].index,
            provide_data=self.provide_data,
            provide_label=self.provide_label,
        )
        return True

    def next(self) -> DataBatch:
        """The next batch. Raises StopIteration after the last."""
        if not self.iter_next():
            raise StopIteration
        assert self.current_batch is not None
        return self.current_batch

    def _current(self) -> DataBatch:
        if self.current_batch is None:
            msg = "[PrefetchingIter] there is no current batch; call iter_next() first"
            raise ParameterError(msg)
        return self.current_batch

    def getdata(self) -> Any:
        """The current batch's data."""
        return self._current().data

    def getlabel(self) -> Any:
        """The current batch's labels."""
        return self._current().label

    def getindex(self) -> Any:
        """The example numbers of the current batch."""
        return self._current().index

    def getpad(self) -> int | None:
        """How many examples of the current batch are padding."""
        return self._current().pad

    def __del__(self) -> None:
        pool = getattr(self, "_pool", None)
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
