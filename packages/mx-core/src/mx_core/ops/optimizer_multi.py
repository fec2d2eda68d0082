"""Updates of many weights in one call: multi_*, of learning rates given as numbers, and preloaded_multi_*, as arrays.

Their inputs are the weights' own inputs one weight after another: ``weight, grad, [states...], weight, grad, ...``. They
return the new weights, given to ``out=[weight, ...]``, and overwrite the states. The formulas are the single updates'.
"""

from __future__ import annotations

from ..dtypes import FLOAT32, name_of
from ..errors import DTypeError, ParameterError, ShapeError
from ..op import Floats, Positive, Runtime, Shape, Tensor, op
from .optimizer import _clipped
from .optimizer_norms import _check_norms, _decayed_adam, _lamb_direction, _lamb_step, _skipping

# How many inputs a weight has: its own array, its gradient and its states.
_SGD, _SGD_MOM, _MP_SGD, _MP_SGD_MOM = 2, 3, 3, 4
_ADAM, _MP_ADAM = 4, 5


def _layout(size, count="num_weights"):
    """OpDef options of an update with ``size`` inputs for a weight: what it returns, and the states that it writes.

    Outputs are the new weights, then weight 0's new states, weight 1's, ...
    """

    def written(params):
        n = params[count]
        states = size - 2
        return {i * size + 2 + k: n + i * states + k for i in range(n) for k in range(states)}

    return {
        "differentiable": False,
        "num_outputs": lambda params: params[count] * (size - 1),
        "visible": lambda params: params[count],
        "writes": written,
    }


def _weights(name, data, size, count, rest=0, is_mixed=False, **per_weight):
    """The inputs of each weight. is_mixed: its states are float32. per_weight: parameters that hold a number for each."""
    if len(data) != size * count + rest:
        more = f" and {rest} more" if rest else ""
        msg = (
            f"[{name}] expects {size} arrays for each of {count} weight(s){more}, {size * count + rest} in all, "
            f"got {len(data)}"
        )
        raise ParameterError(msg)
    for parameter, values in per_weight.items():
        if len(values) != count:
            msg = f"[{name}] {parameter} must hold {count} number(s), one for each weight, got {len(values)}"
            raise ParameterError(msg)
    groups = [data[i * size : (i + 1) * size] for i in range(count)]
    for i, group in enumerate(groups):
        for k, item in enumerate(group):
            if item.shape != group[0].shape:
                msg = f"[{name}] input {i * size + k} must have the shape {group[0].shape} of its weight, got {item.shape}"
                raise ShapeError(msg)
            dtype = FLOAT32 if is_mixed and k > 1 else group[0].dtype
            if item.dtype != dtype:
                msg = f"[{name}] input {i * size + k} must be {name_of(dtype)}, got {name_of(item.dtype)}"
                raise DTypeError(msg)
    return groups


def _collected(results):
    """The outputs of a multi update from (new weight, *new states) of each weight."""
    return [*[weight for weight, *_ in results], *[state for _, *states in results for state in states]]


# -- sgd -------------------------------------------------------------------------------------------------------------


def _sgd(F, weight, grad, mom, lr, wd, momentum, rescale_grad, clip_gradient):
    """(new weight, new mom) of plain sgd or, given mom, of sgd with momentum."""
    step = (_clipped(F, grad, rescale_grad, clip_gradient) + weight * wd) * lr
    if mom is None:
        return (weight - step,)
    new_mom = mom * momentum - step
    return weight + new_mom, new_mom


def _multi_sgd(F, groups, lrs, wds, has_mom, is_mixed, **options):
    """The outputs of all multi_sgd forms. is_mixed: a float32 copy of the weight comes last in its group."""
    results = []
    for group, lr, wd in zip(groups, lrs, wds, strict=True):
        weight, grad, mom = group[0], group[1], group[2] if has_mom else None
        if is_mixed:
            new, *states = _sgd(F, group[-1], F._cast(grad, dtype=FLOAT32), mom, lr, wd, **options)
            results.append((F._cast(new, dtype=weight.dtype), *states, new))
        else:
            results.append(_sgd(F, weight, grad, mom, lr, wd, **options))
    return _collected(results)


@op(**_layout(_SGD))
def multi_sgd_update(
    F,
    data: list[Tensor],
    *,
    lrs: Runtime[Floats],
    wds: Runtime[Floats],
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    num_weights: Positive[int] = 1,
) -> list[Tensor]:
    """sgd_update of ``weight, grad`` of each weight, with its own lr and wd."""
    groups = _weights("multi_sgd_update", data, _SGD, num_weights, lrs=lrs, wds=wds)
    return _multi_sgd(F, groups, lrs, wds, False, False, momentum=0.0, rescale_grad=rescale_grad,
                      clip_gradient=clip_gradient)  # fmt: skip


@op(**_layout(_SGD_MOM))
def multi_sgd_mom_update(
    F,
    data: list[Tensor],
    *,
    lrs: Runtime[Floats],
    wds: Runtime[Floats],
    momentum: float = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    num_weights: Positive[int] = 1,
) -> list[Tensor]:
    """sgd_mom_update of ``weight, grad, mom`` of each weight, with its own lr and wd."""
    groups = _weights("multi_sgd_mom_update", data, _SGD_MOM, num_weights, lrs=lrs, wds=wds)
    return _multi_sgd(F, groups, lrs, wds, True, False, momentum=momentum, rescale_grad=rescale_grad,
                      clip_gradient=clip_gradient)  # fmt: skip


@op(**_layout(_MP_SGD))
def multi_mp_sgd_update(
    F,
    data: list[Tensor],
    *,
    lrs: Runtime[Floats],
    wds: Runtime[Floats],
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    num_weights: Positive[int] = 1,
) -> list[Tensor]:
    """mp_sgd_update of ``weight, grad, weight32`` of each weight, with its own lr and wd."""
    groups = _weights("multi_mp_sgd_update", data, _MP_SGD, num_weights, is_mixed=True, lrs=lrs, wds=wds)
    return _multi_sgd(F, groups, lrs, wds, False, True, momentum=0.0, rescale_grad=rescale_grad,
                      clip_gradient=clip_gradient)  # fmt: skip


@op(**_layout(_MP_SGD_MOM))
def multi_mp_sgd_mom_update(
    F,
    data: list[Tensor],
    *,
    lrs: Runtime[Floats],
    wds: Runtime[Floats],
    momentum: float = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    num_weights: Positive[int] = 1,
) -> list[Tensor]:
    """mp_sgd_mom_update of ``weight, grad, mom, weight32`` of each weight, with its own lr and wd."""
    groups = _weights("multi_mp_sgd_mom_update", data, _MP_SGD_MOM, num_weights, is_mixed=True, lrs=lrs, wds=wds)
    return _multi_sgd(F, groups, lrs, wds, True, True, momentum=momentum, rescale_grad=rescale_grad,
                      clip_gradient=clip_gradient)  # fmt: skip


# -- sgd, learning rates and weight decays in arrays -------------------------------------------------------------------


def _preloaded(F, name, data, size, count, is_mixed=False):
    """(the inputs of each weight, their learning rates, their weight decays): the last two inputs hold these."""
    groups = _weights(name, data, size, count, 2, is_mixed)
    rates = []
    for parameter, array in zip(("lrs", "wds"), data[-2:], strict=True):
        if array.shape != (count,):
            msg = f"[{name}] {parameter} must have shape (num_weights,) = {(count,)}, got {array.shape}"
            raise ShapeError(msg)
        rates.append([])
        for i, group in enumerate(groups):
            rate = F._view(F._slice(array, begin=(i,), step=(1,), shape=(1,)), shape=(1,) * group[0].ndim)
            rates[-1].append(F._cast(rate, dtype=FLOAT32 if is_mixed else group[0].dtype))
    return groups, *rates


@op(**_layout(_SGD))
def preloaded_multi_sgd_update(
    F,
    data: list[Tensor],
    *,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    num_weights: Positive[int] = 1,
) -> list[Tensor]:
    """multi_sgd_update whose last two inputs are the learning rates and the weight decays, arrays of shape (num_weights,)."""
    groups, lrs, wds = _preloaded(F, "preloaded_multi_sgd_update", data, _SGD, num_weights)
    return _multi_sgd(F, groups, lrs, wds, False, False, momentum=0.0, rescale_grad=rescale_grad,
                      clip_gradient=clip_gradient)  # fmt: skip


@op(**_layout(_SGD_MOM))
def preloaded_multi_sgd_mom_update(
    F,
    data: list[Tensor],
    *,
    momentum: float = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    num_weights: Positive[int] = 1,
) -> list[Tensor]:
    """multi_sgd_mom_update whose last two inputs are the learning rates and the weight decays, of shape (num_weights,)."""
    groups, lrs, wds = _preloaded(F, "preloaded_multi_sgd_mom_update", data, _SGD_MOM, num_weights)
    return _multi_sgd(F, groups, lrs, wds, True, False, momentum=momentum, rescale_grad=rescale_grad,
                      clip_gradient=clip_gradient)  # fmt: skip


@op(**_layout(_MP_SGD))
def preloaded_multi_mp_sgd_update(
    F,
    data: list[Tensor],
    *,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    num_weights: Positive[int] = 1,
) -> list[Tensor]:
    """multi_mp_sgd_update whose last two inputs are the learning rates and the weight decays, of shape (num_weights,)."""
    groups, lrs, wds = _preloaded(F, "preloaded_multi_mp_sgd_update", data, _MP_SGD, num_weights, is_mixed=True)
    return _multi_sgd(F, groups, lrs, wds, False, True, momentum=0.0, rescale_grad=rescale_grad,
                      clip_gradient=clip_gradient)  # fmt: skip


@op(**_layout(_MP_SGD_MOM))
def preloaded_multi_mp_sgd_mom_update(
    F,
    data: list[Tensor],
    *,
    momentum: float = 0.0,
    rescale_grad: Runtime[float] = 1.0,
    clip_gradient: float = -1.0,
    num_weights: Positive[int] = 1,
) -> list[Tensor]:
    """multi_mp_sgd_mom_update whose last two inputs are the learning rates and the weight decays, of shape (num_weights,)."""
    groups, lrs, wds = _preloaded(F, "preloaded_multi_mp_sgd_mom_update", data, _MP_SGD_MOM, num_weights, is_mixed=True)
    return _multi_sgd(F, groups, lrs, wds, True, True, momentum=momentum, rescale_grad=rescale_grad,
                      clip_gradient=clip_gradient)  # fmt: skip


# -- adamw -----------------------------------------------------------------------------------------------------------


def _multi_adamw_all(F, name, groups, scale, lrs, wds, etas, is_mixed, **options):
    _check_norms(name, rescale_grad=scale)
    results = []
    for group, lr, wd, eta in zip(groups, lrs, wds, etas, strict=True):
        results.append(_skipping(F, _decayed_adam, group, scale, is_mixed, lr=lr, wd=wd, eta=eta, **options))
    return _collected(results)


@op(**_layout(_ADAM))
def _multi_adamw_update(
    F,
    data: list[Tensor],
    *,
    lrs: Runtime[Floats],
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wds: Runtime[Floats],
    etas: Runtime[Floats],
    clip_gradient: float = -1.0,
    num_weights: Positive[int] = 1,
) -> list[Tensor]:
    """_adamw_update of ``weight, grad, mean, var`` of each weight; the last input is the common rescale_grad."""
    groups = _weights("_multi_adamw_update", data, _ADAM, num_weights, rest=1, lrs=lrs, wds=wds, etas=etas)
    return _multi_adamw_all(
        F, "_multi_adamw_update", groups, data[-1], lrs, wds, etas, False, beta1=beta1, beta2=beta2, epsilon=epsilon,
        clip_gradient=clip_gradient,
    )  # fmt: skip


@op(**_layout(_MP_ADAM))
def _multi_mp_adamw_update(
    F,
    data: list[Tensor],
    *,
    lrs: Runtime[Floats],
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    wds: Runtime[Floats],
    etas: Runtime[Floats],
    clip_gradient: float = -1.0,
    num_weights: Positive[int] = 1,
) -> list[Tensor]:
    """_mp_adamw_update of ``weight, grad, mean, var, weight32`` of each weight; the last input is the common rescale_grad."""
    groups = _weights("_multi_mp_adamw_update", data, _MP_ADAM, num_weights, 1, True, lrs=lrs, wds=wds, etas=etas)
    return _multi_adamw_all(
        F, "_multi_mp_adamw_update", groups, data[-1], lrs, wds, etas, True, beta1=beta1, beta2=beta2, epsilon=epsilon,
        clip_gradient=clip_gradient,
    )  # fmt: skip


# -- lamb ------------------------------------------------------------------------------------------------------------


def _norm(F, value):
    wide = F._cast(value, dtype=FLOAT32)
    total = F._reduce(F.square(wide), op="sum", axes=tuple(range(value.ndim)))
    return F.sqrt(F._view(total, shape=(1,)))


def _lamb(F, group, t, is_mixed, lr, wd, lower_bound, upper_bound, **options):
    """Both phases of lamb with the norms between them: (new weight, new mean, new var[, new weight32])."""
    weight, grad, mean, var = group[:4]
    master = group[-1] if is_mixed else weight
    direction, new_mean, new_var = _lamb_direction(
        F, master, F._cast(grad, dtype=master.dtype), mean, var, t=t, wd=wd, **options
    )
    r1, r2 = F._cast(_norm(F, master), dtype=master.dtype), F._cast(_norm(F, direction), dtype=master.dtype)
    new = _lamb_step(F, master, direction, r1, r2, lr, lower_bound, upper_bound)
    return (F._cast(new, dtype=weight.dtype), new_mean, new_var, new) if is_mixed else (new, new_mean, new_var)


def _multi_lamb(F, name, data, size, rates, **options):
    learning_rates, wds, steps, count = rates
    is_mixed = size == _MP_ADAM
    groups = _weights(name, data, size, count, 0, is_mixed, learning_rates=learning_rates, wds=wds, step_count=steps)
    results = [
        _lamb(F, group, t, is_mixed, lr, wd, **options)
        for group, lr, wd, t in zip(groups, learning_rates, wds, steps, strict=True)
    ]
    return _collected(results)


@op(**_layout(_ADAM, "num_tensors"))
def _multi_lamb_update(
    F,
    data: list[Tensor],
    *,
    learning_rates: Runtime[Floats],
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-6,
    wds: Runtime[Floats],
    rescale_grad: Runtime[float] = 1.0,
    lower_bound: float = -1.0,
    upper_bound: float = -1.0,
    clip_gradient: float = -1.0,
    bias_correction: bool = True,
    step_count: Runtime[Shape],
    num_tensors: Positive[int] = 1,
) -> list[Tensor]:
    """Both phases of LAMB for ``weight, grad, mean, var`` of each weight; step_count: the step of each, from 1."""
    return _multi_lamb(
        F, "_multi_lamb_update", data, _ADAM, (learning_rates, wds, step_count, num_tensors), beta1=beta1, beta2=beta2,
        epsilon=epsilon, rescale_grad=rescale_grad, lower_bound=lower_bound, upper_bound=upper_bound,
        clip_gradient=clip_gradient, bias_correction=bias_correction,
    )  # fmt: skip


@op(**_layout(_MP_ADAM, "num_tensors"))
def _multi_mp_lamb_update(
    F,
    data: list[Tensor],
    *,
    learning_rates: Runtime[Floats],
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-6,
    wds: Runtime[Floats],
    rescale_grad: Runtime[float] = 1.0,
    lower_bound: float = -1.0,
    upper_bound: float = -1.0,
    clip_gradient: float = -1.0,
    bias_correction: bool = True,
    step_count: Runtime[Shape],
    num_tensors: Positive[int] = 1,
) -> list[Tensor]:
    """_multi_lamb_update of ``weight, grad, mean, var, weight32`` of each weight, computed on weight32."""
    return _multi_lamb(
        F, "_multi_mp_lamb_update", data, _MP_ADAM, (learning_rates, wds, step_count, num_tensors), beta1=beta1,
        beta2=beta2, epsilon=epsilon, rescale_grad=rescale_grad, lower_bound=lower_bound, upper_bound=upper_bound,
        clip_gradient=clip_gradient, bias_correction=bias_correction,
    )  # fmt: skip
