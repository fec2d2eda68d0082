"""``.params`` files: those of the original load with its values, damaged ones are refused, a save is all or nothing."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from mx_data import MODELS, has_models

import mxnet as mx
from mxnet.gluon import nn

# For every file: the number of arrays, and a digest of names, dtypes, shapes and values as MXNet 1.9.1 reads them.
AS_READ_BY_THE_ORIGINAL = {
    "genderage/model-0000.params": (146, "1b6fee6e13e1d1b6"),
    "legacy/legacy_ndarray.v0": (6, "38ea76791e258946"),
    "lenet_toy/LeNet-0001.params": (10, "60bc50005f1cc648"),
    "lenet_toy/LeNet-0010.params": (10, "5735c2695ade18c3"),
    "made_by_1.9.1/dtypes.params": (7, "ac2cbf0021a420c0"),
    "made_by_1.9.1/exported-0007.params": (8, "4d3fd02b0405e3b4"),
    "made_by_1.9.1/gluon.params": (8, "cbd906fba2a3f951"),
    "made_by_1.9.1/list.nd": (2, "abec45f52ac502b1"),
    "made_by_1.9.1/lstm.params": (16, "52263c3d5a7e7cf5"),
    "made_by_1.9.1/module-0002.params": (4, "ddf8597ba25b809a"),
    "made_by_1.9.1/single.nd": (1, "c57c6b64b7c4e7d3"),
    "mtcnn/det1-0001.params": (13, "7e287e2a9cddae26"),
    "mtcnn/det2-0001.params": (16, "20ec7d82f466df3f"),
    "mtcnn/det3-0001.params": (21, "9a88cebf2de7f813"),
}
# Written by 0.x, in versions of the format that nobody writes any more.
OLD_VERSIONS = ("legacy/", "mtcnn/")


def digest(arrays) -> str:
    """16 hexadecimal digits over names, dtypes, shapes and bytes, in the order of the file."""
    sha = hashlib.sha1(usedforsecurity=False)
    for name, array in arrays.items() if isinstance(arrays, dict) else enumerate(arrays):
        values = array.asnumpy()
        sha.update(f"{name} {values.dtype} {values.shape}\n".encode())
        sha.update(values.tobytes())
    return sha.hexdigest()[:16]


# ---- files of the original -----------------------------------------------------------------------------------------


@has_models
@pytest.mark.parametrize("name", AS_READ_BY_THE_ORIGINAL)
def test_files_of_the_original_load_with_its_values(name):
    arrays = mx.nd.load(str(MODELS / name))
    assert (len(arrays), digest(arrays)) == AS_READ_BY_THE_ORIGINAL[name]


@has_models
@pytest.mark.parametrize("name", [name for name in AS_READ_BY_THE_ORIGINAL if not name.startswith(OLD_VERSIONS)])
def test_what_is_saved_is_byte_for_byte_what_the_original_saves(name, tmp_path):
    mx.nd.save(str(tmp_path / "again"), mx.nd.load(str(MODELS / name)))
    assert (tmp_path / "again").read_bytes() == (MODELS / name).read_bytes()


@has_models
def test_the_arrays_listed_for_a_file_of_every_type():
    expected = json.loads((MODELS / "made_by_1.9.1/expected.json").read_text())["dtypes.params"]
    arrays = mx.nd.load(str(MODELS / "made_by_1.9.1/dtypes.params"))
    assert list(arrays) == list(expected)
    for name, facts in expected.items():
        assert arrays[name].dtype == np.dtype(facts["dtype"]).type
        assert arrays[name].shape == tuple(facts["shape"])
        assert arrays[name].asnumpy().ravel().tolist() == facts["first"]


@has_models
@pytest.mark.parametrize("epoch", [1, 10])
def test_a_lenet_trained_by_the_original_answers_as_it_did(epoch):
    facts = json.loads((MODELS / "expected.json").read_text())[f"lenet_toy/LeNet@{epoch}"]
    saved = mx.nd.load(str(MODELS / f"lenet_toy/LeNet-{epoch:04}.params"))
    p = {name.removeprefix("arg:"): array for name, array in saved.items()}
    x = mx.nd.array(np.random.RandomState(0).rand(*facts["input"]["shape"]).astype(np.float32))
    for layer, filters in (("conv1", 6), ("conv2", 16)):
        x = mx.nd.Convolution(x, p[f"{layer}_weight"], p[f"{layer}_bias"], kernel=(5, 5), num_filter=filters)
        x = mx.nd.Pooling(mx.nd.relu(x), kernel=(2, 2), stride=(2, 2), pool_type="max")
    for layer, units in (("fc1", 120), ("fc2", 84)):
        x = mx.nd.relu(mx.nd.FullyConnected(x, p[f"{layer}_weight"], p[f"{layer}_bias"], num_hidden=units))
    x = mx.nd.softmax(mx.nd.FullyConnected(x, p["fc3_weight"], p["fc3_bias"], num_hidden=10))
    np.testing.assert_allclose(x.asnumpy().ravel()[:8], facts["outputs"]["softmax_output"]["first8"], rtol=1e-4)


def small_net() -> nn.HybridSequential:
    """The network whose parameters 1.9.1 saved as gluon.params."""
    net = nn.HybridSequential(prefix="fix_")
    with net.name_scope():
        net.add(
            nn.Conv2D(4, kernel_size=3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(2),
            nn.Flatten(), nn.Dense(5),
        )  # fmt: skip
    return net


@has_models
def test_gluon_parameters_of_the_original_load_and_answer_as_they_did(tmp_path):
    facts = json.loads((MODELS / "made_by_1.9.1/expected.json").read_text())["gluon"]
    net = small_net()
    net.load_parameters(str(MODELS / "made_by_1.9.1/gluon.params"))
    x = mx.nd.array(np.random.RandomState(0).rand(2, 3, 8, 8).astype(np.float32))
    answer = net(x).asnumpy()
    np.testing.assert_allclose(answer.ravel()[:6], facts["output"]["first"], rtol=1e-4)
    assert sorted(net._collect_params_with_prefix()) == facts["parameter_names_in_gluon.params"]

    net.save_parameters(str(tmp_path / "again.params"))
    again = small_net()
    again.load_parameters(str(tmp_path / "again.params"))
    np.testing.assert_array_equal(again(x).asnumpy(), answer)


@has_models
def test_sparse_arrays_are_refused_with_the_cure():
    with pytest.raises(mx.MXNetError, match=r"sparse\.nd: byte 24: array 0 is stored as csr.*tostype\('default'\)"):
        mx.nd.load(str(MODELS / "made_by_1.9.1/sparse.nd"))


# ---- damaged files -------------------------------------------------------------------------------------------------


@pytest.fixture
def whole(tmp_path):
    """A small file of two named arrays, and its bytes."""
    path = tmp_path / "whole.params"
    mx.nd.save(str(path), {"weight": mx.nd.arange(6).reshape((2, 3)), "bias": mx.nd.ones((3,), dtype="int8")})
    return path, path.read_bytes()


def test_a_file_cut_anywhere_is_refused(whole):
    path, content = whole
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(mx.MXNetError, match=r"whole\.params: byte \d+: .*fetch or save it again") as failure:
            mx.nd.load(str(path))
        assert isinstance(failure.value, OSError)  # RecordFileError is one


def test_a_changed_byte_never_crashes(whole):
    path, content = whole
    for at, value in itertools.product(range(len(content)), (0, 0x7F, 0xFF)):
        path.write_bytes(content[:at] + bytes([value]) + content[at + 1 :])
        try:
            arrays = mx.nd.load(str(path))
        except mx.MXNetError as error:
            assert "whole.params" in str(error)
        else:  # the byte was of an element, a name, or stands for something else that is sound
            assert len(arrays) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file header needs 16 bytes, and 0 are left"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "the file starts with 0xa1a0a0d474e5089, expected 0x112"),
        (struct.pack("<QQQ", 0x112, 0, 2**60), "claims 1152921504606846976 arrays"),
        (struct.pack("<QQQIii3q", 0x112, 0, 1, 0xF993FAC9, 0, 3, 2**40, 2**40, 2**40) + bytes(64), "are left"),
        (struct.pack("<QQQIii1q", 0x112, 0, 1, 0xF993FAC9, 0, 1, -5) + bytes(64), r"array 0 has shape \(-5,\)"),
        (struct.pack("<QQQIiiqiii", 0x112, 0, 1, 0xF993FAC9, 0, 1, 1, 1, 0, 77) + bytes(64), "element type 77"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path, content, message):
    path = tmp_path / "wrong.params"
    path.write_bytes(content)
    with pytest.raises(mx.MXNetError, match=message):
        mx.nd.load(str(path))


def test_a_missing_file(tmp_path):
    with pytest.raises(OSError, match=r"nothing\.params: cannot be read: No such file or directory"):
        mx.nd.load(str(tmp_path / "nothing.params"))


def test_parameters_of_another_net_are_refused(tmp_path):
    net = nn.Dense(3, in_units=4)
    net.initialize()
    net.save_parameters(str(tmp_path / "dense.params"))
    with pytest.raises((mx.MXNetError, AssertionError), match="0.weight|missing"):
        small_net().load_parameters(str(tmp_path / "dense.params"))


# ---- a save is all or nothing --------------------------------------------------------------------------------------

SAVE_FOR_EVER = """
    import sys
    import mxnet as mx
    small, large = mx.nd.zeros((1000, 100)), mx.nd.ones((3000, 1000))
    for number in range(1_000_000):
        mx.nd.save(sys.argv[1], {"a": large if number % 2 else small})
        print(number, flush=True)
"""


def test_a_save_that_is_killed_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "weights.params"
    rng = np.random.RandomState(3)
    seen = set()
    for _ in range(6):
        command = [sys.executable, "-c", textwrap.dedent(SAVE_FOR_EVER), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
            for _ in range(rng.randint(2, 12)):
                assert program.stdout.readline()
            # Somewhere in the middle of a save, most of which takes longer than this loop.
            for _ in range(rng.randint(0, 200_000)):
                pass
            os.kill(program.pid, signal.SIGKILL)
        values = mx.nd.load(str(path))["a"].asnumpy()
        assert values.shape in {(1000, 100), (3000, 1000)}
        assert (values == (values.shape == (3000, 1000))).all()
        seen.add(values.shape)
    assert seen


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "weights.params"
    mx.nd.save(str(path), [mx.nd.ones((3,))])
    lost = mx.nd.take(mx.nd.ones((4, 4)), mx.nd.full((100_000,), 9, dtype="int32"), mode="raise")
    with pytest.raises(mx.MXNetError, match="index 9 is out of bounds"):
        mx.nd.save(str(path), [mx.nd.zeros((3,)), lost])
    assert [file.name for file in tmp_path.iterdir()] == ["weights.params"]
    assert mx.nd.load(str(path))[0].asnumpy().tolist() == [1, 1, 1]


def test_saving_over_a_link_keeps_the_link(tmp_path):
    (tmp_path / "real.params").write_bytes(b"old")
    (tmp_path / "link.params").symlink_to(tmp_path / "real.params")
    mx.nd.save(str(tmp_path / "link.params"), [mx.nd.ones((2,))])
    assert (tmp_path / "link.params").is_symlink()
    assert mx.nd.load(str(tmp_path / "real.params"))[0].shape == (2,)
