"""NDArrays and NumPy arrays of one image over the same memory: OpenCV works on the one, programs on the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.errors import DTypeError, ShapeError
from mx_core.ndarray.creation import wrap_host

__all__ = ["as_array", "as_host", "as_result", "image_of"]

_NDArray = nd.NDArray


def as_host(array: Any) -> np.ndarray[Any, Any]:
    """The values of an NDArray, to be read only: its memory, or a copy where that is a gpu's. NumPy arrays pass."""
    if isinstance(array, np.ndarray):
        return array
    if array.context.device_typeid == 2:
        return array.asnumpy()  # type: ignore[no-any-return]
    return np.asarray(memoryview(array))


def as_array(values: np.ndarray[Any, Any]) -> Any:
    """An NDArray on cpu(0) over the memory of a NumPy array, which is copied where it is not C-contiguous."""
    return wrap_host(values if values.flags.c_contiguous else np.ascontiguousarray(values))


def as_result(source: np.ndarray[Any, Any], made: np.ndarray[Any, Any]) -> Any:
    """``as_array(made)`` of what was made from ``source``: with memory of its own."""
    return as_array(made.copy() if np.may_share_memory(source, made) else made)


def image_of(name: str, src: Any) -> np.ndarray[Any, Any]:
    """The values of an image (h, w, c), an NDArray or NumPy array; ``name`` is the function that asks.

    Raises DTypeError for other objects and ShapeError for other shapes.
    """
    if not isinstance(src, (_NDArray, np.ndarray)):
        msg = f"[{name}] src must be an NDArray (h, w, c), got {type(src).__name__}"
        raise DTypeError(msg)
    values = as_host(src)
    if values.ndim != 3 or 0 in values.shape:
        msg = f"[{name}] src must be an image of shape (h, w, c) with pixels, got {values.shape}"
        raise ShapeError(msg)
    return values
