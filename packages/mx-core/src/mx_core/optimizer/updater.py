"""Updater: an optimizer with the states of every parameter it has seen, and their file."""

from __future__ import annotations

from typing import Any

from ..errors import RecordFileError
from .optimizer import Optimizer
from .states import dump_states, load_states

__all__ = ["Updater", "get_updater"]


class Updater:
    """``updater(index, grad, weight)`` makes one step; states are created at a parameter's first step.

    With lists, all parameters are updated in one call, by rules that take lists (``Optimizer.aggregate_num > 0``)
    without a Python call each.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.states: dict[Any, Any] = {}
        self.states_synced: dict[Any, bool] = {}
        self.aggregate_updates = optimizer.aggregate_num > 0

    def __call__(self, index: Any, grad: Any, weight: Any) -> None:
        """Updates ``weight`` in place, or each of a list of weights of one device."""
        if not isinstance(index, (list, tuple)):
            index, grad, weight = (index,), (grad,), (weight,)
        if not index:
            return
        optimizer, states = self.optimizer, self.states
        optimizer._set_current_context(weight[0].context.device_id)
        try:
            current = [states[i] for i in index]
        except KeyError:
            current = None
        if current is None or len(self.states_synced) != len(states):
            current = [self._state(i, w) for i, w in zip(index, weight, strict=True)]
        if optimizer.aggregate_num > 0 and len(index) > 1:
            optimizer.update_multi_precision(index, weight, grad, current)
        else:
            update = optimizer.update_multi_precision
            for i, w, g, s in zip(index, weight, grad, current, strict=True):
                update(i, w, g, s)

    def _state(self, index: Any, weight: Any) -> Any:
        if index not in self.states:
            self.states[index] = self.optimizer.create_state_multi_precision(index, weight)
        elif not self.states_synced.get(index, False):
            self.states[index] = self.sync_state_context(self.states[index], weight.context)
        self.states_synced[index] = True
        return self.states[index]

    def sync_state_context(self, state: Any, context: Any) -> Any:
        """``state`` with its arrays moved to ``context``."""
        if isinstance(state, (tuple, list)):
            return type(state)(self.sync_state_context(s, context) for s in state)
        return state.as_in_context(context) if hasattr(state, "as_in_context") else state

    def set_states(self, states: bytes) -> None:
        """Takes over states written by ``get_states``, here or by MXNet 1.x. Arrays move to their weight's device."""
        loaded = load_states(states)
        optimizer = None
        if isinstance(loaded, tuple) and len(loaded) == 2:
            loaded, optimizer = loaded
        if not isinstance(loaded, dict) or not isinstance(optimizer, (Optimizer, type(None))):
            msg = (
                f"optimizer states must be a dict of states by index, or that and an optimizer, got "
                f"{type(loaded).__name__}. The content is damaged or is not a .states file; save the states again."
            )
            raise RecordFileError(msg)
        self.states = loaded
        if optimizer is not None:
            optimizer.param_dict = self.optimizer.param_dict
            # 1.9.1 gives lists of parameters to more rules than take them here.
            same = type(optimizer) is type(self.optimizer)
            optimizer.aggregate_num = self.optimizer.aggregate_num if same else 0
            self.aggregate_updates = optimizer.aggregate_num > 0
            self.optimizer = optimizer
        self.states_synced = {}

    def get_states(self, dump_optimizer: bool = False) -> bytes:
        """All states as bytes, with the optimizer (its counts and settings) if ``dump_optimizer``."""
        return dump_states((self.states, self.optimizer) if dump_optimizer else self.states)


def get_updater(optimizer: Optimizer) -> Updater:
    """An Updater for ``optimizer``."""
    return Updater(optimizer)
