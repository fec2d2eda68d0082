"""Rows of the operators without inputs, and of random numbers."""

from __future__ import annotations

import numpy as np
import pytest

from mx_core.testing import FLOATS, OpCase, check_op, op_cases

ONE = ("float32",)


def close(expected):
    return lambda **params: np.asarray(expected(**params), dtype="float64")


def arange(start, stop=None, step=1.0, repeat=1, **_):
    return np.repeat(np.arange(start, stop, step) if stop is not None else np.arange(start), repeat)


CASES = [
    OpCase("_zeros", lambda shape=(), dtype="float32": np.zeros(shape), params=[{"shape": (2, 3)}, {"shape": 4, "dtype": "int32"}, {"shape": (0, 2)},
           {"shape": "(2,2)", "dtype": "float16"}][:3], dtypes=ONE, errors=[({"shape": (-1,)}, "shape must have sizes >= 0")]),
    OpCase("_ones", lambda shape, dtype="float32": np.ones(shape), params=[{"shape": (2, 3)}, {"shape": (3,), "dtype": "bool"}], dtypes=ONE),
    OpCase("_full", lambda shape, value, dtype="float32": np.full(shape, value), dtypes=ONE,
           params=[{"shape": (2, 3), "value": 2.5}, {"shape": (2,), "value": 3.7, "dtype": "int32"}]),
    OpCase("_zeros_without_dtype", lambda shape: np.zeros(shape), params=[{"shape": (2,)}], dtypes=ONE),
    OpCase("_arange", arange, dtypes=ONE, params=[
        {"start": 0, "stop": 5}, {"start": 5}, {"start": 0, "stop": 1, "step": 0.3}, {"start": 5, "stop": 0, "step": -2},
        {"start": 0, "stop": 3, "repeat": 2, "dtype": "int32"}, {"start": 0, "stop": 0}, {"start": 2, "stop": 1_000, "dtype": "int64"},
    ], errors=[({"start": 0, "stop": 5, "step": 0}, "step not 0"), ({}, "start is required"), ({"start": float("inf")}, "finite")]),
    OpCase("_linspace", lambda start, stop, num=50, endpoint=True: np.linspace(start, stop, num, endpoint), dtypes=ONE,
           params=[{"start": 0, "stop": 1, "num": 5}, {"start": 0, "stop": 1, "num": 4, "endpoint": False}, {"start": 3, "stop": 5, "num": 1}]),
    OpCase("_eye", lambda N, M=0, k=0, dtype="float32": np.eye(N, M or N, k), dtypes=ONE,
           params=[{"N": 3}, {"N": 2, "M": 4, "k": 1}, {"N": 4, "M": 2, "k": -2, "dtype": "int32"}, {"N": 0}], errors=[({"N": -1}, "N must be >= 0")]),
]  # fmt: skip


@op_cases(CASES)
def test_creation(case, ctx):
    check_op(case, ctx)


# -- random numbers: their moments, and that a seed repeats them -------------------------------------------------------

N = 200_000


def moments(mean, deviation, low=-np.inf, high=np.inf):
    def check(outputs, inputs, params):
        (x,) = outputs
        x = x.astype("float64")
        assert abs(x.mean() - mean) < 6 * deviation / np.sqrt(N) + 2e-3 * deviation
        assert abs(x.std() - deviation) < 0.02 * deviation
        assert (x >= low).all()
        assert (x < high).all() if params.get("dtype") != "float16" else (x <= high).all()

    return check


RANDOM = [
    OpCase("_random_uniform", check=moments(0.5, np.sqrt(1 / 12), 0, 1), params=[{"shape": (N,), "dtype": dtype} for dtype in FLOATS],
           errors=[({"dtype": "int32"}, "dtype must be float16, float32 or float64")], dtypes=ONE),
    OpCase("_random_uniform", check=moments(3, 2 / np.sqrt(3), 1, 5), params=[{"shape": (N,), "low": 1, "high": 5}], dtypes=ONE, id="_random_uniform-range"),
    OpCase("_random_normal", check=moments(0, 1), params=[{"shape": (N,), "dtype": dtype} for dtype in FLOATS], dtypes=ONE),
    OpCase("_random_normal", check=moments(10, 3), params=[{"shape": (N,), "loc": 10.0, "scale": 3.0}], dtypes=ONE, id="_random_normal-range"),
    OpCase("_random_exponential", check=moments(0.25, 0.25, 0), params=[{"shape": (N,), "lam": 4.0}], dtypes=ONE),
    OpCase("_random_randint", check=moments(4.5, np.sqrt(99 / 12), 0, 10), params=[{"shape": (N,), "low": 0, "high": 10, "dtype": d} for d in ("int32", "int64")],
           errors=[({"low": 0, "high": 5, "dtype": "float32"}, "dtype must be int32 or int64"), ({"high": 5}, "needs the parameter low")], dtypes=ONE),
    OpCase("_random_bernoulli", check=moments(0.3, np.sqrt(0.21), 0, 1.5), params=[{"shape": (N,), "p": 0.3}], dtypes=ONE),
]  # fmt: skip


@op_cases(RANDOM)
def test_random(case, ctx):
    check_op(case, ctx)


@pytest.mark.parametrize("name", ["uniform", "normal", "exponential"])
def test_a_seed_repeats_the_numbers(name):
    import mxnet as mx

    draw = getattr(mx.nd.random, name)
    mx.random.seed(11)
    first = [draw(shape=(1000,)).asnumpy() for _ in range(2)]
    mx.random.seed(11)
    again = [draw(shape=(1000,)).asnumpy() for _ in range(2)]
    np.testing.assert_array_equal(first, again)
    assert (first[0] != first[1]).any()


def test_like_draws_the_shape_and_type_of_data():
    import mxnet as mx
    from mx_core.op import get_op

    data = mx.nd.zeros((3, 4), dtype="float16")
    for name in ("_random_uniform_like", "_random_normal_like", "_random_exponential_like"):
        drawn = get_op(name).make_callable()(data)
        assert (drawn.shape, drawn.dtype) == (data.shape, data.dtype)


def test_shuffle_permutes_rows():
    import mxnet as mx

    mx.random.seed(5)
    rows = np.arange(3000).reshape(1000, 3)
    for dtype in ("float32", "int64", "uint8"):
        shuffled = mx.nd.shuffle(mx.nd.array(rows % 200, dtype=dtype)).asnumpy()
        assert not (shuffled == rows % 200).all()
        np.testing.assert_array_equal(np.sort(shuffled, axis=0), np.sort((rows % 200).astype(dtype), axis=0))
