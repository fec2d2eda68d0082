"""Automatic names: ``NameManager`` counts per hint (``dense0``, ``dense1``), ``Prefix`` puts a prefix before each."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["NameManager", "Prefix"]


class _Current(threading.local):
    """The innermost active manager of each thread."""

    def __init__(self) -> None:
        self.manager: NameManager = NameManager()


class NameManager:
    """Gives every unnamed object the name ``hint`` + counter; ``with NameManager():`` starts counting afresh.

    >>> with NameManager() as names:
    ...     names.get(None, "fc"), names.get(None, "fc"), names.get("mine", "fc")
    ('fc0', 'fc1', 'mine')
    """

    current: NameManager

    def __init__(self) -> None:
        self._counter: dict[str, int] = {}
        self._outer: list[NameManager] = []

    def get(self, name: str | None, hint: str) -> str:
        """``name`` if there is one, else the next name for ``hint``."""
        if name:
            return name
        count = self._counter.get(hint, 0)
        self._counter[hint] = count + 1
        return f"{hint}{count}"

    def __enter__(self) -> NameManager:
        self._outer.append(_current.manager)
        _current.manager = self
        return self

    def __exit__(self, *error: Any) -> None:
        _current.manager = self._outer.pop()


class Prefix(NameManager):
    """A manager that puts ``prefix`` before every name, given or counted."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def get(self, name: str | None, hint: str) -> str:
        """The prefix and the name."""
        return self._prefix + super().get(name, hint)


_current = _Current()


class _CurrentProperty:
    """``NameManager.current`` reads the calling thread's manager."""

    def __get__(self, instance: object, owner: type) -> NameManager:
        return _current.manager


NameManager.current = _CurrentProperty()  # type: ignore[assignment]
