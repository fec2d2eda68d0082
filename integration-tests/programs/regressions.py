"""Linear regression, softmax regression and a perceptron, from scratch with nd and autograd only.

Prints a line of JSON for each model.
"""

from __future__ import annotations

import json

import numpy as np

import mxnet as mx
from mxnet import autograd, nd

mx.random.seed(1)
rng = np.random.RandomState(1)


def sgd(params, lr):
    for param in params:
        param[:] = param - lr * param.grad


def batches(data, label, size):
    for start in range(0, data.shape[0], size):
        yield data[start : start + size], label[start : start + size]


# -- linear regression: the minimum is what least squares give -----------------------------------------------

x = rng.normal(0, 1, (400, 2)).astype(np.float32)
t = (x @ np.array([2.0, -3.4]) + 4.2 + rng.normal(0, 0.1, 400)).astype(np.float32)
data, label = nd.array(x), nd.array(t)
w, b = nd.random_normal(shape=(2, 1), scale=0.01), nd.zeros(1)
for param in (w, b):
    param.attach_grad()
for epoch in range(60):
    with autograd.record():
        loss = nd.mean(nd.square(nd.dot(data, w).reshape((-1,)) + b - label))
    loss.backward()
    sgd([w, b], 0.2)
print(json.dumps({
    "model": "linear",
    "found": [float(v) for v in w.asnumpy().ravel()] + [float(b.asscalar())],
    "least_squares": [float(v) for v in np.linalg.lstsq(np.c_[x, np.ones(400)], t, rcond=None)[0]],
}))  # fmt: skip

# -- softmax regression and a perceptron on points around three centres, and on two moons ------------------------


def softmax(logits):
    shifted = nd.exp(logits - nd.max(logits, axis=1, keepdims=True))
    return shifted / nd.sum(shifted, axis=1, keepdims=True)


def cross_entropy(probabilities, label):
    return -nd.log(nd.pick(probabilities, label, axis=1) + 1e-9)


def train(net, params, data, label, lr, epochs):
    losses = []
    for param in params:
        param.attach_grad()
    for epoch in range(epochs):
        total = 0
        for X, y in batches(data, label, 50):
            with autograd.record():
                loss = cross_entropy(softmax(net(X)), y)
            loss.backward()
            sgd(params, lr / X.shape[0])
            total += nd.sum(loss).asscalar()
        losses.append(float(total / data.shape[0]))
    accuracy = nd.mean(nd.argmax(net(data), axis=1) == label).asscalar()
    return losses, float(accuracy)


centres = np.array([[0, 3], [3, -2], [-3, -2]])
classes = rng.randint(0, 3, 300)
points = (centres[classes] + rng.normal(0, 0.7, (300, 2))).astype(np.float32)
W, c = nd.zeros((2, 3)), nd.zeros(3)
losses, accuracy = train(lambda X: nd.dot(X, W) + c, [W, c], nd.array(points), nd.array(classes), lr=0.5, epochs=10)
print(json.dumps({"model": "softmax", "losses": losses, "accuracy": accuracy}))

angle = rng.uniform(0, np.pi, 400)
moon = rng.randint(0, 2, 400)
points = np.stack([np.cos(angle) * (1 - 2 * moon) + moon, np.sin(angle) * (1 - 2 * moon) + 0.4 * moon], axis=1)
points = (points + rng.normal(0, 0.1, points.shape)).astype(np.float32)
W1, b1 = nd.random_normal(shape=(2, 32), scale=0.7), nd.zeros(32)
W2, b2 = nd.random_normal(shape=(32, 2), scale=0.3), nd.zeros(2)
losses, accuracy = train(
    lambda X: nd.dot(nd.maximum(nd.dot(X, W1) + b1, 0), W2) + b2, [W1, b1, W2, b2], nd.array(points),
    nd.array(moon), lr=0.5, epochs=40,
)  # fmt: skip
print(json.dumps({"model": "perceptron", "losses": losses, "accuracy": accuracy}))
