"""Checkpoints of recurrent networks: files hold the weights gate by gate, so that fused and stepped cells share them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from mx_core import symbol
from mx_core.symbol import Symbol

from ..model import load_checkpoint, save_checkpoint
from .base import BaseRNNCell

__all__ = [
    "do_rnn_checkpoint", "load_checkpoint", "load_rnn_checkpoint", "rnn_unroll", "save_checkpoint", "save_rnn_checkpoint",
]  # fmt: skip


def _cells(cells: Any) -> list[BaseRNNCell]:
    return [cells] if isinstance(cells, BaseRNNCell) else list(cells)


def rnn_unroll(
    cell: BaseRNNCell,
    length: int,
    inputs: Any = None,
    begin_state: list[Symbol] | None = None,
    input_prefix: str = "",
    layout: str = "NTC",
) -> tuple[Any, list[Symbol]]:
    """Deprecated: ``cell.unroll``. inputs None: variables ``<input_prefix>t0_data``, ... for the steps."""
    warnings.warn("rnn_unroll is deprecated. Please call cell.unroll directly.", DeprecationWarning, stacklevel=2)
    if inputs is None:
        inputs = [symbol.Variable(f"{input_prefix}t{i}_data") for i in range(length)]
    return cell.unroll(length, inputs, begin_state=begin_state, layout=layout)


def save_rnn_checkpoint(
    cells: Any, prefix: str, epoch: int, symbol: Symbol, arg_params: dict[str, Any], aux_params: dict[str, Any]
) -> None:
    """mx.model.save_checkpoint with the weights of cells (a cell or a list of them) unpacked."""
    for cell in _cells(cells):
        arg_params = cell.unpack_weights(arg_params)
    save_checkpoint(prefix, epoch, symbol, arg_params, aux_params)


def load_rnn_checkpoint(cells: Any, prefix: str, epoch: int) -> tuple[Symbol, dict[str, Any], dict[str, Any]]:
    """(symbol, arg_params, aux_params) of what save_rnn_checkpoint wrote, the weights of cells packed."""
    loaded, arg_params, aux_params = load_checkpoint(prefix, epoch)
    for cell in _cells(cells):
        arg_params = cell.pack_weights(arg_params)
    return loaded, arg_params, aux_params


def do_rnn_checkpoint(cells: Any, prefix: str, period: int = 1) -> Callable[..., None]:
    """An epoch_end_callback for fit that saves with save_rnn_checkpoint every period epochs."""
    period = int(max(1, period))

    def save(iter_no: int, sym: Any = None, arg: Any = None, aux: Any = None) -> None:
        if (iter_no + 1) % period == 0:
            save_rnn_checkpoint(cells, prefix, iter_no + 1, sym, arg, aux)

    return save
