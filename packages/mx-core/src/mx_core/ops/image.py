"""Operators on images (h, w, c) or batches (n, h, w, c) of them: ``mx.nd.image``. Sizes are in image_resize.py.

Colors are computed in floating point; uint8 results are cut off to [0, 255] and truncated, as in MXNet 1.x.
"""

from __future__ import annotations

from ..dtypes import FLOAT32, UINT8, is_float, name_of
from ..errors import DTypeError, ParameterError, ShapeError
from ..op import Floats, NonNegative, Runtime, Tensor, op

__all__ = ["require_images"]

# How bright red, green and blue are (BT.601).
_BRIGHTNESS = (0.299, 0.587, 0.114)
# Eigenvalue times eigenvector of the colors of ImageNet, a row for each component (Krizhevsky et al. 2012).
_COMPONENTS = (
    (55.46 * -0.5675, 55.46 * -0.5808, 55.46 * -0.5836),
    (4.794 * 0.7192, 4.794 * -0.0045, 4.794 * -0.6948),
    (1.148 * 0.4009, 1.148 * -0.8140, 1.148 * 0.4203),
)


def require_images(name, data, channels=()):
    """Raises ShapeError unless data is (h, w, c) or (n, h, w, c), with one of these numbers of channels."""
    if data.ndim not in (3, 4):
        msg = f"[{name}] data must be an image (h, w, c) or a batch (n, h, w, c), got {data.shape}"
        raise ShapeError(msg)
    if channels and data.shape[-1] not in channels:
        wanted = " or ".join(map(str, channels))
        msg = f"[{name}] data must have {wanted} channels along its last axis, got shape {data.shape}"
        raise ShapeError(msg)


# -- tensors -----------------------------------------------------------------------------------------------------------


@op(name="_image_to_tensor", aliases=["_npx__image_to_tensor"])
def to_tensor(F, data: Tensor) -> Tensor:
    """Images with values from 0 to 255 as float32 with values from 0 to 1, channels first.

    data: (h, w, c) or (n, h, w, c), any type.  Returns (c, h, w) or (n, c, h, w).

    >>> mx.nd.image.to_tensor(mx.nd.array([[[0, 255]]], dtype="uint8")).asnumpy().ravel().tolist()
    [0.0, 1.0]
    """
    require_images("_image_to_tensor", data)
    axes = (2, 0, 1) if data.ndim == 3 else (0, 3, 1, 2)
    if data.shape[-1] == 1:
        turned = F._view(data, shape=[data.shape[axis] for axis in axes])
    else:
        turned = F._transpose(data, axes=axes)
    return F._cast(turned, dtype=FLOAT32) / 255.0


def _by_channel(F, values, data):
    """A number, or (c, 1, 1) numbers, of data's type; the tuple holds one for each channel or one for all."""
    if len(set(values)) == 1:
        return values[0]
    return F._concat([F._full(shape=(1, 1, 1), dtype=data.dtype, value=value) for value in values], axis=0)


@op(name="_image_normalize", aliases=["_npx__image_normalize"])
def normalize(F, data: Tensor, *, mean: Floats = (0.0, 0.0, 0.0, 0.0), std: Floats = (1.0, 1.0, 1.0, 1.0)) -> Tensor:
    """``(x - mean) / std`` by channel.

    data: floating, (c, h, w) or (n, c, h, w) with 1 or 3 channels.  mean, std: one number, or one for each channel.

    >>> mx.nd.image.normalize(mx.nd.ones((3, 1, 1)), mean=(1, 2, 3), std=2).asnumpy().ravel().tolist()
    [0.0, -0.5, -1.0]
    """
    if data.ndim not in (3, 4):
        msg = f"[_image_normalize] data must be (c, h, w) or (n, c, h, w), got {data.shape}"
        raise ShapeError(msg)
    channels = data.shape[-3]
    if channels not in (1, 3):
        msg = f"[_image_normalize] data must have 1 or 3 channels, got shape {data.shape}. Call to_tensor first"
        raise ShapeError(msg)
    if not is_float(data.dtype):
        msg = f"[_image_normalize] data must be of a floating element type, got {name_of(data.dtype)}. Call to_tensor first"
        raise DTypeError(msg)
    mean = _one_for_each("mean", mean, channels, (0.0, 0.0, 0.0, 0.0))
    std = _one_for_each("std", std, channels, (1.0, 1.0, 1.0, 1.0))
    return (data - _by_channel(F, mean, data)) * _by_channel(F, tuple(_inverse(value) for value in std), data)


def _inverse(value):
    if value == 0:
        msg = "[_image_normalize] std must not be 0"
        raise ParameterError(msg)
    return 1.0 / value


def _one_for_each(name, values, channels, default):
    if values == default:
        return default[:channels]
    if len(values) not in (1, channels):
        msg = f"[_image_normalize] {name} must have 1 or {channels} numbers for {channels} channels, got {values}"
        raise ShapeError(msg)
    return values


# -- crops and flips ---------------------------------------------------------------------------------------------------


def _crop_bounds(name, data, width, height):
    if not (0 < width <= data.shape[-2] and 0 < height <= data.shape[-3]):
        msg = (
            f"[{name}] width and height must be above 0 and at most the image's {data.shape[-2]} and {data.shape[-3]}, "
            f"got {width} and {height}"
        )
        raise ParameterError(msg)


@op(name="_image_crop", aliases=["_npx__image_crop"])
def crop(F, data: Tensor, *, x: int, y: int, width: int, height: int) -> Tensor:
    """The part of images that begins at column x and row y.

    data: (h, w, c) or (n, h, w, c).  Returns (height, width, c) or (n, height, width, c).

    >>> mx.nd.image.crop(mx.nd.zeros((4, 6, 3)), x=1, y=2, width=3, height=2).shape
    (2, 3, 3)
    """
    require_images("_image_crop", data)
    _crop_bounds("_image_crop", data, width, height)
    if not (0 <= x <= data.shape[-2] - width and 0 <= y <= data.shape[-3] - height):
        msg = (
            f"[_image_crop] the crop must lie inside of the image of width {data.shape[-2]} and height "
            f"{data.shape[-3]}, got x = {x}, y = {y}, width = {width}, height = {height}"
        )
        raise ParameterError(msg)
    lead = data.ndim - 3
    shape = (*data.shape[:lead], height, width, data.shape[-1])
    return F._slice(data, begin=(0,) * lead + (y, x, 0), step=(1,) * data.ndim, shape=shape)


@op(name="_image_random_crop", aliases=["_npx__image_random_crop"])
def random_crop(F, data: Tensor, *, width: int, height: int) -> Tensor:
    """The part of images of this width and height at a random place, the same for all images of a batch.

    data: (h, w, c) or (n, h, w, c), at least as large.  Returns (height, width, c) or (n, height, width, c).
    """
    require_images("_image_random_crop", data)
    _crop_bounds("_image_random_crop", data, width, height)
    for axis, size in ((data.ndim - 3, height), (data.ndim - 2, width)):
        first = F.floor(F._uniform(low=0.0, high=float(data.shape[axis] - size + 1), shape=(1,)))
        places = first + F._range(start=0.0, step=1.0, repeat=1, count=size, dtype="float32")
        data = F.take(data, places, axis=axis, mode="clip")
    return data


def _flipped(name, F, data, axis):
    require_images(name, data)
    return F.reverse(data, axis=(axis,))


def _perhaps(F, changed, data):
    """``changed`` or ``data``, with equal chances."""
    return F._where(F._bernoulli(p=0.5, shape=(1,) * data.ndim), changed, data)


@op(name="_image_flip_left_right", aliases=["_npx__image_flip_left_right"])
def flip_left_right(F, data: Tensor) -> Tensor:
    """Images (h, w, c) or (n, h, w, c) with left and right exchanged."""
    return _flipped("_image_flip_left_right", F, data, -2)


@op(name="_image_flip_top_bottom", aliases=["_npx__image_flip_top_bottom"])
def flip_top_bottom(F, data: Tensor) -> Tensor:
    """Images (h, w, c) or (n, h, w, c) with top and bottom exchanged."""
    return _flipped("_image_flip_top_bottom", F, data, -3)


@op(name="_image_random_flip_left_right", aliases=["_npx__image_random_flip_left_right"])
def random_flip_left_right(F, data: Tensor) -> Tensor:
    """flip_left_right with probability 1/2."""
    return _perhaps(F, _flipped("_image_random_flip_left_right", F, data, -2), data)


@op(name="_image_random_flip_top_bottom", aliases=["_npx__image_random_flip_top_bottom"])
def random_flip_top_bottom(F, data: Tensor) -> Tensor:
    """flip_top_bottom with probability 1/2."""
    return _perhaps(F, _flipped("_image_random_flip_top_bottom", F, data, -3), data)


# -- colors ------------------------------------------------------------------------------------------------------------


def _floating(F, data):
    return data if is_float(data.dtype) else F._cast(data, dtype=FLOAT32)


def _as_given(F, result, data):
    """A floating result in data's element type."""
    if data.dtype == UINT8:
        result = F._minimum_scalar(F._maximum_scalar(result, scalar=0.0), scalar=255.0)
    return F._cast(result, dtype=data.dtype)


def _drawn(F, data, low, high):
    """One random number in [low, high), of data's type and number of axes."""
    return F._uniform(low=low, high=high, shape=(1,) * data.ndim, dtype=data.dtype)


def _channels(F, x):
    """Each channel as an array of its own, its axis kept."""
    lead, shape = x.ndim - 1, (*x.shape[:-1], 1)
    return [F._slice(x, begin=(0,) * lead + (k,), step=(1,) * x.ndim, shape=shape) for k in range(x.shape[-1])]


def _gray(F, x):
    """How bright each pixel is; x itself where it has one channel."""
    if x.shape[-1] == 1:
        return x
    red, green, blue = _channels(F, x)
    return red * _BRIGHTNESS[0] + green * _BRIGHTNESS[1] + blue * _BRIGHTNESS[2]


def _contrast(F, x, alpha):
    mean = F._reduce(_gray(F, x), op="mean", axes=(x.ndim - 3, x.ndim - 2, x.ndim - 1), keepdims=True)
    return (x - mean) * alpha + mean


def _saturation(F, x, alpha):
    gray = _gray(F, x)
    return (x - gray) * alpha + gray


def _hue(F, x, turn):
    """Colors of the same lightness and saturation, their hue ``turn`` whole turns further."""
    if x.shape[-1] == 1:
        return x
    red, green, blue = _channels(F, x)
    most = F.broadcast_maximum(F.broadcast_maximum(red, green), blue)
    least = F.broadcast_minimum(F.broadcast_minimum(red, green), blue)
    chroma = most - least
    step = F._where(chroma > 0.0, chroma, F.ones_like(chroma))
    # In sixths of a turn: 0 is red, 2 green, 4 blue.
    hue = F._where(
        F.broadcast_equal(most, red),
        (green - blue) / step,
        F._where(F.broadcast_equal(most, green), (blue - red) / step + 2.0, (red - green) / step + 4.0),
    )
    hue = hue + turn * 6.0
    hue = hue - F.floor(hue / 6.0) * 6.0

    def part(share):
        return least + chroma * F._minimum_scalar(F._maximum_scalar(share, scalar=0.0), scalar=1.0)

    shares = (F.abs(hue - 3.0) - 1.0, 2.0 - F.abs(hue - 2.0), 2.0 - F.abs(hue - 4.0))
    return F._concat([part(share) for share in shares], axis=x.ndim - 1)


def _color_change(name, doc, change):
    """Defines ``_image_random_<name>``: change(F, x, alpha) with alpha random in [min_factor, max_factor)."""
    full = f"_image_random_{name}"

    def function(F, data: Tensor, *, min_factor: NonNegative[float], max_factor: NonNegative[float]) -> Tensor:
        require_images(full, data, (1, 3))
        x = _floating(F, data)
        return _as_given(F, change(F, x, _drawn(F, x, min_factor, max_factor)), data)

    return op(function, name=full, aliases=[f"_npx_{full}"], doc=doc)


_ALPHA = "\n\ndata: (h, w, c) or (n, h, w, c) with 1 or 3 channels.  a: random in [min_factor, max_factor)."
random_brightness = _color_change("brightness", f"Images times ``a``.{_ALPHA}", lambda F, x, alpha: x * alpha)
random_contrast = _color_change(
    "contrast",
    f"``a x + (1 - a) m``, m the mean brightness of the image, 0.299 r + 0.587 g + 0.114 b.{_ALPHA}",
    _contrast,
)
# MXNet 1.9.1 takes only the last channel's share of the brightness here, which tints the image; this is the formula.
random_saturation = _color_change(
    "saturation",
    f"``a x + (1 - a) g``, g the brightness of the pixel, 0.299 r + 0.587 g + 0.114 b.{_ALPHA}",
    _saturation,
)
random_hue = _color_change(
    "hue", f"Images with their hue, as in HLS, ``a`` whole turns further: 1 changes nothing.{_ALPHA}", _hue
)


@op(name="_image_random_color_jitter", aliases=["_npx__image_random_color_jitter"])
def random_color_jitter(
    F,
    data: Tensor,
    *,
    brightness: NonNegative[float],
    contrast: NonNegative[float],
    saturation: NonNegative[float],
    hue: NonNegative[float],
) -> Tensor:
    """random_brightness, _contrast and _saturation with factors in [1 - value, 1 + value), and _hue in [-hue, hue).

    data: (h, w, c) or (n, h, w, c) with 1 or 3 channels. A value of 0 leaves its change out. The first three commute;
    the hue is changed last, where MXNet 1.x draws an order.
    """
    require_images("_image_random_color_jitter", data, (1, 3))
    x = _floating(F, data)
    if brightness > 0:
        x = x * _drawn(F, x, 1.0 - brightness, 1.0 + brightness)
    if contrast > 0:
        x = _contrast(F, x, _drawn(F, x, 1.0 - contrast, 1.0 + contrast))
    if saturation > 0:
        x = _saturation(F, x, _drawn(F, x, 1.0 - saturation, 1.0 + saturation))
    if hue > 0:
        x = _hue(F, x, _drawn(F, x, -hue, hue))
    return _as_given(F, x, data)


def _lit(F, data, alphas):
    """data plus the principal components of colors, alphas (numbers or arrays of one element) times each."""
    x = _floating(F, data)
    if x.shape[-1] == 1:
        return data  # there are no colors; MXNet 1.x reads beyond the image
    parts = []
    for k in range(3):
        total = None
        for alpha, component in zip(alphas, _COMPONENTS, strict=True):
            term = alpha * component[k]
            total = term if total is None else total + term
        if isinstance(total, float):
            total = F._full(shape=(1,) * x.ndim, dtype=x.dtype, value=total)
        parts.append(total)
    return _as_given(F, x + F._concat(parts, axis=x.ndim - 1), data)


@op(name="_image_adjust_lighting", aliases=["_npx__image_adjust_lighting"])
def adjust_lighting(F, data: Tensor, *, alpha: Floats) -> Tensor:
    """Images plus the principal components of ImageNet's colors, ``alpha[i]`` times the i-th (Krizhevsky et al. 2012).

    data: (h, w, c) or (n, h, w, c) with 1 or 3 channels; of 1 channel nothing is added.  alpha: three numbers.
    """
    require_images("_image_adjust_lighting", data, (1, 3))
    if len(alpha) != 3:
        msg = f"[_image_adjust_lighting] alpha must be 3 numbers, got {alpha}"
        raise ParameterError(msg)
    return _lit(F, data, alpha)


@op(name="_image_random_lighting", aliases=["_npx__image_random_lighting"])
def random_lighting(F, data: Tensor, *, alpha_std: Runtime[float] = 0.05) -> Tensor:
    """adjust_lighting with alpha normal of mean 0 and deviation ``alpha_std``."""
    require_images("_image_random_lighting", data, (1, 3))
    dtype = data.dtype if is_float(data.dtype) else FLOAT32
    shape = (1,) * data.ndim
    return _lit(F, data, [F._normal(loc=0.0, scale=alpha_std, shape=shape, dtype=dtype) for _ in range(3)])
