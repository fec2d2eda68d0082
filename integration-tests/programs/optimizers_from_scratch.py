"""SGD with momentum, Adagrad, RMSProp and Adam from scratch, on one logistic regression.

Prints a line of JSON for each: the weights after 30 steps with nd and autograd, and the same in NumPy's float64.
"""

from __future__ import annotations

import json

import numpy as np

from mxnet import autograd, nd

rng = np.random.RandomState(2)
X = rng.normal(0, 1, (64, 5))
Y = (X @ np.array([1.0, -2.0, 0.5, 0.0, 3.0]) + rng.normal(0, 0.5, 64) > 0).astype(np.float64)


def sgd_momentum(w, g, state, step, xp):
    state["v"] = 0.9 * state["v"] + 0.1 * g
    return w - state["v"]


def adagrad(w, g, state, step, xp):
    state["s"] = state["s"] + xp.square(g)
    return w - 0.3 * g / xp.sqrt(state["s"] + 1e-7)


def rmsprop(w, g, state, step, xp):
    state["s"] = 0.9 * state["s"] + 0.1 * xp.square(g)
    return w - 0.03 * g / xp.sqrt(state["s"] + 1e-8)


def adam(w, g, state, step, xp):
    state["v"] = 0.9 * state["v"] + 0.1 * g
    state["s"] = 0.999 * state["s"] + 0.001 * xp.square(g)
    v, s = state["v"] / (1 - 0.9**step), state["s"] / (1 - 0.999**step)
    return w - 0.05 * v / (xp.sqrt(s) + 1e-8)


for rule in (sgd_momentum, adagrad, rmsprop, adam):
    w = nd.full(5, 0.1)
    w.attach_grad()
    state = {"v": nd.zeros(5), "s": nd.zeros(5)}
    losses = []
    for step in range(1, 31):
        with autograd.record():
            z = nd.dot(nd.array(X), w)
            loss = nd.mean(nd.relu(z) - z * nd.array(Y) + nd.log1p(nd.exp(-nd.abs(z))))
        loss.backward()
        w[:] = rule(w, w.grad, state, step, nd)
        losses.append(float(loss.asscalar()))

    expected = np.full(5, 0.1)
    state = {"v": np.zeros(5), "s": np.zeros(5)}
    for step in range(1, 31):
        gradient = X.T @ (1 / (1 + np.exp(-X @ expected)) - Y) / len(Y)
        expected = rule(expected, gradient, state, step, np)
    print(json.dumps({
        "rule": rule.__name__, "losses": losses, "weights": w.asnumpy().tolist(), "expected": expected.tolist()
    }))  # fmt: skip
