"""Rows of the operator suite: what the two operators must compute, in NumPy."""

from __future__ import annotations

import numpy as np

from mx_core.testing import OpCase, empty, uniform


def swish(x: np.ndarray, beta: float = 1.0) -> np.ndarray:
    """The definition, in float64."""
    return x / (1 + np.exp(-beta * x))


def ema(x: np.ndarray, decay: float = 0.9, reverse: bool = False) -> np.ndarray:
    """The recurrence, step by step."""
    y = np.zeros_like(x)
    state = np.zeros(x.shape[:-1])
    times = range(x.shape[-1])
    for t in reversed(times) if reverse else times:
        state = decay * state + (1 - decay) * x[..., t]
        y[..., t] = state
    return y


CASES = [
    OpCase(
        "swish", oracle=swish, inputs=[uniform(-3, 3, (3, 4)), empty((0, 4))], params=[{}, {"beta": 2.0}],
        errors=[({"beta": 0.0}, "beta must be > 0")],
    ),
    OpCase(
        "ema", oracle=ema, inputs=[uniform(-3, 3, (3, 40)), uniform(-1, 1, (5,)), empty((0, 4))],
        params=[{}, {"decay": 0.5}, {"reverse": True}], dtypes=["float32", "float64"],
        errors=[({"decay": 1.5}, "decay must be in")],
    ),
]  # fmt: skip
