"""Samplers: iterables of item numbers, or of lists of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from mx_core.errors import ParameterError

__all__ = ["BatchSampler", "FilterSampler", "RandomSampler", "Sampler", "SequentialSampler"]


class Sampler:
    """Base of samplers: a subclass defines ``__iter__`` and ``__len__``."""

    def __len__(self) -> int:
        msg = f"{type(self).__name__} does not define __len__"
        raise TypeError(msg)

    def __iter__(self) -> Iterator[Any]:
        msg = f"{type(self).__name__} does not define __iter__"
        raise TypeError(msg)


class SequentialSampler(Sampler):
    """``start, start + 1, ..., start + length - 1``."""

    def __init__(self, length: int, start: int = 0) -> None:
        self._length = length
        self._start = start

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._start, self._start + self._length))

    def __len__(self) -> int:
        return self._length


class RandomSampler(Sampler):
    """0 to length - 1 in an order drawn anew each time, with NumPy's global generator (``np.random.seed``)."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __iter__(self) -> Iterator[int]:
        indices = np.arange(self._length)
        np.random.shuffle(indices)  # noqa: NPY002 - np.random.seed decides, as MXNet
        return iter(indices.tolist())

    def __len__(self) -> int:
        return self._length


class FilterSampler(Sampler):
    """The numbers of the items of ``dataset`` for which ``fn(item)`` is true."""

    def __init__(self, fn: Callable[[Any], bool], dataset: Any) -> None:
        self._indices = [i for i in range(len(dataset)) if fn(dataset[i])]

    def __iter__(self) -> Iterator[int]:
        return iter(self._indices)

    def __len__(self) -> int:
        return len(self._indices)


class BatchSampler(Sampler):
    """Lists of ``batch_size`` numbers of another sampler.

    last_batch: what becomes of a shorter last list: "keep" it, "discard" it, or "rollover", its numbers begin the
    next epoch.

    >>> list(BatchSampler(SequentialSampler(5), 2, "keep"))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, last_batch: str = "keep") -> None:
        if last_batch not in ("keep", "discard", "rollover"):
            msg = f"last_batch must be one of 'keep', 'discard', or 'rollover', but got {last_batch}"
            raise ParameterError(msg)
        self._sampler = sampler
        self._batch_size = batch_size
        self._last_batch = last_batch
        self._left_over: list[int] = []

    def __iter__(self) -> Iterator[list[int]]:
        batch, self._left_over = self._left_over, []
        for i in self._sampler:
            batch.append(i)
            if len(batch) == self._batch_size:
                yield batch
                batch = []
        if batch:
            if self._last_batch == "keep":
                yield batch
            elif self._last_batch == "rollover":
                self._left_over = batch

    def state_dict(self) -> dict[str, Any]:
        """What is left of the last pass, with ``last_batch="rollover"``, and the state of the sampler if it has one."""
        inner = self._sampler.state_dict() if hasattr(self._sampler, "state_dict") else None
        return {"left_over": list(self._left_over), "sampler": inner}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to a state of `state_dict`."""
        self._left_over = list(state["left_over"])
        if state["sampler"] is not None:
            self._sampler.load_state_dict(state["sampler"])  # type: ignore[attr-defined]

    def __len__(self) -> int:
        count = len(self._sampler)  # type: ignore[arg-type]
        if self._last_batch == "keep":
            return -(-count // self._batch_size)
        if self._last_batch == "rollover":
            count += len(self._left_over)
        return count // self._batch_size
