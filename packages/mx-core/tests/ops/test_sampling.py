"""Rows of sampling and of densities: moments and chi-squared tests against scipy's distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mx_core.testing import FLOATS, OpCase, check_op, empty, fixed, normal, op_cases, uniform

ONE = ("float32",)
N = 40_000


def follows(distribution):
    """Check that samples have a scipy distribution: Kolmogorov-Smirnov, or chi-squared of the counts."""

    def check(outputs, inputs, params):
        x = outputs[0].astype("float64").ravel()
        assert x.size == N
        if hasattr(distribution, "dist") and isinstance(distribution.dist, stats.rv_continuous):
            assert stats.kstest(x, distribution.cdf).pvalue > 1e-4
            return
        edges = np.unique(distribution.ppf(np.linspace(0.02, 0.98, 25)))
        share = np.diff(np.concatenate([[0], distribution.cdf(edges), [1]]))
        counts = np.bincount(np.searchsorted(edges, x), minlength=len(share))
        keep = share * N > 5
        assert stats.chisquare(counts[keep], share[keep] / share[keep].sum() * counts[keep].sum()).pvalue > 1e-4
        assert (x == np.floor(x)).all()
        assert (x >= 0).all()

    return check


def shaped(shape):
    """Check the shape alone."""

    def check(outputs, inputs, params):
        assert [output.shape for output in outputs] == [shape] * len(outputs)

    return check


def binomial(k, p):
    return stats.nbinom(k, p)


def generalized(mu, alpha):
    return stats.nbinom(1 / alpha, 1 / (mu * alpha + 1))


DRAWS = {
    "gamma": [
        ({"alpha": a, "beta": b}, stats.gamma(a, scale=b))
        for a, b in [(0.3, 2.0), (1.0, 1.0), (9.0, 0.5), (250.0, 1.0)]
    ],
    "poisson": [({"lam": lam}, stats.poisson(lam)) for lam in (0.3, 4.0, 9.99, 10.0, 37.5, 1e5)],
    "negative_binomial": [({"k": k, "p": p}, binomial(k, p)) for k, p in [(1, 0.5), (3, 0.4), (20, 0.1)]],
    "generalized_negative_binomial": [({"mu": m, "alpha": a}, generalized(m, a)) for m, a in [(2.0, 0.3), (30.0, 1.5)]],
}
WRONG = {
    "gamma": [
        ({"alpha": -1.0}, "alpha must be > 0, got -1"),
        ({"alpha": 0.0}, "alpha must be > 0"),
        ({"beta": 0.0}, "beta must be > 0"),
        ({"alpha": float("nan")}, "alpha must be > 0"),
    ],
    "poisson": [({"lam": -0.5}, "lam must be >= 0, got -0.5")],
    "negative_binomial": [
        ({"k": -1}, "k must be >= 0"),
        ({"p": 0.0}, "p must be in (0, 1], got 0"),
        ({"p": 1.5}, "p must be in (0, 1]"),
    ],
    "generalized_negative_binomial": [({"mu": -1.0}, "mu must be >= 0"), ({"alpha": -1.0}, "alpha must be >= 0")],
}
SHAPES = [
    ({"dtype": "int32"}, "dtype must be float16, float32 or float64, got int32"),
    ({"shape": (-1,)}, "must not have negative sizes"),
    ({"shape": (1 << 40, 1 << 40)}, "does not fit 64 bits"),
]
BIG_SHAPE = [
    ({"shape": (1 << 62,)}, "more than 2^63 bytes"),
    ({"shape": -3}, "must not have negative sizes"),
    ({"dtype": "int64"}, "dtype must be float16"),
]

RANDOM = [
    OpCase(f"_random_{name}", check=follows(distribution), params=[{**given, "shape": (N,), "dtype": dtype} for dtype in ("float32", "float64")],
           dtypes=ONE, errors=[*WRONG[name], *SHAPES] if i == 0 else [], id=f"_random_{name}-{i}")
    for name, rows in DRAWS.items() for i, (given, distribution) in enumerate(rows)
] + [
    OpCase(f"_random_{name}_like", check=follows(rows[0][1]), inputs=[normal((N // 8, 8))], params=[rows[0][0]], dtypes=("float32", "float64"), gradient=False,
           errors=[((fixed([1, 2], "int32"),), {}, "dtype must be float16, float32 or float64, got int32"), *WRONG[name]])
    for name, rows in DRAWS.items()
] + [
    OpCase(f"_random_{name}", check=shaped(shape), params=[{"shape": shape}], dtypes=ONE, id=f"_random_{name}-{shape}")
    for name in (*DRAWS, "exponential") for shape in [(0,), (2, 0, 3), (2, 3)]
] + [
    OpCase("_random_exponential", check=shaped((1,)), params=[{}, {"shape": ()}], dtypes=ONE, id="_random_exponential-default", errors=[({"lam": 0.0}, "lam must be > 0"), *SHAPES]),
    OpCase("_random_normal", check=shaped((1,)), params=[{}], dtypes=ONE, id="_random_normal-default", errors=[({"scale": -1.0}, "scale must be >= 0"), *SHAPES]),
    OpCase("_random_uniform", check=shaped((1,)), params=[{}], dtypes=ONE, id="_random_uniform-default", errors=[({"low": 2.0}, "high must be >= low"), *SHAPES]),
    OpCase("_random_randint", check=shaped((1,)), params=[{"low": 0, "high": 3}, {"low": -(1 << 63), "high": (1 << 63) - 1, "dtype": "int64"}], dtypes=ONE,
           id="_random_randint-default", errors=[({"low": 5, "high": 5}, "low must be below high, got 5 and 5"), ({"low": 0, "high": 1 << 40}, "Say dtype='int64'")]),
]  # fmt: skip

ROWS = {
    "uniform": ((2.0, 6.0), stats.uniform(2, 4)), "normal": ((-4.0, 2.0), stats.norm(-4, 2)), "exponential": ((2.0,), stats.expon(scale=0.5)),
    "gamma": ((2.5, 0.7), stats.gamma(2.5, scale=0.7)), "poisson": ((12.0,), stats.poisson(12)), "negative_binomial": ((2.5, 0.3), binomial(2.5, 0.3)),
    "generalized_negative_binomial": ((3.0, 0.5), generalized(3.0, 0.5)),
}  # fmt: skip

SAMPLES = [
    OpCase(f"_sample_{name}", check=follows(distribution), inputs=[tuple(fixed([value]) for value in values)], params=[{"shape": N}, {"shape": (N // 4, 4), "dtype": "float64"}],
           dtypes=("float32", "float64", "float16") if name == "gamma" else ("float32", "float64"), gradient="zero", errors=[
        *([((fixed([1.0]), fixed([1.0, 2.0])), {}, "must have one shape, got (1,) and (2,)"), ((empty((0,)), fixed([1.0])), {}, "must have one shape, got (0,) and (1,)")]
          if len(values) > 1 else []), *BIG_SHAPE])
    for name, (values, distribution) in ROWS.items()
] + [
    OpCase(f"_sample_{name}", check=shaped(shape + draws), inputs=[tuple(uniform(0.2, 0.8, shape) for _ in values)], params=[{"shape": draws}], dtypes=FLOATS, gradient=False,
           id=f"_sample_{name}-{shape}-{draws}")
    for name, (values, _) in ROWS.items() for shape, draws in [((0,), ()), ((2, 3), ()), ((), ()), ((2,), (3, 0)), ((0, 2), (3,)), ((1, 2), (3,))]
]  # fmt: skip


CLASSES = [
    OpCase("_sample_multinomial", check=shaped(shape), inputs=[uniform(0.1, 1, data)], params=[{"shape": draws, "dtype": d} for d in ("int32", "int64", "uint8", "float16")],
           dtypes=FLOATS, gradient=False, id=f"_sample_multinomial-{data}-{draws}", errors=[
        ((empty((1, 1, 1, 0)),), {}, "at least one class in its last axis, got shape (1, 1, 1, 0)"), ((fixed(0.5),), {}, "at least one class"), ((fixed([1, 2], "int32"),), {}, "floating element type"),
        ((uniform(0, 1, (300,)),), {"dtype": "uint8"}, "holds at most 256 classes, got 300"), ({"dtype": "int8"}, "dtype must be one of"),
        ((fixed([0.0, 0.0]),), {}, "distribution 0 must have probabilities with a positive, finite sum"), ((fixed([0.5, np.nan]),), {}, "positive, finite sum"),
        ({"shape": (1 << 40, 1 << 40)}, "does not fit 64 bits"), ({"shape": (-1,)}, "must not have negative sizes")] if shape == (1,) else [])
    for data, draws, shape in [((4,), (), (1,)), ((4,), (3,), (3,)), ((2, 4), (), (2,)), ((2, 3, 4), (5, 2), (2, 3, 5, 2)), ((0, 4), (), (0,)), ((0, 4), (2,), (0, 2)), ((2, 4), (0,), (2, 0))]
] + [
    OpCase("_sample_multinomial", check=lambda outputs, inputs, params: None, inputs=[fixed([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]), empty((0, 3))], params=[{"get_prob": True, "shape": 4}],
           gradient=False, id="_sample_multinomial-get_prob"),
    OpCase("_sample_unique_zipfian", check=lambda outputs, inputs, params: None, params=[{"range_max": 10, "shape": (2, 10)}, {"range_max": 1 << 62, "shape": (1, 4)},
           {"range_max": 3, "shape": (0, 2)}, {"range_max": 3, "shape": (2, 0)}], dtypes=ONE, errors=[
        ({"range_max": 10, "shape": (2, 11)}, "11 different classes cannot be drawn from range_max=10"), ({"range_max": 0, "shape": (1, 1)}, "range_max must be > 0"),
        ({"range_max": 3, "shape": (3,)}, "shape must be (rows, samples), got (3,)"), ({"range_max": 3}, "shape must be (rows, samples), got None"),
        ({"range_max": 3, "shape": (1, -1)}, "shape must be (rows, samples)")]),
]  # fmt: skip


# -- densities -------------------------------------------------------------------------------------------------------


def density(distribution):
    """A row's oracle from scipy's ``(*parameters) -> distribution``; parameters serve the trailing dimensions."""

    def oracle(x, *parameters, is_log=False):
        made = distribution(*[p.reshape(p.shape + (1,) * (x.ndim - p.ndim)) for p in parameters])
        log = made.logpmf(x) if isinstance(made.dist, stats.rv_discrete) else made.logpdf(x)
        return log if is_log else np.exp(log)

    return oracle


def dirichlet(x, alpha, is_log=False):
    from scipy.special import gammaln

    alpha = alpha.reshape((*alpha.shape[:-1], *(1,) * (x.ndim - alpha.ndim), alpha.shape[-1]))
    log = ((alpha - 1) * np.log(x)).sum(-1) + gammaln(alpha.sum(-1)) - gammaln(alpha).sum(-1)
    log = log.reshape(log.shape or (1,))
    return log if is_log else np.exp(log)


LOGS = [{}, {"is_log": True}]
P_TOL = {"float16": 3e-2, "float32": 1e-4, "float64": 1e-10}


def pdf(name, distribution, sample, *parameters):
    """Rows of a density: parameters of sample's shape, of its first dimension, and empty."""
    inputs = [
        (sample((3, 4)), *[p((3, 4)) for p in parameters]), (sample((3, 4)), *[p((3,)) for p in parameters]), (sample((2, 3, 4)), *[p((2, 3)) for p in parameters]),
        (sample(()), *[p(()) for p in parameters]), (empty((0, 4)), *[empty((0,)) for _ in parameters]), (sample((3,)), *[p(()) for p in parameters]),
    ]  # fmt: skip
    errors = [
        ((sample((3, 2)), *[p((2,)) for p in parameters]), {}, "must have sample's shape (3, 2) or its leading dimensions, got (2,)"),
        ((sample((2,)), *[p((2, 3)) for p in parameters]), {}, "or its leading dimensions, got (2, 3)"),
        ((fixed([1, 2], "int32"), *[p((2,)) for p in parameters]), {}, "sample must have a floating element type"),
    ]  # fmt: skip
    if len(parameters) > 1:
        errors.append(
            ((sample((2, 3)), parameters[0]((2,)), parameters[1]((2, 3))), {}, "the parameters must have one shape")
        )
    return OpCase(f"_random_pdf_{name}", density(distribution), inputs, LOGS, tol=P_TOL, errors=errors)


def between(low, high):
    return lambda shape: uniform(low, high, shape)


PDFS = [
    pdf("uniform", lambda low, high: stats.uniform(low, high - low), between(0.5, 0.9), between(0.0, 0.4), between(1.0, 2.0)),
    pdf("normal", stats.norm, between(-1.5, 1.5), between(-0.5, 0.5), between(0.5, 1.5)),
    pdf("exponential", lambda lam: stats.expon(scale=1 / lam), between(0.1, 2.0), between(0.5, 2.0)),
    pdf("gamma", lambda a, b: stats.gamma(a, scale=1 / b), between(0.5, 2.0), between(0.5, 3.0), between(0.5, 2.0)),
    OpCase("_random_pdf_dirichlet", dirichlet, [(uniform(0.1, 0.9, (3, 4)), uniform(0.5, 3, (4,))), (uniform(0.1, 0.9, (2, 3, 4)), uniform(0.5, 3, (2, 4))),
        (uniform(0.1, 0.9, (3,)), uniform(0.5, 3, (3,))), (uniform(0.1, 0.9, (2, 3)), uniform(0.5, 3, (2, 3))), (empty((0, 3)), uniform(0.5, 3, (3,)))], LOGS, tol=P_TOL, errors=[
        ((uniform(0.1, 0.9, (2, 3)), uniform(0.5, 3, (2,))), {}, "must have the last and the first dimensions of sample (2, 3), got (2,)"),
        ((uniform(0.1, 0.9, ()), uniform(0.5, 3, ())), {}, "must have the last and the first dimensions"),
        ((uniform(0.1, 0.9, (3,)), uniform(0.5, 3, (2, 3))), {}, "must have the last and the first dimensions")]),
]  # fmt: skip


def pmf(name, distribution, *parameters):
    """Rows of a count's probability: in float64 the counts are of a type of their own, because they have no gradient."""
    counts = [[0.0, 1.0, 2.0], [3.0, 4.0, 7.0]]
    return [
        OpCase(f"_random_pdf_{name}", density(distribution), [(fixed(counts, own), *[p(shape) for p in parameters]) for shape in [(2,), (2, 3)]], LOGS,
               dtypes=("float64",) if own else FLOATS, gradient=bool(own), tol=P_TOL, id=f"_random_pdf_{name}-{own}")
        for own in ("float64", None)
    ]  # fmt: skip


COUNTS = [
    *pmf("poisson", stats.poisson, between(0.5, 4)),
    *pmf("negative_binomial", binomial, between(0.5, 4), between(0.2, 0.8)),
    *pmf("generalized_negative_binomial", generalized, between(0.5, 4), between(0.2, 1.5)),
]


@op_cases([*RANDOM, *SAMPLES, *CLASSES])
def test_sampling(case, ctx):
    import mxnet as mx

    mx.nd.waitall()
    mx.random.seed(20240607)
    check_op(case, ctx)


@op_cases([*PDFS, *COUNTS])
def test_densities(case, ctx):
    check_op(case, ctx)


# -- what rows do not say --------------------------------------------------------------------------------------------


def test_multinomial_draws_from_each_row_with_its_probability():
    import mxnet as mx

    mx.random.seed(5)
    rows = mx.nd.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    assert mx.nd.sample_multinomial(rows).asnumpy().tolist() == [1, 0, 2]
    weights = np.array([0.2, 0.0, 0.5, 0.3])
    drawn = mx.nd.random.multinomial(mx.nd.array(weights), shape=N).asnumpy()
    found = np.bincount(drawn, minlength=4)
    assert found[1] == 0
    assert stats.chisquare(found[[0, 2, 3]], weights[[0, 2, 3]] * N).pvalue > 1e-4
    many = np.random.default_rng(0).dirichlet(np.ones(1000))
    drawn = mx.nd.random.multinomial(mx.nd.array(many[None], dtype="float64"), shape=(400, 100)).asnumpy()
    assert drawn.shape == (1, 400, 100)
    found = np.bincount(drawn.ravel(), minlength=1000)
    keep = many * N > 5
    assert stats.chisquare(found[keep], many[keep] / many[keep].sum() * found[keep].sum()).pvalue > 1e-4


def test_multinomial_gives_log_probabilities_with_gradients():
    import mxnet as mx

    data = mx.nd.array([[0.25, 0.75], [1, 0]])
    data.attach_grad()
    with mx.autograd.record():
        classes, logs = mx.nd.sample_multinomial(data, shape=(2, 5), get_prob=True)
    assert classes.shape == logs.shape == (2, 2, 5)
    np.testing.assert_allclose(logs.asnumpy()[0], np.log([0.25, 0.75])[classes.asnumpy()[0]], rtol=1e-6)
    logs.backward()
    found = np.stack([np.bincount(row.ravel(), minlength=2) for row in classes.asnumpy()])
    np.testing.assert_allclose(data.grad.asnumpy(), found / np.maximum(data.asnumpy(), 1e-9), rtol=1e-6)


def test_zipfian_rows_hold_different_classes_with_their_probabilities():
    import mxnet as mx

    mx.random.seed(5)
    draw = mx.nd._internal._sample_unique_zipfian
    for range_max, samples in ((50, 50), (50, 20), (1000, 100)):
        classes, tries = draw(range_max=range_max, shape=(200, samples))
        classes, tries = classes.asnumpy(), tries.asnumpy()
        assert all(len(set(row)) == samples for row in classes.tolist())
        assert classes.min() >= 0
        assert classes.max() < range_max
        assert (tries >= samples).all()
    c = np.arange(20)
    p = np.log((c + 2) / (c + 1)) / np.log(21)
    for samples in (1, 11):  # by rejection, and by arrival times: the first class follows the law in both
        first = draw(range_max=20, shape=(N, samples))[0].asnumpy()[:, 0]
        assert stats.chisquare(np.bincount(first, minlength=20), p * N).pvalue > 1e-4
    # For two samples out of few classes both ways have one distribution; so has the number of draws.
    _, by_rejection = draw(range_max=6, shape=(N, 3))
    _, by_arrival = draw(range_max=5, shape=(N, 3))
    for tries, range_max in ((by_rejection, 6), (by_arrival, 5)):
        share = np.log((np.arange(range_max) + 2) / (np.arange(range_max) + 1)) / np.log(range_max + 1)
        wanted = 1 + sum(s / (1 - s) for s in share) * 0  # the first draw is always new
        for i, a in enumerate(share):
            wanted += a / (1 - a)
            for j, b in enumerate(share):
                if j != i:
                    wanted += a * b / (1 - a) / (1 - a - b)
        assert tries.asnumpy().mean() == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize(
    "name", ["gamma", "poisson", "negative_binomial", "generalized_negative_binomial", "multinomial"]
)
def test_the_same_seed_gives_the_same_numbers_one_by_one_or_together(name):
    """Each sample is a function of the seed and its position: the first ones of a longer draw are the same."""
    import mxnet as mx

    def draw(n):
        mx.random.seed(11)
        if name == "multinomial":
            return mx.nd.random.multinomial(mx.nd.array([0.3, 0.3, 0.4]), shape=n).asnumpy()
        return (
            getattr(mx.nd.random, name)(shape=n).asnumpy()
            if name != "negative_binomial"
            else mx.nd.random.negative_binomial(3, 0.3, shape=n).asnumpy()
        )

    np.testing.assert_array_equal(draw(5000)[:100], draw(100))


def test_impossible_parameters_in_arrays_give_nan():
    import mxnet as mx

    inf, nan = np.inf, np.nan
    a = mx.nd.array
    for found, wanted in [
        (mx.nd.sample_gamma(a([-1, 0, 1, 1, nan, inf]), a([1, 1, -1, 0, 1, 1])), [nan, 0, nan, 0, nan, nan]),
        (mx.nd.sample_poisson(a([-1, nan, inf, 0])), [nan, nan, inf, 0]),
        (mx.nd.sample_negative_binomial(a([1, 1, 1, 0, -1]), a([0, 1, 1.5, 0.5, 0.5])), [inf, 0, nan, 0, nan]),
        (mx.nd.sample_generalized_negative_binomial(a([0, 1, -1]), a([1, -1, 1])), [0, nan, nan]),
    ]:
        np.testing.assert_array_equal(found.asnumpy(), np.array(wanted, "float32"))
    huge = mx.nd.sample_poisson(a([1e12], dtype="float64"), dtype="float64").asscalar()
    assert abs(huge - 1e12) < 1e7


def test_random_functions_take_numbers_arrays_and_likes():
    import mxnet as mx

    random = mx.nd.random
    assert random.gamma(2, 3, shape=(2, 2)).shape == (2, 2)
    assert random.gamma(mx.nd.ones((2,)), mx.nd.ones((2,)), shape=3).shape == (2, 3)
    assert random.poisson(mx.nd.ones((2,))).shape == (2,)
    assert random.exponential(mx.nd.ones((2,)), shape=4).shape == (2, 4)
    assert random.negative_binomial(3, 0.4, shape=5, dtype="float64").dtype == np.float64
    like = mx.nd.ones((3, 2), dtype="float64")
    for name in (
        "uniform",
        "normal",
        "exponential",
        "gamma",
        "poisson",
        "negative_binomial",
        "generalized_negative_binomial",
    ):
        drawn = getattr(random, f"{name}_like")(like)
        assert (drawn.shape, drawn.dtype) == ((3, 2), np.float64)
    out = mx.nd.zeros((4,))
    assert random.poisson(100, out=out) is out
    assert (out.asnumpy() > 0).all()
    assert random.gamma(mx.nd.ones((2,)), mx.nd.ones((2,)), dtype="float16").dtype == np.float16
    for name in (
        "gamma",
        "poisson",
        "negative_binomial",
        "generalized_negative_binomial",
        "uniform",
        "normal",
        "exponential",
    ):
        assert getattr(mx.nd, f"random_{name}")(shape=(2,)).shape == (2,)
        assert callable(getattr(mx.nd, f"sample_{name}"))
