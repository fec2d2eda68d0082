"""A Kalman filter with linalg: the likelihood of a linear-Gaussian model, and its parameters found by gradient.

Prints one line of JSON: log-likelihood and its gradient by nd, by NumPy, and the noise that maximum likelihood finds.
"""

from __future__ import annotations

import json

import numpy as np

from mxnet import autograd, nd

rng = np.random.RandomState(3)
A = np.array([[1.0, 0.1], [0.0, 0.97]])
C = np.array([[1.0, 0.0]])
Q, R = np.diag([1e-3, 0.05]), 0.3
x, observations = np.zeros(2), []
for _ in range(80):
    x = A @ x + np.sqrt(np.diag(Q)) * rng.normal(size=2)
    observations.append(C @ x + np.sqrt(R) * rng.normal(size=1))


def likelihood_numpy(log_r):
    m, P, total = np.zeros((2, 1)), np.eye(2), 0.0
    for y in observations:
        m, P = A @ m, A @ P @ A.T + Q
        S = C @ P @ C.T + np.exp(log_r) * np.eye(1)
        e = y.reshape(1, 1) - C @ m
        K = P @ C.T @ np.linalg.inv(S)
        total += float(-0.5 * (e.T @ np.linalg.inv(S) @ e + np.log(np.linalg.det(2 * np.pi * S)))[0, 0])
        m, P = m + K @ e, P - K @ S @ K.T
    return total


def array(value):
    return nd.array(np.atleast_2d(value), dtype="float64")


def likelihood(log_r):
    m, P, total = array(np.zeros((2, 1))), array(np.eye(2)), 0
    At, Ct, Qt, one = array(A), array(C), array(Q), array(np.eye(1))
    for y in observations:
        m = nd.linalg_gemm2(At, m)
        P = nd.linalg_gemm(nd.linalg_gemm2(At, P), At, Qt, transpose_b=True)
        S = nd.linalg_gemm2(nd.linalg_gemm2(Ct, P), Ct, transpose_b=True) + nd.exp(log_r) * one
        L = nd.linalg_potrf(S)
        e = nd.linalg_trsm(L, array(y) - nd.linalg_gemm2(Ct, m))
        total = total - nd.linalg_sumlogdiag(L) - 0.5 * nd.sum(e * e) - 0.5 * np.log(2 * np.pi)
        G = nd.linalg_trsm(L, nd.linalg_gemm2(Ct, P))  # G' G = P C' S^-1 C P
        m = m + nd.linalg_gemm2(G, e, transpose_a=True)
        P = P - nd.linalg_syrk(G, transpose=True)
    return total


log_r = nd.array([[0.0]], dtype="float64")
log_r.attach_grad()
with autograd.record():
    value = likelihood(log_r)
value.backward()
result = {
    "log_likelihood": float(value.asscalar()), "expected": likelihood_numpy(0.0),
    "gradient": float(log_r.grad.asscalar()),
    "expected_gradient": (likelihood_numpy(1e-5) - likelihood_numpy(-1e-5)) / 2e-5,
}  # fmt: skip
for _ in range(25):
    with autograd.record():
        value = likelihood(log_r)
    value.backward()
    log_r[:] = log_r + 0.04 * log_r.grad
result["noise"], result["true_noise"] = float(nd.exp(log_r).asscalar()), R
result["gradient_at_the_end"] = float(log_r.grad.asscalar())
print(json.dumps(result))
