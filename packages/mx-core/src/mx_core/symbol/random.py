"""``mx.sym.random``: random numbers. Parameters that are symbols give one draw (or `shape` of them) per element."""

from __future__ import annotations

from typing import Any

from .. import _core
from ..base import numeric_types
from ..errors import ParameterError
from .namespace import namespace, op
from .symbol import Symbol

__all__ = [
    "exponential", "gamma", "generalized_negative_binomial", "multinomial", "negative_binomial", "normal", "poisson",
    "randint", "randn", "shuffle", "uniform",
]  # fmt: skip

_MISSING = _core.MISSING


def _draw(name: str, numbers: dict[str, Any], symbols: dict[str, Any], shape: Any, dtype: Any, kwargs: Any) -> Symbol:
    """Draws by the operator for numbers, or by that for symbols, as the parameters are."""
    values = list(numbers.values())
    if all(isinstance(value, Symbol) for value in values):
        return op(f"_sample_{name}")(**symbols, shape=shape, dtype=dtype, **kwargs)
    if not all(isinstance(value, numeric_types) for value in values):
        given = ", ".join(f"{key}: {type(value).__name__}" for key, value in numbers.items())
        msg = f"[random.{name}] Distribution parameters must be either all Symbols or all numbers, got {given}"
        raise ParameterError(msg)
    return op(f"_random_{name}")(**numbers, shape=shape, dtype=dtype, **kwargs)


def uniform(low: Any = 0, high: Any = 1, shape: Any = _MISSING, dtype: Any = _MISSING, **kwargs: Any) -> Symbol:
    """Numbers with equal probability in [low, high). low, high: numbers, or Symbols of one shape.

    shape: of the result, or of the draws for each element of low and high. dtype: a float type, default float32.
    """
    return _draw("uniform", {"low": low, "high": high}, {"low": low, "high": high}, shape, dtype, kwargs)


def normal(loc: Any = 0, scale: Any = 1, shape: Any = _MISSING, dtype: Any = _MISSING, **kwargs: Any) -> Symbol:
    """Numbers of the normal distribution with mean `loc` and standard deviation `scale`, numbers or Symbols."""
    return _draw("normal", {"loc": loc, "scale": scale}, {"mu": loc, "sigma": scale}, shape, dtype, kwargs)


def randn(*shape: int, **kwargs: Any) -> Symbol:
    """Numbers of the normal distribution, in the shape given by the arguments. kwargs: of `normal`."""
    return normal(shape=shape if shape else kwargs.pop("shape", _MISSING), **kwargs)


def randint(low: Any, high: Any, shape: Any = _MISSING, dtype: Any = _MISSING, **kwargs: Any) -> Symbol:
    """Integers with equal probability in [low, high). dtype: int32 or int64, default int32."""
    return op("_random_randint")(low=low, high=high, shape=shape, dtype=dtype, **kwargs)


def exponential(scale: Any = 1, shape: Any = _MISSING, dtype: Any = _MISSING, **kwargs: Any) -> Symbol:
    """Numbers of the exponential distribution with mean `scale`, a number or a Symbol."""
    lam: Any = 1.0 / scale if isinstance(scale, (Symbol, *numeric_types)) else scale  # type: ignore[operator]
    return _draw("exponential", {"lam": lam}, {"lam": lam}, shape, dtype, kwargs)


def poisson(lam: Any = 1, shape: Any = _MISSING, dtype: Any = _MISSING, **kwargs: Any) -> Symbol:
    """Counts of the Poisson distribution with mean `lam`, a number or a Symbol."""
    return _draw("poisson", {"lam": lam}, {"lam": lam}, shape, dtype, kwargs)


def gamma(alpha: Any = 1, beta: Any = 1, shape: Any = _MISSING, dtype: Any = _MISSING, **kwargs: Any) -> Symbol:
    """Numbers of the gamma distribution with shape `alpha` and scale `beta`, numbers or Symbols."""
    given = {"alpha": alpha, "beta": beta}
    return _draw("gamma", given, given, shape, dtype, kwargs)


def negative_binomial(k: Any = 1, p: Any = 1, shape: Any = _MISSING, dtype: Any = _MISSING, **kwargs: Any) -> Symbol:
    """Failures before the k-th success of trials that succeed with probability p; numbers or Symbols."""
    return _draw("negative_binomial", {"k": k, "p": p}, {"k": k, "p": p}, shape, dtype, kwargs)


def generalized_negative_binomial(
    mu: Any = 1, alpha: Any = 1, shape: Any = _MISSING, dtype: Any = _MISSING, **kwargs: Any
) -> Symbol:
    """Counts with mean `mu` and dispersion `alpha`, numbers or Symbols."""
    given = {"mu": mu, "alpha": alpha}
    return _draw("generalized_negative_binomial", given, given, shape, dtype, kwargs)


def multinomial(
    data: Symbol, shape: Any = _MISSING, get_prob: bool = True, dtype: Any = "int32", **kwargs: Any
) -> Symbol:
    """Classes drawn with the probabilities in the last axis of `data`.

    shape: draws per distribution. get_prob: also return the logarithm of each draw's probability.
    """
    return op("_sample_multinomial")(data, shape=shape, get_prob=get_prob, dtype=dtype, **kwargs)


def shuffle(data: Symbol, **kwargs: Any) -> Symbol:
    """A copy with the rows (slices along the first axis) in random order."""
    return op("_shuffle")(data, **kwargs)


__getattr__, __dir__ = namespace("mxnet.symbol.random", globals(), "_random_", "_sample_")
