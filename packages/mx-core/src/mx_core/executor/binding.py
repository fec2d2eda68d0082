"""From a symbol and arrays (or shapes) to an Executor: what `Symbol.bind`, `simple_bind` and `Executor.reshape` do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import _core
from ..context import Context
from ..dtypes import FLOAT32, flag_of, name_of
from ..errors import DTypeError, MXNetError, ParameterError, ShapeError
from ..graph.runner import Runner, runner_of
from ..symbol.infer import GraphTypes
from .executor import GRAD_REQS, Executor
from .placement import group_of, placement

if TYPE_CHECKING:
    from ..symbol.node import SymbolNode
    from ..symbol.symbol import Symbol

__all__ = ["bind", "reshaped", "simple_bind"]

_Types = list[tuple[int, tuple[int, ...]]]


def bind(
    symbol: Symbol,
    ctx: Context,
    args: Any,
    args_grad: Any = None,
    grad_req: Any = "write",
    aux_states: Any = None,
    group2ctx: Mapping[str, Context] | None = None,
    shared_exec: Executor | None = None,
) -> Executor:
    """An executor of the symbol over arrays that are there.

    args, args_grad, aux_states: lists in the order of the symbol's names, or dicts by name; args_grad may lack arguments,
    which then keep no gradient. grad_req: "write", "add" or "null", for all, as a list, or by name. group2ctx: the
    device of the nodes of each ``ctx_group``. shared_exec: accepted; temporary memory is shared by all executors.
    Raises ParameterError for arrays that lack, ShapeError and DTypeError for those that do not fit the symbol.
    """
    _check_context(ctx)
    runner = _runner(symbol, ctx, group2ctx)
    names, states = runner.argument_names, runner.state_names
    arg_arrays = _arranged("args", args, names)
    grads = _arranged("args_grad", [] if args_grad is None else args_grad, names, partial=True)
    aux = _arranged("aux_states", [] if aux_states is None else aux_states, states)
    _check_devices(runner, ctx, group2ctx, [*arg_arrays, *aux])
    reqs = _requests("bind", grad_req, names)
    given = dict(zip([*names, *states], [(a._dtype_flag, a.shape) for a in (*arg_arrays, *aux)], strict=True))
    runner, entries = _settled(symbol, runner, given, ctx, group2ctx)
    _check_fit(runner, entries, given)
    for name, array, grad in zip(names, arg_arrays, grads, strict=True):
        if grad is not None and (grad.shape != array.shape or grad._dtype_flag != array._dtype_flag):
            msg = (
                f"[bind] the gradient of {name} must have its shape and type, {array.shape} {name_of(array._dtype_flag)}, "
                f"got {grad.shape} {name_of(grad._dtype_flag)}"
            )
            raise ShapeError(msg)
    return Executor(symbol, ctx, runner, arg_arrays, grads, reqs, aux, _out_types(runner, entries), grad_req, group2ctx)


def simple_bind(
    symbol: Symbol,
    ctx: Context,
    grad_req: Any = "write",
    type_dict: Mapping[str, Any] | None = None,
    stype_dict: Mapping[str, str] | None = None,
    group2ctx: Mapping[str, Context] | None = None,
    shared_arg_names: Sequence[str] | None = None,
    shared_exec: Executor | None = None,
    shared_buffer: dict[str, Any] | None = None,
    **shapes: Any,
) -> Executor:
    """An executor with arrays of its own, zeros, made for the shapes that follow from the given ones.

    shapes: of some arguments, by name. type_dict: their element types. shared_arg_names: arguments whose arrays are
    those of shared_exec. shared_buffer: arrays by name whose memory other arguments use; new ones are added to it.
    Raises MXNetError with the names of the arguments whose shapes do not follow.
    """
    _check_context(ctx)
    _check_storage(stype_dict)
    runner = _runner(symbol, ctx, group2ctx)
    known: dict[str, Any] = {name: (None, _shape(name, shape)) for name, shape in shapes.items()}
    for name, dtype in (type_dict or {}).items():
        known[name] = (flag_of(dtype), known.get(name, (None, None))[1])
    runner, entries = _settled(symbol, runner, known, ctx, group2ctx)
    nodes = [*runner.arguments, *runner.states]
    types = _complete_types("simple_bind", nodes, entries, shapes)
    reqs = _requests("simple_bind", grad_req, runner.argument_names)
    maker = _Maker(ctx, group2ctx, shared_arg_names, shared_exec, shared_buffer)
    count = len(runner.arguments)
    args = [maker.argument(node, kind) for node, kind in zip(nodes[:count], types[:count], strict=True)]
    grads = [
        None if req == "null" else maker.gradient(node, kind)
        for node, kind, req in zip(nodes[:count], types[:count], reqs, strict=True)
    ]
    states = [maker.state(node, kind) for node, kind in zip(nodes[count:], types[count:], strict=True)]
    return Executor(symbol, ctx, runner, args, grads, reqs, states, _out_types(runner, entries), grad_req, group2ctx)


def reshaped(executor: Executor, partial: bool, allow_up_sizing: bool, shapes: Mapping[str, Any]) -> Executor:
    """What `Executor.reshape` returns."""
    runner = executor._runner
    if runner.op is None:
        runner = _runner(executor._symbol, executor._ctx, executor._group2ctx)
    nodes = [*runner.arguments, *runner.states]
    old = [*executor.arg_arrays, *executor.aux_arrays]
    known: dict[str, Any] = {
        node.name: (array._dtype_flag, _shape(node.name, shapes[node.name]) if node.name in shapes else None)
        for node, array in zip(nodes, old, strict=True)
    }
    if not any(name in known for name in shapes):
        known = {node.name: (array._dtype_flag, array.shape) for node, array in zip(nodes, old, strict=True)}
    runner, entries = _settled(executor._symbol, runner, known, executor._ctx, executor._group2ctx)
    nodes = [*runner.arguments, *runner.states]
    types = _complete_types("reshape", nodes, entries, shapes)

    def fit(name: str, array: Any, shape: tuple[int, ...]) -> Any:
        if array is None or array.shape == shape:
            return array
        if name not in shapes and not partial:
            msg = (
                f"[reshape] the shape of {name} would change from {array.shape} to {shape}, although it was not given, so "
                f"the new executor could not share it. Give its shape, or pass partial_shaping=True if this is intended"
            )
            raise MXNetError(msg)
        size = _size(shape)
        if size <= array.size:
            return array._view(shape)
        if not allow_up_sizing:
            msg = (
                f"[reshape] the new shape {shape} of {name} is larger than {array.shape}. Make the big executor first and "
                f"reshape it down, or pass allow_up_sizing=True for new memory"
            )
            raise MXNetError(msg)
        return _zeros(shape, array._dtype_flag, array.context)

    arrays = [fit(node.name, array, kind[1]) for node, array, kind in zip(nodes, old, types, strict=True)]
    grads = [
        fit(node.name, grad, kind[1])
        for node, grad, kind in zip(runner.arguments, executor.grad_arrays, types, strict=False)
    ]
    count = len(runner.arguments)
    return Executor(
        executor._symbol, executor._ctx, runner, arrays[:count], grads, executor._reqs, arrays[count:],
        _out_types(runner, entries), executor._grad_req, executor._group2ctx,
    )  # fmt: skip


# ---- reading what was given ----------------------------------------------------------------------------------------


def _check_context(ctx: Any) -> None:
    if not isinstance(ctx, Context):
        msg = f"[bind] ctx must be a Context such as mx.cpu(), got {type(ctx).__name__}"
        raise DTypeError(msg)


def _check_storage(stype_dict: Mapping[str, str] | None) -> None:
    for name, stype in (stype_dict or {}).items():
        if stype not in (None, "default"):
            msg = f"[simple_bind] {name} must have storage type 'default', got {stype!r}: arrays here are dense"
            raise ParameterError(msg)


def _runner(symbol: Symbol, ctx: Context, group2ctx: Mapping[str, Context] | None) -> Runner:
    place = placement(symbol, ctx, group2ctx) if group2ctx else None
    key = None if place is None else (ctx, tuple(sorted((group2ctx or {}).items(), key=lambda item: item[0])))
    return runner_of(symbol, place, key)


def _settled(
    symbol: Symbol, runner: Runner, known: Mapping[str, Any], ctx: Context, group2ctx: Mapping[str, Context] | None
) -> tuple[Runner, GraphTypes]:
    """(the runner, the types of its entries); another runner where these decide the sizes of new arrays."""
    entries = GraphTypes(symbol, known, FLOAT32)
    completed = entries.completed(symbol)
    if completed is not symbol:
        runner, entries = _runner(completed, ctx, group2ctx), GraphTypes(completed, known, FLOAT32)
    entries.close()
    return runner, entries


def _arranged(what: str, given: Any, names: Sequence[str], partial: bool = False) -> list[Any]:
    """Arrays in the order of names, of a list or a dict; None for those that a partial list lacks."""
    if isinstance(given, (list, tuple)):
        if len(given) != len(names) and not (partial and not given):
            msg = (
                f"[bind] Length of {what} does not match the number of arguments: needs {len(names)} arrays "
                f"({', '.join(names)}), got {len(given)}"
            )
            raise ParameterError(msg)
        arrays = list(given) or [None] * len(names)
    elif isinstance(given, dict):
        lacking = [name for name in names if name not in given]
        if lacking and not partial:
            msg = f"[bind] key `{lacking[0]}` is missing in `{what}`, which must name {', '.join(names)}"
            raise ParameterError(msg)
        arrays = [given.get(name) for name in names]
    else:
        msg = f"[bind] {what} must be a list of NDArrays or a dict of str to NDArray, got {type(given).__name__}"
        raise DTypeError(msg)
    for name, array in zip(names, arrays, strict=True):
        if not isinstance(array, _core.NDArray) and not (partial and array is None):
            msg = f"[bind] {what} must hold NDArrays, got {type(array).__name__} for {name}"
            raise DTypeError(msg)
    return arrays


def _requests(what: str, grad_req: Any, names: Sequence[str]) -> list[str]:
    """The gradient request of every argument."""
    if isinstance(grad_req, str):
        reqs = [grad_req] * len(names)
    elif isinstance(grad_req, (list, tuple)):
        reqs = list(grad_req)
        if len(reqs) != len(names):
            msg = f"[{what}] grad_req must have one entry for each of the {len(names)} arguments, got {len(reqs)}"
            raise ParameterError(msg)
    elif isinstance(grad_req, dict):
        reqs = [grad_req.get(name, "null") for name in names]
    else:
        msg = f"[{what}] grad_req must be a str, a list or a dict, got {type(grad_req).__name__}"
        raise DTypeError(msg)
    for req in reqs:
        if req not in GRAD_REQS:
            msg = f"[{what}] grad_req must be 'write', 'add' or 'null', got {req!r}"
            raise ParameterError(msg)
    return reqs


def _shape(name: str, shape: Any) -> tuple[int, ...]:
    """A given shape; 0 stands for a dim that is not known, as in MXNet's classic shapes."""
    if isinstance(shape, int):
        shape = (shape,)
    if not isinstance(shape, (tuple, list)):
        msg = f"[simple_bind] the shape of {name} must be a tuple, got {type(shape).__name__}"
        raise ParameterError(msg)
    return tuple([int(dim) if int(dim) > 0 else -1 for dim in shape])


# ---- types and arrays ----------------------------------------------------------------------------------------------


def _complete_types(what: str, nodes: Sequence[SymbolNode], entries: GraphTypes, given: Mapping[str, Any]) -> _Types:
    types = [entries[node, 0] for node in nodes]
    open_names = [
        f"{node.name}: {'unknown' if shape is None else str(shape).replace('-1', '?')}"
        for node, (_, shape) in zip(nodes, types, strict=True)
        if shape is None or -1 in shape
    ]
    if open_names:
        msg = (
            f"[{what}] cannot decide the shapes of these arguments: {', '.join(open_names)}. "
            f"Given were {', '.join(f'{name}={shape}' for name, shape in given.items()) or 'none'}; give more of them"
        )
        raise MXNetError(msg)
    return types


def _out_types(runner: Runner, entries: GraphTypes) -> list[tuple[int, tuple[int, ...]] | None]:
    types = [entries[entry] for entry in runner.outputs]
    return [None if dtype is None or shape is None or -1 in shape else (dtype, shape) for dtype, shape in types]


def _check_fit(runner: Runner, entries: GraphTypes, given: Mapping[str, Any]) -> None:
    for node in (*runner.arguments, *runner.states):
        known = entries[node, 0]
        if known != given[node.name]:
            msg = f"[bind] {node.name} must be {name_of(known[0])} {known[1]}, got {given[node.name]}"
            raise ShapeError(msg)


def _check_devices(
    runner: Runner, ctx: Context, group2ctx: Mapping[str, Context] | None, arrays: Sequence[Any]
) -> None:
    if group2ctx:
        return  # every piece fetches its inputs
    for node, array in zip((*runner.arguments, *runner.states), arrays, strict=True):
        if array.context != ctx and not (array.context.device_type.startswith("cpu") and ctx.device_type == "cpu"):
            msg = (
                f"[bind] {node.name} is on {array.context}, but the symbol is bound to {ctx}. Copy it with "
                f"as_in_context({ctx}), or pass group2ctx for a graph over several devices"
            )
            raise MXNetError(msg)


def _size(shape: Sequence[int]) -> int:
    size = 1
    for dim in shape:
        size *= dim
    return size


def _zeros(shape: tuple[int, ...], flag: int, ctx: Context) -> Any:
    from ..ndarray import zeros

    return zeros(shape, ctx=ctx, dtype=name_of(flag))


class _Maker:
    """Makes the arrays of simple_bind, or takes them from the executor and the buffers to share."""

    def __init__(
        self,
        ctx: Context,
        group2ctx: Mapping[str, Context] | None,
        shared_names: Sequence[str] | None,
        shared: Executor | None,
        buffers: dict[str, Any] | None,
    ) -> None:
        self.ctx = ctx
        self.groups = group2ctx or {}
        self.shared_names = frozenset(shared_names or ())
        self.args = {} if shared is None else shared.arg_dict
        self.grads = {} if shared is None else shared.grad_dict
        self.states = {} if shared is None else shared.aux_dict
        self.buffers = buffers

    def argument(self, node: SymbolNode, kind: tuple[int, tuple[int, ...]]) -> Any:
        if node.name in self.shared_names:
            return self._shared(self.args, node, kind)
        if self.buffers is None:
            return self._new(node, kind)
        kept = self.buffers.get(node.name)
        if kept is not None and kept._dtype_flag == kind[0] and kept.size >= _size(kind[1]):
            return kept if kept.shape == kind[1] else kept._view(kind[1])
        made = self.buffers[node.name] = self._new(node, kind)
        return made

    def gradient(self, node: SymbolNode, kind: tuple[int, tuple[int, ...]]) -> Any:
        if node.name in self.shared_names and self.grads.get(node.name) is not None:
            return self._shared(self.grads, node, kind)
        return self._new(node, kind)

    def state(self, node: SymbolNode, kind: tuple[int, tuple[int, ...]]) -> Any:
        return self._shared(self.states, node, kind) if node.name in self.states else self._new(node, kind)

    def _shared(self, arrays: Mapping[str, Any], node: SymbolNode, kind: tuple[int, tuple[int, ...]]) -> Any:
        array = arrays.get(node.name)
        if array is None:
            return self._new(node, kind)
        if (array._dtype_flag, array.shape) != kind:
            msg = (
                f"[simple_bind] {node.name} of shared_exec is {name_of(array._dtype_flag)} {array.shape}, but this "
                f"symbol needs {name_of(kind[0])} {kind[1]}; take it out of shared_arg_names"
            )
            raise ShapeError(msg)
        return array

    def _new(self, node: SymbolNode, kind: tuple[int, tuple[int, ...]]) -> Any:
        group = group_of(node)
        return _zeros(kind[1], kind[0], self.groups.get(group, self.ctx) if group else self.ctx)
