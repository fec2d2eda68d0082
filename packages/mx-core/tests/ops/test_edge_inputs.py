"""Hostile inputs: generated ones for every operator, and the calls that kill MXNet 1.9.1's process."""

from __future__ import annotations

import os

import numpy as np
import pytest

import mxnet as mx
from mx_core.errors import MXNetError
from mx_core.op import find_op
from mx_core.testing_edges import find_failures, make_case, operator_names, run_case

CASES = int(os.environ.get("MX_EDGE_CASES", "100"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(os.environ.get("MX_TEST_DEVICES") == "gpu", reason="the cases run on cpu(0)")
def test_every_call_ends_in_a_result_or_an_error_that_says_why():
    """MX_EDGE_CASES=2000 tries more cases of each operator."""
    failures = find_failures(operator_names(), CASES, jobs=2)
    assert not failures, f"{len(failures)} cases:\n" + "\n".join(map(str, failures[:20]))


def test_a_case_is_the_same_every_time():
    assert [str(make_case("take", n)) for n in range(20)] == [str(make_case("take", n)) for n in range(20)]
    assert len({str(make_case("take", n)) for n in range(20)}) > 15


def test_the_command_and_one_case_alone():
    assert find_failures(["relu", "take"], 3, jobs=1) == []
    assert run_case(make_case("relu", 0)) == ""


def test_parts_are_not_offered():
    with pytest.raises(AttributeError, match="no operator '_matmul'"):
        mx.nd._internal._matmul  # noqa: B018
    assert "_matmul" not in dir(mx.nd._internal)
    assert "_matmul" in operator_names(parts=True)
    assert "_matmul" not in operator_names()


# -- calls on which 1.9.1 dies -----------------------------------------------------------------------------------------

nd = mx.nd
KILLERS = {
    "SequenceLast": lambda: nd.SequenceLast(nd.ones((1, 0, 0))),
    "SequenceMask": lambda: nd.SequenceMask(nd.ones((0, 1, 1))),
    "SequenceReverse": lambda: nd.SequenceReverse(nd.ones((0, 1, 1))),
    "sample_multinomial": lambda: nd.sample_multinomial(nd.ones((1, 1, 1, 0))),
    "_contrib_arange_like": lambda: nd.contrib.arange_like(nd.ones((2, 3)), repeat=0),
    "slice_like": lambda: nd.slice_like(nd.ones((1, 1, 1)), nd.ones((0, 0, 1))),
    "choose_element_0index": lambda: nd.choose_element_0index(nd.ones((2, 3)), nd.ones((0,))),
    "pick": lambda: nd.pick(nd.ones((2, 3)), nd.ones((0,))),
    "one_hot": lambda: nd.one_hot(nd.ones((13, 13, 8, 5, 6)), depth=1704100000),
    "_sample_normal": lambda: nd.sample_normal(nd.ones((0,)), nd.ones((2,))),
    "_sample_gamma": lambda: nd.sample_gamma(nd.ones((2,)), nd.ones((0,))),
    "take": lambda: nd.take(nd.ones((0, 1, 1, 1)), nd.ones((2,))),
    "_unravel_index": lambda: nd.unravel_index(nd.array([1e9, -5]), shape=(2, 3)),
    "MakeLoss": lambda: nd.MakeLoss(nd.ones((0,)), normalization="valid"),
    "BatchNorm": lambda: nd.BatchNorm(nd.ones((2, 3)), nd.ones((3,)), nd.ones((3, 1)), nd.ones((3,)), nd.ones((3,))),
    "_contrib_quadratic": lambda: nd.contrib.quadratic(nd.ones((2,)), out=1),
}


@pytest.mark.parametrize("name", [name for name in KILLERS if find_op(name)])
def test_the_killers_of_the_original(name):
    try:
        result = KILLERS[name]()
        for each in result if isinstance(result, list) else [result]:
            assert each.asnumpy().shape == each.shape
    except (MXNetError, TypeError, ValueError) as error:
        assert len(str(error)) > 20  # noqa: PT017


def test_overlapping_memory_is_as_good_as_any():
    x = mx.nd.arange(6)
    wanted = (x[:-1] + 1).asnumpy()
    mx.nd._internal._plus_scalar(x[:-1], scalar=1, out=x[1:])
    np.testing.assert_array_equal(x[1:].asnumpy(), wanted)
