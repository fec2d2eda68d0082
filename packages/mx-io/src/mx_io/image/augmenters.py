"""The augmenters of ``mx.image``: changes of one image, most of them random. Source: as MXNet 1.x.

An augmenter is called with an NDArray (h, w, c), red first, and returns one. The classes here define ``apply`` on NumPy
arrays, so that a sequence of them makes no NDArrays in between; a class that defines ``__call__`` instead works as
well. ``random.seed`` and ``np.random.seed`` decide the random ones.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.errors import DTypeError, ParameterError, ShapeError

from .._opencv import cv2
from ..augmentation.draws import draws
from .arrays import as_result, image_of
from .crops import (
    _renamed_area,
    center_box,
    checked_ratio,
    cropped,
    random_box,
    random_sized_box,
    short_edge_resized,
    size_of,
)
from .decode import resize

__all__ = [
    "Augmenter", "BrightnessJitterAug", "CastAug", "CenterCropAug", "ColorJitterAug", "ColorNormalizeAug",
    "ContrastJitterAug", "ForceResizeAug", "HorizontalFlipAug", "HueJitterAug", "LightingAug", "RandomCropAug",
    "RandomGrayAug", "RandomOrderAug", "RandomSizedCropAug", "ResizeAug", "SaturationJitterAug", "SequentialAug",
]  # fmt: skip

Image = np.ndarray[Any, Any]
# How bright red, green and blue are (BT.601), and MXNet's other weights, of its gray images.
_BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)
_GRAY = np.array([0.21, 0.72, 0.07], np.float32)
# Between RGB and YIQ, where a turn of I and Q is a turn of the hue.
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
_FROM_YIQ = np.array([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.107, 1.705]])


def _plain(value: Any) -> Any:
    """A parameter as JSON has it."""
    if isinstance(value, nd.NDArray):
        value = value.asnumpy()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


class Augmenter:
    """Base of augmenters; a subclass defines ``apply`` on a NumPy array, or ``__call__`` on an NDArray.

    kwargs: the parameters, which ``dumps`` writes.

    >>> class Invert(Augmenter):
    ...     def apply(self, image):
    ...         return 255 - image
    >>> Invert()(nd.zeros((1, 1, 3), dtype="uint8")).asnumpy().tolist()
    [[[255, 255, 255]]]
    """

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = {name: _plain(value) for name, value in kwargs.items()}

    def dumps(self) -> Any:
        """Name and parameters as JSON; of augmenters made of others, a list of the name and theirs.

        >>> ResizeAug(8).dumps()
        '["resizeaug", {"size": 8, "interp": 2}]'
        """
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __call__(self, src: Any) -> Any:
        """The changed image, an NDArray (h, w, c)."""
        image = image_of(type(self).__name__, src)
        made = self.apply(image)
        return src if made is image and isinstance(src, nd.NDArray) else as_result(image, made)

    def apply(self, image: Image) -> Image:
        """The changed image; the given one stays as it is."""
        msg = f"{type(self).__name__} defines neither apply(image) nor __call__(src)"
        raise TypeError(msg)


def _floating(name: str, image: Image, channels: int | None = 3) -> Image:
    """``image``, which must hold floating point numbers. Raises DTypeError, ShapeError."""
    if image.dtype.kind != "f":
        msg = f"[{name}] src must hold floating point numbers, got {image.dtype}; put CastAug before it"
        raise DTypeError(msg)
    if channels is not None and image.shape[2] != channels:
        msg = f"[{name}] src must have {channels} channels, got shape {image.shape}"
        raise ShapeError(msg)
    return image


def _mixed(image: Image, matrix: np.ndarray[Any, Any], offset: Any = 0.0) -> Image:
    """Every pixel, a row of channels, times a matrix, plus the offset."""
    channels = image.shape[2]
    if image.dtype == np.float16 or channels > 4:  # OpenCV takes neither
        return (image.reshape(-1, channels) @ matrix + offset).astype(image.dtype).reshape(image.shape)
    affine = np.empty((channels, channels + 1))
    affine[:, :channels], affine[:, channels] = matrix.T, offset
    made = cv2().transform(np.ascontiguousarray(image), affine)
    return made.reshape(image.shape)  # type: ignore[no-any-return]


def _chance(p: float) -> bool:
    return bool(draws().python.random() < p)


# -- sequences ---------------------------------------------------------------------------------------------------------


class SequentialAug(Augmenter):
    """Augmenters one after another. ts: a list of them."""

    def __init__(self, ts: Iterable[Any]) -> None:
        super().__init__()
        self.ts = list(ts)

    def dumps(self) -> Any:
        """The name, and what the augmenters dump."""
        return [type(self).__name__.lower(), [change.dumps() for change in self.ts]]

    def apply(self, image: Image) -> Image:
        """The image after all of them."""
        from ..augmentation.registry import augment

        return augment(self.ts, image)


class RandomOrderAug(SequentialAug):
    """Augmenters one after another, in a new random order each time. ts: a list of them."""

    def apply(self, image: Image) -> Image:
        """The image after all of them."""
        # The list itself is shuffled, as in MXNet, whose random numbers then give the same orders.
        order = self.ts if draws().python.__class__.__name__ == "module" else list(self.ts)
        draws().python.shuffle(order)
        from ..augmentation.registry import augment

        return augment(order, image)


# -- sizes and crops ---------------------------------------------------------------------------------------------------


class ResizeAug(Augmenter):
    """The shorter edge becomes ``size``. interp: as in ``imresize``."""

    def __init__(self, size: int, interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def apply(self, image: Image) -> Image:
        """The resized image."""
        return short_edge_resized(image, self.size, self.interp)


class ForceResizeAug(Augmenter):
    """The image becomes ``size`` (w, h), whatever its aspect ratio. interp: as in ``imresize``."""

    def __init__(self, size: tuple[int, int], interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size_of("ForceResizeAug", size), interp

    def apply(self, image: Image) -> Image:
        """The resized image."""
        return resize("ForceResizeAug", image, *self.size, self.interp)


class RandomCropAug(Augmenter):
    """``random_crop`` to ``size`` (w, h)."""

    def __init__(self, size: tuple[int, int], interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size_of("RandomCropAug", size), interp

    def apply(self, image: Image) -> Image:
        """The crop."""
        return cropped(image, random_box(image, self.size), self.size, self.interp)


class RandomSizedCropAug(Augmenter):
    """``random_size_crop`` to ``size`` (w, h). area: least fraction of the area, or (least, most). ratio: of w / h."""

    def __init__(
        self, size: tuple[int, int], area: Any, ratio: tuple[float, float], interp: int = 2, **kwargs: Any
    ) -> None:
        area = _renamed_area("RandomSizedCropAug", area, kwargs)
        super().__init__(size=size, area=area, ratio=ratio, interp=interp)
        self.size, self.interp = size_of("RandomSizedCropAug", size), interp
        self.area, self.ratio = area, checked_ratio("RandomSizedCropAug", ratio)

    def apply(self, image: Image) -> Image:
        """The crop."""
        return cropped(image, random_sized_box(image, self.size, self.area, self.ratio), self.size, self.interp)


class CenterCropAug(Augmenter):
    """``center_crop`` to ``size`` (w, h)."""

    def __init__(self, size: tuple[int, int], interp: int = 2) -> None:
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size_of("CenterCropAug", size), interp

    def apply(self, image: Image) -> Image:
        """The crop."""
        return cropped(image, center_box(image, self.size), self.size, self.interp)


class HorizontalFlipAug(Augmenter):
    """Left and right exchanged, with probability ``p``."""

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p = p

    def apply(self, image: Image) -> Image:
        """The image or its mirror image."""
        if not _chance(self.p):
            return image
        if (
            image.dtype.name in ("uint8", "float32", "float64") and image.shape[2] <= 4
        ):  # OpenCV is several times faster
            return cv2().flip(np.ascontiguousarray(image), 1).reshape(image.shape)  # type: ignore[no-any-return]
        return np.ascontiguousarray(image[:, ::-1])


# -- colors ------------------------------------------------------------------------------------------------------------


class _Jitter(Augmenter):
    """A color change of random strength: 1 plus an even number in [-range, range)."""

    def __init__(self, name: str, spread: float) -> None:
        super().__init__(**{name: spread})
        setattr(self, name, spread)
        self._spread = spread

    def _strength(self) -> float:
        return 1.0 + float(draws().python.uniform(-self._spread, self._spread))


class BrightnessJitterAug(_Jitter):
    """The image times ``1 + u``, u spread evenly over [-brightness, brightness)."""

    def __init__(self, brightness: float) -> None:
        super().__init__("brightness", brightness)

    def apply(self, image: Image) -> Image:
        """The image, brighter or darker."""
        return image * np.asarray(self._strength(), _floating("BrightnessJitterAug", image, None).dtype)


class ContrastJitterAug(_Jitter):
    """The image moved toward or away from its mean brightness: ``a x + (1 - a) mean``, a = 1 + u as BrightnessJitterAug."""

    def __init__(self, contrast: float) -> None:
        super().__init__("contrast", contrast)

    def apply(self, image: Image) -> Image:
        """The image with more or less contrast."""
        _floating("ContrastJitterAug", image)
        alpha = self._strength()
        exact = image if image.dtype != np.float16 else image.astype(np.float32)
        mean = float(np.dot(cv2().mean(np.ascontiguousarray(exact))[:3], _BRIGHTNESS))
        made = image * image.dtype.type(alpha)
        made += image.dtype.type((1.0 - alpha) * mean)
        return made


class SaturationJitterAug(_Jitter):
    """Every pixel moved toward or away from its gray: ``a x + (1 - a) gray``, a = 1 + u as BrightnessJitterAug."""

    def __init__(self, saturation: float) -> None:
        super().__init__("saturation", saturation)

    def apply(self, image: Image) -> Image:
        """The image with more or less color."""
        _floating("SaturationJitterAug", image)
        alpha = self._strength()
        toward_gray = np.repeat(_BRIGHTNESS[:, np.newaxis] * np.float32(1.0 - alpha), 3, axis=1)
        return _mixed(image, toward_gray + alpha * np.eye(3))


class HueJitterAug(_Jitter):
    """The hue turned by ``pi u``, u spread evenly over [-hue, hue), as a rotation in the YIQ color space."""

    def __init__(self, hue: float) -> None:
        super().__init__("hue", hue)

    def apply(self, image: Image) -> Image:
        """The image in other hues."""
        _floating("HueJitterAug", image)
        return _mixed(image, hue_matrix(float(draws().python.uniform(-self._spread, self._spread))))


def hue_matrix(turn: float) -> np.ndarray[Any, Any]:
    """(3, 3), by which a row (r, g, b) is multiplied to turn its hue by ``pi turn``."""
    cos, sin = math.cos(turn * math.pi), math.sin(turn * math.pi)
    rotation = np.array([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]])
    return (_FROM_YIQ @ rotation @ _TO_YIQ).T  # type: ignore[no-any-return]


class ColorJitterAug(RandomOrderAug):
    """Brightness, contrast and saturation jitter in random order; those of range 0 are left out."""

    def __init__(self, brightness: float, contrast: float, saturation: float) -> None:
        chosen = zip(
            (BrightnessJitterAug, ContrastJitterAug, SaturationJitterAug),
            (brightness, contrast, saturation),
            strict=True,
        )
        super().__init__([kind(spread) for kind, spread in chosen if spread > 0])


class LightingAug(Augmenter):
    """Noise along the principal components of colors: ``x + eigvec (a * eigval)``, a normal of deviation alphastd.

    eigval: (3,).  eigvec: (3, 3).  Source: Krizhevsky et al. 2012.
    """

    def __init__(self, alphastd: float, eigval: Any, eigvec: Any) -> None:
        super().__init__(alphastd=alphastd, eigval=eigval, eigvec=eigvec)
        self.alphastd = alphastd
        self.eigval, self.eigvec = (np.asarray(_plain(v), np.float64) for v in (eigval, eigvec))

    def apply(self, image: Image) -> Image:
        """The image with one color added to all pixels."""
        _floating("LightingAug", image)
        alpha = draws().numpy.normal(0, self.alphastd, size=(3,))
        return _mixed(image, np.eye(3), (self.eigvec * alpha) @ self.eigval)


class RandomGrayAug(Augmenter):
    """Gray in all three channels, with probability ``p``."""

    def __init__(self, p: float) -> None:
        super().__init__(p=p)
        self.p = p

    def apply(self, image: Image) -> Image:
        """The image, or a gray one."""
        if not _chance(self.p):
            return image
        return _mixed(_floating("RandomGrayAug", image), np.repeat(_GRAY[:, np.newaxis], 3, axis=1))


class ColorNormalizeAug(Augmenter):
    """``(x - mean) / std`` by channel. mean, std: an array or number, or None to leave it out."""

    def __init__(self, mean: Any, std: Any) -> None:
        super().__init__(mean=mean, std=std)
        self.mean, self.std = mean, std
        self._mean, self._std = (None if v is None else np.asarray(_plain(v), np.float32) for v in (mean, std))

    def apply(self, image: Image) -> Image:
        """The normalized image."""
        _floating("ColorNormalizeAug", image, None)
        channels = image.shape[2]
        try:
            mean = np.broadcast_to(0.0 if self._mean is None else self._mean, channels)
            std = np.broadcast_to(1.0 if self._std is None else self._std, channels).astype(np.float64)
        except ValueError:
            shapes = [None if v is None else v.shape for v in (self._mean, self._std)]
            msg = f"[ColorNormalizeAug] mean and std of shapes {shapes} do not fit an image {image.shape}"
            raise ShapeError(msg) from None
        with np.errstate(divide="ignore", invalid="ignore"):
            return _mixed(image, np.diag(1.0 / std), -mean / std)


class CastAug(Augmenter):
    """The image in another element type. typ: its name."""

    def __init__(self, typ: Any = "float32") -> None:
        super().__init__(type=typ)
        self.typ = typ
        try:
            self._dtype = np.dtype(typ)
        except TypeError:
            msg = f"[CastAug] typ must be an element type such as 'float32', got {typ!r}"
            raise ParameterError(msg) from None

    def apply(self, image: Image) -> Image:
        """The image, cast."""
        return image.astype(self._dtype)
