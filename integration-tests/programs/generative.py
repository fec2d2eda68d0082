"""A variational autoencoder and a generative adversarial network, with nd and autograd only.

Prints a line of JSON for each.
"""

from __future__ import annotations

import json

import numpy as np

import mxnet as mx
from mxnet import autograd, nd

mx.random.seed(11)
rng = np.random.RandomState(11)


def dense(inputs, outputs):
    params = [nd.random_normal(scale=(1.0 / inputs) ** 0.5, shape=(outputs, inputs)), nd.zeros(outputs)]
    for param in params:
        param.attach_grad()
    return params


def layer(x, params):
    return nd.FullyConnected(x, *params, num_hidden=params[0].shape[0])


class Adam:
    def __init__(self, params, lr, beta1=0.9):
        self.params, self.lr, self.beta1, self.t = params, lr, beta1, 0
        self.states = [(nd.zeros_like(param), nd.zeros_like(param)) for param in params]

    def step(self):
        self.t += 1
        rate = self.lr * (1 - 0.999**self.t) ** 0.5 / (1 - self.beta1**self.t)
        for param, (mean, var) in zip(self.params, self.states):
            nd.adam_update(param, param.grad, mean, var, lr=rate, beta1=self.beta1, out=param)


# -- VAE: 16 binary pixels that two hidden bits decide -------------------------------------------------------------

bits = rng.randint(0, 2, (512, 2))
pattern = np.repeat(bits, 8, axis=1)
pixels = nd.array(np.where(rng.uniform(size=pattern.shape) < 0.05, 1 - pattern, pattern))
encoder, mean_head, spread_head = dense(16, 32), dense(32, 2), dense(32, 2)
decoder, picture = dense(2, 32), dense(32, 16)
params = [param for pair in (encoder, mean_head, spread_head, decoder, picture) for param in pair]
adam = Adam(params, 0.01)
bounds, divergences = [], []
for epoch in range(40):
    total = divergence = 0
    for start in range(0, 512, 64):
        x = pixels[start : start + 64]
        with autograd.record():
            h = nd.tanh(layer(x, encoder))
            mean, log_var = layer(h, mean_head), layer(h, spread_head)
            z = mean + nd.exp(0.5 * log_var) * nd.random_normal(shape=mean.shape)
            logits = layer(nd.tanh(layer(z, decoder)), picture)
            reconstruction = nd.sum(nd.relu(logits) - logits * x + nd.log1p(nd.exp(-nd.abs(logits))), axis=1)
            kl = -0.5 * nd.sum(1 + log_var - nd.square(mean) - nd.exp(log_var), axis=1)
            loss = nd.mean(reconstruction + kl)
        loss.backward()
        adam.step()
        total += float(loss.asscalar()) / 8
        divergence += float(nd.mean(kl).asscalar()) / 8
    bounds.append(total)
    divergences.append(divergence)
print(json.dumps({"model": "vae", "bounds": bounds, "divergences": divergences}))

# -- GAN: normal numbers become a plane's points: the tutorial's first GAN ----------------------------------------------

A, b = np.array([[1, 2], [-0.1, 0.5]]), np.array([1, 2])
real = nd.array(rng.normal(0, 1, (1000, 2)) @ A + b)
generator = dense(2, 2)
critic = [dense(2, 5), dense(5, 3), dense(3, 1)]


def judge(x):
    x = nd.tanh(layer(x, critic[0]))
    return layer(nd.tanh(layer(x, critic[1])), critic[2])


def bce(logits, real):
    return nd.mean(nd.relu(logits) - logits * real + nd.log1p(nd.exp(-nd.abs(logits))))


first = Adam(generator, 0.01, beta1=0.5)
second = Adam([param for pair in critic for param in pair], 0.05, beta1=0.5)
for epoch in range(30):
    for start in range(0, 1000, 40):
        x = real[start : start + 40]
        noise = nd.random_normal(shape=(40, 2))
        with autograd.record():
            fake = layer(noise, generator)
            loss_critic = bce(judge(x), 1.0) + bce(judge(fake.detach()), 0.0)
        loss_critic.backward()
        second.step()
        with autograd.record():
            loss_generator = bce(judge(layer(noise, generator)), 1.0)
        loss_generator.backward()
        first.step()
made = layer(nd.random_normal(shape=(1000, 2)), generator).asnumpy()
print(json.dumps({
    "model": "gan", "mean": made.mean(axis=0).tolist(), "wanted_mean": real.asnumpy().mean(axis=0).tolist(),
    "critic": float(loss_critic.asscalar()), "generator": float(loss_generator.asscalar()),
}))  # fmt: skip
