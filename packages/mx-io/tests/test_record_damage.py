"""Files that are cut or changed: an error that names file, record, byte and cure; never a crash, a hang, or much memory."""

from __future__ import annotations

import random
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

import mxnet as mx
from mx_io import rec_tool
from mx_io.record_format import Damage, Span, scan, scan_sound

N_MUTATIONS = 1000


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A small sound record file with its index, and their bytes."""
    folder = tmp_path_factory.mktemp("records")
    rng = np.random.RandomState(0)
    path, index = str(folder / "s.rec"), str(folder / "s.idx")
    with mx.recordio.MXIndexedRecordIO(index, path, "w") as file:
        for n in range(12):
            image = rng.randint(0, 255, (10, 12, 3), "uint8")
            header = mx.recordio.IRHeader(0, float(n), n, 0)
            file.write_idx(n, mx.recordio.pack_img(header, image, 90, ".jpg"))
    return path, index, Path(path).read_bytes(), Path(index).read_bytes()


def mutate(content, rng):
    """The bytes changed in one of the ways in which files go bad."""
    data = bytearray(content)
    kind = rng.randrange(6)
    at = rng.randrange(len(data))
    if kind == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[at:]
    elif kind == 2:
        del data[at : at + rng.randrange(1, 40)]
    elif kind == 3:
        data[at:at] = rng.randbytes(rng.randrange(1, 40))
    elif kind == 4:
        data[at : at + 8] = rng.randbytes(8)
    else:
        at -= at % 4
        data[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x0a\x23\xd7\xce"])
    return bytes(data)


def read_all(path, index=None):
    """Reads a file to its end in the ways there are; only RecordFileError may come."""
    problems = []
    try:
        with mx.recordio.MXRecordIO(path, "r") as file:
            while file.read() is not None:
                pass
    except mx.error.RecordFileError as error:
        problems.append(str(error))
    if index is not None:
        try:
            with mx.recordio.MXIndexedRecordIO(index, path, "r") as file:
                for key in file.keys:
                    file.read_idx(key)
        except mx.error.RecordFileError as error:
            problems.append(str(error))
    return problems


def iterate(path, **parameters):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a cut last record
            iterator = mx.io.ImageRecordIter(
                path_imgrec=path, data_shape=(3, 8, 8), batch_size=4, preprocess_threads=1, **parameters
            )
            for _ in iterator:
                pass
            iterator.close()
    except mx.MXNetError as error:
        return str(error)
    return ""


def test_mutated_record_files(sound, tmp_path):
    rng = random.Random(1)
    path = str(tmp_path / "m.rec")
    tracemalloc.start()
    n_errors = n_found = 0
    for number in range(N_MUTATIONS):
        with open(path, "wb") as file:
            file.write(mutate(sound[2], rng))
        problems = read_all(path, sound[1])
        for problem in problems:
            assert path in problem
            assert "byte" in problem
        damage = rec_tool.verify(path)
        if read_all(path):
            assert damage, number
        n_errors += bool(problems)
        n_found += bool(damage)
        if number % 20 == 0:
            assert path in iterate(path) + path
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_errors > N_MUTATIONS // 5
    assert n_found > N_MUTATIONS // 5
    assert peak < 100e6


def test_mutated_indices(sound, tmp_path):
    rng = random.Random(2)
    index = str(tmp_path / "m.idx")
    n_errors = 0
    for number in range(N_MUTATIONS):
        with open(index, "wb") as file:
            file.write(mutate(sound[3], rng))
        problems = read_all(sound[0], index)
        n_errors += bool(problems)
        assert all("idx" in problem or sound[0] in problem for problem in problems)
        if number % 20 == 0:
            iterate(sound[0], path_imgidx=index)
    assert n_errors > N_MUTATIONS // 10


def test_mutated_images(sound, tmp_path):
    """Images that cannot be decoded are named; others may decode to something else."""
    rng = random.Random(3)
    path = str(tmp_path / "i.rec")
    with mx.recordio.MXRecordIO(sound[0], "r") as file:
        header, body = mx.recordio.unpack(file.read())
    n_errors = 0
    for _ in range(100):
        with mx.recordio.MXRecordIO(path, "w") as file:
            for n in range(10):
                file.write(mx.recordio.pack(header._replace(id=n), mutate(body, rng)))
        error = iterate(path)
        if error:
            n_errors += 1
            assert path in error
            assert "record" in error
            assert "mx-rec verify --images" in error or "OpenCV refuses" in error
            assert rec_tool.verify(path, images=True)
    assert n_errors > 20


def test_mutated_lists(sound, tmp_path):
    rng = random.Random(4)
    content = "".join(f"{n}\t{n}.000000\timage {n}.jpg\n" for n in range(12)).encode()
    path = tmp_path / "m.lst"
    n_errors = 0
    for number in range(N_MUTATIONS // 4):
        path.write_bytes(mutate(content, rng))
        error = iterate(sound[0], path_imglist=str(path)) if number % 5 == 0 else ""
        n_errors += bool(error)
        assert not error or str(path) in error
    assert n_errors > 5


def test_a_cut_last_record_loses_only_itself(sound, tmp_path):
    path = str(tmp_path / "cut.rec")
    with open(path, "wb") as file:
        file.write(sound[2][:-50])
    spans, damage = scan_sound(path)
    assert len(spans) == 11
    assert f"{path}: record 11 at byte {spans[-1].end} is cut" in str(damage.error)
    assert "rebuild it with im2rec" in str(damage.error)
    with mx.recordio.MXRecordIO(path, "r") as file:
        assert all(file.read() for _ in range(11))
        with pytest.raises(mx.error.RecordFileError, match="record 11 at byte .* is cut: it needs"):
            file.read()
    with pytest.warns(RuntimeWarning, match="record 11 at byte .* is cut.*It is left out"):
        iterator = mx.io.ImageRecordIter(path_imgrec=path, data_shape=(3, 8, 8), batch_size=11)
    assert iterator.next().index.tolist() == list(range(11))


def test_damage_in_the_middle_is_found_and_left_out_of_a_new_index(sound, tmp_path):
    path = str(tmp_path / "hole.rec")
    spans = [item for item in scan(sound[0]) if isinstance(item, Span)]
    content = bytearray(sound[2])
    content[spans[4].start : spans[4].start + 4] = b"\0\0\0\0"
    with open(path, "wb") as file:
        file.write(content)
    items = list(scan(path))
    assert [type(item) for item in items].count(Damage) == 1
    assert items[4].end == spans[5].start
    message = f"{path}: record 4 at byte {spans[4].start} has magic 0x00000000, expected 0xced7230a. The file is cut or is not"
    assert message in str(items[4].error)
    assert message in iterate(path)
    assert rec_tool.rebuild_index(path) == (11, 1)
    iterator = mx.io.ImageRecordIter(
        path_imgrec=path, path_imgidx=str(tmp_path / "hole.idx"), data_shape=(3, 8, 8), batch_size=11
    )
    assert iterator.next().index.tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]


def test_the_index_of_another_file(sound, tmp_path):
    index = tmp_path / "other.idx"
    index.write_text(f"0\t{len(sound[2])}\n")
    error = "lies past the end of the file|the file ends"
    with (
        mx.recordio.MXIndexedRecordIO(str(index), sound[0], "r") as file,
        pytest.raises(mx.error.RecordFileError, match=error),
    ):
        file.read_idx(0)
    assert "rebuild it: mx-rec index" in iterate(sound[0], path_imgidx=str(index))
    index.write_text("0\t999999999999\n")
    assert "lies past the end of the file" in iterate(sound[0], path_imgidx=str(index))
    index.write_text("0\t4\n")
    assert "has magic" in iterate(sound[0], path_imgidx=str(index))


def test_a_file_that_is_no_record_file(tmp_path):
    path = tmp_path / "text.rec"
    path.write_text("hello, this is a text file that is no record file at all\n")
    assert "record 0 at byte 0 has magic 0x6c6c6568" in iterate(str(path))
    path.write_bytes(b"")
    assert "there is no record; check the path" in iterate(str(path))
