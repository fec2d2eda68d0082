"""``mx.util``: environment variables as the runtime sees them, devices, and the switches of the NumPy interface."""

from __future__ import annotations

import os
from typing import Any

__all__ = [
    "get_gpu_count",
    "get_gpu_memory",
    "getenv",
    "is_np_array",
    "is_np_default_dtype",
    "is_np_shape",
    "set_module",
    "setenv",
]


def get_gpu_count() -> int:
    """How many GPUs a device package serves."""
    from .context import num_gpus

    return num_gpus()


def get_gpu_memory(gpu_dev_id: int) -> tuple[int, int]:
    """(free, total) bytes of a GPU."""
    from .context import gpu_memory_info

    return gpu_memory_info(gpu_dev_id)


def getenv(name: str) -> str | None:
    """The value of an environment variable, None when it is not set."""
    return os.environ.get(name)


def setenv(name: str, value: str | None) -> None:
    """Sets an environment variable for Python and the runtime; None removes it."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def is_np_shape() -> bool:
    """Whether shapes follow NumPy, as ``mx.npx.set_np`` would have it: False, arrays follow the classic interface."""
    return False


def is_np_array() -> bool:
    """Whether Gluon blocks compute with ``mx.np`` arrays: False, they compute with NDArrays."""
    return False


def is_np_default_dtype() -> bool:
    """Whether arrays are float64 by default as in NumPy: False, they are float32."""
    return False


def set_module(module: str) -> Any:
    """A decorator that gives a function or class the module name that users import it from."""

    def rename(thing: Any) -> Any:
        if module is not None:
            thing.__module__ = module
        return thing

    return rename
