"""The error of calls that come too early: before bind, init_params or init_optimizer."""

from __future__ import annotations

from typing import Any

from mx_core.errors import MXNetError

__all__ = ["NotReadyError", "require"]


class NotReadyError(MXNetError, AssertionError):
    """A call that needs another one before it. An AssertionError too: that is what MXNet 1.x raises."""


_CURES = {
    "binded": "bind(data_shapes=..., label_shapes=...)",
    "params_initialized": "init_params() or set_params(...)",
    "optimizer_initialized": "init_optimizer()",
}


def require(module: Any, call: str, *states: str) -> None:
    """Raises NotReadyError unless all states ("binded", "params_initialized", "optimizer_initialized") are reached."""
    for state in states:
        if not getattr(module, state):
            msg = f"[{type(module).__name__}] {call} needs {_CURES[state]} first"
            raise NotReadyError(msg)
