"""Data iterators: NDArrayIter, MNISTIter, CSVIter, and iterators around iterators."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

__all__ = [
    "CSVIter", "DataBatch", "DataDesc", "DataIter", "MNISTIter", "NDArrayIter", "PrefetchingIter", "ResizeIter",
]  # fmt: skip

# Imported when first used: MX imports this package to ask its plug-in, also for programs that read no data.
_HOMES = {
    "CSVIter": "mx_io.files", "MNISTIter": "mx_io.files", "DataBatch": "mx_core.data", "DataDesc": "mx_core.data",
    "DataIter": "mx_core.data", "NDArrayIter": "mx_io.iterators", "PrefetchingIter": "mx_io.iterators",
    "ResizeIter": "mx_io.iterators",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
