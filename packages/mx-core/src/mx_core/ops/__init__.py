"""The definitions of mx-core's operators, a module for each family; importing this package registers them all."""

from __future__ import annotations

from . import (
    attention,
    binary,
    convolution,
    counting,
    creation,
    ctc,
    deconvolution,
    deformable,
    detection,
    dynamic,
    elementwise,
    fourier,
    image,
    image_resize,
    indexing,
    internal,
    legacy,
    linalg,
    linear,
    loss,
    nn,
    normalization,
    optimizer,
    optimizer_multi,
    optimizer_norms,
    ordering,
    passing,
    pdf,
    proposal,
    random,
    recurrent,
    reduce,
    regions,
    sampling,
    scatter,
    sequence,
    shape,
    slicing,
    spatial,
    windows,
)

from . import aliases  # last: it names what the others define  # isort: skip

__all__ = [
    "aliases", "attention", "binary", "convolution", "counting", "creation", "ctc", "deconvolution", "deformable",
    "detection", "dynamic", "elementwise", "fourier", "image", "image_resize", "indexing", "internal", "legacy", "linalg",
    "linear", "loss", "nn", "normalization", "optimizer", "optimizer_multi", "optimizer_norms", "ordering", "passing",
    "pdf", "proposal", "random", "recurrent", "reduce", "regions", "sampling", "scatter", "sequence", "shape", "slicing",
    "spatial", "windows",
]  # fmt: skip
