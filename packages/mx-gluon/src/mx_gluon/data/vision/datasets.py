"""MNIST and FashionMNIST, downloaded on first use."""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.errors import RecordFileError

from ...utils import _get_repo_file_url, data_dir, download
from ..dataset import Dataset

__all__ = ["FashionMNIST", "MNIST"]


class _DownloadedDataset(Dataset):
    """Images ``_data`` and labels ``_label`` in memory, read by ``_get_data``; items pass through ``transform``."""

    _data: Any
    _label: Any

    def __init__(self, root: str, transform: Callable[[Any, Any], Any] | None) -> None:
        self._transform = transform
        self._root = os.path.expanduser(root)
        os.makedirs(self._root, exist_ok=True)
        self._get_data()

    def _get_data(self) -> None:
        msg = f"{type(self).__name__} does not define _get_data"
        raise TypeError(msg)

    def __getitem__(self, idx: int) -> Any:
        image, label = self._data[idx], self._label[idx]
        return (image, label) if self._transform is None else self._transform(image, label)

    def __len__(self) -> int:
        return len(self._label)


class MNIST(_DownloadedDataset):
    """Handwritten digits: images of shape (28, 28, 1), uint8; labels 0 to 9, int32 (LeCun et al., 1998).

    root: folder of the four files, default $MXNET_HOME/datasets/mnist; missing ones are downloaded there and their
    checksums verified.  train: the 60,000 training images, or the 10,000 of the test set.  transform: a function
    ``f(image, label)`` of every item.
    """

    _namespace = "mnist"
    _mirrors: tuple[str, ...] = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    _train_files = (
        ("train-images-idx3-ubyte.gz", "6c95f4b05d2bf285e1bfb0e7960c31bd3b3f8a7d"),
        ("train-labels-idx1-ubyte.gz", "2a80914081dc54586dbdf242f9805a6b8d2a15fc"),
    )
    _test_files = (
        ("t10k-images-idx3-ubyte.gz", "c3a25af1f52dad7f726cce8cacb138654b760d48"),
        ("t10k-labels-idx1-ubyte.gz", "763e7fa3757d93b0cdec073cef058b2004252c17"),
    )

    def __init__(
        self, root: str | None = None, train: bool = True, transform: Callable[[Any, Any], Any] | None = None
    ) -> None:
        self._train = train
        super().__init__(root or os.path.join(data_dir(), "datasets", self._namespace), transform)

    def _get_data(self) -> None:
        paths = []
        for name, sha1 in self._train_files if self._train else self._test_files:
            target = os.path.join(self._root, name)
            paths.append(download(self._urls(name), target, sha1_hash=sha1, retries=1))
        images, labels = _read_idx(paths[0]), _read_idx(paths[1])
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            msg = f"{paths[0]}: images {images.shape} and labels {labels.shape} do not fit; delete both files"
            raise RecordFileError(msg)
        self._data = nd.array(images[..., np.newaxis], dtype=np.uint8)
        self._label = labels.astype(np.int32)

    def _urls(self, name: str) -> list[str]:
        """Where a file may be downloaded from, MXNet's own repository first."""
        return [_get_repo_file_url(f"gluon/dataset/{self._namespace}", name), *[base + name for base in self._mirrors]]


def _read_idx(path: str) -> np.ndarray[Any, Any]:
    """The uint8 array in a gzipped idx file: magic 0, 0, 8, number of dims; dims as big-endian int32; bytes."""
    try:
        with gzip.open(path, "rb") as file:
            content = file.read()
    except (OSError, EOFError) as error:
        msg = f"{path}: {error}. The file is not a gzip file or is cut; delete it to download it again."
        raise RecordFileError(msg) from error
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        msg = f"{path}: starts with 0x{content[:4].hex()}, expected 0x000008 and the number of dims; delete it."
        raise RecordFileError(msg)
    ndim = content[3]
    if len(content) < 4 + 4 * ndim:
        msg = f"{path}: cut at byte {len(content)}, within the dims; delete it to download it again."
        raise RecordFileError(msg)
    shape = struct.unpack(f">{ndim}I", content[4 : 4 + 4 * ndim])
    values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * ndim)
    expected = int(np.prod([int(d) for d in shape], dtype=object))
    if values.size != expected:
        msg = f"{path}: dims {shape} need {expected} bytes, the file has {values.size}; delete it."
        raise RecordFileError(msg)
    return values.reshape(shape)


class FashionMNIST(MNIST):
    """Pictures of clothes in MNIST's format; labels 0 to 9 (Xiao et al., 2017)."""

    _namespace = "fashion-mnist"
    _mirrors = ("https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",)
    _train_files = (
        ("train-images-idx3-ubyte.gz", "0cf37b0d40ed5169c6b3aba31069a9770ac9043d"),
        ("train-labels-idx1-ubyte.gz", "236021d52f1e40852b06a4c3008d8de8aef1e40b"),
    )
    _test_files = (
        ("t10k-images-idx3-ubyte.gz", "626ed6a7c06dd17c0eec72fa3be1740f146a2863"),
        ("t10k-labels-idx1-ubyte.gz", "17f9ab60e7257a1620f4ad76bbbaf857c3920701"),
    )
