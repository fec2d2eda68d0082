"""``mx.nd.sparse``: operators under the names they have for sparse arrays."""

from __future__ import annotations

from .namespace import namespace

__getattr__, __dir__ = namespace("mxnet.ndarray.sparse", globals(), "_sparse_")
