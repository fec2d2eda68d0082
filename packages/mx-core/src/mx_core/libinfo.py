"""``mx.libinfo``: where the runtime and its headers are."""

from __future__ import annotations

import os

__all__ = ["find_include_path", "find_lib_path"]

__version__ = "1.9.1"  # of the API that is served, as mxnet.__version__


def find_lib_path(prefix: str = "libmxnet") -> list[str]:
    """The runtime's library, in a list: the extension module of mx-core.

    It does not have the C interface of ``prefix``; programs use the folder that it is in, or its version.
    """
    from . import _core

    return [os.path.abspath(_core.__file__)]


def find_include_path() -> str:
    """The folder of the C headers for kernel and device packages."""
    from .sdk import include_folder

    return os.path.join(str(include_folder()), "")
