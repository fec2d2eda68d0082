"""``mx.nd._internal``: the operators behind Python's operators and MXNet's functions, named ``_*``."""

from __future__ import annotations

from typing import Any

from .into import _set_value
from .namespace import find

__all__ = ["_set_value"]


def __getattr__(name: str) -> Any:
    found = find(name) if name.startswith("_") and not name.startswith("__") else None
    if found is None:
        msg = f"module 'mxnet.ndarray._internal' has no operator {name!r}"
        raise AttributeError(msg)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    from .. import registry

    return [*__all__, *(name for name in registry.list_ops() if name.startswith("_"))]
