"""Optimizer state files (``.states``): pickles as MXNet 1.x writes and reads them, read without executing anything.

A file holds the dict index -> state, or the pair (dict, optimizer). Arrays are pickled as MXNet's NDArray class with
the bytes of the ``.params`` format; optimizers and schedulers by class name and attributes. The reader builds only
arrays, plain containers, NumPy scalars, and classes that are registered in this program as optimizers or schedulers.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict, defaultdict
from types import FunctionType
from typing import Any

import numpy as np

from ..errors import RecordFileError
from .optimizer import Optimizer, _registry

__all__ = ["dump_states", "load_states"]

_ARRAY = ("mxnet.ndarray.ndarray", "NDArray")
_PLAIN = {
    ("builtins", "bytearray"): bytearray,
    ("builtins", "set"): set,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): defaultdict,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "float16"): np.float16,
    ("numpy", "float32"): np.float32,
    ("numpy", "float64"): np.float64,
}


def _array_class() -> type:
    from .._core import NDArray

    return NDArray


def dump_states(states: Any) -> bytes:
    """The bytes of a ``.states`` file that MXNet 1.9.1 reads too."""
    out = io.BytesIO()
    _Writer(out).dump(states)
    return out.getvalue()


class _Writer(pickle._Pickler):  # type: ignore[name-defined]
    """Pickles under MXNet's class names. The Python pickler: the C one insists on importing what it names."""

    def __init__(self, out: io.BytesIO) -> None:
        super().__init__(out, protocol=4)
        self._array = _array_class()

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, self._array):
            from ..serialize import dump_array

            return _MxArray, (None,), {"handle": bytearray(dump_array(obj))}
        if isinstance(obj, Optimizer):
            state = obj.__getstate__()
            state.pop("param_dict", None)
            state["_index_update_count"] = obj._index_update_count
            state["allow_np_array"] = False  # an attribute that 1.9.1 expects
            if type(obj).__name__ == "LAMB":
                state["aggregate_num"] = 45  # 1.9.1 hands LAMB lists of so many parameters, here one by one
            return _new_object, (type(obj),), state
        return NotImplemented

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj is _MxArray:
            module, qualified = _ARRAY
        elif isinstance(obj, type) and obj.__module__.startswith("mx_core.optimizer"):
            module, qualified = "mxnet.optimizer.optimizer", obj.__name__
        elif isinstance(obj, type) and issubclass(obj, Optimizer):
            module, qualified = obj.__module__, obj.__name__  # found by name in the registry when read
        elif isinstance(obj, type) and obj.__module__ == "mx_core.lr_scheduler":
            module, qualified = "mxnet.lr_scheduler", obj.__name__
        elif obj is _new_object:
            module, qualified = "copyreg", "__newobj__"
        else:
            super().save_global(obj, name)
            return
        self.save(module)
        self.save(qualified)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(obj)

    dispatch = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]
    dispatch[type] = dispatch[FunctionType] = save_global


class _MxArray:
    """Stands for MXNet's NDArray class in pickles: ``_MxArray(None)`` with the state ``{"handle": bytes}``."""

    def __init__(self, handle: Any = None, writable: bool = True) -> None:
        self.content: Any = handle

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.content = state["handle"]


def _new_object(cls: type) -> Any:
    """``copyreg.__newobj__``: an object of ``cls`` before its state is set."""
    return cls.__new__(cls)


def load_states(content: bytes) -> Any:
    """What ``dump_states``, or MXNet 1.x, wrote. Raises RecordFileError for anything else."""
    try:
        loaded = _Reader(io.BytesIO(content)).load()
    except RecordFileError:
        raise
    except Exception as error:
        msg = f"optimizer states: {error}. The content is cut or is not a .states file; save the states again."
        raise RecordFileError(msg) from error
    return _with_arrays(loaded)


class _Reader(pickle.Unpickler):
    """Builds only what a states file may hold."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "NDArray" and module.startswith(("mxnet.", "mx_core.")):
            return _MxArray
        if (module, name) == ("copyreg", "__newobj__"):
            return _new_object
        if module.startswith(("numpy.core.multiarray", "numpy._core.multiarray")) and name == "scalar":
            return np.float64(0).__reduce__()[0]  # type: ignore[index]
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        if module in ("mxnet.lr_scheduler", "mx_core.lr_scheduler"):
            from .. import lr_scheduler

            if name in lr_scheduler.__all__:
                return getattr(lr_scheduler, name)
        cls = _registry.classes.get(name.lower())
        if cls is not None and (
            module.startswith(("mxnet.optimizer", "mx_core.optimizer")) or module == cls.__module__
        ):
            return cls
        msg = (
            f"optimizer states name {module}.{name}, which this reader does not build. "
            "Register your own optimizer with @mx.optimizer.register before loading its states."
        )
        raise RecordFileError(msg)


def _with_arrays(loaded: Any) -> Any:
    if isinstance(loaded, _MxArray):
        from ..serialize import load_array

        return load_array(bytes(loaded.content))
    if isinstance(loaded, dict):
        return {key: _with_arrays(value) for key, value in loaded.items()}
    if isinstance(loaded, (tuple, list)):
        return type(loaded)(_with_arrays(value) for value in loaded)
    return loaded
