"""Batches between processes: blocks of memory that both map, and messages that carry their descriptors.

A worker writes a batch into a block, a file in memory that has no name, and sends the file's descriptor once; the
reader maps it and makes arrays over it, without a copy. A block is used again when its last array is gone. As nothing
has a name, nothing remains when a process is killed.
"""

from __future__ import annotations

import io
import math
import mmap
import os
import pickle
import socket
import tempfile
import weakref
from collections import deque
from typing import Any

import numpy as np

from mx_core import _core
from mx_core.dtypes import ITEMSIZE, flag_of
from mx_core.ndarray import NDArray
from mx_core.ndarray.namespace import install_methods

__all__ = ["SLOTS", "Arena", "Blocks", "receive", "send"]

SLOTS = 64  # blocks of one worker that can be used again; each has a byte in the pool's shared page
_KEPT = 16  # blocks a worker has before it gives up a free one that is too small
_ALIGN = 64
_INLINE = 32_000  # bytes of a message that go through the socket; longer ones through a file
_SMALL = 2048  # bytes of an array that is not worth a block
_MOST_FILES = 200  # descriptors in one message; Linux takes 253
_FREE, _LENT = 0, 1
_CPU_SHARED = 5
_NO_BLOCK = -2  # in the place of a slot: no array was copied


# -- messages ----------------------------------------------------------------------------------------------------------


def _new_file(size: int) -> int:
    """The descriptor of an empty file without a name, its memory reserved, so that writing cannot fail later."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("mx-dataloader", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as temporary:
            file = os.dup(temporary.fileno())
    try:
        os.posix_fallocate(file, 0, size)
    except OSError:
        os.close(file)
        raise
    return file


def send(channel: socket.socket, message: bytes, files: list[int]) -> None:
    """Sends one message with open files; raises BlockingIOError if the channel is full and does not block."""
    if len(message) <= _INLINE:
        socket.send_fds(channel, [b"s" + message], files)
        return
    file = _new_file(len(message))
    try:
        with mmap.mmap(file, len(message)) as memory:
            memory[:] = message
        socket.send_fds(channel, [b"l"], [file, *files])
    finally:
        os.close(file)


def receive(channel: socket.socket) -> tuple[bytes, list[int]] | None:
    """The next message and its files; None once the other side is gone."""
    try:
        message, files, _, _ = socket.recv_fds(channel, _INLINE + 1, _MOST_FILES + 1)
    except ConnectionError:
        return None
    if not message:
        return None
    if message[:1] == b"s":
        return message[1:], files
    with mmap.mmap(files[0], 0, access=mmap.ACCESS_READ) as memory:
        message = memory[:]
    os.close(files[0])
    return message, files[1:]


# -- blocks ------------------------------------------------------------------------------------------------------------


class _Block:
    """Mapped memory: its file until that is sent, its slot in the shared page or -1, its owner while arrays need it."""

    def __init__(self, file: int, size: int, slot: int) -> None:
        self.memory = mmap.mmap(file, size)
        self.bytes = np.frombuffer(self.memory, np.uint8)
        self.pointer = self.bytes.__array_interface__["data"][0]
        self.file = file
        self.size = size
        self.slot = slot
        self.owner: _Lent | None = None

    def lend(self, gone: deque[_Lent] | None = None) -> _Owner:
        """gone: where the reference to the owner is put when it goes."""
        owner = _Owner(self)
        self.owner = _Lent(owner, None if gone is None else gone.append)
        self.owner.slot = self.slot
        return owner

    def close_file(self) -> None:
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    def __del__(self) -> None:
        if getattr(self, "file", -1) >= 0:
            os.close(self.file)


# Note [no Python when arrays go]
# An array may go anywhere in the program, and a KeyboardInterrupt that is raised inside of a __del__ is lost. So nothing
# of ours runs then: the reference puts itself on a list, in C, and its slot is marked free at the next message.


class _Owner:
    """What the arrays over a block keep alive. See Note [no Python when arrays go]."""

    def __init__(self, block: _Block) -> None:
        self.block = block


class _Lent(weakref.ref):  # type: ignore[type-arg]
    """A reference to an owner. slot: its block's, or -1."""

    __slots__ = ("slot",)
    slot: int


class _Region:
    """Part of a block as NumPy asks for it; the array made of it keeps the block."""

    def __init__(self, owner: _Owner, offset: int, shape: tuple[int, ...], dtype: str) -> None:
        self.owner = owner
        self.__array_interface__ = {
            "data": (owner.block.pointer + offset, False), "shape": shape, "typestr": dtype, "version": 3,
        }  # fmt: skip


def _array_over(owner: _Owner, offset: int, shape: tuple[int, ...], dtype: Any) -> Any:
    """An NDArray on cpu_shared(0) over part of a block."""
    return _core._wrap_external(owner.block.pointer + offset, shape, flag_of(dtype), _CPU_SHARED, 0, owner)


# -- the worker's side -------------------------------------------------------------------------------------------------


class Arena:
    """The blocks of one worker.  states: a byte for each slot, shared with the reader: 1 while the reader has it."""

    def __init__(self, states: memoryview) -> None:
        install_methods()
        self._states = states
        self._blocks: dict[int, _Block] = {}
        self._sending: list[_Block] = []

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An NDArray on cpu_shared(0) in a block of its own, not initialized; sent without a copy."""
        size = math.prod(shape) * ITEMSIZE[flag_of(dtype)]
        return _array_over(self._take(max(size, 1)).lend(), 0, shape, dtype)

    def _take(self, size: int) -> _Block:
        free = [
            block for slot, block in self._blocks.items()
            if self._states[slot] == _FREE and (block.owner is None or block.owner() is None)
        ]  # fmt: skip
        fitting = [block for block in free if size <= block.size <= 4 * size + mmap.PAGESIZE]
        if fitting:
            return min(fitting, key=lambda block: block.size)
        if free and len(self._blocks) >= _KEPT:
            slot = min(free, key=lambda block: block.size).slot
        else:
            slot = next((slot for slot in range(SLOTS) if slot not in self._blocks), -1)
        # An eighth of air, so that batches whose sizes vary a little find blocks of the last ones.
        pages = -(-(size + size // 8) // mmap.PAGESIZE)
        room = pages * mmap.PAGESIZE
        block = _Block(_new_file(room), room, slot)
        if slot >= 0:
            self._blocks[slot] = block
        return block

    def pack(self, batch: Any) -> tuple[bytes, list[tuple[int, int, bool]], list[int]]:
        """A batch as (its pickle, the blocks it is in: slot, size, whether the file comes along; their files)."""
        buffer = io.BytesIO()
        pickler = _Packer(buffer, {block.pointer: block for block in self._lent()})
        pickler.dump(batch)
        if pickler.copies:
            # Not one that the batch is in already: those have owners.
            block = pickler.blocks[0] = self._take(pickler.room)
            for array, offset in pickler.copies:
                target = block.bytes[offset : offset + array.nbytes]
                target[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self._sending = [block for block in pickler.blocks if block is not None]
        for block in self._sending:
            if block.slot >= 0:
                self._states[block.slot] = _LENT
        described = [
            (_NO_BLOCK, 0, False) if block is None else (block.slot, block.size, block.file >= 0)
            for block in pickler.blocks
        ]
        return buffer.getvalue(), described, [block.file for block in self._sending if block.file >= 0]

    def sent(self) -> None:
        """Closes the files of the blocks that went out last: the reader has them."""
        for block in self._sending:
            block.close_file()
        self._sending = []

    def _lent(self) -> list[_Block]:
        return [block for block in self._blocks.values() if block.owner is not None and block.owner() is not None]


class _Packer(pickle.Pickler):
    """Writes arrays as (kind, number of the block, offset, shape, type): in their blocks, or to be copied to block 0."""

    def __init__(self, buffer: io.BytesIO, lent: dict[int, _Block]) -> None:
        super().__init__(buffer, pickle.HIGHEST_PROTOCOL)
        self.lent = lent
        self.blocks: list[_Block | None] = [None]
        self.copies: list[tuple[Any, int]] = []
        self.room = 0

    def persistent_id(self, obj: Any) -> Any:
        kind = type(obj)
        if kind is NDArray and np.dtype(obj.dtype).name != "bfloat16":
            values = np.asarray(memoryview(obj)) if obj.size else obj.asnumpy()
            if values.nbytes < _SMALL:
                return "small", values.tobytes(), values.shape, values.dtype.name
        elif kind is np.ndarray and obj.nbytes >= _SMALL and not (obj.dtype.hasobject or obj.dtype.names):
            values = obj
        else:
            return None
        shape, dtype = values.shape, values.dtype.str if kind is np.ndarray else values.dtype.name
        block = self.lent.get(values.__array_interface__["data"][0]) if kind is NDArray else None
        if block is not None and len(self.blocks) < _MOST_FILES:
            if block not in self.blocks:
                self.blocks.append(block)
            return "nd", self.blocks.index(block), 0, shape, dtype
        offset = self.room
        self.copies.append((values, offset))
        self.room += -(-values.nbytes // _ALIGN) * _ALIGN
        return "nd" if kind is NDArray else "np", 0, offset, shape, dtype


# -- the reader's side -------------------------------------------------------------------------------------------------


class Blocks:
    """The blocks of one worker as the reader maps them.  states: as in Arena."""

    def __init__(self, states: memoryview) -> None:
        install_methods()
        self._states = states
        self._blocks: dict[int, _Block] = {}
        self._gone: deque[_Lent] = deque()
        self._process = os.getpid()

    def _mark_free(self) -> None:
        """Tells the worker which slots it may use again; a fork of this process tells nothing."""
        while self._gone:
            slot = self._gone.popleft().slot
            if slot >= 0 and os.getpid() == self._process:
                self._states[slot] = _FREE

    def adopt(self, described: list[tuple[int, int, bool]], files: list[int]) -> list[_Owner | None]:
        """The owners of the blocks of a message; a block is free again at the first message after its owner goes."""
        self._mark_free()
        owners: list[_Owner | None] = []
        coming = iter(files)
        for slot, size, is_new in described:
            if slot == _NO_BLOCK:
                owners.append(None)
                continue
            if is_new:
                block = _Block(next(coming), size, slot)
                block.close_file()
                if slot >= 0:
                    self._blocks[slot] = block
            else:
                block = self._blocks[slot]
            owners.append(block.lend(self._gone))
        return owners


class _Unpacker(pickle.Unpickler):
    """Reads what _Packer wrote, making arrays over the adopted blocks."""

    def __init__(self, buffer: io.BytesIO, owners: list[_Owner | None]) -> None:
        super().__init__(buffer)
        self.owners = owners

    def persistent_load(self, pid: Any) -> Any:
        if pid[0] == "small":
            _, content, shape, dtype = pid
            values = np.frombuffer(content, dtype).reshape(shape)
            return _core._from_numpy(values, _CPU_SHARED, 0, flag_of(dtype))
        kind, number, offset, shape, dtype = pid
        owner = self.owners[number]
        assert owner is not None
        if kind == "np":
            return np.asarray(_Region(owner, offset, shape, dtype))
        return _array_over(owner, offset, shape, dtype)


def unpack(message: bytes, owners: list[_Owner | None]) -> Any:
    """The batch that Arena.pack wrote."""
    return _Unpacker(io.BytesIO(message), owners).load()
