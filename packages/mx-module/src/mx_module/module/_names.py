"""Names and shapes of a module's inputs, checked before anything is bound."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from mx_core.data import DataDesc
from mx_core.errors import ParameterError

__all__ = ["_as_list", "_check_input_names", "_check_names_match", "_parse_data_desc"]


def _as_list(obj: Any) -> Any:
    """``obj`` if it is a list or tuple, else a list with it.

    >>> _as_list(3), _as_list((3,))
    ([3], (3,))
    """
    return obj if isinstance(obj, (list, tuple)) else [obj]


def _check_input_names(symbol: Any, names: Sequence[str], typename: str, throw: bool) -> None:
    """Warns, or raises ParameterError if ``throw``, of names that are no arguments of the symbol.

    typename: "data", "label", "state" or "fixed_param", for the text.
    """
    arguments = symbol.list_arguments()
    for name in names:
        if name in arguments:
            continue
        learned = ("_weight", "_bias", "_gamma", "_beta")
        inputs = "".join(f"\n\t{argument}" for argument in arguments if not argument.endswith(learned))
        msg = (
            f"[Module] {typename}_names={list(names)}: an input with name '{name}' is not found in "
            f"symbol.list_arguments(). Did you mean one of:{inputs}"
        )
        if throw:
            raise ParameterError(msg)
        warnings.warn(msg, UserWarning, stacklevel=3)


def _check_names_match(data_names: Sequence[str], data_shapes: Sequence[Any], name: str, throw: bool) -> None:
    """Warns, or raises ParameterError if ``throw``, when the descriptions are not of the named inputs."""
    actual = [desc[0] for desc in data_shapes]
    if sorted(data_names) == sorted(actual):
        return
    msg = (
        f"Data provided by {name}_shapes don't match names specified by {name}_names "
        f"({list(data_shapes)} vs. {list(data_names)})"
    )
    if throw:
        raise ParameterError(msg)
    warnings.warn(msg, UserWarning, stacklevel=4)


def _parse_data_desc(
    data_names: Sequence[str],
    label_names: Sequence[str],
    data_shapes: Sequence[Any],
    label_shapes: Sequence[Any] | None,
) -> tuple[list[DataDesc], list[DataDesc] | None]:
    """(data, labels) as lists of DataDesc, from pairs (name, shape) or DataDescs; names are checked."""
    data = _descriptions(data_shapes)
    _check_names_match(data_names, data, "data", True)
    if label_shapes is None:
        _check_names_match(label_names, [], "label", False)
        return data, None
    labels = _descriptions(label_shapes)
    _check_names_match(label_names, labels, "label", False)
    return data, labels


def _descriptions(shapes: Any) -> list[DataDesc]:
    if isinstance(shapes, dict):
        msg = f"shapes must be a list of (name, shape) or DataDesc, got the dict {shapes}; pass list({shapes}.items())"
        raise ParameterError(msg)
    return [desc if isinstance(desc, DataDesc) else DataDesc(*desc) for desc in shapes]
