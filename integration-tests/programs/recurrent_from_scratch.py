"""An RNN and an LSTM from scratch: they learn which letter follows in a sentence that repeats.

Prints a line of JSON for each: the perplexity after each epoch, and what the network writes.
"""

from __future__ import annotations

import json

import numpy as np

import mxnet as mx
from mxnet import autograd, nd

TEXT = "the time traveller for so it will be convenient to speak of him. " * 12
letters = sorted(set(TEXT))
code = np.array([letters.index(letter) for letter in TEXT])
k, hidden, steps, batch = len(letters), 48, 16, 8


def parameters(gates):
    def three():
        return (
            nd.random_normal(scale=0.1, shape=(k, hidden)),
            nd.random_normal(scale=0.1, shape=(hidden, hidden)),
            nd.zeros(hidden),
        )

    params = [array for _ in range(gates) for array in three()]
    params += [nd.random_normal(scale=0.1, shape=(hidden, k)), nd.zeros(k)]
    for param in params:
        param.attach_grad()
    return params


def rnn(inputs, state, params):
    Wx, Wh, bh, Wy, by = params
    (h,) = state
    outputs = []
    for X in inputs:
        h = nd.tanh(nd.dot(X, Wx) + nd.dot(h, Wh) + bh)
        outputs.append(nd.dot(h, Wy) + by)
    return outputs, (h,)


def lstm(inputs, state, params):
    *gates, Wy, by = params
    h, c = state
    outputs = []
    for X in inputs:
        i, f, o, g = (nd.dot(X, gates[3 * n]) + nd.dot(h, gates[3 * n + 1]) + gates[3 * n + 2] for n in range(4))
        c = nd.sigmoid(f) * c + nd.sigmoid(i) * nd.tanh(g)
        h = nd.sigmoid(o) * nd.tanh(c)
        outputs.append(nd.dot(h, Wy) + by)
    return outputs, (h, c)


def clip(params, theta):
    norm = nd.sqrt(sum(nd.sum(nd.square(param.grad)) for param in params)).asscalar()
    if norm > theta:
        for param in params:
            param.grad[:] = param.grad * (theta / norm)


def write(net, states, params, prefix, count):
    state = tuple(nd.zeros((1, hidden)) for _ in range(states))
    text = prefix
    for position in range(len(prefix) + count - 1):
        one = nd.one_hot(nd.array([letters.index(text[position])]), k)
        outputs, state = net([one], state, params)
        if position >= len(prefix) - 1:
            text += letters[int(nd.argmax(outputs[0], axis=1).asscalar())]
    return text


for name, net, gates, states in (("rnn", rnn, 1, 1), ("lstm", lstm, 4, 2)):
    mx.random.seed(5)
    params = parameters(gates)
    means = [nd.zeros_like(param) for param in params]
    squares = [nd.zeros_like(param) for param in params]
    length = len(code) // batch
    rows = code[: length * batch].reshape(batch, length)
    perplexities, updates = [], 0
    for epoch in range(25):
        state = tuple(nd.zeros((batch, hidden)) for _ in range(states))
        total = count = 0
        for start in range(0, length - steps, steps):
            X = nd.one_hot(nd.array(rows[:, start : start + steps].T), k)
            y = nd.array(rows[:, start + 1 : start + 1 + steps].T)
            state = tuple(each.detach() for each in state)
            with autograd.record():
                outputs, state = net([X[i] for i in range(steps)], state, params)
                logits = nd.log_softmax(nd.concat(*outputs, dim=0))
                loss = -nd.mean(nd.pick(logits, y.reshape((-1,)), axis=1))
            loss.backward()
            clip(params, 1.0)
            updates += 1
            rate = 0.01 * (1 - 0.999**updates) ** 0.5 / (1 - 0.9**updates)
            for param, mean, square in zip(params, means, squares):
                nd.adam_update(param, param.grad, mean, square, lr=rate, out=param)
            total, count = total + float(loss.asscalar()), count + 1
        perplexities.append(float(np.exp(total / count)))
    print(json.dumps({
        "net": name, "perplexities": perplexities, "text": write(net, states, params, "the time tr", 30)
    }))  # fmt: skip
