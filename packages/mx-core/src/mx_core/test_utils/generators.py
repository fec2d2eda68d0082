"""Checks of random number generators: means, variances, and the chi-square test of a distribution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["chi_square_check", "gen_buckets_probs_with_ppf", "mean_check", "var_check", "verify_generator"]

_Generator = Callable[[int], Any]


def _draw(generator: _Generator, nsamples: int) -> np.ndarray[Any, Any]:
    drawn = generator(nsamples)
    found = np.asarray(drawn.asnumpy() if hasattr(drawn, "asnumpy") else drawn).ravel()
    if found.size != nsamples:
        msg = f"generator({nsamples}) must return {nsamples} samples, got {found.size}"
        raise AssertionError(msg)
    return found


def mean_check(generator: _Generator, mu: float, sigma: float, nsamples: int = 1000000) -> bool:
    """Whether the mean of samples is within three standard errors of mu, as 99.7 % of honest ones are.

    generator: number of samples -> samples. sigma: their standard deviation.
    """
    samples = _draw(generator, nsamples).astype("float64")
    return bool(abs(samples.mean() - mu) < 3 * sigma / math.sqrt(nsamples))


def var_check(generator: _Generator, sigma: float, nsamples: int = 1000000) -> bool:
    """Whether the variance of normal samples is within three standard errors of sigma squared."""
    samples = _draw(generator, nsamples).astype("float64")
    return bool(abs(samples.var(ddof=1) - sigma**2) < 3 * math.sqrt(2 * sigma**4 / (nsamples - 1)))


def gen_buckets_probs_with_ppf(
    ppf: Callable[[float], float], nbuckets: int
) -> tuple[list[tuple[float, float]], list[float]]:
    """(buckets, probabilities): intervals of equal probability. ppf: the inverse of the distribution function."""
    if nbuckets <= 0:
        msg = f"nbuckets must be > 0, got {nbuckets}"
        raise AssertionError(msg)
    ends = [ppf(i / nbuckets) for i in range(nbuckets + 1)]
    return list(zip(ends[:-1], ends[1:], strict=True)), [1.0 / nbuckets] * nbuckets


def chi_square_check(
    generator: _Generator, buckets: Sequence[Any], probs: Sequence[float], nsamples: int = 1000000
) -> tuple[float, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(p, observed, expected): the chi-square test of samples, with their counts in the buckets.

    buckets: values, or intervals (low, high) that include low. probs: the probability of each. p: how probable so great a
    difference of the counts is when the probabilities are right.
    """
    samples = _draw(generator, nsamples)
    expected = (nsamples * np.asarray(probs, dtype="float64")).astype(np.int32)
    if isinstance(buckets[0], (list, tuple)):
        observed = np.array([np.count_nonzero((samples >= low) & (samples < high)) for low, high in buckets])
    else:
        observed = np.array([np.count_nonzero(samples == value) for value in buckets])
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(observed == expected, 0.0, (observed - expected) ** 2.0 / expected)
    return _chi_square_tail(float(terms.sum()), len(buckets) - 1), observed, expected


def _chi_square_tail(statistic: float, freedom: int) -> float:
    """The probability that a chi-square variable is greater: the regularized upper incomplete gamma function.

    By its series below the mean, by its continued fraction above (Press et al., Numerical Recipes, 6.2).
    """
    a, x = freedom / 2, statistic / 2
    if freedom < 1 or x <= 0:
        return 1.0
    if math.isinf(x):
        return 0.0
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1.0 / a
        n = a
        while term > total * 1e-16:
            n += 1
            term *= x / n
            total += term
        return 1.0 - total * scale
    b = x + 1 - a
    c, d = 1e300, 1.0 / b
    found = d
    for i in range(1, 10_000):
        step = -i * (i - a)
        b += 2
        d = 1.0 / (step * d + b)
        c = b + step / c
        found *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return found * scale


def verify_generator(
    generator: _Generator,
    buckets: Sequence[Any],
    probs: Sequence[float],
    nsamples: int = 1000000,
    nrepeat: int = 5,
    success_rate: float = 0.2,
    alpha: float = 0.05,
) -> list[float]:
    """The p of nrepeat chi-square tests. Raises AssertionError unless a part of success_rate of them exceeds alpha."""
    tests = [chi_square_check(generator, buckets, probs, nsamples) for _ in range(nrepeat)]
    found = [p for p, _, _ in tests]
    if sum(p > alpha for p in found) < nrepeat * success_rate:
        observed = [counts.tolist() for _, counts, _ in tests]
        msg = (
            f"Generator test fails, Chi-square p={found}, obs_freq={observed}, expected_freq={tests[0][2].tolist()}.\n"
            f"buckets={buckets}, probs={probs}"
        )
        raise AssertionError(msg)
    return found
