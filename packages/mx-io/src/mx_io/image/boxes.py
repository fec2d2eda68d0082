"""Random crops and borders of an image with boxes: where they may lie, and what becomes of the boxes.

Labels are (k, 5 or more): class, x_min, y_min, x_max, y_max from 0 to 1, and whatever else. Source: as MXNet 1.x, whose
draws are these, one for one; the constraints are those of TensorFlow's sample_distorted_bounding_box.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..augmentation.draws import draws

__all__ = ["Limits", "crop_proposal", "pad_proposal"]

Labels = np.ndarray[Any, Any]
Box = tuple[int, int, int, int]
_LEAST_PIXELS = 2  # of a box that counts, and of a border


class Limits:
    """The limits of a random region: aspect ratios w / h, areas as fractions of the image's, attempts."""

    def __init__(self, aspect_ratio_range: Any, area_range: Any, max_attempts: int) -> None:
        self.aspects = _pair(aspect_ratio_range)
        self.areas = _pair(area_range)
        self.attempts = max_attempts


def _pair(value: Any) -> tuple[float, float]:
    if isinstance(value, (tuple, list)):
        low, high = value
        return low, high
    return value, value


def _rounded(value: float) -> int:
    return round(value)


def crop_sizes(limits: Limits, height: int, width: int) -> Iterator[tuple[int, int]]:
    """Random (w, h) of crops within the limits, fewer than ``limits.attempts``."""
    random = draws().python
    least, most = (fraction * height * width for fraction in limits.areas)
    for _ in range(limits.attempts):
        aspect = random.uniform(*limits.aspects)
        if aspect <= 0:
            continue
        h, highest = _rounded(math.sqrt(least / aspect)), _rounded(math.sqrt(most / aspect))
        if _rounded(highest * aspect) > width:
            highest = int((width + 0.4999999) / aspect)
        highest = min(highest, height)
        h = min(h, highest)
        if h < highest:
            h = random.randint(h, highest)
        w = _rounded(h * aspect)
        if w * h < least:
            h += 1
            w = _rounded(h * aspect)
        if w * h > most:
            h -= 1
            w = _rounded(h * aspect)
        if least <= w * h <= most and 0 < w <= width and 0 < h <= height:
            yield w, h


def crop_proposal(
    labels: Labels, height: int, width: int, limits: Limits, covered: float, eject: float
) -> tuple[Box, Labels] | None:
    """((x, y, w, h), labels within it) of a random crop, or None when no attempt satisfies the constraints.

    covered: each box that the crop touches must show at least this fraction.  eject: boxes of which a smaller fraction
    remains are left out.
    """
    random = draws().python
    for w, h in crop_sizes(limits, height, width):
        y = random.randint(0, max(0, height - h))
        x = random.randint(0, max(0, width - w))
        if not _shows_enough(labels, (x, y, w, h), height, width, covered):
            continue
        kept = _labels_in_crop(labels, (x, y, w, h), height, width, eject)
        if kept is not None:
            return (x, y, w, h), kept
    return None


def _areas(boxes: Labels) -> Labels:
    return np.maximum(0, boxes[:, 2] - boxes[:, 0]) * np.maximum(0, boxes[:, 3] - boxes[:, 1])  # type: ignore[no-any-return]


def _shows_enough(labels: Labels, box: Box, height: int, width: int, covered: float) -> bool:
    x, y, w, h = box
    if w * h < _LEAST_PIXELS:
        return False
    corners = np.array([x / width, y / height, (x + w) / width, (y + h) / height])
    boxes = labels[:, 1:5]
    counted = boxes[_areas(boxes) * width * height > _LEAST_PIXELS]
    if not len(counted):
        return False
    shown = np.concatenate([np.maximum(counted[:, :2], corners[:2]), np.minimum(counted[:, 2:], corners[2:])], axis=1)
    fractions = _areas(shown) / _areas(counted)
    touched = fractions[fractions > 0]
    return bool(touched.size and touched.min() > covered)


def _labels_in_crop(labels: Labels, box: Box, height: int, width: int, eject: float) -> Labels | None:
    x, y, w, h = (side / whole for side, whole in zip(box, (width, height, width, height), strict=True))
    moved = labels.copy()
    moved[:, (1, 3)] = np.clip((moved[:, (1, 3)] - x) / w, 0, 1)
    moved[:, (2, 4)] = np.clip((moved[:, (2, 4)] - y) / h, 0, 1)
    whole = _areas(labels[:, 1:5])
    with np.errstate(divide="ignore", invalid="ignore"):
        remaining = np.where(whole > 0, _areas(moved[:, 1:5]) * w * h / whole, 0)
    kept = (moved[:, 3] > moved[:, 1]) & (moved[:, 4] > moved[:, 2]) & (remaining > eject)
    return moved[kept] if kept.any() else None


def pad_proposal(labels: Labels, height: int, width: int, limits: Limits) -> tuple[Box, Labels] | None:
    """((x, y, w, h), labels) of a larger canvas with the image at (x, y), or None when no attempt fits the limits."""
    random = draws().python
    least, most = (fraction * height * width for fraction in limits.areas)
    for _ in range(limits.attempts):
        aspect = random.uniform(*limits.aspects)
        if aspect <= 0:
            continue
        h, highest = _rounded(math.sqrt(least / aspect)), _rounded(math.sqrt(most / aspect))
        if _rounded(h * aspect) < width:
            h = int((width + 0.499999) / aspect)
        h = min(max(h, height), highest)
        if h < highest:
            h = random.randint(h, highest)
        w = _rounded(h * aspect)
        if h - height < _LEAST_PIXELS or w - width < _LEAST_PIXELS:
            continue
        y = random.randint(0, max(0, h - height))
        x = random.randint(0, max(0, w - width))
        moved = labels.copy()
        moved[:, (1, 3)] = (moved[:, (1, 3)] * width + x) / w
        moved[:, (2, 4)] = (moved[:, (2, 4)] * height + y) / h
        return (x, y, w, h), moved
    return None
