"""``mx.nd.contrib``: Operators outside MXNet's stable set, the operators named ``_contrib_*``."""

from __future__ import annotations

from .namespace import namespace

__getattr__, __dir__ = namespace("mxnet.ndarray.contrib", globals(), "_contrib_")
