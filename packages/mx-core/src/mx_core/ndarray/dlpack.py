"""Sharing memory with other libraries, without a copy: DLPack both ways.

NumPy packs and unpacks the capsules: an array in host memory is one NumPy view away from it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import MXNetError

__all__ = ["dlpack", "dlpack_device", "from_dlpack", "to_dlpack_for_read", "to_dlpack_for_write"]

_CPU = (1, 0)  # DLPack's device type and number of host memory


def dlpack(self: Any, **kwargs: Any) -> Any:
    """A DLPack capsule of this array, for ``from_dlpack`` of another library. Waits for pending work."""
    return _host_view(self).__dlpack__(**kwargs)


def dlpack_device(self: Any) -> tuple[int, int]:
    """DLPack's (device type, device number) of this array."""
    if self.context.device_typeid == 2:
        return (2, self.context.device_id)
    return _CPU


def _host_view(array: Any) -> np.ndarray[Any, Any]:
    if array.context.device_typeid == 2:
        msg = f"[to_dlpack] arrays on {array.context} cannot be shared; copy with as_in_context(mx.cpu()) first"
        raise MXNetError(msg)
    return np.asarray(memoryview(array))


def to_dlpack_for_read(data: Any) -> Any:
    """A DLPack capsule of an array to be read only: its memory, once pending writes are done."""
    return _host_view(data).__dlpack__()


def to_dlpack_for_write(data: Any) -> Any:
    """A DLPack capsule of an array to be written to: its memory, once all pending work on it is done."""
    return _host_view(data).__dlpack__()


class _Capsule:
    """A bare capsule in the form that consumers ask for today."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CPU


def from_dlpack(dlpack: Any) -> Any:
    """An array that shares memory with another library's.

    dlpack: a capsule, or anything with ``__dlpack__`` in host memory. An array that is not C-contiguous is copied.
    Raises MXNetError for memory that is not the host's.
    """
    from .creation import wrap_host

    source = dlpack if hasattr(dlpack, "__dlpack__") else _Capsule(dlpack)
    try:
        values = np.from_dlpack(source)
    except (BufferError, RuntimeError, ValueError, TypeError) as error:
        msg = f"[from_dlpack] cannot take {type(dlpack).__name__} over: {error}"
        raise MXNetError(msg) from error
    return wrap_host(values if values.flags.c_contiguous else values.copy())
