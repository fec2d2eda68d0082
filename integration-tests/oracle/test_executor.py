"""Executors here and in MXNet 1.9.1: the same program binds the same symbols on both sides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ORACLE = os.environ.get("MX_TEST_ORACLE", "")
PROGRAM = Path(__file__).with_name("executor_runs.py")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ORACLE, reason="no MXNet 1.9.1 to compare with: nox -s oracle makes one (MX_TEST_ORACLE)"),
]

# What 1.9.1's monitor shows besides: outputs that programs cannot use.
HIDDEN = ("_mean", "_var", "_mask", "_workspace")


def results(python: str) -> dict[str, dict[str, object]]:
    environment = {
        name: value for name, value in os.environ.items() if python == sys.executable or name != "PYTHONPATH"
    }
    done = subprocess.run([python, str(PROGRAM)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    cases = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {case.pop("case"): case for case in cases}


@pytest.fixture(scope="module")
def both():
    return results(sys.executable), results(ORACLE)


CASES = [
    f"{name}-{req}" for name in ("lenet", "residual", "lstm", "detection", "embedding") for req in ("write", "add")
]


@pytest.mark.parametrize("case", CASES)
def test_values_gradients_and_names_are_the_originals(both, case):
    here, there = (side[case] for side in both)
    for key in ("arguments", "states", "outputs", "shapes"):
        assert here[key] == there[key], key
    for key in ("predicted", "trained", "gradients", "aux", "after"):
        assert len(here[key]) == len(there[key])
        for ours, theirs in zip(here[key], there[key], strict=True):
            if theirs is None:
                assert ours is None
                continue
            np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5, err_msg=key)
    assert here["monitored"] == [name for name in there["monitored"] if not name.endswith(HIDDEN)]


def test_behaviour_is_the_originals(both):
    here, there = (side["behaviour"] for side in both)
    # Where the original fails in its core, any of our classes will do: all of them are MXNetError.
    for label, answer in there.items():
        if answer in ("MXNetError", "RuntimeError"):
            assert here[label] in ("MXNetError", "ValueError", "TypeError", "RuntimeError"), label
        else:
            assert here[label] == answer, label
