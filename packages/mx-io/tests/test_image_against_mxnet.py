"""mx.image gives what MXNet 1.9.1 gives: the same draws, the same sizes, pixels within a gray level."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import mxnet as mx

pytest.importorskip("cv2")
sys.path.insert(0, str(Path(__file__).parent))

import image_program  # noqa: E402

EXPECTED = json.loads((Path(__file__).parent / "expected_image_1_9_1.json").read_text())


@pytest.fixture(scope="module")
def found():
    return json.loads(json.dumps(image_program.run(mx)))


# uint8 pixels of bicubic and area resizing differ by 1 between versions of OpenCV, and so does what is made of them.
TOLERANCES = {"uint8": 1.001, "float32": 1.001, "float16": 1.001, "float64": 1e-4}


def differences(ours, theirs, tolerance=1e-6, where=""):
    """(place, ours, theirs) wherever two results differ by more than their type's tolerance."""
    if isinstance(theirs, list) and isinstance(ours, list) and len(ours) == len(theirs):
        if len(theirs) == 4 and isinstance(theirs[1], str):
            tolerance = TOLERANCES.get(theirs[1], 0)
        for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(mine, other, tolerance, f"{where}[{number}]")
    elif isinstance(theirs, float) and isinstance(ours, (int, float)):
        if abs(ours - theirs) > tolerance:
            yield where, ours, theirs
    elif ours != theirs:
        yield where, ours, theirs


@pytest.mark.parametrize("name", EXPECTED)
def test_same_as_mxnet(name, found):
    assert list(differences(found[name], EXPECTED[name])) == []


def test_nothing_is_left_out(found):
    assert list(found) == list(EXPECTED)
