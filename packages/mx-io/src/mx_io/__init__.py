"""Data iterators over arrays, files of numbers and records of images, and around other iterators."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

__version__ = "0.1.0"

__all__ = [
    "CSVIter", "DataBatch", "DataDesc", "DataIter", "ImageDetRecordIter", "ImageRecordInt8Iter", "ImageRecordIter",
    "ImageRecordIter_v1", "ImageRecordUInt8Iter", "ImageRecordUInt8Iter_v1", "LibSVMIter", "MNISTIter", "MXDataIter",
    "NDArrayIter", "PrefetchingIter", "ResizeIter",
]  # fmt: skip

# Imported when first used: MX imports this package to ask its plug-in, also for programs that read no data.
_HOMES = {
    "CSVIter": "mx_io.files", "MNISTIter": "mx_io.files", "DataBatch": "mx_core.data", "DataDesc": "mx_core.data",
    "DataIter": "mx_core.data", "NDArrayIter": "mx_io.iterators", "PrefetchingIter": "mx_io.wrapping",
    "ResizeIter": "mx_io.wrapping", "ImageDetRecordIter": "mx_io.record_iter",
    "ImageRecordInt8Iter": "mx_io.record_iter", "ImageRecordIter": "mx_io.record_iter",
    "ImageRecordIter_v1": "mx_io.record_iter", "ImageRecordUInt8Iter": "mx_io.record_iter",
    "ImageRecordUInt8Iter_v1": "mx_io.record_iter", "LibSVMIter": "mx_io.files", "MXDataIter": "mx_io.files",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name.startswith("_"):
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    elif importlib.util.find_spec(f"{__name__}.{name}") is not None:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        value = _of_plugins(name)
    globals()[name] = value
    return value


def _of_plugins(name: str) -> Any:
    """The data iterator that a plug-in brings under this name (hook mx_data_iters)."""
    from mx_core.plugin import named_by_plugins, resolve

    brought = named_by_plugins("mx_data_iters")
    if name not in brought:
        import difflib

        near = difflib.get_close_matches(name, [*_HOMES, *brought], 1)
        hint = f". Did you mean {near[0]}?" if near else ""
        msg = f"module {__name__!r} has no attribute {name!r}{hint}"
        raise AttributeError(msg)
    return resolve(brought[name])


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
