"""Lists of images: ``.lst`` files, and lists in a program, as (labels, path) by key."""

from __future__ import annotations

from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.errors import ParameterError, RecordFileError

__all__ = ["Entry", "list_entries", "read_list"]

Entry = tuple[np.ndarray[Any, Any], str]  # labels (k,), path


def read_list(path: str, dtype: Any = "float32") -> dict[int, Entry]:
    """The entries of a ``.lst`` file: lines ``key <tab> label <tab> ... <tab> path``; empty lines are passed over.

    Raises RecordFileError, naming file and line, for a line that is not so, and for a file without entries.
    """
    entries: dict[int, Entry] = {}
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                columns = line.rstrip("\r\n").split("\t")
                if len(columns) == 1 and not columns[0].strip():
                    continue
                try:
                    key, image = int(columns[0]), columns[-1].strip()
                    labels = np.array([float(column) for column in columns[1:-1]]).astype(dtype)
                    if not labels.size or not image:
                        raise ValueError
                except (ValueError, OverflowError):
                    shown = line.rstrip() if len(line) < 80 else line[:80] + "..."
                    msg = (
                        f"{path}: line {number} must be key <tab> label <tab> ... <tab> path, got {shown!r}; "
                        "make the list with im2rec --list"
                    )
                    raise RecordFileError(msg) from None
                entries[key] = labels, image
    except UnicodeDecodeError as error:
        msg = f"{path}: byte {error.start} is not UTF-8 text, so this is no list of images"
        raise RecordFileError(msg) from error
    except OSError as error:
        if isinstance(error, RecordFileError):
            raise
        msg = f"{path}: cannot open the list of images: {error.strerror}. Check path_imglist"
        raise RecordFileError(msg) from error
    if not entries:
        msg = f"{path}: the list holds no images; make it with im2rec --list"
        raise RecordFileError(msg)
    return entries


def list_entries(images: Any, dtype: Any = "float32") -> dict[str, Entry]:
    """The entries of a list of ``[label, path]``, ``[label, label, ..., path]`` or ``[[labels], path]``, by "1", "2", ...

    Raises ParameterError for an item that is none of these.
    """
    entries: dict[str, Entry] = {}
    for number, item in enumerate(images, 1):
        try:
            *labels, image = item
            if len(labels) == 1:
                labels = labels[0].asnumpy() if isinstance(labels[0], nd.NDArray) else labels[0]
            values = np.atleast_1d(np.asarray(labels, dtype=dtype))
            if not isinstance(image, str) or values.ndim != 1 or not values.size:
                raise ValueError
        except (TypeError, ValueError):
            msg = f"[ImageIter] item {number} of imglist must be [label(s), path], got {item!r}"
            raise ParameterError(msg) from None
        entries[str(number)] = values, image
    if not entries:
        msg = "[ImageIter] imglist is empty; give at least one [label, path]"
        raise ParameterError(msg)
    return entries
