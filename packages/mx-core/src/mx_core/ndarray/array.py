"""NDArray: what its C type leaves to Python. Importing this module completes the type.

The C type (cpp/array.cpp) has what is called often: arithmetic, shape, asnumpy, views by int and slice. Here are the
methods that take a Python call anyway, put onto the type with setattr; the operators among them are found by name.
"""

from __future__ import annotations

import html
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import _core, graph
from ..context import Context
from ..dtypes import BFLOAT16, FLAG_TO_NAME, flag_of, name_of, numpy_of
from ..errors import DTypeError, MXNetError, ParameterError, ShapeError
from . import dlpack, indexing, numpy_protocol
from .arithmetic import *  # noqa: F403 - mxnet.ndarray.ndarray has them, too
from .arithmetic import combine_operands
from .creation import *  # noqa: F403
from .creation import _new_empty_handle, split_v2  # noqa: F401
from .dlpack import from_dlpack, to_dlpack_for_read, to_dlpack_for_write  # noqa: F401
from .key_rules import *  # noqa: F403
from .namespace import make_method, op

NDArray = _core.NDArray
GRAD_REQS = {"null": 0, "write": 1, "add": 3}  # MXNet's numbers

# Operators that are methods. Their names are MXNet's; a plug-in's operator becomes one with @op(method=True).
_FLUENT = [
    "abs", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "argmax", "argmax_channel", "argmin",
    "argsort", "broadcast_axes", "cbrt", "ceil", "clip", "cos", "cosh", "degrees", "depth_to_space", "exp", "expm1",
    "fix", "flip", "floor", "log", "log10", "log1p", "log2", "log_softmax", "max", "mean", "min", "nanprod", "nansum",
    "norm", "one_hot", "ones_like", "pad", "pick", "prod", "radians", "rcbrt", "reciprocal", "relu", "repeat",
    "reshape_like", "rint", "round", "rsqrt", "shape_array", "sigmoid", "sign", "sin", "sinh", "size_array", "slice",
    "slice_axis", "slice_like", "softmax", "softmin", "sort", "space_to_depth", "split", "sqrt", "square", "sum",
    "swapaxes", "take", "tan", "tanh", "tile", "topk", "transpose", "trunc", "zeros_like",
]  # fmt: skip


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    setattr(NDArray, function.__name__, function)
    return function


def _property(function: Callable[[Any], Any]) -> None:
    setattr(NDArray, function.__name__, property(function))


# ---- text ----------------------------------------------------------------------------------------------------------


@_method
def __repr__(self: Any) -> str:
    shape = "x".join(map(str, self.shape))
    return f"\n{_printable(self)!s}\n<{type(self).__name__} {shape} @{self.context}>"


def _printable(array: Any) -> np.ndarray[Any, Any]:
    """The values to print: bfloat16 as float32, for NumPy may know it as bits only."""
    return (astype(array._detach(), "float32") if array._dtype_flag == BFLOAT16 else array).asnumpy()


@_method
def _repr_html_(self: Any) -> str:
    values = html.escape(str(_printable(self)))
    shape = " &times; ".join(map(str, self.shape)) or "scalar"
    caption = f"{type(self).__name__} {shape}, {name_of(self._dtype_flag)}, {self.context}"
    return f"<div><pre>{values}</pre><small>{caption}</small></div>"


# ---- shape ---------------------------------------------------------------------------------------------------------


@_method
def reshape(self: Any, *shape: Any, **kwargs: Any) -> Any:
    """The same elements in another shape, sharing memory.

    shape: sizes, as one tuple or as arguments. 0 copies a dimension, -1 is inferred, -2 copies all that are left,
    -3 joins two, -4 splits one into the two sizes that follow. reverse: read the shape from the right.
    Raises ShapeError when the number of elements differs.
    """
    reverse = kwargs.pop("reverse", False)
    if shape:
        wanted = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        kwargs.pop("shape", None)
    elif "shape" in kwargs:
        wanted = kwargs.pop("shape")
        wanted = (wanted,) if isinstance(wanted, int) else tuple(wanted)
    else:
        msg = "[reshape] Shape must be provided."
        raise ParameterError(msg)
    if kwargs:
        msg = f"[reshape] Got unknown keywords: {', '.join(kwargs)}. Accepted are 'shape' and 'reverse'."
        raise UnknownKeyword(msg)
    if not all(isinstance(size, (int, np.integer)) for size in wanted):
        msg = f"[reshape] shape must be integers, got {wanted!r}"
        raise ParameterError(msg)
    if not reverse and 0 not in wanted:
        lowest = min(wanted, default=1)
        if lowest > 0:
            return self._reshape_view(wanted)
        if lowest == -1 and self.size % (known := -math.prod(wanted)) == 0 and known > 0 and wanted.count(-1) == 1:
            at = wanted.index(-1)
            return self._reshape_view((*wanted[:at], self.size // known, *wanted[at + 1 :]))
    from ..ops._shapes import reshaped

    return self._reshape_view(reshaped("reshape", self.shape, wanted, bool(reverse)))


class UnknownKeyword(ParameterError, TypeError):
    """A keyword that a method does not have."""


@_method
def expand_dims(self: Any, axis: int, inplace: bool = False) -> Any:
    """A new axis of size 1 before `axis`. inplace: share memory with this array."""
    if not inplace:
        return op("expand_dims")(self, axis=axis)
    ndim = self.ndim + 1
    if not -ndim <= axis < ndim:
        msg = f"[expand_dims] axis must be in [{-ndim}, {ndim}) for {self.ndim} dimensions, got {axis}"
        raise ShapeError(msg)
    axis %= ndim
    return self._reshape_view((*self.shape[:axis], 1, *self.shape[axis:]))


@_method
def squeeze(self: Any, axis: Any = None, inplace: bool = False) -> Any:
    """Without the axes of size 1, or only those given. inplace: share memory with this array."""
    made = op("squeeze")(self) if axis is None else op("squeeze")(self, axis=axis)
    return self._reshape_view(made.shape) if inplace else made


@_method
def flatten(self: Any, inplace: bool = False) -> Any:
    """All axes but the first joined to one. inplace: share memory with this array."""
    return reshape(self, (0, -1)) if inplace and self.size else op("Flatten")(self)


@_method
def broadcast_to(self: Any, shape: Any) -> Any:
    """Repeated along axes of size 1 to `shape`; 0 keeps a size. New axes come first."""
    wanted = (shape,) if isinstance(shape, int) else tuple(shape)
    if wanted == self.shape:
        return self
    given = (1,) * (len(wanted) - self.ndim) + self.shape
    if len(given) != len(wanted) or any(a != b and a != 1 and b != 0 for a, b in zip(given, wanted, strict=True)):
        msg = f"[broadcast_to] an array of shape {self.shape} cannot be broadcast to {wanted}: sizes must be equal or 1"
        raise ShapeError(msg)
    return op("broadcast_to")(self._reshape_view(given), shape=wanted)


@_method
def broadcast_like(self: Any, other: Any) -> Any:
    """Repeated along axes of size 1 to the shape of another array."""
    return broadcast_to(self, other.shape)


@_property
def T(self: Any) -> Any:  # noqa: N802 - NumPy's name
    """With the axes in reverse order; the array itself when it has but one."""
    return self if self.ndim < 2 else op("transpose")(self)


@_method
def diag(self: Any, k: int = 0, **kwargs: Any) -> Any:
    """``mx.nd.diag`` of this array: diagonal k of a matrix, or the matrix with this diagonal."""
    return op("diag")(self, k=k, **kwargs)


setattr(NDArray, "split_v2", split_v2)  # noqa: B010 - the C type's stub does not know it


@_method
def __iter__(self: Any) -> Iterator[Any]:
    for i in range(len(self)):
        yield self[i]


@_method
def slice_assign(self: Any, rhs: Any, begin: Any, end: Any, step: Any) -> Any:
    """Stores an array into ``self[begin:end:step]`` and returns this array."""
    self[_slices(begin, end, step)] = rhs
    return self


@_method
def slice_assign_scalar(self: Any, value: float, begin: Any, end: Any, step: Any) -> Any:
    """Stores a number into ``self[begin:end:step]`` and returns this array."""
    self[_slices(begin, end, step)] = value
    return self


def _slices(begin: Any, end: Any, step: Any) -> tuple[slice, ...]:
    return tuple(slice(*bounds) for bounds in zip(begin, end, step or (None,) * len(begin), strict=True))


# ---- copies --------------------------------------------------------------------------------------------------------


@_method
def astype(self: Any, dtype: Any, copy: bool = True) -> Any:
    """With another element type. copy: False returns this array itself if it has that type already."""
    if not copy and flag_of(dtype) == self._dtype_flag:
        return self
    return op("cast")(self, dtype=name_of(flag_of(dtype)))


@_method
def copy(self: Any) -> Any:
    """A copy on the same device."""
    return op("_copy")(self)


@_method
def copyto(self: Any, other: Any) -> Any:
    """Copies into another array, converting to its element type, or to a new array on a context. Returns that array.

    Raises ShapeError when the other array has another shape, DTypeError when it is neither array nor context.
    """
    if isinstance(other, Context):
        if other == self.context:
            return copy(self)
        target = _core.empty(self.shape, other.device_typeid, other.device_id, self._dtype_flag)
        return _copy_into(self, target)
    if not isinstance(other, NDArray):
        msg = f"[copyto] does not support type {type(other)}; the target is an NDArray or a Context"
        raise DTypeError(msg)
    if other is self:
        warnings.warn("You are attempting to copy an array to itself", RuntimeWarning, stacklevel=2)
        return other
    if other.shape != self.shape:
        msg = f"[copyto] the target must have the shape {self.shape} of the array, got {other.shape}"
        raise ShapeError(msg)
    if _core.is_recording() and other._in_graph:
        msg = (
            "[copyto] the target is part of the recorded computation, and overwriting it would make gradients wrong. "
            "Copy to a new array, or inside autograd.pause()"
        )
        raise MXNetError(msg)
    return _copy_into(
        self if other._dtype_flag == self._dtype_flag else astype(self, name_of(other._dtype_flag)), other
    )


def _copy_into(source: Any, target: Any) -> Any:
    """Copies between arrays of one type, on any devices; gradients flow back."""
    source._copy_to(target)
    if _core.is_recording() and source._in_graph:
        ctx = source.context
        _core.record_custom([source], [target], lambda grads: [as_in_context(grads[0], ctx)])
    return target


@_method
def as_in_context(self: Any, context: Context) -> Any:
    """This array if it lives there already, else a copy on the context."""
    return self if self.context == context else copyto(self, context)


setattr(NDArray, "as_in_ctx", as_in_context)  # noqa: B010


@_method
def as_nd_ndarray(self: Any) -> Any:
    """This array: it is of the classic kind already."""
    return self


@_method
def tostype(self: Any, stype: str) -> Any:
    """A copy in another storage type; arrays here are dense, stype "default"."""
    if stype != "default":
        msg = f"[tostype] stype must be 'default', got {stype!r}; sparse arrays are not installed"
        raise ParameterError(msg)
    return copy(self)


@_method
def _sync_copyfrom(self: Any, source_array: Any) -> None:
    values = np.ascontiguousarray(source_array, dtype=numpy_of(self._dtype_flag))
    if values.shape != self.shape:
        msg = f"[_sync_copyfrom] source must have shape {self.shape}, got {values.shape}"
        raise ShapeError(msg)
    self._write_from(values)


@_property
def stype(self: Any) -> str:
    """The storage type: "default" is dense."""
    return "default"


@_property
def handle(self: Any) -> Any:
    """What MXNet's constructor takes; the array itself here, so ``NDArray(x.handle)`` shares memory with x."""
    return self


@_property
def writable(self: Any) -> bool:
    """True: every array may be written to."""
    return True


# ---- autograd ------------------------------------------------------------------------------------------------------


@_method
def attach_grad(self: Any, grad_req: str = "write", stype: str | None = None) -> None:
    """Gives the array a gradient, ``x.grad``, that `backward` fills; what led to the array is forgotten.

    grad_req: "write" replaces the gradient, "add" adds to it, "null" computes none. stype: "default" only.
    """
    if stype not in (None, "default"):
        msg = f"[attach_grad] stype must be 'default', got {stype!r}; sparse arrays are not installed"
        raise ParameterError(msg)
    if grad_req not in GRAD_REQS:
        msg = f"[attach_grad] grad_req must be one of {', '.join(map(repr, GRAD_REQS))}, got {grad_req!r}"
        raise ParameterError(msg)
    grad = op("_zeros")(shape=self.shape, ctx=self.context, dtype=name_of(self._dtype_flag))
    self._attach_grad(grad, GRAD_REQS[grad_req])


@_method
def detach(self: Any) -> Any:
    """The same memory outside the recorded computation: no gradient flows back through it."""
    return self._detach()


# ---- pickling ------------------------------------------------------------------------------------------------------


# As MXNet pickles arrays, so that pickles of either side load in the other.
@_method
def __reduce__(self: Any) -> tuple[Any, ...]:
    from ..serialize import dump_array

    return NDArray, (None,), {"handle": bytearray(dump_array(self))}


@_method
def __setstate__(self: Any, state: dict[str, Any]) -> None:
    from ..serialize import load_array

    if state["handle"] is not None:
        self._become(load_array(bytes(state["handle"])))


@_method
def __copy__(self: Any) -> Any:
    return copy(self._detach())


@_method
def __deepcopy__(self: Any, memo: dict[int, Any]) -> Any:
    made = memo[id(self)] = copy(self._detach())
    return made


# ---- the type's other sides ----------------------------------------------------------------------------------------


def _complete_type() -> None:
    for name in _FLUENT:
        setattr(NDArray, name, make_method(name, name))
    NDArray.__str__ = NDArray.__repr__
    NDArray.__array_priority__ = 1000.0
    NDArray.__array_ufunc__ = numpy_protocol.array_ufunc
    NDArray.__array_function__ = numpy_protocol.array_function
    NDArray.__array__ = numpy_protocol.array
    NDArray.__dlpack__ = dlpack.dlpack
    NDArray.__dlpack_device__ = dlpack.dlpack_device
    NDArray.to_dlpack_for_read = dlpack.to_dlpack_for_read
    NDArray.to_dlpack_for_write = dlpack.to_dlpack_for_write
    # Without the package ml_dtypes NumPy has no bfloat16: x.dtype is its name then.
    users = {flag: numpy_of(flag).type for flag in FLAG_TO_NAME}
    if users[BFLOAT16] is np.uint16:
        users[BFLOAT16] = "bfloat16"
    _core.set_dtypes(users)
    _core.set_context_class(Context)
    _core.set_getitem_hook(indexing.getitem)
    _core.set_setitem_hook(indexing.setitem)
    _core.set_operand_hook(combine_operands)
    _core.set_op_loader(op)
    graph.install()
    _core.set_op_loader(op)
    graph.install()
    graph.install()


_complete_type()
