"""Rows of Deconvolution and LRN."""

from __future__ import annotations

import itertools

import numpy as np

from mx_core.testing import OpCase, check_op, empty, normal, op_cases


def deconvolution(
    x, w, b=None, kernel=(), stride=(), dilate=(), pad=(), adj=(), target_shape=(), num_filter=0, num_group=1,
    no_bias=True, layout=None,
):  # fmt: skip
    if layout and layout[-1] == "C":
        x, w = np.moveaxis(x, -1, 1), np.moveaxis(w, -1, 1)
    n = len(kernel)
    stride, dilate = stride or (1,) * n, dilate or (1,) * n
    pad, adj = pad or (0,) * n, adj or (0,) * n
    full = [s * (d - 1) + g * (k - 1) + 1 for d, k, s, g in zip(x.shape[2:], kernel, stride, dilate, strict=True)]
    if target_shape:
        out = list(target_shape)
        pad = [(f - o + 1) // 2 for f, o in zip(full, out, strict=True)]
    else:
        out = [f - 2 * p + a for f, p, a in zip(full, pad, adj, strict=True)]
    y = np.zeros((len(x), num_filter, *[f + a + 1 for f, a in zip(full, stride, strict=True)]))
    per_in, per_out = x.shape[1] // num_group, num_filter // num_group
    for g in range(num_group):
        source, weight = x[:, g * per_in : (g + 1) * per_in], w[g * per_in : (g + 1) * per_in]
        for offset in itertools.product(*map(range, kernel)):
            at = tuple(
                slice(o * d, o * d + s * (size - 1) + 1, s)
                for o, d, s, size in zip(offset, dilate, stride, x.shape[2:], strict=True)
            )
            part = np.einsum("nc...,co->no...", source, weight[(..., *offset)])
            y[(slice(None), slice(g * per_out, (g + 1) * per_out), *at)] += part
    y = y[(..., *(slice(p, p + o) for p, o in zip(pad, out, strict=True)))]
    if b is not None:
        y = y + b.reshape(-1, *(1,) * n)
    return np.moveaxis(y, 1, -1) if layout and layout[-1] == "C" else y


def case(tag, data, weight, params, bias=False, **options):
    layout_last = params.get("layout", "")[-1:] == "C"
    filters = (weight[-1] if layout_last else weight[1]) * params.get("num_group", 1)
    inputs = (normal(data), normal(weight), normal((filters,)) if bias else None)
    params = {"num_filter": filters, **params, **({"no_bias": False} if bias else {})}
    return OpCase(
        "Deconvolution", deconvolution, [inputs], [params], tol={"float16": 2e-2, "float32": 5e-5},
        id=f"Deconvolution-{tag}", **options,
    )  # fmt: skip


def lrn(x, nsize, alpha=1e-4, beta=0.75, knorm=2.0):
    c, reach = x.shape[1], nsize // 2
    sums = np.stack([(x[:, max(i - reach, 0) : i + reach + 1] ** 2).sum(1) for i in range(c)], 1)
    return x / (knorm + alpha / nsize * sums) ** beta


X, W = normal((1, 2, 3, 3)), normal((2, 3, 3, 3))
PLAIN = {"kernel": (3, 3), "num_filter": 3}
CASES = [
    case("plain", (2, 3, 4, 5), (3, 4, 3, 3), {"kernel": (3, 3)}, second_order=True, errors=[
        ((X, normal((3, 2, 3, 3))), PLAIN, "weight must have shape (c, num_filter / num_group, *kernel) = (2, 3, 3, 3), got (3, 2, 3, 3)"),
        ((X, W, normal((3,))), PLAIN, "got a bias too. Say no_bias=False"),
        ((X, W), {**PLAIN, "no_bias": False}, "input bias is missing"),
        ((X, W), {**PLAIN, "adj": (1, 0)}, "adj must be less than stride (1, 1) on each axis, got (1, 0)"),
        ((X, W), {**PLAIN, "target_shape": (9, 9)}, "target_shape must be at most (5, 5), the size without pad, got (9, 9)"),
        ((X, W), {**PLAIN, "pad": (4, 4)}, "takes more than there is"),
        ((X, W), {**PLAIN, "num_group": 2}, "num_group 2 must divide num_filter 3"),
        ((normal((2, 3)), W), PLAIN, "data must have 4 dimensions"),
    ]),
    case("bias", (2, 3, 4, 5), (3, 4, 3, 2), {"kernel": (3, 2), "stride": (2, 3)}, bias=True),
    case("adj", (2, 3, 4, 5), (3, 4, 3, 3), {"kernel": (3, 3), "stride": (2, 3), "pad": (1, 0), "adj": (1, 2)}),
    case("target", (2, 3, 4, 5), (3, 4, 3, 3), {"kernel": (3, 3), "stride": (2, 2), "target_shape": (8, 9)}),
    case("dilate-groups", (2, 4, 4, 5), (4, 3, 3, 3), {"kernel": (3, 3), "dilate": (2, 1), "num_group": 2}),
    case("1d", (2, 3, 6), (3, 2, 4), {"kernel": (4,), "stride": (2,), "pad": (1,)}),
    case("3d", (1, 2, 2, 3, 3), (2, 3, 2, 2, 3), {"kernel": (2, 2, 3), "stride": (2, 1, 1)}),
    case("nhwc", (2, 4, 3, 5), (5, 3, 3, 4), {"kernel": (3, 3), "layout": "NHWC"}),
    case("empty", (0, 3, 4, 5), (3, 4, 3, 3), {"kernel": (3, 3)}),
    OpCase("LRN", lrn, [normal((2, 300, 2))], [{"nsize": 259, "alpha": 0.5}, {"nsize": 701, "alpha": 0.5}], id="LRN-wide",
           tol={"float16": 8e-3}),
    OpCase("LRN", lrn, [normal((2, 7, 3, 2)), normal((2, 3)), empty((0, 3, 2, 2))],
           [{"nsize": 5}, {"nsize": 1, "alpha": 1.0}, {"nsize": 3, "alpha": 0.5, "beta": 0.6, "knorm": 1.0}, {"nsize": 31}],
           tol={"float16": 8e-3},
           errors=[({"nsize": 4}, "nsize must be odd, got 4"), ({}, "nsize is required"), ((normal((3,)),), {"nsize": 3}, "data must be (n, c, ...)")]),
]  # fmt: skip


@op_cases(CASES)
def test_operator(case, ctx):
    check_op(case, ctx)


def test_weights_follow_from_data():
    from mx_core.op import get_op, infer_types

    params = {"kernel": (4, 4), "stride": (2, 2), "pad": (1, 1), "num_filter": 8, "no_bias": False}
    inputs, outputs = infer_types(get_op("Deconvolution"), params, [(0, (2, 3, 5, 5)), None, None])
    assert [shape for _, shape in inputs] == [(2, 3, 5, 5), (3, 8, 4, 4), (8,)]
    assert outputs == [(0, (2, 8, 10, 10))]
