"""Module here and in MXNet 1.9.1: one program trains on both sides, and each side goes on from the other's files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ORACLE = os.environ.get("MX_TEST_ORACLE", "")
PROGRAM = Path(__file__).with_name("module_runs.py")
CASES = (
    "sgd", "sgd in a store", "adam", "clipped", "two devices", "two devices alone", "uneven devices", "fixed",
    "regression", "convolution", "convolution on two",
)  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ORACLE, reason="no MXNet 1.9.1 to compare with: nox -s oracle makes one (MX_TEST_ORACLE)"),
]


def results(python, task, folder):
    environment = {
        name: value for name, value in os.environ.items() if python == sys.executable or name != "PYTHONPATH"
    }
    command = [python, str(PROGRAM), task, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    cases = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {case.pop("case"): case for case in cases}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("there")


@pytest.fixture(scope="module")
def trained(folders):
    return results(sys.executable, "train", folders[0]), results(ORACLE, "train", folders[1])


@pytest.fixture(scope="module")
def served(trained, folders):
    """What each side does with its own files and with the other's: [side][folder]."""
    return [[results(python, "serve", folder) for folder in folders] for python in (sys.executable, ORACLE)]


def check_equal(ours, theirs, what):
    assert list(ours) == list(theirs), what
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-4, atol=2e-5, err_msg=f"{what} {name}")


@pytest.mark.parametrize("case", CASES)
def test_training_is_the_originals(trained, case):
    here, there = (side[case] for side in trained)
    check_equal(here["params"], there["params"], "params")
    check_equal(here["states"], there["states"], "states")
    np.testing.assert_allclose(here["predicted"], there["predicted"], rtol=2e-4, atol=2e-5)
    assert [name for name, _ in here["score"]] == [name for name, _ in there["score"]]
    np.testing.assert_allclose([v for _, v in here["score"]], [v for _, v in there["score"]], rtol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_the_log_is_the_originals(trained, case):
    here, there = (side[case]["log"] for side in trained)
    assert len(here) == len(there)
    for ours, theirs in zip(here, there, strict=True):
        if ours != theirs:  # the last digit of a mean may differ
            assert ours.split("=")[0] == theirs.split("=")[0]
            np.testing.assert_allclose(values(ours), values(theirs), atol=2e-3)


def values(line):
    return [float(part.split("\t")[0]) for part in line.split("=")[1:]]


@pytest.mark.parametrize("case", CASES)
def test_checkpoints_are_exchanged(served, case):
    (ours_ours, ours_theirs), (theirs_ours, theirs_theirs) = ([run[case] for run in side] for side in served)
    for here, there in ((ours_ours, theirs_ours), (ours_theirs, theirs_theirs)):
        np.testing.assert_allclose(here["predicted"], there["predicted"], rtol=2e-4, atol=2e-5)
        # Not the states: the original's BatchNorm, in oneDNN, does not update them in every step.
        check_equal(here["params"], there["params"], "params")
