"""mx_core: NDArray, contexts, the engine, operator definitions and the plug-in hooks of MX."""

from __future__ import annotations

__version__ = "0.1.0"
