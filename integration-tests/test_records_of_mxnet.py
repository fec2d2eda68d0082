"""Record files that MXNet 1.9.1 wrote: what is in them, here as there."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mx_data import MODELS, has_models

import mxnet as mx

FOLDER = MODELS / "made_by_1.9.1"
pytestmark = has_models


@pytest.fixture(scope="module")
def expected():
    return json.loads((FOLDER / "expected.json").read_text())["photos32"]


def check(array, summary, tolerance=0.0):
    assert list(array.shape) == summary["shape"]
    assert array.dtype == np.dtype(summary["dtype"])
    assert abs(float(array.sum(dtype="float64")) - summary["sum"]) <= tolerance * array.size
    np.testing.assert_allclose(array.ravel()[: len(summary["first"])], summary["first"], atol=8 * tolerance)


def test_the_records_of_the_photographs(expected):
    with mx.recordio.MXIndexedRecordIO(str(FOLDER / "photos32.idx"), str(FOLDER / "photos32.rec"), "r") as file:
        assert len(file.keys) == expected["records"]
        labels = {float(mx.recordio.unpack(file.read_idx(key))[0].label) for key in file.keys}
        assert sorted(labels) == expected["labels"]
        header, image = mx.recordio.unpack_img(file.read_idx(3))
    assert (header.id, header.label) == (expected["record_3"]["id"], expected["record_3"]["label"])
    check(image, expected["record_3"]["image"], tolerance=1)  # decoders differ


def test_the_first_batch_of_the_photographs(expected):
    iterator = mx.io.ImageRecordIter(
        path_imgrec=str(FOLDER / "photos32.rec"), data_shape=(3, 28, 28), batch_size=8, shuffle=False
    )
    batch = iterator.next()
    check(batch.data[0].asnumpy(), expected["first_batch"]["data"], tolerance=1)
    assert batch.label[0].asnumpy().tolist() == expected["first_batch"]["label"]


def test_records_with_several_labels():
    with mx.recordio.MXRecordIO(str(FOLDER / "raw.rec"), "r") as file:
        for k in range(4):
            header, body = mx.recordio.unpack(file.read())
            assert header.id == k
            np.testing.assert_array_equal(header.label, [k, k + 0.5, -k])
            assert body == bytes(range(7 * k))
        assert file.read() is None


def test_writing_the_same_files_again(tmp_path):
    """Every byte: the records, their parts, padding and index."""
    copy = str(tmp_path / "copy")
    with (
        mx.recordio.MXIndexedRecordIO(str(FOLDER / "photos32.idx"), str(FOLDER / "photos32.rec"), "r") as source,
        mx.recordio.MXIndexedRecordIO(copy + ".idx", copy + ".rec", "w") as target,
    ):
        for key in source.keys:
            target.write_idx(key, source.read_idx(key))
    for ending in ("idx", "rec"):
        assert (tmp_path / f"copy.{ending}").read_bytes() == (FOLDER / f"photos32.{ending}").read_bytes()
