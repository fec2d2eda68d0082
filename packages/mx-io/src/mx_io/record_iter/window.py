"""Scaling only the part of an image that a crop will keep.

# Note [window of a scaled image]
Pixel x of an image scaled down by s (bilinear) is taken at (x + 1/2) s - 1/2 of the source. A part of the source that
starts at S gives the same pixels from x0 on if x0 s = S. So the window starts some pixels early, where x0 s is nearest
to a whole number; what remains is a shift by a few hundredths of a pixel, which changes photographs by less than a tenth
of a gray level on average. Where there is no such place, the whole image is scaled.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .._opencv import cv2

__all__ = ["scaled_window"]

_FARTHEST = 16  # pixels that a window may start early
_LARGEST_SHIFT = 0.04  # of a pixel of the source


@functools.lru_cache(16384)
def _part_of(first: int, count: int, full: int, source: int) -> tuple[int, int, int] | None:
    """(start, end, early): which pixels of a row of ``source`` give pixels ``first`` to ``first + count`` of ``full``,
    after ``early`` others; None where none do."""
    scale = source / full
    for early in range(min(first, _FARTHEST) + 1):
        place = (first - early) * scale
        if abs(place - round(place)) <= _LARGEST_SHIFT:
            return round(place), min(source, math.ceil((first + count + 0.5) * scale) + 2), early
    return None


def scaled_window(
    image: np.ndarray[Any, Any], size: tuple[int, int], place: tuple[int, int], shape: tuple[int, int]
) -> np.ndarray[Any, Any]:
    """The part of ``shape`` at ``place`` of the image scaled down to ``size``; all are (vertical, horizontal).

    See Note [window of a scaled image].

    >>> image = np.arange(120 * 100, dtype=np.uint8).reshape(120, 100)
    >>> np.array_equal(scaled_window(image, (60, 50), (10, 5), (20, 30)), cv2().resize(image, (50, 60))[10:30, 5:35])
    True
    """
    height, width = image.shape[:2]
    rows = _part_of(place[0], shape[0], size[0], height)
    columns = _part_of(place[1], shape[1], size[1], width)
    if rows is None or columns is None:
        scaled = cv2().resize(image, (size[1], size[0]))
        return scaled[place[0] : place[0] + shape[0], place[1] : place[1] + shape[1]]  # type: ignore[no-any-return]
    part = image[rows[0] : rows[1], columns[0] : columns[1]]
    scaled = cv2().resize(part, None, fx=size[1] / width, fy=size[0] / height)
    return scaled[rows[2] : rows[2] + shape[0], columns[2] : columns[2] + shape[1]]  # type: ignore[no-any-return]
