"""A multilayer perceptron on MNIST, as the Gluon tutorials of MXNet 1.x write it.

Prints a line of JSON for each epoch. Runs on any `mxnet`: the original's numbers were taken with this very file.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

import mxnet as mx
from mxnet import autograd, gluon, nd

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=10)
options = parser.parse_args()

mx.random.seed(1)
np.random.seed(1)
data_ctx = mx.cpu()
model_ctx = mx.cpu()
batch_size = 64
num_inputs = 784
num_outputs = 10


def transform(data, label):
    return data.astype(np.float32) / 255, label.astype(np.float32)


train_data = gluon.data.DataLoader(gluon.data.vision.MNIST(train=True, transform=transform), batch_size, shuffle=True)
test_data = gluon.data.DataLoader(gluon.data.vision.MNIST(train=False, transform=transform), batch_size, shuffle=False)

net = gluon.nn.HybridSequential()
with net.name_scope():
    net.add(gluon.nn.Dense(64, activation="relu"))
    net.add(gluon.nn.Dense(64, activation="relu"))
    net.add(gluon.nn.Dense(num_outputs))

net.collect_params().initialize(mx.init.Normal(sigma=0.1), ctx=model_ctx)
softmax_cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.01})


def evaluate_accuracy(data_iterator, net):
    acc = mx.metric.Accuracy()
    for data, label in data_iterator:
        data = data.as_in_context(model_ctx).reshape((-1, 784))
        label = label.as_in_context(model_ctx)
        output = net(data)
        predictions = nd.argmax(output, axis=1)
        acc.update(preds=predictions, labels=label)
    return acc.get()[1]


num_examples = len(train_data._dataset)
for epoch in range(options.epochs):
    cumulative_loss = 0
    for data, label in train_data:
        data = data.as_in_context(model_ctx).reshape((-1, 784))
        label = label.as_in_context(model_ctx)
        with autograd.record():
            output = net(data)
            loss = softmax_cross_entropy(output, label)
        loss.backward()
        trainer.step(data.shape[0])
        cumulative_loss += nd.sum(loss).asscalar()

    test_accuracy = evaluate_accuracy(test_data, net)
    print(
        json.dumps(
            {
                "epoch": epoch,
                "loss": float(cumulative_loss / num_examples),
                "test_accuracy": float(test_accuracy),
            }
        ),
        flush=True,
    )
