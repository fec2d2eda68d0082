"""``mx.nd.utils``: making, saving and loading arrays of any storage type."""

from __future__ import annotations

from ..serialize import load, load_frombuffer, save
from .creation import array, empty, zeros

__all__ = ["array", "empty", "load", "load_frombuffer", "save", "zeros"]
