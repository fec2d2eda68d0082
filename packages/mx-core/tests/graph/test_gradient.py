"""Gradients of graphs: values against central differences, what is saved, second order, missing rules."""

from __future__ import annotations

import numpy as np
import pytest

from mx_core.errors import MXNetError
from mx_core.op import Hidden, Runtime, Tensor, isolated_registry, op

CASES = [
    ("exp", 1, {}), ("broadcast_mul", 2, {}), ("broadcast_div", 2, {}), ("softsign", 1, {}), ("smooth_l1", 1, {}),
    ("_mul_scalar", 1, {"scalar": 3.0}), ("_rdiv_scalar", 1, {"scalar": 3.0}), ("hard_sigmoid", 1, {}),
    ("_reduce", 1, {"op": "sum", "axes": (0,)}), ("_reduce", 1, {"op": "mean", "axes": (-1,), "keepdims": True}),
    ("_reduce", 1, {"op": "max", "axes": (1,)}), ("_reduce", 1, {"op": "prod", "axes": None}),
    ("_view", 1, {"shape": (4, 3)}), ("_broadcast", 1, {"shape": (2, 3, 4)}), ("_copy", 1, {}),
]  # fmt: skip


def numeric(device, name, arrays, head, params, step=1e-6):
    """Central differences in one random direction, and the direction."""
    rng = np.random.RandomState(3)
    directions = [rng.randn(*a.shape) for a in arrays]
    high = device.run(name, *[a + step * d for a, d in zip(arrays, directions, strict=True)], **params)
    low = device.run(name, *[a - step * d for a, d in zip(arrays, directions, strict=True)], **params)
    return float(((high - low) / (2 * step) * head).sum()), directions


@pytest.mark.parametrize(("name", "count", "params"), CASES)
def test_gradient_equals_central_differences(device, rng, name, count, params):
    arrays = [rng.rand(3, 4) + 0.5 for _ in range(count)]
    if count == 2:
        arrays[1] = arrays[1][:, :1].copy()
    head = np.asarray(rng.randn(*device.run(name, *arrays, **params).shape))
    expected, directions = numeric(device, name, arrays, head, params)
    gradients = device.backward(name, arrays, [head], params)
    got = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True))
    assert got == pytest.approx(expected, rel=1e-5)
    assert [g.shape for g in gradients] == [a.shape for a in arrays]


@pytest.mark.parametrize(
    ("name", "count", "params", "saved"),
    [
        ("exp", 1, {}, [("out", 0)]),
        ("square", 1, {}, [("in", 0)]),
        ("broadcast_add", 2, {}, []),
        ("broadcast_mul", 2, {}, [("in", 0), ("in", 1)]),
        ("_mul_scalar", 1, {}, []),
        ("_reduce", 1, {"op": "max"}, [("in", 0), ("out", 0)]),
    ],
)
def test_only_what_the_rule_reads_is_saved(device, name, count, params, saved):
    plan = device.plan(name, [np.ones((2, 3), "f")] * count, params, grad=tuple(range(count)))
    assert sorted(plan.saved) == saved
    assert len(plan.outputs) == 1


def test_gradient_that_is_the_head_aliases_it(device):
    plan = device.plan("broadcast_add", [np.ones((2, 3), "f"), np.ones((1, 3), "f")], grad=(0, 1))
    gradient = device.gradient(plan)
    assert gradient.aliases == ((0, 0), None)
    assert gradient.step_names == ["_reduce"]


def test_only_the_wanted_gradients_are_computed(device):
    x = np.ones((2, 3), "f")
    plan = device.plan("broadcast_mul", [x, x], grad=(1,))
    assert plan.saved == (("in", 0),)
    assert len(device.gradient(plan).outputs) == 1


def test_zero_gradient_is_nothing(device):
    plan = device.plan("sign", [np.ones((2, 3), "f")], grad=(0,))
    gradient = device.gradient(plan)
    assert gradient.outputs == [None]
    assert gradient.step_names == []


@pytest.fixture
def own_ops():
    with isolated_registry():
        yield


def test_pointwise_intermediates_are_recomputed(device, own_ops):
    @op
    def test_gate(F, x: Tensor, y: Tensor) -> Tensor:
        """tanh(x * y) * sigmoid(x)."""
        return F.tanh(x * y) * F.sigmoid(x)

    x, y = np.random.RandomState(1).randn(2, 3, 4)
    plan = device.plan(test_gate, [x, y], grad=(0, 1))
    assert sorted(plan.saved) == [("in", 0), ("in", 1)]
    assert plan.step_names == ["_pointwise"]
    assert device.gradient(plan).step_names == ["_pointwise"]
    head = np.ones((3, 4))
    expected, directions = numeric(device, test_gate, [x, y], head, {})
    gradients = device.backward(test_gate, [x, y], [head])
    assert sum((g * d).sum() for g, d in zip(gradients, directions, strict=True)) == pytest.approx(expected, rel=1e-6)


def test_results_of_kernels_become_hidden_outputs(device, own_ops):
    @op
    def test_product(F, x: Tensor, y: Tensor) -> Tensor:
        """square(x . y)."""
        return F.square(F.dot(x, y))

    x, y = np.random.RandomState(1).randn(3, 3), np.random.RandomState(2).randn(3, 3)
    plan = device.plan(test_product, [x, y], grad=(0, 1))
    assert sorted(plan.saved) == [("in", 0), ("in", 1), ("out", 1)]
    assert plan.n_visible == 1
    assert len(plan.outputs) == 2
    head = np.ones((3, 3))
    gradients = device.backward(test_product, [x, y], [head])
    np.testing.assert_allclose(gradients[0], (2 * x @ y) @ y.T)
    np.testing.assert_allclose(gradients[1], x.T @ (2 * x @ y))


def test_second_order(device):
    x, head, second = np.array([0.3, 0.7]), np.array([2.0, 3.0]), np.array([1.0, 1.0])
    plan = device.plan("sin", [x], grad=(0,))
    assert plan.saved == (("in", 0),)
    first = device.gradient(plan, record=(0, 1))
    (dx,) = first.run([head, x])[:1]
    np.testing.assert_allclose(dx, head * np.cos(x))
    gradient = device.gradient(first)
    outputs = first.run([head, x])
    got = gradient.run(device.gradient_inputs(first, [head, x], outputs, [second]))
    np.testing.assert_allclose(got[0], second * np.cos(x))
    np.testing.assert_allclose(got[1], -second * head * np.sin(x))


def test_second_order_through_a_saved_output(device):
    # The gradient of exp reads its output y; the tape then asks the forward plan for the gradient of head 0 again.
    plan = device.plan("exp", [np.ones(2)], grad=(0,))
    first = device.gradient(plan, record=(0, 1))
    head, y = np.array([2.0, 3.0]), np.array([5.0, 7.0])
    gradient = device.gradient(first)
    got = gradient.run(device.gradient_inputs(first, [head, y], first.run([head, y]), [np.ones(2)]))
    np.testing.assert_allclose(got[0], y)
    np.testing.assert_allclose(got[1], head)


def test_head_of_a_hidden_output(device, own_ops):
    @op
    def test_product(F, x: Tensor) -> Tensor:
        """square(x . x)."""
        return F.square(F.dot(x, x))

    x = np.random.RandomState(1).randn(3, 3)
    plan = device.plan(test_product, [x], grad=(0,))
    hidden = [i for kind, i in plan.saved if kind == "out"]
    assert hidden == [1]
    gradient = device.gradient(plan, heads=(1,))
    outputs = plan.run([x])
    (dx,) = gradient.run(device.gradient_inputs(plan, [x], outputs, [np.ones((3, 3))]))
    np.testing.assert_allclose(dx, np.ones((3, 3)) @ x.T + x.T @ np.ones((3, 3)))


def test_runtime_scalars_reach_the_gradient(device):
    (dx,) = device.backward("_mul_scalar", [np.ones(3)], [np.ones(3)], {"scalar": 0.37})
    np.testing.assert_allclose(dx, 0.37)


def test_missing_heads_are_zero_or_none(device, own_ops):
    seen = []

    @op
    def test_two(F, x: Tensor) -> tuple[Tensor, Tensor]:
        """2x and 3x."""
        return x * 2.0, x * 3.0

    @test_two.grad(allow_none=True)
    def _(F, dy, y, x):
        seen.append(dy)
        return dy[1] * 3.0 if dy[0] is None else dy[0] * 2.0 if dy[1] is None else dy[0] * 2.0 + dy[1] * 3.0

    x = np.ones(3)
    np.testing.assert_allclose(device.backward(test_two, [x], [None, x]), [[3, 3, 3]])
    np.testing.assert_allclose(device.backward(test_two, [x], [x, x]), [[5, 5, 5]])
    assert seen[1][0] is None
    test_two.grad(lambda F, dy, y, x: dy[0] * 2.0 + dy[1] * 3.0)
    np.testing.assert_allclose(device.backward(test_two, [x], [x, None]), [[2, 2, 2]])


def test_hidden_outputs_reach_the_rule(device, own_ops):
    @op
    def test_hidden(F, x: Tensor) -> tuple[Tensor, Hidden[Tensor]]:
        """x * m where m = 3."""
        mask = F.dot(x, x) * 0.0 + 3.0
        return x * mask, mask

    @test_hidden.grad
    def _(F, dy, y, x):
        return dy * y[1]

    x = np.ones((2, 2))
    plan = device.plan(test_hidden, [x], grad=(0,))
    assert plan.saved == (("out", 1),)
    assert plan.n_visible == 1
    assert len(device.plan(test_hidden, [x]).outputs) == 1
    np.testing.assert_allclose(device.backward(test_hidden, [x], [np.ones((2, 2))])[0], 3.0)
    first = device.gradient(plan, record=(0, 1))
    with pytest.raises(MXNetError, match=r"\[test_hidden\] has no second-order gradient"):
        device.gradient(plan, heads=(1,))
    assert first.n_visible == 1


def test_no_rule_is_an_error_at_backward(device, own_ops):
    @op(kernel="_transpose")
    def test_plain(F, x: Tensor) -> Tensor:
        """A primitive without gradient."""

    test_plain.infer(lambda t, x: t.like(x))
    test_plain.lower(lambda in_types, out_types: {"axes": (0,)})
    plan = device.plan(test_plain, [np.ones(3)], grad=(0,))
    with pytest.raises(MXNetError, match=r"\[test_plain\] has no gradient"):
        device.gradient(plan)


def test_wrong_rules_are_named(device, own_ops):
    @op(pointwise="copy")
    def test_wrong(F, x: Tensor) -> Tensor:
        """A copy."""

    test_wrong.grad(lambda F, dy, y, x: dy.reshape(6))
    with pytest.raises(MXNetError, match=r"\[test_wrong\] its gradient rule gave shape \(6,\) for .* \(2, 3\)"):
        device.plan(test_wrong, [np.ones((2, 3))], grad=(0,))
    test_wrong.grad(lambda F, dy, y, x: (dy, dy))
    with pytest.raises(MXNetError, match="gave 2 gradients for 1 inputs"):
        device.plan(test_wrong, [np.ones((2, 3))], grad=(0,))


def test_state_is_written_in_place(device, own_ops):
    @op(writes={"mom": 1})
    def test_momentum(F, weight: Tensor, grad: Tensor, mom: Tensor, *, lr: Runtime[float]) -> tuple[Tensor, Tensor]:
        """mom = 0.5 * mom - lr * grad; weight + mom."""
        new = mom * 0.5 - grad * lr
        return weight + new, new

    weight, grad, mom = np.ones(4), np.full(4, 2.0), np.full(4, 8.0)
    plan = device.plan(test_momentum, [weight, grad, mom], {"lr": 0.5})
    assert plan.written_inputs == (2,)
    assert plan.step_names == ["_pointwise"]
    (made,) = plan.run([weight, grad, mom], [0.5])
    np.testing.assert_array_equal(mom, 3.0)
    np.testing.assert_array_equal(made, 4.0)


def test_state_that_is_still_read_is_written_last(device, own_ops):
    @op(writes={"state": 1})
    def test_swap(F, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the old state and x; stores x + state."""
        new = F.dot(x, state)
        return F.dot(state, new), new

    x, state = np.random.RandomState(0).rand(2, 3, 3)
    old = state.copy()
    plan = device.plan(test_swap, [x, state])
    (made,) = plan.run([x, state])
    np.testing.assert_allclose(made, old @ (x @ old))
    np.testing.assert_allclose(state, x @ old)
    assert plan.step_names[-1] == "_copy"


def test_overwritten_inputs_are_not_saved(device, own_ops):
    @op(writes={"state": 1})
    def test_state(F, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """x * state; state becomes x."""
        return x * state, x + 0.0

    x, state = np.array([2.0]), np.array([3.0])
    plan = device.plan(test_state, [x, state], grad=(0,))
    assert plan.saved == (("out", 1),)
    outputs = plan.run([x, state])
    assert outputs[1].tolist() == [3.0]
    assert state.tolist() == [2.0]
