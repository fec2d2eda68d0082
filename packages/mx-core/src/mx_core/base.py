"""Names of ``mxnet.base`` that programs import: the errors, the kinds of Python numbers and strings, C values.

The functions about C values (``c_str``, ``c_array``, ...) are ctypes in short; there is no C library of MXNet's
interface behind them, and ``_LIB`` says so.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import MXNetError

__all__ = [
    "MXNetError", "NotImplementedForSymbol", "NotSupportedForSparseNDArray", "add_fileline_to_docstring",
    "build_param_doc", "c_array", "c_array_buf", "c_handle_array", "c_str", "c_str_array", "check_call",
    "classproperty", "ctypes2buffer", "ctypes2numpy_shared", "data_dir", "data_dir_default", "integer_types",
    "mx_float", "mx_int", "mx_int64", "mx_real_t", "mx_uint", "numeric_types", "py_str", "string_types",
    "with_metaclass",
]  # fmt: skip

long = int
basestring = str
integer_types = (int, np.int32, np.int64)
numeric_types = (float, int, np.generic)
string_types = (str,)
mx_real_t = np.float32  # the element type of arrays made without dtype

mx_int, mx_int64, mx_uint, mx_float = ctypes.c_int, ctypes.c_int64, ctypes.c_uint, ctypes.c_float
mx_float_p = ctypes.POINTER(mx_float)
# What a handle of MXNet's C interface is in Python. Objects here have none; annotations and casts name these types.
NDArrayHandle = SymbolHandle = ExecutorHandle = KVStoreHandle = CachedOpHandle = OpHandle = ctypes.c_void_p
DataIterHandle = DataIterCreatorHandle = RecordIOHandle = FunctionHandle = ProfileHandle = ctypes.c_void_p
RtcHandle = CudaModuleHandle = CudaKernelHandle = DLPackHandle = ctypes.c_void_p


class MXCallbackList(ctypes.Structure):
    """The C structure of a list of callbacks, for programs that name it."""

    _fields_ = (
        ("num_callbacks", ctypes.c_int),
        ("callbacks", ctypes.POINTER(ctypes.CFUNCTYPE(ctypes.c_int))),
        ("contexts", ctypes.POINTER(ctypes.c_void_p)),
    )


class NotImplementedForSymbol(MXNetError):
    """An NDArray function that Symbols do not have.

    function: the function.  alias: its operator.  args: what it was called with.
    """

    def __init__(self, function: Callable[..., Any], alias: str | None, *args: Any) -> None:
        kinds = ", ".join(type(arg).__name__ for arg in args)
        known = f" (namely operator {alias!r})" if alias else ""
        super().__init__(f"Function {function.__name__}{known} with arguments ({kinds}) is not supported for Symbol.")


class NotSupportedForSparseNDArray(MXNetError):
    """An NDArray function that sparse arrays do not have."""

    def __init__(self, function: Callable[..., Any], alias: str | None, *args: Any) -> None:
        kinds = ", ".join(type(arg).__name__ for arg in args)
        known = f" (namely operator {alias!r})" if alias else ""
        super().__init__(f"Function {function.__name__}{known} with arguments ({kinds}) is not for sparse arrays.")


def py_str(value: bytes) -> str:
    """The text of UTF-8 bytes.

    >>> py_str(b"data")
    'data'
    """
    return value.decode("utf-8")


def c_str(string: str) -> ctypes.c_char_p:
    """A C string of a text."""
    return ctypes.c_char_p(string.encode("utf-8"))


def c_str_array(strings: Sequence[str]) -> Any:
    """A C array of C strings."""
    return (ctypes.c_char_p * len(strings))(*(string.encode("utf-8") for string in strings))


def c_array(ctype: Any, values: Sequence[Any]) -> Any:
    """A C array of ``values``.

    >>> list(c_array(mx_uint, [2, 3]))
    [2, 3]
    """
    return (ctype * len(values))(*values)


def c_array_buf(ctype: Any, buf: Any) -> Any:
    """A C array over the memory of ``buf``, a writable buffer such as array.array."""
    return (ctype * len(buf)).from_buffer(buf)


def c_handle_array(objs: Sequence[Any]) -> Any:
    """A C array of the attribute ``handle`` of each object."""
    return c_array(ctypes.c_void_p, [obj.handle for obj in objs])


def ctypes2buffer(cptr: Any, length: int) -> bytearray:
    """A copy of ``length`` bytes at a pointer to char."""
    if not isinstance(cptr, ctypes.POINTER(ctypes.c_char)):
        msg = f"[ctypes2buffer] expected a pointer to char, got {type(cptr).__name__}"
        raise TypeError(msg)
    return bytearray(ctypes.string_at(cptr, length))


def ctypes2numpy_shared(cptr: Any, shape: Sequence[int]) -> np.ndarray[Any, Any]:
    """A NumPy array of this shape over the memory at a pointer to float."""
    if not isinstance(cptr, mx_float_p):
        msg = f"[ctypes2numpy_shared] expected a pointer to float, got {type(cptr).__name__}"
        raise TypeError(msg)
    return np.ctypeslib.as_array(cptr, tuple(shape))


def check_call(ret: int) -> None:
    """Raises MXNetError when ``ret``, the status of a C function, is not 0."""
    if ret != 0:
        msg = f"a C function failed with status {ret}"
        raise MXNetError(msg)


def data_dir_default() -> str:
    """The folder of downloads when MXNET_HOME is not set: ~/.mxnet."""
    return os.path.join(os.environ.get("APPDATA") or os.path.expanduser("~"), "mxnet" if os.name == "nt" else ".mxnet")


def data_dir() -> str:
    """The folder of downloads: MXNET_HOME, else ``data_dir_default()``."""
    return os.environ.get("MXNET_HOME", data_dir_default())


def build_param_doc(
    arg_names: Sequence[str], arg_types: Sequence[str], arg_descs: Sequence[str], remove_dup: bool = True
) -> str:
    """The section Parameters of a docstring, in NumPy's style; names that come again are left out if ``remove_dup``.

    >>> print(build_param_doc(["a"], ["int"], ["how many"]))
    Parameters
    ----------
    a : int
        how many
    <BLANKLINE>
    """
    lines: list[str] = []
    seen: set[str] = set()
    for name, kind, text in zip(arg_names, arg_types, arg_descs, strict=True):
        if name == "num_args" or (remove_dup and name in seen):
            continue
        seen.add(name)
        lines.append(f"{name} : {kind}" + (f"\n    {text}" if text else ""))
    return "Parameters\n----------\n" + "\n".join(lines) + "\n"


def add_fileline_to_docstring(module: Any, incursive: bool = True) -> None:
    """Appends "From:file:line" to the docstring of each function of ``module``, and of its classes if ``incursive``."""
    import inspect
    import sys

    module = sys.modules[module] if isinstance(module, str) else module
    home = module.__name__ if inspect.ismodule(module) else module.__module__
    for thing in list(vars(module).values()):
        if inspect.isclass(thing) and incursive and thing.__module__ == home:
            add_fileline_to_docstring(thing, incursive=False)
        elif inspect.isfunction(thing) and thing.__module__ == home and thing.__doc__:
            code = thing.__code__
            if "From:" not in thing.__doc__:
                thing.__doc__ += f"\n\nFrom:{code.co_filename}:{code.co_firstlineno}"


class classproperty:  # noqa: N801 - MXNet's name
    """A property of the class itself: ``@classproperty def registry(cls)``."""

    def __init__(self, fget: Callable[[Any], Any]) -> None:
        self.fget = fget

    def __get__(self, instance: Any, owner: type) -> Any:
        return self.fget(owner)


def with_metaclass(meta: type, *bases: type) -> type:
    """A base class by which a class gets the metaclass ``meta`` and ``bases``; from the days of two Pythons."""
    return meta("TemporaryClass", bases, {})


def _as_list(obj: Any) -> list[Any]:
    """``obj`` as a list: itself if it is a list or tuple, else in a list alone."""
    return list(obj) if isinstance(obj, (list, tuple)) else [obj]


def __getattr__(name: str) -> Any:
    # _Null is what an operator takes for "this parameter was not given"; asking for it loads the runtime.
    if name == "_Null":
        from ._core import MISSING

        globals()["_Null"] = MISSING
        return MISSING
    if name == "_LIB":
        msg = (
            "mxnet.base._LIB: MX has no C library of MXNet's interface (libmxnet.so). Use the Python interface instead"
        )
        raise AttributeError(msg)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
