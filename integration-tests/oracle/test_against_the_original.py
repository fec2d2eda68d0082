"""The same calls, programs and files here and in Apache MXNet 1.9.1, which lives in a Python of its own.

``nox -s oracle`` makes that environment and runs these tests; without MX_TEST_ORACLE, the path of its Python, they skip.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

import mxnet as mx

REPOSITORY = Path(__file__).parents[2]
COMPARISON = REPOSITORY / "packages/mx-core/tests/ops/against_mxnet.py"
PROGRAMS = REPOSITORY / "integration-tests/programs"
ORACLE = os.environ.get("MX_TEST_ORACLE", "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ORACLE, reason="no MXNet 1.9.1 to compare with: nox -s oracle makes one (MX_TEST_ORACLE)"),
]

# Operators that exist in both and are compared in no call, each with its reason.
NEVER_COMPARED = {
    "_square_sum": "1.9.1 has it for row_sparse arrays only",
    "_zeros_without_dtype": "1.9.1's own element type -1 cannot be given by name",
    "batch_take": "1.9.1 wants int32 indices in an array of their own type",
    "_CrossDeviceCopy": "1.9.1 has it in graphs only",
    "_rnn_param_concat": "1.9.1 infers no shapes of its gradients outside of graphs",
    "BatchNorm_v1": "1.9.1 takes its running averages in graphs only",
    "IdentityAttachKLSparseReg": "1.9.1 takes its running average in graphs only",
    "_contrib_BatchNormWithReLU": "1.9.1's runs for oneDNN's own layouts only",
    "_contrib_ModulatedDeformableConvolution": "1.9.1 has its gradient on GPUs only",
    "_contrib_count_sketch": "1.9.1 has it on GPUs only",
    "_contrib_fft": "1.9.1 has it on GPUs only",
    "_contrib_ifft": "1.9.1 has it on GPUs only",
    "_contrib_group_adagrad_update": "1.9.1 has it for row_sparse gradients only",
    "_scatter_set_nd": "1.9.1 wants the array to write into as out=",
}


def start(python: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end. The original's Python does not see a PYTHONPATH, which may lead to this mxnet."""
    settings = {name: value for name, value in os.environ.items() if python == sys.executable or name != "PYTHONPATH"}
    return subprocess.run(
        [python, *map(str, arguments)], env={**settings, **environment}, capture_output=True, text=True, check=False
    )


def run(python: str, *arguments: object, **environment: str) -> str:
    """What the program prints; AssertionError with its stderr if it fails."""
    done = start(python, *arguments, **environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]
    return done.stdout


def run_there(source: str, *arguments: object) -> str:
    """What a program prints in MXNet 1.9.1."""
    return run(ORACLE, "-W", "ignore", "-c", textwrap.dedent(source), *arguments)


# ---- operators -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """For every call of the operator suite: {"op", "label", "kind", "detail"}."""
    folder = tmp_path_factory.mktemp("calls")
    run(sys.executable, COMPARISON, "write", folder)
    done = subprocess.run(
        [ORACLE, str(COMPARISON), "compare", str(folder)], capture_output=True, text=True, check=False
    )
    assert (folder / "results.json").exists(), done.stderr[-5000:]
    return json.loads((folder / "results.json").read_text())


def test_values_shapes_types_and_gradients_are_the_originals(results):
    different = [f"{call['label']}\n    {call['detail']}" for call in results if call["kind"] == "different"]
    assert not different, "\n".join([*different, str(Counter(call["kind"] for call in results))])
    assert sum(call["kind"] == "same" for call in results) > 2500


def test_every_operator_that_both_have_is_compared(results):
    kinds = defaultdict(set)
    for call in results:
        kinds[call["op"]].add(call["kind"])
    missed = {op for op, seen in kinds.items() if not seen & {"same", "on purpose"} and seen != {"not there"}}
    assert missed == set(NEVER_COMPARED)


# ---- files ---------------------------------------------------------------------------------------------------------

ARRAYS = """
    import sys
    import numpy as np
    import mxnet as mx
    types = ("float32", "float64", "float16", "uint8", "int8", "int32", "int64", "bool")
    arrays = {kind: mx.nd.array(np.arange(24).reshape(2, 3, 4) % 5, dtype=kind) for kind in types}
    mx.nd.save(sys.argv[1], arrays)
    mx.nd.save(sys.argv[2], list(arrays.values())[:3])
"""


def test_files_are_the_same_bytes_on_both_sides(tmp_path):
    run_there(ARRAYS, tmp_path / "there.params", tmp_path / "there.nd")
    run(sys.executable, "-c", textwrap.dedent(ARRAYS), tmp_path / "here.params", tmp_path / "here.nd")
    for kind in ("params", "nd"):
        assert (tmp_path / f"here.{kind}").read_bytes() == (tmp_path / f"there.{kind}").read_bytes()
    loaded = mx.nd.load(str(tmp_path / "there.params"))
    for name, array in loaded.items():
        assert str(np.dtype(array.dtype)) == name
        np.testing.assert_array_equal(array.asnumpy(), (np.arange(24).reshape(2, 3, 4) % 5).astype(name))


NETWORK = """
    import sys
    import numpy as np
    import mxnet as mx
    from mxnet.gluon import nn

    net = nn.HybridSequential(prefix="both_")
    with net.name_scope():
        net.add(
            nn.Conv2D(4, 3, activation="relu"), nn.BatchNorm(), nn.MaxPool2D(), nn.Dropout(0.5), nn.Flatten(),
            nn.Dense(6, activation="tanh"), nn.Dense(2, use_bias=False),
        )
    data = mx.nd.array(np.random.RandomState(0).rand(3, 2, 10, 10))
    if sys.argv[1] == "save":
        mx.random.seed(1)
        net.initialize(mx.init.Xavier())
        net(data)
        net.save_parameters(sys.argv[2])
    else:
        net.load_parameters(sys.argv[2])
    print(" ".join(net.collect_params()))
    print(" ".join(str(value) for value in net(data).asnumpy().ravel()))
    print(net)
"""


@pytest.mark.parametrize("direction", ["here to there", "there to here"])
def test_gluon_parameters_saved_on_either_side_load_on_the_other(direction, tmp_path):
    pythons = [sys.executable, ORACLE] if direction == "here to there" else [ORACLE, sys.executable]
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(NETWORK))
    printed = [
        run(python, "-W", "ignore", program, action, tmp_path / "net.params").split("\n", 2)
        for python, action in zip(pythons, ("save", "load"), strict=True)
    ]
    names, values, structure = zip(*printed, strict=True)
    assert names[0] == names[1]
    assert structure[0] == structure[1]
    np.testing.assert_allclose(*(np.array(line.split(), float) for line in values), rtol=1e-4, atol=1e-6)


# ---- programs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contexts", [["cpu:0"], ["cpu:0", "cpu:1"]])
def test_a_hundred_steps_of_training_go_the_same_way(contexts, tmp_path):
    """The perceptron from the same numbers on the same data: every loss, and the parameters in the end."""
    sys.path.insert(0, str(PROGRAMS.parent))
    import mx_data

    if not (mx_data.ROOT / "mnist").is_dir():
        pytest.skip(f"no MNIST in {mx_data.ROOT / 'mnist'}")
    home = str(mx_data.make_home(tmp_path / "home"))
    files = {python: tmp_path / f"{number}.params" for number, python in enumerate((sys.executable, ORACLE))}
    here, there = (
        run(python, PROGRAMS / "several_contexts.py", *contexts, "--save", file, MXNET_HOME=home).splitlines()
        for python, file in files.items()
    )
    assert len(here) == 101
    for ours, theirs in zip(here, there, strict=True):
        assert json.loads(ours) == pytest.approx(json.loads(theirs), abs=2e-4)
    ours, theirs = (mx.nd.load(str(file)) for file in files.values())
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        np.testing.assert_allclose(array.asnumpy(), theirs[name].asnumpy(), atol=2e-4, err_msg=name)
