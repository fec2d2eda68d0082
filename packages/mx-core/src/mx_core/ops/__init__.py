"""The definitions of mx-core's operators, a module for each family; importing this package registers them all."""

from __future__ import annotations

from . import (
    binary,
    convolution,
    creation,
    elementwise,
    indexing,
    linear,
    loss,
    nn,
    normalization,
    optimizer,
    random,
    reduce,
    shape,
    slicing,
)

__all__ = [
    "binary", "convolution", "creation", "elementwise", "indexing", "linear", "loss", "nn", "normalization",
    "optimizer", "random", "reduce", "shape", "slicing",
]  # fmt: skip
