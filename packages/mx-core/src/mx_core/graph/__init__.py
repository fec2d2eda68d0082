"""Graphs of operator calls and the compiler that makes plans of them (compile.py reads top-down)."""

from __future__ import annotations

from typing import Any

__all__ = ["install"]


def install() -> None:
    """Makes the runtime call the compiler, which is imported with the first plan."""
    from .. import _core

    def compile_call(*call: Any) -> Any:
        from . import compile

        _core.set_compiler(compile.compile_call, compile.compile_gradient)
        return compile.compile_call(*call)

    def compile_gradient(*call: Any) -> Any:
        from . import compile

        return compile.compile_gradient(*call)

    _core.set_compiler(compile_call, compile_gradient)
