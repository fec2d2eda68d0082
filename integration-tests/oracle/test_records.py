"""Record files and their iterators beside Apache MXNet 1.9.1, both ways."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mxnet as mx

ORACLE = os.environ.get("MX_TEST_ORACLE", "")
DATA = Path(os.environ.get("MX_TEST_DATA", Path(__file__).parents[3] / "shared/data"))
THERE = Path(__file__).parent / "records_there.py"
sys.path.insert(0, str(THERE.parent))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ORACLE, reason="no MXNet 1.9.1 to compare with: nox -s oracle makes one (MX_TEST_ORACLE)"),
    pytest.mark.skipif(not (DATA / "photos").is_dir(), reason="no photographs; set MX_TEST_DATA to the test data"),
]


def there(*arguments):
    """What records_there.py prints in MXNet 1.9.1."""
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [ORACLE, "-W", "ignore", str(THERE), *map(str, arguments)]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]
    return done.stdout


@pytest.fixture
def payloads(monkeypatch):
    monkeypatch.setitem(sys.modules, "mxnet", mx)
    from records_there import payloads

    return payloads()


def test_record_files_are_the_same_bytes(tmp_path, payloads):
    there("write", tmp_path / "a")
    with mx.recordio.MXIndexedRecordIO(str(tmp_path / "b.idx"), str(tmp_path / "b.rec"), "w") as file:
        for key, payload in enumerate(payloads):
            file.write_idx(key, payload)
    for ending in ("idx", "rec"):
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_each_reads_what_the_other_wrote(tmp_path, payloads):
    there("write", tmp_path / "a")
    with mx.recordio.MXIndexedRecordIO(str(tmp_path / "a.idx"), str(tmp_path / "a.rec"), "r") as file:
        assert [file.read() for _ in payloads] == payloads
        assert file.read_idx(250) == payloads[250]
    with mx.recordio.MXIndexedRecordIO(str(tmp_path / "b.idx"), str(tmp_path / "b.rec"), "w") as file:
        for key, payload in enumerate(payloads):
            file.write_idx(key, payload)
    assert json.loads(there("read", tmp_path / "b")) is True


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Eleven photographs of different sizes as PNG, as they are (JPEG), and with boxes."""
    from mx_io._opencv import cv2

    folder = tmp_path_factory.mktemp("records")
    photos = sorted((DATA / "photos").glob("*/*.jpg"))[::12][:11]
    files = {
        name: mx.recordio.MXIndexedRecordIO(str(folder / f"{name}.idx"), str(folder / f"{name}.rec"), "w")
        for name in ("png", "jpeg", "boxes")
    }
    for number, photo in enumerate(photos):
        body = photo.read_bytes()
        image = cv2().imdecode(np.frombuffer(body, np.uint8), 1)
        scale = (120 + 9 * number) / min(image.shape[:2])
        image = cv2().resize(image, None, fx=scale, fy=scale, interpolation=cv2().INTER_AREA)
        header = mx.recordio.IRHeader(0, float(number), number, 0)
        files["png"].write_idx(number, mx.recordio.pack_img(header, image, 3, ".png"))
        files["jpeg"].write_idx(number, mx.recordio.pack(header, body))
        objects = [[k, 0.1 * k + 0.1, 0.2, 0.1 * k + 0.3, 0.25 + 0.1 * k] for k in range(1 + number % 3)]
        boxes = header._replace(label=[2, 5, *np.ravel(objects)])
        files["boxes"].write_idx(number, mx.recordio.pack_img(boxes, image, 3, ".png"))
    for file in files.values():
        file.close()
    lines = (f"{n}\t{n + 0.5}\t{-n}\tphoto {n}.jpg\n" for n in range(len(photos)))
    (folder / "labels.lst").write_text("".join(lines))
    return folder


NORMALIZED = {"mean_r": 10, "mean_g": 20, "mean_b": 30, "std_r": 2, "std_g": 3, "std_b": 4, "scale": 0.5}
# Name: (file, other parameters). All have an effect that is certain.
IMAGES = {
    "plain": ("png", {}),
    "index": ("png", {"path_imgidx": "png.idx"}),
    "jpeg": ("jpeg", {"resize": 256}),
    "gray": ("png", {"data_shape": (1, 64, 64), "resize": 80}),
    "normalized": ("png", {"resize": 100, **NORMALIZED}),
    "list": ("png", {"path_imglist": "labels.lst", "label_width": 2}),
    "mirror": ("png", {"resize": 100, "mirror": True}),
    "rotate": ("png", {"resize": 100, "rotate": 30, "fill_value": 7}),
    "scale": ("png", {"resize": 100, "min_random_scale": 0.7, "max_random_scale": 0.7}),
    "pad": ("png", {"resize": 64, "pad": 8, "fill_value": 3}),
    "crop size": ("png", {"resize": 100, "max_crop_size": 80, "min_crop_size": 80}),
    "aspect": ("png", {"resize": 100, "min_aspect_ratio": 1.3, "max_aspect_ratio": 1.3}),
    "least size": ("png", {"resize": 100, "min_img_size": 120}),
    "largest size": ("png", {"resize": 100, "max_img_size": 90}),
    "enlarged": ("png", {"resize": 40}),
    **{f"interpolation {n}": ("png", {"resize": 70, "inter_method": n}) for n in (0, 1, 2, 3, 4, 9)},
    **{f"part {i} of 3": ("png", {"num_parts": 3, "part_index": i, "batch_size": 1}) for i in range(3)},
    **{
        f"part {i} of 3 by index": ("png", {"num_parts": 3, "part_index": i, "batch_size": 1, "path_imgidx": "png.idx"})
        for i in range(3)
    },
}
BOXES = {
    "boxes": {},
    "boxes mirrored": {"rand_mirror_prob": 1.0},
    "boxes fit": {"resize_mode": "fit"},
    "boxes shrink": {"resize_mode": "shrink", "data_shape": (3, 150, 150)},
    "boxes padded labels": {"label_pad_width": 30, "label_pad_value": -7},
    "boxes normalized": {"resize": 90, **NORMALIZED},
}


def cases(folder):
    found = {}
    common = {"data_shape": (3, 64, 64), "batch_size": 4, "preprocess_threads": 2}
    for kind in ("ImageRecordIter", "ImageRecordUInt8Iter", "ImageRecordInt8Iter"):
        for name, (file, parameters) in IMAGES.items():
            if kind == "ImageRecordIter" or name in ("plain", "normalized"):
                placed = {k: str(folder / v) if k.startswith("path_") else v for k, v in parameters.items()}
                found[f"{kind} {name}"] = (kind, {"path_imgrec": str(folder / f"{file}.rec"), **common, **placed})
    for name, parameters in BOXES.items():
        found[name] = ("ImageDetRecordIter", {"path_imgrec": str(folder / "boxes.rec"), **common, **parameters})
    return found


def test_images_and_labels_are_the_same(records, tmp_path):
    """To within one gray level on average: decoders and interpolation have changed a little since 1.9.1."""
    there("iterate", tmp_path / "there.npz", json.dumps(cases(records)))
    expected = np.load(tmp_path / "there.npz")
    seen, wrong = set(), []
    for name, (kind, parameters) in cases(records).items():
        iterator = getattr(mx.io, kind)(**parameters)
        for epoch in range(2):
            for number, batch in enumerate(iterator):
                place = f"{name}/{epoch}/{number}"
                data, label = batch.data[0].asnumpy(), batch.label[0].asnumpy()
                seen |= {f"{place}/data", f"{place}/label", f"{place}/pad"}
                if f"{place}/data" not in expected:
                    wrong.append(f"{place} is one batch too many")
                    continue
                difference = np.abs(data.astype("float64") - expected[f"{place}/data"]).mean()
                if difference > 1 or data.dtype != expected[f"{place}/data"].dtype:
                    wrong.append(f"{place}: images differ by {difference:.3f} on average, {data.dtype}")
                if not np.allclose(label, expected[f"{place}/label"], atol=1e-6):
                    wrong.append(f"{place}: labels {label.tolist()}, there {expected[f'{place}/label'].tolist()}")
            iterator.reset()
    missing = sorted(set(expected) - seen)
    assert not wrong, "\n".join(wrong[:20])
    assert not missing, missing[:20]
