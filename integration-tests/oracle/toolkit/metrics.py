"""Prints, as JSON, what every metric says after each of a few batches: run here and in MXNet 1.9.1."""

import json
import warnings

import numpy as np

import mxnet as mx

warnings.simplefilter("ignore")
RANDOM = np.random.RandomState(11)


def scores(n, k):
    raw = RANDOM.rand(n, k) + 0.05
    return (raw / raw.sum(axis=1, keepdims=True)).astype("float32")


CLASSES = [(RANDOM.randint(0, 5, 8), scores(8, 5)) for _ in range(4)]
BINARY = [(RANDOM.randint(0, 2, 10), scores(10, 2)) for _ in range(4)]
NUMBERS = [(RANDOM.randn(6).astype("float32"), RANDOM.randn(6).astype("float32")) for _ in range(4)]
TABLES = [(RANDOM.randn(4, 3).astype("float32"), RANDOM.randn(4, 3).astype("float32")) for _ in range(3)]
WORDS = [(RANDOM.randint(0, 5, (2, 4)), scores(8, 5)) for _ in range(3)]


def feval(label, pred):
    return float(np.abs(label - pred.argmax(axis=1)).sum())


def feval_pair(label, pred):
    return float((label == pred.argmax(axis=1)).sum()), label.size


# name of a row: (what creates the metric, batches)
ROWS = {
    "acc": (lambda: mx.metric.create("acc"), CLASSES),
    "accuracy axis": (lambda: mx.metric.Accuracy(axis=-1, name="mine"), CLASSES),
    "top_k": (lambda: mx.metric.create("top_k_accuracy", top_k=3), CLASSES),
    "f1": (lambda: mx.metric.create("f1"), BINARY),
    "f1 micro": (lambda: mx.metric.F1(average="micro"), BINARY),
    "mcc": (lambda: mx.metric.MCC(), BINARY),
    "mcc micro": (lambda: mx.metric.MCC(average="micro"), BINARY),
    "pcc": (lambda: mx.metric.create("pcc"), CLASSES),
    "pcc two": (lambda: mx.metric.PCC(), BINARY),
    "perplexity": (lambda: mx.metric.Perplexity(None), CLASSES),
    "perplexity ignored": (lambda: mx.metric.Perplexity(ignore_label=1), WORDS),
    "mae": (lambda: mx.metric.create("mae"), NUMBERS),
    "mse": (lambda: mx.metric.create("mse"), TABLES),
    "rmse": (lambda: mx.metric.create("rmse"), TABLES),
    "rmse flat": (lambda: mx.metric.create("rmse"), NUMBERS),
    "ce": (lambda: mx.metric.create("ce"), CLASSES),
    "nll": (lambda: mx.metric.create("nll_loss"), CLASSES),
    "pearsonr": (lambda: mx.metric.create("pearsonr"), TABLES),
    "pearsonr micro": (lambda: mx.metric.PearsonCorrelation(average="micro"), TABLES),
    "loss": (lambda: mx.metric.create("loss"), TABLES),
    "torch": (lambda: mx.metric.create("torch"), TABLES),
    "caffe": (lambda: mx.metric.create("caffe"), TABLES),
    "custom": (lambda: mx.metric.create(feval), CLASSES),
    "custom pair": (lambda: mx.metric.CustomMetric(feval_pair, name="pair"), CLASSES),
    "np": (lambda: mx.metric.np(feval, name="counted"), CLASSES),
    "lambda": (lambda: mx.metric.create(lambda label, pred: float(label.sum())), CLASSES),
    "list": (lambda: mx.metric.create(["acc", "ce", feval]), CLASSES),
    "composite": (lambda: mx.metric.CompositeEvalMetric(["acc", "nll_loss"], name="both"), CLASSES),
    "created list": (lambda: mx.metric.create(["mae", "mse"], output_names=["o"], label_names=["l"]), NUMBERS),
}


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in sorted(value.items())}
    if isinstance(value, (float, np.floating)):
        return float(value)
    return value if isinstance(value, (str, int, bool, type(None))) else type(value).__name__


def asked(metric):
    if getattr(metric, "average", "") == "micro" and isinstance(metric, mx.metric.PearsonCorrelation):
        return plain([metric.get(), metric.get_name_value()])  # 1.9.1's global value is always 0
    return plain([metric.get(), metric.get_name_value(), metric.get_global(), metric.get_global_name_value()])


def tried(call):
    try:
        return plain(call())
    except Exception:  # noqa: BLE001 - a refusal is a result
        return "refused"


def follow(make, batches):
    metric = make()
    without = (mx.metric.CompositeEvalMetric, mx.metric.CustomMetric)
    told = [None if isinstance(metric, without) else plain(metric.get_config()), str(metric)]
    for number, (label, pred) in enumerate(batches):
        arrays = [mx.nd.array(label)], [mx.nd.array(pred)]
        if number == 1 and metric.output_names is None:
            metric.update_dict({"softmax_label": arrays[0][0]}, {"softmax_output": arrays[1][0]})
        else:
            metric.update(*arrays)
        told.append(asked(metric))
        if number == 2:
            metric.reset_local()
            told.append(asked(metric))
    metric.reset()
    told.append(asked(metric))
    return told


A, B = mx.nd.array([0.0, 1.0]), mx.nd.array([[0.9, 0.1], [0.2, 0.8]])
REFUSALS = {
    "no such metric": lambda: mx.metric.create("no_such"),
    "more labels": lambda: mx.metric.create("acc").update([A, A], [B]),
    "lengths": lambda: mx.metric.create("acc").update([A], [mx.nd.ones((3, 2))]),
    "three classes f1": lambda: mx.metric.F1().update([mx.nd.array([0, 1, 2])], [mx.nd.ones((3, 3))]),
    "top 1": lambda: mx.metric.TopKAccuracy(top_k=1),
    "composite index": lambda: type(mx.metric.CompositeEvalMetric(["acc"]).get_metric(0)).__name__,
    "check": lambda: mx.metric.check_label_shapes([1, 2], [1]),
    "check shape": lambda: mx.metric.check_label_shapes(A, B, shape=True),
    "check wrap": lambda: [len(x) for x in mx.metric.check_label_shapes(A, A, True)],
    "single arrays": lambda: (lambda m: (m.update(A, B), m.get()))(mx.metric.create("acc")),
    "outputs by name": lambda: (lambda m: (m.update_dict({"l": A, "k": A}, {"o": B, "p": B}), m.get()))(
        mx.metric.create("acc", output_names=["o"], label_names=["l"])
    ),
    "made by config": lambda: mx.metric.create(
        mx.metric.create("top_k_acc", top_k=4).get_config()["metric"], top_k=4
    ).get(),
    "extra outputs": lambda: mx.metric.CustomMetric(feval).update([A], [B, B]),
    "extra allowed": lambda: (lambda m: (m.update([A], [B, B]), m.get()))(
        mx.metric.CustomMetric(feval, allow_extra_outputs=True)
    ),
    "custom config": lambda: mx.metric.CustomMetric(feval).get_config(),
    "names": lambda: [
        mx.metric.create(n).name
        for n in ("acc", "accuracy", "ce", "cross-entropy", "f1", "mae", "mse", "rmse", "loss", "pearsonr", "nll_loss")
    ],
    "composite names": lambda: mx.metric.create(["acc", ["mae", "mse"]]).get(),
}
print(json.dumps({
    **{name: tried(lambda row=row: follow(*row)) for name, row in ROWS.items()},
    **{name: tried(call) for name, call in REFUSALS.items()},
}))  # fmt: skip
