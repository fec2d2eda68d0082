"""Metrics of regressions: MAE, MSE, RMSE, PearsonCorrelation."""

from __future__ import annotations

from typing import Any

import numpy as np

from .base import EvalMetric, alias, check_label_shapes, register, to_numpy

__all__ = ["MAE", "MSE", "RMSE", "PearsonCorrelation"]

_Names = list[str] | None


class _Error(EvalMetric):
    """A mean over batches of ``_error(difference)``; 1-d arrays are columns."""

    def update(self, labels: Any, preds: Any) -> None:
        """Adds a batch of arrays of equal shape."""
        labels, preds = check_label_shapes(labels, preds, True)
        for label, pred in zip(labels, preds, strict=True):
            truth, guess = to_numpy(label), to_numpy(pred)
            truth = truth.reshape(-1, 1) if truth.ndim == 1 else truth
            guess = guess.reshape(-1, 1) if guess.ndim == 1 else guess
            self._add(float(self._error(truth - guess)), 1)

    def _error(self, difference: Any) -> Any:
        return np.abs(difference).mean()


@register
class MAE(_Error):
    """The mean over batches of the mean of |label - pred|."""

    def __init__(self, name: str = "mae", output_names: _Names = None, label_names: _Names = None) -> None:
        super().__init__(name, output_names=output_names, label_names=label_names, has_global_stats=True)


@register
class MSE(_Error):
    """The mean over batches of the mean of (label - pred)^2."""

    def __init__(self, name: str = "mse", output_names: _Names = None, label_names: _Names = None) -> None:
        super().__init__(name, output_names=output_names, label_names=label_names, has_global_stats=True)

    def _error(self, difference: Any) -> Any:
        return np.square(difference).mean()


@register
class RMSE(_Error):
    """The mean over batches of sqrt(mean of (label - pred)^2)."""

    def __init__(self, name: str = "rmse", output_names: _Names = None, label_names: _Names = None) -> None:
        super().__init__(name, output_names=output_names, label_names=label_names, has_global_stats=True)

    def _error(self, difference: Any) -> Any:
        return np.sqrt(np.square(difference).mean())


@alias("pearsonr")
@register
class PearsonCorrelation(EvalMetric):
    """Pearson's correlation of labels and predictions: the mean over batches ("macro") or of all together ("micro")."""

    def __init__(
        self,
        name: str = "pearsonr",
        output_names: _Names = None,
        label_names: _Names = None,
        average: str = "macro",
    ) -> None:
        self.average = average
        super().__init__(name, output_names=output_names, label_names=label_names, has_global_stats=True)

    def reset(self) -> None:
        """Forgets everything."""
        super().reset()
        self.reset_micro()

    def reset_micro(self) -> None:
        """Forgets what "micro" keeps: counts, sums, sums of squares and of products."""
        self._local, self._total = np.zeros(6), np.zeros(6)

    def reset_local(self) -> None:
        """Forgets what ``get`` reports."""
        super().reset_local()
        self._local = np.zeros(6)

    def update(self, labels: Any, preds: Any) -> None:
        """Adds a batch of arrays of equal shape."""
        labels, preds = check_label_shapes(labels, preds, True)
        for label, pred in zip(labels, preds, strict=True):
            check_label_shapes(label, pred, False, True)
            x = to_numpy(label).ravel().astype(np.float64)
            y = to_numpy(pred).ravel().astype(np.float64)
            if self.average == "macro":
                self._add(float(np.corrcoef(y, x)[0, 1]), 1)
                continue
            self.update_cov(x, y)
            self.num_inst += 1
            self.global_num_inst += 1

    def update_cov(self, label: Any, pred: Any) -> None:
        """Adds two NumPy vectors to what "micro" keeps."""
        moments = np.array([label.size, label.sum(), pred.sum(), label @ label, pred @ pred, label @ pred])
        self._local = self._local + moments
        self._total = self._total + moments

    def update_variance(self, new_values: Any, *aggregate: float) -> tuple[int, float, float]:
        """(count, mean, sum of squared deviations) of values before, given as these three, and of ``new_values``."""
        count, mean, squares = aggregate
        values = np.asarray(new_values, np.float64).ravel()
        new_count = int(count) + values.size
        new_mean = mean + float((values - mean).sum()) / new_count
        return new_count, new_mean, squares + float(((values - mean) * (values - new_mean)).sum())

    def _micro(self, moments: Any) -> float:
        n, sx, sy, sxx, syy, sxy = moments
        return float((n * sxy - sx * sy) / np.sqrt((n * sxx - sx * sx) * (n * syy - sy * sy)))

    def get(self) -> tuple[Any, Any]:
        """(name, value)."""
        if self.average == "macro" or not self.num_inst:
            return super().get()
        return (self.name, self._micro(self._local))

    def get_global(self) -> tuple[Any, Any]:
        """(name, value) since ``reset``."""
        if self.average == "macro" or not self.global_num_inst:
            return super().get_global()
        return (self.name, self._micro(self._total))
