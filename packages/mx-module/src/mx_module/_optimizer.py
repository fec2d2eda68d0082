"""The optimizer that a training loop uses, from what the user gave: a name with parameters, or an Optimizer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from mx_core import optimizer as opt
from mx_core.errors import DTypeError

__all__ = ["index_names", "make_optimizer", "total_batch_size"]


def index_names(names: Sequence[str], devices: int, update_on_kvstore: bool) -> dict[int, str]:
    """The names behind the optimizer's indices: one for each parameter in a store, else one for each on each device.

    >>> index_names(["w", "b"], 2, False)
    {0: 'w', 2: 'b', 1: 'w', 3: 'b'}
    """
    if update_on_kvstore:
        return dict(enumerate(names))
    return {i * devices + k: name for k in range(devices) for i, name in enumerate(names)}


def total_batch_size(batch_size: int, store: Any) -> int:
    """The examples in one update: those of all workers, where a store makes them wait for each other."""
    if store is not None and "dist" in store.type and "_async" not in store.type:
        return batch_size * store.num_workers
    return batch_size


def make_optimizer(optimizer: Any, parameters: Any, symbol: Any, names: dict[int, str], batch_size: int) -> Any:
    """The optimizer of a Module: made by name, its gradients divided by the batch size unless ``parameters`` say
    otherwise; or ``optimizer`` itself, with a warning if it does not divide them."""
    rescale_grad = 1.0 / batch_size
    if isinstance(optimizer, str):
        settings = {"rescale_grad": rescale_grad, **dict(parameters)}
        return opt.create(optimizer, sym=symbol, param_idx2name=names, **settings)
    if not isinstance(optimizer, opt.Optimizer):
        msg = f"[Module] optimizer must be a name or an Optimizer, got {type(optimizer).__name__}"
        raise _NoOptimizer(msg)
    if optimizer.rescale_grad != rescale_grad:
        warnings.warn(
            "Optimizer created manually outside Module but rescale_grad is not normalized to "
            f"1.0/batch_size/num_workers ({optimizer.rescale_grad} vs. {rescale_grad}). Is this intended?",
            stacklevel=3,
        )
    if not optimizer.idx2name:
        optimizer.idx2name = names
    return optimizer


class _NoOptimizer(DTypeError, AssertionError):
    """Something that is no optimizer; an AssertionError too, as in MXNet 1.x."""
