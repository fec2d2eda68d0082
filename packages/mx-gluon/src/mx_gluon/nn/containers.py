"""Containers of layers run one after another, and layers made of a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mx_core import ndarray as nd
from mx_core.errors import ParameterError

from ..block import Block
from ..hybrid_block import HybridBlock

__all__ = ["HybridLambda", "HybridSequential", "Lambda", "Sequential"]


class _Stack:
    """What Sequential and HybridSequential share: a list of blocks."""

    _children: Any
    _params: Any
    prefix: str

    def add(self, *blocks: Any) -> None:
        """Adds blocks at the end."""
        for block in blocks:
            self.register_child(block)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return self._repr_of(self._children.items())  # type: ignore[attr-defined,no-any-return]

    def __getitem__(self, key: Any) -> Any:
        layers = list(self._children.values())[key]
        if isinstance(layers, list):
            net = type(self)(prefix=self.prefix)
            net.add(*layers)
            return net
        return layers

    def __len__(self) -> int:
        return len(self._children)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._children.values())


class Sequential(_Stack, Block):
    """Blocks run one after another.

    >>> net = Sequential()
    >>> with net.name_scope():
    ...     net.add(Lambda("relu"), Lambda("sqrt"))
    >>> len(net), net(nd.array([4.0, -1.0])).asnumpy().tolist()
    (2, [2.0, 0.0])
    """

    def __init__(self, prefix: str | None = None, params: Any = None) -> None:
        super().__init__(prefix=prefix, params=params)

    def forward(self, x: Any, *args: Any) -> Any:
        """The last block's output; further inputs go to the first block, further outputs to the next."""
        for block in self._children.values():
            x = block(x, *args)
            args = ()
            if isinstance(x, (tuple, list)):
                x, args = x[0], tuple(x[1:])
        return (x, *args) if args else x

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:
        """Hybridizes the blocks."""
        if self._children and all(isinstance(block, HybridBlock) for block in self._children.values()):
            import warnings

            warnings.warn(
                f"All children of this Sequential layer '{self.prefix}' are HybridBlocks. Consider using "
                "HybridSequential for the best performance.",
                stacklevel=2,
            )
        super().hybridize(active, **kwargs)


class HybridSequential(_Stack, HybridBlock):
    """HybridBlocks run one after another."""

    def __init__(self, prefix: str | None = None, params: Any = None) -> None:
        super().__init__(prefix=prefix, params=params)

    def hybrid_forward(self, F: Any, x: Any, *args: Any) -> Any:
        """The last block's output; further inputs go to the first block, further outputs to the next."""
        for block in self._children.values():
            x = block(x, *args)
            args = ()
            if isinstance(x, (tuple, list)):
                x, args = x[0], tuple(x[1:])
        return (x, *args) if args else x


class Lambda(Block):
    """A function of arrays as a block; a name stands for the operator ``mx.nd.<name>``."""

    def __init__(self, function: str | Callable[..., Any], prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        self._func_name, self._func_impl = _named(function, lambda name: getattr(nd, name))

    def forward(self, *args: Any) -> Any:
        """The function of the inputs."""
        return self._func_impl(*args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._func_name})"


class HybridLambda(HybridBlock):
    """A function ``f(F, *arrays)`` as a hybrid block; a name stands for the operator ``F.<name>``."""

    def __init__(self, function: str | Callable[..., Any], prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        self._func_name, self._func = _named(function, lambda name: lambda F, *args: getattr(F, name)(*args))
        if isinstance(function, str) and not hasattr(nd, function):
            raise _no_operator(function)

    def hybrid_forward(self, F: Any, x: Any, *args: Any) -> Any:
        """The function of the inputs."""
        return self._func(F, x, *args)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._func_name})"


def _named(function: Any, find: Callable[[str], Any]) -> tuple[str, Callable[..., Any]]:
    if isinstance(function, str):
        try:
            return function, find(function)
        except AttributeError:
            raise _no_operator(function) from None
    if callable(function):
        return function.__name__, function
    msg = f"Unrecognized function in lambda: {function} of type {type(function)}; give a callable or an operator's name"
    raise ParameterError(msg)


def _no_operator(name: str) -> ParameterError:
    return ParameterError(f"Function name {name} is not found in ndarray.")
