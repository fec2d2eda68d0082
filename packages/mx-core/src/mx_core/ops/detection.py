"""Operators of object detectors: boxes, their overlap, what suppresses what, anchors and their targets.

A box is four numbers: the corners x1, y1, x2, y2, or in the format center x, y, width, height.
"""

from __future__ import annotations

import math

from ..dtypes import name_of
from ..errors import DTypeError, ParameterError, ShapeError
from ..op import Enum, Floats, Hidden, Tensor, op
from ._shapes import COMPOSED
from .nn import require_float

_Format = Enum("center", "corner")
_VARIANCES = (0.1, 0.1, 0.2, 0.2)


def _check_boxes(name, **boxes):
    """Raise unless all are (..., 4) of one floating type."""
    first = next(iter(boxes.values()))
    for what, value in boxes.items():
        require_float(name, value, what)
        if value.dtype != first.dtype:
            msg = f"[{name}] {what} must have element type {name_of(first.dtype)}, got {name_of(value.dtype)}"
            raise DTypeError(msg)
        if value.shape[-1:] != (4,):
            msg = f"[{name}] {what} must be boxes (..., 4), got {value.shape}"
            raise ShapeError(msg)


def _columns(F, boxes):
    """The four numbers of boxes (..., 4), each of shape (...)."""
    axis = boxes.ndim - 1
    return [
        F._view(F._slice(boxes, begin=(0,) * axis + (k,), step=(1,) * boxes.ndim, shape=(*boxes.shape[:-1], 1)),
                shape=boxes.shape[:-1])
        for k in range(4)
    ]  # fmt: skip


def _corners(F, boxes, given):
    """x1, y1, x2, y2 of boxes."""
    a, b, c, d = _columns(F, boxes)
    return (a, b, c, d) if given == "corner" else (a - c * 0.5, b - d * 0.5, a + c * 0.5, b + d * 0.5)


def _centers(F, boxes, given):
    """x, y, width, height of boxes."""
    a, b, c, d = _columns(F, boxes)
    return (a, b, c, d) if given == "center" else ((a + c) * 0.5, (b + d) * 0.5, c - a, d - b)


def _boxes(F, columns):
    shape = columns[0].shape
    return F._concat([F._view(column, shape=(*shape, 1)) for column in columns], axis=len(shape))


@op(name="_contrib_box_iou")
def box_iou(F, lhs: Tensor, rhs: Tensor, *, format: _Format = "corner") -> Tensor:
    """Intersection over union of every box of lhs with every box of rhs.

    lhs, rhs: (..., 4).  format: corner or center.  Returns lhs.shape[:-1] + rhs.shape[:-1]; no gradient passes.

    >>> mx.nd.contrib.box_iou(mx.nd.array([[0, 0, 2, 2]]), mx.nd.array([[1, 0, 2, 2]])).asnumpy().tolist()
    [[0.5]]
    """
    _check_boxes("_contrib_box_iou", lhs=lhs, rhs=rhs)
    left, right = lhs.shape[:-1], rhs.shape[:-1]
    a = [F._view(v, shape=(math.prod(left), 1)) for v in _corners(F, lhs, format)]
    b = [F._view(v, shape=(1, math.prod(right))) for v in _corners(F, rhs, format)]

    def length(low, high):
        return F._maximum_scalar(high - low, scalar=0.0)

    both = length(F.broadcast_maximum(a[0], b[0]), F.broadcast_minimum(a[2], b[2])) * length(
        F.broadcast_maximum(a[1], b[1]), F.broadcast_minimum(a[3], b[3])
    )
    areas = [length(v[0], v[2]) * length(v[1], v[3]) for v in (a, b)]
    everything = areas[0] + areas[1] - both
    result = F._select(everything > 0.0, both / everything, 0.0)
    return F._view(result, shape=(*left, *right))


@box_iou.grad
def _(F, dy, y, lhs, rhs):
    return None, None


@op
def _box_nms(
    F, data: Tensor, *, overlap_thresh: float, valid_thresh: float, topk: int, coord_start: int, score_index: int,
    id_index: int, background_id: int, force_suppress: bool, in_format: _Format, out_format: _Format,
) -> tuple[Tensor, Hidden[Tensor]]:  # fmt: skip
    """box_nms of (batch, n, width), and the row that each box came from."""


@_box_nms.infer
def _(t, data):
    return t.like(data), t.out(data.shape[:2], 4)


@_box_nms.grad
def _(F, dy, y, data):
    return (F._box_nms_backward(dy, y[1]),)


@op
def _box_nms_backward(F, dy: Tensor, rows: Tensor) -> Tensor:
    """The gradient of box_nms: of each box that stayed to the row it came from."""


@_box_nms_backward.infer
def _(t, dy, rows):
    return t.out(dy.shape, dy.dtype)


@op(name="_contrib_box_nms", aliases=["_contrib_box_non_maximum_suppression"])
def box_nms(
    F,
    data: Tensor,
    *,
    overlap_thresh: float = 0.5,
    valid_thresh: float = 0.0,
    topk: int = -1,
    coord_start: int = 2,
    score_index: int = 1,
    id_index: int = -1,
    background_id: int = -1,
    force_suppress: bool = False,
    in_format: _Format = "corner",
    out_format: _Format = "corner",
) -> Tensor:
    """The boxes that no better box overlaps, from the best score down; the rows after them are -1.

    data: (..., n, width), rows with a score at score_index, a box at coord_start and, if id_index >= 0, a class.
    overlap_thresh: a box is suppressed by a better one that it overlaps by more.  valid_thresh: boxes of this score and
    less do not count.  topk: only so many of the best boxes count.  background_id: boxes of this class do not count.
    force_suppress: also by boxes of other classes.  in_format, out_format: corner or center.
    """
    name = "_contrib_box_nms"
    require_float(name, data)
    if data.ndim < 2 or data.shape[-2] >= 2**31:
        msg = f"[{name}] data must be (..., n, width), got {data.shape}"
        raise ShapeError(msg)
    width = data.shape[-1]
    for what, at, room in (("coord_start", coord_start, 4), ("score_index", score_index, 1), ("id_index", id_index, 1)):
        if (at < 0 and what != "id_index") or at + room > width:
            msg = f"[{name}] {what} must lie in the {width} columns of data {data.shape}, got {at}"
            raise ParameterError(msg)
    lead = data.shape[:-2]
    result = F._box_nms(
        F._view(data, shape=(math.prod(lead), *data.shape[-2:])), overlap_thresh=overlap_thresh,
        valid_thresh=valid_thresh, topk=topk, coord_start=coord_start, score_index=score_index, id_index=max(id_index, -1),
        background_id=background_id, force_suppress=force_suppress, in_format=in_format, out_format=out_format,
    )  # fmt: skip
    return F._view(result, shape=data.shape)


@op(name="_contrib_box_decode")
def box_decode(
    F,
    data: Tensor,
    anchors: Tensor,
    *,
    std0: float = 1.0,
    std1: float = 1.0,
    std2: float = 1.0,
    std3: float = 1.0,
    clip: float = -1.0,
    format: _Format = "center",
) -> Tensor:
    """Boxes (corners) from their offsets to anchors: the inverse of box_encode.

    data: (n, a, 4).  anchors: (1, a, 4) in ``format``.  std0 ... std3: factors of the offsets.  clip: if positive, the
    greatest logarithm of a box's size over its anchor's. No gradient passes, as in MXNet 1.x.
    """
    name = "_contrib_box_decode"
    _check_boxes(name, data=data, anchors=anchors)
    if data.ndim != 3 or anchors.shape != (1, *data.shape[1:]):
        msg = f"[{name}] data must be (n, a, 4) and anchors (1, a, 4), got {data.shape} and {anchors.shape}"
        raise ShapeError(msg)
    x, y, w, h = _centers(F, anchors, format)
    dx, dy, dw, dh = _columns(F, data)
    center_x, center_y = dx * std0 * w + x, dy * std1 * h + y
    dw, dh = dw * std2, dh * std3
    if clip > 0.0:
        dw, dh = F._minimum_scalar(dw, scalar=clip), F._minimum_scalar(dh, scalar=clip)
    half_w, half_h = F.exp(dw) * w * 0.5, F.exp(dh) * h * 0.5
    return _boxes(F, (center_x - half_w, center_y - half_h, center_x + half_w, center_y + half_h))


@box_decode.grad
def _(F, dy, y, data, anchors):
    return None, None


@op(name="_contrib_box_encode")
def box_encode(
    F, samples: Tensor, matches: Tensor, anchors: Tensor, refs: Tensor, means: Tensor, stds: Tensor
) -> tuple[Tensor, Tensor]:
    """The offsets of matched boxes to their anchors, and 1 where there is one.

    samples: (n, a), 1 for the anchors that count.  matches: (n, a), the row of refs for each.  anchors: (n, a, 4),
    refs: (n, m, 4), corners.  means, stds: (4,), subtracted from the offsets, which are then divided by them.
    Returns offsets and mask, both (n, a, 4); 0 for anchors that do not count.
    """
    name = "_contrib_box_encode"
    _check_boxes(name, anchors=anchors, refs=refs, means=means, stds=stds)
    if anchors.ndim != 3 or refs.ndim != 3 or refs.shape[0] != anchors.shape[0] or not refs.shape[1]:
        msg = f"[{name}] anchors must be (n, a, 4) and refs (n, m, 4) with m > 0, got {anchors.shape} and {refs.shape}"
        raise ShapeError(msg)
    n, a, _ = anchors.shape
    m = refs.shape[1]
    if samples.shape != (n, a) or matches.shape != (n, a) or means.shape != (4,) or stds.shape != (4,):
        msg = (
            f"[{name}] samples and matches must be {(n, a)}, means and stds (4,), got {samples.shape}, {matches.shape}, "
            f"{means.shape}, {stds.shape}"
        )
        raise ShapeError(msg)
    first = F._view(F._range(start=0.0, step=float(m), repeat=1, count=n, dtype="int64"), shape=(n, 1))
    rows = F._cast(F.clip(F._cast(matches, dtype="float64"), a_min=0.0, a_max=float(m - 1)), dtype="int64") + first
    matched = F._view(F.take(F._view(refs, shape=(n * m, 4)), rows, axis=0, mode="clip"), shape=(n, a, 4))
    x, y, w, h = _centers(F, matched, "corner")
    ax, ay, aw, ah = _centers(F, anchors, "corner")
    offsets = _boxes(F, ((x - ax) / aw, (y - ay) / ah, F.log(w / aw), F.log(h / ah)))
    offsets = (offsets - F._view(means, shape=(1, 1, 4))) / F._view(stds, shape=(1, 1, 4))
    on = F._view(F._cast(samples > 0.5, dtype=anchors.dtype), shape=(n, a, 1))
    mask = F._broadcast(on, shape=(n, a, 4))
    return F._select(mask, offsets, 0.0), F._copy(mask)


@box_encode.grad
def _(F, dy, y, samples, matches, anchors, refs, means, stds):
    return (None,) * 6


@op
def _bipartite_matching(F, data: Tensor, *, is_ascend: bool, threshold: float, topk: int) -> tuple[Tensor, Tensor]:
    """bipartite_matching of (batch, n, m)."""


@_bipartite_matching.infer
def _(t, data):
    return t.out(data.shape[:2], data.dtype), t.out((data.shape[0], data.shape[2]), data.dtype)


@_bipartite_matching.grad
def _(F, dy, y, data):
    return (None,)


@op(name="_contrib_bipartite_matching")
def bipartite_matching(
    F, data: Tensor, *, is_ascend: bool = False, threshold: float, topk: int = -1
) -> tuple[Tensor, Tensor]:
    """Pairs of rows and columns, the best score first, each row and column in one pair at most.

    data: (..., n, m) scores.  is_ascend: lower is better.  threshold: pairs must be better.  topk: if positive,
    at most this many and one more, as in MXNet 1.x.
    Returns the column of each row (..., n), and the row of each column (..., m); -1 where there is none.
    """
    name = "_contrib_bipartite_matching"
    require_float(name, data)
    if data.ndim < 2:
        msg = f"[{name}] data must be (..., n, m), got {data.shape}"
        raise ShapeError(msg)
    lead = data.shape[:-2]
    rows, columns = F._bipartite_matching(
        F._view(data, shape=(math.prod(lead), *data.shape[-2:])), is_ascend=is_ascend, threshold=threshold, topk=topk
    )
    return F._view(rows, shape=data.shape[:-1]), F._view(columns, shape=(*lead, data.shape[-1]))


# -- anchors -----------------------------------------------------------------------------------------------------------


@op(name="_contrib_MultiBoxPrior", aliases=["_npx_multibox_prior"])
def MultiBoxPrior(
    F,
    data: Tensor,
    *,
    sizes: Floats = (1.0,),
    ratios: Floats = (1.0,),
    clip: bool = False,
    steps: Floats = (-1.0, -1.0),
    offsets: Floats = (0.5, 0.5),
) -> Tensor:
    """Anchors around every pixel of a feature map, as corners between 0 and 1.

    data: (n, c, h, w), whose sizes count.  sizes, ratios: each size with the first ratio, then the first size with each
    other ratio.  clip: to [0, 1].  steps: (y, x) from pixel to pixel, 1 / h and 1 / w by default.  offsets: (y, x) of
    the centres in a pixel.  Returns (1, h w (len(sizes) + len(ratios) - 1), 4).  Source: Liu et al. 2016 (SSD).
    """
    name = "_contrib_MultiBoxPrior"
    require_float(name, data)
    if data.ndim != 4 or 0 in data.shape[2:]:
        msg = f"[{name}] data must be (n, c, h, w) with h and w above 0, got {data.shape}"
        raise ShapeError(msg)
    if not sizes or not ratios or min(ratios) <= 0 or len(steps) != 2 or len(offsets) != 2:
        msg = (
            f"[{name}] sizes and ratios must not be empty, ratios above 0, steps and offsets pairs, got {sizes}, {ratios}, "
            f"{steps}, {offsets}"
        )
        raise ParameterError(msg)
    h, w = data.shape[2:]
    step_y, step_x = (step if step > 0 else 1.0 / size for step, size in zip(steps, (h, w), strict=True))
    ys, xs = (
        F._view((F._range(start=0.0, step=1.0, repeat=1, count=count, dtype=data.dtype) + offset) * step, shape=shape)
        for count, offset, step, shape in ((h, offsets[0], step_y, (h, 1, 1)), (w, offsets[1], step_x, (1, w, 1)))
    )
    kinds = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    columns = []
    for size, ratio in kinds:
        half_w, half_h = size * h / w * math.sqrt(ratio) / 2, size / math.sqrt(ratio) / 2
        columns += [xs - half_w, ys - half_h, xs + half_w, ys + half_h]
    boxes = F._concat([F._broadcast(column, shape=(h, w, 1)) for column in columns], axis=2)
    boxes = F._view(boxes, shape=(1, h * w * len(kinds), 4))
    return F.clip(boxes, a_min=0.0, a_max=1.0) if clip else boxes


def _check_anchors(name, anchor, variances):
    require_float(name, anchor, "anchor")
    if anchor.ndim != 3 or anchor.shape[0] != 1 or anchor.shape[2] != 4:
        msg = f"[{name}] anchor must be (1, a, 4), got {anchor.shape}"
        raise ShapeError(msg)
    if len(variances) != 4:
        msg = f"[{name}] variances must be four numbers, got {variances}"
        raise ParameterError(msg)
    return anchor.shape[1]


@op
def _multibox_target(
    F, anchor: Tensor, label: Tensor, cls_pred: Tensor, *, overlap_threshold: float, ignore_label: float,
    negative_mining_ratio: float, negative_mining_thresh: float, minimum_negative_samples: int, variances: Floats,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """MultiBoxTarget of checked inputs."""


@_multibox_target.infer
def _(t, anchor, label, cls_pred):
    n, a = label.shape[0], anchor.shape[1]
    dtype = t.same_dtype(anchor, label, cls_pred)
    return t.out((n, 4 * a), dtype), t.out((n, 4 * a), dtype), t.out((n, a), dtype)


@_multibox_target.grad
def _(F, dy, y, anchor, label, cls_pred):
    return None, None, None


@op(name="_contrib_MultiBoxTarget", aliases=["_npx_multibox_target"], kernel=COMPOSED)
def MultiBoxTarget(
    F,
    anchor: Tensor,
    label: Tensor,
    cls_pred: Tensor,
    *,
    overlap_threshold: float = 0.5,
    ignore_label: float = -1.0,
    negative_mining_ratio: float = -1.0,
    negative_mining_thresh: float = 0.5,
    minimum_negative_samples: int = 0,
    variances: Floats = _VARIANCES,
) -> tuple[Tensor, Tensor, Tensor]:
    """What a detector should say for each anchor: offsets (n, 4 a), their mask (n, 4 a) and classes (n, a).

    anchor: (1, a, 4) corners.  label: (n, m, 5 or more): class and corners of each object; a row of class -1 ends them.
    cls_pred: (n, k, a), the scores of the classes, background first.
    Every object gets the anchor that it overlaps most, every other anchor the object that it overlaps by more than
    overlap_threshold. Classes are 1 + the object's, or 0 for the background. negative_mining_ratio: if positive, so many
    background anchors for each of an object: those least taken for background, that overlap objects by less than
    negative_mining_thresh, at least minimum_negative_samples; the others get ignore_label. variances: divisors of the
    offsets. An image without objects has ignore_label everywhere.
    """
    name = "_contrib_MultiBoxTarget"
    a = _check_anchors(name, anchor, variances)
    if label.ndim != 3 or label.shape[2] < 5 or cls_pred.ndim != 3 or cls_pred.shape[::2] != (label.shape[0], a):
        msg = f"[{name}] label must be (n, m, 5) and cls_pred (n, k, a = {a}), got {label.shape} and {cls_pred.shape}"
        raise ShapeError(msg)
    return F._multibox_target(
        anchor, label, cls_pred, overlap_threshold=overlap_threshold, ignore_label=ignore_label,
        negative_mining_ratio=negative_mining_ratio, negative_mining_thresh=negative_mining_thresh,
        minimum_negative_samples=minimum_negative_samples, variances=variances,
    )  # fmt: skip


@op
def _multibox_detection(
    F, cls_prob: Tensor, loc_pred: Tensor, anchor: Tensor, *, clip: bool, threshold: float, nms_threshold: float,
    force_suppress: bool, variances: Floats, nms_topk: int,
) -> Tensor:  # fmt: skip
    """MultiBoxDetection of checked inputs."""


@_multibox_detection.infer
def _(t, cls_prob, loc_pred, anchor):
    return t.out((cls_prob.shape[0], anchor.shape[1], 6), t.same_dtype(cls_prob, loc_pred, anchor))


@_multibox_detection.grad
def _(F, dy, y, cls_prob, loc_pred, anchor):
    return None, None, None


@op(name="_contrib_MultiBoxDetection", aliases=["_npx_multibox_detection"], kernel=COMPOSED)
def MultiBoxDetection(
    F,
    cls_prob: Tensor,
    loc_pred: Tensor,
    anchor: Tensor,
    *,
    clip: bool = True,
    threshold: float = 0.01,
    background_id: int = 0,
    nms_threshold: float = 0.5,
    force_suppress: bool = False,
    variances: Floats = _VARIANCES,
    nms_topk: int = -1,
) -> Tensor:
    """Objects from a detector's outputs: rows of class, score, x1, y1, x2, y2; class -1 where there is none.

    cls_prob: (n, k, a), class 0 being the background.  loc_pred: (n, 4 a) offsets.  anchor: (1, a, 4) corners.
    clip: corners to [0, 1].  threshold: the least score.  nms_threshold: a box that overlaps a better one of its class
    (force_suppress: of any) by as much loses its class; outside of (0, 1] nothing is sorted or suppressed.
    nms_topk: the best boxes that stay.  variances: factors of the offsets.  background_id: accepted, as in MXNet 1.x.
    Returns (n, a, 6).
    """
    name = "_contrib_MultiBoxDetection"
    a = _check_anchors(name, anchor, variances)
    if cls_prob.ndim != 3 or cls_prob.shape[2] != a or loc_pred.shape != (cls_prob.shape[0], 4 * a):
        msg = f"[{name}] cls_prob must be (n, k, a) and loc_pred (n, 4 a), a = {a}, got {cls_prob.shape}, {loc_pred.shape}"
        raise ShapeError(msg)
    return F._multibox_detection(
        cls_prob, loc_pred, anchor, clip=clip, threshold=threshold, nms_threshold=nms_threshold,
        force_suppress=force_suppress, variances=variances, nms_topk=nms_topk,
    )  # fmt: skip
