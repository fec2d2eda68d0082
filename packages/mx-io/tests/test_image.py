"""mx.image: what it takes, what it refuses, what damaged images do, how random changes are spread."""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import numpy as np
import pytest

import mxnet as mx
from mx_core import plugin
from mx_io import augmentation
from mx_io.image import lists

cv2 = pytest.importorskip("cv2")
image = mx.image
DATA = Path(os.environ.get("MX_TEST_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))


def picture(height=40, width=60, seed=0):
    """Smooth colors, as a photograph has them."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (5, 6, 3)).astype(np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def encoded(extension=".png", pixels=None):
    return cv2.imencode(extension, picture() if pixels is None else pixels)[1].tobytes()


# -- reading -----------------------------------------------------------------------------------------------------------


def test_what_imdecode_takes():
    content = encoded()
    expected = picture()[:, :, ::-1]
    numbers = np.frombuffer(content, np.uint8)
    for given in (content, bytearray(content), numbers, mx.nd.array(numbers, dtype="uint8")):
        np.testing.assert_array_equal(image.imdecode(given).asnumpy(), expected)
    np.testing.assert_array_equal(image.imdecode(content, 1, 0).asnumpy(), expected[:, :, ::-1])
    assert image.imdecode(content, flag=0).shape == (40, 60, 1)
    out = mx.nd.zeros((40, 60, 3), dtype="uint8")
    assert image.imdecode(content, out=out) is out
    np.testing.assert_array_equal(out.asnumpy(), expected)
    with pytest.raises(
        mx.MXNetError, match=r"out must have shape \(40, 60, 3\) and dtype uint8, got \(40, 60, 3\) and float32"
    ):
        image.imdecode(content, out=mx.nd.zeros((40, 60, 3)))


@pytest.mark.parametrize(("given", "text"), [
    ("text", "must be of type bytes, bytearray, numpy.ndarray or NDArray, got str"), (None, "got NoneType"), (b"", "the image is empty, 0 bytes"),
    (b"hello", r"Decoding failed. Invalid image file: 5 bytes that start with 0x68656c6c6f.*Expected JPEG"), (np.zeros(0, np.uint8), "empty, 0 bytes"),
    (np.zeros(9, np.float32), "as uint8, got float32"),
])  # fmt: skip
def test_what_imdecode_refuses(given, text):
    with pytest.raises(mx.MXNetError, match=text):
        image.imdecode(given)
    with pytest.raises(ValueError, match="flag must be 1"):
        image.imdecode(encoded(), flag=-1)


def test_channels_and_depths():
    pixels = picture()
    for given, gray in (
        (pixels[:, :, 0], True),
        (np.dstack([pixels, pixels[:, :, :1]]), False),
        (pixels.astype(np.uint16) * 257, False),
    ):
        found = image.imdecode(encoded(".png", given))
        assert (found.shape, found.dtype) == ((40, 60, 3), np.uint8)
        np.testing.assert_array_equal(found.asnumpy(), np.dstack([pixels[:, :, 0]] * 3) if gray else pixels[:, :, ::-1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_left_alone_as_in_mxnet(orientation):
    content = encoded(".jpg")
    tags = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 274, 3, 1, orientation, 0, 0)
    turned = content[:2] + b"\xff\xe1" + struct.pack(">H", len(tags) + 2) + tags + content[2:]
    np.testing.assert_array_equal(image.imdecode(turned).asnumpy(), image.imdecode(content).asnumpy())


def test_imread(tmp_path):
    path = tmp_path / "with space 图片.png"
    path.write_bytes(encoded())
    np.testing.assert_array_equal(image.imread(str(path)).asnumpy(), picture()[:, :, ::-1])
    assert image.imread(path, flag=0).shape == (40, 60, 1)
    with pytest.raises(mx.MXNetError, match="nothing.png: couldn't open file: No such file or directory"):
        image.imread(str(tmp_path / "nothing.png"))
    (tmp_path / "text.png").write_bytes(b"no picture")
    with pytest.raises(OSError, match=r"text.png: Decoding failed"):
        image.imread(str(tmp_path / "text.png"))


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_a_cut_image_is_refused(extension):
    content = encoded(extension)
    with pytest.raises(
        mx.MXNetError, match=r"Decoding failed.*(its end is missing after|ends after the file, which has) \d+ bytes"
    ):
        image.imdecode(content[: len(content) * 3 // 4])


def test_a_chunk_that_claims_too_much_is_refused():
    damaged = bytearray(encoded())
    place = damaged.find(b"IDAT") - 4
    damaged[place : place + 4] = b"\x7f\xff\xff\xff"
    with pytest.raises(mx.MXNetError, match=rf"its chunk IDAT at byte {place} ends after the file"):
        image.imdecode(bytes(damaged))


def test_a_header_that_claims_too_much_is_refused():
    for content, place in ((encoded(".jpg"), encoded(".jpg").find(b"\xff\xc0") + 5), (encoded(), 16)):
        damaged = bytearray(content)
        damaged[place : place + (8 if place == 16 else 4)] = struct.pack(">II" if place == 16 else ">HH", 30000, 30000)
        with pytest.raises(mx.MXNetError, match=r"claims 30000 x 30000 pixels, which \d+ bytes cannot hold"):
            image.imdecode(bytes(damaged))


def test_large_plain_images_are_taken():
    for extension in (".jpg", ".png"):
        assert image.imdecode(encoded(extension, np.zeros((3000, 4000), np.uint8)), flag=0).shape == (3000, 4000, 1)


@pytest.mark.parametrize("extension", [".jpg", ".png"])
def test_damaged_images(extension):
    """No crash, no hang, no memory without bounds; an image or an error that says what to do."""
    rng = random.Random(5)
    content = encoded(extension)
    errors = 0
    for _ in range(1000):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 6)):
            damaged[rng.randrange(len(damaged) if rng.random() < 0.5 else 200)] = rng.randrange(256)
        if rng.random() < 0.3:
            del damaged[rng.randrange(len(damaged)) :]
        try:
            found = image.imdecode(bytes(damaged))
        except mx.MXNetError as error:
            errors += 1
            assert "image" in str(error)  # noqa: PT017
        else:
            assert found.ndim == 3
            assert found.size < 1 << 24
    assert errors > 20


# -- sizes -------------------------------------------------------------------------------------------------------------


def test_results_have_memory_of_their_own():
    src = mx.nd.array(picture(), dtype="uint8")
    for make in (
        lambda: image.fixed_crop(src, 0, 0, 60, 40),
        lambda: image.center_crop(src, (60, 40))[0],
        lambda: image.fixed_crop(src, 0, 3, 60, 10),
        lambda: image.resize_short(src, 40),
        lambda: image.CastAug("uint8")(src),
        lambda: image.copyMakeBorder(src, 0, 0, 0, 0) if hasattr(image, "copyMakeBorder") else None,
    ):
        made = make()
        before = src.asnumpy().copy()
        made[:] = 0
        np.testing.assert_array_equal(src.asnumpy(), before)


def test_images_in_numpy_are_taken_too():
    assert image.imresize(picture(), 7, 5).shape == (5, 7, 3)
    assert image.resize_short(picture().astype("float32"), 8).dtype == np.float32


@pytest.mark.parametrize(("call", "text"), [
    (lambda src: image.imresize(src, 0, 5), r"width and height must be in \[1, 32767\], got 0 and 5"), (lambda src: image.imresize(src, 7.5, 5), "must be int, got 7.5"),
    (lambda src: image.imresize(src, 7, 5, 11), "Unknown interp method 11"), (lambda src: image.imresize(src.astype("int32"), 7, 5), "got int32; cast it first"),
    (lambda src: image.imresize(src[0], 7, 5), r"must be an image of shape \(h, w, c\)"), (lambda src: image.imresize([1], 7, 5), "must be an NDArray"),
    (lambda src: image.fixed_crop(src, 70, 0, 5, 5), "must begin inside"), (lambda src: image.fixed_crop(src, -1, 0, 5, 5), "must begin inside"),
    (lambda src: image.fixed_crop(src, 0, 0, 0, 5), "have w and h above 0"), (lambda src: image.resize_short(src, (3, 4)), "size must be an int above 0"),
    (lambda src: image.random_crop(src, 5), r"size must be \(width, height\), got 5"), (lambda src: image.random_crop(src, (0, 5)), "at least 1"),
    (lambda src: image.random_size_crop(src, (5, 5), 0.5, (0, 1)), "both above 0"), (lambda src: image.random_size_crop(src, (5, 5), 0.5, (1, 2), foo=1), "unexpected keyword arguments foo"),
    (lambda src: image.copyMakeBorder(src, -1, 0, 0, 0), r"must be in \[0, 32767\]"), (lambda src: image.copyMakeBorder(src, 1, 0, 0, 0, 9), "type must be 0 to 4"),
    (lambda src: image.imrotate(src, 3), "Only `float32` images"), (lambda src: image.imrotate(src.astype("float32")[0], 3), "Only 3D and 4D"),
    (lambda src: image.imrotate(src.astype("float32"), 3, True, True), "cannot be both True"), (lambda src: image.imrotate(src.astype("float32"), "a"), "required to be a scalar"),
    (lambda src: image.ContrastJitterAug(0.1)(src), "must hold floating point numbers, got uint8; put CastAug before it"),
    (lambda src: image.HueJitterAug(0.1)(src.astype("float32")[:, :, :1]), "must have 3 channels"), (lambda src: image.CastAug("nothing"), "typ must be an element type"),
    (lambda src: image.ColorNormalizeAug(np.ones(2), None)(src.astype("float32")), "do not fit an image"), (lambda src: image.Augmenter()(src), "defines neither apply"),
    (lambda src: image.CreateAugmenter((3, 4, 4), rand_resize=True), "needs rand_crop=True"), (lambda src: image.CreateAugmenter((3, 4, 4), mean=np.ones(2)), "1 or 3 numbers"),
    (lambda src: image.CreateAugmenter((3, 4, 4), aug_seq=["brigtness"]), "there is no augmenter 'brigtness'. Did you mean"),
    (lambda src: image.DetBorrowAug(3), "Borrowing from invalid Augmenter"), (lambda src: image.DetRandomSelectAug([3]), "Allow DetAugmenter in list only"),
    (lambda src: image.CreateMultiRandCropAugmenter([0.1, 0.2, 0.3], [(1, 2), (1, 2)]), "must have one length, 3"),
    (lambda src: image.DetHorizontalFlipAug(1.0)(src, np.zeros((2, 4))), r"label must be \(k, 5 or more\)"),
])  # fmt: skip
def test_refusals(call, text):
    with pytest.raises((mx.MXNetError, TypeError), match=text):
        call(mx.nd.array(picture(), dtype="uint8"))


def test_min_area_is_the_old_name_of_area():
    with pytest.warns(DeprecationWarning, match="Please use `area`"):
        change = image.RandomSizedCropAug((5, 5), 0.1, (0.75, 1.33), min_area=0.3)
    assert change.area == 0.3


def test_useless_ranges_disable_detection_crops():
    with pytest.warns(UserWarning, match=r"\[DetRandomCropAug\] disabled"):
        change = image.DetRandomCropAug(area_range=(2.0, 1.0))
    labels = np.array([[0, 0.1, 0.1, 0.5, 0.5]])
    src = mx.nd.zeros((4, 4, 3))
    assert change(src, labels) == (src, labels)


# -- random changes ----------------------------------------------------------------------------------------------------


def spread_evenly(values, low, high):
    stats = pytest.importorskip("scipy.stats")
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-4
    assert low <= min(values)
    assert max(values) <= high


def test_crops_are_spread_evenly():
    random.seed(1)
    src = np.zeros((100, 150, 3), np.uint8)
    boxes = np.array([image.random_crop(src, (30, 20))[1] for _ in range(800)])
    spread_evenly(boxes[:, 0] + np.random.default_rng(0).random(800), 0, 121)
    spread_evenly(boxes[:, 1] + np.random.default_rng(1).random(800), 0, 81)


def test_areas_and_aspects_of_random_size_crops():
    random.seed(2)
    src = np.zeros((400, 400, 3), np.uint8)
    boxes = np.array([image.random_size_crop(src, (4, 4), (0.1, 0.4), (0.5, 2.0))[1] for _ in range(800)])
    spread_evenly(boxes[:, 2] * boxes[:, 3] / 160000, 0.0995, 0.4005)
    spread_evenly(np.log(boxes[:, 2] / boxes[:, 3]), -0.7, 0.7)


def test_colors_are_spread_evenly():
    random.seed(3)
    np.random.seed(3)
    src = mx.nd.array([[[100.0, 50.0, 20.0], [10.0, 60.0, 30.0]]])
    before = src.asnumpy()

    def drawn(change):
        return [change(src).asnumpy() for _ in range(500)]

    spread_evenly([out[0, 0, 0] / 100 for out in drawn(image.BrightnessJitterAug(0.4))], 0.6, 1.4)
    spread_evenly([(out[0, 0, 0] - out[0, 1, 0]) / 90 for out in drawn(image.ContrastJitterAug(0.4))], 0.6, 1.4)
    spread_evenly([(out[0, 0, 0] - out[0, 0, 1]) / 50 for out in drawn(image.SaturationJitterAug(0.4))], 0.6, 1.4)
    to_yiq = np.array([[0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
    angles = [np.arctan2(*(to_yiq @ out[0, 0])[::-1]) for out in drawn(image.HueJitterAug(0.2))]
    start = np.arctan2(*(to_yiq @ before[0, 0])[::-1])
    spread_evenly([((angle - start) / np.pi + 1) % 2 - 1 for angle in angles], -0.205, 0.205)
    light = image.LightingAug(0.5, np.array([1.0, 2.0, 3.0]), np.eye(3))
    noise = np.array([(out - before)[0, 0] for out in drawn(light)])
    np.testing.assert_allclose(noise.std(axis=0), [0.5, 1.0, 1.5], rtol=0.12)
    gray = [np.ptp(out[0, 0]) < 1e-3 for out in drawn(image.RandomGrayAug(0.3))]
    assert 0.2 < np.mean(gray) < 0.4


def test_angles_are_spread_evenly():
    np.random.seed(4)
    ramp = mx.nd.array(np.broadcast_to(np.arange(41.0), (1, 41, 41)))
    angles = []
    for _ in range(300):
        turned = image.random_rotate(ramp, (-30, 50)).asnumpy()[0, 15:26, 15:26]
        down, right = np.gradient(turned)
        angles.append(np.degrees(np.arctan2(down.mean(), right.mean())))
    angles = np.array(angles) * np.sign(np.mean(angles) or 1)
    spread_evenly(angles, -30.5, 50.5)


def test_detection_crops_keep_their_promises():
    random.seed(5)
    labels = np.array([[0, 0.1, 0.1, 0.5, 0.6], [1, 0.4, 0.5, 0.9, 0.8]])
    change = image.DetRandomCropAug(
        min_object_covered=0.5, aspect_ratio_range=(0.8, 1.25), area_range=(0.2, 0.6), min_eject_coverage=0.6
    )
    src = np.arange(100 * 120 * 3, dtype=np.float32).reshape(100, 120, 3)
    for _ in range(100):
        part, kept = change(mx.nd.array(src), labels)
        h, w = part.shape[:2]
        if (h, w) == (100, 120):
            continue
        assert 0.19 < h * w / 12000 < 0.61
        assert 0.77 < w / h < 1.3
        first = int(part[0, 0, 0].asscalar()) // 3
        top, left = divmod(first, 120)
        for row in kept:
            whole = labels[int(row[0])]
            area = (row[3] - row[1]) * (row[4] - row[2]) * w * h
            assert area / ((whole[3] - whole[1]) * (whole[4] - whole[2]) * 12000) > 0.59
            assert row[1] * w + left >= whole[1] * 120 - 1e-6
            assert row[2] * h + top >= whole[2] * 100 - 1e-6
            assert 0 <= row[1] < row[3] <= 1


def test_the_same_seed_gives_the_same_images():
    changes = image.CreateAugmenter(
        (3, 20, 20),
        rand_crop=True,
        rand_resize=True,
        rand_mirror=True,
        brightness=0.3,
        hue=0.2,
        pca_noise=0.1,
        rand_gray=0.2,
        inter_method=10,
    )

    def apply():
        random.seed(9)
        np.random.seed(9)
        out = mx.nd.array(picture(), dtype="uint8")
        for change in changes:
            out = change(out)
        return out.asnumpy()

    np.testing.assert_array_equal(apply(), apply())


# -- augmenters by name ------------------------------------------------------------------------------------------------


def test_names_of_augmenters():
    assert augmentation.find_augmenter("HueJitterAug") is augmentation.find_augmenter("huejitter") is image.HueJitterAug
    assert {"cast", "castaug", "lighting"} <= set(augmentation.list_augmenters())
    with pytest.raises(mx.MXNetError, match="the augmenter 'cast' cannot be made with the parameters {'foo': 1}"):
        augmentation.create_augmenters([("cast", {"foo": 1})])
    made = augmentation.create_augmenters([{"name": "forceresize", "size": (4, 3)}, "horizontalflip, cast"][:1])
    assert augmentation.augment(made, picture()).shape == (3, 4, 3)
    with pytest.raises(ImportError, match="mx-io has an augmenter 'cast' of its own"):
        augmentation.register(lambda: None, name="cast")


class Cutout:
    """A third party's augmenter, on NDArrays."""

    def __init__(self, size=4):
        self.size = size

    def __call__(self, src):
        out = src.copy()
        out[: self.size, : self.size] = 0
        return out


class _Brings:
    @staticmethod
    @plugin.hookimpl
    def mx_augmenters():
        return {"Cutout": Cutout}

    @staticmethod
    @plugin.hookimpl
    def mx_data_iters():
        return {"ThirdPartyIter": "mx_io.iterators:NDArrayIter"}


def test_augmenters_and_iterators_of_plugins(monkeypatch):
    from mx_io.augmentation import registry

    monkeypatch.setattr(registry, "_of_plugins", None)
    plugin.register(_Brings(), "cutouts")
    try:
        changes = image.CreateAugmenter((3, 20, 20), aug_seq=[("cutout", {"size": 5})])
        out = mx.nd.array(picture() | 1, dtype="uint8")
        for change in changes:
            out = change(out)
        values = out.asnumpy()
        assert (values[:5, :5] == 0).all()
        assert (values[5:, 5:] > 0).all()
        assert augmentation.augment(augmentation.create_augmenters("cutout"), picture())[0, 0].tolist() == [0, 0, 0]
        assert mx.io.ThirdPartyIter is mx.io.NDArrayIter
    finally:
        plugin.unregister("cutouts")
        monkeypatch.undo()


def test_draws_of_a_thread_of_its_own():
    change = image.RandomCropAug((5, 5))
    with augmentation.seeded(3):
        first = change.apply(picture())
    random.seed(1)
    with augmentation.seeded(3):
        np.testing.assert_array_equal(change.apply(picture()), first)


# -- lists -------------------------------------------------------------------------------------------------------------


def test_lists(tmp_path):
    path = tmp_path / "列表 one.lst"
    path.write_text("3\t1.5\ta b.png\n\n0\t2\t3\tsub/图.png\r\n", encoding="utf-8")
    entries = lists.read_list(str(path))
    assert [(key, labels.tolist(), name) for key, (labels, name) in entries.items()] == [
        (3, [1.5], "a b.png"),
        (0, [2, 3], "sub/图.png"),
    ]


@pytest.mark.parametrize(("content", "text"), [
    (b"0 1 a.png\n", "line 1 must be key <tab> label"), (b"0\ta.png\n", "line 1 must be"), (b"x\t1\ta.png\n", "got 'x"), (b"0\t1\ta\n1\tb\tc\n", "line 2 must be"),
    (b"", "holds no images"), (b"\n\n", "holds no images"), (b"\xff\xfe0\t1\ta", "byte 0 is not UTF-8"), (b"0\t1\t\n", "line 1 must be"), (b"0\tinf\tx\n" * 0 + b"\0\1\2\t\t", "line 1 must be"),
])  # fmt: skip
def test_lists_that_are_none(tmp_path, content, text):
    path = tmp_path / "a.lst"
    path.write_bytes(content)
    with pytest.raises(mx.MXNetError, match=rf"a\.lst: .*{text}"):
        lists.read_list(str(path))


def test_damaged_lists(tmp_path):
    rng = random.Random(6)
    path = tmp_path / "a.lst"
    content = "".join(f"{i}\t{i % 3}\tfolder/image{i}.jpg\n" for i in range(20)).encode()
    errors = 0
    for _ in range(1000):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged[: rng.randrange(1, len(damaged))])
        try:
            lists.read_list(str(path))
        except mx.MXNetError as error:
            errors += 1
            assert "a.lst: " in str(error)  # noqa: PT017
    assert errors > 300


# -- iterators ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """Nine images, one list of them, one record file with an index."""
    record = mx.recordio.MXIndexedRecordIO(str(tmp_path / "a.idx"), str(tmp_path / "a.rec"), "w")
    lines = []
    for i in range(9):
        content = encoded(".png", np.full((8, 9, 3), i + 1, np.uint8))
        (tmp_path / f"v{i}.png").write_bytes(content)
        lines.append(f"{i}\t{i}\tv{i}.png\n")
        record.write_idx(i, mx.recordio.pack(mx.recordio.IRHeader(0, float(i), i, 0), content))
    record.close()
    (tmp_path / "a.lst").write_text("".join(lines))
    return tmp_path


def sources(folder):
    listed = {"path_imglist": str(folder / "a.lst"), "path_root": str(folder)}
    record = {"path_imgrec": str(folder / "a.rec")}
    return {"list": listed, "record": record, "index": {**record, "path_imgidx": str(folder / "a.idx")}}


def labels_of(iterator, count=None):
    found = []
    for batch in iterator:
        assert (
            batch.data[0].asnumpy()[: len(batch.label[0]), 0, 0, 0].tolist() == (batch.label[0] + 1).asnumpy().tolist()
        )
        found.append(batch.label[0].asnumpy().astype(int).tolist())
        if count is not None and len(found) == count:
            break
    return found


@pytest.mark.parametrize("source", ["list", "record", "index"])
@pytest.mark.parametrize("handle", ["pad", "discard", "roll_over"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_positions_are_saved_to_the_sample(folder, source, handle, shuffle):
    if shuffle and source == "record":
        return
    given = {**sources(folder)[source], "last_batch_handle": handle, "shuffle": shuffle}
    random.seed(3)
    first, second = (image.ImageIter(4, (3, 6, 6), **given) for _ in range(2))
    labels_of(first)
    first.reset()
    begun = labels_of(first, 1)
    state = first.state_dict()
    rest = labels_of(first)
    second.load_state_dict(state)
    assert labels_of(second) == rest
    assert begun != rest


def test_positions_of_other_data_are_refused(folder):
    given = sources(folder)
    state = image.ImageIter(4, (3, 6, 6), **given["index"]).state_dict()
    with pytest.raises(mx.MXNetError, match="of another source"):
        image.ImageIter(4, (3, 6, 6), **given["record"]).load_state_dict(state)
    with pytest.raises(mx.MXNetError, match="of another source"):
        image.ImageIter(4, (3, 6, 6), num_parts=2, **given["index"]).load_state_dict(state)


@pytest.mark.parametrize("num_parts", [1, 2, 4, 9])
def test_parts_cover_every_image_once(folder, num_parts):
    seen = []
    for part in range(num_parts):
        iterator = image.ImageIter(1, (3, 6, 6), num_parts=num_parts, part_index=part, **sources(folder)["index"])
        seen += [label for (label,) in labels_of(iterator)]
    assert seen == list(range(9))


@pytest.mark.parametrize(("given", "text"), [
    ({}, "needs path_imgrec, path_imglist, or a list imglist"), ({"imglist": []}, "imglist is empty"), ({"imglist": [[1.0]]}, "item 1 of imglist must be"), ({"imglist": [["a", 3]]}, "item 1 of imglist"),
    ({"path_imglist": "nothing.lst"}, "nothing.lst: cannot open the list of images: No such file"), ({"path_imgrec": "nothing.rec"}, "nothing.rec"), ({"batch_size": 0}, "batch_size must be at least 1"),
    ({"dtype": "uint8"}, "dtype, of the labels, must be int32"), ({"last_batch_handle": "x"}, "must be 'pad', 'discard' or 'roll_over', got 'x'"), ({"part_index": 2}, r"part_index must be in \[0, num_parts\)"),
    ({"data_shape": (1, 4, 4), "imglist": [[1.0, "v1.png"]]}, "expects inputs to have 3 channels"), ({"data_shape": (4, 4), "imglist": [[1.0, "v1.png"]]}, "should have length 3"), ({"imglist": [[1.0, "gone.png"]]}, "gone.png: couldn't open file"),
    ({"imglist": [[[1.0, 2.0], "v1.png"]]}, "v1.png: has 2 labels, label_width is 1"), ({"imglist": [[1.0, "a.lst"]]}, "a.lst: Decoding failed"), ({"imglist": [[1.0, "v1.png"]], "aug_list": []}, r"the augmenters made an image \(c, h, w\) = \(3, 8, 9\)"),
    ({"shuffle": True, "path_imgrec": "a.rec"}, "need path_imgidx"),
])  # fmt: skip
def test_what_image_iter_refuses(folder, given, text, monkeypatch):
    monkeypatch.chdir(folder)
    arguments = {"batch_size": 1, "data_shape": (3, 4, 4), **given}
    with pytest.raises(mx.MXNetError, match=text):
        next(image.ImageIter(**arguments))


def test_a_damaged_record_is_named(folder):
    content = bytearray((folder / "a.rec").read_bytes())
    begin = content.find(b"\x89PNG", 400)
    content[begin : begin + 60] = bytes(60)
    (folder / "a.rec").write_bytes(content)
    for source, name in (("index", r"a\.rec: record \d: "), ("record", r"a\.rec: record \d at byte \d+: ")):
        with pytest.raises(mx.MXNetError, match=name + "Decoding failed"):
            list(image.ImageIter(3, (3, 6, 6), **sources(folder)[source]))


def test_augmenters_of_an_iterator_by_name(folder):
    from mxnet.gluon.data.vision import transforms

    given = sources(folder)["list"]
    batch = next(image.ImageIter(2, (3, 4, 5), aug_list=[("forceresize", {"size": (5, 4)}), "cast"], **given))
    assert batch.data[0].shape == (2, 3, 4, 5)
    both = transforms.Compose([transforms.Resize((5, 4)), transforms.Cast()])
    assert next(image.ImageIter(2, (3, 4, 5), aug_list=[both], **given)).data[0].shape == (2, 3, 4, 5)
    with pytest.raises(mx.MXNetError, match=r"an augmenter must be a name, \(name, parameters\) or a callable, got 3"):
        image.ImageIter(2, (3, 4, 5), aug_list=[3], **given)


def test_own_iterators_override_steps(folder):
    class Mine(image.ImageIter):
        def imdecode(self, s):
            return super().imdecode(s) * 2

        def postprocess_data(self, datum):
            return mx.nd.transpose(datum, axes=(2, 0, 1)) + 1

        def next_sample(self):
            label, content = super().next_sample()
            return label * 10, content

    batch = next(Mine(2, (3, 6, 6), **sources(folder)["list"]))
    assert batch.data[0][:, 0, 0, 0].asnumpy().tolist() == [3, 5]
    assert batch.label[0].asnumpy().tolist() == [0, 10]


def boxes(*rows):
    return [2, 5, *(value for row in rows for value in row)]


def test_detection_iterator(folder):
    box, other = (1, 0.1, 0.2, 0.5, 0.6), (0, 0.3, 0.3, 0.9, 0.8)
    images = [[boxes(box), "v0.png"], [boxes(box, other), "v1.png"], [[4, 6, 0, 0, *box, 7], "v2.png"]]
    iterator = image.ImageDetIter(2, (3, 6, 6), imglist=images[:2], path_root=str(folder))
    assert iterator.label_shape == (2, 5)
    batch = next(iterator)
    np.testing.assert_allclose(batch.label[0][0].asnumpy(), [box, [-1] * 5])
    assert iterator.provide_label[0] == ("label", (2, 2, 5))
    wide = image.ImageDetIter(1, (3, 6, 6), imglist=images[2:], path_root=str(folder))
    np.testing.assert_allclose(next(wide).label[0].asnumpy(), [[[*box, 7]]])
    small = image.ImageDetIter(2, (3, 6, 6), imglist=images[:1], path_root=str(folder))
    assert iterator.sync_label_shape(small, verbose=True) is small
    assert small.label_shape == (2, 5)
    iterator.reshape(label_shape=(4, 5))
    assert next(image.ImageDetIter(2, (3, 6, 6), imglist=images[:2], path_root=str(folder))).label[0].shape == (2, 2, 5)
    iterator.reset()
    assert next(iterator).label[0].shape == (2, 4, 5)
    for shape, text in (
        ((1, 5), "Attempts to reduce label count"),
        ((4, 6), "object width inconsistent"),
        ((4,), "should have length 2"),
    ):
        with pytest.raises(ValueError, match=text):
            iterator.reshape(label_shape=shape)
    with pytest.raises(TypeError, match="Synchronize with invalid iterator"):
        iterator.sync_label_shape(3)


@pytest.mark.parametrize(("label", "text"), [
    ([2, 5, 1, 0.1], "Label shape is invalid"), ([2, 5, 1, 0.1, 0.2, 0.3, 0.4, 0.5], "inconsistent with annotation width 5"), ([2, 5, 1, 0.5, 0.5, 0.1, 0.1], "no valid label"),
    ([2, 0, 1, 0.1, 0.1, 0.5, 0.5], "inconsistent"), ([-3, 5, 1, 0.1, 0.1, 0.5, 0.5], "inconsistent"), ([float("inf"), 5, 1, 0.1, 0.1, 0.5, 0.5], "inconsistent"), ([2, float("nan"), 1, 0.1, 0.1, 0.5, 0.5], "inconsistent"),
])  # fmt: skip
def test_detection_labels_that_are_none(folder, label, text):
    with pytest.raises(mx.MXNetError, match=rf"v0\.png: .*{text}"):
        image.ImageDetIter(1, (3, 6, 6), imglist=[[label, "v0.png"]], path_root=str(folder))


def test_boxes_are_drawn(folder):
    box = (1, 0.25, 0.25, 0.75, 0.75)
    iterator = image.ImageDetIter(1, (3, 40, 40), imglist=[[boxes(box), "v0.png"]], path_root=str(folder))
    (drawn,) = iterator.draw_next(color=(255, 0, 0), thickness=1, id2labels={1: "one"})
    assert drawn[10, 20].tolist() == [255, 0, 0]
    assert drawn[2, 2].tolist() == [1, 1, 1]
    iterator.reset()
    (drawn,) = iterator.draw_next(mean=True, std=True)
    np.testing.assert_allclose(drawn[2, 2], np.array([58.395, 57.12, 57.375]) + [123.68, 116.28, 103.53], rtol=1e-4)


@pytest.mark.skipif(not (DATA / "photos").exists(), reason="set MX_TEST_DATA to the folder that holds photos/")
def test_photographs():
    files = sorted((DATA / "photos").rglob("*.jpg"))[:4]
    iterator = image.ImageIter(
        2, (3, 64, 64), imglist=[[0.0, str(path)] for path in files], resize=80, rand_mirror=True, mean=True, std=True
    )
    batches = list(iterator)
    assert [batch.data[0].shape for batch in batches] == [(2, 3, 64, 64)] * (len(files) // 2)
    assert all(abs(float(batch.data[0].mean().asscalar())) < 3 for batch in batches)


def test_contact_sheet():
    import importlib.util

    path = Path(__file__).parents[3] / "examples" / "augmentation_sheet.py"
    spec = importlib.util.spec_from_file_location("augmentation_sheet", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    page = example.sheet(example.house(96), edge=24, columns=2)
    assert page.shape == (len(example.ROWS) * 28 + 4, 150 + 3 * 28, 3)
    np.testing.assert_array_equal(page, example.sheet(example.house(96), edge=24, columns=2))


def test_mxnets_operators_by_name():
    src = mx.nd.array(picture(), dtype="uint8")
    np.testing.assert_array_equal(mx.nd._internal._cvimresize(src, 7, 5).asnumpy(), image.imresize(src, 7, 5).asnumpy())
    assert mx.nd._internal._cvimdecode is image.imdecode


def test_without_opencv():
    """Everything imports; the first call that needs OpenCV says what to install."""
    import subprocess
    import sys
    import textwrap

    program = """
        import sys
        sys.modules["cv2"] = None  # importing it fails
        import mxnet as mx
        import mxnet.image.detection
        from mxnet.image import ImageIter, CreateAugmenter
        from mxnet.gluon.data.vision import transforms
        assert mx.img is mx.image
        CreateAugmenter((3, 4, 4), brightness=0.1)
        assert transforms.ToTensor()(mx.nd.zeros((2, 3, 3))).shape == (3, 2, 3)
        assert mx.image.CastAug()(mx.nd.zeros((2, 3, 3), dtype="uint8")).dtype.__name__ == "float32"
        for call in (lambda: mx.image.imdecode(b"x"), lambda: mx.image.imresize(mx.nd.zeros((2, 3, 3)), 4, 4)):
            try:
                call()
            except ImportError as error:
                print("pip install opencv-python" in str(error))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "True\nTrue\n"), done.stderr[-2000:]
