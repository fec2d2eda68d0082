"""A contact sheet of the random changes of images: a row for each augmenter, a column for each draw.

    python augmentation_sheet.py --image photo.jpg --out sheet.png

Without --image it draws a house.  docs/images/augmentations.png is what it makes of that.
"""

from __future__ import annotations

import argparse
import random

import cv2
import numpy as np

import mxnet as mx

# Each row: its name, and what makes its augmenters from the thumbnail's edge.
ROWS = (
    ("RandomCropAug", lambda edge: [mx.image.ResizeAug(edge * 3 // 2), mx.image.RandomCropAug((edge, edge))]),
    ("RandomSizedCropAug", lambda edge: [mx.image.RandomSizedCropAug((edge, edge), (0.2, 1.0), (0.75, 1.33))]),
    ("HorizontalFlipAug", lambda edge: [mx.image.HorizontalFlipAug(0.5)]),
    ("BrightnessJitterAug", lambda edge: [mx.image.CastAug(), mx.image.BrightnessJitterAug(0.5)]),
    ("ContrastJitterAug", lambda edge: [mx.image.CastAug(), mx.image.ContrastJitterAug(0.7)]),
    ("SaturationJitterAug", lambda edge: [mx.image.CastAug(), mx.image.SaturationJitterAug(0.9)]),
    ("HueJitterAug", lambda edge: [mx.image.CastAug(), mx.image.HueJitterAug(0.5)]),
    ("LightingAug", lambda edge: mx.image.CreateAugmenter((3, edge, edge), pca_noise=0.8)),
    ("RandomGrayAug", lambda edge: [mx.image.CastAug(), mx.image.RandomGrayAug(0.5)]),
    ("random_rotate", lambda edge: [rotated]),
    ("CreateAugmenter", lambda edge: mx.image.CreateAugmenter(
        (3, edge, edge), rand_crop=True, rand_resize=True, rand_mirror=True, brightness=0.3, contrast=0.3, saturation=0.3,
        hue=0.1, pca_noise=0.2, rand_gray=0.1)),
)  # fmt: skip


def rotated(image):
    """The image turned by up to 45 degrees."""
    tensor = mx.nd.transpose(image.astype("float32"), axes=(2, 0, 1))
    return mx.nd.transpose(mx.image.random_rotate(tensor, (-45, 45)), axes=(1, 2, 0))


def house(edge):
    """A picture to change: a house in a meadow, uint8 (edge, edge, 3), red first."""
    picture = np.zeros((edge, edge, 3), np.uint8)
    picture[:] = (130, 180, 235)
    picture[edge * 2 // 3 :] = (90, 170, 80)
    unit = edge // 12
    cv2.circle(picture, (unit * 2, unit * 2), unit, (250, 220, 80), -1)
    cv2.rectangle(picture, (unit * 4, unit * 5), (unit * 10, unit * 10), (190, 90, 70), -1)
    roof = np.array([[unit * 3, unit * 5], [unit * 7, unit * 2], [unit * 11, unit * 5]], np.int32)
    cv2.fillPoly(picture, [roof], (110, 50, 60))
    cv2.rectangle(picture, (unit * 5, unit * 7), (unit * 6, unit * 10), (80, 60, 50), -1)
    cv2.rectangle(picture, (unit * 7, unit * 6), (unit * 9, unit * 8), (240, 240, 250), -1)
    return picture


def draw(image, changes):
    """One image after all changes, uint8."""
    for change in changes:
        image = change(image)
    return np.clip(np.rint(image.asnumpy().astype(np.float32)), 0, 255).astype(np.uint8)


def sheet(image, edge=48, columns=10, seed=0):
    """The contact sheet (h, w, 3) of an image (h, w, 3), both uint8, red first; the first column is the image."""
    random.seed(seed)
    np.random.seed(seed)
    source = mx.image.imresize(mx.nd.array(image, dtype="uint8"), edge, edge, 3)
    margin, gap = 150, 4
    page = np.full((len(ROWS) * (edge + gap) + gap, margin + (columns + 1) * (edge + gap), 3), 255, np.uint8)
    for row, (name, make) in enumerate(ROWS):
        top = gap + row * (edge + gap)
        cv2.putText(page, name, (6, top + edge // 2 + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
        changes = make(edge)
        for column in range(columns + 1):
            left = margin + column * (edge + gap)
            page[top : top + edge, left : left + edge] = draw(source, changes if column else [])
    return page


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", help="an image file, default a drawn house")
    parser.add_argument("--out", default="augmentations.png", help="the PNG file to write")
    options = parser.parse_args()
    chosen = mx.image.imread(options.image).asnumpy() if options.image else house(192)
    cv2.imwrite(options.out, cv2.cvtColor(sheet(chosen), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])
