"""Functions on one image (h, w, c): sizes, crops, normalization, rotation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.errors import DTypeError, ParameterError, ShapeError

from ..augmentation.draws import draws
from .arrays import as_result, image_of
from .decode import resize

__all__ = [
    "center_crop", "color_normalize", "fixed_crop", "imrotate", "random_crop", "random_rotate", "random_size_crop",
    "resize_short", "scale_down",
]  # fmt: skip

Image = np.ndarray[Any, Any]
Box = tuple[int, int, int, int]
_ATTEMPTS = 10  # of random_size_crop, before it takes the center


def scale_down(src_size: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """The crop size (w, h) shrunk, its aspect ratio kept, until it fits into ``src_size`` (w, h).

    >>> scale_down((640, 480), (720, 120))
    (640, 106)
    """
    w, h = (float(side) for side in size)
    src_w, src_h = src_size
    if src_h < h:
        w, h = w * src_h / h, float(src_h)
    if src_w < w:
        w, h = float(src_w), h * src_w / w
    return int(w), int(h)


def size_of(name: str, size: Any) -> tuple[int, int]:
    """A crop's (w, h), checked."""
    try:
        w, h = size
        w, h = int(w), int(h)
    except (TypeError, ValueError):
        msg = f"[{name}] size must be (width, height), got {size!r}"
        raise ParameterError(msg) from None
    if w < 1 or h < 1:
        msg = f"[{name}] width and height must be at least 1, got {size!r}"
        raise ParameterError(msg)
    return w, h


# -- on NumPy arrays ---------------------------------------------------------------------------------------------------


def short_edge_resized(image: Image, size: int, interp: int = 2) -> Image:
    """``resize_short`` of a NumPy array."""
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        msg = f"[resize_short] size must be an int above 0, got {size!r}"
        raise ParameterError(msg)
    h, w = image.shape[:2]
    new_w, new_h = (size, size * h // w) if h > w else (size * w // h, size)
    return resize("resize_short", image, new_w, new_h, interp)


def cropped(image: Image, box: Box, size: tuple[int, int] | None = None, interp: int = 2) -> Image:
    """The part x0, y0, w, h of an image, resized to ``size`` (w, h) where it has another one."""
    x0, y0, w, h = box
    height, width = image.shape[:2]
    if not (0 <= x0 < width and 0 <= y0 < height and w > 0 and h > 0):
        msg = (
            f"[fixed_crop] the crop (x0, y0, w, h) = {box} must begin inside of the image of width {width} and height "
            f"{height} and have w and h above 0"
        )
        raise ShapeError(msg)
    part = image[y0 : y0 + h, x0 : x0 + w]
    if size is not None and (w, h) != tuple(size):
        return resize("fixed_crop", part, *size, interp)
    return part


def center_box(image: Image, size: tuple[int, int]) -> Box:
    """Where ``center_crop`` cuts."""
    height, width = image.shape[:2]
    w, h = scale_down((width, height), size)
    return (width - w) // 2, (height - h) // 2, w, h


def random_box(image: Image, size: tuple[int, int]) -> Box:
    """Where ``random_crop`` cuts."""
    height, width = image.shape[:2]
    w, h = scale_down((width, height), size)
    random = draws().python
    x0 = random.randint(0, width - w)
    y0 = random.randint(0, height - h)
    return x0, y0, w, h


def random_sized_box(image: Image, size: tuple[int, int], area: Any, ratio: tuple[float, float]) -> Box:
    """Where ``random_size_crop`` cuts."""
    height, width = image.shape[:2]
    least, most = area if isinstance(area, (tuple, list)) else (area, 1.0)
    random = draws().python
    for _ in range(_ATTEMPTS):
        wanted = random.uniform(least, most) * height * width
        aspect = math.exp(random.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(wanted * aspect)), round(math.sqrt(wanted / aspect))
        if 0 < w <= width and 0 < h <= height:
            return random.randint(0, width - w), random.randint(0, height - h), w, h
    return center_box(image, size)


# -- on NDArrays -------------------------------------------------------------------------------------------------------


def resize_short(src: Any, size: int, interp: int = 2) -> Any:
    """The image with its shorter edge of length ``size``, its aspect ratio kept.

    src: (h, w, c).  interp: as in ``imresize``.

    >>> resize_short(nd.zeros((20, 30, 3)), 10).shape
    (10, 15, 3)
    """
    image = image_of("resize_short", src)
    return as_result(image, short_edge_resized(image, size, interp))


def fixed_crop(src: Any, x0: int, y0: int, w: int, h: int, size: tuple[int, int] | None = None, interp: int = 2) -> Any:
    """The part of an image that begins at column x0 and row y0, ``w`` wide and ``h`` high.

    size: (width, height) to resize it to.  interp: as in ``imresize``. A crop that passes the edge ends there; raises
    ShapeError for one that begins outside.

    >>> fixed_crop(nd.zeros((20, 30, 3)), 3, 2, 5, 6).shape
    (6, 5, 3)
    """
    image = image_of("fixed_crop", src)
    return as_result(image, cropped(image, (int(x0), int(y0), int(w), int(h)), size, interp))


def random_crop(src: Any, size: tuple[int, int], interp: int = 2) -> tuple[Any, Box]:
    """A crop of ``size`` (w, h) at a random place, and its (x0, y0, w, h).

    A crop larger than the image is scaled down into it and the result resized up to ``size``.

    >>> part, (x0, y0, w, h) = random_crop(nd.zeros((20, 30, 3)), (8, 5))
    >>> part.shape, (w, h), 0 <= x0 <= 22
    ((5, 8, 3), (8, 5), True)
    """
    image, size = image_of("random_crop", src), size_of("random_crop", size)
    box = random_box(image, size)
    return as_result(image, cropped(image, box, size, interp)), box


def center_crop(src: Any, size: tuple[int, int], interp: int = 2) -> tuple[Any, Box]:
    """The crop of ``size`` (w, h) in the middle, and its (x0, y0, w, h); otherwise as ``random_crop``.

    >>> center_crop(nd.zeros((20, 30, 3)), (8, 5))[1]
    (11, 7, 8, 5)
    """
    image, size = image_of("center_crop", src), size_of("center_crop", size)
    box = center_box(image, size)
    return as_result(image, cropped(image, box, size, interp)), box


def random_size_crop(
    src: Any, size: tuple[int, int], area: Any, ratio: tuple[float, float], interp: int = 2, **kwargs: Any
) -> tuple[Any, Box]:
    """A crop of random area, aspect ratio and place, resized to ``size`` (w, h); and its (x0, y0, w, h).

    area: the least fraction of the image's area, or (least, most).  ratio: (least, most) width / height; its
    logarithm is spread evenly. Where ten draws do not fit into the image, the center is taken.  min_area: the old name
    of area.
    """
    area = _renamed_area("random_size_crop", area, kwargs)
    image, size = image_of("random_size_crop", src), size_of("random_size_crop", size)
    box = random_sized_box(image, size, area, checked_ratio("random_size_crop", ratio))
    return as_result(image, cropped(image, box, size, interp)), box


def checked_ratio(name: str, ratio: Any) -> tuple[float, float]:
    """(least, most) aspect ratio, both above 0."""
    try:
        least, most = (float(value) for value in ratio)
    except (TypeError, ValueError):
        least = most = 0.0
    if not (least > 0 and most > 0):
        msg = f"[{name}] ratio must be (least, most) width / height, both above 0, got {ratio!r}"
        raise ParameterError(msg)
    return least, most


def _renamed_area(name: str, area: Any, others: dict[str, Any]) -> Any:
    if "min_area" in others:
        import warnings

        warnings.warn("`min_area` is deprecated. Please use `area` instead.", DeprecationWarning, stacklevel=3)
        area = others.pop("min_area")
    if others:
        msg = f"[{name}] unexpected keyword arguments {', '.join(others)}. It takes size, area, ratio and interp"
        raise ParameterError(msg)
    return area


def color_normalize(src: Any, mean: Any, std: Any = None) -> Any:
    """``(src - mean) / std``, or ``src - mean`` without std.

    src: an NDArray (h, w, c), floating.  mean, std: NDArrays or numbers, one for each channel or for all.

    >>> color_normalize(nd.ones((1, 1, 3)), nd.array([1, 2, 3]), 2).asnumpy().tolist()
    [[[0.0, -0.5, -1.0]]]
    """
    mean, std = (
        nd.array(v, src.context, src.dtype) if isinstance(v, (np.ndarray, list, tuple)) else v for v in (mean, std)
    )
    if mean is not None:
        src = src - mean
    return src if std is None else src / std


# -- rotation ----------------------------------------------------------------------------------------------------------


def imrotate(src: Any, rotation_degrees: Any, zoom_in: bool = False, zoom_out: bool = False) -> Any:
    """Images turned around their middle, bilinear, zeros where nothing was.

    src: float32 (c, h, w) or (n, c, h, w).  rotation_degrees: a number, or of a batch n of them.  zoom_in: magnify until
    no zeros show.  zoom_out: shrink until all of the image shows.

    >>> image = nd.arange(9).reshape((1, 3, 3))
    >>> imrotate(image, 90).asnumpy().round().astype(int).tolist()
    [[[2, 5, 8], [1, 4, 7], [0, 3, 6]]]
    """
    if zoom_in and zoom_out:
        msg = "[imrotate] `zoom_in` and `zoom_out` cannot be both True"
        raise ParameterError(msg)
    if src.dtype != np.float32:
        msg = f"[imrotate] Only `float32` images are supported by this function, got {np.dtype(src.dtype)}"
        raise DTypeError(msg)
    if src.ndim not in (3, 4):
        msg = f"[imrotate] Only 3D and 4D are supported by this function, got {src.shape}"
        raise ShapeError(msg)
    single = src.ndim == 3
    degrees = np.asarray(rotation_degrees.asnumpy() if isinstance(rotation_degrees, nd.NDArray) else rotation_degrees)
    if degrees.dtype.kind not in "iuf" or (single and degrees.ndim):
        msg = "[imrotate] When a single image is passed the rotation angle is required to be a scalar."
        raise DTypeError(msg)
    batch = src.expand_dims(0) if single else src
    if degrees.ndim and len(degrees) != len(batch):
        msg = (
            "[imrotate] The number of images must be equal to the number of rotation angles, got "
            f"{len(batch)} and {len(degrees)}"
        )
        raise ShapeError(msg)
    angles = np.radians(np.broadcast_to(degrees.astype(np.float64), (len(batch),)))
    grid = _rotated_grid(angles, *batch.shape[2:], zoom_in, zoom_out)
    turned = nd.BilinearSampler(batch, nd.array(grid, ctx=src.context))
    return turned[0] if single else turned


def _rotated_grid(angles: np.ndarray[Any, Any], h: int, w: int, zoom_in: bool, zoom_out: bool) -> np.ndarray[Any, Any]:
    """(n, 2, h, w): where each pixel comes from, -1 to 1 along each axis."""
    half_h, half_w = (h - 1) / 2, (w - 1) / 2
    ys, xs = np.meshgrid(np.arange(h) - half_h, np.arange(w) - half_w, indexing="ij")
    cos, sin = (f(angles)[:, np.newaxis, np.newaxis] for f in (np.cos, np.sin))
    grid = np.stack([(xs * cos - ys * sin) / (half_w or 1.0), (xs * sin + ys * cos) / (half_h or 1.0)], axis=1)
    if zoom_in or zoom_out:
        # The turned rectangle's bounding box, from its two corners.
        corner, reach = math.atan2(h, w), math.hypot(h, w)
        turns = corner + np.multiply.outer([1, -1], np.abs(angles))
        widest = np.abs(reach * np.cos(turns)).max(0)
        highest = np.abs(reach * np.sin(turns)).max(0)
        scale = np.maximum(widest / w, highest / h) if zoom_out else np.minimum(w / widest, h / highest)
        grid *= scale[:, np.newaxis, np.newaxis, np.newaxis]
    return grid.astype(np.float32)


def random_rotate(src: Any, angle_limits: tuple[float, float], zoom_in: bool = False, zoom_out: bool = False) -> Any:
    """``imrotate`` by random angles between the two limits, in degrees: one for each image of a batch."""
    if len(angle_limits) != 2:
        msg = f"[random_rotate] angle_limits must be (lowest, highest) in degrees, got {angle_limits!r}"
        raise ParameterError(msg)
    if src.ndim == 3:
        return imrotate(src, draws().numpy.uniform(*angle_limits), zoom_in, zoom_out)
    angles = nd.array(draws().numpy.uniform(*angle_limits, size=len(src)))
    return imrotate(src, angles, zoom_in, zoom_out)
