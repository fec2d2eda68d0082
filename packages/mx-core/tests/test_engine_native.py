"""Compiles the native tests of engine and storage and runs them, plainly and under ThreadSanitizer."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1]
TESTS = Path(__file__).resolve().parent / "cpp"
RACE = """
#include <thread>
int shared;
int main() {
  std::thread other([] { shared = 1; });
  shared = 2;
  other.join();
}
"""
PROGRAMS = {"engine_test": ["engine.cpp"], "storage_test": ["engine.cpp", "storage.cpp", "device.cpp"]}
# ThreadSanitizer does not follow a process through fork.
SANITIZED_CASES = {
    "engine_test": [
        "random_programs",
        "many_callers",
        "concurrency",
        "destroyed_operations",
        "repeated_variables",
        "progress_without_wait_all",
        "failures",
        "naive_failures",
        "interrupted_wait",
        "shutdown_engine",
    ],
    "storage_test": [
        "device_tables",
        "cpu_contexts",
        "seeds",
        "size_classes",
        "out_of_memory",
        "cache_limit",
        "many_threads",
        "chunks",
        "copies",
    ],
}


@pytest.fixture(scope="module")
def compiler() -> str:
    """Returns the C++ compiler: $CXX, else g++ or c++."""
    found = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if not found:
        pytest.skip("no C++ compiler: set CXX or install g++")
    return found


def compile_program(compiler: str, sources: list[Path], program: Path, flags: list[str]) -> None:
    command = [*compiler.split(), "-std=c++20", "-O1", "-g", "-Wall", "-Wextra", "-Werror", *flags]
    command += [f"-I{PACKAGE / 'include'}", *map(str, sources), "-o", str(program), "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MXNET_")}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, env={**clean, **environment}
    )


@pytest.fixture(scope="module")
def sanitized_launcher(compiler: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Returns the words before a sanitized program's name, once a planted race was found with them."""
    folder = tmp_path_factory.mktemp("race")
    source, program = folder / "race.cpp", folder / "race"
    source.write_text(RACE)
    command = [*compiler.split(), "-std=c++20", "-g", "-fsanitize=thread", str(source), "-o", str(program), "-pthread"]
    linked = subprocess.run(command, capture_output=True, text=True, check=False)
    if linked.returncode != 0:
        pytest.skip(f"{compiler} cannot link ThreadSanitizer: {linked.stderr.strip()[-200:]}")
    # Some kernels place programs where older sanitizers do not look; setarch -R turns that off.
    for launcher in ([], ["setarch", "-R"]):
        if launcher and not shutil.which(launcher[0]):
            continue
        if "data race" in run([*launcher, str(program)]).stderr:
            return launcher
    pytest.skip(f"ThreadSanitizer of {compiler} does not find a planted race on this machine")


def sources_of(name: str) -> list[Path]:
    return [TESTS / f"{name}.cpp", *(PACKAGE / "cpp" / source for source in PROGRAMS[name])]


@pytest.mark.parametrize("name", PROGRAMS)
def test_native(name: str, compiler: str, tmp_path: Path) -> None:
    compile_program(compiler, sources_of(name), tmp_path / name, [])
    done = run([str(tmp_path / name)])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_native_is_free_of_races(name: str, compiler: str, sanitized_launcher: list[str], tmp_path: Path) -> None:
    compile_program(compiler, sources_of(name), tmp_path / name, ["-fsanitize=thread"])
    done = run([*sanitized_launcher, str(tmp_path / name), *SANITIZED_CASES[name]], TSAN_OPTIONS="halt_on_error=1")
    assert done.returncode == 0, (done.stdout + done.stderr)[-20000:]
    assert done.stdout.count("ok ") == len(SANITIZED_CASES[name])


def test_engine_type_naive(compiler: str, tmp_path: Path) -> None:
    """With MXNET_ENGINE_TYPE=NaiveEngine a push runs on the caller and no worker is started."""
    source = tmp_path / "naive.cpp"
    source.write_text(
        f'#include "{PACKAGE / "cpp" / "engine.h"}"\n'
        "struct Set : mx::Operation {\n"
        "  bool *done;\n"
        "  explicit Set(bool *d) : done(d) {}\n"
        "  void run() override { *done = true; }\n"
        "};\n"
        "int main() {\n"
        "  mx::Engine &engine = mx::Engine::get();\n"
        "  bool done = false;\n"
        '  engine.push(std::make_unique<Set>(&done), engine.lane("cpu"), {}, {});\n'
        "  return done && engine.is_naive() && engine.statistics().workers == 0 ? 0 : 1;\n"
        "}\n"
    )
    program = tmp_path / "naive"
    compile_program(compiler, [source, PACKAGE / "cpp" / "engine.cpp"], program, [])
    assert run([str(program)], MXNET_ENGINE_TYPE="NaiveEngine").returncode == 0
    assert run([str(program)], MXNET_ENGINE_TYPE="ThreadedEnginePerDevice").returncode == 1
