"""Rows of the elementwise operators of two arrays, and of an array and a number."""

from __future__ import annotations

import numpy as np

from mx_core.testing import FLOATS, INTEGERS, OpCase, check_op, empty, integers, normal, op_cases, scalar, uniform

ALL = (*FLOATS, *INTEGERS)


def truth(function):
    """The function's truth values as numbers."""
    return lambda *args: np.asarray(function(*args)).astype("float64")


# stem, the equal-shapes operator, oracle, smooth, zero gradient, lowest input
FUNCTIONS = [
    ("add", "elemwise_add", np.add, -2),
    ("sub", "elemwise_sub", np.subtract, -2),
    ("mul", "elemwise_mul", np.multiply, -2),
    ("div", "elemwise_div", np.divide, 0.5),
    ("power", "_power", np.power, 0.5),
    ("maximum", "_maximum", np.maximum, -2),
    ("minimum", "_minimum", np.minimum, -2),
    ("hypot", "_hypot", np.hypot, 0.5),
]
COMPARISONS = [
    ("equal", np.equal),
    ("not_equal", np.not_equal),
    ("greater", np.greater),
    ("greater_equal", np.greater_equal),
    ("lesser", np.less),
    ("lesser_equal", np.less_equal),
    ("logical_and", np.logical_and),
    ("logical_or", np.logical_or),
    ("logical_xor", np.logical_xor),
]


def pairs(make):
    """Inputs of equal shapes, then of shapes that broadcast."""
    same = [(make((3, 4)), make((3, 4))), (make((1000,)), make((1000,))), (empty((0, 2)), empty((0, 2)))]
    wide = [
        (make((3, 1)), make((1, 4))),
        (make((4,)), make((2, 3, 4))),
        (make((2, 1, 3, 1)), make((5, 1, 2))),
        (scalar(), make((3, 2))),
        (empty((0, 1)), make((1, 3))),
    ]
    return same, wide


def two_arrays(stem, same_name, oracle, make, **options):
    same, wide = pairs(make)
    mismatch = ((make((3, 4)), make((4, 3))), {}, "shape")
    yield OpCase(same_name, oracle, same, errors=[mismatch, ((make((4,)), make((2, 4))), {}, "shape")], **options)
    yield OpCase(f"broadcast_{stem}", oracle, [*same, *wide], errors=[mismatch], **options)


CASES = [
    *(
        row
        for stem, name, oracle, low in FUNCTIONS
        for row in two_arrays(
            stem, name, oracle, lambda shape, low=low: uniform(low, 3, shape),
            second_order=stem in ("mul", "div", "power", "hypot"),
        )
    ),
    *(
        row
        for stem, oracle in COMPARISONS
        for row in two_arrays(
            stem, f"_{stem}", truth(oracle), lambda shape: integers(0, 3, shape), dtypes=ALL, gradient="zero"
        )
    ),
    # Integers: division truncates, everything wraps.
    *(
        OpCase(f"broadcast_{stem}", oracle, [(integers(1, 9, (5, 4)), integers(1, 4, (4,)))], dtypes=INTEGERS,
               gradient=False, id=f"broadcast_{stem}-integers")
        for stem, oracle in [
            ("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("div", np.floor_divide), ("mod", np.mod),
            ("power", np.power), ("maximum", np.maximum), ("minimum", np.minimum),
        ]
    ),
    OpCase(
        "broadcast_mod", np.mod, [(uniform(-5, 5, (6, 5)), uniform(1, 3, (5,))), (uniform(-5, 5, (7,)), uniform(-3, -1, (7,)))],
        tol={"float16": 4e-2, "float32": 1e-4},
    ),
    OpCase("_mod", np.mod, [(uniform(-5, 5, (6, 5)), uniform(1, 3, (6, 5)))], tol={"float16": 4e-2, "float32": 1e-4}),
]  # fmt: skip

MIXED = OpCase(
    "broadcast_add", np.add, [(normal((2,)), normal((2,)))],
    errors=[((normal((2,)), integers(0, 3, (2,)).__class__((2,), lambda rng, size: np.zeros(size), "int32")), {}, "float32")],
    id="broadcast_add-mixed-types",
)  # fmt: skip


def number(name, oracle, low=-3, values=(1.5,), high=3, **options):
    inputs = [uniform(low, high, (3, 5)), uniform(low, high, (1000,)), empty((0, 4)), scalar()]
    options.setdefault("second_order", False)
    return OpCase(name, lambda x, scalar: oracle(x, scalar), inputs, [{"scalar": v} for v in values], **options)


SCALARS = [
    number("_plus_scalar", np.add),
    number("_minus_scalar", np.subtract),
    number("_rminus_scalar", lambda x, s: s - x),
    number("_mul_scalar", np.multiply),
    number("_div_scalar", np.divide),
    number("_rdiv_scalar", lambda x, s: s / x, 0.5, second_order=True),
    number("_mod_scalar", np.mod, tol={"float16": 4e-2, "float32": 1e-4}),
    number("_rmod_scalar", lambda x, s: np.mod(s, x), 2, (1.5, 7.0), tol={"float16": 4e-2, "float32": 1e-4}),
    number("_power_scalar", np.power, 0.2, (1.5, 2.0, -1.0, 3.0, 0.5), second_order=False),
    number("_rpower_scalar", lambda x, s: np.power(s, x), second_order=True),
    number("_maximum_scalar", np.maximum),
    number("_minimum_scalar", np.minimum),
    number("_hypot_scalar", np.hypot, 0.5, second_order=True),
    *(
        OpCase(f"_{stem}_scalar", lambda x, scalar, oracle=oracle: truth(oracle)(x, scalar), [integers(0, 3, (7, 3)), empty((0,))],
               [{"scalar": 1.0}, {"scalar": 0.0}], dtypes=ALL, gradient="zero")
        for stem, oracle in COMPARISONS
    ),
    # A number is truncated to an integer array's type, as in MXNet 1.x; bool becomes int64.
    OpCase("_plus_scalar", lambda x, scalar: x + int(scalar), [integers(0, 50, (9,))], [{"scalar": 1.5}], dtypes=INTEGERS,
           gradient=False, id="_plus_scalar-integers"),
    OpCase("_mul_scalar", lambda x, scalar: x * int(scalar), [integers(0, 50, (9,))], [{"scalar": 0.5}, {"scalar": 2.9}],
           dtypes=INTEGERS, gradient=False, id="_mul_scalar-integers"),
    OpCase("_rdiv_scalar", lambda x, scalar: 7 // x, [integers(1, 9, (9,))], [{"scalar": 7}], dtypes=INTEGERS,
           gradient=False, id="_rdiv_scalar-integers"),
    OpCase("_plus_scalar", lambda x, scalar: x.astype("int64") + 1, [integers(0, 2, (9,))], [{"scalar": 1}], dtypes=("bool",),
           gradient=False, id="_plus_scalar-bool"),
    OpCase("_plus_scalar", lambda x, scalar, is_int: x + 1.5, [integers(0, 9, (9,))], [{"scalar": 1.5, "is_int": False}],
           dtypes=("int32",), gradient=False, id="_plus_scalar-is_int"),
]  # fmt: skip


@op_cases([*CASES, MIXED, *SCALARS])
def test_binary(case, ctx):
    check_op(case, ctx)
