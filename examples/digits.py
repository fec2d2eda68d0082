"""Two networks learn to read handwritten digits: the first program to run.

    python examples/digits.py              on MNIST, downloaded once to ~/.mxnet/datasets/mnist
    python examples/digits.py --synthetic  on digits that the program draws itself; needs no network

Writes the trained parameters and a picture, digits.png, into the folder demo-output. Needs matplotlib and tqdm.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from drawn_digits import draw_digits
from tqdm import tqdm

import mxnet as mx
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn

BATCH_SIZE = 100


# ---- the networks ----------------------------------------------------------------------------------------------------


def make_mlp():
    """A multilayer perceptron: three dense layers."""
    net = nn.HybridSequential(prefix="mlp_")
    with net.name_scope():
        net.add(nn.Dense(128, activation="relu"))
        net.add(nn.Dense(64, activation="relu"))
        net.add(nn.Dense(10))
    net.hybridize()
    return net


class CNN(gluon.Block):
    """A convolutional network, written out: what `nn.Sequential` would do is in `forward`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.conv1 = nn.Conv2D(16, kernel_size=5, activation="relu")
            self.pool1 = nn.MaxPool2D(pool_size=2, strides=2)
            self.conv2 = nn.Conv2D(32, kernel_size=3, activation="relu")
            self.pool2 = nn.MaxPool2D(pool_size=2, strides=2)
            self.dense = nn.Dense(64, activation="relu")
            self.dropout = nn.Dropout(0.2)
            self.output = nn.Dense(10)

    def forward(self, x):
        x = self.pool1(self.conv1(x))
        x = self.pool2(self.conv2(x))
        return self.output(self.dropout(self.dense(x)))


# ---- the data --------------------------------------------------------------------------------------------------------


def transform(image, label):
    """From bytes of shape (28, 28, 1) to float32 of shape (1, 28, 28) between 0 and 1."""
    return nd.transpose(image.astype(np.float32), (2, 0, 1)) / 255, label.astype(np.float32)


def load_data(synthetic):
    """The training set, the test set, and the name of both."""
    if not synthetic:
        try:
            train, test = gluon.data.vision.MNIST(train=True), gluon.data.vision.MNIST(train=False)
        except (mx.MXNetError, OSError) as error:
            rule = "!" * 100
            print(
                f"\n{rule}\nMNIST is not here and could not be downloaded: {error}\n"
                "Falling back to digits drawn by this program. They are easier than MNIST: do not compare the\n"
                f"accuracies with those of others. --synthetic asks for them without trying.\n{rule}\n",
                file=sys.stderr,
                flush=True,
            )
        else:
            return train.transform(transform), test.transform(transform), "MNIST"
    sets = []
    for count, seed in ((20_000, 1), (4_000, 2)):
        images, labels = draw_digits(count, seed)
        sets.append(gluon.data.ArrayDataset(nd.array(images, dtype=np.uint8), labels).transform(transform))
    return *sets, "digits drawn by this program"


# ---- training --------------------------------------------------------------------------------------------------------


def train(net, name, data, test_data, epochs, ctx):
    """Trains the network with Adam; returns the loss of every batch."""
    net.initialize(mx.init.Xavier(), ctx=ctx)
    loss_function = gluon.loss.SoftmaxCrossEntropyLoss()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.002})
    losses = []
    for epoch in range(1, epochs + 1):
        accuracy = mx.metric.Accuracy()
        for images, labels in tqdm(data, desc=f"{name}, epoch {epoch} of {epochs}", unit="batch", leave=False):
            images, labels = images.as_in_context(ctx), labels.as_in_context(ctx)
            with autograd.record():
                outputs = net(images)
                loss = loss_function(outputs, labels)
            loss.backward()
            trainer.step(images.shape[0])
            accuracy.update(labels, outputs)
            losses.append(loss.mean().asscalar())
        print(
            f"{name}, epoch {epoch}: loss {np.mean(losses[-len(data) :]):.4f}, "
            f"training accuracy {accuracy.get()[1]:.4f}, test accuracy {measure(net, test_data, ctx):.4f}",
            flush=True,
        )
    return losses


def measure(net, data, ctx):
    """The share of the data that the network names rightly."""
    accuracy = mx.metric.Accuracy()
    for images, labels in data:
        accuracy.update(labels.as_in_context(ctx), net(images.as_in_context(ctx)))
    return accuracy.get()[1]


def save_and_load(net, fresh, file, test_data, ctx):
    """Saves the parameters, loads them into a fresh network, and returns its accuracy, which is the same."""
    net.save_parameters(str(file))
    fresh.load_parameters(str(file), ctx=ctx)
    before, after = measure(net, test_data, ctx), measure(fresh, test_data, ctx)
    if before != after:
        sys.exit(f"{file}: the accuracy was {before} before saving and is {after} after loading")
    print(f"saved to {file} and loaded back: the same test accuracy, {after:.4f}")
    return after


# ---- the picture -----------------------------------------------------------------------------------------------------


def choose_samples(net, data, ctx):
    """40 digits and up to 8 that the network gets wrong: tuples of image, label and answer."""
    samples, mistakes = [], []
    for images, labels in data:
        answers = net(images.as_in_context(ctx)).argmax(axis=1).asnumpy()
        for image, label, answer in zip(images.asnumpy(), labels.asnumpy(), answers, strict=True):
            if len(samples) < 40:
                samples.append((image[0], int(label), int(answer)))
            elif answer != label and len(mistakes) < 8:
                mistakes.append((image[0], int(label), int(answer)))
    return samples + mistakes


def draw_picture(samples, losses, title, file):
    """Digits with what the network says, wrong answers in red, beside the curves of the loss."""
    mpl.use("Agg")  # into a file; no window needed
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(12, 6), layout="constrained")
    left, right = figure.subfigures(1, 2)
    left.suptitle(f"the CNN reads {title}; last row: some of its mistakes")
    for axes in left.subplots(6, 8).flat:
        axes.axis("off")
    for axes, (image, label, answer) in zip(left.axes, samples, strict=False):
        axes.imshow(image, cmap="gray_r")
        wrong = answer != label
        axes.set_title(f"{answer}, is {label}" if wrong else str(answer), color="red" if wrong else "black")
    right.suptitle("training loss (mean of 20 batches)")
    axes = right.subplots()
    for name, values in losses.items():
        smooth = np.convolve(values, np.ones(20) / 20, mode="valid")
        axes.semilogy(np.arange(len(smooth)) * BATCH_SIZE, smooth, label=name)
    axes.set_xlabel("digits seen")
    axes.legend()
    figure.savefig(file, dpi=110)
    print(f"picture: {file}")


def main():
    """Runs it all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--synthetic", action="store_true", help="draw the digits instead of downloading MNIST")
    parser.add_argument("--epochs", type=int, default=2, help="passes over the data, for each network")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for parameters and picture")
    options = parser.parse_args()

    mx.random.seed(7)
    np.random.seed(7)
    ctx = mx.gpu() if mx.context.num_gpus() else mx.cpu()
    options.output.mkdir(parents=True, exist_ok=True)
    train_set, test_set, title = load_data(options.synthetic)
    print(f"{len(train_set)} digits to learn from and {len(test_set)} to be tested on: {title}; on {ctx}")
    train_data = gluon.data.DataLoader(train_set, BATCH_SIZE, shuffle=True)
    test_data = gluon.data.DataLoader(test_set, BATCH_SIZE)

    losses = {}
    for name, make in (("MLP", make_mlp), ("CNN", CNN)):
        net = make()
        losses[name] = train(net, name, train_data, test_data, options.epochs, ctx)
        print(net)
        accuracy = save_and_load(net, make(), options.output / f"{name.lower()}.params", test_data, ctx)
    draw_picture(choose_samples(net, test_data, ctx), losses, title, options.output / "digits.png")
    print(f"test accuracy {accuracy:.4f}")


if __name__ == "__main__":
    main()
