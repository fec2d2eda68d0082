"""Deformable convolutions: a product of weights with columns that are sampled at places that are data too.

The two forms differ at the border: see `_deformable_columns`.
"""

from __future__ import annotations

import math

from ..op import Enum, NonNegative, Positive, Shape, Tensor, op
from ._shapes import COMPOSED, window_shape
from .convolution import _full_length
from .linear import check_types

_Layout = Enum("NCW", "NCHW", "NCDHW")


@op
def _deformable_columns(
    F, data: Tensor, offset: Tensor, mask: Tensor | None = None, *, kernel: Shape, stride: Shape, dilate: Shape,
    pad: Shape, groups: int,
) -> Tensor:  # fmt: skip
    """The pixels that each window sees, interpolated at its taps' places moved by ``offset``: (c k, n, h' w').

    Without mask, places from 0 to below the image's size are inside, and those after the last pixel have its value;
    with mask, a factor of each sample, the value falls to 0 within a pixel outside of the image.
    """


@_deformable_columns.infer
def _(t, data, offset, mask=None, *, kernel):
    t.require_shape(data, offset)
    columns = data.shape[1] * math.prod(kernel)
    return t.out((columns, data.shape[0], offset.shape[2] * offset.shape[3]), t.same_dtype(data, offset, mask))


@_deformable_columns.grad
def _(F, dy, y, data, offset, mask, **params):
    if mask is None:
        return *F._deformable_columns_backward(dy, data, offset, None, has_mask=False, **params), None
    return F._deformable_columns_backward(dy, data, offset, mask, has_mask=True, **params)


@op(num_outputs=lambda params: 2 + params["has_mask"])
def _deformable_columns_backward(
    F, dy: Tensor, data: Tensor, offset: Tensor, mask: Tensor | None = None, *, has_mask: bool, kernel: Shape,
    stride: Shape, dilate: Shape, pad: Shape, groups: int,
) -> list[Tensor]:  # fmt: skip
    """The gradients of _deformable_columns by data, offset and, where given, mask."""


@_deformable_columns_backward.infer
def _(t, dy, data, offset, mask=None):
    outs = [t.like(data), t.like(offset)]
    return outs if mask is None else [*outs, t.like(mask)]


def _convolve(F, data, offset, mask, weight, bias, *, kernel, stride, dilate, pad, num_filter, num_group, groups):
    """weight (num_group, filters, c k / num_group) times the columns, for all images at once."""
    columns = F._deformable_columns(
        data, offset, mask, kernel=kernel, stride=stride or (1, 1), dilate=dilate or (1, 1), pad=pad or (0, 0),
        groups=groups,
    )  # fmt: skip
    n, places = columns.shape[1:]
    depth = columns.shape[0] // num_group
    weight = F._view(weight, shape=(num_group, num_filter // num_group, depth))
    columns = F._view(columns, shape=(num_group, depth, n * places))
    y = F._view(F._matmul(weight, columns), shape=(num_filter, n, places))
    y = F._view(F._transpose(y, axes=(1, 0, 2)), shape=(n, num_filter, *offset.shape[2:]))
    return y if bias is None else y + F._view(bias, shape=(num_filter, 1, 1))


def _infer(t, data, offset, mask, weight, bias, *, kernel, stride, dilate, pad, num_filter, num_group, groups, no_bias):
    """What both forms check; mask is None for the form without."""
    if len(kernel) != 2:
        t.fail(f"kernel must have 2 sizes, got {kernel}")
    if no_bias and bias is not None:
        t.fail("no_bias=True takes no bias, got one")
    if not no_bias and bias is None:
        t.fail("input bias is missing. Give it, or say no_bias=True")
    name = t.opdef.name
    stride = _full_length(name, "stride", stride, 2, 1)
    dilate = _full_length(name, "dilate", dilate, 2, 1)
    pad = _full_length(name, "pad", pad, 2, 0)
    if num_filter % num_group:
        t.fail(f"num_group {num_group} must divide num_filter {num_filter}")
    t.float_type(data)
    dtype = t.same_dtype(data, offset, mask, weight, bias)
    if bias is not None:
        t.unify_shape(bias, (num_filter,), "(num_filter,)")
    if data.shape is None:
        return t.out(None, dtype)
    if len(data.shape) != 4:
        t.fail_shape(f"data must be (n, c, h, w), got {data.shape}")
    channels = data.shape[1]
    if channels > 0 and (channels % num_group or channels % groups):
        t.fail(f"num_group {num_group} and num_deformable_group {groups} must divide the {channels} channels of data")
    t.unify_shape(weight, (num_filter, channels // num_group if channels > 0 else -1, *kernel),
                  "(num_filter, c / num_group, *kernel)")  # fmt: skip
    if -1 in data.shape[2:]:
        return t.out(None, dtype)
    space = window_shape(name, data.shape[2:], kernel, stride, pad, dilate)
    taps = groups * math.prod(kernel)
    t.unify_shape(offset, (data.shape[0], 2 * taps, *space), "(n, 2 num_deformable_group prod(kernel), h', w')")
    if mask is not None:
        t.unify_shape(mask, (data.shape[0], taps, *space), "(n, num_deformable_group prod(kernel), h', w')")
    return t.out((data.shape[0], num_filter, *space), dtype)


@op(name="_contrib_DeformableConvolution", kernel=COMPOSED)
def DeformableConvolution(
    F,
    data: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    kernel: Positive[Shape],
    stride: Positive[Shape] = (),
    dilate: Positive[Shape] = (),
    pad: NonNegative[Shape] = (),
    num_filter: Positive[int],
    num_group: Positive[int] = 1,
    num_deformable_group: Positive[int] = 1,
    workspace: NonNegative[int] = 1024,
    no_bias: bool = False,
    layout: _Layout | None = None,
) -> Tensor:
    """Convolution of images whose windows' taps are moved by ``offset``, in pixels.

    data: (n, c, h, w).  offset: (n, 2 num_deformable_group prod(kernel), h', w'), for each tap its shift down and to the
    right; num_deformable_group: groups of channels with shifts of their own.  weight, bias and the other parameters:
    as Convolution.  Samples lie between pixels; those before the first pixel or beyond the image are 0.
    workspace, layout: accepted for MXNet's programs.
    Returns (n, num_filter, h', w').

    Source: Dai et al. 2017.

    >>> x, still, w = mx.nd.ones((1, 2, 5, 5)), mx.nd.zeros((1, 18, 3, 3)), mx.nd.ones((4, 2, 3, 3))
    >>> mx.nd.contrib.DeformableConvolution(x, still, w, kernel=(3, 3), num_filter=4, no_bias=True).shape
    (1, 4, 3, 3)
    """
    window = {"kernel": kernel, "stride": stride, "dilate": dilate, "pad": pad, "num_filter": num_filter}
    check_types(
        DeformableConvolution, data, offset, weight, bias, **window, num_group=num_group,
        num_deformable_group=num_deformable_group, no_bias=no_bias,
    )  # fmt: skip
    return _convolve(
        F, data, offset, None, weight, bias, **window, num_group=num_group, groups=num_deformable_group
    )  # fmt: skip


@DeformableConvolution.infer
def _(
    t, data, offset, weight, bias, *, kernel, stride, dilate, pad, num_filter, num_group, num_deformable_group, no_bias
):  # fmt: skip
    return _infer(
        t, data, offset, None, weight, bias, kernel=kernel, stride=stride, dilate=dilate, pad=pad,
        num_filter=num_filter, num_group=num_group, groups=num_deformable_group, no_bias=no_bias,
    )  # fmt: skip


@op(name="_contrib_ModulatedDeformableConvolution", kernel=COMPOSED)
def ModulatedDeformableConvolution(
    F,
    data: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    kernel: Positive[Shape],
    stride: Positive[Shape] = (),
    dilate: Positive[Shape] = (),
    pad: NonNegative[Shape] = (),
    num_filter: Positive[int],
    num_group: Positive[int] = 1,
    num_deformable_group: Positive[int] = 1,
    workspace: NonNegative[int] = 1024,
    no_bias: bool = False,
    im2col_step: Positive[int] = 64,
    layout: _Layout | None = None,
) -> Tensor:
    """DeformableConvolution whose samples are multiplied by ``mask``.

    mask: (n, num_deformable_group prod(kernel), h', w').  Outside of the image the values fall to 0 within one pixel.
    workspace, im2col_step, layout: accepted for MXNet's programs.  Everything else as in DeformableConvolution.

    Source: Zhu et al. 2018.
    """
    window = {"kernel": kernel, "stride": stride, "dilate": dilate, "pad": pad, "num_filter": num_filter}
    check_types(
        ModulatedDeformableConvolution, data, offset, mask, weight, bias, **window, num_group=num_group,
        num_deformable_group=num_deformable_group, no_bias=no_bias,
    )  # fmt: skip
    return _convolve(
        F, data, offset, mask, weight, bias, **window, num_group=num_group, groups=num_deformable_group
    )  # fmt: skip


@ModulatedDeformableConvolution.infer
def _(
    t, data, offset, mask, weight, bias, *, kernel, stride, dilate, pad, num_filter, num_group, num_deformable_group, no_bias
):  # fmt: skip
    return _infer(
        t, data, offset, mask, weight, bias, kernel=kernel, stride=stride, dilate=dilate, pad=pad,
        num_filter=num_filter, num_group=num_group, groups=num_deformable_group, no_bias=no_bias,
    )  # fmt: skip
