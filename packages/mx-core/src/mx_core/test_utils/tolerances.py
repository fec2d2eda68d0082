"""How far apart two results may be: tolerances by element type. The coarser type of the two decides."""

from __future__ import annotations

from typing import Any

import numpy as np

_FLOAT64 = np.dtype(np.float64)
__all__ = [
    "default_atols", "default_numeric_eps", "default_rtols", "effective_dtype", "get_atol", "get_etol", "get_rtol",
    "get_tolerance", "get_tols",
]  # fmt: skip

_EXACT = ("bool", "int8", "uint8", "int32", "uint32", "int64", "uint64")


def _by_dtype(half: float, single: float, double: float) -> dict[np.dtype[Any], float]:
    floats = zip(("float16", "float32", "float64"), (half, single, double), strict=True)
    return {np.dtype(name): value for name, value in (*floats, *((name, 0) for name in _EXACT))}


def default_rtols() -> dict[np.dtype[Any], float]:
    """The relative tolerance of each element type: 1e-2, 1e-4 and 1e-5 for floats, 0 for integers."""
    return _by_dtype(1e-2, 1e-4, 1e-5)


def default_atols() -> dict[np.dtype[Any], float]:
    """The absolute tolerance of each element type: 1e-1, 1e-3 and 1e-20 for floats, 0 for integers."""
    return _by_dtype(1e-1, 1e-3, 1e-20)


def default_numeric_eps() -> dict[np.dtype[Any], float]:
    """The step of central differences in each float type, a power of two."""
    return {np.dtype("float16"): 2.0**-6, np.dtype("float32"): 2.0**-9, np.dtype("float64"): 2.0**-14}


def effective_dtype(dat: Any) -> np.dtype[Any]:
    """The element type that decides about tolerances: that of an NDArray or NumPy array."""
    return np.dtype(dat.dtype)


def get_tolerance(dat: Any, tol: float | None, default_tol: dict[np.dtype[Any], float]) -> float:
    """``tol``, or the default for the element type of ``dat``; a number or list counts as exact."""
    if tol is not None:
        return tol
    return default_tol[effective_dtype(dat)] if hasattr(dat, "dtype") else 0.0


def get_tols(x: Any, y: Any, rtol: float | None, atol: float | None) -> tuple[float, float]:
    """(rtol, atol) for comparing x with y: what is given, else the greater default of the two element types."""
    pairs = [(rtol, default_rtols()), (atol, default_atols())]
    relative, absolute = (max(get_tolerance(item, tol, table) for item in (x, y)) for tol, table in pairs)
    return relative, absolute


def get_rtol(rtol: float | None = None, dtype: Any = _FLOAT64) -> float:
    """``rtol``, or the default relative tolerance of an element type."""
    return default_rtols()[np.dtype(dtype)] if rtol is None else rtol


def get_atol(atol: float | None = None, dtype: Any = _FLOAT64) -> float:
    """``atol``, or the default absolute tolerance of an element type."""
    return default_atols()[np.dtype(dtype)] if atol is None else atol


def get_etol(etol: float | None = None) -> float:
    """``etol``, the part of the elements that may differ, or 0."""
    return 0 if etol is None else etol
