"""DataLoader: batches of a data set, made on the calling thread or by worker threads ahead of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.context import Context, cpu_pinned
from mx_core.errors import ParameterError

from .sampler import BatchSampler, RandomSampler, SequentialSampler

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["DataLoader", "default_batchify_fn", "default_mp_batchify_fn"]


def default_batchify_fn(data: Any) -> Any:
    """A batch of a list of items: arrays and numbers stacked along a new first axis, tuples element by element.

    >>> [part.shape for part in default_batchify_fn([(nd.zeros((2,)), 1), (nd.zeros((2,)), 0)])]
    [(2, 2), (2,)]
    """
    first = data[0]
    if isinstance(first, nd.NDArray):
        return nd.stack(*data)
    if isinstance(first, tuple):
        return [default_batchify_fn(part) for part in zip(*data, strict=True)]
    array = np.asarray(data)
    return nd.array(array, dtype=array.dtype)


default_mp_batchify_fn = default_batchify_fn


def _as_in_context(data: Any, ctx: Context) -> Any:
    """The arrays of a batch on ``ctx``."""
    if isinstance(data, nd.NDArray):
        return data.as_in_context(ctx)
    if isinstance(data, (list, tuple)):
        return [_as_in_context(part, ctx) for part in data]
    return data


class DataLoader:
    """Iterates over a data set in batches.

    dataset: anything with a length and items by number.  batch_size: items per batch.  shuffle: a new random order
    each epoch.  sampler: an own order of items.  last_batch: "keep" (default), "discard" or "rollover" a shorter last
    batch.  batch_sampler: an own order of lists, instead of the four above.  batchify_fn: makes a batch of a list of
    items.  num_workers: threads that prepare batches ahead, 0 for none.  pin_memory: hand out batches on
    cpu_pinned(pin_device_id).  prefetch: batches prepared ahead, default twice the workers.  timeout: seconds to wait
    for a batch of a worker.  thread_pool, auto_reload: accepted for MXNet's programs.

    >>> from mx_gluon.data import ArrayDataset
    >>> loader = DataLoader(ArrayDataset(nd.arange(5), nd.arange(5)), batch_size=2)
    >>> [label.shape for _, label in loader], len(loader)
    ([(2,), (2,), (1,)], 3)
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = None,
        shuffle: bool = False,
        sampler: Any = None,
        last_batch: str | None = None,
        batch_sampler: Any = None,
        batchify_fn: Callable[[list[Any]], Any] | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
        pin_device_id: int = 0,
        prefetch: int | None = None,
        thread_pool: bool = False,
        timeout: float = 120,
        auto_reload: bool = False,
    ) -> None:
        self._dataset = dataset
        self._pin_context = cpu_pinned(pin_device_id) if pin_memory else None
        self._timeout = timeout
        if timeout <= 0:
            msg = f"[DataLoader] timeout must be positive, got {timeout}"
            raise ParameterError(msg)
        if batch_sampler is None:
            batch_sampler = _batch_sampler(dataset, batch_size, shuffle, sampler, last_batch)
        elif batch_size is not None or shuffle or sampler is not None or last_batch is not None:
            msg = "batch_size, shuffle, sampler and last_batch must not be specified if batch_sampler is specified."
            raise ParameterError(msg)
        self._batch_sampler = batch_sampler
        self._num_workers = max(0, num_workers)
        self._prefetch = max(0, 2 * self._num_workers if prefetch is None else prefetch)
        self._batchify_fn = default_batchify_fn if batchify_fn is None else batchify_fn
        self._pool: ThreadPoolExecutor | None = None

    def _make(self, indices: list[int]) -> Any:
        dataset = self._dataset
        batch = self._batchify_fn([dataset[i] for i in indices])
        return batch if self._pin_context is None else _as_in_context(batch, self._pin_context)

    def __iter__(self) -> Iterator[Any]:
        if self._num_workers == 0:
            return map(self._make, self._batch_sampler)
        return self._iterate_ahead()

    def _iterate_ahead(self) -> Iterator[Any]:
        from concurrent.futures import ThreadPoolExecutor

        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._num_workers, thread_name_prefix="mx-dataloader")
        pool, batches = self._pool, iter(self._batch_sampler)
        pending: deque[Any] = deque()
        try:
            for indices in batches:
                pending.append(pool.submit(self._make, indices))
                if len(pending) > max(1, self._prefetch):
                    yield pending.popleft().result(timeout=self._timeout)
            while pending:
                yield pending.popleft().result(timeout=self._timeout)
        finally:
            for future in pending:
                future.cancel()

    def __len__(self) -> int:
        return len(self._batch_sampler)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None}

    def __del__(self) -> None:
        pool = getattr(self, "_pool", None)
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _batch_sampler(
    dataset: Any, batch_size: int | None, shuffle: bool, sampler: Any, last_batch: str | None
) -> BatchSampler:
    if batch_size is None:
        msg = "batch_size must be specified unless batch_sampler is specified"
        raise ParameterError(msg)
    if sampler is None:
        sampler = RandomSampler(len(dataset)) if shuffle else SequentialSampler(len(dataset))
    elif shuffle:
        msg = "shuffle must not be specified if sampler is specified"
        raise ParameterError(msg)
    return BatchSampler(sampler, batch_size, last_batch or "keep")
