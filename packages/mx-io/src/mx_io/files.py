"""Iterators over files of numbers: MNISTIter (idx files, gzipped or not), CSVIter and LibSVMIter."""

from __future__ import annotations

import gzip
import os
import struct
import warnings
from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.data import DataBatch, DataDesc, DataIter
from mx_core.errors import ParameterError, RecordFileError, ShapeError, unknown_parameter

from .iterators import NDArrayIter

__all__ = ["CSVIter", "LibSVMIter", "MNISTIter", "MXDataIter", "read_idx"]


class MXDataIter(DataIter):
    """Base of the iterators that are written in C++ in MXNet, by which programs know them."""


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


def _refuse(name: str, given: dict[str, Any], known: str) -> None:
    """Raises ParameterError, with the nearest name, for parameters that the iterator ``name`` does not have."""
    names = known.split()
    for parameter in given:
        if parameter not in names:
            unknown_parameter(name, parameter, names)


def _part(name: str, size: int, num_parts: int, part_index: int) -> slice:
    """The numbers of one of several parts, which together have every number below ``size`` once."""
    if not 0 <= part_index < num_parts:
        msg = f"[{name}] part_index must be in [0, num_parts) = [0, {num_parts}), got {part_index}"
        raise ParameterError(msg)
    return slice(size * part_index // num_parts, size * (part_index + 1) // num_parts)


_MNIST = "image label batch_size shuffle flat seed silent num_parts part_index data_name label_name dtype"
_CSV = "data_csv data_shape batch_size label_csv label_shape round_batch dtype data_name label_name"
_SVM = (
    "data_libsvm data_shape batch_size label_libsvm label_shape num_parts part_index round_batch dtype data_name "
    "label_name"
)
# Of MXNet's loader threads, and what old programs gave without effect.
_WITHOUT_EFFECT = " prefetch_buffer ctx verbose input_shape"


class MNISTIter(NDArrayIter, MXDataIter):
    """Batches of an idx image file and an idx label file: images in [0, 1), labels; float32.

    image, label: paths; a ``.gz`` beside them serves as well.  batch_size.  shuffle: one random order by ``seed``.
    flat: images of shape (n, h * w), otherwise (n, 1, h, w).  num_parts, part_index: read one of several equal parts.
    data_name, label_name: names of the inputs.  dtype: another element type of images and labels.  silent,
    prefetch_buffer, ctx, input_shape: kept for MXNet's programs. The last, incomplete batch is left out.
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
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        _refuse("MNISTIter", kwargs, _MNIST + _WITHOUT_EFFECT)
        images, labels = read_idx(_existing(image)), read_idx(_existing(label))
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            msg = f"[MNISTIter] {image} has shape {images.shape}, {label} {labels.shape}: expected (n, h, w) and (n,)"
            raise ShapeError(msg)
        part = _part("MNISTIter", len(labels), int(num_parts), int(part_index))
        images, labels = images[part], labels[part]
        if shuffle:
            order = np.random.default_rng(int(seed)).permutation(len(labels))
            images, labels = images[order], labels[order]
        shape = (len(images), -1) if flat else (len(images), 1, *images.shape[1:])
        dtype = "float32" if dtype is None else dtype
        super().__init__(
            nd.array(images.reshape(shape).astype(np.float32) / np.float32(256), dtype=dtype),
            nd.array(labels, dtype=dtype),
            int(batch_size),
            last_batch_handle="discard",
            data_name=data_name,
            label_name=label_name,
        )


class _RoundRobin(NDArrayIter, MXDataIter):
    """Batches of rows; with round_batch an epoch begins after the rows that filled the last batch of the one before."""

    def __init__(self, data: Any, label: Any, batch_size: int, round_batch: Any, **names: str) -> None:
        self.round_batch = bool(round_batch)
        super().__init__(data, label, batch_size, **names)

    def reset(self) -> None:
        """Begins the next epoch."""
        overflow = self.cursor - self.num_data  # of a finished epoch: how many rows filled its last batch
        super().reset()
        if self.round_batch and overflow > 0:
            self.cursor += overflow % self.num_data

    def getindex(self) -> Any:
        """The numbers of the rows of the current batch."""
        return np.arange(self.cursor, self.cursor + self.batch_size, dtype=np.uint64) % self.num_data


class CSVIter(_RoundRobin):
    """Batches of the lines of comma-separated files.

    data_csv, label_csv: a file, or a folder of files; without labels they are 0.  data_shape, label_shape: shape of one
    example.  batch_size.  round_batch: the next epoch begins after the examples that filled the last batch.  dtype:
    element type of data and labels.  data_name, label_name: names of the inputs.  prefetch_buffer, ctx: kept for
    MXNet's programs. ``batch.pad`` examples only fill the last batch.
    """

    def __init__(
        self,
        data_csv: str,
        data_shape: tuple[int, ...],
        batch_size: int = 1,
        label_csv: str | None = None,
        label_shape: tuple[int, ...] = (1,),
        round_batch: bool = True,
        dtype: Any = None,
        data_name: str = "data",
        label_name: str = "softmax_label",
        **kwargs: Any,
    ) -> None:
        _refuse("CSVIter", kwargs, _CSV + _WITHOUT_EFFECT)
        dtype = "float32" if dtype is None else dtype
        data = _read_csv(data_csv, tuple(data_shape), dtype)
        if label_csv in (None, "NULL"):
            label = np.zeros((len(data), *label_shape), dtype)
        else:
            label = _read_csv(str(label_csv), tuple(label_shape), dtype)
        if tuple(label_shape) == (1,):
            label = label.reshape(len(label))
        names = {"data_name": data_name, "label_name": label_name}
        super().__init__(nd.array(data, dtype=dtype), nd.array(label, dtype=dtype), batch_size, round_batch, **names)


def _files_of(path: str) -> list[str]:
    """The file, or the files of the folder."""
    if os.path.isdir(path):
        found = [os.path.join(path, name) for name in sorted(os.listdir(path))]
        return [name for name in found if os.path.isfile(name)]
    return [path]


def _read_csv(path: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy warns of a file without numbers
            parts = [_numbers(file, dtype) for file in _files_of(path)]
        rows = np.concatenate(parts)
    except (OSError, ValueError, UserWarning) as error:
        msg = f"{path}: {error}. Every line must hold the same number of comma-separated numbers."
        raise RecordFileError(msg) from error
    if rows.shape[1] != int(np.prod(shape)):
        msg = f"[CSVIter] {path} has {rows.shape[1]} numbers a line, shape {shape} needs {int(np.prod(shape))}"
        raise ShapeError(msg)
    return rows.reshape(len(rows), *shape)


def _numbers(file: str, dtype: Any) -> np.ndarray[Any, Any]:
    try:
        return np.loadtxt(file, delimiter=",", dtype=dtype, ndmin=2)
    except ValueError:
        if np.dtype(dtype).kind not in "iu":
            raise
        return np.loadtxt(file, delimiter=",", dtype="float64", ndmin=2).astype(
            dtype
        )  # whole numbers written as 1.0e+00


# -- LibSVM ------------------------------------------------------------------------------------------------------------


class _SparseRows:
    """Rows of few numbers: of row i, ``columns`` and ``values`` from begins[i] to begins[i + 1]."""

    def __init__(self, path: str, width: int) -> None:
        labels: list[float] = []
        columns: list[int] = []
        values: list[float] = []
        begins = [0]
        for file in _files_of(path):
            for number, line in enumerate(_lines_of(file), 1):
                words = line.split()
                if not words:
                    continue
                try:
                    labels.append(float(words[0]))
                    for word in words[1:]:
                        column, value = word.split(":")
                        columns.append(int(column))
                        values.append(float(value))
                        if not 0 <= columns[-1] < width:
                            raise ValueError
                except (ValueError, OverflowError):
                    shown = line.strip() if len(line) < 80 else line[:80] + "..."
                    msg = f"{file}: line {number} must be label column:value ..., with columns in [0, {width}), got {shown!r}"
                    raise RecordFileError(msg) from None
                begins.append(len(columns))
        if not labels:
            msg = f"{path}: holds no lines"
            raise RecordFileError(msg)
        self.width = width
        self.labels = np.array(labels, np.float32)
        self.columns, self.begins = np.array(columns, np.int64), np.array(begins, np.int64)
        self.values = np.array(values, np.float32)

    def __len__(self) -> int:
        return len(self.labels)

    def dense(self, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The rows with these numbers, zeros filled in: (k, width)."""
        made = np.zeros((len(rows), self.width), np.float32)
        for place, row in enumerate(rows):
            part = slice(self.begins[row], self.begins[row + 1])
            made[place, self.columns[part]] = self.values[part]
        return made


def _lines_of(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.readlines()
    except OSError as error:
        msg = f"{path}: cannot open the file: {error.strerror}. Check the path"
        raise RecordFileError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path}: byte {error.start} is not text, so this is no LibSVM file"
        raise RecordFileError(msg) from error


def _width(name: str, shape: Any) -> int:
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if len(sizes) != 1 or sizes[0] < 1:
        msg = f"[LibSVMIter] {name} must have one dimension, got {sizes}"
        raise ShapeError(msg)
    return int(sizes[0])


class LibSVMIter(MXDataIter):
    """Batches of the lines ``label column:value ...`` of LibSVM files, columns counted from 0.

    data_libsvm: a file, or a folder of files.  data_shape: (columns,).  label_libsvm: a file whose columns are the
    labels, of label_shape; otherwise each line's first number is.  num_parts, part_index: read one of several equal
    parts.  batch_size, dtype, data_name, label_name: as CSVIter's.  round_batch: True only, as in MXNet: the next epoch
    begins after the examples that filled the last batch. The batches are dense float32 arrays, where MXNet's are csr;
    the file is kept in its sparse form.
    """

    def __init__(
        self,
        data_libsvm: str,
        data_shape: Any,
        batch_size: int = 1,
        label_libsvm: str | None = None,
        label_shape: Any = (1,),
        num_parts: int = 1,
        part_index: int = 0,
        round_batch: bool = True,
        dtype: Any = None,
        data_name: str = "data",
        label_name: str = "softmax_label",
        **kwargs: Any,
    ) -> None:
        super().__init__(batch_size)
        _refuse("LibSVMIter", kwargs, _SVM + _WITHOUT_EFFECT)
        if not round_batch:
            msg = "[LibSVMIter] round_batch must be True: its epochs follow each other without a gap"
            raise ParameterError(msg)
        if batch_size < 1:
            msg = f"[LibSVMIter] batch_size must be at least 1, got {batch_size}"
            raise ParameterError(msg)
        self._dtype = np.dtype("float32" if dtype is None else dtype)
        self._rows = _SparseRows(data_libsvm, _width("data_shape", data_shape))
        self._labels: _SparseRows | None = None
        if label_libsvm not in (None, "NULL"):
            self._labels = _SparseRows(str(label_libsvm), _width("label_shape", label_shape))
            if len(self._labels) != len(self._rows):
                msg = f"[LibSVMIter] {label_libsvm} has {len(self._labels)} lines, {data_libsvm} {len(self._rows)}"
                raise ShapeError(msg)
        part = _part("LibSVMIter", len(self._rows), num_parts, part_index)
        self._numbers = np.arange(part.start, part.stop)
        if not self._numbers.size:
            msg = f"[LibSVMIter] part {part_index} of {num_parts} of {len(self._rows)} lines is empty"
            raise ParameterError(msg)
        labels = (batch_size,) if self._labels is None else (batch_size, self._labels.width)
        self.provide_data = [DataDesc(data_name, (batch_size, self._rows.width), self._dtype.type)]
        self.provide_label = [DataDesc(label_name, labels, self._dtype.type)]
        self._next = 0

    def reset(self) -> None:
        """Begins the next epoch, after the examples that filled the last batch."""
        size = len(self._numbers)
        self._next = (self._next - size) % size if self._next > size else 0

    def next(self) -> DataBatch:
        """The next batch. Raises StopIteration after the last."""
        size = len(self._numbers)
        if self._next >= size:
            raise StopIteration
        places = np.arange(self._next, self._next + self.batch_size)
        self._next += self.batch_size
        rows = self._numbers[places % size]
        data = nd.array(self._rows.dense(rows), dtype=self._dtype)
        label = self._rows.labels[rows] if self._labels is None else self._labels.dense(rows)
        pad = max(0, self._next - size)
        return DataBatch([data], [nd.array(label, dtype=self._dtype)], pad=pad, index=rows.astype(np.uint64))

    def state_dict(self) -> dict[str, Any]:
        """Where the iterator is: ``load_state_dict`` of an equal one goes on from there."""
        return {"next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to where ``state_dict`` of an equal iterator was."""
        self._next = state["next"]
