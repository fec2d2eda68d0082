"""Rows of the weight updates: the new weight, then the new states. Numbers of MXNet 1.9.1 are checked beside the formulas."""

from __future__ import annotations

import numpy as np
import pytest

from mx_core.testing import OpCase, check_op, normal, op_cases, uniform

SHAPE = (5, 7)
PLAIN = {"lr": 0.1}
FULL = {"lr": 0.1, "wd": 0.05, "rescale_grad": 0.5, "clip_gradient": 0.4}


def clip(g, bound):
    return g if bound < 0 else np.clip(g, -bound, bound)


def sgd(w, g, lr, wd=0.0, rescale_grad=1.0, clip_gradient=-1.0):
    return w - lr * (clip(g * rescale_grad, clip_gradient) + wd * w)


def sgd_mom(w, g, m, lr, momentum=0.0, wd=0.0, rescale_grad=1.0, clip_gradient=-1.0):
    m = momentum * m - lr * (clip(g * rescale_grad, clip_gradient) + wd * w)
    return w + m, m


def nag(w, g, m, lr, momentum=0.0, wd=0.0, rescale_grad=1.0, clip_gradient=-1.0):
    g = clip(g * rescale_grad, clip_gradient) + wd * w
    m = momentum * m - lr * g
    return w + momentum * m - lr * g, m


def adam(w, g, m, v, lr, beta1=0.9, beta2=0.999, epsilon=1e-8, wd=0.0, rescale_grad=1.0, clip_gradient=-1.0):
    g = clip(g * rescale_grad + wd * w, clip_gradient)
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    return w - lr * m / (np.sqrt(v) + epsilon), m, v


def rmsprop(w, g, n, lr, gamma1=0.95, epsilon=1e-8, wd=0.0, rescale_grad=1.0, clip_gradient=-1.0, clip_weights=-1.0):
    g = clip(g * rescale_grad + wd * w, clip_gradient)
    n = gamma1 * n + (1 - gamma1) * g * g
    return clip(w - lr * g / np.sqrt(n + epsilon), clip_weights), n


def signum(w, g, m, lr, momentum=0.0, wd=0.0, rescale_grad=1.0, clip_gradient=-1.0, wd_lh=0.0):
    m = momentum * m - (1 - momentum) * (clip(g * rescale_grad, clip_gradient) + wd * w)
    return (1 - lr * wd_lh) * w + lr * np.sign(m), m


def rmspropalex(w, g, n, mean, delta, lr, gamma1=0.95, gamma2=0.9, epsilon=1e-8, wd=0.0, rescale_grad=1.0, clip_gradient=-1.0,
                clip_weights=-1.0):  # fmt: skip
    g = clip(g * rescale_grad + wd * w, clip_gradient)
    n, mean = gamma1 * n + (1 - gamma1) * g * g, gamma1 * mean + (1 - gamma1) * g
    delta = gamma2 * delta - lr * g / np.sqrt(n - mean * mean + epsilon)
    return clip(w + delta, clip_weights), n, mean, delta


def ftrl(w, g, z, n, lr, lamda1=0.01, beta=1.0, wd=0.0, rescale_grad=1.0, clip_gradient=-1.0):
    g = clip(g * rescale_grad, clip_gradient)
    z = z + g - (np.sqrt(n + g * g) - np.sqrt(n)) * w / lr
    n = n + g * g
    return np.where(np.abs(z) > lamda1, -(z - np.sign(z) * lamda1) / ((beta + np.sqrt(n)) / lr + wd), 0), z, n


def ftml(w, g, d, v, z, lr, t, beta1=0.6, beta2=0.999, epsilon=1e-8, wd=0.0, rescale_grad=1.0, clip_grad=-1.0):
    g = clip(g * rescale_grad + wd * w, clip_grad)
    v = beta2 * v + (1 - beta2) * g * g
    new = (1 - beta1**t) / lr * (np.sqrt(v / (1 - beta2**t)) + epsilon)
    z = beta1 * z + (1 - beta1) * g - (new - beta1 * d) * w
    return -z / new, new, v, z


def of_dtype(make, dtype):
    """The same input, of this element type whatever the row's is."""
    return make.__class__(make.shape, make.draw, dtype)


def update(name, oracle, states=0, params=(), positive=False, **options):
    inputs = (normal(SHAPE), normal(SHAPE), *[uniform(0.1, 1, SHAPE) if positive else normal(SHAPE)] * states)
    wrong_shape = (normal(SHAPE), *[normal((7,))] * (states + 1))
    wrong_dtype = (normal(SHAPE), of_dtype(normal(SHAPE), "float64"), *inputs[2:])
    errors = [
        ({}, "needs the parameter lr"), ({"lr": 0.1, "momentun": 1}, "momentun"),
        (wrong_shape, PLAIN, "must have the weight's shape (5, 7), got (7,)"),
        (wrong_dtype, PLAIN, f"[{name}] grad must be float32, got float64"),
    ]  # fmt: skip
    return OpCase(name, oracle, [inputs], [PLAIN, FULL, *params], gradient=False,
                  tol={"float16": 2e-2, "float32": 1e-5}, errors=errors, **options)  # fmt: skip


def mixed(oracle):
    """An update on the last input, the float32 weight; the first is its copy."""

    def run(w, g, *states, **params):
        result = oracle(states[-1], g, *states[:-1], **params)
        result = result if isinstance(result, tuple) else (result,)
        return [result[0], *result[1:], result[0]]

    return run


def mixed_case(name, oracle, states, params=()):
    return OpCase(name, mixed(oracle), [(normal(SHAPE), normal(SHAPE), *[of_dtype(normal(SHAPE), "float32")] * states)], [PLAIN, FULL, *params], gradient=False,
                  dtypes=("float16",), tol={"float16": 4e-3}, errors=[
                      ((normal(SHAPE), normal(SHAPE), *[normal(SHAPE)] * states), PLAIN, "must be float32, got float16"),
                  ])  # fmt: skip


CASES = [
    update("sgd_update", sgd, params=[{"lr": 0.1, "clip_gradient": 0.0}]),
    update("sgd_mom_update", sgd_mom, 1, [{**FULL, "momentum": 0.9}]),
    update("nag_mom_update", nag, 1, [{**FULL, "momentum": 0.9}]),
    update("adam_update", adam, 2, [{**FULL, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3}], positive=True),
    update("rmsprop_update", rmsprop, 1, [{**FULL, "clip_weights": 0.3, "gamma1": 0.9}], positive=True),
    update(
        "rmspropalex_update",
        rmspropalex,
        3,
        [{**FULL, "clip_weights": 0.3, "gamma1": 0.9, "gamma2": 0.5}],
        dtypes=("float32", "float64"),
    ),
    update(
        "ftrl_update", ftrl, 2, [{**FULL, "lamda1": 0.3, "beta": 0.5}], positive=True, dtypes=("float32", "float64")
    ),
    OpCase(
        "ftml_update",
        ftml,
        [(normal(SHAPE), normal(SHAPE), *[uniform(0.1, 1, SHAPE)] * 3)],
        [{"lr": 0.1, "t": 1}, {"lr": 0.1, "t": 5, "wd": 0.1, "rescale_grad": 0.5, "clip_grad": 0.4, "beta1": 0.8}],
        gradient=False,
        dtypes=("float32", "float64"),
        tol={"float64": 1e-6},
        errors=[(PLAIN, "needs the parameter t")],
    ),
    update("signsgd_update", lambda w, g, lr, wd=0.0, **_: (1 - lr * wd) * w - lr * np.sign(g)),
    update("signum_update", signum, 1, [{**FULL, "momentum": 0.9, "wd_lh": 0.1}]),
    mixed_case("mp_sgd_update", sgd, 1),
    mixed_case("mp_sgd_mom_update", sgd_mom, 2, [{**FULL, "momentum": 0.9}]),
    mixed_case("mp_nag_mom_update", nag, 2, [{**FULL, "momentum": 0.9}]),
]


@op_cases(CASES)
def test_update(case, ctx):
    check_op(case, ctx)


# What mxnet 1.9.1 computes from weight (1, 2, 3), gradient (0.5, -2, 100), states 0, 0.1, 0.2: new weight, new states.
MXNET = [
    ("ftrl_update", {"lr": 0.1, "wd": 0.1}, 2,
     [[0.14009684, 1.19157159, 2.8616016], [-2.2538023, -36.17235565, -2890.527832], [0.35, 4.1, 10000.0996]]),
    ("ftml_update", {"lr": 0.1, "t": 1}, 3,
     [[0.99200606, 2.01667786, 2.90019727], [40.03024292, 40.772789, 401.993042], [0.10015, 0.10389995, 10.0997715],
      [-39.71024323, -82.2255783, -1165.85913086]]),
    ("rmspropalex_update", {"lr": 0.1, "wd": 0.1}, 3,
     [[-0.05116975, 2.62724805, 2.72070599], [0.01800001, 0.16200003, 503.00463867], [0.125, 0.00499998, 5.110001],
      [-1.05116975, 0.62724805, -0.27929395]]),
    ("lamb_update_phase1", {"wd": 0.1, "t": 1}, 2,
     [[0.14996222, 0.00379075, 1.29504204], [0.05, -0.2, 10.0], [0.10015, 0.10389995, 10.0997715]]),
    ("adam_update", {"lr": 0.1, "wd": 0.1, "rescale_grad": 0.5, "clip_gradient": 1}, 2,
     [[0.98893327, 2.02523017, 2.9685185], [0.03500001, -0.08, 0.10000002], [0.10002249, 0.10053999, 0.10089999]]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "params", "states", "wanted"), MXNET, ids=[row[0] for row in MXNET])
def test_updates_as_mxnet(name, params, states, wanted):
    import mxnet as mx

    weight, grad = mx.nd.array([1, 2, 3]), mx.nd.array([0.5, -2, 100])
    arrays = [mx.nd.full((3,), 0.1 * i) for i in range(states)]
    new = getattr(mx.nd, name)(weight, grad, *arrays, **params)
    for got, want in zip([new, *arrays], wanted, strict=True):
        np.testing.assert_allclose(got.asnumpy(), want, rtol=2e-4)


def test_lamb_scales_the_step_by_the_norms():
    import mxnet as mx

    weight, step = mx.nd.array([3.0, 4.0]), mx.nd.array([0.6, 0.8])
    new = mx.nd.lamb_update_phase2(weight, step, weight.norm(), step.norm(), lr=0.1)
    np.testing.assert_allclose(new.asnumpy(), [3 - 0.1 * 5 * 0.6, 4 - 0.1 * 5 * 0.8], rtol=1e-6)
    same = mx.nd.lamb_update_phase2(weight, step, mx.nd.zeros((1,)), step.norm(), lr=0.1)
    np.testing.assert_allclose(same.asnumpy(), [3 - 0.06, 4 - 0.08], rtol=1e-6)


def test_out_writes_into_the_weight():
    import mxnet as mx

    weight, grad, mom = mx.nd.ones((3,)), mx.nd.ones((3,)), mx.nd.zeros((3,))
    mx.nd.sgd_mom_update(weight, grad, mom, lr=0.5, momentum=0.9, out=weight)
    mx.nd.sgd_mom_update(weight, grad, mom, lr=0.5, momentum=0.9, out=weight)
    np.testing.assert_allclose(weight.asnumpy(), 1 - 0.5 - 0.95, rtol=1e-6)
    np.testing.assert_allclose(mom.asnumpy(), -0.95, rtol=1e-6)
