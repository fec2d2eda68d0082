"""``mx.sym.contrib``: operators outside MXNet's stable set (``_contrib_*``) and control flow."""

from __future__ import annotations

import math
from typing import Any

from .control_flow import cond, foreach, while_loop
from .namespace import namespace
from .random import uniform
from .symbol import Symbol

__all__ = ["cond", "foreach", "rand_zipfian", "while_loop"]


def rand_zipfian(true_classes: Symbol, num_sampled: int, range_max: int) -> tuple[Symbol, Symbol, Symbol]:
    """Classes drawn with ``P(c) = log((c + 2) / (c + 1)) / log(range_max + 1)``, frequent ones first.

    true_classes: classes whose expected counts are wanted too. num_sampled: how many to draw, with replacement.
    Returns (drawn classes int64, expected counts of true_classes, expected counts of the drawn classes).
    """
    log_range = math.log(range_max + 1)
    drawn: Any = uniform(0, log_range, shape=(num_sampled,), dtype="float64")
    classes = (drawn.exp() - 1).astype("int64") % range_max

    def expected(values: Any) -> Any:
        values = values.astype("float64")
        return ((values + 2.0) / (values + 1.0)).log() / log_range * num_sampled

    return classes, expected(true_classes), expected(classes)


__getattr__, __dir__ = namespace("mxnet.symbol.contrib", globals(), "_contrib_")
