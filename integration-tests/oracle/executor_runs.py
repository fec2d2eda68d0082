"""Binds symbols and writes down what their executors do, one JSON object per case. Runs on MXNet 1.9.1 as well."""

from __future__ import annotations

import json
import warnings

import numpy as np

import mxnet as mx

warnings.simplefilter("ignore")


def lenet():
    net = mx.sym.Convolution(mx.sym.var("data"), kernel=(3, 3), num_filter=4, name="conv1")
    net = mx.sym.Pooling(mx.sym.Activation(net, act_type="tanh"), kernel=(2, 2), stride=(2, 2), pool_type="max")
    net = mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=5, name="fc1")
    return mx.sym.SoftmaxOutput(mx.sym.LeakyReLU(net, act_type="prelu", name="prelu"), name="softmax")


def residual():
    x = mx.sym.var("data")
    net = mx.sym.BatchNorm(x, fix_gamma=False, name="bn1", momentum=0.8)
    net = mx.sym.Convolution(mx.sym.relu(net), kernel=(3, 3), pad=(1, 1), num_filter=2, no_bias=True, name="conv1")
    net = mx.sym.BatchNorm(net + x, name="bn2", momentum=0.8)
    net = mx.sym.Pooling(net, global_pool=True, kernel=(1, 1), pool_type="avg")
    return mx.sym.LinearRegressionOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc1"), name="lro")


def lstm():
    cell = mx.sym.var("cell", shape=(2, 4))
    hidden = mx.sym.var("hidden", shape=(2, 4))
    rows = mx.sym.split(mx.sym.var("data"), num_outputs=3, axis=1, squeeze_axis=True)
    w1, b1, w2, b2 = (mx.sym.var(name) for name in ("i2h_weight", "i2h_bias", "h2h_weight", "h2h_bias"))
    for t in range(3):
        gates = mx.sym.FullyConnected(rows[t], w1, b1, num_hidden=16)
        gates = gates + mx.sym.FullyConnected(hidden, w2, b2, num_hidden=16)
        i, f, g, o = mx.sym.split(gates, num_outputs=4, axis=1)
        cell = mx.sym.sigmoid(f) * cell + mx.sym.sigmoid(i) * mx.sym.tanh(g)
        hidden = mx.sym.sigmoid(o) * mx.sym.tanh(cell)
    return mx.sym.Group([hidden, mx.sym.BlockGrad(cell)])


def detection_like():
    x = mx.sym.var("data")
    scores = mx.sym.softmax(
        mx.sym.transpose(mx.sym.Convolution(x, kernel=(1, 1), num_filter=6, name="cls"), (0, 2, 3, 1))
    )
    boxes = mx.sym.smooth_l1(mx.sym.Convolution(x, kernel=(1, 1), num_filter=4, name="loc"), scalar=1.0)
    return mx.sym.Group([mx.sym.MakeLoss(boxes, grad_scale=0.5), mx.sym.MakeLoss(mx.sym.log(scores + 0.1))])


def embedding():
    net = mx.sym.Embedding(mx.sym.var("data"), input_dim=11, output_dim=3, name="embed")
    net = mx.sym.Concat(net, net * 2, dim=2)
    net = mx.sym.FullyConnected(mx.sym.Reshape(net, shape=(-1, 6)), num_hidden=4, name="fc1")
    return mx.sym.SoftmaxOutput(
        net, mx.sym.Reshape(mx.sym.var("label"), shape=(-1,)), name="softmax", normalization="valid"
    )


CASES = {
    "lenet": (lenet, {"data": (2, 1, 8, 8)}),
    "residual": (residual, {"data": (3, 2, 5, 5)}),
    "lstm": (lstm, {"data": (2, 3, 5)}),
    "detection": (detection_like, {"data": (2, 3, 4, 4)}),
    "embedding": (embedding, {"data": (4, 3), "label": (4, 3)}),
}


def fill(exe):
    rng = np.random.RandomState(5)
    for name, array in [*exe.arg_dict.items(), *exe.aux_dict.items()]:
        integers = "label" in name or (name == "data" and array.ndim == 2 and "embed_weight" in exe.arg_dict)
        array[:] = rng.randint(0, 4, array.shape) if integers else rng.uniform(0.1, 1, array.shape)


def numbers(arrays):
    return [None if array is None else array.asnumpy().astype("float64").round(6).tolist() for array in arrays]


def run_case(name, grad_req):
    make, shapes = CASES[name]
    net = make()
    if name == "embedding":  # the original refuses gradients of indices, and gives garbage for labels
        grad_req = {key: "null" if key in ("data", "label") else grad_req for key in net.list_arguments()}
    exe = net.simple_bind(mx.cpu(), grad_req=grad_req, **shapes)
    fill(exe)
    result = {
        "arguments": list(exe.arg_dict),
        "states": list(exe.aux_dict),
        "outputs": net.list_outputs(),
        "shapes": [array.shape for array in (*exe.arg_arrays, *exe.aux_arrays, *exe.outputs)],
        "predicted": numbers(exe.forward(is_train=False)),
    }
    for _ in range(2):  # the original's second backward in a row finds memory that it has used for other things
        exe.forward(is_train=True)
        result["trained"] = numbers(exe.outputs)
        exe.backward([mx.nd.ones(y.shape) * 0.5 for y in exe.outputs] if name == "lstm" else None)
    result["gradients"] = numbers(exe.grad_arrays)
    result["aux"] = numbers(exe.aux_arrays)
    exe.forward(is_train=False)
    result["after"] = numbers(exe.outputs)
    seen = []
    exe.set_monitor_callback(lambda key, array: seen.append(key if isinstance(key, str) else key.decode()))
    exe.forward(is_train=True)
    result["monitored"] = seen
    return result


def behaviour():
    """What executors do beyond values: classes of exceptions, sharing, repeated passes."""
    x, w = mx.sym.var("x"), mx.sym.var("w")
    net = x * w
    grads = {"x": mx.nd.zeros(3), "w": mx.nd.zeros(3)}
    exe = net.bind(mx.cpu(), {"x": mx.nd.array([1, 2, 3]), "w": mx.nd.array([2, 2, 2])}, args_grad=grads)
    seen = {}

    def attempt(label, call):
        try:
            call()
            seen[label] = "fine"
        except Exception as error:
            kinds = [kind for kind in (TypeError, ValueError, mx.MXNetError) if isinstance(error, kind)]
            seen[label] = kinds[0].__name__ if kinds else type(error).__name__

    kept = exe.forward(is_train=True)
    attempt("backward without head", exe.backward)
    attempt("backward with more heads", lambda: exe.backward([mx.nd.ones(3), mx.nd.ones(3)]))
    attempt("backward by a dict", lambda: exe.backward(dict.fromkeys(net.list_outputs(), mx.nd.ones(3))))
    attempt("backward of another shape", lambda: exe.backward(mx.nd.ones(4)))
    attempt("unknown argument", lambda: exe.forward(z=mx.nd.ones(3)))
    attempt("argument of another shape", lambda: exe.forward(x=mx.nd.ones(4)))
    attempt("argument that is a list", lambda: exe.forward(x=[1, 2, 3]))
    attempt("argument of another type", lambda: exe.forward(x=mx.nd.ones(3, dtype="int32")))
    attempt("missing arrays", lambda: net.bind(mx.cpu(), {"x": mx.nd.ones(3)}))
    attempt("too many arrays", lambda: net.bind(mx.cpu(), [mx.nd.ones(3)] * 3))
    attempt(
        "extra arrays by name", lambda: net.bind(mx.cpu(), {"x": mx.nd.ones(3), "w": mx.nd.ones(3), "v": mx.nd.ones(3)})
    )
    attempt("context of another kind", lambda: net.bind("cpu", [mx.nd.ones(3)] * 2))
    attempt("NumPy arrays", lambda: net.bind(mx.cpu(), [np.ones(3)] * 2))
    attempt("shapes that do not follow", lambda: net.simple_bind(mx.cpu()))
    attempt("unknown names in simple_bind", lambda: net.simple_bind(mx.cpu(), x=(3,), w=(3,), z=(4,)))
    attempt("unknown request", lambda: net.simple_bind(mx.cpu(), grad_req="foo", x=(3,)))
    attempt("unknown parameter", lambda: exe.copy_params_from({"z": mx.nd.ones(3)}))
    attempt("unknown parameter allowed", lambda: exe.copy_params_from({"z": mx.nd.ones(3)}, allow_extra_params=True))
    attempt("growing", lambda: exe.reshape(x=(5,), w=(5,)))
    attempt("growing allowed", lambda: exe.reshape(allow_up_sizing=True, x=(5,), w=(5,)))
    exe.forward(x=mx.nd.array([7, 7, 7]))
    seen["kept output"] = kept[0].asnumpy().tolist()
    exe.backward(mx.nd.ones(3))
    seen["backward after prediction"] = numbers(exe.grad_arrays)
    small = exe.reshape(x=(2,), w=(2,))
    small.forward()
    seen["reshaped"] = numbers([*small.arg_arrays, *small.outputs])
    blocked = (mx.sym.BlockGrad(x) * w).bind(
        mx.cpu(), [mx.nd.ones(2), mx.nd.ones(2)], args_grad=[mx.nd.ones(2) * 9, mx.nd.ones(2) * 9]
    )
    blocked.forward(is_train=True)
    blocked.backward(mx.nd.ones(2))
    seen["blocked"] = numbers(blocked.grad_arrays)
    return seen


def main():
    for name in CASES:
        for grad_req in ("write", "add"):
            print(json.dumps({"case": f"{name}-{grad_req}", **run_case(name, grad_req)}))
    print(json.dumps({"case": "behaviour", **behaviour()}))


if __name__ == "__main__":
    main()
