"""mx.rnn: what cells are called, what they compute, weights gate by gate, sentences in buckets, checkpoints."""

from __future__ import annotations

import random

import numpy as np
import pytest

import mxnet as mx


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def bound(symbol, seed=0, **shapes):
    """An executor with every argument drawn from [-1, 1), and the draws by name."""
    executor = symbol.simple_bind(mx.cpu(), **shapes)
    rng = np.random.RandomState(seed)
    values = {name: rng.uniform(-1, 1, array.shape).astype("f") for name, array in sorted(executor.arg_dict.items())}
    for name, value in values.items():
        executor.arg_dict[name][:] = value
    return executor, values


def lstm(x, h, c, w, prefix):
    gates = x @ w[prefix + "i2h_weight"].T + w[prefix + "i2h_bias"] + h @ w[prefix + "h2h_weight"].T + w[prefix + "h2h_bias"]
    enter, keep, new, leave = np.split(gates, 4, axis=1)
    c = sigmoid(keep) * c + sigmoid(enter) * np.tanh(new)
    return sigmoid(leave) * np.tanh(c), c


def gru(x, h, w, prefix):
    i2h = np.split(x @ w[prefix + "i2h_weight"].T + w[prefix + "i2h_bias"], 3, axis=1)
    h2h = np.split(h @ w[prefix + "h2h_weight"].T + w[prefix + "h2h_bias"], 3, axis=1)
    reset, update = sigmoid(i2h[0] + h2h[0]), sigmoid(i2h[1] + h2h[1])
    return (1 - update) * np.tanh(i2h[2] + reset * h2h[2]) + update * h


def test_lstm_names_and_values():
    cell = mx.rnn.LSTMCell(3, prefix="a_")
    outputs, states = cell.unroll(2, mx.sym.Variable("x"), merge_outputs=True)
    assert outputs.list_arguments() == ["x", "a_i2h_weight", "a_i2h_bias", "a_h2h_weight", "a_h2h_bias"]
    assert mx.sym.Group(states).list_outputs() == ["a_t1_out_output", "a_t1_state_output"]
    assert cell.state_shape == [(0, 3), (0, 3)]
    executor, w = bound(outputs, x=(4, 2, 5))
    h = c = np.zeros((4, 3))
    expected = []
    for t in range(2):
        h, c = lstm(w["x"][:, t], h, c, w, "a_")
        expected.append(h)
    np.testing.assert_allclose(executor.forward()[0].asnumpy(), np.stack(expected, 1), rtol=1e-5, atol=1e-6)


def test_gru_step_by_step_with_states_of_its_own():
    cell = mx.rnn.GRUCell(3)
    output, states = cell(mx.sym.Variable("x"), [mx.sym.Variable("h")])
    assert output.name == "gru_t0_out"
    executor, w = bound(mx.sym.Group([output, *states]), x=(2, 5), h=(2, 3))
    for value in executor.forward():
        np.testing.assert_allclose(value.asnumpy(), gru(w["x"], w["h"], w, "gru_"), rtol=1e-5, atol=1e-6)


def test_cells_in_a_row_and_both_ways():
    stack = mx.rnn.SequentialRNNCell()
    stack.add(mx.rnn.BidirectionalCell(mx.rnn.RNNCell(3, prefix="l_"), mx.rnn.RNNCell(3, activation="relu", prefix="r_")))
    stack.add(mx.rnn.DropoutCell(0.5))
    stack.add(mx.rnn.ResidualCell(mx.rnn.LSTMCell(6, prefix="top_")))
    outputs, _ = stack.unroll(2, mx.sym.Variable("x"), layout="TNC", merge_outputs=True)
    assert outputs.infer_shape(x=(2, 4, 5))[1] == [(2, 4, 6)]
    executor, w = bound(outputs, x=(2, 4, 5))

    def plain(x, h, prefix):
        return x @ w[prefix + "i2h_weight"].T + w[prefix + "i2h_bias"] + h @ w[prefix + "h2h_weight"].T + w[prefix + "h2h_bias"]

    zero = np.zeros((4, 3))
    ahead = [np.tanh(plain(w["x"][0], zero, "l_"))]
    ahead.append(np.tanh(plain(w["x"][1], ahead[0], "l_")))
    back = [np.maximum(plain(w["x"][1], zero, "r_"), 0)]
    back.insert(0, np.maximum(plain(w["x"][0], back[0], "r_"), 0))
    h = c = np.zeros((4, 6))
    expected = []
    for step in (np.concatenate(pair, 1) for pair in zip(ahead, back, strict=True)):
        h, c = lstm(step, h, c, w, "top_")
        expected.append(h + step)
    np.testing.assert_allclose(executor.forward()[0].asnumpy(), np.stack(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["rnn_relu", "rnn_tanh", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_fused_and_unfused_cells_agree(mode, bidirectional):
    fused = mx.rnn.FusedRNNCell(3, num_layers=2, mode=mode, bidirectional=bidirectional, prefix="f_", get_next_state=True)
    outputs, states = fused.unroll(4, mx.sym.Variable("x"), layout="TNC", merge_outputs=True)
    executor, w = bound(mx.sym.Group([outputs, *states]), x=(4, 2, 5))
    joined = {"f_parameters": mx.nd.array(w["f_parameters"]), "other": mx.nd.ones((1,))}
    parts = fused.unpack_weights(joined)
    again = fused.pack_weights(parts)
    assert set(again) == {"f_parameters", "other"}
    assert (again["f_parameters"].asnumpy() == w["f_parameters"]).all()

    stack = fused.unfuse()
    stepped, _ = stack.unroll(4, mx.sym.Variable("x"), layout="TNC", merge_outputs=True)
    other = stepped.simple_bind(mx.cpu(), x=(4, 2, 5))
    other.copy_params_from(stack.pack_weights(parts), allow_extra_params=True)
    other.arg_dict["x"][:] = w["x"]
    results = executor.forward()
    np.testing.assert_allclose(other.forward()[0].asnumpy(), results[0].asnumpy(), rtol=1e-4, atol=1e-5)
    assert [r.shape for r in results[1:]] == [(4 if bidirectional else 2, 2, 3)] * (2 if mode == "lstm" else 1)


def test_unfusing_keeps_dropout_between_layers():
    stack = mx.rnn.FusedRNNCell(3, num_layers=3, dropout=0.3, prefix="f_").unfuse()
    kinds = [type(cell).__name__ for cell in stack._cells]
    assert kinds == ["LSTMCell", "DropoutCell", "LSTMCell", "DropoutCell", "LSTMCell"]


def test_zoneout_keeps_old_values_in_training_only():
    cell = mx.rnn.ZoneoutCell(mx.rnn.RNNCell(50, prefix="z_"), zoneout_outputs=0.5, zoneout_states=0.5)
    outputs, _ = cell.unroll(1, mx.sym.Variable("x"), merge_outputs=True)
    executor, _ = bound(outputs, x=(20, 1, 5))
    assert (executor.forward(is_train=False)[0].asnumpy() != 0).all()
    share = (executor.forward(is_train=True)[0].asnumpy() == 0).mean()
    assert 0.4 < share < 0.6
    with pytest.raises(AssertionError, match="unfuse first"):
        mx.rnn.ZoneoutCell(mx.rnn.FusedRNNCell(3))
    with pytest.raises(AssertionError, match="cells underneath"):
        mx.rnn.ZoneoutCell(mx.rnn.BidirectionalCell(mx.rnn.RNNCell(3), mx.rnn.RNNCell(3)))


@pytest.mark.parametrize(("kind", "states"), [("ConvRNNCell", 1), ("ConvLSTMCell", 2), ("ConvGRUCell", 1)])
def test_convolutional_cells(kind, states):
    cell = getattr(mx.rnn, kind)((1, 2, 6, 5), 3, h2h_kernel=(3, 1), i2h_kernel=(2, 2), i2h_pad=(0, 0), prefix="k_")
    assert cell.state_shape == [(0, 3, 5, 4)] * states
    outputs, _ = cell.unroll(2, mx.sym.Variable("x"), merge_outputs=False)
    executor, w = bound(mx.sym.Group(list(outputs)), x=(2, 2, 2, 6, 5))
    first = executor.forward()[0].asnumpy()
    assert first.shape == (2, 3, 5, 4)
    if kind == "ConvRNNCell":
        window = np.lib.stride_tricks.sliding_window_view(w["x"][:, 0], (2, 2), axis=(2, 3))
        i2h = np.einsum("nchwij,ocij->nohw", window, w["k_i2h_weight"])
        biases = (w["k_i2h_bias"] + w["k_h2h_bias"])[:, None, None]
        expected = i2h + biases
        np.testing.assert_allclose(first, np.where(expected > 0, expected, 0.2 * expected), rtol=1e-4, atol=1e-5)
    with pytest.raises(AssertionError, match="odd sizes"):
        getattr(mx.rnn, kind)((1, 2, 6, 5), 3, h2h_kernel=(2, 2))


def test_weights_gate_by_gate():
    cell = mx.rnn.LSTMCell(2, prefix="a_")
    cell.unroll(1, mx.sym.Variable("x"))
    shapes = {"a_i2h_weight": (8, 3), "a_i2h_bias": (8,), "a_h2h_weight": (8, 2), "a_h2h_bias": (8,)}
    args = {name: mx.nd.array(np.random.RandomState(1).rand(*shape)) for name, shape in shapes.items()}
    parts = cell.unpack_weights(args)
    assert sorted(parts)[:4] == ["a_h2h_c_bias", "a_h2h_c_weight", "a_h2h_f_bias", "a_h2h_f_weight"]
    assert (parts["a_i2h_f_weight"].asnumpy() == args["a_i2h_weight"].asnumpy()[2:4]).all()
    packed = cell.pack_weights(parts)
    assert set(packed) == set(args)
    assert all((packed[name].asnumpy() == args[name].asnumpy()).all() for name in args)


def test_wrong_uses_say_what_to_do():
    with pytest.raises(NotImplementedError, match="Please use unroll"):
        mx.rnn.FusedRNNCell(3)(mx.sym.Variable("x"), [])
    with pytest.raises(AssertionError, match="length is 3, and inputs has 2 steps"):
        mx.rnn.RNNCell(3).unroll(3, [mx.sym.Variable("a"), mx.sym.Variable("b")])
    inner = mx.rnn.RNNCell(3)
    mx.rnn.ResidualCell(inner)
    with pytest.raises(AssertionError, match="call begin_state of the modifier"):
        inner.begin_state()
    with pytest.raises(ValueError, match="mode must be one of rnn_relu"):
        mx.rnn.FusedRNNCell(3, mode="rnn")


def test_rnn_unroll_is_deprecated_and_works():
    with pytest.warns(DeprecationWarning, match=r"cell\.unroll"):
        outputs, _ = mx.rnn.rnn.rnn_unroll(mx.rnn.RNNCell(3), 2, input_prefix="in_")
    assert outputs[0].list_arguments()[:1] == ["in_t0_data"]


# -- sentences ---------------------------------------------------------------------------------------------------------


def test_sentences_become_numbers():
    encoded, vocab = mx.rnn.encode_sentences([["a", "b"], ["b", "c"]], invalid_label=1, start_label=0)
    assert encoded == [[0, 2], [2, 3]]
    assert vocab == {"\n": 1, "a": 0, "b": 2, "c": 3}
    assert mx.rnn.encode_sentences([["a", "z"]], vocab, unknown_token="c")[0] == [[0, 3]]
    with pytest.raises(AssertionError, match="Unknown token z"):
        mx.rnn.encode_sentences([["z"]], vocab)


@pytest.mark.parametrize("layout", ["NT", "TN"])
def test_buckets(layout, capsys):
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - what the iterator draws from
    sentences = [[k] * length for length in (2, 3, 5) for k in range(1, 5)] + [[9] * 8]
    it = mx.rnn.BucketSentenceIter(sentences, 2, buckets=[3, 5], invalid_label=0, layout=layout)
    assert capsys.readouterr().out == "WARNING: discarded 1 sentences longer than the largest bucket.\n"
    assert it.default_bucket_key == 5
    shape = (2, 5) if layout == "NT" else (5, 2)
    assert it.provide_data[0][:2] == ("data", shape)
    for _ in range(2):
        it.reset()
        keys = []
        for batch in it:
            keys.append(batch.bucket_key)
            data, label = batch.data[0].asnumpy(), batch.label[0].asnumpy()
            assert batch.provide_label[0].shape == data.shape
            if layout == "TN":
                data, label = data.T, label.T
            assert data.shape == (2, batch.bucket_key)
            assert (label[:, :-1] == data[:, 1:]).all()
            assert (label[:, -1] == 0).all()
        assert sorted(keys) == [3, 3, 3, 3, 5, 5]


def test_lengths_that_fill_a_batch_are_the_default_buckets():
    it = mx.rnn.BucketSentenceIter([[1, 2]] * 3 + [[1, 2, 3]] * 2 + [[1]], 3)
    assert it.buckets == [2]
    with pytest.raises(ValueError, match="no length has 9 sentences"):
        mx.rnn.BucketSentenceIter([[1, 2]] * 3, 9)


def test_a_bucketing_lstm_learns_and_its_checkpoint_is_shared_by_fused_and_stepped_cells(tmp_path):
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - what the iterator draws from
    mx.random.seed(1)
    sentences = [[(first + k) % 7 + 1 for k in range(length)] for first in range(7) for length in (4, 6) for _ in range(4)]
    train = mx.rnn.BucketSentenceIter(sentences, 8, buckets=[4, 6], invalid_label=0)
    cell = mx.rnn.LSTMCell(16, prefix="lstm_l0_")

    def network(length):
        embedded = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=8, output_dim=8, name="embed")
        cell.reset()
        outputs, _ = cell.unroll(length, embedded, merge_outputs=True)
        scores = mx.sym.FullyConnected(mx.sym.Reshape(outputs, shape=(-1, 16)), num_hidden=8, name="scores")
        label = mx.sym.Reshape(mx.sym.Variable("softmax_label"), shape=(-1,))
        return mx.sym.SoftmaxOutput(scores, label, use_ignore=True, ignore_label=0, name="softmax"), ["data"], ["softmax_label"]

    model = mx.mod.BucketingModule(network, default_bucket_key=train.default_bucket_key)
    prefix = str(tmp_path / "lm")
    model.fit(
        train,
        num_epoch=12,
        eval_metric=mx.metric.Perplexity(0),
        optimizer="adam",
        optimizer_params={"learning_rate": 0.02},
        initializer=mx.init.Xavier(),
        epoch_end_callback=mx.rnn.do_rnn_checkpoint(cell, prefix, period=12),
    )
    assert model.score(train, mx.metric.Perplexity(0))[0][1] < 1.5
    fused = mx.rnn.FusedRNNCell(16, mode="lstm", prefix="lstm_")
    _, arg_params, _ = mx.rnn.load_rnn_checkpoint(fused, prefix, 12)
    assert arg_params["lstm_parameters"].shape == ((8 + 16 + 2) * 16 * 4,)
    _, stepped, _ = mx.rnn.load_rnn_checkpoint([cell], prefix, 12)
    trained = model.get_params()[0]
    assert all((stepped[name].asnumpy() == trained[name].asnumpy()).all() for name in trained)
