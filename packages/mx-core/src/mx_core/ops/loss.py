"""Operators that end a network: outputs with a loss's gradient built in (SoftmaxOutput, *RegressionOutput, MakeLoss).

Their gradient does not depend on the gradient that reaches them, so ``backward()`` on them trains; that is how MXNet's
Module programs are written.
"""

from __future__ import annotations

import math

from ..errors import ShapeError
from ..op import Enum, Range, Tensor, op
from ..op.inference import is_complete
from .linear import check_types

_Normalization = Enum("null", "batch", "valid")


@op
def make_loss(F, data: Tensor) -> Tensor:
    """``data``, marked as a loss: its gradient is 1 whatever reaches it."""
    return F._copy(data)


@make_loss.grad
def _(F, dy, y, data):
    return F.ones(data.shape, data.dtype)


@op
def MakeLoss(
    F, data: Tensor, *, grad_scale: float = 1.0, valid_thresh: float = 0.0, normalization: _Normalization = "null"
) -> Tensor:
    """``data``, marked as a loss: its gradient is ``grad_scale`` whatever reaches it.

    normalization: divide by the batch size (batch), or by the number of elements above ``valid_thresh`` (valid).
    """
    return F._copy(data)


@MakeLoss.grad
def _(F, dy, y, data, *, grad_scale, valid_thresh, normalization):
    if normalization == "valid":
        count = F._reduce(data > valid_thresh, op="sum", axes=tuple(range(data.ndim)), keepdims=True)
        return F._broadcast(grad_scale / F._maximum_scalar(count, scalar=1.0), shape=data.shape)
    scale = grad_scale / max((*data.shape[:1], 1)) if normalization == "batch" else grad_scale
    return F.full(data.shape, scale, data.dtype)


# -- SoftmaxOutput ---------------------------------------------------------------------------------------------------


def _softmax_rows(data, label_shape, multi_output, preserve_shape):
    """(axis of the classes, shape in which softmax runs) of SoftmaxOutput."""
    if multi_output:
        return 1, (data.shape[0], data.shape[1], math.prod(data.shape[2:]))
    if preserve_shape or label_shape == data.shape:
        return data.ndim - 1, data.shape
    return 1, (data.shape[0], math.prod(data.shape[1:]))


@op(aliases=["Softmax"])
def SoftmaxOutput(
    F,
    data: Tensor,
    label: Tensor,
    *,
    grad_scale: float = 1.0,
    ignore_label: float = -1.0,
    multi_output: bool = False,
    use_ignore: bool = False,
    preserve_shape: bool = False,
    normalization: _Normalization = "null",
    out_grad: bool = False,
    smooth_alpha: Range[float, 0, 1] = 0.0,
) -> Tensor:
    """softmax of ``data``, with the gradient of the cross-entropy to ``label``: ``softmax(x) - one_hot(label)``.

    data: (n, k), softmax over k; with multi_output (n, k, ...), softmax over axis 1; with preserve_shape over the last.
    label: class numbers of data's shape without the class axis, or probabilities of data's shape.
    grad_scale: factor of the gradient.  use_ignore, ignore_label: rows of this label get no gradient.
    normalization: divide the gradient by the batch size (batch) or the number of labels that are not ignored (valid);
    multi_output divides by the number of positions, too.  smooth_alpha: how much of each label is spread over the
    other classes.  out_grad: multiply by the gradient that reaches the output, which is ignored otherwise.
    """
    check_types(SoftmaxOutput, data, label, multi_output=multi_output, preserve_shape=preserve_shape)
    axis, shape = _softmax_rows(data, label.shape, multi_output, preserve_shape)
    return F._softmax(data.reshape(shape), axis=axis).reshape(data.shape)


@SoftmaxOutput.infer
def _(t, data, label, *, multi_output, preserve_shape):
    t.float_type(data)
    if label.dtype is None:
        t.unify_dtype(label, data.dtype)
    if data.shape is None:
        return t.like(data)
    if len(data.shape) < 2:
        t.fail_shape(f"data must be (n, k, ...), got {data.shape}")
    expected = (data.shape[0], *data.shape[2:]) if multi_output else data.shape[:-1]
    if label.shape is None:
        t.unify_shape(label, expected)
    elif is_complete(data.shape) and is_complete(label.shape) and label.shape != data.shape:
        axis, shape = _softmax_rows(data, label.shape, multi_output, preserve_shape)
        rows = math.prod(shape) // max(shape[axis], 1)
        if math.prod(label.shape) != rows or label.shape[:1] != data.shape[:1]:
            t.fail_shape(f"label must have shape {expected} for data {data.shape}, got {label.shape}")
    return t.like(data)


@SoftmaxOutput.grad
def _(F, dy, y, data, label, *, out_grad, **params):
    dx = _cross_entropy_gradient(F, y, label, **params)
    return (dx * dy if out_grad else dx), None


def _cross_entropy_gradient(
    F, y, label, *, grad_scale, ignore_label, multi_output, use_ignore, preserve_shape, normalization, smooth_alpha
):
    axis, shape = _softmax_rows(y, label.shape, multi_output, preserve_shape)
    if label.shape == y.shape:
        return (y - F._cast(label, dtype=y.dtype)) * grad_scale
    k = shape[axis]
    probability = y.reshape(shape)
    wanted = F._cast(label, dtype=y.dtype).reshape(shape[:axis] + (1,) + shape[axis + 1 :])
    classes = F._view(
        F._range(start=0.0, step=1.0, repeat=1, count=k, dtype=y.dtype),
        shape=tuple(k if i == axis else 1 for i in range(len(shape))),
    )
    hit = F._broadcast(F.broadcast_equal(classes, wanted), shape=shape)
    if smooth_alpha:
        rest = smooth_alpha / max(k - 1, 1)
        target = hit * (1.0 - smooth_alpha - rest) + rest
    else:
        target = hit
    dx = probability - target
    if use_ignore:
        dx = dx * (wanted != ignore_label)
    scale = grad_scale / max(math.prod(shape[2:]), 1) if multi_output and normalization == "null" else grad_scale
    if normalization == "batch":
        scale /= max(label.size, 1)
    dx = dx * scale
    if normalization == "valid":
        valid = F._reduce(wanted != ignore_label, op="sum", axes=tuple(range(len(shape))), keepdims=True)
        dx = dx / F._maximum_scalar(valid, scalar=1.0)
    return dx.reshape(y.shape)


@op
def softmax_cross_entropy(F, data: Tensor, label: Tensor) -> Tensor:
    """``-sum_i ln softmax(data)[i, label[i]]`` in an array of shape (1,).

    data: (n, k).  label: (n,) class numbers.
    """
    if data.ndim != 2 or label.shape != data.shape[:1]:
        msg = f"[softmax_cross_entropy] data must be (n, k) and label (n,), got {data.shape} and {label.shape}"
        raise ShapeError(msg)
    chosen = F.pick(F.log_softmax(data, axis=-1), label, axis=-1)
    return -F._reduce(chosen, op="sum", axes=(0,)).reshape((1,))


# -- regression ------------------------------------------------------------------------------------------------------


def regression(name, forward, residual, summary):
    """Define a *RegressionOutput: ``forward(F, x)``, gradient ``residual(F, y - label) * grad_scale / k``."""

    def function(F, data: Tensor, label: Tensor, *, grad_scale: float = 1.0) -> Tensor:
        check_types(opdef, data, label)
        return forward(F, data)

    opdef = op(
        function,
        name=name,
        doc=f"{summary}\n\nlabel: of data's shape, or (n,) for data (n, 1).  The gradient is multiplied by grad_scale and "
        "divided by\nthe number k of outputs of one sample; the gradient that reaches the output is ignored.\n",
    )

    @opdef.grad
    def _(F, dy, y, data, label, *, grad_scale):
        error = y - F._cast(label, dtype=y.dtype).reshape(y.shape)
        outputs = max(math.prod(label.shape[1:]), 1)
        return residual(F, error) * (grad_scale / outputs), None

    @opdef.infer
    def _(t, data, label):
        if label.dtype is None:
            t.unify_dtype(label, data.dtype)
        if label.shape is None and data.shape is not None:
            t.unify_shape(label, data.shape[:1] if data.shape[1:] == (1,) else data.shape)
        elif is_complete(data.shape) and is_complete(label.shape):
            same = label.shape == data.shape or label.shape[:1] == data.shape[:1]
            if not same or math.prod(label.shape) != math.prod(data.shape):
                t.fail_shape(f"label must have data's shape {data.shape}, got {label.shape}")
        return t.like(data)

    return opdef


regression(
    "LinearRegressionOutput", lambda F, x: F._copy(x), lambda F, error: error,
    "``data``, with the gradient of the squared error: ``(y - label) / k``.",
)  # fmt: skip
regression(
    "LogisticRegressionOutput", lambda F, x: F.sigmoid(x), lambda F, error: error,
    "``sigmoid(data)``, with the gradient of the cross-entropy: ``(y - label) / k``.",
)  # fmt: skip
regression(
    "MAERegressionOutput", lambda F, x: F._copy(x), lambda F, error: F.sign(error),
    "``data``, with the gradient of the absolute error: ``sign(y - label) / k``.",
)  # fmt: skip
