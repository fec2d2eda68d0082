"""``mx.sym._internal``: the operators behind Python's operators and MXNet's functions, named ``_*``."""

from __future__ import annotations

from typing import Any

from ..ndarray._internal import _is_hidden
from .namespace import find

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    found = find(name) if name.startswith("_") and not name.startswith("__") and not _is_hidden(name) else None
    if found is None:
        msg = f"module 'mxnet.symbol._internal' has no operator {name!r}"
        raise AttributeError(msg)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    from .. import registry

    return [name for name in registry.list_ops() if name.startswith("_") and not _is_hidden(name)]
