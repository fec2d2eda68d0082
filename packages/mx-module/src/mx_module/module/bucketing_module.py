"""BucketingModule: one module for each length of sequences, all with the same parameters."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core import symbol as sym
from mx_core.context import Context
from mx_core.errors import ParameterError, RecordFileError
from mx_core.initializer import Uniform
from mx_core.name import NameManager

from .._ready import NotReadyError, require
from ..checkpoint import load_params
from ._names import _check_input_names
from .base_module import BaseModule
from .module import Module

__all__ = ["BucketingModule"]


class BucketingModule(BaseModule):
    """Modules made by ``sym_gen`` for the keys that batches carry, with shared parameters and optimizer.

    sym_gen: bucket key -> (symbol, data_names, label_names).  default_bucket_key: that of the largest bucket, whose
    parameters are those of all. The other arguments are those of Module. A bucket's network is bound, and compiled,
    when its first batch comes.
    """

    def __init__(
        self,
        sym_gen: Callable[[Any], tuple[Any, Sequence[str] | None, Sequence[str] | None]],
        default_bucket_key: Any = None,
        logger: Any = logging,
        context: Context | Sequence[Context] | None = None,
        work_load_list: Sequence[float] | None = None,
        fixed_param_names: Sequence[str] | None = None,
        state_names: Sequence[str] | None = None,
        group2ctxs: Any = None,
        compression_params: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(logger=logger)
        if default_bucket_key is None:
            msg = "[BucketingModule] needs default_bucket_key, the key of the largest bucket"
            raise NotReadyError(msg)
        self._default_bucket_key = default_bucket_key
        self._sym_gen = sym_gen
        symbol, data_names, label_names = self._call_sym_gen(default_bucket_key)
        self._fixed_param_names = list(fixed_param_names or [])
        self._state_names = list(state_names or [])
        _check_input_names(symbol, list(data_names or []), "data", True)
        _check_input_names(symbol, list(label_names or []), "label", False)
        _check_input_names(symbol, self._state_names, "state", True)
        _check_input_names(symbol, self._fixed_param_names, "fixed_param", True)
        self._compression_params = compression_params
        self._context = context
        self._work_load_list = work_load_list
        self._group2ctxs = group2ctxs
        self._buckets: dict[Any, Module] = {}
        self._curr_module: Any = None
        self._curr_bucket_key: Any = None
        self._params_dirty = False
        self._monitor: Any = None
        self._grad_req: Any = None

    def _call_sym_gen(self, bucket_key: Any) -> tuple[Any, Any, Any]:
        with NameManager():  # automatic names begin anew: they are the same in every bucket
            return self._sym_gen(bucket_key)

    def _made_module(self, bucket_key: Any) -> Module:
        symbol, data_names, label_names = self._call_sym_gen(bucket_key)
        return Module(
            symbol, data_names, label_names, logger=self.logger, context=self._context,
            work_load_list=self._work_load_list, fixed_param_names=self._fixed_param_names,
            state_names=self._state_names, group2ctxs=self._group2ctxs, compression_params=self._compression_params,
        )  # fmt: skip

    def _reset_bind(self) -> None:
        self.binded = False
        self._buckets = {}
        self._curr_module = None
        self._curr_bucket_key = None

    # -- what the module is ----------------------------------------------------------------------------------------

    @property
    def data_names(self) -> Any:
        """The names of the data of the current bucket."""
        return self._curr_module.data_names if self.binded else self._call_sym_gen(self._default_bucket_key)[1]

    @property
    def output_names(self) -> Any:
        """The names of the outputs of the current bucket."""
        if self.binded:
            return self._curr_module.output_names
        return self._call_sym_gen(self._default_bucket_key)[0].list_outputs()

    @property
    def data_shapes(self) -> Any:
        """DataDescs of the data of the current bucket."""
        require(self, "data_shapes", "binded")
        return self._curr_module.data_shapes

    @property
    def label_shapes(self) -> Any:
        """DataDescs of the labels of the current bucket."""
        require(self, "label_shapes", "binded")
        return self._curr_module.label_shapes

    @property
    def output_shapes(self) -> Any:
        """(name, shape) of the outputs of the current bucket."""
        require(self, "output_shapes", "binded")
        return self._curr_module.output_shapes

    @property
    def symbol(self) -> Any:
        """The symbol of the current bucket."""
        require(self, "symbol", "binded")
        return self._curr_module.symbol

    # -- parameters ------------------------------------------------------------------------------------------------

    def get_params(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """(arg_params, aux_params), brought up to date."""
        require(self, "get_params", "params_initialized")
        module = self._curr_module if self.binded else self._buckets[self._default_bucket_key]
        if self.binded:
            module._params_dirty = self._params_dirty
            params = module.get_params()
            self._params_dirty = False
            return params
        return module._arg_params or {}, module._aux_params or {}

    def init_params(
        self,
        initializer: Any = Uniform(0.01),  # noqa: B008 - MXNet's default; it holds no state
        arg_params: dict[str, Any] | None = None,
        aux_params: dict[str, Any] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Gives every parameter a value. See `Module.init_params`."""
        if self.params_initialized and not force_init:
            return
        require(self, "init_params", "binded")
        self._curr_module.init_params(initializer, arg_params, aux_params, allow_missing, force_init, allow_extra)
        self._params_dirty = False
        self.params_initialized = True

    def set_params(
        self,
        arg_params: dict[str, Any],
        aux_params: dict[str, Any],
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Gives parameters these values. See `Module.set_params`."""
        if not allow_missing:
            self.init_params(None, arg_params, aux_params, allow_missing, force_init, allow_extra)
            return
        if self.params_initialized and not force_init:
            warnings.warn("Parameters already initialized and force_init=False. set_params call ignored.", stacklevel=2)
            return
        require(self, "set_params", "binded")
        self._curr_module.set_params(arg_params, aux_params, allow_missing, force_init, allow_extra)
        self._params_dirty = True
        self.params_initialized = True

    def get_states(self, merge_multi_context: bool = True) -> list[Any]:
        """The states of the current bucket."""
        require(self, "get_states", "binded", "params_initialized")
        return self._curr_module.get_states(merge_multi_context)

    def set_states(self, states: Any = None, value: Any = None) -> None:
        """Sets the states of the current bucket."""
        require(self, "set_states", "binded", "params_initialized")
        self._curr_module.set_states(states, value)

    # -- binding ---------------------------------------------------------------------------------------------------

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
        """Binds the default bucket; the others follow with their first batches. See `BaseModule.bind`."""
        if shared_module is not None:
            msg = "[BucketingModule] shared_module is not supported: its buckets share with each other"
            raise NotReadyError(msg)
        params = self.get_params() if self.params_initialized else None
        if force_rebind:
            self._reset_bind()
        if self.binded:
            self.logger.warning("Already bound, ignoring bind()")
            return
        self.for_training = for_training
        self.inputs_need_grad = inputs_need_grad
        self._grad_req = grad_req
        module = self._buckets.get(self._default_bucket_key) or self._made_module(self._default_bucket_key)
        module.bind(
            data_shapes, label_shapes, for_training, inputs_need_grad, force_rebind=False, shared_module=None,
            grad_req=grad_req,
        )  # fmt: skip
        self.binded = True
        self._curr_module = module
        self._curr_bucket_key = self._default_bucket_key
        self._buckets[self._default_bucket_key] = module
        if params is not None:
            self.set_params(*params)

    def switch_bucket(self, bucket_key: Any, data_shapes: Any, label_shapes: Any = None) -> None:
        """Makes the bucket of this key the current one, and binds it if it is new."""
        require(self, "switch_bucket", "binded")
        module = self._buckets.get(bucket_key)
        if module is None or not module.binded:
            module = module or self._made_module(bucket_key)
            module.bind(
                data_shapes, label_shapes, self._curr_module.for_training, self._curr_module.inputs_need_grad,
                force_rebind=False, shared_module=self._buckets[self._default_bucket_key], grad_req=self._grad_req,
            )  # fmt: skip
            if self._monitor is not None:
                module.install_monitor(self._monitor)
            self._buckets[bucket_key] = module
        self._curr_module = module
        self._curr_bucket_key = bucket_key

    def _switch_to(self, batch: Any) -> None:
        key = batch.bucket_key
        if key is None:
            msg = (
                "[BucketingModule] the batch has no bucket_key. Use an iterator of buckets (mx.rnn.BucketSentenceIter), or "
                f"make batches with DataBatch(..., bucket_key={self._default_bucket_key!r}, provide_data=...)"
            )
            raise ParameterError(msg)
        if key != self._curr_bucket_key:
            self.switch_bucket(key, batch.provide_data, batch.provide_label)

    # -- optimizer -------------------------------------------------------------------------------------------------

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Installs one optimizer for all buckets. See `Module.init_optimizer`."""
        require(self, "init_optimizer", "binded", "params_initialized")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        self._curr_module.init_optimizer(kvstore, optimizer, optimizer_params, force_init=force_init)
        for module in self._buckets.values():
            if module is not self._curr_module and module.binded:
                module.borrow_optimizer(self._curr_module)
        self.optimizer_initialized = True

    # -- running ---------------------------------------------------------------------------------------------------

    def prepare(self, data_batch: Any, sparse_row_id_fn: Callable[[Any], Any] | None = None) -> None:
        """Binds the batch's bucket if it is new; the current bucket stays."""
        require(self, "prepare", "binded", "params_initialized")
        current = self._curr_bucket_key, self._curr_module
        self._switch_to(data_batch)
        self._curr_module.prepare(data_batch, sparse_row_id_fn=sparse_row_id_fn)
        self._curr_bucket_key, self._curr_module = current

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Computes the outputs of a batch in the bucket of its key."""
        require(self, "forward", "binded", "params_initialized")
        self._switch_to(data_batch)
        self._curr_module.forward(data_batch, is_train=is_train)

    def backward(self, out_grads: Any = None) -> None:
        """Computes gradients in the current bucket."""
        require(self, "backward", "binded", "params_initialized")
        self._curr_module.backward(out_grads=out_grads)

    def update(self) -> None:
        """One step of the optimizer; the parameters are those of all buckets."""
        require(self, "update", "binded", "params_initialized", "optimizer_initialized")
        self._params_dirty = True
        self._curr_module.update()

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """The outputs of the last forward."""
        require(self, "get_outputs", "binded", "params_initialized")
        return self._curr_module.get_outputs(merge_multi_context=merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradients of the data of the last backward."""
        require(self, "get_input_grads", "binded", "params_initialized")
        return self._curr_module.get_input_grads(merge_multi_context=merge_multi_context)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Updates a metric with labels and the outputs of the last forward."""
        require(self, "update_metric", "binded", "params_initialized")
        self._curr_module.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Any) -> None:
        """Lets a Monitor watch all buckets, those to come too."""
        require(self, "install_monitor", "binded")
        self._monitor = mon
        for module in self._buckets.values():
            if module.binded:
                module.install_monitor(mon)

    # -- files -----------------------------------------------------------------------------------------------------

    def save_checkpoint(self, prefix: str, epoch: int, remove_amp_cast: bool = False) -> None:
        """Writes ``prefix-<key>-symbol.json`` of each bucket, the keys (``prefix.buckets``) and the parameters.

        Raises ParameterError, before anything is written, for keys that are no integers: the file holds none else.
        """
        require(self, "save_checkpoint", "binded", "params_initialized")
        keys = list(self._buckets)
        if not all(isinstance(key, (int, np.integer)) for key in keys):
            msg = f"[BucketingModule] save_checkpoint needs integer bucket keys, got {keys}; use save_params"
            raise ParameterError(msg)
        for key, module in self._buckets.items():
            module.symbol.save(f"{prefix}-{key}-symbol.json", remove_amp_cast=remove_amp_cast)
        self.save_params(f"{prefix}-{epoch:04d}.params")
        nd.save(f"{prefix}.buckets", nd.array(keys, dtype="int32"))

    @staticmethod
    def load(
        prefix: str, epoch: int, sym_gen: Any = None, default_bucket_key: Any = None, **kwargs: Any
    ) -> BucketingModule:
        """A module of a checkpoint, to be bound. kwargs: of BucketingModule."""
        if sym_gen is None:
            msg = "sym_gen is required for loading BucketingModule"
            raise NotReadyError(msg)
        keys = _read_keys(f"{prefix}.buckets")
        symbols = {key: sym.load(f"{prefix}-{key}-symbol.json") for key in keys}
        args, auxs = load_params(prefix, epoch)
        return BucketingModule.load_dict(symbols, sym_gen, default_bucket_key, args, auxs, **kwargs)

    @staticmethod
    def load_dict(
        sym_dict: dict[Any, Any] | None = None,
        sym_gen: Any = None,
        default_bucket_key: Any = None,
        arg_params: dict[str, Any] | None = None,
        aux_params: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> BucketingModule:
        """A module with these symbols by bucket key and these parameters, to be bound."""
        if sym_gen is None:
            msg = "sym_gen is required for loading BucketingModule"
            raise NotReadyError(msg)
        bucketing = BucketingModule(sym_gen, default_bucket_key, **kwargs)
        for key in {default_bucket_key: None, **(sym_dict or {})}:
            module = bucketing._made_module(key)
            symbol = (sym_dict or {}).get(key)
            if symbol is not None:
                module = Module(
                    symbol, module.data_names, module.label_names, bucketing.logger, bucketing._context,
                    bucketing._work_load_list, bucketing._fixed_param_names, bucketing._state_names,
                    bucketing._group2ctxs, bucketing._compression_params,
                )  # fmt: skip
            module._arg_params, module._aux_params = arg_params, aux_params
            module.params_initialized = True
            bucketing._buckets[key] = module
        bucketing.params_initialized = True
        return bucketing


def _read_keys(file: str) -> list[int]:
    """The bucket keys of a checkpoint: a file of one array of integers. Raises RecordFileError for anything else."""
    saved = nd.load(file)
    if not isinstance(saved, list) or len(saved) != 1 or saved[0].ndim != 1 or not str(saved[0].dtype).count("int"):
        msg = f"{file}: expected one array of integer bucket keys. It was not written by BucketingModule.save_checkpoint"
        raise RecordFileError(msg)
    return [int(key) for key in saved[0].asnumpy()]
