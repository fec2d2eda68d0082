"""Rows of the operators that end a network: their gradients ignore what reaches them."""

from __future__ import annotations

import numpy as np
import pytest

from mx_core.testing import OpCase, check_op, fixed, indices, normal, op_cases

special = pytest.importorskip("scipy.special")


def softmax_output(x, label, multi_output=False, preserve_shape=False, **_):
    axis = 1 if multi_output else -1
    if x.ndim > 2 and not multi_output and not preserve_shape and label.shape != x.shape:
        return special.softmax(x.reshape(len(x), -1), axis=1).reshape(x.shape)
    return special.softmax(x, axis=axis)


def softmax_gradient(
    dy, x, label, grad_scale=1.0, ignore_label=-1, multi_output=False, use_ignore=False, preserve_shape=False,
    normalization="null", out_grad=False, smooth_alpha=0.0,
):  # fmt: skip
    p = softmax_output(x, label, multi_output, preserve_shape)
    if label.shape == x.shape:
        return (p - label) * grad_scale
    axis = 1 if multi_output else x.ndim - 1
    k = x.shape[axis]
    hit = np.moveaxis(label.astype("int64")[..., None] == np.arange(k), -1, axis)
    target = np.where(hit, 1 - smooth_alpha, smooth_alpha / (k - 1))
    dx = p - target
    if use_ignore:
        dx = dx * np.expand_dims(label != ignore_label, axis)
    if multi_output and normalization == "null":
        dx = dx / np.prod(x.shape[2:])
    if normalization == "batch":
        dx = dx / label.size
    if normalization == "valid":
        dx = dx / max((label != ignore_label).sum(), 1)
    return dx * grad_scale * (dy if out_grad else 1)


IMAGE = (normal((2, 3, 4)), indices(3, (2, 4)))
CASES = [
    OpCase("SoftmaxOutput", softmax_output, [(normal((5, 3)), indices(3, (5,))), (normal((5, 3)), fixed(np.full((5, 3), 1 / 3), "float64"))],
           [{}, {"grad_scale": 2.0, "normalization": "batch"}, {"smooth_alpha": 0.1}, {"out_grad": True}], gradient=softmax_gradient,
           dtypes=("float64",), skip_gradient=[1], id="SoftmaxOutput", errors=[
        ((normal((5, 3)), indices(3, (4,))), {}, "label must have shape (5,) for data (5, 3), got (4,)"), ({"normalization": "x"}, "normalization must be"),
        ((normal((5,)), indices(3, (5,))), {}, "data must be (n, k, ...)"), ({"smooth_alpha": 2.0}, "smooth_alpha must be in [0, 1]")]),
    OpCase("SoftmaxOutput", softmax_output, [(normal((4, 3)), fixed([0, -1, 2, -1], "float32"))],
           [{"use_ignore": True}, {"use_ignore": True, "normalization": "valid"}, {"use_ignore": True, "ignore_label": 2, "normalization": "valid"}],
           gradient=softmax_gradient, id="SoftmaxOutput-ignore"),
    OpCase("SoftmaxOutput", softmax_output, [IMAGE], [{"multi_output": True, "normalization": n} for n in ("null", "batch", "valid")],
           gradient=softmax_gradient, id="SoftmaxOutput-multi"),
    OpCase("SoftmaxOutput", softmax_output, [(normal((2, 3, 4)), indices(4, (2, 3)))], [{"preserve_shape": True}], gradient=softmax_gradient,
           id="SoftmaxOutput-preserve_shape"),
    OpCase("SoftmaxOutput", softmax_output, [(normal((4, 3)), fixed(np.full((4, 3), 1 / 3), "float64"))], gradient=softmax_gradient,
           dtypes=("float64",), id="SoftmaxOutput-probabilities"),
    OpCase("softmax_cross_entropy", lambda x, label: -np.take_along_axis(special.log_softmax(x, 1), label.astype("int64")[:, None], 1).sum().reshape(1),
           [(normal((5, 3)), indices(3, (5,)))], errors=[((normal((5, 3)), indices(3, (4,))), {}, "data must be (n, k) and label (n,)")]),
    *(
        OpCase(name, lambda x, label, grad_scale=1.0, f=f: f(x), [(normal((4, 3)), fixed(np.arange(12).reshape(4, 3) / 6, "float64"))],
               [{}, {"grad_scale": 2.0}], dtypes=("float64",),
               gradient=lambda dy, x, label, grad_scale=1.0, f=f, r=r: r(f(x) - label) * grad_scale / label[0].size,
               errors=[((normal((4, 3)), normal((3,))), {}, "label must have data's shape (4, 3), got (3,)")])
        for name, f, r in [("LinearRegressionOutput", lambda x: x, lambda e: e), ("LogisticRegressionOutput", special.expit, lambda e: e),
                           ("MAERegressionOutput", lambda x: x, np.sign)]
    ),
    OpCase("LinearRegressionOutput", lambda x, label: x, [(normal((4, 1)), fixed([1, 2, 3, 4.5], "float32"))],
           gradient=lambda dy, x, label: x - label[:, None], id="LinearRegressionOutput-column"),
    OpCase("make_loss", lambda x: x, [normal((3, 4))], gradient=lambda dy, x: np.ones_like(x)),
    OpCase("MakeLoss", lambda x, **_: x, [normal((3, 4))],
           [{}, {"grad_scale": 2.0}, {"normalization": "batch"}, {"normalization": "valid", "valid_thresh": 0.2}],
           gradient=lambda dy, x, grad_scale=1.0, normalization="null", valid_thresh=0.0: np.full_like(
               x, grad_scale / {"null": 1, "batch": len(x), "valid": max((x > valid_thresh).sum(), 1)}[normalization])),
]  # fmt: skip


@op_cases(CASES)
def test_loss(case, ctx):
    check_op(case, ctx)


def test_symbols_learn_their_label_shapes_from_their_data():
    from mx_core.op import get_op, infer_types

    inputs, _ = infer_types(get_op("SoftmaxOutput"), {}, [(0, (8, 10)), None])
    assert inputs[1] == (0, (8,))
    inputs, _ = infer_types(get_op("LinearRegressionOutput"), {}, [(0, (8, 1)), None])
    assert inputs[1] == (0, (8,))
