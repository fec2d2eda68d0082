"""Augmenters by name: those of ``mx.image``, the program's own, and those that plug-ins bring.

A name stands for what makes an augmenter: a class or a function, called with the augmenter's parameters. What it makes
is called with an image and returns one: NDArrays (h, w, c), red first. Augmenters with a method ``apply`` take NumPy
arrays there, which saves the NDArrays between them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from mx_core.errors import ParameterError, PluginError
from mx_core.plugin import named_by_plugins, resolve

__all__ = ["augment", "create_augmenters", "find_augmenter", "list_augmenters", "register"]

Factory = Callable[..., Callable[[Any], Any]]

_own: dict[str, Any] = {}
_of_plugins: dict[str, Any] | None = None


def _builtin() -> dict[str, Any]:
    from ..image import augmenters

    found = {}
    for name in augmenters.__all__:
        value = getattr(augmenters, name)
        if isinstance(value, type) and value is not augmenters.Augmenter:
            found[name.lower()] = value
            found[name.lower().removesuffix("aug")] = value
    return found


def register(factory: Any = None, *, name: str | None = None) -> Any:
    """Decorator: makes an augmenter usable by name, its class's or ``name``, within this program.

    Raises PluginError for a name that mx-io's own augmenters have.

    >>> @register(name="negative")
    ... class Negative:
    ...     def __call__(self, image):
    ...         return 255 - image
    >>> find_augmenter("Negative") is Negative
    True
    """
    if factory is None:
        return lambda given: register(given, name=name)
    key = (name or factory.__name__).lower()
    if key in _builtin():
        msg = f"mx-io has an augmenter {key!r} of its own; register yours under another name"
        raise PluginError(msg)
    _own[key] = factory
    return factory


def _all() -> dict[str, Any]:
    global _of_plugins
    if _of_plugins is None:
        brought = {name.lower(): value for name, value in named_by_plugins("mx_augmenters").items()}
        taken = sorted(set(brought) & set(_builtin()))
        if taken:
            msg = f"a plug-in brings the augmenters {', '.join(taken)}, which are mx-io's own; rename them"
            raise PluginError(msg)
        _of_plugins = brought
    return {**_of_plugins, **_builtin(), **_own}


def find_augmenter(name: str) -> Factory:
    """What makes the augmenter of this name, whatever the case; "Aug" at the end may be left out.

    Raises ParameterError with the nearest names.

    >>> find_augmenter("brightnessjitter").__name__
    'BrightnessJitterAug'
    """
    key = name.lower()
    found = _own.get(key) or _builtin().get(key)
    if found is None:
        known = _all()
        if key not in known:
            near = difflib.get_close_matches(key, known, 3)
            hint = f" Did you mean {' or '.join(near)}?" if near else f" There are {', '.join(sorted(known))}"
            msg = f"there is no augmenter {name!r}.{hint}"
            raise ParameterError(msg)
        found = known[key]
    return resolve(found)  # type: ignore[no-any-return]


def list_augmenters() -> list[str]:
    """The names of all augmenters, sorted."""
    return sorted(_all())


def create_augmenters(sequence: Any) -> list[Callable[[Any], Any]]:
    """The augmenters that a sequence describes.

    sequence: names, "name,name" in one string, ``(name, parameters)``, ``{"name": ..., **parameters}``, or augmenters.
    Raises ParameterError for names that there are not, and for parameters that an augmenter does not take.

    >>> [type(made).__name__ for made in create_augmenters(["randomgray", ("cast", {"typ": "float32"})][1:])]
    ['CastAug']
    """
    if isinstance(sequence, str):
        sequence = [part.strip() for part in sequence.split(",") if part.strip()]
    return [_create(item) for item in sequence]


def _create(item: Any) -> Callable[[Any], Any]:
    if callable(item):
        return item  # type: ignore[no-any-return]
    if isinstance(item, str):
        name, parameters = item, {}
    elif isinstance(item, dict):
        parameters = dict(item)
        name = parameters.pop("name")
    elif isinstance(item, (list, tuple)) and len(item) == 2:
        name, parameters = item
    else:
        msg = f"an augmenter must be a name, (name, parameters) or a callable, got {item!r}"
        raise ParameterError(msg)
    try:
        return find_augmenter(name)(**parameters)
    except TypeError as error:
        msg = f"the augmenter {name!r} cannot be made with the parameters {parameters}: {error}"
        raise ParameterError(msg) from error


def augment(augmenters: Iterable[Callable[[Any], Any]], image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An image (h, w, c), red first, after each of these augmenters; NumPy in, NumPy out.

    >>> image = np.zeros((4, 6, 3), np.uint8)
    >>> augment(create_augmenters([("forceresize", {"size": (3, 2)})]), image).shape
    (2, 3, 3)
    """
    from ..image.arrays import as_array, as_host
    from ..image.augmenters import Augmenter

    for change in augmenters:
        if isinstance(change, Augmenter) and type(change).__call__ is Augmenter.__call__:
            image = change.apply(image)
        else:
            image = as_host(change(as_array(image)))
    return image
