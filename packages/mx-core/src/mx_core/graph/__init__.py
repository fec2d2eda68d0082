"""Graphs of operator calls and the compiler that makes plans of them (compile.py reads top-down)."""

from __future__ import annotations
