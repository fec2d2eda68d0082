"""Trains modules and writes down what comes out, one JSON object per case. Runs on MXNet 1.9.1 as well.

``train FOLDER`` trains and saves checkpoints to FOLDER; ``serve FOLDER`` reads those that the other side saved, answers
with them and trains on.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import warnings

import numpy as np

import mxnet as mx

warnings.simplefilter("ignore")
task, folder = sys.argv[1:]
logger = logging.getLogger()
logger.setLevel(logging.INFO)


class Lines(logging.Handler):
    """Keeps the log, without what is measured."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        line = re.sub(r"(Speed: |Time cost=)[\d.]+", r"\1N", record.getMessage().replace(folder, "FOLDER"))
        self.lines.append(re.sub(r"=(\d+\.\d{3})\d+", r"=\1", line))


def net(kind):
    x = mx.sym.Variable("data")
    if kind == "convolution":
        x = mx.sym.Convolution(x, kernel=(3, 3), num_filter=4, name="conv1")
        x = mx.sym.BatchNorm(x, name="bn1", fix_gamma=False)
        x = mx.sym.Pooling(mx.sym.Activation(x, act_type="relu"), kernel=(2, 2), stride=(2, 2), pool_type="avg")
        x = mx.sym.Flatten(x)
    weight = mx.sym.Variable("fc1_weight", lr_mult=0.5, wd_mult=2.0)
    x = mx.sym.Activation(mx.sym.FullyConnected(x, weight=weight, num_hidden=8, name="fc1"), act_type="tanh")
    x = mx.sym.FullyConnected(x, num_hidden=3, name="fc2")
    if kind == "regression":
        return mx.sym.LinearRegressionOutput(x, name="softmax")
    return mx.sym.SoftmaxOutput(x, name="softmax")


def data(kind, n=48):
    rng = np.random.RandomState(0)
    x = rng.uniform(-1, 1, (n, 1, 8, 8) if kind == "convolution" else (n, 5)).astype("float32")
    y = rng.uniform(-1, 1, (n, 3)) if kind == "regression" else x.reshape((n, -1))[:, :3].argmax(axis=1)
    return mx.io.NDArrayIter(x, y.astype("float32"), 16)


def start(symbol, iterator):
    """Parameters that both sides can make."""
    shapes, _, states = symbol.infer_shape(**dict((d[0], d[1]) for d in iterator.provide_data + iterator.provide_label))
    rng = np.random.RandomState(1)
    args = {
        name: mx.nd.array(rng.uniform(-0.3, 0.3, shape))
        for name, shape in zip(symbol.list_arguments(), shapes, strict=True)
        if name not in ("data", "softmax_label")
    }
    auxs = {
        name: mx.nd.ones(shape) if name.endswith("var") else mx.nd.zeros(shape)
        for name, shape in zip(symbol.list_auxiliary_states(), states, strict=True)
    }
    return args, auxs


TWO = [mx.cpu(0), mx.cpu(1)]
SGD = {"learning_rate": 0.3, "momentum": 0.9, "wd": 0.01}
CASES = {
    "sgd": ("plain", {}, "sgd", SGD, "local"),
    "sgd in a store": ("plain", {}, "sgd", SGD, "store"),
    "adam": ("plain", {}, "adam", {"learning_rate": 0.01, "wd": 0.01}, "local"),
    "clipped": ("plain", {}, "sgd", {**SGD, "clip_gradient": 0.05}, "local"),
    "two devices": ("plain", {"context": TWO}, "sgd", SGD, "local"),
    "two devices alone": ("plain", {"context": TWO}, "sgd", SGD, None),
    "uneven devices": ("plain", {"context": TWO, "work_load_list": [1, 3]}, "rmsprop", {"learning_rate": 0.01}, "device"),
    # Both of a layer: where only the weight is fixed, the original's oneDNN gives its bias no gradient.
    "fixed": ("plain", {"fixed_param_names": ["fc1_weight", "fc1_bias"]}, "sgd", SGD, "local"),
    "regression": ("regression", {}, "nag", {"learning_rate": 0.05, "momentum": 0.5}, "local"),
    "convolution": ("convolution", {}, "sgd", SGD, "local"),
    "convolution on two": ("convolution", {"context": TWO}, "sgd", SGD, "local"),
}  # fmt: skip


def numbers(arrays):
    return {name: array.asnumpy().ravel().tolist() for name, array in sorted(arrays.items())}


def prefix(name):
    return os.path.join(folder, name.replace(" ", "_"))


def train(name, kind, options, optimizer, settings, store):
    handler = Lines()
    logger.handlers = [handler]
    iterator = data(kind)
    symbol = net(kind)
    args, auxs = start(symbol, iterator)
    module = mx.mod.Module(symbol, **options)
    module.fit(
        iterator,
        eval_data=data(kind, 20),
        eval_metric="mse" if kind == "regression" else ["acc", "ce"],
        optimizer=optimizer,
        optimizer_params=settings,
        kvstore=mx.kv.create("local") if store == "store" else store,
        arg_params=args,
        aux_params=auxs,
        num_epoch=3,
        batch_end_callback=mx.callback.Speedometer(16, 1),
        epoch_end_callback=mx.callback.module_checkpoint(module, prefix(name), 3, True),
    )
    out = {"case": name, "log": handler.lines, "params": numbers(module.get_params()[0])}
    out["states"] = numbers(module.get_params()[1])
    out["predicted"] = module.predict(data(kind, 20)).asnumpy().ravel().tolist()
    out["score"] = module.score(data(kind), "mse" if kind == "regression" else ["acc", "ce"])
    return out


def serve(name, kind, options, optimizer, settings, store):
    logger.handlers = [Lines()]
    module = mx.mod.Module.load(prefix(name), 3, load_optimizer_states=True, **options)
    iterator = data(kind)
    module.bind(iterator.provide_data, iterator.provide_label)
    out = {"case": name, "predicted": module.predict(data(kind, 20)).asnumpy().ravel().tolist()}
    module.init_optimizer(mx.kv.create("local") if store == "store" else store, optimizer, settings)
    iterator.reset()
    for batch in iterator:
        module.forward_backward(batch)
        module.update()
    return {**out, "params": numbers(module.get_params()[0])}


for case, what in CASES.items():
    result = (train if task == "train" else serve)(case, *what)
    print(json.dumps(result))
