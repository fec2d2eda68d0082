"""``.params`` files: arrays, named or not, byte for byte as MXNet 1.9.1 writes them.

A file is (little-endian throughout)

    uint64 0x112, uint64 0
    uint64 number of arrays, then the arrays
    uint64 number of names (that of the arrays, or 0), then per name: uint64 length, UTF-8 bytes

and an array, in the versions that 0.x to 1.9.1 wrote,

    V2, V3   uint32 magic, int32 storage type (0 dense), shape: int32 ndim, int64 each
    V1       uint32 magic, shape: uint32 ndim, int64 each
    V0       shape: uint32 ndim, uint32 each (no magic: its first number is ndim)

followed by int32 device type, int32 device id, int32 element type, and the elements. V3 is V2 for arrays that only
exist with NumPy shapes: 0-d and empty ones. An array without dimensions ends after its shape in V0 to V2.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, NoReturn

from .dtypes import BFLOAT16, ITEMSIZE, flag_of, name_of, numpy_of
from .errors import DTypeError, RecordFileError

if TYPE_CHECKING:
    import numpy as np

    from ._core import NDArray

__all__ = ["atomic_path", "atomic_write", "dump_array", "load", "load_array", "load_frombuffer", "save"]

_LIST_MAGIC = 0x112
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_STORAGE = {0: "default", 1: "row_sparse", 2: "csr"}
_MAX_NDIM = 32
_CURE = "The file is cut, damaged, or not a .params file; fetch or save it again"


# ---- writing -------------------------------------------------------------------------------------------------------


def save(fname: str | os.PathLike[str], data: NDArray | Sequence[NDArray] | Mapping[str, NDArray]) -> None:
    """Writes arrays to a file that `load`, and MXNet 1.x, read back.

    fname: path; an existing file is replaced at once, when everything is written. data: an array, a list of arrays,
    or a dict of them by name. Raises TypeError for anything else, OSError when the file cannot be written.
    """
    names, arrays = _named(data)
    form = _format_of(fname)
    if form is not None and hasattr(form, "save"):
        with atomic_path(fname) as temporary:
            form.save(temporary, dict(zip(names, arrays, strict=True)) if names else arrays)
        return
    with atomic_write(fname) as out:
        out.write(struct.pack("<QQQ", _LIST_MAGIC, 0, len(arrays)))
        for array in arrays:
            _write_array(out, array)
        out.write(struct.pack("<Q", len(names)))
        for name in names:
            encoded = name.encode("utf-8")
            out.write(struct.pack("<Q", len(encoded)) + encoded)


def _named(data: Any) -> tuple[list[str], list[NDArray]]:
    from ._core import NDArray

    if isinstance(data, NDArray):
        return [], [data]
    if isinstance(data, Mapping):
        names, arrays = list(data), list(data.values())
    elif isinstance(data, (list, tuple)):
        names, arrays = [], list(data)
    else:
        kind = type(data).__name__
        msg = f"[save] data must be an NDArray, a list of NDArrays, or a dict of str -> NDArray, got {kind}"
        raise DTypeError(msg)
    for item in arrays:
        if not isinstance(item, NDArray):
            msg = f"[save] only NDArrays can be saved, got {type(item).__name__}. Convert it with mx.nd.array"
            raise DTypeError(msg)
    for name in names:
        if not isinstance(name, str):
            msg = f"[save] the names of arrays must be str, got {name!r}"
            raise DTypeError(msg)
    return names, arrays


def _write_array(out: IO[bytes], array: NDArray) -> None:
    values = array.asnumpy()
    flag = flag_of(array.dtype)
    shape = values.shape
    magic = _V3 if not shape or 0 in shape else _V2
    ctx = array.context
    out.write(struct.pack("<Iii", magic, 0, len(shape)))
    out.write(struct.pack(f"<{len(shape)}q", *shape))
    out.write(struct.pack("<iii", ctx.device_typeid, ctx.device_id, flag))
    if values.size:
        out.write(memoryview(values.reshape(-1).view("uint8")))


def dump_array(array: NDArray) -> bytes:
    """The bytes of one array, as pickles of MXNet contain them: an array of the file format, without its frame."""
    import io

    out = io.BytesIO()
    _write_array(out, array)
    return out.getvalue()


_formats: dict[str, Any] | None = None


def _format_of(fname: str | os.PathLike[str]) -> Any:
    """The format that a plug-in has for files of this name (hook mx_formats), or None: MXNet's own."""
    global _formats
    ending = os.path.splitext(os.fspath(fname))[1].lower()
    if ending in ("", ".params"):
        return None
    if _formats is None:
        from .plugin import named_by_plugins

        _formats = {key.lower(): form for key, form in named_by_plugins("mx_formats").items()}
    return _formats.get(ending)


@contextmanager
def atomic_path(fname: str | os.PathLike[str]) -> Iterator[str]:
    """A path to write a file at, which takes the place of `fname` as with `atomic_write`."""
    path = os.path.realpath(fname)
    base, ending = os.path.splitext(path)
    temporary = f"{base}.{os.getpid()}.tmp{ending}"
    try:
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextmanager
def atomic_write(fname: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file to write to, which takes the place of `fname` when the block ends without an exception.

    Until then, and for ever if the block fails or the machine stops, `fname` is what it was before.
    """
    path = os.path.realpath(fname)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        out = open(temporary, "wb")  # noqa: SIM115 - closed below
    except OSError as error:
        msg = f"{os.fspath(fname)}: cannot be written: {error.strerror}. Check the folder and its permissions"
        raise RecordFileError(msg) from error
    try:
        with out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


# ---- reading -------------------------------------------------------------------------------------------------------


def load(fname: str | os.PathLike[str]) -> list[NDArray] | dict[str, NDArray]:
    """The arrays of a file that `save`, or any MXNet from 0.x to 1.9.1, wrote.

    Returns a dict by name if the file has names, else a list. Arrays saved on a GPU come back there if there is one,
    else on the cpu. Raises RecordFileError, which names file, offset and cure, for a file that is not whole.
    """
    if not isinstance(fname, (str, os.PathLike)):
        msg = f"[load] fname must be a path, got {type(fname).__name__}"
        raise DTypeError(msg)
    form = _format_of(fname)
    if form is not None and hasattr(form, "load"):
        return form.load(os.fspath(fname))  # type: ignore[no-any-return]
    try:
        with open(fname, "rb") as file:
            content = file.read()
    except OSError as error:
        msg = f"{os.fspath(fname)}: cannot be read: {error.strerror}. Check the path"
        raise RecordFileError(msg) from error
    return _read_list(_Reader(content, os.fspath(fname)))


def load_frombuffer(buf: bytes | bytearray | memoryview) -> list[NDArray] | dict[str, NDArray]:
    """The arrays in the content of a ``.params`` file, as `load` returns them."""
    if not isinstance(buf, (bytes, bytearray, memoryview)):
        msg = f"[load_frombuffer] buf must be bytes, got {type(buf).__name__}"
        raise DTypeError(msg)
    return _read_list(_Reader(buf, "buffer"))


def load_array(buf: bytes | bytearray | memoryview) -> NDArray:
    """The array that `dump_array`, or a pickle of MXNet 1.x, holds."""
    return _read_array(_Reader(buf, "array bytes"), 0)


class _Reader:
    """Numbers and bytes from a buffer, each checked against its end before it is touched."""

    def __init__(self, content: bytes | bytearray | memoryview, name: str) -> None:
        self.content = memoryview(content).cast("B")
        self.name = name
        self.at = 0

    def fail(self, what: str, at: int | None = None) -> NoReturn:
        msg = f"{self.name}: byte {self.at if at is None else at}: {what}. {_CURE}"
        raise RecordFileError(msg)

    def take(self, size: int, what: str) -> memoryview:
        left = len(self.content) - self.at
        if size > left:
            self.fail(f"{what} needs {size} bytes, and {left} are left")
        self.at += size
        return self.content[self.at - size : self.at]

    def numbers(self, form: str, what: str) -> tuple[Any, ...]:
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form), what))

    def peek_uint32(self) -> int | None:
        rest = self.content[self.at : self.at + 4]
        return int.from_bytes(rest, "little") if len(rest) == 4 else None


def _read_list(reader: _Reader) -> list[NDArray] | dict[str, NDArray]:
    magic, _ = reader.numbers("QQ", "the file header")
    if magic != _LIST_MAGIC:
        reader.fail(f"the file starts with {magic:#x}, expected {_LIST_MAGIC:#x}", 0)
    (count,) = reader.numbers("Q", "the number of arrays")
    smallest = 4  # bytes of an array without dimensions in V0
    if count > (len(reader.content) - reader.at) // smallest:
        reader.fail(f"the file claims {count} arrays, more than fit in its {len(reader.content)} bytes")
    arrays = [_read_array(reader, index) for index in range(count)]
    names = _read_names(reader, count)
    return dict(zip(names, arrays, strict=True)) if names else arrays


def _read_names(reader: _Reader, arrays: int) -> list[str]:
    start = reader.at
    (count,) = reader.numbers("Q", "the number of names")
    if count not in (0, arrays):
        reader.fail(f"the file has {arrays} arrays and claims {count} names", start)
    names = []
    for index in range(count):
        start = reader.at
        (length,) = reader.numbers("Q", f"the length of name {index}")
        try:
            names.append(bytes(reader.take(length, f"name {index}")).decode("utf-8"))
        except UnicodeDecodeError:
            reader.fail(f"name {index} is not UTF-8", start)
    return names


def _read_array(reader: _Reader, index: int) -> NDArray:
    start = reader.at
    what = f"array {index}"
    shape, version = _read_header(reader, what)
    size = 1
    for dim in shape:
        if dim < 0:
            reader.fail(f"{what} has shape {shape}", start)
        size *= dim
    if not shape and version < 3 and not _has_scalar(reader):
        return _to_array(_bytes_to_numpy(b"", 0, (0,)), 0, 1, 0)  # "no array": 1.x has no other way to say it
    device_type, device_id, flag = reader.numbers("iii", f"device and element type of {what}")
    if flag not in ITEMSIZE:
        reader.fail(f"{what} has element type {flag}, which no MXNet wrote", start)
    data = reader.take(size * ITEMSIZE[flag], f"{what}, {name_of(flag)} of shape {shape},")
    return _to_array(_bytes_to_numpy(data, flag, shape), flag, device_type, device_id)


def _read_header(reader: _Reader, what: str) -> tuple[tuple[int, ...], int]:
    """(shape, format version) of an array; the reader stands behind the shape then."""
    start = reader.at
    (magic,) = reader.numbers("I", what)
    if magic in (_V2, _V3):
        (storage,) = reader.numbers("i", f"storage type of {what}")
        if storage != 0:
            kind = _STORAGE.get(storage)
            if kind is None:
                reader.fail(f"{what} has storage type {storage}", start)
            msg = (
                f"{reader.name}: byte {start}: {what} is stored as {kind}, and this version reads dense arrays only. "
                f"Save it as array.tostype('default') from MXNet 1.x"
            )
            raise RecordFileError(msg)
        (ndim,) = reader.numbers("i", f"number of dimensions of {what}")
        form, version = "q", 2 if magic == _V2 else 3
    elif magic == _V1:
        (ndim,) = reader.numbers("I", f"number of dimensions of {what}")
        form, version = "q", 1
    else:
        ndim, form, version = magic, "I", 0
    if not 0 <= ndim <= _MAX_NDIM:
        reader.fail(f"{what} starts with {magic:#x} and has {ndim} dimensions; at most {_MAX_NDIM} are", start)
    return reader.numbers(f"{ndim}{form}", f"shape of {what}"), version


def _has_scalar(reader: _Reader) -> bool:
    """Whether a scalar follows a shape without dimensions. 1.9.1 writes one so for mx.nd.array(5), and cannot read it;
    older arrays without dimensions have nothing there. Told apart by what a device and an element type can be."""
    if reader.at + 12 > len(reader.content) or reader.peek_uint32() in (_V1, _V2, _V3):
        return False
    device_type, device_id, flag = struct.unpack("<iii", reader.content[reader.at : reader.at + 12])
    return device_type in (1, 2, 3, 5) and 0 <= device_id < 1024 and flag in ITEMSIZE


def _bytes_to_numpy(data: bytes | memoryview, flag: int, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    import numpy as np

    # bfloat16 as bits: its NumPy type may be missing, and the bits are all that is copied.
    dtype = np.dtype("uint16") if flag == BFLOAT16 else numpy_of(flag)
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _to_array(values: np.ndarray[Any, Any], flag: int, device_type: int, device_id: int) -> NDArray:
    from . import _core

    on_gpu = device_type == 2 and device_id < _core.num_devices(2)
    return _core._from_numpy(values, 2 if on_gpu else 1, device_id if on_gpu else 0, flag)
