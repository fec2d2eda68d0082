"""Whole programs, written as MXNet users write them, on real MNIST and on the simulated gpus."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mx_data import has_mnist, make_home

import mxnet as mx

PROGRAMS = Path(__file__).parent / "programs"
EXAMPLES = Path(__file__).parents[1] / "examples"

# What mlp.py prints with Apache MXNet 1.9.1. Its random numbers are others than ours, hence the tolerances.
LOSSES_OF_THE_ORIGINAL = [1.182, 0.449, 0.370, 0.332, 0.306, 0.286, 0.268, 0.253, 0.239, 0.227]

has_simulated_gpus = pytest.mark.skipif(
    importlib.util.find_spec("mx_device_sim") is None, reason="pip install ./examples/mx-device-sim"
)


def run(program: Path, *arguments: object, **environment: str) -> str:
    """What the program prints; AssertionError with its stderr if it fails. Warnings are errors in it, too."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program), *map(str, arguments)],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_json(name: str, *arguments: object, **environment: str) -> list[dict]:
    """The lines of JSON that a program of this folder prints."""
    return [json.loads(line) for line in run(PROGRAMS / f"{name}.py", *arguments, **environment).splitlines()]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """MXNET_HOME for the programs, with MNIST in it."""
    return str(make_home(tmp_path_factory.mktemp("home")))


@has_mnist
@pytest.mark.slow
def test_the_perceptron_learns_as_the_original_does(home):
    epochs = run_json("mlp", MXNET_HOME=home)
    losses = [epoch["loss"] for epoch in epochs]
    assert losses == sorted(losses, reverse=True)
    np.testing.assert_allclose(losses[:1], LOSSES_OF_THE_ORIGINAL[:1], atol=0.15)
    np.testing.assert_allclose(losses[1:], LOSSES_OF_THE_ORIGINAL[1:], atol=0.04)
    assert epochs[-1]["test_accuracy"] >= 0.93


@has_mnist
@pytest.mark.slow
def test_a_convolutional_network_of_the_users_own(home):
    epochs = run_json("cnn", MXNET_HOME=home)
    assert epochs[1]["test_accuracy"] >= 0.985
    assert epochs[1]["parameters"] == [
        f"digits_{layer}_{kind}" for layer in ("conv0", "conv1", "dense0", "dense1") for kind in ("bias", "weight")
    ]


@has_mnist
def test_a_perceptron_without_gluon(home):
    epochs = run_json("from_scratch", MXNET_HOME=home)
    losses, accuracies = ([epoch[what] for epoch in epochs] for what in ("loss", "test_accuracy"))
    np.testing.assert_allclose(losses, [0.522, 0.279, 0.205], atol=0.06)  # the original's
    np.testing.assert_allclose(accuracies, [0.880, 0.905, 0.921], atol=0.04)


@pytest.fixture(scope="module")
def on_one_context(home, tmp_path_factory):
    """Losses, accuracy and parameters of the perceptron on cpu(0)."""
    file = tmp_path_factory.mktemp("one") / "mlp.params"
    lines = run_json("several_contexts", "cpu:0", "--save", file, MXNET_HOME=home)
    return lines, mx.nd.load(str(file))


@has_mnist
@pytest.mark.parametrize(
    "contexts", ["cpu:0 cpu:1", pytest.param("gpu:0", marks=has_simulated_gpus),
                 pytest.param("gpu:0 gpu:1", marks=has_simulated_gpus)],
)  # fmt: skip
def test_several_contexts_and_one_learn_the_same(contexts, on_one_context, home, tmp_path):
    expected_lines, expected = on_one_context
    file = tmp_path / "mlp.params"
    lines = run_json("several_contexts", *contexts.split(), "--save", file, MXNET_HOME=home, MX_SIM_GPUS="2")
    got = mx.nd.load(str(file))
    assert list(got) == list(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(got[name].asnumpy(), array.asnumpy(), atol=1e-5, err_msg=name)
    losses, expected_losses = ([line["loss"] for line in run[:-1]] for run in (lines, expected_lines))
    np.testing.assert_allclose(losses, expected_losses, atol=1e-5)
    assert lines[-1] == expected_lines[-1]
    assert lines[-1]["accuracy"] > 0.8


@has_simulated_gpus
def test_a_convolutional_network_on_simulated_gpus():
    lines = run_json("cnn_on_gpus", MX_SIM_GPUS="2")
    assert lines[-1]["loss"] < 0.5 * lines[0]["loss"]
    assert lines[-1]["contexts"] == ["gpu(0)", "gpu(1)"]


@pytest.mark.slow
def test_the_demo_on_digits_it_draws_itself(tmp_path):
    pytest.importorskip("matplotlib", reason="the demo draws with it")
    pytest.importorskip("tqdm", reason="the demo shows its progress with it")
    printed = run(EXAMPLES / "digits.py", "--synthetic", "--epochs", 1, "--output", tmp_path / "out")
    assert re.fullmatch(r"test accuracy 0\.9\d\d\d", printed.splitlines()[-1])
    assert printed.count("loaded back: the same test accuracy") == 2
    assert (tmp_path / "out/digits.png").read_bytes().startswith(b"\x89PNG")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"mlp.params", "cnn.params", "digits.png"}


@pytest.mark.slow
def test_the_demo_says_so_when_mnist_cannot_be_had(tmp_path):
    pytest.importorskip("matplotlib", reason="the demo draws with it")
    pytest.importorskip("tqdm", reason="the demo shows its progress with it")
    # The port 9 of this machine serves nothing: downloads fail at once.
    nowhere = {name: "http://127.0.0.1:9" for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY")}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "digits.py"), "--epochs", "1", "--output", str(tmp_path / "out")],
        env={**os.environ, **nowhere, "MXNET_HOME": str(tmp_path), "NO_PROXY": "", "no_proxy": ""},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "MNIST is not here and could not be downloaded" in done.stderr
    assert "digits drawn by this program" in done.stdout
    assert re.fullmatch(r"test accuracy 0\.9\d\d\d", done.stdout.splitlines()[-1])
