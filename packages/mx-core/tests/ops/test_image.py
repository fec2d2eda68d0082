"""Rows of the operators on images: tensors, crops, flips, colors, sizes."""

from __future__ import annotations

import colorsys
import itertools
import math

import numpy as np
import pytest

import mxnet as mx
from mx_core.testing import INTEGERS, OpCase, check_op, empty, fixed, integers, normal, op_cases, uniform

ALL = ("float32", "float64", "float16", *INTEGERS)
IMAGE, BATCH = uniform(0, 255, (5, 7, 3)), uniform(0, 255, (2, 4, 3, 3))
PIXELS = integers(0, 100, (4, 5, 3))
GRAY = np.array([0.299, 0.587, 0.114])
COMPONENTS = (
    np.array([55.46, 4.794, 1.148])[:, None]
    * np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]).T
)


def to_tensor(data):
    return np.moveaxis(data, -1, -3).astype("float32") / np.float32(255)


def normalize(data, mean=0.0, std=1.0):
    mean, std = (np.reshape(np.broadcast_to(v, data.shape[-3]), (-1, 1, 1)) for v in (mean, std))
    return (data - mean) / std


def crop(data, x, y, width, height):
    return data[..., y : y + height, x : x + width, :]


def hue(data, turn):
    y = np.empty_like(data)
    for place in np.ndindex(data.shape[:-1]):
        h, light, s = colorsys.rgb_to_hls(*data[place] / 255)
        y[place] = np.array(colorsys.hls_to_rgb((h + turn) % 1, light, s)) * 255
    return y


def contrast(data, alpha):
    mean = (data @ GRAY).mean(axis=(-2, -1), keepdims=True)[..., None]
    return alpha * data + (1 - alpha) * mean


def saturation(data, alpha):
    return alpha * data + (1 - alpha) * (data @ GRAY)[..., None]


def exactly(change):
    """The oracle of a random change whose factors leave no choice."""
    return lambda data, min_factor, max_factor: change(data.astype("float64"), min_factor)


def taps(size, new, i, interp):
    """[(pixel, weight)] of the new pixel i of an axis."""
    scale = size / new
    place = (i + 0.5) * scale - 0.5
    if interp == 0:
        return [(min(int(math.floor(i * scale + 1e-9)), size - 1), 1.0)]
    if interp == 1:
        place = min(max(place, 0), size - 1)
        first = min(int(place), size - 1)
        return [(first, 1 - (place - first)), (min(first + 1, size - 1), place - first)]
    if interp == 3:
        overlaps = [(j, min((i + 1) * scale, j + 1) - max(i * scale, j)) for j in range(size)]
        return [(j, overlap / scale) for j, overlap in overlaps if overlap > 0]

    def weight(d):
        if interp == 4:
            return float(np.sinc(d) * np.sinc(d / 4)) if d < 4 else 0.0
        a = -0.75
        near, far = (a + 2) * d**3 - (a + 3) * d**2 + 1, a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
        return near if d <= 1 else far if d < 2 else 0.0

    reach = range(math.floor(place) - 4, math.floor(place) + 6)
    found = [(min(max(j, 0), size - 1), weight(abs(place - j))) for j in reach]
    total = sum(w for _, w in found) if interp == 4 else 1.0
    return [(j, w / total) for j, w in found]


def resize(data, size, keep_ratio=False, interp=1):
    h, w = data.shape[-3:-1]
    width, height = size if isinstance(size, tuple) else (size, size)
    if keep_ratio and not isinstance(size, tuple):
        width, height = (size, h * size // w) if h > w else (w * size // h, size)
    y = np.zeros((*data.shape[:-3], height, width, data.shape[-1]))
    for a, b in itertools.product(range(height), range(width)):
        for (i, p), (j, q) in itertools.product(taps(h, height, a, interp), taps(w, width, b, interp)):
            y[..., a, b, :] += p * q * data[..., i, j, :]
    return y


def is_resized_and_rounded(outputs, inputs, params):
    exact = np.clip(resize(inputs[0], **params), 0, 255)
    assert outputs[0].shape == exact.shape
    assert np.abs(outputs[0] - exact).max() <= 0.5 + 1e-4


def is_one_of(*changes):
    def check(outputs, inputs, params):
        assert any(np.array_equal(outputs[0], change(inputs[0])) for change in changes)

    return check


def is_a_part(outputs, inputs, params):
    (got,), (data,) = outputs, inputs
    places = itertools.product(range(data.shape[-3]), range(data.shape[-2]))
    parts = (crop(data, x, y, **params) for y, x in places)
    assert any(np.array_equal(got, part) for part in parts)


def is_lit(outputs, inputs, params):
    """All pixels are moved by one color, a mixture of the components."""
    moved = (outputs[0] - inputs[0]).astype("float64").reshape(-1, 3)
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0], moved.shape), atol=1e-3 * params["alpha_std"] + 1e-3)
    assert np.abs(np.linalg.solve(COMPONENTS.T, moved[0])).max() < 6 * params["alpha_std"] + 1e-3


def same(data, **params):
    return data


def flips(axis):
    return lambda data: np.flip(data, axis)


def is_within(outputs, inputs, params):
    (got,), (data,) = outputs, inputs
    assert got.shape == (*data.shape[:-3], params["height"], params["width"], data.shape[-1])
    slack = 0.01 * max(1, abs(float(data.max())))
    assert got.min() >= data.min() - slack
    assert got.max() <= data.max() + slack


ONES = {"min_factor": 1.0, "max_factor": 1.0}
HALF = {"min_factor": 0.5, "max_factor": 0.5}
RANGE = {"min_factor": 0.5, "max_factor": 1.5}
BAD_FACTOR = ({"min_factor": -1.0, "max_factor": 1.0}, "min_factor must be >= 0")
BAD_RANK = ((normal((4, 5)),), {}, "an image (h, w, c) or a batch (n, h, w, c), got (4, 5)")
TOL = {"tol": {"float16": 2e-2, "float32": 1e-4}}


def four_channels(params):
    return (normal((4, 5, 4)),), params, "must have 1 or 3 channels"


CASES = [
    OpCase("_image_to_tensor", to_tensor, [IMAGE, BATCH, uniform(0, 255, (3, 4, 1)), empty((0, 4, 3)), empty((2, 0, 4, 1))], dtypes=("float32", "float64", "uint8", "int32"), gradient=False,
           errors=[BAD_RANK]),
    OpCase("_image_normalize", normalize, [normal((3, 4, 5)), normal((2, 3, 4, 5)), empty((3, 0, 2))], [{"mean": (1.0, 2.0, 3.0), "std": (2.0, 3.0, 4.0)}, {"mean": 0.5, "std": 2.0}, {}],
           tol={"float16": 1e-2}, errors=[
        ((normal((2, 4, 5)),), {}, "must have 1 or 3 channels"), ((normal((4, 5)),), {}, "must be (c, h, w) or (n, c, h, w)"), ({"std": 0.0}, "std must not be 0"),
        ({"mean": (1.0, 2.0)}, "mean must have 1 or 3 numbers"), ((integers(0, 5, (3, 4, 5)),), {}, "floating element type") ][:4]),
    OpCase("_image_crop", crop, [IMAGE, uniform(0, 9, (2, 5, 6, 1))], [{"x": 1, "y": 2, "width": 3, "height": 2}, {"x": 0, "y": 0, "width": 6, "height": 5}], dtypes=ALL, errors=[
        ({"x": 5, "y": 0, "width": 3, "height": 2}, "must lie inside of the image of width 7 and height 5"), ({"x": -1, "y": 0, "width": 3, "height": 2}, "must lie inside"),
        ({"x": 0, "y": 0, "width": 0, "height": 2}, "above 0 and at most the image's 7 and 5")]),
    OpCase("_image_random_crop", check=is_a_part, inputs=[IMAGE, BATCH], params=[{"width": 3, "height": 2}, {"width": 1, "height": 4}, {"width": 3, "height": 4}], dtypes=ALL, gradient=False,
           errors=[({"width": 8, "height": 2}, "at most the image's 7 and 5")]),
    OpCase("_image_random_resized_crop", check=is_within, inputs=[IMAGE, BATCH], params=[{"width": 3, "height": 2}, {"width": 9, "height": 11, "area": (0.5, 0.5)}], dtypes=ALL, gradient=False, errors=[
        ({"width": 0, "height": 2}, "width must be > 0"), ({"width": 3, "height": 2, "area": (0.5, 0.1)}, "area and ratio must be (least, most)"), ({"width": 3, "height": 2, "ratio": (1.0,)}, "must be (least, most)"),
        ((empty((0, 3, 3)),), {"width": 3, "height": 2}, "data must have pixels"), ({"width": 2**30, "height": 2}, "less than 2**24")]),
    OpCase("_image_flip_left_right", flips(-2), [IMAGE, BATCH, empty((0, 3, 3))], dtypes=ALL, errors=[BAD_RANK]),
    OpCase("_image_flip_top_bottom", flips(-3), [IMAGE, BATCH, empty((2, 0, 3))], dtypes=ALL, errors=[BAD_RANK]),
    OpCase("_image_random_flip_left_right", check=is_one_of(same, flips(-2)), inputs=[IMAGE, BATCH], dtypes=ALL, gradient=False, errors=[BAD_RANK]),
    OpCase("_image_random_flip_top_bottom", check=is_one_of(same, flips(-3)), inputs=[IMAGE, BATCH], dtypes=ALL, gradient=False, errors=[BAD_RANK]),
    OpCase("_image_random_brightness", exactly(lambda x, a: x * a), [IMAGE, BATCH, uniform(0, 9, (2, 3, 1))], [HALF, ONES], errors=[BAD_FACTOR, four_channels(HALF)], **TOL),
    OpCase("_image_random_brightness", exactly(lambda x, a: np.minimum(x * a, 255)), [PIXELS, fixed(np.full((2, 2, 3), 200))], [{"min_factor": 1.5, "max_factor": 1.5}], dtypes=("uint8",),
           gradient=False, id="random_brightness-uint8"),
    OpCase("_image_random_contrast", exactly(contrast), [IMAGE, BATCH], [HALF, ONES], errors=[BAD_FACTOR, four_channels(HALF)], **TOL),
    OpCase("_image_random_saturation", exactly(saturation), [IMAGE, BATCH], [HALF, ONES], errors=[BAD_FACTOR, four_channels(HALF)], **TOL),
    OpCase("_image_random_hue", exactly(hue), [IMAGE, BATCH, fixed(np.array([[[9.0, 9, 9], [0, 0, 0], [200, 0, 0], [0, 200, 0], [0, 0, 200], [7, 7, 1]]]))],
           [{"min_factor": a, "max_factor": a} for a in (0.0, 0.1, 0.5, 0.9, 1.0, 1.3)], dtypes=("float32", "float64"), errors=[BAD_FACTOR, four_channels(HALF)], tol={"float32": 1e-3}, gradient=False),
    OpCase("_image_random_color_jitter", same, [IMAGE, BATCH, uniform(0, 9, (2, 3, 1))], [{"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}], **TOL,
           errors=[({"brightness": -0.1, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}, "brightness must be >= 0")]),
    OpCase("_image_adjust_lighting", lambda data, alpha: data + (np.array(alpha) @ COMPONENTS), [IMAGE, BATCH], [{"alpha": (0.1, 0.2, 0.3)}, {"alpha": (-1.0, 0.5, 0.0)}], **TOL,
           errors=[({"alpha": (1.0, 2.0)}, "alpha must be 3 numbers"), four_channels({"alpha": (0.0, 0.0, 0.0)})]),
    OpCase("_image_random_lighting", check=is_lit, inputs=[IMAGE, BATCH], params=[{"alpha_std": 0.1}, {"alpha_std": 0.0}], dtypes=("float32", "float64"), gradient=False),
    *(OpCase("_image_resize", resize, [uniform(0, 255, (5, 7, 3)), uniform(0, 255, (2, 3, 4, 1))], [{"size": size, "interp": interp} for size in ((4, 3), (1, 1), *(((9, 11), (3, 8)) if interp != 3 else ()))],
             tol={"float16": 1e-2, "float32": 1e-4, "float64": 1e-8}, id=f"resize-{interp}") for interp in range(5)),
    OpCase("_image_resize", check=is_resized_and_rounded, inputs=[PIXELS], params=[{"size": (3, 7), "interp": 2}, {"size": 3, "keep_ratio": True}, {"size": 9, "keep_ratio": True}, {"size": 3}], dtypes=("uint8", "int32"), gradient=False,
           id="resize-integers", errors=[
        ({"size": ()}, "size must be (edge,) or (width, height)"), ({"size": (1, 2, 3)}, "size must be (edge,)"), ({"size": 0}, "above 0"), ({"size": 2**30}, "less than 2**24"),
        ({"size": 2, "interp": 9}, "interp must be 0 (nearest)"), ((empty((0, 2, 3)),), {"size": 2}, "data must have pixels")]),
]  # fmt: skip


@op_cases(CASES)
def test_operator(case, ctx):
    check_op(case, ctx)


def factors(name, count=400, **params):
    """How much brighter a random change makes an image, and so on: one number of each of many draws."""
    operator = getattr(mx.nd.image, name)
    image = mx.nd.array([[[100.0, 50.0, 20.0], [10.0, 60.0, 30.0]]])
    return image.asnumpy(), [operator(image, **params).asnumpy() for _ in range(count)]


def assert_spread(values, low, high):
    """The values look evenly spread over [low, high)."""
    from scipy import stats

    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-4


def test_factors_are_spread_evenly():
    mx.random.seed(7)
    image, drawn = factors("random_brightness", **RANGE)
    assert_spread([out[0, 0, 0] / image[0, 0, 0] for out in drawn], 0.5, 1.5)
    image, drawn = factors("random_contrast", **RANGE)
    assert_spread([(out[0, 0, 0] - out[0, 1, 0]) / (image[0, 0, 0] - image[0, 1, 0]) for out in drawn], 0.5, 1.5)
    image, drawn = factors("random_saturation", **RANGE)
    assert_spread([(out[0, 0, 0] - out[0, 0, 1]) / (image[0, 0, 0] - image[0, 0, 1]) for out in drawn], 0.5, 1.5)
    _, drawn = factors("random_hue", min_factor=0.9, max_factor=1.1)
    hues = [colorsys.rgb_to_hls(*(out[0, 0] / 255))[0] for out in drawn]
    start = colorsys.rgb_to_hls(*(image[0, 0] / 255))[0]
    assert_spread([(h - start + 0.5) % 1 - 0.5 for h in hues], -0.1, 0.1)
    image, drawn = factors("random_color_jitter", brightness=0.3, contrast=0.0, saturation=0.0, hue=0.0)
    assert_spread([out[0, 0, 0] / image[0, 0, 0] for out in drawn], 0.7, 1.3)
    image, drawn = factors("random_lighting", alpha_std=0.1)
    alphas = np.array([np.linalg.solve(COMPONENTS.T, (out - image)[0, 0].astype("float64")) for out in drawn])
    np.testing.assert_allclose(alphas.std(axis=0), 0.1, rtol=0.15)
    np.testing.assert_allclose(alphas.mean(axis=0), 0, atol=0.02)


def test_flips_happen_half_of_the_time():
    mx.random.seed(3)
    image = mx.nd.arange(6).reshape((1, 2, 3))
    flipped = sum(int(mx.nd.image.random_flip_left_right(image)[0, 0, 0].asscalar() == 3) for _ in range(400))
    assert 150 < flipped < 250


def test_random_crops_begin_everywhere():
    mx.random.seed(5)
    image = mx.nd.arange(20).reshape((4, 5, 1))
    seen = {int(mx.nd.image.random_crop(image, width=3, height=2)[0, 0, 0].asscalar()) for _ in range(200)}
    assert seen == {5 * y + x for y in range(3) for x in range(3)}


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("interp", range(5))
def test_resize_is_opencvs(interp, dtype):
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(1)
    for shape, size in itertools.product([(20, 31, 3), (6, 7, 3), (1, 5, 3)], [(5, 4), (40, 3), (31, 10), (15, 14)]):
        image = rng.integers(0, 256, shape).astype(dtype)
        ours = mx.nd.image.resize(mx.nd.array(image, dtype=dtype), size=size, interp=interp).asnumpy()
        theirs = cv2.resize(image, size, interpolation=interp)
        np.testing.assert_allclose(ours.astype(float), theirs.astype(float), atol=1 if dtype == "uint8" else 0.05)


def test_integers_are_refused_where_colors_must_be_floats():
    with pytest.raises(mx.MXNetError, match="floating element type, got uint8. Call to_tensor first"):
        mx.nd.image.normalize(mx.nd.ones((3, 2, 2), dtype="uint8"))


def test_gradient_of_to_tensor():
    image, weight = mx.nd.ones((4, 5, 3)), mx.nd.arange(60).reshape((3, 4, 5))
    image.attach_grad()
    with mx.autograd.record():
        loss = (mx.nd.image.to_tensor(image) * weight).sum()
    loss.backward()
    np.testing.assert_allclose(image.grad.asnumpy(), np.moveaxis(weight.asnumpy(), 0, -1) / 255, rtol=1e-6)


def test_random_resized_crops_are_spread_evenly():
    """The part is seen in an image that holds its pixels' places."""
    mx.random.seed(11)
    y, x = np.mgrid[:200, :300]
    places = mx.nd.array(np.dstack([x, y, x]))
    boxes = []
    for _ in range(500):
        out = mx.nd.image.random_resized_crop(places, width=10, height=10, area=(0.1, 0.4), ratio=(0.5, 2.0)).asnumpy()
        w, h = (out[5, 7, 0] - out[5, 2, 0]) * 2, (out[7, 5, 1] - out[2, 5, 1]) * 2
        boxes.append((out[0, 0, 0] + 0.5 - w / 20, out[0, 0, 1] + 0.5 - h / 20, w, h))
    left, top, w, h = np.array(boxes).T
    assert_spread(w * h / 60000, 0.099, 0.401)
    assert_spread(np.log(w / h), -0.7, 0.7)
    room = np.maximum(300 - w, 1)
    assert_spread((left + np.random.default_rng(0).random(500)) / (room + 1), -0.01, 1.01)
    assert top.min() > -0.01
    assert (top + h).max() < 200.01


def test_a_part_that_never_fits_is_the_middle():
    y, x = np.mgrid[:4, :100]
    places = mx.nd.array(np.dstack([x, y, x]))
    out = mx.nd.image.random_resized_crop(places, width=4, height=4, area=(0.9, 1.0), ratio=(1.0, 1.0)).asnumpy()
    np.testing.assert_allclose(out[0, :, 0], [48, 49, 50, 51])
