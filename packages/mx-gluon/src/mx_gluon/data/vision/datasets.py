"""MNIST, FashionMNIST, CIFAR10 and CIFAR100, downloaded on first use."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import tarfile
from collections.abc import Callable
from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.errors import RecordFileError

from ...utils import _get_repo_file_url, check_sha1, data_dir, download
from ..dataset import Dataset

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "MNIST",
    "FashionMNIST",
    "ImageFolderDataset",
    "ImageListDataset",
    "ImageRecordDataset",
]


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


class CIFAR10(_DownloadedDataset):
    """Small photographs: images of shape (32, 32, 3), uint8; labels 0 to 9, int32 (Krizhevsky, 2009).

    root: folder of the files ``*.bin``, default $MXNET_HOME/datasets/cifar10; where one is missing or damaged the
    archive is taken from there, or downloaded to it, and unpacked.  train: the 50,000 training images, or the 10,000 of
    the test set.  transform: a function ``f(image, label)`` of every item.
    """

    _namespace = "cifar10"
    _mirrors: tuple[str, ...] = ("https://www.cs.toronto.edu/~kriz/",)
    _archive_file = ("cifar-10-binary.tar.gz", "fab780a1e191a7eda0f345501ccd62d20f7ed891")
    _train_data: tuple[tuple[str, str], ...] = (
        ("data_batch_1.bin", "aadd24acce27caa71bf4b10992e9e7b2d74c2540"),
        ("data_batch_2.bin", "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795"),
        ("data_batch_3.bin", "1dd00a74ab1d17a6e7d73e185b69dbf31242f295"),
        ("data_batch_4.bin", "aab85764eb3584312d3c7f65fd2fd016e36a258e"),
        ("data_batch_5.bin", "26e2849e66a845b7f1e4614ae70f4889ae604628"),
    )
    _test_data: tuple[tuple[str, str], ...] = (("test_batch.bin", "67eb016db431130d61cd03c7ad570b013799c88c"),)
    _labels = 1  # bytes before the pixels of an image; the last one counts

    def __init__(
        self, root: str | None = None, train: bool = True, transform: Callable[[Any, Any], Any] | None = None
    ) -> None:
        self._train = train
        super().__init__(root or os.path.join(data_dir(), "datasets", self._namespace), transform)

    def _get_data(self) -> None:
        wanted = self._train_data if self._train else self._test_data
        paths = [os.path.join(self._root, name) for name, _ in wanted]
        if not all(
            os.path.exists(path) and check_sha1(path, sha1) for path, (_, sha1) in zip(paths, wanted, strict=True)
        ):
            self._unpack([name for name, _ in wanted])
        images, labels = zip(*(self._read(path) for path in paths), strict=True)
        self._data = nd.array(np.concatenate(images), dtype=np.uint8)
        self._label = np.concatenate(labels)

    def _unpack(self, names: list[str]) -> None:
        """Writes the named files, and nothing else, from the archive to root."""
        name, sha1 = self._archive_file
        urls = [_get_repo_file_url(f"gluon/dataset/{self._namespace}", name), *[base + name for base in self._mirrors]]
        archive = download(urls, os.path.join(self._root, name), sha1_hash=sha1, retries=1)
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    content = tar.extractfile(member) if os.path.basename(member.name) in names else None
                    if content is not None:
                        target = os.path.join(self._root, os.path.basename(member.name))
                        with open(target + ".part", "wb") as file:
                            shutil.copyfileobj(content, file)
                        os.replace(target + ".part", target)
        except (tarfile.TarError, OSError, EOFError) as error:
            msg = f"{archive}: {error}. The archive is damaged; delete it to download it again."
            raise RecordFileError(msg) from error

    def _read(self, path: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """(images, labels) of one file: rows of label bytes and 3 x 32 x 32 pixels."""
        row = self._labels + 3072
        try:
            content = np.fromfile(path, dtype=np.uint8)
        except OSError as error:
            msg = f"{path}: {error.strerror}. It was not in the archive {self._archive_file[0]}; delete that one."
            raise RecordFileError(msg) from error
        if not content.size or content.size % row:
            msg = f"{path}: {content.size} bytes are no rows of {row}; delete it to unpack it again."
            raise RecordFileError(msg)
        rows = content.reshape(-1, row)
        images = rows[:, self._labels :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return images, rows[:, self._label_column()].astype(np.int32)

    def _label_column(self) -> int:
        return 0


class CIFAR100(CIFAR10):
    """CIFAR10's sibling with 100 fine classes in 20 coarse ones. fine_label: labels 0 to 99 instead of 0 to 19."""

    _namespace = "cifar100"
    _archive_file = ("cifar-100-binary.tar.gz", "a0bb982c76b83111308126cc779a992fa506b90b")
    _train_data = (("train.bin", "e207cd2e05b73b1393c74c7f5e7bea451d63e08e"),)
    _test_data = (("test.bin", "8fb6623e830365ff53cf14adec797474f5478006"),)
    _labels = 2  # coarse, fine

    def __init__(
        self,
        root: str | None = None,
        fine_label: bool = False,
        train: bool = True,
        transform: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        self._fine_label = fine_label
        super().__init__(root, train, transform)

    def _label_column(self) -> int:
        return int(self._fine_label)


# Last, as MXNet's module has these names too.
from .image_datasets import ImageFolderDataset, ImageListDataset, ImageRecordDataset  # noqa: E402
