"""mx.profiler: what is recorded, when, and how it is shown."""

from __future__ import annotations

import json

import pytest

import mxnet as mx


@pytest.fixture
def running(tmp_path):
    """The profiler, recording from nothing into a file of this test."""
    mx.profiler.dumps(reset=True)
    mx.profiler.set_config(filename=str(tmp_path / "profile.json"), profile_all=True, aggregate_stats=True)
    mx.profiler.set_state("run")
    yield tmp_path / "profile.json"
    mx.profiler.set_state("stop")
    mx.profiler.dumps(reset=True)


def rows(table: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in table.splitlines() if line and line[0] != "\t"}


def test_operators_are_counted_and_timed(running):
    a = mx.nd.ones((50, 50))
    for _ in range(3):
        mx.nd.dot(a, a)
    mx.nd.waitall()
    table = rows(mx.profiler.dumps())
    assert table["dot"][0] == "3"
    total, least, greatest, mean = map(float, table["dot"][1:])
    assert 0 <= least <= mean <= greatest <= total


def test_work_of_the_worker_and_copies_are_seen(running):
    big = mx.nd.ones((600, 600))
    mx.nd.dot(big, big)
    mx.nd.ones((700, 700)).copyto(mx.nd.empty((700, 700)))
    mx.profiler.set_state("stop")  # waits
    table = rows(mx.profiler.dumps())
    assert table["dot"][0] == "1" and table["_copyto"][0] == "1"


def test_nothing_is_recorded_while_paused_or_stopped(running):
    a = mx.nd.ones((4, 4))
    mx.profiler.pause()
    mx.nd.dot(a, a)
    mx.profiler.resume()
    mx.nd.relu(a)
    mx.profiler.set_state("stop")
    mx.nd.tanh(a)
    table = rows(mx.profiler.dumps(reset=True))
    assert "relu" in table and "dot" not in table and "tanh" not in table
    assert "relu" not in rows(mx.profiler.dumps())


def test_what_programs_record_themselves(running):
    domain = mx.profiler.Domain("loading")
    task, frame, counter = domain.new_task("batch"), domain.new_frame("step"), domain.new_counter("images", 5)
    for _ in range(2):
        task.start()
        with frame:
            counter += 3
        task.stop()
    counter -= 1
    counter.increment(10)
    domain.new_marker("here").mark("thread")
    with mx.profiler.Event("whole"), mx.profiler.scope("part"):
        pass
    task.stop()  # without a start: nothing
    assert str(domain) == "loading" and str(task) == "batch"
    shown = json.loads(mx.profiler.dumps(format="json"))
    assert shown["Time"]["loading"]["batch"]["Count"] == 2
    assert shown["Time"]["loading,frame"]["step"]["Count"] == 2
    assert set(shown["Time"]["event"]) == {"whole", "part"}
    assert shown["Counter"]["loading"]["images"] == {
        "Count": 5,
        "Total": 5 + 8 + 11 + 10 + 20,
        "Min": 5,
        "Max": 20,
        "Avg": 10.8,
    }
    assert shown["Unit"]["Time"] == "ms"


def test_the_trace_file_holds_complete_events(running):
    mx.nd.relu(mx.nd.ones((3,)))
    mx.profiler.Domain("d").new_marker("m").mark()
    mx.profiler.dump()
    trace = json.loads(running.read_text())
    events = {event["name"]: event for event in trace["traceEvents"]}
    assert events["relu"]["ph"] == "X" and events["relu"]["dur"] >= 0
    assert events["m"]["ph"] == "i" and events["m"]["s"] == "p"
    names = {e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "process_name"}
    assert {"cpu(0)", "d"} <= names


def test_rows_are_sorted_as_asked(running):
    for name, count in (("relu", 2), ("tanh", 3)):
        for _ in range(count):
            getattr(mx.nd, name)(mx.nd.ones((3,)))
    shown = json.loads(mx.profiler.dumps(format="json", sort_by="count"))["Time"]["operator"]
    assert list(shown).index("tanh") < list(shown).index("relu")
    shown = json.loads(mx.profiler.dumps(format="json", sort_by="count", ascending=True))["Time"]["operator"]
    assert list(shown).index("relu") < list(shown).index("tanh")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda p: p.set_config(colour=1), "Cannot find argument 'colour'"),
        (lambda p: p.set_config(profile_all=3), "profile_all must be True or False, got 3"),
        (lambda p: p.set_state("go"), "must be 'run' or 'stop', got 'go'"),
        (lambda p: p.dumps(format="xml"), "format must be one of table, json"),
        (lambda p: p.dumps(sort_by="name"), "sort_by must be one of total"),
        (lambda p: p.Domain("d").new_marker("m").mark("far"), "scope must be one of global"),
    ],
)
def test_wrong_calls_say_what_is_right(call, text):
    with pytest.raises(ValueError, match=text):
        call(mx.profiler)


def test_old_names_warn(running):
    with pytest.warns(UserWarning, match="set_config"):
        mx.profiler.profiler_set_config("all", str(running))
    with pytest.warns(UserWarning, match="set_state"):
        mx.profiler.profiler_set_state("stop")
    with pytest.warns(UserWarning, match="dump"):
        mx.profiler.dump_profile()
    assert running.exists()
