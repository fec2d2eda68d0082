"""ImageRecordIter: epochs, parts, labels, order, state, errors, element types."""

from __future__ import annotations

import gc
import struct
import threading
import time

import numpy as np
import pytest
from record_makers import gradient, make_file, png

import mxnet as mx
from mx_io.augmentation import register


@pytest.fixture(scope="module")
def ten(tmp_path_factory):
    """Ten images of 8 x 8, image n all n * 20."""
    images = [np.full((8, 8, 3), 20 * n, np.uint8) for n in range(10)]
    return make_file(tmp_path_factory.mktemp("ten") / "ten.rec", images)


def make(path, cls=None, **parameters):
    given = {"data_shape": (3, 8, 8), "batch_size": 4, "preprocess_threads": 2, **parameters}
    return (cls or mx.io.ImageRecordIter)(path_imgrec=path, **given)


def epoch(iterator):
    """(labels, pad) of each batch."""
    found = [(batch.label[0].asnumpy().astype(int).tolist(), batch.pad) for batch in iterator]
    iterator.reset()
    return found


def order(iterator):
    return [int(n) for labels, pad in epoch(iterator) for n in labels[: len(labels) - pad]]


def test_what_it_provides(ten):
    iterator = make(ten, data_name="x", label_name="y")
    assert iterator.provide_data == [("x", (4, 3, 8, 8))]
    assert iterator.provide_label == [("y", (4,))]
    assert iterator.provide_data[0].dtype is np.float32
    batch = iterator.next()
    assert batch.data[0].shape == (4, 3, 8, 8)
    assert batch.index.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(batch.data[0].asnumpy()[:, 1, 3, 3], [0, 20, 40, 60])


def test_the_last_batch_goes_on_with_the_next_epoch(ten):
    iterator = make(ten)
    first = [([0, 1, 2, 3], 0), ([4, 5, 6, 7], 0), ([8, 9, 0, 1], 2)]
    assert epoch(iterator) == first
    assert epoch(iterator) == [([2, 3, 4, 5], 0), ([6, 7, 8, 9], 0)]
    assert epoch(iterator) == first


def test_without_round_batch_the_rest_is_zero(ten):
    iterator = make(ten, round_batch=False)
    for _ in range(2):
        assert epoch(iterator) == [([0, 1, 2, 3], 0), ([4, 5, 6, 7], 0), ([8, 9, 0, 0], 2)]
    *_, last = iterator
    np.testing.assert_array_equal(last.data[0].asnumpy()[:, 0, 0, 0], [160, 180, 0, 0])


def test_a_batch_larger_than_the_file(ten):
    assert epoch(make(ten, batch_size=23)) == [([n % 10 for n in range(23)], 13)]


def test_it_stops_until_reset(ten):
    iterator = make(ten)
    assert len(list(iterator)) == 3
    with pytest.raises(StopIteration):
        iterator.next()
    iterator.reset()
    iterator.next()
    iterator.reset()
    assert iterator.next().index.tolist() == [0, 1, 2, 3]
    with pytest.raises(mx.MXNetError, match="no current batch"):
        make(ten).getdata()


@pytest.mark.parametrize("index", [False, True])
@pytest.mark.parametrize("n_parts", [2, 3, 5])
def test_parts_hold_every_record_once(tmp_path, index, n_parts):
    rng = np.random.RandomState(0)
    path = make_file(tmp_path / "a.rec", [rng.randint(0, 255, (8 + 5 * n, 8, 3), "uint8") for n in range(23)])
    extra = {"path_imgidx": path[:-4] + ".idx"} if index else {}
    parts = [order(make(path, batch_size=1, num_parts=n_parts, part_index=i, **extra)) for i in range(n_parts)]
    assert sum(parts, []) == list(range(23))
    if index:
        assert max(map(len, parts)) == -(-23 // n_parts)


def test_several_files_and_folders(tmp_path):
    first = make_file(tmp_path / "a.rec", [gradient(8, 8)] * 3)
    second = make_file(tmp_path / "b.rec", [gradient(8, 8)] * 2, labels=[7.0, 8.0])
    assert order(make(f"{first};{second}", batch_size=1)) == [0, 1, 2, 7, 8]
    assert order(make(str(tmp_path), batch_size=1)) == [0, 1, 2, 7, 8]
    with pytest.raises(mx.MXNetError, match="path_imgidx needs one record file, got 2"):
        make(str(tmp_path), path_imgidx=first[:-4] + ".idx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(mx.error.RecordFileError, match="the folder holds no .rec file"):
        make(str(tmp_path / "empty"))


def test_shuffling(ten):
    iterator = make(ten, shuffle=True, batch_size=5)
    epochs = [order(iterator) for _ in range(3)]
    assert all(sorted(found) == list(range(10)) for found in epochs)
    assert len({tuple(found) for found in epochs}) == 3
    assert order(make(ten, shuffle=True, batch_size=5)) == epochs[0]
    assert order(make(ten, shuffle=True, batch_size=5, seed=1)) != epochs[0]
    iterator = make(ten, shuffle=True, seed=3)  # batches of 4: what pads an epoch is left out of the next
    first, second = epoch(iterator), epoch(iterator)
    assert sorted(first[2][0][2:] + [n for labels, _ in second for n in labels]) == list(range(10))


def test_shuffling_within_stretches(tmp_path):
    rng = np.random.RandomState(0)
    path = make_file(tmp_path / "a.rec", [rng.bytes(300_000) for _ in range(12)])
    iterator = make(path, shuffle=True, shuffle_chunk_size=1, shuffle_chunk_seed=3)
    chosen = iterator._order.of(0)
    assert sorted(chosen) == list(range(12))
    stretch = iterator._source.offsets[chosen] >> 20
    assert np.count_nonzero(np.diff(stretch)) == len(set(stretch)) - 1 == 3  # each of the four is whole
    assert chosen.tolist() != list(range(12))
    assert make(path, shuffle=True, shuffle_chunk_size=1)._order.of(0).tolist() != chosen.tolist()


AUGMENTED = {
    "rand_crop": True, "rand_mirror": True, "max_rotate_angle": 20, "max_shear_ratio": 0.1, "max_aspect_ratio": 0.2,
    "min_random_scale": 0.8, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.1, "pca_noise": 0.1,
    "random_h": 10, "random_s": 10, "random_l": 10, "inter_method": 10, "max_random_contrast": 0.2,
    "max_random_illumination": 5, "shuffle": True, "seed": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Thirty images of noise and gradients, 40 x 50."""
    rng = np.random.RandomState(0)
    images = [gradient(40, 50) // 2 + rng.randint(0, 60, (40, 50, 3)).astype("uint8") for _ in range(30)]
    return make_file(tmp_path_factory.mktemp("photos") / "p.rec", images)


def batches(iterator, n):
    found = []
    while len(found) < n:
        try:
            batch = iterator.next()
        except StopIteration:
            iterator.reset()
            continue
        found.append((batch.data[0].asnumpy(), batch.label[0].asnumpy(), batch.pad))
    return found


def same(first, second):
    return all(np.array_equal(a, b) for x, y in zip(first, second, strict=True) for a, b in zip(x, y, strict=True))


def test_one_seed_gives_the_same_batches_for_any_number_of_threads(photos):
    def run(**other):
        return batches(make(photos, data_shape=(3, 24, 24), batch_size=8, **{**AUGMENTED, **other}), 10)

    reference = run(preprocess_threads=1, prefetch_buffer=0)
    assert same(reference, run(preprocess_threads=3))
    assert same(reference, run(preprocess_threads=7, prefetch_buffer=9))
    assert not same(reference, run(seed=5))
    other = run(seed_aug=9)
    assert same([x[1:] for x in reference], [x[1:] for x in other])
    assert not same(reference, other)
    assert not np.array_equal(reference[0][0], reference[4][0])  # another epoch, other random choices


@pytest.mark.parametrize("n_before", [0, 1, 3, 4, 7])
def test_the_place_in_an_epoch_is_saved_and_restored(photos, n_before):
    parameters = {"data_shape": (3, 24, 24), "batch_size": 8, **AUGMENTED}
    iterator = make(photos, **parameters)
    batches(iterator, n_before)
    state = iterator.state_dict()
    expected = batches(iterator, 6)
    other = make(photos, **parameters)
    batches(other, 2)
    other.load_state_dict(state)
    assert same(expected, batches(other, 6))


def test_a_state_of_another_file_is_refused(ten, photos):
    with pytest.raises(mx.MXNetError, match="the state is of 30 records, this iterator has 10"):
        make(ten).load_state_dict(make(photos).state_dict())


@pytest.mark.parametrize(
    "cls", ["ImageRecordIter", "ImageRecordUInt8Iter", "ImageRecordInt8Iter", "ImageRecordIter_v1"]
)
def test_element_types_and_normalization(tmp_path, cls):
    image = np.zeros((8, 8, 3), np.uint8)
    image[...] = (50, 100, 200)  # blue first
    path = make_file(tmp_path / "a.rec", [image] * 4)
    parameters = {"mean_r": 10, "mean_b": 60, "std_r": 2, "std_g": 4, "scale": 0.5}
    found = make(path, getattr(mx.io, cls), **parameters).next().data[0]
    expected = {
        "ImageRecordUInt8Iter": ("uint8", [200, 100, 50]),
        "ImageRecordInt8Iter": ("int8", [127, 100, -10]),
    }.get(cls, ("float32", [47.5, 12.5, -5]))
    assert found.dtype == np.dtype(expected[0])
    np.testing.assert_array_equal(found.asnumpy()[0, :, 0, 0], expected[1])


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "uint8", np.float32])
def test_dtype(ten, dtype):
    iterator = make(ten, dtype=dtype)
    assert iterator.provide_data[0].dtype is np.dtype(dtype).type
    found = iterator.next().data[0]
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found.asnumpy()[:, 0, 0, 0], [0, 20, 40, 60])


def test_mean_image(tmp_path, ten):
    path = str(tmp_path / "mean.nd")
    assert make(ten, mean_img=path).next().data[0].asnumpy()[0, 0, 0, 0] == -90
    np.testing.assert_array_equal(mx.nd.load(path)["mean_img"].asnumpy(), np.full((3, 8, 8), 90))
    mx.nd.save(path, {"mean_img": mx.nd.full((3, 8, 8), 7)})
    found = make(ten, mean_img=path, std_r=2, scale=0.5, mean_r=3).next().data[0].asnumpy()
    np.testing.assert_array_equal(found[2, :, 0, 0], [(40 - 7) / 4, (40 - 7) / 2, (40 - 7) / 2])
    mx.nd.save(path, {"mean_img": mx.nd.zeros((3, 4, 4))})
    with pytest.raises(mx.MXNetError, match=r"mean_img must have data_shape = \(3, 8, 8\), got \(3, 4, 4\)"):
        make(ten, mean_img=path)


def test_labels(tmp_path, ten):
    path = make_file(tmp_path / "a.rec", [gradient(8, 8)] * 4, labels=[[n, n + 0.5, -n] for n in range(4)])
    iterator = make(path, label_width=3)
    assert iterator.provide_label == [("softmax_label", (4, 3))]
    np.testing.assert_array_equal(iterator.next().label[0].asnumpy(), [[n, n + 0.5, -n] for n in range(4)])
    with pytest.raises(mx.MXNetError, match="record 0 at byte 0 holds 3 labels, label_width is 1"):
        make(path).next()
    with pytest.raises(mx.MXNetError, match="record 0 at byte 0 holds 1 label, label_width is 2"):
        make(ten, label_width=2).next()


def test_label_lists(tmp_path, ten):
    path = tmp_path / "一 list.lst"
    path.write_text("".join(f"{n}\t{2 * n}.5\t{-n}\tsome image.jpg\n" for n in range(10)), encoding="utf-8")
    one = make(ten, path_imglist=str(path)).next().label[0].asnumpy()
    np.testing.assert_array_equal(one, [0.5, 2.5, 4.5, 6.5])
    two = make(ten, path_imglist=str(path), label_width=2).next().label[0].asnumpy()
    np.testing.assert_array_equal(two, [[0.5, 0], [2.5, -1], [4.5, -2], [6.5, -3]])
    with pytest.raises(mx.error.RecordFileError, match="line 1 must be number <tab> 3 labels <tab> path"):
        make(ten, path_imglist=str(path), label_width=3)
    path.write_text("0\t1\ta.jpg\n1,2,b.jpg\n")
    with pytest.raises(
        mx.error.RecordFileError, match="line 2 must be number <tab> 1 label <tab> path, got '1,2,b.jpg'"
    ):
        make(ten, path_imglist=str(path))
    path.write_text("0\t1\ta.jpg\n")
    with pytest.raises(mx.error.RecordFileError, match="no line of .* has its number, 1"):
        make(ten, path_imglist=str(path)).next()
    path.write_text("")
    with pytest.raises(mx.error.RecordFileError, match="the list is empty"):
        make(ten, path_imglist=str(path))
    with pytest.raises(mx.error.RecordFileError, match="cannot open the list"):
        make(ten, path_imglist=str(path) + "x")


def test_wrong_parameters_are_refused(ten):
    for parameters, message in [
        ({"rand_corp": 1}, "has no parameter rand_corp. Did you mean rand_crop?"),
        ({"batch_size": 0}, r"batch_size must be a whole number >= 1, got 0"),
        ({"data_shape": (2, 8, 8)}, r"data_shape must be \(channels, height, width\) with 1, 3 or 4 channels"),
        ({"inter_method": 7}, "inter_method must be one of 0, 1, 2, 3, 4, 9, 10, got 7"),
        ({"dtype": "complex64"}, "dtype must be one of"),
        ({"shuffle": "maybe"}, "shuffle must be True or False"),
        ({"num_parts": 2, "part_index": 2}, "part_index must be less than num_parts = 2"),
        ({"min_random_scale": 2}, "min_random_scale = 2.0 must not exceed max_random_scale = 1.0"),
        ({"random_resized_crop": True, "rand_crop": True}, "random_resized_crop excludes rand_crop"),
        ({"aug_seq": "no_such_augmenter"}, "there is no augmenter 'no_such_augmenter'"),
    ]:
        with pytest.raises(mx.MXNetError, match=message):
            make(ten, **parameters)
    with pytest.raises(mx.MXNetError, match=r"\[ImageRecordIter\] needs data_shape"):
        mx.io.ImageRecordIter(path_imgrec=ten, batch_size=1)
    with pytest.raises(mx.MXNetError, match="takes its parameters by name only"):
        mx.io.ImageRecordIter(ten)
    with pytest.raises(mx.error.RecordFileError, match="cannot open the record file: No such file"):
        make(ten + "x")


def test_parameters_as_text(ten):
    iterator = make(ten, data_shape="(3, 8, 8)", batch_size="4", rand_mirror="True", shuffle="0", mean_r="2.5")
    assert iterator.next().data[0].asnumpy()[1, 0, 0, 0] == 17.5


def test_every_parameter_is_in_the_help():
    for cls in (mx.io.ImageRecordIter, mx.io.ImageDetRecordIter):
        for name in cls._table:
            assert f"    {name} (" in cls.__doc__


GRAY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3


@pytest.mark.parametrize(
    ("image", "gray", "color", "alpha"),
    [
        (GRAY, [3], [3, 3, 3], None),
        (np.stack([GRAY, GRAY // 2, 255 - GRAY], -1), [76], [252, 1, 3], None),
        (np.stack([GRAY, GRAY // 2, 255 - GRAY, GRAY], -1), [76], [252, 1, 3], [252, 1, 3, 3]),
        (GRAY.astype(np.uint16) * 257, [3], [3, 3, 3], None),
        (np.stack([GRAY.astype(np.uint16) * 257] * 3, -1), [3], [3, 3, 3], None),
        (np.stack([GRAY.astype(np.uint16) * 257] * 4, -1), [3], [3, 3, 3], [3, 3, 3, 3]),
    ],
)
def test_images_of_any_number_of_channels_and_bits(tmp_path, image, gray, color, alpha):
    path = make_file(tmp_path / "a.rec", [image])
    for channels, expected in ((1, gray), (3, color), (4, alpha)):
        iterator = make(path, data_shape=(channels, 8, 8), batch_size=1)
        if expected is None:
            with pytest.raises(mx.MXNetError, match=r"record 0 at byte 0: Expected 4 channels, got (1|3)"):
                iterator.next()
        else:
            np.testing.assert_array_equal(iterator.next().data[0].asnumpy()[0, :, 0, 1], expected)


def test_an_image_that_cannot_be_decoded_is_named_and_the_next_batch_still_comes(tmp_path):
    bodies = [png(gradient(8, 8))] * 6
    bodies[1] = b"no image"
    path = make_file(tmp_path / "a.rec", bodies)
    iterator = make(path, batch_size=2)
    with pytest.raises(mx.error.RecordFileError, match="record 1 at byte .* holds no image that can be decoded"):
        iterator.next()
    assert iterator.next().index.tolist() == [2, 3]
    assert iterator.next().index.tolist() == [4, 5]


def record_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("mx-record")]


def test_threads_end_with_their_iterator(photos):
    def wait_until_gone():
        deadline = time.monotonic() + 20
        while record_threads() and time.monotonic() < deadline:
            time.sleep(0.01)
        return not record_threads()

    gc.collect()
    assert wait_until_gone()
    for _ in range(20):
        iterator = make(photos, data_shape=(3, 24, 24))
        iterator.next()
        iterator.reset()
        iterator.next()
        assert record_threads()
        del iterator
    assert wait_until_gone()
    iterator = make(photos, data_shape=(3, 24, 24))
    for _ in iterator:
        break
    iterator.close()
    assert not record_threads()


def test_batches_do_not_share_memory(ten):
    found = list(make(ten, batch_size=2))
    labels = [batch.label[0].asnumpy().tolist() for batch in found]
    assert labels == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


def test_resize_iter_and_prefetching_iter_around_it(ten):
    assert len(list(mx.io.ResizeIter(make(ten), 7))) == 7
    assert len(list(mx.io.PrefetchingIter(make(ten)))) == 3


def test_augmenters_of_the_program(photos):
    @register(name="invert_for_test")
    class Invert:
        def __init__(self, top=255):
            self.top = top

        def __call__(self, image):
            return self.top - image

    plain = make(photos, data_shape=(3, 24, 24)).next().data[0].asnumpy()
    sequence = {"aug_seq": "aug_default,invert_for_test", "top": 250}
    found = make(photos, data_shape=(3, 24, 24), **sequence).next().data[0].asnumpy()
    np.testing.assert_array_equal(found, 250 - plain)
    with pytest.raises(mx.MXNetError, match="has no parameter topp. Did you mean top?"):
        make(photos, aug_seq="invert_for_test", topp=3)
    jitter = {"aug_seq": "aug_default,cast,brightnessjitter", "brightness": 0.5}
    first = make(photos, data_shape=(3, 24, 24), preprocess_threads=1, **jitter).next().data[0].asnumpy()
    second = make(photos, data_shape=(3, 24, 24), preprocess_threads=5, **jitter).next().data[0].asnumpy()
    np.testing.assert_array_equal(first, second)


def jpeg_with_orientation(image, orientation):
    """The image as a JPEG whose EXIF says how to turn it."""
    header = mx.recordio.IRHeader(0, 0.0, 0, 0)
    body = mx.recordio.unpack(mx.recordio.pack_img(header, image, 100, ".jpg"))[1]
    tiff = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    segment = b"Exif\0\0" + tiff
    return body[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + body[2:]


def test_exif_turns_jpegs_as_in_mxnet(tmp_path):
    """MXNet applies the EXIF rotation of JPEGs, not that of PNGs."""
    image = np.zeros((16, 24, 3), np.uint8)
    image[:8, :12] = (60, 30, 200)  # red in the upper left corner
    for orientation, (y, x) in ((1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))):
        path = make_file(tmp_path / f"{orientation}.rec", [jpeg_with_orientation(image, orientation)])
        shape = (3, 24, 16) if orientation in (6, 8) else (3, 16, 24)
        found = make(path, data_shape=shape, batch_size=1).next().data[0].asnumpy()[0]
        assert found[0, y, x] > 150
        assert found[0, -1 - y, -1 - x] < 50


def test_a_gluon_loader_as_an_iterator():
    loader = [(mx.nd.ones((2, 3)), mx.nd.zeros((2,))), (mx.nd.ones((1, 3)), mx.nd.ones((1,)))]
    iterator = mx.contrib.io.DataLoaderIter(loader, data_name="x", dtype="float16")
    assert iterator.provide_data == [("x", (2, 3))]
    for _ in range(2):
        batches = list(iterator)
        assert [batch.pad for batch in batches] == [0, 1]
        assert batches[1].data[0].asnumpy().tolist() == [[1, 1, 1], [0, 0, 0]]
        assert batches[1].label[0].asnumpy().tolist() == [1, 0]
        iterator.reset()
    with pytest.raises(mx.MXNetError, match="the loader gives no batch"):
        mx.contrib.io.DataLoaderIter([])
