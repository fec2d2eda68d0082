"""Operators by name: how ``mx.sym.<name>`` and its sub-namespaces find their operators, at the first use."""

from __future__ import annotations

from typing import Any

from ..errors import OpNotAvailable
from ..ndarray.namespace import _suggest
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
    """(``__getattr__``, ``__dir__``) of a module whose names are operators: name -> operator `prefix + name`.

    As `mx_core.ndarray.namespace.namespace`, for symbols; the empty prefix serves public operators only.
    """

    def lookup(name: str) -> Any:
        if not name.startswith("__"):
            for prefix in prefixes:
                if not prefix and name.startswith("_"):
                    continue
                found = find(name, prefix)
                if found is not None:
                    scope[name] = found
                    return found
        hint = "" if name.startswith("_") else _suggest(name, prefixes[0])
        msg = f"module {module!r} has no attribute or operator {name!r}.{hint}"
        raise AttributeError(msg)

    def names() -> list[str]:
        from .. import registry

        served = {name for name in scope.get("__all__", ()) if name in scope}
        for name in registry.list_ops():
            for prefix in prefixes:
                rest = name.removeprefix(prefix)
                if name.startswith(prefix) and rest and (prefix or not rest.startswith("_")):
                    served.add(rest)
        return sorted(served)

    return lookup, names
