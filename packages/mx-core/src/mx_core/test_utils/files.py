"""Data sets for tests: downloaded once, into the current folder as MXNet's tests have it. DummyIter measures without data."""

from __future__ import annotations

import bz2
import gzip
import importlib
import importlib.util
import os
import pickle
import tempfile
import zipfile
from typing import Any

import numpy as np

from .. import plugin
from ..data import DataIter
from ..errors import MXNetError, PluginError

__all__ = [
    "DummyIter", "download", "download_model", "get_bz2_data", "get_cifar10", "get_im2rec_path", "get_mnist",
    "get_mnist_iterator", "get_mnist_pkl", "get_mnist_ubyte", "get_zip_data",
]  # fmt: skip

_DATA = "http://data.mxnet.io/data/"
_MNIST_FILES = {
    "train_label": "train-labels-idx1-ubyte", "train_data": "train-images-idx3-ubyte",
    "test_label": "t10k-labels-idx1-ubyte", "test_data": "t10k-images-idx3-ubyte",
}  # fmt: skip


def download(
    url: str, fname: str | None = None, dirname: str | None = None, overwrite: bool = False, retries: int = 5
) -> str:
    """Downloads a file and returns its path; an existing file is kept unless overwrite.

    fname: its path, default the last part of url. dirname: a folder to put it in. retries: how often to try. The file
    appears only when it is complete. Raises MXNetError with the reason.
    """
    target = fname or url.split("?")[0].rsplit("/", 1)[-1]
    if dirname is not None:
        target = os.path.join(dirname, target)
    folder = os.path.dirname(os.path.abspath(target))
    os.makedirs(folder, exist_ok=True)
    if os.path.exists(target) and not overwrite:
        return target
    reason = None
    for _ in range(max(retries, 1)):
        try:
            _fetch(url, target, folder)
            return target
        except OSError as error:  # URLError is one
            reason = error
    msg = f"{url} cannot be downloaded: {reason}. Check the network, or put the file at {target}"
    raise MXNetError(msg)


_MODELS = "http://data.mxnet.io/models/imagenet/"
# name: (path below _MODELS, epoch)
_MODEL_FILES = {
    "imagenet1k-inception-bn": ("inception-bn/Inception-BN", 126),
    "imagenet1k-vgg16": ("vgg/vgg16", 0),
    "imagenet1k-vgg19": ("vgg/vgg19", 0),
    **{f"imagenet1k-resnet-{depth}": (f"resnet/{depth}-layers/resnet-{depth}", 0) for depth in (18, 34, 50, 101, 152)},
}


def download_model(
    model_name: str, dst_dir: str = "./", meta_info: dict[str, dict[str, str]] | None = None
) -> tuple[str, int]:
    """Downloads a model's symbol and parameters; (prefix, epoch) for ``mx.model.load_checkpoint``.

    meta_info: {model_name: {"symbol": url, "params": url}} in place of the models known here. An unknown name gives
    (None, 0), as in MXNet.
    """
    known = meta_info
    if known is None:
        known = {
            name: {"symbol": f"{_MODELS}{path}-symbol.json", "params": f"{_MODELS}{path}-{epoch:04d}.params"}
            for name, (path, epoch) in _MODEL_FILES.items()
        }
    if model_name not in known:
        return (None, 0)  # type: ignore[return-value]
    prefix = os.path.join(dst_dir, model_name)
    download(known[model_name]["symbol"], fname=f"{prefix}-symbol.json")
    download(known[model_name]["params"], fname=f"{prefix}-0000.params")
    return prefix, 0


def _fetch(url: str, target: str, folder: str) -> None:
    import urllib.request

    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".download-")
    try:
        with os.fdopen(handle, "wb") as file, urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310
            while block := response.read(1 << 20):
                file.write(block)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def get_zip_data(data_dir: str, url: str, data_origin_name: str) -> None:
    """Downloads a zip archive into a folder, as data_origin_name, and unpacks it there."""
    archive = download(url, fname=data_origin_name, dirname=data_dir)
    with zipfile.ZipFile(archive) as file:
        file.extractall(data_dir)  # refuses paths that lead out of the folder


def get_bz2_data(data_dir: str, data_name: str, url: str, data_origin_name: str) -> None:
    """Downloads a bz2 file into a folder, as data_origin_name, and unpacks it to data_name, unless that is there."""
    target = os.path.join(data_dir, data_name)
    if os.path.exists(target):
        return
    packed = download(url, fname=data_origin_name, dirname=data_dir)
    with bz2.open(packed, "rb") as file, open(target + ".part", "wb") as out:
        while block := file.read(1 << 20):
            out.write(block)
    os.replace(target + ".part", target)
    os.remove(packed)


def _read_idx(path: str) -> np.ndarray[Any, Any]:
    """The array in an idx file of bytes, gzipped."""
    with gzip.open(path, "rb") as file:
        content = file.read()
    ndim = content[3] if len(content) > 3 else 0
    header = 4 + 4 * ndim
    shape = tuple(int(n) for n in np.frombuffer(content[4:header], dtype=">u4"))
    if content[:3] != b"\x00\x00\x08" or len(content) != header + int(np.prod(shape, dtype=np.int64)):
        msg = f"{path} is cut or is not an idx file of bytes; remove it, and it is downloaded again"
        raise MXNetError(msg)
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def get_mnist() -> dict[str, np.ndarray[Any, Any]]:
    """MNIST as NumPy arrays: train_data and test_data (n, 1, 28, 28), float32 in [0, 1], train_label and test_label (n,).

    Its four .gz files are read from the current folder, and downloaded if they are not there.
    """
    found = {}
    for name, file in _MNIST_FILES.items():
        values = _read_idx(download(f"{_DATA}mnist/{file}.gz"))
        if name.endswith("label"):
            found[name] = values.astype(np.int8)
        else:
            found[name] = values.reshape(len(values), 1, 28, 28).astype(np.float32) / 255
    return found


def get_mnist_pkl() -> None:
    """Puts MNIST as a gzipped pickle, data/mnist.pkl.gz, into the current folder."""
    if not os.path.exists("data/mnist.pkl.gz"):
        mnist = get_mnist()
        parts = [
            (mnist[f"{part}_data"].reshape(-1, 784)[rows], mnist[f"{part}_label"][rows].astype(np.int64))
            for part, rows in (("train", slice(0, 50000)), ("train", slice(50000, None)), ("test", slice(None)))
        ]
        os.makedirs("data", exist_ok=True)
        with gzip.open("data/mnist.pkl.gz.part", "wb") as file:
            pickle.dump(tuple(parts), file, protocol=2)
        os.replace("data/mnist.pkl.gz.part", "data/mnist.pkl.gz")


def get_mnist_ubyte() -> None:
    """Puts the four idx files of MNIST, unpacked, into the folder data of the current one."""
    for file in _MNIST_FILES.values():
        target = os.path.join("data", file)
        if not os.path.exists(target):
            packed = download(f"{_DATA}mnist/{file}.gz", dirname="data")
            with gzip.open(packed, "rb") as source, open(target + ".part", "wb") as out:
                out.write(source.read())
            os.replace(target + ".part", target)


def get_cifar10() -> None:
    """Puts CIFAR-10 as record files, cifar/train.rec and test.rec, into the folder data of the current one."""
    if not os.path.exists("data/cifar/train.rec"):
        get_zip_data("data", f"{_DATA}cifar10.zip", "cifar10.zip")


def get_mnist_iterator(
    batch_size: int, input_shape: tuple[int, ...], num_parts: int = 1, part_index: int = 0
) -> tuple[Any, Any]:
    """(training, validation) iterators of mx-io over MNIST.

    input_shape: (784,) for flat images, else (1, 28, 28). num_parts, part_index: which part of the training examples.
    """
    get_mnist_ubyte()
    make = _data_iterators().MNISTIter
    flat = len(input_shape) != 3

    def images(part: str) -> dict[str, Any]:
        image, label = (os.path.join("data", _MNIST_FILES[f"{part}_{kind}"]) for kind in ("data", "label"))
        return {"image": image, "label": label, "input_shape": input_shape, "batch_size": batch_size, "flat": flat}

    parts = {"num_parts": num_parts, "part_index": part_index}
    return make(**images("train"), shuffle=True, **parts), make(**images("test"), **parts)


def _data_iterators() -> Any:
    """The module behind ``mx.io``."""
    served: dict[str, str] = {}
    plugin.ask("mx_namespaces", lambda name, answer: served.update(answer))
    if "io" not in served:
        msg = "mxnet.io is not installed. pip install mx-io"
        raise PluginError(msg)
    return importlib.import_module(served["io"])


def get_im2rec_path(home_env: str = "MXNET_HOME") -> str:
    """The path of im2rec.py, which packs images into record files.

    home_env: the environment variable of the folder that has it in tools/; default is the installed mx-io's.
    """
    folder = os.environ.get(home_env)
    if folder is not None:
        script = os.path.join(folder, "tools", "im2rec.py")
        if os.path.isfile(script):
            return script
    spec = importlib.util.find_spec("mx_io")
    for place in (spec.submodule_search_locations or []) if spec else []:
        script = os.path.join(place, "im2rec.py")
        if os.path.isfile(script):
            return script
    msg = f"im2rec.py is not found. Set {home_env} to the folder that has it in tools/"
    raise MXNetError(msg)


class DummyIter(DataIter):
    """An iterator that gives the first batch of another one for ever: to measure training without loading data."""

    def __init__(self, real_iter: Any) -> None:
        super().__init__(real_iter.batch_size)
        self.real_iter = real_iter
        self.provide_data = real_iter.provide_data
        self.provide_label = real_iter.provide_label
        self.the_batch = next(real_iter)

    def __iter__(self) -> DummyIter:
        return self

    def next(self) -> Any:
        """The batch."""
        return self.the_batch

    __next__ = next

    def reset(self) -> None:
        """There is no end to go back from."""

    def iter_next(self) -> bool:
        """True: there always is another batch."""
        return True

    def getdata(self) -> Any:
        """The data of the batch."""
        return self.the_batch.data

    def getlabel(self) -> Any:
        """The labels of the batch."""
        return self.the_batch.label

    def getindex(self) -> Any:
        """The numbers of the batch's examples."""
        return self.the_batch.index

    def getpad(self) -> Any:
        """How many examples at the end only fill the batch."""
        return self.the_batch.pad
