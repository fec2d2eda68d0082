"""The cells: plain, LSTM and GRU, in a row, in both directions, and those that change another cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mx_core import initializer, symbol
from mx_core.symbol import Symbol

from .base import BaseRNNCell, RNNParams, State, activate, as_sequence

__all__ = [
    "BidirectionalCell", "DropoutCell", "GRUCell", "LSTMCell", "ModifierCell", "RNNCell", "ResidualCell",
    "SequentialRNNCell", "ZoneoutCell",
]  # fmt: skip


class _GatedCell(BaseRNNCell):
    """A cell of two products, of the inputs (i2h) and of the state (h2h), num_hidden outputs for each gate."""

    def __init__(self, num_hidden: int, prefix: str, params: RNNParams | None, bias: Any = None) -> None:
        super().__init__(prefix=prefix, params=params)
        self._num_hidden = num_hidden
        self._i2h_weight = self.params.get("i2h_weight")
        self._i2h_bias = self.params.get("i2h_bias", **({} if bias is None else {"init": bias}))
        self._h2h_weight = self.params.get("h2h_weight")
        self._h2h_bias = self.params.get("h2h_bias")

    @property
    def state_info(self) -> list[State]:
        return [{"shape": (0, self._num_hidden), "__layout__": "NC"}]

    def _products(self, inputs: Symbol, state: Symbol, name: str) -> tuple[Symbol, Symbol]:
        size = self._num_hidden * len(self._gate_names)
        i2h = symbol.FullyConnected(
            data=inputs, weight=self._i2h_weight, bias=self._i2h_bias, num_hidden=size, name=f"{name}i2h"
        )
        h2h = symbol.FullyConnected(
            data=state, weight=self._h2h_weight, bias=self._h2h_bias, num_hidden=size, name=f"{name}h2h"
        )
        return i2h, h2h


class RNNCell(_GatedCell):
    """``h' = activation(W_i x + b_i + W_h h + b_h)`` (Elman 1990).

    num_hidden: size of the state. activation: a name of mx.sym.Activation, or a function on symbols.
    """

    def __init__(
        self, num_hidden: int, activation: Any = "tanh", prefix: str = "rnn_", params: RNNParams | None = None
    ) -> None:
        super().__init__(num_hidden, prefix, params)
        self._activation = activation

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("",)

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        name = self._next_name()
        i2h, h2h = self._products(inputs, states[0], name)
        output = activate(i2h + h2h, self._activation, name=f"{name}out")
        return output, [output]


class LSTMCell(_GatedCell):
    """Long short-term memory (Hochreiter and Schmidhuber 1997), gates in the order input, forget, cell, output.

    num_hidden: size of the state. forget_bias: what the forget gate's bias starts with.
    """

    def __init__(
        self, num_hidden: int, prefix: str = "lstm_", params: RNNParams | None = None, forget_bias: float = 1.0
    ) -> None:
        super().__init__(num_hidden, prefix, params, initializer.LSTMBias(forget_bias=forget_bias))

    @property
    def state_info(self) -> list[State]:
        return [{"shape": (0, self._num_hidden), "__layout__": "NC"} for _ in range(2)]

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("_i", "_f", "_c", "_o")

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        name = self._next_name()
        i2h, h2h = self._products(inputs, states[0], name)
        parts = symbol.SliceChannel(i2h + h2h, num_outputs=4, name=f"{name}slice")
        enter = symbol.Activation(parts[0], act_type="sigmoid", name=f"{name}i")
        keep = symbol.Activation(parts[1], act_type="sigmoid", name=f"{name}f")
        new = symbol.Activation(parts[2], act_type="tanh", name=f"{name}c")
        leave = symbol.Activation(parts[3], act_type="sigmoid", name=f"{name}o")
        cell = symbol.elemwise_add(keep * states[1], enter * new, name=f"{name}state")
        output = symbol.elemwise_mul(leave, symbol.Activation(cell, act_type="tanh"), name=f"{name}out")
        return output, [output, cell]


class GRUCell(_GatedCell):
    """Gated recurrent unit (Cho et al. 2014), gates reset, update, output; reset acts on the product."""

    def __init__(self, num_hidden: int, prefix: str = "gru_", params: RNNParams | None = None) -> None:
        super().__init__(num_hidden, prefix, params)

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("_r", "_z", "_o")

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        name = self._next_name()
        i2h, h2h = self._products(inputs, states[0], f"{name}_")
        i2h_r, i2h_z, i2h_o = symbol.SliceChannel(i2h, num_outputs=3, name=f"{name}_i2h_slice")
        h2h_r, h2h_z, h2h_o = symbol.SliceChannel(h2h, num_outputs=3, name=f"{name}_h2h_slice")
        reset = symbol.Activation(i2h_r + h2h_r, act_type="sigmoid", name=f"{name}_r_act")
        update = symbol.Activation(i2h_z + h2h_z, act_type="sigmoid", name=f"{name}_z_act")
        new = symbol.Activation(i2h_o + reset * h2h_o, act_type="tanh", name=f"{name}_h_act")
        output = symbol.elemwise_add((1.0 - update) * new, update * states[0], name=f"{name}out")
        return output, [output]


class SequentialRNNCell(BaseRNNCell):
    """Cells one above the other: the outputs of each are the inputs of the next. params: to share with all of them."""

    def __init__(self, params: RNNParams | None = None) -> None:
        super().__init__(prefix="", params=params)
        self._override_cell_params = params is not None

    def add(self, cell: BaseRNNCell) -> None:
        """Puts a cell on top."""
        self._cells.append(cell)
        _share(self, cell, self._override_cell_params)

    @property
    def state_info(self) -> list[State]:
        return [info for cell in self._cells for info in cell.state_info]

    def begin_state(self, **kwargs: Any) -> list[Symbol]:  # type: ignore[override]
        if self._modified:
            return super().begin_state()  # which says what to call
        return [state for cell in self._cells for state in cell.begin_state(**kwargs)]

    def unpack_weights(self, args: dict[str, Any]) -> dict[str, Any]:
        for cell in self._cells:
            args = cell.unpack_weights(args)
        return args

    def pack_weights(self, args: dict[str, Any]) -> dict[str, Any]:
        for cell in self._cells:
            args = cell.pack_weights(args)
        return args

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        self._counter += 1
        after: list[Symbol] = []
        first = 0
        for cell in self._cells:
            count = len(cell.state_info)
            inputs, new = cell(inputs, states[first : first + count])
            after += new
            first += count
        return inputs, after

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: list[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, list[Symbol]]:
        self.reset()
        states = self.begin_state() if begin_state is None else begin_state
        after: list[Symbol] = []
        first = 0
        for cell in self._cells:
            count = len(cell.state_info)
            merge = merge_outputs if cell is self._cells[-1] else None
            inputs, new = cell.unroll(length, inputs, states[first : first + count], layout, merge)
            after += new
            first += count
        return inputs, after


class BidirectionalCell(BaseRNNCell):
    """l_cell over the sequence and r_cell over it backwards; the outputs of both, joined along the channels.

    output_prefix: goes before the names of the joined outputs.
    """

    def __init__(
        self, l_cell: BaseRNNCell, r_cell: BaseRNNCell, params: RNNParams | None = None, output_prefix: str = "bi_"
    ) -> None:
        super().__init__("", params=params)
        self._output_prefix = output_prefix
        self._cells = [l_cell, r_cell]
        for cell in self._cells:
            _share(self, cell, params is not None)

    @property
    def state_info(self) -> list[State]:
        return [info for cell in self._cells for info in cell.state_info]

    begin_state = SequentialRNNCell.begin_state  # type: ignore[assignment]
    unpack_weights = SequentialRNNCell.unpack_weights
    pack_weights = SequentialRNNCell.pack_weights

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: list[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, list[Symbol]]:
        self.reset()
        steps, axis = as_sequence(length, inputs, layout, False)
        states = self.begin_state() if begin_state is None else begin_state
        left, right = self._cells
        count = len(left.state_info)
        l_outputs, l_states = left.unroll(length, steps, states[:count], layout, merge_outputs)
        r_outputs, r_states = right.unroll(length, steps[::-1], states[count:], layout, merge_outputs)
        if merge_outputs is None:
            merge_outputs = isinstance(l_outputs, Symbol) and isinstance(r_outputs, Symbol)
        if merge_outputs:
            l_outputs, _ = as_sequence(None, l_outputs, layout, True)
            r_outputs, _ = as_sequence(None, r_outputs, layout, True)
            r_outputs = symbol.reverse(r_outputs, axis=axis)
            outputs: Any = symbol.Concat(l_outputs, r_outputs, dim=2, name=f"{self._output_prefix}out")
        else:
            l_outputs, _ = as_sequence(length, l_outputs, layout, False)
            r_outputs, _ = as_sequence(length, r_outputs, layout, False)
            outputs = [
                symbol.Concat(ahead, back, dim=1, name=f"{self._output_prefix}t{i}")
                for i, (ahead, back) in enumerate(zip(l_outputs, reversed(r_outputs), strict=True))
            ]
        return outputs, [l_states, r_states]  # type: ignore[list-item] # as MXNet: a list for each direction


def _share(owner: BaseRNNCell, cell: BaseRNNCell, override: bool) -> None:
    """One set of weights for a container and its cell."""
    if override:
        if not cell._own_params:
            msg = f"either {type(owner).__name__} or its cells take params, not both: {type(cell).__name__} has its own"
            raise AssertionError(msg)
        cell.params._params.update(owner.params._params)
    owner.params._params.update(cell.params._params)


# -- cells that change others ------------------------------------------------------------------------------------------


class DropoutCell(BaseRNNCell):
    """Dropout of the inputs between cells; no state. dropout: the share that is set to 0, in [0, 1)."""

    def __init__(self, dropout: float, prefix: str = "dropout_", params: RNNParams | None = None) -> None:
        super().__init__(prefix, params)
        if not isinstance(dropout, (int, float)):
            msg = f"dropout must be a number in [0, 1), got {dropout!r}"
            raise TypeError(msg)
        self.dropout = dropout

    @property
    def state_info(self) -> list[State]:
        return []

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        return (symbol.Dropout(data=inputs, p=self.dropout) if self.dropout > 0 else inputs), states

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: list[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, list[Symbol]]:
        self.reset()
        inputs, _ = as_sequence(length, inputs, layout, merge_outputs)
        if isinstance(inputs, Symbol):
            return self(inputs, [])
        return super().unroll(length, inputs, begin_state, layout, merge_outputs)


class ModifierCell(BaseRNNCell):
    """The base of cells that change another one, whose weights and states are theirs."""

    def __init__(self, base_cell: BaseRNNCell) -> None:
        base_cell._modified = True
        super().__init__()
        self.base_cell = base_cell
        self._cells = [base_cell]

    @property
    def params(self) -> RNNParams:
        self._own_params = False
        return self.base_cell.params

    @property
    def state_info(self) -> list[State]:
        return self.base_cell.state_info

    def begin_state(self, init_sym: Callable[..., Symbol] = symbol.zeros, **kwargs: Any) -> list[Symbol]:  # type: ignore[override]
        if self._modified:
            return super().begin_state()  # which says what to call
        init_sym = kwargs.pop("func", init_sym)
        self.base_cell._modified = False
        try:
            if isinstance(self.base_cell, ModifierCell):
                return self.base_cell.begin_state(init_sym, **kwargs)
            return self.base_cell.begin_state(func=init_sym, **kwargs)
        finally:
            self.base_cell._modified = True

    def unpack_weights(self, args: dict[str, Any]) -> dict[str, Any]:
        return self.base_cell.unpack_weights(args)

    def pack_weights(self, args: dict[str, Any]) -> dict[str, Any]:
        return self.base_cell.pack_weights(args)


class ZoneoutCell(ModifierCell):
    """Outputs and states that now and then keep their old value instead of the new one (Krueger et al. 2016).

    zoneout_outputs, zoneout_states: the probabilities of that, in [0, 1).
    """

    def __init__(self, base_cell: BaseRNNCell, zoneout_outputs: float = 0.0, zoneout_states: float = 0.0) -> None:
        if type(base_cell).__name__ == "FusedRNNCell":
            msg = "FusedRNNCell doesn't support zoneout. Please unfuse first"
            raise AssertionError(msg)
        if isinstance(base_cell, BidirectionalCell) or any(isinstance(c, BidirectionalCell) for c in base_cell._cells):
            msg = "BidirectionalCell doesn't support zoneout. Please add ZoneoutCell to the cells underneath instead"
            raise AssertionError(msg)
        super().__init__(base_cell)
        self.zoneout_outputs = zoneout_outputs
        self.zoneout_states = zoneout_states
        self.prev_output: Symbol | None = None

    def reset(self) -> None:
        super().reset()
        self.prev_output = None

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        output, after = self.base_cell(inputs, states)
        if self.zoneout_outputs:
            before = symbol.zeros((0, 0)) if self.prev_output is None else self.prev_output
            output = _mix(self.zoneout_outputs, output, before)
        if self.zoneout_states:
            after = [_mix(self.zoneout_states, new, old) for new, old in zip(after, states, strict=True)]
        self.prev_output = output
        return output, after


def _mix(share: float, new: Symbol, old: Symbol) -> Symbol:
    """new, but old at the places where a dropout of this share falls."""
    return symbol.where(symbol.Dropout(symbol.ones_like(new), p=share), new, old)


class ResidualCell(ModifierCell):
    """The base cell's output plus its input (He et al. 2015; Wu et al. 2016)."""

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        output, states = self.base_cell(inputs, states)
        return _add(output, inputs), states

    def unroll(
        self,
        length: int,
        inputs: Any,
        begin_state: list[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, list[Symbol]]:
        self.reset()
        self.base_cell._modified = False
        try:
            outputs, states = self.base_cell.unroll(length, inputs, begin_state, layout, merge_outputs)
        finally:
            self.base_cell._modified = True
        if merge_outputs is None:
            merge_outputs = isinstance(outputs, Symbol)
        inputs, _ = as_sequence(length, inputs, layout, merge_outputs)
        if merge_outputs:
            return _add(outputs, inputs), states
        return [_add(output, step) for output, step in zip(outputs, inputs, strict=True)], states


def _add(output: Symbol, inputs: Symbol) -> Symbol:
    return symbol.elemwise_add(output, inputs, name=f"{output.name}_plus_residual")
