"""Rows of region proposals and position-sensitive pooling."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from mx_core.testing import OpCase, check_op, empty, fixed, normal, op_cases, uniform

# -- proposals ---------------------------------------------------------------------------------------------------------


def anchor_boxes(scales, ratios, stride):
    boxes = []
    for ratio, scale in itertools.product(ratios, scales):
        w = math.floor(math.sqrt(math.floor(stride * stride / ratio)) + 0.5)
        h = math.floor(w * ratio + 0.5)
        half = np.array([w * scale - 1, h * scale - 1]) / 2
        center = np.full(2, (stride - 1) / 2)
        boxes.append(np.concatenate([center - half, center + half]))
    return np.array(boxes)


def overlap(a, b):
    w, h = np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]) + 1)
    area = [np.prod(box[2:] - box[:2] + 1) for box in (a, b)]
    return w * h / (sum(area) - w * h)


def proposals(scores, deltas, info, rpn_pre_nms_top_n=6000, rpn_post_nms_top_n=300, threshold=0.7, rpn_min_size=16,
              scales=(4, 8, 16, 32), ratios=(0.5, 1, 2), feature_stride=16, output_score=False, iou_loss=False):  # fmt: skip
    anchors = anchor_boxes(scales, ratios, feature_stride)
    regions, kept_scores = [], []
    for image in range(len(scores)):
        height, width, scale = info[image]
        found = []
        for y, x, a in itertools.product(*map(range, scores.shape[2:]), range(len(anchors))):
            box = anchors[a] + np.tile([x, y], 2) * feature_stride
            d, score = deltas[image, 4 * a : 4 * a + 4, y, x], scores[image, len(anchors) + a, y, x]
            if iou_loss:
                box = box + d
            else:
                size = box[2:] - box[:2] + 1
                center, half = d[:2] * size + box[:2] + (size - 1) / 2, (np.exp(d[2:]) * size - 1) / 2
                box = np.concatenate([center - half, center + half])
            box = np.clip(box, 0, np.tile([width - 1, height - 1], 2))
            if y >= int(height / feature_stride) or x >= int(width / feature_stride):
                score = -1
            if min(box[2:] - box[:2] + 1) < rpn_min_size * scale:
                box, score = box + np.array([-1, -1, 1, 1]) * rpn_min_size * scale / 2, -1
            found.append((score, box))
        found.sort(key=lambda pair: -pair[0])
        kept = []
        for score, box in found[: rpn_pre_nms_top_n if rpn_pre_nms_top_n > 0 else None]:
            if len(kept) < rpn_post_nms_top_n and all(overlap(other, box) <= threshold for _, other in kept):
                kept.append((score, box))
        for i in range(rpn_post_nms_top_n):
            score, box = kept[i % len(kept)]
            regions.append([image, *box])
            kept_scores.append([score])
    return (np.array(regions), np.array(kept_scores)) if output_score else np.array(regions)


def distinct(*shape):
    """Scores between 0 and 1 of which no two are close."""
    return fixed(np.random.default_rng(5).permutation(np.prod(shape)).reshape(shape) / np.prod(shape))


FEW = {"scales": (2.0, 4.0), "ratios": (0.5, 1.0, 2.0), "feature_stride": 8, "rpn_min_size": 4, "rpn_post_nms_top_n": 12}
INFO = [[40, 48, 1.0], [30, 44, 1.5]]
ONE = (distinct(1, 12, 5, 6), uniform(-0.3, 0.3, (1, 24, 5, 6)), fixed(INFO[:1]))
TWO = (distinct(2, 12, 5, 6), uniform(-0.3, 0.3, (2, 24, 5, 6)), fixed(INFO))
PROPOSAL = {"dtypes": ("float32",), "gradient": False, "tol": {"float32": 1e-4}}
ALTERNATIVES = [{**FEW, "output_score": True}, {**FEW, "rpn_pre_nms_top_n": 30, "threshold": 0.5}, {**FEW, "rpn_pre_nms_top_n": -1, "iou_loss": True},
                {**FEW, "rpn_pre_nms_top_n": 3, "output_score": True}]  # fmt: skip

# -- position-sensitive pooling ----------------------------------------------------------------------------------------


def bins(rois, bins, scale, shift):
    """Region, row and column of each bin, where it begins (y, x) and the region's size."""
    for r, a, b in itertools.product(range(len(rois)), range(bins), range(bins)):
        corners = np.floor(rois[r, 1:] + 0.5) + [0, 0, 1, 1]
        x1, y1, x2, y2 = corners * scale - shift
        size = np.maximum([y2 - y1, x2 - x1], 0.1)
        yield r, a, b, np.array([y1, x1]) + np.array([a, b]) * size / bins, size


def ps_pooled(data, rois, spatial_scale, output_dim, pooled_size, group_size=0):
    groups, limit = group_size or pooled_size, np.array(data.shape[2:])
    y = np.zeros((len(rois), output_dim, pooled_size, pooled_size))
    for r, a, b, start, size in bins(rois, pooled_size, spatial_scale, 0):
        (y1, x1), (y2, x2) = (np.clip(v, 0, limit).astype(int) for v in (np.floor(start), np.ceil(start + size / pooled_size)))
        if not 0 <= rois[r, 0] < len(data):
            continue
        for k in range(output_dim):
            plane = data[int(rois[r, 0]), (k * groups + a * groups // pooled_size) * groups + b * groups // pooled_size]
            part = plane[y1:y2, x1:x2]
            y[r, k, a, b] = part.mean() if part.size else 0
    return y


def between(plane, y, x):
    y, x = np.clip([y, x], 0, np.array(plane.shape) - 1)
    corners = itertools.product({math.floor(y), math.ceil(y)}, {math.floor(x), math.ceil(x)})
    return sum(plane[i, j] * (1 - abs(y - i)) * (1 - abs(x - j)) for i, j in corners)


def deformable_ps_pooled(data, rois, trans=None, *, spatial_scale, output_dim, group_size, pooled_size, part_size=0,
                         sample_per_part=1, trans_std=0.0, no_trans=False):  # fmt: skip
    parts, samples, groups = part_size or pooled_size, sample_per_part, group_size
    h, w = data.shape[2:]
    y = np.zeros((len(rois), output_dim, pooled_size, pooled_size))
    for r, a, b, start, size in bins(rois, pooled_size, spatial_scale, 0.5):
        for k in range(output_dim):
            at = start
            if trans is not None:
                kind = k // (output_dim // (trans.shape[1] // 2))
                shift = trans[r, 2 * kind : 2 * kind + 2, a * parts // pooled_size, b * parts // pooled_size]
                at = start + shift[::-1] * trans_std * size
            plane = data[int(rois[r, 0]), (k * groups + a * groups // pooled_size) * groups + b * groups // pooled_size]
            values = []
            for i, j in itertools.product(range(samples), range(samples)):
                sy, sx = at + np.array([i, j]) * size / pooled_size / samples
                if -0.5 <= sy <= h - 0.5 and -0.5 <= sx <= w - 0.5:
                    values.append(between(plane, sy, sx))
            y[r, k, a, b] = np.mean(values) if values else 0
    return y


def rotated(data, rois, pooled_size, spatial_scale, sampling_ratio=-1):
    y = np.zeros((len(rois), data.shape[1], *pooled_size))
    h, w = data.shape[2:]
    for r, (image, *box, degrees) in enumerate(rois):
        cx, cy, width, height = np.array(box) * spatial_scale
        size, angle = np.maximum([height, width], 1), math.radians(degrees)
        count = [sampling_ratio if sampling_ratio > 0 else math.ceil(s / n) for s, n in zip(size, pooled_size, strict=True)]
        for a, b, i, j in itertools.product(*map(range, pooled_size), *map(range, count)):
            down, right = ((np.array([a, b]) + (np.array([i, j]) + 0.5) / count) / pooled_size - 0.5) * size
            at_y = cy + down * math.cos(angle) - right * math.sin(angle)
            at_x = cx + right * math.cos(angle) + down * math.sin(angle)
            if -1 <= at_y <= h and -1 <= at_x <= w:
                for k in range(data.shape[1]):
                    y[r, k, a, b] += between(data[int(image), k], at_y, at_x) / math.prod(count)
    return y


TURNED = fixed([[0, 6, 5, 8, 4, 30], [1, 4.2, 6.4, 3, 9, -75], [1, 12, 0, 6, 6, 190], [0, 3, 3, 0.2, 0.3, 0]], "float64")
DATA = normal((2, 8, 6, 7))
ROIS = fixed([[0, 0, 0, 12, 11], [1, 2, 3, 9, 8], [0, 5, 5, 5, 5], [1, -4, -3, 20, 30]], "float64")
POOL = {"spatial_scale": 0.5, "output_dim": 2, "pooled_size": 2}
TURN = {"pooled_size": (2, 3), "spatial_scale": 0.5}
DEFORMABLE = {"spatial_scale": 0.5, "output_dim": 2, "group_size": 2, "pooled_size": 3}
SHIFTED = {**DEFORMABLE, "part_size": 2, "sample_per_part": 3, "trans_std": 0.13}

CASES = [
    OpCase("_contrib_Proposal", proposals, [ONE], ALTERNATIVES, **PROPOSAL, errors=[
        (TWO, FEW, "takes one image, got cls_prob (2, 12, 5, 6). Use MultiProposal"),
        ((ONE[0], normal((1, 20, 5, 6)), ONE[2]), FEW, "bbox_pred must have shape (1, 24, 5, 6), got (1, 20, 5, 6)"),
        ({}, "cls_prob must be (n, 2 len(scales) len(ratios) = 24, h, w)"), ({**FEW, "ratios": (0.5, 0.0)}, "must be numbers above 0"),
        ({**FEW, "rpn_post_nms_top_n": 0}, "must be > 0")]),
    OpCase("_contrib_MultiProposal", proposals, [TWO], ALTERNATIVES, **PROPOSAL),
    OpCase("_contrib_PSROIPooling", ps_pooled, [(DATA, ROIS), (DATA, empty((0, 5)))], [POOL, {**POOL, "pooled_size": 4, "group_size": 2}],
           dtypes=("float64",), errors=[((DATA, ROIS), {**POOL, "output_dim": 3}, "data must have output_dim group_size**2 = 12 channels")]),
    OpCase("_contrib_DeformablePSROIPooling", deformable_ps_pooled, [(DATA, ROIS, uniform(-1, 1, (4, 4, 2, 2)))], [SHIFTED], dtypes=("float64",), errors=[
        ((DATA, ROIS, normal((4, 3, 2, 2))), SHIFTED, "trans must be (r, 2 k, part_size, part_size)"), ((DATA, ROIS), SHIFTED, "takes trans, or no_trans=True")]),
    OpCase("_contrib_DeformablePSROIPooling", deformable_ps_pooled, [(DATA, ROIS)], [{**DEFORMABLE, "no_trans": True, "sample_per_part": 2}],
           dtypes=("float64",), id="DeformablePSROIPooling-still"),
    OpCase("_contrib_RROIAlign", rotated, [(DATA, TURNED), (DATA, empty((0, 6)))], [TURN, {**TURN, "sampling_ratio": 2}], dtypes=("float64",), errors=[
        ((DATA, ROIS), TURN, "rois must be (r, 6)"), ({**TURN, "pooled_size": (2,)}, "pooled_size must be (h, w)")]),
    OpCase("_contrib_RROIAlign", rotated, [(DATA, fixed(TURNED.draw(None, None)))], [{**TURN, "sampling_ratio": 2}], dtypes=("float32",), gradient=False, id="RROIAlign-float32"),
]  # fmt: skip


@op_cases(CASES)
def test_operator(case, ctx):
    check_op(case, ctx)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e38, -3e9])
def test_any_numbers_are_survived(bad):
    import mxnet as mx

    contrib, x = mx.nd.contrib, mx.nd.ones((2, 8, 6, 7))
    rois = mx.nd.array([[0, bad, 1, 3, 3], [bad, 0, 0, 2, 2], [1, bad, bad, bad, bad], [0, -bad, -bad, bad, bad]])
    scores, deltas, info = mx.nd.full((1, 12, 2, 2), bad), mx.nd.full((1, 24, 2, 2), bad), mx.nd.full((1, 3), bad)
    x.attach_grad()
    with mx.autograd.record():
        y = contrib.PSROIPooling(x, rois, **POOL)
        z = contrib.DeformablePSROIPooling(x, rois, mx.nd.full((4, 4, 2, 2), bad), **SHIFTED)
        w = contrib.DeformableConvolution(x, mx.nd.full((2, 2, 6, 7), bad), mx.nd.ones((1, 8, 1, 1)), kernel=(1, 1), num_filter=1, no_bias=True)
        total = y.sum() + z.sum() + w.sum()
    total.backward()
    turned = mx.nd.array([[0, bad, 1, 3, 3, bad], [bad, 0, 0, 2, 2, 1], [1, bad, bad, bad, bad, bad]])
    assert contrib.RROIAlign(x, turned, pooled_size=(2, 2), spatial_scale=1.0, sampling_ratio=2).asnumpy().shape == (3, 8, 2, 2)
    assert contrib.Proposal(scores, deltas, info, **FEW).asnumpy().shape == (12, 5)
    assert x.grad.asnumpy().shape == x.shape
