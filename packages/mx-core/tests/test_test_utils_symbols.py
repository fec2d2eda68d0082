"""mx.test_utils on symbols: each check accepts what is right and refuses what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx
from mxnet import test_utils

X, Y = mx.sym.Variable("x"), mx.sym.Variable("y")
PRODUCT = X * Y + 1


@pytest.fixture
def values():
    random = np.random.RandomState(2)
    return random.rand(3, 4).astype("float32"), random.rand(3, 4).astype("float32")


def test_forward_is_compared(values):
    a, b = values
    outputs = test_utils.check_symbolic_forward(PRODUCT, [a, b], [a * b + 1])
    np.testing.assert_allclose(outputs[0].asnumpy(), a * b + 1, rtol=1e-6)
    test_utils.check_symbolic_forward(PRODUCT, {"x": a, "y": mx.nd.array(b)}, {PRODUCT.list_outputs()[0]: a * b + 1})
    with pytest.raises(AssertionError, match="EXPECTED__plusscalar"):
        test_utils.check_symbolic_forward(PRODUCT, [a, b], [a * b + 1.1])
    with pytest.raises(ValueError, match="do not match"):
        test_utils.check_symbolic_forward(PRODUCT, {"x": a, "q": b}, [a])
    with pytest.raises(ValueError, match="2 arguments"):
        test_utils.check_symbolic_forward(PRODUCT, [a], [a])


@pytest.mark.parametrize("grad_req", ["write", "add", {"x": "null", "y": "write"}, ["add", "write"]])
def test_backward_is_compared(values, grad_req):
    a, b = values
    test_utils.check_symbolic_backward(PRODUCT, [a, b], [np.ones((3, 4))], [b, a], grad_req=grad_req)
    test_utils.check_symbolic_backward(PRODUCT, [a, b], np.ones((3, 4)), {"y": a}, grad_req=grad_req)
    with pytest.raises(AssertionError, match="BACKWARD_y"):
        test_utils.check_symbolic_backward(PRODUCT, [a, b], [np.ones((3, 4))], {"y": a + 1}, grad_req=grad_req)


def test_auxiliary_states_are_given_and_kept(values):
    norm = mx.sym.BatchNorm(X, name="bn", fix_gamma=False, eps=1e-3)
    a = values[0]
    args = {"x": a, "bn_gamma": np.ones(4), "bn_beta": np.zeros(4)}
    states = {"bn_moving_mean": np.full(4, 0.5), "bn_moving_var": np.full(4, 2.0)}
    expected = (a - 0.5) / np.sqrt(2.001)
    test_utils.check_symbolic_forward(norm, args, [expected], rtol=1e-4, atol=1e-4, aux_states=states)
    test_utils.check_numeric_gradient(norm, args, states, numeric_eps=1e-2, rtol=0.1, atol=2e-2)


def test_numeric_gradients(values):
    a, b = values
    for nodes in (None, ["x"], {"x": "add", "y": "write"}, {"x": "null", "y": "add"}):
        test_utils.check_numeric_gradient(PRODUCT, [a, b], grad_nodes=nodes)
    with pytest.raises(AssertionError, match="NUMERICAL_x"):
        test_utils.check_numeric_gradient(mx.sym.BlockGrad(X) * Y, [a, b])
    with pytest.raises(ValueError, match="must have one output, got 2"):
        test_utils.check_numeric_gradient(mx.sym.Group([X, Y]), [a, b])
    executor = PRODUCT.bind(mx.cpu(), {"x": mx.nd.array(a), "y": mx.nd.array(b)})
    found = test_utils.numeric_grad(executor, {"x": a, "y": b}, eps=1e-2)
    np.testing.assert_allclose(found["x"], b, atol=1e-2)


def test_contexts_and_types_are_compared():
    entries = [
        {"ctx": mx.cpu(i), "x": (2, 3), "y": (2, 3), "type_dict": {"x": kind, "y": kind}}
        for i, kind in enumerate((np.float32, np.float64))
    ]
    truth = test_utils.check_consistency(PRODUCT, entries)
    assert set(truth) == {"x", "y", PRODUCT.list_outputs()[0]}
    assert truth["x"].dtype == np.float64
    params = {"x": np.ones((2, 3)), "y": np.full((2, 3), 2.0)}
    again = test_utils.check_consistency(PRODUCT, entries, arg_params=params, grad_req="null", use_uniform=True)
    assert again[PRODUCT.list_outputs()[0]].asnumpy().tolist() == [[3, 3, 3]] * 2
    with mx.name.NameManager():
        one = X * Y + 1
    with mx.name.NameManager():
        other = X * Y + 2
    with pytest.raises(AssertionError, match="_of_0"):
        test_utils.check_consistency([one, other], entries)
    with pytest.raises(ValueError, match="needs two entries"):
        test_utils.check_consistency(PRODUCT, entries[:1])


def test_differences_are_printed_where_that_is_asked(capsys):
    entries = [{"ctx": mx.cpu(), "x": (2, 3), "y": (2, 3)}] * 2
    with mx.name.NameManager():
        one = X * Y + 1
    with mx.name.NameManager():
        other = X * Y + 2
    test_utils.check_consistency([one, other], entries, raise_on_err=False)
    assert "entry 1 of ctx_list differs" in capsys.readouterr().out


def test_simple_forward_and_speed(values):
    a, b = values
    np.testing.assert_allclose(test_utils.simple_forward(PRODUCT, x=a, y=b), a * b + 1, rtol=1e-6)
    assert len(test_utils.simple_forward(mx.sym.Group([X, Y]), x=a, y=b)) == 2
    assert test_utils.check_speed(PRODUCT, N=1, x=(2, 3), y=(2, 3)) > 0
    assert test_utils.check_speed(PRODUCT, {"x": a, "y": b}, N=1, typ="forward", grad_req="null") > 0
    with pytest.raises(ValueError, match='"whole" or "forward"'):
        test_utils.check_speed(PRODUCT, {"x": a, "y": b}, typ="half")


def test_structures_are_compared_without_names():
    assert test_utils.same_symbol_structure(PRODUCT, X * Y + 1)
    assert not test_utils.same_symbol_structure(PRODUCT, X * Y + 1 + X)
    assert not test_utils.same_symbol_structure(PRODUCT, X + Y * 1)


def test_sparse_arrays_are_refused_by_name():
    for call in (
        lambda: test_utils.rand_sparse_ndarray((2, 3), "csr"),
        lambda: test_utils.create_sparse_array((2, 3), "row_sparse"),
        lambda: test_utils.shuffle_csr_column_indices(mx.nd.ones((2,))),
    ):
        with pytest.raises(ValueError, match="are not installed"):
            call()
    dense = test_utils.create_sparse_array_zd((50, 40), "default", 0.25, data_init=2.0, modifier_func=lambda v: v + 1)
    assert set(np.unique(dense.asnumpy())) == {0, 3}
    assert 300 < np.count_nonzero(dense.asnumpy()) < 700


def test_a_model_comes_from_where_it_is_said_to_be(tmp_path):
    PRODUCT.save(str(tmp_path / "net-symbol.json"))
    mx.nd.save(str(tmp_path / "net.params"), {"arg:x": mx.nd.ones((1,))})
    urls = {"symbol": (tmp_path / "net-symbol.json").as_uri(), "params": (tmp_path / "net.params").as_uri()}
    prefix, epoch = test_utils.download_model("mine", str(tmp_path / "there"), {"mine": urls})
    assert epoch == 0
    assert mx.sym.load(f"{prefix}-symbol.json").list_arguments() == ["x", "y"]
    assert test_utils.download_model("no such model", str(tmp_path)) == (None, 0)
