"""Rows of SequenceMask, SequenceLast and SequenceReverse."""

from __future__ import annotations

import numpy as np

from mx_core.testing import FLOATS, INTEGERS, Make, OpCase, check_op, empty, fixed, indices, normal, op_cases

ALL = (*FLOATS, *INTEGERS)
USED = {"use_sequence_length": True}
X = normal((4, 3, 2))
LENGTHS = fixed([0, 2, 4], "float32")
BEYOND = fixed([-3, 9, 2.9], "float32")
HUGE = fixed([-(2**63), 2**63 - 1, 1], "int64")


def lengths_of(x, lengths, axis):
    steps = x.shape[axis]
    if lengths is None:
        return np.full(x.shape[1 - axis], steps)
    return np.clip(np.trunc(lengths.astype("float64")), 0, steps).astype(int)


def mask(x, lengths=None, use_sequence_length=False, value=0.0, axis=0):
    result = x.copy()
    for i, length in enumerate(lengths_of(x, lengths, axis)):
        result[(slice(length, None), i) if axis == 0 else (i, slice(length, None))] = value
    return result


def last(x, lengths=None, use_sequence_length=False, axis=0):
    steps = np.moveaxis(x, axis, 0)
    return np.stack([steps[max(n - 1, 0), i] for i, n in enumerate(lengths_of(x, lengths, axis))])


def reverse(x, lengths=None, use_sequence_length=False, axis=0):
    result = x.copy()
    for i, length in enumerate(lengths_of(x, lengths, 0)):
        result[:length, i] = x[:length, i][::-1]
    return result


ERRORS = [
    ((X, LENGTHS), {}, "sequence_length is read only with use_sequence_length=True"),
    ((X,), USED, "needs the input sequence_length"),
    ((X, indices(3, (4,))), USED, "sequence_length must have shape (3,)"),
    ((normal((3,)),), {}, "data must have at least 2 dimensions"),
    ((X,), {"axis": 2}, "axis must be in [0, "),
]
WITHIN = [(X, fixed([1, 2, 4], "float32")), (X, fixed([1, 2, 3], "int32"))]
BEYOND_SETS = [(X, LENGTHS), (X, BEYOND), (X, HUGE)]  # 1.9.1 reads and writes outside of the array there

CASES = [
    OpCase("SequenceMask", mask, BEYOND_SETS, [USED], id="SequenceMask-beyond"),
    OpCase("SequenceMask", mask, WITHIN, [USED, {**USED, "value": 3.0}], dtypes=ALL, errors=ERRORS),
    OpCase("SequenceMask", mask, [(X, fixed([3, 1, 2, 1], "float32"))], [{**USED, "axis": 1}], id="SequenceMask-axis"),
    OpCase("SequenceMask", mask, [X, empty((0, 2)), normal((3, 2))], [{}, {"axis": 1}], dtypes=ALL, id="SequenceMask-none"),
    OpCase("SequenceMask", mask, [(empty((0, 1, 1)), fixed([3], "float32")), (empty((2, 0, 1)), Make((0,), lambda rng, size: np.zeros(size), "float32"))],
           [USED], id="SequenceMask-empty"),
    OpCase("SequenceLast", last, BEYOND_SETS, [USED], id="SequenceLast-beyond"),
    OpCase("SequenceLast", last, WITHIN, [USED], dtypes=ALL, errors=[*ERRORS, ((empty((0, 2)),), {}, "have no last element")]),
    OpCase("SequenceLast", last, [(X, fixed([2, 3, 1, 1], "float32")), (normal((4, 3)), fixed([2, 3, 1, 1], "float32"))], [{**USED, "axis": 1}],
           id="SequenceLast-axis"),
    OpCase("SequenceLast", last, [X, normal((2, 3))], [{}, {"axis": 1}], dtypes=ALL, id="SequenceLast-none"),
    OpCase("SequenceLast", lambda x: x[-1], [empty((1, 0, 0)), empty((2, 3, 0))], id="SequenceLast-empty"),
    OpCase("SequenceReverse", reverse, BEYOND_SETS, [USED], id="SequenceReverse-beyond"),
    OpCase("SequenceReverse", reverse, WITHIN, [USED], dtypes=ALL, errors=[*ERRORS, ((X,), {"axis": 1}, "axis must be in [0, 0]")]),
    OpCase("SequenceReverse", reverse, [X, normal((2, 3)), empty((0, 1, 1))], dtypes=ALL, id="SequenceReverse-none"),
    OpCase("SequenceReverse", reverse, [(empty((0, 1, 1)), fixed([3], "float32"))], [USED], id="SequenceReverse-empty"),
]  # fmt: skip


@op_cases(CASES)
def test_sequence(case, ctx):
    check_op(case, ctx)
