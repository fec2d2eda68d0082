"""Arrays for tests: random ones of NumPy's generator, matrices with known properties, and NumPy functions of MXNet's kind."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ParameterError
from ..ndarray import NDArray, arange, array, eye

__all__ = [
    "assign_each", "assign_each2", "collapse_sum_like", "create_2d_tensor", "create_vector", "get_identity_mat",
    "get_identity_mat_batch", "new_matrix_with_real_eigvals_2d", "new_matrix_with_real_eigvals_nd",
    "new_orthonormal_matrix_2d", "new_sym_matrix_with_real_eigvals_2d", "new_sym_matrix_with_real_eigvals_nd",
    "np_reduce", "rand_coord_2d", "rand_ndarray", "rand_shape_2d", "rand_shape_3d", "rand_shape_nd", "random_arrays",
    "random_sample", "random_uniform_arrays",
]  # fmt: skip

_Array = np.ndarray[Any, Any]

# -- random ones -------------------------------------------------------------------------------------------------------


def random_arrays(*shapes: Any) -> Any:
    """Standard normal float32 NumPy arrays of these shapes: a list, or the array itself for one shape."""
    found = [np.asarray(np.random.standard_normal(shape), dtype=np.float32) for shape in shapes]  # noqa: NPY002
    return found[0] if len(found) == 1 else found


def random_uniform_arrays(*shapes: Any, **kwargs: Any) -> list[_Array]:
    """Evenly spread NumPy arrays of these shapes. kwargs: low (0), high (1), dtype (float32)."""
    low, high = kwargs.pop("low", 0.0), kwargs.pop("high", 1.0)
    dtype = kwargs.pop("dtype", np.float32)
    if kwargs:
        msg = f"[random_uniform_arrays] has no parameter {', '.join(kwargs)}; it takes low, high and dtype"
        raise ParameterError(msg)
    return [np.asarray(np.random.uniform(low, high, shape), dtype=dtype) for shape in shapes]  # noqa: NPY002


def random_sample(population: Sequence[Any], k: int) -> list[Any]:
    """k different members of a population, in the population's order."""
    return [population[i] for i in sorted(random.sample(range(len(population)), k))]


def rand_ndarray(
    shape: Any,
    stype: str = "default",
    density: float | None = None,
    dtype: Any = None,
    modifier_func: Callable[[Any], Any] | None = None,
    shuffle_csr_indices: bool = False,
    distribution: str | None = None,
    ctx: Any = None,
) -> NDArray:
    """A random NDArray, of the standard normal distribution. stype: "default"; the other parameters are of sparse arrays."""
    if stype != "default":
        msg = f"[rand_ndarray] storage type must be 'default', got {stype!r}; sparse arrays are not installed"
        raise ParameterError(msg)
    return array(random_arrays(shape), dtype=dtype, ctx=ctx)


def rand_shape_2d(dim0: int = 10, dim1: int = 10, allow_zero_size: bool = False) -> tuple[int, ...]:
    """A random shape of two sizes, up to dim0 and dim1."""
    return _rand_shape((dim0, dim1), allow_zero_size)


def rand_shape_3d(dim0: int = 10, dim1: int = 10, dim2: int = 10, allow_zero_size: bool = False) -> tuple[int, ...]:
    """A random shape of three sizes, up to dim0, dim1 and dim2."""
    return _rand_shape((dim0, dim1, dim2), allow_zero_size)


def rand_shape_nd(num_dim: int, dim: int = 10, allow_zero_size: bool = False) -> tuple[int, ...]:
    """A random shape of num_dim sizes, up to dim. allow_zero_size: sizes begin at 0, not at 1."""
    return _rand_shape((dim,) * num_dim, allow_zero_size)


def _rand_shape(limits: tuple[int, ...], allow_zero_size: bool) -> tuple[int, ...]:
    return tuple(random.randint(0 if allow_zero_size else 1, limit) for limit in limits)  # noqa: S311


def rand_coord_2d(x_low: int, x_high: int, y_low: int, y_high: int) -> tuple[int, int]:
    """A random (x, y) with x in [x_low, x_high) and y in [y_low, y_high)."""
    return int(np.random.randint(x_low, x_high)), int(np.random.randint(y_low, y_high))  # noqa: NPY002


# -- matrices ----------------------------------------------------------------------------------------------------------


def create_2d_tensor(rows: int, columns: int, dtype: Any = np.int64) -> NDArray:
    """A (rows, columns) NDArray in which each row is filled with its number."""
    return array(np.arange(rows, dtype=dtype).repeat(columns).reshape(rows, columns), dtype=dtype)


def create_vector(size: int, dtype: Any = np.int64) -> NDArray:
    """The NDArray 0, 1, ..., size - 1."""
    return arange(0, size, dtype=dtype)


def get_identity_mat(size: int) -> NDArray:
    """The identity matrix of this size."""
    return eye(size)


def get_identity_mat_batch(size: int) -> NDArray:
    """Two identity matrices, shape (2, size, size)."""
    return array(np.stack([np.eye(size)] * 2), dtype="float32")


def new_orthonormal_matrix_2d(n: int) -> _Array:
    """A random matrix whose rows are orthonormal."""
    return np.linalg.qr(np.random.normal(0.0, 1.0, (n, n)))[0]  # noqa: NPY002


def new_matrix_with_real_eigvals_2d(n: int) -> _Array:
    """A random square matrix with real eigenvalues, between -10 and 10."""
    shape = (n, n)
    basis = np.ones(shape)
    np.fill_diagonal(basis, np.random.uniform(n + 1.0, n + 2.0, n))  # noqa: NPY002 - dominant, so that it has an inverse
    basis *= np.random.uniform(0.5, 1.0, shape)  # noqa: NPY002
    return basis @ np.diag(np.random.uniform(-10.0, 10.0, n)) @ np.linalg.inv(basis)  # noqa: NPY002


def new_sym_matrix_with_real_eigvals_2d(n: int) -> _Array:
    """A random symmetric matrix with eigenvalues between -10 and 10."""
    basis = new_orthonormal_matrix_2d(n)
    found = basis @ np.diag(np.random.uniform(-10.0, 10.0, n)) @ basis.T  # noqa: NPY002
    return (found + found.T) / 2


def new_matrix_with_real_eigvals_nd(shape: tuple[int, ...]) -> _Array:
    """Random square matrices with real eigenvalues in the last two axes of this shape."""
    return _many(new_matrix_with_real_eigvals_2d, shape)


def new_sym_matrix_with_real_eigvals_nd(shape: tuple[int, ...]) -> _Array:
    """Random symmetric matrices in the last two axes of this shape."""
    return _many(new_sym_matrix_with_real_eigvals_2d, shape)


def _many(make: Callable[[int], _Array], shape: tuple[int, ...]) -> _Array:
    if len(shape) < 2 or shape[-1] != shape[-2]:
        msg = f"shape must end with two equal sizes, got {shape}"
        raise ParameterError(msg)
    count = int(np.prod(shape[:-2], dtype=np.int64))
    found = [make(shape[-1]) for _ in range(count)]
    return np.stack(found).reshape(shape) if found else np.zeros(shape)


# -- NumPy functions ---------------------------------------------------------------------------------------------------


def np_reduce(dat: _Array, axis: Any, keepdims: bool, numpy_reduce_func: Callable[..., Any]) -> Any:
    """A reduction of a NumPy function, such as np.sum, over an axis, several, or all (None), as MXNet's keep dimensions."""
    axes = tuple(range(dat.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    found = dat
    for at in sorted((i % dat.ndim for i in axes), reverse=True):
        found = numpy_reduce_func(found, axis=at)
    if not keepdims:
        return found
    reduced = {i % dat.ndim for i in axes}
    return np.reshape(found, [1 if i in reduced else size for i, size in enumerate(dat.shape)])


def collapse_sum_like(a: _Array, shape: tuple[int, ...]) -> _Array:
    """The array summed to a shape that broadcasts to its own: the gradient of that broadcast."""
    lead = a.ndim - len(shape)
    axes = [i for i, size in enumerate(a.shape) if i < lead or (shape[i - lead] == 1 and size != 1)]
    return np.sum(a, axis=tuple(axes)).reshape(shape)


def assign_each(the_input: _Array, function: Callable[[Any], Any] | None) -> _Array:
    """A new array with function of each element; a copy when function is None."""
    return assign_each2(the_input, None, None if function is None else lambda value, _: function(value))


def assign_each2(input1: _Array, input2: _Array | None, function: Callable[[Any, Any], Any] | None) -> _Array:
    """A new array with function of the elements of two arrays; a copy of the first when function is None."""
    found = np.array(input1)
    if function is not None:
        for at in np.ndindex(found.shape):
            found[at] = function(input1[at], None if input2 is None else input2[at])
    return found
