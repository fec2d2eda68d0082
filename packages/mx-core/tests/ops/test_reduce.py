"""Rows of the reductions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mx_core.testing import FLOATS, INTEGERS, OpCase, check_op, empty, fixed, integers, op_cases, uniform

AXES = [{}, {"axis": 0}, {"axis": -1}, {"axis": (0, 2)}, {"axis": 1, "keepdims": True}, {"axis": 1, "exclude": True}, {"axis": ()},
        {"keepdims": True}, {"axis": (1, -1), "keepdims": True}]  # fmt: skip
ERRORS = [
    ({"axis": 3}, "axis must be in [-3, 3)"),
    ({"axis": (0, -3)}, "axes must differ"),
    ({"keepdim": True}, "keepdim"),
]


def over(function):
    """A NumPy reduction with MXNet's axis, keepdims and exclude; a full reduction has shape (1,)."""

    def oracle(x, axis=None, keepdims=False, exclude=False):
        axes = tuple(range(x.ndim)) if axis in (None, ()) else axis if isinstance(axis, tuple) else (axis,)
        axes = tuple(a % x.ndim for a in axes)
        if exclude and axis not in (None, ()):
            axes = tuple(a for a in range(x.ndim) if a not in axes)
        result = np.asarray(function(x, axis=axes, keepdims=keepdims))
        return result if result.ndim or x.ndim == 0 else result.reshape(1)

    return oracle


def case(name, function, low=0.5, high=1.5, **options):
    options.setdefault("second_order", name in ("prod", "norm"))
    return OpCase(
        name, over(function), [uniform(low, high, (3, 4, 5)), uniform(low, high, (2, 1, 300))], AXES, errors=ERRORS,
        tol={"float16": 6e-3}, **options,
    )  # fmt: skip


def with_nan(shape):
    values = np.random.default_rng(0).uniform(0.5, 1.5, shape)
    values[::2, 1] = math.nan
    return fixed(values)


CASES = [
    case("sum", np.sum, -2, 2),
    case("mean", np.mean, -2, 2),
    case("prod", np.prod),
    case("max", np.max, -2, 2),
    case("min", np.min, -2, 2),
    case("nansum", np.nansum, -2, 2),
    case("nanprod", np.nanprod),
    OpCase("_square_sum", over(lambda x, **k: np.sum(x * x, **k)), [uniform(-1, 1, (3, 4))], [{}, {"axis": 0}]),
    OpCase("nansum", over(np.nansum), [with_nan((4, 6))], [{}, {"axis": 0}, {"axis": 1}], gradient=False, id="nansum-nan"),
    OpCase("nanprod", over(np.nanprod), [with_nan((4, 6))], [{}, {"axis": 1}], gradient=False, id="nanprod-nan"),
    OpCase("max", over(np.max), [with_nan((4, 6))], [{}, {"axis": 0}, {"axis": 1}], gradient=False, id="max-nan"),
    OpCase("sum", over(np.sum), [integers(0, 9, (3, 4, 5))], [{}, {"axis": 1}], dtypes=INTEGERS, gradient=False, id="sum-integers"),
    OpCase("prod", over(np.prod), [integers(1, 3, (2, 5))], [{}, {"axis": 1}], dtypes=INTEGERS, gradient=False, id="prod-integers"),
    OpCase("max", over(np.max), [integers(-5, 9, (3, 4))], [{}, {"axis": 1}], dtypes=INTEGERS[:3], gradient=False, id="max-integers"),
    OpCase("mean", over(np.mean), [integers(0, 9, (3, 4))], [{}, {"axis": 1}], dtypes=INTEGERS[:2], gradient=False, id="mean-integers"),
    # Nothing to reduce: the neutral element; the mean is NaN.
    OpCase("sum", over(np.sum), [empty((0, 3)), empty((3, 0))], [{}, {"axis": 0}, {"axis": 1}], id="sum-empty"),
    OpCase("prod", over(np.prod), [empty((0, 3))], [{}, {"axis": 0}], gradient=False, id="prod-empty"),
    OpCase("max", over(lambda x, **k: np.max(x, initial=-math.inf, **k)), [empty((0, 3))], [{}, {"axis": 0}], gradient=False,
           id="max-empty"),
    OpCase("mean", over(lambda x, **k: np.full_like(np.sum(x, **k), math.nan)), [empty((0, 3))], [{}, {"axis": 0}], gradient=False,
           id="mean-empty"),
    # A sum of many numbers stays exact: accumulation is in more than 16 bits and not one by one.
    OpCase("sum", over(np.sum), [uniform(0, 1, (100_000,))], dtypes=("float32",), tol={"float32": 1e-6}, id="sum-long"),
    OpCase("mean", over(np.mean), [uniform(0, 1, (40_000,))], dtypes=("float16",), tol={"float16": 6e-4}, id="mean-long"),
    OpCase(
        "norm",
        lambda x, ord=2, axis=None, keepdims=False: over(
            lambda x, **k: np.sum(np.abs(x), **k) if ord == 1 else np.sqrt(np.sum(x * x, **k))
        )(x, axis, keepdims),
        [uniform(0.5, 2, (3, 4, 5))],
        [{}, {"ord": 1}, {"axis": 1}, {"axis": (0, 2)}, {"ord": 1, "axis": -1, "keepdims": True}],
        errors=[({"ord": 3}, "ord must be 1 or 2"), ({"axis": (0, 1, 2)}, "axis must be None, one axis or two")],
        second_order=False,
        tol={"float16": 6e-3},
    ),
    OpCase(
        "moments",
        lambda x, axes=None, keepdims=False: (over(np.mean)(x, axes, keepdims), over(np.var)(x, axes, keepdims)),
        [uniform(-2, 2, (3, 4, 5))],
        [{}, {"axes": (0,)}, {"axes": (0, 2), "keepdims": True}],
    ),
    *(
        OpCase(
            name,
            lambda x, axis=None, keepdims=False, f=f: np.reshape(
                f(x, axis=axis), None or over(np.sum)(x, axis, keepdims).shape
            ),
            [uniform(-1, 1, (4, 5, 6)), integers(0, 3, (7, 30))],
            [{}, {"axis": 0}, {"axis": -1}, {"axis": 1, "keepdims": True}, {"keepdims": True}],
            dtypes=(*FLOATS, "int32", "uint8"),
            gradient="zero",
            errors=[({"axis": 5}, "axis must be in"), ((empty((0, 3)),), {"axis": 0}, "is empty")][:1],
        )
        for name, f in (("argmax", np.argmax), ("argmin", np.argmin))
    ),
    OpCase("argmax", lambda x: np.array([1]), [fixed([1.0, math.nan, 2.0])], gradient=False, id="argmax-nan"),
    OpCase("argmax", None, errors=[((empty((0, 3)),), {"axis": 0}, "is empty"), ((empty((0,)),), {}, "is empty")],
           check=lambda *_: None, inputs=[uniform(0, 1, (2,))], gradient=False, id="argmax-empty"),
    OpCase("argmax_channel", lambda x: np.argmax(x, axis=1), [uniform(-1, 1, (4, 5)), uniform(-1, 1, (4, 5, 6))], gradient="zero"),
    OpCase("all_finite", lambda x, **_: np.isfinite(x).all().reshape(1), [uniform(0, 1, (3, 3)), fixed([1.0, math.inf]), fixed([math.nan])],
           gradient=False),
]  # fmt: skip


@op_cases(CASES)
def test_reduce(case, ctx):
    check_op(case, ctx)


def test_norm_of_zero_has_nan_gradient_as_in_mxnet():
    import mxnet as mx

    x = mx.nd.zeros((2,))
    x.attach_grad()
    with mx.autograd.record():
        y = x.norm()
    y.backward()
    assert y.asscalar() == 0
    assert np.isnan(x.grad.asnumpy()).all()


@pytest.mark.parametrize("name", ["max", "min"])
def test_every_extreme_element_gets_the_gradient(name):
    import mxnet as mx

    x = mx.nd.array([[1, 1, 1]])
    x.attach_grad()
    with mx.autograd.record():
        y = getattr(x, name)(axis=1)
    y.backward()
    assert x.grad.asnumpy().tolist() == [[1, 1, 1]]
