"""Operators over regions of images: ROIPooling, ROIAlign, Correlation."""

from __future__ import annotations

from ..dtypes import name_of
from ..errors import DTypeError, ParameterError, ShapeError
from ..op import Hidden, Positive, Range, Shape, Tensor, op
from .spatial import require_image


def _check_regions(name, data, rois, pooled_size):
    require_image(name, data)
    if rois.ndim != 2 or rois.shape[1] != 5:
        msg = f"[{name}] rois must be (r, 5): image number, x1, y1, x2, y2, got {rois.shape}"
        raise ShapeError(msg)
    if rois.dtype != data.dtype:
        msg = f"[{name}] rois must have data's element type {name_of(data.dtype)}, got {name_of(rois.dtype)}"
        raise DTypeError(msg)
    if len(pooled_size) != 2:
        msg = f"[{name}] pooled_size must be (h, w), got {pooled_size}"
        raise ParameterError(msg)


@op
def _roi_pooling(
    F, data: Tensor, rois: Tensor, *, pooled_size: Shape, spatial_scale: float
) -> tuple[Tensor, Hidden[Tensor]]:
    """ROIPooling of checked inputs, and the place of each maximum."""


@_roi_pooling.infer
def _(t, data, rois, *, pooled_size):
    shape = (rois.shape[0], data.shape[1], *pooled_size)
    return t.out(shape, data.dtype), t.out(shape, 4)


@_roi_pooling.grad
def _(F, dy, y, data, rois, *, pooled_size, spatial_scale):
    return F._roi_pooling_backward(dy, rois, y[1], shape=data.shape), None


@op
def _roi_pooling_backward(F, dy: Tensor, rois: Tensor, places: Tensor, *, shape: Shape) -> Tensor:
    """The gradient of ROIPooling by data of this shape."""


@_roi_pooling_backward.infer
def _(t, dy, rois, places, *, shape):
    return t.out(shape, dy.dtype)


@op
def ROIPooling(F, data: Tensor, rois: Tensor, *, pooled_size: Positive[Shape], spatial_scale: float) -> Tensor:
    """The maxima of h x w bins of each region.

    data: (n, c, h', w').  rois: (r, 5), rows of image number, x1, y1, x2, y2; the corners belong to the region.
    pooled_size: (h, w).  spatial_scale: factor from rois' coordinates to data's pixels.
    Returns (r, c, h, w); a bin without pixels, or of an image that does not exist, is 0.

    Source: Girshick 2015.
    """
    _check_regions("ROIPooling", data, rois, pooled_size)
    if data.shape[2] * data.shape[3] >= 2**31:
        msg = f"[ROIPooling] an image must have less than 2**31 pixels, got data {data.shape}"
        raise ShapeError(msg)
    return F._roi_pooling(data, rois, pooled_size=pooled_size, spatial_scale=spatial_scale)


@op
def _roi_align(
    F, data: Tensor, rois: Tensor, *, shape: Shape, spatial_scale: float, sample_ratio: int, position_sensitive: bool,
    aligned: bool,
) -> Tensor:  # fmt: skip
    """ROIAlign of checked inputs to this shape."""


@_roi_align.infer
def _(t, data, rois, *, shape):
    return t.out(shape, data.dtype)


@_roi_align.grad
def _(F, dy, y, data, rois, *, shape, **params):
    return F._roi_align_backward(dy, rois, shape=data.shape, **params), None


@op
def _roi_align_backward(
    F, dy: Tensor, rois: Tensor, *, shape: Shape, spatial_scale: float, sample_ratio: int, position_sensitive: bool,
    aligned: bool,
) -> Tensor:  # fmt: skip
    """The gradient of ROIAlign by data of this shape."""


@_roi_align_backward.infer
def _(t, dy, rois, *, shape):
    return t.out(shape, dy.dtype)


@op(name="_contrib_ROIAlign")
def ROIAlign(
    F,
    data: Tensor,
    rois: Tensor,
    *,
    pooled_size: Positive[Shape],
    spatial_scale: float,
    sample_ratio: Range[int, -(2**31), 1024] = -1,
    position_sensitive: bool = False,
    aligned: bool = False,
) -> Tensor:
    """The means of h x w bins of each region, interpolated between pixels.

    data, rois, pooled_size, spatial_scale: as ROIPooling; corners are not rounded.  sample_ratio: samples along each
    side of a bin; as many as it has pixels by default.  position_sensitive: data has channels of its own for each bin.
    aligned: pixels are points at (i + 0.5); otherwise at i, and a region is at least a pixel wide.
    Returns (r, c, h, w); with position_sensitive c / (h w) channels.

    Source: He et al. 2017.
    """
    name = "_contrib_ROIAlign"
    _check_regions(name, data, rois, pooled_size)
    h, w = pooled_size
    channels = data.shape[1]
    if position_sensitive:
        if channels % (h * w):
            msg = f"[{name}] position_sensitive: the {channels} channels of data must be a multiple of h w = {h * w}"
            raise ShapeError(msg)
        channels //= h * w
    return F._roi_align(
        data, rois, shape=(rois.shape[0], channels, h, w), spatial_scale=spatial_scale, sample_ratio=sample_ratio,
        position_sensitive=position_sensitive, aligned=aligned,
    )  # fmt: skip


# -- Correlation -------------------------------------------------------------------------------------------------------


@op
def _correlation(
    F, data1: Tensor, data2: Tensor, *, shape: Shape, kernel_size: int, max_displacement: int, stride1: int,
    stride2: int, pad_size: int, is_multiply: bool,
) -> Tensor:  # fmt: skip
    """Correlation of checked inputs to this shape."""


@_correlation.infer
def _(t, data1, data2, *, shape):
    return t.out(shape, t.same_dtype(data1, data2))


@_correlation.grad
def _(F, dy, y, data1, data2, *, shape, **params):
    return F._correlation_backward(dy, data1, data2, **params)


@op
def _correlation_backward(
    F, dy: Tensor, data1: Tensor, data2: Tensor, *, kernel_size: int, max_displacement: int, stride1: int,
    stride2: int, pad_size: int, is_multiply: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The gradients of Correlation by both inputs."""


@_correlation_backward.infer
def _(t, dy, data1, data2):
    return t.out(data1.shape, data1.dtype), t.out(data2.shape, data2.dtype)


_Size = Range[int, 0, 2**20]


@op
def Correlation(
    F,
    data1: Tensor,
    data2: Tensor,
    *,
    kernel_size: _Size = 1,
    max_displacement: _Size = 1,
    stride1: _Size = 1,
    stride2: _Size = 1,
    pad_size: _Size = 0,
    is_multiply: bool = True,
) -> Tensor:
    """How much patches of one image are like patches of another, for all shifts up to max_displacement.

    data1, data2: (n, c, h, w).  kernel_size: odd side of the patches.  stride1: step of the patches of data1; stride2:
    step of the shifts.  pad_size: zeros around both images.  is_multiply: the mean of the products of the patches'
    elements; otherwise of their absolute differences.
    Returns (n, d^2, h', w') with ``d = 2 (max_displacement // stride2) + 1``.

    Source: Dosovitskiy et al. 2015 (FlowNet).
    """
    require_image("Correlation", data1)
    require_image("Correlation", data2, "data2")
    if data1.shape != data2.shape:
        msg = f"[Correlation] data2 must have data1's shape {data1.shape}, got {data2.shape}"
        raise ShapeError(msg)
    if kernel_size % 2 == 0 or stride1 == 0 or stride2 == 0:
        msg = f"[Correlation] kernel_size must be odd, stride1 and stride2 above 0, got {kernel_size}, {stride1}, {stride2}"
        raise ParameterError(msg)
    n, c, h, w = data1.shape
    border = 2 * (max_displacement + kernel_size // 2)
    out_h, out_w = (-(-(size + 2 * pad_size - border) // stride1) for size in (h, w))
    if out_h < 1 or out_w < 1 or c == 0:
        msg = (
            f"[Correlation] patches and shifts need {border} pixels and more, {data1.shape} with pad_size {pad_size} "
            "has fewer. Use more pad_size or less max_displacement"
        )
        raise ShapeError(msg)
    side = 2 * (max_displacement // stride2) + 1
    return F._correlation(
        data1, data2, shape=(n, side * side, out_h, out_w), kernel_size=kernel_size, max_displacement=max_displacement,
        stride1=stride1, stride2=stride2, pad_size=pad_size, is_multiply=is_multiply,
    )  # fmt: skip
