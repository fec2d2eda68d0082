"""Rows of the matrix products."""

from __future__ import annotations

import numpy as np

from mx_core.testing import OpCase, check_op, empty, integers, normal, op_cases

TOL = {"float16": 2e-2}


def dot(a, b, transpose_a=False, transpose_b=False):
    if transpose_a:
        a = np.moveaxis(a, 0, -1)
    if transpose_b:
        b = np.moveaxis(b, -1, 0)
    result = np.tensordot(a, b, axes=([a.ndim - 1], [0]))
    return result if result.ndim else result.reshape(1)


def batch_dot(a, b, transpose_a=False, transpose_b=False):
    return (np.swapaxes(a, -1, -2) if transpose_a else a) @ (np.swapaxes(b, -1, -2) if transpose_b else b)


def fully_connected(x, w, b=None, num_hidden=None, no_bias=False, flatten=True):
    x = x.reshape(len(x), int(np.prod(x.shape[1:]))) if flatten else x
    return x @ w.T + (0 if b is None else b)


CASES = [
    OpCase(
        "dot",
        dot,
        [
            (normal((3, 4)), normal((4, 5))), (normal((7,)), normal((7,))), (normal((3, 4)), normal((4,))),
            (normal((3,)), normal((3, 4))), (normal((2, 3, 4)), normal((4, 5))), (normal((2, 3, 4)), normal((4, 5, 6))),
            (normal((65, 130)), normal((130, 33))), (empty((2, 0)), empty((0, 3))), (empty((0, 4)), normal((4, 3))),
        ],
        tol=TOL,
        second_order=True,
        errors=[
            ((normal((2, 3)), normal((2, 3))), {}, "lhs (2, 3) and rhs (2, 3) do not fit"),
            ((normal((3,)), normal((3,))), {"transpose_a": True}, "two vectors cannot be transposed"),
            ((integers(0, 3, (2, 2)).__class__((2, 2), lambda rng, size: np.ones(size), "int32"),) * 2, {}, "floating element type"),
        ],
    ),
    OpCase("dot", dot, [(normal((4, 3)), normal((4, 5))), (normal((2, 3, 4)), normal((2, 5))), (normal((2, 3)), normal((2,)))],
           [{"transpose_a": True}], tol=TOL, id="dot-transpose_a"),
    OpCase("dot", dot, [(normal((3, 4)), normal((5, 4))), (normal((2, 3, 4)), normal((5, 6, 4))), (normal((3,)), normal((2, 3)))],
           [{"transpose_b": True}], tol=TOL, id="dot-transpose_b"),
    OpCase("dot", dot, [(normal((4, 3)), normal((5, 4)))], [{"transpose_a": True, "transpose_b": True}], tol=TOL, id="dot-both"),
    OpCase("batch_dot", batch_dot, [(normal((2, 3, 4)), normal((2, 4, 5))), (normal((2, 3, 4, 5)), normal((2, 3, 5, 2))), (empty((0, 3, 4)), empty((0, 4, 5)))],
           tol=TOL, second_order=True, errors=[
        ((normal((2, 3, 4)), normal((3, 4, 5))), {}, "with one batch"), ((normal((2, 3, 4)), normal((2, 5, 4))), {}, "do not fit"),
        ((normal((3, 4)), normal((4, 5))), {}, "with one batch")]),
    *(
        OpCase("batch_dot", batch_dot, [(normal(a), normal(b))], [{"transpose_a": ta, "transpose_b": tb}], tol=TOL, id=f"batch_dot-{ta}-{tb}")
        for a, b, ta, tb in [((2, 4, 3), (2, 4, 5), True, False), ((2, 3, 4), (2, 5, 4), False, True), ((2, 4, 3), (2, 5, 4), True, True)]
    ),
    OpCase("FullyConnected", fully_connected, [
        (normal((2, 3)), normal((4, 3)), normal((4,))), (normal((2, 3, 5)), normal((4, 15)), normal((4,))),
        (normal((100, 64)), normal((4, 64)), normal((4,))), (empty((0, 3)), normal((4, 3)), normal((4,))),
    ], [{"num_hidden": 4}], tol=TOL, second_order=True, errors=[
        ((normal((2, 3)), normal((3, 4)), normal((4,))), {"num_hidden": 4},
         "[FullyConnected] weight must have shape (num_hidden, 3) = (4, 3), got (3, 4). Did you mean its transpose?"),
        ((normal((2, 3)), normal((4, 3)), normal((3,))), {"num_hidden": 4}, "bias must have shape (num_hidden,) = (4,), got (3,)"),
        ((normal((2, 3)), normal((4, 3))), {"num_hidden": 4}, "input bias is missing"),
        ((normal((2, 3)), normal((4, 3)), normal((4,))), {"num_hidden": 4, "no_bias": True}, "no_bias=True takes two inputs"),
        ({"num_hidden": 0}, "num_hidden must be > 0"), ({}, "num_hidden is required"),
    ]),
    OpCase("FullyConnected", fully_connected, [(normal((2, 3, 5)), normal((4, 5)), normal((4,))), (normal((5,)), normal((4, 5)), normal((4,)))],
           [{"num_hidden": 4, "flatten": False}], tol=TOL, id="FullyConnected-flatten"),
    OpCase("FullyConnected", fully_connected, [(normal((2, 3)), normal((4, 3)), None)], [{"num_hidden": 4, "no_bias": True}], tol=TOL,
           id="FullyConnected-no_bias"),
    OpCase("khatri_rao", lambda a, b: np.einsum("ik,jk->ijk", a, b).reshape(-1, a.shape[1]), [(normal((2, 3)), normal((4, 3)))]),
]  # fmt: skip


@op_cases(CASES)
def test_linear(case, ctx):
    check_op(case, ctx)


def test_a_layer_learns_its_weight_shapes_from_its_data():
    from mx_core.op import get_op, infer_types

    inputs, outputs = infer_types(get_op("FullyConnected"), {"num_hidden": 10}, [(0, (2, 3, 4)), None, None])
    assert inputs == [(0, (2, 3, 4)), (0, (10, 12)), (0, (10,))]
    assert outputs == [(0, (2, 10))]
