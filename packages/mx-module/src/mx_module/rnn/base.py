"""What every recurrent cell shares: shared weights, states, unrolling, and weights gate by gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mx_core import ndarray, symbol
from mx_core.symbol import Symbol

__all__ = ["BaseRNNCell", "RNNParams", "activate", "as_sequence", "step_error"]

State = dict[str, Any]


class RNNParams:
    """The weights that cells share: variables, made when first asked for by name.

    prefix: goes before the names.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._params: dict[str, Symbol] = {}

    def get(self, name: str, **kwargs: Any) -> Symbol:
        """The variable called ``prefix + name``; kwargs are mx.sym.Variable's, for the first time it is asked for."""
        name = self._prefix + name
        if name not in self._params:
            self._params[name] = symbol.Variable(name, **kwargs)
        return self._params[name]


class BaseRNNCell:
    """One step of a recurrent network: ``output, states = cell(inputs, states)``, on symbols.

    prefix: goes before the names of its nodes and weights. params: RNNParams to share with other cells.
    """

    def __init__(self, prefix: str = "", params: RNNParams | None = None) -> None:
        self._own_params = params is None
        self._prefix = prefix
        self._params = RNNParams(prefix) if params is None else params
        self._modified = False
        self._cells: list[BaseRNNCell] = []
        self.reset()

    def reset(self) -> None:
        """Starts counting steps from 0 again: to be called before the cell is unrolled by hand another time."""
        self._init_counter = -1
        self._counter = -1
        for cell in self._cells:
            cell.reset()

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        """One step: inputs (n, c) and the states before it give the output (n, num_hidden) and the states after it."""
        raise step_error(self)

    def _next_name(self) -> str:
        self._counter += 1
        return f"{self._prefix}t{self._counter}_"

    @property
    def params(self) -> RNNParams:
        """The weights; asking for them means sharing them."""
        self._own_params = False
        return self._params

    @property
    def state_info(self) -> list[State]:
        """A dict with shape (0 for the batch size) and ``__layout__`` for each state."""
        msg = f"{type(self).__name__} must define state_info: a list with a dict of shape and __layout__ for each state"
        raise TypeError(msg)

    @property
    def state_shape(self) -> list[tuple[int, ...]]:
        """The shapes of the states."""
        return [info["shape"] for info in self.state_info]

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ()

    def begin_state(self, func: Callable[..., Symbol] = symbol.zeros, **kwargs: Any) -> list[Symbol]:
        """The states before the first step. func: makes each, such as mx.sym.zeros or mx.sym.Variable."""
        if self._modified:
            msg = (
                f"after a modifier cell (such as ZoneoutCell) is put around {type(self).__name__}, call begin_state "
                "of the modifier, not of the cell inside"
            )
            raise AssertionError(msg)
        states = []
        for info in self.state_info:
            self._init_counter += 1
            states.append(func(name=f"{self._prefix}begin_state_{self._init_counter}", **{**kwargs, **(info or {})}))
        return states

    def unpack_weights(self, args: dict[str, Any]) -> dict[str, Any]:
        """A copy of args in which each gate's part of the joined weights is an array of its own."""
        args = dict(args)
        hidden = getattr(self, "_num_hidden", 0)
        for group in ("i2h", "h2h") if self._gate_names else ():
            for kind in ("weight", "bias"):
                joined = args.pop(f"{self._prefix}{group}_{kind}")
                for number, gate in enumerate(self._gate_names):
                    part = joined[number * hidden : (number + 1) * hidden]
                    args[f"{self._prefix}{group}{gate}_{kind}"] = part.copy()
        return args

    def pack_weights(self, args: dict[str, Any]) -> dict[str, Any]:
        """The opposite of unpack_weights."""
        args = dict(args)
        for group in ("i2h", "h2h") if self._gate_names else ():
            for kind in ("weight", "bias"):
                parts = [args.pop(f"{self._prefix}{group}{gate}_{kind}") for gate in self._gate_names]
                args[f"{self._prefix}{group}_{kind}"] = ndarray.concatenate(parts)
        return args

    def unroll(
        self,
        length: int,
        inputs: Symbol | list[Symbol],
        begin_state: list[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, list[Symbol]]:
        """length steps. Returns (outputs, states after the last step).

        inputs: one symbol of the layout, or a list with a symbol (n, c) for each step.  begin_state: the states before
        the first step, begin_state() when None.  layout: "NTC" or "TNC".  merge_outputs: outputs as one symbol of the
        layout (True), as a list (False), or as is least work (None).
        """
        self.reset()
        steps, _ = as_sequence(length, inputs, layout, False)
        states = self.begin_state() if begin_state is None else begin_state
        outputs = []
        for step in steps:
            output, states = self(step, states)
            outputs.append(output)
        return as_sequence(length, outputs, layout, merge_outputs)[0], states


def step_error(cell: BaseRNNCell) -> NotImplementedError:
    """The error for a cell that only runs over whole sequences."""
    return NotImplementedError(f"{type(cell).__name__} cannot be stepped. Please use unroll")


def activate(inputs: Symbol, activation: Any, **kwargs: Any) -> Symbol:
    """An activation given by name, or by a function on symbols."""
    if isinstance(activation, str):
        return symbol.Activation(inputs, act_type=activation, **kwargs)
    return activation(inputs, **kwargs)  # type: ignore[no-any-return]


def as_sequence(
    length: int | None, inputs: Any, layout: str, merge: bool | None, in_layout: str | None = None
) -> tuple[Any, int]:
    """(inputs as one symbol or as a list of steps, the axis of time). merge: one symbol (True), a list (False), as given
    (None). in_layout: the layout of inputs where it is another one."""
    if inputs is None:
        msg = (
            "[unroll] inputs is None: give a symbol (such as mx.sym.Variable('data')) or a list with one for each step"
        )
        raise AssertionError(msg)
    axis = layout.find("T")
    in_axis = axis if in_layout is None else in_layout.find("T")
    if isinstance(inputs, Symbol):
        if merge is False:
            if len(inputs.list_outputs()) != 1:
                msg = "[unroll] a symbol with several outputs cannot be unrolled. Convert it to a list first: list(inputs)"
                raise AssertionError(msg)
            inputs = list(symbol.split(inputs, axis=in_axis, num_outputs=length, squeeze_axis=1))
    else:
        if length is not None and len(inputs) != length:
            msg = f"[unroll] length is {length}, and inputs has {len(inputs)} steps"
            raise AssertionError(msg)
        if merge is True:
            inputs = symbol.concat(*[symbol.expand_dims(step, axis=axis) for step in inputs], dim=axis)
            in_axis = axis
    if isinstance(inputs, Symbol) and axis != in_axis:
        inputs = symbol.swapaxes(inputs, dim1=axis, dim2=in_axis)
    return inputs, axis
