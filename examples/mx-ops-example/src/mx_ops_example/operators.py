"""The definitions: schema, documentation, inference, gradient and body of each operator, written once."""

from __future__ import annotations

from mx_core.op import Positive, Range, Tensor, op


@op(method=True)
def swish(F, data: Tensor, *, beta: Positive[float] = 1.0) -> Tensor:  # noqa: N803
    """Swish activation, ``data * sigmoid(beta * data)``, element by element.

    data: float array of any shape.  beta: sharpness; large beta approaches relu.
    Returns an array of data's shape and dtype.

    >>> import mxnet as mx
    >>> mx.nd.swish(mx.nd.array([0.0, 100.0])).asnumpy().tolist()
    [0.0, 100.0]
    """
    return data * F.sigmoid(data * beta)


@op(method=True)
def ema(F, data: Tensor, *, decay: Range[float, 0, 1] = 0.9, reverse: bool = False) -> Tensor:  # noqa: N803
    """Exponential moving average along the last axis, ``y[t] = decay * y[t-1] + (1 - decay) * data[t]``, y[-1] = 0.

    data: float32 or float64 array of any shape.  decay: weight of the past.
    reverse: from the last element to the first.
    Returns an array of data's shape and dtype.

    >>> import mxnet as mx
    >>> mx.nd.ema(mx.nd.array([8.0, 0.0, 0.0]), decay=0.5).asnumpy().tolist()
    [4.0, 2.0, 1.0]
    """


@ema.infer
def _(t, data, *, decay, reverse):
    return t.like(data)


@ema.grad
def _(F, dy, y, data, *, decay, reverse):  # noqa: N803
    # The average is linear; its transpose is the same average run the other way.
    return F.ema(dy, decay=decay, reverse=not reverse)
