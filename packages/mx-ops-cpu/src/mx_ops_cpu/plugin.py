"""What this package answers to mx-core: the device cpu and its kernels."""

from __future__ import annotations

from typing import Any

import pluggy

from mx_ops_cpu import _native

hookimpl = pluggy.HookimplMarker("mxnet")


@hookimpl
def mx_devices() -> list[Any]:
    """The device cpu, as a capsule of an mx_device."""
    return [_native.kernels().device()]


@hookimpl
def mx_kernels(device: str) -> list[Any] | None:
    """The kernel table for device "cpu", as a capsule of an mx_kernel_table; None for any other device."""
    if device != "cpu":
        return None
    return [_native.kernels().kernel_table()]
