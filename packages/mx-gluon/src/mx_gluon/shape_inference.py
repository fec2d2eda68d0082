"""Shape inference of parameters: ``hybrid_forward`` is run on values of partly known type.

The inputs' types are known, the parameters' only in part. Every operator call unifies what it knows of its inputs and
outputs, in both directions; the recorded calls are repeated until nothing changes. No array is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from mx_core import ndarray as nd
from mx_core.dtypes import flag_of, numpy_of
from mx_core.errors import ParameterError, ShapeError
from mx_core.op.definition import OpDef, find_op
from mx_core.op.inference import Slot, infer_types

if TYPE_CHECKING:
    from .hybrid_block import HybridBlock
    from .parameter import Parameter

__all__ = ["PartialTracer", "PartialValue", "infer_parameters"]


class PartialValue:
    """An array of partly known type in such a run; behaves like a Symbol in ``hybrid_forward``."""

    __slots__ = ("F", "slot")

    def __init__(self, tracer: PartialTracer, slot: Slot) -> None:
        self.F = tracer
        self.slot = slot

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, where the run knows it already. Raises ShapeError otherwise."""
        if self.slot.shape is None or -1 in self.slot.shape:
            msg = "this shape depends on a parameter whose shape is being inferred; give in_units, in_channels, ..."
            raise ShapeError(msg)
        return self.slot.shape

    @property
    def dtype(self) -> Any:
        """The NumPy type class."""
        return numpy_of(self.slot.dtype or 0).type

    @property
    def context(self) -> Any:
        """The current context."""
        from mx_core.context import current_context

        return current_context()

    ctx = context

    def reshape(self, *shape: Any, **options: Any) -> PartialValue:
        """F.reshape, with the shape as one tuple or several numbers."""
        if shape:
            options["shape"] = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return self.F.reshape(self, **options)

    def astype(self, dtype: Any) -> PartialValue:
        """F.cast."""
        return self.F.cast(self, dtype=dtype)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(getattr(self.F, name), self)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int):
            return self.F.squeeze(self.F.slice_axis(self, axis=0, begin=key, end=key + 1 or None), axis=(0,))
        if isinstance(key, slice) and key.step in (None, 1):
            return self.F.slice_axis(self, axis=0, begin=key.start or 0, end=key.stop)
        msg = f"hybrid_forward may index with numbers and slices of the first axis, got {key!r}; use F.slice"
        raise ParameterError(msg)


def _define_operators() -> None:
    def define(special: str, broadcast: str, scalar: str, reversed_scalar: str | None = None) -> None:
        def forward(self: PartialValue, other: Any) -> Any:
            if isinstance(other, PartialValue):
                return getattr(self.F, broadcast)(self, other)
            return getattr(self.F, scalar)(self, scalar=other)

        setattr(PartialValue, f"__{special}__", forward)
        if reversed_scalar is not None:
            name = reversed_scalar
            setattr(PartialValue, f"__r{special}__", lambda self, other: getattr(self.F, name)(self, scalar=other))

    define("add", "broadcast_add", "_plus_scalar", "_plus_scalar")
    define("sub", "broadcast_sub", "_minus_scalar", "_rminus_scalar")
    define("mul", "broadcast_mul", "_mul_scalar", "_mul_scalar")
    define("truediv", "broadcast_div", "_div_scalar", "_rdiv_scalar")
    define("mod", "broadcast_mod", "_mod_scalar", "_rmod_scalar")
    define("pow", "broadcast_power", "_power_scalar", "_rpower_scalar")
    define("gt", "broadcast_greater", "_greater_scalar")
    define("ge", "broadcast_greater_equal", "_greater_equal_scalar")
    define("lt", "broadcast_lesser", "_lesser_scalar")
    define("le", "broadcast_lesser_equal", "_lesser_equal_scalar")
    define("eq", "broadcast_equal", "_equal_scalar")
    define("ne", "broadcast_not_equal", "_not_equal_scalar")
    setattr(PartialValue, "__neg__", lambda self: self.F.negative(self))  # noqa: B010 - beside its siblings
    setattr(PartialValue, "__hash__", object.__hash__)  # noqa: B010


_define_operators()


class _Call:
    """One recorded operator call."""

    def __init__(self, op: OpDef, inputs: list[Slot | None], params: dict[str, Any], outputs: list[Slot]) -> None:
        self.op = op
        self.inputs = inputs
        self.params = params
        self.outputs = outputs

    def infer(self, alike: bool = False) -> bool:
        """Refines the slots; True if one of them changed.

        Pointwise operators of one input pass shapes back from output to input. ``alike``: assume that those of
        several inputs do not broadcast either, which is what the operators of Symbol mean in MXNet.
        """
        given = ["absent" if slot is None else slot for slot in self.inputs]
        in_types, out_types = infer_types(self.op, self.params, given, self.outputs)
        changed = False
        for slot, found in zip((*self.inputs, *self.outputs), (*in_types, *out_types), strict=True):
            if slot is not None and found is not None and (slot.dtype, slot.shape) != found:
                slot.dtype, slot.shape = found
                changed = True
        pointwise = self.op.opcode is not None or self.op.name == "where"
        if pointwise and (alike or len(self.inputs) == 1):
            changed = self._share_shape() or changed
        return changed

    def _share_shape(self) -> bool:
        slots = [slot for slot in (*self.inputs, *self.outputs) if slot is not None]
        known = next((slot.shape for slot in slots if slot.shape is not None and -1 not in slot.shape), None)
        changed = False
        for slot in slots if known is not None else ():
            fits = slot.shape is None or (
                -1 in slot.shape
                and len(slot.shape) == len(known)
                and all(a in (-1, b) for a, b in zip(slot.shape, known, strict=True))
            )
            if fits:
                slot.shape = known
                changed = True
        return changed


class PartialTracer:
    """The ``F`` of such a run: every operator of ``mx.nd``, also as ``F.contrib.X``, ``F.random.X``, ``F.linalg.X``."""

    def __init__(self, prefixes: tuple[str, ...] = ("",), root: PartialTracer | None = None) -> None:
        self._prefixes = prefixes
        self._root = root or self
        self._calls: list[_Call] = []
        self._parameters: dict[Parameter, PartialValue] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ("contrib", "linalg", "image", "sparse", "op", "_internal"):
            return PartialTracer(
                {"sparse": ("",), "op": ("",), "_internal": ("",)}.get(name, (f"_{name}_",)), self._root
            )
        if name == "random":
            return PartialTracer(("_random_", "_sample_"), self._root)
        for prefix in self._prefixes:
            opdef = find_op(prefix + name)
            if opdef is not None:
                return partial(self._root._record, opdef)
        if name in ("zeros", "ones", "full", "arange"):
            return partial(self._root._record, find_op("_" + name))
        msg = f"hybrid_forward uses F.{name}, which is no operator: shapes cannot be inferred through it"
        raise AttributeError(msg)

    def parameter(self, parameter: Parameter) -> PartialValue:
        """The value that stands for a parameter; unknown dims (0) are -1 in slots."""
        value = self._parameters.get(parameter)
        if value is None:
            shape = parameter.shape
            known = None if shape is None else tuple(d if d > 0 else -1 for d in shape)
            value = self._parameters[parameter] = PartialValue(self, Slot(None, known))
        return value

    def _record(self, opdef: OpDef, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop("name", None)
        kwargs.pop("ctx", None)
        inputs, params = self._bind(opdef, args, kwargs)
        static, _ = opdef.bind_params(params)
        outputs = [Slot() for _ in range(opdef.count_outputs(static))]
        call = _Call(opdef, inputs, params, outputs)
        self._calls.append(call)
        call.infer()
        visible = [PartialValue(self, slot) for slot in outputs[: opdef.count_visible(static)]]
        return visible[0] if len(visible) == 1 else visible

    def _bind(self, opdef: OpDef, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        if opdef.variadic:
            values = list(args[0]) if len(args) == 1 and isinstance(args[0], (list, tuple)) else list(args)
            return [self._slot(value) for value in values], kwargs
        names = opdef.input_names
        given = dict(zip(names, args, strict=False))
        params = dict(zip((*opdef.param_names, *opdef.runtime_names), args[len(names) :], strict=False))
        for key, value in kwargs.items():
            (given if key in names else params)[key] = value
        return [self._slot(given.get(name)) for name in names], params

    def _slot(self, value: Any) -> Slot | None:
        if value is None:
            return None
        if isinstance(value, PartialValue):
            return value.slot
        if isinstance(value, nd.NDArray):
            return Slot(flag_of(value.dtype), value.shape)
        msg = f"hybrid_forward passes {value!r} where an operator takes an array"
        raise ParameterError(msg)

    def _finish(self) -> None:
        for alike in (False, True):
            while any([call.infer(alike) for call in self._calls]):
                pass


def _partial(tracer: PartialTracer, value: Any) -> Any:
    if isinstance(value, nd.NDArray):
        return PartialValue(tracer, Slot(flag_of(value.dtype), value.shape))
    if isinstance(value, (list, tuple)):
        return type(value)(_partial(tracer, item) for item in value)
    return value


def infer_parameters(block: HybridBlock, args: tuple[Any, ...], types: bool = False) -> None:
    """Infers the shapes (``types``: the element types) of the parameters that ``block(*args)`` reads.

    Raises ShapeError where they contradict the inputs; what cannot be inferred stays unknown.
    """
    tracer = PartialTracer()
    block.forward(*[_partial(tracer, arg) for arg in args])
    tracer._finish()
    for parameter, value in tracer._parameters.items():
        slot = value.slot
        if types:
            if slot.dtype is not None:
                parameter.cast(numpy_of(slot.dtype).type)
        elif slot.shape is not None:
            parameter.shape = tuple(0 if d == -1 else d for d in slot.shape)
