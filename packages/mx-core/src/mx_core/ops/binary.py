"""Elementwise operators of two arrays and of an array and a number: arithmetic, comparison, logic.

Each function exists three times: ``elemwise_*`` (or ``_maximum``, ...) asks for equal shapes, ``broadcast_*`` follows
NumPy's rules, ``*_scalar`` takes a number at call time, so that ``x * 0.5`` and ``x * 0.25`` share one plan.
Comparisons and logic give 0 and 1 in the type of their inputs, as in MXNet 1.x, and have zero gradient.
"""

from __future__ import annotations

from ..dtypes import BOOL, FLOAT64, INT64, is_float
from ..op import OpDef, Runtime, Tensor, op


def _differences(opcode):
    """The gradient rule ``(F, dy, y, lhs, rhs) -> (dlhs, drhs)`` of a binary opcode, before broadcasting is undone."""
    return {
        "add": lambda F, dy, y, lhs, rhs: (dy, dy),
        "sub": lambda F, dy, y, lhs, rhs: (dy, -dy),
        "mul": lambda F, dy, y, lhs, rhs: (dy * rhs, dy * lhs),
        "div": lambda F, dy, y, lhs, rhs: (dy / rhs, -dy * y / rhs),
        "mod": lambda F, dy, y, lhs, rhs: (dy, -dy * F.floor(lhs / rhs)),
        "power": lambda F, dy, y, lhs, rhs: (dy * rhs * F.broadcast_power(lhs, rhs - 1.0), dy * y * F.log(lhs)),
        "maximum": lambda F, dy, y, lhs, rhs: (dy * (lhs >= rhs), dy * (lhs < rhs)),
        "minimum": lambda F, dy, y, lhs, rhs: (dy * (lhs <= rhs), dy * (lhs > rhs)),
        "hypot": lambda F, dy, y, lhs, rhs: (dy * lhs / y, dy * rhs / y),
    }.get(opcode)


def binary(name, formula, opcode, broadcast, aliases=()) -> OpDef:
    """Define y = f(lhs, rhs) from one pointwise instruction, for equal shapes or with broadcasting."""

    def function(F, lhs: Tensor, rhs: Tensor) -> Tensor:
        pass

    shapes = "that broadcast to one shape by NumPy's rules" if broadcast else "of one shape"
    rule = _differences(opcode)
    opdef = op(
        function,
        name=name,
        doc=f"``{formula}``, element by element.\n\nlhs, rhs: arrays of one dtype, {shapes}.  Returns that dtype.\n",
        pointwise=opcode,
        aliases=aliases,
        differentiable=rule is not None,
    )
    if not broadcast:
        opdef.infer(lambda t, lhs, rhs: t.like(lhs, rhs))
        opdef.keeps_floats = True
        if rule is not None:
            opdef.grad(rule)
    elif rule is not None:

        def reduced(F, dy, y, lhs, rhs):
            dlhs, drhs = rule(F, dy, y, lhs, rhs)
            return F._sum_to(dlhs, shape=lhs.shape), F._sum_to(drhs, shape=rhs.shape)

        opdef.grad(reduced)
    return opdef


def _scalar_type(t, data, is_int):
    """Note [scalar types]: a number takes the array's type (int32 * 0.5 is int32 * 0, as MXNet 1.x has it), but bool
    becomes int64, and is_int=False turns integers into float64."""
    dtype = data.dtype
    if dtype is not None and not is_float(dtype):
        dtype = FLOAT64 if not is_int else INT64 if dtype == BOOL else dtype
    return t.out(data.shape, dtype)


def scalar(name, formula, opcode, gradient=None, aliases=(), reverse=False) -> OpDef:
    """Define y = f(data, scalar), or f(scalar, data) with ``reverse``, from one pointwise instruction."""

    def function(F, data: Tensor, *, scalar: Runtime[float] = 1.0, is_int: bool = True) -> Tensor:
        pass

    opdef = op(
        function,
        name=name,
        doc=f"``{formula}``, element by element.\n\ndata: array.  scalar: a number, taken in data's dtype.  is_int: False "
        "turns integer data into float64.\n",
        pointwise=(opcode, "reversed") if reverse else opcode,
        aliases=aliases,
        differentiable=gradient is not None,
    )
    opdef.infer(lambda t, data, *, is_int: _scalar_type(t, data, is_int))
    opdef.keeps_floats = True
    if gradient is not None:
        opdef.grad(lambda F, dy, y, data, *, scalar: gradient(F, dy, y, data, scalar))
    return opdef


for _stem, _symbol, _opcode, _same, _names in (
    ("add", "lhs + rhs", "add", "elemwise_add", ("_add", "_plus", "_Plus")),
    ("sub", "lhs - rhs", "sub", "elemwise_sub", ("_sub", "_minus", "_Minus")),
    ("mul", "lhs * rhs", "mul", "elemwise_mul", ("_mul", "_Mul")),
    ("div", "lhs / rhs; integers are truncated", "div", "elemwise_div", ("_div", "_Div")),
    ("mod", "lhs mod rhs with the sign of rhs; x mod 0 = 0", "mod", "_mod", ("_Mod",)),
    ("power", "lhs ^ rhs", "power", "_power", ("_Power",)),
    ("maximum", "the greater of lhs and rhs", "maximum", "_maximum", ("_Maximum",)),
    ("minimum", "the lesser of lhs and rhs", "minimum", "_minimum", ("_Minimum",)),
    ("hypot", "sqrt(lhs^2 + rhs^2)", "hypot", "_hypot", ("_Hypot",)),
    ("equal", "1 where lhs == rhs, else 0", "equal", "_equal", ("_Equal",)),
    ("not_equal", "1 where lhs != rhs, else 0", "not_equal", "_not_equal", ("_Not_Equal",)),
    ("greater", "1 where lhs > rhs, else 0", "greater", "_greater", ("_Greater",)),
    ("greater_equal", "1 where lhs >= rhs, else 0", "greater_equal", "_greater_equal", ("_Greater_Equal",)),
    ("lesser", "1 where lhs < rhs, else 0", "lesser", "_lesser", ("_Lesser",)),
    ("lesser_equal", "1 where lhs <= rhs, else 0", "lesser_equal", "_lesser_equal", ("_Lesser_Equal",)),
    ("logical_and", "1 where both are not 0, else 0", "logical_and", "_logical_and", ("_Logical_And",)),
    ("logical_or", "1 where one is not 0, else 0", "logical_or", "_logical_or", ("_Logical_Or",)),
    ("logical_xor", "1 where exactly one is not 0, else 0", "logical_xor", "_logical_xor", ("_Logical_Xor",)),
):
    _also = {"add": ("broadcast_plus",), "sub": ("broadcast_minus",)}.get(_stem, ())
    binary(f"broadcast_{_stem}", _symbol, _opcode, broadcast=True, aliases=_also)
    binary(_same, _symbol, _opcode, broadcast=False, aliases=_names)

binary("_grad_add", "lhs + rhs", "add", broadcast=False)

scalar("_plus_scalar", "data + scalar", "add", lambda F, dy, y, x, s: dy, ["_PlusScalar"])
scalar("_minus_scalar", "data - scalar", "sub", lambda F, dy, y, x, s: dy, ["_MinusScalar"])
scalar("_rminus_scalar", "scalar - data", "sub", lambda F, dy, y, x, s: -dy, ["_RMinusScalar"], reverse=True)
scalar("_mul_scalar", "data * scalar", "mul", lambda F, dy, y, x, s: dy * s, ["_MulScalar"])
scalar("_div_scalar", "data / scalar", "div", lambda F, dy, y, x, s: dy / s, ["_DivScalar"])
scalar("_rdiv_scalar", "scalar / data", "div", lambda F, dy, y, x, s: -dy * y / x, ["_RDivScalar"], reverse=True)
scalar("_mod_scalar", "data mod scalar", "mod", lambda F, dy, y, x, s: dy, ["_ModScalar"])
scalar(
    "_rmod_scalar", "scalar mod data", "mod", lambda F, dy, y, x, s: -dy * F.floor(s / x), ["_RModScalar"], reverse=True
)
scalar("_power_scalar", "data ^ scalar", "power", lambda F, dy, y, x, s: dy * s * x ** (s - 1.0), ["_PowerScalar"])
scalar(
    "_rpower_scalar", "scalar ^ data", "power", lambda F, dy, y, x, s: dy * y * F.log(s), ["_RPowerScalar"],
    reverse=True,
)  # fmt: skip
scalar(
    "_maximum_scalar", "the greater of data and scalar", "maximum", lambda F, dy, y, x, s: dy * (x >= s),
    ["_MaximumScalar"],
)  # fmt: skip
scalar(
    "_minimum_scalar", "the lesser of data and scalar", "minimum", lambda F, dy, y, x, s: dy * (x <= s),
    ["_MinimumScalar"],
)  # fmt: skip
scalar("_hypot_scalar", "sqrt(data^2 + scalar^2)", "hypot", lambda F, dy, y, x, s: dy * x / y, ["_HypotScalar"])
scalar("_equal_scalar", "1 where data == scalar, else 0", "equal", aliases=["_EqualScalar"])
scalar("_not_equal_scalar", "1 where data != scalar, else 0", "not_equal", aliases=["_NotEqualScalar"])
scalar("_greater_scalar", "1 where data > scalar, else 0", "greater", aliases=["_GreaterScalar"])
scalar("_greater_equal_scalar", "1 where data >= scalar, else 0", "greater_equal", aliases=["_GreaterEqualScalar"])
scalar("_lesser_scalar", "1 where data < scalar, else 0", "lesser", aliases=["_LesserScalar"])
scalar("_lesser_equal_scalar", "1 where data <= scalar, else 0", "lesser_equal", aliases=["_LesserEqualScalar"])
scalar("_logical_and_scalar", "1 where both are not 0", "logical_and", aliases=["_LogicalAndScalar"])
scalar("_logical_or_scalar", "1 where one is not 0", "logical_or", aliases=["_LogicalOrScalar"])
scalar("_logical_xor_scalar", "1 where exactly one is not 0", "logical_xor", aliases=["_LogicalXorScalar"])
