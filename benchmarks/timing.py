"""How every figure is taken: process CPU time (other programs may run), one thread, the best of several rounds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any


def selected(group: str) -> bool:
    """True when the group of cases was asked for on the command line, or none was."""
    return len(sys.argv) < 2 or group.partition("_")[0] in sys.argv[1:]


def emit(name: str, value: float, unit: str) -> None:
    """Prints one figure for run.py to collect."""
    print(json.dumps({"name": name, "value": value, "unit": unit}), flush=True)


def per_call(
    call: Callable[[], Any], sync: Callable[[], Any] | None = None, rounds: int = 7, least: float = 0.02
) -> float:
    """CPU nanoseconds of one call: rounds of at least `least` seconds each, the best round."""
    call()
    number = 1
    while True:
        spent = _round(call, sync, number)
        if spent >= least:
            break
        number = max(number * 2, int(number * least / max(spent, 1e-9) * 1.2))
    best = min(_round(call, sync, number) for _ in range(rounds))
    return best / number * 1e9


def _round(call: Callable[[], Any], sync: Callable[[], Any] | None, number: int) -> float:
    began = time.process_time()
    for _ in range(number):
        call()
    if sync is not None:
        sync()
    return time.process_time() - began


def pass_cost(batches: Iterable[Any], clock: Callable[[], float] = time.process_time, rounds: int = 5) -> float:
    """Seconds of one pass over the batches of a loader, the best of the rounds after a first one.

    clock: processor time of this process; workers have time of their own, and need one on the wall.
    """
    best = float("inf")
    for _ in range(rounds + 1):
        began = clock()
        for _ in batches:
            pass
        best = min(best, clock() - began)
    return best


_PROBE = """
import resource, sys, time
import numpy
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.process_time()
import {module}
spent = time.process_time() - began
print(spent * 1e3, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024)
"""


def import_cost(module: str, what: str = "time") -> Any:
    """What `import module` costs after `import numpy`, in a fresh process: (ms, "ms"), or MB of resident memory."""
    found = []
    for _ in range(5):
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _PROBE.format(module=module)],
            capture_output=True, text=True, check=True, env=os.environ,
        )  # fmt: skip
        found.append([float(word) for word in run.stdout.split()[-2:]])
    milliseconds, megabytes = (min(column) for column in zip(*found))
    return megabytes if what == "memory" else (milliseconds, "ms")
