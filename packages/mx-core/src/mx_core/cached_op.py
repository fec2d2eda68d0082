"""``mx.nd.CachedOp``: a symbol that is called with arrays, compiled once for each signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import DTypeError, ParameterError
from .graph.runner import runner_of

if TYPE_CHECKING:
    from ._core import NDArray
    from .symbol import Symbol

__all__ = ["CachedOp"]


class CachedOp:
    """A symbol as a function of arrays; autograd sees one operator.

    sym: the graph. flags: pairs such as ("static_alloc", True), which MXNet's programs give and plans have no use for.

    >>> import mxnet as mx
    >>> double = mx.nd.CachedOp(mx.sym.var("x") * 2)
    >>> double(mx.nd.array([1.0, 2.0])).asnumpy()
    array([2., 4.], dtype=float32)
    """

    def __init__(self, sym: Symbol, flags: Any = ()) -> None:
        self._runner = runner_of(sym)
        variables = [node for node in self._runner.nodes if node.op is None]
        self._names = [node.name for node in variables]
        self._order = [variables.index(node) for node in (*self._runner.arguments, *self._runner.states)]

    def __call__(self, *args: NDArray, **kwargs: Any) -> Any:
        """The output, or a list of them. args: arrays in the order of ``sym.list_inputs()``. out: where to write."""
        out = kwargs.pop("out", None)
        if kwargs:
            msg = f"[CachedOp] takes arrays and out=, got {', '.join(kwargs)}"
            raise ParameterError(msg)
        if len(args) != len(self._names):
            msg = f"[CachedOp] takes {len(self._names)} arrays ({', '.join(self._names)}), got {len(args)}"
            raise DTypeError(msg)
        given = [args[number] for number in self._order]
        if out is not None:
            targets = list(out) if isinstance(out, (list, tuple)) else [out]
            for target, value in zip(targets, self._runner(given, targets), strict=True):
                if value is not target:  # a graph that runs in pieces makes new arrays
                    value.copyto(target)
            return out
        made = self._runner(given)
        return made[0] if len(made) == 1 else made
