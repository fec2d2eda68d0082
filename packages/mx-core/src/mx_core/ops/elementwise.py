"""Elementwise operators of one array: exp, log, sqrt, ... and Cast, clip, where, add_n.

Those named like an opcode of include/mx/pointwise.h are that one instruction. Integer inputs compute in floating point
where the function asks for it, and the result is truncated to the input's type, as in MXNet 1.x.
"""

from __future__ import annotations

import math

from ..dtypes import BOOL, is_float
from ..errors import ParameterError, ShapeError
from ..op import DType, OpDef, Tensor, op

_LN2, _LN10, _ROOT_PI = math.log(2.0), math.log(10.0), math.sqrt(math.pi)
_METHODS = frozenset(
    "abs arccos arccosh arcsin arcsinh arctan arctanh cbrt ceil cos cosh exp expm1 fix floor log log10 log1p log2 rcbrt "
    "reciprocal relu rint round rsqrt sigmoid sign sin sinh sqrt square tan tanh trunc".split()
)


def unary(name, formula, gradient=None, note="", opcode=None, method=None, plugin=None) -> OpDef:
    """Define y = f(data) from one pointwise instruction.

    formula: in words or symbols, for the help.  gradient: ``(F, dy, y, x) -> dx``; None means zero gradient.
    """

    def function(F, data: Tensor) -> Tensor:
        pass

    doc = f"``{formula}``, element by element.\n\ndata: array of any shape.  Returns an array of its shape and dtype.\n{note}"
    opdef = op(
        function,
        name=name,
        doc=doc,
        pointwise=opcode or name,
        method=name in _METHODS if method is None else method,
        differentiable=gradient is not None,
        plugin=plugin,
    )
    if gradient is not None:
        opdef.grad(gradient)
    return opdef


unary("exp", "e^x", lambda F, dy, y, x: dy * y)
unary("expm1", "e^x - 1, exact near 0", lambda F, dy, y, x: dy * (y + 1.0))
unary("log", "ln(x)", lambda F, dy, y, x: dy / x)
unary("log10", "log10(x)", lambda F, dy, y, x: dy / (x * _LN10))
unary("log2", "log2(x)", lambda F, dy, y, x: dy / (x * _LN2))
unary("log1p", "ln(1 + x), exact near 0", lambda F, dy, y, x: dy / (x + 1.0))
unary("sqrt", "x^(1/2)", lambda F, dy, y, x: dy * 0.5 / y)
unary("rsqrt", "x^(-1/2)", lambda F, dy, y, x: dy * y * y * y * -0.5)
unary("cbrt", "x^(1/3)", lambda F, dy, y, x: dy / (y * y * 3.0))
unary("rcbrt", "x^(-1/3)", lambda F, dy, y, x: dy * F.square(y * y) * (-1.0 / 3.0))
unary("square", "x^2", lambda F, dy, y, x: dy * x * 2.0)
unary("reciprocal", "1 / x", lambda F, dy, y, x: -dy * y * y)
unary("sin", "sin(x), x in radians", lambda F, dy, y, x: dy * F.cos(x))
unary("cos", "cos(x), x in radians", lambda F, dy, y, x: -dy * F.sin(x))
unary("tan", "tan(x), x in radians", lambda F, dy, y, x: dy * (y * y + 1.0))
unary("arcsin", "arcsin(x) in [-pi/2, pi/2]", lambda F, dy, y, x: dy * F.rsqrt(1.0 - x * x))
unary("arccos", "arccos(x) in [0, pi]", lambda F, dy, y, x: -dy * F.rsqrt(1.0 - x * x))
unary("arctan", "arctan(x) in (-pi/2, pi/2)", lambda F, dy, y, x: dy / (x * x + 1.0))
unary("sinh", "(e^x - e^-x) / 2", lambda F, dy, y, x: dy * F.cosh(x))
unary("cosh", "(e^x + e^-x) / 2", lambda F, dy, y, x: dy * F.sinh(x))
unary("tanh", "sinh(x) / cosh(x)", lambda F, dy, y, x: dy * (1.0 - y * y))
unary("arcsinh", "the inverse of sinh", lambda F, dy, y, x: dy * F.rsqrt(x * x + 1.0))
unary("arccosh", "the inverse of cosh, for x >= 1", lambda F, dy, y, x: dy * F.rsqrt(x * x - 1.0))
unary("arctanh", "the inverse of tanh, for |x| < 1", lambda F, dy, y, x: dy / (1.0 - x * x))
unary(
    "erf", "2 / sqrt(pi) * integral of e^(-t^2) from 0 to x", lambda F, dy, y, x: dy * F.exp(-x * x) * (2.0 / _ROOT_PI)
)
unary("erfinv", "the inverse of erf, for |x| < 1", lambda F, dy, y, x: dy * F.exp(y * y) * (0.5 * _ROOT_PI))
unary("gamma", "the gamma function", lambda F, dy, y, x: dy * y * F._digamma(x))
unary("gammaln", "ln|gamma(x)|", lambda F, dy, y, x: dy * F._digamma(x))
unary("sigmoid", "1 / (1 + e^-x)", lambda F, dy, y, x: dy * y * (1.0 - y))
unary("relu", "max(x, 0); NaN stays NaN", lambda F, dy, y, x: dy * (y > 0.0))
unary("abs", "|x|", lambda F, dy, y, x: dy * F.sign(x), note="The gradient at 0 is 0.\n")
unary("negative", "-x", lambda F, dy, y, x: -dy)
unary("sign", "-1, 0 or 1: the sign of x")
unary("round", "the nearest whole number, half away from 0")
unary("rint", "the nearest whole number, half to the lower one", note="MXNet 1.x: rint(0.5) = 0, rint(1.5) = 1.\n")
unary("ceil", "the least whole number >= x")
unary("floor", "the greatest whole number <= x")
unary("trunc", "x without its fraction")
unary("fix", "x rounded towards 0", opcode="trunc")
unary("logical_not", "1 where x is 0, else 0")
unary("_softrelu", "ln(1 + e^x), without overflow", lambda F, dy, y, x: dy * F.sigmoid(x), opcode="softrelu")


@op(pointwise="digamma")
def _digamma(F, data: Tensor) -> Tensor:
    """d/dx ln gamma(x). It has no gradient itself, so gamma and gammaln are differentiable once."""


@op(method=True)
def degrees(F, data: Tensor) -> Tensor:
    """``x * 180 / pi``: radians to degrees."""
    return data * (180.0 / math.pi)


@op(method=True)
def radians(F, data: Tensor) -> Tensor:
    """``x * pi / 180``: degrees to radians."""
    return data * (math.pi / 180.0)


@op
def softsign(F, data: Tensor) -> Tensor:
    """``x / (1 + |x|)``, element by element."""
    return data / (F.abs(data) + 1.0)


@softsign.grad
def _(F, dy, y, data):
    return dy / F.square(F.abs(data) + 1.0)


@op
def hard_sigmoid(F, data: Tensor, *, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    """``min(max(alpha * x + beta, 0), 1)``, element by element; its gradient is 0 where it is cut.

    data: float array.  alpha: slope.  beta: value at 0.
    """
    return F._minimum_scalar(F._maximum_scalar(data * alpha + beta, scalar=0.0), scalar=1.0)


@hard_sigmoid.grad
def _(F, dy, y, data, *, alpha):
    return dy * alpha * (y > 0.0) * (y < 1.0)


@op
def smooth_l1(F, data: Tensor, *, scalar: float = 1.0) -> Tensor:
    """Huber's loss: ``(s x)^2 / 2`` where ``|x| < 1 / s^2``, else ``|x| - 0.5 / s^2``, element by element.

    scalar: s, the square root of the curvature at 0.
    """
    if scalar == 0.0:
        msg = "[smooth_l1] scalar must not be 0"
        raise ParameterError(msg)
    squared = scalar * scalar
    size = F.abs(data)
    return F._where(size < 1.0 / squared, F.square(data) * (0.5 * squared), size - 0.5 / squared)


@smooth_l1.grad
def _(F, dy, y, data, *, scalar):
    squared = scalar * scalar
    return dy * F._where(F.abs(data) < 1.0 / squared, data * squared, F.sign(data))


# -- copies and constants of a shape ---------------------------------------------------------------------------------


@op(aliases=["_copyto"])
def identity(F, data: Tensor) -> Tensor:
    """A copy of ``data``."""
    return F._copy(data)


@op(aliases=["stop_gradient"], pointwise="copy", differentiable=False)
def BlockGrad(F, data: Tensor) -> Tensor:
    """``data``, through which no gradient flows back."""


@op(method=True, differentiable=False)
def zeros_like(F, data: Tensor) -> Tensor:
    """Zeros of data's shape and dtype."""
    return F.zeros(data.shape, data.dtype)


@op(method=True, differentiable=False)
def ones_like(F, data: Tensor) -> Tensor:
    """Ones of data's shape and dtype."""
    return F.full(data.shape, 1, data.dtype)


@op(pointwise="copy")
def _identity_with_attr_like_rhs(F, lhs: Tensor, rhs: Tensor) -> Tensor:
    """lhs; rhs only says what shape it has."""


# -- element types ---------------------------------------------------------------------------------------------------


@op(aliases=["cast"])
def Cast(F, data: Tensor, *, dtype: DType) -> Tensor:
    """``data`` in another element type.

    Floats lose their fraction on the way to integers; integers wrap; bool is ``x != 0``. Casting a float that an
    integer type cannot hold gives some value of that type.

    >>> mx.nd.cast(mx.nd.array([1.9, -1.9]), dtype="int32").asnumpy()
    array([ 1, -1], dtype=int32)
    """
    return F._cast(data, dtype=dtype)


@op
def amp_cast(F, data: Tensor, *, dtype: DType) -> Tensor:
    """Cast between floating types; arrays of other types pass unchanged (mixed precision)."""
    return F._cast(data, dtype=dtype) if is_float(data.dtype) and is_float(dtype) else F._copy(data)


@op(num_outputs=lambda params: params["num_outputs"])
def amp_multicast(F, data: list[Tensor], *, num_outputs: int, cast_narrow: bool = False) -> list[Tensor]:
    """All arrays in the widest floating type among them; the narrowest with ``cast_narrow``."""
    width = {2: 0, 12: 0, 0: 1, 1: 2}
    floats = sorted({item.dtype for item in data if is_float(item.dtype)}, key=lambda flag: (width[flag], flag))
    if not floats:
        return [F._copy(item) for item in data]
    target = floats[0] if cast_narrow else floats[-1]
    return [F._cast(item, dtype=target) if is_float(item.dtype) else F._copy(item) for item in data]


# -- selection -------------------------------------------------------------------------------------------------------


@op(pointwise="where")
def _select(F, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """x where condition is not 0, else y; the three have one type."""


@_select.grad
def _(F, dy, y, condition, left, right):
    zero = F.zeros((1,) * dy.ndim, dy.dtype)
    dx, dy_ = F._select(condition, dy, zero), F._select(condition, zero, dy)
    return None, F._sum_to(dx, shape=left.shape), F._sum_to(dy_, shape=right.shape)


@op
def _where(F, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """x where condition is not 0, else y, by NumPy's rules of broadcasting; condition may be of any type."""
    if condition.dtype != x.dtype:
        condition = F._cast(condition if condition.dtype == BOOL else condition != 0.0, dtype=x.dtype)
    return F._select(condition, x, y)


@op
def where(F, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """x where condition is not 0, else y, element by element.

    condition: array of any type, of x's shape, or (x.shape[0],) to choose whole rows.  x, y: of one shape and dtype.

    >>> mx.nd.where(mx.nd.array([1, 0]), mx.nd.ones((2, 2)), mx.nd.zeros((2, 2))).asnumpy().tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """
    if x.shape != y.shape:
        msg = f"[where] x and y must have one shape, got {x.shape} and {y.shape}. Use broadcast_to"
        raise ShapeError(msg)
    if condition.shape != x.shape:
        if condition.shape != x.shape[:1]:
            msg = f"[where] condition must have x's shape {x.shape} or {x.shape[:1]}, got {condition.shape}"
            raise ShapeError(msg)
        condition = F._view(condition, shape=(*condition.shape, *(1,) * (x.ndim - 1)))
    return F._where(condition, x, y)


@op(method=True)
def clip(F, data: Tensor, *, a_min: float, a_max: float) -> Tensor:
    """``min(max(x, a_min), a_max)``, element by element; the gradient passes where a_min <= x <= a_max."""
    return F._minimum_scalar(F._maximum_scalar(data, scalar=a_min), scalar=a_max)


@clip.grad
def _(F, dy, y, data, *, a_min, a_max):
    return dy * (data >= a_min) * (data <= a_max)


@op(aliases=["ElementWiseSum"])
def add_n(F, args: list[Tensor], *, num_args: int = 0) -> Tensor:
    """The sum of the arrays, all of one shape and dtype."""
    total = args[0]
    for i, item in enumerate(args[1:], 1):
        if item.shape != total.shape:
            msg = f"[add_n] input {i} must have input 0's shape {total.shape}, got {item.shape}"
            raise ShapeError(msg)
        total = F.elemwise_add(total, item)
    return F._copy(total) if len(args) == 1 else total


@op(name="_contrib_quadratic")
def quadratic(F, data: Tensor, *, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> Tensor:
    """``a x^2 + b x + c``, element by element.

    a, b, c: the coefficients.
    """
    return F.square(data) * a + data * b + c
