"""``mx.contrib.svrg_optimization``: stochastic gradient descent whose gradients vary less."""

from __future__ import annotations

from .svrg_module import SVRGModule

__all__ = ["SVRGModule"]
