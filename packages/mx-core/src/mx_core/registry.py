"""The operators of every plug-in by name: what ``mx.nd``, ``mx.sym`` and the C++ side look up.

The plug-ins are asked for their operators (hook mx_ops) at the first look-up. A plug-in whose operators cannot
all be defined gives none: half of a plug-in would be harder to understand than its absence.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from mx_core import plugin
from mx_core.errors import PluginError
from mx_core.op.definition import OpDef, isolated_registry, register, registered_ops, registering
from mx_core.op.definition import find_op as _find_defined

__all__ = ["all_or_nothing", "define_all", "define_core", "find_op", "list_ops", "operators_of", "plugin_of"]

_loaded = False
_loading = False


def find_op(name: str) -> OpDef | None:
    """The operator of this name or alias, of any plug-in; None if there is none.

    >>> find_op("Reshape").name == find_op("reshape").name, find_op("no_such_operator")
    (True, None)
    """
    define_all()
    return _find_defined(name)


def list_ops() -> list[str]:
    """The names and aliases of all operators, sorted.

    >>> "relu" in list_ops()
    True
    """
    define_all()
    return sorted(registered_ops())


def plugin_of(name: str) -> str:
    """The plug-in that defines an operator. Raises KeyError when there is no such operator.

    >>> plugin_of("relu")
    'mx-core'
    """
    define_all()
    return registered_ops()[name].plugin


def operators_of(plugin_name: str) -> list[str]:
    """The operators that one plug-in defines, sorted, aliases left out."""
    define_all()
    return sorted({opdef.name for opdef in registered_ops().values() if opdef.plugin == plugin_name})


def define_all() -> None:
    """Asks the plug-ins for their operators, once; mx-core's come first.

    Other threads wait; a plug-in that looks operators up while it is loaded sees those that came before it.
    """
    global _loaded, _loading
    if _loaded:
        return
    with plugin.lock:
        if _loaded or _loading:
            return
        _loading = True
        try:
            plugin.ask("mx_ops", _define, within=all_or_nothing)
            _loaded = plugin.is_complete()
        finally:
            _loading = False


def define_core() -> None:
    """Defines mx-core's own operators: before any plug-in is loaded, so that it is the one to find a name taken."""
    with registering(plugin.CORE):
        importlib.import_module("mx_core.ops")


@contextmanager
def all_or_nothing(plugin_name: str) -> Iterator[None]:
    """Operators defined inside belong to the plug-in, and are registered only if all of them can be."""
    before = set(registered_ops().values())
    with isolated_registry(), registering(plugin_name):
        yield
        new = dict.fromkeys(opdef for opdef in registered_ops().values() if opdef not in before)
    for opdef in new:
        register(opdef)


def _define(plugin_name: str, answer: Any) -> None:
    """Registers what a hook mx_ops returned. Most modules have registered their operators on import already;
    one that the user imported before MX asked for it has done so under its own name."""
    for item in answer:
        if isinstance(item, OpDef):
            register(item, plugin=plugin_name)
        elif isinstance(item, ModuleType):
            for value in list(vars(item).values()):
                if isinstance(value, OpDef) and value.function.__module__ == item.__name__:
                    register(value, plugin=plugin_name)
        else:
            msg = f"mx_ops must return modules or operators made by @op, got {item!r}"
            raise PluginError(msg)
