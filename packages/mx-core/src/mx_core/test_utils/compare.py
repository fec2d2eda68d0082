"""Assertions about arrays: equal, close, close but for a few; about optimizers and Gluon blocks that must agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _core, autograd
from .arrays import rand_ndarray
from .tolerances import get_etol, get_tols

__all__ = [
    "almost_equal", "assert_allclose", "assert_almost_equal", "assert_almost_equal_ignore_nan",
    "assert_almost_equal_with_err", "assert_exception", "checkShapes", "check_gluon_hybridize_consistency",
    "compare_ndarray_tuple", "compare_optimizer", "locationError", "same", "same_array",
]  # fmt: skip

_Names = tuple[str, str]


def _numpy(value: Any) -> np.ndarray[Any, Any]:
    return value.asnumpy() if isinstance(value, _core.NDArray) else np.asarray(value)


def same(a: Any, b: Any) -> bool:
    """Whether two NumPy arrays have the same shape and elements."""
    return np.array_equal(_numpy(a), _numpy(b))


def same_array(array1: Any, array2: Any) -> bool:
    """Whether two NDArrays are the same memory: a change of one is seen in the other, and taken back."""
    array1[:] += 1
    if not same(array1.asnumpy(), array2.asnumpy()):
        array1[:] -= 1
        return False
    array1[:] -= 1
    return same(array1.asnumpy(), array2.asnumpy())


def almost_equal(
    a: Any,
    b: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    use_broadcast: bool = True,
) -> bool:
    """Whether ``|a - b| <= atol + rtol * |b|`` for each element; tolerances default by element type.

    equal_nan: NaNs equal each other. use_broadcast: False asks for equal shapes, too (AssertionError).
    """
    a, b, rtol, atol = _compared(a, b, rtol, atol, use_broadcast)
    return bool(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan))


def checkShapes(a: Any, b: Any) -> None:  # noqa: N802 - MXNet's name
    """Raises AssertionError unless two NumPy arrays have the same shape."""
    if a.shape != b.shape:
        msg = np.testing.build_err_msg([a, b], err_msg=f"a.shape = {a.shape} and b.shape = {b.shape} are not equal")
        raise AssertionError(msg)


def locationError(a: Any, b: Any, index: Any, names: _Names, maxError: bool = False) -> str:  # noqa: N802, N803
    """The place and the two values of a difference, as text. index: its position; maxError: it is the greatest."""
    at = tuple(int(i) for i in index)
    greatest = "maximum " if maxError else ""
    return f"Location of {greatest}error: {at}, {names[0]}={a[at]:.8f}, {names[1]}={b[at]:.8f}"


def _compared(
    a: Any, b: Any, rtol: float | None, atol: float | None, use_broadcast: bool
) -> tuple[Any, Any, float, float]:
    """(a, b, rtol, atol) with the defaults filled in. Raises AssertionError for shapes that cannot be compared."""
    a, b = _numpy(a), _numpy(b)
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        use_broadcast = False
    if not use_broadcast:
        checkShapes(a, b)
    return a, b, *get_tols(a, b, rtol, atol)


def _violations(a: Any, b: Any, rtol: float, atol: float, equal_nan: bool) -> np.ndarray[Any, Any]:
    """How many tolerances each element is off: above 1 is too far."""
    with np.errstate(all="ignore"):
        wide_a, wide_b = a.astype("float64"), b.astype("float64")
        error = np.abs(wide_a - wide_b) / (atol + rtol * np.abs(wide_b) + 1e-20)
    error[wide_a == wide_b] = 0.0
    unknown = np.isnan(error)
    if equal_nan:
        unknown &= ~(np.isnan(wide_a) & np.isnan(wide_b))
    error[np.isnan(error)] = 0.0
    error[unknown] = np.inf
    return error


def _report(
    a: Any, b: Any, rtol: float, atol: float, names: _Names, equal_nan: bool, mismatches: tuple[int, int]
) -> tuple[str, float]:
    """(what differs most, part of the elements that differ). mismatches: elements to list, elements to look at."""
    a, b = np.broadcast_arrays(a, b)
    error = _violations(a, b, rtol, atol, equal_nan)
    wrong = error > 1
    order = np.argsort(error, axis=None, kind="stable")[::-1][: min(int(wrong.sum()), max(mismatches[0], 1))]
    places = [np.unravel_index(i, error.shape) for i in order]
    lines = [
        f"  {n}: Error {error[at]:f}  {locationError(a, b, at, names)}"
        for n, at in enumerate(places[: mismatches[0]], 1)
    ]
    part = float(wrong.sum()) / max(error.size, 1)
    worst = places[0]
    head = f"Error {error[worst]:f} exceeds tolerance rtol={rtol:e}, atol={atol:e} (mismatch {100 * part:f}%)."
    listing = "\n".join([f"Greatest of {int(wrong.sum())} errors among {error.size} elements:", *lines])
    return f"{head}\n{locationError(a, b, worst, names, maxError=True)}\n{listing}", part


def assert_almost_equal(
    a: Any,
    b: Any,
    rtol: float | None = None,
    atol: float | None = None,
    names: _Names = ("a", "b"),
    equal_nan: bool = False,
    use_broadcast: bool = True,
    mismatches: tuple[int, int] = (10, 10),
) -> None:
    """Raises AssertionError unless ``|a - b| <= atol + rtol * |b|``; its text lists the greatest differences.

    a, b: NDArrays or NumPy arrays. rtol, atol: default by element type (the coarser one). names: of a and b in the
    text. use_broadcast: False asks for equal shapes, too. mismatches: how many differences are listed, the first number.

    >>> import mxnet as mx
    >>> assert_almost_equal(mx.nd.ones((2,)), [1.0, 1.0 + 1e-6])
    """
    a, b, rtol, atol = _compared(a, b, rtol, atol, use_broadcast)
    if np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan):
        return
    text, _ = _report(a, b, rtol, atol, names, equal_nan, mismatches)
    raise AssertionError(np.testing.build_err_msg([a, b], err_msg=text))


def assert_allclose(a: Any, b: Any, rtol: float = 1e-07, atol: float = 0, equal_nan: bool = True) -> None:
    """assert_almost_equal with NumPy's tolerances."""
    assert_almost_equal(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)


def assert_almost_equal_with_err(
    a: Any,
    b: Any,
    rtol: float | None = None,
    atol: float | None = None,
    etol: float | None = None,
    names: _Names = ("a", "b"),
    equal_nan: bool = False,
    mismatches: tuple[int, int] = (10, 10),
) -> None:
    """assert_almost_equal that lets a part of the elements, ``etol`` between 0 and 1, differ."""
    a, b, rtol, atol = _compared(a, b, rtol, atol, use_broadcast=True)
    if np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan):
        return
    text, part = _report(a, b, rtol, atol, names, equal_nan, mismatches)
    if part > get_etol(etol):
        raise AssertionError(np.testing.build_err_msg([a, b], err_msg=text))


def assert_almost_equal_ignore_nan(
    a: Any, b: Any, rtol: float | None = None, atol: float | None = None, names: _Names = ("a", "b")
) -> None:
    """assert_almost_equal of the elements that are NaN in neither array."""
    a, b = np.copy(_numpy(a)), np.copy(_numpy(b))
    unknown = np.isnan(a) | np.isnan(b)
    a[unknown] = 0
    b[unknown] = 0
    assert_almost_equal(a, b, rtol, atol, names)


def assert_exception(f: Callable[..., Any], exception_type: type[BaseException], *args: Any, **kwargs: Any) -> None:
    """Raises AssertionError unless ``f(*args, **kwargs)`` raises this exception."""
    try:
        f(*args, **kwargs)
    except exception_type:
        return
    msg = f"{getattr(f, '__name__', f)} did not raise {exception_type.__name__}"
    raise AssertionError(msg)


def compare_ndarray_tuple(t1: Any, t2: Any, rtol: float | None = None, atol: float | None = None) -> None:
    """assert_almost_equal of NDArrays in tuples of tuples, such as the states of optimizers; None equals None."""
    if t1 is None or t2 is None:
        if t1 is not t2:
            msg = f"one of the two is None: {t1!r} and {t2!r}"
            raise AssertionError(msg)
    elif isinstance(t1, (list, tuple)):
        if len(t1) != len(t2):
            msg = f"{len(t1)} arrays and {len(t2)} arrays cannot be equal"
            raise AssertionError(msg)
        for first, second in zip(t1, t2, strict=True):
            compare_ndarray_tuple(first, second, rtol, atol)
    else:
        assert_almost_equal(t1, t2, rtol=rtol, atol=atol)


def compare_optimizer(
    opt1: Any,
    opt2: Any,
    shape: Any,
    dtype: Any,
    w_stype: str = "default",
    g_stype: str = "default",
    rtol: float = 1e-4,
    atol: float = 1e-5,
    compare_states: bool = True,
    ntensors: int = 1,
) -> None:
    """Raises AssertionError unless one step of two optimizers on random weights gives the same weights and states.

    shape: of the weight, or a list of ntensors shapes that are updated in one call. Storage types: "default".
    """
    shapes = list(shape) if isinstance(shape, list) else [shape] * ntensors
    weights = [rand_ndarray(item, w_stype, density=1, dtype=dtype) for item in shapes]
    grads = [rand_ndarray(item, g_stype, density=1, dtype=dtype) for item in shapes]
    results = []
    for optimizer in (opt1, opt2):
        mine, slopes = [weight.copy() for weight in weights], [grad.copy() for grad in grads]
        states = [optimizer.create_state_multi_precision(i, weight) for i, weight in enumerate(mine)]
        if len(mine) == 1:
            optimizer.update_multi_precision(0, mine[0], slopes[0], states[0])
        else:
            optimizer.update_multi_precision(list(range(len(mine))), mine, slopes, states)
        results.append((mine, states))
    (first, first_states), (second, second_states) = results
    if compare_states:
        compare_ndarray_tuple(first_states, second_states, rtol, atol)
    compare_ndarray_tuple(first, second, rtol, atol)


def check_gluon_hybridize_consistency(
    net_builder: Callable[[], Any],
    data_l: Any,
    numpy_func: Callable[..., Any] | None = None,
    test_grad: bool = True,
    rtol: float = 1e-4,
    atol: float = 1e-4,
) -> None:
    """Raises AssertionError unless a Gluon block computes the same, gradients too, hybridized or not.

    net_builder: makes the block; those it makes get the first one's parameters. data_l: its inputs. numpy_func: the
    NumPy function that it must agree with.
    """
    results = []
    saved: list[Any] = []
    for options in (None, {}, {"static_alloc": True}, {"static_alloc": True, "static_shape": True}):
        net = net_builder()
        net.initialize()
        inputs = [item.copy() for item in data_l]
        net(*inputs)  # shapes that follow from the data
        parameters = list(net.collect_params().values())
        for parameter, value in zip(parameters, saved, strict=False):
            parameter.set_data(value)
        if not saved:
            saved = [parameter.data().copy() for parameter in parameters]
        if options is not None:
            net.hybridize(**options)
        results.append(_outputs_and_gradients(net, inputs, parameters, test_grad))
    for result in results[1:]:
        for wanted, got in zip(results[0], result, strict=True):
            assert_almost_equal(wanted, got, rtol=rtol, atol=atol)
    if numpy_func is not None:
        assert_almost_equal(numpy_func(*[item.asnumpy() for item in data_l]), results[0][0], rtol=rtol, atol=atol)


def _outputs_and_gradients(net: Any, inputs: list[Any], parameters: list[Any], test_grad: bool) -> list[Any]:
    if not test_grad:
        return [net(*inputs).asnumpy()]
    for item in inputs:
        item.attach_grad()
    with autograd.record():
        output = net(*inputs)
    output.backward()
    learned = [parameter.grad().asnumpy() for parameter in parameters if parameter.grad_req != "null"]
    return [output.asnumpy(), *[item.grad.asnumpy() for item in inputs], *learned]
