"""Augmenters that a program or a plug-in brings, in ImageRecordIter's ``aug_seq`` by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from mx_core.errors import ParameterError, unknown_parameter

from ..augmentation import augment, find_augmenter, seeded
from .draws import Draws

__all__ = ["Plugged", "plugged_augmenters"]


class Plugged:
    """Augmenters of ``mx.image``'s kind, red first and drawing from generators, as one of the iterator's."""

    def __init__(self, augmenters: list[Callable[[Any], Any]]) -> None:
        self._augmenters = augmenters

    def __call__(self, image: np.ndarray[Any, Any], draws: Draws) -> np.ndarray[Any, Any]:
        """The changed image, uint8 (rounded and kept in range where it is not), blue first."""
        n = image.shape[2] if image.ndim == 3 else 1
        order = [2, 1, 0, 3][:n] if n > 1 else [0]
        with seeded(int(draws.uniform() * 2**32)):
            changed = augment(self._augmenters, np.ascontiguousarray(np.atleast_3d(image)[:, :, order]))
        if changed.dtype != np.uint8:
            changed = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
        return changed[:, :, order] if n > 1 else changed[:, :, 0]


def plugged_augmenters(operator: str, names: list[str], given: dict[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """What stands behind these names in ``aug_seq``, each made with those of the given parameters that it takes.

    known: the iterator's own parameters, which an augmenter may share.
    Raises ParameterError for a name that no augmenter has, for a parameter that none of them takes, and for one that
    an augmenter lacks.
    """
    made: dict[str, Callable[..., Any]] = {}
    taken: set[str] = set()
    for name in names:
        factory = find_augmenter(name)
        signature = inspect.signature(factory).parameters.values()
        takes = {parameter.name for parameter in signature}
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature):
            takes |= set(given)
        try:
            made[name] = factory(**{key: value for key, value in given.items() if key in takes})
        except TypeError as error:
            msg = f"[{operator}] the augmenter {name!r} cannot be made: {error}"
            raise ParameterError(msg) from error
        taken |= takes
    for key in given:
        if key not in taken and key not in known:
            unknown_parameter(f"{operator} with {', '.join(names)}", key, sorted(taken))
    return made
