"""SVRGModule: the gradients are those of the paper, and training in either module's way ends alike."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx
from mxnet.contrib.svrg_optimization.svrg_module import SVRGModule

X = np.random.RandomState(0).uniform(-1, 1, (40, 4)).astype("float32")
Y = X[:, :1] * 2 - X[:, 1:2]


def data():
    return mx.io.NDArrayIter(X, Y, 10, label_name="y")


def regression():
    hidden = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=1, no_bias=True, name="fc")
    return mx.sym.LinearRegressionOutput(hidden, mx.sym.var("y"), name="out")


def gradient(weight, part):
    """Of one batch: summed over its examples."""
    return (X[part] @ weight - Y[part]).T @ X[part]


@pytest.mark.parametrize(
    ("contexts", "kvstore"),
    [([mx.cpu()], "local"), ([mx.cpu()], "store"), ([mx.cpu()], None), ([mx.cpu(0), mx.cpu(1)], "local"),
     ([mx.cpu(0), mx.cpu(1)], "store")],
)  # fmt: skip
def test_steps_are_those_of_the_paper(contexts, kvstore):
    module = SVRGModule(regression(), label_names=["y"], context=contexts, update_freq=2)
    module.fit(
        data(), num_epoch=4, arg_params={"fc_weight": mx.nd.ones((1, 4))}, eval_metric="mse",
        kvstore=mx.kv.create("local") if kvstore == "store" else kvstore, optimizer_params={"learning_rate": 0.3},
    )  # fmt: skip
    parts = [slice(n, n + 10) for n in range(0, 40, 10)]
    weight = np.ones((4, 1), "float32")
    for epoch in range(4):
        if epoch % 2 == 0:
            old = weight.copy()
            mean = np.mean([gradient(old, part) for part in parts], axis=0)
        for part in parts:
            weight = weight - 0.03 * (gradient(weight, part) - gradient(old, part) + mean).T
    np.testing.assert_allclose(module.get_params()[0]["fc_weight"].asnumpy(), weight.T, rtol=1e-4)


def test_like_a_module_until_there_are_full_gradients():
    module, plain = (
        SVRGModule(regression(), label_names=["y"], update_freq=3),
        mx.mod.Module(regression(), label_names=["y"]),
    )
    for each in (module, plain):
        each.bind(data().provide_data, data().provide_label)
        each.init_params(mx.init.One())
        each.init_optimizer()
        each.forward_backward(next(data()))
        each.update()
    np.testing.assert_array_equal(*[each.get_params()[0]["fc_weight"].asnumpy() for each in (module, plain)])
    assert module.predict(data()).shape == (40, 1)


def test_what_it_refuses():
    with pytest.raises(TypeError, match="update_freq in SVRGModule must be an integer"):
        SVRGModule(regression(), label_names=["y"])
    with pytest.raises(ValueError, match="must be a positive integer, got -1"):
        SVRGModule(regression(), label_names=["y"], update_freq=-1)
    with pytest.raises(AssertionError, match="update_full_grads needs bind"):
        SVRGModule(regression(), label_names=["y"], update_freq=1).update_full_grads(data())
