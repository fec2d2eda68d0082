"""What graphs know of an operator beside its definition: which inputs a call has, and MXNet's names of outputs.

Symbol files leave absent inputs out and number all outputs, hidden ones included, as MXNet counts them. Both follow
from the parameters by the rules below; they are keyed by names, so operators of plug-ins that name their inputs and
parameters alike are understood too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..op.definition import OpDef
    from .node import SymbolNode

__all__ = [
    "input_is_present", "listed_outputs", "output_names", "present_inputs", "variable_attrs", "variadic_names",
    "variadic_number",
]  # fmt: skip

# An optional input -> the parameter that decides whether it is there, and how.
_PRESENT: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "bias": ("no_bias", lambda absent: not absent),
    "trans": ("no_trans", lambda absent: not absent),
    "sequence_length": ("use_sequence_length", bool),
    "data_lengths": ("use_data_lengths", bool),
    "label_lengths": ("use_label_lengths", bool),
    "length": ("use_length", bool),
    "gamma": ("act_type", lambda kind: kind == "prelu"),
    "state_cell": ("mode", lambda mode: mode == "lstm"),
    "like": ("mode", lambda mode: mode == "like"),
    "bins": ("bin_cnt", lambda count: count is None),
}


def input_is_present(opdef: OpDef, number: int, params: dict[str, Any]) -> bool:
    """Whether input `number` belongs to a call with these parameters."""
    if not opdef.optional_inputs[number]:
        return True
    name, rule = _PRESENT.get(opdef.input_names[number], ("", bool))
    return name in params and rule(params[name])


def present_inputs(opdef: OpDef, params: dict[str, Any]) -> list[int]:
    """The numbers of the inputs of a call with these parameters; all of an operator that is not variadic."""
    return [number for number in range(len(opdef.input_names)) if input_is_present(opdef, number, params)]


def variadic_names(opdef: OpDef, params: dict[str, Any]) -> tuple[str, ...]:
    """Names of the inputs that a variadic operator makes variables for, where it has such."""
    return ("data", "weight") if opdef.name == "UpSampling" and params["sample_type"] == "bilinear" else ()


def variadic_number(opdef: OpDef, key: str) -> int | None:
    """The number of a variadic operator's input that is given by name: arg0, arg1, ..., as in MXNet."""
    if opdef.name == "UpSampling" and key in ("data", "weight"):
        return int(key == "weight")
    digits = key.removeprefix("arg")
    return int(digits) if digits != key and digits.isdecimal() and len(digits) < 6 else None


# -- variables that operators make ----------------------------------------------------------------------------------

_BATCH_NORMS = ("BatchNorm", "BatchNorm_v1", "_contrib_BatchNormWithReLU", "_contrib_SyncBatchNorm")
_INIT: dict[tuple[str, str | int], str] = {
    **{(name, "moving_mean"): '["zero", {}]' for name in _BATCH_NORMS},
    **{(name, "moving_var"): '["one", {}]' for name in _BATCH_NORMS},
    ("IdentityAttachKLSparseReg", "moving_avg"): '["zero", {}]',
    ("LeakyReLU", "gamma"): '["Constant", {"value": 0.25}]',
    ("UpSampling", 1): '["bilinear", {}]',
}


def variable_attrs(opdef: OpDef, number: int) -> dict[str, str]:
    """Attributes that an operator gives to a variable at one of its inputs, unless it has them."""
    init = _INIT.get((opdef.name, number if opdef.variadic else opdef.input_names[number]))
    return {} if init is None else {"__init__": init}


# -- outputs ---------------------------------------------------------------------------------------------------------

_RANGES = ("output", "min_output", "max_output")
_OUTPUT_NAMES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_BATCH_NORMS, ("output", "mean", "var")),
    "LayerNorm": ("output", "mean", "std"),
    "GroupNorm": ("output", "mean", "std"),
    "InstanceNorm": ("output", "mean", "var"),
    "RNN": ("output", "state_output", "statecell_output"),
    "Dropout": ("output", "mask"),
    "Pooling": ("output", "workspace"),
    "LeakyReLU": ("output", "mask"),
    "BilinearSampler": ("output", "tmp"),
    "Correlation": ("output", "tmp1", "tmp2"),
    "GridGenerator": ("output", "grid_dst"),
    "L2Normalization": ("output", "norm"),
    "LRN": ("output", "tmp_norm"),
    "SpatialTransformer": ("output", "grid", "grid_src"),
    "ROIPooling": ("output", "maxidx"),
    "make_loss": ("loss",),
    "MakeLoss": ("output",),
    "_contrib_MultiBoxTarget": ("loc_target", "loc_mask", "cls_target"),
    "_contrib_Proposal": ("output", "score"),
    "_contrib_MultiProposal": ("output", "score"),
    "_contrib_DeformablePSROIPooling": ("output", "top_count"),
    "_contrib_calibrate_entropy": ("threshold", "divergence"),
    "_contrib_hawkesll": ("output", "out_state"),
    "_contrib_quantize_asym": ("output", "scale", "shift"),
    **dict.fromkeys(
        (
            "_contrib_quantized_act", "_contrib_quantized_batch_norm", "_contrib_quantized_concat",
            "_contrib_quantized_conv", "_contrib_quantized_elemwise_add", "_contrib_quantized_elemwise_mul",
            "_contrib_quantized_embedding", "_contrib_quantized_flatten", "_contrib_quantized_fully_connected",
            "_contrib_quantized_pooling",
        ),
        _RANGES,
    ),
}  # fmt: skip

# Outputs that MXNet computes and hides where our definitions need none, or others: they only count in files.
_TOTALS = {
    "BilinearSampler": 2, "CTCLoss": 2, "Correlation": 3, "GridGenerator": 2, "InstanceNorm": 3, "L2Normalization": 2,
    "LRN": 2, "SpatialTransformer": 3, "_contrib_BatchNormWithReLU": 4, "_contrib_box_nms": 2, "_linalg_det": 3,
    "_linalg_slogdet": 4, "ROIPooling": 2, "sort": 2, "IdentityAttachKLSparseReg": 1,
    "_contrib_DeformablePSROIPooling": 2, "_contrib_MultiProposal": 2, "_contrib_Proposal": 2,
}  # fmt: skip


def listed_outputs(node: SymbolNode) -> int:
    """The number of outputs that MXNet counts for a node: what symbol files number."""
    if node.op is None:
        return 1
    if node.op.name == "topk":
        return 2 if node.params["ret_typ"] in ("both", "value") else 1
    if node.op.name == "Pooling":
        params = node.params
        return 2 if params["pool_type"] == "max" and params["kernel"] and not _is_nhwc(params["layout"]) else 1
    if node.op.name == "LeakyReLU":
        return 2 if node.params["act_type"] == "rrelu" else 1
    return _TOTALS.get(node.op.name) or node.count_outputs() - len(node.written_inputs())


def _is_nhwc(layout: str | None) -> bool:
    return layout is not None and layout.endswith("C")


def output_names(node: SymbolNode) -> list[str]:
    """The names of the outputs that users see: ``fc1_output``; a variable's is its own."""
    if node.op is None:
        return [node.name]
    visible = node.count_visible()
    known = node_output_names(node)
    if known is None:
        known = ("output",) if listed_outputs(node) == 1 else tuple(f"output{i}" for i in range(visible))
    if visible == 1 and node.op.name == "SliceChannel":
        known = ("output0",)  # the only operator that numbers a single output
    return [f"{node.name}_{name}" if node.name else name for name in known[:visible]]


def node_output_names(node: SymbolNode) -> tuple[str, ...] | None:
    """The names of outputs that are not numbered."""
    assert node.op is not None
    return node.params.get("output_names") if node.op.name == "Custom" else _OUTPUT_NAMES.get(node.op.name)
