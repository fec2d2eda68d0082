"""The exceptions of MX. Every one is an ``MXNetError``, the class MXNet programs catch, and also the matching
Python built-in where there is one. Messages say what failed, what was expected, what came and what to do."""

from __future__ import annotations

__all__ = [
    "DTypeError",
    "MXNetError",
    "OpNotAvailable",
    "OutOfMemoryError",
    "ParameterError",
    "PluginError",
    "RecordFileError",
    "ShapeError",
]


class MXNetError(RuntimeError):
    """Any failure of an operator, the engine or a file: the class that MXNet programs catch."""


class ShapeError(MXNetError, ValueError):
    """Shapes that do not fit each other or the operator."""


class DTypeError(MXNetError, TypeError):
    """Element types that do not fit each other or the operator."""


class ParameterError(MXNetError, ValueError):
    """An operator parameter that is unknown, missing, or out of its range."""


class OpNotAvailable(MXNetError):
    """No kernel and no composition for this operator, device and element type."""


class OutOfMemoryError(MXNetError, MemoryError):
    """The device has no memory left for an array or for the work of an operator."""


class PluginError(MXNetError, ImportError):
    """A plug-in that is missing, broken, or built for another version."""


class RecordFileError(MXNetError, OSError):
    """A file that is cut, damaged, or not of the format it should be."""


def unknown_parameter(operator: str, name: str, known: list[str]) -> None:
    """Raises ParameterError for a keyword the operator does not have, naming the nearest one it has."""
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    msg = f"[{operator}] has no parameter {name}.{hint} It takes {', '.join(known) or 'none'}"
    raise ParameterError(msg)
