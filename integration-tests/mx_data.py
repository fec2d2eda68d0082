"""Where the data of the tests is: MNIST and the files that MXNet 1.x wrote. Both are fetched apart from the sources."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# The environment's MX_TEST_DATA, else the folder shared/data beside the checkout.
ROOT = Path(os.environ.get("MX_TEST_DATA", Path(__file__).parents[2] / "shared/data"))
MODELS = ROOT / "mxnet_models"

has_models = pytest.mark.skipif(
    not MODELS.is_dir(), reason=f"no files of MXNet 1.x in {MODELS}; set MX_TEST_DATA to the folder of test data"
)
has_mnist = pytest.mark.skipif(
    not (ROOT / "mnist").is_dir(), reason=f"no MNIST in {ROOT / 'mnist'}; set MX_TEST_DATA to the folder of test data"
)


def make_home(folder: Path) -> Path:
    """A folder for MXNET_HOME in which the programs find MNIST without downloading it."""
    (folder / "datasets/mnist").mkdir(parents=True)
    for file in (ROOT / "mnist").glob("*.gz"):
        (folder / "datasets/mnist" / file.name).symlink_to(file)
    return folder
