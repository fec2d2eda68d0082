"""Loops and branches on arrays: ``mx.nd.contrib.foreach``, ``while_loop`` and ``cond``.

They are Python's own loop and branch, so gradients follow as of any other program; their use is that the same code runs
on symbols (`mx.sym.contrib`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _core
from ..errors import DTypeError, ParameterError, ShapeError
from .creation import zeros
from .namespace import op

__all__ = ["cond", "foreach", "while_loop"]

NDArray = _core.NDArray


def _flatten(values: Any, what: str) -> tuple[list[Any], Any]:
    """(the arrays of a nested list, its form: None for an array, else a list of forms)."""
    if isinstance(values, NDArray):
        return [values], None
    if not isinstance(values, (list, tuple)):
        msg = f"[{what}] must be an NDArray or (nested) lists of NDArrays, got {type(values).__name__}"
        raise DTypeError(msg)
    flat: list[Any] = []
    forms = []
    for value in values:
        inner, form = _flatten(value, what)
        flat += inner
        forms.append(form)
    return flat, forms


def _regroup(flat: list[Any], form: Any) -> tuple[Any, list[Any]]:
    """(the arrays in the given form, those left over)."""
    if form is None:
        return flat[0], flat[1:]
    result = []
    for inner in form:
        value, flat = _regroup(flat, inner)
        result.append(value)
    return result, flat


def _scalar(value: Any, kind: type, what: str) -> Any:
    try:
        return kind(value.asscalar() if isinstance(value, NDArray) else value)
    except (TypeError, ValueError):
        msg = f"Cannot convert {what} to python {kind.__name__}: {value!r}"
        raise ParameterError(msg) from None


def foreach(body: Callable[..., Any], data: Any, init_states: Any) -> tuple[Any, Any]:
    """A loop over the first axis: ``out, states = body(data[i], states)`` for each i.

    body: returns (outputs, new states), each an NDArray or nested lists. data: NDArray or nested lists of NDArrays.
    Returns (outputs stacked along a new first axis, last states).

    >>> import mxnet as mx
    >>> out, state = mx.nd.contrib.foreach(lambda x, s: (x + s, x + s), mx.nd.array([1, 2, 3]), mx.nd.array([0]))
    >>> out.asnumpy().tolist(), state.asnumpy().tolist()
    ([[1.0], [3.0], [6.0]], [6.0])
    """
    flat_data, form = _flatten(data, "foreach data")
    _flatten(init_states, "foreach init_states")
    if not flat_data or any(array.ndim == 0 or array.shape[0] != flat_data[0].shape[0] for array in flat_data):
        shapes = ", ".join(str(array.shape) for array in flat_data) or "none"
        msg = f"[foreach] the arrays of data must have one first axis of one size, got shapes {shapes}"
        raise ShapeError(msg)
    if flat_data[0].shape[0] == 0:
        msg = "[foreach] data must have at least one element along its first axis: the outputs' shapes are not known"
        raise ShapeError(msg)
    states = init_states
    rows: list[list[Any]] = []
    out_form: Any = None
    for i in range(flat_data[0].shape[0]):
        element, _ = _regroup([array[i] for array in flat_data], form)
        out, states = body(element, states)
        flat_out, out_form = _flatten(out, "foreach output")
        rows.append(flat_out)
    stacked = [op("stack")(*column) for column in zip(*rows, strict=True)]
    return (_regroup(stacked, out_form)[0] if stacked else []), states


def while_loop(
    cond: Callable[..., Any], func: Callable[..., Any], loop_vars: Any, max_iterations: int | None = None
) -> tuple[Any, Any]:
    """A loop while a condition holds: ``out, loop_vars = func(*loop_vars)`` as long as ``cond(*loop_vars)`` is true.

    loop_vars: an NDArray or a list of them. max_iterations: the most rounds.
    Returns (outputs stacked along a new first axis of size max_iterations, zeros beyond the last round, which is an empty
    list without any round; last loop_vars).

    >>> import mxnet as mx
    >>> out, (i, s) = mx.nd.contrib.while_loop(
    ...     lambda i, s: i <= 3, lambda i, s: ([s + i], [i + 1, s + i]), [mx.nd.array([1]), mx.nd.array([0])], 4)
    >>> out[0].asnumpy().ravel().tolist(), i.asnumpy().tolist()
    ([1.0, 3.0, 6.0, 0.0], [4.0])
    """
    if max_iterations is None:
        msg = "[while_loop] max_iterations should be specified"
        raise ParameterError(msg)
    limit = _scalar(max_iterations, int, "max_iterations")
    is_one = isinstance(loop_vars, NDArray)
    variables = [loop_vars] if is_one else list(loop_vars)
    if not variables:
        msg = "[while_loop] loop_vars should contain at least one element"
        raise ParameterError(msg)
    rows: list[list[Any]] = []
    out_form: Any = None
    while len(rows) < limit and _scalar(cond(*variables), bool, "Return value of cond"):
        out, new = func(*variables)
        new = [new] if isinstance(new, NDArray) else list(new or [])
        if len(new) != len(variables):
            msg = (
                f"[while_loop] The length of loop_vars should be consistent during the loop: {len(variables)} go in, func "
                f"returns {len(new)}"
            )
            raise ParameterError(msg)
        flat_out, out_form = _flatten([] if out is None else out, "while_loop output")
        if rows and len(flat_out) != len(rows[0]):
            msg = (
                f"[while_loop] Number of elements in step_output should be the same in each step: {len(rows[0])}, then "
                f"{len(flat_out)}"
            )
            raise ParameterError(msg)
        rows.append(flat_out)
        variables = new
    stacked = [_padded(column, limit, number) for number, column in enumerate(zip(*rows, strict=True))]
    result = _regroup(stacked, out_form)[0] if stacked else []
    return result, variables[0] if is_one else variables


def _padded(column: tuple[Any, ...], limit: int, number: int) -> Any:
    """The rounds' outputs side by side, then zeros for the rounds that were not run."""
    first = column[0]
    if any(array.shape != first.shape for array in column):
        steps = ", ".join(f"step {i}: {array.shape}" for i, array in enumerate(column))
        msg = f"[while_loop] output {number} of func must have one shape in all steps, got {steps}"
        raise ShapeError(msg)
    made = op("stack")(*column)
    if len(column) == limit:
        return made
    rest = zeros((limit - len(column), *first.shape), first.context, first.dtype)
    return op("concat")(made, rest, dim=0)


def cond(pred: Any, then_func: Callable[[], Any], else_func: Callable[[], Any]) -> Any:
    """What ``then_func()`` returns if pred is true, else what ``else_func()`` does. pred: a scalar NDArray or a number.

    >>> import mxnet as mx
    >>> mx.nd.contrib.cond(mx.nd.array([1]) < 2, lambda: "less", lambda: "not less")
    'less'
    """
    return then_func() if _scalar(pred, bool, "pred") else else_func()
