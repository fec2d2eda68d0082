"""Rows of boxes, their suppression and matching, anchors, targets and detections."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from mx_core.testing import OpCase, check_op, empty, fixed, normal, op_cases, uniform


def corners(box, format):
    a, b, c, d = np.moveaxis(box, -1, 0)
    return (a, b, c, d) if format == "corner" else (a - c / 2, b - d / 2, a + c / 2, b + d / 2)


def iou(lhs, rhs, format="corner"):
    y = np.zeros(lhs.shape[:-1] + rhs.shape[:-1])
    for i, j in itertools.product(np.ndindex(lhs.shape[:-1]), np.ndindex(rhs.shape[:-1])):
        p, q = corners(lhs[i], format), corners(rhs[j], format)
        both = max(min(p[2], q[2]) - max(p[0], q[0]), 0) * max(min(p[3], q[3]) - max(p[1], q[1]), 0)
        areas = [max(v[2] - v[0], 0) * max(v[3] - v[1], 0) for v in (p, q)]
        y[(*i, *j)] = both / (sum(areas) - both) if both else 0
    return y


def nms(
    data, overlap_thresh=0.5, valid_thresh=0.0, topk=-1, coord_start=2, score_index=1, id_index=-1, background_id=-1,
    force_suppress=False, in_format="corner", out_format="corner",
):  # fmt: skip
    y = np.full(data.shape, -1.0)
    for at in np.ndindex(data.shape[:-2]):
        rows = [
            r for r in data[at]
            if r[score_index] > valid_thresh and not (id_index >= 0 <= background_id == r[id_index])
        ]  # fmt: skip
        rows = sorted(rows, key=lambda r: -r[score_index])
        kept = []
        for row in rows[:topk] if topk > 0 else rows:
            box = row[coord_start : coord_start + 4]
            rivals = [k for k in kept if id_index < 0 or force_suppress or k[id_index] == row[id_index]]
            if all(iou(k[coord_start : coord_start + 4], box, in_format) <= overlap_thresh for k in rivals):
                kept.append(row)
        for i, row in enumerate(kept):
            row = row.copy()
            part = slice(coord_start, coord_start + 4)
            if in_format != out_format:
                x1, y1, x2, y2 = corners(row[part], in_format)
                row[part] = (
                    [x1, y1, x2, y2] if out_format == "corner" else [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
                )
            y[(*at, i)] = row
    return y


def matching(data, threshold, is_ascend=False, topk=-1):
    rows, columns = np.full(data.shape[:-1], -1.0), np.full((*data.shape[:-2], data.shape[-1]), -1.0)
    for at in np.ndindex(data.shape[:-2]):
        found = 0
        for i, j in sorted(np.ndindex(data.shape[-2:]), key=lambda k: data[(*at, *k)] * (1 if is_ascend else -1)):
            value = data[(*at, i, j)]
            if not (value < threshold if is_ascend else value > threshold):
                break
            if rows[(*at, i)] < 0 and columns[(*at, j)] < 0:
                rows[(*at, i)], columns[(*at, j)] = j, i
                found += 1
                if 0 < topk < found:
                    break
    return rows, columns


def decode(data, anchors, clip=-1.0, format="center", **stds):
    x, y, w, h = np.moveaxis(anchors, -1, 0)
    if format == "corner":
        x, y, w, h = (x + w) / 2, (y + h) / 2, w - x, h - y
    d = data * np.array([stds.get(f"std{i}", 1.0) for i in range(4)])
    size = np.minimum(d[..., 2:], clip) if clip > 0 else d[..., 2:]
    cx, cy = d[..., 0] * w + x, d[..., 1] * h + y
    hw, hh = np.exp(size[..., 0]) * w / 2, np.exp(size[..., 1]) * h / 2
    return np.stack([cx - hw, cy - hh, cx + hw, cy + hh], -1)


def encode(samples, matches, anchors, refs, means, stds):
    boxes = np.stack([r[m.astype(int)] for r, m in zip(refs, matches, strict=True)])
    size, anchor = boxes[..., 2:] - boxes[..., :2], anchors[..., 2:] - anchors[..., :2]
    shift = (boxes[..., 2:] + boxes[..., :2] - anchors[..., 2:] - anchors[..., :2]) / 2 / anchor
    mask = np.repeat((samples > 0.5)[..., None], 4, -1)
    return np.where(mask, (np.concatenate([shift, np.log(size / anchor)], -1) - means) / stds, 0), mask


def prior(data, sizes=(1.0,), ratios=(1.0,), clip=False, steps=(-1, -1), offsets=(0.5, 0.5)):
    h, w = data.shape[2:]
    step_y, step_x = (s if s > 0 else 1 / size for s, size in zip(steps, (h, w), strict=True))
    found = []
    for y, x in itertools.product(range(h), range(w)):
        cy, cx = (y + offsets[0]) * step_y, (x + offsets[1]) * step_x
        for size, ratio in [*((s, ratios[0]) for s in sizes), *((sizes[0], r) for r in ratios[1:])]:
            bw, bh = size * h / w * math.sqrt(ratio) / 2, size / math.sqrt(ratio) / 2
            found.append([cx - bw, cy - bh, cx + bw, cy + bh])
    return np.clip(found, 0, 1)[None] if clip else np.array(found)[None]


def stored(expected):
    """The outputs are these values, which 1.9.1 gave."""

    def check(outputs, inputs, params):
        for out, want in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(out.astype("float64"), np.asarray(want), atol=2e-3)

    return check


BOXES = fixed([[0.1, 0.1, 0.5, 0.5], [0.2, 0.2, 0.6, 0.7], [0.8, 0.8, 0.7, 0.9]])
WINDOWS = fixed([[0.0, 0, 1, 1], [0.4, 0.4, 0.9, 0.9]])
FOUND = fixed([[[0, 0.9, 0.1, 0.1, 0.5, 0.5], [0, 0.8, 0.12, 0.1, 0.5, 0.5], [1, 0.7, 0.1, 0.1, 0.5, 0.5],
                [1, 0.02, 0.6, 0.6, 0.9, 0.9], [0, 0.95, 0.6, 0.6, 0.9, 0.9], [0, -1, 0.6, 0.6, 0.9, 0.9]]])  # fmt: skip
ANCHORS = fixed(
    [[[0.1, 0.1, 0.4, 0.4], [0.3, 0.3, 0.8, 0.8], [0.5, 0.5, 0.9, 0.9], [0, 0.6, 0.3, 1], [0.6, 0, 1, 0.3]]]
)
LABELS = fixed(
    [[[1, 0.1, 0.1, 0.35, 0.45], [0, 0.55, 0.5, 0.95, 0.85], [-1] * 5], [[2, 0.6, 0.05, 0.95, 0.3], [-1] * 5, [-1] * 5]]
)
PREDICTIONS = fixed(np.linspace(-2, 2, 40).reshape(2, 4, 5) % 1.3)
PROBABILITIES = fixed([[[0.1, 0.2, 0.1, 0.7, 0.3], [0.7, 0.7, 0.3, 0.2, 0.005], [0.2, 0.1, 0.6, 0.1, 0.008]]])
FLAT = fixed([[0.1, 0.2, 0.0, 0.1] * 5])
T1, T2 = [-0.8333, 0.8333, -0.9116, 0.7708], [1.25, -0.625, 0, -0.6677]
T3 = [-0.625, 0.8333, -0.6677, -0.9116]
ZERO, ONE = [0.0] * 4, [1.0] * 4
TARGETS = [[[*T1, *ZERO, *T2, *ZERO, *ZERO], [*ZERO, *ZERO, *ZERO, *ZERO, *T3]],
           [[*ONE, *ZERO, *ONE, *ZERO, *ZERO], [*ZERO, *ZERO, *ZERO, *ZERO, *ONE]], [[2, 0, 1, 0, 0], [0, 0, 0, 0, 3]]]  # fmt: skip
VALUES = {"gradient": "zero", "dtypes": ("float32", "float64")}

CASES = [
    OpCase("_contrib_box_iou", iou, [(BOXES, WINDOWS), (uniform(0, 1, (2, 3, 4)), WINDOWS), (empty((0, 4)), WINDOWS)], [{}, {"format": "center"}],
           gradient="zero", tol={"float16": 1e-2},
           errors=[((normal((2, 3)), WINDOWS), {}, "lhs must be boxes (..., 4), got (2, 3)"), ({"format": "edges"}, "format must be")]),
    OpCase("_contrib_box_nms", nms, [FOUND, empty((2, 0, 6))],
           [{}, {"valid_thresh": 0.5}, {"topk": 2}, {"overlap_thresh": 0.99}], dtypes=("float32", "float64"),
           errors=[({"coord_start": 3}, "coord_start must lie in the 6 columns"), ({"score_index": -1}, "score_index must lie"),
                   ({"id_index": 6}, "id_index must lie"), ((normal((3,)),), {}, "data must be (..., n, width)")]),
    OpCase("_contrib_box_nms", nms, [FOUND], [{"out_format": "center"}, {"in_format": "center"}, {"id_index": 0}, {"overlap_thresh": 1.0}, {"id_index": 0, "force_suppress": True},
           {"id_index": 0, "background_id": 0}], gradient=False, dtypes=("float32",), id="box_nms-classes-formats"),
    OpCase("_contrib_bipartite_matching", matching, [uniform(0, 1, (2, 7, 5)), uniform(0, 1, (3, 2)), empty((2, 0, 3))],
           [{"threshold": 0.2}, {"threshold": 0.7, "is_ascend": True}, {"threshold": 1e-12, "topk": 2}], **VALUES,
           errors=[({}, "threshold is required"), ((normal((3,)),), {"threshold": 0.1}, "data must be (..., n, m)")]),
    OpCase("_contrib_box_decode", decode, [(normal((2, 5, 4)), ANCHORS)],
           [{}, {"format": "corner"}, {"clip": 0.3}, {"std0": 0.1, "std1": 0.1, "std2": 0.2, "std3": 0.2}], gradient="zero", tol={"float16": 2e-2},
           errors=[((normal((2, 5, 4)), normal((1, 4, 4))), {}, "anchors (1, a, 4)")]),
    OpCase("_contrib_box_encode", encode, [(fixed([[1.0, 0, 1]]), fixed([[1.0, 0, 0]]), fixed([[[0.1, 0.1, 0.4, 0.4], [0.3, 0.3, 0.8, 0.8], [0.5, 0.5, 0.9, 0.9]]]),
                                            fixed([[[0.1, 0.1, 0.35, 0.45], [0.55, 0.5, 0.95, 0.85]]]), fixed([0.0, 0.1, 0, 0.2]), fixed([0.1, 0.1, 0.2, 0.2]))],
           **VALUES, tol={"float32": 1e-4}, errors=[((normal((1, 3)), normal((1, 3)), normal((1, 3, 4)), normal((1, 0, 4)), normal((4,)), normal((4,))), {}, "m > 0")]),
    OpCase("_contrib_MultiBoxPrior", prior, [normal((1, 3, 2, 3)), empty((0, 3, 1, 2))],
           [{"sizes": (0.5, 0.25), "ratios": (1, 2, 0.5)}, {}, {"sizes": (0.9,), "clip": True, "steps": (0.5, 0.3), "offsets": (0.2, 0.7)}], gradient="zero",
           errors=[({"ratios": (0.0,)}, "ratios above 0"), ({"sizes": ()}, "must not be empty"), ({"steps": (1.0,)}, "pairs"), ((normal((2, 3)),), {}, "data must be (n, c, h, w)")]),
    OpCase("_contrib_MultiBoxTarget", check=stored(TARGETS), inputs=[(ANCHORS, LABELS, PREDICTIONS)], params=[{}, {"overlap_threshold": 0.3}], **VALUES,
           errors=[((ANCHORS, normal((2, 3, 4)), PREDICTIONS), {}, "label must be (n, m, 5)"), ({"variances": (1.0,)}, "variances must be four numbers"),
                   ((normal((2, 5, 4)), LABELS, PREDICTIONS), {}, "anchor must be (1, a, 4)")]),
    OpCase("_contrib_MultiBoxDetection", check=stored([[[[0, 0.7, 0.1037, 0.103, 0.4032, 0.4092], [0, 0.7, 0.305, 0.305, 0.805, 0.8151],
                                                         [1, 0.6, 0.504, 0.504, 0.904, 0.9121], [0, 0.2, 0.003, 0.604, 0.303, 1], [-1] * 6]]]),
           inputs=[(PROBABILITIES, FLAT, ANCHORS)], **VALUES,
           errors=[((PROBABILITIES, normal((1, 4)), ANCHORS), {}, "loc_pred (n, 4 a), a = 5"), ({"variances": ()}, "variances must be four numbers")]),
]  # fmt: skip


@op_cases(CASES)
def test_operator(case, ctx):
    check_op(case, ctx)


def test_negatives_are_those_least_taken_for_background():
    import mxnet as mx

    anchors, labels = (mx.nd.array(make.draw(None, None)) for make in (ANCHORS, LABELS))
    scores = mx.nd.zeros((2, 2, 5))
    scores[:, 0] = mx.nd.array([5, 4, 3, 2, 1])
    options = {"negative_mining_ratio": 1, "negative_mining_thresh": 0.5}
    classes = mx.nd.contrib.MultiBoxTarget(anchors, labels, scores, **options)[2].asnumpy().tolist()
    assert classes == [[2, -1, 1, 0, 0], [-1, -1, -1, 0, 3]]


def test_without_objects_everything_is_ignored():
    import mxnet as mx

    anchors = mx.nd.array(ANCHORS.draw(None, None))
    targets, mask, classes = mx.nd.contrib.MultiBoxTarget(anchors, -mx.nd.ones((1, 2, 5)), mx.nd.ones((1, 3, 5)))
    assert not targets.asnumpy().any()
    assert not mask.asnumpy().any()
    assert classes.asnumpy().tolist() == [[-1] * 5]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 3e38])
def test_any_numbers_are_survived(bad):
    import mxnet as mx

    boxes = mx.nd.full((2, 6, 6), bad)
    boxes[0, 1] = 0.5
    anchors = mx.nd.full((1, 6, 4), bad)
    found = [
        mx.nd.contrib.box_nms(boxes, id_index=0),
        *mx.nd.contrib.bipartite_matching(boxes, threshold=0.1),
        *mx.nd.contrib.MultiBoxTarget(anchors, boxes, mx.nd.full((2, 3, 6), bad), negative_mining_ratio=2.0),
        mx.nd.contrib.MultiBoxDetection(mx.nd.full((2, 3, 6), bad), mx.nd.full((2, 24), bad), anchors),
    ]
    assert all(array.asnumpy().shape == array.shape for array in found)
