"""The perceptron of mlp.py on several contexts at once: split_and_load, a backward for each part, one Trainer step.

Prints a line of JSON for each step's loss, and at the end the accuracy and every parameter as each context holds it.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

import mxnet as mx
from mxnet import autograd, gluon
from mxnet.gluon.utils import split_and_load

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("contexts", nargs="+", help="such as cpu:0 cpu:1")
parser.add_argument("--samples", type=int, default=6400)
parser.add_argument("--save", help="where the parameters go")
options = parser.parse_args()

contexts = [getattr(mx, name.split(":")[0])(int(name.split(":")[1])) for name in options.contexts]


def transform(data, label):
    return data.astype(np.float32).reshape((-1,)) / 255, label.astype(np.float32)


images, labels = gluon.data.vision.MNIST(train=True)[: options.samples]
data_set = gluon.data.ArrayDataset(images, mx.nd.array(labels)).transform(transform)
train_data = gluon.data.DataLoader(data_set, 64, shuffle=False)

net = gluon.nn.HybridSequential(prefix="mlp_")
with net.name_scope():
    net.add(gluon.nn.Dense(64, activation="relu"), gluon.nn.Dense(64, activation="relu"), gluon.nn.Dense(10))
net.initialize(mx.init.Zero(), ctx=contexts)
net(mx.nd.zeros((1, 784), contexts[0]))

# The same start on every machine and in every MXNet: numbers from NumPy.
rng = np.random.RandomState(5)
for name, parameter in sorted(net.collect_params().items()):
    parameter.set_data(mx.nd.array(rng.normal(0, 0.1, parameter.shape).astype(np.float32)))

loss_function = gluon.loss.SoftmaxCrossEntropyLoss()
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.5})

for data, label in train_data:
    parts = list(zip(split_and_load(data, contexts), split_and_load(label, contexts)))
    with autograd.record():
        losses = [loss_function(net(x), y) for x, y in parts]
    for loss in losses:
        loss.backward()
    trainer.step(data.shape[0])
    print(json.dumps({"loss": float(sum(loss.sum().asscalar() for loss in losses) / data.shape[0])}))

accuracy = mx.metric.Accuracy()
for data, label in train_data:
    for x, y in zip(split_and_load(data, contexts), split_and_load(label, contexts)):
        assert x.context in contexts
        accuracy.update(labels=[y], preds=[net(x)])

for name, parameter in net.collect_params().items():
    copies = [copy.asnumpy() for copy in parameter.list_data()]
    assert [copy.context for copy in parameter.list_data()] == contexts, name
    for copy in copies[1:]:
        np.testing.assert_array_equal(copies[0], copy, err_msg=name)
print(json.dumps({"accuracy": float(accuracy.get()[1])}))
if options.save:
    net.save_parameters(options.save)
