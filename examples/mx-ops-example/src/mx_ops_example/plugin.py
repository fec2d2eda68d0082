"""What this package brings to MX; pyproject.toml names this module in the entry-point group `mxnet`."""

from __future__ import annotations

from typing import Any

from mx_core.plugin import hookimpl


@hookimpl
def mx_ops() -> list[Any]:
    """The operators: importing the module defines them."""
    from mx_ops_example import operators

    return [operators]


@hookimpl
def mx_kernels(device: str) -> list[Any] | None:
    """The compiled kernel of `ema`, for the device cpu."""
    if device != "cpu":
        return None
    from mx_ops_example import _kernels

    return [_kernels.kernel_table()]


@hookimpl
def mx_op_cases() -> list[Any]:
    """The rows of the operator suite that test the two operators."""
    from mx_ops_example import cases

    return cases.CASES
