"""Calling one kernel on NumPy arrays: what the kernel tests share."""

from __future__ import annotations

from typing import Any

import numpy as np

from mx_ops_cpu import _native

FLOATS = ("float32", "float64", "float16", "bfloat16")
DTYPES = (*FLOATS, "uint8", "int8", "int32", "int64", "bool")
TOLERANCE = {"float64": 1e-12, "float32": 2e-6, "float16": 2e-3, "bfloat16": 1.6e-2}


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """The bits of float32 values rounded to bfloat16 (nearest, ties to even), as uint16."""
    bits = np.array(values, np.float32, order="C").view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """The float32 values of bfloat16 bits."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def stored(values: Any, dtype: str) -> np.ndarray:
    """values as the array a kernel reads for that dtype; bfloat16 travels as uint16."""
    values = np.asarray(values)
    return np.asarray(to_bfloat16(values)) if dtype == "bfloat16" else np.array(values, dtype=dtype, order="C")


def exact(array: np.ndarray, dtype: str) -> np.ndarray:
    """What a stored array holds, in float64 for floats and unchanged for the rest."""
    if dtype == "bfloat16":
        return from_bfloat16(array).astype(np.float64)
    return array.astype(np.float64) if dtype in FLOATS else array


def unaligned(array: np.ndarray) -> np.ndarray:
    """A copy that starts one element after an allocation's start: aligned to its element only."""
    block = np.empty(array.size + 1, array.dtype)
    view = block[1:].reshape(array.shape)
    view[...] = array
    return view


def call(
    op: str,
    inputs: list[tuple[np.ndarray, str]],
    outputs: list[tuple[str, tuple[int, ...]]],
    inplace: dict[int, int] | None = None,
    **params: Any,
) -> list[np.ndarray]:
    """Runs kernel `op` on (array, dtype) inputs and returns its outputs as stored arrays."""
    kernels = _native.kernels()
    return kernels.prepare_and_run(
        op, [np.asarray(a) for a, _ in inputs], outputs, params, in_dtypes=[d for _, d in inputs], inplace=inplace or {}
    )


def check(actual: np.ndarray, dtype: str, expected: np.ndarray, factor: float = 1.0) -> None:
    """Asserts shape and values; floats within `factor` times the dtype's tolerance of the largest value."""
    assert actual.shape == np.shape(expected)
    if dtype not in FLOATS:
        np.testing.assert_array_equal(actual, expected)
        return
    expected = np.asarray(expected, np.float64)
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    np.testing.assert_allclose(
        exact(actual, dtype), expected, rtol=TOLERANCE[dtype] * factor, atol=TOLERANCE[dtype] * factor * scale
    )
