"""Transforms of images (h, w, c) for data sets: ``dataset.transform_first(transforms.ToTensor())``."""

from __future__ import annotations

from typing import Any

import numpy as np

from mx_core import ndarray as nd

from ...hybrid_block import HybridBlock
from ...nn import Sequential

__all__ = ["Cast", "Compose", "Normalize", "ToTensor"]


class Compose(Sequential):
    """Transforms applied one after another."""

    def __init__(self, transforms: list[Any]) -> None:
        super().__init__()
        self.add(*transforms)


class Cast(HybridBlock):
    """The input in another element type."""

    def __init__(self, dtype: Any = "float32") -> None:
        super().__init__()
        self._dtype = dtype

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x cast."""
        return F.cast(x, dtype=self._dtype)


class ToTensor(HybridBlock):
    """uint8 images (h, w, c), or (n, h, w, c), in [0, 255] as float32 (c, h, w) in [0, 1)."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x as float32, channels first."""
        axes = (2, 0, 1) if x.ndim == 3 else (0, 3, 1, 2)
        return F.transpose(F.cast(x, dtype="float32") / 255.0, axes=axes)


class Normalize(HybridBlock):
    """``(x - mean) / std`` per channel of float images (c, h, w) or (n, c, h, w); mean, std: numbers or one per channel."""

    def __init__(self, mean: Any = 0.0, std: Any = 1.0) -> None:
        super().__init__()
        self._mean = np.asarray(mean, np.float32).reshape(-1, 1, 1)
        self._std = np.asarray(std, np.float32).reshape(-1, 1, 1)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x normalized."""
        return F.broadcast_div(F.broadcast_sub(x, nd.array(self._mean)), nd.array(self._std))
