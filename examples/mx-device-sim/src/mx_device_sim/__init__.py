"""Simulated gpu devices on host memory: MX_SIM_GPUS=n makes mx.gpu(0) .. mx.gpu(n-1)."""

from __future__ import annotations

__version__ = "0.1.0"
