"""Checkpoints: ``prefix-symbol.json`` and ``prefix-0001.params``, as all of MXNet 1.x writes and reads them."""

from __future__ import annotations

import logging
from typing import Any

from mx_core import ndarray as nd
from mx_core.errors import RecordFileError

__all__ = ["load_checkpoint", "load_params", "named_params", "save_checkpoint", "split_params"]


def save_checkpoint(
    prefix: str,
    epoch: int,
    symbol: Any,
    arg_params: dict[str, Any],
    aux_params: dict[str, Any],
    remove_amp_cast: bool = True,
) -> None:
    """Writes ``prefix-symbol.json`` (if there is a symbol) and ``prefix-<epoch, four digits>.params``.

    Each file replaces an older one at once, when it is complete. remove_amp_cast: leave out the casts of automatic
    mixed precision.
    """
    if symbol is not None:
        symbol.save(f"{prefix}-symbol.json", remove_amp_cast=remove_amp_cast)
    name = f"{prefix}-{epoch:04d}.params"
    nd.save(name, named_params(arg_params, aux_params))
    logging.info('Saved checkpoint to "%s"', name)


def load_params(prefix: str, epoch: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """(arg_params, aux_params) of ``prefix-<epoch>.params``."""
    name = f"{prefix}-{epoch:04d}.params"
    saved = nd.load(name)
    if not saved:
        logging.warning("Params file '%s' is empty", name)
        return {}, {}
    return split_params(saved, name)


def load_checkpoint(prefix: str, epoch: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """(symbol, arg_params, aux_params) of the checkpoint of one epoch. Raises OSError for a missing or damaged file."""
    from mx_core import symbol

    return symbol.load(f"{prefix}-symbol.json"), *load_params(prefix, epoch)


def named_params(arg_params: dict[str, Any], aux_params: dict[str, Any]) -> dict[str, Any]:
    """Both dicts in one, as files hold them: ``"arg:fc1_weight"``, ``"aux:bn_moving_mean"``."""
    return {
        **{f"arg:{name}": array for name, array in arg_params.items()},
        **{f"aux:{name}": array for name, array in aux_params.items()},
    }


def split_params(saved: Any, file: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(arg_params, aux_params) of the content of a ``.params`` file. Raises RecordFileError for other names.

    >>> split_params({"arg:w": 1, "aux:m": 2}, "net-0001.params")
    ({'w': 1}, {'m': 2})
    """
    parts: dict[str, dict[str, Any]] = {"arg": {}, "aux": {}}
    if not isinstance(saved, dict):
        msg = f"{file}: Invalid param file: its arrays have no names. Save a dict of 'arg:name' and 'aux:name'"
        raise _InvalidParams(msg)
    for key, array in saved.items():
        kind, _, name = key.partition(":")
        if kind not in parts or not name:
            msg = (
                f"{file}: Invalid param file: the name {key!r} does not begin with 'arg:' or 'aux:'. It may be a file of "
                "Gluon's save_parameters, which net.load_parameters reads"
            )
            raise _InvalidParams(msg)
        parts[kind][name] = array
    return parts["arg"], parts["aux"]


class _InvalidParams(RecordFileError, ValueError):
    """A file of arrays that are no parameters; a ValueError too, as in MXNet 1.x."""
