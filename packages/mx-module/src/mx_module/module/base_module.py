"""BaseModule: what all modules have in common, above all the training loop ``fit``."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mx_core import metric as metrics
from mx_core import ndarray as nd
from mx_core._core import NDArray
from mx_core.context import cpu
from mx_core.data import DataBatch, DataDesc, DataIter
from mx_core.errors import MXNetError, ParameterError
from mx_core.initializer import Uniform

from .. import checkpoint
from .._ready import NotReadyError, require
from ..callback import BatchEndParam
from ._names import _as_list, _check_input_names, _check_names_match, _parse_data_desc

__all__ = ["BaseModule"]

_exports = (
    DataDesc,
    cpu,
    _check_input_names,
    _check_names_match,
    _parse_data_desc,
)  # MXNet programs import them from here


def _undefined(module: BaseModule, method: str) -> TypeError:
    return TypeError(f"{type(module).__name__} does not define {method}")


class BaseModule:
    """Base of all modules: a machine that is bound to shapes, gets parameters and an optimizer, and then runs.

    A subclass defines the properties data_names, output_names, data_shapes, label_shapes, output_shapes and the methods
    get_params, init_params, bind, init_optimizer, forward, backward, update, get_outputs, get_input_grads, update_metric
    and install_monitor. ``fit``, ``score`` and ``predict`` use nothing else.

    binded, params_initialized, optimizer_initialized: which of these has been done.  for_training, inputs_need_grad:
    as in the last ``bind``.  symbol: the network, None where there is none.
    """

    def __init__(self, logger: Any = logging) -> None:
        self.logger = logger
        self.binded = False
        self.for_training = False
        self.inputs_need_grad = False
        self.params_initialized = False
        self.optimizer_initialized = False
        self._symbol: Any = None
        self._total_exec_bytes = 0

    # -- high level ------------------------------------------------------------------------------------------------

    def forward_backward(self, data_batch: Any) -> None:
        """Forward as in training, then backward."""
        self.forward(data_batch, is_train=True)
        self.backward()

    def score(
        self,
        eval_data: Any,
        eval_metric: Any,
        num_batch: int | None = None,
        batch_end_callback: Any = None,
        score_end_callback: Any = None,
        reset: bool = True,
        epoch: int = 0,
        sparse_row_id_fn: Callable[[Any], Any] | None = None,
    ) -> list[tuple[str, float]]:
        """Runs over a data iterator and returns the metric as a list of (name, value).

        num_batch: stop after so many.  batch_end_callback, score_end_callback: one or several functions of a
        BatchEndParam.  reset: begin with ``eval_data.reset()``.  epoch: what callbacks are told.
        """
        require(self, "score", "binded", "params_initialized")
        if reset:
            eval_data.reset()
        if not isinstance(eval_metric, metrics.EvalMetric):
            eval_metric = metrics.create(eval_metric)
        eval_metric.reset()
        actual_num_batch = 0
        for nbatch, eval_batch in enumerate(eval_data):
            if num_batch is not None and nbatch == num_batch:
                break
            self.prepare(eval_batch, sparse_row_id_fn=sparse_row_id_fn)
            self.forward(eval_batch, is_train=False)
            self._update_metric_with(eval_metric, eval_batch)
            if batch_end_callback is not None:
                _call(batch_end_callback, BatchEndParam(epoch, nbatch, eval_metric, locals()))
            actual_num_batch += 1
        if score_end_callback is not None:
            _call(score_end_callback, BatchEndParam(epoch, actual_num_batch, eval_metric, locals()))
        return eval_metric.get_name_value()

    def _update_metric_with(self, eval_metric: Any, batch: Any) -> None:
        if isinstance(batch, list):
            self.update_metric(eval_metric, [part.label for part in batch], pre_sliced=True)
        else:
            self.update_metric(eval_metric, batch.label)

    def iter_predict(
        self,
        eval_data: Any,
        num_batch: int | None = None,
        reset: bool = True,
        sparse_row_id_fn: Callable[[Any], Any] | None = None,
    ) -> Iterator[tuple[list[Any], int, Any]]:
        """Runs over a data iterator; gives (outputs without padding, batch number, batch) for each batch.

        The outputs share the memory of the network's: copy what must outlive the next batch.
        """
        require(self, "iter_predict", "binded", "params_initialized")
        if reset:
            eval_data.reset()
        for nbatch, batch in enumerate(eval_data):
            if num_batch is not None and nbatch == num_batch:
                break
            self.prepare(batch, sparse_row_id_fn=sparse_row_id_fn)
            self.forward(batch, is_train=False)
            yield self._unpadded(batch), nbatch, batch

    def _unpadded(self, batch: Any) -> list[Any]:
        pad = batch.pad or 0
        return [output[: output.shape[0] - pad] if pad else output for output in self.get_outputs()]

    def predict(
        self,
        eval_data: Any,
        num_batch: int | None = None,
        merge_batches: bool = True,
        reset: bool = True,
        always_output_list: bool = False,
        sparse_row_id_fn: Callable[[Any], Any] | None = None,
    ) -> Any:
        """The outputs for all the data, without padding: an NDArray, or a list of them for several outputs.

        eval_data: an iterator, or one array (NDArray or NumPy) that is one batch.  merge_batches: put the batches
        together; otherwise a list of lists comes back, one for each batch.  always_output_list: a list for a single
        output too.  Raises ParameterError for other data.
        """
        require(self, "predict", "binded", "params_initialized")
        if isinstance(eval_data, (NDArray, np.ndarray)):
            array = eval_data if isinstance(eval_data, NDArray) else nd.array(eval_data)
            self.forward(DataBatch([array]), is_train=False)
            return self.get_outputs()[0].copy()
        if not isinstance(eval_data, DataIter) and not hasattr(eval_data, "provide_data"):
            msg = f"eval_data must be of type NDArray or DataIter, got {type(eval_data).__name__}"
            raise ParameterError(msg)
        batches = [
            [output.copy() for output in outputs]
            for outputs, _, _ in self.iter_predict(eval_data, num_batch, reset, sparse_row_id_fn)
        ]
        if not batches or not merge_batches:
            return batches
        if len({len(outputs) for outputs in batches}) > 1:
            msg = (
                "Cannot merge batches, as num of outputs is not the same in mini-batches. Maybe bucketing is used? "
                "Pass merge_batches=False"
            )
            raise MXNetError(msg)
        merged = [nd.concat(*parts, dim=0) if len(parts) > 1 else parts[0] for parts in zip(*batches, strict=True)]
        return merged[0] if len(merged) == 1 and not always_output_list else merged

    def fit(
        self,
        train_data: Any,
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        eval_end_callback: Any = None,
        eval_batch_end_callback: Any = None,
        initializer: Any = Uniform(0.01),  # noqa: B008 - MXNet's default; it holds no state
        arg_params: dict[str, Any] | None = None,
        aux_params: dict[str, Any] | None = None,
        allow_missing: bool = False,
        force_rebind: bool = False,
        force_init: bool = False,
        begin_epoch: int = 0,
        num_epoch: int | None = None,
        validation_metric: Any = None,
        monitor: Any = None,
        sparse_row_id_fn: Callable[[Any], Any] | None = None,
    ) -> None:
        """Trains: binds, initializes what is not yet, and runs over the training data until epoch ``num_epoch``.

        train_data, eval_data: data iterators.  eval_metric, validation_metric: as for ``mx.metric.create``; the second
        defaults to the first.  epoch_end_callback: functions of (epoch, symbol, arg_params, aux_params).
        batch_end_callback, eval_batch_end_callback, eval_end_callback: functions of a BatchEndParam; one or a list.
        kvstore, optimizer, optimizer_params: as for ``init_optimizer``.  initializer, arg_params, aux_params,
        allow_missing, force_init: as for ``init_params``.  begin_epoch: the number of the first epoch, when resuming.
        monitor: a Monitor to install.  sparse_row_id_fn: as for ``prepare``.
        """
        if num_epoch is None:
            msg = "please specify number of epochs: fit(..., num_epoch=10)"
            raise NotReadyError(msg)
        self.bind(
            data_shapes=train_data.provide_data,
            label_shapes=train_data.provide_label,
            for_training=True,
            force_rebind=force_rebind,
        )
        if monitor is not None:
            self.install_monitor(monitor)
        self.init_params(
            initializer=initializer,
            arg_params=arg_params,
            aux_params=aux_params,
            allow_missing=allow_missing,
            force_init=force_init,
        )
        self.init_optimizer(kvstore=kvstore, optimizer=optimizer, optimizer_params=optimizer_params)
        if validation_metric is None:
            validation_metric = eval_metric
        if not isinstance(eval_metric, metrics.EvalMetric):
            eval_metric = metrics.create(eval_metric)

        for epoch in range(begin_epoch, num_epoch):
            tic = time.time()
            eval_metric.reset()
            self._begin_epoch(epoch, train_data)
            nbatch = 0
            data_iter = iter(train_data)
            end_of_batch = False
            next_data_batch = next(data_iter, None)
            if next_data_batch is None:
                msg = "[fit] train_data gives no batch: it is at its end, or empty. Call train_data.reset() before fit"
                raise MXNetError(msg)
            eval_name_vals: list[tuple[str, float]] = []
            while not end_of_batch:
                data_batch = next_data_batch
                if monitor is not None:
                    monitor.tic()
                self.forward_backward(data_batch)
                self.update()
                self._update_metric_with(eval_metric, data_batch)
                try:
                    next_data_batch = next(data_iter)
                    self.prepare(next_data_batch, sparse_row_id_fn=sparse_row_id_fn)
                except StopIteration:
                    end_of_batch = True
                if monitor is not None:
                    monitor.toc_print()
                if end_of_batch:  # before callbacks may reset it
                    eval_name_vals = eval_metric.get_global_name_value()
                if batch_end_callback is not None:
                    _call(batch_end_callback, BatchEndParam(epoch, nbatch, eval_metric, locals()))
                nbatch += 1

            for name, value in eval_name_vals:
                self.logger.info("Epoch[%d] Train-%s=%f", epoch, name, value)
            self.logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - tic)
            # The devices' states (running means) differ: from here on all have the mean.
            arg_params, aux_params = self.get_params()
            self.set_params(arg_params, aux_params)
            for callback in () if epoch_end_callback is None else _as_list(epoch_end_callback):
                callback(epoch, self.symbol, arg_params, aux_params)
            if eval_data is not None:
                result = self.score(
                    eval_data,
                    validation_metric,
                    score_end_callback=eval_end_callback,
                    batch_end_callback=eval_batch_end_callback,
                    epoch=epoch,
                )
                for name, value in result:
                    self.logger.info("Epoch[%d] Validation-%s=%f", epoch, name, value)
            train_data.reset()

    def _begin_epoch(self, epoch: int, train_data: Any) -> None:
        """Called by ``fit`` before the first batch of every epoch."""

    # -- what the module is ----------------------------------------------------------------------------------------

    @property
    def data_names(self) -> Any:
        """The names of the data that a batch brings."""
        raise _undefined(self, "data_names")

    @property
    def output_names(self) -> Any:
        """The names of the outputs."""
        raise _undefined(self, "output_names")

    @property
    def data_shapes(self) -> Any:
        """DataDescs of the data, as bound."""
        raise _undefined(self, "data_shapes")

    @property
    def label_shapes(self) -> Any:
        """DataDescs of the labels, as bound; None without."""
        raise _undefined(self, "label_shapes")

    @property
    def output_shapes(self) -> Any:
        """(name, shape) of each output."""
        raise _undefined(self, "output_shapes")

    @property
    def symbol(self) -> Any:
        """The network's symbol."""
        return self._symbol

    # -- parameters ------------------------------------------------------------------------------------------------

    def get_params(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """(arg_params, aux_params): copies of parameters and auxiliary states, by name."""
        raise _undefined(self, "get_params")

    def init_params(
        self,
        initializer: Any = Uniform(0.01),  # noqa: B008
        arg_params: dict[str, Any] | None = None,
        aux_params: dict[str, Any] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Gives every parameter a value: from the dicts where they have it, else from ``initializer``.

        allow_missing: the dicts need not have all.  force_init: even if it was done before.  allow_extra: the dicts may
        have others.
        """
        raise _undefined(self, "init_params")

    def set_params(
        self,
        arg_params: dict[str, Any],
        aux_params: dict[str, Any],
        allow_missing: bool = False,
        force_init: bool = True,
        allow_extra: bool = False,
    ) -> None:
        """Gives parameters and auxiliary states these values; the flags are those of ``init_params``."""
        self.init_params(
            initializer=None,
            arg_params=arg_params,
            aux_params=aux_params,
            allow_missing=allow_missing,
            force_init=force_init,
            allow_extra=allow_extra,
        )

    def save_params(self, fname: str) -> None:
        """Writes all parameters to a file."""
        nd.save(fname, checkpoint.named_params(*self.get_params()))

    def load_params(self, fname: str) -> None:
        """Reads parameters from a file that ``save_params``, or a checkpoint, wrote."""
        self.set_params(*checkpoint.split_params(nd.load(fname), str(fname)))

    def get_states(self, merge_multi_context: bool = True) -> list[Any]:
        """The values of the states; [] for a module without."""
        require(self, "get_states", "binded", "params_initialized")
        return []

    def set_states(self, states: Any = None, value: Any = None) -> None:
        """Sets the states. Raises ParameterError when there are none and values are given."""
        require(self, "set_states", "binded", "params_initialized")
        if states or value:
            msg = f"[{type(self).__name__}] has no states to set"
            raise ParameterError(msg)

    def install_monitor(self, mon: Any) -> None:
        """Lets a Monitor watch the network."""
        raise _undefined(self, "install_monitor")

    # -- running ---------------------------------------------------------------------------------------------------

    def prepare(self, data_batch: Any, sparse_row_id_fn: Callable[[Any], Any] | None = None) -> None:
        """Called with every batch before its forward; a subclass may fetch what it needs of the parameters.

        sparse_row_id_fn: batch -> dict of parameter name to row ids.
        """
        if sparse_row_id_fn is not None:
            warnings.warn(UserWarning("sparse_row_id_fn is not invoked for BaseModule."), stacklevel=2)

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Computes the outputs of a batch. is_train: ``for_training`` by default."""
        raise _undefined(self, "forward")

    def backward(self, out_grads: Any = None) -> None:
        """Computes gradients; ``out_grads``: those of the outputs, where the outputs are no losses."""
        raise _undefined(self, "backward")

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """The outputs of the last forward; not merged, one list of the devices' parts for each."""
        raise _undefined(self, "get_outputs")

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradients of the data of the last backward."""
        raise _undefined(self, "get_input_grads")

    def update(self) -> None:
        """One step of the optimizer."""
        raise _undefined(self, "update")

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Updates a metric with labels and the outputs of the last forward."""
        raise _undefined(self, "update_metric")

    def bind(
        self,
        data_shapes: Any,
        label_shapes: Any = None,
        for_training: bool = True,
        inputs_need_grad: bool = False,
        force_rebind: bool = False,
        shared_module: BaseModule | None = None,
        grad_req: Any = "write",
    ) -> None:
        """Allocates the arrays for batches of these shapes; needed before anything can run.

        data_shapes, label_shapes: lists of DataDesc or (name, shape).  for_training: keep what backward needs.
        inputs_need_grad: gradients of the data too.  force_rebind: even if bound.  shared_module: whose parameters to
        share.  grad_req: "write", "add" or "null", or one for each argument.
        """
        raise _undefined(self, "bind")

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Installs an optimizer: a name with parameters, or an Optimizer. kvstore: a name, a store or None."""
        raise _undefined(self, "init_optimizer")


def _call(callbacks: Any, param: Any) -> None:
    for callback in _as_list(callbacks):
        callback(param)
