"""The pool of worker processes of a DataLoader: tasks out, batches in, and what is said when a worker is lost.

# Note [Forked workers]
Workers are forked, so that data sets defined anywhere, in a script without a main guard or in a notebook, work as they
are. The engine drains before a fork and starts threads of its own in the child when it needs them; a worker sets every
other library to one thread. All workers take their tasks from one socket, so that a slow sample delays no other batch;
each has a socket of its own for results. What a worker is doing is in a page of shared memory, and stays there when it
is killed.
"""

from __future__ import annotations

import itertools
import mmap
import multiprocessing
import os
import pickle
import select
import signal
import socket
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import util
from typing import Any

from mx_core.errors import MXNetError

from ._seeds import Seeds
from ._shared import SLOTS, Blocks, receive, send, unpack
from ._worker import BATCHIFYING, CANCELLED, FAILED, IDLE, Link, work

__all__ = ["Pass", "Pool", "WorkerError", "WorkerTimeoutError"]

_PLACES = 64  # passes at a time whose end the workers are told; those of further ones are made in vain
_WAIT = 0.05  # seconds of one wait for a result; then another thread may have received it for us
_HEALTH = 0.5  # seconds between two looks at the workers: stopped in both means stopped
_ENDS_LOOPS = (StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit)  # or programs, if raised again

_fork_lock = threading.Lock()
_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


class WorkerError(MXNetError):
    """A worker of a DataLoader that died, was stopped, or raised what cannot be raised again."""


class WorkerTimeoutError(WorkerError, multiprocessing.TimeoutError):
    """A worker of a DataLoader that did not make a batch within the loader's timeout."""


@dataclass(eq=False)
class Pass:
    """One iteration over the data: its number, its place in the shared page, its seeds, and the results that came."""

    number: int
    place: int
    seeds: Seeds
    results: dict[int, Any] = field(default_factory=dict)


@dataclass(eq=False)
class _Worker:
    """One process, as the parent sees it."""

    number: int
    process: Any
    results: socket.socket
    progress: memoryview
    blocks: Blocks
    was_stopped: bool = False

    def __str__(self) -> str:
        return f"DataLoader worker {self.number} (process {self.process.pid})"


class Pool:
    """``count`` workers for one data set; they live as long as the pool, through all passes.

    Of several passes at a time each gets its own results, whichever of them receives.
    """

    def __init__(self, dataset: Any, batchify: Callable[[list[Any]], Any], count: int) -> None:
        self._parent = os.getpid()
        self._lock = threading.RLock()
        self._passes: weakref.WeakValueDictionary[int, Pass] = weakref.WeakValueDictionary()
        self._numbers = itertools.count(1)
        self._task_numbers = itertools.count()
        self._tasks: dict[int, tuple[int, int, Any]] = {}  # task: pass, batch, indices
        self._unsent: deque[bytes] = deque()
        self._looked = time.monotonic()
        self._workers: list[_Worker] = []
        self.failure: str | None = None
        stride = 16 + SLOTS
        self._page = memoryview(mmap.mmap(-1, 8 * _PLACES + stride * count))
        self._wanted = self._page[: 8 * _PLACES].cast("q")
        with _fork_lock:
            self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._channel.setblocking(False)
            self._close = util.Finalize(self, _end, (self._workers, self._channel, self._parent), exitpriority=100)
            _pools.add(self)
            try:
                for number in range(count):
                    start = 8 * _PLACES + stride * number
                    progress = self._page[start : start + 16].cast("q")
                    progress[0] = IDLE
                    self._start(number, dataset, batchify, theirs, progress, self._page[start + 16 : start + stride])
            except BaseException:
                self.close()
                raise
            finally:
                theirs.close()

    def _start(
        self, number: int, dataset: Any, batchify: Any, tasks: socket.socket, progress: memoryview, states: memoryview
    ) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        is_main = threading.current_thread() is threading.main_thread()
        link = Link(tasks, theirs, progress, self._wanted, states, self._parent, is_main)
        process = multiprocessing.get_context("fork").Process(
            target=_begin, args=(dataset, batchify, link, ours), name=f"DataLoader-{number}"
        )
        with warnings.catch_warnings():
            # Python 3.12 warns of forks with threads: see Note [Forked workers].
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        # A child that the program forks itself would wait for workers at its exit, as if they were its own.
        multiprocessing.process._children.discard(process)  # type: ignore[attr-defined]
        theirs.close()
        self._workers.append(_Worker(number, process, ours, progress, Blocks(states)))

    # -- passes

    def begin(self, seeds: Seeds) -> Pass:
        """A new pass over the data."""
        with self._lock:
            number = next(self._numbers)
            place = next((i for i in range(_PLACES - 1) if not self._wanted[i]), _PLACES - 1)
            if place < _PLACES - 1:
                self._wanted[place] = number
            started = Pass(number, place, seeds)
            self._passes[number] = started
            return started

    def end(self, ended: Pass) -> None:
        """Gives up what is still to come of a pass."""
        if os.getpid() != self._parent:
            return
        with self._lock:
            self._passes.pop(ended.number, None)
            ended.results.clear()
            if ended.place < _PLACES - 1 and self._wanted[ended.place] == ended.number:
                self._wanted[ended.place] = 0

    def submit(self, of: Pass, batch: int, indices: Any) -> None:
        """Has a worker make a batch of the samples ``indices``."""
        indices = list(indices)
        with self._lock:
            task = next(self._task_numbers)
            self._tasks[task] = (of.number, batch, indices)
            wanted = of.number if of.place < _PLACES - 1 else 0
            self._unsent.append(pickle.dumps((task, wanted, of.place, batch, of.seeds, indices)))
            self._send()

    def _send(self) -> None:
        with suppress(BlockingIOError, ConnectionError):  # full: later; no worker left: the look at them tells
            while self._unsent:
                send(self._channel, self._unsent[0], [])
                self._unsent.popleft()

    def result(self, of: Pass, batch: int, timeout: float) -> Any:
        """The batch once it is made; raises what its worker raised, or WorkerError if a worker is lost."""
        deadline = time.monotonic() + timeout
        self._receive(0)
        while batch not in of.results:
            self._receive(_WAIT)
            if batch not in of.results and time.monotonic() > deadline:
                with self._lock:
                    message = self._slow(of, batch, timeout)
                    self.close()
                    self._fail(message, WorkerTimeoutError)
        made = of.results.pop(batch)
        if isinstance(made, BaseException):
            try:
                raise made
            finally:
                del made  # the exception's traceback has this frame: it would keep itself, and the pool, alive
        return made

    # -- what comes in

    def _receive(self, seconds: float) -> None:
        """Takes in the results that are there or come within ``seconds``; raises WorkerError if a worker is lost."""
        poll = select.poll()
        with self._lock:
            self._raise_failure()
            for worker in self._workers:
                poll.register(worker.results, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(int(seconds * 1000))}
        with self._lock:
            self._raise_failure()
            try:
                for worker in self._workers:
                    if worker.results.fileno() in ready:
                        self._take_in(worker)
                self._send()
                if time.monotonic() - self._looked > _HEALTH:
                    self._look()
            except BaseException:  # also Ctrl-C: half a message was read
                self.failure = self.failure or "The DataLoader was interrupted. Iterating again starts new workers"
                self.close()
                raise

    def _raise_failure(self) -> None:
        if self.failure:
            raise WorkerError(self.failure)

    def _take_in(self, worker: _Worker) -> None:
        try:
            received = receive(worker.results)
        except BlockingIOError:  # another thread was faster
            return
        if received is None:
            self._fail(self._lost(worker))
            return
        task, outcome, position, message, blocks = pickle.loads(received[0])
        owners = worker.blocks.adopt(blocks, received[1])
        number, batch, indices = self._tasks.pop(task)
        of = self._passes.get(number)
        if of is None or outcome == CANCELLED:
            return
        if outcome == FAILED:
            of.results[batch] = _raised(f"{worker}, {_place(batch, indices, position)}", message)
            return
        try:
            of.results[batch] = unpack(message, owners)
        except Exception as error:  # of a class of the user's that cannot be unpickled
            of.results[batch] = error

    # -- lost workers

    def _look(self) -> None:
        """Raises WorkerError if a worker ended without a word, or is stopped at two looks in a row."""
        self._looked = time.monotonic()
        for worker in self._workers:
            if worker.process.exitcode is not None:
                self._fail(self._lost(worker))
            stopped = _is_stopped(worker.process.pid)
            if stopped and worker.was_stopped:
                self._fail(
                    f"{worker} is stopped (by SIGSTOP, SIGTSTP or a debugger) {self._where(worker)}. "
                    "Continue it with kill -CONT before the loader looks, or iterate again for new workers"
                )
            worker.was_stopped = stopped

    def _lost(self, worker: _Worker) -> str:
        worker.process.join(5)
        code = worker.process.exitcode
        if code is None:
            cause = "closed its connection"
        elif code >= 0:
            cause = f"exited with code {code}"
        else:
            name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
            cause = f"was killed by {name}"
        hints = {
            "SIGKILL": "Linux does that when memory runs out (see dmesg): use fewer workers or smaller batches. ",
            "SIGSEGV": "A library that the data set calls crashed: num_workers=0 shows where. ",
        }
        hint = next((hint for name, hint in hints.items() if cause.endswith(name)), "")
        return f"{worker} {cause} {self._where(worker)}. {hint}Iterating again starts new workers"

    def _where(self, worker: _Worker) -> str:
        task, position = worker.progress
        if task not in self._tasks:
            return "while it waited for work"
        _, batch, indices = self._tasks[task]
        return f"at {_place(batch, indices, position)}"

    def _slow(self, of: Pass, batch: int, timeout: float) -> str:
        for worker in self._workers:
            if self._tasks.get(worker.progress[0], (0, 0))[:2] == (of.number, batch):
                return (
                    f"{worker} did not finish batch {batch} within {timeout:g} s; it is {self._where(worker)}. "
                    "Give DataLoader a larger timeout, or more workers"
                )
        return (
            f"No DataLoader worker began batch {batch} within {timeout:g} s: all {len(self._workers)} have other "
            "batches. Give DataLoader a larger timeout, or more workers"
        )

    def _fail(self, message: str, error: type[WorkerError] = WorkerError) -> None:
        self.failure = message
        raise error(message)

    def close(self) -> None:
        """Ends the workers at once; arrays of batches that are out stay valid."""
        self._close()

    @property
    def is_usable(self) -> bool:
        """Whether new passes can begin here: no worker was lost, and this is the process that started them."""
        return self.failure is None and self._close.still_active() and os.getpid() == self._parent

    def forget_channels(self) -> None:
        """Closes this process' copies of the parent's ends."""
        self._channel.close()
        for worker in self._workers:
            worker.results.close()


def _forget_pools() -> None:
    """In a child of whatever fork: closes the parent's ends, so that workers and parent see each other's end."""
    global _fork_lock
    _fork_lock = threading.Lock()
    for pool in list(_pools):
        pool.forget_channels()


os.register_at_fork(after_in_child=_forget_pools)


def _begin(dataset: Any, batchify: Any, link: Link, parents_end: socket.socket) -> None:
    parents_end.close()
    work(dataset, batchify, link)


def _end(workers: list[_Worker], channel: socket.socket, parent: int) -> None:
    """Kills and collects the workers; they hold nothing that must be put in order."""
    if os.getpid() != parent:
        return
    channel.close()
    for worker in workers:
        worker.process.kill()
    for worker in workers:
        worker.process.join(5)
        worker.results.close()
        with suppress(ValueError):  # the kernel cannot end it yet
            worker.process.close()


def _is_stopped(process: int) -> bool:
    """Whether a process is stopped by a signal."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[:1] == [b"T"]
    except OSError:  # gone, which the look at exit codes tells; or no /proc
        return False


def _place(batch: int, indices: Any, position: int) -> str:
    if position == BATCHIFYING or position >= len(indices):
        return f"the end of batch {batch}, in batchify_fn, samples {_shortened(indices)}"
    return f"sample {indices[position]!r} (item {position} of batch {batch})"


def _shortened(indices: Any) -> str:
    shown = ", ".join(repr(index) for index in indices[:8])
    return f"[{shown}, ...]" if len(indices) > 8 else f"[{shown}]"


def _raised(place: str, message: bytes) -> BaseException:
    """The exception of a worker, of its own class and with its own attributes; its text says where it was raised."""
    pickled, described, trace = pickle.loads(message)
    text = f"{place}: {described}\n\nIn the worker:\n{trace}{described}"
    if pickled is not None:
        error = pickle.loads(pickled)
        with suppress(Exception):  # a class that cannot be derived from or made anew is raised as it is
            return _retold(error, text)
        if not isinstance(error, _ENDS_LOOPS):
            error.add_note(text)
            return error
    return WorkerError(text)


def _retold(error: BaseException, text: str) -> BaseException:
    """The same exception, in a class derived from its own whose text is ``text``."""
    own = type(error)
    if issubclass(own, _ENDS_LOOPS):
        return WorkerError(text)
    make, arguments, *rest = error.__reduce__()[:3]  # type: ignore[misc]
    if make is not own:
        error.add_note(text)
        return error
    names = {
        "__str__": lambda self: text, "__reduce__": lambda self: (_retold, (error, text)),
        "__module__": own.__module__, "__qualname__": own.__qualname__,
    }  # fmt: skip
    made: BaseException = type(own.__name__, (own,), names)(*arguments)
    for state in rest:
        if state:
            made.__setstate__(state)  # type: ignore[attr-defined]
    return made
