"""Iterators over files: MNISTIter (idx files, gzipped or not) and CSVIter."""

from __future__ import annotations

import gzip
import os
import struct
from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.errors import ParameterError, RecordFileError, ShapeError

from .iterators import NDArrayIter

__all__ = ["CSVIter", "MNISTIter", "read_idx"]

_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str) -> np.ndarray[Any, Any]:
    """The array in an idx file: two zero bytes, element type, number of dims; dims as big-endian uint32; elements.

    Raises RecordFileError, naming file and position, where the file is cut or of another format.
    """
    try:
        with open(path, "rb") as raw:
            content = raw.read()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError) as error:
        msg = f"{path}: {error}. Check the path, or download the file again."
        raise RecordFileError(msg) from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_TYPES:
        msg = f"{path}: starts with 0x{content[:4].hex()}, which is no idx file (0x0000, type, number of dims)"
        raise RecordFileError(msg)
    dtype, ndim = np.dtype(_IDX_TYPES[content[2]]), content[3]
    start = 4 + 4 * ndim
    if len(content) < start:
        msg = f"{path}: cut at byte {len(content)} of {start}, within the dims; download the file again"
        raise RecordFileError(msg)
    shape = struct.unpack(f">{ndim}I", content[4:start])
    count = 1
    for dim in shape:
        count *= dim
    if len(content) != start + count * dtype.itemsize:
        msg = f"{path}: dims {shape} need {start + count * dtype.itemsize} bytes, the file has {len(content)}"
        raise RecordFileError(msg)
    return np.frombuffer(content, dtype=dtype, offset=start).reshape(shape)


def _existing(path: str) -> str:
    path = os.path.expanduser(path)
    return path if os.path.exists(path) or not os.path.exists(path + ".gz") else path + ".gz"


class MNISTIter(NDArrayIter):
    """Batches of an idx image file and an idx label file: float32 images in [0, 1), float32 labels.

    image, label: paths; a ``.gz`` beside them serves as well.  batch_size.  shuffle: one random order by ``seed``.
    flat: images of shape (n, h * w), otherwise (n, 1, h, w).  silent: kept for MXNet's programs.  num_parts, part_index:
    read one of several equal parts.  data_name, label_name: names of the inputs. The last, incomplete batch is left out.
    """

    def __init__(
        self,
        image: str = "./train-images-idx3-ubyte",
        label: str = "./train-labels-idx1-ubyte",
        batch_size: int = 128,
        shuffle: bool = True,
        flat: bool = False,
        seed: int = 0,
        silent: bool = False,
        num_parts: int = 1,
        part_index: int = 0,
        data_name: str = "data",
        label_name: str = "softmax_label",
        **_: Any,
    ) -> None:
        images, labels = read_idx(_existing(image)), read_idx(_existing(label))
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            msg = f"[MNISTIter] {image} has shape {images.shape}, {label} {labels.shape}: expected (n, h, w) and (n,)"
            raise ShapeError(msg)
        if not 0 <= part_index < num_parts:
            msg = f"[MNISTIter] part_index must be in [0, num_parts) = [0, {num_parts}), got {part_index}"
            raise ParameterError(msg)
        size = len(labels) // num_parts
        images = images[part_index * size : (part_index + 1) * size]
        labels = labels[part_index * size : (part_index + 1) * size]
        if shuffle:
            order = np.random.default_rng(seed).permutation(len(labels))
            images, labels = images[order], labels[order]
        shape = (len(images), -1) if flat else (len(images), 1, *images.shape[1:])
        data = images.reshape(shape).astype(np.float32) / np.float32(256)
        super().__init__(
            data,
            labels.astype(np.float32),
            batch_size,
            last_batch_handle="discard",
            data_name=data_name,
            label_name=label_name,
        )


class CSVIter(NDArrayIter):
    """Batches of the lines of a comma-separated file.

    data_csv, label_csv: paths; without labels they are 0.  data_shape, label_shape: shape of one example.  batch_size.
    round_batch: the next epoch begins after the examples that filled the last batch.  dtype: element type of data and
    labels.  data_name, label_name: names of the inputs. ``batch.pad`` examples only fill the last batch.
    """

    def __init__(
        self,
        data_csv: str,
        data_shape: tuple[int, ...],
        batch_size: int = 1,
        label_csv: str | None = None,
        label_shape: tuple[int, ...] = (1,),
        round_batch: bool = True,
        dtype: Any = "float32",
        data_name: str = "data",
        label_name: str = "softmax_label",
        **_: Any,
    ) -> None:
        data = _read_csv(data_csv, tuple(data_shape), dtype)
        label = (
            np.zeros((len(data), 1), dtype) if label_csv is None else _read_csv(label_csv, tuple(label_shape), dtype)
        )
        if tuple(label_shape) == (1,):
            label = label.reshape(len(label))
        self.round_batch = round_batch
        super().__init__(
            nd.array(data, dtype=dtype),
            nd.array(label, dtype=dtype),
            batch_size,
            data_name=data_name,
            label_name=label_name,
        )

    def reset(self) -> None:
        """Begins the next epoch."""
        overflow = self.cursor - self.num_data  # of a finished epoch: how many examples filled its last batch
        super().reset()
        if self.round_batch and overflow > 0:
            self.cursor += overflow


def _read_csv(path: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    try:
        rows = np.loadtxt(path, delimiter=",", dtype=dtype, ndmin=2)
    except (OSError, ValueError) as error:
        msg = f"{path}: {error}. Every line must hold the same number of comma-separated numbers."
        raise RecordFileError(msg) from error
    if rows.shape[1] != int(np.prod(shape)):
        msg = f"[CSVIter] {path} has {rows.shape[1]} numbers a line, shape {shape} needs {int(np.prod(shape))}"
        raise ShapeError(msg)
    return rows.reshape(len(rows), *shape)
