"""``mx.sym.op``: the public operators, nothing else."""

from __future__ import annotations

from .namespace import namespace

__getattr__, __dir__ = namespace("mxnet.symbol.op", globals(), "")
