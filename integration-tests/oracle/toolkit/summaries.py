"""Prints, as JSON, the tables of mx.viz.print_summary: run here and in MXNet 1.9.1."""

import contextlib
import io
import json
import warnings

import mxnet as mx

warnings.simplefilter("ignore")
sym = mx.sym


def lenet():
    data = sym.Variable("data")
    conv = sym.Convolution(data, kernel=(5, 5), num_filter=20, name="conv1", stride=(2, 2))
    norm = sym.BatchNorm(conv, name="bn1", fix_gamma=False)
    pool = sym.Pooling(
        sym.Activation(norm, act_type="tanh", name="act1"), kernel=(2, 2), stride=(2, 2), pool_type="max"
    )
    flat = sym.Flatten(sym.LeakyReLU(pool, act_type="leaky", name="leaky"), name="flat")
    joined = sym.FullyConnected(flat, num_hidden=10, name="fc1") + sym.FullyConnected(flat, num_hidden=10, no_bias=True)
    return sym.SoftmaxOutput(joined, name="softmax")


def odd():
    """Layers that 1.9.1 counts in its own way."""
    data = sym.Variable("data")
    grouped = sym.Convolution(data, kernel=(3, 3), num_filter=8, num_group=2, no_bias=True, name="grouped")
    parts = sym.SliceChannel(grouped, num_outputs=2, name="parts")
    joined = sym.Concat(parts[0], parts[1], parts[0], dim=1, name="joined")
    up = sym.Deconvolution(joined, kernel=(2, 2), num_filter=3, name="up")
    flat = sym.FullyConnected(up, num_hidden=7, name="of_four_axes")
    return sym.BatchNorm(flat, name="norm")


def two_inputs():
    left, right = sym.Variable("left"), sym.Variable("right")
    words = sym.Embedding(left, input_dim=50, output_dim=8, name="embedding")
    return sym.Group([sym.dot(words, right, name="product"), sym.mean(words, axis=1, name="mean")])


def long_names():
    data = sym.Variable("a_very_long_name_of_an_input_variable_that_does_not_fit_into_its_column_at_all")
    return sym.Activation(data, act_type="relu", name="another_long_name_of_an_activation_that_does_not_fit_either_way")


TABLES = {
    "lenet": (lenet, {"shape": {"data": (1, 3, 28, 28)}}),
    "lenet without shapes": (lenet, {}),
    "lenet narrow": (lenet, {"shape": {"data": (2, 3, 28, 28)}, "line_length": 80, "positions": [0.3, 0.6, 0.8, 1.0]}),
    "lenet in characters": (lenet, {"shape": {"data": (2, 3, 28, 28)}, "positions": [30, 60, 80, 120]}),
    "odd": (odd, {"shape": {"data": (1, 4, 8, 8)}}),
    "odd without shapes": (odd, {}),
    "two inputs": (two_inputs, {"shape": {"left": (2, 5), "right": (8, 3)}}),
    "long names": (long_names, {}),
    "not a symbol": (lambda: 3, {}),
}


def table(make, options):
    with mx.name.NameManager():
        symbol = make()
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            mx.viz.print_summary(symbol, **options)
    except Exception:  # noqa: BLE001 - a refusal is a result
        return "refused"
    return printed.getvalue().splitlines()


print(json.dumps({name: table(*row) for name, row in TABLES.items()}))
