"""What a worker process does: takes tasks from a channel all workers share, makes batches, sends them."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mx_core import autograd
from mx_core.context import Context, cpu

from ._seeds import seed_batch
from ._shared import Arena, receive, send

__all__ = ["BATCHIFYING", "CANCELLED", "FAILED", "IDLE", "MADE", "Link", "arena", "work"]

MADE, FAILED, CANCELLED = 0, 1, 2  # what became of a task
BATCHIFYING = -1  # in the place of the position of a sample
IDLE = -1  # in the place of the number of a task

arena: Arena | None = None  # of this process, if it is a worker


@dataclass(frozen=True)
class Link:
    """What ties a worker to its parent.

    tasks: the channel all workers take tasks from.  results: the worker's own channel to the parent.  progress: where
    the worker is, for the parent's error if it dies: [task, position in its batch].  passes: the passes over the data
    that are still wanted.  states: as in Arena.  parent: its process id.  is_main: the parent's main thread forked.
    """

    tasks: socket.socket
    results: socket.socket
    progress: memoryview
    passes: memoryview
    states: memoryview
    parent: int
    is_main: bool


def work(dataset: Any, batchify: Callable[[list[Any]], Any], link: Link) -> None:
    """Makes batches for tasks until the parent is gone."""
    global arena
    _settle(link)
    arena = Arena(link.states)
    while (task := _next_task(link)) is not None:
        link.progress[0] = task[0]
        message, blocks, files = b"", [], []
        try:
            batch = _make(dataset, batchify, link, *task[1:])
            message, blocks, files = arena.pack(batch)
            outcome = MADE
        except _Cancelled:
            outcome = CANCELLED
        except BaseException as error:  # also SystemExit: the parent tells the user
            outcome, message = FAILED, _report(error)
        batch = None
        position, link.progress[0] = link.progress[1], IDLE
        try:
            send(link.results, pickle.dumps((task[0], outcome, position, message, blocks)), files)
        except ConnectionError:
            return
        arena.sent()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()  # the process ends by a signal


class _Cancelled(Exception):
    """Nobody waits for the batch any more."""


def _make(
    dataset: Any, batchify: Callable[[list[Any]], Any], link: Link, pass_: int, place: int, number: int, seeds: Any,
    indices: Any,
) -> Any:  # fmt: skip
    """Batch ``number`` of a pass, as long as ``passes[place]`` says that the pass goes on."""
    passes, progress = link.passes, link.progress
    seed_batch(seeds, number)
    samples = []
    for position, index in enumerate(indices):
        if passes[place] != pass_:
            raise _Cancelled
        progress[1] = position
        samples.append(dataset[index])
    progress[1] = BATCHIFYING
    return batchify(samples)


def _next_task(link: Link) -> Any:
    """The next task; None when the parent is gone, whose end of the channel another process may still hold."""
    link.tasks.settimeout(1.0)
    while os.getppid() == link.parent:
        try:
            received = receive(link.tasks)
        except TimeoutError:
            continue
        return None if received is None else pickle.loads(received[0])
    return None


def _report(error: BaseException) -> bytes:
    """What the parent raises again: (the exception's pickle or None, its class and text, its traceback)."""
    described = "".join(traceback.format_exception_only(error)).strip()
    # The first two frames are this module's.
    frames = traceback.extract_tb(error.__traceback__)
    own = sum(frame.filename == __file__ for frame in frames)
    trace = "".join(traceback.format_list(frames[own:]))
    try:
        pickled = pickle.dumps(error)
        pickle.loads(pickled)
    except Exception:  # of whatever class the user's __reduce__ or __init__ raises
        pickled = None
    return pickle.dumps((pickled, described, trace))


def _settle(link: Link) -> None:
    """Makes a forked copy of the program a worker: no threads, no signals of the terminal, none of the parent's modes."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent ends us
    signal.set_wakeup_fd(-1)
    if link.is_main:
        _die_with(link.parent)
    # Workers share the cores between them, and libraries' thread pools do not survive a fork.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["OPENCV_FOR_THREADS_NUM"] = "0"
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(0)
    autograd.set_recording(False)
    autograd.set_training(False)
    Context.default_ctx = cpu()
    if type(np.random.get_bit_generator()) is not np.random.MT19937:
        np.random.set_bit_generator(np.random.MT19937())  # one that can be seeded
    gc.freeze()  # the parent's objects are not ours to collect


def _die_with(parent: int) -> None:
    """Has Linux kill this process when the thread that forked it ends: the parent's main thread, hence the parent."""
    if sys.platform != "linux":
        return
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before
        os._exit(1)
