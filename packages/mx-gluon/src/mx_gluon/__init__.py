"""Gluon: networks as Python objects. Blocks, parameters, losses, the Trainer and data loading."""

from __future__ import annotations

from . import data, loss, nn, utils
from .block import Block
from .hybrid_block import HybridBlock
from .parameter import Constant, DeferredInitializationError, Parameter, ParameterDict
from .trainer import Trainer

__version__ = "0.1.0"

__all__ = [
    "Block", "Constant", "DeferredInitializationError", "HybridBlock", "Parameter", "ParameterDict", "Trainer", "data",
    "loss", "nn", "utils",
]  # fmt: skip
