"""EvalMetric, the base of all metrics, CompositeEvalMetric, and ``create``."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy

from ..class_registry import registry_of
from ..errors import ParameterError, ShapeError

__all__ = ["CompositeEvalMetric", "EvalMetric", "alias", "check_label_shapes", "create", "register", "to_numpy"]


def to_numpy(array: Any) -> numpy.ndarray[Any, Any]:
    """``array`` as a NumPy array: an NDArray's values (this waits for them), or what NumPy makes of anything else."""
    return array.asnumpy() if hasattr(array, "asnumpy") else numpy.asarray(array)


def check_label_shapes(labels: Any, preds: Any, wrap: bool = False, shape: bool = False) -> tuple[Any, Any]:
    """(labels, preds), after checking that there are as many of one as of the other.

    wrap: make lists of single arrays.  shape: compare shapes, not lengths. Raises ShapeError.
    """
    if shape:
        label_shape, pred_shape = labels.shape, preds.shape
    else:
        label_shape, pred_shape = len(labels), len(preds)
    if wrap and not isinstance(labels, (list, tuple)) and not isinstance(preds, (list, tuple)):
        return [labels], [preds]
    if label_shape != pred_shape:
        msg = f"Shape of labels {label_shape} does not match shape of predictions {pred_shape}"
        raise ShapeError(msg)
    if wrap:
        labels = labels if isinstance(labels, (list, tuple)) else [labels]
        preds = preds if isinstance(preds, (list, tuple)) else [preds]
    return labels, preds


class EvalMetric:
    """A running mean: ``sum_metric / num_inst`` since ``reset``. A subclass defines ``update(labels, preds)``.

    name: what ``get`` reports.  output_names, label_names: which entries ``update_dict`` uses; None for all. Sums
    since the last ``reset_local`` are kept beside those since ``reset`` (``get_global``).
    """

    def __init__(
        self,
        name: str,
        output_names: list[str] | None = None,
        label_names: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.name = str(name)
        self.output_names = output_names
        self.label_names = label_names
        self._has_global_stats = kwargs.pop("has_global_stats", False)
        self._kwargs = kwargs
        self.reset()

    def __str__(self) -> str:
        return f"EvalMetric: {dict(self.get_name_value())}"

    def get_config(self) -> dict[str, Any]:
        """The arguments from which ``create`` makes an equal metric."""
        return {
            **self._kwargs,
            "metric": type(self).__name__,
            "name": self.name,
            "output_names": self.output_names,
            "label_names": self.label_names,
        }

    def update_dict(self, label: dict[str, Any], pred: dict[str, Any]) -> None:
        """``update`` with arrays chosen by name from dicts."""
        preds = list(pred.values()) if self.output_names is None else [pred[n] for n in self.output_names]
        labels = list(label.values()) if self.label_names is None else [label[n] for n in self.label_names]
        self.update(labels, preds)

    def update(self, labels: Any, preds: Any) -> None:
        """Adds one batch: lists of arrays (or single arrays) of labels and predictions."""
        msg = f"{type(self).__name__} does not define update(labels, preds)"
        raise TypeError(msg)

    def _add(self, total: float, count: int) -> None:
        """Adds a sum over ``count`` instances to both running means."""
        total = float(total)  # NumPy scalars would print as np.float64(...)
        self.sum_metric += total
        self.global_sum_metric += total
        self.num_inst += count
        self.global_num_inst += count

    def reset(self) -> None:
        """Forgets everything."""
        self.num_inst = 0
        self.sum_metric = 0.0
        self.global_num_inst = 0
        self.global_sum_metric = 0.0

    def reset_local(self) -> None:
        """Forgets what ``get`` reports; ``get_global`` goes on."""
        self.num_inst = 0
        self.sum_metric = 0.0

    def _value(self, total: float, count: int) -> float:
        return total / count if count else float("nan")

    def get(self) -> tuple[Any, Any]:
        """(name, value); nan before the first update."""
        return (self.name, self._value(self.sum_metric, self.num_inst))

    def get_global(self) -> tuple[Any, Any]:
        """(name, value) since ``reset``, where the metric keeps it; else ``get()``."""
        if not self._has_global_stats:
            return self.get()
        return (self.name, self._value(self.global_sum_metric, self.global_num_inst))

    def get_name_value(self) -> list[tuple[str, float]]:
        """``get()`` as a list of (name, value)."""
        return _pairs(self.get())

    def get_global_name_value(self) -> list[tuple[str, float]]:
        """``get_global()`` as a list of (name, value)."""
        return _pairs(self.get_global() if self._has_global_stats else self.get())


def _pairs(result: tuple[Any, Any]) -> list[tuple[str, float]]:
    names, values = result
    names = names if isinstance(names, list) else [names]
    values = values if isinstance(values, list) else [values]
    return list(zip(names, values, strict=True))


_registry = registry_of(EvalMetric, "metric")
register = _registry.register
alias = _registry.alias


def create(metric: Any, *args: Any, **kwargs: Any) -> EvalMetric:
    """A metric from a name, a function ``f(label, pred)`` of NumPy arrays, a list of these, or a metric (as it is).

    >>> create("acc").name, create(["acc", "mse"]).get()[0]
    ('accuracy', ['accuracy', 'mse'])
    """
    from .other import CustomMetric

    if callable(metric) and not isinstance(metric, EvalMetric):
        return CustomMetric(metric, *args, **kwargs)
    if isinstance(metric, list):
        composite = CompositeEvalMetric()
        for child in metric:
            composite.add(create(child, *args, **kwargs))
        return composite
    return _registry.create(metric, *args, **kwargs)


@alias("composite")
@register
class CompositeEvalMetric(EvalMetric):
    """Several metrics at once; ``get`` gives lists of names and values."""

    def __init__(
        self,
        metrics: list[Any] | None = None,
        name: str = "composite",
        output_names: list[str] | None = None,
        label_names: list[str] | None = None,
    ) -> None:
        self.metrics = [create(m) for m in metrics or []]
        super().__init__(name, output_names=output_names, label_names=label_names, has_global_stats=True)

    def add(self, metric: Any) -> None:
        """Adds a metric, given as for ``create``."""
        self.metrics.append(create(metric))

    def get_metric(self, index: int) -> EvalMetric:
        """The metric number ``index``. Raises ParameterError when there is none."""
        if not -len(self.metrics) <= index < len(self.metrics):
            msg = f"Metric index {index} is out of range 0 and {len(self.metrics)}"
            raise ParameterError(msg)
        return self.metrics[index]

    def update_dict(self, labels: dict[str, Any], preds: dict[str, Any]) -> None:
        """Updates each metric with the arrays it asks for by name."""
        if self.label_names is not None:
            labels = OrderedDict((k, v) for k, v in labels.items() if k in self.label_names)
        if self.output_names is not None:
            preds = OrderedDict((k, v) for k, v in preds.items() if k in self.output_names)
        for metric in self.metrics:
            metric.update_dict(labels, preds)

    def update(self, labels: Any, preds: Any) -> None:
        """Updates each metric."""
        for metric in self.metrics:
            metric.update(labels, preds)

    def reset(self) -> None:
        """Resets each metric."""
        for metric in self.metrics:
            metric.reset()

    def reset_local(self) -> None:
        """Resets the local sums of each metric."""
        for metric in self.metrics:
            metric.reset_local()

    def _collect(self, results: list[tuple[Any, Any]]) -> tuple[list[str], list[float]]:
        pairs = [pair for result in results for pair in _pairs(result)]
        return [name for name, _ in pairs], [value for _, value in pairs]

    def get(self) -> tuple[Any, Any]:
        """(names, values)."""
        return self._collect([metric.get() for metric in self.metrics])

    def get_global(self) -> tuple[Any, Any]:
        """(names, values) since ``reset``."""
        return self._collect([metric.get_global() for metric in self.metrics])

    def get_config(self) -> dict[str, Any]:
        """The arguments from which ``create`` makes an equal metric."""
        return {**super().get_config(), "metrics": [metric.get_config() for metric in self.metrics]}
