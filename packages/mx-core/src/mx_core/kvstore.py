"""Key-value stores: arrays summed over devices and handed back to them, with an optimizer in between if wished.

``create("local")`` and ``create("device")`` serve the devices of one process: ``push`` adds up one array per device,
``pull`` copies the result to each. Both reduce on the device of the first array.
"""

from __future__ import annotations

import os
from typing import Any

from . import ndarray as nd
from . import optimizer as opt
from .class_registry import registry_of
from .errors import MXNetError, ParameterError

__all__ = ["KVStore", "KVStoreBase", "create"]


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


def _pairs(key: Any, value: Any) -> list[tuple[Any, list[Any]]]:
    """(key, arrays) pairs from one key or a list of keys, with one array or a list of arrays each."""
    if not isinstance(key, (list, tuple)):
        return [(key, list(value) if isinstance(value, (list, tuple)) else [value])]
    if len(key) != len(value):
        msg = f"[KVStore] {len(key)} keys need as many values, got {len(value)}"
        raise ParameterError(msg)
    return [(k, list(v) if isinstance(v, (list, tuple)) else [v]) for k, v in zip(key, value, strict=True)]


class KVStore(KVStoreBase):
    """A store for the devices of one process; made by ``create``.

    >>> store = create("local")
    >>> store.init(3, nd.ones((2,)))
    >>> store.push(3, [nd.ones((2,)), nd.ones((2,))])
    >>> out = nd.zeros((2,))
    >>> store.pull(3, out=out)
    >>> out.asnumpy().tolist()
    [2.0, 2.0]
    """

    def __init__(self, type_name: str) -> None:
        self._type = type_name
        self._values: dict[Any, Any] = {}
        self._updater: opt.Updater | None = None

    @property
    def type(self) -> str:
        """The name the store was created by."""
        return self._type

    def init(self, key: Any, value: Any) -> None:
        """Stores a copy of ``value`` under ``key``, once per key; lists of keys take lists of values."""
        for k, arrays in _pairs(key, value):
            if k in self._values:
                msg = f"[KVStore] duplicate init of key {k!r}; push to it instead"
                raise MXNetError(msg)
            self._values[k] = arrays[0].copy()

    def _stored(self, key: Any) -> Any:
        value = self._values.get(key)
        if value is None:
            msg = f"[KVStore] key {key!r} has not been inited; call init(key, value) first"
            raise MXNetError(msg)
        return value

    def _reduce(self, arrays: list[Any]) -> Any:
        if len(arrays) == 1:
            return arrays[0]
        context = arrays[0].context
        return nd.add_n(*[array.as_in_context(context) for array in arrays])

    def push(self, key: Any, value: Any, priority: int = 0) -> None:
        """Sums ``value`` over devices; stores the sum, or updates the stored value with it if an updater is set."""
        for k, arrays in _pairs(key, value):
            stored, total = self._stored(k), self._reduce(arrays)
            if self._updater is None:
                if stored.context == total.context:
                    self._values[k] = total.copy() if len(arrays) == 1 else total
                else:
                    total.copyto(stored)
            else:
                self._updater(k, total.as_in_context(stored.context), stored)

    def pull(self, key: Any, out: Any = None, priority: int = 0, ignore_sparse: bool = True) -> None:
        """Copies the stored value to ``out``, an array or a list of arrays."""
        if out is None:
            msg = "[KVStore] pull needs out=, the arrays to copy to"
            raise ParameterError(msg)
        for k, arrays in _pairs(key, out):
            stored = self._stored(k)
            for array in arrays:
                stored.copyto(array)

    def pushpull(self, key: Any, value: Any, out: Any = None, priority: int = 0) -> None:
        """``push`` and ``pull``; ``out`` defaults to ``value``."""
        self.push(key, value, priority)
        self.pull(key, value if out is None else out, priority)

    def broadcast(self, key: Any, value: Any, out: Any, priority: int = 0) -> None:
        """``init`` and ``pull``."""
        self.init(key, value)
        self.pull(key, out, priority)

    def row_sparse_pull(self, key: Any, out: Any = None, priority: int = 0, row_ids: Any = None) -> None:
        """Refuses: the values here are dense."""
        msg = f"[KVStore] key {key!r} holds a dense array; row_sparse_pull is for row_sparse ones. Use pull"
        raise MXNetError(msg)

    def is_capable(self, capability: str) -> bool:
        """True for ``KVStoreBase.OPTIMIZER``."""
        if capability.lower() == self.OPTIMIZER:
            return True
        msg = f"[KVStore] Unknown capability: {capability}"
        raise ParameterError(msg)

    def set_optimizer(self, optimizer: opt.Optimizer) -> None:
        """Makes ``push`` a step of ``optimizer`` on the stored value."""
        self._set_updater(opt.get_updater(optimizer))

    def _set_updater(self, updater: Any) -> None:
        self._updater = updater

    def set_gradient_compression(self, compression_params: dict[str, Any]) -> None:
        """Refuses: there is nothing to compress between the devices of one process."""
        msg = f"[KVStore] gradient compression is for distributed stores; {self._type!r} stays in one process"
        raise MXNetError(msg)

    def _needed_updater(self) -> opt.Updater:
        if self._updater is None:
            msg = "[KVStore] there is no optimizer: call set_optimizer first"
            raise MXNetError(msg)
        return self._updater

    def save_optimizer_states(self, fname: str, dump_optimizer: bool = False) -> None:
        """Writes the optimizer's states to a file, with the optimizer if ``dump_optimizer``."""
        from .serialize import atomic_write

        content = self._needed_updater().get_states(dump_optimizer)
        with atomic_write(fname) as out:
            out.write(content)

    def load_optimizer_states(self, fname: str) -> None:
        """Reads states that ``save_optimizer_states`` wrote."""
        updater = self._needed_updater()
        with open(os.fspath(fname), "rb") as file:
            updater.set_states(file.read())

    def _barrier(self) -> None:
        nd.waitall()


_ONE_PROCESS = ("local", "device", "local_update_cpu", "local_allreduce_cpu", "local_allreduce_device")


def create(name: str = "local") -> KVStoreBase:
    """The key-value store called ``name``: "local" or "device", or a registered class."""
    if not isinstance(name, str):
        msg = f"[KVStore] name must be a string, got {name!r}"
        raise TypeError(msg)
    if name.lower() in _ONE_PROCESS:
        return KVStore(name.lower())
    if name.lower() in KVStoreBase.kv_registry:
        return KVStoreBase.kv_registry[name.lower()]()
    msg = f"[KVStore] there is no store {name!r} here; use 'local' or 'device', or install a package that brings it"
    raise ParameterError(msg)
