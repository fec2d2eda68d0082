"""``mxnet.contrib``: its members come from the packages that serve names below ``contrib.`` (hook mx_namespaces)."""

from __future__ import annotations

from typing import Any

from ..plugin import named_by_plugins, resolve


def _served() -> dict[str, Any]:
    names = named_by_plugins("mx_namespaces")
    return {name.removeprefix("contrib."): target for name, target in names.items() if name.startswith("contrib.")}


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in (served := _served()):
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = globals()[name] = resolve(served[name])
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_served()})
