"""Random sparse arrays: names that MXNet's tests import. Sparse arrays are not installed, and each says so."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ..errors import ParameterError
from ..ndarray import array
from .arrays import random_arrays

__all__ = ["create_sparse_array", "create_sparse_array_zd", "rand_sparse_ndarray", "shuffle_csr_column_indices"]


def _refuse(function: str, stype: str) -> NoReturn:
    msg = (
        f"[{function}] storage type must be 'default', got {stype!r}; row_sparse and csr arrays are not installed. Use "
        "a dense array with zeros"
    )
    raise ParameterError(msg)


def rand_sparse_ndarray(
    shape: Any,
    stype: str,
    density: float | None = None,
    dtype: Any = None,
    distribution: str | None = None,
    data_init: float | None = None,
    rsp_indices: Any = None,
    modifier_func: Any = None,
    shuffle_csr_indices: bool = False,
    ctx: Any = None,
) -> NoReturn:
    """Raises ParameterError: there are no row_sparse and csr arrays."""
    _refuse("rand_sparse_ndarray", stype)


def create_sparse_array(
    shape: Any,
    stype: str,
    data_init: float | None = None,
    rsp_indices: Any = None,
    dtype: Any = None,
    modifier_func: Any = None,
    density: float = 0.5,
    shuffle_csr_indices: bool = False,
) -> Any:
    """A random dense array, filled with data_init if that is given, for "default"; other types are a ParameterError.

    density: the part of the elements that are not 0.  modifier_func: changes each element that is not 0.
    """
    if stype != "default":
        _refuse("create_sparse_array", stype)
    values = np.asarray(random_arrays(shape)) if data_init is None else np.full(shape, data_init, np.float32)
    if modifier_func is not None:
        values = np.vectorize(modifier_func, otypes=[np.float32])(values)
    return array(values * (np.random.uniform(size=shape) < density), dtype=dtype)  # noqa: NPY002


def create_sparse_array_zd(
    shape: Any,
    stype: str,
    density: float,
    data_init: float | None = None,
    rsp_indices: Any = None,
    dtype: Any = None,
    modifier_func: Any = None,
    shuffle_csr_indices: bool = False,
) -> Any:
    """``create_sparse_array`` with the density before the other parameters."""
    return create_sparse_array(shape, stype, data_init, rsp_indices, dtype, modifier_func, density, shuffle_csr_indices)


def shuffle_csr_column_indices(csr: Any) -> NoReturn:
    """Raises ParameterError: there are no csr arrays."""
    _refuse("shuffle_csr_column_indices", getattr(csr, "stype", "csr"))
