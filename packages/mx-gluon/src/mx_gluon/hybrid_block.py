"""HybridBlock: a block whose ``hybrid_forward`` is written for arrays and symbols alike."""

from __future__ import annotations

from typing import Any

from mx_core import ndarray as nd
from mx_core.context import current_context
from mx_core.errors import MXNetError, ParameterError

from .block import Block
from .parameter import DeferredInitializationError, Epoch
from .shape_inference import PartialValue, infer_parameters

__all__ = ["HybridBlock"]

_NDArray = nd.NDArray


class HybridBlock(Block):
    """A Block that defines ``hybrid_forward(F, x, *args, **params)``: F is ``mx.nd`` for arrays.

    The block's own parameters come as keyword arguments under their attribute names. Shapes they do not have yet are
    inferred at the first call. ``hybridize()`` promises that the block is such a function of its inputs.
    """

    def __init__(self, prefix: str | None = None, params: Any = None) -> None:
        super().__init__(prefix=prefix, params=params)
        self._active = False
        self._flags: dict[str, Any] = {}
        self._arguments_epoch = -1
        self._arguments_ctx: Any = None
        self._arguments: dict[str, Any] = {}

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
        infer_parameters(self, args)

    def infer_type(self, *args: Any) -> None:
        """Sets the element types of all parameters that a call with these inputs reads."""
        infer_parameters(self, args, types=True)

    def _first_array(self, args: Any) -> Any:
        for arg in args:
            if isinstance(arg, (_NDArray, PartialValue)):
                return arg
            if isinstance(arg, (list, tuple)):
                found = self._first_array(arg)
                if found is not None:
                    return found
        return None

    def forward(self, x: Any, *args: Any) -> Any:
        """``hybrid_forward`` with the parameters on the context of the first array among the inputs."""
        first = x if isinstance(x, (_NDArray, PartialValue)) else self._first_array((x, *args))
        if first is None:
            msg = (
                "In HybridBlock, there must be one NDArray or one Symbol in the input. "
                "Please check the type of the args."
            )
            raise ParameterError(msg)
        if isinstance(first, PartialValue):
            tracer = first.F
            params = {key: tracer.parameter(parameter) for key, parameter in self._reg_params.items()}
            return self.hybrid_forward(tracer, x, *args, **params)
        ctx = first.context
        if ctx is self._arguments_ctx and self._arguments_epoch == Epoch.value:
            params = self._arguments
        else:
            params = self._collect_arguments(ctx, x, args)
        if ctx == current_context():
            return self.hybrid_forward(nd, x, *args, **params)
        with ctx:
            return self.hybrid_forward(nd, x, *args, **params)

    def _collect_arguments(self, ctx: Any, x: Any, args: tuple[Any, ...]) -> dict[str, Any]:
        try:
            params = {key: parameter.data(ctx) for key, parameter in self._reg_params.items()}
        except DeferredInitializationError:
            self._finish_deferred(x, *args)
            params = {key: parameter.data(ctx) for key, parameter in self._reg_params.items()}
        self._arguments, self._arguments_ctx, self._arguments_epoch = params, ctx, Epoch.value
        return params

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
