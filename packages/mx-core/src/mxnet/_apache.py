"""Notices Apache's own mxnet distribution beside this one: both own the folder `mxnet`, and files would mix."""

from __future__ import annotations

import os
import re
import sys

__all__ = ["check"]

_DISTRIBUTION = re.compile(r"(mxnet(?:_native|_mkl|_cu\d+(?:mkl)?)?)-([^-]+)\.(?:dist|egg)-info", re.IGNORECASE)


def check() -> None:
    """Raises ImportError naming the pip line when a distribution of Apache MXNet is on `sys.path`.

    Reads folder listings only: importlib.metadata would cost a fifth of the whole import.
    """
    for folder in sys.path:
        if not folder.endswith("-packages"):
            continue  # pip installs into site-packages and dist-packages
        try:
            entries = os.listdir(folder)
        except OSError:
            continue  # entries of sys.path need not exist
        for entry in entries:
            if entry.startswith("mxnet") and (found := _DISTRIBUTION.fullmatch(entry)):
                name, version = found[1].replace("_", "-"), found[2]
                msg = (
                    f"Apache's {name} {version} is installed in {folder} beside mx-core, and both provide `mxnet`. "
                    f"Keep one of them: python -m pip uninstall -y {name} && "
                    f"python -m pip install --force-reinstall --no-deps mx-core"
                )
                raise ImportError(msg)
