"""The random generators that a data set may draw from: Python's, NumPy's and MXNet's, seeded for every batch.

# Note [Seeds of batches]
A worker seeds its generators for every batch, from the generators of the program and the number of the batch, so that
batches do not depend on how many workers there are or which of them makes which batch. Reading the program's
generators must not move them: programs get the same permutations as in MXNet, and as without workers. But
two passes over one data set must not get the same numbers either. So every pass counts itself in bits of the Mersenne
twister that nothing reads: once its first word has been used, the low 31 bits of that word are dead (its state is 19937
= 624 * 32 - 31 bits). Seeding the generator clears them, and the same seed gives the same batches again.
"""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core import random as mx_random
from mx_core.context import cpu

__all__ = ["Seeds", "pass_seeds", "restore", "seed_batch", "snapshot"]

Seeds = tuple[int, int, int]  # of Python's, NumPy's and MXNet's generator

_DEAD = 2**31 - 1


def pass_seeds() -> Seeds:
    """New seeds for a pass over the data, from the program's generators; see Note [Seeds of batches]."""
    version, words, gauss = random.getstate()
    python = _digest(repr((words, gauss)).encode())
    random.setstate((version, (_counted(words[0]), *words[1:]), gauss))
    state: Any = np.random.get_state(legacy=False)
    if state["bit_generator"] == "MT19937":
        key = state["state"]["key"]
        numpy = _digest(key.tobytes() + repr((state["state"]["pos"], state["has_gauss"], state["gauss"])).encode())
        key[0] = _counted(int(key[0]))
        np.random.set_state(state)
    else:  # the program's own choice of generator, whose bits are all alive
        numpy = int(np.random.randint(2**62))
    drawn = nd.random.randint(0, 2**31 - 1, shape=(2,), ctx=cpu()).asnumpy()
    return python, numpy, int(drawn[0]) << 31 | int(drawn[1])


def _counted(word: int) -> int:
    return word & ~_DEAD | (word + 1) & _DEAD


def _digest(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def seed_batch(seeds: Seeds, number: int) -> None:
    """Seeds the generators for batch ``number`` of a pass."""
    python, numpy, mx = (_digest(b"%d %d" % (seed, number)) for seed in seeds)
    random.seed(python)
    np.random.seed(numpy & 0xFFFFFFFF)
    mx_random.seed(mx)


def snapshot() -> dict[str, Any]:
    """The state of Python's and NumPy's generators in lists and numbers, for JSON."""
    _, words, gauss = random.getstate()
    state: Any = np.random.get_state(legacy=False)
    found: dict[str, Any] = {"python": [list(words), gauss], "numpy": None}
    if state["bit_generator"] == "MT19937":
        inner = state["state"]
        found["numpy"] = [inner["key"].tolist(), int(inner["pos"]), int(state["has_gauss"]), float(state["gauss"])]
    return found


def restore(found: dict[str, Any]) -> None:
    """Puts the generators back where `snapshot` found them."""
    words, gauss = found["python"]
    random.setstate((3, tuple(words), gauss))
    if found["numpy"] is not None:
        key, position, has_gauss, pending = found["numpy"]
        np.random.set_state(("MT19937", np.array(key, np.uint32), position, has_gauss, pending))
