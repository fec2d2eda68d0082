"""The default augmentation of ImageRecordIter: resize, affine changes, padding, crop, color.

Images are uint8, shape (h, w, 3) in OpenCV's order blue, green, red, or (h, w, 4) with alpha, or (h, w) gray.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mx_core.errors import ParameterError

from .._opencv import cv2
from .draws import Draws
from .window import scaled_window

__all__ = ["DefaultAugmenter", "color_by_hls", "interpolation", "is_random"]

# Principal components of the colors of ImageNet, rows red, green, blue, and their standard deviations.
_EIGENVALUES = np.array([55.46, 4.794, 1.148])
_EIGENVECTORS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])

# YIQ from red, green, blue, and back.
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
_FROM_YIQ = np.array([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.107, 1.705]])


def is_random(p: Any) -> bool:
    """Whether an iterator with these parameters draws random numbers for its images."""
    return bool(
        p.rand_crop or p.rand_mirror or p.random_resized_crop or p.inter_method == 10 or p.max_rotate_angle
        or p.max_shear_ratio or p.max_aspect_ratio or p.min_random_scale != p.max_random_scale
        or p.min_crop_size != p.max_crop_size or p.brightness or p.contrast or p.saturation or p.hue or p.pca_noise
        or p.random_h or p.random_s or p.random_l or p.max_random_contrast or p.max_random_illumination
    )  # fmt: skip


def interpolation(method: int, height: int, width: int, new_height: int, new_width: int, draws: Draws) -> int:
    """OpenCV's interpolation for MXNet's inter_method: 9 by what the scaling does, 10 at random."""
    if method == 9:
        if new_height > height and new_width > width:
            return 2
        return 3 if new_height < height and new_width < width else 1
    return draws.integer(0, 4) if method == 10 else method


class DefaultAugmenter:
    """The changes of an image that ImageRecordIter's parameters ask for, in MXNet's order.

    p: the parameters by name.  Calling it with an image and its Draws gives an image of data_shape's height and width.

    Raises:
        ParameterError: for parameters that contradict each other, or an image too small for them.
    """

    def __init__(self, p: Any, operator: str = "ImageRecordIter") -> None:
        self._p = p
        self._operator = operator
        _, self._height, self._width = p.data_shape
        self._fill = (p.fill_value,) * 4
        self._affine = (
            p.max_rotate_angle > 0 or p.rotate > 0 or p.max_shear_ratio > 0 or p.max_random_scale != 1
            or p.min_random_scale != 1 or (p.max_aspect_ratio != 0 and not p.random_resized_crop)
            or p.max_img_size != 1e10 or p.min_img_size != 0
        )  # fmt: skip
        self._color = bool(p.brightness or p.contrast or p.saturation or p.hue)
        self._hls = bool(p.random_h or p.random_s or p.random_l)
        self._sized_crop = p.max_crop_size != -1 or p.min_crop_size != -1
        self._windowed = p.inter_method == 1 and not (
            self._affine or p.pad or self._sized_crop or p.random_resized_crop
        )
        if p.random_resized_crop and (
            self._sized_crop or p.rand_crop or (p.min_random_scale, p.max_random_scale) != (1, 1)
        ):
            self._fail(
                "random_resized_crop excludes rand_crop, min/max_crop_size and min/max_random_scale; leave them out"
            )
        for low, high in (("min_random_scale", "max_random_scale"), ("min_random_area", "max_random_area"),
                          ("min_crop_size", "max_crop_size"), ("min_img_size", "max_img_size")):  # fmt: skip
            if getattr(p, low) > getattr(p, high):
                self._fail(f"{low} = {getattr(p, low)} must not exceed {high} = {getattr(p, high)}")
        if p.min_aspect_ratio is not None and not 0 < p.min_aspect_ratio <= p.max_aspect_ratio:
            self._fail(
                f"min_aspect_ratio = {p.min_aspect_ratio} must be > 0 and <= max_aspect_ratio = {p.max_aspect_ratio}"
            )
        if self._sized_crop and p.min_crop_size < 1:
            self._fail(
                f"min_crop_size must be >= 1 where max_crop_size = {p.max_crop_size} is given, got {p.min_crop_size}"
            )

    def _fail(self, what: str) -> None:
        msg = f"[{self._operator}] {what}"
        raise ParameterError(msg)

    def __call__(self, image: np.ndarray[Any, Any], draws: Draws) -> np.ndarray[Any, Any]:
        """The changed image."""
        p = self._p
        if p.resize > 0:
            size = self._shorter_edge(*image.shape[:2])
            if self._windowed and self._shrinks(image.shape[:2], size):
                image = scaled_window(image, size, self._place(*size, draws), (self._height, self._width))
                return self._recolored(image, draws)
            image = self._resized(image, *size, draws)
        if self._affine:
            image = self._transform(image, draws)
        if p.pad:
            image = cv2().copyMakeBorder(image, p.pad, p.pad, p.pad, p.pad, cv2().BORDER_CONSTANT, value=self._fill)
        return self._recolored(self._crop(image, draws), draws)

    def _recolored(self, image: np.ndarray[Any, Any], draws: Draws) -> np.ndarray[Any, Any]:
        p = self._p
        if image.ndim == 3 and image.shape[2] == 3:
            if self._color:
                image = self._jitter(image, draws)
            if self._hls:
                image = color_by_hls(image, *(_bent(draws, v) for v in (p.random_h, p.random_l, p.random_s)))
            if p.pca_noise > 0:
                image = _add_principal(image, p.pca_noise, draws)
        return image

    def _resized(self, image: np.ndarray[Any, Any], height: int, width: int, draws: Draws) -> np.ndarray[Any, Any]:
        if image.shape[:2] == (height, width):
            return image
        method = interpolation(self._p.inter_method, *image.shape[:2], height, width, draws)
        return cv2().resize(image, (width, height), interpolation=method)  # type: ignore[no-any-return]

    def _shorter_edge(self, height: int, width: int) -> tuple[int, int]:
        """The size of an image whose shorter edge is scaled to ``resize``."""
        edge = self._p.resize
        return (edge * height // width, edge) if height > width else (edge, edge * width // height)

    def _shrinks(self, shape: tuple[int, ...], size: tuple[int, int]) -> bool:
        """Whether an image of this shape is scaled down, and then cropped."""
        down = size[0] < shape[0] and size[1] < shape[1]
        return down and self._height <= size[0] and self._width <= size[1] and size != (self._height, self._width)

    def _ratio(self, draws: Draws) -> float:
        p = self._p
        if p.min_aspect_ratio is not None:
            return draws.uniform(p.min_aspect_ratio, p.max_aspect_ratio)
        return draws.uniform(1 - p.max_aspect_ratio, 1 + p.max_aspect_ratio)

    def _transform(self, image: np.ndarray[Any, Any], draws: Draws) -> np.ndarray[Any, Any]:
        """Shear, rotation, scale and aspect ratio as one affine map about the middle."""
        p = self._p
        height, width = image.shape[:2]
        shear = draws.uniform(-p.max_shear_ratio, p.max_shear_ratio)
        angle = p.rotate if p.rotate > 0 else draws.integer(-p.max_rotate_angle, p.max_rotate_angle)
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        scale = draws.uniform(p.min_random_scale, p.max_random_scale)
        ratio = 1.0 if p.random_resized_crop else self._ratio(draws)
        along_y = 2 * scale / (1 + ratio)
        along_x = ratio * along_y
        new_width = max(p.min_img_size, min(p.max_img_size, scale * width))
        new_height = max(p.min_img_size, min(p.max_img_size, scale * height))
        matrix = np.array([
            [along_y * cos - shear * sin * along_x, along_y * sin + shear * cos * along_x, 0],
            [-sin * along_x, cos * along_x, 0],
        ])  # fmt: skip
        matrix[:, 2] = (np.array([new_width, new_height]) - matrix[:, :2] @ [width, height]) / 2
        size = (max(1, int(new_width)), max(1, int(new_height)))
        method = interpolation(p.inter_method, height, width, size[1], size[0], draws)
        border = {"borderMode": cv2().BORDER_CONSTANT, "borderValue": self._fill}
        return cv2().warpAffine(image, matrix, size, flags=method, **border)  # type: ignore[no-any-return]

    def _crop(self, image: np.ndarray[Any, Any], draws: Draws) -> np.ndarray[Any, Any]:
        p = self._p
        if p.random_resized_crop:
            return self._area_crop(image, draws)
        height, width = image.shape[:2]
        if self._sized_crop:
            if min(height, width) < p.max_crop_size:
                self._fail(
                    f"an image of {height} x {width} is smaller than max_crop_size = {p.max_crop_size}; set resize"
                )
            edge = draws.integer(p.min_crop_size, p.max_crop_size)
            y, x = self._somewhere(height - edge, width - edge, draws)
            return self._resized(image[y : y + edge, x : x + edge], self._height, self._width, draws)
        return self._plain_crop(image, draws)

    def _plain_crop(self, image: np.ndarray[Any, Any], draws: Draws) -> np.ndarray[Any, Any]:
        """A part of data_shape's size; an image that is smaller is enlarged first."""
        height, width = image.shape[:2]
        if height < self._height:
            image = self._resized(image, self._height, int(self._height / height * width), draws)
        height, width = image.shape[:2]
        if width < self._width:
            image = self._resized(image, int(self._width / width * height), self._width, draws)
        y, x = self._place(*image.shape[:2], draws)
        return image[y : y + self._height, x : x + self._width]

    def _place(self, height: int, width: int, draws: Draws) -> tuple[int, int]:
        """Where, in an image of this size, a crop of data_shape begins: in the middle or at random."""
        return self._somewhere(height - self._height, width - self._width, draws)

    def _somewhere(self, y: int, x: int, draws: Draws) -> tuple[int, int]:
        return (draws.integer(0, y), draws.integer(0, x)) if self._p.rand_crop else (y // 2, x // 2)

    def _area_crop(self, image: np.ndarray[Any, Any], draws: Draws) -> np.ndarray[Any, Any]:
        """A random area and aspect ratio at a random place; after 10 vain attempts, a crop of data_shape."""
        p = self._p
        height, width = image.shape[:2]
        for _ in range(10):
            area = draws.uniform(p.min_random_area, p.max_random_area) * height * width
            ratio = max(self._ratio(draws), 1e-6)
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                y, x = draws.integer(0, height - h), draws.integer(0, width - w)
                return self._resized(image[y : y + h, x : x + w], self._height, self._width, draws)
        return self._plain_crop(image, draws)

    def _jitter(self, image: np.ndarray[Any, Any], draws: Draws) -> np.ndarray[Any, Any]:
        p, module = self._p, cv2()
        brightness, contrast, saturation = (1 + draws.uniform(-v, v) for v in (p.brightness, p.contrast, p.saturation))
        for kind in draws.shuffled(range(3)):
            if kind == 0 and p.brightness:
                image = module.convertScaleAbs(image, alpha=brightness)
            elif kind == 1 and p.contrast:
                # RGB's weights on an image in the order BGR: as MXNet, whose results are the contract.
                mean = float(module.cvtColor(image, module.COLOR_RGB2GRAY).mean())
                image = module.addWeighted(image, contrast, image, 0, (1 - contrast) * mean)
            elif kind == 2 and p.saturation:
                gray = module.cvtColor(image, module.COLOR_RGB2GRAY)
                image = module.addWeighted(image, saturation, module.merge([gray] * 3), 1 - saturation, 0)
        if p.hue:
            angle = draws.uniform(-p.hue, p.hue) * math.pi
            turn = np.array([[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]])
            image = module.transform(image, (_FROM_YIQ @ turn @ _TO_YIQ)[::-1, ::-1])
        return image


def _bent(draws: Draws, largest: int) -> int:
    """A whole number in [-largest, largest], more often near 0: the weights 1 and 4 of two uniform numbers."""
    share = (draws.uniform() + 4 * draws.uniform()) / 5
    return int(share * largest * 2 - largest)


def color_by_hls(image: np.ndarray[Any, Any], h: int, l: int, s: int) -> np.ndarray[Any, Any]:  # noqa: E741
    """The image with h, l and s added to the channels of HLS, each kept in its range (180, 255, 255)."""
    module = cv2()
    shifted = module.cvtColor(image, module.COLOR_BGR2HLS)
    for channel, (shift, limit) in enumerate(((h, 180), (l, 255), (s, 255))):
        if shift:
            table = np.clip(np.arange(256) + shift, 0, limit).astype(np.uint8)
            shifted[:, :, channel] = module.LUT(shifted[:, :, channel], table)
    return module.cvtColor(shifted, module.COLOR_HLS2BGR)  # type: ignore[no-any-return]


def _add_principal(image: np.ndarray[Any, Any], sigma: float, draws: Draws) -> np.ndarray[Any, Any]:
    alphas = np.array([draws.normal(sigma) for _ in range(3)])
    noise = _EIGENVECTORS @ (alphas * _EIGENVALUES)
    tables = [np.clip(np.arange(256) + value, 0, 255).astype(np.uint8) for value in noise[::-1]]
    return cv2().LUT(image, np.stack(tables, axis=-1).reshape(1, 256, 3))  # type: ignore[no-any-return]
