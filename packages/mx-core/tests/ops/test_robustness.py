"""Random calls of all operators: each ends in arrays or in an MXNetError that names the operator, never in a crash."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

from mx_core import autograd
from mx_core.errors import MXNetError
from mx_core.op import registered_ops
from mx_core.registry import find_op

SHAPES = [
    (),
    (0,),
    (1,),
    (3,),
    (2, 3),
    (0, 3),
    (3, 0),
    (2, 3, 4),
    (1, 2, 5, 5),
    (2, 0, 4, 4),
    (2, 2, 3, 4, 5),
    (1,) * 9,
]
DTYPES = ["float32"] * 4 + ["float64", "float16", "int32", "uint8", "int64", "bool", "int8"]
# Parameters that say how much to make: a large one is a wish for much memory, not an error.
AMOUNTS = frozenset(
    "num_hidden num_filter depth input_dim output_dim N M repeats num start stop repeat block_size k shape reps".split()
)


def value_of(kind, name, rng):
    if kind.kind == "int":
        return rng.choice([0, 1, 2, 3, -1, -2, 5, -7] + ([] if name in AMOUNTS else [2**31]))
    if kind.kind == "str":
        return rng.choice(re.findall(r"'([^']+)'", kind.name) or ["x"])
    return {
        "float": lambda: rng.choice([0.0, 1.0, -1.0, 0.5, 3.0] + ([] if name in AMOUNTS else [1e30])),
        "bool": lambda: rng.choice([True, False]),
        "ints": lambda: tuple(rng.choice([0, 1, 2, 3, -1, -2, 4]) for _ in range(rng.randint(0, 4))),
        "floats": lambda: tuple(rng.choice([0.0, 0.1, 1.0]) for _ in range(rng.randint(0, 3))),
        "dtype": lambda: rng.choice(["float32", "float16", "int32", "float64", "bool"]),
    }[kind.kind]()


def random_call(opdef, rng, numbers):
    """(inputs as NumPy arrays, parameters) of a call that is right only by chance."""
    names = dict(zip(opdef.param_names, zip(opdef.param_types, opdef.param_defaults, strict=True), strict=True))
    names.update(zip(opdef.runtime_names, zip(opdef.runtime_types, opdef.runtime_defaults, strict=True), strict=True))
    params = {
        name: value_of(kind, name, rng)
        for name, (kind, default) in names.items()
        if repr(default) == "<required>" or default is None or rng.random() < 0.3
    }
    shape, dtype = rng.choice(SHAPES), rng.choice(DTYPES)
    count = rng.randint(1, 3) if opdef.variadic else rng.randint(opdef.n_required, len(opdef.input_names))
    inputs = []
    for _ in range(count):
        size = shape if rng.random() < 0.6 else rng.choice(SHAPES)
        inputs.append(
            np.asarray(numbers.integers(-3, 6, size)).astype(dtype if rng.random() < 0.85 else rng.choice(DTYPES))
        )
    return inputs, params


@pytest.mark.parametrize("seed", range(4))
def test_every_call_ends_in_arrays_or_in_an_error_that_names_the_operator(seed):
    import mxnet as mx

    find_op("relu")
    everything = {opdef.name: opdef for opdef in registered_ops().values() if opdef.plugin == "mx-core"}
    # What begins with an underscore is called by bodies and by the library, with complete parameters.
    operators = [
        opdef for _, opdef in sorted(everything.items()) if any(name[0] != "_" for name in (opdef.name, *opdef.aliases))
    ]
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    worked = 0
    for _ in range(600):
        opdef = rng.choice(operators)
        values, params = random_call(opdef, rng, numbers)
        label = f"{opdef.name} {[(v.shape, str(v.dtype)) for v in values]} {params}"
        recording = rng.random() < 0.5
        try:
            inputs = [mx.nd.array(value, dtype=value.dtype) for value in values]
            for array in inputs if recording else ():
                array.attach_grad()
            with autograd.record() if recording else autograd.pause():
                outputs = opdef.make_callable()(*inputs, **params)
            outputs = outputs if isinstance(outputs, list) else [outputs]
            for out in outputs:
                out.asnumpy()
            if recording:
                outputs[0].backward()
            worked += 1
        except MXNetError as error:
            assert re.match(r"\[\w+\] |.* bytes|shape ", str(error)), f"{label}: {error}"
        except Exception as error:
            msg = f"{label}: {error!r}"
            raise AssertionError(msg) from error
    assert worked > 100
