"""On which device each node of a graph runs: groups of nodes (``ctx_group``) go where ``group2ctx`` says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..context import Context

if TYPE_CHECKING:
    from ..symbol.node import SymbolNode
    from ..symbol.symbol import Symbol

__all__ = ["group_of", "placement"]


def group_of(node: SymbolNode) -> str | None:
    """The ``ctx_group`` of a node."""
    return node.attrs.get("__ctx_group__") or node.attrs.get("ctx_group")


def placement(symbol: Symbol, ctx: Context, group2ctx: Mapping[str, Context]) -> Callable[[SymbolNode], Context]:
    """A function from node to device. A node without a group runs where its first placed input does, else on ctx."""
    from ..symbol.node import topological

    placed: dict[SymbolNode, Context] = {}
    for node in topological(symbol._outputs):
        group = group_of(node)
        if group is not None and group in group2ctx:
            placed[node] = group2ctx[group]
        elif node.op is not None:
            known = [placed[entry[0]] for entry in node.inputs if entry is not None and entry[0] in placed]
            if known:
                placed[node] = known[0]
    return lambda node: placed.get(node, ctx)
