"""Graphs: values, the nodes that make them, and symbolic scalars.

A graph is a list of nodes in the order in which they can run. A value knows its node, its element type and its complete
shape; in operator bodies and gradient rules it behaves like an array (``a * b``, ``a.reshape(...)``): its operators
record nodes in the graph that it belongs to, through the tracer ``F`` (trace.py).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import MXNetError

__all__ = ["Graph", "Node", "Scalar", "Value"]


class Node:
    """One call of one operator. inputs: flat, None for an absent optional one; scalars: its runtime parameters.

    body: of a composition, the graph that its inference traced, if it did.
    """

    __slots__ = ("body", "inputs", "op", "outputs", "params", "prepared", "scalars")

    def __init__(self, op: Any, inputs: tuple[Any, ...], params: dict[str, Any], scalars: tuple[Any, ...]) -> None:
        self.op = op
        self.inputs = inputs
        self.params = params
        self.scalars = scalars
        self.outputs: tuple[Value, ...] = ()
        self.prepared: Any = None
        self.body: Graph | None = None

    def __repr__(self) -> str:
        return f"<node {self.op.name}>"


class Graph:
    """nodes in running order. outputs: every output in the definition's order; writes: input number -> new value."""

    __slots__ = ("inputs", "n_scalars", "name", "nodes", "outputs", "writes")

    def __init__(self, name: str, n_scalars: int = 0) -> None:
        self.name = name
        self.n_scalars = n_scalars
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []
        self.outputs: list[Value] = []
        self.writes: dict[int, Value] = {}


class Scalar:
    """A runtime scalar, or arithmetic with them: a number that is known when the plan runs, not when it is made.

    key: ("scalar", number of the plan's scalar) or (operator name, operand keys or numbers).
    """

    __slots__ = ("key",)
    is_symbolic_scalar = True

    def __init__(self, key: tuple[Any, ...]) -> None:
        self.key = key

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scalar) and self.key == other.key

    def __repr__(self) -> str:
        name, *operands = self.key
        if name == "scalar":
            return f"scalar{operands[0]}"
        return f"{name}({', '.join(repr(Scalar(o)) if isinstance(o, tuple) else repr(o) for o in operands)})"

    def _undecided(self, *_: Any) -> NoReturn:
        msg = "a Runtime parameter is not known while a plan is compiled: an operator's body cannot decide on it"
        raise MXNetError(msg)

    __bool__ = __lt__ = __le__ = __gt__ = __ge__ = __float__ = __int__ = __index__ = _undecided

    def _with(self, name: str, other: Any, swap: bool = False) -> Any:
        if isinstance(other, Scalar):
            key: Any = other.key
        elif isinstance(other, (int, float)):
            key = float(other)
        else:
            return NotImplemented
        return Scalar((name, key, self.key) if swap else (name, self.key, key))

    def __add__(self, other: Any) -> Any:
        return self._with("add", other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._with("sub", other)

    def __rsub__(self, other: Any) -> Any:
        return self._with("sub", other, swap=True)

    def __mul__(self, other: Any) -> Any:
        return self._with("mul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return self._with("div", other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._with("div", other, swap=True)

    def __pow__(self, other: Any) -> Any:
        return self._with("power", other)

    def __rpow__(self, other: Any) -> Any:
        return self._with("power", other, swap=True)

    def __neg__(self) -> Scalar:
        return Scalar(("negative", self.key))


class Value:
    """One array of a graph: output number index of node, or input number index of the graph (node is None)."""

    __slots__ = ("F", "dtype", "index", "node", "shape")

    def __init__(self, F: Any, node: Node | None, index: int, dtype: int, shape: tuple[int, ...]) -> None:
        self.F = F
        self.node = node
        self.index = index
        self.dtype = dtype  # type flag
        self.shape = shape

    __hash__ = object.__hash__

    if TYPE_CHECKING:  # the rest of Python's operators comes from _define_operators, too

        def __add__(self, other: Any) -> Value: ...

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def T(self) -> Value:
        return self.F.transpose(self)  # type: ignore[no-any-return]

    def reshape(self, *shape: Any) -> Value:
        """The same elements in another shape; one size may be -1."""
        new = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        if -1 in new:
            rest = -math.prod(new)
            new = tuple([self.size // max(rest, 1) if dim == -1 else dim for dim in new])
        return self if new == self.shape else self.F._view(self, shape=new)

    def astype(self, dtype: Any) -> Value:
        """Converted to dtype (a type flag, name or NumPy dtype)."""
        return self.F._cast(self, dtype=dtype)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        origin = "input" if self.node is None else self.node.op.name
        return f"<value {self.index} of {origin} {self.shape} dtype {self.dtype}>"

    def __bool__(self) -> bool:
        msg = "an array inside of an operator's body has no truth value: use F.where"
        raise MXNetError(msg)


def _define_operators() -> None:
    """Gives Value Python's operators: between arrays the broadcasting operator, with a number the scalar one."""

    def define(special: str, broadcast: str, scalar: str, reversed_scalar: str | None = None) -> None:
        def forward(self: Value, other: Any) -> Any:
            if other.__class__ is Value:
                return getattr(self.F, broadcast)(self, other)
            return getattr(self.F, scalar)(self, scalar=other)

        setattr(Value, f"__{special}__", forward)
        if reversed_scalar is not None:
            setattr(Value, f"__r{special}__", lambda self, other: getattr(self.F, reversed_scalar)(self, scalar=other))

    define("add", "broadcast_add", "_plus_scalar", "_plus_scalar")
    define("sub", "broadcast_sub", "_minus_scalar", "_rminus_scalar")
    define("mul", "broadcast_mul", "_mul_scalar", "_mul_scalar")
    define("truediv", "broadcast_div", "_div_scalar", "_rdiv_scalar")
    define("mod", "broadcast_mod", "_mod_scalar", "_rmod_scalar")
    define("pow", "broadcast_power", "_power_scalar", "_rpower_scalar")
    define("gt", "broadcast_greater", "_greater_scalar")
    define("ge", "broadcast_greater_equal", "_greater_equal_scalar")
    define("lt", "broadcast_lesser", "_lesser_scalar")
    define("le", "broadcast_lesser_equal", "_lesser_equal_scalar")
    # Values are dict keys: the hash stays object's, and dicts ask for identity before they ask __eq__.
    define("eq", "broadcast_equal", "_equal_scalar")
    define("ne", "broadcast_not_equal", "_not_equal_scalar")
    setattr(Value, "__neg__", lambda self: self.F.negative(self))  # noqa: B010 - beside its siblings


_define_operators()
