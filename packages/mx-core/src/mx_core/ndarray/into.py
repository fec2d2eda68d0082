"""Functions of arrays that read what ``out=`` holds, which an operator cannot."""

from __future__ import annotations

from typing import Any

from .. import _core
from ..errors import ParameterError
from .namespace import op

__all__ = ["all_finite", "multi_all_finite"]


def all_finite(data: Any, init_output: Any = True, out: Any = None, name: str | None = None) -> Any:
    """1 when every element of data is finite, else 0, as float32 of shape (1,).

    init_output: False keeps a 0 that `out` holds already, so that several calls fill one flag.
    """
    return _flag("all_finite", (data,), {}, init_output, out)


def multi_all_finite(
    *data: Any, num_arrays: Any = 1, init_output: Any = True, out: Any = None, name: str | None = None
) -> Any:
    """1 when every element of every array is finite, else 0, as float32 of shape (1,).

    init_output: False keeps a 0 that `out` holds already, so that several calls fill one flag.

    >>> import mxnet as mx
    >>> multi_all_finite(mx.nd.ones((2,)), mx.nd.array([float("nan")]), num_arrays=2).asnumpy().tolist()
    [0.0]
    """
    return _flag("multi_all_finite", data, {"num_arrays": num_arrays}, init_output, out)


def _flag(name: str, data: Any, params: dict[str, Any], init_output: Any, out: Any) -> Any:
    if out is None or init_output not in (False, 0, "False", "false", "0"):
        return op(name)(*data, out=out, **params)
    found = op(name)(*data, **params)
    return op("broadcast_mul")(found, out.astype(found.dtype), out=out)


def _set_value(src: Any, out: Any = None, name: str | None = None) -> Any:
    """Fills `out` with the number src, and returns it. Raises ParameterError without out."""
    if not isinstance(out, _core.NDArray):
        msg = f"[_set_value] out must be the NDArray to fill, got {out!r}"
        raise ParameterError(msg)
    out[:] = float(src)
    return out
