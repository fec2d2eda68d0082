"""mx-im2rec and mx-rec."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from record_makers import gradient, make_file, png

import mxnet as mx
from mx_io import im2rec, rec_tool


@pytest.fixture
def folder(tmp_path):
    """Three folders of PNG images, one of them with a name in Chinese, and files that are none."""
    root = tmp_path / "the images"
    for name, n in (("a cat", 4), ("b 狗", 3), ("c", 2)):
        (root / name).mkdir(parents=True)
        for i in range(n):
            (root / name / f"{i} 图.png").write_bytes(png(gradient(20 + 3 * i, 24)))
    (root / "notes.txt").write_text("nothing")
    (root / "top.JPG").write_bytes(png(gradient(10, 10)))
    return root


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_listing_folders_with_labels(folder, tmp_path, capsys):
    prefix = str(tmp_path / "list")
    assert im2rec.main(["--list", "--recursive", "--no-shuffle", prefix, str(folder)]) == 0
    found = [line.split("\t") for line in lines(tmp_path / "list.lst")]
    assert [line[0] for line in found] == [str(n) for n in range(10)]
    assert [line[1] for line in found] == ["0.000000"] + ["1.000000"] * 4 + ["2.000000"] * 3 + ["3.000000"] * 2
    assert found[5][2] == os.path.join("b 狗", "0 图.png")
    assert "b 狗 2" in capsys.readouterr().out
    assert im2rec.main(["--list", prefix, str(folder)]) == 0
    assert lines(tmp_path / "list.lst") == ["0\t0.000000\ttop.JPG"]


def test_shuffled_lists_are_always_the_same(folder, tmp_path):
    prefix = str(tmp_path / "list")
    for arguments in (["--list", "--recursive"], ["--list", "--shuffle", "True", "--recursive", "True"]):
        assert im2rec.main([*arguments, prefix, str(folder)]) == 0
        numbers = [int(line.split("\t")[0]) for line in lines(tmp_path / "list.lst")]
        expected = list(range(10))
        __import__("random").Random(100).shuffle(expected)
        assert numbers == expected


def test_chunks_and_shares(folder, tmp_path):
    arguments = ["--list", "--recursive", "--train-ratio", "0.5", "--test-ratio", "0.25", "--chunks", "2"]
    assert im2rec.main([*arguments, str(tmp_path / "l"), str(folder)]) == 0
    counts = {name: len(lines(tmp_path / name)) for name in os.listdir(tmp_path) if name.endswith(".lst")}
    assert counts == {f"l_{i}_{part}.lst": n for i in range(2) for part, n in (("train", 2), ("test", 1), ("val", 2))}


@pytest.mark.parametrize("n_threads", ["1", "3"])
def test_packing(folder, tmp_path, capfd, n_threads):
    prefix = str(tmp_path / "训练 a")
    im2rec.main(["--list", "--recursive", prefix, str(folder)])
    options = ["--encoding", ".png", "--quality", "1", "--num-thread", n_threads, "--resize", "12", "--center-crop"]
    assert im2rec.main([*options, prefix, str(folder)]) == 0
    assert "10 images written, 0 left out" in capfd.readouterr().out
    listed = [line.split("\t") for line in lines(tmp_path / "训练 a.lst")]
    with mx.recordio.MXIndexedRecordIO(prefix + ".idx", prefix + ".rec", "r") as file:
        assert file.keys == [int(line[0]) for line in listed]
        for number, label, _ in listed:
            header, image = mx.recordio.unpack_img(file.read())
            assert (header.id, header.label) == (int(number), float(label))
            assert image.shape == (12, 12, 3)
    assert sorted(os.listdir(tmp_path)) == ["the images", "训练 a.idx", "训练 a.lst", "训练 a.rec"]


def test_passing_images_through(folder, tmp_path):
    prefix = str(tmp_path / "l")
    im2rec.main(["--list", "--recursive", prefix, str(folder)])
    assert im2rec.main(["--pass-through", prefix, str(folder)]) == 0
    with mx.recordio.MXRecordIO(prefix + ".rec", "r") as file:
        for line in lines(tmp_path / "l.lst"):
            assert mx.recordio.unpack(file.read())[1] == (folder / line.split("\t")[2]).read_bytes()


@pytest.mark.parametrize(("color", "shape"), [("1", (20, 24, 3)), ("0", (20, 24)), ("-1", (20, 24, 4))])
def test_color_modes(tmp_path, color, shape):
    (tmp_path / "i.png").write_bytes(png(np.zeros((20, 24, 4), np.uint8)))
    (tmp_path / "l.lst").write_text("0\t1\ti.png\n")
    options = ["--color", color, "--encoding", ".png", "--quality", "9"]
    assert im2rec.main([*options, str(tmp_path / "l"), str(tmp_path)]) == 0
    with mx.recordio.MXRecordIO(str(tmp_path / "l.rec"), "r") as file:
        assert mx.recordio.unpack_img(file.read())[1].shape == shape


def test_several_labels(tmp_path):
    (tmp_path / "i.png").write_bytes(png(gradient(8, 8)))
    (tmp_path / "l.lst").write_text("7\t1.5\t2\t-3\ti.png\n")
    for options, expected in (([], 1.5), (["--pack-label"], [1.5, 2, -3])):
        assert im2rec.main([*options, str(tmp_path / "l"), str(tmp_path)]) == 0
        with mx.recordio.MXRecordIO(str(tmp_path / "l.rec"), "r") as file:
            np.testing.assert_array_equal(mx.recordio.unpack(file.read())[0].label, expected)


def test_what_cannot_be_read_is_reported_counted_and_left_out(folder, tmp_path, capfd):
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "empty.png").write_bytes(b"")
    (tmp_path / "l.lst").write_text(
        "0\t1\tbroken.png\n1\t1\ttop.JPG\n2\t1\tmissing.png\nonly two\tcolumns\n\n3\tx\ttop.JPG\n4\t0\tempty.png\n"
    )
    assert im2rec.main([str(tmp_path / "l"), str(folder)]) == 0
    out, err = capfd.readouterr()
    assert "1 images written, 5 left out" in out
    for text in (
        "broken.png: is no image that OpenCV can decode",
        "missing.png: No such file",
        "line 4 must be",
        "line 6",
    ):
        assert text in err
    assert (tmp_path / "l.idx").read_text() == "1\t0\n"


def test_nothing_to_do_is_said(folder, tmp_path, capsys):
    def fails(*arguments):
        assert im2rec.main([str(argument) for argument in arguments]) == 1
        return capsys.readouterr().err

    assert "found no list" in fails(tmp_path / "none", folder)
    assert "no such folder" in fails("--list", tmp_path / "l", tmp_path / "none")
    assert "no file ends with .gif; --recursive" in fails("--list", tmp_path / "l", folder, "--exts", ".gif")
    (tmp_path / "l.lst").write_text("")
    assert "the list names no image" in fails(tmp_path / "l", folder)
    (tmp_path / "l.lst").write_text("0\t0\tmissing.png\n")
    assert "none of its 1 images could be read" in fails(tmp_path / "l", folder)
    assert sorted(os.listdir(tmp_path)) == ["l.lst", "the images"]  # nothing half made


def test_a_folder_of_lists(folder, tmp_path):
    lists = tmp_path / "lists"
    lists.mkdir()
    for name in ("x", "y"):
        (lists / f"{name}.lst").write_text("0\t0\ttop.JPG\n")
    assert im2rec.main([str(lists), str(folder)]) == 0
    assert {"x.rec", "y.rec", "x.idx", "y.idx"} < set(os.listdir(lists))


def test_as_a_module(folder, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mx_io.im2rec", "--list", "--recursive", str(tmp_path / "l"), str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(lines(tmp_path / "l.lst")) == 10


def test_inspecting(tmp_path, capsys):
    path = make_file(tmp_path / "a.rec", [gradient(8, 8)] * 5, labels=[0.0, 1.0, 1.0, 1.0, [2.0, 3.0]])
    found = rec_tool.inspect(path)
    assert (found["records"], found["damaged"], found["without_header"]) == (5, 0, 0)
    assert found["labels"] == [((0.0,), 1), ((1.0,), 3), ((2.0, 3.0), 1)]
    assert rec_tool.main(["inspect", path, "--labels", "2"]) == 0
    out = capsys.readouterr().out
    assert "5 records in" in out
    assert "label 1: 3" in out
    assert "1 more kinds of labels" in out


def test_verifying(tmp_path, capsys):
    path = make_file(tmp_path / "a.rec", [gradient(8, 8), b"no image", gradient(8, 8)])
    assert rec_tool.main(["verify", path]) == 0
    assert rec_tool.main(["verify", path, "--images"]) == 1
    assert "record 1 at byte" in capsys.readouterr().out
    assert rec_tool.main(["verify", path + "x"]) == 1
    assert "cannot open the record file" in capsys.readouterr().err


def test_indexing_gives_the_index_that_was_written(tmp_path):
    path = make_file(tmp_path / "a.rec", [gradient(8, 8)] * 5)
    written = (tmp_path / "a.idx").read_text()
    assert rec_tool.main(["index", path, str(tmp_path / "b.idx")]) == 0
    assert (tmp_path / "b.idx").read_text() == written
    with mx.recordio.MXRecordIO(path, "w") as file:
        for payload in (b"a", b"b"):
            file.write(payload)
    assert rec_tool.main(["index", path]) == 0
    assert (tmp_path / "a.idx").read_text() == "0\t0\n1\t12\n"


def test_drawing_a_sheet(tmp_path):
    path = make_file(tmp_path / "a.rec", [gradient(8, 30), b"no image", gradient(60, 8)])
    picture = tmp_path / "s.png"
    assert rec_tool.main(["sheet", path, str(picture), "--columns", "2", "--size", "40"]) == 0
    image = mx.image.imdecode(picture.read_bytes())
    assert image.shape == (2 * 54, 80, 3)
