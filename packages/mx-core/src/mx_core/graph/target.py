"""The device that a plan is made for: which kernels it has, and kernels made ready for one call."""

from __future__ import annotations

from typing import Any

from ..dtypes import name_of, numpy_of
from ..errors import MXNetError, OpNotAvailable
from .call import Call, kernel_params
from .node import Node, Scalar, Value

__all__ = ["Target"]

_DEVICE_NAMES = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared"}
# (device type, kernel name) of kernels that the device is known to lack; forgotten when a package registers kernels.
_absent: set[tuple[int, str]] = set()


class Target:
    """One device."""

    __slots__ = ("core", "device_id", "device_type")

    def __init__(self, core: Any, device_type: int, device_id: int) -> None:
        self.core = core
        self.device_type = device_type
        self.device_id = device_id

    def __str__(self) -> str:
        return f"{_DEVICE_NAMES.get(self.device_type, self.device_type)}({self.device_id})"

    @staticmethod
    def forget_absent() -> None:
        """Look for every kernel again: a package has registered new ones."""
        _absent.clear()

    def has_kernel(self, opdef: Any) -> bool:
        """False when the device surely has no kernel of the composition's name; "" is the name of no kernel."""
        return opdef.opcode is not None or (opdef.kernel != "" and (self.device_type, opdef.kernel) not in _absent)

    def prepare(
        self, kernel: str, in_types: list[Any], out_types: list[Any], params: dict[str, Any], n_scalars: int
    ) -> Any:
        """The prepared kernel; the reason as a str when no kernel serves these types, "" when there is none at all."""
        made = self.core.prepare(kernel, self.device_type, self.device_id, in_types, out_types, params, n_scalars)
        if made is None:
            _absent.add((self.device_type, kernel))
            return ""
        return made

    def constant(self, value: Value, number: float) -> Any:
        """An array of value's type on the device, filled with number."""
        import numpy as np

        filled = np.full(value.shape, number, numpy_of(value.dtype))
        return self.core._from_numpy(filled, self.device_type, self.device_id, value.dtype)

    def prepare_node(self, node: Node) -> Any:
        """As prepare, of a node's own kernel."""
        inputs = [value for value in node.inputs if value is not None]
        call = Call(node.op.kernel, inputs, node.outputs, kernel_params(node), node.scalars, (node,))
        return self._try(call)

    def prepare_call(self, call: Call) -> None:
        """Make the call's kernel ready; raises OpNotAvailable."""
        if call.prepared is not None:
            return
        made = self._try(call)
        if isinstance(made, str):
            raise OpNotAvailable(self._explain(call, made))
        call.prepared = made

    def _try(self, call: Call) -> Any:
        in_types = [(value.dtype, value.shape) for value in call.inputs]
        out_types = [(value.dtype, value.shape) for value in call.outputs]
        for scalar in call.scalars:
            if isinstance(scalar, Scalar) and scalar.key[0] != "scalar":
                msg = f"[{call.kernel}] its runtime parameter must be given as it is or as a number, not computed: {scalar}"
                raise MXNetError(msg)
        return self.prepare(call.kernel, in_types, out_types, call.params, len(call.scalars))

    def _explain(self, call: Call, reason: str) -> str:
        names = " + ".join(dict.fromkeys(node.op.name.lstrip("_") for node in call.nodes)) or call.kernel
        types = ", ".join(f"{name_of(value.dtype)}{value.shape}" for value in call.inputs)
        if reason:
            cure = "Cast or reshape the input, or install another kernel package."
            return f"[{names}] no kernel for {self}, {types}: {reason}. {cure}"
        device = _DEVICE_NAMES.get(self.device_type, str(self.device_type))
        listed: list[str] = self.core.kernel_names(device)
        if not listed:
            return f"[{names}] no kernel package for {self}. pip install mx-ops-{'cuda' if self.device_type == 2 else 'cpu'}"
        import difflib

        near = difflib.get_close_matches(call.kernel, listed, 4, 0.3) or listed[:4]
        return (
            f"[{names}] no kernel {call.kernel!r} for {self}, and no composition. {device} has {len(listed)} kernels, "
            f"such as {', '.join(near)}. Install a package with this kernel, or run it on another device."
        )
