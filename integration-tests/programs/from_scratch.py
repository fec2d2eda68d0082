"""A multilayer perceptron without Gluon: arrays, autograd, a loss and an SGD written by hand, an NDArrayIter.

Prints a line of JSON for each epoch. Runs on any `mxnet`.
"""

from __future__ import annotations

import json

import numpy as np

import mxnet as mx
from mxnet import autograd, nd

mx.random.seed(1)
np.random.seed(1)
ctx = mx.cpu()


def load(train, samples):
    images, labels = mx.gluon.data.vision.MNIST(train=train)[:samples]
    return images.astype("float32").reshape((-1, 784)) / 255, nd.array(labels)


train_data = mx.io.NDArrayIter(*load(True, 20000), batch_size=64, shuffle=True)
test_data = mx.io.NDArrayIter(*load(False, 5000), batch_size=64)

weight_scale = 0.01
W1 = nd.random_normal(shape=(784, 128), scale=weight_scale, ctx=ctx)
b1 = nd.random_normal(shape=128, scale=weight_scale, ctx=ctx)
W2 = nd.random_normal(shape=(128, 10), scale=weight_scale, ctx=ctx)
b2 = nd.zeros(10, ctx=ctx)
params = [W1, b1, W2, b2]
for param in params:
    param.attach_grad()


def relu(x):
    return nd.maximum(x, nd.zeros_like(x))


def net(x):
    return nd.dot(relu(nd.dot(x, W1) + b1), W2) + b2


def softmax_cross_entropy(yhat_linear, y):
    return -nd.nansum(y * nd.log_softmax(yhat_linear), axis=0, exclude=True)


def sgd(params, lr):
    for param in params:
        param[:] = param - lr * param.grad


def evaluate_accuracy(data_iterator):
    numerator = 0.0
    denominator = 0.0
    data_iterator.reset()
    for batch in data_iterator:
        count = batch.data[0].shape[0] - batch.pad
        predictions = nd.argmax(net(batch.data[0].as_in_context(ctx)), axis=1)
        numerator += nd.sum(predictions[:count] == batch.label[0][:count].as_in_context(ctx))
        denominator += count
    return (numerator / denominator).asscalar()


moving_loss = None
for epoch in range(3):
    train_data.reset()
    for batch in train_data:
        data = batch.data[0].as_in_context(ctx)
        label_one_hot = nd.one_hot(batch.label[0].as_in_context(ctx), 10)
        with autograd.record():
            loss = softmax_cross_entropy(net(data), label_one_hot)
        loss.backward()
        sgd(params, 0.2 / 64)
        current = nd.mean(loss).asscalar()
        moving_loss = current if moving_loss is None else 0.99 * moving_loss + 0.01 * current
    print(
        json.dumps({"epoch": epoch, "loss": float(moving_loss), "test_accuracy": float(evaluate_accuracy(test_data))})
    )
