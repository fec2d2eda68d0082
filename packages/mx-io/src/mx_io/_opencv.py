"""OpenCV, imported by the first call that needs a picture: record files and arrays work without it."""

from __future__ import annotations

import functools
from types import ModuleType

from mx_core.errors import PluginError

__all__ = ["cv2"]


@functools.cache
def cv2() -> ModuleType:
    """The module ``cv2``, told to keep to the calling thread.

    OpenCV's own threads are turned off: the iterators decode many pictures at once, one to a thread, and its
    parallel loops would only fight with them.

    Raises:
        PluginError: (an ``MXNetError`` and an ``ImportError``) when OpenCV is missing or cannot be loaded.

    >>> from mx_io._opencv import cv2
    >>> cv2().getNumThreads()
    1
    """
    try:
        import cv2 as module
    except ImportError as error:
        msg = (
            "decoding and changing pictures needs OpenCV, and importing cv2 failed: "
            f"{error}. pip install opencv-python-headless (it needs no libGL)"
        )
        raise PluginError(msg) from error
    module.setNumThreads(0)
    return module
