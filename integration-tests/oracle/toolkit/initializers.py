"""Prints, as JSON, what every initializer does with names, attributes and texts, and what its numbers are like."""

import json
import os
import tempfile
import warnings

import numpy as np

import mxnet as mx

warnings.simplefilter("ignore")


def kind(array):
    """A constant array by its values, a random one by its statistics in rough steps."""
    values = array.asnumpy().astype("float64").ravel()
    if len(np.unique(values)) <= 8:
        return ["values", np.unique(values).round(6).tolist(), float(values.sum().round(4))]
    return ["random", float(values.mean()), float(values.std())]


def fill(initializer, name="a_weight", shape=(200, 300), **desc):
    array = mx.nd.zeros(shape)
    initializer(mx.init.InitDesc(name, **desc) if desc else name, array)
    return kind(array)


def tried(call):
    try:
        return call()
    except Exception:  # noqa: BLE001 - a refusal is a result
        return "refused"


INIT = mx.init
STATISTICS = {
    "uniform": lambda: fill(INIT.Uniform(0.3)),
    "uniform default": lambda: fill(INIT.Uniform()),
    "normal": lambda: fill(INIT.Normal(0.5)),
    "orthogonal": lambda: fill(INIT.Orthogonal()),
    "orthogonal normal": lambda: fill(INIT.Orthogonal(scale=2.0, rand_type="normal")),
    "orthogonal 4d": lambda: fill(INIT.Orthogonal(), shape=(20, 30, 3, 3)),
    **{
        f"xavier {rnd} {factor}": lambda rnd=rnd, factor=factor: fill(
            INIT.Xavier(rnd, factor, 2.5), shape=(40, 30, 3, 5)
        )
        for rnd in ("uniform", "gaussian")
        for factor in ("avg", "in", "out")
    },
    "msra": lambda: fill(INIT.MSRAPrelu()),
    "msra in": lambda: fill(INIT.MSRAPrelu("in", 0.1)),
    "bilinear": lambda: fill(INIT.Bilinear(), shape=(2, 1, 4, 4)),
    "bilinear odd": lambda: fill(INIT.Bilinear(), shape=(2, 1, 5, 5)),
    "lstmbias": lambda: fill(INIT.LSTMBias(2.0), shape=(16,)),
    "constant": lambda: fill(INIT.Constant(3.5), shape=(4, 2)),
    "constant list": lambda: fill(INIT.Constant([1.0, 2.0]), shape=(2,)),
    "zero": lambda: fill(INIT.Zero(), shape=(3,)),
    "one": lambda: fill(INIT.One(), shape=(3,)),
}
NAMES = [
    "fc_weight", "fc_bias", "bn_gamma", "bn_beta", "bn_moving_mean", "bn_moving_var", "stn_loc_weight", "upsampling_bias",
    "bn_moving_inv_var", "bn_moving_avg", "x_min", "x_max", "upsampling_weight", "weight_quantized", "state", "stn_loc_x",
]  # fmt: skip
ATTRIBUTES = {
    "own constant": lambda: fill(INIT.Uniform(), "fc_bias", (4,), attrs={"__init__": INIT.Constant(7.0).dumps()}),
    "own by name": lambda: fill(INIT.Uniform(), "fc_anything", (4,), attrs={"__init__": "ones"}),
    "own lstm": lambda: fill(INIT.Uniform(), "i2h_bias", (8,), attrs={"__init__": INIT.LSTMBias(3.0).dumps()}),
    "no own": lambda: fill(INIT.One(), "fc_weight", (4,), attrs={"__lr_mult__": "2"}),
    "mixed": lambda: [
        fill(INIT.Mixed([".*bias", ".*"], [INIT.Zero(), INIT.Constant(2.0)]), name, (3,))
        for name in ("a_bias", "a_weight")
    ],
    "mixed, none": lambda: fill(INIT.Mixed(["bias"], [INIT.Zero()]), "a_weight", (3,)),
    "mixed lengths": lambda: INIT.Mixed(["a", "b"], [INIT.Zero()]),
    "vector xavier": lambda: fill(INIT.Xavier(), "a_weight", (3,)),
    "unknown name": lambda: fill(INIT.Uniform(), "anything", (3,)),
    "no such": lambda: INIT.create("no_such"),
    "xavier word": lambda: fill(INIT.Xavier(factor_type="most")),
    "xavier random": lambda: fill(INIT.Xavier(rnd_type="most")),
}
DUMPS = {
    name: (lambda make=make: json.loads(make().dumps()))
    for name, make in {
        "zero": INIT.Zero, "one": INIT.One, "uniform": lambda: INIT.Uniform(0.2), "normal": INIT.Normal,
        "constant": lambda: INIT.Constant(2.0), "xavier": lambda: INIT.Xavier(magnitude=2), "msra": INIT.MSRAPrelu,
        "orthogonal": INIT.Orthogonal, "bilinear": INIT.Bilinear, "lstmbias": INIT.LSTMBias,
        "fused": lambda: INIT.FusedRNN(INIT.Xavier(), 8, 1, "lstm"),
        "fused none": lambda: INIT.FusedRNN(None, 8, 1, "gru", True, 2.0),
    }.items()
}  # fmt: skip
CREATED = {
    "name": lambda: type(INIT.create("xavier")).__name__,
    "zeros": lambda: type(INIT.create("zeros")).__name__,
    "ones": lambda: type(INIT.create("ones")).__name__,
    "arguments": lambda: INIT.create("uniform", scale=0.5).scale,
    "json": lambda: INIT.create('["normal", {"sigma": 0.25}]').sigma,
    "json dict": lambda: INIT.create('{"initializer": "normal", "sigma": 0.5}').sigma,
    "same": lambda: INIT.create(INIT.Uniform(0.4)).scale,
    "equal": lambda: [
        INIT.Uniform(0.1) == INIT.Uniform(0.1),
        INIT.Uniform(0.1) == INIT.Uniform(0.2),
        INIT.Zero() == INIT.One(),
    ],
}


def fused(mode, bidirectional=False, layers=2):
    cell = INIT.FusedRNN(None, 3, layers, mode, bidirectional, forget_bias=2.0)  # 1.9.1 cannot read one with init
    gates = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}[mode]
    ways = 2 if bidirectional else 1
    inputs, hidden = 5, 3
    size = sum(
        ways * gates * hidden * ((inputs if layer == 0 else ways * hidden) + hidden + 2) for layer in range(layers)
    )
    array = mx.nd.zeros((size,))
    cell(INIT.InitDesc("rnn_parameters", attrs={"__init__": cell.dumps()}, global_init=INIT.Constant(0.5)), array)
    return array.asnumpy().tolist()


def loaded():
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "saved.params")
    mx.nd.save(path, {"arg:a_weight": mx.nd.ones((2,)) * 4, "aux:m": mx.nd.ones((2,)) * 5})
    load = INIT.Load(path, default_init=INIT.One())
    told = [fill(load, name, (2,)) for name in ("a_weight", "m", "other_weight")]
    return [*told, tried(lambda: fill(load, "a_weight", (3,))), tried(lambda: fill(INIT.Load({}), "b_weight", (2,)))]


mx.random.seed(1)
np.random.seed(1)
print(json.dumps({
    **{f"statistics {name}": tried(call) for name, call in STATISTICS.items()},
    **{f"name {name}": tried(lambda name=name: fill(INIT.Constant(0.25), name, (4,))) for name in NAMES},
    **{f"attributes {name}": tried(call) for name, call in ATTRIBUTES.items()},
    **{f"dumps {name}": tried(call) for name, call in DUMPS.items()},
    **{f"created {name}": tried(call) for name, call in CREATED.items()},
    **{
        f"fused {mode} {both}": tried(lambda mode=mode, both=both: fused(mode, both))
        for mode in ("lstm", "gru", "rnn_relu")
        for both in (False, True)
    },
    "load": tried(loaded),
}))  # fmt: skip
