"""Every row of the operator suite as a symbol here and in Apache MXNet 1.9.1: names, files, inferred shapes and types.

As test_against_the_original.py, these run where MX_TEST_ORACLE is the Python of an MXNet 1.9.1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ORACLE = os.environ.get("MX_TEST_ORACLE", "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ORACLE, reason="no MXNet 1.9.1 to compare with: nox -s oracle makes one (MX_TEST_ORACLE)"),
]

_MANY = "1.9.1 infers only the first group of arrays"
_DRAWS = "1.9.1 draws float32 whatever the parameters' type is"
# Operators that differ on purpose: what of them is not compared, and why.
DIFFERENCES = {
    "LeakyReLU": ("names file shapes types", "1.9.1 also lists rrelu's mask as an output"),
    "_unravel_index": ("shapes", "1.9.1 forgets the axis that its result has"),
    "amp_cast": ("types", "1.9.1 does not infer the type that it casts to"),
    "_zeros_without_dtype": ("types", "1.9.1 leaves the type open"),
    "_sample_multinomial": ("types", "1.9.1's probabilities have the data's type in inference only"),
    "_contrib_BilinearResize2D": ("types", "1.9.1 wants the type of an array of which it only reads the shape"),
    "_copyto": ("file", "an alias here"),
    "softmax_cross_entropy": ("shapes", "1.9.1 infers a shape that it does not compute"),
    **dict.fromkeys(
        "multi_sgd_update multi_mp_sgd_update multi_mp_sgd_mom_update multi_sgd_mom_update preloaded_multi_sgd_update "
        "preloaded_multi_mp_sgd_update preloaded_multi_mp_sgd_mom_update _multi_adamw_update _multi_mp_adamw_update "
        "_multi_lamb_update _multi_mp_lamb_update".split(),
        ("shapes types", _MANY),
    ),
    **dict.fromkeys(
        "_sample_uniform _sample_normal _sample_exponential _sample_gamma _sample_poisson _sample_negative_binomial "
        "_sample_generalized_negative_binomial".split(),
        ("types", _DRAWS),
    ),
    **dict.fromkeys(
        "_random_uniform _random_normal _random_exponential _random_gamma _random_poisson _random_negative_binomial "
        "_random_generalized_negative_binomial _random_randint".split(),
        ("shapes", "without a shape 1.9.1 leaves it open, here it is (1,)"),
    ),
}


def run(python: str, *arguments: object) -> None:
    """Runs a program. The original's Python does not see a PYTHONPATH, which may lead to this mxnet."""
    settings = {name: value for name, value in os.environ.items() if python == sys.executable or name != "PYTHONPATH"}
    done = subprocess.run([python, *map(str, arguments)], env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """(calls, what this mxnet makes of each, what 1.9.1 does)."""
    root = tmp_path_factory.mktemp("rows")
    run(sys.executable, HERE / "symbol_rows.py", "write", root / "calls.json")
    run(sys.executable, HERE / "symbol_rows.py", "compose", root / "calls.json", root / "ours.json")
    run(ORACLE, HERE / "symbol_rows.py", "compose", root / "calls.json", root / "theirs.json")
    return [json.loads((root / f"{name}.json").read_text()) for name in ("calls", "ours", "theirs")]


def is_refused(value):
    return isinstance(value, str) or value == [None, None, None]


@pytest.mark.parametrize("what", ["names", "file", "shapes", "types"])
def test_rows(rows, what):
    compared: Counter[str] = Counter()
    wrong = []
    for call, mine, theirs in zip(*rows, strict=True):
        skipped, _ = DIFFERENCES.get(call["op"], ("", ""))
        if isinstance(theirs, str) or is_refused(theirs[what]) or what in skipped.split():
            continue
        compared[call["op"]] += 1
        found = mine if isinstance(mine, str) else mine[what]
        if found != theirs[what]:
            wrong.append(f"{call['op']} {call['params']} {call['inputs']}\n  ours   {found}\n  theirs {theirs[what]}")
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:12])
    assert sum(compared.values()) > 1500
    assert len(compared) > 230, len(compared)
