"""The definitions of mx-core's operators, a module for each family; importing this package registers them all."""

from __future__ import annotations

from . import (
    binary,
    convolution,
    creation,
    deconvolution,
    elementwise,
    indexing,
    internal,
    linalg,
    linear,
    loss,
    nn,
    normalization,
    optimizer,
    optimizer_multi,
    optimizer_norms,
    pdf,
    random,
    recurrent,
    reduce,
    sampling,
    shape,
    slicing,
)

from . import aliases  # last: it names what the others define  # isort: skip

__all__ = [
    "aliases", "binary", "convolution", "creation", "deconvolution", "elementwise", "indexing", "internal", "linalg", "linear", "loss", "nn", "normalization",
    "optimizer", "optimizer_multi", "optimizer_norms", "pdf", "random", "recurrent", "reduce", "sampling", "shape", "slicing",
]  # fmt: skip
