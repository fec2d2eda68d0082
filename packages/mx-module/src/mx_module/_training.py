"""The training loop of FeedForward."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from mx_core import optimizer as opt
from mx_core.context import Context

from ._kvstore import _initialize_kvstore, _update_params, _update_params_on_kvstore
from .callback import BatchEndParam
from .executor_manager import DataParallelExecutorManager

__all__ = ["call", "train_multi_device"]


def call(callbacks: Any, *args: Any) -> None:
    """Calls one function or each of several; None is none."""
    if isinstance(callbacks, (list, tuple)):
        for callback in callbacks:
            callback(*args)
    elif callbacks is not None:
        callbacks(*args)


def train_multi_device(
    symbol: Any,
    ctx: Sequence[Context],
    arg_names: Sequence[str],
    param_names: Sequence[str],
    aux_names: Sequence[str],
    arg_params: dict[str, Any],
    aux_params: dict[str, Any],
    begin_epoch: int,
    end_epoch: int,
    epoch_size: int | None,
    optimizer: Any,
    kvstore: Any,
    update_on_kvstore: bool,
    train_data: Any,
    eval_data: Any = None,
    eval_metric: Any = None,
    epoch_end_callback: Any = None,
    batch_end_callback: Any = None,
    logger: Any = None,
    work_load_list: Sequence[float] | None = None,
    monitor: Any = None,
    eval_end_callback: Any = None,
    eval_batch_end_callback: Any = None,
    sym_gen: Any = None,
) -> None:
    """Trains on one or several devices; ``arg_params`` and ``aux_params`` are the first values and take the last ones.

    epoch_size: batches in an epoch; None: until the iterator ends.
    """
    logger = logging if logger is None else logger
    manager = DataParallelExecutorManager(
        symbol, ctx, train_data, arg_names, param_names, aux_names, work_load_list, logger, sym_gen
    )
    if monitor is not None:
        manager.install_monitor(monitor)
    manager.set_params(arg_params, aux_params)
    updater = None if update_on_kvstore else opt.get_updater(optimizer)
    if kvstore is not None:
        if update_on_kvstore:
            kvstore.set_optimizer(optimizer)
        _initialize_kvstore(kvstore, manager.param_arrays, arg_params, manager.param_names, update_on_kvstore)
    train_data.reset()
    for epoch in range(begin_epoch, end_epoch):
        tic = time.time()
        eval_metric.reset()
        nbatch = 0
        ended = False
        while not ended:
            do_reset = True
            for data_batch in train_data:
                manager.load_data_batch(data_batch)
                if monitor is not None:
                    monitor.tic()
                manager.forward(is_train=True)
                manager.backward()
                if update_on_kvstore:
                    _update_params_on_kvstore(manager.param_arrays, manager.grad_arrays, kvstore, manager.param_names)
                else:
                    _update_params(
                        manager.param_arrays, manager.grad_arrays, updater, len(ctx), kvstore, manager.param_names
                    )
                if monitor is not None:
                    monitor.toc_print()
                manager.update_metric(eval_metric, data_batch.label)
                nbatch += 1
                if batch_end_callback is not None:
                    call(batch_end_callback, BatchEndParam(epoch, nbatch, eval_metric, locals()))
                if epoch_size is not None and nbatch >= epoch_size:
                    do_reset = False
                    break
            if do_reset:
                logger.info("Epoch[%d] Resetting Data Iterator", epoch)
                train_data.reset()
            ended = epoch_size is None or nbatch >= epoch_size
        logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - tic)
        if epoch_end_callback is not None or epoch + 1 == end_epoch:
            manager.copy_to(arg_params, aux_params)
        call(epoch_end_callback, epoch, symbol, arg_params, aux_params)
        if eval_data is not None:
            _evaluate(manager, eval_data, eval_metric, epoch, eval_batch_end_callback, eval_end_callback)


def _evaluate(
    manager: DataParallelExecutorManager, eval_data: Any, eval_metric: Any, epoch: int, on_batch: Any, on_end: Any
) -> None:
    eval_metric.reset()
    eval_data.reset()
    count = 0
    for i, eval_batch in enumerate(eval_data):
        manager.load_data_batch(eval_batch)
        manager.forward(is_train=False)
        manager.update_metric(eval_metric, eval_batch.label)
        if on_batch is not None:
            call(on_batch, BatchEndParam(epoch, i, eval_metric, locals()))
        count += 1
    call(on_end, BatchEndParam(epoch, count, eval_metric, locals()))
