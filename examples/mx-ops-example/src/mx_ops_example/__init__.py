"""Two operators of a third party: `swish` in pure Python, `ema` with a kernel in C++."""

from __future__ import annotations

__version__ = "0.1.0"
