"""Layers and containers: ``from mxnet.gluon import nn``."""

from __future__ import annotations

from ..block import Block
from ..hybrid_block import HybridBlock
from .activations import *  # noqa: F403
from .activations import __all__ as _activations
from .basic_layers import *  # noqa: F403
from .basic_layers import __all__ as _basic
from .containers import HybridLambda, HybridSequential, Lambda, Sequential
from .conv_layers import *  # noqa: F403
from .conv_layers import __all__ as _conv
from .pool_layers import *  # noqa: F403
from .pool_layers import __all__ as _pool

__all__ = ["Block", "HybridBlock", "HybridLambda", "HybridSequential", "Lambda", "Sequential"]
__all__ += _activations + _basic + _conv + _pool
