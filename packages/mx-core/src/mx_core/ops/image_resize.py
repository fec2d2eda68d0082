"""``mx.nd.image.resize``: images of another size, as OpenCV computes them, written as products of matrices.

Each method weighs the pixels of an axis by a (new, old) matrix, and an image of rows and columns by two of them.
"""

from __future__ import annotations

import math

import numpy as np

from ..dtypes import FLOAT32, FLOAT64, is_float, numpy_of
from ..errors import ParameterError, ShapeError
from ..op import Floats, Ints, Positive, Tensor, op
from .image import require_images

_CUBIC = -0.75  # OpenCV's bicubic coefficient
_REACH = {2: 2, 4: 4}  # pixels on each side that bicubic and Lanczos weigh


def _line(F, start, count, axis):
    numbers = F._range(start=float(start), step=1.0, repeat=1, count=count, dtype=FLOAT64)
    return F._view(numbers, shape=(count, 1) if axis == 0 else (1, count))


def _clipped(F, x, low, high):
    return F._minimum_scalar(F._maximum_scalar(x, scalar=low), scalar=high)


def _area_weights(F, size, new):
    """How much of bin i, size / new pixels wide, pixel j fills."""
    scale = size / new
    begin, pixel = _line(F, 0, new, 0) * scale, _line(F, 0, size, 1)
    overlap = F.broadcast_minimum(begin + scale, pixel + 1.0) - F.broadcast_maximum(begin, pixel)
    return F._maximum_scalar(overlap, scalar=0.0) / scale


def _enlarging_area_weights(F, size, new):
    """OpenCV's area method where an axis grows: most new pixels are an old one, those between two are mixed."""
    place, pixel = _line(F, 0, new, 0), _line(F, 0, size, 1)
    first = F.floor(place * (size / new) + 1e-9)
    share = place + 1.0 - (first + 1.0) * (new / size)
    share = F._where(share <= 1e-9, F.zeros_like(share), share - F.floor(share))
    last = size - 1.0
    at_first = F._cast(F.broadcast_equal(F._minimum_scalar(first, scalar=last), pixel), dtype=FLOAT64)
    at_next = F._cast(F.broadcast_equal(F._minimum_scalar(first + 1.0, scalar=last), pixel), dtype=FLOAT64)
    return at_first * (1.0 - share) + at_next * share


def _cubic(F, d):
    near = ((_CUBIC + 2.0) * d - (_CUBIC + 3.0)) * d * d + 1.0
    far = ((d - 5.0) * d + 8.0) * d * _CUBIC - 4.0 * _CUBIC
    zero = F.zeros_like(d)
    return F._where(d <= 1.0, near, F._where(d < 2.0, far, zero))


def _lanczos(F, d):
    safe = F._maximum_scalar(d, scalar=1e-6) * math.pi
    value = F.sin(safe) * F.sin(safe / 4.0) * 4.0 / (safe * safe)
    return F._where(d < 4.0, value, F.zeros_like(d))


def _kernel_weights(F, size, new, interp):
    """Weights by distance; pixels beyond the edges are the edge's."""
    reach = _REACH[interp]
    place = (_line(F, 0, new, 0) + 0.5) * (size / new) - 0.5
    distance = F.abs(place - _line(F, -reach, size + 2 * reach, 1))
    weights = _cubic(F, distance) if interp == 2 else _lanczos(F, distance)
    if interp == 4:
        weights = weights / F._reduce(weights, op="sum", axes=(1,), keepdims=True)

    def part(begin, count):
        return F._slice(weights, begin=(0, begin), step=(1, 1), shape=(new, count))

    def summed(begin, count):
        return F._reduce(part(begin, count), op="sum", axes=(1,), keepdims=True)

    if size == 1:
        return summed(0, 1 + 2 * reach)
    edges = [summed(0, reach + 1), part(reach + 1, size - 2), summed(reach + size - 1, reach + 1)]
    return F._concat([edge for edge in edges if edge.shape[1]], axis=1)


def _linear_weights(F, size, new):
    place = _clipped(F, (_line(F, 0, new, 0) + 0.5) * (size / new) - 0.5, 0.0, size - 1.0)
    return F._maximum_scalar(1.0 - F.abs(place - _line(F, 0, size, 1)), scalar=0.0)


def _weights(F, size, new, interp, shrinks):
    if interp == 3:
        return _area_weights(F, size, new) if shrinks else _enlarging_area_weights(F, size, new)
    return _linear_weights(F, size, new) if interp in (1, 5) else _kernel_weights(F, size, new, interp)


def _nearest(F, data, axis, new):
    size = data.shape[axis]
    places = F.floor(F._range(start=0.0, step=1.0, repeat=1, count=new, dtype=FLOAT64) * (size / new) + 1e-9)
    return F.take(data, F._minimum_scalar(places, scalar=size - 1.0), axis=axis, mode="clip")


def _new_size(size, keep_ratio, h, w):
    """(new height, new width) of size, which is (edge,) or (width, height)."""
    if len(size) not in (1, 2) or min(size) < 1:
        msg = f"[_image_resize] size must be (edge,) or (width, height), all above 0, got {size}"
        raise ParameterError(msg)
    if max(size) >= 2**24:
        msg = f"[_image_resize] size must be less than 2**24, got {size}"
        raise ParameterError(msg)
    if len(size) == 2:
        return size[1], size[0]
    if not keep_ratio:
        return size[0], size[0]
    return (h * size[0] // w, size[0]) if h > w else (size[0], w * size[0] // h)


@op(name="_image_resize", aliases=["_npx__image_resize"])
def resize(F, data: Tensor, *, size: Ints = (), keep_ratio: bool = False, interp: int = 1) -> Tensor:
    """Images of another size.

    data: (h, w, c) or (n, h, w, c).  size: (width, height), or one edge of squares; with keep_ratio the shorter edge of
    images of the same aspect ratio.  interp: 0 nearest, 1 bilinear, 2 bicubic, 3 area, 4 Lanczos. uint8 is rounded.

    >>> mx.nd.image.resize(mx.nd.zeros((4, 8, 3)), size=2, keep_ratio=True).shape
    (2, 4, 3)
    """
    require_images("_image_resize", data)
    h, w = data.shape[-3:-1]
    if h == 0 or w == 0:
        msg = f"[_image_resize] data must have pixels, got {data.shape}"
        raise ShapeError(msg)
    new_h, new_w = _new_size(size, keep_ratio, h, w)
    if interp not in range(6):
        msg = f"[_image_resize] interp must be 0 (nearest), 1 (bilinear), 2 (bicubic), 3 (area) or 4 (Lanczos), got {interp}"
        raise ParameterError(msg)
    if (new_h, new_w) == (h, w):
        return F._copy(data)
    if interp == 0:
        return _nearest(F, _nearest(F, data, data.ndim - 3, new_h), data.ndim - 2, new_w)
    x = data if is_float(data.dtype) else F._cast(data, dtype=FLOAT32)
    shrinks = new_h <= h and new_w <= w
    rows = F._cast(_weights(F, h, new_h, interp, shrinks), dtype=x.dtype)
    columns = F._cast(_weights(F, w, new_w, interp, shrinks), dtype=x.dtype)
    return _as_given(F, _weighed(F, x, rows, columns), data)


def _weighed(F, x, rows, columns):
    """Every image (h, w, c) of x as rows (h', h) and columns (w', w) weigh its pixels: (h', w', c)."""
    n, (h, w, channels) = math.prod(x.shape[:-3]), x.shape[-3:]
    new_h, new_w = rows.shape[0], columns.shape[0]
    # The axis to change comes first, as the rows of one matrix.
    images = F._transpose(F._view(x, shape=(n, h, w * channels)), axes=(1, 0, 2)) if n != 1 else x
    images = F._matmul(rows, F._view(images, shape=(h, n * w * channels)))
    lines = F._transpose(F._view(images, shape=(new_h, n, w, channels)), axes=(2, 0, 1, 3))
    lines = F._matmul(columns, F._view(lines, shape=(w, new_h * n * channels)))
    y = F._transpose(F._view(lines, shape=(new_w, new_h, n, channels)), axes=(2, 1, 0, 3))
    return F._view(y, shape=(*x.shape[:-3], new_h, new_w, channels))


def _as_given(F, y, data):
    """y in data's element type: rounded where that is of integers."""
    return y if is_float(data.dtype) else F._cast(_clipped(F, F.rint(y), *_bounds(data.dtype)), dtype=data.dtype)


def _bounds(dtype):
    """The least and the greatest number of an integer type; of 64 bits what float64 can cast to it."""
    limits = np.iinfo(numpy_of(dtype))
    return float(limits.min), float(limits.max if limits.bits < 64 else limits.max - 1023)


# -- random parts ------------------------------------------------------------------------------------------------------


def _drawn_sizes(F, h, w, wanted, area, ratio, trials):
    """Width and height, (1, 1) each, of the first of some random parts that fits into h x w, and whether one does."""
    areas = F._uniform(low=area[0], high=area[1], shape=(trials, 1), dtype=FLOAT64) * float(h * w)
    ratios = F.exp(F._uniform(low=math.log(ratio[0]), high=math.log(ratio[1]), shape=(trials, 1), dtype=FLOAT64))
    widths, heights = F.rint(F.sqrt(areas * ratios)), F.rint(F.sqrt(areas / ratios))
    fits = F._cast(widths <= float(w), dtype=FLOAT64) * F._cast(heights <= float(h), dtype=FLOAT64)
    fits = fits * F._cast(widths >= 1.0, dtype=FLOAT64) * F._cast(heights >= 1.0, dtype=FLOAT64)
    number = _line(F, 0, trials, 0)
    first = F._reduce(number * fits + (1.0 - fits) * float(trials), op="min", axes=(0,), keepdims=True)
    is_first = F._cast(F.broadcast_equal(number, first), dtype=FLOAT64)
    found = F._cast(first < float(trials), dtype=FLOAT64)

    def chosen(sizes, other):
        return F._reduce(sizes * is_first, op="sum", axes=(0,), keepdims=True) + (1.0 - found) * float(other)

    shrink = min(w / wanted[0], h / wanted[1], 1.0)
    return chosen(widths, max(1, int(wanted[0] * shrink))), chosen(heights, max(1, int(wanted[1] * shrink))), found


def _part_weights(F, size, part, new, found):
    """Bilinear weights (new, size) of a part, its length (1, 1), at a random place; in the middle where found is 0."""
    room = part * -1.0 + float(size)
    first = F.floor(F._uniform(low=0.0, high=1.0, shape=(1, 1), dtype=FLOAT64) * (room + 1.0))
    first = first * found + F.floor(room / 2.0) * (1.0 - found)
    inside = (_line(F, 0, new, 0) + 0.5) * (part / float(new)) - 0.5
    inside = F.broadcast_minimum(F._maximum_scalar(inside, scalar=0.0), part - 1.0)
    return F._maximum_scalar(1.0 - F.abs(inside + first - _line(F, 0, size, 1)), scalar=0.0)


@op(name="_image_random_resized_crop", aliases=["_npx__image_random_resized_crop"])
def random_resized_crop(
    F,
    data: Tensor,
    *,
    width: Positive[int],
    height: Positive[int],
    area: Positive[Floats] = (0.08, 1.0),
    ratio: Positive[Floats] = (0.75, 1.3333333333333333),
    max_trial: Positive[int] = 10,
) -> Tensor:
    """A part of images of random area, aspect ratio and place, resized to this width and height, bilinear.

    data: (h, w, c) or (n, h, w, c); all images of a batch have the same part.  area: (least, most) fraction of the
    image's.  ratio: (least, most) width / height; its logarithm is spread evenly.  max_trial: after so many draws that do
    not fit into the image, the middle is taken.  Returns (height, width, c) or (n, height, width, c).
    """
    name = "_image_random_resized_crop"
    require_images(name, data)
    h, w = data.shape[-3:-1]
    if h == 0 or w == 0:
        msg = f"[{name}] data must have pixels, got {data.shape}"
        raise ShapeError(msg)
    if (
        len(area) != 2
        or len(ratio) != 2
        or area[0] > area[1]
        or ratio[0] > ratio[1]
        or not math.isfinite(sum(area) + sum(ratio))
    ):
        msg = f"[{name}] area and ratio must be (least, most), got {area} and {ratio}"
        raise ParameterError(msg)
    if max(width, height) >= 2**24 or max_trial > 1000:
        msg = f"[{name}] width and height must be less than 2**24, max_trial at most 1000; got {width}, {height}, {max_trial}"
        raise ParameterError(msg)
    x = data if is_float(data.dtype) else F._cast(data, dtype=FLOAT32)
    part_w, part_h, found = _drawn_sizes(F, h, w, (width, height), area, ratio, max_trial)
    rows = F._cast(_part_weights(F, h, part_h, height, found), dtype=x.dtype)
    columns = F._cast(_part_weights(F, w, part_w, width, found), dtype=x.dtype)
    return _as_given(F, _weighed(F, x, rows, columns), data)
