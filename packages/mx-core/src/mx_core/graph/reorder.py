"""The order in which a symbol graph's nodes are called: a maximum is taken before a rising function, not after it.

``max(tanh(x))`` over windows is ``tanh(max(x))``, on a quarter of the elements where windows are 2 x 2; so is its gradient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..symbol.node import Entry, SymbolNode

__all__ = ["ordered_calls"]

_RISING = frozenset(("Activation", "relu", "sigmoid", "tanh", "softsign"))

# node whose operator is called, the entries it takes, the entries that its outputs are known as
NodeCall = tuple["SymbolNode", Sequence["Entry | None"], Sequence["Entry"]]


def ordered_calls(nodes: Sequence[SymbolNode], outputs: Sequence[Entry]) -> Iterator[NodeCall]:
    """The calls that compute outputs. nodes: without variables, in running order."""
    pools = {pool.inputs[0][0]: pool for pool in nodes if _takes_maxima(pool) and pool.inputs[0] is not None}
    uses = Counter(entry[0] for node in nodes for entry in node.inputs if entry is not None) if pools else Counter()
    kept = {node for node, _ in outputs}
    late = {
        node: pool
        for node, pool in pools.items()
        if node.op is not None and node.op.name in _RISING and uses[node] == 1 and node not in kept
    }
    inside = set(nodes) if late else set()
    early = {pool: node for node, pool in late.items() if node in inside}
    for node in nodes:
        if node in late and node in inside:
            continue
        activation = early.get(node)
        if activation is None:
            yield node, node.inputs, [(node, i) for i in range(node.count_outputs())]
        else:
            yield node, activation.inputs, [(activation, 0)]
            yield activation, [(activation, 0)], [(node, 0)]


def _takes_maxima(node: SymbolNode) -> bool:
    """Whether a node is a pooling of maxima none of whose windows can be empty."""
    if node.op is None or node.op.name != "Pooling":
        return False
    params = node.params
    return params["pool_type"] == "max" and params["pooling_convention"] == "valid" and not any(params["pad"])
