"""Gradients of what Python computes: ``with autograd.record():`` ... ``loss.backward()``.

Inside `record` every operator on an array that leads back to one with `attach_grad` is kept on a tape; `backward`
replays the gradients of what was kept.

>>> import mxnet as mx
>>> x = mx.nd.array([1.0, 2.0])
>>> x.attach_grad()
>>> with mx.autograd.record():
...     y = x * x
>>> y.backward()
>>> x.grad.asnumpy()
array([2., 4.], dtype=float32)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from . import _core
from .errors import DTypeError, MXNetError, ParameterError

NDArray = _core.NDArray

__all__ = [
    "Function", "backward", "get_symbol", "grad", "is_recording", "is_training", "mark_variables", "pause",
    "predict_mode", "record", "set_recording", "set_training", "train_mode",
]  # fmt: skip


# ---- recording -----------------------------------------------------------------------------------------------------


def set_recording(is_recording: bool) -> bool:
    """Turns recording on this thread on or off and returns what it was; `record` is the usual way."""
    return bool(_core.set_recording(is_recording))


def set_training(train_mode: bool) -> bool:
    """Sets whether operators of this thread behave as in training, and returns what it was."""
    return bool(_core.set_training(train_mode))


def is_recording() -> bool:
    """Whether this thread records for gradients."""
    return bool(_core.is_recording())


def is_training() -> bool:
    """Whether operators such as Dropout and BatchNorm behave as in training on this thread."""
    return bool(_core.is_training())


record = _core.record
pause = _core.pause


def train_mode() -> Any:
    """``with train_mode():`` operators behave as in training; recording stays as it is."""
    return _core.RecordScope(None, True)


def predict_mode() -> Any:
    """``with predict_mode():`` operators behave as in prediction; recording stays as it is."""
    return _core.RecordScope(None, False)


# ---- gradients -----------------------------------------------------------------------------------------------------


def mark_variables(
    variables: NDArray | Sequence[NDArray],
    gradients: NDArray | Sequence[NDArray],
    grad_reqs: str | Sequence[str] = "write",
) -> None:
    """Makes arrays variables whose gradients `backward` stores into the given arrays.

    grad_reqs: "write", "add" or "null", one for all or one each. Raises ParameterError when the numbers or the shapes
    of variables and gradients differ.
    """
    from .ndarray.array import GRAD_REQS

    variables, gradients = _list(variables), _list(gradients)
    reqs = [grad_reqs] * len(variables) if isinstance(grad_reqs, str) else list(grad_reqs)
    if not len(variables) == len(gradients) == len(reqs):
        msg = (
            f"[mark_variables] needs one gradient and one grad_req for each variable, "
            f"got {len(variables)} variables, {len(gradients)} gradients, {len(reqs)} grad_reqs"
        )
        raise ParameterError(msg)
    for variable, gradient, req in zip(variables, gradients, reqs, strict=True):
        if req not in GRAD_REQS:
            msg = f"[mark_variables] grad_reqs must be among {', '.join(map(repr, GRAD_REQS))}, got {req!r}"
            raise ParameterError(msg)
        if variable.shape != gradient.shape or variable.dtype != gradient.dtype:
            msg = (
                f"[mark_variables] a gradient must have the shape and type of its variable, {variable.shape} "
                f"{variable.dtype}, got {gradient.shape} {gradient.dtype}"
            )
            raise ParameterError(msg)
        variable._attach_grad(gradient, GRAD_REQS[req])


def backward(
    heads: NDArray | Sequence[NDArray],
    head_grads: NDArray | Sequence[NDArray | None] | None = None,
    retain_graph: bool = False,
    train_mode: bool = True,
) -> None:
    """Computes the gradients of the heads and stores them in the variables' ``grad``.

    heads: one array or several. head_grads: their gradients, None for ones. retain_graph: keep what was recorded for
    another backward. Raises MXNetError when a head was not recorded, or its record is used up.
    """
    heads, grads = _heads(heads, head_grads)
    _core.backward(heads, grads, retain_graph, train_mode)


def grad(
    heads: NDArray | Sequence[NDArray],
    variables: NDArray | Sequence[NDArray],
    head_grads: NDArray | Sequence[NDArray | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    train_mode: bool = True,
) -> NDArray | list[NDArray]:
    """The gradients of the heads with respect to variables; the variables' own ``grad`` stays as it is.

    create_graph: record the computation of the gradients too, for gradients of gradients. retain_graph: default
    create_graph. Returns a list with one array per variable.
    """
    heads, grads = _heads(heads, head_grads)
    wanted = _list(variables)
    if not wanted:
        msg = "[grad] variables cannot be an empty list."
        raise ParameterError(msg)
    retain = create_graph if retain_graph is None else retain_graph
    result: list[NDArray] = _core.grad(heads, wanted, grads, retain, create_graph, train_mode)
    return result


def _list(arrays: Any) -> list[Any]:
    if isinstance(arrays, NDArray):
        return [arrays]
    if not isinstance(arrays, (list, tuple)):
        msg = f"[autograd] expected an NDArray or a list of NDArrays, got {type(arrays).__name__}"
        raise DTypeError(msg)
    return list(arrays)


def _heads(heads: Any, head_grads: Any) -> tuple[list[Any], list[Any] | None]:
    listed = _list(heads)
    if not listed:
        msg = "[backward] heads cannot be an empty list; give the arrays to differentiate"
        raise ParameterError(msg)
    return listed, None if head_grads is None else _list(head_grads)


def get_symbol(x: NDArray) -> Any:
    """The recorded computation of an array as a Symbol; its variables ``var<i>`` are the arrays with attach_grad.

    Raises MXNetError for an array that was not recorded, whose record a backward used up, or that a Function made.

    >>> import mxnet as mx
    >>> x = mx.nd.ones((2,))
    >>> x.attach_grad()
    >>> with mx.autograd.record():
    ...     y = mx.nd.exp(x) + 1
    >>> mx.autograd.get_symbol(y).get_internals().list_outputs()
    ['var0', 'node_0_output', 'node_1_output']
    """
    from .symbol.recorded import recorded_symbol

    return recorded_symbol(x)


# ---- functions with their own gradient -----------------------------------------------------------------------------


class Function:
    """A differentiable function written in Python: subclass it, define `forward` and `backward`, call an instance.

    >>> import mxnet as mx
    >>> class Sigmoid(mx.autograd.Function):
    ...     def forward(self, x):
    ...         y = 1 / (1 + mx.nd.exp(-x))
    ...         self.save_for_backward(y)
    ...         return y
    ...     def backward(self, dy):
    ...         y, = self.saved_tensors
    ...         return dy * y * (1 - y)
    """

    def __init__(self) -> None:
        self._used = False
        self.saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *args: Any) -> None:
        """Keeps arrays for `backward`, where they are ``self.saved_tensors``."""
        self.saved_tensors = args

    def __call__(self, *inputs: Any) -> Any:
        """Runs forward on NDArrays; while recording, the result's gradient is what backward returns."""
        if getattr(self, "_used", False):
            msg = (
                f"[{type(self).__name__}] each Function instance can be called once, as it holds what its backward needs. "
                f"Make a new instance for every call"
            )
            raise MXNetError(msg)
        self._used = True
        with pause(is_training()):
            result = self.forward(*inputs)
        outputs = [result] if isinstance(result, _core.NDArray) else list(result)
        if is_recording():
            # Arrays of their own: what the instance saved must not lead back to it, or neither would ever be freed.
            kept, outputs = outputs, [output._detach() for output in outputs]
            _core.record_custom(list(inputs), outputs, self._gradients(inputs, kept))
        return outputs[0] if isinstance(result, _core.NDArray) else type(result)(outputs)

    def _gradients(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        def gradients(head_grads: Sequence[Any]) -> list[Any]:
            from .ndarray import zeros_like

            given = [
                zeros_like(output) if head is None else head for head, output in zip(head_grads, outputs, strict=True)
            ]
            result = self.backward(*given)
            grads = [result] if isinstance(result, _core.NDArray) or result is None else list(result)
            if len(grads) != len(inputs):
                msg = (
                    f"[{type(self).__name__}] backward must return one gradient for each of the {len(inputs)} inputs "
                    f"of forward, got {len(grads)}"
                )
                raise MXNetError(msg)
            for number, (gradient, source) in enumerate(zip(grads, inputs, strict=True)):
                if gradient is not None and not isinstance(gradient, _core.NDArray):
                    msg = (
                        f"[{type(self).__name__}] gradient {number} of backward must be an NDArray, "
                        f"got {type(gradient).__name__}"
                    )
                    raise DTypeError(msg)
                if gradient is not None and gradient.shape != source.shape:
                    msg = (
                        f"[{type(self).__name__}] gradient {number} of backward must have the shape {source.shape} of "
                        f"its input, got {gradient.shape}"
                    )
                    raise ParameterError(msg)
            return grads

        return gradients

    def forward(self, *inputs: Any) -> Any:
        """What the function computes: NDArrays to one NDArray or several. To be defined by the subclass."""
        self._require("forward")

    def backward(self, *output_grads: Any) -> Any:
        """The gradients of the inputs from those of the outputs. To be defined by the subclass."""
        self._require("backward")

    def _require(self, method: str) -> NoReturn:
        msg = f"[{type(self).__name__}] a subclass of autograd.Function must define {method}"
        raise MXNetError(msg)


def __getattr__(name: str) -> Any:
    """Names that MXNet's module has from elsewhere."""
    if name == "Symbol":
        from .symbol import Symbol

        return Symbol
    if name == "MXCallbackList":
        from .base import MXCallbackList

        return MXCallbackList
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
