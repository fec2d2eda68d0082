"""``mx.profiler``: what ran, when and for how long, as a table (``dumps``) and as a trace file (``dump``).

>>> import mxnet as mx
>>> mx.profiler.set_config(aggregate_stats=True, filename="profile.json")
>>> mx.profiler.set_state("run")
>>> mx.nd.dot(mx.nd.ones((2, 3)), mx.nd.ones((3, 2))).wait_to_read()
>>> mx.profiler.set_state("stop")
>>> "dot" in mx.profiler.dumps(reset=True)
True

The runtime notes every kernel and copy while the state is "run": a compiled graph shows one line for each of its
steps, an operator that is called alone shows its own name. The file is what chrome://tracing and Perfetto open.
"""

from __future__ import annotations

import atexit
import json
import os
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import _profile_report as report
from .errors import ParameterError

__all__ = [
    "Counter", "Domain", "Event", "Frame", "Marker", "Task", "dump", "dump_profile", "dumps", "pause",
    "profiler_set_config", "profiler_set_state", "resume", "scope", "set_config", "set_kvstore_handle", "set_state",
]  # fmt: skip

_FLAGS = {
    "profile_all": False,
    "profile_symbolic": True,
    "profile_imperative": True,
    "profile_memory": True,
    "profile_api": True,
    "continuous_dump": False,
    "aggregate_stats": False,
}
_NUMBERS = {"dump_period": 1.0, "gpu_memory_profile_filename_prefix": ""}
_NAMES = ("filename", "profile_process", *_FLAGS, *_NUMBERS)


class _Profile:
    """The configuration, the state and what was recorded."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.options: dict[str, Any] = {**_FLAGS, **_NUMBERS, "filename": "profile.json"}
        self.running = False
        self.paused = False
        self.spans: list[report.Span] = []
        self.samples: list[report.Sample] = []
        self.marks: list[report.Mark] = []
        self.lost = 0

    @property
    def active(self) -> bool:
        return self.running and not self.paused

    def switch(self) -> None:
        """Makes the runtime record, or not, as the state says."""
        from . import _core

        try:
            if not self.active:
                _core.wait_all()  # work that was started while recording belongs to the record
        finally:
            _core.set_profile(self.active)
        if self.running and self.options["continuous_dump"]:
            atexit.unregister(_dump_at_exit)
            atexit.register(_dump_at_exit)

    def collect(self) -> None:
        """Takes over what the runtime noted so far."""
        from . import _core

        spans, lost = _core.take_profile()
        with self.lock:
            self.lost += lost
            for name, device, begin, end, thread, used in spans:
                self.spans.append(report.Span("operator", name, begin, end, thread, device))
                if self.options["profile_memory"]:
                    self.samples.append(report.Sample(report.MEMORY, f"Memory: {device}", end, used))

    def clear(self) -> None:
        """Forgets what was recorded."""
        self.spans, self.samples, self.marks, self.lost = [], [], [], 0


_profile = _Profile()


def _dump_at_exit() -> None:
    if _profile.spans or _profile.running:
        dump()


def set_config(**kwargs: Any) -> None:
    """Sets what is recorded and where it goes.

    filename: of the trace (default "profile.json").  profile_all, profile_symbolic, profile_imperative, profile_api:
    accepted; kernels are recorded in any case.  profile_memory: also the memory in use.  aggregate_stats: accepted;
    ``dumps`` works in any case.  continuous_dump: also write the file when the program ends.  dump_period,
    profile_process: accepted.
    """
    for name, value in kwargs.items():
        if name not in _NAMES:
            msg = f"[profiler.set_config] Cannot find argument {name!r}. Possible arguments: {', '.join(_NAMES)}"
            raise ParameterError(msg)
        if name in _FLAGS:
            if value not in (0, 1, "0", "1", "True", "False", "true", "false"):
                msg = f"[profiler.set_config] {name} must be True or False, got {value!r}"
                raise ParameterError(msg)
            value = value in (1, "1", "True", "true")
        _profile.options[name] = os.fspath(value) if name == "filename" else value


def profiler_set_config(mode: str = "symbolic", filename: str = "profile.json") -> None:
    """``set_config`` under its old name; mode "all" or "symbolic"."""
    warnings.warn("profiler.profiler_set_config() is deprecated. Please use profiler.set_config()", stacklevel=2)
    set_config(filename=filename, **{f"profile_{mode}": True})


def set_state(state: str = "stop", profile_process: str = "worker") -> None:
    """Starts ("run") or stops ("stop") recording; to stop waits for all work."""
    if state not in ("run", "stop"):
        msg = f"[profiler.set_state] state must be 'run' or 'stop', got {state!r}"
        raise ParameterError(msg)
    _profile.running, _profile.paused = state == "run", False
    _profile.switch()


def profiler_set_state(state: str = "stop") -> None:
    """``set_state`` under its old name."""
    warnings.warn("profiler.profiler_set_state() is deprecated. Please use profiler.set_state()", stacklevel=2)
    set_state(state)


def pause(profile_process: str = "worker") -> None:
    """Stops recording until ``resume``."""
    _profile.paused = True
    _profile.switch()


def resume(profile_process: str = "worker") -> None:
    """Goes on recording after ``pause``."""
    _profile.paused = False
    _profile.switch()


def dump(finished: bool = True, profile_process: str = "worker") -> None:
    """Writes the trace to the configured file. finished: also stop recording."""
    if finished and _profile.running:
        set_state("stop")
    _profile.collect()
    from .serialize import atomic_write

    trace = report.trace(_profile.spans, _profile.samples, _profile.marks)
    with atomic_write(_profile.options["filename"]) as out:
        out.write(json.dumps(trace, indent=1).encode())


def dump_profile() -> None:
    """``dump(True)`` under its old name."""
    warnings.warn("profiler.dump_profile() is deprecated. Please use profiler.dump()", stacklevel=2)
    dump(True)


def dumps(reset: bool = False, format: str = "table", sort_by: str = "total", ascending: bool = False) -> str:  # noqa: A002
    """The statistics of everything recorded so far, as a text.

    reset: then forget them.  format: "table" or "json".  sort_by: "total", "avg", "min", "max" or "count".
    """
    for name, value, known in (("format", format, report.FORMATS), ("sort_by", sort_by, report.ORDERS)):
        if value not in known:
            msg = f"[profiler.dumps] {name} must be one of {', '.join(known)}, got {value!r}"
            raise ParameterError(msg)
    _profile.collect()
    statistics = report.statistics(_profile.spans, _profile.samples, _profile.marks)
    text = report.FORMATS[format](statistics, sort_by, ascending, _profile.lost)
    if reset:
        _profile.clear()
    return text


def set_kvstore_handle(handle: Any) -> None:
    """Accepted for programs of distributed training: there are no servers to profile."""


def _now() -> int:
    return time.perf_counter_ns()


# -- what programs record themselves -----------------------------------------------------------------------------------


class Domain:
    """A named group of things to record."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    def new_task(self, name: str) -> Task:
        """A Task of this domain."""
        return Task(self, name)

    def new_frame(self, name: str) -> Frame:
        """A Frame of this domain."""
        return Frame(self, name)

    def new_counter(self, name: str, value: float | None = None) -> Counter:
        """A Counter of this domain, at ``value`` if that is given."""
        return Counter(self, name, value)

    def new_marker(self, name: str) -> Marker:
        """A Marker of this domain."""
        return Marker(self, name)


class _Timed:
    """Something with a start and a stop; a ``with`` block does both."""

    _category: str

    def __init__(self, name: str) -> None:
        self.name = name
        self._begin: int | None = None

    def __str__(self) -> str:
        return self.name

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begins a span."""
        self._begin = _now()

    def stop(self) -> None:
        """Ends the span; it is recorded if the profiler runs. Without a start, nothing happens."""
        begin, self._begin = self._begin, None
        if begin is not None and _profile.active:
            span = report.Span(self._category, self.name, begin, _now(), threading.get_native_id(), None)
            with _profile.lock:
                _profile.spans.append(span)


class Task(_Timed):
    """A span of work of a domain, such as loading a batch."""

    def __init__(self, domain: Domain, name: str) -> None:
        super().__init__(name)
        self._category = domain.name


class Frame(_Timed):
    """A span that comes again and again, such as a step of training."""

    def __init__(self, domain: Domain, name: str) -> None:
        super().__init__(name)
        self._category = f"{domain.name},frame"


class Event(_Timed):
    """A span that belongs to no domain."""

    _category = "event"


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Records the ``with`` block as an Event called ``name``."""
    with Event(name):
        yield


class Counter:
    """A number that changes: ``counter += 1``, ``counter.set_value(7)``."""

    def __init__(self, domain: Domain, name: str, value: float | None = None) -> None:
        self.name = name
        self.domain = domain
        self._value: float = 0
        if value is not None:
            self.set_value(value)

    def __str__(self) -> str:
        return self.name

    def set_value(self, value: float) -> None:
        """Sets the number."""
        self._value = value
        if _profile.active:
            with _profile.lock:
                _profile.samples.append(report.Sample(self.domain.name, self.name, _now(), value))

    def increment(self, delta: float = 1) -> None:
        """Adds ``delta``."""
        self.set_value(self._value + delta)

    def decrement(self, delta: float = 1) -> None:
        """Subtracts ``delta``."""
        self.set_value(self._value - delta)

    def __iadd__(self, delta: float) -> Counter:
        self.increment(delta)
        return self

    def __isub__(self, delta: float) -> Counter:
        self.decrement(delta)
        return self


class Marker:
    """A moment worth a line in the trace."""

    def __init__(self, domain: Domain, name: str) -> None:
        self.name = name
        self.domain = domain

    def mark(self, scope: str = "process") -> None:
        """Marks this moment. scope: "global", "process", "thread", "task" or "marker", how far its line reaches."""
        if scope not in report.SCOPES:
            msg = f"[Marker.mark] scope must be one of {', '.join(report.SCOPES)}, got {scope!r}"
            raise ParameterError(msg)
        if _profile.active:
            found = report.Mark(self.domain.name, self.name, _now(), threading.get_native_id(), scope)
            with _profile.lock:
                _profile.marks.append(found)
