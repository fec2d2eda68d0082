"""The opcodes of pointwise programs: a mirror of include/mx/pointwise.h (a test compares the two)."""

from __future__ import annotations

__all__ = ["COMPUTE_OF", "F32", "F64", "I32", "I64", "OPCODES", "TRUTH_OPCODES"]

F32, F64, I32, I64 = 0, 1, 2, 3

# Type flag -> compute type. float16 and bfloat16 compute in float32; the small integers and bool in int32.
COMPUTE_OF = {0: F32, 1: F64, 2: F32, 12: F32, 3: I32, 4: I32, 5: I32, 7: I32, 6: I64}

_BINARY = (
    "add", "sub", "mul", "div", "mod", "power", "maximum", "minimum", "hypot", "equal", "not_equal", "lesser",
    "lesser_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_xor",
)  # fmt: skip
_UNARY = (
    "logical_not", "negative", "abs", "sign", "round", "rint", "ceil", "floor", "trunc", "square", "sqrt",
    "rsqrt", "cbrt", "rcbrt", "exp", "log", "log10", "log2", "log1p", "expm1", "sin", "cos", "tan", "arcsin",
    "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh",
)  # fmt: skip
_FLOAT_ONLY = {
    "hypot", "sqrt", "rsqrt", "cbrt", "rcbrt", "exp", "log", "log10", "log2", "log1p", "expm1", "sin", "cos",
    "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "arctan2",
    "gamma", "gammaln", "digamma", "erf", "erfinv", "sigmoid", "isnan", "isinf", "isfinite", "softrelu",
}  # fmt: skip
_REST = {
    "arctan2": (52, 2), "gamma": (53, 1), "gammaln": (54, 1), "digamma": (55, 1), "erf": (56, 1), "erfinv": (57, 1),
    "sigmoid": (58, 1), "relu": (59, 1), "reciprocal": (60, 1), "where": (61, 3), "isnan": (62, 1), "isinf": (63, 1),
    "isfinite": (64, 1), "softrelu": (65, 1), "bitwise_and": (66, 2), "bitwise_or": (67, 2), "bitwise_xor": (68, 2),
    "bitwise_not": (69, 1), "fma": (70, 3), "floor_divide": (71, 2), "fmod": (72, 2),
}  # fmt: skip


def _table() -> dict[str, tuple[int, int, bool]]:
    numbers: dict[str, tuple[int, int]] = {"copy": (0, 1), "cast": (1, 1)}
    numbers.update((name, (2 + i, 2)) for i, name in enumerate(_BINARY))
    numbers.update((name, (20 + i, 1)) for i, name in enumerate(_UNARY))
    numbers.update(_REST)
    return {name: (number, operands, name in _FLOAT_ONLY) for name, (number, operands) in numbers.items()}


# name -> (number, operands, only defined for floating compute types)
OPCODES = _table()

# Their result is 0 or 1 whatever the type, so it survives narrowing.
_TRUTHS = {
    "equal", "not_equal", "lesser", "lesser_equal", "greater", "greater_equal", "logical_and", "logical_or",
    "logical_xor", "logical_not", "isnan", "isinf", "isfinite",
}  # fmt: skip
TRUTH_OPCODES = frozenset(OPCODES[name][0] for name in _TRUTHS)
