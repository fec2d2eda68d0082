"""Data sets, samplers, the DataLoader, utilities, MNIST."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

import mxnet as mx
from mxnet import gluon, nd
from mxnet.gluon import data as gdata

DATA = Path(os.environ.get("MX_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))


def test_array_dataset():
    x, y = nd.arange(6).reshape((3, 2)), nd.array([7, 8, 9])
    dataset = gdata.ArrayDataset(x, y)
    image, label = dataset[1]
    assert len(dataset) == 3
    assert image.asnumpy().tolist() == [2, 3]
    assert isinstance(label, np.float32)
    assert label == 8
    assert gdata.ArrayDataset(x)[2].asnumpy().tolist() == [4, 5]
    with pytest.raises(ValueError, match=r"array\[0\] has length 3 while array\[1\] has 2"):
        gdata.ArrayDataset(x, [1, 2])


def test_dataset_transforms():
    dataset = gdata.SimpleDataset(list(range(10)))
    assert list(dataset.filter(lambda i: i % 3 == 0)) == [0, 3, 6, 9]
    assert [list(dataset.shard(3, i)) for i in range(3)] == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert list(dataset.take(2)) == [0, 1]
    assert list(dataset.take(None)) == list(range(10))
    assert list(dataset.sample(gdata.SequentialSampler(3, start=4))) == [4, 5, 6]
    assert dataset.transform(lambda i: i * 2)[4] == 8
    pairs = gdata.SimpleDataset([(1, 2), (3, 4)])
    assert list(pairs.transform(lambda a, b: a + b)) == [3, 7]
    assert list(pairs.transform_first(lambda a: -a)) == [(-1, 2), (-3, 4)]
    calls = []
    pairs.transform_first(calls.append, lazy=False)
    assert calls == [1, 3]


def test_samplers():
    assert sorted(gdata.RandomSampler(5)) == [0, 1, 2, 3, 4]
    assert list(gdata.FilterSampler(lambda x: x > 1, [1, 2, 3])) == [1, 2]
    sampler = gdata.SequentialSampler(5)
    for last, expected in (("keep", [[0, 1], [2, 3], [4]]), ("discard", [[0, 1], [2, 3]])):
        batches = gdata.BatchSampler(sampler, 2, last)
        assert list(batches) == expected
        assert len(batches) == len(expected)
    rolling = gdata.BatchSampler(sampler, 2, "rollover")
    assert list(rolling) == [[0, 1], [2, 3]]
    assert len(rolling) == 3
    assert list(rolling) == [[4, 0], [1, 2], [3, 4]]
    with pytest.raises(ValueError, match="'keep', 'discard', or 'rollover'"):
        gdata.BatchSampler(sampler, 2, "foo")


@pytest.mark.parametrize("workers", [0, 2])
def test_loader(workers):
    x, y = np.arange(20, dtype="float32").reshape(10, 2), np.arange(10, dtype="int32")
    loader = gdata.DataLoader(gdata.ArrayDataset(x, y), 4, num_workers=workers)
    batches = list(loader)
    assert [label.shape for _, label in batches] == [(4,), (4,), (2,)]
    np.testing.assert_array_equal(np.concatenate([b.asnumpy() for b, _ in batches]), x)
    assert batches[0][0].dtype == np.float32
    assert batches[0][1].dtype == np.int32
    assert len(loader) == 3
    assert len(list(loader)) == 3


def test_loader_shuffles_anew():
    np.random.seed(0)
    loader = gdata.DataLoader(gdata.SimpleDataset(list(range(50))), 50, shuffle=True)
    first, second = (next(iter(loader)).asnumpy().tolist() for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second


def test_loader_options():
    dataset = gdata.SimpleDataset([(np.ones(2), 1), (np.zeros(2), 2), (np.ones(2), 3)])
    loader = gdata.DataLoader(dataset, batch_sampler=gdata.BatchSampler(gdata.SequentialSampler(3), 2))
    assert [b.asnumpy().tolist() for _, b in loader] == [[1, 2], [3]]
    loader = gdata.DataLoader(dataset, 3, batchify_fn=len)
    assert list(loader) == [3]
    pinned = next(iter(gdata.DataLoader(dataset, 3, pin_memory=True)))
    assert pinned[0].context == mx.cpu_pinned(0)
    with pytest.raises(ValueError, match="batch_size must be specified"):
        gdata.DataLoader(dataset)
    with pytest.raises(ValueError, match="shuffle must not be specified if sampler"):
        gdata.DataLoader(dataset, 2, shuffle=True, sampler=gdata.SequentialSampler(3))
    with pytest.raises(ValueError, match="must not be specified if batch_sampler"):
        gdata.DataLoader(dataset, 2, batch_sampler=[[0]])


def test_worker_errors_reach_the_caller():
    def fail(i):
        msg = "no such item"
        raise KeyError(msg)

    loader = gdata.DataLoader(gdata.SimpleDataset([1, 2]).transform(fail), 1, num_workers=1)
    with pytest.raises(KeyError, match="no such item"):
        list(loader)


# -- MNIST -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """A folder with two tiny idx files under MNIST's names, whose checksums are made the expected ones."""
    files = {
        "train-images-idx3-ubyte.gz": struct.pack(">4B3I", 0, 0, 8, 3, 2, 28, 28) + bytes(2 * 28 * 28 - 1) + b"\x07",
        "train-labels-idx1-ubyte.gz": struct.pack(">4BI", 0, 0, 8, 1, 2) + b"\x03\x09",
    }
    checksums = []
    for name, content in files.items():
        (tmp_path / name).write_bytes(gzip.compress(content, mtime=0))
        checksums.append((name, hashlib.sha1((tmp_path / name).read_bytes()).hexdigest()))
    monkeypatch.setattr(gdata.vision.MNIST, "_train_files", tuple(checksums))
    monkeypatch.setenv("MXNET_GLUON_REPO", (tmp_path / "no_repository").as_uri())
    monkeypatch.setattr(gdata.vision.MNIST, "_mirrors", ((tmp_path / "nowhere").as_uri() + "/",))
    return tmp_path


def test_mnist_items(digits):
    dataset = gdata.vision.MNIST(root=str(digits))
    image, label = dataset[1]
    assert len(dataset) == 2
    assert image.shape == (28, 28, 1)
    assert image.dtype == np.uint8
    assert image.asnumpy()[27, 27, 0] == 7
    assert label == 9
    assert isinstance(label, np.int32)
    scaled = gdata.vision.MNIST(root=str(digits), transform=lambda x, y: (x.astype("float32") / 255, y))
    assert scaled[0][0].dtype == np.float32
    tensor = dataset.transform_first(gdata.vision.transforms.ToTensor())[1][0]
    assert tensor.shape == (1, 28, 28)
    assert tensor.asnumpy()[0, 27, 27] == np.float32(7 / 255)


def test_mnist_home(digits, monkeypatch, tmp_path):
    home = tmp_path / "home" / "datasets"
    home.mkdir(parents=True)
    (home / "mnist").symlink_to(digits)
    monkeypatch.setenv("MXNET_HOME", str(tmp_path / "home"))
    assert len(gdata.vision.MNIST()) == 2


def test_mnist_with_a_wrong_checksum_is_downloaded_again(digits):
    good = (digits / "train-labels-idx1-ubyte.gz").read_bytes()
    mirror = digits / "mirror"
    mirror.mkdir()
    (mirror / "train-labels-idx1-ubyte.gz").write_bytes(good)
    (digits / "train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    with pytest.raises(mx.MXNetError, match="cannot be downloaded.*put the file at"):
        gdata.vision.MNIST(root=str(digits))
    gdata.vision.MNIST._mirrors += (mirror.as_uri() + "/",)
    assert len(gdata.vision.MNIST(root=str(digits))) == 2


@pytest.mark.parametrize("content", [
    b"not gzip",
    gzip.compress(b"\0\0\x0d\x01abcd"),
    gzip.compress(struct.pack(">4B", 0, 0, 8, 3)),
    gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 2, 28, 28) + b"short"),
    gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**31, 2**31)),
])  # fmt: skip
def test_damaged_idx_files(digits, monkeypatch, content):
    name = "train-images-idx3-ubyte.gz"
    (digits / name).write_bytes(content)
    files = ((name, hashlib.sha1(content).hexdigest()), gdata.vision.MNIST._train_files[1])
    monkeypatch.setattr(gdata.vision.MNIST, "_train_files", files)
    with pytest.raises(mx.MXNetError, match=f"{name}: "):
        gdata.vision.MNIST(root=str(digits))


@pytest.mark.skipif(not (DATA / "mnist").exists(), reason="set MX_TEST_DATA to the folder that holds mnist/")
def test_real_mnist():
    test = gdata.vision.MNIST(root=str(DATA / "mnist"), train=False)
    assert len(test) == 10000
    assert [int(test[i][1]) for i in range(5)] == [7, 2, 1, 0, 4]


# -- utilities ---------------------------------------------------------------------------------------------------------


def test_split():
    x = nd.arange(12).reshape((6, 2))
    assert [part.shape for part in gluon.utils.split_data(x, 3)] == [(2, 2)] * 3
    assert [part.shape for part in gluon.utils.split_data(x, 2, batch_axis=1)] == [(6, 1)] * 2
    for num_slice, sizes in ((4, [2, 2, 1, 1]), (5, [2, 1, 1, 1, 1]), (8, [1] * 6 + [0] * 2)):  # 1.9.1's
        uneven = gluon.utils.split_data(x, num_slice, even_split=False)
        assert [part.shape[0] for part in uneven] == sizes
    with pytest.raises(ValueError, match="cannot be evenly split into 4 slices along axis 0"):
        gluon.utils.split_data(x, 4)
    parts = gluon.utils.split_and_load(np.ones((4, 2)), [mx.cpu(0), mx.cpu(1)])
    assert [part.context for part in parts] == [mx.cpu(0), mx.cpu(1)]


def test_clip_global_norm():
    arrays = [nd.ones((3,)) * 3, nd.ones((4,)) * 2]
    norm = gluon.utils.clip_global_norm(arrays, 1.0)
    assert norm == pytest.approx(43**0.5, rel=1e-6)
    assert sum(float((a * a).sum().asscalar()) for a in arrays) == pytest.approx(1.0, rel=1e-5)
    assert gluon.utils.clip_global_norm(arrays, 2.0, check_isfinite=False).shape == (1,)
    assert sum(float((a * a).sum().asscalar()) for a in arrays) == pytest.approx(1.0, rel=1e-5)
    with pytest.warns(UserWarning, match="nan or inf is detected"):
        gluon.utils.clip_global_norm([nd.array([np.inf])], 1.0)


def test_download(tmp_path):
    source = tmp_path / "source.txt"
    source.write_text("content")
    sha1 = hashlib.sha1(b"content").hexdigest()
    target = tmp_path / "folder"
    target.mkdir()
    path = gluon.utils.download(source.as_uri(), str(target), sha1_hash=sha1)
    assert path == str(target / "source.txt")
    assert gluon.utils.check_sha1(path, sha1)
    assert not gluon.utils.check_sha1(path, "0" * 40)
    source.write_text("changed")
    assert Path(gluon.utils.download(source.as_uri(), str(target), sha1_hash=sha1)).read_text() == "content"
    with pytest.raises(mx.MXNetError, match="SHA-1"):
        gluon.utils.download(source.as_uri(), str(target), overwrite=True, sha1_hash=sha1, retries=0)
    assert sorted(os.listdir(target)) == ["source.txt"]
    assert Path(path).read_text() == "content"
