"""The class Executor: a symbol bound to arrays, which runs forward and backward over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..context import Context
from ..dtypes import name_of
from ..errors import DTypeError, MXNetError, ParameterError, ShapeError
from ..graph.runner import Runner

if TYPE_CHECKING:
    from ..symbol.symbol import Symbol

__all__ = ["GRAD_REQS", "Executor"]

GRAD_REQS = {"null": 0, "write": 1, "add": 3}  # MXNet's numbers

# Note [arrays of an executor]
# The arrays that a program sees (arg_arrays, grad_arrays, outputs) carry no trace of autograd. The executor runs on
# handles of its own: detached arrays over the same memory, marked as variables whose gradients go to grad_arrays. Outputs
# are written into the same memory by every forward, as in MXNet 1.x: an output that is kept shows the newest values.


class Executor:
    """A symbol bound to arrays. Made by `Symbol.bind` and `Symbol.simple_bind`.

    arg_arrays, grad_arrays, aux_arrays: in the order of the symbol's arguments and auxiliary states; None in grad_arrays
    where no gradient is kept.  outputs: the arrays that the last `forward` wrote.
    """

    def __init__(
        self,
        symbol: Symbol,
        ctx: Context,
        runner: Runner,
        args: Sequence[Any],
        grads: Sequence[Any | None],
        reqs: Sequence[str],
        states: Sequence[Any],
        out_types: Sequence[tuple[int, tuple[int, ...]] | None],
        grad_req: Any = "write",
        group2ctx: Mapping[str, Context] | None = None,
    ) -> None:
        self._symbol = symbol
        self._ctx = ctx
        self._group2ctx = group2ctx
        self._grad_req = grad_req
        self._reqs = list(reqs)
        self._runner = runner
        self.arg_arrays = list(args)
        self.grad_arrays = [
            None if req == "null" else grad for grad, req in zip(grads, self._reqs, strict=True)
        ]  # fmt: skip
        self.aux_arrays = list(states)
        self._variables: list[tuple[Any, Any, str]] = []
        handles = [array._detach() for array in (*args, *states)]
        for handle, grad, req in zip(handles, self.grad_arrays, self._reqs, strict=False):
            if grad is not None:
                handle._attach_grad(grad, GRAD_REQS[req])
                self._variables.append((handle, grad, req))
        self._handles = handles
        self._out_types = list(out_types)
        self._arg_dict: dict[str, Any] | None = None
        self._buffers: list[Any] | None = None
        self._outputs: list[Any] | None = None
        self._heads: list[Any] | None = None  # the recorded outputs of the last forward
        self._is_train: bool | None = None  # of the last forward
        self._silent: dict[Any, list[Any]] = {}
        self._monitor: tuple[Callable[[str, Any], None], bool] | None = None
        self._watched: Any = None

    # -- running ---------------------------------------------------------------------------------------------------

    def forward(self, is_train: bool = False, **kwargs: Any) -> list[Any]:
        """Computes the outputs and returns them.

        is_train: operators behave as in training, and what backward needs is kept. kwargs: new values of arguments,
        copied into the bound arrays. Raises ParameterError (a TypeError, too) for an unknown argument, ShapeError for
        a value of another shape.

        >>> import mxnet as mx
        >>> exe = mx.sym.square(mx.sym.var("x")).simple_bind(mx.cpu(), x=(2,))
        >>> exe.forward(x=mx.nd.array([2.0, 3.0]))[0].asnumpy()
        array([4., 9.], dtype=float32)
        """
        if kwargs:
            self._take(kwargs)
        return self._run(bool(is_train), bool(is_train and self._variables))

    def _take(self, values: Mapping[str, Any]) -> None:
        arguments = self.arg_dict
        for name, value in values.items():
            target = arguments.get(name)
            if target is None:
                msg = f"[forward] Unknown argument {name}. The arguments are {', '.join(arguments)}"
                raise _UnknownArgument(msg)
            if not isinstance(value, (_core.NDArray, np.ndarray)):
                msg = f"[forward] {name} must be an NDArray or a numpy.ndarray, got {type(value).__name__}"
                raise ParameterError(msg)
            if tuple(value.shape) != target.shape:
                msg = (
                    f"[forward] Shape not match! Argument {name}, need: {target.shape}, received: {tuple(value.shape)}. "
                    f"Bind the symbol to the new shape, or use reshape()"
                )
                raise ShapeError(msg)
            target[:] = value

    def _run(self, is_train: bool, record: bool) -> list[Any]:
        runner = self._runner if self._monitor is None else self._watch()
        self._heads = None  # frees what the last forward kept, before this one needs memory
        was_recording, was_training = _core.set_recording(record), _core.set_training(is_train)
        try:
            made = runner(self._handles, self._output_arrays(runner), self._ctx)
        finally:
            _core.set_recording(was_recording)
            _core.set_training(was_training)
        heads = made[: len(self._runner.outputs)]
        self._is_train = is_train
        if record:
            self._heads = heads
            heads = [head._detach() for head in heads]
        self._outputs = heads
        if self._monitor is not None:
            self._watched.report(self._monitor[0], self._handles, made, self._monitor[1])
        return heads

    def _output_arrays(self, runner: Runner) -> list[Any] | None:
        """New handles of the memory that the outputs are written into; None where the graph makes new arrays."""
        if runner.op is None or runner is not self._runner:
            return None
        if self._buffers is None:
            self._buffers = self._make_buffers()
        return [buffer._detach() for buffer in self._buffers]

    def _make_buffers(self) -> list[Any]:
        device = (self._ctx.device_typeid, self._ctx.device_id) if not self._handles else _device_of(self._handles[0])
        types = [known for known in self._out_types if known is not None]
        return [_core.empty(shape, *device, flag) for flag, shape in types]

    @property
    def outputs(self) -> list[Any]:
        """The arrays that the last forward wrote, one for each output of the symbol."""
        if self._outputs is None:
            if self._runner.op is None:
                return []
            self._buffers = self._buffers or self._make_buffers()
            return [buffer._detach() for buffer in self._buffers]
        return self._outputs

    def backward(self, out_grads: Any = None, is_train: bool = True) -> None:
        """Computes the gradients of the arguments and stores them in grad_arrays as their grad_req says.

        out_grads: gradients of the outputs: an array, a list of arrays (None for a loss), or a dict by output name. A
        loss such as SoftmaxOutput needs none. is_train: has no effect, the mode is that of the last forward.
        Raises MXNetError before the first forward, and where an output needs a gradient that was not given.
        """
        given = self._head_gradients(out_grads)
        if not self._variables:
            return
        if self._is_train is None:
            msg = "[backward] needs the results of forward: call forward(is_train=True) first"
            raise MXNetError(msg)
        if self._heads is None:
            self._run(self._is_train, record=True)
        assert self._heads is not None
        heads, grads = [], []
        for number, head in enumerate(self._heads):
            if not head._in_graph:
                continue
            gradient = given[number] if number < len(given) else None
            if gradient is None:
                if self._runner_used().reads_head(number, bool(self._is_train)):
                    raise MXNetError(self._lacks_gradient(number))
                gradient = None if self._runner.op is None else head._detach()  # read by nobody
            else:
                gradient = _fitted(gradient, head, self._symbol, number)
            heads.append(head)
            grads.append(gradient)
        self._differentiate(heads, grads)

    def _differentiate(self, heads: list[Any], grads: list[Any]) -> None:
        key = (self._is_train, self._runner_used(), len(heads))
        silent = self._silent.get(key)
        if silent is None:
            for handle, _, _ in self._variables:
                handle._fresh_grad = False
        if heads:
            _core.backward(heads, grads, True, True)
        if silent is None:
            silent = self._silent[key] = [
                grad for handle, grad, req in self._variables if req == "write" and not handle._fresh_grad
            ]
        for grad in silent:  # nothing flows there: the gradient is zero
            grad[:] = 0

    def _runner_used(self) -> Runner:
        return self._runner if self._monitor is None else self._watch()

    def _head_gradients(self, out_grads: Any) -> list[Any]:
        if out_grads is None:
            return []
        if isinstance(out_grads, _core.NDArray):
            return [out_grads]
        if isinstance(out_grads, dict):
            return [out_grads[name] for name in self._symbol.list_outputs()]
        if not isinstance(out_grads, (list, tuple)) or any(
            given is not None and not isinstance(given, _core.NDArray) for given in out_grads
        ):
            msg = (
                f"[backward] out_grads must be an NDArray, a list or a dict of NDArrays, got {type(out_grads).__name__}"
            )
            raise DTypeError(msg)
        return list(out_grads)

    def _lacks_gradient(self, number: int) -> str:
        return (
            f"[backward] output {number} ({self._symbol.list_outputs()[number]}) is not a loss, so its gradient must be "
            f"given: backward(out_grads=[...]). Because the last operator is not Loss function, head_gradient is required "
            f"when calling backward. To minimize it, end the network in mx.sym.make_loss"
        )

    # -- monitoring ------------------------------------------------------------------------------------------------

    def set_monitor_callback(self, callback: Callable[[str, Any], None] | None, monitor_all: bool = False) -> None:
        """Calls ``callback(name, array)`` with every output of every operator in each forward, in running order.

        monitor_all: with the inputs, too. None ends it. While it is set the graph runs as one that keeps everything.
        """
        self._monitor = None if callback is None else (callback, bool(monitor_all))
        self._heads = None

    def _watch(self) -> Any:
        if self._watched is None:
            from .monitor import WatchedRunner

            self._watched = WatchedRunner(self._runner, self._symbol)
        return self._watched

    # -- arrays by name --------------------------------------------------------------------------------------------

    @property
    def arg_dict(self) -> dict[str, Any]:
        """Argument name -> array. Raises ParameterError when two arguments have one name."""
        if self._arg_dict is None:
            self._arg_dict = _by_name(self._runner.argument_names, self.arg_arrays)
        return self._arg_dict

    @property
    def grad_dict(self) -> dict[str, Any]:
        """Argument name -> gradient array, None where no gradient is kept."""
        return _by_name(self._runner.argument_names, self.grad_arrays)

    @property
    def aux_dict(self) -> dict[str, Any]:
        """Auxiliary state name -> array."""
        return _by_name(self._runner.state_names, self.aux_arrays)

    @property
    def output_dict(self) -> dict[str, Any]:
        """Output name -> array."""
        return _by_name(self._symbol.list_outputs(), self.outputs)

    def copy_params_from(
        self,
        arg_params: Mapping[str, Any],
        aux_params: Mapping[str, Any] | None = None,
        allow_extra_params: bool = False,
    ) -> None:
        """Copies values into arguments and auxiliary states by name, converted to their element types.

        Raises ParameterError for a name that the symbol does not have, unless allow_extra_params.
        """
        for given, arrays, kind in (
            (arg_params, self.arg_dict, "arguments"),
            (aux_params or {}, self.aux_dict, "auxiliary states"),
        ):
            for name, value in given.items():
                target = arrays.get(name)
                if target is not None:
                    if value.shape != target.shape:
                        msg = f"[copy_params_from] {name} must have shape {target.shape}, got {value.shape}"
                        raise ShapeError(msg)
                    target[:] = value
                elif not allow_extra_params:
                    msg = f'[copy_params_from] Find name "{name}" that is not in the {kind}: {", ".join(arrays)}'
                    raise ParameterError(msg)

    # -- other forms -----------------------------------------------------------------------------------------------

    def reshape(self, partial_shaping: bool = False, allow_up_sizing: bool = False, **kwargs: Any) -> Executor:
        """An executor for inputs of other shapes that shares the memory of this one's arrays.

        kwargs: shapes by name. partial_shaping: other arrays may change shape, too. allow_up_sizing: arrays that become
        larger get new memory. Raises MXNetError where the one or the other is needed and not allowed.
        """
        from .binding import reshaped

        return reshaped(self, partial_shaping, allow_up_sizing, kwargs)

    def get_optimized_symbol(self) -> Symbol:
        """The symbol that runs: the bound one; what the compiler makes of it is no symbol."""
        return self._symbol

    def debug_str(self) -> str:
        """The graph as text, and the memory that the executor's arrays take."""
        arrays = [array for array in (*self.arg_arrays, *self.grad_arrays, *self.aux_arrays) if array is not None]
        total = sum(array.size * np.dtype(array.dtype).itemsize for array in arrays)
        return f"{self._symbol.debug_str()}Total {total >> 20} MB allocated\nTotal 0 TempSpace resource requested\n"


class _UnknownArgument(ParameterError, TypeError):
    pass


def _device_of(array: Any) -> tuple[int, int]:
    context = array.context
    return context.device_typeid, context.device_id


def _by_name(names: Sequence[str], arrays: Sequence[Any]) -> dict[str, Any]:
    result = dict(zip(names, arrays, strict=True))
    if len(result) != len(names):
        twice = sorted({name for name in names if list(names).count(name) > 1})
        msg = f"[Executor] Duplicate names detected, {', '.join(twice)}: arrays can only be had by number"
        raise ParameterError(msg)
    return result


def _fitted(gradient: Any, head: Any, symbol: Symbol, number: int) -> Any:
    """A given head gradient with the type and on the device of its output."""
    if gradient.shape != head.shape:
        msg = (
            f"[backward] the gradient of output {number} ({symbol.list_outputs()[number]}) must have shape {head.shape}, "
            f"got {gradient.shape}"
        )
        raise ShapeError(msg)
    if gradient._dtype_flag != head._dtype_flag:
        gradient = gradient.astype(name_of(head._dtype_flag))
    return gradient.as_in_context(head.context)
