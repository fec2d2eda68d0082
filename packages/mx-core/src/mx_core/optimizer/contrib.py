"""``mx.optimizer.contrib``: GroupAdaGrad."""

from __future__ import annotations

from typing import Any

from .. import ndarray as nd
from ..errors import ParameterError, ShapeError
from .optimizer import Optimizer, register

__all__ = ["GroupAdaGrad"]


@register
class GroupAdaGrad(Optimizer):
    """AdaGrad with one history for each row: ``h += mean(g^2 of the row)``, ``w -= lr * g / sqrt(h + eps)``.

    eps: keeps the square root above 0. Weights have two axes; there is no weight decay.
    """

    def __init__(self, eps: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def create_state(self, index: Any, weight: Any) -> Any:
        """The history, shape (rows, 1), zero at first."""
        if len(weight.shape) != 2:
            msg = f"[GroupAdaGrad] parameter {index} must have two axes, got shape {weight.shape}"
            raise ShapeError(msg)
        return nd.zeros((weight.shape[0], 1), ctx=weight.context, dtype=weight.dtype)

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step."""
        lr, wd, _ = self._begin(index)
        if wd != 0:
            msg = f"Weight decay is not supported for GroupAdaGrad; got wd {wd} for parameter {index}. Leave wd out"
            raise ParameterError(msg)
        options = {"lr": lr, "rescale_grad": self.rescale_grad, "epsilon": self.float_stable_eps}
        if self.clip_gradient:
            options["clip_gradient"] = self.clip_gradient
        nd.contrib.group_adagrad_update(weight, grad, state, out=weight, **options)
