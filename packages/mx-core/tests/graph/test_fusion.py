"""Fusion and memory: random graphs against node-by-node NumPy, and what must or must not share a program."""

from __future__ import annotations

import random

import numpy as np
import pytest

from mx_core.dtypes import FLOAT32, INT8, INT32, UINT8, flag_of, numpy_of
from mx_core.graph import compile as compiler
from mx_core.graph.node import Graph, Scalar
from mx_core.graph.trace import Tracer
from mx_core.op import Runtime, Tensor, isolated_registry, op

SHAPE = (3, 4)
_UNARY = {"negative": np.negative, "abs": np.abs, "relu": lambda x: np.maximum(x, 0), "sign": np.sign}
_BINARY = {
    "broadcast_add": np.add, "broadcast_sub": np.subtract, "broadcast_mul": np.multiply, "broadcast_maximum": np.maximum,
    "broadcast_greater": lambda a, b: (a > b).astype(a.dtype),
}  # fmt: skip


class RandomGraph:
    """A random graph built twice: as nodes, and as NumPy arrays."""

    def __init__(self, seed, dtypes):
        self.random = random.Random(seed)
        self.rng = np.random.RandomState(seed)
        self.graph = Graph("random", 1)
        self.F = Tracer(self.graph, False)
        self.scalar = 3
        self.values, self.arrays = [], []
        self.inputs = []
        for dtype in dtypes:
            for shape in (SHAPE, SHAPE, (1, 4)):
                array = self.rng.randint(-4 if np.dtype(dtype).kind != "u" else 0, 5, shape).astype(dtype)
                self.inputs.append(array)
                self.add(self.F.add_input(flag_of(dtype), shape), array)

    def add(self, value, array):
        assert value.shape == array.shape
        assert numpy_of(value.dtype) == array.dtype
        self.values.append(value)
        self.arrays.append(array)

    def pick(self, where=lambda value: True):
        return self.random.choice([i for i, value in enumerate(self.values) if where(value)])

    def step(self):
        i = self.pick()
        x, a = self.values[i], self.arrays[i]
        kind = self.random.randrange(10)
        with np.errstate(all="ignore"):
            if kind < 2:
                name = self.random.choice(list(_UNARY))
                self.add(getattr(self.F, name)(x), _UNARY[name](a).astype(a.dtype))
            elif kind < 6:
                name = self.random.choice(list(_BINARY))
                j = self.pick(lambda v: v.dtype == x.dtype and _broadcasts(v.shape, x.shape))
                self.add(getattr(self.F, name)(x, self.values[j]), _BINARY[name](a, self.arrays[j]).astype(a.dtype))
            elif kind == 6:
                runtime = self.random.random() < 0.5
                made = x + (Scalar(("scalar", 0)) if runtime else 2)
                self.add(made, (a + (self.scalar if runtime else 2)).astype(a.dtype))
            elif kind == 7:
                self.movement(x, a)
            elif kind == 8 and x.ndim:
                axis = self.random.randrange(x.ndim)
                self.add(
                    self.F._reduce(x, op="sum", axes=(axis,), keepdims=True),
                    a.sum(axis=axis, keepdims=True, dtype=a.dtype),
                )
            else:
                flag = self.random.choice([v.dtype for v in self.values])
                self.add(x.astype(flag), a.astype(numpy_of(flag)))

    def movement(self, x, a):
        if self.random.random() < 0.5:
            self.add(x.reshape(x.shape[::-1]), a.reshape(a.shape[::-1]))
        else:
            self.add(self.F.transpose(x), a.T.copy())


def _broadcasts(a, b):
    try:
        return len(np.broadcast_shapes(a, b)) == 2 and 0 not in a
    except ValueError:
        return False


@pytest.mark.parametrize(
    "dtypes", [("int32",), ("int8", "int32"), ("uint8", "int32"), ("int32", "int64"), ("float64",)]
)
@pytest.mark.parametrize("seed", range(40))
def test_random_graph_equals_numpy(device, seed, dtypes):
    made = RandomGraph(seed, dtypes)
    for _ in range(3 + seed):
        made.step()
    chosen = [made.pick() for _ in range(1 + seed % 4)]
    made.graph.outputs = [made.values[i] for i in chosen]
    compiled = compiler.compile_graph(made.graph, len(chosen), device.target, False)
    plan = compiler.build_plan(device.core, compiled, device.target)
    for i, got in zip(chosen, plan.run(made.inputs, [made.scalar]), strict=True):
        np.testing.assert_array_equal(got, made.arrays[i])


def trace(build, *types):
    """The graph of build(F, *inputs)."""
    graph = Graph("test")
    tracer = Tracer(graph, False)
    made = build(tracer, *[tracer.add_input(dtype, shape) for dtype, shape in types])
    graph.outputs = list(made) if isinstance(made, tuple) else [made]
    return graph


def steps(device, build, *types):
    graph = trace(build, *types)
    compiled = compiler.compile_graph(graph, len(graph.outputs), device.target, False)
    plan = compiler.build_plan(device.core, compiled, device.target)
    return plan.step_names, plan


def test_chain_is_one_step_without_temporaries(device):
    names, plan = steps(device, lambda F, x: F.tanh(F.exp(x) * 2.0 + 1.0), (FLOAT32, SHAPE))
    assert names == ["_pointwise"]
    assert plan.arena_bytes == 0


def test_reduction_takes_its_producer(device, rng):
    names, plan = steps(device, lambda F, x, y: F._reduce(x * y, axes=(1,)), (FLOAT32, SHAPE), (FLOAT32, (4,)))
    assert names == ["_reduce"]
    x, y = rng.rand(*SHAPE).astype("f"), rng.rand(4).astype("f")
    np.testing.assert_allclose(plan.run([x, y])[0], (x * y).sum(1), rtol=1e-6)


def test_reduction_does_not_take_what_others_read(device):
    names, _ = steps(device, lambda F, x: (F._reduce(F.exp(x), axes=(1,)), F.exp(x)), (FLOAT32, SHAPE))
    assert names == ["_pointwise", "_reduce"]


def test_siblings_share_a_program(device):
    names, plan = steps(device, lambda F, x, y, dy: (dy * y, dy * x), *[(FLOAT32, SHAPE)] * 3)
    assert names == ["_pointwise"]
    assert plan.steps[0][2] == (3, 4)


def test_producer_sinks_past_a_barrier(device):
    # exp(x) has no reader but the last program: it runs there and not before the transposition.
    names, _ = steps(device, lambda F, x: F.exp(x) + F.transpose(F.transpose(x) * 2.0), (FLOAT32, SHAPE))
    assert names == ["_transpose", "_pointwise", "_transpose", "_pointwise"]


@pytest.mark.parametrize("dtype", [UINT8, INT8])
def test_narrow_integers_go_through_memory(device, dtype):
    names, plan = steps(device, lambda F, x: -(x + 200), (dtype, SHAPE))
    assert names == ["_pointwise", "_pointwise"]
    x = np.arange(12).reshape(SHAPE).astype(numpy_of(dtype))
    with np.errstate(all="ignore"):
        expected = -(x.astype(np.int64) + 200).astype(x.dtype)
    np.testing.assert_array_equal(plan.run([x])[0], expected)


def test_cast_to_half_rounds(device):
    _, plan = steps(device, lambda F, x: x.astype("float16").astype("float32"), (FLOAT32, (1,)))
    x = np.array([1.0001], "float32")
    assert plan.run([x])[0] == np.float16(x)


def test_int32_chain_is_fused(device):
    names, _ = steps(device, lambda F, x: F.relu(-x) * 3, (INT32, SHAPE))
    assert names == ["_pointwise"]


def test_view_as_output_is_copied_and_shared_root_too(device, rng):
    names, plan = steps(device, lambda F, x: (x.reshape(12), F.exp(x), F.exp(x).reshape(2, 6)), (FLOAT32, SHAPE))
    assert sorted(names) == ["_copy", "_copy", "_pointwise"]
    x = rng.rand(*SHAPE).astype("f")
    outputs = plan.run([x])
    np.testing.assert_array_equal(outputs[0], x.reshape(12))
    np.testing.assert_array_equal(outputs[2], outputs[1].reshape(2, 6))


def test_arena_is_reused(device):
    def build(F, x):
        for _ in range(10):
            x = F.transpose(F.transpose(F.exp(x)))
        return x

    _, plan = steps(device, build, (FLOAT32, (64, 64)))
    assert plan.arena_bytes <= 2 * 64 * 64 * 4


def test_constants_are_operands_or_filled_memory(device):
    names, plan = steps(device, lambda F, x: (x + F.full((3, 1), 2.0), F.transpose(F.ones((4, 3)))), (FLOAT32, SHAPE))
    assert sorted(names) == ["_pointwise", "_transpose"]
    assert [kind for kind, _, _ in plan.slots] == ["const"]
    first, second = plan.run([np.zeros(SHAPE, "f")])
    assert (first == 2).all()
    assert (second == 1).all()


def test_outputs_that_are_constants_and_inputs(device):
    _, plan = steps(device, lambda F, x: (F.zeros((2, 3)), x, x), (FLOAT32, SHAPE))
    x = np.ones(SHAPE, "f")
    zeros, one, two = plan.run([x])
    assert not zeros.any()
    np.testing.assert_array_equal(one, two)


def test_where_with_a_mask_of_another_type(device):
    _, plan = steps(device, lambda F, m, x: F._select(m, x, -x), (INT32, SHAPE), (FLOAT32, SHAPE))
    mask = np.arange(12).reshape(SHAPE).astype("int32") % 2
    x = np.ones(SHAPE, "f")
    np.testing.assert_array_equal(plan.run([mask, x])[0], np.where(mask, 1, -1))


def test_float_function_of_integers_computes_in_double(device):
    _, plan = steps(device, lambda F, x: F.sqrt(x), (INT32, (2,)))
    np.testing.assert_array_equal(plan.run([np.array([16, 26], "int32")])[0], [4, 5])


def test_runtime_scalars_reach_the_step(device):
    with isolated_registry():

        @op
        def test_update(F, x: Tensor, *, lr: Runtime[float], wd: Runtime[float] = 0.5) -> Tensor:
            """x - lr * (wd * x)."""
            return x - (x * wd) * lr + (1.0 - wd) * 0.0

        x = np.ones((2,), "f")
        assert device.run(test_update, x, lr=0.5).tolist() == [0.75, 0.75]
        assert device.run(test_update, x, lr=0.5, wd=1.0).tolist() == [0.5, 0.5]


def test_number_in_the_place_of_a_scalar(make_device):
    with isolated_registry():

        @op
        def test_fill(F, *, low: Runtime[float], high: Runtime[float]) -> Tensor:
            """A kernel with two runtime scalars."""

        @test_fill.infer
        def _(t):
            return t.out((2,), FLOAT32)

        @op
        def test_caller(F, *, high: Runtime[float] = 2.0) -> Tensor:
            """Gives one scalar as a number."""
            return F.test_fill(low=1.0, high=high)

        device = make_device(["_pointwise", "test_fill"])
        assert device.run(test_caller, high=3.0).tolist() == [31.0, 31.0]


def test_cheap_producer_of_smaller_shape_runs_inside(device):
    names, plan = steps(device, lambda F, x: F._broadcast(x / 4.0, shape=(3, 4)), (FLOAT32, (3, 1)))
    assert names == ["_pointwise"]
    np.testing.assert_array_equal(plan.run([np.full((3, 1), 2, "f")])[0], np.full((3, 4), 0.5))
    names, _ = steps(device, lambda F, x, y: F.tanh(x) * y, (FLOAT32, (3, 1)), (FLOAT32, SHAPE))
    assert names == ["_pointwise", "_pointwise"]


def test_multiplying_by_one_is_nothing(device):
    _, plan = steps(device, lambda F, x: (x * 1.0) * F.ones((1, 4)) / 1.0 + 1.0, (FLOAT32, SHAPE))
    assert len(plan.steps[0][0].params["code"]) == 6
    x = np.arange(12, dtype="f").reshape(SHAPE)
    np.testing.assert_array_equal(plan.run([x])[0], x + 1)


def test_small_programs_of_one_shape_are_one_step(device):
    names, _ = steps(device, lambda F, x, y: (F.exp(x), F.exp(y)), (FLOAT32, SHAPE), (FLOAT32, SHAPE))
    assert names == ["_pointwise"]
    big = (FLOAT32, (100, 100))
    assert steps(device, lambda F, x, y: (F.exp(x), F.exp(y)), big, big)[0] == ["_pointwise", "_pointwise"]
