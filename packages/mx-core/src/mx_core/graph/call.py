"""Kernel calls: what fusion makes of nodes, and what memory placement and the target work on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .node import Node, Value

__all__ = ["Call", "kernel_params"]


class Call:
    """One kernel call to be prepared: names values, not memory. nodes: what it computes, for explain()."""

    __slots__ = ("inputs", "kernel", "nodes", "outputs", "params", "prepared", "scalars")

    def __init__(
        self,
        kernel: str,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        params: dict[str, Any],
        scalars: Sequence[Any] = (),
        nodes: Sequence[Node] = (),
        prepared: Any = None,
    ) -> None:
        self.kernel = kernel
        self.inputs = inputs
        self.outputs = outputs
        self.params = params
        self.scalars = scalars
        self.nodes = nodes
        self.prepared = prepared


def kernel_params(node: Node) -> dict[str, Any]:
    """The parameters that a node's own kernel sees: the operator's, or what its lower rule makes of them."""
    opdef = node.op
    params = node.params
    if opdef.lower_rule is None:
        return params
    accepted = opdef.lower_params
    if accepted is not None and len(accepted) != len(params):
        params = {name: params[name] for name in accepted if name in params}
    in_types = [(value.dtype, value.shape) for value in node.inputs if value is not None]
    out_types = [(value.dtype, value.shape) for value in node.outputs]
    return opdef.lower_rule(in_types, out_types, **params)  # type: ignore[no-any-return]
