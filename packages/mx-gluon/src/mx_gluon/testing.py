"""``check_layer``: one call that tests a layer, for this package and for third parties' layers."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np

from mx_core import autograd, initializer
from mx_core import ndarray as nd
from mx_core.context import cpu

from .block import Block

__all__ = ["check_layer"]


def check_layer(
    layer: Block,
    *inputs: Any,
    is_train: bool = True,
    differentiate_inputs: bool = True,
    seed: int = 0,
    tol: float = 1e-5,
) -> Any:
    """Checks a layer in float64 and returns its output on ``inputs``.

    inputs: shapes, drawn from a normal distribution, or NumPy arrays.  is_train: differentiate it in training mode;
    False for layers that draw random numbers then.  differentiate_inputs: False for inputs that are numbers of rows or
    classes.  seed: of the inputs, parameters and directions.  tol: of the gradient, relative to its size.

    Checked are: deferred initialization; two calls and the hybridized call give the same; the gradient of inputs and
    parameters against a central difference in one random direction; parameters saved and loaded again; another
    context. Raises AssertionError.

    >>> from mx_gluon import nn
    >>> check_layer(nn.Dense(3, activation="tanh"), (2, 4)).shape
    (2, 3)
    """
    rng = np.random.default_rng(seed)
    arrays = [nd.array(rng.normal(size=i) if isinstance(i, tuple) else i, dtype="float64") for i in inputs]
    layer.cast("float64")
    layer.initialize(initializer.Zero())
    layer(*arrays)  # shapes become known
    for parameter in layer.collect_params().values():
        parameter.set_data(nd.array(rng.normal(size=parameter.shape) ** 2 * 0.5 + 0.1, dtype="float64"))

    expected = _values(layer(*arrays))
    _compare(layer(*arrays), expected, "a second call")
    _check_gradient(layer, arrays, is_train, differentiate_inputs, rng, tol)
    expected = _values(layer(*arrays))  # training may have moved running averages
    _check_file(layer, arrays, expected)
    layer.hybridize()
    _compare(layer(*arrays), expected, "the hybridized call")
    layer.hybridize(active=False)
    layer.collect_params().reset_ctx(cpu(1))
    out = layer(*[array.as_in_context(cpu(1)) for array in arrays])
    _compare(out, expected, "the call on cpu(1)")
    layer.collect_params().reset_ctx(cpu(0))
    return layer(*arrays)


def _outputs(result: Any) -> list[Any]:
    if isinstance(result, (list, tuple)):
        return [array for item in result for array in _outputs(item)]
    return [result]


def _values(result: Any) -> list[np.ndarray[Any, Any]]:
    return [array.asnumpy() for array in _outputs(result)]


def _compare(result: Any, expected: list[np.ndarray[Any, Any]], what: str) -> None:
    for found, wanted in zip(_values(result), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12, err_msg=f"{what} gives another output")


def _check_file(layer: Block, arrays: list[Any], expected: list[np.ndarray[Any, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "layer.params")
        layer.save_parameters(path)
        layer.initialize(initializer.Zero(), force_reinit=True)
        layer.load_parameters(path)
    _compare(layer(*arrays), expected, "the layer loaded from its file")


def _check_gradient(
    layer: Block, arrays: list[Any], is_train: bool, differentiate_inputs: bool, rng: np.random.Generator, tol: float
) -> None:
    """Compares the gradient along a random direction with (f(+h) - f(-h)) / 2h, f a random sum of the outputs."""
    trained = [p for p in layer.collect_params().values() if p.grad_req != "null"]
    if differentiate_inputs:
        for array in arrays:
            array.attach_grad()
    variables = [*(arrays if differentiate_inputs else []), *[p.data() for p in trained]]
    heads: list[Any] = []

    def run() -> Any:
        outputs = _outputs(layer(*arrays))
        if not heads:
            heads.extend(nd.array(rng.normal(size=y.shape), dtype="float64") for y in outputs)
        return nd.add_n(*[(y * head).sum() for y, head in zip(outputs, heads, strict=True)])

    with autograd.record(train_mode=is_train):
        run().backward()
    gradients = [array.grad.asnumpy() for array in variables]
    starts = [array.asnumpy() for array in variables]
    directions = [rng.normal(size=start.shape) for start in starts]
    values = []
    step = 1e-6
    for sign in (1, -1):
        for array, start, direction in zip(variables, starts, directions, strict=True):
            array[:] = start + sign * step * direction
        with autograd.record(train_mode=is_train):
            values.append(float(run().asscalar()))
    for array, start in zip(variables, starts, strict=True):
        array[:] = start
    difference = (values[0] - values[1]) / (2 * step)
    along = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))
    size = max(1.0, abs(along), *[float(np.abs(g).max(initial=0)) for g in gradients])
    assert abs(along - difference) <= tol * size, (
        f"{layer}: the gradient along a random direction is {along}, the central difference {difference}"
    )
