"""Checks of symbols: values, gradients, the same on several contexts and types, and how long a step takes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import ndarray as nd
from .. import symbol as sym
from ..errors import ParameterError
from ..symbol import Symbol
from .arrays import random_arrays
from .compare import assert_almost_equal
from .environment import default_context
from .tolerances import default_numeric_eps, get_tols

__all__ = [
    "check_consistency", "check_numeric_gradient", "check_speed", "check_symbolic_backward", "check_symbolic_forward",
    "numeric_grad", "same_symbol_structure", "simple_forward",
]  # fmt: skip

_Arrays = dict[str, Any]
_SEED_NAME = "__random_proj"


def _numpy(value: Any) -> np.ndarray[Any, Any]:
    return value.asnumpy() if isinstance(value, nd.NDArray) else np.asarray(value)


def _by_name(what: str, names: Sequence[str], given: Any) -> _Arrays:
    """Arrays by name from a dict or a list in the order of ``names``. Raises ParameterError where they do not fit."""
    if isinstance(given, Mapping):
        if set(given) != set(names):
            msg = (
                f"Symbol {what} and keys of the given {what} do not match. "
                f"Symbol has {sorted(names)}, given are {sorted(given)}"
            )
            raise ParameterError(msg)
        return {name: given[name] for name in names}
    if len(given) != len(names):
        msg = f"Symbol has {len(names)} {what} ({', '.join(names)}), given are {len(given)}"
        raise ParameterError(msg)
    return dict(zip(names, given, strict=True))


def _arguments(symbol: Any, location: Any, ctx: Any, dtype: Any) -> _Arrays:
    """NDArrays of the arguments; NumPy arrays become ``dtype``, NDArrays keep their type."""
    found = _by_name("arguments", symbol.list_arguments(), location)
    return {
        name: value.copyto(ctx) if isinstance(value, nd.NDArray) else nd.array(value, ctx=ctx, dtype=dtype)
        for name, value in found.items()
    }


def _states(symbol: Any, aux_states: Any, ctx: Any, dtype: Any) -> _Arrays | None:
    names = symbol.list_auxiliary_states()
    if aux_states is None:
        return None
    found = _by_name("auxiliary states", names, aux_states)
    return {name: nd.array(_numpy(value), ctx=ctx, dtype=dtype) for name, value in found.items()}


def simple_forward(sym: Any, ctx: Any = None, is_train: bool = False, **inputs: Any) -> Any:
    """The NumPy outputs of a symbol on NumPy inputs, by name: the array, or a list of several."""
    ctx = ctx or default_context()
    executor = sym.bind(ctx, args={name: nd.array(value, ctx=ctx) for name, value in inputs.items()})
    executor.forward(is_train=is_train)
    outputs = [output.asnumpy() for output in executor.outputs]
    return outputs[0] if len(outputs) == 1 else outputs


def check_symbolic_forward(
    sym: Any,
    location: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    aux_states: Any = None,
    ctx: Any = None,
    equal_nan: bool = False,
    dtype: Any = np.float32,
) -> list[Any]:
    """The outputs of a symbol, after checking that they are ``expected``.

    location: arguments, a dict by name or a list.  expected: outputs, likewise.  dtype: of arguments given as NumPy
    arrays. Raises AssertionError for other values, ParameterError for names that do not fit.
    """
    ctx = ctx or default_context()
    wanted = _by_name("outputs", sym.list_outputs(), expected)
    args = _arguments(sym, location, ctx, dtype)
    grads = {name: nd.empty(array.shape, ctx=ctx, dtype=array.dtype) for name, array in args.items()}
    executor = sym.bind(ctx, args=args, args_grad=grads, aux_states=_states(sym, aux_states, ctx, dtype))
    executor.forward(is_train=False)
    for (name, value), output in zip(wanted.items(), executor.outputs, strict=True):
        names = (f"EXPECTED_{name}", f"FORWARD_{name}")
        assert_almost_equal(_numpy(value), output.asnumpy(), rtol, atol, names, equal_nan=equal_nan)
    return list(executor.outputs)


def check_symbolic_backward(
    sym: Any,
    location: Any,
    out_grads: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    aux_states: Any = None,
    grad_req: Any = "write",
    ctx: Any = None,
    grad_stypes: Any = None,
    equal_nan: bool = False,
    dtype: Any = np.float32,
) -> _Arrays:
    """The gradients of a symbol's arguments, after checking that they are ``expected``.

    out_grads: gradients of the outputs, a list, a dict by name, or None for losses.  expected: gradients, a dict of
    those to check or a list.  grad_req: "write", "add" (to random values), "null" (left as they are), for all or by
    name.  grad_stypes: accepted; gradients are dense. The rest as check_symbolic_forward.
    """
    ctx = ctx or default_context()
    names = sym.list_arguments()
    wanted = dict(expected) if isinstance(expected, Mapping) else _by_name("arguments", names, expected)
    args = _arguments(sym, location, ctx, dtype)
    before = {name: np.random.normal(size=args[name].shape) for name in wanted}  # noqa: NPY002
    grads = {name: nd.array(value, ctx=ctx, dtype=args[name].dtype) for name, value in before.items()}
    requests = _requests(names, grad_req)
    asked = {name: requests[name] if name in wanted else "null" for name in names}
    executor = sym.bind(
        ctx, args=args, args_grad=grads, aux_states=_states(sym, aux_states, ctx, dtype), grad_req=asked
    )
    executor.forward(is_train=True)
    executor.backward(_heads(sym, out_grads, executor, ctx))
    for name, value in wanted.items():
        found = grads[name].asnumpy()
        start = before[name].astype(found.dtype)
        target = {"write": _numpy(value), "add": _numpy(value) + start, "null": start}[asked[name]]
        assert_almost_equal(target, found, rtol, atol, (f"EXPECTED_{name}", f"BACKWARD_{name}"), equal_nan=equal_nan)
    return grads


def _requests(names: Sequence[str], grad_req: Any) -> dict[str, str]:
    if isinstance(grad_req, str):
        return dict.fromkeys(names, grad_req)
    if isinstance(grad_req, Mapping):
        return {name: grad_req.get(name, "null") for name in names}
    return dict(zip(names, grad_req, strict=True))


def _heads(symbol: Any, out_grads: Any, executor: Any, ctx: Any) -> Any:
    if out_grads is None:
        return None
    given = [out_grads] if isinstance(out_grads, (np.ndarray, nd.NDArray)) else out_grads
    found = _by_name("outputs", symbol.list_outputs(), given)
    return [
        value if isinstance(value, nd.NDArray) else nd.array(value, ctx=ctx, dtype=output.dtype)
        for value, output in zip(found.values(), executor.outputs, strict=True)
    ]


def numeric_grad(
    executor: Any,
    location: Mapping[str, Any],
    aux_states: Mapping[str, Any] | None = None,
    eps: float = 1e-4,
    use_forward_train: bool = True,
    dtype: Any = np.float32,
) -> _Arrays:
    """The gradient of the sum of the first output by central differences, two forwards for each element.

    location: NumPy values of the arguments.  aux_states: states set again before each forward.  eps: the difference.
    Returns NumPy arrays by name, for the float arguments.
    """

    def value() -> float:
        for name, state in (aux_states or {}).items():
            executor.aux_dict[name][:] = state
        executor.forward(is_train=use_forward_train)
        return float(executor.outputs[0].asnumpy().astype(np.float64).sum())

    for name, given in location.items():
        executor.arg_dict[name][:] = _numpy(given)
    found = {}
    for name, given in location.items():
        values = np.array(_numpy(given))
        if values.dtype.kind != "f":
            continue
        grad = np.zeros(values.shape, dtype)
        argument = executor.arg_dict[name]
        for at in np.ndindex(values.shape):
            before = values[at]
            values[at] = before + eps / 2
            argument[:] = values
            above = value()
            values[at] = before - eps / 2
            argument[:] = values
            grad[at] = (above - value()) / eps
            values[at] = before
        argument[:] = values
        found[name] = grad
    return found


def check_numeric_gradient(
    sym: Any,
    location: Any,
    aux_states: Any = None,
    numeric_eps: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    grad_nodes: Any = None,
    use_forward_train: bool = True,
    ctx: Any = None,
    grad_stype_dict: Any = None,
    dtype: Any = np.float32,
) -> None:
    """Checks the gradients of a symbol with one output against central differences of its random projection.

    location: values of the arguments, a dict by name or a list.  numeric_eps: the difference; default by type.
    grad_nodes: names to check, or a dict name -> grad_req; all by default.  use_forward_train: differences of the
    training forward.  grad_stype_dict: accepted; gradients are dense. Raises AssertionError.
    """
    ctx = ctx or default_context()
    names = sym.list_arguments()
    args = _arguments(sym, location, ctx, dtype)
    values = {name: array.asnumpy() for name, array in args.items()}
    states = _states(sym, aux_states, ctx, dtype)
    saved = {name: array.asnumpy() for name, array in (states or {}).items()}
    if isinstance(grad_nodes, Mapping):
        requests = dict(grad_nodes)
    else:
        requests = dict.fromkeys(grad_nodes or [n for n in names if values[n].dtype.kind == "f"], "write")
    shape = sym.infer_shape(**{name: value.shape for name, value in values.items()})[1][0]
    projection = np.random.uniform(0.1, 1.1, shape)  # noqa: NPY002 - away from 0, so that no element goes unseen
    loss = _projected(sym)
    args[_SEED_NAME] = nd.array(projection, ctx=ctx, dtype=dtype)
    before = {name: np.random.normal(size=values[name].shape) for name in requests}  # noqa: NPY002
    grads = {name: nd.array(value, ctx=ctx, dtype=args[name].dtype) for name, value in before.items()}
    asked = {name: requests.get(name, "null") for name in loss.list_arguments()}
    executor = loss.bind(ctx, args=args, args_grad=grads, grad_req=asked, aux_states=states)
    executor.forward(is_train=True)
    executor.backward()
    symbolic = {name: grads[name].asnumpy() for name in requests}
    eps = numeric_eps or default_numeric_eps()[np.dtype(dtype)]
    checked = {name: values[name] for name in requests}
    numeric = numeric_grad(executor, checked, saved, eps, use_forward_train, dtype)
    for name, request in requests.items():
        start = before[name].astype(symbolic[name].dtype)
        if request == "null":
            assert_almost_equal(start, symbolic[name], rtol, atol, (f"BEFORE_{name}", f"AFTER_{name}"))
            continue
        found = symbolic[name] - start if request == "add" else symbolic[name]
        assert_almost_equal(numeric[name], found, rtol, atol, (f"NUMERICAL_{name}", f"BACKWARD_{name}"))


def _projected(symbol: Any) -> Any:
    if len(symbol.list_outputs()) != 1:
        msg = f"[check_numeric_gradient] the symbol must have one output, got {len(symbol.list_outputs())}"
        raise ParameterError(msg)
    return sym.MakeLoss(sym.sum(symbol * sym.Variable(_SEED_NAME)))


def check_consistency(
    sym: Any,
    ctx_list: Sequence[Mapping[str, Any]],
    scale: float = 1.0,
    grad_req: Any = "write",
    arg_params: Mapping[str, Any] | None = None,
    aux_params: Mapping[str, Any] | None = None,
    rtol: Any = None,
    atol: Any = None,
    raise_on_err: bool = True,
    ground_truth: Mapping[str, Any] | None = None,
    equal_nan: bool = False,
    use_uniform: bool = False,
    rand_type: Any = np.float64,
) -> _Arrays:
    """Checks that a symbol, or several, give the same outputs and gradients on every context and type.

    ctx_list: what ``simple_bind`` takes, a dict for each: {"ctx": mx.cpu(), "data": (2, 3), "type_dict": {...}}.
    scale: of the random arguments, normal, or uniform with ``use_uniform``.  arg_params, aux_params: values to use
    instead.  rtol, atol: a number or a dict by dtype; default by type.  ground_truth: outputs and gradients that all
    must have; default are those of the widest type, which are returned.  raise_on_err: False prints what differs.
    """
    if len(ctx_list) < 2:
        msg = f"[check_consistency] needs two entries of ctx_list to compare, got {len(ctx_list)}"
        raise ParameterError(msg)
    symbols = [sym] * len(ctx_list) if isinstance(sym, Symbol) else list(sym)
    names, arguments = symbols[0].list_outputs(), symbols[0].list_arguments()
    executors = [s.simple_bind(grad_req=grad_req, **c) for s, c in zip(symbols, ctx_list, strict=True)]
    params = _random_params(executors[0], scale, arg_params or {}, use_uniform, rand_type)
    states = {name: 0 if aux_params is None else aux_params[name] for name in executors[0].aux_dict}
    for executor in executors:
        for name, array in executor.arg_dict.items():
            array[:] = _numpy(params[name]).astype(array.dtype)
        for name, array in executor.aux_dict.items():
            array[:] = states[name]
    widest = int(np.argmax([np.dtype(executor.outputs[0].dtype).itemsize for executor in executors]))

    def compare(gather: Callable[[Any], _Arrays], truth: Mapping[str, Any]) -> None:
        for number, executor in enumerate(executors):
            if number == widest and ground_truth is None:
                continue
            for name, array in gather(executor).items():
                if name in truth:
                    _compare(name, number, array, _numpy(truth[name]), rtol, atol, equal_nan, raise_on_err)

    def outputs(executor: Any) -> _Arrays:
        return dict(zip(names, (output.asnumpy() for output in executor.outputs), strict=True))

    for executor in executors:
        executor.forward(is_train=False)
    compare(outputs, ground_truth or outputs(executors[widest]))

    def everything(executor: Any) -> _Arrays:
        grads = {n: executor.grad_dict.get(n) for n in arguments}
        return {**outputs(executor), **{n: grad.asnumpy() for n, grad in grads.items() if grad is not None}}

    if grad_req != "null":
        for executor in executors:
            executor.forward(is_train=True)
            executor.backward([output.copy() for output in executor.outputs])
    truth = everything(executors[widest]) if grad_req != "null" else outputs(executors[widest])
    compare(everything if grad_req != "null" else outputs, ground_truth or truth)
    return dict(ground_truth) if ground_truth is not None else {k: nd.array(v, dtype=v.dtype) for k, v in truth.items()}


def _random_params(executor: Any, scale: float, given: Mapping[str, Any], use_uniform: bool, rand_type: Any) -> _Arrays:
    def draw(shape: tuple[int, ...]) -> Any:
        if use_uniform:
            return np.random.uniform(-0.92 * scale, 0.92 * scale, shape).astype(rand_type)  # noqa: NPY002
        return np.random.normal(size=shape, scale=scale).astype(rand_type)  # noqa: NPY002

    return {name: given[name] if name in given else draw(array.shape) for name, array in executor.arg_dict.items()}


def _compare(
    name: str, number: int, found: Any, truth: Any, rtol: Any, atol: Any, equal_nan: bool, raise_on_err: bool
) -> None:
    relative, absolute = (
        tol.get(np.dtype(found.dtype), tol.get(found.dtype.name)) if isinstance(tol, Mapping) else tol
        for tol in (rtol, atol)
    )
    relative, absolute = get_tols(found, truth, relative, absolute)
    try:
        assert_almost_equal(
            found, truth.astype(found.dtype), relative, absolute, (f"{name}_of_{number}", "truth"), equal_nan=equal_nan
        )
    except AssertionError as error:
        if raise_on_err:
            raise
        print(f"entry {number} of ctx_list differs in {name}: {error}")


def check_speed(
    sym: Any,
    location: Mapping[str, Any] | None = None,
    ctx: Any = None,
    N: int = 20,  # noqa: N803 - MXNet's name
    grad_req: str | None = None,
    typ: str = "whole",
    **kwargs: Any,
) -> float:
    """Seconds of a step: forward and backward, or the forward alone for ``typ="forward"``; the mean of N.

    location: values of the arguments; default are random ones of the shapes in ``kwargs``.
    """
    if typ not in ("whole", "forward"):
        msg = f'typ can only be "whole" or "forward", got {typ!r}'
        raise ParameterError(msg)
    ctx = ctx or default_context()
    if location is None:
        executor = sym.simple_bind(grad_req=grad_req or "write", ctx=ctx, **kwargs)
        location = {name: random_arrays(array.shape) for name, array in executor.arg_dict.items()}
    else:
        shapes = {name: _numpy(value).shape for name, value in location.items()}
        executor = sym.simple_bind(grad_req=grad_req or "write", ctx=ctx, **shapes)
    for name, value in location.items():
        executor.arg_dict[name][:] = _numpy(value)

    def step() -> None:
        executor.forward(is_train=typ == "whole")
        if typ == "whole":
            executor.backward([output.copy() for output in executor.outputs])

    step()
    nd.waitall()
    begin = time.perf_counter()
    for _ in range(N):
        step()
    nd.waitall()
    return (time.perf_counter() - begin) / N


def same_symbol_structure(sym1: Any, sym2: Any) -> bool:
    """Whether two symbols are the same operators joined in the same way, whatever their nodes are called."""

    def structure(symbol: Any) -> Any:
        content = json.loads(symbol.tojson())
        return [(node["op"], node["inputs"]) for node in content["nodes"]], content["heads"]

    return bool(structure(sym1) == structure(sym2))
