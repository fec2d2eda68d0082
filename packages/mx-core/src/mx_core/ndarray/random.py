"""``mx.nd.random``: random numbers. Parameters that are arrays give one draw (or `shape` of them) per element."""

from __future__ import annotations

from typing import Any

from .. import _core
from ..base import numeric_types
from ..context import Context, current_context
from ..errors import DTypeError, ParameterError
from .namespace import namespace, op

__all__ = [
    "exponential", "gamma", "generalized_negative_binomial", "multinomial", "negative_binomial", "normal", "poisson",
    "randint", "randn", "shuffle", "uniform",
]  # fmt: skip

_MISSING = _core.MISSING


def _draw(
    name: str,
    parameters: dict[str, Any],
    shape: Any = _MISSING,
    dtype: Any = _MISSING,
    ctx: Context | None = None,
    out: Any = None,
    kwargs: dict[str, Any] | None = None,
    sample: dict[str, str] | None = None,
) -> Any:
    """Draws from the operator for numbers, or from that for arrays of parameters, as the parameters are."""
    given = {
        key: value for key, value in (("shape", shape), ("dtype", dtype)) if value is not _MISSING and value is not None
    }
    given.update(kwargs or {})
    values = list(parameters.values())
    if all(isinstance(value, _core.NDArray) for value in values):
        return op(f"_sample_{name}")(*values, out=out, **given)
    for key, value in parameters.items():
        if isinstance(value, _core.NDArray):
            msg = f"[random.{name}] the parameters must all be NDArrays or all be numbers, got {', '.join(_kinds(values))}"
            raise ParameterError(msg)
        if not isinstance(value, numeric_types):
            msg = f"[random.{name}] {key} must be an NDArray or a number, got {type(value).__name__}"
            raise ParameterError(msg)
    if out is not None and "shape" not in given:  # out= says what is drawn, and where
        given.update(shape=out.shape, dtype=out.dtype)
        ctx = out.context if ctx is None else ctx
    given.setdefault("shape", (1,))
    return op(f"_random_{name}")(ctx=current_context() if ctx is None else ctx, out=out, **parameters, **given)


def _kinds(values: list[Any]) -> list[str]:
    return [type(value).__name__ for value in values]


def uniform(
    low: Any = 0, high: Any = 1, shape: Any = _MISSING, dtype: Any = _MISSING, ctx: Any = None, out: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Numbers with equal probability in [low, high). low, high: numbers, or NDArrays of one shape.

    shape: of the result, or of the draws for each element of low and high. dtype: a float type, default float32.
    """
    return _draw("uniform", {"low": low, "high": high}, shape, dtype, ctx, out, kwargs)


def normal(
    loc: Any = 0, scale: Any = 1, shape: Any = _MISSING, dtype: Any = _MISSING, ctx: Any = None, out: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Numbers of the normal distribution with mean `loc` and standard deviation `scale`, numbers or NDArrays."""
    if isinstance(loc, _core.NDArray) and isinstance(scale, _core.NDArray):
        return _draw("normal", {"mu": loc, "sigma": scale}, shape, dtype, ctx, out, kwargs)
    return _draw("normal", {"loc": loc, "scale": scale}, shape, dtype, ctx, out, kwargs)


def randn(*shape: int, **kwargs: Any) -> Any:
    """Numbers of the normal distribution, in the shape given by the arguments.

    kwargs: loc, scale, dtype, ctx and out of `normal`. Raises ParameterError for others.
    """
    known = {key: kwargs.pop(key) for key in ("loc", "scale", "dtype", "ctx", "out") if key in kwargs}
    if kwargs:
        msg = f"[random.randn] has no parameter {', '.join(kwargs)}; it takes loc, scale, dtype, ctx and out"
        raise ParameterError(msg)
    return normal(shape=shape if shape else _MISSING, **known)


def randint(
    low: Any, high: Any, shape: Any = _MISSING, dtype: Any = _MISSING, ctx: Any = None, out: Any = None, **kwargs: Any
) -> Any:
    """Integers with equal probability in [low, high). dtype: int32 or int64, default int32."""
    return _draw("randint", {"low": low, "high": high}, shape, dtype, ctx, out, kwargs)


def exponential(
    scale: Any = 1, shape: Any = _MISSING, dtype: Any = _MISSING, ctx: Any = None, out: Any = None, **kwargs: Any
) -> Any:
    """Numbers of the exponential distribution with mean `scale`, a number or an NDArray."""
    lam = 1.0 / scale if isinstance(scale, (_core.NDArray, *numeric_types)) else scale
    return _draw("exponential", {"lam": lam}, shape, dtype, ctx, out, kwargs)


def poisson(
    lam: Any = 1, shape: Any = _MISSING, dtype: Any = _MISSING, ctx: Any = None, out: Any = None, **kwargs: Any
) -> Any:
    """Counts of the Poisson distribution with mean `lam`, a number or an NDArray."""
    return _draw("poisson", {"lam": lam}, shape, dtype, ctx, out, kwargs)


def gamma(
    alpha: Any = 1, beta: Any = 1, shape: Any = _MISSING, dtype: Any = _MISSING, ctx: Any = None, out: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Numbers of the gamma distribution with shape `alpha` and scale `beta`, numbers or NDArrays."""
    return _draw("gamma", {"alpha": alpha, "beta": beta}, shape, dtype, ctx, out, kwargs)


def negative_binomial(
    k: Any = 1, p: Any = 1, shape: Any = _MISSING, dtype: Any = _MISSING, ctx: Any = None, out: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Failures before the k-th success of trials that succeed with probability p; numbers or NDArrays."""
    return _draw("negative_binomial", {"k": k, "p": p}, shape, dtype, ctx, out, kwargs)


def generalized_negative_binomial(
    mu: Any = 1, alpha: Any = 1, shape: Any = _MISSING, dtype: Any = _MISSING, ctx: Any = None, out: Any = None,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """Counts with mean `mu` and dispersion `alpha`, numbers or NDArrays."""
    return _draw("generalized_negative_binomial", {"mu": mu, "alpha": alpha}, shape, dtype, ctx, out, kwargs)


def multinomial(
    data: Any, shape: Any = _MISSING, get_prob: bool = False, out: Any = None, dtype: Any = "int32", **kwargs: Any
) -> Any:
    """Classes drawn with the probabilities in the last axis of `data`.

    shape: draws per distribution. get_prob: also return the logarithm of each draw's probability, with gradients.
    """
    given = {} if shape is _MISSING else {"shape": shape}
    return op("_sample_multinomial")(data, get_prob=get_prob, dtype=dtype, out=out, **given, **kwargs)


def shuffle(data: Any, **kwargs: Any) -> Any:
    """A copy with the rows (slices along the first axis) in random order. kwargs: ``out=``."""
    if not isinstance(data, _core.NDArray):
        msg = f"[random.shuffle] data must be an NDArray, got {type(data).__name__}. Convert it with mx.nd.array"
        raise DTypeError(msg)
    return op("_shuffle")(data, **kwargs)


__getattr__, __dir__ = namespace("mxnet.ndarray.random", globals(), "_random_", "_sample_")
