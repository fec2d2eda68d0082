"""Module: a symbol with its parameters and optimizer, on one device or on several that share each batch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from mx_core import ndarray as nd
from mx_core import optimizer as opt
from mx_core.context import Context, cpu
from mx_core.data import DataDesc
from mx_core.errors import MXNetError, ParameterError, ShapeError
from mx_core.initializer import InitDesc, Uniform
from mx_core.ndarray import zeros
from mx_core.serialize import atomic_write

from .. import _kvstore
from .._batches import SlicedBatch
from .._optimizer import index_names, make_optimizer, total_batch_size
from .._ready import require
from ..checkpoint import load_checkpoint
from ._names import _as_list, _check_input_names, _parse_data_desc
from .base_module import BaseModule
from .executor_group import DataParallelExecutorGroup

__all__ = ["Module"]

_exports = (load_checkpoint, zeros)  # MXNet programs import them from here


class Module(BaseModule):
    """A symbol that is trained, or that predicts.

    symbol: the network, with its loss if it is to be trained.  data_names, label_names: the arguments that batches
    bring.  logger: for the lines of ``fit``.  context: a device, or a list of devices, each of which computes a part of
    every batch.  work_load_list: the share of each device, equal by default.  fixed_param_names: parameters that are not
    trained.  state_names: arguments that are kept from batch to batch, see ``set_states``.  group2ctxs: the devices of
    the groups that ``mx.AttrScope(ctx_group=...)`` made.  compression_params: of gradients, see
    ``KVStore.set_gradient_compression``.
    """

    def __init__(
        self,
        symbol: Any,
        data_names: Sequence[str] | None = ("data",),
        label_names: Sequence[str] | None = ("softmax_label",),
        logger: Any = logging,
        context: Context | Sequence[Context] | None = None,
        work_load_list: Sequence[float] | None = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
        compression_params: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(logger=logger)
        self._context = list(_as_list(cpu() if context is None else context))
        if work_load_list is None:
            work_load_list = [1] * len(self._context)
        if len(work_load_list) != len(self._context):
            msg = f"[Module] work_load_list must have {len(self._context)} numbers, as many as contexts"
            raise _Contradiction(msg)
        self._work_load_list = work_load_list
        self._group2ctxs = group2ctxs
        self._symbol = symbol
        self._data_names = list(data_names or [])
        self._label_names = list(label_names or [])
        self._state_names = list(state_names or [])
        self._fixed_param_names = list(fixed_param_names or [])
        _check_input_names(symbol, self._data_names, "data", True)
        _check_input_names(symbol, self._label_names, "label", False)
        _check_input_names(symbol, self._state_names, "state", True)
        _check_input_names(symbol, self._fixed_param_names, "fixed_param", True)
        inputs = {*self._data_names, *self._label_names, *self._state_names}
        self._param_names = [name for name in symbol.list_arguments() if name not in inputs]
        self._aux_names = symbol.list_auxiliary_states()
        self._output_names = symbol.list_outputs()
        self._arg_params: dict[str, Any] | None = None
        self._aux_params: dict[str, Any] | None = None
        self._params_dirty = False  # the devices have newer parameters than _arg_params
        self._compression_params = compression_params
        self._optimizer: Any = None
        self._kvstore: Any = None
        self._update_on_kvstore: bool | None = None
        self._updater: Any = None
        self._preload_opt_states: str | None = None
        self._grad_req: Any = None
        self._exec_group: Any = None
        self._data_shapes: Any = None
        self._label_shapes: Any = None

    # -- files -----------------------------------------------------------------------------------------------------

    @staticmethod
    def load(prefix: str, epoch: int, load_optimizer_states: bool = False, **kwargs: Any) -> Module:
        """A module of a checkpoint, to be bound. kwargs: of Module.

        load_optimizer_states: ``init_optimizer`` will read ``prefix-<epoch>.states``.
        """
        symbol, args, auxs = load_checkpoint(prefix, epoch)
        module = Module(symbol=symbol, **kwargs)
        module._arg_params = args
        module._aux_params = auxs
        module.params_initialized = True
        if load_optimizer_states:
            module._preload_opt_states = f"{prefix}-{epoch:04d}.states"
        return module

    def save_checkpoint(
        self, prefix: str, epoch: int, save_optimizer_states: bool = False, remove_amp_cast: bool = True
    ) -> None:
        """Writes ``prefix-symbol.json``, ``prefix-<epoch>.params`` and, if wanted, ``prefix-<epoch>.states``."""
        self._symbol.save(f"{prefix}-symbol.json", remove_amp_cast=remove_amp_cast)
        name = f"{prefix}-{epoch:04d}.params"
        self.save_params(name)
        logging.info('Saved checkpoint to "%s"', name)
        if save_optimizer_states:
            states = f"{prefix}-{epoch:04d}.states"
            self.save_optimizer_states(states)
            logging.info('Saved optimizer state to "%s"', states)

    def save_optimizer_states(self, fname: str) -> None:
        """Writes the optimizer's states, such as momenta, to a file."""
        require(self, "save_optimizer_states", "optimizer_initialized")
        if self._update_on_kvstore:
            self._kvstore.save_optimizer_states(fname)
            return
        with atomic_write(fname) as out:
            out.write(self._updater.get_states())

    def load_optimizer_states(self, fname: str) -> None:
        """Reads the optimizer's states from a file of ``save_optimizer_states``, here or in MXNet 1.x."""
        require(self, "load_optimizer_states", "optimizer_initialized")
        if self._update_on_kvstore:
            self._kvstore.load_optimizer_states(fname)
            return
        with open(fname, "rb") as file:
            self._updater.set_states(file.read())

    # -- what the module is ----------------------------------------------------------------------------------------

    @property
    def data_names(self) -> list[str]:
        """The names of the data."""
        return self._data_names

    @property
    def label_names(self) -> list[str]:
        """The names of the labels."""
        return self._label_names

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs."""
        return self._output_names

    @property
    def data_shapes(self) -> list[DataDesc]:
        """DataDescs of the data, as bound or last reshaped."""
        require(self, "data_shapes", "binded")
        return self._data_shapes

    @property
    def label_shapes(self) -> list[DataDesc] | None:
        """DataDescs of the labels, as bound or last reshaped; None without."""
        require(self, "label_shapes", "binded")
        return self._label_shapes

    @property
    def output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """(name, shape) of each output."""
        require(self, "output_shapes", "binded")
        return self._exec_group.get_output_shapes()

    # -- parameters ------------------------------------------------------------------------------------------------

    def get_params(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """(arg_params, aux_params): the module's own copies on the CPU, brought up to date; means over devices."""
        require(self, "get_params", "binded", "params_initialized")
        if self._params_dirty:
            self._sync_params_from_devices()
        return self._arg_params or {}, self._aux_params or {}

    def init_params(
        self,
        initializer: Any = Uniform(0.01),  # noqa: B008 - MXNet's default; it holds no state
        arg_params: dict[str, Any] | None = None,
        aux_params: dict[str, Any] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Gives every parameter a value: from the dicts where they have it, else from ``initializer``.

        A variable's own attributes (``init=``) go before ``initializer``. Raises MXNetError when a dict is given that
        lacks a parameter, unless allow_missing; ShapeError for an array of another shape.
        """
        if self.params_initialized and not force_init:
            warnings.warn(
                "Parameters already initialized and force_init=False. init_params call ignored.", stacklevel=2
            )
            return
        require(self, "init_params", "binded")
        if self._arg_params is None:
            self._arg_params = _on_host(self._param_names, self._exec_group.param_arrays)
        if self._aux_params is None:
            self._aux_params = _on_host(self._aux_names, self._exec_group.aux_arrays)
        attrs = self._symbol.attr_dict()
        for given, own in ((arg_params, self._arg_params), (aux_params, self._aux_params)):
            for name, array in sorted(own.items()):
                value = None if given is None else given.get(name)
                if value is not None:
                    _take(name, value, array)
                elif given is not None and not allow_missing:
                    msg = f"{name} is not presented in the given parameters; pass allow_missing=True to initialize it"
                    raise MXNetError(msg)
                elif initializer is not None:
                    initializer(InitDesc(name, attrs.get(name)), array)
        self.params_initialized = True
        self._params_dirty = False
        self._exec_group.set_params(self._arg_params, self._aux_params, allow_extra=allow_extra)

    def set_params(
        self,
        arg_params: dict[str, Any],
        aux_params: dict[str, Any],
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Gives parameters these values; with allow_missing, the others keep theirs."""
        if not allow_missing:
            self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)
            return
        if self.params_initialized and not force_init:
            warnings.warn("Parameters already initialized and force_init=False. set_params call ignored.", stacklevel=2)
            return
        require(self, "set_params", "binded")
        self._exec_group.set_params(arg_params, aux_params or {}, allow_extra=allow_extra)
        if self._arg_params is None:
            self._arg_params = _on_host(self._param_names, self._exec_group.param_arrays)
            self._aux_params = _on_host(self._aux_names, self._exec_group.aux_arrays)
        self._params_dirty = True
        self.params_initialized = True

    def _sync_params_from_devices(self) -> None:
        """Copies the devices' parameters into the module's own."""
        self._exec_group.get_params(self._arg_params, self._aux_params)
        self._params_dirty = False

    def get_states(self, merge_multi_context: bool = True) -> list[Any]:
        """The arrays of the states, one list over devices for each; pass ``merge_multi_context=False``."""
        require(self, "get_states", "binded", "params_initialized")
        return self._exec_group.get_states(merge_multi_context)

    def set_states(self, states: Any = None, value: Any = None) -> None:
        """Sets the states to arrays (as ``get_states`` gives them) or all to one number."""
        require(self, "set_states", "binded", "params_initialized")
        self._exec_group.set_states(states, value)

    # -- binding ---------------------------------------------------------------------------------------------------

    def _reset_bind(self) -> None:
        self.binded = False
        self._exec_group = None
        self._data_shapes = None
        self._label_shapes = None

    def bind(
        self,
        data_shapes: Any,
        label_shapes: Any = None,
        for_training: bool = True,
        inputs_need_grad: bool = False,
        force_rebind: bool = False,
        shared_module: Any = None,
        grad_req: Any = "write",
    ) -> None:
        """Allocates the arrays for batches of these shapes on every device. See `BaseModule.bind`."""
        if force_rebind:
            if self.binded and self.params_initialized and self._params_dirty:
                self._sync_params_from_devices()
            self._reset_bind()
        if self.binded:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if inputs_need_grad and not for_training:
            msg = "[Module] inputs_need_grad=True needs for_training=True"
            raise _Contradiction(msg)
        self.for_training = for_training
        self.inputs_need_grad = inputs_need_grad
        self._grad_req = grad_req
        self._data_shapes, self._label_shapes = _parse_data_desc(
            self.data_names, self.label_names, data_shapes, label_shapes
        )
        shared_group = None
        if shared_module is not None:
            require(shared_module, "sharing its parameters", "binded", "params_initialized")
            shared_group = shared_module._exec_group
        self._exec_group = DataParallelExecutorGroup(
            self._symbol, self._context, self._work_load_list, self._data_shapes, self._label_shapes,
            self._param_names, for_training, inputs_need_grad, shared_group, logger=self.logger,
            fixed_param_names=self._fixed_param_names, grad_req=grad_req, group2ctxs=self._group2ctxs,
            state_names=self._state_names,
        )  # fmt: skip
        self.binded = True
        if shared_module is not None:
            self.params_initialized = True
            self._arg_params = shared_module._arg_params
            self._aux_params = shared_module._aux_params
            if shared_module.optimizer_initialized:
                self.borrow_optimizer(shared_module)
        elif self.params_initialized:
            self._exec_group.set_params(self._arg_params, self._aux_params)

    def reshape(self, data_shapes: Any, label_shapes: Any = None) -> None:
        """Prepares for batches of other shapes; parameters and optimizer stay."""
        require(self, "reshape", "binded")
        data_shapes, label_shapes = _parse_data_desc(self.data_names, self.label_names, data_shapes, label_shapes)
        self._reshape(data_shapes, label_shapes)

    def _reshape(self, data_shapes: Any, label_shapes: Any) -> None:
        self._exec_group.reshape(data_shapes, label_shapes)
        self._data_shapes, self._label_shapes = data_shapes, label_shapes

    # -- optimizer -------------------------------------------------------------------------------------------------

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Installs an optimizer.

        kvstore: "local" or "device" (used with several devices only), a KVStore (always used), or None.  optimizer: a
        name with ``optimizer_params``, whose gradients are divided by the batch size unless they say rescale_grad; or an
        Optimizer, taken as it is.  force_init: replace the one that is there.
        """
        require(self, "init_optimizer", "binded", "params_initialized")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring...")
            return
        if self._params_dirty:
            self._sync_params_from_devices()
        store, update_on_kvstore = _kvstore._create_kvstore(kvstore, len(self._context), self._arg_params or {})
        names = index_names(self._param_names, len(self._context), update_on_kvstore)
        batch_size = total_batch_size(self._exec_group.batch_size, store)
        optimizer = make_optimizer(optimizer, optimizer_params, self.symbol, names, batch_size)
        self._optimizer = optimizer
        self._kvstore = store
        self._update_on_kvstore = update_on_kvstore
        self._updater = None
        if store is not None:
            if self._compression_params:
                store.set_gradient_compression(self._compression_params)
            if update_on_kvstore:
                store.set_optimizer(optimizer)
            _kvstore._initialize_kvstore(
                store, self._exec_group.param_arrays, self._arg_params or {}, self._param_names, update_on_kvstore
            )
        if not update_on_kvstore:
            self._updater = opt.get_updater(optimizer)
        self.optimizer_initialized = True
        if self._preload_opt_states is not None:
            self.load_optimizer_states(self._preload_opt_states)
            self._preload_opt_states = None

    def borrow_optimizer(self, shared_module: Any) -> None:
        """Uses the optimizer of another module, with its states: for modules that share parameters."""
        require(shared_module, "lending its optimizer", "optimizer_initialized")
        self._optimizer = shared_module._optimizer
        self._kvstore = shared_module._kvstore
        self._update_on_kvstore = shared_module._update_on_kvstore
        self._updater = shared_module._updater
        self.optimizer_initialized = True

    # -- running ---------------------------------------------------------------------------------------------------

    def prepare(self, data_batch: Any, sparse_row_id_fn: Callable[[Any], Any] | None = None) -> None:
        """Called with every batch before its forward.

        sparse_row_id_fn: batch -> dict of parameter name to row ids, for parameters of which a store keeps the rows.
        Parameters here are dense and already on their devices: the dict is checked, and a warning says so.
        """
        require(self, "prepare", "binded")
        if sparse_row_id_fn is None:
            return
        if self._kvstore is None or not self._update_on_kvstore:
            warnings.warn(
                "Parameters are not updated in the KVStore. No need to call sparse_row_id_fn.", UserWarning, stacklevel=2
            )
            return
        row_ids = sparse_row_id_fn(data_batch)
        if not isinstance(row_ids, dict):
            msg = f"Expected dict output from sparse_row_id_fn, got {type(row_ids).__name__}"
            raise _Contradiction(msg)
        for name in row_ids:
            if name not in self._param_names:
                msg = f"[Module] sparse_row_id_fn names {name!r}, which is none of {', '.join(self._param_names)}"
                raise ParameterError(msg)
            warnings.warn(
                f"{name}.stype is not 'row_sparse'. No need to perform row_sparse_pull.", UserWarning, stacklevel=2
            )

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Computes the outputs of a batch; one of other shapes than the last reshapes the module first.

        data_batch: a DataBatch, or a list of them, one for each device.
        """
        require(self, "forward", "binded", "params_initialized")
        if isinstance(data_batch, list):
            data_batch = SlicedBatch(data_batch)
        labels = getattr(data_batch, "label", None)  # programs make batches of data alone
        shapes = [array.shape for array in data_batch.data]
        if shapes != [desc.shape for desc in self._data_shapes] or (
            self._label_shapes is None and labels and self._label_names
        ):
            self._fit_shapes(data_batch, shapes, labels)
        self._exec_group.forward(data_batch, is_train)

    def _fit_shapes(self, batch: Any, shapes: list[Any], given: Any) -> None:
        if len(shapes) != len(self._data_shapes):
            msg = (
                f"[Module] the batch has {len(shapes)} data arrays, but {len(self._data_shapes)} were bound: "
                f"{', '.join(self._data_names)}"
            )
            raise ParameterError(msg)
        data = getattr(batch, "provide_data", None)
        if data:
            data = [desc if isinstance(desc, DataDesc) else DataDesc(*desc) for desc in data]
        else:
            data = [
                DataDesc(desc.name, shape, desc.dtype, desc.layout)
                for desc, shape in zip(self._data_shapes, shapes, strict=True)
            ]
        labels = getattr(batch, "provide_label", None)
        if labels:
            labels = [desc if isinstance(desc, DataDesc) else DataDesc(*desc) for desc in labels]
        elif given and (self._label_shapes or self._label_names):
            known = self._label_shapes or [DataDesc(name, ()) for name in self._label_names]
            labels = [
                DataDesc(desc.name, array.shape, desc.dtype, desc.layout)
                for desc, array in zip(known, given, strict=False)
            ]
        else:
            labels = None
        self._reshape(data, labels)

    def backward(self, out_grads: Any = None) -> None:
        """Computes gradients. out_grads: those of the outputs, one for each, where the outputs are no losses."""
        require(self, "backward", "binded", "params_initialized")
        self._exec_group.backward(out_grads=out_grads)

    def update(self) -> None:
        """One step of the optimizer with the gradients of the last backward, summed over devices."""
        require(self, "update", "binded", "params_initialized", "optimizer_initialized")
        self._params_dirty = True
        group = self._exec_group
        if self._update_on_kvstore:
            _kvstore._update_params_on_kvstore(group.param_arrays, group.grad_arrays, self._kvstore, self._param_names)
        else:
            _kvstore._update_params(
                group.param_arrays, group.grad_arrays, self._updater, len(self._context), self._kvstore,
                self._param_names,
            )  # fmt: skip

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """The outputs of the last forward; they share the network's memory, which the next forward overwrites."""
        require(self, "get_outputs", "binded", "params_initialized")
        return self._exec_group.get_outputs(merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradients of the data; needs ``bind(inputs_need_grad=True)``."""
        require(self, "get_input_grads", "binded", "params_initialized")
        return self._exec_group.get_input_grads(merge_multi_context)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Updates a metric with labels and the outputs of the last forward. pre_sliced: one list for each device."""
        self._exec_group.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Any) -> None:
        """Lets a Monitor watch every executor."""
        require(self, "install_monitor", "binded")
        self._exec_group.install_monitor(mon)


class _Contradiction(ParameterError, AssertionError):
    """Settings that contradict each other; an AssertionError too, as in MXNet 1.x."""


def _on_host(names: Sequence[str], arrays: Any) -> dict[str, Any]:
    return {
        name: nd.zeros(block[0].shape, dtype=block[0].dtype, ctx=cpu())
        for name, block in zip(names, arrays, strict=True)
    }


def _take(name: str, value: Any, array: Any) -> None:
    if value is array:
        return
    if value.shape != array.shape:
        msg = f"[Module] parameter {name} must have shape {array.shape}, got {value.shape}"
        raise ShapeError(msg)
    value.copyto(array)
