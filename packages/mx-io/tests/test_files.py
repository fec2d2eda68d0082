"""MNISTIter and CSVIter."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

import mxnet as mx


@pytest.fixture
def digits(tmp_path):
    images = (np.arange(10 * 4 * 3) % 256).astype("uint8")
    (tmp_path / "images").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 10, 4, 3) + images.tobytes())
    labels = struct.pack(">4BI", 0, 0, 8, 1, 10) + bytes(range(10))
    (tmp_path / "labels.gz").write_bytes(gzip.compress(labels))
    return str(tmp_path / "images"), str(tmp_path / "labels"), images.reshape(10, 4, 3)


def test_mnist_iter(digits):
    image, label, images = digits
    iterator = mx.io.MNISTIter(image=image, label=label, batch_size=4, shuffle=False)
    batches = list(iterator)
    assert len(batches) == 2
    assert batches[0].data[0].shape == (4, 1, 4, 3)
    np.testing.assert_allclose(batches[1].data[0].asnumpy()[:, 0], images[4:8] / 256)
    assert batches[1].label[0].asnumpy().tolist() == [4, 5, 6, 7]
    flat = mx.io.MNISTIter(image=image, label=label, batch_size=5, flat=True, num_parts=2, part_index=1, shuffle=False)
    (batch,) = list(flat)
    assert batch.data[0].shape == (5, 12)
    assert batch.label[0].asnumpy().tolist() == [5, 6, 7, 8, 9]
    orders = [
        next(mx.io.MNISTIter(image=image, label=label, batch_size=10, seed=seed)).label[0].asnumpy().tolist()
        for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize(("content", "message"), [
    (b"", "which is no idx file"),
    (b"\x00\x00\x07\x01" + bytes(8), "which is no idx file"),
    (struct.pack(">4B", 0, 0, 8, 3) + bytes(5), "cut at byte 9 of 16"),
    (struct.pack(">4B3I", 0, 0, 8, 3, 10, 4, 3) + bytes(119), "need 136 bytes, the file has 135"),
    (struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "the file has 16"),
])  # fmt: skip
def test_damaged_files(tmp_path, digits, content, message):
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(mx.MXNetError, match=message):
        mx.io.MNISTIter(image=str(path), label=digits[1], batch_size=1)


def test_csv_iter(tmp_path):
    (tmp_path / "data.csv").write_text("1,2,3,4\n5,6,7,8\n9,10,11,12\n")
    (tmp_path / "label.csv").write_text("0\n1\n2\n")
    options = {"data_csv": str(tmp_path / "data.csv"), "data_shape": (2, 2), "batch_size": 2}
    iterator = mx.io.CSVIter(label_csv=str(tmp_path / "label.csv"), **options)
    batches = list(iterator)
    assert [b.pad for b in batches] == [0, 1]
    assert batches[1].data[0].asnumpy().tolist() == [[[9, 10], [11, 12]], [[1, 2], [3, 4]]]
    assert batches[0].label[0].asnumpy().tolist() == [0, 1]
    iterator.reset()
    assert iterator.next().data[0].asnumpy()[:, 0, 0].tolist() == [5, 9]
    whole = mx.io.CSVIter(round_batch=False, dtype="int32", **options)
    for _ in range(2):
        assert [(b.data[0].asnumpy()[0, 0, 0], b.pad) for b in whole] == [(1, 0), (9, 1)]
        whole.reset()
    assert whole.provide_data[0].dtype is np.int32
    assert whole.provide_label == [("softmax_label", (2,))]
    with pytest.raises(ValueError, match=r"4 numbers a line, shape \(3,\) needs 3"):
        mx.io.CSVIter(str(tmp_path / "data.csv"), (3,))
    (tmp_path / "bad.csv").write_text("1,2\n3\n")
    with pytest.raises(mx.MXNetError, match="bad.csv: "):
        mx.io.CSVIter(str(tmp_path / "bad.csv"), (2,))


# -- parameters, parts, LibSVM -----------------------------------------------------------------------------------------


@pytest.fixture
def svm(tmp_path):
    (tmp_path / "a.t").write_text("1.0 0:0.5 2:1.25\n-2.0\n\n-3.0 0:0.5 1:2.5 2:1.25\n4 2:-1.25\n")
    (tmp_path / "labels.t").write_text("1.0\n-2.0 0:0.125\n-3.0 2:1.25\n4 1:1.0 2:-1.25\n")
    return tmp_path


def test_libsvm(svm):
    iterator = mx.io.LibSVMIter(data_libsvm=str(svm / "a.t"), data_shape=(3,), batch_size=3)
    assert iterator.provide_data[0] == ("data", (3, 3))
    first, second = list(iterator)
    assert first.data[0].asnumpy().tolist() == [[0.5, 0, 1.25], [0, 0, 0], [0.5, 2.5, 1.25]]
    assert first.label[0].asnumpy().tolist() == [1, -2, -3]
    assert second.data[0].asnumpy().tolist() == [[0, 0, -1.25], [0.5, 0, 1.25], [0, 0, 0]]
    assert (second.label[0].asnumpy().tolist(), second.pad) == ([4, 1, -2], 2)
    state = iterator.state_dict()
    iterator.reset()
    (third,) = list(iterator)
    assert (third.label[0].asnumpy().tolist(), third.pad) == ([-3, 4, 1], 1)
    iterator.load_state_dict(state)
    assert list(iterator) == []


def test_libsvm_labels_and_parts(svm):
    given = {
        "data_libsvm": str(svm / "a.t"),
        "data_shape": (3,),
        "label_libsvm": str(svm / "labels.t"),
        "label_shape": (3,),
    }
    batch = next(mx.io.LibSVMIter(batch_size=3, **given))
    assert batch.label[0].asnumpy().tolist() == [[0, 0, 0], [0.125, 0, 0], [0, 0, 1.25]]
    seen = []
    for part in range(3):
        for batch in mx.io.LibSVMIter(
            data_libsvm=str(svm / "a.t"), data_shape=3, batch_size=1, num_parts=3, part_index=part
        ):
            seen += batch.label[0].asnumpy().tolist()
    assert seen == [1, -2, -3, 4]


@pytest.mark.parametrize(("content", "text"), [
    ("1 0:1\n2 3:1\n", r"line 2 must be label column:value ..., with columns in \[0, 3\)"), ("1 -1:1\n", "line 1"), ("1 0\n", "line 1"), ("a 0:1\n", "line 1"), ("", "holds no lines"),
    ("1 99999999999999999999:1\n", "line 1"),
])  # fmt: skip
def test_files_that_are_not_libsvm(svm, content, text):
    (svm / "bad.t").write_text(content)
    with pytest.raises(mx.MXNetError, match=rf"bad\.t: .*{text}"):
        mx.io.LibSVMIter(data_libsvm=str(svm / "bad.t"), data_shape=(3,), batch_size=1)


def test_unknown_parameters_are_refused(svm):
    with pytest.raises(mx.MXNetError, match=r"\[LibSVMIter\] has no parameter batch_sz. Did you mean batch_size"):
        mx.io.LibSVMIter(data_libsvm=str(svm / "a.t"), data_shape=(3,), batch_sz=1)
    with pytest.raises(mx.MXNetError, match=r"\[CSVIter\] has no parameter label_csvs. Did you mean label_csv"):
        mx.io.CSVIter(data_csv="a", data_shape=(3,), label_csvs="b")
    with pytest.raises(mx.MXNetError, match=r"\[MNISTIter\] has no parameter flatt. Did you mean flat"):
        mx.io.MNISTIter(flatt=True)
    with pytest.raises(mx.MXNetError, match="round_batch must be True"):
        mx.io.LibSVMIter(data_libsvm=str(svm / "a.t"), data_shape=(3,), round_batch=False)


def test_csv_folders_and_numbers_of_rows(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "1.csv").write_text("1,2\n3,4\n")
    (tmp_path / "parts" / "2.csv").write_text("5,6\n")
    iterator = mx.io.CSVIter(
        data_csv=str(tmp_path / "parts"), data_shape=(2,), batch_size=2, prefetch_buffer=8, dtype="int32"
    )
    batches = list(iterator)
    assert [batch.data[0].asnumpy().tolist() for batch in batches] == [[[1, 2], [3, 4]], [[5, 6], [1, 2]]]
    assert [batch.index.tolist() for batch in batches] == [[0, 1], [2, 0]]
    assert batches[0].data[0].dtype == np.int32
    iterator.reset()
    assert next(iterator).index.tolist() == [1, 2]


def test_csv_files_without_numbers(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "none").mkdir()
    for name in ("empty.csv", "none", "missing.csv"):
        with pytest.raises(mx.MXNetError, match=name):
            mx.io.CSVIter(data_csv=str(tmp_path / name), data_shape=(2,))


def test_whole_numbers_written_as_floats_are_integers(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("1.0e+00,2.5\n3,4\n")
    it = mx.io.CSVIter(data_csv=str(path), data_shape=(2,), batch_size=2, dtype="int32")
    assert it.next().data[0].asnumpy().tolist() == [[1, 2], [3, 4]]
