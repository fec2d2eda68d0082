"""Learning rate schedules: a scheduler maps the number of updates so far to a learning rate.

Each has a warm-up: over the first ``warmup_steps`` updates the rate goes from ``warmup_begin_lr`` to ``base_lr``
("linear") or stays at ``warmup_begin_lr`` ("constant"). Optimizers set ``base_lr`` to their own learning rate.
"""

from __future__ import annotations

import logging
from math import cos, pi

__all__ = ["CosineScheduler", "FactorScheduler", "LRScheduler", "MultiFactorScheduler", "PolyScheduler"]


class LRScheduler:
    """Base of all schedules; a subclass defines ``__call__(num_update) -> learning rate``.

    base_lr: rate at the end of the warm-up.  warmup_steps: updates of warm-up, >= 0.  warmup_begin_lr: rate at
    update 0, at most base_lr.  warmup_mode: "linear" or "constant".
    """

    def __init__(
        self,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        if not isinstance(warmup_steps, int):
            msg = f"[LRScheduler] warmup_steps must be an int, got {warmup_steps!r}"
            raise TypeError(msg)
        if warmup_begin_lr > base_lr:
            msg = f"[LRScheduler] base_lr ({base_lr}) has to be higher than warmup_begin_lr ({warmup_begin_lr})"
            raise ValueError(msg)
        if warmup_steps < 0:
            msg = f"[LRScheduler] warmup_steps has to be at least 0, got {warmup_steps}"
            raise ValueError(msg)
        if warmup_mode not in ("linear", "constant"):
            msg = f"[LRScheduler] warmup_mode must be 'linear' or 'constant', got {warmup_mode!r}"
            raise ValueError(msg)
        self.base_lr = base_lr
        self.warmup_steps = warmup_steps
        self.warmup_begin_lr = warmup_begin_lr
        self.warmup_final_lr = base_lr
        self.warmup_mode = warmup_mode

    def get_warmup_lr(self, num_update: int) -> float:
        """The rate at ``num_update`` < warmup_steps."""
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        gain = (self.warmup_final_lr - self.warmup_begin_lr) * num_update / self.warmup_steps
        return self.warmup_begin_lr + gain

    def __call__(self, num_update: int) -> float:
        """The learning rate for update number ``num_update`` (1 for the first)."""
        msg = f"{type(self).__name__} does not define __call__(num_update)"
        raise TypeError(msg)


class FactorScheduler(LRScheduler):
    """Multiplies the rate by ``factor`` after every ``step`` updates, until it falls below ``stop_factor_lr``.

    The state is the scheduler's ``base_lr`` and ``count``, as in MXNet: it only moves forward.

    >>> s = FactorScheduler(step=10, factor=0.5, base_lr=1.0)
    >>> s(5), s(11), s(21)
    (1.0, 0.5, 0.25)
    """

    def __init__(
        self,
        step: int,
        factor: float = 1,
        stop_factor_lr: float = 1e-8,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if step < 1:
            msg = f"[FactorScheduler] step must be at least 1 update, got {step}"
            raise ValueError(msg)
        if factor > 1.0:
            msg = f"[FactorScheduler] factor must be at most 1, so that the rate falls, got {factor}"
            raise ValueError(msg)
        self.step = step
        self.factor = factor
        self.stop_factor_lr = stop_factor_lr
        self.count = 0

    def __call__(self, num_update: int) -> float:
        """The learning rate at ``num_update``."""
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        while num_update > self.count + self.step:
            self.count += self.step
            self.base_lr *= self.factor
            if self.base_lr < self.stop_factor_lr:
                self.base_lr = self.stop_factor_lr
                text = "Update[%d]: now learning rate arrived at %0.5e, will not change in the future"
                logging.info(text, num_update, self.base_lr)  # programs parse these lines
            else:
                logging.info("Update[%d]: Change learning rate to %0.5e", num_update, self.base_lr)
        return self.base_lr


class MultiFactorScheduler(LRScheduler):
    """Multiplies the rate by ``factor`` at each update count listed in ``step`` (increasing)."""

    def __init__(
        self,
        step: list[int],
        factor: float = 1,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if not isinstance(step, list) or not step:
            msg = f"[MultiFactorScheduler] step must be a list of at least one update count, got {step!r}"
            raise ValueError(msg)
        if any(s < 1 for s in step) or any(a >= b for a, b in zip(step, step[1:], strict=False)):
            msg = f"[MultiFactorScheduler] step must be an increasing list of counts >= 1, got {step}"
            raise ValueError(msg)
        if factor > 1.0:
            msg = f"[MultiFactorScheduler] factor must be at most 1, so that the rate falls, got {factor}"
            raise ValueError(msg)
        self.step = step
        self.cur_step_ind = 0
        self.factor = factor
        self.count = 0

    def __call__(self, num_update: int) -> float:
        """The learning rate at ``num_update``."""
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        while self.cur_step_ind < len(self.step) and num_update > self.step[self.cur_step_ind]:
            self.count = self.step[self.cur_step_ind]
            self.cur_step_ind += 1
            self.base_lr *= self.factor
            logging.info("Update[%d]: Change learning rate to %0.5e", num_update, self.base_lr)
        return self.base_lr


class _DecayScheduler(LRScheduler):
    """Goes from base_lr to final_lr between the warm-up and ``max_update`` along ``_fraction(progress)``."""

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if not isinstance(max_update, int) or max_update < 1:
            msg = f"[{type(self).__name__}] max_update must be an int >= 1, got {max_update!r}"
            raise ValueError(msg)
        self.base_lr_orig = self.base_lr
        self.max_update = max_update
        self.final_lr = final_lr
        self.max_steps = max_update - warmup_steps

    def _fraction(self, progress: float) -> float:
        return 1.0 - progress

    def __call__(self, num_update: int) -> float:
        """The learning rate at ``num_update``; ``final_lr`` is kept after ``max_update``."""
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        if num_update <= self.max_update:
            fraction = self._fraction((num_update - self.warmup_steps) / self.max_steps)
            self.base_lr = self.final_lr + (self.base_lr_orig - self.final_lr) * fraction
        return self.base_lr


class PolyScheduler(_DecayScheduler):
    """``final_lr + (base_lr - final_lr) * (1 - progress) ** pwr``, progress = updates / max_update."""

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        pwr: float = 2,
        final_lr: float = 0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0,
        warmup_mode: str = "linear",
    ) -> None:
        super().__init__(max_update, base_lr, final_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        self.power = pwr

    def _fraction(self, progress: float) -> float:
        return float((1.0 - progress) ** self.power)


class CosineScheduler(_DecayScheduler):
    """``final_lr + (base_lr - final_lr) * (1 + cos(pi * progress)) / 2``, progress = updates / max_update."""

    def _fraction(self, progress: float) -> float:
        return (1.0 + cos(pi * progress)) / 2
