"""Models that MXNet 0.8 to 1.9.1 saved load through mx.model and answer as the original 1.9.1 does."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mx_data import MODELS, has_models

import mxnet as mx

pytestmark = has_models

NAMES = ("lenet_toy/LeNet@1", "lenet_toy/LeNet@10", "mtcnn/det1@1", "mtcnn/det2@1", "mtcnn/det3@1", "genderage/model@0")


def expected(name):
    return json.loads((MODELS / "expected.json").read_text())[name]


def check_output(got, want):
    got = got.asnumpy()
    assert list(got.shape) == want["shape"]
    np.testing.assert_allclose(got.reshape(-1)[:8], want["first8"], rtol=1e-4, atol=1e-4)
    total = float(np.abs(got.astype("float64")).sum())
    np.testing.assert_allclose(total, want["abs_sum"], rtol=1e-4)
    np.testing.assert_allclose(float(got.astype("float64").sum()), want["sum"], rtol=1e-4, atol=1e-4 * total)


def load(name):
    prefix, epoch = name.split("@")
    return mx.model.load_checkpoint(str(MODELS / prefix), int(epoch))


def input_of(case):
    scale = float(case["input"]["call"].split("*")[-1].split()[0])
    shape = case["input"]["shape"]
    values = np.random.RandomState(case["input"]["np.random.RandomState"]).rand(*shape) * scale
    return mx.nd.array(values.astype("float32"))


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_answers_as_the_original(name):
    case = expected(name)
    symbol, args, auxs = load(name)
    data = input_of(case)
    if "num_args" in case:
        assert len(args) == case["num_args"]
        assert len(auxs) == case["num_aux"]
    module = mx.mod.Module(symbol, label_names=None)
    module.bind([("data", data.shape)], for_training=False)
    module.set_params(args, auxs, allow_missing=True)  # the label of a loss is missing
    module.forward(mx.io.DataBatch([data]), is_train=False)
    outputs = dict(zip(module.output_names, module.get_outputs(), strict=True))
    assert list(outputs) == list(case["outputs"])
    for output, want in case["outputs"].items():
        check_output(outputs[output], want)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_saved_again_is_the_same_model(name, tmp_path):
    symbol, args, auxs = load(name)
    mx.model.save_checkpoint(str(tmp_path / "again"), 3, symbol, args, auxs)
    again, args_again, auxs_again = mx.model.load_checkpoint(str(tmp_path / "again"), 3)
    assert again.tojson() == symbol.tojson()
    for before, after in ((args, args_again), (auxs, auxs_again)):
        assert list(before) == list(after)
        assert all(np.array_equal(before[key].asnumpy(), after[key].asnumpy()) for key in before)


def test_a_face_detector_slides_over_pictures_of_any_size():
    # MTCNN's first network is fully convolutional: programs feed it one picture after the other, scaled.
    symbol, args, auxs = load("mtcnn/det1@1")
    module = mx.mod.Module(symbol, label_names=None)
    module.bind([("data", (1, 3, 12, 12))], for_training=False)
    module.set_params(args, auxs)
    for height, width in ((40, 52), (12, 12), (31, 77), (40, 52)):
        module.forward(mx.io.DataBatch([mx.nd.ones((1, 3, height, width))]), is_train=False)
        shape = module.get_outputs()[0].shape
        assert shape == (1, 4, (height - 10 + 1) // 2, (width - 10 + 1) // 2)
    case = expected("mtcnn/det1@1")
    module.forward(mx.io.DataBatch([input_of(case)]), is_train=False)
    check_output(module.get_outputs()[0], case["outputs"]["conv4_2_output"])


def test_a_checkpoint_of_1_9_1_with_its_optimizer_goes_on_training():
    folder = MODELS / "made_by_1.9.1"
    case = json.loads((folder / "expected.json").read_text())["module"]
    data = mx.io.NDArrayIter(np.random.RandomState(1).rand(20, 6).astype("float32"), np.zeros(20), 5)
    module = mx.mod.Module.load(str(folder / "module"), 2, load_optimizer_states=True)
    module.bind(data.provide_data, data.provide_label)
    predicted = module.predict(data)
    want = case["predict"]
    assert [*predicted.shape] == want["shape"]
    np.testing.assert_allclose(predicted.asnumpy().reshape(-1)[:6], want["first"], rtol=1e-4)
    np.testing.assert_allclose(predicted.asnumpy().astype("float64").sum(), want["sum"], rtol=1e-5)
    assert sorted(f"arg:{name}" for name in module.get_params()[0]) == case["names"]
    module.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": 0.1, "momentum": 0.9})
    assert set(module._updater.states) == {0, 1, 2, 3}
    data.reset()
    module.forward_backward(next(data))
    module.update()
