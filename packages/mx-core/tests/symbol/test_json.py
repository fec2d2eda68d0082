"""Symbol files: written as 1.9.1 writes them, those of all versions read, damaged ones refused."""

from __future__ import annotations

import json
import os
import pathlib
import random
import subprocess
import sys

import pytest

import mxnet as mx
from mx_core.errors import MXNetError, OpNotAvailable, RecordFileError

DATA = pathlib.Path(
    os.environ.get("MX_TEST_DATA", pathlib.Path(__file__).resolve().parents[4].parent / "shared" / "data")
)
MODELS = DATA / "mxnet_models"
needs_models = pytest.mark.skipif(not MODELS.is_dir(), reason="set MX_TEST_DATA to the folder with mxnet_models")

# mx.sym.BatchNorm(mx.sym.var("x", shape=(2, 3)), name="bn") + 1, written by 1.9.1.
BYTES = """{
  "nodes": [
    {
      "op": "null", 
      "name": "x", 
      "attrs": {"__shape__": "(2, 3)"}, 
      "inputs": []
    }, 
    {
      "op": "null", 
      "name": "bn_gamma", 
      "inputs": []
    }, 
    {
      "op": "null", 
      "name": "bn_beta", 
      "inputs": []
    }, 
    {
      "op": "null", 
      "name": "bn_moving_mean", 
      "attrs": {"__init__": "[\\"zero\\", {}]"}, 
      "inputs": []
    }, 
    {
      "op": "null", 
      "name": "bn_moving_var", 
      "attrs": {"__init__": "[\\"one\\", {}]"}, 
      "inputs": []
    }, 
    {
      "op": "BatchNorm", 
      "name": "bn", 
      "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 1], [4, 0, 1]]
    }, 
    {
      "op": "_plus_scalar", 
      "name": "_plusscalar0", 
      "attrs": {"scalar": "1"}, 
      "inputs": [[5, 0, 0]]
    }
  ], 
  "arg_nodes": [0, 1, 2, 3, 4], 
  "node_row_ptr": [0, 1, 2, 3, 4, 5, 8, 9], 
  "heads": [[6, 0, 0]], 
  "attrs": {"mxnet_version": ["int", 10901]}
}"""


@pytest.fixture(autouse=True)
def fresh_names():
    with mx.name.NameManager():
        yield


def test_bytes():
    assert (mx.sym.BatchNorm(mx.sym.var("x", shape=(2, 3)), name="bn") + 1).tojson() == BYTES
    assert mx.sym.load_json(BYTES).tojson() == BYTES


def graph(nodes, heads=((-1, 0),), **attrs):
    """The text of a file; a node is (op, name, attrs, inputs)."""
    described = [
        {"op": op, "name": name, **({"attrs": given} if given else {}), "inputs": [list(entry) for entry in inputs]}
        for op, name, given, inputs in nodes
    ]
    heads = [[len(nodes) - 1 if n < 0 else n, *rest] for n, *rest in heads]
    return json.dumps({"nodes": described, "arg_nodes": [], "heads": heads, **attrs})


X = ("null", "x", {}, ())


def test_save_and_load(tmp_path):
    net = mx.sym.Group([mx.sym.var("ü") * 2, mx.sym.var("b")])
    path = tmp_path / "net-symbol.json"
    net.save(str(path))
    net.save(path)
    assert path.read_text("utf-8") == net.tojson()
    assert mx.sym.load(str(path)).list_outputs() == net.list_outputs()
    assert list(tmp_path.iterdir()) == [path]
    assert mx.sym.fromjson(net.tojson()).tojson() == net.tojson()
    with pytest.raises(TypeError, match="fname need to be string"):
        mx.sym.load(3)
    with pytest.raises(OSError, match="cannot read .*nowhere.json: No such file"):
        mx.sym.load(str(tmp_path / "nowhere.json"))


def test_casts_of_mixed_precision_are_left_out():
    x = mx.sym.var("x")
    net = mx.sym.FullyConnected(mx.sym.amp_cast(x, dtype="float16"), num_hidden=2, name="fc")
    assert '"amp_cast"' in net.tojson(remove_amp_cast=False)
    assert '"amp_cast"' not in net.tojson()
    pair = mx.sym.amp_multicast(x, mx.sym.relu(x, name="r"), num_outputs=2)
    text = (pair[0] + pair[1]).tojson()
    assert '"amp_multicast"' not in text
    assert mx.sym.load_json(text).list_arguments() == ["x"]


def test_old_layouts():
    node = {"op": "FullyConnected", "name": "fc", "inputs": [[0, 0], [1, 0], [2, 0]], "backward_source_id": -1}
    variables = [{"op": "null", "name": name, "param": {}, "inputs": []} for name in ("x", "fc_weight", "fc_bias")]
    nodes = [*variables, {**node, "param": {"num_hidden": "3", "no_bias": "False"}, "attr": {"weight_lr_mult": "1.5"}}]
    net = mx.sym.load_json(json.dumps({"nodes": nodes, "arg_nodes": [0, 1, 2], "heads": [[3, 0]]}))
    assert net.infer_shape(x=(2, 4))[1] == [(2, 3)]
    assert net.attr_dict()["fc_weight"] == {"__lr_mult__": "1.5", "lr_mult": "1.5"}
    assert net.attr("weight_lr_mult") is None


def test_inputs_that_old_files_leave_out():
    text = graph([X, ("null", "g", {}, ()), ("null", "b", {}, ()), ("BatchNorm", "bn", {}, ((0, 0), (1, 0), (2, 0)))])
    net = mx.sym.load_json(text)
    assert net.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    assert net.attr_dict()["bn_moving_var"] == {"__init__": '["one", {}]'}
    text = graph([X, ("FullyConnected", "fc", {"num_hidden": "2"}, ((0, 0),))], attrs={"mxnet_version": ["int", 10901]})
    with pytest.raises(
        RecordFileError, match=r"node 1 'fc': FullyConnected needs 3 inputs \(data, weight, bias\), got 1"
    ):
        mx.sym.load_json(text)


def test_axis_of_old_argmax():
    text = graph([X, ("argmax", "y", {"axis": "-1"}, ((0, 0),))], attrs={"mxnet_version": ["int", 904]})
    assert mx.sym.load_json(text).attr("axis") is None
    text = graph([X, ("argmax", "y", {"axis": "-1"}, ((0, 0),))], attrs={"mxnet_version": ["int", 1000]})
    assert mx.sym.load_json(text).attr("axis") == "-1"


def test_operators_that_are_not_installed_are_kept():
    nodes = [X, ("_nobody_has_this", "q", {"low": "3", "__mood__": "calm"}, ((0, 0),)), ("relu", "r", {}, ((1, 2),))]
    net = mx.sym.load_json(graph(nodes, attrs={"mxnet_version": ["int", 10901]}))
    assert net.list_arguments() == ["x"]
    assert net.get_internals().list_outputs() == ["x", "q_output0", "q_output1", "q_output2", "r_output"]
    again = mx.sym.load_json(net.tojson())
    assert again.tojson() == net.tojson()
    assert again.attr_dict()["q"] == {"low": "3", "__mood__": "calm"}
    with pytest.raises(OpNotAvailable, match=r"\[_nobody_has_this q\] no installed package defines this operator"):
        net.infer_shape(x=(2,))
    with pytest.raises(OpNotAvailable, match="_nobody_has_this"):
        net.eval(x=mx.nd.ones((2,)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"), ("[" * 100_000, "not JSON"), ("[]", "must be an object"), ("{}", "a list of nodes"),
        (b"\xff\xfe{}", "not JSON"), ('{"nodes": [], "heads": []}', "at least one output"),
        ('{"nodes": [1], "heads": [[0, 0]]}', "node 0: must be an object, got int"),
        ('{"nodes": [{"op": 1, "name": "x"}], "heads": [[0, 0]]}', "node 0: must have a name and an op"),
        ('{"nodes": [{"op": "null", "name": "x", "inputs": {}}], "heads": [[0, 0]]}', "inputs must be a list"),
        ('{"nodes": [{"op": "null", "name": "x", "attrs": {"a": 1}}], "heads": [[0, 0]]}', "object of strings"),
        (graph([("null", "x", {}, ((0, 0),))]), "refers to node 0, which does not come before"),
        (graph([X, ("relu", "y", {}, ((1, 0),))]), "refers to node 1, which does not come before"),
        (graph([X, ("relu", "y", {}, ((-1, 0),))]), r"must be \[node, output\]"),
        (graph([X, ("relu", "y", {}, ((True, 0),))]), r"must be \[node, output\]"),
        (graph([X, ("relu", "y", {}, ((0, 1),))]), "refers to output 1 of 'x', which has 1"),
        (graph([X, ("relu", "y", {}, ())], attrs={"mxnet_version": ["int", 10901]}), "needs 1 inputs"),
        (graph([X, ("relu", "y", {}, ((0, 0), (0, 0)))]), "needs 1 inputs"),
        (graph([X, ("relu", "y", {"slope": "1"}, ((0, 0),))]), "node 1 'y': .*has no parameter slope"),
        (graph([X, ("Activation", "y", {"act_type": "no"}, ((0, 0),))]), "act_type must be"),
        (graph([X, ("_matmul", "y", {}, ((0, 0), (0, 0)))]), "internal part of operators"),
        (graph([X], heads=((5, 0),)), "heads: refers to node 5"),
        (graph([X], attrs={"mxnet_version": "1.9"}), "mxnet_version must be"),
        (graph([X, ("sgd_mom_update", "y", {"lr": "1"}, ((0, 0), (0, 0), (2, 0)))]), "does not come before"),
        (graph([X, ("relu", "r", {}, ((0, 0),)), ("sgd_mom_update", "y", {"lr": "1"}, ((0, 0), (0, 0), (1, 0)))]),
         "is overwritten and must be a variable"),
        (graph([X, ("SliceChannel", "y", {"num_outputs": "2000000000"}, ((0, 0),))]), "at most 65536 outputs"),
        (graph([X, ("_foreach", "y", {}, ((0, 0),))]), "num_outputs is required"),
        (graph([X, ("Custom", "y", {"op_type": "nobody_registered"}, ((0, 0),))]), "nobody_registered"),
    ],
)  # fmt: skip
def test_refusals(text, message):
    with pytest.raises(RecordFileError, match=message):
        mx.sym.load_json(text)


def test_subgraphs_do_not_nest_forever():
    inner = {"nodes": [{"op": "null", "name": "x", "inputs": []}], "heads": [[0, 0]]}
    for _ in range(60):
        inner = {"nodes": [{"op": "_nobody", "name": "n", "inputs": [], "subgraphs": [inner]}], "heads": [[0, 0]]}
    with pytest.raises(RecordFileError, match="nested more than"):
        mx.sym.load_json(json.dumps(inner))


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "broken-symbol.json"
    path.write_text(BYTES[:300])
    with pytest.raises(RecordFileError, match="broken-symbol.json: not JSON .* fetch or save it again"):
        mx.sym.load(str(path))


# -- files that others wrote ------------------------------------------------------------------------------------------


@needs_models
@pytest.mark.parametrize("name", ["module", "exported"])
def test_files_of_1_9_1_come_out_as_they_went_in(name):
    text = (MODELS / f"made_by_1.9.1/{name}-symbol.json").read_text()
    assert mx.sym.load_json(text).tojson() == text


@needs_models
def test_graphs_of_every_version():
    expected = json.loads((MODELS / "expected.json").read_text())
    count = 0
    for name, facts in expected.items():
        if "internals" not in facts:
            continue
        net = mx.sym.load(str(MODELS / name))
        names = {"arguments": net.list_arguments(), "aux": net.list_auxiliary_states(), "outputs": net.list_outputs()}
        names["internals"] = net.get_internals().list_outputs()
        for key, found in names.items():
            if key in facts:
                assert (found if isinstance(facts[key], list) else len(found)) == facts[key], (name, key)
        count += 1
    assert count == 5


# -- hostile files ----------------------------------------------------------------------------------------------------


def mutated(rng, tree):
    """A copy of parsed JSON with one thing in it changed."""
    tree = json.loads(json.dumps(tree))
    spots = []

    def walk(value):
        if isinstance(value, (dict, list)):
            for key in value if isinstance(value, dict) else range(len(value)):
                spots.append((value, key))
                walk(value[key])

    walk(tree)
    parent, key = rng.choice(spots)
    values = [
        None,
        -1,
        0,
        1,
        2**31,
        2**70,
        1e308,
        True,
        "",
        "0",
        "(",
        "null",
        "(1, 2)",
        "__import__('os')",
        [],
        {},
        [[0, 0]],
    ]
    action = rng.random()
    if action < 0.2:
        del parent[key]
    elif action < 0.3 and isinstance(parent, dict):
        parent[rng.choice(["op", "name", "attrs", "inputs", "subgraphs", "num_args"])] = parent.pop(key)
    elif action < 0.4 and isinstance(parent, list):
        parent.insert(key, parent[rng.randrange(len(parent))])
    elif isinstance(parent[key], int):
        parent[key] = rng.choice([parent[key] + rng.choice([-1, 1, 5]), rng.choice(values)])
    else:
        parent[key] = rng.choice(values)
    return tree


def hostile_sources():
    out, state = mx.sym.contrib.foreach(lambda row, s: (row + s, s), mx.sym.var("x"), mx.sym.var("s"))
    loop, variables = mx.sym.contrib.while_loop(
        lambda i: i < 3, lambda i: (i, i + 1), mx.sym.var("i"), max_iterations=5
    )
    net = mx.sym.Convolution(mx.sym.var("data", shape=(1, 2, 8, 8)), kernel=(3, 3), num_filter=4, name="conv")
    net = mx.sym.BatchNorm(net, name="bn")
    net = mx.sym.split(mx.sym.Pooling(net, kernel=(2, 2)), num_outputs=2)
    net = mx.sym.RNN(net[0].reshape((3, 2, 3)), state_size=2, num_layers=1, mode="lstm", name="rnn") + net[1].sum()
    return [
        json.loads(symbol.tojson()) for symbol in (net, mx.sym.Group([out, state]), mx.sym.Group([loop, variables]))
    ]


def test_a_thousand_mutated_files():
    rng = random.Random(20260)
    sources = hostile_sources()
    read = 0
    for number in range(1000):
        tree = rng.choice(sources)
        for _ in range(rng.choice([1, 1, 2, 4])):
            tree = mutated(rng, tree)
        text = json.dumps(tree)
        try:
            net = mx.sym.load_json(text)
            net.list_arguments(), net.list_auxiliary_states(), net.get_internals().list_outputs()
            mx.sym.load_json(net.tojson()), net.debug_str(), net.attr_dict()
            read += 1
        except MXNetError as error:
            assert str(error).strip(), number
            continue
        try:
            net.infer_shape_partial()
        except MXNetError as error:
            assert str(error).strip(), number
    assert 50 < read < 900, read


def test_cut_and_garbled_text():
    rng = random.Random(7)
    text = hostile_sources()[0]
    text = json.dumps(text)
    for _ in range(200):
        data = bytearray(text.encode())
        for _ in range(rng.choice([1, 3, 30])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        data = bytes(data[: rng.choice([len(data), rng.randrange(len(data))])])
        try:
            mx.sym.load_json(data)
        except MXNetError as error:
            assert str(error).strip()


def test_a_save_that_is_killed_loses_nothing(tmp_path):
    path = tmp_path / "net-symbol.json"
    old = mx.sym.var("old").tojson()
    path.write_text(old)
    program = (
        "import sys, mxnet as mx\n"
        "net = mx.sym.var('x')\n"
        "for _ in range(200): net = net + 1\n"
        "print('ready', flush=True)\n"
        "while True: net.save(sys.argv[1])\n"
    )
    for delay in (0.0, 0.002, 0.005, 0.011, 0.017):
        process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
        process.stdout.close()
        assert mx.sym.load(str(path)).list_arguments() in (["old"], ["x"])
