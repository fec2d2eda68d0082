"""Fusion: which pointwise nodes become one program, and which producers a reduction computes by itself.

Note [stages]
Every node gets a stage, so that an edge between nodes that may share a program keeps the stage or raises it, and every
other edge raises it. Then any fusable neighbours of one stage and shape can share a program without a cycle: a path that
leaves the program would have raised the stage. Pointwise nodes sink to the latest stage their readers allow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..dtypes import BFLOAT16, BOOL, FLOAT16, INT8, UINT8
from ..op.pointwise import COMPUTE_OF, OPCODES, TRUTH_OPCODES
from ..op.primitives import FULL, REDUCE
from .call import Call, kernel_params
from .node import Graph, Node, Value
from .passes import root_of
from .program import Program, lower_program

__all__ = ["fuse"]

_CAST = OPCODES["cast"][0]
_NARROW_INTEGERS = frozenset((UINT8, INT8, BOOL))
_NARROW_FLOATS = frozenset((FLOAT16, BFLOAT16))
_MAX_SIBLING_INPUTS = 12
_MAX_NODES = 64
_MAX_REPEATED = 2
_SMALL = 4096  # elements
_CHEAP = frozenset(
    OPCODES[name][0] for name in ("copy", "cast", "add", "sub", "mul", "div", "negative", "abs", "square")
)


def _narrows(value: Value) -> bool:
    """True when storing value and loading it again changes it, so that it must go through memory."""
    node = value.node
    assert node is not None
    opcode = node.op.opcode
    if value.dtype in _NARROW_INTEGERS:
        return opcode not in TRUTH_OPCODES and not (opcode == _CAST and value.dtype == BOOL)
    return opcode == _CAST and value.dtype in _NARROW_FLOATS


def _is_pointwise(node: Node | None) -> bool:
    return node is not None and node.op.opcode is not None


class _Fusion:
    def __init__(self, graph: Graph, nodes: Sequence[Node], outputs: Sequence[Value], separate: bool) -> None:
        self.nodes = nodes
        self.separate = separate
        self.number = {root_of(value): i for i, value in enumerate(outputs)}
        self.kept = set(self.number)
        self.kept.update(root_of(value) for value in graph.writes.values())
        self.readers: dict[Value, list[Node]] = {}
        for node in nodes:
            for value in node.inputs:
                if value is not None:
                    self.readers.setdefault(value, []).append(node)
        self.absorbed: set[Node] = set()  # pointwise nodes that run inside of their reader's call
        self.producers: dict[Node, list[Node]] = {}  # by reader, in running order
        self.stage: dict[Node, int] = {}
        self.group: dict[Node, list[Node]] = {}

    # -- producers inside of their reader --------------------------------------------------------------------------

    def absorb(self, reduction: Node) -> None:
        """Give a reduction the pointwise nodes of its shape that only it reads."""
        data = reduction.inputs[0]
        taken: list[Node] = []
        pending = [data]
        while pending and len(taken) < _MAX_NODES:
            value = pending.pop()
            node = value.node
            if not _is_pointwise(node) or node.op is FULL or value in self.kept or _narrows(value):
                continue
            if value.shape != data.shape or node in taken:
                continue
            if all(reader is reduction or reader in taken for reader in self.readers[value]):
                taken.append(node)
                pending.extend(node.inputs)
        if taken:
            inside = set(taken)
            self.producers[reduction] = [node for node in self.nodes if node in inside]
            self.absorbed |= inside

    def absorb_small(self, reader: Node) -> None:
        """Give a pointwise node the cheap chains of smaller shape that only it reads: repeating an instruction or two
        per element costs less than a step of its own."""
        chain: list[Node] = []
        for value in reader.inputs:
            below = reader
            while value.shape != reader.outputs[0].shape and len(chain) < _MAX_REPEATED:
                node = value.node
                if node is None or node.op.opcode not in _CHEAP or len(node.inputs) != 1 or node in self.absorbed:
                    break
                if value in self.kept or _narrows(value) or self.readers[value] != [below]:
                    break
                chain.append(node)
                self.absorbed.add(node)
                below, value = node, node.inputs[0]
        if chain:
            self.producers[reader] = chain[::-1]

    # -- pointwise groups ------------------------------------------------------------------------------------------

    def joins(self, value: Value, reader: Node) -> bool:
        """True when value's producer and its reader may share a program."""
        node = value.node
        return (
            not self.separate
            and _is_pointwise(node)
            and _is_pointwise(reader)
            and node not in self.absorbed
            and value.shape == reader.outputs[0].shape
            and not _narrows(value)
        )

    def find_stages(self) -> list[Node]:
        """See Note [stages]; returns the nodes that make calls of their own."""
        items = [node for node in self.nodes if not node.op.view and node.op is not FULL and node not in self.absorbed]
        items_and_constants = items + [
            node
            for node in self.nodes
            if node.op is FULL and (node.outputs[0] in self.kept or self._read_as_array(node.outputs[0]))
        ]
        edges: dict[Node, list[tuple[Node, int]]] = {}
        for item in items:
            stage = 0
            for value in self.inputs_of(item):
                root = root_of(value)
                producer = root.node
                if producer is None or producer.op is FULL:
                    continue
                step = 0 if root is value and self.joins(value, item) else 1
                edges.setdefault(producer, []).append((item, step))
                stage = max(stage, self.stage[producer] + step)
            self.stage[item] = stage
        for item in reversed(items):
            if item.op.opcode is not None and item in edges:
                self.stage[item] = max(self.stage[item], min(self.stage[to] - step for to, step in edges[item]))
        for node in items_and_constants[len(items) :]:
            self.stage[node] = -1
        return items_and_constants

    def inputs_of(self, item: Node) -> list[Value]:
        """What the call of this node reads; its absorbed producers are inside of it."""
        producers = self.producers.get(item)
        if producers is None:
            return [value for value in item.inputs if value is not None]
        return [value for node in (*producers, item) for value in node.inputs if value.node not in self.absorbed]

    def _read_as_array(self, value: Value) -> bool:
        """A constant is an operand for pointwise readers, memory for all others."""
        return any(
            reader.op.view or not (_is_pointwise(reader) or reader.op is REDUCE)
            for reader in self.readers.get(value, ())
        )

    def form_groups(self, items: Sequence[Node]) -> list[list[Node]]:
        """Nodes of one call each, ordered to run."""
        pointwise = [item for item in items if item.op.opcode is not None]
        for item in pointwise:
            group = self.group[item] = [item]
            if item.op is FULL:
                continue
            for value in item.inputs:
                if self.joins(value, item) and value.node.op is not FULL and self.stage[value.node] == self.stage[item]:
                    group = self._merge(self.group[value.node], group)
        if not self.separate:
            self._merge_siblings(pointwise)
        seen: set[int] = set()
        calls: list[list[Node]] = []
        order = {node: i for i, node in enumerate(self.nodes)}
        for item in items:
            group = self.group.get(item, [item])
            if id(group) not in seen:
                seen.add(id(group))
                group.sort(key=order.__getitem__)
                calls.append(group)
        calls.sort(key=lambda group: (self.stage[group[0]], order[group[0]]))
        return calls

    def _merge(self, first: list[Node], second: list[Node]) -> list[Node]:
        if first is second:
            return first
        if len(first) < len(second):
            first, second = second, first
        first.extend(second)
        for node in second:
            self.group[node] = first
        return first

    def _merge_siblings(self, pointwise: Sequence[Node]) -> None:
        """Programs of one stage and shape that read the same array run as one: the array is read once."""
        places: dict[tuple[int, tuple[int, ...], Value | None], Node] = {}
        for item in pointwise:
            if item.op is FULL:
                continue
            shape = item.outputs[0].shape
            shared: list[Value | None] = [
                value for value in item.inputs if value.shape == shape and not (value.node and value.node.op is FULL)
            ]
            if math.prod(shape) <= _SMALL:
                shared.append(None)  # a step costs more than the work: no common input is needed
            for value in shared:
                key = (self.stage[item], shape, value)
                mine, other = self.group[item], self.group[places.setdefault(key, item)]
                if other is not mine and len(mine) + len(other) <= _MAX_NODES:
                    reads = {v for node in (*mine, *other) for v in node.inputs}
                    if len(reads) <= _MAX_SIBLING_INPUTS:
                        self._merge(other, mine)

    # -- calls -----------------------------------------------------------------------------------------------------

    def call_of(self, group: list[Node]) -> Call:
        """The kernel call that runs a group."""
        node = group[0]
        if node.op is REDUCE:
            return self._reduction(node)
        if node.op.opcode is None:
            inputs = [value for value in node.inputs if value is not None]
            return Call(node.op.kernel, inputs, node.outputs, kernel_params(node), node.scalars, (node,), node.prepared)
        if self.producers:
            group = [member for item in group for member in (*self.producers.get(item, ()), item)]
        inside = set(group)
        outputs = [
            member.outputs[0]
            for member in group
            if member.outputs[0] in self.kept or not inside.issuperset(self.readers.get(member.outputs[0], ()))
        ]
        _sort_stored(outputs, self.number)
        params, inputs, scalars = lower_program(group, outputs)
        return Call("_pointwise", inputs, outputs, params, scalars, group)

    def _reduction(self, node: Node) -> Call:
        params = kernel_params(node)
        params["shape"] = node.inputs[0].shape
        producers = self.producers.get(node)
        if producers is None and not (node.inputs[0].node is not None and node.inputs[0].node.op is FULL):
            return Call("_reduce", node.inputs, node.outputs, params, (), (node,))
        program = Program()
        for producer in producers or ():
            program.add(producer)
        data = node.inputs[0]
        kind = COMPUTE_OF[node.outputs[0].dtype]
        program.operands[data] = (program.cast(*program.value(data), kind), kind)
        code, inputs, scalars = program.finish((data,))
        params.update(code)
        return Call("_reduce", inputs, node.outputs, params, scalars, (*(producers or ()), node))


def _sort_stored(stored: list[Value], number: dict[Value, int]) -> None:
    """Puts what a program stores in the order of the plan's outputs, where they are some."""
    if len(stored) > 1:
        stored.sort(key=lambda value: number.get(value, -1))


def _is_one_program(graph: Graph, nodes: Sequence[Node], kept: set[Value]) -> bool:
    """True for the most frequent graph of all, an optimizer's update or an activation: nothing but arithmetic of one
    shape on few inputs."""
    if len(graph.inputs) > _MAX_SIBLING_INPUTS or len(nodes) > _MAX_NODES or not nodes:
        return False
    shape = nodes[-1].outputs[0].shape
    if len(kept) > 1 and not graph.writes and math.prod(shape) > _SMALL:
        return False  # perhaps several chains that have nothing in common
    for node in nodes:
        value = node.outputs[0]
        if node.op.opcode is None or _narrows(value) or (value in kept if node.op is FULL else value.shape != shape):
            return False
    return all([value.node is not None for value in kept])


def fuse(graph: Graph, nodes: Sequence[Node], outputs: Sequence[Value], separate: bool = False) -> list[Call]:
    """The kernel calls that compute outputs, in running order; separate: one for each node."""
    if len(nodes) == 1 and nodes[0].op.opcode is not None:  # most eager calls
        params, inputs, scalars = lower_program(nodes, nodes[0].outputs)
        return [Call("_pointwise", inputs, nodes[0].outputs, params, scalars, nodes)]
    kept = set(outputs)
    kept.update(graph.writes.values())
    if not separate and _is_one_program(graph, nodes, kept):
        members = [node for node in nodes if node.op is not FULL]
        stored = [node.outputs[0] for node in members if node.outputs[0] in kept]
        _sort_stored(stored, {value: i for i, value in enumerate(outputs)})
        params, inputs, scalars = lower_program(members, stored)
        return [Call("_pointwise", inputs, stored, params, scalars, members)]
    fusion = _Fusion(graph, nodes, outputs, separate)
    for node in () if separate else reversed(nodes):
        if node.op is REDUCE:
            fusion.absorb(node)
        elif node.op.opcode is not None and node.inputs and node not in fusion.absorbed:
            fusion.absorb_small(node)
    groups = fusion.form_groups(fusion.find_stages())
    return [fusion.call_of(group) for group in groups]
