"""ImageRecordIter and its kin: batches of images and labels from record files, decoded and changed by threads."""

from __future__ import annotations

import functools
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from mx_core import ndarray as nd
from mx_core.data import DataBatch, DataDesc
from mx_core.errors import MXNetError, ParameterError, RecordFileError

from .._opencv import cv2
from ..files import MXDataIter
from .augment import DefaultAugmenter, is_random
from .draws import Draws, draws_of_batch
from .normalize import Normalizer, load_mean_image, save_mean_image
from .parameters import IMAGE, Parameter, describe, read_parameters
from .pipeline import Batch, Cursor, Pipeline, plan_batch
from .source import LabelList, Order, RecordSource, Sample

__all__ = ["ImageRecordInt8Iter", "ImageRecordIter", "ImageRecordUInt8Iter", "RecordIter"]

_PNG = b"\x89PNG"


class RecordIter(MXDataIter, ABC):
    """Base of the iterators over record files: parameters, the pipeline, epochs and their state."""

    _table: dict[str, Parameter] = IMAGE
    _default_dtype = "float32"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args:
            msg = f"[{type(self).__name__}] takes its parameters by name only, got {len(args)} without"
            raise ParameterError(msg)
        plugged = _has_plugged(kwargs.get("aug_seq"))
        own = {name: value for name, value in kwargs.items() if not plugged or name in self._table}
        p = read_parameters(type(self).__name__, self._table, own)
        super().__init__(p.batch_size)
        self._p = p
        self._dtype = p.dtype or self._default_dtype
        cv2()
        labels = LabelList(p.path_imglist, p.label_width) if p.path_imglist else None
        self._source = RecordSource(p.path_imgrec, p.path_imgidx, p.part_index, p.num_parts, labels, p.label_width)
        self._order = Order(self._source, p.shuffle, p.seed, p.shuffle_chunk_size << 20, p.shuffle_chunk_seed)
        self._worker = self._make_worker(kwargs)
        self._pipeline = Pipeline(self._maker(), p.preprocess_threads, p.prefetch_buffer)
        self._cursor = Cursor()
        self._current: Batch | None = None

    @abstractmethod
    def _make_worker(self, given: dict[str, Any]) -> Any:
        """What decodes a record and fills its place in a batch; given: the parameters as they were given."""

    def _label_shape(self) -> tuple[int, ...]:
        width = self._p.label_width
        return (self.batch_size,) if width == 1 else (self.batch_size, width)

    def _maker(self) -> Callable[[Cursor], tuple[Batch, Callable[[int, int], None]]]:
        # The pipeline and its threads must not hold the iterator: a dropped iterator stops them (__del__).
        return functools.partial(
            _make_batch, self._order, len(self._source), self.batch_size, self._p.round_batch,
            (self.batch_size, *self._p.data_shape), self._label_shape(), self._dtype, self._source, self._worker,
        )  # fmt: skip

    @property
    def provide_data(self) -> list[DataDesc]:
        """Name, shape and element type of the images."""
        return [DataDesc(self._p.data_name, (self.batch_size, *self._p.data_shape), np.dtype(self._dtype).type)]

    @property
    def provide_label(self) -> list[DataDesc]:
        """Name, shape and element type of the labels."""
        return [DataDesc(self._p.label_name, self._label_shape(), np.float32)]

    def reset(self) -> None:
        """Begins the next epoch; within one, leaves out the rest of it."""
        cursor = self._cursor
        if cursor.batch == 0:
            return
        self._pipeline.stop()
        number, offset = (cursor.number, cursor.offset) if cursor.ended else (cursor.number + 1, 0)
        self._cursor = Cursor(number, offset, cursor.epoch + 1)

    def iter_next(self) -> bool:
        """Makes the next batch the current one; False when the epoch is over."""
        if self._cursor.ended:
            return False
        plan_after = self._after(self._cursor)
        start, self._cursor = self._cursor, plan_after
        self._current = self._pipeline.take(start)
        return True

    def _after(self, cursor: Cursor) -> Cursor:
        return plan_batch(self._order, len(self._source), self.batch_size, cursor, self._p.round_batch).after

    def _batch(self) -> Batch:
        if self._current is None:
            msg = f"[{type(self).__name__}] there is no current batch; call iter_next() first"
            raise MXNetError(msg)
        return self._current

    def getdata(self) -> Any:
        """The current batch's images, shape (n, c, h, w)."""
        return self._batch().arrays[0]

    def getlabel(self) -> Any:
        """The current batch's labels."""
        return self._batch().arrays[1]

    def getindex(self) -> np.ndarray[Any, Any]:
        """The numbers of the current batch's images."""
        return self._batch().ids

    def getpad(self) -> int:
        """How many images at the end of the current batch only fill it."""
        return self._batch().plan.pad

    def next(self) -> DataBatch:
        """The next batch. Raises StopIteration after the last of the epoch."""
        if not self.iter_next():
            raise StopIteration
        return DataBatch([self.getdata()], [self.getlabel()], self.getpad(), self.getindex())

    def state_dict(self) -> dict[str, Any]:
        """The place in the epoch, to go on from with ``load_state_dict`` on an iterator of the same parameters."""
        return {"n_records": len(self._source), "seed": self._p.seed, **vars(self._cursor)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to the place that ``state_dict`` gave: the next batch is the one that came after it there."""
        if state["n_records"] != len(self._source):
            msg = (
                f"[{type(self).__name__}] the state is of {state['n_records']} records, this iterator has "
                f"{len(self._source)}; load it into an iterator of the same file and part"
            )
            raise ParameterError(msg)
        self._pipeline.stop()
        self._cursor = Cursor(**{name: state[name] for name in ("number", "offset", "epoch", "batch", "ended")})
        self._current = None

    def close(self) -> None:
        """Ends the threads and closes the files. Also done when the iterator is dropped."""
        self._pipeline.close()
        self._source.close()

    def __del__(self) -> None:
        if getattr(self, "_pipeline", None) is not None:
            self._pipeline.close(wait=False)


def _has_plugged(aug_seq: Any) -> bool:
    """Whether aug_seq names augmenters that are not MXNet's own, and may take parameters of any name."""
    names = [name.strip() for name in str(aug_seq or "").split(",") if name.strip()]
    return not all(name in ("aug_default", "det_aug_default") for name in names)


def _make_batch(
    order: Order, n: int, batch_size: int, round_batch: bool, shape: tuple[int, ...], label_shape: tuple[int, ...],
    dtype: str, source: RecordSource, worker: Any, cursor: Cursor,
) -> tuple[Batch, Callable[[int, int], None]]:  # fmt: skip
    """A Batch for ``cursor`` with its arrays, and the function that fills a stretch of it."""
    plan = plan_batch(order, n, batch_size, cursor, round_batch)
    arrays = [nd.empty(shape, dtype=dtype), nd.empty(label_shape, dtype="float32")]
    images, labels = (np.asarray(memoryview(array)) for array in arrays)
    batch = Batch(plan, arrays)
    filled = len(plan.records)
    images[filled:] = 0
    labels[filled:] = 0
    draws = worker.draws(cursor, filled)

    def fill(first: int, last: int) -> None:
        for i in range(first, last):
            if batch.stopped.is_set():
                return
            sample = source.read(int(plan.records[i]))
            batch.ids[i] = sample.id
            worker(sample, draws[i], images[i], labels[i : i + 1])

    return batch, fill


class _ImageWorker:
    """Decodes an image, changes it, and writes it and its labels into the batch."""

    def __init__(self, p: Any, dtype: str, augmenters: list[Callable[[Any, Draws], Any]], random: bool) -> None:
        self._channels = p.data_shape[0]
        self._shape = p.data_shape[1:]
        self._seed = p.seed if p.seed_aug is None else p.seed_aug
        self._augmenters = augmenters
        self._random = random
        self.normalizer = Normalizer(p, dtype)

    def draws(self, cursor: Cursor, n: int) -> list[Draws]:
        """The random numbers for the images of the batch at ``cursor``."""
        if not self._random:
            return [Draws([0.0])] * n
        return draws_of_batch(self._seed, cursor.epoch, cursor.batch, n)

    def changed(self, sample: Sample, draws: Draws) -> Any:
        """The image of a record, decoded and changed, of data_shape's height and width."""
        image = decode(sample, self._channels)
        try:
            for augmenter in self._augmenters:
                image = augmenter(image, draws)
        except MXNetError as error:
            msg = f"{sample.place}: {error}"
            raise type(error)(msg) from error
        if image.shape[:2] != self._shape:
            msg = f"{sample.place}: the augmenters gave an image of {image.shape[:2]}, data_shape says {self._shape}"
            raise ParameterError(msg)
        return image

    def __call__(self, sample: Sample, draws: Draws, out: Any, label: Any) -> None:
        self.normalizer(self.changed(sample, draws), draws, out)
        label[0] = sample.label if label.ndim > 1 else sample.label[0]


def decode(sample: Sample, channels: int) -> np.ndarray[Any, Any]:
    """The image of a record: uint8, (h, w) for 1 channel, else (h, w, channels), blue first.

    As in MXNet: color and gray are converted, 16 bits become 8, a JPEG's EXIF rotation is applied, a PNG's is not.
    """
    module = cv2()
    flag = {1: module.IMREAD_GRAYSCALE, 3: module.IMREAD_COLOR, 4: module.IMREAD_UNCHANGED}[channels]
    if sample.body[:4] == _PNG and channels != 4:
        flag |= module.IMREAD_IGNORE_ORIENTATION
    image = None
    if sample.body:
        try:
            image = module.imdecode(np.frombuffer(sample.body, np.uint8), flag)
        except module.error as error:
            msg = f"{sample.place} holds an image that OpenCV refuses: {error}. Leave it out and run im2rec again"
            raise RecordFileError(msg) from error
    if image is None:
        head = sample.body[:4].hex() or "nothing"
        msg = (
            f"{sample.place} holds no image that can be decoded ({len(sample.body)} bytes that begin with {head}). "
            "Leave it out of the list and run im2rec again; mx-rec verify --images finds all such records"
        )
        raise RecordFileError(msg)
    if channels == 4:
        if image.ndim != 3 or image.shape[2] != 4:
            got = 1 if image.ndim == 2 else image.shape[2]
            msg = (
                f"{sample.place}: Expected 4 channels, got {got}. Set data_shape to (3, h, w), or pack with --color -1"
            )
            raise ParameterError(msg)
        if image.dtype != np.uint8:
            image = (image >> 8).astype(np.uint8)
    return image  # type: ignore[no-any-return]


class ImageRecordIter(RecordIter):
    """Batches of images and labels from a record file, as float32 (or dtype) of shape (n, c, h, w), red first.

        Each image is decoded, resized, turned, padded, cropped, colored, mirrored and normalized, in this order, as the
        parameters say; all by name:

    {parameters}

        Random choices are a function of seed and place in the data alone.

        Raises:
            ParameterError: for a parameter that does not exist, with the nearest that does, or is out of range.
            RecordFileError: for a file that cannot be read, when iterating for a damaged record or image: with the file,
                the record, the byte and the cure.
    """

    def _make_worker(self, given: dict[str, Any]) -> _ImageWorker:
        p = self._p
        names = [name.strip() for name in p.aug_seq.split(",") if name.strip()]
        augmenters = _augmenters(type(self).__name__, names, p, given)
        normalizer = Normalizer(p, self._dtype)
        random = is_random(p) or normalizer.is_random or any(name != "aug_default" for name in names)
        worker = _ImageWorker(p, self._dtype, augmenters, random)
        if p.mean_img:
            mean = load_mean_image(p.mean_img, p.data_shape)
            if mean is None:
                mean = _mean_image(worker, self._source, p.data_shape)
                save_mean_image(p.mean_img, mean)
            worker.normalizer.set_mean_image(mean)
        return worker


def _mean_image(worker: _ImageWorker, source: RecordSource, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    total = np.zeros(shape, np.float64)
    for number in range(len(source)):
        image = worker.changed(source.read(number), Draws([0.5]))
        total += np.atleast_3d(image)[:, :, [2, 1, 0, 3][: shape[0]] if shape[0] > 1 else [0]].transpose(2, 0, 1)
    return (total / len(source)).astype(np.float32)


def _augmenters(operator: str, names: list[str], p: Any, given: dict[str, Any]) -> list[Callable[[Any, Draws], Any]]:
    others = [name for name in names if name != "aug_default"]
    if not others:
        return [DefaultAugmenter(p, operator) for _ in names]
    from .plugged import Plugged, plugged_augmenters

    made = plugged_augmenters(operator, others, given, IMAGE)
    found: list[Callable[[Any, Draws], Any]] = []
    for is_default, group in itertools.groupby(names, "aug_default".__eq__):
        found += [DefaultAugmenter(p, operator)] if is_default else [Plugged([made[name] for name in group])]
    return found


class ImageRecordUInt8Iter(ImageRecordIter):
    """ImageRecordIter with images of uint8, without normalization."""

    _default_dtype = "uint8"


class ImageRecordInt8Iter(ImageRecordIter):
    """ImageRecordIter with images of int8: less the mean, kept in -128 to 127, without other normalization."""

    _default_dtype = "int8"


ImageRecordIter.__doc__ = str(ImageRecordIter.__doc__).replace("{parameters}", describe(IMAGE))
ImageRecordIter_v1 = ImageRecordIter
ImageRecordUInt8Iter_v1 = ImageRecordUInt8Iter
