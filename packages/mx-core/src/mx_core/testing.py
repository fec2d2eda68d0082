"""The operator suite: what every operator's test row is checked for. Plug-ins bring rows by the hook mx_op_cases.

A row names the operator and an oracle, NumPy in float64, and gives inputs and parameters::

    OpCase("softplus", oracle=lambda x, beta=1.0: np.logaddexp(0, beta * x) / beta,
           inputs=[uniform(-3, 3, (3, 4)), empty((0, 4)), scalar()], params=[{}, {"beta": 2.0}],
           extremes=[-300, 300], tol={"float16": 2e-3}, errors=[({"beta": 0.0}, "beta must be > 0")])

`check_op` runs a row on a device: value against the oracle for every element type, inferred against actual types,
gradients by central differences, grad_req write, add and null, ``out=``, kernel against composition, the same call as a
symbol through a file and an executor, error texts.
In a test module::

    @op_cases([OpCase(...), ...])
    def test_operator(case, ctx):
        check_op(case, ctx)
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

__all__ = [
    "FLOATS", "INTEGERS", "Make", "OpCase", "check_grads", "check_op", "devices", "empty", "fixed", "indices", "integers",
    "normal", "op_cases", "plugin_cases", "scalar", "uniform",
]  # fmt: skip

FLOATS = ("float32", "float64", "float16")
INTEGERS = ("int32", "int64", "int8", "uint8")
_TOLERANCE = {"float16": 4e-3, "bfloat16": 2e-2, "float32": 2e-5, "float64": 1e-11}
_SEED = 20190611


# -- inputs ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Make:
    """One input of a row: how to draw it. dtype: its own element type, which also means that it has no gradient."""

    shape: tuple[int, ...]
    draw: Callable[[np.random.Generator, tuple[int, ...]], Any]
    dtype: str | None = None

    def __call__(self, rng: np.random.Generator, dtype: str) -> np.ndarray[Any, Any]:
        return np.asarray(self.draw(rng, self.shape)).astype(self.dtype or dtype).reshape(self.shape)


def uniform(low: float, high: float, shape: tuple[int, ...]) -> Make:
    """Numbers spread evenly over [low, high)."""
    return Make(shape, lambda rng, size: rng.uniform(low, high, size))


def normal(shape: tuple[int, ...]) -> Make:
    """Standard normal numbers."""
    return Make(shape, lambda rng, size: rng.standard_normal(size))


def integers(low: int, high: int, shape: tuple[int, ...]) -> Make:
    """Whole numbers in [low, high), in the row's element types."""
    return Make(shape, lambda rng, size: rng.integers(low, high, size))


def indices(high: int, shape: tuple[int, ...], dtype: str = "float32", low: int = 0) -> Make:
    """Whole numbers in [low, high) of one element type: class labels, positions. They get no gradient."""
    return Make(shape, lambda rng, size: rng.integers(low, high, size), dtype)


def empty(shape: tuple[int, ...]) -> Make:
    """An array with a size of 0."""
    return Make(shape, lambda rng, size: np.zeros(size))


def scalar(low: float = 0.5, high: float = 1.5) -> Make:
    """A number as an array of shape ()."""
    return Make((), lambda rng, size: rng.uniform(low, high))


def fixed(values: Any, dtype: str | None = None) -> Make:
    """These values."""
    return Make(np.shape(values), lambda rng, size: values, dtype)


# -- rows ------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class OpCase:
    """A test row of one operator.

    oracle: ``(*inputs, **params)`` in float64 (integers as they are) -> the visible outputs, then the new values of the
        inputs that the operator writes. With ``check`` instead, ``(outputs, inputs, params)`` asserts what must hold.
    inputs: a `Make`, or a tuple of them (None for an absent optional input), for each set of inputs.
    extremes: values at which only the value is checked, for operators of one input.
    gradient: True for central differences, False for none, "zero" for operators whose gradient is zero, or
        ``(dy, *inputs, **params)`` -> the gradients of the inputs that have one.
    second_order: also check the gradient of the gradient.  is_train: run as in training.
    skip_gradient: the sets of inputs (numbers) that have no gradient to check.
    errors: ``(params, text)`` with the first inputs, or ``(inputs, params, text)``: the call must raise MXNetError with
        this text.
    """

    name: str
    oracle: Callable[..., Any] | None = None
    inputs: Sequence[Any] = ()
    params: Sequence[dict[str, Any]] = ({},)
    extremes: Sequence[float] = ()
    dtypes: Sequence[str] = FLOATS
    tol: dict[str, float] = dataclasses.field(default_factory=dict)
    errors: Sequence[tuple[Any, ...]] = ()
    gradient: Any = True
    skip_gradient: Sequence[int] = ()
    second_order: bool = False
    is_train: bool = False
    check: Callable[..., None] | None = None
    id: str = ""

    def __str__(self) -> str:
        return self.id or self.name


def devices() -> list[Any]:
    """The contexts to test on: cpu(0), and gpu(0) where there is one; MX_TEST_DEVICES="cpu" restricts them."""
    from .context import cpu, gpu, num_gpus

    found = [cpu(0), *([gpu(0)] if num_gpus() else [])]
    wanted = os.environ.get("MX_TEST_DEVICES", "").replace(",", " ").split()
    return [ctx for ctx in found if not wanted or ctx.device_type in wanted]


def op_cases(cases: Iterable[OpCase]) -> Any:
    """A pytest decorator: run the test ``(case, ctx)`` for every row on every device."""
    import pytest

    rows = [pytest.param(case, ctx, id=f"{case}-{ctx.device_type}") for case in cases for ctx in devices()]
    return pytest.mark.parametrize(("case", "ctx"), rows)


def plugin_cases() -> list[OpCase]:
    """The rows that installed plug-ins bring by the hook mx_op_cases."""
    from . import plugin

    rows: list[OpCase] = []
    plugin.ask("mx_op_cases", lambda name, answer: rows.extend(answer))
    return rows


# -- one call --------------------------------------------------------------------------------------------------------


class _Run:
    """One set of inputs and parameters of a row on a device, in one element type."""

    def __init__(self, case: OpCase, ctx: Any, number: int, params: dict[str, Any], dtype: str) -> None:
        from .op import get_op

        self.case, self.ctx, self.params, self.dtype = case, ctx, params, dtype
        self.opdef = get_op(case.name)
        self.call = self.opdef.make_callable()
        makes = case.inputs[number] if case.inputs else ()
        self.makes = (makes,) if isinstance(makes, Make) else tuple(makes)
        rng = np.random.default_rng(_SEED + number)
        self.values = [None if make is None else make(rng, dtype) for make in self.makes]
        self.label = f"{case} inputs[{number}] {dtype} params {params} on {ctx}"

    def arrays(self) -> list[Any]:
        """The inputs as new NDArrays."""
        return [None if value is None else _array(value, self.ctx) for value in self.values]

    def __call__(self, arrays: Sequence[Any], **extra: Any) -> list[Any]:
        context = {} if arrays else {"ctx": self.ctx}
        result = self.call(*arrays, **self.params, **context, **extra)
        return list(result) if isinstance(result, (list, tuple)) else [result]

    def written(self, arrays: Sequence[Any]) -> list[Any]:
        """The inputs that the operator writes."""
        static, _ = self.opdef.bind_params(self.params)
        return [arrays[index] for index in self.opdef.written_inputs(static)]

    def expected(self) -> list[np.ndarray[Any, Any]]:
        """The oracle's answer."""
        wide = [
            value.astype("float64") if value is not None and value.dtype.kind == "f" else value for value in self.values
        ]
        assert self.case.oracle is not None
        with np.errstate(all="ignore"):
            result = self.case.oracle(*wide, **self.params)
        return [np.asarray(item) for item in (result if isinstance(result, (list, tuple)) else [result])]

    @property
    def differentiable(self) -> list[int]:
        """Numbers of the inputs that get gradients."""
        aux = self.opdef.aux_inputs
        return [
            i
            for i, make in enumerate(self.makes)
            if make is not None and make.dtype is None and not (i < len(aux) and aux[i])
        ]

    def train(self) -> Any:
        from . import autograd

        return autograd.train_mode() if self.case.is_train else autograd.predict_mode()


def _array(value: np.ndarray[Any, Any], ctx: Any) -> Any:
    from .ndarray import array

    return array(value, ctx=ctx, dtype=value.dtype)


def _assert_close(actual: Any, wanted: np.ndarray[Any, Any], dtype: str, label: str, tol: dict[str, float]) -> None:
    """Close in relative error, with an absolute error of as much of the greatest value."""
    got = np.asarray(actual)
    assert got.shape == wanted.shape, f"{label}: shape {got.shape}, the oracle's is {wanted.shape}"
    if got.dtype.kind in "iub":
        np.testing.assert_array_equal(got, _to_integer(wanted, got.dtype), err_msg=label)
        return
    bound = tol.get(dtype, tol.get(got.dtype.name, _TOLERANCE.get(dtype, _TOLERANCE.get(got.dtype.name, 1e-5))))
    with np.errstate(all="ignore"):
        wanted = wanted.astype(got.dtype).astype("float64")  # overflow and infinities as the type has them
    finite = np.abs(wanted[np.isfinite(wanted)])
    scale = float(finite.max()) if finite.size else 1.0
    np.testing.assert_allclose(got.astype("float64"), wanted, rtol=bound, atol=bound * min(scale, 1.0), err_msg=label)


def _to_integer(wanted: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The oracle's numbers as integers: truncated and wrapped."""
    if wanted.dtype.kind == "f" and dtype.kind in "iu":
        with np.errstate(all="ignore"):
            return np.trunc(wanted).astype("int64").astype(dtype)
    return wanted.astype(dtype)


# -- the checks ------------------------------------------------------------------------------------------------------


def check_op(case: OpCase, ctx: Any = None) -> None:
    """Run every check of a row on a device (default: cpu(0)); raises AssertionError that says which part failed."""
    from .context import cpu
    from .testing_symbol import check_symbol

    ctx = cpu(0) if ctx is None else ctx
    for params in case.params:
        for number in range(max(len(case.inputs), 1)):
            for dtype in case.dtypes:
                _check_value(_Run(case, ctx, number, params, dtype))
    _check_extremes(case, ctx)
    first = _Run(case, ctx, 0, case.params[0], case.dtypes[0])
    _check_composition(first)
    _check_out(first)
    check_symbol(first)
    _check_gradients(case, ctx)
    for error in case.errors:
        _check_error(case, ctx, error)


def _check_value(run: _Run) -> None:
    arrays = run.arrays()
    with run.train():
        outputs = run(arrays)
    case = run.case
    if case.check is not None:
        case.check([out.asnumpy() for out in outputs], run.values, run.params)
    else:
        actual = [*outputs, *run.written(arrays)]
        wanted = run.expected()
        assert len(actual) == len(wanted), f"{run.label}: {len(actual)} outputs, the oracle has {len(wanted)}"
        for i, (got, want) in enumerate(zip(actual, wanted, strict=True)):
            _assert_close(got.asnumpy(), want, run.dtype, f"{run.label}, output {i}", case.tol)
    _check_inference(run, outputs)


def _check_inference(run: _Run, outputs: Sequence[Any]) -> None:
    from .dtypes import flag_of
    from .op import infer_types

    types = ["absent" if value is None else (flag_of(value.dtype), value.shape) for value in run.values]
    params = {name: value for name, value in run.params.items() if name != "ctx"}
    _, inferred = infer_types(run.opdef, params, types)
    actual = [(flag_of(out.dtype), out.shape) for out in outputs]
    assert inferred[: len(actual)] == actual, f"{run.label}: inferred {inferred}, actual {actual}"


def _check_extremes(case: OpCase, ctx: Any) -> None:
    if not case.extremes:
        return
    values = fixed(list(case.extremes))
    row = dataclasses.replace(case, inputs=[values])
    for params in case.params:
        for dtype in case.dtypes:
            if dtype in FLOATS:
                _check_value(_Run(row, ctx, 0, params, dtype))


def _check_composition(run: _Run) -> None:
    """An operator with a body and a kernel gives the same by both."""
    from . import _core
    from .dtypes import flag_of
    from .graph.compile import build_plan, lower_call
    from .graph.target import Target

    opdef = run.opdef
    if not opdef.has_body or opdef.kernel not in _core.kernel_names(run.ctx.device_type):
        return

    class Compositions(Target):
        """A device that has kernels for primitives only."""

        __slots__ = ()

        def has_kernel(self, opdef: Any) -> bool:
            return opdef.opcode is not None

    target = Compositions(_core, run.ctx.device_typeid, run.ctx.device_id)
    static, runtime = opdef.bind_params(run.params)
    types = [None if value is None else (flag_of(value.dtype), value.shape) for value in run.values]
    plan = build_plan(_core, lower_call(opdef, tuple(static.values()), types, target, run.case.is_train, ()), target)
    arrays = run.arrays()
    composed = plan.run([array for array in arrays if array is not None], runtime)
    for got, want in zip(composed, run(arrays), strict=False):
        _assert_close(got.asnumpy(), want.asnumpy(), run.dtype, f"{run.label}: composition", run.case.tol)


def _check_out(run: _Run) -> None:
    """``out=`` is written, and is what the call returns."""
    if run.case.check is not None or run.opdef.random:
        return
    with run.train():
        wanted = run(run.arrays())
        if len(wanted) != 1:
            return
        out = _array(np.zeros(wanted[0].shape, wanted[0].dtype), run.ctx)
        returned = run(run.arrays(), out=out)
    assert returned[0] is out, f"{run.label}: out= is not what the call returned"
    np.testing.assert_array_equal(out.asnumpy(), wanted[0].asnumpy(), err_msg=f"{run.label}: out=")


def _check_error(case: OpCase, ctx: Any, error: tuple[Any, ...]) -> None:
    from .errors import MXNetError

    inputs, params, text = error if len(error) == 3 else (case.inputs[0] if case.inputs else (), *error)
    run = _Run(dataclasses.replace(case, inputs=[inputs]), ctx, 0, params, case.dtypes[0])
    try:
        for out in run(run.arrays()):
            out.asnumpy()
    except MXNetError as raised:
        assert text in str(raised), f"{run.label}: the error must say {text!r}, it says: {raised}"
        return
    msg = f"{run.label}: no error, expected one that says {text!r}"
    raise AssertionError(msg)


# -- gradients -------------------------------------------------------------------------------------------------------


def _check_gradients(case: OpCase, ctx: Any) -> None:
    if case.gradient is False or "float64" not in case.dtypes:
        return
    for number in range(len(case.inputs)):
        if number in case.skip_gradient:
            continue
        for params in case.params:
            run = _Run(case, ctx, number, params, "float64")
            if not run.differentiable:
                continue
            if case.gradient == "zero" or callable(case.gradient):
                _check_given_gradient(run)
            else:
                check_grads(
                    lambda *arrays, run=run: run(arrays), [v for v in run.values], wrt=run.differentiable, ctx=ctx,
                    is_train=case.is_train, second_order=case.second_order, label=run.label,
                )  # fmt: skip
    _check_grad_req(_Run(case, ctx, 0, case.params[0], "float64"))


def _record(run: _Run, arrays: Sequence[Any], heads: list[np.ndarray[Any, Any]] | None = None) -> list[Any]:
    from . import autograd

    with autograd.record(train_mode=run.case.is_train):
        outputs = run(arrays)
    grads = [_array(head, run.ctx) for head in heads] if heads else [_ones(out, run.ctx) for out in outputs]
    autograd.backward(outputs, grads, train_mode=run.case.is_train)
    return outputs


def _ones(out: Any, ctx: Any) -> Any:
    return _array(np.ones(out.shape, out.dtype), ctx)


def _check_given_gradient(run: _Run) -> None:
    arrays = run.arrays()
    wrt = run.differentiable
    for i in wrt:
        arrays[i].attach_grad()
    rng = np.random.default_rng(_SEED)
    heads = [rng.uniform(0.5, 1.5, out.shape).astype(out.dtype) for out in run(run.arrays())]
    _record(run, arrays, heads)
    if run.case.gradient == "zero":
        wanted: Any = [np.zeros_like(run.values[i]) for i in wrt]
    else:
        wanted = run.case.gradient(*[head.astype("float64") for head in heads], *run.values, **run.params)
        wanted = wanted if isinstance(wanted, (list, tuple)) else [wanted]
    for i, want in zip(wrt, wanted, strict=True):
        _assert_close(
            arrays[i].grad.asnumpy(), np.asarray(want), "float64", f"{run.label}: gradient {i}", {"float64": 1e-9}
        )


def _check_grad_req(run: _Run) -> None:
    """write replaces, add accumulates, null leaves no gradient."""
    wrt = run.differentiable
    if not wrt or 0 in run.case.skip_gradient:
        return
    found = {}
    for req, times in (("write", 2), ("add", 2)):
        arrays = run.arrays()
        for i in wrt:
            arrays[i].attach_grad(grad_req=req)
        for _ in range(times):
            _record(run, arrays)
        found[req] = [arrays[i].grad.asnumpy() for i in wrt]
    for i, write, add in zip(wrt, found["write"], found["add"], strict=True):
        np.testing.assert_allclose(add, 2 * write, rtol=1e-12, err_msg=f"{run.label}: grad_req add of input {i}")
    if len(wrt) > 1:
        arrays = run.arrays()
        arrays[wrt[0]].attach_grad(grad_req="null")
        arrays[wrt[1]].attach_grad()
        _record(run, arrays)
        np.testing.assert_allclose(
            arrays[wrt[1]].grad.asnumpy(), found["write"][1], rtol=1e-12, err_msg=f"{run.label}: grad_req null"
        )


def check_grads(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    wrt: Sequence[int] | None = None,
    ctx: Any = None,
    is_train: bool = False,
    second_order: bool = False,
    eps: float = 1e-6,
    rtol: float = 2e-6,
    label: str = "",
) -> None:
    """Compare the gradient of function with central differences in one random direction, in float64.

    function: NDArrays -> NDArray or a list of them.  inputs: NumPy arrays (float64 those that get gradients; None for
    absent ones).  wrt: numbers of the inputs to differentiate by, default all floats.  second_order: the same for the
    gradient of ``<gradient, v>`` with a random v.  Raises AssertionError.
    """
    from . import autograd
    from .context import cpu

    ctx = cpu(0) if ctx is None else ctx
    if wrt is None:
        wrt = [i for i, value in enumerate(inputs) if value is not None and np.asarray(value).dtype.kind == "f"]
    rng = np.random.default_rng(_SEED)
    directions = {i: rng.uniform(-1, 1, np.shape(inputs[i])) for i in wrt}
    weights: list[Any] = []

    def outputs_of(arrays: Sequence[Any]) -> list[Any]:
        result = function(*arrays)
        return list(result) if isinstance(result, (list, tuple)) else [result]

    def shifted(step: float) -> list[Any]:
        values = [
            value if value is None or i not in directions else np.asarray(value) + step * directions[i]
            for i, value in enumerate(inputs)
        ]
        return [None if value is None else _array(np.asarray(value), ctx) for value in values]

    def gradients(arrays: Sequence[Any], create_graph: bool) -> list[Any]:
        heads = [_array(weight, ctx) for weight in weights]
        with autograd.record(train_mode=is_train):
            outputs = outputs_of(arrays)
            return autograd.grad(
                outputs, [arrays[i] for i in wrt], heads, create_graph=create_graph, retain_graph=create_graph,
                train_mode=is_train,
            )  # fmt: skip

    def loss(step: float) -> float:
        with autograd.train_mode() if is_train else autograd.predict_mode():
            outputs = outputs_of(shifted(step))
        return sum(float((out.asnumpy() * weight).sum()) for out, weight in zip(outputs, weights, strict=True))

    with autograd.train_mode() if is_train else autograd.predict_mode():
        weights = [rng.uniform(0.5, 1.5, out.shape).astype(out.dtype) for out in outputs_of(shifted(0.0))]
    arrays = shifted(0.0)
    for i in wrt:
        arrays[i].attach_grad()
    found = gradients(arrays, create_graph=False)
    _compare(found, [directions[i] for i in wrt], loss, eps, rtol, f"{label}: gradient")
    if not second_order:
        return
    probes = {i: rng.uniform(-1, 1, np.shape(inputs[i])) for i in wrt}

    def probe(step: float) -> float:
        at = shifted(step)
        for i in wrt:
            at[i].attach_grad()
        return sum(
            float((g.asnumpy() * probes[i]).sum()) for i, g in zip(wrt, gradients(at, create_graph=False), strict=True)
        )

    arrays = shifted(0.0)
    for i in wrt:
        arrays[i].attach_grad()
    first = gradients(arrays, create_graph=True)
    autograd.backward(first, [_array(probes[i], ctx) for i in wrt], train_mode=is_train)
    second = [arrays[i].grad for i in wrt]
    _compare(second, [directions[i] for i in wrt], probe, eps, 10 * rtol, f"{label}: second gradient")


def _compare(
    found: Sequence[Any],
    directions: Sequence[np.ndarray[Any, Any]],
    loss: Callable[[float], float],
    eps: float,
    rtol: float,
    label: str,
) -> None:
    slope = size = 0.0
    for gradient, direction in zip(found, directions, strict=True):
        value = gradient.asnumpy()
        assert value.shape == direction.shape, f"{label} has shape {value.shape}, its input {direction.shape}"
        slope += float((value * direction).sum())
        size += float(np.abs(value * direction).sum())
    numeric = (loss(eps) - loss(-eps)) / (2 * eps)
    bound = rtol * (size + abs(numeric)) + 1e-7
    assert abs(slope - numeric) <= bound, f"{label} is {slope!r}, central differences give {numeric!r} (seed {_SEED})"
