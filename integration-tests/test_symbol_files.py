"""Models that MXNet 0.8 to 1.9.1 saved: they load, and answer as 1.9.1 does."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mx_data import MODELS, has_models

import mxnet as mx

pytestmark = has_models


def expected():
    path = MODELS / "expected.json"
    facts = json.loads(path.read_text()) if path.is_file() else {}
    return {name: fact for name, fact in facts.items() if isinstance(fact, dict) and "input" in fact}


def load_model(prefix, epoch):
    """(symbol, arguments, auxiliary states) of a checkpoint."""
    symbol = mx.sym.load(f"{MODELS / prefix}-symbol.json")
    saved = mx.nd.load(f"{MODELS / prefix}-{epoch:04d}.params")
    args = {name[4:]: array for name, array in saved.items() if name.startswith("arg:")}
    aux = {name[4:]: array for name, array in saved.items() if name.startswith("aux:")}
    return symbol, args, aux


def draw(facts):
    """The input that expected.json describes."""
    call = facts["call"]
    assert call.startswith("rand(*shape)*"), call
    factor = float(call.split("*")[2].split()[0])
    random = np.random.RandomState(facts["np.random.RandomState"])
    return (random.rand(*facts["shape"]) * factor).astype("float32")


@pytest.mark.parametrize("name", expected())
def test_answers(name):
    facts = expected()[name]
    prefix, epoch = name.split("@")
    symbol, args, aux = load_model(prefix, int(epoch))
    assert len(args) == facts["num_args"]
    assert len(aux) == facts["num_aux"]
    assert symbol.list_outputs() == list(facts["outputs"])
    data = draw(facts["input"])
    executor = symbol.simple_bind(mx.cpu(), grad_req="null", data=data.shape)
    executor.copy_params_from(args, aux, allow_extra_params=True)
    outputs = executor.forward(is_train=False, data=mx.nd.array(data))
    for (output, wanted), array in zip(facts["outputs"].items(), outputs, strict=True):
        values = array.asnumpy()
        assert list(values.shape) == wanted["shape"], output
        np.testing.assert_allclose(values.ravel()[:8], wanted["first8"], rtol=1e-4, atol=1e-4, err_msg=output)
        np.testing.assert_allclose(np.abs(values).sum(), wanted["abs_sum"], rtol=1e-4, err_msg=output)


def test_the_export_of_a_gluon_block():
    facts = json.loads((MODELS / "made_by_1.9.1/expected.json").read_text())["gluon"]
    symbol, args, aux = load_model("made_by_1.9.1/exported", 7)
    data = mx.nd.array(np.random.RandomState(0).rand(2, 3, 8, 8).astype("float32"))
    (output,) = symbol.bind(mx.cpu(), {"data": data, **args}, grad_req="null", aux_states=aux).forward()
    np.testing.assert_allclose(output.asnumpy().ravel()[:6], facts["output"]["first"], rtol=1e-4)


def test_a_quantized_graph_can_be_looked_at(tmp_path):
    symbol = mx.sym.load(str(MODELS / "symbols/mobilenet1.0_int8-symbol.json"))
    assert len(symbol.list_arguments()) == 84
    assert len(symbol.list_auxiliary_states()) == 54
    symbol.save(str(tmp_path / "again.json"))
    assert mx.sym.load(str(tmp_path / "again.json")).list_inputs() == symbol.list_inputs()
    with pytest.raises(mx.MXNetError, match=r"\[_contrib_quantize_v2 data_quantize\] no installed package defines"):
        symbol.infer_shape(data=(1, 3, 224, 224))
