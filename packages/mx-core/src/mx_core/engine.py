"""Bulk execution, ``mx.engine``: how many small operations the engine may run as one.

Kept for programs that set it. Here every compiled plan is one engine operation already, so the size only bounds how
many eager operations are handed to the engine together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["bulk", "set_bulk_size"]


def set_bulk_size(size: int) -> int:
    """Sets the number of operations run together and returns the number before. 0 or 1: each on its own."""
    from . import _core

    before: int = _core.set_bulk_size(size)
    return before


@contextmanager
def bulk(size: int) -> Iterator[None]:
    """Sets the bulk size for the ``with`` block."""
    before = set_bulk_size(size)
    try:
        yield
    finally:
        set_bulk_size(before)
