"""DataLoader: batches of a data set, made on the calling thread, or ahead of it by worker processes or threads."""

from __future__ import annotations

import operator
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.context import Context, cpu, cpu_pinned, cpu_shared
from mx_core.errors import DTypeError, ParameterError, ShapeError
from mx_core.ndarray.creation import from_host

from ._epoch import Epoch
from ._seeds import Aside
from .sampler import BatchSampler, RandomSampler, SequentialSampler

if TYPE_CHECKING:
    from ._threads import ThreadPool
    from ._workers import Pool

__all__ = ["DataLoader", "default_batchify_fn", "default_mp_batchify_fn"]


def default_batchify_fn(data: Any) -> Any:
    """A batch of a list of items: arrays and numbers stacked along a new first axis, tuples element by element.

    Raises ShapeError for items of different shapes, DTypeError for items that are not numbers.

    >>> [part.shape for part in default_batchify_fn([(nd.zeros((2,)), 1), (nd.zeros((2,)), 0)])]
    [(2, 2), (2,)]
    """
    first = data[0]
    if isinstance(first, nd.NDArray):
        return nd.stack(*data)
    if isinstance(first, tuple):
        return [default_batchify_fn(part) for part in zip(*data, strict=True)]
    return from_host(_stacked(data), cpu())


def default_mp_batchify_fn(data: Any) -> Any:
    """As `default_batchify_fn`, on cpu_shared(0): in a worker process the batch is made where the loader reads it.

    >>> default_mp_batchify_fn([1.0, 2.0]).context
    cpu_shared(0)
    """
    first = data[0]
    if isinstance(first, nd.NDArray):
        return nd.stack(*data, out=_shared_empty((len(data), *first.shape), first.dtype))
    if isinstance(first, tuple):
        return [default_mp_batchify_fn(part) for part in zip(*data, strict=True)]
    if isinstance(first, np.ndarray) and all(
        type(item) is np.ndarray and item.shape == first.shape and item.dtype == first.dtype for item in data
    ):
        batch = _shared_empty((len(data), *first.shape), first.dtype)
        np.stack(data, out=np.asarray(memoryview(batch)))
        return batch
    return from_host(_stacked(data), cpu_shared())


def _stacked(data: Any) -> np.ndarray[Any, Any]:
    """Numbers, lists or NumPy arrays as one NumPy array of their type."""
    try:
        values = np.asarray(data)
    except ValueError as error:
        shapes = list(dict.fromkeys(np.shape(item) for item in data))
        msg = f"[DataLoader] the items of a batch have shapes {shapes[:4]}; pad them to one shape, or give batchify_fn"
        raise ShapeError(msg) from error
    if values.dtype.kind not in "biuf":
        kinds = ", ".join(dict.fromkeys(type(item).__name__ for item in data))
        msg = f"[DataLoader] items must be NDArrays, NumPy arrays, numbers, or tuples of them, got {kinds}; give batchify_fn"
        raise DTypeError(msg)
    return values


def _shared_empty(shape: tuple[int, ...], dtype: Any) -> Any:
    from . import _worker

    if _worker.arena is None:
        return nd.empty(shape, cpu_shared(), dtype)
    return _worker.arena.empty(shape, dtype)


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
    items.  num_workers: processes that prepare batches ahead, 0 for none.  pin_memory: hand out batches on
    cpu_pinned(pin_device_id).  prefetch: batches prepared ahead, default twice the workers.  thread_pool: workers are
    threads.  timeout: seconds to wait for a batch of a worker.  auto_reload: workers begin the next epoch as soon as
    one ends.

    Worker processes are forked at the first iteration and stay for the next ones; they have the data set as it was
    then. Their batches are on cpu_shared(0). Items that draw random numbers (``random``, ``numpy.random``,
    ``mx.random`` on cpu(0)) get the same ones whatever the number of workers, none among them, decided by the seeds of
    the program, whose own numbers they do not use up; only threads draw from the program's generators. A worker that
    dies or is stopped raises an MXNetError that says which, why and at which sample; an exception of the data set comes
    with its own class. Where processes cannot be forked safely (not Linux), workers are threads.

    >>> from mx_gluon.data import ArrayDataset
    >>> loader = DataLoader(ArrayDataset(nd.arange(5), nd.arange(5)), batch_size=2)
    >>> [label.shape for _, label in loader], len(loader)
    ([(2,), (2,), (1,)], 3)
    """

    _worker_pool: Any = None  # of programs that derive loaders of their own, see _pool_iter

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
        self._pin_memory = pin_memory
        self._pin_device_id = pin_device_id
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
        self._num_workers = _count("num_workers", num_workers)
        self._prefetch = _count("prefetch", 2 * self._num_workers if prefetch is None else prefetch)
        self._thread_pool = thread_pool or sys.platform != "linux"
        if batchify_fn is None:
            uses_processes = self._num_workers > 0 and not self._thread_pool
            batchify_fn = default_mp_batchify_fn if uses_processes else default_batchify_fn
        self._batchify_fn = batchify_fn
        self._auto_reload = auto_reload
        self._pool: Pool | ThreadPool | None = None
        self._begun = 0
        self._epoch: Epoch | None = None  # the last one that began
        self._next: _Ahead | None = None  # an epoch whose batches are being made before it is asked for
        self._resumed: dict[str, Any] | None = None
        if auto_reload:
            self.refresh()

    def __iter__(self) -> Iterator[Any]:
        if self._num_workers == 0:
            self._epoch = self._new_epoch()
            return self._make_here(self._epoch)
        if self._next is None:
            self.refresh()
        ready, self._next = self._next, None
        assert ready is not None
        self._epoch = ready.epoch
        return ready

    def __len__(self) -> int:
        return len(self._batch_sampler)

    def _new_epoch(self) -> Epoch:
        state, self._resumed = self._resumed, None
        number, self._begun = self._begun, self._begun + 1
        return Epoch(self._batch_sampler, number, state)

    def _make_here(self, epoch: Epoch) -> Iterator[Any]:
        dataset, batchify = self._dataset, self._batchify_fn
        while (indices := epoch.draw()) is not None:
            with Aside(epoch.seeds, epoch.last_drawn):
                batch = batchify([dataset[i] for i in indices])
            epoch.hand_out()
            yield batch if self._pin_context is None else _as_in_context(batch, self._pin_context)
        epoch.finish()

    def refresh(self) -> None:
        """Has the workers begin the batches of the next epoch now."""
        if self._num_workers == 0:
            return
        if self._pool is None or not self._pool.is_usable:
            self._pool = self._new_pool()
        self._next = _Ahead(self, self._pool, self._new_epoch())

    def clean(self) -> None:
        """Drops the batches that `refresh` had begun."""
        self._next = None

    def _new_pool(self) -> Pool | ThreadPool:
        if self._thread_pool:
            from ._threads import ThreadPool

            return ThreadPool(self._dataset, self._batchify_fn, self._num_workers)
        from ._workers import Pool

        return Pool(self._dataset, self._batchify_fn, self._num_workers)

    def state_dict(self) -> dict[str, Any]:
        """Where the last begun epoch is, to the sample, in lists and numbers (JSON keeps it).

        The generators of ``random``, ``numpy.random`` and ``mx.random`` (of cpu(0)) are in it: they decide the order of
        the samples, and what a data set draws.

        >>> loader = DataLoader([0, 1, 2, 3, 4, 5], batch_size=2)
        >>> batches = iter(loader)
        >>> _, state = next(batches), loader.state_dict()
        >>> again = DataLoader([0, 1, 2, 3, 4, 5], batch_size=2)
        >>> again.load_state_dict(state)
        >>> [batch.asnumpy().tolist() for batch in again]
        [[2, 3], [4, 5]]
        """
        if self._next is not None and (self._epoch is None or self._epoch.has_ended):
            epoch = self._next.epoch
        else:
            epoch = self._epoch or Epoch(self._batch_sampler, 0, self._resumed)
        return {"samples": len(self._dataset), "at": epoch.state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The next iteration goes on where ``state`` was taken, and puts the generators there.

        Raises ParameterError for the state of a loader of another data set.
        """
        if state["samples"] != len(self._dataset):
            msg = (
                f"[DataLoader] the state is of a data set of {state['samples']} samples, this one has "
                f"{len(self._dataset)}; load it into a loader of the same data"
            )
            raise ParameterError(msg)
        self._next = self._epoch = None
        self._resumed = state["at"]
        self._begun = self._resumed["epoch"]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None, "_next": None, "_epoch": None}


class _Ahead:
    """One epoch of a DataLoader whose batches workers make, in the order of the sampler."""

    def __init__(self, loader: DataLoader, pool: Pool | ThreadPool, epoch: Epoch) -> None:
        self.epoch = epoch
        self._loader = weakref.ref(loader)
        self._pool = pool
        self._timeout = loader._timeout
        self._pin_context = loader._pin_context
        self._reloads = loader._auto_reload
        self._pass: Any = None
        self._wanted: deque[int] = deque()  # numbers of the batches that are being made
        self._sampler_error: Exception | None = None
        self._has_drawn_all = False
        for _ in range(max(1, loader._prefetch)):
            self._push()

    def _push(self) -> None:
        """Gives the workers one more batch to make."""
        if self._has_drawn_all:
            return
        try:
            indices = self.epoch.draw()
        except Exception as error:  # of the user's sampler: raised when its turn comes
            self._sampler_error, indices = error, None
        if indices is None:
            self._has_drawn_all = True
            return
        if self._pass is None:
            self._pass = self._pool.begin(self.epoch.seeds)
        number = self.epoch.last_drawn
        self._pool.submit(self._pass, number, indices)
        self._wanted.append(number)

    def __iter__(self) -> _Ahead:
        return self

    def __next__(self) -> Any:
        if self._sampler_error is None:
            self._push()
        if not self._wanted:
            self._end()
            raise StopIteration
        number = self._wanted.popleft()
        self.epoch.hand_out()
        batch = self._pool.result(self._pass, number, self._timeout)
        return batch if self._pin_context is None else _as_in_context(batch, self._pin_context)

    def _end(self) -> None:
        error, self._sampler_error = self._sampler_error, None
        if error is not None:
            raise error
        if not self.epoch.has_ended:
            self.epoch.finish()
            loader = self._loader()
            if self._reloads and loader is not None:
                loader.refresh()

    def __del__(self) -> None:
        if getattr(self, "_pass", None) is not None:
            self._pool.end(self._pass)


def _count(name: str, value: Any) -> int:
    try:
        return max(0, operator.index(value))
    except TypeError:
        msg = f"[DataLoader] {name} must be an integer, got {value!r}"
        raise DTypeError(msg) from None


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


_OF_POOLS = ("ForkingPickler", "_MultiWorkerIter", "_thread_worker_fn", "_worker_fn", "_worker_initializer")


def __getattr__(name: str) -> Any:
    if name in _OF_POOLS:  # multiprocessing is not imported for nothing
        from . import _pool_iter

        return getattr(_pool_iter, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
