"""_sample, _multinomial and _zipfian: the bits, any number of threads, all float types, empty arrays."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from kernel_call import FLOATS, exact, stored
from scipy import stats

from mx_ops_cpu import _native

NAMES = {
    "gamma": (2.5, 0.5),
    "poisson": (20.0,),
    "negative_binomial": (3.0, 0.4),
    "generalized_negative_binomial": (5.0, 0.3),
}


def draw(name, shape, dtype="float64", scalars=None, parameters=(), seed=3, offset=0):
    scalars = NAMES[name] if scalars is None and not parameters else scalars or ()
    (y,) = _native.kernels().prepare_and_run(
        "_sample", [np.asarray(p, "float64") for p in parameters], [(dtype, shape)], {"distribution": name}, scalars=list(scalars), seed=seed,
        offset=offset,
    )  # fmt: skip
    return exact(y, dtype)


def test_a_poisson_sample_is_its_counters_first_words():
    """By hand: Philox of counter (offset + j, 0, 1), its last two words as 52 bits, through the inverse distribution."""
    def words(seed, counter):
        mask = 0xFFFFFFFF
        x = [counter & mask, counter >> 32, 0, 1]
        key = [seed & mask, seed >> 32]
        for _ in range(10):
            p, q = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
            x = [q >> 32 ^ x[1] ^ key[0], q & mask, p >> 32 ^ x[3] ^ key[1], p & mask]
            key = [(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask]
        return x

    seed, offset = 0x0123456789ABCDEF, 2**40 + 3
    found = draw("poisson", (40,), scalars=[4.0], seed=seed, offset=offset)
    for j in range(40):
        w = words(seed, offset + j)
        u = (((w[3] << 32 | w[2]) >> 12) + 0.5) / 2.0**52
        assert found[j] == stats.poisson(4.0).ppf(u)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_depends_on_its_position_alone(name):
    whole = draw(name, (1000,))
    np.testing.assert_array_equal(draw(name, (10,), offset=37), whole[37:47])
    repeated = [np.repeat(value, 4) for value in NAMES[name]]
    np.testing.assert_array_equal(draw(name, (4, 250), parameters=repeated).ravel(), whole)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", FLOATS)
def test_types_round_the_same_samples(name, dtype):
    wide = draw(name, (300,))
    np.testing.assert_array_equal(
        draw(name, (300,), dtype), exact(stored(wide.astype("float32"), dtype), dtype) if dtype != "float64" else wide
    )
    assert draw(name, (0, 3), dtype).shape == (0, 3)
    assert draw(name, (), dtype).shape == ()


PROGRAM = """
import numpy as np, hashlib
from mx_ops_cpu import _native
run = _native.kernels().prepare_and_run
found = []
for name, scalars in {names!r}.items():
    found += run("_sample", [], [("float32", (30000,))], {{"distribution": name}}, scalars=list(scalars), seed=9)
found += run("_multinomial", [np.random.default_rng(0).random((3, 50))], [("int32", (3, 9000)), ("int64", (3, 9000))], {{}}, seed=9)
found += run("_zipfian", [], [("int64", (40, 200)), ("int64", (40,))], {{"range_max": 10**6}}, seed=9)
print(hashlib.sha256(b"".join(a.tobytes() for a in found)).hexdigest())
"""


def test_the_same_bits_for_any_number_of_threads():
    answers = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM.format(names=NAMES)],
            env={**os.environ, "OMP_NUM_THREADS": str(n)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout  # fmt: skip
        for n in (1, 2, 5)
    }
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("name", "scalars", "text"),
    [("gamma", (0.0, 1.0), "alpha must be > 0, got 0"), ("gamma", (1.0, -1.0), "beta must be > 0, got -1"), ("poisson", (np.nan,), "lam must be >= 0"),
     ("negative_binomial", (1.0, 1.5), r"p must be in \(0, 1\], got 1.5"), ("generalized_negative_binomial", (1.0, -2.0), "alpha must be >= 0, got -2")],
)  # fmt: skip
def test_impossible_numbers_are_errors(name, scalars, text):
    with pytest.raises(Exception, match=text):
        draw(name, (3,), scalars=scalars)


@pytest.mark.parametrize("dtype", FLOATS)
def test_multinomial(dtype):
    weights = np.array([[0, 3, 1, 0], [2, 0, 0, 2], [-5, 0, 0, 1]])
    run = _native.kernels().prepare_and_run
    classes, positions = run(
        "_multinomial",
        [stored(weights, dtype)],
        [("uint8", (3, 4000)), ("int64", (3, 4000))],
        {},
        in_dtypes=[dtype],
        seed=1,
    )
    np.testing.assert_array_equal(positions, classes + np.array([[0], [4], [8]]))
    shares = np.stack([np.bincount(row, minlength=4) for row in classes]) / 4000
    np.testing.assert_allclose(shares, [[0, 0.75, 0.25, 0], [0.5, 0, 0, 0.5], [0, 0, 0, 1]], atol=0.04)
    for empty in ((0, 0), (0, 5)):
        assert run("_multinomial", [np.ones((0, 4))], [("int32", empty), ("int64", empty)], {})[0].shape == empty
    with pytest.raises(Exception, match="distribution 1 must have probabilities with a positive, finite sum"):
        run("_multinomial", [np.array([[1.0], [0.0]])], [("int32", (2, 1)), ("int64", (2, 1))], {})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0, 1e308, 5e-324, 0.0])
@pytest.mark.parametrize("name", NAMES)
def test_any_parameters_in_arrays_end(name, value):
    for first, second in [(value, 0.5), (2.0, value), (value, value)]:
        parameters = [np.array([first]), np.array([second])][: len(NAMES[name])]
        assert draw(name, (1, 50), parameters=parameters).shape == (1, 50)
