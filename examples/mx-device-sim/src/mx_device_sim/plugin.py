"""What this package brings to MX: a device "gpu" when the environment variable MX_SIM_GPUS is a number above 0."""

from __future__ import annotations

import os
from typing import Any

from mx_core import plugin
from mx_core.plugin import hookimpl

# Kernels that this device does not have, on purpose. Operators with a composition run by it, those without are
# refused: both roads are part of what this package tests.
WITHOUT = ("softmax", "log_softmax", "_shuffle")


def is_on() -> bool:
    """Whether any simulated device is asked for."""
    return os.environ.get("MX_SIM_GPUS", "0").strip() not in ("", "0")


@hookimpl
def mx_devices() -> list[Any] | None:
    """The device gpu, or nothing: a real device package may then serve it."""
    if not is_on():
        return None
    from mx_device_sim import _sim

    return [_sim.device()]


@hookimpl
def mx_kernels(device: str) -> list[Any] | None:
    """For gpu, the kernels of all packages that serve cpu, wrapped."""
    if device != "gpu" or not is_on():
        return None
    from mx_device_sim import _sim

    cpu_tables = [table for _, tables in plugin.ask("mx_kernels", device="cpu") for table in tables]
    return [_sim.kernel_table(cpu_tables, list(WITHOUT))]
