"""Data iterators: NDArrayIter, MNISTIter, CSVIter, and iterators around iterators."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

__all__ = [
    "CSVIter", "DataBatch", "DataDesc", "DataIter", "ImageDetRecordIter", "ImageRecordInt8Iter", "ImageRecordIter",
    "ImageRecordIter_v1", "ImageRecordUInt8Iter", "ImageRecordUInt8Iter_v1", "MNISTIter", "NDArrayIter",
    "PrefetchingIter", "ResizeIter",
]  # fmt: skip

# Imported when first used: MX imports this package to ask its plug-in, also for programs that read no data.
_HOMES = {
    "CSVIter": "mx_io.files", "MNISTIter": "mx_io.files", "DataBatch": "mx_core.data", "DataDesc": "mx_core.data",
    "DataIter": "mx_core.data", "NDArrayIter": "mx_io.iterators", "PrefetchingIter": "mx_io.iterators",
    "ResizeIter": "mx_io.iterators", "ImageDetRecordIter": "mx_io.record_iter",
    "ImageRecordInt8Iter": "mx_io.record_iter", "ImageRecordIter": "mx_io.record_iter",
    "ImageRecordIter_v1": "mx_io.record_iter", "ImageRecordUInt8Iter": "mx_io.record_iter",
    "ImageRecordUInt8Iter_v1": "mx_io.record_iter",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
