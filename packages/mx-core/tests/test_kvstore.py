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
