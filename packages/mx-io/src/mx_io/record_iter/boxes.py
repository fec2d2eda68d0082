"""Labels with boxes: objects in an image, and what cropping, padding and mirroring do to them.

# Note [detection labels]
A label is a flat list: the length of its header (at least 2), the length of an object (at least 5), the rest of the
header; then the objects: class, left, top, right, bottom as shares of width and height, and further values of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mx_core.errors import RecordFileError

__all__ = ["Boxes", "Crop"]

Crop = tuple[float, float, float, float]  # left, top, width, height as shares of the image


class Boxes:
    """The header and the objects of a label; see Note [detection labels].

    label: float32 of shape (length,).  place: the record, for messages.
    """

    def __init__(self, label: np.ndarray[Any, Any], place: str) -> None:
        n_header, n_object = (int(label[0]), int(label[1])) if len(label) >= 2 else (0, 0)
        if n_header < 2 or n_object < 5 or n_header > len(label) or (len(label) - n_header) % n_object:
            got = np.array2string(label[:12], separator=", ")
            msg = (
                f"{place}: a detection label must be: length of the header (>= 2), length of an object (>= 5), header, "
                f"objects; got {len(label)} values {got}. Pack it with im2rec --pack-label from such a list"
            )
            raise RecordFileError(msg)
        self.header = label[:n_header]
        self.objects = label[n_header:].reshape(-1, n_object)

    def label(self) -> np.ndarray[Any, Any]:
        """The flat label again."""
        return np.concatenate([self.header, self.objects.ravel()])

    def mirror(self) -> None:
        """Flips the objects left and right."""
        self.objects = self.objects.copy()
        self.objects[:, [1, 3]] = 1 - self.objects[:, [3, 1]]

    def within(self, crop: Crop) -> np.ndarray[Any, Any]:
        """The objects with their boxes as shares of ``crop``, which may reach beyond the image; not clipped."""
        left, top, width, height = crop
        moved = self.objects.copy()
        moved[:, [1, 3]] = (moved[:, [1, 3]] - left) / width
        moved[:, [2, 4]] = (moved[:, [2, 4]] - top) / height
        return moved

    def pad(self, crop: Crop) -> None:
        """Takes boxes relative to the padded image, of which ``crop`` is the frame."""
        self.objects = self.within(crop)

    def shares(self, crop: Crop) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """For each object: intersection over union with the crop, share of the crop it covers, share of it inside."""
        moved = self.within(crop)[:, 1:5]
        size = np.maximum(moved[:, 2] - moved[:, 0], 0) * np.maximum(moved[:, 3] - moved[:, 1], 0)
        inside = np.clip(moved, 0, 1)
        common = (inside[:, 2] - inside[:, 0]).clip(0) * (inside[:, 3] - inside[:, 1]).clip(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return common / (1 + size - common), common, np.where(size > 0, common / size, 0.0)

    def crop(self, crop: Crop, by_center: bool, least_inside: float) -> bool:
        """Takes boxes relative to the crop, clipped; False, with nothing changed, where no object would be left.

        by_center: objects stay whose middle is inside; else those of which at least ``least_inside`` is.
        """
        moved = self.within(crop)
        if by_center:
            middle = (moved[:, 1:3] + moved[:, 3:5]) / 2
            kept = ((middle > 0) & (middle < 1)).all(axis=1)
        else:
            kept = self.shares(crop)[2] >= least_inside
        if len(moved) and not kept.any():
            return False
        moved[:, 1:5] = np.clip(moved[:, 1:5], 0, 1)
        self.objects = moved[kept]
        return True
