"""Key-value stores of one process, and names."""

from __future__ import annotations

import pytest

import mxnet as mx
from mxnet import nd

CONTEXTS = [mx.cpu(0), mx.cpu(1)]


@pytest.mark.parametrize("name", ["local", "device"])
def test_push_sums_and_pull_copies(name):
    store = mx.kv.create(name)
    assert store.type == name
    assert (store.rank, store.num_workers) == (0, 1)
    store.init("w", nd.ones((2,)))
    outs = [nd.zeros((2,), ctx=ctx) for ctx in CONTEXTS]
    store.pull("w", out=outs)
    assert [out.asnumpy().tolist() for out in outs] == [[1, 1], [1, 1]]
    store.push("w", [nd.ones((2,), ctx=ctx) * 3 for ctx in CONTEXTS])
    store.pull("w", out=outs)
    assert [out.asnumpy().tolist() for out in outs] == [[6, 6], [6, 6]]
    values = [nd.ones((2,), ctx=ctx) for ctx in CONTEXTS]
    store.pushpull("w", values)
    assert [value.asnumpy().tolist() for value in values] == [[2, 2], [2, 2]]


def test_lists_of_keys():
    store = mx.kv.create()
    store.init([1, 2], [nd.ones((2,)), nd.zeros((3,))])
    store.push([1, 2], [nd.ones((2,)) * 5, nd.ones((3,)) * 6])
    a, b = nd.zeros((2,)), nd.zeros((3,))
    store.pull([1, 2], out=[a, b])
    assert a.asnumpy().tolist() == [5, 5]
    assert b.asnumpy().tolist() == [6, 6, 6]


def test_pushed_arrays_stay_the_caller_s():
    store = mx.kv.create()
    store.init(0, nd.zeros((1,)))
    pushed, out = nd.ones((1,)), nd.zeros((1,))
    store.push(0, pushed)
    pushed[:] = 7
    store.pull(0, out=out)
    assert out.asscalar() == 1


def test_optimizer_in_the_store(tmp_path):
    path = str(tmp_path / "kv.states")
    store = mx.kv.create("device")
    store.init(0, nd.ones((2,)))
    store.set_optimizer(mx.optimizer.create("sgd", learning_rate=0.5, momentum=0.5))
    out = nd.zeros((2,))
    store.push(0, [nd.ones((2,), ctx=ctx) for ctx in CONTEXTS])
    store.pull(0, out=out)
    assert out.asnumpy().tolist() == [0, 0]
    store.save_optimizer_states(path, dump_optimizer=True)
    store.load_optimizer_states(path)
    store.push(0, nd.ones((2,)))
    store.pull(0, out=out)
    assert out.asnumpy().tolist() == [-1, -1]


def test_errors():
    store = mx.kv.create()
    with pytest.raises(mx.MXNetError, match="key 3 has not been inited"):
        store.push(3, nd.ones((1,)))
    store.init(3, nd.ones((1,)))
    with pytest.raises(mx.MXNetError, match="duplicate init of key 3"):
        store.init(3, nd.ones((1,)))
    with pytest.raises(mx.MXNetError, match="no optimizer"):
        store.save_optimizer_states("unused")
    with pytest.raises(ValueError, match="there is no store 'dist_sync' here"):
        mx.kv.create("dist_sync")
    with pytest.raises(TypeError, match="name must be a string"):
        mx.kv.create(3)


def test_registered_store():
    @mx.kv.KVStoreBase.register
    class Silent(mx.kv.KVStoreBase):
        def is_capable(self, capability):
            return False

    assert mx.kv.create("silent").type == "silent"


def test_name_managers():
    with mx.name.NameManager() as names:
        assert [names.get(None, "fc"), names.get(None, "fc"), names.get("mine", "fc")] == ["fc0", "fc1", "mine"]
        with mx.name.Prefix("net_") as inner:
            assert mx.name.NameManager.current is inner
            assert inner.get(None, "fc") == "net_fc0"
        assert mx.name.NameManager.current is names


def test_two_bits_keep_what_they_lose_for_the_next_push():
    store = mx.kv.create("device")
    store.set_gradient_compression({"type": "2bit", "threshold": 0.5})
    store.init("w", nd.zeros((4,)))
    out, pushed = nd.zeros((4,)), []
    for _ in range(4):
        store.pushpull("w", [nd.array([0.3, -0.3, 0.9, 0.1], ctx=ctx) for ctx in CONTEXTS], out=out)
        pushed.append(out.asnumpy().tolist())
    assert pushed == [[0, 0, 1, 0], [1, -1, 1, 0], [0, 0, 1, 0], [1, -1, 1, 0]]


def test_rows_of_a_dense_value_are_pulled():
    store = mx.kv.create()
    store.init("table", nd.array([[1, 2], [3, 4], [5, 6]]))
    outs = [nd.ones((3, 2), ctx=ctx) for ctx in CONTEXTS]
    store.row_sparse_pull("table", out=outs, row_ids=[nd.array([2, 0, 2]), nd.array([1])])
    assert outs[0].asnumpy().tolist() == [[1, 2], [0, 0], [5, 6]]
    assert outs[1].asnumpy().tolist() == [[0, 0], [3, 4], [0, 0]]
    store.row_sparse_pull("table", out=outs, row_ids=nd.array([1]))
    assert outs[0].asnumpy().tolist() == outs[1].asnumpy().tolist() == [[0, 0], [3, 4], [0, 0]]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda s: s.push("a", nd.ones((3,))), ValueError, r"stored value has shape \(2,\), got \(3,\)"),
        (lambda s: s.pull("a"), ValueError, "needs out="),
        (lambda s: s.push(["a", "b"], [nd.ones((2,))]), ValueError, "2 keys need a list of as many values, got 1"),
        (lambda s: s.push("a", 3), TypeError, "needs an NDArray or a list of them, got int"),
        (lambda s: s.push(2.5, nd.ones((2,))), TypeError, "int or a str, got 2.5"),
        (lambda s: s.init(3, nd.ones((2,))), mx.MXNetError, "Mixed key types"),
        (lambda s: s.row_sparse_pull("a", out=nd.ones((2,))), ValueError, "row_ids="),
        (lambda s: s.is_capable("flying"), ValueError, "Unknown capability"),
        (lambda s: s.set_gradient_compression({"type": "2bit"}), mx.MXNetError, "create the store as 'device'"),
        (lambda s: mx.kv.KVStoreServer(s).run(), mx.MXNetError, "has no server"),
        (lambda s: mx.kv.create("nccl"), ValueError, "not in this build"),
    ],
)
def test_wrong_uses_are_named(call, error, text):
    store = mx.kv.create()
    store.init("a", nd.ones((2,)))
    with pytest.raises(error, match=text):
        call(store)


def test_compression_parameters():
    store = mx.kv.create("device")
    for wrong, text in (({"type": "1bit"}, "Unknown type"), ({"threshold": 1}, "takes type"), ({"type": "2bit", "x": 1}, "takes type"),
                        ({"type": "2bit", "threshold": 0}, "must be greater than 0")):  # fmt: skip
        with pytest.raises(ValueError, match=text):
            store.set_gradient_compression(wrong)
    store.set_gradient_compression({"type": "none"})


def test_a_store_of_a_plugin():
    plugin = pytest.importorskip("mx_core.plugin", reason="1.9.1 has no plug-ins")

    class Ring(mx.kv.KVStoreBase):
        def is_capable(self, capability):
            return False

    class Answers:
        @plugin.hookimpl
        def mx_classes(self):
            return [Ring]

    plugin.register(Answers(), "stores-of-a-test")
    try:
        assert isinstance(mx.kv.create("ring"), Ring)
        assert mx.kv.create("Ring").type == "ring"
    finally:
        plugin.unregister("stores-of-a-test")
    with pytest.raises(mx.MXNetError, match="no store 'star' here; use 'local' or 'device'"):
        mx.kv.create("star")
