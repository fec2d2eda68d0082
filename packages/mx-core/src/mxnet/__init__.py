"""The MXNet 1.x API: ``import mxnet as mx``.

Nothing is here but names. ``mx.nd`` is the module mx_core.ndarray, ``mx.gluon`` is mx_gluon, and so on: each
is imported when it is first used, and is the same object under both names.
"""

from __future__ import annotations

from typing import Any

from mxnet import _apache, _names

# The version of the API that is served, which programs compare. The code's own is mx_core.__version__.
__version__ = "1.9.1"

_apache.check()
_names.install()


def __getattr__(name: str) -> Any:
    value = _names.attribute(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_names.names()})
