"""``mx.nd._internal``: the operators behind Python's operators and MXNet's functions, named ``_*``."""

from __future__ import annotations

from typing import Any

from .into import _set_value
from .namespace import find

__all__ = ["_set_value"]

# Operators of MXNet that mx-io serves, with OpenCV, as the functions of mx.image.
_OF_MX_IO = {
    "_cvcopyMakeBorder": "copyMakeBorder", "_cvimdecode": "imdecode", "_cvimread": "imread", "_cvimresize": "imresize",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _OF_MX_IO:
        from ..data import reader

        return getattr(reader("image"), _OF_MX_IO[name])
    found = find(name) if name.startswith("_") and not name.startswith("__") and not _is_hidden(name) else None
    if found is None:
        msg = f"module 'mxnet.ndarray._internal' has no operator {name!r}"
        raise AttributeError(msg)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    from .. import registry

    return [*__all__, *(name for name in registry.list_ops() if name.startswith("_") and not _is_hidden(name))]


def _is_hidden(name: str) -> bool:
    """True for the parts of other operators: they trust what they are given."""
    from .. import registry
    from ..op.parts import is_part

    definition = registry.find_op(name)
    return definition is not None and is_part(definition)
