"""Random numbers: uniform, normal, exponential, integers, Bernoulli, shuffle. Philox: same seed, same numbers.

The numbers that describe a distribution are call-time scalars: changing them makes no new plan.
"""

from __future__ import annotations

import math

from ..dtypes import FLOAT32, INT32, INT64, is_float, name_of
from ..errors import DTypeError, ParameterError, ShapeError
from ..op import DType, OpDef, Runtime, Shape, Tensor, op


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
def _exponential_rate(F, *, lam: Runtime[float] = 1.0, shape: Shape, dtype: DType = "float32") -> Tensor:
    """Exponential numbers of this rate."""


@op(random=True, differentiable=False)
def _randint(F, *, low: Runtime[float], high: Runtime[float], shape: Shape, dtype: DType = "int32") -> Tensor:
    """Whole numbers in [low, high)."""


for _opdef, _distribution in (
    (_uniform, "uniform"),
    (_normal, "normal"),
    (_bernoulli, "bernoulli"),
    (_exponential, "exponential"),
    (_exponential_rate, "exponential_rate"),
    (_randint, "randint"),
):
    _kernel(_opdef, _distribution)


def drawn_shape(name, shape):
    """The shape of what is drawn: (1,) by default."""
    if shape and min(shape) < 0:
        msg = f"[{name}] shape must not have negative sizes, got {shape}"
        raise ParameterError(msg)
    if shape and math.prod(shape) >= 1 << 63:
        msg = f"[{name}] shape {shape} has a size of {math.prod(shape)} elements, which does not fit 64 bits"
        raise ShapeError(msg)
    return shape or (1,)


def float_dtype(name, dtype):
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
    return F._uniform(
        low=low, high=high, shape=drawn_shape("_random_uniform", shape), dtype=float_dtype("_random_uniform", dtype)
    )


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
    return F._normal(
        loc=loc, scale=scale, shape=drawn_shape("_random_normal", shape), dtype=float_dtype("_random_normal", dtype)
    )


@op(aliases=["random_exponential"])
def _random_exponential(
    F, *, lam: Runtime[float] = 1.0, shape: Shape | None = None, dtype: DType | None = None
) -> Tensor:
    """Exponential random numbers of rate ``lam``: mean 1 / lam. shape and dtype as _random_uniform."""
    dtype = float_dtype("_random_exponential", dtype)
    return F._exponential_rate(lam=lam, shape=drawn_shape("_random_exponential", shape), dtype=dtype)


@op(aliases=["_npi_random_randint", "random_randint"])
def _random_randint(
    F, *, low: Runtime[float], high: Runtime[float], shape: Shape | None = None, dtype: DType | None = None
) -> Tensor:
    """Random whole numbers in [low, high).

    shape: (1,) by default.  dtype: int32 (the default) or int64.
    """
    if dtype not in (None, INT32, INT64):
        msg = f"[_random_randint] dtype must be int32 or int64, got {name_of(dtype)}"
        raise DTypeError(msg)
    return F._randint(
        low=low, high=high, shape=drawn_shape("_random_randint", shape), dtype=INT32 if dtype is None else dtype
    )


@op(aliases=["bernoulli"])
def _random_bernoulli(F, *, p: Runtime[float] = 0.5, shape: Shape | None = None, dtype: DType | None = None) -> Tensor:
    """1 with probability p, else 0. shape and dtype as _random_uniform."""
    return F._bernoulli(
        p=p, shape=drawn_shape("_random_bernoulli", shape), dtype=float_dtype("_random_bernoulli", dtype)
    )


@op(differentiable=False)
def _random_uniform_like(F, data: Tensor, *, low: Runtime[float] = 0.0, high: Runtime[float] = 1.0) -> Tensor:
    """As _random_uniform, of data's shape and dtype."""
    return F._uniform(low=low, high=high, shape=data.shape, dtype=float_dtype("_random_uniform_like", data.dtype))


@op(differentiable=False)
def _random_normal_like(F, data: Tensor, *, loc: Runtime[float] = 0.0, scale: Runtime[float] = 1.0) -> Tensor:
    """As _random_normal, of data's shape and dtype."""
    return F._normal(loc=loc, scale=scale, shape=data.shape, dtype=float_dtype("_random_normal_like", data.dtype))


@op(differentiable=False)
def _random_exponential_like(F, data: Tensor, *, lam: Runtime[float] = 1.0) -> Tensor:
    """As _random_exponential, of data's shape and dtype."""
    dtype = float_dtype("_random_exponential_like", data.dtype)
    return F._exponential_rate(lam=lam, shape=data.shape, dtype=dtype)


@op(aliases=["shuffle"], random=True, differentiable=False)
def _shuffle(F, data: Tensor) -> Tensor:
    """``data`` with its rows (axis 0) in random order; MXNet 1.x passes no gradient through it either."""


@_shuffle.infer
def _(t, data):
    return t.like(data)
