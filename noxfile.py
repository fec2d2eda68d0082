"""The chores of this repository. ``nox`` alone lints and runs the fast tests; ``nox -l`` lists the rest.

Every package is built into a wheel once for each state of its sources (``wheelhouse/``), and all sessions install
those wheels: what is tested is what users get. A virtual environment is kept between runs of its session.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
WHEELHOUSE = ROOT / "wheelhouse"
PACKAGES = ("mx-core", "mx-ops-cpu", "mx-io", "mx-gluon", "mx-module")
EXAMPLES = ("mx-ops-example", "mx-device-sim")
TEST_TOOLS = ("pytest>=8", "pytest-timeout>=2.3", "scipy>=1.11", "opencv-python-headless>=4.8")
DEMO_TOOLS = ("matplotlib>=3.8", "tqdm>=4.66")
LINT_TOOLS = ("ruff>=0.6,<1", "mypy>=1.11", "import-linter>=2.1", "numpy>=1.26", "pluggy>=1.5")
# The peers, each in an environment of its own. MXNet's last release works with this NumPy, up to Python 3.11.
MXNET = ("mxnet==1.9.1", "numpy==1.23.5", "scipy<1.12", "requests", "graphviz")
TORCH = ("torch", "numpy")
# The examples in docstrings, of the installed packages.
DOCSTRINGS = ("--doctest-modules", "--pyargs", "mx_core", "mxnet", "mx_io", "mx_gluon", "mx_module", "mx_ops_example")
# What must be the same when nothing runs asynchronously.
SYNCHRONOUS = [f"packages/mx-core/tests/{name}" for name in ("ops", "test_ndarray.py", "test_autograd.py")]
# The simulated gpu has no kernel for this one, on purpose; its own tests check that it is refused.
NOT_SIMULATED = "not shuffle"

nox.options.sessions = ["lint", "fast"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True


# ---- wheels ------------------------------------------------------------------------------------------------


def folder_of(package: str) -> Path:
    """The source folder of a package of ours or of an example."""
    return ROOT / ("examples" if package in EXAMPLES else "packages") / package


@functools.cache
def source_state(package: str) -> str:
    """A hash of all that goes into the wheel: the package's files, and mx-core's headers where it compiles."""
    folder = folder_of(package)
    files = [path for path in folder.rglob("*") if path.is_file() and is_source(path.relative_to(folder))]
    if package != "mx-core":
        files += (ROOT / "packages/mx-core/include").rglob("*.h")
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(files):
        digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def is_source(path: Path) -> bool:
    """False for what builds and test runs leave behind, and for tests, which are not in the wheel."""
    ignored = {"build", "dist", "tests", "__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache"}
    return not ignored & set(path.parts) and path.suffix not in {".so", ".pyc"}


def wheel(session: nox.Session, package: str) -> Path:
    """The package's wheel; built, in pip's isolation, only if this state of the sources has none yet."""
    place = WHEELHOUSE / package / source_state(package)
    for found in place.glob("*.whl"):
        return found
    build = WHEELHOUSE / package / "building"
    shutil.rmtree(build, ignore_errors=True)
    env = {"CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 2)}
    if shutil.which("ccache"):
        env["CMAKE_CXX_COMPILER_LAUNCHER"] = "ccache"
    if package in EXAMPLES:  # a third party's build finds mx-core's headers in its build requirement
        links = [os.environ.get("PIP_FIND_LINKS", ""), str(wheel(session, "mx-core").parent)]
        env["PIP_FIND_LINKS"] = " ".join(filter(None, links))
    command = ["python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(build)]
    session.run(*command, str(folder_of(package)), env=env)
    for old in (WHEELHOUSE / package).iterdir():
        if old != build:
            shutil.rmtree(old)
    build.rename(place)
    return next(place.glob("*.whl"))


def install(session: nox.Session, *packages: str, tools: tuple[str, ...] = ()) -> dict[str, str]:
    """Installs wheels of ours (all, if none is named) and tools; returns the environment variables that tests read."""
    wheels = [wheel(session, package) for package in packages or PACKAGES]
    # pip would keep a version number it has already; the state of the sources is what counts here.
    session.install(*map(str, wheels), *tools)
    session.install("--quiet", "--force-reinstall", "--no-deps", *map(str, wheels))
    return {"MX_TEST_WHEELS": os.pathsep.join(map(str, wheels)), "PYTHONHASHSEED": "0"}


# ---- sessions ----------------------------------------------------------------------------------------------


@nox.session
def lint(session: nox.Session) -> None:
    """Style (ruff), types (mypy strict where the core is typed) and layering (import-linter). Seconds."""
    session.install("--quiet", *LINT_TOOLS)
    check_style(session)


def check_style(session: nox.Session) -> None:
    """What `lint` and `tests` check of the sources."""
    session.run("ruff", "check", "packages", "examples", "integration-tests", "benchmarks", "noxfile.py")
    session.run("mypy", "--no-error-summary")
    sources = os.pathsep.join(str(folder_of(package) / "src") for package in PACKAGES)
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": sources})


@nox.session
def fast(session: nox.Session) -> None:
    """The tests that take seconds: units of every package and the operator suite, without those marked slow."""
    env = install(session, tools=TEST_TOOLS)
    session.run("pytest", "-q", "-m", "not slow", *test_folders(*PACKAGES), *session.posargs, env=env)


@nox.session
def tests(session: nox.Session) -> None:
    """All that CI needs: style, unit tests, operator suite (synchronous and on simulated gpus too), docstring examples,
    programs, both example plug-ins, each package installed alone. Ten minutes on two idle cores; arguments go to pytest."""
    session.install("--quiet", *LINT_TOOLS)
    check_style(session)
    env = install(session, *PACKAGES, *EXAMPLES, tools=(*TEST_TOOLS, *DEMO_TOOLS))
    gpus = {**env, "MX_SIM_GPUS": "2", "MX_TEST_DEVICES": "gpu"}
    session.run("pytest", "-q", *test_folders(*PACKAGES, "mx-ops-example"), *session.posargs, env=env)
    session.run("pytest", "-q", *DOCSTRINGS, env=env)
    naive = {**env, "MXNET_ENGINE_TYPE": "NaiveEngine"}  # all of it once more with nothing asynchronous
    session.run("pytest", "-q", *SYNCHRONOUS, *session.posargs, env=naive)
    session.run("pytest", "-q", *test_folders("mx-device-sim"), *session.posargs, env=gpus)
    on_gpus = ("packages/mx-core/tests/ops", "packages/mx-core/tests/test_context.py")
    session.run("pytest", "-q", *on_gpus, "-k", NOT_SIMULATED, *session.posargs, env=gpus)
    session.run("pytest", "-q", "integration-tests", "--ignore=integration-tests/oracle", *session.posargs, env=env)


def test_folders(*packages: str) -> list[str]:
    """The unit tests' folders of packages and examples."""
    folders = [folder_of(package) / "tests" for package in packages]
    return [str(folder.relative_to(ROOT)) for folder in folders if folder.is_dir()]


@nox.session
def integration(session: nox.Session) -> None:
    """Whole programs on `import mxnet as mx`, files, plug-ins, layering, each package installed alone."""
    env = install(session, *PACKAGES, *EXAMPLES, tools=(*TEST_TOOLS, *DEMO_TOOLS))
    session.run("pytest", "-q", "integration-tests", "--ignore=integration-tests/oracle", *session.posargs, env=env)


@nox.session
def demo(session: nox.Session) -> None:
    """Trains two networks on handwritten digits and draws the result: the first thing to run.

    Arguments after --: ``--synthetic`` draws digits instead of downloading MNIST."""
    install(session, tools=DEMO_TOOLS)
    session.run("python", "examples/digits.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Speed beside MXNet 1.9.1, PyTorch and plain C++, one thread, CPU time, in one run. Downloads the peers once.

    Arguments after --: groups of cases (import small memory dot mlp); ``--alone`` leaves the peers out."""
    install(session, tools=("numpy>=1.26",))
    arguments = [argument for argument in session.posargs if argument != "--alone"]
    if len(arguments) == len(session.posargs):
        arguments += ["--mxnet", side_environment(session, "mxnet", MXNET)]
        arguments += ["--torch", side_environment(session, "torch", TORCH)]
    session.run("python", "benchmarks/run.py", *arguments)


def side_environment(session: nox.Session, name: str, requirements: tuple[str, ...]) -> str:
    """The Python of an environment that holds a peer; made when it is first needed."""
    folder = ROOT / ".nox" / f"peer-{name}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        maker = shutil.which("python3.11") or sys.executable
        session.run(maker, "-m", "venv", "--clear", str(folder), external=True)
        session.run(str(python), "-m", "pip", "install", "--quiet", *requirements, external=True)
        (folder / "complete").touch()
    return str(python)


@nox.session
def wheels(session: nox.Session) -> None:
    """Builds every wheel that is missing for the present sources, and prints where they are and their sizes."""
    for package in (*PACKAGES, *EXAMPLES):
        path = wheel(session, package)
        session.log(f"{path.stat().st_size / 1e6:7.2f} MB  {path.relative_to(ROOT)}")


@nox.session(venv_backend="none")
def size(session: nox.Session) -> None:
    """Prints the lines of Python, C++ and tests of each package, so that growth is seen."""
    session.log(f"{'package':16} {'python':>8} {'c++':>8} {'tests':>8}")
    for package in (*PACKAGES, *EXAMPLES):
        counts = {"python": 0, "c++": 0, "tests": 0}
        folder = folder_of(package)
        for path in folder.rglob("*"):
            relative = path.relative_to(folder)
            kind = {".py": "python", ".cpp": "c++", ".h": "c++"}.get(path.suffix)
            if kind and "build" not in relative.parts:
                kind = "tests" if "tests" in relative.parts else kind
                counts[kind] += len(path.read_text(encoding="utf-8").splitlines())
        session.log(f"{package:16} {counts['python']:8} {counts['c++']:8} {counts['tests']:8}")


@nox.session
def sanitize(session: nox.Session) -> None:
    """Optional: the engine's C++ tests under ThreadSanitizer; skips, with the reason, where g++ cannot link it."""
    session.install("--quiet", *TEST_TOOLS)
    session.run("pytest", "-q", "packages/mx-core/tests/test_engine_native.py", *session.posargs)


@nox.session
def asan(session: nox.Session) -> None:
    """Optional: edge inputs for every operator, 200 each, under AddressSanitizer and UBSan; builds both native packages.

    Arguments after -- replace ``--cases 200`` (see ``python -m mx_core.testing_edges --help``). About an hour."""
    compiler = os.environ.get("CXX", "g++")
    preload = [library_of(session, compiler, name) for name in ("libasan.so", "libstdc++.so.6")]
    place = WHEELHOUSE / "asan"
    shutil.rmtree(place, ignore_errors=True)
    build = {
        "CXXFLAGS": "-O1 -g1 -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all",
        "SKBUILD_CMAKE_BUILD_TYPE": "None", "SKBUILD_INSTALL_STRIP": "false",
        "CMAKE_BUILD_PARALLEL_LEVEL": str(os.cpu_count() or 2),
        **({"CMAKE_CXX_COMPILER_LAUNCHER": "ccache"} if shutil.which("ccache") else {}),
    }  # fmt: skip
    folders = [str(folder_of(package)) for package in ("mx-core", "mx-ops-cpu")]
    session.run(
        "python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(place), *folders, env=build
    )
    session.install("--quiet", "--force-reinstall", *map(str, place.glob("*.whl")))
    run = {
        "LD_PRELOAD": " ".join(preload), "OMP_NUM_THREADS": "2",
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=2048",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }  # fmt: skip
    session.run("python", "-m", "mx_core.testing_edges", *(session.posargs or ("--cases", "200")), env=run)


def library_of(session: nox.Session, compiler: str, name: str) -> str:
    """The path of a library of the compiler's; skips the session where it has none."""
    found = str(session.run(compiler, f"-print-file-name={name}", silent=True, external=True)).strip()
    if not Path(found).is_absolute():
        session.skip(f"{compiler} has no {name}")
    return found


@nox.session
def oracle(session: nox.Session) -> None:
    """Optional: every operator beside Apache MXNet 1.9.1, which goes into an environment of its own."""
    env = install(session, tools=TEST_TOOLS)
    env["MX_TEST_ORACLE"] = side_environment(session, "mxnet", MXNET)
    session.run("pytest", "-q", "integration-tests/oracle", *session.posargs, env=env)
