"""``mx.util``: environment variables as the runtime sees them, devices, and the switches of the NumPy interface.

Arrays here are ``mx.nd`` ones: the NumPy arrays of 1.6 (``mx.np``) are not installed, so switching to them is refused
where it would matter, when a block is entered or a decorated function is called. NumPy *shapes* need no switch: shapes
() and sizes 0 are ordinary. The switch is kept for programs that read it back.
"""

from __future__ import annotations

import functools
import inspect
import os
import threading
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from .errors import MXNetError

__all__ = [
    "get_cuda_compute_capability", "get_gpu_count", "get_gpu_memory", "getenv", "is_np_array", "is_np_default_dtype",
    "is_np_shape", "makedirs", "np_array", "np_shape", "np_ufunc_legal_option", "reset_np", "set_module", "set_np",
    "set_np_shape", "setenv", "use_np", "use_np_array", "use_np_shape", "wrap_np_binary_func", "wrap_np_unary_func",
]  # fmt: skip

_T = TypeVar("_T")

# -- devices, environment, files ---------------------------------------------------------------------------------------


def get_gpu_count() -> int:
    """How many GPUs a device package serves."""
    from .context import num_gpus

    return num_gpus()


def get_gpu_memory(gpu_dev_id: int) -> tuple[int, int]:
    """(free, total) bytes of a GPU."""
    from .context import gpu_memory_info

    return gpu_memory_info(gpu_dev_id)


def get_cuda_compute_capability(ctx: Any) -> int:
    """The compute capability of a GPU's CUDA device, such as 90 for 9.0, asked of the CUDA driver.

    Raises ParameterError (a ValueError) for another context, OSError where there is no driver.
    """
    import ctypes

    from .errors import ParameterError

    if ctx.device_type != "gpu":
        msg = f"Expecting a gpu context to get cuda compute capability, while received ctx {ctx}"
        raise ParameterError(msg)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        msg = f"there is no CUDA driver (libcuda.so.1) on this machine: {error}. Install the NVIDIA driver"
        raise OSError(msg) from error

    def call(function: str, *arguments: Any) -> None:
        status = getattr(driver, function)(*arguments)
        if status != 0:
            msg = f"{function} of the CUDA driver failed with status {status}"
            raise MXNetError(msg)

    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    call("cuInit", 0)
    call("cuDeviceGet", ctypes.byref(device), ctx.device_id)
    call("cuDeviceGetAttribute", ctypes.byref(major), 75, device)  # 75, 76: capability, major and minor
    call("cuDeviceGetAttribute", ctypes.byref(minor), 76, device)
    return 10 * major.value + minor.value


def getenv(name: str) -> str | None:
    """The value of an environment variable, None when it is not set."""
    return os.environ.get(name)


def setenv(name: str, value: str | None) -> None:
    """Sets an environment variable for Python and the runtime; None removes it."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def makedirs(d: str) -> None:
    """Makes a folder and those above it; ``~`` is the user's home. A folder that is there is fine."""
    os.makedirs(os.path.expanduser(d), exist_ok=True)


# -- the switches of the NumPy interface -------------------------------------------------------------------------------


class _Switch(threading.local):
    np_shape = False


_switch = _Switch()


def _refuse(wish: str) -> NoReturn:
    msg = f"{wish}: NumPy arrays (mx.np) are not installed; arrays are those of mx.nd. Leave the switch off"
    raise MXNetError(msg)


def is_np_shape() -> bool:
    """Whether this thread asked for NumPy's shapes; shapes () and sizes 0 are ordinary either way."""
    return _switch.np_shape


def is_np_array() -> bool:
    """Whether Gluon blocks compute with ``mx.np`` arrays: False, they compute with NDArrays."""
    return False


def is_np_default_dtype() -> bool:
    """Whether arrays are float64 by default as in NumPy: False, they are float32."""
    return False


def set_np_shape(active: bool) -> bool:
    """Sets what ``is_np_shape`` says in this thread and returns what it said before."""
    before = _switch.np_shape
    _switch.np_shape = bool(active)
    return before


def set_np(shape: bool = True, array: bool = True) -> None:
    """Switches NumPy's shapes and arrays on or off. Raises MXNetError for ``array=True``."""
    if array:
        _refuse("set_np()")
    set_np_shape(shape)


def reset_np() -> None:
    """``set_np(shape=False, array=False)``."""
    set_np(shape=False, array=False)


class _NumpyShapeScope:
    """A ``with`` block in which ``is_np_shape`` says what it was made with."""

    def __init__(self, active: bool) -> None:
        self._active = active
        self._before = False

    def __enter__(self) -> None:
        self._before = set_np_shape(self._active)

    def __exit__(self, *_: object) -> None:
        set_np_shape(self._before)


class _NumpyArrayScope:
    """A ``with`` block with or without NumPy arrays; with, it refuses to be entered."""

    def __init__(self, active: bool) -> None:
        self._active = active

    def __enter__(self) -> None:
        if self._active:
            _refuse("np_array(True)")

    def __exit__(self, *_: object) -> None:
        """Nothing was changed."""


def np_shape(active: bool = True) -> _NumpyShapeScope:
    """A ``with`` block with NumPy's shapes switched on or off."""
    return _NumpyShapeScope(active)


def np_array(active: bool = True) -> _NumpyArrayScope:
    """A ``with`` block with NumPy arrays on or off; to enter it switched on raises MXNetError."""
    return _NumpyArrayScope(active)


def _within(func: Any, make_scope: Callable[[bool], Any]) -> Any:
    """``func``, or each method and property of a class, run within a scope that is switched on."""
    if inspect.isclass(func):
        for name, member in list(vars(func).items()):
            if inspect.isfunction(member):
                setattr(func, name, _within(member, make_scope))
            elif isinstance(member, property):
                parts = [part and _within(part, make_scope) for part in (member.fget, member.fset, member.fdel)]
                setattr(func, name, property(*parts, doc=member.__doc__))
        return func
    if not callable(func):
        msg = f"expected a function or a class to decorate, got {type(func).__name__}"
        raise TypeError(msg)

    @functools.wraps(func)
    def run(*args: Any, **kwargs: Any) -> Any:
        with make_scope(True):
            return func(*args, **kwargs)

    return run


def use_np_shape(func: _T) -> _T:
    """A decorator: the function, or every method of the class, runs with NumPy's shapes switched on."""
    return _within(func, np_shape)  # type: ignore[no-any-return]


def use_np_array(func: _T) -> _T:
    """A decorator: the function, or every method of the class, would run with NumPy arrays; calling it raises MXNetError."""
    return _within(func, np_array)  # type: ignore[no-any-return]


def use_np(func: _T) -> _T:
    """``use_np_shape`` and ``use_np_array``."""
    return use_np_shape(use_np_array(func))


# What a NumPy function may be given beside its arrays, as MXNet's own take it: anything else changes the result.
_UFUNC_DEFAULTS = {"where": True, "casting": "same_kind", "order": "K", "subok": True}


def np_ufunc_legal_option(key: str, value: Any) -> bool:
    """Whether the keyword ``key`` of a NumPy function may have this value here.

    >>> np_ufunc_legal_option("where", True), np_ufunc_legal_option("casting", "no"), np_ufunc_legal_option("axis", 1)
    (True, False, False)
    """
    if key == "dtype":
        import numpy as np

        try:
            return np.dtype(value).name in ("int8", "uint8", "int32", "int64", "float16", "float32", "float64")
        except TypeError:
            return False
    return key in _UFUNC_DEFAULTS and value == _UFUNC_DEFAULTS[key]


def _checked(func: Callable[..., Any], arrays: int) -> Callable[..., Any]:
    @functools.wraps(func)
    def run(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if len(args) != arrays:
            msg = f"[{func.__name__}] takes {arrays} array{'s' * (arrays > 1)} by position, got {len(args)}"
            raise TypeError(msg)
        for key, value in kwargs.items():
            if key not in (*_UFUNC_DEFAULTS, "dtype"):
                msg = f"[{func.__name__}] has no keyword {key!r}; it takes out, {', '.join(_UFUNC_DEFAULTS)} and dtype"
                raise TypeError(msg)
            if not np_ufunc_legal_option(key, value):
                msg = f"[{func.__name__}] {key}={value!r} is not supported; leave {key} out"
                raise TypeError(msg)
        return func(*args, out=out)

    return run


def wrap_np_unary_func(func: Callable[..., Any]) -> Callable[..., Any]:
    """``func(x, out)`` with the keywords of a NumPy function of one array; other than default values are a TypeError."""
    return _checked(func, 1)


def wrap_np_binary_func(func: Callable[..., Any]) -> Callable[..., Any]:
    """``func(x1, x2, out)`` with the keywords of a NumPy function of two arrays."""
    return _checked(func, 2)


def set_module(module: str) -> Any:
    """A decorator that gives a function or class the module name that users import it from."""

    def rename(thing: Any) -> Any:
        if module is not None:
            thing.__module__ = module
        return thing

    return rename
