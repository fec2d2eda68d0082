"""``mx.sym.sparse``: Operators under the names they have for sparse arrays."""

from __future__ import annotations

from .namespace import namespace

__getattr__, __dir__ = namespace("mxnet.symbol.sparse", globals(), "_sparse_")
