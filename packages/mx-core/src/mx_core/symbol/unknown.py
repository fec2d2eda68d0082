"""Operators that a symbol file names and no installed package defines: their nodes can be kept, not run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import OpNotAvailable
from ..op.definition import OpDef
from ..op.params import ParamType
from ..op.schema import Tensor

if TYPE_CHECKING:
    from .node import SymbolNode

__all__ = ["is_unknown", "unknown_op"]

_Attributes = ParamType("str", "str", str).or_none()
_made: dict[tuple[str, int], OpDef] = {}


def unknown_op(name: str, n_outputs: int) -> OpDef:
    """A stand-in that takes any inputs and attributes, has so many outputs, and refuses to be inferred or run."""
    found = _made.get((name, n_outputs))
    if found is None:
        found = _made[name, n_outputs] = _Unknown(name, n_outputs)
    return found


def is_unknown(opdef: OpDef | None) -> bool:
    """Whether an operator is only known by name."""
    return isinstance(opdef, _Unknown)


class _Unknown(OpDef):
    def __init__(self, name: str, n_outputs: int) -> None:
        def call(F: Any, data: list[Tensor], *, attributes: _Attributes = None) -> list[Tensor]:  # type: ignore[valid-type]
            """An operator that is not installed."""
            raise self.refusal()

        super().__init__(call, name=name, num_outputs=lambda params: n_outputs, plugin="nobody")

    def bind_params(self, given: dict[str, Any]) -> tuple[dict[str, Any], tuple[Any, ...]]:
        """Anything is accepted, and kept in the node's given parameters."""
        return {"attributes": None}, ()

    def state_inputs(self, node: SymbolNode) -> set[int]:
        """The inputs that are auxiliary states of the graph inside, which comes with fused operators."""
        if not node.subgraphs:
            return set()
        inner = node.subgraphs[0]
        states = set(inner.list_auxiliary_states())
        return {number for number, name in enumerate(inner.list_inputs()) if name in states}

    def infer_node(self, *args: Any) -> NoReturn:
        """Nothing can be inferred."""
        raise self.refusal()

    def refusal(self) -> OpNotAvailable:
        """The error for a try to run it."""
        return OpNotAvailable(
            f"[{self.name}] no installed package defines this operator, which a symbol file names: its graph can be "
            f"looked at and saved, not run. Install the plug-in that brings it"
        )
