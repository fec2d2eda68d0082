"""Batches made ahead by threads: which records a batch holds, who makes it, and how everything stops."""

from __future__ import annotations

import functools
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from .source import Order

__all__ = ["Batch", "Cursor", "Pipeline", "Plan"]


@dataclass(frozen=True)
class Cursor:
    """A place in the endless sequence of rounds over the records, and in the epochs cut from it.

    ``number`` and ``offset``: round, and records taken of it.  ``epoch`` and ``batch``: epoch, and batches given of it.
    """

    number: int = 0
    offset: int = 0
    epoch: int = 0
    batch: int = 0
    ended: bool = False


@dataclass(frozen=True)
class Plan:
    """What a batch holds: record numbers (fewer than batch_size where the rest stays zero), padding, and what follows."""

    start: Cursor
    records: np.ndarray[Any, Any]
    pad: int
    after: Cursor


def plan_batch(order: Order, n: int, batch_size: int, cursor: Cursor, round_batch: bool) -> Plan:
    """The batch at ``cursor``, of ``n`` records in ``order``.

    The last batch of an epoch goes on with the first records of the next round, which the next epoch then leaves out
    (``round_batch``), or stays short.
    """
    number, offset = cursor.number, cursor.offset
    records = order.of(number)[offset : offset + batch_size]
    offset += len(records)
    pad = batch_size - len(records)
    ended = offset >= n
    if ended:
        number, offset = number + 1, 0
    if pad and round_batch:
        pieces, missing = [records], pad
        while missing:
            piece = order.of(number)[:missing]
            pieces.append(piece)
            missing -= len(piece)
            offset = len(piece)
            if offset == n:
                number, offset = number + 1, 0
        records = np.concatenate(pieces)
    after = Cursor(number, offset, cursor.epoch, cursor.batch + 1, ended)
    return Plan(cursor, records, pad, after)


class Batch:
    """A batch in the making: its plan, the arrays that threads fill, and their futures."""

    def __init__(self, plan: Plan, arrays: list[Any]) -> None:
        self.plan = plan
        self.arrays = arrays
        self.ids = np.zeros(arrays[0].shape[0], np.uint64)
        self.futures: list[Future[None]] = []
        self.shares: list[Callable[[], None]] = []  # what each future runs
        self.stopped = threading.Event()

    def wait(self) -> None:
        """Makes the batch complete; raises what failed first in it. What no thread has begun, the caller does itself
        instead of waiting idly."""
        for future, share in zip(self.futures, self.shares, strict=True):
            if future.cancel():
                share()
            else:
                future.result()
        self.futures, self.shares = [], []

    def stop(self) -> None:
        """Has the threads leave this batch alone, and waits for those that are at it."""
        self.stopped.set()
        for future in self.futures:
            if not future.cancel():
                future.exception()
        self.futures, self.shares = (
            [],
            [],
        )  # a future holds what failed, and that the frames up to the iterator: a cycle


class Pipeline:
    """Makes the batches that follow one another, up to ``ahead`` of them before they are asked for.

    make: called with a Cursor, gives a Batch and the function that fills images ``first`` to ``last`` of it.
    n_threads: threads that fill.
    """

    def __init__(
        self, make: Callable[[Cursor], tuple[Batch, Callable[[int, int], None]]], n_threads: int, ahead: int
    ) -> None:
        self._make = make
        self._n_threads = n_threads
        self._ahead = ahead
        self._batches: deque[Batch] = deque()
        self._pool: ThreadPoolExecutor | None = None
        self._pid = os.getpid()

    def take(self, cursor: Cursor) -> Batch:
        """The batch at ``cursor``, complete. Raises what failed while it was made; the next one can still be taken."""
        if self._pid != os.getpid():  # a forked child has none of its parent's threads
            self._pid, self._pool = os.getpid(), None
            self._batches.clear()
        if self._batches and self._batches[0].plan.start != cursor:
            self.stop()
        if not self._batches:
            self._start(cursor)
        batch = self._batches.popleft()
        self._fill(batch)
        try:
            batch.wait()
        except BaseException:
            batch.stop()
            raise
        return batch

    def _fill(self, last: Batch) -> None:
        if self._batches:
            last = self._batches[-1]
        while len(self._batches) < self._ahead and not last.plan.after.ended:
            last = self._start(last.plan.after)

    def _start(self, cursor: Cursor) -> Batch:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._n_threads, thread_name_prefix="mx-record")
        batch, fill = self._make(cursor)
        n = len(batch.plan.records)
        share = max(1, min(8, -(-n // (2 * self._n_threads))))
        batch.shares = [functools.partial(fill, i, min(n, i + share)) for i in range(0, n, share)]
        batch.futures = [self._pool.submit(run) for run in batch.shares]
        self._batches.append(batch)
        return batch

    def stop(self) -> None:
        """Drops the batches made ahead; no thread works on any of them afterwards."""
        if self._pid == os.getpid():
            for batch in self._batches:
                batch.stopped.set()
            for batch in self._batches:
                batch.stop()
        self._batches.clear()

    def close(self, wait: bool = True) -> None:
        """Stops, and ends the threads. Without ``wait`` they end by themselves, soon: the garbage collector, which may
        run in any thread, must not wait for one."""
        if wait:
            self.stop()
        for batch in self._batches:
            batch.stopped.set()
        if self._pool is not None and self._pid == os.getpid():
            self._pool.shutdown(wait=wait, cancel_futures=True)
        self._pool = None
