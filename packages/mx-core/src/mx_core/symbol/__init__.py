"""``mx.sym``: graphs of operators, put together first and run when they are bound to arrays.

The class is in `symbol`, its operators and methods in `methods`, variables and constants in `functions`; any other
public name is an operator, looked up in the registry at its first use.
"""

from __future__ import annotations

from . import methods, random
from .functions import (
    Variable,
    arange,
    eye,
    full,
    histogram,
    hypot,
    linspace,
    maximum,
    minimum,
    ones,
    pow,
    power,
    split_v2,
    var,
    zeros,
)
from .json_format import fromjson, load, load_json
from .namespace import namespace
from .symbol import Group, Symbol

__all__ = [
    "Group", "Symbol", "Variable", "arange", "eye", "fromjson", "full", "histogram", "hypot",
    "linspace", "load", "load_json", "maximum", "methods", "minimum", "ones", "pow", "power", "random", "split_v2", "var",
    "zeros",
]  # fmt: skip

_SUBMODULES = ("_internal", "contrib", "image", "linalg", "op", "sparse")
_operator, __dir__ = namespace("mxnet.symbol", globals(), "")


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    if name == "Custom":
        from .custom import Custom

        return Custom
    return _operator(name)
