"""``mx.AttrScope``: attributes for all symbols made inside a ``with`` block; how attributes are stored.

>>> import mxnet as mx
>>> with mx.AttrScope(ctx_group="stage1"):
...     net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=10)
>>> net.attr("ctx_group")
'stage1'
"""

from __future__ import annotations

import threading
from typing import Any

from .errors import ParameterError

__all__ = ["AttrScope", "public_attrs", "stored_attrs"]

# Attributes that users write without underscores and files hold with them.
_HIDDEN = frozenset(("ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage", "profiler_scope"))


def stored_attrs(given: dict[str, Any]) -> dict[str, str]:
    """Attributes as nodes and files hold them: values are strings, ``lr_mult`` is ``__lr_mult__``.

    >>> stored_attrs({"lr_mult": 2, "__mood__": "calm"})
    {'__lr_mult__': '2', '__mood__': 'calm'}
    """
    return {f"__{key}__" if key in _HIDDEN else key: str(value) for key, value in given.items()}


def public_attrs(stored: dict[str, str]) -> dict[str, str]:
    """Attributes as `list_attr` gives them: ``__lr_mult__`` under both of its names."""
    result = dict(stored)
    for key, value in stored.items():
        if key[2:-2] in _HIDDEN and key == f"__{key[2:-2]}__":
            result[key[2:-2]] = value
    return result


class _Current(threading.local):
    """The innermost scope of each thread."""

    def __init__(self) -> None:
        self.scope = AttrScope()


class AttrScope:
    """``with AttrScope(key="value"):`` gives these attributes to every symbol made inside; inner scopes win.

    kwargs: the attributes, strings. Raises ParameterError for values that are not.
    """

    current: AttrScope

    def __init__(self, **kwargs: str) -> None:
        for key, value in kwargs.items():
            if not isinstance(value, str):
                msg = f"[AttrScope] attributes must be strings, got {key}={value!r}. Use {key}={str(value)!r}"
                raise ParameterError(msg)
        self._attr: dict[str, str] = kwargs
        self._outer: list[AttrScope] = []

    def get(self, attr: dict[str, str] | None) -> dict[str, str]:
        """The scope's attributes and those given, which win."""
        return {**self._attr, **attr} if attr else dict(self._attr)

    def __enter__(self) -> AttrScope:
        outer = _current.scope
        self._outer.append(outer)
        entered = AttrScope(**{**outer._attr, **self._attr})
        _current.scope = entered
        return entered

    def __exit__(self, *error: Any) -> None:
        _current.scope = self._outer.pop()


_current = _Current()


class _CurrentProperty:
    """``AttrScope.current`` reads the calling thread's scope."""

    def __get__(self, instance: object, owner: type) -> AttrScope:
        return _current.scope


AttrScope.current = _CurrentProperty()  # type: ignore[assignment]
