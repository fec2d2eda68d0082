"""Operators that move images about: grids, bilinear sampling, spatial transformers, resizing, adaptive pooling."""

from __future__ import annotations

import math

from ..dtypes import name_of
from ..errors import DTypeError, ParameterError, ShapeError
from ..op import Enum, NonNegative, Shape, Tensor, op
from .nn import require_float


def require_image(name, data, what="data"):
    """Raise unless data is (n, c, h, w) of floats."""
    require_float(name, data, what)
    if data.ndim != 4:
        msg = f"[{name}] {what} must be (n, c, h, w), got {data.shape}"
        raise ShapeError(msg)


# -- bilinear sampling -------------------------------------------------------------------------------------------------


@op
def _bilinear_sampler(F, data: Tensor, grid: Tensor) -> Tensor:
    """BilinearSampler of checked inputs."""


@_bilinear_sampler.infer
def _(t, data, grid):
    return t.out((*data.shape[:2], *grid.shape[2:]), t.same_dtype(data, grid))


@_bilinear_sampler.grad
def _(F, dy, y, data, grid):
    return F._bilinear_sampler_backward(dy, data, grid)


@op
def _bilinear_sampler_backward(F, dy: Tensor, data: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of BilinearSampler by data and grid."""


@_bilinear_sampler_backward.infer
def _(t, dy, data, grid):
    return t.out(data.shape, data.dtype), t.out(grid.shape, grid.dtype)


@op
def BilinearSampler(F, data: Tensor, grid: Tensor, *, cudnn_off: bool | None = None) -> Tensor:
    """The values of images at the places of a grid, interpolated between the four pixels around each.

    data: (n, c, h, w).  grid: (n, 2, h', w'): x and y of each place, from -1 (first pixel) to 1 (last pixel); beyond
    them lie zeros.  cudnn_off: accepted for MXNet's programs.  Returns (n, c, h', w').

    >>> x, centre = mx.nd.array([[[[0, 2], [4, 6]]]]), mx.nd.zeros((1, 2, 1, 1))
    >>> mx.nd.BilinearSampler(x, centre).asnumpy().item()
    3.0
    """
    require_image("BilinearSampler", data)
    require_image("BilinearSampler", grid, "grid")
    if grid.shape[:2] != (data.shape[0], 2):
        msg = f"[BilinearSampler] grid must be (n, 2, h', w') with n = {data.shape[0]}, got {grid.shape}"
        raise ShapeError(msg)
    if grid.dtype != data.dtype:
        msg = f"[BilinearSampler] grid must have data's element type {name_of(data.dtype)}, got {name_of(grid.dtype)}"
        raise DTypeError(msg)
    return F._bilinear_sampler(data, grid)


def _line(F, size, dtype, axis):
    """0, 1, ... size - 1 along axis 2 or 3 of four."""
    numbers = F._range(start=0.0, step=1.0, repeat=1, count=size, dtype=dtype)
    return F._view(numbers, shape=(1, 1, size, 1) if axis == 2 else (1, 1, 1, size))


@op
def GridGenerator(
    F, data: Tensor, *, transform_type: Enum("affine", "warp"), target_shape: NonNegative[Shape] = (0, 0)
) -> Tensor:
    """The grid for BilinearSampler of an affine map or of a flow of pixels.

    affine: data (n, 6), the rows of the matrix that maps (x, y, 1) of the output to x and y of the input, both from -1
    to 1; target_shape: (h, w) of the grid.  warp: data (n, 2, h, w), how many pixels each place moves along x and y.
    Returns (n, 2, h, w).
    """
    require_float("GridGenerator", data)
    if transform_type == "warp":
        if data.ndim != 4 or data.shape[1] != 2:
            msg = f"[GridGenerator] transform_type='warp' takes data (n, 2, h, w), got {data.shape}"
            raise ShapeError(msg)
        h, w = data.shape[2:]
        parts = []
        for k, (axis, size) in enumerate(((3, w), (2, h))):
            places = F.slice_axis(data, axis=1, begin=k, end=k + 1) + _line(F, size, data.dtype, axis)
            parts.append(places * (2.0 / max(size - 1, 1)) - 1.0)
        return F._concat(parts, axis=1)
    if data.ndim != 2 or data.shape[1] != 6:
        msg = f"[GridGenerator] transform_type='affine' takes data (n, 6), got {data.shape}"
        raise ShapeError(msg)
    h, w = _target(target_shape, "GridGenerator")
    n = data.shape[0]
    rows = F._view(data, shape=(n, 2, 3))
    by_x, by_y, offset = (F._view(F.slice_axis(rows, axis=2, begin=k, end=k + 1), shape=(n, 2, 1, 1)) for k in range(3))
    # MXNet 1.x divides 0 by 0 where an axis has one pixel; here that pixel is the first, at -1.
    xs = _line(F, w, data.dtype, 3) * (2.0 / max(w - 1, 1)) - 1.0
    ys = _line(F, h, data.dtype, 2) * (2.0 / max(h - 1, 1)) - 1.0
    return by_x * xs + by_y * ys + offset


def _target(target_shape, name):
    if len(target_shape) != 2 or min(target_shape) < 1:
        msg = f"[{name}] target_shape must be (h, w), both above 0, got {target_shape}"
        raise ParameterError(msg)
    return target_shape


@op
def SpatialTransformer(
    F,
    data: Tensor,
    loc: Tensor,
    *,
    target_shape: NonNegative[Shape] = (0, 0),
    transform_type: Enum("affine"),
    sampler_type: Enum("bilinear"),
    cudnn_off: bool | None = None,
) -> Tensor:
    """Images seen through affine maps: BilinearSampler at the grid of GridGenerator.

    data: (n, c, h, w).  loc: (n, 6), the maps from the output's places to the input's.  target_shape: (h', w').
    cudnn_off: accepted for MXNet's programs.  Returns (n, c, h', w').  Source: Jaderberg et al. 2015.
    """
    require_image("SpatialTransformer", data)
    if loc.shape != (data.shape[0], 6):
        msg = f"[SpatialTransformer] loc must have shape (n, 6) = ({data.shape[0]}, 6), got {loc.shape}"
        raise ShapeError(msg)
    _target(target_shape, "SpatialTransformer")
    return F.BilinearSampler(data, F.GridGenerator(loc, transform_type=transform_type, target_shape=target_shape))


# -- sizes -------------------------------------------------------------------------------------------------------------


@op
def _bilinear_resize(F, data: Tensor, *, height: int, width: int, align_corners: bool) -> Tensor:
    """data (n, c, h, w) resized to height x width."""


@_bilinear_resize.infer
def _(t, data, *, height, width):
    return t.out((*data.shape[:2], height, width), data.dtype)


@_bilinear_resize.grad
def _(F, dy, y, data, *, height, width, align_corners):
    return F._bilinear_resize_backward(dy, height=data.shape[2], width=data.shape[3], align_corners=align_corners)


@op
def _bilinear_resize_backward(F, dy: Tensor, *, height: int, width: int, align_corners: bool) -> Tensor:
    """The gradient of _bilinear_resize by data, which has this height and width."""


@_bilinear_resize_backward.infer
def _(t, dy, *, height, width):
    return t.out((*dy.shape[:2], height, width), dy.dtype)


@_bilinear_resize_backward.grad
def _(F, ddx, dx, dy, *, height, width, align_corners):
    return F._bilinear_resize(ddx, height=dy.shape[2], width=dy.shape[3], align_corners=align_corners)


_RESIZE = Enum("like", "odd_scale", "size", "to_even_down", "to_even_up", "to_odd_down", "to_odd_up")


def _resized(mode, size, wanted, scale):
    """The new size of an axis."""
    if mode == "size":
        return wanted if scale is None else int(size * scale)
    if mode == "odd_scale":
        return int(size * scale) if size % 2 == 0 else int((size - 1) * scale) + 1
    if mode.startswith("to_odd"):
        return size if size % 2 else size + (1 if mode == "to_odd_up" else -1)
    return size if size % 2 == 0 else size + (1 if mode == "to_even_up" else -1)


@op(name="_contrib_BilinearResize2D")
def BilinearResize2D(
    F,
    data: Tensor,
    like: Tensor | None = None,
    *,
    height: int = 1,
    width: int = 1,
    scale_height: float | None = None,
    scale_width: float | None = None,
    mode: _RESIZE = "size",
    align_corners: bool = True,
) -> Tensor:
    """Images of another size, interpolated between pixels.

    data: (n, c, h, w).  mode: size (height and width, or h and w times scale_height and scale_width), like (those of
    ``like``), odd_scale (odd sizes x become ``(x - 1) scale + 1``), to_even_down, to_even_up, to_odd_down, to_odd_up
    (the next such sizes).
    align_corners: corner pixels lie on corner pixels; otherwise the edges of the images on each other.
    """
    require_image("_contrib_BilinearResize2D", data)
    h, w = data.shape[2:]
    if (like is not None) != (mode == "like"):
        msg = f"[_contrib_BilinearResize2D] mode='{mode}' takes {'an' if mode == 'like' else 'no'} input like"
        raise ParameterError(msg)
    if mode == "odd_scale" and (scale_height is None or scale_width is None):
        msg = "[_contrib_BilinearResize2D] mode='odd_scale' needs scale_height and scale_width"
        raise ParameterError(msg)
    for scale in (scale_height, scale_width):
        if scale is not None and not 0 < scale < 2**31:
            msg = f"[_contrib_BilinearResize2D] a scale must be above 0, got {scale}"
            raise ParameterError(msg)
    if like is not None:
        require_image("_contrib_BilinearResize2D", like, "like")
        new_h, new_w = like.shape[2:]
    else:
        new_h, new_w = _resized(mode, h, height, scale_height), _resized(mode, w, width, scale_width)
    if h == 0 or w == 0 or new_h < 1 or new_w < 1:
        msg = f"[_contrib_BilinearResize2D] cannot resize {data.shape} to {new_h} x {new_w}: all must be above 0"
        raise ShapeError(msg)
    if max(new_h, new_w) >= 2**24:
        msg = f"[_contrib_BilinearResize2D] height and width must be less than 2**24, got {new_h} and {new_w}"
        raise ParameterError(msg)
    return F._bilinear_resize(data, height=new_h, width=new_w, align_corners=align_corners)


def _bins(F, size, count, dtype):
    """(size, count): i's weight in the mean of bin j, from floor(j size / count) to ceil((j + 1) size / count)."""
    places = F._view(F._range(start=0.0, step=1.0, repeat=1, count=size, dtype="float64"), shape=(size, 1))
    bins = F._view(F._range(start=0.0, step=1.0, repeat=1, count=count, dtype="float64"), shape=(1, count))
    begin = F.floor(bins * float(size) / float(count))
    end = F.ceil((bins + 1.0) * float(size) / float(count))
    inside = F._cast(F.broadcast_greater_equal(places, begin), dtype="float64") * F._cast(
        F.broadcast_lesser(places, end), dtype="float64"
    )
    return F._cast(inside / (end - begin), dtype=dtype)


@op(name="_contrib_AdaptiveAvgPooling2D")
def AdaptiveAvgPooling2D(F, data: Tensor, *, output_size: NonNegative[Shape] = ()) -> Tensor:
    """The means of h' x w' windows that cover the images evenly, overlapping by at most a pixel.

    data: (n, c, h, w).  output_size: (h', w'), (size,) for both, () for (1, 1).  Returns (n, c, h', w').
    """
    require_image("_contrib_AdaptiveAvgPooling2D", data)
    if len(output_size) > 2 or 0 in output_size:
        msg = f"[_contrib_AdaptiveAvgPooling2D] output_size must be (h, w), (size,) or (), above 0, got {output_size}"
        raise ParameterError(msg)
    n, c, h, w = data.shape
    if h == 0 or w == 0:
        msg = f"[_contrib_AdaptiveAvgPooling2D] data must have pixels, got {data.shape}"
        raise ShapeError(msg)
    new_h, new_w = (output_size * 2)[:2] if output_size else (1, 1)
    if (new_h, new_w) == (1, 1):
        return F._reduce(data, op="mean", axes=(2, 3), keepdims=True)
    columns = F._matmul(F._view(data, shape=(math.prod((n, c, h)), w)), _bins(F, w, new_w, data.dtype))
    turned = F._transpose(F._view(columns, shape=(n * c, h, new_w)), axes=(0, 2, 1))
    rows = F._matmul(F._view(turned, shape=(n * c * new_w, h)), _bins(F, h, new_h, data.dtype))
    result = F._transpose(F._view(rows, shape=(n * c, new_w, new_h)), axes=(0, 2, 1))
    return F._view(result, shape=(n, c, new_h, new_w))
