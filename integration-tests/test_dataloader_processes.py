"""Programs with DataLoader workers as whole processes: however they end, no worker remains."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest

FULL = os.environ.get("MX_TEST_FULL") == "1"

PROGRAM = """
import os, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background inherit an ignored one
import mxnet as mx
from mxnet import nd, gluon

class Data(gluon.data.Dataset):
    def __len__(self):
        return 100_000
    def __getitem__(self, i):
        time.sleep(0.002)
        return nd.ones((64, 64)) * i, i

def workers(loader):
    return [worker.process.pid for worker in loader._pool._workers]

loader = gluon.data.DataLoader(Data(), 8, num_workers=2)
batches = iter(loader)
next(batches)
print("workers", *workers(loader), flush=True)
"""


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for_end(pids, seconds=5.0):
    """The processes that are still there after at most that long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(map(is_alive, pids)):
        time.sleep(0.02)
    return [pid for pid in pids if is_alive(pid)]


def start(end, **kwargs):
    """A running program (PROGRAM, then ``end``) and the process ids of its workers."""
    program = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM + end],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs,
    )  # fmt: skip
    assert program.stdout is not None
    line = program.stdout.readline()
    if not line:
        raise AssertionError(program.communicate()[1])
    return program, [int(pid) for pid in line.split()[1:]]


def shared_memory():
    return sorted(name for name in os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else []


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("", 0),  # falls off the end with the loader and an iterator open
        ("sys.exit(3)", 3),
        ("kept = [next(batches) for _ in range(5)]", 0),
        ("mx.data = loader, batches", 0),  # the module outlives everything
        ("nested = gluon.data.DataLoader(Data(), 2, num_workers=2); others = iter(nested); next(others)", 0),
        ("del loader, batches", 0),
        ("threading.Thread(target=lambda: [next(batches) for _ in range(20)]).start()", 0),
        ("raise ValueError('in the loop')", 1),
        ("import multiprocessing\np = multiprocessing.Process(target=print, args=('child',)); p.start(); p.join()", 0),
        ("if os.fork() == 0: sys.exit(0)\nos.wait(); next(batches)", 0),
        ("sys.stdout.flush(); os._exit(4)", 4),
        ("os.abort()", -signal.SIGABRT),
    ],
)
def test_end_of_the_program(end, status):
    before = shared_memory()
    program, workers = start(end)
    began = time.monotonic()
    output, errors = program.communicate(timeout=30)
    assert program.returncode == status, errors
    assert time.monotonic() - began < 10
    assert not wait_for_end(workers)
    assert shared_memory() == before
    if status == 0:
        assert errors == ""


@pytest.mark.parametrize("round_number", range(20 if FULL else 3))
def test_killed_program(round_number):
    program, workers = start("for _ in batches: pass")
    time.sleep(0.05 * round_number)
    program.kill()
    program.communicate(timeout=30)
    assert not wait_for_end(workers)


def test_killed_program_whose_workers_were_started_by_a_thread():
    """Linux tells workers of the end of the thread that forked them; here they see it in other ways."""
    program, workers = start(
        """
def more():
    global other, others
    other = gluon.data.DataLoader(Data(), 8, num_workers=2)
    others = iter(other)
    next(others)

thread = threading.Thread(target=more)
thread.start()
thread.join()
time.sleep(1.5)
assert next(others)[1].shape == (8,)  # they outlive the thread
print("workers", *workers(other), flush=True)
for _ in others: pass
"""
    )
    assert program.stdout is not None
    workers += [int(pid) for pid in program.stdout.readline().split()[1:]]
    assert len(workers) == 4
    program.kill()
    program.communicate(timeout=30)
    assert not wait_for_end(workers)


@pytest.mark.parametrize("stopped", [False, True])
def test_ctrl_c(stopped):
    """A terminal sends SIGINT to the whole group: one traceback, of the program; also with a worker stopped."""
    program, workers = start(
        """
try:
    for _ in batches: pass
except KeyboardInterrupt:
    print("interrupted", flush=True)
    assert next(iter(loader))[1].shape == (8,)  # a notebook goes on
    raise
""",
        start_new_session=True,
    )
    time.sleep(0.3)
    if stopped:
        os.kill(workers[0], signal.SIGSTOP)
        time.sleep(0.1)
        os.killpg(program.pid, signal.SIGINT)
        program.communicate(timeout=30)
    else:
        os.killpg(program.pid, signal.SIGINT)
        output, errors = program.communicate(timeout=30)
        assert output == "interrupted\n"
        assert errors.count("Traceback") == 1
        assert errors.rstrip().endswith("KeyboardInterrupt")
    assert not wait_for_end(workers)


def test_many_breaks():
    count = 1000 if FULL else 30
    program, workers = start(
        f"""
for number in range({count}):
    if number % 10 == 0:
        loader = gluon.data.DataLoader(Data(), 2, num_workers=2)
    for images, labels in loader:
        if number % 3 == 0:
            break
        for _ in loader:
            break
        break
del loader, batches, images, labels, _
import subprocess
listed = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "stat="], stdout=subprocess.PIPE)
print("left", len(listed.stdout.split()) - 1, flush=True)  # but ps itself
with open("/proc/self/maps") as file:
    print("mapped", sum("mx-dataloader" in line for line in file))
"""
    )
    output, errors = program.communicate(timeout=600)
    assert errors == ""
    left, mapped = (int(number) for number in re.findall(r"\d+", output))
    assert left == 0
    assert mapped == 0
    assert not wait_for_end(workers)


def test_program_without_a_guard(tmp_path):
    """A script as users write it: the data set and a lambda at the top level, no ``if __name__ == "__main__"``."""
    script = tmp_path / "script.py"
    script.write_text(
        "import mxnet as mx\n"
        "scale = 2\n"
        "data = mx.gluon.data.SimpleDataset(list(range(6))).transform(lambda x: mx.nd.array([x * scale]))\n"
        "for batch in mx.gluon.data.DataLoader(data, 3, num_workers=2):\n"
        "    print(batch.asnumpy().ravel().tolist())\n"
    )
    run = subprocess.run([sys.executable, "-W", "error", script], capture_output=True, text=True, timeout=60)
    assert run.stderr == ""
    assert run.stdout == "[0.0, 2.0, 4.0]\n[6.0, 8.0, 10.0]\n"


def test_what_workers_print_arrives():
    run = subprocess.run(
        [
            sys.executable, "-c",
            "import mxnet as mx\n"
            "data = mx.gluon.data.SimpleDataset([1, 2]).transform(lambda x: print('item', x) or x)\n"
            "print(len(list(mx.gluon.data.DataLoader(data, 1, num_workers=1))))\n",
        ],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert sorted(run.stdout.split("\n")) == ["", "2", "item 1", "item 2"]


def test_engine_works_in_workers_whatever_the_parent_was_doing():
    run = subprocess.run(
        [
            sys.executable, "-W", "error", "-c",
            "import mxnet as mx\n"
            "from mxnet import nd\n"
            "big = nd.ones((600, 600))\n"
            "def item(i):\n"
            "    return nd.dot(big, big)[0] + nd.softmax(nd.ones((400, 400)))[0, 0]\n"
            "data = mx.gluon.data.SimpleDataset(list(range(8))).transform(item)\n"
            "for _ in range(5):\n"
            "    pending = [nd.dot(big, big) for _ in range(5)]\n"  # the fork waits for these
            "    for batch in mx.gluon.data.DataLoader(data, 2, num_workers=2):\n"
            "        assert abs(batch.asnumpy() - 600.0025).max() < 1e-3\n"
            "    pending[-1].wait_to_read()\n"
            "print('done')\n",
        ],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (run.stdout, run.stderr) == ("done\n", "")
