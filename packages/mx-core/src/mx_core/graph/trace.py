"""The tracer: what operator bodies and gradient rules call ``F``.

``F.<operator>(...)`` infers types and records a node; identical calls are recorded once. A composition whose nodes
nobody needs as such (no kernel of its name, no gradient rule to keep for differentiation) is not recorded but runs its
body at once, so that its nodes land in the same graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..dtypes import is_float, name_of
from ..errors import MXNetError, ShapeError
from ..op.definition import OpDef, get_op
from ..op.inference import RULE_ERRORS, Inference, infer_with, named_after, unfit
from ..op.params import DType
from ..op.pointwise import OPCODES
from ..op.primitives import BROADCAST, CAST, FULL, REDUCE, VIEW
from .node import Graph, Node, Scalar, Value

__all__ = ["Tracer", "trace_op"]

_MAX_ELEMENTS = (1 << 63) - 1
_NAME_OF_OPCODE = {number: name for name, (number, _, _) in OPCODES.items()}


def _never(opdef: OpDef) -> bool:
    return False


class Tracer:
    """Records operator calls into one graph. keep: which compositions stay one node (default: none)."""

    def __init__(self, graph: Graph, is_train: bool, keep: Callable[[OpDef], bool] = _never) -> None:
        self.graph = graph
        self.is_train = is_train
        self.keep = keep
        self.seen: dict[Any, Node] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        opdef = get_op(name)
        recorder = self.__dict__[name] = partial(_short_way(opdef), self, opdef)
        return recorder

    # -- graph inputs and constants --------------------------------------------------------------------------------

    def add_input(self, dtype: int, shape: tuple[int, ...]) -> Value:
        """A new input of the graph."""
        value = Value(self, None, len(self.graph.inputs), dtype, shape)
        self.graph.inputs.append(value)
        return value

    def full(self, shape: Any, value: Any, dtype: Any = "float32") -> Value:
        """An array filled with value, a number or a runtime scalar."""
        return self.record(FULL, value=value, shape=shape, dtype=dtype)  # type: ignore[no-any-return]

    def zeros(self, shape: Any, dtype: Any = "float32") -> Value:
        """An array of zeros."""
        return self.full(shape, 0.0, dtype)

    def ones(self, shape: Any, dtype: Any = "float32") -> Value:
        """An array of ones."""
        return self.full(shape, 1.0, dtype)

    def _cast(self, data: Value, dtype: Any) -> Value:
        """data converted to dtype; data itself when it has it."""
        flag = dtype if dtype.__class__ is int else DType.parse(dtype)
        return data if data.dtype == flag else self.record(CAST, data, dtype=flag)

    def _view(self, data: Value, shape: Any) -> Value:
        """data with another shape of the same size; views of views are views of their root."""
        shape = tuple(shape)
        if data.node is not None and data.node.op is VIEW:
            data = data.node.inputs[0]
        return data if data.shape == shape else self.record(VIEW, data, shape=shape)

    def _broadcast(self, data: Value, shape: Any) -> Value:
        """data repeated to shape; data itself when it has that shape."""
        shape = tuple(shape)
        return data if data.shape == shape else self.record(BROADCAST, data, shape=shape)

    def _sum_to(self, value: Value, shape: tuple[int, ...]) -> Value:
        """value summed over the dimensions that broadcasting from shape repeated: the gradient of a broadcast."""
        if value.shape == shape:
            return value
        lead = len(value.shape) - len(shape)
        axes = [i for i, dim in enumerate(value.shape) if i < lead or (dim != 1 and shape[i - lead] == 1)]
        reduced = self.record(REDUCE, value, op="sum", axes=tuple(axes)) if axes else value
        return reduced.reshape(shape)

    def broadcast_shape(self, *values: Value) -> tuple[int, ...]:
        """The shape that the values broadcast to."""
        t = Inference(VIEW, values)
        shape = values[0].shape
        for value in values[1:]:
            shape = t.broadcast_shapes(shape, value.shape)  # type: ignore[assignment]
        return shape

    # -- recording -------------------------------------------------------------------------------------------------

    def record(self, opdef: OpDef, *args: Any, **kwargs: Any) -> Any:
        """Call opdef: a value, or a tuple of the visible outputs."""
        inputs, kwargs = self._bind(opdef, args, kwargs)
        if opdef.opcode is not None and not all([i.__class__ is Value for i in inputs]):
            if inputs and not any([i.__class__ is Value for i in inputs]):
                return self._scalar_call(opdef, inputs)
            inputs = self._numbers_to_values(opdef, inputs)
        static, runtime = opdef.bind_params(kwargs)
        outputs = self.call(opdef, inputs, static, runtime)
        if len(outputs) == 1:
            return outputs[0]
        count = opdef.count_visible(static)
        return outputs[0] if count == 1 else outputs[:count]

    def call(
        self, opdef: OpDef, inputs: Sequence[Any], static: dict[str, Any], runtime: tuple[Any, ...]
    ) -> tuple[Value, ...]:
        """As record, of bound inputs and parameters; every output."""
        if opdef.has_body and not self.keep(opdef):
            outputs = self.run_body(opdef, inputs, static, runtime)
        else:
            outputs = self._node(opdef, tuple(inputs), static, runtime).outputs
        for index, number in opdef.written_inputs(static).items() if opdef.writes else ():
            target, value = inputs[index], outputs[number]
            if target.__class__ is not Value or value is target:
                continue
            if (target.dtype, target.shape) != (value.dtype, value.shape):
                msg = (
                    f"[{opdef.name}] input number {index} is overwritten and must have the new value's type "
                    f"{name_of(value.dtype)} {value.shape}, got {name_of(target.dtype)} {target.shape}"
                )
                raise ShapeError(msg)
            if target.node is None:
                self.graph.writes[target.index] = value
        return outputs

    def run_body(
        self, opdef: OpDef, inputs: Sequence[Any], static: dict[str, Any], runtime: tuple[Any, ...]
    ) -> tuple[Value, ...]:
        """Run opdef's body on this tracer; its outputs as a tuple."""
        names = opdef.runtime_names
        params = {**static, **dict(zip(names, runtime, strict=True))} if names else static
        try:
            result = opdef.function(self, *([list(inputs)] if opdef.variadic else inputs), **params)
        except MXNetError as error:
            raise named_after(opdef, error) from error.__cause__
        except RULE_ERRORS as error:
            raise unfit(opdef, inputs, params, error) from error
        outputs = (result,) if result.__class__ is Value else tuple(result) if result is not None else ()
        if len(outputs) != opdef.count_outputs(static) or not all([o.__class__ is Value for o in outputs]):
            msg = f"[{opdef.name}] its body must return {opdef.count_outputs(static)} arrays, got {result!r}"
            raise MXNetError(msg)
        return outputs

    def record_floats(self, opdef: OpDef, *inputs: Any, **kwargs: Any) -> Any:
        """As record, short for what most calls in bodies are: arithmetic on floating arrays of one type, and a number."""
        count, scalar_name, static, marks = opdef.pointwise_facts
        first = inputs[0] if len(inputs) == count and len(kwargs) == (scalar_name is not None) else None
        if first.__class__ is not Value or not is_float(first.dtype):
            return self.record(opdef, *inputs, **kwargs)
        scalars: tuple[Any, ...] = ()
        if scalar_name is not None:
            number = kwargs.get(scalar_name)
            if number.__class__ is not float and number.__class__ is not Scalar:
                return self.record(opdef, *inputs, **kwargs)
            scalars = (number,)
            key = (id(opdef), id(first), *marks, number)
        elif count == 1:
            key = (id(opdef), id(first))
        else:
            other = inputs[1]
            if other.__class__ is not Value or other.dtype != first.dtype or other.shape != first.shape:
                return self.record(opdef, *inputs)
            key = (id(opdef), id(first), id(other))
        node = self.seen.get(key)
        if node is None:
            node = self.seen[key] = Node(opdef, inputs, static, scalars)
            node.outputs = (Value(self, node, 0, first.dtype, first.shape),)
            self.graph.nodes.append(node)
        return node.outputs[0]

    def _bind(
        self, opdef: OpDef, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Sequence[Any], dict[str, Any]]:
        """Flat inputs, and keyword parameters: MXNet's order is inputs first, then parameters."""
        if opdef.variadic:
            inputs = args[0] if len(args) == 1 and args[0].__class__ in (list, tuple) else args
            return inputs, kwargs
        names = opdef.input_names
        count = len(names)
        if len(args) > count:
            kwargs = {**dict(zip(opdef.call_order, args[count:], strict=False)), **kwargs}
            args = args[:count]
        elif len(args) < count:
            missing = object()
            rest = [kwargs.get(name, missing) for name in names[len(args) :]]
            kwargs = {key: value for key, value in kwargs.items() if key not in names}
            for i, value in enumerate(rest, len(args)):
                if value is missing and not opdef.optional_inputs[i]:
                    msg = f"[{opdef.name}] input {names[i]} is required"
                    raise MXNetError(msg)
            args = (*args, *[None if value is missing else value for value in rest])
        return args, kwargs

    def _scalar_call(self, opdef: OpDef, inputs: Sequence[Any]) -> Any:
        """A pointwise operator of numbers and runtime scalars is a runtime scalar."""
        operands = [i.key if isinstance(i, Scalar) else float(i) for i in inputs]
        return Scalar((_NAME_OF_OPCODE[opdef.opcode or 0], *(reversed(operands) if opdef.reversed else operands)))

    def _numbers_to_values(self, opdef: OpDef, inputs: Sequence[Any]) -> list[Any]:
        """Numbers in the place of arrays, as in F.where(mask, x, 0), become 0-d constants of the arrays' type."""
        dtype = [i.dtype for i in inputs if i.__class__ is Value][-1]
        return [
            i if i is None or i.__class__ is Value else self.record(FULL, value=i, shape=(), dtype=dtype)
            for i in inputs
        ]

    def _node(self, opdef: OpDef, inputs: tuple[Any, ...], static: dict[str, Any], runtime: tuple[Any, ...]) -> Node:
        unique = opdef.random or opdef.writes
        key = (id(opdef), *[id(i) for i in inputs], *static.values(), *runtime)
        if not unique and key in self.seen:
            return self.seen[key]
        body = None
        if opdef.infer_rule is not None or opdef.opcode is not None:
            params = static if not runtime else {**static, **dict(zip(opdef.runtime_names, runtime, strict=True))}
            arguments: Any = [list(inputs)] if opdef.variadic else inputs
            types: Sequence[Any] = infer_with(opdef, Inference(opdef, arguments), arguments, params)
        elif opdef.has_body:
            present = [None if i is None else (i.dtype, i.shape) for i in inputs]
            body = _trace(opdef, static, runtime, present, Tracer(Graph(opdef.name), self.is_train, self.keep), True)
            types = body.outputs
        else:
            msg = f"[{opdef.name}] has neither a body nor an inference rule; give it one: @{opdef.name}.infer"
            raise MXNetError(msg)
        node = Node(opdef, inputs, static, runtime)
        node.body = body
        node.outputs = tuple([self._output(node, i, slot) for i, slot in enumerate(types)])
        self.graph.nodes.append(node)
        if not unique:
            self.seen[key] = node
        return node

    def _output(self, node: Node, index: int, slot: Any) -> Value:
        shape = slot.shape
        if slot.dtype is None or shape is None or -1 in shape:
            msg = f"[{node.op.name}] cannot tell the type of output {index} from its inputs"
            raise ShapeError(msg)
        if math.prod(shape) > _MAX_ELEMENTS or len(shape) > 32:
            msg = f"[{node.op.name}] an output of shape {shape} is too large: at most 32 dimensions and 2**63 - 1 elements"
            raise ShapeError(msg)
        if shape and min(shape) < 0:
            msg = f"[{node.op.name}] an output would have the negative size of shape {shape}"
            raise ShapeError(msg)
        return Value(self, node, index, slot.dtype, shape)

    def expand(self, node: Node, inputs: tuple[Any, ...]) -> tuple[Value, ...]:
        """The body of a composition of another graph on this one's values."""
        if node.body is None:
            return self.run_body(node.op, inputs, node.params, node.scalars)
        known: dict[Any, Any] = dict(zip(node.body.inputs, [i for i in inputs if i is not None], strict=True))
        known[None] = None
        for inner in node.body.nodes:
            known.update(
                zip(inner.outputs, self.copy_node(inner, tuple([known[i] for i in inner.inputs])), strict=True)
            )
        return tuple([known[value] for value in node.body.outputs])

    def copy_node(self, node: Node, inputs: tuple[Any, ...]) -> tuple[Value, ...]:
        """Record a node of another graph on this one's values; a composition that is not kept runs its body."""
        opdef = node.op
        if opdef.has_body and not self.keep(opdef):
            return self.expand(node, inputs)
        unique = opdef.random or opdef.writes
        key = (id(opdef), *[id(i) for i in inputs], *node.params.values(), *node.scalars)
        known = None if unique else self.seen.get(key)
        if known is None:
            known = Node(opdef, inputs, node.params, node.scalars)
            known.body = node.body
            known.outputs = tuple([Value(self, known, o.index, o.dtype, o.shape) for o in node.outputs])
            self.graph.nodes.append(known)
            if not unique:
                self.seen[key] = known
        return known.outputs


def _short_way(opdef: OpDef) -> Callable[..., Any]:
    """How calls of opdef are recorded; says so for record_floats once: (inputs, its number, parameters, their key)."""
    known = opdef.__dict__.get("pointwise_facts")
    if known is None:
        known = ()
        if opdef.opcode is not None and not opdef.has_body and (opdef.infer_rule is None or opdef.keeps_floats):
            static = dict(zip(opdef.param_names, opdef.param_defaults, strict=True))
            number = opdef.runtime_names[0] if opdef.runtime_names else None
            count = len(opdef.input_names)
            if (count == 1 or (count == 2 and number is None)) and (number is not None or not static):
                known = (count, number, static, tuple(static.values()))
        opdef.__dict__["pointwise_facts"] = known
    return Tracer.record_floats if known else Tracer.record


def trace_op(
    opdef: OpDef,
    static: dict[str, Any],
    runtime: tuple[Any, ...],
    in_types: Sequence[Any],
    is_train: bool,
    keep: Callable[[OpDef], bool] = _never,
    n_scalars: int | None = None,
) -> Graph:
    """The graph of one call; its inputs are the present ones.

    in_types: ``(dtype, shape)``, or None for an absent input.  n_scalars: with those of tuples, default len(runtime).
    """
    count = len(runtime) if n_scalars is None else n_scalars
    tracer = Tracer(Graph(opdef.name, count), is_train, keep)
    return _trace(opdef, static, runtime, in_types, tracer, False)


def _trace(
    opdef: OpDef,
    static: dict[str, Any],
    runtime: tuple[Any, ...],
    in_types: Sequence[Any],
    tracer: Tracer,
    body: bool,
) -> Graph:
    """The tracer's graph after one call, or after the body of one."""
    inputs: list[Any] = [None if given is None else tracer.add_input(given[0], tuple(given[1])) for given in in_types]
    if not opdef.variadic:
        inputs += [None] * (len(opdef.input_names) - len(inputs))
    call = tracer.run_body if body else tracer.call
    tracer.graph.outputs = list(call(opdef, inputs, static, runtime))
    return tracer.graph
