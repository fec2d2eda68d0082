"""mx.viz: the table of a network and its picture. The table is compared with 1.9.1's line by line in oracle/."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

import mxnet as mx
from mx_module._drawing import Drawing

SVG = "{http://www.w3.org/2000/svg}"


def network():
    data = mx.sym.Variable("data")
    conv = mx.sym.Convolution(data, kernel=(5, 5), stride=(2, 2), num_filter=20, name="conv")
    act = mx.sym.Activation(mx.sym.BatchNorm(conv, name="norm"), act_type="tanh", name="act")
    pool = mx.sym.Pooling(act, kernel=(2, 2), stride=(2, 2), pool_type="max", name="pool")
    fc = mx.sym.FullyConnected(mx.sym.Flatten(pool, name="flat"), num_hidden=10, name="fc")
    return mx.sym.SoftmaxOutput(fc, name="softmax")


def test_a_summary_counts_parameters_and_names_shapes(capsys):
    mx.viz.print_summary(network(), shape={"data": (1, 3, 28, 28)})
    lines = capsys.readouterr().out.splitlines()
    assert {len(line) for line in lines if not line.startswith("Total")} == {120}
    rows = {line[:52].strip(): line[52:].split() for line in lines if "(" in line}
    assert rows["conv(Convolution)"] == ["20x12x12", "1520", "data"]
    assert rows["norm(BatchNorm)"] == ["20x12x12", "40", "conv"]
    assert rows["fc(FullyConnected)"] == ["10", "7210", "flat"]
    assert "Total params: 8770" in lines


def test_a_picture_has_nodes_edges_and_shapes():
    dot = mx.viz.plot_network(
        network(), title="lenet", shape={"data": (1, 3, 28, 28)}, node_attrs={"fixedsize": "false"}
    )
    lines = dot.source.splitlines()
    assert lines[0] == "digraph lenet {"
    assert 'fillcolor="#fb8072" fixedsize=false height=0.8034 shape=box style=filled width=1.3]' in dot.source
    assert '\tconv -> data [label="3x28x28" arrowtail=open dir=back]' in lines
    assert "\tfc -> flat [label=720 arrowtail=open dir=back]" in lines
    assert "conv_weight" not in dot.source
    assert "conv -> conv_weight" in mx.viz.plot_network(network(), hide_weights=False).source
    typed = mx.viz.plot_network(network(), shape={"data": (1, 3, 28, 28)}, dtype={"data": "float32"})
    assert 'label="3x28x28(float32)"' in typed.source


def test_an_svg_is_drawn_without_graphviz(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    dot = mx.viz.plot_network(network(), title="net<1>", save_format="svg")
    assert isinstance(dot, Drawing)
    path = dot.render(directory=str(tmp_path / "new"))
    assert path.endswith("net<1>.gv.svg")
    tree = ET.parse(path).getroot()
    assert len(tree.findall(f"{SVG}rect")) == 7
    assert len(tree.findall(f"{SVG}ellipse")) == 2
    texts = ["".join(text.itertext()) for text in tree.iter(f"{SVG}text")]
    assert "Convolution5x5/2x2, 20" in texts
    centers = {text.find(f"{SVG}tspan").get("y") for text in tree.iter(f"{SVG}text")}
    assert len(centers) > 5  # one above the other
    assert dot.pipe() == dot._repr_svg_().encode()
    assert (tmp_path / "new" / "net<1>.gv").exists()
    dot.format = "pdf"
    with pytest.warns(UserWarning, match="pdf needs graphviz"):
        assert dot.render("other", str(tmp_path), cleanup=True) == str(tmp_path / "other.svg")
    assert not (tmp_path / "other").exists()


def test_a_deep_network_and_a_circle_are_drawn():
    deep = Drawing("deep")
    for number in range(3000):
        deep.edge(f"n{number + 1}", f"n{number}")
    assert deep._repr_svg_().count("<rect") == 3001
    circle = Drawing("circle")
    circle.edge("a", "b")
    circle.edge("b", "a")
    assert circle._repr_svg_().count("<rect") == 2


def test_what_is_no_symbol_is_refused_and_equal_names_warn():
    for function in (mx.viz.print_summary, mx.visualization.plot_network):
        with pytest.raises(TypeError, match="symbol must be a Symbol, got int"):
            function(3)
    data = mx.sym.Variable("data")
    twice = mx.sym.relu(data, name="same") + mx.sym.tanh(data, name="same")
    with pytest.warns(UserWarning, match="drawn as one: same"):
        mx.viz.plot_network(twice)
