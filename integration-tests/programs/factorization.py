"""Matrix factorization: users and items get vectors whose products are the ratings, most of them never seen.

Prints one line of JSON.
"""

from __future__ import annotations

import json

import numpy as np

import mxnet as mx
from mxnet import autograd, nd

mx.random.seed(7)
rng = np.random.RandomState(7)
n_users, n_items, rank = 60, 50, 3
ratings = rng.normal(0, 1, (n_users, rank)) @ rng.normal(0, 1, (rank, n_items))
seen = rng.uniform(size=ratings.shape) < 0.5
users, items = (nd.array(index) for index in np.nonzero(seen))
values = nd.array(ratings[seen])

P = nd.random_normal(scale=0.3, shape=(n_users, rank))
Q = nd.random_normal(scale=0.3, shape=(n_items, rank))
bias = nd.zeros((n_users, 1))
state = [(nd.zeros_like(param), nd.zeros_like(param)) for param in (P, Q, bias)]
for param in (P, Q, bias):
    param.attach_grad()
losses = []
for step in range(1, 301):
    with autograd.record():
        p = nd.Embedding(users, P, input_dim=n_users, output_dim=rank)
        q = nd.Embedding(items, Q, input_dim=n_items, output_dim=rank)
        found = nd.sum(p * q, axis=1) + nd.take(bias, users).reshape((-1,))
        loss = nd.mean(nd.square(found - values)) + 1e-4 * (nd.mean(p * p) + nd.mean(q * q))
    loss.backward()
    rate = 0.03 * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)
    for param, (mean, var) in zip((P, Q, bias), state):
        nd.adam_update(param, param.grad, mean, var, lr=rate, out=param)
    losses.append(float(loss.asscalar()))
whole = (nd.dot(P, Q, transpose_b=True) + bias).asnumpy()
rmse = [float(np.sqrt(np.mean((whole - ratings)[mask] ** 2))) for mask in (seen, ~seen)]
print(json.dumps({"losses": losses[::50], "rmse_seen": rmse[0], "rmse_unseen": rmse[1], "spread": ratings.std()}))
