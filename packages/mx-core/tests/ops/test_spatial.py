"""Rows of grids, bilinear sampling, resizing, adaptive pooling, regions of images and correlation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from mx_core.testing import OpCase, check_op, empty, fixed, indices, normal, op_cases, uniform


def at(plane, y, x):
    """plane (h, w) between its pixels; zeros lie outside."""
    top, left = math.floor(y), math.floor(x)
    total = 0.0
    for i, j in itertools.product((top, top + 1), (left, left + 1)):
        if 0 <= i < plane.shape[0] and 0 <= j < plane.shape[1]:
            total += plane[i, j] * (1 - abs(y - i)) * (1 - abs(x - j))
    return total


def sampled(data, grid):
    n, c, h, w = data.shape
    y = np.zeros((n, c, *grid.shape[2:]))
    for i, j, a, b in np.ndindex(y.shape):
        y[i, j, a, b] = at(data[i, j], (grid[i, 1, a, b] + 1) * (h - 1) / 2, (grid[i, 0, a, b] + 1) * (w - 1) / 2)
    return y


def grid(data, transform_type, target_shape=None):
    if transform_type == "warp":
        h, w = data.shape[2:]
        flow = data + np.stack(np.meshgrid(np.arange(w), np.arange(h)))
        return flow / np.array([(w - 1) / 2, (h - 1) / 2]).reshape(2, 1, 1) - 1
    h, w = target_shape
    xs, ys = np.meshgrid(np.linspace(-1, 1, w), np.linspace(-1, 1, h) if h > 1 else [-1])
    return np.einsum("nij,jhw->nihw", data.reshape(-1, 2, 3), np.stack([xs, ys, np.ones((h, w))]))


def resized(data, like=None, height=1, width=1, scale_height=None, scale_width=None, mode="size", align_corners=True):
    h, w = data.shape[2:]
    new_h, new_w = {
        "size": lambda: (height, width) if scale_height is None else (int(h * scale_height), int(w * scale_width)),
        "like": lambda: like.shape[2:],
        "odd_scale": lambda: tuple(
            int(d * s) if d % 2 == 0 else int((d - 1) * s) + 1 for d, s in ((h, scale_height), (w, scale_width))
        ),
        "to_even_down": lambda: (h - h % 2, w - w % 2),
        "to_even_up": lambda: (h + h % 2, w + w % 2),
        "to_odd_down": lambda: (h - 1 + h % 2, w - 1 + w % 2),
        "to_odd_up": lambda: (h + 1 - h % 2, w + 1 - w % 2),
    }[mode]()

    def place(i, size, new):
        if new == 1:
            return 0.0
        if align_corners:
            return i * (size - 1) / (new - 1)
        return min(max((i + 0.5) * size / new - 0.5, 0.0), size - 1)

    y = np.zeros((*data.shape[:2], new_h, new_w))
    for i, j, a, b in np.ndindex(y.shape):
        y[i, j, a, b] = at(data[i, j], place(a, h, new_h), place(b, w, new_w))
    return y


def adaptive(data, output_size=()):
    h, w = data.shape[2:]
    oh, ow = (tuple(output_size) * 2)[:2] if output_size else (1, 1)
    y = np.zeros((*data.shape[:2], oh, ow))
    for a, b in itertools.product(range(oh), range(ow)):
        rows, columns = slice(a * h // oh, -(-(a + 1) * h // oh)), slice(b * w // ow, -(-(b + 1) * w // ow))
        y[:, :, a, b] = data[:, :, rows, columns].mean((2, 3))
    return y


def roi_pooled(data, rois, pooled_size, spatial_scale):
    n, c, h, w = data.shape
    y = np.zeros((len(rois), c, *pooled_size))
    for r, roi in enumerate(rois):
        x1, y1, x2, y2 = (int(math.floor(v * spatial_scale + 0.5)) for v in roi[1:])
        if not 0 <= roi[0] < n:
            continue
        for a, b in itertools.product(*map(range, pooled_size)):
            size_y, size_x = max(y2 - y1 + 1, 1) / pooled_size[0], max(x2 - x1 + 1, 1) / pooled_size[1]
            rows = slice(*np.clip([y1 + math.floor(a * size_y), y1 + math.ceil((a + 1) * size_y)], 0, h))
            columns = slice(*np.clip([x1 + math.floor(b * size_x), x1 + math.ceil((b + 1) * size_x)], 0, w))
            part = data[int(roi[0]), :, rows, columns].reshape(c, -1)
            y[r, :, a, b] = part.max(1) if part.size else 0
    return y


def roi_aligned(data, rois, pooled_size, spatial_scale, sample_ratio=-1, position_sensitive=False, aligned=False):
    _, c, h, w = data.shape
    ph, pw = pooled_size
    channels = c // (ph * pw) if position_sensitive else c
    y = np.zeros((len(rois), channels, ph, pw))
    for r, roi in enumerate(rois):
        x1, y1, x2, y2 = roi[1:] * spatial_scale - 0.5 * aligned
        rw, rh = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1), max(y2 - y1, 1))
        ny, nx = (sample_ratio, sample_ratio) if sample_ratio > 0 else (math.ceil(rh / ph), math.ceil(rw / pw))
        for k, a, b in itertools.product(range(channels), range(ph), range(pw)):
            plane = data[int(roi[0]), (k * ph + a) * pw + b if position_sensitive else k]
            for i, j in itertools.product(range(ny), range(nx)):
                sy, sx = y1 + (a + (i + 0.5) / ny) * rh / ph, x1 + (b + (j + 0.5) / nx) * rw / pw
                if -1 <= sy <= h and -1 <= sx <= w:
                    y[r, k, a, b] += at(plane, np.clip(sy, 0, h - 1), np.clip(sx, 0, w - 1)) / (ny * nx)
    return y


def correlation(one, two, kernel_size=1, max_displacement=1, stride1=1, stride2=1, pad_size=0, is_multiply=True):
    p, q = (np.pad(v, [(0, 0), (0, 0), (pad_size,) * 2, (pad_size,) * 2]) for v in (one, two))
    n, c, h, w = p.shape
    border = max_displacement + kernel_size // 2
    out = [-(-(size - 2 * border) // stride1) for size in (h, w)]
    steps = range(-(max_displacement // stride2), max_displacement // stride2 + 1)
    y = np.zeros((n, len(steps) ** 2, *out))
    for k, (dy, dx) in enumerate(itertools.product(steps, steps)):
        for a, b in itertools.product(*map(range, out)):
            top, left = a * stride1 + max_displacement, b * stride1 + max_displacement
            u = p[:, :, top : top + kernel_size, left : left + kernel_size]
            top, left = top + dy * stride2, left + dx * stride2
            v = q[:, :, top : top + kernel_size, left : left + kernel_size]
            y[:, k, a, b] = (u * v if is_multiply else abs(u - v)).mean((1, 2, 3))
    return y


IMAGES = normal((2, 3, 4, 5))
GRID = uniform(-1.3, 1.3, (2, 2, 3, 4))
AFFINE = {"transform_type": "affine", "target_shape": (3, 4)}
SAMPLER = {"sampler_type": "bilinear", **AFFINE}
ROIS = fixed(
    [
        [0, 0, 0, 7, 7],
        [1, 2, 1, 5, 9],
        [0, 3, 3, 3, 3],
        [1, -2, -2, 20, 20],
        [0, 5, 5, 2, 2],
        [-1, 0, 0, 2, 2],
        [9, 1, 1, 2, 2],
    ]
)
INSIDE = fixed([[0, 0, 0, 7.3, 7.9], [1, 2.2, 1.4, 5.5, 9], [1, -2.3, -2, 20, 20]])
POOL = {"pooled_size": (2, 3), "spatial_scale": 0.5}
TOL = {"tol": {"float16": 1.5e-2}}
FLOW_TOL = {"tol": {"float16": 1.5e-2, "float32": 1e-4}}


CASES = [
    OpCase("BilinearSampler", sampled, [(IMAGES, GRID), (empty((2, 0, 4, 5)), GRID)], **FLOW_TOL, errors=[
        ((IMAGES, normal((2, 3, 3, 4))), {}, "grid must be (n, 2, h', w') with n = 2, got (2, 3, 3, 4)"),
        ((normal((2, 3)), GRID), {}, "data must be (n, c, h, w), got (2, 3)"),
        ((IMAGES, fixed(np.zeros((2, 2, 1, 1)), "float64")), {}, "grid must have data's element type float32, got float64"),
        ((indices(3, (2, 3, 4, 5), "int32"), GRID), {}, "floating element type")]),
    OpCase("GridGenerator", grid, [normal((2, 6))], [{**AFFINE, "target_shape": (1, 3)}], id="GridGenerator-one-row", tol={"float16": 8e-3}),
    OpCase("GridGenerator", grid, [normal((2, 6))], [AFFINE], tol={"float16": 8e-3}, errors=[
        ({"transform_type": "affine"}, "target_shape must be (h, w), both above 0, got (0, 0)"),
        ({}, "transform_type is required"), ((normal((2, 5)),), AFFINE, "takes data (n, 6), got (2, 5)"),
        ({"transform_type": "warp"}, "takes data (n, 2, h, w), got (2, 6)")]),
    OpCase("GridGenerator", grid, [normal((2, 2, 3, 4))], [{"transform_type": "warp"}], id="GridGenerator-warp", tol={"float16": 8e-3}),
    OpCase("SpatialTransformer", lambda x, loc, **k: sampled(x, grid(loc, "affine", k["target_shape"])), [(IMAGES, uniform(-0.8, 0.8, (2, 6)))], [SAMPLER],
           tol={"float16": 5e-2, "float32": 1e-4},
           errors=[((IMAGES, normal((1, 6))), SAMPLER, "loc must have shape (n, 6) = (2, 6), got (1, 6)")]),
    OpCase("_contrib_BilinearResize2D", resized, [normal((1, 2, 6, 7))],
           [{"height": 3, "width": 9}, {"height": 3, "width": 9, "align_corners": False}, {"height": 1, "width": 14, "align_corners": False},
            {"scale_height": 2.0, "scale_width": 1.5}, {"scale_height": 0.6, "scale_width": 2.6, "mode": "odd_scale"}, {"height": 1, "width": 1},
            *({"mode": f"to_{parity}_{way}"} for parity in ("odd", "even") for way in ("up", "down"))], tol={"float16": 8e-3},
           errors=[({"height": 0}, "all must be above 0"),
            ({"height": 2**40}, "less than 2**24"), ({"mode": "like"}, "takes an input like"), ({"mode": "odd_scale"}, "needs scale_height"),
                   ({"scale_height": -1.0}, "a scale must be above 0"), ((empty((1, 1, 0, 3)),), {}, "all must be above 0")]),
    OpCase("_contrib_BilinearResize2D", resized, [(normal((1, 2, 6, 7)), fixed(np.ones((1, 1, 3, 4)), "float32"))], [{"mode": "like"}], id="BilinearResize2D-like"),
    OpCase("_contrib_AdaptiveAvgPooling2D", adaptive, [normal((2, 3, 6, 7)), empty((0, 3, 6, 7))], [{}, {"output_size": (3,)}, {"output_size": (4, 5)}, {"output_size": (8, 9)}],
           errors=[({"output_size": (0, 1)}, "output_size must be (h, w)"), ((empty((1, 1, 0, 2)),), {}, "data must have pixels")]),
    OpCase("ROIPooling", roi_pooled, [(normal((2, 3, 6, 7)), fixed(ROIS.draw(None, None), "float64"))], [POOL], dtypes=("float64",), errors=[
        ((IMAGES, normal((3, 4))), POOL, "rois must be (r, 5)"), ((IMAGES, ROIS), {"pooled_size": (2,), "spatial_scale": 1.0}, "pooled_size must be (h, w)"),
        ((IMAGES, ROIS), {"pooled_size": (2, 0), "spatial_scale": 1.0}, "pooled_size must be > 0")]),
    OpCase("ROIPooling", roi_pooled, [(normal((2, 3, 6, 7)), ROIS), (normal((2, 3, 6, 7)), empty((0, 5)))], [POOL], gradient=False, id="ROIPooling-types"),
    OpCase("_contrib_ROIAlign", roi_aligned, [(normal((2, 6, 6, 7)), fixed(INSIDE.draw(None, None), "float64"))],
           [POOL, {**POOL, "sample_ratio": 2}, {**POOL, "aligned": True}, {**POOL, "sample_ratio": 3, "aligned": True}, {**POOL, "position_sensitive": True}],
           dtypes=("float64",), errors=[((normal((2, 3, 6, 7)), ROIS), {**POOL, "position_sensitive": True}, "must be a multiple of h w = 6"),
                                        ((IMAGES, INSIDE), {**POOL, "sample_ratio": 5000}, "sample_ratio must be in")]),
    OpCase("_contrib_ROIAlign", roi_aligned, [(normal((2, 6, 6, 7)), INSIDE)], [{**POOL, "sample_ratio": 2}], dtypes=("float32",), gradient=False, id="ROIAlign-types", **TOL),
    OpCase("Correlation", correlation, [(normal((2, 3, 5, 6)), normal((2, 3, 5, 6))), (empty((0, 3, 5, 6)), empty((0, 3, 5, 6)))],
           [{"max_displacement": 2, "pad_size": 2}, {"kernel_size": 3, "max_displacement": 2, "stride1": 2, "stride2": 2, "pad_size": 3},
            {"max_displacement": 2, "pad_size": 2, "is_multiply": False}, {"kernel_size": 3, "max_displacement": 3, "stride2": 2, "pad_size": 4, "is_multiply": False}],
           tol={"float16": 8e-3}, errors=[({"kernel_size": 2}, "kernel_size must be odd"), ({"stride2": 0}, "above 0"), ({"max_displacement": 9}, "Use more pad_size"),
                   ((IMAGES, normal((2, 3, 4, 4))), {}, "data2 must have data1's shape")]),
]  # fmt: skip


@op_cases(CASES)
def test_operator(case, ctx):
    check_op(case, ctx)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e38, -3e9])
def test_any_coordinates_are_survived(bad):
    import mxnet as mx

    x = mx.nd.ones((2, 4, 5, 5))
    rois = mx.nd.array(
        [[0, bad, 1, 3, 3], [0, 1, 1, bad, 3], [bad, 0, 0, 2, 2], [1, bad, bad, bad, bad], [0, -bad, -bad, bad, bad]]
    )
    places = mx.nd.full((2, 2, 3, 3), bad)
    x.attach_grad()
    for function in (
        lambda: mx.nd.ROIPooling(x, rois, pooled_size=(2, 2), spatial_scale=1.0),
        lambda: mx.nd.contrib.ROIAlign(x, rois, pooled_size=(2, 2), spatial_scale=1.0),
        lambda: mx.nd.contrib.ROIAlign(x, rois, pooled_size=(2, 2), spatial_scale=1e30, aligned=True, sample_ratio=4),
        lambda: mx.nd.BilinearSampler(x, places),
    ):
        with mx.autograd.record():
            y = function()
        y.backward()
        assert x.grad.asnumpy().shape == x.shape
        assert y.asnumpy().shape == y.shape
