"""_random and _shuffle: the bits against Philox written in Python, the samples against their distributions."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_call import DTYPES, FLOATS, exact, stored
from scipy import stats

from mx_ops_cpu import _native

SEED = 20240607
SAMPLES = 200_003


def draw(distribution, shape, dtype, scalars, seed=SEED, offset=0):
    (y,) = _native.kernels().prepare_and_run(
        "_random", [], [(dtype, shape)], {"distribution": distribution}, scalars=scalars, seed=seed, offset=offset
    )
    return exact(y, dtype)


def philox(seed, counter):
    """The four words of Philox4x32-10, by the paper."""
    mask = 0xFFFFFFFF
    x = [counter & mask, counter >> 32, 0, 0]
    key = [seed & mask, seed >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        x = [q >> 32 ^ x[1] ^ key[0], q & mask, p >> 32 ^ x[3] ^ key[1], p & mask]
        key = [(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask]
    return x


def words(seed, first, blocks):
    """The words of blocks of 16 counters, in the order in which samples take them."""
    rows = [[philox(seed, first + b * 16 + lane) for lane in range(16)] for b in range(blocks)]
    return np.array(rows, np.uint64).transpose(0, 2, 1).ravel()


def test_philox_agrees_with_the_published_vectors():
    """The known answers for counter and key 0 of Random123's distribution."""
    assert philox(0, 0) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


@pytest.mark.parametrize("offset", [0, 5, 2**32 - 8, 2**40 + 3])
def test_bits(offset):
    seed = 0x0123456789ABCDEF
    w = words(seed, offset, 4)
    uniform = draw("uniform", (200,), "float32", [0.0, 1.0], seed, offset)
    np.testing.assert_array_equal(uniform, (w[:200] >> np.uint64(8)) / 2.0**24)
    first, second = w.reshape(2, 2, 64).transpose(1, 0, 2).reshape(2, 128)
    joined = (first >> np.uint64(5)) * 2.0**26 + (second >> np.uint64(6))
    np.testing.assert_array_equal(draw("uniform", (100,), "float64", [0.0, 1.0], seed, offset), joined[:100] / 2.0**53)
    chosen = [(int(a) << 32 | int(b)) * 1000 >> 64 for a, b in zip(first, second, strict=True)]
    np.testing.assert_array_equal(draw("randint", (128,), "int32", [-400, 600], seed, offset), np.array(chosen) - 400)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("distribution", ["uniform", "normal", "exponential", "bernoulli"])
def test_a_sample_depends_on_its_place_only(distribution, dtype):
    """Not on the number of samples, the shape, or the threads."""
    kernels = _native.kernels()
    scalars = [0.5] if distribution in ("exponential", "bernoulli") else [0.5, 2.0]
    whole = draw(distribution, (300_000,), dtype, scalars)
    for shape in ((), (1,), (0,), (63,), (64,), (65,), (50, 7), (5000,)):
        part = draw(distribution, shape, dtype, scalars)
        np.testing.assert_array_equal(part.ravel(), whole[: part.size])
    try:
        kernels.set_num_threads(1)
        np.testing.assert_array_equal(draw(distribution, (300_000,), dtype, scalars), whole)
    finally:
        kernels.set_num_threads(2)
    assert not np.array_equal(draw(distribution, (300_000,), dtype, scalars, seed=SEED + 1), whole)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distributions(dtype):
    x = draw("uniform", (SAMPLES,), dtype, [-1.0, 3.0])
    assert x.min() >= -1
    assert x.max() < 3
    assert stats.kstest((x + 1) / 4, "uniform").pvalue > 1e-3
    x = draw("normal", (SAMPLES,), dtype, [1.0, 2.0])
    assert stats.kstest((x - 1) / 2, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 0.01
    assert abs(np.corrcoef(x[:-16] ** 2, x[16:] ** 2)[0, 1]) < 0.01  # the two of a Box-Muller pair
    x = draw("exponential", (SAMPLES,), dtype, [2.0])
    assert x.min() >= 0
    assert stats.kstest(x / 2, "expon").pvalue > 1e-3
    for p in (0.0, 0.3, 1.0):
        x = draw("bernoulli", (SAMPLES,), dtype, [p])
        assert set(np.unique(x)) <= {0.0, 1.0}
        assert abs(x.mean() - p) < 5 * np.sqrt(p * (1 - p) / SAMPLES) + 1e-12


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_stays_below_high(dtype):
    """Also where rounding into a narrow type would reach it."""
    for low, high in ((0.0, 1.0), (1.0, 1.0078125), (-2.0, -1.0), (-0.1, 0.1), (100.0, 101.0)):
        x = draw("uniform", (20_000,), dtype, [low, high])
        bound = exact(stored(np.array([low]), dtype), dtype)[0]
        assert x.min() >= min(low, bound)
        assert x.max() < high
    np.testing.assert_array_equal(draw("uniform", (10,), dtype, [0.5, 0.5]), np.full(10, 0.5))


@pytest.mark.parametrize("dtype", DTYPES)
def test_randint(dtype):
    low, high = (0, 2) if dtype == "bool" else (3, 11)
    x = draw("randint", (40_000,), dtype, [low, high])
    counts = np.bincount(x.astype(np.int64), minlength=high)[low:]
    assert counts.sum() == 40_000
    assert stats.chisquare(counts).pvalue > 1e-3
    x = draw("randint", (1000,), "int64", [-(2**62), 2**62])
    assert x.min() < -(2**60)
    assert x.max() > 2**60
    with pytest.raises(RuntimeError, match="low must be below high, got 4 and 4"):
        draw("randint", (1,), "int64", [4, 4])


def test_bernoulli_may_be_integer():
    x = draw("bernoulli", (10_000,), "int32", [0.25])
    assert set(np.unique(x)) == {0, 1}
    assert abs(x.mean() - 0.25) < 0.02


def test_wrong_calls_are_refused():
    with pytest.raises(TypeError, match="unknown distribution cauchy"):
        draw("cauchy", (1,), "float32", [0.0, 1.0])
    with pytest.raises(RuntimeError, match="normal takes 2 runtime scalars, got 1"):
        draw("normal", (1,), "float32", [0.0])


def shuffle(x, dtype, seed):
    (y,) = _native.kernels().prepare_and_run("_shuffle", [x], [(dtype, x.shape)], in_dtypes=[dtype], seed=seed)
    return y


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0), (1,), (40,), (500, 2), (33, 2, 3)])
def test_shuffle_permutes_rows(shape, dtype):
    x = stored(np.arange(np.prod(shape, dtype=int)).reshape(shape) % 100, dtype)
    y = shuffle(x, dtype, SEED)
    if x.ndim and x.size:
        x, y = (sorted(a.reshape(shape[0], -1).tolist()) for a in (x, y))
    np.testing.assert_array_equal(x, y)


def test_shuffles_are_uniform():
    counts = np.zeros((4, 4), int)
    for seed in range(2000):
        counts[np.arange(4), shuffle(np.arange(4), "int64", seed)] += 1
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3
