"""Resolves the names of the facade `mxnet`: ``mxnet.gluon.nn`` is the module ``mx_gluon.nn``, the very same object.

The names come from the hook mx_namespaces. mx-core's own are looked up first and alone, so that ``mx.nd`` does
not wait for other packages to be found.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from mx_core import plugin

__all__ = ["FacadeFinder", "attribute", "install", "names"]

FACADE = "mxnet"

# Who serves a name when it is not installed: the cure in the error message.
_MODULE_NAMES = "callback executor_manager mod model module mon monitor rnn visualization viz"
_PROVIDERS = {
    "gluon": "mx-gluon",
    **dict.fromkeys(("image", "img", "io", "recordio"), "mx-io"),
    **dict.fromkeys(_MODULE_NAMES.split(), "mx-module"),
}

_core_names: dict[str, str] = plugin.ask_core("mx_namespaces")
_plugin_names: dict[str, str] = {}
_asked = False


def _take(plugin_name: str, served: dict[str, str]) -> None:
    """Takes one plug-in's names in; PluginError when another plug-in has one of them."""
    if plugin_name == plugin.CORE:
        return
    for name, target in served.items():
        other = _core_names.get(name) or _plugin_names.get(name)
        if other is not None and other != target:
            msg = f"mxnet.{name} is {other} already; the plug-in {plugin_name!r} wants it to be {target}"
            raise plugin.PluginError(msg)
    _plugin_names.update(served)


def _target(name: str) -> str | None:
    """What ``mxnet.<name>`` stands for: "module" or "module:attribute"; None when nobody serves it."""
    global _asked
    target = _core_names.get(name)
    if target is None and not _asked and not name.startswith("_"):
        with plugin.lock:  # other threads wait for the answers
            if not _asked:
                plugin.ask("mx_namespaces", _take)
                _asked = plugin.is_complete()
    return target or _plugin_names.get(name)


def names() -> list[str]:
    """The first-level names of `mxnet` that installed packages serve, sorted."""
    _target("?")  # no such name: so the plug-ins are asked
    return sorted(name for name in {*_core_names, *_plugin_names} if "." not in name)


def attribute(name: str) -> Any:
    """The object that ``mxnet.<name>`` stands for. Raises AttributeError, with the pip line where one helps."""
    target = _target(name)
    if target is None:
        raise AttributeError(_absence(name), name=name)
    module, _, member = target.partition(":")
    if not member:
        return importlib.import_module(f"{FACADE}.{name}")  # by the finder: enters sys.modules under both names
    return getattr(importlib.import_module(module), member)


def _absence(name: str) -> str:
    provider = _PROVIDERS.get(name)
    if provider is None:
        return f"module {FACADE!r} has no attribute {name!r}"
    for found in plugin.plugins():
        if found.distribution == provider and found.state != "loaded":
            why = f"its plug-in {found.name!r} is {found.state}"
            return f"{FACADE}.{name} is in {provider}, but {why}{': ' if found.error else ''}{found.error}"
    return f"{FACADE}.{name} is not installed. pip install {provider}"


def _module_behind(fullname: str) -> str | None:
    """The real module of ``mxnet.a.b``: what the longest served beginning stands for, and the rest."""
    parts = fullname.split(".")[1:]
    for n in range(len(parts), 0, -1):
        target = _target(".".join(parts[:n]))
        if target is not None:
            return None if ":" in target else ".".join([target, *parts[n:]])
    return None


class FacadeFinder:
    """Lets ``import mxnet.gluon.nn`` find the module ``mx_gluon.nn`` and enter it under both names.

    It must come before the path finder of Python: that one would see ``nn`` in mx_gluon's folder and load
    it a second time, as another module.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for names below ``mxnet`` that packages serve; PluginError for those of a missing package."""
        if not fullname.startswith(f"{FACADE}."):
            return None
        real = _module_behind(fullname)
        if real is None:
            name = fullname.split(".")[1]
            if name in _PROVIDERS and _target(name) is None:
                raise plugin.PluginError(_absence(name))
            return None
        loader: Any = self
        return importlib.machinery.ModuleSpec(fullname, loader, origin=real)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """The real module, imported under its own name."""
        try:
            module = importlib.import_module(str(spec.origin))
        except ModuleNotFoundError as error:
            if error.name != spec.origin:
                raise  # the module is there; something that it imports is not
            msg = f"No module named {spec.name!r} ({spec.origin})"
            raise ModuleNotFoundError(msg, name=spec.name) from None
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run; gives the module its own spec back, which Python has just replaced by the alias's."""
        alias: Any = module.__spec__
        if alias.loader is self:
            module.__spec__ = alias.loader_state


def install() -> None:
    """Puts the finder before all others, once."""
    if not any(isinstance(finder, FacadeFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, FacadeFinder())
