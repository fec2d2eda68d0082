"""HybridBlock: a block whose ``hybrid_forward`` is written for arrays and symbols alike."""

from __future__ import annotations

from typing import Any

from mx_core import ndarray as nd
from mx_core.context import current_context
from mx_core.errors import MXNetError, ParameterError

from .block import Block
from .parameter import DeferredInitializationError, Epoch

__all__ = ["HybridBlock"]

_NDArray = nd.NDArray


def _first_array(args: Any) -> Any:
    """The first array, or value of a shape inference, among nested arguments. Raises ParameterError without one."""
    from .shape_inference import PartialValue

    pending = list(args)
    while pending:
        arg = pending.pop(0)
        if isinstance(arg, (_NDArray, PartialValue)):
            return arg
        if isinstance(arg, (list, tuple)):
            pending[:0] = arg
    msg = "In HybridBlock, there must be one NDArray or one Symbol in the input. Please check the type of the args."
    raise ParameterError(msg)


class _Bound:
    """A block's parameters on one context, kept by the context's id until any parameter's arrays are replaced."""

    __slots__ = ("ctx", "current", "epoch", "params")

    def __init__(self, ctx: Any, params: dict[str, Any]) -> None:
        self.ctx = ctx  # kept, so that its id stays its own
        self.params = params
        self.epoch = Epoch.value
        self.current: Any = None  # the current context that was found equal to ctx


class HybridBlock(Block):
    """A Block that defines ``hybrid_forward(F, x, *args, **params)``: F is ``mx.nd`` for arrays.

    The block's own parameters come as keyword arguments under their attribute names. Shapes they do not have yet are
    inferred at the first call. ``hybridize()`` promises that the block is such a function of its inputs.
    """

    def __init__(self, prefix: str | None = None, params: Any = None) -> None:
        super().__init__(prefix=prefix, params=params)
        self._active = False
        self._flags: dict[str, Any] = {}
        self._bound: dict[int, _Bound] = {}

    def register_child(self, block: Block, name: str | None = None) -> None:
        """Adds a child, which must be a HybridBlock too."""
        if not isinstance(block, HybridBlock):
            msg = (
                f"Children of HybridBlock must also be HybridBlock, but {block} has type {type(block)}. "
                "If you are using Sequential, please try HybridSequential instead."
            )
            raise ParameterError(msg)
        super().register_child(block, name)

    def hybridize(
        self,
        active: bool = True,
        backend: str | None = None,
        clear: bool = True,
        static_alloc: bool = False,
        static_shape: bool = False,
        inline_limit: int = 2,
        forward_bulk_size: int | None = None,
        backward_bulk_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Marks this block and its children as hybrid (``active``). The flags are those of MXNet's cached graphs."""
        self._active = active
        self._flags = {
            "static_alloc": static_alloc,
            "static_shape": static_shape,
            "inline_limit": inline_limit,
            **kwargs,
        }
        for child in self._children.values():
            child.hybridize(
                active,
                backend=backend,
                clear=clear,
                static_alloc=static_alloc,
                static_shape=static_shape,
                inline_limit=inline_limit,
                forward_bulk_size=forward_bulk_size,
                backward_bulk_size=backward_bulk_size,
                **kwargs,
            )

    def infer_shape(self, *args: Any) -> None:
        """Fills the unknown dims of all parameters that a call with these inputs reads."""
        from .shape_inference import infer_parameters

        infer_parameters(self, args)

    def infer_type(self, *args: Any) -> None:
        """Sets the element types of all parameters that a call with these inputs reads."""
        from .shape_inference import infer_parameters

        infer_parameters(self, args, types=True)

    def forward(self, x: Any, *args: Any) -> Any:
        """``hybrid_forward`` with the parameters on the context of the first array among the inputs."""
        first = x if isinstance(x, _NDArray) else _first_array((x, *args))
        if not isinstance(first, _NDArray):
            tracer = first.F
            params = {key: tracer.parameter(parameter) for key, parameter in self._reg_params.items()}
            return self.hybrid_forward(tracer, x, *args, **params)
        ctx = first.context
        bound = self._bound.get(id(ctx))
        if bound is None or bound.epoch != Epoch.value:
            bound = self._bind(ctx, x, args)
        current = current_context()
        if current is bound.current:
            return self.hybrid_forward(nd, x, *args, **bound.params)
        if current == ctx:
            bound.current = current
            return self.hybrid_forward(nd, x, *args, **bound.params)
        with ctx:
            return self.hybrid_forward(nd, x, *args, **bound.params)

    def _bind(self, ctx: Any, x: Any, args: tuple[Any, ...]) -> _Bound:
        try:
            params = {key: parameter.data(ctx) for key, parameter in self._reg_params.items()}
        except DeferredInitializationError:
            self._finish_deferred(x, *args)
            params = {key: parameter.data(ctx) for key, parameter in self._reg_params.items()}
        bound = _Bound(ctx, params)
        self._bound = {key: old for key, old in self._bound.items() if old.epoch == bound.epoch}
        self._bound[id(ctx)] = bound
        return bound

    def _finish_deferred(self, *args: Any) -> None:
        mine = list(self._reg_params.values())
        if not all(parameter.shape is not None and all(d > 0 for d in parameter.shape) for parameter in mine):
            try:
                self.infer_shape(*args)
            except MXNetError as error:
                msg = f"Deferred initialization failed because shape cannot be inferred. {error}"
                raise ParameterError(msg) from error
        for parameter in mine:
            parameter._finish_deferred_init()

    def hybrid_forward(self, F: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The block's output; a subclass defines it with operators ``F.<name>``."""
        msg = f"{type(self).__name__} does not define hybrid_forward"
        raise TypeError(msg)
