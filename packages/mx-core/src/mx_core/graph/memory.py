"""Memory: which slot of the plan every value lives in, and where temporaries lie in the arena.

Slots: the plan's inputs, its outputs, then temporaries. A view shares the slot of its root.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..dtypes import ITEMSIZE
from ..op.primitives import COPY, FULL
from .call import Call
from .node import Graph, Value
from .passes import root_of

__all__ = ["Layout", "nbytes_of", "place"]

_ALIGNMENT = 64
_MAX_CONSTANT = 4096  # elements


def nbytes_of(value: Value) -> int:
    """The bytes of a dense array of this type."""
    return math.prod(value.shape) * ITEMSIZE[value.dtype]


class Layout:
    """calls: with the copies that were needed; slots: (kind, a, b) of the temporaries; slot_of: root value -> slot."""

    __slots__ = ("aliases", "arena", "call_slots", "calls", "slot_of", "slots", "written")

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.call_slots: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        self.slot_of: dict[Value, int] = {}
        self.slots: list[tuple[str, Any, int]] = []
        self.aliases: list[tuple[int, int] | None] = []
        self.written: tuple[int, ...] = ()
        self.arena = 0


class _Copy:
    """A copy into a slot that no value owns (an output that shares its root, or an input that is written back)."""

    __slots__ = ("call", "slot")

    def __init__(self, call: Call, slot: int) -> None:
        self.call = call
        self.slot = slot


def place(graph: Graph, calls: list[Call], outputs: Sequence[Value | None], target: Any, alias: bool) -> Layout:
    """Give every value a slot. alias: an output that is a view of an input stays one (gradients, inner graphs)."""
    layout = Layout()
    n_in = len(graph.inputs)
    slot_of = layout.slot_of
    for i, value in enumerate(graph.inputs):
        slot_of[value] = i
    before: list[_Copy] = []
    after: list[_Copy] = []
    for j, output in enumerate(outputs):
        layout.aliases.append(None)
        if output is None:
            continue
        root = root_of(output)
        if root not in slot_of:
            slot_of[root] = n_in + j
        elif alias and root.node is None:
            layout.aliases[j] = (root.index, 0)
        else:
            (before if root.node is None else after).append(_copy(root, output, n_in + j, target))
    calls = _place_constants(calls, layout, n_in + len(outputs), target)
    _place_writes(graph, calls, layout, after, target)
    layout.calls = [*[c.call for c in before], *calls, *[c.call for c in after]]
    _place_temporaries(layout, n_in + len(outputs), len(before), len(calls))
    fixed = {id(c.call): c.slot for c in (*before, *after)}
    for call in layout.calls:
        slot = fixed.get(id(call))
        layout.call_slots.append(
            (
                tuple([slot_of[root_of(value)] for value in call.inputs]),
                (slot,) if slot is not None else tuple([slot_of[value] for value in call.outputs]),
            )
        )
    return layout


def _copy(root: Value, like: Value, slot: int, target: Any) -> _Copy:
    call = Call(COPY.kernel, (root,), (Value(None, None, slot, like.dtype, root.shape),), {})
    target.prepare_call(call)
    return _Copy(call, slot)


def _place_constants(calls: list[Call], layout: Layout, first_slot: int, target: Any) -> list[Call]:
    """Small constants that a kernel reads are made once, with the plan; returns the other calls."""
    rest = []
    for call in calls:
        node = call.nodes[0]
        value = call.outputs[0]
        if node.op is not FULL or value in layout.slot_of or call.scalars or value.size > _MAX_CONSTANT:
            rest.append(call)
            continue
        layout.slot_of[value] = first_slot + len(layout.slots)
        layout.slots.append(("const", target.constant(value, node.scalars[0]), 0))
    return rest


def _place_writes(graph: Graph, calls: list[Call], layout: Layout, after: list[_Copy], target: Any) -> None:
    """The new value of a written input goes straight into the input where nothing reads the old one any more."""
    if not graph.writes:
        return
    readers, makers = _uses_of_inputs(calls)
    for index, value in graph.writes.items():
        state = graph.inputs[index]
        root = root_of(value)
        if root is state:
            continue
        if root not in layout.slot_of and _may_overwrite(calls, state, readers.get(state, ()), makers.get(root)):
            layout.slot_of[root] = index
        else:
            after.append(_copy(root, state, index, target))
    layout.written = tuple(sorted(i for i, value in graph.writes.items() if root_of(value) is not graph.inputs[i]))


def _uses_of_inputs(calls: list[Call]) -> tuple[dict[Value, list[int]], dict[Value, tuple[int, int]]]:
    """(the numbers of the calls that read each input of the graph, call and output number of each value that is made)."""
    readers: dict[Value, list[int]] = {}
    makers: dict[Value, tuple[int, int]] = {}
    for time, call in enumerate(calls):
        for value in call.inputs:
            root = root_of(value)
            if root.node is None:
                readers.setdefault(root, []).append(time)
        for j, output in enumerate(call.outputs):
            makers[output] = (time, j)
    return readers, makers


def _may_overwrite(calls: list[Call], state: Value, readers: Sequence[int], maker: tuple[int, int] | None) -> bool:
    """Whether a value can be made in the memory of the input state: no later call reads that, and the one that makes
    the value does not, or can work in place."""
    if maker is None:
        return False
    time, j = maker
    if not readers or readers[-1] < time:
        return True
    if readers[-1] > time:
        return False
    call = calls[time]
    mask = call.prepared.inplace[j] if j < len(call.prepared.inplace) else 0
    return all(mask >> i & 1 for i, value in enumerate(call.inputs) if root_of(value) is state)


def _place_temporaries(layout: Layout, first_slot: int, n_before: int, n_calls: int) -> None:
    """Arena offsets by first fit over the time in which each temporary lives; in place where a kernel allows it."""
    slot_of = layout.slot_of
    last_read: dict[Value, int] = {}
    for time, call in enumerate(layout.calls):
        for value in call.inputs:
            last_read[root_of(value)] = time
    held: dict[Value, tuple[int, int]] = {}  # living temporary -> (offset, bytes)
    for time in range(n_before, n_before + n_calls):
        call = layout.calls[time]
        taken: set[Value] = set()
        for j, output in enumerate(call.outputs):
            if output in slot_of:
                continue
            size = -(-max(nbytes_of(output), 1) // _ALIGNMENT) * _ALIGNMENT
            donor = _donor(call, j, output, held, last_read, time, taken)
            offset = held[donor][0] if donor is not None else _first_fit(held, size)
            if donor is not None:
                taken.add(donor)
                del held[donor]
            held[output] = (offset, size)
            layout.arena = max(layout.arena, offset + size)
            slot_of[output] = first_slot + len(layout.slots)
            layout.slots.append(("temp", offset, size))
        for value in [value for value in held if last_read.get(value, time) <= time]:
            del held[value]


def _donor(
    call: Call,
    j: int,
    output: Value,
    held: dict[Value, tuple[int, int]],
    last_read: dict[Value, int],
    time: int,
    taken: set[Value],
) -> Value | None:
    """A temporary that dies here and whose memory output j may take over."""
    mask = call.prepared.inplace[j] if j < len(call.prepared.inplace) else 0
    if not mask:
        return None
    for i, value in enumerate(call.inputs):
        root = root_of(value)
        if not mask >> i & 1 or root not in held or root in taken or last_read[root] != time:
            continue
        if nbytes_of(root) == nbytes_of(output) and sum(root_of(other) is root for other in call.inputs) == 1:
            return root
    return None


def _first_fit(held: dict[Value, tuple[int, int]], size: int) -> int:
    offset = 0
    for start, length in sorted(held.values()):
        if start - offset >= size:
            break
        offset = max(offset, start + length)
    return offset
