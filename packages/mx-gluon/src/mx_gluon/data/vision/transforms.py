"""Transforms of images (h, w, c) for data sets: ``dataset.transform_first(transforms.ToTensor())``.

Those of sizes and rotations work through mx-io (OpenCV); the others are operators, and run on any device. Random
operators follow ``mx.random.seed``, random crops and rotations ``random.seed`` and ``np.random.seed``, as in MXNet.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mx_core import data as _data
from mx_core import ndarray as nd
from mx_core.errors import DTypeError, ParameterError, PluginError

from ...block import Block
from ...hybrid_block import HybridBlock
from ...nn import HybridSequential, Sequential

__all__ = [
    "Cast", "CenterCrop", "Compose", "CropResize", "HybridCompose", "HybridRandomApply", "Normalize", "RandomApply",
    "RandomBrightness", "RandomColorJitter", "RandomContrast", "RandomCrop", "RandomFlipLeftRight", "RandomFlipTopBottom",
    "RandomGray", "RandomHue", "RandomLighting", "RandomResizedCrop", "RandomRotation", "RandomSaturation", "Resize",
    "Rotate", "ToTensor",
]  # fmt: skip

_NDArray = nd.NDArray


class _Change(HybridBlock):
    """A transform without parameters: on arrays its ``hybrid_forward`` is called at once."""

    def __call__(self, x: Any, *args: Any) -> Any:
        """The changed images."""
        if x.__class__ is _NDArray and not (self._active or self._forward_hooks or self._forward_pre_hooks):
            return self.hybrid_forward(nd, x, *args)
        return super().__call__(x, *args)


def _pair(name: str, size: Any) -> tuple[int, int]:
    """(width, height) of a number or of a pair."""
    try:
        w, h = (size, size) if isinstance(size, (int, np.integer)) else size
        w, h = int(w), int(h)
    except (TypeError, ValueError):
        w = h = 0
    if w < 1 or h < 1:
        msg = f"[{name}] size must be an int above 0 or (width, height), got {size!r}"
        raise ParameterError(msg)
    return w, h


# -- sequences ---------------------------------------------------------------------------------------------------------


class Compose(Sequential):
    """Transforms applied one after another.

    >>> Compose([ToTensor(), Normalize(0.5, 0.5)])(nd.zeros((2, 3, 1), dtype="uint8")).asnumpy()[0, 0].tolist()
    [-1.0, -1.0, -1.0]
    """

    def __init__(self, transforms: list[Any]) -> None:
        super().__init__()
        self.add(*transforms)

    def forward(self, x: Any, *args: Any) -> Any:
        """The image after all transforms; further arguments, such as labels, are handed on."""
        for change in self._children.values():
            x = change(x)
        return (x, *args) if args else x


class HybridCompose(HybridSequential):
    """Transforms that are HybridBlocks, applied one after another."""

    def __init__(self, transforms: list[Any]) -> None:
        super().__init__()
        self.add(*transforms)


def _probability(name: str, p: float) -> float:
    if not 0 <= p <= 1:
        msg = f"[{name}] p must be between 0 and 1, got {p}"
        raise ParameterError(msg)
    return p


class RandomApply(Sequential):
    """A transform, or a list of them, applied with probability ``p`` (``np.random.seed``)."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self.transforms = Compose(transforms) if isinstance(transforms, (list, tuple)) else transforms
        self.p = _probability("RandomApply", p)

    def forward(self, x: Any, *args: Any) -> Any:
        """The image, changed or not."""
        if self.p < np.random.random():  # noqa: NPY002 - np.random.seed decides, as MXNet
            return (x, *args) if args else x
        x = self.transforms(x)
        return (x, *args) if args else x


class HybridRandomApply(HybridSequential):
    """A transform that is a HybridBlock, applied with probability ``p`` (``mx.random.seed``)."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self.transforms = HybridCompose(transforms) if isinstance(transforms, (list, tuple)) else transforms
        self.p = _probability("HybridRandomApply", p)

    def hybrid_forward(self, F: Any, x: Any, *args: Any) -> Any:
        """The image, changed or not; both are computed."""
        return _chosen(F, self.p, self.transforms(x), x)


def _chosen(F: Any, p: float, changed: Any, x: Any) -> Any:
    """``changed`` with probability p, else ``x``, of the same shape."""
    coin = F.random.uniform(0, 1, shape=(1,)) < p
    share = F.broadcast_mul(F.ones_like(F.cast(x, dtype="float32")), coin)
    return F.where(share, changed, x)


# -- tensors -----------------------------------------------------------------------------------------------------------


class Cast(_Change):
    """The input in another element type."""

    def __init__(self, dtype: Any = "float32") -> None:
        super().__init__()
        self._dtype = dtype

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x cast."""
        return F.cast(x, dtype=self._dtype)


class ToTensor(_Change):
    """Images (h, w, c), or (n, h, w, c), with values in [0, 255] as float32 (c, h, w) in [0, 1].

    >>> ToTensor()(nd.full((1, 1, 3), 255, dtype="uint8")).asnumpy().ravel().tolist()
    [1.0, 1.0, 1.0]
    """

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x as float32, channels first."""
        return F.image.to_tensor(x)


def _numbers(value: Any) -> tuple[float, ...]:
    if isinstance(value, _NDArray):
        value = value.asnumpy()
    return tuple(float(v) for v in np.ravel(value))


class Normalize(_Change):
    """``(x - mean) / std`` per channel of float images (c, h, w) or (n, c, h, w); mean, std: numbers or one per channel."""

    def __init__(self, mean: Any = 0.0, std: Any = 1.0) -> None:
        super().__init__()
        self._mean, self._std = _numbers(mean), _numbers(std)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x normalized."""
        return F.image.normalize(x, mean=self._mean, std=self._std)


# -- sizes -------------------------------------------------------------------------------------------------------------


def _resized(x: Any, size: Any, keep_ratio: bool, interp: int) -> Any:
    """An image of another size: by OpenCV where mx-io is there, else by the operator."""
    try:
        image = _data.reader("image")
    except PluginError:
        return nd.image.resize(x, size=size, keep_ratio=keep_ratio, interp=interp)
    if keep_ratio and isinstance(size, int):
        return image.resize_short(x, size, interp)
    return image.imresize(x, *_pair("Resize", size), interp)


class Resize(_Change):
    """Images (h, w, c), or (n, h, w, c), of another size.

    size: (width, height), or one number: the edges of a square, with keep_ratio the shorter edge.  interpolation: 0
    nearest, 1 bilinear, 2 bicubic, 3 area, 4 Lanczos; of single images also 9 and 10, as in ``mx.image.imresize``.

    >>> Resize(4, keep_ratio=True)(nd.zeros((8, 16, 3))).shape
    (4, 8, 3)
    """

    def __init__(self, size: Any, keep_ratio: bool = False, interpolation: int = 1) -> None:
        super().__init__()
        self._keep = keep_ratio
        self._size = size if isinstance(size, int) else _pair("Resize", size)
        _pair("Resize", size)
        self._interpolation = interpolation

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x resized."""
        if F is nd and x.ndim == 3 and x.context.device_typeid != 2:
            return _resized(x, self._size, self._keep, self._interpolation)
        return F.image.resize(x, size=self._size, keep_ratio=self._keep, interp=self._interpolation)


class CropResize(_Change):
    """The part of images (h, w, c), or (n, h, w, c), at column x and row y; resized to ``size`` where that is given."""

    def __init__(
        self, x: int, y: int, width: int, height: int, size: Any = None, interpolation: int | None = None
    ) -> None:
        super().__init__()
        self._box = {"x": x, "y": y, "width": width, "height": height}
        self._resize = None if size is None else Resize(size, False, 1 if interpolation is None else interpolation)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """The part of x."""
        part = F.image.crop(x, **self._box)
        return part if self._resize is None else self._resize(part)


class CenterCrop(Block):
    """The middle of an image, ``size`` (width, height) or a number for both; a smaller image is cropped and enlarged."""

    def __init__(self, size: Any, interpolation: int = 1) -> None:
        super().__init__()
        self._args = (_pair("CenterCrop", size), interpolation)

    def forward(self, x: Any) -> Any:
        """The middle of x."""
        return _data.reader("image").center_crop(x, *self._args)[0]


class RandomCrop(Block):
    """A part of an image at a random place, ``size`` (width, height) or a number for both.

    pad: pixels of border to add first: a number, (horizontal, vertical) or (left, top, right, bottom).  pad_value: of
    the border.  An image that is smaller is cropped and enlarged.
    """

    def __init__(self, size: Any, pad: Any = None, pad_value: float = 0, interpolation: int = 1) -> None:
        super().__init__()
        self._args = (_pair("RandomCrop", size), interpolation)
        self._margins = None if pad is None else _margins(pad)
        self._pad_value = pad_value

    def forward(self, x: Any) -> Any:
        """A part of x."""
        image = _data.reader("image")
        if self._margins is not None:
            x = image.copyMakeBorder(x, *self._margins, 0, self._pad_value)
        return image.random_crop(x, *self._args)[0]


def _margins(pad: Any) -> tuple[int, int, int, int]:
    """(top, bottom, left, right)."""
    sides = [int(v) for v in np.ravel(pad)]
    if len(sides) not in (1, 2, 4) or min(sides) < 0:
        msg = f"[RandomCrop] pad must be one, two or four numbers of pixels, none below 0; got {pad!r}"
        raise ParameterError(msg)
    left, top, right, bottom = (sides * 4)[:4]
    return top, bottom, left, right


class RandomResizedCrop(Block):
    """A part of random area, aspect ratio and place, resized to ``size`` (width, height) or a number for both.

    scale: (least, most) fraction of the image's area.  ratio: (least, most) width / height.
    """

    def __init__(
        self, size: Any, scale: Any = (0.08, 1.0), ratio: Any = (3.0 / 4.0, 4.0 / 3.0), interpolation: int = 1
    ) -> None:
        super().__init__()
        self._args = (_pair("RandomResizedCrop", size), scale, ratio, interpolation)

    def forward(self, x: Any) -> Any:
        """A part of x."""
        return _data.reader("image").random_size_crop(x, *self._args)[0]


# -- rotations and flips -----------------------------------------------------------------------------------------------


def _require_float32(x: Any) -> None:
    if x.dtype is not np.float32:
        msg = (
            "This transformation only supports float32. Consider calling it after ToTensor; "
            f"[Rotate] got {np.dtype(x.dtype)}"
        )
        raise DTypeError(msg)


class Rotate(Block):
    """Images turned by ``rotation_degrees`` around their middle: float32 (c, h, w) or (n, c, h, w).

    zoom_in: magnify until no border shows.  zoom_out: shrink until all of the image shows.
    """

    def __init__(self, rotation_degrees: float, zoom_in: bool = False, zoom_out: bool = False) -> None:
        super().__init__()
        self._args = (rotation_degrees, zoom_in, zoom_out)

    def forward(self, x: Any) -> Any:
        """x turned."""
        _require_float32(x)
        return _data.reader("image").imrotate(x, *self._args)


class RandomRotation(Block):
    """Images turned by random angles between the two ``angle_limits``, in degrees, with a probability."""

    def __init__(
        self,
        angle_limits: tuple[float, float],
        zoom_in: bool = False,
        zoom_out: bool = False,
        rotate_with_proba: float = 1.0,
    ) -> None:
        super().__init__()
        lower, upper = angle_limits
        if lower >= upper:
            msg = f"`angle_limits` must be an ordered tuple: [RandomRotation] got {angle_limits}"
            raise ParameterError(msg)
        if not 0 <= rotate_with_proba <= 1:
            msg = f"Probability of rotating the image should be between 0 and 1, got {rotate_with_proba}"
            raise ParameterError(msg)
        self._args = (angle_limits, zoom_in, zoom_out)
        self._proba = rotate_with_proba

    def forward(self, x: Any) -> Any:
        """x, turned or not."""
        if np.random.random() > self._proba:  # noqa: NPY002 - np.random.seed decides, as MXNet
            return x
        _require_float32(x)
        return _data.reader("image").random_rotate(x, *self._args)


class RandomFlipLeftRight(_Change):
    """Images (h, w, c) with left and right exchanged, every second time."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x, flipped or not."""
        return F.image.random_flip_left_right(x)


class RandomFlipTopBottom(_Change):
    """Images (h, w, c) with top and bottom exchanged, every second time."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x, flipped or not."""
        return F.image.random_flip_top_bottom(x)


# -- colors ------------------------------------------------------------------------------------------------------------


class _Factor(_Change):
    """A change of colors by a random factor in [max(0, 1 - spread), 1 + spread)."""

    _operator = ""

    def __init__(self, spread: float) -> None:
        super().__init__()
        if spread < 0:
            msg = f"[{type(self).__name__}] takes a number of 0 or more, got {spread}"
            raise ParameterError(msg)
        self._args = (max(0, 1 - spread), 1 + spread)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x in other colors."""
        low, high = self._args
        return getattr(F.image, self._operator)(x, min_factor=low, max_factor=high)


class RandomBrightness(_Factor):
    """Images times a random factor in [max(0, 1 - brightness), 1 + brightness)."""

    _operator = "random_brightness"

    def __init__(self, brightness: float) -> None:
        super().__init__(brightness)


class RandomContrast(_Factor):
    """Images with their contrast changed by a random factor in [max(0, 1 - contrast), 1 + contrast)."""

    _operator = "random_contrast"

    def __init__(self, contrast: float) -> None:
        super().__init__(contrast)


class RandomSaturation(_Factor):
    """Images with their saturation changed by a random factor in [max(0, 1 - saturation), 1 + saturation)."""

    _operator = "random_saturation"

    def __init__(self, saturation: float) -> None:
        super().__init__(saturation)


class RandomHue(_Factor):
    """Images with their hue up to ``hue`` whole turns away."""

    _operator = "random_hue"

    def __init__(self, hue: float) -> None:
        super().__init__(hue)


class RandomColorJitter(_Change):
    """RandomBrightness, RandomContrast, RandomSaturation and RandomHue together; those of 0 are left out."""

    def __init__(self, brightness: float = 0, contrast: float = 0, saturation: float = 0, hue: float = 0) -> None:
        super().__init__()
        self._args = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue}

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x in other colors."""
        return F.image.random_color_jitter(x, **self._args)


class RandomLighting(_Change):
    """Noise of deviation ``alpha`` along the principal components of ImageNet's colors (Krizhevsky et al. 2012)."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self._alpha = alpha

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x with one color added to all pixels."""
        return F.image.random_lighting(x, alpha_std=self._alpha)


class RandomGray(_Change):
    """Images (h, w, 3) in gray, in all three channels, with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = _probability("RandomGray", p)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x, or x in gray."""
        gray = F.image.random_saturation(x, min_factor=0.0, max_factor=0.0)
        return _chosen(F, self.p, gray, x)
