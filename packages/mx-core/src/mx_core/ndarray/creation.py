"""Arrays from nothing, from NumPy and from each other: ``mx.nd.array``, ``zeros``, ``arange``, ``concatenate``, ..."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..context import Context, current_context
from ..dtypes import BFLOAT16, FLOAT32, flag_of, name_of, numpy_of
from ..errors import DTypeError, ParameterError, ShapeError
from . import namespace
from .namespace import op

if TYPE_CHECKING:
    from .._core import NDArray

__all__ = [
    "arange", "array", "concatenate", "empty", "eye", "from_numpy", "full", "histogram", "imdecode", "linspace",
    "moveaxis", "onehot_encode", "ones", "split_v2", "waitall", "zeros",
]  # fmt: skip

Shape = int | Sequence[int]


# ---- from NumPy and Python -----------------------------------------------------------------------------------------


def array(source_array: Any, ctx: Context | None = None, dtype: Any = None) -> NDArray:
    """A new array with the values of an array, a number or a nested list.

    source_array: NDArray, or anything `numpy.array` takes. ctx: where, default the current context. dtype: element
    type, default that of an NDArray and float32 for everything else, NumPy arrays too, as in MXNet.
    Raises DTypeError when NumPy makes no numeric array of it.

    >>> array([[1, 2], [3, 4]]).dtype
    <class 'numpy.float32'>
    """
    ctx = current_context() if ctx is None else ctx
    if isinstance(source_array, _core.NDArray):
        if dtype is not None and flag_of(dtype) != flag_of(source_array.dtype):
            source_array = source_array.astype(dtype)
            if source_array.context == ctx:
                return source_array
        return source_array.copyto(ctx)
    flag = flag_of(dtype)
    numpy_type = numpy_of(FLOAT32 if flag == BFLOAT16 else flag)
    try:
        values = np.asarray(source_array, dtype=numpy_type)
    except OverflowError:  # a Python integer out of range: wraps, as it did before NumPy 2
        values = np.asarray(source_array).astype(numpy_type)
    except (TypeError, ValueError) as error:
        msg = (
            f"[array] source_array must be array like object, got {type(source_array).__name__} "
            f"that NumPy cannot read as {name_of(flag)}: {error}"
        )
        raise DTypeError(msg) from None
    made = from_host(values, ctx)
    return made.astype("bfloat16") if flag == BFLOAT16 else made


def from_host(values: np.ndarray[Any, Any], ctx: Context) -> NDArray:
    """A copy of a NumPy array on a device, its element type kept."""
    if not namespace.methods_installed:
        namespace.install_methods()
    return _core._from_numpy(values, ctx.device_typeid, ctx.device_id, flag_of(values.dtype))


def from_numpy(ndarray: np.ndarray[Any, Any], zero_copy: bool = True, array_cls: type | None = None) -> NDArray:
    """An array with the elements of a NumPy array, its element type kept.

    zero_copy: share the memory; the NumPy array then becomes read-only. Raises ParameterError for an array that is
    not C-contiguous, which cannot be shared. array_cls is accepted and unused, as NDArray is the only class.
    """
    if not isinstance(ndarray, np.ndarray):
        msg = f"[from_numpy] ndarray must be a numpy.ndarray, got {type(ndarray).__name__}"
        raise DTypeError(msg)
    if not zero_copy:
        return from_host(ndarray, Context("cpu", 0))
    if not ndarray.flags.c_contiguous:
        msg = "[from_numpy] Only c-contiguous arrays are supported for zero-copy; pass zero_copy=False to copy"
        raise ParameterError(msg)
    shared = wrap_host(ndarray)
    ndarray.flags.writeable = False
    return shared


def wrap_host(values: np.ndarray[Any, Any]) -> NDArray:
    """An array on cpu(0) that shares the memory of a C-contiguous NumPy array and keeps it alive."""
    pointer = values.__array_interface__["data"][0]
    return _core._wrap_external(pointer, values.shape, flag_of(values.dtype), 1, 0, values)


# ---- from nothing --------------------------------------------------------------------------------------------------


def empty(shape: Shape, ctx: Context | None = None, dtype: Any = None, stype: str | None = None) -> NDArray:
    """A new array whose elements are whatever its memory held. stype: "default" only."""
    _check_stype("empty", stype)
    ctx = current_context() if ctx is None else ctx
    return _core.empty(_shape(shape), ctx.device_typeid, ctx.device_id, flag_of(dtype))


def zeros(
    shape: Shape, ctx: Context | None = None, dtype: Any = None, stype: str | None = None, **kwargs: Any
) -> NDArray:
    """A new array of zeros. dtype: default float32. kwargs: ``out=``, an array to fill instead.

    >>> zeros((2, 3)).shape
    (2, 3)
    """
    _check_stype("zeros", stype)
    return op("_zeros")(shape=_shape(shape), ctx=ctx, dtype=_dtype_name(dtype), **kwargs)


def ones(shape: Shape, ctx: Context | None = None, dtype: Any = None, **kwargs: Any) -> NDArray:
    """A new array of ones. dtype: default float32. kwargs: ``out=``, an array to fill instead."""
    return op("_ones")(shape=_shape(shape), ctx=ctx, dtype=_dtype_name(dtype), **kwargs)


def full(
    shape: Shape, val: Any, ctx: Context | None = None, dtype: Any = np.float32, out: NDArray | None = None
) -> NDArray:
    """An array with all elements equal to a number, or to an array that is broadcast. out: filled instead.

    >>> full((2,), 3).asnumpy()
    array([3., 3.], dtype=float32)
    """
    out = empty(shape, ctx, dtype) if out is None else out
    out[:] = val
    return out


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool | None = None,
    ctx: Context | None = None,
    dtype: Any = np.float32,
) -> NDArray:
    """The numbers start, start + step, ... below stop, each `repeat` times; one argument is stop, as in Python.

    dtype: None means float64 here, as in MXNet. infer_range is for symbols and unused.

    >>> arange(0, 6, 2).asnumpy()
    array([0., 2., 4.], dtype=float32)
    """
    if infer_range is not None:
        warnings.warn("`infer_range` argument has been deprecated", DeprecationWarning, stacklevel=2)
    if stop is None:
        start, stop = 0, start
    name = "float64" if dtype is None else _dtype_name(dtype)
    return op("_arange")(start=start, stop=stop, step=step, repeat=repeat, dtype=name, ctx=ctx)


def linspace(
    start: float, stop: float, num: int, endpoint: bool = True, ctx: Context | None = None, dtype: Any = np.float32
) -> NDArray:
    """`num` evenly spaced numbers from start to stop, stop included where `endpoint`."""
    try:
        values = np.linspace(start, stop, operator.index(num), endpoint)
    except (TypeError, ValueError) as error:
        msg = f"[linspace] start and stop must be numbers and num a count, got {start!r}, {stop!r}, {num!r}: {error}"
        raise ParameterError(msg) from None
    return array(values, ctx, np.float64 if dtype is None else dtype)


def eye(
    N: int,
    M: int = 0,
    k: int = 0,
    ctx: Context | None = None,
    dtype: Any = None,
    **kwargs: Any,
) -> NDArray:
    """An (N, M) matrix with ones on diagonal k and zeros elsewhere. M: 0 means N. k: above the main one if positive."""
    return op("_eye")(N=N, M=M, k=k, ctx=ctx, dtype=_dtype_name(dtype), **kwargs)


def _shape(shape: Shape) -> tuple[int, ...]:
    if type(shape) is tuple:
        return shape
    if isinstance(shape, Sequence) and not isinstance(shape, str):
        return tuple(shape)
    try:
        return (operator.index(shape),)  # type: ignore[arg-type]
    except TypeError:
        msg = f"shape must be an int or a tuple of ints, got {shape!r}"
        raise ParameterError(msg) from None


def _dtype_name(dtype: Any) -> str:
    return "float32" if dtype is None else name_of(flag_of(dtype))


def _check_stype(function: str, stype: str | None) -> None:
    if stype not in (None, "default"):
        msg = f"[{function}] storage type must be 'default', got {stype!r}; sparse arrays are not installed"
        raise ParameterError(msg)


# ---- from arrays ---------------------------------------------------------------------------------------------------


def concatenate(arrays: Sequence[NDArray], axis: int = 0, always_copy: bool = True) -> NDArray:
    """Joins arrays along an axis, on the context and with the element type of the first.

    always_copy: False returns the only array itself. Raises ShapeError when the other axes differ.
    """
    if not isinstance(arrays, (list, tuple)) or not arrays:
        msg = f"[concatenate] arrays must be a list of at least one NDArray, got {arrays!r}"
        raise ParameterError(msg)
    if len(arrays) == 1 and not always_copy:
        return arrays[0]
    ctx = arrays[0].context
    return op("concat")(*(item.as_in_context(ctx) for item in arrays), dim=axis)


def moveaxis(tensor: NDArray, source: int | Sequence[int], destination: int | Sequence[int]) -> NDArray:
    """The array with axes `source` moved to the places `destination`; the others keep their order.

    >>> moveaxis(zeros((2, 3, 4)), 0, 2).shape
    (3, 4, 2)
    """
    from numpy.lib.array_utils import normalize_axis_tuple

    try:
        sources = normalize_axis_tuple(source, tensor.ndim, "source")
        places = normalize_axis_tuple(destination, tensor.ndim, "destination")
    except ValueError as error:  # AxisError, or an axis twice
        msg = f"[moveaxis] {error}"
        raise ShapeError(msg) from None
    if len(sources) != len(places):
        msg = f"[moveaxis] source and destination must have the same number of axes, got {source} and {destination}"
        raise ShapeError(msg)
    order = [axis for axis in range(tensor.ndim) if axis not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return op("transpose")(tensor, axes=tuple(order))


def split_v2(
    ary: NDArray, indices_or_sections: int | Sequence[int], axis: int = 0, squeeze_axis: bool = False
) -> NDArray | list[NDArray]:
    """Cuts an array along an axis: into equal sections, or before the given indices. squeeze_axis: drop the axis.

    Returns a list, or the array itself for one piece. Raises ShapeError when the sections are not equal.

    >>> [piece.shape for piece in split_v2(zeros((3, 4)), (1,), axis=1)]
    [(3, 1), (3, 3)]
    """
    if isinstance(indices_or_sections, int):
        pieces = op("_split_v2")(ary, indices=(), axis=axis, squeeze_axis=squeeze_axis, sections=indices_or_sections)
    else:
        starts = (0, *indices_or_sections)
        pieces = op("_split_v2")(ary, indices=starts, axis=axis, squeeze_axis=squeeze_axis)
    return pieces


def onehot_encode(indices: NDArray, out: NDArray) -> NDArray:
    """Fills the rows of `out` with the one-hot codes of `indices`; `mx.nd.one_hot` is its successor."""
    return op("one_hot")(indices, depth=out.shape[1], dtype=_dtype_name(out.dtype), out=out)


def histogram(
    a: NDArray, bins: int | NDArray = 10, range: tuple[float, float] | None = None
) -> tuple[NDArray, NDArray]:
    """(counts, edges) of the elements of an array. bins: the number of bins, or their edges. range: of the bins."""
    edges = bins.asnumpy() if isinstance(bins, _core.NDArray) else bins
    counts, edges = np.histogram(a.asnumpy(), edges, range)
    # As in MXNet: int64 counts from the operator, float32 where it asked NumPy for the range.
    count_type = np.float32 if range is None and not isinstance(bins, _core.NDArray) else np.int64
    return array(counts, a.context, count_type), array(edges, a.context, a.dtype)


def waitall() -> None:
    """Waits until everything asked for has been computed. Raises the first error nobody has seen yet."""
    _core.wait_all()


def imdecode(
    str_img: bytes,
    clip_rect: tuple[int, int, int, int] = (0, 0, 0, 0),
    out: NDArray | None = None,
    index: int = 0,
    channels: int = 3,
    mean: NDArray | None = None,
) -> NDArray:
    """Deprecated: an image file's bytes as a float32 array (channels, height, width); mx.image.imdecode is the way.

    clip_rect: (x0, y0, x1, y1) of the part to keep; all zeros: everything. out: an array of that shape, or of several, of
    which number index is written. channels: 3 or 1. mean: subtracted. Needs mx-io; MXNet 1.9.1 itself always fails here.
    """
    from ..data import reader

    image = reader("image").imdecode(str_img, flag=1 if channels == 3 else 0)
    x0, y0, x1, y1 = clip_rect
    height, width = image.shape[:2]
    if not any(clip_rect):
        x1, y1 = width, height
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        msg = f"[imdecode] clip_rect {clip_rect} must lie in the image of width {width} and height {height}"
        raise ShapeError(msg)
    pixels = op("transpose")(image[y0:y1, x0:x1], axes=(2, 0, 1)).astype("float32")
    if mean is not None:
        pixels = pixels - mean
    if out is None:
        return pixels
    target = out[index] if out.ndim == 4 else out
    target[:] = pixels
    return out


def _new_empty_handle() -> NDArray:
    """An array of no elements: what `NDArray(handle)` takes before something is written to it."""
    return empty((0,))
