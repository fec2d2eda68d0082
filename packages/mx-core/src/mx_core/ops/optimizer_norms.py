"""Updates whose step is scaled by norms (LAMB, LARS), AdamW, and what they measure: sums of squares, finiteness.

``mp_`` forms compute on ``weight32``, the float32 copy of the weight.
"""

from __future__ import annotations

from ..dtypes import FLOAT32, is_float, name_of
from ..errors import DTypeError, ParameterError, ShapeError
from ..op import Positive, Runtime, Tensor, op
from .optimizer import _check_alike, _clipped

# -- lamb ------------------------------------------------------------------------------------------------------------


def _lamb_direction(
    F, weight, grad, mean, var, *, beta1, beta2, epsilon, t, bias_correction, wd, rescale_grad, clip_gradient
):
    """(direction, new mean, new var) of LAMB, before the direction's norm is scaled."""
    g = _clipped(F, grad, rescale_grad, clip_gradient)
    new_mean = mean * beta1 + g * (1.0 - beta1)
    new_var = var * beta2 + F.square(g) * (1.0 - beta2)
    if not bias_correction:
        return new_mean / (F.sqrt(new_var) + epsilon) + weight * wd, new_mean, new_var
    unbiased_mean = new_mean / (1.0 - beta1**t)
    unbiased_var = new_var / (1.0 - beta2**t)
    return unbiased_mean / (F.sqrt(unbiased_var) + epsilon) + weight * wd, new_mean, new_var


def _lamb_step(F, weight, g, r1, r2, lr, lower_bound, upper_bound):
    """The new weight: ``weight - lr * r1 / r2 * g`` with r1 between the bounds; a norm of 0 leaves the step as it is."""
    length = r1
    if lower_bound >= 0.0:
        length = F._maximum_scalar(length, scalar=lower_bound)
    if upper_bound >= 0.0:
        length = F._minimum_scalar(length, scalar=upper_bound)
    usable = (length != 0.0) * (r2 != 0.0)
    ratio = F._select(usable, length / F._select(usable, r2, 1.0), 1.0)
    return weight - g * ratio.reshape((1,) * weight.ndim) * lr


def _check_norms(name, **norms):
    for parameter, norm in norms.items():
        if norm.size != 1:
            msg = f"[{name}] {parameter} must be one number, an array of shape (1,), got shape {norm.shape}"
            raise ShapeError(msg)


@op(differentiable=False, writes={"mean": 1, "var": 2})
def lamb_update_phase1(
    F,
    weight: Tensor,
    grad: Tensor,
    mean: Tensor,
    var: Tensor,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-6,
    t: Runtime[float],
    bias_correction: bool = True,
    wd: Runtime[float],
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """The direction of LAMB before its norm is scaled (You et al. 2019); t: the step, from 1."""
    _check_alike("lamb_update_phase1", weight, weight.dtype, grad=grad, mean=mean, var=var)
    return _lamb_direction(
        F, weight, grad, mean, var, beta1=beta1, beta2=beta2, epsilon=epsilon, t=t, bias_correction=bias_correction,
        wd=wd, rescale_grad=rescale_grad, clip_gradient=clip_gradient,
    )  # fmt: skip


@op(differentiable=False)
def lamb_update_phase2(
    F,
    weight: Tensor,
    g: Tensor,
    r1: Tensor,
    r2: Tensor,
    *,
    lr: Runtime[float],
    lower_bound: float = -1.0,
    upper_bound: float = -1.0,
) -> Tensor:
    """``weight - lr * r1 / r2 * g``, r1 the (bounded) norm of weight and r2 that of g, arrays of shape (1,)."""
    _check_alike("lamb_update_phase2", weight, weight.dtype, g=g)
    _check_norms("lamb_update_phase2", r1=r1, r2=r2)
    return _lamb_step(F, weight, g, r1, r2, lr, lower_bound, upper_bound)


@op(differentiable=False, writes={"mean": 1, "var": 2})
def mp_lamb_update_phase1(
    F,
    weight: Tensor,
    grad: Tensor,
    mean: Tensor,
    var: Tensor,
    weight32: Tensor,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-6,
    t: Runtime[float],
    bias_correction: bool = True,
    wd: Runtime[float],
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """lamb_update_phase1 of weight32; the direction is float32."""
    _check_alike("mp_lamb_update_phase1", weight, weight.dtype, grad=grad)
    _check_alike("mp_lamb_update_phase1", weight, FLOAT32, mean=mean, var=var, weight32=weight32)
    return _lamb_direction(
        F, weight32, F._cast(grad, dtype=FLOAT32), mean, var, beta1=beta1, beta2=beta2, epsilon=epsilon, t=t,
        bias_correction=bias_correction, wd=wd, rescale_grad=rescale_grad, clip_gradient=clip_gradient,
    )  # fmt: skip


@op(differentiable=False, writes={"weight32": 1})
def mp_lamb_update_phase2(
    F,
    weight: Tensor,
    g: Tensor,
    r1: Tensor,
    r2: Tensor,
    weight32: Tensor,
    *,
    lr: Runtime[float],
    lower_bound: float = -1.0,
    upper_bound: float = -1.0,
) -> tuple[Tensor, Tensor]:
    """lamb_update_phase2 of weight32, which is overwritten; returns it in weight's type.

    MXNet 1.x leaves weight32 as it was on the CPU, so that its steps do not add up; here it takes the step.
    """
    _check_alike("mp_lamb_update_phase2", weight, FLOAT32, g=g, weight32=weight32)
    _check_norms("mp_lamb_update_phase2", r1=r1, r2=r2)
    wide = F._cast(g, dtype=FLOAT32)
    new = _lamb_step(F, weight32, wide, r1, r2, lr, lower_bound, upper_bound)
    return F._cast(new, dtype=weight.dtype), new


# -- adamw -----------------------------------------------------------------------------------------------------------


def _decayed_adam(F, weight, grad, mean, var, *, lr, beta1, beta2, epsilon, wd, eta, clip_gradient):
    """(new weight, new mean, new var) of Adam with the weight decay beside the step, not in the gradient."""
    g = grad if clip_gradient < 0.0 else _clipped(F, grad, 1.0, clip_gradient)
    new_mean = mean * beta1 + g * (1.0 - beta1)
    new_var = var * beta2 + F.square(g) * (1.0 - beta2)
    return weight - (new_mean * lr / (F.sqrt(new_var) + epsilon) + weight * wd) * eta, new_mean, new_var


def _skipping(F, update, group, scale, is_mixed, **options):
    """The update of a group (weight, grad, *states[, weight32]) with grad * scale; of nothing when scale is 0 or not finite.

    That is how training with a loss scale passes over a step that overflowed.
    """
    weight, grad, *states = group
    old = (states.pop() if is_mixed else weight, *states)
    wide = F._cast(scale, dtype=old[0].dtype).reshape((1,) * weight.ndim)
    usable = F._isfinite(wide) * (wide != 0.0)
    new = update(F, old[0], F._cast(grad, dtype=old[0].dtype) * wide, *states, **options)
    kept = [F._select(usable, after, before) for after, before in zip(new, old, strict=True)]
    return (F._cast(kept[0], dtype=weight.dtype), *kept[1:], kept[0]) if is_mixed else tuple(kept)


@op(differentiable=False, writes={"mean": 1, "var": 2})
def _adamw_update(
    F,
    weight: Tensor,
    grad: Tensor,
    mean: Tensor,
    var: Tensor,
    rescale_grad: Tensor,
    *,
    lr: Runtime[float],
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: Runtime[float] = 0.0,
    eta: Runtime[float],
    clip_gradient: float = -1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """``weight - eta * (lr * mean / (sqrt(var) + epsilon) + wd * weight)``, mean and var as in adam_update of
    ``clip(rescale_grad * grad)`` (Loshchilov and Hutter 2017). The bias correction is in lr.

    rescale_grad: an array of one number; where it is 0 or not finite, nothing is changed.
    """
    _check_alike("_adamw_update", weight, weight.dtype, grad=grad, mean=mean, var=var)
    _check_norms("_adamw_update", rescale_grad=rescale_grad)
    return _skipping(F, _decayed_adam, (weight, grad, mean, var), rescale_grad, False, lr=lr, beta1=beta1, beta2=beta2,
                     epsilon=epsilon, wd=wd, eta=eta, clip_gradient=clip_gradient)  # fmt: skip


@op(differentiable=False, writes={"mean": 1, "var": 2, "weight32": 3})
def _mp_adamw_update(
    F,
    weight: Tensor,
    grad: Tensor,
    mean: Tensor,
    var: Tensor,
    weight32: Tensor,
    rescale_grad: Tensor,
    *,
    lr: Runtime[float],
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wd: Runtime[float] = 0.0,
    eta: Runtime[float],
    clip_gradient: float = -1.0,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """_adamw_update of weight32; returns it in weight's type."""
    _check_alike("_mp_adamw_update", weight, weight.dtype, grad=grad)
    _check_alike("_mp_adamw_update", weight, FLOAT32, mean=mean, var=var, weight32=weight32)
    _check_norms("_mp_adamw_update", rescale_grad=rescale_grad)
    return _skipping(F, _decayed_adam, (weight, grad, mean, var, weight32), rescale_grad, True, lr=lr, beta1=beta1,
                     beta2=beta2, epsilon=epsilon, wd=wd, eta=eta, clip_gradient=clip_gradient)  # fmt: skip


# -- what the updates measure ----------------------------------------------------------------------------------------


def _check_count(name, data, num_arrays):
    if len(data) != num_arrays:
        msg = f"[{name}] expects num_arrays = {num_arrays} arrays, got {len(data)}"
        raise ParameterError(msg)


def _check_floats(name, data):
    for i, item in enumerate(data):
        if not is_float(item.dtype):
            msg = (
                f"[{name}] input {i} must be an array of floats, got {name_of(item.dtype)}. Cast it: .astype('float32')"
            )
            raise DTypeError(msg)


@op(differentiable=False)
def multi_sum_sq(F, data: list[Tensor], *, num_arrays: Positive[int]) -> Tensor:
    """The sum of the squares of each array, in float32, shape (num_arrays,)."""
    _check_count("multi_sum_sq", data, num_arrays)
    sums = []
    for item in data:
        total = F._reduce(F.square(F._cast(item, dtype=FLOAT32)), op="sum", axes=tuple(range(item.ndim)))
        sums.append(F._view(total, shape=(1,)))
    return F._concat(*sums, axis=0)


@op(differentiable=False)
def multi_lars(
    F,
    lrs: Tensor,
    weights_sum_sq: Tensor,
    grads_sum_sq: Tensor,
    wds: Tensor,
    *,
    eta: float,
    eps: float,
    rescale_grad: Runtime[float] = 1.0,
) -> Tensor:
    """The learning rates of LARS, ``lr * eta * |w| / (rescale_grad * |g| + wd * |w| + eps)``; lr where a norm is 0.

    weights_sum_sq, grads_sum_sq: the squares of the norms, from multi_sum_sq. All of one shape (You et al. 2017).
    """
    for name, item in (("weights_sum_sq", weights_sum_sq), ("grads_sum_sq", grads_sum_sq), ("wds", wds)):
        if item.shape != lrs.shape:
            msg = f"[multi_lars] {name} must have the shape {lrs.shape} of lrs, got {item.shape}"
            raise ShapeError(msg)
    weight, grad = F.sqrt(weights_sum_sq), F.sqrt(grads_sum_sq)
    usable = (weight > 0.0) * (grad > 0.0)
    below = F._select(usable, grad * rescale_grad + wds * weight + eps, 1.0)
    return F._select(usable, lrs * eta * weight / below, lrs)


def _finite(F, data):
    """1 when every element of every array is finite, else 0, shape (1,)."""
    result = None
    for item in data:
        wrong = F._reduce(F._isfinite(item) == 0.0, op="sum", axes=tuple(range(item.ndim)))
        total = F._cast(F._view(wrong, shape=(1,)) == 0.0, dtype=FLOAT32)
        result = total if result is None else result * total
    return result


@op(differentiable=False)
def all_finite(F, data: Tensor, *, init_output: bool = True) -> Tensor:
    """1 when every element of data is finite, else 0, as float32 of shape (1,).

    init_output: False keeps a 0 that ``out=`` holds already; mx.nd.all_finite does that.
    """
    _check_floats("all_finite", [data])
    return _finite(F, [data])


@op(differentiable=False)
def multi_all_finite(F, data: list[Tensor], *, num_arrays: Positive[int] = 1, init_output: bool = True) -> Tensor:
    """1 when every element of every array is finite, else 0, as float32 of shape (1,).

    init_output: False keeps a 0 that ``out=`` holds already; mx.nd.multi_all_finite does that.
    """
    _check_count("multi_all_finite", data, num_arrays)
    _check_floats("multi_all_finite", data)
    return _finite(F, data)


@op(
    differentiable=False,
    num_outputs=lambda params: params["num_arrays"],
    visible=lambda params: 0,
    writes=lambda params: {i: i for i in range(params["num_arrays"])},
)
def reset_arrays(F, data: list[Tensor], *, num_arrays: Positive[int]) -> list[Tensor]:
    """Fills the arrays with zeros, in place; returns an empty list."""
    _check_count("reset_arrays", data, num_arrays)
    return [F.zeros(item.shape, item.dtype) for item in data]
