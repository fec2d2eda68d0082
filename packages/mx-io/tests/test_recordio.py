"""MXRecordIO, MXIndexedRecordIO, pack and unpack."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random
import struct

import numpy as np
import pytest

import mxnet as mx
from mx_io import record_format

MAGIC = struct.pack("<I", record_format.MAGIC)


def write(path, payloads):
    with mx.recordio.MXIndexedRecordIO(str(path) + ".idx", str(path) + ".rec", "w") as file:
        for key, payload in enumerate(payloads):
            file.write_idx(key, payload)
    return str(path) + ".idx", str(path) + ".rec"


def payloads_with_magic(n=200):
    rng = random.Random(5)
    pieces = [MAGIC, MAGIC[:2], b"a", b"zz12", b"\0\0\0"]
    return [b"".join(rng.choice(pieces) for _ in range(rng.randrange(12))) for _ in range(n)]


def test_records_come_back_whatever_they_hold(tmp_path):
    payloads = [*payloads_with_magic(), b"", MAGIC, b"x" + MAGIC, MAGIC * 3]
    index, path = write(tmp_path / "a", payloads)
    with mx.recordio.MXRecordIO(path, "r") as file:
        assert [file.read() for _ in payloads] == payloads
        assert file.read() is None
        assert file.read() is None
        file.reset()
        assert file.read() == payloads[0]
    with mx.recordio.MXIndexedRecordIO(index, path, "r") as file:
        assert file.keys == list(range(len(payloads)))
        for key in (7, 203, 0):
            assert file.read_idx(key) == payloads[key]
        assert file.read() == payloads[1]


def test_the_bytes_of_a_record():
    assert b"".join(record_format.encode(b"abcd" + MAGIC + b"e")) == (
        MAGIC + struct.pack("<I", 1 << 29 | 4) + b"abcd" + MAGIC + struct.pack("<I", 3 << 29 | 1) + b"e\0\0\0"
    )
    misaligned = b"abc" + MAGIC
    assert b"".join(record_format.encode(misaligned)) == MAGIC + struct.pack("<I", 7) + misaligned + b"\0"


def test_payloads_longer_than_a_part_may_be(tmp_path, monkeypatch):
    monkeypatch.setattr(record_format, "_LARGEST_PART", 16)
    payloads = [bytes(range(n)) + MAGIC + bytes(3 * n) for n in (0, 15, 16, 17, 40, 100)]
    index, path = write(tmp_path / "a", payloads)
    with mx.recordio.MXIndexedRecordIO(index, path, "r") as file:
        assert [file.read() for _ in payloads] == payloads
    assert [item.length for item in record_format.scan(path)] == [len(p) for p in payloads]


@pytest.mark.slow
def test_a_record_of_more_than_half_a_gibibyte(tmp_path):
    payload = bytes(2**29 + 5)
    _, path = write(tmp_path / "a", [payload, b"after"])
    with mx.recordio.MXRecordIO(path, "r") as file:
        assert file.read() == payload
        assert file.read() == b"after"


def test_anything_with_bytes_can_be_written(tmp_path):
    array = np.arange(6, dtype="float32").reshape(2, 3)
    _, path = write(tmp_path / "a", [bytearray(b"ab"), memoryview(b"cd"), array])
    with mx.recordio.MXRecordIO(path, "r") as file:
        assert [file.read() for _ in range(3)] == [b"ab", b"cd", array.tobytes()]
    with mx.recordio.MXRecordIO(path, "w") as file, pytest.raises(ValueError, match="a record is bytes, got str"):
        file.write("text")


def test_tell_and_seek(tmp_path):
    path = tmp_path / "a.rec"
    with mx.recordio.MXRecordIO(path, "w") as file:
        places = []
        for n in range(5):
            places.append(file.tell())
            file.write(bytes([n]) * n)
        assert file.tell() == path.stat().st_size or file.close() is None
    with mx.recordio.MXRecordIO(path, "r") as file:
        file.seek(places[3])
        assert file.read() == b"\3\3\3"
        assert file.tell() == places[4]
        with pytest.raises(mx.error.RecordFileError, match="cannot start at byte -4"):
            file.seek(-4)


def test_pickling_starts_again(tmp_path):
    index, path = write(tmp_path / "a", [b"0", b"1"])
    with mx.recordio.MXIndexedRecordIO(index, path, "r") as file:
        assert file.read() == b"0"
        copy = pickle.loads(pickle.dumps(file))
        assert copy.read() == b"0"
        assert copy.read_idx(1) == b"1"
        assert file.read() == b"1"  # the original is still open, at its place
        copy.close()
        assert pickle.loads(pickle.dumps(copy)).is_open is False
    with mx.recordio.MXRecordIO(path, "w") as file, pytest.raises(mx.MXNetError, match=r"cannot be pickled; close\(\)"):
        pickle.dumps(file)


def _read_in_child(file, n, results):
    results.put([file.read() for _ in range(n)])
    file.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_reads_on_by_itself(tmp_path):
    payloads = [b"%d" % n for n in range(100)]
    index, path = write(tmp_path / "a", payloads)
    context = multiprocessing.get_context("fork")
    with mx.recordio.MXIndexedRecordIO(index, path, "r") as file:
        assert file.read() == b"0"
        results = context.Queue()
        child = context.Process(target=_read_in_child, args=(file, 50, results))
        child.start()
        assert [file.read() for _ in range(99)] == payloads[1:]
        assert results.get(timeout=20) == payloads[1:51]
        child.join(20)


def test_a_forked_child_does_not_write(tmp_path):
    path = str(tmp_path / "a")
    with mx.recordio.MXIndexedRecordIO(path + ".idx", path + ".rec", "w") as file:
        file.write_idx(0, b"first")
        file.pid += 1  # as a child sees it
        with pytest.raises(mx.MXNetError, match="Forbidden operation in multiple processes"):
            file.write_idx(1, b"x")
        file.pid -= 1
    with mx.recordio.MXRecordIO(path + ".rec", "r") as file:
        assert [file.read(), file.read()] == [b"first", None]


def test_wrong_uses_are_refused(tmp_path):
    path = str(tmp_path / "a.rec")
    with pytest.raises(ValueError, match="Invalid flag a"):
        mx.recordio.MXRecordIO(path, "a")
    with pytest.raises(mx.error.RecordFileError, match="cannot open the record file: No such file"):
        mx.recordio.MXRecordIO(path, "r")
    with pytest.raises(mx.error.RecordFileError, match="cannot write the record file: No such file"):
        mx.recordio.MXRecordIO(str(tmp_path / "no/a.rec"), "w")
    with pytest.raises(mx.error.RecordFileError, match="is not a regular file"):
        mx.recordio.MXRecordIO(str(tmp_path), "r")
    with mx.recordio.MXRecordIO(path, "w") as file, pytest.raises(mx.MXNetError, match="is open for writing"):
        file.read()
    with pytest.raises(mx.MXNetError, match=r"is closed; call reset\(\)"):
        file.write(b"")
    (tmp_path / "a.idx").write_text("0\t0\n1;7\n")
    with pytest.raises(mx.error.RecordFileError, match=r"a.idx: line 2 must be key <tab> position, got '1;7\\n'"):
        mx.recordio.MXIndexedRecordIO(str(tmp_path / "a.idx"), path, "r")


def test_paths_with_spaces_and_chinese_characters(tmp_path):
    folder = tmp_path / "a folder 图片"
    folder.mkdir()
    index, path = write(folder / "训 练", [b"one"])
    with mx.recordio.MXIndexedRecordIO(index, "file://" + path, "r") as file:
        assert file.read_idx(0) == b"one"


@pytest.mark.parametrize("label", [3, 2.5, np.float32(4), [1, 2, 3], np.array([5.0]), (0.5, 1)])
def test_pack_and_unpack(label):
    packed = mx.recordio.pack(mx.recordio.IRHeader(9, label, 2**40, 1), b"body")
    header, body = mx.recordio.unpack(packed)
    assert (header.id, header.id2, body) == (2**40, 1, b"body")
    assert header.flag == (0 if np.ndim(label) == 0 else len(label))
    np.testing.assert_array_equal(header.label, np.asarray(label, "float32"))


def test_pack_and_unpack_of_wrong_things():
    with pytest.raises(mx.error.RecordFileError, match="5 bytes has no image header"):
        mx.recordio.unpack(b"12345")
    with pytest.raises(mx.error.RecordFileError, match="says it holds 70000 labels"):
        mx.recordio.unpack(struct.pack("=IfQQ", 70000, 0, 0, 0) + b"1234")
    with pytest.raises(ValueError, match="id and id2 must be integers"):
        mx.recordio.pack((0, 1.0, -1, 0), b"")


def test_images(tmp_path):
    image = np.random.RandomState(0).randint(0, 255, (8, 9, 3), "uint8")
    header = mx.recordio.IRHeader(0, 1.0, 5, 0)
    found, back = mx.recordio.unpack_img(mx.recordio.pack_img(header, image, 3, ".png"))
    assert found == header
    np.testing.assert_array_equal(back, image)
    gray = mx.recordio.unpack_img(mx.recordio.pack_img(header, image, 95, ".jpg"), 0)[1]
    assert gray.shape == (8, 9)
    assert mx.recordio.unpack_img(mx.recordio.pack(header, b"no image"))[1] is None
    assert mx.recordio.unpack_img(mx.recordio.pack(header, b""))[1] is None
    with pytest.raises(ValueError, match="failed to encode image"):
        mx.recordio.pack_img(header, image, 95, ".nothing")


def test_records_still_being_written_are_read(tmp_path):
    path = str(tmp_path / "a.rec")
    with mx.recordio.MXRecordIO(path, "w") as out, mx.recordio.MXRecordIO(path, "r") as file:
        assert file.read() is None
        out.write(b"new")
        out._file.flush()
        assert file.read() == b"new"
        assert file.read() is None


def test_the_index_may_have_keys_of_other_types(tmp_path):
    path = str(tmp_path / "a")
    with mx.recordio.MXIndexedRecordIO(path + ".idx", path + ".rec", "w", key_type=str) as file:
        file.write_idx("cat", b"miaow")
    with mx.recordio.MXIndexedRecordIO(path + ".idx", path + ".rec", "r", key_type=str) as file:
        assert file.read_idx("cat") == b"miaow"
        with pytest.raises(KeyError):
            file.read_idx("dog")
    assert os.path.getsize(path + ".rec") == 16
