"""``mx.sym.linalg``: Linear algebra, the operators named ``_linalg_*``."""

from __future__ import annotations

from .namespace import namespace

__getattr__, __dir__ = namespace("mxnet.symbol.linalg", globals(), "_linalg_")
