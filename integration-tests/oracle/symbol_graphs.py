"""Graphs built by either mxnet, for test_symbol_graphs.py: their files, what is inferred of them, what they answer.

    python symbol_graphs.py write DIRECTORY             # build all graphs and run them
    python symbol_graphs.py answer DIRECTORY FROM       # load the files that the other one wrote, and run them
"""

import json
import pathlib
import sys
import zlib

import numpy as np

import mxnet as mx

S = mx.sym


def mlp():
    net = S.FullyConnected(S.flatten(S.var("data")), num_hidden=8, name="fc1")
    net = S.Activation(net, act_type="relu")
    net = S.FullyConnected(net, num_hidden=4, no_bias=True)
    return S.SoftmaxOutput(net, name="softmax"), {"data": (3, 2, 5)}


def lenet():
    data = S.var("data")
    for filters in (4, 6):
        data = S.Convolution(data, kernel=(3, 3), num_filter=filters)
        data = S.tanh(data)
        data = S.Pooling(data, pool_type="max", kernel=(2, 2), stride=(2, 2))
    return S.FullyConnected(S.Flatten(data), num_hidden=5), {"data": (2, 1, 14, 14)}


def residual():
    data = S.var("data", shape=(2, 3, 8, 8))
    net = S.Convolution(data, num_filter=4, kernel=(3, 3), pad=(1, 1), no_bias=True, name="conv0")
    for unit in range(3):
        with mx.name.Prefix(f"unit{unit}_"):
            bn = S.BatchNorm(net, fix_gamma=False, eps=2e-5, momentum=0.9, name="bn1")
            act = S.Activation(bn, act_type="relu")
            conv = S.Convolution(act, num_filter=4, kernel=(3, 3), pad=(1, 1), no_bias=True, workspace=256)
            net = conv + net
    pool = S.Pooling(net, global_pool=True, kernel=(7, 7), pool_type="avg")
    return S.Flatten(pool).softmax(), {"data": (2, 3, 8, 8)}


def recurrent():
    data, state, cell = S.var("data"), S.zeros((0, 6), name="h"), S.zeros((0, 6), name="c")
    weights = [S.var(name, lr_mult=2.0) for name in ("i2h_weight", "i2h_bias", "h2h_weight", "h2h_bias")]
    outputs = []
    for t, x in enumerate(S.split(data, num_outputs=3, axis=1, squeeze_axis=True)):
        gates = S.FullyConnected(x, *weights[:2], num_hidden=24, name=f"t{t}_i2h") + S.FullyConnected(
            state, *weights[2:], num_hidden=24, name=f"t{t}_h2h"
        )
        i, f, c, o = S.SliceChannel(gates, num_outputs=4)
        cell = S.sigmoid(f) * cell + S.sigmoid(i) * S.tanh(c)
        state = S.sigmoid(o) * S.tanh(cell)
        outputs.append(S.expand_dims(state, axis=1))
    return S.Group([S.concat(*outputs, dim=1), cell]), {"data": (2, 3, 5)}


def fused_recurrent():
    net = S.RNN(S.var("data"), state_size=4, num_layers=2, mode="lstm", state_outputs=True, name="lstm")
    return S.Group([net[0] * 2, net[2]]), {"data": (3, 2, 5)}


def detector():
    data = S.var("data")
    net = S.Convolution(data, kernel=(3, 3), pad=(1, 1), num_filter=4, name="body")
    classes = S.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=3 * 2, name="cls")
    boxes = S.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=4 * 2, name="loc")
    classes = S.Flatten(S.transpose(classes, axes=(0, 2, 3, 1))).reshape(shape=(0, -1, 3))
    classes = S.softmax(S.transpose(classes, axes=(0, 2, 1)), axis=1)
    anchors = S.contrib.MultiBoxPrior(net, sizes=(0.3, 0.5), ratios=(1,), clip=True, name="anchors")
    boxes = S.Flatten(S.transpose(boxes, axes=(0, 2, 3, 1)))
    found = S.contrib.MultiBoxDetection(classes, boxes, anchors, nms_threshold=0.5, name="detection")
    return S.Group([found, anchors]), {"data": (1, 3, 6, 6)}


def arithmetic():
    a, b = S.var("a"), S.var("b", dtype="float32")
    c = (a + b) * 2 - 1 / (a * a + 3) + b**2 + 2 ** (a / 4) + a % 2 - (1 - b)
    c = c * (a > b) + (a <= 0.5) + (b != a) + abs(-a) + S.maximum(a, 0.3) + S.minimum(a, b) + S.hypot(a, 2)
    return S.Group([c.sum(axis=1), c.transpose(), S.broadcast_mul(a, b)]), {
        "a": (2, 3),
        "b": (2, 3),
    }


def methods():
    x = S.var("x")
    made = [
        x.reshape((3, 4)), x.astype("float64"), x.clip(-0.5, 0.5), x.expand_dims(axis=0), x.flip(axis=1), x.tile((2, 1)),
        x.sum(), x.mean(axis=0), x.max(axis=(0, 1)), x.argmax(axis=1), x.norm(), x.slice_axis(axis=1, begin=1, end=3),
        x.take(S.var("i")), x.one_hot(5), x.topk(k=2), x.sort(), x.swapaxes(0, 1), x.split(num_outputs=3, axis=1)[1],
        x.split_v2(2)[0], x.square(), x.diag(1),
        x.squeeze(), x.flatten(), x.repeat(2), x.zeros_like(), x.ones_like(), x.log_softmax(), x.relu(), x.degrees(),
        x.rint(), x.shape_array(), x.size_array(), x.slice(begin=(0, 1), end=(2, None)),
    ]  # fmt: skip
    return S.Group(made), {"x": (4, 3), "i": (2,)}


def scopes():
    with mx.AttrScope(ctx_group="stage1", __layer__="1"):
        a = S.var("a", attr={"mood": "calm"}, wd_mult=0.5, init=mx.init.Uniform(0.1))
        net = S.FullyConnected(a, num_hidden=3, attr={"lr_mult": "0.1"})
        with mx.AttrScope(ctx_group="stage2"):
            net = S.LeakyReLU(net, act_type="prelu")
    net = S.UpSampling(net.reshape((1, 1, 2, 3)), scale=2, sample_type="nearest", num_args=1)
    return S.IdentityAttachKLSparseReg(S.Flatten(net)), {"a": (2, 4)}


def loops():
    w = S.var("w")
    out, states = S.contrib.foreach(lambda d, s: (d * w + s[0], [s[0] * 2]), S.var("data"), [S.var("st")])
    steps, last = S.contrib.while_loop(
        lambda i, s: i <= 5, lambda i, s: ([i + s], [i + 1, s + i]), (S.var("i"), S.var("s")), max_iterations=9
    )
    branch = S.contrib.cond(w.sum() < 5, lambda: (w + 5) * w, lambda: (w - 5) * w)
    shapes = {"data": (3, 2), "st": (2,), "w": (2,), "i": (1,), "s": (1,)}
    return S.Group([out, *states, *last, S.slice_axis(steps[0], axis=0, begin=0, end=5), branch]), shapes


GRAPHS = (mlp, lenet, residual, recurrent, fused_recurrent, detector, arithmetic, methods, scopes, loops)
# 1.9.1 infers no shapes through while_loop and cond: it runs them with all shapes given.
NOT_INFERRED = ("loops",)


def draw(name, shape):
    """The values of an array, the same in both: they depend on its name."""
    random = np.random.RandomState(zlib.crc32(name.encode()) % 10000)
    if name == "i":
        return np.zeros(shape, "float32")
    values = random.uniform(-1, 1, shape)
    return (np.abs(values) if name.endswith("var") else values).astype("float32")


def answer(net, shapes):
    """What a graph infers and answers."""
    facts = {
        "arguments": net.list_arguments(), "outputs": net.list_outputs(), "aux": net.list_auxiliary_states(),
        "inputs": net.list_inputs(), "internals": net.get_internals().list_outputs(), "attributes": net.attr_dict(),
    }  # fmt: skip
    names, states = facts["arguments"], facts["aux"]
    if all(name in shapes for name in names):
        args, aux = dict(shapes), {}
    else:
        arg_shapes, out_shapes, aux_shapes = net.infer_shape(**{k: v for k, v in shapes.items() if k in names})
        facts["shapes"] = [[list(shape) for shape in group] for group in (arg_shapes, out_shapes, aux_shapes)]
        args, aux = dict(zip(names, arg_shapes, strict=True)), dict(zip(states, aux_shapes, strict=True))
    types = net.infer_type_partial(**dict.fromkeys(names, "float32"))
    facts["types"] = [[None if kind is None else np.dtype(kind).name for kind in group] for group in types]
    arrays = {name: mx.nd.array(draw(name, shape)) for name, shape in args.items()}
    states = {name: mx.nd.array(draw(name, shape)) for name, shape in aux.items()}
    outputs = net.bind(mx.cpu(), arrays, grad_req="null", aux_states=states).forward(is_train=False)
    return facts, [output.asnumpy() for output in outputs]


def main():
    action, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    for build in GRAPHS:
        name = build.__name__
        with mx.name.NameManager():
            net, shapes = build()
        if action == "answer":
            net = S.load(str(pathlib.Path(sys.argv[3]) / (name + "-symbol.json")))
        else:
            net.save(str(directory / (name + "-symbol.json")))
            (directory / (name + "-debug.txt")).write_text(net.debug_str())
        facts, outputs = answer(net, shapes)
        (directory / (name + ".json")).write_text(json.dumps(facts))
        np.savez(str(directory / (name + ".npz")), *outputs)


if __name__ == "__main__":
    main()
