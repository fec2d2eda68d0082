"""Prints, as JSON, the weights that every optimizer makes in 20 steps: run here and in MXNet 1.9.1."""

import itertools
import json
import warnings

import numpy as np

import mxnet as mx

warnings.simplefilter("ignore")

# name: arguments tried, each with a learning rate.
CASES = {
    "sgd": [{}, {"momentum": 0.9}, {"momentum": 0.9, "lazy_update": False}],
    "nag": [{}, {"momentum": 0.9}],
    "signum": [{}, {"momentum": 0.0}, {"wd_lh": 0.01}],
    "lars": [{}, {"momentum": 0.9}, {"momentum": 0.9, "eta": 0.01, "eps": 1e-6}],
    "lbsgd": [
        {},
        {"momentum": 0.9},
        {"warmup_strategy": "lars", "batch_scale": 2},
        {"warmup_strategy": "power2", "batch_scale": 4, "updates_per_epoch": 2},
        {"warmup_strategy": "sqrt", "batch_scale": 3, "updates_per_epoch": 2, "begin_epoch": 1},
    ],
    "dcasgd": [{}, {"momentum": 0.9}, {"lamda": 0.1}],
    "adam": [{}, {"beta1": 0.8, "beta2": 0.99, "epsilon": 1e-6}],
    "adamax": [{}],
    "nadam": [{}, {"schedule_decay": 0.01}],
    "rmsprop": [{}, {"centered": True}, {"clip_weights": 0.5}, {"centered": True, "clip_weights": 0.5}],
    "adagrad": [{}, {"eps": 1e-3}],
    "adadelta": [{}, {"rho": 0.8, "epsilon": 1e-4}],
    "ftrl": [{}, {"lamda1": 0.1, "beta": 0.5}],
    "ftml": [{}, {"beta1": 0.5, "epsilon": 1e-6}],
    "lamb": [{}, {"bias_correction": False}, {"lower_bound": 0.1, "upper_bound": 2.0}],
    "groupadagrad": [{}],
    "test": [{}],
    "ccsgd": [{"momentum": 0.5}],
}
COMMON = {
    "plain": {},
    "wd": {"wd": 0.01},
    "clip": {"clip_gradient": 0.3, "rescale_grad": 0.5},
    "scheduled": {"wd": 0.02, "scheduler": True},
}
LARGEST = 2.0


def gradients(step, shape):
    return np.random.RandomState(100 + step).uniform(-LARGEST, LARGEST, shape)


def make(name, arguments, common, **more):
    common = dict(common)
    if common.pop("scheduler", False):
        common["lr_scheduler"] = mx.lr_scheduler.FactorScheduler(step=5, factor=0.5, base_lr=0.05)
    if name == "groupadagrad":
        common.pop("wd", None)
    common.setdefault("learning_rate", 0.05)
    return mx.optimizer.create(name, **arguments, **common, **more)


def run(optimizer, dtype, steps=20):
    """Two parameters through an Updater, one of them with multipliers of its own."""
    optimizer.set_lr_mult({"b_weight": 0.5})
    optimizer.set_wd_mult({"b_weight": 2.0})
    updater = mx.optimizer.get_updater(optimizer)
    random = np.random.RandomState(3)
    weights = [mx.nd.array(random.uniform(-1, 1, shape), dtype=dtype) for shape in ((4, 3), (5, 2))]
    for step in range(steps):
        for i, weight in enumerate(weights):
            updater(i, mx.nd.array(gradients(step * 2 + i, weight.shape), dtype=dtype), weight)
    return [weight.asnumpy().astype("float64").round(7).tolist() for weight in weights]


def main():
    names = {0: "a_weight", 1: "b_weight"}
    results = {}
    for name, variants in CASES.items():
        for (number, arguments), (label, common) in itertools.product(enumerate(variants), COMMON.items()):
            for dtype in ("float32", "float16"):
                if dtype == "float16" and (label == "scheduled" or name in ("groupadagrad", "ftml", "test")):
                    continue  # 1.9.1 has no float16 path of its own for these
                more = {"param_idx2name": names, "multi_precision": dtype == "float16"}
                key = f"{name}/{number}/{label}/{dtype}"
                try:
                    results[key] = run(make(name, arguments, common, **more), dtype)
                except Exception as error:  # noqa: BLE001 - a refusal is a result
                    results[key] = f"refused: {type(error).__name__}: {str(error)[:200]}"
    print(json.dumps(results))


main()
