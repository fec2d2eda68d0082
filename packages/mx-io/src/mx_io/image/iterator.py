"""ImageIter: batches of images from a record file or a list, changed by augmenters."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.data import DataBatch, DataDesc, DataIter
from mx_core.errors import ParameterError, RecordFileError, ShapeError

from ..augmentation.draws import draws
from ..augmentation.registry import create_augmenters
from ..recordio import MXIndexedRecordIO, MXRecordIO, unpack
from .arrays import as_array, as_host
from .create import CreateAugmenter
from .decode import decode, read_file
from .lists import Entry, list_entries, read_list

__all__ = ["ImageIter"]

_HANDLES = ("pad", "discard", "roll_over")
_LABEL_TYPES = ("int32", "float32", "int64", "float64")


class ImageIter(DataIter):
    """Batches of images, float32 (batch_size, c, h, w), and their labels.

    batch_size.  data_shape: (3, h, w).  label_width: labels of an image; above 1 the labels are (batch_size, label_width).
    path_imgrec: a record file, path_imgidx: its index, which shuffling and parts need.  path_imglist: a ``.lst`` file,
    or imglist: a list of ``[label(s), path]``, of image files below path_root; beside a record file with an index it
    says which records, and their labels.  shuffle: a new random order (``random.seed``) each epoch.  part_index,
    num_parts: read one of several parts, which together have every image once.  aug_list: augmenters or
    their names (``mx_io.augmentation``), default ``CreateAugmenter(data_shape, **kwargs)``.  data_name, label_name: names of
    the inputs.  dtype: of the labels.  last_batch_handle: "pad" the last batch from the start, "discard" it, or
    "roll_over" its images into the next epoch.

    A subclass may override next_sample, read_image, imdecode, check_valid_image, augmentation_transform and
    postprocess_data.

    Raises:
        RecordFileError: naming file, line or record, for what cannot be read or decoded.
    """

    def __init__(
        self,
        batch_size: int,
        data_shape: tuple[int, int, int],
        label_width: int = 1,
        path_imgrec: str | None = None,
        path_imglist: str | None = None,
        path_root: str | None = None,
        path_imgidx: str | None = None,
        shuffle: bool = False,
        part_index: int = 0,
        num_parts: int = 1,
        aug_list: list[Any] | None = None,
        imglist: Any = None,
        data_name: str = "data",
        label_name: str = "softmax_label",
        dtype: Any = "float32",
        last_batch_handle: str = "pad",
        **kwargs: Any,
    ) -> None:
        super().__init__(batch_size)
        name = type(self).__name__
        _check_choices(name, dtype, last_batch_handle, part_index, num_parts)
        if batch_size < 1:
            msg = f"[{name}] batch_size must be at least 1, got {batch_size}"
            raise ParameterError(msg)
        if path_imgrec is None and path_imglist is None and not isinstance(imglist, (list, tuple)):
            msg = f"[{name}] needs path_imgrec, path_imglist, or a list imglist of [label, path]"
            raise ParameterError(msg)
        self.check_data_shape(data_shape)
        self.data_shape, self.label_width = tuple(data_shape), label_width
        self.path_root, self.shuffle = path_root, shuffle
        self.dtype, self.last_batch_handle = np.dtype(dtype), last_batch_handle
        self.imgrec: Any = None
        self.imgidx: Any = None
        self._rec_path, self._list_name = path_imgrec, path_imglist or "imglist"
        if path_imgrec is not None:
            self._open(path_imgrec, path_imgidx)
        self.imglist: dict[Any, Entry] | None = None
        if path_imglist is not None:
            self.imglist = dict(read_list(path_imglist, self.dtype))
        elif isinstance(imglist, (list, tuple)):
            self.imglist = dict(list_entries(imglist, self.dtype))
        self.seq = self._sequence(name, part_index, num_parts)
        self.auglist = CreateAugmenter(data_shape, **kwargs) if aug_list is None else create_augmenters(aug_list)
        self.provide_data: Any = [DataDesc(data_name, (batch_size, *self.data_shape))]
        labels = (batch_size, label_width) if label_width > 1 else (batch_size,)
        self.provide_label: Any = [DataDesc(label_name, labels, self.dtype.type)]
        self.cur = 0
        self._where = ""
        self._held: list[Any] = []  # samples rolled over, not decoded yet, and where they are read
        self._held_at: list[Any] = []
        self._at: Any = None  # where the last sample was read: its number in seq, or its byte
        self._done = False
        self.reset()

    # -- sources -------------------------------------------------------------------------------------------------------

    def _open(self, path: str, index: str | None) -> None:
        if index is None:
            self.imgrec = MXRecordIO(path, "r")
        else:
            self.imgrec = MXIndexedRecordIO(index, path, "r")
            self.imgidx = list(self.imgrec.keys)

    def _sequence(self, name: str, part_index: int, num_parts: int) -> list[Any] | None:
        """The keys to read, in order; None for a record file read from its first to its last record."""
        if self.imgrec is not None and self.imgidx is None:
            if self.shuffle or num_parts > 1:
                msg = f"[{name}] shuffle and num_parts need path_imgidx, the index of {self._rec_path}"
                raise ParameterError(msg)
            return None
        keys = list(self.imgidx if self.imglist is None else self.imglist)
        if self.imgrec is not None and self.imglist is not None:
            unknown = [key for key in keys if key not in self.imgrec.idx]
            if unknown:
                msg = f"{self._list_name}: key {unknown[0]!r} is not in the index of {self._rec_path}"
                raise RecordFileError(msg)
        if not keys:
            msg = f"{self._rec_path}: its index has no records; rebuild it: mx-rec index"
            raise RecordFileError(msg)
        # MXNet leaves out the images that remain when the number of parts does not divide; here every image is in a part.
        size = len(keys)
        return keys[size * part_index // num_parts : size * (part_index + 1) // num_parts]

    def reset(self) -> None:
        """Begins the next epoch."""
        if self.shuffle and self.seq is not None:
            draws().python.shuffle(self.seq)
        self._rewind()
        self._done = False

    def hard_reset(self) -> None:
        """Begins an epoch without the images rolled over."""
        self._held, self._held_at = [], []
        self.reset()

    def _rewind(self) -> None:
        if self.imgrec is not None and self.imgidx is None:
            self.imgrec.reset()
        self.cur = 0

    def next_sample(self) -> tuple[Any, bytes]:
        """(labels, encoded image) of the next image. Raises StopIteration after the last."""
        if self.seq is None:
            self._at = self.imgrec.tell()
            record = self.imgrec.read()
            if record is None:
                raise StopIteration
            self._where = f"{self._rec_path}: record {self.cur} at byte {self._at}"
            self.cur += 1
            header, content = unpack(record)
            return header.label, content
        if self.cur >= len(self.seq):
            raise StopIteration
        self._at = self.seq[self.cur]
        self.cur += 1
        return self._read(self._at)

    def _read(self, key: Any) -> tuple[Any, bytes]:
        """(labels, encoded image) of a key, or of the record at a byte."""
        if self.seq is None:
            self.imgrec.seek(key)
            header, content = unpack(self.imgrec.read())
            return header.label, content
        if self.imgrec is not None:
            self._where = f"{self._rec_path}: record {key}"
            header, content = unpack(self.imgrec.read_idx(key))
            return (header.label if self.imglist is None else self.imglist[key][0]), content
        assert self.imglist is not None
        label, path = self.imglist[key]
        self._where = os.path.join(self.path_root or "", path)
        return label, self.read_image(path)

    def read_image(self, fname: str) -> bytes:
        """The bytes of an image file below path_root."""
        return read_file(os.path.join(self.path_root or "", fname))

    # -- one image -----------------------------------------------------------------------------------------------------

    def check_data_shape(self, data_shape: Any) -> None:
        """Raises ShapeError unless data_shape is (3, h, w)."""
        if len(data_shape) != 3:
            msg = "data_shape should have length 3, with dimensions CxHxW"
            raise ShapeError(msg)
        if data_shape[0] != 3 or min(data_shape) < 1:
            msg = f"This iterator expects inputs to have 3 channels. data_shape must be (3, h, w), got {tuple(data_shape)}"
            raise ShapeError(msg)

    def check_valid_image(self, data: Any) -> None:
        """Raises ShapeError for a list of an image without pixels."""
        if len(data[0].shape) == 0 or 0 in data[0].shape:
            msg = f"{self._where}: Data shape is wrong: {data[0].shape}"
            raise ShapeError(msg)

    def imdecode(self, s: Any) -> Any:
        """The pixels (h, w, c) of an encoded image. Raises RecordFileError, naming file and record."""
        return as_array(decode(s, where=self._where))

    def augmentation_transform(self, data: Any) -> Any:
        """The image after all augmenters."""
        for change in self.auglist:
            data = change(data)
        return data

    def postprocess_data(self, datum: Any) -> Any:
        """The image as (c, h, w)."""
        return nd.transpose(datum, axes=(2, 0, 1))

    # -- batches -------------------------------------------------------------------------------------------------------

    def _collect(self) -> tuple[list[Any], int]:
        """The samples of the next batch and its pad. Raises StopIteration at the end of the epoch."""
        if self._done:
            raise StopIteration
        samples, places = self._held, self._held_at
        self._held, self._held_at = [], []
        rolled = len(samples)
        while len(samples) < self.batch_size:
            try:
                samples.append((*self.next_sample(), self._where))
                places.append(self._at)
            except StopIteration:
                break
        missing = self.batch_size - len(samples)
        if not missing:
            # MXNet calls what follows the images rolled over the padding of their batch.
            return samples, self.batch_size - rolled if rolled else 0
        self._done = True
        if self.last_batch_handle == "roll_over":
            self._held, self._held_at = samples, places
        if not samples or self.last_batch_handle != "pad":
            raise StopIteration
        while len(samples) < self.batch_size:
            self._rewind()
            try:
                while len(samples) < self.batch_size:
                    samples.append((*self.next_sample(), self._where))
            except StopIteration:
                continue
        return samples, missing

    def next(self) -> DataBatch:
        """The next batch. Raises StopIteration after the last."""
        samples, pad = self._collect()
        data = np.empty((self.batch_size, *self.data_shape), np.float32)
        label = np.empty(self.provide_label[0].shape, self.dtype)
        for row, (labels, content, where) in enumerate(samples):
            self._where = where
            image = self.imdecode(content)
            self.check_valid_image([image])
            self._store(data, row, self.augmentation_transform(image))
            self._store_label(label, row, labels)
        return DataBatch([as_array(data)], [as_array(label)], pad=pad)

    def _store(self, data: np.ndarray[Any, Any], row: int, image: Any) -> None:
        if type(self).postprocess_data is ImageIter.postprocess_data:
            values = as_host(image)
            values = values.transpose(2, 0, 1) if values.ndim == 3 else values
        else:
            values = as_host(self.postprocess_data(image))
        if values.shape != self.data_shape:
            msg = (
                f"{self._where}: the augmenters made an image (c, h, w) = {values.shape}, "
                f"data_shape is {self.data_shape}; crop or resize to it"
            )
            raise ShapeError(msg)
        data[row] = values

    def _store_label(self, label: np.ndarray[Any, Any], row: int, labels: Any) -> None:
        values = np.asarray(as_host(labels) if isinstance(labels, nd.NDArray) else labels).reshape(-1)
        if values.size != self.label_width:
            msg = f"{self._where}: has {values.size} labels, label_width is {self.label_width}"
            raise ShapeError(msg)
        label[row] = values if self.label_width > 1 else values[0]

    # -- positions -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where the iterator is, in plain values: ``load_state_dict`` of an equal iterator goes on from there.

        The state of the random numbers that augmenters draw is the program's (``random.getstate``).
        """
        byte = self.imgrec.tell() if self.seq is None else None
        return {
            "seq": None if self.seq is None else list(self.seq),
            "cur": self.cur,
            "byte": byte,
            "held": list(self._held_at),
            "done": self._done,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to where ``state_dict`` of an equal iterator was. Raises ParameterError for another data set's state."""
        seq = state["seq"]
        if (seq is None) != (self.seq is None) or (seq is not None and len(seq) != len(self.seq or ())):
            msg = f"[{type(self).__name__}] the state is of another source of images than this iterator's"
            raise ParameterError(msg)
        if seq is not None:
            known = self.imgidx if self.imglist is None else self.imglist
            if not set(seq) <= set(known):
                msg = f"[{type(self).__name__}] the state holds images that this iterator does not have"
                raise ParameterError(msg)
        self.seq = None if seq is None else list(seq)
        self._held_at = list(state["held"])
        self._held = [(*self._read(place), self._where) for place in self._held_at]
        self.cur, self._done = state["cur"], state["done"]
        if self.seq is None:
            self.imgrec.seek(state["byte"])


def _check_choices(name: str, dtype: Any, handle: str, part_index: int, num_parts: int) -> None:
    try:
        known = np.dtype(dtype).name in _LABEL_TYPES
    except TypeError:
        known = False
    if not known:
        msg = f"[{name}] dtype, of the labels, must be {', '.join(_LABEL_TYPES)}, got {dtype!r}"
        raise ParameterError(msg)
    if handle not in _HANDLES:
        msg = f"[{name}] last_batch_handle must be 'pad', 'discard' or 'roll_over', got {handle!r}"
        raise ParameterError(msg)
    if not 0 <= part_index < num_parts:
        msg = f"[{name}] part_index must be in [0, num_parts) = [0, {num_parts}), got {part_index}"
        raise ParameterError(msg)
