"""``mx.operator``: operators written in Python by users, `CustomOp` with `CustomOpProp`, called as ``mx.nd.Custom``.

>>> import mxnet as mx
>>> @mx.operator.register("doc_double")
... class DoubleProp(mx.operator.CustomOpProp):
...     def create_operator(self, ctx, in_shapes, in_dtypes):
...         return Double()
>>> class Double(mx.operator.CustomOp):
...     def forward(self, is_train, req, in_data, out_data, aux):
...         self.assign(out_data[0], req[0], in_data[0] * 2)
...     def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
...         self.assign(in_grad[0], req[0], out_grad[0] * 2)
>>> mx.nd.Custom(mx.nd.array([1.0, 2.0]), op_type="doc_double").asnumpy()
array([2., 4.], dtype=float32)
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _core, autograd, dtypes
from ._core import NDArray
from ._operator_legacy import NDArrayOp, NumpyOp, PythonOp
from .base import MXCallbackList
from .errors import MXNetError, OpNotAvailable, ParameterError, ShapeError

__all__ = [
    "Custom", "CustomOp", "CustomOpProp", "MXCallbackList", "NDArray", "NDArrayOp", "NumpyOp", "OperatorArguments",
    "PythonOp", "get_all_registered_operators", "get_operator_arguments", "register",
]  # fmt: skip

_props: dict[str, type[CustomOpProp]] = {}


class CustomOp:
    """The computation of a custom operator: subclass it and define `forward` and `backward`."""

    def forward(
        self, is_train: bool, req: Sequence[str], in_data: Sequence[Any], out_data: Sequence[Any], aux: Sequence[Any]
    ) -> None:
        """Stores the outputs with `assign`. req: "write", "add" or "null" for each output; aux: mutable states."""
        msg = f"[{type(self).__name__}] a subclass of CustomOp must define forward"
        raise MXNetError(msg)

    def backward(
        self, req: Sequence[str], out_grad: Sequence[Any], in_data: Sequence[Any], out_data: Sequence[Any],
        in_grad: Sequence[Any], aux: Sequence[Any],
    ) -> None:  # fmt: skip
        """Stores the gradients of the inputs with `assign`."""
        msg = f"[{type(self).__name__}] a subclass of CustomOp must define backward to be differentiated"
        raise MXNetError(msg)

    def assign(self, dst: Any, req: str, src: Any) -> None:
        """Stores src into dst as req says: "write" or "inplace" replaces, "add" adds, "null" does nothing."""
        if req == "null":
            return
        if req in ("write", "inplace"):
            dst[:] = src
        elif req == "add":
            dst[:] += src
        else:
            msg = f"[assign] req must be 'write', 'inplace', 'add' or 'null', got {req!r}"
            raise ParameterError(msg)


class CustomOpProp:
    """What is known of a custom operator before it runs: names, shapes, types. Parameters arrive as strings."""

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad

    def list_arguments(self) -> list[str]:
        """Names of the inputs."""
        return ["data"]

    def list_outputs(self) -> list[str]:
        """Names of the outputs."""
        return ["output"]

    def list_auxiliary_states(self) -> list[str]:
        """Names of the mutable states, which follow the inputs in a call."""
        return []

    def infer_shape(self, in_shape: list[list[int]]) -> Any:
        """(input shapes, output shapes, state shapes); by default every output has the first input's shape."""
        return in_shape, (in_shape[0],) * len(self.list_outputs()), ()

    def infer_type(self, in_type: list[Any]) -> Any:
        """(input types, output types, state types); by default all are the first input's."""
        return in_type, [in_type[0]] * len(self.list_outputs()), [in_type[0]] * len(self.list_auxiliary_states())

    def infer_storage_type(self, in_stype: list[str]) -> Any:
        """(input, output, state storage types); dense by default."""
        return in_stype, ["default"] * len(self.list_outputs()), ["default"] * len(self.list_auxiliary_states())

    def infer_storage_type_backward(
        self,
        ograd_stype: list[str],
        in_stype: list[str],
        out_stype: list[str],
        igrad_stype: list[str],
        aux_stype: list[str],
    ) -> Any:
        """Storage types of the gradients; dense by default."""
        return ograd_stype, in_stype, out_stype, ["default"] * len(igrad_stype), aux_stype

    def declare_backward_dependency(self, out_grad: list[int], in_data: list[int], out_data: list[int]) -> list[int]:
        """Which arrays backward reads, by number; kept for programs that override it."""
        return [*(out_grad if self.need_top_grad_ else []), *in_data, *out_data]

    def create_operator(self, ctx: Any, in_shapes: list[list[int]], in_dtypes: list[Any]) -> CustomOp:
        """The CustomOp for these shapes and types."""
        return CustomOp()


def register(reg_name: str) -> Callable[[type[CustomOpProp]], type[CustomOpProp]]:
    """Decorator: makes a CustomOpProp callable as ``mx.nd.Custom(..., op_type=reg_name)``."""

    def take(prop: type[CustomOpProp]) -> type[CustomOpProp]:
        if not (isinstance(prop, type) and issubclass(prop, CustomOpProp)):
            msg = f"[register] {reg_name!r} must be a subclass of CustomOpProp, got {prop!r}"
            raise ParameterError(msg)
        _props[reg_name] = prop
        return prop

    return take


def get_all_registered_operators() -> list[str]:
    """Names of all operators, those of plug-ins and the custom ones included."""
    from . import registry

    return sorted({*registry.list_ops(), *_props})


class OperatorArguments(NamedTuple):
    """What an operator takes: how many things, their names, and their kinds as text."""

    narg: int
    names: list[str]
    types: list[str]


_KINDS = {"bool": "boolean", "ints": "Shape(tuple)", "floats": "tuple of <float>", "str": "string"}


def get_operator_arguments(op_name: str) -> OperatorArguments:
    """The inputs and parameters of an operator, the kinds in MXNet's words.

    >>> get_operator_arguments("LeakyReLU").names[:2]
    ['data', 'gamma']
    """
    from .op.definition import get_op
    from .op.schema import REQUIRED

    opdef = get_op(op_name)
    names = list(opdef.input_names)
    kinds = ["NDArray-or-Symbol[]" if opdef.variadic else "NDArray-or-Symbol"] * len(names)
    for prefix in ("param", "runtime"):
        schema = (getattr(opdef, f"{prefix}_{part}") for part in ("names", "types", "defaults"))
        for name, kind, default in zip(*schema, strict=True):
            names.append(name)
            text = _KINDS.get(kind.kind, kind.kind) + (" or None" if kind.optional else "")
            text = "{" + kind.name + "}" if kind.kind == "str" and "'" in kind.name else text
            kinds.append(f"{text}, required" if default is REQUIRED else f"{text}, optional, default={default!r}")
    return OperatorArguments(len(names), names, kinds)


def Custom(*inputs: Any, op_type: str, out: Any = None, name: str | None = None, **parameters: Any) -> Any:  # noqa: N802
    """Runs the custom operator registered as op_type.

    inputs: its arguments, then its auxiliary states, by position or by name. parameters: handed to the CustomOpProp
    as strings, as MXNet does. Returns an NDArray, or a list of several.
    Raises OpNotAvailable for an unknown op_type, ShapeError and ParameterError for inputs that do not fit.
    """
    prop = _make_prop(op_type, {key: value for key, value in parameters.items() if not _is_array(value)})
    names = [*prop.list_arguments(), *prop.list_auxiliary_states()]
    arrays = _arrange(op_type, names, inputs, {key: value for key, value in parameters.items() if _is_array(value)})
    operator = create_operator(op_type, prop, arrays)
    results = run_operator(operator, arrays)
    if out is not None:
        targets = [out] if _is_array(out) else list(out)
        for target, result in zip(targets, results, strict=True):
            target[:] = result
        return out
    return results[0] if len(results) == 1 else results


class BoundOperator:
    """A CustomOp with what is known of its arrays. out_types: shape and type flag of every output."""

    __slots__ = ("n_arguments", "operator", "out_types")

    def __init__(self, operator: CustomOp, n_arguments: int, out_types: list[tuple[tuple[int, ...], int]]) -> None:
        self.operator = operator
        self.n_arguments = n_arguments
        self.out_types = out_types


def create_operator(op_type: str, prop: CustomOpProp, arrays: Sequence[Any]) -> BoundOperator:
    """The custom operator for arrays of these types: its arguments, then its states."""
    count = len(prop.list_arguments())
    args, aux = list(arrays[:count]), list(arrays[count:])
    out_types = _infer(op_type, prop, args, aux)
    ctx = arrays[0].context
    operator = prop.create_operator(ctx, [list(a.shape) for a in args], [a.dtype for a in args])
    return BoundOperator(operator, count, out_types)


def run_operator(bound: BoundOperator, arrays: Sequence[Any]) -> list[Any]:
    """The outputs; while autograd records, their gradients are what the operator's backward gives."""
    args, aux = list(arrays[: bound.n_arguments]), list(arrays[bound.n_arguments :])
    ctx = arrays[0].context
    device = (ctx.device_typeid, ctx.device_id)
    outputs = [_core.empty(shape, *device, flag) for shape, flag in bound.out_types]
    in_data = [array._detach() for array in args]
    with autograd.pause(autograd.is_training()):
        bound.operator.forward(autograd.is_training(), ["write"] * len(outputs), in_data, outputs, aux)
    results = [output._detach() for output in outputs]
    if autograd.is_recording() and any(array._in_graph for array in args):
        _core.record_custom(args, results, _gradients(bound.operator, in_data, outputs, aux))
    return results


def _is_array(value: Any) -> bool:
    return isinstance(value, _core.NDArray)


def _make_prop(op_type: str, parameters: dict[str, Any]) -> CustomOpProp:
    prop = _props.get(op_type)
    if prop is None:
        near = difflib.get_close_matches(op_type, _props, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        msg = f"[Custom] no custom operator is registered as {op_type!r}.{hint} Use @mx.operator.register({op_type!r})"
        raise OpNotAvailable(msg)
    return prop(**{key: str(value) for key, value in parameters.items()})


def _arrange(op_type: str, names: list[str], positional: Sequence[Any], by_name: dict[str, Any]) -> list[Any]:
    """The arrays in the order of names."""
    given = dict(zip(names, positional, strict=False))
    given.update(by_name)
    unknown = sorted(set(by_name) - set(names))
    lacking = [name for name in names if name not in given]
    if unknown or lacking or len(positional) > len(names):
        raise ParameterError(
            f"[Custom {op_type}] takes the arrays {', '.join(names)}; got {len(positional)} by position"
            + (f", unknown {', '.join(unknown)}" if unknown else "")
            + (f", without {', '.join(lacking)}" if lacking else "")
        )
    for name in names:
        if not _is_array(given[name]):
            msg = f"[Custom {op_type}] {name} must be an NDArray, got {type(given[name]).__name__}"
            raise ParameterError(msg)
    return [given[name] for name in names]


def inferred(op_type: str, prop: CustomOpProp, method: str, given: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    """(of inputs, of outputs, of states): what a property's infer_shape or infer_type makes of its inputs'.

    States may be left out. Raises ShapeError where the lists do not have the lengths of the property's names.
    """
    answer = getattr(prop, method)(given)
    lists = [*answer, []][:3] if isinstance(answer, (list, tuple)) and len(answer) in (2, 3) else []
    wanted = (len(prop.list_arguments()), len(prop.list_outputs()), len(prop.list_auxiliary_states()))
    lengths = tuple(len(part) if isinstance(part, (list, tuple)) else -1 for part in lists)
    if lengths[:2] != wanted[:2] or (lengths[2] != wanted[2] and len(answer) == 3):
        msg = (
            f"[Custom {op_type}] {method} must return lists for {wanted[0]} inputs, {wanted[1]} outputs and {wanted[2]} "
            f"auxiliary states, got {answer!r}"
        )
        raise ShapeError(msg)
    return list(lists[0]), list(lists[1]), list(lists[2])


def _infer(op_type: str, prop: CustomOpProp, args: list[Any], aux: list[Any]) -> list[tuple[tuple[int, ...], int]]:
    """Shape and type flag of every output; checks the inputs against what the property wants."""
    shapes = inferred(op_type, prop, "infer_shape", [list(array.shape) for array in args])
    kinds = inferred(op_type, prop, "infer_type", [array.dtype for array in args])
    for name, array, shape in zip(prop.list_arguments(), args, shapes[0], strict=True):
        if tuple(shape) != array.shape:
            msg = f"[Custom {op_type}] {name} must have shape {tuple(shape)}, got {array.shape}"
            raise ShapeError(msg)
    for name, array, shape in zip(prop.list_auxiliary_states(), aux, shapes[2], strict=False):
        if tuple(shape) != array.shape:
            msg = f"[Custom {op_type}] {name} must have shape {tuple(shape)}, got {array.shape}"
            raise ShapeError(msg)
    return [
        (tuple(map(int, shape)), dtypes.flag_of(np.dtype(kind) if not isinstance(kind, str) else kind))
        for shape, kind in zip(shapes[1], kinds[1], strict=True)
    ]


def _gradients(
    operator: CustomOp, in_data: list[Any], out_data: list[Any], aux: list[Any]
) -> Callable[[Any], list[Any]]:
    def gradients(head_grads: Sequence[Any]) -> list[Any]:
        from .ndarray import zeros_like

        with autograd.pause(True):
            out_grad = [
                zeros_like(out) if head is None else head for head, out in zip(head_grads, out_data, strict=True)
            ]
            in_grad = [zeros_like(array) for array in in_data]
            operator.backward(["write"] * len(in_grad), out_grad, in_data, out_data, in_grad, aux)
        return in_grad

    return gradients
