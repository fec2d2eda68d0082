"""``mx.sym``: graphs of operators, put together first and run when they are bound to arrays."""

from __future__ import annotations

from .symbol import Symbol

__all__ = ["Symbol"]
