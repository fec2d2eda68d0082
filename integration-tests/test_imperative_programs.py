"""Models from scratch, with nd and autograd only, held against NumPy where it can say what must come out.

The programs use nothing but the public API of MXNet 1.9.1, and run there as well.
"""

from __future__ import annotations

import numpy as np
import pytest
from test_programs import run_json


def by(name: str, key: str) -> dict[str, dict]:
    return {line[key]: line for line in run_json(name)}


def test_regressions_and_a_perceptron():
    models = by("regressions", "model")
    linear = models["linear"]
    np.testing.assert_allclose(linear["found"], linear["least_squares"], atol=1e-4)
    assert models["softmax"]["losses"] == sorted(models["softmax"]["losses"], reverse=True)
    assert models["softmax"]["losses"][-1] < 0.02
    assert models["softmax"]["accuracy"] == 1
    assert models["perceptron"]["losses"][-1] < 0.15
    assert models["perceptron"]["accuracy"] >= 0.95


def test_optimizers_from_scratch_give_the_weights_of_numpy():
    rules = by("optimizers_from_scratch", "rule")
    assert list(rules) == ["sgd_momentum", "adagrad", "rmsprop", "adam"]
    for name, line in rules.items():
        np.testing.assert_allclose(line["weights"], line["expected"], rtol=2e-4, atol=1e-5, err_msg=name)
        assert line["losses"] == sorted(line["losses"], reverse=True), name


@pytest.fixture(scope="module")
def nets():
    return by("recurrent_from_scratch", "net")


@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_recurrent_networks_from_scratch_learn_a_sentence(name, nets):
    perplexities = nets[name]["perplexities"]
    assert 8 < perplexities[0] < 25
    assert perplexities[-1] < 1.15
    assert nets[name]["text"] == "the time traveller for so it will be conv"


def test_generative_models():
    models = by("generative", "model")
    # Entropy of the data is 2 bits and the noise of 16 pixels, 1.39 + 3.18 nats: no bound can be lower.
    assert 4.3 < min(models["vae"]["bounds"]) < 5.6
    assert 0.9 < models["vae"]["divergences"][-1] < 3
    gan = models["gan"]
    np.testing.assert_allclose(gan["mean"], gan["wanted_mean"], atol=0.35)
    assert 0.8 < gan["critic"] < 1.8
    assert 0.3 < gan["generator"] < 1.6


def test_matrix_factorization_fills_ratings_in():
    (line,) = run_json("factorization")
    assert line["losses"] == sorted(line["losses"], reverse=True)
    assert line["rmse_seen"] < 0.02 * line["spread"]
    assert line["rmse_unseen"] < 0.1 * line["spread"]


def test_a_kalman_filter_and_its_likelihood():
    (line,) = run_json("linear_gaussian")
    assert line["log_likelihood"] == pytest.approx(line["expected"], rel=1e-10)
    assert line["gradient"] == pytest.approx(line["expected_gradient"], rel=1e-6)
    assert abs(line["gradient_at_the_end"]) < 1e-3
    assert line["noise"] == pytest.approx(line["true_noise"], rel=0.25)


def test_neural_style_losses():
    (line,) = run_json("style")
    assert line["gram_error"] < 1e-6
    content, style, variation = line["first"]
    assert content == 0
    assert line["last"][1] < 0.1 * style
    assert line["last"][0] < 0.2
    assert variation > 0
