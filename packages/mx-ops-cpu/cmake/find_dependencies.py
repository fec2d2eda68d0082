"""Prints where a build dependency keeps its library or headers; CMakeLists.txt asks."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import sys
from pathlib import Path


def installed_file(distribution: str, ending: str) -> Path:
    """The file of an installed distribution whose path ends so; SystemExit with the cure if there is none."""
    try:
        files = importlib.metadata.distribution(distribution).files or []
    except importlib.metadata.PackageNotFoundError:
        sys.exit(f"{distribution} is not installed; it belongs to build-system.requires of mx-ops-cpu")
    for file in files:
        if str(file).endswith(ending):
            return Path(str(file.locate())).resolve()
    sys.exit(f"{distribution} is installed but holds no file {ending}; reinstall it")


def core_include() -> Path:
    """The folder that holds mx/abi.h of the installed mx-core."""
    for module in ("mx_core_sdk", "mx_core"):
        try:
            folder = importlib.resources.files(module) / "include"
        except ImportError:
            continue
        if (folder / "mx" / "abi.h").is_file():
            return Path(str(folder))
    sys.exit("mx-core's headers are not installed; it belongs to build-system.requires of mx-ops-cpu")


ANSWERS = {
    "mx-core-include": core_include,
    "onednn-library": lambda: installed_file("onednn-cpu-gomp", "libdnnl.so.3"),
    "onednn-include": lambda: installed_file("onednn-devel-cpu-gomp", "include/oneapi/dnnl/dnnl.h").parents[2],
    "openblas-library": lambda: installed_file("scipy-openblas32", "lib/libscipy_openblas.so"),
    "openblas-include": lambda: installed_file("scipy-openblas32", "include/cblas.h").parent,
}

if __name__ == "__main__":
    print(ANSWERS[sys.argv[1]]())
