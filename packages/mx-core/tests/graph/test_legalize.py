"""Tracing and legalization: what stays one node, what runs its body, what is refused; and explain()."""

from __future__ import annotations

import numpy as np
import pytest

from mx_core import plugin
from mx_core.dtypes import FLOAT32
from mx_core.errors import MXNetError, OpNotAvailable, ParameterError, PluginError, ShapeError
from mx_core.graph import explain as explain_module
from mx_core.graph import passes
from mx_core.graph.node import Graph, Scalar
from mx_core.graph.trace import Tracer
from mx_core.op import Hidden, Runtime, Tensor, isolated_registry, op

X = np.ones((2, 3), "f")


@pytest.fixture(autouse=True)
def _own_ops():
    with isolated_registry():
        yield


@pytest.fixture
def split():
    @op
    def test_split(F, x: Tensor) -> tuple[Tensor, Hidden[Tensor]]:
        """2x and x + 1."""
        return x * 2.0, x + 1.0

    return test_split


def test_kernel_of_a_compositions_name_is_used(make_device, split):
    device = make_device(["_pointwise", "test_split"])
    plan = device.plan(split, [X])
    assert plan.step_names == ["test_split"]
    assert len(plan.outputs) == 1


def test_without_a_kernel_the_body_runs(device, split):
    plan = device.plan(split, [X])
    assert plan.step_names == ["_pointwise"]
    np.testing.assert_array_equal(plan.run([X])[0], 2.0)


def test_kernel_that_refuses_gives_way_to_the_body(make_device, split):
    device = make_device(["_pointwise", "test_split"])
    device.core.refused["test_split"] = "only float64"

    @op
    def test_outer(F, x: Tensor) -> Tensor:
        """test_split(x) + 1."""
        return F.test_split(x) + 1.0

    assert device.plan(split, [X]).step_names == ["_pointwise"]
    assert device.plan(test_outer, [X]).step_names == ["_pointwise"]


def test_kernel_inside_of_a_composition(make_device, split):
    @op
    def test_outer(F, x: Tensor) -> Tensor:
        """exp(test_split(x))."""
        return F.exp(F.test_split(x))

    device = make_device(["_pointwise", "test_split"])
    assert device.plan(test_outer, [X]).step_names == ["test_split", "_pointwise"]
    # While a gradient is recorded the rule decides what is read: without one the body is differentiated.
    assert device.plan(test_outer, [X], grad=(0,)).step_names == ["_pointwise"]


def test_rule_keeps_a_composition_for_its_kernel_in_training(make_device, split):
    split.grad(lambda F, dy, y, x: dy * 2.0)
    device = make_device(["_pointwise", "test_split"])
    plan = device.plan(split, [X], grad=(0,))
    assert plan.step_names == ["test_split"]
    assert plan.saved == ()


def test_nothing_to_run_is_a_clear_error(make_device):
    device = make_device(["_pointwise", "_copy"])
    with pytest.raises(OpNotAvailable, match=r"\[transpose\] no kernel '_transpose' for cpu\(0\), and no composition. "
                       r"cpu has 2 kernels, such as .*Install a package"):  # fmt: skip
        device.run("transpose", X)
    device.core.kernels.add("_transpose")
    device.core.refused["_transpose"] = "at most 8 dimensions"
    with pytest.raises(OpNotAvailable, match=r"no kernel for cpu\(0\), float32\(2, 3\): at most 8 dimensions. Cast or"):
        device.run("transpose", X)
    with pytest.raises(OpNotAvailable, match="no kernel package for cpu.0.. pip install mx-ops-cpu"):
        make_device([]).run("exp", X)


def trace(build, is_train=False):
    graph = Graph("test", 1)
    F = Tracer(graph, is_train)
    build(F, F.add_input(FLOAT32, (2, 3)))
    return [node.op.name for node in graph.nodes]


def test_identical_calls_are_one_node():
    assert trace(lambda F, x: F.exp(x) + F.exp(x)) == ["exp", "broadcast_add"]
    assert trace(lambda F, x: (x * 2.0, x * 3.0, x * 2)) == ["_mul_scalar", "_mul_scalar"]


def test_random_calls_are_never_one_node():
    @op(random=True)
    def test_noise(F, x: Tensor) -> Tensor:
        """Noise of x's type."""

    test_noise.infer(lambda t, x: t.like(x))
    assert trace(lambda F, x: F.test_noise(x) + F.test_noise(x)).count("test_noise") == 2


def test_views_casts_and_broadcasts_that_do_nothing():
    assert trace(lambda F, x: x.reshape(3, 2).reshape(2, 3).astype("float32").reshape((2, -1))) == ["_view"]
    assert trace(lambda F, x: F._broadcast(x, shape=(2, 3))) == []
    assert trace(lambda F, x: F._sum_to(x, (2, 3))) == []


def test_mode_reaches_the_body():
    @op(mode_dependent=True)
    def test_mode(F, x: Tensor) -> Tensor:
        """exp in training, log outside."""
        return F.exp(x) if F.is_train else F.log(x)

    assert trace(lambda F, x: F.test_mode(x), is_train=True) == ["exp"]
    assert trace(lambda F, x: F.test_mode(x)) == ["log"]


def test_parameters_may_follow_the_inputs_by_position():
    assert trace(lambda F, x: F._view(x, (3, 2))) == ["_view"]
    assert trace(lambda F, x: F.clip(x, 0.0, 1.0)) != []


def test_numbers_in_the_place_of_arrays(device):
    @op
    def test_masked(F, x: Tensor) -> Tensor:
        """x where x > 1, else 0."""
        return F._select(x > 1.0, x, 0.0)

    x = np.array([0.5, 2.0], "f")
    assert device.run(test_masked, x).tolist() == [0.0, 2.0]


def test_runtime_scalars_are_symbols(device):
    @op
    def test_rate(F, x: Tensor, *, lr: Runtime[float]) -> Tensor:
        """x * sqrt(1 - lr ** 2)."""
        return x * F.sqrt(1.0 - lr**2)

    assert device.run(test_rate, X, lr=0.6)[0, 0] == pytest.approx(0.8)
    with pytest.raises(MXNetError, match="cannot decide on it"):
        bool(Scalar(("scalar", 0)) > 1)
    assert repr(Scalar(("scalar", 0)) * 2 + 1) == "add(mul(scalar0, 2.0), 1.0)"


def test_bodies_are_checked(device):
    @op
    def test_wrong(F, x: Tensor) -> Tensor:
        """Returns a pair."""
        return x, x

    @op
    def test_decides(F, x: Tensor) -> Tensor:
        """Decides on data."""
        return x if x > 0 else -x

    with pytest.raises(MXNetError, match=r"\[test_wrong\] its body must return 1 arrays"):
        device.plan(test_wrong, [X])
    with pytest.raises(MXNetError, match=r"no truth value: use F.where"):
        device.plan(test_decides, [X])
    with pytest.raises(ParameterError, match=r"\[exp\] has no parameter nothing"):
        trace(lambda F, x: F.exp(x, nothing=1))
    with pytest.raises(MXNetError, match=r"\[exp\] input data is required"):
        trace(lambda F, x: F.exp())
    with pytest.raises(ShapeError, match=r"\[_view\] cannot reshape \(2, 3\) \(6 elements\) to \(4,\)"):
        trace(lambda F, x: F._view(x, shape=(4,)))
    with pytest.raises(ShapeError, match=r"\[_broadcast\] .*too large|64 bits"):
        trace(lambda F, x: F._broadcast(F.ones((1, 1)), shape=(1 << 40, 1 << 40)))


def test_absent_inputs(device):
    @op
    def test_bias(F, x: Tensor, bias: Tensor | None = None, scale: Tensor | None = None) -> Tensor:
        """x * scale + bias."""
        x = x if scale is None else x * scale
        return x if bias is None else x + bias

    np.testing.assert_array_equal(device.run(test_bias, X, None, X * 3), 3.0)
    np.testing.assert_array_equal(device.run(test_bias, X, X), 2.0)
    plan = device.plan(test_bias, [X, None, X], grad=(1,))
    assert plan.saved == (("in", 0),)


def test_explain_names_slots_steps_and_programs(device, monkeypatch):
    monkeypatch.setattr(explain_module, "_loaded_core", lambda: device.core)
    text = explain_module.explain("softsign", [("float32", (2, 3))], grad_inputs=(0,))
    assert "softsign on cpu(0): 1 inputs, 1 outputs" in text
    assert "slot 1 = _pointwise(slot 0)  abs + _plus_scalar + broadcast_div" in text
    assert "t1 = add.f32 t0, 1.0" in text
    assert "saved for the gradient: input 0" in text
    assert "softsign_backward on cpu(0): 2 inputs, 1 outputs" in text
    graph = Graph("test")
    F = Tracer(graph, False)
    F._view(F.exp(F.add_input(FLOAT32, (2, 3))), shape=(6,))
    assert explain_module.explain_graph(graph).splitlines() == [
        "  v0 float32(2, 3) = exp(in0)",
        "  v1 float32(6,) = _view(v0, shape=(6,))",
    ]


def test_device_that_refuses_a_fused_call_gets_single_ones(device):
    device.core.refused["_reduce"] = lambda params: "no programs" if "code" in params else None
    device.core.refused["_pointwise"] = lambda params: "one instruction" if len(params["code"]) > 6 else None

    @op
    def test_norm(F, x: Tensor) -> Tensor:
        """log of the sum of exp(2x)."""
        return F.log(F._reduce(F.exp(x * 2.0), op="sum", axes=(1,)))

    plan = device.plan(test_norm, [X])
    assert plan.step_names == ["_pointwise", "_pointwise", "_reduce", "_pointwise"]
    np.testing.assert_allclose(plan.run([X])[0], np.log(3 * np.exp(2.0)), rtol=1e-6)


def test_rewriting_rules_of_plugins(make_device, monkeypatch):
    def exp_of_log(F, node, inputs):
        made_by = inputs[0].node if node.op.name == "exp" else None
        return made_by.inputs[0] if made_by is not None and made_by.op.name == "log" else None

    @op
    def test_same(F, x: Tensor) -> Tensor:
        """2 e^(ln x)."""
        return F.exp(F.log(x)) * 2.0

    device = make_device(["_pointwise"])

    def instructions():
        plan = device.plan(test_same, [X])
        assert plan.run([X])[0].tolist() == [[2.0] * 3] * 2
        return len(plan.steps[0][0].params["code"]) // 6

    monkeypatch.setattr(passes, "_rules", {})
    assert instructions() == 3
    monkeypatch.setattr(passes, "_rules", {"exp-of-log": exp_of_log})
    assert instructions() == 1
    wrong = {"wrong": lambda F, node, inputs: F._view(inputs[0], shape=(6,)) if node.op.name == "log" else None}
    monkeypatch.setattr(passes, "_rules", wrong)
    with pytest.raises(PluginError, match="graph pass 'wrong' replaced log .* MX_DISABLE_PASSES=wrong"):
        device.plan(test_same, [X])


def test_graph_passes_come_from_plugins_and_can_be_switched_off(monkeypatch):
    class Answers:
        @plugin.hookimpl
        def mx_graph_passes(self):
            return {"nothing": lambda F, node, inputs: None}

    plugin.register(Answers(), "passes-of-a-test")
    try:
        monkeypatch.setattr(passes, "_rules", None)
        assert list(passes.rewriting_rules()) == ["nothing"]
        assert plugin.report().endswith("passes   nothing")
        monkeypatch.setattr(passes, "_rules", None)
        monkeypatch.setenv("MX_DISABLE_PASSES", "nothing")
        assert passes.rewriting_rules() == {}
    finally:
        plugin.unregister("passes-of-a-test")
