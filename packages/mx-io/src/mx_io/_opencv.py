"""OpenCV, imported by the first call that needs a picture: record files and arrays work without it.

# Note [freed pictures]
glibc gives freed memory back to the system when more than a threshold of it lies at the end of a heap, and the threshold
starts low: the memory of every decoded picture was returned, fetched again page by page and cleared, which took a
quarter of the time of ImageRecordIter. The threshold follows the largest block that was ever freed after being mapped by
itself, up to 32 MB. So one block that is never touched is taken and freed, and pictures stay in the heap from then on.
"""

from __future__ import annotations

import functools
from types import ModuleType

import numpy as np

from mx_core.errors import PluginError

__all__ = ["cv2"]

_LARGEST_KEPT = 24 << 20  # bytes


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
    np.empty(_LARGEST_KEPT, np.uint8)  # see Note [freed pictures]
    return module
