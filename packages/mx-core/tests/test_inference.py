"""Two-way inference: complete, partial and contradicting types, and the helpers that rules use."""

from __future__ import annotations

import pytest

from mx_core.dtypes import BOOL, FLOAT16, FLOAT32, FLOAT64, INT32
from mx_core.errors import DTypeError, MXNetError, ParameterError, ShapeError
from mx_core.graph.infer import infer_graph
from mx_core.op import Inference, Slot, Tensor, get_op, infer_types, isolated_registry, op


@pytest.fixture
def dense():
    with isolated_registry():

        @op
        def test_dense(F, data: Tensor, weight: Tensor, bias: Tensor | None = None, *, num_hidden: int) -> Tensor:
            """data . weight^T + bias."""

        @test_dense.infer
        def _(t, data, weight, bias, *, num_hidden):
            dtype = t.same_dtype(data, weight, bias)
            out = t.outputs[0].shape if t.outputs else None
            if out is not None:
                t.unify_shape(data, (out[0], -1))
            batch, width = data.shape or (-1, -1)
            t.unify_shape(weight, (num_hidden, width), f"(num_hidden, {width})")
            if data.shape is not None and weight.shape is not None:
                t.unify_shape(data, (batch, weight.shape[1]))
            if bias is not None:
                t.unify_shape(bias, (num_hidden,), "(num_hidden,)")
            return t.out((batch, num_hidden), dtype)

        yield test_dense


@pytest.fixture
def t():
    with isolated_registry():

        @op
        def test_op(F, data: Tensor, other: Tensor) -> Tensor:
            """Words."""

        yield Inference(test_op, [Slot(FLOAT32, (2, 3)), Slot()])


def test_weights_follow_from_data(dense):
    given = [(FLOAT32, (5, 784)), None, None]
    in_types, out_types = infer_types(dense, {"num_hidden": 10}, given)
    assert in_types == [(0, (5, 784)), (0, (10, 784)), (0, (10,))]
    assert out_types == [(0, (5, 10))]


def test_data_follows_from_weight_and_output(dense):
    given = [None, (FLOAT64, (10, 7)), "absent"]
    in_types, out_types = infer_types(dense, {"num_hidden": 10}, given, [(None, (4, 10))])
    assert in_types == [(1, (4, 7)), (1, (10, 7)), None]
    assert out_types == [(1, (4, 10))]


def test_nothing_known_stays_unknown(dense):
    in_types, out_types = infer_types(dense, {"num_hidden": 10}, [None, None, None])
    assert in_types == [(None, (-1, -1)), (None, (10, -1)), (None, (10,))]
    assert out_types == [(None, (-1, 10))]


def test_elementwise_output_flows_back():
    in_types, out_types = infer_types(get_op("exp"), {}, [None], [(FLOAT16, (2, -1))])
    assert (in_types, out_types) == ([(FLOAT16, (2, -1))], [(FLOAT16, (2, -1))])


def test_like_flows_back():
    assert infer_types(get_op("_copy"), {}, [None], [(FLOAT16, (2, -1))])[0] == [(FLOAT16, (2, -1))]
    merged = infer_types(get_op("_copy"), {}, [(None, (-1, 3))], [(FLOAT16, (2, -1))])
    assert merged == ([(FLOAT16, (2, 3))], [(FLOAT16, (2, 3))])


def test_compositions_are_inferred_by_their_body():
    assert infer_types(get_op("softsign"), {}, [(FLOAT32, (2, 3))])[1] == [(FLOAT32, (2, 3))]
    assert infer_types(get_op("softsign"), {}, [(None, (2, 3))])[1] == [(None, None)]


def test_contradictions_name_both_sides(dense):
    with pytest.raises(ShapeError, match=r"\[test_dense\] weight must have shape \(num_hidden, 784\) = \(10, 784\), got "
                       r"\(784, 10\). Did you mean its transpose\?"):  # fmt: skip
        infer_types(dense, {"num_hidden": 10}, [(0, (5, 784)), (0, (784, 10)), None])
    with pytest.raises(DTypeError, match=r"\[test_dense\] weight must have element type float32 \(as data\), got float64. "
                       r"Cast it: .astype\('float32'\)"):  # fmt: skip
        infer_types(dense, {"num_hidden": 10}, [(0, (5, 784)), (1, None), None])


def test_operator_without_rule_or_body():
    with isolated_registry():

        @op
        def test_empty(F, data: Tensor) -> Tensor:
            """Words."""

        with pytest.raises(MXNetError, match="neither a body nor an inference rule"):
            infer_types(test_empty, {}, [(0, (2,))])


def test_broadcast(t):
    assert t.broadcast_shapes((2, 1, 3), (4, 1)) == (2, 4, 3)
    assert t.broadcast_shapes((), (4, 1)) == (4, 1)
    assert t.broadcast_shapes((0, 3), (1, 3)) == (0, 3)
    assert t.broadcast_shapes((-1, 3), (2, 1)) == (2, 3)
    assert t.broadcast_shapes((-1, 3), (1, 3)) == (-1, 3)
    assert t.broadcast_shapes(None, (1, 3)) is None
    with pytest.raises(ShapeError, match=r"shapes \(2, 3\) and \(4, 3\) do not broadcast"):
        t.broadcast_shapes((2, 3), (4, 3))
    assert t.broadcast(Slot(INT32, (2, 1)), Slot(INT32, (3,)), dtype=BOOL).dtype == BOOL


def test_axes(t):
    assert t.axis(-1, 3) == 2
    assert t.axes(None, 3) == t.axes((), 3) == (0, 1, 2)
    assert t.axes((-1, 0), 3) == (0, 2)
    assert t.axes((1,), 3, exclude=True) == (0, 2)
    assert t.axes((0, 1, 2), 3, exclude=True) == ()
    assert t.reduced((2, 3, 4), (0, 2), keepdims=False) == (3,)
    assert t.reduced((2, 3, 4), (0, 2), keepdims=True) == (1, 3, 1)
    with pytest.raises(ParameterError, match=r"axis must be in \[-3, 3\) for 3 dimensions, got 3"):
        t.axis(3, 3)
    with pytest.raises(ParameterError, match="must not repeat"):
        t.axes((0, -3), 3)


def test_sizes_are_checked_in_64_bits(t):
    assert t.product((1 << 31, 1 << 31)) == 1 << 62
    assert t.product((3, -1)) == -1
    with pytest.raises(ShapeError, match="does not fit 64 bits"):
        t.product((1 << 40, 1 << 40))


def test_dimensions_and_float_types(t):
    data = t.inputs[0]
    assert t.ndim(data, 2, 3) == 2
    assert t.ndim(t.inputs[1]) is None
    with pytest.raises(ShapeError, match=r"data must have 3 or 4 dimensions, got shape \(2, 3\)"):
        t.ndim(data, 3, 4)
    assert t.float_type(data) == FLOAT32
    data.dtype = INT32
    with pytest.raises(DTypeError, match="data must have a floating element type, got int32"):
        t.float_type(data)


def test_same_shape_unifies_all(t):
    data, other = t.inputs
    other.shape = (-1, 3)
    data.shape = (2, -1)
    assert t.same_shape(data, other) == (2, 3)
    assert data.shape == other.shape == (2, 3)
    assert t.changed


def test_graph_is_inferred_in_both_directions(dense):
    calls = [
        (dense, {"num_hidden": 8}, ["data", "w1", "b1"], ["h1"]),
        (get_op("_copy"), {}, ["h1"], ["h2"]),
        (dense, {"num_hidden": 3}, ["h2", "w2", None], ["out"]),
    ]
    types = infer_graph(calls, {"data": (FLOAT32, (-1, 5)), "out": (None, (4, -1))})
    assert types == {
        "data": (0, (4, 5)), "w1": (0, (8, 5)), "b1": (0, (8,)), "h1": (0, (4, 8)), "h2": (0, (4, 8)),
        "w2": (0, (3, 8)), "out": (0, (4, 3)),
    }  # fmt: skip
    with pytest.raises(ShapeError, match=r"\[test_dense\] weight must have shape"):
        infer_graph(calls, {"data": (FLOAT32, (4, 5)), "w2": (None, (3, 9))})


def test_graph_inference_stops_at_what_it_cannot_know(dense):
    types = infer_graph([(get_op("softsign"), {}, ["x"], ["y"])], {"x": (None, (2,))})
    assert types["y"] == (None, None)


def test_array_read_twice():
    types = infer_graph([(get_op("broadcast_add"), {}, ["x", "x"], ["y"])], {"x": (FLOAT32, (2, 3))})
    assert types["y"] == (FLOAT32, (2, 3))
    copies = [(get_op("_copy"), {}, ["x"], ["y"]), (get_op("broadcast_add"), {}, ["x", "y"], ["z"])]
    assert infer_graph(copies, {"y": (FLOAT32, (2, 3))})["z"] == (FLOAT32, (2, 3))
