"""Metrics of classifiers: Accuracy, TopKAccuracy, F1, MCC, PCC, CrossEntropy, NegativeLogLikelihood, Perplexity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ParameterError, ShapeError
from .base import EvalMetric, alias, check_label_shapes, register, to_numpy

__all__ = ["F1", "MCC", "PCC", "Accuracy", "CrossEntropy", "NegativeLogLikelihood", "Perplexity", "TopKAccuracy"]

_Names = list[str] | None


@alias("acc")
@register
class Accuracy(EvalMetric):
    """The share of right predictions.

    Predictions of another shape than the labels are scores: their largest entry along ``axis`` is the prediction.

    >>> from mx_core import ndarray as nd
    >>> accuracy = Accuracy()
    >>> accuracy.update(labels=nd.array([0, 1]), preds=nd.array([[0.9, 0.1], [0.8, 0.2]]))
    >>> accuracy.get()
    ('accuracy', 0.5)
    """

    def __init__(
        self, axis: int = 1, name: str = "accuracy", output_names: _Names = None, label_names: _Names = None
    ) -> None:
        super().__init__(name, axis=axis, output_names=output_names, label_names=label_names, has_global_stats=True)
        self.axis = axis

    def update(self, labels: Any, preds: Any) -> None:
        """Adds a batch."""
        labels, preds = check_label_shapes(labels, preds, True)
        for label, pred in zip(labels, preds, strict=True):
            guess, truth = to_numpy(pred), to_numpy(label)
            if guess.shape != truth.shape:
                guess = guess.argmax(axis=self.axis)
            guess, truth = guess.astype("int32").ravel(), truth.astype("int32").ravel()
            check_label_shapes(truth, guess)
            self._add(float(np.count_nonzero(guess == truth)), guess.size)


@alias("top_k_accuracy", "top_k_acc")
@register
class TopKAccuracy(EvalMetric):
    """The share of examples whose label is among the ``top_k`` highest scores; preds of shape (n, k classes)."""

    def __init__(
        self, top_k: int = 1, name: str = "top_k_accuracy", output_names: _Names = None, label_names: _Names = None
    ) -> None:
        super().__init__(name, top_k=top_k, output_names=output_names, label_names=label_names, has_global_stats=True)
        self.top_k = top_k
        if top_k <= 1:
            msg = f"[TopKAccuracy] Please use Accuracy if top_k is no more than 1, got {top_k}"
            raise ParameterError(msg)
        self.name += f"_{top_k}"

    def update(self, labels: Any, preds: Any) -> None:
        """Adds a batch."""
        labels, preds = check_label_shapes(labels, preds, True)
        for label, pred in zip(labels, preds, strict=True):
            scores, truth = to_numpy(pred).astype("float32"), to_numpy(label).astype("int32")
            if scores.ndim > 2:
                msg = f"[TopKAccuracy] Predictions should be no more than 2 dims, got shape {scores.shape}"
                raise ShapeError(msg)
            check_label_shapes(truth, scores)
            if scores.ndim == 1:
                hits = np.argsort(scores).ravel() == truth.ravel()
            else:
                k = min(scores.shape[1], self.top_k)
                hits = np.argpartition(scores, -k)[:, -k:] == truth.reshape(-1, 1)
            self._add(float(np.count_nonzero(hits)), scores.shape[0])


class _BinaryCounts:
    """True and false positives and negatives of a two-class problem."""

    def __init__(self) -> None:
        self.tp = self.fp = self.tn = self.fn = 0

    def add(self, label: Any, pred: Any, who: str) -> None:
        """Adds labels of shape (n,) in {0, 1} and scores of shape (n, 2)."""
        scores, truth = to_numpy(pred), to_numpy(label).astype("int32").ravel()
        check_label_shapes(label, pred)
        guess = scores.argmax(axis=1)
        if np.unique(truth).size > 2:
            msg = f"{who} currently only supports binary classification, got labels {np.unique(truth)}"
            raise ParameterError(msg)
        positive, yes = guess == 1, truth == 1
        self.tp += int(np.count_nonzero(positive & yes))
        self.fp += int(np.count_nonzero(positive & ~yes))
        self.fn += int(np.count_nonzero(~positive & yes))
        self.tn += int(np.count_nonzero(~positive & ~yes))

    @property
    def total(self) -> int:
        return self.tp + self.fp + self.tn + self.fn

    @property
    def fscore(self) -> float:
        """2 precision recall / (precision + recall) = 2 tp / (2 tp + fp + fn)."""
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.tp else 0.0

    @property
    def matthews(self) -> float:
        """The correlation of truth and guess; factors that are 0 leave the denominator out, as in MXNet."""
        tp, fp, tn, fn = self.tp, self.fp, self.tn, self.fn
        factors = [tp + fp, tp + fn, tn + fp, tn + fn]
        return (tp * tn - fp * fn) / math.sqrt(math.prod(f for f in factors if f)) if self.total else 0.0


class _BinaryMetric(EvalMetric):
    """A score of _BinaryCounts: the mean over batches ("macro") or that of all examples together ("micro")."""

    _score = "fscore"

    def __init__(self, name: str, output_names: _Names, label_names: _Names, average: str) -> None:
        self.average = average
        super().__init__(name, output_names=output_names, label_names=label_names, has_global_stats=True)

    def reset(self) -> None:
        """Forgets everything."""
        super().reset()
        self._counts, self._global_counts = _BinaryCounts(), _BinaryCounts()

    def reset_local(self) -> None:
        """Forgets what ``get`` reports."""
        super().reset_local()
        self._counts = _BinaryCounts()

    def update(self, labels: Any, preds: Any) -> None:
        """Adds a batch."""
        labels, preds = check_label_shapes(labels, preds, True)
        for label, pred in zip(labels, preds, strict=True):
            self._counts.add(label, pred, type(self).__name__)
            self._global_counts.add(label, pred, type(self).__name__)
        local, total = getattr(self._counts, self._score), getattr(self._global_counts, self._score)
        if self.average == "macro":
            self._add(local, 1)
            self._counts, self._global_counts = _BinaryCounts(), _BinaryCounts()
        else:
            self.num_inst, self.global_num_inst = self._counts.total, self._global_counts.total
            self.sum_metric, self.global_sum_metric = local * self.num_inst, total * self.global_num_inst


@register
class F1(_BinaryMetric):
    """``2 precision recall / (precision + recall)`` of class 1 of two; average "macro" (over batches) or "micro"."""

    def __init__(
        self, name: str = "f1", output_names: _Names = None, label_names: _Names = None, average: str = "macro"
    ) -> None:
        super().__init__(name, output_names, label_names, average)


@register
class MCC(_BinaryMetric):
    """Matthews' correlation coefficient of a two-class problem; average "macro" (over batches) or "micro"."""

    _score = "matthews"

    def __init__(
        self, name: str = "mcc", output_names: _Names = None, label_names: _Names = None, average: str = "macro"
    ) -> None:
        super().__init__(name, output_names, label_names, average)


@register
class PCC(EvalMetric):
    """Pearson's correlation of truth and guess for any number of classes, from the confusion matrix of all batches."""

    def __init__(
        self,
        name: str = "pcc",
        output_names: _Names = None,
        label_names: _Names = None,
        has_global_stats: bool = True,
    ) -> None:
        super().__init__(name, output_names=output_names, label_names=label_names, has_global_stats=has_global_stats)

    def update(self, labels: Any, preds: Any) -> None:
        """Adds a batch: labels of shape (n,), scores of shape (n, k)."""
        labels, preds = check_label_shapes(labels, preds, True)
        for label, pred in zip(labels, preds, strict=True):
            truth, guess = to_numpy(label).astype("int32").ravel(), to_numpy(pred)
            if guess.shape != truth.shape:
                guess = guess.argmax(axis=1)
            guess = guess.astype("int32").ravel()
            k = int(max(truth.max(initial=0), guess.max(initial=0))) + 1
            batch = np.zeros((k, k))
            np.add.at(batch, (guess, truth), 1)
            self._matrix = _grown_sum(self._matrix, batch)
            self._global_matrix = _grown_sum(self._global_matrix, batch)
        self.num_inst += 1
        self.global_num_inst += 1

    # One instance a batch, worth the correlation so far: sum / count is that correlation, as MXNet reports it.
    @property
    def sum_metric(self) -> float:
        """The correlation times the number of batches."""
        return _correlation(self._matrix) * self.num_inst if self.num_inst else 0.0

    @sum_metric.setter
    def sum_metric(self, value: float) -> None:
        self._matrix = np.zeros((2, 2))  # only reset sets it, to 0

    @property
    def global_sum_metric(self) -> float:
        """``sum_metric`` since ``reset``."""
        return _correlation(self._global_matrix) * self.global_num_inst if self.global_num_inst else 0.0

    @global_sum_metric.setter
    def global_sum_metric(self, value: float) -> None:
        self._global_matrix = np.zeros((2, 2))


def _grown_sum(a: Any, b: Any) -> Any:
    k = max(len(a), len(b))
    return np.pad(a, (0, k - len(a))) + np.pad(b, (0, k - len(b)))


def _correlation(matrix: Any) -> float:
    n = matrix.sum()
    guessed, true = matrix.sum(axis=1), matrix.sum(axis=0)
    covariance = matrix.trace() * n - guessed @ true
    spread = (n * n - guessed @ guessed) * (n * n - true @ true)
    return float(covariance / math.sqrt(spread)) if spread > 0 else float("nan")


class _LogProbability(EvalMetric):
    """The mean of -log(p + eps), p the predicted probability of the label."""

    def __init__(self, eps: float, name: str, output_names: _Names, label_names: _Names) -> None:
        super().__init__(name, eps=eps, output_names=output_names, label_names=label_names, has_global_stats=True)
        self.eps = eps

    def update(self, labels: Any, preds: Any) -> None:
        """Adds a batch: labels of shape (n,), probabilities of shape (n, k)."""
        labels, preds = check_label_shapes(labels, preds, True)
        for label, pred in zip(labels, preds, strict=True):
            truth, p = to_numpy(label).ravel().astype("int64"), to_numpy(pred)
            if truth.shape[0] != p.shape[0]:
                msg = f"[{type(self).__name__}] {truth.shape[0]} labels for {p.shape[0]} predictions"
                raise ShapeError(msg)
            losses = -np.log(p[np.arange(truth.size), truth] + self.eps)
            self._add(float(losses.sum()), truth.size)


@alias("ce")
@register
class CrossEntropy(_LogProbability):
    """The mean of -log(probability of the label)."""

    def __init__(
        self,
        eps: float = 1e-12,
        name: str = "cross-entropy",
        output_names: _Names = None,
        label_names: _Names = None,
    ) -> None:
        super().__init__(eps, name, output_names, label_names)


@alias("nll_loss")
@register
class NegativeLogLikelihood(_LogProbability):
    """The mean of -log(probability of the label)."""

    def __init__(
        self, eps: float = 1e-12, name: str = "nll-loss", output_names: _Names = None, label_names: _Names = None
    ) -> None:
        super().__init__(eps, name, output_names, label_names)


@register
class Perplexity(EvalMetric):
    """``exp(mean of -log p)``, p the predicted probability of the label, at least 1e-10.

    ignore_label: a label that does not count (padding), None for none.  axis: the axis of classes in predictions.
    """

    def __init__(
        self,
        ignore_label: int | None,
        axis: int = -1,
        name: str = "perplexity",
        output_names: _Names = None,
        label_names: _Names = None,
    ) -> None:
        super().__init__(
            name, ignore_label=ignore_label, output_names=output_names, label_names=label_names, has_global_stats=True
        )
        self.ignore_label = ignore_label
        self.axis = axis

    def update(self, labels: Any, preds: Any) -> None:
        """Adds a batch: labels with as many entries as predictions have rows."""
        labels, preds = check_label_shapes(labels, preds, True)
        loss, count = 0.0, 0
        for label, pred in zip(labels, preds, strict=True):
            p = np.moveaxis(to_numpy(pred), self.axis, -1)
            truth = to_numpy(label).astype("int64").ravel()
            p = p.reshape(-1, p.shape[-1])
            if truth.size != len(p):
                msg = f"[Perplexity] shape mismatch: {label.shape} vs. {pred.shape}"
                raise ShapeError(msg)
            counted = np.ones(truth.size, bool) if self.ignore_label is None else truth != self.ignore_label
            chosen = p[np.arange(truth.size), np.clip(truth, 0, p.shape[1] - 1)][counted]
            loss -= float(np.log(np.maximum(1e-10, chosen)).sum())
            count += int(np.count_nonzero(counted))
        self._add(loss, count)

    def _value(self, total: float, count: int) -> float:
        return math.exp(total / count) if count else float("nan")
