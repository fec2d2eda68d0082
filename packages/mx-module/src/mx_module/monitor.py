"""Monitor: statistics of the arrays inside a network while it runs."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from math import sqrt
from typing import Any

from mx_core import ndarray as nd
from mx_core._core import NDArray

__all__ = ["Monitor", "NDArray"]


def _mean_norm(array: Any) -> Any:
    """``|x| / sqrt(size)``, the root of the mean square."""
    return nd.norm(array) / sqrt(array.size)


class Monitor:
    """Collects a statistic of outputs, parameters and states of bound networks, every ``interval`` batches.

    interval: batches from one collection to the next.  stat_func: NDArray -> NDArray or number, the root mean square
    by default.  pattern: a regular expression that the names must match from their beginning.  sort: by name; otherwise
    as they come.  monitor_all: inputs of operators too.

    >>> import mxnet as mx
    >>> exe = mx.sym.relu(mx.sym.var("x"), name="relu1").simple_bind(mx.cpu(), x=(2,))
    >>> monitor = mx.mon.Monitor(1, stat_func=lambda x: x.max())
    >>> monitor.install(exe)
    >>> monitor.tic()
    >>> _ = exe.forward(x=mx.nd.array([-1.0, 2.0]))
    >>> [(batch, name, value.strip()) for batch, name, value in monitor.toc()]
    [(1, 'relu1_output', '2.0'), (1, 'x', '2.0')]
    """

    def __init__(
        self,
        interval: int,
        stat_func: Callable[[Any], Any] | None = None,
        pattern: str = ".*",
        sort: bool = False,
        monitor_all: bool = False,
    ) -> None:
        self.stat_func = _mean_norm if stat_func is None else stat_func
        self.interval = interval
        self.activated = False
        self.queue: list[tuple[int, str, Any]] = []
        self.step = 0
        self.exes: list[Any] = []
        self.re_prog = re.compile(pattern)
        self.sort = sort
        self.monitor_all = monitor_all

    def stat_helper(self, name: str, array: Any) -> None:
        """Adds the statistic of one array, if this batch is collected and the name matches."""
        if self.activated and self.re_prog.match(name):
            self.queue.append((self.step, name, self.stat_func(array)))

    def install(self, exe: Any) -> None:
        """Watches an executor."""
        exe.set_monitor_callback(self.stat_helper, self.monitor_all)
        self.exes.append(exe)

    def _wait(self) -> None:
        for exe in self.exes:
            for array in (*exe.arg_arrays, *exe.aux_arrays):
                array.wait_to_read()

    def tic(self) -> None:
        """Call before a batch: begins to collect, every ``interval`` calls."""
        if self.step % self.interval == 0:
            self._wait()
            self.queue = []
            self.activated = True
        self.step += 1

    def toc(self) -> list[tuple[int, str, str]]:
        """Call after a batch: (batch number, name, statistic as text) of all that was collected; [] between collections.

        Parameters and states come last, as they are now.
        """
        if not self.activated:
            return []
        self._wait()
        for exe in self.exes:
            for name, array in (*exe.arg_dict.items(), *exe.aux_dict.items()):
                self.stat_helper(name, array)
        self.activated = False
        if self.sort:
            self.queue.sort(key=lambda entry: entry[1])
        collected = [(step, name, _text(value)) for step, name, value in self.queue]
        self.queue = []
        return collected

    def toc_print(self) -> None:
        """`toc`, logged."""
        for step, name, value in self.toc():
            logging.info("Batch: %7d %-30s %s", step, name, value)


def _text(values: Any) -> str:
    """The statistic as text: arrays of one element as numbers, others as NumPy prints them, each with a tab."""
    values = values if isinstance(values, list) else [values]
    parts = []
    for value in values:
        if isinstance(value, NDArray):
            value = value.asnumpy()
            value = value[0] if value.shape == (1,) else value
        parts.append(f"{value!s}\t")  # str: NumPy's format() of a float32 would show 17 digits
    return "".join(parts)
