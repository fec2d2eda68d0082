"""Where the images of a record iterator come from: which records there are, in what order, and their labels."""

from __future__ import annotations

import os
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mx_core.errors import ParameterError, RecordFileError

from ..record_format import RecordReader, scan_sound
from ..recordio import read_index, unpack

__all__ = ["LabelList", "Order", "RecordSource", "Sample"]


@dataclass(frozen=True)
class Sample:
    """A record as read: its image's number, its labels, the encoded image, and where it stands, for messages."""

    id: int
    label: np.ndarray[Any, Any]
    body: bytes | memoryview
    place: str


class LabelList:
    """The labels of a .lst file by image number: lines of ``number <tab> labels <tab> path``."""

    def __init__(self, path: str, width: int) -> None:
        self.path = path
        self.labels: dict[int, np.ndarray[Any, Any]] = {}
        try:
            with open(path, encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        self._add(number, line, width)
        except UnicodeDecodeError as error:
            msg = f"{path}: byte {error.start} is not text, so this is no list; make one with mx-im2rec --list"
            raise RecordFileError(msg) from error
        except OSError as error:
            if isinstance(error, RecordFileError):
                raise
            msg = f"{path}: cannot open the list: {error.strerror}. Make one with mx-im2rec --list"
            raise RecordFileError(msg) from error
        if not self.labels:
            msg = f"{path}: the list is empty; make one with mx-im2rec --list"
            raise RecordFileError(msg)

    def _add(self, number: int, line: str, width: int) -> None:
        columns = line.rstrip("\r\n").split("\t")
        try:
            labels = np.array([float(text) for text in columns[1:-1]], np.float32)
            if len(labels) < max(width, 1):
                raise ValueError
            self.labels[int(columns[0])] = labels if width < 0 else labels[:width]
        except ValueError as error:
            wanted = "one label or more" if width < 0 else f"{width} label{'s' * (width > 1)}"
            got = line.rstrip() if len(line) < 80 else line[:80] + "..."
            msg = f"{self.path}: line {number} must be number <tab> {wanted} <tab> path, got {got!r}; see label_width"
            raise RecordFileError(msg) from error


class RecordSource:
    """The records of one or several files that a worker reads, by number.

    files: a .rec file, several separated by ";", or a folder.  index: the .idx file, or "".  part, n_parts: which
    share of the records.  With an index, shares have equal numbers of records; without, they are cut by bytes, both
    as in MXNet.

    Raises:
        RecordFileError: when there is no file, no record, or a damaged one before the last.
    """

    def __init__(self, files: str, index: str, part: int, n_parts: int, labels: LabelList | None, width: int) -> None:
        self.paths = _files(files)
        self._lock = threading.Lock()
        self._labels = labels
        self._width = width
        self._readers: list[RecordReader] = [RecordReader(path) for path in self.paths]
        self._pid = os.getpid()
        if index:
            if len(self.paths) != 1:
                msg = f"path_imgidx needs one record file, got {len(self.paths)}: {files}"
                raise ParameterError(msg)
            offsets = np.sort(np.asarray(read_index(index)[1], np.int64))
            step = -(-len(offsets) // n_parts)
            chosen = slice(part * step, (part + 1) * step)
            self.first = min(part * step, len(offsets))
            self.offsets, self._file = offsets[chosen], np.zeros(len(offsets[chosen]), np.int32)
        else:
            self._scan(part, n_parts)
        if not len(self.offsets):
            where = f" in part {part} of {n_parts}" if n_parts > 1 else ""
            msg = f"{index or files}: there is no record{where}; check the path, or make the file with im2rec"
            raise RecordFileError(msg)

    def _scan(self, part: int, n_parts: int) -> None:
        offsets, file, base, starts = [], [], 0, []
        for number, path in enumerate(self.paths):
            spans, cut = scan_sound(path)
            if cut is not None:
                warnings.warn(f"{cut.error} It is left out.", RuntimeWarning, stacklevel=5)
            offsets += [span.start for span in spans]
            starts += [base + span.start for span in spans]
            file += [number] * len(spans)
            base += self._readers[number].size
        step = -(-base // n_parts)
        step += -step % 4
        place = np.asarray(starts, np.int64)
        mine = (place >= part * step) & (place < (part + 1) * step)
        self.first = int(np.argmax(mine)) if mine.any() else 0
        self.offsets = np.asarray(offsets, np.int64)[mine]
        self._file = np.asarray(file, np.int32)[mine]

    def __len__(self) -> int:
        return len(self.offsets)

    def close(self) -> None:
        """Closes the files."""
        for reader in self._readers:
            reader.close()

    def read(self, number: int) -> Sample:
        """Record ``number`` of this part, with as many labels as the iterator wants."""
        reader, offset = self._readers[self._file[number]], int(self.offsets[number])
        found = reader.read(offset, self.first + number)
        place = f"{reader.path}: record {self.first + number} at byte {offset}"
        if found is None:
            msg = f"{place}: the file ends there. The index is of another file; rebuild it: mx-rec index"
            raise RecordFileError(msg)
        try:
            header, body = unpack(memoryview(found[0]))  # whose slice is no copy
        except RecordFileError as error:
            msg = f"{place}: {error}"
            raise RecordFileError(msg) from error
        return Sample(header.id, self._label(header, place), body, place)

    def n_labels(self, number: int) -> int:
        """How many labels record ``number`` has, without reading all of it."""
        if self._labels is not None:
            return len(self.read(number).label)
        reader, offset = self._readers[self._file[number]], int(self.offsets[number])
        head = reader.head(offset, self.first + number, 4)
        return max(1, int.from_bytes(head, "little"))

    def _label(self, header: Any, place: str) -> np.ndarray[Any, Any]:
        if self._labels is not None:
            try:
                return self._labels.labels[header.id]
            except KeyError:
                msg = f"{place}: no line of {self._labels.path} has its number, {header.id}; give the file's own list"
                raise RecordFileError(msg) from None
        label = np.atleast_1d(np.asarray(header.label, np.float32))
        if self._width in (-1, len(label)):
            return label
        msg = (
            f"{place} holds {len(label)} label{'s' * (len(label) != 1)}, label_width is {self._width}. Set label_width "
            "to what it holds, give path_imglist, or pack several labels: mx-im2rec --pack-label"
        )
        raise ParameterError(msg)


def _files(files: str) -> list[str]:
    paths: list[str] = []
    for name in filter(None, files.split(";")):
        path = name.removeprefix("file://")
        if os.path.isdir(path):
            inside = sorted(str(file) for file in Path(path).glob("*.rec"))
            if not inside:
                msg = f"{path}: the folder holds no .rec file; make one with im2rec"
                raise RecordFileError(msg)
            paths += inside
        else:
            paths.append(path)
    if not paths:
        msg = "path_imgrec is empty; give the path of a .rec file"
        raise ParameterError(msg)
    return paths


class Order:
    """The order of the records in each round: as they lie, or shuffled, a function of seed and round alone."""

    def __init__(self, source: RecordSource, shuffle: bool, seed: int, chunk_bytes: int, chunk_seed: int) -> None:
        self._n = len(source)
        self._shuffle = shuffle
        self._key = (seed + chunk_seed if chunk_bytes else seed) & (2**64 - 1)
        self._chunks: list[np.ndarray[Any, Any]] | None = None
        if shuffle and chunk_bytes:
            chunk = source._file.astype(np.int64) << 40 | source.offsets // chunk_bytes
            self._chunks = np.split(np.arange(self._n), np.flatnonzero(np.diff(chunk)) + 1)
        self._round = -1
        self._order = np.arange(self._n)

    def of(self, number: int) -> np.ndarray[Any, Any]:
        """The record numbers of round ``number``, from 0."""
        if self._shuffle and number != self._round:
            rng = np.random.Generator(np.random.Philox(key=[self._key, number]))
            if self._chunks is None:
                self._order = rng.permutation(self._n)
            else:
                chunks = [self._chunks[i] for i in rng.permutation(len(self._chunks))]
                self._order = np.concatenate([rng.permutation(chunk) for chunk in chunks])
            self._round = number
        return self._order
