"""How operators are defined: ``from mx_core.op import op, Tensor, Positive, ...`` (see definition.py).

Bodies and rules may use the primitives of primitives.py besides every other operator.
"""

from __future__ import annotations

from . import primitives  # noqa: E402, F401 - defines the primitives that the compiler knows
from .definition import (
    Aux,
    Hidden,
    OpDef,
    Tensor,
    find_op,
    get_op,
    isolated_registry,
    op,
    register,
    registered_ops,
    registering,
)
from .inference import Inference, Slot, infer_types
from .params import (
    Axes,
    Axis,
    DType,
    Enum,
    Floats,
    Ints,
    Negative,
    NonNegative,
    Optional,
    OptionalInts,
    ParamType,
    Positive,
    Range,
    Runtime,
    Shape,
)

__all__ = [
    "Aux", "Axes", "Axis", "DType", "Enum", "Floats", "Hidden", "Inference", "Ints", "Negative", "NonNegative", "OpDef",
    "Optional", "OptionalInts", "ParamType", "Positive", "Range", "Runtime", "Shape", "Slot", "Tensor", "find_op",
    "get_op", "infer_types", "isolated_registry", "op", "register", "registered_ops", "registering",
]  # fmt: skip
