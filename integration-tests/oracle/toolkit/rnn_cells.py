"""Prints, as JSON, the graphs that symbolic recurrent cells make, and how their weights are packed."""

import json
import warnings

import numpy as np

import mxnet as mx

warnings.simplefilter("ignore")
R = mx.rnn


def flat(symbols):
    """The symbols of nested lists, one after another."""
    return [s for part in symbols for s in (flat(part) if isinstance(part, (list, tuple)) else [part])]


def graph(symbol):
    """Nodes as [operator, name, attributes, inputs]: what a symbol file holds."""
    if isinstance(symbol, (list, tuple)):
        symbol = mx.sym.Group(flat(symbol))
    content = json.loads(symbol.tojson())
    nodes = []
    for node in content["nodes"]:
        attrs = node.get("attrs", {})
        nodes.append([node["op"], node["name"], dict(sorted(attrs.items())), [entry[:2] for entry in node["inputs"]]])
    return [nodes, [head[:2] for head in content["heads"]]]


def stacked():
    stack = R.SequentialRNNCell()
    stack.add(R.LSTMCell(4, prefix="a_"))
    stack.add(R.DropoutCell(0.3))
    stack.add(R.ZoneoutCell(R.GRUCell(4, prefix="b_"), zoneout_outputs=0.2, zoneout_states=0.1))
    stack.add(R.ResidualCell(R.RNNCell(4, prefix="c_")))
    return stack


CONV = {"input_shape": (1, 3, 8, 8), "num_hidden": 4}
CELLS = {
    "rnn": lambda: R.RNNCell(4),
    "rnn relu": lambda: R.RNNCell(4, activation="relu", prefix="mine_"),
    "lstm": lambda: R.LSTMCell(4, forget_bias=2.0),
    "gru": lambda: R.GRUCell(4),
    "stacked": stacked,
    "bidirectional": lambda: R.BidirectionalCell(R.LSTMCell(4, prefix="l_"), R.GRUCell(4, prefix="r_")),
    "zoneout": lambda: R.ZoneoutCell(R.RNNCell(4), zoneout_states=0.5),
    "residual": lambda: R.ResidualCell(R.LSTMCell(4)),
    "dropout": lambda: R.DropoutCell(0.5),
    "fused lstm": lambda: R.FusedRNNCell(4, 2, "lstm", prefix="f_"),
    "fused gru next": lambda: R.FusedRNNCell(4, 1, "gru", get_next_state=True, dropout=0.2),
    "fused rnn both": lambda: R.FusedRNNCell(4, 2, "rnn_tanh", bidirectional=True, prefix="f_"),
    "fused lstm next": lambda: R.FusedRNNCell(4, 1, "lstm", get_next_state=True),
    "unfused": lambda: R.FusedRNNCell(4, 2, "lstm", bidirectional=True, dropout=0.4, prefix="f_").unfuse(),
    "unfused gru": lambda: R.FusedRNNCell(4, 2, "gru", prefix="f_").unfuse(),
    "unfused relu": lambda: R.FusedRNNCell(4, 2, "rnn_relu", dropout=0.1, prefix="f_").unfuse(),
    "conv rnn": lambda: R.ConvRNNCell(**CONV),
    "conv lstm": lambda: R.ConvLSTMCell(**CONV, prefix="cl_", activation="relu"),
    "conv gru": lambda: R.ConvGRUCell(**CONV, h2h_kernel=(5, 5), h2h_dilate=(2, 2)),
}
UNROLLS = {
    "merged": {"merge_outputs": True},
    "unmerged": {"merge_outputs": False},
    "free": {},
    "time first": {"layout": "TNC", "merge_outputs": True},
}
NO_TIME_FIRST = ("conv rnn", "conv lstm", "conv gru")


def tried(call):
    try:
        return call()
    except Exception:  # noqa: BLE001 - a refusal is a result
        return "refused"


def unrolled(make, name, listed, **options):
    with mx.name.NameManager():
        cell = make()
        inputs = [mx.sym.Variable(f"t{i}_data") for i in range(3)] if listed else mx.sym.Variable("data")
        outputs, states = cell.unroll(3, inputs, **options)
        count = len(outputs) if isinstance(outputs, list) else None
        infos = [sorted((k, str(v)) for k, v in info.items()) for info in flat(cell.state_info)]
        shapes = str(cell.state_shape)
        return [count, graph(outputs), graph(states) if states else None, infos, shapes]


def stepped(make):
    with mx.name.NameManager():
        cell = make()
        output, states = cell(mx.sym.Variable("x"), cell.begin_state())
        again, _ = cell(mx.sym.Variable("y"), states)
        cell.reset()
        return graph([output, again])


def sizes(cell):
    return {
        "lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1,
    }[cell._mode]  # fmt: skip


def packed(mode, bidirectional):
    cell = R.FusedRNNCell(3, 2, mode, bidirectional, prefix="p_")
    ways, gates = (2 if bidirectional else 1), sizes(cell)
    count = ways * gates * 3 * ((5 + 3 + 2) + (3 * ways + 3 + 2))
    whole = mx.nd.arange(count)
    parts = cell.unpack_weights({"p_parameters": whole, "other_weight": mx.nd.ones((1,))})
    stack = cell.unfuse()
    folded = stack.pack_weights(dict(parts))
    again = cell.pack_weights(stack.unpack_weights(dict(folded)))
    return {
        "parts": {name: [list(array.shape), float(array.asnumpy().sum())] for name, array in sorted(parts.items())},
        "folded": {name: [list(array.shape), float(array.asnumpy().sum())] for name, array in sorted(folded.items())},
        "again": bool((again["p_parameters"].asnumpy() == np.arange(count)).all()),
    }


def sentences():
    text = [["the", "cat", "sat"], ["the", "dog"], ["a", "cat", "sat", "down"]] * 3
    coded, vocab = R.encode_sentences(text, invalid_label=0, start_label=1)
    known, same = R.encode_sentences([["the", "dog"]], vocab=dict(vocab))
    iterator = R.BucketSentenceIter(coded, 2, buckets=[2, 3, 5], invalid_label=0, data_name="d", label_name="l")
    told = [coded, dict(sorted(vocab.items())), known, len(same)]
    told += [[list(d.shape), d.name, d.layout] for d in (*iterator.provide_data, *iterator.provide_label)]
    told += [iterator.default_bucket_key, iterator.batch_size, iterator.buckets]
    seen = []
    for batch in iterator:
        rows = [row for row in zip(batch.data[0].asnumpy().tolist(), batch.label[0].asnumpy().tolist(), strict=True)]
        seen.append([batch.bucket_key, [list(d.shape) for d in batch.provide_data], len(rows), batch.pad])
        assert all(label[:-1] == row[1:] for row, label in rows)
    return [*told, sorted(seen, key=str)]


def automatic_buckets():
    random = np.random.RandomState(0)
    coded = [list(range(1, 2 + random.randint(1, 6))) for _ in range(60)]
    iterator = R.BucketSentenceIter(coded, 4, layout="TN", dtype="int32")
    return [iterator.buckets, [list(d.shape) for d in iterator.provide_data], len(list(iterator))]


results = {}
for name, make in CELLS.items():
    for way, options in UNROLLS.items():
        if way == "time first" and name in NO_TIME_FIRST:
            continue
        for listed in (False, True):
            key = f"{name}/{way}/{'list' if listed else 'one'}"
            results[key] = tried(lambda: unrolled(make, name, listed, **options))  # noqa: B023
    results[f"{name}/steps"] = tried(lambda: stepped(make))  # noqa: B023
for mode in ("lstm", "gru", "rnn_tanh"):
    for both in (False, True):
        results[f"packed {mode} {both}"] = tried(lambda: packed(mode, both))  # noqa: B023
results["sentences"] = sentences()
results["automatic buckets"] = automatic_buckets()
print(json.dumps(results))
