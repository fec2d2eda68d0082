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
        self._names = [name for name in sym.list_inputs()]
        inputs = [*self._runner.argument_names, *self._runner.state_names]
        self._order = [self._names.index(name) for name in inputs]

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
        wanted = out if out is None or isinstance(out, (list, tuple)) else [out]
        made = self._runner(given, None)
        if wanted is not None:
            for target, value in zip(wanted, made, strict=True):
                value.copyto(target)
            return out
        return made[0] if len(made) == 1 else made
