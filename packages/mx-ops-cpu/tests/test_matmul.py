"""_matmul against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_call import FLOATS, call, check, exact, stored, unaligned

SEED = 3
SIZES = [
    (1, 1, 1),
    (2, 3, 4),
    (1, 784, 128),
    (784, 1, 5),
    (5, 7, 1),
    (100, 784, 128),
    (64, 33, 40),
    (17, 65, 130),
    (0, 3, 4),
    (3, 0, 4),
    (3, 4, 0),
    (0, 0, 0),
    (300, 64, 64),
]


def product(dtype, m, k, n, transpose_a, transpose_b, batch=None, bias=False):
    """The kernel's result and NumPy's, for random operands."""
    rng = np.random.default_rng(SEED)
    lead = () if batch is None else (batch,)
    a = stored(rng.normal(size=(*lead, *((k, m) if transpose_a else (m, k)))), dtype)
    b = stored(rng.normal(size=(*lead, *((n, k) if transpose_b else (k, n)))), dtype)
    inputs = [(unaligned(a), dtype), (unaligned(b), dtype)]
    wide_a, wide_b = exact(a, dtype), exact(b, dtype)
    expected = (wide_a.swapaxes(-1, -2) if transpose_a else wide_a) @ (
        wide_b.swapaxes(-1, -2) if transpose_b else wide_b
    )
    if bias:
        given = stored(rng.normal(size=n), dtype)
        inputs.append((given, dtype))
        expected = expected + exact(given, dtype)
    (c,) = call("_matmul", inputs, [(dtype, expected.shape)], transpose_a=transpose_a, transpose_b=transpose_b)
    return c, expected


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("m", "k", "n"), SIZES)
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_matrix_product(dtype, m, k, n, transpose_a, transpose_b, bias):
    c, expected = product(dtype, m, k, n, transpose_a, transpose_b, bias=bias)
    check(c, dtype, expected)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("m", "k", "n"), [(2, 3, 4), (16, 16, 16), (3, 0, 4), (40, 64, 64)])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("batch", [0, 1, 5, 200])
def test_batch_of_products(dtype, m, k, n, transpose_a, transpose_b, batch):
    c, expected = product(dtype, m, k, n, transpose_a, transpose_b, batch=batch)
    check(c, dtype, expected)


def test_large_product_on_several_threads():
    c, expected = product("float32", 700, 500, 600, False, True)
    check(c, "float32", expected)


def test_no_product_of_integers():
    x = np.ones((2, 2), np.int32)
    with pytest.raises(TypeError, match="only float32, float64, float16 and bfloat16"):
        call("_matmul", [(x, "int32"), (x, "int32")], [("int32", (2, 2))])


def test_mismatched_shapes_are_refused():
    x = np.ones((2, 3), np.float32)
    with pytest.raises(RuntimeError, match="shapes of the matrices do not fit"):
        call("_matmul", [(x, "float32"), (x, "float32")], [("float32", (2, 3))])
