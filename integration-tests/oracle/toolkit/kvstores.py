"""Prints, as JSON, what key-value stores hold after pushes: run here and in MXNet 1.9.1."""

import json
import os
import tempfile
import warnings

import mxnet as mx

warnings.simplefilter("ignore")


def pulled(store, key, shape):
    out = mx.nd.zeros(shape)
    store.pull(key, out=out)
    return out.asnumpy().round(6).tolist()


def tried(call):
    try:
        return call()
    except Exception:  # noqa: BLE001 - a refusal is a result
        return "refused"


def sums(kind):
    store = mx.kv.create(kind)
    store.init([3, 5], [mx.nd.ones((2,)), mx.nd.zeros((3,))])
    told = [store.type, store.rank, store.num_workers, pulled(store, 3, (2,))]
    store.push(3, [mx.nd.ones((2,), ctx=mx.cpu(i)) * (i + 1) for i in range(3)])
    told.append(pulled(store, 3, (2,)))
    store.push([3, 5], [mx.nd.ones((2,)) * 7, mx.nd.ones((3,)) * 8])
    told += [pulled(store, 3, (2,)), pulled(store, 5, (3,))]
    store.push([3, 3], [mx.nd.ones((2,)), mx.nd.ones((2,)) * 2])
    told.append(pulled(store, 3, (2,)))
    outs = [mx.nd.zeros((2,), ctx=mx.cpu(i)) for i in range(2)]
    store.pushpull(3, [mx.nd.ones((2,)) * 4], out=outs)
    told.append([out.asnumpy().tolist() for out in outs])
    store.broadcast(9, mx.nd.ones((2,)) * 6, out=outs)
    told.append([out.asnumpy().tolist() for out in outs])
    return told


def updater():
    store = mx.kv.create("local")
    store.init("w", mx.nd.ones((2,)))

    def add(key, pushed, stored):
        stored += pushed * 2

    store._set_updater(add)
    store.push("w", [mx.nd.ones((2,)), mx.nd.ones((2,)) * 2])
    return pulled(store, "w", (2,))


def optimizer():
    folder = tempfile.mkdtemp()
    store = mx.kv.create("device")
    store.init("w", mx.nd.ones((2,)))
    store.set_optimizer(mx.optimizer.SGD(learning_rate=0.5, momentum=0.5))
    told = []
    for _ in range(3):
        store.push("w", mx.nd.ones((2,)))
        told.append(pulled(store, "w", (2,)))
    path = os.path.join(folder, "kv.states")
    store.save_optimizer_states(path)
    store.push("w", mx.nd.ones((2,)))
    told.append(pulled(store, "w", (2,)))
    store.load_optimizer_states(path)
    store.push("w", mx.nd.ones((2,)))
    told.append(pulled(store, "w", (2,)))
    return told


def compressed(threshold, contexts):
    store = mx.kv.create("device")
    store.set_gradient_compression({"type": "2bit", "threshold": threshold})
    store.init("w", mx.nd.zeros((7,)))
    told = []
    for step in range(6):
        gradients = [
            mx.nd.array([0.3, -0.3, 0.7, -0.9, 0.1 * step, 2.0, -0.5], ctx=mx.cpu(i)) * (i + 1) for i in range(contexts)
        ]
        store.push("w", gradients)
        told.append(pulled(store, "w", (7,)))
    return told


A = mx.nd.ones((2,))


def fresh():
    store = mx.kv.create("local")
    store.init("a", A)
    return store


REFUSALS = {
    "again": lambda: fresh().init("a", A),
    "mixed keys": lambda: fresh().init(3, A),
    "not there": lambda: fresh().pull("b", out=A),
    "not an array": lambda: fresh().push("a", 3),
    "key of another type": lambda: fresh().init(3.5, A),
    "fewer values": lambda: fresh().push(["a", "b"], [A]),
    "no out": lambda: fresh().pull("a"),
    "compression of local": lambda: fresh().set_gradient_compression({"type": "2bit"}),
    "compression unknown": lambda: mx.kv.create("device").set_gradient_compression({"type": "3bit"}),
    "compression without type": lambda: mx.kv.create("device").set_gradient_compression({"threshold": 1}),
    "threshold": lambda: mx.kv.create("device").set_gradient_compression({"type": "2bit", "threshold": -1}),
    "capability": lambda: fresh().is_capable("flying"),
    "optimizer": lambda: fresh().is_capable("optimizer"),
    "states without optimizer": lambda: fresh().save_optimizer_states("unused.states"),
    "name": lambda: mx.kv.create(3),
    "nccl": lambda: mx.kv.create("nccl"),
}
print(json.dumps({
    "local": sums("local"), "device": sums("device"), "updater": updater(), "optimizer": optimizer(),
    "compressed": compressed(0.5, 1), "compressed two": compressed(0.5, 2), "compressed other": compressed(0.35, 2),
    **{f"refused {name}": tried(call) for name, call in REFUSALS.items()},
}))  # fmt: skip
