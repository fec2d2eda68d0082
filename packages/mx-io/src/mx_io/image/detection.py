"""``mx.image.detection``: the detection augmenters and ImageDetIter, and what MXNet's module has beside them."""

from __future__ import annotations

from .det_augmenters import (
    CreateDetAugmenter,
    CreateMultiRandCropAugmenter,
    DetAugmenter,
    DetBorrowAug,
    DetHorizontalFlipAug,
    DetRandomCropAug,
    DetRandomPadAug,
    DetRandomSelectAug,
)
from .det_iterator import ImageDetIter
from .image import (
    Augmenter,
    CastAug,
    ColorJitterAug,
    ColorNormalizeAug,
    ForceResizeAug,
    HueJitterAug,
    ImageIter,
    LightingAug,
    RandomGrayAug,
    RandomOrderAug,
    ResizeAug,
    fixed_crop,
)

__all__ = [
    "Augmenter", "CastAug", "ColorJitterAug", "ColorNormalizeAug", "CreateDetAugmenter", "CreateMultiRandCropAugmenter",
    "DetAugmenter", "DetBorrowAug", "DetHorizontalFlipAug", "DetRandomCropAug", "DetRandomPadAug", "DetRandomSelectAug",
    "ForceResizeAug", "HueJitterAug", "ImageDetIter", "ImageIter", "LightingAug", "RandomGrayAug", "RandomOrderAug",
    "ResizeAug", "fixed_crop",
]  # fmt: skip
