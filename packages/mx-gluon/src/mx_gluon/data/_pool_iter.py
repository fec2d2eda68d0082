"""How MXNet's DataLoader used ``multiprocessing``, for programs with loaders of their own.

They start a pool with `_worker_initializer`, derive from `_MultiWorkerIter` and give it functions like `_worker_fn`.
This project's own DataLoader uses `_workers` instead.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any

from mx_core.context import cpu_pinned

from .dataloader import _as_in_context

__all__ = ["_MultiWorkerIter", "_thread_worker_fn", "_worker_fn", "_worker_initializer"]

_dataset: Any = None  # of this process, if it is a worker of such a pool


def _worker_initializer(dataset: Any, active_shape: bool = False, active_array: bool = False) -> None:
    """Gives a worker its data set. The switches of NumPy semantics are accepted as in MXNet."""
    global _dataset
    _dataset = dataset


def _worker_fn(samples: Any, batchify_fn: Callable[[list[Any]], Any], dataset: Any = None) -> bytes:
    """The pickle of a batch of the worker's data set."""
    buffer = io.BytesIO()
    ForkingPickler(buffer, pickle.HIGHEST_PROTOCOL).dump(batchify_fn([_dataset[i] for i in samples]))
    return buffer.getvalue()


def _thread_worker_fn(samples: Any, batchify_fn: Callable[[list[Any]], Any], dataset: Any) -> Any:
    """A batch of ``dataset``."""
    return batchify_fn([dataset[i] for i in samples])


class _MultiWorkerIter:
    """The batches that a pool makes of the lists of ``batch_sampler``, in its order.

    worker_pool: has ``apply_async``.  worker_fn: called there with a list, batchify_fn and dataset; returns the batch,
    pickled if ``dataset`` is None.  prefetch: batches ahead.  timeout: seconds to wait for one.
    """

    def __init__(
        self,
        worker_pool: Any,
        batchify_fn: Callable[[list[Any]], Any],
        batch_sampler: Any,
        pin_memory: bool = False,
        pin_device_id: int = 0,
        worker_fn: Callable[..., Any] = _worker_fn,
        prefetch: int = 0,
        dataset: Any = None,
        data_loader: Any = None,
        timeout: float = 120,
    ) -> None:
        self._worker_pool = worker_pool
        self._batchify_fn = batchify_fn
        self._batch_sampler = batch_sampler
        self._pin_memory = pin_memory
        self._pin_device_id = pin_device_id
        self._worker_fn = worker_fn
        self._dataset = dataset
        self._data_loader = data_loader
        self._timeout = timeout
        self._data_buffer: dict[int, Any] = {}
        self._sent_idx = self._rcvd_idx = 0
        self._iter = iter(batch_sampler)
        for _ in range(prefetch):
            self._push_next()

    def _push_next(self) -> None:
        """Has the pool make one more batch."""
        indices = next(self._iter, None)
        if indices is not None:
            arguments = (indices, self._batchify_fn, self._dataset)
            self._data_buffer[self._sent_idx] = self._worker_pool.apply_async(self._worker_fn, arguments)
            self._sent_idx += 1

    def __len__(self) -> int:
        return len(self._batch_sampler)

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        self._push_next()
        if self._rcvd_idx == self._sent_idx:
            raise StopIteration
        made = self._data_buffer.pop(self._rcvd_idx).get(self._timeout)
        self._rcvd_idx += 1
        batch = pickle.loads(made) if self._dataset is None else made
        return _as_in_context(batch, cpu_pinned(self._pin_device_id)) if self._pin_memory else batch

    next = __next__
