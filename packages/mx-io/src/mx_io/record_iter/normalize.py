"""From an image as OpenCV has it to its place in the batch: channels first, red first, mean, deviation, scale."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from mx_core.errors import RecordFileError, ShapeError

from .._opencv import cv2
from .draws import Draws

__all__ = ["Normalizer"]


class Normalizer:
    """Writes ``((image - mean) * contrast + illumination) * scale / std`` into a batch, mirrored where asked.

    p: the parameters by name.  dtype: of the batch.  uint8 takes the values as they are, int8 less the mean and kept
    in range, both as in MXNet.
    """

    def __init__(self, p: Any, dtype: str) -> None:
        n = p.data_shape[0]
        names = "rgba"[:n]
        self._mirror = p.mirror
        self._rand_mirror = getattr(p, "rand_mirror", False)
        self._contrast = getattr(p, "max_random_contrast", 0.0) if "int" not in dtype else 0.0
        self._illumination = getattr(p, "max_random_illumination", 0.0) if "int" not in dtype else 0.0
        self._mean = np.array([getattr(p, f"mean_{c}") for c in names], np.float32)
        self._factor = np.array([p.scale / (getattr(p, f"std_{c}") or 1.0) for c in names], np.float32)
        self._mean_image: np.ndarray[Any, Any] | None = None
        self._dtype = np.dtype(dtype)
        if dtype == "uint8":
            self._mean[:] = 0
        if "int" in dtype:
            self._factor[:] = 1
        self._order = [2, 1, 0, 3][:n] if n > 1 else [0]
        self._plain = dtype != "int8" and not self._mean.any() and bool(np.all(self._factor == 1))
        self._plain = self._plain and not (self._contrast or self._illumination)
        self._tables = self._make_tables(1.0, 0.0)

    @property
    def is_random(self) -> bool:
        """Whether random numbers are drawn for an image."""
        return bool(self._rand_mirror or self._contrast or self._illumination)

    def set_mean_image(self, mean: np.ndarray[Any, Any]) -> None:
        """Subtract this, shape (c, h, w), instead of the channels' means."""
        self._mean_image = mean.astype(np.float32)

    def _make_tables(self, contrast: float, illumination: float) -> np.ndarray[Any, Any]:
        """What each of the 256 values of a channel becomes, shape (c, 256)."""
        values = (np.arange(256, dtype=np.float32) - self._mean[:, None]) * np.float32(contrast) + np.float32(
            illumination
        )
        values *= self._factor[:, None]
        if self._dtype.kind in "iu":
            info = np.iinfo(self._dtype)
            return np.clip(values, info.min, info.max).astype(self._dtype)
        return values.astype(self._dtype if self._dtype.itemsize > 2 else np.float32)

    def __call__(self, image: np.ndarray[Any, Any], draws: Draws, out: np.ndarray[Any, Any]) -> None:
        """Writes the image, uint8 of (h, w, c) or (h, w), into ``out``, shape (c, h, w)."""
        module = cv2()
        if self._mirror != (self._rand_mirror and draws.uniform() < 0.5):
            image = module.flip(image, 1)
        contrast = illumination = None
        if self._contrast or self._illumination:
            contrast = 1 + draws.uniform(-self._contrast, self._contrast)
            illumination = draws.uniform(-self._illumination, self._illumination)
        planes = module.split(image) if image.ndim == 3 else [image]
        if self._mean_image is not None and self._dtype != np.uint8:
            self._with_mean_image(planes, contrast or 1.0, illumination or 0.0, out)
        elif self._plain:
            for channel, plane in enumerate(self._order):
                np.copyto(out[channel], planes[plane], casting="unsafe")
        else:
            tables = self._tables if contrast is None else self._make_tables(contrast, illumination or 0.0)
            for channel, plane in enumerate(self._order):
                if tables.dtype == out.dtype and tables.itemsize in (1, 4, 8) and tables.dtype != np.int64:
                    module.LUT(planes[plane], tables[channel], out[channel])
                else:
                    np.copyto(out[channel], tables[channel][planes[plane]], casting="unsafe")

    def _with_mean_image(self, planes: Any, contrast: float, illumination: float, out: np.ndarray[Any, Any]) -> None:
        assert self._mean_image is not None
        for channel, plane in enumerate(self._order):
            values = (planes[plane] - self._mean_image[channel]) * np.float32(contrast) + np.float32(illumination)
            values *= self._factor[channel]
            if self._dtype.kind in "iu":
                info = np.iinfo(self._dtype)
                values = np.clip(values, info.min, info.max)
            np.copyto(out[channel], values, casting="unsafe")


def load_mean_image(path: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any] | None:
    """The mean image in an NDArray file, under the name "mean_img"; None where there is no file."""
    from mx_core import ndarray as nd

    if not os.path.exists(path):
        return None
    found = nd.load(path)
    mean = found.get("mean_img") if isinstance(found, dict) else (found[0] if found else None)
    if mean is None:
        msg = f"{path}: the file holds no array mean_img; delete it to have it made again"
        raise RecordFileError(msg)
    if mean.shape != shape:
        msg = f"{path}: mean_img must have data_shape = {shape}, got {mean.shape}; delete it to have it made again"
        raise ShapeError(msg)
    return mean.asnumpy()  # type: ignore[no-any-return]


def save_mean_image(path: str, mean: np.ndarray[Any, Any]) -> None:
    """Writes the mean image as MXNet does."""
    from mx_core import ndarray as nd

    nd.save(path, {"mean_img": nd.array(mean)})
