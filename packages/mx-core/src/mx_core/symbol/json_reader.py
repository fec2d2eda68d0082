"""Reading graphs from JSON: every index and type is checked, whatever wrote the file.

Files of MXNet 0.8 to 1.9.1 differ in where attributes are and in which inputs are written out; `upgrade` makes them
alike first. Operators that are not installed become nodes that can be looked at and saved but not run.
"""

from __future__ import annotations

from typing import Any, NoReturn

from .. import registry
from ..errors import MXNetError, RecordFileError
from ..op.definition import OpDef
from ..op.parts import is_part
from .compose import check_outputs, mark_variables
from .control_flow_ops import SUBGRAPHS
from .custom import custom_op
from .node import Entry, SymbolNode
from .schema import listed_outputs, present_inputs
from .symbol import Symbol
from .unknown import unknown_op
from .upgrade import upgrade, version_of

__all__ = ["read_graph"]

_MAX_DEPTH = 32  # of subgraphs in subgraphs
_CURE = "The file is damaged or was changed by hand; fetch or save it again"


def read_graph(graph: Any, source: str) -> Symbol:
    """The symbol of a parsed graph. source: the file's name, for messages. Raises RecordFileError."""
    version = version_of(graph, source)
    return _Reader(source, version).read(graph, 0)


class _Reader:
    """One file being read."""

    def __init__(self, source: str, version: int) -> None:
        self._source = source
        self._version = version

    def _fail(self, where: str, text: str, cure: str = _CURE) -> NoReturn:
        msg = f"{self._source}: {where + ': ' if where else ''}{text}. {cure}"
        raise RecordFileError(msg)

    def read(self, graph: Any, depth: int) -> Symbol:
        """The symbol of a graph, or of a subgraph."""
        if depth > _MAX_DEPTH:
            self._fail("", f"subgraphs are nested more than {_MAX_DEPTH} deep")
        if not isinstance(graph, dict):
            self._fail("", f"a graph must be an object, got {type(graph).__name__}")
        for key in ("nodes", "heads"):
            if not isinstance(graph.get(key), list):
                self._fail("", f"a graph must have a list of {key}")
        described = upgrade(
            [self._check_node(number, item) for number, item in enumerate(graph["nodes"])], self._version
        )
        used = _used_outputs(described, graph["heads"])
        nodes: list[SymbolNode] = []
        for number, item in enumerate(described):
            where = f"node {number} {item['name']!r}"
            entries = [self._entry(where, entry, nodes, number) for entry in item["inputs"]]
            nodes.append(self._make(where, item, entries, used.get(number, 1), depth))
        heads = [self._entry("heads", entry, nodes, len(nodes)) for entry in graph["heads"]]
        if not heads:
            self._fail("heads", "a graph must have at least one output")
        return Symbol(tuple(heads))

    # -- checks ----------------------------------------------------------------------------------------------------

    def _check_node(self, number: int, item: Any) -> dict[str, Any]:
        """The node with its attributes in one dict, types checked."""
        where = f"node {number}"
        if not isinstance(item, dict):
            self._fail(where, f"must be an object, got {type(item).__name__}")
        name, op = item.get("name"), item.get("op")
        if not isinstance(name, str) or not isinstance(op, str):
            self._fail(where, "must have a name and an op, both strings")
        inputs = item.get("inputs", [])
        if not isinstance(inputs, list):
            self._fail(f"{where} {name!r}", f"inputs must be a list, got {type(inputs).__name__}")
        result: dict[str, Any] = {"op": op, "name": name, "inputs": inputs, "subgraphs": item.get("subgraphs", [])}
        for key in ("param", "attr", "attrs"):
            attrs = item.get(key) or {}
            if not isinstance(attrs, dict) or not all(isinstance(value, str) for value in attrs.values()):
                self._fail(f"{where} {name!r}", f"{key} must be an object of strings")
            result.setdefault("attrs", {}).update(attrs)
        if not isinstance(result["subgraphs"], list):
            self._fail(f"{where} {name!r}", "subgraphs must be a list")
        return result

    def _entry(self, where: str, entry: Any, nodes: list[SymbolNode], limit: int) -> Entry:
        """A checked reference to an output of one of the nodes so far."""
        numbers = isinstance(entry, list) and all(type(item) is int for item in entry)
        if not numbers or len(entry) not in (2, 3) or entry[0] < 0 or entry[1] < 0:
            self._fail(where, f"an entry must be [node, output] or [node, output, version], got {str(entry)[:60]}")
        if entry[0] >= limit:
            self._fail(where, f"refers to node {entry[0]}, which does not come before it")
        node = nodes[entry[0]]
        if entry[1] >= node.count_visible() and entry[1] >= listed_outputs(node):
            self._fail(where, f"refers to output {entry[1]} of {node.name!r}, which has {node.count_visible()}")
        if entry[1] >= node.count_outputs():
            self._fail(
                where, f"refers to the hidden output {entry[1]} of {node.name!r}, which is not kept", "Use its others"
            )
        return node, entry[1]

    # -- nodes -----------------------------------------------------------------------------------------------------

    def _make(self, where: str, item: dict[str, Any], entries: list[Entry], used: int, depth: int) -> SymbolNode:
        name, attrs = item["name"], item["attrs"]
        if item["op"] == "null":
            if entries:
                self._fail(where, "a variable must have no inputs")
            return SymbolNode(None, name, attrs)
        if item["op"] in SUBGRAPHS:
            graphs = tuple(self.read(graph, depth + 1) for graph in item["subgraphs"])
            try:
                return SUBGRAPHS[item["op"]](name, attrs, entries, graphs)
            except MXNetError as error:
                self._fail(where, str(error))
        opdef = self._find(where, item, used)
        own = (*opdef.param_names, *opdef.runtime_names)
        takes_all = opdef.param_names == ("attributes",)  # Custom, and operators that are not installed
        given = {key: value for key, value in attrs.items() if key in own or (takes_all and key[:2] != "__")}
        rest = {key: value for key, value in attrs.items() if key not in given}
        try:
            node = SymbolNode(opdef, name, rest, given=given)
            _bind(node)
            self._refuse_unknown(node)
            node.inputs = self._place(where, node, entries)
        except RecordFileError:
            raise
        except MXNetError as error:
            self._fail(where, str(error), "Check the parameters in the file")
        for number in node.written_inputs():
            entry = node.inputs[number] if number < len(node.inputs) else None
            if entry is None or entry[0].op is not None:
                self._fail(where, f"input {number} is overwritten and must be a variable")
        if self._version < 900:
            mark_variables(node)
        node.subgraphs = tuple(self.read(graph, depth + 1) for graph in item["subgraphs"])
        return node

    def _find(self, where: str, item: dict[str, Any], used: int) -> OpDef:
        if item["op"] == "Custom":
            return custom_op()
        found = registry.find_op(item["op"])
        if found is None:
            return unknown_op(item["op"], used)
        if is_part(found):
            self._fail(where, f"{item['op']} is an internal part of operators, which no file may name")
        return found

    def _refuse_unknown(self, node: SymbolNode) -> None:
        assert node.op is not None
        for key in node.attrs:
            if key[:2] == "__" == key[-2:] or (key == "ctx" and not node.op.input_names):
                continue
            known = ", ".join((*node.op.param_names, *node.op.runtime_names)) or "none"
            msg = f"[{node.op.name}] has no parameter {key}. Its parameters: {known}"
            raise MXNetError(msg)

    def _place(self, where: str, node: SymbolNode, entries: list[Entry]) -> tuple[Entry | None, ...]:
        """The inputs in the operator's order, None for absent ones; variables that old files leave out are made."""
        opdef = node.op
        assert opdef is not None
        if opdef.variadic:
            return tuple(entries)
        present = present_inputs(opdef, node.params)
        if len(entries) > len(present) and len(entries) <= len(opdef.input_names):
            present = list(range(len(entries)))
        if len(entries) < len(present) and (self._version < 900 or _only_states_lack(opdef, present[len(entries) :])):
            for number in present[len(entries) :]:
                attrs = {**node.given, **node.attrs}
                entries.append((SymbolNode(None, f"{node.name}_{opdef.input_names[number]}", attrs), 0))
        if len(entries) != len(present):
            names = ", ".join(opdef.input_names[number] for number in present) or "none"
            self._fail(where, f"{opdef.name} needs {len(present)} inputs ({names}), got {len(entries)}")
        placed: list[Entry | None] = [None] * len(opdef.input_names)
        for number, entry in zip(present, entries, strict=True):
            placed[number] = entry
        return tuple(placed)


def _bind(node: SymbolNode) -> None:
    assert node.op is not None
    node.params, node.scalars = node.op.bind_params(node.given)
    check_outputs(node.op, node.params)


def _only_states_lack(opdef: OpDef, lacking: list[int]) -> bool:
    return all(opdef.aux_inputs[number] for number in lacking)


def _used_outputs(described: list[dict[str, Any]], heads: list[Any]) -> dict[int, int]:
    """How many outputs of each node are referred to, at least; entries may still be anything here."""
    used: dict[int, int] = {}
    for entry in [*(entry for item in described for entry in item["inputs"]), *heads]:
        if isinstance(entry, list) and len(entry) > 1 and type(entry[0]) is int and type(entry[1]) is int:
            used[entry[0]] = max(used.get(entry[0], 1), min(entry[1], 4095) + 1)
    return used
