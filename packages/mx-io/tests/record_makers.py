"""Small record files for the tests."""

from __future__ import annotations

import numpy as np

import mxnet as mx


def png(image):
    """The image, uint8 or uint16 with blue first, as PNG bytes."""
    return mx.recordio.unpack(mx.recordio.pack_img(mx.recordio.IRHeader(0, 0.0, 0, 0), image, 1, ".png"))[1]


def make_file(path, images, labels=None):
    """Writes images (arrays with blue first, or encoded bytes) with labels, by default their numbers; the file's path."""
    path = str(path)
    with mx.recordio.MXIndexedRecordIO(path.removesuffix(".rec") + ".idx", path, "w") as file:
        for n, image in enumerate(images):
            label = float(n) if labels is None else labels[n]
            body = image if isinstance(image, bytes) else png(image)
            file.write_idx(n, mx.recordio.pack(mx.recordio.IRHeader(0, label, n, 0), body))
    return path


def gradient(height, width):
    """An image whose red says the column and green the row; blue is 77."""
    image = np.full((height, width, 3), 77, np.uint8)
    image[..., 2] = np.arange(width)[None]
    image[..., 1] = np.arange(height)[:, None]
    return image
