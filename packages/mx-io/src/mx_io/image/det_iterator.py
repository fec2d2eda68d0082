"""ImageDetIter: batches of images and of the boxes on them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.data import DataBatch, DataDesc
from mx_core.errors import DTypeError, MXNetError, ShapeError

from .._opencv import cv2
from ..augmentation.draws import draws
from .arrays import as_array, as_host
from .create import MEAN, STD
from .det_augmenters import CreateDetAugmenter
from .iterator import ImageIter

__all__ = ["ImageDetIter"]

Labels = np.ndarray[Any, Any]


class ImageDetIter(ImageIter):
    """Batches of images (batch_size, c, h, w) and of boxes (batch_size, most boxes, 5 or more), filled up with -1.

    A record's or list's labels are ``[A, B, ..., box, box, ...]``: A numbers before the first box, B numbers to a box,
    ``class, x_min, y_min, x_max, y_max, ...`` with corners from 0 to 1. An image whose augmented boxes are all gone is
    left out, with a message to the log. aug_list: default ``CreateDetAugmenter(data_shape, **kwargs)``. The other
    parameters are ImageIter's.

    The whole source is read once at the start, to find the largest number of boxes; ``label_shape`` is that and B.
    """

    def __init__(
        self,
        batch_size: int,
        data_shape: tuple[int, int, int],
        path_imgrec: str | None = None,
        path_imglist: str | None = None,
        path_root: str | None = None,
        path_imgidx: str | None = None,
        shuffle: bool = False,
        part_index: int = 0,
        num_parts: int = 1,
        aug_list: list[Any] | None = None,
        imglist: Any = None,
        data_name: str = "data",
        label_name: str = "label",
        last_batch_handle: str = "pad",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            batch_size, data_shape, 1, path_imgrec, path_imglist, path_root, path_imgidx, shuffle, part_index, num_parts,
            [], imglist, data_name, label_name, last_batch_handle=last_batch_handle,
        )  # fmt: skip
        self.auglist = CreateDetAugmenter(data_shape, **kwargs) if aug_list is None else aug_list
        self._data_name, self._label_name = data_name, label_name
        self.label_shape = self._estimate_label_shape()
        self._describe()

    def _describe(self) -> None:
        self.provide_data = [DataDesc(self._data_name, (self.batch_size, *self.data_shape))]
        self.provide_label = [DataDesc(self._label_name, (self.batch_size, *self.label_shape))]

    # -- labels --------------------------------------------------------------------------------------------------------

    def _parse_label(self, label: Any) -> Labels:
        """(k, B), the boxes of positive size of a flat label. Raises ShapeError."""
        flat = np.asarray(as_host(label) if isinstance(label, nd.NDArray) else label).reshape(-1)
        if flat.size < 7:  # A, B, and a box of at least 5
            msg = f"{self._where}: Label shape is invalid: {flat.shape}; expected [A, B, ..., boxes of B >= 5 numbers]"
            raise ShapeError(msg)
        before, each = (int(v) if abs(v) < 1 << 20 else -1 for v in flat[:2])
        if each < 5 or not 2 <= before < flat.size or (flat.size - before) % each:
            msg = (
                f"{self._where}: Label shape {flat.shape} inconsistent with annotation width {each}: it begins with "
                f"A = {flat[0]:g} numbers before the boxes and B = {flat[1]:g} numbers to a box, which must be >= 2 and >= 5"
            )
            raise ShapeError(msg)
        boxes = flat[before:].reshape(-1, each)
        valid = (boxes[:, 3] > boxes[:, 1]) & (boxes[:, 4] > boxes[:, 2])
        if not valid.any():
            msg = f"{self._where}: Encounter sample with no valid label. A box needs x_max > x_min and y_max > y_min"
            raise ShapeError(msg)
        return boxes[valid]  # type: ignore[no-any-return]

    def _check_valid_label(self, label: Labels) -> None:
        """Raises ShapeError for labels without a box of positive size."""
        if label.ndim != 2 or label.shape[1] < 5:
            msg = f"{self._where}: Label with shape (1+, 5+) required, {label} received."
            raise ShapeError(msg)
        valid = (label[:, 0] >= 0) & (label[:, 3] > label[:, 1]) & (label[:, 4] > label[:, 2])
        if not valid.any():
            msg = f"{self._where}: Invalid label occurs."
            raise ShapeError(msg)

    def _estimate_label_shape(self) -> tuple[int, int]:
        """(most boxes of an image, numbers to a box) of the whole source."""
        most, each = 0, 5
        self._rewind()
        try:
            while True:
                label = self._parse_label(self.next_sample()[0])
                most, each = max(most, label.shape[0]), label.shape[1]
        except StopIteration:
            pass
        self._rewind()
        return most, each

    def check_label_shape(self, label_shape: Any) -> None:
        """Raises ShapeError for a label shape that has not room for the labels."""
        if len(label_shape) != 2:
            msg = "label_shape should have length 2"
            raise ShapeError(msg)
        if label_shape[0] < self.label_shape[0]:
            msg = f"Attempts to reduce label count from {self.label_shape[0]} to {label_shape[0]}, not allowed."
            raise ShapeError(msg)
        if label_shape[1] != self.label_shape[1]:
            msg = f"label_shape object width inconsistent: {self.label_shape[1]} vs {label_shape[1]}."
            raise ShapeError(msg)

    def reshape(self, data_shape: Any = None, label_shape: Any = None) -> None:
        """Changes the shape of images or labels from the next batch on.

        The augmenters are not changed: give those that make the new size as ``auglist``.
        """
        if data_shape is not None:
            self.check_data_shape(data_shape)
            self.data_shape = tuple(data_shape)
        if label_shape is not None:
            self.check_label_shape(label_shape)
            self.label_shape = tuple(label_shape)
        self._describe()

    def sync_label_shape(self, it: ImageDetIter, verbose: bool = False) -> ImageDetIter:
        """Gives this iterator and another one, which it returns, the larger of their label shapes."""
        if not isinstance(it, ImageDetIter):
            msg = f"Synchronize with invalid iterator. Expected an ImageDetIter, got {type(it).__name__}"
            raise DTypeError(msg)
        shape = (max(self.label_shape[0], it.label_shape[0]), self.label_shape[1])
        if verbose and shape[0] > min(self.label_shape[0], it.label_shape[0]):
            logging.getLogger(__name__).info("Resized label_shape to (%d, %d).", *shape)
        it.reshape(None, shape)
        self.reshape(None, shape)
        return it

    # -- batches -------------------------------------------------------------------------------------------------------

    def augmentation_transform(self, data: Any, label: Labels) -> Any:  # type: ignore[override]
        """Image and labels after all augmenters."""
        for change in self.auglist:
            data, label = change(data, label)
        return data, label

    def _decoded(self, sample: Any) -> tuple[Any, Labels] | None:
        """(image, boxes) of a sample, augmented; None, with a message to the log, when no box is left."""
        labels, content, self._where = sample
        image = self.imdecode(content)
        self.check_valid_image([image])
        image, boxes = self.augmentation_transform(image, self._parse_label(labels))
        try:
            self._check_valid_label(boxes)
        except MXNetError as error:
            logging.getLogger(__name__).debug("Invalid label, skipping: %s", error)
            return None
        return image, boxes

    def next(self) -> DataBatch:
        """The next batch. Raises StopIteration after the last."""
        samples, pad = self._collect()
        data = np.empty((self.batch_size, *self.data_shape), np.float32)
        label = np.full((self.batch_size, *self.label_shape), -1, np.float32)
        made = [pair for pair in map(self._decoded, samples) if pair is not None]
        missing = self.batch_size - len(made)
        if missing:
            if not made:
                return self.next()
            made += [made[i % len(made)] for i in range(missing)]  # for those left out
        for row, (image, boxes) in enumerate(made):
            self._store(data, row, image)
            kept = min(len(boxes), self.label_shape[0])
            label[row, :kept] = boxes[:kept, : self.label_shape[1]]
        return DataBatch([as_array(data)], [as_array(label)], pad=max(pad, missing))

    def draw_next(
        self,
        color: Any = None,
        thickness: int = 2,
        mean: Any = None,
        std: Any = None,
        clip: bool = True,
        waitKey: int | None = None,  # noqa: N803 - MXNet's name
        window_name: str = "draw_next",
        id2labels: Any = None,
    ) -> Iterator[np.ndarray[Any, Any]]:
        """A generator of the images of the epoch, NumPy (h, w, c), with their boxes drawn.

        color: (r, g, b), None for random ones.  thickness: of lines, in pixels.  mean, std: what the augmenters took
        away, True for ImageNet's.  clip: to [0, 255].  waitKey: show each image in a window for so many milliseconds, 0
        until a key is pressed.  id2labels: class -> the text to write on its boxes.
        """
        mean, std = (np.array(given) if v is True else v for v, given in ((mean, MEAN), (std, STD)))
        for sample in self._samples():
            pair = self._decoded(sample)
            if pair is None:
                continue
            image = np.array(as_host(pair[0]), np.float32)
            if std is not None:
                image *= np.asarray(as_host(std), np.float32)
            if mean is not None:
                image += np.asarray(as_host(mean), np.float32)
            if clip:
                image = np.clip(image, 0, 255)
            image = np.ascontiguousarray(image)
            for box in pair[1]:
                _draw(image, box, color, thickness, id2labels)
            if waitKey is not None:
                cv2().imshow(window_name, np.ascontiguousarray(image[:, :, ::-1]).astype(np.uint8))
                cv2().waitKey(waitKey)
            yield image

    def _samples(self) -> Iterator[Any]:
        """The samples up to the end of the epoch."""
        while True:
            try:
                sample = self.next_sample()
            except StopIteration:
                self._done = True
                return
            yield (*sample, self._where)


def _draw(image: np.ndarray[Any, Any], box: Labels, color: Any, thickness: int, texts: Any) -> None:
    height, width = image.shape[:2]
    x1, x2 = (int(side * width) for side in (box[1], box[3]))
    y1, y2 = (int(side * height) for side in (box[2], box[4]))
    chosen = tuple(255 * draws().numpy.rand(3)) if color is None else tuple(color)
    cv2().rectangle(image, (x1, y1), (x2, y2), chosen, thickness)
    if texts is not None and int(box[0]) in texts:
        text = str(texts[int(box[0])])
        ink = np.zeros(image.shape[:2], np.uint8)  # OpenCV writes on bytes only
        cv2().putText(ink, text, (x1 + 5, y1 + 20), cv2().FONT_HERSHEY_SIMPLEX, 0.5, 255, max(thickness // 2, 1))
        image[ink > 127] = chosen
