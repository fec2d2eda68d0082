"""Update rules with a rate per element: Adam and its relatives, RMSProp, AdaGrad, AdaDelta, Ftrl, FTML, LAMB."""

from __future__ import annotations

import math
from typing import Any

from .. import ndarray as nd
from .optimizer import Optimizer, register
from .sgd import _norm, _zeros_like

__all__ = ["FTML", "LAMB", "AdaDelta", "AdaGrad", "Adam", "Adamax", "Ftrl", "Nadam", "RMSProp"]


@register
class Adam(Optimizer):
    """``w -= lr_t * m / (sqrt(v) + epsilon)``, m and v running means of g and g^2 (Kingma and Ba, 2014).

    lr_t = lr * sqrt(1 - beta2^t) / (1 - beta1^t). Weight decay is added to the gradient.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        lazy_update: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.lazy_update = lazy_update

    def create_state(self, index: Any, weight: Any) -> Any:
        """(m, v), zero at first."""
        return (_zeros_like(weight), _zeros_like(weight))

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step."""
        lr, wd, t = self._begin(index)
        lr *= math.sqrt(1.0 - self.beta2**t) / (1.0 - self.beta1**t)
        clip = -1.0 if self.clip_gradient is None else self.clip_gradient
        mean, var = state
        nd.adam_update(
            weight, grad, mean, var, lr, self.beta1, self.beta2, self.epsilon, wd, self.rescale_grad, clip, out=weight
        )


class _DecayInGradient(Optimizer):
    """Rules that add the weight decay to the gradient before clipping it."""

    def _decayed(self, grad: Any, weight: Any, wd: float) -> Any:
        grad = grad * self.rescale_grad + wd * weight
        return grad if self.clip_gradient is None else nd.clip(grad, -self.clip_gradient, self.clip_gradient)


@register
class Adamax(_DecayInGradient):
    """Adam with the running maximum of |g| in place of the root mean square (Kingma and Ba, 2014, section 7)."""

    def __init__(self, learning_rate: float = 0.002, beta1: float = 0.9, beta2: float = 0.999, **kwargs: Any) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2

    def create_state(self, index: Any, weight: Any) -> Any:
        """(m, u), zero at first."""
        return (_zeros_like(weight), _zeros_like(weight))

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step."""
        lr, wd, t = self._begin(index)
        lr /= 1.0 - self.beta1**t
        grad = self._decayed(grad, weight, wd)
        mean, top = state
        mean[:] = self.beta1 * mean + (1.0 - self.beta1) * grad
        top[:] = nd.maximum(self.beta2 * top, nd.abs(grad))
        weight -= lr * mean / top


@register
class Nadam(_DecayInGradient):
    """Adam with Nesterov momentum on a schedule (Dozat, 2016)."""

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        schedule_decay: float = 0.004,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.schedule_decay = schedule_decay
        self.m_schedule = 1.0

    def create_state(self, index: Any, weight: Any) -> Any:
        """(m, v), zero at first."""
        return (_zeros_like(weight), _zeros_like(weight))

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step. The schedule is one product over all parameters' updates, as in MXNet."""
        lr, wd, t = self._begin(index)
        grad = self._decayed(grad, weight, wd)
        now = self.beta1 * (1.0 - 0.5 * 0.96 ** (t * self.schedule_decay))
        then = self.beta1 * (1.0 - 0.5 * 0.96 ** ((t + 1) * self.schedule_decay))
        self.m_schedule *= now
        mean, var = state
        mean[:] = self.beta1 * mean + (1.0 - self.beta1) * grad
        var[:] = self.beta2 * var + (1.0 - self.beta2) * grad * grad
        bar = (1.0 - now) / (1.0 - self.m_schedule) * grad + then / (1.0 - self.m_schedule * then) * mean
        weight -= lr * bar / (nd.sqrt(var / (1.0 - self.beta2**t)) + self.epsilon)


@register
class RMSProp(Optimizer):
    """``w -= lr * g / sqrt(n + epsilon)``, n the running mean of g^2 (Tieleman and Hinton, 2012).

    gamma1: decay of the means.  centered: subtract the squared running mean of g and use momentum ``gamma2``
    (Graves, 2013).  clip_weights: bound of the weights after each step, None for none.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        gamma1: float = 0.9,
        gamma2: float = 0.9,
        epsilon: float = 1e-8,
        centered: bool = False,
        clip_weights: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.gamma1 = gamma1
        self.gamma2 = gamma2
        self.centered = centered
        self.epsilon = epsilon
        self.clip_weights = clip_weights

    def create_state(self, index: Any, weight: Any) -> Any:
        """(n,), or (n, g, delta) when centered; zero at first."""
        return tuple(_zeros_like(weight) for _ in range(3 if self.centered else 1))

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step."""
        lr, wd, _ = self._begin(index)
        options: dict[str, Any] = {"lr": lr, "wd": wd, "gamma1": self.gamma1, "epsilon": self.epsilon}
        options["rescale_grad"] = self.rescale_grad
        if self.clip_gradient is not None:
            options["clip_gradient"] = self.clip_gradient
        if self.clip_weights:
            options["clip_weights"] = self.clip_weights
        if self.centered:
            nd.rmspropalex_update(weight, grad, *state, gamma2=self.gamma2, out=weight, **options)
        else:
            nd.rmsprop_update(weight, grad, *state, out=weight, **options)


@register
class AdaGrad(Optimizer):
    """``w -= lr * (g / sqrt(h + eps) + wd * w)``, h the sum of g^2 (Duchi et al., 2011)."""

    def __init__(self, eps: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.float_stable_eps = eps

    def create_state(self, index: Any, weight: Any) -> Any:
        """The sum of squared gradients."""
        return _zeros_like(weight)

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step."""
        lr, wd, _ = self._begin(index)
        grad = self._preprocessed(grad)
        state += grad * grad
        weight -= lr * (grad / nd.sqrt(state + self.float_stable_eps) + wd * weight)


@register
class AdaDelta(Optimizer):
    """Steps ``sqrt((d + epsilon) / (n + epsilon)) * g``, d and n running means of step^2 and g^2 (Zeiler, 2012).

    There is no learning rate in this rule.
    """

    def __init__(self, rho: float = 0.90, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rho = rho
        self.epsilon = epsilon

    def create_state(self, index: Any, weight: Any) -> Any:
        """(n, d), zero at first."""
        return (_zeros_like(weight), _zeros_like(weight))

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step."""
        _, wd, _ = self._begin(index)
        grad = self._preprocessed(grad)
        squares, steps = state
        squares[:] = self.rho * squares + (1.0 - self.rho) * grad * grad
        step = nd.sqrt((steps + self.epsilon) / (squares + self.epsilon)) * grad
        steps[:] = self.rho * steps + (1.0 - self.rho) * step * step
        weight -= step + wd * weight


@register
class Ftrl(Optimizer):
    """Follow the regularized leader, with l1 strength ``lamda1`` and l2 strength ``wd`` (McMahan et al., 2013)."""

    def __init__(self, lamda1: float = 0.01, learning_rate: float = 0.1, beta: float = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lr = learning_rate  # after: a scheduler keeps its own base rate, as in MXNet
        self.lamda1 = lamda1
        self.beta = beta

    def create_state(self, index: Any, weight: Any) -> Any:
        """(z, n), zero at first."""
        return (_zeros_like(weight), _zeros_like(weight))

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step."""
        lr, wd, _ = self._begin(index)
        grad = self._preprocessed(grad)
        z, n = state
        after = n + grad * grad
        z += grad - (nd.sqrt(after) - nd.sqrt(n)) * weight / lr
        n[:] = after
        step = (nd.sign(z) * self.lamda1 - z) / ((self.beta + nd.sqrt(n)) / lr + wd)
        weight[:] = step * (nd.abs(z) > self.lamda1)


@register
class FTML(_DecayInGradient):
    """Follow the moving leader (Zheng and Kwok, 2017)."""

    def __init__(self, beta1: float = 0.6, beta2: float = 0.999, epsilon: float = 1e-8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon

    def create_state(self, index: Any, weight: Any) -> Any:
        """(d, v, z), zero at first."""
        return tuple(_zeros_like(weight) for _ in range(3))

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step."""
        lr, wd, t = self._begin(index)
        grad = self._decayed(grad, weight, wd)
        d, v, z = state
        v[:] = self.beta2 * v + (1.0 - self.beta2) * grad * grad
        after = (1.0 - self.beta1**t) / lr * (nd.sqrt(v / (1.0 - self.beta2**t)) + self.epsilon)
        z[:] = self.beta1 * z + (1.0 - self.beta1) * grad - (after - self.beta1 * d) * weight
        d[:] = after
        weight[:] = -z / d


@register
class LAMB(Optimizer):
    """Adam's step scaled per layer to the size of the weights (You et al., 2019).

    lower_bound, upper_bound: of the weights' norm in that scale.  bias_correction: Adam's correction of early means.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-6,
        lower_bound: float | None = None,
        upper_bound: float | None = None,
        bias_correction: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.lower_bound = lower_bound
        self.upper_bound = upper_bound
        self.bias_correction = bias_correction

    def create_state(self, index: Any, weight: Any) -> Any:
        """(m, v), zero at first."""
        return (_zeros_like(weight), _zeros_like(weight))

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step."""
        lr, wd, t = self._begin(index)
        grad = self._preprocessed(grad)
        mean, var = state
        mean[:] = self.beta1 * mean + (1.0 - self.beta1) * grad
        var[:] = self.beta2 * var + (1.0 - self.beta2) * grad * grad
        m, v = mean, var
        if self.bias_correction:
            m, v = mean / (1.0 - self.beta1**t), var / (1.0 - self.beta2**t)
        step = m / (nd.sqrt(v) + self.epsilon) + wd * weight
        size, length = _norm(weight), _norm(step)
        if self.lower_bound is not None:
            size = max(size, self.lower_bound)
        if self.upper_bound is not None:
            size = min(size, self.upper_bound)
        trust = size / length if size > 0 and length > 0 else 1.0
        weight -= lr * trust * step
