"""``mx.nd.contrib``: Operators outside MXNet's stable set, the operators named ``_contrib_*``, and control flow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import _core
from ..context import Context, current_context
from .control_flow import cond, foreach, while_loop
from .namespace import namespace, op
from .random import uniform

__all__ = ["cond", "foreach", "isfinite", "isinf", "isnan", "rand_zipfian", "while_loop"]


def isinf(data: Any) -> Any:
    """1 where an element is infinite, else 0."""
    return data.abs() == np.inf


def isnan(data: Any) -> Any:
    """1 where an element is not a number, else 0."""
    return data != data


def isfinite(data: Any) -> Any:
    """1 where an element is neither infinite nor not a number, else 0.

    >>> import mxnet as mx
    >>> mx.nd.contrib.isfinite(mx.nd.array([1, float("inf"), float("nan")])).asnumpy()
    array([1., 0., 0.], dtype=float32)
    """
    return op("broadcast_logical_and")(data.abs() != np.inf, data == data)


def rand_zipfian(
    true_classes: Any, num_sampled: int, range_max: int, ctx: Context | None = None
) -> tuple[Any, Any, Any]:
    """Classes drawn with ``P(c) = log((c + 2) / (c + 1)) / log(range_max + 1)``, frequent ones first.

    true_classes: classes whose expected counts are wanted too. num_sampled: how many to draw, with replacement.
    Returns (drawn classes int64, expected counts of true_classes, expected counts of the drawn classes).
    """
    ctx = current_context() if ctx is None else ctx
    log_range = math.log(range_max + 1)
    drawn = uniform(0, log_range, shape=(num_sampled,), dtype="float64", ctx=ctx)
    classes = (drawn.exp() - 1).astype("int64") % range_max

    def expected(values: _core.NDArray) -> Any:
        values = values.as_in_context(ctx).astype("float64")
        return ((values + 2.0) / (values + 1.0)).log() / log_range * num_sampled

    return classes, expected(true_classes), expected(classes)


__getattr__, __dir__ = namespace("mxnet.ndarray.contrib", globals(), "_contrib_")
