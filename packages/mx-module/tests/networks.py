"""Small networks and data for the tests of modules."""

from __future__ import annotations

import numpy as np

import mxnet as mx


def perceptron(classes=3, hidden=8):
    """Two layers and a softmax; data (n, 4)."""
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=hidden, name="fc1")
    net = mx.sym.Activation(net, act_type="relu", name="relu1")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=classes, name="fc2"), name="softmax")


def points(n=50, seed=0):
    """(x, y): points in 4 dimensions in three classes that a perceptron can tell apart."""
    rng = np.random.RandomState(seed)
    x = rng.uniform(-1, 1, (n, 4)).astype("float32")
    return x, np.argmax(x[:, :3], axis=1).astype("float32")


def batches(n=50, batch_size=10, **options):
    """An iterator over points."""
    return mx.io.NDArrayIter(*points(n), batch_size, **options)


def bound(symbol=None, batch_size=10, init=None, shapes=None, **options):
    """A Module bound to batches of points, with parameters."""
    bind = {key: options.pop(key) for key in ("inputs_need_grad", "for_training", "grad_req") if key in options}
    module = mx.mod.Module(perceptron() if symbol is None else symbol, **options)
    data, label = shapes or ([("data", (batch_size, 4))], [("softmax_label", (batch_size,))])
    module.bind(data, label, **bind)
    mx.random.seed(1)
    module.init_params(init or mx.init.Xavier())
    return module


def values(params):
    """name -> NumPy array."""
    return {name: array.asnumpy() for name, array in params.items()}
