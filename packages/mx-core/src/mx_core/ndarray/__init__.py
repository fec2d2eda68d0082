"""``mx.nd``: arrays and every operator on them.

The functions are in `creation`, `arithmetic` and `dlpack`, NDArray's methods in `array` and `indexing`; any other
public name is an operator, looked up in the registry at its first use.
"""

from __future__ import annotations

from ..serialize import load, load_frombuffer, save
from . import array as _array_module
from . import random, utils
from .arithmetic import (
    add,
    divide,
    equal,
    greater,
    greater_equal,
    lesser,
    lesser_equal,
    logical_and,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    modulo,
    multiply,
    not_equal,
    power,
    subtract,
    true_divide,
)
from .array import NDArray
from .creation import (
    arange,
    array,
    concatenate,
    empty,
    eye,
    from_numpy,
    full,
    histogram,
    imdecode,
    linspace,
    moveaxis,
    onehot_encode,
    ones,
    split_v2,
    waitall,
    zeros,
)
from .dlpack import from_dlpack, to_dlpack_for_read, to_dlpack_for_write
from .into import all_finite, multi_all_finite
from .namespace import namespace

# Names that MXNet's own modules import from mx.nd.
_new_empty_handle = _array_module._new_empty_handle
get_indexing_dispatch_code = _array_module.get_indexing_dispatch_code
get_oshape_of_gather_nd_op = _array_module.get_oshape_of_gather_nd_op
indexing_key_expand_implicit_axes = _array_module.indexing_key_expand_implicit_axes

ndarray = _array_module  # mx.nd.ndarray is the module of NDArray, as in MXNet

__all__ = [
    "NDArray", "add", "all_finite", "arange", "array", "concatenate", "divide", "empty", "equal", "eye", "from_dlpack",
    "from_numpy", "full", "greater", "greater_equal", "histogram", "imdecode", "lesser", "lesser_equal", "linspace", "load",
    "load_frombuffer", "logical_and", "logical_or", "logical_xor", "maximum", "minimum", "modulo", "moveaxis",
    "multi_all_finite", "multiply", "not_equal", "onehot_encode", "ones", "power", "random", "save", "split_v2", "subtract",
    "to_dlpack_for_read", "to_dlpack_for_write", "true_divide", "utils", "waitall", "zeros",
]  # fmt: skip

_SUBMODULES = ("_internal", "contrib", "image", "linalg", "op", "sparse")
_operator, __dir__ = namespace("mxnet.ndarray", globals(), "")


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    if name == "Custom":
        from ..operator import Custom

        return Custom
    if name == "CachedOp":
        from ..cached_op import CachedOp

        return CachedOp
    return _operator(name)
