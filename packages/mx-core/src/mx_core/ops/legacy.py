"""Layers that programs of MXNet's first years use, and batch normalisation's variants."""

from __future__ import annotations

from ..errors import ParameterError, ShapeError
from ..op import Aux, Axis, Enum, Hidden, NonNegative, Positive, Shape, Tensor, op
from .nn import require_float
from .normalization import BatchNorm


@op
def SVMOutput(
    F,
    data: Tensor,
    label: Tensor,
    *,
    margin: float = 1.0,
    regularization_coefficient: float = 1.0,
    use_linear: bool = False,
) -> Tensor:
    """``data``, with the gradient of a support vector machine's loss against ``label``.

    data: (n, k) scores.  label: (n,) class numbers.  The loss is the sum of ``max(0, margin - s)^2`` over the classes,
    with s the score of the label's class and minus the score of the others; use_linear: without the square.
    regularization_coefficient: factor of the gradient. The gradient that reaches the output is ignored.
    """
    require_float("SVMOutput", data)
    if data.ndim != 2 or label.shape != data.shape[:1]:
        msg = f"[SVMOutput] data must be (n, k) and label (n,), got {data.shape} and {label.shape}"
        raise ShapeError(msg)
    return F._copy(data)


@SVMOutput.grad
def _(F, dy, y, data, label, *, margin, regularization_coefficient, use_linear):
    n, k = data.shape
    classes = F._view(F._range(start=0.0, step=1.0, repeat=1, count=k, dtype=data.dtype), shape=(1, k))
    hit = F.broadcast_equal(classes, F._view(F._cast(label, dtype=data.dtype), shape=(n, 1)))
    sign = 1.0 - 2.0 * F._cast(hit, dtype=data.dtype)
    short = data * sign + margin  # by how much the margin is missed
    missed = F._cast(short > 0.0, dtype=data.dtype)
    amount = missed if use_linear else missed * short * 2.0
    return amount * sign * regularization_coefficient, None


@SVMOutput.infer
def _(t, data, label):
    if label.dtype is None:
        t.unify_dtype(label, data.dtype)
    if data.shape is not None:
        if len(data.shape) != 2:
            t.fail_shape(f"data must be (n, k), got {data.shape}")
        t.unify_shape(label, data.shape[:1], "(n,)")
    t.float_type(data)
    return t.like(data)


@op(mode_dependent=True, writes={"moving_avg": 1}, visible=1)
def IdentityAttachKLSparseReg(
    F,
    data: Tensor,
    moving_avg: Aux[Tensor],
    *,
    sparseness_target: float = 0.1,
    penalty: float = 0.001,
    momentum: float = 0.9,
) -> tuple[Tensor, Tensor, Hidden[Tensor]]:
    """``data``, whose gradient gets the one of a penalty that keeps mean activations near ``sparseness_target``.

    data: (n, c), activations between 0 and 1, as of a sigmoid.  moving_avg: (c,), their running mean, which moves in
    training.  penalty: factor of the Kullback-Leibler divergence between the target and the running mean.
    """
    require_float("IdentityAttachKLSparseReg", data)
    c = data.shape[1] if data.ndim == 2 else -1
    if moving_avg.shape != (c,) or moving_avg.dtype != data.dtype:
        msg = (
            "[IdentityAttachKLSparseReg] data must be (n, c) and moving_avg (c,) of its element type, got "
            f"{data.shape} and {moving_avg.shape}"
        )
        raise ShapeError(msg)
    if not F.is_train:
        return F._copy(data), moving_avg, F._copy(moving_avg)
    average = moving_avg * momentum + F.BlockGrad(F._reduce(data, op="mean", axes=(0,))) * (1.0 - momentum)
    return F._copy(data), average, F._copy(average)


@IdentityAttachKLSparseReg.infer
def _(t, data, moving_avg):
    t.same_dtype(data, moving_avg)
    if data.shape is not None and len(data.shape) == 2:
        t.unify_shape(moving_avg, data.shape[1:], "(c,)")
    return t.like(data), t.like(moving_avg), t.like(moving_avg)


@IdentityAttachKLSparseReg.grad
def _(F, dy, y, data, moving_avg, *, sparseness_target, penalty, momentum):
    average = y[2]
    slope = (1.0 - sparseness_target) / (1.0 - average) - sparseness_target / average
    return dy + F._broadcast(slope * penalty, shape=data.shape), None


# -- the first versions of layers --------------------------------------------------------------------------------------


@op
def Convolution_v1(
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
    layout: Enum("NCHW", "NCDHW", "NHWC", "NDHWC") | None = None,
) -> Tensor:
    """Convolution, under the name of its first version. Arguments as Convolution."""
    return F.Convolution(
        data, weight, bias, kernel=kernel, stride=stride, dilate=dilate, pad=pad, num_filter=num_filter,
        num_group=num_group, no_bias=no_bias, layout=layout,
    )  # fmt: skip


@Convolution_v1.infer
def _(t, data, weight, bias, **params):
    from .convolution import Convolution

    for name in ("workspace", "cudnn_tune", "cudnn_off"):
        del params[name]
    return Convolution.infer_rule(t, data, weight, bias, **params)


@op
def Pooling_v1(
    F,
    data: Tensor,
    *,
    kernel: Positive[Shape] = (),
    pool_type: Enum("avg", "max", "sum") = "max",
    global_pool: bool = False,
    pooling_convention: Enum("full", "valid") = "valid",
    stride: Positive[Shape] = (),
    pad: NonNegative[Shape] = (),
) -> Tensor:
    """Pooling of images, under the name of its first version. Arguments as Pooling.

    Averages divide by the whole kernel's size, also where it reaches beyond the padding.
    """
    require_float("Pooling_v1", data)
    if data.ndim != 4:
        msg = f"[Pooling_v1] data must be (n, c, h, w), got {data.shape}"
        raise ShapeError(msg)
    kind = "sum" if pool_type == "avg" else pool_type
    result = F.Pooling(
        data, kernel=kernel, pool_type=kind, global_pool=global_pool, pooling_convention=pooling_convention,
        stride=stride, pad=pad,
    )  # fmt: skip
    if pool_type != "avg":
        return result
    size = data.shape[2:] if global_pool else kernel
    return result / float(max(size[0] * size[1], 1))


# -- batch normalisation -----------------------------------------------------------------------------------------------


def _statistics(params):
    return 3 if params["output_mean_var"] else 1


@op(mode_dependent=True, writes={"moving_mean": 3, "moving_var": 4}, visible=_statistics)
def BatchNorm_v1(
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
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """BatchNorm with channels on axis 1, under the name of its first version. Arguments as BatchNorm."""
    return BatchNorm.function(
        F, data, gamma, beta, moving_mean, moving_var, eps=eps, momentum=momentum, fix_gamma=fix_gamma,
        use_global_stats=use_global_stats, output_mean_var=output_mean_var, axis=1,
    )  # fmt: skip


@op(name="_contrib_SyncBatchNorm", mode_dependent=True, writes={"moving_mean": 3, "moving_var": 4}, visible=_statistics)
def SyncBatchNorm(
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
    ndev: int = 1,
    key: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """BatchNorm with channels on axis 1 whose statistics are those of one device's part of the batch.

    ndev, key: the number of devices to gather statistics from, and this layer's name; ndev must be 1.
    Other arguments as BatchNorm.
    """
    if ndev != 1:
        msg = f"[_contrib_SyncBatchNorm] gathers statistics of one device only: ndev must be 1, got {ndev}"
        raise ParameterError(msg)
    return BatchNorm.function(
        F, data, gamma, beta, moving_mean, moving_var, eps=eps, momentum=momentum, fix_gamma=fix_gamma,
        use_global_stats=use_global_stats, output_mean_var=output_mean_var, axis=1,
    )  # fmt: skip


@op(
    name="_contrib_BatchNormWithReLU", mode_dependent=True, writes={"moving_mean": 3, "moving_var": 4},
    visible=_statistics,
)  # fmt: skip
def BatchNormWithReLU(
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
    """``relu`` of BatchNorm. Arguments as BatchNorm."""
    y, *states = BatchNorm.function(
        F, data, gamma, beta, moving_mean, moving_var, eps=eps, momentum=momentum, fix_gamma=fix_gamma,
        use_global_stats=use_global_stats, output_mean_var=output_mean_var, axis=axis,
    )  # fmt: skip
    return F.relu(y), *states


@BatchNorm_v1.infer
def _(t, data, gamma, beta, moving_mean, moving_var):
    return BatchNorm.infer_rule(t, data, gamma, beta, moving_mean, moving_var, axis=1)


@SyncBatchNorm.infer
def _(t, data, gamma, beta, moving_mean, moving_var):
    return BatchNorm.infer_rule(t, data, gamma, beta, moving_mean, moving_var, axis=1)


@BatchNormWithReLU.infer
def _(t, data, gamma, beta, moving_mean, moving_var, *, axis):
    return BatchNorm.infer_rule(t, data, gamma, beta, moving_mean, moving_var, axis=axis)
