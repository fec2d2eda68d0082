"""Matrix products: dot, batch_dot, FullyConnected. All run the kernel ``_matmul`` on matrices or batches of them."""

from __future__ import annotations

import math

from ..dtypes import name_of
from ..errors import DTypeError, ParameterError, ShapeError
from ..op import Enum, OpDef, Positive, Tensor, op
from ..op.inference import Inference, infer_with


def check_types(opdef: OpDef, *inputs, **params) -> None:
    """Validate complete inputs by opdef's inference rule, inside of its body."""
    infer_with(opdef, Inference(opdef, inputs), inputs, params)


@op
def _matmul(
    F, a: Tensor, b: Tensor, bias: Tensor | None = None, *, transpose_a: bool = False, transpose_b: bool = False
) -> Tensor:
    """op(a) op(b) + bias of matrices, or of batches (n, rows, columns) of them."""


@_matmul.infer
def _(t, a, b, bias=None, *, transpose_a, transpose_b):
    t.require_shape(a, b)
    t.float_type(a)
    dtype = t.same_dtype(a, b, bias)
    rows, k = a.shape[-2:][::-1] if transpose_a else a.shape[-2:]
    k_b, columns = b.shape[-2:][::-1] if transpose_b else b.shape[-2:]
    if k != k_b or a.shape[:-2] != b.shape[:-2]:
        t.fail_shape(f"cannot multiply {a.shape} by {b.shape}: {k} columns meet {k_b} rows")
    return t.out((*a.shape[:-2], rows, columns), dtype)


@_matmul.grad
def _(F, dy, y, a, b, bias, *, transpose_a, transpose_b):
    if transpose_a:
        da = F._matmul(b, dy, transpose_a=transpose_b, transpose_b=True)
    else:
        da = F._matmul(dy, b, transpose_b=not transpose_b)
    if transpose_b:
        db = F._matmul(dy, a, transpose_a=True, transpose_b=transpose_a)
    else:
        db = F._matmul(a, dy, transpose_a=not transpose_a)
    return da, db, None if bias is None else F._sum_to(dy, bias.shape)


_Storage = Enum("default", "row_sparse", "csr")


def _same_types(name, lhs, rhs):
    """Raises DTypeError when the two arrays that are multiplied have different element types."""
    if lhs.dtype != rhs.dtype:
        wanted = name_of(lhs.dtype)
        msg = (
            f"[{name}] rhs must have element type {wanted} (as lhs), got {name_of(rhs.dtype)}. "
            f"Cast it: .astype('{wanted}')"
        )
        raise DTypeError(msg)


@op(method="dot")
def dot(
    F,
    lhs: Tensor,
    rhs: Tensor,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    forward_stype: _Storage | None = None,
) -> Tensor:
    """The dot product: lhs' last axis with rhs' first (lhs' first with transpose_a, rhs' last with transpose_b).

    Vectors give their inner product in an array of shape (1,). For (a, b, c) and (c, d) the result is (a, b, d).
    forward_stype: the storage of the result, only dense here.

    >>> mx.nd.dot(mx.nd.ones((2, 3)), mx.nd.ones((3, 4))).shape
    (2, 4)
    """
    if lhs.ndim == rhs.ndim == 1 and (transpose_a or transpose_b):
        msg = "[dot] two vectors cannot be transposed: leave out transpose_a and transpose_b"
        raise ParameterError(msg)
    if not lhs.ndim or not rhs.ndim:
        msg = f"[dot] lhs and rhs must have at least one dimension, got {lhs.shape} and {rhs.shape}"
        raise ShapeError(msg)
    k, left = (lhs.shape[0], lhs.shape[1:]) if transpose_a else (lhs.shape[-1], lhs.shape[:-1])
    k_rhs, right = (rhs.shape[-1], rhs.shape[:-1]) if transpose_b else (rhs.shape[0], rhs.shape[1:])
    if k != k_rhs:
        msg = (
            f"[dot] lhs {lhs.shape} and rhs {rhs.shape} do not fit (transpose_a={transpose_a}, transpose_b={transpose_b}): "
            f"the summed axes have sizes {k} and {k_rhs}. Transpose one of them (transpose_a, transpose_b), or reshape it"
        )
        raise ShapeError(msg)
    _same_types("dot", lhs, rhs)
    rows, columns = math.prod(left), math.prod(right)
    a = lhs.reshape((k, rows) if transpose_a else (rows, k))
    b = rhs.reshape((columns, k) if transpose_b else (k, columns))
    return F._matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b).reshape(left + right or (1,))


@op
def batch_dot(
    F,
    lhs: Tensor,
    rhs: Tensor,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    forward_stype: _Storage | None = None,
) -> Tensor:
    """Matrix products of the last two axes, one for each index of the leading axes, which must agree."""
    if lhs.ndim < 3 or lhs.shape[:-2] != rhs.shape[:-2]:
        msg = (
            f"[batch_dot] lhs and rhs must be (batch..., rows, columns) with one batch, got {lhs.shape} and {rhs.shape}"
        )
        raise ShapeError(msg)
    batch = lhs.shape[:-2]
    rows, k = lhs.shape[:-3:-1] if transpose_a else lhs.shape[-2:]
    k_rhs, columns = rhs.shape[:-3:-1] if transpose_b else rhs.shape[-2:]
    if k != k_rhs:
        msg = (
            f"[batch_dot] lhs {lhs.shape} and rhs {rhs.shape} do not fit (transpose_a={transpose_a}, "
            f"transpose_b={transpose_b}): the summed axes have sizes {k} and {k_rhs}. Transpose one of them (transpose_a, "
            "transpose_b)"
        )
        raise ShapeError(msg)
    _same_types("batch_dot", lhs, rhs)
    n = math.prod(batch)
    a, b = lhs.reshape((n, *lhs.shape[-2:])), rhs.reshape((n, *rhs.shape[-2:]))
    return F._matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b).reshape((*batch, rows, columns))


@op
def FullyConnected(
    F,
    data: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    num_hidden: Positive[int],
    no_bias: bool = False,
    flatten: bool = True,
) -> Tensor:
    """``y = x W^T + b``.

    data: (n, ...), flattened to (n, k); with flatten=False (..., k).  weight: (num_hidden, k).  bias: (num_hidden,),
    left out with no_bias.  Returns (n, num_hidden), or (..., num_hidden).

    >>> mx.nd.FullyConnected(mx.nd.ones((2, 3)), mx.nd.ones((4, 3)), mx.nd.zeros(4), num_hidden=4).shape
    (2, 4)
    """
    check_types(FullyConnected, data, weight, bias, num_hidden=num_hidden, no_bias=no_bias, flatten=flatten)
    k = weight.shape[1]
    rows = (data.shape[0],) if flatten else data.shape[:-1]
    x = data.reshape((math.prod(rows), k))
    return F._matmul(x, weight, bias, transpose_b=True).reshape((*rows, num_hidden))


@FullyConnected.infer
def _(t, data, weight, bias, *, num_hidden, no_bias, flatten):
    t.float_type(data)
    if no_bias and bias is not None:
        t.fail("no_bias=True takes two inputs, got a bias too")
    if not no_bias and bias is None:
        t.fail("input bias is missing. Give it, or say no_bias=True")
    dtype = t.same_dtype(data, weight, bias)
    if bias is not None:
        t.unify_shape(bias, (num_hidden,), "(num_hidden,)")
    if data.shape is None:
        return t.out(None, dtype)
    if not data.shape:
        t.fail_shape("data must have at least one dimension, got ()")
    k = t.product(data.shape[1:]) if flatten else data.shape[-1]
    t.unify_shape(weight, (num_hidden, k), f"(num_hidden, {k if k >= 0 else '?'})")
    return t.out((*(data.shape[:1] if flatten else data.shape[:-1]), num_hidden), dtype)


@op
def khatri_rao(F, args: list[Tensor], *, num_args: int = 0) -> Tensor:
    """The column-wise Kronecker product of matrices (m_i, k): shape (prod m_i, k)."""
    result = args[0]
    for i, item in enumerate(args):
        if item.ndim != 2 or item.shape[1] != result.shape[1]:
            msg = f"[khatri_rao] input {i} must be a matrix with {args[0].shape[1:]} columns, got {item.shape}"
            raise ShapeError(msg)
        if i:
            product = result.reshape((result.shape[0], 1, result.shape[1])) * item.reshape((1, *item.shape))
            result = product.reshape((result.shape[0] * item.shape[0], item.shape[1]))
    return F._copy(result) if len(args) == 1 else result
