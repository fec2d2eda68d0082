"""Where arrays live and operators run: Context, and ``cpu()``, ``gpu()`` and their kin that make one."""

from __future__ import annotations

import operator
import threading
from typing import Any, ClassVar

from .errors import ParameterError

__all__ = [
    "Context",
    "cpu",
    "cpu_pinned",
    "cpu_shared",
    "current_context",
    "gpu",
    "gpu_memory_info",
    "num_gpus",
]


class _Contexts(threading.local):
    """The contexts entered with ``with`` on one thread, innermost last; the first is the default."""

    def __init__(self) -> None:
        self.stack: list[Context] = [Context("cpu", 0)]


class _ContextType(type):
    """Gives the class Context its settable attribute default_ctx."""

    @property
    def default_ctx(cls) -> Context:
        """The context of this thread: that of the innermost ``with ctx:``, else cpu(0)."""
        return _contexts.stack[-1]

    @default_ctx.setter
    def default_ctx(cls, ctx: Context) -> None:
        _enter_device(ctx)
        _contexts.stack[-1] = ctx


class Context(metaclass=_ContextType):
    """A device: its type, ``"cpu"``, ``"gpu"``, ``"cpu_pinned"`` or ``"cpu_shared"``, and its number.

    device_type: the name, or another Context to copy. device_id: number of the device; all cpu contexts share
    the host's memory and cores. In a ``with`` block, arrays are made there unless they are told otherwise.
    Raises ParameterError for another device type.

    >>> with Context("cpu", 1):
    ...     print(current_context())
    cpu(1)
    """

    devtype2str: ClassVar[dict[int, str]] = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared"}
    devstr2type: ClassVar[dict[str, int]] = {"cpu": 1, "gpu": 2, "cpu_pinned": 3, "cpu_shared": 5}

    def __init__(self, device_type: str | Context, device_id: int = 0) -> None:
        if isinstance(device_type, Context):
            self.device_typeid = device_type.device_typeid
            self.device_id = device_type.device_id
            return
        try:
            self.device_typeid = self.devstr2type[device_type]
        except (KeyError, TypeError):
            msg = (
                f"[Context] device_type must be one of {', '.join(map(repr, self.devstr2type))}, "
                f"got {device_type!r}. Write mx.cpu() or mx.gpu(0)"
            )
            raise ParameterError(msg) from None
        if not isinstance(device_id, int):
            try:
                device_id = operator.index(device_id)
            except TypeError:
                msg = f"[Context] device_id must be an integer, got {device_id!r}"
                raise ParameterError(msg) from None
        self.device_id = device_id

    @property
    def device_type(self) -> str:
        """The name of the device type.

        >>> gpu(1).device_type
        'gpu'
        """
        return self.devtype2str[self.device_typeid]

    @property
    def default_ctx(self) -> Context:
        """The context of this thread, as ``Context.default_ctx``."""
        return _contexts.stack[-1]

    def __hash__(self) -> int:
        return hash((self.device_typeid, self.device_id))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Context)
            and self.device_typeid == other.device_typeid
            and self.device_id == other.device_id
        )

    def __str__(self) -> str:
        return f"{self.device_type}({self.device_id})"

    def __repr__(self) -> str:
        return str(self)

    def __enter__(self) -> Context:
        _enter_device(self)
        _contexts.stack.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        stack = _contexts.stack
        stack.pop()
        _enter_device(stack[-1])

    def __reduce__(self) -> tuple[Any, ...]:
        return (Context, (self.device_type, self.device_id))

    def empty_cache(self) -> None:
        """Gives the device's memory that is cached for reuse back to it; arrays are not touched."""
        from . import _core

        _core.empty_cache(self.device_typeid, self.device_id)


_contexts = _Contexts()


def _enter_device(ctx: Context) -> None:
    """Tells the runtime where operators without inputs run on this thread."""
    from . import _core

    _core.set_current_device(ctx.device_typeid, ctx.device_id)


def cpu(device_id: int = 0) -> Context:
    """The context of the host's memory and cores. device_id: any number; all of them are the same host.

    >>> cpu() == cpu(0), cpu() == cpu(1)
    (True, False)
    """
    return Context("cpu", device_id)


def gpu(device_id: int = 0) -> Context:
    """The context of GPU number device_id; it is only checked when an array is made there."""
    return Context("gpu", device_id)


def cpu_pinned(device_id: int = 0) -> Context:
    """The context of page-locked host memory, from and to which GPUs copy fastest."""
    return Context("cpu_pinned", device_id)


def cpu_shared(device_id: int = 0) -> Context:
    """The context of host memory that processes share."""
    return Context("cpu_shared", device_id)


def current_context() -> Context:
    """The context of this thread: that of the innermost ``with ctx:``, else cpu(0).

    >>> current_context()
    cpu(0)
    """
    return _contexts.stack[-1]


def num_gpus() -> int:
    """How many GPUs a device package serves; 0 without one."""
    from . import _core

    count: int = _core.num_devices(2)
    return count


def gpu_memory_info(device_id: int = 0) -> tuple[int, int]:
    """(free, total) bytes of a GPU. Raises MXNetError when there is no such GPU."""
    from . import _core

    free, total = _core.memory_info(2, device_id)
    return free, total
