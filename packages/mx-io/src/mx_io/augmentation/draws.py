"""Where augmenters get random numbers: Python's and NumPy's global generators, or a thread's own.

``random.seed`` and ``np.random.seed`` decide what ``mx.image`` draws, as in MXNet. An iterator that changes images on
many threads gives each image generators of its own instead, so that the threads' order does not matter.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Draws", "draws", "seeded"]


class Draws(NamedTuple):
    """Two generators: ``python`` has the functions of the module random, ``numpy`` those of np.random."""

    python: Any
    numpy: Any


_GLOBAL = Draws(random, np.random)
_own = threading.local()


def draws() -> Draws:
    """The generators of this thread, by default Python's and NumPy's global ones.

    >>> random.seed(1)
    >>> draws().python.random() == random.Random(1).random()
    True
    """
    return getattr(_own, "value", _GLOBAL)


@contextmanager
def seeded(seed: int) -> Iterator[Draws]:
    """Inside, ``draws()`` of this thread gives generators seeded with ``seed``.

    seed: in [0, 2**32).

    >>> with seeded(1):
    ...     first = draws().python.random()
    >>> with seeded(1):
    ...     first == draws().python.random()
    True
    """
    before = draws()
    _own.value = Draws(random.Random(seed), np.random.RandomState(seed))  # noqa: NPY002 - MXNet's distributions
    try:
        yield _own.value
    finally:
        _own.value = before
