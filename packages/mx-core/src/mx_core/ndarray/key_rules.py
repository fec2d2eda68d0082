"""What MXNet's modules ask about keys of ``x[key]``: their kind, and the axes that they leave out."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core
from ..errors import ParameterError, ShapeError
from .keys import expand

__all__ = ["get_indexing_dispatch_code", "get_oshape_of_gather_nd_op", "indexing_key_expand_implicit_axes"]

_BASIC, _ADVANCED = 0, 1
_INDEX_ARRAYS = (_core.NDArray, np.ndarray, list, tuple, range)
_NO_ZERO_DIM_BOOL, _ZERO_DIM_FALSE, _ZERO_DIM_TRUE = -1, 0, 1


def get_indexing_dispatch_code(key: tuple[Any, ...]) -> int:
    """0 for a tuple of ints, slices, ... and None (basic indexing), 1 with index arrays (advanced).

    Raises ParameterError for a key that is no tuple, and for items that cannot index.
    """
    if not isinstance(key, tuple):
        msg = f"[get_indexing_dispatch_code] key must be a tuple, got {type(key).__name__}"
        raise ParameterError(msg)
    code = _BASIC
    for item in key:
        if isinstance(item, _INDEX_ARRAYS):
            code = _ADVANCED
        elif not (item is None or item is Ellipsis or isinstance(item, (int, slice, np.integer, np.bool_))):
            msg = f"[getitem] NDArray does not support slicing with key {item!r} of type {type(item).__name__}"
            raise ParameterError(msg)
    return code


def indexing_key_expand_implicit_axes(key: Any, shape: tuple[int, ...]) -> tuple[tuple[Any, ...], int]:
    """(the key with a slice for each axis that ``...`` or its end leaves out, -1, or 0 or 1 for a bool alone).

    Raises IndexError for more than one ellipsis and for more items than axes.
    """
    items = key if isinstance(key, tuple) else (key,)
    alone = [item for item in items if isinstance(item, bool)]
    code = _NO_ZERO_DIM_BOOL if not alone else _ZERO_DIM_TRUE if all(alone) else _ZERO_DIM_FALSE
    return tuple(expand(tuple(item for item in items if not isinstance(item, bool)), shape)[0]), code


def get_oshape_of_gather_nd_op(dshape: tuple[int, ...], ishape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of gather_nd of data and indices of these shapes: ``ishape[1:] + dshape[ishape[0]:]``."""
    if not ishape or ishape[0] > len(dshape):
        msg = (
            f"[gather_nd] indices' first axis must have at most {len(dshape)} entries, one for each axis, got {ishape}"
        )
        raise ShapeError(msg)
    return (*ishape[1:], *dshape[ishape[0] :])
