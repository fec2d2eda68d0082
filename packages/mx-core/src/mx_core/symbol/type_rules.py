"""Element types where shapes are not known: what `Symbol.infer_type` assumes when an operator's rule needs a shape.

Nearly all operators of MXNet have one element type, or the one that their parameter ``dtype`` names.
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from .node import SymbolNode

__all__ = ["assume_types"]

_OUTPUTS: dict[str, tuple[int | None, ...]] = {
    "shape_array": (dtypes.INT64,),
    "size_array": (dtypes.INT64,),
    "_contrib_index_array": (dtypes.INT64,),
    "_contrib_allclose": (dtypes.UINT8,),
    "_histogram": (dtypes.INT64, None),
    "all_finite": (dtypes.FLOAT32,),
    "multi_all_finite": (dtypes.FLOAT32,),
    "multi_sum_sq": (dtypes.FLOAT32,),
    "_image_to_tensor": (dtypes.FLOAT32,),
}
# Inputs whose type is their own: positions, lengths, labels, conditions.
_OWN_TYPE = frozenset("indices index index_vector label data_lengths label_lengths length bins condition".split())


def assume_types(node: SymbolNode, inputs: list[Any], outputs: list[Any]) -> tuple[list[Any], list[Any]]:
    """The types with what is unknown filled in from the first type that is known; shapes as they were."""
    assert node.op is not None
    names = node.op.input_names
    common = [
        number
        for number, kind in enumerate(inputs)
        if kind is not None and (node.op.variadic or names[number] not in _OWN_TYPE)
    ]
    flag = next((inputs[number][0] for number in common if inputs[number][0] is not None), None)
    own = _own_outputs(node, len(outputs))
    if flag is None and own is None:
        flag = next((kind[0] for kind in outputs if kind[0] is not None), None)
    if flag is not None:
        for number in common:
            if inputs[number][0] is None:
                inputs[number] = (flag, inputs[number][1])
    made = []
    for number, (dtype, shape) in enumerate(outputs):
        known = own[number] if own is not None and own[number] is not None else flag
        made.append((known if dtype is None else dtype, shape))
    return inputs, made


def _own_outputs(node: SymbolNode, count: int) -> tuple[int | None, ...] | None:
    """The outputs' types that do not follow from the inputs', None for those that do."""
    assert node.op is not None
    if node.op.name in _OUTPUTS:
        return _OUTPUTS[node.op.name]
    dtype = node.params.get("dtype")
    if not isinstance(dtype, int):
        return None
    if node.op.name == "topk":
        kind = node.params["ret_typ"]
        return (None, dtype)[:count] if kind == "both" else (dtype if kind == "indices" else None,) * count
    if node.op.name == "_sample_multinomial":
        return (dtype, None)[:count]
    return (dtype,) * count
