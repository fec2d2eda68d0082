"""Gluon: networks as Python objects. Blocks, parameters, losses, the Trainer and data loading."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

__all__ = [
    "Block", "Constant", "DeferredInitializationError", "HybridBlock", "Parameter", "ParameterDict", "Trainer", "data",
    "loss", "nn", "utils",
]  # fmt: skip

# Imported when first used: MX imports this package to ask its plug-in, also for programs that use no network.
_HOMES = {
    "Block": "block", "HybridBlock": "hybrid_block", "Trainer": "trainer", "Constant": "parameter",
    "DeferredInitializationError": "parameter", "Parameter": "parameter", "ParameterDict": "parameter_dict",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    home = _HOMES.get(name)
    value = importlib.import_module(f"{__name__}.{home or name}")
    if home is not None:
        value = getattr(value, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
