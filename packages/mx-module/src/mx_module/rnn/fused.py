"""``FusedRNNCell``: several layers over whole sequences as one operator, ``RNN``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from mx_core import initializer, ndarray, symbol
from mx_core.symbol import Symbol

from .base import BaseRNNCell, RNNParams, State, as_sequence, step_error
from .cells import BidirectionalCell, DropoutCell, GRUCell, LSTMCell, RNNCell, SequentialRNNCell

__all__ = ["FusedRNNCell"]

_GATES = {"rnn_relu": ("",), "rnn_tanh": ("",), "lstm": ("_i", "_f", "_c", "_o"), "gru": ("_r", "_z", "_o")}


class FusedRNNCell(BaseRNNCell):
    """Layers of cells that run over whole sequences at once: faster than the same cells step by step.

    num_hidden: size of each state. mode: "rnn_relu", "rnn_tanh", "lstm" or "gru". dropout: between layers, in [0, 1).
    get_next_state: unroll returns the last states too. All weights are in one variable, ``<prefix>parameters``;
    unpack_weights and pack_weights go between it and the names that the cells of unfuse() have.
    """

    def __init__(
        self,
        num_hidden: int,
        num_layers: int = 1,
        mode: str = "lstm",
        bidirectional: bool = False,
        dropout: float = 0.0,
        get_next_state: bool = False,
        forget_bias: float = 1.0,
        prefix: str | None = None,
        params: RNNParams | None = None,
    ) -> None:
        if mode not in _GATES:
            msg = f"mode must be one of {', '.join(_GATES)}, got {mode!r}"
            raise ValueError(msg)
        super().__init__(prefix=f"{mode}_" if prefix is None else prefix, params=params)
        self._num_hidden = num_hidden
        self._num_layers = num_layers
        self._mode = mode
        self._bidirectional = bidirectional
        self._dropout = dropout
        self._get_next_state = get_next_state
        self._directions = ("l", "r") if bidirectional else ("l",)
        weights = initializer.FusedRNN(None, num_hidden, num_layers, mode, bidirectional, forget_bias)
        self._parameter = self.params.get("parameters", init=weights)

    @property
    def state_info(self) -> list[State]:
        shape = (len(self._directions) * self._num_layers, 0, self._num_hidden)
        return [{"shape": shape, "__layout__": "LNC"} for _ in range(1 + (self._mode == "lstm"))]

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return _GATES[self._mode]

    def _parts(self, joined: Any, num_input: int) -> dict[str, Any]:
        """The views of the joined weights by name: all matrices first, then all biases, layer by layer."""
        hidden = self._num_hidden
        parts = {}
        first = 0
        for kind in ("weight", "bias"):
            for layer in range(self._num_layers):
                width = num_input if layer == 0 else len(self._directions) * hidden
                for direction in self._directions:
                    for group, columns in (("i2h", width), ("h2h", hidden)):
                        shape = (hidden, columns) if kind == "weight" else (hidden,)
                        size = hidden * columns if kind == "weight" else hidden
                        for gate in self._gate_names:
                            name = f"{self._prefix}{direction}{layer}_{group}{gate}_{kind}"
                            parts[name] = joined[first : first + size].reshape(shape)
                            first += size
        if first != joined.size:
            msg = f"{self._parameter.name} has {joined.size} elements, and {first} are needed for inputs of size {num_input}"
            raise ValueError(msg)
        return parts

    def unpack_weights(self, args: dict[str, Any]) -> dict[str, Any]:
        args = dict(args)
        joined = args.pop(self._parameter.name)
        both, gates, hidden = len(self._directions), len(self._gate_names), self._num_hidden
        rest = (self._num_layers - 1) * (hidden + both * hidden + 2)
        num_input = joined.size // both // hidden // gates - rest - hidden - 2
        args.update({name: part.copy() for name, part in self._parts(joined, num_input).items()})
        return args

    def pack_weights(self, args: dict[str, Any]) -> dict[str, Any]:
        args = dict(args)
        both, gates, hidden = len(self._directions), len(self._gate_names), self._num_hidden
        first = args[f"{self._prefix}l0_i2h{self._gate_names[0]}_weight"]
        num_input = first.shape[1]
        rest = (self._num_layers - 1) * gates * hidden * (hidden + both * hidden + 2) * both
        size = (num_input + hidden + 2) * hidden * gates * both + rest
        joined = ndarray.zeros((size,), ctx=first.context, dtype=first.dtype)
        for name, part in self._parts(joined, num_input).items():
            part[:] = args.pop(name)
        args[self._parameter.name] = joined
        return args

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        raise step_error(self)

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: list[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, list[Symbol]]:
        self.reset()
        data, axis = as_sequence(length, inputs, layout, True)
        if axis not in (0, 1):
            msg = f"layout must be 'TNC' or 'NTC', got {layout!r}"
            raise ValueError(msg)
        if axis == 1:
            warnings.warn("NTC layout detected. Consider using TNC for FusedRNNCell for faster speed", stacklevel=2)
            data = symbol.swapaxes(data, dim1=0, dim2=1)
        states = self.begin_state() if begin_state is None else begin_state
        rnn = symbol.RNN(
            data=data,
            parameters=self._parameter,
            **dict(zip(("state", "state_cell"), states, strict=False)),
            state_size=self._num_hidden,
            num_layers=self._num_layers,
            bidirectional=self._bidirectional,
            p=self._dropout,
            state_outputs=self._get_next_state,
            mode=self._mode,
            name=f"{self._prefix}rnn",
        )
        outputs = rnn[0] if self._get_next_state else rnn
        after = [rnn[i + 1] for i in range(len(self.state_info))] if self._get_next_state else []
        for state in after:
            state._set_attr(__layout__="LNC")
        if axis == 1:
            outputs = symbol.swapaxes(outputs, dim1=0, dim2=1)
        return as_sequence(length, outputs, layout, merge_outputs)[0], after

    def unfuse(self) -> SequentialRNNCell:
        """The same network as cells that can be stepped; unpack_weights gives their weights."""
        stack = SequentialRNNCell()
        make: Callable[[str], BaseRNNCell] = {
            "rnn_relu": lambda prefix: RNNCell(self._num_hidden, activation="relu", prefix=prefix),
            "rnn_tanh": lambda prefix: RNNCell(self._num_hidden, activation="tanh", prefix=prefix),
            "lstm": lambda prefix: LSTMCell(self._num_hidden, prefix=prefix),
            "gru": lambda prefix: GRUCell(self._num_hidden, prefix=prefix),
        }[self._mode]
        for layer in range(self._num_layers):
            left = make(f"{self._prefix}l{layer}_")
            if self._bidirectional:
                right = make(f"{self._prefix}r{layer}_")
                stack.add(BidirectionalCell(left, right, output_prefix=f"{self._prefix}bi_l{layer}_"))
            else:
                stack.add(left)
            if self._dropout > 0 and layer != self._num_layers - 1:
                stack.add(DropoutCell(self._dropout, prefix=f"{self._prefix}_dropout{layer}_"))
        return stack
