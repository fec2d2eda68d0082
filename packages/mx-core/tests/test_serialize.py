"""`.params` files: byte for byte as MXNet 1.9.1 writes them, every older version read, no damaged file believed."""

from __future__ import annotations

import json
import os
import pathlib
import struct

import numpy as np
import pytest

import mxnet as mx

OURS = hasattr(mx.nd.NDArray, "_reshape_view")
ours = pytest.mark.skipif(not OURS, reason="1.9.1 raises, dies or errs here")
DATA = pathlib.Path(
    os.environ.get("MX_TEST_DATA", pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "data")
)
MODELS = DATA / "mxnet_models"
needs_models = pytest.mark.skipif(not MODELS.is_dir(), reason="set MX_TEST_DATA to the folder with mxnet_models")

# mx.nd.save("f", {"x": mx.nd.array([1, 2])}), written by 1.9.1.
DICT_FILE = bytes.fromhex(
    "1201000000000000 0000000000000000 0100000000000000 c9fa93f9 00000000 01000000 0200000000000000 01000000 00000000"
    "00000000 0000803f00000040 0100000000000000 0100000000000000 78"
)


def array_bytes(magic, shape, dims, values=b"", device=(1, 0), flag=0):
    head = b"" if magic is None else struct.pack("<I", magic)
    head += struct.pack("<i", 0) if magic in (0xF993FAC9, 0xF993FACA) else b""
    body = struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}{dims}", *shape)
    return head + body + (struct.pack("<iii", *device, flag) + values if shape else b"")


def list_bytes(*arrays, names=()):
    frame = struct.pack("<QQQ", 0x112, 0, len(arrays)) + b"".join(arrays) + struct.pack("<Q", len(names))
    return frame + b"".join(struct.pack("<Q", len(name)) + name for name in names)


def test_bytes_of_a_dict(tmp_path):
    path = tmp_path / "f.params"
    mx.nd.save(str(path), {"x": mx.nd.array([1, 2])})
    assert path.read_bytes() == DICT_FILE
    assert mx.nd.load(str(path))["x"].asnumpy().tolist() == [1, 2]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool"])
@pytest.mark.parametrize("shape", [(1,), (3, 2), (2, 1, 3, 1)])
def test_round_trip(tmp_path, dtype, shape):
    values = (np.arange(np.prod(shape)).reshape(shape) - 1).astype(dtype)
    path = str(tmp_path / "f")
    mx.nd.save(path, [mx.nd.array(values, dtype=dtype)])
    (loaded,) = mx.nd.load(path)
    assert loaded.dtype == np.dtype(dtype).type
    np.testing.assert_array_equal(loaded.asnumpy(), values)


def test_kinds_of_data(tmp_path):
    path = str(tmp_path / "f")
    one, two = mx.nd.ones((2,)), mx.nd.zeros((1, 3))
    mx.nd.save(path, one)
    assert [x.shape for x in mx.nd.load(path)] == [(2,)]
    mx.nd.save(path, [one, two])
    assert [x.shape for x in mx.nd.load(path)] == [(2,), (1, 3)]
    mx.nd.save(path, {"b": one, "a:ü": two})
    assert [(name, x.shape) for name, x in mx.nd.load(path).items()] == [("b", (2,)), ("a:ü", (1, 3))]
    mx.nd.save(path, [])
    assert mx.nd.load(path) == []
    for wrong in (3, None, [1], {"a": 1}, {1: one}, ["a"]):
        with pytest.raises((TypeError, ValueError)):
            mx.nd.save(path, wrong)


def test_frombuffer():
    loaded = mx.nd.load_frombuffer(DICT_FILE)
    assert loaded["x"].asnumpy().tolist() == [1, 2]
    with pytest.raises(Exception, match="."):
        mx.nd.load_frombuffer(DICT_FILE[:-3])


def test_arrays_of_any_context_are_loaded_to_one_that_exists(tmp_path):
    path = str(tmp_path / "f")
    mx.nd.save(path, [mx.nd.ones((2,), ctx=mx.cpu(1))])
    assert mx.nd.load(path)[0].context == mx.cpu(0)
    content = list_bytes(array_bytes(0xF993FAC9, (1,), "q", struct.pack("<f", 7), device=(2, 99)))
    assert mx.nd.load_frombuffer(content)[0].context == mx.cpu(0)


def test_all_versions():
    values = np.array([[1, 2, 3]], dtype="float32").tobytes()
    content = list_bytes(
        array_bytes(None, (1, 3), "I", values),
        array_bytes(0xF993FAC8, (1, 3), "q", values),
        array_bytes(0xF993FAC9, (1, 3), "q", values),
    )
    for array in mx.nd.load_frombuffer(content):
        assert array.asnumpy().tolist() == [[1, 2, 3]]


@ours
def test_scalars_and_empty_arrays(tmp_path):
    path = str(tmp_path / "f")
    mx.nd.save(path, {"s": mx.nd.array(5), "e": mx.nd.zeros((2, 0), dtype="int8"), "x": mx.nd.ones((1,))})
    loaded = mx.nd.load(path)
    assert (loaded["s"].shape, loaded["s"].asscalar()) == ((), 5)
    assert (loaded["e"].shape, loaded["e"].dtype) == ((2, 0), np.int8)
    scalar = struct.pack("<Iii", 0xF993FAC9, 0, 0) + struct.pack("<iiif", 1, 0, 0, 5)  # as 1.9.1 writes mx.nd.array(5)
    one = array_bytes(0xF993FAC9, (1,), "q", struct.pack("<f", 7))
    assert [x.asnumpy().tolist() for x in mx.nd.load_frombuffer(list_bytes(scalar, one))] == [5, [7]]
    nothing = array_bytes(0xF993FAC9, (), "q")
    assert [x.shape for x in mx.nd.load_frombuffer(list_bytes(nothing, one, nothing))] == [(0,), (1,), (0,)]


@needs_models
@pytest.mark.parametrize(
    "name",
    ["made_by_1.9.1/dtypes.params", "made_by_1.9.1/gluon.params", "made_by_1.9.1/exported-0007.params",
     "made_by_1.9.1/lstm.params", "made_by_1.9.1/module-0002.params", "made_by_1.9.1/list.nd",
     "made_by_1.9.1/single.nd", "lenet_toy/LeNet-0010.params"],
)  # fmt: skip
def test_files_of_mxnet_come_back_byte_for_byte(tmp_path, name):
    path = tmp_path / "f"
    mx.nd.save(str(path), mx.nd.load(str(MODELS / name)))
    assert path.read_bytes() == (MODELS / name).read_bytes()


@needs_models
def test_values_in_files_of_mxnet():
    folder = MODELS / "made_by_1.9.1"
    expected = json.loads((folder / "expected.json").read_text())
    for name in ("dtypes.params", "list.nd", "single.nd"):
        loaded = mx.nd.load(str(folder / name))
        facts = expected[name]
        for key in facts if isinstance(facts, dict) else range(len(facts)):
            array, fact = loaded[key], facts[key]
            assert (list(array.shape), np.dtype(array.dtype).name) == (fact["shape"], fact["dtype"])
            values = array.asnumpy().astype("float64")
            np.testing.assert_allclose(values.sum(), fact["sum"])
            np.testing.assert_allclose(values.reshape(-1)[: len(fact["first"])], fact["first"])


@needs_models
def test_oldest_files():
    arrays = mx.nd.load(str(MODELS / "legacy" / "legacy_ndarray.v0"))
    assert [x.shape for x in arrays] == [(128,)] * 6
    assert arrays[0].asnumpy()[:3].tolist() == [0, 1, 2]


@ours
@needs_models
def test_sparse_file_is_refused_with_the_cure():
    with pytest.raises(mx.MXNetError, match=r"sparse.nd: byte 24: array 0 is stored as csr.*tostype\('default'\)"):
        mx.nd.load(str(MODELS / "made_by_1.9.1" / "sparse.nd"))


@ours
def test_every_cut_is_noticed(tmp_path):
    path = tmp_path / "cut.params"
    for length in range(len(DICT_FILE)):
        path.write_bytes(DICT_FILE[:length])
        with pytest.raises(mx.MXNetError, match=r"cut\.params: byte \d+: .* fetch or save it again"):
            mx.nd.load(str(path))


@ours
def test_damaged_bytes_never_hang_or_kill():
    random = np.random.RandomState(3)
    for _ in range(3000):
        content = bytearray(DICT_FILE)
        for _ in range(random.randint(1, 4)):
            content[random.randint(len(content))] = random.choice([0, 1, 0x7F, 0x80, 0xFF, random.randint(256)])
        try:
            mx.nd.load_frombuffer(bytes(content))
        except mx.MXNetError:
            continue


@ours
@pytest.mark.parametrize(
    ("content", "text"),
    [(b"\x89PNG" + bytes(40), "the file starts with 0x474e5089, expected 0x112"),
     (struct.pack("<QQQ", 0x112, 0, 1 << 60), "more than fit"),
     (list_bytes(array_bytes(0xF993FAC9, (1 << 40, 1 << 40), "q")), "needs .* bytes, and 8 are left"),
     (list_bytes(array_bytes(0xF993FAC9, (-2, 2), "q")), r"array 0 has shape \(-2, 2\)"),
     (list_bytes(array_bytes(0xF993FAC9, (1,), "q", bytes(4), flag=77)), "element type 77"),
     (list_bytes(array_bytes(None, (1,) * 33, "I")), "33 dimensions; at most 32"),
     (list_bytes(array_bytes(0xF993FAC9, (1,), "q", bytes(4)), names=[b"a", b"b"]), "1 arrays and claims 2 names"),
     (list_bytes(array_bytes(0xF993FAC9, (1,), "q", bytes(4)), names=[b"\xff"]), "not UTF-8")],
)  # fmt: skip
def test_error_texts(content, text):
    with pytest.raises(mx.MXNetError, match=text) as caught:
        mx.nd.load_frombuffer(content)
    assert "buffer: byte" in str(caught.value)
    assert isinstance(caught.value, OSError)


def test_missing_file():
    with pytest.raises(mx.MXNetError):
        mx.nd.load("no/such/file.params")
    with pytest.raises(TypeError):
        mx.nd.load(3)


@ours
def test_failed_save_leaves_the_old_file(tmp_path):
    from mx_core.serialize import atomic_write

    path = tmp_path / "f.params"
    mx.nd.save(path, mx.nd.ones((2,)))
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), atomic_write(path) as out:
        out.write(b"half")
        raise ZeroDivisionError
    with pytest.raises(TypeError):
        mx.nd.save(path, [mx.nd.ones((2,)), "no array"])
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["f.params"]


@ours
def test_save_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "folder" / "real.params")
    mx.nd.save(str(link), mx.nd.ones((1,)))
    assert link.is_symlink()
    assert mx.nd.load(str(link))[0].shape == (1,)


def test_formats_of_plugins(tmp_path, monkeypatch):
    plugin = pytest.importorskip("mx_core.plugin", reason="1.9.1 has no plug-ins")

    class Text:
        def save(self, path, arrays):
            with open(path, "w") as out:
                out.writelines(f"{name} {array.asnumpy().tolist()}\n" for name, array in arrays.items())

        def load(self, path):
            with open(path) as lines:
                return {line.split()[0]: mx.nd.array(json.loads(line.split(" ", 1)[1])) for line in lines}

    class Answers:
        @plugin.hookimpl
        def mx_formats(self):
            return {".Text": Text()}

    path = str(tmp_path / "arrays.text")
    serialize = pytest.importorskip("mx_core.serialize")
    monkeypatch.setattr(serialize, "_formats", None)  # plug-ins are asked once
    plugin.register(Answers(), "formats-of-a-test")
    try:
        mx.nd.save(path, {"a": mx.nd.array([1.0, 2.0])})
        assert mx.nd.load(path)["a"].asnumpy().tolist() == [1.0, 2.0]
        assert pathlib.Path(path).read_text() == "a [1.0, 2.0]\n"
        with pytest.raises(AttributeError):
            mx.nd.save(path, [mx.nd.array([1.0])])  # the format's own failure
        assert pathlib.Path(path).read_text() == "a [1.0, 2.0]\n"
        assert [file.name for file in tmp_path.iterdir()] == ["arrays.text"]
    finally:
        plugin.unregister("formats-of-a-test")
    monkeypatch.setattr(serialize, "_formats", None)
    mx.nd.save(path, [mx.nd.array([3.0])])
    assert mx.nd.load(path)[0].asscalar() == 3.0
