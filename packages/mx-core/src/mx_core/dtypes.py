"""Element types: MXNet's type flags, their names and NumPy counterparts."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DTypeError

__all__ = [
    "BFLOAT16", "BOOL", "FLAG_TO_NAME", "FLOAT16", "FLOAT32", "FLOAT64", "INT8", "INT32", "INT64", "ITEMSIZE",
    "NAME_TO_FLAG", "UINT8", "flag_of", "is_float", "name_of", "numpy_of",
]  # fmt: skip

FLOAT32, FLOAT64, FLOAT16, UINT8, INT32, INT8, INT64, BOOL, BFLOAT16 = 0, 1, 2, 3, 4, 5, 6, 7, 12

FLAG_TO_NAME = {
    FLOAT32: "float32", FLOAT64: "float64", FLOAT16: "float16", UINT8: "uint8", INT32: "int32", INT8: "int8",
    INT64: "int64", BOOL: "bool", BFLOAT16: "bfloat16",
}  # fmt: skip
NAME_TO_FLAG = {name: flag for flag, name in FLAG_TO_NAME.items()}
ITEMSIZE = {FLOAT32: 4, FLOAT64: 8, FLOAT16: 2, UINT8: 1, INT32: 4, INT8: 1, INT64: 8, BOOL: 1, BFLOAT16: 2}
_FLOATS = frozenset((FLOAT32, FLOAT64, FLOAT16, BFLOAT16))
_cache: dict[Any, int] = {None: FLOAT32, **NAME_TO_FLAG}


def is_float(flag: int) -> bool:
    """True for float16, bfloat16, float32 and float64."""
    return flag in _FLOATS


def flag_of(dtype: Any) -> int:
    """The type flag of a NumPy dtype, type or name; None means float32, as in MXNet.

    Raises DTypeError for a type that NDArray cannot hold.

    >>> flag_of("float16"), flag_of(np.int64), flag_of(None)
    (2, 6, 0)
    """
    try:
        return _cache[dtype]
    except (KeyError, TypeError):
        pass
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = getattr(dtype, "__name__", str(dtype))
    flag = NAME_TO_FLAG.get(name)
    if flag is None:
        msg = f"element type {name} is not one NDArray can hold; use one of {', '.join(NAME_TO_FLAG)}"
        raise DTypeError(msg)
    try:
        _cache[dtype] = flag
    except TypeError:
        pass
    return flag


def name_of(flag: int) -> str:
    """The name of a type flag: ``name_of(0) == "float32"``."""
    return FLAG_TO_NAME.get(flag, f"dtype flag {flag}")


def numpy_of(flag: int) -> np.dtype[Any]:
    """The NumPy dtype of a type flag; bfloat16 needs the package ml_dtypes and is uint16 bits without it."""
    if flag != BFLOAT16:
        return np.dtype(FLAG_TO_NAME[flag])
    try:
        import ml_dtypes
    except ImportError:
        return np.dtype("uint16")
    return np.dtype(ml_dtypes.bfloat16)
