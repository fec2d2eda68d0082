"""CTCLoss: sequences against labels without an alignment."""

from __future__ import annotations

from ..errors import ParameterError, ShapeError
from ..op import Enum, Tensor, op
from .nn import require_float


@op
def _ctc_loss(
    F,
    data: Tensor,
    label: Tensor,
    data_lengths: Tensor | None = None,
    label_lengths: Tensor | None = None,
    *,
    blank_first: bool,
    has_data_lengths: bool,
    has_label_lengths: bool,
) -> Tensor:
    """The loss of each sequence; labels and lengths are int32."""


@_ctc_loss.infer
def _(t, data, label, data_lengths, label_lengths):
    return t.out(data.shape[1:2], data.dtype)


@_ctc_loss.grad
def _(F, dy, y, data, label, data_lengths, label_lengths, **params):
    return F._ctc_loss_backward(dy, data, label, data_lengths, label_lengths, **params), None, None, None


@op
def _ctc_loss_backward(
    F,
    dy: Tensor,
    data: Tensor,
    label: Tensor,
    data_lengths: Tensor | None = None,
    label_lengths: Tensor | None = None,
    *,
    blank_first: bool,
    has_data_lengths: bool,
    has_label_lengths: bool,
) -> Tensor:
    """The gradient of _ctc_loss by data."""


@_ctc_loss_backward.infer
def _(t, dy, data, label, data_lengths, label_lengths):
    return t.like(data)


@op(aliases=["ctc_loss", "_contrib_CTCLoss", "_contrib_ctc_loss"])
def CTCLoss(
    F,
    data: Tensor,
    label: Tensor,
    data_lengths: Tensor | None = None,
    label_lengths: Tensor | None = None,
    *,
    use_data_lengths: bool = False,
    use_label_lengths: bool = False,
    blank_label: Enum("first", "last") = "first",
) -> Tensor:
    """``-ln p(label | data)``, summed over all ways to spread the label over time with blanks in between.

    data: (t, n, k) before softmax, one of the k classes being the blank.  label: (n, l) class numbers, padded with 0
    (blank first: classes count from 1) or -1 (blank last: classes count from 0, the blank is k - 1).
    data_lengths, label_lengths: (n,), how many steps and labels count; with use_data_lengths, use_label_lengths.
    Returns (n,). A sequence too short for its label has loss 0 and no gradient, as in MXNet 1.x.

    Source: Graves et al. 2006.

    >>> mx.nd.CTCLoss(mx.nd.zeros((2, 1, 3)), mx.nd.array([[1]])).asnumpy().round().tolist()
    [1.0]
    """
    require_float("CTCLoss", data)
    if use_label_lengths and not use_data_lengths and data_lengths is not None and label_lengths is None:
        data_lengths, label_lengths = None, data_lengths  # the third input is what comes first
    if data.ndim != 3 or 0 in data.shape[::2]:
        msg = f"[CTCLoss] data must be (t, n, k) with t and k above 0, got {data.shape}"
        raise ShapeError(msg)
    steps, n, _ = data.shape
    if label.ndim != 2 or label.shape[0] != n:
        msg = f"[CTCLoss] label must be (n, l) with n = {n}, got {label.shape}"
        raise ShapeError(msg)
    if label.shape[1] > steps:
        msg = f"[CTCLoss] label has {label.shape[1]} columns, more than the {steps} steps of data {data.shape}"
        raise ShapeError(msg)
    for what, used, value in (
        ("data_lengths", use_data_lengths, data_lengths),
        ("label_lengths", use_label_lengths, label_lengths),
    ):
        if used != (value is not None):
            msg = f"[CTCLoss] use_{what}={used} takes {'an' if used else 'no'} input {what}"
            raise ParameterError(msg)
        if used and value.shape != (n,):
            msg = f"[CTCLoss] {what} must have shape (n,) = ({n},), got {value.shape}"
            raise ShapeError(msg)
    return F._ctc_loss(
        data,
        F._cast(label, dtype="int32"),
        None if data_lengths is None else F._cast(data_lengths, dtype="int32"),
        None if label_lengths is None else F._cast(label_lengths, dtype="int32"),
        blank_first=blank_label == "first",
        has_data_lengths=use_data_lengths,
        has_label_lengths=use_label_lengths,
    )
