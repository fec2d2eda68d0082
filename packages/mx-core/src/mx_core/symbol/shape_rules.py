"""Shapes that follow from other inputs or from the output, for operators whose own rule needs them all.

An eager call has all shapes; graphs infer the batch size of a recurrent cell's first state from what it is added to, or
the shape of sequence lengths from the data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .node import SymbolNode

__all__ = ["refine_shapes"]

Shape = tuple[int, ...] | None
_Rule = Callable[[SymbolNode, list[Shape], list[Shape]], None]


def refine_shapes(node: SymbolNode, inputs: list[Any], outputs: list[Any]) -> None:
    """Fills in what is known of the inputs' shapes, and of the first output's."""
    assert node.op is not None
    rule = _RULES.get(node.op.name)
    if rule is None or all(kind == "absent" or _is_complete(kind[1]) for kind in inputs):
        return
    shapes = [None if kind == "absent" else kind[1] for kind in inputs]
    made = [kind[1] for kind in outputs]
    rule(node, shapes, made)
    for number, shape in enumerate(shapes):
        if inputs[number] != "absent":
            inputs[number] = (inputs[number][0], shape)
    outputs[0] = (outputs[0][0], made[0])


def _is_complete(shape: Shape) -> bool:
    return shape is not None and -1 not in shape


def _meet(a: Shape, b: Shape) -> Shape:
    """What either knows; a where they contradict each other, which the operator's rule then reports."""
    if a is None or b is None or len(a) != len(b):
        return b if a is None else a
    return tuple([y if x == -1 else x for x, y in zip(a, b, strict=True)])


def _fully_connected(node: SymbolNode, inputs: list[Shape], outputs: list[Shape]) -> None:
    out, data = outputs[0], inputs[0]
    if out is None:
        return
    if not node.params["flatten"]:
        inputs[0] = _meet(data, (*out[:-1], -1))
    elif data is not None:
        inputs[0] = _meet(data, (*out[:1], *[-1] * (len(data) - 1)))


def _batch(node: SymbolNode, inputs: list[Shape], outputs: list[Shape]) -> None:
    data, out = inputs[0], outputs[0]
    if data is not None and out is not None:
        inputs[0] = _meet(data, (*out[:1], *[-1] * (len(data) - 1)))


def _all_equal(node: SymbolNode, inputs: list[Shape], outputs: list[Shape]) -> None:
    common = outputs[0]
    for shape in inputs:
        common = _meet(common, shape)
    for number, shape in enumerate(inputs):
        inputs[number] = _meet(shape, common)
    outputs[0] = _meet(outputs[0], common)


def _where(node: SymbolNode, inputs: list[Shape], outputs: list[Shape]) -> None:
    common = _meet(_meet(outputs[0], inputs[1]), inputs[2])
    inputs[1], inputs[2], outputs[0] = _meet(inputs[1], common), _meet(inputs[2], common), _meet(outputs[0], common)


def _concat(node: SymbolNode, inputs: list[Shape], outputs: list[Shape]) -> None:
    axis = node.params["dim"]
    common: Shape = None
    for shape in (*inputs, outputs[0]):
        if shape is not None and -len(shape) <= axis < len(shape):
            common = _meet(common, _with(shape, axis, -1))
    if common is None:
        return
    for number, shape in enumerate(inputs):
        inputs[number] = _meet(shape, common)
    sizes = [-1 if shape is None or len(shape) != len(common) else shape[axis] for shape in inputs]
    total = outputs[0][axis] if outputs[0] is not None and len(outputs[0]) == len(common) else -1
    if sizes.count(-1) == 1 and total >= 0:
        number = sizes.index(-1)
        inputs[number] = _with(inputs[number] or common, axis, total - sum(sizes) - 1)
    outputs[0] = _meet(outputs[0], _with(common, axis, sum(sizes) if -1 not in sizes else total))


def _with(shape: tuple[int, ...], axis: int, size: int) -> tuple[int, ...]:
    result = list(shape)
    result[axis] = size
    return tuple(result)


def _sequence(node: SymbolNode, inputs: list[Shape], outputs: list[Shape]) -> None:
    if inputs[0] is not None and len(inputs[0]) > 1 and len(inputs) > 1:
        inputs[1] = _meet(inputs[1], (inputs[0][1 - node.params["axis"]],))


def _without_axis(node: SymbolNode, inputs: list[Shape], outputs: list[Shape]) -> None:
    data, axis = inputs[0], node.params["axis"]
    if data is None or axis is None or not -len(data) <= axis < len(data) or len(inputs) < 2:
        return
    axis %= len(data)
    rest = data[:axis] + data[axis + 1 :]
    if node.params.get("keepdims") and inputs[1] is not None and len(inputs[1]) == len(data):
        return
    inputs[1] = _meet(inputs[1], rest)


_RULES: dict[str, _Rule] = {
    "FullyConnected": _fully_connected,
    "Concat": _concat,
    "where": _where,
    **dict.fromkeys(("Convolution", "Deconvolution", "Pooling"), _batch),
    "pick": _without_axis,
    "softmax": _without_axis,
    **dict.fromkeys(("SequenceMask", "SequenceLast", "SequenceReverse"), _sequence),
    **dict.fromkeys(("add_n", "_scatter_elemwise_div", "multi_lars"), _all_equal),
}
