"""_im2col and _col2im, against loops over the windows in NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from kernel_call import DTYPES, call, exact, stored, unaligned

CASES = [
    ((6,), (3,), (1,), (1,), (0,)),
    ((7,), (3,), (2,), (2,), (3,)),
    ((5, 6), (2, 3), (1, 1), (1, 1), (0, 0)),
    ((5, 6), (3, 2), (2, 1), (1, 2), (1, 3)),
    ((3, 4, 5), (2, 2, 3), (1, 2, 1), (1, 1, 2), (1, 0, 2)),
    ((1, 1), (1, 1), (3, 3), (1, 1), (2, 2)),
]


def windows(space, kernel, stride, dilate, pad):
    """(output sizes, for each row of the matrix the image places it reads or None)."""
    out = [
        (s + 2 * p - d * (k - 1) - 1) // t + 1 for s, k, t, d, p in zip(space, kernel, stride, dilate, pad, strict=True)
    ]
    rows = []
    for at in itertools.product(*map(range, kernel)):
        row = []
        for o in itertools.product(*map(range, out)):
            place = tuple(i * t + k * d - p for i, k, t, d, p in zip(o, at, stride, dilate, pad, strict=True))
            row.append(place if all(0 <= i < s for i, s in zip(place, space, strict=True)) else None)
        rows.append(row)
    return out, rows


@pytest.mark.parametrize(("space", "kernel", "stride", "dilate", "pad"), CASES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_im2col_and_col2im(dtype, space, kernel, stride, dilate, pad):
    rng = np.random.default_rng(3)
    params = {"kernel": kernel, "stride": stride, "dilate": dilate, "pad": pad}
    x = stored(rng.integers(0, 2, (2, 3, *space)), dtype)
    out, rows = windows(space, kernel, stride, dilate, pad)
    columns = np.zeros((2, 3, len(rows), int(np.prod(out))), x.dtype)
    for r, row in enumerate(rows):
        for i, place in enumerate(row):
            if place is not None:
                columns[:, :, r, i] = x[(slice(None), slice(None), *place)]
    columns = columns.reshape(2, -1, columns.shape[-1])
    (y,) = call("_im2col", [(unaligned(x), dtype)], [(dtype, columns.shape)], **params)
    np.testing.assert_array_equal(y, columns)
    if dtype == "bool":
        return
    image = np.zeros(x.shape)
    wide = exact(columns, dtype).astype("float64").reshape(2, 3, len(rows), -1)
    for r, row in enumerate(rows):
        for i, place in enumerate(row):
            if place is not None:
                image[(slice(None), slice(None), *place)] += wide[:, :, r, i]
    (back,) = call("_col2im", [(columns, dtype)], [(dtype, x.shape)], **params)
    np.testing.assert_array_equal(exact(back, dtype), image)


@pytest.mark.parametrize("shape", [(0, 2, 4, 4), (2, 0, 4, 4)])
def test_no_images(shape):
    params = {"kernel": (2, 2), "stride": (1, 1), "dilate": (1, 1), "pad": (0, 0)}
    columns = (shape[0], shape[1] * 4, 9)
    (y,) = call("_im2col", [(np.zeros(shape, np.float32), "float32")], [("float32", columns)], **params)
    (x,) = call("_col2im", [(y, "float32")], [("float32", shape)], **params)
    assert x.shape == shape


@pytest.mark.parametrize("changed", [{"kernel": (1, 2)}, {"pad": (1, 1)}, {"dilate": (2**62, 1)}, {"stride": (0, 1)}])
def test_columns_of_another_size_are_refused(changed):
    params = {"kernel": (2, 2), "stride": (1, 1), "dilate": (1, 1), "pad": (0, 0), **changed}
    image, columns = np.zeros((1, 1, 4, 4), np.float32), np.zeros((1, 4, 9), np.float32)
    for op, given, out in (("_im2col", image, columns), ("_col2im", columns, image)):
        with pytest.raises((RuntimeError, ValueError)):
            call(op, [(given, "float32")], [("float32", out.shape)], **params)
