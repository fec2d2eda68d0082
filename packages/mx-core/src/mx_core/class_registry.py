"""Registries of named classes: optimizers, initializers, metrics, schedulers, losses.

One ``ClassRegistry`` per base class. MXNet's decorators (``@mx.optimizer.register``), the plug-in hook ``mx_classes``
and ``mx.registry`` all feed it, so ``create("sgd")`` finds first-party and third-party classes alike.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

from .errors import ParameterError, PluginError

__all__ = [
    "ClassRegistry", "get_alias_func", "get_create_func", "get_register_func", "get_registry", "registry_of",
]  # fmt: skip

_registries: dict[type, ClassRegistry] = {}


def registry_of(base: type, kind: str | None = None) -> ClassRegistry:
    """The registry of ``base``, made on first use; ``kind`` is the word its errors use ("optimizer")."""
    if base not in _registries:
        _registries[base] = ClassRegistry(base, kind or base.__name__.lower())
    return _registries[base]


class ClassRegistry:
    """Classes derived from ``base``, found by lower-case name."""

    def __init__(self, base: type, kind: str) -> None:
        self.base = base
        self.kind = kind
        self.classes: dict[str, type] = {}

    def register(self, klass: type, name: str | None = None) -> type:
        """Adds ``klass`` under ``name`` (default: its own); a second class of that name replaces the first and warns."""
        if not (isinstance(klass, type) and issubclass(klass, self.base)):
            msg = f"[{self.kind}] register expects a subclass of {self.base.__name__}, got {klass!r}"
            raise ParameterError(msg)
        key = (name or klass.__name__).lower()
        old = self.classes.get(key)
        if old is not None and old is not klass:
            warnings.warn(
                f"New {self.kind} {klass.__module__}.{klass.__name__} registered with name {key} is overriding "
                f"existing {self.kind} {old.__module__}.{old.__name__}",
                UserWarning,
                stacklevel=3,
            )
        self.classes[key] = klass
        return klass

    def alias(self, *names: str) -> Callable[[type], type]:
        """A decorator that registers a class under each of ``names``."""

        def add(cls: type) -> type:
            for name in names:
                self.register(cls, name)
            return cls

        return add

    def look_up(self, name: str) -> type | None:
        """The class called ``name``, in any case, those of plug-ins included; None where there is none."""
        cls = self.classes.get(name.lower())
        if cls is None:
            _add_plugin_classes()
            cls = self.classes.get(name.lower())
        return cls

    def find(self, name: str) -> type:
        """The class called ``name``, in any case. Raises ParameterError with what there is."""
        cls = self.look_up(name)
        if cls is None:
            known = ", ".join(sorted(self.classes))
            msg = f"Cannot find {self.kind} {name}. Registered: {known}. Add your own with @register."
            raise ParameterError(msg)
        return cls

    def create(self, spec: Any, *args: Any, **kwargs: Any) -> Any:
        """An instance from an instance (as it is), a name, a JSON text ``'["xavier", {...}]'`` or a dict.

        The dict holds the name under the registry's kind, ``{"metric": "acc", ...}``, beside the arguments.

        >>> import mx_core.initializer as init
        >>> init.create('["normal", {"sigma": 0.5}]').sigma
        0.5
        """
        if isinstance(spec, self.base):
            if args or kwargs:
                msg = f"{self.kind} is already an instance. Additional arguments are invalid"
                raise ParameterError(msg)
            return spec
        if isinstance(spec, dict):
            arguments = dict(spec)
            return self.create(arguments.pop(self.kind), **arguments)
        if not isinstance(spec, str):
            msg = f"{self.kind} must be a name, a JSON text or an instance of {self.base.__name__}, got {spec!r}"
            raise ParameterError(msg)
        if spec.startswith("["):
            name, kwargs = json.loads(spec)
            return self.create(name, **kwargs)
        if spec.startswith("{"):
            return self.create(json.loads(spec))
        return self.find(spec)(*args, **kwargs)


def get_registry(base_class: type) -> dict[str, type]:
    """The classes registered for ``base_class``, by lower-case name: MXNet's ``mx.registry`` functions."""
    return dict(registry_of(base_class).classes)


def get_register_func(base_class: type, nickname: str) -> Callable[..., type]:
    """``register(klass, name=None)`` for ``base_class``; nickname is the word its errors use."""
    return registry_of(base_class, nickname).register


def get_alias_func(base_class: type, nickname: str) -> Callable[..., Callable[[type], type]]:
    """``alias(*names)``, a decorator for subclasses of ``base_class``."""
    return registry_of(base_class, nickname).alias


def get_create_func(base_class: type, nickname: str) -> Callable[..., Any]:
    """``create(name, *args, **kwargs)`` for subclasses of ``base_class``."""
    return registry_of(base_class, nickname).create


def _add_plugin_classes() -> None:
    """Registers what plug-ins give through the hook ``mx_classes``; a name that is taken is that plug-in's failure."""
    from . import plugin

    def take(source: str, classes: Any) -> None:
        for cls in classes:
            registry = next((r for base, r in _registries.items() if issubclass(cls, base)), None)
            if registry is None:
                bases = ", ".join(base.__name__ for base in _registries)
                msg = f"plug-in {source} gives {cls.__name__}, which derives from none of {bases}"
                raise PluginError(msg)
            old = registry.classes.setdefault(cls.__name__.lower(), cls)
            if old is not cls:
                msg = f"{registry.kind} {cls.__name__} of plug-in {source} is there already, from {old.__module__}"
                raise PluginError(msg)

    plugin.ask("mx_classes", take)
