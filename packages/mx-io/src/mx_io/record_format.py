"""The RecordIO format: how records lie in a file, and every check of a file that may be damaged.

A record is one part or several. A part is a header of two little-endian uint32 (the magic number; a flag in the upper
3 bits and the payload's length in the lower 29), the payload, and zeros up to a multiple of 4 bytes.

# Note [parts]
A payload that holds the magic number at a multiple of 4 would look like a header to a reader that starts in the middle
of a file. It is cut there, the magic left out: flags 1 (first), 2 (middle), 3 (last); 0 is a record of one part.
MXNet's readers put the magic back between any two parts, so a payload of 2^29 bytes and more cannot be written in its
format; 1.9.1 refuses it. Here such a payload is cut into parts with bit 2 of the flag set (5 first, 6 middle), which
says that nothing stood between this part and the next. Only MX reads those records.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from mx_core.errors import RecordFileError

__all__ = ["MAGIC", "Damage", "RecordReader", "Span", "encode", "scan", "scan_sound"]

MAGIC = 0xCED7230A
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_HEADER = struct.Struct("<II")
_LENGTH_BITS = 29
_LARGEST_PART = (1 << _LENGTH_BITS) - 4
_FIRST, _MIDDLE, _LAST, _UNBROKEN = 1, 2, 3, 4
_BUFFER = 1 << 20
_CURE = "rebuild it with im2rec, or list its sound records with: mx-rec index"


def encode(payload: bytes | bytearray | memoryview) -> list[bytes | memoryview]:
    """The byte strings that make one record of ``payload``, to be written one after another.

    >>> b"".join(encode(b"hello")).hex()
    '0a23d7ce0500000068656c6c6f000000'
    """
    pieces: list[bytes | memoryview] = []
    view = memoryview(payload).cast("B")
    parts = _cut(payload if isinstance(payload, (bytes, bytearray)) else view.tobytes())
    for number, (start, end, unbroken) in enumerate(parts):
        if len(parts) == 1:
            flag = 0
        elif number == len(parts) - 1:
            flag = _LAST
        else:
            flag = (_MIDDLE if number else _FIRST) | (_UNBROKEN if unbroken else 0)
        pieces += [
            _HEADER.pack(MAGIC, flag << _LENGTH_BITS | (end - start)),
            view[start:end],
            b"\0" * (-(end - start) % 4),
        ]
    return pieces


def _cut(payload: bytes | bytearray) -> list[tuple[int, int, bool]]:
    """(start, end, whether the next part follows at once) of each part; see Note [parts]."""
    parts: list[tuple[int, int, bool]] = []
    start, at = 0, payload.find(_MAGIC_BYTES)
    stops = []
    while at >= 0:
        if at % 4 == 0:
            stops.append(at)
            at += 3
        at = payload.find(_MAGIC_BYTES, at + 1)
    for stop in [*stops, len(payload)]:
        while stop - start > _LARGEST_PART:
            parts.append((start, start + _LARGEST_PART, True))
            start += _LARGEST_PART
        parts.append((start, stop, False))
        start = stop + 4
    return parts


@dataclass(frozen=True)
class Span:
    """Where a record lies: its first byte, the byte after it, the length of its payload and its number of parts."""

    start: int
    end: int
    length: int
    n_parts: int = 1


@dataclass(frozen=True)
class Damage:
    """Bytes of a file, from ``start`` to ``end``, that are no record, and the error that reading them raises."""

    start: int
    end: int
    error: RecordFileError


class RecordReader:
    """Reads records from a file by position, with every length and offset checked against the file.

    path: the file.  Reading keeps no position in the operating system (``pread``), so that a forked child and its
    parent, or several threads with a reader each, do not disturb one another.

    Raises:
        RecordFileError: when the file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            info = os.fstat(self._file)
        except OSError as error:
            msg = f"{path}: cannot open the record file: {error.strerror}. Check the path, or make the file with im2rec"
            raise RecordFileError(msg) from error
        if not stat.S_ISREG(info.st_mode):
            os.close(self._file)
            self._file = -1
            msg = f"{path}: is not a regular file; give the path of a .rec file"
            raise RecordFileError(msg)
        self.size = info.st_size
        self._buffer, self._buffer_start = b"", 0

    def close(self) -> None:
        """Closes the file; again does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __del__(self) -> None:
        if getattr(self, "_file", -1) >= 0:
            self.close()

    def _fail(self, name: str, start: int, what: str, cure: str = _CURE) -> NoReturn:
        msg = f"{self.path}: {name} at byte {start} {what}. The file is cut or is not RecordIO; {cure}."
        raise RecordFileError(msg)

    def _bytes(self, start: int, count: int, ahead: bool) -> bytes:
        """``count`` bytes from ``start``; with ``ahead``, through a buffer of what follows them."""
        offset = start - self._buffer_start
        if offset >= 0 and offset + count <= len(self._buffer):
            return self._buffer[offset : offset + count]
        if not ahead or count > _BUFFER // 4:
            return self._pread(start, count)
        self._buffer, self._buffer_start = self._pread(start, _BUFFER), start
        return self._buffer[:count]

    def _pread(self, start: int, count: int) -> bytes:
        got = os.pread(self._file, count, start)
        if len(got) == count or start + len(got) >= self.size:
            return got
        pieces = [got]  # Linux reads at most 2 GiB at once; a signal may stop it earlier
        while got and (missing := count - sum(map(len, pieces))):
            got = os.pread(self._file, missing, start + sum(map(len, pieces)))
            pieces.append(got)
        return b"".join(pieces)

    def _grown(self, end: int) -> bool:
        """Whether the file reaches ``end`` by now: another process may still be writing it."""
        self.size = os.fstat(self._file).st_size
        return end <= self.size

    def _part(self, name: str, start: int, at: int, ahead: bool) -> tuple[int, int]:
        """(flag, length) of the part at ``at`` of the record that starts at ``start``."""
        if at + 8 > self.size and not self._grown(at + 8):
            self._fail(name, start, f"is cut: the file ends at byte {self.size}, within a header")
        magic, word = _HEADER.unpack(self._bytes(at, 8, ahead))
        if magic != MAGIC:
            self._fail(
                name, start, f"has magic 0x{magic:08x}{f' at byte {at}' * (at != start)}, expected 0x{MAGIC:08x}"
            )
        flag, length = word >> _LENGTH_BITS, word & ((1 << _LENGTH_BITS) - 1)
        kind = flag & 3
        if flag in (4, 7) or (kind in (0, _FIRST)) != (at == start):
            self._fail(name, start, f"has a part with flag {flag} at byte {at}, where its parts should " + (
                "begin with flag 0, 1 or 5" if at == start else "go on with flag 2, 3 or 6"))  # fmt: skip
        if at + 8 + length > self.size and not self._grown(at + 8 + length):
            self._fail(name, start, f"is cut: it needs {at + 8 + length - self.size} bytes past the file's {self.size}")
        return flag, length

    def span(self, start: int, number: int | None = None) -> Span:
        """Where the record that starts at byte ``start`` ends, and how long it is. Reads headers only.

        number: the record's number, for error messages.  Raises RecordFileError for a damaged record.
        """
        name = "the record" if number is None else f"record {number}"
        at, length, n_parts = start, 0, 0
        while True:
            flag, part = self._part(name, start, at, ahead=False)
            at += 8 + part + -part % 4
            length += part
            n_parts += 1
            if flag & 3 in (0, _LAST):
                return Span(start, at, length, n_parts)
            length += 0 if flag & _UNBROKEN else 4

    def read(self, start: int, number: int | None = None, ahead: bool = False) -> tuple[bytes, int] | None:
        """(payload, start of the next record) of the record at byte ``start``; None at the end of the file.

        number: the record's number, for error messages.  ahead: more records will be read in order.
        Raises RecordFileError for a damaged record.
        """
        if start >= self.size and not self._grown(start + 1):
            if start > self.size + 3:  # the last record's zeros may be missing
                name = "the record" if number is None else f"record {number}"
                self._fail(
                    name, start, f"lies past the end of the file, {self.size}", "rebuild the index: mx-rec index"
                )
            return None
        name = "the record" if number is None else f"record {number}"
        flag, length = self._part(name, start, start, ahead)
        payload = self._bytes(start + 8, length, ahead)
        at = start + 8 + length + -length % 4
        if flag:
            pieces = [payload]
            while flag & 3 != _LAST:
                if not flag & _UNBROKEN:
                    pieces.append(_MAGIC_BYTES)
                flag, length = self._part(name, start, at, ahead)
                pieces.append(self._bytes(at + 8, length, ahead))
                at += 8 + length + -length % 4
            payload = b"".join(pieces)
        return payload, at

    def head(self, start: int, number: int, count: int) -> bytes:
        """The first ``count`` bytes of a record's payload, or all, of its first part. Raises as ``read``."""
        _, length = self._part(f"record {number}", start, start, ahead=False)
        return self._bytes(start + 8, min(count, length), ahead=False)


def scan(path: str) -> Iterator[Span | Damage]:
    """Every record of a file in order, and every stretch of bytes that is none.

    After damage, goes on at the next byte, multiple of 4, where a sound record begins.
    """
    reader = RecordReader(path)
    try:
        at = number = 0
        while at < reader.size:
            try:
                span = reader.span(at, number)
            except RecordFileError as error:
                end = _next_sound(reader, at + 4)
                yield Damage(at, end, error)
                at = end
                continue
            yield span
            number += 1
            at = span.end
    finally:
        reader.close()


def _next_sound(reader: RecordReader, at: int) -> int:
    """The first byte from ``at`` on, multiple of 4, where a sound record begins; the file's size if there is none."""
    while at < reader.size:
        block = reader._bytes(at, min(_BUFFER, reader.size - at), ahead=False)
        if not block:
            break
        found = block.find(_MAGIC_BYTES)
        while found >= 0:
            if (at + found) % 4 == 0:
                try:
                    return reader.span(at + found).start
                except RecordFileError:
                    pass  # part of a payload, or damaged as well
            found = block.find(_MAGIC_BYTES, found + 1)
        at += len(block) - 3 if at + len(block) < reader.size else len(block)
    return reader.size


def scan_sound(path: str) -> tuple[list[Span], Damage | None]:
    """(records, damage): all records of a file; where only the last one is cut, those before it and the damage.

    Raises RecordFileError when anything but the end of the file is damaged.
    """
    records: list[Span] = []
    cut = None
    for item in scan(path):
        if cut is not None:
            raise cut.error
        if isinstance(item, Damage):
            cut = item
        else:
            records.append(item)
    if cut is not None and not records:
        raise cut.error
    return records, cut
