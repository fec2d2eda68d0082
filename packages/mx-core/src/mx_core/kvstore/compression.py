"""Gradient compression: gradients rounded to two bits, with what was lost added to the next one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ParameterError

__all__ = ["TwoBit"]


class TwoBit:
    """Rounds to -threshold, 0 or threshold, as MXNet's "2bit"; the remainder of each device's array is kept.

    The sum of gradient and remainder becomes threshold where it is at least that, -threshold where it is at most
    that, else 0.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        if not threshold > 0:
            msg = f"[gradient compression] threshold must be greater than 0, got {threshold}"
            raise ParameterError(msg)
        self.threshold = float(threshold)
        self._remainders: dict[Any, Any] = {}

    @staticmethod
    def from_params(params: Mapping[str, Any]) -> TwoBit | None:
        """What ``set_gradient_compression`` was given: {"type": "2bit", "threshold": 0.5}; None for type "none"."""
        unknown = sorted(set(params) - {"type", "threshold"})
        if "type" not in params or unknown:
            msg = f"[gradient compression] takes type ('2bit' or 'none') and threshold, got {dict(params)}"
            raise ParameterError(msg)
        if params["type"] == "none":
            return None
        if params["type"] != "2bit":
            msg = f"[gradient compression] Unknown type for gradient compression {params['type']}; use '2bit' or 'none'"
            raise ParameterError(msg)
        return TwoBit(float(params.get("threshold", 0.5)))

    def __call__(self, key: Any, device: int, gradient: Any) -> Any:
        """The rounded gradient of the device of this number, to be pushed to ``key``."""
        before = self._remainders.get((key, device))
        total = gradient if before is None else before + gradient
        rounded = ((total >= self.threshold) - (total <= -self.threshold)) * self.threshold
        self._remainders[key, device] = total - rounded
        return rounded
