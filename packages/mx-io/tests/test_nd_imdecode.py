"""mx.nd.imdecode: the old way to decode an image, channels first."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import mxnet as mx

PIXELS = np.random.RandomState(0).randint(0, 256, (6, 5, 3)).astype(np.uint8)
FILE = cv2.imencode(".png", PIXELS[:, :, ::-1])[1].tobytes()


def test_pixels_channels_first():
    decoded = mx.nd.imdecode(FILE)
    assert decoded.dtype == np.float32
    assert (decoded.asnumpy() == PIXELS.transpose(2, 0, 1)).all()
    part = mx.nd.imdecode(FILE, clip_rect=(1, 2, 4, 6), mean=mx.nd.ones((3, 4, 3)))
    assert (part.asnumpy() == PIXELS[2:6, 1:4].transpose(2, 0, 1) - 1.0).all()
    assert mx.nd.imdecode(FILE, channels=1).shape == (1, 6, 5)


def test_into_one_of_several():
    out = mx.nd.zeros((2, 3, 6, 5))
    assert mx.nd.imdecode(FILE, out=out, index=1) is out
    assert (out.asnumpy()[0] == 0).all()
    assert (out.asnumpy()[1] == PIXELS.transpose(2, 0, 1)).all()


def test_a_rectangle_outside_of_the_image():
    with pytest.raises(mx.MXNetError, match=r"\[imdecode\] clip_rect \(0, 0, 9, 2\) must lie in the image of width 5"):
        mx.nd.imdecode(FILE, clip_rect=(0, 0, 9, 2))
