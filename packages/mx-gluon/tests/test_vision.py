"""Image transforms, data sets of image files and records, CIFAR."""

from __future__ import annotations

import hashlib
import io
import pickle
import random
import tarfile

import numpy as np
import pytest

import mxnet as mx
from mxnet.gluon import data as gdata
from mxnet.gluon.data import vision
from mxnet.gluon.data.vision import transforms

cv2 = pytest.importorskip("cv2")


def picture(height=12, width=17, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def array(values):
    return mx.nd.array(values, dtype=values.dtype)


def test_tensors():
    pixels = picture()
    tensor = transforms.ToTensor()(array(pixels))
    np.testing.assert_allclose(tensor.asnumpy(), pixels.transpose(2, 0, 1) / 255, rtol=1e-6)
    batch = transforms.ToTensor()(array(np.stack([pixels, pixels])))
    assert batch.shape == (2, 3, 12, 17)
    for mean, std in (((0.1, 0.2, 0.3), (0.3, 0.2, 0.1)), (0.5, 0.25), (np.array([0.1, 0.2, 0.3]), [1, 1, 2])):
        wanted = (tensor.asnumpy() - np.reshape(mean, (-1, 1, 1))) / np.reshape(std, (-1, 1, 1))
        for given in (tensor, batch):
            found = transforms.Normalize(mean, std)(given).asnumpy()
            np.testing.assert_allclose(found.reshape(-1, 3, 12, 17)[0], wanted, rtol=1e-4, atol=1e-5)
    assert transforms.Cast("float16")(tensor).dtype == np.float16


def test_sizes_are_mx_images():
    src = array(picture())
    pairs = [
        (transforms.Resize(5), mx.image.imresize(src, 5, 5)), (transforms.Resize((5, 6), interpolation=2), mx.image.imresize(src, 5, 6, 2)),
        (transforms.Resize(5, keep_ratio=True), mx.image.resize_short(src, 5, 1)), (transforms.CenterCrop((5, 6)), mx.image.center_crop(src, (5, 6), 1)[0]),
        (transforms.CropResize(1, 2, 5, 6), mx.image.fixed_crop(src, 1, 2, 5, 6)), (transforms.CropResize(1, 2, 5, 6, (3, 4), 1), mx.image.fixed_crop(src, 1, 2, 5, 6, (3, 4), 1)),
    ]  # fmt: skip
    for transform, wanted in pairs:
        np.testing.assert_array_equal(transform(src).asnumpy(), wanted.asnumpy())
    batch = mx.nd.stack(src, src)
    assert transforms.Resize(5)(batch).shape == (2, 5, 5, 3)
    assert np.abs(transforms.Resize(5)(batch)[0].asnumpy().astype(int) - transforms.Resize(5)(src).asnumpy()).max() <= 1
    assert transforms.CropResize(1, 2, 5, 6, 3)(batch).shape == (2, 3, 3, 3)


def test_sizes_without_mx_io(monkeypatch):
    from mx_core import data
    from mx_core.errors import PluginError

    def missing(name):
        msg = f"reading this data needs {name!r}, which mx-io brings. pip install mx-io"
        raise PluginError(msg)

    src = array(picture())
    wanted = transforms.Resize(5)(src).asnumpy().astype(int)
    monkeypatch.setattr(data, "reader", missing)
    assert np.abs(transforms.Resize(5)(src).asnumpy() - wanted).max() <= 1
    with pytest.raises(ImportError, match="pip install mx-io"):
        transforms.CenterCrop(5)(src)
    with pytest.raises(ImportError, match="pip install mx-io"):
        vision.ImageRecordDataset("a.rec")


def test_random_crops_follow_the_seed():
    src = array(picture(40, 50))
    for transform, function in (
        (
            transforms.RandomResizedCrop(5),
            lambda: mx.image.random_size_crop(src, (5, 5), (0.08, 1.0), (3 / 4, 4 / 3), 1)[0],
        ),
        (transforms.RandomCrop((6, 5)), lambda: mx.image.random_crop(src, (6, 5), 1)[0]),
    ):
        random.seed(3)
        found = transform(src)
        random.seed(3)
        np.testing.assert_array_equal(found.asnumpy(), function().asnumpy())
    padded = transforms.RandomCrop(54, pad=(2, 7), pad_value=9)(src)
    assert padded.shape == (54, 54, 3)
    assert (padded.asnumpy()[0] == 9).all()


def test_rotations():
    tensor = transforms.ToTensor()(array(picture()))
    np.testing.assert_allclose(
        transforms.Rotate(90, zoom_out=True)(tensor).asnumpy(), mx.image.imrotate(tensor, 90, zoom_out=True).asnumpy()
    )
    np.random.seed(4)
    found = transforms.RandomRotation((-10, 30))(tensor)
    np.random.seed(4)
    np.random.random()
    np.testing.assert_array_equal(found.asnumpy(), mx.image.random_rotate(tensor, (-10, 30)).asnumpy())
    assert transforms.RandomRotation((-10, 30), rotate_with_proba=0.0)(tensor) is tensor
    for transform in (transforms.Rotate(30), transforms.RandomRotation((1, 2))):
        with pytest.raises(TypeError, match="only supports float32. Consider calling it after ToTensor"):
            transform(array(picture()))


@pytest.mark.parametrize(("make", "text"), [
    (lambda: transforms.RandomRotation((30, 10)), "must be an ordered tuple"), (lambda: transforms.RandomRotation((1, 10), rotate_with_proba=2), "should be between 0 and 1"),
    (lambda: transforms.RandomApply(transforms.Cast(), 2.0), r"\[RandomApply\] p must be between 0 and 1"), (lambda: transforms.CenterCrop((5, 6, 7)), r"must be an int above 0 or \(width, height\)"),
    (lambda: transforms.Resize(0), "above 0"), (lambda: transforms.RandomCrop(4, pad=(1, 2, 3)), "one, two or four numbers"), (lambda: transforms.RandomBrightness(-1), "0 or more"),
])  # fmt: skip
def test_refusals(make, text):
    with pytest.raises(mx.MXNetError, match=text):
        make()


@pytest.mark.parametrize("transform", [
    transforms.RandomBrightness(0.3), transforms.RandomContrast(0.3), transforms.RandomSaturation(0.3), transforms.RandomHue(0.3), transforms.RandomColorJitter(0.1, 0.1, 0.1, 0.1),
    transforms.RandomLighting(0.3), transforms.RandomFlipLeftRight(), transforms.RandomFlipTopBottom(), transforms.RandomGray(0.5), transforms.HybridRandomApply(transforms.Cast("uint8"), 0.5),
])  # fmt: skip
def test_random_operators_follow_the_seed(transform):
    src = array(picture())
    mx.random.seed(5)
    first = [transform(src).asnumpy() for _ in range(8)]
    mx.random.seed(5)
    again = [transform(src).asnumpy() for _ in range(8)]
    np.testing.assert_array_equal(first, again)
    assert all(out.shape == src.shape and out.dtype == np.uint8 for out in first)
    if not isinstance(transform, transforms.HybridRandomApply):
        assert any((out != src.asnumpy()).any() for out in first)


def test_random_gray_is_gray_sometimes():
    mx.random.seed(1)
    src = array(picture())
    gray = [int(np.ptp(transforms.RandomGray(0.3)(src).asnumpy(), axis=2).max() <= 1) for _ in range(200)]
    assert 0.2 < np.mean(gray) < 0.4


def test_sequences():
    src = array(picture())
    transform = transforms.Compose(
        [transforms.Resize(8), transforms.CenterCrop(4), transforms.ToTensor(), transforms.Normalize(0.5, 0.5)]
    )
    assert transform(src).shape == (3, 4, 4)
    assert [type(child).__name__ for child in transform] == ["Resize", "CenterCrop", "ToTensor", "Normalize"]
    hybrid = transforms.HybridCompose([transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])
    wanted = hybrid(src).asnumpy()
    hybrid.hybridize()
    np.testing.assert_allclose(hybrid(src).asnumpy(), wanted, rtol=1e-6)
    np.random.seed(0)
    casts = [transforms.RandomApply([transforms.Cast("float16")], 0.3)(src).dtype for _ in range(200)]
    assert 0.2 < np.mean([dtype == np.float16 for dtype in casts]) < 0.4
    copy = pickle.loads(pickle.dumps(transform))
    np.testing.assert_array_equal(copy(src).asnumpy(), transform(src).asnumpy())


# -- files and records -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """Two classes with three images, and files that are none."""
    for name, count in (("b cat", 2), ("a狗", 1)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(count):
            extension = (".jpg", ".PNG")[i]
            (tmp_path / "images" / name / f"{i}{extension}").write_bytes(
                cv2.imencode(extension.lower(), picture(seed=i))[1].tobytes()
            )
    record = mx.recordio.MXIndexedRecordIO(str(tmp_path / "a.idx"), str(tmp_path / "a.rec"), "w")
    for i in range(4):
        content = cv2.imencode(".png", picture(seed=i))[1].tobytes()
        record.write_idx(i * 10, mx.recordio.pack(mx.recordio.IRHeader(0, float(i), i, 0), content))
    record.close()
    return tmp_path


def test_image_folder(folder):
    dataset = vision.ImageFolderDataset(str(folder / "images"))
    assert dataset.synsets == ["a狗", "b cat"]
    assert [label for _, label in dataset.items] == [0, 1, 1]
    image, label = dataset[2]
    np.testing.assert_array_equal(image.asnumpy(), picture(seed=1)[:, :, ::-1])
    assert label == 1
    assert vision.ImageFolderDataset(str(folder / "images"), flag=0)[0][0].shape == (12, 17, 1)
    assert vision.ImageFolderDataset(str(folder / "images"), transform=lambda x, y: (x.shape, y * 2))[1] == (
        (12, 17, 3),
        2,
    )
    (folder / "images" / "b cat" / "note.txt").write_text("x")
    with pytest.warns(UserWarning, match="note.txt, which has the type .txt; images are .jpg, .jpeg, .png"):
        assert len(vision.ImageFolderDataset(str(folder / "images"))) == 3
    (folder / "images" / "file").write_text("x")
    with pytest.warns(UserWarning, match=r"(file, which is no folder|note.txt)"):
        vision.ImageFolderDataset(str(folder / "images"))
    with pytest.raises(mx.MXNetError, match="nothing: No such file or directory.*a folder for each class"):
        vision.ImageFolderDataset(str(folder / "nothing"))


def test_image_records(folder):
    dataset = vision.ImageRecordDataset(str(folder / "a.rec"))
    image, label = dataset[2]
    assert (len(dataset), label) == (4, 2.0)
    np.testing.assert_array_equal(image.asnumpy(), picture(seed=2)[:, :, ::-1])
    assert vision.ImageRecordDataset(str(folder / "a.rec"), 0, lambda x, y: (x.shape, y))[3] == ((12, 17, 1), 3.0)
    assert pickle.loads(pickle.dumps(dataset))[1][1] == 1.0
    raw = gdata.RecordFileDataset(str(folder / "a.rec"))
    assert len(raw) == 4
    assert mx.recordio.unpack(raw[1])[0].label == 1.0
    content = bytearray((folder / "a.rec").read_bytes())
    begin = content.find(b"\x89PNG")
    content[begin : begin + 40] = bytes(40)
    (folder / "a.rec").write_bytes(content)
    with pytest.raises(mx.MXNetError, match=r"a\.rec: record 0: .*Decoding failed"):
        vision.ImageRecordDataset(str(folder / "a.rec"))[0]
    with pytest.raises(mx.MXNetError, match="nothing"):
        vision.ImageRecordDataset(str(folder / "nothing.rec"))


def test_image_lists(folder):
    (folder / "one.lst").write_text("0\t1\tb cat/0.jpg\n1\t2\t3\tb cat/1.PNG\n")
    dataset = vision.ImageListDataset(str(folder / "images"), str(folder / "one.lst"))
    image, label = dataset[1]
    np.testing.assert_array_equal(image.asnumpy(), picture(seed=1)[:, :, ::-1])
    assert label.tolist() == [2, 3]
    assert dataset[0][1] == 1
    assert vision.ImageListDataset(str(folder / "images"), [[5, "b cat/1.PNG"]])[0][1] == 5
    with pytest.raises(mx.MXNetError, match="imglist must be the path of a list or a list, got int"):
        vision.ImageListDataset(".", 3)


# -- CIFAR -------------------------------------------------------------------------------------------------------------


def cifar(monkeypatch, kind, labels, files):
    """An archive with these files of four images each, whose checksums are made the expected ones."""
    rows = np.random.default_rng(1).integers(0, 256, (4, labels + 3072)).astype(np.uint8)
    rows[:, :labels] = np.arange(4 * labels).reshape(4, labels)
    content = rows.tobytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in (*files, "../evil.bin"):
            entry = tarfile.TarInfo(f"folder/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    digest = hashlib.sha1(content).hexdigest()
    monkeypatch.setattr(kind, "_train_data", tuple((name, digest) for name in files))
    monkeypatch.setattr(kind, "_archive_file", ("archive.tar.gz", hashlib.sha1(packed.getvalue()).hexdigest()))
    monkeypatch.setattr(kind, "_mirrors", ())
    monkeypatch.setenv("MXNET_GLUON_REPO", "file:///nowhere/")
    return rows, packed.getvalue()


@pytest.mark.parametrize(
    ("kind", "labels", "files"),
    [(vision.CIFAR10, 1, ["data_batch_1.bin", "data_batch_2.bin"]), (vision.CIFAR100, 2, ["train.bin"])],
)
def test_cifar(tmp_path, monkeypatch, kind, labels, files):
    rows, archive = cifar(monkeypatch, kind, labels, files)
    with pytest.raises(mx.MXNetError, match="archive.tar.gz cannot be downloaded.*put the file at"):
        kind(root=str(tmp_path))
    (tmp_path / "archive.tar.gz").write_bytes(archive)
    dataset = kind(root=str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["archive.tar.gz", *files])
    image, label = dataset[3]
    assert (len(dataset), image.dtype, type(label)) == (4 * len(files), np.uint8, np.int32)
    np.testing.assert_array_equal(image.asnumpy(), rows[3, labels:].reshape(3, 32, 32).transpose(1, 2, 0))
    assert label == rows[3, 0]
    (tmp_path / "archive.tar.gz").unlink()
    assert len(kind(root=str(tmp_path))) == len(dataset)
    if labels == 2:
        assert kind(root=str(tmp_path), fine_label=True)[3][1] == rows[3, 1]


def test_damaged_cifar(tmp_path, monkeypatch):
    _, archive = cifar(monkeypatch, vision.CIFAR10, 1, ["data_batch_1.bin"])
    cut = archive[: len(archive) // 2]
    (tmp_path / "archive.tar.gz").write_bytes(cut)
    monkeypatch.setattr(vision.CIFAR10, "_archive_file", ("archive.tar.gz", hashlib.sha1(cut).hexdigest()))
    with pytest.raises(mx.MXNetError, match="archive.tar.gz: .*delete it to download it again"):
        vision.CIFAR10(root=str(tmp_path))
    (tmp_path / "data_batch_1.bin").write_bytes(b"short")
    monkeypatch.setattr(vision.CIFAR10, "_train_data", (("data_batch_1.bin", hashlib.sha1(b"short").hexdigest()),))
    with pytest.raises(mx.MXNetError, match="5 bytes are no rows of 3073"):
        vision.CIFAR10(root=str(tmp_path))
