"""Operators on images and their windows: im2col, col2im, UpSampling, Crop."""

from __future__ import annotations

import math

from ..errors import ParameterError, ShapeError
from ..op import Enum, NonNegative, Positive, Shape, Tensor, op
from ._shapes import window_shape

_MAX = 2**31

# -- im2col -----------------------------------------------------------------------------------------------------------


@op
def _im2col(F, data: Tensor, *, shape: Shape, kernel: Shape, stride: Shape, dilate: Shape, pad: Shape) -> Tensor:
    """im2col with complete parameters; shape is the result's."""


@_im2col.infer
def _(t, data, *, shape):
    return t.out(shape, data.dtype)


@_im2col.grad
def _(F, dy, y, data, *, shape, **params):
    return F._col2im(dy, shape=data.shape, **params)


@op
def _col2im(F, data: Tensor, *, shape: Shape, kernel: Shape, stride: Shape, dilate: Shape, pad: Shape) -> Tensor:
    """col2im with complete parameters; shape is the result's."""


@_col2im.infer
def _(t, data, *, shape):
    return t.out(shape, data.dtype)


@_col2im.grad
def _(F, dy, y, data, *, shape, **params):
    return F._im2col(dy, shape=data.shape, **params)


def _window_params(name, kernel, stride, dilate, pad):
    """Complete window parameters."""
    spatial = len(kernel)
    if spatial not in (1, 2, 3):
        msg = f"[{name}] kernel must have 1, 2 or 3 sizes, got {kernel}"
        raise ParameterError(msg)
    params = {
        "kernel": kernel,
        "stride": stride or (1,) * spatial,
        "dilate": dilate or (1,) * spatial,
        "pad": pad or (0,) * spatial,
    }
    for what, value in params.items():
        if len(value) != spatial or max(value) >= _MAX:
            msg = f"[{name}] {what} must have {spatial} entries below 2**31, one for each spatial axis, got {value}"
            raise ParameterError(msg)
    return params


@op
def im2col(
    F,
    data: Tensor,
    *,
    kernel: Positive[Shape],
    stride: Positive[Shape] = (),
    dilate: Positive[Shape] = (),
    pad: NonNegative[Shape] = (),
) -> Tensor:
    """The windows of images as columns: (n, c, spatial...) to (n, c * prod(kernel), number of windows).

    kernel, stride (1), dilate (1), pad (0): one entry for each of one to three spatial axes. A convolution is a product
    of its weights (num_filter, c * prod(kernel)) with this.

    >>> mx.nd.im2col(mx.nd.ones((1, 3, 4, 4)), kernel=(2, 2)).shape
    (1, 12, 9)
    """
    params = _window_params("im2col", kernel, stride, dilate, pad)
    if data.ndim != len(kernel) + 2:
        msg = f"[im2col] data must be (n, c, spatial...) with as many spatial axes as kernel {kernel}, got {data.shape}"
        raise ShapeError(msg)
    n, c, *space = data.shape
    windows = math.prod(window_shape("im2col", tuple(space), **params))
    return F._im2col(data, shape=(n, c * math.prod(kernel), windows), **params)


@op
def col2im(
    F,
    data: Tensor,
    *,
    output_size: Positive[Shape],
    kernel: Positive[Shape],
    stride: Positive[Shape] = (),
    dilate: Positive[Shape] = (),
    pad: NonNegative[Shape] = (),
) -> Tensor:
    """The sum of overlapping windows, given as im2col's columns: (n, c * prod(kernel), windows) to (n, c, *output_size).

    output_size: the image's sizes.  kernel, stride, dilate, pad: as im2col's.

    >>> mx.nd.col2im(mx.nd.ones((1, 4, 9)), output_size=(4, 4), kernel=(2, 2))[0, 0, 1].asnumpy().tolist()
    [2.0, 4.0, 4.0, 2.0]
    """
    params = _window_params("col2im", kernel, stride, dilate, pad)
    size = math.prod(kernel)
    if len(output_size) != len(kernel):
        msg = f"[col2im] output_size must have as many sizes as kernel {kernel}, got {output_size}"
        raise ParameterError(msg)
    windows = math.prod(window_shape("col2im", output_size, **params))
    if data.ndim != 3 or data.shape[1] % size or data.shape[2] != windows:
        msg = (
            f"[col2im] data must be (n, c * {size}, {windows}) for kernel {kernel} and output_size {output_size}, "
            f"got {data.shape}"
        )
        raise ShapeError(msg)
    return F._col2im(data, shape=(data.shape[0], data.shape[1] // size, *output_size), **params)


# -- UpSampling -------------------------------------------------------------------------------------------------------


def _check_images(t, data, num_args):
    if not data or (num_args and num_args != len(data)):
        t.fail(f"expects {num_args or 'at least one'} array(s) (num_args), got {len(data)}")
    for item in data:
        t.ndim(item, 4)


@op
def UpSampling(
    F,
    data: list[Tensor],
    *,
    scale: Positive[int],
    num_filter: int = 0,
    sample_type: Enum("nearest", "bilinear"),
    multi_input_mode: Enum("concat", "sum") = "concat",
    num_args: int = 0,
    workspace: NonNegative[int] = 512,
) -> Tensor:
    """Images (n, c, h, w) enlarged ``scale`` times in both directions.

    sample_type: "nearest" repeats pixels; further inputs are enlarged to the first one's result and joined along the
    channels, or added with multi_input_mode="sum". "bilinear" takes (data, weight) and is the Deconvolution of each
    channel with its kernel of weight (num_filter, 1, k, k), k = 2 scale - scale % 2, which initializer.Bilinear fills;
    num_filter is then c.  num_args, workspace: accepted for MXNet's programs.

    >>> mx.nd.UpSampling(mx.nd.ones((1, 2, 3, 3)), scale=2, sample_type="nearest").shape
    (1, 2, 6, 6)
    """
    from ..op.inference import Inference

    params = {"scale": scale, "num_filter": num_filter, "sample_type": sample_type}
    _infer_upsampling(
        Inference(UpSampling, [data]), data, multi_input_mode=multi_input_mode, num_args=num_args, **params
    )
    if sample_type == "bilinear":
        return _upsample_bilinear(F, *data, scale)
    height, width = (size * scale for size in data[0].shape[2:])
    parts = [_upsample_nearest(F, item, _times(item.shape, height, width, scale)) for item in data]
    if len(parts) == 1:
        return parts[0]
    return F._concat(*parts, axis=1) if multi_input_mode == "concat" else F.add_n(*parts)


@UpSampling.infer
def _infer_upsampling(t, data, *, scale, num_filter, sample_type, multi_input_mode, num_args):
    if sample_type == "bilinear" and len(data) != 2:
        t.fail(f"sample_type='bilinear' takes two inputs, data and weight, got {len(data)}")
    _check_images(t, data, 0 if sample_type == "bilinear" else num_args)  # MXNet counts only the given ones
    dtype = t.same_dtype(*data)
    first = data[0].shape
    if first is None:
        return t.out(None, dtype)
    n, c, h, w = first
    height, width = (size * scale if size >= 0 else -1 for size in (h, w))
    if sample_type == "bilinear":
        t.float_type(data[0])
        if c not in (-1, num_filter):
            t.fail_shape(f"num_filter must be the number of channels {c} of data {first}, got {num_filter}")
        size = 2 * scale - scale % 2
        t.unify_shape(data[1], (num_filter, 1, size, size), "(num_filter, 1, k, k), k = 2 scale - scale % 2")
        return t.out((n, num_filter, height, width), dtype)
    channels = 0
    for item in data:
        t.require_shape(item)
        times = _times(item.shape, height, width, scale)
        if item.shape[0] != n or (item.shape[2] * times, item.shape[3] * times) != (height, width):
            t.fail_shape(
                f"{t.name_of(item)} must have n = {n} and divide {height} and {width}, scale times the first input's "
                f"sizes, by one number, got {item.shape}"
            )
        if multi_input_mode == "sum" and item.shape[1] != c:
            t.fail_shape(f"multi_input_mode='sum' needs inputs of {c} channels, got {item.shape}")
        channels += item.shape[1]
    return t.out((n, c if multi_input_mode == "sum" else channels, height, width), dtype)


def _times(shape, height, width, scale):
    """How often an image is enlarged to be height x width."""
    return next((wanted // size for wanted, size in ((height, shape[2]), (width, shape[3])) if size), scale)


def _upsample_nearest(F, data, times):
    n, c, h, w = data.shape
    thin = F._view(data, shape=(n, c, h, 1, w, 1))
    return F._view(F._broadcast(thin, shape=(n, c, h, times, w, times)), shape=(n, c, h * times, w * times))


def _upsample_bilinear(F, data, weight, scale):
    n, c, h, w = data.shape
    return F._convolution_backward_data(
        data,
        weight,
        shape=(n, c, h * scale, w * scale),
        kernel=weight.shape[2:],
        stride=(scale, scale),
        dilate=(1, 1),
        pad=(scale // 2, scale // 2),
        num_group=c,
    )


# -- Crop -------------------------------------------------------------------------------------------------------------


@op
def Crop(
    F,
    data: list[Tensor],
    *,
    num_args: int = 0,
    offset: NonNegative[Shape] = (0, 0),
    h_w: NonNegative[Shape] = (0, 0),
    center_crop: bool = False,
) -> Tensor:
    """A part of images (n, c, h, w): of the size ``h_w``, or as high and wide as a second input.

    offset: (y, x) of its corner.  center_crop: from the middle instead.  num_args: the number of inputs, 1 or 2.

    >>> mx.nd.Crop(mx.nd.ones((1, 1, 4, 4)), h_w=(2, 3), center_crop=True).shape
    (1, 1, 2, 3)
    """
    if len(data) not in (1, 2) or (num_args and num_args != len(data)):
        msg = f"[Crop] expects {num_args or '1 or 2'} array(s) (num_args), got {len(data)}"
        raise ParameterError(msg)
    if any(item.ndim != 4 for item in data) or len(offset) != 2 or len(h_w) != 2:
        shapes = [item.shape for item in data]
        msg = f"[Crop] inputs must be (n, c, h, w), offset and h_w two numbers, got {shapes}, {offset}, {h_w}"
        raise ShapeError(msg)
    n, c, height, width = data[0].shape
    h, w = data[1].shape[2:] if len(data) == 2 else h_w
    if h < 1 or w < 1:
        msg = f"[Crop] h_w must be > 0, got {(h, w)}. Give it, or a second input of that size"
        raise ParameterError(msg)
    y, x = ((height - h) // 2, (width - w) // 2) if center_crop else offset
    if y < 0 or x < 0 or y + h > height or x + w > width:
        msg = f"[Crop] {h} x {w} pixels at {(y, x)} are not inside of data {data[0].shape}"
        raise ShapeError(msg)
    return F._slice(data[0], begin=(0, 0, y, x), step=(1, 1, 1, 1), shape=(n, c, h, w))
