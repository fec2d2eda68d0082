"""Data sets, samplers and the DataLoader; ``vision`` has the image data sets."""

from __future__ import annotations

from typing import Any

from .dataloader import DataLoader
from .dataset import ArrayDataset, Dataset, RecordFileDataset, SimpleDataset
from .sampler import BatchSampler, FilterSampler, RandomSampler, Sampler, SequentialSampler

__all__ = [
    "ArrayDataset", "BatchSampler", "DataLoader", "Dataset", "FilterSampler", "RandomSampler",
    "RecordFileDataset", "Sampler", "SequentialSampler", "SimpleDataset",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "vision":
        import importlib

        return importlib.import_module(".vision", __name__)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
