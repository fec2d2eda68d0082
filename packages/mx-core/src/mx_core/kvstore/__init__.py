"""Key-value stores: arrays summed over devices and handed back to them, with an optimizer in between if wished.

``create("local")`` and ``create("device")`` serve the devices of one process: ``push`` adds up one array per device,
``pull`` copies the result to each. Both reduce on the device of the first array.
"""

from __future__ import annotations

from .base import KVStoreBase, create
from .kvstore import KVStore
from .kvstore_server import KVStoreServer

__all__ = ["KVStore", "KVStoreBase", "KVStoreServer", "create"]
