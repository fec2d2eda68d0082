"""Convolution and Pooling in one, two and three dimensions.

Kernels work on channels-first arrays (n, c, spatial...); channels-last layouts are moved there and back.
"""

from __future__ import annotations

import math

from ..errors import ParameterError, ShapeError
from ..op import Enum, NonNegative, Positive, Shape, Tensor, op
from ._shapes import COMPOSED, window_shape
from .linear import check_types
from .nn import require_float

_LAYOUTS = ("NCW", "NCHW", "NCDHW")


def _full_length(name, what, value, spatial, default):
    """A window parameter with one entry for each spatial axis; () is the default everywhere."""
    if not value:
        return (default,) * spatial
    if len(value) != spatial:
        msg = f"[{name}] {what} must have {spatial} entries, one for each spatial axis of the kernel, got {value}"
        raise ParameterError(msg)
    return value


def _channels_first(name, layout, spatial):
    """The axes that bring an array of this layout to channels-first, or None when it is there."""
    if layout is None or layout == _LAYOUTS[spatial - 1]:
        return None
    if layout != "N" + _LAYOUTS[spatial - 1][2:] + "C":
        msg = f"[{name}] layout {layout} does not fit a kernel of {spatial} dimensions"
        raise ParameterError(msg)
    return (0, spatial + 1, *range(1, spatial + 1))


# -- Convolution -----------------------------------------------------------------------------------------------------


@op(kernel="Convolution")
def _convolution(
    F,
    data: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    kernel: Shape,
    stride: Shape,
    dilate: Shape,
    pad: Shape,
    num_group: int,
) -> Tensor:
    """Convolution with complete parameters, channels first."""


@_convolution.infer
def _(t, data, weight, bias=None, *, kernel, stride, dilate, pad):
    t.require_shape(data, weight)
    space = window_shape("Convolution", data.shape[2:], kernel, stride, pad, dilate)
    return t.out((data.shape[0], weight.shape[0], *space), t.same_dtype(data, weight, bias))


@_convolution.grad
def _(F, dy, y, data, weight, bias, **params):
    dx = F._convolution_backward_data(dy, weight, shape=data.shape, **params)
    if bias is None:
        return dx, F._convolution_backward_weight(dy, data, shape=weight.shape, has_bias=False, **params), None
    return dx, *F._convolution_backward_weight(dy, data, shape=weight.shape, has_bias=True, **params)


@op
def _convolution_backward_data(
    F,
    dy: Tensor,
    weight: Tensor,
    *,
    shape: Shape,
    kernel: Shape,
    stride: Shape,
    dilate: Shape,
    pad: Shape,
    num_group: int,
) -> Tensor:
    """The gradient of a convolution by its data, which has this shape."""


@_convolution_backward_data.infer
def _(t, dy, weight, *, shape):
    return t.out(shape, t.same_dtype(dy, weight))


@_convolution_backward_data.grad
def _(F, ddx, dx, dy, weight, *, shape, **params):
    ddy = F._convolution(ddx, weight, None, **params)
    return ddy, F._convolution_backward_weight(dy, ddx, shape=weight.shape, has_bias=False, **params)


@op(num_outputs=lambda params: 1 + params["has_bias"])
def _convolution_backward_weight(
    F,
    dy: Tensor,
    data: Tensor,
    *,
    shape: Shape,
    has_bias: bool,
    kernel: Shape,
    stride: Shape,
    dilate: Shape,
    pad: Shape,
    num_group: int,
) -> list[Tensor]:
    """The gradients of a convolution by its weight, which has this shape, and by its bias."""


@_convolution_backward_weight.infer
def _(t, dy, data, *, shape, has_bias):
    dtype = t.same_dtype(dy, data)
    dweight = t.out(shape, dtype)
    return (dweight, t.out(shape[:1], dtype)) if has_bias else dweight


@_convolution_backward_weight.grad
def _(F, ddw, dw, dy, data, *, shape, has_bias, **params):
    ddweight, ddbias = ddw if has_bias else (ddw, None)
    ddy = F._convolution(data, ddweight, ddbias, **params)
    return ddy, F._convolution_backward_data(dy, ddweight, shape=data.shape, **params)


@op(kernel=COMPOSED)
def Convolution(
    F,
    data: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    kernel: Positive[Shape],
    stride: Positive[Shape] = (),
    dilate: Positive[Shape] = (),
    pad: NonNegative[Shape] = (),
    num_filter: Positive[int],
    num_group: Positive[int] = 1,
    workspace: NonNegative[int] = 1024,
    no_bias: bool = False,
    cudnn_tune: Enum("fastest", "limited_workspace", "off") | None = None,
    cudnn_off: bool = False,
    layout: Enum("NCW", "NCHW", "NCDHW", "NHWC", "NDHWC") | None = None,
) -> Tensor:
    """Cross-correlation of ``data`` with ``weight`` over one to three spatial axes, plus a bias for each filter.

    data: (n, c, w), (n, c, h, w) or (n, c, d, h, w), as ``kernel`` has one, two or three sizes.
    weight: (num_filter, c / num_group, *kernel).  bias: (num_filter,), left out with no_bias.
    stride (1), dilate (1), pad (0): one entry for each spatial axis.  num_group: channels and filters are split into
    groups that do not mix.  layout: channels-last layouts have weights (num_filter, *kernel, c / num_group).
    workspace, cudnn_tune, cudnn_off: accepted for MXNet's programs.
    Returns (n, num_filter, spatial...), sizes ``floor((x + 2 pad - dilate (kernel - 1) - 1) / stride) + 1``.

    >>> x, w = mx.nd.ones((1, 3, 28, 28)), mx.nd.ones((8, 3, 5, 5))
    >>> mx.nd.Convolution(x, w, kernel=(5, 5), num_filter=8, no_bias=True).shape
    (1, 8, 24, 24)
    """
    spatial = len(kernel)
    check_types(
        Convolution, data, weight, bias, kernel=kernel, stride=stride, dilate=dilate, pad=pad, num_filter=num_filter,
        num_group=num_group, no_bias=no_bias, layout=layout,
    )  # fmt: skip
    axes = _channels_first("Convolution", layout, spatial)
    if axes is not None:
        data, weight = F._transpose(data, axes=axes), F._transpose(weight, axes=axes)
    result = F._convolution(
        data,
        weight,
        bias,
        kernel=kernel,
        stride=stride or (1,) * spatial,
        dilate=dilate or (1,) * spatial,
        pad=pad or (0,) * spatial,
        num_group=num_group,
    )
    return result if axes is None else F._transpose(result, axes=(0, *range(2, spatial + 2), 1))


@Convolution.infer
def _(t, data, weight, bias, *, kernel, stride, dilate, pad, num_filter, num_group, no_bias, layout):
    spatial = len(kernel)
    if spatial not in (1, 2, 3):
        t.fail(f"kernel must have 1, 2 or 3 sizes, got {kernel}")
    if no_bias and bias is not None:
        t.fail("no_bias=True takes two inputs, got a bias too")
    if not no_bias and bias is None:
        t.fail("input bias is missing. Give it, or say no_bias=True")
    stride = _full_length("Convolution", "stride", stride, spatial, 1)
    dilate = _full_length("Convolution", "dilate", dilate, spatial, 1)
    pad = _full_length("Convolution", "pad", pad, spatial, 0)
    if num_filter % num_group:
        t.fail(f"num_group {num_group} must divide num_filter {num_filter}")
    t.float_type(data)
    dtype = t.same_dtype(data, weight, bias)
    if bias is not None:
        t.unify_shape(bias, (num_filter,), "(num_filter,)")
    last = _channels_first("Convolution", layout, spatial) is not None
    if data.shape is None:
        return t.out(None, dtype)
    if len(data.shape) != spatial + 2:
        t.fail_shape(
            f"data must have {spatial + 2} dimensions (n, c, spatial...) for kernel {kernel}, got {data.shape}"
        )
    channels = data.shape[-1] if last else data.shape[1]
    if channels > 0 and channels % num_group:
        t.fail(f"num_group {num_group} must divide the {channels} channels of data {data.shape}")
    group = channels // num_group if channels > 0 else -1
    why = "(num_filter, *kernel, c / num_group)" if last else "(num_filter, c / num_group, *kernel)"
    t.unify_shape(weight, (num_filter, *kernel, group) if last else (num_filter, group, *kernel), why)
    space = data.shape[1:-1] if last else data.shape[2:]
    if -1 in space:
        return t.out(None, dtype)
    space = window_shape("Convolution", space, kernel, stride, pad, dilate)
    return t.out((data.shape[0], *space, num_filter) if last else (data.shape[0], num_filter, *space), dtype)


# -- Pooling ---------------------------------------------------------------------------------------------------------


@op(kernel="Pooling")
def _pooling(
    F,
    data: Tensor,
    *,
    shape: Shape,
    kernel: Shape,
    stride: Shape,
    pad: Shape,
    pool_type: str,
    count_include_pad: bool,
    p_value: int,
) -> Tensor:
    """Pooling with complete parameters, channels first, to an output of this shape."""


@_pooling.infer
def _(t, data, *, shape):
    return t.out(shape, data.dtype)


@_pooling.grad
def _(F, dy, y, data, *, shape, **params):
    return F._pooling_backward(dy, data, y, **params)


@op
def _pooling_backward(
    F,
    dy: Tensor,
    data: Tensor,
    y: Tensor,
    *,
    kernel: Shape,
    stride: Shape,
    pad: Shape,
    pool_type: str,
    count_include_pad: bool,
    p_value: int,
) -> Tensor:
    """The gradient of pooling: of a maximum, the first element that is the greatest gets it."""


@_pooling_backward.infer
def _(t, dy, data, y):
    return t.out(data.shape, data.dtype)


@op(kernel=COMPOSED)
def Pooling(
    F,
    data: Tensor,
    *,
    kernel: Positive[Shape] = (),
    pool_type: Enum("max", "avg", "sum", "lp") = "max",
    global_pool: bool = False,
    cudnn_off: bool = False,
    pooling_convention: Enum("valid", "full", "same") = "valid",
    stride: Positive[Shape] = (),
    pad: NonNegative[Shape] = (),
    p_value: int | None = None,
    count_include_pad: bool | None = None,
    layout: Enum("NCW", "NCHW", "NCDHW", "NWC", "NHWC", "NDHWC") | None = None,
) -> Tensor:
    """The max, average, sum or p-norm of each window along one to three spatial axes.

    data: (n, c, spatial...).  kernel: window sizes, not needed for global_pool, which takes the whole input.
    stride (1), pad (0): one entry for each spatial axis.  pooling_convention: valid rounds the output's size down, full
    up (windows may overhang the end), same gives ``ceil(x / stride)`` (1-D max only).  p_value: the norm of lp, 1 to 3.
    count_include_pad: padding counts in averages (the default).  cudnn_off: accepted for MXNet's programs.
    Returns (n, c, spatial...).

    >>> mx.nd.Pooling(mx.nd.ones((1, 2, 6, 6)), kernel=(2, 2), stride=(2, 2), pool_type="avg").shape
    (1, 2, 3, 3)
    """
    require_float("Pooling", data)
    spatial = data.ndim - 2
    if spatial not in (1, 2, 3) or (kernel and len(kernel) != spatial):
        msg = (
            f"[Pooling] data must be (n, c, one to three spatial axes), as many as in kernel {kernel}, got {data.shape}"
        )
        raise ShapeError(msg)
    if pool_type == "lp" and p_value not in (1, 2, 3):
        msg = f"[Pooling] pool_type='lp' needs p_value 1, 2 or 3, got {p_value}"
        raise ParameterError(msg)
    axes = _channels_first("Pooling", layout, spatial)
    if axes is not None:
        data = F._transpose(data, axes=axes)
    result = _pooled(
        F, data, kernel, pool_type, global_pool, pooling_convention, stride, pad, p_value or 2, count_include_pad
    )
    return result if axes is None else F._transpose(result, axes=(0, *range(2, spatial + 2), 1))


def _pooled(F, data, kernel, pool_type, global_pool, convention, stride, pad, p_value, count_include_pad):
    space = data.shape[2:]
    spatial = len(space)
    if global_pool:
        if pool_type in ("avg", "sum"):
            kind = "mean" if pool_type == "avg" else "sum"
            return F._reduce(data, op=kind, axes=tuple(range(2, data.ndim)), keepdims=True)
        if not math.prod(space):
            msg = f"[Pooling] global_pool of an empty image, data {data.shape}"
            raise ShapeError(msg)
        kernel, stride, pad, out = space, (1,) * spatial, (0,) * spatial, (1,) * spatial
    else:
        if not kernel:
            msg = "[Pooling] kernel is required, for example kernel=(2, 2), unless global_pool=True"
            raise ParameterError(msg)
        stride = _full_length("Pooling", "stride", stride, spatial, 1)
        pad = _full_length("Pooling", "pad", pad, spatial, 0)
        out = _pooled_space(space, kernel, stride, pad, convention, pool_type)
    return F._pooling(
        data,
        shape=(*data.shape[:2], *out),
        kernel=kernel,
        stride=stride,
        pad=pad,
        pool_type=pool_type,
        count_include_pad=count_include_pad is not False,
        p_value=p_value,
    )


def _pooled_space(space, kernel, stride, pad, convention, pool_type):
    if any(p >= k for p, k in zip(pad, kernel, strict=True)):
        msg = f"[Pooling] pad must be less than kernel {kernel} on each axis, got {pad}"
        raise ParameterError(msg)
    if convention != "same":
        return window_shape("Pooling", space, kernel, stride, pad, full=convention == "full")
    if len(space) != 1 or pool_type != "max":
        msg = "[Pooling] pooling_convention='same' exists for max pooling in one dimension only"
        raise ParameterError(msg)
    return tuple(-(-size // step) for size, step in zip(space, stride, strict=True))
