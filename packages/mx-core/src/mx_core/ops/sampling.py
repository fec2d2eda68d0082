"""Sampling: gamma, Poisson and negative binomial numbers, draws for arrays of parameters, classes, Zipf's law.

``_random_*`` take numbers, ``_random_*_like`` another array's shape, ``_sample_*`` arrays of parameters, which give
``shape`` draws each. Philox: the same seed gives the same numbers with any number of threads.
"""

from __future__ import annotations

import math

from ..dtypes import FLOAT16, FLOAT32, FLOAT64, INT32, INT64, UINT8, is_float, name_of
from ..errors import DTypeError, ParameterError, ShapeError
from ..op import DType, Positive, Runtime, Shape, Tensor, op
from .random import drawn_shape, float_dtype


@op(kernel="_sample", random=True, differentiable=False)
def _draw(
    F, *, first: Runtime[float], second: Runtime[float] = 0.0, distribution: str, shape: Shape, dtype: DType
) -> Tensor:
    """Numbers of a distribution with these parameters."""


@_draw.infer
def _(t, *, shape, dtype):
    t.product(shape)
    return t.out(shape, dtype)


@op(kernel="_sample", random=True, differentiable=False)
def _draw_each(
    F, first: Tensor, second: Tensor | None = None, *, distribution: str, shape: Shape, dtype: DType
) -> Tensor:
    """Numbers of a distribution for each of float64 parameters; shape: all of the result's."""


@_draw_each.infer
def _(t, first, second, *, shape, dtype):
    t.product(shape)
    return t.out(shape, dtype)


# -- numbers as parameters -------------------------------------------------------------------------------------------


@op(aliases=["random_gamma"])
def _random_gamma(
    F,
    *,
    alpha: Runtime[float] = 1.0,
    beta: Runtime[float] = 1.0,
    shape: Shape | None = None,
    dtype: DType | None = None,
) -> Tensor:
    """Gamma random numbers of shape ``alpha`` and scale ``beta``: mean alpha beta, both > 0.

    shape: (1,) by default.  dtype: a floating type, float32 by default.
    """
    dtype = float_dtype("_random_gamma", dtype)
    return F._draw(
        first=alpha, second=beta, distribution="gamma", shape=drawn_shape("_random_gamma", shape), dtype=dtype
    )


@op(aliases=["random_poisson"])
def _random_poisson(F, *, lam: Runtime[float] = 1.0, shape: Shape | None = None, dtype: DType | None = None) -> Tensor:
    """Poisson counts of mean ``lam`` >= 0. shape and dtype as _random_gamma."""
    shape, dtype = drawn_shape("_random_poisson", shape), float_dtype("_random_poisson", dtype)
    return F._draw(first=lam, distribution="poisson", shape=shape, dtype=dtype)


@op(aliases=["random_negative_binomial"])
def _random_negative_binomial(
    F, *, k: Runtime[float] = 1, p: Runtime[float] = 1.0, shape: Shape | None = None, dtype: DType | None = None
) -> Tensor:
    """How many trials fail before the k-th one that succeeds, each with probability p in (0, 1]: mean k (1 - p) / p.

    shape and dtype as _random_gamma.
    """
    dtype = float_dtype("_random_negative_binomial", dtype)
    return F._draw(
        first=k,
        second=p,
        distribution="negative_binomial",
        shape=drawn_shape("_random_negative_binomial", shape),
        dtype=dtype,
    )


@op(aliases=["random_generalized_negative_binomial"])
def _random_generalized_negative_binomial(
    F,
    *,
    mu: Runtime[float] = 1.0,
    alpha: Runtime[float] = 1.0,
    shape: Shape | None = None,
    dtype: DType | None = None,
) -> Tensor:
    """Negative binomial counts of mean ``mu`` and dispersion ``alpha``: variance mu + alpha mu^2.

    shape and dtype as _random_gamma.
    """
    dtype = float_dtype("_random_generalized_negative_binomial", dtype)
    name = "generalized_negative_binomial"
    return F._draw(
        first=mu,
        second=alpha,
        distribution=name,
        shape=drawn_shape("_random_generalized_negative_binomial", shape),
        dtype=dtype,
    )


@op(differentiable=False)
def _random_gamma_like(F, data: Tensor, *, alpha: Runtime[float] = 1.0, beta: Runtime[float] = 1.0) -> Tensor:
    """As _random_gamma, of data's shape and dtype."""
    dtype = float_dtype("_random_gamma_like", data.dtype)
    return F._draw(first=alpha, second=beta, distribution="gamma", shape=data.shape, dtype=dtype)


@op(differentiable=False)
def _random_poisson_like(F, data: Tensor, *, lam: Runtime[float] = 1.0) -> Tensor:
    """As _random_poisson, of data's shape and dtype."""
    dtype = float_dtype("_random_poisson_like", data.dtype)
    return F._draw(first=lam, distribution="poisson", shape=data.shape, dtype=dtype)


@op(differentiable=False)
def _random_negative_binomial_like(F, data: Tensor, *, k: Runtime[float] = 1, p: Runtime[float] = 1.0) -> Tensor:
    """As _random_negative_binomial, of data's shape and dtype."""
    dtype = float_dtype("_random_negative_binomial_like", data.dtype)
    return F._draw(first=k, second=p, distribution="negative_binomial", shape=data.shape, dtype=dtype)


@op(differentiable=False)
def _random_generalized_negative_binomial_like(
    F, data: Tensor, *, mu: Runtime[float] = 1.0, alpha: Runtime[float] = 1.0
) -> Tensor:
    """As _random_generalized_negative_binomial, of data's shape and dtype."""
    dtype = float_dtype("_random_generalized_negative_binomial_like", data.dtype)
    return F._draw(first=mu, second=alpha, distribution="generalized_negative_binomial", shape=data.shape, dtype=dtype)


# -- arrays as parameters --------------------------------------------------------------------------------------------


def _layout(name, shape, dtype, **parameters):
    """The result's (shape, dtype); the parameters must have one shape."""
    (first_name, first), *rest = parameters.items()
    for other, array in rest:
        if array.shape != first.shape:
            msg = f"[_sample_{name}] {first_name} and {other} must have one shape, got {first.shape} and {array.shape}"
            raise ShapeError(msg)
    size = first.shape + shape
    drawn_shape(f"_sample_{name}", size)
    return size, float_dtype(f"_sample_{name}", dtype)


def _spread(F, parameter, size, dtype):
    """A parameter for each number of the result."""
    return F._broadcast(
        parameter.reshape(parameter.shape + (1,) * (len(size) - parameter.ndim)).astype(dtype), shape=size
    )


@op(aliases=["sample_uniform"], differentiable=False)
def _sample_uniform(F, low: Tensor, high: Tensor, *, shape: Shape = (), dtype: DType | None = None) -> Tensor:
    """Random numbers spread evenly over [low, high), ``shape`` of them for each element of low and high.

    low, high: arrays of one shape.  Returns shape low.shape + shape, without a gradient.  dtype: float32 by default.

    >>> mx.nd.sample_uniform(mx.nd.array([0, 5]), mx.nd.array([1, 9]), shape=(3, 2)).shape
    (2, 3, 2)
    """
    size, dtype = _layout("uniform", shape, dtype, low=low, high=high)
    low, high = _spread(F, low, size, dtype), _spread(F, high, size, dtype)
    return F._uniform(low=0.0, high=1.0, shape=size, dtype=dtype) * (high - low) + low


@op(aliases=["sample_normal"], differentiable=False)
def _sample_normal(F, mu: Tensor, sigma: Tensor, *, shape: Shape = (), dtype: DType | None = None) -> Tensor:
    """Normal random numbers of mean mu and standard deviation sigma. shape and dtype as _sample_uniform."""
    size, dtype = _layout("normal", shape, dtype, mu=mu, sigma=sigma)
    mu, sigma = _spread(F, mu, size, dtype), _spread(F, sigma, size, dtype)
    return F._normal(loc=0.0, scale=1.0, shape=size, dtype=dtype) * sigma + mu


@op(aliases=["sample_exponential"], differentiable=False)
def _sample_exponential(F, lam: Tensor, *, shape: Shape = (), dtype: DType | None = None) -> Tensor:
    """Exponential random numbers of rate lam. shape and dtype as _sample_uniform."""
    size, dtype = _layout("exponential", shape, dtype, lam=lam)
    return F._exponential(scale=1.0, shape=size, dtype=dtype) / _spread(F, lam, size, dtype)


def _each(F, distribution, shape, dtype, **parameters):
    size, dtype = _layout(distribution, shape, dtype, **parameters)
    wide = [parameter.astype(FLOAT64) for parameter in parameters.values()]
    return F._draw_each(*wide, distribution=distribution, shape=size, dtype=dtype)


@op(aliases=["sample_gamma"], differentiable=False)
def _sample_gamma(F, alpha: Tensor, beta: Tensor, *, shape: Shape = (), dtype: DType | None = None) -> Tensor:
    """Gamma random numbers of shape alpha and scale beta; NaN where one is negative. shape and dtype as _sample_uniform."""
    return _each(F, "gamma", shape, dtype, alpha=alpha, beta=beta)


@op(aliases=["sample_poisson"], differentiable=False)
def _sample_poisson(F, lam: Tensor, *, shape: Shape = (), dtype: DType | None = None) -> Tensor:
    """Poisson counts of mean lam; NaN where it is negative. shape and dtype as _sample_uniform."""
    return _each(F, "poisson", shape, dtype, lam=lam)


@op(aliases=["sample_negative_binomial"], differentiable=False)
def _sample_negative_binomial(F, k: Tensor, p: Tensor, *, shape: Shape = (), dtype: DType | None = None) -> Tensor:
    """Negative binomial counts, as _random_negative_binomial; k need not be whole. shape and dtype as _sample_uniform."""
    return _each(F, "negative_binomial", shape, dtype, k=k, p=p)


@op(aliases=["sample_generalized_negative_binomial"], differentiable=False)
def _sample_generalized_negative_binomial(
    F, mu: Tensor, alpha: Tensor, *, shape: Shape = (), dtype: DType | None = None
) -> Tensor:
    """Counts as _random_generalized_negative_binomial. shape and dtype as _sample_uniform."""
    return _each(F, "generalized_negative_binomial", shape, dtype, mu=mu, alpha=alpha)


# -- classes ---------------------------------------------------------------------------------------------------------

_MOST_CLASSES = {UINT8: 1 << 8, FLOAT16: 1 << 11, FLOAT32: 1 << 24, FLOAT64: 1 << 53, INT32: 1 << 31, INT64: 1 << 63}


@op(random=True, differentiable=False)
def _multinomial(F, data: Tensor, *, draws: int, dtype: DType) -> tuple[Tensor, Tensor]:
    """Classes drawn from rows of weights: (rows, draws) of dtype, and as positions in data, int64."""


@_multinomial.infer
def _(t, data, *, draws, dtype):
    t.require_shape(data)
    t.product((data.shape[0], draws))
    return t.out((data.shape[0], draws), dtype), t.out((data.shape[0], draws), INT64)


@op(aliases=["sample_multinomial"], num_outputs=lambda params: 1 + params["get_prob"])
def _sample_multinomial(
    F, data: Tensor, *, shape: Shape = (), get_prob: bool = False, dtype: DType = "int32"
) -> list[Tensor]:
    """Classes drawn with the probabilities in data's last axis, ``shape`` of them from each distribution.

    data: (..., k), floating; each distribution is divided by its sum, negative entries count as 0.  get_prob: also
    return the logarithm of each draw's entry of data, whose gradient reaches data.  dtype: of the classes; float16,
    float32, float64, int32, int64 or uint8.  Returns (..., *shape); (1,) for a single draw.
    Raises MXNetError, when the result is used, if a sum is not positive.

    >>> mx.nd.sample_multinomial(mx.nd.array([[0, 1], [1, 0]]), shape=3).asnumpy().tolist()
    [[1, 1, 1], [0, 0, 0]]
    """
    if not data.ndim or not data.shape[-1]:
        msg = f"[_sample_multinomial] data must have at least one class in its last axis, got shape {data.shape}"
        raise ShapeError(msg)
    if not is_float(data.dtype):
        msg = f"[_sample_multinomial] data must have a floating element type, got {name_of(data.dtype)}. Cast it"
        raise DTypeError(msg)
    if dtype not in _MOST_CLASSES:
        known = ", ".join(sorted(map(name_of, _MOST_CLASSES)))
        msg = f"[_sample_multinomial] dtype must be one of {known}, got {name_of(dtype)}"
        raise DTypeError(msg)
    k = data.shape[-1]
    if k > _MOST_CLASSES[dtype]:
        msg = f"[_sample_multinomial] dtype {name_of(dtype)} holds at most {_MOST_CLASSES[dtype]} classes, got {k}. Use int32"
        raise ParameterError(msg)
    size = drawn_shape("_sample_multinomial", data.shape[:-1] + shape)
    rows = math.prod(data.shape[:-1])
    classes, positions = F._multinomial(data.reshape((rows, k)), draws=math.prod(shape) if rows else 0, dtype=dtype)
    classes = classes.reshape(size)
    if not get_prob:
        return classes
    chosen = F.take(data.reshape((rows * k,)), positions.reshape(size)) if rows else data.reshape((0,)).reshape(size)
    return classes, F.log(chosen)


@op(kernel="_zipfian", random=True, differentiable=False, num_outputs=lambda params: 2)
def _sample_unique_zipfian(F, *, range_max: Positive[int], shape: Shape | None = None) -> list[Tensor]:
    """Different classes c from [0, range_max) in each row: ``p(c) = log((c + 2) / (c + 1)) / log(range_max + 1)``.

    shape: (rows, samples), samples <= range_max.  Returns the classes and, shape (rows,), how many draws each row took
    (repeated ones included), both int64.
    """


@_sample_unique_zipfian.infer
def _(t, *, range_max, shape):
    if shape is None or len(shape) != 2 or min(shape) < 0:
        t.fail_shape(f"shape must be (rows, samples), got {shape}")
    if shape[1] > range_max:
        t.fail(f"{shape[1]} different classes cannot be drawn from range_max={range_max}")
    t.product(shape)
    return t.out(shape, INT64), t.out(shape[:1], INT64)
