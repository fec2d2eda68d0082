"""Rows of the updates of many weights, of those scaled by norms, and of what these measure."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx
from mx_core.testing import OpCase, check_op, empty, fixed, normal, op_cases, scalar, uniform

SHAPES = [(5, 7), (3,), ()]
INF, NAN = float("inf"), float("nan")


def clip(g, bound=-1.0):
    return g if bound < 0 else np.clip(g, -bound, bound)


def single(make):
    """The same input, of float32 whatever the row's element type is."""
    return make.__class__(make.shape, make.draw, "float32")


# -- the single updates ------------------------------------------------------------------------------------------------


def sgd(w, g, lr, wd, rescale_grad=1.0, clip_gradient=-1.0):
    return (w - lr * (clip(g * rescale_grad, clip_gradient) + wd * w),)


def sgd_mom(w, g, m, lr, wd, momentum=0.0, rescale_grad=1.0, clip_gradient=-1.0):
    m = momentum * m - lr * (clip(g * rescale_grad, clip_gradient) + wd * w)
    return w + m, m


def adamw(w, g, m, v, scale, lr, eta, beta1=0.9, beta2=0.999, epsilon=1e-8, wd=0.0, clip_gradient=-1.0):
    scale = float(np.ravel(scale)[0])
    if scale == 0 or not np.isfinite(scale):
        return w, m, v
    g = clip(g * scale, clip_gradient)
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    return w - eta * (lr * m / (np.sqrt(v) + epsilon) + wd * w), m, v


def direction(w, g, m, v, t, wd, beta1=0.9, beta2=0.999, epsilon=1e-6, bias_correction=True, rescale_grad=1.0,
              clip_gradient=-1.0):  # fmt: skip
    g = clip(g * rescale_grad, clip_gradient)
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    mean, var = (m / (1 - beta1**t), v / (1 - beta2**t)) if bias_correction else (m, v)
    return mean / (np.sqrt(var) + epsilon) + wd * w, m, v


def step(w, g, r1, r2, lr, lower_bound=-1.0, upper_bound=-1.0):
    r1, r2 = float(np.ravel(r1)[0]), float(np.ravel(r2)[0])
    r1 = max(r1, lower_bound) if lower_bound >= 0 else r1
    r1 = min(r1, upper_bound) if upper_bound >= 0 else r1
    return w - lr * g * (1.0 if r1 == 0 or r2 == 0 else r1 / r2)


def lamb(w, g, m, v, lr, t, wd, lower_bound=-1.0, upper_bound=-1.0, **options):
    u, m, v = direction(w, g, m, v, t, wd, **options)
    return step(w, u, np.linalg.norm(w.ravel()), np.linalg.norm(u.ravel()), lr, lower_bound, upper_bound), m, v


# -- many of them ------------------------------------------------------------------------------------------------------


def many(update, size, mixed, named, rest=0, count="num_weights"):
    """The oracle of a multi update. named: parameter of the multi update -> of the single one."""

    def run(*arrays, **params):
        n = params.pop(count)
        tail = arrays[len(arrays) - rest :] if rest else ()
        lists = {single_name: params.pop(name) for name, single_name in named.items() if name in params}
        if rest == 2:
            lists, tail = {"lr": tail[0], "wd": tail[1]}, ()
        weights, states = [], []
        for i in range(n):
            w, g, *old = arrays[i * size : (i + 1) * size]
            if mixed:
                w = old.pop()
            new, *after = update(w, g, *old, *tail, **{k: each[i] for k, each in lists.items()}, **params)
            weights.append(new)
            states += [*after, *([new] if mixed else [])]
        return [*weights, *states]

    return run


def groups(states, mixed=False, tail=()):
    """The inputs of two weights, and of three."""
    state = uniform(0.1, 1, (1,))

    def of(shapes):
        made = []
        for shape in shapes:
            kind = state.__class__(shape, state.draw)
            made += [normal(shape), normal(shape), *[single(kind) if mixed else kind] * states]
            made += [single(normal(shape))] if mixed else []
        return (*made, *tail)

    return of


def multi_row(name, update, states, mixed=False, momentum=False, preloaded=False):
    rates = (fixed([0.1, 0.2], "float32"), fixed([0.01, 0.02], "float32")) if preloaded else ()
    given = {} if preloaded else {"lrs": (0.1, 0.2), "wds": (0.01, 0.02)}
    plain = {**given, "num_weights": 2}
    params = [plain, {**plain, "rescale_grad": 0.5, "clip_gradient": 0.4, **({"momentum": 0.9} if momentum else {})}]
    size = 2 + states + mixed
    makes = groups(states, mixed, rates)
    errors = [
        ({**plain, "num_weights": 3}, f"expects {size} arrays for each of 3 weight(s)"),
        ({**plain, "num_weights": 0}, "num_weights must be > 0"),
        (
            (normal((2,)), normal((3,)), *makes([(2,), (3,)])[2:]),
            plain,
            "must have the shape (2,) of its weight, got (3,)",
        ),
    ]
    if preloaded:
        errors.append(
            (
                (*makes([(2,), (3,)])[:-2], normal((3,)), normal((2,))),
                plain,
                "lrs must have shape (num_weights,) = (2,)",
            )
        )
    else:
        errors.append(({**plain, "lrs": (0.1,)}, "lrs must hold 2 number(s), one for each weight, got 1"))
    return OpCase(
        name, many(update, size, mixed, {"lrs": "lr", "wds": "wd"}, 2 if preloaded else 0),
        [makes(SHAPES[:2]), makes([(), (0, 3)])], params, gradient=False, errors=errors,
        dtypes=("float16",) if mixed else ("float32", "float64", "float16"), tol={"float16": 2e-2, "float64": 1e-6},
    )  # fmt: skip


def adamw_row(name, mixed=False):
    params = {"lrs": (0.1, 0.2), "wds": (0.01, 0.02), "etas": (0.5, 0.6), "num_weights": 2}
    names = {"lrs": "lr", "wds": "wd", "etas": "eta"}
    inputs = [groups(2, mixed, [fixed([scale], "float32")])(SHAPES[:2]) for scale in (0.5, 0.0, INF, NAN)]
    return OpCase(
        name, many(adamw, 4 + mixed, mixed, names, 1), inputs, [params, {**params, "clip_gradient": 0.1, "beta1": 0.8}],
        gradient=False, errors=[({**params, "etas": ()}, "etas must hold 2 number(s)"), ({"num_weights": 2}, "lrs is required")],
        dtypes=("float16",) if mixed else ("float32", "float64"), tol={"float16": 2e-2},
    )  # fmt: skip


def lamb_row(name, mixed=False):
    params = {"learning_rates": (0.1, 0.2), "wds": (0.01, 0.02), "step_count": (1, 3), "num_tensors": 2}
    names = {"learning_rates": "lr", "wds": "wd", "step_count": "t"}
    more = {
        **params,
        "bias_correction": False,
        "lower_bound": 0.5,
        "upper_bound": 1.5,
        "clip_gradient": 0.4,
        "rescale_grad": 0.5,
    }
    return OpCase(
        name, many(lamb, 4 + mixed, mixed, names, count="num_tensors"), [groups(2, mixed)(SHAPES[:2])], [params, more],
        gradient=False, errors=[({**params, "step_count": (1,)}, "step_count must hold 2 number(s)"), ({**params, "wds": "x"}, "wds must be tuple of float, got 'x'")],
        dtypes=("float16",) if mixed else ("float32", "float64"), tol={"float16": 2e-2, "float64": 1e-6},
    )  # fmt: skip


def adagrad(w, g, h, lr, epsilon=1e-7, wd=0.0, rescale_grad=1.0, clip_gradient=-1.0):
    g = clip(g * rescale_grad, clip_gradient)
    h = h + g * g
    return w - lr * (g / np.sqrt(h + epsilon) + wd * w), h


def group_adagrad(w, g, h, lr, rescale_grad=1.0, clip_gradient=-1.0, epsilon=1e-5):
    g = clip(g * rescale_grad, clip_gradient)
    h = h + (g * g).reshape(len(g), -1).mean(1).reshape(h.shape)
    return w - lr * g / np.sqrt(h.reshape(len(g), *[1] * (g.ndim - 1)) + epsilon), h


def lars(lrs, w, g, wds, eta, eps, rescale_grad=1.0):
    w, g = np.sqrt(w), np.sqrt(g)
    return np.where((w > 0) & (g > 0), lrs * eta * w / (rescale_grad * g + wds * w + eps), lrs)


STATE = uniform(0.1, 1, (5, 7))
ONE = uniform(0.5, 1.5, (1,))
ADAM = (normal((5, 7)), normal((5, 7)), STATE, STATE)
FULL = {"rescale_grad": 0.5, "clip_gradient": 0.4}

CASES = [
    multi_row("multi_sgd_update", sgd, 0),
    multi_row("multi_sgd_mom_update", sgd_mom, 1, momentum=True),
    multi_row("multi_mp_sgd_update", sgd, 0, mixed=True),
    multi_row("multi_mp_sgd_mom_update", sgd_mom, 1, mixed=True, momentum=True),
    multi_row("preloaded_multi_sgd_update", sgd, 0, preloaded=True),
    multi_row("preloaded_multi_sgd_mom_update", sgd_mom, 1, momentum=True, preloaded=True),
    multi_row("preloaded_multi_mp_sgd_update", sgd, 0, mixed=True, preloaded=True),
    multi_row("preloaded_multi_mp_sgd_mom_update", sgd_mom, 1, mixed=True, momentum=True, preloaded=True),
    adamw_row("_multi_adamw_update"),
    adamw_row("_multi_mp_adamw_update", mixed=True),
    lamb_row("_multi_lamb_update"),
    lamb_row("_multi_mp_lamb_update", mixed=True),
    OpCase(
        "_adamw_update", adamw, [(*ADAM, fixed([scale], "float32")) for scale in (2.0, 0.0, NAN)],
        [{"lr": 0.1, "eta": 0.5}, {"lr": 0.1, "eta": 0.5, "wd": 0.1, "clip_gradient": 0.3}], gradient=False,
        tol={"float16": 2e-2}, errors=[
            ({"lr": 0.1}, "needs the parameter eta"),
            ((*ADAM, normal((2,))), {"lr": 0.1, "eta": 1}, "rescale_grad must be one number, an array of shape (1,), got shape (2,)"),
        ],
    ),
    OpCase(
        "_mp_adamw_update", lambda w, g, m, v, w32, scale, **k: [*adamw(w32, g, m, v, scale, **k), adamw(w32, g, m, v, scale, **k)[0]],
        [(*ADAM[:2], single(STATE), single(STATE), single(normal((5, 7))), fixed([scale], "float32")) for scale in (2.0, INF)],
        [{"lr": 0.1, "eta": 0.5, "wd": 0.1, "clip_gradient": 0.3}], gradient=False, dtypes=("float16",), tol={"float16": 4e-3},
    ),
    OpCase(
        "lamb_update_phase1", direction, [ADAM], [{"t": 1, "wd": 0.1}, {"t": 4, "wd": 0.1, "bias_correction": False, **FULL}],
        gradient=False, tol={"float16": 2e-2, "float64": 1e-6}, errors=[({"wd": 0.1}, "needs the parameter t")],
    ),
    OpCase(
        "mp_lamb_update_phase1", lambda w, g, m, v, w32, **k: direction(w32, g, m, v, **k),
        [(*ADAM[:2], single(STATE), single(STATE), single(normal((5, 7))))], [{"t": 2, "wd": 0.1, **FULL}], gradient=False,
        dtypes=("float16",), tol={"float16": 4e-3},
    ),
    OpCase(
        "lamb_update_phase2", step, [(*ADAM[:2], ONE, ONE), (normal(()), normal(()), ONE, scalar()), (*ADAM[:2], fixed([0.0]), ONE)],
        [{"lr": 0.1}, {"lr": 0.1, "lower_bound": 0.8, "upper_bound": 0.9}], gradient=False, tol={"float16": 2e-2},
        errors=[((*ADAM[:2], normal((2,)), ONE), {"lr": 0.1}, "r1 must be one number, an array of shape (1,), got shape (2,)")],
    ),
    OpCase(
        "mp_lamb_update_phase2", lambda w, g, r1, r2, w32, **k: [step(w32, g, r1, r2, **k)] * 2,
        [(normal((5, 7)), *[single(make) for make in (normal((5, 7)), ONE, ONE, normal((5, 7)))])],
        [{"lr": 0.1}, {"lr": 0.1, "lower_bound": 0.8, "upper_bound": 0.9}], gradient=False, dtypes=("float16",),
    ),
    OpCase(
        "_sparse_adagrad_update", adagrad, [(normal((5, 7)), normal((5, 7)), STATE)], [{"lr": 0.1}, {"lr": 0.1, "wd": 0.1, **FULL}],
        gradient=False, tol={"float16": 2e-2},
    ),
    OpCase(
        "_contrib_group_adagrad_update", group_adagrad,
        [(normal((5, 7)), normal((5, 7)), uniform(0.1, 1, (5, 1))), (normal((5, 2, 3)), normal((5, 2, 3)), uniform(0.1, 1, (5,)))],
        [{"lr": 0.1}, {"lr": 0.1, **FULL}], gradient=False, tol={"float16": 2e-2},
        errors=[((normal((5, 7)), normal((5, 7)), normal((7,))), {"lr": 1}, "history must have shape (5, 1), one for each row, got (7,)")],
    ),
    OpCase(
        "multi_sum_sq", lambda *arrays, num_arrays: np.array([np.sum(a * a) for a in arrays]),
        [(normal((5, 7)), empty((0, 3)), scalar())], [{"num_arrays": 3}], gradient=False, tol={"float64": 1e-6},
        errors=[({"num_arrays": 2}, "expects num_arrays = 2 arrays, got 3")],
    ),
    OpCase(
        "multi_lars", lars, [(uniform(0, 1, (4,)), fixed([4.0, 0, 9, 1]), fixed([1.0, 1, 0, 2]), uniform(0, 1, (4,)))],
        [{"eta": 0.5, "eps": 0.1, "rescale_grad": 2.0}], gradient=False,
        errors=[((normal((4,)), normal((3,)), normal((4,)), normal((4,))), {"eta": 1, "eps": 1}, "must have the shape (4,) of lrs")],
    ),
    OpCase(
        "all_finite", lambda x, init_output=True: np.array([float(np.isfinite(x).all())]),
        [fixed([1.0, 2.0]), fixed([1.0, INF]), fixed([[NAN]]), empty((0, 2)), scalar()], gradient=False,
        errors=[((fixed([1, 2], "int32"),), {}, "input 0 must be an array of floats, got int32")],
    ),
    OpCase(
        "multi_all_finite", lambda *a, num_arrays=1, init_output=True: np.array([float(all(np.isfinite(x).all() for x in a))]),
        [(fixed([1.0, 2.0]), normal((2, 3))), (normal((2,)), fixed([-INF])), (empty((0,)), fixed([NAN]))], [{"num_arrays": 2}],
        gradient=False, errors=[({"num_arrays": 3}, "expects num_arrays = 3 arrays, got 2")],
    ),
    OpCase(
        "reset_arrays", lambda *arrays, num_arrays: [np.zeros_like(item) for item in arrays],
        [(normal((2, 3)), empty((0,)), scalar())], [{"num_arrays": 3}], gradient=False, dtypes=("float32", "float16", "int32"),
    ),
]  # fmt: skip


@op_cases(CASES)
def test_update(case, ctx):
    check_op(case, ctx)


def test_out_takes_the_weights():
    weights = [mx.nd.ones((3,)), mx.nd.ones((2, 2))]
    grads = [mx.nd.ones((3,)), mx.nd.ones((2, 2))]
    moms = [mx.nd.zeros((3,)), mx.nd.zeros((2, 2))]
    arrays = [item for group in zip(weights, grads, moms, strict=True) for item in group]
    for _ in range(2):
        mx.nd.multi_sgd_mom_update(*arrays, lrs=(0.5, 0.25), wds=(0, 0), momentum=0.5, num_weights=2, out=weights)
    assert weights[0].asnumpy().tolist() == [1 - 0.5 - 0.75] * 3
    assert moms[1].asnumpy().tolist() == [[-0.375] * 2] * 2


@pytest.mark.parametrize("values", [(1.0, 1.0), (1.0, NAN), (NAN, 1.0)])
def test_finiteness_of_several_calls(values):
    """init_output=False keeps what earlier calls found."""
    found = mx.nd.zeros((1,))
    mx.nd.multi_all_finite(mx.nd.array([values[0]]), num_arrays=1, out=found)
    mx.nd.multi_all_finite(mx.nd.array([values[1]]), num_arrays=1, init_output=False, out=found)
    assert found.asscalar() == float(np.isfinite(values).all())
    mx.nd.all_finite(mx.nd.ones((2,)), out=found)
    assert found.asscalar() == 1


def test_new_learning_rates_need_no_new_plan():
    from mx_core import _core

    weights = [mx.nd.ones((3,)) for _ in range(40)]
    arrays = [item for weight in weights for item in (weight, mx.nd.ones((3,)))]
    before = None
    for step in range(1, 4):
        rates = [0.5**step * (i + 1) for i in range(40)]
        mx.nd.multi_sgd_update(*arrays, lrs=rates, wds=[0.0] * 40, num_weights=40, out=weights)
        before = before or _core.plan_cache_info()["misses"]
    assert _core.plan_cache_info()["misses"] == before
    for i, weight in enumerate(weights):
        np.testing.assert_allclose(weight.asnumpy(), 1 - 0.875 * (i + 1), rtol=1e-5)
