"""The interface of key-value stores, and ``create``."""

from __future__ import annotations

from typing import Any

from ..class_registry import registry_of
from ..errors import ParameterError

__all__ = ["KVStoreBase", "create"]


class KVStoreBase:
    """The interface of key-value stores. A subclass registered with ``KVStoreBase.register`` is found by ``create``."""

    OPTIMIZER = "optimizer"
    kv_registry: dict[str, type] = {}

    @staticmethod
    def register(klass: type) -> type:
        """Adds a store class under its lower-case name."""
        registry_of(KVStoreBase, "kvstore").register(klass)
        KVStoreBase.kv_registry[klass.__name__.lower()] = klass
        return klass

    def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
        """Stores ``value`` under ``key`` and copies it to ``out``."""
        raise _undefined(self, "broadcast")

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """Sums ``value`` and copies the result to ``out`` (default: back to ``value``)."""
        raise _undefined(self, "pushpull")

    def set_optimizer(self, optimizer: Any) -> None:
        """Makes the store update its values with ``optimizer`` when gradients are pushed."""
        raise _undefined(self, "set_optimizer")

    def is_capable(self, capability: str) -> bool:
        """True if the store can do ``capability``, for example ``KVStoreBase.OPTIMIZER``."""
        raise _undefined(self, "is_capable")

    def save_optimizer_states(self, fname: str, dump_optimizer: bool = False) -> None:
        """Writes the optimizer's states to a file."""
        raise _undefined(self, "save_optimizer_states")

    def load_optimizer_states(self, fname: str) -> None:
        """Reads the optimizer's states from a file."""
        raise _undefined(self, "load_optimizer_states")

    @property
    def type(self) -> str:
        """The name the store was created by."""
        return type(self).__name__.lower()

    @property
    def rank(self) -> int:
        """This worker's number, 0 in one process."""
        return 0

    @property
    def num_workers(self) -> int:
        """How many workers there are, 1 in one process."""
        return 1


def _undefined(store: KVStoreBase, method: str) -> TypeError:
    return TypeError(f"{type(store).__name__} does not define {method}")


_ONE_PROCESS = ("local", "device", "local_update_cpu", "local_allreduce_cpu", "local_allreduce_device")
_ELSEWHERE = ("dist", "nccl", "p3", "horovod", "byteps")


def create(name: str = "local") -> KVStoreBase:
    """The key-value store called ``name``: "local" or "device", or a class registered with ``KVStoreBase.register``.

    Raises TypeError for a name that is no string, MXNetError for a store that is not in this build.

    >>> create("device").type
    'device'
    """
    from .kvstore import KVStore

    if not isinstance(name, str):
        msg = f"[KVStore] name must be a string, got {name!r}"
        raise TypeError(msg)
    key = name.lower()
    if key in KVStoreBase.kv_registry:
        return KVStoreBase.kv_registry[key]()
    if key in _ONE_PROCESS:
        return KVStore(key)
    cls = registry_of(KVStoreBase, "kvstore").look_up(key)  # a plug-in's, by the hook mx_classes
    if cls is not None:
        return cls()  # type: ignore[no-any-return]
    if key.startswith(_ELSEWHERE):
        msg = (
            f"[KVStore] there is no store {name!r} here: it is not in this build. Use 'device' for the devices of one "
            "process, or install a package that registers the store"
        )
    else:
        msg = f"[KVStore] there is no store {name!r} here; use 'local' or 'device', or register its class"
    raise ParameterError(msg)
