"""FeedForward: training and prediction with one object, as MXNet did it before there were modules."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mx_core import metric as metrics
from mx_core import ndarray as nd
from mx_core import optimizer as opt
from mx_core._core import NDArray
from mx_core.context import Context, cpu
from mx_core.data import reader
from mx_core.errors import DTypeError, ParameterError
from mx_core.initializer import InitDesc, Uniform

from . import checkpoint
from ._batches import check_arguments
from ._kvstore import _create_kvstore
from ._optimizer import index_names, total_batch_size
from ._training import call, train_multi_device
from .callback import BatchEndParam, LogValidationMetricsCallback

__all__ = ["FeedForward"]


class FeedForward:
    """A network with its parameters, trained and asked with arrays or iterators. New programs use ``mx.mod.Module``.

    symbol: the network, or a function bucket key -> network.  ctx: a device or several.  num_epoch: the number of the
    last epoch.  epoch_size: batches in an epoch; None: all of them.  optimizer: a name, with its parameters among
    ``kwargs``, or an Optimizer.  numpy_batch_size: for data in arrays.  arg_params, aux_params: the first values.
    allow_extra_params: ignore parameters that the network does not have.  begin_epoch: the number of the first epoch.
    """

    def __init__(
        self,
        symbol: Any,
        ctx: Any = None,
        num_epoch: int | None = None,
        epoch_size: int | None = None,
        optimizer: Any = "sgd",
        initializer: Any = Uniform(0.01),  # noqa: B008 - MXNet's default; it holds no state
        numpy_batch_size: int = 128,
        arg_params: dict[str, Any] | None = None,
        aux_params: dict[str, Any] | None = None,
        allow_extra_params: bool = False,
        begin_epoch: int = 0,
        **kwargs: Any,
    ) -> None:
        warnings.warn(
            "mxnet.model.FeedForward has been deprecated. Please use mxnet.mod.Module instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        is_generator = callable(symbol) and not hasattr(symbol, "list_arguments")
        self.symbol = None if is_generator else symbol
        self.sym_gen: Callable[[Any], Any] | None = symbol if is_generator else None
        self.arg_params = arg_params
        self.aux_params = aux_params
        self.allow_extra_params = allow_extra_params
        self.argument_checked = False
        if self.sym_gen is None:
            self._check_arguments()
        contexts = cpu() if ctx is None else ctx
        self.ctx = [contexts] if isinstance(contexts, Context) else list(contexts)
        self.num_epoch = num_epoch
        self.epoch_size = epoch_size
        self.kwargs = kwargs.copy()
        self.optimizer = optimizer
        self.initializer = initializer
        self.numpy_batch_size = numpy_batch_size
        self._pred_exec: Any = None
        self.begin_epoch = begin_epoch

    def _check_arguments(self) -> None:
        """Checks the argument names and drops extra parameters, once."""
        if self.argument_checked:
            return
        self.argument_checked = True
        check_arguments(self._network())
        if self.allow_extra_params:
            known = {*self._network().list_arguments(), *self._network().list_auxiliary_states()}
            self.arg_params = {name: array for name, array in (self.arg_params or {}).items() if name in known} or None
            self.aux_params = {name: array for name, array in (self.aux_params or {}).items() if name in known} or None

    def _network(self) -> Any:
        if self.symbol is None:
            msg = "[FeedForward] symbol is a function of bucket keys: fit, predict or score with an iterator first"
            raise ParameterError(msg)
        return self.symbol

    def _init_params(self, inputs: Sequence[Any], overwrite: bool = False) -> tuple[list[str], list[str], list[str]]:
        """Makes the parameters for inputs of these descriptions; returns argument, parameter and state names."""
        symbol = self._network()
        shapes = {desc[0]: tuple(desc[1]) for desc in inputs}
        arg_names, aux_names = symbol.list_arguments(), symbol.list_auxiliary_states()
        arg_shapes, _, aux_shapes = symbol.infer_shape(**{n: s for n, s in shapes.items() if n in arg_names})
        param_names = [name for name in arg_names if name not in shapes]
        attrs = symbol.attr_dict()

        def filled(names: Sequence[str], all_shapes: Sequence[Any], old: dict[str, Any] | None) -> dict[str, Any]:
            made = {}
            for name, shape in zip(names, all_shapes, strict=True):
                if name in shapes:
                    continue
                array = nd.zeros(shape, ctx=cpu())
                kept = None if old is None or overwrite else old.get(name)
                if kept is not None:
                    array[:] = kept
                else:
                    self.initializer(InitDesc(name, attrs.get(name)), array)
                made[name] = array
            return made

        self.arg_params = filled(arg_names, arg_shapes, self.arg_params)
        self.aux_params = filled(aux_names, aux_shapes, self.aux_params)
        return arg_names, param_names, aux_names

    def _init_iter(self, X: Any, y: Any, is_train: bool) -> Any:  # noqa: N803 - MXNet's name
        """An iterator over arrays; iterators are returned as they are."""
        if not isinstance(X, (np.ndarray, NDArray)):
            if not hasattr(X, "provide_data"):
                msg = f"X must be DataIter, NDArray or numpy.ndarray, got {type(X).__name__}"
                raise DTypeError(msg)
            return X
        if y is None:
            if is_train:
                msg = "y must be specified when X is numpy.ndarray"
                raise ParameterError(msg)
            y = np.zeros(X.shape[0])
        values = y.asnumpy() if isinstance(y, NDArray) else np.asarray(y)
        if X.shape[0] != values.shape[0]:
            msg = f"The numbers of data points and labels not equal: {X.shape[0]} and {values.shape[0]}"
            raise ParameterError(msg)
        if values.ndim == 2 and values.shape[1] == 1:
            values = values.flatten()
        if values.ndim != 1:
            msg = f"Label must be 1D or 2D (with 2nd dimension being 1), got shape {values.shape}"
            raise ParameterError(msg)
        make = reader("array_iter")
        if is_train:
            size = min(X.shape[0], self.numpy_batch_size)
            return make(X, values, size, shuffle=True, last_batch_handle="roll_over")
        return make(X, values, min(X.shape[0], self.numpy_batch_size), shuffle=False)

    def _init_eval_iter(self, eval_data: Any) -> Any:
        if isinstance(eval_data, (tuple, list)) and len(eval_data) == 2:
            data, label = eval_data
            if data is None:
                msg = "Eval data is NONE"
                raise ParameterError(msg)
            data = np.array(data) if isinstance(data, list) else data
            label = np.array(label) if isinstance(label, list) else label
            return self._init_iter(data, label, is_train=False)
        return eval_data

    # -- asking ----------------------------------------------------------------------------------------------------

    def _init_predictor(self, inputs: Sequence[Any]) -> None:
        shapes = {desc[0]: tuple(desc[1]) for desc in inputs}
        bound = self._pred_exec
        if bound is not None and all(
            bound.arg_dict[name].shape == shape for name, shape in shapes.items() if name in bound.arg_dict
        ):
            return
        names = self._network().list_arguments()
        types = {desc[0]: desc.dtype for desc in inputs if hasattr(desc, "dtype")}
        bound = self._network().simple_bind(
            self.ctx[0], grad_req="null", type_dict=types, **{n: s for n, s in shapes.items() if n in names}
        )
        self._pred_exec = bound

    def _forward(self, data: Any, batch: Any) -> list[Any]:
        arrays = self._pred_exec.arg_dict
        for desc, value in zip(data.provide_data, batch.data, strict=True):
            arrays[desc[0]][:] = value
        return self._pred_exec.forward(is_train=False)

    def _prepared(self, X: Any, reset: bool) -> Any:  # noqa: N803
        data = self._init_iter(X, None, is_train=False)
        if reset:
            data.reset()
        if self.symbol is None and self.sym_gen is not None:
            self.symbol = self.sym_gen(data.default_bucket_key)
            self._check_arguments()
        self._init_predictor(data.provide_data)
        # Every time: training may have changed them since.
        self._pred_exec.copy_params_from(self.arg_params or {}, self.aux_params or {}, allow_extra_params=True)
        return data

    def predict(
        self,
        X: Any,  # noqa: N803
        num_batch: int | None = None,
        return_data: bool = False,
        reset: bool = True,
    ) -> Any:
        """The outputs for all the data as NumPy arrays: one, or a list for several outputs.

        num_batch: stop after so many.  return_data: (outputs, data, labels).  reset: begin with ``X.reset()``.
        """
        data = self._prepared(X, reset)
        outputs: list[list[Any]] = []
        given: tuple[list[list[Any]], list[list[Any]]] = ([], [])
        for i, batch in enumerate(data):
            if num_batch is not None and i == num_batch:
                break
            pad = batch.pad or 0
            count = data.batch_size - pad
            outputs.append([output[:count].asnumpy() for output in self._forward(data, batch)])
            if return_data:
                for kept, arrays in zip(given, (batch.data, batch.label), strict=True):
                    kept.append([array[:count].asnumpy() for array in arrays])
        joined = [_joined(parts) for parts in (outputs, *given)]
        return tuple(joined) if return_data else joined[0]

    def score(
        self,
        X: Any,  # noqa: N803
        eval_metric: Any = "acc",
        num_batch: int | None = None,
        batch_end_callback: Any = None,
        reset: bool = True,
    ) -> Any:
        """The value of a metric over the data of an iterator."""
        if not isinstance(eval_metric, metrics.EvalMetric):
            eval_metric = metrics.create(eval_metric)
        data = self._prepared(X, reset)
        for i, batch in enumerate(data):
            if num_batch is not None and i == num_batch:
                break
            eval_metric.update(batch.label, self._forward(data, batch))
            if batch_end_callback is not None:
                call(batch_end_callback, BatchEndParam(0, i, eval_metric, locals()))
        return eval_metric.get()[1]

    # -- training --------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,  # noqa: N803
        y: Any = None,
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        logger: Any = None,
        work_load_list: Sequence[float] | None = None,
        monitor: Any = None,
        eval_end_callback: Any = LogValidationMetricsCallback(),  # noqa: B008 - holds no state
        eval_batch_end_callback: Any = None,
    ) -> None:
        """Trains until epoch ``num_epoch``; the arguments are those of `BaseModule.fit`, X and y also arrays."""
        if self.num_epoch is None:
            msg = "[FeedForward] fit needs num_epoch: FeedForward(symbol, num_epoch=10)"
            raise DTypeError(msg)
        data = self._init_iter(X, y, is_train=True)
        eval_data = self._init_eval_iter(eval_data)
        if self.sym_gen is not None:
            self.symbol = self.sym_gen(data.default_bucket_key)
            self._check_arguments()
        self.kwargs["sym"] = self.symbol
        arg_names, param_names, aux_names = self._init_params([*data.provide_data, *data.provide_label])
        if not isinstance(eval_metric, metrics.EvalMetric):
            eval_metric = metrics.create(eval_metric)
        store, update_on_kvstore = _create_kvstore(kvstore, len(self.ctx), self.arg_params or {})
        optimizer = self._made_optimizer(data.batch_size, store, update_on_kvstore, param_names)
        train_multi_device(
            self.symbol, self.ctx, arg_names, param_names, aux_names, self.arg_params or {}, self.aux_params or {},
            begin_epoch=self.begin_epoch, end_epoch=self.num_epoch, epoch_size=self.epoch_size, optimizer=optimizer,
            kvstore=store, update_on_kvstore=update_on_kvstore, train_data=data, eval_data=eval_data,
            eval_metric=eval_metric, epoch_end_callback=epoch_end_callback, batch_end_callback=batch_end_callback,
            logger=logger, work_load_list=work_load_list, monitor=monitor, eval_end_callback=eval_end_callback,
            eval_batch_end_callback=eval_batch_end_callback, sym_gen=self.sym_gen,
        )  # fmt: skip

    def _made_optimizer(self, batch_size: int, store: Any, update_on_kvstore: bool, names: Sequence[str]) -> Any:
        if not isinstance(self.optimizer, str):
            return self.optimizer
        settings = {
            "rescale_grad": 1.0 / total_batch_size(batch_size, store),
            "param_idx2name": index_names(names, len(self.ctx), update_on_kvstore),
        }
        return opt.create(self.optimizer, **{**settings, **self.kwargs})

    # -- files -----------------------------------------------------------------------------------------------------

    def save(self, prefix: str, epoch: int | None = None, remove_amp_cast: bool = True) -> None:
        """Writes a checkpoint; ``epoch`` defaults to ``num_epoch``."""
        epoch = self.num_epoch if epoch is None else epoch
        if epoch is None:
            msg = "[FeedForward] save needs an epoch number, or num_epoch"
            raise ParameterError(msg)
        checkpoint.save_checkpoint(
            prefix, epoch, self.symbol, self.arg_params or {}, self.aux_params or {}, remove_amp_cast=remove_amp_cast
        )

    @staticmethod
    def load(prefix: str, epoch: int, ctx: Any = None, **kwargs: Any) -> FeedForward:
        """The network of a checkpoint, which training goes on from. kwargs: of FeedForward."""
        symbol, arg_params, aux_params = checkpoint.load_checkpoint(prefix, epoch)
        return FeedForward(
            symbol, ctx=ctx, arg_params=arg_params, aux_params=aux_params, begin_epoch=epoch, **kwargs
        )  # fmt: skip

    @staticmethod
    def create(
        symbol: Any,
        X: Any,  # noqa: N803
        y: Any = None,
        ctx: Any = None,
        num_epoch: int | None = None,
        epoch_size: int | None = None,
        optimizer: Any = "sgd",
        initializer: Any = Uniform(0.01),  # noqa: B008
        eval_data: Any = None,
        eval_metric: Any = "acc",
        epoch_end_callback: Any = None,
        batch_end_callback: Any = None,
        kvstore: Any = "local",
        logger: Any = None,
        work_load_list: Sequence[float] | None = None,
        eval_end_callback: Any = LogValidationMetricsCallback(),  # noqa: B008
        eval_batch_end_callback: Any = None,
        **kwargs: Any,
    ) -> FeedForward:
        """A new FeedForward, trained: the arguments of both."""
        model = FeedForward(
            symbol, ctx=ctx, num_epoch=num_epoch, epoch_size=epoch_size, optimizer=optimizer, initializer=initializer,
            **kwargs,
        )  # fmt: skip
        model.fit(
            X, y, eval_data=eval_data, eval_metric=eval_metric, epoch_end_callback=epoch_end_callback,
            batch_end_callback=batch_end_callback, kvstore=kvstore, logger=logger, work_load_list=work_load_list,
            eval_end_callback=eval_end_callback, eval_batch_end_callback=eval_batch_end_callback,
        )  # fmt: skip
        return model


def _joined(batches: list[list[Any]]) -> Any:
    """The batches' arrays put together; the array itself where there is one for each batch."""
    arrays = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
    return arrays[0] if len(arrays) == 1 else arrays
