"""The random numbers of the record iterators: a function of seed and place alone, never of threads or timing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["Draws", "draws_of_batch"]

_N_DRAWS = 96  # enough for every augmentation of an image; an augmenter that wants more seeds its own generator


class Draws:
    """The random numbers of one image, taken in turn.

    >>> draws = draws_of_batch(seed=0, epoch=0, batch=0, n=1)[0]
    >>> 0 <= draws.uniform() < 1
    True
    """

    __slots__ = ("_numbers", "_used")

    def __init__(self, numbers: list[float]) -> None:
        self._numbers = numbers
        self._used = 0

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        if self._used == len(self._numbers):
            seed = int(self._numbers[-1] * 2**53)
            self._numbers = np.random.Generator(np.random.Philox(key=seed)).random(_N_DRAWS).tolist()
            self._used = 0
        number = self._numbers[self._used]
        self._used += 1
        return low + (high - low) * number

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return min(high, low + int(self.uniform() * (high - low + 1)))

    def normal(self, sigma: float) -> float:
        """A number of the normal distribution with mean 0 and standard deviation sigma (Box-Muller)."""
        radius = math.sqrt(-2 * math.log(1 - self.uniform()))
        return sigma * radius * math.cos(2 * math.pi * self.uniform())

    def shuffled(self, items: Any) -> list[Any]:
        """The items in a random order."""
        items = list(items)
        for last in range(len(items) - 1, 0, -1):
            chosen = self.integer(0, last)
            items[last], items[chosen] = items[chosen], items[last]
        return items

    def generator(self) -> np.random.Generator:
        """A generator of NumPy for this image, for augmenters that want one."""
        return np.random.Generator(np.random.Philox(key=int(self.uniform() * 2**53)))


def draws_of_batch(seed: int, epoch: int, batch: int, n: int) -> list[Draws]:
    """The Draws of the n images of a batch."""
    bits = np.random.Philox(key=[seed & (2**64 - 1), (epoch << 32) + batch])
    return [Draws(row) for row in np.random.Generator(bits).random((n, _N_DRAWS)).tolist()]
