"""Iterators around other iterators: ResizeIter and PrefetchingIter."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from mx_core.data import DataBatch, DataDesc, DataIter
from mx_core.errors import MXNetError, ParameterError, ShapeError

__all__ = ["PrefetchingIter", "ResizeIter"]


def _state_of(owner: str, source: Any) -> Any:
    if not hasattr(source, "state_dict"):
        msg = f"[{owner}] {type(source).__name__} has no state_dict, so this position cannot be saved"
        raise MXNetError(msg)
    return source.state_dict()


class _OneBatch(DataIter):
    """An iterator with a current batch, whose parts ``getdata`` and its like give."""

    current_batch: DataBatch | None = None

    def _current(self) -> DataBatch:
        if self.current_batch is None:
            msg = f"[{type(self).__name__}] there is no current batch; call iter_next() first"
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


class ResizeIter(_OneBatch):
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

    def state_dict(self) -> dict[str, Any]:
        """Where the iterator is: ``load_state_dict`` of an equal one goes on from there."""
        return {"cur": self.cur, "inner": _state_of("ResizeIter", self.data_iter)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to where ``state_dict`` of an equal iterator was."""
        self.cur, self.current_batch = state["cur"], None
        self.data_iter.load_state_dict(state["inner"])


class PrefetchingIter(_OneBatch):
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
        self._begin()

    def _begin(self) -> None:
        """Remembers where the iterators begin the epoch, and sets the threads to work."""
        self._handed_out = 0
        known = all(hasattr(source, "state_dict") for source in self.iters)
        self._beginning = [source.state_dict() for source in self.iters] if known else None
        self._pending: list[Future[DataBatch | None]] = self._start()

    def state_dict(self) -> dict[str, Any]:
        """Where the iterator is: where the epoch began, and how many batches were handed out since."""
        if self._beginning is None:
            for source in self.iters:
                _state_of("PrefetchingIter", source)
        return {"batches": self._handed_out, "inner": self._beginning}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to where ``state_dict`` of an equal iterator was; the batches before are read once more."""
        for future in self._pending:
            future.result()
        for source, inner in zip(self.iters, state["inner"], strict=True):
            source.load_state_dict(inner)
        self._begin()
        for _ in range(state["batches"]):
            self.iter_next()

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
        self._begin()

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
        self._handed_out += 1
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

    def __del__(self) -> None:
        pool = getattr(self, "_pool", None)
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
