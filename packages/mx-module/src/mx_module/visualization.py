"""``mx.viz``: a network as a table, ``print_summary``, and as a picture, ``plot_network``.

>>> from mx_core import symbol as sym
>>> net = sym.FullyConnected(sym.Variable("data"), num_hidden=10, name="fc")
>>> print_summary(net, shape={"data": (1, 4)}, line_length=72, positions=[0.4, 0.6, 0.75, 1.0])
... # doctest: +NORMALIZE_WHITESPACE
________________________________________________________________________
Layer (type)                Output Shape  Param #    Previous Layer
========================================================================
data(null)                  4             0
________________________________________________________________________
fc(FullyConnected)          10            50         data
========================================================================
Total params: 50
________________________________________________________________________
>>> plot_network(net).source.splitlines()[0]
'digraph plot {'
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Sequence
from typing import Any

from mx_core.symbol import Symbol

from ._drawing import Drawing

__all__ = ["Symbol", "plot_network", "print_summary"]


class _Graph:
    """A symbol's nodes as its file has them, with shapes and types of every output where they are asked for."""

    def __init__(self, symbol: Any, shape: dict[str, Any] | None, dtype: dict[str, Any] | None = None) -> None:
        if not isinstance(symbol, Symbol):
            msg = f"symbol must be a Symbol, got {type(symbol).__name__}"
            raise TypeError(msg)
        content = json.loads(symbol.tojson())
        self.nodes: list[dict[str, Any]] = content["nodes"]
        self.heads: list[list[int]] = content["heads"]
        internals = symbol.get_internals()
        names = internals.list_outputs()
        self.shapes: dict[str, Any] | None = None
        self.types: dict[str, Any] | None = None
        if shape is not None:
            self.shapes = dict(zip(names, internals.infer_shape(**shape)[1] or (), strict=False))
        if dtype is not None:
            self.types = dict(zip(names, internals.infer_type(**dtype)[1] or (), strict=False))

    def known(self, table: dict[str, Any] | None, number: int, output: int = 0) -> Any:
        """The entry of one output, by the names that outputs have; None where there is none."""
        node = self.nodes[number]
        name = node["name"] if node["op"] == "null" else f"{node['name']}_output"
        return (table or {}).get(name, (table or {}).get(f"{name}{output}"))


def _extents(shape: Any) -> str:
    return "x".join(str(extent) for extent in shape)


# -- the table -----------------------------------------------------------------------------------------------------------


def print_summary(
    symbol: Any,
    shape: dict[str, Any] | None = None,
    line_length: int = 120,
    positions: Sequence[float] = (0.44, 0.64, 0.74, 1.0),
) -> None:
    """Prints a line for each layer: name and operator, output shape without the batch, parameters, layers before it.

    shape: shapes of the inputs, {"data": (1, 3, 224, 224)}; without it there are no output shapes and parameters are
    counted as far as they are known.  line_length: characters of a line.  positions: where columns end, as parts of
    the line or in characters. Parameters are counted as MXNet counts them: of Convolution, FullyConnected, BatchNorm
    and Embedding, the inputs of a FullyConnected by their first axis.
    """
    graph = _Graph(symbol, shape)
    ends = [int(line_length * part) if positions[-1] <= 1 else int(part) for part in positions]

    def line(fields: Sequence[Any]) -> None:
        text = ""
        for field, end in zip(fields, ends, strict=True):
            text = f"{text}{field}"[:end].ljust(end)
        print(text)

    print("_" * line_length)
    line(["Layer (type)", "Output Shape", "Param #", "Previous Layer"])
    print("=" * line_length)
    shown = {graph.heads[0][0], 0}  # as MXNet: the first variable counts as an input, others do not
    rows = [n for n, node in enumerate(graph.nodes) if n == 0 or node["op"] != "null"]
    total = 0
    for row, number in enumerate(rows):
        node = graph.nodes[number]
        before = [n for n, *_ in node["inputs"] if graph.nodes[n]["op"] != "null" or n in shown]
        count = _parameters(graph, number, before)
        total += count
        out = graph.known({k: v for k, v in (graph.shapes or {}).items() if not k[-1:].isdigit()}, number)
        names = [graph.nodes[n]["name"] for n in before]
        line([f"{node['name']}({node['op']})", _extents(out[1:]) if out else "", count, names[0] if names else ""])
        for name in names[1:]:
            line(["", "", "", name])
        print(("=" if row == len(rows) - 1 else "_") * line_length)
    print(f"Total params: {total}")
    print("_" * line_length)


def _parameters(graph: _Graph, number: int, before: list[int]) -> int:
    """How many parameters a layer has, as MXNet counts."""
    node = graph.nodes[number]
    attrs = node.get("attrs", {})
    inputs = [graph.known(graph.shapes, n, 0) for n in before]
    channels = sum(int(shape[1]) for shape in inputs if shape and len(shape) > 1)
    has_bias = attrs.get("no_bias", "False") not in ("True", "true", "1")
    if node["op"] == "Convolution":
        filters = int(attrs["num_filter"])
        count = channels * filters // int(attrs.get("num_group", "1"))
        for extent in attrs["kernel"].strip("()[] ").split(","):
            count *= int(extent) if extent.strip() else 1
        return count + filters * has_bias
    if node["op"] == "FullyConnected":
        hidden = int(attrs["num_hidden"])
        return channels * hidden + hidden * has_bias
    if node["op"] == "BatchNorm":
        out = graph.known(graph.shapes, number)
        return 2 * int(out[1]) if out and len(out) > 1 else 0
    if node["op"] == "Embedding":
        return int(attrs["input_dim"]) * int(attrs["output_dim"])
    return 0


# -- the picture ---------------------------------------------------------------------------------------------------------

_COLORS = {
    "variable": "#8dd3c7", "weighted": "#fb8072", "activation": "#ffffb3", "BatchNorm": "#bebada", "Pooling": "#80b1d3",
    "form": "#fdb462", "Softmax": "#b3de69", "other": "#fccde5",
}  # fmt: skip
_KINDS = {
    "null": "variable", "Convolution": "weighted", "FullyConnected": "weighted", "Activation": "activation",
    "LeakyReLU": "activation", "Concat": "form", "Flatten": "form", "Reshape": "form",
}  # fmt: skip
_WEIGHTS = (
    "_weight", "_bias", "_beta", "_gamma", "_moving_var", "_moving_mean", "_running_var", "_running_mean",
)  # fmt: skip


def plot_network(
    symbol: Any,
    title: str = "plot",
    save_format: str = "pdf",
    shape: dict[str, Any] | None = None,
    dtype: dict[str, Any] | None = None,
    node_attrs: dict[str, str] | None = None,
    hide_weights: bool = True,
) -> Any:
    """The network as a picture: a graphviz.Digraph, or a Drawing like it where graphviz is not installed.

    title: the file's name.  save_format: "pdf", "png", "svg", ...; a Drawing is always svg.  shape, dtype: of the
    inputs, {"data": (1, 3, 28, 28)}; edges then carry the shape without the batch, or the type.  node_attrs: graphviz
    attributes of all nodes.  hide_weights: leave out the edges to weights, biases and running averages.
    Raises TypeError for something that is no Symbol.
    """
    graph = _Graph(symbol, shape, dtype)
    names = [node["name"] for node in graph.nodes]
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        warnings.warn(
            f"[plot_network] nodes of one name are drawn as one: {', '.join(twice)}", UserWarning, stacklevel=2
        )
    dot = _canvas(title, save_format)
    style = {"shape": "box", "fixedsize": "true", "width": "1.3", "height": "0.8034", "style": "filled"}
    style.update(node_attrs or {})
    hidden = set()
    for node in graph.nodes:
        name, op = node["name"], node["op"]
        if op == "null" and name.endswith(_WEIGHTS):
            if hide_weights:
                hidden.add(name)
            continue
        own = {**style, "shape": "oval"} if op == "null" else style
        dot.node(
            name=name, label=_label(node), fillcolor=_COLORS[_KINDS.get(op, op if op in _COLORS else "other")], **own
        )
    for node in graph.nodes:
        for entry in node["inputs"]:
            other = graph.nodes[entry[0]]["name"]
            if other not in hidden:
                label = _edge_label(graph, entry[0], entry[1])
                dot.edge(tail_name=node["name"], head_name=other, dir="back", arrowtail="open", label=label)
    return dot


def _canvas(title: str, save_format: str) -> Any:
    """graphviz's Digraph where it and the program dot are installed, else a Drawing."""
    if shutil.which("dot"):
        try:
            from graphviz import Digraph
        except ImportError:
            return Drawing(name=title, format=save_format)
        return Digraph(name=title, format=save_format)
    return Drawing(name=title, format=save_format)


def _label(node: dict[str, Any]) -> str:
    op, attrs = node["op"], node.get("attrs", {})

    def extents(key: str) -> str:
        numbers = attrs.get(key, "").strip("()[] ").replace(" ", "").strip(",")
        return numbers.replace(",", "x") or "1"

    if op == "Convolution":
        return f"Convolution\n{extents('kernel')}/{extents('stride')}, {attrs['num_filter']}"
    if op == "FullyConnected":
        return f"FullyConnected\n{attrs['num_hidden']}"
    if op in ("Activation", "LeakyReLU"):
        return f"{op}\n{attrs.get('act_type', 'leaky')}"
    if op == "Pooling":
        return f"Pooling\n{attrs.get('pool_type', 'max')}, {extents('kernel')}/{extents('stride')}"
    if op == "Custom":
        return str(attrs.get("op_type", node["name"]))
    return str(node["name"])


def _edge_label(graph: _Graph, number: int, output: int) -> str:
    shape, kind = graph.known(graph.shapes, number, output), graph.known(graph.types, number, output)
    text = _extents(shape[1:]) if shape else ""
    named = getattr(kind, "__name__", str(kind)) if kind is not None else ""
    return f"{text}({named})" if shape and named else text or named
