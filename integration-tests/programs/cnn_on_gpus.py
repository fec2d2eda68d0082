"""A convolutional network with batch normalization on two gpus, on stripes that it has to tell apart.

Prints a line of JSON for each step; the last has the contexts of the parameters, too.
"""

from __future__ import annotations

import json

import numpy as np

import mxnet as mx
from mxnet import autograd, gluon
from mxnet.gluon import nn

mx.random.seed(3)
contexts = [mx.gpu(i) for i in range(mx.context.num_gpus())]

# 256 images, 16 by 16, of vertical (1) or horizontal (0) stripes in noise.
rng = np.random.RandomState(0)
labels = rng.randint(0, 2, 256).astype(np.float32)
stripes = np.sin(np.arange(16) * 1.5 + rng.uniform(0, 6, (256, 1)))
images = np.where(labels[:, None, None] == 1, stripes[:, None, :], stripes[:, :, None]) + rng.normal(
    0, 0.5, (256, 16, 16)
)
data_set = gluon.data.ArrayDataset(images[:, None].astype(np.float32), labels)

net = nn.HybridSequential()
with net.name_scope():
    net.add(
        nn.Conv2D(8, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(), nn.Conv2D(8, 3),
        nn.Activation("relu"), nn.AvgPool2D(), nn.Flatten(), nn.Dense(2),
    )  # fmt: skip
net.initialize(mx.init.Xavier(), ctx=contexts)
loss_function = gluon.loss.SoftmaxCrossEntropyLoss()
trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})

for epoch in range(3):
    total = 0
    for data, label in gluon.data.DataLoader(data_set, 64):
        xs = gluon.utils.split_and_load(data, contexts)
        ys = gluon.utils.split_and_load(label, contexts)
        with autograd.record():
            losses = [loss_function(net(x), y) for x, y in zip(xs, ys, strict=True)]
        autograd.backward(losses)
        trainer.step(data.shape[0])
        total += sum(loss.sum().asscalar() for loss in losses)
    weights = net[0].weight.list_data()
    np.testing.assert_array_equal(weights[0].asnumpy(), weights[-1].asnumpy())
    print(json.dumps({"epoch": epoch, "loss": float(total) / 256, "contexts": [str(w.context) for w in weights]}))
