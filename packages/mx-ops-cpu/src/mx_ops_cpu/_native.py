"""Loads the compiled module, having made sure that the libraries it links are found."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import importlib.metadata
import os
from collections.abc import Iterator
from types import ModuleType

# Distribution, and the end of the path of its library. The extension's RPATH finds them only when all
# three packages share one site-packages; loaded here first, the dynamic loader takes these by their soname.
_LIBRARIES = (
    ("onednn-cpu-gomp", "libdnnl.so.3"),
    ("scipy-openblas32", "lib/libscipy_openblas.so"),
)


def _load_library(distribution: str, ending: str) -> None:
    """Loads a library out of an installed distribution; ImportError with the cure when that fails."""
    try:
        files = importlib.metadata.distribution(distribution).files or []
    except importlib.metadata.PackageNotFoundError:
        msg = f"mx-ops-cpu needs {distribution}, which is not installed: pip install {distribution}"
        raise ImportError(msg) from None
    for file in files:
        if str(file).endswith(ending):
            try:
                ctypes.CDLL(str(file.locate()))
            except OSError as error:
                cure = f"pip install --force-reinstall {distribution}"
                if "libgomp" in str(error):
                    cure = "install the system's OpenMP runtime (Debian, Ubuntu: apt-get install libgomp1)"
                msg = f"mx-ops-cpu cannot load {ending} of {distribution}: {error}; {cure}"
                raise ImportError(msg) from error
            return
    msg = f"{distribution} is installed but lacks {ending}: pip install --force-reinstall {distribution}"
    raise ImportError(msg)


@contextlib.contextmanager
def _threads_sleep_when_idle() -> Iterator[None]:
    """While libgomp loads, tells it to let idle threads sleep, unless the user has said how they wait.

    Its default is to spin for milliseconds after every parallel loop, on cores that Python, the engine's workers or
    other processes need: on a busy machine training came to a standstill (28 ms for a pooling of 3.8).
    """
    if {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        yield
        return
    os.environ["OMP_WAIT_POLICY"] = "passive"
    try:
        yield
    finally:
        del os.environ["OMP_WAIT_POLICY"]


@functools.cache
def kernels() -> ModuleType:
    """The compiled module mx_ops_cpu._kernels. Raises ImportError naming the library or package that lacks."""
    with _threads_sleep_when_idle():
        for distribution, ending in _LIBRARIES:
            _load_library(distribution, ending)
        return importlib.import_module("mx_ops_cpu._kernels")
