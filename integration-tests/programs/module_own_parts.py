"""Module with parts that its user wrote: a data iterator, a loss as a CustomOp in NumPy, a metric and an initializer.

Prints one line of JSON.
"""

from __future__ import annotations

import json

import numpy as np

import mxnet as mx


class SpiralIter(mx.io.DataIter):
    """Endless spirals: points (n, 2) of three arms, a fixed number of batches for an epoch."""

    def __init__(self, batch_size, num_batches, data_name="data", label_name="softmax_label"):
        super().__init__(batch_size)
        self._provide_data = [(data_name, (batch_size, 2))]
        self._provide_label = [(label_name, (batch_size,))]
        self.num_batches = num_batches
        self.rng = np.random.RandomState(5)
        self.cur_batch = 0

    def __iter__(self):
        return self

    def reset(self):
        self.cur_batch = 0

    def __next__(self):
        return self.next()

    @property
    def provide_data(self):
        return self._provide_data

    @property
    def provide_label(self):
        return self._provide_label

    def next(self):
        if self.cur_batch >= self.num_batches:
            raise StopIteration
        self.cur_batch += 1
        arm = self.rng.randint(0, 3, self.batch_size)
        radius = self.rng.uniform(0.1, 1, self.batch_size)
        angle = 3 * radius + arm * 2 * np.pi / 3 + self.rng.normal(0, 0.1, self.batch_size)
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return mx.io.DataBatch([mx.nd.array(points)], [mx.nd.array(arm)], pad=0)


class Softmax(mx.operator.CustomOp):
    """Softmax whose gradient is that of the cross entropy."""

    def forward(self, is_train, req, in_data, out_data, aux):
        x = in_data[0].asnumpy()
        y = np.exp(x - x.max(axis=1).reshape((x.shape[0], 1)))
        y /= y.sum(axis=1).reshape((x.shape[0], 1))
        self.assign(out_data[0], req[0], mx.nd.array(y))

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        label = in_data[1].asnumpy().ravel().astype(np.int64)
        y = out_data[0].asnumpy()
        y[np.arange(label.shape[0]), label] -= 1.0
        self.assign(in_grad[0], req[0], mx.nd.array(y))


@mx.operator.register("softmax_in_numpy")
class SoftmaxProp(mx.operator.CustomOpProp):
    def __init__(self):
        super().__init__(need_top_grad=False)

    def list_arguments(self):
        return ["data", "label"]

    def list_outputs(self):
        return ["output"]

    def infer_shape(self, in_shape):
        return [in_shape[0], (in_shape[0][0],)], [in_shape[0]], []

    def create_operator(self, ctx, shapes, dtypes):
        return Softmax()


@mx.init.register
class ScaledNormal(mx.init.Initializer):
    def __init__(self, scale=1.0):
        super().__init__(scale=scale)
        self.scale = scale

    def _init_weight(self, name, arr):
        mx.random.normal(0, self.scale / np.sqrt(arr.shape[1]), out=arr)


def error_rate(label, pred):
    return float((pred.argmax(axis=1) != label).mean())


def train(loss):
    mx.random.seed(3)
    net = mx.sym.Variable("data")
    net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=64, name="fc1"), act_type="tanh")
    net = mx.sym.Activation(mx.sym.FullyConnected(net, num_hidden=64, name="fc2"), act_type="tanh")
    net = mx.sym.FullyConnected(net, num_hidden=3, name="fc3")
    module = mx.mod.Module(loss(net))
    data = SpiralIter(100, 50)
    module.fit(
        data, eval_metric=mx.metric.np(error_rate), initializer=ScaledNormal(1.5), optimizer="adam", num_epoch=8,
        optimizer_params={"learning_rate": 0.01},
    )  # fmt: skip
    return module.score(SpiralIter(100, 10), mx.metric.CustomMetric(error_rate, "error"))[0]


custom = train(lambda net: mx.sym.Custom(data=net, name="softmax", op_type="softmax_in_numpy"))
builtin = train(lambda net: mx.sym.SoftmaxOutput(net, name="softmax"))
print(json.dumps({"custom": custom, "builtin": builtin}))
