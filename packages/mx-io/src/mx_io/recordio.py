"""RecordIO files: MXRecordIO, MXIndexedRecordIO, and the header that labelled images carry (``mxnet.recordio``)."""

from __future__ import annotations

import numbers
import os
import struct
from collections import namedtuple
from typing import Any

import numpy as np

from mx_core.errors import MXNetError, ParameterError, RecordFileError

from ._opencv import cv2
from .record_format import RecordReader, encode

__all__ = ["IRHeader", "MXIndexedRecordIO", "MXRecordIO", "pack", "pack_img", "read_index", "unpack", "unpack_img"]

_IR = struct.Struct("=IfQQ")


class MXRecordIO:
    """A RecordIO file, read or written from its first record to its last.

    uri: the path (``file://`` may stand before it).  flag: "r" to read, "w" to write a new file.

    A reader may be pickled (the copy starts at the first record) and used in a forked child, which goes on at the
    same record independently of its parent. A writer belongs to the process that opened it.

    Raises:
        RecordFileError: when the file cannot be opened, or a record is damaged: with file, record, byte and cure.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "two.rec")
    >>> with MXRecordIO(path, "w") as file:
    ...     file.write(b"first")
    ...     file.write(b"second")
    >>> with MXRecordIO(path, "r") as file:
    ...     print(file.read(), file.read(), file.read())
    b'first' b'second' None
    """

    def __init__(self, uri: str | os.PathLike[str], flag: str) -> None:
        self.uri = os.fspath(uri)
        self.flag = flag
        self.is_open = False
        self.pid: int | None = None
        self.open()

    def open(self) -> None:
        """Opens the file at its first record; flag "w" makes it empty."""
        if self.flag not in ("r", "w"):
            msg = f"Invalid flag {self.flag}: [{type(self).__name__}] flag must be 'r' or 'w'"
            raise ParameterError(msg)
        path = self.uri.removeprefix("file://")
        self.writable = self.flag == "w"
        if self.writable:
            try:
                self._file = open(path, "wb", buffering=1 << 20)  # noqa: SIM115 - close() closes it
            except OSError as error:
                msg = f"{path}: cannot write the record file: {error.strerror}. Check folder and permissions"
                raise RecordFileError(msg) from error
        else:
            self._reader = RecordReader(path)
        self._position = 0
        self._number: Any = 0  # of the next record; None after a seek that says no number
        self._ahead = True
        self.pid = os.getpid()
        self.is_open = True

    def __enter__(self) -> MXRecordIO:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "is_open", False):
            self.close()

    def __getstate__(self) -> dict[str, Any]:
        if self.is_open and self.writable:
            msg = f"[{type(self).__name__}] {self.uri} is open for writing and cannot be pickled; close() it first"
            raise MXNetError(msg)
        return {k: v for k, v in self.__dict__.items() if k not in ("_reader", "_file", "fidx")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.is_open = False
        if state["is_open"]:
            self.open()

    def close(self) -> None:
        """Closes the file; again does nothing. A forked child's copy of a writer is only forgotten."""
        if not self.is_open:
            return
        self.is_open = False
        if not self.writable:
            self._reader.close()
        elif self.pid == os.getpid():
            self._file.close()
        else:
            self._file.raw.close()  # without a flush: the unwritten bytes are the parent's to write
        self.pid = None

    def reset(self) -> None:
        """Back to the first record; a file open for writing is made empty."""
        self.close()
        self.open()

    def _check(self, writing: bool) -> None:
        name = type(self).__name__
        if not self.is_open:
            msg = f"[{name}] {self.uri} is closed; call reset() to open it again"
            raise MXNetError(msg)
        if self.writable != writing:
            msg = f"[{name}] {self.uri} is open for {'writing' if self.writable else 'reading'}, flag {self.flag!r}"
            raise MXNetError(msg)
        if writing and self.pid != os.getpid():
            msg = (
                f"Forbidden operation in multiple processes: [{name}] {self.uri} "
                f"was opened for writing by process {self.pid}; open a file of its own in each"
            )
            raise MXNetError(msg)

    def write(self, buf: bytes) -> None:
        """Adds ``buf``, bytes-like, as one record."""
        self._check(writing=True)
        if isinstance(buf, str):
            msg = f"[{type(self).__name__}] a record is bytes, got str; encode it"
            raise ParameterError(msg)
        pieces = encode(buf)
        self._file.writelines(pieces)
        self._position += sum(map(len, pieces))

    def read(self) -> bytes | None:
        """The next record's payload, or None after the last."""
        self._check(writing=False)
        found = self._reader.read(self._position, self._number, self._ahead)
        if found is None:
            return None
        payload, self._position = found
        self._ahead = True
        if self._number is not None:
            self._number += 1
        return payload

    def tell(self) -> int:
        """The byte where the next record is read or written."""
        if not self.is_open:
            self._check(writing=self.writable)
        return self._position

    def seek(self, pos: int) -> None:
        """Goes to the record that starts at byte ``pos``, as ``tell`` said it."""
        self._check(writing=False)
        self._go(pos, None)

    def _go(self, position: int, number: int | None) -> None:
        if position < 0:
            msg = f"{self.uri}: a record cannot start at byte {position}; rebuild the index: mx-rec index"
            raise RecordFileError(msg)
        self._position, self._number, self._ahead = position, number, False


def read_index(path: str, key_type: Any = int) -> tuple[list[Any], list[int]]:
    """(keys, positions) of an .idx file, in its order: a line is ``key <tab> first byte of the record``.

    Raises RecordFileError, naming file and line, for a line that is not so.
    """
    keys, positions = [], []
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    key, position = line.strip().split("\t")[:2]
                    keys.append(key_type(key))
                    positions.append(int(position))
                except ValueError as error:
                    got = line if len(line) < 80 else line[:80] + "..."
                    msg = f"{path}: line {number} must be key <tab> position, got {got!r}; rebuild it: mx-rec index"
                    raise RecordFileError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path}: byte {error.start} is not text, so this is no index; rebuild it: mx-rec index"
        raise RecordFileError(msg) from error
    except OSError as error:
        if isinstance(error, RecordFileError):
            raise
        msg = f"{path}: cannot open the index: {error.strerror}. Make it with: mx-rec index"
        raise RecordFileError(msg) from error
    return keys, positions


class MXIndexedRecordIO(MXRecordIO):
    """A RecordIO file with an index beside it, so that records are read in any order.

    idx_path: the index, a text file of ``key <tab> position`` lines.  uri, flag: as MXRecordIO.  key_type: makes a key
    of its text.  ``idx`` is the dict key -> position, ``keys`` the keys in the order of writing.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "three")
    >>> with MXIndexedRecordIO(path + ".idx", path + ".rec", "w") as file:
    ...     for key in range(3):
    ...         file.write_idx(key, b"record %d" % key)
    >>> with MXIndexedRecordIO(path + ".idx", path + ".rec", "r") as file:
    ...     print(file.keys, file.read_idx(2))
    [0, 1, 2] b'record 2'
    """

    def __init__(
        self, idx_path: str | os.PathLike[str], uri: str | os.PathLike[str], flag: str, key_type: Any = int
    ) -> None:
        self.idx_path = os.fspath(idx_path)
        self.key_type = key_type
        self.idx: dict[Any, int] = {}
        self.keys: list[Any] = []
        self.fidx: Any = None
        super().__init__(uri, flag)

    def open(self) -> None:
        """Opens both files; for reading, reads the whole index."""
        if self.flag == "w":
            super().open()
            self.idx, self.keys = {}, []
            try:
                self.fidx = open(self.idx_path, "w", encoding="utf-8")  # noqa: SIM115 - close() closes it
            except OSError as error:
                self.close()
                msg = f"{self.idx_path}: cannot write the index: {error.strerror}. Check folder and permissions"
                raise RecordFileError(msg) from error
        else:
            super().open()
            try:
                self.keys, positions = read_index(self.idx_path, self.key_type)
            except RecordFileError:
                self.close()
                raise
            self.idx = dict(zip(self.keys, positions, strict=True))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.fidx = None
        super().__setstate__(state)

    def close(self) -> None:
        """Closes both files."""
        if self.is_open and self.fidx is not None:
            if self.pid == os.getpid():
                self.fidx.close()
            else:
                self.fidx.buffer.raw.close()
            self.fidx = None
        super().close()

    def seek(self, idx: Any) -> None:
        """Goes to the record with key ``idx``. Raises KeyError for a key that is not in the index."""
        self._check(writing=False)
        self._go(self.idx[idx], idx if isinstance(idx, int) else None)

    def read_idx(self, idx: Any) -> bytes | None:
        """The payload of the record with key ``idx``."""
        self.seek(idx)
        payload = self.read()
        if payload is None:
            msg = (
                f"{self.uri}: record {idx} should start at byte {self.idx[idx]}, where the file ends; "
                "rebuild the index: mx-rec index"
            )
            raise RecordFileError(msg)
        return payload

    def write_idx(self, idx: Any, buf: bytes) -> None:
        """Adds ``buf`` as the record with key ``idx``."""
        key = self.key_type(idx)
        position = self.tell()
        self.write(buf)
        self.fidx.write(f"{key}\t{position}\n")
        self.idx[key] = position
        self.keys.append(key)


IRHeader = namedtuple("HEADER", ["flag", "label", "id", "id2"])  # noqa: PYI024 - MXNet's name and fields
IRHeader.__doc__ = """What stands before an image in its record.

flag: how many labels an array of them holds; ``pack`` sets it.  label: a number, or an array of them.
id: the image's number.  id2: further bits of the number, usually 0.
"""


def pack(header: Any, s: bytes) -> bytes:
    """A record's payload: ``header`` (an IRHeader) and the bytes ``s`` of an encoded image.

    >>> unpack(pack(IRHeader(0, [1, 2.5], 7, 0), b"body"))
    (HEADER(flag=2, label=array([1. , 2.5], dtype=float32), id=7, id2=0), b'body')
    """
    header = IRHeader(*header)
    labels = b""
    if isinstance(header.label, numbers.Number):
        header = header._replace(flag=0)
    else:
        label = np.asarray(header.label, dtype=np.float32)
        header = header._replace(flag=label.size, label=0)
        labels = label.tobytes()
    try:
        return b"".join((_IR.pack(*header), labels, s))
    except struct.error as error:
        msg = f"[recordio.pack] id and id2 must be integers from 0 to 2^64 - 1, got {header.id!r}, {header.id2!r}: {error}"
        raise ParameterError(msg) from error


def unpack(s: Any) -> tuple[Any, Any]:
    """(header, body) of a record's payload; ``pack`` undone. An array label is float32; body is of the type of ``s``.

    Raises RecordFileError when the payload is too short for its header.
    """
    if len(s) < _IR.size:
        msg = f"[recordio.unpack] a record of {len(s)} bytes has no image header ({_IR.size} bytes); was it packed?"
        raise RecordFileError(msg)
    header = IRHeader(*_IR.unpack_from(s))
    start = _IR.size
    if header.flag > 0:
        end = start + 4 * header.flag
        if end > len(s):
            msg = f"[recordio.unpack] a record of {len(s)} bytes says it holds {header.flag} labels; was it packed?"
            raise RecordFileError(msg)
        header = header._replace(label=np.frombuffer(s, np.float32, header.flag, start))
        start = end
    return header, s[start:]


def unpack_img(s: bytes, iscolor: int = -1) -> tuple[Any, Any]:
    """(header, image) of a record's payload: uint8, shape (h, w, 3) in OpenCV's order blue, green, red, or (h, w).

    iscolor: 1 color, 0 gray, -1 as it was encoded.  An image that cannot be decoded is None, as in MXNet.
    """
    header, body = unpack(s)
    return header, cv2().imdecode(np.frombuffer(body, dtype=np.uint8), iscolor) if body else None


def pack_img(header: Any, img: Any, quality: int = 95, img_fmt: str = ".jpg") -> bytes:
    """A record's payload: ``header`` and the image ``img``, shape (h, w, 3) blue, green, red, or (h, w), encoded.

    quality: of JPEG, 1 to 100; of PNG, the compression, 1 to 9.  img_fmt: ".jpg", ".png", or another of OpenCV's.
    """
    module = cv2()
    setting = {
        ".JPG": module.IMWRITE_JPEG_QUALITY,
        ".JPEG": module.IMWRITE_JPEG_QUALITY,
        ".PNG": module.IMWRITE_PNG_COMPRESSION,
    }
    known = setting.get(img_fmt.upper())
    try:
        done, buf = module.imencode(img_fmt, img, [] if known is None else [known, quality])
    except module.error as error:
        msg = f"[recordio.pack_img] failed to encode image of shape {np.shape(img)} as {img_fmt!r}: {error}"
        raise ParameterError(msg) from error
    if not done:
        msg = f"[recordio.pack_img] failed to encode image of shape {np.shape(img)} as {img_fmt!r}"
        raise ParameterError(msg)
    return pack(header, buf.tobytes())
