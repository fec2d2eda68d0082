"""Operators behind MXNet's own functions that are another operator on dense arrays: _scatter_*, _rnn_param_concat and kin."""

from __future__ import annotations

from ..op import Axis, Runtime, Tensor, op


@op
def _scatter_elemwise_div(F, lhs: Tensor, rhs: Tensor) -> Tensor:
    """``lhs / rhs``; for a sparse lhs, of the elements that are stored."""
    return F.elemwise_div(lhs, rhs)


@op
def _scatter_plus_scalar(F, data: Tensor, *, scalar: Runtime[float] = 1.0, is_int: bool = True) -> Tensor:
    """``data + scalar``; for sparse data, of the elements that are stored. is_int: the scalar was an int."""
    return F._plus_scalar(data, scalar=scalar, is_int=is_int)


@op
def _scatter_minus_scalar(F, data: Tensor, *, scalar: Runtime[float] = 1.0, is_int: bool = True) -> Tensor:
    """``data - scalar``; for sparse data, of the elements that are stored. is_int: the scalar was an int."""
    return F._minus_scalar(data, scalar=scalar, is_int=is_int)


@op
def _rnn_param_concat(F, data: list[Tensor], *, num_args: int = 0, dim: Axis = 1) -> Tensor:
    """The parameters of the layers of an RNN one after another along axis ``dim``, as ``RNN`` takes them."""
    return F.Concat(*data, num_args=num_args, dim=dim)


@op
def _CrossDeviceCopy(F, data: Tensor) -> Tensor:
    """A copy of data; the executor moves it to the device where it is read."""
    return F._copy(data)
