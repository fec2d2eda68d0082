"""What a profile is shown as: statistics, a table of them, and the trace that chrome://tracing opens."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["FORMATS", "MEMORY", "ORDERS", "SCOPES", "Mark", "Sample", "Span", "statistics", "trace"]

MEMORY = "Device Storage"
ORDERS = ("total", "avg", "min", "max", "count")
# How far a marker reaches, and the letter of the trace format for it.
SCOPES = {"global": "g", "process": "p", "thread": "t", "task": "t", "marker": "t"}


class Span(NamedTuple):
    """Work from ``begin`` to ``end``, nanoseconds; device is None for what a program recorded itself."""

    category: str
    name: str
    begin: int
    end: int
    thread: int
    device: str | None


class Sample(NamedTuple):
    """A number at a time."""

    category: str
    name: str
    time: int
    value: float


class Mark(NamedTuple):
    """A moment."""

    category: str
    name: str
    time: int
    thread: int
    scope: str


@dataclass
class Statistics:
    """Count, total, least, greatest and mean of what one name measured."""

    count: int = 0
    total: float = 0.0
    min: float = float("inf")
    max: float = float("-inf")

    def add(self, value: float) -> None:
        """Takes one measurement in."""
        self.count += 1
        self.total += value
        self.min = min(self.min, value)
        self.max = max(self.max, value)

    @property
    def avg(self) -> float:
        """The mean."""
        return self.total / self.count


class Tables(NamedTuple):
    """Statistics by category and name: times in ms, memory in kB, a program's own counters in their own unit."""

    times: dict[str, dict[str, Statistics]]
    memory: dict[str, dict[str, Statistics]]
    counters: dict[str, dict[str, Statistics]]


def statistics(spans: Sequence[Span], samples: Sequence[Sample], marks: Sequence[Mark]) -> Tables:
    """Everything recorded, added up."""
    tables = Tables({}, {}, {})

    def add(table: dict[str, dict[str, Statistics]], category: str, name: str, value: float) -> None:
        table.setdefault(category, {}).setdefault(name, Statistics()).add(value)

    for span in spans:
        add(tables.times, span.category, span.name, (span.end - span.begin) / 1e6)
    for mark in marks:
        add(tables.times, f"{mark.category},instant_marker", mark.name, 0.0)
    for sample in samples:
        if sample.category == MEMORY:
            add(tables.memory, MEMORY, sample.name, sample.value / 1000)
        else:
            add(tables.counters, sample.category, sample.name, sample.value)
    return tables


def _ordered(rows: dict[str, Statistics], sort_by: str, ascending: bool) -> list[tuple[str, Statistics]]:
    return sorted(rows.items(), key=lambda row: getattr(row[1], sort_by), reverse=not ascending)


def _table(tables: Tables, sort_by: str, ascending: bool, lost: int) -> str:
    lines = ["", "Profile Statistics:", "\tNote the difference in units for different entries."]
    if lost:
        lines.append(f"\t{lost} spans came after the first million and are left out.")
    sections = [
        (tables.times, "Time (ms)", True),
        (tables.memory, "Use  (kB)", False),
        (tables.counters, "Value", False),
    ]
    for table, unit, has_total in sections:
        heads = [f"{word} {unit}" for word in ("Min", "Max", "Avg")]
        heads = ["Total Count", *([unit] if has_total else []), *heads]
        for category in sorted(table):
            width = max(25, *(len(name) + 1 for name in table[category]))
            lines += [category, "================="]
            lines.append("Name".ljust(width) + "".join(f"{head:>17}" for head in heads))
            lines.append("----".ljust(width) + "".join(f"{'-' * len(head):>17}" for head in heads))
            for name, row in _ordered(table[category], sort_by, ascending):
                values = [*([row.total] if has_total else []), row.min, row.max, row.avg]
                lines.append(f"{name:<{width}}{row.count:>17}" + "".join(f"{value:>17.4f}" for value in values))
            lines.append("")
    return "\n".join(lines) + "\n"


def _json(tables: Tables, sort_by: str, ascending: bool, lost: int) -> str:
    def plain(table: dict[str, dict[str, Statistics]]) -> dict[str, Any]:
        return {
            category: {
                name: {"Count": row.count, "Total": row.total, "Min": row.min, "Max": row.max, "Avg": row.avg}
                for name, row in _ordered(table[category], sort_by, ascending)
            }
            for category in sorted(table)
        }

    content = {
        "Time": plain(tables.times),
        "Memory": plain(tables.memory),
        "Counter": plain(tables.counters),
        "Unit": {"Time": "ms", "Memory": "kB"},
    }
    return json.dumps({**content, "Lost": lost} if lost else content, indent=4)


FORMATS: dict[str, Callable[[Tables, str, bool, int], str]] = {"table": _table, "json": _json}


def trace(spans: Sequence[Span], samples: Sequence[Sample], marks: Sequence[Mark]) -> dict[str, Any]:
    """The content of a trace file: complete events, counters and instants by process; times in us."""
    processes: dict[str, int] = {}
    events: list[dict[str, Any]] = []

    def process(name: str) -> int:
        if name not in processes:
            processes[name] = len(processes)
            events.append({"ph": "M", "name": "process_name", "pid": processes[name], "args": {"name": name}})
        return processes[name]

    for span in spans:
        where = {"pid": process(span.device or span.category), "tid": span.thread}
        times = {"ts": span.begin / 1e3, "dur": (span.end - span.begin) / 1e3}
        events.append({"name": span.name, "cat": span.category, "ph": "X", **times, **where})
    for sample in samples:
        where = {"pid": process(sample.category), "args": {sample.name: sample.value}}
        events.append({"name": sample.name, "cat": sample.category, "ph": "C", "ts": sample.time / 1e3, **where})
    for mark in marks:
        category = f"{mark.category},instant_marker"
        where = {"pid": process(mark.category), "tid": mark.thread, "s": SCOPES[mark.scope]}
        events.append({"name": mark.name, "cat": category, "ph": "i", "ts": mark.time / 1e3, **where})
    return {"traceEvents": events, "displayTimeUnit": "ms"}
