"""Symbols here and in Apache MXNet 1.9.1: the same files character by character, the same inference, the same answers.

As test_against_the_original.py, these run where MX_TEST_ORACLE is the Python of an MXNet 1.9.1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
ORACLE = os.environ.get("MX_TEST_ORACLE", "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ORACLE, reason="no MXNet 1.9.1 to compare with: nox -s oracle makes one (MX_TEST_ORACLE)"),
]

GRAPHS = (
    "mlp", "lenet", "residual", "recurrent", "fused_recurrent", "detector", "arithmetic", "methods", "scopes", "loops",
)  # fmt: skip


def run(python: str, *arguments: object) -> str:
    """What a program prints. The original's Python does not see a PYTHONPATH, which may lead to this mxnet."""
    settings = {name: value for name, value in os.environ.items() if python == sys.executable or name != "PYTHONPATH"}
    done = subprocess.run([python, *map(str, arguments)], env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]
    return done.stdout


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """What each wrote, and what each answered for the files of the other."""
    root = tmp_path_factory.mktemp("graphs")
    for name, python in (("ours", sys.executable), ("theirs", ORACLE)):
        run(python, HERE / "symbol_graphs.py", "write", root / name)
    run(sys.executable, HERE / "symbol_graphs.py", "answer", root / "ours_of_theirs", root / "theirs")
    run(ORACLE, HERE / "symbol_graphs.py", "answer", root / "theirs_of_ours", root / "ours")
    return root


@pytest.mark.parametrize("name", GRAPHS)
def test_files_are_the_same(folders, name):
    for kind in ("symbol.json", "debug.txt"):
        assert (folders / f"ours/{name}-{kind}").read_text() == (folders / f"theirs/{name}-{kind}").read_text()


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("ours", ["ours", "ours_of_theirs", "theirs_of_ours"])
def test_inference_and_answers_are_the_same(folders, name, ours):
    mine, wanted = (json.loads((folders / side / f"{name}.json").read_text()) for side in (ours, "theirs"))
    for key, value in wanted.items():
        assert mine[key] == value, key
    values, expected = (np.load(folders / side / f"{name}.npz") for side in (ours, "theirs"))
    assert values.files == expected.files
    for key in expected.files:
        np.testing.assert_allclose(values[key], expected[key], rtol=1e-4, atol=1e-5, err_msg=f"{name} {key}")
