"""Programs of the symbolic road: networks as symbols, trained by Module, on real MNIST and on data made here.

They use nothing but the API of MXNet 1.9.1, and run there as well.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mx_data import ROOT, has_mnist

import mxnet as mx

PROGRAMS = Path(__file__).parent / "programs"
needs_rnn = pytest.mark.skipif(
    importlib.util.find_spec("mx_module.rnn") is None, reason="this mx-module has no mx.rnn; install a newer one"
)


def run(name, *arguments, cwd=None):
    """(the last line of JSON, the log) of a program. Warnings are errors in it."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAMS / f"{name}.py"), *map(str, arguments)],
        capture_output=True, text=True, timeout=600, check=False, cwd=cwd,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr.splitlines()


@pytest.fixture
def mnist(tmp_path):
    """A folder with the files of MNIST, where mx.test_utils.get_mnist finds them."""
    for file in (ROOT / "mnist").glob("*.gz"):
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


SPEED = r"INFO:root:Epoch\[\d+\] Batch \[(\d+)-(\d+)\]\tSpeed: [\d.]+ samples/sec\taccuracy=\d\.\d{6}"


def check_log(log, epochs):
    """The lines of fit and Speedometer, as people's scripts read them from MXNet's logs."""
    lines = [line for line in log if line.startswith("INFO:root:")]
    assert len(lines) == epochs * 8
    for epoch in range(epochs):
        mine = lines[8 * epoch : 8 * epoch + 8]
        starts = [int(re.fullmatch(SPEED, line).group(1)) for line in mine[:5]]
        assert starts == [0, 100, 200, 300, 400]
        assert re.fullmatch(rf"INFO:root:Epoch\[{epoch}\] Train-accuracy=0\.\d{{6}}", mine[5])
        assert re.fullmatch(rf"INFO:root:Epoch\[{epoch}\] Time cost=\d+\.\d{{3}}", mine[6])
        assert re.fullmatch(rf"INFO:root:Epoch\[{epoch}\] Validation-accuracy=0\.\d{{6}}", mine[7])


@has_mnist
def test_the_perceptron_of_the_tutorial(mnist):
    result, log = run("module_digits", "mlp", cwd=mnist)
    assert result["accuracy"] > 0.96
    assert result["predict"] == [10000, 10]
    assert result["predicted"] == pytest.approx(result["accuracy"], abs=1e-9)
    check_log(log, 10)


@has_mnist
@pytest.mark.slow
def test_the_convolutional_network_of_the_tutorial(mnist):
    result, log = run("module_digits", "lenet", "--epochs", 2, cwd=mnist)
    assert result["accuracy"] > 0.98
    assert result["predict"] == [10000, 10]
    check_log(log, 2)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """Six epochs without a stop."""
    folder = tmp_path_factory.mktemp("straight")
    return folder, *run("module_interfaces", folder)


def test_the_interfaces_that_books_teach(straight):
    folder, result, log = straight
    assert result["accuracy"] > 0.95
    assert result["answered"] > 0.9
    assert (result["learning_rate"], result["updates"]) == (0.05, 72)
    names = [f"digits-{epoch:04d}.params" for epoch in range(1, 7)]
    names += ["digits-0003.states", "digits-0006.states", "digits-symbol.json"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert "INFO:root:Update[49]: Change learning rate to 5.00000e-02" in log
    assert f'INFO:root:Saved checkpoint to "{folder}/digits-0001.params"' in log
    assert f'INFO:root:Saved optimizer state to "{folder}/digits-0003.states"' in log


def test_a_resumed_training_is_bit_equal(straight, tmp_path):
    folder, expected, _ = straight
    run("module_interfaces", tmp_path, "--epochs", 3)
    resumed, _ = run("module_interfaces", tmp_path, "--resume", 3)
    assert resumed == expected
    for epoch in range(4, 7):
        name = f"digits-{epoch:04d}.params"
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert (tmp_path / "digits-0006.states").read_bytes() == (folder / "digits-0006.states").read_bytes()


def test_two_contexts_learn_as_one_does(straight, tmp_path):
    # Not the same numbers: BatchNorm normalizes every part of the batch by itself.
    result, _ = run("module_interfaces", tmp_path, "--contexts", 2)
    assert result["accuracy"] > 0.95
    assert result["updates"] == straight[1]["updates"]
    for name, value in straight[1]["params"].items():
        assert result["params"][name] == pytest.approx(value, rel=0.1, abs=1e-3)


def test_parts_that_the_user_wrote():
    # An iterator, a loss (CustomOp), a metric and an initializer.
    result, log = run("module_own_parts")
    assert result["custom"][0] == "error"
    assert result["custom"][1] < 0.02
    assert result["builtin"][1] < 0.02


@needs_rnn
@pytest.mark.parametrize("cell", ["lstm", "gru", "fused"])
def test_a_recurrent_network_with_buckets(cell, tmp_path):
    result, log = run("module_bucketing", tmp_path, "--cell", cell)
    assert result["buckets"] == [6, 12, 14]
    assert result["perplexities"][-1] < 2.4
    assert result["loaded"] < 2.4
    if cell == "lstm":
        layers = [f"lstm_l0_{part}_{kind}" for part in ("h2h", "i2h") for kind in ("bias", "weight")]
        assert result["params"] == ["embed_weight", *layers, "pred_bias", "pred_weight"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "net-0002.params", "net-0004.params", "net-0006.params", "net-symbol.json"
    ]  # fmt: skip


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_save_that_is_killed_loses_nothing(tmp_path):
    # `python test_module_programs.py 200` does it as often as one likes.
    kill_while_saving(tmp_path, 10)


def kill_while_saving(folder, times, seed=0):
    """Kills the program at random moments of its saves; the files of old or new must be whole each time."""
    random = np.random.RandomState(seed)
    prefix = str(folder / "net")
    for _ in range(times):
        saving = subprocess.Popen(
            [sys.executable, str(PROGRAMS / "module_killed.py"), prefix], stdout=subprocess.PIPE, text=True
        )
        assert saving.stdout is not None
        assert saving.stdout.readline() == "saving\n"
        time.sleep(random.uniform(0, 0.02))
        saving.kill()
        saving.wait()
        saving.stdout.close()
        module = mx.mod.Module.load(prefix, 1, load_optimizer_states=True)
        module.bind([("data", (2, 512))], [("softmax_label", (2,))])
        module.init_optimizer(optimizer_params={"momentum": 0.9})
        weight = module.get_params()[0]["fc1_weight"].asnumpy()
        assert weight.shape == (512, 512)
        assert np.isfinite(weight).all()
        assert module._updater.states[0].shape == (512, 512)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        kill_while_saving(Path(scratch), int(sys.argv[1]), seed=os.getpid())
        sys.stdout.write(f"killed {sys.argv[1]} times, nothing lost\n")
