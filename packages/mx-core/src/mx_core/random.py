"""``mx.random``: the seed of all devices, and the distributions of ``mx.nd.random``."""

from __future__ import annotations

import operator
from typing import Any

from .context import Context
from .errors import ParameterError

__all__ = ["seed"]

# What mxnet.random has of mxnet.ndarray.random; looked up there when first used.
_DISTRIBUTIONS = (
    "exponential", "gamma", "generalized_negative_binomial", "multinomial", "negative_binomial", "normal", "poisson",
    "randint", "randn", "shuffle", "uniform",
)  # fmt: skip


def seed(seed_state: int, ctx: str | Context = "all") -> None:
    """Starts the random streams anew: the same seed gives the same numbers, whatever the number of threads.

    seed_state: any integer; numbers beyond 64 bits wrap. ctx: a context, or "all" for every device, also those
    opened later. Two devices give different numbers from one seed. Raises ValueError unless seed_state is an integer.
    """
    from . import _core

    try:
        state = (operator.index(seed_state) + 2**63) % 2**64 - 2**63
    except TypeError:
        msg = f"[random.seed] seed_state must be int, got {seed_state!r}"
        raise ParameterError(msg) from None
    if isinstance(ctx, Context):
        _core.seed(state, ctx.device_typeid, ctx.device_id)
    elif ctx == "all":
        _core.seed(state)
    else:
        msg = f"[random.seed] ctx must be a Context or 'all', got {ctx!r}"
        raise ParameterError(msg)


def __getattr__(name: str) -> Any:
    if name in _DISTRIBUTIONS:
        from .ndarray import random

        return getattr(random, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted([*__all__, *_DISTRIBUTIONS])
