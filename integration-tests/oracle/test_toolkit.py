"""Optimizers, schedulers, metrics, initializers and stores here and in Apache MXNet 1.9.1: the same program, compared."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

ORACLE = os.environ.get("MX_TEST_ORACLE", "")
PROGRAMS = Path(__file__).parent / "toolkit"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ORACLE, reason="no MXNet 1.9.1 to compare with: nox -s oracle makes one (MX_TEST_ORACLE)"),
]


@cache
def both(program: str) -> tuple[dict, dict]:
    """What ``toolkit/<program>.py`` prints here and there, read as JSON."""
    return tuple(_printed(python, PROGRAMS / f"{program}.py") for python in (sys.executable, ORACLE))


def _printed(python: str, program: Path, *arguments: str) -> dict:
    # The original's Python must not see a PYTHONPATH, which may lead to this mxnet.
    settings = {name: value for name, value in os.environ.items() if python == sys.executable or name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-W", "ignore", str(program), *arguments],
        env=settings,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{python} {program.name}: {done.stdout[-1000:]}{done.stderr[-4000:]}"
    return json.loads(done.stdout.splitlines()[-1])  # 1.9.1 prints a warning before it


def close(here, there, relative=1e-4, absolute=1e-6):
    """Whether two JSON values are equal, numbers nearly."""
    if isinstance(here, bool) or isinstance(there, bool):
        return here is there
    if isinstance(here, (int, float)) and isinstance(there, (int, float)):
        return (math.isnan(here) and math.isnan(there)) or abs(here - there) <= absolute + relative * abs(there)
    if isinstance(here, list) and isinstance(there, list):
        return len(here) == len(there) and all(
            close(a, b, relative, absolute) for a, b in zip(here, there, strict=True)
        )
    if isinstance(here, dict) and isinstance(there, dict):
        return here.keys() == there.keys() and all(close(here[k], there[k], relative, absolute) for k in here)
    return here == there


def different(program, **tolerances):
    here, there = both(program)
    assert list(here) == list(there)
    return [f"{k}: here {here[k]}, there {there[k]}" for k in here if not close(here[k], there[k], **tolerances)]


def test_every_optimizer_makes_the_same_twenty_steps():
    here, there = both("optimizers")
    assert len(here) > 250
    assert list(here) == list(there)
    wrong = []
    for name, weights in there.items():
        if isinstance(weights, str):  # DCASGD with momentum: 1.9.1 asks an array for its truth
            assert name.startswith("dcasgd/1/"), f"{name}: {weights}"
            continue
        relative = 2e-4 if name.endswith("float32") else 4e-3
        for ours, theirs in zip(here[name], weights, strict=True):
            if not np.allclose(ours, theirs, rtol=relative, atol=relative / 10):
                wrong.append(f"{name}: {np.abs(np.array(ours) - theirs).max()}")
    assert not wrong


@pytest.mark.parametrize("program", ["schedulers", "metrics", "kvstores", "summaries"])
def test_the_same_values_and_refusals(program):
    assert not different(program)


def test_initializers_fill_alike():
    here, there = both("initializers")
    exact = [k for k in there if not k.startswith("statistics")]
    assert not [f"{k}: here {here[k]}, there {there[k]}" for k in exact if not close(here[k], there[k])]
    assert not different("initializers", relative=0.05, absolute=4e-3)


@pytest.mark.parametrize("direction", ["here to there", "there to here"])
def test_states_saved_on_either_side_go_on_on_the_other(direction, tmp_path):
    pythons = (sys.executable, ORACLE) if direction == "here to there" else (ORACLE, sys.executable)
    saved, loaded = (
        _printed(python, PROGRAMS / "states.py", action, str(tmp_path))
        for python, action in zip(pythons, ("save", "load"), strict=True)
    )
    assert len(saved) > 50
    wrong = []
    for name, weights in saved.items():
        relative = 2e-3 if "float16" in name else 1e-4
        for ours, theirs in zip(weights, loaded[name], strict=True):
            if not np.allclose(ours, theirs, rtol=relative, atol=relative / 10):
                wrong.append(name)
    assert not wrong


def test_recurrent_cells_make_the_same_graphs():
    here, there = both("rnn_cells")
    assert list(here) == list(there)
    assert len(here) > 160
    assert not [name for name in there if here[name] != there[name]]
