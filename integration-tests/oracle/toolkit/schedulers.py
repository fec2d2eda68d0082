"""Prints, as JSON, the learning rates that every scheduler gives: run here and in MXNet 1.9.1."""

import json
import warnings

import mxnet as mx

warnings.simplefilter("ignore")
S = mx.lr_scheduler
WARM = [
    {},
    {"warmup_steps": 4, "warmup_begin_lr": 0.02},
    {"warmup_steps": 4, "warmup_mode": "constant", "warmup_begin_lr": 0.01},
]
MAKES = {
    "factor": lambda **k: S.FactorScheduler(3, 0.5, base_lr=0.2, **k),
    "factor stop": lambda **k: S.FactorScheduler(2, 0.3, stop_factor_lr=0.05, base_lr=0.2, **k),
    "multi": lambda **k: S.MultiFactorScheduler([5, 8, 15], 0.5, base_lr=0.2, **k),
    "poly": lambda **k: S.PolyScheduler(12, base_lr=0.2, pwr=2, final_lr=0.01, **k),
    "cosine": lambda **k: S.CosineScheduler(12, base_lr=0.2, final_lr=0.01, **k),
}
WRONG = {
    "step": lambda: S.FactorScheduler(0),
    "factor": lambda: S.FactorScheduler(1, 1.5),
    "falling steps": lambda: S.MultiFactorScheduler([5, 3]),
    "no steps": lambda: S.MultiFactorScheduler(3),
    "mode": lambda: S.FactorScheduler(1, warmup_mode="fast")(0),
    "warm": lambda: S.LRScheduler(base_lr=0.1, warmup_begin_lr=0.2),
}


def tried(call):
    try:
        call()
    except Exception:  # noqa: BLE001 - a refusal is a result
        return "refused"
    return "taken"


rates = {}
for name, make in MAKES.items():
    for number, warm in enumerate(WARM):
        scheduler = make(**warm)
        rates[f"{name} {number}"] = [scheduler(update) for update in range(25)]
optimizer = mx.optimizer.create("sgd", learning_rate=0.4, lr_scheduler=S.FactorScheduler(2, 0.5))
rates["through an optimizer"] = [optimizer.learning_rate, optimizer.lr_scheduler.base_lr]
rates.update({f"wrong {name}": tried(call) for name, call in WRONG.items()})
print(json.dumps(rates))
