"""DataParallelExecutorGroup: one executor for each device, each with its slice of the batch."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from mx_core.context import Context, cpu
from mx_core.data import DataDesc
from mx_core.errors import DTypeError, ParameterError, ShapeError

from .._batches import load_arrays, merge_arrays, split_input_slice, take_slice
from .._ready import NotReadyError

__all__ = ["DataParallelExecutorGroup"]

_split_input_slice = split_input_slice


def _load_data(batch: Any, targets: Sequence[Any], major_axis: Sequence[int]) -> None:
    """Copies the data of a batch into bound arrays."""
    load_arrays(batch.data, targets, major_axis)


def _load_label(batch: Any, targets: Sequence[Any], major_axis: Sequence[int]) -> None:
    """Copies the labels of a batch into bound arrays."""
    load_arrays(batch.label, targets, major_axis)


def _merge_multi_context(outputs: Sequence[Sequence[Any]], major_axis: Sequence[int]) -> list[Any]:
    """One array for each output, its parts on the devices put together along the batch axis."""
    return [merge_arrays(parts, axis) for parts, axis in zip(outputs, major_axis, strict=True)]


def _prepare_group2ctxs(group2ctxs: Any, ctx_len: int) -> list[dict[str, Context] | None]:
    """One dict group -> context for each device, from one dict of contexts or of lists, or a list of dicts."""
    if group2ctxs is None:
        return [None] * ctx_len
    if isinstance(group2ctxs, list):
        if len(group2ctxs) != ctx_len:
            msg = f"[Module] group2ctxs must have one dict for each of the {ctx_len} contexts, got {len(group2ctxs)}"
            raise ParameterError(msg)
        return group2ctxs
    if not isinstance(group2ctxs, dict):
        msg = f"[Module] group2ctxs must be a list of dicts or a dict, got {type(group2ctxs).__name__}"
        raise DTypeError(msg)
    found: list[dict[str, Context] | None] = [{} for _ in range(ctx_len)]
    for group, contexts in group2ctxs.items():
        places = [contexts] if isinstance(contexts, Context) else list(contexts)
        places = places * ctx_len if len(places) == 1 else places
        if len(places) != ctx_len:
            msg = f"[Module] group2ctxs[{group!r}] must have 1 or {ctx_len} contexts, got {len(places)}"
            raise ParameterError(msg)
        for on_device, context in zip(found, places, strict=True):
            on_device[group] = context  # type: ignore[index]
    return found


class DataParallelExecutorGroup:
    """Executors of one symbol on several devices, which share the work of every batch.

    symbol, contexts: what and where.  workload: the share of each device.  data_shapes, label_shapes: of whole batches.
    param_names: the arguments that are learned.  shared_group: whose parameters to share.  fixed_param_names: without
    gradients.  grad_req: "write", "add", "null", or one for each argument in a list or dict.  state_names: inputs that
    are kept from batch to batch.
    """

    def __init__(
        self,
        symbol: Any,
        contexts: Sequence[Context],
        workload: Sequence[float],
        data_shapes: Sequence[Any],
        label_shapes: Sequence[Any] | None,
        param_names: Sequence[str],
        for_training: bool,
        inputs_need_grad: bool,
        shared_group: DataParallelExecutorGroup | None = None,
        logger: Any = logging,
        fixed_param_names: Sequence[str] | None = None,
        grad_req: Any = "write",
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
    ) -> None:
        self.param_names = list(param_names)
        self.arg_names = symbol.list_arguments()
        self.aux_names = symbol.list_auxiliary_states()
        self.symbol = symbol
        self.contexts = list(contexts)
        self.workload = workload
        self.group2ctxs = _prepare_group2ctxs(group2ctxs, len(self.contexts))
        self.for_training = for_training
        self.inputs_need_grad = inputs_need_grad
        self.logger = logger
        self.fixed_param_names = list(fixed_param_names or [])
        self.state_names = list(state_names or [])
        self.output_names = symbol.list_outputs()
        self.num_outputs = len(self.output_names)
        self.output_layouts = [DataDesc.get_batch_axis(symbol[name].attr("__layout__")) for name in self.output_names]
        self.grad_req = self._requests(grad_req, [shape[0] for shape in data_shapes])
        # Arrays of inputs by name and device, which the groups of all buckets share, the largest serving all.
        self.shared_data_arrays: list[dict[str, Any]] = (
            [{} for _ in self.contexts] if shared_group is None else shared_group.shared_data_arrays
        )
        self._default_execs: list[Any] | None = None
        self.execs: list[Any] = []
        self.bind_exec(data_shapes, label_shapes, shared_group)

    def _requests(self, grad_req: Any, data_names: Sequence[str]) -> dict[str, str]:
        if isinstance(grad_req, (list, tuple)):
            if len(grad_req) != len(self.arg_names):
                msg = f"[bind] grad_req must have an entry for each of the {len(self.arg_names)} arguments"
                raise ParameterError(msg)
            return dict(zip(self.arg_names, grad_req, strict=True))
        if not isinstance(grad_req, (str, dict)):
            msg = f"[bind] grad_req must be a str, a list or a dict, got {type(grad_req).__name__}"
            raise ParameterError(msg)
        given = grad_req if isinstance(grad_req, str) else "write"
        learned = given if self.for_training else "null"
        requests = {}
        for name in self.arg_names:
            if name in self.param_names:
                requests[name] = "null" if name in self.fixed_param_names else learned
            elif name in data_names:
                requests[name] = given if self.inputs_need_grad else "null"
            else:
                requests[name] = "null"
        if isinstance(grad_req, dict):
            requests.update(grad_req)
        return requests

    # -- binding ---------------------------------------------------------------------------------------------------

    def decide_slices(self, data_shapes: Sequence[Any]) -> list[int]:
        """Cuts the batch for the devices and returns the batch axis of each input."""
        axes = [DataDesc.get_batch_axis(getattr(shape, "layout", "NCHW")) for shape in data_shapes]
        for (name, shape), axis in zip(data_shapes, axes, strict=True):
            if axis < 0:
                continue
            if self.batch_size is not None and shape[axis] != self.batch_size:
                msg = (
                    f"[bind] all data must have the same batch size: batch_size = {self.batch_size}, but "
                    f"{name} has shape {shape}"
                )
                raise ShapeError(msg)
            if self.batch_size is None:
                self.batch_size = shape[axis]
                self.slices = split_input_slice(self.batch_size, self.workload)
        return axes

    def bind_exec(
        self,
        data_shapes: Sequence[Any],
        label_shapes: Sequence[Any] | None,
        shared_group: DataParallelExecutorGroup | None = None,
        reshape: bool = False,
    ) -> None:
        """Binds the symbol on every device, or reshapes the executors that there are."""
        self.batch_size: int | None = None
        self.slices: list[slice] = [slice(0, 0)] * len(self.contexts)
        self.data_layouts = self.decide_slices(data_shapes)
        inputs = list(zip(data_shapes, self.data_layouts, strict=True))
        self.label_layouts = None
        if label_shapes:
            self.label_layouts = self.decide_slices(label_shapes)
            inputs += zip(label_shapes, self.label_layouts, strict=True)
        inputs = [
            (desc, axis) for desc, axis in inputs if desc[0] in self.arg_names
        ]  # a label may be used by metrics only
        for number in range(len(self.contexts)):
            shapes = {desc[0]: self._sliced_shape(desc[1], axis, number) for desc, axis in inputs}
            if reshape:
                if self._default_execs is None:
                    self._default_execs = list(self.execs)
                # Without labels, their arrays take the shapes that follow from the data's.
                executor = self._default_execs[number].reshape(
                    partial_shaping=not label_shapes, allow_up_sizing=True, **shapes
                )
                self.execs[number] = executor
            else:
                types = {desc[0]: desc.dtype for desc, _ in inputs if hasattr(desc, "dtype")}
                self.execs.append(self._bind_one(number, shapes, types, shared_group))
        self.data_shapes = list(data_shapes)
        self.label_shapes = label_shapes
        self.data_names = [desc[0] for desc in self.data_shapes]
        self.label_names = [] if label_shapes is None else [desc[0] for desc in label_shapes]
        self._collect_arrays()

    def _sliced_shape(self, shape: Sequence[int], axis: int, number: int) -> tuple[int, ...]:
        if axis < 0:
            return tuple(shape)
        part = self.slices[number]
        return (*shape[:axis], part.stop - part.start, *shape[axis + 1 :])

    def _bind_one(
        self, number: int, shapes: dict[str, Any], types: dict[str, Any], shared: DataParallelExecutorGroup | None
    ) -> Any:
        return self.symbol.simple_bind(
            ctx=self.contexts[number],
            grad_req=self.grad_req,
            type_dict=types,
            group2ctx=self.group2ctxs[number],
            shared_arg_names=self.param_names,
            shared_exec=None if shared is None else shared.execs[number],
            shared_buffer=self.shared_data_arrays[number],
            **shapes,
        )

    def _collect_arrays(self) -> None:
        arguments = [executor.arg_dict for executor in self.execs]
        gradients = [executor.grad_dict for executor in self.execs]
        states = [executor.aux_dict for executor in self.execs]

        def parts(name: str) -> list[tuple[slice, Any]]:
            return [(part, arrays[name]) for part, arrays in zip(self.slices, arguments, strict=True)]

        self.data_arrays = [parts(name) for name in self.data_names if name in self.arg_names]
        self._label_numbers = [i for i, name in enumerate(self.label_names) if name in self.arg_names]
        self.label_arrays = (
            None if self.label_shapes is None else [parts(self.label_names[i]) for i in self._label_numbers]
        )
        self.state_arrays = [[arrays[name] for arrays in arguments] for name in self.state_names]
        self.param_arrays = [[arrays[name] for arrays in arguments] for name in self._learned()]
        self.grad_arrays = (
            [[arrays[name] for arrays in gradients] for name in self._learned()] if self.for_training else None
        )
        self.input_grad_arrays = (
            [[arrays[name] for arrays in gradients] for name in self.data_names] if self.inputs_need_grad else None
        )
        self.aux_arrays = [[arrays[name] for arrays in states] for name in self.aux_names]

    def _learned(self) -> list[str]:
        return [name for name in self.arg_names if name in self.param_names]

    def reshape(self, data_shapes: Sequence[Any], label_shapes: Sequence[Any] | None) -> None:
        """Prepares the executors for batches of other shapes; parameters stay where they are."""
        if data_shapes == self.data_shapes and label_shapes == self.label_shapes:
            return
        self.bind_exec(data_shapes, label_shapes, reshape=True)

    # -- parameters ------------------------------------------------------------------------------------------------

    def set_params(self, arg_params: dict[str, Any], aux_params: dict[str, Any], allow_extra: bool = False) -> None:
        """Copies parameters and auxiliary states to every device."""
        for executor in self.execs:
            executor.copy_params_from(arg_params, aux_params, allow_extra_params=allow_extra)

    def get_params(self, arg_params: dict[str, Any], aux_params: dict[str, Any]) -> None:
        """Copies the mean over the devices of each parameter and auxiliary state into the given dicts' arrays."""
        for names, blocks, targets in (
            (self.param_names, self.param_arrays, arg_params),
            (self.aux_names, self.aux_arrays, aux_params),
        ):
            for name, block in zip(names, blocks, strict=True):
                mean = block[0]
                if len(block) > 1:
                    mean = sum((array.as_in_context(cpu()) for array in block[1:]), block[0].as_in_context(cpu()))
                    mean = mean / len(block)
                mean.copyto(targets[name])

    # -- running ---------------------------------------------------------------------------------------------------

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Copies a batch to the devices and runs it. is_train: ``for_training`` by default."""
        _load_data(data_batch, self.data_arrays, self.data_layouts)
        labels = getattr(data_batch, "label", None)
        if self.label_arrays and labels:
            if len(self._label_numbers) != len(labels):
                labels = [labels[i] for i in self._label_numbers]
            load_arrays(labels, self.label_arrays, self.label_layouts)
        is_train = self.for_training if is_train is None else is_train
        for executor in self.execs:
            executor.forward(is_train=is_train)

    def get_output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """(name, shape) of each output, for whole batches."""
        shapes = []
        for i, (name, axis) in enumerate(zip(self.output_names, self.output_layouts, strict=True)):
            shape = list(self.execs[0].outputs[i].shape)
            if axis >= 0 and shape:
                shape[axis] = self.batch_size
            shapes.append((name, tuple(shape)))
        return shapes

    def get_outputs(self, merge_multi_context: bool = True, begin: int = 0, end: int | None = None) -> list[Any]:
        """The outputs of the last forward: merged, or one list of the devices' parts for each."""
        on_devices = [executor.outputs[begin:end] for executor in self.execs]
        if len(on_devices) == 1 and merge_multi_context:
            return list(on_devices[0])
        outputs = [list(parts) for parts in zip(*on_devices, strict=True)]
        return _merge_multi_context(outputs, self.output_layouts[begin:end]) if merge_multi_context else outputs

    def get_states(self, merge_multi_context: bool = True) -> list[Any]:
        """The states, one list of the devices' arrays for each; they cannot be merged."""
        if merge_multi_context:
            msg = "merge_multi_context=True is not supported for get_states yet. Call get_states(False)"
            raise NotReadyError(msg)
        return self.state_arrays

    def set_states(self, states: Any = None, value: Any = None) -> None:
        """Sets every state: to arrays, in lists as `get_states` gives them, or all to one number."""
        if (states is None) == (value is None):
            msg = "At least one of states & value must be specified, and only one: arrays for every state, or a number"
            raise NotReadyError(msg)
        if states is not None:
            load_arrays(states, [[(slice(None), array) for array in block] for block in self.state_arrays])
            return
        for block in self.state_arrays:
            for array in block:
                array[:] = value

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradients of the data: merged, or one list of the devices' parts for each."""
        if self.input_grad_arrays is None:
            msg = "[Module] get_input_grads needs bind(..., inputs_need_grad=True)"
            raise NotReadyError(msg)
        if merge_multi_context:
            return _merge_multi_context(self.input_grad_arrays, self.data_layouts)
        return self.input_grad_arrays

    def backward(self, out_grads: Any = None) -> None:
        """Runs backward on every device, from the gradients of the outputs where they are given."""
        if not self.for_training:
            msg = "re-bind with for_training=True to run backward"
            raise NotReadyError(msg)
        if out_grads is None:
            for executor in self.execs:
                executor.backward()
            return
        if not isinstance(out_grads, (list, tuple)):
            out_grads = [out_grads]
        for number, (executor, context) in enumerate(zip(self.execs, self.contexts, strict=True)):
            parts = []
            for gradient, axis in zip(out_grads, self.output_layouts, strict=True):
                part = gradient
                if axis >= 0 and len(self.execs) > 1:
                    part = take_slice(gradient, self.slices[number], axis)
                parts.append(part.as_in_context(context))
            executor.backward(out_grads=parts)

    def update_metric(self, eval_metric: Any, labels: Sequence[Any], pre_sliced: bool = False) -> None:
        """Updates the metric with labels and the outputs of the last forward, device by device.

        pre_sliced: ``labels`` has one list for each device.
        """
        for number, executor in enumerate(self.execs):
            if pre_sliced:
                parts = labels[number]
            elif len(self.execs) == 1:
                parts = labels
            else:
                axes = self.label_layouts or [0] * len(labels)
                part = self.slices[number]
                parts = [
                    take_slice(label, part, axis) if axis >= 0 else label
                    for label, axis in zip(labels, axes, strict=True)
                ]
            eval_metric.update_dict(
                OrderedDict(zip(self.label_names, parts, strict=False)),
                OrderedDict(zip(self.output_names, executor.outputs, strict=True)),
            )

    def install_monitor(self, mon: Any) -> None:
        """Lets a monitor watch every executor."""
        for executor in self.execs:
            mon.install(executor)
