"""BatchNorm, LayerNorm, InstanceNorm, GroupNorm, L2Normalization."""

from __future__ import annotations

import math

from ..dtypes import FLOAT16, FLOAT32, name_of
from ..errors import DTypeError, ParameterError, ShapeError
from ..op import Aux, Axis, Enum, Positive, Tensor, op
from ._shapes import normal_axis
from .linear import check_types
from .nn import require_float

# Note [running averages]
# BatchNorm's running averages are inputs that it writes: in training (not with use_global_stats) they become
# moving * momentum + batch * (1 - momentum), with the biased variance, when the operator runs. MXNet 1.x writes them in
# the backward pass; for programs that call backward after each forward pass in training it is the same.


@op
def _batch_norm_train(
    F, data: Tensor, gamma: Tensor, beta: Tensor, *, axis: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch-normalised data, the mean and the biased variance of each channel."""


@_batch_norm_train.infer
def _(t, data, gamma, beta, *, axis):
    t.require_shape(data)
    channel = t.out((data.shape[axis],), gamma.dtype)
    return t.out(data.shape, data.dtype), channel, channel


@_batch_norm_train.grad(allow_none=True)
def _(F, dy, y, data, gamma, beta, *, axis, eps):
    # The mean and the variance feed only the running averages, which have no gradient.
    if dy[0] is None:
        return None, None, None
    return F._batch_norm_backward(dy[0], data, gamma, y[1], y[2], axis=axis, eps=eps)


@op
def _batch_norm_backward(
    F, dy: Tensor, data: Tensor, gamma: Tensor, mean: Tensor, var: Tensor, *, axis: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of _batch_norm_train by data, gamma and beta."""


@_batch_norm_backward.infer
def _(t, dy, data, gamma, mean, var, *, axis):
    channel = t.out(gamma.shape, gamma.dtype)
    return t.out(data.shape, data.dtype), channel, channel


@op(
    mode_dependent=True,
    writes={"moving_mean": 3, "moving_var": 4},
    visible=lambda params: 3 if params["output_mean_var"] else 1,
)
def BatchNorm(
    F,
    data: Tensor,
    gamma: Tensor,
    beta: Tensor,
    moving_mean: Aux[Tensor],
    moving_var: Aux[Tensor],
    *,
    eps: float = 1e-3,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: Axis = 1,
    cudnn_off: bool = False,
    min_calib_range: float | None = None,
    max_calib_range: float | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """``gamma * (x - mean) / sqrt(var + eps) + beta`` for each channel.

    data: float array with channels on ``axis``.  gamma, beta, moving_mean, moving_var: (channels,).
    In training mean and var are the batch's, and the running averages move: see Note [running averages]. Otherwise, and
    with use_global_stats, they are the running ones.
    fix_gamma: gamma counts as 1, its gradient is 0.  output_mean_var: also return the mean and ``1 / sqrt(var + eps)``.
    cudnn_off, min_calib_range, max_calib_range: accepted for MXNet's programs.

    Source: Ioffe and Szegedy 2015.
    """
    check_types(BatchNorm, data, gamma, beta, moving_mean, moving_var, axis=axis, output_mean_var=output_mean_var)
    at = normal_axis("BatchNorm", axis, data.ndim)
    scale = F.ones(gamma.shape, gamma.dtype) if fix_gamma else gamma
    if F.is_train and not use_global_stats:
        y, mean, var = F._batch_norm_train(data, scale, beta, axis=at, eps=eps)
        new_mean = moving_mean * momentum + F.BlockGrad(mean) * (1.0 - momentum)
        new_var = moving_var * momentum + F.BlockGrad(var) * (1.0 - momentum)
        return y, mean, F.rsqrt(var + eps), new_mean, new_var
    deviation = F.rsqrt(moving_var + eps)
    factor = scale * deviation
    shape = tuple(dim if i == at else 1 for i, dim in enumerate(data.shape))
    offset = beta - moving_mean * factor
    y = data * _channels(F, factor, shape, data.dtype) + _channels(F, offset, shape, data.dtype)
    return y, F._copy(moving_mean), deviation, moving_mean, moving_var


def _channels(F, value, shape, dtype):
    return F._cast(value.reshape(shape), dtype=dtype) if value.dtype != dtype else value.reshape(shape)


@BatchNorm.infer
def _(t, data, gamma, beta, moving_mean, moving_var, *, axis):
    t.float_type(data)
    states = (gamma, beta, moving_mean, moving_var)
    dtype = t.same_dtype(*states)
    if dtype is None and data.dtype is not None:
        # float16 data keeps its statistics in float32.
        dtype = FLOAT32 if data.dtype == FLOAT16 else data.dtype
        for slot in states:
            t.unify_dtype(slot, dtype)
    elif dtype is not None and data.dtype not in (None, dtype, FLOAT16):
        t.fail_dtype(f"gamma must have data's element type {name_of(data.dtype)}, got {name_of(dtype)}")
    if data.shape is None:
        return t.out(None, data.dtype), t.like(gamma), t.like(gamma), t.like(gamma), t.like(gamma)
    if not data.shape:
        t.fail_shape("data must have at least one dimension, got ()")
    channels = data.shape[t.axis(axis, len(data.shape))]
    for slot in states:
        t.unify_shape(slot, (channels,), "(channels,)")
    return t.like(data), *(t.like(gamma),) * 4


def _weighted(F, name, data, normal, gamma, beta, axes, why):
    """normal * gamma + beta, where the weights lie along ``axes`` of data."""
    _check_weights(name, data, gamma, beta, axes, why)
    shape = tuple(dim if i in axes else 1 for i, dim in enumerate(data.shape))
    return normal * gamma.reshape(shape) + beta.reshape(shape)


def _check_weights(name, data, gamma, beta, axes, why):
    expected = tuple(data.shape[axis] for axis in axes)
    for what, value in (("gamma", gamma), ("beta", beta)):
        if value.shape != expected:
            msg = f"[{name}] {what} must have shape {why} = {expected} for data {data.shape}, got {value.shape}"
            raise ShapeError(msg)
        if value.dtype != data.dtype:
            msg = f"[{name}] {what} must have data's element type {name_of(data.dtype)}, got {name_of(value.dtype)}"
            raise DTypeError(msg)


def _standardized(F, data, axes, eps):
    """(data - mean) / sqrt(var + eps) over axes, with mean and sqrt(var + eps) in kept dimensions."""
    mean = F._reduce(data, op="mean", axes=axes, keepdims=True)
    centered = data - mean
    deviation = F.sqrt(F._reduce(F.square(centered), op="mean", axes=axes, keepdims=True) + eps)
    return centered / deviation, mean, deviation


@op
def _layer_norm(
    F, data: Tensor, gamma: Tensor, beta: Tensor, *, axis: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """LayerNorm with a normalised axis: y, the mean and sqrt(var + eps), size 1 on axis."""
    normal, mean, deviation = _standardized(F, data, (axis,), eps)
    shape = tuple(dim if i == axis else 1 for i, dim in enumerate(data.shape))
    return normal * gamma.reshape(shape) + beta.reshape(shape), mean, deviation


@_layer_norm.infer
def _(t, data, gamma, beta, *, axis):
    t.require_shape(data)
    kept = t.out((*data.shape[:axis], 1, *data.shape[axis + 1 :]), data.dtype)
    return t.like(data), kept, kept


@_layer_norm.grad(allow_none=True)
def _(F, dy, y, data, gamma, beta, *, axis, eps):
    dx = dgamma = dbeta = None
    if dy[0] is not None:
        dx, dgamma, dbeta = F._layer_norm_backward(dy[0], data, gamma, y[1], y[2], axis=axis)
    size = data.shape[axis]
    if dy[1] is not None:
        share = F._broadcast(dy[1] / size, shape=data.shape)
        dx = share if dx is None else dx + share
    if dy[2] is not None:
        share = (data - y[1]) * (dy[2] / (y[2] * size))
        dx = share if dx is None else dx + share
    return dx, dgamma, dbeta


@op
def _layer_norm_backward(
    F, dy: Tensor, data: Tensor, gamma: Tensor, mean: Tensor, deviation: Tensor, *, axis: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of _layer_norm's y by data, gamma and beta."""
    shape = tuple(dim if i == axis else 1 for i, dim in enumerate(data.shape))
    others = tuple(i for i in range(data.ndim) if i != axis)
    normal = (data - mean) / deviation
    head = dy * gamma.reshape(shape)
    offset = F._reduce(head, op="mean", axes=(axis,), keepdims=True)
    slope = F._reduce(head * normal, op="mean", axes=(axis,), keepdims=True)
    dgamma = F._reduce(dy * normal, op="sum", axes=others, keepdims=False)
    dbeta = F._reduce(dy, op="sum", axes=others, keepdims=False)
    return (head - offset - normal * slope) / deviation, dgamma, dbeta


@_layer_norm_backward.infer
def _(t, dy, data, gamma, mean, deviation):
    return t.like(data), t.like(gamma), t.like(gamma)


@_layer_norm_backward.grad
def _(F, heads, y, dy, data, gamma, mean, deviation, *, axis):
    # Second order, with the mean and the deviation as inputs of their own; `through` and `bent` are the gradients by
    # dy * gamma and by the normal data.
    shape = tuple(dim if i == axis else 1 for i, dim in enumerate(data.shape))
    others = tuple(i for i in range(data.ndim) if i != axis)
    normal = (data - mean) / deviation
    weighted, head = dy * gamma.reshape(shape), heads[0] / deviation
    towards = F._reduce(head * normal, op="mean", axes=(axis,), keepdims=True)
    slope = F._reduce(weighted * normal, op="mean", axes=(axis,), keepdims=True)
    through = head - F._reduce(head, op="mean", axes=(axis,), keepdims=True) - normal * towards
    bent = dy * heads[1].reshape(shape) - head * slope - weighted * towards
    ddy = through * gamma.reshape(shape) + normal * heads[1].reshape(shape) + heads[2].reshape(shape)
    dgamma = F._reduce(through * dy, op="sum", axes=others, keepdims=False)
    dmean = -F._reduce(bent, op="sum", axes=(axis,), keepdims=True) / deviation
    ddeviation = -F._reduce(heads[0] * y[0] + bent * normal, op="sum", axes=(axis,), keepdims=True) / deviation
    return ddy, bent / deviation, dgamma, dmean, ddeviation


@op(visible=lambda params: 3 if params["output_mean_var"] else 1)
def LayerNorm(
    F,
    data: Tensor,
    gamma: Tensor,
    beta: Tensor,
    *,
    axis: Axis = -1,
    eps: float = 1e-5,
    output_mean_var: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """``gamma * (x - mean) / sqrt(var + eps) + beta``, mean and variance along ``axis``.

    gamma, beta: (data.shape[axis],).  output_mean_var: also return the mean and ``sqrt(var + eps)``, size 1 on axis.

    Source: Ba et al. 2016.
    """
    require_float("LayerNorm", data)
    at = normal_axis("LayerNorm", axis, data.ndim)
    _check_weights("LayerNorm", data, gamma, beta, (at,), "(data.shape[axis],)")
    return F._layer_norm(data, gamma, beta, axis=at, eps=eps)


@LayerNorm.infer
def _(t, data, gamma, beta, *, axis):
    dtype = t.same_dtype(data, gamma, beta)
    t.float_type(data)
    if data.shape is None:
        return t.out(None, dtype), t.out(None, dtype), t.out(None, dtype)
    at = t.axis(axis, len(data.shape))
    for slot in (gamma, beta):
        t.unify_shape(slot, (data.shape[at],), "(data.shape[axis],)")
    kept = t.out((*data.shape[:at], 1, *data.shape[at + 1 :]), dtype)
    return t.like(data), kept, kept


@op
def InstanceNorm(F, data: Tensor, gamma: Tensor, beta: Tensor, *, eps: float = 1e-3) -> Tensor:
    """``gamma * (x - mean) / sqrt(var + eps) + beta`` over the spatial axes of data (n, c, spatial...).

    gamma, beta: (c,).  Source: Ulyanov et al. 2016.
    """
    require_float("InstanceNorm", data)
    if data.ndim < 3:
        msg = f"[InstanceNorm] data must be (n, c, spatial...), got {data.shape}"
        raise ShapeError(msg)
    normal, _, _ = _standardized(F, data, tuple(range(2, data.ndim)), eps)
    return _weighted(F, "InstanceNorm", data, normal, gamma, beta, (1,), "(c,)")


@InstanceNorm.infer
def _(t, data, gamma, beta):
    t.same_dtype(data, gamma, beta)
    if data.shape is not None and len(data.shape) > 1:
        for slot in (gamma, beta):
            t.unify_shape(slot, (data.shape[1],), "(c,)")
    return t.like(data)


@op(visible=lambda params: 3 if params["output_mean_var"] else 1)
def GroupNorm(
    F,
    data: Tensor,
    gamma: Tensor,
    beta: Tensor,
    *,
    num_groups: Positive[int] = 1,
    eps: float = 1e-5,
    output_mean_var: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """``gamma * (x - mean) / sqrt(var + eps) + beta`` over groups of channels of data (n, c, ...).

    num_groups: divides c.  gamma, beta: (num_groups,), as MXNet 1.x has them; the paper has (c,).
    output_mean_var: also return the mean and ``sqrt(var + eps)``, of shape (n, num_groups).

    Source: Wu and He 2018.
    """
    check_types(GroupNorm, data, gamma, beta, num_groups=num_groups)
    n, c = data.shape[:2]
    groups = data.reshape((n, num_groups, c // num_groups * math.prod(data.shape[2:])))
    normal, mean, deviation = _standardized(F, groups, (2,), eps)
    y = _weighted(F, "GroupNorm", groups, normal, gamma, beta, (1,), "(num_groups,)")
    return y.reshape(data.shape), mean.reshape((n, num_groups)), deviation.reshape((n, num_groups))


@GroupNorm.infer
def _(t, data, gamma, beta, *, num_groups):
    t.float_type(data)
    dtype = t.same_dtype(data, gamma, beta)
    if data.shape is None:
        return t.out(None, dtype), t.out(None, dtype), t.out(None, dtype)
    if len(data.shape) < 3 or (data.shape[1] > 0 and data.shape[1] % num_groups):
        t.fail_shape(f"data must be (n, c, spatial...) with num_groups {num_groups} dividing c, got {data.shape}")
    for slot in (gamma, beta):
        t.unify_shape(slot, (num_groups,), "(num_groups,)")
    stats = t.out((data.shape[0], num_groups), dtype)
    return t.like(data), stats, stats


@op
def L2Normalization(
    F, data: Tensor, *, eps: float = 1e-10, mode: Enum("channel", "instance", "spatial") = "instance"
) -> Tensor:
    """``x / sqrt(sum x^2 + eps)``: over everything but axis 0 (instance), over axis 1 (channel), over axes 2... (spatial)."""
    require_float("L2Normalization", data)
    least = {"instance": 1, "channel": 2, "spatial": 3}[mode]
    if data.ndim < least:
        msg = f"[L2Normalization] mode='{mode}' needs data of at least {least} dimensions, got {data.shape}"
        raise ParameterError(msg)
    axes = {"instance": range(1, data.ndim), "channel": (1,), "spatial": range(2, data.ndim)}[mode]
    length = F._reduce(F.square(data), op="sum", axes=tuple(axes), keepdims=True) + eps
    return data * F.rsqrt(length)
