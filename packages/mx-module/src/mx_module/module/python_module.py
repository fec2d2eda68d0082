"""PythonModule and PythonLossModule: modules whose work is a Python function, such as a loss in NumPy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from mx_core import ndarray as nd
from mx_core._core import NDArray
from mx_core.errors import ParameterError
from mx_core.initializer import Uniform

from .._ready import NotReadyError
from .base_module import BaseModule, _undefined

__all__ = ["PythonLossModule", "PythonModule"]


class PythonModule(BaseModule):
    """Base of modules without parameters, written in Python.

    A subclass defines ``forward``, ``get_outputs``, ``_compute_output_shapes`` and, to be trained through, ``backward``
    and ``get_input_grads``; with parameters, also those methods that here do nothing.
    """

    def __init__(
        self,
        data_names: Sequence[str],
        label_names: Sequence[str] | None,
        output_names: Sequence[str],
        logger: Any = logging,
    ) -> None:
        super().__init__(logger=logger)
        self._data_names = list(data_names)
        self._label_names = None if label_names is None else list(label_names)
        self._output_names = list(output_names)
        self._data_shapes: Any = None
        self._label_shapes: Any = None
        self._output_shapes: Any = None

    # -- what the module is ----------------------------------------------------------------------------------------

    @property
    def data_names(self) -> list[str]:
        """The names of the data."""
        return self._data_names

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs."""
        return self._output_names

    @property
    def data_shapes(self) -> Any:
        """The descriptions of the data, as bound."""
        return self._data_shapes

    @property
    def label_shapes(self) -> Any:
        """The descriptions of the labels, as bound."""
        return self._label_shapes

    @property
    def output_shapes(self) -> Any:
        """(name, shape) of each output."""
        return self._output_shapes

    # -- parameters: none ------------------------------------------------------------------------------------------

    def get_params(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """({}, {})."""
        return {}, {}

    def init_params(
        self,
        initializer: Any = Uniform(0.01),  # noqa: B008 - MXNet's default; it holds no state
        arg_params: dict[str, Any] | None = None,
        aux_params: dict[str, Any] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """There is nothing to initialize."""
        self.params_initialized = True

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """There is nothing to optimize."""
        self.optimizer_initialized = True

    def update(self) -> None:
        """There is nothing to update."""

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Updates a metric with labels and outputs, if the module takes labels. Raises ParameterError for pre-sliced."""
        if self._label_shapes is None:
            return
        if pre_sliced:
            msg = "PythonModule does not support presliced labels"
            raise ParameterError(msg)
        eval_metric.update(labels, self.get_outputs())

    def install_monitor(self, mon: Any) -> None:
        """There is no network to watch."""

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
        """Takes note of the shapes and computes those of the outputs. grad_req must be "write"."""
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if grad_req != "write":
            msg = "Python module only support write gradient"
            raise NotReadyError(msg)
        self.for_training = for_training
        self.inputs_need_grad = inputs_need_grad
        for names, shapes, kind in (
            (self._data_names, data_shapes, "data"),
            (self._label_names, label_shapes, "label"),
        ):
            if names is not None and shapes is not None and [desc[0] for desc in shapes] != names:
                msg = f"[{type(self).__name__}] {kind}_shapes must name {names}, got {[desc[0] for desc in shapes]}"
                raise ParameterError(msg)
        self._data_shapes = data_shapes
        self._label_shapes = label_shapes
        self._output_shapes = self._compute_output_shapes()
        self.binded = True

    def _compute_output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """(name, shape) of each output, from the shapes that were bound."""
        raise _undefined(self, "_compute_output_shapes")


class PythonLossModule(PythonModule):
    """A loss at the end of a SequentialModule: its output is its input, its gradient a function of both.

    name: of the output.  grad_func: (scores, labels) -> gradient of the scores, an NDArray or a NumPy array. A subclass
    may define ``_backward_impl`` instead, which sets ``self._scores_grad``.

    >>> import mxnet as mx
    >>> loss = PythonLossModule(grad_func=lambda scores, labels: scores - labels)
    >>> loss.bind([("data", (2,))], [("softmax_label", (2,))])
    >>> loss.forward(mx.io.DataBatch([mx.nd.array([3.0, 4.0])], [mx.nd.ones((2,))]))
    >>> loss.backward()
    >>> loss.get_input_grads()[0].asnumpy()
    array([2., 3.], dtype=float32)
    """

    def __init__(
        self,
        name: str = "pyloss",
        data_names: Sequence[str] = ("data",),
        label_names: Sequence[str] = ("softmax_label",),
        logger: Any = logging,
        grad_func: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        super().__init__(data_names, label_names, [f"{name}_output"], logger=logger)
        self._name = name
        if len(self._data_names) != 1 or len(self._label_names or ()) != 1:
            msg = "[PythonLossModule] takes one data and one label"
            raise NotReadyError(msg)
        if grad_func is not None and not callable(grad_func):
            msg = f"[PythonLossModule] grad_func must be callable, got {type(grad_func).__name__}"
            raise NotReadyError(msg)
        self._scores: Any = None
        self._labels: Any = None
        self._scores_grad: Any = None
        self._grad_func = grad_func

    def _compute_output_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        return [(f"{self._name}_output", self._data_shapes[0][1])]

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Keeps scores and, when training, labels."""
        self._scores = data_batch.data[0]
        if self.for_training if is_train is None else is_train:
            self._labels = data_batch.label[0]

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """The scores. Raises NotReadyError for ``merge_multi_context=False``."""
        _check_merged(merge_multi_context)
        return [self._scores]

    def backward(self, out_grads: Any = None) -> None:
        """Computes the gradient of the scores. ``out_grads`` must be None: this is the loss."""
        if out_grads is not None:
            msg = "For a loss module, out_grads should be None"
            raise NotReadyError(msg)
        if not self.for_training:
            msg = "[PythonLossModule] backward needs bind(for_training=True)"
            raise NotReadyError(msg)
        self._backward_impl()

    def _backward_impl(self) -> None:
        if self._grad_func is None:
            raise _undefined(self, "_backward_impl, and has no grad_func")
        gradient = self._grad_func(self._scores, self._labels)
        self._scores_grad = gradient if isinstance(gradient, NDArray) else nd.array(gradient)

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradient of the scores."""
        _check_merged(merge_multi_context)
        return [self._scores_grad]


def _check_merged(merge_multi_context: bool) -> None:
    if not merge_multi_context:
        msg = "[PythonLossModule] runs on one device: merge_multi_context must be True"
        raise NotReadyError(msg)
