"""Each package installed alone into a fresh environment, and the example plug-ins into one that has the core.

The wheels come from `nox -s tests` (MX_TEST_WHEELS); without them these tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WHEELS = [Path(path) for path in os.environ.get("MX_TEST_WHEELS", "").split(os.pathsep) if path]

pytestmark = [
    pytest.mark.fresh_environment,
    pytest.mark.skipif(not WHEELS, reason="MX_TEST_WHEELS names no wheels; run nox -s tests"),
]


class Environment:
    """A virtual environment without pip; packages are put into it from outside."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.python = folder / "bin" / "python"
        self.folder = folder

    def install(self, *packages: str) -> None:
        """pip-installs packages by name; ours are found among the wheels."""
        links = [argument for path in WHEELS for argument in ("--find-links", str(path.parent))]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet", *links, *packages],
            capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def run(self, program: str, **environment: str) -> str:
        """The output of a program run in this environment, away from the sources; a warning is an error."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = subprocess.run(
            [str(self.python), "-W", "error", "-c", program],
            capture_output=True, text=True, timeout=300, cwd=self.folder, env={**clean, **environment}, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def packages(self) -> set[str]:
        """The distributions installed."""
        program = "import importlib.metadata as m, json; print(json.dumps([d.name for d in m.distributions()]))"
        return set(json.loads(self.run(program)))


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path / "environment")


def test_mx_core_alone(environment):
    environment.install("mx-core")
    assert environment.packages() == {"mx-core", "numpy", "pluggy"}
    # Arrays can be made and read; operators say what to install.
    program = """
import mxnet as mx
x = mx.nd.array([1, 2, 3])
print(x.shape, x.asnumpy().tolist())
try:
    mx.nd.dot(x, x).asnumpy()
except mx.MXNetError as error:
    print(error)
try:
    import mxnet.gluon
except ImportError as error:
    print(error)
"""
    lines = environment.run(program).splitlines()
    assert lines[0] == "(3,) [1.0, 2.0, 3.0]"
    assert "pip install mx-ops-cpu" in lines[1]
    assert lines[-1] == "mxnet.gluon is not installed. pip install mx-gluon"


def test_mx_gluon_alone(environment):
    environment.install("mx-gluon")
    assert environment.packages() == {"mx-core", "mx-gluon", "numpy", "pluggy"}
    program = "import mxnet as mx; print(mx.gluon.nn.Dense(4).prefix); import mx_gluon; print(mx_gluon is mx.gluon)"
    assert environment.run(program) == "dense0_\nTrue"


def test_mx_module_alone(environment):
    environment.install("mx-module")
    assert environment.packages() == {"mx-core", "mx-module", "numpy", "pluggy"}
    program = "import mxnet as mx; print(mx.mod.Module.__name__, mx.model.FeedForward.__name__, mx.mod is mx.module)"
    assert environment.run(program) == "Module FeedForward True"


def test_mx_io_alone(environment):
    environment.install("mx-io")
    assert {"mx-gluon", "mx-ops-cpu"}.isdisjoint(environment.packages())
    assert environment.run("import mx_io, mxnet as mx; print(mx.io.NDArrayIter.__name__)") == "NDArrayIter"


def test_mx_ops_cpu_and_then_the_examples(environment):
    environment.install("mx-ops-cpu")
    assert {"mx-gluon", "mx-io"}.isdisjoint(environment.packages())
    assert environment.run("import mxnet as mx; print(mx.nd.relu(mx.nd.array([-1, 2])).asnumpy().tolist())") == (
        "[0.0, 2.0]"
    )
    assert environment.run("import mxnet as mx; print(hasattr(mx.nd, 'ema'))") == "False"

    environment.install("mx-ops-example")
    program = """
import mxnet as mx
x = mx.nd.array([8.0, 0.0, 0.0])
x.attach_grad()
with mx.autograd.record():
    y = x.swish().ema(decay=0.5)
y.backward()
print(mx.nd.ema(x, decay=0.5).asnumpy().tolist(), x.grad.shape)
print(mx.nd.swish.__doc__.splitlines()[0])
from mx_core import plugin
from mx_core.testing import check_op
rows = dict(plugin.ask("mx_op_cases"))["example"]
for row in rows:
    check_op(row)
print(len(rows))
"""
    values, help_line, rows = environment.run(program).splitlines()
    assert values == "[4.0, 2.0, 1.0] (3,)"
    assert help_line.startswith("Swish activation")
    assert rows == "2"

    environment.install("mx-device-sim")
    count = "import mxnet as mx; print(mx.context.num_gpus())"
    assert environment.run(count) == "0"
    assert environment.run(count, MX_SIM_GPUS="3") == "3"


def test_one_pip_command_from_a_clone_with_build_isolation(environment):
    # Resolves and prepares everything as `pip install` does, and stops before it compiles: the wheels that all
    # other tests use have been compiled in the same isolation.
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(environment.python), "install", "--dry-run",
         "./packages/mx-core", "./packages/mx-ops-cpu", "./packages/mx-gluon"],
        capture_output=True, text=True, timeout=900, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    planned = done.stdout[done.stdout.index("Would install") :]
    for package in ("mx-core", "mx-ops-cpu", "mx-gluon"):
        assert package in planned


def test_our_wheels_are_small():
    ours = [path for path in WHEELS if path.name.startswith(("mx_core-", "mx_ops_cpu-"))]
    assert len(ours) == 2
    assert sum(path.stat().st_size for path in ours) < 10e6
