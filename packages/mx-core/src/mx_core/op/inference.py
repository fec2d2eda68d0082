"""Two-way inference of element types and shapes, and the place where shapes and types are validated.

An ``infer`` rule gets ``t`` (an Inference) and one slot per input (None for an absent one, a list for a variadic input).
A slot has ``.dtype`` (type flag or None) and ``.shape`` (None, or a tuple with -1 for unknown dims). The rule refines
slots through ``t.unify_*`` and returns the output slots: ``t.like(data)``, ``t.out(shape, dtype)``, or a tuple of them.
Outputs that are known already flow back, since ``t.like(data)`` *is* data's slot; other rules read ``t.outputs``.

For complete inputs (every eager call) the graph's own values serve as slots: nothing is copied, unify only compares.
A rule that cannot say anything before some shape is known calls ``t.require(data)`` first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ..dtypes import FLOAT32, is_float, name_of
from ..errors import DTypeError, MXNetError, ParameterError, ShapeError
from .pointwise import OPCODES

if TYPE_CHECKING:
    from .definition import OpDef

__all__ = ["RULE_ERRORS", "Inference", "Slot", "infer_types", "infer_with", "is_complete", "named_after", "unfit"]

_MAX = (1 << 63) - 1
_WHERE = OPCODES["where"][0]
Shape = tuple[int, ...]


class Slot:
    """The partial type of one input or output."""

    __slots__ = ("dtype", "shape")

    def __init__(self, dtype: int | None = None, shape: Shape | None = None) -> None:
        self.dtype = dtype
        self.shape = shape

    @property
    def ndim(self) -> int | None:
        return None if self.shape is None else len(self.shape)

    def __repr__(self) -> str:
        return f"Slot({None if self.dtype is None else name_of(self.dtype)}, {self.shape})"


class _Incomplete(Exception):  # noqa: N818 - not an error: inference stops here for now
    pass


def is_complete(shape: Shape | None) -> bool:
    """True when every dim is known."""
    return shape is not None and -1 not in shape


class Inference:
    """One inference of one operator: what rules call ``t``."""

    __slots__ = ("changed", "inputs", "opdef", "outputs")

    def __init__(self, opdef: OpDef, inputs: Sequence[Any], outputs: Sequence[Slot] = ()) -> None:
        self.opdef = opdef
        self.inputs = inputs
        self.outputs = outputs  # what is known of the outputs on entry; empty in eager calls
        self.changed = False

    # -- failures --------------------------------------------------------------------------------------------------

    def name_of(self, slot: Any) -> str:
        """The input's name, for messages."""
        names = self.opdef.input_names
        for i, given in enumerate(self.inputs):
            if given is slot:
                return names[i] if i < len(names) else "input"
            if given.__class__ is list and any(item is slot for item in given):
                return f"{names[i]}[{next(k for k, item in enumerate(given) if item is slot)}]"
        return "output"

    def fail_shape(self, text: str) -> NoReturn:
        """Raise ShapeError: ``[op] text``."""
        msg = f"[{self.opdef.name}] {text}"
        raise ShapeError(msg)

    def fail_dtype(self, text: str) -> NoReturn:
        """Raise DTypeError: ``[op] text``."""
        msg = f"[{self.opdef.name}] {text}"
        raise DTypeError(msg)

    def fail(self, text: str) -> NoReturn:
        """Raise ParameterError: ``[op] text``, for parameters that do not fit the inputs."""
        msg = f"[{self.opdef.name}] {text}"
        raise ParameterError(msg)

    def require(self, *slots: Any) -> None:
        """Go on only if these slots' shapes and types are complete; otherwise infer nothing yet."""
        for slot in slots:
            if slot is not None and (slot.dtype is None or not is_complete(slot.shape)):
                raise _Incomplete

    def require_shape(self, *slots: Any) -> None:
        """As require, of shapes only."""
        for slot in slots:
            if slot is not None and not is_complete(slot.shape):
                raise _Incomplete

    # -- unify -----------------------------------------------------------------------------------------------------

    def unify_shape(self, slot: Any, shape: Shape | None, why: str = "") -> Shape | None:
        """Make slot's shape and shape agree (-1 and None agree with anything); the refined shape.

        why: how the expectation came about, for the message: ``"(num_hidden, 784)"``.
        """
        mine = slot.shape
        if shape is None or mine == shape:
            return mine  # type: ignore[no-any-return]
        if mine is None:
            slot.shape = shape = tuple(shape)
            self.changed = True
            return shape
        if len(mine) == len(shape):
            merged = tuple([b if a == -1 else a for a, b in zip(mine, shape, strict=True)])
            if all(b == -1 or a == b for a, b in zip(merged, shape, strict=True)):
                if merged != mine:
                    slot.shape = merged
                    self.changed = True
                return merged
        return self._wrong_shape(slot, shape, why)

    def _wrong_shape(self, slot: Any, shape: Shape, why: str) -> NoReturn:
        mine = slot.shape
        expected = f"{why} = {_show(shape)}" if why else _show(shape)
        hint = " Did you mean its transpose?" if len(mine) == 2 and mine == tuple(shape)[::-1] else ""
        self.fail_shape(f"{self.name_of(slot)} must have shape {expected}, got {_show(mine)}.{hint}")

    def unify_dtype(self, slot: Any, dtype: int | None, why: str = "") -> int | None:
        """Make slot's element type and dtype agree; the refined type flag."""
        mine = slot.dtype
        if dtype is None or mine == dtype:
            return mine  # type: ignore[no-any-return]
        if mine is None:
            slot.dtype = dtype
            self.changed = True
            return dtype
        reason = f" ({why})" if why else ""
        return self.fail_dtype(
            f"{self.name_of(slot)} must have element type {name_of(dtype)}{reason}, got {name_of(mine)}. "
            f"Cast it: .astype('{name_of(dtype)}')"
        )

    def unify(self, slot: Any, other: Any) -> None:
        """Make two slots agree in both directions."""
        if slot is other or slot is None or other is None:
            return
        self.unify_dtype(slot, other.dtype)
        self.unify_dtype(other, slot.dtype)
        self.unify_shape(slot, other.shape)
        self.unify_shape(other, slot.shape)

    def same_dtype(self, *slots: Any) -> int | None:
        """All (present) slots have one element type; that type flag, or None when unknown."""
        known = first = None
        for slot in slots:
            if slot is not None and slot.dtype is not None:
                known, first = slot.dtype, slot
                break
        if known is not None:
            for slot in slots:
                if slot is not None and slot.dtype != known:
                    self.unify_dtype(slot, known, f"as {self.name_of(first)}")
        return known

    def same_shape(self, *slots: Any) -> Shape | None:
        """All (present) slots have one shape; that shape as far as known."""
        present = [slot for slot in slots if slot is not None]
        shape = present[0].shape
        for slot in present[1:]:
            shape = self.unify_shape(slot, shape, f"of {self.name_of(present[0])}")
        for slot in present[:-1]:
            if slot.shape != shape:
                self.unify_shape(slot, shape)
        return shape  # type: ignore[no-any-return]

    def like(self, slot: Any, *others: Any) -> Any:
        """The output has slot's type; so have the other slots."""
        if others:
            self.same_dtype(slot, *others)
            self.same_shape(slot, *others)
        return slot

    def out(self, shape: Iterable[int] | None, dtype: int | None) -> Slot:
        """An output of this (possibly partial) type."""
        return Slot(dtype, None if shape is None else tuple(shape))

    # -- shapes ----------------------------------------------------------------------------------------------------

    def broadcast(self, *slots: Any, dtype: int | None = None) -> Slot:
        """The output of an elementwise operator by NumPy's rules; inputs have one type (dtype: the output's, if not
        theirs)."""
        common = self.same_dtype(*slots)
        shape = slots[0].shape
        for slot in slots[1:]:
            if slot is not None and slot.shape != shape:
                shape = self.broadcast_shapes(shape, slot.shape)
        return Slot(common if dtype is None else dtype, shape)

    def broadcast_shapes(self, a: Shape | None, b: Shape | None) -> Shape | None:
        """The shape that a and b broadcast to, None when it cannot be known yet."""
        if a is None or b is None:
            return None
        if a == b and -1 not in a:
            return a
        longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
        result = list(longer)
        offset = len(longer) - len(shorter)
        for i, dim in enumerate(shorter):
            other = longer[offset + i]
            if dim == other or dim == 1:
                continue
            if other == 1:
                result[offset + i] = dim
            elif dim == -1 or other == -1:
                result[offset + i] = max(dim, other)
            else:
                self.fail_shape(
                    f"shapes {_show(a)} and {_show(b)} do not broadcast: dimensions must be equal or 1, counted from the "
                    "last. Use expand_dims, reshape or transpose"
                )
        return tuple(result)

    def axis(self, axis: int, ndim: int, name: str = "axis") -> int:
        """axis counted from the front; raises ParameterError outside of [-ndim, ndim)."""
        if not -ndim <= axis < ndim:
            self.fail(f"{name} must be in [{-ndim}, {ndim}) for {ndim} dimensions, got {axis}")
        return axis + ndim if axis < 0 else axis

    def axes(self, axes: Iterable[int] | int | None, ndim: int, name: str = "axis", exclude: bool = False) -> Shape:
        """Sorted axes counted from the front; None or () means all of them; exclude: all the others."""
        if axes is None:
            chosen: set[int] = set()
        else:
            given = (axes,) if isinstance(axes, int) else tuple(axes)
            chosen = {self.axis(axis, ndim, name) for axis in given}
            if len(chosen) != len(given):
                self.fail(f"{name} must not repeat a dimension, got {given}")
        everything = range(ndim)
        if not chosen:
            return () if exclude and axes else tuple(everything)
        return tuple([axis for axis in everything if (axis in chosen) != exclude])

    def reduced(self, shape: Shape, axes: Iterable[int], keepdims: bool) -> Shape:
        """shape without axes (normalised), or with 1 in their place."""
        gone = frozenset(axes)
        if keepdims:
            return tuple([1 if i in gone else dim for i, dim in enumerate(shape)])
        return tuple([dim for i, dim in enumerate(shape) if i not in gone])

    def product(self, dims: Iterable[int]) -> int:
        """The product of dims in checked 64-bit arithmetic; -1 if one is unknown."""
        result = 1
        for dim in dims:
            if dim == -1:
                return -1
            result *= dim
        if result > _MAX:
            self.fail_shape(f"a size of {result} elements does not fit 64 bits")
        return result

    def ndim(self, slot: Any, *allowed: int) -> int | None:
        """slot's number of dimensions (None if unknown), which must be one of allowed."""
        if slot.shape is None:
            return None
        count = len(slot.shape)
        if allowed and count not in allowed:
            wanted = " or ".join(map(str, allowed))
            self.fail_shape(f"{self.name_of(slot)} must have {wanted} dimensions, got shape {_show(slot.shape)}")
        return count

    def float_type(self, slot: Any) -> int | None:
        """slot's type flag, which must be a floating one."""
        if slot.dtype is not None and not is_float(slot.dtype):
            self.fail_dtype(
                f"{self.name_of(slot)} must have a floating element type, got {name_of(slot.dtype)}. "
                "Cast it: .astype('float32')"
            )
        return slot.dtype  # type: ignore[no-any-return]


def _show(shape: Iterable[int]) -> str:
    return str(tuple(shape)).replace("-1", "?")


# What Python raises in a rule that met inputs nobody thought of.
RULE_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def unfit(opdef: OpDef, inputs: Sequence[Any], params: dict[str, Any], error: Exception) -> MXNetError:
    """The error for inputs that an operator's rule or body fails on without a reason of its own."""
    flat = inputs[0] if opdef.variadic and len(inputs) == 1 and inputs[0].__class__ is list else inputs
    types = [
        f"{'?' if slot.dtype is None else name_of(slot.dtype)} {'?' if slot.shape is None else _show(slot.shape)}"
        if hasattr(slot, "shape")
        else str(slot)
        for slot in flat
    ]
    given = "".join([f", {name}={value!r}" for name, value in params.items()])
    return ShapeError(
        f"[{opdef.name}] does not take inputs of these types with these parameters: {', '.join(types) or 'none'}{given} "
        f"({type(error).__name__}: {error}). Compare them with help(mx.nd.{opdef.name})"
    )


def named_after(opdef: OpDef, error: MXNetError) -> MXNetError:
    """The error of a part (a primitive that users do not see) under the name of the operator whose body called it."""
    from .definition import find_registered  # not at the top: it imports this module
    from .parts import is_part

    part, closed, rest = str(error).partition("] ")
    inner = find_registered(part[1:]) if closed and part.startswith("[_") else None
    if inner is None or inner is opdef or not is_part(inner):
        return error
    return type(error)(f"[{opdef.name}] {rest}")


def infer_with(opdef: OpDef, t: Inference, inputs: Sequence[Any], params: dict[str, Any]) -> tuple[Any, ...]:
    """Run opdef's rule once; the output slots as a tuple."""
    rule = opdef.infer_rule
    if rule is None:
        if len(inputs) == 1:
            return (inputs[0],)
        if opdef.opcode == _WHERE:  # the condition may have a type of its own
            made = t.broadcast(*inputs[1:])
            made.shape = t.broadcast_shapes(inputs[0].shape, made.shape)
            return (made,)
        return (t.broadcast(*inputs),)
    accepted = opdef.infer_params
    if accepted is not None and len(accepted) != len(params):
        params = {name: params[name] for name in accepted if name in params}
    try:
        result = rule(t, *inputs, **params)
    except MXNetError:
        raise
    except RULE_ERRORS as error:
        raise unfit(opdef, inputs, params, error) from error
    if result.__class__ is tuple:
        return result
    return tuple(result) if result.__class__ is list else (result,)


def infer_types(
    opdef: OpDef,
    params: dict[str, Any],
    in_slots: Sequence[Any],
    out_slots: Sequence[Any] | None = None,
    bound: tuple[dict[str, Any], tuple[Any, ...]] | None = None,
) -> tuple[list[Any], list[Any]]:
    """Refine partly known types until nothing changes.

    in_slots, out_slots: Slot, ``(dtype, shape)`` or None (unknown) each; an absent optional input is the string
    ``"absent"``. params: the operator's parameters (missing ones take their defaults); bound: what bind_params made of
    them, where that is known.
    Returns (in_types, out_types), lists of ``(dtype or None, shape or None)``; absent inputs are None.
    Raises ShapeError and DTypeError where the given types contradict the operator or each other.
    """
    static, runtime = opdef.bind_params(params) if bound is None else bound
    everything = {**static, **dict(zip(opdef.runtime_names, runtime, strict=True))}
    inputs = [None if given == "absent" else _slot(given) for given in in_slots]
    arguments: list[Any] = [inputs] if opdef.variadic else [*inputs, *[None] * (len(opdef.input_names) - len(inputs))]
    outputs = [_slot(given) for given in out_slots or ()]
    outputs += [Slot() for _ in range(opdef.count_outputs(static) - len(outputs))]
    t = Inference(opdef, arguments, outputs)
    if opdef.infer_rule is None and opdef.opcode is None:
        _infer_by_body(opdef, static, runtime, inputs, outputs, t)
        return [_pair(slot) for slot in inputs], [_pair(slot) for slot in outputs]
    for _ in range(8):
        t.changed = False
        try:
            found = infer_with(opdef, t, arguments, everything)
        except _Incomplete:
            break
        for slot, known in zip(found, outputs, strict=False):
            t.unify(slot, known)
        if not t.changed:
            break
    return [_pair(slot) for slot in inputs], [_pair(slot) for slot in outputs]


def _infer_by_body(
    opdef: OpDef, static: dict[str, Any], runtime: tuple[Any, ...], inputs: list[Any], outputs: list[Any], t: Inference
) -> None:
    """Without a rule the body is traced, which needs complete inputs."""
    if not opdef.has_body:
        msg = f"[{opdef.name}] has neither a body nor an inference rule; give it one: @{opdef.name}.infer"
        raise MXNetError(msg)
    if any(slot is not None and (slot.dtype is None or not is_complete(slot.shape)) for slot in inputs):
        return
    from ..graph.trace import trace_op

    graph = trace_op(opdef, static, runtime, [_pair(slot) for slot in inputs], is_train=False)
    for known, value in zip(outputs, graph.outputs, strict=False):
        t.unify_dtype(known, value.dtype)
        t.unify_shape(known, value.shape)


def _slot(given: Any) -> Slot:
    if given is None:
        return Slot()
    if isinstance(given, Slot):
        return Slot(given.dtype, given.shape)
    dtype, shape = given
    return Slot(dtype, None if shape is None else tuple(shape))


def _pair(slot: Slot | None) -> tuple[int | None, Shape | None] | None:
    return None if slot is None else (slot.dtype, slot.shape)


DEFAULT_DTYPE = FLOAT32  # of inputs that nothing else decides, as in MXNet
