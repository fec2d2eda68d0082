"""The definitions of mx-core's operators, a module for each family; importing this package registers them all."""

from __future__ import annotations

from . import (
    binary,
    convolution,
    creation,
    deconvolution,
    elementwise,
    indexing,
    linear,
    loss,
    nn,
    normalization,
    optimizer,
    optimizer_multi,
    optimizer_norms,
    random,
    recurrent,
    reduce,
    shape,
    slicing,
)

__all__ = [
    "binary", "convolution", "creation", "deconvolution", "elementwise", "indexing", "linear", "loss", "nn", "normalization",
    "optimizer", "optimizer_multi", "optimizer_norms", "random", "recurrent", "reduce", "shape", "slicing",
]  # fmt: skip
