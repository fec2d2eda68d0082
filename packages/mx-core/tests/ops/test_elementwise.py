"""Rows of the elementwise operators of one array."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mx_core.testing import FLOATS, INTEGERS, OpCase, check_op, empty, integers, normal, op_cases, scalar, uniform

special = pytest.importorskip("scipy.special")


def smooth(name, oracle, low, high, extremes=(), **options):
    """A differentiable function on (low, high)."""
    options.setdefault("second_order", True)
    inputs = [
        uniform(low, high, (3, 5)),
        uniform(low, high, (1000,)),
        empty((0, 4)),
        scalar(max(low, 0.1), min(high, 0.9)),
    ]
    if low >= 0.9:
        inputs[-1] = scalar(low, high)
    return OpCase(name, oracle, inputs, extremes=extremes, **options)


def steps(name, oracle, extremes=(), **options):
    """A function with zero gradient."""
    return OpCase(
        name, oracle, [normal((4, 33)), empty((2, 0)), scalar()], extremes=extremes, gradient="zero",
        dtypes=(*FLOATS, *INTEGERS[:2]), **options,
    )  # fmt: skip


def sigmoid(x):
    return special.expit(x)


INF = math.inf

CASES = [
    smooth("exp", np.exp, -3, 3, [-200, 200, 0, INF, -INF, math.nan], dtypes=(*FLOATS, "int32")),
    smooth("expm1", np.expm1, -3, 3, [1e-6, -50]),
    smooth("log", np.log, 0.1, 9, [0, -1, INF, 1e-4]),
    smooth("log10", np.log10, 0.1, 9, [0, -1, 1000]),
    smooth("log2", np.log2, 0.1, 9, [0, -1, 1024]),
    smooth("log1p", np.log1p, -0.5, 9, [-1, 1e-6]),
    smooth("sqrt", np.sqrt, 0.1, 9, [0, -1, INF], dtypes=(*FLOATS, "int32", "uint8")),
    smooth("rsqrt", lambda x: 1 / np.sqrt(x), 0.1, 9, [0, 4]),
    smooth("cbrt", np.cbrt, 0.1, 9, [0, -8, 27]),
    smooth("rcbrt", lambda x: 1 / np.cbrt(x), 0.1, 9, [-8, 27]),
    smooth("square", np.square, -3, 3, [0, -100], dtypes=(*FLOATS, *INTEGERS[:2])),
    smooth("reciprocal", lambda x: 1 / x, 0.5, 3, [0, -4]),
    smooth("sin", np.sin, -4, 4, [100, 1000]),
    smooth("cos", np.cos, -4, 4, [100, 1000]),
    smooth("tan", np.tan, -1.2, 1.2, tol={"float16": 8e-3}),
    smooth("arcsin", np.arcsin, -0.9, 0.9, [1, -1, 2]),
    smooth("arccos", np.arccos, -0.9, 0.9, [1, -1, 2]),
    smooth("arctan", np.arctan, -4, 4, [INF, -INF, 1e4]),
    smooth("sinh", np.sinh, -3, 3, [1e-4]),
    smooth("cosh", np.cosh, -3, 3),
    smooth("tanh", np.tanh, -3, 3, [100, -100, 1e-4]),
    smooth("arcsinh", np.arcsinh, -4, 4, [1e4, 1e-4]),
    smooth("arccosh", np.arccosh, 1.5, 9, [1, 0]),
    smooth("arctanh", np.arctanh, -0.9, 0.9, [1, -1, 2]),
    smooth("erf", special.erf, -3, 3, [10, -10, 0]),
    smooth("erfinv", special.erfinv, -0.9, 0.9, [1, -1, 2, 0]),
    smooth("gamma", special.gamma, 0.5, 5, [1, 10, 0.1], second_order=False, tol={"float32": 1e-4}),
    smooth("gammaln", special.gammaln, 0.5, 9, [100, 0.01], second_order=False),
    smooth("sigmoid", sigmoid, -5, 5, [100, -100]),
    smooth("softsign", lambda x: x / (1 + np.abs(x)), 0.1, 4, [-3, 0]),
    smooth("relu", lambda x: np.maximum(x, 0), 0.1, 4, [-1, 0, math.nan], dtypes=(*FLOATS, *INTEGERS)),
    smooth("abs", np.abs, 0.1, 4, [-1, 0], dtypes=(*FLOATS, *INTEGERS)),
    smooth("negative", np.negative, -4, 4, second_order=False, dtypes=(*FLOATS, *INTEGERS)),
    smooth("degrees", np.degrees, -4, 4, second_order=False),
    smooth("radians", np.radians, -400, 400, second_order=False),
    steps("sign", np.sign, [0, INF]),
    steps("round", lambda x: np.trunc(x + np.copysign(0.5, x)), [0.5, -0.5, 1.5, 2.5]),
    steps("rint", lambda x: np.ceil(x - 0.5), [0.5, -0.5, 1.5, 2.5, 0.75]),
    steps("ceil", np.ceil, [INF, 2]),
    steps("floor", np.floor, [INF, -2]),
    steps("trunc", np.trunc, [1.7, -1.7]),
    steps("fix", np.trunc, [1.7, -1.7]),
    steps("logical_not", lambda x: (x == 0), [0, 1]),
    steps("zeros_like", np.zeros_like),
    steps("ones_like", np.ones_like),
    steps("BlockGrad", lambda x: x),
    smooth("identity", lambda x: x, -1, 1, second_order=False, dtypes=(*FLOATS, *INTEGERS, "bool")),
    OpCase(
        "_contrib_quadratic",
        lambda x, a=0.0, b=0.0, c=0.0: a * x * x + b * x + c,
        [normal((3, 4)), empty((0,)), scalar()],
        params=[{}, {"a": 2.0, "b": -3.0, "c": 0.5}],
    ),
    OpCase(
        "hard_sigmoid",
        lambda x, alpha=0.2, beta=0.5: np.clip(alpha * x + beta, 0, 1),
        [uniform(-4, 4, (5, 7)), empty((0,))],
        params=[{}, {"alpha": 0.5, "beta": 0.1}],
    ),
    OpCase(
        "smooth_l1",
        lambda x, scalar=1.0: np.where(np.abs(x) < 1 / scalar**2, 0.5 * (scalar * x) ** 2, np.abs(x) - 0.5 / scalar**2),
        [uniform(-3, 3, (5, 7)), empty((0,))],
        params=[{}, {"scalar": 2.0}, {"scalar": 0.7}],
    ),
    OpCase(
        "clip",
        lambda x, a_min, a_max: np.clip(x, a_min, a_max),
        [uniform(-3, 3, (5, 7)), empty((3, 0))],
        params=[{"a_min": -1.0, "a_max": 2.0}],
        errors=[({"a_max": 1.0}, "a_min")],
    ),
    OpCase("clip", lambda x, a_min, a_max: np.clip(x, 1, 4), [integers(0, 9, (9,))], [{"a_min": 1.5, "a_max": 4.7}],
           dtypes=INTEGERS, id="clip-integers"),
    OpCase("Cast", lambda x, dtype: x, [uniform(-3, 3, (4, 4)), empty((0,))],
           [{"dtype": "float64"}, {"dtype": "float32"}, {"dtype": "float16"}], tol={"float64": 4e-3, "float32": 4e-3},
           gradient=lambda dy, x, dtype: dy),
    OpCase("Cast", lambda x, dtype: x if dtype != "bool" else x != 0, [integers(0, 100, (4, 4))],
           [{"dtype": "int32"}, {"dtype": "uint8"}, {"dtype": "int64"}, {"dtype": "bool"}, {"dtype": "float32"}],
           dtypes=("float32", "float16", "int32", "int8", "bool"), gradient=False, id="Cast-integers",
           errors=[({"dtype": "complex64"}, "dtype")]),
    OpCase("amp_cast", lambda x, dtype: x, [uniform(-3, 3, (4,))], [{"dtype": "float16"}], tol=dict.fromkeys(FLOATS, 4e-3),
           gradient=False),
    OpCase(
        "where",
        lambda c, x, y: np.where((c if c.ndim == x.ndim else c.reshape(-1, *[1] * (x.ndim - 1))) != 0, x, y),
        [
            (integers(0, 2, (3, 4)), normal((3, 4)), normal((3, 4))),
            (integers(0, 2, (3,)), normal((3, 4)), normal((3, 4))),
            (empty((0, 4)), empty((0, 4)), empty((0, 4))),
        ],
        gradient=lambda dy, c, x, y: (
            np.zeros_like(c),
            np.where(np.broadcast_to(c.reshape(c.shape + (1,) * (x.ndim - c.ndim)), x.shape) != 0, dy, 0),
            np.where(np.broadcast_to(c.reshape(c.shape + (1,) * (x.ndim - c.ndim)), x.shape) != 0, 0, dy),
        ),
        dtypes=(*FLOATS, *INTEGERS),
        errors=[
            ((normal((3, 4)), normal((3, 4)), normal((3, 5))), {}, "x and y must have one shape"),
            ((normal((4,)), normal((3, 4)), normal((3, 4))), {}, "condition must have x's shape (3, 4) or (3,)"),
        ],
    ),
    OpCase(
        "add_n",
        lambda *x: sum(x[1:], x[0]),
        [(normal((3, 4)),), (normal((3, 4)), normal((3, 4)), normal((3, 4))), (empty((0,)), empty((0,)))],
        errors=[((normal((3,)), normal((4,))), {}, "input 1 must have input 0's shape (3,)")],
    ),
]  # fmt: skip


@op_cases(CASES)
def test_elementwise(case, ctx):
    check_op(case, ctx)
