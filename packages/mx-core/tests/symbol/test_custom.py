"""`mx.sym.Custom`: operators written in Python, composed, inferred, stored and run."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx
from mx_core.errors import OpNotAvailable, ParameterError, RecordFileError


@pytest.fixture(autouse=True)
def fresh_names():
    with mx.name.NameManager():
        yield


@mx.operator.register("symbol_test_scaled")
class ScaledProp(mx.operator.CustomOpProp):
    """scale * data, and the number of its calls in a state."""

    def __init__(self, scale="1"):
        super().__init__(need_top_grad=True)
        self.scale = float(scale)

    def list_arguments(self):
        return ["data", "label"]

    def list_outputs(self):
        return ["scaled", "half"]

    def list_auxiliary_states(self):
        return ["count"]

    def infer_shape(self, in_shape):
        return [in_shape[0], [in_shape[0][0]]], [in_shape[0], in_shape[0]], [[1]]

    def create_operator(self, ctx, in_shapes, in_dtypes):
        scale = self.scale

        class Scaled(mx.operator.CustomOp):
            def forward(self, is_train, req, in_data, out_data, aux):
                self.assign(out_data[0], req[0], in_data[0] * scale)
                self.assign(out_data[1], req[1], in_data[0] / 2)
                aux[0][:] += 1

            def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
                self.assign(in_grad[0], req[0], out_grad[0] * scale + out_grad[1] / 2)
                self.assign(in_grad[1], req[1], in_data[1] * 0)

        return Scaled()


def scaled(**kwargs):
    return mx.sym.Custom(mx.sym.var("x"), op_type="symbol_test_scaled", **kwargs)


def test_names_and_inference():
    net = scaled(scale=3, name="c")
    assert net.list_arguments() == ["x", "c_label"]
    assert net.list_auxiliary_states() == ["c_count"]
    assert net.list_outputs() == ["c_scaled", "c_half"]
    assert net.infer_shape(x=(4, 2)) == ([(4, 2), (4,)], [(4, 2), (4, 2)], [(1,)])
    assert net.infer_type_partial(x="float64") == ([np.float64] * 2, [np.float64] * 2, [np.float64])
    assert net.list_attr() == {"scale": "3", "op_type": "symbol_test_scaled"}
    assert scaled().name == "custom0"
    label = mx.sym.var("y")
    assert scaled(label=label).list_arguments() == ["x", "y"]


def test_it_runs_after_a_file():
    net = mx.sym.load_json(scaled(scale=3, name="c").tojson())
    bound = net.simple_bind(mx.cpu(), x=(2, 2))
    bound.arg_dict["x"][:] = 2
    outputs = bound.forward(is_train=True)
    assert [out.asnumpy().max() for out in outputs] == [6, 1]
    bound.backward([mx.nd.ones((2, 2)), mx.nd.ones((2, 2))])
    assert bound.grad_dict["x"].asnumpy().tolist() == [[3.5, 3.5], [3.5, 3.5]]
    assert bound.aux_dict["c_count"].asscalar() == 1


def test_refusals():
    with pytest.raises(ParameterError, match="unknown labels"):
        scaled(labels=mx.sym.var("y"))
    with pytest.raises(ParameterError, match="twice"):
        scaled(data=mx.sym.var("y"))
    with pytest.raises(ParameterError, match="must be a Symbol with one output, got NDArray"):
        mx.sym.Custom(mx.nd.ones((2,)), op_type="symbol_test_scaled")
    with pytest.raises(OpNotAvailable, match="Did you mean 'symbol_test_scaled'"):
        mx.sym.Custom(mx.sym.var("x"), op_type="symbol_test_scale")
    text = scaled(name="c").tojson().replace("symbol_test_scaled", "not_registered_here")
    with pytest.raises(RecordFileError, match="node 3 'c': .*not_registered_here"):
        mx.sym.load_json(text)
