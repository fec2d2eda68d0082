"""mx.test_utils: its assertions fail when they should, its draws are what they say, its files are whole."""

from __future__ import annotations

import bz2
import gzip
import os
import zipfile

import numpy as np
import pytest

import mxnet as mx
from mxnet import test_utils as tu

ONES = np.ones((2, 3), "float32")
OFF = ONES + np.array([[0.05, 0, 0], [0, 0, 0.1]], "float32")
NAN = np.array([[np.nan, 1, 1], [1, 1, 1]], "float32")


# -- comparing -------------------------------------------------------------------------------------------------------


def test_almost_equal_takes_arrays_of_both_kinds():
    tu.assert_almost_equal(mx.nd.ones((2, 3)), ONES)
    tu.assert_almost_equal(ONES, 1.0)
    tu.assert_almost_equal(mx.nd.array(OFF), ONES, rtol=0.2)
    assert tu.almost_equal(ONES, ONES)
    assert not tu.almost_equal(ONES, OFF)


def test_the_greatest_difference_is_named():
    with pytest.raises(AssertionError) as raised:
        tu.assert_almost_equal(ONES, OFF, names=("mine", "theirs"))
    text = str(raised.value)
    assert "exceeds tolerance rtol=1.000000e-04, atol=1.000000e-03 (mismatch 33.333333%)" in text
    assert "Location of maximum error: (1, 2), mine=1.00000000, theirs=1.10000002" in text
    assert "2: Error 45.248826  Location of error: (0, 0)" in text


@pytest.mark.parametrize(
    ("a", "b"), [(ONES, NAN), (NAN, NAN), (NAN, ONES), (ONES, ONES * np.inf), (-ONES * np.inf, ONES * np.inf)]
)
def test_what_is_not_finite_differs(a, b):
    with pytest.raises(AssertionError, match="Error inf"):
        tu.assert_almost_equal(a, b)


def test_equal_infinities_and_if_asked_nans_are_equal():
    tu.assert_almost_equal(ONES * np.inf, ONES * np.inf)
    tu.assert_almost_equal(NAN, NAN, equal_nan=True)
    tu.assert_almost_equal_ignore_nan(ONES, NAN)
    with pytest.raises(AssertionError):
        tu.assert_almost_equal_ignore_nan(OFF, NAN)


def test_shapes():
    tu.assert_almost_equal(ONES, ONES[:1])
    with pytest.raises(AssertionError, match=r"a.shape = \(2, 3\) and b.shape = \(1, 3\) are not equal"):
        tu.assert_almost_equal(ONES, ONES[:1], use_broadcast=False)
    with pytest.raises(AssertionError, match="are not equal"):
        tu.assert_almost_equal(ONES, np.ones(4))
    tu.assert_almost_equal(np.ones((0, 3)), np.ones((0, 3)))


def test_a_part_may_differ():
    tu.assert_almost_equal_with_err(ONES, OFF, etol=0.5)
    with pytest.raises(AssertionError):
        tu.assert_almost_equal_with_err(ONES, OFF, etol=0.2)


def test_tolerances_follow_the_coarser_type():
    assert tu.get_tols(ONES, OFF.astype("float16"), None, None) == (1e-2, 1e-1)
    assert tu.get_tols(1.0, OFF, None, 0.5) == (1e-4, 0.5)
    assert tu.get_tols(ONES.astype("int32"), ONES.astype("int64"), None, None) == (0, 0)


def test_same_array_sees_shared_memory():
    x = mx.nd.arange(6)
    assert tu.same_array(x, x[:])
    assert not tu.same_array(x, x.copy())
    assert x.asnumpy().tolist() == list(range(6))


def test_assert_exception():
    tu.assert_exception(lambda: [][1], IndexError)
    with pytest.raises(AssertionError, match="did not raise IndexError"):
        tu.assert_exception(len, IndexError, [])


def test_optimizers_are_compared():
    tu.compare_optimizer(mx.optimizer.Adam(), mx.optimizer.Adam(), (2, 3), "float32")
    tu.compare_optimizer(
        mx.optimizer.SGD(momentum=0.9), mx.optimizer.SGD(momentum=0.9), [(2,), (3,)], "float32", ntensors=2
    )
    with pytest.raises(AssertionError):
        tu.compare_optimizer(mx.optimizer.SGD(learning_rate=0.5), mx.optimizer.SGD(), (2, 3), "float32")


def test_blocks_are_compared_hybridized_or_not():
    gluon = pytest.importorskip("mxnet.gluon")

    def build():
        net = gluon.nn.HybridSequential()
        net.add(gluon.nn.Dense(4, activation="relu"), gluon.nn.Dense(2))
        return net

    tu.check_gluon_hybridize_consistency(build, [mx.nd.ones((3, 5))])
    doubling = [mx.nd.ones((3,))]
    tu.check_gluon_hybridize_consistency(lambda: gluon.nn.HybridLambda(lambda F, x: x * 2), doubling, lambda x: x * 2)
    with pytest.raises(AssertionError):
        tu.check_gluon_hybridize_consistency(
            lambda: gluon.nn.HybridLambda(lambda F, x: x * 2), doubling, lambda x: x * 3
        )


# -- drawing -----------------------------------------------------------------------------------------------------------


def test_random_arrays():
    assert tu.random_arrays((2, 3)).shape == (2, 3)
    assert [item.shape for item in tu.random_arrays((2,), ())] == [(2,), ()]
    (low,) = tu.random_uniform_arrays((100,), low=2, high=3, dtype="float16")
    assert low.dtype == np.float16
    assert 2 <= low.min() <= low.max() <= 3
    assert tu.rand_ndarray((2, 2), dtype="float64").dtype == np.float64
    with pytest.raises(mx.MXNetError, match="sparse arrays are not installed"):
        tu.rand_ndarray((2, 2), "csr")
    with pytest.raises(mx.MXNetError, match="it takes low, high and dtype"):
        tu.random_uniform_arrays((2,), height=1)


def test_shapes_are_within_their_limits():
    for _ in range(20):
        assert all(1 <= size <= 4 for size in tu.rand_shape_nd(5, 4))
        assert min(tu.rand_shape_3d(1, 1, 1, allow_zero_size=True)) >= 0
        x, y = tu.rand_coord_2d(0, 3, 5, 7)
        assert x in (0, 1, 2)
        assert y in (5, 6)


def test_matrices():
    basis = tu.new_orthonormal_matrix_2d(4)
    np.testing.assert_allclose(basis @ basis.T, np.eye(4), atol=1e-12)
    assert np.abs(np.linalg.eigvals(tu.new_matrix_with_real_eigvals_nd((2, 3, 3))).imag).max() == 0
    symmetric = tu.new_sym_matrix_with_real_eigvals_nd((2, 3, 3))
    np.testing.assert_array_equal(symmetric, symmetric.swapaxes(1, 2))
    assert tu.get_identity_mat_batch(2).shape == (2, 2, 2)
    assert tu.create_2d_tensor(3, 2).asnumpy().tolist() == [[0, 0], [1, 1], [2, 2]]
    assert tu.create_vector(3).dtype == np.int64


def test_numpy_functions():
    assert tu.np_reduce(ONES, (0, -1), True, np.sum).tolist() == [[6]]
    assert tu.np_reduce(ONES, None, False, np.max) == 1
    assert tu.np_reduce(ONES, 1, False, np.sum).tolist() == [3, 3]
    assert tu.collapse_sum_like(ONES, (1, 3)).tolist() == [[2, 2, 2]]
    assert tu.collapse_sum_like(ONES, (3,)).tolist() == [2, 2, 2]
    assert tu.assign_each(ONES, lambda x: x + 1).tolist() == [[2] * 3] * 2
    assert tu.assign_each2(ONES, OFF * 0, lambda x, y: x * y).tolist() == [[0] * 3] * 2
    assert len(set(tu.random_sample(range(10), 4))) == 4


# -- generators --------------------------------------------------------------------------------------------------------


def test_chi_square_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    from mx_core.test_utils.generators import _chi_square_tail

    for freedom in (1, 2, 5, 40):
        for statistic in (0.0, 1e-6, 0.5, 4.0, 40.0, 300.0):
            np.testing.assert_allclose(
                _chi_square_tail(statistic, freedom), stats.chi2.sf(statistic, freedom), rtol=1e-8
            )


def test_generators():
    mx.random.seed(7)
    buckets, probs = tu.gen_buckets_probs_with_ppf(lambda x: x * 2, 5)
    assert buckets[1] == (0.4, 0.8)
    tu.verify_generator(lambda n: mx.nd.random.uniform(0, 2, shape=(n,)), buckets, probs, nsamples=20000)
    with pytest.raises(AssertionError, match="Generator test fails"):
        tu.verify_generator(lambda n: mx.nd.random.uniform(0, 1.9, shape=(n,)), buckets, probs, nsamples=20000)
    p, observed, expected = tu.chi_square_check(lambda n: np.arange(n) % 2, [0, 1], [0.5, 0.5], 1000)
    assert (p, observed.tolist(), expected.tolist()) == (1.0, [500, 500], [500, 500])
    tu.chi_square_check(lambda n: np.zeros(n), [0, 1], [1.0, 0.0], 100)

    def normal(scale):
        return lambda n: mx.nd.random.normal(0, scale, shape=(n,))

    assert tu.mean_check(normal(1), 0, 1, 10000)
    assert not tu.mean_check(normal(1), 1, 1, 10000)
    assert tu.var_check(normal(2), 2, 10000)
    assert not tu.var_check(normal(2), 1, 10000)


# -- where tests run ---------------------------------------------------------------------------------------------------


def test_environment_is_as_before(monkeypatch):
    monkeypatch.setenv("MX_TEST_A", "0")
    monkeypatch.delenv("MX_TEST_B", raising=False)
    with tu.environment({"MX_TEST_A": None, "MX_TEST_B": "2"}):
        assert os.environ.get("MX_TEST_A") is None
        assert mx.util.getenv("MX_TEST_B") == "2"
    with pytest.raises(KeyError), tu.environment("MX_TEST_A", "3"):
        raise KeyError
    assert os.environ["MX_TEST_A"] == "0"
    assert "MX_TEST_B" not in os.environ
    with pytest.raises(mx.MXNetError, match="a name and a value"), tu.environment("MX_TEST_A"):
        pass


def test_default_context():
    before = tu.default_context()
    try:
        tu.set_default_context(mx.cpu(1))
        assert tu.default_context() == mx.nd.ones((1,)).context == mx.cpu(1)
    finally:
        tu.set_default_context(before)
    assert len(tu.list_gpus()) == mx.context.num_gpus()


def test_retry():
    runs = []

    @tu.retry(3)
    def late():
        runs.append(1)
        assert len(runs) == 3

    late()
    with pytest.raises(AssertionError):
        tu.retry(2)(lambda: tu.assert_almost_equal(ONES, OFF))()
    with pytest.raises(AssertionError, match="n must be at least 1"):
        tu.retry(0)


def test_stderr_is_discarded(capfd):
    with tu.discard_stderr():
        os.write(2, b"lost")
    os.write(2, b"kept")
    assert capfd.readouterr().err == "kept"


# -- files -------------------------------------------------------------------------------------------------------------


def test_download(tmp_path):
    source = tmp_path / "data.txt"
    source.write_text("content")
    url = source.as_uri()
    copy = tmp_path / "folder" / "copy.txt"
    target = tu.download(url, fname="copy.txt", dirname=str(tmp_path / "folder"))
    assert copy.read_text() == "content"
    source.write_text("new")
    assert tu.download(url, fname=target) == target
    assert copy.read_text() == "content"
    tu.download(url, fname=target, overwrite=True)
    assert copy.read_text() == "new"
    with pytest.raises(mx.MXNetError, match="cannot be downloaded"):
        tu.download((tmp_path / "absent").as_uri(), dirname=str(tmp_path / "folder"), retries=1)
    assert sorted(os.listdir(tmp_path / "folder")) == ["copy.txt"]


def test_archives(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("inner/a.txt", "content")
    (tmp_path / "b.bz2").write_bytes(bz2.compress(b"content"))
    folder = str(tmp_path / "out")
    tu.get_zip_data(folder, (tmp_path / "a.zip").as_uri(), "a.zip")
    tu.get_bz2_data(folder, "b.txt", (tmp_path / "b.bz2").as_uri(), "b.bz2")
    assert (tmp_path / "out" / "inner" / "a.txt").read_text() == (tmp_path / "out" / "b.txt").read_text() == "content"


def idx(values):
    head = bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return gzip.compress(head + values.tobytes())


def test_mnist_is_read_from_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 28, 28), dtype=np.uint8)
    os.mkdir("data")
    for name, values in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", np.arange(6, dtype=np.uint8))):
        for part in ("train", "t10k"):
            for folder in (".", "data"):
                with open(f"{folder}/{part}-{name}.gz", "wb") as file:
                    file.write(idx(values))
    mnist = tu.get_mnist()
    np.testing.assert_allclose(mnist["test_data"], images[:, None] / 255, rtol=1e-6)
    assert mnist["train_label"].tolist() == [0, 1, 2, 3, 4, 5]
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x09abc"))
    with pytest.raises(mx.MXNetError, match="is cut or is not an idx file"):
        tu.get_mnist()
    pytest.importorskip("mxnet.io")
    train, test = tu.get_mnist_iterator(2, (784,))
    assert next(train).data[0].shape == (2, 784)
    dummy = tu.DummyIter(test)
    assert next(dummy).data[0].asnumpy().tolist() == next(dummy).data[0].asnumpy().tolist()
    dummy.reset()
    assert dummy.iter_next()
    assert dummy.getdata() is dummy.the_batch.data
