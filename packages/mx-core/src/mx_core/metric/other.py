"""Loss, the mean of outputs, and metrics made from a function: CustomMetric and ``np``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .base import EvalMetric, check_label_shapes, register, to_numpy

__all__ = ["Caffe", "CustomMetric", "Loss", "Torch", "np"]

_Names = list[str] | None


@register
class Loss(EvalMetric):
    """The mean of all elements of the predictions, which are losses; labels are not read."""

    def __init__(self, name: str = "loss", output_names: _Names = None, label_names: _Names = None) -> None:
        super().__init__(name, output_names=output_names, label_names=label_names, has_global_stats=True)

    def update(self, _: Any, preds: Any) -> None:
        """Adds a batch of losses."""
        for pred in preds if isinstance(preds, (list, tuple)) else [preds]:
            loss = to_numpy(pred)
            self._add(float(loss.sum()), loss.size)


@register
class Torch(Loss):
    """Loss under the name "torch"."""

    def __init__(self, name: str = "torch", output_names: _Names = None, label_names: _Names = None) -> None:
        super().__init__(name, output_names=output_names, label_names=label_names)


@register
class Caffe(Loss):
    """Loss under the name "caffe"."""

    def __init__(self, name: str = "caffe", output_names: _Names = None, label_names: _Names = None) -> None:
        super().__init__(name, output_names=output_names, label_names=label_names)


@register
class CustomMetric(EvalMetric):
    """The mean over batches of ``feval(label, pred)``, NumPy arrays in, a number or (sum, count) out.

    name: default the function's.  allow_extra_outputs: more predictions than labels are not an error.

    >>> from mx_core import ndarray as nd
    >>> metric = CustomMetric(lambda label, pred: abs(label - pred).mean(), name="distance")
    >>> metric.update(nd.array([1.0]), nd.array([3.0]))
    >>> metric.get()
    ('distance', 2.0)
    """

    def __init__(
        self,
        feval: Callable[[Any, Any], Any],
        name: str | None = None,
        allow_extra_outputs: bool = False,
        output_names: _Names = None,
        label_names: _Names = None,
    ) -> None:
        if name is None:
            name = feval.__name__
            if "<" in name:
                name = f"custom({name})"
        super().__init__(
            name,
            feval=feval,
            allow_extra_outputs=allow_extra_outputs,
            output_names=output_names,
            label_names=label_names,
            has_global_stats=True,
        )
        self._feval = feval
        self._allow_extra_outputs = allow_extra_outputs

    def update(self, labels: Any, preds: Any) -> None:
        """Adds a batch."""
        if not self._allow_extra_outputs:
            labels, preds = check_label_shapes(labels, preds, True)
        for pred, label in zip(preds, labels, strict=False):
            result = self._feval(to_numpy(label), to_numpy(pred))
            if isinstance(result, tuple):
                self._add(*result)
            else:
                self._add(result, 1)

    def get_config(self) -> dict[str, Any]:
        """Refuses: a function cannot be written down."""
        msg = "CustomMetric cannot be serialized: it holds a Python function. Build it again where it is needed."
        raise TypeError(msg)


def np(
    numpy_feval: Callable[[Any, Any], Any], name: str | None = None, allow_extra_outputs: bool = False
) -> CustomMetric:
    """A CustomMetric of a function of NumPy arrays, ``numpy_feval(label, pred)``."""

    def feval(label: Any, pred: Any) -> Any:
        return numpy_feval(label, pred)

    feval.__name__ = numpy_feval.__name__
    return CustomMetric(feval, name, allow_extra_outputs)
