"""SVRGModule: a Module trained with variance-reduced gradients (Johnson and Zhang, 2013)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from mx_core import ndarray as nd
from mx_core.context import Context
from mx_core.errors import DTypeError, MXNetError, ParameterError

from .._ready import NotReadyError, require
from ..module import Module

__all__ = ["SVRGModule"]


class SVRGModule(Module):
    """A Module whose gradient of a batch is ``g(w) - g(w0) + mean of g(w0)``: it varies less, and steps can be longer.

    w0 are the parameters of some epochs ago; the mean is over all batches of the training data and is computed anew every
    ``update_freq`` epochs. The other arguments are those of Module. A step costs two gradients.
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
        update_freq: int | None = None,
    ) -> None:
        if not isinstance(update_freq, int):
            msg = f"update_freq in SVRGModule must be an integer, epochs between full gradients, got {update_freq!r}"
            raise DTypeError(msg)
        if update_freq <= 0:
            msg = f"update_freq in SVRGModule must be a positive integer, got {update_freq}"
            raise ParameterError(msg)
        settings = {
            "data_names": data_names, "label_names": label_names, "logger": logger, "context": context,
            "work_load_list": work_load_list, "fixed_param_names": fixed_param_names, "state_names": state_names,
            "group2ctxs": group2ctxs, "compression_params": compression_params,
        }  # fmt: skip
        super().__init__(symbol, **settings)  # type: ignore[arg-type]
        self.update_freq = update_freq
        self._mod_aux = Module(symbol, **settings)  # type: ignore[arg-type] # holds w0
        self._mean_grads: list[list[Any]] | None = None  # as the group's grad_arrays

    # -- binding: both modules -------------------------------------------------------------------------------------

    def _reset_bind(self) -> None:
        super()._reset_bind()
        self._mod_aux._reset_bind()
        self._mean_grads = None

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
        """Binds the network twice, for w and w0. See `BaseModule.bind`."""
        again = self.binded and not force_rebind
        super().bind(
            data_shapes, label_shapes, for_training, inputs_need_grad, force_rebind, shared_module, grad_req
        )  # fmt: skip
        if for_training and not again:
            self._mod_aux.bind(data_shapes, label_shapes, for_training, inputs_need_grad, force_rebind, None, grad_req)

    def reshape(self, data_shapes: Any, label_shapes: Any = None) -> None:
        """Prepares both networks for batches of other shapes."""
        super().reshape(data_shapes, label_shapes)
        if self._mod_aux.binded:
            self._mod_aux.reshape(data_shapes, label_shapes)

    # -- running ---------------------------------------------------------------------------------------------------

    def prepare(self, data_batch: Any, sparse_row_id_fn: Callable[[Any], Any] | None = None) -> None:
        """Prepares both networks for a batch. See `Module.prepare`."""
        super().prepare(data_batch, sparse_row_id_fn=sparse_row_id_fn)
        if self._mod_aux.binded:
            self._mod_aux.prepare(data_batch)

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Computes the outputs; in training, those of w0 too."""
        super().forward(data_batch, is_train)
        if (self.for_training if is_train is None else is_train) and self._mod_aux.params_initialized:
            self._mod_aux.forward(data_batch, is_train=True)

    def backward(self, out_grads: Any = None) -> None:
        """Computes the gradients of w and, once there are full gradients, those of w0."""
        super().backward(out_grads)
        if self._mod_aux.params_initialized:
            self._mod_aux.backward(out_grads)

    def update(self) -> None:
        """One step of the optimizer along the gradients, their variance reduced once there are full gradients."""
        require(self, "update", "binded", "params_initialized", "optimizer_initialized")
        self._reduce_variance()
        super().update()

    def _reduce_variance(self) -> None:
        if self._mean_grads is None or self._exec_group.grad_arrays is None:
            return
        groups = (self._exec_group.grad_arrays, self._mod_aux._exec_group.grad_arrays, self._mean_grads)
        for blocks in zip(*groups, strict=True):
            for grad, old, mean in zip(*blocks, strict=True):
                if grad is not None:
                    grad -= old
                    grad += mean

    def update_full_grads(self, train_data: Any) -> None:
        """Makes the present parameters w0 and computes the mean of their gradients over all batches of the data."""
        require(self, "update_full_grads", "binded", "params_initialized")
        if not self.for_training:
            msg = "[SVRGModule] update_full_grads needs bind(for_training=True)"
            raise NotReadyError(msg)
        aux = self._mod_aux
        arg_params, aux_params = self.get_params()
        aux.init_params(None, arg_params, aux_params, force_init=True)
        train_data.reset()
        sums: list[list[Any]] = [
            [None if grad is None else nd.zeros_like(grad) for grad in block] for block in aux._exec_group.grad_arrays
        ]
        count = 0
        for batch in train_data:
            aux.forward(batch, is_train=True)
            aux.backward()
            count += 1
            for total, block in zip(sums, aux._exec_group.grad_arrays, strict=True):
                for one, grad in zip(total, block, strict=True):
                    if grad is not None:
                        one += grad
        if not count:
            msg = "[SVRGModule] train_data gives no batch: there is no full gradient"
            raise MXNetError(msg)
        for block in sums:
            for one in block:
                if one is not None:
                    one /= count
        self._mean_grads = sums
        train_data.reset()

    def _begin_epoch(self, epoch: int, train_data: Any) -> None:
        if epoch % self.update_freq == 0:
            self.update_full_grads(train_data)
