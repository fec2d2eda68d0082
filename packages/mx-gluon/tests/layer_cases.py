"""Layers and losses with the results of MXNet 1.9.1 (``expected_1_9_1.json``).

The file is written by running this module where the real mxnet 1.9.1 is installed: ``python layer_cases.py``.
Parameters and inputs are sines and cosines of their element numbers, so that nothing depends on random numbers.
"""

from __future__ import annotations

import json
import os

import numpy as np

EXPECTED = os.path.join(os.path.dirname(__file__), "expected_1_9_1.json")


def wave(shape, phase=0.0):
    """Deterministic numbers in (-1, 1)."""
    return np.cos(np.arange(int(np.prod(shape))) * 0.7 + phase).reshape(shape).astype("float32")


def layers(nn):
    """(name, layer, input shape)."""
    return [
        ("dense", nn.Dense(4), (2, 3, 2)),
        ("dense_act", nn.Dense(4, activation="tanh", use_bias=False), (2, 3)),
        ("dense_last_axis", nn.Dense(4, flatten=False), (2, 3, 5)),
        ("conv1d", nn.Conv1D(3, 3, padding=1), (2, 2, 7)),
        ("conv2d", nn.Conv2D(4, 3, activation="relu"), (2, 3, 6, 5)),
        ("conv2d_all", nn.Conv2D(4, (3, 2), strides=(2, 1), padding=(1, 1), dilation=(1, 2), groups=2), (2, 4, 7, 8)),
        ("conv2d_nobias", nn.Conv2D(2, 1, use_bias=False), (1, 3, 4, 4)),
        ("conv3d", nn.Conv3D(2, 2), (1, 2, 3, 4, 3)),
        ("maxpool1d", nn.MaxPool1D(3, 2), (2, 2, 8)),
        ("maxpool2d", nn.MaxPool2D(), (2, 2, 5, 6)),
        ("maxpool2d_ceil", nn.MaxPool2D(3, 2, 1, ceil_mode=True), (1, 2, 6, 6)),
        ("maxpool3d", nn.MaxPool3D(2), (1, 1, 4, 4, 4)),
        ("avgpool1d", nn.AvgPool1D(2), (1, 2, 6)),
        ("avgpool2d", nn.AvgPool2D(3, 2, 1), (1, 2, 6, 6)),
        ("avgpool2d_without_pad", nn.AvgPool2D(3, 2, 1, count_include_pad=False), (1, 2, 6, 6)),
        ("avgpool3d", nn.AvgPool3D(2), (1, 1, 4, 4, 4)),
        ("global_max1d", nn.GlobalMaxPool1D(), (2, 3, 5)),
        ("global_max2d", nn.GlobalMaxPool2D(), (2, 3, 5, 4)),
        ("global_avg2d", nn.GlobalAvgPool2D(), (2, 3, 5, 4)),
        ("global_avg3d", nn.GlobalAvgPool3D(), (1, 2, 3, 2, 2)),
        ("flatten", nn.Flatten(), (2, 3, 4)),
        ("relu", nn.Activation("relu"), (3, 4)),
        ("sigmoid", nn.Activation("sigmoid"), (3, 4)),
        ("softrelu", nn.Activation("softrelu"), (3, 4)),
        ("softsign", nn.Activation("softsign"), (3, 4)),
        ("leaky", nn.LeakyReLU(0.1), (3, 4)),
        ("prelu", nn.PReLU(in_channels=4), (3, 4)),
        ("elu", nn.ELU(0.5), (3, 4)),
        ("selu", nn.SELU(), (3, 4)),
        ("gelu", nn.GELU(), (3, 4)),
        ("swish", nn.Swish(2.0), (3, 4)),
        ("batchnorm", nn.BatchNorm(), (4, 3, 2, 2)),
        ("batchnorm_last", nn.BatchNorm(axis=-1, scale=False, epsilon=1e-3), (4, 2, 3)),
        ("batchnorm_global", nn.BatchNorm(use_global_stats=True, center=False), (4, 3)),
        ("layernorm", nn.LayerNorm(), (3, 5)),
        ("layernorm_axis", nn.LayerNorm(axis=1, epsilon=1e-3), (2, 3, 4)),
        ("sequential", _stack(nn), (2, 1, 8, 8)),
    ]


def _stack(nn):
    net = nn.HybridSequential()
    with net.name_scope():
        net.add(nn.Conv2D(3, 3), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(), nn.Flatten(), nn.Dense(4))
    return net


def losses(loss):
    """(name, loss, how to make its inputs)."""
    return [
        ("l2", loss.L2Loss(), "pair"),
        ("l2_weight", loss.L2Loss(weight=3.0), "weighted"),
        ("l1", loss.L1Loss(), "pair"),
        ("huber", loss.HuberLoss(rho=0.5), "pair"),
        ("sigmoid_bce", loss.SigmoidBCELoss(), "binary"),
        ("sigmoid_bce_from", loss.SigmoidBinaryCrossEntropyLoss(from_sigmoid=True), "probability"),
        ("softmax_ce", loss.SoftmaxCrossEntropyLoss(), "class"),
        ("softmax_ce_dense", loss.SoftmaxCELoss(sparse_label=False, weight=2.0), "pair"),
        ("softmax_ce_axis", loss.SoftmaxCELoss(axis=1), "class_axis"),
        ("kl", loss.KLDivLoss(from_logits=False), "distribution"),
        ("hinge", loss.HingeLoss(), "sign"),
        ("squared_hinge", loss.SquaredHingeLoss(margin=0.5), "sign"),
        ("logistic", loss.LogisticLoss(), "sign"),
        ("logistic_binary", loss.LogisticLoss(label_format="binary"), "binary"),
        ("triplet", loss.TripletLoss(), "triple"),
        ("poisson", loss.PoissonNLLLoss(), "count"),
        ("poisson_full", loss.PoissonNLLLoss(from_logits=False, compute_full=True), "count_rate"),
        ("cosine", loss.CosineEmbeddingLoss(margin=0.2), "cosine"),
        ("sdml", loss.SDMLLoss(), "two"),
    ]


def loss_inputs(kind):
    """NumPy arrays for one kind of loss; the first one is differentiated."""
    pred, other = wave((4, 5)), wave((4, 5), 1.0)
    positive = np.abs(pred) + 0.1
    return {
        "pair": (pred, other),
        "weighted": (pred, other, np.abs(wave((4, 1), 2.0))),
        "binary": (pred, (other > 0).astype("float32")),
        "probability": (np.abs(pred) * 0.9 + 0.05, (other > 0).astype("float32")),
        "class": (pred, np.array([0, 4, 2, 2], "float32")),
        "class_axis": (wave((2, 3, 4)), np.array([[0, 1, 2, 0], [2, 2, 1, 0]], "float32")),
        "distribution": (pred, positive / positive.sum(1, keepdims=True)),
        "sign": (pred, np.where(other > 0, 1, -1).astype("float32")),
        "triple": (pred, other, wave((4, 5), 2.0)),
        "count": (pred, np.floor(positive * 5)),
        "count_rate": (positive, np.floor(positive * 5) + 1),
        "cosine": (pred, other, np.array([1, -1, 1, -1], "float32")),
        "two": (pred, other),
    }[kind]


def digest(array):
    """Shape, sum and first elements of an array."""
    values = array.asnumpy()
    return [list(values.shape), float(values.sum()), values.ravel()[:5].tolist()]


def run_layer(mx, layer, shape):
    """Digests of the output, the input's gradient and the parameters' gradients, while training."""
    x = mx.nd.array(wave(shape))
    x.attach_grad()
    layer.initialize()
    with mx.autograd.pause():
        layer(x)
    parameters = list(layer.collect_params().values())
    for i, parameter in enumerate(parameters):
        if parameter.name.endswith("gamma") and parameter.grad_req == "null":
            continue  # a fixed gamma is 1; 1.9.1 even writes that into the array
        value = wave(parameter.shape, i) * 0.5
        parameter.set_data(mx.nd.array(np.abs(value) + 0.5 if parameter.name.endswith("var") else value))
    with mx.autograd.record():
        y = layer(x)
        head = (y * mx.nd.array(wave(y.shape, 0.3))).sum()
    head.backward()
    return [digest(y), digest(x.grad), *[digest(p.grad() if p.grad_req != "null" else p.data()) for p in parameters]]


def run_loss(mx, loss, kind):
    """Digests of the loss and of the prediction's gradient."""
    arrays = [mx.nd.array(a) for a in loss_inputs(kind)]
    if kind == "count_rate":  # 1.9.1 fails while recording: it multiplies in place
        return [digest(loss(*arrays))]
    arrays[0].attach_grad()
    with mx.autograd.record():
        y = loss(*arrays)
    y.backward()
    return [digest(y), digest(arrays[0].grad)]


def main():
    import mxnet as mx

    expected = {f"layer {n}": run_layer(mx, layer, shape) for n, layer, shape in layers(mx.gluon.nn)}
    expected.update({f"loss {n}": run_loss(mx, loss, kind) for n, loss, kind in losses(mx.gluon.loss)})
    with open(EXPECTED, "w") as file:
        json.dump(expected, file, indent=0)


if __name__ == "__main__":
    main()
