"""The losses of neural style transfer, on fixed random filters: an image takes over another one's Gram matrices.

Prints one line of JSON.
"""

from __future__ import annotations

import json

import numpy as np

from mxnet import autograd, nd

rng = np.random.RandomState(9)
filters = [nd.array(rng.normal(0, (1.0 / (c * 9)) ** 0.5, (n, c, 3, 3))) for c, n in ((3, 8), (8, 12))]
content = nd.array(rng.uniform(0, 1, (1, 3, 24, 24)))
waves = np.sin(np.arange(24) / 2.0)
style = nd.array((np.add.outer(waves, waves) * np.array([1.0, 0.5, -0.5])[:, None, None])[None])


def features(x):
    maps = []
    for weight in filters:
        x = nd.Convolution(
            x, weight, kernel=(3, 3), num_filter=weight.shape[0], pad=(1, 1), stride=(1, 1), no_bias=True
        )
        x = nd.Activation(x, act_type="relu")
        maps.append(x)
        x = nd.Pooling(x, kernel=(2, 2), stride=(2, 2), pool_type="avg")
    return maps


def gram(x):
    n, c, h, w = x.shape
    flat = x.reshape((c, h * w))
    return nd.dot(flat, flat, transpose_b=True) / (c * h * w)


def total_variation(x):
    across = nd.slice_axis(x, axis=3, begin=1, end=None) - nd.slice_axis(x, axis=3, begin=0, end=-1)
    down = nd.slice_axis(x, axis=2, begin=1, end=None) - nd.slice_axis(x, axis=2, begin=0, end=-1)
    return nd.mean(nd.abs(across)) + nd.mean(nd.abs(down))


def losses(x):
    maps = features(x)
    of_content = nd.mean(nd.square(maps[1] - content_map))
    of_style = sum(nd.sum(nd.square(gram(map) - wanted)) for map, wanted in zip(maps, grams))
    return of_content, of_style, total_variation(x)


content_map = features(content)[1]
grams = [gram(map) for map in features(style)]
first = features(style)[0].asnumpy()[0].reshape(8, -1)
expected = first @ first.T / first.size

image = content.copy()
image.attach_grad()
mean, var = nd.zeros_like(image), nd.zeros_like(image)
history = []
for step in range(1, 61):
    with autograd.record():
        parts = losses(image)
        loss = parts[0] + 10 * parts[1] + 0.01 * parts[2]
    loss.backward()
    rate = 0.05 * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)
    nd.adam_update(image, image.grad, mean, var, lr=rate, out=image)
    history.append([float(part.asscalar()) for part in parts])
print(json.dumps({
    "gram_error": float(np.abs(grams[0].asnumpy() - expected).max()),
    "first": history[0], "last": history[-1],
}))  # fmt: skip
