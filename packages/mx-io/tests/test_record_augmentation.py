"""What ImageRecordIter does to images: the certain changes exactly, the random ones by their distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from record_makers import gradient, make_file
from scipy import stats

import mxnet as mx

N = 600
ALPHA = 1e-4  # seeds are fixed: a failure is a change, not chance


@pytest.fixture(scope="module")
def gradients(tmp_path_factory):
    """Many times the image of 200 x 200 whose red says the column and green the row."""
    return make_file(tmp_path_factory.mktemp("g") / "g.rec", [gradient(200, 200)] * N)


@pytest.fixture(scope="module")
def colors(tmp_path_factory):
    """Many times one color: red 200, green 100, blue 50."""
    image = np.empty((8, 8, 3), np.uint8)
    image[...] = (50, 100, 200)
    return make_file(tmp_path_factory.mktemp("c") / "c.rec", [image] * N)


def images(path, shape, **parameters):
    """The images of one epoch as one array."""
    iterator = mx.io.ImageRecordIter(
        path_imgrec=path, data_shape=shape, batch_size=N, preprocess_threads=2, **parameters
    )
    return iterator.next().data[0].asnumpy()


def color(path, **parameters):
    return images(path, (3, 8, 8), **parameters)[:, :, 4, 4]


def one(tmp_path, image, shape, **parameters):
    path = make_file(tmp_path / "one.rec", [image])
    iterator = mx.io.ImageRecordIter(path_imgrec=path, data_shape=shape, batch_size=1, **parameters)
    return iterator.next().data[0].asnumpy()[0]


def is_uniform(values, low, high, whole=False):
    """Whether these could come from the uniform distribution on [low, high] (or its whole numbers)."""
    assert low - 1e-6 <= values.min()
    assert values.max() <= high + 1e-6
    if whole:
        counts = np.bincount((values - low).astype(int), minlength=int(high - low) + 1)
        return stats.chisquare(counts).pvalue > ALPHA
    return stats.kstest(values, "uniform", (low, high - low)).pvalue > ALPHA


def windows(path, **parameters):
    """(left, top, width, height) of what each image shows of the 200 x 200 one, by its colors."""
    found = images(path, (3, 200, 200), inter_method=0, **parameters)
    left, right = found[:, 0, 0, 0], found[:, 0, 0, -1]
    top, bottom = found[:, 1, 0, 0], found[:, 1, -1, 0]
    return left, top, right - left + 1, bottom - top + 1


# ---- certain changes ---------------------------------------------------------------------------------------------------


def test_cropping_the_middle(tmp_path):
    found = one(tmp_path, gradient(30, 51), (3, 10, 20))
    np.testing.assert_array_equal(found[0, 0], np.arange(15, 35))
    np.testing.assert_array_equal(found[1, :, 0], np.arange(10, 20))


@pytest.mark.parametrize(("height", "width"), [(40, 61), (61, 40), (50, 50)])
def test_resizing_the_shorter_edge(tmp_path, height, width):
    short, long = 20, 20 * max(height, width) // min(height, width)
    shape = (3, long, short) if height > width else (3, short, long)
    found = one(tmp_path, gradient(height, width), shape, resize=20)
    assert found[0, 0, -1] > width - 4
    assert found[1, -1, 0] > height - 4


def test_small_images_are_enlarged(tmp_path):
    found = one(tmp_path, gradient(10, 30), (3, 40, 40), inter_method=0)
    assert (found[1, 0, 0], found[1, -1, 0]) == (0, 9)
    assert found[0, 0, -1] - found[0, 0, 0] == 9  # 40 of 120 columns, which were 30


def test_padding_and_mirroring(tmp_path):
    found = one(tmp_path, gradient(10, 12), (3, 14, 16), pad=2, fill_value=9, mirror=True)
    np.testing.assert_array_equal(found[:, 0], np.full((3, 16), 9))
    np.testing.assert_array_equal(found[0, 7], [9, 9, *range(11, -1, -1), 9, 9])


def test_rotating_by_a_quarter_turn(tmp_path):
    found = one(tmp_path, gradient(21, 21), (3, 21, 21), rotate=90, fill_value=0)
    middle = slice(2, 19)
    np.testing.assert_allclose(found[0, middle, 10], np.arange(21)[::-1][middle], atol=1.1)
    np.testing.assert_allclose(found[1, 10, middle], np.arange(21)[middle], atol=1.1)


def test_a_crop_size_that_is_certain(tmp_path):
    found = one(tmp_path, gradient(50, 60), (3, 10, 10), max_crop_size=20, min_crop_size=20, inter_method=0)
    np.testing.assert_array_equal(found[0, 0], np.arange(20, 40, 2))
    np.testing.assert_array_equal(found[1, :, 0], np.arange(15, 35, 2))


def test_an_image_smaller_than_the_crop_is_named(tmp_path):
    with pytest.raises(mx.MXNetError, match="record 0 at byte 0: .* an image of 10 x 10 is smaller than max_crop_size"):
        one(tmp_path, gradient(10, 10), (3, 8, 8), max_crop_size=20, min_crop_size=20)


@pytest.mark.parametrize(("bound", "size"), [({"min_img_size": 80}, 80), ({"max_img_size": 20}, 20)])
def test_bounds_of_the_size(tmp_path, bound, size):
    found = one(tmp_path, np.full((40, 40, 3), 50, np.uint8), (3, size, size), fill_value=0, **bound)
    inside = (found[0] == 50).sum()
    assert inside == min(size, 40) ** 2


def test_area_crops_that_never_fit_are_plain_crops(tmp_path):
    found = one(
        tmp_path, gradient(20, 60), (3, 10, 10), random_resized_crop=True, min_aspect_ratio=0.1, max_aspect_ratio=0.1
    )
    np.testing.assert_array_equal(found[0, 0], np.arange(25, 35))


# ---- places and shapes -------------------------------------------------------------------------------------------------


def test_random_crops(gradients):
    found = images(gradients, (3, 150, 100), rand_crop=True)
    assert is_uniform(found[:, 0, 0, 0], 0, 100, whole=True)
    assert is_uniform(found[:, 1, 0, 0], 0, 50, whole=True)
    assert abs(stats.pearsonr(found[:, 0, 0, 0], found[:, 1, 0, 0]).statistic) < 0.15


def test_random_mirrors(gradients):
    flipped = images(gradients, (3, 8, 8), rand_mirror=True)[:, 0, 0, 0] > 99
    assert stats.binomtest(int(flipped.sum()), N, 0.5).pvalue > ALPHA
    assert (images(gradients, (3, 8, 8), mirror=True, rand_mirror=True)[:, 0, 0, 0] > 99).sum() == N - flipped.sum()


def test_crop_sizes(gradients):
    found = images(gradients, (3, 100, 100), min_crop_size=120, max_crop_size=150, rand_crop=True, inter_method=0)
    edge = found[:, 0, 0, -1] - found[:, 0, 0, 0]
    assert edge.min() >= 118
    assert edge.max() <= 150
    assert stats.kstest(edge + np.random.RandomState(0).rand(N), "uniform", (118.5, 31)).pvalue > ALPHA


def test_area_crops(gradients):
    left, top, width, height = windows(
        gradients,
        random_resized_crop=True,
        min_random_area=0.1,
        max_random_area=0.4,
        min_aspect_ratio=0.7,
        max_aspect_ratio=1.4,
    )
    assert is_uniform(np.clip(width * height / 200**2, 0.1, 0.4), 0.1, 0.4)
    assert is_uniform(np.clip(width / height, 0.7, 1.4), 0.7, 1.4)
    assert is_uniform(np.clip((left + 0.5) / (201 - width), 0, 1), 0, 1)
    assert is_uniform(np.clip((top + 0.5) / (201 - height), 0, 1), 0, 1)


def test_aspect_ratios_around_one(gradients):
    _, _, width, height = windows(
        gradients, random_resized_crop=True, min_random_area=0.2, max_random_area=0.2, max_aspect_ratio=0.5
    )
    assert is_uniform(np.clip(width / height, 0.5, 1.5), 0.5, 1.5)


def jacobian(found):
    """d (red, green) / d (column, row) of each image, by least squares: the affine map back to the original."""
    y, x = np.mgrid[: found.shape[2], : found.shape[3]]
    design = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], axis=1)
    fitted = np.linalg.pinv(design)[:2] @ found[:, :2].reshape(len(found) * 2, -1).T
    return fitted.T.reshape(len(found), 2, 2)


def test_angles(gradients):
    back = jacobian(images(gradients, (3, 60, 60), max_rotate_angle=30))
    angle = np.degrees(np.arctan2(back[:, 1, 0], back[:, 0, 0]))
    assert is_uniform(np.clip(np.rint(angle), -30, 30), -30, 30, whole=True)
    np.testing.assert_allclose(np.linalg.det(back), 1, atol=0.02)


def test_scales(gradients):
    back = jacobian(images(gradients, (3, 60, 60), min_random_scale=0.5, max_random_scale=1.5))
    assert is_uniform(np.clip(1 / back[:, 0, 0], 0.5, 1.5), 0.5, 1.5)
    np.testing.assert_allclose(back[:, 0, 0], back[:, 1, 1], atol=0.02)


def test_aspect_ratios(gradients):
    back = jacobian(images(gradients, (3, 60, 60), max_aspect_ratio=0.4))
    assert is_uniform(np.clip(back[:, 0, 0] / back[:, 1, 1], 0.6, 1.4), 0.6, 1.4)
    back = jacobian(images(gradients, (3, 60, 60), max_aspect_ratio=1.5, min_aspect_ratio=1.2))
    assert is_uniform(np.clip(back[:, 0, 0] / back[:, 1, 1], 1.2, 1.5), 1.2, 1.5)


def test_shears(gradients):
    back = jacobian(images(gradients, (3, 60, 60), max_shear_ratio=0.5))
    assert is_uniform(np.clip(-back[:, 0, 1], -0.5, 0.5), -0.5, 0.5)


def test_random_interpolation(gradients):
    found = images(gradients, (3, 20, 20), resize=50, inter_method=10)
    assert len(np.unique(found[:, 0, 3, 7])) >= 3


# ---- colors ------------------------------------------------------------------------------------------------------------

GRAY = 0.299 * 50 + 0.587 * 100 + 0.114 * 200  # MXNet weighs blue as red


def test_brightness(colors):
    found = color(colors, brightness=0.2)
    assert is_uniform(np.clip(found[:, 0] / 200, 0.8, 1.2), 0.8, 1.2)
    np.testing.assert_allclose(found[:, 1], found[:, 0] / 2, atol=1)


@pytest.mark.parametrize("name", ["contrast", "saturation"])
def test_contrast_and_saturation(colors, name):
    found = color(colors, **{name: 0.4})
    factor = (found[:, 0] - GRAY) / (200 - GRAY)
    assert is_uniform(np.clip(factor, 0.6, 1.4), 0.6, 1.4)
    np.testing.assert_allclose(found[:, 2], GRAY + factor * (50 - GRAY), atol=1.5)


def test_all_three_in_random_order(colors):
    found = color(colors, brightness=0.2, contrast=0.2, saturation=0.2)
    assert len(np.unique(found, axis=0)) > N // 2


def test_hue(colors):
    found = color(colors, hue=0.25)
    luma = found @ [0.299, 0.587, 0.114]
    assert abs(np.median(luma) - (0.299 * 200 + 0.587 * 100 + 0.114 * 50)) < 2
    assert found[:, 1].std() > 10


def bent_quantile(share):
    """The distribution function of (u + 4 v) / 5, u and v uniform on [0, 1]."""
    share = np.clip(share, 0, 1)
    low, high = 0.2, 0.8
    inner = (share - low / 2) / high
    return np.where(
        share < low, share**2 / (2 * low * high), np.where(share > high, 1 - (1 - share) ** 2 / (2 * low * high), inner)
    )


@pytest.mark.parametrize(("name", "largest"), [("random_l", 30), ("random_s", 30)])
def test_shifts_in_hls(colors, name, largest):
    found = color(colors, **{name: largest})
    top, bottom = found.max(axis=1), found.min(axis=1)
    saturation = 255 * (top - bottom) / (top + bottom)  # of HLS, where lightness is below the middle
    shift = (top + bottom) / 2 - 125 if name == "random_l" else saturation - 153
    share = (np.clip(shift, -largest, largest) + largest) / (2 * largest)
    jitter = (np.random.RandomState(0).rand(N) - 0.5) / largest
    assert stats.kstest(share + jitter, bent_quantile).statistic < 0.1


def test_hue_of_hls(colors):
    found = color(colors, random_h=20)
    assert (found[:, 0] == 200).mean() > 0.4  # red stays the largest for hues below 60 degrees
    assert found[:, 1].min() < 70
    assert found[:, 1].max() > 150


def test_noise_along_principal_colors(colors):
    found = color(colors, pca_noise=0.1) + 0.5 - [200, 100, 50]  # values are cut, not rounded
    components = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
    expected = 0.1 * np.linalg.norm(components * [55.46, 4.794, 1.148], axis=1)
    np.testing.assert_allclose(found.std(axis=0), expected, rtol=0.12)
    assert np.corrcoef(found.T).min() > 0.9
    assert abs(found[:, 0].mean()) < 4 * expected[0] / math.sqrt(N)


def test_contrast_and_illumination_of_the_normalized_image(colors):
    common = {f"{name}_{c}": value for name, value in (("mean", 10), ("std", 2)) for c in "rgb"}
    found = color(colors, max_random_illumination=20, scale=0.5, **common)
    assert is_uniform(found[:, 0] - 47.5, -5, 5)
    np.testing.assert_allclose(found[:, 0] - found[:, 2], 37.5, atol=1e-4)
    found = color(colors, max_random_contrast=0.3, scale=0.5, **common)
    assert is_uniform(found[:, 0] / 47.5, 0.7, 1.3)


@pytest.mark.parametrize("sizes", [(60, 75), (61, 83), (375, 500), (90, 50)])
def test_scaling_only_the_window_that_is_kept_changes_nothing_that_shows(tmp_path, sizes):
    rng = np.random.RandomState(0)
    coarse = rng.randint(0, 255, (sizes[0] // 12 + 1, sizes[1] // 12 + 1, 3))
    smooth = np.kron(coarse, np.ones((12, 12, 1)))[: sizes[0], : sizes[1]].astype("uint8")
    path = make_file(tmp_path / "a.rec", [smooth] * 20)
    found = []
    for windowed in (True, False):
        iterator = mx.io.ImageRecordIter(
            path_imgrec=path, data_shape=(3, 24, 30), batch_size=20, resize=44, rand_crop=True, seed=3
        )
        iterator._worker._augmenters[0]._windowed = windowed
        found.append(iterator.next().data[0].asnumpy())
    assert len({tuple(image[:, 0, 0]) for image in found[0]}) > 3
    assert np.abs(found[0] - found[1]).mean() < 1
