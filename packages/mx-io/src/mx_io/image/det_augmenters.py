"""The augmenters of detection: changes of an image and of the boxes on it. Source: as MXNet 1.x.

They are called with an NDArray (h, w, c) and labels, NumPy (k, 5 or more): class, x_min, y_min, x_max, y_max from 0 to 1.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mx_core.errors import DTypeError, ParameterError, ShapeError

from ..augmentation.draws import draws
from .arrays import as_result, image_of
from .augmenters import Augmenter, CastAug, ForceResizeAug, ResizeAug, _plain
from .boxes import Limits, crop_proposal, pad_proposal
from .create import color_augmenters
from .decode import add_border

__all__ = [
    "CreateDetAugmenter", "CreateMultiRandCropAugmenter", "DetAugmenter", "DetBorrowAug", "DetHorizontalFlipAug",
    "DetRandomCropAug", "DetRandomPadAug", "DetRandomSelectAug",
]  # fmt: skip

Result = tuple[Any, np.ndarray[Any, Any]]
_COLUMNS = 5  # class and four corners


class DetAugmenter:
    """Base of detection augmenters; a subclass defines ``__call__(src, label)``. kwargs: what ``dumps`` writes."""

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = {name: _plain(value) for name, value in kwargs.items()}

    def dumps(self) -> Any:
        """Name and parameters as JSON; of augmenters made of others, a list of the name and theirs."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __call__(self, src: Any, label: np.ndarray[Any, Any]) -> Result:
        """The changed image and labels."""
        msg = f"{type(self).__name__} does not define __call__(src, label)"
        raise TypeError(msg)


def _checked(name: str, label: Any) -> np.ndarray[Any, Any]:
    if getattr(label, "ndim", 0) != 2 or label.shape[1] < _COLUMNS:
        msg = f"[{name}] label must be (k, 5 or more): class, x_min, y_min, x_max, y_max; got {np.shape(label)}"
        raise ShapeError(msg)
    return label  # type: ignore[no-any-return]


class DetBorrowAug(DetAugmenter):
    """An augmenter of ``mx.image`` that leaves the boxes where they are: resizing, colors, casting."""

    def __init__(self, augmenter: Augmenter) -> None:
        if not isinstance(augmenter, Augmenter):
            msg = f"Borrowing from invalid Augmenter: [DetBorrowAug] expected an mx.image.Augmenter, got {augmenter!r}"
            raise DTypeError(msg)
        super().__init__()
        self.augmenter = augmenter

    def dumps(self) -> Any:
        """The name, and what the augmenter dumps."""
        return [type(self).__name__.lower(), self.augmenter.dumps()]

    def __call__(self, src: Any, label: np.ndarray[Any, Any]) -> Result:
        """The changed image, and the labels as they are."""
        return self.augmenter(src), label


class DetRandomSelectAug(DetAugmenter):
    """One of several detection augmenters, at random. skip_prob: probability of none."""

    def __init__(self, aug_list: Any, skip_prob: float = 0) -> None:
        super().__init__(skip_prob=skip_prob)
        self.aug_list = list(aug_list) if isinstance(aug_list, (list, tuple)) else [aug_list]
        for made in self.aug_list:
            if not isinstance(made, DetAugmenter):
                msg = f"Allow DetAugmenter in list only: [DetRandomSelectAug] got {made!r}"
                raise ParameterError(msg)
        # As in MXNet: an empty list is always skipped.
        self.skip_prob = skip_prob if self.aug_list else 1

    def dumps(self) -> Any:
        """The name, and what the augmenters dump."""
        return [type(self).__name__.lower(), [made.dumps() for made in self.aug_list]]

    def __call__(self, src: Any, label: np.ndarray[Any, Any]) -> Result:
        """What one of the augmenters, or none, makes of image and labels."""
        random = draws().python
        if random.random() < self.skip_prob:
            return src, label
        random.shuffle(self.aug_list)
        return self.aug_list[0](src, label)  # type: ignore[no-any-return]


class DetHorizontalFlipAug(DetAugmenter):
    """Image and boxes, left and right exchanged, with probability ``p``."""

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p = p

    def __call__(self, src: Any, label: np.ndarray[Any, Any]) -> Result:
        """Image and labels, or their mirror images."""
        if draws().python.random() >= self.p:
            return src, label
        image = image_of("DetHorizontalFlipAug", src)
        flipped = _checked("DetHorizontalFlipAug", label).copy()
        flipped[:, 1], flipped[:, 3] = 1.0 - label[:, 3], 1.0 - label[:, 1]
        return as_result(image, np.ascontiguousarray(image[:, ::-1])), flipped


def _are_usable(name: str, limits: Limits, least_area: float, largest: float) -> bool:
    low, high = limits.areas
    usable = low <= high and high > least_area and 0 < limits.aspects[0] <= limits.aspects[1]
    if not usable:
        msg = (
            f"[{name}] disabled: area_range {limits.areas} and aspect_ratio_range {limits.aspects} must be "
            f"(low, high) with low <= high, and areas above {largest:g}"
        )
        warnings.warn(msg, UserWarning, stacklevel=3)
    return usable


class DetRandomCropAug(DetAugmenter):
    """A random crop that shows the boxes it touches well enough; after max_attempts failures, all of the image.

    min_object_covered: fraction of each touched box that must show.  aspect_ratio_range: (least, most) w / h.
    area_range: (least, most) fraction of the image.  min_eject_coverage: boxes of which less remains are left out.
    """

    def __init__(
        self,
        min_object_covered: float = 0.1,
        aspect_ratio_range: Any = (0.75, 1.33),
        area_range: Any = (0.05, 1.0),
        min_eject_coverage: float = 0.3,
        max_attempts: int = 50,
    ) -> None:
        self._limits = Limits(aspect_ratio_range, area_range, max_attempts)
        self.aspect_ratio_range, self.area_range = self._limits.aspects, self._limits.areas
        super().__init__(
            min_object_covered=min_object_covered,
            aspect_ratio_range=self.aspect_ratio_range,
            area_range=self.area_range,
            min_eject_coverage=min_eject_coverage,
            max_attempts=max_attempts,
        )
        self.min_object_covered, self.min_eject_coverage = min_object_covered, min_eject_coverage
        self.max_attempts = max_attempts
        self.enabled = _are_usable("DetRandomCropAug", self._limits, 0.0, 0.0)

    def __call__(self, src: Any, label: np.ndarray[Any, Any]) -> Result:
        """A crop, and the labels within it."""
        if not self.enabled:
            return src, label
        image, label = image_of("DetRandomCropAug", src), _checked("DetRandomCropAug", label)
        found = crop_proposal(label, *image.shape[:2], self._limits, self.min_object_covered, self.min_eject_coverage)
        if found is None:
            return src, label
        (x, y, w, h), kept = found
        return as_result(image, image[y : y + h, x : x + w]), kept


class DetRandomPadAug(DetAugmenter):
    """The image on a larger canvas, at a random place.

    aspect_ratio_range: (least, most) w / h of the canvas.  area_range: (least, most) times the image's area.  pad_val:
    the canvas' color, one number or three.
    """

    def __init__(
        self,
        aspect_ratio_range: Any = (0.75, 1.33),
        area_range: Any = (1.0, 3.0),
        max_attempts: int = 50,
        pad_val: Any = (128, 128, 128),
    ) -> None:
        self._limits = Limits(aspect_ratio_range, area_range, max_attempts)
        self.aspect_ratio_range, self.area_range = self._limits.aspects, self._limits.areas
        super().__init__(
            aspect_ratio_range=self.aspect_ratio_range,
            area_range=self.area_range,
            max_attempts=max_attempts,
            pad_val=pad_val,
        )
        self.max_attempts = max_attempts
        self.pad_val = pad_val
        self.enabled = _are_usable("DetRandomPadAug", self._limits, 1.0, 1.0)

    def __call__(self, src: Any, label: np.ndarray[Any, Any]) -> Result:
        """The image on its canvas, and the labels moved with it."""
        if not self.enabled:
            return src, label
        image, label = image_of("DetRandomPadAug", src), _checked("DetRandomPadAug", label)
        height, width, channels = image.shape
        found = pad_proposal(label, height, width, self._limits)
        if found is None:
            return src, label
        (x, y, w, h), moved = found
        color = tuple(np.broadcast_to(np.ravel(self.pad_val), channels)) if np.size(self.pad_val) == 1 else self.pad_val
        padded = add_border(image, (y, h - y - height, x, w - x - width), values=color)
        return as_result(image, padded), moved


def _aligned(parameters: Sequence[Any]) -> list[list[Any]]:
    """Each parameter as a list of one length: lists as they are, others repeated."""
    lists = [value if isinstance(value, list) else [value] for value in parameters]
    count = max(len(value) for value in lists)
    for value in lists:
        if len(value) not in (1, count):
            msg = f"[CreateMultiRandCropAugmenter] lists must have one length, {count}, or 1, got {value}"
            raise ParameterError(msg)
    return [value * count if len(value) == 1 else value for value in lists]


def CreateMultiRandCropAugmenter(  # noqa: N802 - MXNet's name
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = (0.75, 1.33),
    area_range: Any = (0.05, 1.0),
    min_eject_coverage: Any = 0.3,
    max_attempts: Any = 50,
    skip_prob: float = 0,
) -> DetRandomSelectAug:
    """One of several DetRandomCropAug, at random: each parameter may be a list, one value for each of them.

    >>> len(CreateMultiRandCropAugmenter(min_object_covered=[0.1, 0.5, 0.9]).aug_list)
    3
    """
    columns = _aligned([min_object_covered, aspect_ratio_range, area_range, min_eject_coverage, max_attempts])
    return DetRandomSelectAug([DetRandomCropAug(*row) for row in zip(*columns, strict=True)], skip_prob)


def CreateDetAugmenter(  # noqa: N802 - MXNet's name
    data_shape: tuple[int, int, int],
    resize: int = 0,
    rand_crop: float = 0,
    rand_pad: float = 0,
    rand_gray: float = 0,
    rand_mirror: bool = False,
    mean: Any = None,
    std: Any = None,
    brightness: float = 0,
    contrast: float = 0,
    saturation: float = 0,
    pca_noise: float = 0,
    hue: float = 0,
    inter_method: int = 2,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = (0.75, 1.33),
    area_range: Any = (0.05, 3.0),
    min_eject_coverage: Any = 0.3,
    max_attempts: Any = 50,
    pad_val: Any = (127, 127, 127),
) -> list[DetAugmenter]:
    """A list of detection augmenters that makes float32 images of ``data_shape`` (c, h, w).

    rand_crop, rand_pad: probabilities of a random crop and of a random border.  area_range: (least, most) fraction of
    the image's area; above 1 it is the border's limit.  min_object_covered, aspect_ratio_range, area_range,
    min_eject_coverage, max_attempts: lists for several kinds of crops.  pad_val: the border's color. The other
    parameters are those of CreateAugmenter.

    >>> [made.dumps()[0] for made in CreateDetAugmenter((3, 8, 8), rand_crop=0.5)]
    ['detrandomselectaug', 'detborrowaug', 'detborrowaug']
    """
    made: list[DetAugmenter] = []
    if resize > 0:
        made.append(DetBorrowAug(ResizeAug(resize, inter_method)))
    if rand_crop > 0:
        crops = (min_object_covered, aspect_ratio_range, area_range, min_eject_coverage, max_attempts)
        made.append(CreateMultiRandCropAugmenter(*crops, skip_prob=1 - rand_crop))
    if rand_mirror:
        made.append(DetHorizontalFlipAug(0.5))
    if rand_pad > 0:
        largest = max(_flat(area_range))
        aspects = aspect_ratio_range[0] if isinstance(aspect_ratio_range, list) else aspect_ratio_range
        attempts = max_attempts[0] if isinstance(max_attempts, list) else max_attempts
        made.append(DetRandomSelectAug([DetRandomPadAug(aspects, (1.0, largest), attempts, pad_val)], 1 - rand_pad))
    made.append(DetBorrowAug(ForceResizeAug((data_shape[2], data_shape[1]), inter_method)))
    made.append(DetBorrowAug(CastAug()))
    colors = color_augmenters(brightness, contrast, saturation, hue, pca_noise, rand_gray, mean, std, as_float32=False)
    return made + [DetBorrowAug(color) for color in colors]


def _flat(value: Any) -> Iterable[float]:
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _flat(item)
    else:
        yield value
