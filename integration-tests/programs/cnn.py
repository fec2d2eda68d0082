"""A convolutional network on MNIST: a Block of the user's own under a name scope, as MXNet 1.x programs write it.

Prints a line of JSON for each epoch.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

import mxnet as mx
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--epochs", type=int, default=2)
options = parser.parse_args()

mx.random.seed(2)
np.random.seed(2)
ctx = mx.cpu()


class Net(gluon.Block):
    """Two convolutions, each followed by pooling, and two dense layers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.conv1 = nn.Conv2D(32, kernel_size=3, activation="relu")
            self.pool1 = nn.MaxPool2D(pool_size=2, strides=2)
            self.conv2 = nn.Conv2D(64, kernel_size=3, activation="relu")
            self.pool2 = nn.MaxPool2D(pool_size=2, strides=2)
            self.flatten = nn.Flatten()
            self.fc1 = nn.Dense(128, activation="relu")
            self.fc2 = nn.Dense(10)

    def forward(self, x):
        x = self.pool1(self.conv1(x))
        x = self.pool2(self.conv2(x))
        return self.fc2(self.fc1(self.flatten(x)))


def transform(data, label):
    return nd.transpose(data.astype(np.float32), (2, 0, 1)) / 255, label.astype(np.float32)


train_data = gluon.data.DataLoader(gluon.data.vision.MNIST(train=True, transform=transform), 64, shuffle=True)
test_data = gluon.data.DataLoader(gluon.data.vision.MNIST(train=False, transform=transform), 64, shuffle=False)

net = Net(prefix="digits_")
net.initialize(mx.init.Xavier(magnitude=2.24), ctx=ctx)
loss_function = gluon.loss.SoftmaxCrossEntropyLoss()
trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.001})

for epoch in range(options.epochs):
    trainer.set_learning_rate(0.001 * 0.3**epoch)  # smaller steps towards the end: less luck in the result
    cumulative_loss = 0
    for data, label in train_data:
        data = data.as_in_context(ctx)
        label = label.as_in_context(ctx)
        with autograd.record():
            loss = loss_function(net(data), label)
        loss.backward()
        trainer.step(data.shape[0])
        cumulative_loss += loss.sum().asscalar()
    accuracy = mx.metric.Accuracy()
    for data, label in test_data:
        accuracy.update(labels=[label], preds=[net(data.as_in_context(ctx))])
    print(
        json.dumps(
            {
                "epoch": epoch,
                "loss": float(cumulative_loss / 60000),
                "test_accuracy": float(accuracy.get()[1]),
                "parameters": sorted(net.collect_params()),
            }
        ),
        flush=True,
    )
