"""Stochastic gradient descent and its relatives: SGD, NAG, Signum, LARS, LBSGD, DCASGD, SGLD, Test."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np

from .. import ndarray as nd
from .optimizer import Optimizer, register

__all__ = ["LARS", "LBSGD", "NAG", "SGD", "SGLD", "ccSGD", "DCASGD", "Signum", "Test"]


def _zeros_like(weight: Any) -> Any:
    return nd.zeros(weight.shape, ctx=weight.context, dtype=weight.dtype)


def _norm(array: Any) -> float:
    return float(nd.norm(array).asscalar())


class _WithMaster(Optimizer):
    """An optimizer whose state of a float16 weight under multi_precision is (state, float32 copy), in this order."""

    def create_state_multi_precision(self, index: Any, weight: Any) -> Any:
        """The state, with a float32 copy after it for float16 weights under multi_precision."""
        if self.multi_precision and weight.dtype == np.float16:
            master = weight.astype(np.float32)
            return (self.create_state(index, master), master)
        return super().create_state_multi_precision(index, weight)

    def _has_master(self, weight: Any) -> bool:
        return self.multi_precision and weight.dtype == np.float16


@register
class SGD(_WithMaster):
    """Stochastic gradient descent, ``w -= lr * (g + wd * w)``, with momentum ``m = momentum * m - lr * (g + wd * w)``.

    momentum: 0 for none.  lazy_update: read for row_sparse gradients only. Takes lists of parameters at once.
    """

    def __init__(self, momentum: float = 0.0, lazy_update: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.lazy_update = lazy_update
        self.aggregate_num = 4

    def create_state(self, index: Any, weight: Any) -> Any:
        """The momentum, zero at first; None without momentum."""
        return _zeros_like(weight) if self.momentum != 0.0 else None

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step, for one parameter or for lists of them."""
        if not isinstance(index, (list, tuple)):
            index, weight, grad, state = (index,), (weight,), (grad,), (state,)
        self._update_count(index)
        lrs, wds = self._get_lrs(index), self._get_wds(index)
        self._step(weight, grad, state, lrs, wds)

    def _step(self, weights: Any, grads: Any, states: Any, lrs: list[float], wds: list[float]) -> None:
        scale = self.rescale_grad
        clip = -1.0 if self.clip_gradient is None else self.clip_gradient
        if self.multi_precision:
            self._step_mixed(weights, grads, states, lrs, wds)
        elif self.momentum == 0.0:
            step = nd.sgd_update
            for w, g, lr, wd in zip(weights, grads, lrs, wds, strict=True):
                step(w, g, lr, wd, scale, clip, out=w)
        else:
            step, momentum = nd.sgd_mom_update, self.momentum
            for w, g, m, lr, wd in zip(weights, grads, states, lrs, wds, strict=True):
                step(w, g, m, lr, momentum, wd, scale, clip, out=w)

    def _step_mixed(self, weights: Any, grads: Any, states: Any, lrs: list[float], wds: list[float]) -> None:
        options = {"rescale_grad": self.rescale_grad}
        if self.clip_gradient is not None:
            options["clip_gradient"] = self.clip_gradient
        for w, g, state, lr, wd in zip(weights, grads, states, lrs, wds, strict=True):
            if not self._has_master(w):
                if state is None:
                    nd.sgd_update(w, g, lr=lr, wd=wd, out=w, **options)
                else:
                    nd.sgd_mom_update(w, g, state, lr=lr, wd=wd, momentum=self.momentum, out=w, **options)
            elif state[0] is None:
                nd.mp_sgd_update(w, g, state[1], lr=lr, wd=wd, out=w, **options)
            else:
                nd.mp_sgd_mom_update(w, g, *state, lr=lr, wd=wd, momentum=self.momentum, out=w, **options)

    def update_multi_precision(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """``update``: the rule reads the float32 copies from the states itself."""
        self.update(index, weight, grad, state)


@register
class ccSGD(SGD):  # noqa: N801 - MXNet's name
    """SGD under its old name."""


@register
class NAG(_WithMaster):
    """Nesterov's accelerated gradient: the momentum step is applied before the gradient's (Sutskever et al., 2013)."""

    def __init__(self, momentum: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum

    def create_state(self, index: Any, weight: Any) -> Any:
        """The momentum, zero at first; None without momentum."""
        return _zeros_like(weight) if self.momentum != 0.0 else None

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step."""
        lr, wd, _ = self._begin(index)
        options = {"lr": lr, "wd": wd, "rescale_grad": self.rescale_grad, "out": weight}
        if self.clip_gradient is not None:
            options["clip_gradient"] = self.clip_gradient
        momentum, exact = state if self._has_master(weight) else (state, weight)
        before = exact.copy() if wd and momentum is not None else None
        if momentum is None and exact is weight:
            nd.sgd_update(weight, grad, **options)
        elif momentum is None:
            nd.mp_sgd_update(weight, grad, exact, **options)
        elif exact is weight:
            nd.nag_mom_update(weight, grad, momentum, momentum=self.momentum, **options)
        else:
            nd.mp_nag_mom_update(weight, grad, momentum, exact, momentum=self.momentum, **options)
        if before is not None:  # MXNet decays the momentum by the weight that it has just updated
            momentum -= lr * wd * (exact - before)

    def update_multi_precision(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """``update``: the rule reads the float32 copy from the state itself."""
        self.update(index, weight, grad, state)


@register
class Signum(Optimizer):
    """Steps of fixed size along the sign of the gradient, or of its running mean (Bernstein et al., 2018).

    momentum: 0 for the plain sign.  wd_lh: weight decay applied to the weight directly, beside ``wd`` in the gradient.
    """

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.9, wd_lh: float = 0.0, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.momentum = momentum
        self.wd_lh = wd_lh

    def create_state(self, index: Any, weight: Any) -> Any:
        """The running mean of gradients; None without momentum."""
        return _zeros_like(weight) if self.momentum != 0.0 else None

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step."""
        lr, wd, _ = self._begin(index)
        grad = self._preprocessed(grad)
        if state is None:
            weight[:] = (1 - lr * wd) * weight - lr * nd.sign(grad)
            return
        state[:] = self.momentum * state - (1 - self.momentum) * (grad + wd * weight)
        weight[:] = (1 - lr * self.wd_lh) * weight + lr * nd.sign(state)


@register
class LARS(SGD):
    """SGD whose rate is scaled per layer by ``eta |w| / (|g| + wd |w| + eps)`` (You et al., 2017).

    Parameters named ``...gamma``, ``...beta`` and ``...bias`` keep the plain rate. momentum_correction: scale the
    momentum with the change of the rate from one step to the next.
    """

    def __init__(
        self,
        momentum: float = 0.0,
        lazy_update: bool = True,
        eta: float = 0.001,
        eps: float = 0,
        momentum_correction: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(momentum=momentum, lazy_update=lazy_update, **kwargs)
        self.eta = eta
        self.eps = eps
        self.momentum_correction = momentum_correction
        self.last_lr: float | None = None  # of the step before this one
        self.cur_lr: float | None = None
        self.skip = 0  # what MXNet's states files expect

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step, for one parameter or for lists of them."""
        if not isinstance(index, (list, tuple)):
            index, weight, grad, state = (index,), (weight,), (grad,), (state,)
        self._update_count(index)
        base = self.learning_rate
        lrs, wds = self._get_lrs(index), self._get_wds(index)
        rates = [lr * self._trust(i, w, g, wd) for i, w, g, lr, wd in zip(index, weight, grad, lrs, wds, strict=True)]
        momentum = self.momentum
        self.last_lr = base if self.cur_lr is None else self.cur_lr
        self.cur_lr = base
        if self.momentum_correction and self.last_lr and momentum:
            self.momentum = momentum * base / self.last_lr
        try:
            self._step(weight, grad, state, rates, wds)
        finally:
            self.momentum = momentum

    def _trust(self, index: Any, weight: Any, grad: Any, wd: float) -> float:
        name = self.param_dict[index].name if index in self.param_dict else self.idx2name.get(index, str(index))
        if name.endswith(("gamma", "beta", "bias")):
            return 1.0
        weight_norm, grad_norm = _norm(weight), _norm(grad) * self.rescale_grad
        if weight_norm > 0 and grad_norm > 0:
            return self.eta * weight_norm / (grad_norm + wd * weight_norm + self.eps)
        return 1.0


@register
class LBSGD(SGD):
    """SGD for large batches: gradients of ``batch_scale`` steps are averaged, the rate warms up to batch_scale times.

    warmup_strategy: "linear", "power2", "sqrt", "lars" (scale by layer norms) or another word for none.
    warmup_epochs, updates_per_epoch: length of the warm-up.  begin_epoch, num_epochs: of the training.
    """

    def __init__(
        self,
        momentum: float = 0.0,
        multi_precision: bool = False,
        warmup_strategy: str = "linear",
        warmup_epochs: int = 5,
        batch_scale: float = 1,
        updates_per_epoch: int = 32,
        begin_epoch: int = 0,
        num_epochs: int = 60,
        **kwargs: Any,
    ) -> None:
        super().__init__(momentum=momentum, multi_precision=multi_precision, **kwargs)
        logging.info("Running Large-Batch SGD Algorithm")
        self.aggregate_num = 0
        self.warmup_strategy = warmup_strategy
        self.warmup_epochs = warmup_epochs
        self.batch_scale = batch_scale
        self.updates_per_epoch = updates_per_epoch
        self.init_updates = begin_epoch * updates_per_epoch
        self.num_epochs = num_epochs
        self.cumgrads: dict[Any, dict[str, Any]] = {}
        self.adaptive, self.admult, self.lbmult = False, 1, 1  # what MXNet's states files expect

    def create_state_multi_precision(self, index: Any, weight: Any) -> Any:
        """The state, with a float32 copy *before* it for float16 weights under multi_precision."""
        if self._has_master(weight):
            master = weight.astype(np.float32)
            return (master, self.create_state(index, master))
        return super().create_state_multi_precision(index, weight)

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """Adds the gradient to the running sum; every ``batch_scale`` calls, one step along its mean."""
        lr, wd = self._get_lr(index), self._get_wd(index)  # before this update counts, as in MXNet
        self._update_count(index)
        before = self.cumgrads.get(index, {"cum_grad": 0, "num_cums": self.init_updates})
        total, count = before["cum_grad"], before["num_cums"] + 1
        total = total + grad if isinstance(total, nd.NDArray) else grad.copy()
        is_full = count % self.batch_scale == 0
        self.cumgrads[index] = {"cum_grad": 0 if is_full else total, "num_cums": count}
        if not is_full:
            return
        mean = total / self.batch_scale
        if self.warmup_strategy == "lars":
            factor = self._layer_factor(weight, mean, wd)
        else:
            factor = self._warmup_factor(self.num_update + self.init_updates)
        if self._has_master(weight):
            state = state[::-1]  # SGD's order
        self._step((weight,), (mean,), (state,), [lr * factor], [wd])

    def _warmup_factor(self, update: int) -> float:
        length, top = self.warmup_epochs * self.updates_per_epoch, float(self.batch_scale)
        if update >= length:
            return top
        if length <= 1:
            return 1.0
        shape = {"linear": 1.0, "power2": 2.0, "sqrt": 0.5}.get(self.warmup_strategy)
        return 1.0 if shape is None else 1.0 + (top - 1) * (update / length) ** shape

    def _layer_factor(self, weight: Any, grad: Any, wd: float) -> float:
        w2, g2 = _norm(weight) ** 2, _norm(grad) ** 2
        return min(max(math.sqrt(w2 / (g2 + wd * w2 + 1e-18)), 0.01), 100.0)


@register
class DCASGD(Optimizer):
    """SGD that corrects the gradient for a delay: ``g + lamda * g * g * (w - w_before)`` (Zheng et al., 2016)."""

    def __init__(self, momentum: float = 0.0, lamda: float = 0.04, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.lamda = lamda
        self.weight_previous: dict[Any, Any] = {}

    def create_state(self, index: Any, weight: Any) -> Any:
        """(momentum or None, the weight before)."""
        return (_zeros_like(weight) if self.momentum != 0.0 else None, weight.copy())

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step."""
        lr, wd, _ = self._begin(index)
        grad = self._preprocessed(grad)
        momentum, previous = state
        step = -lr * (grad + wd * weight + self.lamda * grad * grad * (weight - previous))
        if momentum is not None:
            step = self.momentum * momentum + step
            momentum[:] = step
        previous[:] = weight
        weight += step


@register
class SGLD(Optimizer):
    """Stochastic gradient Langevin dynamics: half an SGD step and noise of variance lr (Welling and Teh, 2011)."""

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step."""
        lr, wd, _ = self._begin(index)
        noise = nd.random.normal(0, math.sqrt(lr), shape=weight.shape, dtype=weight.dtype, ctx=weight.context)
        weight += noise - lr / 2 * (self._preprocessed(grad) + wd * weight)


@register
class Test(Optimizer):
    """Adds the rescaled gradient: for tests of everything around optimizers."""

    def create_state(self, index: Any, weight: Any) -> Any:
        """An array that ends up holding the weight."""
        return _zeros_like(weight)

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """``w += g * rescale_grad``."""
        weight += grad * self.rescale_grad
        state[:] = weight
