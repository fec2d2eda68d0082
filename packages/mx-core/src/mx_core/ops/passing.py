"""Operators that pass arrays on with a gradient or a storage of their own."""

from __future__ import annotations

from ..errors import ParameterError
from ..op import Enum, Tensor, op


@op(name="_contrib_gradientmultiplier")
def gradientmultiplier(F, data: Tensor, *, scalar: float = 1.0, is_int: bool = True) -> Tensor:
    """``data``, whose gradient is multiplied by ``scalar``: -1 reverses it, as in domain-adversarial training.

    is_int: accepted for MXNet's programs.
    """
    return F._copy(data)


@gradientmultiplier.grad
def _(F, dy, y, data, *, scalar):
    return dy * scalar


@op(name="_contrib_round_ste")
def round_ste(F, data: Tensor) -> Tensor:
    """round(data), half away from 0, with the gradient of data itself: a straight-through estimator."""
    return F.round(data)


@round_ste.grad
def _(F, dy, y, data):
    return dy


@op(name="_contrib_sign_ste")
def sign_ste(F, data: Tensor) -> Tensor:
    """sign(data) with the gradient of data itself: a straight-through estimator."""
    return F.sign(data)


@sign_ste.grad
def _(F, dy, y, data):
    return dy


@op
def cast_storage(F, data: Tensor, *, stype: Enum("default", "row_sparse", "csr")) -> Tensor:
    """``data`` in the storage ``stype``: "default", dense, is the one there is."""
    if stype != "default":
        msg = f"[cast_storage] arrays here are dense: stype must be 'default', got {stype!r}"
        raise ParameterError(msg)
    return F._copy(data)
