"""Recurrent layers and CTC: edges that only a kernel call reaches."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_call import call, check, stored

SEED = 23
GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}


def recurrent(mode, t, n, h, dtype="float32", lengths=None, inplace=None):
    rng = np.random.default_rng(SEED)
    g = GATES[mode]
    gates, state, weight = (stored(rng.normal(0, 0.5, shape), dtype) for shape in ((t, n, g * h), (n, h), (g * h, h)))
    inputs = [(gates, dtype), (state, dtype)]
    if mode == "lstm":
        inputs.append((stored(rng.normal(size=(n, h)), dtype), dtype))
    inputs.append((weight, dtype))
    if mode == "gru":
        inputs.append((stored(np.zeros(g * h), dtype), dtype))
    if lengths is not None:
        inputs.append((np.array(lengths, "int32"), "int32"))
    outputs = [(dtype, (t, n, h)), (dtype, (n, h))]
    if mode == "lstm":
        outputs.append((dtype, (n, h)))
    outputs.append((dtype, (t, n, g * h)))
    if mode in ("lstm", "gru"):
        outputs.append((dtype, (t, n, h)))
    params = {"mode": mode, "reverse": False, "projected": False, "has_lengths": lengths is not None}
    params |= {"clip_min": -np.inf, "clip_max": np.inf}
    return inputs, call("_recurrent", inputs, outputs, inplace=inplace, **params)


@pytest.mark.parametrize("mode", GATES)
@pytest.mark.parametrize(("t", "n", "h"), [(0, 2, 3), (3, 0, 3), (3, 2, 1), (2, 3, 37)])
def test_last_state_is_the_last_of_all(mode, t, n, h):
    inputs, outputs = recurrent(mode, t, n, h)
    states, last = outputs[:2]
    np.testing.assert_array_equal(last, states[-1] if t else inputs[1][0])


@pytest.mark.parametrize("mode", GATES)
def test_gates_may_lie_where_the_inputs_were(mode):
    where = 3 if mode == "lstm" else 2
    for apart, together in zip(
        recurrent(mode, 4, 3, 9)[1], recurrent(mode, 4, 3, 9, inplace={where: 0})[1], strict=True
    ):
        np.testing.assert_array_equal(apart, together)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_element_types(dtype):
    wide = recurrent("rnn_tanh", 3, 2, 5)[1][0]
    narrow = recurrent("rnn_tanh", 3, 2, 5, dtype)[1][0]
    check(narrow, dtype, wide.astype("float64"), factor=4 if dtype != "float64" else 1e6)


@pytest.mark.parametrize("mode", ["lstm", "gru", "rnn_tanh"])
def test_any_number_of_steps_of_no_rows_takes_no_time(mode):
    _, outputs = recurrent(mode, 1 << 40, 0, 3)
    assert all(output.size == 0 for output in outputs)



def test_lengths_of_any_value():
    states = recurrent("gru", 3, 3, 4, lengths=[-(2**31), 2**31 - 1, 2])[1][0]
    np.testing.assert_array_equal(states[2, 2], states[1, 2])


@pytest.mark.parametrize("label", [-(2**31), 2**31 - 1, 4, -7])
def test_labels_that_are_no_class_are_impossible(label):
    data = np.zeros((3, 1, 4), "float32")
    inputs = [(data, "float32"), (np.array([[label, 1]], "int32"), "int32")]
    params = {"blank_first": True, "has_data_lengths": False, "has_label_lengths": False}
    (loss,) = call("_ctc_loss", inputs, [("float32", (1,))], **params)
    (gradient,) = call(
        "_ctc_loss_backward", [(np.ones(1, "float32"), "float32"), *inputs], [("float32", (3, 1, 4))], **params
    )
    assert loss[0] == np.inf
    np.testing.assert_array_equal(gradient, 0)
