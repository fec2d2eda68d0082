"""ImageDetRecordIter: labels with boxes, and changes of image and boxes together."""

from __future__ import annotations

import numpy as np
import pytest
from record_makers import gradient, make_file
from scipy import stats

import mxnet as mx

N = 400
LABELS = [
    [2, 5, 1, 0.1, 0.2, 0.5, 0.6],
    [2, 5, 0, 0.25, 0.25, 0.5, 0.5, 2, 0.6, 0.1, 0.9, 0.4],
    [4, 6, 9, 8, 3, 0.3, 0.3, 0.7, 0.8, 0.5],
]


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    images = [gradient(100, 200), gradient(200, 100), gradient(120, 120)]
    return make_file(tmp_path_factory.mktemp("three") / "d.rec", images, LABELS)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    label = [2, 5, 1, 0.4, 0.45, 0.6, 0.55, 2, 0.1, 0.1, 0.3, 0.3]
    return make_file(tmp_path_factory.mktemp("many") / "d.rec", [gradient(200, 200)] * N, [label] * N)


def make(path, shape=(3, 60, 80), batch_size=3, **parameters):
    return mx.io.ImageDetRecordIter(path_imgrec=path, data_shape=shape, batch_size=batch_size, **parameters)


def first(path, shape=(3, 60, 80), batch_size=3, **parameters):
    batch = make(path, shape, batch_size, **parameters).next()
    return batch.data[0].asnumpy(), batch.label[0].asnumpy()


def test_the_layout_of_labels(three):
    iterator = make(three)
    assert iterator.provide_label == [("softmax_label", (3, 16))]
    _, label = first(three)
    for row, given in zip(label, LABELS, strict=True):
        np.testing.assert_allclose(row, [3, 60, 80, len(given), *given, *[-1] * (12 - len(given))])
    _, label = first(three, label_pad_width=20, label_pad_value=-7)
    assert label.shape == (3, 24)
    assert set(label[0, 11:]) == {-7}


def test_wrong_labels_and_parameters(three, tmp_path):
    for parameters, message in [
        ({"label_pad_width": 8}, "record 1 at byte .* its label has 12 values, label_pad_width is 8"),
        ({"label_width": 12}, "record 0 at byte 0 holds 7 labels, label_width is 12"),
        ({"rand_crop_pro": 1}, "has no parameter rand_crop_pro. Did you mean rand_crop_prob?"),
        ({"rand_crop_prob": 2}, "rand_crop_prob must be a number from 0 to 1, got 2"),
        ({"min_crop_scales": (0.1, 0.2, 0.3)}, "min_crop_scales must have num_crop_sampler = 1 values or one"),
        (
            {"min_crop_scales": 0.8, "max_crop_scales": 0.5},
            "min_crop_scales = 0.8 must not exceed max_crop_scales = 0.5",
        ),
        ({"resize_mode": "stretch"}, "resize_mode must be one of fit, force, shrink"),
        ({"aug_seq": "aug_default"}, "aug_seq must be det_aug_default"),
    ]:
        with pytest.raises(mx.MXNetError, match=message):
            first(three, **parameters)
    for n, label in enumerate(([1.0, 2, 3], [2.0, 4, 1, 0, 0, 1], [2.0, 5, 1, 0, 0, 1, 1, 9])):
        path = make_file(tmp_path / f"{n}.rec", [gradient(8, 8)], [label])
        with pytest.raises(mx.error.RecordFileError, match="record 0 at byte 0: a detection label must be"):
            first(path, batch_size=1)


@pytest.mark.parametrize(
    ("mode", "shape", "sizes"),
    [
        ("force", (3, 60, 80), [(60, 80)] * 3),
        ("fit", (3, 60, 80), [(40, 80), (60, 30), (60, 60)]),
        ("shrink", (3, 60, 80), [(40, 80), (60, 30), (60, 60)]),
        ("fit", (3, 300, 300), [(150, 300), (300, 150), (300, 300)]),
        ("shrink", (3, 300, 300), [(100, 200), (200, 100), (120, 120)]),
    ],
)
def test_how_images_are_sized(three, mode, shape, sizes):
    data, label = first(three, shape, resize_mode=mode, mean_b=1)
    for image, row, (height, width) in zip(data, label, sizes, strict=True):
        assert row[:3].tolist() == [3, height, width]
        assert (image[2, :height, :width] == 76).all()
        assert not image[:, height:].any()
        assert not image[:, :, width:].any()


def test_mirroring(three):
    plain, _ = first(three)
    data, label = first(three, rand_mirror_prob=1)
    np.testing.assert_allclose(data, plain[..., ::-1])
    np.testing.assert_allclose(label[1, 6:16], [0, 0.5, 0.25, 0.75, 0.5, 2, 0.1, 0.1, 0.4, 0.4], rtol=1e-6)


def box_of_pixels(image, box):
    """Where the box (left, top, right, bottom of the original) is now, by the colors; only of what is visible."""
    inside = image[2] == 77
    x, y = image[0] / 200, image[1] / 200
    inside &= (x >= box[0] - 1e-3) & (x < box[2] - 1e-3) & (y >= box[1] - 1e-3) & (y < box[3] - 1e-3)
    rows, columns = np.nonzero(inside)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / 200


def test_padding_moves_boxes_with_the_pixels(many):
    data, label = first(many, (3, 200, 200), N, rand_pad_prob=1, max_pad_scale=3, inter_method=0)
    scale = 0.2 / (label[:, 9] - label[:, 7])
    assert stats.kstest(scale, "uniform", (1, 2)).pvalue > 1e-4
    for image, row in zip(data[:40], label, strict=False):
        np.testing.assert_allclose(box_of_pixels(image, (0.4, 0.45, 0.6, 0.55)), row[7:11], atol=0.03)
    share = (first(many, (3, 200, 200), N, rand_pad_prob=0.3, max_pad_scale=3)[1][:, 9:10] > 0).mean()
    assert share == 1
    assert (data[:, 2, 0, 0] == 127).mean() > 0.9


@pytest.mark.parametrize("mode", ["center", "overlap"])
def test_cropping_keeps_the_right_objects(many, mode):
    crops = {"rand_crop_prob": 1, "min_crop_scales": 0.3, "max_crop_scales": 0.9, "min_crop_aspect_ratios": 0.5}
    crops |= {"max_crop_aspect_ratios": 2, "max_crop_trials": 50, "min_crop_object_coverages": 0.2}
    data, label = first(many, (3, 200, 200), N, inter_method=0, crop_emit_mode=mode, emit_overlap_thresh=0.4, **crops)
    originals = {1: (0.4, 0.45, 0.6, 0.55), 2: (0.1, 0.1, 0.3, 0.3)}
    n_objects = []
    for image, row in zip(data, label, strict=True):
        left, top = image[0, 0, 0] / 200, image[1, 0, 0] / 200
        right, bottom = (image[0, 0, -1] + 1) / 200, (image[1, -1, 0] + 1) / 200
        found = {int(o[0]): o[1:5] for o in row[6 : 4 + int(row[3])].reshape(-1, 5)}
        n_objects.append(len(found))
        for kind, (x0, y0, x1, y1) in originals.items():
            inside = max(0, min(right, x1) - max(left, x0)) * max(0, min(bottom, y1) - max(top, y0))
            share = inside / ((x1 - x0) * (y1 - y0))
            within = min((x0 + x1) / 2 - left, right - (x0 + x1) / 2, (y0 + y1) / 2 - top, bottom - (y0 + y1) / 2)
            clear, kept = (within, within > 0) if mode == "center" else (share - 0.4, share >= 0.4)
            if abs(clear) > 0.02:  # pixels do not say it more exactly
                assert (kind in found) == kept
            if kind in found:
                np.testing.assert_allclose(box_of_pixels(image, originals[kind]), found[kind], atol=0.04)
    assert set(n_objects) == {1, 2}


def test_the_shapes_of_crops(many):
    crops = {"rand_crop_prob": 1, "min_crop_scales": 0.6, "max_crop_scales": 0.9, "max_crop_trials": 200}
    data, _ = first(many, (3, 200, 200), N, inter_method=0, **crops)
    width = data[:, 0, 0, -1] - data[:, 0, 0, 0] + 1
    height = data[:, 1, -1, 0] - data[:, 1, 0, 0] + 1
    assert width.min() >= 118
    assert width.max() <= 181
    assert abs(width - height).max() <= 2


def test_several_kinds_of_crops(many):
    crops = {"rand_crop_prob": 1, "num_crop_sampler": 2, "min_crop_scales": (0.5, 0.8), "max_crop_scales": (0.5, 0.8)}
    data, _ = first(many, (3, 200, 200), N, inter_method=0, max_crop_trials=(50, 100), **crops)
    width = data[:, 0, 0, -1] - data[:, 0, 0, 0] + 1
    assert (width < 110).sum() + (abs(width - 160) < 4).sum() == N
    assert stats.binomtest(int((width < 110).sum()), N, 0.5).pvalue > 1e-4


def test_colors(many):
    blue = first(many, (3, 20, 20), N, max_random_contrast=0.5, random_contrast_prob=1)[0][:, 2, 5, 5] / 77
    assert stats.kstest(np.clip(blue, 0.5, 1.5), "uniform", (0.5, 1)).pvalue > 1e-4
    blue = first(many, (3, 20, 20), N, max_random_illumination=20, random_illumination_prob=0.5)[0][:, 2, 5, 5] - 77
    assert 0.4 < (blue == 0).mean() < 0.65


def test_state_seed_and_threads(many):
    parameters = {
        "shape": (3, 32, 32),
        "batch_size": 16,
        "rand_crop_prob": 0.7,
        "rand_mirror_prob": 0.5,
        "shuffle": True,
    }

    def run(n, iterator):
        batches = [iterator.next() for _ in range(n)]
        return [(b.data[0].asnumpy(), b.label[0].asnumpy()) for b in batches]

    expected = run(5, make(many, **parameters, preprocess_threads=1))
    iterator = make(many, **parameters, preprocess_threads=4)
    run(2, iterator)
    other = make(many, **parameters)
    other.load_state_dict(iterator.state_dict())
    for found in (run(3, iterator), run(3, other)):
        for (a, b), (c, d) in zip(found, expected[2:], strict=True):
            np.testing.assert_array_equal(a, c)
            np.testing.assert_array_equal(b, d)


def test_labels_from_a_list(three, tmp_path):
    path = tmp_path / "l.lst"
    labels = ["\t".join(map(str, label)) for label in LABELS]
    path.write_text("".join(f"{n}\t{label}\tx.jpg\n" for n, label in enumerate(labels)))
    np.testing.assert_array_equal(first(three, path_imglist=str(path))[1], first(three)[1])
