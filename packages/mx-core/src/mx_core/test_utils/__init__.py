"""``mx.test_utils``: what MXNet's own tests compare, draw and fetch; programs use it for their tests, too.

`compare` asserts that arrays are equal, `arrays` draws them, `generators` checks random numbers, `files` fetches data.
"""

from __future__ import annotations

from ..context import Context, current_context
from ..ndarray import array
from ..runtime import Features
from ..symbol import Symbol
from .arrays import (
    assign_each,
    assign_each2,
    collapse_sum_like,
    create_2d_tensor,
    create_vector,
    get_identity_mat,
    get_identity_mat_batch,
    new_matrix_with_real_eigvals_2d,
    new_matrix_with_real_eigvals_nd,
    new_orthonormal_matrix_2d,
    new_sym_matrix_with_real_eigvals_2d,
    new_sym_matrix_with_real_eigvals_nd,
    np_reduce,
    rand_coord_2d,
    rand_ndarray,
    rand_shape_2d,
    rand_shape_3d,
    rand_shape_nd,
    random_arrays,
    random_sample,
    random_uniform_arrays,
)
from .compare import (
    almost_equal,
    assert_allclose,
    assert_almost_equal,
    assert_almost_equal_ignore_nan,
    assert_almost_equal_with_err,
    assert_exception,
    check_gluon_hybridize_consistency,
    checkShapes,
    compare_ndarray_tuple,
    compare_optimizer,
    locationError,
    same,
    same_array,
)
from .environment import (
    default_context,
    default_dtype,
    discard_stderr,
    environment,
    has_tvm_ops,
    is_aarch64_run,
    is_cd_run,
    is_op_runnable,
    list_gpus,
    retry,
    set_default_context,
)
from .files import (
    DummyIter,
    download,
    download_model,
    get_bz2_data,
    get_cifar10,
    get_im2rec_path,
    get_mnist,
    get_mnist_iterator,
    get_mnist_pkl,
    get_mnist_ubyte,
    get_zip_data,
)
from .generators import chi_square_check, gen_buckets_probs_with_ppf, mean_check, var_check, verify_generator
from .sparse import (
    create_sparse_array,
    create_sparse_array_zd,
    rand_sparse_ndarray,
    shuffle_csr_column_indices,
)
from .symbolic import (
    check_consistency,
    check_numeric_gradient,
    check_speed,
    check_symbolic_backward,
    check_symbolic_forward,
    numeric_grad,
    same_symbol_structure,
    simple_forward,
)
from .tolerances import (
    default_atols,
    default_numeric_eps,
    default_rtols,
    effective_dtype,
    get_atol,
    get_etol,
    get_rtol,
    get_tolerance,
    get_tols,
)

__all__ = [
    "Context", "DummyIter", "Features", "Symbol", "almost_equal", "array", "assert_allclose", "assert_almost_equal",
    "assert_almost_equal_ignore_nan", "assert_almost_equal_with_err", "assert_exception", "assign_each", "assign_each2",
    "checkShapes", "check_gluon_hybridize_consistency", "chi_square_check", "collapse_sum_like", "compare_ndarray_tuple",
    "compare_optimizer", "create_2d_tensor", "create_vector", "current_context", "default_atols", "default_context",
    "default_dtype", "default_numeric_eps", "default_rtols", "discard_stderr", "download", "effective_dtype",
    "environment", "gen_buckets_probs_with_ppf", "get_atol", "get_bz2_data", "get_cifar10", "get_etol",
    "get_identity_mat", "get_identity_mat_batch", "get_im2rec_path", "get_mnist", "get_mnist_iterator", "get_mnist_pkl",
    "get_mnist_ubyte", "get_rtol", "get_tolerance", "get_tols", "get_zip_data", "has_tvm_ops", "is_aarch64_run",
    "is_cd_run", "is_op_runnable", "list_gpus", "locationError", "mean_check", "new_matrix_with_real_eigvals_2d",
    "new_matrix_with_real_eigvals_nd", "new_orthonormal_matrix_2d", "new_sym_matrix_with_real_eigvals_2d",
    "new_sym_matrix_with_real_eigvals_nd", "np_reduce", "rand_coord_2d", "rand_ndarray", "rand_shape_2d",
    "rand_shape_3d", "rand_shape_nd", "random_arrays", "random_sample", "random_uniform_arrays", "retry", "same",
    "same_array", "set_default_context", "var_check", "verify_generator", "check_consistency", "check_numeric_gradient",
    "check_speed", "check_symbolic_backward", "check_symbolic_forward", "create_sparse_array", "create_sparse_array_zd",
    "download_model", "numeric_grad", "rand_sparse_ndarray", "same_symbol_structure", "shuffle_csr_column_indices",
    "simple_forward",
]  # fmt: skip
