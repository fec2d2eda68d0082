"""Optimizer states in files: ``states.py save FOLDER`` trains, saves and trains on; ``load`` goes on from the files.

Both print the weights after all steps, as JSON: they are equal whoever saved and whoever loads.
"""

import json
import os
import sys
import warnings

import numpy as np

import mxnet as mx

warnings.simplefilter("ignore")

OPTIMIZERS = {
    "sgd": {"momentum": 0.9, "wd": 0.01}, "nag": {"momentum": 0.9}, "signum": {}, "lars": {"momentum": 0.9},
    "dcasgd": {}, "adam": {}, "adamax": {}, "nadam": {}, "rmsprop": {"centered": True}, "adagrad": {}, "adadelta": {},
    "ftrl": {}, "ftml": {}, "lamb": {}, "lbsgd": {"momentum": 0.5},
}  # fmt: skip


def step(updater, weights, number):
    for i, weight in enumerate(weights):
        gradient = np.random.RandomState(number * 10 + i).uniform(-1, 1, weight.shape)
        updater(i, mx.nd.array(gradient, dtype=weight.dtype), weight)


def make(name, dtype):
    scheduler = mx.lr_scheduler.FactorScheduler(4, 0.5, base_lr=0.05)
    half = dtype == "float16"
    return mx.optimizer.create(name, lr_scheduler=scheduler, multi_precision=half, **OPTIMIZERS[name])


def go_on(action, folder, name, dtype, with_optimizer):
    path = os.path.join(folder, f"{name}-{dtype}-{with_optimizer}")
    updater = mx.optimizer.get_updater(make(name, dtype))
    if action == "save":
        random = np.random.RandomState(1)
        weights = [mx.nd.array(random.uniform(-1, 1, shape), dtype=dtype) for shape in ((3, 2), (4, 2))]
        for number in range(5):
            step(updater, weights, number)
        mx.nd.save(f"{path}.params", weights)
        with open(f"{path}.states", "wb") as file:
            file.write(updater.get_states(dump_optimizer=with_optimizer))
        if not with_optimizer:  # what loads begins to count again
            states = updater.states
            updater = mx.optimizer.get_updater(make(name, dtype))
            updater.states = states
            updater.states_synced = dict.fromkeys(states, False)
    else:
        weights = mx.nd.load(f"{path}.params")
        with open(f"{path}.states", "rb") as file:
            updater.set_states(file.read())
    for number in range(5, 10):
        step(updater, weights, number)
    return [weight.asnumpy().astype("float64").tolist() for weight in weights]


action, folder = sys.argv[1:]
print(json.dumps({
    f"{name} {dtype} {with_optimizer}": go_on(action, folder, name, dtype, with_optimizer)
    for name in OPTIMIZERS
    for dtype in ("float32", "float16")
    for with_optimizer in (False, True)
    if not (dtype == "float16" and name == "ftml")
}))  # fmt: skip
