"""The device cpu and its kernels for mx-core. Importing this does nothing; mx-core calls plugin.py's hooks."""

from __future__ import annotations

__version__ = "0.1.0"
