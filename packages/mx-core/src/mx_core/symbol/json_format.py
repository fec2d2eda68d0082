"""Symbol files: graphs as JSON, written as MXNet 1.9.1 writes them, character by character.

A graph is an object with ``nodes`` (inputs before users), ``arg_nodes`` (which of them are variables),
``node_row_ptr`` (outputs counted up), ``heads`` and ``attrs`` (the version). An entry is
``[node, output, version]``; the version counts how often a variable has been overwritten so far.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from ..errors import DTypeError, RecordFileError
from ..serialize import atomic_write
from .json_reader import read_graph
from .node import Entry, SymbolNode, topological
from .schema import listed_outputs
from .symbol import Symbol

__all__ = ["debug_str", "dumps", "fromjson", "load", "load_json", "save"]

VERSION = 10901

# Operators here that are another's alias in MXNet: files name that one.
_FILE_NAMES = {"identity": "_copy"}


# ---- writing -------------------------------------------------------------------------------------------------------


def dumps(symbol: Symbol, remove_amp_cast: bool = True) -> str:
    """The JSON text of a graph. remove_amp_cast: casts of automatic mixed precision are left out."""
    graph = _describe(symbol, _skip_amp_casts if remove_amp_cast else _same)
    graph["attrs"] = {"mxnet_version": ["int", VERSION]}
    return _print(graph, 0)


def _same(entry: Entry) -> Entry:
    return entry


def _skip_amp_casts(entry: Entry) -> Entry:
    node, number = entry
    while node.op is not None and node.op.name in ("amp_cast", "amp_multicast"):
        source = node.inputs[number if node.op.name == "amp_multicast" else 0]
        assert source is not None
        node, number = source
    return node, number


def _nodes_through(symbol: Symbol, through: Callable[[Entry], Entry]) -> tuple[list[SymbolNode], list[Entry]]:
    """The nodes and heads of a graph, entries replaced by what `through` makes of them."""
    heads = [through(entry) for entry in symbol._outputs]
    nodes = topological(heads)
    if through is _same or not any(node.op is not None and node.op.name.startswith("amp_") for node in nodes):
        return nodes, heads
    order: list[SymbolNode] = []
    wanted = {node for node, _ in heads}
    for node in reversed(nodes):
        if node in wanted:
            wanted.update(through(entry)[0] for entry in node.present_inputs())
    order = [node for node in nodes if node in wanted]
    return order, heads


def _describe(symbol: Symbol, through: Callable[[Entry], Entry]) -> dict[str, Any]:
    """The graph as Python objects, keys in the order of files."""
    nodes, heads = _nodes_through(symbol, through)
    index = {node: number for number, node in enumerate(nodes)}
    rows, described = [0], []
    for node, versions in _with_versions(nodes):
        entries = map(through, node.present_inputs())
        item: dict[str, Any] = {"op": "null" if node.op is None else _FILE_NAMES.get(node.op.name, node.op.name)}
        item["name"] = node.name
        attrs = {**node.given, **node.attrs}
        if attrs:
            item["attrs"] = dict(sorted(attrs.items(), key=lambda pair: pair[0].encode()))
        item["inputs"] = [[index[source], n, version] for (source, n), version in zip(entries, versions, strict=True)]
        if node.subgraphs:
            item["subgraphs"] = [_describe(graph, through) for graph in node.subgraphs]
        described.append(item)
        rows.append(rows[-1] + listed_outputs(node))
    return {
        "nodes": described,
        "arg_nodes": [number for number, node in enumerate(nodes) if node.op is None],
        "node_row_ptr": rows,
        "heads": [[index[node], number, 0] for node, number in heads],
    }


def _with_versions(nodes: list[SymbolNode]) -> list[tuple[SymbolNode, list[int]]]:
    """Each node with the versions of its inputs: how often operators up to this one have overwritten them."""
    written: dict[SymbolNode, int] = {}
    result = []
    for node in nodes:
        changed = node.state_inputs()
        versions = []
        for number, entry in enumerate(node.inputs):
            if entry is None:
                continue
            if number in changed:
                written[entry[0]] = written.get(entry[0], 0) + 1
            versions.append(written.get(entry[0], 0))
        result.append((node, versions))
    return result


def _print(value: Any, depth: int) -> str:
    """JSON laid out as MXNet does: two spaces a level, a space after a comma, short values in one line."""
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {_print(item, depth + 1)}" for key, item in value.items()]
        return _frame("{", items, "}", len(items) > 1, depth)
    if isinstance(value, list):
        items = [_print(item, depth + 1) for item in value]
        return _frame("[", items, "]", len(items) > 10 or any(isinstance(item, dict) for item in value), depth)
    return _quote(value) if isinstance(value, str) else str(value)


def _frame(opening: str, items: list[str], closing: str, is_long: bool, depth: int) -> str:
    if not is_long:
        return opening + ", ".join(items) + closing
    indent = "\n" + "  " * (depth + 1)
    return opening + indent + f", {indent}".join(items) + "\n" + "  " * depth + closing


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def save(symbol: Symbol, fname: str | os.PathLike[str], remove_amp_cast: bool = True) -> None:
    """`Symbol.save`: writes the JSON text, atomically."""
    if not isinstance(fname, (str, os.PathLike)):
        msg = f"[Symbol.save] fname need to be string, got {type(fname).__name__}"
        raise DTypeError(msg)
    text = dumps(symbol, remove_amp_cast)
    with atomic_write(fname) as out:
        out.write(text.encode("utf-8"))


# ---- reading -------------------------------------------------------------------------------------------------------


def load(fname: str | os.PathLike[str]) -> Symbol:
    """The graph in a ``-symbol.json`` file of MXNet 0.8 to 1.9.1, or of `Symbol.save`.

    Raises RecordFileError, naming file and node, when it is damaged or holds what no file may hold.
    """
    if not isinstance(fname, (str, os.PathLike)):
        msg = f"[load] fname need to be string, got {type(fname).__name__}"
        raise DTypeError(msg)
    try:
        with open(fname, "rb") as file:
            data = file.read()
    except OSError as error:
        msg = f"[load] cannot read {fname}: {error.strerror or error}"
        raise RecordFileError(msg) from None
    return _parse(data, os.fspath(fname))


def load_json(json_str: str | bytes) -> Symbol:
    """The graph that `Symbol.tojson` wrote, or MXNet 0.8 to 1.9.1. Raises RecordFileError when it is damaged.

    >>> import mxnet as mx
    >>> mx.sym.load_json(mx.sym.relu(mx.sym.var("x"), name="y").tojson()).list_outputs()
    ['y_output']
    """
    if not isinstance(json_str, (str, bytes)):
        msg = f"[load_json] json_str required to be string, got {type(json_str).__name__}"
        raise DTypeError(msg)
    return _parse(json_str, "symbol JSON")


fromjson = load_json


def _parse(text: str | bytes, source: str) -> Symbol:
    try:
        graph = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        msg = f"{source}: not JSON ({reason}). The file is cut, damaged, or not a symbol file; fetch or save it again"
        raise RecordFileError(msg) from None
    return read_graph(graph, source)


# ---- for reading by people -----------------------------------------------------------------------------------------


def debug_str(symbol: Symbol) -> str:
    """The nodes with inputs and attributes, as MXNet lists them."""
    lines = ["Symbol Outputs:"]
    lines += [f"\toutput[{i}]={node.name}({number})" for i, (node, number) in enumerate(symbol._outputs)]
    for node, versions in _with_versions(topological(symbol._outputs)):
        if node.op is None:
            lines.append(f"Variable:{node.name}")
            continue
        lines += ["-" * 20, f"Op:{_FILE_NAMES.get(node.op.name, node.op.name)}, Name={node.name}", "Inputs:"]
        for i, ((source, number), version) in enumerate(zip(node.present_inputs(), versions, strict=True)):
            kept = f" version={version}" if source.op is None else ""
            lines.append(f"\targ[{i}]={source.name}({number}){kept}")
        attrs = {**node.given, **node.attrs}
        if attrs:
            lines.append("Attrs:")
            lines += [f"\t{key}={value}" for key, value in sorted(attrs.items())]
    return "\n".join(lines) + "\n"
