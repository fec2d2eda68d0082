"""A device in NumPy: it runs the compiler's plans (slots, arena, in-place reuse, pointwise programs) without kernels."""

from __future__ import annotations

import importlib
import math
import pkgutil

import numpy as np
import pytest

import mx_core.ops
from mx_core.dtypes import flag_of, numpy_of
from mx_core.graph import compile as compiler
from mx_core.graph.target import Target
from mx_core.op import get_op
from mx_core.op.pointwise import OPCODES

for module in pkgutil.iter_modules(mx_core.ops.__path__):
    importlib.import_module(f"mx_core.ops.{module.name}")

_COMPUTE = (np.float32, np.float64, np.int32, np.int64)
_OF_STORAGE = {"f": {2: 0, 4: 0, 8: 1}, "i": {1: 2, 4: 2, 8: 3}, "u": {1: 2}, "b": {1: 2}}
_NAMES = {number: name for name, (number, _, _) in OPCODES.items()}


def _truncated(a, b):
    with np.errstate(all="ignore"):
        return (
            np.where(b == 0, 0, np.trunc(a / np.where(b == 0, 1, b))).astype(a.dtype) if a.dtype.kind == "i" else a / b
        )


_FUNCTIONS = {
    "copy": lambda a: a, "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": _truncated, "negative": np.negative,
    "maximum": np.maximum, "minimum": np.minimum, "abs": np.abs, "sign": np.sign, "square": np.square, "exp": np.exp,
    "log": np.log, "sqrt": np.sqrt, "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "power": np.power,
    "relu": lambda a: np.maximum(a, 0), "sigmoid": lambda a: 1 / (1 + np.exp(-a)), "reciprocal": lambda a: 1 / a,
    "equal": np.equal, "not_equal": np.not_equal, "lesser": np.less, "lesser_equal": np.less_equal,
    "greater": np.greater, "greater_equal": np.greater_equal, "where": lambda a, b, c: np.where(a != 0, b, c),
    "log1p": np.log1p, "rsqrt": lambda a: 1 / np.sqrt(a), "logical_not": np.logical_not,
}  # fmt: skip


def run_program(params, inputs, scalars, shape):
    """The values of the program's outputs in their compute types."""
    types = params["types"]
    operands = [np.asarray(x).astype(_COMPUTE[types[i]]) for i, x in enumerate(inputs)]
    assert [_OF_STORAGE[x.dtype.kind][x.dtype.itemsize] for x in inputs] == list(types[: len(inputs)])
    for value in (*params["consts"], *scalars):
        operands.append(np.asarray(value).astype(_COMPUTE[types[len(operands)]]))
    operands += [None] * params["n_temp"]
    code = params["code"]
    for i in range(0, len(code), 6):
        opcode, kind, dst, *arguments = code[i : i + 6]
        name = _NAMES[opcode]
        given = [operands[a] for a in arguments[: OPCODES[name][1]]]
        assert operands[dst] is None
        assert types[dst] == kind
        if name != "cast":
            assert all(types[a] == kind for a in arguments[: OPCODES[name][1]]), name
        with np.errstate(all="ignore"):
            made = given[0] if name == "cast" else _FUNCTIONS[name](*given)
        operands[dst] = np.asarray(made).astype(_COMPUTE[kind])
    return [np.broadcast_to(operands[i], shape) for i in params["outs"]]


class _Prepared:
    workspace, cost, random = 0, 1.0, 0

    def __init__(self, op, in_types, out_types, params):
        self.op, self.params = op, params
        self.in_types, self.out_types = in_types, out_types
        same = [
            sum(1 << i for i, given in enumerate(in_types) if given[1] == made[1] and _size(given) == _size(made))
            for made in out_types
        ]
        self.inplace = same if op == "_pointwise" else [0] * len(out_types)

    def __call__(self, inputs, outputs, scalars):
        getattr(self, "run_" + self.op.strip("_"))(inputs, outputs, scalars)

    def run_pointwise(self, inputs, outputs, scalars):
        made = run_program(self.params, inputs, scalars, self.out_types[0][1])
        for output, value in zip(outputs, [np.array(m) for m in made], strict=True):
            with np.errstate(all="ignore"):
                output[...] = value != 0 if output.dtype == bool else value.astype(output.dtype)

    def run_reduce(self, inputs, outputs, scalars):
        data = inputs[0]
        if "code" in self.params:
            (data,) = run_program(self.params, inputs, scalars, self.params["shape"])
        function = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "prod": np.prod}[self.params["op"]]
        outputs[0][...] = function(data, axis=self.params["axes"]).reshape(outputs[0].shape)

    def run_copy(self, inputs, outputs, scalars):
        outputs[0].reshape(-1)[...] = inputs[0].reshape(-1)

    def run_transpose(self, inputs, outputs, scalars):
        outputs[0][...] = inputs[0].transpose(self.params["axes"])

    def run_matmul(self, inputs, outputs, scalars):
        a, b = inputs[:2]
        a = a.swapaxes(-1, -2) if self.params["transpose_a"] else a
        b = b.swapaxes(-1, -2) if self.params["transpose_b"] else b
        outputs[0][...] = a @ b + (inputs[2] if len(inputs) > 2 else 0)

    def run_test_split(self, inputs, outputs, scalars):
        outputs[0][...] = inputs[0] * 2
        outputs[1][...] = inputs[0] + 1

    def run_test_fill(self, inputs, outputs, scalars):
        outputs[0][...] = scalars[0] + 10 * scalars[1]


def _size(given):
    return math.prod(given[1]) * numpy_of(given[0]).itemsize


class NumpyCore:
    """What the compiler needs of ``mx_core._core``. kernels: the names that the device has."""

    def __init__(self, kernels=("_pointwise", "_reduce", "_copy", "_transpose", "_matmul")):
        self.kernels = set(kernels)
        self.refused = {}

    def kernel_names(self, device):
        return sorted(self.kernels)

    def prepare(self, op, device_type, device_id, in_types, out_types, params, n_scalars):
        if op not in self.kernels:
            return None
        refusal = self.refused.get(op)
        if callable(refusal):
            refusal = refusal(params)
        return refusal or _Prepared(op, in_types, out_types, dict(params))

    def _from_numpy(self, values, device_type, device_id, dtype):
        return values.astype(numpy_of(dtype))

    def Plan(self, name, device_type, device_id, inputs, outputs, n_scalars, slots, steps, **rest):
        return NumpyPlan(inputs, outputs, slots, steps, **rest)


class NumpyPlan:
    def __init__(
        self, inputs, outputs, slots, steps, *, written_inputs, output_alias, n_visible, saved, grad_inputs, graph
    ):
        self.inputs, self.outputs, self.slots, self.steps = inputs, outputs, slots, steps
        self.written_inputs, self.aliases, self.n_visible = written_inputs, output_alias, n_visible
        self.saved, self.grad_inputs, self.graph = saved, grad_inputs, graph

    @property
    def step_names(self):
        return [step[0].op for step in self.steps]

    @property
    def arena_bytes(self):
        return max((a + b for kind, a, b in self.slots if kind == "temp"), default=0)

    def run(self, arrays, scalars=()):
        """Every output; inputs are changed only where the plan says so."""
        arrays = [np.asarray(a, order="C") for a in arrays]
        assert [(flag_of(a.dtype), a.shape) for a in arrays] == [tuple(t) for t in self.inputs]
        before = [a.tobytes() for a in arrays]
        memory = [a.reshape(-1).view(np.uint8) for a in arrays]
        for made, alias in zip(self.outputs, self.aliases, strict=True):
            if alias is not None:
                memory.append(memory[alias[0]][alias[1] : alias[1] + _size(made)])
            else:
                memory.append(None if made is None else np.full(_size(made), 0xA5, np.uint8))
        arena = np.full(self.arena_bytes, 0x5A, np.uint8)
        memory += [arena[a : a + b] if kind == "temp" else a.reshape(-1).view(np.uint8) for kind, a, b in self.slots]

        def view(slot, given):
            return memory[slot][: _size(given)].view(numpy_of(given[0])).reshape(given[1])

        for prepared, reads, writes, numbers in self.steps:
            inputs = [view(slot, given) for slot, given in zip(reads, prepared.in_types, strict=True)]
            outputs = [view(slot, given) for slot, given in zip(writes, prepared.out_types, strict=True)]
            prepared(inputs, outputs, [n if isinstance(n, float) else scalars[n] for n in numbers])
        for i, array in enumerate(arrays):
            assert i in self.written_inputs or array.tobytes() == before[i]
        first = len(arrays)
        return [None if made is None else view(first + j, made).copy() for j, made in enumerate(self.outputs)]


class Device:
    """Compiles and runs single operators on the NumPy device."""

    def __init__(self, kernels=None):
        self.core = NumpyCore() if kernels is None else NumpyCore(kernels)
        Target.forget_absent()
        self.target = Target(self.core, 1, 0)

    def plan(self, op, arrays, params=None, grad=(), is_train=False):
        opdef = get_op(op) if isinstance(op, str) else op
        static, _ = opdef.bind_params(params or {})
        types = [None if a is None else (flag_of(np.asarray(a).dtype), np.shape(a)) for a in arrays]
        compiled = compiler.lower_call(opdef, tuple(static.values()), types, self.target, is_train, grad)
        return compiler.build_plan(self.core, compiled, self.target)

    def run(self, op, /, *arrays, **params):
        opdef = get_op(op) if isinstance(op, str) else op
        plan = self.plan(op, arrays, params)
        outputs = plan.run([a for a in arrays if a is not None], opdef.bind_params(params)[1])
        return outputs[0] if len(outputs) == 1 else outputs

    def gradient(self, plan, heads=None, record=()):
        heads = tuple(range(plan.n_visible)) if heads is None else heads
        compiled = compiler.lower_gradient(plan.graph, heads, record)
        return compiler.build_plan(self.core, compiled, self.target)

    @staticmethod
    def gradient_inputs(plan, arrays, outputs, heads):
        return [*heads, *[arrays[i] if kind == "in" else outputs[i] for kind, i in plan.saved]]

    def backward(self, op, arrays, heads, params=None, is_train=False):
        """Gradients of every input for these head gradients (None: no head for that output)."""
        opdef = get_op(op) if isinstance(op, str) else op
        plan = self.plan(op, arrays, params, grad=tuple(range(len(arrays))), is_train=is_train)
        scalars = opdef.bind_params(params or {})[1]
        outputs = plan.run(arrays, scalars)
        present = tuple(i for i, head in enumerate(heads) if head is not None)
        gradient = self.gradient(plan, present)
        given = self.gradient_inputs(plan, arrays, outputs, [heads[i] for i in present])
        return gradient.run(given, scalars)


@pytest.fixture
def device():
    return Device()


@pytest.fixture
def make_device():
    return Device


@pytest.fixture
def rng():
    return np.random.RandomState(7)
