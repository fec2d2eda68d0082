"""RNN: whole recurrent networks (plain, LSTM, GRU) over sequences.

Each layer and direction is one product for the inputs of all time steps and one kernel that walks through time.
"""

from __future__ import annotations

import math

from ..op import Enum, NonNegative, Positive, Range, Shape, Tensor, op
from .linear import check_types

_Mode = Enum("gru", "lstm", "rnn_relu", "rnn_tanh")
_GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}

# Note [recurrent outputs]
# _recurrent returns (states, last state, [lstm: last cells], gates, [lstm: cells | gru: the state's part of the new gate]).
# All but the states and the last ones serve the gradient only. A sequence that is over keeps its state, so that the last
# state is the one after its last element in both directions.


def _count_states(mode):
    return 3 if mode == "lstm" else 2


def _count_outputs(params):
    return {"lstm": 5, "gru": 4}.get(params["mode"], 3)


@op(num_outputs=_count_outputs)
def _recurrent(
    F,
    gates: Tensor,
    state: Tensor,
    cells: Tensor | None,
    weight: Tensor,
    bias: Tensor | None = None,
    projection: Tensor | None = None,
    lengths: Tensor | None = None,
    *,
    mode: _Mode,
    reverse: bool,
    projected: bool,
    has_lengths: bool,
    clip_min: float,
    clip_max: float,
) -> list[Tensor]:
    """One recurrent layer in one direction, from the inputs' part of its gates (t, n, gates): Note [recurrent outputs]."""


@_recurrent.infer
def _(t, gates, state, cells, weight, bias, projection, lengths, *, mode):
    steps, n, width = gates.shape
    h = width // _GATES[mode]
    dtype = t.same_dtype(gates, state, cells, weight, bias, projection)
    states = t.out((steps, n, weight.shape[1]), dtype)
    last, units = t.out(state.shape, dtype), t.out((steps, n, h), dtype)
    saved = t.out(gates.shape, dtype)
    if mode == "lstm":
        return states, last, t.out(cells.shape, dtype), saved, units
    return (states, last, saved, units) if mode == "gru" else (states, last, saved)


@_recurrent.grad(allow_none=True)
def _(F, dy, y, gates, state, cells, weight, bias, projection, lengths, *, mode, **params):
    count = _count_states(mode)
    heads = [F.zeros(out.shape, out.dtype) if d is None else d for d, out in zip(dy[:count], y[:count], strict=True)]
    heads += [None] * (3 - count)
    extra = y[-1] if mode in ("lstm", "gru") else None
    found = F._recurrent_backward(
        *heads, y[0], state, cells, weight, y[count], extra, projection, lengths, mode=mode, **params
    )
    found = list(found)
    dgates, dstate = found[:2]
    del found[:2]
    dcells = found.pop(0) if mode == "lstm" else None
    dweight = found.pop(0)
    dbias = found.pop(0) if mode == "gru" else None
    dprojection = found.pop(0) if projection is not None else None
    return dgates, dstate, dcells, dweight, dbias, dprojection, None


@op(num_outputs=lambda params: 3 + (params["mode"] in ("lstm", "gru")) + params["projected"])
def _recurrent_backward(
    F,
    dstates: Tensor,
    dlast: Tensor,
    dlast_cells: Tensor | None,
    states: Tensor,
    state: Tensor,
    cells: Tensor | None,
    weight: Tensor,
    gates: Tensor,
    extra: Tensor | None,
    projection: Tensor | None = None,
    lengths: Tensor | None = None,
    *,
    mode: _Mode,
    reverse: bool,
    projected: bool,
    has_lengths: bool,
    clip_min: float,
    clip_max: float,
) -> list[Tensor]:
    """The gradients of _recurrent by its inputs, in their order."""


@_recurrent_backward.infer
def _(t, dstates, dlast, dlast_cells, states, state, cells, weight, gates, extra, projection, lengths, *, mode):
    found = [t.like(gates), t.like(state)]
    if mode == "lstm":
        found.append(t.like(cells))
    found.append(t.like(weight))
    if mode == "gru":
        found.append(t.out(weight.shape[:1], weight.dtype))
    if projection is not None:
        found.append(t.like(projection))
    return tuple(found)


# -- packed parameters -------------------------------------------------------------------------------------------------


@op(num_outputs=lambda params: len(params["sizes"]))
def _unpacked(F, data: Tensor, *, sizes: Shape) -> list[Tensor]:
    """A vector cut into parts of these sizes."""
    parts, begin = [], 0
    for size in sizes:
        parts.append(F._slice(data, begin=(begin,), step=(1,), shape=(size,)))
        begin += size
    return parts


@_unpacked.grad
def _(F, dy, y, data, *, sizes):
    return (F._concat(list(dy), axis=0) if len(sizes) > 1 else dy,)


def _part_shapes(mode, inputs, state_size, num_layers, bidirectional, projection_size):
    """Shapes of the packed parameters in cuDNN's order: all weights by layer and direction, then all biases."""
    directions = 2 if bidirectional else 1
    rows = _GATES[mode] * state_size
    state = projection_size or state_size
    weights = []
    for layer in range(num_layers):
        width = inputs if layer == 0 else state * directions
        projection = [(projection_size, state_size)] if projection_size else []
        weights += [(rows, width), (rows, state), *projection] * directions
    return weights + [(rows,)] * (2 * directions * num_layers)


@op(
    mode_dependent=True,
    num_outputs=lambda params: _count_states(params["mode"]) if params["state_outputs"] else 1,
)
def RNN(
    F,
    data: Tensor,
    parameters: Tensor,
    state: Tensor,
    state_cell: Tensor | None = None,
    sequence_length: Tensor | None = None,
    *,
    state_size: Positive[int],
    num_layers: Positive[int],
    bidirectional: bool = False,
    mode: _Mode,
    p: Range[float, 0, 1] = 0.0,
    state_outputs: bool = False,
    projection_size: NonNegative[int] | None = None,
    lstm_state_clip_min: float | None = None,
    lstm_state_clip_max: float | None = None,
    lstm_state_clip_nan: bool = False,
    use_sequence_length: bool = False,
) -> list[Tensor]:
    """A recurrent network over a batch of sequences, ``num_layers`` deep, in one or both directions.

    rnn_relu, rnn_tanh: ``h' = f(W x + b + R h + d)``.  lstm: gates i f g o, ``c' = f c + i g``, ``h' = o tanh(c')``.
    gru: gates r z n, ``n = tanh(W x + b + r (R h + d))``, ``h' = (1 - z) n + z h``.

    data: (t, n, c).  parameters: all weights by layer and direction (W, then R, then the projection), after them all
    biases (b, then d), in one vector, as cuDNN packs them.  state: (layers * directions, n, state_size), or of
    projection_size; state_cell: the LSTM's cells, (layers * directions, n, state_size).
    sequence_length: (n,), with use_sequence_length: steps from there on are skipped, their outputs are 0.
    p: dropout between layers, in training.  projection_size: the LSTM's state is projected to this size (Sak et al.).
    lstm_state_clip_min, lstm_state_clip_max: bounds of the cells; MXNet 1.x has them on GPUs only.
    lstm_state_clip_nan: accepted; NaN passes on.
    Returns (t, n, state * directions), and with state_outputs the last states and, of an LSTM, the last cells.
    """
    check_types(
        RNN, data, parameters, state, state_cell, sequence_length, state_size=state_size, num_layers=num_layers,
        bidirectional=bidirectional, mode=mode, state_outputs=state_outputs, projection_size=projection_size,
        use_sequence_length=use_sequence_length,
    )  # fmt: skip
    steps, n, _ = data.shape
    directions = 2 if bidirectional else 1
    shapes = _part_shapes(mode, data.shape[2], state_size, num_layers, bidirectional, projection_size)
    parts = F._unpacked(parameters, sizes=tuple(map(math.prod, shapes)))
    parts = [F._view(part, shape=shape) for part, shape in zip(parts, shapes, strict=True)]
    biases = parts[-2 * directions * num_layers :]
    each = 3 if projection_size else 2
    states = _rows(F, state)
    cells = _rows(F, state_cell) if mode == "lstm" else [None] * len(states)
    lengths = F._cast(sequence_length, dtype="int32") if use_sequence_length else None
    options = {
        "mode": mode, "projected": bool(projection_size), "has_lengths": use_sequence_length,
        "clip_min": -math.inf if lstm_state_clip_min is None else lstm_state_clip_min,
        "clip_max": math.inf if lstm_state_clip_max is None else lstm_state_clip_max,
    }  # fmt: skip
    last, last_cells = [], []
    for layer in range(num_layers):
        if layer and p > 0.0 and F.is_train:
            data = F.Dropout(data, p=p)
        found = []
        for direction in range(directions):
            k = layer * directions + direction
            weight, recurrent, *projection = parts[k * each : (k + 1) * each]
            bias, state_bias = biases[2 * k : 2 * k + 2]
            gru = mode == "gru"
            gates = F._matmul(
                F._view(data, shape=(steps * n, data.shape[2])), weight, bias if gru else bias + state_bias,
                transpose_b=True,
            )  # fmt: skip
            outputs = F._recurrent(
                F._view(gates, shape=(steps, n, recurrent.shape[0])), states[k], cells[k], recurrent,
                state_bias if gru else None, projection[0] if projection else None, lengths, reverse=direction == 1,
                **options,
            )  # fmt: skip
            found.append(outputs[0])
            last.append(outputs[1])
            last_cells.append(outputs[2])
        data = found[0] if directions == 1 else F._concat(found, axis=2)
        if use_sequence_length:
            data = F._select(_running(F, lengths, steps, n), data, 0.0)
    if not state_outputs:
        return [data]
    return [data, _stacked(F, last), *([_stacked(F, last_cells)] if mode == "lstm" else [])]


def _rows(F, states):
    """The (n, size) states of each layer and direction."""
    count, n, size = states.shape
    parts = F._unpacked(F._view(states, shape=(states.size,)), sizes=(n * size,) * count)
    return [F._view(part, shape=(n, size)) for part in (parts if count > 1 else [parts])]


def _stacked(F, states):
    n, size = states[0].shape
    rows = [F._view(state, shape=(1, n, size)) for state in states]
    return rows[0] if len(rows) == 1 else F._concat(rows, axis=0)


def _running(F, lengths, steps, n):
    """(t, n, 1): whether sequence n has an element at time t."""
    times = F._view(F._range(start=0.0, step=1.0, repeat=1, count=steps, dtype="int32"), shape=(steps, 1))
    return F._view(F.broadcast_lesser(times, F._view(lengths, shape=(1, n))), shape=(steps, n, 1))


@RNN.infer
def _(
    t, data, parameters, state, state_cell, sequence_length, *, state_size, num_layers, bidirectional, mode,
    state_outputs, projection_size, use_sequence_length,
):  # fmt: skip
    if projection_size and mode != "lstm":
        t.fail(f"projection_size is the LSTM's only, mode is '{mode}'. Leave it out")
    if (state_cell is not None) != (mode == "lstm"):
        t.fail(f"mode '{mode}' takes {'an input' if mode == 'lstm' else 'no input'} state_cell")
    if (sequence_length is not None) != use_sequence_length:
        t.fail(
            f"use_sequence_length={use_sequence_length} takes {'an' if use_sequence_length else 'no'} input sequence_length"
        )
    t.float_type(data)
    dtype = t.same_dtype(data, parameters, state, state_cell)
    directions = 2 if bidirectional else 1
    size = projection_size or state_size
    t.ndim(data, 3)
    steps, n, inputs = (-1, -1, -1) if data.shape is None else data.shape
    if inputs >= 0:
        rows = _GATES[mode] * state_size
        deeper = (num_layers - 1) * (size * directions + size + 2)
        count = directions * (rows * (inputs + size + 2 + deeper) + num_layers * (projection_size or 0) * state_size)
        t.unify_shape(parameters, (t.product((count,)),), "(number of all weights and biases,)")
    t.unify_shape(state, (num_layers * directions, n, size), "(layers * directions, n, state size)")
    if state_cell is not None:
        t.unify_shape(state_cell, (num_layers * directions, n, state_size), "(layers * directions, n, state_size)")
    if sequence_length is not None:
        t.unify_shape(sequence_length, (n,), "(n,)")
    found = [t.out((steps, n, size * directions), dtype)]
    if state_outputs:
        found.append(t.like(state))
        if mode == "lstm":
            found.append(t.like(state_cell))
    return tuple(found)
