"""The server of distributed training, which this build does not have."""

from __future__ import annotations

from typing import Any, NoReturn

from ..errors import MXNetError

__all__ = ["KVStoreServer"]


class KVStoreServer:
    """A process that keeps the values of distributed stores."""

    def __init__(self, kvstore: Any) -> None:
        self.kvstore = kvstore

    def run(self) -> NoReturn:
        """Raises MXNetError: the stores of one process need no server."""
        msg = f"[KVStoreServer] a {self.kvstore.type!r} store has no server; distributed stores are not in this build"
        raise MXNetError(msg)
