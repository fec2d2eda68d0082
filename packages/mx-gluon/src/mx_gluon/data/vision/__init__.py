"""Image data sets and transforms."""

from __future__ import annotations

from . import transforms
from .datasets import CIFAR10, CIFAR100, MNIST, FashionMNIST
from .image_datasets import ImageFolderDataset, ImageListDataset, ImageRecordDataset

__all__ = [
    "CIFAR10", "CIFAR100", "MNIST", "FashionMNIST", "ImageFolderDataset", "ImageListDataset", "ImageRecordDataset",
    "transforms",
]  # fmt: skip
