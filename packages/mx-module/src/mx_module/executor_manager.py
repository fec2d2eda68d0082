"""``mx.executor_manager``: data parallelism as FeedForward, and older programs, use it. New ones use `mx_module.module`."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from mx_core.context import Context, cpu
from mx_core.data import DataDesc
from mx_core.errors import ParameterError

from ._batches import check_arguments, load_arrays, split_input_slice, take_slice

__all__ = ["DataParallelExecutorGroup", "DataParallelExecutorManager"]

_exports = (DataDesc,)  # MXNet programs import it from here
_split_input_slice = split_input_slice
_check_arguments = check_arguments


def _load_data(batch: Any, targets: Sequence[Any]) -> None:
    """Copies the data of a batch into bound arrays: an array, or ``(slice, array)`` for each device."""
    load_arrays(batch.data, targets)


def _load_label(batch: Any, targets: Sequence[Any]) -> None:
    """Copies the labels of a batch into bound arrays."""
    load_arrays(batch.label, targets)


class DataParallelExecutorGroup:
    """Executors of one symbol on several devices.

    sym: the symbol.  arg_names, param_names: all arguments, and those that are learned.  ctx: devices.  slices: the part
    of the batch of each.  train_data: an iterator with provide_data and provide_label.  shared_group: whose parameters
    to share.
    """

    def __init__(
        self,
        sym: Any,
        arg_names: Sequence[str],
        param_names: Sequence[str],
        ctx: Sequence[Context],
        slices: Sequence[slice],
        train_data: Any,
        shared_group: DataParallelExecutorGroup | None = None,
    ) -> None:
        check_arguments(sym)
        self.data_names = [desc[0] for desc in train_data.provide_data]
        self.label_names = [desc[0] for desc in train_data.provide_label]
        self.aux_names = sym.list_auxiliary_states()
        self.param_idx = [i for i, name in enumerate(arg_names) if name in param_names]
        self.param_names = [arg_names[i] for i in self.param_idx]
        self.slices = list(slices)
        self.shared_data_arrays: list[dict[str, Any]] = (
            [{} for _ in ctx] if shared_group is None else shared_group.shared_data_arrays
        )
        reqs = {name: "write" if name in self.param_names else "null" for name in arg_names}
        self.train_execs = []
        for number, context in enumerate(ctx):
            part = self.slices[number]
            shapes = {
                desc[0]: (part.stop - part.start, *desc[1][1:])
                for desc in (*train_data.provide_data, *train_data.provide_label)
            }
            executor = sym.simple_bind(
                context,
                grad_req=reqs,
                shared_arg_names=self.param_names,
                shared_exec=None if shared_group is None else shared_group.train_execs[number],
                shared_buffer=self.shared_data_arrays[number],
                **shapes,
            )
            self.train_execs.append(executor)
        self.data_arrays = [self._parts(name) for name in self.data_names]
        self.label_arrays = [self._parts(name) for name in self.label_names]
        self.param_arrays = [[executor.arg_arrays[i] for executor in self.train_execs] for i in self.param_idx]
        self.grad_arrays = [[executor.grad_arrays[i] for executor in self.train_execs] for i in self.param_idx]
        states = range(len(self.aux_names))
        self.aux_arrays = [[executor.aux_arrays[i] for executor in self.train_execs] for i in states]

    def _parts(self, name: str) -> list[tuple[slice, Any]]:
        return [(part, executor.arg_dict[name]) for part, executor in zip(self.slices, self.train_execs, strict=True)]

    def load_data_batch(self, data_batch: Any) -> None:
        """Copies a batch to the devices."""
        _load_data(data_batch, self.data_arrays)
        _load_label(data_batch, self.label_arrays)

    def forward(self, is_train: bool = False) -> None:
        """Runs forward on every device."""
        for executor in self.train_execs:
            executor.forward(is_train=is_train)

    def backward(self) -> None:
        """Runs backward on every device."""
        for executor in self.train_execs:
            executor.backward()

    def update_metric(self, metric: Any, labels: Sequence[Any], pre_sliced: bool = False) -> None:
        """Updates a metric, device by device. pre_sliced: ``labels`` has one list for each device."""
        for number, (executor, part) in enumerate(zip(self.train_execs, self.slices, strict=True)):
            parts = labels[number] if pre_sliced else [take_slice(label, part, 0) for label in labels]
            metric.update_dict(
                OrderedDict(zip(self.label_names, parts, strict=True)), OrderedDict(executor.output_dict)
            )


class DataParallelExecutorManager:
    """Executors for every bucket of a symbol on several devices, with one set of parameters.

    symbol: the network.  ctx: devices.  train_data: a data iterator.  arg_names, param_names, aux_names: arguments,
    learned ones and auxiliary states; taken from the symbol where None.  work_load_list: the share of each device.
    sym_gen: bucket key -> symbol, for iterators with buckets.
    """

    def __init__(
        self,
        symbol: Any,
        ctx: Sequence[Context],
        train_data: Any,
        arg_names: Sequence[str] | None = None,
        param_names: Sequence[str] | None = None,
        aux_names: Sequence[str] | None = None,
        work_load_list: Sequence[float] | None = None,
        logger: Any = None,
        sym_gen: Callable[[Any], Any] | None = None,
    ) -> None:
        logger = logging if logger is None else logger
        logger.info("Start training with %s", str(list(ctx)))
        if work_load_list is None:
            work_load_list = [1] * len(ctx)
        if len(work_load_list) != len(ctx):
            msg = f"Invalid settings for work load: work_load_list needs {len(ctx)} numbers, one for each context"
            raise _BadWorkLoad(msg)
        self.slices = split_input_slice(train_data.batch_size, work_load_list)
        inputs = {desc[0] for desc in (*train_data.provide_data, *train_data.provide_label)}
        self.arg_names = list(arg_names or symbol.list_arguments())
        self.param_names = list(param_names or [name for name in self.arg_names if name not in inputs])
        self.aux_names = list(aux_names or symbol.list_auxiliary_states())
        self.ctx = list(ctx)
        self.symbol = symbol
        self.sym_gen = sym_gen
        self.execgrp = DataParallelExecutorGroup(
            symbol, self.arg_names, self.param_names, self.ctx, self.slices, train_data
        )
        self.curr_execgrp = self.execgrp
        self.execgrp_bucket: dict[Any, DataParallelExecutorGroup] = {}
        if sym_gen is not None:
            self.execgrp_bucket[train_data.default_bucket_key] = self.execgrp

    def install_monitor(self, monitor: Any) -> None:
        """Lets a Monitor watch every executor. Raises ParameterError for networks with buckets."""
        if self.sym_gen is not None:
            msg = "Monitoring is not implemented for bucketing: use mx.mod.BucketingModule, which can"
            raise ParameterError(msg)
        for executor in self.execgrp.train_execs:
            monitor.install(executor)

    def set_params(self, arg_params: dict[str, Any], aux_params: dict[str, Any]) -> None:
        """Copies parameters to every device."""
        for executor in self.execgrp.train_execs:
            executor.copy_params_from(arg_params, aux_params)

    def copy_to(self, arg_params: dict[str, Any], aux_params: dict[str, Any]) -> None:
        """Copies the mean over the devices of each parameter and auxiliary state into the dicts' arrays."""
        for names, blocks, targets in (
            (self.param_names, self.param_arrays, arg_params),
            (self.aux_names, self.aux_arrays, aux_params),
        ):
            for name, block in zip(names, blocks, strict=True):
                mean = sum((array.as_in_context(cpu()) for array in block[1:]), block[0].as_in_context(cpu()))
                (mean / len(block)).copyto(targets[name])

    @property
    def param_arrays(self) -> list[list[Any]]:
        """Parameters, a list over devices for each."""
        return self.execgrp.param_arrays

    @property
    def grad_arrays(self) -> list[list[Any]]:
        """Gradients of the parameters, a list over devices for each."""
        return self.execgrp.grad_arrays

    @property
    def aux_arrays(self) -> list[list[Any]]:
        """Auxiliary states, a list over devices for each."""
        return self.execgrp.aux_arrays

    def load_data_batch(self, data_batch: Any) -> None:
        """Copies a batch to the devices; with buckets, to the network of its key, which is made if it is new."""
        if self.sym_gen is not None:
            key = data_batch.bucket_key
            if key not in self.execgrp_bucket:
                symbol = self.sym_gen(key)
                self.execgrp_bucket[key] = DataParallelExecutorGroup(
                    symbol, symbol.list_arguments(), self.param_names, self.ctx, self.slices, data_batch, self.execgrp
                )
            self.curr_execgrp = self.execgrp_bucket[key]
        else:
            self.curr_execgrp = self.execgrp
        self.curr_execgrp.load_data_batch(data_batch)

    def forward(self, is_train: bool = False) -> None:
        """Runs forward with the batch that was loaded."""
        self.curr_execgrp.forward(is_train=is_train)

    def backward(self) -> None:
        """Runs backward."""
        self.curr_execgrp.backward()

    def update_metric(self, metric: Any, labels: Sequence[Any], pre_sliced: bool = False) -> None:
        """Updates a metric with labels and the outputs of the last forward."""
        self.curr_execgrp.update_metric(metric, labels, pre_sliced)


class _BadWorkLoad(ParameterError, AssertionError):
    """Shares of work that do not fit the devices; an AssertionError too, as in MXNet 1.x."""
