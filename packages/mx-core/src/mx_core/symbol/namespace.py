"""Operators by name: how ``mx.sym.<name>`` and its sub-namespaces find their operators, at the first use."""

from __future__ import annotations

from typing import Any

from ..errors import OpNotAvailable
from ..ndarray.namespace import _suggest
from ..ndarray.namespace import namespace as _namespace
from .compose import Operator

__all__ = ["find", "namespace", "op"]

_ops: dict[tuple[str, str], Operator] = {}


def op(name: str) -> Operator:
    """The operator of this name or alias, as users of symbols call it. Raises OpNotAvailable."""
    found = find(name)
    if found is None:
        msg = f"[{name}] no operator of this name is installed.{_suggest(name)}"
        raise OpNotAvailable(msg)
    return found


def find(name: str, prefix: str = "") -> Operator | None:
    """The operator `prefix + name` as users call it under `name`, or None."""
    found = _ops.get((prefix, name))
    if found is None:
        from .. import registry

        definition = registry.find_op(prefix + name)
        if definition is None:
            return None
        found = _ops[prefix, name] = Operator(definition, name)
    return found


def namespace(module: str, scope: dict[str, Any], *prefixes: str) -> tuple[Any, Any]:
    """As `mx_core.ndarray.namespace.namespace`, for symbols."""
    return _namespace(module, scope, *prefixes, find=find)
