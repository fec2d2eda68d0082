"""Two-way inference over a graph of operator calls whose types are only partly known.

Deferred initialization and ``infer_shape_partial`` give what they know of some arrays; every operator's rule is run
forward and backward over the calls until nothing changes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from ..op.definition import OpDef
from ..op.inference import infer_types

__all__ = ["infer_graph"]

PartialType = tuple[int | None, tuple[int, ...] | None]
# operator, parameters, names of its inputs (None: absent), names of its outputs
OperatorCall = tuple[OpDef, dict[str, Any], Sequence[Hashable | None], Sequence[Hashable]]

_UNKNOWN: PartialType = (None, None)


def infer_graph(calls: Sequence[OperatorCall], known: Mapping[Hashable, PartialType]) -> dict[Hashable, PartialType]:
    """The types of all arrays that the calls name, as far as known decides them.

    calls: in running order.  known: ``(type flag or None, shape or None)`` by name, -1 for an unknown dim.
    Raises ShapeError or DTypeError where the types contradict an operator or each other.

    >>> from mx_core.op import get_op
    >>> types = infer_graph([(get_op("_copy"), {}, ["x"], ["y"])], {"x": (0, (2, -1)), "y": (None, (-1, 3))})
    >>> types["x"], types["y"]
    ((0, (2, 3)), (0, (2, 3)))
    """
    types: dict[Hashable, PartialType] = dict(known)
    changed = forward = True
    while changed:
        changed = False
        for opdef, params, inputs, outputs in calls if forward else reversed(calls):
            given = ["absent" if name is None else types.setdefault(name, _UNKNOWN) for name in inputs]
            made = [types.setdefault(name, _UNKNOWN) for name in outputs]
            in_types, out_types = infer_types(opdef, params, given, made)
            found = (*zip(inputs, in_types, strict=False), *zip(outputs, out_types, strict=False))
            for name, inferred in found:
                if name is not None and types[name] != inferred:
                    merged = _merge(types[name], inferred)
                    changed |= merged != types[name]
                    types[name] = merged
        forward = not forward
    return types


def _merge(a: PartialType, b: PartialType) -> PartialType:
    """What either knows: an array that a call reads twice is inferred twice. Contradictions show in the next sweep."""
    dtype = b[0] if a[0] is None else a[0]
    if a[1] is None or b[1] is None or len(a[1]) != len(b[1]):
        return dtype, b[1] if a[1] is None else a[1]
    return dtype, tuple([y if x == -1 else x for x, y in zip(a[1], b[1], strict=True)])
