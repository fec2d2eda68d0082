"""Operators by name: how ``mx.nd.<name>``, its sub-namespaces and NDArray's methods find their operators.

Everything is looked up in the registry at the first use and kept, so importing ``mx.nd`` loads no operator.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from ..errors import OpNotAvailable

__all__ = ["find", "install_methods", "namespace", "op"]

_ops: dict[str, Any] = {}


def op(name: str) -> Any:
    """The operator of this name or alias, as users call it. Raises OpNotAvailable when no plug-in defines it."""
    found = _ops.get(name)
    if found is None:
        found = find(name)
        if found is None:
            msg = f"[{name}] no operator of this name is installed.{_suggest(name)}"
            raise OpNotAvailable(msg)
        _ops[name] = found
    return found


def find(name: str) -> Any:
    """The operator of this name or alias, as users call it, or None."""
    from .. import registry

    definition = registry.find_op(name)
    if not methods_installed:
        install_methods()
    if definition is None:
        return None
    _install_method(definition)
    return definition.make_callable()


def _suggest(name: str, prefix: str = "") -> str:
    from .. import registry

    close = difflib.get_close_matches(prefix + name, registry.list_ops(), n=3)
    return f" Did you mean {', '.join(match.removeprefix(prefix) for match in close)}?" if close else ""


methods_installed = False


def install_methods() -> None:
    """Puts the methods that operators ask for (``@op(method=...)``) onto NDArray; those it has already stay."""
    global methods_installed
    methods_installed = True
    from .. import registry

    for name in registry.list_ops():
        _install_method(registry.find_op(name))


def _install_method(definition: Any) -> None:
    from .. import _core

    if definition is not None and definition.method and not hasattr(_core.NDArray, definition.method):
        setattr(_core.NDArray, definition.method, make_method(definition.method, definition.name))


def make_method(method: str, operator: str) -> Callable[..., Any]:
    """A method that calls an operator with the array as its first input."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return (_ops.get(operator) or op(operator))(self, *args, **kwargs)

    call.__name__ = call.__qualname__ = method
    call.__doc__ = f"``mx.nd.{operator}`` of this array; the other arguments are the operator's."
    return call


def _find_under(name: str, prefix: str) -> Any:
    return find(prefix + name)


def namespace(
    module: str, scope: dict[str, Any], *prefixes: str, find: Callable[[str, str], Any] = _find_under
) -> tuple[Any, Any]:
    """(``__getattr__``, ``__dir__``) of a module whose names are operators: name -> operator `prefix + name`.

    module: its name for messages. scope: its globals, where found operators are kept. prefixes: tried in turn; the
    empty one serves public operators only. find: the operator `prefix + name` of (name, prefix), or None.
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
