"""KVStore, the store of one process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .. import ndarray as nd
from .. import optimizer as opt
from ..errors import MXNetError, ParameterError, ShapeError
from .base import KVStoreBase
from .compression import TwoBit

__all__ = ["KVStore"]


def _pairs(key: Any, value: Any) -> list[tuple[Any, list[Any]]]:
    """(key, arrays) pairs from one key or a list of keys, with one array or a list of arrays each.

    A key that comes several times gets all its arrays.
    """
    if not isinstance(key, (list, tuple)):
        keys, values = [key], [value]
    else:
        keys, values = list(key), value
        if not isinstance(value, (list, tuple)) or len(keys) != len(values):
            count = len(value) if isinstance(value, (list, tuple)) else "one array"
            msg = f"[KVStore] {len(keys)} keys need a list of as many values, got {count}"
            raise ParameterError(msg)
    found: dict[Any, list[Any]] = {}
    for k, v in zip(keys, values, strict=True):
        if not isinstance(k, (int, str)):
            msg = f"[KVStore] a key must be an int or a str, got {k!r}"
            raise TypeError(msg)
        arrays = list(v) if isinstance(v, (list, tuple)) else [v]
        for array in arrays:
            if not isinstance(array, nd.NDArray):
                msg = f"[KVStore] key {k!r} needs an NDArray or a list of them, got {type(array).__name__}"
                raise TypeError(msg)
        found.setdefault(k, []).extend(arrays)
    return list(found.items())


class KVStore(KVStoreBase):
    """A store for the devices of one process; made by ``create``.

    >>> from mx_core import kvstore
    >>> store = kvstore.create("local")
    >>> store.init(3, nd.ones((2,)))
    >>> store.push(3, [nd.ones((2,)), nd.ones((2,))])
    >>> out = nd.zeros((2,))
    >>> store.pull(3, out=out)
    >>> out.asnumpy().tolist()
    [2.0, 2.0]
    """

    def __init__(self, handle: str) -> None:
        self._type = handle
        self._values: dict[Any, Any] = {}
        self._updater: Any = None
        self._compression: TwoBit | None = None

    @property
    def type(self) -> str:
        """The name the store was created by."""
        return self._type

    # -- values ----------------------------------------------------------------------------------------------------

    def init(self, key: Any, value: Any) -> None:
        """Stores a copy of ``value`` under ``key``, once per key; lists of keys take lists of values."""
        for k, arrays in _pairs(key, value):
            if k in self._values or len(arrays) > 1:
                msg = f"[KVStore] duplicate init of key {k!r}; a key takes one array, once. Push to it instead"
                raise MXNetError(msg)
            other = next(iter(self._values), k)
            if isinstance(other, str) != isinstance(k, str):
                msg = f"[KVStore] Mixed key types are not allowed: {k!r} comes after {other!r}"
                raise MXNetError(msg)
            self._values[k] = arrays[0].copy()

    def _stored(self, key: Any) -> Any:
        value = self._values.get(key)
        if value is None:
            msg = f"[KVStore] key {key!r} has not been inited; call init(key, value) first"
            raise MXNetError(msg)
        return value

    def _checked(self, key: Any, arrays: list[Any], what: str) -> Any:
        """The stored value. Raises ShapeError if one of the arrays has another shape."""
        stored = self._stored(key)
        for array in arrays:
            if array.shape != stored.shape:
                msg = f"[KVStore] {what} key {key!r}: the stored value has shape {stored.shape}, got {array.shape}"
                raise ShapeError(msg)
        return stored

    def _reduce(self, arrays: list[Any]) -> Any:
        if len(arrays) == 1:
            return arrays[0]
        context = arrays[0].context
        return nd.add_n(*[array.as_in_context(context) for array in arrays])

    def push(self, key: Any, value: Any, priority: int = 0) -> None:
        """Sums ``value`` over devices; stores the sum, or updates the stored value with it if an updater is set."""
        for k, arrays in _pairs(key, value):
            stored = self._checked(k, arrays, "push to")
            if self._compression is not None:
                arrays = [self._compression(k, i, array) for i, array in enumerate(arrays)]
            total = self._reduce(arrays)
            if self._updater is not None:
                self._updater(k, total.as_in_context(stored.context), stored)
            elif stored.context == total.context and stored.dtype == total.dtype:
                self._values[k] = total.copy() if len(arrays) == 1 else total
            else:
                total.copyto(stored)

    def pull(self, key: Any, out: Any = None, priority: int = 0, ignore_sparse: bool = True) -> None:
        """Copies the stored value to ``out``, an array or a list of arrays."""
        if out is None:
            msg = "[KVStore] pull needs out=, the arrays to copy to"
            raise ParameterError(msg)
        for k, arrays in _pairs(key, out):
            stored = self._checked(k, arrays, "pull of")
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
        """Copies the rows ``row_ids`` of the stored value to ``out``, whose other rows become 0.

        row_ids: an NDArray of row numbers for all of ``out``, or a list of one for each array of ``out``.
        """
        if out is None or row_ids is None:
            msg = f"[KVStore] row_sparse_pull of key {key!r} needs out= and row_ids="
            raise ParameterError(msg)
        pairs = _pairs(key, out)
        count = sum(len(arrays) for _, arrays in pairs)
        rows = list(row_ids) if isinstance(row_ids, (list, tuple)) else [row_ids] * count
        if len(rows) == 1:
            rows *= count
        if len(rows) != count:
            msg = f"[KVStore] row_sparse_pull needs row_ids for each of {count} arrays, got {len(rows)}"
            raise ParameterError(msg)
        numbers = iter(rows)
        for k, arrays in pairs:
            stored = self._checked(k, arrays, "row_sparse_pull of")
            for array in arrays:
                wanted = next(numbers).astype("int64").as_in_context(stored.context).reshape(-1)
                kept = nd.zeros(stored.shape, ctx=stored.context, dtype=stored.dtype)
                kept[wanted] = nd.take(stored, wanted)
                kept.copyto(array)

    # -- updates ---------------------------------------------------------------------------------------------------

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
        """Makes ``push`` call ``updater(key, pushed sum, stored value)``, which changes the stored value in place."""
        self._updater = updater

    def set_gradient_compression(self, compression_params: Mapping[str, Any]) -> None:
        """Rounds what is pushed to two bits: {"type": "2bit", "threshold": 0.5}. For stores that reduce on devices."""
        if "device" not in self._type:
            msg = f"[KVStore] Gradient compression is not supported for {self._type!r}; create the store as 'device'"
            raise MXNetError(msg)
        self._compression = TwoBit.from_params(compression_params)

    def _needed_updater(self) -> Any:
        if not isinstance(self._updater, opt.Updater):
            msg = "[KVStore] there is no optimizer: call set_optimizer first"
            raise MXNetError(msg)
        return self._updater

    def save_optimizer_states(self, fname: str, dump_optimizer: bool = False) -> None:
        """Writes the optimizer's states to a file, with the optimizer if ``dump_optimizer``."""
        from ..serialize import atomic_write

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

    def _send_command_to_servers(self, head: int, body: str) -> None:
        """Nothing: a store of one process has no servers."""
