"""The same calls of mx.image here and in MXNet 1.9.1, whose results are in ``expected_image_1_9_1.json``.

Made with a Python that has MXNet 1.9.1: ``python image_program.py > expected_image_1_9_1.json``. Images are kept as
[shape, dtype, mean, some pixels].
"""

# ruff: noqa: B023 - every function is called before its loop goes on
import json
import os
import random
import struct
import sys
import tempfile
import zlib

import numpy as np


def png(pixels):
    """A PNG file of pixels (h, w, c), uint8 or uint16: gray, gray and alpha, RGB, RGBA."""
    depth = 16 if pixels.dtype == np.uint16 else 8
    height, width, channels = pixels.shape
    rows = pixels.astype(">u2" if depth == 16 else np.uint8).reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def summary(value):
    """A result as JSON holds it."""
    if hasattr(value, "asnumpy"):
        value = value.asnumpy()
    if isinstance(value, np.ndarray):
        flat = value.astype("float64").ravel()
        some = flat[:: max(1, flat.size // 6)][:8]
        return [list(value.shape), str(value.dtype), round(float(flat.mean()), 4), [round(float(v), 4) for v in some]]
    if isinstance(value, (tuple, list)):
        return [summary(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def photograph(height, width, seed=0):
    """Smooth colors with some noise."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(y / (3 + k) + k) + np.cos(x / (4 - k) + 2 * k) for k in range(3)]
    return (128 + 50 * np.dstack(waves) + rng.uniform(-20, 20, (height, width, 3))).astype(np.uint8)


class Results(dict):
    """Results by name; every call starts from the same random numbers."""

    def add(self, name, function, times=1):
        random.seed(7)
        np.random.seed(7)
        try:
            self[name] = summary([function() for _ in range(times)])
        except Exception:
            self[name] = "error"


def functions(mx, results):
    """Decoding, resizing, crops, borders, rotation."""
    image = mx.image
    source = photograph(13, 17)
    for dtype in ("uint8", "float32"):
        src = mx.nd.array(source, dtype=dtype)
        for interp in (0, 1, 2, 3, 4, 9, 10):
            if interp < 5:
                for size in ((30, 25), (7, 5), (7, 25)):
                    results.add(f"resize {dtype} {size} {interp}", lambda: image.imresize(src, *size, interp=interp))
            results.add(f"short {dtype} {interp}", lambda: image.resize_short(src, 8, interp), 3)
            for size in ((9, 11), (9, 3), (6, 9)):
                results.add(f"crop {dtype} {size} {interp}", lambda: image.fixed_crop(src, 2, 3, 6, 5, size, interp))
        for size in ((5, 6), (50, 6), (40, 50)):
            results.add(f"random_crop {dtype} {size}", lambda: image.random_crop(src, size), 4)
            results.add(f"center_crop {dtype} {size}", lambda: image.center_crop(src, size))
        for area in (0.5, (0.1, 0.9), 1):
            results.add(
                f"random_size_crop {dtype} {area}", lambda: image.random_size_crop(src, (6, 5), area, (0.75, 1.33)), 8
            )
        for kind in range(6):
            results.add(f"border {dtype} {kind}", lambda: image.image.copyMakeBorder(src, 1, 2, 3, 4, kind, value=9.0))
        results.add(
            f"border {dtype} values", lambda: image.image.copyMakeBorder(src, 1, 2, 3, 4, type=0, values=(1, 2, 3))
        )
    x = mx.nd.array(np.arange(105).reshape(3, 5, 7))
    for degrees in (0, 30, 90, -45, 400, 7.5):
        for zoom in ((False, False), (True, False), (False, True)):
            results.add(f"imrotate {degrees} {zoom}", lambda: image.imrotate(x, degrees, *zoom))
    batch = mx.nd.stack(x, x * 2)
    results.add("imrotate batch", lambda: image.imrotate(batch, mx.nd.array([10, -20])))
    results.add("random_rotate", lambda: image.random_rotate(x, (-10, 30)), 3)
    results.add("random_rotate batch", lambda: image.random_rotate(batch, (-10, 30), False, True))
    for size in ((720, 120), (20, 30), (5, 5), (7000, 200)):
        results.add(f"scale_down {size}", lambda: image.scale_down((640, 480), size))
    for name, pixels in (
        ("gray", source[:, :, :1]), ("rgb", source), ("rgba", np.dstack([source, source[:, :, :1]])),
        ("gray alpha", source[:, :, :2]), ("16 bits", source.astype(np.uint16) * 257), ("16 bits gray", source[:, :, :1].astype(np.uint16) * 251),
    ):  # fmt: skip
        for flag in (0, 1):
            results.add(f"imdecode {name} {flag}", lambda: image.imdecode(png(pixels), flag=flag))
    results.add("imdecode bgr", lambda: image.imdecode(png(source), to_rgb=0))


def augmenters(mx, results):
    """Augmenters with seeded draws, and what they dump."""
    image = mx.image
    src = mx.nd.array(photograph(13, 17), dtype="uint8")
    floating = src.astype("float32")
    vectors = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.814], [-0.5836, -0.6948, 0.4203]])
    made = [
        image.BrightnessJitterAug(0.3), image.ContrastJitterAug(0.3), image.SaturationJitterAug(0.4), image.HueJitterAug(0.3),
        image.LightingAug(0.3, np.array([55.46, 4.794, 1.148]), vectors), image.RandomGrayAug(0.5), image.ColorJitterAug(0.3, 0.2, 0.4),
        image.ColorJitterAug(0, 0.2, 0.4), image.HorizontalFlipAug(0.5), image.ColorNormalizeAug(np.array([1.0, 2, 3]), np.array([2.0, 2, 3])),
        image.ColorNormalizeAug(np.array([1.0, 2, 3]), None), image.ResizeAug(9), image.ForceResizeAug((9, 4)), image.RandomCropAug((9, 4)),
        image.RandomSizedCropAug((9, 4), 0.3, (0.5, 2.0)), image.CenterCropAug((9, 4)), image.CastAug("float16"),
        image.RandomOrderAug([image.BrightnessJitterAug(0.3), image.HueJitterAug(0.2), image.HorizontalFlipAug(0.5)]),
    ]  # fmt: skip
    for number, change in enumerate(made):
        results.add(f"{number} {type(change).__name__}", lambda: change(floating.copy()), 4)
        results[f"{number} dumps"] = change.dumps()
    everything = {
        "resize": 14, "rand_crop": True, "rand_resize": True, "rand_mirror": True, "mean": True, "std": True, "brightness": 0.1,
        "contrast": 0.2, "saturation": 0.3, "hue": 0.1, "pca_noise": 0.05, "rand_gray": 0.2,
    }  # fmt: skip
    for name, given in (
        ("all", everything), ("interp 10", dict(everything, inter_method=10)), ("interp 9", dict(everything, inter_method=9)),
        ("crop", {"rand_crop": True}), ("mean", {"mean": np.array([1, 2, 3]), "std": np.array([3.0, 2, 1])}), ("plain", {}),
    ):  # fmt: skip
        changes = image.CreateAugmenter((3, 6, 8), **given)
        results[f"CreateAugmenter {name} dumps"] = [change.dumps() for change in changes]

        def apply(changes=changes):
            out = src.copy()
            for change in changes:
                out = change(out)
            return out

        results.add(f"CreateAugmenter {name}", apply, 5)


LABELS = np.array([[0, 0.1, 0.1, 0.5, 0.6, 7], [1, 0.4, 0.5, 0.9, 0.8, 8], [2, 0.8, 0.1, 0.95, 0.2, 9]])


def detection(mx, results):
    """Detection augmenters with seeded draws."""
    image = mx.image
    src = mx.nd.array(photograph(40, 50), dtype="uint8")
    crops = [
        {}, {"min_object_covered": 0.7}, {"min_object_covered": 0.0, "area_range": (0.01, 0.3)}, {"aspect_ratio_range": (0.2, 5.0)},
        {"aspect_ratio_range": 1.0, "area_range": 0.5}, {"area_range": (0.3, 3.0), "min_eject_coverage": 0.9},
        {"max_attempts": 2, "min_object_covered": 0.95},
    ]  # fmt: skip
    for given in crops:
        change = image.DetRandomCropAug(**given)
        results.add(f"DetRandomCropAug {given}", lambda: change(src, LABELS.copy()), 12)
    for given in (
        {},
        {"area_range": (1.5, 4.0)},
        {"aspect_ratio_range": (0.2, 5.0)},
        {"aspect_ratio_range": 1.0},
        {"pad_val": (1, 2, 3)},
    ):
        change = image.DetRandomPadAug(**given)
        results.add(f"DetRandomPadAug {given}", lambda: change(src, LABELS.copy()), 8)
    change = image.DetHorizontalFlipAug(0.5)
    results.add("DetHorizontalFlipAug", lambda: change(src, LABELS.copy()), 6)
    many = [[0.1, 0.3, 0.9], [(0.75, 1.33)] * 3, [(0.1, 1.0)] * 3, [0.3] * 3, [50] * 3]
    change = image.CreateMultiRandCropAugmenter(*many, skip_prob=0.3)
    results.add("CreateMultiRandCropAugmenter", lambda: change(src, LABELS.copy()), 10)
    everything = {
        "resize": 60, "rand_crop": 0.5, "rand_pad": 0.4, "rand_mirror": True, "mean": True, "std": True, "brightness": 0.1, "contrast": 0.2,
        "saturation": 0.3, "hue": 0.1, "pca_noise": 0.05, "rand_gray": 0.2, "inter_method": 1, "min_object_covered": [0.3, 0.5],
        "area_range": (0.3, 3.0),
    }  # fmt: skip
    for name, given in (("all", everything), ("plain", {}), ("pad", {"rand_pad": 1.0, "rand_crop": 1.0})):
        changes = image.CreateDetAugmenter((3, 6, 8), **given)
        results[f"CreateDetAugmenter {name} dumps"] = [change.dumps() for change in changes]

        def apply(changes=changes):
            out, labels = src.copy(), LABELS.copy()
            for change in changes:
                out, labels = change(out, labels)
            return out, labels

        results.add(f"CreateDetAugmenter {name}", apply, 6)


def write_images(mx, folder):
    """Seven images in a folder, with two lists and a record file."""
    os.makedirs(os.path.join(folder, "sub"))
    record = mx.recordio.MXIndexedRecordIO(os.path.join(folder, "a.idx"), os.path.join(folder, "a.rec"), "w")
    one, two = [], []
    for i in range(7):
        content = png(np.full((6, 7, 3), i + 1, np.uint8))
        with open(os.path.join(folder, "sub", f"v{i}.png"), "wb") as file:
            file.write(content)
        one.append(f"{i}\t{i * 10}\tsub/v{i}.png\n")
        two.append(f"{i}\t{i * 10}\t{i}\tsub/v{i}.png\n")
        record.write_idx(i, mx.recordio.pack(mx.recordio.IRHeader(0, float(i), i, 0), content))
    record.close()
    for name, lines in (("one.lst", one), ("two.lst", two)):
        with open(os.path.join(folder, name), "w") as file:
            file.write("".join(lines))


def epochs(iterator, count=3):
    """What some epochs give."""
    result = [[desc[0], list(desc[1])] for desc in (*iterator.provide_data, *iterator.provide_label)]
    for number in range(count):
        if number:
            iterator.reset()
        result.append([[b.data[0][:, 0, 0, 0], b.data[0], b.label[0], b.pad] for b in iterator])
    return result


def boxes(count):
    """A flat detection label."""
    return [2, 5, *(v for j in range(count) for v in (j, 0.1 * j, 0.1, 0.1 * j + 0.3, 0.6))]


def iterators(mx, results, folder):
    """ImageIter and ImageDetIter, of each source and with each way to end an epoch."""
    image = mx.image
    write_images(mx, folder)
    listed = {"path_imglist": os.path.join(folder, "one.lst"), "path_root": folder}
    record = {"path_imgrec": os.path.join(folder, "a.rec")}
    indexed = {**record, "path_imgidx": os.path.join(folder, "a.idx")}
    files = [os.path.join("sub", f"v{i}.png") for i in range(7)]
    both = {**indexed, "path_imglist": os.path.join(folder, "two.lst"), "label_width": 2}
    augmented = {**listed, "rand_crop": True, "rand_mirror": True, "brightness": 0.2}
    detected = [[boxes(i % 3 + 1), files[i]] for i in range(5)]
    for handle in ("pad", "discard", "roll_over"):
        for name, given in (
            ("list", listed), ("record", record), ("index", indexed), ("shuffled list", {**listed, "shuffle": True}),
            ("shuffled index", {**indexed, "shuffle": True}), ("two labels", both),
            ("own list", {"imglist": [[i * 1.0, files[i]] for i in range(4)], "path_root": folder}),
            ("own labels", {"imglist": [[[1.0, 2.0], files[i]] for i in range(4)], "path_root": folder, "label_width": 2}),
            ("names", {**listed, "data_name": "x", "label_name": "y"}), ("augmented", augmented),
        ):  # fmt: skip
            if (name, handle) != ("augmented", "roll_over"):  # images rolled over are augmented in the next epoch here
                results.add(
                    f"ImageIter {name} {handle}",
                    lambda: epochs(image.ImageIter(3, (3, 4, 5), last_batch_handle=handle, **given)),
                )
        results.add(
            f"ImageDetIter {handle}",
            lambda: epochs(
                image.ImageDetIter(2, (3, 4, 5), path_root=folder, imglist=detected, last_batch_handle=handle)
            ),
        )
    results.add(
        "ImageIter small",
        lambda: epochs(image.ImageIter(3, (3, 4, 5), imglist=[[1.0, files[1]], [2.0, files[2]]], path_root=folder)),
    )
    results.add(
        "ImageDetIter augmented",
        lambda: epochs(
            image.ImageDetIter(2, (3, 4, 5), path_root=folder, imglist=detected, rand_mirror=True, rand_crop=0.5)
        ),
    )


def run(mx):
    """All results by name."""
    results = Results()
    functions(mx, results)
    augmenters(mx, results)
    detection(mx, results)
    with tempfile.TemporaryDirectory() as folder:
        iterators(mx, results, folder)
    return results


if __name__ == "__main__":
    import mxnet

    out = sys.stdout
    sys.stdout = sys.stderr  # MXNet prints how many threads decode
    out.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in run(mxnet).items()) + "\n}\n")
