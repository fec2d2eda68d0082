"""Random numbers: uniform, normal, exponential, integers, Bernoulli, shuffle. Philox: same seed, same numbers.

The numbers that describe a distribution are call-time scalars: changing them makes no new plan.
"""

from __future__ import annotations

import math

from ..dtypes import FLOAT32, INT32, INT64, is_float, name_of
from ..errors import DTypeError, ShapeError
from ..op import DType, OpDef, Runtime, Shape, Tensor, op
from .nn import require_float


def _kernel(opdef: OpDef, distribution: str) -> None:
    """Run opdef with the kernel ``_random`` of this distribution; its Runtime parameters are the kernel's scalars."""
    opdef.kernel = "_random"
    opdef.infer(lambda t, *, shape, dtype: t.out(shape, dtype))
    opdef.lower(lambda in_types, out_types: {"distribution": distribution})


@op(random=True, differentiable=False)
def _uniform(
    F, *, low: Runtime[float] = 0.0, high: Runtime[float] = 1.0, shape: Shape, dtype: DType = "float32"
) -> Tensor:
    """Numbers in [low, high)."""


@op(random=True, differentiable=False)
def _normal(
    F, *, loc: Runtime[float] = 0.0, scale: Runtime[float] = 1.0, shape: Shape, dtype: DType = "float32"
) -> Tensor:
    """Normal numbers of mean loc and standard deviation scale."""


@op(random=True, differentiable=False)
def _bernoulli(F, *, p: Runtime[float] = 0.5, shape: Shape, dtype: DType = "float32") -> Tensor:
    """1 with probability p, else 0."""


@op(random=True, differentiable=False)
def _exponential(F, *, scale: Runtime[float] = 1.0, shape: Shape, dtype: DType = "float32") -> Tensor:
    """Exponential numbers of this mean."""


@op(random=True, differentiable=False)
def _randint(F, *, low: Runtime[float], high: Runtime[float], shape: Shape, dtype: DType = "int32") -> Tensor:
    """Whole numbers in [low, high)."""


for _opdef, _distribution in (
    (_uniform, "uniform"),
    (_normal, "normal"),
    (_bernoulli, "bernoulli"),
    (_exponential, "exponential"),
    (_randint, "randint"),
):
    _kernel(_opdef, _distribution)


def _float_dtype(name, dtype):
    if dtype is None:
        return FLOAT32
    if not is_float(dtype):
        msg = f"[{name}] dtype must be float16, float32 or float64, got {name_of(dtype)}"
        raise DTypeError(msg)
    return dtype


@op(aliases=["random_uniform", "uniform"])
def _random_uniform(
    F,
    *,
    low: Runtime[float] = 0.0,
    high: Runtime[float] = 1.0,
    shape: Shape | None = None,
    dtype: DType | None = None,
) -> Tensor:
    """Random numbers spread evenly over [low, high).

    shape: (1,) by default.  dtype: a floating type, float32 by default.
    """
    return F._uniform(low=low, high=high, shape=shape or (1,), dtype=_float_dtype("_random_uniform", dtype))


@op(aliases=["random_normal", "normal"])
def _random_normal(
    F,
    *,
    loc: Runtime[float] = 0.0,
    scale: Runtime[float] = 1.0,
    shape: Shape | None = None,
    dtype: DType | None = None,
) -> Tensor:
    """Normal random numbers of mean ``loc`` and standard deviation ``scale``. shape and dtype as _random_uniform."""
    return F._normal(loc=loc, scale=scale, shape=shape or (1,), dtype=_float_dtype("_random_normal", dtype))


@op(aliases=["random_exponential"])
def _random_exponential(
    F, *, lam: Runtime[float] = 1.0, shape: Shape | None = None, dtype: DType | None = None
) -> Tensor:
    """Exponential random numbers of rate ``lam``: mean 1 / lam. shape and dtype as _random_uniform."""
    dtype = _float_dtype("_random_exponential", dtype)
    return F._exponential(scale=1.0, shape=shape or (1,), dtype=dtype) / lam


@op(aliases=["random_randint"])
def _random_randint(
    F, *, low: Runtime[float], high: Runtime[float], shape: Shape | None = None, dtype: DType | None = None
) -> Tensor:
    """Random whole numbers in [low, high).

    shape: (1,) by default.  dtype: int32 (the default) or int64.
    """
    if dtype not in (None, INT32, INT64):
        msg = f"[_random_randint] dtype must be int32 or int64, got {name_of(dtype)}"
        raise DTypeError(msg)
    return F._randint(low=low, high=high, shape=shape or (1,), dtype=INT32 if dtype is None else dtype)


@op(aliases=["bernoulli"])
def _random_bernoulli(F, *, p: Runtime[float] = 0.5, shape: Shape | None = None, dtype: DType | None = None) -> Tensor:
    """1 with probability p, else 0. shape and dtype as _random_uniform."""
    return F._bernoulli(p=p, shape=shape or (1,), dtype=_float_dtype("_random_bernoulli", dtype))


@op(differentiable=False)
def _random_uniform_like(F, data: Tensor, *, low: Runtime[float] = 0.0, high: Runtime[float] = 1.0) -> Tensor:
    """As _random_uniform, of data's shape and dtype."""
    return F._uniform(low=low, high=high, shape=data.shape, dtype=_float_dtype("_random_uniform_like", data.dtype))


@op(differentiable=False)
def _random_normal_like(F, data: Tensor, *, loc: Runtime[float] = 0.0, scale: Runtime[float] = 1.0) -> Tensor:
    """As _random_normal, of data's shape and dtype."""
    return F._normal(loc=loc, scale=scale, shape=data.shape, dtype=_float_dtype("_random_normal_like", data.dtype))


@op(differentiable=False)
def _random_exponential_like(F, data: Tensor, *, lam: Runtime[float] = 1.0) -> Tensor:
    """As _random_exponential, of data's shape and dtype."""
    dtype = _float_dtype("_random_exponential_like", data.dtype)
    return F._exponential(scale=1.0, shape=data.shape, dtype=dtype) / lam


@op(aliases=["shuffle"], random=True, differentiable=False)
def _shuffle(F, data: Tensor) -> Tensor:
    """``data`` with its rows (axis 0) in random order; MXNet 1.x passes no gradient through it either."""


@_shuffle.infer
def _(t, data):
    return t.like(data)


# -- one distribution for each element of the inputs -----------------------------------------------------------------


def _drawn_shape(F, values, shape):
    """(shape of the samples, the values in a shape that broadcasts along them)."""
    lead = values[0].shape
    for value in values:
        if value.shape != lead:
            msg = f"[sample] the inputs must have one shape, got {' and '.join(str(v.shape) for v in values)}"
            raise ShapeError(msg)
    return (*lead, *shape), [F._view(value, shape=(*lead, *(1,) * len(shape))) for value in values]


def _sample_dtype(name, dtype, value):
    return _float_dtype(name, dtype) if dtype is not None or not is_float(value.dtype) else value.dtype


@op(aliases=["sample_uniform"], differentiable=False)
def _sample_uniform(F, low: Tensor, high: Tensor, *, shape: Shape = (), dtype: DType | None = None) -> Tensor:
    """For each element of low and high, ``shape`` random numbers in [low, high): shape (*low.shape, *shape)."""
    dtype = _sample_dtype("_sample_uniform", dtype, low)
    size, (start, stop) = _drawn_shape(F, (low, high), shape)
    numbers = F._uniform(low=0.0, high=1.0, shape=size, dtype=dtype)
    return F._cast(start, dtype=dtype) + numbers * F._cast(stop - start, dtype=dtype)


@op(aliases=["sample_normal"], differentiable=False)
def _sample_normal(F, mu: Tensor, sigma: Tensor, *, shape: Shape = (), dtype: DType | None = None) -> Tensor:
    """For each element of mu and sigma, ``shape`` normal numbers: shape (*mu.shape, *shape)."""
    dtype = _sample_dtype("_sample_normal", dtype, mu)
    size, (center, spread) = _drawn_shape(F, (mu, sigma), shape)
    numbers = F._normal(loc=0.0, scale=1.0, shape=size, dtype=dtype)
    return F._cast(center, dtype=dtype) + numbers * F._cast(spread, dtype=dtype)


@op(aliases=["sample_exponential"], differentiable=False)
def _sample_exponential(F, lam: Tensor, *, shape: Shape = (), dtype: DType | None = None) -> Tensor:
    """For each element of lam, ``shape`` exponential numbers of that rate: shape (*lam.shape, *shape)."""
    dtype = _sample_dtype("_sample_exponential", dtype, lam)
    size, (rate,) = _drawn_shape(F, (lam,), shape)
    return F._exponential(scale=1.0, shape=size, dtype=dtype) / F._cast(rate, dtype=dtype)


@op(aliases=["sample_multinomial"], differentiable=False, num_outputs=lambda params: 1 + params["get_prob"])
def _sample_multinomial(
    F, data: Tensor, *, shape: Shape = (), get_prob: bool = False, dtype: DType = "int32"
) -> list[Tensor]:
    """Classes drawn by their probabilities: ``data[..., i]`` is that of class i.

    data: (k,) or (n, k), rows that sum to 1.  shape: how many to draw from each row; the result has shape
    (*data.shape[:-1], *shape), (1,) for one draw from one row.  get_prob: also return ``ln data[..., class]``.
    """
    require_float("_sample_multinomial", data)
    if data.ndim not in (1, 2) or data.shape[-1] == 0:
        msg = f"[_sample_multinomial] data must be (k,) or (n, k) with k > 0, got {data.shape}"
        raise ShapeError(msg)
    lead, k = data.shape[:-1], data.shape[-1]
    draws = math.prod(shape)
    # Of exponential times with rates p, the class i comes first with probability p_i.
    times = F._exponential(scale=1.0, shape=(*lead, draws, k), dtype=data.dtype)
    rates = F._broadcast(F._view(data, shape=(*lead, 1, k)), shape=(*lead, draws, k))
    chosen = F._arg_reduce(times / rates, op="argmin", axis=len(lead) + 1)
    size = (*lead, *shape) or (1,)
    classes = F._cast(F._view(chosen, shape=size), dtype=dtype)
    if not get_prob:
        return [classes]
    return [classes, F._view(F.log(F._pick(rates, chosen, axis=len(lead) + 1, mode="clip")), shape=size)]
