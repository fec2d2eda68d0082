"""Runs the cases side by side: this project, the real MXNet 1.9.1, PyTorch, and the machine's own floor.

    python benchmarks/run.py --ours PYTHON [--mxnet PYTHON] [--torch PYTHON] [--rounds 3] [GROUP ...]

Groups: import small memory movement normalization order random dot convolution mlp lenet module loader; all of them by
default. The peers take turns, one process at a time, and the best of the rounds counts, so that a noisy machine treats
all alike. `nox -s bench` makes the environments and calls this.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ONE_THREAD = {
    "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MXNET_CPU_WORKER_NTHREADS": "1",
}  # fmt: skip
LOWER_IS_BETTER = ("ns", "ms", "MB")


def figures(command: list[str]) -> dict[str, tuple[float, str]]:
    """The figures a program prints, one JSON line each; a program that fails says why and counts as absent."""
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ONE_THREAD}, cwd=HERE)
    if run.returncode:
        print(f"{command[0]}: {run.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
    rows = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    return {row["name"]: (row["value"], row["unit"]) for row in rows}


def floor_command(folder: str) -> list[str] | None:
    """Compiles floor.cpp; None without a compiler."""
    binary = f"{folder}/floor"
    compiler = os.environ.get("CXX", "g++")
    command = [compiler, "-O3", "-march=native", "-std=c++20", str(HERE / "floor.cpp"), "-o", binary]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"no floor: {error}", file=sys.stderr)
        return None
    return [binary]


def better(a: float, b: float, unit: str) -> float:
    return min(a, b) if unit in LOWER_IS_BETTER else max(a, b)


def collect(commands: dict[str, list[str]], rounds: int) -> dict[str, dict[str, tuple[float, str]]]:
    found: dict[str, dict[str, tuple[float, str]]] = {who: {} for who in commands}
    for _ in range(rounds):
        for who, command in commands.items():
            for name, (value, unit) in figures(command).items():
                before = found[who].get(name, (value, unit))[0]
                found[who][name] = (better(before, value, unit), unit)
    return found


def table(found: dict[str, dict[str, tuple[float, str]]]) -> str:
    """One row a case: each one's figure, and ours as a multiple of each peer's speed (above 1: ours is faster)."""
    peers = [who for who in found if who != "ours"]
    lines = ["| case | unit | ours | " + " | ".join(peers) + " | " + " | ".join(f"vs {who}" for who in peers) + " |"]
    lines.append("|" + " --- |" * (3 + 2 * len(peers)))
    for name, (value, unit) in found["ours"].items():
        cells, ratios = [], []
        for who in peers:
            other = found[who].get(name)
            cells.append(f"{other[0]:,.4g}" if other else "-")
            ratio = (other[0] / value if unit in LOWER_IS_BETTER else value / other[0]) if other else None
            ratios.append(f"{ratio:.2f}x" if ratio else "-")
        lines.append(f"| {name} | {unit} | {value:,.4g} | " + " | ".join(cells + ratios) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--mxnet", metavar="PYTHON", help="interpreter with mxnet==1.9.1")
    parser.add_argument("--torch", metavar="PYTHON", help="interpreter with torch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("groups", nargs="*")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands = {"ours": [given.ours, "-W", "ignore", "cases_mxnet.py", *given.groups]}
        if given.mxnet:
            commands["mxnet 1.9.1"] = [given.mxnet, "-W", "ignore", "cases_mxnet.py", *given.groups]
        if given.torch:
            commands["torch"] = [given.torch, "-W", "ignore", "cases_torch.py", *given.groups]
        floor = floor_command(folder)
        if floor:
            commands["floor"] = floor
        print(table(collect(commands, given.rounds)))


if __name__ == "__main__":
    main()
