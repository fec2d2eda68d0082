"""How far Python runs ahead of the workers: operations that nobody looks at must not fill the memory."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import mxnet as mx
from mx_core import _core

x = mx.nd.ones((512, 2048))  # 4 MB
w = mx.nd.ones((2048, 2048))
mx.nd.waitall()
before = _core.pool_statistics(1, 0)["in_use_bytes"]
for _ in range(120):  # 480 MB of results, each a millisecond of work or more
    y = mx.nd.dot(x, w)
mx.nd.waitall()
print((_core.pool_statistics(1, 0)["peak_bytes"] - before) >> 20, float(y[0, 0].asscalar()))
"""


def test_results_that_nobody_waits_for_are_bounded():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=True)
    peak, value = done.stdout.split()
    assert float(value) == 2048.0
    assert int(peak) < 200
