"""Reading and resizing of images by OpenCV: imread, imdecode, imresize, copyMakeBorder."""

from __future__ import annotations

import operator
import os
from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.errors import DTypeError, ParameterError, RecordFileError, ShapeError

from .._opencv import cv2
from ..augmentation.draws import draws
from .arrays import as_array, as_host, image_of
from .headers import complaint

__all__ = ["copyMakeBorder", "decode", "imdecode", "imread", "imresize", "interpolation", "resize"]

_RESIZABLE = frozenset("uint8 int8 uint16 int16 float32 float64".split())
_MAX_SIDE = (1 << 15) - 1  # of a resized image; OpenCV's coordinates are 16-bit in places
_RANDOM, _BY_SIZE = 10, 9
_BORDERS = 5  # constant, replicate, reflect, wrap, reflect without the edge: OpenCV's numbers


def _given(out: Any, values: np.ndarray[Any, Any]) -> Any:
    """``values`` as an NDArray; or ``out``, made to hold them."""
    made = as_array(values)
    if out is None:
        return made
    if not isinstance(out, nd.NDArray):
        msg = f"out must be an NDArray, got {type(out).__name__}"
        raise DTypeError(msg)
    if out.shape != made.shape or out.dtype != made.dtype:
        msg = f"out must have shape {made.shape} and dtype {values.dtype}, got {out.shape} and {np.dtype(out.dtype)}"
        raise ShapeError(msg)
    made.copyto(out)
    return out


# -- decoding ----------------------------------------------------------------------------------------------------------


def decode(content: Any, flag: int = 1, to_rgb: Any = True, where: str = "") -> np.ndarray[Any, Any]:
    """The pixels of an encoded image, as ``imdecode``, in a NumPy array.

    where: what holds the image, for messages ("a.rec: record 3"). Raises RecordFileError when it cannot be decoded.
    """
    module = cv2()
    if flag not in (0, 1):
        msg = f"[imdecode] flag must be 1 (color) or 0 (gray), got {flag!r}"
        raise ParameterError(msg)
    prefix = f"{where}: " if where else "[imdecode] "
    buffer = np.frombuffer(content, np.uint8) if not isinstance(content, np.ndarray) else content
    if buffer.size == 0:
        msg = f"{prefix}the image is empty, 0 bytes; remove it, or write it again"
        raise RecordFileError(msg)
    wrong = complaint(buffer.tobytes() if isinstance(content, np.ndarray) else bytes(content))
    if wrong and "end is missing" not in wrong:
        msg = f"{prefix}Decoding failed: {wrong}. The image is damaged; replace it"
        raise RecordFileError(msg)
    # MXNet does not turn images as their EXIF tag says.
    mode = (module.IMREAD_COLOR if flag else module.IMREAD_GRAYSCALE) | module.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = module.imdecode(buffer.reshape(-1), mode)
    except module.error as error:
        pixels, wrong = None, wrong or str(error).strip().splitlines()[-1]
    if pixels is None:
        msg = (
            f"{prefix}Decoding failed. Invalid image file: {buffer.size} bytes that start with "
            f"0x{buffer[:8].tobytes().hex()}{wrong and ': '}{wrong}. "
            "Expected JPEG, PNG or another format of OpenCV; replace the image"
        )
        raise RecordFileError(msg)
    if flag == 0:
        return pixels[:, :, np.newaxis]  # type: ignore[no-any-return]
    return module.cvtColor(pixels, module.COLOR_BGR2RGB, pixels) if to_rgb else pixels  # type: ignore[no-any-return]


def imdecode(buf: Any, flag: int = 1, to_rgb: Any = 1, out: Any = None) -> Any:
    """The pixels (h, w, c), uint8, of an encoded image: JPEG, PNG and the other formats of OpenCV.

    buf: bytes, bytearray, or uint8 numbers in a NumPy array or NDArray.  flag: 1 for three channels, 0 for one, gray.
    to_rgb: red first, otherwise blue first.  out: an NDArray to decode into. Transparency is left out, 16 bits become
    8, and EXIF's orientation is not followed. Raises RecordFileError when the image cannot be decoded, ParameterError
    (a ValueError) for other kinds of ``buf``.

    >>> import cv2
    >>> content = cv2.imencode(".png", np.full((2, 3, 3), (1, 2, 3), np.uint8))[1].tobytes()
    >>> image = imdecode(content)
    >>> image.shape, image[0, 0].asnumpy().tolist()
    ((2, 3, 3), [3, 2, 1])
    """
    if isinstance(buf, nd.NDArray):
        buf = as_host(buf)
    if not isinstance(buf, (bytes, bytearray, np.ndarray)):
        msg = (
            f"[imdecode] buf must be of type bytes, bytearray, numpy.ndarray or NDArray, got {type(buf).__name__}; "
            "a str must be encoded to bytes first"
        )
        raise ParameterError(msg)
    if isinstance(buf, np.ndarray) and buf.dtype != np.uint8:
        msg = f"[imdecode] an array buf must hold the bytes of an image as uint8, got {buf.dtype}"
        raise DTypeError(msg)
    return _given(out, decode(buf, flag, to_rgb))


def imread(filename: str | os.PathLike[str], flag: int = 1, to_rgb: Any = True, out: Any = None) -> Any:
    """The pixels (h, w, c), uint8, of an image file; arguments as in ``imdecode``.

    Raises RecordFileError, naming the file, when it is not there or cannot be decoded.
    """
    path = os.fspath(filename)
    return _given(out, decode(read_file(path), flag, to_rgb, path))


def read_file(path: str) -> bytes:
    """The bytes of a file. Raises RecordFileError when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        msg = f"{path}: couldn't open file: {reason}. Check the path, and path_root of lists"
        raise RecordFileError(msg) from error


# -- resizing ----------------------------------------------------------------------------------------------------------


def interpolation(interp: int, sizes: tuple[int, int, int, int] | None = None) -> int:
    """OpenCV's number of an interpolation method.

    interp: 0 nearest, 1 bilinear, 2 bicubic, 3 area, 4 Lanczos; 9 area where both sides shrink, bicubic where both
    grow, bilinear otherwise; 10 one of 0 to 4 at random.  sizes: old height and width, new height and width.
    """
    if interp == _BY_SIZE:
        if sizes is None:
            return 2
        old_h, old_w, new_h, new_w = sizes
        if new_h > old_h and new_w > old_w:
            return 2
        return 3 if new_h < old_h and new_w < old_w else 1
    if interp == _RANDOM:
        return int(draws().python.randint(0, 4))
    if interp not in (0, 1, 2, 3, 4, 5):
        msg = f"Unknown interp method {interp}: must be 0 to 4, 9 (by size) or 10 (random)"
        raise ParameterError(msg)
    return int(interp)


def resize(name: str, image: np.ndarray[Any, Any], w: Any, h: Any, interp: int) -> np.ndarray[Any, Any]:
    """An image (h, w, c) of another size, as ``imresize``, NumPy to NumPy; ``name`` is for messages."""
    try:
        w, h = operator.index(w), operator.index(h)
    except TypeError:
        msg = f"[{name}] width and height must be int, got {w!r} and {h!r}"
        raise ParameterError(msg) from None
    if not (0 < w <= _MAX_SIDE and 0 < h <= _MAX_SIDE):
        msg = f"[{name}] width and height must be in [1, {_MAX_SIDE}], got {w} and {h}"
        raise ParameterError(msg)
    if image.dtype.name not in _RESIZABLE:
        msg = f"[{name}] src must hold uint8, int8, uint16, int16, float32 or float64, got {image.dtype}; cast it first"
        raise DTypeError(msg)
    method = interpolation(interp, (*image.shape[:2], h, w))
    if method == 5:  # bilinear "exact" in OpenCV; MXNet passes the number on
        method = 1 if image.dtype.kind == "f" else 5
    if image.dtype == np.int8:
        return _resize_int8(image, w, h, method)
    resized = cv2().resize(np.ascontiguousarray(image), (w, h), interpolation=method)
    return resized.reshape(h, w, image.shape[2])  # type: ignore[no-any-return]


def _resize_int8(image: np.ndarray[Any, Any], w: int, h: int, method: int) -> np.ndarray[Any, Any]:
    # OpenCV has no signed bytes here; MXNet hands them over as unsigned ones.
    return resize("imresize", image.view(np.uint8), w, h, method).view(np.int8)


def imresize(src: Any, w: int, h: int, interp: int = 1, out: Any = None) -> Any:
    """An image of width ``w`` and height ``h``.

    src: (h, w, c).  interp: 0 nearest, 1 bilinear, 2 bicubic, 3 area, 4 Lanczos, 9 by size, 10 random (see
    ``interpolation``).  out: an NDArray to write to.

    >>> imresize(nd.zeros((4, 6, 3)), 3, 2).shape
    (2, 3, 3)
    """
    return _given(out, resize("imresize", image_of("imresize", src), w, h, interp))


def copyMakeBorder(  # noqa: N802 - MXNet's name
    src: Any,
    top: int,
    bot: int,
    left: int,
    right: int,
    type: int = 0,  # noqa: A002 - MXNet's name
    value: float = 0.0,
    values: Any = (),
    out: Any = None,
) -> Any:
    """An image with a border around it.

    src: (h, w, c).  top, bot, left, right: pixels to add.  type: 0 constant, 1 the edge repeated, 2 mirrored, 3 wrapped
    around, 4 mirrored without the edge.  value, values: of a constant border, one for all channels or one each.

    >>> copyMakeBorder(nd.ones((2, 2, 3)), 1, 0, 0, 3).shape
    (3, 5, 3)
    """
    return _given(out, add_border(image_of("copyMakeBorder", src), (top, bot, left, right), type, value, values))


def add_border(
    image: np.ndarray[Any, Any], margins: tuple[int, int, int, int], kind: int = 0, value: float = 0.0, values: Any = ()
) -> np.ndarray[Any, Any]:
    """``copyMakeBorder`` of a NumPy array."""
    if min(margins) < 0 or max(margins) > _MAX_SIDE:
        msg = f"[copyMakeBorder] top, bot, left and right must be in [0, {_MAX_SIDE}], got {margins}"
        raise ParameterError(msg)
    if kind not in range(_BORDERS):
        msg = f"[copyMakeBorder] type must be 0 to {_BORDERS - 1}, got {kind}"
        raise ParameterError(msg)
    channels = image.shape[2]
    colors = tuple(float(v) for v in np.ravel(values)) if np.size(values) else (float(value),) * 4
    if channels > 4 or len(colors) > 4:
        msg = f"[copyMakeBorder] takes up to 4 channels and values, got {channels} and {len(colors)}"
        raise ShapeError(msg)
    padded = cv2().copyMakeBorder(np.ascontiguousarray(image), *margins, kind, value=colors)
    return padded.reshape(*padded.shape[:2], channels)  # type: ignore[no-any-return]
