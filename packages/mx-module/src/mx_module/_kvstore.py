"""How training uses a key-value store: which one is needed, its first values, and the update of all parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mx_core import kvstore as kv
from mx_core.errors import DTypeError
from mx_core.optimizer import Updater

__all__ = [
    "_create_kvstore", "_create_sparse_kvstore", "_initialize_kvstore", "_update_params", "_update_params_on_kvstore",
]  # fmt: skip

# Parameters of more elements than this are not updated in a store of type "local": every device does it for itself.
_LARGE = 16 * 1024 * 1024


def _create_kvstore(kvstore: Any, num_device: int, arg_params: dict[str, Any]) -> tuple[kv.KVStoreBase | None, bool]:
    """(store or None, whether the optimizer runs in it) for ``kvstore=`` of fit: a name, a store, or None.

    A name gives no store where one device needs none.
    """
    if kvstore is None:
        return None, False
    if isinstance(kvstore, kv.KVStoreBase):
        return kvstore, kvstore.is_capable(kv.KVStoreBase.OPTIMIZER)
    if not isinstance(kvstore, str):
        msg = f"kvstore must be KVStore, str or None, got {type(kvstore).__name__}"
        raise DTypeError(msg)
    if num_device == 1 and "dist" not in kvstore:
        return None, False
    store = kv.create(kvstore)
    update_on_kvstore = store.is_capable(kv.KVStoreBase.OPTIMIZER)
    if kvstore == "local" and any(array.size > _LARGE for array in arg_params.values()):
        update_on_kvstore = False
    return store, update_on_kvstore


def _create_sparse_kvstore(kvstore: Any) -> tuple[kv.KVStoreBase, bool]:
    """(store, True) for parameters whose rows are pulled one by one."""
    if isinstance(kvstore, kv.KVStoreBase):
        return kvstore, True
    if isinstance(kvstore, str):
        return kv.create(kvstore), True
    msg = f"Cannot create '{kvstore}' KVStore with row_sparse parameters: kvstore must be KVStore or str"
    raise DTypeError(msg)


def _initialize_kvstore(
    kvstore: Any, param_arrays: Any, arg_params: dict[str, Any], param_names: Sequence[str], update_on_kvstore: bool
) -> None:
    """Stores every parameter under its name and copies it to the devices."""
    for index, on_devices in enumerate(param_arrays):
        name = param_names[index]
        if arg_params[name].stype == "default":
            kvstore.broadcast(name, arg_params[name], out=on_devices)
        else:
            kvstore.init(name, arg_params[name])


def _update_params_on_kvstore(param_arrays: Any, grad_arrays: Any, kvstore: Any, param_names: Sequence[str]) -> None:
    """Pushes the gradients to the store, whose optimizer changes the parameters, and pulls these."""
    for index, (params, grads) in enumerate(zip(param_arrays, grad_arrays, strict=True)):
        if grads[0] is not None:
            kvstore.pushpull(param_names[index], grads, out=params, priority=-index)


def _update_params(
    param_arrays: Any,
    grad_arrays: Any,
    updater: Any,
    num_device: int,
    kvstore: Any = None,
    param_names: Sequence[str] | None = None,
) -> None:
    """Sums gradients over the devices, through the store if there is one, and calls the updater for every device.

    Parameter number i on device k has the index ``i * num_device + k``.
    """
    updates: list[list[tuple[int, Any, Any]]] = [[] for _ in range(num_device)]
    for index, (params, grads) in enumerate(zip(param_arrays, grad_arrays, strict=True)):
        if grads[0] is None:
            continue
        if kvstore is not None and param_names is not None:
            kvstore.pushpull(param_names[index], grads, priority=-index)
        for k, (param, grad) in enumerate(zip(params, grads, strict=True)):
            updates[k].append((index * num_device + k, grad, param))
    for on_device in updates:
        if not on_device:
            continue
        if isinstance(updater, Updater):
            updater(*zip(*on_device, strict=True))
        else:  # a function of the user's takes one parameter
            for update in on_device:
                updater(*update)
