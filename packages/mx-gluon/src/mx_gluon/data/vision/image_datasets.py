"""Data sets of image files and of records of images. mx-io reads and decodes them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from mx_core import data as _data
from mx_core import ndarray as nd
from mx_core.errors import ParameterError, RecordFileError

from ..dataset import Dataset, RecordFileDataset

__all__ = ["ImageFolderDataset", "ImageListDataset", "ImageRecordDataset"]

Transform = Callable[[Any, Any], Any] | None
_EXTENSIONS = [".jpg", ".jpeg", ".png"]


class ImageRecordDataset(RecordFileDataset):
    """(image, label) pairs of a record file of images with an index beside it.

    filename: the ``.rec`` file.  flag: 1 for images (h, w, 3), red first, 0 for gray ones (h, w, 1); uint8.
    transform: a function ``f(image, label)`` of every item.
    """

    def __init__(self, filename: str, flag: int = 1, transform: Transform = None) -> None:
        super().__init__(filename)
        self._flag = flag
        self._transform = transform

    def __getitem__(self, idx: int) -> Any:
        header, content = _data.reader("recordio").unpack(super().__getitem__(idx))
        try:
            image = _data.reader("image").imdecode(content, self._flag)
        except RecordFileError as error:
            msg = f"{self.filename}: record {self._record.keys[idx]}: {error}"
            raise RecordFileError(msg) from error
        return (image, header.label) if self._transform is None else self._transform(image, header.label)


class _ImageFiles(Dataset):
    """Items (path, label) of ``items``, read as (image, label)."""

    items: list[tuple[str, Any]]

    def __init__(self, root: str, flag: int, transform: Transform) -> None:
        self._root = os.path.expanduser(root)
        self._flag = flag
        self._transform = transform

    def __getitem__(self, idx: int) -> Any:
        path, label = self.items[idx]
        image = _data.reader("image").imread(path, self._flag)
        return (image, label) if self._transform is None else self._transform(image, label)

    def __len__(self) -> int:
        return len(self.items)


class ImageFolderDataset(_ImageFiles):
    """(image, label) pairs of a folder with a folder for each class.

    root: the folder; the label of an image is the number of its class, in the order of the classes' names, which are
    ``synsets``. Images are ``.jpg``, ``.jpeg`` and ``.png`` files; others are passed over with a warning.  flag,
    transform: as ImageRecordDataset's.  ``items`` are (path, label) pairs.
    """

    def __init__(self, root: str, flag: int = 1, transform: Transform = None) -> None:
        super().__init__(root, flag, transform)
        self._exts = list(_EXTENSIONS)
        self.synsets: list[str] = []
        self.items = []
        try:
            folders = sorted(os.listdir(self._root))
        except OSError as error:
            msg = f"{self._root}: {error.strerror}. [ImageFolderDataset] expects a folder with a folder for each class"
            raise RecordFileError(msg) from error
        for folder in folders:
            path = os.path.join(self._root, folder)
            if not os.path.isdir(path):
                _passed_over(path, "is no folder")
                continue
            label = len(self.synsets)
            self.synsets.append(folder)
            for name in sorted(os.listdir(path)):
                extension = os.path.splitext(name)[1]
                if extension.lower() in self._exts:
                    self.items.append((os.path.join(path, name), label))
                else:
                    _passed_over(os.path.join(path, name), f"has the type {extension or '(none)'}")


def _passed_over(path: str, why: str) -> None:
    warnings.warn(f"Ignoring {path}, which {why}; images are {', '.join(_EXTENSIONS)}", UserWarning, stacklevel=4)


class ImageListDataset(_ImageFiles):
    """(image, label) pairs of a list of image files.

    root: the folder that paths are relative to.  imglist: a ``.lst`` file (key, labels, path, with tabs between), or a
    list of ``[label, path]`` or ``[label, label, ..., path]``.  flag, transform: as ImageRecordDataset's. A single label
    is a number, several are a float32 array.
    """

    def __init__(self, root: str = ".", imglist: Any = None, flag: int = 1, transform: Transform = None) -> None:
        super().__init__(root, flag, transform)
        lists = _data.reader("image_lists")
        if isinstance(imglist, (str, os.PathLike)):
            entries = lists.read_list(os.path.join(self._root, os.fspath(imglist)))
        elif isinstance(imglist, (list, tuple)):
            entries = lists.list_entries(imglist)
        else:
            msg = f"[ImageListDataset] imglist must be the path of a list or a list, got {type(imglist).__name__}"
            raise ParameterError(msg)
        self.items = [(os.path.join(self._root, path), _label_of(labels)) for labels, path in entries.values()]


def _label_of(labels: Any) -> Any:
    values = labels.asnumpy() if isinstance(labels, nd.NDArray) else np.asarray(labels)
    return values[0] if values.size == 1 else values
