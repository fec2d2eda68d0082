"""The pool of worker threads of a DataLoader, used as the pool of processes is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from mx_core.errors import MXNetError

__all__ = ["ThreadPool"]


class ThreadPool:
    """``count`` threads that make batches; a pass is the batches it waits for, by their numbers."""

    is_usable = True

    def __init__(self, dataset: Any, batchify: Callable[[list[Any]], Any], count: int) -> None:
        self._dataset = dataset
        self._batchify = batchify
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="DataLoader")

    def begin(self, seeds: Any) -> dict[int, Future[Any]]:
        """A new pass over the data. Threads share the program's generators: seeds would be of no use."""
        return {}

    def end(self, ended: dict[int, Future[Any]]) -> None:
        """Gives up what is still to come of a pass."""
        for future in ended.values():
            future.cancel()

    def submit(self, of: dict[int, Future[Any]], batch: int, indices: Any) -> None:
        """Has a thread make a batch of the samples ``indices``."""
        of[batch] = self._threads.submit(self._make, batch, list(indices))

    def _make(self, batch: int, indices: list[Any]) -> Any:
        samples, place = [], ""
        try:
            for position, index in enumerate(indices):
                place = f"sample {index!r} (item {position} of batch {batch})"
                samples.append(self._dataset[index])
            place = f"the end of batch {batch}, in batchify_fn"
            return self._batchify(samples)
        except StopIteration as error:
            msg = f"{threading.current_thread().name}, {place}: StopIteration"
            raise MXNetError(msg) from error
        except Exception as error:
            error.add_note(f"In the DataLoader's thread {threading.current_thread().name}, {place}")
            raise

    def result(self, of: dict[int, Future[Any]], batch: int, timeout: float) -> Any:
        """The batch once it is made; raises what its thread raised, or MXNetError after ``timeout`` seconds."""
        future = of.pop(batch)
        if not wait([future], timeout).done:
            msg = (
                f"The DataLoader's threads did not finish batch {batch} within {timeout:g} s. "
                "Give DataLoader a larger timeout"
            )
            raise MXNetError(msg)
        return future.result()

    def __del__(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
