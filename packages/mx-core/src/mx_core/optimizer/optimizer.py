"""Optimizer, the base of all update rules, and Updater, which keeps their states per parameter."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import ndarray as nd
from ..class_registry import registry_of
from ..errors import ParameterError

__all__ = ["Optimizer", "create", "register"]


class Optimizer:
    """Base of the update rules: learning rate, weight decay and their multipliers, update counts.

    A subclass defines ``create_state(index, weight)`` and ``update(index, weight, grad, state)``. With
    ``aggregate_num > 0`` it takes lists of indices, weights, gradients and states too.

    rescale_grad: factor applied to every gradient (Trainer: 1 / batch size).  param_idx2name: index -> name.
    wd: weight decay.  clip_gradient: bound of each rescaled gradient element, None for none.  learning_rate: default
    0.01, or the scheduler's.  lr_scheduler: a learning rate for each update count.  sym: a Symbol whose attributes
    ``__lr_mult__`` and ``__wd_mult__`` are read.  begin_num_update: the update count to start from.
    multi_precision: keep a float32 copy of float16 weights.  param_dict: index -> gluon Parameter, for lr_mult and
    wd_mult.
    """

    # Note [weight decay multipliers]
    # As in MXNet: once param_idx2name is known, a parameter whose name does not end in _weight or _gamma gets no weight
    # decay. Gluon does not pass names, so there every parameter decays unless its Parameter.wd_mult says otherwise.

    opt_registry: dict[str, type]

    def __init__(
        self,
        rescale_grad: float = 1.0,
        param_idx2name: dict[Any, str] | None = None,
        wd: float = 0.0,
        clip_gradient: float | None = None,
        learning_rate: float | None = None,
        lr_scheduler: Any = None,
        sym: Any = None,
        begin_num_update: int = 0,
        multi_precision: bool = False,
        param_dict: dict[Any, Any] | None = None,
    ) -> None:
        if param_idx2name is not None and not isinstance(param_idx2name, dict):
            msg = "[Optimizer] param_idx2name should be a dict of param indexes to names."
            raise ParameterError(msg)
        self.rescale_grad = rescale_grad
        self.lr_scheduler = lr_scheduler
        if learning_rate is None:
            self.lr = 0.01 if lr_scheduler is None else lr_scheduler.base_lr
        else:
            self.lr = learning_rate
            if lr_scheduler is not None:
                if lr_scheduler.base_lr != learning_rate:
                    warnings.warn(
                        f"learning rate from lr_scheduler has been overwritten by learning_rate {learning_rate} "
                        "of the optimizer.",
                        UserWarning,
                        stacklevel=3,
                    )
                lr_scheduler.base_lr = learning_rate
        self.wd = wd
        self.lr_mult: dict[Any, float] = {}
        self.wd_mult: dict[Any, float] = {}
        self.begin_num_update = begin_num_update
        self.num_update = begin_num_update
        self._all_index_update_counts: dict[int, dict[Any, int]] = {0: {}}
        self._index_update_count = self._all_index_update_counts[0]
        self.clip_gradient = clip_gradient
        self.multi_precision = multi_precision
        self.aggregate_num = 0
        self.idx2name = dict(param_idx2name or {})
        self.sym_info = (sym.attr_dict(), sym.list_arguments()) if sym is not None else ()
        self.param_dict = param_dict or {}
        self.set_lr_mult({})
        self.set_wd_mult({})

    @staticmethod
    def register(klass: type) -> type:
        """Adds an optimizer class under its lower-case name."""
        return _registry.register(klass)

    @staticmethod
    def create_optimizer(name: str, **kwargs: Any) -> Optimizer:
        """The optimizer called ``name``, in any case, with these arguments."""
        return _registry.create(name, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_index_update_count"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state
        self._index_update_count = self._all_index_update_counts[0]

    # -- states ----------------------------------------------------------------------------------------------------

    def create_state(self, index: Any, weight: Any) -> Any:
        """What the rule remembers of one weight: None, an NDArray, or a tuple of them."""
        return None

    def create_state_multi_precision(self, index: Any, weight: Any) -> Any:
        """``create_state``, and for float16 weights under multi_precision the pair (float32 copy, its state)."""
        if weight.dtype == np.float16:
            if self.multi_precision:
                master = weight.astype(np.float32)
                return (master, self.create_state(index, master))
            warnings.warn(
                "Accumulating with float16 in optimizer can lead to poor accuracy or slow convergence. "
                "Consider using multi_precision=True option of the optimizer",
                UserWarning,
                stacklevel=2,
            )
        return self.create_state(index, weight)

    # -- updates ---------------------------------------------------------------------------------------------------

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """Changes ``weight`` (and ``state``) in place by one step along ``grad``."""
        msg = f"{type(self).__name__} does not define update(index, weight, grad, state)"
        raise TypeError(msg)

    def update_multi_precision(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """``update``, done on the float32 copy where there is one and rounded back into ``weight``."""
        if self.multi_precision and not isinstance(index, (list, tuple)) and weight.dtype == np.float16:
            master, inner = state
            self.update(index, master, grad.astype(np.float32), inner)
            master.copyto(weight)
        else:
            self.update(index, weight, grad, state)

    # -- learning rate and weight decay ----------------------------------------------------------------------------

    @property
    def learning_rate(self) -> float:
        """The current learning rate, before multipliers."""
        return self.lr if self.lr_scheduler is None else self.lr_scheduler(self.num_update)

    def set_learning_rate(self, lr: float) -> None:
        """Changes the learning rate. Raises UserWarning while a scheduler decides it."""
        if self.lr_scheduler is not None:
            msg = "LRScheduler of the optimizer has already been defined; it decides the learning rate."
            raise UserWarning(msg)
        self.lr = lr

    def set_lr_scale(self, args_lrscale: Any) -> None:
        """Refuses: MXNet dropped it for set_lr_mult."""
        msg = "set_lr_scale was replaced by set_lr_mult"
        raise DeprecationWarning(msg)

    def set_lr_mult(self, args_lr_mult: dict[Any, float]) -> None:
        """Learning rate multipliers by name or index, over those in the Symbol's attributes."""
        self.lr_mult = self._mult_from_symbol("__lr_mult__")
        self.lr_mult.update(args_lr_mult)

    def set_wd_mult(self, args_wd_mult: dict[Any, float]) -> None:
        """Weight decay multipliers by name or index; see Note [weight decay multipliers]."""
        self.wd_mult = {name: 0.0 for name in self.idx2name.values() if not name.endswith(("_weight", "_gamma"))}
        self.wd_mult.update(self._mult_from_symbol("__wd_mult__"))
        self.wd_mult.update(args_wd_mult)

    def _mult_from_symbol(self, attribute: str) -> dict[Any, float]:
        if not self.sym_info:
            return {}
        attrs, arguments = self.sym_info
        return {name: float(attrs[name][attribute]) for name in arguments if attribute in attrs.get(name, {})}

    def _set_current_context(self, device_id: int) -> None:
        """Selects the update counts of one device: every device counts its own updates of a shared parameter."""
        self._index_update_count = self._all_index_update_counts.setdefault(device_id, {})

    def _update_count(self, index: Any) -> None:
        counts = self._index_update_count
        begin = self.begin_num_update
        for i in index if isinstance(index, (list, tuple)) else (index,):
            count = counts.get(i, begin) + 1
            counts[i] = count
            if count > self.num_update:
                self.num_update = count

    def _multiplied(self, value: float, indices: Iterable[Any], mults: dict[Any, float], attribute: str) -> list[float]:
        parameters = self.param_dict
        if parameters:
            out = []
            for i in indices:
                parameter = parameters.get(i)
                if parameter is not None:
                    out.append(value * getattr(parameter, attribute))
                else:
                    out.append(value * mults.get(i, mults.get(self.idx2name.get(i), 1.0)))
            return out
        if not mults:
            return [value for _ in indices]
        return [value * mults.get(i, mults.get(self.idx2name.get(i), 1.0)) for i in indices]

    def _get_lrs(self, indices: Iterable[Any]) -> list[float]:
        return self._multiplied(self.learning_rate, indices, self.lr_mult, "lr_mult")

    def _get_wds(self, indices: Iterable[Any]) -> list[float]:
        return self._multiplied(self.wd, indices, self.wd_mult, "wd_mult")

    def _get_lr(self, index: Any) -> float:
        return self._get_lrs((index,))[0]

    def _get_wd(self, index: Any) -> float:
        return self._get_wds((index,))[0]

    def _preprocessed(self, grad: Any) -> Any:
        """The gradient rescaled and clipped: what rules written in array operations start from."""
        grad = grad * self.rescale_grad
        return grad if self.clip_gradient is None else nd.clip(grad, -self.clip_gradient, self.clip_gradient)

    def _begin(self, index: Any) -> tuple[float, float, int]:
        """Counts the update and returns (learning rate, weight decay, update number) of one parameter."""
        self._update_count(index)
        return self._get_lr(index), self._get_wd(index), self._index_update_count[index]


_registry = registry_of(Optimizer, "optimizer")
Optimizer.opt_registry = _registry.classes
register = _registry.register


def create(name: Any, **kwargs: Any) -> Optimizer:
    """The optimizer called ``name`` ("sgd", "adam", ..., in any case), or ``name`` itself if it is an Optimizer.

    >>> create("sgd", learning_rate=0.5).lr
    0.5
    """
    return _registry.create(name, **kwargs)


def __getattr__(name: str) -> Any:
    # In MXNet every optimizer lives in mxnet.optimizer.optimizer; here the package has them.
    import importlib

    package = importlib.import_module(__package__)
    if not name.startswith("_") and name in package.__all__:
        return getattr(package, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
