"""Data iterators: NDArrayIter, MNISTIter, CSVIter, and iterators around iterators."""

from __future__ import annotations

from mx_core.data import DataBatch, DataDesc, DataIter

from .files import CSVIter, MNISTIter
from .iterators import NDArrayIter, PrefetchingIter, ResizeIter

__version__ = "0.1.0"

__all__ = [
    "CSVIter", "DataBatch", "DataDesc", "DataIter", "MNISTIter", "NDArrayIter", "PrefetchingIter", "ResizeIter",
]  # fmt: skip
