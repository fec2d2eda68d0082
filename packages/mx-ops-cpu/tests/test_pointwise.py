"""Every pointwise opcode in every compute type, and the interpreter around them, against NumPy and SciPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from kernel_call import DTYPES, FLOATS, exact, stored, unaligned
from pointwise_program import COMPUTE_DTYPES, F32, F64, I32, I64, OPCODES, Program, natural, single
from scipy import special

from mx_ops_cpu import _native

SEED = 3
SPECIALS = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-40, -1e-40, 3e38, -3e38, 100.0]


def run(program, inputs, outputs, *, scalars=(), inplace=None):
    """Outputs (as stored) of a program; inputs are (array, dtype), outputs (dtype, shape)."""
    return _native.kernels().prepare_and_run(
        "_pointwise",
        [np.asarray(a) for a, _ in inputs],
        outputs,
        program.params,
        scalars=list(scalars),
        in_dtypes=[d for _, d in inputs],
        inplace=inplace or {},
    )


def tie_to_lower(x):
    low, high = np.floor(x), np.ceil(x)
    return np.where(x - low <= high - x, low, high)


def python_mod(a, b):
    """a mod b with the sign of b; 0 for b = 0, as MXNet; fmod first, so that -1 mod inf is inf as in MXNet."""
    r = np.fmod(a, b)
    r = np.where((r != 0) & ((r < 0) != (b < 0)), r + b, r)
    return np.where((b == 0) & ~np.isnan(a), 0, r)


def half_away(x):
    return np.copysign(np.trunc(np.abs(x)) + (np.abs(x) - np.trunc(np.abs(x)) >= 0.5), x)


FLOAT_ORACLES = {
    "copy": lambda x: x, "cast": lambda x: x, "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
    "mod": python_mod, "power": np.power, "maximum": np.maximum, "minimum": np.minimum, "hypot": np.hypot,
    "equal": np.equal, "not_equal": np.not_equal, "lesser": np.less, "lesser_equal": np.less_equal,
    "greater": np.greater, "greater_equal": np.greater_equal, "logical_and": np.logical_and,
    "logical_or": np.logical_or, "logical_xor": np.logical_xor, "logical_not": np.logical_not,
    "negative": np.negative, "abs": np.abs, "sign": lambda x: np.where(np.isnan(x), 0, np.sign(x)),
    "round": half_away, "rint": tie_to_lower, "ceil": np.ceil, "floor": np.floor, "trunc": np.trunc,
    "square": np.square, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "cbrt": np.cbrt,
    "rcbrt": lambda x: 1 / np.cbrt(x), "exp": np.exp, "log": np.log, "log10": np.log10, "log2": np.log2,
    "log1p": np.log1p, "expm1": np.expm1, "sin": np.sin, "cos": np.cos, "tan": np.tan, "arcsin": np.arcsin,
    "arccos": np.arccos, "arctan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "arcsinh": np.arcsinh, "arccosh": np.arccosh, "arctanh": np.arctanh, "arctan2": np.arctan2,
    "gamma": special.gamma, "gammaln": special.gammaln, "digamma": special.digamma, "erf": special.erf,
    "erfinv": special.erfinv, "sigmoid": special.expit, "relu": lambda x: np.where(x < 0, 0, x),
    "reciprocal": np.reciprocal, "where": lambda a, b, c: np.where(a != 0, b, c), "isnan": np.isnan,
    "isinf": np.isinf, "isfinite": np.isfinite, "softrelu": lambda x: np.logaddexp(0, x),
    "fma": lambda a, b, c: a * b + c, "fmod": np.fmod,
}  # fmt: skip
# Specials on which SciPy and C's functions disagree by convention, or whose result is a rounding question.
NO_SPECIALS = {"gamma", "gammaln", "digamma", "fma"}
TOLERANCE = {F32: 3e-7, F64: 2e-14}


def samples(rng, compute):
    """Values of all magnitudes, both signs, and the special ones."""
    wide = np.exp(rng.uniform(-60, 60, 300)) * rng.choice([-1, 1], 300)
    values = np.concatenate([wide, rng.uniform(-9, 9, 700), np.arange(-12.0, 12.5, 0.5)])
    return values.astype(COMPUTE_DTYPES[compute])


def check_close(actual, expected, compute):
    """Within the tolerance relative to each value; results that float32 cannot hold as normal numbers absolutely."""
    tiny = np.finfo(COMPUTE_DTYPES[compute]).tiny
    with np.errstate(over="ignore"):
        expected = np.asarray(expected, np.float64).astype(COMPUTE_DTYPES[compute]).astype(np.float64)
    np.testing.assert_allclose(actual.astype(np.float64), expected, rtol=TOLERANCE[compute], atol=tiny * 1e-6)


@pytest.mark.parametrize("compute", [F32, F64])
@pytest.mark.parametrize("name", sorted(FLOAT_ORACLES))
def test_float_opcode(name, compute):
    rng = np.random.default_rng(SEED)
    operands = OPCODES[name][1]
    inputs = [rng.permutation(samples(rng, compute)) for _ in range(operands)]
    if name not in NO_SPECIALS:
        grid = np.array(list(itertools.product(SPECIALS, repeat=operands)), COMPUTE_DTYPES[compute]).T
        inputs = [np.concatenate([x, g]) for x, g in zip(inputs, grid, strict=True)]
    with np.errstate(all="ignore"):
        expected = FLOAT_ORACLES[name](*[x.astype(np.float64) for x in inputs])
    if name == "fma":  # a sum that cancels has no relative accuracy
        kept = np.abs(expected) > 0.5 * np.abs(inputs[2])
        inputs, expected = [x[kept] for x in inputs], expected[kept]
    if name in ("gamma", "gammaln", "digamma"):  # near poles and zeros the input's rounding decides
        kept = (inputs[0] > 0.1) & (np.abs(expected) > 0.05) & (inputs[0] < 1e20)
        inputs, expected = [inputs[0][kept]], expected[kept]
    dtype = COMPUTE_DTYPES[compute]
    (y,) = run(single(name, compute), [(x, dtype) for x in inputs], [(dtype, inputs[0].shape)])
    if name == "rcbrt":
        expected = np.where(inputs[0] == 0, np.copysign(np.inf, inputs[0]), expected)
    check_close(y, expected, compute)


@pytest.mark.parametrize("compute", [F32, F64])
def test_floor_divide_agrees_with_exact_quotients(compute):
    rng = np.random.default_rng(SEED)
    dtype = COMPUTE_DTYPES[compute]
    a, b = (rng.integers(-2000, 2000, 5000) / 8 for _ in range(2))
    b = np.where(b == 0, 1, b)
    (y,) = run(
        single("floor_divide", compute), [(a.astype(dtype), dtype), (b.astype(dtype), dtype)], [(dtype, a.shape)]
    )
    np.testing.assert_array_equal(y, np.floor(a / b))


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_trigonometry_of_large_angles(name):
    x = np.array([1e7, -3e10, 1e30, 3.4e38, 2.0**27, 1.0], np.float32)
    (y,) = run(single(name, F32), [(x, "float32")], [("float32", x.shape)])
    np.testing.assert_allclose(y, FLOAT_ORACLES[name](x.astype(np.float64)), rtol=3e-7)


def test_poles_of_the_gamma_functions():
    x = np.array([0.0, -1.0, -2.0, np.nan, np.inf, 40.0])
    (gamma,) = run(single("gamma", F64), [(x, "float64")], [("float64", x.shape)])
    (gammaln,) = run(single("gammaln", F64), [(x, "float64")], [("float64", x.shape)])
    (digamma,) = run(single("digamma", F64), [(x, "float64")], [("float64", x.shape)])
    np.testing.assert_allclose(gamma, [np.inf, np.nan, np.nan, np.nan, np.inf, special.gamma(40)], rtol=1e-14)
    np.testing.assert_allclose(gammaln, [np.inf, np.inf, np.inf, np.nan, np.inf, special.gammaln(40)], rtol=1e-14)
    np.testing.assert_allclose(digamma, [np.nan, np.nan, np.nan, np.nan, np.inf, special.digamma(40)], rtol=1e-14)


def truncated(a, b):
    return 0 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def integer_power(a, b):
    if b < 0:
        return {1: 1, -1: -1 if b % 2 else 1}.get(a, 0)
    return pow(a, b, 1 << 64)  # wraps


INT_ORACLES = {
    "copy": lambda a: a, "cast": lambda a: a, "add": lambda a, b: a + b, "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b, "div": truncated, "mod": lambda a, b: a % b if b else 0, "power": integer_power,
    "maximum": max, "minimum": min, "equal": lambda a, b: a == b, "not_equal": lambda a, b: a != b,
    "lesser": lambda a, b: a < b, "lesser_equal": lambda a, b: a <= b, "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b, "logical_and": lambda a, b: a != 0 and b != 0,
    "logical_or": lambda a, b: a != 0 or b != 0, "logical_xor": lambda a, b: (a != 0) != (b != 0),
    "logical_not": lambda a: a == 0, "negative": lambda a: -a, "abs": abs, "sign": lambda a: (a > 0) - (a < 0),
    "round": lambda a: a, "rint": lambda a: a, "ceil": lambda a: a, "floor": lambda a: a, "trunc": lambda a: a,
    "square": lambda a: a * a, "relu": lambda a: max(a, 0), "reciprocal": lambda a: a if abs(a) == 1 else 0,
    "where": lambda a, b, c: b if a else c, "bitwise_and": lambda a, b: a & b, "bitwise_or": lambda a, b: a | b,
    "bitwise_xor": lambda a, b: a ^ b, "bitwise_not": lambda a: ~a, "fma": lambda a, b, c: a * b + c,
    "floor_divide": lambda a, b: a // b if b else 0, "fmod": lambda a, b: a - truncated(a, b) * b if b else 0,
}  # fmt: skip


@pytest.mark.parametrize("compute", [I32, I64])
@pytest.mark.parametrize("name", sorted(INT_ORACLES))
def test_integer_opcode(name, compute):
    dtype = COMPUTE_DTYPES[compute]
    info = np.iinfo(dtype)
    values = [info.min, info.min + 1, -100, -7, -3, -2, -1, 0, 1, 2, 3, 5, 64, 1000, info.max - 1, info.max]
    grid = list(itertools.product(values, repeat=OPCODES[name][1]))
    inputs = [np.array(column, dtype) for column in zip(*grid, strict=True)]
    (y,) = run(single(name, compute), [(x, dtype) for x in inputs], [(dtype, inputs[0].shape)])
    wrap = 1 << info.bits
    expected = [(int(INT_ORACLES[name](*row)) - info.min) % wrap + info.min for row in grid]
    np.testing.assert_array_equal(y, np.array(expected, dtype))


def test_every_opcode_is_tested_and_no_other_is_accepted():
    for name, (_, _, classes) in OPCODES.items():
        assert (name in FLOAT_ORACLES or name == "floor_divide") == (classes in "fa"), name
        assert (name in INT_ORACLES) == (classes in "ia"), name
        for compute in {"f": (I32, I64), "i": (F32, F64), "a": ()}[classes]:
            dtype = COMPUTE_DTYPES[compute]
            with pytest.raises(TypeError, match="does not work in compute type"):
                run(single(name, compute), [(np.ones(2, dtype), dtype)] * OPCODES[name][1], [(dtype, (2,))])


@pytest.mark.parametrize("compute", [F32, F64, I32, I64])
@pytest.mark.parametrize("name", [n for n, (_, operands, _) in OPCODES.items() if operands == 2])
def test_one_element_operands(name, compute):
    """A runtime scalar, a constant and a one-element input give what the expanded array gives, left and right."""
    if OPCODES[name][2] == ("i" if compute < I32 else "f"):
        return
    dtype = COMPUTE_DTYPES[compute]
    x = np.arange(-40, 41).astype(dtype) if compute >= I32 else np.linspace(-4, 4, 81).astype(dtype)
    (value,) = np.array([3], dtype)
    for step in (1, -1):  # the element on the right, then on the left

        def pair(a, b, step=step):
            return (a, b)[::step]

        arrays = pair(x, np.full_like(x, value))
        (expected,) = run(single(name, compute), [(a, dtype) for a in arrays], [(dtype, x.shape)])
        program = Program(types=[compute, compute], consts=[3.0])
        program.outs = [program.emit(name, *pair(0, 1))]
        (constant,) = run(program, [(x, dtype)], [(dtype, x.shape)])
        program.consts = []
        (scalar,) = run(program, [(x, dtype)], [(dtype, x.shape)], scalars=[3])
        (element,) = run(
            single(name, compute), [(a, dtype) for a in pair(x, np.array([[3]], dtype)[0])], [(dtype, x.shape)]
        )
        for actual in (constant, scalar, element):
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("exponent", [2.0, -1.0, 0.5, 3.0])
def test_power_by_a_scalar(exponent):
    x = np.linspace(-3, 5, 1000).astype(np.float32)
    program = Program(types=[F32, F32])
    program.outs = [program.emit("power", 0, 1)]
    with np.errstate(all="ignore"):
        expected = np.power(x.astype(np.float64), exponent)
    (y,) = run(program, [(x, "float32")], [("float32", x.shape)], scalars=[exponent])
    np.testing.assert_allclose(y, expected, rtol=3e-7)
    program.consts = [exponent]
    (y,) = run(program, [(x, "float32")], [("float32", x.shape)])
    np.testing.assert_allclose(y, expected, rtol=3e-7)


SHAPES = [
    [(), ()], [(1,), (1, 1)], [(0,), (1,)], [(0, 3), (3,)], [(5,), (5,)], [(7, 5), (5,)], [(7, 5), (7, 1)],
    [(7, 1), (1, 5)], [(3000, 3), (3,)], [(3000, 3), (3000, 1)], [(3, 3000), (3000,)], [(2, 5000), (5000,)],
    [(2, 3, 40, 41), (1, 3, 1, 1)], [(2, 3, 4, 5), (3, 1, 5)], [(9, 1, 8, 1), (1, 7, 1, 6)],
    [(2, 1, 2, 1, 2, 1, 2, 3), (1, 3, 1, 2, 1, 2, 1, 1)], [(4, 2049), (1, 2049)], [(100, 30, 1), (100, 1, 30)],
]  # fmt: skip


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "int64"])
def test_broadcasting(shapes, dtype):
    rng = np.random.default_rng(SEED)
    a, b = (np.asarray(rng.integers(-20, 20, s), dtype) for s in shapes)
    expected = a + b
    (y,) = run(single("add", natural(dtype)), [(a, dtype), (b, dtype)], [(dtype, expected.shape)])
    np.testing.assert_array_equal(y, expected)
    (y,) = run(single("sub", natural(dtype)), [(unaligned(b), dtype), (unaligned(a), dtype)], [(dtype, expected.shape)])
    np.testing.assert_array_equal(y, b - a)


@pytest.mark.parametrize("to", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [0, 1, 100, 5000])
def test_conversion(dtype, to, size):
    rng = np.random.default_rng(SEED)
    x = stored(rng.integers(0, 2, size) if dtype == "bool" else rng.uniform(0, 120, size), dtype)
    program = Program(types=[natural(dtype)])
    program.outs = [program.emit("cast", 0, result=natural(to))]
    with np.errstate(all="ignore"):
        values = exact(x, dtype)
        if to == "float16":  # computed in float32, so float64 is rounded twice
            values = values.astype(np.float32)
        expected = stored(np.trunc(values) if to not in (*FLOATS, "bool") else values, to)
    programs = [program, Program(types=[natural(dtype)], outs=[0])]
    if to == "bool":  # a cast to int32 on the way would turn 0.3 into false
        programs = programs[1:]
    for each in programs:
        (y,) = run(each, [(x, dtype)], [(to, x.shape)])
        np.testing.assert_array_equal(y, expected)


def test_rounding_to_sixteen_bits():
    """All float16 and bfloat16 values survive; float32 values round to nearest even, also into denormals and inf."""
    rng = np.random.default_rng(SEED)
    every = np.arange(65536, dtype=np.uint16)
    halves = every.view(np.float16)
    (up,) = run(Program(types=[F32], outs=[0]), [(halves, "float16")], [("float32", halves.shape)])
    np.testing.assert_array_equal(up, halves.astype(np.float32))
    anything = rng.integers(0, 2**32, 200000, dtype=np.uint32).view(np.float32)
    halfway = up[np.isfinite(up)] * np.float32(1 + 2.0**-11)
    x = np.concatenate([up, anything, halfway, np.array([65519.0, 65520.0, 6e-8], np.float32)])
    (down,) = run(Program(types=[F32], outs=[0]), [(x, "float32")], [("float16", x.shape)])
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_array_equal(down, x.astype(np.float16))
    (up,) = run(Program(types=[F32], outs=[0]), [(every, "bfloat16")], [("float32", every.shape)])
    np.testing.assert_array_equal(up, (every.astype(np.uint32) << 16).view(np.float32))
    (down,) = run(Program(types=[F32], outs=[0]), [(up, "float32")], [("bfloat16", every.shape)])
    np.testing.assert_array_equal(down[~np.isnan(up)], every[~np.isnan(up)])
    (nan,) = run(
        Program(types=[F32], outs=[0]), [(down[np.isnan(up)], "bfloat16")], [("float32", (np.isnan(up).sum(),))]
    )
    assert np.isnan(nan).all()


def test_narrow_integers_wrap_and_bool_is_nonzero():
    x = np.array([-300, -1, 0, 1, 255, 256, 300, 2**31 - 1], np.int32)
    for to in ("uint8", "int8"):
        (y,) = run(Program(types=[I32], outs=[0]), [(x, "int32")], [(to, x.shape)])
        np.testing.assert_array_equal(y, x.astype(to))
    f = np.array([0.0, -0.0, 0.1, np.nan, -3.0, 300.7], np.float32)
    (y,) = run(Program(types=[F32], outs=[0]), [(f, "float32")], [("bool", f.shape)])
    np.testing.assert_array_equal(y, [False, False, True, True, True, True])
    (y,) = run(Program(types=[F32], outs=[0]), [(f[5:], "float32")], [("uint8", (1,))])
    assert y[0] == 300 - 256
    foreign = np.array([0, 1, 2, 255], np.uint8).view(np.bool_)
    (y,) = run(Program(types=[I32], outs=[0]), [(foreign, "bool")], [("int32", (4,))])
    np.testing.assert_array_equal(y, [0, 1, 1, 1])


def test_fill_without_inputs():
    for dtype in DTYPES:
        program = Program(types=[natural(dtype)], outs=[0], consts=[1.0])
        for shape in ((), (0,), (3, 5), (70000,)):
            (y,) = run(program, [], [(dtype, shape)])
            np.testing.assert_array_equal(y, stored(np.ones(shape), dtype))
    (y,) = run(Program(types=[I64], outs=[0]), [], [("int64", (3,))], scalars=[2**62 + 1])
    np.testing.assert_array_equal(y, [2**62 + 1] * 3)


class NumpyProgram:
    """A random program over integers in float64, exact in every type, with its value in NumPy."""

    OPERATIONS = (("add", np.add), ("sub", np.subtract), ("maximum", np.maximum), ("minimum", np.minimum))

    def __init__(self, rng, shape, arrays, dtypes, n_scalars, n_outputs):
        self.scalars = [int(v) for v in rng.integers(-5, 5, n_scalars)]
        consts = [float(v) for v in rng.integers(-5, 5, rng.integers(0, 3))]
        values = [np.asarray(a, np.float64) for a in arrays] + [np.float64(v) for v in [*consts, *self.scalars]]
        types = [natural(d) for d in dtypes] + [int(t) for t in rng.integers(0, 4, len(consts) + n_scalars)]
        self.program = Program(types=types, consts=consts)
        for _ in range(rng.integers(1, 12)):
            compute = int(rng.choice([F32, F64, I32, I64]))
            operands = [self.cast(values, int(o), compute) for o in rng.integers(0, len(values), 2)]
            name, function = self.OPERATIONS[rng.integers(0, 4)]
            self.program.emit(name, *operands)
            values.append(function(values[operands[0]], values[operands[1]]))
        self.program.outs = [int(o) for o in rng.integers(0, len(values), n_outputs)]
        self.expected = [values[o] for o in self.program.outs]
        # An output that is an input as it stands: stored after another output may have overwritten it.
        plain = [i for i, a in enumerate(arrays) if a.shape == shape and dtypes[i] in COMPUTE_DTYPES]
        self.copies_an_input = any(o in plain for o in self.program.outs)

    def cast(self, values, operand, compute):
        if self.program.types[operand] == compute:
            return operand
        values.append(values[operand])
        return self.program.emit("cast", operand, result=compute)


@pytest.mark.parametrize("seed", range(150))
def test_random_programs(seed):
    """Slots, direct writes, several outputs, all types, broadcast inputs, and outputs in the memory of inputs."""
    rng = np.random.default_rng(seed)
    shape = [(4,), (3, 700), (5000,), (2, 3, 5), (50, 60)][seed % 5]
    dtypes = [
        str(d) for d in rng.choice(["float32", "float64", "float16", "int32", "int64", "int8"], rng.integers(1, 5))
    ]
    arrays = []
    for dtype in dtypes:
        kept = tuple(int(d) if rng.random() < 0.8 else 1 for d in shape)
        arrays.append(rng.integers(-5, 5, kept if rng.random() < 0.4 else shape).astype(dtype))
    n_outputs = int(rng.integers(1, 4))
    case = NumpyProgram(rng, shape, arrays, dtypes, int(rng.integers(0, 3)), n_outputs)
    out_dtypes = [str(d) for d in rng.choice(["float32", "float64", "int32", "int64"], n_outputs)]
    outputs = [(d, shape) for d in out_dtypes]
    inputs = list(zip(arrays, dtypes, strict=True))
    expected = [np.broadcast_to(e, shape).astype(d) for e, d in zip(case.expected, out_dtypes, strict=True)]
    for actual, wanted in zip(run(case.program, inputs, outputs, scalars=case.scalars), expected, strict=True):
        np.testing.assert_array_equal(actual, wanted)
    for output, (array, dtype) in itertools.product(range(n_outputs), inputs):
        if array.shape != shape or array.itemsize != np.dtype(out_dtypes[output]).itemsize:
            continue
        which = next(i for i, (a, _) in enumerate(inputs) if a is array)
        if case.copies_an_input and n_outputs > 1:
            with pytest.raises(ValueError, match="does not allow this in-place"):
                run(case.program, inputs, outputs, scalars=case.scalars, inplace={output: which})
            continue
        results = run(case.program, inputs, outputs, scalars=case.scalars, inplace={output: which})
        for actual, wanted in zip(results, expected, strict=True):
            np.testing.assert_array_equal(actual, wanted, err_msg=f"output {output} in input {which}, {dtype}")


def test_one_instruction_may_work_in_place():
    x = np.arange(5000, dtype=np.float32)
    for name in ("sin", "exp", "power"):
        operands = OPCODES[name][1]
        inputs = [(x / 1000, "float32"), (np.ones_like(x), "float32")][:operands]
        (fresh,) = run(single(name, F32), inputs, [("float32", x.shape)])
        (same,) = run(single(name, F32), inputs, [("float32", x.shape)], inplace={0: 0})
        np.testing.assert_array_equal(same, fresh)


def test_results_do_not_depend_on_the_number_of_threads():
    kernels = _native.kernels()
    rng = np.random.default_rng(SEED)
    a, b = rng.standard_normal((700, 1000), np.float32), rng.standard_normal((700, 1), np.float32)
    program = Program(types=[F32, F32])
    program.outs = [program.emit("tanh", program.emit("mul", 0, 1))]
    results = []
    try:
        for threads in (1, 2, 3):
            kernels.set_num_threads(threads)
            results += run(program, [(a, "float32"), (b, "float32")], [("float32", a.shape)])
    finally:
        kernels.set_num_threads(2)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"code": [200, 0, 1, 0, 0, 0]}, TypeError, "unknown pointwise opcode 200"),
        ({"code": [2, 0, 1]}, RuntimeError, "truncated code"),
        ({"code": [2, 0, 0, 0, 0, 0]}, RuntimeError, "destination must be a temporary"),
        ({"code": [2, 0, 1, 0, 9, 0]}, RuntimeError, "operand out of range"),
        ({"outs": [7]}, RuntimeError, "an output names no operand"),
        ({"types": [0]}, RuntimeError, "types must name every operand"),
    ],
)
def test_malformed_programs_are_refused(change, error, text):
    params = {"code": [2, 0, 1, 0, 0, 0], "consts": [], "outs": [1], "types": [0, 0], "n_temp": 1} | change
    with pytest.raises(error, match=text):
        _native.kernels().prepare_and_run("_pointwise", [np.ones(3, np.float32)], [("float32", (3,))], params)
