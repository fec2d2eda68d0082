"""mx.random and mx.nd.random: shapes, types, contexts, moments, and the same numbers from the same seed."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx

OURS = hasattr(mx.nd.NDArray, "_reshape_view")
ours = pytest.mark.skipif(not OURS, reason="1.9.1 raises, dies or errs here")
random = mx.nd.random


def draws():
    return np.concatenate([random.uniform(shape=(5,)).asnumpy(), random.normal(shape=(5,)).asnumpy()])


def test_seed():
    mx.random.seed(7)
    first = draws()
    mx.random.seed(7)
    np.testing.assert_array_equal(draws(), first)
    assert (draws() != first).any()
    mx.random.seed(8)
    assert (draws() != first).any()
    for wrong in ("a", 1.5, None):
        with pytest.raises(ValueError):  # noqa: PT011
            mx.random.seed(wrong)


@ours
def test_seed_takes_any_integer():
    for seed in (0, -1, 2**31, 2**63, 2**64 - 1, 2**70, np.int32(5)):
        mx.random.seed(seed)
    mx.random.seed(2**64 + 5)
    first = draws()
    mx.random.seed(5)
    np.testing.assert_array_equal(draws(), first)


@ours
def test_seed_of_one_context():
    mx.random.seed(7)
    mx.random.seed(3, ctx=mx.cpu(1))
    with mx.cpu(1):
        first = draws()
    mx.random.seed(3, ctx=mx.cpu(1))
    with mx.cpu(1):
        np.testing.assert_array_equal(draws(), first)
    assert (draws() != first).any()
    with pytest.raises(ValueError, match="Context or 'all'"):
        mx.random.seed(3, ctx="cpu")


@pytest.mark.parametrize(
    ("name", "parameters", "mean", "deviation"),
    [("uniform", (2, 6), 4, 4 / np.sqrt(12)), ("uniform", (), 0.5, 1 / np.sqrt(12)), ("normal", (3, 2), 3, 2),
     ("normal", (), 0, 1), ("exponential", (2,), 2, 2)],
)  # fmt: skip
def test_moments(name, parameters, mean, deviation):
    mx.random.seed(11)
    values = getattr(random, name)(*parameters, shape=(20000,)).asnumpy()
    assert values.dtype == np.float32
    assert abs(values.mean() - mean) < 5 * deviation / np.sqrt(20000)
    assert abs(values.std() - deviation) < 0.05 * deviation


def test_uniform_stays_inside():
    values = random.uniform(-1, 3, shape=(10000,)).asnumpy()
    assert values.min() >= -1
    assert values.max() < 3


def test_shapes_types_contexts():
    assert random.uniform().shape == (1,)
    assert random.uniform(0, 1, (2, 3)).shape == (2, 3)
    assert random.uniform(0, 1, 4).shape == (4,)
    assert random.normal(0, 1, (2,), "float64").dtype == np.float64
    assert random.normal(shape=(2,), dtype="float16").dtype == np.float16
    assert random.uniform(shape=(2,), ctx=mx.cpu(1)).context == mx.cpu(1)
    with mx.cpu(2):
        assert random.normal(shape=(2,)).context == mx.cpu(2)
    out = mx.nd.zeros((3,))
    assert random.uniform(5, 6, out=out) is out
    assert (out.asnumpy() >= 5).all()
    assert random.randn(2, 3).shape == (2, 3)
    assert random.randn(2, loc=5, scale=0.001, dtype="float64").asnumpy().round().tolist() == [5, 5]
    assert mx.random.uniform(shape=(2,)).shape == mx.nd.random_uniform(shape=(2,)).shape == (2,)
    assert mx.nd.uniform(shape=(2,)).shape == mx.nd.normal(shape=(2,)).shape == (2,)


def test_randint():
    values = random.randint(-2, 3, (2000,))
    assert values.dtype == np.int32
    assert sorted(set(values.asnumpy().tolist())) == [-2, -1, 0, 1, 2]
    assert random.randint(0, 5, (3,), dtype="int64").dtype == np.int64


def test_shuffle():
    mx.random.seed(1)
    x = mx.nd.arange(20).reshape((10, 2))
    y = random.shuffle(x).asnumpy()
    assert sorted(y.tolist()) == x.asnumpy().tolist()
    assert (y != x.asnumpy()).any()


def test_like():
    x = mx.nd.zeros((2, 3))
    assert random.uniform_like(x).shape == (2, 3)
    assert random.normal_like(x, loc=5.0, scale=0.0001).asnumpy().round().tolist() == [[5] * 3] * 2


def test_wrong_parameters():
    with pytest.raises((ValueError, AssertionError)):
        random.uniform(mx.nd.zeros((2,)), 1)
    with pytest.raises(ValueError):  # noqa: PT011
        random.uniform("a", 1)


@ours
def test_wrong_parameter_texts():
    with pytest.raises(ValueError, match="must all be NDArrays or all be numbers, got NDArray, int"):
        random.uniform(mx.nd.zeros((2,)), 1)
    with pytest.raises(ValueError, match="randn. has no parameter locc"):
        random.randn(2, locc=1)
    with pytest.raises(mx.MXNetError, match="data must be an NDArray, got list"):
        random.shuffle([1, 2])
