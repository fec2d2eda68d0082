"""``mx.sym.image``: Operators on images in tensors, the operators named ``_image_*``."""

from __future__ import annotations

from .namespace import namespace

__getattr__, __dir__ = namespace("mxnet.symbol.image", globals(), "_image_")
