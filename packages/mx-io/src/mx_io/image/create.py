"""CreateAugmenter: the usual list of augmenters from a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.errors import ParameterError, ShapeError

from ..augmentation.registry import create_augmenters
from .augmenters import (
    CastAug,
    CenterCropAug,
    ColorJitterAug,
    ColorNormalizeAug,
    HorizontalFlipAug,
    HueJitterAug,
    LightingAug,
    RandomCropAug,
    RandomGrayAug,
    RandomSizedCropAug,
    ResizeAug,
)

__all__ = ["CreateAugmenter", "color_augmenters"]

# Of the pixels of ImageNet: mean, deviation, and the principal components of their colors.
MEAN, STD = (123.68, 116.28, 103.53), (58.395, 57.12, 57.375)
_EIGVAL = np.array([55.46, 4.794, 1.148])
_EIGVEC = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])


def _statistic(name: str, value: Any, standard: tuple[float, ...], as_float32: bool) -> Any:
    if value is None or value is False:
        return None
    if value is True:
        return np.array(standard, np.float32 if as_float32 else np.float64)
    numbers = value.asnumpy() if isinstance(value, nd.NDArray) else np.asarray(value)
    if numbers.ndim != 1 or numbers.shape[0] not in (1, 3):
        msg = f"{name} must be True, None, or an array of 1 or 3 numbers, got shape {numbers.shape}"
        raise ShapeError(msg)
    return numbers


def color_augmenters(
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
    pca_noise: float,
    rand_gray: float,
    mean: Any,
    std: Any,
    as_float32: bool = True,
) -> list[Any]:
    """The augmenters of colors that CreateAugmenter and CreateDetAugmenter have in common."""
    made: list[Any] = []
    if brightness or contrast or saturation:
        made.append(ColorJitterAug(brightness, contrast, saturation))
    if hue:
        made.append(HueJitterAug(hue))
    if pca_noise > 0:
        made.append(LightingAug(pca_noise, _EIGVAL, _EIGVEC))
    if rand_gray > 0:
        made.append(RandomGrayAug(rand_gray))
    mean = _statistic("mean", mean, MEAN, as_float32)
    std = _statistic("std", std, STD, as_float32)
    if mean is not None or std is not None:
        made.append(ColorNormalizeAug(mean, std))
    return made


def CreateAugmenter(  # noqa: N802 - MXNet's name
    data_shape: tuple[int, int, int],
    resize: int = 0,
    rand_crop: bool = False,
    rand_resize: bool = False,
    rand_mirror: bool = False,
    mean: Any = None,
    std: Any = None,
    brightness: float = 0,
    contrast: float = 0,
    saturation: float = 0,
    hue: float = 0,
    pca_noise: float = 0,
    rand_gray: float = 0,
    inter_method: int = 2,
    aug_seq: Any = (),
) -> list[Any]:
    """A list of augmenters that makes float32 images (h, w, c) of ``data_shape`` (c, h, w).

    resize: the shorter edge's length, first of all.  rand_crop: crop at random places instead of the center.
    rand_resize: of random areas (8 % and more) and aspect ratios (3/4 to 4/3) too.  rand_mirror: flip every second image.
    mean, std: for each channel, or True for ImageNet's.  brightness, contrast, saturation, hue: ranges of jitter.
    pca_noise: deviation of noise along ImageNet's principal components.  rand_gray: probability of gray images.
    inter_method: as ``interp`` of ``imresize``.  aug_seq: more augmenters by name (``mx_io.augmentation``), for the uint8
    image after crop and flip. MXNet 1.x has no ``aug_seq``.

    >>> [type(made).__name__ for made in CreateAugmenter((3, 8, 8), resize=10, rand_mirror=True)]
    ['ResizeAug', 'CenterCropAug', 'HorizontalFlipAug', 'CastAug']
    """
    made: list[Any] = [ResizeAug(resize, inter_method)] if resize > 0 else []
    size = (data_shape[2], data_shape[1])
    if rand_resize:
        if not rand_crop:
            msg = "[CreateAugmenter] rand_resize=True needs rand_crop=True"
            raise ParameterError(msg)
        made.append(RandomSizedCropAug(size, 0.08, (3.0 / 4.0, 4.0 / 3.0), inter_method))
    else:
        made.append((RandomCropAug if rand_crop else CenterCropAug)(size, inter_method))
    if rand_mirror:
        made.append(HorizontalFlipAug(0.5))
    made += create_augmenters(aug_seq)
    made.append(CastAug())
    return made + color_augmenters(brightness, contrast, saturation, hue, pca_noise, rand_gray, mean, std)
