"""Layers: Activation, LeakyReLU, softmax and its family, Dropout."""

from __future__ import annotations

import math

from ..dtypes import FLOAT16, FLOAT32, FLOAT64, is_float, name_of
from ..errors import DTypeError, ParameterError, ShapeError
from ..op import Axis, DType, Enum, Hidden, Range, Tensor, op
from ._shapes import COMPOSED, normal_axes, normal_axis

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def require_float(name, data, what="data"):
    """Raise DTypeError unless data is floating."""
    if not is_float(data.dtype):
        msg = (
            f"[{name}] {what} must have a floating element type, got {name_of(data.dtype)}. Cast it: .astype('float32')"
        )
        raise DTypeError(msg)


# -- activations -----------------------------------------------------------------------------------------------------


@op
def Activation(F, data: Tensor, *, act_type: Enum("relu", "sigmoid", "tanh", "softrelu", "softsign")) -> Tensor:
    """An activation function, element by element.

    act_type: relu ``max(x, 0)``, sigmoid ``1 / (1 + e^-x)``, tanh, softrelu ``ln(1 + e^x)`` or softsign
    ``x / (1 + |x|)``.
    """
    require_float("Activation", data)
    return F._softrelu(data) if act_type == "softrelu" else getattr(F, act_type)(data)


@op(mode_dependent=True)
def LeakyReLU(
    F,
    data: Tensor,
    gamma: Tensor | None = None,
    *,
    act_type: Enum("elu", "gelu", "leaky", "prelu", "rrelu", "selu") = "leaky",
    slope: float = 0.25,
    lower_bound: float = 0.125,
    upper_bound: float = 0.334,
) -> Tensor:
    """Rectifiers that do not die: x where x > 0, and below

    leaky: ``slope * x``.  prelu: ``gamma * x`` with a learnt gamma of shape (1,) or (c,).  elu: ``slope * (e^x - 1)``.
    selu: elu with the constants of Klambauer et al. 2017.  rrelu: ``s * x`` with s drawn from [lower_bound,
    upper_bound) in training and their mean otherwise.  gelu: ``x * (1 + erf(x / sqrt 2)) / 2`` everywhere.
    """
    require_float("LeakyReLU", data)
    if (gamma is None) == (act_type == "prelu"):
        msg = f"[LeakyReLU] act_type='{act_type}' takes {'an input' if gamma is None else 'no input'} gamma"
        raise ParameterError(msg)
    if act_type == "gelu":
        return data * (F.erf(data * math.sqrt(0.5)) + 1.0) * 0.5
    if act_type == "elu":
        return F._select(data > 0.0, data, F.expm1(data) * slope)
    if act_type == "selu":
        below = F.expm1(data) * (_SELU_ALPHA * _SELU_SCALE)
        return F._select(data > 0.0, data * _SELU_SCALE, below)
    if act_type == "leaky":
        return F._select(data > 0.0, data, data * slope)
    if act_type == "prelu":
        return F._select(data > 0.0, data, data * _channel_weight(gamma, data))
    if F.is_train:
        slopes = F._uniform(low=lower_bound, high=upper_bound, shape=data.shape, dtype=data.dtype)
        return F._select(data > 0.0, data, data * slopes)
    return F._select(data > 0.0, data, data * ((lower_bound + upper_bound) / 2.0))


def _channel_weight(gamma, data):
    """gamma (c,) or (1,) in a shape that broadcasts along data's axis 1."""
    channels = data.shape[1] if data.ndim > 1 else data.shape[0]
    if gamma.shape == data.shape and data.ndim > 1:
        return gamma
    if gamma.ndim != 1 or gamma.shape[0] not in (1, channels):
        msg = f"[LeakyReLU] gamma must have shape ({channels},) or (1,) for data {data.shape}, got {gamma.shape}"
        raise ShapeError(msg)
    return gamma.reshape((gamma.shape[0], *(1,) * max(data.ndim - 2, 0)))


@LeakyReLU.infer
def _(t, data, gamma):
    t.float_type(data)
    if gamma is not None:
        t.same_dtype(data, gamma)
        if gamma.shape is None and data.shape is not None:
            t.unify_shape(gamma, (data.shape[1] if len(data.shape) > 1 else data.shape[0],))
    return t.like(data)


# -- softmax ---------------------------------------------------------------------------------------------------------


@op(kernel="softmax")
def _softmax(F, data: Tensor, *, axis: int, temperature: float = 1.0) -> Tensor:
    """softmax with a normalised axis."""
    scaled = data if temperature == 1.0 else data / temperature
    shifted = F.exp(scaled - F._reduce(scaled, op="max", axes=(axis,), keepdims=True))
    return shifted / F._reduce(shifted, op="sum", axes=(axis,), keepdims=True)


@_softmax.infer
def _(t, data):
    return t.like(data)


@_softmax.grad
def _(F, dy, y, data, *, axis, temperature):
    return F._softmax_backward(dy, y, axis=axis, temperature=temperature)


@op
def _softmax_backward(F, dy: Tensor, y: Tensor, *, axis: int, temperature: float = 1.0) -> Tensor:
    """The gradient of _softmax, from its result."""
    dx = (dy - F._reduce(dy * y, op="sum", axes=(axis,), keepdims=True)) * y
    return dx if temperature == 1.0 else dx / temperature


@_softmax_backward.infer
def _(t, dy, y):
    return t.like(y)


@_softmax_backward.grad
def _(F, head, dx, dy, y, *, axis, temperature):
    head = head if temperature == 1.0 else head / temperature
    towards = F._reduce(head * y, op="sum", axes=(axis,), keepdims=True)
    along = F._reduce(dy * y, op="sum", axes=(axis,), keepdims=True)
    return (head - towards) * y, head * (dy - along) - dy * towards


@op(kernel="log_softmax")
def _log_softmax(F, data: Tensor, *, axis: int, temperature: float = 1.0) -> Tensor:
    """log_softmax with a normalised axis."""
    scaled = data if temperature == 1.0 else data / temperature
    shifted = scaled - F._reduce(scaled, op="max", axes=(axis,), keepdims=True)
    return shifted - F.log(F._reduce(F.exp(shifted), op="sum", axes=(axis,), keepdims=True))


@_log_softmax.infer
def _(t, data):
    return t.like(data)


@_log_softmax.grad
def _(F, dy, y, data, *, axis, temperature):
    return F._log_softmax_backward(dy, y, axis=axis, temperature=temperature)


@op
def _log_softmax_backward(F, dy: Tensor, y: Tensor, *, axis: int, temperature: float = 1.0) -> Tensor:
    """The gradient of _log_softmax, from its result."""
    dx = dy - F.exp(y) * F._reduce(dy, op="sum", axes=(axis,), keepdims=True)
    return dx if temperature == 1.0 else dx / temperature


@_log_softmax_backward.infer
def _(t, dy, y):
    return t.like(y)


@_log_softmax_backward.grad
def _(F, head, dx, dy, y, *, axis, temperature):
    head = head if temperature == 1.0 else head / temperature
    weighted = head * F.exp(y)
    towards = F._reduce(weighted, op="sum", axes=(axis,), keepdims=True)
    return head - towards, -weighted * F._reduce(dy, op="sum", axes=(axis,), keepdims=True)


def _normalized(F, name, data, length, axis, temperature, dtype, use_length=False):
    require_float(name, data)
    at = normal_axis(name, axis, data.ndim)
    if temperature is not None and temperature == 0.0:
        msg = f"[{name}] temperature must not be 0"
        raise ParameterError(msg)
    wide = data
    if dtype is not None and dtype != data.dtype:
        if dtype not in (FLOAT16, FLOAT32, FLOAT64):
            msg = f"[{name}] dtype must be float16, float32 or float64, got {name_of(dtype)}"
            raise DTypeError(msg)
        wide = F._cast(data, dtype=dtype)
    kernel = F._log_softmax if name == "log_softmax" else F._softmax
    scale = 1.0 if temperature is None else temperature
    if not use_length:
        return kernel(wide, axis=at, temperature=scale)
    mask = _within(F, name, wide, length, at)
    # Beyond the length: no weight before normalising, exactly 0 after it.
    lowest = -6e4 if wide.dtype == FLOAT16 else -3e38
    result = kernel(F._select(mask, wide, lowest), axis=at, temperature=scale)
    return F._select(mask, result, 0.0)


def _within(F, name, data, length, axis):
    """1 where the position along ``axis`` is below length, whose shape is data's without that axis."""
    if length is None or is_float(length.dtype):
        msg = f"[{name}] use_length needs an input length of int32 or int64"
        raise ParameterError(msg)
    shape = data.shape[:axis] + data.shape[axis + 1 :]
    if length.shape != shape:
        msg = f"[{name}] length must have shape {shape}, data's without axis {axis}, got {length.shape}"
        raise ShapeError(msg)
    steps = F._range(start=0.0, step=1.0, repeat=1, count=data.shape[axis], dtype="int32")
    places = F._view(steps, shape=tuple(dim if i == axis else 1 for i, dim in enumerate(data.shape)))
    limit = F._view(F._cast(length, dtype="int32"), shape=(*shape[:axis], 1, *shape[axis:]))
    return F._cast(F._broadcast(F.broadcast_lesser(places, limit), shape=data.shape), dtype=data.dtype)


@op(method=True, kernel=COMPOSED)
def softmax(
    F,
    data: Tensor,
    length: Tensor | None = None,
    *,
    axis: Axis = -1,
    temperature: float | None = None,
    dtype: DType | None = None,
    use_length: bool = False,
) -> Tensor:
    """``e^(x / T) / sum e^(x / T)`` along ``axis``, without overflow.

    data: float array.  length: with use_length, how many elements of each line count (int32 or int64; data's shape
    without ``axis``); the rest get 0.  temperature: T, 1 by default.  dtype: the result's, data's by default.

    >>> mx.nd.softmax(mx.nd.zeros((1, 4))).asnumpy().tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    return _normalized(F, "softmax", data, length, axis, temperature, dtype, use_length)


@op(method=True, kernel=COMPOSED)
def log_softmax(
    F,
    data: Tensor,
    *,
    axis: Axis = -1,
    temperature: float | None = None,
    dtype: DType | None = None,
    use_length: bool = False,
) -> Tensor:
    """``ln softmax(x)`` along ``axis``, exact where softmax is nearly 0. Arguments as softmax; no lengths."""
    if use_length:
        msg = "[log_softmax] has no input length: use_length must be False"
        raise ParameterError(msg)
    return _normalized(F, "log_softmax", data, None, axis, temperature, dtype)


@op(method=True)
def softmin(
    F,
    data: Tensor,
    *,
    axis: Axis = -1,
    temperature: float | None = None,
    dtype: DType | None = None,
    use_length: bool = False,
) -> Tensor:
    """``softmax(-x)`` along ``axis``. Arguments as softmax; no lengths."""
    if use_length:
        msg = "[softmin] has no input length: use_length must be False"
        raise ParameterError(msg)
    require_float("softmin", data)
    return _normalized(F, "softmin", -data, None, axis, temperature, dtype)


@op
def SoftmaxActivation(F, data: Tensor, *, mode: Enum("channel", "instance") = "instance") -> Tensor:
    """softmax over all but the first axis (instance), or over axis 1 (channel). MXNet's older name for softmax."""
    require_float("SoftmaxActivation", data)
    if not data.ndim:
        msg = "[SoftmaxActivation] data must be (n, ...), got ()"
        raise ShapeError(msg)
    if mode == "channel":
        return F._softmax(data, axis=normal_axis("SoftmaxActivation", 1, data.ndim))
    flat = data.reshape((data.shape[0], math.prod(data.shape[1:])))
    return F._softmax(flat, axis=1).reshape(data.shape)


# -- Dropout ---------------------------------------------------------------------------------------------------------


@op(mode_dependent=True)
def Dropout(
    F,
    data: Tensor,
    *,
    p: Range[float, 0, 1] = 0.5,
    mode: Enum("training", "always") = "training",
    axes: tuple[int, ...] = (),
    cudnn_off: bool | None = False,
) -> tuple[Tensor, Hidden[Tensor]]:
    """Zeroes elements with probability p and divides the others by 1 - p; outside of training returns data.

    mode: "always" drops outside of training, too.  axes: those along which one decision serves all elements.
    cudnn_off: accepted for MXNet's programs.

    Source: Srivastava et al. 2014.
    """
    require_float("Dropout", data)
    if p == 0.0 or not (F.is_train or mode == "always"):
        return data, F.ones((1,), data.dtype)
    shared = normal_axes("Dropout", axes, data.ndim) if axes else ()
    shape = tuple(1 if axis in shared else dim for axis, dim in enumerate(data.shape))
    if p == 1.0:  # MXNet 1.x gives NaN here
        mask = F.zeros(shape, data.dtype)
    else:
        mask = F._bernoulli(p=1.0 - p, shape=shape, dtype=data.dtype) * (1.0 / (1.0 - p))
    return data * mask, mask
