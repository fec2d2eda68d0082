"""The parameters of the record iterators: their names, defaults and ranges, and how a value given as text is read."""

# ruff: noqa: E501 - a table
from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from mx_core.errors import ParameterError, unknown_parameter

__all__ = ["AUGMENTATION", "COMMON", "DETECTION", "IMAGE", "Parameter", "describe", "read_parameters"]

_REQUIRED = object()


@dataclass(frozen=True)
class Parameter:
    """One parameter: its default, what reads its value, and what it means."""

    default: Any
    read: Callable[[Any], Any]
    meaning: str


def _literal(value: Any) -> Any:
    return ast.literal_eval(value) if isinstance(value, str) else value


def _int(low: int | None = None) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = _literal(value)
        if isinstance(number, float) and not number.is_integer():
            msg = "a whole number"
            raise ValueError(msg)
        if low is not None and number < low:
            msg = f"a whole number >= {low}"
            raise ValueError(msg)
        return int(number)

    return read


def _float(low: float | None = None, high: float | None = None) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        number = float(value)
        if not (number == number and (low is None or number >= low) and (high is None or number <= high)):
            msg = f"a number >= {low}" if high is None else f"a number from {low} to {high}"
            raise ValueError(msg)
        return number

    return read


def _optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value in (None, "None") else read(value)


def _bool(value: Any) -> bool:
    if value in (True, False):
        return bool(value)
    text = str(value).lower()
    if text not in ("true", "false", "1", "0"):
        msg = "True or False"
        raise ValueError(msg)
    return text in ("true", "1")


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _shape(value: Any) -> tuple[int, ...]:
    shape = tuple(int(dim) for dim in _literal(value))
    if len(shape) != 3 or shape[0] not in (1, 3, 4) or min(shape) < 1:
        msg = "(channels, height, width) with 1, 3 or 4 channels"
        raise ValueError(msg)
    return shape


def _numbers(kind: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def read(value: Any) -> tuple[Any, ...]:
        value = _literal(value)
        return tuple(kind(item) for item in (value if isinstance(value, Iterable) else (value,)))

    return read


def _choice(*choices: Any) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if value not in choices:
            msg = "one of " + ", ".join(map(str, choices))
            raise ValueError(msg)
        return value

    return read


def _dtype(value: Any) -> str | None:
    import numpy as np

    if value in (None, "None"):
        return None
    name = value if isinstance(value, str) else np.dtype(value).name
    return str(_choice("float16", "float32", "float64", "int8", "int32", "int64", "uint8")(name))


_INTERPOLATION = _choice(0, 1, 2, 3, 4, 9, 10)


def _interpolation(value: Any) -> int:
    return int(_INTERPOLATION(_int()(value)))


COMMON = {
    "path_imgrec": Parameter(_REQUIRED, _text, "a .rec file, several separated by ';', or a folder of them"),
    "path_imglist": Parameter("", _text, "a .lst file: its labels, found by image number, replace the records' own"),
    "path_imgidx": Parameter("", _text, "the .idx file: the records it lists are read, without a look at the others"),
    "data_shape": Parameter(_REQUIRED, _shape, "(channels, height, width) of an image in the batch; 1 is gray, 4 has alpha"),
    "batch_size": Parameter(_REQUIRED, _int(1), "images in a batch"),
    "label_width": Parameter(1, _int(1), "labels of an image"),
    "aug_seq": Parameter("aug_default", _text, "names of the augmenters, separated by commas, in their order"),
    "preprocess_threads": Parameter(4, _int(1), "threads that decode and change images"),
    "prefetch_buffer": Parameter(4, _int(0), "batches made ahead"),
    "verbose": Parameter(True, _bool, "kept for programs that set it; nothing is printed"),
    "num_parts": Parameter(1, _int(1), "how many parts the records are split into, among workers"),
    "part_index": Parameter(0, _int(0), "which of the parts is read, from 0"),
    "shuffle": Parameter(False, _bool, "a new random order in each epoch"),
    "shuffle_chunk_size": Parameter(
        0, _int(0), "shuffle only within stretches of so many MB, and their order, for slow disks; 0: among all records"
    ),
    "shuffle_chunk_seed": Parameter(0, _int(), "added to seed where stretches are shuffled"),
    "seed": Parameter(0, _int(), "of all random choices: one seed gives the same batches, whatever the threads"),
    "seed_aug": Parameter(None, _optional(_int()), "of the augmentations alone; None: seed"),
    "round_batch": Parameter(
        True, _bool, "fill the last batch with the first images of the next epoch, which then leaves them out; else with zeros"
    ),
    "dtype": Parameter(None, _dtype, "element type of the images; None: the iterator's own"),
    "ctx": Parameter("gpu", _choice("cpu", "gpu", "cpu_pinned"), "kept for programs that set it; batches are in host memory"),
    "device_id": Parameter(0, _int(), "kept for programs that set it; batches are in host memory"),
    "data_name": Parameter("data", _text, "name of the images in provide_data"),
    "label_name": Parameter("softmax_label", _text, "name of the labels in provide_label"),
}  # fmt: skip

NORMALIZATION = {
    "mean_img": Parameter("", _text, "a file with the mean image, subtracted; made from all records where it does not exist"),
    **{f"mean_{c}": Parameter(0.0, _float(), f"subtracted from channel {c}") for c in "rgba"},
    **{f"std_{c}": Parameter(1.0, _float(), f"divides channel {c}") for c in "rgba"},
    "scale": Parameter(1.0, _float(), "multiplies every channel"),
}

AUGMENTATION = {
    "resize": Parameter(-1, _int(), "the shorter edge is scaled to this first; -1: not"),
    "rand_crop": Parameter(False, _bool, "crop at a random place instead of the middle"),
    "random_resized_crop": Parameter(False, _bool, "crop a random area of a random aspect ratio and scale it to data_shape"),
    "max_rotate_angle": Parameter(0, _int(0), "rotate by a random whole number of degrees in [-v, v]"),
    "rotate": Parameter(-1, _int(), "rotate by this angle in degrees instead; -1: not"),
    "max_aspect_ratio": Parameter(0.0, _float(0), "aspect ratio in [1 - v, 1 + v]; with min_aspect_ratio, its upper bound"),
    "min_aspect_ratio": Parameter(None, _optional(_float(0)), "lower bound of the aspect ratio"),
    "max_shear_ratio": Parameter(0.0, _float(0), "shear (x, y) -> (x + m y, y), m in [-v, v]"),
    "max_crop_size": Parameter(-1, _int(), "crop a square of a random edge up to this, scaled to data_shape; -1: not"),
    "min_crop_size": Parameter(-1, _int(), "lower bound of that edge"),
    "max_random_scale": Parameter(1.0, _float(0), "scale by a random factor up to this"),
    "min_random_scale": Parameter(1.0, _float(0), "lower bound of that factor"),
    "max_random_area": Parameter(1.0, _float(0), "random_resized_crop: share of the area, upper bound"),
    "min_random_area": Parameter(1.0, _float(0), "random_resized_crop: share of the area, lower bound"),
    "max_img_size": Parameter(1e10, _float(0), "upper bound of width and height after scaling and rotating"),
    "min_img_size": Parameter(0.0, _float(0), "lower bound of width and height after scaling and rotating"),
    "brightness": Parameter(0.0, _float(0), "multiply by a random factor in [1 - v, 1 + v]"),
    "contrast": Parameter(0.0, _float(0), "blend with the mean gray by a random factor in [1 - v, 1 + v]"),
    "saturation": Parameter(0.0, _float(0), "blend with the gray image by a random factor in [1 - v, 1 + v]"),
    "hue": Parameter(0.0, _float(0), "turn the hue by a random angle in [-v, v] times 180 degrees"),
    "pca_noise": Parameter(0.0, _float(0), "standard deviation of noise along the principal colors of ImageNet"),
    "random_h": Parameter(0, _int(0), "add a random number in [-v, v] to H of HLS (0 to 180)"),
    "random_s": Parameter(0, _int(0), "add a random number in [-v, v] to S of HLS (0 to 255)"),
    "random_l": Parameter(0, _int(0), "add a random number in [-v, v] to L of HLS (0 to 255)"),
    "fill_value": Parameter(255, _int(0), "color of what rotating and padding uncover"),
    "inter_method": Parameter(1, _interpolation, "interpolation: 0 nearest, 1 bilinear, 2 cubic, 3 area, 4 Lanczos, "
                              "9 cubic to enlarge and area to shrink, 10 random"),
    "pad": Parameter(0, _int(0), "add so many pixels on each side"),
    "mirror": Parameter(False, _bool, "flip left and right"),
    "rand_mirror": Parameter(False, _bool, "flip left and right one image of two"),
    "max_random_contrast": Parameter(0.0, _float(0), "multiply the normalized image by a factor in [1 - v, 1 + v]"),
    "max_random_illumination": Parameter(0.0, _float(0), "add a number in [-v, v] to all of the normalized image"),
}  # fmt: skip

IMAGE = {**COMMON, **AUGMENTATION, **NORMALIZATION}

_nonnegative = _numbers(_float(0))

DETECTION = {
    **{name: value for name, value in COMMON.items() if name != "seed_aug"},
    **{name: AUGMENTATION[name] for name in ("resize", "inter_method")},
    **NORMALIZATION,
    "aug_seq": Parameter("det_aug_default", _text, COMMON["aug_seq"].meaning),
    "label_width": Parameter(-1, _int(-1), "labels of an image; -1: as many as it has"),
    "label_pad_width": Parameter(0, _int(-1), "labels are padded to this many; 0 or -1: to the most that a record has"),
    "label_pad_value": Parameter(-1.0, _float(), "what labels are padded with"),
    "rand_crop_prob": Parameter(0.0, _float(0, 1), "probability of trying random crops"),
    "num_crop_sampler": Parameter(1, _int(1), "how many kinds of crop there are; each tuple below has one value for each, or one for all"),
    "min_crop_scales": Parameter((0.0,), _nonnegative, "least scale of the crop: the root of its share of the area"),
    "max_crop_scales": Parameter((1.0,), _nonnegative, "largest scale of the crop"),
    "min_crop_aspect_ratios": Parameter((1.0,), _nonnegative, "least aspect ratio, width to height, of the crop"),
    "max_crop_aspect_ratios": Parameter((1.0,), _nonnegative, "largest aspect ratio of the crop"),
    "min_crop_overlaps": Parameter((0.0,), _nonnegative, "least intersection over union of crop and an object"),
    "max_crop_overlaps": Parameter((1.0,), _nonnegative, "largest intersection over union of crop and an object"),
    "min_crop_sample_coverages": Parameter((0.0,), _nonnegative, "least share of the crop that an object covers"),
    "max_crop_sample_coverages": Parameter((1.0,), _nonnegative, "largest share of the crop that an object covers"),
    "min_crop_object_coverages": Parameter((0.0,), _nonnegative, "least share of an object that the crop covers"),
    "max_crop_object_coverages": Parameter((1.0,), _nonnegative, "largest share of an object that the crop covers"),
    "max_crop_trials": Parameter((25,), _numbers(_int(0)), "how often each kind of crop is tried"),
    "crop_emit_mode": Parameter("center", _choice("center", "overlap"), "objects left out of a crop: center: those whose "
                                "middle is outside; overlap: those of which less than emit_overlap_thresh is inside"),
    "emit_overlap_thresh": Parameter(0.3, _float(0, 1), "for crop_emit_mode overlap"),
    "rand_pad_prob": Parameter(0.0, _float(0, 1), "probability of padding at random"),
    "max_pad_scale": Parameter(1.0, _float(1), "largest size of the padded image, relative to the image"),
    "max_random_hue": Parameter(0, _int(0), "add a random number in [-v, v] to H of HLS"),
    "random_hue_prob": Parameter(0.0, _float(0, 1), "probability of that"),
    "max_random_saturation": Parameter(0, _int(0), "add a random number in [-v, v] to S of HLS"),
    "random_saturation_prob": Parameter(0.0, _float(0, 1), "probability of that"),
    "max_random_illumination": Parameter(0, _int(0), "add a random number in [-v, v] to L of HLS"),
    "random_illumination_prob": Parameter(0.0, _float(0, 1), "probability of that"),
    "max_random_contrast": Parameter(0.0, _float(0), "multiply by a random factor in [1 - v, 1 + v]"),
    "random_contrast_prob": Parameter(0.0, _float(0, 1), "probability of that"),
    "rand_mirror_prob": Parameter(0.0, _float(0, 1), "probability of flipping left and right, boxes too"),
    "fill_value": Parameter(127, _int(0), "color of the padding"),
    "resize_mode": Parameter("force", _choice("fit", "force", "shrink"), "force: scale to data_shape; shrink: keep the aspect "
                             "ratio and never enlarge; fit: keep the aspect ratio"),
    **{f"std_{c}": Parameter(0.0, _float(), f"divides channel {c}; 0: not") for c in "rgba"},
}  # fmt: skip


def describe(table: dict[str, Parameter]) -> str:
    """A line for each parameter: name, default and meaning."""
    lines = []
    for name, parameter in table.items():
        default = "required" if parameter.default is _REQUIRED else repr(parameter.default)
        lines.append(f"    {name} ({default}): {parameter.meaning}.")
    return "\n".join(lines)


def read_parameters(operator: str, table: dict[str, Parameter], given: dict[str, Any]) -> SimpleNamespace:
    """The values of all parameters of ``table``, from ``given`` or by default.

    Raises ParameterError for a name that is not in the table, with the nearest one that is; for one that is missing;
    and for a value out of range.
    """
    values = SimpleNamespace()
    for name in given:
        if name not in table:
            unknown_parameter(operator, name, list(table))
    for name, parameter in table.items():
        value = given.get(name, parameter.default)
        if value is _REQUIRED:
            msg = f"[{operator}] needs {name}: {parameter.meaning}"
            raise ParameterError(msg)
        if name in given:
            try:
                value = parameter.read(value)
            except (ValueError, TypeError, SyntaxError) as error:
                msg = f"[{operator}] {name} must be {error}, got {value!r}: {parameter.meaning}"
                raise ParameterError(msg) from error
        setattr(values, name, value)
    if values.part_index >= values.num_parts:
        msg = f"[{operator}] part_index must be less than num_parts = {values.num_parts}, got {values.part_index}"
        raise ParameterError(msg)
    return values
