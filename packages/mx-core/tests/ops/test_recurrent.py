"""Rows of RNN and CTCLoss."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mx_core.testing import OpCase, check_op, fixed, normal, op_cases, uniform

GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(mode, a, s, h, c, low, high):
    """(h, c) after a step: a, s are the parts of the gates by the input and by the state."""
    if mode == "lstm":
        i, f, g, o = np.split(a + s, 4, -1)
        c = np.clip(sigmoid(f) * c + sigmoid(i) * np.tanh(g), low, high)
        return sigmoid(o) * np.tanh(c), c
    if mode == "gru":
        (ar, az, an), (sr, sz, sn) = np.split(a, 3, -1), np.split(s, 3, -1)
        r, z = sigmoid(ar + sr), sigmoid(az + sz)
        return (1 - z) * np.tanh(an + r * sn) + z * h, c
    return (np.tanh(a + s) if mode == "rnn_tanh" else np.maximum(a + s, 0)), c


def rnn(
    x, packed, h0, c0=None, lengths=None, state_size=0, num_layers=1, bidirectional=False, mode="", p=0.0,
    state_outputs=False, projection_size=None, lstm_state_clip_min=-np.inf, lstm_state_clip_max=np.inf,
    use_sequence_length=False,
):  # fmt: skip
    directions, rows = 1 + bidirectional, GATES[mode] * state_size
    state = projection_size or state_size
    numbers = iter(packed)

    def take(*shape):
        return np.array(list(itertools.islice(numbers, int(np.prod(shape))))).reshape(shape)

    weights = []
    for layer in range(num_layers):
        for _ in range(directions):
            width = x.shape[2] if layer == 0 else state * directions
            weights.append([take(rows, width), take(rows, state), take(state, state_size) if projection_size else None])
    biases = [(take(rows), take(rows)) for _ in weights]
    steps, n = x.shape[:2]
    lengths = np.full(n, steps) if lengths is None else lengths
    last_h, last_c = [], []
    for layer in range(num_layers):
        outputs = []
        for direction in range(directions):
            k = layer * directions + direction
            (w, r, projection), (b, d) = weights[k], biases[k]
            h, c = h0[k], None if c0 is None else c0[k]
            y = np.zeros((steps, n, state))
            for t in reversed(range(steps)) if direction else range(steps):
                new, cells = step(mode, x[t] @ w.T + b, h @ r.T + d, h, c, lstm_state_clip_min, lstm_state_clip_max)
                if projection is not None:
                    new = new @ projection.T
                on = (t < lengths)[:, None]
                h = np.where(on, new, h)
                c = None if c is None else np.where(on, cells, c)
                y[t] = np.where(on, new, 0)
            outputs.append(y)
            last_h.append(h)
            last_c.append(c)
        x = np.concatenate(outputs, -1)
    if not state_outputs:
        return x
    return [x, np.stack(last_h), *([np.stack(last_c)] if mode == "lstm" else [])]


def parameter_count(mode, inputs, size, layers, directions, projection):
    state = projection or size
    rows = GATES[mode] * size
    per_direction = sum(
        rows * ((inputs if layer == 0 else state * directions) + state + 2) + (projection or 0) * size
        for layer in range(layers)
    )
    return directions * per_direction


def case(mode, layers=1, bidirectional=False, projection=None, lengths=None, t=4, n=3, **params):
    directions, size, inputs = 1 + bidirectional, 5, 3
    count = parameter_count(mode, inputs, size, layers, directions, projection)
    arrays = [
        normal((t, n, inputs)),
        uniform(-0.5, 0.5, (count,)),
        normal((layers * directions, n, projection or size)),
    ]
    arrays.append(normal((layers * directions, n, size)) if mode == "lstm" else None)
    if lengths:
        arrays.append(fixed(lengths, "int32"))
        params["use_sequence_length"] = True
    if projection:
        params["projection_size"] = projection
    params = {
        "mode": mode,
        "state_size": size,
        "num_layers": layers,
        "bidirectional": bidirectional,
        "state_outputs": True,
        **params,
    }
    tag = "-".join(
        [mode, f"{layers}x{directions}", *(["projected"] if projection else []), *(["lengths"] if lengths else [])]
    )
    return OpCase("RNN", rnn, [tuple(arrays)], [params], tol={"float16": 1e-2}, id=f"RNN-{tag}-{t}-{n}")  # fmt: skip


def ctc(x, label, *lengths, use_data_lengths=False, use_label_lengths=False, blank_label="first"):
    """Sums over all alignments, one by one."""
    given = iter(lengths)
    steps = next(given) if use_data_lengths else np.full(x.shape[1], x.shape[0])
    sizes = next(given) if use_label_lengths else None
    k = x.shape[2]
    blank, padding = (0, 0) if blank_label == "first" else (k - 1, -1)
    losses = []
    for row in range(x.shape[1]):
        wanted = [int(v) for v in label[row]]
        if sizes is not None:
            wanted = wanted[: int(sizes[row])]
        elif padding in wanted:
            wanted = wanted[: wanted.index(padding)]
        t = int(steps[row])
        p = np.exp(x[:t, row] - x[:t, row].max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        total = 0.0
        for path in itertools.product(range(k), repeat=t):
            merged = [c for c, _ in itertools.groupby(path) if c != blank]
            if merged == wanted:
                total += np.prod([p[i, c] for i, c in enumerate(path)])
        losses.append(-np.log(total) if total else 0.0)
    return np.array(losses)


LABELS = fixed([[1, 2, 0], [2, 2, 0]], "float32")
ONE = {"mode": "rnn_tanh", "state_size": 2, "num_layers": 1}
SMALL = (normal((3, 1, 2)), normal((12,)), normal((1, 1, 2)))
CASES = [
    *(case(mode, layers, bool(two)) for mode in GATES for layers, two in ((1, 0), (2, 1))),
    case("lstm", 2, projection=2),
    case("lstm", 1, True, projection=3, lengths=[4, 2, 0]),
    case("lstm", 1, True, lengths=[1, 4, 2]),
    case("gru", 2, True, lengths=[3, 4, 0]),
    case("rnn_relu", 1, lengths=[3, 9, -5]),
    case("lstm", lstm_state_clip_min=-0.2, lstm_state_clip_max=0.3, t=3),
    case("gru", t=1, n=1),
    case("lstm", n=0),
    OpCase("RNN", rnn, [SMALL], [ONE], id="RNN-errors", errors=[
        ((SMALL[0], normal((11,)), SMALL[2]), ONE, "parameters must have shape (number of all weights and biases,) = (12,), got (11,)"),
        ((SMALL[0], SMALL[1], normal((2, 1, 2))), ONE, "state must have shape (layers * directions, n, state size) = (1, 1, 2), got (2, 1, 2)"),
        ((normal((3, 2)), SMALL[1], SMALL[2]), ONE, "data must have 3 dimensions"),
        (SMALL, {**ONE, "mode": "lstm"}, "mode 'lstm' takes an input state_cell"),
        (SMALL, {**ONE, "use_sequence_length": True}, "takes an input sequence_length"),
        (SMALL, {**ONE, "projection_size": 1}, "projection_size is the LSTM's only"),
        (SMALL, {**ONE, "state_size": 0}, "state_size must be > 0"),
        (SMALL, {**ONE, "num_layers": 2**31}, "parameters must have shape"),
        (SMALL, {**ONE, "p": 1.5}, "p must be in [0, 1]"),
    ]),
    OpCase("CTCLoss", ctc, [(normal((4, 2, 3)), LABELS)], [{}], id="CTCLoss-first", errors=[
        ((normal((2, 1, 3)), fixed([[1, 2, 1]])), {}, "label has 3 columns, more than the 2 steps"),
        ((normal((2, 1, 3)), fixed([1])), {}, "label must be (n, l) with n = 1"),
        ((normal((2, 3)), fixed([[1]])), {}, "data must be (t, n, k)"),
        ((normal((2, 1, 3)), fixed([[1]])), {"use_label_lengths": True}, "takes an input label_lengths"),
    ], tol={"float16": 1e-2}),
    OpCase("CTCLoss", ctc, [(normal((4, 2, 3)), fixed([[1, 0, -1], [1, 1, -1]], "int32"))], [{"blank_label": "last"}], id="CTCLoss-last"),
    OpCase("CTCLoss", ctc, [(normal((4, 2, 4)), fixed([[1, 2, 0], [3, 3, 1]], "int32"), fixed([2, 4], "int32"), fixed([2, 3], "int32"))],
           [{"use_data_lengths": True, "use_label_lengths": True}], id="CTCLoss-lengths"),
    OpCase("CTCLoss", ctc, [(normal((3, 2, 3)), fixed([[0, 0], [0, 0]], "int32"))], id="CTCLoss-no-labels"),
    OpCase("CTCLoss", ctc, [(normal((2, 1, 3)), fixed([[1, 1]], "int32"))], id="CTCLoss-too-short"),
    OpCase("CTCLoss", ctc, [(normal((3, 0, 3)), fixed(np.zeros((0, 2)), "int32"))], id="CTCLoss-empty"),
]  # fmt: skip


@op_cases(CASES)
def test_operator(case, ctx):
    check_op(case, ctx)


def test_dropout_lies_between_layers_and_in_training_only():
    import mxnet as mx

    count = parameter_count("rnn_relu", 3, 4, 2, 1, None)
    x, w, h = mx.nd.ones((2, 1, 3)), mx.nd.ones((count,)), mx.nd.zeros((2, 1, 4))
    options = {"mode": "rnn_relu", "state_size": 4, "num_layers": 2, "p": 1.0}
    whole = mx.nd.RNN(x, w, h, **options).asnumpy()
    with mx.autograd.record():
        dropped = mx.nd.RNN(x, w, h, **options).asnumpy()
    assert whole.min() > dropped.max() > 0


def test_one_output_unless_states_are_wanted():
    import mxnet as mx

    y = mx.nd.RNN(
        mx.nd.ones((2, 1, 3)), mx.nd.ones((42,)), mx.nd.zeros((1, 1, 2)), mode="gru", state_size=2, num_layers=1
    )
    assert y.shape == (2, 1, 2)


def test_parameters_follow_from_data():
    from mx_core.op import get_op, infer_types

    params = {"mode": "lstm", "state_size": 5, "num_layers": 2, "bidirectional": True}
    inputs, outputs = infer_types(get_op("RNN"), params, [(0, (7, 2, 3)), None, None, None, "absent"])
    assert inputs[1][1] == (parameter_count("lstm", 3, 5, 2, 2, None),)
    assert inputs[2][1] == inputs[3][1] == (4, 2, 5)
    assert outputs[0] == (0, (7, 2, 10))


@pytest.mark.parametrize("bad", [float("nan"), 1e30, -1e30, 99.0])
def test_labels_and_lengths_of_any_value_are_survived(bad):
    import mxnet as mx

    x = mx.nd.ones((3, 2, 4))
    label, lengths = mx.nd.array([[bad, 1], [2, bad]]), mx.nd.array([bad, 2])
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.CTCLoss(x, label, lengths, lengths, use_data_lengths=True, use_label_lengths=True)
    y.backward()
    assert y.shape == (2,)
    assert x.grad.asnumpy().shape == (3, 2, 4)
