"""Rows of fft, ifft and count_sketch."""

from __future__ import annotations

import numpy as np
import pytest

from mx_core.testing import OpCase, check_op, empty, fixed, normal, op_cases


def transformed(data, **_):
    shape = (*data.shape[:-1], 2 * data.shape[-1])
    y = np.fft.fft(data, axis=-1) if data.size else data
    return np.stack([y.real, y.imag], -1).reshape(shape)


def returned(data, **_):
    pairs = data.reshape(*data.shape[:-1], data.shape[-1] // 2, 2)
    return np.fft.ifft(pairs[..., 0] + 1j * pairs[..., 1], axis=-1).real * pairs.shape[-2]


def sketched(data, h, s, out_dim, **_):
    y = np.zeros((*data.shape[:-1], out_dim))
    for j, (column, sign) in enumerate(zip(h.ravel().astype(int), s.ravel(), strict=True)):
        y[..., column] += sign * data[..., j]
    return y


TOL = {"tol": {"float16": 2e-2, "float32": 1e-5}}
PLACES, SIGNS = fixed([[2, 0, 2, 3, 1]]), fixed([[1, -1, -1, 1, 1]])
CASES = [
    OpCase("_contrib_fft", transformed, [normal((3, 8)), normal((2, 6)), normal((2, 1, 3, 17)), normal((2, 1)), empty((0, 4)), empty((3, 0))],
           [{}, {"compute_size": 64}], **TOL, errors=[((normal((3,)),), {}, "data must have 2 or 4 dimensions, got (3,)")]),
    OpCase("_contrib_ifft", returned, [normal((3, 16)), normal((2, 12)), normal((2, 1, 3, 34)), normal((2, 2)), empty((0, 4))], **TOL,
           errors=[((normal((2, 5)),), {}, "must be pairs of real and imaginary parts, got (2, 5)")]),
    OpCase("_contrib_count_sketch", sketched, [(normal((3, 5)), PLACES, SIGNS), (normal((2, 1, 2, 5)), PLACES, SIGNS)], [{"out_dim": 4}],
           gradient=False, **TOL, errors=[((normal((3, 4)), PLACES, SIGNS), {"out_dim": 4}, "h must have shape (4,) or (1, 4), got (1, 5)")]),
]  # fmt: skip


@op_cases(CASES)
def test_operator(case, ctx):
    check_op(case, ctx)


@pytest.mark.parametrize("size", [1, 2, 3, 64, 100, 997, 4096, 5000])
def test_every_length_is_transformed_and_returned(size):
    import mxnet as mx

    x = np.random.default_rng(3).standard_normal((2, size))
    y = mx.nd.contrib.fft(mx.nd.array(x, dtype="float64"))
    np.testing.assert_allclose(y.asnumpy(), transformed(x), atol=1e-10)
    np.testing.assert_allclose(mx.nd.contrib.ifft(y).asnumpy(), x * size, atol=1e-8)


def test_the_gradient_of_a_sketch_reads_the_columns_it_wrote():
    import mxnet as mx

    x = mx.nd.array([[1, 2, 3, 4, 5]])
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.contrib.count_sketch(x, mx.nd.array([2, 0, 2, 3, 1]), mx.nd.array([1, -1, -1, 1, 1]), out_dim=4)
    y.backward(mx.nd.array([[10, 20, 30, 40]]))
    assert x.grad.asnumpy().tolist() == [[30.0, -10.0, -30.0, 40.0, 20.0]]
