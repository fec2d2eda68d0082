"""The two networks of MXNet's MNIST tutorial, as symbols trained by Module: ``mlp`` or ``lenet``.

Reads MNIST from the current folder. Prints one line of JSON; the log of fit goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import logging

import numpy as np

import mxnet as mx

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("network", choices=("mlp", "lenet"))
parser.add_argument("--epochs", type=int, default=10)
options = parser.parse_args()

logging.getLogger().setLevel(logging.DEBUG)
mx.random.seed(42)
np.random.seed(42)
batch_size = 100
mnist = mx.test_utils.get_mnist()
train_iter = mx.io.NDArrayIter(mnist["train_data"], mnist["train_label"], batch_size, shuffle=True)
val_iter = mx.io.NDArrayIter(mnist["test_data"], mnist["test_label"], batch_size)

data = mx.sym.var("data")
if options.network == "mlp":
    data = mx.sym.flatten(data=data)
    fc1 = mx.sym.FullyConnected(data=data, num_hidden=128)
    act1 = mx.sym.Activation(data=fc1, act_type="relu")
    fc2 = mx.sym.FullyConnected(data=act1, num_hidden=64)
    act2 = mx.sym.Activation(data=fc2, act_type="relu")
    fc3 = mx.sym.FullyConnected(data=act2, num_hidden=10)
    net = mx.sym.SoftmaxOutput(data=fc3, name="softmax")
    settings = {"optimizer_params": {"learning_rate": 0.1}}
else:
    conv1 = mx.sym.Convolution(data=data, kernel=(5, 5), num_filter=20)
    tanh1 = mx.sym.Activation(data=conv1, act_type="tanh")
    pool1 = mx.sym.Pooling(data=tanh1, pool_type="max", kernel=(2, 2), stride=(2, 2))
    conv2 = mx.sym.Convolution(data=pool1, kernel=(5, 5), num_filter=50)
    tanh2 = mx.sym.Activation(data=conv2, act_type="tanh")
    pool2 = mx.sym.Pooling(data=tanh2, pool_type="max", kernel=(2, 2), stride=(2, 2))
    flatten = mx.sym.flatten(data=pool2)
    fc1 = mx.symbol.FullyConnected(data=flatten, num_hidden=500)
    tanh3 = mx.sym.Activation(data=fc1, act_type="tanh")
    fc2 = mx.sym.FullyConnected(data=tanh3, num_hidden=10)
    net = mx.sym.SoftmaxOutput(data=fc2, name="softmax")
    # The tutorial needs ten epochs from tiny weights; these settings need two.
    settings = {"optimizer_params": {"learning_rate": 0.03, "momentum": 0.9}, "initializer": mx.init.Xavier()}

model = mx.mod.Module(symbol=net, context=mx.cpu())
model.fit(
    train_iter,
    eval_data=val_iter,
    optimizer="sgd",
    eval_metric="acc",
    batch_end_callback=mx.callback.Speedometer(batch_size, 100),
    num_epoch=options.epochs,
    **settings,
)

test_iter = mx.io.NDArrayIter(mnist["test_data"], None, batch_size)
prob = model.predict(test_iter)
test_iter = mx.io.NDArrayIter(mnist["test_data"], mnist["test_label"], batch_size)
acc = mx.metric.Accuracy()
model.score(test_iter, acc)
predicted = float((prob.asnumpy().argmax(axis=1) == mnist["test_label"]).mean())
print(json.dumps({"accuracy": acc.get()[1], "predict": prob.shape, "predicted": predicted}))
