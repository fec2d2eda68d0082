"""Rows of the layers of MXNet's first years, and of batch normalisation's variants."""

from __future__ import annotations

import pathlib
import sys

import numpy as np

from mx_core.testing import OpCase, check_op, indices, normal, op_cases, uniform

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import test_nn as layers


def svm_gradient(dy, data, label, margin=1.0, regularization_coefficient=1.0, use_linear=False):
    grad = np.zeros(data.shape)
    for i, row in enumerate(data):
        for k, score in enumerate(row):
            sign = 1 if k != label[i] else -1
            short = max(margin + sign * score, 0)
            grad[i, k] = sign * regularization_coefficient * ((short > 0) if use_linear else 2 * short)
    return grad


def sparse(data, average, momentum=0.9, **rest):
    return data, average


def sparse_trained(data, average, momentum=0.9, **rest):
    return data, average * momentum + data.mean(0) * (1 - momentum)


def sparse_gradient(dy, data, average, sparseness_target=0.1, penalty=0.001, momentum=0.9):
    p = sparse_trained(data, average, momentum)[1]
    return dy + penalty * ((1 - sparseness_target) / (1 - p) - sparseness_target / p)


def pooled(x, kernel, pool_type="max", **rest):
    if pool_type != "avg":
        return layers.pooling(x, kernel, pool_type, **rest)
    size = x.shape[2] * x.shape[3] if rest.get("global_pool") else np.prod(kernel)
    return layers.pooling(x, kernel, "sum", **rest) / size


def with_relu(train):
    def oracle(*inputs, **params):
        y, *rest = layers.batch_norm(train)(*inputs, **params)
        return [np.maximum(y, 0), *rest]

    return oracle


def synchronized(*inputs, key, **params):
    return layers.batch_norm(True)(*inputs, **params)


SCORES = (normal((3, 4)), indices(4, (3,)))
ACTIVE = (uniform(0.1, 0.9, (4, 3)), uniform(0.1, 0.9, (3,)))
NORM = [layers.norm_inputs((4, 3, 5)), layers.norm_inputs((4, 3))]
PLAIN = {"kernel": (3, 3), "num_filter": 4}
LOOSE = {"tol": {"float16": 2e-2, "float32": 1e-4}}
CASES = [
    OpCase("SVMOutput", lambda x, label, **k: x, [SCORES], [{}, {"use_linear": True}, {"margin": 0.5, "regularization_coefficient": 2.0}], gradient=svm_gradient,
           errors=[((normal((3, 4)), normal((4,))), {}, "data must be (n, k) and label (n,), got (3, 4) and (4,)")]),
    OpCase("IdentityAttachKLSparseReg", sparse_trained, [ACTIVE], [{}, {"penalty": 0.1, "momentum": 0.5}], is_train=True, gradient=False,
           errors=[((normal((2, 3)), normal((2,))), {}, "moving_avg")]),
    OpCase("IdentityAttachKLSparseReg", sparse, [ACTIVE], gradient=False, id="IdentityAttachKLSparseReg-predict"),
    OpCase("Convolution_v1", layers.convolution, [(normal((2, 4, 5, 5)), normal((4, 2, 3, 3)), normal((4,)))], [{**PLAIN, "num_group": 2, "pad": (1, 1)}], **LOOSE,
           errors=[((normal((2, 4, 5, 5)), normal((4, 3, 3, 3)), normal((4,))), PLAIN, "weight must have shape")]),
    OpCase("Convolution_v1", layers.convolution, [(normal((2, 4, 5, 5)), normal((4, 4, 3, 3)))], [{**PLAIN, "no_bias": True, "dilate": (2, 2)}], id="Convolution_v1-no_bias", **LOOSE),
    OpCase("Pooling_v1", pooled, [normal((1, 2, 5, 6))],
           [{"kernel": (2, 2)}, *({"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1), "pool_type": kind, "pooling_convention": way} for kind in ("avg", "sum") for way in ("full", "valid")),
            {"kernel": (2, 2), "global_pool": True, "pool_type": "avg"}], errors=[((normal((2, 3, 4)),), {"kernel": (2,)}, "data must be (n, c, h, w)")]),
    OpCase("BatchNorm_v1", layers.batch_norm(True), NORM, [{}, {"fix_gamma": False}, {"output_mean_var": True}], is_train=True, gradient=False, **LOOSE),
    OpCase("BatchNorm_v1", layers.batch_norm(False), NORM, [{"fix_gamma": False}], id="BatchNorm_v1-predict", **LOOSE),
    OpCase("_contrib_SyncBatchNorm", synchronized, NORM, [{"key": "a", "fix_gamma": False}], is_train=True, gradient=False, **LOOSE,
           errors=[({"key": "a", "ndev": 2}, "gathers statistics of one device only"), ({}, "key is required")]),
    OpCase("_contrib_BatchNormWithReLU", with_relu(True), NORM, [{}, {"fix_gamma": False}], is_train=True, gradient=False, **LOOSE),
    OpCase("_contrib_BatchNormWithReLU", with_relu(False), NORM, [{"fix_gamma": False}], id="BatchNormWithReLU-predict", **LOOSE),
]  # fmt: skip


@op_cases(CASES)
def test_operator(case, ctx):
    check_op(case, ctx)


def test_the_penalty_is_in_the_gradient():
    import mxnet as mx

    data, average = np.array([[0.2, 0.7], [0.4, 0.5]]), np.array([0.3, 0.6])
    x, moving = mx.nd.array(data, dtype="float64"), mx.nd.array(average, dtype="float64")
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.IdentityAttachKLSparseReg(x, moving, penalty=0.5)
    y.backward()
    np.testing.assert_allclose(
        x.grad.asnumpy(), sparse_gradient(np.ones((2, 2)), data, average, penalty=0.5), rtol=1e-12
    )
    np.testing.assert_allclose(moving.asnumpy(), sparse_trained(data, average)[1], rtol=1e-12)


def test_gradients_of_the_variants_are_batch_norms():
    import mxnet as mx

    rng = np.random.default_rng(7)
    inputs = [rng.normal(size=(4, 3, 5)), rng.uniform(0.5, 2, 3), *rng.normal(size=(3, 3))]
    found = []
    for function, more in (
        (mx.nd.BatchNorm, {}),
        (mx.nd.BatchNorm_v1, {}),
        (mx.nd.contrib.SyncBatchNorm, {"key": "k"}),
        (mx.nd.contrib.BatchNormWithReLU, {}),
    ):
        arrays = [mx.nd.array(value, dtype="float64") for value in inputs]
        for array in arrays[:3]:
            array.attach_grad()
        with mx.autograd.record():
            y = function(*arrays, fix_gamma=False, **more)
            z = mx.nd.relu(y)
        z.backward()
        found.append([z.asnumpy(), *(array.grad.asnumpy() for array in arrays[:3])])
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-12)
