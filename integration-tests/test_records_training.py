"""From a folder of photographs to a trained network: mx-im2rec, ImageRecordIter, Gluon and Module."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from mx_data import ROOT

import mxnet as mx

PHOTOS = ROOT / "photos"
pytestmark = pytest.mark.skipif(
    not PHOTOS.is_dir(), reason=f"no photographs in {PHOTOS}; set MX_TEST_DATA to the folder of test data"
)
SHAPE, N_CLASSES, N_PHOTOS = (3, 48, 48), 6, 130


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """The photographs, 56 pixels high, as a record file with its index and list."""
    prefix = str(tmp_path_factory.mktemp("photos") / "photos")
    for options in (["--list", "--recursive"], ["--resize", "56", "--num-thread", "2"]):
        done = subprocess.run(
            [sys.executable, "-m", "mx_io.im2rec", *options, prefix, str(PHOTOS)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return prefix


def iterator(prefix, **parameters):
    scale = {f"{name}_{c}": value for name, value in (("mean", 128), ("std", 64)) for c in "rgb"}
    given = {"data_shape": SHAPE, "batch_size": 26, "preprocess_threads": 2, **scale, **parameters}
    return mx.io.ImageRecordIter(path_imgrec=prefix + ".rec", path_imgidx=prefix + ".idx", **given)


def training(prefix):
    return iterator(prefix, shuffle=True, seed=1, rand_crop=True, rand_mirror=True)


def test_the_labels_are_the_folders(records):
    found = [float(n) for batch in iterator(records) for n in batch.label[0].asnumpy()]
    assert len(found) == N_PHOTOS
    counts = [len(list(folder.glob("*.jpg"))) for folder in sorted(PHOTOS.iterdir()) if folder.is_dir()]
    assert np.bincount(np.array(found, int)).tolist() == counts


def test_gluon_learns_them(records):
    nn = mx.gluon.nn
    mx.random.seed(0)
    net = nn.HybridSequential()
    with net.name_scope():
        for channels in (16, 32, 64):
            net.add(nn.Conv2D(channels, 3, padding=1), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D())
        net.add(nn.GlobalAvgPool2D(), nn.Flatten(), nn.Dense(N_CLASSES))
    net.initialize(mx.init.Xavier())
    net.hybridize()
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.005})
    loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    batches = training(records)
    for _ in range(25):
        batches.reset()
        for batch in batches:
            with mx.autograd.record():
                error = loss(net(batch.data[0]), batch.label[0])
            error.backward()
            trainer.step(batches.batch_size)
    metric = mx.metric.Accuracy()
    for batch in iterator(records):
        metric.update(batch.label[0], net(batch.data[0]))
    assert metric.get()[1] >= 0.9


def test_module_learns_them(records):
    pytest.importorskip("mx_module", reason="mx-module is not installed")
    if not hasattr(mx, "sym"):
        pytest.skip("mx.sym is not there")
    mx.random.seed(0)
    np.random.seed(0)
    net = mx.sym.Variable("data")
    for number, channels in enumerate((16, 32, 64)):
        net = mx.sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=channels, name=f"conv{number}")
        net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, name=f"bn{number}"), act_type="relu")
        net = mx.sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max")
    net = mx.sym.Flatten(mx.sym.Pooling(net, kernel=(1, 1), global_pool=True, pool_type="avg"))
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=N_CLASSES, name="fc"), name="softmax")
    module = mx.mod.Module(net)
    module.fit(
        training(records), num_epoch=25, optimizer="adam", optimizer_params={"learning_rate": 0.005},
        initializer=mx.init.Xavier(), eval_metric="acc",
    )  # fmt: skip
    assert dict(module.score(iterator(records), "acc"))["accuracy"] >= 0.9
