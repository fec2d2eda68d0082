"""The random generators that a data set may draw from: Python's, NumPy's and that of cpu(0), seeded for every batch.

# Note [Seeds of batches]
The generators are seeded anew for every batch, from the generators of the program and the number of the batch, so that
batches do not depend on how many workers there are, none among them, or which of them makes which batch. Reading the
program's generators must not move them: programs get the same permutations as in MXNet. But two passes over one data
set must not get the same numbers either. So every pass counts itself in bits of the Mersenne twister that nothing
reads: once its first word has been used, the low 31 bits of that word are dead (its state is 19937 = 624 * 32 - 31
bits). Seeding the generator clears them, and the same seed gives the same batches again.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import random
from typing import Any

import numpy as np

from mx_core import _core

__all__ = ["Aside", "Seeds", "pass_seeds", "restore", "seed_batch", "snapshot"]

Seeds = tuple[int, int, int]  # of Python's, NumPy's and MXNet's generator

_DEAD = 2**31 - 1
_CPU = (1, 0)  # MXNet's numbers of cpu(0)


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
    else:  # a generator of the program's choice, which is left alone
        numpy = 0
    seed, offset = _core.random_state(*_CPU)
    _core.set_random_state(*_CPU, seed, offset + 1)
    return python, numpy, _digest(b"%d %d" % (seed, offset))


def _counted(word: int) -> int:
    return word & ~_DEAD | (word + 1) & _DEAD


def _digest(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def seed_batch(seeds: Seeds, number: int) -> None:
    """Seeds the generators for batch ``number`` of a pass."""
    python, numpy, mx = (_digest(b"%d %d" % (seed, number)) for seed in seeds)
    random.seed(python)
    if type(np.random.get_bit_generator()) is np.random.MT19937:
        np.random.seed(numpy & 0xFFFFFFFF)
    _core.set_random_state(*_CPU, mx, 0)


def snapshot() -> dict[str, Any]:
    """The state of the generators in lists and numbers, for JSON."""
    _, words, gauss = random.getstate()
    state: Any = np.random.get_state(legacy=False)
    found: dict[str, Any] = {"python": [list(words), gauss], "numpy": None, "mx": list(_core.random_state(*_CPU))}
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
    _core.set_random_state(*_CPU, *found["mx"])


class Aside:
    """The program's generators, put aside while a batch is made with generators of its own: ``with Aside(...):``.

    seeds, number: as in `seed_batch`.
    """

    __slots__ = ("_mx", "_numpy", "_python")

    def __init__(self, seeds: Seeds, number: int) -> None:
        self._python = random.getstate()
        self._numpy = _numpy_state()
        self._mx = _core.random_state(*_CPU)
        seed_batch(seeds, number)

    def __enter__(self) -> None:
        """Nothing more to do."""

    def __exit__(self, *exception: object) -> None:
        random.setstate(self._python)
        _set_numpy_state(self._numpy)
        _core.set_random_state(*_CPU, *self._mx)


# Note [NumPy's state as bytes]
# get_state and set_state take 40 us each, as long as ten small images. The state of the Mersenne twister is 624 words
# and a position in NumPy's memory, and beside it a normal number that may be pending. Where that memory is as expected,
# bytes are kept; that no number is pending is remembered, as making one pending changes the bytes.

_BYTES = 625 * 4
_nothing_pending: bytes | None = None


def _numpy_state() -> bytes | dict[str, Any] | None:
    """The state of NumPy's generator: bytes where nothing is pending, else what NumPy says; None of another kind."""
    global _nothing_pending
    generator: Any = np.random.get_bit_generator()
    if type(generator) is not np.random.MT19937:
        return None
    if not _bytes_are_understood():
        return np.random.get_state(legacy=False)  # type: ignore[return-value]
    content = ctypes.string_at(generator.ctypes.state_address, _BYTES)
    if content != _nothing_pending:
        state: Any = np.random.get_state(legacy=False)
        if state["has_gauss"]:
            return state
        _nothing_pending = content
    return content


def _set_numpy_state(state: bytes | dict[str, Any] | None) -> None:
    generator: Any = np.random.get_bit_generator()
    if isinstance(state, dict):
        np.random.set_state(state)
    elif state is not None and type(generator) is np.random.MT19937:
        np.random.seed(0)  # so that nothing is pending
        ctypes.memmove(generator.ctypes.state_address, state, _BYTES)


@functools.cache
def _bytes_are_understood() -> bool:
    """Whether the memory of a Mersenne twister is what the note says."""
    probe: Any = np.random.MT19937(1)
    state = probe.state["state"]
    expected = state["key"].tobytes() + np.int32(state["pos"]).tobytes()
    return ctypes.string_at(probe.ctypes.state_address, _BYTES) == expected
