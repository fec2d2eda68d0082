"""Fourier transforms of rows, fft and ifft, and their companion count_sketch (compact bilinear pooling)."""

from __future__ import annotations

from ..dtypes import name_of
from ..errors import DTypeError, ShapeError
from ..op import NonNegative, Positive, Tensor, op
from .nn import require_float


@op
def _fourier(F, data: Tensor, *, inverse: bool) -> Tensor:
    """fft, or with inverse ifft, of checked inputs. Each is the other's gradient."""


@_fourier.infer
def _(t, data, *, inverse):
    t.require_shape(data)
    last = data.shape[-1]
    return t.out((*data.shape[:-1], last // 2 if inverse else 2 * last), data.dtype)


@_fourier.grad
def _(F, dy, y, data, *, inverse):
    return F._fourier(dy, inverse=not inverse)


def _check_rows(name, data):
    require_float(name, data)
    if data.ndim not in (2, 4):
        msg = f"[{name}] data must have 2 or 4 dimensions, got {data.shape}"
        raise ShapeError(msg)


@op(name="_contrib_fft")
def fft(F, data: Tensor, *, compute_size: NonNegative[int] = 128) -> Tensor:
    """The discrete Fourier transforms ``sum x_j exp(-2 pi i j k / d)`` of data's rows.

    data: (n, d) or (a, b, c, d) of real numbers.  compute_size: accepted for MXNet's programs.
    Returns (..., 2 d): real and imaginary parts in turn.

    >>> mx.nd.contrib.fft(mx.nd.array([[1, 2, 3, 4]])).asnumpy().tolist()
    [[10.0, 0.0, -2.0, 2.0, -2.0, 0.0, -2.0, -2.0]]
    """
    _check_rows("_contrib_fft", data)
    return F._fourier(data, inverse=False)


@op(name="_contrib_ifft")
def ifft(F, data: Tensor, *, compute_size: NonNegative[int] = 128) -> Tensor:
    """The real parts of ``sum x_j exp(2 pi i j k / d)`` of data's rows: not divided by d, as in MXNet.

    data: (n, 2 d) or (a, b, c, 2 d), real and imaginary parts in turn.  compute_size: accepted for MXNet's programs.
    Returns (..., d).

    >>> (mx.nd.contrib.ifft(mx.nd.contrib.fft(mx.nd.array([[1, 2, 3, 4]]))) / 4).asnumpy().tolist()
    [[1.0, 2.0, 3.0, 4.0]]
    """
    _check_rows("_contrib_ifft", data)
    if data.shape[-1] % 2:
        msg = f"[_contrib_ifft] data's rows must be pairs of real and imaginary parts, got {data.shape}"
        raise ShapeError(msg)
    return F._fourier(data, inverse=True)


@op(name="_contrib_count_sketch")
def count_sketch(
    F, data: Tensor, h: Tensor, s: Tensor, *, out_dim: Positive[int], processing_batch_size: Positive[int] = 32
) -> Tensor:
    """Rows scattered into fewer columns: column h[j] of the result adds up s[j] data[..., j].

    data: (n, d) or (a, b, c, d).  h: d whole numbers from 0 to below out_dim, as (d,) or (1, d); others are clipped.
    s: d signs, 1 or -1, of h's shape.  processing_batch_size: accepted for MXNet's programs.
    Returns (..., out_dim). Of the three only data has a gradient, as in MXNet.

    Source: Pham and Pagh 2013.

    >>> h, s = mx.nd.array([0, 1, 1]), mx.nd.array([1, -1, 1])
    >>> mx.nd.contrib.count_sketch(mx.nd.array([[1, 2, 5]]), h, s, out_dim=2).asnumpy().tolist()
    [[1.0, 3.0]]
    """
    name = "_contrib_count_sketch"
    _check_rows(name, data)
    size = data.shape[-1]
    for what, value in (("h", h), ("s", s)):
        if value.shape not in ((size,), (1, size)):
            msg = f"[{name}] {what} must have shape ({size},) or (1, {size}), got {value.shape}"
            raise ShapeError(msg)
        if value.dtype != data.dtype:
            msg = f"[{name}] {what} must have data's element type {name_of(data.dtype)}, got {name_of(value.dtype)}"
            raise DTypeError(msg)
    signed = data * F._view(F.BlockGrad(s), shape=(size,))
    places = F._view(F.BlockGrad(h), shape=(size,))
    shape = (*data.shape[:-1], out_dim)
    return F._take_backward(signed, places, shape=shape, axis=data.ndim - 1, mode="clip")
