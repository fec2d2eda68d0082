"""``mx.nd.op``: the public operators, nothing else."""

from __future__ import annotations

from ..cached_op import CachedOp
from .into import all_finite, multi_all_finite
from .namespace import namespace

__all__ = ["CachedOp", "all_finite", "multi_all_finite"]

__getattr__, __dir__ = namespace("mxnet.ndarray.op", globals(), "")
