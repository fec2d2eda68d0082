"""ImageDetRecordIter: batches of images and of labels with boxes, changed together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mx_core.errors import ParameterError

from .._opencv import cv2
from .augment import color_by_hls, interpolation
from .boxes import Boxes, Crop
from .draws import Draws, draws_of_batch
from .iterators import RecordIter, decode
from .normalize import Normalizer, load_mean_image
from .parameters import DETECTION, Parameter, describe
from .pipeline import Cursor
from .source import Sample

__all__ = ["ImageDetRecordIter"]

_SAMPLER = (
    "crop_scales", "crop_aspect_ratios", "crop_overlaps", "crop_sample_coverages", "crop_object_coverages",
)  # fmt: skip


class DetectionAugmenter:
    """The changes that ImageDetRecordIter's parameters ask for: color, mirror, padding, crop, size.

    Calling it with an image, its Boxes and its Draws changes the boxes and gives the image.
    """

    def __init__(self, p: Any) -> None:
        self._p = p
        self._samplers = [self._sampler(number) for number in range(p.num_crop_sampler)]
        self._color = bool(p.random_hue_prob or p.random_saturation_prob or p.random_illumination_prob)

    def _sampler(self, number: int) -> dict[str, Any]:
        """The ranges of one kind of crop: name -> (least, largest), and the number of trials."""
        found: dict[str, Any] = {}
        for name in _SAMPLER:
            low, high = (self._value(f"{bound}_{name}", number) for bound in ("min", "max"))
            if low > high:
                msg = f"[ImageDetRecordIter] min_{name} = {low} must not exceed max_{name} = {high}"
                raise ParameterError(msg)
            found[name] = (low, high)
        found["trials"] = self._value("max_crop_trials", number)
        return found

    def _value(self, name: str, number: int) -> Any:
        values = getattr(self._p, name)
        if len(values) not in (1, self._p.num_crop_sampler):
            wanted = f"num_crop_sampler = {self._p.num_crop_sampler} values or one"
            msg = f"[ImageDetRecordIter] {name} must have {wanted}, got {values}"
            raise ParameterError(msg)
        return values[number if len(values) > 1 else 0]

    def __call__(self, image: np.ndarray[Any, Any], boxes: Boxes, draws: Draws) -> np.ndarray[Any, Any]:
        """The changed image, uint8, at most of data_shape's height and width."""
        p = self._p
        if p.resize > 0:
            height, width = image.shape[:2]
            edge = p.resize
            size = (edge * height // width, edge) if height > width else (edge, edge * width // height)
            image = self._resized(image, *size, draws)
        if image.ndim == 3 and image.shape[2] == 3:
            image = self._colored(image, draws)
        if draws.uniform() < p.rand_mirror_prob:
            image = cv2().flip(image, 1)
            boxes.mirror()
        if p.max_pad_scale > 1 and draws.uniform() < p.rand_pad_prob:
            image = self._padded(image, boxes, draws)
        if draws.uniform() < p.rand_crop_prob:
            image = self._cropped(image, boxes, draws)
        return self._sized(image, draws)

    def _resized(self, image: np.ndarray[Any, Any], height: int, width: int, draws: Draws) -> np.ndarray[Any, Any]:
        method = interpolation(self._p.inter_method, *image.shape[:2], height, width, draws)
        return cv2().resize(image, (width, height), interpolation=method)  # type: ignore[no-any-return]

    def _colored(self, image: np.ndarray[Any, Any], draws: Draws) -> np.ndarray[Any, Any]:
        p = self._p
        if self._color:
            shifts = [
                int(draws.uniform(-largest, largest)) if draws.uniform() < probability else 0
                for probability, largest in (
                    (p.random_hue_prob, p.max_random_hue),
                    (p.random_illumination_prob, p.max_random_illumination),
                    (p.random_saturation_prob, p.max_random_saturation),
                )
            ]
            if any(shifts):
                image = color_by_hls(image, *shifts)
        if p.max_random_contrast and draws.uniform() < p.random_contrast_prob:
            image = cv2().convertScaleAbs(image, alpha=1 + draws.uniform(-p.max_random_contrast, p.max_random_contrast))
        return image

    def _padded(self, image: np.ndarray[Any, Any], boxes: Boxes, draws: Draws) -> np.ndarray[Any, Any]:
        height, width = image.shape[:2]
        scale = draws.uniform(1, self._p.max_pad_scale)
        new_height, new_width = int(height * scale), int(width * scale)
        top, left = draws.integer(0, new_height - height), draws.integer(0, new_width - width)
        boxes.pad((-left / width, -top / height, new_width / width, new_height / height))
        border = (top, new_height - height - top, left, new_width - width - left)
        fill = (self._p.fill_value,) * 4
        return cv2().copyMakeBorder(image, *border, cv2().BORDER_CONSTANT, value=fill)  # type: ignore[no-any-return]

    def _cropped(self, image: np.ndarray[Any, Any], boxes: Boxes, draws: Draws) -> np.ndarray[Any, Any]:
        """The first crop that satisfies its sampler and keeps an object; the whole image where none does."""
        height, width = image.shape[:2]
        by_center = self._p.crop_emit_mode == "center"
        for sampler in draws.shuffled(self._samplers):
            for _ in range(sampler["trials"]):
                crop = _random_crop(sampler, width / height, draws)
                if crop is None or not _suits(sampler, boxes, crop):
                    continue
                x, y = int(crop[0] * width), int(crop[1] * height)
                w, h = max(1, int(crop[2] * width)), max(1, int(crop[3] * height))
                if boxes.crop((x / width, y / height, w / width, h / height), by_center, self._p.emit_overlap_thresh):
                    return image[y : y + h, x : x + w]
        return image

    def _sized(self, image: np.ndarray[Any, Any], draws: Draws) -> np.ndarray[Any, Any]:
        """The image in data_shape: filling it, or, with its aspect ratio kept, from its upper left corner."""
        p = self._p
        _, height, width = p.data_shape
        if p.resize_mode != "force":
            shape = np.array(image.shape[:2], np.float32)  # MXNet's arithmetic, which decides about a pixel
            scale = (np.array([height, width], np.float32) / shape).min()
            if p.resize_mode == "shrink":
                scale = min(scale, np.float32(1))
            height, width = (max(1, int(edge)) for edge in shape * scale)
        return image if image.shape[:2] == (height, width) else self._resized(image, height, width, draws)


def _random_crop(sampler: dict[str, Any], image_ratio: float, draws: Draws) -> Crop | None:
    """A crop with the sampler's scale (the root of its share of the area) and aspect ratio; None where they exclude."""
    scale = draws.uniform(*sampler["crop_scales"])
    low, high = sampler["crop_aspect_ratios"]
    low = max(low / image_ratio, scale * scale)
    high = min(high / image_ratio, 1 / (scale * scale) if scale else math.inf)
    if low > high or scale == 0:
        return None
    root = math.sqrt(draws.uniform(low, high))
    width, height = min(1.0, scale * root), min(1.0, scale / root)
    return draws.uniform(0, 1 - width), draws.uniform(0, 1 - height), width, height


def _suits(sampler: dict[str, Any], boxes: Boxes, crop: Crop) -> bool:
    """Whether one object at least has all shares in the sampler's ranges; without objects or ranges, any crop does."""
    names = _SAMPLER[2:]
    if not len(boxes.objects) or all(sampler[name] == (0, 1) for name in names):
        return True
    suiting = np.ones(len(boxes.objects), bool)
    for name, shares in zip(names, boxes.shares(crop), strict=True):
        low, high = sampler[name]
        if (low, high) != (0, 1):
            suiting &= (shares >= low) & (shares <= high)
    return bool(suiting.any())


class _DetectionWorker:
    """Decodes an image, changes it and its boxes, and writes both into the batch."""

    def __init__(self, p: Any, dtype: str) -> None:
        self._p = p
        self._augmenter = DetectionAugmenter(p)
        self.normalizer = Normalizer(_without_color_noise(p), dtype)

    def draws(self, cursor: Cursor, n: int) -> list[Draws]:
        """The random numbers for the images of the batch at ``cursor``."""
        return draws_of_batch(self._p.seed, cursor.epoch, cursor.batch, n)

    def __call__(self, sample: Sample, draws: Draws, out: Any, label: Any) -> None:
        boxes = Boxes(sample.label, sample.place)
        image = self._augmenter(decode(sample, self._p.data_shape[0]), boxes, draws)
        height, width = image.shape[:2]
        if (height, width) == out.shape[1:]:
            self.normalizer(image, draws, out)
        else:
            part = np.empty((out.shape[0], height, width), out.dtype)
            self.normalizer(image, draws, part)
            out[:] = 0
            out[:, :height, :width] = part
        flat = boxes.label()
        row = label[0]
        if len(flat) > len(row) - 4:
            msg = (
                f"{sample.place}: its label has {len(flat)} values, label_pad_width is {len(row) - 4}. Set label_pad_width "
                "to at least the longest, or leave it out to have that found"
            )
            raise ParameterError(msg)
        row[:4] = (out.shape[0], height, width, len(flat))
        row[4 : 4 + len(flat)] = flat
        row[4 + len(flat) :] = self._p.label_pad_value


def _without_color_noise(p: Any) -> Any:
    """The parameters for normalization alone: contrast and illumination have another meaning there."""
    from types import SimpleNamespace

    kept = {name: value for name, value in vars(p).items() if name.startswith(("mean_", "std_")) or name == "scale"}
    return SimpleNamespace(data_shape=p.data_shape, mirror=False, **kept)


class ImageDetRecordIter(RecordIter):
    """Batches of images and of labels with boxes from a record file, for object detection.

        The images are float32 (or dtype) of shape (n, c, h, w), red first. A row of the labels, shape (n, 4 + width), is
        channels, height and width of the image, the length of its label, the label (header length, object length, header,
        objects of class, left, top, right, bottom, ...), and padding. Parameters, all by name:

    {parameters}

        Raises:
            ParameterError: for a parameter that does not exist, with the nearest that does, or is out of range.
            RecordFileError: for a file that cannot be read, when iterating for a damaged record, image or label.
    """

    _table: dict[str, Parameter] = DETECTION

    def _make_worker(self, given: dict[str, Any]) -> _DetectionWorker:
        p = self._p
        if p.aug_seq not in ("det_aug_default", ""):
            msg = f"[ImageDetRecordIter] aug_seq must be det_aug_default, got {p.aug_seq!r}. See mx.image.ImageDetIter"
            raise ParameterError(msg)
        longest = p.label_pad_width if p.label_pad_width > 0 else max(self._label_lengths())
        self._width = max(longest, p.label_width)
        worker = _DetectionWorker(p, self._dtype)
        if p.mean_img:
            mean = load_mean_image(p.mean_img, p.data_shape)
            if mean is None:
                msg = f"[ImageDetRecordIter] mean_img: there is no file {p.mean_img}; ImageRecordIter makes one"
                raise ParameterError(msg)
            worker.normalizer.set_mean_image(mean)
        return worker

    def _label_lengths(self) -> list[int]:
        return [self._source.n_labels(number) for number in range(len(self._source))]

    def _label_shape(self) -> tuple[int, ...]:
        return (self.batch_size, self._width + 4)


ImageDetRecordIter.__doc__ = str(ImageDetRecordIter.__doc__).replace("{parameters}", describe(DETECTION))
