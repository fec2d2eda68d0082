"""Makes installed-looking plug-ins in a folder, and runs programs that see them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

Completed = subprocess.CompletedProcess[str]

def make_plugin(folder: Path, name: str, source: str, *, distribution: str | None = None, version: str = "1.0") -> None:
    """A module and the metadata of a distribution that announces it, as pip would have installed them.

    The module is called ``<name>_plugin``, the distribution ``mx-<name>`` unless it is given.
    """
    distribution = distribution or f"mx-{name}"
    module = f"{distribution}_{name}_plugin".replace("-", "_")
    (folder / f"{module}.py").write_text(textwrap.dedent(source))
    info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[mxnet]\n{name} = {module}\n")


def run_program(source: str, folder: Path | None = None, **environment: str) -> Completed:
    """Runs a Python program in a process of its own; `folder` comes first on its path. Warnings go to stderr."""
    return run_python(["-c", textwrap.dedent(source)], folder, **environment)


def run_python(arguments: list[str], folder: Path | None = None, **environment: str) -> Completed:
    """Runs Python with these arguments; a process that fails is shown by `expect`."""
    paths = [*([str(folder)] if folder else []), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    given = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **environment}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=300, env=given, check=False
    )


def expect(done: Completed) -> str:
    """The output of a program that succeeded; AssertionError with its stderr if it did not."""
    assert done.returncode == 0, done.stderr
    return done.stdout
