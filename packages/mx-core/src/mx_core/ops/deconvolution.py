"""Deconvolution, and LRN: layers of the older image networks, composed of a convolution's gradient and of pooling."""

from __future__ import annotations

import math

from ..dtypes import FLOAT64
from ..errors import ParameterError, ShapeError
from ..op import Enum, NonNegative, Positive, Shape, Tensor, op
from ._shapes import COMPOSED
from .convolution import _channels_first, _full_length
from .linear import check_types
from .nn import require_float


def _windows(t, kernel, stride, dilate, pad, adj, target_shape):
    """The window parameters with one entry for each spatial axis; pad and adj are () where target_shape decides."""
    spatial = len(kernel)
    if spatial not in (1, 2, 3):
        t.fail(f"kernel must have 1, 2 or 3 sizes, got {kernel}")
    stride = _full_length("Deconvolution", "stride", stride, spatial, 1)
    dilate = _full_length("Deconvolution", "dilate", dilate, spatial, 1)
    if any(target_shape):
        return stride, dilate, (), (), _full_length("Deconvolution", "target_shape", target_shape, spatial, 0)
    pad = _full_length("Deconvolution", "pad", pad, spatial, 0)
    adj = _full_length("Deconvolution", "adj", adj, spatial, 0)
    if any(extra >= step for extra, step in zip(adj, stride, strict=True)):
        t.fail(f"adj must be less than stride {stride} on each axis, got {adj}")
    return stride, dilate, pad, adj, ()


def _placed(space, kernel, stride, dilate, pad, adj, target):
    """(sizes of the output along the spatial axes, padding that the convolution back would have).

    The full output has ``stride (x - 1) + dilate (kernel - 1) + 1`` elements; what exceeds the target is cut at both
    ends, the odd one at the start.
    """
    full = [
        step * (size - 1) + gap * (k - 1) + 1 if size > 0 else 0
        for size, k, step, gap in zip(space, kernel, stride, dilate, strict=True)
    ]
    if not target:
        return tuple(f - 2 * p + a for f, p, a in zip(full, pad, adj, strict=True)), pad
    if any(wanted > size for wanted, size in zip(target, full, strict=True)):
        msg = f"[Deconvolution] target_shape must be at most {tuple(full)}, the size without pad, got {target}"
        raise ShapeError(msg)
    return target, tuple((size - wanted + 1) // 2 for size, wanted in zip(full, target, strict=True))


@op(kernel=COMPOSED)
def Deconvolution(
    F,
    data: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    kernel: Positive[Shape],
    stride: Positive[Shape] = (),
    dilate: Positive[Shape] = (),
    pad: NonNegative[Shape] = (),
    adj: NonNegative[Shape] = (),
    target_shape: NonNegative[Shape] = (),
    num_filter: Positive[int],
    num_group: Positive[int] = 1,
    workspace: NonNegative[int] = 512,
    no_bias: bool = True,
    cudnn_tune: Enum("fastest", "limited_workspace", "off") | None = None,
    cudnn_off: bool = False,
    layout: Enum("NCW", "NCHW", "NCDHW", "NHWC", "NDHWC") | None = None,
) -> Tensor:
    """Transposed convolution: every element of ``data`` adds a scaled copy of ``weight`` to the output.

    It is the gradient of a Convolution by its data, so it undoes a convolution's change of shape.
    data: (n, c, w), (n, c, h, w) or (n, c, d, h, w), as ``kernel`` has one, two or three sizes.
    weight: (c, num_filter / num_group, *kernel).  bias: (num_filter,), taken with no_bias=False.
    stride (1), dilate (1), pad (0), adj (0): one entry for each spatial axis; adj < stride is added to the size at the
    end.  target_shape: the wanted sizes; pad and adj then follow from them.  layout: channels-last layouts have weights
    (c, *kernel, num_filter / num_group).  workspace, cudnn_tune, cudnn_off: accepted for MXNet's programs.
    Returns (n, num_filter, spatial...), sizes ``stride (x - 1) + dilate (kernel - 1) + 1 - 2 pad + adj``.

    >>> x, w = mx.nd.ones((1, 3, 8, 8)), mx.nd.ones((3, 4, 4, 4))
    >>> mx.nd.Deconvolution(x, w, kernel=(4, 4), stride=(2, 2), pad=(1, 1), num_filter=4).shape
    (1, 4, 16, 16)
    """
    spatial = len(kernel)
    check_types(
        Deconvolution, data, weight, bias, kernel=kernel, stride=stride, dilate=dilate, pad=pad, adj=adj,
        target_shape=target_shape, num_filter=num_filter, num_group=num_group, no_bias=no_bias, layout=layout,
    )  # fmt: skip
    axes = _channels_first("Deconvolution", layout, spatial)
    if axes is not None:
        data, weight = F._transpose(data, axes=axes), F._transpose(weight, axes=axes)
    stride, dilate = stride or (1,) * spatial, dilate or (1,) * spatial
    target = target_shape if any(target_shape) else ()
    space, pad = _placed(data.shape[2:], kernel, stride, dilate, pad or (0,) * spatial, adj or (0,) * spatial, target)
    result = F._convolution_backward_data(
        data,
        weight,
        shape=(data.shape[0], num_filter, *space),
        kernel=kernel,
        stride=stride,
        dilate=dilate,
        pad=pad,
        num_group=num_group,
    )
    if bias is not None:
        result = result + bias.reshape((num_filter, *(1,) * spatial))
    return result if axes is None else F._transpose(result, axes=(0, *range(2, spatial + 2), 1))


@Deconvolution.infer
def _(t, data, weight, bias, *, kernel, stride, dilate, pad, adj, target_shape, num_filter, num_group, no_bias, layout):
    spatial = len(kernel)
    stride, dilate, pad, adj, target = _windows(t, kernel, stride, dilate, pad, adj, target_shape)
    if no_bias and bias is not None:
        t.fail("no_bias=True, the default, takes two inputs, got a bias too. Say no_bias=False")
    if not no_bias and bias is None:
        t.fail("input bias is missing. Give it, or say no_bias=True")
    if num_filter % num_group:
        t.fail(f"num_group {num_group} must divide num_filter {num_filter}")
    t.float_type(data)
    dtype = t.same_dtype(data, weight, bias)
    if bias is not None:
        t.unify_shape(bias, (num_filter,), "(num_filter,)")
    last = _channels_first("Deconvolution", layout, spatial) is not None
    if data.shape is None:
        return t.out(None, dtype)
    if len(data.shape) != spatial + 2:
        t.fail_shape(
            f"data must have {spatial + 2} dimensions (n, c, spatial...) for kernel {kernel}, got {data.shape}"
        )
    channels = data.shape[-1] if last else data.shape[1]
    if channels > 0 and channels % num_group:
        t.fail(f"num_group {num_group} must divide the {channels} channels of data {data.shape}")
    each = num_filter // num_group
    why = "(c, *kernel, num_filter / num_group)" if last else "(c, num_filter / num_group, *kernel)"
    t.unify_shape(weight, (channels, *kernel, each) if last else (channels, each, *kernel), why)
    space = data.shape[1:-1] if last else data.shape[2:]
    if -1 in space:
        return t.out(None, dtype)
    space, _ = _placed(space, kernel, stride, dilate, pad, adj, target)
    if min(space) < 0:
        t.fail_shape(f"pad {pad} takes more than there is: the output would have the sizes {space}. Use less pad")
    return t.out((data.shape[0], *space, num_filter) if last else (data.shape[0], num_filter, *space), dtype)


_WIDE = 256  # channels: a pooling does this work for every output


def _wide_sums(F, squares, half):
    """Sums over the half channels (axis 2) before and after each: differences of running sums, in float64."""
    c = squares.shape[2]
    dtype = squares.dtype
    running = F._cumsum(F._cast(squares, dtype=FLOAT64), axis=2, reverse=False)
    last = F.slice_axis(running, axis=2, begin=c - 1, end=c)
    if half >= c - 1:
        return F._cast(F._broadcast(last, shape=squares.shape), dtype=dtype)
    ends = F._broadcast(last, shape=(*squares.shape[:2], half, squares.shape[3]))
    upper = F.concat(F.slice_axis(running, axis=2, begin=half, end=c), ends, dim=2)
    start = F.zeros((*squares.shape[:2], half + 1, squares.shape[3]), dtype=FLOAT64)
    lower = F.concat(start, F.slice_axis(running, axis=2, begin=0, end=c - half - 1), dim=2)
    return F._cast(upper - lower, dtype=dtype)


@op
def LRN(
    F, data: Tensor, *, alpha: float = 1e-4, beta: float = 0.75, knorm: float = 2.0, nsize: Positive[int]
) -> Tensor:
    """``x / (knorm + alpha / nsize * s)^beta``, s the sum of squares over the ``nsize`` channels around x.

    data: (n, c, spatial...).  nsize: an odd number of channels.  Source: Krizhevsky et al. 2012.

    >>> mx.nd.LRN(mx.nd.ones((1, 1, 1, 1)), nsize=1, alpha=2.0, beta=1.0).asnumpy().item()
    0.25
    """
    require_float("LRN", data)
    if nsize % 2 == 0:
        msg = f"[LRN] nsize must be odd, got {nsize}"
        raise ParameterError(msg)
    if data.ndim < 2:
        msg = f"[LRN] data must be (n, c, ...), got {data.shape}"
        raise ShapeError(msg)
    n, c = data.shape[:2]
    rows = F._view(data, shape=(n, 1, c, math.prod(data.shape[2:])))
    reach = min(nsize, 2 * c + 1)  # a window over more channels on both sides holds no more
    if nsize == 1 or data.size == 0:
        squares = F.square(rows)
    elif reach > _WIDE:
        squares = _wide_sums(F, F.square(rows), nsize // 2)
    else:
        squares = F._pooling(
            F.square(rows), shape=rows.shape, kernel=(reach, 1), stride=(1, 1), pad=(reach // 2, 0), pool_type="sum",
            count_include_pad=True, p_value=2,
        )  # fmt: skip
    base = squares * (alpha / nsize) + knorm
    return F._view(rows * base ** (-beta), shape=data.shape)
