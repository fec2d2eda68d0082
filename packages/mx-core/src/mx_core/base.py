"""Names of ``mxnet.base`` that programs import: the base error, the kinds of Python numbers and strings."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import MXNetError

__all__ = ["MXNetError", "integer_types", "mx_real_t", "numeric_types", "py_str", "string_types"]

integer_types = (int, np.int32, np.int64)
numeric_types = (float, int, np.generic)
string_types = (str,)
mx_real_t = np.float32  # the element type of arrays made without dtype


def py_str(value: bytes) -> str:
    """The text of UTF-8 bytes.

    >>> py_str(b"data")
    'data'
    """
    return value.decode("utf-8")


def __getattr__(name: str) -> Any:
    # _Null is what an operator takes for "this parameter was not given"; asking for it loads the runtime.
    if name == "_Null":
        from ._core import MISSING

        globals()["_Null"] = MISSING
        return MISSING
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
