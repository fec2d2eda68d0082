"""Rows of the deformable convolutions."""

from __future__ import annotations

import itertools

import numpy as np

from mx_core.testing import OpCase, check_op, empty, normal, op_cases, uniform


def sample(plane, y, x, fades):
    """The value of an image (h, w) between its pixels."""
    h, w = plane.shape
    if not ((-1 < y < h and -1 < x < w) if fades else (0 <= y < h and 0 <= x < w)):
        return 0.0
    if not fades:
        y, x = min(y, h - 1), min(x, w - 1)
    value = 0.0
    for i, j in itertools.product(*(range(int(np.floor(v)), int(np.floor(v)) + 2) for v in (y, x))):
        if 0 <= i < h and 0 <= j < w:
            value += plane[i, j] * max(0.0, 1 - abs(y - i)) * max(0.0, 1 - abs(x - j))
    return value


def convolve(data, offset, mask, weight, bias, kernel, num_filter, stride=(), dilate=(), pad=(), num_group=1, groups=1):
    stride, dilate, pad = stride or (1, 1), dilate or (1, 1), pad or (0, 0)
    n, c = data.shape[:2]
    out_h, out_w = offset.shape[2:]
    columns = np.zeros((n, c, *kernel, out_h, out_w))
    for image, channel, i, j, a, b in np.ndindex(columns.shape):
        tap = (channel // (c // groups) * kernel[0] + i) * kernel[1] + j
        y = a * stride[0] - pad[0] + i * dilate[0] + offset[image, 2 * tap, a, b]
        x = b * stride[1] - pad[1] + j * dilate[1] + offset[image, 2 * tap + 1, a, b]
        value = sample(data[image, channel], y, x, mask is not None)
        columns[image, channel, i, j, a, b] = value * (1 if mask is None else mask[image, tap, a, b])
    columns = columns.reshape(n, num_group, c // num_group, *kernel, out_h, out_w)
    weight = weight.reshape(num_group, num_filter // num_group, c // num_group, *kernel)
    y = np.einsum("ngcijab,gocij->ngoab", columns, weight).reshape(n, num_filter, out_h, out_w)
    return y if bias is None else y + bias[:, None, None]


def plain(data, offset, weight, bias=None, *, no_bias=False, num_deformable_group=1, **params):
    return convolve(data, offset, None, weight, bias, groups=num_deformable_group, **params)


def modulated(data, offset, mask, weight, bias=None, *, no_bias=False, num_deformable_group=1, **params):
    return convolve(data, offset, mask, weight, bias, groups=num_deformable_group, **params)


# Offsets whose fractions stay away from the kinks at whole pixels.
def shifts(*shape):
    return uniform(0.1, 0.9, shape)


DATA, WIDE = normal((2, 4, 5, 6)), {"kernel": (3, 2), "num_filter": 6, "pad": (1, 0), "stride": (2, 1), "dilate": (1, 2)}
GROUPS = {**WIDE, "num_group": 2, "num_deformable_group": 2, "no_bias": True}
FILTERS = (normal((6, 4, 3, 2)), normal((6,)))
TOL = {"tol": {"float16": 3e-2, "float32": 1e-4}}
PLAIN, MODULATED = "_contrib_DeformableConvolution", "_contrib_ModulatedDeformableConvolution"

CASES = [
    OpCase(PLAIN, plain, [(DATA, shifts(2, 12, 3, 4), *FILTERS), (empty((0, 4, 5, 6)), empty((0, 12, 3, 4)), *FILTERS)], [WIDE], **TOL, errors=[
        ((DATA, shifts(2, 12, 3, 3), *FILTERS), WIDE, "offset must have shape (n, 2 num_deformable_group prod(kernel), h', w') = (2, 12, 3, 4), got (2, 12, 3, 3)"),
        ((DATA, shifts(2, 12, 3, 4), normal((6, 4, 3, 3)), normal((6,))), WIDE, "weight must have shape (num_filter, c / num_group, *kernel) = (6, 4, 3, 2)"),
        ({**WIDE, "num_deformable_group": 3}, "must divide the 4 channels of data"), ({**WIDE, "kernel": (3,)}, "kernel must have 2 sizes"),
        ({**WIDE, "no_bias": True}, "takes no bias"), ({**WIDE, "num_group": 4}, "num_group 4 must divide num_filter 6")]),
    OpCase(PLAIN, plain, [(DATA, shifts(2, 24, 3, 4), normal((6, 2, 3, 2)))], [GROUPS], id="DeformableConvolution-groups", **TOL),
    OpCase(PLAIN, plain, [(DATA, uniform(-4, 4, (2, 12, 3, 4)), *FILTERS)], [WIDE], dtypes=("float64",), id="DeformableConvolution-far"),
    OpCase(MODULATED, modulated, [(DATA, shifts(2, 12, 3, 4), normal((2, 6, 3, 4)), *FILTERS)], [WIDE], **TOL, errors=[
        ((DATA, shifts(2, 12, 3, 4), normal((2, 5, 3, 4)), *FILTERS), WIDE, "mask must have shape (n, num_deformable_group prod(kernel), h', w') = (2, 6, 3, 4)")]),
    OpCase(MODULATED, modulated, [(DATA, shifts(2, 24, 3, 4), normal((2, 12, 3, 4)), normal((6, 2, 3, 2)))], [GROUPS],
           id="ModulatedDeformableConvolution-groups", **TOL),
    OpCase(MODULATED, modulated, [(DATA, uniform(-4, 4, (2, 12, 3, 4)), normal((2, 6, 3, 4)), *FILTERS)], [WIDE], dtypes=("float64",),
           id="ModulatedDeformableConvolution-far"),
]  # fmt: skip


@op_cases(CASES)
def test_operator(case, ctx):
    check_op(case, ctx)
