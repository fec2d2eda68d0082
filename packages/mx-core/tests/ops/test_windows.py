"""Rows of im2col, col2im, UpSampling and Crop."""

from __future__ import annotations

import itertools

import numpy as np

from mx_core.testing import FLOATS, INTEGERS, OpCase, check_op, empty, normal, op_cases

ALL = (*FLOATS, *INTEGERS)


def places(space, kernel, stride=(), dilate=(), pad=()):
    """For each row of the matrix, the image place that each window reads (None: padding)."""
    d = len(kernel)
    stride, dilate, pad = stride or (1,) * d, dilate or (1,) * d, pad or (0,) * d
    out = [
        (s + 2 * p - e * (k - 1) - 1) // t + 1 for s, k, t, e, p in zip(space, kernel, stride, dilate, pad, strict=True)
    ]
    for at in itertools.product(*map(range, kernel)):
        row = [
            tuple(i * t + k * e - p for i, k, t, e, p in zip(o, at, stride, dilate, pad, strict=True))
            for o in itertools.product(*map(range, out))
        ]
        yield [p if all(0 <= i < s for i, s in zip(p, space, strict=True)) else None for p in row]


def im2col(x, kernel, **params):
    n, c, *space = x.shape
    rows = list(places(space, kernel, **params))
    result = np.zeros((n, c, len(rows), len(rows[0])))
    for r, row in enumerate(rows):
        for i, place in enumerate(row):
            if place is not None:
                result[:, :, r, i] = x[(slice(None), slice(None), *place)]
    return result.reshape(n, c * len(rows), len(rows[0]))


def col2im(x, output_size, kernel, **params):
    rows = list(places(output_size, kernel, **params))
    n = x.shape[0]
    columns = x.reshape(n, x.shape[1] // len(rows), len(rows), x.shape[2]).astype("float64")
    result = np.zeros((n, columns.shape[1], *output_size))
    for r, row in enumerate(rows):
        for i, place in enumerate(row):
            if place is not None:
                result[(slice(None), slice(None), *place)] += columns[:, :, r, i]
    return result


def nearest(*images, scale, sample_type, multi_input_mode="concat", **_):
    height = images[0].shape[2] * scale
    times = [height // x.shape[2] if height else scale for x in images]
    wide = [np.repeat(np.repeat(x, n, 2), n, 3) for x, n in zip(images, times, strict=True)]
    return np.concatenate(wide, 1) if multi_input_mode == "concat" else sum(wide)


def bilinear(x, w, scale, **_):
    """Every pixel adds its scaled kernel; the border is cut."""
    n, c, h, wd = x.shape
    k = w.shape[2]
    pad = scale // 2
    wide = np.zeros((n, c, (h - 1) * scale + k + scale, (wd - 1) * scale + k + scale))
    for i, j in np.ndindex(h, wd):
        wide[:, :, i * scale : i * scale + k, j * scale : j * scale + k] += x[:, :, i, j, None, None] * w[None, :, 0]
    return wide[:, :, pad : pad + h * scale, pad : pad + wd * scale]


def crop(x, like=None, offset=(0, 0), h_w=(0, 0), center_crop=False, **_):
    h, w = h_w if like is None else like.shape[2:]
    y, z = ((x.shape[2] - h) // 2, (x.shape[3] - w) // 2) if center_crop else offset
    return x[:, :, y : y + h, z : z + w]


IMAGE = normal((2, 3, 4, 5))
NEAREST = {"scale": 2, "sample_type": "nearest"}

CASES = [
    OpCase("im2col", im2col, [IMAGE, empty((0, 3, 4, 5))], [{"kernel": (2, 3)}, {"kernel": (2, 2), "stride": (2, 1), "dilate": (1, 2), "pad": (1, 0)}], dtypes=ALL,
           errors=[
        ({"kernel": (5, 5)}, "kernel (5, 5) spans 5 on spatial axis 0"), ({"kernel": (2,)}, "as many spatial axes as kernel (2,)"), ({"kernel": (0, 2)}, "must be > 0"),
        ({"kernel": (2, 2, 2, 2)}, "kernel must have 1, 2 or 3 sizes"), ({"kernel": (2, 2), "stride": (1,)}, "stride must have 2 entries"),
        ({"kernel": (2, 2), "dilate": (2**62, 1)}, "dilate must have 2 entries below 2**31"), ({}, "kernel is required")]),
    OpCase("im2col", im2col, [normal((2, 2, 6))], [{"kernel": (3,), "stride": (2,), "pad": (1,)}], id="im2col-1d"),
    OpCase("im2col", im2col, [normal((1, 2, 3, 4, 3))], [{"kernel": (2, 2, 2)}], id="im2col-3d"),
    OpCase("col2im", col2im, [normal((2, 12, 9)), empty((0, 4, 9)), empty((2, 0, 9))], [{"output_size": (4, 4), "kernel": (2, 2)}], dtypes=FLOATS, errors=[
        ({"output_size": (4, 5), "kernel": (2, 2)}, "data must be (n, c * 4, 12) for kernel (2, 2) and output_size (4, 5), got (2, 12, 9)"),
        ({"output_size": (4,), "kernel": (2, 2)}, "output_size must have as many sizes"), ((IMAGE,), {"output_size": (4, 4), "kernel": (2, 2)}, "data must be (n, c * 4, 9)")]),
    OpCase("col2im", col2im, [normal((1, 3, 3))], [{"output_size": (6,), "kernel": (3,), "stride": (2,), "pad": (1,)}], id="col2im-1d"),
    OpCase("UpSampling", nearest, [IMAGE, (IMAGE, normal((2, 1, 8, 10)), normal((2, 2, 4, 5))), empty((0, 2, 2, 2)), empty((1, 2, 0, 2))], [NEAREST],
           dtypes=ALL, errors=[
        ((IMAGE, normal((2, 1, 3, 5))), NEAREST, "must have n = 2 and divide 8 and 10"), ((normal((2, 3)),), NEAREST, "must have 4 dimensions"),
        ({"scale": 0, "sample_type": "nearest"}, "scale must be > 0"), ({"scale": 2, "sample_type": "cubic"}, "sample_type must be"),
        ({**NEAREST, "num_args": 2}, "expects 2 array(s)"), ((IMAGE,), {"scale": 2, "sample_type": "bilinear"}, "takes two inputs, data and weight, got 1")]),
    OpCase("UpSampling", nearest, [(IMAGE, normal((2, 3, 8, 10)))], [{**NEAREST, "multi_input_mode": "sum"}], id="UpSampling-sum",
           errors=[((IMAGE, normal((2, 1, 8, 10))), {**NEAREST, "multi_input_mode": "sum"}, "needs inputs of 3 channels")]),
    OpCase("UpSampling", bilinear, [(IMAGE, normal((3, 1, 4, 4)))], [{"scale": 2, "sample_type": "bilinear", "num_filter": 3}], id="UpSampling-bilinear", second_order=True, errors=[
        ({"scale": 2, "sample_type": "bilinear", "num_filter": 2}, "num_filter must be the number of channels 3"),
        ({"scale": 3, "sample_type": "bilinear", "num_filter": 3}, "(3, 1, 5, 5)")]),
    OpCase("UpSampling", bilinear, [(IMAGE, normal((3, 1, 5, 5)))], [{"scale": 3, "sample_type": "bilinear", "num_filter": 3}], id="UpSampling-bilinear-3"),
    OpCase("Crop", crop, [IMAGE], [{"h_w": (2, 3)}, {"h_w": (2, 3), "offset": (1, 2)}, {"h_w": (3, 2), "center_crop": True, "num_args": 1}], dtypes=ALL, errors=[
        ({"h_w": (2, 3), "offset": (3, 0)}, "are not inside of data"), ({}, "h_w must be > 0"), ((normal((2, 3)),), {"h_w": (1, 1)}, "inputs must be (n, c, h, w)"),
        ({"h_w": (5, 5), "center_crop": True}, "are not inside of data"), ({"h_w": (2,)}, "two numbers"), ((IMAGE, IMAGE, IMAGE), {}, "expects 1 or 2 array(s)")]),
    OpCase("Crop", crop, [(IMAGE, normal((1, 7, 2, 3)))], [{"offset": (1, 0)}, {"center_crop": True, "num_args": 2}], gradient=False, id="Crop-like"),
]  # fmt: skip


@op_cases(CASES)
def test_windows(case, ctx):
    check_op(case, ctx)


def test_crop_gives_its_second_input_no_gradient():
    import mxnet as mx

    x, like = mx.nd.ones((1, 1, 3, 3)), mx.nd.ones((1, 1, 2, 2))
    x.attach_grad()
    like.attach_grad()
    with mx.autograd.record():
        y = mx.nd.Crop(x, like, num_args=2)
    y.backward()
    assert x.grad.asnumpy().sum() == 4
    assert not like.grad.asnumpy().any()


def test_bilinear_weights_are_inferred():
    from mx_core.op import get_op, infer_types

    types, outputs = infer_types(
        get_op("UpSampling"), {"scale": 2, "sample_type": "bilinear", "num_filter": 3}, [(0, (1, 3, 4, 4)), None]
    )
    assert types[1] == (0, (3, 1, 4, 4))
    assert outputs == [(0, (1, 3, 8, 8))]
