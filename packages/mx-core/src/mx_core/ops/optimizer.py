"""Updates of weights: sgd, adam, nag, rmsprop, ftrl, signum, ftml, adagrad. Each is one fused pointwise program.

They return the new weight, given to ``out=weight``, and overwrite their states. What changes from step to step
(lr, wd, rescale_grad, t) are call-time scalars. ``clip_gradient`` < 0 means no clipping. The ``mp_`` ones keep a
float32 copy of a float16 weight.
"""

from __future__ import annotations

from ..dtypes import FLOAT32, name_of
from ..errors import DTypeError, ShapeError
from ..op import Runtime, Tensor, op


def _check_alike(name, weight, dtype, **others):
    """The gradient and the states must have the weight's shape, and this element type: states are overwritten in place."""
    for parameter, item in others.items():
        if item.shape != weight.shape:
            msg = f"[{name}] {parameter} must have the weight's shape {weight.shape}, got {item.shape}"
            raise ShapeError(msg)
        if item.dtype != dtype:
            msg = f"[{name}] {parameter} must be {name_of(dtype)}, got {name_of(item.dtype)}"
            raise DTypeError(msg)


def _clipped(F, grad, rescale_grad, clip_gradient):
    scaled = grad * rescale_grad
    return scaled if clip_gradient < 0.0 else _clip(F, scaled, clip_gradient)


def _clip(F, value, bound):
    return F._minimum_scalar(F._maximum_scalar(value, scalar=-bound), scalar=bound)


def _decayed_clipped(F, weight, grad, wd, rescale_grad, clip_gradient):
    """rescale_grad * grad + wd * weight, clipped: adam and rmsprop clip what includes the weight decay."""
    total = grad * rescale_grad + weight * wd
    return total if clip_gradient < 0.0 else _clip(F, total, clip_gradient)


# -- sgd -------------------------------------------------------------------------------------------------------------


@op(differentiable=False)
def sgd_update(
    F,
    weight: Tensor,
    grad: Tensor,
    *,
    lr: Runtime[float],
    wd: Runtime[float] = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> Tensor:
    """``weight - lr * (clip(rescale_grad * grad) + wd * weight)``. lazy_update: only for sparse gradients."""
    _check_alike("sgd_update", weight, weight.dtype, grad=grad)
    return weight - (_clipped(F, grad, rescale_grad, clip_gradient) + weight * wd) * lr


@op(differentiable=False, writes={"mom": 1})
def sgd_mom_update(
    F,
    weight: Tensor,
    grad: Tensor,
    mom: Tensor,
    *,
    lr: Runtime[float],
    momentum: float = 0.0,
    wd: Runtime[float] = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> tuple[Tensor, Tensor]:
    """``mom = momentum * mom - lr * (clip(rescale_grad * grad) + wd * weight)``; returns ``weight + mom``."""
    _check_alike("sgd_mom_update", weight, weight.dtype, grad=grad, mom=mom)
    step = (_clipped(F, grad, rescale_grad, clip_gradient) + weight * wd) * lr
    new_mom = mom * momentum - step
    return weight + new_mom, new_mom


@op(differentiable=False, writes={"weight32": 1})
def mp_sgd_update(
    F,
    weight: Tensor,
    grad: Tensor,
    weight32: Tensor,
    *,
    lr: Runtime[float],
    wd: Runtime[float] = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> tuple[Tensor, Tensor]:
    """sgd_update on weight32; returns it in weight's type."""
    _check_alike("mp_sgd_update", weight, weight.dtype, grad=grad)
    _check_alike("mp_sgd_update", weight, FLOAT32, weight32=weight32)
    wide = F._cast(grad, dtype=FLOAT32)
    new = weight32 - (_clipped(F, wide, rescale_grad, clip_gradient) + weight32 * wd) * lr
    return F._cast(new, dtype=weight.dtype), new


@op(differentiable=False, writes={"mom": 1, "weight32": 2})
def mp_sgd_mom_update(
    F,
    weight: Tensor,
    grad: Tensor,
    mom: Tensor,
    weight32: Tensor,
    *,
    lr: Runtime[float],
    momentum: float = 0.0,
    wd: Runtime[float] = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """sgd_mom_update on weight32 with a float32 mom; returns the new weight in weight's type."""
    _check_alike("mp_sgd_mom_update", weight, weight.dtype, grad=grad)
    _check_alike("mp_sgd_mom_update", weight, FLOAT32, mom=mom, weight32=weight32)
    wide = F._cast(grad, dtype=FLOAT32)
    new_mom = mom * momentum - (_clipped(F, wide, rescale_grad, clip_gradient) + weight32 * wd) * lr
    new = weight32 + new_mom
    return F._cast(new, dtype=weight.dtype), new_mom, new


# -- Nesterov --------------------------------------------------------------------------------------------------------


def _nag(F, weight, grad, mom, lr, momentum, wd, rescale_grad, clip_gradient):
    step = (_clipped(F, grad, rescale_grad, clip_gradient) + weight * wd) * lr
    new_mom = mom * momentum - step
    return weight + new_mom * momentum - step, new_mom


@op(differentiable=False, writes={"mom": 1})
def nag_mom_update(
    F,
    weight: Tensor,
    grad: Tensor,
    mom: Tensor,
    *,
    lr: Runtime[float],
    momentum: float = 0.0,
    wd: Runtime[float] = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
) -> tuple[Tensor, Tensor]:
    """Nesterov: ``g = clip(rescale_grad * grad) + wd * weight, mom = momentum * mom - lr * g``; returns
    ``weight + momentum * mom - lr * g``."""
    _check_alike("nag_mom_update", weight, weight.dtype, grad=grad, mom=mom)
    return _nag(F, weight, grad, mom, lr, momentum, wd, rescale_grad, clip_gradient)


@op(differentiable=False, writes={"mom": 1, "weight32": 2})
def mp_nag_mom_update(
    F,
    weight: Tensor,
    grad: Tensor,
    mom: Tensor,
    weight32: Tensor,
    *,
    lr: Runtime[float],
    momentum: float = 0.0,
    wd: Runtime[float] = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """nag_mom_update on weight32 with a float32 mom (MXNet 1.x decays mom by the updated weight here, an accident)."""
    _check_alike("mp_nag_mom_update", weight, weight.dtype, grad=grad)
    _check_alike("mp_nag_mom_update", weight, FLOAT32, mom=mom, weight32=weight32)
    wide = F._cast(grad, dtype=FLOAT32)
    new, new_mom = _nag(F, weight32, wide, mom, lr, momentum, wd, rescale_grad, clip_gradient)
    return F._cast(new, dtype=weight.dtype), new_mom, new


# -- adam and its kin ------------------------------------------------------------------------------------------------


@op(differentiable=False, writes={"mean": 1, "var": 2})
def adam_update(
    F,
    weight: Tensor,
    grad: Tensor,
    mean: Tensor,
    var: Tensor,
    *,
    lr: Runtime[float],
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: Runtime[float] = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    lazy_update: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """``g = clip(rescale_grad * grad + wd * weight), mean = beta1 mean + (1 - beta1) g, var = beta2 var + (1 - beta2) g^2``;
    returns ``weight - lr * mean / (sqrt(var) + epsilon)``. The bias correction is in lr.

    Source: Kingma and Ba 2014.
    """
    _check_alike("adam_update", weight, weight.dtype, grad=grad, mean=mean, var=var)
    g = _decayed_clipped(F, weight, grad, wd, rescale_grad, clip_gradient)
    new_mean = mean * beta1 + g * (1.0 - beta1)
    new_var = var * beta2 + F.square(g) * (1.0 - beta2)
    return weight - new_mean * lr / (F.sqrt(new_var) + epsilon), new_mean, new_var


@op(differentiable=False, writes={"d": 1, "v": 2, "z": 3})
def ftml_update(
    F,
    weight: Tensor,
    grad: Tensor,
    d: Tensor,
    v: Tensor,
    z: Tensor,
    *,
    lr: Runtime[float],
    beta1: float = 0.6,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    t: Runtime[float],
    wd: Runtime[float] = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_grad: float = -1.0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Follow the moving leader (Zheng and Kwok 2017); t: the step, from 1."""
    _check_alike("ftml_update", weight, weight.dtype, grad=grad, d=d, v=v, z=z)
    g = _decayed_clipped(F, weight, grad, wd, rescale_grad, clip_grad)
    new_v = v * beta2 + F.square(g) * (1.0 - beta2)
    new_d = (F.sqrt(new_v / (1.0 - beta2**t)) + epsilon) * ((1.0 - beta1**t) / lr)
    sigma = new_d - d * beta1
    new_z = z * beta1 + g * (1.0 - beta1) - sigma * weight
    return -new_z / new_d, new_d, new_v, new_z


# -- rmsprop, ftrl, signum -------------------------------------------------------------------------------------------


@op(differentiable=False, writes={"n": 1})
def rmsprop_update(
    F,
    weight: Tensor,
    grad: Tensor,
    n: Tensor,
    *,
    lr: Runtime[float],
    gamma1: float = 0.95,
    epsilon: float = 1e-8,
    wd: Runtime[float] = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    clip_weights: float = -1.0,
) -> tuple[Tensor, Tensor]:
    """``g = clip(rescale_grad * grad + wd * weight), n = gamma1 n + (1 - gamma1) g^2``; returns
    ``weight - lr * g / sqrt(n + epsilon)``, clipped to clip_weights unless that is <= 0."""
    _check_alike("rmsprop_update", weight, weight.dtype, grad=grad, n=n)
    g = _decayed_clipped(F, weight, grad, wd, rescale_grad, clip_gradient)
    new_n = n * gamma1 + F.square(g) * (1.0 - gamma1)
    new = weight - g * lr / F.sqrt(new_n + epsilon)
    return (new if clip_weights < 0.0 else _clip(F, new, clip_weights)), new_n


@op(differentiable=False, writes={"n": 1, "g": 2, "delta": 3})
def rmspropalex_update(
    F,
    weight: Tensor,
    grad: Tensor,
    n: Tensor,
    g: Tensor,
    delta: Tensor,
    *,
    lr: Runtime[float],
    gamma1: float = 0.95,
    gamma2: float = 0.9,
    epsilon: float = 1e-8,
    wd: Runtime[float] = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    clip_weights: float = -1.0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """rmsprop with a running mean g of the gradient and momentum gamma2 (Graves 2013):
    ``delta = gamma2 delta - lr * grad / sqrt(n - g^2 + epsilon)``; returns ``weight + delta``."""
    _check_alike("rmspropalex_update", weight, weight.dtype, grad=grad, n=n, g=g, delta=delta)
    gradient = _decayed_clipped(F, weight, grad, wd, rescale_grad, clip_gradient)
    new_n = n * gamma1 + F.square(gradient) * (1.0 - gamma1)
    new_g = g * gamma1 + gradient * (1.0 - gamma1)
    new_delta = delta * gamma2 - gradient * lr / F.sqrt(new_n - F.square(new_g) + epsilon)
    new = weight + new_delta
    return (new if clip_weights < 0.0 else _clip(F, new, clip_weights)), new_n, new_g, new_delta


@op(differentiable=False, writes={"z": 1, "n": 2})
def ftrl_update(
    F,
    weight: Tensor,
    grad: Tensor,
    z: Tensor,
    n: Tensor,
    *,
    lr: Runtime[float],
    lamda1: float = 0.01,
    beta: float = 1.0,
    wd: Runtime[float] = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Follow the regularized leader (McMahan et al. 2013), L1 by lamda1 and L2 by wd."""
    _check_alike("ftrl_update", weight, weight.dtype, grad=grad, z=z, n=n)
    g = _clipped(F, grad, rescale_grad, clip_gradient)
    new_n = n + F.square(g)
    new_z = z + g - (F.sqrt(new_n) - F.sqrt(n)) * weight / lr
    shrunk = F.sign(new_z) * lamda1 - new_z
    new = shrunk / ((F.sqrt(new_n) + beta) / lr + wd) * (F.abs(new_z) > lamda1)
    return new, new_z, new_n


@op(differentiable=False)
def signsgd_update(
    F,
    weight: Tensor,
    grad: Tensor,
    *,
    lr: Runtime[float],
    wd: Runtime[float] = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
) -> Tensor:
    """``(1 - lr * wd) * weight - lr * sign(grad)``. rescale_grad, clip_gradient: do not change a sign."""
    _check_alike("signsgd_update", weight, weight.dtype, grad=grad)
    return weight - (F.sign(grad * rescale_grad) + weight * wd) * lr


@op(differentiable=False, writes={"mom": 1})
def signum_update(
    F,
    weight: Tensor,
    grad: Tensor,
    mom: Tensor,
    *,
    lr: Runtime[float],
    momentum: float = 0.0,
    wd: Runtime[float] = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    wd_lh: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """``mom = momentum mom - (1 - momentum) (clip(rescale_grad * grad) + wd * weight)``; returns
    ``(1 - lr * wd_lh) * weight + lr * sign(mom)``."""
    _check_alike("signum_update", weight, weight.dtype, grad=grad, mom=mom)
    g = _clipped(F, grad, rescale_grad, clip_gradient) + weight * wd
    new_mom = mom * momentum - g * (1.0 - momentum)
    return weight + (F.sign(new_mom) - weight * wd_lh) * lr, new_mom


# -- adagrad ---------------------------------------------------------------------------------------------------------


@op(differentiable=False, writes={"history": 1})
def _sparse_adagrad_update(
    F,
    weight: Tensor,
    grad: Tensor,
    history: Tensor,
    *,
    lr: Runtime[float],
    epsilon: float = 1e-7,
    wd: Runtime[float] = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
) -> tuple[Tensor, Tensor]:
    """``g = clip(rescale_grad * grad), history = history + g^2``; returns ``weight - lr * (g / sqrt(history + epsilon) + wd *
    weight)`` (Duchi et al. 2011). MXNet 1.x has it for sparse gradients only, and without weight decay."""
    _check_alike("_sparse_adagrad_update", weight, weight.dtype, grad=grad, history=history)
    g = _clipped(F, grad, rescale_grad, clip_gradient)
    new_history = history + F.square(g)
    return weight - (g / F.sqrt(new_history + epsilon) + weight * wd) * lr, new_history


@op(differentiable=False, writes={"history": 1})
def _contrib_group_adagrad_update(
    F,
    weight: Tensor,
    grad: Tensor,
    history: Tensor,
    *,
    lr: Runtime[float],
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    epsilon: float = 1e-5,
) -> tuple[Tensor, Tensor]:
    """Adagrad with one history for each row: ``history = history + mean(g^2 of the row)``; returns
    ``weight - lr * g / sqrt(history + epsilon)``. history: shape (rows, 1, ...) or (rows,)."""
    _check_alike("_contrib_group_adagrad_update", weight, weight.dtype, grad=grad)
    shape = (*weight.shape[:1], *(1,) * (weight.ndim - 1))
    if history.shape not in (shape, weight.shape[:1]):
        msg = f"[_contrib_group_adagrad_update] history must have shape {shape}, one for each row, got {history.shape}"
        raise ShapeError(msg)
    g = _clipped(F, grad, rescale_grad, clip_gradient)
    power = F._reduce(F.square(g), op="mean", axes=tuple(range(1, weight.ndim)))
    new_history = F._view(history, shape=shape) + F._view(power, shape=shape)
    new = weight - g / F.sqrt(new_history + epsilon) * lr
    return new, F._view(new_history, shape=history.shape)
