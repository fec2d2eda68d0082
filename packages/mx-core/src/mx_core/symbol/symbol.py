"""The class Symbol: outputs of a graph of operators that runs when it is bound to arrays."""

from __future__ import annotations

from .node import Entry

__all__ = ["Symbol"]


class Symbol:
    """Outputs of a graph of operators.

    _outputs: the entries ``(node, output number)`` that the symbol stands for.
    """

    __slots__ = ("__weakref__", "_outputs")

    def __init__(self, outputs: tuple[Entry, ...]) -> None:
        self._outputs = outputs
