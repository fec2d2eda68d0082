"""Callbacks of training: called after every batch or epoch, they log, draw and save.

Those of batches take a `BatchEndParam`, those of epochs ``(epoch, symbol, arg_params, aux_params)``, the numbers from 0.
"""

from __future__ import annotations

import logging
import math
import time
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from .checkpoint import save_checkpoint

__all__ = [
    "BatchEndParam", "LogValidationMetricsCallback", "ProgressBar", "Speedometer", "do_checkpoint", "log_train_metric",
    "module_checkpoint", "save_checkpoint",
]  # fmt: skip

BatchEndParam = namedtuple("BatchEndParams", ["epoch", "nbatch", "eval_metric", "locals"])
BatchEndParam.__doc__ = """What callbacks of batches get.

epoch, nbatch: from 0.  eval_metric: the metric, or None.  locals: the variables of the training loop.
"""


def module_checkpoint(
    mod: Any, prefix: str, period: int = 1, save_optimizer_states: bool = False
) -> Callable[..., None]:
    """A callback for ``epoch_end_callback`` that saves ``mod`` after every ``period`` epochs."""
    period = max(1, int(period))

    def save(epoch: int, sym: Any = None, arg: Any = None, aux: Any = None) -> None:
        if (epoch + 1) % period == 0:
            mod.save_checkpoint(prefix, epoch + 1, save_optimizer_states)

    return save


def do_checkpoint(prefix: str, period: int = 1) -> Callable[..., None]:
    """A callback for ``epoch_end_callback`` that saves symbol and parameters after every ``period`` epochs.

    The files of the first epoch are ``prefix-symbol.json`` and ``prefix-0001.params``.
    """
    period = max(1, int(period))

    def save(epoch: int, sym: Any, arg: dict[str, Any], aux: dict[str, Any]) -> None:
        if (epoch + 1) % period == 0:
            save_checkpoint(prefix, epoch + 1, sym, arg, aux)

    return save


def log_train_metric(period: int, auto_reset: bool = False) -> Callable[[Any], None]:
    """A callback for ``batch_end_callback`` that logs the metric every ``period`` batches.

    auto_reset: start its local sums again afterwards.
    """

    def log(param: Any) -> None:
        if param.nbatch % period == 0 and param.eval_metric is not None:
            for name, value in param.eval_metric.get_name_value():
                logging.info("Iter[%d] Batch[%d] Train-%s=%f", param.epoch, param.nbatch, name, value)
            if auto_reset:
                param.eval_metric.reset_local()

    return log


class Speedometer:
    """A callback for ``batch_end_callback`` that logs samples per second and the metric.

    batch_size: samples in a batch.  frequent: batches between two lines.  auto_reset: the metric of a line covers the
    batches since the last one; without it, those since the epoch began.

    >>> from mx_module.model import BatchEndParam
    >>> speed = Speedometer(batch_size=100, frequent=50)
    >>> for batch in range(101):
    ...     speed(BatchEndParam(epoch=0, nbatch=batch, eval_metric=None, locals=None))
    """

    def __init__(self, batch_size: int, frequent: int = 50, auto_reset: bool = True) -> None:
        self.batch_size = batch_size
        self.frequent = frequent
        self.init = False
        self.tic: float = 0
        self.last_count = 0
        self.auto_reset = auto_reset

    def __call__(self, param: Any) -> None:
        """Logs, if this is the batch for it."""
        count = param.nbatch
        if self.last_count > count:
            self.init = False  # a new epoch
        self.last_count = count
        if not self.init:
            self.init = True
            self.tic = time.time()
        elif count % self.frequent == 0:
            seconds = time.time() - self.tic
            speed = self.frequent * self.batch_size / seconds if seconds > 0 else math.inf
            self._log(param, speed)
            self.tic = time.time()

    def _log(self, param: Any, speed: float) -> None:
        epoch, count, metric = param.epoch, param.nbatch, param.eval_metric
        if metric is None:
            logging.info("Iter[%d] Batch [%d]\tSpeed: %.2f samples/sec", epoch, count, speed)
            return
        values = metric.get_name_value()
        first = count - self.frequent if self.auto_reset else 0
        if self.auto_reset:
            metric.reset_local()
        line = "Epoch[%d] Batch [%d-%d]\tSpeed: %.2f samples/sec" + "\t%s=%f" * len(values)
        logging.info(line, epoch, first, count, speed, *[item for pair in values for item in pair])


class ProgressBar:
    """A callback for ``batch_end_callback`` that logs a bar of ``length`` characters; ``total``: batches in an epoch."""

    def __init__(self, total: int, length: int = 80) -> None:
        self.bar_len = length
        self.total = total

    def __call__(self, param: Any) -> None:
        """Logs the bar."""
        done = param.nbatch / float(self.total)
        filled = round(self.bar_len * done)
        logging.info("[%s] %s%s\r", "=" * filled + "-" * (self.bar_len - filled), math.ceil(100.0 * done), "%")


class LogValidationMetricsCallback:
    """A callback for ``eval_end_callback`` that logs the values of the validation metric."""

    def __call__(self, param: Any) -> None:
        """Logs one line for every metric."""
        if param.eval_metric is not None:
            for name, value in param.eval_metric.get_name_value():
                logging.info("Epoch[%d] Validation-%s=%f", param.epoch, name, value)
