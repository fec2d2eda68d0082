"""NDArrayIter and the iterators around iterators."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx
from mxnet import nd


def rows(iterator):
    return [batch.data[0].asnumpy()[:, 0].tolist() for batch in iterator]


def data(count=10):
    return np.arange(count * 2, dtype="float32").reshape(count, 2) / 2


@pytest.mark.parametrize(("handle", "expected", "pads"), [
    ("pad", [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]], [0, 0, 2]),
    ("discard", [[0, 1, 2, 3], [4, 5, 6, 7]], [0, 0]),
    ("roll_over", [[0, 1, 2, 3], [4, 5, 6, 7]], [0, 0]),
])  # fmt: skip
def test_last_batch(handle, expected, pads):
    iterator = mx.io.NDArrayIter(data(), np.arange(10), 4, last_batch_handle=handle)
    assert rows(iterator) == expected
    iterator.reset()
    if handle == "roll_over":
        batches = list(iterator)
        assert rows(batches) == [[8, 9, 0, 1], [2, 3, 4, 5], [6, 7, 8, 9]]
        assert [batch.pad for batch in batches] == [2, 0, 0]
    else:
        assert [batch.pad for batch in iterator] == pads
    iterator.hard_reset()
    assert rows(iterator) == expected


def test_descriptions_and_types():
    label = nd.arange(10, dtype="int32")
    iterator = mx.io.NDArrayIter({"b": data().astype("float64"), "a": nd.ones((10, 3))}, label, 5)
    assert [d.name for d in iterator.provide_data] == ["a", "b"]
    assert iterator.provide_data[1] == ("b", (5, 2))
    assert iterator.provide_label[0].name == "softmax_label"
    assert iterator.provide_label[0].dtype is np.int32
    batch = next(iterator)
    assert batch.label[0].dtype == np.int32
    assert batch.data[1].dtype == np.float32
    assert batch.index is None
    assert [(name, array.shape) for name, array in iterator.data] == [("a", (10, 3)), ("b", (10, 2))]
    assert str(batch) == "DataBatch: data shapes: [(5, 3), (5, 2)] label shapes: [(5,)]"
    several = mx.io.NDArrayIter([data(), data()], batch_size=5)
    assert [d.name for d in several.provide_data] == ["_0_data", "_1_data"]
    assert several.provide_label == []


def test_batches_larger_than_the_data():
    (batch,) = mx.io.NDArrayIter(data(3), batch_size=7)
    assert batch.data[0].asnumpy()[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert batch.pad == 4


def test_shuffle():
    np.random.seed(0)
    iterator = mx.io.NDArrayIter(data(), np.arange(10), 5, shuffle=True)
    first = [(b.data[0].asnumpy()[:, 0].tolist(), b.label[0].asnumpy().tolist()) for b in iterator]
    assert all(x == y for x, y in first)
    assert sorted(sum((x for x, _ in first), [])) == list(range(10))
    iterator.reset()
    assert rows(iterator) != [x for x, _ in first]


def test_errors():
    with pytest.raises(ValueError, match="softmax_label has 9 examples, data has 10"):
        mx.io.NDArrayIter(data(), np.arange(9))
    with pytest.raises(ValueError, match="'pad', 'discard' or 'roll_over'"):
        mx.io.NDArrayIter(data(), last_batch_handle="foo")
    with pytest.raises(ValueError, match="Input must be NDArray"):
        mx.io.NDArrayIter("data")


def test_resize():
    iterator = mx.io.ResizeIter(mx.io.NDArrayIter(data(4), batch_size=2), 3)
    assert rows(iterator) == [[0, 1], [2, 3], [0, 1]]
    iterator.reset()
    assert len(rows(iterator)) == 3
    assert iterator.provide_data[0].shape == (2, 2)


def test_prefetching():
    iterator = mx.io.PrefetchingIter(
        [mx.io.NDArrayIter(data(), batch_size=5), mx.io.NDArrayIter(data() * 2, batch_size=5)],
        rename_data=[{"data": "x"}, {"data": "y"}],
    )
    assert [d.name for d in iterator.provide_data] == ["x", "y"]
    for _ in range(2):
        batches = list(iterator)
        assert len(batches) == 2
        np.testing.assert_array_equal(batches[1].data[1].asnumpy(), data()[5:] * 2)
        iterator.reset()


def test_data_desc():
    desc = mx.io.DataDesc("data", (2, 3), np.float16, "NC")
    name, shape = desc
    assert (name, shape, desc.dtype, desc.layout) == ("data", (2, 3), np.float16, "NC")
    assert repr(desc) == "DataDesc[data,(2, 3),<class 'numpy.float16'>,NC]"
    assert mx.io.DataDesc.get_batch_axis("TNC") == 1
    assert mx.io.DataDesc.get_list([("a", (1,))], [("a", np.int8)])[0].dtype is np.int8
    with pytest.raises(TypeError, match="Data must be list of NDArrays"):
        mx.io.DataBatch(nd.ones((1,)))


# -- what programs do with batches -------------------------------------------------------------------------------------


def test_a_program_may_overwrite_its_batches():
    original = data()
    iterator = mx.io.NDArrayIter(original, np.arange(10), 4)
    for batch in iterator:
        batch.data[0][:] = -1
        if batch.pad:
            assert batch.data[0].shape == (4, 2)
    for _ in range(2):
        iterator.reset()
        assert rows(iterator) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
    assert original[0, 1] == 0.5


def test_the_padding_is_not_what_a_program_wrote():
    iterator = mx.io.NDArrayIter(data(), batch_size=4)
    next(iterator).data[0][:] = -1
    assert rows(iterator) == [[4, 5, 6, 7], [8, 9, 0, 1]]


def test_changes_of_the_source_do_not_show():
    source = data()
    iterator = mx.io.NDArrayIter(source, batch_size=5)
    source[:] = 7
    assert rows(iterator) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_inputs_of_other_kinds():
    sparse = pytest.importorskip("scipy.sparse")
    iterator = mx.io.NDArrayIter(sparse.csr_matrix(np.eye(4)), [[1, 2, 3, 4]], 2)
    assert next(iterator).data[0].asnumpy().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]
    assert iterator.provide_label[0].shape == (2,)
    two = mx.io.NDArrayIter([[1, 2], [3, 4]], batch_size=1)
    assert [d.name for d in two.provide_data] == ["_0_data", "_1_data"]
    integers = mx.io.NDArrayIter(nd.arange(6, dtype="int32"), batch_size=4)
    assert next(integers).data[0].dtype == np.int32


@pytest.mark.parametrize(("arguments", "text"), [
    (([],), "data is empty"), ((None,), "data is empty"), ((np.zeros((0, 2)),), "has no examples"), ((data(), None, 0), "batch_size must be at least 1"), ((["a"],), "Invalid type"),
    ((3,), "Input must be NDArray"), ((np.float32(3),), "Invalid type"),
])  # fmt: skip
def test_inputs_that_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        mx.io.NDArrayIter(*arguments)


# -- positions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("handle", ["pad", "discard", "roll_over"])
@pytest.mark.parametrize("read", [0, 1, 2])
def test_positions_are_saved_to_the_sample(shuffle, handle, read):
    first, second = (mx.io.NDArrayIter(data(11), np.arange(11), 4, shuffle, handle) for _ in range(2))
    list(first)
    first.reset()
    for _ in range(read):
        next(first)
    second.load_state_dict(first.state_dict())
    assert rows(second) == rows(first)
    if not shuffle:
        for iterator in (first, second):
            iterator.reset()
        assert rows(second) == rows(first)


def test_positions_of_iterators_around_others():
    for make in (
        lambda: mx.io.ResizeIter(mx.io.NDArrayIter(data(), batch_size=3), 6),
        lambda: mx.io.PrefetchingIter(mx.io.NDArrayIter(data(), batch_size=3)),
    ):
        first, second = make(), make()
        next(first)
        next(first)
        second.load_state_dict(first.state_dict())
        assert rows(second) == rows(first)


def test_positions_that_do_not_fit():
    iterator = mx.io.NDArrayIter(data(), batch_size=2)
    with pytest.raises(mx.MXNetError, match="the state is of 9 examples"):
        iterator.load_state_dict(mx.io.NDArrayIter(data(9), batch_size=2).state_dict())
    with pytest.raises(mx.MXNetError, match="unshuffled; this iterator has 10, shuffled"):
        mx.io.NDArrayIter(data(), batch_size=2, shuffle=True).load_state_dict(iterator.state_dict())

    class Plain(mx.io.DataIter):
        provide_data = iterator.provide_data
        provide_label = iterator.provide_label

        def next(self):
            raise StopIteration

    with pytest.raises(mx.MXNetError, match="Plain has no state_dict"):
        mx.io.ResizeIter(Plain(2), 3).state_dict()


def test_names_that_there_are_not():
    with pytest.raises(AttributeError, match="has no attribute 'NDArayIter'. Did you mean NDArrayIter?"):
        _ = mx.io.NDArayIter


def test_batches_are_in_host_memory_whatever_the_current_context():
    with mx.Context("cpu", 1):
        iterator = mx.io.NDArrayIter(data(), np.arange(10), 4)
        assert {array.context for batch in iterator for array in (*batch.data, *batch.label)} == {mx.cpu(0)}
